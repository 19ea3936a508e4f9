//! Openers of archives and compressed files; see [`contents`](super::contents).

mod fields;
mod names;
mod packing;
mod xz;
pub(super) mod zip;
mod zstd;

#[cfg(test)]
mod tests;
