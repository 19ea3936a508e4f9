//! Tables of whole messages; the public corpora, where they are.

mod author;
pub(crate) mod corpora;
mod edits;
pub(crate) mod encoders;
mod exact;
mod files;
pub(crate) mod hidden;
mod hostile;
mod messages;
mod names;
mod removals;
mod suites;
pub(super) mod walked;

use super::*;

fn taken_apart(message: &str) -> (Anatomy, Vec<(Zone, String)>) {
    let mut anatomy = Anatomy::of(&Bytes::copy_from_slice(message.as_bytes()), Limits::default());
    let mut texts = Vec::new();
    anatomy.read(&mut |zone, text| texts.push((zone, text.to_owned())));
    (anatomy, texts)
}

fn names(anatomy: &Anatomy) -> Vec<String> {
    anatomy.oddities.sights().map(|(name, _)| name.to_owned()).collect()
}
