//! What a session needs from rooms that it does not know: the composition root brings it.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::TlsAcceptor;

use super::pipeline::Received;
use crate::mail::{Address, Budget, Envelope, ForwardPath, Mail, MailId, Reply, ReversePath, Role};

/// Everything that the sessions of all listeners share.
pub struct House<P, A> {
    /// Scans, judges, commits.
    pub pipeline: Arc<P>,
    /// Knows who may submit.
    pub accounts: Arc<A>,
    /// Counts clients.
    pub doorman: Arc<dyn Doorman>,
    /// Knows senders.
    pub gatekeeper: Arc<dyn Gatekeeper>,
    /// Has the certificate.
    pub tls: Arc<dyn TlsSource>,
    /// Reads PROXY protocol headers.
    pub proxy: Arc<ProxyParser>,
    /// Is told what happens.
    pub witness: Arc<dyn Witness>,
    /// For all content in reception together.
    pub budget: Arc<Budget>,
}

impl<P, A> fmt::Debug for House<P, A> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("House").field("budget", &self.budget).finish_non_exhaustive()
    }
}

/// Who a client turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name, as the store writes it.
    pub name: String,
    /// Reverse-paths that it may use: whole addresses, `@domain` for every address of a
    /// domain, `<>` for the null reverse-path.
    pub allowed: Vec<String>,
}

/// The accounts cannot be asked at present; the client reads `454`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("accounts are not available")]
pub struct AccountsUnavailable;

/// Verifies credentials. A slow hash belongs on another thread.
pub trait Authenticator: Send + Sync + 'static {
    /// The account, when name and password belong together.
    fn verify(
        &self,
        name: &str,
        password: &str,
    ) -> impl Future<Output = Result<Option<Account>, AccountsUnavailable>> + Send;
}

/// Held while a session lasts; dropping it makes room for another.
pub type Permit = Box<dyn Any + Send>;

/// Limits clients: sessions, messages, recipients, log-ins. Answers at once. What it refuses
/// it refuses with a `4xx`; the session adds the reference.
pub trait Doorman: Send + Sync + 'static {
    /// Lets a client in, or gives the `421` that it reads.
    fn admit(&self, client: IpAddr) -> Result<Permit, Reply>;

    /// How long the greeting is held back to see whether the client speaks first.
    fn greeting_delay(&self, _client: IpAddr) -> Duration {
        Duration::ZERO
    }

    /// The client did not.
    fn waited(&self, _client: IpAddr) {}

    /// A place among the sessions whose replies are delayed; none when there is none, or the
    /// client is never delayed.
    fn detain(&self, _client: IpAddr) -> Option<Permit> {
        None
    }

    /// A mail begins.
    fn sender(&self, _caller: &Caller<'_>) -> Result<(), Reply> {
        Ok(())
    }

    /// A recipient is named, whether it exists or not.
    fn recipient(&self, _caller: &Caller<'_>) -> Result<(), Reply> {
        Ok(())
    }

    /// It does not exist.
    fn unknown_recipient(&self, _client: IpAddr) {}

    /// A mail for so many recipients was taken.
    fn mail_taken(&self, _client: IpAddr, _recipients: usize) {}

    /// Credentials are about to be verified.
    fn log_in(&self, _client: IpAddr, _name: &str) -> Result<(), Reply> {
        Ok(())
    }

    /// What came of it; until then it counts as failed.
    fn log_in_ended(&self, _client: IpAddr, _name: &str, _outcome: LogIn) {}
}

/// What came of credentials that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogIn {
    /// They are right.
    Succeeded,
    /// Nobody could say.
    Undecided,
}

/// Who sends a mail, as far as is known when it begins.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// At which listener, and from where.
    pub visitor: &'a Visitor,
    /// What the client calls itself.
    pub helo: &'a str,
    /// As whom, when authenticated.
    pub account: Option<&'a str>,
    /// `MAIL FROM`.
    pub reverse_path: &'a ReversePath,
}

/// The answer of a [`Gatekeeper`]: a refusal, or none.
pub type Asked<'a> = Pin<Box<dyn Future<Output = Option<Reply>> + Send + 'a>>;

/// The answer about a mailbox: the address that the mail goes to, or a refusal.
pub type Placed<'a> = Pin<Box<dyn Future<Output = Result<Address, Reply>> + Send + 'a>>;

