//! `name=value` words of an event's body.

/// A field, and where its value begins in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: &'a str,
    /// Offset of the value.
    pub(crate) at: usize,
}

impl<'a> Field<'a> {
    /// The value up to its first blank; what numbers and addresses are read from.
    pub(crate) fn word(&self) -> &'a str {
        self.value.split(' ').next().unwrap_or("")
    }
}

/// Walks the fields. A value ends where ` name=` follows; words before the first field are skipped.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    body: &'a str,
    /// Where the next field's name begins, and its `=`.
    next: Option<(usize, usize)>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(body: &'a str) -> Self {
        let mut fields = Fields { body, next: None };
        fields.next = fields.name_from(0);
        fields
    }

    /// The first `name=` that begins at `from` or after a blank behind it.
    fn name_from(&self, from: usize) -> Option<(usize, usize)> {
        let bytes = self.body.as_bytes();
        let mut start = from;
        loop {
            let rest = bytes.get(start..)?;
            let length = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
            if length > 0 && rest.get(length) == Some(&b'=') {
                return Some((start, start + length));
            }
            start += length + memchr::memchr(b' ', &rest[length..])? + 1;
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let (start, equals) = self.next?;
        let at = equals + 1;
        // The next name follows a blank, so not directly at the value.
        let blank = memchr::memchr(b' ', &self.body.as_bytes()[at..]);
        self.next = blank.and_then(|blank| self.name_from(at + blank + 1));
        let end = self.next.map_or(self.body.len(), |(next, _)| next);
        Some(Field { name: &self.body[start..equals], value: self.body[at..end].trim_end_matches(' '), at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_on_to_the_next_name() {
        let check = |body, expected: &[(&str, &str)]| {
            let found: Vec<_> = Fields::new(body).map(|f| (f.name, f.value)).collect();
            assert_eq!(found, expected, "{body}");
            assert!(Fields::new(body).all(|f| body[f.at..].starts_with(f.value)));
        };
        check("", &[]);
        check("a=1", &[("a", "1")]);
        check("a= b=2 ", &[("a", ""), ("b", "2")]);
        check("some words a=1 [F  S] b=x=y  c", &[("a", "1 [F  S]"), ("b", "x=y  c")]);
        check("skb_addr 0000 skb_len 0", &[]);
        check("sk address = 1, family=2", &[("family", "2")]);
        check("=1 a.b=2 é=3 f=4", &[("f", "4")]);
    }
}
