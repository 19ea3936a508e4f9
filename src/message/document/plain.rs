//! Text that is read as it is: plain text, XML, JSON, style sheets, tables.
//!
//! In: octets. Out: their text, unless it was read with the message's own texts.

use bytes::Bytes;

use super::source::decode;
use crate::message::contents::{Exhausted, Opening};
use crate::message::html::html_to_text;
use crate::message::nature::Nature;

/// Gives the text.
pub(in crate::message) fn open(
    nature: Nature,
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    if opening.is_read_as_part() {
        return Ok(());
    }
    opening.pay_time()?;
    let source = decode(octets);
    match nature {
        Nature::Xml => opening.text(&html_to_text(&source)),
        _ => opening.text(&source),
    }
    Ok(())
}
