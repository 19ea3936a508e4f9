//! Objects of a PDF as they are written (ISO 32000-1 section 7.3), read as tolerantly as the
//! most tolerant viewers do.
//!
//! In: octets and a place. Out: [`Value`]s. What is broken ends the value that it stands in;
//! nothing fails. Depth is bounded here, the number of values by [`Lexer::values_left`].

use crate::message::fixed::{rest, slice};

/// Arrays and dictionaries in each other.
const DEPTH: u8 = 48;

/// An object. A file may have a million of them, so each takes what it holds and no more.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Number(f64),
    /// Number and generation.
    Reference(u32, u32),
    Text(Box<[u8]>),
    /// With its `#xx` decoded.
    Name(Box<[u8]>),
    Array(Box<[Value]>),
    Dictionary(Dictionary),
    /// An operator, or a word such as `true`, `endobj`.
    Word(Box<[u8]>),
}

/// Keys and values in their order; of equal keys the last one counts for most viewers, and
/// [`Dictionary::all`] gives each.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Dictionary(pub(super) Box<[(Box<[u8]>, Value)]>);

impl Dictionary {
    pub(super) fn value(&self, key: &[u8]) -> Option<&Value> {
        self.all(key).last()
    }

    pub(super) fn all(&self, key: &[u8]) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |(known, _)| **known == *key).map(|(_, value)| value)
    }

    pub(super) fn has(&self, key: &[u8]) -> bool {
        self.0.iter().any(|(known, _)| **known == *key)
    }

    pub(super) fn name(&self, key: &[u8]) -> Option<&[u8]> {
        self.value(key).and_then(Value::as_name)
    }

    pub(super) fn number(&self, key: &[u8]) -> Option<f64> {
        match self.value(key) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }
}

impl Value {
    pub(super) fn as_name(&self) -> Option<&[u8]> {
        match self {
            Value::Name(name) => Some(name),
            _ => None,
        }
    }

    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }
}

/// Reads values one after the other.
pub(super) struct Lexer<'o> {
    pub(super) octets: &'o [u8],
    pub(super) at: usize,
    /// Values that may still be made.
    pub(super) values_left: usize,
    /// Names that hide one of their letters behind `#xx`.
    pub(super) hidden_names: Vec<Vec<u8>>,
}

fn is_space(octet: u8) -> bool {
    matches!(octet, 0 | 9 | 10 | 12 | 13 | 32)
}

