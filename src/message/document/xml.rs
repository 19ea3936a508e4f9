//! XML as hostile files have it: tags, attributes and text in order, whatever their quality.
//!
//! In: the octets of a part. Out: [`Piece`]s. Names come without prefix, because prefixes are
//! free and both the strict and the transitional namespaces of Office are to be read alike.
//! Only the entities of XML itself and characters by number are resolved: a document type is
//! told ([`Piece::Type`]), its entities never expand, so no entity is a bomb. One pass, linear;
//! what never closes is text; nothing fails.

use std::borrow::Cow;

use crate::message::charset;

/// A piece of XML.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'x> {
    /// The beginning of an element: its name without prefix, its attributes as they stand.
    Open { name: &'x str, attributes: &'x str },
    /// Its end; follows at once where an element closes itself.
    Close { name: &'x str },
    /// Text.
    Text(Cow<'x, str>),
    /// A document type.
    Type(&'x str),
    /// A processing instruction.
    Instruction(&'x str),
}

/// A reader of XML.
pub(super) struct Xml<'x> {
    rest: &'x str,
    closing: Option<&'x str>,
}

/// The text of a part, by byte order mark, zero octets, or the encoding that it declares.
pub(super) fn text_of(octets: &[u8]) -> Cow<'_, str> {
    let label = match octets {
        [0xff, 0xfe, ..] | [b'<', 0, ..] => Some("utf-16le".to_owned()),
        [0xfe, 0xff, ..] | [0, b'<', ..] => Some("utf-16be".to_owned()),
        _ => declared(octets),
    };
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    charset::decode(octets, label.as_deref().or(Some("utf-8"))).text
}

fn declared(octets: &[u8]) -> Option<String> {
    let head = octets.get(..octets.len().min(200)).unwrap_or_default();
    let head = String::from_utf8_lossy(head);
    let declaration = head.get(head.find("<?xml")?..)?.split("?>").next()?;
    attribute(declaration, "encoding").map(Cow::into_owned)
}

/// Whether octets look like XML: the first character is `<`.
pub(super) fn is_xml(octets: &[u8]) -> bool {
    let start = octets.get(..octets.len().min(64)).unwrap_or_default();
    let is_blank =
        |octet: &&u8| octet.is_ascii_whitespace() || b"\xef\xbb\xbf\xff\xfe\0".contains(octet);
    start.iter().find(|octet| !is_blank(octet)) == Some(&b'<')
}

impl<'x> Xml<'x> {
    pub(super) fn new(text: &'x str) -> Xml<'x> {
        Xml { rest: text, closing: None }
    }

    fn take(&mut self, end: usize) -> &'x str {
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// Up to and with `end`; without it all.
    fn through(&mut self, end: &str) -> &'x str {
        let at = memchr::memmem::find(self.rest.as_bytes(), end.as_bytes());
        self.take(at.map_or(self.rest.len(), |at| at + end.len()))
    }

    /// A tag up to its `>`, which may stand in quotes before.
    fn tag(&mut self) -> &'x str {
        let mut quote = None;
        for (at, octet) in self.rest.bytes().enumerate() {
            match (quote, octet) {
                (None, b'>') => return self.take(at + 1),
                (None, b'"' | b'\'') => quote = Some(octet),
                (Some(open), octet) if open == octet => quote = None,
                _ => {}
            }
        }
        self.take(self.rest.len())
    }

    /// `<!DOCTYPE … [ … ]>`.
    fn document_type(&mut self) -> &'x str {
        let mut depth = 0usize;
        for (at, octet) in self.rest.bytes().enumerate() {
            match octet {
                b'[' => depth += 1,
                b']' => depth = depth.saturating_sub(1),
                b'>' if depth == 0 => return self.take(at + 1),
                _ => {}
            }
        }
        self.take(self.rest.len())
    }
}

impl<'x> Iterator for Xml<'x> {
    type Item = Piece<'x>;

