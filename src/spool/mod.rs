//! The spool: mail that the box has answered for and not yet passed on. Mints
//! `Mail<Spooled>`, the only thing that a `250` may be given for.
//!
//! In: judged mail, the box's own reports, outcomes, the administrator's acts. Out: mail whose
//! time has come, one holder at a time; views of the queue. Stands on the durable log in
//! `data_dir/spool`; memory holds a small entry for each mail and nothing else, beside the
//! content of fresh mail up to a limit.
//!
//! Records: one *accept* record a mail with its content; *state* records that tell all that
//! changed since (each replaces the one before); at most one *judgement* record that replaces
//! the judgement of a mail that was held unscanned; one *end* record, the obituary.
//!
//! Invariants: a mail exists from the moment its accept record is durable until its end
//! record is; an outcome that a crash swallows leads to a second delivery, never to a loss;
//! a mail is held by one task at a time, and comes back when that task dies.
//!
//! Fails with [`CommitError`] towards the session and [`SpoolError`] towards the operator.

mod act;
mod commit;
mod entry;
mod page;
mod record;
mod recovery;
mod schedule;
mod stage;
mod table;
mod view;

#[cfg(test)]
mod kill;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

use crate::config::SpoolSettings;
use crate::log::{Log, LogError, LogOptions, Position, Relocate};
use crate::mail::{Mail, MailId};

pub use act::{Act, Attempt};
pub use commit::OwnMail;
pub use page::QueuePage;
pub use record::{Origin, Outcome};
pub use recovery::Recovery;
pub use schedule::Taken;
pub use stage::Spooled;
pub use table::{QueueCounts, QueueState};
pub use view::{QueueEntry, QueueFilter};

use table::Table;

/// Why a mail could not be made durable; it is not in the spool.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// The disk is full: `452 4.3.1`.
    #[error("the spool is full")]
    Full,
    /// The disk failed, or the spool is being closed: `451 4.3.0`.
    #[error("spool: {0}")]
    Io(LogError),
    /// More recipients or octets than the spool can describe: `552 5.3.4`.
    #[error("the mail is larger than the spool can keep")]
    TooLarge,
}

impl From<LogError> for CommitError {
    fn from(error: LogError) -> CommitError {
        match error {
            LogError::Full => CommitError::Full,
            LogError::TooLarge => CommitError::TooLarge,
            other => CommitError::Io(other),
        }
    }
}

/// Why the spool could not do what the operator, or the house, asked.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The log failed.
    #[error("spool: {0}")]
    Log(#[from] LogError),
    /// The record was written by another version, or is not ours.
    #[error("the record of mail {0} cannot be understood")]
    Unreadable(MailId),
}

/// What every task may change, under one lock that is never held over I/O.
#[derive(Debug)]
struct State {
    table: Table,
    /// Fresh mail whose content is in memory, by place in the table.
    cached: HashMap<u32, Mail<Spooled>>,
    cached_octets: u64,
    /// Mail whose end is on its way to the disk, and records of it that are needed until it
    /// is there.
    ending: HashMap<MailId, Vec<Position>>,
    next_lease: u64,
    /// Who holds what, by place in the table.
    leases: HashMap<u32, u64>,
    turns: u32,
}

/// See the head of the room.
#[derive(Debug)]
pub struct Spool {
    log: Arc<Log>,
    cache_octets: u64,
    state: Mutex<State>,
    woken: Notify,
    me: Weak<Spool>,
}

impl Spool {
    /// Opens the spool below `data_dir` and reads what is in it. Blocks.
    pub fn open(
        settings: &SpoolSettings,
        data_dir: &Path,
    ) -> Result<(Arc<Spool>, Recovery), SpoolError> {
        let options = LogOptions {
            dir: data_dir.join("spool"),
            segment_octets: settings.segment_octets,
            reserve_octets: settings.reserve_octets,
        };
        let (log, table, recovery) = recovery::recover(options)?;
        let state = State {
            table,
            cached: HashMap::new(),
            cached_octets: 0,
            ending: HashMap::new(),
            next_lease: 1,
            leases: HashMap::new(),
            turns: 0,
        };
        let spool = Arc::new_cyclic(|me| Spool {
            log: Arc::clone(&log),
            cache_octets: settings.cache_octets,
            state: Mutex::new(state),
            woken: Notify::new(),
            me: me.clone(),
        });
        log.attend(&spool);
        Ok((spool, recovery))
    }

    /// Whether new mail would be refused with `452`.
    pub fn is_full(&self) -> bool {
        self.log.is_full()
    }

    /// Returns when everything recorded so far is durable.
    pub async fn flush(&self) -> Result<(), SpoolError> {
        Ok(self.log.flush().await?)
    }

    /// Makes everything durable and ends the spool's threads. Blocks; what is recorded
    /// afterwards is lost with the process and leads to a second delivery.
    pub fn close(&self) {
        self.log.close();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics half-way through a change of the state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Relocate for Spool {
    fn is_live(&self, kind: u8, mail_id: MailId, position: Position) -> bool {
        let state = self.state();
        let Some(entry) = state.table.by_id(mail_id) else {
            let needed = state.ending.get(&mail_id);
            return needed.is_some_and(|positions| positions.contains(&position));
        };
        match kind {
            record::ACCEPT => entry.accept == position,
            record::STATE => entry.state == Some(position),
            record::JUDGEMENT => entry.judgement() == Some(position),
            _ => false,
        }
    }

    fn moved(&self, kind: u8, mail_id: MailId, old: Position, new: Position) {
        let mut state = self.state();
        if let Some(positions) = state.ending.get_mut(&mail_id) {
            positions.iter_mut().filter(|at| **at == old).for_each(|at| *at = new);
        }
        let Some(entry) = state.table.by_id_mut(mail_id) else { return };
        match kind {
            record::ACCEPT if entry.accept == old => entry.accept = new,
            record::STATE if entry.state == Some(old) => entry.state = Some(new),
            record::JUDGEMENT if entry.judgement() == Some(old) => entry.set_judgement(new),
            _ => {}
        }
    }
}

/// Seconds since 1970, as entries keep them: good until 2106.
fn seconds(time: SystemTime) -> u32 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

/// The time back again.
fn time_of(seconds: u32) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::from(seconds))
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
