//! What clients may do: early talkers, delays, limits, references.

use tokio::time::Instant;

use super::*;

const REFUSE: &str = "\n[door]\nearly_talker = \"refuse\"\n";
const TARPIT: &str = "\n[door]\ntarpit_ms = 100\ntarpit_max_ms = 300\n";
const UNKNOWN: &str = "RCPT TO:<nobody@listed.test>\r\n";

fn waiting(limits: &str) -> Stage {
    let stage = Stage::new("inbound", "", limits);
    *stage.door.greeting_delay.lock().unwrap() = Duration::from_millis(300);
    stage
}

fn told(stage: &Stage, what: &str) -> bool {
    stage.door.told.lock().unwrap().iter().any(|line| line == what)
}

/// The name in brackets at the end of a refusal.
fn reference(reply: &str) -> String {
    let name = reply.rsplit(['(', ')']).nth(1).unwrap_or_default();
    assert!(name.parse::<crate::mail::MailId>().is_ok(), "no reference in {reply:?}");
    name.to_owned()
}

#[tokio::test]
async fn who_speaks_first_is_noted_and_served() {
    let stage = waiting("");
    let mut peer = stage.connect();
    peer.send(HELLO).await;
    peer.expect(&["220", "250-"]).await;
    peer.send(format!("{MAIL}{RCPT}")).await;
    peer.expect(&["250 2.1.0", "250 2.1.5"]).await;
    peer.send("DATA\r\n").await;
    peer.expect(&["354"]).await;
    peer.send("\r\ntext\r\n.\r\n").await;
    peer.expect(&["250 2.0.0"]).await;
    let manners = stage.mails()[0].1.manners;
    assert!(manners.early_talker && !manners.pipelined_unasked);
    assert!(stage.saw("SpokeEarly"));
    assert!(!told(&stage, "192.0.2.1 waited"));
}

#[tokio::test]
async fn who_waits_is_greeted_and_remembered() {
    let stage = waiting(REFUSE);
    let began = Instant::now();
    let mut peer = stage.connect();
    peer.expect(&["220"]).await;
    assert!(began.elapsed() >= Duration::from_millis(300));
    peer.send(format!("{HELLO}{MAIL}{RCPT}{TEXT}")).await;
    peer.expect(&["250-", "250 2.1.0", "250 2.1.5", "354", "250 2.0.0"]).await;
    assert!(!stage.mails()[0].1.manners.early_talker);
    assert!(told(&stage, "192.0.2.1 waited") && told(&stage, "192.0.2.1 taken 1"));
}

#[tokio::test]
async fn who_speaks_first_can_be_refused() {
    let stage = waiting(REFUSE);
    let mut peer = stage.connect();
    peer.send(format!("{HELLO}{MAIL}{RCPT}{TEXT}")).await;
    let reply = peer.reply().await;
    assert!(reply.starts_with("554 5.5.1 you spoke"), "{reply}");
    reference(&reply);
    peer.expect_end().await;
    assert!(stage.saw("ConnectionRefused") && stage.mails().is_empty());
}

#[tokio::test]
async fn nobody_is_held_back_in_vain() {
    let stage = waiting("");
    *stage.door.greeting_delay.lock().unwrap() = Duration::from_secs(100);
    // One that leaves, and all when the box drains.
    let gone = stage.connect();
    drop(gone);
    while stage.inside.load(Ordering::SeqCst) > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut peer = stage.connect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    stage.drain.send(true).unwrap();
    peer.expect(&["220", "421 4.3.2"]).await;
    // Own servers and people are not watched.
    for (role, listen) in [("outbound", "networks = [\"192.0.2.0/24\"]"), ("submission", "")] {
        let stage = Stage::new(role, listen, "");
        *stage.door.greeting_delay.lock().unwrap() = Duration::from_secs(100);
        stage.connect().expect(&["220"]).await;
    }
    // Nor is a balancer that asks for itself; its clients are.
    let stage = Stage::new("inbound", "proxy_networks = [\"10.0.0.0/8\"]", "");
    *stage.door.greeting_delay.lock().unwrap() = Duration::from_secs(100);
    let mut peer = stage.connect_from("10.0.0.1");
    peer.send("PROXY0;QUIT\r\n").await;
    peer.expect(&["220", "221"]).await;
    let mut peer = stage.connect_from("10.0.0.1");
    peer.send("PROXY7;QUIT\r\n").await;
    peer.expect(&["220", "221"]).await;
    assert!(stage.saw("192.0.2.7 SpokeEarly"));
}

