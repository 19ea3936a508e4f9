//! Malware: several clamd, a second engine, and digests that must not come in.
//!
//! In: the octets of a message, and the files that it carries. Out: sightings, and what failed.
//! The whole message is scanned, and each part and unpacked file by itself, for an engine may
//! not read or open it as we do: at once what it may not have come to, the others after the
//! message. Each digest once a message, and never twice while its verdict is remembered.
//! Anything that an engine says or does that is no answer is an [`AntivirusError`], never a
//! pass; `on_failure` then says what becomes of the mail.

pub mod blocklist;
mod cache;
mod clamd;
#[cfg(test)]
mod flow_tests;
pub mod outbreak;
mod second;
mod signatures;
mod stream;
mod subjects;
#[cfg(test)]
mod subjects_tests;
#[cfg(test)]
mod tests;

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ring::digest::{SHA256, digest};
use tokio::sync::OnceCell;

pub use cache::Digest;
pub use clamd::{Clamd, Clamds};
pub use signatures::Signatures;
pub(in crate::analysis) use subjects::room;
pub use subjects::{Carried, Subject};

use super::Sighting;
use crate::config::{self, OnFailure};
use blocklist::Blocklist;
use cache::Cache;
use second::Second;

/// An engine is to blame, or the way to it.
#[derive(Debug, thiserror::Error)]
pub enum AntivirusError {
    /// No connection, or it broke.
    #[error("virus scanner: {0}")]
    Io(#[from] io::Error),
    /// No answer in time.
    #[error("virus scanner: no answer within {0} s")]
    TimedOut(u64),
    /// An answer that means nothing.
    #[error("virus scanner: unexpected answer {0:?}")]
    Nonsense(String),
    /// It failed again and again and is left alone for a while.
    #[error("virus scanner: left alone after {0} failures in a row")]
    Resting(u32),
    /// Each of several failed.
    #[error("no virus scanner answers: {0}")]
    NoneAnswers(String),
    /// The second engine failed.
    #[error("second engine: {0}")]
    Second(String),
}

/// What an engine says of octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scan {
    /// Nothing was found.
    Clean,
    /// The name of the signature.
    Infected(String),
    /// Why the engine did not look at all of it, in its words: nothing is known of the rest.
    Unread(String),
    /// Larger than the engine takes.
    TooLarge,
}

/// What ClamAV says, as if it were a signature, of what a password keeps it out of.
const ENCRYPTED: &str = "Heuristics.Encrypted.";
/// The same of what is larger or deeper than it looks.
const LIMITS: &str = "Heuristics.Limits.";

impl Scan {
    /// By the name that an engine gives to what it found.
    fn named(name: String) -> Scan {
        match name.starts_with(ENCRYPTED) || name.starts_with(LIMITS) {
            true => Scan::Unread(name),
            false => Scan::Infected(name),
        }
    }
}

/// Whether a verdict that is remembered will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It will.
    Remembered,
    /// The engines are to be asked, whatever they said before.
    Anew,
}

/// An engine that did not answer, and what that leads to.
#[derive(Debug)]
pub struct Failed {
    /// Why.
    pub error: AntivirusError,
    /// As configured for this engine.
    pub on_failure: OnFailure,
}

/// For one look: what may serve, and whether somebody would answer if asked.
struct Manner {
    freshness: Freshness,
    is_answered: OnceCell<bool>,
}

impl Manner {
    fn new(freshness: Freshness) -> Manner {
        Manner { freshness, is_answered: OnceCell::new() }
    }
}

/// What was seen, and what failed.
#[derive(Debug, Default)]
pub struct Outcome {
    /// In no order.
    pub sightings: Vec<Sighting>,
    /// Engines that did not answer; nothing was missed when there is none.
    pub failed: Vec<Failed>,
    /// The message as a whole is larger than an engine takes.
    pub is_too_large: bool,
    /// Of the message as a whole.
    pub whole: Option<Digest>,
}

impl Outcome {
    /// One sighting.
    pub fn of(sighting: Sighting) -> Outcome {
        Outcome { sightings: vec![sighting], ..Outcome::default() }
    }

