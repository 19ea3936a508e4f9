//! One clamd, and several: INSTREAM and VERSION over a socket, through clamav-client.
//!
//! In: octets. Out: what clamd says of them, or an [`AntivirusError`], never a pass. At most
//! `connections` scans run at once in each, each within `timeout_s` with its wait for a turn.
//! Of several the one with the fewest scans under way is asked; when it fails the next one is,
//! at once. After some failures in a row a clamd is left alone for some seconds; one that
//! failed last is asked after those that did not, until it tells its version again.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clamav_client::tokio::{Socket, Tcp, TransportProtocol, scan_buffer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use super::signatures::Signatures;
use super::stream::Patient;
use super::{AntivirusError, Scan, shown};
use crate::config::{self, ClamdAddress};
use crate::telemetry::metrics::{Counter, registry};

/// Failures in a row before a clamd is left alone.
pub(super) const FAILURES: u32 = 5;
/// For so long; then one message tries it.
const REST: Duration = Duration::from_secs(5);
/// Octets given to clamd at once.
const CHUNK_OCTETS: usize = 128 << 10;
/// For an answer to VERSION.
const VERSION_PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    pub(super) rest_until: Option<Instant>,
}

/// A clamd, how often it failed, and what it knows.
#[derive(Debug)]
pub struct Clamd {
    address: ClamdAddress,
    timeout_s: u64,
    turns: Semaphore,
    under_way: AtomicUsize,
    /// It failed last.
    is_doubted: AtomicBool,
    pub(super) breaker: Mutex<Breaker>,
    signatures: Mutex<Option<Signatures>>,
    scans: Arc<Counter>,
    failures: Arc<Counter>,
}

/// Counts a scan as under way as long as it lives.
struct UnderWay<'a>(&'a AtomicUsize);

