//! Another engine beside clamd, by ICAP or by command line; off unless it is configured.
//!
//! In: octets. Out: what it says of them, or an [`AntivirusError`], never a pass. So many scans
//! at once, each within its time-out with its wait for a turn.

mod command;
mod icap;

use std::io;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::{AntivirusError, Scan};
use crate::config::{OnFailure, SecondEngine};
use bytes::Bytes;
use icap::Icap;

/// The engine, ready to be asked.
#[derive(Debug)]
pub struct Second {
    way: Way,
    on_failure: OnFailure,
    timeout_s: u64,
    turns: Semaphore,
}

#[derive(Debug)]
enum Way {
    Icap(Icap),
    Command(crate::config::CommandEngine),
}

impl Second {
    /// By its settings; `otherwise` when they do not say what a failure leads to.
    pub fn new(settings: &SecondEngine, otherwise: OnFailure) -> Second {
        let way = match settings {
            SecondEngine::Icap(icap) => Way::Icap(Icap::new(&icap.url)),
            SecondEngine::Command(command) => Way::Command(command.clone()),
        };
        Second {
            way,
            on_failure: settings.on_failure().unwrap_or(otherwise),
            timeout_s: settings.timeout_s(),
            turns: Semaphore::new(settings.connections()),
        }
    }

    /// What a failure leads to.
    pub fn on_failure(&self) -> OnFailure {
        self.on_failure
    }

    /// Has octets scanned.
    pub async fn scan(&self, octets: &Bytes) -> Result<Scan, AntivirusError> {
        let scanning = async {
            let _turn = self.turns.acquire().await.map_err(io::Error::other)?;
            match &self.way {
                Way::Icap(icap) => icap.scan(octets).await,
                Way::Command(settings) => command::scan(settings, octets).await,
            }
        };
        let deadline = Duration::from_secs(self.timeout_s);
        let result = match tokio::time::timeout(deadline, scanning).await {
            Ok(result) => result,
            Err(_) => Err(AntivirusError::TimedOut(self.timeout_s)),
        };
        result.map_err(|error| AntivirusError::Second(error.to_string()))
    }

    /// What it says of its own version, where there is a way to ask.
    pub async fn version(&self) -> Option<String> {
        match &self.way {
            Way::Icap(icap) => icap.version().await,
            Way::Command(_) => None,
        }
    }
}
