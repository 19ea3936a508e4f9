//! Looks into a mail, one file per stage; mints `Mail<Scanned>`. No stage decides.
//!
//! In: `Mail<Received>`, or content alone. Out: findings and a summary. Whatever the message
//! is, there is an answer: a parser that panics becomes a finding, a deadline that passes is
//! a deferral or a hold as configured. The only failure is [`Failure::Defer`], with words for
//! the operator. Small messages are looked into where the session runs, large ones on a
//! thread of their own, a few at once, while the virus scanner works beside.

pub mod answers;
pub mod antivirus;
pub mod attachments;
mod authenticated;
pub mod authentication;
pub mod authorship;
pub mod bulk;
pub mod classifier;
mod content;
mod desk;
pub mod dmarc_reports;
pub mod exact;
mod feedback;
mod file_mark;
pub mod fingerprints;
mod flow;
pub mod greylist;
pub mod headers;
pub mod history;
pub mod impersonation;
pub mod learning;
mod likeness;
pub mod links;
pub mod lists;
pub mod manners;
pub mod markings;
mod origin;
mod passage;
pub mod reputation;
pub mod rules;
pub mod shadow;
mod sighting;
mod stage;
#[cfg(test)]
mod tests;
pub mod tune;
pub mod validators;
pub mod weights;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;

pub use authenticated::{Authenticated, Dmarc, DmarcPolicy};
pub use content::header_and_author;
pub use feedback::Statement;
pub use history::{Acquaintance, Feedback, Speaker};
pub use likeness::{Likeness, Saved, Untaught};
pub use lists::Listed;
pub use passage::Passage;
pub use sighting::Sighting;
pub use stage::Scanned;

use origin::Arrival;

use crate::config::{self, Config, Consequence, DeadlinePolicy, DmarcReports, Impersonation};
use crate::mail::{
    Content, ContentHit, Domain, EnhancedCode, Facts, Finding, HeaderField, Mail, Marking, Order,
    Summary,
};
use crate::message::contents::Contents;
use crate::message::{Authorship, Zone};
use crate::net::resolver::{DnsResolver, Resolve};
use crate::session::Received;
use crate::store::Store;
use crate::store::dmarc::Observation;
use antivirus::{Antivirus, Carried, Digest, Freshness};
use attachments::Enclosures;
use authentication::Authentication;
use bulk::Bulk;
use desk::Desk;
use dmarc_reports::Incoming;
use greylist::Greylist;
use history::History;
use lists::SenderLists;
use manners::Etiquette;
use reputation::Reputation;
use rules::{RuleError, RuleSet};

/// Larger messages leave the session's thread.
const INLINE_OCTETS: u64 = 256 << 10;

/// Whoever sends many reports waits for the earlier ones.
const REPORTS_AT_ONCE: usize = 2;

/// Why there is no answer now; the sender shall try again.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// For the operator: what failed.
    #[error("{0}")]
    Defer(String),
}

/// What stages may ask beside the message. A stage whose part is missing sees nothing.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Answers questions about names; shared with delivery.
    pub resolver: Option<Arc<DnsResolver>>,
    /// Remembers senders, digests and reports.
    pub store: Option<Arc<Store>>,
    /// What is known of good mail and spam; absent: as the data directory has it.
    pub likeness: Option<Arc<Likeness>>,
    /// What was seen before; outlives a reload.
    pub bulk: Option<Arc<Bulk>>,
}

/// What somebody who has a say asks to be done, whatever the score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// The least that is to be done.
    pub consequence: Consequence,
    /// For the refusal, with `why`.
    pub code: EnhancedCode,
    /// What the peer reads when it is refused.
    pub why: String,
}

