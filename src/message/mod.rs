//! What a message contains, and edits to its header.
//!
//! In: the octets of a message. Out: [`Anatomy`] (parts, header fields, what is odd about
//! them), the texts in it in one normal form for scanning ([`Anatomy::read`]), a
//! [`Summary`](crate::mail::Summary), and what goes out after header edits
//! ([`edit::rewrite`]).
//!
//! The tree of parts is walked here, with limits on depth, count and octets, because a
//! firewall must bound both and must follow every reading where two readers would disagree;
//! old charsets and the names of HTML's characters are mail-parser's. Nothing here fails: what cannot be read becomes an [`Oddity`].

mod alternatives;
mod anatomy;
pub mod annotate;
mod archive;
mod author;
mod boundary;
mod charset;
pub mod contents;
mod cursor;
pub mod document;
pub mod edit;
mod fixed;
pub mod fuzz;
mod head;
mod html;
mod media;
mod nature;
mod normal;
mod oddity;
mod parameters;
mod place;
mod reading;
pub mod removal;
mod results;
mod summary;
pub mod tables;
mod text;
mod transfer;
mod words;

#[cfg(test)]
pub(crate) mod tests;

pub use anatomy::{Anatomy, Kind, Limits, Part, Reading};
pub use author::{Authorship, Mailbox, doubt};
pub use head::{Field, Head};
pub use html::{
    Attributes, Concealment, HtmlReader, MarkedText, attribute_value, html_to_marked_text,
    html_to_text, is_block, read_html,
};
pub use media::{Encoding, Media};
pub use nature::{Honesty, Nature, extension, is_honest, readings, recognize};
pub use normal::{Normaliser, Tricks, is_hidden, latin_look};
pub use oddity::{Oddities, Oddity};
pub use place::Place;
pub use results::{AuthenticationResults, MethodResult};
pub use text::Zone;

use bytes::Bytes;

/// A part of shared octets; what lies outside of them is left away.
fn cut(octets: &Bytes, range: std::ops::Range<usize>) -> Bytes {
    let end = range.end.min(octets.len());
    octets.slice(range.start.min(end)..end)
}
