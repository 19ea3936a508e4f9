//! Mails: received, refused, spilled, abandoned.

use super::*;

#[tokio::test]
async fn a_mail_comes_in_with_its_facts() {
    let stage = Stage::inbound();
    let mut peer = stage.connect();
    peer.expect(&["220 mx.test ESMTP"]).await;
    peer.send(HELLO).await;
    peer.expect(&["250-mx.test"]).await;
    peer.send(format!("{MAIL}{RCPT}RCPT TO:<postmaster>\r\nDATA\r\n")).await;
    peer.expect(&["250 2.1.0", "250 2.1.5", "250 2.1.5", "354"]).await;
    peer.send("Subject: hello\r\n\r\n..text\r\n.\r\n").await;
    let reply = peer.reply().await;
    let id = reply.split(' ').nth(2).unwrap();
    assert_eq!(reply, format!("250 2.0.0 {id} accepted\r\n"));
    assert!(id.parse::<crate::mail::MailId>().is_ok());
    peer.send("QUIT\r\n").await;
    peer.expect(&["221 2.0.0"]).await;
    peer.expect_end().await;
    let [(envelope, facts, content)] = &stage.mails()[..] else { panic!("one mail") };
    assert_eq!(content, b"Subject: hello\r\n\r\n.text\r\n");
    assert_eq!(envelope.recipients[1].forward_path.to_string(), "root@example.test");
    assert_eq!((facts.helo.as_str(), facts.extended), ("client.test", true));
    assert_eq!(facts.client.to_string(), "192.0.2.1");
    assert!(facts.received_ms > 1_600_000_000_000);
    assert_eq!(stage.budget.used_octets(), 0);
    assert!(stage.saw(&format!("MailAccepted {{ mail_id: {id} }}")));
}

#[tokio::test]
async fn several_mails_in_one_batch_and_a_refused_one() {
    let stage = Stage::inbound();
    let mut peer = stage.connect();
    let one = format!("{MAIL}{RCPT}{TEXT}");
    let refused = one.replace("hello", "").replace("Subject: ", "Subject: refuse");
    peer.send(format!("{HELLO}{one}{refused}{one}QUIT\r\n")).await;
    peer.expect(&["220", "250-", "250 2.1.0", "250 2.1.5", "354", "250 2.0.0"]).await;
    peer.expect(&["250 2.1.0", "250 2.1.5", "354"]).await;
    let refusal = peer.reply().await;
    assert!(refusal.starts_with("550 5.7.1 not this ("), "{refusal}");
    let id = refusal.split(['(', ')']).nth(1).unwrap();
    assert!(stage.saw(&format!("MailRefused {{ mail_id: {id}")));
    peer.expect(&["250 2.1.0", "250 2.1.5", "354", "250 2.0.0", "221"]).await;
    assert_eq!(stage.mails().len(), 2);
}

