//! What a session needs from rooms that it does not know: the composition root brings it.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

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

/// Limits clients: sessions in all, per client address, and per minute.
pub trait Doorman: Send + Sync + 'static {
    /// Lets a client in, or gives the `421` that it reads.
    fn admit(&self, client: IpAddr) -> Result<Permit, Reply>;
}

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
    /// A reverse-path was refused.
    SenderRefused {
        /// Which.
        reverse_path: &'a ReversePath,
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
