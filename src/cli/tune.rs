//! `postern tune`: refits the weights of findings from labelled mail, shows what that brings on
//! mail that was kept from it, and writes it only when told to.
//!
//! The split is by the first octet of each message's SHA-256 (below 128: fitted to; the rest:
//! held out), so that the same mail falls on the same side each time. The classifier's part
//! comes from models made for the purpose, none of which has seen the message that it scores:
//! the model in force may have been trained on this very mail and would be overrated.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::exit::{Exit, Trouble};
use super::progress::Progress;
use super::{backup, messages, render, train};
use crate::analysis::classifier::{
    Classifier, Example, Features, Label, LearningLimits, MOST_EXAMPLES, Score,
};
use crate::analysis::tune::{Fit, Knob, Rates, Row, fit, rates};
use crate::analysis::weights::TUNED_FILE;
use crate::analysis::{Analysis, Surroundings};
use crate::config::Config;
use crate::mail::{Class, Finding, Role};
use crate::policy::{PolicySet, Terms};

/// Messages of each kind that are needed: a quarter of them is what the smallest classifier is
/// trained from, and held-out rates of fewer say nothing.
const FEWEST_EACH: usize = 100;
const FOLDS: usize = 3;
/// Changes smaller than this are not written.
const NOTICED: f64 = 0.05;
/// The classifier's findings, of which the second and third are knobs too.
const OF_CLASSIFIER: &str = "CLASSIFIER_";

/// `postern tune`.
#[derive(Debug, Args)]
pub struct TuneOrder {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Good mail, one message a file, in a folder that is read recursively; may be repeated
    #[arg(long, required = true, value_name = "DIR")]
    pub ham: Vec<PathBuf>,
    /// Spam, likewise; may be repeated
    #[arg(long, required = true, value_name = "DIR")]
    pub spam: Vec<PathBuf>,
    /// Write the new weights into the data directory; without it nothing is written
    #[arg(long)]
    pub write: bool,
}

/// One message, looked into.
struct Seen {
    example: Example,
    findings: Vec<Finding>,
    is_held_out: bool,
    fold: usize,
}

pub(super) fn tune(order: &TuneOrder) -> Result<Exit, Trouble> {
    let config = Config::load(&order.config)?;
    let (ham, spam) = (train::corpus(&order.ham)?, train::corpus(&order.spam)?);
    if ham.len().min(spam.len()) < FEWEST_EACH {
        return Err(Trouble::Data(format!(
            "{} spam and {} ham are too few or one-sided: weights are refitted from {FEWEST_EACH} \
             of each kind at least",
            spam.len(),
            ham.len()
        )));
    }
    let analysis = Analysis::new(&config, Surroundings::default())
        .map_err(|error| Trouble::Rules(error.to_string()))?;
    let half = MOST_EXAMPLES / 2;
    let files = [(train::spread(ham, half), Label::Ham), (train::spread(spam, half), Label::Spam)];
    let seen = look(&analysis, &files)?;
    let scores = score(&seen)?;
    let knobs = knobs(&analysis, &seen);
    let rows: Vec<(Row, bool)> = seen
        .iter()
        .zip(&scores)
        .map(|(one, score)| (row(&knobs, &analysis, one, *score), one.is_held_out))
        .collect();
    let part = |held_out: bool| -> Vec<Row> {
        rows.iter().filter(|(_, held)| *held == held_out).map(|(row, _)| row.clone()).collect()
    };
    let (fitted, held_out) = (part(false), part(true));
    let policy = PolicySet::of(&config);
    let terms = policy.terms(Role::Inbound, None);
    let tag = if terms.tag.is_finite() { terms.tag } else { Terms::shipped(Role::Inbound).tag };
    let fit = fit(&knobs, &fitted, f64::from(tag));
    tell(&knobs, &fit, &held_out, terms);
    if order.write {
        let file = config.system.data_dir.join(TUNED_FILE);
        write(&analysis, &knobs, &fit, &file, fitted.len())?;
    } else {
        say!("nothing was written; --write puts these weights in force");
    }
    Ok(Exit::Ok)
}

