//! Content rules: all patterns of all rules in one Hyperscan database.
//!
//! In: rule files, those that the box ships and the site's own; then the texts of a message,
//! zone by zone. Out: [`Hits`]: one finding and one content hit a rule that hit, however often
//! it did, with the text that made it hit. Each text is scanned once for all rules; hits in
//! zones where a rule does not look are dropped. What is no pattern (values of lists, parts of
//! documents, markings) is asked of others through [`seam`]. Wrong rules are errors with file,
//! line and column; the scan itself fails only when memory does.

mod ask;
mod compile;
mod file;
mod form;
mod layout;
mod mark;
mod near;
mod outcome;
mod plan;
mod probe;
mod scan;
pub mod seam;
mod sheet;
mod size;
mod source;
mod spot_set;
mod tally;
#[cfg(test)]
mod tests;
mod text;
mod trial;
mod word;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hyperscan::{BlockDatabase, Matching};

pub use form::{Expression, Flags, Form, Rule, Share, Side};
pub use outcome::Hits;
pub use probe::Probe;
pub use scan::Scan;
pub use seam::Lookups;
pub use source::packs;
pub use trial::Trial;

use plan::{Plan, Reach};
use scan::Room;

use crate::config::Place;

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
    /// The configuration names a pack that the box does not ship.
    #[error("no pack `{name}` of content rules; there are {known}")]
    NoPack {
        /// Which one.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// The pattern engine gave up.
    #[error("pattern engine: {0}")]
    Engine(String),
}

/// Compiled rules; shared by all scans.
pub struct RuleSet {
    rules: Vec<Rule>,
    plan: Plan,
    lookups: Lookups,
    /// Absent when there is not one pattern.
    database: Option<BlockDatabase>,
    /// Bits of the zones for whose marks there are patterns.
    marked_zones: u8,
    /// Working memory of scans that have ended.
    rooms: Mutex<Vec<Room>>,
}

impl std::fmt::Debug for RuleSet {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "RuleSet({} rules, {} patterns)", self.rules.len(), self.plan.probes.len())
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
        RuleSet::load_with(dirs, disabled, cache_dir, Lookups::shipped())
    }

    /// The same with validators, lists, fingerprints and markings for the rules that ask them.
    pub fn load_with(
        dirs: &[PathBuf],
        disabled: &[String],
        cache_dir: Option<&Path>,
        lookups: Lookups,
    ) -> Result<Arc<RuleSet>, RuleError> {
        RuleSet::load_packs(&[], dirs, disabled, cache_dir, lookups)
    }

    /// The same with the packs of these names ([`packs`]).
    pub fn load_packs(
        packs: &[String],
        dirs: &[PathBuf],
        disabled: &[String],
        cache_dir: Option<&Path>,
        lookups: Lookups,
    ) -> Result<Arc<RuleSet>, RuleError> {
        let rules = RuleSet::read_packs(packs, dirs, disabled, &lookups)?;
        RuleSet::compile(rules, cache_dir, lookups).map(Arc::new)
    }

    /// The rules alone, without a word of the pattern engine on their patterns: for whoever asks
    /// for names, and does not want to wait.
    pub fn read_packs(
        packs: &[String],
        dirs: &[PathBuf],
        disabled: &[String],
        lookups: &Lookups,
    ) -> Result<Vec<Rule>, RuleError> {
        let mut rules = Vec::new();
        let mut read = |text: &str, file: &str| {
            rules.extend(file::parse(text, file, lookups)?);
            Ok(())
        };
        source::each_shipped(&mut read)?;
        source::each_pack(packs, &mut read)?;
        for dir in dirs {
            source::each_in(dir, &mut read)?;
        }
        file::resolve(&mut rules)?;
        let rules = without(rules, disabled);
        check_unique(&rules)?;
        Ok(rules)
    }

    /// The rules in one text, as for trying out a draft.
    pub fn parse(text: &str, file: &str) -> Result<RuleSet, RuleError> {
        RuleSet::parse_with(text, file, None, Lookups::shipped())
    }

    /// The same with what the rules may ask, and a folder where compiled patterns are kept.
    pub fn parse_with(
        text: &str,
        file: &str,
        cache_dir: Option<&Path>,
        lookups: Lookups,
    ) -> Result<RuleSet, RuleError> {
        let mut rules = file::parse(text, file, &lookups)?;
        file::resolve(&mut rules)?;
        RuleSet::compile(rules, cache_dir, lookups)
    }

    fn compile(
        rules: Vec<Rule>,
        cache_dir: Option<&Path>,
        lookups: Lookups,
    ) -> Result<RuleSet, RuleError> {
        check_unique(&rules)?;
        let (plan, wanted) = Plan::of(&rules);
        let database = match wanted.is_empty() {
            true => None,
            false => Some(compile::database(&wanted, cache_dir).map_err(|refusal| {
                let of = refusal.at.and_then(|at| wanted.get(at));
                match of.and_then(|of| Some((of.expression, rules.get(of.rule)?))) {
                    Some((expression, rule)) => RuleError::Wrong {
                        file: rule.file.clone(),
                        place: expression.place,
                        what: format!("{}: {}", rule.id, refusal.what),
                    },
                    None => RuleError::Engine(refusal.what),
                }
            })?),
        };
        let marked = plan.probes.iter().filter(|probe| probe.reach == Reach::Marked);
        let marked_zones = marked.fold(0, |zones, probe| zones | probe.zones);
        let rooms = Mutex::new(Vec::new());
        Ok(RuleSet { rules, plan, lookups, database, marked_zones, rooms })
    }

    /// All rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Patterns that the engine looks for.
    pub fn patterns(&self) -> usize {
        self.plan.probes.len()
    }

    /// How often the engine alone matches in a text: what a scan costs at the least, for
    /// benches to compare with.
    pub fn matches(&self, text: &str) -> Result<u64, RuleError> {
        let mut room = self.room()?;
        let mut count = 0;
        if let (Some(database), Some(scratch)) = (&self.database, &mut room.scratch) {
            let note = |_, _, _, _| {
                count += 1;
                Matching::Continue
            };
            let scanned = database.scan(text, scratch, note);
            scanned.map_err(|error| RuleError::Engine(error.to_string()))?;
        }
        self.idle().push(room);
        Ok(count)
    }

    /// Begins to scan a message.
    pub fn scan(&self) -> Result<Scan<'_>, RuleError> {
        Ok(Scan::new(self, self.room()?))
    }

    fn room(&self) -> Result<Room, RuleError> {
        let kept = self.idle().pop();
        kept.map_or_else(|| Room::new(self), Ok)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Room>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
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
