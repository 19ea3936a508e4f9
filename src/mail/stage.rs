//! `Mail<S>`: a mail and the proof of how far it has come.

use std::sync::Arc;

use super::{Content, Envelope, Facts, MailId};

/// A mail in stage `S`. Cloning is cheap: the parts are shared.
#[derive(Debug, Clone)]
pub struct Mail<S> {
    /// Its name for life.
    pub id: MailId,
    /// Who it is from and for.
    pub envelope: Arc<Envelope>,
    /// What the box observed.
    pub facts: Arc<Facts>,
    /// The message as it was received, byte for byte.
    pub content: Content,
    stage: S,
}

impl<S> Mail<S> {
    /// Puts a mail together in a stage whose value only the minting room can make.
    pub fn new(
        id: MailId,
        envelope: Arc<Envelope>,
        facts: Arc<Facts>,
        content: Content,
        stage: S,
    ) -> Mail<S> {
        Mail { id, envelope, facts, content, stage }
    }

    /// What the stage carries.
    pub fn stage(&self) -> &S {
        &self.stage
    }

    /// Moves to the next stage, which wraps this one.
    pub fn advance<T>(self, next: impl FnOnce(S) -> T) -> Mail<T> {
        Mail {
            id: self.id,
            envelope: self.envelope,
            facts: self.facts,
            content: self.content,
            stage: next(self.stage),
        }
    }
}

/// Marks the stages in which a mail survives a power cut. Only `spool` and what comes after
/// it may implement this.
pub trait Durable {}

/// The right to answer `250` to end of data: exists only for a mail that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt(MailId);

impl Receipt {
    /// The receipt of a durable mail.
    pub fn of<S: Durable>(mail: &Mail<S>) -> Receipt {
        Receipt(mail.id)
    }

    /// Which mail.
    pub fn mail_id(&self) -> MailId {
        self.0
    }
}
