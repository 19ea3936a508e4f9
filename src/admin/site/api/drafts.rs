//! Drafts of the rules and of the configuration, value by value, as the forms of the pages make
//! them: nothing is put in force here.
//!
//! In: changes of one rule, or of values of sections. Out: the whole text with these changes and
//! all else as it was, comments included, what is wrong with it, and how it differs from what is
//! in force. Publishing and applying take that text with its mark.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::configuration::{ConfigurationChecked, checked};
use super::rules::{PolicyChecked, policy_checked};
use super::{Kind, Parameter, about, operation};
use crate::admin::site::policy::form::told::{self, RuleForm};
use crate::admin::site::rulebook;
use crate::admin::site::settings::change::{self, Present};
use crate::admin::site::{Call, Refusal, Route};
use crate::config::edit::Document;
use crate::config::keys::{self, Key, SECTIONS, Section, Shape};

/// Changes of one draft.
const CHANGES: usize = 200;
/// As in the rules: letters of a name.
const RULE: Parameter = Parameter::new("rule", Kind::Text(200), "the name of a rule");

pub(in crate::admin::site) const ROUTES: &[Route] = &[
    operation!(
        GET "/api/policy/rules/{rule}", Right(SeePolicy), rule => RuleForm,
        about("rule", "One rule of the text in force, value by value", &[RULE])
    ),
    operation!(
        POST "/api/policy/draft", Right(SeePolicy), rule_draft(RuleDraft) => RuleDrafted,
        about("draftRule", "A text of rules with one rule changed, added or taken away", &[])
    ),
    operation!(
        GET "/api/configuration/sections", Right(SeeSettings), sections => SectionList,
        about("sections", "Every key of the configuration, what it means and what it is set to; no secrets", &[])
    ),
    operation!(
        POST "/api/configuration/draft", Right(SeeSettings), draft(ConfigurationChanges) => ConfigurationDrafted,
        about("draftConfiguration", "The configuration with some values changed", &[])
    ),
];

/// A change of one rule.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleDraft {
    /// TOML; what is in force unless given.
    text: Option<String>,
    /// The rule that is changed or taken away; empty for a new one.
    #[serde(default)]
    original: String,
    /// What it is to be; absent to take it away.
    rule: Option<RuleForm>,
}

/// A text of rules that is not in force.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RuleDrafted {
    /// TOML.
    text: String,
    /// The mark of the text in force, to be given as `base` when publishing.
    base: String,
    /// What is wrong with it, and how it differs from the text in force.
    checked: PolicyChecked,
}

async fn in_force(call: &Call) -> Result<rulebook::Text, Refusal> {
    let config = call.site.steering.config();
    call.blocking(move || rulebook::text_of(&config)).await
}

async fn rule(call: Call) -> Result<RuleForm, Refusal> {
    let text = in_force(&call).await?;
    let read = told::read(&text.text, call.part(0)).map_err(Refusal::Conflict)?;
    read.ok_or(Refusal::NotFound)
}

async fn rule_draft(call: Call, draft: RuleDraft) -> Result<RuleDrafted, Refusal> {
    let before = in_force(&call).await?;
    let text = draft.text.as_ref().unwrap_or(&before.text);
    let text = told::drafted(text, draft.original.trim(), draft.rule).map_err(Refusal::Bad)?;
    let checked = policy_checked(&call, text.clone()).await?;
    Ok(RuleDrafted { text, base: before.mark, checked })
}

/// The configuration, section by section.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SectionList {
    /// In the order of the pages.
    sections: Vec<SectionRow>,
    /// The mark of the text, to be given as `base` when another is applied.
    mark: String,
}

/// One section.
#[derive(Debug, Serialize, JsonSchema)]
struct SectionRow {
    /// As the file writes it, without brackets.
    path: &'static str,
    /// It may stand several times.
    is_list: bool,
    /// In a few words.
    title: &'static str,
    /// With which others it is shown.
    group: &'static str,
    /// What can be set.
    keys: Vec<KeyRow>,
    /// What is set: one for a section that stands once, else as many as there are.
    tables: Vec<TableRow>,
}

