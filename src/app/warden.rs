//! Watches over the virus scanners: asks what they know, raises the alarm when that grows old,
//! and has what was delivered looked at again when it is new.
//!
//! In: the clock, and what the scanners say of themselves. Out: gauges, events, notices to the
//! postmaster, findings in the store. Nothing here stands in the way of mail: a store or a
//! scanner that fails costs a round, and the next one makes up for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::pipeline::Line;
use crate::action::Settings;
use crate::admin::Watchful;
use crate::admin::api::{AntivirusRow, ClamdRow};
use crate::analysis::antivirus::{Antivirus, Signatures};
use crate::config::Config;
use crate::delivery::outcome::ms_since_1970;
use crate::store::Store;
use crate::store::vault::Vault;
use crate::telemetry::metrics::{Gauge, registry};

mod notice;
mod rescan;

/// Between two looks at a box without scanners: a reload may bring some.
const IDLE_PAUSE: Duration = Duration::from_secs(60);
/// Between two times of forgetting what is old.
const EXPIRY_PAUSE: Duration = Duration::from_secs(600);

/// What was last seen.
#[derive(Debug, Default)]
struct Seen {
    version: String,
    /// Of the newest signatures since the start.
    rank: (u32, u64),
    is_stale: bool,
    last_rescan_ms: Option<u64>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Warden {
    line: Arc<Line>,
    store: Arc<Store>,
    vault: Option<Arc<Vault>>,
    settings: ArcSwap<Settings>,
    seen: Mutex<Seen>,
    is_rescanning: AtomicBool,
    age_s: Arc<Gauge>,
    stale: Arc<Gauge>,
    kept_octets: Arc<Gauge>,
}

impl Warden {
    pub(super) fn new(
        config: &Config,
        line: &Arc<Line>,
        store: &Arc<Store>,
        vault: Option<Arc<Vault>>,
    ) -> Arc<Warden> {
        let gauge = |name, help| registry().gauge(name, help, &[]);
        Arc::new(Warden {
            line: Arc::clone(line),
            store: Arc::clone(store),
            vault,
            settings: ArcSwap::from_pointee(Settings::new(config)),
            seen: Mutex::default(),
            is_rescanning: AtomicBool::new(false),
            age_s: gauge(
                "postern_antivirus_signatures_age_seconds",
                "Age of the newest signatures that any clamd has.",
            ),
            stale: gauge(
                "postern_antivirus_signatures_stale",
                "1 while the signatures are older than stale_hours.",
            ),
            kept_octets: gauge(
                "postern_antivirus_kept_octets",
                "Octets of delivered files that are kept to be scanned again.",
            ),
        })
    }

    /// Who is written to from now on.
    pub(super) fn reload(&self, config: &Config) {
        self.settings.store(Arc::new(Settings::new(config)));
    }

    /// Watches until told to stop.
    pub(super) async fn run(self: Arc<Warden>, mut stop: watch::Receiver<bool>) {
        let stopped = stop.clone();
        let mut forgotten: Option<tokio::time::Instant> = None;
        loop {
            let antivirus = self.line.judging.load().analysis.antivirus().cloned();
            let pause = match &antivirus {
                Some(antivirus) => {
                    tokio::select! {
                        _ = stop.wait_for(|stop| *stop) => return,
                        () = self.look(antivirus, &stopped) => {}
                    }
                    Duration::from_secs(antivirus.settings().check_every_s)
                }
                None => IDLE_PAUSE,
            };
            if forgotten.is_none_or(|at| at.elapsed() >= EXPIRY_PAUSE) {
                forgotten = Some(tokio::time::Instant::now());
                self.forget(antivirus.as_deref()).await;
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One look at everything.
    async fn look(self: &Arc<Self>, antivirus: &Arc<Antivirus>, stop: &watch::Receiver<bool>) {
        let lists = Arc::clone(antivirus);
        if tokio::task::spawn_blocking(move || lists.blocklist().refresh()).await.is_err() {
            tracing::error!("reading the lists of digests broke off");
        }
        let (version, silent) = antivirus.ask_versions().await;
        for silent in silent {
            tracing::warn!("a virus scanner does not answer: {silent}");
        }
        for clamd in antivirus.clamds().all() {
            let address = clamd.address().to_string();
            let help = "1 while the clamd answers.";
            let up = registry().gauge("postern_clamd_up", help, &[("clamd", address.as_str())]);
            up.set(i64::from(clamd.signatures().is_some()));
        }
        let is_new = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let is_new = !version.is_empty() && seen.version != version;
            if is_new {
                seen.version.clone_from(&version);
            }
            is_new
        };
        if is_new {
            tracing::info!(version, "virus signatures");
        }
        self.watch_age(antivirus).await;
        // While the clamd with the newest signatures is away, the others know less than was
        // asked before.
        let rank = antivirus.clamds().newest().map(|newest| newest.rank()).unwrap_or_default();
        let is_behind = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.rank = seen.rank.max(rank);
            rank < seen.rank
        };
        let version = if is_behind { String::new() } else { version };
        self.rescan_if_due(antivirus, version, stop);
    }

    /// Says once that the signatures are old, and once that they are not any more.
    async fn watch_age(&self, antivirus: &Antivirus) {
        let limit_s = antivirus.settings().stale_hours.saturating_mul(3_600);
        let built_s = antivirus.clamds().newest().and_then(|newest| newest.built_s);
        // Without a date, as of signatures that are all a site's own, nothing can be said.
        let Some(built_s) = built_s else { return };
        let age_s = (now_ms() / 1_000).saturating_sub(built_s);
        self.age_s.set(i64::try_from(age_s).unwrap_or(i64::MAX));
        let is_stale = limit_s > 0 && age_s > limit_s;
        self.stale.set(i64::from(is_stale));
        let was_stale = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut seen.is_stale, is_stale)
        };
        let age_h = age_s / 3_600;
        match (was_stale, is_stale) {
            (false, true) => {
                tracing::error!(age_h, "virus signatures are stale");
                let limit_h = antivirus.settings().stale_hours;
                self.send(notice::stale(age_h, limit_h)).await;
            }
            (true, false) => {
                tracing::info!(age_h, "virus signatures are fresh again");
                self.send(notice::fresh(age_h)).await;
            }
            _ => {}
        }
    }

