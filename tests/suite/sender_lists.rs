//! Trusted and blocked senders: of the site, a domain and a user, in the file and by command.

use super::harness::postern::field;
use super::harness::{Client, Postern, Setup, Sink, client, text, wait_for};

/// What is refused whoever sends it.
const REFUSED: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

fn setup(sink: &Sink) -> Setup {
    Setup::new().next_hop(sink.hop())
}

fn send(postern: &Postern, sender: &str, recipients: &[&str], subject: &str) -> u16 {
    let sent = text::message(subject, &format!("{}@lists.test", sender.replace('@', ".")));
    let sent = String::from_utf8(sent).unwrap().replace("ann@sender.test", sender);
    client::send(postern.inbound(), sender, recipients, sent.as_bytes()).code
}

const BOB: &[&str] = &["bob@example.test"];
const CAROL: &[&str] = &["carol@example.test"];

#[test]
fn lists_of_the_file_decide_by_level() {
    let sink = Sink::start();
    let postern = setup(&sink)
        .set("lists", "blocked = [\"@.blocked.test\"]")
        .set("lists", "trusted = [\"friend@good.test\"]")
        .raw(
            "[[lists.domain]]\nname = \"example.test\"\nblocked = [\"loud@good.test\"]\n\
             [[lists.user]]\naddress = \"bob@example.test\"\n\
             trusted = [\"127.0.0.0/8\"]\nblocked = [\"pest@good.test\"]\n",
        )
        .start();
    let table: [(&str, &[&str], &str, u16); 8] = [
        ("x@sub.blocked.test", CAROL, "harmless", 550),
        ("loud@good.test", CAROL, "harmless", 550),
        ("pest@good.test", CAROL, "harmless", 250),
        ("pest@good.test", BOB, "harmless", 550),
        // Nobody vouches for the site's friend here.
        ("friend@good.test", CAROL, REFUSED, 550),
        // Bob trusts the network, whatever his domain and the site say of the sender.
        ("friend@good.test", BOB, REFUSED, 250),
        ("x@sub.blocked.test", BOB, "harmless", 250),
        ("loud@good.test", BOB, "harmless", 250),
    ];
    for (sender, recipients, subject, code) in table {
        assert_eq!(send(&postern, sender, recipients, subject), code, "{sender} {recipients:?}");
    }
    let mut client = Client::greeted(postern.inbound());
    assert_eq!(client.say("MAIL FROM:<x@blocked.test>").code, 250);
    let reply = client.say("RCPT TO:<carol@example.test>");
    assert_eq!(reply.code, 550, "refused before it is sent: {reply}");
    assert!(reply.lines[0].starts_with("5.7.1 "), "{reply}");
    sink.wait(4);
    sink.stays_at(4);
}

#[test]
fn commands_count_at_once_and_survive_a_kill() {
    let sink = Sink::start();
    let mut postern = setup(&sink).set("lists", "trust_unauthenticated = true").start();
    assert_eq!(send(&postern, "a@x.test", BOB, "harmless"), 250);
    let user = ["--user", "bob@example.test"];
    postern.tell(&["sender", "block", "@x.test"]);
    assert_eq!(send(&postern, "a@x.test", BOB, "harmless"), 550);
    let told = postern.tell(&["sender", "trust", user[0], user[1], "a@x.test"]);
    assert!(told.contains("a@x.test: trusted in the list of bob@example.test"), "{told}");
    postern.kill();
    postern.start_again();
    assert_eq!(send(&postern, "a@x.test", BOB, REFUSED), 250);
    assert_eq!(send(&postern, "a@x.test", CAROL, "harmless"), 550);
    let rows = postern.ask(&["sender", "list"]);
    let shown: Vec<String> = rows
        .iter()
        .map(|row| ["list", "side", "entry", "origin"].map(|name| field(row, name)).join(" "))
        .collect();
    assert_eq!(
        shown,
        ["site blocked @x.test command", "bob@example.test trusted a@x.test command"]
    );
    assert_eq!(postern.ask(&["sender", "list", user[0], user[1]]).len(), 1);
    postern.tell(&["sender", "forget", "@x.test"]);
    assert_eq!(send(&postern, "a@x.test", CAROL, "harmless"), 250);
    let again = postern.cli(&["sender", "forget", "@x.test"]);
    assert!(!again.status.success());
    for wrong in ["*", "x.test", "0.0.0.0/0"] {
        assert!(!postern.cli(&["sender", "block", wrong]).status.success(), "{wrong}");
    }
    let nobody = postern.cli(&["sender", "block", "--domain", "elsewhere.test", "@x.test"]);
    assert!(!nobody.status.success());
    assert!(postern.log().contains("the list of senders was changed"));
    assert!(postern.terminate().success());
    // A box that does not run is told in its store.
    postern.tell(&["sender", "block", "--domain", "example.test", "@y.test"]);
    assert_eq!(postern.ask(&["sender", "list"]).len(), 2);
    postern.start_again();
    assert_eq!(send(&postern, "a@y.test", CAROL, "harmless"), 550);
    sink.wait(3);
}

#[test]
fn one_recipients_block_keeps_only_that_copy() {
    let sink = Sink::start();
    let postern = setup(&sink)
        .raw("[[lists.user]]\naddress = \"bob@example.test\"\nblocked = [\"author@x.test\"]\n")
        .start();
    // The reverse-path is another: only the message tells who wrote it.
    let sent = String::from_utf8(text::message("harmless", "copy@x.test")).unwrap();
    let sent = sent.replace("ann@sender.test", "author@x.test");
    let both = ["bob@example.test", "carol@example.test"];
    let reply = client::send(postern.inbound(), "bounce@y.test", &both, sent.as_bytes());
    assert_eq!(reply.code, 250, "{reply}");
    let mails = sink.wait(1);
    assert_eq!(mails[0].recipients(), ["carol@example.test"]);
    let held = wait_for("bob's copy", || postern.ask(&["quarantine", "list"]).into_iter().next());
    assert!(held.to_string().contains("bob@example.test"), "{held}");
    let shown = postern.tell(&["quarantine", "show", &field(&held, "mail_id")]);
    assert!(shown.contains("SENDER_BLOCKED") && shown.contains("author@x.test"), "{shown}");
    let alone = client::send(postern.inbound(), "bounce@y.test", BOB, sent.as_bytes());
    assert_eq!(alone.code, 550, "{alone}");
}
