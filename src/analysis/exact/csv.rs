//! Tables of comma-separated values (RFC 4180), as spreadsheets and databases write them.
//!
//! In: the octets of a file: UTF-8 or Windows-1252, or UTF-16 with a byte order mark; fields
//! separated by a comma, a semicolon or a tab. Out: the names of the columns and the rows one by
//! one, each with the line that it begins on; white space around a field is not part of it. A row
//! that is not in order is a [`RowFault`] and reading goes on behind it, but for a quote that is
//! never closed: there is no telling where the next row begins. Fails with [`CsvError`].

use std::borrow::Cow;

use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};

/// A field that is longer is no name or number.
const FIELD_OCTETS: usize = 64 << 10;
/// Tables with more columns are something else.
const MOST_COLUMNS: usize = 4_096;

/// How a file's letters are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with a byte order mark or without.
    Utf8,
    /// Windows-1252, in which Western spreadsheets save.
    Windows1252,
    /// UTF-16, which needs its byte order mark.
    Utf16,
}

impl Encoding {
    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "UTF-8",
            Encoding::Windows1252 => "Windows-1252",
            Encoding::Utf16 => "UTF-16",
        }
    }
}

/// Why a file is no table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsvError {
    /// Nothing in it.
    #[error("the file is empty; its first line has to name the columns")]
    Empty,
    /// UTF-8 and something else.
    #[error(
        "line {line} is not UTF-8 while other lines are; save the file in one encoding, or name it"
    )]
    MixedEncoding {
        /// The first one.
        line: usize,
    },
    /// It was said to be UTF-8.
    #[error("line {line} is not {}", encoding.name())]
    NotEncoded {
        /// The first one.
        line: usize,
        /// What it was said to be.
        encoding: Encoding,
    },
    /// Octets of zero: a spreadsheet's own file, or UTF-16 without a mark.
    #[error("line {line} holds a NUL octet: this is no CSV file (of a spreadsheet, export one)")]
    Binary {
        /// The first one.
        line: usize,
    },
    /// The first line cannot be read.
    #[error("line 1: {0}")]
    Header(RowFault),
    /// More columns than a table has.
    #[error("{0} columns are more than {MOST_COLUMNS}")]
    Columns(usize),
}

/// Why a row cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    /// It has another number of fields than the header.
    #[error("{found} fields, the header has {expected}")]
    Ragged {
        /// In this row.
        found: usize,
        /// In the header.
        expected: usize,
    },
    /// The file ends within quotes.
    #[error("a quote that is never closed")]
    Unclosed,
    /// `"a"b`.
    #[error("text behind a closing quote")]
    AfterQuote,
    /// A field without an end.
    #[error("a field of more than {FIELD_OCTETS} octets; is a quote missing?")]
    LongField,
}

/// The text of a file.
pub fn decode(
    octets: &[u8],
    named: Option<Encoding>,
) -> Result<(Cow<'_, str>, Encoding), CsvError> {
    if octets.starts_with(&[0xff, 0xfe]) || octets.starts_with(&[0xfe, 0xff]) {
        let form = if octets.starts_with(&[0xff]) { UTF_16LE } else { UTF_16BE };
        let (text, _, broken) = form.decode(octets);
        return match broken {
            true => Err(CsvError::NotEncoded { line: 1, encoding: Encoding::Utf16 }),
            false => no_nul(text).map(|text| (text, Encoding::Utf16)),
        };
    }
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    let (text, encoding) = match (std::str::from_utf8(octets), named) {
        (Ok(text), None | Some(Encoding::Utf8)) => (Cow::Borrowed(text), Encoding::Utf8),
        (Err(error), Some(Encoding::Utf8)) => {
            let line = line_at(octets, error.valid_up_to());
            return Err(CsvError::NotEncoded { line, encoding: Encoding::Utf8 });
        }
        (_, Some(Encoding::Utf16)) => {
            return Err(CsvError::NotEncoded { line: 1, encoding: Encoding::Utf16 });
        }
        (Err(error), None) if has_utf8(octets) => {
            return Err(CsvError::MixedEncoding { line: line_at(octets, error.valid_up_to()) });
        }
        (Ok(_) | Err(_), _) => {
            let (text, _) = WINDOWS_1252.decode_without_bom_handling(octets);
            (text, Encoding::Windows1252)
        }
    };
    no_nul(text).map(|text| (text, encoding))
}

