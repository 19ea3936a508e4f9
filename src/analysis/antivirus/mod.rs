//! The virus scanner: clamd over its socket, INSTREAM, through clamav-client.
//!
//! In: the octets of a message. Out: clean, infected or too large for the scanner; anything
//! else that clamd says or does is an [`AntivirusError`], never a pass. At most `connections`
//! scans run at once, each within `timeout_s` with its wait for a turn. After a few failures
//! in a row the scanner is left alone for some seconds, so that a dead one does not hold up
//! every message for the whole time-out.

mod stream;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clamav_client::tokio::{Socket, Tcp, scan_buffer};
use tokio::sync::Semaphore;

use super::Sighting;
use crate::config::{self, ClamdAddress, OnFailure};
use stream::Patient;

/// The scanner is to blame, or the way to it.
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
}

/// What the scanner says of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scan {
    /// Nothing was found.
    Clean,
    /// The name of the signature.
    Infected(String),
    /// Larger than the scanner takes.
    TooLarge,
}

/// Failures in a row before the scanner is left alone.
const FAILURES: u32 = 5;
/// For so long; then one message tries it.
const REST: Duration = Duration::from_secs(5);
/// Octets given to clamd at once.
const CHUNK_OCTETS: usize = 128 << 10;
/// Characters of an answer that are shown.
const SHOWN_CHARS: usize = 120;

#[derive(Debug, Default)]
struct Breaker {
    failures: u32,
    rest_until: Option<Instant>,
}

/// A clamd and how often it failed.
#[derive(Debug)]
pub struct Antivirus {
    settings: config::Antivirus,
    turns: Semaphore,
    breaker: Mutex<Breaker>,
}

impl Antivirus {
    /// A scanner by its settings; it is not contacted yet.
    pub fn new(settings: &config::Antivirus) -> Antivirus {
        Antivirus {
            settings: settings.clone(),
            turns: Semaphore::new(settings.connections),
            breaker: Mutex::new(Breaker::default()),
        }
    }

    /// What to do when it fails.
    pub fn on_failure(&self) -> OnFailure {
        self.settings.on_failure
    }

    /// Has a message scanned.
    pub async fn scan(&self, octets: &[u8]) -> Result<Scan, AntivirusError> {
        self.admit()?;
        let deadline = self.settings.timeout();
        let result = match tokio::time::timeout(deadline, self.scan_in_turn(octets)).await {
            Ok(result) => result,
            Err(_) => Err(AntivirusError::TimedOut(self.settings.timeout_s)),
        };
        self.note(&result);
        result
    }

    async fn scan_in_turn(&self, octets: &[u8]) -> Result<Scan, AntivirusError> {
        let _turn = self.turns.acquire().await.map_err(io::Error::other)?;
        let answer = match &self.settings.clamd {
            ClamdAddress::Unix(socket_path) => {
                scan_buffer(octets, Patient(Socket { socket_path }), Some(CHUNK_OCTETS)).await?
            }
            ClamdAddress::Tcp(host_address) => {
                let host_address = host_address.as_str();
                scan_buffer(octets, Patient(Tcp { host_address }), Some(CHUNK_OCTETS)).await?
            }
        };
        read_answer(&answer)
    }

    /// Refuses while the scanner is left alone; when that is over, one scan may try it.
    fn admit(&self) -> Result<(), AntivirusError> {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match breaker.rest_until {
            Some(until) if now < until => Err(AntivirusError::Resting(breaker.failures)),
            Some(_) => {
                breaker.rest_until = Some(now + REST);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn note(&self, result: &Result<Scan, AntivirusError>) {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        if result.is_ok() {
            *breaker = Breaker::default();
            return;
        }
        breaker.failures = breaker.failures.saturating_add(1);
        if breaker.failures >= FAILURES {
            breaker.rest_until = Some(Instant::now() + REST);
        }
    }
}

/// clamd(8), INSTREAM: `stream: OK`, `stream: NAME FOUND`, or what went wrong.
fn read_answer(answer: &[u8]) -> Result<Scan, AntivirusError> {
    let nonsense = |text: &str| AntivirusError::Nonsense(shown(text));
    let text = String::from_utf8_lossy(answer);
    let line = text.trim_end_matches(['\0', '\n', '\r']);
    if line == "INSTREAM size limit exceeded. ERROR" {
        return Ok(Scan::TooLarge);
    }
    match line.strip_prefix("stream: ") {
        Some("OK") => Ok(Scan::Clean),
        Some(rest) => match rest.strip_suffix(" FOUND") {
            Some(name) if !name.trim().is_empty() && !name.contains(char::is_control) => {
                Ok(Scan::Infected(shown(name)))
            }
            _ => Err(nonsense(line)),
        },
        None => Err(nonsense(line)),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}

/// What a scan saw, if anything.
pub(super) fn sighting(scan: &Scan) -> Option<Sighting> {
    match scan {
        Scan::Clean => None,
        Scan::Infected(name) => Some(Sighting::new("VIRUS_FOUND", format!("signature {name}"))),
        Scan::TooLarge => Some(Sighting::new("AV_TOO_LARGE", "")),
    }
}

/// Of a mail that waits until the scanner answers again.
pub(super) fn unavailable(error: &AntivirusError) -> Sighting {
    Sighting::new("AV_UNAVAILABLE", error.to_string())
}

/// Of a mail that is delivered although the scanner failed.
pub(super) fn failed(error: &AntivirusError) -> Sighting {
    Sighting::new("AV_FAILED", error.to_string())
}

/// Of every mail of a box without a scanner.
pub(super) fn absent() -> Sighting {
    Sighting::new("AV_ABSENT", "")
}
