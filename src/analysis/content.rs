//! The form and the texts of a message: strictness and content rules in one pass, and its
//! likeness to what was learned.
//!
//! In: a whole message. Out: findings and summary. Runs on the caller's thread in time linear
//! in the message. A panic in a parser is caught and becomes `ANALYSIS_FAILED`; one in the
//! classifier costs its finding only and becomes `CLASSIFIER_FAILED`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use super::Look;
use super::likeness::Likeness;
use super::rules::RuleSet;
use crate::mail::{Class, Finding, Summary};
use crate::message::{Anatomy, Limits};

/// Takes a message apart, scans its texts and asks the classifier.
pub(super) fn look(rules: &RuleSet, likeness: &Likeness, octets: &Bytes) -> Look {
    // What is shared with other scans is a pool of scratch memory behind a lock; the one in
    // use is lost with the panic.
    caught(|| look_inside(rules, likeness, octets)).unwrap_or_else(failed)
}

/// What the work brings, or the first words of its panic.
fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let said = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        said.unwrap_or_default().chars().take(200).collect()
    })
}

fn look_inside(rules: &RuleSet, likeness: &Likeness, octets: &Bytes) -> Look {
    let mut anatomy = Anatomy::of(octets, Limits::default());
    let mut scan = match rules.scan() {
        Ok(scan) => scan,
        Err(error) => return failed(error.to_string()),
    };
    anatomy.read(&mut |zone, text| scan.text(zone, text));
    let summary = anatomy.summary();
    let mut findings: Vec<Finding> = anatomy.oddities.findings().collect();
    match scan.finish() {
        Ok(hits) => findings.extend(hits),
        Err(error) => findings.extend(failed(error.to_string()).findings),
    }
    findings.extend(liken(likeness, &anatomy));
    Look { findings, summary, unscanned: false }
}

fn liken(likeness: &Likeness, anatomy: &Anatomy) -> Option<Finding> {
    caught(|| likeness.finding(anatomy)).unwrap_or_else(|why| {
        tracing::error!(why, "the classifier failed on a message");
        Some(Finding::new("CLASSIFIER_FAILED", Class::Notice, 0.0, why))
    })
}

/// The analysis itself failed: the message is not clean by default.
pub(super) fn failed(why: String) -> Look {
    let why: String = why.chars().take(200).collect();
    tracing::error!(why, "analysis of a message failed");
    let finding = Finding::new("ANALYSIS_FAILED", Class::Unscannable, 5.0, why);
    Look { findings: vec![finding], summary: Summary::default(), unscanned: false }
}