fn no_nul(text: Cow<'_, str>) -> Result<Cow<'_, str>, CsvError> {
    match memchr::memchr(0, text.as_bytes()) {
        Some(at) => Err(CsvError::Binary { line: line_at(text.as_bytes(), at) }),
        None => Ok(text),
    }
}

fn line_at(octets: &[u8], at: usize) -> usize {
    memchr::memchr_iter(b'\n', octets.get(..at).unwrap_or_default()).count() + 1
}

/// Whether more letters beyond ASCII are whole in UTF-8 than are not: then the others are a
/// mistake, for it hardly happens by chance.
fn has_utf8(octets: &[u8]) -> bool {
    let (mut whole, mut broken) = (0_usize, 0_usize);
    for chunk in octets.utf8_chunks() {
        whole += chunk.valid().chars().filter(|letter| !letter.is_ascii()).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    whole > broken
}

/// One row: where it begins, and its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The line of the file on which it begins.
    pub line: usize,
    /// As many as the header has.
    pub fields: Vec<String>,
}

/// Rows of a text, the header being read.
#[derive(Debug)]
pub struct Rows<'t> {
    columns: Vec<String>,
    scanner: Scanner<'t>,
}

impl<'t> Rows<'t> {
    /// Reads the header.
    pub fn of(text: &'t str) -> Result<Rows<'t>, CsvError> {
        let mut scanner = Scanner { text, at: 0, line: 1, delimiter: delimiter(text) };
        loop {
            let Some((_, fields)) = scanner.row() else { return Err(CsvError::Empty) };
            let fields = fields.map_err(CsvError::Header)?;
            if is_blank(&fields) {
                continue;
            }
            if fields.len() > MOST_COLUMNS {
                return Err(CsvError::Columns(fields.len()));
            }
            return Ok(Rows { columns: fields, scanner });
        }
    }

    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }
}

impl Iterator for Rows<'_> {
    type Item = (usize, Result<Row, RowFault>);

    fn next(&mut self) -> Option<(usize, Result<Row, RowFault>)> {
        loop {
            let (line, fields) = self.scanner.row()?;
            let fields = match fields {
                Ok(fields) if is_blank(&fields) => continue,
                Ok(fields) => fields,
                Err(fault) => return Some((line, Err(fault))),
            };
            let (found, expected) = (fields.len(), self.columns.len());
            return Some((
                line,
                match found == expected {
                    true => Ok(Row { line, fields }),
                    false => Err(RowFault::Ragged { found, expected }),
                },
            ));
        }
    }
}

/// An empty line, or one of separators alone as spreadsheets put at the end.
fn is_blank(fields: &[String]) -> bool {
    fields.iter().all(String::is_empty)
}

/// The separator that the header has most of, outside quotes.
fn delimiter(text: &str) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for octet in text.trim_start().bytes().take(FIELD_OCTETS) {
        match octet {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            _ if quoted => {}
            _ => {
                for (separator, count) in &mut counts {
                    *count += usize::from(octet == *separator);
                }
            }
        }
    }
    let most = counts.iter().rev().max_by_key(|(_, count)| *count);
    most.map_or(b',', |(separator, _)| *separator)
}

#[derive(Debug)]
struct Scanner<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    delimiter: u8,
}

/// What stands behind a field.
enum End {
    Field,
    Row,
}