/// Knows senders from before: lists of the blocked, greylisting. Asked after roles, mailboxes
/// and rates permit what it is asked about. May take a while; the session adds the reference.
pub trait Gatekeeper: Send + Sync + 'static {
    /// Whether a mail from this sender is refused before anything else of it is known.
    fn sender<'a>(&'a self, _caller: Caller<'a>) -> Asked<'a> {
        Box::pin(std::future::ready(None))
    }

    /// Whether there is such a mailbox, where a list in the configuration does not say.
    fn mailbox<'a>(&'a self, forward_path: &'a Address) -> Placed<'a> {
        Box::pin(std::future::ready(Ok(forward_path.clone())))
    }

    /// Whether it is refused for this recipient.
    fn recipient<'a>(&'a self, _caller: Caller<'a>, _forward_path: &'a Address) -> Asked<'a> {
        Box::pin(std::future::ready(None))
    }
}

/// Refuses nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenGate;

impl Gatekeeper for OpenGate {}

/// Has the certificate of the moment.
pub trait TlsSource: Send + Sync + 'static {
    /// What accepts a handshake now; none when there is no certificate.
    fn acceptor(&self) -> Option<TlsAcceptor>;
}

impl<F: Fn() -> Option<TlsAcceptor> + Send + Sync + 'static> TlsSource for F {
    fn acceptor(&self) -> Option<TlsAcceptor> {
        self()
    }
}

/// What stands at the beginning of a connection from a load balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proxied {
    /// More octets are needed.
    Incomplete,
    /// A whole header.
    Header {
        /// Its length.
        octets: usize,
        /// The client, unless the balancer speaks for itself (`LOCAL`).
        client: Option<IpAddr>,
    },
    /// No header of PROXY protocol v2.
    Malformed,
}

/// Reads a PROXY protocol v2 header from the first octets of a connection.
pub type ProxyParser = dyn Fn(&[u8]) -> Proxied + Send + Sync;

/// At which listener, and who.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// Of the listener.
    pub role: Role,
    /// The client's address.
    pub client: IpAddr,
    /// The session's name: refusals that belong to no mail carry it.
    pub reference: MailId,
}

/// A transaction that has not come to its end: what can be said of it when it never does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trail {
    /// The name that the mail has or would have had.
    pub mail_id: MailId,
    /// `MAIL FROM`.
    pub reverse_path: ReversePath,
    /// The first few that were accepted.
    pub forward_paths: Vec<Address>,
}

impl Trail {
    /// How many forward-paths are remembered.
    pub(super) const FORWARD_PATHS: usize = 5;
}

/// One thing that happened in a session.
#[derive(Debug)]
#[non_exhaustive]
pub enum Sight<'a> {
    /// The client was not let in.
    ConnectionRefused {
        /// What it was told, or would have been.
        reply: &'a Reply,
    },
    /// A TLS handshake or a PROXY header failed.
    HandshakeFailed {
        /// In words.
        reason: &'a str,
    },
    /// The machine refused a command, or a message for what it is as a whole (size, line
    /// ends, loops).
    CommandRefused {
        /// The transaction it belongs to, if any.
        trail: Option<&'a Trail>,
        /// The line or what stands for it, without secrets.
        command: &'a str,
        /// What the client was told.
        reply: &'a Reply,
    },
    /// A client spoke before it was greeted.
    SpokeEarly,
    /// A reverse-path was refused.
    SenderRefused {
        /// The transaction that did not come to be.
        trail: &'a Trail,
        /// What the client was told.
        reply: &'a Reply,
    },
    /// A forward-path was refused.
    RecipientRefused {
        /// The transaction.
        trail: &'a Trail,
        /// Which.
        forward_path: &'a ForwardPath,
        /// What the client was told.
        reply: &'a Reply,
    },
    /// A client proved to be an account.
    Authenticated {
        /// Which.
        account: &'a str,
    },
    /// A client did not.
    AuthenticationFailed {
        /// The name that it gave.
        name: &'a str,
    },
    /// A message is complete and goes to the pipeline.
    MailReceived {
        /// All of it.
        mail: &'a Mail<Received>,
    },
    /// It is durable.
    MailAccepted {
        /// Which.
        mail_id: MailId,
    },
    /// The pipeline, or the budget, refused it.
    MailRefused {
        /// Which.
        mail_id: MailId,
        /// From and for whom.
        envelope: &'a Envelope,
        /// What the client was told.
        reply: &'a Reply,
    },
    /// The connection was lost before the end of the message; nothing was kept.
    MailAbandoned {
        /// Its transaction.
        trail: &'a Trail,
    },
}

/// Is told what happens; must not block.
pub trait Witness: Send + Sync + 'static {
    /// One thing happened.
    fn saw(&self, visitor: &Visitor, sight: Sight<'_>);
}
