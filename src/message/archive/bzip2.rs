//! Bzip2 streams, one after the other.
//!
//! In: a slice. Out: a reader of what all streams hold. What follows the last stream is left
//! in the slice.

use std::io::{self, Read};

use bzip2::bufread::BzDecoder;

const MAGIC: &[u8; 3] = b"BZh";

/// Streams without content that are read before the caller is asked whether there is time.
const EMPTY_STREAMS: u32 = 64;

pub(super) struct Streams<'s, 'f> {
    source: &'s mut &'f [u8],
    stream: Option<BzDecoder<&'f [u8]>>,
    is_first: bool,
}

impl<'s, 'f> Streams<'s, 'f> {
    pub(super) fn new(source: &'s mut &'f [u8]) -> Streams<'s, 'f> {
        Streams { source, stream: None, is_first: true }
    }
}

impl Read for Streams<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        for _ in 0..EMPTY_STREAMS {
            let Some(stream) = &mut self.stream else {
                if !self.is_first && !self.source.starts_with(MAGIC) {
                    return Ok(0);
                }
                self.is_first = false;
                self.stream = Some(BzDecoder::new(*self.source));
                continue;
            };
            let count = stream.read(into)?;
            if count > 0 {
                return Ok(count);
            }
            if let Some(stream) = self.stream.take() {
                *self.source = stream.into_inner();
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }
}
