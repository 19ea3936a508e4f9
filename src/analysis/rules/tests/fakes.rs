//! Stand-ins for what rules ask of others.

use std::sync::Arc;

use super::*;
use crate::analysis::rules::seam::{
    Coverage, DocumentHit, Documents, ExactLists, ExactQuery, MarkingHit, Markings, Valid,
    Validator,
};
use crate::mail::ContentHit;

/// Digits with gaps, valid when their sum can be divided by ten.
fn sum_ten(text: &str) -> Option<Valid> {
    let wanted = |letter: char| letter.is_ascii_digit() || letter == ' ' || letter == '-';
    let value = text.len() - text.rsplit(|letter| !wanted(letter)).next()?.len();
    let start = value + text[value..].find(|letter: char| letter.is_ascii_digit())?;
    let normal: String = text[start..].chars().filter(char::is_ascii_digit).collect();
    let sum: u32 = normal.bytes().map(|digit| u32::from(digit - b'0')).sum();
    (normal.len() >= 4 && sum.is_multiple_of(10)).then_some(Valid { start, normal })
}

/// Valid behind a capital letter.
fn capital(text: &str) -> Option<Valid> {
    let start = text.rfind(' ').map_or(0, |at| at + 1);
    let word = &text[start..];
    word.starts_with(char::is_uppercase).then(|| Valid { start, normal: word.to_lowercase() })
}

fn by_name(name: &str) -> Option<Validator> {
    match name {
        "sum_ten" => Some(sum_ten),
        "capital" => Some(capital),
        "breaks" => Some(|text| panic!("broken at {}", text.len())),
        _ => None,
    }
}

/// A list `staff` of two columns: a row is given away by its words in a text.
struct Staff;

impl ExactLists for Staff {
    fn columns(&self, list: &str) -> Option<u16> {
        (list == "staff").then_some(2)
    }

    fn look(&self, query: &ExactQuery, text: &str, found: &mut dyn FnMut(u32)) -> Coverage {
        for (row, (name, number)) in
            [("Ann Brook", "4711"), ("Bob Cole", "4712")].iter().enumerate()
        {
            let columns = [name, number].iter().filter(|value| text.contains(**value)).count();
            if columns >= usize::from(query.columns) {
                found(row as u32);
                found(row as u32);
            }
        }
        match text.contains("endless") {
            true => Coverage::Cut,
            false => Coverage::Whole,
        }
    }
}

impl Documents for Staff {
    fn knows(&self, documents: &str) -> bool {
        documents == "contracts"
    }

    fn look(&self, _: &str, text: &str, found: &mut dyn FnMut(DocumentHit)) -> Coverage {
        let share_percent = text.matches("whereas").count() as f32 * 10.0;
        if share_percent > 0.0 {
            found(DocumentHit { document: "lease.docx".into(), share_percent });
        }
        Coverage::Whole
    }
}

impl Markings for Staff {
    fn knows(&self, name: &str) -> bool {
        ["RESTRICTED", "SECRET"].contains(&name)
    }

    fn look(&self, _: Zone, text: &str, found: &mut dyn FnMut(MarkingHit)) {
        for name in ["RESTRICTED", "SECRET"] {
            for (at, _) in text.match_indices(name) {
                found(MarkingHit { name: name.into(), end: at + name.len() });
            }
        }
    }
}

pub(super) fn lookups() -> Lookups {
    Lookups {
        validator: Some(by_name),
        exact: Some(Arc::new(Staff)),
        documents: Some(Arc::new(Staff)),
        markings: Some(Arc::new(Staff)),
    }
}

pub(super) fn set(text: &str) -> RuleSet {
    match RuleSet::parse_with(text, "test.toml", None, lookups()) {
        Ok(set) => set,
        Err(error) => panic!("{error}\n{text}"),
    }
}

pub(super) fn refusal(text: &str) -> String {
    RuleSet::parse_with(text, "test.toml", None, lookups()).unwrap_err().to_string()
}

/// A rule of any form: its head is filled in.
pub(super) fn form(kind: &str, id: &str, rest: &str) -> String {
    let zones = match rest.contains("where") {
        true => "",
        false => "where = [\"subject\", \"body\"]\n",
    };
    let score = match kind {
        "lexicon" => "max_score = 4.0\n",
        _ => "score = 0.0\n",
    };
    format!(
        "[[{kind}]]\nid = \"{id}\"\n{zones}{score}class = \"policy\"\ndescription = \"says {id}\"\n\
         hit = [\"a\", \"b\"]\nnear_miss = [\"c\", \"d\"]\n{rest}\n"
    )
}

pub(super) fn hits(set: &RuleSet, texts: &[(Zone, &str)]) -> Hits {
    let mut scan = set.scan().unwrap();
    for (zone, text) in texts {
        scan.text(*zone, &zone.normal_form(text));
    }
    scan.finish(&Weights::shipped().unwrap()).unwrap()
}

/// The content hits of one text in the body.
pub(super) fn content(set: &RuleSet, text: &str) -> Vec<ContentHit> {
    hits(set, &[(Zone::Body, text)]).content
}

/// The count of a rule in a text; 0 when it does not hit.
pub(super) fn count(set: &RuleSet, text: &str) -> u32 {
    let found = content(set, text);
    assert!(found.len() <= 1, "{found:?}");
    found.first().map_or(0, |hit| hit.count)
}
