//! What clients may do before they bring mail, and how much: early talkers, delays, address
//! harvesting, rates, log-ins. Clients come through a load balancer's header, so that there
//! are several; those from loopback itself are exempt by default.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::harness::client::Reply;
use super::harness::{Client, Postern, Setup, Sink, free_port, text, wait_for};

const STRANGER: [u8; 4] = [192, 0, 2, 7];
const NEIGHBOUR: [u8; 4] = [192, 0, 2, 8];
const OTHER_STRANGER: [u8; 4] = [203, 0, 113, 77];
const OTHER: [u8; 4] = [198, 51, 100, 1];
const LISTED: &str = "recipients = \"list\"\naddresses = [\"bob\", \"ann\"]";

/// Those who come through the balancer, and where it connects to.
struct Doors {
    postern: Postern,
    proxied: SocketAddr,
}

impl Doors {
    fn open(sink: &Sink, door: &str) -> Doors {
        let setup = Setup::new().next_hop(sink.hop()).recipients(LISTED);
        // A stranger who behaves badly is also one to come again.
        let setup = setup.set("history.greylist", "mode = \"off\"");
        // The scenarios say RSET a lot.
        Doors::with(setup.set("limits", "idle_commands = 100000"), door)
    }

    fn with(setup: Setup, door: &str) -> Doors {
        let proxied = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let listen = format!(
            "[[listen]]\nrole = \"inbound\"\naddress = \"{proxied}\"\n\
             proxy_networks = [\"127.0.0.0/8\"]\n[door]\n{door}\n"
        );
        let mut postern = setup.raw(&listen).start();
        postern.wait_for_listener(proxied);
        Doors { postern, proxied }
    }

    /// A connection of this client; nothing is read yet.
    fn connect(&self, client: [u8; 4], early: &str) -> Client {
        let mut octets = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
        octets.extend_from_slice(&client);
        octets.extend_from_slice(&[127, 0, 0, 1, 0x30, 0x39, 0, 25]);
        octets.extend_from_slice(early.as_bytes());
        let mut connection = Client::connect(self.proxied).unwrap();
        connection.write(&octets).unwrap();
        connection
    }

    fn greeted(&self, client: [u8; 4]) -> Client {
        let mut connection = self.connect(client, "");
        assert_eq!(connection.reply().unwrap().code, 220);
        assert_eq!(connection.say("EHLO client.test").code, 250);
        connection
    }

    fn send(&self, client: [u8; 4], from: &str) -> Reply {
        let sent = text::message("rates", "door@sender.test");
        self.greeted(client).send(from, &["bob@example.test"], &sent)
    }

    /// What `postern track` knows under the reference of a refusal.
    fn tracked(&self, refusal: &Reply) -> String {
        let line = refusal.lines.join(" ");
        let reference = line.rsplit(['(', ')']).nth(1).unwrap_or_default().to_owned();
        assert_eq!(reference.len(), 20, "no reference in {refusal}");
        wait_for("the refusal's story", || {
            let stories = self.postern.ask(&["track", "--mail-id", &reference]);
            stories.first().map(ToString::to_string)
        })
    }
}

#[test]
fn an_early_talker_is_refused_or_noted() {
    let sink = Sink::start();
    let doors = Doors::open(&sink, "greeting_delay_ms = 500\nearly_talker = \"refuse\"");
    let mut early = doors.connect(STRANGER, "EHLO client.test\r\n");
    let refused = early.reply().unwrap();
    assert_eq!(refused.code, 554, "{refused}");
    assert!(early.is_closed_by_peer());
    assert!(doors.tracked(&refused).contains("192.0.2.7"));
    // Who waits is served, and the next time at once.
    let begun = Instant::now();
    assert_eq!(doors.send(OTHER, "a@sender.test").code, 250);
    assert!(begun.elapsed() >= Duration::from_millis(500));
    assert_eq!(doors.send(OTHER, "a@sender.test").code, 250);
    sink.wait(2);

    let doors = Doors::open(&sink, "greeting_delay_ms = 500\nearly_talker = \"note\"");
    let mut early = doors.connect(STRANGER, "EHLO client.test\r\n");
    assert_eq!(early.reply().unwrap().code, 220);
    assert_eq!(early.reply().unwrap().code, 250);
    let sent = text::message("early", "early@sender.test");
    assert_eq!(early.send("early@sender.test", &["bob@example.test"], &sent).code, 250);
    let story = wait_for("the finding", || {
        let stories = doors.postern.ask(&["track", "--sender", "early@sender.test"]);
        stories.first().map(ToString::to_string).filter(|story| story.contains("findings"))
    });
    assert!(story.contains("EARLY_TALKER"), "{story}");
    sink.wait(3);
}

