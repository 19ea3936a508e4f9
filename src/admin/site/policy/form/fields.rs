//! What stands in the form of a rule, and how that becomes TOML.
//!
//! A value is typed plainly: one text a line, several lines are a list. What begins with `{`,
//! `[` or `"` is TOML as it is. Fields that say what the text says already touch nothing there,
//! so that comments and layout stay.

use std::collections::BTreeMap;

use toml_edit::{
    Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value, value,
};

use crate::policy::rules::{FinalKind, Order};
use crate::web::Pairs;

/// Conditions whose value is a small table with these keys, typed each by itself.
pub(super) const PARTED: &[(&str, &[&str])] = &[
    ("score", &["at_least", "below"]),
    ("size", &["at_least", "below"]),
    ("authentication", &["spf", "dkim", "dmarc", "arc"]),
];

/// What stands in the form.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Fields {
    /// The rule's name in the text; empty for a new one.
    pub(super) original: String,
    pub(super) name: String,
    pub(super) scope: String,
    pub(super) description: String,
    pub(super) is_enabled: bool,
    /// By key; parted ones as `score.at_least`. Empty ones are not there.
    pub(super) when: BTreeMap<String, String>,
    /// Word and argument of the final order; empty for none.
    pub(super) last: (String, String),
    /// Arguments by word; only those that are ordered.
    pub(super) orders: BTreeMap<String, String>,
}

/// Every field of conditions: key, and the part of it.
pub(super) fn condition_fields() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    crate::policy::rules::CONDITIONS.iter().flat_map(|key| {
        let parts = PARTED.iter().find(|(parted, _)| parted == key).map(|(_, parts)| *parts);
        let whole = parts.is_none().then_some((*key, None));
        parts.unwrap_or_default().iter().map(|part| (*key, Some(*part))).chain(whole)
    })
}

fn name_of(key: &str, part: Option<&str>) -> String {
    match part {
        Some(part) => format!("{key}.{part}"),
        None => key.to_owned(),
    }
}

/// A value as it is typed.
fn typed(value: &Value) -> String {
    let plain = |text: &str| {
        let is_plain = !text.is_empty()
            && text.trim() == text
            && !text.contains('\n')
            && !text.starts_with(['{', '[', '"'])
            && text.parse::<f64>().is_err()
            && !matches!(text, "true" | "false");
        is_plain.then(|| text.to_owned())
    };
    let of_list = |list: &Array| {
        let lines: Option<Vec<String>> =
            list.iter().map(|one| one.as_str().and_then(plain)).collect();
        lines.filter(|lines| lines.len() > 1).map(|lines| lines.join("\n"))
    };
    let simple = match value {
        Value::String(text) => plain(text.value()),
        Value::Array(list) => of_list(list),
        _ => None,
    };
    simple.unwrap_or_else(|| value.to_string().trim().to_owned())
}

/// TOML of what was typed; in words why it is none.
fn read(text: &str, what: &str) -> Result<Value, String> {
    let text = text.trim();
    let is_toml = text.starts_with(['{', '[', '"'])
        || text.parse::<f64>().is_ok()
        || matches!(text, "true" | "false");
    // What begins like a list or a table and is none may be a plain text: `[list]`.
    let is_plain = text.starts_with(['{', '[']) && !text.contains(['"', '\'', '=', ',', '\n']);
    if is_toml && !(is_plain && text.parse::<Value>().is_err()) {
        return text.parse::<Value>().map_err(|error| {
            let why = error.to_string();
            format!("{what}: {}", why.lines().last().unwrap_or_default())
        });
    }
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Ok(match lines.as_slice() {
        [one] => Value::from(*one),
        lines => Value::from_iter(lines.iter().copied()),
    })
}

fn rules(document: &DocumentMut) -> Result<Option<&ArrayOfTables>, String> {
    match document.get("rule") {
        None => Ok(None),
        Some(Item::ArrayOfTables(rules)) => Ok(Some(rules)),
        Some(_) => Err("the rules are not written as [[rule]]: edit them as text".into()),
    }
}

