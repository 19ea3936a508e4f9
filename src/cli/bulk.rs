//! `postern bulk`: the site's key, and digests that go from site to site as signed files.
//!
//! An export is asked of the running box; when none runs, the store is read. An import is
//! checked before anything is replaced: a file that is cut off, expired, not signed by a key
//! of `[[bulk.feed]]` or older than the one in place is refused.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::arguments::{BulkAct, BulkOrder};
use super::control::Control;
use super::exit::{Exit, Trouble};
use crate::admin::api::SignedFeed;
use crate::analysis::bulk::feed::{Feed, FeedError};
use crate::analysis::bulk::{Bulk, BulkError, SiteKey, imported, read_file};
use crate::config::Config;
use crate::store::Store;

pub(super) fn bulk(order: &BulkOrder) -> Result<Exit, Trouble> {
    match &order.act {
        BulkAct::Key(with) => key(&with.config),
        BulkAct::Export { config, out, days } => export(config, out, *days),
        BulkAct::Import { config, file } => import(config, file),
    }
}

impl From<BulkError> for Trouble {
    fn from(error: BulkError) -> Trouble {
        match error {
            BulkError::File { path, error } => Trouble::Input { file: path, error },
            BulkError::Key { .. } | BulkError::Feed { .. } => Trouble::Data(error.to_string()),
            BulkError::Store(error) => Trouble::Refused(error.to_string()),
        }
    }
}

fn key(config: &Path) -> Result<Exit, Trouble> {
    let config = Config::load(config)?;
    say!("{}", SiteKey::of_site(&config.system.data_dir)?.public());
    Ok(Exit::Ok)
}

fn export(config: &Path, out: &Path, days: u32) -> Result<Exit, Trouble> {
    let config = Config::load(config)?;
    let asked = Control::at(&config)?.one::<SignedFeed>(&format!("/v1/bulk/feed?days={days}"));
    let text = match asked {
        Ok(feed) => feed.text,
        Err(Trouble::NotRunning(_)) => export_at_rest(&config, days)?,
        Err(trouble) => return Err(trouble),
    };
    replace(out, text.as_bytes())?;
    let entries =
        text.lines().filter(|line| line.starts_with("text ") || line.starts_with("file "));
    say!("{}: {} digests, good for {days} days", out.display(), entries.count());
    Ok(Exit::Ok)
}

/// While no box runs.
fn export_at_rest(config: &Config, days: u32) -> Result<String, Trouble> {
    let key = SiteKey::of_site(&config.system.data_dir)?;
    let store = Store::open(&config.system.data_dir).map_err(BulkError::from)?;
    let bulk = Bulk::new(config, Some(Arc::new(store)))?;
    let lasts = Duration::from_secs(u64::from(days) * 86_400);
    Ok(bulk.export(&key, SystemTime::now(), lasts))
}

fn import(config: &Path, file: &Path) -> Result<Exit, Trouble> {
    let config = Config::load(config)?;
    let data_dir = &config.system.data_dir;
    let octets = read_file(file)?;
    let refused = |error: FeedError| Trouble::Data(format!("{}: {error}", file.display()));
    let mut why = None;
    for feed in &config.bulk.feed {
        let place = feed.file.clone().unwrap_or_else(|| imported(data_dir, &feed.key));
        match Feed::read(&octets, &feed.key, now_s(), date_of(&place)) {
            Ok(read) => {
                replace(&place, &octets)?;
                say!("{}: {} digests of {}", place.display(), read.entries.len(), read.site);
                return Ok(Exit::Ok);
            }
            // Another feed's key may fit; any other fault is worth telling.
            Err(error @ FeedError::OtherKey { .. }) => why = why.or(Some(error)),
            Err(error) => return Err(refused(error)),
        }
    }
    match why {
        Some(FeedError::OtherKey { found, .. }) => Err(Trouble::Data(format!(
            "{}: no [[bulk.feed]] of the configuration has its key, {found}",
            file.display()
        ))),
        Some(error) => Err(refused(error)),
        None => Err(Trouble::Usage("the configuration has no [[bulk.feed]]".into())),
    }
}

/// When the file in place was made; it was checked when it was put there.
fn date_of(place: &Path) -> Option<u64> {
    Feed::created(&read_file(place).ok()?)
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Beside and then moved: nobody reads half of it.
fn replace(path: &Path, octets: &[u8]) -> Result<(), Trouble> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let write = || {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent)?;
        }
        let mut file = fs::File::create(&beside)?;
        file.write_all(octets)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&beside);
        Trouble::Output(format!("{}: {error}", path.display()))
    })
}
