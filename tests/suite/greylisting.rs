//! Greylisting: a doubtful mail of a stranger is to come again, once; who came back is let in,
//! also after a kill; a stranger waits at RCPT when all do.

use std::time::Duration;

use super::harness::{Client, Postern, Setup, Sink, client, text, wait_for};

/// Words of two alphabets: more than clean and less than what is kept.
const DOUBTFUL: &str = "your acc\u{43e}unt and p\u{430}ym\u{435}nt";

fn start(sink: &Sink, settings: &[&str]) -> Postern {
    let setup = Setup::new()
        .next_hop(sink.hop())
        .smart_host(sink.hop())
        .set("limits", "exempt = []")
        .set("policy.inbound", "quarantine = 50")
        .set("policy.inbound", "reject = 60")
        .set("history.greylist", "delay_s = 2")
        .set("history.greylist", "window_s = 600");
    settings.iter().fold(setup, |setup, line| setup.set("history.greylist", *line)).start()
}

fn send(postern: &Postern, subject: &str, message_id: &str) -> (u16, String) {
    let sent = text::message(subject, message_id);
    let reply = client::send(postern.inbound(), "ann@sender.test", &["bob@example.test"], &sent);
    (reply.code, reply.to_string())
}

fn pause() {
    std::thread::sleep(Duration::from_millis(3_100));
}

#[test]
fn a_doubtful_mail_is_to_come_again_once() {
    let sink = Sink::start();
    let mut postern = start(&sink, &[]);
    assert_eq!(send(&postern, "harmless", "clean@sender.test").0, 250);
    sink.wait(1);
    // The author is known by now: another one.
    let doubtful = |id: &str| {
        let sent = String::from_utf8(text::message(DOUBTFUL, id)).unwrap();
        sent.replace("ann@sender.test", "eve@other.test").into_bytes()
    };
    let send = |postern: &Postern, id: &str| {
        let paths = ["bob@example.test"];
        client::send(postern.inbound(), "eve@other.test", &paths, &doubtful(id))
    };
    let first = send(&postern, "1@other.test");
    assert_eq!(first.code, 451, "{first}");
    assert!(first.lines[0].starts_with("4.7.1 greylisted"), "{first}");
    assert_eq!(send(&postern, "1@other.test").code, 451, "too early");
    let story = postern.tell(&["track", "--message-id", "1@other.test"]);
    assert!(story.contains("greylisted") && story.contains("MIXED_SCRIPTS"), "{story}");
    pause();
    // What waits is in the store within a second: a kill costs at most one more retry.
    postern.kill();
    postern.start_again();
    assert_eq!(send(&postern, "1@other.test").code, 250, "it came back");
    assert_eq!(send(&postern, "2@other.test").code, 250, "and is let in from now on");
    sink.wait(3);
    std::thread::sleep(Duration::from_millis(1_500));
    postern.kill();
    postern.start_again();
    assert_eq!(send(&postern, "3@other.test").code, 250, "after a restart, too");
    assert!(postern.terminate().success());
}

#[test]
fn own_mail_and_a_box_without_a_greylist_make_nobody_wait() {
    let sink = Sink::start();
    let postern = start(&sink, &["mode = \"off\""]);
    assert_eq!(send(&postern, DOUBTFUL, "off@sender.test").0, 250);
    drop(postern);
    let postern = start(&sink, &["mode = \"all\""]);
    let sent = text::message(DOUBTFUL, "own@example.test");
    let paths = ["ann@sender.test"];
    let reply = client::send(postern.outbound(), "bob@example.test", &paths, &sent);
    assert_eq!(reply.code, 250, "{reply}");
    // Who was written to may answer at once.
    wait_for("the correspondent", || {
        (send(&postern, "harmless", "answer@sender.test").0 == 250).then_some(())
    });
}

#[test]
fn strangers_wait_at_rcpt_when_all_do() {
    let sink = Sink::start();
    let postern = start(&sink, &["mode = \"all\""]);
    let mut client = Client::greeted(postern.inbound());
    assert_eq!(client.say("MAIL FROM:<>").code, 250);
    let verified = client.say("RCPT TO:<bob@example.test>");
    assert_eq!(verified.code, 250, "who verifies an address is answered: {verified}");
    assert_eq!(client.say("RSET").code, 250);
    assert_eq!(client.say("MAIL FROM:<ann@sender.test>").code, 250);
    let reply = client.say("RCPT TO:<bob@example.test>");
    assert_eq!(reply.code, 451, "{reply}");
    pause();
    assert_eq!(send(&postern, "harmless", "all-1@sender.test").0, 250);
    let sent = text::message("harmless", "all-2@sender.test");
    let paths = ["carol@example.test"];
    let reply = client::send(postern.inbound(), "zoe@sender.test", &paths, &sent);
    assert_eq!(reply.code, 250, "its network and domain came back: {reply}");
    sink.wait(2);
}
