//! Plain rules and lexicons, errors with their places, folders and the cache; the other forms
//! and the limits are tried beside.

mod fakes;
mod forms;
mod hostile;
mod many;
mod packs;
mod split;

use super::*;
use crate::analysis::weights::Weights;
use crate::mail::{Class, Finding};
use crate::message::Zone;

fn rule(id: &str, pattern: &str, flags: &str, zones: &str) -> String {
    format!(
        "[[rule]]\nid = \"{id}\"\npattern = '{pattern}'\nflags = \"{flags}\"\nwhere = {zones}\n\
         score = 2.5\nclass = \"scam\"\ndescription = \"says {id}\"\n\
         hit = [\"a\", \"b\"]\nnear_miss = [\"c\", \"d\"]\n"
    )
}

fn set(text: &str) -> RuleSet {
    RuleSet::parse(text, "test.toml").unwrap()
}

fn scanned(set: &RuleSet, texts: &[(Zone, &str)]) -> Vec<Finding> {
    let mut scan = set.scan().unwrap();
    for (zone, text) in texts {
        scan.text(*zone, &zone.normal_form(text));
    }
    scan.finish(&Weights::default()).unwrap().findings
}

/// The names of the rules that the box ships.
fn shipped() -> Vec<String> {
    let mut names = Vec::new();
    let mut read = |text: &str, file: &str| {
        let rules = file::parse(text, file, &Lookups::default())?;
        names.extend(rules.into_iter().map(|rule| rule.id));
        Ok(())
    };
    source::each_shipped(&mut read).unwrap();
    names
}

