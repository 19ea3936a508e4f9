//! The shipped packs of rules, `rules/packs/*.toml`, held against their own examples, and how
//! often they fire on honest mail.
//!
//! Patterns, validators and distances are carried out here in the plainest way, so that the
//! packs are tested apart from the engine that runs them on real mail.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hyperscan::{BlockDatabase, Builder, Matching, Pattern, PatternFlags, Patterns, SomHorizon};
use serde::Deserialize;

use super::{REACH_OCTETS, Validator, by_name};
use crate::mail::{Class, MarkingLevel};
use crate::message::contents::{self, Contents};
use crate::message::{Anatomy, Limits, Zone, html_to_text};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<RuleText>,
    #[serde(default)]
    lexicon: Vec<LexiconText>,
    #[serde(default)]
    proximity: Vec<ProximityText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    id: String,
    pattern: String,
    flags: Option<String>,
    validate: Option<String>,
    #[serde(rename = "where")]
    zones: Vec<String>,
    score: f32,
    severity: Option<String>,
    count: Option<usize>,
    class: Class,
    description: String,
    hit: Vec<String>,
    near_miss: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LexiconText {
    id: String,
    terms: Vec<TermText>,
    distinct: Option<usize>,
    max_score: f32,
    #[serde(rename = "where")]
    zones: Vec<String>,
    severity: Option<String>,
    class: Class,
    description: String,
    hit: Vec<String>,
    near_miss: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TermText {
    text: String,
    score: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProximityText {
    id: String,
    a: String,
    b: String,
    within: usize,
    validate_a: Option<String>,
    validate_b: Option<String>,
    #[serde(rename = "where")]
    zones: Vec<String>,
    score: f32,
    severity: Option<String>,
    class: Class,
    description: String,
    hit: Vec<String>,
    near_miss: Vec<String>,
}

/// A rule of a pack, whatever its form.
struct Rule {
    id: String,
    pack: String,
    zones: Vec<String>,
    /// So many distinct values or terms.
    needed: usize,
    /// For two sides, the characters between them at most.
    within: Option<usize>,
    hit: Vec<String>,
    near_miss: Vec<String>,
}

/// To what a pattern belongs.
#[derive(Clone)]
struct Owner {
    rule: usize,
    side: usize,
    term: usize,
    validator: Option<Validator>,
}

struct Packs {
    rules: Vec<Rule>,
    owners: Vec<Owner>,
    database: BlockDatabase,
}

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/packs")
}

fn validator(name: Option<&str>) -> Option<Validator> {
    name.map(|name| by_name(name).unwrap_or_else(|| panic!("no validator {name}")))
}

fn whole_word(term: &str) -> String {
    let escaped: String = term
        .chars()
        .flat_map(|letter| {
            let plain = letter == ' ' || letter.is_ascii_alphanumeric() || !letter.is_ascii();
            (!plain).then_some('\\').into_iter().chain([letter])
        })
        .collect();
    let edge = |letter: Option<char>| match letter.is_some_and(|own| own.is_ascii_alphanumeric()) {
        true => r"\b",
        false => "",
    };
    format!("{}{escaped}{}", edge(term.chars().next()), edge(term.chars().next_back()))
}

struct Loader {
    rules: Vec<Rule>,
    owners: Vec<Owner>,
    patterns: Vec<Pattern>,
}

impl Loader {
    fn pattern(&mut self, owner: Owner, text: &str, letters: &str) {
        let mut flags = PatternFlags::SOM_LEFTMOST;
        flags.set(PatternFlags::CASELESS, letters.contains('i'));
        flags.set(PatternFlags::MULTILINE, letters.contains('m'));
        let id = Some(self.patterns.len());
        let som = Some(SomHorizon::Large);
        let expression = text.to_owned();
        self.patterns.push(Pattern { expression, flags, id, ext: Default::default(), som });
        self.owners.push(owner);
    }

    fn file(&mut self, pack: &str, file: File) {
        let terms_of: BTreeMap<String, Vec<String>> = file
            .lexicon
            .iter()
            .map(|own| (own.id.clone(), own.terms.iter().map(|term| term.text.clone()).collect()))
            .collect();
        for own in file.rule {
            told(&own.id, own.score, own.class, own.severity.as_deref(), &own.description);
            let rule = self.rules.len();
            let owner =
                Owner { rule, side: 0, term: 0, validator: validator(own.validate.as_deref()) };
            self.pattern(owner, &own.pattern, own.flags.as_deref().unwrap_or("i"));
            self.push(
                pack,
                own.id,
                own.zones,
                own.count.unwrap_or(1),
                None,
                own.hit,
                own.near_miss,
            );
        }
        for own in file.lexicon {
            told(&own.id, own.max_score, own.class, own.severity.as_deref(), &own.description);
            assert!(own.terms.iter().all(|term| term.score == 0.0), "{}", own.id);
            let rule = self.rules.len();
            for (term, text) in own.terms.iter().enumerate() {
                let owner = Owner { rule, side: 0, term, validator: None };
                self.pattern(owner, &whole_word(&text.text), "i");
            }
            let needed = own.distinct.unwrap_or(1);
            self.push(pack, own.id, own.zones, needed, None, own.hit, own.near_miss);
        }
        for own in file.proximity {
            told(&own.id, own.score, own.class, own.severity.as_deref(), &own.description);
            let rule = self.rules.len();
            let sides = [(&own.a, &own.validate_a), (&own.b, &own.validate_b)];
            for (side, (text, named)) in sides.into_iter().enumerate() {
                let validator = validator(named.as_deref());
                match text.strip_prefix('@') {
                    Some(lexicon) => {
                        for (term, word) in terms_of[lexicon].iter().enumerate() {
                            let owner = Owner { rule, side, term, validator };
                            self.pattern(owner, &whole_word(word), "i");
                        }
                    }
                    None => self.pattern(Owner { rule, side, term: 0, validator }, text, "i"),
                }
            }
            self.push(pack, own.id, own.zones, 1, Some(own.within), own.hit, own.near_miss);
        }
    }

    #[allow(clippy::too_many_arguments)] // One call a form, each with all of a rule.
    fn push(
        &mut self,
        pack: &str,
        id: String,
        zones: Vec<String>,
        needed: usize,
        within: Option<usize>,
        hit: Vec<String>,
        near_miss: Vec<String>,
    ) {
        assert!(hit.len() >= 2 && near_miss.len() >= 2, "{id} needs examples");
        let pack = pack.to_owned();
        self.rules.push(Rule { id, pack, zones, needed, within, hit, near_miss });
    }
}

/// Packs only tell.
fn told(id: &str, score: f32, class: Class, severity: Option<&str>, description: &str) {
    assert!(score == 0.0 && class == Class::Policy && !description.is_empty(), "{id}");
    assert!(matches!(severity, Some("low" | "medium" | "high" | "critical")), "{id}");
}

impl Packs {
    fn load() -> Packs {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(dir()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let mut loader = Loader { rules: Vec::new(), owners: Vec::new(), patterns: Vec::new() };
        for path in files {
            let text = std::fs::read_to_string(&path).unwrap();
            let file: File =
                toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            loader.file(&path.file_stem().unwrap().to_string_lossy(), file);
        }
        let ids: BTreeSet<&str> = loader.rules.iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!(ids.len(), loader.rules.len(), "an id is used twice");
        for pattern in &loader.patterns {
            let built: Result<BlockDatabase, _> = pattern.clone().build();
            if let Err(error) = built {
                panic!("{}: {error:?}", pattern.expression);
            }
        }
        let database = Patterns(loader.patterns).build().unwrap();
        Packs { rules: loader.rules, owners: loader.owners, database }
    }

    /// The rules that the texts of a message make hit.
    fn hits(&self, texts: &[(Zone, String)]) -> BTreeSet<usize> {
        let scratch = self.database.alloc_scratch().unwrap();
        let mut values: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
        let mut near = BTreeSet::new();
        for (zone, text) in texts {
            let mut sides: BTreeMap<(usize, usize), Vec<(usize, usize)>> = BTreeMap::new();
            let mut ends: Vec<(usize, usize, usize)> = Vec::new();
            let note = |id: u32, start: u64, end: u64, _: u32| {
                ends.push((id as usize, start as usize, end as usize));
                Matching::Continue
            };
            self.database.scan(text, &scratch, note).unwrap();
            for (id, start, end) in ends {
                let owner = &self.owners[id];
                let rule = &self.rules[owner.rule];
                if !rule.zones.iter().any(|own| own == zone.name()) {
                    continue;
                }
                let end = text.floor_char_boundary(end);
                let (start, value) = match owner.validator {
                    Some(validator) => {
                        let from = text.ceil_char_boundary(end.saturating_sub(REACH_OCTETS));
                        let Some(valid) = validator(&text[from..end]) else { continue };
                        (from + valid.start, valid.normal)
                    }
                    None => (start, owner.term.to_string()),
                };
                match rule.within {
                    None => {
                        values.entry(owner.rule).or_default().insert(value);
                    }
                    Some(_) => {
                        sides.entry((owner.rule, owner.side)).or_default().push((start, end));
                    }
                }
            }
            for (number, rule) in self.rules.iter().enumerate() {
                let Some(within) = rule.within else { continue };
                let spans = |side: usize| sides.get(&(number, side)).into_iter().flatten();
                let is_near = spans(0).any(|(a, a_end)| {
                    spans(1).any(|(b, b_end)| {
                        let gap = if a_end <= b {
                            b - a_end
                        } else if b_end <= a {
                            a - b_end
                        } else {
                            usize::MAX
                        };
                        gap <= within
                    })
                });
                if is_near {
                    near.insert(number);
                }
            }
        }
        values
            .into_iter()
            .filter(|(rule, values)| values.len() >= self.rules[*rule].needed)
            .map(|(rule, _)| rule)
            .chain(near)
            .collect()
    }
}

#[test]
fn packs_hold_against_their_examples() {
    let packs = Packs::load();
    let mut wrong = Vec::new();
    for (number, rule) in packs.rules.iter().enumerate() {
        for zone in
            Zone::ALL.into_iter().filter(|zone| rule.zones.iter().any(|own| own == zone.name()))
        {
            for (examples, wanted) in [(&rule.hit, true), (&rule.near_miss, false)] {
                for example in examples {
                    let texts = [(zone, zone.normal_form(example))];
                    if packs.hits(&texts).contains(&number) != wanted {
                        let what = if wanted { "no hit" } else { "a hit" };
                        wrong.push(format!("{}: {what} in {}: {example}", rule.id, zone.name()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
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

fn texts_of(octets: Vec<u8>) -> (Vec<(Zone, String)>, Vec<MarkingLevel>) {
    let mut anatomy = Anatomy::of(&octets.into(), Limits::default());
    let mut texts = Vec::new();
    let mut seeker = crate::analysis::markings::Seeker::default();
    anatomy.read(&mut |zone, text| texts.push((zone, text.to_owned())));
    seeker.message(&anatomy);
    Contents::of(&anatomy, contents::Limits::default(), &mut |zone, text| {
        seeker.file(text);
        match zone {
            Zone::Html => {
                let shown = html_to_text(text);
                texts.push((Zone::Attachment, Zone::Attachment.normal_form(&shown)));
            }
            _ => texts.push((zone, zone.normal_form(text))),
        }
    });
    (texts, seeker.finish().into_iter().map(|marking| marking.level).collect())
}

/// Prints a table; the folders are those named in `POSTERN_HAM`, separated by colons.
#[test]
#[ignore = "takes minutes and needs folders of honest mail"]
fn how_often_packs_fire_on_honest_mail() {
    let Ok(dirs) = std::env::var("POSTERN_HAM") else {
        println!("skipped: POSTERN_HAM names no folders");
        return;
    };
    let packs = Packs::load();
    for dir in dirs.split(':') {
        let mut files = Vec::new();
        files_below(Path::new(dir), &mut files);
        files.sort();
        let mut fired: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        let mut marked: BTreeMap<MarkingLevel, Vec<String>> = BTreeMap::new();
        for path in &files {
            let (texts, levels) = texts_of(std::fs::read(path).unwrap());
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            for rule in packs.hits(&texts) {
                fired.entry(rule).or_default().push(name.clone());
            }
            for level in levels.into_iter().collect::<BTreeSet<_>>() {
                marked.entry(level).or_default().push(name.clone());
            }
        }
        println!("{dir}: {} messages", files.len());
        for (number, rule) in packs.rules.iter().enumerate() {
            let names = fired.get(&number).map(Vec::as_slice).unwrap_or_default();
            let percent = names.len() as f64 * 100.0 / files.len().max(1) as f64;
            let some = names.iter().take(6).cloned().collect::<Vec<_>>().join(" ");
            println!("{:24} {:34} {:5} {percent:6.2} % {some}", rule.pack, rule.id, names.len());
        }
        for (level, names) in marked {
            let some = names.iter().take(6).cloned().collect::<Vec<_>>().join(" ");
            println!("{:24} {:34} {:5} {some}", "marking", level, names.len());
        }
    }
}
