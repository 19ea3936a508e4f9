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
pub mod classifier;
mod content;
pub mod dmarc_reports;
mod likeness;
mod passage;
pub mod rules;
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
pub use passage::Passage;
pub use sighting::Sighting;
pub use stage::Scanned;

use crate::config::{Config, Consequence, DeadlinePolicy, DmarcReports, OnFailure};
use crate::mail::{Content, EnhancedCode, Finding, Mail, Order, Summary};
use crate::net::resolver::DnsResolver;
use crate::session::Received;
use crate::store::Store;
use crate::store::dmarc::Observation;
use antivirus::Antivirus;
use authentication::{Authentication, Outcome};
use dmarc_reports::Incoming;
use likeness::Likeness;
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
    /// For lists and tracking.
    pub summary: Summary,
    /// Something could not be looked into now but may be later.
    pub unscanned: bool,
    /// Changes to the header that record what was found, such as Authentication-Results.
    pub orders: Vec<Order>,
    /// Who vouches for the mail.
    pub authenticated: Authenticated,
    /// What the author's domain, or the configuration in its place, asks for.
    pub demand: Option<Demand>,
    /// What is to be reported to the author's domain, once the mail's fate is known.
    pub observation: Option<Observation>,
    /// A DMARC report that the mail brought.
    pub report: Option<Arc<Incoming>>,
}

/// All stages, ready to run; made anew when the configuration changes.
#[derive(Debug)]
pub struct Analysis {
    desk: Arc<Desk>,
    antivirus: Option<Antivirus>,
    authentication: Option<Authentication>,
    #[expect(dead_code, reason = "for stages that ask DNS or the store")]
    surroundings: Surroundings,
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
    likeness: Likeness,
}

impl Desk {
    fn new(config: Option<&Config>, data_dir: Option<&Path>) -> Result<Desk, RuleError> {
        let (dirs, disabled) = config.map_or((&[][..], &[][..]), |config| {
            (config.content.dirs.as_slice(), config.content.disabled.as_slice())
        });
        let rules = RuleSet::load(dirs, disabled, data_dir)?;
        let site = config.and(data_dir);
        let is_rule = |name: &str| rules.rules().iter().any(|rule| rule.id == name);
        let weights = Weights::load(dirs, site, is_rule)?;
        let likeness = site.map_or(Likeness::Untrained, Likeness::in_dir);
        Ok(Desk { rules, weights, likeness })
    }
}

impl Analysis {
    /// The stages by the configuration. Compiles the content rules, which may take seconds
    /// unless they are as they were the last time, and reads the classifier's model.
    pub fn new(config: &Config, surroundings: Surroundings) -> Result<Arc<Analysis>, RuleError> {
        let data_dir = Some(config.system.data_dir.as_path()).filter(|dir| dir.is_dir());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Arc::new(Analysis {
            desk: Arc::new(Desk::new(Some(config), data_dir)?),
            antivirus: config.antivirus.as_ref().map(Antivirus::new),
            authentication: authentication(config, &surroundings),
            surroundings,
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
            desk: Arc::new(Desk::new(None, user_cache_dir().as_deref())?),
            antivirus: None,
            authentication: None,
            surroundings: Surroundings::default(),
            timeout: limits.analysis_timeout(),
            on_timeout: limits.on_analysis_timeout,
            large: Semaphore::new(1),
            reports: DmarcReports::default(),
            reading: Semaphore::new(1),
        }))
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
        let (viruses, mut look, sender, (report_seen, report)) = tokio::join!(
            viruses,
            self.look_inside(&octets, passage),
            self.look_for_sender(&octets, passage),
            self.look_for_report(&octets, passage),
        );
        let (virus, unscanned) = viruses?;
        look.findings.extend(report_seen.map(|seen| self.desk.weights.weigh(seen)));
        look.report = report;
        look.findings.extend(virus.map(|virus| self.desk.weights.weigh(virus)));
        if let Some(why) = sender.deferral {
            return Err(Failure::Defer(why));
        }
        self.add_sender(&mut look, sender);
        look.unscanned |= unscanned;
        Ok(look)
    }

    async fn look_inside(&self, octets: &Bytes, _passage: Option<Passage<'_>>) -> Look {
        if octets.len() as u64 <= INLINE_OCTETS {
            return content::look(&self.desk, octets);
        }
        let desk = Arc::clone(&self.desk);
        let octets = octets.clone();
        let look = tokio::task::spawn_blocking(move || content::look(&desk, &octets)).await;
        look.unwrap_or_else(|error| content::failed(&self.desk.weights, error.to_string()))
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

    /// Who sent it; nothing for a message in a file.
    async fn look_for_sender(&self, octets: &Bytes, passage: Option<Passage<'_>>) -> Outcome {
        match (&self.authentication, passage) {
            (Some(authentication), Some(passage)) => authentication.check(octets, &passage).await,
            _ => Outcome::default(),
        }
    }

    fn add_sender(&self, look: &mut Look, sender: Outcome) {
        let weights = &self.desk.weights;
        look.findings.extend(sender.sightings.into_iter().map(|seen| weights.weigh(seen)));
        look.orders.extend(sender.orders);
        look.authenticated = sender.authenticated;
        look.demand = sender.demand;
        look.observation = sender.observation;
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
        let look = content::look(&self.desk, &Bytes::copy_from_slice(octets));
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
        let (virus, mut look, sender) = tokio::join!(
            viruses,
            self.look_inside(&octets, passage),
            self.look_for_sender(&octets, passage),
        );
        look.findings.extend(virus.map(|virus| self.desk.weights.weigh(virus)));
        self.add_sender(&mut look, sender);
        look
    }
}

fn authentication(config: &Config, surroundings: &Surroundings) -> Option<Authentication> {
    let resolver = Arc::clone(surroundings.resolver.as_ref()?);
    Authentication::new(config, resolver)
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
