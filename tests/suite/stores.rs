//! Next hops that are mail stores: LMTP over TCP and over a Unix socket, and a Maildir.

use super::harness::{Act, Moment, Setup, Sink, client, text, wait_for};

fn refusing_one() -> super::harness::sink::SinkOptions {
    Sink::options().lmtp().script(|_, moment| match moment {
        // RFC 2033 section 4.2: one reply a recipient after the end of data.
        Moment::End(Some("full@example.test")) => Act::Say("552 5.2.2 mailbox full"),
        _ => Act::Proceed,
    })
}

fn check(hop: &str, sink: &Sink) {
    let senders = Sink::start();
    let postern = Setup::new().next_hop(hop).smart_host(senders.hop()).start();
    let sent = text::message("by lmtp", "lmtp@sender.test");
    let paths = ["bob@example.test", "full@example.test", "carol@example.test"];
    let reply = client::send(postern.inbound(), "a@sender.test", &paths, &sent);
    assert_eq!(reply.code, 250, "{reply}");
    let taken = wait_for("two recipients", || {
        let mails = sink.mails();
        let mut paths: Vec<String> =
            mails.iter().flat_map(|mail| mail.recipients()).map(str::to_owned).collect();
        paths.sort();
        (paths.len() >= 2).then_some(paths)
    });
    assert_eq!(taken, ["bob@example.test", "carol@example.test"]);
    let report = senders.wait(1);
    let shown = String::from_utf8_lossy(&report[0].content).into_owned();
    assert!(shown.contains("full@example.test") && shown.contains("5.2.2"), "{shown}");
    assert!(!shown.contains("Final-Recipient: rfc822; bob@"), "{shown}");
    assert!(text::is_unchanged_below(&sink.mails()[0].content, &sent));
    postern.wait_until_empty();
}

#[test]
fn lmtp_over_tcp_has_a_reply_for_each_recipient() {
    let sink = refusing_one().start();
    check(&format!("lmtp://{}", sink.address), &sink);
}

#[test]
fn lmtp_over_a_unix_socket() {
    let dir = super::harness::folder();
    let path = dir.path().join("lmtp.sock");
    let sink = refusing_one().start_on(&path);
    check(&format!("lmtp:{}", path.display()), &sink);
}

#[test]
fn a_maildir_gets_whole_messages_under_unique_names() {
    let dir = super::harness::folder();
    let maildir = dir.path().join("mail");
    let postern = Setup::new().next_hop(format!("maildir:{}", maildir.display())).start();
    for number in 0..20 {
        let sent = text::message("stored", &format!("maildir-{number}@sender.test"));
        let reply = client::send(postern.inbound(), "a@sender.test", &["b@example.test"], &sent);
        assert_eq!(reply.code, 250, "{reply}");
    }
    let list = |name: &str| {
        let entries = std::fs::read_dir(maildir.join(name)).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    wait_for("twenty files", || (list("new").len() >= 20).then_some(()));
    postern.wait_until_empty();
    let files = list("new");
    assert_eq!(files.len(), 20);
    assert!(list("tmp").is_empty(), "nothing half written stays");
    assert!(maildir.join("cur").is_dir());
    for file in files {
        let stored = std::fs::read(&file).unwrap();
        assert!(text::find(&stored, b"and a lonely one").is_some());
        let shown = String::from_utf8_lossy(&stored);
        assert!(shown.contains("Return-Path: <a@sender.test>"), "RFC 5321 section 4.4: {shown}");
    }
}
