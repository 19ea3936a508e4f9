//! Files as the site's rules of policy see them, and how these take files out.
//!
//! In: the files of a message. Out: [`FileFact`]s to ask, and a [`Fate`] for those that a rule
//! takes out, by the same means as rules about attachments.

use std::collections::BTreeMap;

use super::{Fate, FileRules, Hit, is_file, is_in, shipped};
use crate::analysis::attachments::Enclosures;
use crate::config::{AttachmentOrder, AttachmentRule, FileState};
use crate::mail::MailId;
use crate::message::contents::Item;
use crate::message::extension;
use crate::policy::rules::{FileFact, STATES};

/// The files of a message, those within files included.
#[derive(Debug, Default)]
pub(in crate::policy) struct Files<'a> {
    /// What rules ask.
    pub(in crate::policy) facts: Vec<FileFact<'a>>,
    /// Their numbers among the items of the message.
    pub(in crate::policy) items: Vec<usize>,
}

impl<'a> Files<'a> {
    /// Of a message.
    pub(in crate::policy) fn of(enclosures: &'a Enclosures) -> Files<'a> {
        let mut files = Files::default();
        for (number, item) in enclosures.contents.items.iter().enumerate() {
            if !is_file(item) {
                continue;
            }
            let states = STATES.iter().map(|(_, state)| *state);
            files.items.push(number);
            files.facts.push(FileFact {
                types: item.nature.extensions(),
                family: item.nature.family(),
                extensions: item.names().map(extension).filter(|own| !own.is_empty()).collect(),
                names: names_of(item),
                states: states
                    .filter(|state: &FileState| is_in(*state, number, item, enclosures))
                    .collect(),
                octets: item.octets,
            });
        }
        files
    }
}

/// In small letters; a file without a name has an empty one.
fn names_of(item: &Item) -> Vec<String> {
    let others = item.other_names.iter().filter(|name| !name.is_empty());
    std::iter::once(&item.name).chain(others).map(|name| name.to_lowercase()).collect()
}

impl FileRules {
    /// Takes out files, by their numbers among the items, in the name of a rule. The signature of
    /// a signed mail stays: without it what it signs could not be read as what it is.
    pub(in crate::policy) fn strip(
        &self,
        rule: &str,
        items: &[usize],
        enclosures: &Enclosures,
        id: MailId,
    ) -> Fate {
        let rule =
            AttachmentRule { name: rule.to_owned(), order: AttachmentOrder::Strip, ..shipped() };
        let mut fate = Fate::default();
        let mut by_part: BTreeMap<usize, Vec<Hit<'_>>> = BTreeMap::new();
        for number in items {
            let item = enclosures.contents.items.get(*number);
            if let Some(item) = item.filter(|_| !enclosures.is_signature(*number)) {
                by_part.entry(item.part).or_default().push(Hit { item: *number, rule: &rule });
            }
        }
        for (part, hits) in by_part {
            self.take_out(part, &hits, enclosures, id, &mut fate);
        }
        fate
    }
}
