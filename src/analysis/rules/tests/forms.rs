//! Every form of rule on texts that it must find, near misses, and the errors of its file.

use super::fakes::{content, count, form, hits, refusal, set};
use super::*;
use crate::mail::{ContentHit, Severity};

#[test]
fn a_rule_that_does_not_count_hits_once() {
    let text = form("rule", "WORD", "pattern = 'word'\nseverity = \"high\"");
    let set = set(&text);
    let wanted = ContentHit {
        rule: "WORD".into(),
        class: Class::Policy,
        severity: Severity::High,
        count: 1,
    };
    assert_eq!(content(&set, "a word is a word"), [wanted]);
    let found = hits(&set, &[(Zone::Body, "a word")]);
    assert_eq!((found.findings.len(), found.findings[0].score), (1, 0.0));
    assert_eq!(content(&set, "a wo rd"), []);
}

#[test]
fn distinct_values_are_counted() {
    let number = set(&form(
        "rule",
        "N",
        r"pattern = 'no\. \d+'
count = 3",
    ));
    let table = [
        ("no. 1, no. 2", 0),
        ("no. 1, no. 2, no. 3", 3),
        ("no. 1, no. 2, no. 1, no. 2", 0),
        ("no. 11, no. 12, no. 13, no. 1, NO. 11", 4),
        ("no. 123456", 0),
        ("no. 1no. 2no. 3", 3),
        ("", 0),
    ];
    for (text, wanted) in table {
        assert_eq!(count(&number, text), wanted, "{text}");
    }
    // Of values that overlap the first one counts.
    let triple = set(&form(
        "rule",
        "T",
        r"pattern = '\d{3}'
count = 1",
    ));
    for (text, wanted) in [("12", 0), ("123", 1), ("12345", 1), ("123456", 2), ("123 123", 1)] {
        assert_eq!(count(&triple, text), wanted, "{text}");
    }
}

#[test]
fn validated_values_are_counted_in_their_normal_form() {
    let set = set(&form(
        "rule",
        "V",
        r"pattern = '\d[\d -]*\d'
validate = 'sum_ten'",
    ));
    let table = [
        ("5500", 1),
        ("5501", 0),
        ("55001", 0),
        ("5500 and 5500 and 55-00", 1),
        ("5500 and 2800, 1900; 1901", 3),
        ("55000001", 0),
        ("x5500x", 1),
        ("é5500é 1900", 2),
    ];
    for (text, wanted) in table {
        assert_eq!(count(&set, text), wanted, "{text}");
    }
    let found = hits(&set, &[(Zone::Body, "card 1234 5672 and 5500")]);
    assert_eq!(found.findings[0].detail, "says V; body: \"**** *672\"; 2 in all");
}

#[test]
fn lexicons_weigh_terms_up_to_their_limits() {
    let terms = "terms = [{ text = \"red\", score = 1.0 }, { text = \"blue fish\", score = 0.5 }, \
                 { text = \"größe\", score = 0.5 }]\n";
    let lexicon = |keys: &str| set(&form("lexicon", "L", &format!("{terms}{keys}")));
    let table: [(&str, &[(&str, u32, f32)]); 5] = [
        ("", &[("red red", 1, 1.0), ("red, blue fish", 2, 1.5), ("reds", 0, 0.0)]),
        ("distinct = 2", &[("red red red", 0, 0.0), ("red GRÖSSE größe", 2, 1.5)]),
        ("most_per_term = 3", &[("red red", 2, 2.0), ("red red red red", 3, 3.0)]),
        (
            "most_per_term = 9",
            &[("red red red red red", 5, 4.0), ("größe größe Größe", 3, 1.5), ("trgröße", 0, 0.0)],
        ),
        ("most_per_term = 2\ncount = 3", &[("red red red", 0, 0.0), ("red red größe", 3, 2.5)]),
    ];
    for (keys, texts) in table {
        let set = lexicon(keys);
        for (text, wanted, score) in texts {
            let found = hits(&set, &[(Zone::Body, text)]);
            let counted = found.content.first().map_or(0, |hit| hit.count);
            let scored = found.findings.first().map_or(0.0, |finding| finding.score);
            assert_eq!((counted, scored), (*wanted, *score), "{keys}: {text}");
        }
    }
    let capital = lexicon("validate = 'capital'");
    assert_eq!((count(&capital, "a Red fish"), count(&capital, "a red fish")), (1, 0));
}

