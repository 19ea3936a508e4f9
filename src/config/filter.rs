//! Search filters with placeholders (RFC 4515).
//!
//! In: `(|(mail={address})(proxyAddresses=smtp:{address}))`. Out: [`Filter`], of which is known
//! that it is well formed whatever is put in, for what is put in is escaped: [`Filter::with`].
//!
//! A placeholder may stand only in the value of an assertion, never in an attribute's name or
//! among the brackets. Refuses with the place of the first wrong octet.

use std::fmt::Write;

use serde::Deserialize;

const OCTETS: usize = 4_096;
/// Deeper brackets are nobody's filter.
const DEPTH: usize = 32;

/// A filter with `{placeholders}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Filter(String);

/// The text is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no LDAP filter (RFC 4515): {what} at column {column} of {text:?}")]
pub struct BadFilter {
    what: &'static str,
    column: usize,
    text: String,
}

impl Filter {
    /// One that ships with the box.
    pub(super) fn shipped(text: &'static str) -> Filter {
        Filter(text.into())
    }

    /// As it was given.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The names in curly brackets, each once.
    pub fn placeholders(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for piece in self.0.split('{').skip(1) {
            let name = piece.split('}').next().unwrap_or_default().to_owned();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The filter that finds whatever this one could find: every placeholder may be anything.
    pub fn for_anything(&self) -> Filter {
        let mut pieces = self.0.split('{');
        let mut text = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            // One star for any number of things beside each other.
            if !text.ends_with('*') {
                text.push('*');
            }
            let rest = piece.split_once('}').map_or("", |(_, rest)| rest);
            text.push_str(rest.strip_prefix('*').unwrap_or(rest));
        }
        Filter(text)
    }

    /// The filter with values for its placeholders, escaped; a placeholder without a value
    /// becomes one that nothing matches.
    pub fn with(&self, values: &[(&str, &str)]) -> String {
        let mut filled = String::with_capacity(self.0.len() + 64);
        let mut pieces = self.0.split('{');
        ascii_into(pieces.next().unwrap_or_default(), &mut filled);
        for piece in pieces {
            let (name, rest) = piece.split_once('}').unwrap_or((piece, ""));
            let value = values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
            escape_into(value.filter(|value| !value.is_empty()).unwrap_or("\0"), &mut filled);
            ascii_into(rest, &mut filled);
        }
        filled
    }
}

/// The filter's own text, in which only letters beyond ASCII need to be escaped.
fn ascii_into(text: &str, filled: &mut String) {
    for octet in text.bytes() {
        match octet {
            128.. => {
                let _ = write!(filled, "\\{octet:02x}");
            }
            plain => filled.push(char::from(plain)),
        }
    }
}

/// RFC 4515 section 3: what has a meaning in a filter, as a backslash and two digits. Octets
/// that are not ASCII as well, so that no reader of the filter can see them otherwise.
fn escape_into(value: &str, filled: &mut String) {
    for octet in value.bytes() {
        match octet {
            b'(' | b')' | b'*' | b'\\' | 0..=31 | 127.. => {
                // Writing to a string does not fail.
                let _ = write!(filled, "\\{octet:02x}");
            }
            plain => filled.push(char::from(plain)),
        }
    }
}

impl TryFrom<String> for Filter {
    type Error = BadFilter;

    fn try_from(text: String) -> Result<Filter, BadFilter> {
        let octets = text.as_bytes();
        let mut reader = Reader { octets, at: 0 };
        let read = match octets.len() > OCTETS {
            true => Err("too long a text"),
            false => reader.filter(0).and_then(|()| {
                let ends = (reader.at == octets.len()).then_some(());
                ends.ok_or("something behind the last bracket")
            }),
        };
        match read {
            Ok(()) => Ok(Filter(text)),
            Err(what) => {
                let before = text.get(..reader.at).unwrap_or(&text);
                let column = before.chars().count() + 1;
                Err(BadFilter { what, column, text })
            }
        }
    }
}

struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
}

