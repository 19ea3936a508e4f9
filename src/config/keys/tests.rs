//! The table against the configuration itself: an unknown name in a section makes it say which
//! names it knows.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::config::{Config, ConfigError};

const ODD: &str = "zz_no_such_key";
const BASE: &str = "[system]\nhostname = \"mx.example.org\"\ndata_dir = \"/tmp/x\"\n\
                    postmaster = \"p@example.org\"\n";

fn refusal(text: &str) -> String {
    match Config::parse(text, Path::new("t.toml"), Path::new("/")) {
        Err(ConfigError::Wrong { what, .. }) => what,
        other => panic!("{text}\n{other:?}"),
    }
}

/// The names in backticks behind the odd one.
fn names(said: &str) -> BTreeSet<String> {
    let known = said.split("; did you mean").next().unwrap();
    assert!(known.contains("unknown"), "{said}");
    known.split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

/// What the configuration knows directly below a section.
fn known(section: &Section) -> BTreeSet<String> {
    let odd = format!("{ODD} = 1\n");
    let texts = match section.path {
        "system" => vec![format!("[system]\n{odd}")],
        "antivirus.second" => ["icap\"\nurl = \"icap://h/s\"", "command\"\nprogram = \"/bin/x\""]
            .iter()
            .map(|kind| format!("{BASE}[antivirus.second]\nkind = \"{kind}\n{odd}"))
            .collect(),
        _ => vec![format!("{BASE}{}\n{odd}", section.heading())],
    };
    let mut all: BTreeSet<String> = texts.iter().flat_map(|text| names(&refusal(text))).collect();
    if section.path == "antivirus.second" {
        all.insert("kind".into());
    }
    all
}

/// Names of the table directly below a path: keys and sections.
fn ours(path: &str, keys: &[Key]) -> BTreeSet<String> {
    let first = |name: &str| name.split('.').next().unwrap().to_owned();
    let prefix = match path.is_empty() {
        true => String::new(),
        false => format!("{path}."),
    };
    let below = SECTIONS.iter().filter_map(|section| section.path.strip_prefix(&prefix));
    keys.iter().map(|key| key.name).chain(below).map(first).collect()
}

#[test]
fn every_key_of_the_configuration_is_here_and_no_other() {
    let root = names(&refusal(&format!("{ODD} = 1\n{BASE}")));
    assert_eq!(ours("", &[]), root);
    for section in SECTIONS {
        assert_eq!(ours(section.path, section.keys), known(section), "{}", section.path);
    }
    let terms = names(&refusal(&format!(
        "{BASE}[[policy.domain]]\nname = \"a.org\"\nterms = {{ {ODD} = 1 }}\n"
    )));
    let ours = super::section("policy.domain").unwrap().keys.iter();
    let ours = ours.filter(|key| key.name.starts_with("terms."));
    assert_eq!(ours.map(|key| key.own_name().to_owned()).collect::<BTreeSet<_>>(), terms);
}

#[test]
fn choices_are_those_that_the_configuration_knows() {
    for section in SECTIONS.iter().filter(|section| section.path != "antivirus.second") {
        for key in section.keys {
            let (text, choices) = match key.kind {
                Kind::Choice(choices) => (format!("{} = \"{ODD}\"\n", key.name), choices),
                Kind::Choices(choices) => (format!("{} = [\"{ODD}\"]\n", key.name), choices),
                _ => continue,
            };
            let said = refusal(&format!("{BASE}{}\n{text}", section.heading()));
            let choices: BTreeSet<String> = choices.iter().map(ToString::to_string).collect();
            assert_eq!(choices, names(&said), "{}.{}", section.path, key.name);
        }
    }
}

#[test]
fn the_manual_has_words_for_every_key() {
    let mut missing = Vec::new();
    for section in SECTIONS {
        for key in section.keys {
            if words(section, key).is_none_or(|words| words.meaning.is_empty()) {
                missing.push(format!("{}.{}", section.path, key.name));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
