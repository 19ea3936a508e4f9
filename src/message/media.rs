//! What a part says of itself: Content-Type, Content-Disposition and transfer encoding
//! (RFC 2045, RFC 2183; parameters by RFC 2231).
//!
//! In: the head of a part. Out: [`Media`] as most readers understand it, and behind it every
//! other reading that the fields leave room for (fields that stand there twice, comments,
//! quotes, conflicting parameters), bounded. What is absent or unreadable is text/plain in
//! seven bits (RFC 2045 section 5.2) and noted.

use super::head::{Head, trim_line_end};
use super::nature::Nature;
use super::normal::is_hidden;
use super::oddity::{Oddities, Oddity};
use super::parameters::{self, Parameters, Way};
use super::words;
use crate::mail::Family;

/// A longer field is cut before it is read.
const FIELD_OCTETS: usize = 8 << 10;

/// So many readings of one head are looked at.
pub(super) const READINGS: usize = 16;

/// File systems cut a longer name, and its extension with it.
const NAME_CHARS: usize = 255;

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
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
    /// All names that some reader gives the file, the usual one first.
    pub names: Vec<String>,
    /// Content-Disposition is `attachment`.
    pub attachment: bool,
    /// The transfer encoding.
    pub encoding: Encoding,
    /// The boundary as it is written.
    pub(super) delimiter: Option<Vec<u8>>,
}

/// What the Content-Type says in one reading.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Typed {
    main: String,
    subtype: String,
    charset: Option<String>,
    delimiter: Option<Vec<u8>>,
}

impl Media {
    /// Reads the MIME fields of a head; `fallback` is the type when none is declared. The usual
    /// reading comes first. More readings than [`READINGS`] are noted and left away.
    pub(super) fn readings(
        head: &Head,
        fallback: (&str, &str),
        oddities: &mut Oddities,
    ) -> Vec<Media> {
        let mut names = Names::default();
        let types = read_types(head, fallback, &mut names, oddities);
        let attachment = read_dispositions(head, &mut names, oddities);
        let encodings = read_encodings(head, oddities);
        let names = names.finish(oddities);
        let mut readings: Vec<Media> = Vec::with_capacity(1);
        for typed in &types {
            for encoding in &encodings {
                let media = Media {
                    main: typed.main.clone(),
                    subtype: typed.subtype.clone(),
                    charset: typed.charset.clone(),
                    boundary: typed
                        .delimiter
                        .as_deref()
                        .filter(|octets| !octets.is_empty())
                        .map(|octets| String::from_utf8_lossy(octets).into_owned()),
                    delimiter: typed.delimiter.clone(),
                    filename: names.first().cloned(),
                    names: names.clone(),
                    attachment,
                    encoding: *encoding,
                };
                if readings.len() >= READINGS {
                    oddities.note(Oddity::ReadingsLeftOut, "");
                    return readings;
                }
                if !readings.contains(&media) {
                    readings.push(media);
                }
            }
        }
        readings
    }

    /// Whether the declared type is this one.
    pub fn is(&self, main: &str, subtype: &str) -> bool {
        self.main == main && self.subtype == subtype
    }

    /// The extension of the filename in lower case, without the dot.
    pub fn extension(&self) -> Option<String> {
        self.filename.as_deref().and_then(extension)
    }

    /// Of all names, the one that makes the file most dangerous; the usual one among equals.
    pub fn worst_name(&self) -> &str {
        worst_of(&self.names)
    }
}

/// Of several names of a file, the one that makes it most dangerous; the first among equals.
pub(super) fn worst_of(names: &[String]) -> &str {
    let danger = |name: &String| extension(name).map_or(0, |extension| danger(&extension));
    let mut worst: Option<(&String, u8)> = None;
    for name in names {
        let danger = danger(name);
        if worst.is_none_or(|(_, known)| danger > known) {
            worst = Some((name, danger));
        }
    }
    worst.map_or("", |(name, _)| name.as_str())
}

