use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::rustls::{HandshakeKind, version};

use super::*;
use crate::config::Tls;
use crate::mail::{Domain, Host};

fn hostname() -> Domain {
    Domain::parse("mx.example.test").unwrap()
}

fn files(certificate: &Path, key: &Path) -> Tls {
    Tls { certificate: Some(certificate.to_owned()), key: Some(key.to_owned()) }
}

fn make(folder: &Path, name: &str) -> (std::path::PathBuf, std::path::PathBuf) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let (certificate, key) =
        (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

/// One handshake over memory; an octet goes each way so that tickets arrive.
async fn handshake(
    server: &ServerTls,
    client: &tokio_rustls::TlsConnector,
) -> (TlsFacts, HandshakeKind, Vec<u8>) {
    let (near, far) = tokio::io::duplex(65_536);
    let acceptor = server.acceptor();
    let serving = tokio::spawn(async move {
        let mut stream = acceptor.accept(far).await.unwrap();
        let mut octet = [0];
        stream.read_exact(&mut octet).await.unwrap();
        stream.write_all(&octet).await.unwrap();
        stream.flush().await.unwrap();
        facts(stream.get_ref().1)
    });
    let name = server_name(&Host::Domain(hostname()), "192.0.2.1".parse().unwrap());
    let mut stream = client.connect(name, near).await.unwrap();
    let mut octet = [7];
    stream.write_all(&octet).await.unwrap();
    stream.read_exact(&mut octet).await.unwrap();
    let seen = facts(stream.get_ref().1);
    assert_eq!(seen, serving.await.unwrap());
    let connection = stream.get_ref().1;
    let leaf = connection.peer_certificates().and_then(|chain| chain.first()).unwrap();
    (seen, connection.handshake_kind().unwrap(), leaf.to_vec())
}

#[tokio::test]
async fn a_self_signed_certificate_is_made_kept_and_private() {
    let dir = tempfile::tempdir().unwrap();
    let server = ServerTls::load(&Tls::default(), &hostname(), dir.path()).unwrap();
    let file = dir.path().join("tls/self-signed.pem");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let first = fs::read(&file).unwrap();
    let client = opportunistic_client();
    let (facts, kind, _) = handshake(&server, &client).await;
    assert_eq!(facts.version, "TLSv1.3");
    assert!(facts.cipher.starts_with("TLS13_"), "{}", facts.cipher);
    assert_eq!(kind, HandshakeKind::Full);
    assert_eq!(handshake(&server, &client).await.1, HandshakeKind::Resumed);

    ServerTls::load(&Tls::default(), &hostname(), dir.path()).unwrap();
    assert_eq!(fs::read(&file).unwrap(), first);
    let other = Domain::parse("other.example.test").unwrap();
    ServerTls::load(&Tls::default(), &other, dir.path()).unwrap();
    assert_ne!(fs::read(&file).unwrap(), first);
    fs::write(&file, "damaged").unwrap();
    ServerTls::load(&Tls::default(), &hostname(), dir.path()).unwrap();
}

#[tokio::test]
async fn a_reload_shows_the_new_certificate_and_a_failed_one_the_old() {
    let dir = tempfile::tempdir().unwrap();
    let (one, one_key) = make(dir.path(), "one.test");
    let (two, two_key) = make(dir.path(), "two.test");
    let server = ServerTls::load(&files(&one, &one_key), &hostname(), dir.path()).unwrap();
    let fresh = opportunistic_client;
    let first = handshake(&server, &fresh()).await.2;
    let wrong = files(&two, &one_key);
    assert!(server.reload(&wrong, &hostname(), dir.path()).is_err());
    assert_eq!(handshake(&server, &fresh()).await.2, first);
    server.reload(&files(&two, &two_key), &hostname(), dir.path()).unwrap();
    assert_ne!(handshake(&server, &fresh()).await.2, first);
}

#[test]
fn what_is_wrong_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (one, one_key) = make(dir.path(), "one.test");
    let (_, two_key) = make(dir.path(), "two.test");
    let write = |name: &str, text: &str| {
        let file = dir.path().join(name);
        fs::write(&file, text).unwrap();
        file
    };
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let table = [
        (one.clone(), two_key.clone(), "two.test.key does not belong to the certificate"),
        (dir.path().join("absent"), one_key.clone(), "absent: No such file"),
        (one_key.clone(), one_key.clone(), "one.test.key: no certificate in it"),
        (one.clone(), one.clone(), "one.test.crt: no private key in it"),
        (one.clone(), write("enc.key", encrypted), "enc.key: no private key in it (an encrypted"),
        (write("empty", ""), one_key.clone(), "empty: no certificate"),
        (write("half", "-----BEGIN CERTIFICATE-----\nAAAA\n"), one_key.clone(), "half: not PEM"),
        (
            write("junk", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            one_key.clone(),
            "junk: ",
        ),
        (
            one.clone(),
            write("junk.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
            "junk.key: ",
        ),
    ];
    for (certificate, key, what) in table {
        let tls = files(&certificate, &key);
        let error = ServerTls::load(&tls, &hostname(), dir.path()).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
        assert!(ServerTls::check(&tls).is_err());
    }
    assert!(ServerTls::check(&files(&one, &one_key)).is_ok());
}

#[tokio::test]
async fn tls_1_2_is_served_and_older_is_not_offered() {
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = make(dir.path(), "mx.example.test");
    let server = ServerTls::load(&files(&certificate, &key), &hostname(), dir.path()).unwrap();
    let mut roots = RootCertStore::empty();
    use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};
    roots.add(CertificateDer::from_pem_file(&certificate).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let (facts, _, _) = handshake(&server, &client).await;
    assert_eq!(facts.version, "TLSv1.2");
    assert!(facts.cipher.starts_with("TLS_ECDHE_"), "{}", facts.cipher);
}