    fn next(&mut self) -> Option<Piece<'x>> {
        if let Some(name) = self.closing.take() {
            return Some(Piece::Close { name });
        }
        loop {
            if self.rest.is_empty() {
                return None;
            }
            if self.rest.starts_with("<!--") {
                self.through("-->");
            } else if self.rest.starts_with("<?") {
                return Some(Piece::Instruction(self.through("?>")));
            } else if self.rest.starts_with("<![CDATA[") {
                let text = self.through("]]>");
                let text = text.strip_prefix("<![CDATA[").unwrap_or(text);
                return Some(Piece::Text(text.strip_suffix("]]>").unwrap_or(text).into()));
            } else if self.rest.starts_with("<!") {
                return Some(Piece::Type(self.document_type()));
            } else if self.rest.starts_with("</") {
                let tag = self.tag().trim_start_matches("</").trim_end_matches('>').trim();
                return Some(Piece::Close { name: local(tag) });
            } else if self.rest.starts_with('<') {
                let tag = self.tag().trim_start_matches('<').trim_end_matches('>');
                let inner = tag.strip_suffix('/');
                let tag = inner.unwrap_or(tag);
                let end = tag.find(|letter: char| letter.is_whitespace()).unwrap_or(tag.len());
                let (name, attributes) = tag.split_at_checked(end).unwrap_or((tag, ""));
                let name = local(name);
                if inner.is_some() {
                    self.closing = Some(name);
                }
                return Some(Piece::Open { name, attributes });
            } else {
                let end = memchr::memchr(b'<', self.rest.as_bytes()).unwrap_or(self.rest.len());
                return Some(Piece::Text(plain(self.take(end))));
            }
        }
    }
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// The value of an attribute, by its name without prefix.
pub(super) fn attribute<'x>(attributes: &'x str, name: &str) -> Option<Cow<'x, str>> {
    all_attributes(attributes).find(|(own, _)| *own == name).map(|(_, value)| value)
}

/// All attributes: names without prefix, and values.
pub(super) fn all_attributes(attributes: &str) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    let mut rest = attributes;
    std::iter::from_fn(move || {
        let (name, behind) = rest.split_once('=')?;
        let name = name.trim().rsplit([' ', '\t', '\n', '\r']).next().unwrap_or_default();
        let behind = behind.trim_start();
        let quote = behind.chars().next()?;
        let (value, after) = match quote {
            '"' | '\'' => {
                let inner = behind.get(1..)?;
                inner.split_once(quote).unwrap_or((inner, ""))
            }
            _ => behind.split_once(char::is_whitespace).unwrap_or((behind, "")),
        };
        rest = after;
        Some((local(name), plain(value)))
    })
}

/// XML 1.0 section 4.6: the entities that need no declaration.
fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        plain.push_str(before);
        let end = behind.bytes().take(12).position(|octet| octet == b';');
        let named = end.and_then(|end| Some((behind.get(..end)?, behind.get(end + 1..)?)));
        match named.and_then(|(name, after)| Some((entity(name)?, after))) {
            Some((letter, after)) => {
                plain.push(letter);
                rest = after;
            }
            None => {
                plain.push('&');
                rest = behind;
            }
        }
    }
    plain.push_str(rest);
    plain.into()
}

fn entity(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        name => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let mut shown = String::new();
        for piece in Xml::new(text) {
            match piece {
                Piece::Open { name, .. } => shown.push_str(&format!("<{name}>")),
                Piece::Close { name } => shown.push_str(&format!("</{name}>")),
                Piece::Text(text) => shown.push_str(&text),
                Piece::Type(_) => shown.push('!'),
                Piece::Instruction(_) => {}
            }
        }
        shown
    }

    #[test]
    fn xml_of_any_quality_is_read() {
        let table = [
            ("<w:t xml:space='preserve'>a &amp; b&#x41;&#66;</w:t>", "<t>a & bAB</t>"),
            ("<?xml version='1.0'?><a><!-- no > --><b/></a>", "<a><b></b></a>"),
            ("<a><![CDATA[<b>&amp;]]></a>", "<a><b>&amp;</a>"),
            ("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "!<a>&x;</a>"),
            ("<a b='>'>x", "<a>x"),
            ("<a", "<a>"),
            ("<", "<>"),
            ("&#x110000;&#;&", "&#x110000;&#;&"),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text), expected);
            for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
                shown(&text[..end]);
            }
        }
    }

    #[test]
    fn attributes_are_read() {
        let attributes = " r:id=\"1\" Target = 'http://a.test/?x=1&amp;y' TargetMode=External z";
        assert_eq!(attribute(attributes, "Target").as_deref(), Some("http://a.test/?x=1&y"));
        assert_eq!(attribute(attributes, "id").as_deref(), Some("1"));
        assert_eq!(attribute(attributes, "TargetMode").as_deref(), Some("External"));
        assert_eq!(attribute(attributes, "z"), None);
    }

    #[test]
    fn encodings_are_told_by_their_octets() {
        let utf16: Vec<u8> = "\u{feff}<a>ü</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let table: [(&[u8], &str); 4] = [
            (&utf16, "<a>ü</a>"),
            (b"\xef\xbb\xbf<a>\xc3\xbc</a>", "<a>ü</a>"),
            (b"<?xml version='1.0' encoding='windows-1252'?><a>\xfc</a>", "<a>ü</a>"),
            (b"<?xml version='1.0' encoding='utf-7'?>+ADw-a>x</a>", "<a>x</a>"),
        ];
        for (octets, expected) in table {
            assert!(is_xml(octets));
            assert!(text_of(octets).ends_with(expected), "{}", text_of(octets));
        }
    }
}
