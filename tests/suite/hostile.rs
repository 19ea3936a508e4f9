//! Clients that mean no good: replies from the RFC, bounded memory, and a box that goes on.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use super::harness::{Client, Postern, Setup, Sink, client, random::Random, text};

fn still_serves(postern: &Postern, sink: &Sink, count: usize) {
    let sent = text::message("honest", "honest@sender.test");
    let reply = client::send(postern.inbound(), "a@sender.test", &["b@example.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
    sink.wait(count);
}

#[test]
fn endless_lines_and_garbage_cost_no_memory() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    still_serves(&postern, &sink, 1);
    let before = postern.peak_octets();
    let mut random = Random::new(66);
    for round in 0..6u64 {
        let mut client = Client::connect(postern.inbound()).unwrap();
        client.reply().unwrap();
        let block: Vec<u8> = match round % 3 {
            0 => vec![b'A'; 1 << 20],
            1 => (0..1 << 20).map(|_| random.next() as u8).collect(),
            _ => b"NOOP\r\n".repeat(20_000),
        };
        for _ in 0..30 {
            if client.write(&block).is_err() {
                break;
            }
        }
    }
    still_serves(&postern, &sink, 2);
    let grown = postern.peak_octets().saturating_sub(before);
    assert!(grown < 64 << 20, "memory grew by {} MB", grown >> 20);
}

#[test]
fn long_commands_are_refused_with_500() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    let mut client = Client::greeted(postern.inbound());
    let reply = client.say(&format!("NOOP {}", "x".repeat(5_000)));
    assert!([500, 421].contains(&reply.code), "{reply}");
    let mut client = Client::greeted(postern.inbound());
    // RFC 5321 section 4.5.3.1.4: at least 512 octets must be understood.
    assert_eq!(client.say(&format!("NOOP {}", "x".repeat(505))).code, 250);
}

#[test]
fn a_line_of_text_beyond_the_limit_is_refused() {
    let sink = Sink::start();
    let setup = Setup::new().next_hop(sink.hop());
    let postern = setup.set("limits", "text_line_octets = 2000").start();
    for (octets, code) in [(1_900usize, 250), (2_100, 5), (100_000, 5)] {
        let sent = format!("Subject: long\r\n\r\n{}\r\n", "x".repeat(octets)).into_bytes();
        let reply = client::send(postern.inbound(), "a@sender.test", &["b@example.test"], &sent);
        assert!(reply.code == code || reply.code / 100 == code, "{octets}: {reply}");
    }
    sink.wait(1);
    sink.stays_at(1);
}

#[test]
fn errors_and_idle_commands_are_counted() {
    let sink = Sink::start();
    let postern = Setup::new()
        .next_hop(sink.hop())
        .set("limits", "errors = 5")
        .set("limits", "idle_commands = 8")
        .set("limits", "recipients = 100")
        .set("limits", "mails_per_connection = 3")
        .start();
    for command in ["XYZZY", "RCPT TO:<v@elsewhere.test>", "NOOP", "RSET", "VRFY x"] {
        let mut client = Client::greeted(postern.inbound());
        if command.starts_with("RCPT") {
            client.say("MAIL FROM:<a@sender.test>");
        }
        let codes: Vec<u16> =
            (0..20).map_while(|_| client.try_say(command).ok()).map(|reply| reply.code).collect();
        assert_eq!(codes.last(), Some(&421), "{command}: {codes:?}");
        assert!(codes.len() <= 10, "{command}: {codes:?}");
    }
    let mut client = Client::greeted(postern.inbound());
    client.say("MAIL FROM:<a@sender.test>");
    let codes: Vec<u16> = (0..101)
        .map(|number| client.say(&format!("RCPT TO:<user{number}@example.test>")).code)
        .collect();
    assert!(codes[..100].iter().all(|code| *code == 250));
    // RFC 5321 section 4.5.3.1.10.
    assert_eq!(codes[100], 452);
    let mut client = Client::greeted(postern.inbound());
    let sent = text::message("four", "four@sender.test");
    for code in [250, 250, 250, 421] {
        let reply = client.try_send("a@sender.test", &["b@example.test"], &sent).unwrap();
        assert_eq!(reply.code, code, "{reply}");
    }
}