fn document(text: &str) -> Result<DocumentMut, String> {
    text.parse().map_err(|error: toml_edit::TomlError| error.message().to_owned())
}

/// Whether a table is the rule of this name, not a switch for it.
fn is_rule(table: &Table, name: &str) -> bool {
    let own = table.get("name").and_then(Item::as_str).unwrap_or_default();
    own.trim() == name && table.contains_key("orders")
}

impl Fields {
    /// Of a rule that is yet to be written.
    pub(super) fn fresh() -> Fields {
        Fields { is_enabled: true, scope: "site".into(), ..Fields::default() }
    }

    /// Of the rule of this name in a text.
    pub(super) fn read(text: &str, name: &str) -> Result<Option<Fields>, String> {
        let document = document(text)?;
        let found = rules(&document)?.and_then(|all| all.iter().find(|one| is_rule(one, name)));
        Ok(found.map(Fields::of_table))
    }

    fn of_table(table: &Table) -> Fields {
        let text = |key: &str| table.get(key).and_then(Item::as_str).unwrap_or_default();
        let mut fields = Fields {
            original: text("name").trim().to_owned(),
            name: text("name").to_owned(),
            scope: table.get("scope").and_then(Item::as_str).unwrap_or("site").to_owned(),
            description: text("description").trim().to_owned(),
            is_enabled: table.get("enabled").and_then(Item::as_bool).unwrap_or(true),
            ..Fields::default()
        };
        if let Some(when) = table.get("when").and_then(Item::as_table_like) {
            for (key, part) in condition_fields() {
                let Some(item) = when.get(key) else { continue };
                let item = match part {
                    Some(part) => match item.as_table_like().and_then(|parts| parts.get(part)) {
                        Some(item) => item,
                        None => continue,
                    },
                    None => item,
                };
                if let Ok(value) = item.clone().into_value() {
                    fields.when.insert(name_of(key, part), typed(&value));
                }
            }
        }
        let orders = table.get("orders").and_then(Item::as_value);
        let list = match orders {
            Some(Value::Array(list)) => list.iter().collect(),
            Some(one) => vec![one],
            None => Vec::new(),
        };
        for order in list {
            let (word, argument) = match order {
                Value::String(word) => (word.value().clone(), String::new()),
                Value::InlineTable(table) => match table.iter().next() {
                    Some((word, argument)) => (word.to_owned(), typed(argument)),
                    None => continue,
                },
                _ => continue,
            };
            match FinalKind::WORDS.iter().any(|(known, _)| *known == word) {
                true => fields.last = (word, argument),
                false => drop(fields.orders.insert(word, argument)),
            }
        }
        fields
    }

    /// As somebody has filled it in.
    pub(super) fn of_form(form: &Pairs) -> Fields {
        let text = |name: &str| {
            form.first(name).unwrap_or_default().replace("\r\n", "\n").trim().to_owned()
        };
        let mut fields = Fields {
            original: text("original"),
            name: text("name"),
            scope: text("scope"),
            description: text("description"),
            is_enabled: form.ticked("enabled"),
            last: (text("last"), text("last_argument")),
            ..Fields::default()
        };
        for (key, part) in condition_fields() {
            let name = name_of(key, part);
            let typed = text(&format!("when.{name}"));
            if !typed.is_empty() {
                fields.when.insert(name, typed);
            }
        }
        for word in Order::WORDS {
            if form.ticked(&format!("order.{word}")) {
                fields.orders.insert(word.into(), text(&format!("argument.{word}")));
            }
        }
        fields
    }