const PLACES: &str = "[[lexicon]]\nid = \"PLACES\"\nwhere = [\"html\"]\nmax_score = 1.0\n\
    class = \"policy\"\ndescription = \"places\"\nhit = [\"a\", \"b\"]\nnear_miss = [\"c\", \"d\"]\n\
    terms = [{ text = \"ward\", score = 1.0 }, { text = \"zürich\", score = 1.0 }, \
    { text = \"café é\", score = 1.0 }]\n";

#[test]
fn two_things_stand_near_each_other_in_either_order() {
    let rule = form(
        "proximity",
        "P",
        r"a = 'patient \d+'
b = '@PLACES'
within = 10",
    );
    let set = set(&format!("{rule}{PLACES}"));
    let table = [
        ("patient 12 ward", 1),
        ("ward patient 12", 1),
        ("patient 12 lies in ward", 1),
        ("patient 12 lies on a ward", 0),
        ("patient 12 ......... ward", 0),
        ("patient 12 ........ ward", 1),
        ("ward of the ..... patient 12", 0),
        ("ward of ... patient 12", 1),
        ("patient 12 éééééééé zürich", 1),
        ("patient 12 ééééééééé zürich", 0),
        ("patient 12 éééé café é!", 1),
        ("patient, ward", 0),
        ("wards patient 12 wardens", 0),
        ("patient 1 far far away from it all, patient 2 ward", 1),
    ];
    for (text, wanted) in table {
        assert_eq!(count(&set, text), wanted, "{text}");
    }
    // Only within one text.
    let apart = hits(&set, &[(Zone::Subject, "patient 12"), (Zone::Body, "ward")]);
    assert_eq!(apart.content, []);
}

#[test]
fn what_overlaps_is_not_near() {
    let words = set(&form("proximity", "P", "a = 'alpha beta'\nb = 'beta gamma|beta'\nwithin = 5"));
    assert_eq!(count(&words, "alpha beta gamma"), 0);
    assert_eq!(count(&words, "alpha beta, beta"), 1);
    let same = set(&form("proximity", "P", "a = 'beta'\nb = 'beta'\nwithin = 5"));
    assert_eq!((count(&same, "beta"), count(&same, "beta beta")), (0, 1));
    let short = set(&form("proximity", "P", "a = '\\d+'\nb = '£'\nwithin = 1"));
    for (text, wanted) in [("100£", 1), ("£100", 1), ("£ 100", 1), ("100  £", 1), ("100 x £", 0)]
    {
        assert_eq!(count(&short, text), wanted, "{text}");
    }
}

#[test]
fn pairs_are_counted_by_distinct_values_of_their_first_side() {
    let rule = "a = '\\d[\\d -]*\\d'\nvalidate_a = 'sum_ten'\nb = 'card|no'\nwithin = 7\ncount = 2";
    let set = set(&form("proximity", "P", rule));
    let table = [
        ("card 5500, card 1900", 2),
        ("card 5500, card 55 00", 0),
        ("card 5500, and a 1900", 0),
        ("5500 card 1900", 2),
        ("5500, 1900, 2800 card", 2),
        ("card 5501, card 1900, card 2800", 2),
        ("5500 no 1900 no 2800 no 3700", 4),
    ];
    for (text, wanted) in table {
        assert_eq!(count(&set, text), wanted, "{text}");
    }
    let found = hits(&set, &[(Zone::Body, "card 55001900, card 12345672")]);
    assert_eq!(found.findings[0].detail, "says P; body: \"*****900\"; 2 in all");
}

