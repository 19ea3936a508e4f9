//! What is wrong with a certificate, a key or a TLS setting. The administrator reads it.

use std::io;
use std::path::PathBuf;

use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem;

/// The administrator is to blame, except where the box itself failed to make a certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{}: {error}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is not PEM.
    #[error("{}: not PEM: {error}", file.display())]
    NotPem {
        /// Which.
        file: PathBuf,
        /// Why.
        error: pem::Error,
    },
    /// The file holds no certificate.
    #[error("{}: no certificate in it", file.display())]
    NoCertificate {
        /// Which.
        file: PathBuf,
    },
    /// The file holds no private key that can be used.
    #[error("{}: no private key in it (an encrypted key must be decrypted first)", file.display())]
    NoKey {
        /// Which.
        file: PathBuf,
    },
    /// Both are fine, but not of each other.
    #[error("the key {} does not belong to the certificate {}", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A certificate or key that TLS cannot use.
    #[error("{}: {error}", file.display())]
    Unusable {
        /// Which.
        file: PathBuf,
        /// Why.
        error: rustls::Error,
    },
    /// The self-signed certificate could not be made.
    #[error("cannot make a self-signed certificate: {0}")]
    SelfSigned(#[from] rcgen::Error),
    /// TLS itself cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}
