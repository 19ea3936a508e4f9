//! Lanes and connections against scripted servers on the loopback.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::testing::{self, Kept, Server};
use super::*;
use crate::config::Config;
use crate::mail::{BodyType, Content, Domain};
use crate::message::edit::Outgoing;
use crate::net::resolver::mock::MockResolver;
use crate::net::tls::ServerTls;

fn delivery(next_hops: &[String], settings: &str) -> Delivery {
    let hops = next_hops.iter().map(|hop| format!("{hop:?}")).collect::<Vec<_>>().join(", ");
    let text = format!(
        "[system]\nhostname = \"own.test\"\ndata_dir = \"d\"\npostmaster = \"p@own.test\"\n\
         [[domain]]\nname = \"x.test\"\nnext_hop = [{hops}]\n\
         [delivery]\nconnect_timeout_s = 2\ncommand_timeout_s = 2\ndata_timeout_s = 2\n{settings}\n"
    );
    let config = Config::parse(&text, Path::new("t"), Path::new("/t")).unwrap();
    let zone = "dead.test MX 10 dead.test\ndead.test A 127.0.0.1\nnull.test MX 0 .";
    Delivery::new(&config, Arc::new(MockResolver::parse(zone).unwrap()))
}

fn to(server: &Server) -> String {
    format!("smtp://{}", server.address)
}

fn letter_of(envelope: crate::mail::Envelope, text: &str) -> Arc<Letter> {
    let mail = testing::mail_with(envelope, text);
    let rest = Content::from_bytes(text.as_bytes().to_vec());
    let outgoing = Outgoing { head: Bytes::new(), rest, rest_offset: 0 };
    let hostname = Domain::parse("own.test").unwrap();
    Arc::new(Letter::write(&mail, Origin::Session, outgoing, &hostname, 0).unwrap())
}

fn letter(recipients: &[&str]) -> Arc<Letter> {
    letter_of(testing::envelope(recipients), "Subject: s\r\n\r\n.text\r\n")
}

async fn told(delivery: &Delivery, letter: &Arc<Letter>) -> Vec<String> {
    let all: Vec<u16> = (0..letter.envelope.recipients.len() as u16).collect();
    let attempt = delivery.attempt(letter, &all).await;
    let mut told: Vec<(u16, String)> = attempt
        .handed
        .iter()
        .map(|handed| (handed.recipient, handed.reply.to_string()))
        .chain(attempt.untried.iter().map(|recipient| (*recipient, "untried".into())))
        .collect();
    told.sort();
    told.into_iter().map(|(_, reply)| reply).collect()
}

fn kept(server: &Server) -> Vec<Kept> {
    server.kept.lock().unwrap().clone()
}

#[tokio::test]
async fn mails_share_a_connection() {
    let server = Server::start(|_, _| None).await;
    let delivery = delivery(&[to(&server)], "");
    for _ in 0..3 {
        assert_eq!(told(&delivery, &letter(&["a@x.test"])).await, ["250 2.0.0 queued"]);
    }
    let kept = kept(&server);
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    assert_eq!((kept.len(), kept[0].reverse_path.as_str()), (3, "sender@from.test"));
    assert!(kept[0].text.starts_with("Received: from client.test ([192.0.2.7])\r\n"));
    assert!(kept[0].text.ends_with("Subject: s\r\n\r\n.text\r\n"), "{}", kept[0].text);
}

