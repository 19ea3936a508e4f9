//! Patterns of texts and of mailboxes.
//!
//! In: what a rule says (`ann@example.org`, `@example.org`, `@*.example.org`, `*-bounce@*`). Out:
//! patterns that are matched in time linear in the text, times their number of stars. Matching
//! folds nothing: whoever asks gives both sides in small letters where case does not matter.

use crate::mail::{Address, Domain};

/// A text in which `*` stands for any text, the empty one included.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Glob(Box<str>);

impl Glob {
    /// As it is written.
    pub fn new(text: impl Into<Box<str>>) -> Glob {
        Glob(text.into())
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether only one text matches: the pattern itself.
    pub fn is_literal(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether a text as a whole matches.
    pub fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return *self.0 == *text };
        let Some(mut text) = text.strip_prefix(first) else { return false };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        // The leftmost place for each piece leaves most room for the next ones.
        for piece in middle.split('*').filter(|piece| !piece.is_empty()) {
            let Some(at) = text.find(piece) else { return false };
            text = text.get(at + piece.len()..).unwrap_or_default();
        }
        text.ends_with(last)
    }
}

/// What is asked of a text, in small letters on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TextTest {
    /// There is one.
    Present,
    /// It holds this.
    Contains(Box<str>),
    /// It is this, blanks at its ends aside.
    Is(Box<str>),
    /// It matches as a whole, blanks at its ends aside.
    Matches(Glob),
}

impl TextTest {
    /// Whether a text in small letters passes.
    pub fn holds(&self, folded: &str) -> bool {
        match self {
            TextTest::Present => true,
            TextTest::Contains(needle) => folded.contains(&**needle),
            TextTest::Is(text) => folded.trim() == &**text,
            TextTest::Matches(glob) => glob.matches(folded.trim()),
        }
    }
}

/// A mailbox as patterns see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// [`Address::key`].
    pub key: String,
    /// Where in the key the domain begins; none for an address literal.
    domain_at: Option<usize>,
}

impl Person {
    /// Of an address.
    pub fn of(address: &Address) -> Person {
        let key = address.key();
        let domain = address.domain().map(Domain::as_str);
        let domain_at = domain.map(|domain| key.len().saturating_sub(domain.len()));
        Person { key, domain_at }
    }

    /// Its domain, unless it has an address literal.
    pub fn domain(&self) -> Option<&str> {
        self.key.get(self.domain_at?..)
    }
}

/// Some mailboxes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AddressPattern {
    /// `<>`: the null reverse-path.
    Null,
    /// One mailbox, by its key.
    Exact(Box<str>),
    /// `@example.org`: everybody there.
    Domain(Box<str>),
    /// `@*.example.org`: everybody in a domain below it.
    Below(Box<str>),
    /// Anything with stars.
    Like(Glob),
}

impl AddressPattern {
    /// Reads a pattern of mailboxes; in words why it is none.
    pub fn parse(text: &str) -> Result<AddressPattern, String> {
        if text == "<>" {
            return Ok(AddressPattern::Null);
        }
        let behind = text.strip_prefix("*@").or_else(|| text.strip_prefix('@'));
        match behind.map(AddressPattern::parse_domain) {
            Some(Ok(pattern)) => Ok(pattern),
            Some(Err(why)) if !text.contains('*') => Err(why),
            _ if text.contains('*') => Ok(AddressPattern::Like(Glob::new(text.to_lowercase()))),
            _ => match text.parse::<Address>() {
                Ok(address) => Ok(AddressPattern::Exact(address.key().into())),
                Err(why) => Err(format!(
                    "{text:?} is no mailbox ({why}): `ann@example.org`, `@example.org`, \
                     `@*.example.org`, or a text with `*`"
                )),
            },
        }
    }

    /// Reads a pattern of domains: `example.org`, `*.example.org`, or a text with stars.
    pub fn parse_domain(text: &str) -> Result<AddressPattern, String> {
        let text = text.strip_prefix('@').unwrap_or(text);
        let bare = text.strip_prefix("*.").unwrap_or(text);
        match Domain::parse(bare) {
            Ok(domain) if bare.len() == text.len() => {
                Ok(AddressPattern::Domain(domain.as_str().into()))
            }
            Ok(domain) => Ok(AddressPattern::Below(domain.as_str().into())),
            Err(_) if text.contains('*') => {
                Ok(AddressPattern::Like(Glob::new(format!("*@{}", text.to_lowercase()))))
            }
            Err(why) => Err(format!("{text:?} is no domain ({why})")),
        }
    }

    /// Whether somebody, or the null reverse-path, is among them.
    pub fn holds(&self, person: Option<&Person>) -> bool {
        let Some(person) = person else { return *self == AddressPattern::Null };
        match self {
            AddressPattern::Null => false,
            AddressPattern::Exact(key) => person.key == **key,
            AddressPattern::Domain(domain) => person.domain() == Some(domain),
            AddressPattern::Below(parent) => {
                let prefix = person.domain().and_then(|domain| domain.strip_suffix(&**parent));
                prefix.is_some_and(|prefix| prefix.len() > 1 && prefix.ends_with('.'))
            }
            AddressPattern::Like(glob) => is_like(glob, &person.key),
        }
    }
}

/// Whether the key of a mailbox matches a pattern, which is in small letters.
pub(super) fn is_like(glob: &Glob, key: &str) -> bool {
    match key.ends_with(']') {
        // `[IPv6:…]`.
        true => glob.matches(&key.to_lowercase()),
        false => glob.matches(key),
    }
}

impl std::fmt::Display for AddressPattern {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AddressPattern::Null => out.write_str("<>"),
            AddressPattern::Exact(key) => out.write_str(key),
            AddressPattern::Domain(domain) => write!(out, "@{domain}"),
            AddressPattern::Below(domain) => write!(out, "@*.{domain}"),
            AddressPattern::Like(glob) => out.write_str(glob.as_str()),
        }
    }
}
