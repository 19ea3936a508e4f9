//! Gives sessions what they need: the accounts, the PROXY parser, and a witness that writes
//! down what happened (the doorman is in `door`).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::pipeline::Line;
use crate::journal::{Event, Journal};
use crate::mail::{ForwardPath, Reply};
use crate::net::proxy::{self, Origin, Progress};
use crate::net::rates::{Buckets, Rate};
use crate::session::{
    Account, AccountsUnavailable, Authenticator, Proxied, Sight, Trail, Visitor, Witness,
};
use crate::store::Accounts;
use crate::telemetry::metrics::{Counter, registry};

/// Verifies against the store and, for names that it does not know, against a directory.
#[derive(Debug)]
pub(super) struct KnownAccounts {
    pub(super) stored: Accounts,
    pub(super) line: Arc<Line>,
}

impl Authenticator for KnownAccounts {
    async fn verify(
        &self,
        name: &str,
        password: &str,
    ) -> Result<Option<Account>, AccountsUnavailable> {
        let unavailable = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "accounts cannot be asked");
            AccountsUnavailable
        };
        let directories = self.line.directories.load_full();
        let is_own = || self.stored.find(name).map(|account| account.is_some());
        if directories.takes_log_ins() && !is_own().map_err(|error| unavailable(&error))? {
            let identity = directories.authenticate(name, password).await;
            return Ok(identity.map_err(|error| unavailable(&error))?.map(|identity| Account {
                name: identity.name,
                allowed: identity.addresses.iter().map(ToString::to_string).collect(),
            }));
        }
        let account = self.stored.verify(name, password).await;
        Ok(account.map_err(|error| unavailable(&error))?.map(|account| Account {
            name: account.name,
            allowed: account.addresses.iter().map(ToString::to_string).collect(),
        }))
    }
}

/// Reads a PROXY header as far as it has come.
pub(super) fn proxied(octets: &[u8]) -> Proxied {
    match proxy::parse(octets) {
        Ok(Progress::NeedsMore { .. }) => Proxied::Incomplete,
        Ok(Progress::Header { origin, consumed }) => {
            let client = match origin {
                Origin::Client { source, .. } => Some(source.ip()),
                Origin::Local | Origin::Unknown => None,
            };
            Proxied::Header { octets: consumed, client }
        }
        Err(_) => Proxied::Malformed,
    }
}

/// Refused sessions that the journal keeps in a minute: a flood of connections must not become
/// a flood of records. The rest goes to telemetry only, with its reference.
const VISITS_A_MINUTE: u32 = 3_000;

/// Writes to the journal what concerns a mail or is told to somebody with a reference, to
/// telemetry what does not, and counts what is refused.
#[derive(Debug)]
pub(super) struct Chronicle {
    journal: Arc<Journal>,
    visits: Mutex<Buckets<()>>,
    refused: Refused,
}

/// Counters of what was refused, by what it was.
#[derive(Debug)]
struct Refused {
    connections: Arc<Counter>,
    early_talkers: Arc<Counter>,
    commands: Arc<Counter>,
    senders: Arc<Counter>,
    recipients: Arc<Counter>,
    log_ins: Arc<Counter>,
    messages: Arc<Counter>,
}

impl Refused {
    fn new() -> Refused {
        let counter = |what| {
            let help = "What was refused to clients, by what it was.";
            registry().counter("postern_refused_total", help, &[("what", what)])
        };
        Refused {
            connections: counter("connection"),
            early_talkers: counter("early_talker"),
            commands: counter("command"),
            senders: counter("sender"),
            recipients: counter("recipient"),
            log_ins: counter("log_in"),
            messages: counter("message"),
        }
    }

