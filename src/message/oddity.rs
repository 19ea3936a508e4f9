//! What is odd about the form of a message: a closed list, each with its finding.
//!
//! In: what the walk noticed. Out: at most one finding a kind, with the number of times and
//! the first place. Scores are set so that ordinary mail of sloppy senders stays far below
//! any threshold: `ambiguous` and a score of 3 and more is kept for what lets two readers see
//! two messages; what ordinary mail is seen to do is a `notice`.

use crate::mail::{Class, Finding};

/// A departure from RFC 5322 and RFC 2045 ff., or a limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Oddity {
    /// Not one header field.
    NoHeader,
    /// A NUL octet in a header.
    HeaderNul,
    /// Another control character in a header.
    HeaderControl,
    /// A CR without LF in a header.
    HeaderBareCr,
    /// Octets above 127 in a header that are not UTF-8.
    HeaderOctets,
    /// A line in a header that is neither a field nor its continuation.
    HeaderLine,
    /// The header begins with a continuation line.
    HeaderContinuation,
    /// A continuation line of white space only: to some readers the end of the header.
    HeaderBlankFold,
    /// Space between field name and colon.
    HeaderSpaceColon,
    /// The same in a field that decides how the message is read.
    HeaderSpaceColonMime,
    /// A field that may occur once occurs again with other content.
    HeaderRepeated,
    /// The same, and the field decides how the message is read or whom it shows as author.
    HeaderRepeatedMime,
    /// A field that may occur once occurs again with the same content.
    HeaderEchoed,
    /// More or longer header fields than are looked at.
    HeaderTooLarge,
    /// A line of an mbox file before the header.
    MboxLine,
    /// No From field.
    NoAuthor,
    /// No Date field.
    NoDate,
    /// multipart without a boundary.
    BoundaryAbsent,
    /// multipart whose boundary never occurs.
    BoundaryUnused,
    /// multipart that is never closed.
    BoundaryUnclosed,
    /// Parts after the closing boundary.
    BoundaryAfterClose,
    /// A line that only begins like a boundary.
    BoundaryPrefix,
    /// An inner multipart with the boundary of an outer one.
    BoundaryReused,
    /// The same parameter twice with different values.
    ParameterRepeated,
    /// The names that two fields give a file differ in their extension.
    FilenameDiffers,
    /// multipart or message in base64 or quoted-printable.
    CompositeEncoded,
    /// A piece of a message that its reader puts together again.
    Partial,
    /// A transfer encoding that nobody knows.
    EncodingUnknown,
    /// Characters outside the base64 alphabet.
    Base64Foreign,
    /// base64 that goes on after its padding.
    Base64AfterPadding,
    /// base64 that ends in the middle.
    Base64Cut,
    /// `=` in quoted-printable that escapes nothing.
    QuotedPrintable,
    /// A Content-Type that names no type.
    TypeUnreadable,
    /// A charset that nobody knows.
    CharsetUnknown,
    /// NUL octets in a text.
    TextNul,
    /// Parts in parts beyond the limit.
    TooDeep,
    /// More parts than are looked at.
    TooManyParts,
    /// More text than is looked at.
    TextTruncated,
    /// Invisible characters inside words.
    HiddenInWords,
    /// Words of letters from several scripts that look alike.
    MixedScripts,
}

type Entry = (&'static str, Class, f32, &'static str);