    /// The text with this rule in it, in place of the one that it was.
    pub(super) fn written(&self, text: &str) -> Result<String, String> {
        if self.name.is_empty() {
            return Err("a rule needs a name".into());
        }
        let mut document = document(text)?;
        rules(&document)?;
        let all = document.entry("rule").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
        let Some(all) = all.as_array_of_tables_mut() else {
            return Err("the rules are not written as [[rule]]: edit them as text".into());
        };
        if self.original.is_empty() {
            let mut table = Table::new();
            self.write(&mut table, &Fields { is_enabled: true, ..Fields::default() })?;
            all.push(table);
            return Ok(document.to_string());
        }
        let found = all.iter_mut().find(|table| is_rule(table, &self.original));
        let table =
            found.ok_or_else(|| format!("there is no rule {:?} any more", self.original))?;
        let before = Fields::of_table(table);
        self.write(table, &before)?;
        Ok(document.to_string())
    }

    /// Writes what differs from how it was.
    fn write(&self, table: &mut Table, before: &Fields) -> Result<(), String> {
        if self.name != before.name {
            put(table, "name", Value::from(self.name.as_str()));
        }
        let scope = if self.scope.is_empty() { "site" } else { self.scope.as_str() };
        if scope != before.scope {
            match scope == "site" {
                true => drop(table.remove("scope")),
                false => put(table, "scope", Value::from(scope)),
            }
        }
        if self.when != before.when {
            self.write_conditions(table, before)?;
        }
        if self.last != before.last || self.orders != before.orders {
            put(table, "orders", Value::Array(self.orders_value()?));
        }
        if self.description != before.description {
            match self.description.is_empty() {
                true => drop(table.remove("description")),
                false => put(table, "description", Value::from(self.description.as_str())),
            }
        }
        if self.is_enabled != before.is_enabled {
            put(table, "enabled", Value::from(self.is_enabled));
        }
        Ok(())
    }

    fn write_conditions(&self, table: &mut Table, before: &Fields) -> Result<(), String> {
        if !table.contains_key("when") {
            table.insert("when", value(InlineTable::new()));
        }
        let wrong = || "`when` is not a table".to_owned();
        let when = table.get_mut("when").and_then(Item::as_table_like_mut).ok_or_else(wrong)?;
        for (key, part) in condition_fields() {
            let name = name_of(key, part);
            let (now, then) = (self.when.get(&name), before.when.get(&name));
            if now == then {
                continue;
            }
            let made = now.map(|text| read(text, &name)).transpose()?;
            match part {
                None => set(when, key, made),
                Some(part) => {
                    if !when.contains_key(key) {
                        when.insert(key, value(InlineTable::new()));
                    }
                    let parts = when.get_mut(key).and_then(Item::as_table_like_mut);
                    set(parts.ok_or_else(|| format!("{key} is not a table"))?, part, made);
                    if parts_are_gone(when, key) {
                        when.remove(key);
                    }
                }
            }
        }
        if when.is_empty() {
            table.remove("when");
        }
        Ok(())
    }

    fn orders_value(&self) -> Result<Array, String> {
        let mut list = Array::new();
        let last = Some(&self.last).filter(|(word, _)| !word.is_empty());
        let others = self.orders.iter();
        for (word, argument) in
            last.map(|(word, argument)| (word, argument)).into_iter().chain(others)
        {
            list.push(match argument.is_empty() {
                true => Value::from(word.as_str()),
                false => {
                    let mut table = InlineTable::new();
                    table.insert(word.as_str(), read(argument, word)?);
                    Value::InlineTable(table)
                }
            });
        }
        Ok(list)
    }
}

fn parts_are_gone(when: &dyn TableLike, key: &str) -> bool {
    when.get(key).and_then(Item::as_table_like).is_some_and(TableLike::is_empty)
}

/// Puts a value where one was, with the comments around it, or a new one.
fn put(table: &mut Table, key: &str, mut new: Value) {
    if let Some(old) = table.get(key).and_then(Item::as_value) {
        *new.decor_mut() = old.decor().clone();
    }
    table.insert(key, Item::Value(new));
}

fn set(table: &mut dyn TableLike, key: &str, new: Option<Value>) {
    let Some(mut new) = new else {
        table.remove(key);
        return;
    };
    if let Some(old) = table.get(key).and_then(Item::as_value) {
        *new.decor_mut() = old.decor().clone();
    }
    table.insert(key, Item::Value(new));
}