#[tokio::test]
async fn chunks_come_in() {
    let stage = Stage::inbound();
    let mut peer = stage.connect();
    peer.send(format!("{HELLO}{MAIL}{RCPT}BDAT 4\r\n.\r\nBBDAT 3 LAST\r\nC\r\nQUIT\r\n")).await;
    peer.expect(&["220", "250-", "250 2.1.0", "250 2.1.5", "250 2.0.0 4 octets"]).await;
    peer.expect(&["250 2.0.0", "221"]).await;
    assert_eq!(stage.mails()[0].2, b".\r\nBC\r\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_mail_goes_to_a_file_and_over_the_wire() {
    let stage = Stage::new("inbound", "", "memory_octets_per_message = 10000");
    let (address, _serving) = stage.listen().await;
    let mut peer = dial(address).await;
    let text = "0123456789abcdef\r\n".repeat(200_000);
    peer.send(format!("{HELLO}{MAIL}{RCPT}DATA\r\n")).await;
    peer.expect(&["220", "250-", "250 2.1.0", "250 2.1.5", "354"]).await;
    peer.send(format!("{text}.\r\nQUIT\r\n")).await;
    peer.expect(&["250 2.0.0", "221"]).await;
    assert!(stage.mails()[0].2 == text.as_bytes());
    assert_eq!(stage.budget.used_octets(), 0);
}

#[tokio::test]
async fn over_the_budget_mail_is_deferred_and_the_session_goes_on() {
    let limits = "message_octets = 65536\nbudget_octets = 65536";
    let stage = Stage::new("inbound", "", limits);
    let others = stage.budget.reserve(60_000).unwrap();
    let mut peer = stage.connect();
    let text = "0123456789\r\n".repeat(1_000);
    let big = format!("{MAIL}{RCPT}DATA\r\n{text}.\r\n");
    peer.send(format!("{HELLO}{big}{MAIL}{RCPT}BDAT 12000 LAST\r\n{text}")).await;
    peer.expect(&["220", "250-", "250 2.1.0", "250 2.1.5", "354", "452 4.3.1"]).await;
    peer.expect(&["250 2.1.0", "250 2.1.5", "452 4.3.1"]).await;
    assert_eq!(stage.budget.used_octets(), 60_000);
    peer.send(format!("{MAIL}{RCPT}BDAT 12\r\n0123456789\r\n")).await;
    peer.expect(&["250 2.1.0", "250 2.1.5", "250 2.0.0"]).await;
    assert_eq!(stage.budget.used_octets(), 60_012);
    peer.send("RSET\r\n").await;
    peer.expect(&["250 2.0.0"]).await;
    assert_eq!(stage.budget.used_octets(), 60_000);
    drop(others);
    peer.send(big).await;
    peer.expect(&["250 2.1.0", "250 2.1.5", "354", "250 2.0.0"]).await;
    assert_eq!(stage.mails().len(), 1);
}

#[tokio::test]
async fn a_connection_lost_within_data_leaves_nothing() {
    let stage = Stage::inbound();
    let mut peer = stage.connect();
    peer.send(format!("{HELLO}{MAIL}{RCPT}DATA\r\nSubject: half\r\n\r\nhalf")).await;
    peer.expect(&["220", "250-", "250 2.1.0", "250 2.1.5", "354"]).await;
    drop(peer);
    while stage.inside.load(Ordering::SeqCst) > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(stage.mails().is_empty());
    assert_eq!(stage.budget.used_octets(), 0);
    assert!(stage.saw("MailAbandoned"));
}

#[tokio::test]
async fn a_client_that_leaves_after_end_of_data_has_sent_its_mail() {
    let stage = Stage::inbound();
    let mut peer = stage.connect();
    peer.send(format!(
        "{HELLO}{MAIL}{RCPT}{}",
        TEXT.replace("hello", "").replace("Subject: ", "Subject: slow")
    ))
    .await;
    peer.expect(&["220", "250-", "250 2.1.0", "250 2.1.5"]).await;
    drop(peer);
    tokio::time::sleep(Duration::from_millis(50)).await;
    while stage.inside.load(Ordering::SeqCst) > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(stage.mails().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_smuggler_can_read_the_refusal_while_still_sending() {
    let endings: [&[u8]; 8] = [
        b"\n.\n",
        b"\r.\r",
        b"\r\n.\n",
        b"\n.\r\n",
        b"\r\n.\r",
        b"\r\r\n.\r\r\n",
        b"\r.\r\n",
        b"\n.\r",
    ];
    let stage = Stage::inbound();
    let (address, _serving) = stage.listen().await;
    for ending in endings {
        let peer = dial(address).await;
        let mut wire = format!("{HELLO}{MAIL}{RCPT}DATA\r\nSubject: x\r\n\r\ntext").into_bytes();
        wire.extend_from_slice(ending);
        wire.extend_from_slice(b"MAIL FROM:<forged@evil.test>\r\n");
        wire.extend_from_slice(format!("{RCPT}{TEXT}").repeat(2_000).as_bytes());
        let (read, mut write) = tokio::io::split(peer.stream);
        let sending = tokio::spawn(async move {
            // The server may close while this is on its way.
            let _: std::io::Result<()> = write.write_all(&wire).await;
            write
        });
        let mut peer = Peer::new(tokio::io::join(read, tokio::io::sink()));
        peer.expect(&["220", "250-", "250 2.1.0", "250 2.1.5", "354", "550 5.6.11"]).await;
        peer.expect_end().await;
        drop(sending.await.unwrap());
    }
    assert!(stage.mails().is_empty());
    assert!(stage.saw("(message text)"));
}

#[tokio::test]
async fn split_octet_by_octet_nothing_changes() {
    let stage = Stage::inbound();
    let mut peer = stage.connect();
    let wire = format!("{HELLO}{MAIL}{RCPT}{TEXT}{MAIL}{RCPT}BDAT 3 LAST\r\na\r\nQUIT\r\n");
    for octet in wire.as_bytes() {
        peer.send([*octet]).await;
        tokio::task::yield_now().await;
    }
    peer.expect(&["220", "250-", "250 2.1.0", "250 2.1.5", "354", "250 2.0.0"]).await;
    peer.expect(&["250 2.1.0", "250 2.1.5", "250 2.0.0", "221"]).await;
    assert_eq!(stage.mails().len(), 2);
}