impl Scanner<'_> {
    fn octet(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next row and the line that it begins on; none at the end.
    fn row(&mut self) -> Option<(usize, Result<Vec<String>, RowFault>)> {
        self.octet()?;
        let line = self.line;
        let mut fields = Vec::new();
        loop {
            match self.field() {
                Ok((field, end)) => {
                    fields.push(field);
                    if matches!(end, End::Row) || fields.len() > MOST_COLUMNS {
                        return Some((line, Ok(fields)));
                    }
                }
                Err(fault) => return Some((line, Err(fault))),
            }
        }
    }

    fn field(&mut self) -> Result<(String, End), RowFault> {
        // RFC 4180 has no white space before a quote; programs do.
        while let Some(b' ') = self.octet() {
            self.at += 1;
        }
        match self.octet() {
            Some(b'"') => self.quoted(),
            _ => self.plain(),
        }
    }

    /// Section 2, rules 1 to 4.
    fn plain(&mut self) -> Result<(String, End), RowFault> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let is_end = |octet: &u8| *octet == self.delimiter || matches!(*octet, b'\n' | b'\r');
        let length = rest.iter().position(is_end).unwrap_or(rest.len());
        let field = self.text.get(self.at..self.at + length).unwrap_or_default().trim().to_owned();
        self.at += length;
        let end = self.end();
        if field.len() > FIELD_OCTETS {
            return self.rest_of_line(&end, RowFault::LongField);
        }
        Ok((field, end))
    }

    /// Rules 5 to 7: within quotes line ends and separators are text, and two quotes are one.
    fn quoted(&mut self) -> Result<(String, End), RowFault> {
        self.at += 1;
        let (start, line) = (self.at, self.line);
        let mut field = String::new();
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let Some(length) = memchr::memchr(b'"', rest) else {
                self.at = self.text.len();
                return Err(RowFault::Unclosed);
            };
            let piece = self.text.get(self.at..self.at + length).unwrap_or_default();
            self.line += memchr::memchr_iter(b'\n', piece.as_bytes()).count();
            field.push_str(piece);
            self.at += length + 1;
            if field.len() > FIELD_OCTETS {
                // Whatever the quote was for, the row ends with its line.
                (self.at, self.line) = (start, line);
                return self.rest_of_line(&End::Field, RowFault::LongField);
            }
            if self.octet() != Some(b'"') {
                break;
            }
            field.push('"');
            self.at += 1;
        }
        while let Some(b' ') = self.octet() {
            self.at += 1;
        }
        match self.octet() {
            None | Some(b'\r' | b'\n') => {}
            Some(octet) if octet == self.delimiter => {}
            Some(_) => return self.rest_of_line(&End::Field, RowFault::AfterQuote),
        }
        let end = self.end();
        Ok((field.trim().to_owned(), end))
    }

    /// Steps over what ends a field.
    fn end(&mut self) -> End {
        match self.octet() {
            Some(octet) if octet == self.delimiter => {
                self.at += 1;
                return End::Field;
            }
            Some(b'\r') => {
                self.at += 1;
                if self.octet() == Some(b'\n') {
                    self.at += 1;
                }
                self.line += 1;
            }
            Some(b'\n') => {
                self.at += 1;
                self.line += 1;
            }
            _ => {}
        }
        End::Row
    }

    /// Gives up a row, to go on with the next line.
    fn rest_of_line<T>(&mut self, ended: &End, fault: RowFault) -> Result<T, RowFault> {
        if matches!(ended, End::Field) {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            self.at += memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            self.end();
        }
        Err(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(usize, Result<Vec<String>, RowFault>)> {
        let rows = Rows::of(text).unwrap();
        rows.map(|(line, row)| (line, row.map(|row| row.fields))).collect()
    }

    fn fields(fields: &[&str]) -> Result<Vec<String>, RowFault> {
        Ok(fields.iter().map(|field| (*field).to_owned()).collect())
    }

    #[test]
    fn tables_are_read_as_programs_write_them() {
        let table: [(&str, &[&[&str]]); 9] = [
            ("a,b\n1,2\n3,4\n", &[&["1", "2"], &["3", "4"]]),
            ("a,b\r\n1,2\r\n3,4", &[&["1", "2"], &["3", "4"]]),
            ("a,b\r1,2\r3,4\r", &[&["1", "2"], &["3", "4"]]),
            ("a;b\n\"x;y\";2,5\n", &[&["x;y", "2,5"]]),
            ("a\tb\n1\t2\n", &[&["1", "2"]]),
            (
                "\"a,x\",b\n\"He said \"\"hi\"\"\",\"two\r\nlines\"\n",
                &[&["He said \"hi\"", "two\r\nlines"]],
            ),
            ("\n\na,b\n\n ,\n1, 2 \n,\n", &[&["1", "2"]]),
            ("a\n\"x\" \n y\n", &[&["x"], &["y"]]),
            ("a,b\n5\" pipe,2\n", &[&["5\" pipe", "2"]]),
        ];
        for (text, expected) in table {
            let expected: Vec<_> = expected.iter().map(|row| fields(row)).collect();
            let found: Vec<_> = rows(text).into_iter().map(|(_, row)| row).collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn faults_name_their_line_and_reading_goes_on() {
        let text = "a,b\n1\n\"x\ny\",2\n1,2,3\n\"a\"b,2\n5,6\n\"open,1\n2,3\n";
        let ragged = |found| Err(RowFault::Ragged { found, expected: 2 });
        assert_eq!(
            rows(text),
            [
                (2, ragged(1)),
                (3, fields(&["x\ny", "2"])),
                (5, ragged(3)),
                (6, Err(RowFault::AfterQuote)),
                (7, fields(&["5", "6"])),
                (8, Err(RowFault::Unclosed)),
            ]
        );
        let long = format!("a,b\n\"{}\n1,2\n\"z\",4\n", "x\n".repeat(FIELD_OCTETS));
        let found = rows(&long);
        assert_eq!(found[0], (2, Err(RowFault::LongField)));
        assert_eq!(found.last().unwrap().1, fields(&["z", "4"]));
    }

    #[test]
    fn hostile_files_are_refused_or_read_without_harm() {
        assert_eq!(Rows::of("").unwrap_err(), CsvError::Empty);
        assert_eq!(Rows::of("\n,,\n").unwrap_err(), CsvError::Empty);
        assert_eq!(Rows::of("\"a").unwrap_err(), CsvError::Header(RowFault::Unclosed));
        assert!(matches!(Rows::of(&",a".repeat(5_000)), Err(CsvError::Columns(_))));
        let quotes = format!("a\n{}", "\"\"\"".repeat(100_000));
        assert!(rows(&quotes).len() < 3);
        assert!(rows(&format!("a\n{}", "\"x\n".repeat(50_000))).len() <= 50_001);
    }

    #[test]
    fn encodings_are_told_apart() {
        let decoded = |octets: &[u8], named| {
            decode(octets, named).map(|(text, encoding)| (text.into_owned(), encoding))
        };
        let zoe = |encoding| Ok(("Zo\u{eb}\n".to_owned(), encoding));
        assert_eq!(decoded(b"\xef\xbb\xbfZo\xc3\xab\n", None), zoe(Encoding::Utf8));
        assert_eq!(decoded(b"Zo\xc3\xab\n", None), zoe(Encoding::Utf8));
        assert_eq!(decoded(b"Zo\xeb\n", None), zoe(Encoding::Windows1252));
        assert_eq!(decoded(b"\xff\xfeZ\0o\0\xeb\0\n\0", None), zoe(Encoding::Utf16));
        assert_eq!(decoded(b"\xfe\xff\0Z\0o\0\xeb\0\n", None), zoe(Encoding::Utf16));
        assert_eq!(
            decoded(b"a\n\xc3\xab\xc3\xa9\nb\xeb\n", None),
            Err(CsvError::MixedEncoding { line: 3 })
        );
        assert!(decoded(b"\xc3\xab\xc3\xa9\nb\xeb\n", Some(Encoding::Windows1252)).is_ok());
        assert_eq!(
            decoded(b"a\nb\xeb\n", Some(Encoding::Utf8)),
            Err(CsvError::NotEncoded { line: 2, encoding: Encoding::Utf8 })
        );
        assert_eq!(decoded(b"PK\x03\x04\n\0", None), Err(CsvError::Binary { line: 2 }));
    }
}
