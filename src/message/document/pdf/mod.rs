//! PDF (ISO 32000-1 and -2): text, embedded files, and what acts when it is opened.
//!
//! In: octets that bear a PDF's header. Out, by the opening: the text of pages, annotations,
//! form fields, bookmarks and metadata; JavaScript as text; embedded files as members; remarks
//! about actions. Every object of every revision counts, whether a page leads to it or not:
//! viewers differ in what they reach. Never fails; works within the purse and the bounds of
//! [`file`], and says so when there was more.

mod actions;
mod crypt;
mod file;
mod filters;
mod font;
mod lexer;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use self::crypt::Key;
use self::file::File;
use self::font::Font;
use self::lexer::{Dictionary, Value};
use self::text::{Pen, TEXT_OCTETS, text_string};
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::html::html_to_text;

/// Pages and forms that are drawn.
const DRAWINGS: usize = 2_000;
/// Fonts that are read.
const FONTS: usize = 1_000;

/// Takes a PDF apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let mut file = File::of(octets, opening)?;
    if file.objects.is_empty() {
        opening.remark("PDF_DAMAGED", "no objects");
        opening.closed(Closed::Damaged, "no objects");
        return Ok(());
    }
    match file.key {
        Key::None => {}
        Key::Empty(_) => opening.remark("PDF_PASSWORD_EMPTY", ""),
        Key::Unknown => {
            opening.remark("PDF_ENCRYPTED", "");
            opening.close(Closed::Encrypted);
        }
    }
    if file.cut {
        opening.closed(Closed::TooLarge, "more objects than are looked at");
    }
    actions::remark_hidden_names(&file, opening);
    let readable = !matches!(file.key, Key::Unknown);
    actions::read(&file, readable, opening)?;
    if readable {
        let damaged = read_pages(&file, opening)?;
        file.damaged |= damaged;
        read_words(&file, opening)?;
        read_embedded(&file, opening)?;
    }
    if file.damaged {
        opening.remark("PDF_DAMAGED", "a stream cannot be read");
    }
    Ok(())
}

/// Draws every page and form; returns whether one could not be read.
fn read_pages(file: &File<'_>, opening: &mut Opening<'_, '_>) -> Result<bool, Exhausted> {
    let mut fonts = Fonts::default();
    let mut damaged = false;
    let mut drawn = HashSet::new();
    let mut octets_left = TEXT_OCTETS;
    for (at, object) in file.objects.iter().enumerate() {
        if drawn.len() >= DRAWINGS || octets_left == 0 {
            opening.closed(Closed::TooLarge, "more pages than are read");
            break;
        }
        let Some(own) = object.dictionary() else { continue };
        let streams: Vec<usize> = match own.name(b"Subtype") {
            Some(b"Form") if object.has_stream() => vec![at],
            _ => match own.value(b"Contents").map(|value| (value, file.resolve(value))) {
                Some((_, Value::Array(parts))) => {
                    parts.iter().take(1_000).filter_map(|part| file.place(part)).collect()
                }
                Some((value, _)) => file.place(value).into_iter().collect(),
                None => Vec::new(),
            },
        };
        // A page may be drawn by many streams that are one: an operator may begin in one and
        // end in the next.
        let mut whole = Vec::new();
        for stream in streams {
            if !drawn.insert(stream) {
                continue;
            }
            if let Some(decoded) = file.decode_at(stream, opening)? {
                damaged |= decoded.trouble.is_some();
                whole.extend_from_slice(&decoded.octets);
                whole.push(b'\n');
            }
        }
        if whole.is_empty() {
            continue;
        }
        let names = fonts.of(file, own, opening)?;
        let mut pen = Pen::new(&names, &fonts.all);
        pen.draw(&whole);
        octets_left = octets_left.saturating_sub(pen.text.len());
        if !pen.text.trim().is_empty() {
            opening.text(&pen.text);
        }
        opening.pay_time()?;
    }
    Ok(damaged)
}

/// Fonts that were read, by the number of their object.
#[derive(Default)]
struct Fonts {
    all: Vec<Font>,
    by_object: HashMap<usize, usize>,
}

impl Fonts {
    /// The fonts that a page may call by name: its own, or those of the pages above it.
    fn of(
        &mut self,
        file: &File<'_>,
        page: &Dictionary,
        opening: &mut Opening<'_, '_>,
    ) -> Result<HashMap<Vec<u8>, usize>, Exhausted> {
        let mut names = HashMap::new();
        let mut above = Some(page);
        for _ in 0..32 {
            let Some(own) = above else { break };
            let listed = file.entry(own, b"Resources").and_then(|all| file.entry(all, b"Font"));
            for (name, value) in listed.into_iter().flat_map(|listed| &listed.0).take(FONTS) {
                if let Some(font) = self.font(file, value, opening)? {
                    names.entry(name.to_vec()).or_insert(font);
                }
            }
            above = file.entry(own, b"Parent");
        }
        Ok(names)
    }

