//! The proof that nothing is left to do for a mail.

use crate::mail::Durable;

/// Every recipient of the mail has come to an end.
#[derive(Debug, Clone)]
pub struct Disposed<S> {
    spooled: S,
}

impl<S: Durable> Disposed<S> {
    pub(in crate::action) fn mint(spooled: S) -> Disposed<S> {
        Disposed { spooled }
    }

    /// The stage before.
    pub fn spooled(&self) -> &S {
        &self.spooled
    }
}

/// Its end is in the log.
impl<S: Durable> Durable for Disposed<S> {}
