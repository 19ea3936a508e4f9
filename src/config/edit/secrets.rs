//! Secrets in a text of the configuration: taken out before anybody sees it, put back into what
//! comes back.
//!
//! In: the text in force. Out: [`Secrets`]. In a text that is shown a secret reads `(secret 1)`:
//! whoever leaves that there keeps it, whoever writes something else there gives another one.

use toml_edit::Item;

use super::{Document, EditError};
use crate::config::keys::{Key, Kind, SECTIONS, Section};

/// Stands for a secret that the text in force does not have.
pub const NEW_SECRET: &str = "(new secret)";

/// Those of one text.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secrets(Vec<String>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Secrets({})", self.0.len())
    }
}

impl Secrets {
    /// Those of a text. What is no TOML has none that could be told from other words.
    pub fn of(text: &str) -> Result<Secrets, EditError> {
        let (mut document, mut all) = (Document::parse(text)?, Vec::new());
        each(&mut document, |secret| {
            if !all.contains(secret) {
                all.push(secret.clone());
            }
            None
        });
        Ok(Secrets(all))
    }

    /// A text without them, and without any other secrets.
    pub fn hidden(&self, text: &str) -> Result<String, EditError> {
        let mut document = Document::parse(text)?;
        each(&mut document, |secret| {
            let known = self.0.iter().position(|known| known == secret);
            Some(known.map_or_else(|| NEW_SECRET.to_owned(), name))
        });
        Ok(document.text())
    }

    /// A text without them; those that it has beside stay, for the one who typed them.
    pub fn covered(&self, text: &str) -> Result<String, EditError> {
        let mut document = Document::parse(text)?;
        each(&mut document, |secret| self.0.iter().position(|known| known == secret).map(name));
        Ok(document.text())
    }

    /// A text with them again where their names stand. What is no TOML stays as it is: it is
    /// refused later, with a place.
    pub fn restored(&self, text: &str) -> String {
        let Ok(mut document) = Document::parse(text) else { return text.to_owned() };
        each(&mut document, |written| {
            let known = self.0.iter().enumerate().find(|(at, _)| name(*at) == *written);
            known.map(|(_, secret)| secret.clone())
        });
        document.text()
    }
}

fn name(at: usize) -> String {
    format!("(secret {})", at + 1)
}

/// Every secret of a document, to be replaced with what comes back.
fn each(document: &mut Document, mut change: impl FnMut(&String) -> Option<String>) {
    for (section, key) in of_all_sections() {
        for at in 0..document.count(section) {
            let Some(Item::Value(value)) = document.value(section, at, key) else { continue };
            let Some(secret) = value.as_str().map(str::to_owned) else { continue };
            if let Some(other) = change(&secret) {
                // The table is there: its secret was just read.
                let _ = document.put(section, at, key, &other);
            }
        }
    }
}

fn of_all_sections() -> impl Iterator<Item = (&'static Section, &'static Key)> {
    let of_one = |section: &'static Section| section.keys.iter().map(move |key| (section, key));
    SECTIONS.iter().flat_map(of_one).filter(|(_, key)| key.kind == Kind::Secret)
}
