//! The way to a directory: its servers in order, one connection that is used again, a limit of
//! questions at once, and a deadline for each.
//!
//! In: a question as a function of an LDAP handle. Out: its answer, or [`Unavailable`] when no
//! server gave one in time. A server that fails is left alone for a while (a breaker each), so
//! that nobody waits for one that is known to be down; the first server is tried again when the
//! connection has grown old.
//!
//! Invariants: a question that breaks the reader of its answer ends with its connection, not
//! with the session that asked; a deadline is kept whatever servers do.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ldap3::Ldap;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::search::{self, Failure};
use super::wire::Wire;
use crate::config;
use crate::net::breaker::{Admission, Breaker, Change, Patience};

const PATIENCE: Patience = Patience {
    failures: 2,
    pause_first: Duration::from_secs(2),
    pause_max: Duration::from_secs(30),
};
/// After this the first server gets another chance.
const CONNECTION_LIFE: Duration = Duration::from_secs(600);

/// Nobody answered. The operator reads why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("directory {directory}: {why}")]
pub struct Unavailable {
    /// Which directory.
    pub directory: String,
    /// The last that was heard.
    pub why: String,
}

#[derive(Debug)]
struct Server {
    server: config::LdapServer,
    state: Mutex<ServerState>,
}

#[derive(Debug)]
struct ServerState {
    breaker: Breaker,
    last_failure: Option<String>,
}

/// How a server is, for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerStanding {
    /// Its address.
    pub server: String,
    /// It is asked.
    pub in_use: bool,
    /// The last that went wrong, until something goes right.
    pub last_failure: Option<String>,
}

/// To one directory.
pub(super) struct Link {
    settings: config::Directory,
    password: Option<String>,
    connector: Option<TlsConnector>,
    servers: Vec<Server>,
    current: tokio::sync::Mutex<Option<(usize, Arc<Wire>)>>,
    questions: Semaphore,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Link").field("servers", &self.servers).finish_non_exhaustive()
    }
}

impl Server {
    fn state(&self) -> MutexGuard<'_, ServerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_be_asked(&self) -> bool {
        self.state().breaker.admit(Instant::now()) != Admission::LeaveAlone
    }

    fn succeeded(&self, directory: &str) {
        let mut state = self.state();
        state.last_failure = None;
        if state.breaker.success() == Some(Change::Closed) {
            tracing::info!(directory, server = %self.server, "the directory server answers again");
        }
    }

    fn failed(&self, directory: &str, why: &str) {
        let mut state = self.state();
        state.last_failure = Some(why.to_owned());
        match state.breaker.failure(Instant::now()) {
            Some(Change::Opened(pause)) => {
                let pause_s = pause.as_secs();
                tracing::warn!(directory, server = %self.server, why, pause_s,
                    "the directory server is left alone");
            }
            _ => tracing::info!(directory, server = %self.server, why, "a directory server failed"),
        }
    }
}

impl Link {
    pub(super) fn new(
        settings: config::Directory,
        password: Option<String>,
        connector: Option<TlsConnector>,
    ) -> Link {
        let server = |server: &config::LdapServer| Server {
            server: server.clone(),
            state: Mutex::new(ServerState { breaker: Breaker::new(PATIENCE), last_failure: None }),
        };
        Link {
            servers: settings.servers.iter().map(server).collect(),
            questions: Semaphore::new(settings.questions),
            current: tokio::sync::Mutex::new(None),
            settings,
            password,
            connector,
        }
    }

    /// How the servers are.
    pub(super) fn standing(&self) -> Vec<ServerStanding> {
        let of = |server: &Server| {
            let state = server.state();
            ServerStanding {
                server: server.server.to_string(),
                in_use: state.breaker.is_closed(),
                last_failure: state.last_failure.clone(),
            }
        };
        self.servers.iter().map(of).collect()
    }

