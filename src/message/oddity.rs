//! What is odd about the form of a message: a closed list, each with its finding.
//!
//! In: what the walk noticed. Out: at most one sight a kind, with the number of times and the
//! first place. What each is worth stands in `rules/weights/form.toml`.

/// A departure from RFC 5322 and RFC 2045 ff., or a limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Oddity {
    /// Not one header field.
    NoHeader,
    /// A NUL octet in the message's header.
    HeaderNul,
    /// The same in the header of a part or of a message within.
    PartHeaderNul,
    /// Another control character in a header.
    HeaderControl,
    /// A CR without LF in the message's header.
    HeaderBareCr,
    /// The same in the header of a part or of a message within.
    PartHeaderBareCr,
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
    /// The same in a field of the message's header that its reader is shown.
    HeaderSpaceColonShown,
    /// A field that may occur once occurs again with other content.
    HeaderRepeated,
    /// The same, and the field decides how the message is read.
    HeaderRepeatedMime,
    /// The same, and the field of the message's header shows who wrote it, or what about.
    HeaderRepeatedShown,
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
    /// Lines of plain text behind the padding of base64.
    Base64Footer,
    /// base64 that ends in the middle.
    Base64Cut,
    /// `=` in quoted-printable that escapes nothing.
    QuotedPrintable,
    /// A Content-Type that names no type.
    TypeUnreadable,
    /// A charset that nobody knows.
    CharsetUnknown,
    /// A charset that some programs read, and that is not read whole here.
    CharsetUnread,
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
    /// The header of a part has no end: no empty line, and no body.
    HeaderUnended,
    /// MIME fields without MIME-Version.
    MimeVersionAbsent,
    /// A comment in a field with parameters.
    ParameterComment,
    /// An encoded word in a parameter that decides how the message is read.
    ParameterWord,
    /// Parameters that readers take for different values.
    ParameterAmbiguous,
    /// A semicolon is absent before the parameters.
    ParameterSeparator,
    /// A boundary of characters that none may have.
    BoundaryOdd,
    /// A boundary longer than is allowed.
    BoundaryLong,
    /// White space behind a boundary, or at its end.
    BoundarySpace,
    /// A boundary on a line that only some readers see as one: indented, or between bare CRs.
    BoundaryLine,
    /// An inner multipart whose boundary goes on outside of it.
    BoundaryOutside,
    /// Parts before the first boundary or behind the last one.
    PartOutside,
    /// A text that looks like a multipart or a part.
    MimeInText,
    /// A transfer encoding written in a way that only some readers understand.
    EncodingAmbiguous,
    /// base64 whose body is none.
    EncodingUntrue,
    /// The body lies elsewhere, and the reader's program gets it.
    External,
    /// UTF-7, in which octets do not mean what they look like.
    CharsetUtf7,
    /// A text is said to be in several charsets, by its header or by itself.
    CharsetDiffers,
    /// Characters in a file name that turn the direction of writing.
    FilenameBidi,
    /// A NUL in a file name, where some systems end it.
    FilenameNul,
    /// A file name longer than file systems keep.
    FilenameLong,
    /// A file name in no declared charset.
    FilenameOctets,
    /// There are more ways to read this than were looked at.
    ReadingsLeftOut,
}

