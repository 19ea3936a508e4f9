//! How much room there is, and who may still use it.
//!
//! In: the purpose and size of a record. Out: yes or no. The file system is asked at most
//! ten times a second; what was promised since then is subtracted. A file system that cannot
//! be asked counts as having room: the write itself will tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Purpose;
use super::disk::Disk;

const FRESH_FOR: Duration = Duration::from_millis(100);

/// The room that a log has.
#[derive(Debug)]
pub(super) struct Space {
    disk: Arc<dyn Disk>,
    reserve_octets: u64,
    started: Instant,
    /// Milliseconds after `started` at which the file system is to be asked again.
    ask_again_ms: AtomicU64,
    free_octets: AtomicU64,
    promised_octets: AtomicU64,
}

impl Space {
    /// Room on this disk.
    pub(super) fn new(disk: Arc<dyn Disk>, reserve_octets: u64) -> Space {
        Space {
            disk,
            reserve_octets,
            started: Instant::now(),
            ask_again_ms: AtomicU64::new(0),
            free_octets: AtomicU64::new(u64::MAX),
            promised_octets: AtomicU64::new(0),
        }
    }

    /// Free octets above the reserve that a purpose must respect, less what was promised.
    pub(super) fn room_octets(&self, purpose: Purpose) -> u64 {
        self.refresh();
        let free = self.free_octets.load(Ordering::Relaxed);
        let promised = self.promised_octets.load(Ordering::Relaxed);
        let reserve = match purpose {
            Purpose::Intake => self.reserve_octets,
            Purpose::Account => self.reserve_octets / 2,
            Purpose::Outcome => 0,
        };
        free.saturating_sub(promised).saturating_sub(reserve)
    }

    /// Whether a record of so many octets may be written. Outcomes are never refused here.
    pub(super) fn admits(&self, purpose: Purpose, octets: u64) -> bool {
        if purpose == Purpose::Outcome {
            return true;
        }
        let fits = self.room_octets(purpose) > octets;
        if fits {
            self.promised_octets.fetch_add(octets, Ordering::Relaxed);
        }
        fits
    }

    fn refresh(&self) {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let due_ms = self.ask_again_ms.load(Ordering::Relaxed);
        let next_ms = now_ms.saturating_add(FRESH_FOR.as_millis() as u64);
        let order = Ordering::Relaxed;
        let won = now_ms >= due_ms
            && self.ask_again_ms.compare_exchange(due_ms, next_ms, order, order).is_ok();
        if won {
            self.free_octets.store(self.disk.free_octets().unwrap_or(u64::MAX), order);
            self.promised_octets.store(0, order);
        }
    }
}
