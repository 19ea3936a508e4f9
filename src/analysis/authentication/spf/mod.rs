//! Who may send mail in the name of a domain: SPF (RFC 7208).
//!
//! In: the client's address, HELO, reverse-path. Out: [`Spf`]: result, the domain that was
//! checked, the directive that matched or what went wrong, and the domain's own explanation.
//!
//! The evaluation is our own: that of mail-auth takes the first of several records, does not
//! count look-ups without answer and reads terms one by one, where the standard asks for
//! `permerror`. Work is bounded as section 4.6.4 says: ten terms that ask DNS, ten names of an
//! MX or PTR answer, two look-ups without answer. DNS trouble is `temperror`, never a failure.

mod evaluate;
mod macros;
mod record;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;

use crate::net::resolver::Resolve;

/// RFC 7208, section 2.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpfResult {
    /// The domain publishes nothing.
    None,
    /// The domain says nothing of this client.
    Neutral,
    /// The client may send for the domain.
    Pass,
    /// It may not.
    Fail,
    /// It probably may not.
    SoftFail,
    /// DNS gave no answer.
    TempError,
    /// The record cannot be used.
    PermError,
}

impl fmt::Display for SpfResult {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            SpfResult::None => "none",
            SpfResult::Neutral => "neutral",
            SpfResult::Pass => "pass",
            SpfResult::Fail => "fail",
            SpfResult::SoftFail => "softfail",
            SpfResult::TempError => "temperror",
            SpfResult::PermError => "permerror",
        })
    }
}

/// The outcome of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spf {
    /// What it came to.
    pub result: SpfResult,
    /// Whose record was evaluated.
    pub domain: String,
    /// Which directive matched, or what went wrong.
    pub why: String,
    /// What the domain says to those whom it disowns. A stranger's words.
    pub explanation: Option<String>,
}

/// One question: may this client send for this domain?
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The client.
    pub client: IpAddr,
    /// What it called itself.
    pub helo: &'a str,
    /// Our own name, for explanations.
    pub receiver: &'a str,
}

impl Question<'_> {
    /// For the name in HELO (section 2.3).
    pub async fn of_helo(&self, resolver: &dyn Resolve) -> Spf {
        evaluate::check(resolver, *self, "postmaster", self.helo).await
    }

    /// For the domain of the reverse-path (section 2.4).
    pub async fn of_reverse_path(&self, resolver: &dyn Resolve, local: &str, domain: &str) -> Spf {
        let local = if local.is_empty() { "postmaster" } else { local };
        evaluate::check(resolver, *self, local, domain).await
    }
}