#[tokio::test]
async fn recipients_are_answered_one_by_one() {
    let server = Server::start(|_, line| match line {
        "RCPT TO:<b@x.test>" => Some("550 5.1.1 who?".into()),
        "RCPT TO:<c@x.test>" => Some("450 4.2.1 later".into()),
        _ => None,
    })
    .await;
    let delivery = delivery(&[to(&server)], "");
    let letter = letter(&["a@x.test", "b@x.test", "c@x.test"]);
    let answers = ["250 2.0.0 queued", "550 5.1.1 who?", "450 4.2.1 later"];
    assert_eq!(told(&delivery, &letter).await, answers);
    assert_eq!(kept(&server)[0].forward_paths, ["a@x.test"]);
    // All refused: the same connection goes on with RSET.
    let refused = letter_of(testing::envelope(&["b@x.test"]), "A: b\r\n\r\n");
    assert_eq!(told(&delivery, &refused).await, ["550 5.1.1 who?"]);
    assert_eq!(told(&delivery, &letter).await, answers);
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn too_many_recipients_go_in_several_transactions() {
    let server = Server::start(|_, line| {
        (line.starts_with("RCPT") && line.contains("late")).then(|| "452 too many".into())
    })
    .await;
    let delivery = delivery(&[to(&server)], "");
    let many: Vec<String> = (0..250).map(|n| format!("u{n}@x.test")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(told(&delivery, &letter(&many)).await.iter().all(|reply| reply == "250 2.0.0 queued"));
    let sizes: Vec<usize> = kept(&server).iter().map(|kept| kept.forward_paths.len()).collect();
    assert_eq!(sizes, [100, 100, 50]);
    // Refused as too many beside one that was taken: tried again at once, then deferred.
    let letter = letter(&["a@x.test", "late@x.test"]);
    assert_eq!(told(&delivery, &letter).await, ["250 2.0.0 queued", "452 too many"]);
}

#[tokio::test]
async fn a_server_that_breaks_off_costs_an_attempt_and_no_more() {
    for step in ["<connect>", "EHLO own.test", "MAIL FROM:<sender@from.test>", "DATA", "<text>"] {
        let server = Server::start(move |_, line| (line == step).then(|| "!".into())).await;
        let delivery = delivery(&[to(&server)], "");
        let told = told(&delivery, &letter(&["a@x.test"])).await;
        assert!(told[0].starts_with("451 4.4."), "{step}: {told:?}");
        assert_eq!(server.connections.load(Ordering::SeqCst), 1, "{step}");
        assert!(kept(&server).is_empty());
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    for step in ["<connect>", "EHLO own.test", "DATA", "<text>"] {
        let server = Server::start(move |_, line| (line == step).then(String::new)).await;
        let delivery = delivery(&[to(&server)], "");
        let began = Instant::now();
        let told = told(&delivery, &letter(&["a@x.test"])).await;
        assert!(told[0].contains("too long to reply"), "{step}: {told:?}");
        assert!(began.elapsed() < Duration::from_secs(4), "{step}");
    }
}

#[tokio::test]
async fn a_connection_that_died_is_replaced_at_once() {
    // The first connection ends after one mail: silently, with 421, or at the next command.
    for farewell in ["250 ok!", "250 ok|421 4.4.2 idle!", "late", "late 421"] {
        let server = Server::start(move |connection, line| match (connection, line) {
            (0, "<text>") if !farewell.starts_with("late") => Some(farewell.into()),
            (0, "MAIL FROM:<second@from.test>") if farewell == "late" => Some("!".into()),
            (0, "MAIL FROM:<second@from.test>") => Some("421 4.4.2 enough!".into()),
            _ => None,
        })
        .await;
        let delivery = delivery(&[to(&server)], "");
        told(&delivery, &letter(&["a@x.test"])).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut second = testing::envelope(&["a@x.test"]);
        second.reverse_path =
            crate::mail::ReversePath::Mailbox("second@from.test".parse().unwrap());
        let told = told(&delivery, &letter_of(second, "A: b\r\n\r\n")).await;
        assert_eq!(told, ["250 2.0.0 queued"], "{farewell}");
        assert_eq!(server.connections.load(Ordering::SeqCst), 2, "{farewell}");
        assert_eq!(kept(&server).len(), 2, "{farewell}");
    }
}

#[tokio::test]
async fn the_next_hop_in_the_list_is_tried() {
    let good = Server::start(|_, _| None).await;
    let busy = Server::start(|_, line| (line == "<connect>").then(|| "421 busy".into())).await;
    let shy = Server::start(|_, line| line.starts_with("EHLO").then(|| "451 no".into())).await;
    let closed = "smtp://127.0.0.1:1".to_owned();
    let delivery = delivery(&[closed, to(&busy), to(&shy), to(&good)], "");
    assert_eq!(told(&delivery, &letter(&["a@x.test"])).await, ["250 2.0.0 queued"]);
    assert_eq!(kept(&good).len(), 1);
}

#[tokio::test]
async fn a_dead_destination_rests() {
    let delivery = delivery(&["smtp://127.0.0.1:1".into()], "retry_first_s = 2\nretry_max_s = 2");
    let dead = told(&delivery, &letter(&["a@x.test"])).await;
    assert!(dead[0].contains("refused"), "{dead:?}");
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(told(&delivery, &letter(&["a@x.test"])).await, dead);
    }
    assert!(began.elapsed() < Duration::from_millis(150), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_slow_destination_does_not_hold_up_another() {
    let slow = Server::start(|_, line| (line == "<text>").then(String::new)).await;
    let quick = Server::start(|_, _| None).await;
    let text = format!(
        "[system]\nhostname = \"own.test\"\ndata_dir = \"d\"\npostmaster = \"p@own.test\"\n\
         [[domain]]\nname = \"slow.test\"\nnext_hop = [{:?}]\n\
         [[domain]]\nname = \"quick.test\"\nnext_hop = [{:?}]\n\
         [delivery]\nconnections_per_destination = 2\ndata_timeout_s = 2\n",
        to(&slow),
        to(&quick)
    );
    let config = Config::parse(&text, Path::new("t"), Path::new("/t")).unwrap();
    let delivery = Delivery::new(&config, Arc::new(MockResolver::default()));
    for _ in 0..50 {
        let delivery = delivery.clone();
        tokio::spawn(async move { told(&delivery, &letter(&["a@slow.test"])).await });
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    assert_eq!(told(&delivery, &letter(&["a@quick.test"])).await, ["250 2.0.0 queued"]);
    assert!(began.elapsed() < Duration::from_millis(500));
    assert!(slow.most_open.load(Ordering::SeqCst) <= 2);
}

#[tokio::test]
async fn connections_are_bounded_and_all_mails_arrive() {
    let server = Server::start(|connection, line| match line {
        // A destination that takes three at a time.
        "<connect>" if connection >= 3 => Some("421 4.7.0 too many connections!".into()),
        _ => None,
    })
    .await;
    let delivery = delivery(&[to(&server)], "connections_per_destination = 8");
    let mut attempts = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let delivery = delivery.clone();
        attempts.spawn(async move { told(&delivery, &letter(&["a@x.test"])).await });
    }
    let all = attempts.join_all().await;
    assert!(all.iter().all(|told| told == &["250 2.0.0 queued"]), "{all:?}");
    assert_eq!(kept(&server).len(), 200);
    assert!(server.most_open.load(Ordering::SeqCst) <= 8);
}

#[tokio::test]
async fn an_idle_connection_makes_room_for_another_destination() {
    let (one, two) = (Server::start(|_, _| None).await, Server::start(|_, _| None).await);
    let text = format!(
        "[system]\nhostname = \"own.test\"\ndata_dir = \"d\"\npostmaster = \"p@own.test\"\n\
         [[domain]]\nname = \"one.test\"\nnext_hop = [{:?}]\n\
         [[domain]]\nname = \"two.test\"\nnext_hop = [{:?}]\n\
         [delivery]\nconnections = 1\nkeep_alive_s = 60\n",
        to(&one),
        to(&two)
    );
    let config = Config::parse(&text, Path::new("t"), Path::new("/t")).unwrap();
    let delivery = Delivery::new(&config, Arc::new(MockResolver::default()));
    for address in ["a@one.test", "a@two.test", "a@one.test"] {
        let attempt = async { told(&delivery, &letter(&[address])).await };
        let told = tokio::time::timeout(Duration::from_secs(3), attempt).await.unwrap();
        assert_eq!(told, ["250 2.0.0 queued"], "{address}");
    }
}

#[tokio::test]
async fn lmtp_answers_each_recipient() {
    let server = Server::start(|_, line| match line {
        "<text> b@x.test" => Some("452 4.2.2 full".into()),
        _ => None,
    })
    .await;
    let delivery = delivery(&[format!("lmtp://{}", server.address)], "");
    let letter = letter(&["a@x.test", "b@x.test", "c@x.test"]);
    let answers = ["250 2.0.0 queued", "452 4.2.2 full", "250 2.0.0 queued"];
    assert_eq!(told(&delivery, &letter).await, answers);
    assert_eq!(kept(&server).len(), 2);
    let attempt = delivery.attempt(&letter, &[0]).await;
    assert_eq!(attempt.handed[0].onward, Onward::Final);
}

#[tokio::test]
async fn eight_bit_text_is_not_sent_where_it_is_not_wanted() {
    let server =
        Server::start(|_, line| line.starts_with("EHLO").then(|| "250 mx.test".into())).await;
    let delivery = delivery(&[to(&server)], "");
    let mut envelope = testing::envelope(&["a@x.test"]);
    envelope.body = BodyType::EightBitMime;
    let eight = letter_of(envelope.clone(), "A: b\r\n\r\nä\r\n");
    let refusal = "554 5.6.3 the next hop does not offer 8BITMIME";
    assert_eq!(told(&delivery, &eight).await, [refusal]);
    // Promised more than it needs: sent all the same.
    let seven = letter_of(envelope, "A: b\r\n\r\na\r\n");
    assert_eq!(told(&delivery, &seven).await, ["250 2.0.0 queued"]);
}

#[tokio::test]
async fn what_dns_says_for_good_is_permanent() {
    let delivery = delivery(&["maildir:/nowhere".into()], "mx_port = 1");
    let letter = letter(&["a@null.test", "a@gone.test", "a@dead.test"]);
    let told = told(&delivery, &letter).await;
    assert_eq!(told[0], "556 5.1.10 null.test takes no mail");
    assert_eq!(told[1], "550 5.1.2 domain gone.test does not exist");
    assert!(told[2].starts_with("451 4.4.1 dead.test (127.0.0.1:1)"), "{}", told[2]);
}

#[tokio::test]
async fn a_server_with_the_own_name_is_a_loop() {
    let server =
        Server::start(|_, line| line.starts_with("EHLO").then(|| "250 Own.Test hi".into())).await;
    let port = server.address.port();
    let delivery = delivery(&["maildir:/nowhere".into()], &format!("mx_port = {port}"));
    let told = told(&delivery, &letter(&["a@dead.test"])).await;
    assert!(told[0].starts_with("554 5.4.6 dead.test"), "{told:?}");
}

#[tokio::test]
async fn a_maildir_takes_a_copy_for_each_recipient() {
    let dir = tempfile::tempdir().unwrap();
    let hop = format!("maildir:{}/{{domain}}/{{local}}", dir.path().display());
    let delivery = delivery(&[hop], "");
    let letter = letter(&["a@x.test", "b@x.test"]);
    for _ in 0..2 {
        let told = told(&delivery, &letter).await;
        assert!(told.iter().all(|reply| reply.starts_with("250 2.0.0 stored as ")), "{told:?}");
    }
    for local in ["a", "b"] {
        let new = dir.path().join("x.test").join(local).join("new");
        let files: Vec<_> = std::fs::read_dir(new).unwrap().collect();
        assert_eq!(files.len(), 1);
        let text = std::fs::read_to_string(files[0].as_ref().unwrap().path()).unwrap();
        let top = format!("Return-Path: <sender@from.test>\nDelivered-To: {local}@x.test\n");
        assert!(text.starts_with(&top), "{text}");
        assert!(text.ends_with("Subject: s\n\n.text\n"), "{text}");
    }
}

#[tokio::test]
async fn what_waits_at_the_end_is_untried() {
    let server = Server::start(|_, line| (line == "<text>").then(|| "~250 late".into())).await;
    let delivery = delivery(&[to(&server)], "connections_per_destination = 1");
    let mut attempts = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let delivery = delivery.clone();
        attempts.spawn(async move { told(&delivery, &letter(&["a@x.test"])).await });
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    delivery.close();
    let mut all: Vec<String> = attempts.join_all().await.concat();
    all.sort();
    assert_eq!(all, ["250 late", "untried", "untried", "untried", "untried"]);
    assert_eq!(kept(&server).len(), 1);
}

fn tls_acceptor(dir: &Path) -> tokio_rustls::TlsAcceptor {
    let hostname = Domain::parse("mx.test").unwrap();
    ServerTls::load(&crate::config::Tls::default(), &hostname, dir).unwrap().acceptor()
}

#[tokio::test]
async fn tls_is_used_where_it_is_offered() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(Arc::new(|_, _| None), Some(tls_acceptor(dir.path()))).await;
    for (mode, secure) in [("opportunistic", true), ("required", true), ("none", false)] {
        let delivery = delivery(&[to(&server)], &format!("tls = {mode:?}"));
        for _ in 0..2 {
            let attempt = delivery.attempt(&letter(&["a@x.test"]), &[0]).await;
            let handed = &attempt.handed[0];
            assert_eq!(handed.reply.to_string(), "250 2.0.0 queued", "{mode}");
            assert_eq!(handed.tls.is_some(), secure, "{mode}");
            let version = handed.tls.as_ref().map(|tls| tls.version.as_str());
            assert_eq!(version, secure.then_some("TLSv1.3"));
        }
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn broken_tls_falls_back_to_clear_text_only_where_that_is_allowed() {
    // It offers STARTTLS, accepts it, and then closes.
    let offers = |line: &str| line.starts_with("EHLO").then(|| "250-mx|250 STARTTLS".to_owned());
    let script = move |_: usize, line: &str| match line {
        "STARTTLS" => Some("220 go!".into()),
        line => offers(line),
    };
    let server = Server::start(script).await;
    let opportunistic = delivery(&[to(&server)], "");
    assert_eq!(told(&opportunistic, &letter(&["a@x.test"])).await, ["250 2.0.0 queued"]);
    assert_eq!(server.connections.load(Ordering::SeqCst), 2);
    let required = delivery(&[to(&server)], "tls = \"required\"");
    let refused = told(&required, &letter(&["a@x.test"])).await;
    assert!(refused[0].starts_with("451 4.7.5 "), "{refused:?}");
    let without = Server::start(|_, _| None).await;
    let required = delivery(&[to(&without)], "tls = \"required\"");
    let refused = told(&required, &letter(&["a@x.test"])).await;
    assert!(refused[0].starts_with("451 4.7.10 "), "{refused:?}");
    assert_eq!((kept(&server).len(), kept(&without).len()), (1, 0));
}

#[tokio::test]
#[ignore = "prints processor time"]
async fn what_a_mail_costs() {
    let server = Server::start(|_, _| None).await;
    let delivery = delivery(&[to(&server)], "mails_per_connection = 100000");
    let text =
        format!("Subject: s\r\n\r\n{}", "line of text that is not too short\r\n".repeat(113));
    let began = cpu();
    for _ in 0..5_000 {
        let letter = letter_of(testing::envelope(&["a@x.test"]), &text);
        delivery.attempt(&letter, &[0]).await;
    }
    println!("{:?} for client and server together", (cpu() - began) / 5_000);
}

fn cpu() -> Duration {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap();
    let sum = |time: nix::sys::time::TimeVal| {
        Duration::from_micros((time.tv_sec() * 1_000_000 + time.tv_usec()) as u64)
    };
    sum(usage.user_time()) + sum(usage.system_time())
}
