//! Lists of `tag=value` (RFC 6376, section 3.2), as signatures and keys are written.
//!
//! In: octets. Out: [`Tags`], or what is wrong with them. A tag that is given twice makes the
//! list useless, since two readers could read two lists.

use std::ops::Range;

/// More tags than any signature or key needs.
const TAGS: usize = 64;

#[derive(Debug, Clone)]
struct Tag<'a> {
    name: &'a str,
    value: &'a [u8],
    /// Where the value lies in the whole, white space and all.
    place: Range<usize>,
}

/// A list that follows the grammar.
#[derive(Debug, Clone)]
pub(super) struct Tags<'a>(Vec<Tag<'a>>);

impl<'a> Tags<'a> {
    /// Reads a signature: between two semicolons there must be a tag.
    pub(super) fn parse(octets: &'a [u8]) -> Result<Tags<'a>, &'static str> {
        Tags::read(octets, |at| at >= octets.len())
    }

    /// Reads a record in DNS, where people are less careful with semicolons.
    pub(super) fn parse_record(octets: &'a [u8]) -> Result<Tags<'a>, &'static str> {
        Tags::read(octets, |_| true)
    }

    /// `may_be_empty` is asked with the place behind a segment.
    fn read(
        octets: &'a [u8],
        may_be_empty: impl Fn(usize) -> bool,
    ) -> Result<Tags<'a>, &'static str> {
        let mut tags: Vec<Tag<'a>> = Vec::new();
        let mut at = 0;
        for segment in octets.split(|octet| *octet == b';') {
            let start = at;
            at += segment.len() + 1;
            if segment.trim_ascii().is_empty() && may_be_empty(at) {
                continue;
            }
            let equals = memchr::memchr(b'=', segment).ok_or("a tag without a value")?;
            let (name, value) = (segment.get(..equals), segment.get(equals + 1..));
            let name = name.unwrap_or_default().trim_ascii();
            let name = std::str::from_utf8(name).map_err(|_| "a tag without a name")?;
            let named = name.starts_with(|first: char| first.is_ascii_alphabetic())
                && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_');
            if !named {
                return Err("a tag without a name");
            }
            if tags.iter().any(|tag| tag.name == name) {
                return Err("a tag that is given twice");
            }
            if tags.len() >= TAGS {
                return Err("more tags than any reader expects");
            }
            let value = value.unwrap_or_default();
            let place = start + equals + 1..start + segment.len();
            tags.push(Tag { name, value: value.trim_ascii(), place });
        }
        Ok(Tags(tags))
    }

    fn find(&self, name: &str) -> Option<&Tag<'a>> {
        self.0.iter().find(|tag| tag.name == name)
    }

    /// The value without white space around it.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        std::str::from_utf8(self.find(name)?.value).ok()
    }

    /// The value without any white space.
    pub(super) fn squeezed(&self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        Some(text.chars().filter(|letter| !letter.is_ascii_whitespace()).collect())
    }

    /// The decoded value of a tag that is written in Base64.
    pub(super) fn base64(&self, name: &str) -> Option<Vec<u8>> {
        use base64::Engine;
        use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
        let lenient = GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true);
        let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, lenient);
        engine.decode(self.squeezed(name)?).ok()
    }

    /// A decimal number; an error when there is something else.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, &'static str> {
        let Some(text) = self.squeezed(name) else { return Ok(None) };
        match text.bytes().all(|octet| octet.is_ascii_digit()) && !text.is_empty() {
            // Section 3.5: up to 76 digits, all of them beyond what a clock or a body holds.
            true => Ok(Some(text.parse().unwrap_or(u64::MAX))),
            false => Err("a tag that should be a number"),
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    pub(super) fn first_name(&self) -> Option<&'a str> {
        self.0.first().map(|tag| tag.name)
    }

    /// The octets with the value of one tag taken out, without their last line end.
    pub(super) fn without(&self, octets: &[u8], name: &str) -> Vec<u8> {
        let place = self.find(name).map_or(0..0, |tag| tag.place.clone());
        let mut rest = octets.get(..place.start).unwrap_or_default().to_vec();
        rest.extend_from_slice(octets.get(place.end..).unwrap_or_default());
        // The last value may have held the line end.
        while matches!(rest.last(), Some(b'\r' | b'\n')) {
            rest.pop();
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        let octets = b" v=1; a = rsa-sha256 ;\r\n b=ab\r\n\tcd=;c=; h=From : To;\r\n";
        let tags = Tags::parse(octets).unwrap();
        assert_eq!(tags.text("a"), Some("rsa-sha256"));
        assert_eq!(tags.squeezed("b").as_deref(), Some("abcd="));
        assert_eq!(tags.squeezed("h").as_deref(), Some("From:To"));
        assert_eq!(tags.text("c"), Some(""));
        assert_eq!(tags.first_name(), Some("v"));
        assert_eq!(tags.without(octets, "b"), b" v=1; a = rsa-sha256 ;\r\n b=;c=; h=From : To;");
        assert_eq!(Tags::parse(b"a=1; b=x\r\n").unwrap().without(b"a=1; b=x\r\n", "b"), b"a=1; b=");
    }

    #[test]
    fn what_could_be_read_twice_is_refused() {
        for bad in ["a=1; a=1", "a", "=1", "a b=1", "1a=1", "a=1;; b=1", ";a=1", "a=1; \u{e4}=2"] {
            assert!(Tags::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Tags::parse(b"a=1; ").is_ok());
        assert!(Tags::parse_record(b"a=1;; b=1;").is_ok());
        let many: String = (0..100).map(|at| format!("t{at}=1;")).collect();
        assert!(Tags::parse(many.as_bytes()).is_err());
    }
}
