//! Who sent it: SPF, DKIM, DMARC, ARC and reverse names, and what follows for the mail.
//!
//! In: a mail that came in from outside, and DNS. Out: [`Outcome`]: sightings, the field
//! Authentication-Results (RFC 8601) in place of all that claim to be ours, who vouches for
//! the mail, what the author's domain demands, and what reports will say.
//!
//! DMARC is asked of every author that every reader sees ([`authors`]): nothing else ever
//! passes. All checks run side by side and share one deadline; what DNS does not answer by then
//! is trouble (`temperror`), never a failure and never a pass, and the mail goes on unless the
//! configuration defers it. What the authors' domains publish is asked from the start, beside
//! SPF and DKIM, so that no name in the mail can take the time for it; the last quarter is left
//! for questions of alignment. Signatures, keys, look-ups and sets are bounded.

mod arc;
mod authors;
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

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

pub use arc::{ArcCheck, ArcResult, Seal};
pub use dkim::{DkimCheck, DkimResult};
pub use dmarc::{Alignment, Evaluation, Identifier, Mechanism, PolicyRecord};
pub use iprev::{Iprev, IprevResult};

use super::origin::{self, Origin};
use super::{Authenticated, Demand, Dmarc, DmarcPolicy, Passage, Sighting};
use crate::config::{self, Config, Consequence, OnTemperror};
use crate::mail::{Domain, EnhancedCode, Order, ReversePath, Role};
use crate::message::{Anatomy, Head, Limits, Oddities};
use crate::net::resolver::Resolve;
use crate::store::dmarc::Observation;
use authors::{AuthorCheck, Authors, Face, Judged};
use dmarc::Published;
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
    /// What the mail shows as its authors, and what became of each domain that was asked.
    authors: Authors,
    evaluated: Vec<AuthorCheck>,
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
        // What SPF and DKIM wait for must leave time to judge what they brought.
        let checks_deadline = deadline - self.timeout / 4;
        let (head, body) = Head::split(octets, &mut Oddities::default());
        let authors = Authors::of(&Anatomy::of(head.octets(), Limits::default()));
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
        let (spf, spf_helo, iprev, signatures, published) = tokio::join!(
            self.spf(client, &helo, &reverse_path, checks_deadline),
            self.spf_of_helo(client, &helo, &reverse_path, checks_deadline),
            self.iprev(client, checks_deadline),
            signatures::check(
                &self.resolver,
                &head,
                &body,
                self.settings.signatures,
                &authors.domains,
                checks_deadline
            ),
            self.published(&authors.domains, checks_deadline),
        );
        let evaluated = self.evaluate(published, spf.as_ref(), &signatures, deadline).await;
        self.conclude(&Checks {
            client,
            reverse_path,
            spf,
            spf_helo,
            iprev,
            signatures,
            authors,
            evaluated,
        })
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

    /// What the authors' domains publish, asked for side by side.
    async fn published(
        &self,
        authors: &[Domain],
        deadline: Instant,
    ) -> Vec<(Domain, Result<Published, String>)> {
        let mut asked = JoinSet::new();
        for author in authors.iter().cloned() {
            let resolver = Arc::clone(&self.resolver);
            asked.spawn(async move {
                let answer = timeout_at(deadline, Published::of(resolver.as_ref(), &author)).await;
                (author, answer)
            });
        }
        let mut answers: HashMap<Domain, _> = HashMap::new();
        while let Some(answer) = asked.join_next().await {
            answers.extend(answer.ok());
        }
        let late = || Err("no answer in time".to_owned());
        let answer_for = |author: &Domain| match answers.remove(author) {
            Some(Ok(answer)) => (author.clone(), answer),
            Some(Err(_)) | None => (author.clone(), late()),
        };
        authors.iter().map(answer_for).collect()
    }

    /// DMARC for each author; all of them share the time that is left.
    async fn evaluate(
        &self,
        published: Vec<(Domain, Result<Published, String>)>,
        spf: Option<&Spf>,
        signatures: &Signatures,
        deadline: Instant,
    ) -> Vec<AuthorCheck> {
        let identifiers = identifiers(spf, signatures);
        let resolver = self.resolver.as_ref();
        let mut evaluated = Vec::with_capacity(published.len());
        for (domain, answer) in published {
            let evaluation = match answer {
                Ok(published) => published.judge(resolver, &identifiers, deadline).await,
                Err(why) => Evaluation::in_the_dark(why),
            };
            let trusted = |sealer: &Domain| self.settings.is_trusted_sealer(sealer);
            // A trusted sealer's word for a mail that fails here.
            let excused_by = match evaluation.is_vouched() {
                true => None,
                false => signatures.arc.vouches(&domain, trusted).cloned(),
            };
            evaluated.push(AuthorCheck { domain, evaluation, excused_by });
        }
        evaluated
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
        let waits = self.settings.on_temperror == OnTemperror::Defer
            && judged.consequence == Consequence::Deliver;
        let deferral = checks
            .trouble()
            .filter(|_| waits)
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

    /// What becomes of a mail for whose authors not everybody vouches: the strictest of what
    /// is asked for each of them.
    fn judge<'c>(&self, checks: &'c Checks) -> Judged<'c> {
        if checks.authors.unjudged > 0 {
            return Judged { consequence: Consequence::Reject, ..Judged::default() };
        }
        let judged = checks.evaluated.iter().map(|author| self.judge_author(author));
        let gravity =
            |one: &Judged<'_>| (one.consequence, one.author.map_or(0, AuthorCheck::gravity));
        // Of equals the first.
        judged.rev().max_by_key(gravity).unwrap_or_default()
    }

    fn judge_author<'c>(&self, author: &'c AuthorCheck) -> Judged<'c> {
        let nothing = Judged { author: Some(author), ..Judged::default() };
        if author.is_vouched() || author.excused_by.is_some() {
            return nothing;
        }
        let published = match author.evaluation.result {
            Dmarc::Fail(DmarcPolicy::Reject) => self.settings.dmarc.reject,
            Dmarc::Fail(DmarcPolicy::Quarantine) => self.settings.dmarc.quarantine,
            Dmarc::Fail(DmarcPolicy::None) | Dmarc::None => Consequence::Deliver,
            // Trouble is no failure.
            Dmarc::Pass | Dmarc::Temporary | Dmarc::Permanent => return nothing,
        };
        let own = self.settings.override_for(&author.domain);
        let own = own.filter(|_| author.evaluation.why.is_empty());
        Judged {
            consequence: own.unwrap_or(published),
            overridden: own.is_some(),
            author: Some(author),
        }
    }
}