#[test]
fn lists_documents_and_markings_are_asked() {
    let text = [
        form("exact", "ROW", "list = \"staff\"\ncolumns = 2"),
        form("exact", "TWO", "list = \"staff\"\ncount = 2"),
        form("fingerprint", "LEASE", "documents = \"contracts\"\nshare_percent = 20"),
        form("marking", "MARKED", "markings = [\"SECRET\"]\nwhere = [\"subject\"]"),
    ]
    .concat();
    let set = set(&text);
    let table: [(Zone, &str, &[(&str, u32)]); 8] = [
        (Zone::Body, "Ann Brook has 4711", &[("ROW", 1)]),
        (Zone::Body, "Ann Brook has 4712", &[("TWO", 2)]),
        (Zone::Body, "Ann Brook", &[]),
        (Zone::Body, "whereas", &[]),
        (Zone::Body, "whereas whereas", &[("LEASE", 1)]),
        (Zone::Body, "SECRET", &[]),
        (Zone::Subject, "SECRET RESTRICTED", &[("MARKED", 1)]),
        (Zone::Subject, "RESTRICTED", &[]),
    ];
    for (zone, text, wanted) in table {
        let found = hits(&set, &[(zone, text)]);
        let found: Vec<(&str, u32)> =
            found.content.iter().map(|hit| (hit.rule.as_str(), hit.count)).collect();
        assert_eq!(found, wanted, "{text}");
    }
    let found = hits(&set, &[(Zone::Body, "Ann Brook 4711 whereas whereas endless")]);
    let details: Vec<&str> = found.findings.iter().map(|one| one.detail.as_str()).collect();
    assert_eq!(details[0], "says ROW; body: \"a row of staff\"");
    assert_eq!(details[1], "says LEASE; body: \"20 % of lease.docx\"");
    assert_eq!(found.findings[2].name, "CONTENT_UNCOUNTED");
}

