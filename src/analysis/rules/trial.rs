//! `postern rules test`: every rule is held against its own examples.
//!
//! In: a [`RuleSet`]. Out: one [`Trial`] a rule: each `hit` must be found in every zone where
//! the rule looks, no `near_miss` in any.

use super::{Rule, RuleSet};
use crate::analysis::weights::Weights;
use crate::config::Place;
use crate::message::Zone;

/// What became of one rule.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Which rule.
    pub id: String,
    /// Its file.
    pub file: String,
    /// Its place there.
    pub place: Place,
    /// What did not go as it should; empty when all did.
    pub problems: Vec<String>,
}

impl RuleSet {
    /// Holds every rule against its examples.
    pub fn trials(&self) -> Vec<Trial> {
        self.rules().iter().map(|rule| self.trial(rule)).collect()
    }

    fn trial(&self, rule: &Rule) -> Trial {
        let mut problems = Vec::new();
        for zone in Zone::ALL.into_iter().filter(|zone| rule.looks_into(*zone)) {
            for (examples, wanted) in [(&rule.hit, true), (&rule.near_miss, false)] {
                for example in examples {
                    match self.finds(rule, zone, example) {
                        Ok(found) if found == wanted => {}
                        Ok(_) => {
                            let what = if wanted { "no hit" } else { "a hit, not a near miss" };
                            problems.push(format!("{what} in {}: {example:?}", zone.name()));
                        }
                        Err(error) => problems.push(error.to_string()),
                    }
                }
            }
        }
        Trial { id: rule.id.clone(), file: rule.file.clone(), place: rule.place, problems }
    }

    fn finds(&self, rule: &Rule, zone: Zone, example: &str) -> Result<bool, super::RuleError> {
        let mut scan = self.scan()?;
        scan.text(zone, &zone.normal_form(example));
        Ok(scan.finish(&Weights::default())?.content.iter().any(|hit| hit.rule == rule.id))
    }
}