impl Checks {
    /// DNS trouble that may have changed the outcome.
    fn trouble(&self) -> Option<String> {
        let waiting = self.evaluated.iter().find(|one| one.evaluation.result == Dmarc::Temporary);
        if let Some(author) = waiting {
            return Some(author.evaluation.why.clone());
        }
        // Where a policy was found, nothing else counts. Elsewhere whoever vouches does.
        let open = |one: &AuthorCheck| one.evaluation.result == Dmarc::None && !one.is_vouched();
        if !self.evaluated.is_empty() && !self.evaluated.iter().any(open) {
            return None;
        }
        let spf = self.spf.as_ref().filter(|spf| spf.result == SpfResult::TempError);
        let dkim = self.signatures.dkim.iter().find(|one| one.result == DkimResult::TempError);
        spf.map(|one| one.why.clone()).or_else(|| dkim.map(|one| one.why.clone()))
    }

    /// Somebody vouches for every author.
    fn is_vouched(&self) -> bool {
        let all = || self.evaluated.iter().all(AuthorCheck::is_vouched);
        !self.evaluated.is_empty() && self.authors.unjudged == 0 && all()
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
        Authenticated { author_domain: self.authors.only().cloned(), dmarc: self.dmarc(), vouching }
    }

    /// For all authors together: a pass only when every one has one.
    fn dmarc(&self) -> Dmarc {
        if self.authors.unjudged > 0 {
            return Dmarc::Permanent;
        }
        let worst = self.evaluated.iter().max_by_key(|one| one.gravity());
        let result = worst.map_or(Dmarc::None, |one| match one.excused_by {
            Some(_) => Dmarc::Pass,
            None => one.evaluation.result,
        });
        match (self.authors.face, result) {
            // Whoever sent it is no author: others build on a pass for somebody in From.
            (Face::Sender, Dmarc::Pass) => Dmarc::None,
            (_, result) => result,
        }
    }
}

/// What DMARC may build on.
fn identifiers(spf: Option<&Spf>, signatures: &Signatures) -> Vec<Identifier> {
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
    identifiers
}

fn demand(checks: &Checks, judged: Judged<'_>) -> Option<Demand> {
    let who = match judged.author.map(|author| &author.domain) {
        None if checks.authors.unjudged > 0 => "it has more authors than can be checked".into(),
        None => return None,
        Some(author) if judged.overridden => {
            format!("mail in the name of {author} is taken only when it is authenticated")
        }
        Some(author) => {
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

async fn in_time(deadline: Instant, domain: &str, check: impl Future<Output = Spf>) -> Spf {
    timeout_at(deadline, check).await.unwrap_or_else(|_| Spf {
        result: SpfResult::TempError,
        domain: domain.to_owned(),
        why: "no answer in time".into(),
        explanation: None,
    })
}
