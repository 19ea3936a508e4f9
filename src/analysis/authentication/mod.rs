//! Who sent it: SPF, DKIM, DMARC, ARC and reverse names, and what follows for the mail.
//!
//! In: a mail that came in from outside, and DNS. Out: [`Outcome`]: sightings, the field
//! Authentication-Results (RFC 8601) in place of all that claim to be ours, who vouches for
//! the mail, what the author's domain demands, and what reports will say.
//!
//! DMARC is asked only of the one author that every reader sees
//! ([`Authorship::One`](crate::message::Authorship)): nothing else ever passes. All checks run
//! side by side and share one deadline; what DNS does not answer by then is trouble
//! (`temperror`), never a failure and never a pass, and the mail goes on unless the
//! configuration defers it. Signatures, keys, look-ups and sets are bounded.

mod arc;
mod dkim;
mod dmarc;
mod iprev;
mod keys;
mod report;
mod signatures;
mod signed;
pub mod spf;
mod tags;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

pub use arc::{ArcCheck, ArcResult, Seal};
pub use dkim::{DkimCheck, DkimResult};
pub use dmarc::{Alignment, Evaluation, Identifier, Mechanism, PolicyRecord};
pub use iprev::{Iprev, IprevResult};

use super::origin::{self, Origin};
use super::{Authenticated, Demand, Dmarc, DmarcPolicy, Passage, Sighting};
use crate::config::{self, Config, Consequence, OnTemperror};
use crate::mail::{Domain, EnhancedCode, Order, ReversePath, Role};
use crate::message::{Anatomy, Authorship, Head, Limits, Oddities};
use crate::net::resolver::Resolve;
use crate::store::dmarc::Observation;
use signatures::Signatures;
use spf::{Question, Spf, SpfResult};

/// Checks senders.
pub struct Authentication {
    settings: config::Authentication,
    authserv_id: String,
    receiver: String,
    timeout: Duration,
    resolver: Arc<dyn Resolve>,
}

impl std::fmt::Debug for Authentication {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Authentication").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What the checks of one mail brought.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// For the administrator and the score.
    pub sightings: Vec<Sighting>,
    /// Changes to the header.
    pub orders: Vec<Order>,
    /// Who vouches.
    pub authenticated: Authenticated,
    /// What the author's domain asks to be done, when it is more than nothing.
    pub demand: Option<Demand>,
    /// For DMARC's aggregate reports; nothing when no policy was found.
    pub observation: Option<Observation>,
    /// DNS trouble for which the configuration defers the mail.
    pub deferral: Option<String>,
}

/// All results, before anything is made of them.
#[derive(Debug, Clone)]
struct Checks {
    /// Whom SPF and the reverse name are about; absent when that is unknown or left out.
    client: Option<IpAddr>,
    reverse_path: ReversePath,
    /// Of the reverse-path, or of HELO when that is null.
    spf: Option<Spf>,
    /// Of HELO beside a reverse-path.
    spf_helo: Option<Spf>,
    iprev: Option<Iprev>,
    signatures: Signatures,
    author: Authorship,
    dmarc: Option<Evaluation>,
    /// The sealer whose word counts in place of a failure.
    excused_by: Option<Domain>,
}

impl Authentication {
    /// The stage, or nothing when it is switched off.
    pub fn new(config: &Config, resolver: Arc<dyn Resolve>) -> Option<Authentication> {
        let settings = config.authentication.clone();
        let receiver = config.system.hostname.to_string();
        let own = settings.authserv_id.as_ref().map(Domain::to_string);
        // It must end before the whole analysis gives up.
        let timeout = settings.timeout().min(config.limits.analysis_timeout() / 2);
        let authserv_id = own.unwrap_or_else(|| receiver.clone());
        settings.enabled.then_some(Authentication {
            settings,
            authserv_id,
            receiver,
            timeout,
            resolver,
        })
    }

    /// Whether it says something of a mail that nobody vouches for it: not of one from own
    /// people, own servers and networks for which SPF is left out.
    pub fn is_asked_about(&self, passage: &Passage<'_>) -> bool {
        let facts = passage.facts;
        facts.role == Role::Inbound && !self.settings.is_exempt(facts.client)
    }

