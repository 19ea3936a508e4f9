//! Documents from text to match: passages that are pasted and changed on the way, texts that
//! share nothing but their language, boilerplate, hostile files and texts.

use std::path::Path;

use super::*;
use crate::analysis::exact::Shelf;
use crate::analysis::exact::tests::{Worked, good_mail};

/// Sentences of everyday words in no order; `seed` decides which.
fn prose(seed: u64, words: usize) -> Vec<String> {
    let vocabulary: Vec<&str> = include_str!("../../../rules/lists/ordinary_words.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // Some words are far more usual than others.
        let uniform = (state >> 11) as f64 / (1_u64 << 53) as f64;
        ((uniform * uniform * uniform) * vocabulary.len() as f64) as usize
    };
    (0..words).map(|_| vocabulary[next()].to_owned()).collect()
}

fn text(seed: u64, words: usize) -> String {
    prose(seed, words).join(" ")
}

fn set(documents: &[(&str, String)]) -> Prints {
    let mut draft = Draft::of(&Key::random().unwrap());
    for (name, text) in documents {
        draft.add(name, text, Role::Protected, 0).unwrap();
    }
    draft.finish()
}

fn names(matches: &[DocumentMatch]) -> Vec<&str> {
    matches.iter().map(|one| one.document.as_str()).collect()
}

/// As a mail program wraps and quotes an answer.
fn quoted(words: &[String]) -> String {
    words.chunks(11).map(|line| format!("> {}\r\n", line.join(" "))).collect()
}

#[test]
fn pasted_passages_are_recognised() {
    let document = prose(1, 3_000);
    let prints = set(&[("plan", document.join(" ")), ("other", text(2, 3_000))]);
    let around = |passage: &str| format!("{}\n{passage}\n{}", text(3, 150), text(4, 150));
    let mut worst = usize::MAX;
    for start in (0..2_900).step_by(97) {
        let passage = &document[start..start + 60];
        let capital = |word: &String| word[..1].to_uppercase() + &word[1..];
        let table = [
            passage.join(" "),
            quoted(passage),
            passage.join(" ").to_uppercase(),
            passage.iter().map(capital).collect::<Vec<_>>().join(", "),
            passage.join(" \u{2013} "),
            passage.join("\n"),
        ];
        for pasted in table {
            let found = prints.matches(&around(&pasted));
            assert_eq!(names(&found), ["plan"], "{pasted}");
            assert!((40..=75).contains(&found[0].words), "{}", found[0].words);
            worst = worst.min(found[0].prints);
        }
        // 36 words are always enough.
        let least = document[start..start + SURE_WORDS].join(" ");
        assert_eq!(names(&prints.matches(&around(&least))), ["plan"]);
    }
    println!("fewest fingerprints in 60 words: {worst}");
}

#[test]
fn moderate_edits_do_not_hide_a_passage() {
    let document = prose(5, 3_000);
    let prints = set(&[("plan", document.join(" "))]);
    // Every so many words one is replaced, left out or put in.
    for (every, words, least_percent) in [(20, 60, 100), (12, 60, 95), (10, 80, 95), (8, 100, 90)] {
        let (mut found, mut tried) = (0, 0);
        for start in (0..2_800).step_by(31) {
            let mut passage = document[start..start + words].to_vec();
            for at in (every / 2..words - 2).step_by(every).rev() {
                match at % 3 {
                    0 => passage[at] = "changed".to_owned(),
                    1 => passage.insert(at, "inserted".to_owned()),
                    _ => drop(passage.remove(at)),
                }
            }
            let mail = format!("{} {} {}", text(6, 100), passage.join(" "), text(7, 100));
            found += usize::from(!prints.matches(&mail).is_empty());
            tried += 1;
        }
        println!("{words} words, one in {every} changed: {found} of {tried} recognised");
        assert!(found * 100 >= tried * least_percent, "one in {every}: {found} of {tried}");
    }
}

