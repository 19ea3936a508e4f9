//! Looks into a mail, one file per stage; mints `Mail<Scanned>`. No stage decides.
//!
//! In: `Mail<Received>`, or content alone. Out: findings and a summary. Whatever the message
//! is, there is an answer: a parser that panics becomes a finding, a deadline that passes is
//! a deferral or a hold as configured. The only failure is [`Failure::Defer`], with words for
//! the operator. Small messages are looked into where the session runs, large ones on a
//! thread of their own, a few at once, while the virus scanner works beside.

pub mod antivirus;
mod authenticated;
pub mod authentication;
pub mod bulk;
pub mod classifier;
mod content;
pub mod dmarc_reports;
pub mod greylist;
pub mod history;
pub mod learning;
mod likeness;
pub mod links;
pub mod lists;
pub mod manners;
mod passage;
pub mod reputation;
pub mod rules;
pub mod shadow;
mod sighting;
mod stage;
#[cfg(test)]
mod tests;
pub mod weights;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::Semaphore;

pub use authenticated::{Authenticated, Dmarc, DmarcPolicy};
pub use history::Acquaintance;
pub use likeness::{Likeness, Saved, Untaught};
pub use lists::Listed;
pub use passage::Passage;
pub use sighting::Sighting;
pub use stage::Scanned;

use crate::config::{Config, DeadlinePolicy, DmarcReports, OnFailure};
use crate::mail::{Content, Finding, Mail, Order, Summary};
use crate::message::Authorship;
use crate::net::resolver::DnsResolver;
use crate::session::Received;
use crate::store::Store;
use crate::store::dmarc::Observation;
use antivirus::Antivirus;
use bulk::Bulk;
use dmarc_reports::Incoming;
use greylist::Greylist;
use history::History;
use lists::SenderLists;
use manners::Etiquette;
use reputation::Reputation;
use rules::{RuleError, RuleSet};
use weights::Weights;

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
    /// What was seen before; outlives a reload.
    pub bulk: Option<Arc<Bulk>>,
    /// What is known of good mail and spam; absent: as the data directory has it.
    pub likeness: Option<Arc<Likeness>>,
}

/// What a look into a message brought.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// In the order in which the stages ran.
    pub findings: Vec<Finding>,
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
    /// How well the box knows who sent it.
    pub acquaintance: Acquaintance,
    /// What the lists of senders say, one a recipient; empty when they say nothing.
    pub listed: Vec<Listed>,
    /// Hosts that links lead to, in order.
    pub hosts: Vec<String>,
    /// What is to be reported to the author's domain, once the mail's fate is known.
    pub observation: Option<Observation>,
    /// A DMARC report that the mail brought.
    pub report: Option<Arc<Incoming>>,
}

/// All stages, ready to run; made anew when the configuration changes.
#[derive(Debug)]
pub struct Analysis {
    desk: Arc<Desk>,
    /// What `[learning.shadow]` has tried on live mail.
    candidate: Option<Arc<Desk>>,
    antivirus: Option<Antivirus>,
    reputation: Option<Arc<Reputation>>,
    history: Option<History>,
    greylist: Option<Greylist>,
    lists: SenderLists,
    /// Absent without a configuration, which says what is inbound and whose names are ours.
    etiquette: Option<Etiquette>,
    timeout: Duration,
    on_timeout: DeadlinePolicy,
    /// Large messages that are in memory at once.
    large: Semaphore,
    reports: DmarcReports,
    /// DMARC reports that are read at once: one may take 100 MB.
    reading: Semaphore,
}

/// What the stages need that look at nothing but the message; shared with their threads.
#[derive(Debug)]
pub(in crate::analysis) struct Desk {
    rules: Arc<RuleSet>,
    weights: Weights,
    likeness: Arc<Likeness>,
    bulk: Option<Arc<Bulk>>,
}

impl Desk {
    fn new(
        config: Option<&Config>,
        data_dir: Option<&Path>,
        likeness: Option<Arc<Likeness>>,
    ) -> Result<Desk, RuleError> {
        let (dirs, disabled) = config.map_or((&[][..], &[][..]), |config| {
            (config.content.dirs.as_slice(), config.content.disabled.as_slice())
        });
        let rules = RuleSet::load(dirs, disabled, data_dir)?;
        let site = config.and(data_dir);
        let is_rule = |name: &str| rules.rules().iter().any(|rule| rule.id == name);
        let weights = Weights::load(dirs, site, is_rule)?;
        if let Some(likeness) = &likeness {
            likeness.refresh();
        }
        let own = || Arc::new(site.map_or_else(Likeness::none, Likeness::in_dir));
        Ok(Desk { rules, weights, likeness: likeness.unwrap_or_else(own), bulk: None })
    }
}