fn look(
    analysis: &Arc<Analysis>,
    files: &[(Vec<PathBuf>, Label); 2],
) -> Result<Vec<Seen>, Trouble> {
    let all: usize = files.iter().map(|(files, _)| files.len()).sum();
    let mut progress = Progress::of(all, "messages");
    let mut seen = Vec::with_capacity(all);
    for (file, label) in
        files.iter().flat_map(|(files, label)| files.iter().map(move |file| (file, *label)))
    {
        progress.step();
        let octets = match messages::read(file) {
            Ok(octets) if !octets.is_empty() => octets,
            Ok(_) => continue,
            Err(error) => {
                aside!("postern: {}: {error}", render::harmless(&file.to_string_lossy()));
                continue;
            }
        };
        let digest = ring::digest::digest(&ring::digest::SHA256, &octets);
        let octet = |at: usize| digest.as_ref().get(at).copied().unwrap_or(0);
        let (findings, _) = analysis.scan_message(&octets);
        let findings: Vec<Finding> =
            findings.into_iter().filter(|one| !one.name.starts_with(OF_CLASSIFIER)).collect();
        seen.push(Seen {
            findings,
            example: Example { features: Features::of_message(&octets), label },
            is_held_out: octet(0) >= 128,
            fold: usize::from(octet(1)) % FOLDS,
        });
    }
    Ok(seen)
}

/// Scores of models that have not seen the message: for what is fitted to, each of a model of
/// the other folds; for what is held out, of a model of all that is fitted to.
fn score(seen: &[Seen]) -> Result<Vec<Option<Score>>, Trouble> {
    let mut scores = vec![None; seen.len()];
    for fold in 0..=FOLDS {
        let teaches = |one: &&Seen| !one.is_held_out && one.fold != fold;
        let examples: Vec<Example> =
            seen.iter().filter(teaches).map(|one| one.example.clone()).collect();
        let classifier = Classifier::blank(LearningLimits::default());
        classifier.train_regardless(&examples, 0).map_err(train::trouble)?;
        for (one, score) in seen.iter().zip(&mut scores) {
            // The last model is of every fold.
            let is_asked = match one.is_held_out {
                true => fold == FOLDS,
                false => fold == one.fold,
            };
            if is_asked {
                *score = classifier.score(&one.example.features);
            }
        }
    }
    Ok(scores)
}

/// What may be changed: findings that were seen, have a weight and are no fact beyond dispute.
fn knobs(analysis: &Analysis, seen: &[Seen]) -> Vec<Knob> {
    let mut weights: BTreeMap<String, f64> = BTreeMap::new();
    for finding in seen.iter().flat_map(|one| &one.findings) {
        let settled = matches!(finding.class, Class::Malware | Class::Unscannable | Class::Policy);
        let weight = analysis.weight_of(&finding.name).filter(|weight| *weight != 0.0);
        if let Some(weight) = weight.filter(|_| !settled) {
            weights.insert(finding.name.to_string(), f64::from(weight));
        }
    }
    for name in ["CLASSIFIER_SPAM", "CLASSIFIER_HAM"] {
        let weight = analysis.weight_of(name).unwrap_or(1.0);
        weights.insert(name.to_owned(), f64::from(weight));
    }
    weights.into_iter().map(|(name, weight)| Knob { name, weight }).collect()
}

fn row(knobs: &[Knob], analysis: &Analysis, one: &Seen, score: Option<Score>) -> Row {
    let knob = |name: &str| knobs.iter().position(|knob| knob.name == name);
    let mut row = Row { is_spam: one.example.label == Label::Spam, ..Row::default() };
    // What the classifier outweighs is a part of each of these, as it is in force.
    let outweighed = score.map_or(0.0, |score| score.outweighs());
    for finding in &one.findings {
        let score = f64::from(finding.score);
        let counts = match analysis.outweighable(std::slice::from_ref(finding)) > 0.0 {
            true => 1.0 - outweighed,
            false => 1.0,
        };
        match knob(&finding.name).and_then(|at| Some((at, knobs.get(at)?))) {
            Some((at, knob)) => row.strengths.push((at, counts * score / knob.weight)),
            None => row.fixed += counts * score,
        }
    }
    let points = score.map_or(0.0, |score| score.points());
    let name = if points > 0.0 { "CLASSIFIER_SPAM" } else { "CLASSIFIER_HAM" };
    row.strengths.extend(knob(name).map(|at| (at, points)));
    row
}

