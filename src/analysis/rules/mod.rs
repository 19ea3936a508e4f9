//! Content rules: all patterns of all rules in one Hyperscan database.
//!
//! In: rule files, those that the box ships and the site's own; then the texts of a message,
//! zone by zone. Out: one finding a rule that hit, however often it did, with the text that
//! made it hit. Each text is scanned once for all rules; hits in zones where a rule does not
//! look are dropped. Wrong rules are errors with file, line and column; the scan itself fails
//! only when memory does.

mod compile;
mod file;
mod mark;
#[cfg(test)]
mod tests;
mod trial;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hyperscan::{BlockDatabase, Matching, Scratch};
use include_dir::{Dir, include_dir};

pub use file::{Expression, Flags, Form, Rule};
pub use trial::Trial;

use super::weights::Weights;
use crate::config::Place;
use crate::mail::Finding;
use crate::message::Zone;

static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/rules");

/// The author of a rule is to blame, or the machine.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// A file or folder cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A rule is not what it should be.
    #[error("{file}:{place}: {what}")]
    Wrong {
        /// Which file.
        file: String,
        /// Where.
        place: Place,
        /// What.
        what: String,
    },
    /// The pattern engine gave up.
    #[error("pattern engine: {0}")]
    Engine(String),
}

/// To which rule a pattern of the database belongs.
#[derive(Debug, Clone, Copy)]
struct Owner {
    rule: usize,
    zones: u8,
    term_score: f32,
    reach: Reach,
}

/// In which scan of a text a pattern counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// In that of the text alone.
    Free,
    /// In that of the text behind the mark of its zone.
    Marked,
}

/// Compiled rules; shared by all scans.
pub struct RuleSet {
    rules: Vec<Rule>,
    owners: Vec<Owner>,
    /// Absent when there is not one pattern.
    database: Option<BlockDatabase>,
    /// Working memory of scans that have ended.
    scratches: Mutex<Vec<Scratch>>,
}

impl std::fmt::Debug for RuleSet {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "RuleSet({} rules, {} patterns)", self.rules.len(), self.owners.len())
    }
}

impl RuleSet {
    /// The rules that the box ships and those in `dirs`, without the `disabled` ones. Compiled
    /// patterns are kept in `cache_dir`.
    pub fn load(
        dirs: &[PathBuf],
        disabled: &[String],
        cache_dir: Option<&Path>,
    ) -> Result<Arc<RuleSet>, RuleError> {
        let mut rules = shipped()?;
        for dir in dirs {
            rules.extend(read_dir(dir)?);
        }
        let rules = without(rules, disabled);
        RuleSet::compile(rules, cache_dir).map(Arc::new)
    }

    /// The rules in one text, as for trying out a draft.
    pub fn parse(text: &str, file: &str) -> Result<RuleSet, RuleError> {
        RuleSet::compile(file::parse(text, file)?, None)
    }

    fn compile(rules: Vec<Rule>, cache_dir: Option<&Path>) -> Result<RuleSet, RuleError> {
        check_unique(&rules)?;
        let mut owners = Vec::new();
        let mut expressions = Vec::new();
        for (at, rule) in rules.iter().enumerate() {
            let own: &[Expression] = match &rule.form {
                Form::Pattern(expression) => std::slice::from_ref(expression),
                Form::Lexicon { terms, .. } => terms,
            };
            for expression in own {
                let term_score = expression.term_score;
                let reach = match expression.marks {
                    Some(_) => Reach::Marked,
                    None => Reach::Free,
                };
                owners.push(Owner { rule: at, zones: rule.zones, term_score, reach });
                expressions.push(expression);
            }
        }
        let database = match expressions.is_empty() {
            true => None,
            false => Some(compile::database(&expressions, cache_dir).map_err(|refusal| {
                let at = refusal.expression;
                let expression = at.and_then(|at| expressions.get(at));
                let owner = at.and_then(|at| owners.get(at)).and_then(|own| rules.get(own.rule));
                match (expression, owner) {
                    (Some(expression), Some(rule)) => RuleError::Wrong {
                        file: rule.file.clone(),
                        place: expression.place,
                        what: format!("{}: {}", rule.id, refusal.what),
                    },
                    _ => RuleError::Engine(refusal.what),
                }
            })?),
        };
        Ok(RuleSet { rules, owners, database, scratches: Mutex::new(Vec::new()) })
    }

    /// All rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// How often the engine alone matches in a text: what a scan costs at the least, for
    /// benches to compare with.
    pub fn matches(&self, text: &str) -> Result<u64, RuleError> {
        let scan = self.scan()?;
        let mut count = 0;
        if let (Some(database), Some(scratch)) = (&self.database, &scan.scratch) {
            let note = |_, _, _, _| {
                count += 1;
                Matching::Continue
            };
            let scanned = database.scan(text, scratch, note);
            scanned.map_err(|error| RuleError::Engine(error.to_string()))?;
        }
        Ok(count)
    }

    /// Begins to scan a message.
    pub fn scan(&self) -> Result<Scan<'_>, RuleError> {
        let mut idle = self.scratches.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.pop();
        drop(idle);
        let scratch = match (kept, &self.database) {
            (Some(scratch), _) => Some(scratch),
            (None, Some(database)) => {
                let fresh = database.alloc_scratch();
                Some(fresh.map_err(|error| RuleError::Engine(error.to_string()))?)
            }
            (None, None) => None,
        };
        Ok(Scan { set: self, scratch, hits: Vec::new(), failed: None })
    }
}

fn without(mut rules: Vec<Rule>, disabled: &[String]) -> Vec<Rule> {
    for id in disabled {
        if !rules.iter().any(|rule| rule.id == *id) {
            tracing::warn!(id, "no content rule of this name to switch off");
        }
    }
    rules.retain(|rule| !disabled.contains(&rule.id));
    rules
}