#[test]
fn a_scan_finds_nothing_of_the_one_before() {
    let rules = rule("COUNTED", "[a-z]+ [0-9]{3}", "", r#"["body"]"#)
        .replace("class =", "count = 2\nclass =");
    let set = set(&(LEXICON.to_owned() + &rules));
    let crowded = (0..9_000).map(|number| format!("bloody word {number:04} ")).collect::<String>();
    let first = scanned(&set, &[(Zone::Body, &crowded), (Zone::Subject, "übel")]);
    assert_eq!(first.len(), 2, "{first:?}");
    assert_eq!(scanned(&set, &[(Zone::Body, "word 001")]), []);
    assert_eq!(scanned(&set, &[(Zone::Body, &crowded), (Zone::Subject, "übel")]), first);
}

const LEXICON: &str = r#"
[[lexicon]]
id = "RUDE"
terms = [
  { text = "bloody", score = 1.0 },
  { text = "rude  word", score = 2.0 },
  { text = "übel", score = 1.5 },
  { text = "a$$", score = 1.5 },
]
max_score = 4.0
where = ["body", "subject"]
class = "profanity"
description = "rude words"
hit = ["a bloody mess", "RUDE WORD"]
near_miss = ["bloodyminded", "rude words"]
"#;

#[test]
fn rules_hit_where_they_look_and_once() {
    let text = [
        rule("KIN", r"\bnext of kin\b", "i", r#"["body", "subject"]"#),
        rule("EXACT", "Bank", "", r#"["from"]"#),
        rule("LINE", "^X-Mailer: Bad$", "m", r#"["header"]"#),
        rule("WORDS", "prize|gr.nd", "iw", r#"["body"]"#),
        rule("UMLAUT", "grün", "i", r#"["body"]"#),
        rule("RAW", "<form[^>]*action", "i", r#"["html"]"#),
    ]
    .concat();
    let set = set(&text);
    let table: [(Zone, &str, &[&str]); 13] = [
        (Zone::Body, "My NEXT\r\n of kin and next of kin", &["KIN"]),
        (Zone::Subject, "next of kin", &["KIN"]),
        (Zone::Html, "next of kin", &[]),
        (Zone::Body, "next of kinship", &[]),
        (Zone::From, "Bank <a@b>", &["EXACT"]),
        (Zone::From, "bank <a@b>", &[]),
        (Zone::Header, "A: b\nX-Mailer: Bad\nC: d", &["LINE"]),
        (Zone::Header, "A: X-Mailer: Bad", &[]),
        (Zone::Body, "a prize", &["WORDS"]),
        (Zone::Body, "prizes grandly", &[]),
        (Zone::Body, "GRÜN", &["UMLAUT"]),
        (Zone::Html, "<form method=post action=x>", &["RAW"]),
        (Zone::Body, "", &[]),
    ];
    for (zone, text, expected) in table {
        let findings = scanned(&set, &[(zone, text)]);
        let names: Vec<&str> = findings.iter().map(|finding| &*finding.name).collect();
        assert_eq!(names, expected, "{text}");
    }
    let both = [(Zone::Body, "next of kin"), (Zone::Subject, "next of kin")];
    let findings = scanned(&set, &both);
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].score, findings[0].class), (2.5, Class::Scam));
    assert_eq!(findings[0].detail, "says KIN; body: \"next of kin\"");
}

#[test]
fn distinct_terms_of_a_lexicon_add_up() {
    let set = set(LEXICON);
    let table = [
        ("a bloody bloody mess", Some(1.0)),
        ("bloody rude word", Some(3.0)),
        ("bloody RUDE WORD, übel", Some(4.0)),
        ("ÜBEL!", Some(1.5)),
        ("trübel übeln", None),
        ("kick a$$ now", Some(1.5)),
        ("bloodyminded rude words", None),
    ];
    for (text, score) in table {
        let findings = scanned(&set, &[(Zone::Body, text)]);
        assert_eq!(findings.first().map(|finding| finding.score), score, "{text}");
    }
    assert!(set.trials().iter().all(|trial| trial.problems.is_empty()), "{:?}", set.trials());
}

#[test]
fn wrong_rules_are_named_with_their_place() {
    let good = rule("A", "x", "i", r#"["body"]"#);
    let table = [
        (good.replace("where", "were"), "test.toml:5:1: unknown field `were`"),
        (good.replace("\"A\"", "\"a\""), "test.toml:2:6: a: an id is upper case"),
        (good.replace("[\"body\"]", "[]"), "test.toml:2:6: A: `where` must name"),
        (good.replace("\"body\"", "\"bodies\""), "test.toml:5:10: unknown variant `bodies`"),
        (good.replace("\"i\"", "\"q\""), "test.toml:4:9: unknown flag `q`"),
        (good.replace("2.5", "inf"), "test.toml:6:9: a score is a number"),
        (good.replace("[\"a\", \"b\"]", "[\"a\"]"), "test.toml:2:6: A: a rule needs at least two"),
        (good.replace("'x'", "'(x'"), "test.toml:3:11: A: "),
        (good.replace("'x'", "'x?'"), "test.toml:3:11: A: "),
        (good.replace("'x'", r"'(a)\1'"), "test.toml:3:11: A: "),
        (format!("{good}{}", rule("B", "(?<=x", "i", "[\"body\"]")), "test.toml:13:11: B: "),
        (format!("{good}{good}"), "A is already at test.toml:1:1"),
        ("[[rule]".to_owned(), "test.toml:1:"),
    ];
    for (text, what) in table {
        let error = RuleSet::parse(&text, "test.toml").unwrap_err().to_string();
        assert!(error.contains(what), "{error} / {what}");
    }
}

#[test]
fn the_shipped_rules_pass_their_trials() {
    let set = RuleSet::load(&[], &[], None).unwrap();
    let failed: Vec<Trial> =
        set.trials().into_iter().filter(|trial| !trial.problems.is_empty()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(set.rules().iter().any(|rule| rule.id == "GTUBE"));
    let left = without(set.rules().to_vec(), &["GTUBE".into(), "NONE".into()]);
    assert!(!left.iter().any(|rule| rule.id == "GTUBE"));
}

#[test]
fn a_trial_tells_what_went_wrong() {
    let set = set(&rule("A", "a|c", "i", r#"["body", "subject"]"#));
    let trial = &set.trials()[0];
    assert_eq!(trial.problems.len(), 4, "{trial:?}");
    assert_eq!(trial.problems[0], "no hit in subject: \"b\"");
}

#[test]
fn own_rules_are_read_from_folders_and_compiled_patterns_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("own.toml"), rule("OWN", "own word", "i", "[\"body\"]"))
        .unwrap();
    std::fs::write(dir.path().join("note.txt"), "not a rule").unwrap();
    let cache = tempfile::tempdir().unwrap();
    // The shipped rules take seconds to compile, and this compiles often.
    let disabled = shipped();
    let load = || RuleSet::load(&[dir.path().to_owned()], &disabled, Some(cache.path())).unwrap();
    let hits = |set: &RuleSet| scanned(set, &[(Zone::Body, "my own word")]).len();
    let file = cache.path().join("content-patterns.hsdb");
    assert_eq!(hits(&load()), 1);
    let written = std::fs::metadata(&file).unwrap().modified().unwrap();
    let kept = std::fs::read(&file).unwrap();
    assert_eq!(hits(&load()), 1);
    assert_eq!(std::fs::metadata(&file).unwrap().modified().unwrap(), written, "read, not made");
    for broken in [&b""[..], b"nonsense", &kept[..kept.len() / 2], &[&kept[..], b"x"].concat()] {
        std::fs::write(&file, broken).unwrap();
        assert_eq!(hits(&load()), 1);
        assert_eq!(std::fs::read(&file).unwrap().len(), kept.len(), "made afresh");
    }
    std::fs::write(dir.path().join("own.toml"), rule("OWN", "other", "i", "[\"body\"]")).unwrap();
    assert_eq!(hits(&load()), 0, "changed rules are compiled");
    let missing = RuleSet::load(&[dir.path().join("none")], &[], None).unwrap_err();
    assert!(missing.to_string().contains("none"));
}

#[test]
fn scans_run_side_by_side() {
    let set = set(&rule("A", "needle", "i", "[\"body\"]"));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    assert_eq!(scanned(&set, &[(Zone::Body, "a needle here")]).len(), 1);
                }
            });
        }
    });
}
