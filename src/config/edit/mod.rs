//! Changes to the text of a configuration that keep its comments, its order, and all that is
//! not changed as it was written.
//!
//! In: a text, a [`Section`], a [`Key`] of it, a value as a form writes it. Out: another text.
//! Nothing is checked here but the shape of single values: that the whole makes sense is for
//! [`Config::parse`](super::Config::parse) to say. A value that says the same as before is not
//! touched. Secrets are taken out of texts before they are shown ([`Secrets`]) and put back
//! into what comes back.

mod secrets;
mod value;

use toml_edit::{ArrayOfTables, DocumentMut, Entry, InlineTable, Item, Table, TableLike};

use super::keys::{Key, Kind, Section, Shape};

pub use secrets::{NEW_SECRET, Secrets};

/// Tables of one kind; more than anybody looks through.
const TABLES: usize = 10_000;

/// What cannot be done to a text. Whoever typed it is to blame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The text is not TOML.
    #[error("the text is not TOML: {0}")]
    NotToml(String),
    /// A value is none for its key.
    #[error("{0}")]
    BadValue(String),
    /// There is no such table, or something else stands in its place.
    #[error("there is no {0} in the configuration")]
    NoTable(String),
}

/// A text that is being changed.
#[derive(Debug, Clone)]
pub struct Document(DocumentMut);

impl Document {
    /// Reads a text.
    pub fn parse(text: &str) -> Result<Document, EditError> {
        let document = text.parse::<DocumentMut>();
        document.map(Document).map_err(|error| EditError::NotToml(error.message().to_owned()))
    }

    /// As it is now.
    pub fn text(&self) -> String {
        self.0.to_string()
    }

    /// How many tables of a section there are.
    pub fn count(&self, section: &Section) -> usize {
        match self.item(section) {
            None => 0,
            Some(item) if section.shape == Shape::Tables => {
                let written_out = item.as_array_of_tables().map(ArrayOfTables::len);
                written_out.or_else(|| item.as_array().map(|array| array.len())).unwrap_or(0)
            }
            Some(item) => usize::from(item.is_table_like()),
        }
    }

    /// A value as a form shows it; empty when it is left out. Secrets are never shown.
    pub fn shown(&self, section: &Section, at: usize, key: &Key) -> String {
        match self.value(section, at, key) {
            Some(item) if key.kind != Kind::Secret => value::shown(key.kind, item),
            _ => String::new(),
        }
    }

    /// Whether a key is given.
    pub fn has(&self, section: &Section, at: usize, key: &Key) -> bool {
        self.value(section, at, key).is_some()
    }

