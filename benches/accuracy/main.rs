//! Accuracy of the classifier and of the whole score, on mail that was not trained on.
//!
//! The SpamAssassin public corpus is split by the first octet of the SHA-256 of each message
//! without its mbox `From ` line: below 128 trains, the rest tests. Printed for each method
//! tried and for the one kept: area under the ROC curve and percent of spam caught at 0.1 %
//! and 1 % false positives; and, where `../shared/corpora/modern` is present, phish caught at
//! 0.1 %, 0.5 % and 1 %, trained on the same half.
//!
//! `cargo bench --bench accuracy` looks at the test half: not to be tuned on.
//! `cargo bench --bench accuracy -- --cross` scores the training half by five-fold
//! cross-validation instead: to be developed on.
//! Further words: `--kept` leaves out the methods that were not kept, `--findings` lists how
//! often each finding is seen, `--worst` lists the mail that is judged worst (with `--cross`
//! only: the test half is not looked into), `--dump` prints every score and finding in columns
//! (likewise), `--lopsided` trains on one kind ten times over.

mod corpus;
mod measure;
mod rivals;
mod whole;

use std::time::Instant;

use anyhow::Result;
use postern::analysis::classifier::{
    Classifier, Example, Features, Label, LearningLimits, Score, View,
};

use corpus::Mail;
use measure::figures;
use rivals::Scorer;
use whole::{Outcome, Whole};

const RATES: [f64; 3] = [0.001, 0.005, 0.01];
const FOLDS: usize = 5;

/// A message, and what the classifier sees of it.
struct Read {
    mail: Mail,
    example: Example,
}

fn read(mails: Vec<Mail>) -> Vec<Read> {
    let read_one = |mail: Mail| {
        let features = Features::of_message(&mail.octets);
        Read { example: Example { features, label: mail.label }, mail }
    };
    mails.into_iter().map(read_one).collect()
}

