//! The shipped packs, held against their own examples; markings asked for by rules; and how
//! often packs fire on honest mail.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::*;
use crate::analysis::markings::Seeker;
use crate::analysis::rules::source::each_pack;
use crate::message::contents::{self, Contents};
use crate::message::{Anatomy, Limits, html_to_text};

/// All packs in one set, apart from the other shipped rules, which take their time to compile.
fn all_packs() -> RuleSet {
    let mut rules = Vec::new();
    let lookups = Lookups::shipped();
    let mut read = |text: &str, file: &str| {
        rules.extend(file::parse(text, file, &lookups)?);
        Ok(())
    };
    each_pack(&source::packs(), &mut read).unwrap();
    file::resolve(&mut rules).unwrap();
    RuleSet::compile(rules, None, lookups).unwrap()
}

#[test]
fn packs_pass_their_trials_and_only_tell() {
    assert_eq!(source::packs().len(), 6);
    let set = all_packs();
    let failed: Vec<Trial> =
        set.trials().into_iter().filter(|trial| !trial.problems.is_empty()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    for rule in set.rules() {
        assert!(rule.score == 0.0 && rule.class == Class::Notice, "{}", rule.id);
        assert!(rule.file.starts_with("rules/packs/"), "{}", rule.file);
    }
}

#[test]
fn a_pack_is_switched_on_by_its_name() {
    let mut files = Vec::new();
    let mut read = |_: &str, file: &str| {
        files.push(file.to_owned());
        Ok(())
    };
    let names = ["uk-health".to_owned(), "payment-cards".to_owned(), "uk-health".to_owned()];
    each_pack(&names, &mut read).unwrap();
    assert_eq!(files, ["rules/packs/uk-health.toml", "rules/packs/payment-cards.toml"]);
    for name in ["", "uk-wealth", "../weights/analysis", "/etc/passwd"] {
        let packs = [name.to_owned()];
        let error = RuleSet::load_packs(&packs, &[], &[], None, Lookups::shipped()).unwrap_err();
        assert!(error.to_string().contains("there are payment-cards, "), "{error}");
    }
}

#[test]
fn markings_are_asked_for_by_name() {
    let text = r#"
        [[marking]]
        id = "MARKED_SENSITIVE"
        markings = ["OFFICIAL-SENSITIVE", "RESTRICTED"]
        score = 0.0
        class = "policy"
        severity = "high"
        where = ["subject", "header", "body"]
        description = "Marked OFFICIAL-SENSITIVE or RESTRICTED."
        hit = ["OFFICIAL-SENSITIVE: minutes", "X-Protective-Marking: OFFICIAL-SENSITIVE"]
        near_miss = ["the official and sensitive minutes", "a restricted view"]
    "#;
    let set = set(text);
    for (zone, text, wanted) in [
        (Zone::Subject, "[RESTRICTED] prices", true),
        (Zone::Subject, "restricted prices", false),
        (Zone::Header, "X-Protective-Marking: OFFICIAL-SENSITIVE\n", true),
        (Zone::Header, "X-Mailer: OFFICIAL-SENSITIVE\n", false),
        (Zone::Body, "Dear Ann, OFFICIAL-SENSITIVE The minutes are attached", true),
        (Zone::Body, "Dear Ann, the OFFICIAL minutes are attached", false),
    ] {
        assert_eq!(!scanned(&set, &[(zone, text)]).is_empty(), wanted, "{text}");
    }
    let wrong = text.replace("RESTRICTED\"]", "RESTRICTD\"]");
    let error = RuleSet::parse(&wrong, "test.toml").unwrap_err().to_string();
    assert!(error.contains("no marking `RESTRICTD`"), "{error}");
}

/// What a message makes hit: rules of packs, and levels of markings.
fn looked(set: &RuleSet, octets: Vec<u8>) -> (Vec<String>, BTreeSet<crate::mail::MarkingLevel>) {
    let mut anatomy = Anatomy::of(&octets.into(), Limits::default());
    let mut scan = set.scan().unwrap();
    let mut seeker = Seeker::default();
    anatomy.read(&mut |zone, text| scan.text(zone, text));
    seeker.message(&anatomy);
    Contents::of(&anatomy, contents::Limits::default(), &mut |zone, text| match zone {
        Zone::Html => {
            seeker.page(text);
            scan.text(Zone::Attachment, &Zone::Attachment.normal_form(&html_to_text(text)));
        }
        _ => {
            seeker.file(text);
            scan.text(zone, &zone.normal_form(text));
        }
    });
    let hits = scan.finish(&Weights::default()).unwrap();
    let levels = seeker.finish().iter().map(|marking| marking.level).collect();
    (hits.content.into_iter().map(|hit| hit.rule).collect(), levels)
}

fn files_below(dir: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.filter_map(Result::ok) {
        match entry.path() {
            path if path.is_dir() => files_below(&path, files),
            path => files.push(path),
        }
    }
}

/// Prints a table for `appliance/manual/content.md`; the folders are those named in
/// `POSTERN_HAM`, with colons between.
#[test]
#[ignore = "takes minutes and needs folders of honest mail"]
fn how_often_packs_fire_on_honest_mail() {
    let Ok(dirs) = std::env::var("POSTERN_HAM") else {
        println!("skipped: POSTERN_HAM names no folders");
        return;
    };
    let set = all_packs();
    for dir in dirs.split(':') {
        let mut files = Vec::new();
        files_below(Path::new(dir), &mut files);
        files.sort();
        let mut fired: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for path in &files {
            let (rules, levels) = looked(&set, std::fs::read(path).unwrap());
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let marked = levels.into_iter().map(|level| format!("marking {level}"));
            for what in rules.into_iter().chain(marked) {
                fired.entry(what).or_default().push(name.clone());
            }
        }
        println!("{dir}: {} messages", files.len());
        for (what, names) in fired {
            let percent = names.len() as f64 * 100.0 / files.len().max(1) as f64;
            let some = names.iter().take(6).cloned().collect::<Vec<_>>().join(" ");
            println!("{what:36} {:5} {percent:6.2} % {some}", names.len());
        }
    }
}
