//! Openers of archives and compressed files; see [`contents`](super::contents).

pub(in crate::message) mod apple;
pub(in crate::message) mod ar;
mod binhex;
mod bzip2;
pub(in crate::message) mod cab;
mod compress;
mod compressed_rtf;
pub(in crate::message) mod cpio;
pub(in crate::message) mod disk;
pub(in crate::message) mod embedded;
pub mod fuzz;
mod guard;
mod gzip;
pub(in crate::message) mod intext;
pub(in crate::message) mod iso;
mod label;
mod lz4;
mod lzip;
pub(in crate::message) mod mail;
pub(in crate::message) mod msg;
mod names;
pub(in crate::message) mod old;
pub mod packed;
mod packing;
pub(in crate::message) mod rar;
pub(in crate::message) mod rpm;
mod runs;
pub(in crate::message) mod sealed;
pub(in crate::message) mod seven_zip;
pub(super) mod single;
pub(super) mod tar;
pub(in crate::message) mod tnef;
mod uuencode;
pub(in crate::message) mod volume;
pub(in crate::message) mod xar;
mod xz;
mod yenc;
pub(super) mod zip;
mod zstd;

#[cfg(test)]
mod tests;

pub(in crate::message) use intext::holds_files as holds_text_files;
