//! Every key of the configuration: where it stands, what kind of value it takes, what it means.
//!
//! In: nothing. Out: [`SECTIONS`], from which forms are made, and [`words`], which takes default,
//! unit and meaning out of the manual that is compiled in, so that manual and site say the same.
//! A test asks the configuration itself for the names of its keys: none is missing here, none
//! too many, and each has words.

mod manual;
mod table;

pub use manual::{Words, words};
pub use table::SECTIONS;

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One text: a name, an address, a path.
    Text,
    /// A text that is never shown again.
    Secret,
    /// A whole number.
    Number,
    /// Any number.
    Fraction,
    /// True or false.
    Truth,
    /// One of these.
    Choice(&'static [&'static str]),
    /// Several texts.
    Texts,
    /// Several of these.
    Choices(&'static [&'static str]),
    /// One text or several.
    OneOrMore,
    /// Several whole numbers.
    Numbers,
    /// Names with values.
    Map,
}

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// As the file writes it; with a dot where it stands in a table of its own.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
}

impl Key {
    /// Without the table that it stands in.
    pub fn own_name(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }
}

/// How often a section stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Once at most: `[name]`.
    Table,
    /// As often as wanted: `[[name]]`.
    Tables,
}

/// One section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// As the file writes it, without brackets.
    pub path: &'static str,
    /// How often.
    pub shape: Shape,
    /// In a few words.
    pub title: &'static str,
    /// With which others it is shown.
    pub group: &'static str,
    /// Its keys, without those of sections below it.
    pub keys: &'static [Key],
}

impl Section {
    /// The key of that name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// As the file writes it.
    pub fn heading(&self) -> String {
        match self.shape {
            Shape::Table => format!("[{}]", self.path),
            Shape::Tables => format!("[[{}]]", self.path),
        }
    }
}

/// The section of that path.
pub fn section(path: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.path == path)
}

#[cfg(test)]
mod tests;
