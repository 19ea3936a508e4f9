//! Near-duplicates: what was seen before, how often, from how many, and what was said of it.
//!
//! In: a message taken apart, how it came, the time; reports. Out: `BULK_SEEN`,
//! `BULK_LIST_SEEN`, `BULK_MANY_SENDERS`, `NEAR_SPAM`, `NEAR_HAM`, `ATTACHMENT_KNOWN_BAD`. No
//! text is kept: a [`Sketch`] tells whether two texts are near copies and no more. Counting
//! and looking is one act under one lock of a few microseconds; memory is bounded by
//! `bulk.entries`; what was seen more than once or reported is written to the store every
//! minute and survives a restart. Sites share what was reported through signed files
//! ([`feed`]).
//!
//! Only inbound mail is counted, and bounces never; clients that are exempt count as no
//! network. Fails only when it is opened or read from files; looking never fails.

mod counts;
mod digest;
pub mod feed;
mod feeds;
mod judge;
mod key;
mod sketch;
mod table;
#[cfg(test)]
mod tests;
mod words;

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::watch;

pub use digest::{Digests, FileDigest};
pub use feeds::{imported, is_feed_file, read_file};
pub use key::{KEY_FILE, SiteKey};
pub use sketch::Sketch;
pub use table::Label;

use super::{Passage, Sighting};
use crate::config::{Bulk as Settings, Config, Limits};
use crate::mail::Role;
use crate::message::{self, Anatomy};
use crate::store::{DigestKind, KeptDigest, Store, StoreError};
use feed::{FEED_ENTRIES, Feed, FeedEntry, FeedError};
use feeds::Feeds;
use table::{Entry, Labels, Table};
use words::hash_of;

/// All that is seen here.
const SIGHTINGS: [&str; 6] = [
    "BULK_SEEN",
    "BULK_LIST_SEEN",
    "BULK_MANY_SENDERS",
    "NEAR_SPAM",
    "NEAR_HAM",
    "ATTACHMENT_KNOWN_BAD",
];

/// What another process says that it saw here; nothing when the name is none of ours.
pub fn told(name: &str, strength: f32, detail: String) -> Option<Sighting> {
    let known = SIGHTINGS.into_iter().find(|known| *known == name)?;
    Some(Sighting::strong(known, strength, detail))
}

/// Folder of imported feeds in the data directory.
pub const FEEDS_DIR: &str = "feeds";
/// Files that reports were about; both exactly and by likeness.
const FILES: usize = 20_000;
const SAVE_EVERY: Duration = Duration::from_secs(60);
/// Recipients of one mail that are counted.
const RECIPIENTS: usize = 1_000;

