//! Command lines: what a client may say (RFC 5321 section 4.1.1 and the extensions that the
//! box offers) and the reply for what it may not.
//!
//! In: one line without its CRLF, which the caller has found to hold no other CR or LF.
//! Out: a [`Command`], or a [`CommandError`] that knows its reply.
//!
//! Verbs and keywords are read without regard to case. Lenient where nothing can be misread:
//! white space at the end of a line, several spaces for one, and spaces between the colon of
//! `MAIL FROM:` or `RCPT TO:` and the path (RFC 5321 forbids them, many programs send them).
//! Parameters are read after HELO as after EHLO. Strict everywhere else: paths stand in angle brackets, parameters follow their grammar,
//! and a `BDAT` that cannot be understood ends the session, because the octets of its chunk
//! would be taken for commands.

mod parameters;
mod path;
mod xtext;

#[cfg(test)]
mod tests;

use crate::mail::{
    BodyType, DsnReturn, EnhancedCode, ForwardPath, Notify, OriginalRecipient, Reply, ReversePath,
};

pub use xtext::{XtextError, decode as decode_xtext, encode as encode_xtext};

/// RFC 1035 names have 253 octets; nothing longer is worth keeping as a client's name.
const CLIENT_NAME_OCTETS: usize = 255;

/// A command, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `HELO`, with the name that the client gives itself.
    Helo(String),
    /// `EHLO`, the same.
    Ehlo(String),
    /// `MAIL FROM:`.
    Mail(Box<MailCommand>),
    /// `RCPT TO:`.
    Rcpt(Box<RcptCommand>),
    /// `DATA`.
    Data,
    /// `BDAT`, RFC 3030 section 2.
    Bdat(Chunk),
    /// `RSET`.
    Rset,
    /// `NOOP`, whatever follows.
    Noop,
    /// `VRFY` with something to verify.
    Vrfy,
    /// `EXPN` with something to expand.
    Expn,
    /// `HELP`.
    Help,
    /// `QUIT`.
    Quit,
    /// `STARTTLS`, RFC 3207.
    StartTls,
    /// `AUTH`, RFC 4954.
    Auth(AuthCommand),
}

/// `MAIL FROM:<reverse-path> parameters`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailCommand {
    /// Who is told of failures.
    pub reverse_path: ReversePath,
    /// `SIZE=`, RFC 1870: the sender's estimate.
    pub size_octets: Option<u64>,
    /// `BODY=`, RFC 6152.
    pub body: BodyType,
    /// `SMTPUTF8`, RFC 6531.
    pub smtputf8: bool,
    /// `RET=`, RFC 3461 section 4.3.
    pub dsn_return: Option<DsnReturn>,
    /// `ENVID=`, RFC 3461 section 4.4, decoded.
    pub envelope_id: Option<String>,
}

/// `RCPT TO:<forward-path> parameters`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RcptCommand {
    /// Whom the mail is for.
    pub forward_path: ForwardPath,
    /// `NOTIFY=`, RFC 3461 section 4.1.
    pub notify: Option<Notify>,
    /// `ORCPT=`, RFC 3461 section 4.2, decoded.
    pub original: Option<OriginalRecipient>,
    /// The line holds octets above 127, which only a transaction with `SMTPUTF8` may.
    pub needs_smtputf8: bool,
}

/// `BDAT octets [LAST]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// How many octets follow the line.
    pub octets: u64,
    /// Whether the message ends with them.
    pub last: bool,
}

/// `AUTH mechanism [initial-response]`.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthCommand {
    /// Which one.
    pub mechanism: Mechanism,
    /// Base 64 as it came; `=` stands for an empty response.
    pub initial_response: Option<String>,
}

/// A response can hold a password: it is never written to a log.
impl std::fmt::Debug for AuthCommand {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "AUTH {:?}", self.mechanism)
    }
}

/// The SASL mechanisms that are offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// Without an RFC, and in wide use.
    Login,
}

