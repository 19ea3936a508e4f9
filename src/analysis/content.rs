//! The form and the texts of a message: strictness and content rules in one pass, and its
//! likeness to what was learned.
//!
//! In: a whole message. Out: findings and summary. Runs on the caller's thread in time linear
//! in the message. A panic in a parser is caught and becomes `ANALYSIS_FAILED`; one in the
//! classifier costs its finding only and becomes `CLASSIFIER_FAILED`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use super::links::Links;
use super::weights::Weights;
use super::{Desk, Look, Sighting, impersonation, links};
use crate::mail::Finding;
use crate::message::{Anatomy, Limits};

/// Takes a message apart, scans its texts and asks the classifier.
pub(super) fn look(desk: &Desk, octets: &Bytes) -> Look {
    // What is shared with other scans is a pool of scratch memory behind a lock; the one in
    // use is lost with the panic.
    caught(|| look_inside(desk, octets)).unwrap_or_else(|why| failed(&desk.weights, why))
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

fn look_inside(desk: &Desk, octets: &Bytes) -> Look {
    let weights = &desk.weights;
    let mut anatomy = Anatomy::of(octets, Limits::default());
    let mut scan = match desk.rules.scan() {
        Ok(scan) => scan,
        Err(error) => return failed(weights, error.to_string()),
    };
    anatomy.read(&mut |zone, text| scan.text(zone, text));
    let summary = anatomy.summary();
    let mut findings: Vec<Finding> = anatomy
        .oddities
        .sights()
        .map(|(name, place)| weights.weigh(Sighting::new(name, place)))
        .collect();
    match scan.finish(weights) {
        Ok(hits) => findings.extend(hits),
        Err(error) => findings.extend(failed(weights, error.to_string()).findings),
    }
    let links = Links::of(&anatomy);
    let author = anatomy.author();
    let seen = links::look(&desk.site, &anatomy, &author, &links);
    findings.extend(seen.into_iter().map(|sighting| weights.weigh(sighting)));
    let seen = impersonation::look(&desk.site, &anatomy, &author, &links, None, None, &findings);
    findings.extend(seen.into_iter().map(|sighting| weights.weigh(sighting)));
    findings.extend(liken(desk, &anatomy));
    Look { findings, summary, ..Look::default() }
}

fn liken(desk: &Desk, anatomy: &Anatomy) -> Option<Finding> {
    let sighting = caught(|| desk.likeness.sighting(anatomy)).unwrap_or_else(|why| {
        tracing::error!(why, "the classifier failed on a message");
        Some(Sighting::new("CLASSIFIER_FAILED", why))
    });
    sighting.map(|sighting| desk.weights.weigh(sighting))
}

/// The analysis itself failed: the message is not clean by default.
pub(super) fn failed(weights: &Weights, why: String) -> Look {
    let why: String = why.chars().take(200).collect();
    tracing::error!(why, "analysis of a message failed");
    let finding = weights.weigh(Sighting::new("ANALYSIS_FAILED", why));
    Look { findings: vec![finding], ..Look::default() }
}
