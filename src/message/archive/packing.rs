//! Decompressors by method, as readers over a part of a file.
//!
//! In: a slice, which the reader moves on to what it has not used (but for LZMA, which reads
//! ahead). Out: a reader, which says at its end whether it was one: cut data is an error, never
//! a short file. Windows are bounded by what may be unpacked at all, and grow with it.

use std::io::{self, BufRead, Read};

use deflate64::InflaterManaged;
use flate2::{Decompress, FlushDecompress, Status};
use lzma_rust2::LzmaReader;
use ppmd_rust::{Ppmd8Decoder, RestoreMethod};

use super::{bzip2, xz, zstd};
use crate::message::contents::Closed;
use crate::message::fixed::{le16, le32};

/// How data are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Packing {
    /// As they are.
    Stored,
    /// RFC 1951.
    Deflate,
    /// The same with a larger window.
    Deflate64,
    /// One or more bzip2 streams.
    Bzip2,
    /// LZMA with the header that zip gives it [APPNOTE 5.8].
    ZipLzma,
    /// The xz container.
    Xz,
    /// RFC 8878.
    Zstd,
    /// PPMd var. I rev. 1 with the header that zip gives it [APPNOTE 5.10].
    Ppmd,
}

/// PPMd models larger than this are not built.
const PPMD_MODEL_OCTETS: u32 = 32 << 20;

/// A reader of packed data. `unpacked` is the size that is declared, which LZMA and PPMd may
/// need to know their end by; `room` is the most that will be read.
pub(super) fn reader<'s, 'f: 's>(
    packing: Packing,
    source: &'s mut &'f [u8],
    unpacked: u64,
    room: u64,
) -> Result<Box<dyn Read + 's>, Closed> {
    Ok(match packing {
        Packing::Stored => Box::new(source),
        Packing::Deflate => Box::new(Inflate::new(source)),
        Packing::Deflate64 => Box::new(Inflate64::new(source)),
        Packing::Bzip2 => Box::new(bzip2::Streams::new(source)),
        Packing::ZipLzma => zip_lzma(source, unpacked, room)?,
        Packing::Xz => Box::new(xz::Streams::new(source, room)),
        Packing::Zstd => Box::new(zstd::Frames::new(source)),
        Packing::Ppmd => ppmd(source, unpacked)?,
    })
}

/// Raw deflate data up to their last block.
pub(super) struct Inflate<'s, 'f> {
    source: &'s mut &'f [u8],
    state: Decompress,
}

impl<'s, 'f> Inflate<'s, 'f> {
    pub(super) fn new(source: &'s mut &'f [u8]) -> Inflate<'s, 'f> {
        Inflate { source, state: Decompress::new(false) }
    }
}

impl Read for Inflate<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        inflate(&mut self.state, self.source, into)
    }
}

/// One step of inflation; nothing at the end of the data, and only there.
pub(super) fn inflate(
    state: &mut Decompress,
    source: &mut &[u8],
    into: &mut [u8],
) -> io::Result<usize> {
    let (used, made) = (state.total_in(), state.total_out());
    let status = state.decompress(source, into, FlushDecompress::None)?;
    let used = usize::try_from(state.total_in() - used).unwrap_or(usize::MAX);
    let made = usize::try_from(state.total_out() - made).unwrap_or(usize::MAX);
    source.consume(used);
    match made == 0 && status != Status::StreamEnd {
        true if source.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
        true if used == 0 => Err(io::ErrorKind::InvalidData.into()),
        true => Err(io::ErrorKind::Interrupted.into()),
        false => Ok(made),
    }
}

/// The same for Deflate64.
struct Inflate64<'s, 'f> {
    source: &'s mut &'f [u8],
    state: Box<InflaterManaged>,
}

impl<'s, 'f> Inflate64<'s, 'f> {
    fn new(source: &'s mut &'f [u8]) -> Inflate64<'s, 'f> {
        Inflate64 { source, state: Box::new(InflaterManaged::new()) }
    }
}

impl Read for Inflate64<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let step = self.state.inflate(self.source, into);
        self.source.consume(step.bytes_consumed);
        if step.data_error {
            return Err(io::ErrorKind::InvalidData.into());
        }
        match step.bytes_written == 0 && !self.state.finished() {
            true if self.source.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            true if step.bytes_consumed == 0 => Err(io::ErrorKind::InvalidData.into()),
            true => Err(io::ErrorKind::Interrupted.into()),
            false => Ok(step.bytes_written),
        }
    }
}

/// [APPNOTE 5.8.8]: version, size of the properties, properties, data.
fn zip_lzma<'s, 'f: 's>(
    source: &'s mut &'f [u8],
    unpacked: u64,
    room: u64,
) -> Result<Box<dyn Read + 's>, Closed> {
    let properties_octets = le16(source, 2).ok_or(Closed::Damaged)?;
    let properties = source.get(4).copied().ok_or(Closed::Damaged)?;
    let window = le32(source, 5).ok_or(Closed::Damaged)?;
    if properties_octets != 5 {
        return Err(Closed::Unsupported);
    }
    source.consume(9);
    lzma(source, unpacked, properties, window, room)
}

/// Raw LZMA data. `unpacked` is [`u64::MAX`] when only the data know their end.
pub(super) fn lzma<'s>(
    source: impl Read + 's,
    unpacked: u64,
    properties: u8,
    window: u32,
    room: u64,
) -> Result<Box<dyn Read + 's>, Closed> {
    let window = bounded_window(window, room);
    let reader = LzmaReader::new_with_props(source, unpacked, properties, window, None);
    Ok(Box::new(reader.map_err(|_| Closed::Damaged)?))
}

/// A window as large as declared, but not larger than what will be unpacked: nothing can lie
/// further back.
pub(super) fn bounded_window(declared: u32, room: u64) -> u32 {
    let most = u32::try_from(room.saturating_add(1 << 16)).unwrap_or(u32::MAX);
    declared.min(most).max(4_096)
}

/// [APPNOTE 5.10]: order less one in 4 bits, megabytes of memory less one in 8, restoration
/// method in 4.
fn ppmd<'s, 'f: 's>(source: &'s mut &'f [u8], unpacked: u64) -> Result<Box<dyn Read + 's>, Closed> {
    let parameters = u32::from(le16(source, 0).ok_or(Closed::Damaged)?);
    source.consume(2);
    let order = (parameters & 15) + 1;
    let model_octets = ((parameters >> 4 & 255) + 1) << 20;
    if model_octets > PPMD_MODEL_OCTETS {
        return Err(Closed::TooLarge);
    }
    let restoration = RestoreMethod::from(parameters >> 12);
    let reader = Ppmd8Decoder::new(source, order, model_octets, restoration);
    let reader = reader.map_err(|_| Closed::Damaged)?;
    // Some writers set no end mark.
    Ok(Box::new(reader.take(if unpacked == 0 { u64::MAX } else { unpacked })))
}