type Read = Result<(), &'static str>;

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.octets.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8, what: &'static str) -> Read {
        match self.peek() == Some(wanted) {
            true => {
                self.at += 1;
                Ok(())
            }
            false => Err(what),
        }
    }

    fn filter(&mut self, depth: usize) -> Read {
        if depth > DEPTH {
            return Err("brackets too deep");
        }
        self.take(b'(', "no opening bracket")?;
        match self.peek() {
            Some(b'&' | b'|') => {
                self.at += 1;
                while self.peek() == Some(b'(') {
                    self.filter(depth + 1)?;
                }
            }
            Some(b'!') => {
                self.at += 1;
                self.filter(depth + 1)?;
            }
            _ => self.item()?,
        }
        self.take(b')', "no closing bracket")
    }

    fn item(&mut self) -> Read {
        let begun = self.at;
        let is_of_name = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.;:".contains(&octet);
        while self.peek().is_some_and(is_of_name) {
            self.at += 1;
        }
        if self.at == begun {
            return Err("no attribute");
        }
        if matches!(self.peek(), Some(b'~' | b'<' | b'>')) {
            self.at += 1;
        }
        self.take(b'=', "no `=` behind the attribute")?;
        self.value()
    }

    fn value(&mut self) -> Read {
        loop {
            match self.peek() {
                None | Some(b'(' | b')') => return Ok(()),
                Some(0) => return Err("a NUL"),
                Some(b'\\') => {
                    let digits = self.octets.get(self.at + 1..self.at + 3).unwrap_or_default();
                    if digits.len() != 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
                        return Err("a backslash without two digits");
                    }
                    self.at += 3;
                }
                Some(b'{') => {
                    self.at += 1;
                    let begun = self.at;
                    while self.peek().is_some_and(|octet| octet.is_ascii_lowercase()) {
                        self.at += 1;
                    }
                    if self.at == begun {
                        return Err("no name in curly brackets");
                    }
                    self.take(b'}', "no closing curly bracket")?;
                }
                Some(b'}') => return Err("a closing curly bracket alone"),
                Some(_) => self.at += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Filter {
        Filter::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn filters_are_read_or_refused() {
        let good = [
            "(mail={address})",
            "(&(objectClass=person)(|(mail={address})(proxyAddresses=smtp:{address})))",
            "(!(mail=*))",
            "(member:1.2.840.113556.1.4.1941:={dn})",
            "(cn~=x)",
            "(size>=1)",
            r"(cn=a\2ab)",
            "(cn=a*b*)",
            "(&)",
            "(cn=gr\u{fc}n)",
        ];
        for text in good {
            assert!(Filter::try_from(text.to_owned()).is_ok(), "{text}");
        }
        let deep = format!("{}(a=b){}", "(!".repeat(40), ")".repeat(40));
        let long = format!("(a={})", "x".repeat(5_000));
        let bad = [
            ("", 1),
            ("mail=x", 1),
            ("(mail=x", 8),
            ("(mail=x))", 9),
            ("(mail=x)(a=b)", 9),
            ("(=x)", 2),
            ("(mail x)", 6),
            (r"(mail=\2)", 7),
            ("({a}=x)", 2),
            ("(mail={})", 8),
            ("(mail={Address})", 8),
            ("(mail={a)", 9),
            ("(mail=a})", 8),
            ("(&(a=b)c)", 8),
            (deep.as_str(), 67),
            (long.as_str(), 1),
        ];
        for (text, column) in bad {
            let error = Filter::try_from(text.to_owned()).unwrap_err();
            assert_eq!(error.column, column, "{error}");
        }
    }

    #[test]
    fn what_is_put_in_cannot_break_out() {
        let table = [
            ("ann@x.test", "ann@x.test"),
            ("*", r"\2a"),
            ("a)(objectClass=*", r"a\29\28objectClass=\2a"),
            (r"a\2a", r"a\5c2a"),
            ("a\0b", r"a\00b"),
            ("gr\u{fc}n", r"gr\c3\bcn"),
            ("{address}", "{address}"),
            ("a\r\nb", r"a\0d\0ab"),
            ("", r"\00"),
        ];
        for (value, escaped) in table {
            let filled = filter("(mail={address})").with(&[("address", value)]);
            assert_eq!(filled, format!("(mail={escaped})"));
            assert!(value.contains('{') || Filter::try_from(filled).is_ok());
        }
        assert_eq!(filter("(a={x}{y}-{x})").with(&[("x", "1"), ("y", "2")]), "(a=12-1)");
        assert_eq!(filter("(a={x})").with(&[]), r"(a=\00)");
        assert_eq!(filter("(a=\u{fc}{x})").with(&[("x", "1")]), r"(a=\c3\bc1)");
        assert_eq!(
            filter("(&(a=smtp:{x})(b={y}@z))").for_anything(),
            filter("(&(a=smtp:*)(b=*@z))")
        );
        assert_eq!(filter("(&(a={x})(b={y})(c={x}))").placeholders(), ["x", "y"]);
    }
}
