//! Single values: as TOML has them and as forms have them.
//!
//! Texts stand in forms as they are, an empty one as `""`; lists have one entry a line; tables
//! of names and values one pair a line, as TOML writes it.

use toml_edit::{Array, DocumentMut, InlineTable, Item, Key as TomlKey, Value};

use crate::config::keys::Kind;

/// A list is written in one line up to so many characters.
const LINE_CHARS: usize = 70;
/// An empty text, so that it differs from none.
const EMPTY: &str = "\"\"";

pub(super) fn shown(kind: Kind, item: &Item) -> String {
    match kind {
        Kind::Map => item.as_table_like().map_or_else(
            || plain(item),
            |table| {
                let pair = |(name, item): (&str, &Item)| {
                    let name = TomlKey::new(name);
                    let value = item.as_value().map(bare).unwrap_or_default();
                    format!("{} = {value}", name.display_repr())
                };
                table.iter().map(pair).collect::<Vec<_>>().join("\n")
            },
        ),
        Kind::Texts | Kind::Choices(_) | Kind::OneOrMore | Kind::Numbers => match item.as_array() {
            Some(array) => array.iter().map(text_of).collect::<Vec<_>>().join("\n"),
            None => plain(item),
        },
        _ => plain(item),
    }
}

fn plain(item: &Item) -> String {
    item.as_value().map(text_of).unwrap_or_default()
}

fn text_of(value: &Value) -> String {
    match value.as_str() {
        Some("") => EMPTY.to_owned(),
        Some(text) => text.to_owned(),
        None => bare(value),
    }
}

/// As TOML writes it, without what stands around it.
fn bare(value: &Value) -> String {
    let mut value = value.clone();
    value.decor_mut().clear();
    value.to_string()
}

/// What was typed; nothing when the key is to be left out.
pub(super) fn read(kind: Kind, typed: &str) -> Result<Option<Value>, String> {
    if typed.is_empty() {
        return Ok(None);
    }
    let lines = || typed.lines().map(str::trim).filter(|line| !line.is_empty());
    let text = |text: &str| match text {
        EMPTY => Value::from(""),
        text => Value::from(text),
    };
    let value = match kind {
        Kind::Text | Kind::Secret | Kind::Choice(_) => text(typed),
        Kind::Truth => match typed {
            "true" => Value::from(true),
            "false" => Value::from(false),
            _ => return Err(format!("{typed:?} is neither true nor false")),
        },
        Kind::Number => Value::from(whole(typed)?),
        Kind::Fraction => match typed.parse::<i64>() {
            Ok(number) => Value::from(number),
            Err(_) => match typed.parse::<f64>().ok().filter(|number| number.is_finite()) {
                Some(number) => Value::from(number),
                None => return Err(format!("{typed:?} is no number")),
            },
        },
        Kind::Numbers => {
            let numbers = lines().map(|line| whole(line).map(Value::from));
            list(numbers.collect::<Result<_, _>>()?)
        }
        Kind::OneOrMore if lines().count() == 1 => text(typed),
        Kind::Texts | Kind::Choices(_) | Kind::OneOrMore => list(lines().map(text).collect()),
        Kind::Map => Value::InlineTable(pairs(typed)?),
    };
    Ok(Some(value))
}

fn whole(text: &str) -> Result<i64, String> {
    // People write large numbers with gaps.
    let digits: String =
        text.chars().filter(|letter| !" _\u{202f}\u{a0}".contains(*letter)).collect();
    digits.parse().map_err(|_| format!("{text:?} is no whole number"))
}

fn list(values: Vec<Value>) -> Value {
    let mut array: Array = values.into_iter().collect();
    if array.len() > 1 && array.to_string().chars().count() > LINE_CHARS {
        for value in array.iter_mut() {
            value.decor_mut().set_prefix("\n    ");
        }
        array.set_trailing("\n");
        array.set_trailing_comma(true);
    }
    Value::Array(array)
}

fn pairs(typed: &str) -> Result<InlineTable, String> {
    let wrong = |line: &str| format!("{line:?} is not `name = value`");
    let mut table = InlineTable::new();
    for line in typed.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let read = line.parse::<DocumentMut>().map_err(|_| wrong(line))?;
        let mut found = read.as_table().iter();
        let (Some((name, item)), None) = (found.next(), found.next()) else {
            return Err(wrong(line));
        };
        let mut value = item.as_value().cloned().ok_or_else(|| wrong(line))?;
        value.decor_mut().clear();
        if table.insert(name, value).is_some() {
            return Err(format!("{name:?} stands twice"));
        }
    }
    Ok(table)
}