/// What can go wrong beside looking.
#[derive(Debug, thiserror::Error)]
pub enum BulkError {
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The site's key is damaged.
    #[error("{}: no Ed25519 key", path.display())]
    Key {
        /// Which.
        path: PathBuf,
    },
    /// A feed is not used.
    #[error("{}: {error}", path.display())]
    Feed {
        /// Which.
        path: PathBuf,
        /// Why.
        error: FeedError,
    },
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Everything that is remembered of texts and files.
#[derive(Debug)]
pub struct Bulk {
    settings: Mutex<(Settings, Limits)>,
    memory: Mutex<Memory>,
    feeds: Mutex<Feeds>,
    store: Option<Arc<Store>>,
    data_dir: PathBuf,
    site: String,
}

#[derive(Debug)]
struct Memory {
    texts: Table,
    /// Files that were reported, by likeness …
    files: Table,
    /// … and exactly.
    exact: HashMap<[u8; 32], Reported>,
    /// Numbers in the store of files that were forgotten.
    forgotten: Vec<u32>,
    /// The number that the next file gets in the store.
    next_file: u32,
}

/// A file that was reported.
#[derive(Debug, Clone)]
struct Reported {
    number: u32,
    labels: Labels,
    sketch: Option<Sketch>,
    first_s: u64,
    last_s: u64,
    is_dirty: bool,
}

/// Numbers and digests for the store.
type Rows = Vec<(u32, Option<KeptDigest>)>;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Bulk {
    /// Reads what was kept and the feeds. Blocks. Without a store nothing outlives the value.
    pub fn new(config: &Config, store: Option<Arc<Store>>) -> Result<Arc<Bulk>, BulkError> {
        let data_dir = config.system.data_dir.clone();
        let mut memory = Memory {
            texts: Table::new(config.bulk.entries),
            files: Table::new(FILES),
            exact: HashMap::new(),
            forgotten: Vec::new(),
            next_file: 0,
        };
        let now_s = seconds(SystemTime::now());
        if let Some(store) = &store {
            memory.recall(store, now_s)?;
        }
        let mut feeds = Feeds::new(&config.bulk.feed, &data_dir);
        feeds.refresh(store.as_ref(), now_s);
        Ok(Arc::new(Bulk {
            settings: Mutex::new((config.bulk.clone(), config.limits_of_clients())),
            memory: Mutex::new(memory),
            feeds: Mutex::new(feeds),
            store,
            data_dir,
            site: config.system.hostname.to_string(),
        }))
    }

    /// Another configuration; the number of entries stays. Blocks.
    pub fn reload(&self, config: &Config) {
        let mut feeds = Feeds::new(&config.bulk.feed, &self.data_dir);
        feeds.refresh(self.store.as_ref(), seconds(SystemTime::now()));
        *locked(&self.feeds) = feeds;
        *locked(&self.settings) = (config.bulk.clone(), config.limits_of_clients());
    }

    /// Looks whether the like was seen before, and counts it. Without a passage, as for a
    /// message in a file, nothing is counted.
    pub fn look(
        &self,
        anatomy: &Anatomy,
        passage: Option<Passage<'_>>,
        now: SystemTime,
    ) -> Vec<Sighting> {
        let (settings, counted) = {
            let settings = locked(&self.settings);
            let counted = passage.and_then(|passage| Counted::of(passage, &settings.1));
            (settings.0.clone(), counted)
        };
        if !settings.enabled {
            return Vec::new();
        }
        let digests = Digests::of(anatomy);
        let now_s = seconds(now);
        let mut sightings = Vec::new();
        if let Some(sketch) = &digests.text {
            let entry = self.count(sketch, counted.as_ref(), now_s);
            let hearsay = locked(&self.feeds).of_text(sketch, now_s);
            let form = judge::Form::of(anatomy);
            let case = judge::Case { entry, hearsay, form, settings: &settings, now_s };
            sightings.extend(case.sightings());
        }
        sightings.extend(digests.files.iter().find_map(|file| self.look_at_file(file, now_s)));
        sightings
    }

    /// The entry as it was before this mail; what it said of itself is added.
    fn count(&self, sketch: &Sketch, counted: Option<&Counted>, now_s: u64) -> Option<Entry> {
        let mut memory = locked(&self.memory);
        let Some(counted) = counted else {
            let number = memory.texts.find(sketch)?;
            return memory.texts.at(number).copied();
        };
        let number = memory.texts.find_or_add(sketch, now_s);
        let entry = memory.texts.at_mut(number)?;
        counted.add_to(entry, now_s);
        Some(*entry)
    }

    fn look_at_file(&self, file: &FileDigest, now_s: u64) -> Option<Sighting> {
        let (own, is_exact) = {
            let memory = locked(&self.memory);
            let exact = memory.exact.get(&file.sha256).map(|known| known.labels);
            let near = || {
                let number = memory.files.find(file.sketch.as_ref()?)?;
                memory.files.at(number).map(|entry| entry.labels)
            };
            match exact {
                Some(labels) => (Some(labels), true),
                None => (near(), false),
            }
        };
        if let Some(labels) = own {
            // What was found good here is good here, whatever others say.
            return labels.is_bad().then(|| judge::of_file(file, labels.malware > 0, is_exact));
        }
        let feeds = locked(&self.feeds);
        let (said, is_exact) = feeds.of_file(&file.sha256, file.sketch.as_ref(), now_s)?;
        Some(judge::of_file_elsewhere(file, &said, is_exact))
    }

    /// The same for octets, without counting.
    pub fn look_at(&self, octets: &Bytes, now: SystemTime) -> Vec<Sighting> {
        self.look(&Anatomy::of(octets, message::Limits::default()), None, now)
    }

    /// Somebody said what a message is: policy, quarantine, a scanner, a reader. `now` is when.
    pub fn learn(&self, digests: &Digests, label: Label, now: SystemTime) {
        let now_s = seconds(now);
        let mut memory = locked(&self.memory);
        if let Some(sketch) = &digests.text {
            let number = memory.texts.find_or_add(sketch, now_s);
            if let Some(entry) = memory.texts.at_mut(number) {
                entry.labels.add(label);
                (entry.last_s, entry.is_dirty) = (now_s, true);
            }
        }
        for file in &digests.files {
            memory.learn_file(file, label, now_s);
        }
    }

    /// What other sites may know: texts and files that were reported here as bad, signed.
    pub fn export(&self, key: &SiteKey, now: SystemTime, lasts: Duration) -> String {
        let created_s = seconds(now);
        let expires_s = created_s.saturating_add(lasts.as_secs());
        let mut entries = locked(&self.memory).reported();
        entries.truncate(FEED_ENTRIES);
        Feed { site: self.site.clone(), created_s, expires_s, entries }.signed(key)
    }

    /// Where the site's key lies.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Writes what has changed to the store. Blocks.
    pub fn save(&self) -> Result<(), BulkError> {
        let Some(store) = &self.store else { return Ok(()) };
        let (texts, files) = locked(&self.memory).changed();
        store.digests().put(DigestKind::Text, texts)?;
        store.digests().put(DigestKind::File, files)?;
        Ok(())
    }

    /// Saves and reads feeds again every minute, and saves when told to stop. Ends, too, when
    /// nobody else holds the value.
    pub async fn watch(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let bulk: Weak<Bulk> = Arc::downgrade(&self);
        drop(self);
        loop {
            let stopped = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => true,
                () = tokio::time::sleep(SAVE_EVERY) => false,
            };
            let Some(bulk) = bulk.upgrade() else { return };
            let chores = tokio::task::spawn_blocking(move || bulk.do_chores()).await;
            if let Ok(Err(error)) = chores {
                tracing::warn!(%error, "digests cannot be kept");
            }
            if stopped {
                return;
            }
        }
    }