#[test]
fn trials_try_every_form() {
    let shown = |text: String, hit: &str, near: &str| {
        text.replace("\"a\", \"b\"", hit).replace("\"c\", \"d\"", near)
    };
    let text = [
        shown(
            form("rule", "V", "pattern = '\\d+'\nvalidate = 'sum_ten'\ncount = 2"),
            "\"5500, 1900\", \"2800, 3700\"",
            "\"5500\", \"5501, 1901\"",
        ),
        shown(
            form("proximity", "P", "a = 'x'\nb = 'y'\nwithin = 2"),
            "\"x y\", \"yx\"",
            "\"x and y\", \"x\"",
        ),
        shown(
            form("marking", "M", "markings = [\"SECRET\"]"),
            "\"SECRET\", \"a SECRET\"",
            "\"secret\", \"x\"",
        ),
    ]
    .concat();
    let set = set(&text);
    let failed: Vec<Trial> =
        set.trials().into_iter().filter(|trial| !trial.problems.is_empty()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let wrong = fakes::set(&form("marking", "M", "markings = [\"SECRET\"]"));
    assert_eq!(wrong.trials()[0].problems.len(), 4);
}

#[test]
fn a_lexicon_that_is_switched_off_can_still_be_named() {
    let dir = tempfile::tempdir().unwrap();
    let rule = form("proximity", "P", "a = 'patient'\nb = '@PLACES'");
    std::fs::write(dir.path().join("own.toml"), format!("{rule}{PLACES}")).unwrap();
    let mut disabled = shipped();
    disabled.push("PLACES".into());
    let set = RuleSet::load(&[dir.path().to_owned()], &disabled, None).unwrap();
    assert_eq!((set.rules().len(), count(&set, "a patient on a ward")), (1, 1));
}

#[test]
fn wrong_forms_are_named_with_their_place() {
    let near = |rest: &str| form("proximity", "P", rest);
    let table = [
        (form("rule", "R", "pattern = 'x'\ncount = 0"), "test.toml:10:9: `count` is a number"),
        (form("rule", "R", "pattern = 'x'\ncount = 10001"), "test.toml:10:9: `count` is"),
        (form("rule", "R", "pattern = 'x'\nseverity = 'huge'"), "test.toml:10:12: unknown variant"),
        (form("rule", "R", "pattern = 'x'\nvalidate = 'none'"), "10:12: no validator `none`"),
        (form("rule", "R", "pattern = '(x'\ncount = 2"), "test.toml:9:11: R: "),
        (form("rule", "R", "pattern = 'x'\nwithin = 2"), "test.toml:10:1: unknown field `within`"),
        (near("a = 'x'\nb = '@NONE'"), "test.toml:10:5: P: no lexicon `NONE`"),
        (near("a = 'x'\nb = '(?<=x)y'"), "test.toml:10:5: P: "),
        (near("a = 'x'\nb = 'y'\nwithin = 0"), "test.toml:11:10: `within` is 1 to"),
        (near("a = 'x'"), "test.toml:1:1: missing field `b`"),
        (near("a = 'x'\nb = 'y'\nvalidate_b = 'no'"), "11:14: no validator `no`"),
        (form("exact", "E", "list = 'none'"), "test.toml:9:8: no list `none`"),
        (
            form("exact", "E", "list = 'staff'\ncolumns = 3"),
            "10:11: `columns` is a number from 1 to 2",
        ),
        (form("fingerprint", "F", "documents = 'x'"), "9:13: no set of documents `x`"),
        (
            form("fingerprint", "F", "documents = 'contracts'\nshare_percent = 101"),
            "10:17: `share_percent` is",
        ),
        (form("marking", "M", "markings = ['PINK']"), "test.toml:9:13: no marking `PINK`"),
        (form("marking", "M", "markings = []"), "test.toml:1:1: a marking rule needs"),
        (
            form("lexicon", "L", "terms = [{ text = 'x', score = 1.0 }]\ndistinct = 2"),
            "10:12: `distinct` is a number from 1 to 1",
        ),
    ];
    for (text, what) in table {
        let error = refusal(&text);
        assert!(error.contains(what), "{error} / {what}");
    }
    // Nobody to ask.
    let text = form("exact", "E", "list = 'staff'");
    assert!(RuleSet::parse(&text, "x").unwrap_err().to_string().contains("no list `staff`"));
}

#[test]
fn the_examples_of_the_manual_do_what_it_says() {
    let page = include_str!("../../../../rules/README.md");
    let blocks = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let rules: String = blocks.filter(|block| block.starts_with("[[")).collect();
    let wards = PLACES.replace("PLACES", "SITE_WARDS").replace("ward", "heron ward");
    let set = set(&(rules + &wards));
    assert_eq!(set.rules().len(), 8);
    for trial in set.trials().iter().filter(|trial| trial.id != "SITE_WARDS") {
        assert!(trial.problems.is_empty(), "{trial:?}");
    }
}

#[test]
fn of_what_looks_alike_a_share_must_be_valid() {
    let text = r#"
        [[rule]]
        id = "NUMBERS"
        pattern = '\b\d{10}\b'
        validate = "nhs_number"
        among = "ten_digit_number"
        share_percent = 50
        count = 2
        score = 0.0
        class = "policy"
        where = ["body"]
        description = "numbers"
        hit = ["9434765919 4010232137", "9434765919 4010232137 9434765918 1234567890"]
        near_miss = ["9434765919 9434765919", "9434765919 4010232137 9434765918 1234567890 1234567899"]
    "#;
    let set = RuleSet::parse(text, "test.toml").unwrap();
    for trial in set.trials() {
        assert!(trial.problems.is_empty(), "{:?}", trial.problems);
    }
    let found = scanned(&set, &[(Zone::Body, "9434765919 4010232137 1234567890")]);
    assert!(found[0].detail.contains("2 in all"), "{}", found[0].detail);
    for (old, new, wanted) in [
        ("share_percent = 50", "share_percent = 0", "from 1 to 100"),
        ("share_percent = 50", "", "go together"),
        ("validate = \"nhs_number\"", "", "go together"),
        ("ten_digit_number", "ten", "no validator `ten`"),
    ] {
        let error = RuleSet::parse(&text.replace(old, new), "test.toml").unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}
