//! The texts of a message, zone by zone, in the normal form that rules are written for.
//!
//! In: [`Anatomy`]. Out: each text given once to a sink, with its zone; nothing is kept. HTML
//! appears twice, as its reader sees it and as it is written. Texts beyond the limit are not
//! read, and that is noted.

use std::borrow::Cow;

use super::anatomy::{Anatomy, Kind, Part};
use super::charset::{self, Decoded};
use super::html::html_to_text;
use super::normal::{Normaliser, Tricks};
use super::oddity::{Oddities, Oddity};
use super::{tables, words};

/// A place in a message where a rule may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Zone {
    /// The decoded Subject.
    Subject,
    /// The decoded From.
    From,
    /// The decoded Reply-To.
    ReplyTo,
    /// All decoded fields of the message's header, one a line, as `Name: value`.
    Header,
    /// The text that a reader is shown; HTML as text.
    Body,
    /// HTML as it is written.
    Html,
    /// The names of files, one a line.
    Filename,
    /// The text of attachments that are text.
    Attachment,
}

impl Zone {
    /// All zones.
    pub const ALL: [Zone; 8] = [
        Zone::Subject,
        Zone::From,
        Zone::ReplyTo,
        Zone::Header,
        Zone::Body,
        Zone::Html,
        Zone::Filename,
        Zone::Attachment,
    ];

    /// The name in rule files.
    pub fn name(self) -> &'static str {
        match self {
            Zone::Subject => "subject",
            Zone::From => "from",
            Zone::ReplyTo => "reply_to",
            Zone::Header => "header",
            Zone::Body => "body",
            Zone::Html => "html",
            Zone::Filename => "filename",
            Zone::Attachment => "attachment",
        }
    }

    /// One bit a zone.
    pub fn bit(self) -> u8 {
        1 << (self as u8)
    }

    /// Gives a text as it would look in this zone.
    pub fn normal_form(self, text: &str) -> String {
        let normaliser = Normaliser { limit_octets: usize::MAX };
        let mut out = String::with_capacity(text.len());
        match self {
            Zone::Html => out.push_str(text),
            Zone::Header | Zone::Filename => {
                for line in text.lines() {
                    normaliser.append(line, &mut out);
                    out.push('\n');
                }
            }
            _ => {
                normaliser.append(&unquoted(text), &mut out);
                append_headed(self, text, &mut out);
            }
        }
        out
    }
}

/// Invisible characters in so few words may be an accident of copying.
const HIDDEN_IN_WORDS: u32 = 3;
/// The same for words of look-alike letters.
const MIXED_SCRIPTS: u32 = 2;

impl Anatomy {
    /// Gives every text to `sink`, and notes what was odd about them.
    pub fn read(&mut self, sink: &mut dyn FnMut(Zone, &str)) {
        let mut oddities = std::mem::take(&mut self.oddities);
        let mut reader = Reader {
            oddities: &mut oddities,
            sink,
            left_octets: self.limits.text_octets,
            buffer: String::new(),
            tricks: Tricks::default(),
        };
        reader.read_header(self);
        for part in &self.parts {
            reader.read_part(part);
        }
        for stray in &self.strays {
            let text = charset::guess(stray);
            reader.normal(Zone::Body, &text);
        }
        reader.read_filenames(&self.parts);
        reader.finish();
        self.oddities = oddities;
    }
}

struct Reader<'r> {
    oddities: &'r mut Oddities,
    sink: &'r mut dyn FnMut(Zone, &str),
    left_octets: usize,
    buffer: String,
    tricks: Tricks,
}