    /// Sets a value as a form wrote it; leaves it out when it is empty.
    pub fn put(
        &mut self,
        section: &Section,
        at: usize,
        key: &Key,
        typed: &str,
    ) -> Result<(), EditError> {
        let typed = typed.replace("\r\n", "\n");
        let typed = typed.trim();
        // A secret is never shown: that an empty one is typed takes it away.
        if key.kind != Kind::Secret && self.shown(section, at, key).trim() == typed {
            return Ok(());
        }
        let fresh = value::read(key.kind, typed)
            .map_err(|why| EditError::BadValue(format!("{}: {why}", key.own_name())))?;
        let Some(fresh) = fresh else {
            self.leave_out(section, at, key);
            return Ok(());
        };
        let missing = || EditError::NoTable(section.heading());
        let mut table = self.table_mut(section, at).ok_or_else(missing)?;
        let mut names = key.name.split('.').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_some() {
                let inner = || Item::Value(InlineTable::new().into());
                let item = or_insert(table.entry(name), inner);
                table = item.as_table_like_mut().ok_or_else(missing)?;
                continue;
            }
            match table.get_mut(name).and_then(Item::as_value_mut) {
                Some(old) => {
                    let decor = old.decor().clone();
                    *old = fresh;
                    *old.decor_mut() = decor;
                    return Ok(());
                }
                None => drop(table.insert(name, Item::Value(fresh))),
            }
            return Ok(());
        }
        Ok(())
    }

    /// Leaves a key out.
    pub fn leave_out(&mut self, section: &Section, at: usize, key: &Key) {
        if !self.has(section, at, key) {
            return;
        }
        let Some(mut table) = self.table_mut(section, at) else { return };
        let mut names = key.name.split('.').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                table.remove(name);
                return;
            }
            let Some(inner) = table.get_mut(name).and_then(Item::as_table_like_mut) else { return };
            table = inner;
        }
    }

    /// Adds an empty table to a section that stands more than once; its place.
    pub fn add(&mut self, section: &Section) -> Result<usize, EditError> {
        let missing = || EditError::NoTable(section.heading());
        let tables = self.tables_mut(section).ok_or_else(missing)?;
        if tables.len() >= TABLES {
            return Err(EditError::BadValue(format!("more than {TABLES} tables")));
        }
        tables.push(Table::new());
        Ok(tables.len() - 1)
    }

    /// Takes a table away, or a whole section with all below it.
    pub fn remove(&mut self, section: &Section, at: usize) -> Result<(), EditError> {
        let missing = || EditError::NoTable(section.heading());
        if section.shape == Shape::Table {
            let (above, name) = section.path.rsplit_once('.').unwrap_or(("", section.path));
            let table = walk(self.0.as_table_mut(), above, Making::Nothing).ok_or_else(missing)?;
            return table.remove(name).map(drop).ok_or_else(missing);
        }
        let tables = self.tables_mut(section).ok_or_else(missing)?;
        if at >= tables.len() {
            return Err(missing());
        }
        tables.remove(at);
        Ok(())
    }

    fn item(&self, section: &Section) -> Option<&Item> {
        let root = Some(self.0.as_item());
        section.path.split('.').fold(root, |item, name| item?.as_table_like()?.get(name))
    }

    fn value(&self, section: &Section, at: usize, key: &Key) -> Option<&Item> {
        let item = self.item(section)?;
        let table: &dyn TableLike = match section.shape {
            Shape::Table => item.as_table_like()?,
            Shape::Tables => match item.as_array_of_tables() {
                Some(tables) => tables.get(at)?,
                None => item.as_array()?.get(at)?.as_inline_table()?,
            },
        };
        let mut names = key.name.split('.');
        let first = table.get(names.next()?);
        names.fold(first, |item, name| item?.as_table_like()?.get(name))
    }

    fn table_mut(&mut self, section: &Section, at: usize) -> Option<&mut dyn TableLike> {
        match section.shape {
            Shape::Table => walk(self.0.as_table_mut(), section.path, Making::Tables),
            Shape::Tables => self.tables_mut(section)?.get_mut(at).map(|table| table as _),
        }
    }

    fn tables_mut(&mut self, section: &Section) -> Option<&mut ArrayOfTables> {
        let (above, name) = section.path.rsplit_once('.').unwrap_or(("", section.path));
        let table = walk(self.0.as_table_mut(), above, Making::Implied)?;
        let item = or_insert(table.entry(name), || Item::ArrayOfTables(ArrayOfTables::new()));
        if item.is_array() {
            // Written in one line: from now on one below the other.
            *item = match std::mem::take(item).into_array_of_tables() {
                Ok(tables) => Item::ArrayOfTables(tables),
                Err(other) => other,
            };
        }
        item.as_array_of_tables_mut()
    }
}

/// What is made on the way to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Making {
    Nothing,
    /// Tables with their headings.
    Tables,
    /// Tables that have no headings of their own.
    Implied,
}

fn walk<'t>(root: &'t mut Table, path: &str, making: Making) -> Option<&'t mut dyn TableLike> {
    let mut here: &mut dyn TableLike = root;
    let mut names = path.split('.').filter(|name| !name.is_empty()).peekable();
    while let Some(name) = names.next() {
        if making == Making::Nothing && !here.contains_key(name) {
            return None;
        }
        let is_implied = names.peek().is_some() || making == Making::Implied;
        let item = or_insert(here.entry(name), || {
            let mut table = Table::new();
            table.set_implicit(is_implied);
            Item::Table(table)
        });
        here = item.as_table_like_mut()?;
    }
    Some(here)
}

fn or_insert<'t>(entry: Entry<'t>, make: impl FnOnce() -> Item) -> &'t mut Item {
    entry.or_insert_with(make)
}

#[cfg(test)]
mod tests;
