//! Scopes: for whose mail a rule is, and who outdoes whom.
//!
//! A scope speaks of the house's own people: of inbound mail the recipient, of outbound mail
//! the sender, of internal mail both. So nobody outside comes under a user's rules by writing
//! in that user's name. Rules are inherited from the site to its domains, groups and users;
//! a narrower rule can stand in the place of a wider one (`overrides`), and a narrower scope
//! can switch one off or on by its name.

use std::fmt;

use super::circumstances::Direction;
use super::pattern::Person;
use crate::config::Party;

/// Whose mail.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Everybody's.
    Site,
    /// That of a domain's people.
    Domain(Box<str>),
    /// That of a group's people.
    Group(Box<str>),
    /// That of one, by the key of the mailbox.
    User(Box<str>),
}

impl Scope {
    /// Reads `site`, `@example.org`, `group:finance` or `ann@example.org`.
    pub fn parse(text: &str) -> Result<Scope, String> {
        if text == "site" {
            return Ok(Scope::Site);
        }
        match text.parse::<Party>() {
            Ok(Party::Address(address)) => Ok(Scope::User(address.key().into())),
            Ok(Party::Domain(domain)) => Ok(Scope::Domain(domain.as_str().into())),
            Ok(Party::Group(name)) => Ok(Scope::Group(name.into())),
            Err(_) => Err(format!(
                "{text:?} is no scope: `site`, `@example.org`, `group:finance`, or \
                 `ann@example.org`"
            )),
        }
    }

    /// The narrower, the more.
    pub fn narrowness(&self) -> u8 {
        match self {
            Scope::Site => 0,
            Scope::Domain(_) => 1,
            Scope::Group(_) => 2,
            Scope::User(_) => 3,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Site => out.write_str("site"),
            Scope::Domain(domain) => write!(out, "@{domain}"),
            Scope::Group(name) => write!(out, "group:{name}"),
            Scope::User(key) => out.write_str(key),
        }
    }
}

/// The own people of a mail, with their groups.
pub(super) fn own<'p>(
    direction: Direction,
    sender: Option<(&'p Person, &'p [String])>,
    recipient: (&'p Person, &'p [String]),
) -> impl Iterator<Item = (&'p Person, &'p [String])> {
    let sender = sender.filter(|_| direction != Direction::Inbound);
    let recipient = Some(recipient).filter(|_| direction != Direction::Outbound);
    sender.into_iter().chain(recipient)
}