impl Reader<'_> {
    fn read_header(&mut self, anatomy: &Anatomy) {
        let Some(head) = anatomy.head() else { return };
        let mut lines = std::mem::take(&mut self.buffer);
        lines.clear();
        lines.reserve(head.octets().len());
        let normaliser = Normaliser { limit_octets: self.left_octets };
        for field in head.fields() {
            let name = String::from_utf8_lossy(head.name(field));
            lines.push_str(&name);
            lines.push_str(": ");
            let value_at = lines.len();
            let value = words::decode(head.value(field));
            let tricks = normaliser.append(&value, &mut lines);
            let zone = match () {
                () if name.eq_ignore_ascii_case("subject") => Some(Zone::Subject),
                () if name.eq_ignore_ascii_case("from") => Some(Zone::From),
                () if name.eq_ignore_ascii_case("reply-to") => Some(Zone::ReplyTo),
                () => None,
            };
            if let Some(zone) = zone {
                self.add_tricks(tricks);
                (self.sink)(zone, lines.get(value_at..).unwrap_or_default());
            }
            lines.push('\n');
        }
        (self.sink)(Zone::Header, &lines);
        self.buffer = lines;
    }

    fn read_part(&mut self, part: &Part) {
        if matches!(part.kind, Kind::Multipart | Kind::Message) {
            return;
        }
        if part.kind == Kind::Other {
            return;
        }
        let octets = part.decoded();
        let inner = match part.kind {
            Kind::Html => html_charset(&octets),
            _ => None,
        };
        let declared = part.media.charset.clone().or_else(|| match octets.is_ascii() {
            true => None,
            false => inner.clone(),
        });
        let decoded = charset::decode(&octets, declared.as_deref());
        if decoded.unknown && part.is_main() {
            self.oddities.note(Oddity::CharsetUnknown, declared.as_deref().unwrap_or_default());
        }
        if decoded.unread {
            self.oddities.note(Oddity::CharsetUnread, declared.as_deref().unwrap_or_default());
        }
        let nuls = memchr::memchr_iter(0, decoded.text.as_bytes()).count();
        if nuls > 0 && part.is_main() {
            self.oddities.note_times(Oddity::TextNul, nuls as u32, "");
        }
        self.read_text(part, &decoded.text);
        for other in self.other_charsets(&octets, declared.as_deref(), inner.as_deref()) {
            let label = other.as_str();
            let Decoded { text: other, unread, .. } = charset::decode(&octets, Some(label));
            if unread {
                self.oddities.note(Oddity::CharsetUnread, label);
            }
            if other != decoded.text {
                self.read_text(part, &other);
            }
        }
    }

    /// Charsets beside the declared one in which some reader shows a text: what its octets or
    /// its HTML say, and ASCII where the declared one makes other letters of it.
    fn other_charsets(
        &mut self,
        octets: &[u8],
        declared: Option<&str>,
        inner: Option<&str>,
    ) -> Vec<String> {
        let mut others = Vec::new();
        let differs = |label: &str| !declared.unwrap_or_default().eq_ignore_ascii_case(label);
        for label in [declared, inner].into_iter().flatten() {
            if charset::is_utf7(label) {
                self.oddities.note(Oddity::CharsetUtf7, label);
            }
            if charset::reads_twice(label) {
                others.push("us-ascii".to_owned());
            }
        }
        if let Some(inner) = inner.filter(|label| charset::hides_ascii(label) && differs(label)) {
            self.oddities.note(Oddity::CharsetDiffers, inner);
            others.push(inner.to_owned());
        }
        let marked = charset::marked(octets).map(|encoding| encoding.name());
        if let Some(marked) = marked.filter(|label| declared.is_some() && differs(label)) {
            self.oddities.note(Oddity::CharsetDiffers, marked);
            others.push(marked.to_owned());
        }
        others
    }

    fn read_text(&mut self, part: &Part, text: &str) {
        let zone = match part.media.attachment {
            true => Zone::Attachment,
            false => Zone::Body,
        };
        match part.kind {
            Kind::Html => {
                let source = self.within_limit(text);
                (self.sink)(Zone::Html, source);
                self.normal_unlimited(zone, &html_to_text(source));
            }
            _ => self.normal(zone, text),
        }
    }

    fn read_filenames(&mut self, parts: &[Part]) {
        let names: Vec<&str> =
            parts.iter().filter_map(|part| part.media.filename.as_deref()).collect();
        if !names.is_empty() {
            let form = Zone::Filename.normal_form(&names.join("\n"));
            (self.sink)(Zone::Filename, &form);
        }
    }

    fn normal(&mut self, zone: Zone, text: &str) {
        let text = self.within_limit(text);
        self.normal_unlimited(zone, text);
    }

    /// For a text whose source was counted against the limit.
    fn normal_unlimited(&mut self, zone: Zone, text: &str) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        // NFKC may make one character many.
        let normaliser = Normaliser { limit_octets: text.len().saturating_mul(2) + 1_024 };
        let tricks = normaliser.append(&unquoted(text), &mut buffer);
        append_headed(zone, text, &mut buffer);
        self.add_tricks(tricks);
        (self.sink)(zone, &buffer);
        self.buffer = buffer;
    }

    fn within_limit<'t>(&mut self, text: &'t str) -> &'t str {
        if text.len() <= self.left_octets {
            self.left_octets -= text.len();
            return text;
        }
        let end = text.floor_char_boundary(self.left_octets);
        self.left_octets = 0;
        self.oddities.note(Oddity::TextTruncated, format!("{} octets left away", text.len() - end));
        text.get(..end).unwrap_or_default()
    }

    fn add_tricks(&mut self, tricks: Tricks) {
        self.tricks.hidden_in_words += tricks.hidden_in_words;
        self.tricks.mixed_scripts += tricks.mixed_scripts;
        self.tricks.cut |= tricks.cut;
    }

    fn finish(self) {
        let Tricks { hidden_in_words, mixed_scripts, cut } = self.tricks;
        if hidden_in_words >= HIDDEN_IN_WORDS {
            self.oddities.note_times(Oddity::HiddenInWords, hidden_in_words, "");
        }
        if mixed_scripts >= MIXED_SCRIPTS {
            self.oddities.note_times(Oddity::MixedScripts, mixed_scripts, "");
        }
        if cut {
            self.oddities.note(Oddity::TextTruncated, "grew while it was normalised");
        }
    }
}