/// One key.
#[derive(Debug, Serialize, JsonSchema)]
struct KeyRow {
    /// As the file writes it.
    name: &'static str,
    /// `text`, `secret`, `number`, …
    kind: &'static str,
    /// What it may be, where that is known beforehand.
    choices: &'static [&'static str],
    /// What holds when it is left out; `—` where it must be given.
    default: String,
    /// What it takes.
    takes: String,
    /// What it does.
    meaning: String,
    /// A change waits for a restart.
    needs_restart: bool,
}

/// What is set in one table.
#[derive(Debug, Serialize, JsonSchema)]
struct TableRow {
    /// By key, as a form shows it: lists one a line. What is left out is not there.
    values: BTreeMap<&'static str, String>,
    /// Secrets that are set; they are not shown.
    secrets: Vec<&'static str>,
}

fn kind_of(key: &Key) -> (&'static str, &'static [&'static str]) {
    match key.kind {
        keys::Kind::Text => ("text", &[]),
        keys::Kind::Secret => ("secret", &[]),
        keys::Kind::Number => ("number", &[]),
        keys::Kind::Fraction => ("fraction", &[]),
        keys::Kind::Truth => ("truth", &["true", "false"]),
        keys::Kind::Choice(choices) => ("choice", choices),
        keys::Kind::Texts => ("texts", &[]),
        keys::Kind::Choices(choices) => ("choices", choices),
        keys::Kind::OneOrMore => ("one-or-more", &[]),
        keys::Kind::Numbers => ("numbers", &[]),
        keys::Kind::Map => ("map", &[]),
    }
}

fn key_row(section: &Section, key: &Key) -> KeyRow {
    let (kind, choices) = kind_of(key);
    let words = keys::words(section, key).cloned().unwrap_or_default();
    KeyRow {
        name: key.name,
        kind,
        choices,
        default: words.default,
        takes: words.unit,
        meaning: words.meaning,
        needs_restart: words.needs_restart,
    }
}

fn table_row(document: &Document, section: &Section, at: usize) -> TableRow {
    let given = section.keys.iter().filter(|key| document.has(section, at, key));
    let (secrets, plain): (Vec<&Key>, Vec<&Key>) =
        given.partition(|key| key.kind == keys::Kind::Secret);
    let value = |key: &Key| (key.name, document.shown(section, at, key));
    TableRow {
        values: plain.into_iter().map(value).collect(),
        secrets: secrets.into_iter().map(|key| key.name).collect(),
    }
}

async fn sections(call: Call) -> Result<SectionList, Refusal> {
    let present = Present::read(&call).await?;
    let document =
        Document::parse(&present.shown).map_err(|why| Refusal::Conflict(why.to_string()))?;
    let row = |section: &Section| SectionRow {
        path: section.path,
        is_list: section.shape == Shape::Tables,
        title: section.title,
        group: section.group,
        keys: section.keys.iter().map(|key| key_row(section, key)).collect(),
        tables: (0..document.count(section)).map(|at| table_row(&document, section, at)).collect(),
    };
    Ok(SectionList { sections: SECTIONS.iter().map(row).collect(), mark: present.mark() })
}

/// Changes of values, one section after the other.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigurationChanges {
    /// In the order in which they are made.
    #[schemars(length(min = 1, max = 200))]
    changes: Vec<SectionChange>,
}

/// A change of one table.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SectionChange {
    /// As the file writes it, without brackets.
    section: String,
    /// Which table, from 0; absent for the only one, or for a new one of a section that may
    /// stand several times.
    #[schemars(range(max = 100000))]
    at: Option<u32>,
    /// Values by key, as a form takes them: lists one a line, empty to leave a key out.
    #[serde(default)]
    set: BTreeMap<String, String>,
    /// The whole table is taken away.
    #[serde(default)]
    is_removed: bool,
}

/// A configuration that is not in force.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ConfigurationDrafted {
    /// TOML; known secrets are covered, and come back when it is applied.
    text: String,
    /// The mark of the present text, to be given as `base` when applying.
    base: String,
    /// What is wrong with it, and how it differs from the present one.
    checked: ConfigurationChecked,
}

