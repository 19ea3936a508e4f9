//! TLS: STARTTLS, implicit, and what is tried around it.

use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;

fn connector(stage: &Stage) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(stage.certificate.clone()).unwrap();
    let client =
        rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    TlsConnector::from(Arc::new(client))
}

async fn encrypt<S: AsyncRead + AsyncWrite + Unpin>(
    stage: &Stage,
    peer: Peer<S>,
) -> Peer<TlsStream<S>> {
    assert!(peer.unread.is_empty());
    let name = ServerName::try_from("mx.test").unwrap();
    Peer::new(connector(stage).connect(name, peer.stream).await.unwrap())
}

pub(super) async fn connect(stage: &Stage) -> Peer<TlsStream<DuplexStream>> {
    encrypt(stage, stage.connect()).await
}

#[tokio::test]
async fn starttls_then_auth_then_mail() {
    let stage = Stage::new("submission", "", "");
    let mut peer = stage.connect();
    peer.send(HELLO).await;
    peer.expect(&["220"]).await;
    let offer = peer.reply().await;
    assert!(offer.contains("STARTTLS") && !offer.contains("AUTH"), "{offer}");
    peer.send("AUTH LOGIN\r\n").await;
    peer.expect(&["538 5.7.11"]).await;
    peer.send("STARTTLS\r\n").await;
    peer.expect(&["220 2.0.0"]).await;
    let mut peer = encrypt(&stage, peer).await;
    peer.send("MAIL FROM:<user@example.test>\r\nEHLO again\r\n").await;
    peer.expect(&["503 5.5.1"]).await;
    let offer = peer.reply().await;
    assert!(!offer.contains("STARTTLS") && offer.contains("AUTH PLAIN LOGIN"), "{offer}");
    peer.send("AUTH LOGIN\r\n").await;
    peer.expect(&["334"]).await;
    peer.send("dXNlcg==\r\n").await;
    peer.expect(&["334"]).await;
    peer.send("c2VjcmV0\r\n").await;
    peer.expect(&["235 2.7.0"]).await;
    peer.send(format!("MAIL FROM:<user@example.test>\r\nRCPT TO:<x@other.test>\r\n{TEXT}QUIT\r\n"))
        .await;
    peer.expect(&["250 2.1.0", "250 2.1.5", "354", "250 2.0.0", "221"]).await;
    // The end comes with close_notify: without it this would be an error, not an end.
    let mut rest = Vec::new();
    peer.stream.read_to_end(&mut rest).await.unwrap();
    let facts = stage.mails()[0].1.clone();
    assert_eq!(facts.account.as_deref(), Some("user"));
    assert_eq!(facts.helo, "again");
    let tls = facts.tls.unwrap();
    assert_eq!(tls.version, "TLSv1.3");
    assert!(tls.cipher.starts_with("TLS13_"), "{}", tls.cipher);
}

#[tokio::test]
async fn octets_behind_starttls_end_the_session_aloud() {
    let stage = Stage::inbound();
    let mut peer = stage.connect();
    peer.send(format!("{HELLO}STARTTLS\r\nRSET\r\n{MAIL}{RCPT}{TEXT}")).await;
    peer.expect(&["220", "250-", "503 5.5.1"]).await;
    peer.expect_end().await;
    assert!(stage.mails().is_empty());
}

#[tokio::test]
async fn clear_text_instead_of_a_handshake_is_never_obeyed() {
    let stage = Stage::inbound();
    let mut peer = stage.connect();
    peer.send(format!("{HELLO}STARTTLS\r\n")).await;
    peer.expect(&["220", "250-", "220 2.0.0"]).await;
    peer.send(format!("{HELLO}{MAIL}{RCPT}{TEXT}")).await;
    let mut rest = Vec::new();
    peer.stream.read_to_end(&mut rest).await.unwrap();
    assert!(!rest.starts_with(b"250"), "{rest:?}");
    assert!(stage.saw("HandshakeFailed"));
    assert!(stage.mails().is_empty());
}

#[tokio::test]
async fn tls_first() {
    let stage = Stage::new("inbound", "tls = \"implicit\"", "");
    let mut peer = connect(&stage).await;
    peer.send(format!("{HELLO}{MAIL}{RCPT}{TEXT}QUIT\r\n")).await;
    peer.expect(&["220"]).await;
    assert!(!peer.reply().await.contains("STARTTLS"));
    peer.expect(&["250 2.1.0", "250 2.1.5", "354", "250 2.0.0", "221"]).await;
    assert!(stage.mails()[0].1.tls.is_some());
    // A client in clear gets no banner.
    let mut peer = stage.connect();
    peer.send(HELLO).await;
    let mut rest = Vec::new();
    peer.stream.read_to_end(&mut rest).await.unwrap();
    assert!(!rest.starts_with(b"220"));
}

#[tokio::test]
async fn without_a_certificate_tls_is_not_offered() {
    let mut stage = Stage::inbound();
    let old = Arc::clone(&stage.house);
    stage.house = Arc::new(House {
        pipeline: Arc::clone(&old.pipeline),
        accounts: Arc::clone(&old.accounts),
        doorman: Arc::clone(&old.doorman),
        gatekeeper: Arc::clone(&old.gatekeeper),
        tls: Arc::new(|| None),
        proxy: Arc::clone(&old.proxy),
        witness: Arc::clone(&old.witness),
        budget: Arc::clone(&old.budget),
    });
    let mut peer = stage.connect();
    peer.send(format!("{HELLO}STARTTLS\r\n")).await;
    peer.expect(&["220"]).await;
    assert!(!peer.reply().await.contains("STARTTLS"));
    peer.expect(&["502 5.5.1"]).await;
}
