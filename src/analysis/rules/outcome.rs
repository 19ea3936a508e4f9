//! From what was noted to what the rules say: findings for the score, hits for the policy.
//!
//! In: the sheet of a message. Out: [`Hits`], one finding and one content hit for each rule of
//! which enough was found, in the order of the rules.

use std::fmt::Write as _;

use super::RuleSet;
use super::form::{Form, Rule};
use super::plan::Part;
use super::sheet::{Named, Sheet};
use crate::analysis::Sighting;
use crate::analysis::weights::Weights;
use crate::mail::{ContentHit, Finding};

/// Something was not looked at, for there was too much of it.
const CUT: &str = "CONTENT_UNCOUNTED";

/// Spots where an ordinary message has something, for memory to be taken once.
const FOUND: usize = 32;

/// Of what stands around a hit in a detail.
const DETAIL_OCTETS: usize = 24;

/// What the content rules found in a message.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hits {
    /// For the score.
    pub findings: Vec<Finding>,
    /// For the policy; one for each rule that hit.
    pub content: Vec<ContentHit>,
}

impl Hits {
    pub(super) fn of(set: &RuleSet, sheet: &mut Sheet, weights: &Weights) -> Hits {
        sheet.sort_named();
        let sheet = &*sheet;
        let mut found = Vec::with_capacity(FOUND);
        found.extend(sheet.found());
        let mut named = sheet.named();
        let mut hits = Hits::default();
        let rule_of = |spot: &u32| set.plan.rule_of(*spot);
        for group in found.chunk_by(|one, other| rule_of(one) == rule_of(other)) {
            let rule = group.first().and_then(|spot| set.rules.get(rule_of(spot) as usize));
            let Some(rule) = rule else { continue };
            let is_alike = |spot: &u32| {
                let spot = set.plan.spots.get(*spot as usize);
                spot.is_some_and(|spot| matches!(spot.part, Part::Alike(_)))
            };
            // Spots of what only looks alike stand behind the rule's own.
            let own = group.partition_point(|spot| !is_alike(spot));
            let (group, alike) = group.split_at_checked(own).unwrap_or((group, &[]));
            let of_rule = split_before(&mut named, alike.last().or(group.last()));
            let own = of_rule.partition_point(|one| Some(&one.spot) <= group.last());
            let of_rule = of_rule.get(..own).unwrap_or_default();
            let count_of = |spots: &[u32]| {
                let counts = spots.iter().map(|spot| sheet.count_of(*spot));
                counts.fold(0, u32::saturating_add)
            };
            let (count, alike) = (count_of(group), count_of(alike));
            let terms = u32::try_from(group.len()).unwrap_or(u32::MAX);
            let is_enough = match &rule.form {
                Form::Lexicon { distinct, .. } => terms >= *distinct && count >= rule.needed(),
                Form::Pattern { share: Some(share), .. } => {
                    let most = f64::from(count) * 100.0 / f64::from(share.percent);
                    count >= rule.needed() && f64::from(alike) <= most
                }
                _ => count >= rule.needed(),
            };
            if is_enough {
                let finding = finding((set, sheet), rule, (group, of_rule), count);
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

/// Takes off what belongs to no later spot than this.
fn split_before<'n>(named: &mut &'n [Named], last: Option<&u32>) -> &'n [Named] {
    let at = named.partition_point(|one| Some(&one.spot) <= last);
    let (first, rest) = named.split_at_checked(at).unwrap_or((named, &[]));
    *named = rest;
    first
}

fn finding(
    (set, sheet): (&RuleSet, &Sheet),
    rule: &Rule,
    (spots, named): (&[u32], &[Named]),
    count: u32,
) -> Finding {
    let score = match &rule.form {
        Form::Lexicon { max_score, .. } => {
            let score_of = |spot: &u32| {
                let term_score = set.plan.spots.get(*spot as usize)?.term_score;
                Some(term_score * sheet.count_of(*spot) as f32)
            };
            spots.iter().filter_map(score_of).sum::<f32>().min(*max_score)
        }
        _ => rule.score,
    };
    let octets: usize = named.iter().map(|one| sheet.said(one).len() + DETAIL_OCTETS).sum();
    let mut detail = String::with_capacity(rule.description.len() + octets + DETAIL_OCTETS);
    detail.push_str(&rule.description);
    let mut before = "; ";
    for one in named {
        for piece in [before, one.zone.name(), ": \"", sheet.said(one), "\""] {
            detail.push_str(piece);
        }
        before = ", ";
    }
    // Writing to memory cannot fail.
    if let Some(more) = spots.len().checked_sub(named.len()).filter(|more| *more > 0) {
        let _ = write!(detail, " and {more} more");
    }
    if count as usize > spots.len() {
        let _ = write!(detail, "; {count} in all");
    }
    Finding { name: rule.id.clone().into(), class: rule.class, score, detail }
}