fn is_delimiter(octet: u8) -> bool {
    matches!(octet, b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%')
}

impl<'o> Lexer<'o> {
    pub(super) fn new(octets: &'o [u8], at: usize, values_left: usize) -> Lexer<'o> {
        Lexer { octets, at, values_left, hidden_names: Vec::new() }
    }

    fn peek(&self) -> Option<u8> {
        self.octets.get(self.at).copied()
    }

    /// Reads over white space and comments.
    pub(super) fn skip_space(&mut self) {
        while let Some(octet) = self.peek() {
            match octet {
                b'%' => {
                    let line = rest(self.octets, self.at);
                    let end = memchr::memchr2(b'\n', b'\r', line).unwrap_or(line.len());
                    self.at += end;
                }
                octet if is_space(octet) => self.at += 1,
                _ => return,
            }
        }
    }

    /// The next value; nothing at the end.
    pub(super) fn value(&mut self) -> Option<Value> {
        self.value_at(0)
    }

    fn value_at(&mut self, depth: u8) -> Option<Value> {
        self.skip_space();
        self.values_left = self.values_left.checked_sub(1)?;
        let octet = self.peek()?;
        match octet {
            b'/' => Some(self.name()),
            b'(' => Some(Value::Text(self.literal().into())),
            b'<' if self.octets.get(self.at + 1) == Some(&b'<') => {
                self.at += 2;
                Some(self.dictionary(depth))
            }
            b'<' => Some(Value::Text(self.hexadecimal().into())),
            b'[' => {
                self.at += 1;
                Some(self.array(depth))
            }
            b'+' | b'-' | b'.' | b'0'..=b'9' => Some(self.number_or_reference()),
            b'>' if self.octets.get(self.at + 1) == Some(&b'>') => {
                self.at += 2;
                Some(Value::Word(b">>".as_slice().into()))
            }
            octet if is_delimiter(octet) => {
                self.at += 1;
                Some(Value::Word([octet].into()))
            }
            _ => Some(Value::Word(self.word().into())),
        }
    }

    fn word(&mut self) -> &'o [u8] {
        let start = rest(self.octets, self.at);
        let ends = |octet: &u8| is_space(*octet) || is_delimiter(*octet);
        let length = start.iter().position(ends).unwrap_or(start.len());
        self.at += length;
        slice(start, 0, length)
    }

    /// Section 7.3.5.
    fn name(&mut self) -> Value {
        self.at += 1;
        let written = self.word();
        if !written.contains(&b'#') {
            return Value::Name(written.into());
        }
        let mut name = Vec::with_capacity(written.len());
        let mut hides = false;
        let mut at = 0;
        while let Some(octet) = written.get(at).copied() {
            let digit =
                |place: usize| written.get(place).and_then(|octet| char::from(*octet).to_digit(16));
            match (octet, digit(at + 1), digit(at + 2)) {
                (b'#', Some(high), Some(low)) => {
                    let decoded = (high * 16 + low) as u8;
                    hides |= decoded.is_ascii_alphabetic();
                    name.push(decoded);
                    at += 3;
                }
                _ => {
                    name.push(octet);
                    at += 1;
                }
            }
        }
        if hides && self.hidden_names.len() < 64 {
            self.hidden_names.push(name.clone());
        }
        Value::Name(name.into())
    }

    /// Section 7.3.4.2.
    fn literal(&mut self) -> Vec<u8> {
        self.at += 1;
        let mut text = Vec::new();
        let mut depth = 0_u32;
        while let Some(octet) = self.peek() {
            self.at += 1;
            match octet {
                b'\\' => self.escape(&mut text),
                b')' if depth == 0 => break,
                b')' => {
                    depth -= 1;
                    text.push(octet);
                }
                b'(' => {
                    depth += 1;
                    text.push(octet);
                }
                _ => text.push(octet),
            }
        }
        text
    }

    fn escape(&mut self, text: &mut Vec<u8>) {
        let Some(escaped) = self.peek() else { return };
        self.at += 1;
        match escaped {
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'b' => text.push(8),
            b'f' => text.push(12),
            b'\r' => {
                if self.peek() == Some(b'\n') {
                    self.at += 1;
                }
            }
            b'\n' => {}
            b'0'..=b'7' => {
                let mut code = u32::from(escaped - b'0');
                for _ in 0..2 {
                    let Some(digit @ b'0'..=b'7') = self.peek() else { break };
                    code = code * 8 + u32::from(digit - b'0');
                    self.at += 1;
                }
                text.push(code as u8);
            }
            other => text.push(other),
        }
    }

    /// Section 7.3.4.3.
    fn hexadecimal(&mut self) -> Vec<u8> {
        self.at += 1;
        let start = rest(self.octets, self.at);
        let length = memchr::memchr(b'>', start).unwrap_or(start.len());
        self.at += (length + 1).min(start.len());
        let mut text = Vec::with_capacity(length / 2);
        let mut high = None;
        for octet in slice(start, 0, length) {
            let Some(digit) = char::from(*octet).to_digit(16) else { continue };
            high = match high {
                None => Some(digit),
                Some(high) => {
                    text.push((high * 16 + digit) as u8);
                    None
                }
            };
        }
        text.extend(high.map(|high: u32| (high * 16) as u8));
        text
    }

    fn array(&mut self, depth: u8) -> Value {
        let mut values = Vec::new();
        if depth >= DEPTH {
            return Value::Array(values.into());
        }
        loop {
            match self.value_at(depth + 1) {
                None => break,
                Some(Value::Word(word)) if *word == *b"]" => break,
                // The array was never closed.
                Some(Value::Word(word)) if ends_object(&word) => {
                    self.at -= word.len();
                    break;
                }
                Some(value) => values.push(value),
            }
        }
        Value::Array(values.into())
    }

    fn dictionary(&mut self, depth: u8) -> Value {
        let mut entries = Vec::new();
        if depth >= DEPTH {
            return Value::Null;
        }
        loop {
            let key = match self.value_at(depth + 1) {
                None => break,
                Some(Value::Word(word)) if *word == *b">>" => break,
                Some(Value::Word(word)) if ends_object(&word) => {
                    self.at -= word.len();
                    break;
                }
                Some(Value::Name(key)) => key,
                Some(_) => continue,
            };
            let before = self.at;
            match self.value_at(depth + 1) {
                None => break,
                Some(Value::Word(word)) if *word == *b">>" || ends_object(&word) => {
                    entries.push((key, Value::Null));
                    self.at = before;
                    if *word != *b">>" {
                        break;
                    }
                }
                Some(value) => entries.push((key, value)),
            }
        }
        Value::Dictionary(Dictionary(entries.into()))
    }

    fn number(&mut self) -> Option<f64> {
        let start = rest(self.octets, self.at);
        let in_number = |octet: &u8| matches!(octet, b'+' | b'-' | b'.' | b'0'..=b'9');
        let length = start.iter().take_while(|octet| in_number(octet)).take(40).count();
        self.at += length.max(1);
        let text = std::str::from_utf8(slice(start, 0, length)).ok()?;
        text.trim_start_matches('+').parse().ok()
    }

    /// Section 7.3.10: `12 0 R`.
    fn number_or_reference(&mut self) -> Value {
        let is_integer = self.peek().is_some_and(|octet| octet.is_ascii_digit());
        let Some(number) = self.number() else { return Value::Number(0.0) };
        let is_object = is_integer && number.fract() == 0.0 && number < f64::from(u32::MAX);
        if is_object {
            let back = self.at;
            self.skip_space();
            if let Some(generation) = self.digits() {
                self.skip_space();
                let ends = self
                    .octets
                    .get(self.at + 1)
                    .is_none_or(|octet| is_space(*octet) || is_delimiter(*octet));
                if self.peek() == Some(b'R') && ends {
                    self.at += 1;
                    return Value::Reference(number as u32, generation);
                }
            }
            self.at = back;
        }
        Value::Number(number)
    }

    fn digits(&mut self) -> Option<u32> {
        let start = rest(self.octets, self.at);
        let length = start.iter().take(6).take_while(|octet| octet.is_ascii_digit()).count();
        let number = std::str::from_utf8(slice(start, 0, length)).ok()?.parse().ok()?;
        self.at += length;
        Some(number)
    }
}

fn ends_object(word: &[u8]) -> bool {
    matches!(word, b"endobj" | b"stream" | b"endstream" | b"xref" | b"trailer" | b"startxref")
}