impl Oddity {
    /// Name, class, score and what it means, for the administrator.
    #[rustfmt::skip]
    fn entry(self) -> Entry {
        use Class::{Ambiguous, Notice, Phish, Spam, Unscannable};
        use Oddity as O;
        match self {
            // An undecodable message is never clean by default.
            O::NoHeader => ("MESSAGE_NO_HEADER", Ambiguous, 6.0, "no header field at all"),
            O::HeaderNul => ("HEADER_NUL", Ambiguous, 5.0, "NUL octet in the header, where some readers stop"),
            O::HeaderControl => ("HEADER_CONTROL", Notice, 1.0, "control character in the header"),
            O::HeaderBareCr => ("HEADER_BARE_CR", Ambiguous, 3.0, "CR without LF in the header, a line end to some readers"),
            O::HeaderOctets => ("HEADER_UNDECLARED_CHARSET", Notice, 0.5, "header text in no declared charset"),
            O::HeaderLine => ("HEADER_LINE_WITHOUT_COLON", Ambiguous, 3.0, "line in the header that is no field: the body to some readers"),
            O::HeaderContinuation => ("HEADER_LEADING_CONTINUATION", Ambiguous, 2.0, "header begins with a continuation line"),
            O::HeaderBlankFold => ("HEADER_BLANK_CONTINUATION", Notice, 0.5, "continuation line of white space only"),
            O::HeaderSpaceColon => ("HEADER_SPACE_BEFORE_COLON", Notice, 0.5, "space between field name and colon"),
            O::HeaderSpaceColonMime => ("HEADER_SPACE_BEFORE_COLON_MIME", Ambiguous, 3.0, "space before the colon of a field that decides how the message is read"),
            O::HeaderRepeated => ("HEADER_DUPLICATE", Ambiguous, 2.0, "a field that may occur once occurs again"),
            O::HeaderRepeatedMime => ("HEADER_DUPLICATE_MIME", Ambiguous, 4.0, "a field that decides what is shown occurs twice with different content"),
            O::HeaderEchoed => ("HEADER_DUPLICATE_SAME", Notice, 0.5, "a field that may occur once occurs again with the same content"),
            O::HeaderTooLarge => ("HEADER_TOO_LARGE", Unscannable, 3.0, "more header than is looked at"),
            O::MboxLine => ("HEADER_MBOX_LINE", Notice, 0.0, "begins with a line of an mbox file"),
            O::NoAuthor => ("HEADER_FROM_ABSENT", Notice, 1.0, "no From field"),
            O::NoDate => ("HEADER_DATE_ABSENT", Notice, 0.5, "no Date field"),
            O::BoundaryAbsent => ("MULTIPART_NO_BOUNDARY", Ambiguous, 4.0, "multipart that names no boundary"),
            O::BoundaryUnused => ("MULTIPART_BOUNDARY_UNUSED", Ambiguous, 4.0, "multipart whose boundary never occurs"),
            O::BoundaryUnclosed => ("MULTIPART_UNCLOSED", Notice, 0.5, "multipart that is never closed"),
            O::BoundaryAfterClose => ("MULTIPART_AFTER_CLOSE", Ambiguous, 4.0, "parts after the closing boundary"),
            O::BoundaryPrefix => ("MULTIPART_BOUNDARY_PREFIX", Ambiguous, 2.0, "line that only begins like a boundary"),
            O::BoundaryReused => ("MULTIPART_BOUNDARY_REUSED", Ambiguous, 3.0, "inner and outer multipart with one boundary"),
            O::ParameterRepeated => ("MIME_PARAMETER_DUPLICATE", Ambiguous, 3.0, "the same parameter twice with different values"),
            O::FilenameDiffers => ("FILENAME_DIFFERS", Ambiguous, 3.0, "two names of one file with different extensions"),
            O::CompositeEncoded => ("COMPOSITE_ENCODED", Notice, 1.0, "multipart or message in a transfer encoding"),
            O::Partial => ("MESSAGE_PARTIAL", Unscannable, 4.0, "piece of a message that only its reader puts together"),
            O::EncodingUnknown => ("ENCODING_UNKNOWN", Ambiguous, 2.0, "unknown transfer encoding"),
            O::Base64Foreign => ("BASE64_FOREIGN", Notice, 1.0, "characters outside the base64 alphabet"),
            O::Base64AfterPadding => ("BASE64_AFTER_PADDING", Ambiguous, 2.0, "base64 that goes on after its end"),
            O::Base64Cut => ("BASE64_CUT", Notice, 0.5, "base64 that ends in the middle"),
            O::QuotedPrintable => ("QUOTED_PRINTABLE_BROKEN", Notice, 0.2, "broken quoted-printable"),
            O::TypeUnreadable => ("CONTENT_TYPE_UNREADABLE", Notice, 1.0, "Content-Type that names no type"),
            O::CharsetUnknown => ("CHARSET_UNKNOWN", Notice, 0.5, "unknown charset"),
            O::TextNul => ("TEXT_NUL", Notice, 1.0, "NUL octets in a text"),
            O::TooDeep => ("MIME_TOO_DEEP", Unscannable, 4.0, "parts nested deeper than is looked at"),
            O::TooManyParts => ("MIME_TOO_MANY_PARTS", Unscannable, 4.0, "more parts than are looked at"),
            O::TextTruncated => ("TEXT_TRUNCATED", Unscannable, 1.0, "more text than is looked at"),
            O::HiddenInWords => ("HIDDEN_CHARACTERS", Spam, 1.5, "invisible characters inside words"),
            O::MixedScripts => ("MIXED_SCRIPTS", Phish, 1.5, "words of look-alike letters from several scripts"),
        }
    }
}

/// How much of a place is quoted.
const PLACE_CHARS: usize = 60;

#[derive(Debug, Clone)]
struct Seen {
    oddity: Oddity,
    times: u32,
    place: String,
}

/// What was noticed, each kind once.
#[derive(Debug, Clone, Default)]
pub struct Oddities {
    seen: Vec<Seen>,
}

impl Oddities {
    /// Notes an oddity and where it was; the first place of each kind is kept.
    pub fn note(&mut self, oddity: Oddity, place: impl AsRef<str>) {
        self.note_times(oddity, 1, place);
    }

    /// Notes an oddity that was seen several times.
    pub fn note_times(&mut self, oddity: Oddity, times: u32, place: impl AsRef<str>) {
        if let Some(seen) = self.seen.iter_mut().find(|seen| seen.oddity == oddity) {
            seen.times = seen.times.saturating_add(times);
            return;
        }
        let shown = |letter: char| if letter.is_control() { '?' } else { letter };
        let place = place.as_ref().chars().take(PLACE_CHARS).map(shown).collect();
        self.seen.push(Seen { oddity, times, place });
    }

    /// The same for octets of the message.
    pub fn note_octets(&mut self, oddity: Oddity, place: &[u8]) {
        let start = place.get(..PLACE_CHARS.min(place.len())).unwrap_or_default();
        self.note(oddity, String::from_utf8_lossy(start));
    }

    /// Whether this kind was noticed.
    pub fn has(&self, oddity: Oddity) -> bool {
        self.seen.iter().any(|seen| seen.oddity == oddity)
    }

    /// One finding a kind.
    pub fn findings(&self) -> impl Iterator<Item = Finding> + '_ {
        self.seen.iter().map(|seen| {
            let (name, class, score, meaning) = seen.oddity.entry();
            let mut detail = meaning.to_owned();
            if !seen.place.is_empty() {
                detail.push_str(&format!(": {}", seen.place));
            }
            if seen.times > 1 {
                detail.push_str(&format!(" ({} times)", seen.times));
            }
            Finding::new(name, class, score, detail)
        })
    }
}
