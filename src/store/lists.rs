//! Trusted and blocked senders that were given at run time; and the table in which they and
//! those of the configuration are looked up.
//!
//! In: entries for the site, a domain or a user. Out: which entries of a level match a mail.
//! All of them are in memory; a change is on disk when the call returns. Bounded: a level and
//! the whole hold so many entries and no more ([`StoreError::TooMany`]).

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::config::{Lists, SenderEntry};
use crate::mail::{Address, Domain};

const TREE: &str = "sender-lists";
/// All levels together; some 20 MB in memory.
const ENTRIES: usize = 100_000;
/// Of one user: beyond it a list is no choice any more.
const ENTRIES_OF_USER: usize = 1_000;

/// Whose list.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Everybody's.
    Site,
    /// Of one protected domain.
    Domain(Domain),
    /// Of one recipient, as [`Address::key`] writes it.
    User(String),
}

impl Level {
    /// Of a recipient.
    pub fn user(address: &Address) -> Level {
        Level::User(address.key())
    }
}

impl fmt::Display for Level {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Level::Site => out.write_str("site"),
            Level::Domain(domain) => write!(out, "@{domain}"),
            Level::User(address) => out.write_str(address),
        }
    }
}

/// What a list is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    /// Not taken for spam.
    Trusted,
    /// Refused.
    Blocked,
}

impl fmt::Display for Side {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Side::Trusted => "trusted",
            Side::Blocked => "blocked",
        })
    }
}

/// Entries by level, ready to be looked up.
#[derive(Debug, Clone, Default)]
pub struct SenderBook {
    levels: HashMap<Level, Table>,
}

#[derive(Debug, Clone, Default)]
struct Table {
    entries: HashMap<SenderEntry, Side>,
    /// How many networks of each length there are, IPv4 and IPv6 apart.
    lengths_v4: BTreeMap<u8, usize>,
    lengths_v6: BTreeMap<u8, usize>,
    trusted: usize,
}

impl Table {
    fn lengths(&mut self, entry: &SenderEntry) -> Option<(&mut BTreeMap<u8, usize>, u8)> {
        match entry {
            SenderEntry::Network(network) if network.addr().is_ipv4() => {
                Some((&mut self.lengths_v4, network.prefix_len()))
            }
            SenderEntry::Network(network) => Some((&mut self.lengths_v6, network.prefix_len())),
            _ => None,
        }
    }

    fn insert(&mut self, entry: SenderEntry, side: Side) {
        self.remove(&entry);
        if let Some((lengths, length)) = self.lengths(&entry) {
            *lengths.entry(length).or_default() += 1;
        }
        self.trusted += usize::from(side == Side::Trusted);
        self.entries.insert(entry, side);
    }

    fn remove(&mut self, entry: &SenderEntry) -> Option<Side> {
        let side = self.entries.remove(entry)?;
        if let Some((lengths, length)) = self.lengths(entry) {
            let left = lengths.get(&length).map_or(0, |count| count.saturating_sub(1));
            match left {
                0 => drop(lengths.remove(&length)),
                left => drop(lengths.insert(length, left)),
            }
        }
        self.trusted -= usize::from(side == Side::Trusted);
        Some(side)
    }
}

impl SenderBook {
    /// The entries of the configuration.
    pub fn of(lists: &Lists) -> SenderBook {
        let mut book = SenderBook::default();
        book.put_all(&Level::Site, &lists.trusted, &lists.blocked);
        for own in &lists.domain {
            book.put_all(&Level::Domain(own.name.clone()), &own.trusted, &own.blocked);
        }
        for own in &lists.user {
            book.put_all(&Level::user(&own.address), &own.trusted, &own.blocked);
        }
        book
    }

    fn put_all(&mut self, level: &Level, trusted: &[SenderEntry], blocked: &[SenderEntry]) {
        for (entries, side) in [(trusted, Side::Trusted), (blocked, Side::Blocked)] {
            for entry in entries {
                self.put(level.clone(), entry.clone(), side);
            }
        }
    }

    fn put(&mut self, level: Level, entry: SenderEntry, side: Side) {
        self.levels.entry(level).or_default().insert(entry, side);
    }

    fn remove(&mut self, level: &Level, entry: &SenderEntry) -> Option<Side> {
        let table = self.levels.get_mut(level)?;
        let side = table.remove(entry);
        if table.entries.is_empty() {
            self.levels.remove(level);
        }
        side
    }

    /// The entries of a level that are among `candidates` or hold the client.
    pub fn matches(
        &self,
        level: &Level,
        candidates: &[SenderEntry],
        client: IpAddr,
    ) -> Vec<(SenderEntry, Side)> {
        let Some(table) = self.levels.get(level) else { return Vec::new() };
        let client = client.to_canonical();
        let lengths = if client.is_ipv4() { &table.lengths_v4 } else { &table.lengths_v6 };
        let networks = lengths.keys().filter_map(|len| SenderEntry::of_client(client, *len));
        let side_of = |entry: &SenderEntry| table.entries.get(entry).copied();
        let named = candidates.iter().filter_map(|entry| Some((entry.clone(), side_of(entry)?)));
        named
            .chain(networks.filter_map(|entry| side_of(&entry).map(|side| (entry, side))))
            .collect()
    }