    /// Checks a mail. One that did not come in from outside is not checked.
    pub async fn check(&self, octets: &Bytes, passage: &Passage<'_>) -> Outcome {
        if passage.facts.role != Role::Inbound {
            return Outcome::default();
        }
        let deadline = Instant::now() + self.timeout;
        let (head, body) = Head::split(octets, &mut Oddities::default());
        let author = Anatomy::of(head.octets(), Limits::default()).author();
        let origin =
            origin::origin(&self.settings, &head, passage.facts.client, &passage.facts.helo);
        let (client, helo) = match origin {
            Origin::Client { address, helo } => {
                let counts = !self.settings.is_exempt(address);
                (counts.then_some(address), helo)
            }
            Origin::Unknown => (None, String::new()),
        };
        let reverse_path = passage.envelope.reverse_path.clone();
        let (spf, spf_helo, iprev, signatures) = tokio::join!(
            self.spf(client, &helo, &reverse_path, deadline),
            self.spf_of_helo(client, &helo, &reverse_path, deadline),
            self.iprev(client, deadline),
            signatures::check(&self.resolver, &head, &body, self.settings.signatures, deadline),
        );
        let dmarc = self.dmarc(&author, spf.as_ref(), &signatures, deadline).await;
        let mut checks = Checks {
            client,
            reverse_path,
            spf,
            spf_helo,
            iprev,
            signatures,
            author,
            dmarc,
            excused_by: None,
        };
        checks.excused_by = self.excuse(&checks);
        self.conclude(&checks)
    }

    async fn spf(
        &self,
        client: Option<IpAddr>,
        helo: &str,
        reverse_path: &ReversePath,
        deadline: Instant,
    ) -> Option<Spf> {
        let question = Question { client: client?, helo, receiver: &self.receiver };
        let resolver = self.resolver.as_ref();
        match reverse_path {
            // RFC 7208, section 2.4.
            ReversePath::Null => Some(in_time(deadline, helo, question.of_helo(resolver)).await),
            ReversePath::Mailbox(address) => {
                let (local, domain) = (address.local_part(), address.domain()?.as_str());
                let check = question.of_reverse_path(resolver, local, domain);
                Some(in_time(deadline, domain, check).await)
            }
        }
    }

    async fn spf_of_helo(
        &self,
        client: Option<IpAddr>,
        helo: &str,
        reverse_path: &ReversePath,
        deadline: Instant,
    ) -> Option<Spf> {
        reverse_path.address()?;
        let question = Question { client: client?, helo, receiver: &self.receiver };
        Some(in_time(deadline, helo, question.of_helo(self.resolver.as_ref())).await)
    }

    async fn iprev(&self, client: Option<IpAddr>, deadline: Instant) -> Option<Iprev> {
        let check = iprev::check(self.resolver.as_ref(), client?);
        let late = Iprev { result: IprevResult::TempError, name: None };
        Some(timeout_at(deadline, check).await.unwrap_or(late))
    }

    async fn dmarc(
        &self,
        author: &Authorship,
        spf: Option<&Spf>,
        signatures: &Signatures,
        deadline: Instant,
    ) -> Option<Evaluation> {
        let author = author_domain(author)?;
        let mut identifiers: Vec<Identifier> = Vec::new();
        for check in &signatures.dkim {
            let passed = check.result == DkimResult::Pass;
            if let Some(domain) =
                check.domain.clone().filter(|_| passed || check.result == DkimResult::TempError)
            {
                identifiers.push(Identifier { domain, mechanism: Mechanism::Dkim, passed });
            }
        }
        if let Some(spf) = spf {
            let passed = spf.result == SpfResult::Pass;
            let counts = passed || spf.result == SpfResult::TempError;
            if let Ok(domain) = Domain::parse(&spf.domain)
                && counts
            {
                identifiers.push(Identifier { domain, mechanism: Mechanism::Spf, passed });
            }
        }
        let walk = dmarc::Walk::new(self.resolver.as_ref());
        let evaluation = timeout_at(deadline, walk.evaluate(author, &identifiers)).await;
        Some(evaluation.unwrap_or_else(|_| Evaluation {
            result: Dmarc::Temporary,
            record: None,
            asked: DmarcPolicy::None,
            aligned_dkim: false,
            aligned_spf: false,
            why: "no answer in time".into(),
        }))
    }

    /// A trusted sealer's word for a mail that fails here.
    fn excuse(&self, checks: &Checks) -> Option<Domain> {
        let evaluation = checks.dmarc.as_ref()?;
        if evaluation.aligned_dkim || evaluation.aligned_spf {
            return None;
        }
        let author = author_domain(&checks.author)?;
        let trusted = |sealer: &Domain| self.settings.is_trusted_sealer(sealer);
        checks.signatures.arc.vouches(author, trusted).cloned()
    }

