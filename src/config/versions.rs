//! Versions of a text by which the box is governed, each with its author and reason.
//!
//! In: a text that somebody publishes. Out: numbered versions, the newest of which is in force.
//! One file a version, `000012.toml`: the first line is a comment that says who published it,
//! when and why, all that follows is the text, octet by octet. A version is never changed or
//! removed: to go back, an old text is published again.
//!
//! A version is on the disk, folder included, before it is acknowledged: written beside,
//! synced, and linked under its number, which fails when somebody else has taken the number.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// A text is no longer than this, in octets.
const TEXT_OCTETS: u64 = 16 << 20;
/// Characters of an author or a reason.
const WORDS: usize = 1_000;
/// What the first line of a version begins with.
const MARK: &str = "#: ";

/// Tells the files apart that one process writes at the same time.
static TURN: AtomicU64 = AtomicU64::new(0);

/// Who published a version, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// From 1.
    pub number: u32,
    /// As the publisher was known.
    pub author: String,
    /// In the publisher's words.
    pub reason: String,
    /// Milliseconds since 1970.
    pub published_ms: u64,
}

/// The folder of versions, or a file in it, is to blame.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// A file or the folder cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is no version.
    #[error("{}: {what}", path.display())]
    Wrong {
        /// Which one.
        path: PathBuf,
        /// Why not.
        what: String,
    },
    /// There is no such version.
    #[error("there is no version {0}")]
    Unknown(u32),
    /// The text is too long.
    #[error("a text of {0} octets is too long to be kept")]
    TooLong(u64),
}

/// All versions of one text.
#[derive(Debug, Clone)]
pub struct Versions {
    dir: PathBuf,
}

impl Versions {
    /// Those in a folder, which need not be there yet.
    pub fn new(dir: impl Into<PathBuf>) -> Versions {
        Versions { dir: dir.into() }
    }

    /// All, the oldest first.
    pub fn list(&self) -> Result<Vec<Version>, VersionError> {
        self.numbers()?.into_iter().map(|number| self.read(number).map(|(it, _)| it)).collect()
    }

    /// The newest, with its text.
    pub fn newest(&self) -> Result<Option<(Version, String)>, VersionError> {
        self.numbers()?.last().map(|number| self.read(*number)).transpose()
    }

