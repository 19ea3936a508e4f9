//! From scores to figures.

use postern::analysis::classifier::Label;

/// How well scores tell spam from ham.
pub struct Figures {
    pub auc: f64,
    /// Percent of spam caught at each rate of false positives.
    pub caught: Vec<f64>,
}

/// Area under the ROC curve, and catch rates. At a rate of false positives the threshold is
/// the lowest that at most so many ham exceed; what equals it is not caught.
pub fn figures(scores: &[(f64, Label)], rates: &[f64]) -> Figures {
    let mut ham: Vec<f64> = of(scores, Label::Ham);
    let spam: Vec<f64> = of(scores, Label::Spam);
    ham.sort_by(f64::total_cmp);
    let below: f64 = spam
        .iter()
        .map(|score| {
            let less = ham.partition_point(|ham| ham < score);
            let up_to = ham.partition_point(|ham| ham <= score);
            (less + up_to) as f64 / 2.0
        })
        .sum();
    let auc = below / (ham.len() as f64 * spam.len() as f64);
    let caught = rates.iter().map(|rate| {
        let allowed = (rate * ham.len() as f64) as usize;
        let threshold = ham.iter().rev().nth(allowed).copied().unwrap_or(f64::NEG_INFINITY);
        let over = spam.iter().filter(|score| **score > threshold).count();
        100.0 * over as f64 / spam.len().max(1) as f64
    });
    Figures { auc, caught: caught.collect() }
}

fn of(scores: &[(f64, Label)], label: Label) -> Vec<f64> {
    scores.iter().filter(|(_, of)| *of == label).map(|(score, _)| *score).collect()
}