    fn count(&self, sight: &Sight<'_>) {
        let counter = match sight {
            Sight::ConnectionRefused { .. } => &self.connections,
            // Noted or refused: in either case it was one.
            Sight::SpokeEarly => &self.early_talkers,
            Sight::CommandRefused { .. } => &self.commands,
            Sight::SenderRefused { .. } => &self.senders,
            Sight::RecipientRefused { .. } => &self.recipients,
            Sight::AuthenticationFailed { .. } => &self.log_ins,
            Sight::MailRefused { .. } => &self.messages,
            _ => return,
        };
        counter.add_one();
    }
}

impl Witness for Chronicle {
    fn saw(&self, visitor: &Visitor, sight: Sight<'_>) {
        self.refused.count(&sight);
        let (role, client) = (visitor.role, visitor.client);
        match sight {
            Sight::ConnectionRefused { reply } => {
                self.visit_refused(visitor, "connection", reply);
            }
            Sight::HandshakeFailed { reason } => {
                tracing::info!(%role, %client, reason, "handshake failed");
            }
            Sight::SpokeEarly => tracing::info!(%role, %client, "spoke before it was greeted"),
            Sight::CommandRefused { trail: None, command, reply } => {
                self.visit_refused(visitor, command, reply);
            }
            Sight::CommandRefused { trail: Some(trail), command, reply } => {
                self.turned_away(visitor, trail, None, command, reply.to_string());
            }
            Sight::SenderRefused { trail, reply } => {
                self.turned_away(visitor, trail, None, "MAIL", reply.to_string());
            }
            Sight::RecipientRefused { trail, forward_path, reply } => {
                self.turned_away(visitor, trail, Some(forward_path), "RCPT", reply.to_string());
            }
            Sight::MailAbandoned { trail } => {
                let why = "the client closed the connection before the end".to_owned();
                self.turned_away(visitor, trail, None, "message", why);
            }
            Sight::Authenticated { account } => {
                tracing::info!(%role, %client, account, "authenticated");
            }
            Sight::AuthenticationFailed { name } => {
                tracing::warn!(%role, %client, name, "authentication failed");
            }
            Sight::MailReceived { mail } => {
                let received = Event::received(&mail.envelope, &mail.facts, mail.content.len());
                self.journal.record(mail.id, received);
            }
            Sight::MailRefused { mail_id, reply, .. } => {
                let stage = "end of data".into();
                self.journal.record(mail_id, Event::Refused { reply: reply.to_string(), stage });
            }
            Sight::MailAccepted { mail_id } => tracing::debug!(%mail_id, "accepted"),
        }
    }
}

impl Chronicle {
    pub(super) fn new(journal: Arc<Journal>) -> Chronicle {
        Chronicle { journal, visits: Mutex::new(Buckets::new(4)), refused: Refused::new() }
    }

    /// Under the session's name, so that the reference that the client was given can be
    /// looked up.
    fn visit_refused(&self, visitor: &Visitor, stage: &str, reply: &Reply) {
        let Some(rate) = Rate::a_minute(VISITS_A_MINUTE) else { return };
        let mut visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        let is_kept = visits.take((), 1, rate, Instant::now()).is_ok();
        drop(visits);
        let (client, role) = (visitor.client, visitor.role);
        if !is_kept {
            return tracing::info!(%role, %client, stage, %reply, "session refused");
        }
        let (reply, stage) = (reply.to_string(), stage.to_owned());
        self.journal.record(visitor.reference, Event::VisitRefused { client, reply, stage });
    }

    /// A mail that never came in is part of what people look for.
    fn turned_away(
        &self,
        visitor: &Visitor,
        trail: &Trail,
        refused: Option<&ForwardPath>,
        stage: &str,
        reply: String,
    ) {
        let forward_paths = match refused {
            Some(forward_path) => vec![forward_path.to_string()],
            None => trail.forward_paths.iter().map(ToString::to_string).collect(),
        };
        let (reverse_path, stage) = (trail.reverse_path.to_string(), stage.to_owned());
        let client = visitor.client;
        let event = Event::TurnedAway { client, reverse_path, forward_paths, reply, stage };
        self.journal.record(trail.mail_id, event);
    }
}
