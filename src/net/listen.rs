//! Listening sockets and the connections that they give.
//!
//! In: an address. Out: a [`TcpListener`], then streams without Nagle's delay and with the
//! client's address in canonical form (IPv4-mapped IPv6 is IPv4).
//!
//! An IPv6 socket takes IPv6 only, so `0.0.0.0:25` and `[::]:25` stand side by side and each
//! means what it says. Fails with a [`ListenError`] that names the address; [`accept`] does
//! not fail: a box out of descriptors waits and goes on.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Connections that may wait to be accepted; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: u32 = 4096;
/// How long to wait when the box is out of descriptors or buffers.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// The administrator is to blame, or another program that has the port.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {why}")]
pub struct ListenError {
    /// Where.
    pub address: SocketAddr,
    why: String,
}

impl ListenError {
    fn new(address: SocketAddr, error: &io::Error) -> ListenError {
        let why = match error.kind() {
            io::ErrorKind::AddrInUse => "another program has this port".to_owned(),
            io::ErrorKind::AddrNotAvailable => "this box does not have that address".to_owned(),
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need root or CAP_NET_BIND_SERVICE".to_owned()
            }
            _ => error.to_string(),
        };
        ListenError { address, why }
    }
}

/// Opens a listening socket. Must be called within the runtime.
pub fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    open(address).map_err(|error| ListenError::new(address, &error))
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => {
            let socket = TcpSocket::new_v6()?;
            setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
            socket
        }
    };
    // So that a restart need not wait for old connections to leave TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The next connection. Errors of single connections are skipped; when the box is out of
/// descriptors or memory it waits a moment, so the caller's loop cannot spin.
pub async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Replies are small and the peer waits for each; failure costs only time.
                let _ = stream.set_nodelay(true);
                return (stream, canonical(peer));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections for the moment");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// IPv4-mapped IPv6 addresses as the IPv4 addresses that they are.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let error = bind(address).unwrap_err().to_string();
        assert_eq!(error, format!("cannot listen on {address}: another program has this port"));
        let error = bind("192.0.2.1:0".parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("does not have that address"), "{error}");
    }

    #[tokio::test]
    async fn both_families_share_a_port() {
        let Ok(six) = bind("[::]:0".parse().unwrap()) else { return }; // a box without IPv6
        let port = six.local_addr().unwrap().port();
        let four = bind(SocketAddr::new("0.0.0.0".parse().unwrap(), port)).unwrap();
        let client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (stream, peer) = accept(&four).await;
        assert_eq!(peer, client.local_addr().unwrap());
        assert!(stream.nodelay().unwrap());
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:7".parse().unwrap();
        assert_eq!(canonical(mapped), "192.0.2.1:7".parse().unwrap());
    }
}
