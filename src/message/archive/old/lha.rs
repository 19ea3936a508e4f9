//! LHA and LZH archives, through the crate `delharc`.
//!
//! In: an archive. Out: its files as members; methods that the crate does not know are closed
//! as unsupported. Where the next header lies is counted here, so that a decoder that fails
//! does not hide what follows.

use std::io::{self, Read};

use bytes::Bytes;
use delharc::LhaHeader;
use delharc::decode::{Decoder, DecoderAny};

use super::super::guard::{Guarded, guarded};
use super::super::label;
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::cursor::Cursor;

/// Takes an LHA archive apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let mut cursor = Cursor::new(octets);
    let mut members = 0;
    loop {
        opening.pay_time()?;
        let mut rest = cursor.rest();
        // A header of size 0 is the end.
        if matches!(rest.first(), None | Some(0)) && members > 0 {
            return Ok(());
        }
        let before = rest.len();
        let Some(header) = guarded(|| LhaHeader::read(&mut rest).ok().flatten()).flatten() else {
            opening.closed(Closed::Damaged, "a header is broken");
            return Ok(());
        };
        let _ = cursor.take(before - rest.len());
        members += 1;
        walk_file(&header, rest, opening)?;
        if cursor.skip(header.compressed_size).is_none() {
            return Ok(());
        }
    }
}

fn walk_file(
    header: &LhaHeader,
    rest: &[u8],
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    if header.is_directory() {
        return Ok(());
    }
    let name = guarded(|| header.parse_pathname_to_str());
    let name = name.unwrap_or_else(|| label::of_octets(&header.filename));
    let packed = usize::try_from(header.compressed_size).ok();
    let packed = packed.and_then(|packed| rest.get(..packed)).unwrap_or(rest);
    let decoder = guarded(|| DecoderAny::new_from_header(header, packed));
    let Some(decoder) = decoder.filter(DecoderAny::is_supported) else {
        return opening.closed_member(&name, header.original_size, Closed::Unsupported);
    };
    let file = Unpacking { decoder, left: header.original_size };
    opening.unpack_member(&name, Guarded::new(file), packed.len() as u64)
}

/// The crate's decoders fill a buffer whole or fail; they are asked for little at once, so
/// that little is lost when they do.
struct Unpacking<D> {
    decoder: D,
    left: u64,
}

/// Octets asked for at once.
const STEP_OCTETS: u64 = 256;

impl Read for Unpacking<DecoderAny<delharc::stub_io::Take<&[u8]>>> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left.min(STEP_OCTETS)).unwrap_or_default();
        let count = buffer.len().min(most);
        let Some(room) = buffer.get_mut(..count) else { return Ok(0) };
        self.decoder.fill_buffer(room).map_err(io::Error::from)?;
        self.left -= count as u64;
        Ok(count)
    }
}
