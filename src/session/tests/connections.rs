//! Connections: limits, time-outs, PROXY headers, drain.

use super::*;

#[tokio::test]
async fn the_doorman_counts_and_refuses() {
    let stage = Stage::inbound();
    let mut peer = stage.connect_from("192.0.2.66");
    peer.expect(&["421 4.7.0 too many connections"]).await;
    peer.expect_end().await;
    assert!(stage.saw("192.0.2.66 ConnectionRefused"));
    let mut peer = stage.connect();
    peer.expect(&["220"]).await;
    assert_eq!(stage.inside.load(Ordering::SeqCst), 1);
    peer.send("QUIT\r\n").await;
    peer.expect(&["221"]).await;
    peer.expect_end().await;
    drop(peer);
    while stage.inside.load(Ordering::SeqCst) > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn behind_a_balancer_the_header_names_the_client() {
    let stage = Stage::new("inbound", "proxy_networks = [\"10.0.0.0/8\"]", "");
    // Whole and octet by octet, with commands right behind it.
    for chunk in [1, 100] {
        let mut peer = stage.connect_from("10.0.0.1");
        for part in format!("PROXY7;{HELLO}{MAIL}{RCPT}{TEXT}QUIT\r\n").as_bytes().chunks(chunk) {
            peer.send(part).await;
            tokio::task::yield_now().await;
        }
        peer.expect(&["220", "250-", "250 2.1.0", "250 2.1.5", "354", "250 2.0.0"]).await;
    }
    assert_eq!(stage.mails().len(), 2);
    assert!(stage.mails().iter().all(|mail| mail.1.client.to_string() == "192.0.2.7"));
    let mut health_check = stage.connect_from("10.0.0.1");
    health_check.send("PROXY0;QUIT\r\n").await;
    health_check.expect(&["220", "221"]).await;
    let mut forged = stage.connect_from("192.0.2.1");
    forged.send("PROXY7;").await;
    forged.expect(&["554 5.7.1"]).await;
    let mut without = stage.connect_from("10.0.0.1");
    without.send(HELLO).await;
    without.expect_end().await;
    assert!(stage.saw("HandshakeFailed"));
}

#[tokio::test]
async fn the_client_of_a_header_must_be_served_too() {
    let listen = "networks = [\"192.0.2.7/32\"]\nproxy_networks = [\"10.0.0.0/8\"]";
    let stage = Stage::new("outbound", listen, "");
    let mut peer = stage.connect_from("10.0.0.1");
    peer.send(format!("PROXY7;{HELLO}")).await;
    peer.expect(&["220"]).await;
    let mut peer = stage.connect_from("10.0.0.1");
    peer.send(format!("PROXY8;{HELLO}")).await;
    peer.expect(&["554 5.7.1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loop_serves_many_and_ends_when_told() {
    let stage = Stage::inbound();
    let (address, serving) = stage.listen().await;
    let clients: Vec<_> = (0..50)
        .map(|_| {
            tokio::spawn(async move {
                let mut peer = dial(address).await;
                peer.send(format!("{HELLO}{MAIL}{RCPT}{TEXT}")).await;
                peer.expect(&["220", "250-", "250 2.1.0", "250 2.1.5", "354", "250 2.0.0"]).await;
                peer
            })
        })
        .collect();
    let mut peers = Vec::new();
    for client in clients {
        peers.push(client.await.unwrap());
    }
    assert_eq!(stage.mails().len(), 50);
    stage.drain.send(true).unwrap();
    for peer in &mut peers {
        peer.expect(&["421 4.3.2"]).await;
    }
    drop(peers);
    tokio::time::timeout(Duration::from_secs(10), serving).await.unwrap().unwrap();
    assert_eq!(stage.inside.load(Ordering::SeqCst), 0);
}
