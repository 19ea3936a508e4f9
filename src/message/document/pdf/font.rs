//! Codes of a font → letters (ISO 32000-1 sections 9.6.6, 9.7.5, 9.10).
//!
//! In: the dictionary of a font. Out: [`Font`]: what its codes mean, by its ToUnicode map where
//! it has one, else by its encoding and the differences from it; and how wide they are. Codes
//! that nothing is known of become nothing. Bounded in entries.

use std::collections::HashMap;

use super::file::File;
use super::lexer::{Dictionary, Lexer, Value};
use crate::message::charset;
use crate::message::contents::{Exhausted, Opening};

/// Entries of one map.
const ENTRIES: usize = 70_000;
/// Letters that one code may become.
const LETTERS: usize = 64;

/// How codes are read.
#[derive(Debug, Default)]
pub(super) struct Font {
    /// Octets of a code: 1 for simple fonts, 2 for most composite ones.
    composite: bool,
    /// By code, and by how many octets it has.
    unicode: HashMap<(usize, u32), String>,
    /// Of codes of one octet.
    simple: HashMap<u8, String>,
    /// The charset of the codes, where they have one.
    label: Option<&'static str>,
    widths: HashMap<u32, f64>,
    usual_width: f64,
}

/// Letters of a shown string, and how wide it is in thousandths of the font's size.
pub(super) struct Shown {
    pub(super) text: String,
    pub(super) width: f64,
    pub(super) codes: usize,
}

impl Font {
    /// Reads a font.
    pub(super) fn of(
        file: &File<'_>,
        own: &Dictionary,
        opening: &mut Opening<'_, '_>,
    ) -> Result<Font, Exhausted> {
        let mut font = Font { usual_width: 500.0, label: Some("windows-1252"), ..Font::default() };
        font.composite = own.name(b"Subtype") == Some(b"Type0");
        if let Some(map) = own.value(b"ToUnicode")
            && let Some(decoded) = file.decode(map, opening)?
        {
            font.read_map(&decoded.octets);
        }
        match font.composite {
            true => font.read_composite(file, own),
            false => font.read_simple(file, own),
        }
        Ok(font)
    }

    fn read_simple(&mut self, file: &File<'_>, own: &Dictionary) {
        let first = own.number(b"FirstChar").unwrap_or(0.0).max(0.0) as u32;
        if let Some(Value::Array(widths)) = own.value(b"Widths").map(|value| file.resolve(value)) {
            let numbers = widths
                .iter()
                .take(256)
                .map(|width| file.resolve(width).as_number().unwrap_or(500.0));
            self.widths = (first..).zip(numbers).collect();
        }
        let encoding = own.value(b"Encoding").map(|value| file.resolve(value));
        let base = match encoding {
            Some(Value::Name(name)) => Some(&**name),
            Some(Value::Dictionary(dictionary)) => dictionary.name(b"BaseEncoding"),
            _ => None,
        };
        self.label = Some(match base {
            Some(b"MacRomanEncoding" | b"MacExpertEncoding") => "macintosh",
            _ => "windows-1252",
        });
        if let Some(Value::Dictionary(dictionary)) = encoding
            && let Some(Value::Array(differences)) =
                dictionary.value(b"Differences").map(|value| file.resolve(value))
        {
            let mut code = 0_u32;
            for value in differences.iter().take(1_024) {
                match value {
                    Value::Number(number) => code = number.max(0.0) as u32,
                    Value::Name(name) => {
                        if let (Ok(octet), Some(text)) = (u8::try_from(code), glyph(name)) {
                            self.simple.insert(octet, text);
                        }
                        code = code.saturating_add(1);
                    }
                    _ => {}
                }
            }
        }
    }