    /// Both together.
    pub fn and(mut self, other: Outcome) -> Outcome {
        self.sightings.extend(other.sightings);
        self.failed.extend(other.failed);
        self.is_too_large |= other.is_too_large;
        self.whole = self.whole.or(other.whole);
        self
    }

    /// Whether malware was found: then it does not matter what failed.
    pub fn is_infected(&self) -> bool {
        let names = ["VIRUS_FOUND", "DIGEST_BLOCKED"];
        self.sightings.iter().any(|one| names.contains(&one.name))
    }
}

/// Characters of an answer that are shown.
const SHOWN_CHARS: usize = 120;
/// Files of one message that are scanned at the same time.
const ITEMS_AT_ONCE: usize = 4;
/// Larger octets are digested on a thread of their own.
const INLINE_OCTETS: usize = 1 << 20;

/// The engines and what they said.
#[derive(Debug)]
pub struct Antivirus {
    settings: config::Antivirus,
    clamds: Clamds,
    second: Option<Second>,
    cache: Cache,
    blocklist: Blocklist,
}

impl Antivirus {
    /// By the settings; no engine is contacted yet. Reads lists of digests: blocks.
    pub fn new(settings: &config::Antivirus) -> Antivirus {
        // Beside a clamd the second engine is an addition; alone it is all there is.
        let otherwise =
            if settings.clamd.is_empty() { settings.on_failure } else { OnFailure::Deliver };
        let patience = Duration::from_secs(settings.cache_minutes.saturating_mul(60));
        Antivirus {
            clamds: Clamds::new(settings),
            second: settings.second.as_ref().map(|second| Second::new(second, otherwise)),
            cache: Cache::new(settings.cache_entries, patience),
            blocklist: Blocklist::new(&settings.digests),
            settings: settings.clone(),
        }
    }

    /// As configured.
    pub fn settings(&self) -> &config::Antivirus {
        &self.settings
    }

    /// Each clamd, for whoever shows how they are.
    pub fn clamds(&self) -> &Clamds {
        &self.clamds
    }

    /// The lists of digests.
    pub fn blocklist(&self) -> &Blocklist {
        &self.blocklist
    }

    /// Asks every engine for its version and lets remembered verdicts go when one has changed;
    /// returns what all of them know together. Errors are the engines' that do not answer.
    pub async fn ask_versions(&self) -> (String, Vec<String>) {
        let mut silent = Vec::new();
        for clamd in self.clamds.all() {
            if let Err(error) = clamd.ask_version().await {
                silent.push(format!("{}: {error}", clamd.address()));
            }
        }
        let second = match &self.second {
            Some(second) => second.version().await.unwrap_or_default(),
            None => String::new(),
        };
        let newest = self.clamds.newest().map(|newest| newest.to_string()).unwrap_or_default();
        let version = if second.is_empty() { newest } else { format!("{newest}; {second}") };
        if silent.len() < self.clamds.all().len() || !second.is_empty() {
            // What cannot be asked has changed as little as it has not.
            self.cache.set_version(&version);
        }
        (version, silent)
    }

    /// Looks at the whole message.
    pub async fn look_at_whole(&self, octets: &Bytes, freshness: Freshness) -> Outcome {
        let mut outcome = Outcome::default();
        let digest = digest_of(octets).await;
        outcome.whole = Some(digest);
        self.look_up(&digest, "the whole message", &mut outcome);
        match self.settings.has_engine() {
            true => {
                let manner = Manner::new(freshness);
                self.scan(octets, digest, &manner, "", &mut outcome).await;
            }
            false => outcome.sightings.push(absent()),
        }
        outcome
    }

