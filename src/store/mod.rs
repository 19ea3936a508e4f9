//! Keyed state that is small: accounts, lists of senders, what is remembered of them, who waits
//! to be let in. Mail content never lives here.
//!
//! In: typed calls. Out: what was stored. Underneath lies a sled database in
//! `data_dir/store`, locked for one process at a time; its schema has a version, and
//! [`migration`]s lead forward and back.
//!
//! Invariant: what a call acknowledges has been flushed to disk; history and greylist alone
//! acknowledge nothing ([`behind`]). Fails with a
//! [`StoreError`]; [`StoreError::Busy`] means that a running box has the store open.

pub mod accounts;
pub mod behind;
pub mod delivered;
mod digests;
pub mod dmarc;
mod error;
mod export;
pub mod greylist;
pub mod history;
mod keeper;
pub mod lists;
pub mod migration;
pub mod password;
mod shelf;
pub mod token;
pub mod vault;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub use accounts::{Account, Accounts, AllowedAddress, BadAllowedAddress};
pub use digests::{DigestKind, DigestStore, KeptDigest};
pub use error::StoreError;
pub use shelf::Shelf;

use delivered::Delivered;
use dmarc::DmarcReports;
use greylist::WaitingRoom;
use history::SenderHistory;
use keeper::Keeper;
use lists::SenderLists;
use migration::MIGRATIONS;

/// Memory that sled may use for its cache; all that it holds here is small.
const CACHE_OCTETS: u64 = 16 << 20;
/// For sled to let go of its own lock.
const LOCK_TRIES: usize = 50;
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);
/// What nobody waits for is flushed after this.
const FLUSH_EVERY_MS: u64 = 500;

/// The open store. Dropping it flushes and unlocks.
#[derive(Debug)]
pub struct Store {
    accounts: Accounts,
    lists: SenderLists,
    history: SenderHistory,
    waiting: WaitingRoom,
    // Before the database, so that it writes once more into it.
    keeper: Keeper,
    dmarc: DmarcReports,
    digests: DigestStore,
    delivered: Delivered,
    db: sled::Db,
    // After the database, so that the lock goes last.
    _lock: File,
}

impl Store {
    /// Opens `data_dir/store`, makes it when absent, and brings its schema up to date.
    /// Blocks for the time of a recovery.
    pub fn open(data_dir: &Path) -> Result<Store, StoreError> {
        let (lock, db) = open_database(data_dir)?;
        migration::migrate(&db, MIGRATIONS, migration::newest(MIGRATIONS))?;
        let folder = data_dir.join("store");
        let history = SenderHistory::open(&db, &folder)?;
        let waiting = WaitingRoom::open(&db, &folder)?;
        Ok(Store {
            accounts: Accounts::open(&db)?,
            lists: SenderLists::open(&db)?,
            keeper: Keeper::start([history.chores(), waiting.chores()].concat()),
            history,
            waiting,
            dmarc: DmarcReports::open(&db)?,
            digests: DigestStore::open(&db)?,
            delivered: Delivered::open(&db)?,
            db,
            _lock: lock,
        })
    }

    /// Leads the schema back to an older version, for a downgrade; drops what that version
    /// cannot hold. The store must not be open.
    pub fn migrate_back(data_dir: &Path, version: u32) -> Result<(), StoreError> {
        let (_lock, db) = open_database(data_dir)?;
        migration::migrate(&db, MIGRATIONS, version)
    }

    /// Who may submit mail.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Trusted and blocked senders that were given at run time.
    pub fn lists(&self) -> &SenderLists {
        &self.lists
    }

    /// What is remembered of senders.
    pub fn history(&self) -> &SenderHistory {
        &self.history
    }

    /// Who waits to be let in.
    pub fn waiting(&self) -> &WaitingRoom {
        &self.waiting
    }

    /// DMARC aggregate reports, received and to be sent.
    pub fn dmarc(&self) -> &DmarcReports {
        &self.dmarc
    }

    /// Digests of what was seen before.
    pub fn digests(&self) -> &DigestStore {
        &self.digests
    }

    /// What was delivered in the last days.
    pub fn delivered(&self) -> &Delivered {
        &self.delivered
    }

    /// Records of one kind, by name. The kind's tree is made when it is absent.
    pub fn shelf<T: serde::Serialize + serde::de::DeserializeOwned>(
        &self,
        what: &'static str,
    ) -> Result<Shelf<T>, StoreError> {
        Shelf::open(&self.db, what)
    }

    /// Waits until everything is on disk, history included. To be called when the box closes.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.keeper.write();
        self.db.flush()?;
        Ok(())
    }
}

fn open_database(data_dir: &Path) -> Result<(File, sled::Db), StoreError> {
    let folder = data_dir.join("store");
    let unusable = |error| StoreError::Folder { folder: folder.clone(), error };
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(unusable)?;
    let lock = lock(&data_dir.join("store.lock"))?;
    let config = sled::Config::new()
        .path(&folder)
        .cache_capacity(CACHE_OCTETS)
        .flush_every_ms(Some(FLUSH_EVERY_MS));
    Ok((lock, open_patiently(&config)?))
}

/// Who has our lock has sled's too, but a thread of the database that was closed just before
/// may let go of it a moment late.
fn open_patiently(config: &sled::Config) -> Result<sled::Db, StoreError> {
    for _ in 0..LOCK_TRIES {
        match config.open() {
            Err(sled::Error::Io(error)) if error.to_string().contains("acquire lock") => {
                std::thread::sleep(LOCK_PAUSE);
            }
            other => return Ok(other?),
        }
    }
    Ok(config.open()?)
}

/// sled has a lock of its own but does not say in its error that it is the lock.
fn lock(file: &PathBuf) -> Result<File, StoreError> {
    let unusable = |error: io::Error| StoreError::Folder { folder: file.clone(), error };
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let lock = options.open(file).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::Busy),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

/// Whether a store was ever made below this folder.
pub fn exists(data_dir: &Path) -> bool {
    fs::metadata(data_dir.join("store").join("db")).is_ok()
}

#[cfg(test)]
mod tests;