#[test]
fn errors_are_answered_slowly_and_others_at_once() {
    let sink = Sink::start();
    let doors = Doors::open(&sink, "greeting_delay_ms = 0\ntarpit_ms = 300\ntarpit_max_ms = 1200");
    let mut rude = doors.greeted(STRANGER);
    assert_eq!(rude.say("MAIL FROM:<a@sender.test>").code, 250);
    let mut took_ms = Vec::new();
    for _ in 0..4 {
        let begun = Instant::now();
        assert_eq!(rude.say("RCPT TO:<nobody@example.test>").code, 550);
        took_ms.push(begun.elapsed().as_millis());
    }
    let least = [300, 600, 1_200, 1_200];
    assert!(took_ms.iter().zip(least).all(|(took, least)| *took >= least), "{took_ms:?}");
    assert!(took_ms.iter().all(|took| *took < 10_000), "bounded: {took_ms:?}");
    // While it waits for its next reply another client is done.
    rude.write(b"NONSENSE\r\n").unwrap();
    let begun = Instant::now();
    assert_eq!(doors.send(OTHER, "a@sender.test").code, 250);
    let other = begun.elapsed();
    assert_eq!(rude.reply().unwrap().code, 500);
    assert!(begun.elapsed() > other, "the other was not kept waiting");
    // What is right is not delayed, and an exempt client is not whatever it does.
    let mut exempt = Client::greeted(doors.postern.inbound());
    let begun = Instant::now();
    for _ in 0..15 {
        assert_eq!(exempt.say("NONSENSE").code, 500);
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
    // A delay does not keep the box from ending.
    drop(rude);
    let mut rude = doors.greeted(STRANGER);
    rude.write(b"NONSENSE\r\n").unwrap();
    let Doors { mut postern, .. } = doors;
    assert!(postern.terminate().success());
    sink.wait(1);
}

#[test]
fn who_harvests_addresses_learns_nothing_more() {
    let sink = Sink::start();
    let doors = Doors::open(
        &sink,
        "greeting_delay_ms = 0\ntarpit_ms = 0\nunknown_recipients_per_hour = 12\n\
         harvest_block_s = 600",
    );
    let mut told = 0;
    let mut last = None;
    'attack: for session in 0..20 {
        let mut client = doors.greeted(STRANGER);
        assert_eq!(client.say("MAIL FROM:<a@sender.test>").code, 250);
        for guess in 0..10 {
            let reply = client.say(&format!("RCPT TO:<guess{session}-{guess}@example.test>"));
            match reply.code {
                550 => told += 1,
                421 => {
                    last = Some(reply);
                    break 'attack;
                }
                _ => panic!("{reply}"),
            }
        }
    }
    assert_eq!(told, 12, "of 200 guesses");
    let refused = last.expect("a refusal");
    assert!(doors.tracked(&refused).contains("guess"));
    // In new sessions too, and whatever is asked: the text but for its reference.
    let ask = |client, path: &str| {
        let mut client = doors.greeted(client);
        client.say("MAIL FROM:<a@sender.test>");
        let reply = client.say(&format!("RCPT TO:<{path}>"));
        (reply.code, reply.lines[0].split(" (").next().unwrap().to_owned())
    };
    let known = ask(STRANGER, "bob@example.test");
    assert_eq!(known.0, 421);
    for path in ["nobody@example.test", "x@elsewhere.test", "postmaster@example.test"] {
        assert_eq!(ask(STRANGER, path), known, "{path}");
    }
    // Others are served, and loopback may guess as long as it likes.
    assert_eq!(ask(NEIGHBOUR, "bob@example.test").0, 250);
    assert_eq!(ask(OTHER, "bob@example.test").0, 250);
    for _ in 0..3 {
        let mut exempt = Client::greeted(doors.postern.inbound());
        exempt.say("MAIL FROM:<a@sender.test>");
        for guess in 0..10 {
            assert_eq!(exempt.say(&format!("RCPT TO:<guess{guess}@example.test>")).code, 550);
        }
    }
}

