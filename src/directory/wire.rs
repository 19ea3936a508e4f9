//! One connection to a directory server: TCP, TLS (from the first octet or by StartTLS,
//! RFC 4511 section 4.14) and, between socket and LDAP client, the [`Guard`].
//!
//! In: a server and a time limit. Out: a [`Wire`] whose `ldap` handle can be cloned and asked
//! by many at once. Dropping the last owner ends the connection.
//!
//! Invariant: nothing is sent to a server whose certificate does not hold, and nothing that
//! came in clear is read after StartTLS.

use std::io;
use std::time::{Duration, Instant};

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, StdStream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::guard::{Guard, whole};
use crate::config::{DirectoryTls, LdapServer, SmtpHost};
use crate::mail::Host;
use crate::net::tls;

const READ_OCTETS: usize = 16 << 10;
/// ExtendedRequest 1.3.6.1.4.1.1466.20037, message 1.
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
const START_TLS_ANSWER_OCTETS: usize = 4_096;

/// Why there is no connection. The operator reads it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unconnected {
    #[error("cannot connect: {0}")]
    Tcp(String),
    #[error("TLS: {0}")]
    Tls(String),
    #[error("the server refused StartTLS")]
    StartTlsRefused,
    #[error("connecting took too long")]
    TooSlow,
}

/// An open connection.
pub(super) struct Wire {
    ldap: Ldap,
    opened: Instant,
    tasks: [AbortHandle; 2],
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Wire").field("opened", &self.opened).finish_non_exhaustive()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Wire {
    /// A handle for questions.
    pub(super) fn ldap(&self) -> Ldap {
        self.ldap.clone()
    }

    /// Whether the server or the network has ended it.
    pub(super) fn is_over(&self) -> bool {
        self.ldap.clone().is_closed() || self.tasks.iter().any(AbortHandle::is_finished)
    }

    /// How long ago it was opened.
    pub(super) fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Connects and secures, in so much time.
    pub(super) async fn open(
        server: &LdapServer,
        security: DirectoryTls,
        connector: Option<&TlsConnector>,
        limit: Duration,
    ) -> Result<Wire, Unconnected> {
        match timeout(limit, Wire::connect(server, security, connector)).await {
            Ok(opened) => opened,
            Err(_) => Err(Unconnected::TooSlow),
        }
    }

    async fn connect(
        server: &LdapServer,
        security: DirectoryTls,
        connector: Option<&TlsConnector>,
    ) -> Result<Wire, Unconnected> {
        let tcp = |error: io::Error| Unconnected::Tcp(error.to_string());
        let connected = match &server.host {
            SmtpHost::Ip(address) => TcpStream::connect((*address, server.port)).await,
            // By the system's resolver, whose search list and hosts file a directory may need.
            SmtpHost::Name(name) => TcpStream::connect((name.as_str(), server.port)).await,
        };
        let mut stream = connected.map_err(tcp)?;
        // Questions are small and each waits for its answer.
        let _ = stream.set_nodelay(true);
        let address = stream.peer_addr().map_err(tcp)?.ip();
        if security == DirectoryTls::None {
            return Wire::over(stream).await.map_err(tcp);
        }
        if security == DirectoryTls::StartTls {
            start_tls(&mut stream).await?;
        }
        let connector = connector.ok_or_else(|| Unconnected::Tls("no authorities".into()))?;
        let host = match &server.host {
            SmtpHost::Ip(address) => Host::Literal(*address),
            SmtpHost::Name(name) => Host::Domain(name.clone()),
        };
        let secured = connector.connect(tls::server_name(&host, address), stream).await;
        let secured = secured.map_err(|error| Unconnected::Tls(error.to_string()))?;
        Wire::over(secured).await.map_err(tcp)
    }

    /// The LDAP client speaks to one end of a pair of sockets; the other end is here.
    async fn over<S>(stream: S) -> io::Result<Wire>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (near, far) = std::os::unix::net::UnixStream::pair()?;
        near.set_nonblocking(true)?;
        let near = UnixStream::from_std(near)?;
        let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(far));
        let (connection, ldap) = LdapConnAsync::with_settings(settings, "ldapi://pair")
            .await
            .map_err(io::Error::other)?;
        let relay = tokio::spawn(relay(stream, near)).abort_handle();
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.drive().await {
                tracing::debug!(%error, "a connection to a directory ended");
            }
        });
        let tasks = [relay, driver.abort_handle()];
        Ok(Wire { ldap, opened: Instant::now(), tasks })
    }
}

