//! Refits weights from a labelled corpus, and measures what that brings.
//!
//! In: for each message the strengths of its findings and what it is. Out: [`Fit`]: new
//! weights. Logistic regression, in which one point of score is one unit of log-odds around
//! the score from which mail is tagged; both kinds weigh the same, but that good mail judged
//! wrongly costs [`HAM_COST`] times as much. The weights are held near those in force by a
//! ridge, and within bounds: a finding that accuses never excuses, nor the other way round.
//! The ridge is chosen by cross-validation. Pure and deterministic; never fails, though with
//! nothing to learn the weights stay as they are.

/// How much dearer a false positive is than a miss.
const HAM_COST: f64 = 4.0;
/// Ridges that are tried, the stiffest first.
const RIDGES: [f64; 5] = [0.3, 0.1, 0.03, 0.01, 0.003];
const FOLDS: usize = 4;
const STEPS: usize = 400;
/// Added to a weight's size where the ridge measures how far it has moved: small weights may
/// move too.
const LEAST_SCALE: f64 = 0.5;

/// A finding whose weight may be changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Knob {
    /// Its name.
    pub name: String,
    /// Its weight in force.
    pub weight: f64,
}

impl Knob {
    /// How far the weight may go: not over zero, up to three times and a half.
    fn bounds(&self) -> (f64, f64) {
        let far = 3.0 * self.weight.abs() + LEAST_SCALE;
        match self.weight >= 0.0 {
            true => (0.0, far),
            false => (-far, 0.0),
        }
    }

