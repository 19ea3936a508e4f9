//! Accounts: who may submit mail, and from which addresses.
//!
//! In: names and passwords. Out: [`Account`]s. Names are compared in lower case after NFKC
//! (RFC 8265 section 3.3). Passwords are kept as Argon2id hashes only.
//!
//! Invariant: a log-in takes the same work whether or not the account exists, and at most
//! [`HASHES_AT_ONCE`] hashes run at once, each with 19 MiB. Changes are on disk when the
//! call returns.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

use super::{StoreError, password};
use crate::mail::{Address, AddressError, Domain, ReversePath};

const TREE: &str = "accounts";
const HASHES_AT_ONCE: usize = 4;
/// Log-ins that may wait for a hash; beyond it the peer is told to come back.
const WAITING: usize = 512;
const NAME_OCTETS: usize = 255;

/// An address that an account may send from: one mailbox, or with `@domain` all of a domain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AllowedAddress {
    /// This mailbox.
    Mailbox(Address),
    /// Every mailbox of this domain.
    Domain(Domain),
}

/// The text is neither an address nor `@domain`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is neither an address nor @domain: {error}")]
pub struct BadAllowedAddress {
    text: String,
    error: AddressError,
}

impl FromStr for AllowedAddress {
    type Err = BadAllowedAddress;

    fn from_str(text: &str) -> Result<AllowedAddress, BadAllowedAddress> {
        let parsed = match text.strip_prefix('@') {
            Some(domain) => Domain::parse(domain).map(AllowedAddress::Domain),
            None => text.parse().map(AllowedAddress::Mailbox),
        };
        parsed.map_err(|error| BadAllowedAddress { text: text.to_owned(), error })
    }
}

impl fmt::Display for AllowedAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AllowedAddress::Mailbox(address) => write!(out, "{address}"),
            AllowedAddress::Domain(domain) => write!(out, "@{domain}"),
        }
    }
}

impl Serialize for AllowedAddress {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AllowedAddress {
    fn deserialize<D: Deserializer<'de>>(text: D) -> Result<AllowedAddress, D::Error> {
        String::deserialize(text)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Somebody who may submit mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// In lower case.
    pub name: String,
    /// What it may send from.
    pub addresses: Vec<AllowedAddress>,
    /// Milliseconds since 1970.
    pub created_ms: u64,
}

impl Account {
    /// Whether the account may send from this address.
    pub fn may_send_from(&self, address: &Address) -> bool {
        self.addresses.iter().any(|allowed| match allowed {
            AllowedAddress::Mailbox(own) => own.key() == address.key(),
            AllowedAddress::Domain(domain) => address.domain() == Some(domain),
        })
    }

    /// The same for a reverse-path; the null one is anybody's.
    pub fn may_use(&self, reverse_path: &ReversePath) -> bool {
        reverse_path.address().is_none_or(|address| self.may_send_from(address))
    }
}

/// What the tree holds.
#[derive(Serialize, Deserialize)]
struct Kept {
    account: Account,
    hash: String,
}

/// The tree of accounts.
#[derive(Debug, Clone)]
pub struct Accounts {
    tree: sled::Tree,
    hashes: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

pub(super) fn make_tree(db: &sled::Db) -> Result<(), StoreError> {
    db.open_tree(TREE)?;
    Ok(())
}

pub(super) fn drop_tree(db: &sled::Db) -> Result<(), StoreError> {
    db.drop_tree(TREE)?;
    Ok(())
}

impl Accounts {
    pub(super) fn open(db: &sled::Db) -> Result<Accounts, StoreError> {
        Ok(Accounts {
            tree: db.open_tree(TREE)?,
            hashes: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
            waiting: Arc::new(Semaphore::new(WAITING)),
        })
    }

    /// Makes an account; fails with [`StoreError::Exists`] when there is one. Blocks.
    pub fn add(
        &self,
        name: &str,
        password: &str,
        addresses: Vec<AllowedAddress>,
    ) -> Result<Account, StoreError> {
        let name = checked_name(name)?;
        let account = Account { name, addresses, created_ms: now_ms() };
        let kept = Kept { account, hash: password::hash(password)? };
        let value = write(&kept)?;
        let absent: Option<&[u8]> = None;
        match self.tree.compare_and_swap(kept.account.name.as_bytes(), absent, Some(value))? {
            Ok(()) => self.flushed(kept.account),
            Err(_) => Err(StoreError::Exists(kept.account.name)),
        }
    }

