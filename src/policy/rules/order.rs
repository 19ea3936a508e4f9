//! What rules order: final orders, of which the first counts, and accumulating ones.

use std::fmt;

use super::atom::FileTest;
use crate::mail::{Address, AnnotationPlace, Class, Expiry, RateKey};

/// What becomes of the copy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FinalOrder {
    /// It goes out, whatever score and classes of unwanted mail say.
    Deliver {
        /// And whatever these say.
        despite: Vec<Despite>,
    },
    /// It is refused.
    Reject {
        /// What the sender reads.
        text: String,
    },
    /// It is accepted and dropped, journalled.
    Discard,
    /// It is kept from its recipient.
    Quarantine {
        /// In this area.
        area: String,
    },
    /// The mail is refused for now.
    Defer {
        /// What the sender reads.
        text: String,
    },
    /// It waits for somebody's approval.
    Hold {
        /// Who is asked.
        approver: Address,
        /// For how long.
        expires_hours: u32,
        /// What becomes of it when nobody answers.
        on_expiry: Expiry,
    },
    /// It goes to others instead.
    Redirect {
        /// To these.
        to: Vec<Address>,
    },
    /// It goes by secure delivery or not at all.
    Secure,
}

/// What a rule delivers a mail in spite of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Despite {
    /// A class of findings.
    Class(Class),
    /// What the author's domain asks for where DMARC fails.
    Dmarc,
}

/// The kinds of final orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // Named like the orders.
pub enum FinalKind {
    Deliver,
    Reject,
    Discard,
    Quarantine,
    Defer,
    Hold,
    Redirect,
    Secure,
}

impl FinalKind {
    /// Every one with its word.
    pub const WORDS: [(&str, FinalKind); 8] = [
        ("deliver", FinalKind::Deliver),
        ("reject", FinalKind::Reject),
        ("discard", FinalKind::Discard),
        ("quarantine", FinalKind::Quarantine),
        ("defer", FinalKind::Defer),
        ("hold", FinalKind::Hold),
        ("redirect", FinalKind::Redirect),
        ("secure", FinalKind::Secure),
    ];

    /// As rules write it.
    pub fn word(self) -> &'static str {
        let found = FinalKind::WORDS.iter().find(|(_, kind)| *kind == self);
        found.map_or("", |(word, _)| word)
    }
}

impl fmt::Display for FinalKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.word())
    }
}

impl FinalOrder {
    /// Its kind.
    pub fn kind(&self) -> FinalKind {
        match self {
            FinalOrder::Deliver { .. } => FinalKind::Deliver,
            FinalOrder::Reject { .. } => FinalKind::Reject,
            FinalOrder::Discard => FinalKind::Discard,
            FinalOrder::Quarantine { .. } => FinalKind::Quarantine,
            FinalOrder::Defer { .. } => FinalKind::Defer,
            FinalOrder::Hold { .. } => FinalKind::Hold,
            FinalOrder::Redirect { .. } => FinalKind::Redirect,
            FinalOrder::Secure => FinalKind::Secure,
        }
    }
}

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Notified {
    /// The reverse-path, where it is not forged.
    Sender,
    /// The recipient whose copy it is about.
    Recipient,
    /// The box's postmaster.
    Administrator,
    /// Somebody else.
    Address(Address),
}

/// An order that goes beside others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Order {
    /// Puts a text before the Subject.
    TagSubject(String),
    /// Adds a header field.
    AddHeader {
        /// Field name.
        name: String,
        /// Field body.
        value: String,
    },
    /// Removes every header field of this name.
    RemoveHeader(String),
    /// Takes out the files that pass; a notice stands in their place.
    StripAttachments(FileTest),
    /// Puts a text of the house into the body.
    Annotate {
        /// For plain text.
        text: String,
        /// For HTML.
        html: Option<String>,
        /// Where.
        place: AnnotationPlace,
        /// Names it, so that a thread has it once.
        key: String,
    },
    /// These get a copy as well.
    Copy {
        /// Who.
        to: Vec<Address>,
    },
    /// A mail of the box's own about this one.
    Notify {
        /// Who reads it.
        to: Vec<Notified>,
        /// A template.
        subject: String,
        /// A template.
        text: String,
    },
    /// Keeps the mail in the archive.
    Archive {
        /// In this class.
        class: String,
    },
    /// Goes by these next hops, with spaces between, in their order.
    RouteVia(String),
    /// Lets no more than so many through in a time.
    RateLimit {
        /// Of the limit.
        name: String,
        /// So many.
        count: u32,
        /// In any so many seconds.
        per_s: u32,
        /// Whose mails are counted together.
        by: RateKey,
    },
}

impl Order {
    /// The words of all of them.
    pub const WORDS: [&str; 10] = [
        "tag_subject",
        "add_header",
        "remove_header",
        "strip_attachments",
        "annotate",
        "copy",
        "notify",
        "archive",
        "route_via",
        "rate_limit",
    ];

    /// As rules write it.
    pub fn word(&self) -> &'static str {
        match self {
            Order::TagSubject(_) => "tag_subject",
            Order::AddHeader { .. } => "add_header",
            Order::RemoveHeader(_) => "remove_header",
            Order::StripAttachments(_) => "strip_attachments",
            Order::Annotate { .. } => "annotate",
            Order::Copy { .. } => "copy",
            Order::Notify { .. } => "notify",
            Order::Archive { .. } => "archive",
            Order::RouteVia(_) => "route_via",
            Order::RateLimit { .. } => "rate_limit",
        }
    }
}
