//! AUTH PLAIN and LOGIN (RFC 4954, RFC 4616), only over TLS and only for submission.
//!
//! A response line is base 64, `=` stands for an empty initial response, `*` cancels. The
//! authorisation identity of PLAIN must be absent or the account itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::asks::{AuthAsked, Credentials};
use super::replies;
use super::talk::{Exchange, Talk};
use super::{StartTls, Turn};
use crate::mail::Role;
use crate::smtp::command::{AuthCommand, Mechanism};

/// The command itself.
pub(super) fn begin(mut talk: Box<Talk>, line: &[u8], auth: AuthCommand) -> Turn {
    let why_not = match () {
        () if talk.terms.role != Role::Submission => Some(replies::AUTH_NOT_OFFERED),
        // RFC 4954 section 4: 538 tells the client that TLS would help, when it would.
        () if !talk.is_encrypted && talk.terms.starttls == StartTls::Offered => {
            Some(replies::AUTH_NEEDS_TLS)
        }
        () if !talk.is_encrypted => Some(replies::AUTH_NOT_OFFERED),
        () if talk.account.is_some() => Some(replies::AUTH_ALREADY),
        () if talk.transaction.is_some() => Some(replies::AUTH_IN_TRANSACTION),
        () if !talk.hello.as_ref().is_some_and(|hello| hello.extended) => {
            Some(replies::AUTH_NEEDS_EHLO)
        }
        () => None,
    };
    if let Some(say) = why_not {
        let verb = line.get(..4).unwrap_or(line);
        return talk.error(verb, say.reply());
    }
    match (auth.mechanism, auth.initial_response) {
        (mechanism, Some(response)) => {
            let response = if response == "=" { "" } else { response.as_str() };
            first(talk, mechanism, response.as_bytes())
        }
        (mechanism, None) => {
            talk.wire(match mechanism {
                Mechanism::Plain => replies::PLAIN_CHALLENGE,
                Mechanism::Login => replies::LOGIN_NAME,
            });
            talk.exchange = Some(Exchange::First(mechanism));
            talk.go_on()
        }
    }
}

/// A line within an exchange.
pub(super) fn respond(talk: Box<Talk>, exchange: Exchange, line: &[u8]) -> Turn {
    // RFC 4954 section 4: the client cancels.
    if line == b"*" {
        return talk.error(b"AUTH", replies::AUTH_CANCELLED.reply());
    }
    match exchange {
        Exchange::First(mechanism) => first(talk, mechanism, line),
        Exchange::LoginPassword(name) => match decode(line) {
            Some(password) => verify(talk, name, password),
            None => malformed(talk),
        },
    }
}

fn first(mut talk: Box<Talk>, mechanism: Mechanism, response: &[u8]) -> Turn {
    let Some(text) = decode(response) else { return malformed(talk) };
    match mechanism {
        Mechanism::Login => {
            talk.wire(replies::LOGIN_PASSWORD);
            talk.exchange = Some(Exchange::LoginPassword(text));
            talk.go_on()
        }
        Mechanism::Plain => {
            let mut parts = text.split('\0');
            match (parts.next(), parts.next(), parts.next(), parts.next()) {
                (Some(acting_for), Some(name), Some(password), None)
                    if acting_for.is_empty() || acting_for == name =>
                {
                    let (name, password) = (name.to_owned(), password.to_owned());
                    verify(talk, name, password)
                }
                // RFC 4616 section 2: acting for somebody else is not permitted to anybody.
                (Some(_), Some(_), Some(_), None) => {
                    talk.error(b"AUTH PLAIN", replies::AUTH_FAILED.reply())
                }
                _ => malformed(talk),
            }
        }
    }
}

fn verify(talk: Box<Talk>, name: String, password: String) -> Turn {
    match name.is_empty() || name.contains('\0') || password.contains('\0') {
        true => malformed(talk),
        false => Turn::Authenticate(AuthAsked::new(talk, Credentials { name, password })),
    }
}

fn malformed(talk: Box<Talk>) -> Turn {
    talk.error(b"AUTH", replies::AUTH_MALFORMED.reply())
}

fn decode(response: &[u8]) -> Option<String> {
    String::from_utf8(STANDARD.decode(response).ok()?).ok()
}
