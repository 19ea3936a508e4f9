//! Openers of archives and compressed files; see [`contents`](super::contents).

pub(in crate::message) mod ar;
pub(in crate::message) mod cab;
pub(in crate::message) mod cpio;
mod cursor;
pub(in crate::message) mod disk;
pub(in crate::message) mod iso;
mod label;
pub(in crate::message) mod msg;
pub(in crate::message) mod old;
pub mod packed;
pub(in crate::message) mod rar;
pub(in crate::message) mod rpm;
mod runs;
pub(in crate::message) mod sealed;
pub(in crate::message) mod self_extracting;
pub(in crate::message) mod seven_zip;
mod stream;
pub(in crate::message) mod volume;
pub(in crate::message) mod xar;
