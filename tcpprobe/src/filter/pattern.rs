//! Patterns of text: `*` for anything, `?` for one byte, `[a-z]` and `[!a-z]` for one of some, `\` for the next as it is.
//!
//! What the kernel's `~` means by its documentation (`Documentation/trace/events.rst`); what it does is another matter,
//! see [`super::kernel`].

/// Whether `text` fits `pattern`, in which `*` stands for any text, `?` for one byte, `[a-z]` for one of some.
///
/// ```
/// assert!(tcpprobe::filter::glob("tcp_*", "tcp_probe"));
/// ```
#[must_use]
pub fn glob(pattern: &str, text: &str) -> bool {
    fits(text.as_bytes(), pattern.as_bytes())
}

/// Whether all of `text` fits `pattern`. Takes at most `text * pattern` steps.
pub(super) fn fits(text: &[u8], pattern: &[u8]) -> bool {
    let (mut text_at, mut at) = (0, 0);
    // Where to go on after a mismatch: behind the last star, one byte of text further.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            retry = Some((text_at, at));
            continue;
        }
        let Some(&byte) = text.get(text_at) else { return at == pattern.len() };
        match one(&pattern[at..], byte) {
            Some(length) => {
                text_at += 1;
                at += length;
            }
            None => {
                let Some((from, behind)) = retry else { return false };
                retry = Some((from + 1, behind));
                (text_at, at) = (from + 1, behind);
            }
        }
    }
}

/// Length of the first element of `pattern`, if `byte` fits it.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match *pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'\\', literal, ..] => (literal == byte).then_some(2),
        [b'[', ref inner @ ..] => {
            let negated = inner.first() == Some(&b'!');
            let skip = usize::from(negated);
            // A ] that comes first is one of the bytes.
            match inner.iter().skip(skip + 1).position(|&b| b == b']') {
                Some(end) => (in_class(&inner[skip..=skip + end], byte) != negated).then_some(skip + end + 3),
                None => (byte == b'[').then_some(1),
            }
        }
        [literal, ..] => (literal == byte).then_some(1),
    }
}

fn in_class(class: &[u8], byte: u8) -> bool {
    let mut rest = class;
    while let [first, after @ ..] = rest {
        if let [b'-', last, after @ ..] = after {
            if (*first..=*last).contains(&byte) {
                return true;
            }
            rest = after;
        } else {
            if *first == byte {
                return true;
            }
            rest = after;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let check = |pattern: &str, yes: &[&str], no: &[&str]| {
            yes.iter().for_each(|t| assert!(fits(t.as_bytes(), pattern.as_bytes()), "{t} should fit {pattern}"));
            no.iter().for_each(|t| assert!(!fits(t.as_bytes(), pattern.as_bytes()), "{t} should not fit {pattern}"));
        };
        check("", &[""], &["a"]);
        check("*", &["", "abc"], &[]);
        check("curl", &["curl"], &["curl2", "cur"]);
        check("k*r*/?", &["kworker/0", "kr/1"], &["kworker/10", "kr/"]);
        check("*ssh", &["ssh", "openssh"], &["sshd"]);
        check("*a*b*", &["ab", "xaxbx"], &["ba"]);
        check("[a-cx]?", &["b1", "x-"], &["d1", "b"]);
        check("[!a-c]", &["d", "!"], &["a"]);
        check("[]a]", &["]", "a"], &["b"]);
        check("[a", &["[a"], &["a"]);
        check("\\*", &["*"], &["a", "\\*"]);
        check("a\\", &["a\\"], &["a"]);
    }

    #[test]
    fn no_blow_up() {
        let pattern = format!("{}b", "a*".repeat(100));
        assert!(!fits(&[b'a'; 1000], pattern.as_bytes()));
    }
}
