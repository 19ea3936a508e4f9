//! Openers of archives and compressed files; see [`contents`](super::contents).

mod bzip2;
mod compress;
mod fields;
pub mod fuzz;
mod gzip;
mod lz4;
mod lzip;
mod names;
mod packing;
pub(super) mod single;
pub(super) mod tar;
mod xz;
pub(super) mod zip;
mod zstd;

#[cfg(test)]
mod tests;
