//! `postern rules`: what the content rules are, and whether they do what they say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::arguments::{RulesAct, RulesOrder};
use super::exit::{Exit, Trouble};
use super::progress::patiently;
use super::render;
use crate::analysis::answers;
use crate::analysis::rules::{Rule, RuleError, RuleSet};
use crate::analysis::weights::Weights;
use crate::config::Config;

pub(super) fn rules(order: &RulesOrder) -> Result<Exit, Trouble> {
    match &order.act {
        RulesAct::Test { config, dirs } => test(config.as_deref(), dirs),
        RulesAct::List { config, json } => list(config.as_deref(), *json),
    }
}

/// What is said while patterns are compiled.
pub(super) const COMPILING: &str = "compiling the patterns of content rules, once for these rules";

/// The shipped rules with those of the configuration and of further folders. Compiled patterns
/// are taken from where the box keeps them, and kept there: it starts with the same.
pub(super) fn compile(config: Option<&Config>, more: &[PathBuf]) -> Result<Arc<RuleSet>, Trouble> {
    let content = config.map(|config| config.content.clone()).unwrap_or_default();
    let dirs: Vec<PathBuf> = content.dirs.iter().chain(more).cloned().collect();
    let (packs, disabled) = (&content.packs, &content.disabled);
    let data_dir = data_dir(config);
    let lookups = answers::lookups(data_dir);
    let cache = match data_dir.filter(|_| more.is_empty()) {
        Some(data_dir) => Some(data_dir.to_owned()),
        // Rules that no box has put in force do not drive out those that one has.
        None => crate::analysis::user_cache_dir(),
    };
    let load = || RuleSet::load_packs(packs, &dirs, disabled, cache.as_deref(), lookups);
    patiently(COMPILING, load).map_err(trouble)
}

/// The same rules as they are written; their patterns are not compiled.
pub(super) fn read(config: Option<&Config>) -> Result<Vec<Rule>, Trouble> {
    let content = config.map(|config| config.content.clone()).unwrap_or_default();
    let lookups = answers::lookups(data_dir(config));
    RuleSet::read_packs(&content.packs, &content.dirs, &content.disabled, &lookups).map_err(trouble)
}

fn data_dir(config: Option<&Config>) -> Option<&Path> {
    config.map(|config| config.system.data_dir.as_path()).filter(|dir| dir.is_dir())
}

fn trouble(error: RuleError) -> Trouble {
    match error {
        RuleError::Wrong { .. } | RuleError::Unreadable { .. } | RuleError::NoPack { .. } => {
            Trouble::Rules(error.to_string())
        }
        RuleError::Engine(_) => Trouble::Software(error.into()),
    }
}

/// The weights that a box with these rules would use.
pub(super) fn weights(config: Option<&Config>, rules: &[Rule]) -> Result<Weights, Trouble> {
    let (dirs, data_dir) = match config {
        Some(config) => (config.content.dirs.as_slice(), Some(config.system.data_dir.as_path())),
        None => (&[][..], None),
    };
    let ids: BTreeSet<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
    let is_rule = |name: &str| ids.contains(name);
    Weights::load(dirs, data_dir, is_rule).map_err(|error| Trouble::Rules(error.to_string()))
}

fn load(config: Option<&Path>, dirs: &[PathBuf]) -> Result<Arc<RuleSet>, Trouble> {
    let config = config.map(Config::load).transpose()?;
    compile(config.as_ref(), dirs)
}

fn test(config: Option<&Path>, dirs: &[PathBuf]) -> Result<Exit, Trouble> {
    let rules = load(config, dirs)?;
    let trials = rules.trials();
    let mut failed = 0;
    for trial in trials.iter().filter(|trial| !trial.problems.is_empty()) {
        failed += 1;
        for problem in &trial.problems {
            say!("{}:{}: {}: {problem}", trial.file, trial.place, trial.id);
        }
    }
    say!("{} rules tried on their examples: {failed} failed", trials.len());
    Ok(if failed == 0 { Exit::Ok } else { Exit::No })
}

#[derive(Serialize)]
struct RuleRow<'r> {
    id: &'r str,
    class: crate::mail::Class,
    #[serde(serialize_with = "crate::mail::two_decimals")]
    score: f32,
    description: &'r str,
    file: &'r str,
    /// Absent for what is no content rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
}

/// Everything that can be found in a mail: content rules, then what the other stages see.
fn list(config: Option<&Path>, json: bool) -> Result<Exit, Trouble> {
    let config = config.map(Config::load).transpose()?;
    let rules = read(config.as_ref())?;
    let weights = weights(config.as_ref(), &rules)?;
    let of_rules = rules.iter().map(|rule| RuleRow {
        id: &rule.id,
        class: rule.class,
        score: weights.of_rule(&rule.id).unwrap_or(rule.score),
        description: &rule.description,
        file: &rule.file,
        line: Some(rule.place.line),
    });
    let all = weights.all();
    let of_stages = all.iter().map(|(name, weight)| RuleRow {
        id: name,
        class: weight.class,
        score: weight.score,
        description: &weight.description,
        file: &weight.file,
        line: None,
    });
    let rows: Vec<RuleRow<'_>> = of_rules.chain(of_stages).collect();
    render::rows(&rows, json, |row| {
        format!("{:40} {:11} {:+6.1}  {}", row.id, row.class, row.score, row.description)
    })
}