/// How dangerous a file of this extension is to who opens it.
fn danger(extension: &str) -> u8 {
    let of_family = |family: Family| match family {
        Family::Executable => 8,
        Family::Script => 7,
        Family::Shortcut => 6,
        Family::DiskImage | Family::Archive => 5,
        Family::Document | Family::Spreadsheet | Family::Presentation | Family::Office => 4,
        Family::Message => 3,
        Family::Text => 2,
        _ => 1,
    };
    Nature::of_extension(extension).map(|nature| of_family(nature.family())).max().unwrap_or(0)
}

/// What follows the last dot of a file name, in lower case. Systems leave away dots, blanks
/// and separators at the end; invisible letters nobody sees.
fn extension(name: &str) -> Option<String> {
    let seen: String =
        name.chars().filter(|letter| !is_hidden(*letter) && !letter.is_control()).collect();
    let (_, extension) = seen.trim_end_matches(['.', ' ', '/', '\\']).rsplit_once('.')?;
    Some(extension.to_lowercase())
}

/// The names of a file, as they are found.
#[derive(Default)]
struct Names {
    /// Content-Disposition's come before Content-Type's.
    disposition: Vec<String>,
    content_type: Vec<String>,
    /// Of the wrong parameter, which some readers take.
    other: Vec<String>,
}

impl Names {
    fn finish(self, oddities: &mut Oddities) -> Vec<String> {
        if let (Some(given), Some(named)) = (self.disposition.first(), self.content_type.first())
            && extension(given) != extension(named)
        {
            oddities.note(Oddity::FilenameDiffers, format!("{given} / {named}"));
        }
        let mut names: Vec<String> = Vec::new();
        for name in [self.disposition, self.content_type, self.other].into_iter().flatten() {
            for name in seen_as(name, oddities) {
                if !name.is_empty() && !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        let known = |name: &String| {
            extension(name).filter(|extension| Nature::of_extension(extension).next().is_some())
        };
        let mut extensions = names.iter().filter_map(|name| Some((name, known(name)?)));
        if let Some((name, first)) = extensions.next()
            && let Some((other, _)) = extensions.find(|(_, extension)| *extension != first)
            && !oddities.has(Oddity::FilenameDiffers)
        {
            oddities.note(Oddity::FilenameDiffers, format!("{name} / {other}"));
        }
        names
    }
}

/// A name, and what systems make of it that end it at a NUL, at a colon, or at their limit.
fn seen_as(name: String, oddities: &mut Oddities) -> Vec<String> {
    let mut seen = Vec::with_capacity(1);
    if name.contains(['\u{202a}', '\u{202b}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}']) {
        oddities.note(Oddity::FilenameBidi, &name);
    }
    if let Some((before, _)) = name.split_once('\0') {
        oddities.note(Oddity::FilenameNul, &name);
        seen.push(name.replace('\0', ""));
        seen.push(before.to_owned());
        return seen;
    }
    let cut = name.char_indices().nth(NAME_CHARS).map(|(end, _)| end);
    let cut = cut.and_then(|end| name.get(..end)).map(str::to_owned);
    if cut.is_some() {
        oddities.note(Oddity::FilenameLong, format!("{} octets", name.len()));
    }
    let stream = name.split_once(':').map(|(before, _)| before.to_owned());
    seen.push(name);
    // A stream of a file bears the name of the file; `C:` is none.
    seen.extend(stream.filter(|before| extension(before).is_some()));
    seen.extend(cut);
    seen
}

/// The value of a field without its line end, cut when it is too long.
fn bounded<'h>(value: &'h [u8], oddities: &mut Oddities) -> &'h [u8] {
    let value = trim_line_end(value);
    match value.get(..FIELD_OCTETS) {
        Some(start) if start.len() < value.len() => {
            oddities.note(Oddity::HeaderTooLarge, format!("a field of {} octets", value.len()));
            start
        }
        _ => value,
    }
}

/// The first fields of a name and the last one.
fn fields<'h>(head: &'h Head, name: &'h str, oddities: &mut Oddities) -> Vec<&'h [u8]> {
    const FIRST: usize = 3;
    let all: Vec<&[u8]> = head.all(name).map(|field| head.value(field)).collect();
    let last = all.last().copied().filter(|_| all.len() > FIRST);
    if all.len() > FIRST + 1 {
        oddities.note(Oddity::ReadingsLeftOut, name);
    }
    let chosen = all.into_iter().take(FIRST).chain(last);
    chosen.map(|value| bounded(value, oddities)).collect()
}