/// Carries octets until either side ends; what the server says passes the guard.
async fn relay<S: AsyncRead + AsyncWrite>(server: S, mut client: UnixStream) {
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let (mut from_client, mut to_client) = client.split();
    let mut guard = Guard::default();
    let (mut said, mut asked) = (vec![0; READ_OCTETS], vec![0; READ_OCTETS]);
    loop {
        let carried = tokio::select! {
            read = from_server.read(&mut said) => match read {
                Ok(octets @ 1..) => match guard.push(said.get(..octets).unwrap_or_default()) {
                    Ok(whole) => to_client.write_all(&whole).await,
                    Err(error) => {
                        tracing::warn!(%error, "a directory server sent what cannot be read");
                        return;
                    }
                },
                Ok(0) | Err(_) => return,
            },
            read = from_client.read(&mut asked) => match read {
                Ok(octets @ 1..) => {
                    guard.asked();
                    let question = asked.get(..octets).unwrap_or_default();
                    match to_server.write_all(question).await {
                        Ok(()) => to_server.flush().await,
                        Err(error) => Err(error),
                    }
                }
                Ok(0) | Err(_) => {
                    let _ = to_server.shutdown().await;
                    return;
                }
            },
        };
        if carried.is_err() {
            return;
        }
    }
}

/// Asks for TLS; the answer must be all that has come.
async fn start_tls(stream: &mut TcpStream) -> Result<(), Unconnected> {
    let tcp = |error: io::Error| Unconnected::Tcp(error.to_string());
    stream.write_all(START_TLS).await.map_err(tcp)?;
    let mut answer = Vec::new();
    let length = loop {
        match whole(&answer) {
            Ok(Some(length)) => break length,
            Ok(None) if answer.len() < START_TLS_ANSWER_OCTETS => {}
            Ok(None) | Err(_) => return Err(Unconnected::StartTlsRefused),
        }
        let mut piece = [0; 512];
        match stream.read(&mut piece).await.map_err(tcp)? {
            0 => return Err(Unconnected::StartTlsRefused),
            octets => answer.extend_from_slice(piece.get(..octets).unwrap_or_default()),
        }
    };
    // What follows in clear would be read as if it had come encrypted.
    match length == answer.len() && is_success(&answer) {
        true => Ok(()),
        false => Err(Unconnected::StartTlsRefused),
    }
}

/// An ExtendedResponse to message 1 with resultCode 0; lengths take one octet or more.
fn is_success(answer: &[u8]) -> bool {
    let inner = |octets: &[u8], tag: u8| -> Option<Vec<u8>> {
        let (first, rest) = octets.split_first()?;
        let (length, rest) = rest.split_first()?;
        let skipped = if *length > 0x80 { usize::from(length & 0x7f) } else { 0 };
        (*first == tag).then(|| rest.get(skipped..).unwrap_or_default().to_vec())
    };
    let message = inner(answer, 0x30);
    let operation = message.as_deref().and_then(|rest| rest.strip_prefix(&[2, 1, 1]));
    let response = operation.and_then(|rest| inner(rest, 0x78));
    response.is_some_and(|rest| rest.starts_with(&[10, 1, 0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_starttls_are_told_apart() {
        let success = [0x30, 12, 2, 1, 1, 0x78, 7, 10, 1, 0, 4, 0, 4, 0];
        assert!(is_success(&success));
        // As Active Directory writes lengths.
        let long = [0x30, 0x84, 0, 0, 0, 16, 2, 1, 1, 0x78, 0x84, 0, 0, 0, 7, 10, 1, 0, 4, 0, 4, 0];
        assert!(is_success(&long));
        let refused = [0x30, 12, 2, 1, 1, 0x78, 7, 10, 1, 2, 4, 0, 4, 0];
        let other = [0x30, 12, 2, 1, 2, 0x78, 7, 10, 1, 0, 4, 0, 4, 0];
        let bind = [0x30, 12, 2, 1, 1, 0x61, 7, 10, 1, 0, 4, 0, 4, 0];
        for answer in [&refused[..], &other, &bind, &[], &[0x30], &[0x30, 0x84]] {
            assert!(!is_success(answer));
        }
    }
}
