//! What a walk through a message, or through a message with one attached file, finds.

use bytes::Bytes;

use crate::message::contents::{Contents, Limits};
use crate::message::{Anatomy, Limits as AnatomyLimits, fuzz};

/// What a message carries, and the texts in it, each with its line end.
pub(in crate::message) fn walk(message: impl Into<Bytes>, limits: Limits) -> (Contents, String) {
    let anatomy = Anatomy::of(&message.into(), AnatomyLimits::default());
    let mut texts = String::new();
    let contents = Contents::of(&anatomy, limits, &mut |_, text| {
        texts.push_str(text);
        texts.push('\n');
    });
    (contents, texts)
}

/// The same for a file that is attached to a message.
pub(in crate::message) fn walk_file(name: &str, octets: &[u8]) -> (Contents, String) {
    walk(fuzz::attached(name, octets), Limits::default())
}
