//! The vocabulary of the house: what a mail is, who it is from and for, what was found in it
//! and what became of it. Every other room speaks in these terms and this room imports none.
//!
//! Invariant: a [`Mail<S>`] only moves forward. Each stage type `S` has a private constructor
//! in the room that mints it and wraps the stage before, so that the compiler refuses to
//! answer `250` for what is not durable, deliver what was not judged, or judge what was not
//! scanned.

mod about;
mod address;
mod content;
mod content_hit;
mod envelope;
mod facts;
mod family;
mod id;
mod marking;
mod reply;
mod stage;
mod verdict;

pub use about::About;
pub use address::{Address, AddressError, Domain, ForwardPath, Host, LocalPart, ReversePath};
pub use content::{Budget, Content, ContentError, ContentWriter, Edit, Reservation};
pub use content_hit::{ContentHit, Severity};
pub use envelope::{BodyType, DsnReturn, Envelope, Notify, OriginalRecipient, Recipient};
pub use facts::{Facts, HeaderField, Manners, Role, Summary, TlsFacts};
pub use family::Family;
pub use id::MailId;
pub use marking::{Marking, MarkingLevel, MarkingPlace};
pub use reply::{EnhancedCode, Reply};
pub use stage::{Durable, Mail, Receipt};
pub use verdict::{
    AnnotationPlace, Class, Disposition, Expiry, Finding, Judgement, Order, RateKey, Verdict,
    two_decimals,
};