    /// Gives an account another password. Blocks.
    pub fn set_password(&self, name: &str, password: &str) -> Result<(), StoreError> {
        let hash = password::hash(password)?;
        self.change(name, |kept| kept.hash.clone_from(&hash))
    }

    /// Gives an account other addresses. Blocks.
    pub fn set_addresses(
        &self,
        name: &str,
        addresses: &[AllowedAddress],
    ) -> Result<(), StoreError> {
        self.change(name, |kept| kept.account.addresses = addresses.to_vec())
    }

    /// Removes an account. Blocks.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        let name = folded(name);
        match self.tree.remove(name.as_bytes())? {
            Some(_) => self.flushed(()),
            None => Err(StoreError::Unknown(name)),
        }
    }

    /// All accounts, by name.
    pub fn list(&self) -> Result<Vec<Account>, StoreError> {
        self.tree.iter().values().map(|value| Ok(read(&value?)?.account)).collect()
    }

    /// One account.
    pub fn find(&self, name: &str) -> Result<Option<Account>, StoreError> {
        Ok(self.kept(&folded(name))?.map(|kept| kept.account))
    }

    /// The account, when name and password are right.
    pub async fn verify(&self, name: &str, password: &str) -> Result<Option<Account>, StoreError> {
        let Ok(_waiting) = self.waiting.try_acquire() else { return Err(StoreError::Overloaded) };
        let Ok(turn) = Arc::clone(&self.hashes).acquire_owned().await else {
            return Err(StoreError::Overloaded);
        };
        let accounts = self.clone();
        // Longer names are nobody's; they cost the same work, but no copy of their length.
        let name = if name.len() > NAME_OCTETS { String::new() } else { folded(name) };
        let password = password.to_owned();
        let work = move || {
            // Held here, not by the caller: who hangs up does not make room for another hash.
            let _turn = turn;
            let kept = accounts.kept(&name)?;
            let hash = kept.as_ref().map(|kept| kept.hash.as_str());
            let is_right = password::matches(&password, hash)?;
            Ok(kept.filter(|_| is_right).map(|kept| kept.account))
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(verdict) => verdict,
            Err(error) => Err(StoreError::Hash(error.to_string())),
        }
    }

    /// Does ahead of time what the first log-in would otherwise wait for. Blocks.
    pub fn prepare(&self) -> Result<(), StoreError> {
        password::prepare()
    }

    fn kept(&self, name: &str) -> Result<Option<Kept>, StoreError> {
        self.tree.get(name.as_bytes())?.map(|value| read(&value)).transpose()
    }

    fn change(&self, name: &str, change: impl Fn(&mut Kept)) -> Result<(), StoreError> {
        let name = folded(name);
        loop {
            let old = self.tree.get(name.as_bytes())?;
            let Some(old) = old else { return Err(StoreError::Unknown(name)) };
            let mut kept = read(&old)?;
            change(&mut kept);
            let new = write(&kept)?;
            if self.tree.compare_and_swap(name.as_bytes(), Some(old), Some(new))?.is_ok() {
                return self.flushed(());
            }
        }
    }

    fn flushed<T>(&self, done: T) -> Result<T, StoreError> {
        self.tree.flush()?;
        Ok(done)
    }
}

fn read(value: &[u8]) -> Result<Kept, StoreError> {
    postcard::from_bytes(value).map_err(|_| StoreError::Damaged("account"))
}

fn write(kept: &Kept) -> Result<Vec<u8>, StoreError> {
    postcard::to_stdvec(kept).map_err(|_| StoreError::Damaged("account"))
}

fn folded(name: &str) -> String {
    name.trim().nfkc().collect::<String>().to_lowercase()
}

fn checked_name(name: &str) -> Result<String, StoreError> {
    let name = folded(name);
    let wrong = |letter: char| letter.is_control() || letter.is_whitespace();
    match name.as_str() {
        "" => Err(StoreError::BadName("it is empty")),
        long if long.len() > NAME_OCTETS => Err(StoreError::BadName("longer than 255 octets")),
        odd if odd.chars().any(wrong) => Err(StoreError::BadName("it holds spaces or controls")),
        _ => Ok(name),
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