/// What a look into a message brought.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// In the order in which the stages ran.
    pub findings: Vec<Finding>,
    /// The content rules that hit, in the order of the rules.
    pub content: Vec<ContentHit>,
    /// Protective markings and sensitivity labels, the highest level first.
    pub markings: Vec<Marking>,
    /// For lists and tracking.
    pub summary: Summary,
    /// Something could not be looked into now but may be later.
    pub unscanned: bool,
    /// Changes to the header that record what was found, such as Authentication-Results.
    pub orders: Vec<Order>,
    /// Who vouches for the mail.
    pub authenticated: Authenticated,
    /// Whom the reader sees as its author.
    pub author: Authorship,
    /// Of mail that an own relay passed on: the facts as they are of the client in front of
    /// it. Whoever judges or remembers a sender takes these.
    pub relayed: Option<Facts>,
    /// How well the box knows who sent it.
    pub acquaintance: Acquaintance,
    /// What the lists of senders say, one a recipient; empty when they say nothing.
    pub listed: Vec<Listed>,
    /// What the author's domain, or the configuration in its place, asks for.
    pub demand: Option<Demand>,
    /// What is to be reported to the author's domain, once the mail's fate is known.
    pub observation: Option<Observation>,
    /// A DMARC report that the mail brought.
    pub report: Option<Arc<Incoming>>,
    /// The files that it carries.
    pub contents: Arc<Contents>,
    /// The same, with what is needed to take them out.
    pub enclosures: Arc<Enclosures>,
    /// The same for scanners.
    pub carried: Arc<Carried>,
    /// SHA-256 of the whole, where that is asked for.
    pub whole: Option<Digest>,
    /// Its header fields as far as they are kept, for rules that ask for them.
    pub header: Vec<HeaderField>,
    /// Until when it waits for newer signatures, in milliseconds since 1970.
    pub held_until_ms: Option<u64>,
}

/// All stages, ready to run; made anew when the configuration changes.
#[derive(Debug)]
pub struct Analysis {
    desk: Arc<Desk>,
    /// What `[learning.shadow]` has tried on live mail.
    candidate: Option<Arc<Desk>>,
    antivirus: Option<Arc<Antivirus>>,
    authentication: Option<Authentication>,
    reputation: Option<Arc<Reputation>>,
    history: Option<History>,
    greylist: Option<Greylist>,
    lists: SenderLists,
    /// Absent without a configuration, which says what is inbound and whose names are ours.
    etiquette: Option<Etiquette>,
    /// What recipients are told of strangers.
    banner: Impersonation,
    reports: DmarcReports,
    /// Of which others may report.
    own_domains: Vec<Domain>,
    /// Says which servers in front of the box are its own, and how senders are authenticated.
    settings: config::Authentication,
    /// Reports that are being read.
    reading: Semaphore,
    timeout: Duration,
    on_timeout: DeadlinePolicy,
    /// Large messages that are in memory at once.
    large: Semaphore,
    /// Memory for files that were unpacked.
    files_room: Arc<Semaphore>,
}

impl Analysis {
    /// The stages by the configuration. Compiles the content rules, which may take seconds
    /// unless they are as they were the last time, and reads the classifier's model.
    pub fn new(config: &Config, surroundings: Surroundings) -> Result<Arc<Analysis>, RuleError> {
        let data_dir = Some(config.system.data_dir.as_path()).filter(|dir| dir.is_dir());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let Surroundings { resolver, store, likeness, bulk } = surroundings;
        let desk = Desk::new(Some(config), data_dir, likeness, bulk)?;
        let store = store.as_ref();
        let history = History::new(config, store);
        let resolver: Option<Arc<dyn Resolve>> = resolver.map(|one| one as _);
        let asking =
            |resolver: &Arc<dyn Resolve>| Authentication::new(config, Arc::clone(resolver));
        Ok(Arc::new(Analysis {
            candidate: shadow::candidate(config, data_dir, &desk)?.map(Arc::new),
            desk: Arc::new(desk),
            antivirus: config.antivirus.as_ref().map(Antivirus::new).map(Arc::new),
            authentication: resolver.as_ref().and_then(asking),
            reputation: resolver.map(|resolver| Reputation::new(config, resolver)),
            greylist: Greylist::new(config, history.clone(), store),
            history,
            lists: SenderLists::new(&config.lists, store),
            etiquette: Some(Etiquette::new(config)),
            banner: config.impersonation.clone(),
            reports: config.authentication.reports.clone(),
            own_domains: config.domain.iter().map(|own| own.name.clone()).collect(),
            settings: config.authentication.clone(),
            reading: Semaphore::new(REPORTS_AT_ONCE),
            timeout: config.limits.analysis_timeout(),
            on_timeout: config.limits.on_analysis_timeout,
            large: Semaphore::new(2 * cores),
            files_room: antivirus::room(),
        }))
    }

