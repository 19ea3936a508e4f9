//! The feeds of other sites that are in use.
//!
//! In: `[[bulk.feed]]`, files. Out: what some other site says of a digest, and how much that
//! is worth. A file is read again when it changes. What cannot be used is told as an event,
//! once a file, and the box runs without it; a feed that expires while it is in use goes out
//! of use.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::feed::{FEED_OCTETS, Feed, FeedError};
use super::sketch::Sketch;
use super::table::{Label, Table};
use super::{BulkError, FEEDS_DIR};
use crate::config::{BulkFeed, FeedKey};
use crate::store::Store;

/// A feed in use.
#[derive(Debug)]
struct Loaded {
    site: String,
    expires_s: u64,
    texts: Table,
    files: Table,
    exact: HashMap<[u8; 32], Label>,
}

/// One of the configuration's.
#[derive(Debug)]
struct Source {
    key: FeedKey,
    path: PathBuf,
    weight: f32,
    /// Of the file that was read last, whether or not it could be used.
    stamp: Option<(SystemTime, u64)>,
    loaded: Option<Loaded>,
}

/// What another site says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hearsay {
    pub(super) site: String,
    pub(super) label: Label,
    /// From 0 to 1.
    pub(super) weight: f32,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Feeds {
    sources: Vec<Source>,
}

/// Where an imported feed lies.
pub fn imported(data_dir: &Path, key: &FeedKey) -> PathBuf {
    data_dir.join(FEEDS_DIR).join(format!("{}.digests", key.short()))
}

/// Whether a file in that folder is an imported feed by its name.
pub fn is_feed_file(name: &str) -> bool {
    let stem = name.strip_suffix(".digests").unwrap_or_default();
    !stem.is_empty() && stem.bytes().all(|octet| octet.is_ascii_hexdigit())
}

/// Reads a feed's file whole, unless it is longer than a feed can be.
pub fn read_file(path: &Path) -> Result<Vec<u8>, BulkError> {
    let unreadable = |error| BulkError::File { path: path.to_owned(), error };
    let mut octets = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FEED_OCTETS + 1).read_to_end(&mut octets).map_err(unreadable)?;
    Ok(octets)
}

impl Feeds {
    pub(super) fn new(feeds: &[BulkFeed], data_dir: &Path) -> Feeds {
        let source = |feed: &BulkFeed| Source {
            key: feed.key,
            path: feed.file.clone().unwrap_or_else(|| imported(data_dir, &feed.key)),
            weight: feed.weight,
            stamp: None,
            loaded: None,
        };
        Feeds { sources: feeds.iter().map(source).collect() }
    }

    /// Reads what has changed. Blocks.
    pub(super) fn refresh(&mut self, store: Option<&Arc<Store>>, now_s: u64) {
        for source in &mut self.sources {
            source.refresh(store, now_s);
        }
    }

    pub(super) fn of_text(&self, sketch: &Sketch, now_s: u64) -> Option<Hearsay> {
        self.heaviest(now_s, |loaded| label_in(&loaded.texts, sketch))
    }

    pub(super) fn of_file(
        &self,
        sha256: &[u8; 32],
        sketch: Option<&Sketch>,
        now_s: u64,
    ) -> Option<(Hearsay, bool)> {
        let exact = self.heaviest(now_s, |loaded| loaded.exact.get(sha256).copied());
        let near = || {
            let sketch = sketch?;
            self.heaviest(now_s, |loaded| label_in(&loaded.files, sketch))
        };
        exact.map(|said| (said, true)).or_else(|| near().map(|said| (said, false)))
    }

    fn heaviest(&self, now_s: u64, said: impl Fn(&Loaded) -> Option<Label>) -> Option<Hearsay> {
        let all = self.sources.iter().filter_map(|source| {
            let loaded = source.loaded.as_ref().filter(|loaded| now_s < loaded.expires_s)?;
            let label = said(loaded)?;
            Some(Hearsay { site: loaded.site.clone(), label, weight: source.weight })
        });
        all.max_by(|one, other| one.weight.total_cmp(&other.weight))
    }
}

fn label_in(table: &Table, sketch: &Sketch) -> Option<Label> {
    let labels = table.at(table.find(sketch)?)?.labels;
    Some(if labels.malware > 0 { Label::Malware } else { Label::Spam })
}

impl Source {
    fn refresh(&mut self, store: Option<&Arc<Store>>, now_s: u64) {
        let stamp = std::fs::metadata(&self.path)
            .ok()
            .and_then(|data| Some((data.modified().ok()?, data.len())));
        if let Some(expired) = self.loaded.take_if(|loaded| now_s >= loaded.expires_s) {
            tracing::warn!(site = expired.site, "a feed of digests has expired and is not used");
        }
        if stamp == self.stamp {
            return;
        }
        self.stamp = stamp;
        let path = self.path.display();
        match self.read(store, now_s) {
            Ok(loaded) => {
                let (site, entries) =
                    (&loaded.site, loaded.exact.len() + loaded.texts.entries().len());
                tracing::info!(site, entries, "a feed of digests is in use");
                self.loaded = Some(loaded);
            }
            // What was good stays in use until it expires.
            Err(error) => tracing::warn!(%path, "a feed of digests is not used: {error}"),
        }
    }

    fn read(&self, store: Option<&Arc<Store>>, now_s: u64) -> Result<Loaded, BulkError> {
        let octets = read_file(&self.path)?;
        let newest_s = match store {
            Some(store) => store.digests().accepted(&self.key.0)?,
            None => None,
        };
        let refused = |error: FeedError| BulkError::Feed { path: self.path.clone(), error };
        let feed = Feed::read(&octets, &self.key, now_s, newest_s).map_err(refused)?;
        if let Some(store) = store {
            store.digests().accept(&self.key.0, feed.created_s)?;
        }
        Ok(Loaded::of(feed, now_s))
    }
}

impl Loaded {
    fn of(feed: Feed, now_s: u64) -> Loaded {
        let texts = feed.entries.iter().filter(|entry| entry.sha256.is_none()).count();
        let mut loaded = Loaded {
            site: feed.site.chars().filter(|c| !c.is_control()).take(100).collect(),
            expires_s: feed.expires_s,
            texts: Table::new(texts.max(1)),
            files: Table::new((feed.entries.len() - texts).max(1)),
            exact: HashMap::new(),
        };
        for entry in feed.entries {
            if let Some(sha256) = entry.sha256 {
                loaded.exact.insert(sha256, entry.label);
            }
            let table = match entry.sha256 {
                Some(_) => &mut loaded.files,
                None => &mut loaded.texts,
            };
            let Some(sketch) = entry.sketch else { continue };
            let number = table.find_or_add(&sketch, now_s);
            if let Some(known) = table.at_mut(number) {
                known.labels.add(entry.label);
            }
        }
        loaded
    }
}