    /// Whether anybody is trusted at a level.
    pub fn trusts_at(&self, level: &Level) -> bool {
        self.levels.get(level).is_some_and(|table| table.trusted > 0)
    }

    /// Whether there is no entry at all.
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// Every entry, by level.
    pub fn all(&self) -> Vec<(Level, SenderEntry, Side)> {
        let of_level = |(level, table): (&Level, &Table)| {
            let one = |(entry, side): (&SenderEntry, &Side)| (level.clone(), entry.clone(), *side);
            table.entries.iter().map(one).collect::<Vec<_>>()
        };
        let mut all: Vec<_> = self.levels.iter().flat_map(of_level).collect();
        all.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
        all
    }
}

/// One entry and who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSender {
    /// Whose list.
    pub level: Level,
    /// Whom it names.
    pub entry: SenderEntry,
    /// What for.
    pub side: Side,
    /// Who gave it.
    pub by: String,
    /// Milliseconds since 1970.
    pub since_ms: u64,
}

/// What the tree holds.
#[derive(Serialize, Deserialize)]
struct Kept {
    side: Side,
    by: String,
    since_ms: u64,
}

/// The tree of entries that were given at run time.
#[derive(Debug)]
pub struct SenderLists {
    tree: sled::Tree,
    book: RwLock<SenderBook>,
    /// Held while an entry goes to the disk; mail meanwhile reads the book as it was.
    changing: Mutex<()>,
}

impl SenderLists {
    pub(super) fn open(db: &sled::Db) -> Result<SenderLists, StoreError> {
        let tree = db.open_tree(TREE)?;
        let mut book = SenderBook::default();
        for entry in tree.iter() {
            let (key, value) = entry?;
            match read(&key, &value) {
                Some(listed) => book.put(listed.level, listed.entry, listed.side),
                None => tracing::error!(?key, "the store holds a damaged sender entry"),
            }
        }
        Ok(SenderLists { tree, book: RwLock::new(book), changing: Mutex::default() })
    }

    /// Trusts or blocks from now on; what was said of the same entry before is replaced. On
    /// disk when it returns. Blocks.
    pub fn put(&self, listed: &ListedSender) -> Result<(), StoreError> {
        let _turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let (is_known, at_level) = {
            let book = self.book();
            let table = book.levels.get(&listed.level);
            let is_known = table.is_some_and(|table| table.entries.contains_key(&listed.entry));
            (is_known, table.map_or(0, |table| table.entries.len()))
        };
        let limit = match listed.level {
            Level::User(_) => ENTRIES_OF_USER,
            Level::Site | Level::Domain(_) => ENTRIES,
        };
        if !is_known && (at_level >= limit || self.tree.len() >= ENTRIES) {
            return Err(StoreError::TooMany(limit));
        }
        let kept = Kept { side: listed.side, by: listed.by.clone(), since_ms: listed.since_ms };
        let value = postcard::to_stdvec(&kept).map_err(|_| StoreError::Damaged("sender entry"))?;
        self.tree.insert(key_of(&listed.level, &listed.entry), value)?;
        self.tree.flush()?;
        self.write().put(listed.level.clone(), listed.entry.clone(), listed.side);
        Ok(())
    }

    /// Forgets an entry; [`StoreError::NotListed`] when there is none. Blocks.
    pub fn forget(&self, level: &Level, entry: &SenderEntry) -> Result<Side, StoreError> {
        let _turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.tree.remove(key_of(level, entry))?.is_none() {
            return Err(StoreError::NotListed(entry.to_string()));
        }
        self.tree.flush()?;
        Ok(self.write().remove(level, entry).unwrap_or(Side::Blocked))
    }

    /// Every entry, by level. Blocks.
    pub fn list(&self) -> Result<Vec<ListedSender>, StoreError> {
        let mut all = Vec::new();
        for entry in self.tree.iter() {
            let (key, value) = entry?;
            all.extend(read(&key, &value));
        }
        all.sort_by(|one, other| (&one.level, &one.entry).cmp(&(&other.level, &other.entry)));
        Ok(all)
    }

