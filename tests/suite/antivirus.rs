//! A real clamd: what it finds is refused in the session; when it fails, `on_failure` rules.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use super::harness::clamd::{Clamd, eicar};
use super::harness::{Setup, Sink, client, text, wait_within};

fn infected(message_id: &str) -> Vec<u8> {
    format!(
        "From: <a@sender.test>\r\nTo: <b@example.test>\r\nMessage-ID: <{message_id}>\r\n\
         Subject: invoice\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\n\
         Content-Type: text/plain\r\n\r\nsee the file\r\n--b\r\n\
         Content-Type: application/octet-stream; name=\"eicar.com\"\r\n\
         Content-Disposition: attachment; filename=\"eicar.com\"\r\n\r\n{}\r\n--b--\r\n",
        eicar()
    )
    .into_bytes()
}

fn send(postern: &super::harness::Postern, message: &[u8]) -> super::harness::client::Reply {
    client::send(postern.inbound(), "a@sender.test", &["b@example.test"], message)
}

#[test]
fn a_virus_is_refused_in_the_session() {
    let Some(clamd) = Clamd::start() else { return };
    let sink = Sink::start();
    let setup = Setup::new().next_hop(sink.hop()).smart_host(sink.hop());
    let postern = setup.set("antivirus", clamd.address()).start();
    let reply = send(&postern, &infected("virus@sender.test"));
    assert_eq!(reply.code / 100, 5, "{reply}");
    let reply = send(&postern, &text::message("clean", "clean@sender.test"));
    assert_eq!(reply.code, 250, "{reply}");
    sink.wait(1);
    sink.stays_at(1);
    let story = postern.tell(&["track", "--message-id", "virus@sender.test"]);
    assert!(story.contains("Postern.Test.Eicar"), "the administrator reads why: {story}");
}

#[test]
fn clamd_over_tcp_finds_the_same() {
    let Some(mut clamd) = Clamd::prepare() else { return };
    let port = super::harness::free_port();
    let file = clamd.dir().join("clamd.conf");
    let config = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{config}TCPSocket {port}\nTCPAddr 127.0.0.1\n")).unwrap();
    clamd.start_again();
    let sink = Sink::start();
    let address = format!("clamd = \"tcp:127.0.0.1:{port}\"");
    let postern = Setup::new().next_hop(sink.hop()).set("antivirus", address).start();
    let reply = send(&postern, &infected("virus-tcp@sender.test"));
    assert_eq!(reply.code / 100, 5, "{reply}");
    sink.stays_at(0);
}

#[test]
fn without_clamd_mail_is_put_off_and_taken_once_it_is_back() {
    let Some(mut clamd) = Clamd::start() else { return };
    let sink = Sink::start();
    let setup = Setup::new().next_hop(sink.hop()).set("antivirus", clamd.address());
    let postern = setup.start();
    let clean = text::message("clean", "defer@sender.test");
    assert_eq!(send(&postern, &clean).code, 250);
    sink.wait(1);
    clamd.kill();
    let reply = send(&postern, &clean);
    assert_eq!(reply.code, 451, "{reply}");
    sink.stays_at(1);
    clamd.start_again();
    let reply = send(&postern, &clean);
    assert_eq!(reply.code, 250, "{reply}");
    sink.wait(2);
}

#[test]
fn held_mail_is_scanned_when_clamd_is_back_and_never_delivered_before() {
    let Some(mut clamd) = Clamd::prepare() else { return };
    let sink = Sink::start();
    let postern = Setup::new()
        .next_hop(sink.hop())
        .smart_host(sink.hop())
        .set("antivirus", clamd.address())
        .set("antivirus", "on_failure = \"hold\"")
        .start();
    let clean = text::message("clean", "hold@sender.test");
    assert_eq!(send(&postern, &clean).code, 250);
    assert_eq!(send(&postern, &infected("hold-virus@sender.test")).code, 250);
    sink.stays_at(0);
    assert_eq!(postern.queue().len(), 2);
    clamd.start_again();
    wait_within(Duration::from_secs(90), "the held mail", || (sink.count() > 0).then_some(()));
    wait_within(Duration::from_secs(90), "an empty queue", || {
        postern.queue().is_empty().then_some(())
    });
    // After 250 a virus is quarantined: never delivered, never bounced.
    sink.stays_at(1);
    assert!(text::is_unchanged_below(&sink.mails()[0].content, &clean));
    let held = postern.ask(&["quarantine", "list"]);
    assert_eq!(held.len(), 1, "{held:?}");
}

#[test]
fn delivery_without_a_scan_says_so() {
    let Some(clamd) = Clamd::prepare() else { return };
    let sink = Sink::start();
    let postern = Setup::new()
        .next_hop(sink.hop())
        .set("antivirus", clamd.address())
        .set("antivirus", "on_failure = \"deliver\"")
        .start();
    assert_eq!(send(&postern, &text::message("unscanned", "deliver@sender.test")).code, 250);
    sink.wait(1);
    let story = postern.tell(&["track", "--message-id", "deliver@sender.test"]);
    let finding = ["ANTIVIRUS", "CLAMD", "UNSCANNED", "VIRUS"];
    assert!(finding.iter().any(|word| story.to_uppercase().contains(word)), "{story}");
}

/// What a clamd of the worst kind does with a connection.
type Misbehaviour = fn(std::os::unix::net::UnixStream);

#[test]
fn a_clamd_that_hangs_dies_or_talks_nonsense_is_a_failure() {
    let table: [(&str, Misbehaviour); 5] = [
        ("hangs", |stream| {
            std::thread::sleep(Duration::from_secs(20));
            drop(stream);
        }),
        ("closes at once", drop),
        ("dies in mid-stream", |mut stream| {
            let mut buffer = [0u8; 16];
            let _ = stream.read(&mut buffer);
        }),
        ("talks nonsense", |mut stream| {
            let _ = stream.write_all(b"lorem ipsum dolor sit amet\0");
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest);
        }),
        ("never stops talking", |mut stream| {
            let nonsense = [b'x'; 65_536];
            for _ in 0..2_000 {
                if stream.write_all(&nonsense).is_err() {
                    return;
                }
            }
        }),
    ];
    for (name, misbehaviour) in table {
        let dir = super::harness::folder();
        let path = dir.path().join("clamd.sock");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || misbehaviour(stream));
            }
        });
        let sink = Sink::start();
        let postern = Setup::new()
            .next_hop(sink.hop())
            .set("antivirus", format!("clamd = \"unix:{}\"", path.display()))
            .set("antivirus", "timeout_s = 3")
            .start();
        let reply = send(&postern, &text::message("x", "bad-clamd@sender.test"));
        assert_eq!(reply.code, 451, "{name}: {reply}");
        assert_eq!(sink.count(), 0, "{name}");
        assert!(postern.peak_octets() < 500 << 20, "{name}: memory");
    }
}