#[test]
fn a_rate_refuses_for_a_while_and_a_reload_changes_it() {
    let sink = Sink::start();
    let rates = "[door.inbound]\nmessages_per_minute_per_network = 30\n\
                 messages_per_minute_per_sender = 20\nrecipients_per_minute_per_network = 0";
    let doors = Doors::open(&sink, &format!("greeting_delay_ms = 0\n{rates}"));
    let mut client = doors.greeted(STRANGER);
    let mail = |client: &mut Client, from: &str| {
        let reply = client.say(&format!("MAIL FROM:<{from}>"));
        client.say("RSET");
        reply
    };
    let begun = Instant::now();
    let mut taken = 0;
    let refused = loop {
        let reply = mail(&mut client, "a@sender.test");
        if reply.code != 250 {
            break reply;
        }
        taken += 1;
        assert!(taken < 200, "never refused");
    };
    // A bucket of twenty, and what came into it meanwhile: one in three seconds.
    let earned = begun.elapsed().as_secs() / 3 + 1;
    assert!((20..=20 + earned).contains(&taken), "{taken}");
    assert_eq!(refused.code, 451, "{refused}");
    assert!(refused.lines[0].starts_with("4.7.1 too many messages from this sender"), "{refused}");
    assert!(doors.tracked(&refused).contains("a@sender.test"));
    // Another domain has its own, until the network has sent enough.
    let mut neighbour = doors.greeted(NEIGHBOUR);
    let refused = (0..60).map(|_| mail(&mut neighbour, "b@other.test")).find(|r| r.code != 250);
    let refused = refused.expect("the network's limit");
    assert!(refused.lines[0].contains("from your network"), "{refused}");
    assert_eq!(mail(&mut doors.greeted(OTHER), "a@sender.test").code, 250);
    assert_eq!(mail(&mut Client::greeted(doors.postern.inbound()), "a@sender.test").code, 250);
    wait_for("the rate to recover", || {
        std::thread::sleep(Duration::from_millis(200));
        (mail(&mut neighbour, "b@other.test").code == 250).then_some(())
    });
    let file = doors.postern.setup().file();
    let without = std::fs::read_to_string(&file).unwrap();
    let without = without.replace("_network = 30", "_network = 0").replace("= 20", "= 0");
    std::fs::write(&file, without).unwrap();
    doors.postern.signal(Signal::SIGHUP);
    wait_for("the reload", || doors.postern.log().contains("reloaded").then_some(()));
    for _ in 0..40 {
        assert_eq!(mail(&mut client, "a@sender.test").code, 250);
    }
}

/// base64 of NUL ann NUL password.
const PLAIN: &str = "AUTH PLAIN AGFubgBjb3JyZWN0IGhvcnNl";
const WRONG: &str = "AUTH PLAIN AGFubgB3cm9uZw==";

fn submission(sink: &Sink, exempt: &str, rates: &str) -> Postern {
    let setup = Setup::new()
        .next_hop(sink.hop())
        .smart_host(sink.hop())
        .set("limits", format!("exempt = [{exempt}]"))
        .raw(&format!("[door]\ntarpit_ms = 0\n[door.submission]\n{rates}"));
    setup.start_with_user("ann", "correct horse", &["ann@example.test"])
}

fn secured(postern: &Postern) -> Client {
    let mut client = Client::greeted(postern.submission());
    client.starttls();
    client
}

#[test]
fn an_account_that_sends_too_much_is_stopped() {
    let sink = Sink::start();
    let rates = "recipients_per_hour_per_account = 40";
    let postern = submission(&sink, "", rates);
    let mut taken = 0;
    let refused = 'all: loop {
        let mut client = secured(&postern);
        assert_eq!(client.say(PLAIN).code, 235);
        assert_eq!(client.say("MAIL FROM:<ann@example.test>").code, 250);
        for number in 0..15 {
            let reply = client.say(&format!("RCPT TO:<victim{number}@elsewhere.test>"));
            if reply.code != 250 {
                break 'all reply;
            }
            taken += 1;
        }
        assert!(taken < 200, "never stopped");
    };
    assert!((40..43).contains(&taken), "{taken}");
    assert_eq!(refused.code, 451, "{refused}");
    assert!(refused.lines[0].starts_with("4.7.1 too many recipients from this account"));
    let exempt = submission(&sink, "\"127.0.0.0/8\"", rates);
    let mut client = secured(&exempt);
    assert_eq!(client.say(PLAIN).code, 235);
    assert_eq!(client.say("MAIL FROM:<ann@example.test>").code, 250);
    for number in 0..60 {
        assert_eq!(client.say(&format!("RCPT TO:<x{number}@elsewhere.test>")).code, 250);
    }
}

