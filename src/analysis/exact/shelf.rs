//! Where lists and fingerprints lie, and those of them that are in use.
//!
//! In: the data directory. Out: what was imported under a name, shared by all scans. A file is
//! replaced whole; a running box sees that within seconds ([`LOOKED_AFTER`]) or when it is told
//! to ([`Shelf::refresh`]) and reads it on a thread of its own, so that no scan waits. One that
//! cannot be read is said once in the events, and what was there stays in use; one that was
//! removed is out of use. The key of a file lies in another folder, so that a copy of the one
//! tells nothing without the other. All files are for the box's user only.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::keyed::{KEY_OCTETS, Key};
use super::{ExactError, ExactList};
use crate::analysis::file_mark::FileMark;

/// A file is looked after that often at most.
const LOOKED_AFTER: Duration = Duration::from_secs(5);
/// Below the data directory.
const FOLDER: &str = "content";
const KEYS: &str = "keys";
const MOST_NAME_CHARS: usize = 64;

/// Why a file of the shelf cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// No name of a file.
    #[error("{0:?} is no name: small letters, digits, - and _ are, 64 at most")]
    Name(String),
    /// Reading or writing failed.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl ShelfError {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> ShelfError + use<> {
        let path = path.to_owned();
        move |error| ShelfError::File { path, error }
    }

    /// The file and what is wrong with it.
    pub fn into_parts(self) -> (PathBuf, io::Error) {
        match self {
            ShelfError::File { path, error } => (path, error),
            ShelfError::Name(name) => {
                (PathBuf::from(name), io::Error::from(ErrorKind::InvalidInput))
            }
        }
    }
}

/// What can lie on a shelf.
pub trait Shelved: Sized + Send + Sync + 'static {
    /// Its folder below `content/`.
    const FOLDER: &'static str;
    /// How its files end.
    const EXTENSION: &'static str;
    /// Why one cannot be read.
    type Error: std::fmt::Display;

    /// Reads one.
    fn load(path: &Path) -> Result<Self, Self::Error>;
}

impl Shelved for ExactList {
    const FOLDER: &'static str = "exact";
    const EXTENSION: &'static str = "list";
    type Error = ExactError;

    fn load(path: &Path) -> Result<ExactList, ExactError> {
        ExactList::load(path)
    }
}

#[derive(Debug)]
struct Held<T> {
    mark: Option<FileMark>,
    thing: Option<Arc<T>>,
}

impl<T> Clone for Held<T> {
    fn clone(&self) -> Held<T> {
        Held { mark: self.mark, thing: self.thing.clone() }
    }
}

/// All files of one kind.
#[derive(Debug)]
pub struct Shelf<T> {
    data_dir: PathBuf,
    held: ArcSwap<HashMap<String, Held<T>>>,
    looked: Mutex<Instant>,
    is_reading: AtomicBool,
}

impl<T: Shelved> Shelf<T> {
    /// The shelf of a data directory; nothing is read yet.
    pub fn of(data_dir: &Path) -> Arc<Shelf<T>> {
        Arc::new(Shelf {
            data_dir: data_dir.to_owned(),
            held: ArcSwap::default(),
            looked: Mutex::new(Instant::now()),
            is_reading: AtomicBool::new(false),
        })
    }