async fn draft(call: Call, order: ConfigurationChanges) -> Result<ConfigurationDrafted, Refusal> {
    if order.changes.is_empty() || order.changes.len() > CHANGES {
        return Err(Refusal::Bad(format!("changes: 1 to {CHANGES}")));
    }
    let present = Present::read(&call).await?;
    let conflict = |why: crate::config::edit::EditError| Refusal::Conflict(why.to_string());
    let mut document = Document::parse(&present.text).map_err(conflict)?;
    for (number, one) in order.changes.into_iter().enumerate() {
        let named = |why: String| Refusal::Bad(format!("changes[{number}].{why}"));
        make(&mut document, one).map_err(named)?;
    }
    let text = document.text();
    if text.len() > change::TEXT_OCTETS {
        return Err(Refusal::Bad("changes: the configuration becomes too long".into()));
    }
    let checked = checked(&call, &present, &text).await?;
    let covered = present.secrets.covered(&text).map_err(conflict)?;
    Ok(ConfigurationDrafted { text: covered, base: present.mark(), checked })
}

/// Makes one change; what is wrong is said under the name of its field.
fn make(document: &mut Document, change: SectionChange) -> Result<(), String> {
    let section = keys::section(&change.section)
        .ok_or_else(|| format!("section: there is none called {:.100?}", change.section))?;
    let count = document.count(section);
    let at = change.at.and_then(|at| usize::try_from(at).ok());
    let at = match (section.shape, at) {
        (Shape::Table, None | Some(0)) => 0,
        (Shape::Tables, Some(at)) if at < count => at,
        (Shape::Tables, None) if !change.is_removed => {
            document.add(section).map_err(|why| format!("section: {why}"))?
        }
        _ => return Err(format!("at: there are {count} such tables, counted from 0")),
    };
    if change.is_removed {
        return document.remove(section, at).map_err(|why| format!("section: {why}"));
    }
    for (name, text) in &change.set {
        let key = section.key(name).ok_or_else(|| format!("set: there is no key {name:.100?}"))?;
        document.put(section, at, key, text).map_err(|why| format!("set.{name}: {why}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(given: serde_json::Value) -> SectionChange {
        serde_json::from_value(given).unwrap()
    }

    #[test]
    fn values_are_set_added_and_taken_away_and_all_else_stays() {
        let text = "# kept\n[limits]\nhops = 30\n[[domain]]\nname = \"a.test\"\n";
        let mut document = Document::parse(text).unwrap();
        let changes = [
            serde_json::json!({ "section": "limits", "set": { "hops": "40" } }),
            serde_json::json!({ "section": "domain", "set": {
                "name": "b.test", "next_hop": "smtp://10.0.0.1:25\nsmtp://10.0.0.2:25" } }),
            serde_json::json!({ "section": "domain", "at": 0, "is_removed": true }),
        ];
        for one in changes {
            make(&mut document, change(one)).unwrap();
        }
        let text = document.text();
        assert!(text.starts_with("# kept") && text.contains("hops = 40"), "{text}");
        assert!(text.contains("b.test") && !text.contains("a.test"), "{text}");
        assert_eq!(document.count(keys::section("domain").unwrap()), 1);
    }

    #[test]
    fn what_is_wrong_with_a_change_is_named() {
        let mut document = Document::parse("[limits]\nhops = 30\n").unwrap();
        for (given, field) in [
            (serde_json::json!({ "section": "limts" }), "section: "),
            (serde_json::json!({ "section": "limits", "set": { "hop": "1" } }), "set: "),
            (serde_json::json!({ "section": "limits", "set": { "hops": "x" } }), "set.hops: "),
            (serde_json::json!({ "section": "limits", "at": 1 }), "at: "),
            (serde_json::json!({ "section": "domain", "at": 0 }), "at: "),
            (serde_json::json!({ "section": "domain", "is_removed": true }), "at: "),
        ] {
            let why = make(&mut document, change(given)).unwrap_err();
            assert!(why.starts_with(field), "{why}");
        }
    }

    #[test]
    fn every_key_is_told_with_its_words() {
        for section in SECTIONS {
            for key in section.keys {
                let row = key_row(section, key);
                assert!(!row.meaning.is_empty(), "{} {}", section.path, key.name);
            }
        }
    }
}
