//! All objects of a PDF, found by looking for them rather than by its tables: tables lie, and
//! viewers rebuild them when they do.
//!
//! In: the octets of a file. Out: [`File`]: every object of every revision, those in object
//! streams too (ISO 32000-1 section 7.5.7), decrypted where an empty password opens them.
//! Bounded: values in all, octets read again, streams unpacked by the purse.

use std::collections::HashMap;

use bytes::Bytes;

use super::crypt::Key;
use super::filters::{self, Decoded};
use super::lexer::{Dictionary, Lexer, Value};
use crate::message::contents::{Exhausted, Opening};
use crate::message::fixed::{find, rest, slice};

/// Values in all objects together; each takes some 24 octets, and three times that while a list
/// of all of them grows.
const VALUES: usize = 1_000_000;
/// Objects that are looked at.
const OBJECTS: usize = 200_000;
/// References followed from one to the next.
const HOPS: usize = 16;

/// An object with its number.
pub(super) struct Object {
    pub(super) number: u32,
    pub(super) generation: u32,
    pub(super) value: Value,
    /// Where the octets of its stream stand in the file.
    stream: Option<(usize, usize)>,
    /// It came out of an object stream, so its strings are not encrypted by themselves.
    inner: bool,
}

impl Object {
    pub(super) fn dictionary(&self) -> Option<&Dictionary> {
        match &self.value {
            Value::Dictionary(dictionary) => Some(dictionary),
            _ => None,
        }
    }

    pub(super) fn has_stream(&self) -> bool {
        self.stream.is_some()
    }
}

/// A PDF taken apart.
pub(super) struct File<'o> {
    octets: &'o Bytes,
    pub(super) objects: Vec<Object>,
    /// The last object of each number.
    by_number: HashMap<u32, usize>,
    /// Trailers, and the dictionaries of cross-reference streams.
    pub(super) trailers: Vec<Dictionary>,
    pub(super) hidden_names: Vec<Vec<u8>>,
    /// More was there than is looked at.
    pub(super) cut: bool,
    /// A stream that had to be read could not be.
    pub(super) damaged: bool,
    pub(super) key: Key,
    values_left: usize,
}

