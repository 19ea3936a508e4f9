//! Looks into a mail, one file per stage; mints `Mail<Scanned>`. No stage decides.
//!
//! In: `Mail<Received>`, or content alone. Out: findings and a summary. Whatever the message
//! is, there is an answer: a parser that panics becomes a finding, a deadline that passes is
//! a deferral or a hold as configured. The only failure is [`Failure::Defer`], with words for
//! the operator. Small messages are looked into where the session runs, large ones on a
//! thread of their own, a few at once, while the virus scanner works beside.

pub mod antivirus;
pub mod classifier;
mod content;
mod likeness;
pub mod rules;
mod stage;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;

pub use stage::Scanned;

use crate::config::{Config, DeadlinePolicy, OnFailure};
use crate::mail::{Class, Content, Finding, Mail, Summary};
use crate::session::Received;
use antivirus::Antivirus;
use likeness::Likeness;
use rules::{RuleError, RuleSet};

/// Larger messages leave the session's thread.
const INLINE_OCTETS: u64 = 256 << 10;

/// Why there is no answer now; the sender shall try again.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// For the operator: what failed.
    #[error("{0}")]
    Defer(String),
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
}

/// All stages, ready to run; made anew when the configuration changes.
#[derive(Debug)]
pub struct Analysis {
    rules: Arc<RuleSet>,
    likeness: Arc<Likeness>,
    antivirus: Option<Antivirus>,
    timeout: Duration,
    on_timeout: DeadlinePolicy,
    /// Large messages that are in memory at once.
    large: Semaphore,
}

impl Analysis {
    /// The stages by the configuration. Compiles the content rules, which may take seconds
    /// unless they are as they were the last time, and reads the classifier's model.
    pub fn new(config: &Config) -> Result<Arc<Analysis>, RuleError> {
        let data_dir = Some(config.system.data_dir.as_path()).filter(|dir| dir.is_dir());
        let rules = RuleSet::load(&config.content.dirs, &config.content.disabled, data_dir)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Arc::new(Analysis {
            rules,
            likeness: Arc::new(Likeness::in_dir(&config.system.data_dir)),
            antivirus: config.antivirus.as_ref().map(Antivirus::new),
            timeout: config.limits.analysis_timeout(),
            on_timeout: config.limits.on_analysis_timeout,
            large: Semaphore::new(2 * cores),
        }))
    }

    /// The stages as they are shipped, without a virus scanner or a model. Compiled patterns are kept in
    /// the user's cache folder, when there is one.
    pub fn shipped() -> Result<Arc<Analysis>, RuleError> {
        let limits = crate::config::Limits::default();
        Ok(Arc::new(Analysis {
            rules: RuleSet::load(&[], &[], user_cache_dir().as_deref())?,
            likeness: Arc::new(Likeness::Untrained),
            antivirus: None,
            timeout: limits.analysis_timeout(),
            on_timeout: limits.on_analysis_timeout,
            large: Semaphore::new(1),
        }))
    }

    /// The content rules in force.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Looks into a received mail.
    pub async fn scan(&self, mail: Mail<Received>) -> Result<Mail<Scanned>, Failure> {
        let look = self.look(&mail.content).await?;
        Ok(mail.advance(|received| Scanned::mint(received, look)))
    }

    /// Looks into content, as again for a mail that was held unscanned.
    pub async fn look(&self, content: &Content) -> Result<Look, Failure> {
        match tokio::time::timeout(self.timeout, self.look_all(content)).await {
            Ok(result) => result,
            Err(_) => self.too_late(),
        }
    }

    fn too_late(&self) -> Result<Look, Failure> {
        let why = format!("analysis did not end within {} s", self.timeout.as_secs());
        match self.on_timeout {
            DeadlinePolicy::Defer => Err(Failure::Defer(why)),
            DeadlinePolicy::Hold => {
                let finding = Finding::new("ANALYSIS_TIMEOUT", Class::Unscannable, 0.0, why);
                Ok(Look { findings: vec![finding], summary: Summary::default(), unscanned: true })
            }
        }
    }

    async fn look_all(&self, content: &Content) -> Result<Look, Failure> {
        let _turn = match content.len() > INLINE_OCTETS {
            true => self.large.acquire().await.ok(),
            false => None,
        };
        let octets = read(content).await?;
        let (virus, look) = tokio::join!(self.look_for_viruses(&octets), self.look_inside(&octets));
        let (virus, unscanned) = virus?;
        let mut look = look;
        look.findings.extend(virus);
        look.unscanned |= unscanned;
        Ok(look)
    }

    async fn look_inside(&self, octets: &Bytes) -> Look {
        if octets.len() as u64 <= INLINE_OCTETS {
            return content::look(&self.rules, &self.likeness, octets);
        }
        let (rules, likeness) = (Arc::clone(&self.rules), Arc::clone(&self.likeness));
        let octets = octets.clone();
        let work = move || content::look(&rules, &likeness, &octets);
        let look = tokio::task::spawn_blocking(work).await;
        look.unwrap_or_else(|error| content::failed(error.to_string()))
    }

    /// The scanner's finding, and whether the mail must be scanned again.
    async fn look_for_viruses(&self, octets: &Bytes) -> Result<(Option<Finding>, bool), Failure> {
        let Some(antivirus) = &self.antivirus else {
            return Ok((Some(antivirus::absent()), false));
        };
        let error = match antivirus.scan(octets).await {
            Ok(scan) => return Ok((antivirus::finding(&scan), false)),
            Err(error) => error,
        };
        tracing::warn!(%error, on_failure = ?antivirus.on_failure(), "virus scan failed");
        match antivirus.on_failure() {
            OnFailure::Defer => Err(Failure::Defer(error.to_string())),
            OnFailure::Hold => Ok((Some(antivirus::unavailable(&error)), true)),
            OnFailure::Deliver => Ok((Some(antivirus::failed(&error)), false)),
        }
    }

    /// Looks into octets without the virus scanner, on the caller's thread.
    pub fn scan_message(&self, octets: &[u8]) -> (Vec<Finding>, Summary) {
        let look = content::look(&self.rules, &self.likeness, &Bytes::copy_from_slice(octets));
        (look.findings, look.summary)
    }

    /// The same with the virus scanner, when there is one; its failure is a finding.
    pub async fn scan_octets(&self, octets: Bytes) -> (Vec<Finding>, Summary) {
        let look = self.look_inside(&octets);
        let Some(antivirus) = &self.antivirus else {
            let mut look = look.await;
            look.findings.push(antivirus::absent());
            return (look.findings, look.summary);
        };
        let (virus, mut look) = tokio::join!(antivirus.scan(&octets), look);
        match virus {
            Ok(scan) => look.findings.extend(antivirus::finding(&scan)),
            Err(error) => look.findings.push(antivirus::unavailable(&error)),
        }
        (look.findings, look.summary)
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