#[test]
fn slow_clients_are_shown_out() {
    let sink = Sink::start();
    let postern = Setup::new()
        .next_hop(sink.hop())
        .set("limits", "command_timeout_s = 2")
        .set("limits", "data_timeout_s = 2")
        .set("limits", "session_timeout_s = 6")
        .set("limits", "handshake_timeout_s = 2")
        .start();
    let mut silent = Client::greeted(postern.inbound());
    assert_eq!(silent.reply().unwrap().code, 421);
    let mut in_data = Client::greeted(postern.inbound());
    in_data.say("MAIL FROM:<a@sender.test>");
    in_data.say("RCPT TO:<b@example.test>");
    in_data.say("DATA");
    in_data.write(b"Subject: x\r\n").unwrap();
    assert_eq!(in_data.reply().unwrap().code, 421);
    // One octet a second keeps neither the command nor the session timer from running out.
    let begun = Instant::now();
    let mut dripping = Client::greeted(postern.inbound());
    while begun.elapsed() < Duration::from_secs(30) {
        if dripping.write(b"x").is_err() {
            break;
        }
        dripping.set_patience(Duration::from_millis(900));
        match dripping.reply() {
            Ok(_) => break,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let begun = Instant::now();
    let mut no_handshake = Client::connect(postern.implicit()).unwrap();
    assert!(no_handshake.is_closed_by_peer());
    assert!(begun.elapsed() < Duration::from_secs(9));
    still_serves(&postern, &sink, 1);
}

#[test]
fn one_client_cannot_take_all_the_connections() {
    let sink = Sink::start();
    let postern = Setup::new()
        .next_hop(sink.hop())
        .set("limits", "exempt = []")
        .set("limits", "connections_per_client = 5")
        .set("limits", "connections_per_client_per_minute = 12")
        .start();
    // The harness's own probes count as connections of the first minute.
    let mut open = Vec::new();
    let mut refused = 0;
    for _ in 0..10 {
        let mut client = Client::connect(postern.inbound()).unwrap();
        match client.reply() {
            Ok(reply) if reply.code == 220 => open.push(client),
            Ok(reply) => {
                assert_eq!(reply.code, 421, "{reply}");
                refused += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(open.len() <= 5 && refused >= 5, "{} open, {refused} refused", open.len());
}

#[test]
fn a_mail_that_goes_in_circles_is_refused() {
    let sink = Sink::start();
    let setup = Setup::new().next_hop(sink.hop());
    let postern = setup.set("limits", "hops = 30").start();
    let received = "Received: from x.test by y.test; Mon, 16 Nov 2026 10:00:00 +0000\r\n";
    for (count, code) in [(20usize, 250), (60, 5)] {
        let mut sent = received.repeat(count).into_bytes();
        sent.extend_from_slice(&text::message("circles", "loop@sender.test"));
        let reply = client::send(postern.inbound(), "a@sender.test", &["b@example.test"], &sent);
        assert!(reply.code == code || reply.code / 100 == code, "{count}: {reply}");
    }
    sink.wait(1);
    sink.stays_at(1);
}

#[test]
fn a_client_that_leaves_in_mid_message_leaves_nothing_behind() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    for octets in [0usize, 100, 3_000_000] {
        let mut client = Client::greeted(postern.inbound());
        client.say("MAIL FROM:<a@sender.test>");
        client.say("RCPT TO:<b@example.test>");
        client.say("DATA");
        client.write(b"Subject: half\r\n\r\n").unwrap();
        client.write(&b"half a message\r\n".repeat(octets / 16)).unwrap();
    }
    still_serves(&postern, &sink, 1);
    sink.stays_at(1);
    assert!(postern.queue().is_empty());
}
