//! The phase between commands: order (RFC 5321 section 4.1.4), counting, and dispatch.

use std::borrow::Cow;
use std::sync::Arc;

use super::asks::{BeginAsked, Opening, RecipientAsked, SenderAsked, TlsAsked};
use super::content::Content;
use super::line::Line;
use super::replies::{self, Say};
use super::talk::{Chunks, Talk};
use super::{Channel, Hello, StartTls, Terms, Turn, Why, auth};
use crate::mail::{MailId, Reply, Role};
use crate::smtp::command::{Chunk, Command, CommandError, MailCommand, RcptCommand};

/// A chunk of a message that is refused anyway is read to its end up to so many times the
/// permitted size; a longer one ends the session.
const SKIPPED_SIZES: u64 = 4;

/// Waiting for commands.
#[derive(Debug)]
pub struct Commands {
    talk: Box<Talk>,
}

impl Commands {
    /// Greets a client.
    pub fn greet(terms: Arc<Terms>, channel: Channel) -> Commands {
        let mut talk = Box::new(Talk::new(terms));
        talk.is_encrypted = channel == Channel::Encrypted;
        let greeting = format!("220 {} ESMTP Postern\r\n", talk.terms.hostname);
        talk.wire(greeting.as_bytes());
        Commands { talk }
    }

    /// Greets a client that is not served: it is waited for to say QUIT, and everything else
    /// is refused (RFC 5321 section 3.1).
    pub fn bar(terms: Arc<Terms>, reply: &Reply) -> Commands {
        let mut talk = Box::new(Talk::new(terms));
        talk.is_barred = true;
        reply.write_to(&mut talk.replies);
        Commands { talk }
    }

    /// Refusals outside of a mail are to name the session so.
    pub fn named(mut self, reference: MailId) -> Commands {
        self.talk.reference = Some(reference);
        self
    }

    pub(super) fn of(talk: Box<Talk>) -> Commands {
        Commands { talk }
    }

    pub(super) fn talk(&mut self) -> &mut Talk {
        &mut self.talk
    }

    pub(super) fn into_talk(self) -> Box<Talk> {
        self.talk
    }

    /// Whether a line has begun and not ended.
    pub fn is_within_line(&self) -> bool {
        self.talk.lines.is_within_line()
    }

    /// Whether a mail is under way.
    pub fn is_in_transaction(&self) -> bool {
        self.talk.transaction.is_some()
    }

    /// Whether a part of a mail's content was taken and more is to come.
    pub fn is_between_chunks(&self) -> bool {
        let transaction = self.talk.transaction.as_ref();
        transaction.is_some_and(|open| matches!(open.chunks, Some(Chunks::Open(_))))
    }

    /// The account, once authenticated.
    pub fn account(&self) -> Option<&str> {
        self.talk.account.as_deref()
    }

    /// Obeys commands until one needs the driver or the input is used up.
    pub fn advance(self, input: &mut &[u8]) -> Turn {
        let mut talk = self.talk;
        loop {
            let limit = talk.terms.command_octets;
            let turn = match talk.lines.next(input, limit) {
                Line::Partial => return talk.go_on(),
                Line::Whole(line) => obey(talk, line, input),
                Line::TooLong => {
                    talk.exchange = None;
                    talk.error(b"(line too long)", replies::LINE_TOO_LONG.reply())
                }
                Line::Endless => {
                    talk.close_with(b"(endless line)", replies::LINE_TOO_LONG, Why::Misconduct)
                }
                Line::Bare => {
                    talk.close_with(b"(bare CR or LF)", replies::BARE_COMMAND, Why::BareLineEnd)
                }
            };
            match turn {
                Turn::Commands(commands) => talk = commands.talk,
                other => return other,
            }
        }
    }
}