    /// Where a name's file lies.
    pub fn path(data_dir: &Path, name: &str) -> Result<PathBuf, ShelfError> {
        let is_fit = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '-' | '_');
        match (1..=MOST_NAME_CHARS).contains(&name.len()) && name.chars().all(is_fit) {
            true => Ok(folder::<T>(data_dir).join(format!("{name}.{}", T::EXTENSION))),
            false => Err(ShelfError::Name(name.chars().take(MOST_NAME_CHARS).collect())),
        }
    }

    /// The names that have a file, in order.
    pub fn names(data_dir: &Path) -> Result<Vec<String>, ShelfError> {
        let folder = folder::<T>(data_dir);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(ShelfError::file(&folder)(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let path = entry.map_err(ShelfError::file(&folder))?.path();
            let is_one = path.extension().is_some_and(|extension| extension == T::EXTENSION);
            if let Some(name) = path.file_stem().and_then(|stem| stem.to_str()).filter(|_| is_one) {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Puts what lies under a name in use, now; nothing when there is no such file. For whoever
    /// loads rules: it reads the file on the caller's thread.
    pub fn open(&self, name: &str) -> Result<Option<Arc<T>>, T::Error> {
        let Ok(path) = Self::path(&self.data_dir, name) else { return Ok(None) };
        let mark = FileMark::of(&path);
        if let Some(held) = self.held.load().get(name).filter(|held| held.mark == mark) {
            return Ok(held.thing.clone());
        }
        let thing = mark.map(|_| T::load(&path)).transpose()?.map(Arc::new);
        self.put(name, Held { mark, thing: thing.clone() });
        Ok(thing)
    }

    fn put(&self, name: &str, held: Held<T>) {
        self.held.rcu(|all| {
            let mut all = HashMap::clone(all);
            all.insert(name.to_owned(), held.clone());
            all
        });
    }

    /// What is in use under a name that was opened. For scans: never waits.
    pub fn item(self: &Arc<Shelf<T>>, name: &str) -> Option<Arc<T>> {
        self.look_after();
        self.held.load().get(name)?.thing.clone()
    }

    /// Reads the files that have changed, on a thread of its own, unless that was done a moment
    /// ago.
    fn look_after(self: &Arc<Shelf<T>>) {
        let Ok(mut looked) = self.looked.try_lock() else { return };
        if looked.elapsed() < LOOKED_AFTER || self.is_reading.swap(true, Ordering::Acquire) {
            return;
        }
        *looked = Instant::now();
        drop(looked);
        let shelf = Arc::clone(self);
        let started = std::thread::Builder::new().name("shelf".into()).spawn(move || {
            shelf.refresh();
            shelf.is_reading.store(false, Ordering::Release);
        });
        if let Err(error) = started {
            self.is_reading.store(false, Ordering::Release);
            tracing::warn!(%error, "lists are not looked after");
        }
    }

    /// Reads those of the opened files that have changed. Blocks.
    pub fn refresh(&self) {
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        let all = self.held.load_full();
        for (name, held) in all.iter() {
            let Ok(path) = Self::path(&self.data_dir, name) else { continue };
            let mark = FileMark::of(&path);
            if mark == held.mark {
                continue;
            }
            let thing = match mark.map(|_| T::load(&path)).transpose() {
                Ok(thing) => thing.map(Arc::new),
                Err(error) => {
                    tracing::error!("{}: {error}; the one before stays in use", path.display());
                    held.thing.clone()
                }
            };
            match thing {
                Some(_) => tracing::info!(name, kind = T::FOLDER, "read again"),
                None => tracing::warn!(name, kind = T::FOLDER, "removed, and out of use"),
            }
            self.put(name, Held { mark, thing });
        }
    }

    /// The key of a name; made when there is none.
    pub fn make_key(data_dir: &Path, name: &str) -> Result<Key, ShelfError> {
        let path = Self::path(data_dir, name)?;
        match key_for(&path) {
            Err(ShelfError::File { error, .. }) if error.kind() == ErrorKind::NotFound => {}
            other => return other,
        }
        let key = Key::random().map_err(ShelfError::file(&path))?;
        put(&key_path(&path), key.octets())?;
        Ok(key)
    }

    /// Puts a file in the place of the one before, whole.
    pub fn put_file(data_dir: &Path, name: &str, octets: &[u8]) -> Result<PathBuf, ShelfError> {
        let path = Self::path(data_dir, name)?;
        put(&path, octets)?;
        Ok(path)
    }

    /// Removes a name's file and its key; says whether there was one.
    pub fn remove(data_dir: &Path, name: &str) -> Result<bool, ShelfError> {
        let path = Self::path(data_dir, name)?;
        let is_removed = |path: &Path| match fs::remove_file(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(ShelfError::file(path)(error)),
        };
        let was_there = is_removed(&path)?;
        Ok(is_removed(&key_path(&path))? || was_there)
    }
}

fn folder<T: Shelved>(data_dir: &Path) -> PathBuf {
    data_dir.join(FOLDER).join(T::FOLDER)
}

/// `content/exact/staff.list` → `content/keys/exact-staff.key`.
fn key_path(path: &Path) -> PathBuf {
    let folder = path.parent().unwrap_or(Path::new(""));
    let kind = folder.file_name().unwrap_or_default().to_string_lossy();
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let content = folder.parent().unwrap_or(Path::new(""));
    content.join(KEYS).join(format!("{kind}-{name}.key"))
}

/// The key of the file at this place.
pub fn key_for(path: &Path) -> Result<Key, ShelfError> {
    let path = key_path(path);
    let octets = fs::read(&path).map_err(ShelfError::file(&path))?;
    let bad = || io::Error::other(format!("a key has {KEY_OCTETS} octets, not {}", octets.len()));
    Key::from_octets(&octets).ok_or_else(|| ShelfError::File { path, error: bad() })
}

/// Beside and then moved, so that it is the old file or the new one whatever happens. What root
/// puts there belongs to whom the folder above belongs to: the box's user has to read it.
fn put(path: &Path, octets: &[u8]) -> Result<(), ShelfError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let write = || {
        make_folder(folder)?;
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(octets)?;
        file.sync_all()?;
        hand_over(folder, &beside)?;
        fs::rename(&beside, path)?;
        fs::File::open(folder)?.sync_all()
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&beside);
        ShelfError::file(path)(error)
    })
}

fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
    let above = above.unwrap_or(Path::new("."));
    make_folder(above)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => hand_over(above, folder),
    }
}

/// Gives what was made to the owner of what it lies in.
fn hand_over(above: &Path, made: &Path) -> io::Result<()> {
    let (above, own) = (fs::metadata(above)?, fs::metadata(made)?);
    match above.uid() == own.uid() {
        true => Ok(()),
        false => std::os::unix::fs::chown(made, Some(above.uid()), Some(above.gid())),
    }
}