impl Oddity {
    /// The name of its finding; `rules/weights/form.toml` says what it means.
    #[rustfmt::skip]
    pub fn name(self) -> &'static str {
        use Oddity as O;
        match self {
            // An undecodable message is never clean by default.
            O::NoHeader => "MESSAGE_NO_HEADER",
            O::HeaderNul => "HEADER_NUL",
            O::PartHeaderNul => "PART_HEADER_NUL",
            O::HeaderControl => "HEADER_CONTROL",
            O::HeaderBareCr => "HEADER_BARE_CR",
            O::PartHeaderBareCr => "PART_HEADER_BARE_CR",
            O::HeaderOctets => "HEADER_UNDECLARED_CHARSET",
            O::HeaderLine => "HEADER_LINE_WITHOUT_COLON",
            O::HeaderContinuation => "HEADER_LEADING_CONTINUATION",
            O::HeaderBlankFold => "HEADER_BLANK_CONTINUATION",
            O::HeaderSpaceColon => "HEADER_SPACE_BEFORE_COLON",
            O::HeaderSpaceColonMime => "HEADER_SPACE_BEFORE_COLON_MIME",
            O::HeaderSpaceColonShown => "HEADER_SPACE_BEFORE_COLON_SHOWN",
            O::HeaderRepeated => "HEADER_DUPLICATE",
            O::HeaderRepeatedMime => "HEADER_DUPLICATE_MIME",
            O::HeaderRepeatedShown => "HEADER_DUPLICATE_SHOWN",
            O::HeaderEchoed => "HEADER_DUPLICATE_SAME",
            O::HeaderTooLarge => "HEADER_TOO_LARGE",
            O::MboxLine => "HEADER_MBOX_LINE",
            O::NoAuthor => "HEADER_FROM_ABSENT",
            O::NoDate => "HEADER_DATE_ABSENT",
            O::BoundaryAbsent => "MULTIPART_NO_BOUNDARY",
            O::BoundaryUnused => "MULTIPART_BOUNDARY_UNUSED",
            O::BoundaryUnclosed => "MULTIPART_UNCLOSED",
            O::BoundaryAfterClose => "MULTIPART_AFTER_CLOSE",
            O::BoundaryPrefix => "MULTIPART_BOUNDARY_PREFIX",
            O::BoundaryReused => "MULTIPART_BOUNDARY_REUSED",
            O::ParameterRepeated => "MIME_PARAMETER_DUPLICATE",
            O::FilenameDiffers => "FILENAME_DIFFERS",
            O::CompositeEncoded => "COMPOSITE_ENCODED",
            O::Partial => "MESSAGE_PARTIAL",
            O::EncodingUnknown => "ENCODING_UNKNOWN",
            O::Base64Foreign => "BASE64_FOREIGN",
            O::Base64AfterPadding => "BASE64_AFTER_PADDING",
            O::Base64Footer => "BASE64_PLAIN_FOOTER",
            O::Base64Cut => "BASE64_CUT",
            O::QuotedPrintable => "QUOTED_PRINTABLE_BROKEN",
            O::TypeUnreadable => "CONTENT_TYPE_UNREADABLE",
            O::CharsetUnknown => "CHARSET_UNKNOWN",
            O::CharsetUnread => "CHARSET_UNREADABLE",
            O::TextNul => "TEXT_NUL",
            O::TooDeep => "MIME_TOO_DEEP",
            O::TooManyParts => "MIME_TOO_MANY_PARTS",
            O::TextTruncated => "TEXT_TRUNCATED",
            O::HiddenInWords => "HIDDEN_CHARACTERS",
            O::MixedScripts => "MIXED_SCRIPTS",
            O::HeaderUnended => "PART_HEADER_UNENDED",
            O::MimeVersionAbsent => "MIME_VERSION_ABSENT",
            O::ParameterComment => "MIME_PARAMETER_COMMENT",
            O::ParameterWord => "MIME_PARAMETER_ENCODED_WORD",
            O::ParameterAmbiguous => "MIME_PARAMETER_AMBIGUOUS",
            O::ParameterSeparator => "MIME_PARAMETER_NO_SEPARATOR",
            O::BoundaryOdd => "MULTIPART_BOUNDARY_ODD",
            O::BoundaryLong => "MULTIPART_BOUNDARY_TOO_LONG",
            O::BoundarySpace => "MULTIPART_BOUNDARY_SPACE",
            O::BoundaryLine => "MULTIPART_BOUNDARY_LINE",
            O::BoundaryOutside => "MULTIPART_BOUNDARY_OUTSIDE",
            O::PartOutside => "MULTIPART_PART_OUTSIDE",
            O::MimeInText => "MIME_IN_TEXT",
            O::EncodingAmbiguous => "ENCODING_AMBIGUOUS",
            O::EncodingUntrue => "ENCODING_UNTRUE",
            O::External => "MESSAGE_EXTERNAL_BODY",
            O::CharsetUtf7 => "CHARSET_UTF7",
            O::CharsetDiffers => "CHARSET_DIFFERS",
            O::FilenameBidi => "FILENAME_BIDI",
            O::FilenameNul => "FILENAME_NUL",
            O::FilenameLong => "FILENAME_TOO_LONG",
            O::FilenameOctets => "FILENAME_UNDECLARED_CHARSET",
            O::ReadingsLeftOut => "MIME_READINGS_UNSCANNED",
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

    /// Takes over what was noticed in the header of the message.
    pub(super) fn absorb(&mut self, outer: Oddities) {
        for Seen { oddity, times, place } in outer.seen {
            self.note_times(oddity, times, place);
        }
    }

    /// Takes over what was noticed in the header of a part or of a message within: it can
    /// mislead about that one only.
    pub(super) fn absorb_inner(&mut self, inner: Oddities) {
        for Seen { oddity, times, place } in inner.seen {
            let lesser = match oddity {
                Oddity::HeaderNul => Oddity::PartHeaderNul,
                Oddity::HeaderBareCr => Oddity::PartHeaderBareCr,
                Oddity::HeaderSpaceColonShown => Oddity::HeaderSpaceColon,
                Oddity::HeaderRepeatedShown => Oddity::HeaderRepeated,
                other => other,
            };
            self.note_times(lesser, times, place);
        }
    }

    /// Takes over what a further reading of the message showed: only what leaves something
    /// unseen, or leads elsewhere. Its form is that of the reading, not of the message.
    pub(super) fn absorb_alternative(&mut self, alternative: Oddities) {
        for Seen { oddity, times, place } in alternative.seen {
            let counts = matches!(
                oddity,
                Oddity::ReadingsLeftOut
                    | Oddity::TooDeep
                    | Oddity::TooManyParts
                    | Oddity::Partial
                    | Oddity::External
                    | Oddity::FilenameBidi
                    | Oddity::FilenameNul
            );
            if counts {
                self.note_times(oddity, times, place);
            }
        }
    }

    /// Whether this kind was noticed.
    pub fn has(&self, oddity: Oddity) -> bool {
        self.seen.iter().any(|seen| seen.oddity == oddity)
    }

    /// Name of the finding and where it was, one a kind.
    pub fn sights(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        self.seen.iter().map(|seen| {
            let mut detail = seen.place.clone();
            if seen.times > 1 {
                detail.push_str(&format!(" ({} times)", seen.times));
            }
            (seen.oddity.name(), detail.trim_start().to_owned())
        })
    }
}
