//! Trusted and blocked senders: what the lists of site, domain and user say of a mail, for
//! each recipient.
//!
//! In: how the mail came, its author, who vouches; the lists of the configuration and those
//! given at run time. Out: one [`Listed`] a recipient, for policy, and sightings that say
//! which entry spoke. The most specific level that says anything wins; at one level blocked
//! beats trusted.
//!
//! Invariant: a trusted address or domain counts only when somebody vouches for it, or when
//! the client is in `lists.networks`; a trusted network needs no more than the connection. A
//! blocked entry counts however the mail came. Never fails.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Authenticated, Passage, Sighting};
use crate::config::{Lists, SenderEntry};
use crate::mail::{Address, Domain, EnhancedCode, Reply, ReversePath, Role};
use crate::message::Authorship;
use crate::store::Store;
use crate::store::lists::{Level, SenderBook, Side};

/// Authors of one mail that are looked up.
const AUTHORS: usize = 20;
/// Recipients that a sighting names.
const NAMED: usize = 3;

/// What the lists say of a mail for one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Listed {
    /// Nothing.
    #[default]
    No,
    /// Not to be taken for spam.
    Trusted,
    /// To be refused.
    Blocked,
}

/// All lists.
#[derive(Debug)]
pub struct SenderLists {
    settings: Lists,
    configured: SenderBook,
    store: Option<Arc<Store>>,
}

/// An entry that names this sender, and whether the sender is proven to be it.
struct Candidates {
    entries: Vec<SenderEntry>,
    proven: Vec<SenderEntry>,
}

impl Candidates {
    fn add(&mut self, address: &Address, is_proven: bool) {
        let mut entries: Vec<SenderEntry> = SenderEntry::of_address(address).into_iter().collect();
        if let Some(domain) = address.domain() {
            entries.push(SenderEntry::Domain(domain.clone()));
            entries.extend(parents(domain).map(SenderEntry::DomainTree));
        }
        for entry in entries {
            if is_proven && !self.proven.contains(&entry) {
                self.proven.push(entry.clone());
            }
            if !self.entries.contains(&entry) {
                self.entries.push(entry);
            }
        }
    }
}

/// The domain itself and every domain above it.
fn parents(domain: &Domain) -> impl Iterator<Item = Domain> {
    let name = domain.as_str();
    let dots = name.match_indices('.').map(|(at, _)| at + 1);
    std::iter::once(0).chain(dots).filter_map(|at| Domain::parse(name.get(at..)?).ok())
}

impl SenderLists {
    /// Of a configuration and a running box.
    pub fn new(settings: &Lists, store: Option<&Arc<Store>>) -> SenderLists {
        let configured = SenderBook::of(settings);
        SenderLists { settings: settings.clone(), configured, store: store.cloned() }
    }

    /// What the lists say, one a recipient in the envelope's order.
    pub fn look(
        &self,
        passage: Passage<'_>,
        author: &Authorship,
        authenticated: &Authenticated,
    ) -> (Vec<Sighting>, Vec<Listed>) {
        if passage.facts.role != Role::Inbound || self.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let client = passage.facts.client;
        let reverse_path = &passage.envelope.reverse_path;
        let candidates = self.candidates(client, reverse_path, author, authenticated);
        let mut told: [Vec<String>; 2] = Default::default();
        let mut listed = Vec::with_capacity(passage.envelope.recipients.len());
        for recipient in &passage.envelope.recipients {
            let found = self.first_match(&candidates, client, &recipient.forward_path);
            listed.push(match &found {
                None => Listed::No,
                Some((_, _, Side::Trusted)) => Listed::Trusted,
                Some((_, _, Side::Blocked)) => Listed::Blocked,
            });
            let Some((level, entry, side)) = found else { continue };
            let [trusted, blocked] = &mut told;
            let of_side = if side == Side::Trusted { trusted } else { blocked };
            of_side.push(format!("{} ({entry} in the list of {level})", recipient.forward_path));
        }
        let sightings = ["SENDER_TRUSTED", "SENDER_BLOCKED"].into_iter().zip(&told);
        let sightings = sightings.filter(|(_, told)| !told.is_empty());
        (sightings.map(|(name, told)| Sighting::new(name, shown(told))).collect(), listed)
    }

