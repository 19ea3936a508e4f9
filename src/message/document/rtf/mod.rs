//! Opener of RTF.
//!
//! In: the octets of a file that Word takes for RTF (it asks for `{\rt` only). Out: text;
//! embedded objects as members; remarks about objects that load by themselves, fields,
//! templates. Standard: Rich Text Format 1.9.1, and what Word forgives beyond it, since hostile
//! files live there: control words, groups and white space within hex, `\bin` within hex,
//! groups without end, thousands of groups in one another.
//!
//! Hex of an object is read in two ways: with the hex of groups within it, and without. Where
//! they differ both are walked, and that is RTF_OBFUSCATED.

mod reader;

mod tokens;

use bytes::Bytes;

use self::reader::Reader;
use crate::message::contents::{Exhausted, Opening};

/// Takes an RTF document apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    Reader::new(octets).run(opening)
}