    async fn forget(&self, antivirus: Option<&Antivirus>) {
        let rescan = antivirus.map(|antivirus| antivirus.settings().rescan.clone());
        let rescan = rescan.unwrap_or_default();
        let (store, vault) = (Arc::clone(&self.store), self.vault.clone());
        let keep_ms = u64::from(rescan.keep_days).saturating_mul(86_400_000);
        let before_ms = now_ms().saturating_sub(keep_ms);
        let forgetting = tokio::task::spawn_blocking(move || {
            if let Some(vault) = &vault {
                vault.expire(before_ms / 1_000, rescan.keep_octets);
            }
            store.delivered().expire(before_ms, rescan.messages)
        });
        match forgetting.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "old deliveries cannot be forgotten"),
            Err(error) => tracing::error!(%error, "forgetting old deliveries broke off"),
        }
        if let Some(vault) = &self.vault {
            self.kept_octets.set(i64::try_from(vault.octets()).unwrap_or(i64::MAX));
        }
    }

    /// Writes to the postmaster.
    async fn send(&self, notice: notice::Notice) {
        let settings = self.settings.load_full();
        if let Err(error) = notice.send(&settings, &self.line.spool, &self.line.journal).await {
            tracing::error!(%error, "a notice to the postmaster cannot be sent");
        }
    }

    fn begin_rescan(&self) -> bool {
        !self.is_rescanning.swap(true, Ordering::AcqRel)
    }
}

impl Watchful for Warden {
    fn standing(&self) -> AntivirusRow {
        let judging = self.line.judging.load_full();
        let antivirus = judging.analysis.antivirus();
        let clamds = antivirus.map(|antivirus| antivirus.clamds().all()).unwrap_or_default();
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        AntivirusRow {
            clamds: clamds
                .iter()
                .map(|clamd| clamd_row(clamd.address().to_string(), clamd.signatures()))
                .collect(),
            version: seen.version.clone(),
            stale: seen.is_stale,
            digests: antivirus.map_or(0, |antivirus| antivirus.blocklist().digests().len()),
            delivered: self.store.delivered().len(),
            kept_octets: self.vault.as_ref().map_or(0, |vault| vault.octets()),
            rescanning: self.is_rescanning.load(Ordering::Acquire),
            last_rescan: seen.last_rescan_ms.map(crate::admin::api::time_of),
        }
    }
}

fn clamd_row(address: String, signatures: Option<Signatures>) -> ClamdRow {
    let answers = signatures.is_some();
    let known = signatures.unwrap_or_default();
    ClamdRow {
        address,
        answers,
        engine: known.engine,
        signatures: known.number,
        built: known.built_s.map(|at_s| crate::admin::api::time_of(at_s.saturating_mul(1_000))),
    }
}

fn now_ms() -> u64 {
    ms_since_1970(SystemTime::now())
}