impl Analysis {
    /// The stages by the configuration. Compiles the content rules, which may take seconds
    /// unless they are as they were the last time, and reads the classifier's model.
    pub fn new(config: &Config, surroundings: Surroundings) -> Result<Arc<Analysis>, RuleError> {
        let data_dir = Some(config.system.data_dir.as_path()).filter(|dir| dir.is_dir());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut desk = Desk::new(Some(config), data_dir, surroundings.likeness.clone())?;
        desk.bulk = surroundings.bulk;
        let resolver = surroundings.resolver;
        let store = surroundings.store.as_ref();
        let history = History::new(config, store);
        Ok(Arc::new(Analysis {
            candidate: shadow::candidate(config, data_dir, &desk)?.map(Arc::new),
            desk: Arc::new(desk),
            antivirus: config.antivirus.as_ref().map(Antivirus::new),
            greylist: Greylist::new(config, history.clone(), store),
            history,
            lists: SenderLists::new(&config.lists, store),
            etiquette: Some(Etiquette::new(config)),
            reputation: resolver.map(|resolver| Reputation::new(config, resolver)),
            timeout: config.limits.analysis_timeout(),
            on_timeout: config.limits.on_analysis_timeout,
            large: Semaphore::new(2 * cores),
            reports: config.authentication.reports.clone(),
            reading: Semaphore::new(REPORTS_AT_ONCE),
        }))
    }

    /// The stages as they are shipped, without a virus scanner or a model. Compiled patterns are kept in
    /// the user's cache folder, when there is one.
    pub fn shipped() -> Result<Arc<Analysis>, RuleError> {
        let limits = crate::config::Limits::default();
        Ok(Arc::new(Analysis {
            desk: Arc::new(Desk::new(None, user_cache_dir().as_deref(), None)?),
            candidate: None,
            antivirus: None,
            reputation: None,
            history: None,
            greylist: None,
            lists: SenderLists::new(&crate::config::Lists::default(), None),
            etiquette: None,
            timeout: limits.analysis_timeout(),
            on_timeout: limits.on_analysis_timeout,
            large: Semaphore::new(1),
            reports: DmarcReports::default(),
            reading: Semaphore::new(1),
        }))
    }

    /// The DNS lists in force.
    pub fn reputation(&self) -> Option<&Arc<Reputation>> {
        self.reputation.as_ref()
    }

    /// The content rules in force.
    pub fn rules(&self) -> &RuleSet {
        &self.desk.rules
    }

    /// Looks into a received mail.
    pub async fn scan(&self, mail: Mail<Received>) -> Result<Mail<Scanned>, Failure> {
        let passage = Passage { facts: &mail.facts, envelope: &mail.envelope };
        let look = self.look(&mail.content, Some(passage)).await?;
        Ok(mail.advance(|received| Scanned::mint(received, look)))
    }