    /// Asks, within the time for one question.
    pub(super) async fn ask<T, F, Fut>(&self, question: F) -> Result<T, Unavailable>
    where
        T: Send + 'static,
        F: Fn(Ldap) -> Fut,
        Fut: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        self.ask_within(self.settings.timeout(), question).await
    }

    /// The same within another time.
    pub(super) async fn ask_within<T, F, Fut>(
        &self,
        limit: Duration,
        question: F,
    ) -> Result<T, Unavailable>
    where
        T: Send + 'static,
        F: Fn(Ldap) -> Fut,
        Fut: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let deadline = Instant::now() + limit;
        let mut why = "no server is in use".to_owned();
        let asking = async {
            let _turn = self.questions.acquire().await;
            // Each server once, and once more for a connection that had died unnoticed.
            for left in (1..=self.servers.len() + 1).rev() {
                let opened = self.connection(&mut why).await;
                let Some((place, wire, was_used)) = opened else { break };
                // A server that says nothing must leave time for the next.
                let share = deadline.saturating_duration_since(Instant::now());
                let share = share / u32::try_from(left.min(self.servers.len())).unwrap_or(1).max(1);
                // And for noting that it did.
                let share = share.mul_f32(0.9);
                let outcome = answered(share, question(wire.ldap())).await;
                let server = self.servers.get(place);
                let failure = match outcome {
                    Ok(answer) => {
                        if let Some(server) = server {
                            server.succeeded(&self.settings.name);
                        }
                        return Some(answer);
                    }
                    Err(failure) => failure,
                };
                self.drop_connection(&wire).await;
                why = failure.to_string();
                let died_unnoticed = was_used && wire.is_over();
                if let Some(server) = server.filter(|_| !died_unnoticed) {
                    server.failed(&self.settings.name, &why);
                }
            }
            None
        };
        match timeout(limit, asking).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(self.unavailable(why)),
            Err(_) => Err(self.unavailable("no answer in time".into())),
        }
    }

    fn unavailable(&self, why: String) -> Unavailable {
        Unavailable { directory: self.settings.name.clone(), why }
    }

    async fn drop_connection(&self, wire: &Arc<Wire>) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|(_, held)| Arc::ptr_eq(held, wire)) {
            *current = None;
        }
    }

    /// The connection in use, or a new one; with the server's place and whether it was used.
    async fn connection(&self, why: &mut String) -> Option<(usize, Arc<Wire>, bool)> {
        let mut current = self.current.lock().await;
        if let Some((place, wire)) = current.as_ref()
            && !wire.is_over()
            && wire.age() < CONNECTION_LIFE
        {
            return Some((*place, Arc::clone(wire), true));
        }
        *current = None;
        for (place, server) in self.servers.iter().enumerate() {
            if !server.may_be_asked() {
                let last = server.state().last_failure.clone();
                *why = last.unwrap_or_else(|| "no server is in use".into());
                continue;
            }
            match self.open(server).await {
                Ok(wire) => {
                    let wire = Arc::new(wire);
                    *current = Some((place, Arc::clone(&wire)));
                    return Some((place, wire, false));
                }
                Err(error) => {
                    server.failed(&self.settings.name, &error);
                    *why = format!("{}: {error}", server.server);
                }
            }
        }
        None
    }

    /// Connects and binds as the box.
    async fn open(&self, server: &Server) -> Result<Wire, String> {
        let wire = self.connect(server).await?;
        let (Some(dn), Some(password)) = (&self.settings.bind_dn, &self.password) else {
            return Ok(wire);
        };
        let (dn, password, mut ldap) = (dn.clone(), password.clone(), wire.ldap());
        let bound =
            answered(
                self.connect_limit(),
                async move { search::bind(&mut ldap, &dn, &password).await },
            );
        match bound.await {
            Ok(true) => Ok(wire),
            Ok(false) => Err("the password for bind_dn is not right".into()),
            Err(failure) => Err(failure.to_string()),
        }
    }

    fn connect_limit(&self) -> Duration {
        let own = Duration::from_secs(self.settings.connect_timeout_s);
        own.min(self.settings.timeout() / u32::try_from(self.servers.len()).unwrap_or(1).max(1))
    }

    async fn connect(&self, server: &Server) -> Result<Wire, String> {
        let security = self.settings.security_of(&server.server);
        let limit = self.connect_limit();
        let opened = Wire::open(&server.server, security, self.connector.as_ref(), limit).await;
        opened.map_err(|error| error.to_string())
    }

    /// Binds as somebody else, over a connection of its own. An empty password would be taken
    /// for no password and let anybody in (RFC 4513 section 5.1.2): it is never sent.
    pub(super) async fn is_password_of(
        &self,
        dn: &str,
        password: &str,
    ) -> Result<bool, Unavailable> {
        if password.is_empty() || dn.is_empty() {
            return Ok(false);
        }
        let mut why = "no server is in use".to_owned();
        let asking = async {
            let _turn = self.questions.acquire().await;
            for server in &self.servers {
                if !server.may_be_asked() {
                    continue;
                }
                let wire = match self.connect(server).await {
                    Ok(wire) => wire,
                    Err(error) => {
                        server.failed(&self.settings.name, &error);
                        why = error;
                        continue;
                    }
                };
                let (dn, password, mut ldap) = (dn.to_owned(), password.to_owned(), wire.ldap());
                let bound = answered(self.connect_limit(), async move {
                    search::bind(&mut ldap, &dn, &password).await
                });
                match bound.await {
                    Ok(is_right) => {
                        server.succeeded(&self.settings.name);
                        return Some(is_right);
                    }
                    Err(failure) => {
                        why = failure.to_string();
                        server.failed(&self.settings.name, &why);
                    }
                }
            }
            None
        };
        match timeout(self.settings.timeout(), asking).await {
            Ok(Some(is_right)) => Ok(is_right),
            Ok(None) => Err(self.unavailable(why)),
            Err(_) => Err(self.unavailable("no answer in time".into())),
        }
    }
}

/// Waits for an answer in a task of its own: the LDAP client's reader gives up by panicking on
/// some answers, and that must end this question only.
async fn answered<T: Send + 'static>(
    limit: Duration,
    question: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    let mut task = JoinSet::new();
    task.spawn(question);
    match timeout(limit, task.join_next()).await {
        Ok(Some(Ok(outcome))) => outcome,
        Ok(Some(Err(_)) | None) => Err(Failure::Broken("the answer cannot be read".into())),
        Err(_) => Err(Failure::Broken("no answer in time".into())),
    }
}
