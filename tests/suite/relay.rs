//! The plain case: a message goes in by a real client and comes out whole at the next hop.

use super::harness::swaks::swaks;
use super::harness::{Client, Setup, Sink, client, program, skip, text};

#[test]
fn what_swaks_sends_comes_out_unchanged() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    let sent = text::message("Minutes of Monday", "relay-1@sender.test");
    let file = postern.setup().dir().join("sent.eml");
    std::fs::write(&file, &sent).unwrap();
    let data = format!("@{}", file.display());
    let arguments = ["--from", "ann@sender.test", "--to", "bob@example.test", "--data", &data];
    let Some((sent_well, said)) = swaks(postern.inbound(), &arguments) else { return };
    assert!(sent_well, "{said}");
    let mails = sink.wait(1);
    let mail = &mails[0];
    assert_eq!(mail.reverse_path, "ann@sender.test");
    assert_eq!(mail.recipients(), ["bob@example.test"]);
    let (_, body) = text::split(&sent);
    // swaks ends its data with an empty line of its own.
    let content = mail.content.trim_ascii_end();
    let unchanged = content.ends_with(body.trim_ascii_end());
    assert!(unchanged, "{}", String::from_utf8_lossy(&mail.content));
    assert!(!mail.bare_line_end);
    // RFC 5321 section 4.4: every host that takes a message puts its Received on top.
    let received = text::header(&mail.content, "Received").expect("a Received field");
    for part in ["client.test", "127.0.0.1", "mx.example.test", "ESMTP"] {
        assert!(received.contains(part), "{part} in {received}");
    }
    sink.stays_at(1);
}

#[test]
fn only_header_fields_are_added() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    let table: [(&str, Vec<u8>); 7] = [
        ("usual", text::message("x", "relay-2@sender.test")),
        ("no body", b"From: <a@sender.test>\r\nSubject: none\r\n\r\n".to_vec()),
        ("no blank line", b"From: <a@sender.test>\r\nSubject: none\r\n".to_vec()),
        ("dots", b"Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\n\r\n.\r\n".to_vec()),
        ("folded", b"Subject: a\r\n  folded\r\n\tline\r\nX-Y: z\r\n\r\nbody\r\n".to_vec()),
        ("eight bits", "Subject: x\r\n\r\nGrüße aus Köln — привет\r\n".as_bytes().to_vec()),
        ("long line", [b"Subject: x\r\n\r\n".to_vec(), vec![b'x'; 900], b"\r\n".to_vec()].concat()),
    ];
    for (at, (name, sent)) in table.iter().enumerate() {
        let reply = client::send(postern.inbound(), "a@sender.test", &["b@example.test"], sent);
        assert_eq!(reply.code, 250, "{name}: {reply}");
        let mails = sink.wait(at + 1);
        let out = &mails[at].content;
        let shown = String::from_utf8_lossy(out);
        assert!(text::is_unchanged_below(out, sent), "{name}: {shown}");
        assert!(!mails[at].bare_line_end, "{name}");
    }
}

#[test]
fn one_connection_carries_many_mails_to_many_recipients() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    let mut client = Client::greeted(postern.inbound());
    let paths: Vec<String> = (0..150).map(|number| format!("user{number}@example.test")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    for number in 0..5 {
        let sent = text::message("many", &format!("relay-m{number}@sender.test"));
        assert_eq!(client.send("ann@sender.test", &paths, &sent).code, 250);
    }
    assert_eq!(client.say("QUIT").code, 221);
    super::harness::wait_for("all recipients", || {
        let count: usize = sink.mails().iter().map(|mail| mail.forward_paths.len()).sum();
        (count >= 5 * 150).then_some(())
    });
    postern.wait_until_empty();
    let count: usize = sink.mails().iter().map(|mail| mail.forward_paths.len()).sum();
    assert_eq!(count, 5 * 150, "each recipient once a mail");
}

#[test]
fn smtp_source_is_served() {
    let Some(source) = program("smtp-source") else {
        return skip("smtp-source is not installed");
    };
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    let output = std::process::Command::new(source)
        .args(["-s", "10", "-m", "300", "-l", "4000", "-N", "-d"])
        .args(["-f", "ann@sender.test", "-t", "bob@example.test"])
        .arg(postern.inbound().to_string())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    sink.wait(300);
    postern.wait_until_empty();
    sink.stays_at(300);
}