fn tell(knobs: &[Knob], fit: &Fit, held_out: &[Row], terms: &Terms) {
    let start: Vec<f64> = knobs.iter().map(|knob| knob.weight).collect();
    let names = ["tag", "quarantine", "reject"];
    let thresholds = [terms.tag, terms.quarantine, terms.reject].map(f64::from);
    let before = rates(held_out, &start, &thresholds);
    let after = rates(held_out, &fit.weights, &thresholds);
    let [ham, spam] = before.all;
    say!("measured on {ham} ham and {spam} spam that were kept from the fit");
    say!(
        "the classifier's part is by models that had not seen the message; the model in force is not used"
    );
    let percent = |part: usize, of: usize| 100.0 * part as f64 / of.max(1) as f64;
    let line = |what: &str, at: usize, pick: fn(&[usize; 2]) -> usize, of: usize| {
        let value = |rates: &Rates| rates.over.get(at).map_or(0, pick);
        let (was, is) = (value(&before), value(&after));
        say!(
            "  {what:40} before {:6.2} % ({was} of {of})   after {:6.2} % ({is} of {of})",
            percent(was, of),
            percent(is, of)
        );
    };
    for (at, name) in names.iter().enumerate() {
        line(&format!("good mail over `{name}` (false positives)"), at, |[ham, _]| *ham, ham);
        line(&format!("spam over `{name}` (caught)"), at, |[_, spam]| *spam, spam);
    }
    for (at, rate) in ["0.1 %", "1 %"].into_iter().enumerate() {
        let value = |rates: &Rates| rates.caught.get(at).copied().unwrap_or(0);
        say!(
            "  {:40} before {:6.2} %   after {:6.2} %",
            format!("spam caught at {rate} false positives"),
            percent(value(&before), spam),
            percent(value(&after), spam)
        );
    }
    say!("  {:40} before {:.5}   after {:.5}", "area under the ROC curve", before.auc, after.auc);
    let mut changed: Vec<(&Knob, f64)> = changes(knobs, fit).collect();
    let size = |(knob, weight): &(&Knob, f64)| (weight - knob.weight).abs();
    changed.sort_by(|one, other| size(other).total_cmp(&size(one)));
    say!("{} of {} weights change, most of all:", changed.len(), knobs.len());
    for (knob, weight) in changed.into_iter().take(20) {
        say!("  {:36} {:+.2} -> {weight:+.2}", knob.name, knob.weight);
    }
}

fn changes<'k>(knobs: &'k [Knob], fit: &'k Fit) -> impl Iterator<Item = (&'k Knob, f64)> {
    let pairs = knobs.iter().zip(fit.weights.iter().copied());
    pairs.filter(|(knob, weight)| (knob.weight - weight).abs() >= NOTICED)
}

/// Writes what changes; what an earlier fit wrote and this one leaves as it is, stays.
fn write(
    analysis: &Analysis,
    knobs: &[Knob],
    fit: &Fit,
    file: &Path,
    messages: usize,
) -> Result<(), Trouble> {
    let mut tuned = earlier(file)?;
    for (knob, weight) in changes(knobs, fit) {
        tuned.insert(knob.name.clone(), weight);
    }
    let mut text = format!(
        "# Weights that `postern tune` fitted to {messages} messages on {}.\n\
         # Remove this file, or a table in it, to go back to what was before.\n",
        jiff::Timestamp::now()
    );
    for (name, weight) in &tuned {
        text.push_str(&format!("\n[{name}]\nscore = {weight:.2}\n"));
    }
    // What cannot be read back must not be put in force.
    analysis
        .check_weights(&text, &file.display().to_string())
        .map_err(|error| Trouble::Software(anyhow::anyhow!("{error}")))?;
    backup::put(file, text.as_bytes())?;
    say!("written: {} ({} weights)", file.display(), tuned.len());
    say!("a running box uses it after the next reload (SIGHUP)");
    Ok(())
}

fn earlier(file: &Path) -> Result<BTreeMap<String, f64>, Trouble> {
    #[derive(serde::Deserialize)]
    struct Scored {
        score: Option<f64>,
    }
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(Trouble::Input { file: file.to_owned(), error }),
    };
    let entries: BTreeMap<String, Scored> = toml::from_str(&text)
        .map_err(|error| Trouble::Rules(format!("{}: {}", file.display(), error.message())))?;
    Ok(entries.into_iter().filter_map(|(name, entry)| Some((name, entry.score?))).collect())
}