    /// Looks into content, as again for a mail that was held unscanned.
    pub async fn look(
        &self,
        content: &Content,
        passage: Option<Passage<'_>>,
    ) -> Result<Look, Failure> {
        match tokio::time::timeout(self.timeout, self.look_all(content, passage)).await {
            Ok(result) => result,
            Err(_) => self.too_late(),
        }
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

    async fn look_all(
        &self,
        content: &Content,
        passage: Option<Passage<'_>>,
    ) -> Result<Look, Failure> {
        let _turn = match content.len() > INLINE_OCTETS {
            true => self.large.acquire().await.ok(),
            false => None,
        };
        let octets = read(content).await?;
        let viruses = self.look_for_viruses(&octets);
        let report = self.look_for_report(&octets, passage);
        let inside = async {
            let mut look = self.look_inside(&octets, passage).await;
            self.ask_lists(&mut look, passage).await;
            look
        };
        let (viruses, mut look, (report_seen, report)) = tokio::join!(viruses, inside, report);
        let (virus, unscanned) = viruses?;
        self.recognize(&mut look, passage);
        look.findings.extend(report_seen.map(|seen| self.desk.weights.weigh(seen)));
        look.report = report;
        look.findings.extend(virus.map(|virus| self.desk.weights.weigh(virus)));
        look.unscanned |= unscanned;
        Ok(look)
    }

    /// What DNS lists say of the client, the senders and the hosts of links.
    async fn ask_lists(&self, look: &mut Look, passage: Option<Passage<'_>>) {
        let Some(reputation) = &self.reputation else { return };
        let author = look.authenticated.author_domain.as_ref();
        let sightings = reputation.look(passage, &look.hosts, author).await;
        let weights = &self.desk.weights;
        look.findings.extend(sightings.into_iter().map(|sighting| weights.weigh(sighting)));
    }

    async fn look_inside(&self, octets: &Bytes, passage: Option<Passage<'_>>) -> Look {
        if octets.len() as u64 <= INLINE_OCTETS {
            return content::look(&self.desk, octets, passage);
        }
        let desk = Arc::clone(&self.desk);
        let octets = octets.clone();
        let way = passage.map(|passage| (passage.facts.clone(), passage.envelope.clone()));
        let look = tokio::task::spawn_blocking(move || {
            let passage = way.as_ref().map(|(facts, envelope)| Passage { facts, envelope });
            content::look(&desk, &octets, passage)
        });
        let look = look.await;
        look.unwrap_or_else(|error| content::failed(&self.desk.weights, error.to_string()))
    }

    /// Who is asked to come back.
    pub fn greylist(&self) -> Option<&Greylist> {
        self.greylist.as_ref()
    }

    /// What the box remembers of the sender and what the lists say of it. After
    /// authentication, before stages that ask for the acquaintance.
    fn recognize(&self, look: &mut Look, passage: Option<Passage<'_>>) {
        let Some(passage) = passage else { return };
        let weights = &self.desk.weights;
        let seen = self.etiquette.as_ref().map(|etiquette| etiquette.look(passage));
        let seen = seen.unwrap_or_default().into_iter();
        look.findings.extend(seen.map(|sighting| weights.weigh(sighting)));
        let (seen, listed) = self.lists.look(passage, &look.author, &look.authenticated);
        look.findings.extend(seen.into_iter().map(|sighting| weights.weigh(sighting)));
        look.listed = listed;
        let Some(history) = &self.history else { return };
        let now_s = passage.facts.received_ms / 1_000;
        let (seen, acquaintance) = history.look(passage, &look.author, &look.authenticated, now_s);
        look.findings.extend(seen.into_iter().map(|sighting| weights.weigh(sighting)));
        look.acquaintance = acquaintance;
    }

    /// What is remembered of senders; none when that is switched off.
    pub fn history(&self) -> Option<&History> {
        self.history.as_ref()
    }

    /// Trusted and blocked senders.
    pub fn lists(&self) -> &SenderLists {
        &self.lists
    }

    /// The DMARC report in a mail to the address for reports.
    async fn look_for_report(
        &self,
        octets: &Bytes,
        passage: Option<Passage<'_>>,
    ) -> (Option<Sighting>, Option<Arc<Incoming>>) {
        if !passage.is_some_and(|passage| dmarc_reports::is_for_reports(&self.reports, &passage)) {
            return (None, None);
        }
        let _turn = self.reading.acquire().await.ok();
        let (settings, octets) = (self.reports.clone(), octets.clone());
        let now_ms = now_ms();
        let work = move || dmarc_reports::look(&settings, &octets, now_ms);
        tokio::task::spawn_blocking(work).await.unwrap_or((None, None))
    }

    /// What the scanner saw, and whether the mail must be scanned again.
    async fn look_for_viruses(&self, octets: &Bytes) -> Result<(Option<Sighting>, bool), Failure> {
        let Some(antivirus) = &self.antivirus else {
            return Ok((Some(antivirus::absent()), false));
        };
        let error = match antivirus.scan(octets).await {
            Ok(scan) => return Ok((antivirus::sighting(&scan), false)),
            Err(error) => error,
        };
        tracing::warn!(%error, on_failure = ?antivirus.on_failure(), "virus scan failed");
        match antivirus.on_failure() {
            OnFailure::Defer => Err(Failure::Defer(error.to_string())),
            OnFailure::Hold => Ok((Some(antivirus::unavailable(&error)), true)),
            OnFailure::Deliver => Ok((Some(antivirus::failed(&error)), false)),
        }
    }

    /// Looks into octets with nothing but the stages that need nothing else, on the caller's
    /// thread.
    pub fn scan_message(&self, octets: &[u8]) -> (Vec<Finding>, Summary) {
        let look = content::look(&self.desk, &Bytes::copy_from_slice(octets), None);
        (look.findings, look.summary)
    }

    /// Looks into octets with every stage; a failing virus scanner is a finding.
    pub async fn scan_octets(&self, octets: Bytes, passage: Option<Passage<'_>>) -> Look {
        let viruses = async {
            let Some(antivirus) = &self.antivirus else { return Some(antivirus::absent()) };
            match antivirus.scan(&octets).await {
                Ok(scan) => antivirus::sighting(&scan),
                Err(error) => Some(antivirus::unavailable(&error)),
            }
        };
        let (virus, mut look) = tokio::join!(viruses, self.look_inside(&octets, passage));
        self.recognize(&mut look, passage);
        look.findings.extend(virus.map(|virus| self.desk.weights.weigh(virus)));
        look
    }
}

/// `$XDG_CACHE_HOME/postern` or `~/.cache/postern`, made when it is missing.
fn user_cache_dir() -> Option<PathBuf> {
    let caches = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    let dir = caches.join("postern");
    let usable = caches.is_absolute() && std::fs::create_dir_all(&dir).is_ok();
    usable.then_some(dir)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
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
