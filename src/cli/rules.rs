//! `postern rules`: what the content rules are, and whether they do what they say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::arguments::{RulesAct, RulesOrder};
use super::exit::{Exit, Trouble};
use super::render;
use crate::analysis::rules::{RuleError, RuleSet};
use crate::config::Config;

pub(super) fn rules(order: &RulesOrder) -> Result<Exit, Trouble> {
    match &order.act {
        RulesAct::Test { config, dirs } => test(config.as_deref(), dirs),
        RulesAct::List { config, json } => list(config.as_deref(), *json),
    }
}

/// The shipped rules with those of the configuration and of further folders.
pub(super) fn compile(config: Option<&Config>, dirs: &[PathBuf]) -> Result<Arc<RuleSet>, Trouble> {
    let content = config.map(|config| config.content.clone()).unwrap_or_default();
    let dirs: Vec<PathBuf> = content.dirs.iter().chain(dirs).cloned().collect();
    RuleSet::load(&dirs, &content.disabled, None).map_err(|error| match error {
        RuleError::Wrong { .. } | RuleError::Unreadable { .. } => Trouble::Rules(error.to_string()),
        RuleError::Engine(_) => Trouble::Software(error.into()),
    })
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
            println!("{}:{}: {}: {problem}", trial.file, trial.place, trial.id);
        }
    }
    println!("{} rules tried on their examples: {failed} failed", trials.len());
    Ok(if failed == 0 { Exit::Ok } else { Exit::No })
}

#[derive(Serialize)]
struct RuleRow<'r> {
    id: &'r str,
    class: crate::mail::Class,
    score: f32,
    description: &'r str,
    file: &'r str,
    line: usize,
}

fn list(config: Option<&Path>, json: bool) -> Result<Exit, Trouble> {
    let rules = load(config, &[])?;
    let rows: Vec<RuleRow<'_>> = rules
        .rules()
        .iter()
        .map(|rule| RuleRow {
            id: &rule.id,
            class: rule.class,
            score: rule.score,
            description: &rule.description,
            file: &rule.file,
            line: rule.place.line,
        })
        .collect();
    render::rows(&rows, json, |row| {
        format!("{:40} {:11} {:+6.1}  {}", row.id, row.class, row.score, row.description)
    })
}
