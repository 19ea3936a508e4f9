//! TLS towards servers.
//!
//! Next hops did not prove who they are: that is better than clear text, as RFC 7435 has it.
//! Any certificate is taken, but the handshake's signatures must be right, so that nobody
//! without the shown certificate's key can have answered. Directory servers get passwords and
//! have to prove it ([`verifying_client`], RFC 4513 section 3.1.3).

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    self, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use super::{TlsError, provider};
use crate::mail::Host;

/// Hosts whose sessions are remembered for resumption.
const SESSIONS: usize = 1_024;

/// Takes any certificate, checks the signatures made with it.
#[derive(Debug)]
struct AnyCertificate {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// A connector for opportunistic TLS. Make it once and share it: it remembers sessions.
#[expect(clippy::expect_used, reason = "ring has cipher suites for both protocol versions")]
pub fn opportunistic_client() -> TlsConnector {
    let provider = provider();
    let algorithms = provider.signature_verification_algorithms;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring serves TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate { algorithms }))
        .with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    TlsConnector::from(Arc::new(config))
}

/// Where Debian keeps the authorities that everybody trusts.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A connector for servers that must prove who they are, by a certificate that comes from one
/// of the authorities in a PEM file; absent: those of the system.
pub fn verifying_client(authorities: Option<&Path>) -> Result<TlsConnector, TlsError> {
    let file = authorities.unwrap_or(Path::new(SYSTEM_AUTHORITIES));
    let text =
        std::fs::read(file).map_err(|error| TlsError::File { file: file.to_owned(), error })?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate =
            certificate.map_err(|error| TlsError::NotPem { file: file.to_owned(), error })?;
        let added = roots.add(certificate);
        // The system's bundle may hold what is too old to be read; a file of one's own must not.
        if let (Err(error), Some(_)) = (added, authorities) {
            return Err(TlsError::Unusable { file: file.to_owned(), error });
        }
    }
    if roots.is_empty() {
        return Err(TlsError::NoCertificate { file: file.to_owned() });
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The name to ask for in a handshake: SNI for a domain, none for an address. A domain that
/// is no host name is asked for by the address that was connected to.
pub fn server_name(host: &Host, address: IpAddr) -> ServerName<'static> {
    let by_address = ServerName::IpAddress(address.into());
    match host {
        Host::Domain(domain) => {
            ServerName::try_from(domain.as_str().to_owned()).unwrap_or(by_address)
        }
        Host::Literal(address) => ServerName::IpAddress((*address).into()),
    }
}
