//! Digests of files that must not come in: SHA-256 from files of the site, without any engine.
//!
//! In: text files, a digest a line in hexadecimal digits, then a name if there is one. Also
//! read: what sha256sum writes, `digest:size:name` as signature files have it, empty lines, and
//! comments behind `#`. Out: the name of what is listed. A million digests take 36 MB and are
//! searched by halving. A line that is none is skipped and named: `postern check` refuses it,
//! the running box says so and goes on. A file that cannot be read leaves what was known.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;

use super::cache::Digest;

/// A larger file is refused.
const FILE_OCTETS: u64 = 1 << 30;
/// Longest name that is kept.
const NAME_CHARS: usize = 80;
/// Bad lines that are named.
const NAMED_LINES: usize = 20;

/// What is wrong with a file of digests.
#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    /// It cannot be read.
    #[error("{}: {error}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A line is none.
    #[error("{}:{line}: expected 64 hexadecimal digits, then a name or nothing", file.display())]
    Line {
        /// Which file.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
    },
}

/// Sorted digests, and where the name of each stands.
#[derive(Debug, Default)]
pub struct Digests {
    sorted: Vec<Digest>,
    /// For each digest the place of its name, [`NAMELESS`] for none.
    names_at: Vec<u32>,
    /// Names, each ended by a line end.
    names: String,
}

const NAMELESS: u32 = u32::MAX;

impl Digests {
    /// Reads files; what is wrong is named beside what is right.
    pub fn read(files: &[PathBuf]) -> (Digests, Vec<DigestError>) {
        let (mut rows, mut names, mut wrong) = (Vec::new(), String::new(), Vec::new());
        for file in files {
            let octets = match read_bounded(file) {
                Ok(octets) => octets,
                Err(error) => {
                    wrong.push(DigestError::Unreadable { file: file.clone(), error });
                    continue;
                }
            };
            for (at, line) in octets.split(|octet| *octet == b'\n').enumerate() {
                match row(line, &mut names) {
                    Row::Listed(digest, name_at) => rows.push((digest, name_at)),
                    Row::Nothing => {}
                    Row::Wrong if wrong.len() < NAMED_LINES => {
                        wrong.push(DigestError::Line { file: file.clone(), line: at + 1 });
                    }
                    Row::Wrong => {}
                }
            }
        }
        rows.sort_unstable();
        rows.dedup_by_key(|(digest, _)| *digest);
        let (sorted, names_at) = rows.into_iter().unzip();
        (Digests { sorted, names_at, names }, wrong)
    }

    /// The name under which a digest is listed; empty when it has none.
    pub fn name_of(&self, digest: &Digest) -> Option<&str> {
        let at = self.sorted.binary_search(digest).ok()?;
        let from = self.names_at.get(at).copied().filter(|at| *at != NAMELESS);
        let rest = from.and_then(|from| self.names.get(from as usize..)).unwrap_or_default();
        Some(rest.split('\n').next().unwrap_or_default())
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether nothing is listed.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// Tells lists of different digests apart.
    pub fn print(&self) -> u32 {
        self.sorted.iter().fold(0, |sum, digest| crc32c::crc32c_append(sum, digest))
    }
}

fn read_bounded(file: &Path) -> std::io::Result<Vec<u8>> {
    if fs::metadata(file)?.len() > FILE_OCTETS {
        return Err(std::io::Error::other("larger than a gibibyte"));
    }
    fs::read(file)
}

enum Row {
    Listed(Digest, u32),
    Nothing,
    Wrong,
}

fn row(line: &[u8], names: &mut String) -> Row {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return Row::Nothing;
    }
    let Some((hex, rest)) = line.split_at_checked(64) else { return Row::Wrong };
    let Some(digest) = digest_of_hex(hex) else { return Row::Wrong };
    let name = match rest.first() {
        None => &[][..],
        // digest:size:name
        Some(b':') => rest.splitn(3, |octet| *octet == b':').nth(2).unwrap_or_default(),
        Some(b' ' | b'\t' | b',' | b';') => rest,
        Some(_) => return Row::Wrong,
    };
    let name = name.split(|octet| *octet == b'#').next().unwrap_or_default();
    let name = String::from_utf8_lossy(name);
    let name = name.trim_matches([' ', '\t', ',', ';', '*']);
    let from = u32::try_from(names.len()).unwrap_or(NAMELESS);
    if name.is_empty() || from == NAMELESS {
        return Row::Listed(digest, NAMELESS);
    }
    names.extend(name.chars().filter(|letter| !letter.is_control()).take(NAME_CHARS));
    names.push('\n');
    Row::Listed(digest, from)
}

/// Of 64 digits.
pub fn digest_of_hex(hex: &[u8]) -> Option<Digest> {
    let nibble = |octet: u8| char::from(octet).to_digit(16);
    let mut digest = [0; 32];
    if hex.len() != 2 * digest.len() {
        return None;
    }
    for (octet, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
        let (high, low) = (nibble(*pair.first()?)?, nibble(*pair.get(1)?)?);
        *octet = u8::try_from(high << 4 | low).ok()?;
    }
    Some(digest)
}

