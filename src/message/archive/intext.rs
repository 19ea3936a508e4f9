//! Files that stand in a text in an encoding from before MIME: uuencode, xxencode, yEnc and
//! BinHex; and a text that is a message by itself.
//!
//! In: the octets of a text. Out: what [`uuencode`], [`yenc`], [`binhex`] and [`mail`] find in
//! it. A text without such a file costs three searches for a few fixed octets.

use bytes::Bytes;
use memchr::memmem;

use super::{binhex, mail, uuencode, yenc};
use crate::message::contents::{Exhausted, Opening};
use crate::message::nature::Nature;
use crate::message::reading;

/// Whether a file may be a text with files in it, whatever its name says: it has no opener of
/// its own that would find them, and does not begin as programs, pictures and archives do.
pub(in crate::message) fn may_hold_files(nature: Nature, octets: &[u8]) -> bool {
    const START_OCTETS: usize = 512;
    let start = octets.get(..START_OCTETS.min(octets.len())).unwrap_or_default();
    let has_opener =
        matches!(nature, Nature::Mail | Nature::Mailbox | Nature::Mhtml | Nature::Tnef);
    !has_opener && memchr::memchr(0, start).is_none()
}

/// Whether a text holds such a file.
pub(in crate::message) fn holds_files(text: &[u8]) -> bool {
    uuencode::starts(text).next().is_some()
        || yenc::starts(text).next().is_some()
        || binhex::starts(text).next().is_some()
}

/// Takes the files out of a text.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    if reading::begins_like_message(octets) {
        return mail::open(octets, opening);
    }
    uuencode::open(octets, opening)?;
    yenc::open(octets, opening)?;
    binhex::open(octets, opening)
}

/// Where lines begin with these octets.
pub(super) fn lines_with<'t>(
    text: &'t [u8],
    start: &'static [u8],
) -> impl Iterator<Item = usize> + 't {
    memmem::find_iter(text, start)
        .filter(|at| *at == 0 || matches!(text.get(*at - 1), Some(b'\n' | b'\r')))
}

/// The line that begins here without its end (LF, CRLF or CR), and where the next one begins.
pub(super) fn line_at(text: &[u8], at: usize) -> (&[u8], usize) {
    let rest = text.get(at..).unwrap_or_default();
    let Some(end) = memchr::memchr2(b'\n', b'\r', rest) else { return (rest, text.len()) };
    let octets = match rest.get(end..end + 2) {
        Some(b"\r\n") => 2,
        _ => 1,
    };
    (rest.get(..end).unwrap_or_default(), at + end + octets)
}
