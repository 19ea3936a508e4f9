//! The methods that the classifier was chosen from, in their plain forms.
//!
//! Each takes labelled training messages and gives a function from a message to a score.

use std::collections::HashMap;

use postern::analysis::classifier::{Example, Features, Label, TABLE_BITS, View};

pub type Scorer = Box<dyn Fn(&Features, &[u8]) -> f64>;

const CELLS: usize = 1 << TABLE_BITS;

struct Counts {
    /// Spam and ham that had each feature.
    of: Vec<(f64, f64)>,
    spam: f64,
    ham: f64,
}

fn count(examples: &[Example], view: View) -> Counts {
    let mut counts = Counts { of: vec![(0.0, 0.0); CELLS], spam: 0.0, ham: 0.0 };
    for example in examples {
        let spam = example.label == Label::Spam;
        *(if spam { &mut counts.spam } else { &mut counts.ham }) += 1.0;
        for slot in example.features.view(view) {
            if let Some((in_spam, in_ham)) = counts.of.get_mut(*slot as usize) {
                *(if spam { in_spam } else { in_ham }) += 1.0;
            }
        }
    }
    counts
}

/// Robinson's combination by Fisher's method, of the 150 most telling features; the score is
/// the difference of the two chi-square statistics.
pub fn fisher(examples: &[Example], view: View) -> Scorer {
    let counts = count(examples, view);
    Box::new(move |features, _| {
        let mut telling: Vec<f64> = features
            .view(view)
            .iter()
            .filter_map(|slot| {
                let (spam, ham) = counts.of.get(*slot as usize)?;
                let seen = spam + ham;
                let share = (spam / counts.spam) / (spam / counts.spam + ham / counts.ham);
                (seen > 0.0).then(|| (0.05 + seen * share) / (0.1 + seen))
            })
            .filter(|share| (share - 0.5).abs() > 0.1)
            .collect();
        telling.sort_by(|a, b| (b - 0.5).abs().total_cmp(&(a - 0.5).abs()));
        telling.truncate(150);
        let sum: f64 = telling.iter().map(|share| (share / (1.0 - share)).ln()).sum();
        sum / (telling.len().max(1) as f64).sqrt()
    })
}

/// Bayes with a confidence for each feature, as CRM114 weighs its sparse bigrams.
pub fn confident_bayes(examples: &[Example], view: View) -> Scorer {
    let counts = count(examples, view);
    Box::new(move |features, _| {
        let (mut sum, mut known) = (0.0, 0.0f64);
        for slot in features.view(view) {
            let Some((spam, ham)) = counts.of.get(*slot as usize) else { continue };
            if spam + ham == 0.0 {
                continue;
            }
            let (in_spam, in_ham) = (spam / counts.spam, ham / counts.ham);
            let odds = ((spam + 0.1) / (counts.spam + 0.2)) / ((ham + 0.1) / (counts.ham + 0.2));
            let clear = ((in_spam - in_ham) / (in_spam + in_ham)).powi(2);
            sum += odds.ln() * clear * (1.0 - 1.0 / (1.0 + spam + ham));
            known += 1.0;
        }
        sum / known.max(1.0).sqrt()
    })
}

/// Logistic regression on binary features of unit length, by gradient descent. With a
/// margin, only what is not yet clearly right moves it, as in a relaxed online SVM.
pub fn logistic(examples: &[Example], view: View, passes: usize, margin: Option<f64>) -> Scorer {
    let mut weights = vec![0.0f32; CELLS];
    let dot = move |weights: &[f32], features: &Features| {
        let slots = features.view(view);
        let sum: f32 = slots.iter().filter_map(|slot| weights.get(*slot as usize)).sum();
        f64::from(sum) / (slots.len().max(1) as f64).sqrt()
    };
    for pass in 0..passes {
        let rate = 4.0 / (1.0 + 0.3 * pass as f64);
        // A fixed order that mixes the kinds.
        for start in 0..97 {
            for example in examples.iter().skip(start).step_by(97) {
                let score = dot(&weights, &example.features);
                let sign = if example.label == Label::Spam { 1.0 } else { -1.0 };
                let push = match margin {
                    Some(margin) if sign * score >= margin => continue,
                    Some(_) => 0.1 * sign,
                    None => sign / (1.0 + (sign * score).exp()),
                };
                let slots = example.features.view(view);
                let step = (rate * push / (slots.len().max(1) as f64).sqrt()) as f32;
                for slot in slots {
                    if let Some(weight) = weights.get_mut(*slot as usize) {
                        *weight += step;
                    }
                }
            }
        }
    }
    Box::new(move |features, _| dot(&weights, features))
}

/// Longest context of the compression model.
const ORDER: usize = 5;
/// Octets of a message compressed.
const COMPRESSED: usize = 4000;

/// Counts of a prediction-by-partial-matching model, and of each context: all that followed,
/// and how many different ones.
#[derive(Default)]
struct Predictor {
    after: HashMap<(u64, u8), u32>,
    contexts: HashMap<u64, (u32, u32)>,
}

impl Predictor {
    fn keys(text: &[u8], at: usize) -> impl Iterator<Item = u64> + '_ {
        (0..=ORDER.min(at)).map(move |order| {
            let context = text.get(at - order..at).unwrap_or_default();
            context.iter().fold(order as u64 + 1, |key, octet| (key << 8) | u64::from(*octet))
        })
    }

    fn learn(&mut self, text: &[u8]) {
        for (at, octet) in text.iter().enumerate() {
            for key in Predictor::keys(text, at) {
                let count = self.after.entry((key, *octet)).or_default();
                let (all, different) = self.contexts.entry(key).or_default();
                *different += u32::from(*count == 0);
                *all += 1;
                *count += 1;
            }
        }
    }

    /// Octets' mean information in nats, contexts blended by Witten and Bell.
    fn information(&self, text: &[u8]) -> f64 {
        let mut sum = 0.0;
        for (at, octet) in text.iter().enumerate() {
            let mut likely = 1.0 / 256.0;
            for key in Predictor::keys(text, at) {
                let Some((all, different)) = self.contexts.get(&key) else { break };
                let count = self.after.get(&(key, *octet)).copied().unwrap_or(0);
                likely = (f64::from(count) + f64::from(*different) * likely)
                    / f64::from(all + different);
            }
            sum -= likely.ln();
        }
        sum / text.len().max(1) as f64
    }
}

/// What is compressed: subject and text in small letters.
fn compressible(message: &[u8]) -> Vec<u8> {
    let message = bytes::Bytes::copy_from_slice(message);
    let anatomy = postern::message::Anatomy::of(&message, postern::message::Limits::default());
    let sample = postern::analysis::classifier::Sample::of(&anatomy);
    let body = if sample.plain.trim().len() >= 80 { &sample.plain } else { &sample.html };
    let text = format!("{}\n{body}", sample.subject).to_lowercase().into_bytes();
    text.into_iter().take(COMPRESSED).collect()
}

/// Which of two compressors, of spam and of ham, compresses a message better (Bratko and
/// others 2006).
pub fn compression<'a>(examples: impl Iterator<Item = (&'a [u8], Label)>) -> Scorer {
    let (mut spam, mut ham) = (Predictor::default(), Predictor::default());
    for (message, label) in examples {
        let predictor = if label == Label::Spam { &mut spam } else { &mut ham };
        predictor.learn(&compressible(message));
    }
    Box::new(move |_, message| {
        let text = compressible(message);
        ham.information(&text) - spam.information(&text)
    })
}
