//! Files with addresses: mailboxes of a domain (`addresses_file`), members of a group (`file`).
//!
//! In: one address a line, `#` for comments; or CSV (RFC 4180) with a header row that names a
//! column of addresses, as mail servers and directories export it. Such a column may hold
//! several, with `smtp:` before each. A column `group` chooses the rows of a group.
//! Out: addresses in the form of [`Address::key`]. Refuses a file with anything in it that is
//! no address, by file, line and column: half a list would refuse other people's mail.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::error::{ConfigError, Place};
use super::{Config, Party, RecipientCheck};
use crate::mail::{Address, Domain};

const FILE_OCTETS: u64 = 64 << 20;
const ADDRESSES: usize = 1_000_000;
/// What columns of addresses are called, in small letters without spaces and dashes.
const COLUMNS: [&str; 9] = [
    "address",
    "addresses",
    "email",
    "emailaddress",
    "emailaddresses",
    "mail",
    "primarysmtpaddress",
    "proxyaddresses",
    "recipient",
];

/// Reads every file that the configuration names.
pub(super) fn read(config: &mut Config) -> Result<(), ConfigError> {
    for domain in &mut config.domain {
        if domain.recipients != RecipientCheck::List {
            continue;
        }
        let key = |entry: &String| match entry.parse::<Address>() {
            Ok(address) => address.key(),
            Err(_) => format!("{}@{}", entry.to_lowercase(), domain.name),
        };
        let mut listed: HashSet<String> = domain.addresses.iter().map(key).collect();
        if let Some(file) = &domain.addresses_file {
            let wanted = Wanted { domain: Some(&domain.name), group: None };
            listed.extend(wanted.of_file(file)?);
        }
        domain.listed = Arc::new(listed);
    }
    for group in &mut config.group {
        let own = group.members.iter().filter_map(|member| match member {
            Party::Address(address) => Some(address.key()),
            Party::Domain(_) | Party::Group(_) => None,
        });
        let mut listed: HashSet<String> = own.collect();
        if let Some(file) = &group.file {
            listed.extend(Wanted { domain: None, group: Some(&group.name) }.of_file(file)?);
        }
        group.listed = Arc::new(listed);
    }
    Ok(())
}

/// What is read of a file.
struct Wanted<'a> {
    /// Whose local parts may stand alone; addresses elsewhere are passed over.
    domain: Option<&'a Domain>,
    /// Whose rows are meant where a column says so.
    group: Option<&'a str>,
}

impl Wanted<'_> {
    fn of_file(&self, file: &Path) -> Result<HashSet<String>, ConfigError> {
        let unreadable = |error| ConfigError::Unreadable { file: file.to_owned(), error };
        let octets = std::fs::metadata(file).map_err(unreadable)?.len();
        let wrong = |place, what: &str| ConfigError::Wrong {
            file: file.to_owned(),
            place,
            what: what.to_owned(),
        };
        if octets > FILE_OCTETS {
            return Err(wrong(Place { line: 1, column: 1 }, "the file is larger than 64 MiB"));
        }
        let text = std::fs::read_to_string(file).map_err(unreadable)?;
        self.of_text(&text).map_err(|(place, what)| wrong(place, &what))
    }

    fn of_text(&self, text: &str) -> Result<HashSet<String>, (Place, String)> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut found = HashSet::new();
        let mut rows = Rows::new(text);
        let Some(first) = rows.next().transpose()? else { return Ok(found) };
        let names: Vec<String> = first.iter().map(|field| plain_name(&field.text)).collect();
        let columns: Vec<usize> = names
            .iter()
            .enumerate()
            .filter(|(_, name)| COLUMNS.contains(&name.as_str()))
            .map(|(at, _)| at)
            .collect();
        let of_group = names.iter().position(|name| name == "group");
        let is_header = !columns.is_empty() && !first.iter().any(|one| one.text.contains('@'));
        if !is_header {
            self.take(first.first(), &mut found)?;
        }
        for row in rows {
            let row = row?;
            if !is_header {
                self.take(row.first(), &mut found)?;
                continue;
            }
            let group = of_group.and_then(|at| row.get(at)).map(|field| field.text.trim());
            if group.is_some_and(|named| self.group.is_some_and(|wanted| wanted != named)) {
                continue;
            }
            for column in &columns {
                self.take(row.get(*column), &mut found)?;
            }
            if found.len() > ADDRESSES {
                let place = row.first().map_or(Place { line: 1, column: 1 }, |field| field.place);
                return Err((place, format!("more than {ADDRESSES} addresses")));
            }
        }
        Ok(found)
    }

    /// The addresses of one field.
    fn take(
        &self,
        field: Option<&Field>,
        found: &mut HashSet<String>,
    ) -> Result<(), (Place, String)> {
        let Some(field) = field else { return Ok(()) };
        let pieces = field.text.split([';', '|', ' ', '\t', ',']).map(str::trim);
        for piece in pieces.filter(|piece| !piece.is_empty()) {
            let Some(bare) = smtp_address(piece) else { continue };
            let address = match (bare.contains('@'), self.domain) {
                (false, Some(domain)) => format!("{bare}@{domain}").parse::<Address>(),
                _ => bare.parse(),
            };
            let address = address.map_err(|error| (field.place, format!("{piece:?}: {error}")))?;
            if self.domain.is_none_or(|domain| address.domain() == Some(domain)) {
                found.insert(address.key());
            }
        }
        Ok(())
    }
}

