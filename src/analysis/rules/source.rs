//! Where rules are read from: the files that the box ships and folders of the site.
//!
//! In: folders. Out: the text of each file as a [`Source`], which turns an offset into line and
//! column in the time of a search, so that ten thousand rules in one file load as fast as one.

use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

use super::RuleError;
use crate::config::{NOT_UTF8, Place};

static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/rules");

/// The text of a rule file.
pub(super) struct Source<'s> {
    pub(super) text: &'s str,
    pub(super) file: &'s str,
    line_starts: Vec<usize>,
}

impl<'s> Source<'s> {
    pub(super) fn new(text: &'s str, file: &'s str) -> Source<'s> {
        let ends = memchr::memchr_iter(b'\n', text.as_bytes());
        let line_starts = std::iter::once(0).chain(ends.map(|end| end + 1)).collect();
        Source { text, file, line_starts }
    }

    pub(super) fn place(&self, at: usize) -> Place {
        let line = self.line_starts.partition_point(|start| *start <= at).max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..at).unwrap_or_default();
        Place { line, column: before.chars().count() + 1 }
    }

    pub(super) fn wrong(&self, at: usize, what: impl Into<String>) -> RuleError {
        RuleError::Wrong { file: self.file.to_owned(), place: self.place(at), what: what.into() }
    }
}

/// Gives the name and the text of each file that the box ships to `read`.
pub(super) fn each_shipped(
    read: &mut dyn FnMut(&str, &str) -> Result<(), RuleError>,
) -> Result<(), RuleError> {
    let mut files: Vec<_> = SHIPPED.files().collect();
    files.sort_by_key(|file| file.path());
    for found in files {
        let name = format!("rules/{}", found.path().display());
        if !name.ends_with(".toml") {
            continue;
        }
        let Some(text) = found.contents_utf8() else {
            let place = Place { line: 1, column: 1 };
            return Err(RuleError::Wrong { file: name, place, what: NOT_UTF8.into() });
        };
        read(text, &name)?;
    }
    Ok(())
}

/// The folder of packs, which are in force only where they are switched on.
const PACKS: &str = "packs";

/// The names of the packs that the box ships.
pub fn packs() -> Vec<String> {
    let files = SHIPPED.get_dir(PACKS).map(Dir::files).into_iter().flatten();
    let stems = files.filter_map(|file| file.path().file_stem()?.to_str().map(str::to_owned));
    let mut names: Vec<String> = stems.collect();
    names.sort();
    names
}

/// Gives the name and the text of each of these packs to `read`.
pub(super) fn each_pack(
    names: &[String],
    read: &mut dyn FnMut(&str, &str) -> Result<(), RuleError>,
) -> Result<(), RuleError> {
    for (at, name) in names.iter().enumerate() {
        if names.iter().take(at).any(|earlier| earlier == name) {
            continue;
        }
        let path = format!("{PACKS}/{name}.toml");
        let text = SHIPPED.get_file(&path).and_then(|file| file.contents_utf8());
        let Some(text) = text.filter(|_| packs().contains(name)) else {
            return Err(RuleError::NoPack { name: name.clone(), known: packs().join(", ") });
        };
        read(text, &format!("rules/{path}"))?;
    }
    Ok(())
}

/// Gives the name and the text of each file in a folder of the site to `read`.
pub(super) fn each_in(
    dir: &Path,
    read: &mut dyn FnMut(&str, &str) -> Result<(), RuleError>,
) -> Result<(), RuleError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |error| RuleError::Unreadable { path, error }
    };
    let entries = std::fs::read_dir(dir).map_err(unreadable(dir))?;
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable(dir))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    for path in files {
        let octets = std::fs::read(&path).map_err(unreadable(&path))?;
        let name = path.display().to_string();
        let text = Place::text_of(octets).map_err(|place| {
            let (file, what) = (name.clone(), NOT_UTF8.into());
            RuleError::Wrong { file, place, what }
        })?;
        read(&text, &name)?;
    }
    Ok(())
}
