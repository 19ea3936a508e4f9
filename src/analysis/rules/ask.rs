//! What is asked of lists, fingerprints and markings for each text of a message.
//!
//! In: a text. Out: notes on the sheet of the scan. Each question is asked once a text,
//! however many rules wait for its answer.

use super::RuleSet;
use super::form::Form;
use super::seam::Coverage;
use super::sheet::Sheet;
use crate::message::Zone;

/// Asks all of them.
pub(super) fn ask(set: &RuleSet, sheet: &mut Sheet, zone: Zone, text: &str) {
    exact(set, sheet, zone, text);
    documents(set, sheet, zone, text);
    markings(set, sheet, zone, text);
}

/// The spots that look into a zone, with the forms of their rules.
fn looking<'r>(set: &'r RuleSet, spots: &[u32], zone: Zone) -> Vec<(u32, &'r Form)> {
    let in_zone = |at: &u32| {
        let spot = set.plan.spots.get(*at as usize)?;
        let rule = set.rules.get(spot.rule as usize)?;
        rule.looks_into(zone).then_some((*at, &rule.form))
    };
    spots.iter().filter_map(in_zone).collect()
}

fn exact(set: &RuleSet, sheet: &mut Sheet, zone: Zone, text: &str) {
    let Some(lists) = &set.lookups.exact else { return };
    for (query, spots) in &set.plan.questions.exact {
        let waiting = looking(set, spots, zone);
        if waiting.is_empty() {
            continue;
        }
        let coverage = lists.look(query, text, &mut |row| {
            for (spot, _) in &waiting {
                sheet.told(set, (*spot, zone), u64::from(row), || {
                    format!("a row of {}", query.list)
                });
            }
        });
        sheet.ledger.is_cut |= coverage == Coverage::Cut;
    }
}

fn documents(set: &RuleSet, sheet: &mut Sheet, zone: Zone, text: &str) {
    let Some(documents) = &set.lookups.documents else { return };
    for (name, spots) in &set.plan.questions.documents {
        let waiting = looking(set, spots, zone);
        if waiting.is_empty() {
            continue;
        }
        let coverage = documents.look(name, text, &mut |hit| {
            let number = sheet.ledger.number_of(&hit.document);
            for (spot, form) in &waiting {
                if let Form::Fingerprint { share_percent, .. } = form
                    && hit.share_percent >= *share_percent
                {
                    let told = || format!("{:.0} % of {}", hit.share_percent, hit.document);
                    sheet.told(set, (*spot, zone), number, told);
                }
            }
        });
        sheet.ledger.is_cut |= coverage == Coverage::Cut;
    }
}

fn markings(set: &RuleSet, sheet: &mut Sheet, zone: Zone, text: &str) {
    let Some(markings) = &set.lookups.markings else { return };
    let waiting = looking(set, &set.plan.questions.markings, zone);
    if waiting.is_empty() {
        return;
    }
    markings.look(zone, text, &mut |hit| {
        let number = sheet.ledger.number_of(&hit.name);
        for (spot, form) in &waiting {
            if let Form::Marking { names } = form
                && names.contains(&hit.name)
            {
                sheet.told(set, (*spot, zone), number, || hit.name.clone());
            }
        }
    });
}