/// Without its `smtp:`; nothing for addresses of other kinds (`X500:`, `sip:`).
pub fn smtp_address(text: &str) -> Option<&str> {
    let Some((scheme, rest)) = text.split_once(':') else { return Some(text) };
    match scheme.len() {
        _ if scheme.eq_ignore_ascii_case("smtp") => Some(rest.trim()),
        // A colon within a quoted local part.
        _ if scheme.starts_with('"') || scheme.contains('@') => Some(text),
        _ => None,
    }
}

fn plain_name(text: &str) -> String {
    text.trim().to_lowercase().replace([' ', '-', '_'], "")
}

#[derive(Debug)]
struct Field {
    text: String,
    place: Place,
}

/// Rows of a CSV text; comments and empty lines are passed over.
struct Rows<'a> {
    letters: std::iter::Peekable<std::str::Chars<'a>>,
    line: usize,
    column: usize,
    separator: char,
}

impl<'a> Rows<'a> {
    fn new(text: &'a str) -> Rows<'a> {
        let head = text.lines().find(|line| !line.is_empty() && !line.starts_with('#'));
        let head = head.unwrap_or_default();
        let most = [',', ';', '\t'].into_iter().max_by_key(|one| head.matches(*one).count());
        let separator = most.filter(|one| head.contains(*one)).unwrap_or(',');
        Rows { letters: text.chars().peekable(), line: 1, column: 1, separator }
    }

    fn step(&mut self) -> Option<char> {
        let letter = self.letters.next()?;
        match letter {
            '\n' => (self.line, self.column) = (self.line + 1, 1),
            _ => self.column += 1,
        }
        Some(letter)
    }

    fn skip_line(&mut self) {
        while self.step().is_some_and(|letter| letter != '\n') {}
    }

    /// One field and what ended it.
    fn field(&mut self) -> Result<(Field, Option<char>), (Place, String)> {
        let place = Place { line: self.line, column: self.column };
        let mut text = String::new();
        if self.letters.peek() == Some(&'"') {
            self.step();
            loop {
                match self.step() {
                    // RFC 4180 section 2: a quote within quotes is written twice.
                    Some('"') if self.letters.peek() == Some(&'"') => {
                        self.step();
                        text.push('"');
                    }
                    Some('"') => break,
                    Some(letter) => text.push(letter),
                    None => return Err((place, "a quote that nothing closes".into())),
                }
            }
        }
        loop {
            match self.step() {
                Some('\r') => {}
                Some(letter) if letter == self.separator || letter == '\n' => {
                    return Ok((Field { text, place }, Some(letter)));
                }
                Some(letter) => text.push(letter),
                None => return Ok((Field { text, place }, None)),
            }
        }
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Vec<Field>, (Place, String)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.letters.peek()? {
                '#' => self.skip_line(),
                '\n' | '\r' => {
                    self.step();
                }
                _ => break,
            }
        }
        let mut row = Vec::new();
        loop {
            match self.field() {
                Err(error) => {
                    self.letters = "".chars().peekable();
                    return Some(Err(error));
                }
                Ok((field, end)) => {
                    row.push(field);
                    if end != Some(self.separator) {
                        return Some(Ok(row));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str, wanted: &Wanted<'_>) -> Result<Vec<String>, String> {
        let found = wanted.of_text(text).map_err(|(place, what)| format!("{place} {what}"))?;
        let mut found: Vec<String> = found.into_iter().collect();
        found.sort();
        Ok(found)
    }

    #[test]
    fn lists_and_exports_are_read() {
        let domain = Domain::parse("x.test").unwrap();
        let wanted = Wanted { domain: Some(&domain), group: None };
        let table: [(&str, &[&str]); 9] = [
            ("", &[]),
            ("# nobody\n\n", &[]),
            ("ann\nBob@X.test\r\n# c\ncid@y.test", &["ann@x.test", "bob@x.test"]),
            ("\u{feff}name,mail\nAnn,ann@x.test\nBob,\n", &["ann@x.test"]),
            ("\"Display Name\";\"Primary-Smtp Address\"\n\"A; B\";ann@x.test\n", &["ann@x.test"]),
            (
                "Name,EmailAddresses\nAnn,\"SMTP:ann@x.test;smtp:a@x.test;X500:/o=x;sip:ann@x.test\"\n",
                &["a@x.test", "ann@x.test"],
            ),
            (
                "mail\tproxyAddresses\nann@x.test\tsmtp:b@x.test smtp:c@x.test\n",
                &["ann@x.test", "b@x.test", "c@x.test"],
            ),
            ("\"a\"\"b\",mail\nq,\"ann@x.test\"\n", &["ann@x.test"]),
            ("ann@x.test,Ann\nbob@x.test,Bob", &["ann@x.test", "bob@x.test"]),
        ];
        for (text, expected) in table {
            assert_eq!(keys(text, &wanted).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn wrong_rows_are_named() {
        let domain = Domain::parse("x.test").unwrap();
        let wanted = Wanted { domain: Some(&domain), group: None };
        let table = [
            ("ann@x.test\n\nb..c@x.test", "3:1"),
            ("name,mail\nAnn,ann@x.test\nBob,bob@@x", "3:5"),
            ("name,mail\nAnn,\"ann@x.test\n", "2:5"),
        ];
        for (text, place) in table {
            let error = keys(text, &wanted).unwrap_err();
            assert!(error.starts_with(place), "{error}");
        }
    }

    #[test]
    fn rows_of_a_group_are_chosen() {
        let text = "group,address\nit,ann@x.test\nhr,bob@x.test\nit,cid@y.test\n";
        let of = |group| keys(text, &Wanted { domain: None, group: Some(group) }).unwrap();
        assert_eq!(of("it"), ["ann@x.test", "cid@y.test"]);
        assert_eq!(of("hr"), ["bob@x.test"]);
        assert!(of("none").is_empty());
    }
}
