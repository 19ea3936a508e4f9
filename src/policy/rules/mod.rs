//! The site's own rules: who and what, and what is ordered.
//!
//! In: a text of rules (TOML) and, for each (mail, recipient), its [`Circumstances`]. Out:
//! [`Outcome`]. [`RuleBook::parse`] checks everything that can be checked without mail; a wrong
//! text is a [`PolicyError`] with file, line and column, and whoever has rules in force keeps
//! them. Evaluation is pure and does not fail.
//!
//! Invariants: rules are asked in the order of inheritance (site, domain, group, user); the
//! first final order that applies counts, all others accumulate.

pub(crate) mod atom;
pub(crate) mod book;
mod circumstances;
mod error;
mod evaluate;
mod file;
mod index;
mod order;
pub(crate) mod pattern;
mod scope;
#[cfg(test)]
mod tests;
pub(crate) mod text;
mod then;
pub(crate) mod when;

pub use atom::{FAMILIES, FileTest, STATES};
pub use book::{EffectiveRule, OutOfForce, RuleBook};
pub use circumstances::{
    AuthenticationResult, AuthenticationResults, Circumstances, Direction, FileFact, Mechanism,
    Parties, TlsState, TlsVersion,
};
pub use error::{PolicyError, Warning};
pub use evaluate::{Outcome, Said, TRACED, TraceLine};
pub use file::{ATOMS, Groups, RULES, Rule, Switch, TEXT_OCTETS};
pub use order::{Despite, FinalKind, FinalOrder, Notified, Order};
pub use scope::Scope;
pub use when::KEYS as CONDITIONS;

pub(crate) use book::atoms_of;
pub(crate) use error::nearest;
pub(crate) use evaluate::Facts;
