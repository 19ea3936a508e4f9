//! What a part says of itself: Content-Type, Content-Disposition and transfer encoding
//! (RFC 2045, RFC 2183; parameters by RFC 2231, read by mail-parser).
//!
//! In: the head of a part. Out: [`Media`] and [`Encoding`]; what is absent or unreadable is
//! text/plain in seven bits (RFC 2045 section 5.2) and noted.

use bytes::Bytes;
use mail_parser::{ContentType, HeaderValue, parsers::MessageStream};

use super::head::{Head, trim_line_end};
use super::oddity::{Oddities, Oddity};
use super::words;

/// A longer field is cut before its parameters are read, which takes quadratic time.
const FIELD_OCTETS: usize = 8 << 10;

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// 7bit, 8bit, binary, or unknown.
    #[default]
    Identity,
    /// RFC 2045 section 6.8.
    Base64,
    /// RFC 2045 section 6.7.
    QuotedPrintable,
}

/// The declared type of a part; all names in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Media {
    /// `text`.
    pub main: String,
    /// `plain`.
    pub subtype: String,
    /// The charset parameter.
    pub charset: Option<String>,
    /// The boundary parameter.
    pub boundary: Option<String>,
    /// The name of the file: Content-Disposition's, else Content-Type's.
    pub filename: Option<String>,
    /// Content-Disposition is `attachment`.
    pub attachment: bool,
    /// The transfer encoding.
    pub encoding: Encoding,
}

impl Media {
    /// Reads the MIME fields of a head; `fallback` is the type when none is declared.
    pub(super) fn read(head: &Head, fallback: (&str, &str), oddities: &mut Oddities) -> Media {
        let mut media = Media {
            main: fallback.0.to_owned(),
            subtype: fallback.1.to_owned(),
            ..Media::default()
        };
        let mut type_name = None;
        if let Some(value) = head.first("content-type") {
            let line = bounded(value, oddities);
            match parse(&line) {
                Some(parsed) => type_name = media.take_type(&parsed, oddities),
                None => oddities.note_octets(Oddity::TypeUnreadable, trim_line_end(value)),
            }
        }
        if let Some(value) = head.first("content-disposition") {
            let line = bounded(value, oddities);
            if let Some(parsed) = parse(&line) {
                media.attachment = parsed.c_type.eq_ignore_ascii_case("attachment");
                media.filename = parameter(&parsed, "filename", oddities);
            }
        }
        match (&media.filename, type_name) {
            (Some(given), Some(named)) if extension(given) != extension(&named) => {
                oddities.note(Oddity::FilenameDiffers, format!("{given} / {named}"));
            }
            (None, named) => media.filename = named,
            _ => {}
        }
        if let Some(value) = head.first("content-transfer-encoding") {
            media.encoding = read_encoding(value, oddities);
        }
        media
    }

    /// Takes type and parameters; returns the name parameter.
    fn take_type(&mut self, parsed: &ContentType<'_>, oddities: &mut Oddities) -> Option<String> {
        match &parsed.c_subtype {
            Some(subtype) if !parsed.c_type.is_empty() && !subtype.is_empty() => {
                self.main = parsed.c_type.to_ascii_lowercase();
                self.subtype = subtype.to_ascii_lowercase();
            }
            _ => oddities.note(Oddity::TypeUnreadable, &parsed.c_type),
        }
        self.charset = parameter(parsed, "charset", oddities);
        self.boundary = parameter(parsed, "boundary", oddities).filter(|text| !text.is_empty());
        parameter(parsed, "name", oddities)
    }

    /// Whether the declared type is this one.
    pub fn is(&self, main: &str, subtype: &str) -> bool {
        self.main == main && self.subtype == subtype
    }

    /// The extension of the filename in lower case, without the dot.
    pub fn extension(&self) -> Option<String> {
        self.filename.as_deref().and_then(extension)
    }
}

/// What follows the last dot of a file name, in lower case.
fn extension(name: &str) -> Option<String> {
    let (_, extension) = name.trim_end_matches(['.', ' ']).rsplit_once('.')?;
    Some(extension.to_lowercase())
}

/// The field with exactly one line end, as mail-parser expects it, cut when it is too long.
fn bounded(value: &[u8], oddities: &mut Oddities) -> Bytes {
    let mut value = trim_line_end(value);
    if let Some(start) = value.get(..FIELD_OCTETS) {
        oddities.note(Oddity::HeaderTooLarge, format!("a field of {} octets", value.len()));
        value = start;
    }
    let mut line = Vec::with_capacity(value.len() + 2);
    line.extend_from_slice(value);
    line.extend_from_slice(b"\r\n");
    line.into()
}

fn parse(line: &[u8]) -> Option<ContentType<'_>> {
    match MessageStream::new(line).parse_content_type() {
        HeaderValue::ContentType(parsed) => Some(parsed),
        _ => None,
    }
}

/// The first parameter of a name; another one with a different value is noted.
fn parameter(parsed: &ContentType<'_>, name: &str, oddities: &mut Oddities) -> Option<String> {
    let attributes = parsed.attributes.as_deref().unwrap_or_default();
    let mut same_name =
        attributes.iter().filter(|attribute| attribute.name.eq_ignore_ascii_case(name));
    let first = same_name.next()?.value.trim();
    if same_name.any(|other| other.value.trim() != first) {
        oddities.note(Oddity::ParameterRepeated, name);
    }
    // Encoded words in parameters are against RFC 2047 section 5, and usual.
    Some(words::decode(first.as_bytes()).into_owned())
}

fn read_encoding(value: &[u8], oddities: &mut Oddities) -> Encoding {
    let text = words::decode(value);
    // A comment or a stray parameter may follow.
    let name = text.split([';', '(', ' ', '\t']).next().unwrap_or_default();
    match name.to_ascii_lowercase().as_str() {
        "base64" => Encoding::Base64,
        "quoted-printable" => Encoding::QuotedPrintable,
        "" | "7bit" | "8bit" | "binary" | "7-bit" | "8-bit" => Encoding::Identity,
        _ => {
            oddities.note(Oddity::EncodingUnknown, name);
            Encoding::Identity
        }
    }
}
