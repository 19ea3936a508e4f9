//! The form and the texts of a message: strictness and content rules in one pass.
//!
//! In: a whole message. Out: findings and summary. Runs on the caller's thread in time linear
//! in the message. A panic in a parser is caught and becomes `ANALYSIS_FAILED`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use super::Look;
use super::rules::RuleSet;
use crate::mail::{Class, Finding, Summary};
use crate::message::{Anatomy, Limits};

/// Takes a message apart and scans its texts.
pub(super) fn look(rules: &RuleSet, octets: &Bytes) -> Look {
    // What is shared with other scans is a pool of scratch memory behind a lock; the one in
    // use is lost with the panic.
    let caught = catch_unwind(AssertUnwindSafe(|| look_inside(rules, octets)));
    caught.unwrap_or_else(|panic| {
        let said = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned());
        failed(said.unwrap_or_default())
    })
}

fn look_inside(rules: &RuleSet, octets: &Bytes) -> Look {
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
    Look { findings, summary, unscanned: false }
}

/// The analysis itself failed: the message is not clean by default.
pub(super) fn failed(why: String) -> Look {
    let why: String = why.chars().take(200).collect();
    tracing::error!(why, "analysis of a message failed");
    let finding = Finding::new("ANALYSIS_FAILED", Class::Unscannable, 5.0, why);
    Look { findings: vec![finding], summary: Summary::default(), unscanned: false }
}
