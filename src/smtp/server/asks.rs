//! Questions to the driver. Each holds the session and gives it back with the answer.

use std::fmt;

use super::content::{Content, Progress};
use super::replies;
use super::talk::{Chunks, Talk, Transaction};
use super::text::Framing;
use super::{Commands, Hello, Turn};
use crate::mail::{Address, MailId, Recipient, Reply};
use crate::smtp::command::{Chunk, MailCommand, RcptCommand};

macro_rules! phase {
    ($($name:ty),+) => {$(
        impl $name {
            pub(super) fn talk(&mut self) -> &mut Talk {
                &mut self.talk
            }

            pub(super) fn into_talk(self) -> Box<Talk> {
                self.talk
            }

            /// How the client greeted.
            pub fn hello(&self) -> Option<&Hello> {
                self.talk.hello.as_ref()
            }
        }
    )+};
}
phase!(SenderAsked, RecipientAsked, AuthAsked, TlsAsked, BeginAsked);

/// May this reverse-path send?
#[derive(Debug)]
pub struct SenderAsked {
    talk: Box<Talk>,
    mail: MailCommand,
    reference: Option<MailId>,
}

impl SenderAsked {
    pub(super) fn new(talk: Box<Talk>, mail: MailCommand) -> SenderAsked {
        SenderAsked { talk, mail, reference: None }
    }

    /// What was asked for.
    pub fn mail(&self) -> &MailCommand {
        &self.mail
    }

    /// Refusals of the mail are to name it so.
    pub fn named(mut self, reference: MailId) -> SenderAsked {
        self.reference = Some(reference);
        self
    }

    /// It may: a transaction begins.
    pub fn accept(mut self) -> Commands {
        self.talk.wire(replies::SENDER_OK);
        let transaction = Transaction {
            mail: self.mail,
            recipients: Vec::new(),
            surplus: 0,
            chunks: None,
            reference: self.reference,
        };
        self.talk.transaction = Some(Box::new(transaction));
        Commands::of(self.talk)
    }

    /// It may not; a `421` ends the session.
    pub fn refuse(self, reply: &Reply) -> Turn {
        self.talk.refuse(reply)
    }
}

/// Is mail taken for this forward-path?
#[derive(Debug)]
pub struct RecipientAsked {
    talk: Box<Talk>,
    rcpt: RcptCommand,
}

impl RecipientAsked {
    pub(super) fn new(talk: Box<Talk>, rcpt: RcptCommand) -> RecipientAsked {
        RecipientAsked { talk, rcpt }
    }

    /// What was asked for.
    pub fn rcpt(&self) -> &RcptCommand {
        &self.rcpt
    }

    /// The transaction's reverse-path and its parameters.
    pub fn mail(&self) -> Option<&MailCommand> {
        self.talk.transaction.as_ref().map(|transaction| &transaction.mail)
    }

    /// It is, and this is the address that stands for it in the envelope.
    pub fn accept(mut self, forward_path: Address) -> Commands {
        let recipient =
            Recipient { forward_path, notify: self.rcpt.notify, original: self.rcpt.original };
        if let Some(transaction) = &mut self.talk.transaction {
            transaction.recipients.push(recipient);
        }
        self.talk.wire(replies::RECIPIENT_OK);
        Commands::of(self.talk)
    }

    /// It is not.
    pub fn refuse(self, reply: &Reply) -> Turn {
        self.talk.refuse(reply)
    }
}

/// What a client proves itself with. Debug shows no password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Account.
    pub name: String,
    /// Its password, as typed.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Credentials of {:?}", self.name)
    }
}

/// Are these credentials right?
#[derive(Debug)]
pub struct AuthAsked {
    talk: Box<Talk>,
    credentials: Credentials,
}

impl AuthAsked {
    pub(super) fn new(talk: Box<Talk>, credentials: Credentials) -> AuthAsked {
        AuthAsked { talk, credentials }
    }

    /// What the client gave.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// They are.
    pub fn accept(mut self) -> Commands {
        self.talk.wire(replies::AUTHENTICATED);
        self.talk.account = Some(self.credentials.name);
        Commands::of(self.talk)
    }

    /// They are not; after too many of these the session ends.
    pub fn refuse(self) -> Turn {
        self.talk.error(b"AUTH", replies::AUTH_FAILED.reply())
    }

    /// Nobody is asked for now, and this is why.
    pub fn put_off(self, reply: &Reply) -> Turn {
        self.talk.refuse(reply)
    }

    /// Nobody knows at present.
    pub fn defer(self) -> Turn {
        self.talk.refuse(&replies::AUTH_UNAVAILABLE.reply())
    }
}

/// Can TLS begin?
#[derive(Debug)]
pub struct TlsAsked {
    talk: Box<Talk>,
}

impl TlsAsked {
    pub(super) fn new(talk: Box<Talk>) -> TlsAsked {
        TlsAsked { talk }
    }

    /// It can, once the replies are written. Nothing more is read in clear.
    pub fn accept(mut self) -> (Vec<u8>, TlsPending) {
        self.talk.wire(replies::READY_FOR_TLS);
        (std::mem::take(&mut self.talk.replies), TlsPending { talk: self.talk })
    }

    /// It cannot for the moment (RFC 3207 section 4: `454`).
    pub fn refuse(self, reply: &Reply) -> Turn {
        self.talk.refuse(reply)
    }
}

/// The handshake is under way. If it fails there is nothing to say and nobody to hear it.
#[derive(Debug)]
pub struct TlsPending {
    talk: Box<Talk>,
}

impl TlsPending {
    /// The connection is encrypted and the session begins anew (RFC 3207 section 4.2).
    pub fn established(mut self) -> Commands {
        self.talk.forget();
        self.talk.is_encrypted = true;
        Commands::of(self.talk)
    }
}

/// How content is about to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    Data,
    Chunk(Chunk),
}

/// Can content be taken now?
#[derive(Debug)]
pub struct BeginAsked {
    talk: Box<Talk>,
    opening: Opening,
}

impl BeginAsked {
    pub(super) fn new(talk: Box<Talk>, opening: Opening) -> BeginAsked {
        BeginAsked { talk, opening }
    }

    /// How large the client says the message is.
    pub fn announced_octets(&self) -> Option<u64> {
        self.talk.transaction.as_ref()?.mail.size_octets
    }

    /// It can.
    pub fn accept(mut self) -> Turn {
        match self.opening {
            Opening::Data => {
                self.talk.wire(replies::GO_AHEAD);
                Content::data(self.talk).into_turn()
            }
            Opening::Chunk(chunk) => {
                Content::chunk(self.talk, Progress::new(Framing::Counted), chunk).into_turn()
            }
        }
    }

    /// It cannot. The octets of a chunk come all the same and are skipped.
    pub fn refuse(mut self, reply: &Reply) -> Turn {
        match self.opening {
            Opening::Data => self.talk.refuse(reply),
            Opening::Chunk(chunk) => {
                if let Some(transaction) = &mut self.talk.transaction {
                    transaction.chunks = Some(Chunks::Failed);
                }
                Content::skip(self.talk, chunk, super::talk::sane(reply)).into_turn()
            }
        }
    }
}
