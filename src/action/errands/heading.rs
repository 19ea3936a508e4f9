//! What a message's header says to a machine that is about to answer it or pass it on.
//!
//! In: the content. Out: [`Heading`]: whether it was written by a program (RFC 3834), comes
//! from a mailing list (RFC 2919, RFC 2369) or in bulk, and the marks of earlier passages.
//!
//! A mark is a signature over a purpose, an address and the message's own identity, so that
//! it names nobody, cannot be made by others, and one message's mark is no good for another.

use std::io;

use super::super::secret::Secret;
use crate::mail::{Address, Content};
use crate::message::{Head, edit};

/// The field that holds one mark.
pub(in crate::action) const TRAIL: &str = "X-Postern-Trail";
/// Octets of a mark.
const MARK_OCTETS: usize = 16;
/// RFC 2369, RFC 2919, and what older lists write.
const LIST_FIELDS: [&str; 6] =
    ["list-id", "list-post", "list-unsubscribe", "list-help", "list-owner", "mailing-list"];

/// What the header says.
#[derive(Debug, Clone, Default)]
pub(in crate::action) struct Heading {
    /// A program wrote it.
    pub(in crate::action) is_automatic: bool,
    /// It comes from a mailing list, or in bulk.
    pub(in crate::action) is_bulk: bool,
    identity: Vec<u8>,
    marks: Vec<Vec<u8>>,
}

impl Heading {
    /// Reads a content's header; away from the runtime's threads when it lies in a file.
    pub(in crate::action) async fn of(content: &Content) -> Result<Heading, String> {
        let content = content.clone();
        let read = match content.in_memory().is_some() {
            true => Heading::read(&content),
            false => tokio::task::spawn_blocking(move || Heading::read(&content))
                .await
                .map_err(|error| error.to_string())?,
        };
        read.map_err(|error| error.to_string())
    }

    fn read(content: &Content) -> io::Result<Heading> {
        let head = edit::head_of(content)?;
        let value = |name: &str| {
            let value = head.first(name).unwrap_or_default();
            String::from_utf8_lossy(value).trim().to_ascii_lowercase()
        };
        let word = |name: &str| {
            let value = value(name);
            value.split([';', ' ', '\t', '\r', '\n']).next().unwrap_or_default().to_owned()
        };
        let automatic = word("auto-submitted");
        let suppress = value("x-auto-response-suppress");
        let is_list = LIST_FIELDS.iter().any(|name| head.first(name).is_some());
        let in_bulk = ["bulk", "junk", "list"].contains(&word("precedence").as_str());
        Ok(Heading {
            // RFC 3834 section 5: any value but "no".
            is_automatic: (!automatic.is_empty() && automatic != "no")
                || ["all", "oof", "autoreply"].iter().any(|one| suppress.contains(one)),
            is_bulk: is_list || in_bulk,
            identity: identity(&head),
            marks: head.all(TRAIL).map(|field| head.value(field).trim_ascii().to_vec()).collect(),
        })
    }

    /// Whether the message went by this way before, to this address.
    pub(in crate::action) fn went(&self, secret: &Secret, purpose: &str, to: &Address) -> bool {
        let mark = mark(secret, purpose, to, &self.identity).into_bytes();
        self.marks.contains(&mark)
    }

    /// The mark that says so of this message.
    pub(in crate::action) fn mark(&self, secret: &Secret, purpose: &str, to: &Address) -> String {
        mark(secret, purpose, to, &self.identity)
    }
}

/// The mark of a message of the box's own that is named so.
pub(in crate::action) fn mark_of(
    secret: &Secret,
    purpose: &str,
    to: &Address,
    message_id: &str,
) -> String {
    mark(secret, purpose, to, format!("<{message_id}>").as_bytes())
}

fn mark(secret: &Secret, purpose: &str, to: &Address, identity: &[u8]) -> String {
    let tag = secret.sign(purpose, &[to.key().as_bytes(), identity]);
    tag.iter().take(MARK_OCTETS).map(|octet| format!("{octet:02x}")).collect()
}

/// What stays the same of a message wherever it goes: its Message-ID, or what else its author
/// wrote about it.
fn identity(head: &Head) -> Vec<u8> {
    let field = |name: &str| head.first(name).unwrap_or_default().trim_ascii().to_vec();
    let named = field("message-id");
    match named.is_empty() {
        false => named,
        true => [field("date"), field("from")].join(&b'\n'),
    }
}
