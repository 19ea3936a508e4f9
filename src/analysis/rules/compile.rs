//! Patterns → one Hyperscan database in block mode; compiled ones are kept on disk.
//!
//! In: expressions in the order of their identifiers. Out: a database. Compiling takes
//! seconds for some hundred patterns, reading a compiled one milliseconds, so the box keeps
//! the last one under its data directory together with the whole text that it was made from
//! (some hundred kilobytes for ten thousand patterns, beside a database of megabytes): only an
//! exact match is used. Other rules, another library or processor: compiled afresh. A file that
//! is broken: the same, with a warning.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use hyperscan::{
    BlockDatabase, Builder, Error, HsError, Pattern, PatternFlags, Patterns, SerializedDatabase,
};

use super::form::{Expression, Flags};
use super::plan::{Reports, Wanted};
use super::size;

/// Which pattern the engine refused, and why.
pub(super) struct Refusal {
    pub(super) at: Option<usize>,
    pub(super) what: String,
}

/// Compiles, or reads what was compiled before.
pub(super) fn database(
    wanted: &[Wanted<'_>],
    cache_dir: Option<&Path>,
) -> Result<BlockDatabase, Refusal> {
    let patterns: Vec<Pattern> = wanted.iter().enumerate().map(of_wanted).collect();
    let key = key_of(&patterns);
    let file = cache_dir.map(|dir| dir.join("content-patterns.hsdb"));
    if let Some(database) = file.as_deref().and_then(|file| read_cache(file, &key)) {
        return Ok(database);
    }
    let started = Instant::now();
    let database: BlockDatabase =
        Patterns(patterns).build().map_err(|error| refusal(&error, wanted))?;
    tracing::info!(
        patterns = wanted.len(),
        duration_ms = started.elapsed().as_millis() as u64,
        "content patterns compiled"
    );
    if let Some(file) = file
        && let Err(error) = write_cache(&file, &key, &database)
    {
        tracing::warn!(file = %file.display(), %error, "compiled content patterns are not kept");
    }
    Ok(database)
}

/// The engine's own check of a single pattern, for its place in a message.
fn check(wanted: &Wanted<'_>) -> Result<(), String> {
    let built: Result<BlockDatabase, Error> = of_wanted((0, wanted)).build();
    built.map(|_| ()).map_err(|error| explain(&error))
}

/// A single pattern that tells where its matches begin.
pub(super) fn alone(expression: &Expression) -> Result<BlockDatabase, String> {
    let built: Result<BlockDatabase, Error> = pattern(0, expression, None, Reports::Spans).build();
    built.map_err(|error| explain(&error))
}

/// Octets of every match of a pattern, when all are of one length.
pub(super) fn fixed_octets(expression: &Expression) -> Option<u32> {
    let info = pattern(0, expression, None, Reports::Ends).info().ok()?;
    let octets = info.max_width();
    (octets == info.min_width() && octets > 0).then(|| u32::try_from(octets).ok())?
}

fn of_wanted((id, wanted): (usize, &Wanted<'_>)) -> Pattern {
    pattern(id, wanted.expression, wanted.marks, wanted.reports)
}

fn pattern(id: usize, expression: &Expression, marks: Option<&str>, reports: Reports) -> Pattern {
    let wanted = expression.flags;
    let mut flags = match reports {
        // Cheaper for the engine and for whoever notes them.
        Reports::Once => PatternFlags::SINGLEMATCH,
        Reports::Ends => PatternFlags::empty(),
        Reports::Spans => PatternFlags::SOM_LEFTMOST,
    };
    flags.set(PatternFlags::CASELESS, wanted.caseless);
    flags.set(PatternFlags::DOTALL, wanted.dot_all);
    flags.set(PatternFlags::MULTILINE, wanted.multi_line);
    flags.set(PatternFlags::UCP, wanted.unicode);
    flags.set(PatternFlags::UTF8, is_unicode(&expression.text, wanted));
    let mut text = match wanted.words {
        true => format!(r"\b(?:{})\b", expression.text),
        false => expression.text.clone(),
    };
    if let Some(marks) = marks {
        text = format!(r"\A\x01[{marks}]\n(?s:.*)(?:{text})");
    }
    Pattern { expression: text, flags, id: Some(id), ext: Default::default(), som: None }
}

/// Why a pattern is not even given to the engine, which would not come to an end with it in
/// any time that a reload has.
pub(super) fn too_large(text: &str, flags: Flags) -> Option<String> {
    size::too_large(text, is_unicode(text, flags))
}

fn is_unicode(text: &str, flags: Flags) -> bool {
    flags.unicode || speaks_of_characters(text)
}

/// Whether octets would not do: UTF-8 mode makes a dot eight times as large, so a pattern
/// gets it only when it names characters beyond ASCII.
fn speaks_of_characters(text: &str) -> bool {
    !text.is_ascii() || [r"\x{", r"\p", r"\P", r"\X"].iter().any(|mark| text.contains(mark))
}

fn refusal(error: &Error, wanted: &[Wanted<'_>]) -> Refusal {
    if let Error::Hyperscan(HsError::CompileError(inner)) = error
        && let Some(expression) = inner.expression()
    {
        return Refusal { at: Some(expression), what: inner.message().to_owned() };
    }
    // Not every refusal says of what.
    for (at, one) in wanted.iter().enumerate() {
        if let Err(what) = check(one) {
            return Refusal { at: Some(at), what };
        }
    }
    Refusal { at: None, what: explain(error) }
}

fn explain(error: &Error) -> String {
    match error {
        Error::Hyperscan(HsError::CompileError(inner)) => inner.message().to_owned(),
        other => other.to_string(),
    }
}

const MAGIC: &[u8; 16] = b"postern hsdb 1\n\0";

/// All that the compiled database depends on: the library, what of this processor it uses, and
/// the patterns.
fn key_of(patterns: &[Pattern]) -> Vec<u8> {
    let mut key = hyperscan::version_str().to_string_lossy().into_owned().into_bytes();
    let smallest: Result<BlockDatabase, Error> = "x".build();
    let features = smallest.and_then(|database| database.info()).unwrap_or_default();
    key.push(b'\n');
    key.extend_from_slice(features.as_bytes());
    for pattern in patterns {
        key.extend_from_slice(format!("\n{:x} ", pattern.flags.bits()).as_bytes());
        key.extend_from_slice(pattern.expression.as_bytes());
    }
    key
}

fn read_cache(file: &Path, key: &[u8]) -> Option<BlockDatabase> {
    let octets = match std::fs::read(file) {
        Ok(octets) => octets,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "compiled content patterns cannot be read");
            return None;
        }
    };
    let broken = |what: &str| {
        tracing::warn!(file = %file.display(), what, "compiled content patterns are made afresh");
        None
    };
    let Some(body) = octets.strip_prefix(MAGIC) else { return broken("not such a file") };
    let Some((body, sum)) = body.split_last_chunk::<4>() else { return broken("cut short") };
    if crc32c::crc32c(body) != u32::from_le_bytes(*sum) {
        return broken("bad checksum");
    }
    let Some((key_octets, rest)) = body.split_first_chunk::<8>() else {
        return broken("cut short");
    };
    let key_octets = usize::try_from(u64::from_le_bytes(*key_octets)).unwrap_or(usize::MAX);
    let Some((old_key, database)) = rest.split_at_checked(key_octets) else {
        return broken("cut short");
    };
    if old_key != key {
        // The rules have changed, nothing is wrong.
        return None;
    }
    match SerializedDatabase::deserialize(&database) {
        Ok(database) => Some(database),
        Err(error) => broken(&error.to_string()),
    }
}

/// Writes beside and renames, so that a reader never sees half a file.
fn write_cache(file: &Path, key: &[u8], database: &BlockDatabase) -> io::Result<()> {
    let compiled = database.serialize().map_err(io::Error::other)?;
    let mut octets = MAGIC.to_vec();
    octets.extend_from_slice(&(key.len() as u64).to_le_bytes());
    octets.extend_from_slice(key);
    octets.extend_from_slice(&compiled);
    let sum = crc32c::crc32c(octets.get(MAGIC.len()..).unwrap_or_default());
    octets.extend_from_slice(&sum.to_le_bytes());
    let beside: PathBuf = file.with_extension(format!("{}.new", std::process::id()));
    std::fs::write(&beside, &octets)?;
    std::fs::rename(&beside, file)
}
