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