    fn do_chores(&self) -> Result<(), BulkError> {
        locked(&self.feeds).refresh(self.store.as_ref(), seconds(SystemTime::now()));
        self.save()
    }
}

impl Drop for Bulk {
    fn drop(&mut self) {
        if let Err(error) = self.save() {
            tracing::warn!(%error, "digests cannot be kept");
        }
    }
}

/// What is counted of a passage.
struct Counted {
    network: Option<u64>,
    domain: u64,
    recipients: Vec<u64>,
}

impl Counted {
    fn of(passage: Passage<'_>, limits: &Limits) -> Option<Counted> {
        let Passage { facts, envelope } = passage;
        // Bounces and other reports are alike by nature (RFC 5321 section 4.5.5).
        let reverse_path = envelope.reverse_path.address()?;
        if facts.role != Role::Inbound {
            return None;
        }
        let network = (!limits.is_exempt(facts.client)).then(|| network_of(facts.client));
        let recipients = envelope.recipients.iter().take(RECIPIENTS);
        let recipients =
            recipients.map(|recipient| hash_of(recipient.forward_path.key().as_bytes()));
        Some(Counted {
            network,
            domain: hash_of(reverse_path.host().to_string().as_bytes()),
            recipients: recipients.collect(),
        })
    }

    fn add_to(&self, entry: &mut Entry, now_s: u64) {
        entry.windows.add(now_s, 1);
        entry.domains.add(now_s, self.domain);
        if let Some(network) = self.network {
            entry.networks.add(now_s, network);
        }
        for recipient in &self.recipients {
            entry.recipients.add(now_s, *recipient);
        }
        entry.seen = entry.seen.saturating_add(1);
        (entry.last_s, entry.is_dirty) = (now_s, true);
    }
}

/// A /24 of IPv4, a /48 of IPv6: what one sender is given.
fn network_of(client: IpAddr) -> u64 {
    match client.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            hash_of(&[4, a, b, c])
        }
        IpAddr::V6(address) => hash_of(address.octets().get(..6).unwrap_or_default()),
    }
}

impl Memory {
    fn learn_file(&mut self, file: &FileDigest, label: Label, now_s: u64) {
        if self.exact.len() >= FILES && !self.exact.contains_key(&file.sha256) {
            self.forget_oldest_files();
        }
        let number = self.next_file;
        let known = self.exact.entry(file.sha256).or_insert_with(|| Reported {
            number,
            labels: Labels::default(),
            sketch: file.sketch,
            first_s: now_s,
            last_s: now_s,
            is_dirty: true,
        });
        if known.number == number {
            self.next_file = number.wrapping_add(1);
        }
        known.labels.add(label);
        (known.last_s, known.is_dirty) = (now_s, true);
        let Some(sketch) = &file.sketch else { return };
        let number = self.files.find_or_add(sketch, now_s);
        if let Some(entry) = self.files.at_mut(number) {
            entry.labels.add(label);
            entry.last_s = now_s;
        }
    }