    fn font(
        &mut self,
        file: &File<'_>,
        value: &Value,
        opening: &mut Opening<'_, '_>,
    ) -> Result<Option<usize>, Exhausted> {
        let place = file.place(value);
        if let Some(known) = place.and_then(|place| self.by_object.get(&place)) {
            return Ok(Some(*known));
        }
        let Some(own) = file.dictionary(value).filter(|_| self.all.len() < FONTS) else {
            return Ok(None);
        };
        self.all.push(Font::of(file, own, opening)?);
        let number = self.all.len() - 1;
        if let Some(place) = place {
            self.by_object.insert(place, number);
        }
        Ok(Some(number))
    }
}

/// Text outside of pages: what annotations, fields, bookmarks and metadata say.
fn read_words(file: &File<'_>, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
    let mut words = String::new();
    for (at, object) in file.objects.iter().enumerate() {
        if words.len() > TEXT_OCTETS {
            break;
        }
        let Some(own) = object.dictionary() else { continue };
        if own.name(b"Type") == Some(b"Metadata") || own.name(b"Subtype") == Some(b"XML") {
            if let Some(decoded) = file.decode_at(at, opening)? {
                push_metadata(&decoded.octets, &mut words);
            }
            continue;
        }
        let keys: &[&[u8]] = match () {
            () if own.has(b"Subtype") && own.has(b"Rect") || own.has(b"FT") => {
                &[b"Contents", b"RC", b"V", b"TU", b"T", b"Subj"]
            }
            () if own.has(b"Title") && (own.has(b"Parent") || own.has(b"Dest")) => &[b"Title"],
            () => &[],
        };
        for key in keys {
            push_value(file, own.value(key), &mut words);
        }
    }
    let documents = file.trailers.iter().filter_map(|trailer| file.entry(trailer, b"Info"));
    for (key, value) in documents.flat_map(|info| &info.0) {
        if !matches!(&**key, b"CreationDate" | b"ModDate" | b"Trapped") {
            // Labels of sensitivity are told by their keys.
            let at = words.len();
            push_value(file, Some(value), &mut words);
            if words.len() > at {
                words.insert_str(at, &format!("{}: ", String::from_utf8_lossy(key)));
            }
        }
    }
    if !words.is_empty() {
        opening.text(&words);
    }
    Ok(())
}

fn push_value(file: &File<'_>, value: Option<&Value>, words: &mut String) {
    match value.map(|value| file.resolve(value)) {
        Some(Value::Text(text)) if !text.is_empty() => {
            let text = text_string(text);
            match text.trim_start().starts_with("<?xml") || text.trim_start().starts_with("<body") {
                true => words.push_str(&html_to_text(&text)),
                false => words.push_str(&text),
            }
            words.push('\n');
        }
        _ => {}
    }
}

fn push_metadata(octets: &[u8], words: &mut String) {
    let text = text_string(octets);
    words.push_str(html_to_text(&text).trim());
    words.push('\n');
    // A label stands in the name of an element or attribute.
    for at in memchr::memmem::find_iter(text.as_bytes(), b"MSIP_Label_").take(64) {
        let label = text.get(at..).unwrap_or_default();
        let end = label.find(['<', '\n', '/']).unwrap_or(label.len()).min(400);
        words.push_str(label.get(..label.floor_char_boundary(end)).unwrap_or_default());
        words.push('\n');
    }
}

/// Section 7.11.4: files in the file, by their specifications, and those that none leads to.
fn read_embedded(file: &File<'_>, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
    let mut done = HashSet::new();
    let mut found: Vec<(String, usize)> = Vec::new();
    for object in &file.objects {
        actions::each_dictionary(&object.value, &mut |own| {
            let Some(streams) = file.entry(own, b"EF") else { return };
            let name =
                [b"UF".as_slice(), b"F", b"Unix", b"DOS", b"Mac"].iter().find_map(|key| match own
                    .value(key)
                    .map(|value| file.resolve(value))
                {
                    Some(Value::Text(name)) => Some(text_string(name)),
                    _ => None,
                });
            for (_, stream) in &streams.0 {
                if let Some(at) = file.place(stream)
                    && done.insert(at)
                {
                    found.push((name.clone().unwrap_or_default(), at));
                }
            }
        });
    }
    for (at, object) in file.objects.iter().enumerate() {
        let is_file =
            object.dictionary().is_some_and(|own| own.name(b"Type") == Some(b"EmbeddedFile"));
        if is_file && object.has_stream() && done.insert(at) {
            found.push((String::new(), at));
        }
    }
    for (name, at) in found {
        opening.remark("PDF_EMBEDDED_FILE", name.clone());
        if let Some(decoded) = file.decode_at(at, opening)? {
            if let Some(why) = decoded.trouble {
                opening.closed_member(&name, decoded.octets.len() as u64, why)?;
            }
            if !decoded.octets.is_empty() {
                opening.member(&name, decoded.octets)?;
            }
        }
    }
    Ok(())
}