    /// One of them, with its text.
    pub fn read(&self, number: u32) -> Result<(Version, String), VersionError> {
        let path = self.path(number);
        let told = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => VersionError::Unknown(number),
            _ => VersionError::Io { path: path.clone(), error },
        };
        let octets = fs::metadata(&path).map_err(told)?.len();
        if octets > TEXT_OCTETS + 64 * WORDS as u64 {
            return Err(VersionError::TooLong(octets));
        }
        let whole = fs::read_to_string(&path).map_err(told)?;
        let wrong = |what: String| VersionError::Wrong { path: path.clone(), what };
        let (first, text) = whole.split_once('\n').unwrap_or((&whole, ""));
        let first = first
            .strip_prefix(MARK)
            .ok_or_else(|| wrong("its first line is none of ours".into()))?;
        let version: Version =
            serde_json::from_str(first).map_err(|error| wrong(error.to_string()))?;
        match version.number == number {
            true => Ok((version, text.to_owned())),
            false => Err(wrong(format!("it calls itself version {}", version.number))),
        }
    }

    /// Makes a text the newest version, unless it is that already; says which it is.
    pub fn publish(
        &self,
        text: &str,
        author: &str,
        reason: &str,
        published_ms: u64,
    ) -> Result<Version, VersionError> {
        if text.len() as u64 > TEXT_OCTETS {
            return Err(VersionError::TooLong(text.len() as u64));
        }
        let words = |text: &str| text.chars().take(WORDS).collect::<String>();
        loop {
            let newest = self.newest()?;
            let number = match newest {
                Some((version, same)) if same == text => return Ok(version),
                Some((version, _)) => version.number + 1,
                None => 1,
            };
            let (author, reason) = (words(author), words(reason));
            let version = Version { number, author, reason, published_ms };
            if self.write(&version, text)? {
                return Ok(version);
            }
            // Somebody else was quicker: theirs is the one before ours.
        }
    }

    /// False when the number is taken.
    fn write(&self, version: &Version, text: &str) -> Result<bool, VersionError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| VersionError::Io { path, error }
        };
        fs::create_dir_all(&self.dir).map_err(failed(&self.dir))?;
        let first = serde_json::to_string(version).map_err(io::Error::other);
        let first = first.map_err(failed(&self.dir))?;
        let turn = TURN.fetch_add(1, Ordering::Relaxed);
        let beside = self.dir.join(format!("new.{}.{turn}", std::process::id()));
        let written = || {
            let mut options = File::options();
            let options = options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&beside)?;
            file.write_all(format!("{MARK}{first}\n{text}").as_bytes())?;
            file.sync_all()
        };
        written().map_err(failed(&beside))?;
        let linked = fs::hard_link(&beside, self.path(version.number));
        fs::remove_file(&beside).map_err(failed(&beside))?;
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            linked => linked.map_err(failed(&self.path(version.number)))?,
        }
        let synced = File::open(&self.dir).and_then(|dir| dir.sync_all());
        synced.map_err(failed(&self.dir))?;
        Ok(true)
    }

    fn path(&self, number: u32) -> PathBuf {
        self.dir.join(format!("{number:06}.toml"))
    }

    /// Of the files that are named like versions.
    fn numbers(&self) -> Result<Vec<u32>, VersionError> {
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => {
                entries.map_err(|error| VersionError::Io { path: self.dir.clone(), error })?
            }
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let entry =
                entry.map_err(|error| VersionError::Io { path: self.dir.clone(), error })?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".toml"));
            numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_as_they_are_and_numbered() {
        let dir = tempfile::tempdir().unwrap();
        let versions = Versions::new(dir.path().join("policy"));
        assert!(versions.newest().unwrap().is_none());
        assert!(versions.list().unwrap().is_empty());
        let one = versions.publish("a = 1\n", "ann", "first\nof all", 5).unwrap();
        assert_eq!((one.number, one.reason.as_str()), (1, "first\nof all"));
        let same = versions.publish("a = 1\n", "bob", "again", 6).unwrap();
        assert_eq!(same, one, "nothing new");
        versions.publish("", "bob", "", 7).unwrap();
        let back = versions.publish("a = 1\n", "bob", "back to 1", 8).unwrap();
        assert_eq!(back.number, 3);
        assert_eq!(versions.read(2).unwrap().1, "");
        assert_eq!(versions.newest().unwrap().unwrap(), (back, "a = 1\n".to_owned()));
        let authors: Vec<String> =
            versions.list().unwrap().into_iter().map(|version| version.author).collect();
        assert_eq!(authors, ["ann", "bob", "bob"]);
        assert!(matches!(versions.read(4), Err(VersionError::Unknown(4))));
    }

    #[test]
    fn who_publishes_at_the_same_time_gets_another_number() {
        let dir = tempfile::tempdir().unwrap();
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let versions = Versions::new(dir.path());
                std::thread::spawn(move || {
                    for round in 0..10 {
                        versions.publish(&format!("{thread} {round}"), "x", "y", 0).unwrap();
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let versions = Versions::new(dir.path());
        assert_eq!(versions.list().unwrap().len(), 40);
        assert_eq!(versions.newest().unwrap().unwrap().0.number, 40);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 40, "nothing is left beside");
    }

    #[test]
    fn what_is_no_version_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let versions = Versions::new(dir.path());
        versions.publish("a", "x", "y", 0).unwrap();
        for text in ["", "a = 1\n", "#: {}\n", "#: {\"number\":7,\"author\":\"\"}\n"] {
            std::fs::write(dir.path().join("000002.toml"), text).unwrap();
            assert!(matches!(versions.newest(), Err(VersionError::Wrong { .. })), "{text}");
        }
        std::fs::remove_file(dir.path().join("000002.toml")).unwrap();
        std::fs::write(dir.path().join("notes.txt"), "x").unwrap();
        assert_eq!(versions.newest().unwrap().unwrap().0.number, 1);
    }
}
