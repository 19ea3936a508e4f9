//! The dialogue of RFC 5321 over a real socket, command by command.

use super::harness::{Client, Setup, Sink, text};

#[test]
fn the_greeting_offers_what_the_box_can() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    let mut client = Client::connect(postern.inbound()).unwrap();
    let banner = client.reply().unwrap();
    assert!(banner.lines[0].starts_with("mx.example.test"), "{banner}");
    let greeting = client.say("EHLO client.test");
    assert!(greeting.lines[0].starts_with("mx.example.test"), "{greeting}");
    for keyword in [
        "PIPELINING",
        "SIZE",
        "8BITMIME",
        "SMTPUTF8",
        "ENHANCEDSTATUSCODES",
        "CHUNKING",
        "DSN",
        "STARTTLS",
        "LIMITS",
    ] {
        assert!(greeting.offers(keyword), "{keyword} in {greeting}");
    }
    assert_eq!(client.say("HELO client.test").lines.len(), 1);
}

#[test]
fn commands_have_their_replies() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    // One session a row: commands, and the code of the last reply.
    let table: &[(&[&str], u16)] = &[
        (&["MAIL FROM:<a@sender.test>"], 503),
        (&["HELO"], 501),
        (&["EHLO"], 501),
        (&["EHLO client.test", "NOOP"], 250),
        (&["EHLO client.test", "NOOP with an argument"], 250),
        (&["EHLO client.test", "noop"], 250),
        (&["EHLO client.test", "RSET"], 250),
        (&["EHLO client.test", "RSET x"], 501),
        (&["EHLO client.test", "VRFY bob"], 252),
        (&["EHLO client.test", "EXPN list"], 502),
        (&["EHLO client.test", "HELP"], 214),
        (&["EHLO client.test", "TURN"], 5),
        (&["EHLO client.test", "XYZZY"], 500),
        (&["EHLO client.test", ""], 500),
        (&["EHLO client.test", "DATA"], 503),
        (&["EHLO client.test", "RCPT TO:<b@example.test>"], 503),
        (&["EHLO client.test", "MAIL FROM:a@sender.test"], 501),
        (&["EHLO client.test", "MAIL FROM:<>"], 250),
        (&["EHLO client.test", "mail from:<a@sender.test>"], 250),
        (&["EHLO client.test", "MAIL FROM:<a@sender.test> BODY=8BITMIME"], 250),
        (&["EHLO client.test", "MAIL FROM:<a@sender.test> BODY=9BIT"], 501),
        (&["EHLO client.test", "MAIL FROM:<a@sender.test> XYZZY=1"], 555),
        (&["EHLO client.test", "MAIL FROM:<a@sender.test> SIZE=x"], 501),
        (&["EHLO client.test", "MAIL FROM:<a@sender.test>", "MAIL FROM:<a@sender.test>"], 503),
        (&["EHLO client.test", "MAIL FROM:<a@sender.test>", "DATA"], 5),
        (&["EHLO client.test", "MAIL FROM:<a@sender.test>", "RCPT TO:<>"], 5),
        (&["EHLO client.test", "MAIL FROM:<a@sender.test>", "RCPT TO:<b@elsewhere.test>"], 550),
        (&["EHLO client.test", "MAIL FROM:<a@sender.test>", "RCPT TO:<b@example.test> X=1"], 555),
        (&["EHLO client.test", "MAIL FROM:<a@sender.test>", "RCPT TO:<\"a b\"@example.test>"], 250),
        (
            &[
                "EHLO client.test",
                "MAIL FROM:<a@sender.test>",
                "RCPT TO:<b@example.test>",
                "EHLO client.test",
                "DATA",
            ],
            503,
        ),
        (&["QUIT"], 221),
    ];
    for (commands, code) in table {
        let mut client = Client::connect(postern.inbound()).unwrap();
        client.reply().unwrap();
        let mut last = None;
        for command in *commands {
            last = Some(client.say(command));
        }
        let last = last.unwrap();
        assert!(last.code == *code || last.code / 100 == *code, "{commands:?}: {last}");
    }
    sink.stays_at(0);
}

#[test]
fn a_message_split_at_any_place_is_the_same_message() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    let sent = text::message("split", "split@sender.test");
    let mut wire = b"EHLO client.test\r\nMAIL FROM:<a@sender.test>\r\n\
        RCPT TO:<b@example.test>\r\nDATA\r\n"
        .to_vec();
    wire.extend_from_slice(&text::on_the_wire(&sent));
    wire.extend_from_slice(b"QUIT\r\n");
    // EHLO and DATA have to be last in their group; the box takes a whole dialogue at once
    // or octet by octet as long as the order is right, or refuses it: never something else.
    for size in [1usize, 3, 50] {
        let mut client = Client::connect(postern.inbound()).unwrap();
        client.reply().unwrap();
        let mut codes = Vec::new();
        for piece in wire.chunks(size) {
            if client.write(piece).is_err() {
                break;
            }
        }
        while let Ok(reply) = client.reply() {
            codes.push(reply.code);
        }
        assert_eq!(codes, [250, 250, 250, 354, 250, 221], "pieces of {size}");
    }
    let mails = sink.wait(3);
    assert!(mails.iter().all(|mail| text::is_unchanged_below(&mail.content, &sent)));
}
