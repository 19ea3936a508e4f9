//! The words of the manual, by section and key.
//!
//! In: `settings.md` and `directory.md`, compiled in. Out: default, unit and meaning of a key.
//! A table belongs to the section that the heading or the paragraph before it names first; its
//! first row says what its columns are. Words keep the manual's backticks; links lose theirs.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::{Key, Section};

const TEXTS: &[&str] = &[
    include_str!("../../../appliance/manual/settings.md"),
    include_str!("../../../appliance/manual/directory.md"),
];

/// What the manual says of a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Words {
    /// What holds when it is left out; `—` where it must be given.
    pub default: String,
    /// Of what it is, or which choices there are.
    pub unit: String,
    /// What it does.
    pub meaning: String,
    /// A change waits for a restart.
    pub needs_restart: bool,
}

static WORDS: LazyLock<HashMap<String, Words>> = LazyLock::new(|| {
    let mut words = HashMap::new();
    TEXTS.iter().for_each(|text| read(text, &mut words));
    words
});

/// The words for a key.
pub fn words(section: &Section, key: &Key) -> Option<&'static Words> {
    // What holds for all terms of policy stands with those of a domain.
    let home = match section.path {
        "policy.inbound" | "policy.outbound" | "policy.submission" => "policy.domain",
        path => path,
    };
    WORDS.get(&format!("{home}.{}", key.own_name()))
}

fn read(text: &str, words: &mut HashMap<String, Words>) {
    let (mut home, mut columns) = (String::new(), Vec::new());
    for line in text.lines() {
        if line.starts_with("## ") || line.starts_with("`[") {
            home = named(line).unwrap_or_default();
        }
        let Some(row) = line.strip_prefix('|') else {
            columns.clear();
            continue;
        };
        let cells: Vec<&str> = row.trim_end_matches('|').split('|').map(str::trim).collect();
        if columns.is_empty() {
            columns = cells.iter().map(|cell| (*cell).to_owned()).collect();
            continue;
        }
        add(&home, &columns, &cells, words);
    }
}

/// The first section that a line names in brackets.
fn named(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("`[")?;
    let name = rest.trim_start_matches('[').split(']').next()?;
    Some(name.to_owned())
}

fn add(home: &str, columns: &[String], cells: &[&str], words: &mut HashMap<String, Words>) {
    let Some(first) = cells.first().filter(|cell| cell.starts_with('`')) else { return };
    let names: Vec<&str> = first.split('`').skip(1).step_by(2).collect();
    for (at, name) in names.iter().enumerate() {
        let mut said = Words { needs_restart: first.contains('†'), ..Words::default() };
        for (column, cell) in columns.iter().zip(cells).skip(1) {
            let cell = unlinked(cell);
            match column.as_str() {
                "unit" => said.unit = cell,
                column if column.starts_with("default") => {
                    // Of several keys in one row each has its own.
                    let own = cell.split(", ").nth(at).filter(|_| names.len() > 1);
                    let own = own.map_or_else(|| cell.clone(), str::to_owned);
                    match column.strip_prefix("default ").filter(|_| !said.default.is_empty()) {
                        Some(of) => said.default += &format!("; {of}: {own}"),
                        None => said.default = own,
                    }
                }
                _ => said.meaning = cell,
            }
        }
        let path = match name.contains('.') {
            true => (*name).to_owned(),
            false => format!("{home}.{name}"),
        };
        words.entry(path).or_insert(said);
    }
}

/// `[words](place)` becomes `words`.
fn unlinked(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("](") {
        let (kept, words) = before.rsplit_once('[').unwrap_or((before, ""));
        out.push_str(kept);
        out.push_str(words);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_by_their_first_row() {
        let text = "## `[a]`: words\n\n| key | default | unit | meaning |\n|---|---|---|---|\n\
                    | `x` † | 1 | s | see [there](b.md) |\n| `p`, `q` | 2, 3 | | both |\n\n\
                    `[[a.b]]`: more\n\n| key | default | meaning |\n|---|---|---|\n| `y` | — | z |\n\
                    | `c.d` | 4 | elsewhere |\n";
        let mut words = HashMap::new();
        read(text, &mut words);
        assert_eq!(words["a.x"].meaning, "see there");
        assert!(words["a.x"].needs_restart && !words["a.p"].needs_restart);
        assert_eq!((words["a.p"].default.as_str(), words["a.q"].default.as_str()), ("2", "3"));
        assert_eq!(words["a.b.y"].default, "—");
        assert_eq!(words["c.d"].meaning, "elsewhere");
    }
}
