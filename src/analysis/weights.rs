//! What each sight is worth: `rules/weights/*.toml`, overlaid by the site's own.
//!
//! In: weight files, those that the box ships and `weights/*.toml` in the site's rule folders
//! and `weights.toml` in the data directory (as `postern tune` writes it). Out: findings with
//! class, score and plain words. A shipped name that a site's file gives again is replaced in
//! what that file says; unknown names and keys are errors with line and column.
//!
//! Form of a file, one table a name:
//!
//! ```toml
//! [SPF_FAIL]
//! class = "phish"
//! score = 1.5
//! description = "the reverse-path's domain says that this client does not send its mail (SPF)"
//! ```
//!
//! `outweighed = true` marks what a trained classifier sees too, and may know better: see
//! `classifier/score.rs`.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use serde::Deserialize;

use super::rules::RuleError;
use super::sighting::Sighting;
use crate::config::Place;
use crate::mail::{Class, Finding};

static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/rules/weights");

/// The file that `postern tune` writes into the data directory.
pub const TUNED_FILE: &str = "weights.toml";
/// Longest detail of a finding.
const DETAIL_CHARS: usize = 400;
/// Beyond this a weight is a slip of the pen.
const LARGEST: f32 = 1_000.0;

/// Of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// What it speaks of.
    pub class: Class,
    /// Added to the message's score when it is seen with strength 1.
    pub score: f32,
    /// What was seen and why it matters.
    pub description: String,
    /// The file that gave the score.
    pub file: String,
    /// A trained classifier sees it too, and may know better.
    pub outweighed: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WeightText {
    class: Option<Class>,
    score: Option<f32>,
    description: Option<String>,
    outweighed: Option<bool>,
}

/// All weights in force.
#[derive(Debug, Clone, Default)]
pub struct Weights {
    by_name: HashMap<String, Weight>,
    /// Scores of content rules that were refitted.
    of_rules: HashMap<String, f32>,
}

impl Weights {
    /// The shipped weights, overlaid by those of the site's rule folders, overlaid by what
    /// was tuned. `rules` are the names of content rules, whose scores may be given again.
    pub fn load(
        dirs: &[PathBuf],
        data_dir: Option<&Path>,
        is_rule: impl Fn(&str) -> bool,
    ) -> Result<Weights, RuleError> {
        let tuned = data_dir.map(|dir| dir.join(TUNED_FILE)).filter(|path| path.exists());
        Weights::load_tuned(dirs, tuned.as_deref(), is_rule)
    }

    /// The same with another file in place of what was tuned.
    pub fn load_tuned(
        dirs: &[PathBuf],
        tuned: Option<&Path>,
        is_rule: impl Fn(&str) -> bool,
    ) -> Result<Weights, RuleError> {
        let mut weights = Weights::shipped()?;
        for dir in dirs {
            for path in weight_files(&dir.join("weights"))? {
                weights.overlay(&read(&path)?, &path.display().to_string(), &is_rule)?;
            }
        }
        if let Some(path) = tuned {
            weights.overlay(&read(path)?, &path.display().to_string(), &is_rule)?;
        }
        Ok(weights)
    }

    /// What the box ships.
    pub fn shipped() -> Result<Weights, RuleError> {
        let mut weights = Weights::default();
        let mut files: Vec<_> = SHIPPED.files().collect();
        files.sort_by_key(|file| file.path());
        for found in files.iter().filter(|file| file.path().extension() == Some("toml".as_ref())) {
            let name = format!("rules/weights/{}", found.path().display());
            let text = found.contents_utf8().unwrap_or_default();
            for (name_of, entry) in parse(text, &name)? {
                let whole = match entry {
                    WeightText {
                        class: Some(class),
                        score: Some(score),
                        description: Some(description),
                        outweighed,
                    } => {
                        let outweighed = outweighed.unwrap_or(false);
                        Weight { class, score, description, file: name.clone(), outweighed }
                    }
                    _ => {
                        return Err(wrong(
                            text,
                            &name,
                            &name_of,
                            "needs class, score and description",
                        ));
                    }
                };
                if weights.by_name.insert(name_of.clone(), whole).is_some() {
                    return Err(wrong(text, &name, &name_of, "is in two files"));
                }
            }
        }
        Ok(weights)
    }

    /// Replaces what `text` gives.
    pub fn overlay(
        &mut self,
        text: &str,
        file: &str,
        is_rule: &dyn Fn(&str) -> bool,
    ) -> Result<(), RuleError> {
        for (name, entry) in parse(text, file)? {
            match self.by_name.get_mut(&name) {
                Some(weight) => {
                    weight.class = entry.class.unwrap_or(weight.class);
                    if let Some(score) = entry.score {
                        weight.score = score;
                        file.clone_into(&mut weight.file);
                    }
                    weight.outweighed = entry.outweighed.unwrap_or(weight.outweighed);
                    weight.description = entry
                        .description
                        .unwrap_or_else(|| std::mem::take(&mut weight.description));
                }
                None if is_rule(&name) => {
                    if let Some(score) = entry.score {
                        self.of_rules.insert(name, score);
                    }
                }
                None => return Err(wrong(text, file, &name, "is no finding of this box")),
            }
        }
        Ok(())
    }

