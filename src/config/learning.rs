//! `[learning]`: how the classifier learns while the box runs, and what is tried in its shadow.

use std::path::PathBuf;

use serde::Deserialize;

/// `[learning]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Learning {
    /// Learn from mail that everything but the classifier is sure of; `true`.
    pub automatic: bool,
    /// Mail is sure spam from this score without the classifier's part; 12.
    pub automatic_spam_score: f32,
    /// Mail with an answerable author is sure ham up to this score without the classifier's
    /// part; −1.
    pub automatic_ham_score: f32,
    /// Automatic lessons in a day, all together; 200.
    pub automatic_lessons_per_day: u32,
    /// Automatic lessons in a day from one network or account; 5.
    pub automatic_lessons_per_source: u32,
    /// Reports of one user in a day that are learned from; 20.
    pub lessons_per_user: u32,
    /// Lessons in a day from all but the operator; 400.
    pub lessons_per_day: u32,
    /// Lessons that may be lost to a crash: what was learned is written this often, in
    /// seconds; 300.
    pub save_interval_s: u64,
    /// A model, weights or rules that are tried on live mail, unseen; absent: none.
    pub shadow: Option<Shadow>,
}

impl Default for Learning {
    fn default() -> Learning {
        Learning {
            automatic: true,
            automatic_spam_score: 12.0,
            automatic_ham_score: -1.0,
            automatic_lessons_per_day: 200,
            automatic_lessons_per_source: 5,
            lessons_per_user: 20,
            lessons_per_day: 400,
            save_interval_s: 300,
            shadow: None,
        }
    }
}

/// `[learning.shadow]`: what is absent is as in force.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shadow {
    /// A classifier's model, as `postern train` or `postern model export` writes it.
    pub model: Option<PathBuf>,
    /// A file of weights, as `postern tune` writes it, instead of the tuned ones in force.
    pub weights: Option<PathBuf>,
    /// Folders with rule files, beside those in force.
    pub rules: Vec<PathBuf>,
    /// Examples kept of mail that would have been judged otherwise; 200.
    pub examples: Option<usize>,
}

impl Shadow {
    /// Examples kept unless the file says otherwise.
    const EXAMPLES: usize = 200;

    /// Examples kept.
    pub fn examples(&self) -> usize {
        self.examples.unwrap_or(Shadow::EXAMPLES)
    }
}
