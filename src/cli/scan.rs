//! `postern scan`: looks into messages in files, as the box would.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;

use super::arguments::ScanOrder;
use super::exit::{Exit, Trouble};
use super::messages;
use super::progress::Progress;
use super::render;
use crate::admin::api::FindingRow;
use crate::analysis::{Analysis, Surroundings};
use crate::config::{Config, Policy};
use crate::mail::{Role, Verdict};
use crate::policy::{PolicySet, verdict};

/// What is said of one file.
#[derive(Debug, Serialize)]
struct ScanRow {
    file: String,
    verdict: Verdict,
    #[serde(serialize_with = "crate::mail::two_decimals")]
    score: f32,
    findings: Vec<FindingRow>,
}

pub(super) fn scan(order: &ScanOrder) -> Result<Exit, Trouble> {
    let scanner = Scanner::new(order.config.as_deref())?;
    let files = messages::files(&order.files)?;
    let mut progress = Progress::of(files.len(), "messages");
    let mut unreadable = None;
    for file in files {
        match messages::read(&file) {
            Ok(octets) => {
                let row = scanner.look(&file, octets)?;
                render::rows(&[row], order.json, line)?;
            }
            Err(error) => {
                aside!("postern: {}: {error}", render::harmless(&file.to_string_lossy()));
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
            Some(config) => (
                Analysis::new(config, Surroundings::default()).map_err(wrong)?,
                PolicySet::new(&config.policy),
            ),
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
        let look = self.runtime.block_on(self.analysis.scan_octets(octets.into(), None));
        let findings = look.findings;
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