    /// Looks at what the message carries: each file against the lists of digests, and by the
    /// engines what one of them may not reach through the message.
    pub async fn look_at_files(&self, carried: &Carried, freshness: Freshness) -> Outcome {
        let mut outcome = Outcome::default();
        for subject in &carried.subjects {
            self.look_up(&subject.digest, &subject.path, &mut outcome);
        }
        if !self.settings.has_engine() {
            return outcome;
        }
        let chosen = subjects::choose(carried, self.settings.items);
        if let Some(first) = chosen.missed.first() {
            let more = chosen.missed.len() - 1;
            let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
            outcome.sightings.push(Sighting::new("AV_INCOMPLETE", format!("{first}{more}")));
        }
        outcome.and(self.scan_each(&chosen.unreached, freshness).await)
    }

    /// Looks at the rest of what the message carries, once the engines have said of it and of
    /// those files what they say: what they came to already they know, and answer at once. Of a
    /// message that is too large they have seen nothing.
    pub async fn look_at_rest(
        &self,
        carried: &Carried,
        said: &Outcome,
        freshness: Freshness,
    ) -> Outcome {
        if !self.settings.has_engine() {
            return Outcome::default();
        }
        let mut rest = subjects::choose(carried, self.settings.items).reached;
        if said.is_too_large {
            rest.extend(subjects::bare(carried));
        }
        self.scan_each(&rest, freshness).await
    }

    async fn scan_each(&self, subjects: &[&Subject], freshness: Freshness) -> Outcome {
        let manner = &Manner::new(freshness);
        let lane = |lane: usize| async move {
            let mut outcome = Outcome::default();
            for subject in subjects.iter().skip(lane).step_by(ITEMS_AT_ONCE) {
                let Some(octets) = &subject.octets else { continue };
                let path = subject.path.as_str();
                self.scan(octets, subject.digest, manner, path, &mut outcome).await;
                // The first failure decides; more would only cost their time-outs.
                if !outcome.failed.is_empty() {
                    break;
                }
            }
            outcome
        };
        let (one, two, three, four) = tokio::join!(lane(0), lane(1), lane(2), lane(3));
        one.and(two).and(three).and(four)
    }

    fn look_up(&self, digest: &Digest, path: &str, outcome: &mut Outcome) {
        let digests = self.blocklist.digests();
        let Some(name) = digests.name_of(digest) else { return };
        let named = if name.is_empty() { String::new() } else { format!("{name}, ") };
        let detail = format!("{path}: {named}SHA-256 {}", blocklist::hex_of(digest));
        outcome.sightings.push(Sighting::new("DIGEST_BLOCKED", detail));
    }

    /// Asks every engine about octets. An empty path stands for the message as a whole.
    async fn scan(
        &self,
        octets: &Bytes,
        digest: Digest,
        manner: &Manner,
        path: &str,
        outcome: &mut Outcome,
    ) {
        let known = match manner.freshness {
            Freshness::Remembered => self.cache.find(&digest, Instant::now()),
            Freshness::Anew => None,
        };
        // That nothing is wrong is only said while somebody is there who would know.
        let known = match known {
            Some(Scan::Clean) if !self.is_answered(manner).await => None,
            known => known,
        };
        let said = match known {
            Some(scan) => Said { scan, failed: Vec::new() },
            None => self.ask_engines(octets, digest).await,
        };
        outcome.failed.extend(said.failed);
        let place = if path.is_empty() { String::new() } else { format!("{path}: ") };
        match said.scan {
            Scan::Clean => {}
            Scan::Infected(name) => {
                let detail = format!("{place}signature {name}");
                outcome.sightings.push(Sighting::new("VIRUS_FOUND", detail));
            }
            Scan::Unread(name) => {
                let finding = match name.starts_with(ENCRYPTED) {
                    true => "AV_ENCRYPTED",
                    false => "AV_INCOMPLETE",
                };
                outcome.sightings.push(Sighting::new(finding, format!("{place}{name}")));
            }
            Scan::TooLarge => {
                outcome.is_too_large |= path.is_empty();
                outcome.sightings.push(Sighting::new("AV_TOO_LARGE", path));
            }
        }
    }