/// A way of making a scorer of training messages.
type Method = (&'static str, fn(&[&Read]) -> Result<Scorer>);

fn examples(train: &[&Read]) -> Vec<Example> {
    train.iter().map(|read| read.example.clone()).collect()
}

fn kept(train: &[&Read]) -> Result<Classifier> {
    let classifier = Classifier::blank(LearningLimits::default());
    classifier.train(&examples(train), 0)?;
    Ok(classifier)
}

const METHODS: [Method; 11] = [
    ("Bayes, sparse bigrams, Fisher", |train| Ok(rivals::fisher(&examples(train), View::Words))),
    ("Bayes, sparse bigrams, confidence", |train| {
        Ok(rivals::confident_bayes(&examples(train), View::Words))
    }),
    ("Bayes, 4-grams of text, confidence", |train| {
        Ok(rivals::confident_bayes(&examples(train), View::Letters))
    }),
    ("compression, order 5", |train| {
        Ok(rivals::compression(
            train.iter().map(|read| (read.mail.octets.as_slice(), read.mail.label)),
        ))
    }),
    ("logistic, 4-grams of text", |train| {
        Ok(rivals::logistic(&examples(train), View::Letters, 20, None))
    }),
    ("logistic, 4-grams of source", |train| {
        Ok(rivals::logistic(&examples(train), View::Source, 20, None))
    }),
    ("relaxed SVM, 4-grams of source", |train| {
        Ok(rivals::logistic(&examples(train), View::Source, 20, Some(1.0)))
    }),
    ("kept: sharp member alone", |train| {
        let classifier = kept(train)?;
        Ok(Box::new(move |features, _| classifier.margins(features).sharp))
    }),
    ("kept: broad member alone", |train| {
        let classifier = kept(train)?;
        Ok(Box::new(move |features, _| classifier.margins(features).broad))
    }),
    ("kept: Bayesian member alone", |train| {
        let classifier = kept(train)?;
        Ok(Box::new(move |features, _| classifier.margins(features).bayes))
    }),
    ("KEPT: all three", |train| {
        let classifier = kept(train)?;
        Ok(Box::new(move |features, _| {
            classifier.score(features).map_or(0.0, |score| score.log_odds)
        }))
    }),
];

fn score(scorer: &Scorer, read: &Read) -> (f64, Label) {
    (scorer(&read.example.features, &read.mail.octets), read.mail.label)
}

/// What the command line asks for.
#[derive(Clone, Copy)]
struct Wanted {
    cross: bool,
    only_kept: bool,
    findings: bool,
    worst: bool,
    dump: bool,
    lopsided: bool,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let says = |word: &str| arguments.iter().any(|argument| argument == word);
    let cross = says("--cross");
    let wanted = Wanted {
        cross,
        only_kept: says("--kept"),
        findings: says("--findings"),
        worst: cross && says("--worst"),
        dump: cross && says("--dump"),
        lopsided: says("--lopsided"),
    };
    let all = match corpus::spam_assassin() {
        Ok(all) => all,
        Err(error) => {
            println!("skipped: the SpamAssassin corpus is not here ({error:#})");
            return Ok(());
        }
    };
    let (train, test): (Vec<Read>, Vec<Read>) =
        read(all).into_iter().partition(|read| read.mail.trains());
    let train: Vec<&Read> = train.iter().collect();
    let test: Vec<&Read> = test.iter().collect();
    let modern = corpus::modern()?.map(read);
    if modern.is_none() {
        println!("modern mail skipped: no folder modern in the shared corpora");
    }
    println!("{} train, {} test; cross-validation: {cross}", train.len(), test.len());
    println!(
        "{:36} {:>8} {:>7} {:>7} {:>7} | modern {:>7} {:>7} {:>7} {:>7}",
        "", "AUC", "0.1 %", "0.5 %", "1 %", "AUC", "0.1 %", "0.5 %", "1 %"
    );
    let modern: Vec<&Read> = modern.iter().flatten().collect();
    for (name, method) in METHODS {
        if wanted.only_kept && !name.starts_with("KEPT") {
            continue;
        }
        try_method(name, method, wanted, &train, &test, &modern)?;
    }
    if wanted.lopsided {
        lopsided(&train, &modern)?;
    }
    try_whole(wanted, &train, &test, &modern)?;
    cost(&train, if modern.is_empty() { &test } else { &modern })
}

fn try_method(
    name: &str,
    method: fn(&[&Read]) -> Result<Scorer>,
    wanted: Wanted,
    train: &[&Read],
    test: &[&Read],
    modern: &[&Read],
) -> Result<()> {
    let whole = method(train)?;
    let scores: Vec<(f64, Label)> = match wanted.cross {
        true => cross_validated(train, method)?,
        false => test.iter().map(|read| score(&whole, read)).collect(),
    };
    let of_modern: Vec<_> = modern.iter().map(|read| score(&whole, read)).collect();
    print!("{name:36} {}", line(&scores));
    match modern.is_empty() {
        true => println!(),
        false => println!(" | modern {}", line(&of_modern)),
    }
    if name.starts_with("KEPT") {
        println!("points, corpus: {}", points(&scores));
        println!("points, modern: {}", points(&of_modern));
    }
    Ok(())
}

/// The whole score, with a model that has not seen the mail.
fn try_whole(wanted: Wanted, train: &[&Read], test: &[&Read], modern: &[&Read]) -> Result<()> {
    let whole = Whole::new(&kept(train)?)?;
    let mut outcomes: Vec<(Outcome, String)> = Vec::new();
    let look = |whole: &Whole, read: &Read| (whole.look(read), read.mail.name.clone());
    match wanted.cross {
        true => {
            for fold in 0..FOLDS {
                let (inside, outside): (Vec<&Read>, Vec<&Read>) =
                    train.iter().copied().partition(|read| read.mail.fold(FOLDS) == fold);
                let whole = Whole::new(&kept(&outside)?)?;
                outcomes.extend(inside.into_iter().map(|read| look(&whole, read)));
            }
        }
        false => outcomes.extend(test.iter().map(|read| look(&whole, read))),
    }
    let of_modern: Vec<_> = modern.iter().map(|read| look(&whole, read)).collect();
    let rates = |outcomes: &[(Outcome, String)], score: fn(&Outcome) -> f64| {
        line(&outcomes.iter().map(|(one, _)| (score(one), one.label)).collect::<Vec<_>>())
    };
    for (name, score) in [
        ("WHOLE SCORE", Outcome::score as fn(&Outcome) -> f64),
        ("whole score without the classifier", Outcome::rest),
    ] {
        println!("{name:36} {} | modern {}", rates(&outcomes, score), rates(&of_modern, score));
    }
    if wanted.dump {
        whole::dump("corpus", &outcomes);
        whole::dump("modern", &of_modern);
    }
    if wanted.worst {
        println!("worst, corpus:\n{}", whole::worst(&outcomes));
        println!("worst, modern:\n{}", whole::worst(&of_modern));
    }
    for (name, outcomes) in [("corpus", outcomes), ("modern", of_modern)] {
        let outcomes: Vec<Outcome> = outcomes.into_iter().map(|(one, _)| one).collect();
        println!(
            "{name}: median analysis {:.0} µs; {}",
            whole::median_micros(&outcomes),
            whole::at_thresholds(&outcomes)
        );
        if wanted.findings {
            println!("{}", whole::findings(&outcomes));
        }
    }
    Ok(())
}

/// Models from corpora of which one kind is a tenth of what it was: their scores must not
/// shift.
fn lopsided(train: &[&Read], modern: &[&Read]) -> Result<()> {
    for (name, rare) in [("a tenth of the spam", Label::Spam), ("a tenth of the ham", Label::Ham)] {
        let few: Vec<&Read> = train
            .iter()
            .copied()
            .filter(|read| read.mail.label != rare || read.mail.fold(10) == 0)
            .collect();
        let others: Vec<&Read> = train
            .iter()
            .copied()
            .filter(|read| read.mail.label == rare && read.mail.fold(10) != 0)
            .collect();
        let classifier = kept(&few)?;
        let odds = |read: &&Read| {
            let score = classifier.score(&read.example.features);
            (score.map_or(0.0, |score| score.log_odds), read.mail.label)
        };
        println!(
            "{name}: what was left out {}",
            points(&others.iter().map(odds).collect::<Vec<_>>())
        );
        let scores: Vec<_> = modern.iter().map(odds).collect();
        println!("{name}: modern {} {}", line(&scores), points(&scores));
    }
    Ok(())
}

fn cross_validated(
    train: &[&Read],
    method: fn(&[&Read]) -> Result<Scorer>,
) -> Result<Vec<(f64, Label)>> {
    let mut scores = Vec::new();
    for fold in 0..FOLDS {
        let (inside, outside): (Vec<&Read>, Vec<&Read>) =
            train.iter().copied().partition(|read| read.mail.fold(FOLDS) == fold);
        let scorer = method(&outside)?;
        scores.extend(inside.into_iter().map(|read| score(&scorer, read)));
    }
    Ok(scores)
}

fn line(scores: &[(f64, Label)]) -> String {
    let figures = figures(scores, &RATES);
    let caught: Vec<String> = figures.caught.iter().map(|caught| format!("{caught:7.2}")).collect();
    format!("{:8.5} {}", figures.auc, caught.join(" "))
}

/// How the classifier's points are spread: tenths of each kind.
fn points(scores: &[(f64, Label)]) -> String {
    let of = |label| {
        let mut of: Vec<f64> = scores
            .iter()
            .filter(|(_, of)| *of == label)
            .map(|(log_odds, _)| Score { log_odds: *log_odds, experience: 0 }.points())
            .collect();
        of.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (share * of.len().saturating_sub(1) as f64) as usize;
            format!("{:.1}", of.get(place).copied().unwrap_or_default())
        };
        [0.0, 0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999, 1.0].map(at).join(" ")
    };
    format!(
        "at 0 .1 1 5 25 50 75 95 99 99.9 100 %: ham {}; spam {}",
        of(Label::Ham),
        of(Label::Spam)
    )
}

