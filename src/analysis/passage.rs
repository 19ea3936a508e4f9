//! How a mail came: what stages may know of it beside its content.

use crate::mail::{Envelope, Facts};

/// What the box observed at reception. Absent when a message lies in a file.
#[derive(Debug, Clone, Copy)]
pub struct Passage<'a> {
    /// Client, HELO, TLS, account, role of the listener.
    pub facts: &'a Facts,
    /// Reverse-path and forward-paths.
    pub envelope: &'a Envelope,
}