fn obey(mut talk: Box<Talk>, line: Cow<'_, [u8]>, input: &[u8]) -> Turn {
    if let Some(exchange) = talk.exchange.take() {
        return auth::respond(talk, exchange, &line);
    }
    let command = match Command::parse(&line) {
        Ok(command) => command,
        Err(error) => return misunderstood(talk, &line, error),
    };
    if talk.is_barred && !matches!(command, Command::Quit | Command::Bdat(_)) {
        return talk.error(&line, replies::NOT_SERVED.reply());
    }
    talk.watch_pipelining(&command, input);
    match command {
        Command::Mail(mail) => on_mail(talk, &line, *mail),
        Command::Rcpt(rcpt) => on_rcpt(talk, &line, *rcpt),
        Command::Data => on_data(talk, &line),
        Command::Bdat(chunk) => on_bdat(talk, &line, chunk),
        Command::Helo(name) => on_hello(talk, Hello { name, extended: false }),
        Command::Ehlo(name) => on_hello(talk, Hello { name, extended: true }),
        Command::Auth(command) => auth::begin(talk, &line, command),
        Command::StartTls => on_starttls(talk, &line, input),
        Command::Rset => {
            talk.transaction = None;
            idle(talk, replies::OK)
        }
        Command::Noop => idle(talk, replies::OK),
        Command::Help => idle(talk, replies::HELP),
        Command::Vrfy => idle(talk, replies::CANNOT_VERIFY),
        Command::Expn => wrong(talk, &line, replies::NO_EXPN),
        Command::Quit => {
            talk.transaction = None;
            talk.wire(replies::BYE);
            talk.close(Why::Quit)
        }
    }
}

fn misunderstood(mut talk: Box<Talk>, line: &[u8], error: CommandError) -> Turn {
    match error.ends_session() {
        true => {
            talk.note(line, error.reply());
            talk.close(Why::Misconduct)
        }
        false => talk.error(line, error.reply()),
    }
}

fn wrong(talk: Box<Talk>, line: &[u8], say: Say) -> Turn {
    talk.error(line, say.reply())
}

/// A command that leads to no mail.
fn idle(mut talk: Box<Talk>, wire: &[u8]) -> Turn {
    match talk.is_idling() {
        true => talk.close_with(b"(idle)", replies::TOO_MANY_IDLE_COMMANDS, Why::Misconduct),
        false => {
            talk.wire(wire);
            talk.go_on()
        }
    }
}

/// RFC 5321 section 4.1.4: a greeting at any time is also a RSET.
fn on_hello(mut talk: Box<Talk>, hello: Hello) -> Turn {
    talk.transaction = None;
    let wire = match hello.extended {
        true => offer(&talk),
        false => format!("250 {}\r\n", talk.terms.hostname),
    };
    talk.hello = Some(hello);
    idle(talk, wire.as_bytes())
}

fn offer(talk: &Talk) -> String {
    let terms = &talk.terms;
    let mut wire = format!(
        "250-{}\r\n250-PIPELINING\r\n250-SIZE {}\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n\
         250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n250-DSN\r\n",
        terms.hostname, terms.message_octets
    );
    // RFC 3207 section 4.2: not offered again within TLS.
    if terms.starttls == StartTls::Offered && !talk.is_encrypted {
        wire.push_str("250-STARTTLS\r\n");
    }
    if terms.role == Role::Submission && talk.is_encrypted {
        wire.push_str("250-AUTH PLAIN LOGIN\r\n");
    }
    // RFC 9422.
    wire.push_str(&format!("250 LIMITS MAILMAX={} RCPTMAX={}\r\n", terms.mails, terms.recipients));
    wire
}

fn on_mail(mut talk: Box<Talk>, line: &[u8], mail: MailCommand) -> Turn {
    let why_not = match () {
        () if talk.hello.is_none() => replies::HELLO_FIRST,
        () if talk.transaction.is_some() => replies::NESTED_MAIL,
        () if talk.terms.role == Role::Submission && talk.account.is_none() => replies::AUTH_FIRST,
        () if talk.has_sent_enough() => {
            return talk.close_with(line, replies::TOO_MANY_MAILS, Why::Misconduct);
        }
        // RFC 1870 section 6.1: no error of the client, it asked; but it leads to no mail.
        () if mail.size_octets.is_some_and(|octets| octets > talk.terms.message_octets) => {
            if talk.is_idling() {
                let say = replies::TOO_MANY_IDLE_COMMANDS;
                return talk.close_with(line, say, Why::Misconduct);
            }
            talk.note(line, replies::TOO_LARGE.reply());
            return talk.go_on();
        }
        () => return Turn::Sender(SenderAsked::new(talk, mail)),
    };
    wrong(talk, line, why_not)
}

