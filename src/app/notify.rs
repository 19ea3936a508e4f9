//! Tells the service manager how far the box is (sd_notify).

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Sends a state such as `READY=1`, when a service manager listens.
pub(super) fn service_manager(state: &str) {
    let Some(place) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(place.as_encoded_bytes(), state) {
        tracing::warn!(%error, "the service manager cannot be told {state}");
    }
}

fn send(place: &[u8], state: &str) -> std::io::Result<()> {
    let address = match place.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(std::path::Path::new(
            std::str::from_utf8(place).map_err(std::io::Error::other)?,
        ))?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop)
}
