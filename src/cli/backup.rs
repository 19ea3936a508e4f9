//! `postern backup`: the small state of a box in a folder, and back.
//!
//! In: a configuration. Out: a folder with the configuration file, the classifier's model, the
//! tuned weights, the key by which digests are signed, imported feeds of digests and an export
//! of the store (accounts, lists, history), and a `MANIFEST` with the length and CRC-32C of
//! each. Not in it: mail (spool, quarantine, journal), the site's
//! rule folders and certificates, which are files of the operator's already. Works with a
//! running box or without one; restoring needs the box stopped, checks everything before it
//! writes anything, and replaces what is there only when told to.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use super::control::Control;
use super::exit::{Exit, Trouble};
use super::model;
use crate::admin::api::Exported;
use crate::analysis::bulk::{FEEDS_DIR, KEY_FILE, is_feed_file};
use crate::analysis::classifier::MODEL_FILE;
use crate::analysis::weights::TUNED_FILE;
use crate::config::Config;
use crate::store::{self, Store, StoreError};

const MANIFEST: &str = "MANIFEST";
const CONFIG: &str = "postern.toml";
const STORE: &str = "store.export";
/// Of the folder's form.
const FORM: u32 = 1;
/// Whole files of the data directory.
const KEPT: [&str; 3] = [MODEL_FILE, TUNED_FILE, KEY_FILE];

/// `postern backup`.
#[derive(Debug, Args)]
pub struct BackupOrder {
    /// What to do
    #[command(subcommand)]
    pub act: BackupAct,
}

/// What can be done with backups.
#[derive(Debug, Subcommand)]
pub enum BackupAct {
    /// Write configuration, model, weights and store into a new folder
    Create {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The folder to make
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Put back what a backup holds; the box must not run
    Restore {
        /// Where the configuration file goes
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Replace what is there; an old store is kept beside the new one
        #[arg(long)]
        replace: bool,
        /// The folder that `backup create` made
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    form: u32,
    program: String,
    created: String,
    files: BTreeMap<String, Listed>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    octets: u64,
    crc32c: String,
}

impl Listed {
    fn of(octets: &[u8]) -> Listed {
        Listed { octets: octets.len() as u64, crc32c: format!("{:08x}", crc32c::crc32c(octets)) }
    }
}

pub(super) fn backup(order: &BackupOrder) -> Result<Exit, Trouble> {
    match &order.act {
        BackupAct::Create { config, out } => create(config, out),
        BackupAct::Restore { config, replace, folder } => match replace {
            true => restore(config, folder, Existing::Replaced),
            false => restore(config, folder, Existing::Kept),
        },
    }
}

fn written<T>(file: &Path, outcome: std::io::Result<T>) -> Result<T, Trouble> {
    outcome.map_err(|error| Trouble::Output(format!("{}: {error}", file.display())))
}

fn read(file: &Path) -> Result<Vec<u8>, Trouble> {
    fs::read(file).map_err(|error| Trouble::Input { file: file.to_owned(), error })
}

/// Writes a file whole, so that it is the old one or the new one whatever happens.
pub(super) fn put(file: &Path, octets: &[u8]) -> Result<(), Trouble> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let outcome = (|| {
        let mut options = OpenOptions::new();
        let mut out = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        out.write_all(octets)?;
        out.sync_all()?;
        fs::rename(&beside, file)?;
        match file.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => File::open(parent)?.sync_all(),
            None => File::open(".")?.sync_all(),
        }
    })();
    if outcome.is_err() {
        // That it cannot be written is what the operator hears.
        let _ = fs::remove_file(&beside);
    }
    written(file, outcome)
}

