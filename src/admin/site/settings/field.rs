//! One key of the configuration as a field of a form: its words, its present value, what was
//! wrong with what was typed.
//!
//! In: a [`Key`], the manual's words, a text. Out: a labelled field; and back, out of what the
//! form brought, the text that [`Document::put`] takes.
//!
//! [`Document::put`]: crate::config::edit::Document::put

use std::collections::BTreeSet;

use maud::{Markup, html};

use crate::config::keys::{self, Key, Kind, Words};
use crate::web::Pairs;

/// What takes a secret away.
const DROP: &str = "drop.";

/// Who sees the field: may they change it?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Change,
    Look,
}

/// A field with all that belongs to it.
pub(super) struct Field<'f> {
    pub(super) section: &'f keys::Section,
    pub(super) key: &'f Key,
    /// As the form shows it.
    pub(super) value: &'f str,
    /// Whether the key is given in the file.
    pub(super) is_given: bool,
    /// What was wrong.
    pub(super) wrong: Option<&'f str>,
    pub(super) used: Use,
}

impl Field<'_> {
    pub(super) fn markup(&self) -> Markup {
        let words = keys::words(self.section, self.key);
        let (id, hint) = (self.key.name, format!("{}-hint", self.key.name));
        let is_set = matches!(self.key.kind, Kind::Choices(_));
        html! {
            @if is_set {
                fieldset.field aria-describedby=(hint) {
                    legend.label { code { (self.key.name) } }
                    (self.input(id, &hint))
                    (self.hints(words, &hint))
                }
            } @else {
                div.field {
                    label for=(id) { code { (self.key.name) } }
                    (self.input(id, &hint))
                    (self.hints(words, &hint))
                }
            }
        }
    }

    fn hints(&self, words: Option<&Words>, hint: &str) -> Markup {
        html! {
            div.small id=(hint) {
                @if let Some(wrong) = self.wrong {
                    div.notice.bad role="alert" { (wrong) }
                }
                @if let Some(words) = words {
                    span.soft {
                        (ticked(&words.meaning))
                        @if !words.unit.is_empty() { ". Takes: " (ticked(&words.unit)) }
                        @match words.default.as_str() {
                            "—" => { ". Must be given" }
                            "" => {}
                            default => { ". Unless given: " (ticked(default)) }
                        }
                        (shape(self.key.kind))
                    }
                    @if words.needs_restart { " " span.badge.warn { "takes effect after a restart" } }
                }
            }
        }
    }

    fn input(&self, id: &str, hint: &str) -> Markup {
        let (name, is_off) = (self.key.name, self.used == Use::Look);
        let is_wrong = self.wrong.map(|_| "true");
        let rows = self.value.lines().count().clamp(2, 12);
        html! {
            @match self.key.kind {
                Kind::Secret => {
                    input id=(id) name=(name) type="password" autocomplete="off" disabled[is_off]
                        aria-describedby=(hint) aria-invalid=[is_wrong];
                    @if self.is_given {
                        p.soft.small { "It is given, and not shown. Leave this empty to keep it." }
                        label.check {
                            input type="checkbox" name=(format!("{DROP}{name}")) value="yes" disabled[is_off];
                            "take it away"
                        }
                    }
                }
                Kind::Truth => (self.choice(id, hint, &["true", "false"])),
                Kind::Choice(choices) => (self.choice(id, hint, choices)),
                Kind::Choices(choices) => {
                    @for choice in choices {
                        label.check {
                            input type="checkbox" name=(name) value=(choice) disabled[is_off]
                                checked[self.value.lines().any(|line| line == *choice)];
                            (choice)
                        }
                    }
                }
                Kind::Texts | Kind::OneOrMore | Kind::Numbers | Kind::Map => {
                    (self.area(id, hint, rows))
                }
                Kind::Text if self.value.contains('\n') => (self.area(id, hint, rows)),
                Kind::Number | Kind::Fraction => {
                    input id=(id) name=(name) value=(self.value) inputmode="decimal" disabled[is_off]
                        autocomplete="off" aria-describedby=(hint) aria-invalid=[is_wrong];
                }
                Kind::Text => {
                    input id=(id) name=(name) value=(self.value) spellcheck="false" disabled[is_off]
                        autocomplete="off" aria-describedby=(hint) aria-invalid=[is_wrong];
                }
            }
        }
    }

    fn area(&self, id: &str, hint: &str, rows: usize) -> Markup {
        let is_wrong = self.wrong.map(|_| "true");
        html! {
            textarea id=(id) name=(self.key.name) rows=(rows) spellcheck="false"
                disabled[self.used == Use::Look] aria-describedby=(hint) aria-invalid=[is_wrong] {
                // The first line feed of a text area is not part of it.
                "\n" (self.value)
            }
        }
    }

    fn choice(&self, id: &str, hint: &str, choices: &[&str]) -> Markup {
        let is_known = self.value.is_empty() || choices.contains(&self.value);
        html! {
            select id=(id) name=(self.key.name) disabled[self.used == Use::Look]
                aria-describedby=(hint) {
                option value="" selected[self.value.is_empty()] { "not given" }
                @for choice in choices {
                    option value=(choice) selected[*choice == self.value] { (choice) }
                }
                @if !is_known { option value=(self.value) selected { (self.value) } }
            }
        }
    }
}

/// What a form brought for a key; `shown` is what the form showed. Nothing: the key stays as
/// it is.
pub(super) fn typed(form: &Pairs, key: &Key, shown: &str) -> Option<String> {
    match key.kind {
        Kind::Secret if form.ticked(&format!("{DROP}{}", key.name)) => Some(String::new()),
        Kind::Secret => form.filled(key.name).map(str::to_owned),
        Kind::Choices(_) => {
            let chosen: BTreeSet<&str> = form.all(key.name).collect();
            // The order in which they are written says nothing.
            match chosen == shown.lines().collect() {
                true => Some(shown.to_owned()),
                false => Some(chosen.into_iter().collect::<Vec<_>>().join("\n")),
            }
        }
        _ => form.first(key.name).map(str::to_owned),
    }
}

fn shape(kind: Kind) -> &'static str {
    match kind {
        Kind::Texts | Kind::OneOrMore | Kind::Numbers => ". One a line",
        Kind::Map => ". One name = value a line, texts in double quotes",
        _ => "",
    }
}

/// What stands between backticks is code.
pub(super) fn ticked(text: &str) -> Markup {
    html! {
        @for (at, piece) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (piece) } } @else { (piece) }
        }
    }
}
