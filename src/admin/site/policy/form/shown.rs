//! The form itself.

use maud::{Markup, html};

use super::super::Sheet;
use super::fields::{Fields, condition_fields};
use crate::admin::site::{Call, frame};
use crate::policy::rules::{FinalKind, Order};

/// Conditions by what they ask about: key, label, and what may be typed.
type Group = (&'static str, &'static [(&'static str, &'static str, &'static str)]);
const CONDITION_WORDS: &[Group] = &[
    (
        "Who writes to whom",
        &[
            ("direction", "Direction", "inbound, outbound or internal"),
            (
                "reverse_path",
                "Sender",
                "ann@example.org, @example.org, @*.example.org, a pattern, <>",
            ),
            ("forward_path", "Recipient", "in the same way"),
            ("sender_domain", "Sender's domain", "example.org, *.example.org"),
            ("recipient_domain", "Recipient's domain", "in the same way"),
            ("sender_group", "Sender's group", "its name"),
            ("recipient_group", "Recipient's group", "its name"),
            ("author", "Author", "a mailbox of the From field"),
        ],
    ),
    (
        "What is in it",
        &[
            ("subject", "Subject", "contains this; with * a pattern for the whole"),
            ("header", "Header field", "{ name = \"X-Label\", contains = \"secret\" }"),
            (
                "content",
                "Content rule",
                "its name, or { class = \"…\", severity = \"high\", count = 3 }",
            ),
            ("attachment", "File", "{ type = \"docm\", macro = true }"),
            ("marking", "Protective marking", "its name"),
            ("size", "Size", "10 MB, or octets"),
        ],
    ),
    (
        "What was found",
        &[
            ("finding", "Finding", "its name, or a pattern: MACRO_*"),
            ("class", "Class of findings", "spam, phish, malware …"),
            ("score", "Score", "points"),
            ("authentication", "Authentication", "pass, fail, none, softfail …"),
        ],
    ),
    (
        "How and when it came",
        &[
            ("role", "Listener", "inbound, outbound or submission"),
            ("network", "Client", "addresses or networks"),
            ("account", "Account", "of the client, or a pattern"),
            ("tls", "Encryption", "none, any, 1.2, 1.3 or verified"),
            ("time", "Time", "{ days = [\"weekdays\"], from = \"18:00\", until = \"08:00\" }"),
        ],
    ),
    (
        "Conditions put together",
        &[
            ("all", "All of these", "[{ … }, { … }]"),
            ("any", "Any of these", "[{ … }, { … }]"),
            ("not", "Not this", "{ … }"),
        ],
    ),
];

/// What an order does, and what may be typed beside it.
const ORDER_WORDS: &[(&str, &str)] = &[
    ("deliver", "deliver, whatever the score says"),
    ("reject", "refuse; the sender reads this text"),
    ("discard", "accept and drop"),
    ("quarantine", "keep back, in this area"),
    ("defer", "refuse for now; the sender reads this text"),
    ("hold", "wait for the approval of this mailbox"),
    ("redirect", "send to these mailboxes instead"),
    ("secure", "by secure delivery or not at all"),
    ("tag_subject", "Put this before the subject"),
    ("add_header", "Add a header field: { name = \"X-Seen\", value = \"yes\" }"),
    ("remove_header", "Remove header fields of this name"),
    ("strip_attachments", "Take files out; all, or { type = \"docm\" }"),
    ("annotate", "Put a text into the body: { text = \"…\", place = \"bottom\" }"),
    ("copy", "Send a copy to these mailboxes"),
    ("notify", "Tell somebody: { to = [\"recipient\"], subject = \"…\", text = \"…\" }"),
    ("archive", "Keep the mail as it came, in this class"),
    ("route_via", "Send by this next hop"),
    ("rate_limit", "Let no more through: { count = 100, per = \"1 h\", by = \"sender\" }"),
];

fn words<'w>(list: &[(&str, &'w str)], name: &str) -> &'w str {
    list.iter().find(|(known, _)| *known == name).map_or("", |(_, words)| words)
}

pub(super) fn form(call: &Call, sheet: &Sheet, fields: &Fields) -> Markup {
    html! {
        form method="post" action="/policy/rule" {
            (frame::mark(call))
            (sheet.hidden())
            input type="hidden" name="original" value=(fields.original);
            div.card {
                (line("name", "Name", &fields.name, "unique among the rules"))
                (line("scope", "For", &fields.scope,
                    "site, @example.org, group:finance or ann@example.org"))
                (line("description", "Why there is this rule", &fields.description, ""))
                label.check {
                    input type="checkbox" name="enabled" value="1" checked[fields.is_enabled];
                    "In force"
                }
            }
            (conditions(fields))
            (orders(fields))
            p.row {
                button type="submit" name="act" value="save" { "Show what changes" }
                @if !fields.original.is_empty() {
                    button.danger type="submit" name="act" value="remove" { "Draft without this rule" }
                }
            }
            p.soft { "Nothing is put in force before you publish on the next page." }
        }
    }
}

