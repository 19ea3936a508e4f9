//! From what was noted to what the rules say: findings for the score, hits for the policy.
//!
//! In: the sheet of a message. Out: [`Hits`], one finding and one content hit for each rule of
//! which enough was found, in the order of the rules.

use super::RuleSet;
use super::form::{Form, Rule};
use super::sheet::{Hit, Sheet};
use crate::analysis::Sighting;
use crate::analysis::weights::Weights;
use crate::mail::{ContentHit, Finding};

/// Something was not looked at, for there was too much of it.
const CUT: &str = "CONTENT_UNCOUNTED";
/// Terms that the detail of a lexicon's finding names.
const NAMED_TERMS: usize = 8;

/// What the content rules found in a message.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hits {
    /// For the score.
    pub findings: Vec<Finding>,
    /// For the policy; one for each rule that hit.
    pub content: Vec<ContentHit>,
}

impl Hits {
    pub(super) fn of(set: &RuleSet, mut sheet: Sheet, weights: &Weights) -> Hits {
        let mut found = std::mem::take(&mut sheet.hits);
        found.sort_by_key(|hit| hit.spot);
        let mut hits = Hits::default();
        let rule_of = |hit: &Hit| set.plan.spots.get(hit.spot as usize).map(|spot| spot.rule);
        for group in found.chunk_by(|one, other| rule_of(one) == rule_of(other)) {
            let rule = group.first().and_then(rule_of).and_then(|at| set.rules.get(at));
            let Some(rule) = rule else { continue };
            let count = group.iter().map(|hit| sheet.count_of(hit.spot));
            let count = count.fold(0, u32::saturating_add);
            let terms = u32::try_from(group.len()).unwrap_or(u32::MAX);
            let is_enough = match &rule.form {
                Form::Lexicon { distinct, .. } => terms >= *distinct && count >= rule.needed(),
                _ => count >= rule.needed(),
            };
            if is_enough {
                let finding = finding(set, &sheet, rule, group, count);
                hits.findings.push(weights.reweigh(finding, rule.score));
                hits.content.push(ContentHit {
                    rule: rule.id.clone(),
                    class: rule.class,
                    severity: rule.severity,
                    count,
                });
            }
        }
        if sheet.ledger.is_cut && weights.of(CUT).is_some() {
            hits.findings.push(weights.weigh(Sighting::new(CUT, "")));
        }
        hits
    }
}

fn finding(set: &RuleSet, sheet: &Sheet, rule: &Rule, hits: &[Hit], count: u32) -> Finding {
    let score = match &rule.form {
        Form::Lexicon { max_score, .. } => {
            let score_of = |hit: &Hit| {
                let spot = set.plan.spots.get(hit.spot as usize)?;
                Some(spot.term_score * sheet.count_of(hit.spot) as f32)
            };
            hits.iter().filter_map(score_of).sum::<f32>().min(*max_score)
        }
        _ => rule.score,
    };
    let mut detail = rule.description.clone();
    for (at, hit) in hits.iter().take(NAMED_TERMS).enumerate() {
        let before = if at == 0 { "; " } else { ", " };
        detail.push_str(&format!("{before}{}: \"{}\"", hit.zone.name(), hit.text));
    }
    if let Some(more) = hits.len().checked_sub(NAMED_TERMS).filter(|more| *more > 0) {
        detail.push_str(&format!(" and {more} more"));
    }
    if count as usize > hits.len() {
        detail.push_str(&format!("; {count} in all"));
    }
    Finding { name: rule.id.clone().into(), class: rule.class, score, detail }
}