/// As 64 digits.
pub fn hex_of(digest: &Digest) -> String {
    digest.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The lists in force, read again when their files change.
#[derive(Debug)]
pub struct Blocklist {
    files: Vec<PathBuf>,
    digests: ArcSwap<Digests>,
    seen: Mutex<Vec<Option<(SystemTime, u64)>>>,
}

impl Blocklist {
    /// Reads the files. Blocks.
    pub fn new(files: &[PathBuf]) -> Blocklist {
        let digests = ArcSwap::from_pointee(Digests::default());
        let blocklist = Blocklist { files: files.to_vec(), digests, seen: Mutex::default() };
        blocklist.refresh();
        blocklist
    }

    /// The digests in force.
    pub fn digests(&self) -> std::sync::Arc<Digests> {
        self.digests.load_full()
    }

    /// Reads the files again if one has changed. Blocks.
    pub fn refresh(&self) {
        let stamps: Vec<_> = self.files.iter().map(|file| stamp(file)).collect();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == stamps {
            return;
        }
        let (digests, wrong) = Digests::read(&self.files);
        for error in &wrong {
            tracing::error!(%error, "a list of digests");
        }
        let is_whole = !wrong.iter().any(|error| matches!(error, DigestError::Unreadable { .. }));
        // Half a list must not take the place of a whole one.
        if is_whole || self.digests.load().is_empty() {
            tracing::info!(digests = digests.len(), "lists of digests are in force");
            self.digests.store(std::sync::Arc::new(digests));
        }
        *seen = stamps;
    }
}

fn stamp(file: &Path) -> Option<(SystemTime, u64)> {
    let known = fs::metadata(file).ok()?;
    Some((known.modified().ok()?, known.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("digests");
        fs::write(&file, text).unwrap();
        (dir, file)
    }

    #[test]
    fn lines_are_read_with_their_names() {
        let hex = |digit: &str| digit.repeat(64);
        let text = format!(
            "# a comment\n\n{}\n{}  Emotet dropper # seen in May\r\n{} *setup.exe\n\
             {}:1234:Win.Test-1\n{}\tnamed\n",
            hex("a"),
            hex("B"),
            hex("c"),
            hex("1"),
            hex("2")
        );
        let (_dir, file) = written(&text);
        let (digests, wrong) = Digests::read(&[file]);
        assert!(wrong.is_empty(), "{wrong:?}");
        let name = |octet: u8| digests.name_of(&[octet; 32]);
        assert_eq!(name(0xaa), Some(""));
        assert_eq!(name(0xbb), Some("Emotet dropper"));
        assert_eq!(name(0xcc), Some("setup.exe"));
        assert_eq!(name(0x11), Some("Win.Test-1"));
        assert_eq!(name(0x22), Some("named"));
        assert_eq!(name(0x33), None);
        assert_eq!(digests.len(), 5);
    }

    #[test]
    fn bad_lines_are_named_and_the_rest_counts() {
        let good = "d".repeat(64);
        let text = format!("{good}\nnonsense\n{good}x\n{}\n{}\n", "e".repeat(63), "g".repeat(64));
        let (_dir, file) = written(&text);
        let (digests, wrong) = Digests::read(&[file.clone(), "/nonexistent/list".into()]);
        let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        for (at, line) in [2, 3, 4, 5].into_iter().enumerate() {
            assert!(wrong[at].starts_with(&format!("{}:{line}: ", file.display())), "{wrong:?}");
        }
        assert!(wrong[4].starts_with("/nonexistent/list: "), "{wrong:?}");
        assert_eq!(digests.len(), 1);
    }

    #[test]
    fn a_million_digests_are_read_quickly() {
        let mut text = String::with_capacity(66 << 20);
        for number in 0_u64..1_000_000 {
            let hashed = ring::digest::digest(&ring::digest::SHA256, &number.to_le_bytes());
            for octet in hashed.as_ref() {
                let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap();
                text.push(digit(octet >> 4));
                text.push(digit(octet & 15));
            }
            text.push('\n');
        }
        let (_dir, file) = written(&text);
        let began = std::time::Instant::now();
        let (digests, wrong) = Digests::read(&[file]);
        let took = began.elapsed();
        println!("a million digests: {took:?}");
        assert!(wrong.is_empty() && digests.len() == 1_000_000);
        // A build without optimisation takes some times as long as one that is shipped.
        let most_s = if cfg!(debug_assertions) { 30 } else { 2 };
        assert!(took.as_secs() < most_s, "{took:?}");
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_lost_one_leaves_what_was_known() {
        let (_dir, file) = written(&"a".repeat(64));
        let blocklist = Blocklist::new(std::slice::from_ref(&file));
        let print = blocklist.digests().print();
        assert!(blocklist.digests().name_of(&[0xaa; 32]).is_some());
        fs::write(&file, format!("{}\n{}", "b".repeat(64), "c".repeat(64))).unwrap();
        blocklist.refresh();
        assert!(blocklist.digests().name_of(&[0xaa; 32]).is_none());
        assert!(blocklist.digests().name_of(&[0xcc; 32]).is_some());
        assert_ne!(blocklist.digests().print(), print);
        fs::remove_file(&file).unwrap();
        blocklist.refresh();
        assert!(blocklist.digests().name_of(&[0xcc; 32]).is_some());
    }
}
