//! The whole score: every stage that needs neither network nor virus scanner, through
//! [`Analysis`] as the box runs it, with a model from the training half.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use postern::analysis::classifier::{Classifier, Label, MODEL_FILE};
use postern::analysis::{Analysis, Surroundings};
use postern::config::Config;
use postern::mail::Finding;

use super::Read;

/// What the analysis made of one message.
pub struct Outcome {
    pub label: Label,
    pub findings: Vec<Finding>,
    pub micros: f64,
}

impl Outcome {
    pub fn score(&self) -> f64 {
        self.findings.iter().map(|finding| f64::from(finding.score)).sum()
    }

    /// Without what the classifier says.
    pub fn rest(&self) -> f64 {
        let others = self.findings.iter().filter(|one| !one.name.starts_with("CLASSIFIER_"));
        others.map(|finding| f64::from(finding.score)).sum()
    }

    fn classifier(&self) -> f64 {
        self.score() - self.rest()
    }
}

/// A box's analysis in a folder of its own.
pub struct Whole {
    analysis: Arc<Analysis>,
    runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

impl Whole {
    pub fn new(classifier: &Classifier) -> Result<Whole> {
        let dir = tempfile::tempdir()?;
        classifier.save(&dir.path().join(MODEL_FILE))?;
        let text = format!(
            "[system]\nhostname = \"mx.example.org\"\npostmaster = \"postmaster@example.org\"\n\
             data_dir = \"{}\"\n",
            dir.path().display()
        );
        let config = Config::parse(&text, Path::new("bench"), dir.path())?;
        let analysis = Analysis::new(&config, Surroundings::default())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("no runtime")?;
        Ok(Whole { analysis, runtime, _dir: dir })
    }

    pub fn look(&self, read: &Read) -> Outcome {
        let octets = bytes::Bytes::copy_from_slice(&read.mail.octets);
        let started = Instant::now();
        let look = self.runtime.block_on(self.analysis.scan_octets(octets, None));
        let micros = started.elapsed().as_secs_f64() * 1e6;
        Outcome { label: read.mail.label, findings: look.findings, micros }
    }
}

/// Median time of an analysis.
pub fn median_micros(outcomes: &[Outcome]) -> f64 {
    let mut all: Vec<f64> = outcomes.iter().map(|outcome| outcome.micros).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// Percent of ham and spam from each shipped threshold of inbound mail.
pub fn at_thresholds(outcomes: &[Outcome]) -> String {
    let share = |label, from: f64| {
        let of: Vec<&Outcome> = outcomes.iter().filter(|one| one.label == label).collect();
        let over = of.iter().filter(|one| one.score() >= from).count();
        100.0 * over as f64 / of.len().max(1) as f64
    };
    let words = [("tag", 5.0), ("quarantine", 8.0), ("reject", 15.0)].map(|(name, from)| {
        format!("{name}: ham {:.2}, spam {:.2}", share(Label::Ham, from), share(Label::Spam, from))
    });
    format!("percent at shipped thresholds: {}", words.join("; "))
}

/// For each finding: percent of ham and of spam that has it, and of how much use it is where
/// the classifier is in doubt.
pub fn findings(outcomes: &[Outcome]) -> String {
    let count = |label| outcomes.iter().filter(|one| one.label == label).count().max(1) as f64;
    let all = [count(Label::Ham), count(Label::Spam)];
    let mut table: BTreeMap<&str, [f64; 5]> = BTreeMap::new();
    for outcome in outcomes {
        let mut names: Vec<&str> = outcome.findings.iter().map(|one| one.name.as_ref()).collect();
        names.sort_unstable();
        names.dedup();
        let kind = usize::from(outcome.label == Label::Spam);
        let in_doubt = outcome.classifier().abs() < 4.0;
        for name in names {
            let row = table.entry(name).or_default();
            if let Some(cell) = row.get_mut(kind) {
                *cell += 1.0;
            }
            if let Some(cell) = row.get_mut(2 + kind).filter(|_| in_doubt) {
                *cell += 1.0;
            }
            let of_name = outcome.findings.iter().filter(|one| one.name == name);
            row[4] = of_name.map(|one| f64::from(one.score)).fold(row[4], f64::max);
        }
    }
    let mut rows: Vec<_> = table.into_iter().collect();
    rows.sort_by(|(_, one), (_, other)| (other[0] + other[1]).total_cmp(&(one[0] + one[1])));
    let lines = rows.into_iter().map(|(name, [ham, spam, ham_doubt, spam_doubt, most])| {
        format!(
            "  {name:36} ham {:6.2} % spam {:6.2} %; where the classifier is in doubt: {ham_doubt:4} ham {spam_doubt:4} spam; score up to {most:.1}",
            100.0 * ham / all[0],
            100.0 * spam / all[1],
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The ham that scores highest and the spam that scores lowest.
pub fn worst(outcomes: &[(Outcome, String)]) -> String {
    let mut lines = Vec::new();
    for (label, sign) in [(Label::Ham, -1.0), (Label::Spam, 1.0)] {
        let mut of: Vec<_> = outcomes.iter().filter(|(one, _)| one.label == label).collect();
        of.sort_by(|(one, _), (other, _)| (sign * one.score()).total_cmp(&(sign * other.score())));
        for (outcome, name) in of.into_iter().take(25) {
            let mut told: Vec<&Finding> = outcome.findings.iter().collect();
            told.sort_by(|one, other| other.score.abs().total_cmp(&one.score.abs()));
            let told: Vec<String> =
                told.iter().take(9).map(|one| format!("{}={:.1}", one.name, one.score)).collect();
            lines.push(format!("  {label:?} {:6.2} {name} {}", outcome.score(), told.join(" ")));
        }
    }
    lines.join("\n")
}

/// One line a message: set, kind, name, points of the classifier, the rest, findings.
pub fn dump(set: &str, outcomes: &[(Outcome, String)]) {
    for (outcome, name) in outcomes {
        let rest = outcome.findings.iter().filter(|one| !one.name.starts_with("CLASSIFIER_"));
        let findings: Vec<String> = rest.map(|one| format!("{}={}", one.name, one.score)).collect();
        println!(
            "{set}\t{:?}\t{name}\t{}\t{}\t{}",
            outcome.label,
            outcome.classifier(),
            outcome.rest(),
            findings.join(" ")
        );
    }
}
