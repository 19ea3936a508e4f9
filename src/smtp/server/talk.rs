//! What all phases share: the replies that wait, the state of the session and the counters.

use std::sync::Arc;

use super::content::Progress;
use super::line::Lines;
use super::replies::{self, Say};
use super::{Closing, Commands, Hello, Refusal, Terms, Turn, Why};
use crate::mail::{Envelope, MailId, Recipient, Reply};
use crate::smtp::command::{Command, MailCommand, Mechanism};

/// How much of a refused line is kept for the record.
const RECORDED_OCTETS: usize = 64;

/// A mail between `MAIL` and its end.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) mail: MailCommand,
    pub(super) recipients: Vec<Recipient>,
    /// Forward-paths refused for being too many.
    pub(super) surplus: usize,
    /// Present from the first `BDAT` on.
    pub(super) chunks: Option<Chunks>,
    /// The mail's name, for refusals.
    pub(super) reference: Option<MailId>,
}

/// How far a message in chunks has come.
#[derive(Debug)]
pub(super) enum Chunks {
    /// Between two chunks.
    Open(Progress),
    /// A chunk was refused: the rest is skipped (RFC 3030 section 2).
    Failed,
}

impl Transaction {
    pub(super) fn envelope(&mut self) -> Envelope {
        Envelope {
            reverse_path: self.mail.reverse_path.clone(),
            recipients: std::mem::take(&mut self.recipients),
            body: self.mail.body,
            smtputf8: self.mail.smtputf8,
            dsn_return: self.mail.dsn_return,
            envelope_id: self.mail.envelope_id.take(),
        }
    }
}

/// Between the lines of an AUTH exchange.
#[derive(Debug)]
pub(super) enum Exchange {
    /// The first response is awaited.
    First(Mechanism),
    /// `LOGIN` gave its name and is to give its password.
    LoginPassword(String),
}

#[derive(Debug)]
pub(super) struct Talk {
    pub(super) terms: Arc<Terms>,
    pub(super) lines: Lines,
    pub(super) replies: Vec<u8>,
    pub(super) refusals: Vec<Refusal>,
    pub(super) hello: Option<Hello>,
    pub(super) is_encrypted: bool,
    pub(super) account: Option<String>,
    pub(super) exchange: Option<Exchange>,
    pub(super) transaction: Option<Box<Transaction>>,
    /// The client is not served at all and only waited for to say QUIT.
    pub(super) is_barred: bool,
    /// The session's name, for refusals outside of a transaction.
    pub(super) reference: Option<MailId>,
    /// The client sent something before it could have read a reply that it had to wait for.
    pub(super) has_pipelined_unasked: bool,
    mails: u32,
    errors: u32,
    idle_commands: u32,
}

impl Talk {
    pub(super) fn new(terms: Arc<Terms>) -> Talk {
        Talk {
            terms,
            lines: Lines::default(),
            replies: Vec::new(),
            refusals: Vec::new(),
            hello: None,
            is_encrypted: false,
            account: None,
            exchange: None,
            transaction: None,
            is_barred: false,
            reference: None,
            has_pipelined_unasked: false,
            mails: 0,
            errors: 0,
            idle_commands: 0,
        }
    }

    /// A positive reply in wire form.
    pub(super) fn wire(&mut self, wire: &[u8]) {
        self.replies.extend_from_slice(wire);
    }

    /// RFC 3207 section 4.2: whatever the client said in clear was never said. The counters
    /// are the box's own knowledge and stay.
    pub(super) fn forget(&mut self) {
        self.hello = None;
        self.account = None;
        self.exchange = None;
        self.transaction = None;
    }

    /// Says a refusal and keeps it for the record, without counting it as an error.
    pub(super) fn note(&mut self, command: &[u8], reply: Reply) {
        let reply = self.referred(reply);
        reply.write_to(&mut self.replies);
        // What follows AUTH can hold a password.
        let is_auth = command.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH"));
        let kept = if is_auth { 4 } else { command.len().min(RECORDED_OCTETS) };
        let command = String::from_utf8_lossy(command.get(..kept).unwrap_or_default());
        let command = command.into_owned();
        let in_transaction = self.transaction.is_some();
        self.refusals.push(Refusal { command, reply, in_transaction });
    }

