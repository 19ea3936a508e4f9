//! "Where is that message, and why?"

use super::harness::{Postern, Setup, Sink, client, text, wait_for};

fn stories(postern: &Postern, arguments: &[&str]) -> String {
    let mut all = vec!["track"];
    all.extend_from_slice(arguments);
    postern.ask(&all).iter().map(|story| format!("{story}\n")).collect()
}

#[test]
fn a_message_is_found_by_all_that_one_may_know_of_it() {
    let sink = Sink::start();
    let mut postern = Setup::new().next_hop(sink.hop()).start();
    for number in 0..3 {
        let sent = text::message("tracked", &format!("track-{number}@sender.test"));
        let reverse_path = format!("ann{number}@sender.test");
        let paths = [format!("bob{number}@example.test")];
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let reply = client::send(postern.inbound(), &reverse_path, &paths, &sent);
        assert_eq!(reply.code, 250, "{reply}");
    }
    sink.wait(3);
    postern.wait_until_empty();
    let found = wait_for("the story", || {
        let found = stories(&postern, &["--message-id", "track-1@sender.test"]);
        found.contains("sink.test").then_some(found).or_else(|| {
            let found = stories(&postern, &["--message-id", "track-1@sender.test"]);
            found.contains("250 2.0.0 taken").then_some(found)
        })
    });
    assert!(found.contains("ann1@sender.test") && found.contains("bob1@example.test"), "{found}");
    let object: serde_json::Value = serde_json::from_str(found.lines().next().unwrap()).unwrap();
    let id = super::harness::postern::field(&object, "mail_id");
    assert_eq!(id.len(), 20, "{found}");
    let check = |postern: &Postern| {
        for arguments in [
            ["--sender", "ann1@sender.test"],
            ["--recipient", "bob1@example.test"],
            ["--message-id", "<track-1@sender.test>"],
            ["--mail-id", &id],
        ] {
            let found = stories(postern, &arguments);
            assert!(found.contains(&id), "{arguments:?}: {found}");
            assert!(!found.contains("ann2@sender.test"), "{arguments:?}: {found}");
        }
        assert_eq!(stories(postern, &["--sender", "nobody@sender.test"]), "");
    };
    check(&postern);
    // A story is as durable as the mail.
    assert!(postern.terminate().success());
    postern.start_again();
    check(&postern);
}

#[test]
fn a_refusal_is_tracked_too() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).set("limits", "hops = 5").start();
    let mut sent = "Received: from a.test by b.test; Mon, 16 Nov 2026 10:00:00 +0000\r\n"
        .repeat(9)
        .into_bytes();
    sent.extend_from_slice(&text::message("refused", "refused@sender.test"));
    let reply = client::send(postern.inbound(), "ann@sender.test", &["bob@example.test"], &sent);
    assert_eq!(reply.code / 100, 5, "{reply}");
    wait_for("the refusal's story", || {
        stories(&postern, &["--sender", "ann@sender.test"])
            .contains("bob@example.test")
            .then_some(())
    });
}
