//! `postern scan`: looks into messages in files, as the box would.

use std::collections::VecDeque;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;

use super::arguments::ScanOrder;
use super::exit::{Exit, Trouble};
use super::progress::Progress;
use super::render;
use crate::admin::api::FindingRow;
use crate::analysis::Analysis;
use crate::config::{Config, Policy};
use crate::mail::{Role, Verdict};
use crate::policy::{PolicySet, verdict};

/// What is said of one file.
#[derive(Debug, Serialize)]
struct ScanRow {
    file: String,
    verdict: Verdict,
    score: f32,
    findings: Vec<FindingRow>,
}

pub(super) fn scan(order: &ScanOrder) -> Result<Exit, Trouble> {
    let scanner = Scanner::new(order.config.as_deref())?;
    let files = files(&order.files)?;
    let mut progress = Progress::of(files.len(), "messages");
    let mut unreadable = None;
    for file in files {
        match read(&file) {
            Ok(octets) => {
                let row = scanner.look(&file, octets)?;
                render::rows(&[row], order.json, line)?;
            }
            Err(error) => {
                eprintln!("postern: {}: {error}", render::harmless(&file.to_string_lossy()));
                unreadable = Some(Trouble::Input { file, error });
            }
        }
        progress.step();
    }
    match unreadable {
        Some(trouble) => Err(trouble),
        None => Ok(Exit::Ok),
    }
}

struct Scanner {
    analysis: Arc<Analysis>,
    policy: PolicySet,
    runtime: tokio::runtime::Runtime,
}

impl Scanner {
    fn new(config: Option<&Path>) -> Result<Scanner, Trouble> {
        let config = config.map(Config::load).transpose()?;
        let wrong = |error: crate::analysis::rules::RuleError| Trouble::Rules(error.to_string());
        let (analysis, policy) = match &config {
            Some(config) => (Analysis::new(config).map_err(wrong)?, PolicySet::new(&config.policy)),
            None => (Analysis::shipped().map_err(wrong)?, PolicySet::new(&Policy::default())),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        Ok(Scanner { analysis, policy, runtime })
    }

    fn look(&self, file: &Path, octets: Vec<u8>) -> Result<ScanRow, Trouble> {
        let (findings, _) = self.runtime.block_on(self.analysis.scan_octets(octets.into()));
        let (verdict, score) = verdict(&findings, self.policy.terms(Role::Inbound, None));
        let mut findings: Vec<FindingRow> = findings.iter().map(FindingRow::from).collect();
        findings.sort_by(|one, other| other.score.abs().total_cmp(&one.score.abs()));
        Ok(ScanRow { file: file.to_string_lossy().into_owned(), verdict, score, findings })
    }
}

fn line(row: &ScanRow) -> String {
    let findings: Vec<String> = row
        .findings
        .iter()
        .map(|finding| match finding.detail.is_empty() {
            true => format!("{} {:+.1}", finding.name, finding.score),
            false => {
                let detail = render::harmless(&finding.detail);
                format!("{} {:+.1} ({detail})", finding.name, finding.score)
            }
        })
        .collect();
    let file = render::harmless(&row.file);
    format!("{file}: {} {:.1}  {}", row.verdict, row.score, findings.join(", "))
}

/// The files that were named and, in order of name, those within the folders that were.
fn files(named: &[PathBuf]) -> Result<Vec<PathBuf>, Trouble> {
    let mut waiting: VecDeque<PathBuf> = named.iter().cloned().collect();
    let mut files = Vec::new();
    while let Some(path) = waiting.pop_front() {
        if path.as_os_str() == "-" || !path.is_dir() {
            files.push(path);
            continue;
        }
        let failed = |error| Trouble::Input { file: path.clone(), error };
        let entries = std::fs::read_dir(&path).map_err(failed)?;
        let mut within: Vec<PathBuf> = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            // A link to a folder above would never end.
            if !entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                within.push(entry.path());
            }
        }
        within.sort();
        within.into_iter().rev().for_each(|path| waiting.push_front(path));
    }
    Ok(files)
}

/// The message in a file, as SMTP would have brought it: without the line that an mbox puts
/// before it, and with CRLF at the ends of lines.
fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    match file.as_os_str() == "-" {
        true => std::io::stdin().lock().read_to_end(&mut octets)?,
        false => std::fs::File::open(file)?.read_to_end(&mut octets)?,
    };
    if octets.starts_with(b"From ") {
        let end = memchr::memchr(b'\n', &octets).map_or(octets.len(), |end| end + 1);
        octets.drain(..end);
    }
    Ok(as_sent(octets))
}

fn as_sent(octets: Vec<u8>) -> Vec<u8> {
    if memchr::memmem::find(&octets, b"\r\n").is_some() {
        return octets;
    }
    let lines = memchr::memchr_iter(b'\n', &octets).count();
    let mut sent = Vec::with_capacity(octets.len() + lines);
    for octet in octets {
        if octet == b'\n' {
            sent.push(b'\r');
        }
        sent.push(octet);
    }
    sent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_smtp_would_bring_them() {
        let dir = tempfile::tempdir().unwrap();
        let table: [(&[u8], &[u8]); 4] = [
            (b"Subject: a\n\nb\n", b"Subject: a\r\n\r\nb\r\n"),
            (b"Subject: a\r\n\r\nb\r\n", b"Subject: a\r\n\r\nb\r\n"),
            (b"From x Sat\nSubject: a\n", b"Subject: a\r\n"),
            (b"", b""),
        ];
        for (kept, expected) in table {
            let file = dir.path().join("message");
            std::fs::write(&file, kept).unwrap();
            assert_eq!(read(&file).unwrap(), expected);
        }
    }

    #[test]
    fn folders_are_read_in_order_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir(path("b")).unwrap();
        for name in ["c", "a", "b/2", "b/1"] {
            std::fs::write(path(name), b"").unwrap();
        }
        std::os::unix::fs::symlink(dir.path(), path("b/loop")).unwrap();
        let found = files(&[dir.path().to_owned()]).unwrap();
        assert_eq!(found, ["a", "b/1", "b/2", "c"].map(path));
    }
}