/// RFC 2920 section 3.1.
#[tokio::test]
async fn what_may_not_be_sent_in_one_go_is_noticed() {
    let data = "\r\ntext\r\n.\r\n";
    let helo = "HELO client.test\r\n";
    let chunk = "BDAT 4 LAST\r\na\r\n\n".replace("\n\n", "\n");
    let table: [(&str, Vec<String>, bool); 7] = [
        (
            "as it should be",
            vec![HELLO.into(), format!("{MAIL}{RCPT}DATA\r\n"), data.into()],
            false,
        ),
        ("everything", vec![format!("{HELLO}{MAIL}{RCPT}{TEXT}")], true),
        (
            "after EHLO",
            vec![format!("{HELLO}{MAIL}"), RCPT.into(), "DATA\r\n".into(), data.into()],
            true,
        ),
        ("after DATA", vec![HELLO.into(), format!("{MAIL}{RCPT}DATA\r\n{data}")], true),
        (
            "after HELO",
            vec![helo.into(), format!("{MAIL}{RCPT}"), "DATA\r\n".into(), data.into()],
            true,
        ),
        (
            "one by one after HELO",
            vec![helo.into(), MAIL.into(), RCPT.into(), "DATA\r\n".into(), data.into()],
            false,
        ),
        ("a chunk", vec![HELLO.into(), format!("{MAIL}{RCPT}{}", chunk.replace("4", "3"))], false),
    ];
    for (name, flights, expected) in table {
        let stage = Stage::inbound();
        let mut peer = stage.connect();
        peer.expect(&["220"]).await;
        for flight in flights {
            peer.send(flight).await;
            // Until everything is answered that the flight asked for.
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while stage.mails().is_empty() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(stage.mails()[0].1.manners.pipelined_unasked, expected, "{name}");
    }
}

#[tokio::test]
async fn errors_are_answered_ever_more_slowly_and_nobody_else_waits() {
    let stage = Stage::new("inbound", "", TARPIT);
    stage.door.places.store(1, Ordering::SeqCst);
    let mut peer = stage.connect();
    peer.send(HELLO).await;
    peer.expect(&["220", "250-"]).await;
    peer.send(MAIL).await;
    peer.expect(&["250 2.1.0"]).await;
    for least_ms in [100, 200, 300, 300] {
        let began = Instant::now();
        peer.send(UNKNOWN).await;
        peer.expect(&["550 5.1.1"]).await;
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(least_ms), "{took:?} < {least_ms} ms");
    }
    assert_eq!(stage.door.places.load(Ordering::SeqCst), 1, "the place is given back");
    // A batch of them is not answered at once either, and what is right comes in its turn.
    let began = Instant::now();
    peer.send(format!("{}{RCPT}", UNKNOWN.repeat(3))).await;
    let mut other = stage.connect_from("192.0.2.9");
    other.send(format!("{HELLO}{MAIL}{UNKNOWN}{RCPT}{TEXT}")).await;
    other.expect(&["220", "250-", "250 2.1.0", "550", "250 2.1.5", "354", "250 2.0.0"]).await;
    assert!(began.elapsed() < Duration::from_millis(800), "there is one place and it is taken");
    peer.expect(&["550", "550", "550", "250 2.1.5"]).await;
    assert!(began.elapsed() >= Duration::from_millis(900));
    peer.send(TEXT).await;
    peer.expect(&["354", "250 2.0.0"]).await;
    assert_eq!(stage.mails()[1].1.manners.unknown_recipients, 7);
    assert!(told(&stage, "192.0.2.1 unknown"));
}

