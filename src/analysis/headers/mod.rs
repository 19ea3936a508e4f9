//! How honest the header and the form of a message look.
//!
//! In: a message taken apart, its author, and how it came. Out: sightings of small and middling
//! weight: dates, Message-ID, trace, mail programs that others claim to be, subject,
//! addressees, marks of bulk mail, HTML that hides text. Each was measured on honest and bad
//! mail twenty years apart and kept only where both agree, or where a protocol is plainly
//! broken. Linear in the message and bounded; nothing fails.

mod addressees;
mod bulk;
mod date;
mod mailer;
mod message_id;
mod shown;
mod subject;
mod trace;
mod visible;

use super::{Passage, Sighting};
use crate::mail::{Domain, Role};
use crate::message::{Anatomy, Authorship, Head};

/// What the looks share.
struct Context<'m> {
    anatomy: &'m Anatomy,
    head: &'m Head,
    author: &'m Authorship,
    passage: Option<Passage<'m>>,
    /// The box's own name.
    hostname: Option<&'m Domain>,
    hops: Vec<trace::Hop>,
    /// A list sent it on, which rewrites header and body.
    is_list: bool,
}

impl Context<'_> {
    /// The decoded text of a field.
    fn text(&self, name: &str) -> Option<String> {
        self.head.text(name).map(std::borrow::Cow::into_owned)
    }

    fn has(&self, name: &str) -> bool {
        self.head.first(name).is_some()
    }

    /// The domain of the author's address.
    fn author_domain(&self) -> Option<&str> {
        match self.author {
            Authorship::One(mailbox) => mailbox.address.domain().map(Domain::as_str),
            _ => None,
        }
    }

    /// Seconds since 1970 when the mail came, or when the last hop says that it did.
    fn received(&self) -> Option<i64> {
        let observed = self.passage.map(|passage| passage.facts.received_ms / 1_000);
        observed
            .and_then(|seconds| i64::try_from(seconds).ok())
            .or_else(|| self.hops.first().and_then(|hop| hop.seconds))
    }

    /// Mail that own people send has no trace yet, and lacks what the box adds.
    fn is_own(&self) -> bool {
        self.passage.is_some_and(|passage| passage.facts.role != Role::Inbound)
    }
}

/// Looks at header and form. `hostname` is the box's own name.
pub fn look(
    anatomy: &Anatomy,
    author: &Authorship,
    passage: Option<Passage<'_>>,
    hostname: Option<&Domain>,
) -> Vec<Sighting> {
    let Some(head) = anatomy.head() else { return Vec::new() };
    if head.fields().is_empty() {
        // That is an oddity of form.
        return Vec::new();
    }
    let hops = trace::hops(head);
    let is_list = ["list-id", "list-post", "mailing-list", "x-mailing-list", "x-beenthere"]
        .into_iter()
        .any(|name| head.first(name).is_some());
    let context = Context { anatomy, head, author, passage, hostname, hops, is_list };
    let mut seen = Vec::new();
    date::look(&context, &mut seen);
    message_id::look(&context, &mut seen);
    trace::look(&context, &mut seen);
    mailer::look(&context, &mut seen);
    subject::look(&context, &mut seen);
    addressees::look(&context, &mut seen);
    bulk::look(&context, &mut seen);
    shown::look(&context, &mut seen);
    seen
}

#[cfg(test)]
mod tests;
