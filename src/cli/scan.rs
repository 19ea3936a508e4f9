//! `postern scan`: looks into messages in files, as the box would.
//!
//! In: files, and a configuration or none. Out: verdict, score and findings of each. A message
//! in a file does not say how it came, whatever its Received fields claim, so nothing is said
//! of client, sender and history, and terms and rules about attachments are those of inbound
//! mail to somebody whom none of them names. With a configuration the lists in DNS are asked about links
//! and the author's domain, and the running box, which alone reads its store, is asked what it
//! remembers of texts and files; without a running box only imported feeds are. Nothing is
//! counted or learned.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;

use super::arguments::ScanOrder;
use super::control::Control;
use super::exit::{Exit, Trouble};
use super::messages;
use super::model;
use super::progress::{Progress, patiently};
use super::render;
use super::rules::COMPILING;
use crate::admin::api::{FindingRow, SightingRow, Status};
use crate::analysis::bulk::{self, Bulk};
use crate::analysis::{Analysis, Surroundings};
use crate::config::{Config, Policy};
use crate::mail::{Class, ContentHit, Finding, Marking, Role, Verdict};
use crate::net::resolver::DnsResolver;
use crate::policy::{PolicySet, verdict};

/// What is said of one file.
#[derive(Debug, Serialize)]
struct ScanRow {
    file: String,
    verdict: Verdict,
    #[serde(serialize_with = "crate::mail::two_decimals")]
    score: f32,
    findings: Vec<FindingRow>,
    /// Protective markings and sensitivity labels, the highest level first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    markings: Vec<Marking>,
    /// What content rules found that policy may ask for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    content: Vec<ContentHit>,
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
                // The last one ends the command, and is told by whoever ends it.
                if let Some(before) = unreadable.replace(Trouble::Input { file, error }) {
                    aside!("postern: {}", render::harmless(&before.to_string()));
                }
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
    /// Remembers texts and files.
    running: Option<Control>,
    /// It was said that what the box remembers is not known.
    is_told: Cell<bool>,
}

impl Scanner {
    fn new(config: Option<&Path>) -> Result<Scanner, Trouble> {
        let config = config.map(Config::load).transpose()?;
        let wrong = |error: crate::analysis::rules::RuleError| Trouble::Rules(error.to_string());
        let running = match &config {
            Some(config) => running(config)?,
            None => None,
        };
        let (analysis, policy) = match &config {
            Some(config) => {
                let surroundings = surroundings(config, running.is_some())?;
                let analysis = patiently(COMPILING, || Analysis::new(config, surroundings));
                let analysis = analysis.map_err(wrong)?;
                (analysis, PolicySet::of(config))
            }
            None => {
                let analysis = patiently(COMPILING, Analysis::shipped).map_err(wrong)?;
                (analysis, PolicySet::new(&Policy::default()))
            }
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        Ok(Scanner { analysis, policy, runtime, running, is_told: Cell::new(false) })
    }

    /// What the running box remembers of the message.
    fn seen_before(&self, octets: &[u8]) -> Vec<Finding> {
        let Some(control) = &self.running else { return Vec::new() };
        match control.send::<Vec<SightingRow>>("/v1/bulk/look", octets.to_vec()) {
            Ok(rows) => {
                let told = |row: SightingRow| bulk::told(&row.name, row.strength, row.detail);
                let sightings = rows.into_iter().filter_map(told);
                sightings.map(|sighting| self.analysis.weigh(sighting)).collect()
            }
            Err(trouble) => {
                if !self.is_told.replace(true) {
                    aside!("postern: the box does not say what it remembers: {trouble}");
                }
                Vec::new()
            }
        }
    }

    fn look(&self, file: &Path, octets: Vec<u8>) -> Result<ScanRow, Trouble> {
        let octets = bytes::Bytes::from(octets);
        let mut look = self.runtime.block_on(self.analysis.scan_octets(octets.clone(), None));
        look.findings.extend(self.seen_before(&octets));
        let (verdict, score, findings) = verdict(&look, Role::Inbound, &self.policy);
        let mut findings: Vec<FindingRow> = findings.iter().map(FindingRow::from).collect();
        findings.sort_by(|one, other| other.score.abs().total_cmp(&one.score.abs()));
        Ok(ScanRow {
            file: file.to_string_lossy().into_owned(),
            verdict,
            score,
            findings,
            markings: look.markings,
            content: look.content,
        })
    }
}

/// The running box, for what only it can say; none when there is none or it keeps no digests.
fn running(config: &Config) -> Result<Option<Control>, Trouble> {
    // What was learned since the model was last written counts, too.
    let found = model::save(config).and_then(|()| is_running(config));
    match found {
        Ok(_) if !config.bulk.enabled => Ok(None),
        Ok(true) => Ok(Some(Control::at(config)?)),
        Ok(false) => {
            aside!(
                "postern: the box is not running: what it remembers of texts and files is not \
                 asked for"
            );
            Ok(None)
        }
        Err(trouble) => {
            aside!("postern: what the box remembers is not asked for: {trouble}");
            Ok(None)
        }
    }
}

fn is_running(config: &Config) -> Result<bool, Trouble> {
    match Control::at(config)?.one::<Status>("/v1/status") {
        Ok(_) => Ok(true),
        Err(Trouble::NotRunning(_)) => Ok(false),
        Err(trouble) => Err(trouble),
    }
}

/// What can be asked without the box's store, which only one process may open.
fn surroundings(config: &Config, asks_box: bool) -> Result<Surroundings, Trouble> {
    let mut surroundings = Surroundings::default();
    if !config.reputation.list.is_empty() {
        match DnsResolver::new(&config.dns) {
            Ok(resolver) => surroundings.resolver = Some(Arc::new(resolver)),
            Err(error) => aside!("postern: lists in DNS are not asked: {error}"),
        }
    }
    if config.bulk.enabled && !asks_box {
        let bulk = Bulk::new(config, None).map_err(|error| Trouble::Refused(error.to_string()))?;
        surroundings.bulk = Some(bulk);
    }
    Ok(surroundings)
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
    let mut line = format!("{file}: {} {:.1}  {}", row.verdict, row.score, findings.join(", "));
    let markings: Vec<String> = row.markings.iter().map(marked).collect();
    if !markings.is_empty() {
        line.push_str(&format!("; markings: {}", markings.join(", ")));
    }
    // What speaks of unwanted mail is among the findings, and says no more here.
    let content = row.content.iter().filter(|hit| hit.class != Class::Spam);
    let content: Vec<String> = content.map(counted).collect();
    if !content.is_empty() {
        line.push_str(&format!("; content: {}", content.join(", ")));
    }
    line
}

fn marked(marking: &Marking) -> String {
    let (words, level) = (render::harmless(&marking.words), marking.level);
    match words.eq_ignore_ascii_case(level.words()) {
        true => format!("{level} ({})", marking.place),
        false => format!("{level} {words:?} ({})", marking.place),
    }
}

fn counted(hit: &ContentHit) -> String {
    format!("{} {}x ({}, {})", hit.rule, hit.count, hit.class, hit.severity)
}