    fn scale(&self) -> f64 {
        self.weight.abs() + LEAST_SCALE
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row {
    /// Knobs by number, and how strongly each was seen.
    pub strengths: Vec<(usize, f64)>,
    /// What findings add that are no knobs.
    pub fixed: f64,
    /// What it is.
    pub is_spam: bool,
}

impl Row {
    /// Its score by these weights.
    pub fn score(&self, weights: &[f64]) -> f64 {
        let part = |(knob, strength): &(usize, f64)| {
            weights.get(*knob).map_or(0.0, |weight| weight * strength)
        };
        self.fixed + self.strengths.iter().map(part).sum::<f64>()
    }
}

/// Weights that were fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// One a knob.
    pub weights: Vec<f64>,
    /// The ridge that was best.
    pub ridge: f64,
}

/// Fits the weights of knobs to rows; `tag` is the score from which mail is tagged.
pub fn fit(knobs: &[Knob], rows: &[Row], tag: f64) -> Fit {
    let all: Vec<&Row> = rows.iter().collect();
    let part = |fold: usize, inside: bool| -> Vec<&Row> {
        let wanted = |at: &usize| (at % FOLDS == fold) == inside;
        rows.iter().enumerate().filter(|(at, _)| wanted(at)).map(|(_, row)| row).collect()
    };
    let loss_of = |ridge: f64| -> f64 {
        let of_fold =
            |fold| loss(&part(fold, true), &descend(knobs, &part(fold, false), tag, ridge), tag);
        (0..FOLDS).map(of_fold).sum()
    };
    let start: Vec<f64> = knobs.iter().map(|knob| knob.weight).collect();
    let unchanged = loss(&all, &start, tag) * FOLDS as f64;
    let mut best = (f64::INFINITY, unchanged);
    for ridge in RIDGES {
        let loss = loss_of(ridge);
        if loss < best.1 {
            best = (ridge, loss);
        }
    }
    match best.0.is_finite() {
        true => Fit { weights: descend(knobs, &all, tag, best.0), ridge: best.0 },
        false => Fit { weights: start, ridge: f64::INFINITY },
    }
}

/// What a message costs: zero when it is far on its side.
fn cost(score: f64, tag: f64, is_spam: bool) -> f64 {
    let margin = if is_spam { score - tag } else { tag - score };
    // ln(1 + e^-m), without overflow.
    f64::max(-margin, 0.0) + (-margin.abs()).exp().ln_1p()
}

/// What one message of each kind weighs: both kinds the same, but for the cost of ham.
fn shares(rows: &[&Row]) -> [f64; 2] {
    let spam = rows.iter().filter(|row| row.is_spam).count();
    let share = |count: usize| 0.5 / count.max(1) as f64;
    [HAM_COST * share(rows.len() - spam), share(spam)]
}

fn share(shares: [f64; 2], is_spam: bool) -> f64 {
    let [ham, spam] = shares;
    if is_spam { spam } else { ham }
}

fn loss(rows: &[&Row], weights: &[f64], tag: f64) -> f64 {
    let shares = shares(rows);
    rows.iter()
        .map(|row| share(shares, row.is_spam) * cost(row.score(weights), tag, row.is_spam))
        .sum()
}

/// Projected gradient descent with a step for each weight by the curvature that it can have.
fn descend(knobs: &[Knob], rows: &[&Row], tag: f64, ridge: f64) -> Vec<f64> {
    let shares = shares(rows);
    let mut weights: Vec<f64> = knobs.iter().map(|knob| knob.weight).collect();
    let stiffness: Vec<f64> = knobs.iter().map(|knob| ridge / knob.scale().powi(2)).collect();
    // The logistic loss curves by a quarter at most; findings that come together share the
    // step, so each row's strengths are bounded by their sum (Böhning and Lindsay 1988).
    let mut curvature = stiffness.clone();
    for row in rows {
        let sum: f64 = row.strengths.iter().map(|(_, strength)| strength.abs()).sum();
        for (knob, strength) in &row.strengths {
            if let Some(curve) = curvature.get_mut(*knob) {
                *curve += 0.25 * share(shares, row.is_spam) * strength.abs() * sum;
            }
        }
    }
    for _ in 0..STEPS {
        let mut gradient: Vec<f64> = weights
            .iter()
            .zip(knobs)
            .zip(&stiffness)
            .map(|((weight, knob), stiff)| stiff * (weight - knob.weight))
            .collect();
        for row in rows {
            let sign = if row.is_spam { 1.0 } else { -1.0 };
            let margin = sign * (row.score(&weights) - tag);
            let push = -sign * share(shares, row.is_spam) / (1.0 + margin.exp());
            for (knob, strength) in &row.strengths {
                if let Some(slope) = gradient.get_mut(*knob) {
                    *slope += push * strength;
                }
            }
        }
        let mut moved = 0.0f64;
        for (((weight, slope), curve), knob) in
            weights.iter_mut().zip(gradient).zip(&curvature).zip(knobs)
        {
            if *curve <= 0.0 {
                continue;
            }
            let (least, most) = knob.bounds();
            let next = (*weight - slope / curve).clamp(least, most);
            moved = moved.max((next - *weight).abs());
            *weight = next;
        }
        if moved < 1e-6 {
            break;
        }
    }
    weights
}

/// How well scores tell spam from ham.
#[derive(Debug, Clone, PartialEq)]
pub struct Rates {
    /// Ham and spam at or over each threshold asked for.
    pub over: Vec<[usize; 2]>,
    /// Ham and spam in all.
    pub all: [usize; 2],
    /// Area under the ROC curve.
    pub auc: f64,
    /// Spam above all but this share of ham: 0.1 % and 1 %.
    pub caught: [usize; 2],
}

/// Measures rows by weights.
pub fn rates(rows: &[Row], weights: &[f64], thresholds: &[f64]) -> Rates {
    let mut of = [Vec::new(), Vec::new()];
    for row in rows {
        if let Some(kind) = of.get_mut(usize::from(row.is_spam)) {
            kind.push(row.score(weights));
        }
    }
    let [mut ham, spam] = of;
    ham.sort_by(f64::total_cmp);
    let count = |scores: &[f64], from: f64| scores.iter().filter(|score| **score >= from).count();
    let over = thresholds.iter().map(|from| [count(&ham, *from), count(&spam, *from)]).collect();
    let below: f64 = spam
        .iter()
        .map(|score| {
            let less = ham.partition_point(|ham| ham < score);
            let up_to = ham.partition_point(|ham| ham <= score);
            (less + up_to) as f64 / 2.0
        })
        .sum();
    let caught = [0.001, 0.01].map(|rate| {
        let allowed = (rate * ham.len() as f64) as usize;
        let most = ham.iter().rev().nth(allowed).copied().unwrap_or(f64::NEG_INFINITY);
        spam.iter().filter(|score| **score > most).count()
    });
    let pairs = (ham.len() * spam.len()).max(1) as f64;
    Rates { over, all: [ham.len(), spam.len()], auc: below / pairs, caught }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn knobs(weights: &[f64]) -> Vec<Knob> {
        let knob = |(at, weight): (usize, &f64)| Knob { name: format!("K{at}"), weight: *weight };
        weights.iter().enumerate().map(knob).collect()
    }

    fn row(is_spam: bool, strengths: &[(usize, f64)]) -> Row {
        Row { strengths: strengths.to_vec(), fixed: 0.0, is_spam }
    }

    /// K0 is on all spam and no ham, K1 on half of both, K2 never.
    fn corpus() -> Vec<Row> {
        (0..200)
            .map(|number| {
                let is_spam = number % 2 == 0;
                let mut strengths = Vec::new();
                if is_spam {
                    strengths.push((0, 1.0));
                }
                if number % 4 < 2 {
                    strengths.push((1, 1.0));
                }
                row(is_spam, &strengths)
            })
            .collect()
    }

    #[test]
    fn what_tells_gains_and_what_does_not_loses() {
        let knobs = knobs(&[3.0, 2.5, 2.0]);
        let fit = fit(&knobs, &corpus(), 5.0);
        assert!(fit.weights[0] > 5.0, "{fit:?}");
        assert!(fit.weights[1] < 2.5, "{fit:?}");
        assert_eq!(fit.weights[2], 2.0, "what is never seen stays");
        let start: Vec<f64> = knobs.iter().map(|knob| knob.weight).collect();
        let (before, after) =
            (rates(&corpus(), &start, &[5.0]), rates(&corpus(), &fit.weights, &[5.0]));
        assert_eq!((before.over[0], after.over[0]), ([0, 50], [0, 100]));
    }

    #[test]
    fn rates_count_ties_as_not_caught() {
        let rows = [row(false, &[(0, 1.0)]), row(true, &[(0, 1.0)]), row(true, &[(0, 2.0)])];
        let rates = rates(&rows, &[1.0], &[1.0, 2.0]);
        assert_eq!(rates.over, [[1, 2], [0, 1]]);
        assert_eq!((rates.all, rates.caught), ([1, 2], [1, 1]));
        assert_eq!(rates.auc, 0.75);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn weights_stay_within_bounds_and_the_loss_falls(
            weights in proptest::collection::vec(-4.0f64..4.0, 1..6),
            seen in proptest::collection::vec((any::<bool>(), proptest::collection::vec((0usize..6, 0.0f64..3.0), 0..4)), 2..60),
        ) {
            let knobs = knobs(&weights);
            let rows: Vec<Row> = seen.iter().map(|(is_spam, strengths)| row(*is_spam, strengths)).collect();
            let all: Vec<&Row> = rows.iter().collect();
            let fitted = descend(&knobs, &all, 5.0, 0.03);
            prop_assert!(loss(&all, &fitted, 5.0) <= loss(&all, &weights, 5.0) + 1e-9);
            for (weight, knob) in fitted.iter().zip(&knobs) {
                let (least, most) = knob.bounds();
                prop_assert!((least..=most).contains(weight));
            }
        }
    }
}
