//! Who sent it.

pub mod spf;