fn read_types(
    head: &Head,
    fallback: (&str, &str),
    names: &mut Names,
    oddities: &mut Oddities,
) -> Vec<Typed> {
    let mut types: Vec<Typed> = Vec::with_capacity(1);
    for value in fields(head, "content-type", oddities) {
        let readings = parameters::readings(value);
        note_form(value, &readings, oddities);
        for (at, (_, parameters)) in readings.iter().enumerate() {
            let parsed = media_type(&parameters.token);
            if parsed.is_none() && at == 0 {
                oddities.note_octets(Oddity::TypeUnreadable, &parameters.token);
            }
            let first = types.is_empty();
            let (main, subtype) =
                parsed.unwrap_or_else(|| (fallback.0.to_owned(), fallback.1.to_owned()));
            add_types(main, subtype, parameters, &mut types, oddities);
            if first && types.len() > 1 && types.iter().any(|one| one.main == "multipart") {
                note_parameters(parameters, oddities);
            } else if at == 0 {
                note_repeated(parameters, oddities);
            }
            names.content_type.extend(parameters.texts("name"));
            names.other.extend(parameters.texts("filename"));
        }
        if readings.len() > 1 && types.len() > 1 {
            oddities.note_octets(Oddity::ParameterAmbiguous, value);
        }
        if !value.is_ascii() {
            oddities.note_octets(Oddity::FilenameOctets, value);
        }
    }
    if types.is_empty() {
        let (main, subtype) = (fallback.0.to_owned(), fallback.1.to_owned());
        types.push(Typed { main, subtype, charset: None, delimiter: None });
    }
    types
}

/// The readings of one Content-Type: each boundary, each charset, and a multipart where there
/// is a boundary without one.
fn add_types(
    main: String,
    subtype: String,
    parameters: &Parameters,
    types: &mut Vec<Typed>,
    oddities: &mut Oddities,
) {
    let delimiters = parameters.octets("boundary");
    let charsets = parameters.texts("charset");
    let is_multipart = main == "multipart";
    let charset = charsets.first().cloned();
    let usual = Typed { main, subtype, charset, delimiter: delimiters.first().cloned() };
    add(types, usual.clone());
    for delimiter in delimiters {
        let trimmed = delimiter.trim_ascii_start().to_vec();
        for delimiter in [delimiter, trimmed] {
            let mut other = Typed { delimiter: Some(delimiter), ..usual.clone() };
            if !is_multipart {
                other.main = "multipart".into();
                other.subtype = "mixed".into();
            }
            add(types, other);
        }
    }
    if usual.main == "text" && charsets.len() > 1 {
        oddities.note(Oddity::CharsetDiffers, charsets.join(" / "));
        for charset in charsets.into_iter().skip(1) {
            add(types, Typed { charset: Some(charset), ..usual.clone() });
        }
    }
}

fn add(types: &mut Vec<Typed>, typed: Typed) {
    if !types.contains(&typed) {
        types.push(typed);
    }
}

/// `type/subtype` in lower case.
fn media_type(token: &[u8]) -> Option<(String, String)> {
    let token = words::decode(token);
    let token = token.trim_matches(['"', ' ', '\t', '\'', ',']);
    let (main, subtype) = token.split_once('/')?;
    let main = main.trim().to_ascii_lowercase();
    let subtype = subtype.split(['/', ',', '"', '(']).next()?.trim().to_ascii_lowercase();
    (!main.is_empty() && !subtype.is_empty()).then_some((main, subtype))
}

/// What is odd about how a field is written.
fn note_form(value: &[u8], readings: &[(Way, Parameters)], oddities: &mut Oddities) {
    if readings.iter().any(|(way, _)| *way == Way::CommentsKept) {
        oddities.note_octets(Oddity::ParameterComment, value);
    }
    if let Some((_, standard)) = readings.first()
        && standard.separator_absent
    {
        oddities.note_octets(Oddity::ParameterSeparator, value);
    }
}

