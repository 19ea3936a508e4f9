//! Every wait ends. Real seconds, few of them.

use tokio::time::Instant;

use super::*;

fn assert_took(began: Instant, seconds: f32) {
    let took = began.elapsed().as_secs_f32();
    assert!((seconds - 0.2..seconds + 1.5).contains(&took), "{took} s, not {seconds}");
}

const LIMITS: &str = "command_timeout_s = 2\ndata_timeout_s = 1\nsession_timeout_s = 4\nhandshake_timeout_s = 1\ndrain_timeout_s = 2";

fn stage() -> Stage {
    Stage::new("inbound", "", LIMITS)
}

#[tokio::test]
async fn silence() {
    let stage = stage();
    let mut peer = stage.connect();
    let began = Instant::now();
    peer.expect(&["220", "421 4.4.2"]).await;
    assert_took(began, 2.0);
    peer.expect_end().await;
}

#[tokio::test]
async fn a_command_that_drips() {
    let stage = stage();
    let mut peer = stage.connect();
    let began = Instant::now();
    peer.send("NOOP\r\n").await;
    peer.expect(&["220", "250 2.0.0"]).await;
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        peer.send("N").await;
    }
    peer.expect(&["421 4.4.2"]).await;
    assert_took(began, 2.0);
}

#[tokio::test]
async fn content_that_stops_and_content_that_drips() {
    let stage = stage();
    let begin = format!("{HELLO}{MAIL}{RCPT}DATA\r\n");
    let codes = ["220", "250-", "250 2.1.0", "250 2.1.5", "354"];
    let mut peer = stage.connect();
    peer.send(format!("{begin}Subject: x\r\n")).await;
    peer.expect(&codes).await;
    let began = Instant::now();
    peer.expect(&["421 4.4.2"]).await;
    assert_took(began, 1.0);
    let mut peer = stage.connect();
    peer.send(begin).await;
    peer.expect(&codes).await;
    for _ in 0..7 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        peer.send("x").await;
    }
    peer.expect(&["421 4.4.2 the session"]).await;
    assert!(stage.mails().is_empty());
    assert_eq!(stage.budget.used_octets(), 0);
}

#[tokio::test]
async fn a_handshake_that_never_comes() {
    let stage = stage();
    let mut peer = stage.connect();
    peer.send(format!("{HELLO}STARTTLS\r\n")).await;
    peer.expect(&["220", "250-", "220 2.0.0"]).await;
    let began = Instant::now();
    peer.expect_end().await;
    assert_took(began, 1.0);
}

#[tokio::test]
async fn a_client_that_does_not_read_its_replies() {
    let stage = stage();
    let mut peer = stage.connect();
    let batch = "RSET\r\nEHLO a\r\n".repeat(20);
    let flood = async { while peer.stream.write_all(batch.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(10), flood).await.unwrap();
    while stage.inside.load(Ordering::SeqCst) > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn draining_sends_idle_sessions_away_and_lets_mails_end() {
    let stage = stage();
    let mut idle = stage.connect();
    idle.expect(&["220"]).await;
    let mut busy = stage.connect();
    busy.send(format!("{HELLO}{MAIL}{RCPT}DATA\r\nSubject: hello\r\n")).await;
    busy.expect(&["220", "250-", "250 2.1.0", "250 2.1.5", "354"]).await;
    let mut stuck = stage.connect();
    stuck.send(format!("{HELLO}{MAIL}")).await;
    stuck.expect(&["220", "250-", "250 2.1.0"]).await;
    stage.drain.send(true).unwrap();
    idle.expect(&["421 4.3.2"]).await;
    idle.expect_end().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    busy.send(format!("\r\ntext\r\n.\r\n{MAIL}")).await;
    busy.expect(&["250 2.0.0", "421 4.3.2"]).await;
    busy.expect_end().await;
    let began = Instant::now();
    stuck.expect(&["421 4.3.2"]).await;
    assert!(began.elapsed().as_secs() <= 3);
    assert_eq!(stage.mails().len(), 1);
    let mut late = stage.connect();
    late.expect(&["220", "421 4.3.2"]).await;
}
