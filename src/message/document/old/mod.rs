//! The binary formats of Office 97 to 2003.

pub(super) mod excel;
pub(super) mod formula;
pub(in crate::message) mod slides;
pub(in crate::message) mod text_sheet;
pub(super) mod word;