    fn conclude(&self, checks: &Checks) -> Outcome {
        let judged = self.judge(checks);
        let orders = vec![
            Order::RemoveResults(self.authserv_id.clone()),
            Order::AddHeader {
                name: "Authentication-Results".into(),
                value: report::field(&self.authserv_id, checks),
            },
        ];
        let deferral = checks
            .trouble()
            .filter(|_| self.settings.on_temperror == OnTemperror::Defer)
            .map(|why| format!("the sender cannot be authenticated for now: {why}"));
        Outcome {
            sightings: report::sightings(checks, judged),
            orders,
            authenticated: checks.authenticated(),
            demand: demand(checks, judged),
            observation: report::observation(checks, judged),
            deferral,
        }
    }

    /// What becomes of a mail that nobody vouches for.
    fn judge(&self, checks: &Checks) -> Judged {
        let nothing = Judged { consequence: Consequence::Deliver, overridden: false };
        let (Some(evaluation), Some(author)) = (&checks.dmarc, author_domain(&checks.author))
        else {
            return nothing;
        };
        let vouched = evaluation.aligned_dkim || evaluation.aligned_spf;
        if vouched || checks.excused_by.is_some() {
            return nothing;
        }
        let published = match evaluation.result {
            Dmarc::Fail(DmarcPolicy::Reject) => self.settings.dmarc.reject,
            Dmarc::Fail(DmarcPolicy::Quarantine) => self.settings.dmarc.quarantine,
            Dmarc::Fail(DmarcPolicy::None) | Dmarc::None => Consequence::Deliver,
            // Trouble is no failure.
            Dmarc::Pass | Dmarc::Temporary | Dmarc::Permanent => return nothing,
        };
        let own = self.settings.override_for(author).filter(|_| checks.trouble().is_none());
        Judged { consequence: own.unwrap_or(published), overridden: own.is_some() }
    }
}

/// What DMARC leads to.
#[derive(Debug, Clone, Copy)]
struct Judged {
    consequence: Consequence,
    /// The administrator says so, not the author's domain.
    overridden: bool,
}

impl Checks {
    /// DNS trouble that may have changed the outcome.
    fn trouble(&self) -> Option<String> {
        let evaluation = self.dmarc.as_ref();
        if evaluation.is_some_and(|one| one.aligned_dkim || one.aligned_spf) {
            return None;
        }
        let spf = self.spf.as_ref().filter(|spf| spf.result == SpfResult::TempError);
        let dkim = self.signatures.dkim.iter().find(|one| one.result == DkimResult::TempError);
        let dmarc = evaluation.filter(|one| one.result == Dmarc::Temporary);
        dmarc
            .map(|one| one.why.clone())
            .or_else(|| spf.map(|one| one.why.clone()))
            .or_else(|| dkim.map(|one| one.why.clone()))
    }

    fn authenticated(&self) -> Authenticated {
        let mut vouching: Vec<Domain> = Vec::new();
        let passed = self.signatures.dkim.iter().filter(|one| one.result == DkimResult::Pass);
        let signers = passed.filter_map(|one| one.domain.clone());
        let spf = self.spf.iter().filter(|spf| spf.result == SpfResult::Pass);
        let sender = spf.filter_map(|spf| Domain::parse(&spf.domain).ok());
        for domain in signers.chain(sender) {
            if !vouching.contains(&domain) {
                vouching.push(domain);
            }
        }
        let result = self.dmarc.as_ref().map_or(Dmarc::None, |one| one.result);
        let dmarc = if self.excused_by.is_some() { Dmarc::Pass } else { result };
        Authenticated { author_domain: author_domain(&self.author).cloned(), dmarc, vouching }
    }
}

fn demand(checks: &Checks, judged: Judged) -> Option<Demand> {
    let author = author_domain(&checks.author)?;
    let who = match judged.overridden {
        true => format!("mail in the name of {author} is taken only when it is authenticated"),
        false => {
            format!("{author} asks to refuse mail that is not authenticated as its own (DMARC)")
        }
    };
    (judged.consequence > Consequence::Deliver).then(|| Demand {
        consequence: judged.consequence,
        // RFC 7372, section 3.3: no check passed.
        code: EnhancedCode(5, 7, 26),
        why: format!("message refused: {who}"),
    })
}

/// The domain of the one author that every reader sees.
fn author_domain(author: &Authorship) -> Option<&Domain> {
    match author {
        Authorship::One(mailbox) => mailbox.address.domain(),
        Authorship::Absent | Authorship::Several(_) | Authorship::Unclear(_) => None,
    }
}

async fn in_time(deadline: Instant, domain: &str, check: impl Future<Output = Spf>) -> Spf {
    timeout_at(deadline, check).await.unwrap_or_else(|_| Spf {
        result: SpfResult::TempError,
        domain: domain.to_owned(),
        why: "no answer in time".into(),
        explanation: None,
    })
}