/// Time of a scan by the size of the message, and the spread of log-odds.
fn cost(train: &[&Read], mails: &[&Read]) -> Result<()> {
    let started = Instant::now();
    let classifier = kept(train)?;
    println!("training: {:.1} s", started.elapsed().as_secs_f64());
    let near: Vec<&Read> = mails
        .iter()
        .copied()
        .filter(|read| (8_000..12_000).contains(&read.mail.octets.len()))
        .collect();
    let (mut extraction, mut scoring, mut sum) = (f64::MAX, f64::MAX, 0.0);
    // The quickest of several runs: what else the machine does is no cost of a scan.
    for _ in 0..5 {
        let started = Instant::now();
        let features: Vec<Features> =
            near.iter().map(|read| Features::of_message(&read.mail.octets)).collect();
        extraction = f64::min(extraction, started.elapsed().as_secs_f64());
        let started = Instant::now();
        sum = features.iter().filter_map(|one| classifier.score(one)).map(|one| one.log_odds).sum();
        scoring = f64::min(scoring, started.elapsed().as_secs_f64());
    }
    let each = 1e6 / near.len().max(1) as f64;
    println!(
        "a message of 8 to 12 KB ({} of them): reading and features {:.0} µs, scoring {:.0} µs (mean log-odds {:.2})",
        near.len(),
        extraction * each,
        scoring * each,
        sum / near.len().max(1) as f64,
    );
    Ok(())
}