/// A text in which the marks of quoting do not divide what they quote: of lines in a row that
/// begin with `>` the first one keeps its marks.
fn unquoted(text: &str) -> Cow<'_, str> {
    if !text.contains("\n>") && !text.contains("\n >") {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut follows = false;
    for line in text.split_inclusive('\n') {
        let is_quoted = line.trim_start_matches(' ').starts_with('>');
        plain.push_str(match is_quoted && follows {
            true => line.trim_start_matches(['>', ' ']),
            false => line,
        });
        follows = is_quoted;
    }
    Cow::Owned(plain)
}

/// Appends what stands in tables below headings to a text in normal form.
fn append_headed(zone: Zone, text: &str, form: &mut String) {
    if matches!(zone, Zone::Body | Zone::Attachment) {
        let lines = tables::headed(text);
        if !lines.is_empty() {
            form.push(' ');
            Normaliser { limit_octets: usize::MAX }.append(&lines, form);
        }
    }
}

/// The charset that an HTML document names near its beginning.
fn html_charset(octets: &[u8]) -> Option<String> {
    const WINDOW_OCTETS: usize = 1_024;
    let window = octets.get(..octets.len().min(WINDOW_OCTETS))?.to_ascii_lowercase();
    let at = memchr::memmem::find(&window, b"charset=")?;
    let rest = window.get(at + 8..)?;
    let label: Vec<u8> = rest
        .iter()
        .copied()
        .skip_while(|octet| matches!(octet, b'"' | b'\''))
        .take_while(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
        .collect();
    String::from_utf8(label).ok().filter(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_tables_do_not_divide_what_belongs_together() {
        let table = [
            (Zone::Body, "> NHS number 943 476\n> 5919\n\n> x", "> NHS number 943 476 5919 > x"),
            (Zone::Body, "a\n>> b\n>> c\nd > e", "a >> b c d > e"),
            (Zone::Attachment, "Name,DOB\nAnn,x", "Name,DOB Ann,x DOB: x"),
            (Zone::Subject, "Name,DOB\nAnn,x", "Name,DOB Ann,x"),
        ];
        for (zone, text, wanted) in table {
            assert_eq!(zone.normal_form(text), wanted, "{text:?}");
        }
    }
}