/// Whether a text has a rule of this name.
pub(super) fn has(text: &str, name: &str) -> Result<bool, String> {
    let document = document(text)?;
    Ok(rules(&document)?.is_some_and(|all| all.iter().any(|one| is_rule(one, name))))
}

/// The text without the rule of this name, nor the switches for it.
pub(super) fn without(text: &str, name: &str) -> Result<String, String> {
    let mut document = document(text)?;
    rules(&document)?;
    if let Some(all) = document.get_mut("rule").and_then(Item::as_array_of_tables_mut) {
        all.retain(|table| table.get("name").and_then(Item::as_str).map(str::trim) != Some(name));
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# the house's rules\n\n\
        [[rule]] # first\n\
        name = \"restricted stays inside\"   # by IG\n\
        when = { direction = \"outbound\", marking = [\"RESTRICTED\", \"SECRET\"], score = { at_least = 5 } }\n\
        orders = [\"archive\", { reject = \"no\" }] # hard\n\n\
        # about lists\n\
        [[rule]]\n\
        name = \"lists\"\n\
        when = { any = [{ subject = \"a\" }, { not = { tls = \"any\" } }] }\n\
        orders = { tag_subject = \"[list]\" }\n";

    #[test]
    fn fields_read_what_is_written_and_change_nothing_by_themselves() {
        for name in ["restricted stays inside", "lists"] {
            let fields = Fields::read(TEXT, name).unwrap().unwrap();
            assert_eq!(fields.written(TEXT).unwrap(), TEXT, "{name}");
        }
        let fields = Fields::read(TEXT, "restricted stays inside").unwrap().unwrap();
        assert_eq!(fields.when["marking"], "RESTRICTED\nSECRET");
        assert_eq!(fields.when["score.at_least"], "5");
        assert_eq!(fields.last, ("reject".into(), "no".into()));
        assert_eq!(fields.orders["archive"], "");
        assert!(Fields::read(TEXT, "nobody").unwrap().is_none());
    }

    #[test]
    fn a_change_leaves_comments_and_other_rules_alone() {
        let mut fields = Fields::read(TEXT, "restricted stays inside").unwrap().unwrap();
        fields.last.1 = "not \"this\" way".into();
        fields.when.remove("score.at_least");
        fields.when.insert("size.at_least".into(), "10 MB".into());
        fields.when.insert("subject".into(), "a\nb".into());
        fields.is_enabled = false;
        let text = fields.written(TEXT).unwrap();
        for kept in ["# the house's rules", "# first", "# by IG", "# hard", "# about lists"] {
            assert!(text.contains(kept), "{kept} in {text}");
        }
        let again = Fields::read(&text, "restricted stays inside").unwrap().unwrap();
        assert_eq!(again, fields);
        assert!(!text.contains("score"), "{text}");
        let lists = Fields::read(&text, "lists").unwrap().unwrap();
        assert_eq!(lists, Fields::read(TEXT, "lists").unwrap().unwrap());
        crate::policy::rules::RuleBook::parse(&text, "t", &Default::default()).unwrap();
    }

    #[test]
    fn a_new_rule_is_added_and_an_old_one_goes() {
        let mut fields = Fields::fresh();
        assert!(fields.written("").is_err(), "it has no name");
        fields.name = "new".into();
        fields.scope = "@example.org".into();
        fields.last = ("quarantine".into(), "held".into());
        fields.orders.insert("copy".into(), "a@example.org\nb@example.org".into());
        let text = fields.written(TEXT).unwrap();
        let book = crate::policy::rules::RuleBook::parse(&text, "t", &Default::default()).unwrap();
        assert_eq!(book.len(), 3);
        let less = without(&text, "lists").unwrap();
        let book = crate::policy::rules::RuleBook::parse(&less, "t", &Default::default()).unwrap();
        assert_eq!(book.len(), 2);
        fields.when.insert("header".into(), "{ name = ".into());
        assert!(fields.written(TEXT).unwrap_err().starts_with("header"));
    }
}