fn shipped() -> Result<Vec<Rule>, RuleError> {
    let mut files: Vec<_> = SHIPPED.files().collect();
    files.sort_by_key(|file| file.path());
    let mut rules = Vec::new();
    for found in files {
        let name = format!("rules/{}", found.path().display());
        if !name.ends_with(".toml") {
            continue;
        }
        let Some(text) = found.contents_utf8() else {
            let place = Place { line: 1, column: 1 };
            return Err(RuleError::Wrong { file: name, place, what: "not UTF-8".into() });
        };
        rules.extend(file::parse(text, &name)?);
    }
    Ok(rules)
}

fn read_dir(dir: &Path) -> Result<Vec<Rule>, RuleError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |error| RuleError::Unreadable { path, error }
    };
    let entries = std::fs::read_dir(dir).map_err(unreadable(dir))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable(dir))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    let mut rules = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).map_err(unreadable(&path))?;
        rules.extend(file::parse(&text, &path.display().to_string())?);
    }
    Ok(rules)
}

fn check_unique(rules: &[Rule]) -> Result<(), RuleError> {
    let mut known: HashMap<&str, &Rule> = HashMap::with_capacity(rules.len());
    for rule in rules {
        if let Some(first) = known.insert(&rule.id, rule) {
            return Err(RuleError::Wrong {
                file: rule.file.clone(),
                place: rule.place,
                what: format!("{} is already at {}:{}", rule.id, first.file, first.place),
            });
        }
    }
    Ok(())
}

/// A pattern that hit, once a message.
struct Hit {
    pattern: usize,
    zone: Zone,
    text: String,
}

/// The scan of one message.
pub struct Scan<'r> {
    set: &'r RuleSet,
    scratch: Option<Scratch>,
    hits: Vec<Hit>,
    failed: Option<String>,
}

impl std::fmt::Debug for Scan<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Scan({} hits)", self.hits.len())
    }
}

impl Scan<'_> {
    /// Scans one text of the message, in normal form.
    pub fn text(&mut self, zone: Zone, text: &str) {
        self.pass(zone, text, Reach::Free);
        if let Some(mark) = mark::before(zone) {
            let mut marked = String::with_capacity(text.len() + mark.len());
            marked.extend(mark);
            marked.push_str(text);
            self.pass(zone, &marked, Reach::Marked);
        }
    }

    fn pass(&mut self, zone: Zone, text: &str, reach: Reach) {
        let (Some(database), Some(scratch)) = (&self.set.database, &self.scratch) else { return };
        let owners = &self.set.owners;
        let hits = &mut self.hits;
        let note = |pattern: u32, _: u64, end: u64, _: u32| {
            let pattern = pattern as usize;
            let looks = owners
                .get(pattern)
                .is_some_and(|owner| owner.zones & zone.bit() != 0 && owner.reach == reach);
            if looks && !hits.iter().any(|hit| hit.pattern == pattern) {
                let text = excerpt(text, usize::try_from(end).unwrap_or(usize::MAX));
                hits.push(Hit { pattern, zone, text });
            }
            Matching::Continue
        };
        if let Err(error) = database.scan(text, scratch, note) {
            self.failed = Some(error.to_string());
        }
    }

    /// One finding a rule that hit, in the order of the rules.
    pub fn finish(mut self, weights: &Weights) -> Result<Vec<Finding>, RuleError> {
        if let Some(scratch) = self.scratch.take() {
            let mut idle = self.set.scratches.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push(scratch);
        }
        if let Some(failed) = self.failed {
            return Err(RuleError::Engine(failed));
        }
        self.hits.sort_by_key(|hit| hit.pattern);
        let mut findings = Vec::new();
        let rule_of = |hit: &Hit| self.set.owners.get(hit.pattern).map(|owner| owner.rule);
        for group in self.hits.chunk_by(|one, other| rule_of(one) == rule_of(other)) {
            let rule = group.first().and_then(rule_of).and_then(|at| self.set.rules.get(at));
            if let Some(rule) = rule {
                findings.push(weights.reweigh(self.set.finding(rule, group), rule.score));
            }
        }
        Ok(findings)
    }
}

/// Terms that the detail of a lexicon's finding names.
const NAMED_TERMS: usize = 8;

impl RuleSet {
    fn finding(&self, rule: &Rule, hits: &[Hit]) -> Finding {
        let score = match &rule.form {
            Form::Pattern(_) => rule.score,
            Form::Lexicon { max_score, .. } => {
                let scores = hits.iter().filter_map(|hit| self.owners.get(hit.pattern));
                scores.map(|owner| owner.term_score).sum::<f32>().min(*max_score)
            }
        };
        let mut detail = rule.description.clone();
        for (at, hit) in hits.iter().take(NAMED_TERMS).enumerate() {
            let before = if at == 0 { "; " } else { ", " };
            detail.push_str(&format!("{before}{}: \"{}\"", hit.zone.name(), hit.text));
        }
        if let Some(more) = hits.len().checked_sub(NAMED_TERMS).filter(|more| *more > 0) {
            detail.push_str(&format!(" and {more} more"));
        }
        Finding { name: rule.id.clone().into(), class: rule.class, score, detail }
    }
}

/// Octets of an excerpt.
const EXCERPT_OCTETS: usize = 60;

/// What stands before the end of a match, on one line.
fn excerpt(text: &str, end: usize) -> String {
    let end = text.floor_char_boundary(end);
    let start = text.ceil_char_boundary(end.saturating_sub(EXCERPT_OCTETS));
    let cut = text.get(start..end).unwrap_or_default();
    let cut = cut.rsplit('\n').find(|line| !line.trim().is_empty()).unwrap_or_default();
    cut.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