    /// The stages as they are shipped, without a virus scanner or a model. Compiled patterns are kept in
    /// the user's cache folder, when there is one.
    pub fn shipped() -> Result<Arc<Analysis>, RuleError> {
        let limits = crate::config::Limits::default();
        Ok(Arc::new(Analysis {
            desk: Arc::new(Desk::new(None, user_cache_dir().as_deref(), None, None)?),
            candidate: None,
            antivirus: None,
            authentication: None,
            reputation: None,
            history: None,
            greylist: None,
            lists: SenderLists::new(&crate::config::Lists::default(), None),
            etiquette: None,
            banner: Impersonation::default(),
            reports: DmarcReports::default(),
            own_domains: Vec::new(),
            settings: config::Authentication::default(),
            reading: Semaphore::new(REPORTS_AT_ONCE),
            timeout: limits.analysis_timeout(),
            on_timeout: limits.on_analysis_timeout,
            large: Semaphore::new(1),
            files_room: antivirus::room(),
        }))
    }

    /// The content rules in force.
    pub fn rules(&self) -> &RuleSet {
        &self.desk.rules
    }

    /// The DNS lists in force.
    pub fn reputation(&self) -> Option<&Arc<Reputation>> {
        self.reputation.as_ref()
    }

    /// The virus scanners; none where none are configured.
    pub fn antivirus(&self) -> Option<&Arc<Antivirus>> {
        self.antivirus.as_ref()
    }

    /// What is remembered of senders; none when that is switched off.
    pub fn history(&self) -> Option<&History> {
        self.history.as_ref()
    }

    /// Who is asked to come back.
    pub fn greylist(&self) -> Option<&Greylist> {
        self.greylist.as_ref()
    }

    /// Trusted and blocked senders.
    pub fn lists(&self) -> &SenderLists {
        &self.lists
    }

    /// The weight in force of a finding or a content rule.
    pub fn weight_of(&self, name: &str) -> Option<f32> {
        let desk = &self.desk;
        let of_finding = desk.weights.of(name).map(|weight| weight.score);
        let of_rule = || desk.rules.rules().iter().find(|rule| rule.id == name);
        let tuned = || desk.weights.of_rule(name).or_else(|| Some(of_rule()?.score));
        of_finding.or_else(tuned)
    }

    /// What a finding or a content rule speaks of, and why it matters.
    pub fn meaning_of(&self, name: &str) -> Option<&str> {
        let of_finding = self.desk.weights.of(name).map(|weight| weight.description.as_str());
        let of_rule = || self.desk.rules.rules().iter().find(|rule| rule.id == name);
        of_finding.or_else(|| Some(of_rule()?.description.as_str()))
    }

    /// The names of all findings that have a weight.
    pub fn finding_names(&self) -> std::collections::BTreeSet<&str> {
        self.desk.weights.all().into_keys().collect()
    }

    /// The points among findings that a trained classifier may outweigh.
    pub fn outweighable(&self, findings: &[Finding]) -> f32 {
        content::outweighed(&self.desk, findings)
    }

    /// Whether a text is a file of weights for the findings and rules in force.
    pub fn check_weights(&self, text: &str, file: &str) -> Result<(), RuleError> {
        let is_rule = |name: &str| self.desk.rules.rules().iter().any(|rule| rule.id == name);
        self.desk.weights.clone().overlay(text, file, &is_rule)
    }

    /// Looks into a received mail.
    pub async fn scan(&self, mail: Mail<Received>) -> Result<Mail<Scanned>, Failure> {
        let passage = Passage { facts: &mail.facts, envelope: &mail.envelope };
        let look = self.look(&mail.content, Some(passage)).await?;
        Ok(mail.advance(|received| Scanned::mint(received, look)))
    }

    /// Looks into content.
    pub async fn look(
        &self,
        content: &Content,
        passage: Option<Passage<'_>>,
    ) -> Result<Look, Failure> {
        self.look_in_time(content, passage, Freshness::Remembered).await
    }

