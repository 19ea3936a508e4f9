//! Annotations in mail as it is: every message of the corpora, both places, plain and other
//! letters; counts are printed.

use std::collections::BTreeMap;

use super::*;
use crate::message::tests::corpora::corpus;

pub(super) const CORPORA: [&str; 5] =
    ["mime-mail-parser", "mime-tools", "rspamd", "spamassassin", "modern"];

/// The messages of a corpus; what else lies there is left aside.
pub(super) fn messages(name: &str) -> Vec<std::path::PathBuf> {
    let is_other = |file: &std::path::PathBuf| {
        let extension = file.extension().and_then(|name| name.to_str()).unwrap_or_default();
        ["json", "ref", "md"].contains(&extension) || file.ends_with("COPYING")
    };
    corpus(name).into_iter().filter(|file| !is_other(file)).collect()
}

#[test]
fn mail_of_the_corpora_keeps_its_octets() {
    for name in CORPORA {
        let (mut annotated_ones, mut all, mut unlike, mut broken) = (0, 0, 0, 0);
        let mut refused: BTreeMap<String, usize> = BTreeMap::new();
        let mut how: BTreeMap<&str, usize> = BTreeMap::new();
        let files = messages(name);
        for (number, file) in files.iter().enumerate() {
            let message = std::fs::read(file).unwrap();
            let ways = [AnnotationPlace::Above, AnnotationPlace::Below]
                .map(|place| [ASCII, WIDE].map(|text| (place, text)))
                .concat();
            for (way, (place, text)) in ways.into_iter().enumerate() {
                // Of large corpora each message goes one of the ways.
                if files.len() < 500 || number % 4 == way {
                    all += 1;
                    let annotation = said(text, place);
                    let whole = match annotated(&message, &annotation) {
                        Ok(whole) => whole,
                        Err(why) => {
                            if matches!(why, Why::Broken(_)) {
                                println!("{}: {why}", file.display());
                            }
                            *refused.entry(why.to_string()).or_default() += 1;
                            continue;
                        }
                    };
                    annotated_ones += 1;
                    assert_eq!(
                        annotated(&whole, &annotation),
                        Err(Why::Present),
                        "{}: twice",
                        file.display()
                    );
                    let seen = compare(&message, &whole, text);
                    match (seen.changed.len(), seen.fresh) {
                        (0, 1) => *how.entry("as a part of its own").or_default() += 1,
                        (1, 0) => *how.entry("in one part").or_default() += 1,
                        (2.., 0) => *how.entry("in several parts").or_default() += 1,
                        _ => *how.entry("otherwise").or_default() += 1,
                    }
                    // Broken on purpose, so that no two readers agree, or mail-parser gives up.
                    let is_broken = file.to_string_lossy().contains("/malformed/")
                        || (leaves(&message).is_empty() != leaves(&whole).is_empty());
                    if is_broken {
                        broken += 1;
                    } else if !seen.wrong.is_empty() || seen.changed.len() + seen.fresh == 0 {
                        unlike += 1;
                        println!("{} {place:?}: {seen:?}", file.display());
                    }
                }
            }
        }
        println!(
            "{name}: {annotated_ones} of {all} annotated {how:?}, refused {refused:?}, \
             {unlike} read otherwise by mail-parser, {broken} broken on purpose or given up"
        );
        assert!(unlike * 100 <= all, "{name}: {unlike} of {all}");
    }
}