    /// The reply with the name of the mail that it refuses, or of the session.
    fn referred(&self, reply: Reply) -> Reply {
        let of_mail = self.transaction.as_ref().and_then(|open| open.reference);
        match of_mail.or(self.reference) {
            Some(reference) => reply.with_reference(reference),
            None => reply,
        }
    }

    /// RFC 2920 section 3.1: after `HELO` nothing may follow a command before its reply, after
    /// `EHLO` nothing may follow these. What is still unread came too early.
    pub(super) fn watch_pipelining(&mut self, command: &Command, unread: &[u8]) {
        if unread.is_empty() {
            return;
        }
        let is_permitted = self.hello.as_ref().is_some_and(|hello| hello.extended)
            && !matches!(
                command,
                Command::Helo(_) | Command::Ehlo(_) | Command::Data | Command::Auth(_)
            );
        // RFC 3030 section 4.2: a chunk comes with its command.
        let is_chunk = matches!(command, Command::Bdat(_));
        self.has_pipelined_unasked |= !is_permitted && !is_chunk;
    }

    /// Says that this error was one too many.
    fn say_enough(&mut self) {
        let reply = self.referred(replies::TOO_MANY_ERRORS.reply());
        reply.write_to(&mut self.replies);
    }

    /// Counts a command that leads to no mail; whether it was one too many.
    pub(super) fn is_idling(&mut self) -> bool {
        self.idle_commands += 1;
        self.idle_commands > self.terms.idle_commands
    }

    /// Counts an error; whether it was one too many.
    pub(super) fn is_erring(&mut self) -> bool {
        self.errors += 1;
        self.errors >= self.terms.errors
    }

    /// Whether one more mail is one too many.
    pub(super) fn has_sent_enough(&self) -> bool {
        self.mails >= self.terms.mails
    }

    /// A mail was sent whole, whatever became of it.
    pub(super) fn count_mail(&mut self) {
        self.transaction = None;
        self.mails += 1;
        self.idle_commands = 0;
    }

    /// Goes on with commands.
    pub(super) fn go_on(self: Box<Talk>) -> Turn {
        Turn::Commands(Commands::of(self))
    }

    pub(super) fn close(self: Box<Talk>, why: Why) -> Turn {
        Turn::Closing(Closing { talk: self, why })
    }

    /// Says a last word and closes.
    pub(super) fn close_with(mut self: Box<Talk>, command: &[u8], say: Say, why: Why) -> Turn {
        self.note(command, say.reply());
        self.close(why)
    }

    /// Refuses what the client did wrong, and after too many of these the client.
    pub(super) fn error(mut self: Box<Talk>, command: &[u8], reply: Reply) -> Turn {
        self.note(command, reply);
        match self.is_erring() {
            true => {
                self.say_enough();
                self.close(Why::Misconduct)
            }
            false => self.go_on(),
        }
    }

    /// Passes the driver's refusal on: a 5xx counts as an error, a `421` ends the session.
    pub(super) fn refuse(mut self: Box<Talk>, reply: &Reply) -> Turn {
        let reply = sane(reply);
        reply.write_to(&mut self.replies);
        if reply.code == 421 {
            return self.close(Why::Shut);
        }
        match reply.is_permanent() && self.is_erring() {
            true => {
                self.say_enough();
                self.close(Why::Misconduct)
            }
            false => self.go_on(),
        }
    }
}

/// A refusal is 4xx or 5xx; anything else would be taken for consent.
pub(super) fn sane(reply: &Reply) -> Reply {
    match (400..600).contains(&reply.code) && !reply.text.is_empty() {
        true => reply.clone(),
        false => Reply::new(451, crate::mail::EnhancedCode(4, 3, 0), "not now; try again later"),
    }
}
