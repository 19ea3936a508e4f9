//! Archives of older archivers, which attackers like because few gateways read them.
//!
//! In: an archive. Out: its files as members where the method is simple or a decoder is at
//! hand, otherwise closed as unsupported with their names.

pub(in crate::message) mod ace;
pub(in crate::message) mod alz;
pub(in crate::message) mod arc;
pub(in crate::message) mod arj;
mod arj_unpacking;
pub(in crate::message) mod lha;
pub(in crate::message) mod stuffit;
pub(in crate::message) mod zoo;

use bytes::Bytes;

use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::cut;

/// A file as its octets stand in the archive; what is cut off closes it.
fn stored(
    name: &str,
    archive: &Bytes,
    begin: usize,
    octets: u64,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let end = usize::try_from(octets).ok().and_then(|octets| begin.checked_add(octets));
    let end = end.unwrap_or(usize::MAX);
    let content = cut(archive, begin..end);
    match end > archive.len() {
        true => opening.broken_member(name, content, Closed::Damaged),
        false => opening.member(name, content),
    }
}
