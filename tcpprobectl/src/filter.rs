//! Filters as typed: read, and their mistakes shown.

use tcpprobe::filter::{Filter, FilterError};
use tcpprobe::flow::Ends;

use crate::exit::{Exit, FILTER_HELP, Failure};

/// The filter as typed, if there is one, of connections with these ends.
pub fn of_connection(filter: Option<&str>, ends: Option<&Ends>) -> Result<Filter, Failure> {
    with_ends(parse(filter.unwrap_or_default())?, ends)
}

/// `filter`, of connections with these ends.
pub fn with_ends(filter: Filter, ends: Option<&Ends>) -> Result<Filter, Failure> {
    Ok(match ends {
        Some(ends) => filter.and(&parse(&ends.filter())?),
        None => filter,
    })
}

/// Reads a filter as typed.
pub fn parse(text: &str) -> Result<Filter, Failure> {
    Filter::parse(text).map_err(|error| failure(&error, text))
}

/// The failure that says where in the filter `text` the mistake is.
pub fn failure(error: &FilterError, text: &str) -> Failure {
    let what = format!("filter, column {}: {}", error.column, error.message);
    let hint = error.hint.clone().unwrap_or_else(|| FILTER_HELP.to_owned());
    Failure::new(Exit::Usage, what, hint).with_snippet(snippet(error, text))
}

/// `error` with the place in the filter, where the daemon told one.
pub fn with_place(error: tcpprobe_client::Error, text: &str) -> anyhow::Error {
    if let tcpprobe_client::Error::Status { code, message } = &error
        && let Some(snippet) = place(message, text)
    {
        return Failure::of_status(*code, message).with_snippet(snippet).into();
    }
    error.into()
}

/// The filter with carets under the word at the column that `message` tells.
fn place(message: &str, text: &str) -> Option<String> {
    let column: usize = message.strip_prefix("filter, column ")?.split(':').next()?.parse().ok()?;
    let rest: Vec<char> = text.chars().skip(column.checked_sub(1)?).collect();
    let is_word = |c: char| c.is_alphanumeric() || "_.:/-".contains(c);
    let length = match *rest.first()? {
        quote @ ('"' | '\'') => 1 + rest[1..].iter().take_while(|&&c| c != quote).count() + 1,
        first => rest.iter().take_while(|&&c| !c.is_whitespace() && is_word(c) == is_word(first)).count(),
    };
    Some(snippet(&FilterError { column, length, message: String::new(), hint: None }, text))
}

/// The filter with carets under the mistake.
pub fn snippet(error: &FilterError, text: &str) -> String {
    // The first line says what the failure says, and what is behind the carets too.
    error.render(text).lines().skip(1).take(2).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_the_daemon_tells_is_shown() {
        let check = |message: &str, text: &str, carets: Option<&str>| {
            let shown = place(message, text);
            assert_eq!(shown.as_deref().map(|shown| shown.lines().nth(1).unwrap_or_default()), carets, "{message}");
        };
        let text = "sport == 80 && sprot==81 && comm == \"a name\" && é ~ 1";
        check("filter, column 16: no event has it", text, Some("                 ^^^^^"));
        check("filter, column 21: no such comparison", text, Some("                      ^^"));
        check("filter, column 37: too long", text, Some(&format!("{}^^^^^^^^", " ".repeat(38))));
        check("filter, column 900: from another text", text, None);
        check("filter, column 0: x", text, None);
        check("no such job", text, None);
    }

    #[test]
    fn a_bad_filter_is_a_usage_failure_that_says_where() {
        let failure = parse("sport = 80").unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert_eq!(crate::exit::line(&failure.into()), "filter, column 7: a single = compares nothing; write ==");
    }
}
