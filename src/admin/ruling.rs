//! What is in force for whoever asks about mail of the past.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::analysis::Analysis;
use crate::mail::Envelope;
use crate::policy::rules::Groups;
use crate::policy::{PartyGroups, PolicySet};

/// An answer that may have to wait for a directory.
pub type Asking<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a reload replaces.
#[derive(Debug, Clone)]
pub struct InForce {
    /// Terms and rules.
    pub policy: PolicySet,
    /// What looks into mail.
    pub analysis: Arc<Analysis>,
    /// That rules may speak of.
    pub groups: Groups,
}

/// Knows what is in force.
pub trait Ruling: fmt::Debug + Send + Sync {
    /// As it is now.
    fn in_force(&self) -> InForce;
    /// The groups of a mail's people that directories know of.
    fn groups_of<'a>(&'a self, envelope: &'a Envelope) -> Asking<'a, PartyGroups>;
}
