//! No open relay by any path.

use super::harness::{Client, Setup, Sink, text};

/// Forward-paths that look like ours, or that old relays would rewrite, and lead elsewhere.
const FOREIGN: &[&str] = &[
    "victim@elsewhere.test",
    "victim@sub.example.test",
    "victim@example.test.elsewhere.test",
    "victim@notexample.test",
    "victim@[127.0.0.1]",
    "victim@[192.0.2.1]",
    "@example.test:victim@elsewhere.test",
    "@mx.example.test,@example.test:victim@elsewhere.test",
    "victim@elsewhere.test@example.test.elsewhere.test",
    "\"victim@example.test\"@elsewhere.test",
    "victim@127.0.0.1",
    "victim@localhost",
    "victim",
];

/// These stay in the protected domain, or nowhere: what the next hop makes of the local part
/// must not be made here.
const TRICKS: &[&str] = &[
    "victim%elsewhere.test@example.test",
    "elsewhere.test!victim@example.test",
    "\"victim@elsewhere.test\"@example.test",
];

#[test]
fn an_inbound_listener_takes_protected_domains_only() {
    let sink = Sink::start();
    let elsewhere = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).smart_host(elsewhere.hop()).start();
    for reverse_path in ["a@sender.test", "", "ann@example.test", "postmaster@example.test"] {
        for path in FOREIGN {
            let mut client = Client::greeted(postern.inbound());
            let mail = client.say(&format!("MAIL FROM:<{reverse_path}>"));
            if mail.code != 250 {
                continue;
            }
            let reply = client.say(&format!("RCPT TO:<{path}>"));
            assert_eq!(reply.code / 100, 5, "<{reverse_path}> to <{path}>: {reply}");
            assert_ne!(client.say("DATA").code, 354, "no recipient, no DATA");
        }
    }
    let mut expected = 0;
    for path in TRICKS {
        let mut client = Client::greeted(postern.inbound());
        let sent = text::message("trick", "trick@sender.test");
        let reply = client.send("a@sender.test", &[path], &sent);
        assert!(reply.code == 250 || reply.code / 100 == 5, "{path}: {reply}");
        expected += usize::from(reply.code == 250);
    }
    sink.wait(expected);
    elsewhere.stays_at(0);
    for mail in sink.mails() {
        assert!(mail.forward_paths[0].0.ends_with("@example.test"), "{:?}", mail.forward_paths);
    }
}

#[test]
fn an_outbound_listener_serves_its_networks_only() {
    let sink = Sink::start();
    let port = super::harness::free_port();
    let listen = format!(
        "[[listen]]\nrole = \"outbound\"\naddress = \"127.0.0.1:{port}\"\n\
         networks = [\"10.0.0.0/8\", \"2001:db8::/32\"]\n"
    );
    let setup = Setup::new().next_hop(sink.hop()).smart_host(sink.hop());
    // Arrays of tables stand before the sections that follow them, so the text goes last.
    let mut postern = setup.raw(&listen).start();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    postern.wait_for_listener(address);
    let mut client = Client::connect(address).unwrap();
    if let Ok(banner) = client.reply() {
        let mut last = banner;
        for command in ["EHLO x.test", "MAIL FROM:<a@example.test>", "RCPT TO:<v@elsewhere.test>"] {
            if last.code / 100 != 2 {
                break;
            }
            match client.try_say(command) {
                Ok(reply) => last = reply,
                Err(_) => break,
            }
        }
        assert!([4, 5].contains(&(last.code / 100)), "{last}");
    }
    let sent = text::message("own server", "own@example.test");
    let mut own = Client::greeted(postern.outbound());
    let reply = own.send("ann@example.test", &["v@elsewhere.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
    sink.wait(1);
    sink.stays_at(1);
}

#[test]
fn a_submission_listener_relays_for_nobody_unknown() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).smart_host(sink.hop()).start();
    let mut client = Client::greeted(postern.submission());
    client.starttls();
    for path in ["v@elsewhere.test", "b@example.test"] {
        let mail = client.say("MAIL FROM:<ann@example.test>");
        assert_eq!(mail.code, 530, "{mail}");
        assert_eq!(client.say(&format!("RCPT TO:<{path}>")).code / 100, 5);
    }
    sink.stays_at(0);
}

#[test]
fn a_recipient_list_is_kept_to() {
    let sink = Sink::start();
    let list = "recipients = \"list\"\naddresses = [\"bob\", \"carol@example.test\"]";
    let postern = Setup::new().next_hop(sink.hop()).recipients(list).start();
    let table = [
        ("bob@example.test", 250),
        ("BOB@Example.Test", 250),
        ("carol@example.test", 250),
        ("dave@example.test", 550),
        ("bob.@example.test", 5),
        ("postmaster@example.test", 250),
        ("postmaster", 250),
        ("PostMaster", 250),
    ];
    for (path, code) in table {
        let mut client = Client::greeted(postern.inbound());
        assert_eq!(client.say("MAIL FROM:<a@sender.test>").code, 250);
        let reply = client.say(&format!("RCPT TO:<{path}>"));
        assert!(reply.code == code || reply.code / 100 == code, "<{path}>: {reply}");
    }
}
