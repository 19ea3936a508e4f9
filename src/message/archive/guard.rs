//! Readers that stand between a decompressor and the walk.
//!
//! [`Guarded`] turns a panic of a decoder into an error, since decoders are others' code and
//! their input is hostile; [`Exactly`] tells an early end from an honest one; [`Zeros`] stands
//! for the holes of sparse files.

use std::io::{self, ErrorKind, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs what may panic; a panic is nothing.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// A decoder whose panic is an error. After an error it is not asked again.
pub(super) struct Guarded<R> {
    inner: Option<R>,
}

impl<R: Read> Guarded<R> {
    pub(super) fn new(inner: R) -> Guarded<R> {
        Guarded { inner: Some(inner) }
    }
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(mut inner) = self.inner.take() else {
            return Err(ErrorKind::InvalidData.into());
        };
        let result = guarded(|| {
            let result = inner.read(buffer);
            (inner, result)
        });
        match result {
            Some((inner, Ok(count))) => {
                self.inner = Some(inner);
                Ok(count)
            }
            Some((_, Err(error))) => Err(error),
            None => Err(ErrorKind::InvalidData.into()),
        }
    }
}

/// As many octets as are declared; an earlier end is an error.
pub(super) struct Exactly<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Exactly<R> {
    pub(super) fn new(inner: R, octets: u64) -> Exactly<R> {
        Exactly { inner, left: octets }
    }

    /// Octets that were not read yet.
    pub(super) fn left(&self) -> u64 {
        self.left
    }
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let Some(room) = buffer.get_mut(..most) else { return Ok(0) };
        match self.inner.read(room)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            count => {
                self.left = self.left.saturating_sub(count as u64);
                Ok(count)
            }
        }
    }
}

/// Pieces of a file one after another; what lies outside of the file is an error when it is
/// reached.
pub(super) struct Pieces<'a, I> {
    pieces: I,
    now: Piece<'a>,
}

/// A piece of a file that lies scattered.
#[derive(Debug, Clone, Copy)]
pub(super) enum Piece<'a> {
    /// Octets as they are.
    Octets(&'a [u8]),
    /// A hole, read as zeros.
    Zeros(u64),
    /// It lies where there is nothing.
    Missing,
}

impl<'a, I: Iterator<Item = Piece<'a>>> Pieces<'a, I> {
    pub(super) fn new(pieces: I) -> Pieces<'a, I> {
        Pieces { pieces, now: Piece::Octets(&[]) }
    }
}

impl<'a, I: Iterator<Item = Piece<'a>>> Read for Pieces<'a, I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match &mut self.now {
                Piece::Octets([]) | Piece::Zeros(0) => match self.pieces.next() {
                    Some(piece) => self.now = piece,
                    None => return Ok(0),
                },
                Piece::Octets(octets) => return octets.read(buffer),
                Piece::Zeros(left) => {
                    let count = buffer.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    buffer.iter_mut().take(count).for_each(|octet| *octet = 0);
                    *left = left.saturating_sub(count as u64);
                    return Ok(count);
                }
                Piece::Missing => return Err(ErrorKind::UnexpectedEof.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};

    use super::{Exactly, Guarded, Piece, Pieces};

    struct Panics;

    impl Read for Panics {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("a decoder's mistake")
        }
    }

    #[test]
    fn a_panic_and_an_early_end_are_errors() {
        let mut guarded = Guarded::new(Panics);
        assert!(guarded.read(&mut [0; 4]).is_err());
        assert!(guarded.read(&mut [0; 4]).is_err());
        let mut all = Vec::new();
        assert!(Exactly::new(&b"abc"[..], 4).read_to_end(&mut all).is_err());
        assert_eq!(all, b"abc");
    }

    #[test]
    fn pieces_follow_one_another() {
        let pieces = [Piece::Octets(b"ab"), Piece::Zeros(2), Piece::Octets(b"c")];
        let mut all = Vec::new();
        Pieces::new(pieces.into_iter()).read_to_end(&mut all).unwrap();
        assert_eq!(all, b"ab\0\0c");
    }
}