/// Why a line is not a command that can be obeyed. The client is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such verb.
    #[error("command not recognised")]
    Unknown,
    /// A verb of some RFC that this server does not have.
    #[error("command not implemented")]
    NotImplemented,
    /// The first line of another protocol: a browser was made to talk to us.
    #[error("this is an SMTP server")]
    OtherProtocol,
    /// Control characters, NUL among them, or text that is not UTF-8.
    #[error("the line holds octets that no command may hold")]
    Octets,
    /// Missing, superfluous or malformed arguments.
    #[error("{0}")]
    Arguments(&'static str),
    /// The reverse-path breaks the grammar.
    #[error("bad reverse-path: {0}")]
    ReversePath(&'static str),
    /// The forward-path breaks the grammar.
    #[error("bad forward-path: {0}")]
    ForwardPath(&'static str),
    /// A parameter that was never offered.
    #[error("parameter not recognised or not implemented")]
    Parameter,
    /// Octets above 127 without `SMTPUTF8`.
    #[error("the address needs SMTPUTF8")]
    NeedsSmtpUtf8,
    /// A SASL mechanism that is not offered.
    #[error("unrecognised authentication mechanism")]
    Mechanism,
    /// A `BDAT` whose chunk cannot be told from the commands after it.
    #[error("BDAT needs a number of octets, and LAST or nothing after it")]
    Chunk,
}

impl CommandError {
    /// What the client reads.
    pub fn reply(&self) -> Reply {
        let (code, enhanced) = match self {
            CommandError::Unknown | CommandError::OtherProtocol => (500, EnhancedCode(5, 5, 1)),
            CommandError::NotImplemented => (502, EnhancedCode(5, 5, 1)),
            CommandError::Octets => (500, EnhancedCode(5, 5, 2)),
            CommandError::Arguments(_) | CommandError::Chunk => (501, EnhancedCode(5, 5, 4)),
            CommandError::ReversePath(_) => (501, EnhancedCode(5, 1, 7)),
            CommandError::ForwardPath(_) => (501, EnhancedCode(5, 1, 3)),
            CommandError::Parameter => (555, EnhancedCode(5, 5, 4)),
            CommandError::NeedsSmtpUtf8 => (553, EnhancedCode(5, 6, 7)),
            CommandError::Mechanism => (504, EnhancedCode(5, 5, 4)),
        };
        Reply::new(code, enhanced, self.to_string())
    }

    /// Whether nothing that follows on this connection can be trusted to be a command.
    pub fn ends_session(&self) -> bool {
        matches!(self, CommandError::Chunk | CommandError::OtherProtocol)
    }
}

type Parsed = Result<Command, CommandError>;

type Reader = fn(&str) -> Parsed;

/// Verb → reader of its arguments.
const VERBS: &[(&str, Reader)] = &[
    ("RCPT", rcpt),
    ("MAIL", mail),
    ("DATA", |rest| bare(rest, Command::Data)),
    ("EHLO", |rest| client_name(rest).map(Command::Ehlo)),
    ("QUIT", |rest| bare(rest, Command::Quit)),
    ("RSET", |rest| bare(rest, Command::Rset)),
    ("BDAT", bdat),
    ("NOOP", |_| Ok(Command::Noop)),
    ("STARTTLS", |rest| bare(rest, Command::StartTls)),
    ("AUTH", auth),
    ("HELO", |rest| client_name(rest).map(Command::Helo)),
    ("VRFY", |rest| named(rest, Command::Vrfy)),
    ("EXPN", |rest| named(rest, Command::Expn)),
    ("HELP", |_| Ok(Command::Help)),
    ("TURN", |_| Err(CommandError::NotImplemented)),
    ("ATRN", |_| Err(CommandError::NotImplemented)),
    ("ETRN", |_| Err(CommandError::NotImplemented)),
    ("SEND", |_| Err(CommandError::NotImplemented)),
    ("SOML", |_| Err(CommandError::NotImplemented)),
    ("SAML", |_| Err(CommandError::NotImplemented)),
    ("GET", |_| Err(CommandError::OtherProtocol)),
    ("POST", |_| Err(CommandError::OtherProtocol)),
    ("PUT", |_| Err(CommandError::OtherProtocol)),
    ("CONNECT", |_| Err(CommandError::OtherProtocol)),
    ("OPTIONS", |_| Err(CommandError::OtherProtocol)),
];

impl Command {
    /// Reads a line without its CRLF.
    pub fn parse(line: &[u8]) -> Parsed {
        let end = line.iter().rposition(|octet| !matches!(octet, b' ' | b'\t'));
        let line = line.get(..end.map_or(0, |at| at + 1)).unwrap_or_default();
        let is_bdat = line.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"BDAT"));
        if line.iter().any(u8::is_ascii_control) {
            return Err(if is_bdat { CommandError::Chunk } else { CommandError::Octets });
        }
        let octets = if is_bdat { CommandError::Chunk } else { CommandError::Octets };
        let text = std::str::from_utf8(line).map_err(|_| octets)?;
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        let known = VERBS.iter().find(|(name, _)| name.eq_ignore_ascii_case(verb));
        let (_, read) = known.ok_or(CommandError::Unknown)?;
        read(rest.trim_start_matches(' '))
    }
}