fn on_rcpt(mut talk: Box<Talk>, line: &[u8], rcpt: RcptCommand) -> Turn {
    let Some(transaction) = &mut talk.transaction else {
        return wrong(talk, line, replies::MAIL_FIRST);
    };
    if transaction.chunks.is_some() {
        return wrong(talk, line, replies::IN_CHUNKS);
    }
    if rcpt.needs_smtputf8 && !transaction.mail.smtputf8 {
        return wrong(talk, line, replies::RECIPIENT_NEEDS_SMTPUTF8);
    }
    // RFC 5321 section 4.5.3.1.10: those above the limit can come in another transaction. A
    // client that names as many again does not listen.
    if transaction.recipients.len() >= talk.terms.recipients {
        transaction.surplus += 1;
        let reply = replies::TOO_MANY_RECIPIENTS.reply();
        if transaction.surplus > talk.terms.recipients {
            return talk.error(line, reply);
        }
        talk.note(line, reply);
        return talk.go_on();
    }
    Turn::Recipient(RecipientAsked::new(talk, rcpt))
}

fn on_data(talk: Box<Talk>, line: &[u8]) -> Turn {
    let why_not = match &talk.transaction {
        None => replies::MAIL_FIRST,
        // RFC 3030 section 2: DATA and BDAT do not mix.
        Some(open) if open.chunks.is_some() => replies::IN_CHUNKS,
        // RFC 2920 section 3.1: the client may not have seen yet that none was accepted.
        Some(open) if open.recipients.is_empty() => replies::NO_RECIPIENTS,
        Some(_) => return Turn::Begin(BeginAsked::new(talk, Opening::Data)),
    };
    wrong(talk, line, why_not)
}

/// RFC 3030 section 2. Whatever the reply, the chunk comes with the command.
fn on_bdat(mut talk: Box<Talk>, line: &[u8], chunk: Chunk) -> Turn {
    let limit = talk.terms.message_octets.saturating_mul(SKIPPED_SIZES);
    if chunk.octets > limit {
        return talk.close_with(line, replies::TOO_LARGE, Why::Misconduct);
    }
    let is_barred = talk.is_barred;
    let why_not = match &mut talk.transaction {
        _ if is_barred => replies::NOT_SERVED,
        None => replies::MAIL_FIRST,
        Some(open) if open.recipients.is_empty() => replies::NO_RECIPIENTS,
        Some(open) => match open.chunks.take() {
            None => return Turn::Begin(BeginAsked::new(talk, Opening::Chunk(chunk))),
            Some(Chunks::Open(progress)) => {
                return Content::chunk(talk, progress, chunk).into_turn();
            }
            Some(Chunks::Failed) => {
                open.chunks = Some(Chunks::Failed);
                replies::CHUNK_AFTER_FAILURE
            }
        },
    };
    Content::skip(talk, chunk, why_not.reply()).into_turn()
}

/// RFC 3207. What came behind the command in clear could be somebody else's: it is neither
/// obeyed nor dropped in silence.
fn on_starttls(talk: Box<Talk>, line: &[u8], input: &[u8]) -> Turn {
    let why_not = match () {
        () if talk.is_encrypted => replies::TLS_ALREADY,
        () if talk.terms.starttls == StartTls::NotOffered => replies::TLS_NOT_OFFERED,
        () if !input.is_empty() => {
            return talk.close_with(line, replies::OCTETS_AFTER_STARTTLS, Why::Misconduct);
        }
        () => return Turn::StartTls(TlsAsked::new(talk)),
    };
    wrong(talk, line, why_not)
}
