//! Openers of documents, scripts and shortcuts; see [`contents`](super::contents).

pub(in crate::message) mod calendar;
pub(in crate::message) mod cryptographic;
pub mod fuzz;
pub(in crate::message) mod html_script;
pub(in crate::message) mod onenote;
mod payload;
pub(in crate::message) mod pdf;
pub(in crate::message) mod plain;
pub(in crate::message) mod program;
pub(in crate::message) mod script;
pub(in crate::message) mod shortcut;
mod source;
pub(in crate::message) mod svg;
#[cfg(test)]
mod tests;