    fn read_composite(&mut self, file: &File<'_>, own: &Dictionary) {
        // Section 9.7.5.2: the predefined maps whose codes are those of a charset.
        self.label = match own.value(b"Encoding").and_then(|value| file.resolve(value).as_name()) {
            Some(name) if contains(name, b"UCS2") || contains(name, b"UTF16") => Some("utf-16be"),
            Some(name) if contains(name, b"UTF8") => Some("utf-8"),
            Some(name) if contains(name, b"RKSJ") => Some("shift_jis"),
            Some(name)
                if contains(name, b"GB") && contains(name, b"EUC") || contains(name, b"GBK") =>
            {
                Some("gbk")
            }
            Some(name) if contains(name, b"B5") || contains(name, b"HKscs") => Some("big5"),
            Some(name) if contains(name, b"KSC") => Some("euc-kr"),
            Some(name) if contains(name, b"EUC") => Some("euc-jp"),
            _ => None,
        };
        let Some(Value::Array(below)) =
            own.value(b"DescendantFonts").map(|value| file.resolve(value))
        else {
            return;
        };
        let Some(below) = below.first().and_then(|below| file.dictionary(below)) else { return };
        self.usual_width = below.number(b"DW").unwrap_or(1_000.0);
        let Some(Value::Array(widths)) = below.value(b"W").map(|value| file.resolve(value)) else {
            return;
        };
        // Section 9.7.4.3: `first [w …]` or `first last w`.
        let mut numbers: Vec<f64> = Vec::new();
        for value in widths.iter().take(ENTRIES) {
            match file.resolve(value) {
                Value::Number(number) => numbers.push(*number),
                Value::Array(list) => {
                    let first = numbers.pop().unwrap_or(0.0).max(0.0) as u32;
                    numbers.clear();
                    for (code, width) in (first..).zip(list.iter().take(ENTRIES)) {
                        self.widths.insert(code, width.as_number().unwrap_or(self.usual_width));
                    }
                }
                _ => {}
            }
            if let [first, last, width] = numbers.as_slice() {
                for code in (first.max(0.0) as u32..=last.max(0.0) as u32).take(ENTRIES) {
                    if self.widths.len() < ENTRIES {
                        self.widths.insert(code, *width);
                    }
                }
                numbers.clear();
            }
        }
    }

    /// Section 9.10.3: `beginbfchar` and `beginbfrange`.
    fn read_map(&mut self, octets: &[u8]) {
        let mut lexer = Lexer::new(octets, 0, 4 * ENTRIES);
        let mut operands: Vec<Value> = Vec::new();
        while let Some(value) = lexer.value() {
            match value {
                Value::Word(word) => {
                    match &*word {
                        b"endbfchar" => self.read_pairs(&operands),
                        b"endbfrange" => self.read_ranges(&operands),
                        _ => {}
                    }
                    operands.clear();
                }
                value => operands.push(value),
            }
        }
    }

    fn read_pairs(&mut self, operands: &[Value]) {
        for pair in operands.chunks_exact(2) {
            if let [Value::Text(code), Value::Text(letters)] = pair {
                self.map(code.len(), number(code), utf16(letters));
            }
        }
    }