fn create(config_file: &Path, out: &Path) -> Result<Exit, Trouble> {
    let config = Config::load(config_file)?;
    model::save(&config)?;
    let made = DirBuilder::new().mode(0o700).create(out);
    made.map_err(|error| Trouble::Output(format!("{} cannot be made: {error}", out.display())))?;
    let mut files = BTreeMap::new();
    let mut keep = |name: &str, octets: Vec<u8>| {
        put(&out.join(name), &octets)?;
        files.insert(name.to_owned(), Listed::of(&octets));
        Ok::<(), Trouble>(())
    };
    keep(CONFIG, read(config_file)?)?;
    for name in KEPT {
        let file = config.system.data_dir.join(name);
        if file.exists() {
            keep(name, read(&file)?)?;
        }
    }
    for (name, file) in feeds(&config.system.data_dir)? {
        keep(&name, read(&file)?)?;
    }
    if let Some(export) = export_store(&config)? {
        keep(STORE, export)?;
    }
    let manifest = Manifest {
        form: FORM,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        created: jiff::Timestamp::now().to_string(),
        files,
    };
    let text = toml::to_string(&manifest).map_err(anyhow::Error::from)?;
    // Last: without it the folder is no backup.
    put(&out.join(MANIFEST), text.as_bytes())?;
    let names: Vec<&str> = manifest.files.keys().map(String::as_str).collect();
    say!("{}: {}", out.display(), names.join(", "));
    Ok(Exit::Ok)
}

/// Imported feeds. In a backup they lie flat beside the rest.
fn feeds(data_dir: &Path) -> Result<Vec<(String, PathBuf)>, Trouble> {
    let dir = data_dir.join(FEEDS_DIR);
    let unreadable = |error| Trouble::Input { file: dir.clone(), error };
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut feeds = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_feed_file(&name) && entry.path().is_file() {
            feeds.push((name, entry.path()));
        }
    }
    feeds.sort();
    Ok(feeds)
}

/// The store as octets: from the running box, or straight from the disk.
fn export_store(config: &Config) -> Result<Option<Vec<u8>>, Trouble> {
    match Control::at(config)?.act::<Exported>("/v1/store/export", &()) {
        Ok(Exported { file }) => {
            let octets = read(&file)?;
            // It holds hashes of passwords: not longer than needed.
            let _ = fs::remove_file(&file);
            Ok(Some(octets))
        }
        Err(Trouble::NotRunning(_)) if !store::exists(&config.system.data_dir) => Ok(None),
        Err(Trouble::NotRunning(_)) => {
            let mut octets = Vec::new();
            let store = Store::open(&config.system.data_dir).map_err(refused)?;
            store.export(&mut octets).map_err(refused)?;
            Ok(Some(octets))
        }
        Err(trouble) => Err(trouble),
    }
}

fn refused(error: StoreError) -> Trouble {
    match error {
        StoreError::BadExport(_) => Trouble::Data(error.to_string()),
        _ => Trouble::Refused(error.to_string()),
    }
}

/// What becomes of what is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Existing {
    Kept,
    Replaced,
}

fn restore(config_file: &Path, folder: &Path, existing: Existing) -> Result<Exit, Trouble> {
    let files = checked(folder)?;
    let text = files.get(CONFIG).map(|octets| String::from_utf8_lossy(octets).into_owned());
    let text = text.ok_or_else(|| Trouble::Data("the backup holds no configuration".into()))?;
    let parent = config_file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let base = parent.canonicalize();
    let base = base.map_err(|error| Trouble::Input { file: parent.to_owned(), error })?;
    let config = Config::parse(&text, config_file, &base)?;
    let data_dir = &config.system.data_dir;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(data_dir);
    written(data_dir, made)?;
    let _lock = stopped(data_dir)?;
    let target = |name: &str| match name {
        STORE => None,
        CONFIG => Some(config_file.to_owned()),
        name if is_feed_file(name) => Some(data_dir.join(FEEDS_DIR).join(name)),
        name => Some(data_dir.join(name)),
    };
    let targets: Vec<(&str, PathBuf)> =
        files.keys().filter_map(|name| Some((name.as_str(), target(name)?))).collect();
    let has_store = files.contains_key(STORE);
    if existing == Existing::Kept {
        let same =
            |(name, file): &&(&str, PathBuf)| fs::read(file).ok().as_ref() == files.get(*name);
        let in_the_way = targets.iter().filter(|(_, file)| file.exists()).find(|one| !same(one));
        let in_the_way = in_the_way.map(|(_, file)| file.display().to_string());
        let store = (has_store && store::exists(data_dir)).then(|| "the store".to_owned());
        if let Some(what) = in_the_way.or(store) {
            return Err(Trouble::Refused(format!(
                "{what} is there already; --replace replaces it"
            )));
        }
    }
    if has_store {
        restore_store(data_dir, &folder.join(STORE))?;
    }
    if targets.iter().any(|(name, _)| is_feed_file(name)) {
        let dir = data_dir.join(FEEDS_DIR);
        written(&dir, DirBuilder::new().recursive(true).mode(0o700).create(&dir))?;
    }
    for (name, file) in &targets {
        if let Some(octets) = files.get(*name) {
            put(file, octets)?;
        }
    }
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    say!("restored: {}", names.join(", "));
    Ok(Exit::Ok)
}