impl<'o> File<'o> {
    /// Finds all objects.
    pub(super) fn of(
        octets: &'o Bytes,
        opening: &mut Opening<'_, '_>,
    ) -> Result<File<'o>, Exhausted> {
        let mut file = File {
            octets,
            objects: Vec::new(),
            by_number: HashMap::new(),
            trailers: Vec::new(),
            hidden_names: Vec::new(),
            cut: false,
            damaged: false,
            key: Key::None,
            values_left: VALUES,
        };
        file.scan(opening)?;
        file.find_trailers();
        file.key = Key::of(&file);
        file.decrypt_texts(opening)?;
        file.open_object_streams(opening)?;
        for (at, object) in file.objects.iter().enumerate() {
            file.by_number.insert(object.number, at);
        }
        Ok(file)
    }

    fn scan(&mut self, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
        let octets = self.octets.as_ref();
        let ends: Vec<usize> = memchr::memmem::find_iter(octets, b"endstream").collect();
        // An object that never closes is read to the end of the file, so what is read is
        // counted.
        let mut octets_left = octets.len().saturating_mul(4).saturating_add(1 << 20);
        for (count, at) in memchr::memmem::find_iter(octets, b"obj").enumerate() {
            if count % 256 == 0 {
                opening.pay_time()?;
            }
            let Some((number, generation)) = object_number(octets, at) else { continue };
            if self.objects.len() >= OBJECTS || self.values_left == 0 || octets_left == 0 {
                self.cut = true;
                break;
            }
            let mut lexer = Lexer::new(octets, at + 3, self.values_left);
            let Some(value) = lexer.value() else { continue };
            let stream = match &value {
                Value::Dictionary(dictionary) => find_stream(&mut lexer, dictionary, &ends),
                _ => None,
            };
            octets_left = octets_left.saturating_sub(lexer.at.saturating_sub(at));
            self.values_left = lexer.values_left;
            self.hidden_names.append(&mut lexer.hidden_names);
            self.hidden_names.truncate(256);
            self.by_number.insert(number, self.objects.len());
            self.objects.push(Object { number, generation, value, stream, inner: false });
        }
        Ok(())
    }

    fn find_trailers(&mut self) {
        let octets = self.octets.as_ref();
        for at in memchr::memmem::find_iter(octets, b"trailer").take(1_000) {
            let mut lexer = Lexer::new(octets, at + 7, self.values_left.min(10_000));
            if let Some(Value::Dictionary(trailer)) = lexer.value() {
                self.hidden_names.append(&mut lexer.hidden_names);
                self.trailers.push(trailer);
            }
        }
        let tables = self.objects.iter().filter_map(Object::dictionary);
        let tables = tables.filter(|table| table.name(b"Type") == Some(b"XRef"));
        self.trailers.extend(tables.cloned());
    }

    fn decrypt_texts(&mut self, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
        if !self.key.is_open() {
            return Ok(());
        }
        for (count, object) in self.objects.iter_mut().enumerate() {
            if count % 64 == 0 {
                opening.pay_time()?;
            }
            self.key.decrypt_value((object.number, object.generation), &mut object.value);
        }
        Ok(())
    }

    fn open_object_streams(&mut self, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
        let is_holder = |(at, object): (usize, &Object)| {
            let holds = object.dictionary()?.name(b"Type") == Some(b"ObjStm")
                || object.dictionary()?.has(b"First") && object.dictionary()?.has(b"N");
            (holds && object.has_stream()).then_some(at)
        };
        let holders: Vec<usize> = self.objects.iter().enumerate().filter_map(is_holder).collect();
        for holder in holders {
            let Some(decoded) = self.decode_at(holder, opening)? else { continue };
            let first = self
                .objects
                .get(holder)
                .and_then(Object::dictionary)
                .and_then(|own| own.number(b"First"));
            self.damaged |= decoded.trouble.is_some();
            self.read_object_stream(&decoded.octets, first.unwrap_or(0.0).max(0.0) as usize);
            opening.pay_time()?;
        }
        Ok(())
    }

    /// Pairs of number and place, then the objects.
    fn read_object_stream(&mut self, octets: &[u8], first: usize) {
        let mut pairs = Lexer::new(slice(octets, 0, first), 0, self.values_left);
        let mut places = Vec::new();
        while let (Some(Value::Number(number)), Some(Value::Number(at))) =
            (pairs.value(), pairs.value())
        {
            places.push((number as u32, first.saturating_add(at.max(0.0) as usize)));
        }
        // The table says where objects begin, but an entry may lie, so that two begin at one
        // place over and over; what is read is bounded.
        let mut octets_left = octets.len().saturating_mul(4).saturating_add(1 << 16);
        for (number, at) in places {
            if self.objects.len() >= OBJECTS || self.values_left == 0 || octets_left == 0 {
                self.cut = true;
                return;
            }
            let mut lexer = Lexer::new(octets, at, self.values_left);
            let Some(value) = lexer.value() else { continue };
            octets_left = octets_left.saturating_sub(lexer.at.saturating_sub(at));
            self.values_left = lexer.values_left;
            self.hidden_names.append(&mut lexer.hidden_names);
            self.hidden_names.truncate(256);
            self.objects.push(Object { number, generation: 0, value, stream: None, inner: true });
        }
    }

    /// The octets of an object's stream behind all filters.
    pub(super) fn decode_at(
        &self,
        at: usize,
        opening: &mut Opening<'_, '_>,
    ) -> Result<Option<Decoded>, Exhausted> {
        let Some(object) = self.objects.get(at) else { return Ok(None) };
        let (Some((start, end)), Some(dictionary)) = (object.stream, object.dictionary()) else {
            return Ok(None);
        };
        let mut raw = self.octets.slice(start.min(self.octets.len())..end.min(self.octets.len()));
        let names =
            filters::names(self.resolved(dictionary.value(b"Filter").or(dictionary.value(b"F"))));
        if self.key.is_open() && !object.inner {
            raw = self.key.decrypt_stream((object.number, object.generation), dictionary, raw);
        }
        let parameters =
            match self.resolved(dictionary.value(b"DecodeParms").or(dictionary.value(b"DP"))) {
                Some(Value::Dictionary(own)) => vec![Some(own.clone())],
                Some(Value::Array(all)) => {
                    all.iter().map(|own| self.dictionary(own).cloned()).collect()
                }
                _ => Vec::new(),
            };
        filters::decode(raw, &names, &parameters, opening).map(Some)
    }

    /// The same of what a value refers to.
    pub(super) fn decode(
        &self,
        value: &Value,
        opening: &mut Opening<'_, '_>,
    ) -> Result<Option<Decoded>, Exhausted> {
        match self.place(value) {
            Some(at) => self.decode_at(at, opening),
            None => Ok(None),
        }
    }

    /// The number in the list of the object that a reference leads to.
    pub(super) fn place(&self, value: &Value) -> Option<usize> {
        let mut value = value;
        for _ in 0..HOPS {
            let Value::Reference(number, _) = value else { return None };
            let at = *self.by_number.get(number)?;
            value = &self.objects.get(at)?.value;
            if !matches!(value, Value::Reference(..)) {
                return Some(at);
            }
        }
        None
    }

    /// What a value is or refers to.
    pub(super) fn resolve<'f>(&'f self, value: &'f Value) -> &'f Value {
        match value {
            Value::Reference(..) => {
                let object = self.place(value).and_then(|at| self.objects.get(at));
                object.map_or(&Value::Null, |object| &object.value)
            }
            value => value,
        }
    }

    fn resolved<'f>(&'f self, value: Option<&'f Value>) -> Option<&'f Value> {
        value.map(|value| self.resolve(value))
    }

    /// The dictionary that a value is or refers to.
    pub(super) fn dictionary<'f>(&'f self, value: &'f Value) -> Option<&'f Dictionary> {
        match self.resolve(value) {
            Value::Dictionary(dictionary) => Some(dictionary),
            _ => None,
        }
    }

    /// The same of an entry.
    pub(super) fn entry<'f>(
        &'f self,
        dictionary: &'f Dictionary,
        key: &[u8],
    ) -> Option<&'f Dictionary> {
        self.dictionary(dictionary.value(key)?)
    }
}

