//! Who vouches for a mail: what authentication found, for the stages that build on it.

use serde::{Deserialize, Serialize};

use crate::mail::Domain;

/// The outcome of sender authentication, in a form that needs no further judgement.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Authenticated {
    /// The domain that the reader sees as the author's, when there is exactly one.
    pub author_domain: Option<Domain>,
    /// What DMARC says of the author's domain.
    pub dmarc: Dmarc,
    /// Domains that vouch: valid DKIM signatures, SPF pass of the reverse-path or, when that
    /// is null, of the HELO name. In this order, each once.
    pub vouching: Vec<Domain>,
}

/// RFC 9989, section 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Dmarc {
    /// Not evaluated, or the domain publishes no policy.
    #[default]
    None,
    /// An aligned identifier passed.
    Pass,
    /// None did; the domain asks for this.
    Fail(DmarcPolicy),
    /// DNS gave no answer.
    Temporary,
    /// The policy record cannot be used.
    Permanent,
}

/// What a domain asks for when DMARC fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DmarcPolicy {
    /// Nothing.
    None,
    /// Treat with suspicion.
    Quarantine,
    /// Refuse.
    Reject,
}

impl Authenticated {
    /// Whether somebody answers for the author's domain itself: DMARC passed, or the
    /// domain is among those that vouch.
    pub fn speaks_for_author(&self) -> bool {
        let Some(author) = &self.author_domain else { return false };
        self.dmarc == Dmarc::Pass || self.vouching.contains(author)
    }
}
