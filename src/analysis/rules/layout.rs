//! The layout of rule files, as serde reads it.
//!
//! Every form of rule has the same head; the rest differs. Nothing is checked here but names
//! of keys and types of values.

use serde::Deserialize;
use toml::Spanned;

use crate::mail::{Class, Severity};
use crate::message::Zone;

/// What every rule has.
pub(super) struct Head {
    pub(super) id: Spanned<String>,
    pub(super) zones: Vec<ZoneName>,
    pub(super) class: Class,
    pub(super) severity: Severity,
    pub(super) count: Option<Spanned<u32>>,
    pub(super) description: String,
    pub(super) hit: Vec<String>,
    pub(super) near_miss: Vec<String>,
}

/// Flattening would lose the refusal of unknown keys and their places, so the head is spelt
/// out in each form.
macro_rules! form {
    ($name:ident { $($(#[$attribute:meta])* $field:ident: $kind:ty,)* }) => {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            id: Spanned<String>,
            #[serde(rename = "where")]
            zones: Vec<ZoneName>,
            class: Class,
            #[serde(default)]
            severity: Severity,
            count: Option<Spanned<u32>>,
            description: String,
            #[serde(default)]
            hit: Vec<String>,
            #[serde(default)]
            near_miss: Vec<String>,
            $($(#[$attribute])* pub(super) $field: $kind,)*
        }

        impl $name {
            /// Takes the head out.
            pub(super) fn head(&mut self) -> Head {
                Head {
                    id: std::mem::replace(&mut self.id, Spanned::new(0..0, String::new())),
                    zones: std::mem::take(&mut self.zones),
                    class: self.class,
                    severity: self.severity,
                    count: self.count.take(),
                    description: std::mem::take(&mut self.description),
                    hit: std::mem::take(&mut self.hit),
                    near_miss: std::mem::take(&mut self.near_miss),
                }
            }
        }
    };
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) rule: Vec<Spanned<RuleText>>,
    #[serde(default)]
    pub(super) lexicon: Vec<Spanned<LexiconText>>,
    #[serde(default)]
    pub(super) proximity: Vec<Spanned<ProximityText>>,
    #[serde(default)]
    pub(super) exact: Vec<Spanned<ExactText>>,
    #[serde(default)]
    pub(super) fingerprint: Vec<Spanned<FingerprintText>>,
    #[serde(default)]
    pub(super) marking: Vec<Spanned<MarkingText>>,
}

fn caseless() -> Spanned<String> {
    Spanned::new(0..0, "i".to_owned())
}

form!(RuleText {
    pattern: Spanned<String>,
    #[serde(default = "caseless")]
    flags: Spanned<String>,
    validate: Option<Spanned<String>>,
    among: Option<Spanned<String>>,
    share_percent: Option<Spanned<f32>>,
    score: Spanned<f32>,
});

form!(LexiconText {
    terms: Vec<TermText>,
    max_score: Spanned<f32>,
    distinct: Option<Spanned<u32>>,
    most_per_term: Option<Spanned<u32>>,
    validate: Option<Spanned<String>>,
});

form!(ProximityText {
    a: Spanned<String>,
    b: Spanned<String>,
    within: Option<Spanned<u32>>,
    #[serde(default = "caseless")]
    flags: Spanned<String>,
    validate_a: Option<Spanned<String>>,
    validate_b: Option<Spanned<String>>,
    score: Spanned<f32>,
});

form!(ExactText {
    list: Spanned<String>,
    columns: Option<Spanned<u32>>,
    within: Option<Spanned<u32>>,
    score: Spanned<f32>,
});

form!(FingerprintText {
    documents: Spanned<String>,
    share_percent: Option<Spanned<f32>>,
    score: Spanned<f32>,
});

form!(MarkingText {
    markings: Vec<Spanned<String>>,
    score: Spanned<f32>,
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TermText {
    pub(super) text: Spanned<String>,
    pub(super) score: Spanned<f32>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(super) enum ZoneName {
    Subject,
    From,
    ReplyTo,
    Header,
    Body,
    Html,
    Filename,
    Attachment,
}

impl ZoneName {
    pub(super) fn zone(self) -> Zone {
        match self {
            ZoneName::Subject => Zone::Subject,
            ZoneName::From => Zone::From,
            ZoneName::ReplyTo => Zone::ReplyTo,
            ZoneName::Header => Zone::Header,
            ZoneName::Body => Zone::Body,
            ZoneName::Html => Zone::Html,
            ZoneName::Filename => Zone::Filename,
            ZoneName::Attachment => Zone::Attachment,
        }
    }
}