/// `12 0 obj`: the numbers before the word, within a few octets.
fn object_number(octets: &[u8], at: usize) -> Option<(u32, u32)> {
    let before = octets.get(at.saturating_sub(40)..at)?;
    let before = trim_end(before);
    let (rest_before, generation) = split_digits(before)?;
    let gap = trim_end(rest_before);
    if gap.len() == rest_before.len() {
        return None;
    }
    let (_, number) = split_digits(gap)?;
    Some((number, generation))
}

fn trim_end(octets: &[u8]) -> &[u8] {
    let end = octets.iter().rposition(|octet| !matches!(octet, 0 | 9 | 10 | 12 | 13 | 32));
    slice(octets, 0, end.map_or(0, |end| end + 1))
}

fn split_digits(octets: &[u8]) -> Option<(&[u8], u32)> {
    let start = octets.iter().rposition(|octet| !octet.is_ascii_digit()).map_or(0, |at| at + 1);
    let digits = rest(octets, start);
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((slice(octets, 0, start), number))
}

/// Where the stream behind a dictionary stands. Its length counts where `endstream` follows;
/// else it ends at the next one, or at the end of the file.
fn find_stream(
    lexer: &mut Lexer<'_>,
    dictionary: &Dictionary,
    ends: &[usize],
) -> Option<(usize, usize)> {
    lexer.skip_space();
    let octets = lexer.octets;
    if !rest(octets, lexer.at).starts_with(b"stream") {
        return None;
    }
    let mut start = lexer.at + 6;
    start += match slice(octets, start, 2) {
        b"\r\n" => 2,
        [b'\n' | b'\r', ..] => 1,
        _ => 0,
    };
    let length =
        dictionary.number(b"Length").filter(|length| *length >= 0.0).map(|length| length as usize);
    let claimed = length
        .and_then(|length| start.checked_add(length))
        .filter(|end| find(slice(octets, *end, 20), b"endstream").is_some());
    let next = ends.get(ends.partition_point(|end| *end < start)).copied();
    let end = claimed.or(next).unwrap_or(octets.len());
    Some((start, end))
}