    /// Every name with its weight, in order of name.
    pub fn all(&self) -> BTreeMap<&str, &Weight> {
        self.by_name.iter().map(|(name, weight)| (name.as_str(), weight)).collect()
    }

    /// The refitted score of a content rule.
    pub fn of_rule(&self, id: &str) -> Option<f32> {
        self.of_rules.get(id).copied()
    }

    /// The finding that a sighting makes.
    pub fn weigh(&self, sighting: Sighting) -> Finding {
        let Sighting { name, strength, detail } = sighting;
        let Some(weight) = self.by_name.get(name) else {
            debug_assert!(false, "{name} has no weight in rules/weights");
            tracing::error!(name, "a finding without a weight");
            return Finding::new(name, Class::Notice, 0.0, bounded(&detail));
        };
        let detail = match detail.is_empty() {
            true => weight.description.clone(),
            false => format!("{}: {detail}", weight.description),
        };
        Finding::new(name, weight.class, weight.score * strength, bounded(&detail))
    }

    /// The weight of a name.
    pub fn of(&self, name: &str) -> Option<&Weight> {
        self.by_name.get(name)
    }

    /// A finding that other weights made, as these would have made it. What they do not know
    /// stays as it is.
    pub fn again(&self, finding: &Finding, made_by: &Weights) -> Finding {
        let name = finding.name.as_ref();
        let mut again = finding.clone();
        if let (Some(own), Some(other)) = (self.by_name.get(name), made_by.by_name.get(name)) {
            again.class = own.class;
            again.score = match other.score {
                // A sight that weighed nothing is taken for one without degrees.
                0.0 => own.score,
                score => finding.score / score * own.score,
            };
        }
        again
    }

    /// A content rule's finding with its refitted score, when there is one.
    pub fn reweigh(&self, mut finding: Finding, rule_score: f32) -> Finding {
        if let Some(score) = self.of_rules.get(finding.name.as_ref()) {
            // A lexicon scores by what it found: its part of the whole stays.
            finding.score = match rule_score {
                0.0 => *score,
                whole => finding.score / whole * score,
            };
        }
        finding
    }
}

fn bounded(detail: &str) -> String {
    let shown = |letter: char| if letter.is_control() { ' ' } else { letter };
    detail.chars().take(DETAIL_CHARS).map(shown).collect()
}

fn weight_files(dir: &Path) -> Result<Vec<PathBuf>, RuleError> {
    let unreadable = |error| RuleError::Unreadable { path: dir.to_owned(), error };
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<String, RuleError> {
    let unreadable = |error| RuleError::Unreadable { path: path.to_owned(), error };
    std::fs::read_to_string(path).map_err(unreadable)
}

fn parse(text: &str, file: &str) -> Result<BTreeMap<String, WeightText>, RuleError> {
    let entries: BTreeMap<String, WeightText> = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        RuleError::Wrong {
            file: file.to_owned(),
            place: Place::of(text, at),
            what: error.message().to_owned(),
        }
    })?;
    for (name, entry) in &entries {
        if entry.score.is_some_and(|score| score.is_nan() || score.abs() > LARGEST) {
            return Err(wrong(text, file, name, "score must be from -1000 to 1000"));
        }
    }
    Ok(entries)
}

fn wrong(text: &str, file: &str, name: &str, what: &str) -> RuleError {
    let at = text.find(&format!("[{name}]")).unwrap_or(0);
    let place = Place::of(text, at);
    RuleError::Wrong { file: file.to_owned(), place, what: format!("{name} {what}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shipped_is_whole() {
        let weights = Weights::shipped().unwrap();
        assert!(!weights.all().is_empty());
        for (name, weight) in weights.all() {
            assert!(weight.description.len() > 10, "{name}");
            assert!(name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
        }
    }

    #[test]
    fn a_site_replaces_what_it_names() {
        let mut weights = Weights::shipped().unwrap();
        let text = "[MESSAGE_NO_HEADER]\nscore = 1.25\n";
        weights.overlay(text, "site", &|_| false).unwrap();
        let finding = weights.weigh(Sighting::strong("MESSAGE_NO_HEADER", 2.0, "here\nand there"));
        assert_eq!((finding.score, finding.class), (2.5, Class::Ambiguous));
        assert!(finding.detail.ends_with(": here and there"));
    }

    #[test]
    fn slips_are_named_with_their_place() {
        let table = [
            (
                "\n[NO_SUCH_THING]\nscore = 1.0\n",
                "site:2:1: NO_SUCH_THING is no finding of this box",
            ),
            ("[MESSAGE_NO_HEADER]\nscore = nan\n", "score must be from -1000 to 1000"),
            ("[MESSAGE_NO_HEADER]\nscroe = 1.0\n", "site:2:1"),
            ("[MESSAGE_NO_HEADER\n", "site:1:"),
        ];
        for (text, expected) in table {
            let mut weights = Weights::shipped().unwrap();
            let error = weights.overlay(text, "site", &|_| false).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
