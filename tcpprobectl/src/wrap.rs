//! Words in lines of a terminal.

/// Columns of a line.
const WIDTH: usize = 80;

/// Breaks a line at 80 columns; what follows the first line is indented by `hanging` blanks.
#[must_use]
pub fn wrap(indent: &str, words: &str, hanging: usize) -> String {
    let (mut text, mut line) = (String::new(), indent.to_owned());
    let mut is_empty = true;
    for word in words.split(' ') {
        if line.chars().count() + word.chars().count() > WIDTH && !is_empty {
            text.push_str(line.trim_end());
            text.push('\n');
            line = " ".repeat(hanging);
        }
        line.push_str(word);
        line.push(' ');
        is_empty = false;
    }
    text + line.trim_end() + "\n"
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_line_is_wider() {
        let text = super::wrap("  ", &"word ".repeat(60), 4);
        assert!(text.lines().all(|line| line.len() <= 80) && text.lines().count() > 3, "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("    word")), "{text}");
        assert_eq!(super::wrap("  ", &"x".repeat(90), 4), format!("  {}\n", "x".repeat(90)));
    }
}
