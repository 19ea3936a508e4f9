//! The box's own certificate and the acceptor that shows it.
//!
//! In: `[tls]`, the host name, the data directory. Out: [`ServerTls`]. Without a configured
//! certificate one file `tls/self-signed.pem` holds a key and its certificate for the host
//! name; it is kept over restarts, readable by its owner only, replaced as a whole, and made
//! anew when the host name changes or the file is damaged.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::crypto::ring::Ticketer;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::{ParsedCertificate, ServerSessionMemoryCache};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{self, InconsistentKeys, ServerConfig};

use super::{Lifetime, TlsError, provider};
use crate::config::Tls;
use crate::mail::Domain;

/// TLS 1.2 sessions kept for resumption by id; tickets need no memory.
const SESSIONS: usize = 4_096;
const SELF_SIGNED_YEARS: i32 = 10;

/// What can be said of a certificate before it is shown to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Examined {
    /// Certificates in the file: its own and those that vouch for it.
    pub chain: usize,
    /// Of its own one; none when that cannot be read.
    pub lifetime: Option<Lifetime>,
    /// Whether it is for the host's name.
    pub is_for_host: bool,
}

/// TLS for listeners.
pub struct ServerTls {
    current: ArcSwap<ServerConfig>,
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

impl ServerTls {
    /// Reads the configured certificate and key, or reads or makes a self-signed one.
    pub fn load(tls: &Tls, hostname: &Domain, data_dir: &Path) -> Result<ServerTls, TlsError> {
        let config = server_config(tls, hostname, data_dir)?;
        Ok(ServerTls { current: ArcSwap::new(config) })
    }

    /// Reads again; what is in force stays when that fails. Open sessions go on unchanged.
    pub fn reload(&self, tls: &Tls, hostname: &Domain, data_dir: &Path) -> Result<(), TlsError> {
        self.current.store(server_config(tls, hostname, data_dir)?);
        Ok(())
    }

    /// Whether what a file names could be put in force; makes nothing.
    pub fn check(tls: &Tls) -> Result<(), TlsError> {
        configured(tls).map(|_| ())
    }

    /// The certificate that these settings name, or the self-signed one that is there without
    /// them: whether it goes with its key, for whom it is and for how long. Makes nothing.
    pub fn examine(tls: &Tls, hostname: &Domain, data_dir: &Path) -> Result<Examined, TlsError> {
        let own = data_dir.join("tls").join("self-signed.pem");
        let identity = match configured(tls)? {
            Some(identity) => identity,
            None => identity(&own, &own)?,
        };
        Ok(Examined {
            chain: identity.cert.len(),
            lifetime: identity.cert.first().and_then(|leaf| Lifetime::of(leaf)),
            is_for_host: is_for(&identity, hostname),
        })
    }

    /// For the next handshake.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }
}

fn server_config(
    tls: &Tls,
    hostname: &Domain,
    data_dir: &Path,
) -> Result<Arc<ServerConfig>, TlsError> {
    let identity = match configured(tls)? {
        Some(identity) => identity,
        None => self_signed(hostname, data_dir)?,
    };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
    config.ticketer = Ticketer::new()?;
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

fn configured(tls: &Tls) -> Result<Option<CertifiedKey>, TlsError> {
    let (Some(certificate), Some(key)) = (&tls.certificate, &tls.key) else { return Ok(None) };
    identity(certificate, key).map(Some)
}

fn identity(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain = read_chain(certificate)?;
    let private = read_key(key)?;
    let unusable = |file: &Path, error| TlsError::Unusable { file: file.to_owned(), error };
    let provider = provider();
    let signing = provider.key_provider.load_private_key(private);
    let signing = signing.map_err(|error| unusable(key, error))?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(TlsError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() })
        }
        Err(error) => Err(unusable(certificate, error)),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(file).map_err(|error| TlsError::File { file: file.to_owned(), error })
}

fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(file)?;
    let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(TlsError::NoCertificate { file: file.to_owned() }),
        Ok(chain) => Ok(chain),
        Err(error) => Err(TlsError::NotPem { file: file.to_owned(), error }),
    }
}

fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(file)?).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey { file: file.to_owned() },
        error => TlsError::NotPem { file: file.to_owned(), error },
    })
}

fn self_signed(hostname: &Domain, data_dir: &Path) -> Result<CertifiedKey, TlsError> {
    let file = data_dir.join("tls").join("self-signed.pem");
    match identity(&file, &file) {
        Ok(identity) if is_for(&identity, hostname) => return Ok(identity),
        Ok(_) => tracing::info!(%hostname, "the host name is new: making another certificate"),
        Err(TlsError::File { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
            tracing::info!(%hostname, "no certificate is configured: making a self-signed one");
        }
        Err(error) => tracing::warn!(%error, "making another self-signed certificate"),
    }
    let text = make_self_signed(hostname)?;
    write_private(&file, text.as_bytes())
        .map_err(|error| TlsError::File { file: file.clone(), error })?;
    identity(&file, &file)
}

fn is_for(identity: &CertifiedKey, hostname: &Domain) -> bool {
    let Ok(leaf) = identity.end_entity_cert() else { return false };
    let Ok(leaf) = ParsedCertificate::try_from(leaf) else { return false };
    let Ok(name) = ServerName::try_from(hostname.as_str()) else { return false };
    verify_server_name(&leaf, &name).is_ok()
}

fn make_self_signed(hostname: &Domain) -> Result<String, TlsError> {
    let key = rcgen::KeyPair::generate()?;
    let mut certificate = rcgen::CertificateParams::new([hostname.as_str().to_owned()])?;
    let mut subject = rcgen::DistinguishedName::new();
    // RFC 5280 appendix A.1: a common name has at most 64 characters.
    let common_name: String = hostname.as_str().chars().take(64).collect();
    subject.push(rcgen::DnType::CommonName, common_name);
    certificate.distinguished_name = subject;
    let year = i32::from(jiff::Zoned::now().year());
    certificate.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
    certificate.not_after = rcgen::date_time_ymd(year + SELF_SIGNED_YEARS, 1, 1);
    let signed = certificate.self_signed(&key)?;
    Ok(format!("{}{}", signed.pem(), key.serialize_pem()))
}

/// Whole or not at all, and for the owner only from the first octet on.
fn write_private(file: &Path, text: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let draft: PathBuf = file.with_extension(format!("draft-{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    let mut open = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    open.write_all(text)?;
    open.sync_all()?;
    fs::rename(&draft, file)?;
    fs::File::open(folder)?.sync_all()
}