fn line(name: &str, label: &str, value: &str, hint: &str) -> Markup {
    html! {
        div.field {
            label for=(name) { (label) @if !hint.is_empty() { " " span.soft { "(" (hint) ")" } } }
            input id=(name) name=(name) value=(value) spellcheck="false";
        }
    }
}

fn conditions(fields: &Fields) -> Markup {
    html! {
        fieldset.card {
            legend { h2 { "When" } }
            p.soft {
                "All that are filled in must hold; of several lines in one field, one must. What \
                 begins with { or [ is TOML, as in the text of rules. Without any the rule \
                 applies always."
            }
            @for (at, (title, all)) in CONDITION_WORDS.iter().enumerate() {
                @let is_used = |(key, ..): &(&str, &str, &str)| {
                    let begins = format!("{key}.");
                    fields.when.keys().any(|name| name == key || name.starts_with(&begins))
                };
                details open[at == 0 || all.iter().any(is_used)] {
                    summary { (title) }
                    @for (key, label, hint) in *all { (condition(fields, key, (label, hint))) }
                }
            }
        }
    }
}

/// The fields of one condition.
fn condition(fields: &Fields, key: &str, (label, hint): (&str, &str)) -> Markup {
    let value = |name: &str| fields.when.get(name).map_or("", String::as_str);
    let parts = condition_fields().filter(|(known, _)| *known == key).filter_map(|(_, part)| part);
    let parts: Vec<&str> = parts.collect();
    let lines = value(key).lines().count().max(1);
    html! {
        @for part in &parts {
            @let name = format!("{key}.{part}");
            (line(&format!("when.{name}"), &format!("{label}: {}", part.replace('_', " ")), value(&name), hint))
        }
        @if parts.is_empty() {
            div.field {
                label for={ "when." (key) } { (label) " " span.soft { "(" (hint) ")" } }
                textarea.short id={ "when." (key) } name={ "when." (key) } rows=(lines)
                    spellcheck="false" { "\n" (value(key)) }
            }
        }
    }
}

fn orders(fields: &Fields) -> Markup {
    html! {
        fieldset.card {
            legend { h2 { "What is ordered" } }
            div.field {
                label for="last" { "What becomes of the copy" }
                select #last name="last" {
                    option value="" selected[fields.last.0.is_empty()] { "nothing by this rule" }
                    @for (word, _) in FinalKind::WORDS {
                        option value=(word) selected[fields.last.0 == word] {
                            (word) " – " (words(ORDER_WORDS, word))
                        }
                    }
                }
            }
            div.field {
                label for="last_argument" {
                    "Text, area or mailboxes " span.soft { "(one a line; may be empty)" }
                }
                textarea.short #last_argument name="last_argument" rows="1" spellcheck="false" {
                    "\n" (fields.last.1)
                }
            }
            @for word in Order::WORDS {
                @let argument = fields.orders.get(word);
                div.field {
                    label.check {
                        input type="checkbox" name={ "order." (word) } value="1"
                            checked[argument.is_some()];
                        span { (words(ORDER_WORDS, word)) " " span.soft { "(" (word) ")" } }
                    }
                    textarea.short name={ "argument." (word) } rows="1" spellcheck="false"
                        aria-label={ "For " (word.replace('_', " ")) } {
                        "\n" (argument.map_or("", String::as_str))
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fields::PARTED;
    use super::*;

    #[test]
    fn every_word_of_the_vocabulary_is_explained() {
        let known: Vec<&str> =
            CONDITION_WORDS.iter().flat_map(|(_, all)| *all).map(|(key, ..)| *key).collect();
        for (key, _) in condition_fields() {
            assert_eq!(known.iter().filter(|one| **one == key).count(), 1, "{key}");
        }
        assert_eq!(known.len(), crate::policy::rules::CONDITIONS.len());
        for word in FinalKind::WORDS.iter().map(|(word, _)| *word).chain(Order::WORDS) {
            assert!(!words(ORDER_WORDS, word).is_empty(), "{word}");
        }
        let parted = PARTED.iter().all(|(key, _)| crate::policy::rules::CONDITIONS.contains(key));
        assert!(parted);
    }
}