#[test]
fn unrelated_texts_are_not_recognised() {
    let documents: Vec<(String, String)> =
        (0..200).map(|number| (format!("d{number}"), text(1_000 + number, 2_000))).collect();
    let mut draft = Draft::of(&Key::random().unwrap());
    for (name, text) in &documents {
        draft.add(name, text, Role::Protected, 0).unwrap();
    }
    let prints = draft.finish();
    for seed in 0..50 {
        assert_eq!(prints.matches(&text(50_000 + seed, 5_000)), []);
    }
    // A few words in common are no passage.
    let document = prose(1_000, 2_000);
    let scattered: String = (0..100)
        .map(|number| document[number * 19..][..6].join(" ") + " " + &text(number as u64, 60) + " ")
        .collect();
    assert_eq!(prints.matches(&scattered), []);
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("appliance/manual");
    let mut draft = Draft::of(&Key::random().unwrap());
    for entry in std::fs::read_dir(manual).into_iter().flatten().flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        draft.add(&entry.file_name().to_string_lossy(), &text, Role::Protected, 0).unwrap();
    }
    let prints = draft.finish();
    let texts = good_mail();
    for mail in &texts {
        assert_eq!(prints.matches(mail), []);
    }
    println!("{} documents, {} messages: none", prints.documents().len(), texts.len());
}

#[test]
fn shares_are_told() {
    let document = prose(8, 1_000);
    let prints = set(&[("plan", document.join(" "))]);
    let whole = &prints.matches(&document.join("\n"))[0];
    assert!(whole.share_percent == 100.0 && whole.text_percent >= 98.0, "{whole:?}");
    let half = &prints.matches(&document[..500].join(" "))[0];
    assert!((45.0..=55.0).contains(&half.share_percent) && half.text_percent >= 97.0, "{half:?}");
    let mixed = format!("{} {}", document[..300].join(" "), text(9, 300));
    let mixed = &prints.matches(&mixed)[0];
    assert!((46.0..=54.0).contains(&mixed.text_percent), "{mixed:?}");
    assert!((26.0..=34.0).contains(&mixed.share_percent), "{mixed:?}");
    let ask = |share_percent, words| Ask { share_percent, words };
    assert!(mixed.meets(&ask(25.0, None)) && !mixed.meets(&ask(40.0, None)));
    assert!(mixed.meets(&ask(40.0, Some(250))) && !mixed.meets(&ask(101.0, Some(400))));
    assert_eq!(prints.above(&document.join(" "), &ask(101.0, None)), []);
    let mut seen = prints.look(&document[..500].join(" "));
    seen.join(prints.look(&document[500..].join(" ")));
    assert!(prints.matched(&seen)[0].share_percent >= 98.0);
}

#[test]
fn what_is_common_does_not_count() {
    let letterhead = text(10, 120);
    let form = text(11, 120);
    let documents = |count: u64| -> Vec<(String, String)> {
        (0..count)
            .map(|number| {
                (format!("d{number}"), format!("{letterhead} {}", text(20 + number, 500)))
            })
            .collect()
    };
    let draft_of = |count| {
        let mut draft = Draft::of(&Key::random().unwrap());
        for (name, text) in documents(count) {
            draft.add(&name, &text, Role::Protected, 0).unwrap();
        }
        draft
    };
    // Few documents that share a passage may be versions of one.
    assert_eq!(draft_of(4).finish().matches(&letterhead).len(), 4);
    let many = draft_of(20).finish();
    assert_eq!(many.matches(&letterhead), []);
    assert!(many.documents().iter().all(|one| one.ignored > 10 && one.own_prints() > 80));
    assert_eq!(names(&many.matches(&text(25, 500))), ["d5"]);
    assert!(many.matches(&text(25, 500))[0].share_percent >= 96.0);
    let mut draft = draft_of(1);
    draft.add("own", &format!("{form} {}", text(12, 500)), Role::Protected, 0).unwrap();
    draft.add("form.docx", &form, Role::Common, 0).unwrap();
    draft.add("line", "Yours sincerely", Role::Common, 0).unwrap();
    let prints = draft.finish();
    assert_eq!(prints.matches(&form), []);
    assert_eq!(names(&prints.matches(&text(12, 500))), ["own"]);
}

