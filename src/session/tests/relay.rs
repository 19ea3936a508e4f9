//! No open relay by any path.

use super::*;

/// What is sent after MAIL and the code of its reply.
async fn replies(stage: &Stage, client: &str, forward_paths: &[(&str, &str)]) {
    for (path, expected) in forward_paths {
        let mut peer = stage.connect_from(client);
        peer.send(format!("{HELLO}{MAIL}RCPT TO:{path}\r\n")).await;
        peer.expect(&["220", "250-", "250 2.1.0"]).await;
        let reply = peer.reply().await;
        assert!(reply.starts_with(expected), "{path}: {reply}");
    }
}

#[tokio::test]
async fn inbound_takes_mail_for_protected_domains_only() {
    let stage = Stage::inbound();
    let table = [
        ("<b@example.test>", "250"),
        ("<B@EXAMPLE.Test>", "250"),
        ("<b+tag@example.test>", "250"),
        ("<\"b c\"@example.test>", "250"),
        ("<Postmaster>", "250"),
        ("<postmaster@example.test>", "250"),
        ("<PostMaster@listed.test>", "250"),
        ("<postmaster@mx.test>", "250"),
        ("<ann@listed.test>", "250"),
        ("<ANN@listed.test>", "250"),
        ("<Bob@Listed.test>", "250"),
        ("<carol@listed.test>", "550 5.1.1"),
        ("<b@other.test>", "550 5.7.1"),
        ("<b@sub.example.test>", "550 5.7.1"),
        ("<b@notexample.test>", "550 5.7.1"),
        ("<b@mx.test>", "550 5.7.1"),
        ("<postmaster@other.test>", "550 5.7.1"),
        ("<b@[127.0.0.1]>", "550 5.7.1"),
        ("<b@[192.0.2.1]>", "550 5.7.1"),
        ("<postmaster@[192.0.2.1]>", "550 5.7.1"),
        ("<b@[IPv6:::1]>", "550 5.7.1"),
        ("<b%other.test@example.test>", "550 5.7.1"),
        ("<b%other.test@listed.test>", "550 5.7.1"),
        ("<other.test!b@example.test>", "550 5.7.1"),
        ("<\"b@other.test\"@example.test>", "550 5.7.1"),
        ("<\"b%other.test\"@example.test>", "550 5.7.1"),
        ("<@example.test:b@other.test>", "550 5.7.1"),
        ("<@example.test,@mx.test:b@other.test>", "550 5.7.1"),
        ("<@other.test:b@example.test>", "250"),
        ("<b@other.test@example.test>", "501 5.1.3"),
        ("<b@example.test@other.test>", "501 5.1.3"),
        ("<b@example.test,c@other.test>", "501 5.1.3"),
        ("<\"b\"other.test\"@example.test>", "501 5.1.3"),
        ("<b@example.test.>", "501 5.1.3"),
        ("<b@other.test> ORCPT=rfc822;b@example.test", "550 5.7.1"),
        ("<>", "501 5.1.3"),
        ("b@example.test", "501 5.1.3"),
    ];
    replies(&stage, "192.0.2.1", &table).await;
    assert!(stage.saw("RecipientRefused"));
}

#[tokio::test]
async fn inbound_serves_its_networks_when_it_has_some() {
    let stage = Stage::new("inbound", "networks = [\"192.0.2.0/24\", \"2001:db8::/32\"]", "");
    replies(&stage, "192.0.2.9", &[("<b@example.test>", "250")]).await;
    replies(&stage, "2001:db8::9", &[("<b@example.test>", "250")]).await;
    let mut peer = stage.connect_from("198.51.100.1");
    peer.send(format!("{HELLO}{MAIL}{RCPT}DATA\r\nQUIT\r\n")).await;
    peer.expect(&["554 5.7.1", "503", "503", "503", "503", "221"]).await;
}

#[tokio::test]
async fn outbound_serves_its_networks_and_sends_anywhere() {
    let stage = Stage::new("outbound", "networks = [\"10.0.0.0/8\"]", "");
    let table = [
        ("<b@example.test>", "250"),
        ("<b@other.test>", "250"),
        ("<b@[192.0.2.1]>", "250"),
        ("<ann@listed.test>", "250"),
        ("<carol@listed.test>", "550 5.1.1"),
        ("<Postmaster>", "250"),
    ];
    replies(&stage, "10.1.2.3", &table).await;
    replies(&stage, "::ffff:10.1.2.3", &table).await;
    for client in ["192.0.2.1", "11.0.0.1", "::ffff:192.0.2.1", "::a01:203"] {
        let mut peer = stage.connect_from(client);
        peer.send(format!("{HELLO}{MAIL}")).await;
        peer.expect(&["554 5.7.1", "503", "503"]).await;
    }
    assert!(stage.saw("192.0.2.1 ConnectionRefused"));
    assert!(stage.mails().is_empty());
}

/// AUTH happens over TLS only, so the listener speaks TLS first here.
#[tokio::test]
async fn submission_serves_accounts_with_their_own_addresses() {
    let stage = Stage::new("submission", "tls = \"implicit\"", "");
    // "\0user\0secret" and "\0robot\0secret".
    let table = [
        ("AHVzZXIAc2VjcmV0", "<user@example.test>", "250 2.1.0"),
        ("AHVzZXIAc2VjcmV0", "<USER@Example.test>", "250 2.1.0"),
        ("AHVzZXIAc2VjcmV0", "<alias@example.test>", "250 2.1.0"),
        ("AHVzZXIAc2VjcmV0", "<other@example.test>", "553 5.7.1"),
        ("AHVzZXIAc2VjcmV0", "<user@other.test>", "553 5.7.1"),
        ("AHVzZXIAc2VjcmV0", "<user@[192.0.2.1]>", "553 5.7.1"),
        ("AHVzZXIAc2VjcmV0", "<>", "553 5.7.1"),
        ("AHJvYm90AHNlY3JldA==", "<any@example.test>", "250 2.1.0"),
        ("AHJvYm90AHNlY3JldA==", "<any@sub.example.test>", "553 5.7.1"),
        ("AHJvYm90AHNlY3JldA==", "<>", "250 2.1.0"),
    ];
    for (credentials, path, expected) in table {
        let mut peer = tls::connect(&stage).await;
        peer.send(format!("{HELLO}AUTH PLAIN {credentials}\r\nMAIL FROM:{path}\r\n")).await;
        peer.expect(&["220", "250-", "235 2.7.0", expected]).await;
        if expected.starts_with("250") {
            peer.send("RCPT TO:<b@other.test>\r\n").await;
            peer.expect(&["250 2.1.5"]).await;
        }
    }
    let mut peer = tls::connect(&stage).await;
    peer.send(format!("{HELLO}{MAIL}RCPT TO:<b@example.test>\r\nAUTH PLAIN AGRvd24AeA==\r\n"))
        .await;
    peer.expect(&["220", "250-", "530 5.7.0", "503 5.5.1", "454 4.7.0"]).await;
}
