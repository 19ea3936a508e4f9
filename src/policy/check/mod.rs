//! x
mod situation;
pub use situation::{MadeFile, Situation};
use super::rules::atom::{Atoms, Node};
pub(crate) fn is_contradictory(_: &Node, _: &Atoms) -> bool { false }