    fn read_ranges(&mut self, operands: &[Value]) {
        for triple in operands.chunks_exact(3) {
            let [Value::Text(first), Value::Text(last), target] = triple else { continue };
            let (low, high) = (number(first), number(last));
            match target {
                Value::Text(letters) => {
                    let (before, end) = letters
                        .split_at_checked(letters.len().saturating_sub(2))
                        .unwrap_or_default();
                    for (step, code) in (low..=high).take(0x1_0000).enumerate() {
                        let unit = number(end).wrapping_add(step as u32);
                        let mut units = before.to_vec();
                        units.extend_from_slice(&(unit as u16).to_be_bytes());
                        if !self.map(first.len(), code, utf16(&units)) {
                            return;
                        }
                    }
                }
                Value::Array(list) => {
                    for (code, letters) in (low..=high).zip(list) {
                        if let Value::Text(letters) = letters {
                            self.map(first.len(), code, utf16(letters));
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn map(&mut self, octets: usize, code: u32, letters: String) -> bool {
        let room = self.unicode.len() < ENTRIES;
        if room {
            self.unicode.insert((octets, code), letters);
        }
        room
    }

    /// What a string shows.
    pub(super) fn show(&self, codes: &[u8]) -> Shown {
        let mut shown = Shown { text: String::new(), width: 0.0, codes: 0 };
        let size = if self.composite && !matches!(self.label, Some("utf-8")) { 2 } else { 1 };
        if self.unicode.is_empty()
            && self.composite
            && let Some(label) = self.label
        {
            shown.text.push_str(&charset::decode(codes, Some(label)).text);
        }
        for code in codes.chunks(size) {
            let value = number(code);
            shown.codes += 1;
            shown.width += self.widths.get(&value).copied().unwrap_or(self.usual_width);
            if let Some(letters) =
                self.unicode.get(&(size, value)).or_else(|| self.unicode.get(&(3 - size, value)))
            {
                shown.text.push_str(letters);
            } else if !self.composite {
                self.push_simple(code, &mut shown.text);
            }
        }
        shown
    }

    fn push_simple(&self, code: &[u8], text: &mut String) {
        match code.first().and_then(|octet| self.simple.get(octet)) {
            Some(letters) => text.push_str(letters),
            None => text.push_str(&charset::decode(code, self.label).text),
        }
    }
}

fn contains(name: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(name, part).is_some()
}

fn number(code: &[u8]) -> u32 {
    code.iter().take(4).fold(0, |number, octet| number << 8 | u32::from(*octet))
}

fn utf16(octets: &[u8]) -> String {
    if let [octet] = octets {
        return char::from(*octet).to_string();
    }
    let units = octets.chunks_exact(2).take(LETTERS).map(|pair| number(pair) as u16);
    char::decode_utf16(units).filter_map(Result::ok).filter(|letter| *letter != '\0').collect()
}

/// What a glyph's name means, by the rules of Adobe's list for new fonts: letters by
/// themselves, `uni` and `u` with numbers, and the old names.
fn glyph(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    let name = name.split('.').next().filter(|name| !name.is_empty())?;
    let hex = |digits: &str| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
    if let Some(digits) = name.strip_prefix("uni").filter(|digits| digits.len() >= 4)
        && let Some(letter) = digits.get(..4).and_then(hex)
    {
        return Some(letter.to_string());
    }
    if let Some(letter) = name.strip_prefix('u').filter(|digits| digits.len() >= 4).and_then(hex) {
        return Some(letter.to_string());
    }
    let mut letters = name.chars();
    if let (Some(letter), None) = (letters.next(), letters.next()) {
        return Some(letter.to_string());
    }
    if let Some((_, text)) = GLYPHS.iter().find(|(known, _)| *known == name) {
        return Some((*text).to_owned());
    }
    accented(name)
}

/// `eacute` is e with an acute accent: the letter and the combining mark, which the normal form
/// joins.
fn accented(name: &str) -> Option<String> {
    const MARKS: [(&str, char); 10] = [
        ("acute", '\u{301}'),
        ("grave", '\u{300}'),
        ("circumflex", '\u{302}'),
        ("dieresis", '\u{308}'),
        ("tilde", '\u{303}'),
        ("ring", '\u{30a}'),
        ("cedilla", '\u{327}'),
        ("caron", '\u{30c}'),
        ("ogonek", '\u{328}'),
        ("macron", '\u{304}'),
    ];
    let (mark, letter) = MARKS.iter().find_map(|(mark, combining)| {
        name.strip_suffix(mark)
            .filter(|letter| letter.len() == 1)
            .map(|letter| (*combining, letter))
    })?;
    Some(format!("{letter}{mark}"))
}

#[rustfmt::skip]
const GLYPHS: &[(&str, &str)] = &[
    ("space", " "), ("nbspace", " "), ("exclam", "!"), ("quotedbl", "\""), ("numbersign", "#"), ("dollar", "$"),
    ("percent", "%"), ("ampersand", "&"), ("quotesingle", "'"), ("parenleft", "("), ("parenright", ")"),
    ("asterisk", "*"), ("plus", "+"), ("comma", ","), ("hyphen", "-"), ("minus", "-"), ("period", "."), ("slash", "/"),
    ("zero", "0"), ("one", "1"), ("two", "2"), ("three", "3"), ("four", "4"), ("five", "5"), ("six", "6"),
    ("seven", "7"), ("eight", "8"), ("nine", "9"), ("colon", ":"), ("semicolon", ";"), ("less", "<"), ("equal", "="),
    ("greater", ">"), ("question", "?"), ("at", "@"), ("bracketleft", "["), ("backslash", "\\"), ("bracketright", "]"),
    ("asciicircum", "^"), ("underscore", "_"), ("grave", "`"), ("braceleft", "{"), ("bar", "|"), ("braceright", "}"),
    ("asciitilde", "~"), ("quoteleft", "‘"), ("quoteright", "’"), ("quotedblleft", "“"), ("quotedblright", "”"),
    ("quotesinglbase", "‚"), ("quotedblbase", "„"), ("guillemotleft", "«"), ("guillemotright", "»"), ("bullet", "•"),
    ("endash", "–"), ("emdash", "—"), ("ellipsis", "…"), ("fi", "fi"), ("fl", "fl"), ("ff", "ff"), ("ffi", "ffi"),
    ("ffl", "ffl"), ("germandbls", "ß"), ("ae", "æ"), ("AE", "Æ"), ("oe", "œ"), ("OE", "Œ"), ("oslash", "ø"),
    ("Oslash", "Ø"), ("lslash", "ł"), ("Lslash", "Ł"), ("dotlessi", "ı"), ("eth", "ð"), ("thorn", "þ"), ("Euro", "€"),
    ("euro", "€"), ("sterling", "£"), ("yen", "¥"), ("cent", "¢"), ("section", "§"), ("paragraph", "¶"), ("copyright", "©"),
    ("registered", "®"), ("trademark", "™"), ("degree", "°"), ("plusminus", "±"), ("multiply", "×"), ("divide", "÷"),
    ("mu", "µ"), ("onehalf", "½"), ("onequarter", "¼"), ("threequarters", "¾"), ("exclamdown", "¡"), ("questiondown", "¿"),
    ("periodcentered", "·"), ("dagger", "†"), ("daggerdbl", "‡"), ("perthousand", "‰"), ("currency", "¤"), ("florin", "ƒ"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glyph_names_are_letters() {
        let table: [(&[u8], Option<&str>); 9] = [
            (b"A", Some("A")),
            (b"five", Some("5")),
            (b"uni20AC", Some("€")),
            (b"u1F600", Some("😀")),
            (b"a.alt", Some("a")),
            (b"eacute", Some("e\u{301}")),
            (b"fi", Some("fi")),
            (b"g123", None),
            (b".notdef", None),
        ];
        for (name, text) in table {
            assert_eq!(glyph(name).as_deref(), text);
        }
    }

    #[test]
    fn maps_are_read() {
        let mut font = Font { composite: true, ..Font::default() };
        font.read_map(b"2 beginbfchar <0003> <0020> <0041> <00660069> endbfchar 2 beginbfrange <0010> <0012> <0061> <0020> <0021> [<0078> <0079>] endbfrange");
        assert_eq!(font.show(b"\0\x10\0\x12\0\x03\0\x41\0\x21\0\xff").text, "ac fiy");
        // A range that claims all codes ends at the bound.
        font.read_map(b"1 beginbfrange <00000000> <ffffffff> <0000> endbfrange");
        assert!(font.unicode.len() <= ENTRIES);
    }
}