fn bare(rest: &str, command: Command) -> Parsed {
    match rest.is_empty() {
        true => Ok(command),
        false => Err(CommandError::Arguments("no arguments expected")),
    }
}

fn named(rest: &str, command: Command) -> Parsed {
    match rest.is_empty() {
        true => Err(CommandError::Arguments("an argument is expected")),
        false => Ok(command),
    }
}

/// RFC 5321 section 4.1.1.1 wants a domain or an address literal; section 4.1.4 forbids to
/// refuse mail because the name is wrong. So whatever can stand in a trace field is taken.
fn client_name(rest: &str) -> Result<String, CommandError> {
    let fits = |octet: u8| octet.is_ascii_graphic() && !b"<>()\"\\,;@".contains(&octet);
    match !rest.is_empty() && rest.len() <= CLIENT_NAME_OCTETS && rest.bytes().all(fits) {
        true => Ok(rest.to_owned()),
        false => Err(CommandError::Arguments("a domain or an address literal is expected")),
    }
}

fn mail(rest: &str) -> Parsed {
    let after = path::keyword(rest, "FROM:")
        .ok_or(CommandError::Arguments("expected MAIL FROM:<reverse-path>"))?;
    let (inner, rest) = path::bracketed(after).map_err(CommandError::ReversePath)?;
    let reverse_path = path::reverse_path(inner).map_err(CommandError::ReversePath)?;
    let parameters = parameters::of_mail(rest)?;
    // RFC 6531 section 3.4: octets above 127 only where the client asked for the extension.
    if !after.is_ascii() && !parameters.smtputf8 {
        return Err(CommandError::NeedsSmtpUtf8);
    }
    Ok(Command::Mail(Box::new(MailCommand { reverse_path, ..parameters })))
}

fn rcpt(rest: &str) -> Parsed {
    let after = path::keyword(rest, "TO:")
        .ok_or(CommandError::Arguments("expected RCPT TO:<forward-path>"))?;
    let (inner, rest) = path::bracketed(after).map_err(CommandError::ForwardPath)?;
    let forward_path = path::forward_path(inner).map_err(CommandError::ForwardPath)?;
    let (notify, original) = parameters::of_rcpt(rest)?;
    let needs_smtputf8 = !after.is_ascii();
    Ok(Command::Rcpt(Box::new(RcptCommand { forward_path, notify, original, needs_smtputf8 })))
}

/// RFC 3030 section 2: `BDAT SP chunk-size [SP LAST]`.
fn bdat(rest: &str) -> Parsed {
    let mut words = rest.split(' ').filter(|word| !word.is_empty());
    let digits = words.next().unwrap_or_default();
    let is_number = !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
    let octets = match is_number {
        true => digits.parse().map_err(|_| CommandError::Chunk)?,
        false => return Err(CommandError::Chunk),
    };
    match (words.next(), words.next()) {
        (None, _) => Ok(Command::Bdat(Chunk { octets, last: false })),
        (Some(word), None) if word.eq_ignore_ascii_case("LAST") => {
            Ok(Command::Bdat(Chunk { octets, last: true }))
        }
        _ => Err(CommandError::Chunk),
    }
}

/// RFC 4954 section 4.
fn auth(rest: &str) -> Parsed {
    let mut words = rest.split(' ').filter(|word| !word.is_empty());
    let name = words.next().ok_or(CommandError::Arguments("a mechanism is expected"))?;
    let initial_response = words.next().map(str::to_owned);
    if words.next().is_some() {
        return Err(CommandError::Arguments("too many arguments"));
    }
    let known = [("PLAIN", Mechanism::Plain), ("LOGIN", Mechanism::Login)];
    let found = known.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let (_, mechanism) = *found.ok_or(CommandError::Mechanism)?;
    Ok(Command::Auth(AuthCommand { mechanism, initial_response }))
}
