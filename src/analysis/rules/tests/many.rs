//! Ten thousand generated rules of all forms load, compile, scan, and are read back from the
//! cache.

use super::fakes::{form, lookups};
use super::*;

const RULES: usize = 10_000;

/// A word that no other number has.
fn word(number: usize) -> String {
    const SYLLABLES: [&str; 10] =
        ["ka", "ro", "mi", "ten", "sol", "ver", "du", "pla", "nim", "est"];
    let digits = format!("{number:05}");
    digits.bytes().map(|digit| SYLLABLES[usize::from(digit - b'0')]).collect()
}

fn rules() -> String {
    let one = |number: usize| {
        let (id, word) = (format!("GEN_{number}"), word(number));
        match number % 8 {
            0 => form("rule", &id, &format!("pattern = '{word} (?:one|two)'")),
            1 => form("rule", &id, &format!("pattern = '{word} \\d{{4,6}}'\ncount = 2")),
            2 => form("rule", &id, &format!("pattern = '{word} \\d+'\nvalidate = 'sum_ten'")),
            3 => {
                let terms = format!("terms = [{{ text = \"{word}\", score = 1.0 }}]");
                form("lexicon", &id, &terms)
            }
            4 => {
                let near = format!("a = '{word}'\nb = '@GEN_{}'\nwithin = 20", number - 1);
                form("proximity", &id, &near)
            }
            5 => form("exact", &id, &format!("list = \"staff\"\nwithin = {}", number + 1)),
            6 => form("fingerprint", &id, "documents = \"contracts\""),
            _ => form("marking", &id, "markings = [\"SECRET\"]"),
        }
    };
    (0..RULES).map(one).collect()
}

#[test]
fn ten_thousand_rules_load_and_scan() {
    let text = rules();
    let cache = tempfile::tempdir().unwrap();
    let load = || RuleSet::parse_with(&text, "many.toml", Some(cache.path()), lookups()).unwrap();
    let set = load();
    assert_eq!(set.rules().len(), RULES);
    // The terms that a proximity rule names are patterns already.
    assert_eq!(set.patterns(), 5 * RULES / 8);
    let file = cache.path().join("content-patterns.hsdb");
    let written = std::fs::metadata(&file).unwrap().modified().unwrap();
    for set in [set, load()] {
        let text = format!(
            "{} two, {} 1234 {} 2345 {} 5500 {} and {}",
            word(8),
            word(1_601),
            word(1_601),
            word(4_002),
            word(9_995),
            word(9_996),
        );
        let found = fakes::content(&set, &text);
        let names: Vec<&str> = found.iter().map(|hit| hit.rule.as_str()).collect();
        assert_eq!(names, ["GEN_8", "GEN_1601", "GEN_4002", "GEN_9995", "GEN_9996"]);
        assert_eq!(fakes::content(&set, "SECRET").len(), RULES / 8);
        assert!(fakes::content(&set, &word(7)).is_empty());
    }
    assert_eq!(std::fs::metadata(&file).unwrap().modified().unwrap(), written, "read, not made");
}