    /// The entries of the moment.
    pub fn book(&self) -> RwLockReadGuard<'_, SenderBook> {
        self.book.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, SenderBook> {
        self.book.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Level and entry in words; neither holds a NUL, for addresses hold no controls.
fn key_of(level: &Level, entry: &SenderEntry) -> Vec<u8> {
    let level = match level {
        Level::Site => "site".to_owned(),
        Level::Domain(domain) => format!("domain {domain}"),
        Level::User(address) => format!("user {address}"),
    };
    format!("{level}\0{entry}").into_bytes()
}

fn read(key: &[u8], value: &[u8]) -> Option<ListedSender> {
    let (level, entry) = std::str::from_utf8(key).ok()?.split_once('\0')?;
    let level = match level.split_once(' ') {
        None if level == "site" => Level::Site,
        Some(("domain", name)) => Level::Domain(Domain::parse(name).ok()?),
        Some(("user", address)) => Level::User(address.to_owned()),
        _ => return None,
    };
    let Kept { side, by, since_ms } = postcard::from_bytes(value).ok()?;
    Some(ListedSender { level, entry: entry.parse().ok()?, side, by, since_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(lists: &str) -> SenderBook {
        SenderBook::of(&toml::from_str(lists).unwrap())
    }

    fn entries(texts: &[&str]) -> Vec<SenderEntry> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_level_knows_its_own_entries_only() {
        let book = book(
            "blocked = ['@bad.test', '192.0.2.0/24', '2001:db8::/32', '192.0.2.7']\n\
             [[domain]]\nname = 'x.test'\ntrusted = ['a@bad.test']\n\
             [[user]]\naddress = 'Bob@x.test'\nblocked = ['@.y.test']\n",
        );
        let user = Level::user(&"bob@X.test".parse().unwrap());
        let domain = Level::Domain(Domain::parse("x.test").unwrap());
        let table: [(&Level, &[&str], &str, &[&str]); 8] = [
            (&Level::Site, &["@bad.test"], "198.51.100.1", &["@bad.test"]),
            (&Level::Site, &[], "192.0.2.9", &["192.0.2.0/24"]),
            (&Level::Site, &[], "::ffff:192.0.2.7", &["192.0.2.0/24", "192.0.2.7/32"]),
            (&Level::Site, &[], "2001:db8::1", &["2001:db8::/32"]),
            (&Level::Site, &["a@bad.test"], "198.51.100.1", &[]),
            (&domain, &["a@bad.test", "@bad.test"], "192.0.2.9", &["a@bad.test"]),
            (&user, &["@.y.test"], "192.0.2.9", &["@.y.test"]),
            (&user, &["@y.test"], "192.0.2.9", &[]),
        ];
        for (level, candidates, client, expected) in table {
            let found = book.matches(level, &entries(candidates), client.parse().unwrap());
            let found: Vec<String> = found.iter().map(|(entry, _)| entry.to_string()).collect();
            assert_eq!(found, expected, "{level} {candidates:?} {client}");
        }
        assert!(book.trusts_at(&domain) && !book.trusts_at(&user) && !book.trusts_at(&Level::Site));
        assert_eq!(book.all().len(), 6);
    }

    fn listed(level: &Level, entry: &str, side: Side) -> ListedSender {
        let entry = entry.parse().unwrap();
        ListedSender { level: level.clone(), entry, side, by: "test".into(), since_ms: 7 }
    }

    #[test]
    fn what_was_acknowledged_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let levels = [
            Level::Site,
            Level::Domain(Domain::parse("x.test").unwrap()),
            Level::User("b@x.test".into()),
        ];
        {
            let db = sled::open(dir.path()).unwrap();
            let lists = SenderLists::open(&db).unwrap();
            for level in &levels {
                lists.put(&listed(level, "@a.test", Side::Trusted)).unwrap();
                lists.put(&listed(level, "@a.test", Side::Blocked)).unwrap();
                lists.put(&listed(level, "10.1.0.0/16", Side::Trusted)).unwrap();
            }
            let entry: SenderEntry = "10.1.0.0/16".parse().unwrap();
            assert_eq!(lists.forget(&Level::Site, &entry).unwrap(), Side::Trusted);
            let again = lists.forget(&Level::Site, &entry).unwrap_err();
            assert!(matches!(again, StoreError::NotListed(_)));
        }
        let db = sled::open(dir.path()).unwrap();
        let lists = SenderLists::open(&db).unwrap();
        let all = lists.list().unwrap();
        assert_eq!(all.len(), 5);
        assert!(all.contains(&listed(&levels[2], "@a.test", Side::Blocked)));
        assert_eq!(lists.book().all().len(), 5);
        assert!(lists.book().trusts_at(&levels[1]) && !lists.book().trusts_at(&Level::Site));
    }

    #[test]
    fn one_user_cannot_fill_the_book() {
        let dir = tempfile::tempdir().unwrap();
        let lists = SenderLists::open(&sled::open(dir.path()).unwrap()).unwrap();
        let user = Level::User("b@x.test".into());
        lists.write().levels.insert(user.clone(), Table::default());
        for at in 0..ENTRIES_OF_USER {
            let entry = format!("a{at}@y.test").parse().unwrap();
            lists.write().put(user.clone(), entry, Side::Blocked);
        }
        let one_more = lists.put(&listed(&user, "@z.test", Side::Blocked)).unwrap_err();
        assert!(matches!(one_more, StoreError::TooMany(ENTRIES_OF_USER)), "{one_more}");
    }
}