/// The files of a backup, each as the manifest says.
fn checked(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, Trouble> {
    let bad = |what: String| Trouble::Data(format!("{}: {what}", folder.display()));
    let text = String::from_utf8_lossy(&read(&folder.join(MANIFEST))?).into_owned();
    let manifest: Manifest =
        toml::from_str(&text).map_err(|error| bad(format!("{MANIFEST}: {}", error.message())))?;
    if manifest.form != FORM {
        return Err(bad(format!("a backup of form {}, not {FORM}", manifest.form)));
    }
    let mut files = BTreeMap::new();
    for (name, listed) in manifest.files {
        // A manifest names no paths.
        let is_part = [CONFIG, STORE].contains(&name.as_str())
            || KEPT.contains(&name.as_str())
            || is_feed_file(&name);
        if !is_part {
            return Err(bad(format!("{name} is no part of a backup")));
        }
        let octets = read(&folder.join(&name))?;
        if Listed::of(&octets) != listed {
            return Err(bad(format!("{name} is damaged: it is not what {MANIFEST} says")));
        }
        files.insert(name, octets);
    }
    Ok(files)
}

/// The data directory, taken as a running box takes it.
fn stopped(data_dir: &Path) -> Result<Flock<File>, Trouble> {
    let file = data_dir.join("lock");
    let mut options = OpenOptions::new();
    let opened = options.create(true).truncate(false).write(true).mode(0o600).open(&file);
    match Flock::lock(written(&file, opened)?, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(lock),
        Err(_) => Err(Trouble::Refused("the box is running; stop it first".into())),
    }
}

/// Makes the store anew; an old one is kept beside it.
fn restore_store(data_dir: &Path, export: &Path) -> Result<(), Trouble> {
    let place = data_dir.join("store");
    if store::exists(data_dir) {
        let aside = data_dir.join("store.before-restore");
        if aside.exists() {
            let text = format!("{} is there from an earlier restore; remove it", aside.display());
            return Err(Trouble::Refused(text));
        }
        written(&aside, fs::rename(&place, &aside))?;
        if let Err(error) = Store::import(data_dir, export) {
            // What was there is there again.
            let _ = fs::remove_dir_all(&place);
            written(&place, fs::rename(&aside, &place))?;
            return Err(refused(error));
        }
        return Ok(());
    }
    Store::import(data_dir, export).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::bulk::SiteKey;
    use crate::analysis::classifier::{Classifier, LearningLimits};

    /// In the data directory.
    const FEED: &str = "feeds/0123456789abcdef.digests";

    fn setup(dir: &Path) -> PathBuf {
        let file = dir.join("postern.toml");
        fs::write(
            &file,
            "[system]\nhostname = \"mx.example.org\"\ndata_dir = \"data\"\n\
             postmaster = \"postmaster@example.org\"\n",
        )
        .unwrap();
        fs::create_dir_all(dir.join("data")).unwrap();
        file
    }

    fn filled(dir: &Path) -> PathBuf {
        let file = setup(dir);
        let data = dir.join("data");
        Classifier::blank(LearningLimits::default()).save(&data.join(MODEL_FILE)).unwrap();
        fs::write(data.join(TUNED_FILE), "[SPAM_CASINO]\nscore = 1.5\n").unwrap();
        let store = Store::open(&data).unwrap();
        store.accounts().add("ann", "long enough, ann", Vec::new()).unwrap();
        SiteKey::of_site(&data).unwrap();
        fs::create_dir(data.join(FEEDS_DIR)).unwrap();
        fs::write(data.join(FEED), "digests").unwrap();
        // Left by an import that was cut off.
        fs::write(data.join(format!("{FEED}.new")), "half").unwrap();
        file
    }

    #[test]
    fn what_was_kept_comes_back() {
        let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let config = filled(old.path());
        let folder = old.path().join("backup");
        create(&config, &folder).unwrap();
        assert!(matches!(create(&config, &folder), Err(Trouble::Output(_))), "never overwritten");
        let restored = new.path().join("postern.toml");
        restore(&restored, &folder, Existing::Kept).unwrap();
        assert_eq!(fs::read(&restored).unwrap(), fs::read(&config).unwrap());
        assert!(!folder.join(format!("{FEED}.new")).exists());
        for name in [MODEL_FILE, TUNED_FILE, KEY_FILE, FEED] {
            let of = |dir: &Path| fs::read(dir.join("data").join(name)).unwrap();
            assert_eq!(of(new.path()), of(old.path()), "{name}");
        }
        {
            let store = Store::open(&new.path().join("data")).unwrap();
            assert!(store.accounts().find("ann").unwrap().is_some());
        }
        // A second time something is in the way, unless it may be replaced.
        let again = restore(&restored, &folder, Existing::Kept);
        assert!(matches!(again, Err(Trouble::Refused(_))), "{again:?}");
        restore(&restored, &folder, Existing::Replaced).unwrap();
        assert!(new.path().join("data/store.before-restore").is_dir());
    }

    #[test]
    fn a_damaged_backup_changes_nothing() {
        let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let config = filled(old.path());
        let folder = old.path().join("backup");
        create(&config, &folder).unwrap();
        let feed = FEED.rsplit('/').next().unwrap();
        for name in [CONFIG, MODEL_FILE, TUNED_FILE, KEY_FILE, feed, STORE, MANIFEST] {
            let whole = fs::read(folder.join(name)).unwrap();
            fs::write(folder.join(name), &whole[..whole.len() / 2]).unwrap();
            let refused = restore(&new.path().join("postern.toml"), &folder, Existing::Kept);
            assert!(matches!(refused, Err(Trouble::Data(_))), "{name}: {refused:?}");
            assert_eq!(fs::read_dir(new.path()).unwrap().count(), 0, "{name}");
            fs::write(folder.join(name), whole).unwrap();
        }
    }

    #[test]
    fn a_manifest_names_no_paths() {
        let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let config = filled(old.path());
        let folder = old.path().join("backup");
        create(&config, &folder).unwrap();
        let manifest = fs::read_to_string(folder.join(MANIFEST)).unwrap();
        for name in ["../evil.digests", "..digests", "x/0123.digests", "lock"] {
            let listed = Listed::of(b"");
            let (octets, crc32c) = (listed.octets, listed.crc32c);
            let more = format!("\n[files.\"{name}\"]\noctets = {octets}\ncrc32c = \"{crc32c}\"\n");
            fs::write(folder.join(MANIFEST), format!("{manifest}{more}")).unwrap();
            let refused = restore(&new.path().join("postern.toml"), &folder, Existing::Kept);
            assert!(matches!(refused, Err(Trouble::Data(_))), "{name}: {refused:?}");
        }
    }

    #[test]
    fn a_running_box_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let config = filled(dir.path());
        let folder = dir.path().join("backup");
        create(&config, &folder).unwrap();
        let _running = stopped(&dir.path().join("data")).unwrap();
        let refused = restore(&config, &folder, Existing::Replaced);
        assert!(matches!(refused, Err(Trouble::Refused(_))), "{refused:?}");
    }
}
