//! What the shadow tells: counts by pairs of opinions, and examples.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::mail::Finding;

/// Findings named for one mail.
const MOST_REASONS: usize = 8;
/// Scores that differ by less are the same.
const NOTICED: f32 = 0.05;

/// What policy makes of a mail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opinion {
    /// `clean`, `spam`, …
    pub verdict: String,
    /// What becomes of it: `deliver`, `tag`, `quarantine`, `reject`, …
    pub fate: String,
    /// Sum of the findings.
    #[serde(serialize_with = "crate::mail::two_decimals")]
    pub score: f32,
}

impl Opinion {
    /// Verdict and fate in one.
    pub fn key(&self) -> String {
        format!("{}, {}", self.verdict, self.fate)
    }
}

/// How many mails had this pair of opinions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairCount {
    /// Verdict and fate as they are.
    pub live: String,
    /// As they would have been.
    pub candidate: String,
    /// Mails.
    pub count: u64,
}

/// One mail that would have been judged otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Which mail.
    pub mail_id: String,
    /// When, RFC 3339.
    pub at: String,
    /// As it is.
    pub live: Opinion,
    /// As it would have been.
    pub candidate: Opinion,
    /// The findings that differ most: `NAME 1.5 -> 0.2`.
    pub reasons: Vec<String>,
}

/// All that the shadow has seen.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Report {
    /// Since when, RFC 3339.
    pub since: String,
    /// Mails on which the candidate was tried.
    pub tried: u64,
    /// Mails that it was not tried on: too long, too many at once, or unreadable.
    pub left_out: u64,
    /// Mails that it would have judged otherwise.
    pub differing: u64,
    /// By pairs of opinions, the most frequent first.
    pub pairs: Vec<PairCount>,
    /// The latest differences, the latest first.
    pub examples: VecDeque<Difference>,
}

impl Report {
    pub(super) fn begun(since: String) -> Report {
        Report { since, ..Report::default() }
    }

    /// Counts a mail. There are at most as many pairs as policy has opinions, squared.
    pub(super) fn count(&mut self, live: &Opinion, candidate: &Opinion) {
        let (live, candidate) = (live.key(), candidate.key());
        self.tried += 1;
        self.differing += u64::from(live != candidate);
        let known = |pair: &&mut PairCount| pair.live == live && pair.candidate == candidate;
        match self.pairs.iter_mut().find(known) {
            Some(pair) => pair.count += 1,
            None => self.pairs.push(PairCount { live, candidate, count: 1 }),
        }
        self.pairs.sort_by_key(|pair| std::cmp::Reverse(pair.count));
    }

    /// Keeps an example; the oldest makes room.
    pub(super) fn keep(&mut self, difference: Difference, most: usize) {
        self.examples.push_front(difference);
        self.examples.truncate(most);
    }
}

/// The findings whose scores differ, most first.
pub(super) fn reasons(live: &[Finding], candidate: &[Finding]) -> Vec<String> {
    let mut scores: BTreeMap<&str, [f32; 2]> = BTreeMap::new();
    for (side, findings) in [live, candidate].into_iter().enumerate() {
        for finding in findings {
            let of_name = scores.entry(finding.name.as_ref()).or_default();
            if let Some(score) = of_name.get_mut(side) {
                *score += finding.score;
            }
        }
    }
    let mut changed: Vec<(&str, [f32; 2])> =
        scores.into_iter().filter(|(_, [live, other])| (live - other).abs() > NOTICED).collect();
    changed.sort_by(|(_, [one, a]), (_, [other, b])| (other - b).abs().total_cmp(&(one - a).abs()));
    let told = |(name, [live, other]): (&str, [f32; 2])| format!("{name} {live:.1} -> {other:.1}");
    changed.into_iter().take(MOST_REASONS).map(told).collect()
}