#[test]
fn who_guesses_passwords_is_put_off() {
    let sink = Sink::start();
    let rates = "failed_logins_per_hour_per_client = 5\nfailed_logins_per_hour_per_account = 9";
    let postern = submission(&sink, "", rates);
    let mut client = secured(&postern);
    for _ in 0..5 {
        assert_eq!(client.say(WRONG).code, 535);
    }
    let refused = client.say(WRONG);
    assert_eq!(refused.code, 454, "{refused}");
    assert_eq!(secured(&postern).say(PLAIN).code, 454, "a lucky guess does not help either");
    // Who has logged in from there before is not locked out by what others did.
    let postern = submission(&sink, "", rates);
    assert_eq!(secured(&postern).say(PLAIN).code, 235);
    let mut client = secured(&postern);
    let guess = "AUTH PLAIN AGJvYgB3cm9uZw==";
    let codes: Vec<u16> = (0..7).map(|_| client.say(guess).code).collect();
    assert_eq!(codes, [535, 535, 535, 535, 535, 454, 454]);
    assert_eq!(secured(&postern).say(PLAIN).code, 235);
}

#[test]
fn every_refusal_can_be_asked_about() {
    let sink = Sink::start();
    let doors = Doors::open(&sink, "greeting_delay_ms = 0\ntarpit_ms = 0");
    let mut client = doors.greeted(STRANGER);
    let nonsense = client.say("NONSENSE");
    assert!(doors.tracked(&nonsense).contains("192.0.2.7"));
    client.say("MAIL FROM:<asked@sender.test>");
    for (command, word) in [
        ("RCPT TO:<nobody@example.test>", "nobody@example.test"),
        ("RCPT TO:<x@elsewhere.test>", "x@elsewhere.test"),
        ("DATA", "no valid recipients"),
    ] {
        let refused = client.say(command);
        assert_eq!(refused.code / 100, 5, "{refused}");
        let story = doors.tracked(&refused);
        assert!(story.contains(word) && story.contains("asked@sender.test"), "{story}");
    }
    // A connection that is not taken at all.
    let mut unknown = Client::connect(doors.postern.submission()).unwrap();
    assert_eq!(unknown.reply().unwrap().code, 220);
    let refused = unknown.say("MAIL FROM:<x@example.test>");
    assert!(doors.tracked(&refused).contains("127.0.0.1"), "{refused}");
}

#[test]
fn an_own_relay_is_not_limited_and_who_is_in_front_of_it_is_judged() {
    let sink = Sink::start();
    let setup = Setup::new()
        .next_hop(sink.hop())
        .recipients(LISTED)
        .set("limits", "idle_commands = 100000")
        .set("authentication", "trusted_relays = [\"192.0.2.0/28\"]")
        .set("history", "settle_days = 0")
        .set("history.greylist", "mode = \"all\"")
        .set("lists", "blocked = [\"198.51.100.0/24\"]");
    let door = "greeting_delay_ms = 0\ntarpit_ms = 0\nunknown_recipients_per_hour = 5\n\
                inbound = { messages_per_minute_per_network = 3 }";
    let doors = Doors::with(setup, door);
    // Some relays know no recipients and pass on every attempt.
    let mut relay = doors.greeted(STRANGER);
    assert_eq!(relay.say("MAIL FROM:<a@sender.test>").code, 250);
    for at in 0..15 {
        assert_eq!(relay.say(&format!("RCPT TO:<nobody{at}@example.test>")).code, 550);
    }
    drop(relay);
    let send = |received: &str, id: &str| {
        let sent = [received.as_bytes(), &text::message("relayed", id)].concat();
        doors.greeted(STRANGER).send("a@sender.test", &["bob@example.test"], &sent)
    };
    let fine = "Received: from mail.sender.test (unknown [203.0.113.9]) by relay.example.test\r\n";
    for at in 0..6 {
        let reply = send(fine, &format!("relayed{at}@sender.test"));
        assert_eq!(reply.code, 250, "neither greylisted nor limited: {reply}");
    }
    let blocked = fine.replace("203.0.113.9", "198.51.100.7");
    assert_eq!(send(&blocked, "blocked@sender.test").code, 550);
    // What the stranger says of hops before it changes nothing.
    let forged = format!("{blocked}{fine}");
    assert_eq!(send(&forged, "forged@sender.test").code, 550);
    assert_eq!(send(&format!("{fine}{blocked}"), "story@sender.test").code, 250);
    sink.wait(7);
    // A stranger at the door is asked to come again, whatever relays it names.
    let mut stranger = doors.greeted(OTHER_STRANGER);
    assert_eq!(stranger.say("MAIL FROM:<a@sender.test>").code, 250);
    assert_eq!(stranger.say("RCPT TO:<bob@example.test>").code, 451);
}