    /// Whether a clamd answers, and none has learned anything since it was last asked. Asked
    /// once a look: much cheaper than a scan.
    async fn is_answered(&self, manner: &Manner) -> bool {
        let asking = || async {
            if self.clamds.all().is_empty() {
                return true;
            }
            let before = self.clamds.newest();
            let is_answered = self.clamds.is_answered().await;
            let newest = self.clamds.newest();
            if newest != before {
                let version = newest.map(|newest| newest.to_string()).unwrap_or_default();
                self.cache.set_version(&version);
                return false;
            }
            is_answered
        };
        *manner.is_answered.get_or_init(asking).await
    }

    async fn ask_engines(&self, octets: &Bytes, digest: Digest) -> Said {
        let version = self.cache.version();
        let first = async {
            match self.clamds.all().is_empty() {
                true => None,
                false => Some(self.clamds.scan(octets).await),
            }
        };
        let second = async {
            match &self.second {
                Some(second) => Some((second.scan(octets).await, second.on_failure())),
                None => None,
            }
        };
        let (first, second) = tokio::join!(first, second);
        let mut said = Said { scan: Scan::Clean, failed: Vec::new() };
        let mut knew = None;
        match first {
            Some(Ok((scan, signatures))) => {
                knew = signatures;
                said.add(scan);
            }
            Some(Err(error)) => {
                said.failed.push(Failed { error, on_failure: self.settings.on_failure });
            }
            None => {}
        }
        match second {
            Some((Ok(scan), _)) => said.add(scan),
            Some((Err(error), on_failure)) => said.failed.push(Failed { error, on_failure }),
            None => {}
        }
        // What somebody with older signatures said does not count for long.
        if said.failed.is_empty() && knew == self.clamds.newest() {
            self.cache.remember(digest, &said.scan, &version, Instant::now());
        }
        said
    }

    /// Scans octets that are kept from a mail that was delivered; nothing that is remembered
    /// counts.
    pub async fn scan_again(&self, octets: &Bytes) -> Result<Option<String>, AntivirusError> {
        let said = self.ask_engines(octets, digest_of(octets).await).await;
        match said.scan {
            Scan::Infected(name) => Ok(Some(name)),
            Scan::Clean | Scan::Unread(_) | Scan::TooLarge => {
                match said.failed.into_iter().next() {
                    Some(failed) => Err(failed.error),
                    None => Ok(None),
                }
            }
        }
    }
}

/// What all engines say together.
struct Said {
    scan: Scan,
    failed: Vec<Failed>,
}

impl Said {
    /// The worst counts; of two names the first.
    fn add(&mut self, scan: Scan) {
        match (&self.scan, &scan) {
            (Scan::Infected(_), _) | (_, Scan::Clean) => {}
            _ => self.scan = scan,
        }
    }
}

/// SHA-256.
pub(super) async fn digest_of(octets: &Bytes) -> Digest {
    if octets.len() <= INLINE_OCTETS {
        return sha256(octets);
    }
    let shared = octets.clone();
    let digested = tokio::task::spawn_blocking(move || sha256(&shared)).await;
    digested.unwrap_or_else(|_| sha256(octets))
}

/// SHA-256, on the caller's thread.
pub(super) fn sha256(octets: &[u8]) -> Digest {
    let mut sum = [0; 32];
    let digested = digest(&SHA256, octets);
    sum.iter_mut().zip(digested.as_ref()).for_each(|(into, from)| *into = *from);
    sum
}

fn shown(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { '?' } else { letter };
    text.chars().take(SHOWN_CHARS).map(plain).collect()
}

/// Of a mail that waits until the engine answers again.
pub(super) fn unavailable(error: &AntivirusError) -> Sighting {
    Sighting::new("AV_UNAVAILABLE", error.to_string())
}

/// Of a mail that is delivered although an engine failed.
pub(super) fn failed(error: &AntivirusError) -> Sighting {
    match error {
        AntivirusError::Second(_) => Sighting::new("AV_SECOND_FAILED", error.to_string()),
        _ => Sighting::new("AV_FAILED", error.to_string()),
    }
}

/// Of every mail of a box without a scanner.
pub(super) fn absent() -> Sighting {
    Sighting::new("AV_ABSENT", "")
}