impl<'a> UnderWay<'a> {
    fn begin(count: &'a AtomicUsize) -> UnderWay<'a> {
        count.fetch_add(1, Ordering::Relaxed);
        UnderWay(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Clamd {
    fn new(address: &ClamdAddress, settings: &config::Antivirus) -> Clamd {
        let labels = address.to_string();
        let labels = [("clamd", labels.as_str())];
        Clamd {
            address: address.clone(),
            timeout_s: settings.timeout_s,
            turns: Semaphore::new(settings.connections),
            under_way: AtomicUsize::new(0),
            is_doubted: AtomicBool::new(false),
            breaker: Mutex::default(),
            signatures: Mutex::default(),
            scans: registry().counter("postern_clamd_scans_total", "Scans, by clamd.", &labels),
            failures: registry().counter(
                "postern_clamd_failures_total",
                "Scans that failed, by clamd.",
                &labels,
            ),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> &ClamdAddress {
        &self.address
    }

    /// What it said of itself last; none as long as it does not answer.
    pub fn signatures(&self) -> Option<Signatures> {
        self.signatures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has octets scanned.
    pub(super) async fn scan(&self, octets: &[u8]) -> Result<Scan, AntivirusError> {
        self.admit()?;
        let _under_way = UnderWay::begin(&self.under_way);
        self.scans.add_one();
        let deadline = Duration::from_secs(self.timeout_s);
        let result = match tokio::time::timeout(deadline, self.scan_in_turn(octets)).await {
            Ok(result) => result,
            Err(_) => Err(AntivirusError::TimedOut(self.timeout_s)),
        };
        self.note(&result);
        result
    }

    async fn scan_in_turn(&self, octets: &[u8]) -> Result<Scan, AntivirusError> {
        let _turn = self.turns.acquire().await.map_err(io::Error::other)?;
        let answer = match &self.address {
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

    /// Asks for its version; what it says, or that it does not answer, is remembered.
    pub(super) async fn ask_version(&self) -> Result<Signatures, AntivirusError> {
        let asking = async {
            match &self.address {
                ClamdAddress::Unix(socket_path) => version(Patient(Socket { socket_path })).await,
                ClamdAddress::Tcp(host_address) => {
                    let host_address = host_address.as_str();
                    version(Patient(Tcp { host_address })).await
                }
            }
        };
        let asked = match tokio::time::timeout(VERSION_PATIENCE, asking).await {
            Ok(asked) => asked,
            Err(_) => Err(AntivirusError::TimedOut(VERSION_PATIENCE.as_secs())),
        };
        self.is_doubted.store(asked.is_err(), Ordering::Relaxed);
        let known = asked.as_ref().ok().cloned();
        *self.signatures.lock().unwrap_or_else(PoisonError::into_inner) = known;
        asked
    }

    /// Refuses while it is left alone; when that is over, one scan may try it.
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

    pub(super) fn note(&self, result: &Result<Scan, AntivirusError>) {
        self.is_doubted.store(result.is_err(), Ordering::Relaxed);
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        if result.is_ok() {
            *breaker = Breaker::default();
            return;
        }
        self.failures.add_one();
        breaker.failures = breaker.failures.saturating_add(1);
        if breaker.failures >= FAILURES {
            breaker.rest_until = Some(Instant::now() + REST);
        }
    }

    /// By which the next one to ask is chosen.
    fn burden(&self) -> (bool, usize) {
        (self.is_doubted.load(Ordering::Relaxed), self.under_way.load(Ordering::Relaxed))
    }
}

/// All that are configured; there may be none.
#[derive(Debug)]
pub struct Clamds {
    all: Vec<Clamd>,
    /// With which the next choice among equals begins.
    next: AtomicUsize,
}

impl Clamds {
    /// By the configuration; none is contacted yet.
    pub fn new(settings: &config::Antivirus) -> Clamds {
        let all = settings.clamd.iter().map(|address| Clamd::new(address, settings)).collect();
        Clamds { all, next: AtomicUsize::new(0) }
    }

    /// Each.
    pub fn all(&self) -> &[Clamd] {
        &self.all
    }

    /// Has octets scanned by whoever is least busy, then by the others until one answers; with
    /// the answer comes what that one knew.
    pub(super) async fn scan(
        &self,
        octets: &[u8],
    ) -> Result<(Scan, Option<Signatures>), AntivirusError> {
        let mut left: Vec<&Clamd> = self.all.iter().collect();
        if let Some(turn) = self.next.fetch_add(1, Ordering::Relaxed).checked_rem(left.len()) {
            left.rotate_left(turn);
        }
        let mut failed = Vec::new();
        // The burden is asked for anew each time: much may change while one fails.
        while let Some(at) = least_burdened(&left) {
            let clamd = left.remove(at);
            let signatures = clamd.signatures();
            match clamd.scan(octets).await {
                Ok(scan) => return Ok((scan, signatures)),
                Err(error) => {
                    if !left.is_empty() {
                        tracing::warn!(clamd = %clamd.address, %error, "another clamd is asked");
                    }
                    failed.push((clamd, error));
                }
            }
        }
        match failed.len() {
            1 => Err(failed.remove(0).1),
            _ => {
                let told =
                    failed.iter().map(|(clamd, error)| format!("{}: {error}", clamd.address));
                Err(AntivirusError::NoneAnswers(told.collect::<Vec<_>>().join("; ")))
            }
        }
    }

    /// Whether any of them answers now, the least busy asked first.
    pub(super) async fn is_answered(&self) -> bool {
        let mut left: Vec<&Clamd> = self.all.iter().collect();
        while let Some(at) = least_burdened(&left) {
            if left.remove(at).ask_version().await.is_ok() {
                return true;
            }
        }
        false
    }

    /// The newest signatures that any has.
    pub fn newest(&self) -> Option<Signatures> {
        self.all.iter().filter_map(Clamd::signatures).max_by_key(Signatures::rank)
    }
}

fn least_burdened(left: &[&Clamd]) -> Option<usize> {
    left.iter().enumerate().min_by_key(|(_, clamd)| clamd.burden()).map(|(at, _)| at)
}

async fn version<T: TransportProtocol>(way: T) -> Result<Signatures, AntivirusError> {
    /// clamd(8): one line.
    const ANSWER_OCTETS: u64 = 1_024;
    let mut stream = way.connect().await?;
    stream.write_all(b"zVERSION\0").await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_OCTETS).read_to_end(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer);
    Signatures::read(&text).ok_or_else(|| AntivirusError::Nonsense(shown(&text)))
}

/// clamd(8), INSTREAM: `stream: OK`, `stream: NAME FOUND`, or what went wrong.
pub(super) fn read_answer(answer: &[u8]) -> Result<Scan, AntivirusError> {
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
                Ok(Scan::named(shown(name)))
            }
            _ => Err(nonsense(line)),
        },
        None => Err(nonsense(line)),
    }
}
