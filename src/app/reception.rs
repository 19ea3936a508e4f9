//! Gives sessions what they need: the doorman, the accounts, the PROXY parser, and a witness
//! that writes down what happened.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::journal::{Event, Journal};
use crate::mail::{EnhancedCode, ForwardPath, Reply};
use crate::net::limits::{ClientLimiter, Refusal};
use crate::net::proxy::{self, Origin, Progress};
use crate::session::{
    Account, AccountsUnavailable, Authenticator, Doorman, Permit, Proxied, Sight, Trail, Visitor,
    Witness,
};
use crate::store::Accounts;

/// Counts clients with [`ClientLimiter`].
#[derive(Debug)]
pub(super) struct Door(pub(super) Arc<ClientLimiter>);

impl Doorman for Door {
    fn admit(&self, client: IpAddr) -> Result<Permit, Reply> {
        let busy = |text| Reply::new(421, EnhancedCode(4, 7, 0), text);
        match self.0.admit(client, Instant::now()) {
            Ok(admission) => Ok(Box::new(admission)),
            Err(Refusal::Total) => Err(busy("too many connections; try again later")),
            Err(Refusal::Concurrency) => Err(busy("too many connections from your address")),
            Err(Refusal::Rate) => Err(busy("too many new connections from your address")),
        }
    }
}

/// Verifies against the store.
#[derive(Debug)]
pub(super) struct StoredAccounts(pub(super) Accounts);

impl Authenticator for StoredAccounts {
    async fn verify(
        &self,
        name: &str,
        password: &str,
    ) -> Result<Option<Account>, AccountsUnavailable> {
        match self.0.verify(name, password).await {
            Ok(None) => Ok(None),
            Ok(Some(account)) => {
                let allowed = account.addresses.iter().map(ToString::to_string).collect();
                Ok(Some(Account { name: account.name, allowed }))
            }
            Err(error) => {
                tracing::error!(%error, "accounts cannot be asked");
                Err(AccountsUnavailable)
            }
        }
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

/// Writes to the journal what concerns a mail, to telemetry what does not.
#[derive(Debug)]
pub(super) struct Chronicle(pub(super) Arc<Journal>);

impl Witness for Chronicle {
    fn saw(&self, visitor: &Visitor, sight: Sight<'_>) {
        let (role, client) = (visitor.role, visitor.client);
        match sight {
            Sight::ConnectionRefused { reply } => {
                tracing::info!(%role, %client, %reply, "connection refused");
            }
            Sight::HandshakeFailed { reason } => {
                tracing::info!(%role, %client, reason, "handshake failed");
            }
            Sight::CommandRefused { trail: None, command, reply } => {
                tracing::info!(%role, %client, command, %reply, "command refused");
            }
            Sight::CommandRefused { trail: Some(trail), command, reply } => {
                self.turned_away(visitor, trail, None, command, reply.to_string());
            }
            Sight::SenderRefused { reverse_path, reply } => {
                tracing::info!(%role, %client, %reverse_path, %reply, "sender refused");
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
                self.0.record(mail.id, received);
            }
            Sight::MailRefused { mail_id, reply, .. } => {
                let stage = "end of data".into();
                self.0.record(mail_id, Event::Refused { reply: reply.to_string(), stage });
            }
            Sight::MailAccepted { mail_id } => tracing::debug!(%mail_id, "accepted"),
        }
    }
}

impl Chronicle {
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
        self.0.record(trail.mail_id, event);
    }
}