    /// A tenth of them, so that this is seldom done.
    fn forget_oldest_files(&mut self) {
        let mut times: Vec<u64> = self.exact.values().map(|known| known.last_s).collect();
        let tenth = times.len() / 10;
        let (_, limit_s, _) = times.select_nth_unstable(tenth);
        let limit_s = *limit_s;
        let mut left = tenth + 1;
        let forgotten = &mut self.forgotten;
        self.exact.retain(|_, known| {
            let goes = known.last_s <= limit_s && left > 0;
            if goes {
                left -= 1;
                forgotten.push(known.number);
            }
            !goes
        });
    }

    fn reported(&self) -> Vec<FeedEntry> {
        let label = |labels: &Labels| match labels.malware > 0 {
            true => Label::Malware,
            false => Label::Spam,
        };
        let texts = self.texts.entries().iter().filter(|entry| entry.labels.is_bad());
        let texts = texts.map(|entry| FeedEntry {
            label: label(&entry.labels),
            first_s: entry.first_s,
            count: entry.seen.max(1),
            sha256: None,
            sketch: Some(entry.sketch),
        });
        let files = self.exact.iter().filter(|(_, known)| known.labels.is_bad());
        let files = files.map(|(sha256, known)| FeedEntry {
            label: label(&known.labels),
            first_s: known.first_s,
            count: known.labels.spam.saturating_add(known.labels.malware),
            sha256: Some(*sha256),
            sketch: known.sketch,
        });
        let mut entries: Vec<FeedEntry> = texts.chain(files).collect();
        // The newest first, should there be too many.
        entries.sort_by_key(|entry| (std::cmp::Reverse(entry.first_s), entry.sha256));
        entries
    }

    /// What the store must be told of texts and of files.
    fn changed(&mut self) -> (Rows, Rows) {
        let mut texts = Vec::new();
        for (number, entry) in (0u32..).zip(self.texts.entries_mut()) {
            if !entry.is_dirty {
                continue;
            }
            entry.is_dirty = false;
            let is_worth = entry.is_worth_keeping();
            if is_worth || entry.is_kept {
                texts.push((number, is_worth.then(|| entry.to_kept())));
            }
            entry.is_kept = is_worth;
        }
        let mut files: Rows = self.forgotten.drain(..).map(|number| (number, None)).collect();
        for (sha256, known) in self.exact.iter_mut().filter(|(_, known)| known.is_dirty) {
            known.is_dirty = false;
            files.push((known.number, Some(known.to_kept(sha256))));
        }
        (texts, files)
    }

    fn recall(&mut self, store: &Store, now_s: u64) -> Result<(), StoreError> {
        let mut kept = store.digests().all(DigestKind::Text)?;
        // The latest last, so that they stay should there be fewer places than before.
        kept.sort_by_key(|(_, digest)| digest.last_s);
        let mut rows: Rows = kept.iter().map(|(number, _)| (*number, None)).collect();
        for (_, digest) in &kept {
            if let Some(entry) = Entry::of_kept(digest) {
                self.texts.add(entry, now_s);
            }
        }
        // Numbers are places in the table, which is filled anew from its beginning.
        let places = (0u32..).zip(self.texts.entries());
        rows.extend(places.map(|(number, entry)| (number, Some(entry.to_kept()))));
        store.digests().put(DigestKind::Text, rows)?;
        for (number, digest) in store.digests().all(DigestKind::File)? {
            self.recall_file(number, &digest, now_s);
        }
        Ok(())
    }

    fn recall_file(&mut self, number: u32, digest: &KeptDigest, now_s: u64) {
        let Some(sha256) = digest.sha256 else { return };
        let [spam, malware, ham] = digest.labels;
        let known = Reported {
            number,
            labels: Labels { spam, malware, ham },
            sketch: Sketch::of_octets(&digest.bins, digest.shingles),
            first_s: digest.first_s,
            last_s: digest.last_s,
            is_dirty: false,
        };
        self.next_file = self.next_file.max(number.wrapping_add(1));
        if let Some(sketch) = &known.sketch {
            let place = self.files.find_or_add(sketch, now_s);
            if let Some(entry) = self.files.at_mut(place) {
                entry.labels.merge(known.labels);
                entry.last_s = entry.last_s.max(known.last_s);
            }
        }
        self.exact.insert(sha256, known);
    }
}

impl Reported {
    fn to_kept(&self, sha256: &[u8; 32]) -> KeptDigest {
        KeptDigest {
            bins: self.sketch.as_ref().map(Sketch::octets).unwrap_or_default(),
            shingles: self.sketch.map_or(0, |sketch| sketch.shingles),
            sha256: Some(*sha256),
            labels: [self.labels.spam, self.labels.malware, self.labels.ham],
            first_s: self.first_s,
            last_s: self.last_s,
            ..KeptDigest::default()
        }
    }
}
