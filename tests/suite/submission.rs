//! Own people: only with a password, only over TLS, only under their own addresses.

use super::harness::swaks::swaks;
use super::harness::{Client, Postern, Setup, Sink, text};

const PASSWORD: &str = "correct horse";
/// base64 of NUL ann NUL password.
const PLAIN: &str = "AGFubgBjb3JyZWN0IGhvcnNl";

fn start(sink: &Sink) -> Postern {
    let setup = Setup::new().next_hop(sink.hop()).smart_host(sink.hop());
    setup.start_with_user("ann", PASSWORD, &["ann@example.test", "office@example.test"])
}

fn secured(postern: &Postern) -> Client {
    let mut client = Client::greeted(postern.submission());
    assert!(client.starttls().offers("AUTH"));
    client
}

#[test]
fn swaks_authenticates_and_sends() {
    let sink = Sink::start();
    let postern = start(&sink);
    for mechanism in ["PLAIN", "LOGIN"] {
        let arguments = [
            "--from",
            "ann@example.test",
            "--to",
            "carol@elsewhere.test",
            "-tls",
            "-a",
            mechanism,
            "-au",
            "ann",
            "-ap",
            PASSWORD,
        ];
        let Some((sent_well, said)) = swaks(postern.submission(), &arguments) else { return };
        assert!(sent_well, "{mechanism}: {said}");
    }
    let mails = sink.wait(2);
    let received = text::header(&mails[0].content, "Received").unwrap();
    // RFC 3848: ESMTPSA tells that the client authenticated.
    assert!(received.contains("ESMTPSA"), "{received}");
}

#[test]
fn without_tls_there_is_no_auth() {
    let sink = Sink::start();
    let postern = start(&sink);
    let mut client = Client::connect(postern.submission()).unwrap();
    client.reply().unwrap();
    let greeting = client.say("EHLO client.test");
    assert!(!greeting.offers("AUTH"), "{greeting}");
    let refused = client.say(&format!("AUTH PLAIN {PLAIN}"));
    // RFC 4954 section 6: 538 encryption required; 530 is RFC 3207's word for the same.
    assert!([530, 538, 503, 502, 504].contains(&refused.code), "{refused}");
    let refused = client.say("MAIL FROM:<ann@example.test>");
    assert_eq!(refused.code, 530, "{refused}");
}

#[test]
fn inbound_and_outbound_offer_no_auth() {
    let sink = Sink::start();
    let postern = start(&sink);
    for address in [postern.inbound(), postern.outbound()] {
        let mut client = Client::greeted(address);
        let greeting = client.starttls();
        assert!(!greeting.offers("AUTH"), "{greeting}");
        assert_ne!(client.say(&format!("AUTH PLAIN {PLAIN}")).code, 235);
    }
}

#[test]
fn wrong_passwords_and_broken_exchanges_are_refused() {
    let sink = Sink::start();
    let postern = start(&sink);
    let table = [
        ("wrong password", "AUTH PLAIN AGFubgB3cm9uZw==", 535),
        ("unknown name", "AUTH PLAIN AG5vYm9keQBjb3JyZWN0IGhvcnNl", 535),
        ("acts for another", "AUTH PLAIN Ym9iAGFubgBjb3JyZWN0IGhvcnNl", 535),
        ("not base64", "AUTH PLAIN ***", 501),
        ("no such mechanism", "AUTH CRAM-MD5", 504),
        ("empty initial response", "AUTH PLAIN =", 501),
    ];
    for (name, command, code) in table {
        let mut client = secured(&postern);
        let reply = client.say(command);
        // A malformed exchange is 501 or, as RFC 4954 section 4 allows, 535.
        assert!(reply.code == code || (code == 501 && reply.code == 535), "{name}: {reply}");
        let refused = client.say("MAIL FROM:<ann@example.test>");
        assert_eq!(refused.code, 530, "{name}: {refused}");
    }
    let mut client = secured(&postern);
    assert_eq!(client.say("AUTH LOGIN").code, 334);
    assert_eq!(client.say("*").code, 501, "RFC 4954 section 4: a cancelled exchange");
    assert_eq!(client.say(&format!("AUTH PLAIN {PLAIN}")).code, 235);
    assert_eq!(client.say(&format!("AUTH PLAIN {PLAIN}")).code, 503, "only once");
    sink.stays_at(0);
}

#[test]
fn an_account_sends_only_under_its_addresses() {
    let sink = Sink::start();
    let postern = start(&sink);
    let table = [
        ("ann@example.test", true),
        ("office@example.test", true),
        ("ANN@EXAMPLE.TEST", true),
        ("bob@example.test", false),
        ("ann@elsewhere.test", false),
        ("ann@example.test.evil.test", false),
        ("", false),
    ];
    let mut taken = 0;
    for (reverse_path, allowed) in table {
        let mut client = secured(&postern);
        assert_eq!(client.say(&format!("AUTH PLAIN {PLAIN}")).code, 235);
        let sent = text::message("own address", "sub@example.test");
        let reply = client.send(reverse_path, &["carol@elsewhere.test"], &sent);
        taken += usize::from(allowed);
        assert_eq!(reply.code == 250, allowed, "<{reverse_path}>: {reply}");
        assert!(allowed || reply.code / 100 == 5, "<{reverse_path}>: {reply}");
    }
    sink.wait(taken);
    sink.stays_at(taken);
}

#[test]
fn accounts_are_listed_and_removed() {
    let sink = Sink::start();
    let postern = start(&sink);
    let listed = postern.tell(&["user", "list"]);
    assert!(listed.contains("ann"), "{listed}");
    postern.tell(&["user", "remove", "ann"]);
    let mut client = secured(&postern);
    assert_eq!(client.say(&format!("AUTH PLAIN {PLAIN}")).code, 535);
}