    /// Looks into the content of a mail that was held, with what scanners know by now.
    pub async fn look_again(
        &self,
        content: &Content,
        passage: Option<Passage<'_>>,
    ) -> Result<Look, Failure> {
        self.look_in_time(content, passage, Freshness::Anew).await
    }

    async fn look_in_time(
        &self,
        content: &Content,
        passage: Option<Passage<'_>>,
        freshness: Freshness,
    ) -> Result<Look, Failure> {
        let looking = self.look_in_turn(content, passage, freshness);
        match tokio::time::timeout(self.timeout, looking).await {
            Ok(result) => result,
            Err(_) => self.too_late(),
        }
    }

    async fn look_in_turn(
        &self,
        content: &Content,
        passage: Option<Passage<'_>>,
        freshness: Freshness,
    ) -> Result<Look, Failure> {
        let _turn = match content.len() > INLINE_OCTETS {
            true => self.large.acquire().await.ok(),
            false => None,
        };
        let octets = read(content).await?;
        self.look_all(&octets, passage, freshness).await
    }

    fn too_late(&self) -> Result<Look, Failure> {
        let why = format!("analysis did not end within {} s", self.timeout.as_secs());
        match self.on_timeout {
            DeadlinePolicy::Defer => Err(Failure::Defer(why)),
            DeadlinePolicy::Hold => {
                let finding = self.desk.weights.weigh(Sighting::new("ANALYSIS_TIMEOUT", why));
                Ok(Look { findings: vec![finding], unscanned: true, ..Look::default() })
            }
        }
    }

    /// What a sighting of another process is worth by the weights in force.
    pub fn weigh(&self, sighting: Sighting) -> Finding {
        self.desk.weights.weigh(sighting)
    }

    /// The same for a mail that was looked into before: what its content shows by the rules in
    /// force. Nobody is asked about its sender, and no scanner.
    pub fn look_at_content(&self, octets: &Bytes, passage: Option<Passage<'_>>) -> Look {
        let arrival = passage
            .map_or(Arrival::Direct, |passage| Arrival::of(&self.settings, octets, passage.facts));
        let passage =
            passage.map(|passage| Passage { facts: arrival.facts(passage.facts), ..passage });
        let mut inside = content::look(&self.desk, octets, passage);
        let pretence = inside.pretence(&self.desk, None, None);
        inside.look.findings.extend(pretence);
        if let Arrival::Relayed(facts) = arrival {
            inside.look.relayed = Some(facts);
        }
        inside.look
    }

    /// Shows every text of a message that content rules look into, in normal form; whether it
    /// could be taken apart.
    pub fn read_texts(&self, octets: &Bytes, see: &mut dyn FnMut(Zone, &str)) -> bool {
        content::read_texts(&self.desk, octets, see)
    }

    /// Looks into octets with nothing but the stages that need nothing else, on the caller's
    /// thread.
    pub fn scan_message(&self, octets: &[u8]) -> (Vec<Finding>, Summary) {
        let mut inside = content::look(&self.desk, &Bytes::copy_from_slice(octets), None);
        let pretence = inside.pretence(&self.desk, None, None);
        inside.look.findings.extend(pretence);
        (inside.look.findings, inside.look.summary)
    }
}

/// `$XDG_CACHE_HOME/postern` or `~/.cache/postern`, made when it is missing.
pub(crate) fn user_cache_dir() -> Option<PathBuf> {
    let caches = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    let dir = caches.join("postern");
    let usable = caches.is_absolute() && std::fs::create_dir_all(&dir).is_ok();
    usable.then_some(dir)
}

/// The whole content; read once when it lies in a file.
async fn read(content: &Content) -> Result<Bytes, Failure> {
    if let Some(octets) = content.in_memory() {
        return Ok(octets.clone());
    }
    let content = content.clone();
    let unreadable =
        |error: &dyn std::fmt::Display| Failure::Defer(format!("content cannot be read: {error}"));
    match tokio::task::spawn_blocking(move || content.read_all()).await {
        Ok(Ok(octets)) => Ok(octets),
        Ok(Err(error)) => Err(unreadable(&error)),
        Err(error) => Err(unreadable(&error)),
    }
}
