//! Rule files: TOML text → rules, with line and column in every error.
//!
//! ```toml
//! [[rule]]
//! name = "restricted stays inside"
//! when = { direction = "outbound", marking = "RESTRICTED" }
//! orders = ["archive", { reject = "restricted mail does not leave" }]
//!
//! [[rule]]                              # the people of one domain do without it
//! name = "restricted stays inside"
//! scope = "@example.org"
//! enabled = false
//! ```
//!
//! In: a text and the names of groups. Out: [`Rule`]s and [`Switch`]es, each checked by itself;
//! how they go together is for [`book`](super::book). Text, rules, lists and depth are limited.

use std::collections::BTreeSet;

use super::atom::{Atoms, Node};
use super::error::PolicyError;
use super::order::{FinalOrder, Order};
use super::scope::Scope;
use super::text::{Read, Source, Table, Value};
use super::{then, when};
use crate::config::{Group, Place};

/// Octets of a text.
pub const TEXT_OCTETS: usize = 32 << 20;
/// Rules of a text.
pub const RULES: usize = 50_000;
/// Questions of all rules, equal ones counted once.
pub const ATOMS: usize = 500_000;
const NAME_OCTETS: usize = 200;
/// Rules that cannot be read and are told of.
const ERRORS: usize = 50;
/// Rules that one rule stands in the place of.
const OVERRIDES: usize = 100;

/// The names of groups that rules may speak of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups {
    names: BTreeSet<String>,
}

impl Groups {
    /// These.
    pub fn new<T: Into<String>>(names: impl IntoIterator<Item = T>) -> Groups {
        Groups { names: names.into_iter().map(Into::into).collect() }
    }

    /// Those of a configuration.
    pub fn configured(groups: &[Group]) -> Groups {
        Groups::new(groups.iter().map(|group| group.name.as_str()))
    }

    /// Whether there is a group of this name.
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// All of them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }
}

/// A rule as its file gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its only name.
    pub name: String,
    /// For whose mail it is.
    pub scope: Scope,
    /// When it applies, within its scope.
    pub condition: Node,
    /// What becomes of the copy, if it says so.
    pub final_order: Option<FinalOrder>,
    /// What is done beside.
    pub orders: Vec<Order>,
    /// Whether it is in force unless somebody switches it.
    pub is_enabled: bool,
    /// The rules in whose place it stands.
    pub overrides: Vec<String>,
    /// Its place among the rules in the order in which they are asked.
    pub number: usize,
    /// Why there is such a rule.
    pub description: String,
    /// Where it stands.
    pub place: Place,
    /// Where its condition stands.
    pub place_of_condition: Place,
    /// Where `overrides` stands.
    pub(super) place_of_overrides: Place,
}

/// A narrower scope's word on a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// Of the rule.
    pub name: String,
    /// For whom.
    pub scope: Scope,
    /// On or off.
    pub is_enabled: bool,
    /// Where it stands.
    pub place: Place,
}

/// What a text holds.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) rules: Vec<Rule>,
    pub(super) switches: Vec<Switch>,
    pub(super) atoms: Atoms,
    /// Of rules that cannot be read; the others are.
    pub(super) errors: Vec<PolicyError>,
}

const KEYS: [&str; 7] = ["name", "scope", "when", "orders", "enabled", "overrides", "description"];

/// Reads a text.
pub(super) fn parse(text: &str, file: &str, groups: &Groups) -> Read<Parsed> {
    let source = Source::new(text, file);
    if text.len() > TEXT_OCTETS {
        return Err(source.too_much(format!("rules of more than {TEXT_OCTETS} octets")));
    }
    let document = source.parse()?;
    source.known_keys(document.get_ref(), "a text of rules", &["rule"])?;
    let mut parsed = Parsed::default();
    let Some(rules) = document.get_ref().get("rule") else { return Ok(parsed) };
    let Some(list) = rules.get_ref().as_array() else {
        return Err(source.wrong(rules.span().start, "rules are written as `[[rule]]`"));
    };
    if list.len() > RULES {
        return Err(source.too_much(format!("more than {RULES} rules")));
    }
    for value in list.iter() {
        if let Err(error) = read_rule(&source, value, groups, &mut parsed) {
            parsed.errors.push(error);
            if parsed.errors.len() >= ERRORS {
                break;
            }
        }
        if parsed.atoms.len() > ATOMS {
            return Err(source.too_much(format!("more than {ATOMS} different conditions")));
        }
    }
    Ok(parsed)
}

fn read_rule<'t>(
    source: &Source<'t>,
    value: &Value<'t>,
    groups: &Groups,
    parsed: &mut Parsed,
) -> Read<()> {
    let table = source.table(value, "a rule", &KEYS)?;
    let Some(name_value) = table.value("name") else {
        return Err(source.wrong(table.at, "a rule needs a `name`"));
    };
    let name = source.line(name_value, "`name`")?.trim().to_owned();
    if name.len() > NAME_OCTETS {
        return Err(source.wrong(name_value.span().start, "the name of the rule is too long"));
    }
    let scope = read_scope(source, table, groups)?;
    let enabled = table.value("enabled").map(|value| source.boolean(value, "`enabled`"));
    let enabled = enabled.transpose()?;
    let place = source.place(name_value.span().start);
    let Some(orders) = table.value("orders") else {
        let others = ["when", "overrides"].iter().find(|key| table.value(key).is_some());
        let (Some(is_enabled), None) = (enabled, others) else {
            return Err(source.wrong(table.at, format!("the rule {name:?} has no `orders`")));
        };
        parsed.switches.push(Switch { name, scope, is_enabled, place });
        return Ok(());
    };
    let condition = match table.value("when") {
        Some(value) => when::Conditions { source, groups, atoms: &mut parsed.atoms }.read(value)?,
        None => Node::always(),
    };
    let (final_order, orders) = then::orders(source, orders, &name)?;
    let at_of = |key: &str| table.value(key).map_or(place, |one| source.place(one.span().start));
    let description = table.value("description").map(|value| source.text(value, "`description`"));
    parsed.rules.push(Rule {
        overrides: overrides(source, table)?,
        description: description.transpose()?.unwrap_or_default().to_owned(),
        is_enabled: enabled.unwrap_or(true),
        number: parsed.rules.len(),
        place_of_condition: at_of("when"),
        place_of_overrides: at_of("overrides"),
        name,
        scope,
        condition,
        final_order,
        orders,
        place,
    });
    Ok(())
}

fn read_scope<'t>(source: &Source<'t>, table: Table<'_, 't>, groups: &Groups) -> Read<Scope> {
    let Some(value) = table.value("scope") else { return Ok(Scope::Site) };
    let at = value.span().start;
    let scope =
        Scope::parse(source.line(value, "`scope`")?).map_err(|why| source.wrong(at, why))?;
    match &scope {
        Scope::Group(name) if !groups.has(name) => {
            let known: Vec<&str> = groups.names().collect();
            Err(source.unknown(at, "group", name, &known))
        }
        _ => Ok(scope),
    }
}

fn overrides<'t>(source: &Source<'t>, table: Table<'_, 't>) -> Read<Vec<String>> {
    let Some(value) = table.value("overrides") else { return Ok(Vec::new()) };
    let list = source.list(value, "`overrides`")?;
    if list.len() > OVERRIDES {
        let what = format!("`overrides` names more than {OVERRIDES} rules");
        return Err(source.wrong(value.span().start, what));
    }
    let name = |value: &Value<'t>| source.line(value, "`overrides`").map(|it| it.trim().to_owned());
    list.into_iter().map(name).collect()
}
