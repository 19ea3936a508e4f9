//! Texts that match at every octet: counts stay right up to their limits, work stays linear.

use std::time::{Duration, Instant};

use super::fakes::{content, count, form, hits, set};
use super::*;

/// Of the tests' unoptimised build; a quadratic step would take hours.
const ENOUGH: Duration = Duration::from_secs(60);

#[test]
fn a_match_at_every_octet_stays_cheap() {
    let text = [
        form("rule", "ONCE", "pattern = '1'"),
        form("rule", "COUNTED", "pattern = '\\d'\ncount = 1"),
        form("rule", "GROWING", "pattern = '\\d+'\ncount = 1"),
        form("rule", "VALID", "pattern = '\\d{4,}'\nvalidate = 'sum_ten'"),
        form("proximity", "NEAR", "a = '\\d'\nb = 'x'\nwithin = 10000"),
        form("proximity", "COUNTED_NEAR", "a = '\\d'\nb = '\\d'\nwithin = 10000\ncount = 1"),
    ]
    .concat();
    let set = set(&text);
    let began = Instant::now();
    let found = content(&set, &"1".repeat(200_000));
    let found: Vec<(&str, u32)> = found.iter().map(|hit| (hit.rule.as_str(), hit.count)).collect();
    // Ones only: one value, and all of them are one number, which is not valid.
    let wanted = [("ONCE", 1), ("COUNTED", 1), ("GROWING", 1), ("COUNTED_NEAR", 1)];
    assert_eq!(found, wanted);
    assert!(began.elapsed() < ENOUGH, "{:?}", began.elapsed());
}

#[test]
fn counts_stop_at_their_limit() {
    let numbers = set(&form("rule", "N", "pattern = '\\b\\d{6}\\b'\ncount = 5"));
    let text: String = (100_000..120_000).map(|number| format!("{number} ")).collect();
    assert_eq!(count(&numbers, &text), 10_000);
    let some: String = (100_000..109_000).map(|number| format!("{number} ")).collect();
    assert_eq!(count(&numbers, &some), 9_000);
}

#[test]
fn all_rules_together_keep_a_limited_number_of_values() {
    let rules: String = (1..26)
        .map(|number| {
            form(
                "rule",
                &format!("N{number}"),
                &format!("pattern = '\\b\\d{{6}}(?:z{{{number}}})?'\ncount = 1"),
            )
        })
        .collect();
    let set = set(&rules);
    let text: String = (100_000..110_000).map(|number| format!("{number} ")).collect();
    let found = hits(&set, &[(Zone::Body, &text)]);
    let all: u64 = found.content.iter().map(|hit| u64::from(hit.count)).sum();
    assert_eq!(all, 200_000);
    assert_eq!(found.findings.last().unwrap().name, "CONTENT_UNCOUNTED");
}

#[test]
fn many_overlapping_pairs_stay_linear() {
    let rules = [
        form("proximity", "LONG", "a = 'x[^y]*y'\nb = 'z'\nwithin = 5\ncount = 1"),
        form("proximity", "FAR", "a = 'x'\nb = 'y'\nwithin = 10000\ncount = 1"),
        form("proximity", "NEVER", "a = 'x'\nb = 'é'\nwithin = 1\ncount = 1"),
    ]
    .concat();
    let set = set(&rules);
    let began = Instant::now();
    for text in ["x".repeat(100_000) + "yz", "xy".repeat(60_000), "xyz ".repeat(40_000)] {
        assert!(!content(&set, &text).is_empty());
    }
    assert!(began.elapsed() < ENOUGH, "{:?}", began.elapsed());
}

#[test]
fn odd_texts_do_no_harm() {
    let rules = [
        form("rule", "DOT", "pattern = '.'\nflags = 's'\ncount = 1"),
        form("rule", "OCTET", "pattern = '[\\x80-\\xff]'\nvalidate = 'capital'"),
        form("proximity", "P", "a = '[\\x80-\\xff]'\nb = '.'\nflags = 's'\nwithin = 3\ncount = 1"),
        form("rule", "TIED", "pattern = 'a.'\nwhere = ['subject']\ncount = 1"),
    ]
    .concat();
    let set = set(&rules);
    for text in ["", "é", "\u{10ffff}", "\0", "É😀é\n😀", "\u{1}S\n", "a", "aé"] {
        for zone in Zone::ALL {
            hits(&set, &[(zone, text), (zone, text)]);
        }
    }
}

#[test]
fn a_validator_that_panics_does_not_take_the_box_with_it() {
    let set = set(&form("rule", "B", "pattern = 'x \\d+\\b'\nvalidate = 'breaks'"));
    let scan = std::panic::AssertUnwindSafe(|| content(&set, "x 1 x 2"));
    let panic = std::panic::catch_unwind(scan).unwrap_err();
    assert_eq!(panic.downcast_ref::<String>().unwrap(), "broken at 3");
    assert_eq!(content(&set, "y"), []);
}