#[tokio::test]
async fn a_delay_ends_when_the_box_drains() {
    let stage = Stage::new("inbound", "", "\n[door]\ntarpit_ms = 50000\ntarpit_max_ms = 50000\n");
    stage.door.places.store(10, Ordering::SeqCst);
    let began = Instant::now();
    let mut peer = stage.connect();
    peer.send(format!("{HELLO}NONSENSE\r\n")).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    stage.drain.send(true).unwrap();
    peer.expect(&["220", "250-", "500", "421 4.3.2"]).await;
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn what_the_doorman_or_the_gatekeeper_refuses_is_refused() {
    let table = [
        ("sender", 451, "451 4.7.1 sender (", "SenderRefused"),
        ("known sender", 550, "550 5.7.1 known sender (", "SenderRefused"),
        ("recipient", 451, "451 4.7.1 recipient (", "RecipientRefused"),
        ("known recipient", 451, "451 4.7.1 known recipient (", "RecipientRefused"),
    ];
    for (question, code, expected, sight) in table {
        let stage = Stage::inbound();
        stage.door.refuse(question, code);
        let mut peer = stage.connect();
        peer.send(format!("{HELLO}{MAIL}")).await;
        peer.expect(&["220", "250-"]).await;
        if question.ends_with("recipient") {
            peer.expect(&["250 2.1.0"]).await;
            peer.send(RCPT).await;
        }
        let reply = peer.reply().await;
        assert!(reply.starts_with(expected), "{question}: {reply}");
        assert!(stage.saw(&format!("{sight} {{ trail: Trail {{ mail_id: {}", reference(&reply))));
    }
    // Existing and not, in a protected domain and not: all the same.
    let stage = Stage::inbound();
    stage.door.refuse("recipient", 421);
    for path in ["b@example.test", "ann@listed.test", "nobody@listed.test", "x@other.test"] {
        let mut peer = stage.connect();
        peer.send(format!("{HELLO}{MAIL}RCPT TO:<{path}>\r\n")).await;
        peer.expect(&["220", "250-", "250 2.1.0", "421 4.7.1 recipient ("]).await;
        peer.expect_end().await;
    }
    assert!(!told(&stage, "192.0.2.1 unknown"));
}

/// "\0user\0secret", "\0user\0wrong", "\0down\0x".
#[tokio::test]
async fn log_ins_are_told_and_can_be_refused() {
    let stage = Stage::new("submission", "tls = \"implicit\"", "");
    let mut peer = tls::connect(&stage).await;
    peer.send(format!("{HELLO}AUTH PLAIN AHVzZXIAd3Jvbmc=\r\n")).await;
    peer.expect(&["220", "250-"]).await;
    reference(&peer.reply().await);
    assert!(!told(&stage, "user Succeeded"));
    peer.send("AUTH PLAIN AGRvd24AeA==\r\n").await;
    peer.expect(&["454"]).await;
    assert!(told(&stage, "down Undecided"));
    stage.door.refuse("log-in", 454);
    peer.send("AUTH PLAIN AHVzZXIAc2VjcmV0\r\n").await;
    let reply = peer.reply().await;
    assert!(reply.starts_with("454 4.7.1 log-in"), "even a right password is not tried: {reply}");
    stage.door.refusals.lock().unwrap().clear();
    peer.send("AUTH PLAIN AHVzZXIAc2VjcmV0\r\n").await;
    peer.expect(&["235"]).await;
    assert!(told(&stage, "user Succeeded"));
}

#[tokio::test]
async fn every_refusal_names_its_mail_or_its_session() {
    let stage = Stage::new("inbound", "", "recipients = 100");
    let mut peer = stage.connect_from("192.0.2.66");
    reference(&peer.reply().await);
    let mut peer = stage.connect();
    peer.send(HELLO).await;
    peer.expect(&["220", "250-"]).await;
    let mut session = Vec::new();
    for line in ["NONSENSE\r\n", "DATA\r\n", "EXPN x\r\n", "MAIL FROM:<@>\r\n"] {
        peer.send(line).await;
        session.push(reference(&peer.reply().await));
    }
    session.dedup();
    assert_eq!(session.len(), 1, "one name for all that belongs to no mail");
    peer.send(MAIL).await;
    peer.expect(&["250 2.1.0"]).await;
    let mut mail = Vec::new();
    for line in ["RCPT TO:<x@other.test>\r\n", UNKNOWN, MAIL, "RCPT TO:<@>\r\n", "DATA\r\n"] {
        peer.send(line).await;
        mail.push(reference(&peer.reply().await));
    }
    mail.dedup();
    assert_eq!(mail.len(), 1);
    assert_ne!(mail, session);
    assert!(stage.saw(&format!("CommandRefused {{ trail: Some(Trail {{ mail_id: {}", mail[0])));
    // The message itself, and after it.
    peer.send(format!("{RCPT}DATA\r\n")).await;
    peer.expect(&["250 2.1.5", "354"]).await;
    peer.send(format!("{}\r\n.\r\nNONSENSE\r\n", "Received: x\r\n".repeat(60))).await;
    assert_eq!(reference(&peer.reply().await), mail[0]);
    assert_eq!(reference(&peer.reply().await), session[0]);
    peer.send(format!("{MAIL}{RCPT}")).await;
    peer.expect(&["250 2.1.0", "250 2.1.5"]).await;
    peer.send("DATA\r\n").await;
    peer.expect(&["354"]).await;
    peer.send("a\nb").await;
    let last = reference(&peer.reply().await);
    assert!(last != mail[0] && last != session[0]);
}
