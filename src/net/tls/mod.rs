//! TLS towards clients and towards next hops.
//!
//! In: PEM files, or nothing (then a self-signed certificate is made in the data directory).
//! Out: a [`ServerTls`] that can be reloaded while it serves, [`opportunistic_client`] and
//! [`verifying_client`].
//!
//! TLS 1.2 and 1.3 only (RFC 8996). Fails with a [`TlsError`] that names the file and the
//! cause; a failed reload leaves what is in force.

mod client;
mod error;
mod lifetime;
mod server;

use tokio_rustls::rustls::{CommonState, crypto::CryptoProvider, crypto::ring};

use crate::mail::TlsFacts;

pub use client::{opportunistic_client, server_name, verifying_client};
pub use error::TlsError;
pub use lifetime::Lifetime;
pub use server::{Examined, ServerTls};

fn provider() -> std::sync::Arc<CryptoProvider> {
    std::sync::Arc::new(ring::default_provider())
}

/// Version and cipher of a finished handshake, by their usual names.
pub fn facts(connection: &CommonState) -> TlsFacts {
    let version = connection.protocol_version().map(|version| format!("{version:?}"));
    let cipher = connection.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
    TlsFacts {
        version: version.unwrap_or_default().replace('_', "."),
        cipher: cipher.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