#[test]
fn sets_are_kept_without_text_and_changed() {
    let key = Key::random().unwrap();
    let prints = Prints::none(&key).add("plan", &text(30, 500), 7).unwrap();
    let prints = prints.add("budget", &text(31, 500), 8).unwrap();
    let octets = prints.octets();
    for word in prose(30, 500).iter().filter(|word| word.len() > 4) {
        assert!(memchr::memmem::find(&octets, word.as_bytes()).is_none(), "{word}");
    }
    let prints = Prints::parse(&octets, &key).unwrap();
    assert_eq!(names(&prints.matches(&text(30, 500))), ["plan"]);
    let about: Vec<_> =
        prints.documents().iter().map(|one| (one.name.as_str(), one.words, one.added_s)).collect();
    assert_eq!(about, [("budget", 500, 8), ("plan", 500, 7)]);
    // A new version takes the place of the old one.
    let prints = prints.add("plan", &text(32, 500), 9).unwrap();
    assert_eq!(prints.matches(&text(30, 500)), []);
    let mut draft = Draft::from(prints);
    assert!(draft.remove("budget") && !draft.remove("budget"));
    let prints = draft.finish();
    assert_eq!(prints.documents().len(), 1);
    assert_eq!(names(&prints.matches(&text(32, 500))), ["plan"]);
    for (name, text) in [("empty", String::new()), ("short", text(33, SURE_WORDS - 1))] {
        let error = Prints::none(&key).add(name, &text, 0).unwrap_err().to_string();
        assert!(error.contains("too few"), "{error}");
    }
    let repeated = Prints::none(&key).add("dull", &"all work and no play ".repeat(50), 0);
    assert!(matches!(repeated, Err(PrintsError::Short { .. }) | Ok(_)));
    assert_eq!(Prints::none(&key).matches(&text(30, 500)), []);
}

#[test]
fn damaged_files_are_refused() {
    let key = Key::random().unwrap();
    let octets = Prints::none(&key).add("plan", &text(40, 60), 0).unwrap().octets();
    for at in 0..octets.len() {
        let mut bad = octets.clone();
        bad[at] ^= 0x41;
        assert!(Prints::parse(&bad, &key).is_err(), "octet {at}");
        assert!(Prints::parse(&octets[..at], &key).is_err(), "cut at {at}");
    }
    let error = Prints::parse(&octets, &Key::random().unwrap()).unwrap_err().to_string();
    assert!(error.contains("its key is another one"), "{error}");
}

#[test]
fn a_shelf_holds_sets() {
    let dir = tempfile::tempdir().unwrap();
    let key = Shelf::<Prints>::make_key(dir.path(), "board").unwrap();
    let prints = Prints::none(&key).add("plan", &text(50, 200), 0).unwrap();
    let path = Shelf::<Prints>::put_file(dir.path(), "board", &prints.octets()).unwrap();
    assert_eq!(path, dir.path().join("content/documents/board.prints"));
    let shelf = Shelf::<Prints>::of(dir.path());
    assert!(shelf.open("board").unwrap().is_some());
    assert_eq!(shelf.item("board").unwrap().documents().len(), 1);
}

#[test]
fn hostile_texts_cost_bounded_work() {
    let document = text(60, 200);
    let documents: Vec<(String, String)> = (0..150)
        .map(|number| (format!("d{number}"), format!("{document} {}", text(number, 50))))
        .collect();
    let mut draft = Draft::of(&Key::random().unwrap());
    for (name, text) in &documents {
        draft.add(name, text, Role::Protected, 0).unwrap();
    }
    draft.finish().matches(&format!("{document} ").repeat(2_000));
    let prints = set(&[("plan", document.clone())]);
    let found = prints.matches(&format!("{document} ").repeat(500));
    // At each seam less than SURE_WORDS words may belong to no fingerprint, as the key has it.
    let least = 100.0 * (1.0 - SURE_WORDS as f32 / 200.0);
    assert!(found[0].share_percent == 100.0 && found[0].text_percent >= least, "{:?}", found[0]);
    for text in ["x ".repeat(500_000), "x".repeat(1_000_000), "\u{6211}".repeat(200_000)] {
        assert_eq!(prints.matches(&text), []);
    }
}

/// What looking costs: `cargo test --release -- --ignored --nocapture in_figures`.
#[test]
#[ignore = "a measurement, for a build with optimisation"]
fn a_thousand_documents_in_figures() {
    let began = Worked::now();
    let mut draft = Draft::of(&Key::random().unwrap());
    for number in 0..1_000_u64 {
        draft.add(&format!("d{number}"), &text(number, 10_000), Role::Protected, 0).unwrap();
    }
    let prints = draft.finish();
    println!("added: {:?}, {} octets", began.elapsed(), prints.octets().len());
    let texts = good_mail();
    let octets: usize = texts.iter().map(String::len).sum();
    let began = Worked::now();
    let found = texts.iter().filter(|text| !prints.matches(text).is_empty()).count();
    let rate = octets as f64 / began.elapsed().as_secs_f64() / 1e6;
    println!("{} messages, {found} recognised: {rate:.0} MB/s", texts.len());
}
