//! Text that is read as it is: plain text, XML, JSON, style sheets, tables.
//!
//! In: octets. Out: their text, unless it was read with the message's own texts.

use bytes::Bytes;

use super::source::{read, read_markup};
use crate::message::contents::{Exhausted, Opening};
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
    match nature {
        Nature::Xml => read_markup(octets, opening),
        _ => read(octets, opening),
    };
    Ok(())
}