/// Of a part that is a multipart to some reader: why its boundaries differ.
fn note_parameters(parameters: &Parameters, oddities: &mut Oddities) {
    note_repeated(parameters, oddities);
    let values = parameters.octets("boundary");
    if values.len() > 1 && !parameters.is_repeated("boundary") {
        match values.iter().any(|value| memchr::memmem::find(value, b"=?").is_some()) {
            true => oddities.note(Oddity::ParameterWord, "boundary"),
            false => oddities.note(Oddity::ParameterAmbiguous, "boundary"),
        }
    }
}

fn note_repeated(parameters: &Parameters, oddities: &mut Oddities) {
    for name in ["boundary", "charset", "name"] {
        if parameters.is_repeated(name) {
            oddities.note(Oddity::ParameterRepeated, name);
        }
    }
}

/// Takes the names; returns whether it is an attachment.
fn read_dispositions(head: &Head, names: &mut Names, oddities: &mut Oddities) -> bool {
    let mut attachment = None;
    for value in fields(head, "content-disposition", oddities) {
        for (_, parameters) in parameters::readings(value) {
            let is_attachment = parameters.token.eq_ignore_ascii_case(b"attachment");
            attachment.get_or_insert(is_attachment);
            if parameters.is_repeated("filename") {
                oddities.note(Oddity::ParameterRepeated, "filename");
            }
            names.disposition.extend(parameters.texts("filename"));
            names.other.extend(parameters.texts("name"));
        }
        if !value.is_ascii() {
            oddities.note_octets(Oddity::FilenameOctets, value);
        }
    }
    attachment.unwrap_or(false)
}

fn read_encodings(head: &Head, oddities: &mut Oddities) -> Vec<Encoding> {
    let mut encodings = Vec::with_capacity(1);
    for value in fields(head, "content-transfer-encoding", oddities) {
        for encoding in read_encoding(value, oddities) {
            if !encodings.contains(&encoding) {
                encodings.push(encoding);
            }
        }
    }
    if encodings.is_empty() {
        encodings.push(Encoding::Identity);
    }
    encodings
}

/// The encoding that a field names; where it names it in a way that only some readers
/// understand, what the others take it for.
fn read_encoding(value: &[u8], oddities: &mut Oddities) -> Vec<Encoding> {
    let text = words::decode(value).to_ascii_lowercase();
    if let Some(encoding) = known_encoding(&text) {
        if value.trim_ascii().starts_with(b"=?") {
            oddities.note_octets(Oddity::EncodingAmbiguous, value);
            return vec![encoding, Encoding::Identity];
        }
        return vec![encoding];
    }
    // A comment, a quote or a stray parameter may be about it.
    let is_outside = |letter: char| !(letter.is_ascii_alphanumeric() || letter == '-');
    let mut encodings = Vec::new();
    for word in text.split(is_outside).filter(|word| !word.is_empty()) {
        encodings.extend(known_encoding(word).filter(|known| !encodings.contains(known)));
    }
    if encodings.is_empty() {
        // `base 64`, `x-base64`, `base64-mime`.
        let letters: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
        encodings.extend(letters.contains("base64").then_some(Encoding::Base64));
        encodings.extend(letters.contains("quotedprint").then_some(Encoding::QuotedPrintable));
        oddities.note(Oddity::EncodingUnknown, &text);
        encodings.insert(0, Encoding::Identity);
        for guess in [Encoding::Base64, Encoding::QuotedPrintable] {
            if !encodings.contains(&guess) && !is_named(&letters) {
                encodings.push(guess);
            }
        }
        return encodings;
    }
    if encodings != [Encoding::Identity] {
        oddities.note_octets(Oddity::EncodingAmbiguous, value);
        if !encodings.contains(&Encoding::Identity) {
            encodings.push(Encoding::Identity);
        }
    }
    encodings
}

/// Encodings that are none of RFC 2045's but have a name; the files in them are found in the
/// text.
fn is_named(letters: &str) -> bool {
    ["uu", "yenc", "binhex", "gzip"].iter().any(|name| letters.contains(name))
}

fn known_encoding(name: &str) -> Option<Encoding> {
    Some(match name {
        "base64" => Encoding::Base64,
        "quoted-printable" => Encoding::QuotedPrintable,
        "" | "7bit" | "8bit" | "binary" | "7-bit" | "8-bit" => Encoding::Identity,
        _ => return None,
    })
}