    /// At RCPT: refuses whom the recipient's lists block by reverse-path or network, unless a
    /// more specific list trusts somebody and the message itself must decide.
    pub fn at_recipient(
        &self,
        role: Role,
        client: IpAddr,
        reverse_path: &ReversePath,
        forward_path: &Address,
    ) -> Option<Reply> {
        if role != Role::Inbound || self.is_empty() {
            return None;
        }
        let nobody = Authenticated::default();
        let candidates = self.candidates(client, reverse_path, &Authorship::Absent, &nobody);
        for level in levels(forward_path) {
            let found = self.matches(&level, &candidates, client);
            if found.iter().any(|(_, side)| *side == Side::Blocked) {
                let text = "the recipient takes no mail from this sender";
                return Some(Reply::new(550, EnhancedCode(5, 7, 1), text));
            }
            if self.trusts_at(&level) {
                return None;
            }
        }
        None
    }

    fn is_empty(&self) -> bool {
        let given = self.store.as_ref().is_some_and(|store| !store.lists().book().is_empty());
        self.configured.is_empty() && !given
    }

    fn candidates(
        &self,
        client: IpAddr,
        reverse_path: &ReversePath,
        author: &Authorship,
        authenticated: &Authenticated,
    ) -> Candidates {
        let client = client.to_canonical();
        let is_believed = self.settings.trust_unauthenticated
            || self.settings.networks.iter().any(|network| network.contains(&client));
        let mut candidates = Candidates { entries: Vec::new(), proven: Vec::new() };
        if let Some(address) = reverse_path.address() {
            let vouched =
                address.domain().is_some_and(|domain| authenticated.vouching.contains(domain));
            candidates.add(address, is_believed || vouched);
        }
        match author {
            Authorship::One(mailbox) => {
                let vouched = authenticated.speaks_for_author()
                    && authenticated.author_domain.as_ref() == mailbox.address.domain();
                candidates.add(&mailbox.address, is_believed || vouched);
            }
            // Several authors are blocked by any of them, trusted by none.
            Authorship::Several(mailboxes) => {
                for mailbox in mailboxes.iter().take(AUTHORS) {
                    candidates.add(&mailbox.address, false);
                }
            }
            Authorship::Absent | Authorship::Unclear(_) => {}
        }
        candidates
    }

    fn first_match(
        &self,
        candidates: &Candidates,
        client: IpAddr,
        forward_path: &Address,
    ) -> Option<(Level, SenderEntry, Side)> {
        for level in levels(forward_path) {
            let found = self.matches(&level, candidates, client);
            let blocked = found.iter().find(|(_, side)| *side == Side::Blocked);
            let trusted = || {
                found.iter().find(|(entry, side)| {
                    let is_network = matches!(entry, SenderEntry::Network(_));
                    *side == Side::Trusted && (is_network || candidates.proven.contains(entry))
                })
            };
            if let Some((entry, side)) = blocked.or_else(trusted) {
                return Some((level, entry.clone(), *side));
            }
        }
        None
    }

    fn matches(
        &self,
        level: &Level,
        candidates: &Candidates,
        client: IpAddr,
    ) -> Vec<(SenderEntry, Side)> {
        let mut found = self.configured.matches(level, &candidates.entries, client);
        if let Some(store) = &self.store {
            found.extend(store.lists().book().matches(level, &candidates.entries, client));
        }
        found
    }

    fn trusts_at(&self, level: &Level) -> bool {
        let given = self.store.as_ref().is_some_and(|store| store.lists().book().trusts_at(level));
        given || self.configured.trusts_at(level)
    }
}

/// The most specific first.
fn levels(forward_path: &Address) -> impl Iterator<Item = Level> {
    let domain = forward_path.domain().cloned().map(Level::Domain);
    std::iter::once(Level::user(forward_path)).chain(domain).chain([Level::Site])
}

/// The first few, and how many more.
fn shown(told: &[String]) -> String {
    let first: Vec<&str> = told.iter().take(NAMED).map(String::as_str).collect();
    match told.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests;
