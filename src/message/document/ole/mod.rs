//! OLE.
pub(in crate::message) mod compound;
