//! The server's side of SMTP as a machine without sockets and clocks (RFC 5321 and the
//! extensions PIPELINING, SIZE, 8BITMIME, SMTPUTF8, ENHANCEDSTATUSCODES, CHUNKING, DSN,
//! STARTTLS, AUTH and LIMITS).
//!
//! In: octets, split anywhere, and the driver's decisions. Out: a [`Turn`]: what is to happen
//! next, and in it the right to say how it went. Every phase is a type of its own; to answer
//! a question consumes it and gives the next phase, so that what is out of order cannot be
//! written down:
//!
//! ```text
//!            Commands::advance(input)                       Content::advance(input)
//! Commands ──┬─> Sender    ── accept / refuse ─> Commands
//!            ├─> Recipient ── accept / refuse ─> Commands
//!            ├─> Begin     ── accept ──────────> Content ──┬─> Ended ── accepted(Receipt) ─> Commands
//!            │             └─ refuse ─> (a chunk is skipped)└─> Commands (a chunk, no end)
//!            ├─> StartTls  ── accept ─> TlsPending ── established ─> Commands, all forgotten
//!            ├─> Authenticate ── accept / refuse / defer ─> Commands
//!            └─> Closing: write the replies, close
//! ```
//!
//! Invariants: a `250` to end of data needs a [`Receipt`](crate::mail::Receipt). At most one
//! command line and the replies to one input are held. Replies come in the order of the
//! commands, those to a batch together (RFC 2920 section 3.1). A bare CR or LF anywhere ends
//! the session, and what follows it is never read. What follows `STARTTLS` in clear is never
//! read either.

mod asks;
mod auth;
mod commands;
mod content;
mod fuzz;
mod line;
mod replies;
mod talk;
mod text;

#[cfg(test)]
mod tests;

pub use asks::{
    AuthAsked, BeginAsked, Credentials, RecipientAsked, SenderAsked, TlsAsked, TlsPending,
};
pub use commands::Commands;
pub use content::{Content, Ended, Flow};
pub use fuzz::fuzz_body;

use talk::Talk;

use crate::mail::{Domain, Reply, Role};

/// What the machine is told about the listener. Shared by its sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// For greetings.
    pub hostname: Domain,
    /// Submission offers AUTH over TLS and wants it before mail.
    pub role: Role,
    /// Whether STARTTLS is offered.
    pub starttls: StartTls,
    /// Largest message, announced by SIZE.
    pub message_octets: u64,
    /// Recipients of a message, announced by LIMITS.
    pub recipients: usize,
    /// Messages of a session, announced by LIMITS.
    pub mails: u32,
    /// A command line with its CRLF.
    pub command_octets: usize,
    /// A line of text with its CRLF.
    pub text_line_octets: u64,
    /// Errors before the session ends.
    pub errors: u32,
    /// Commands in a row that lead to no mail before the session ends.
    pub idle_commands: u32,
    /// Received fields in a message that is not taken for a loop yet.
    pub hops: usize,
}

/// Whether the listener has a certificate to offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    /// It has.
    Offered,
    /// It has not, or TLS comes first, or never.
    NotOffered,
}

/// How the connection is protected when the machine starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// Not at all.
    Clear,
    /// By TLS from the first octet (RFC 8314).
    Encrypted,
}

/// How a client greeted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// What it called itself.
    pub name: String,
    /// With EHLO, as against HELO.
    pub extended: bool,
}

/// A command that the machine refused by itself, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The verb, or the beginning of what stood in its place.
    pub command: String,
    /// What the client was told.
    pub reply: Reply,
    /// Whether a mail was under way: whose reference the reply carries.
    pub in_transaction: bool,
}

/// What is to happen next.
#[derive(Debug)]
pub enum Turn {
    /// Octets are wanted, as commands.
    Commands(Commands),
    /// A reverse-path is to be judged.
    Sender(SenderAsked),
    /// A forward-path is to be judged.
    Recipient(RecipientAsked),
    /// Credentials are to be verified.
    Authenticate(AuthAsked),
    /// The client asks for TLS.
    StartTls(TlsAsked),
    /// Content is about to begin.
    Begin(BeginAsked),
    /// Octets are wanted, as content.
    Content(Content),
    /// Content is complete and not answered yet.
    Ended(Ended),
    /// The replies are to be written and the connection closed.
    Closing(Closing),
}

impl Turn {
    fn talk(&mut self) -> &mut Talk {
        match self {
            Turn::Commands(phase) => phase.talk(),
            Turn::Sender(phase) => phase.talk(),
            Turn::Recipient(phase) => phase.talk(),
            Turn::Authenticate(phase) => phase.talk(),
            Turn::StartTls(phase) => phase.talk(),
            Turn::Begin(phase) => phase.talk(),
            Turn::Content(phase) => phase.talk(),
            Turn::Ended(phase) => phase.talk(),
            Turn::Closing(phase) => &mut phase.talk,
        }
    }

    /// Replies that wait to be written, in wire form; the machine forgets them.
    pub fn take_replies(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.talk().replies)
    }

    /// Octets of replies that wait to be written.
    pub fn reply_octets(&mut self) -> usize {
        self.talk().replies.len()
    }

    /// What the machine refused since it was last asked.
    pub fn take_refusals(&mut self) -> Vec<Refusal> {
        std::mem::take(&mut self.talk().refusals)
    }

    /// Octets that the machine holds, replies aside.
    pub fn held_octets(&mut self) -> usize {
        self.talk().lines.kept_octets()
    }

    fn into_talk(self) -> Box<Talk> {
        match self {
            Turn::Commands(phase) => phase.into_talk(),
            Turn::Sender(phase) => phase.into_talk(),
            Turn::Recipient(phase) => phase.into_talk(),
            Turn::Authenticate(phase) => phase.into_talk(),
            Turn::StartTls(phase) => phase.into_talk(),
            Turn::Begin(phase) => phase.into_talk(),
            Turn::Content(phase) => phase.into_talk(),
            Turn::Ended(phase) => phase.into_talk(),
            Turn::Closing(phase) => phase.talk,
        }
    }

    /// Ends the session from outside, because of a time-out or an orderly stop, with a last
    /// reply; a `421` may come at any time (RFC 5321 section 3.8).
    pub fn shut(self, reply: &Reply) -> Closing {
        match self {
            Turn::Closing(closing) => closing,
            open => {
                let mut talk = open.into_talk();
                reply.write_to(&mut talk.replies);
                Closing { talk, why: Why::Shut }
            }
        }
    }
}

/// Why the machine has come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The client said QUIT.
    Quit,
    /// A bare CR or LF: whatever follows could be meant to be smuggled.
    BareLineEnd,
    /// The client broke the protocol beyond repair, or too often.
    Misconduct,
    /// The driver ended the session.
    Shut,
}

/// The last phase.
#[derive(Debug)]
pub struct Closing {
    talk: Box<Talk>,
    why: Why,
}

impl Closing {
    /// Why.
    pub fn why(&self) -> Why {
        self.why
    }
}
