//! Conversations: what the server says and what the client answers, fed whole, octet by
//! octet and in random portions.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::mail::{BodyType, Envelope, Recipient, ReversePath};

fn envelope(recipients: &[&str]) -> Envelope {
    Envelope {
        reverse_path: ReversePath::Mailbox("s@x.test".parse().unwrap()),
        recipients: recipients
            .iter()
            .map(|address| Recipient::plain(address.parse().unwrap()))
            .collect(),
        body: BodyType::SevenBit,
        smtputf8: false,
        dsn_return: None,
        envelope_id: None,
    }
}

fn parcel(recipients: &[&str]) -> Parcel {
    let envelope = Arc::new(envelope(recipients));
    let recipients = (0..recipients.len() as u16).collect();
    Parcel { envelope, recipients, octets: 10, nature: Nature::default() }
}

fn settings(dialect: Dialect, starttls: StartTls) -> ClientSettings {
    ClientSettings { dialect, hostname: "me.test".into(), starttls }
}

/// Plays a script: each step is what the server says and what the client then sends, with
/// `|` for CRLF and `<text>` for the message. Returns what each parcel came to.
fn play(
    settings: ClientSettings,
    parcels: Vec<Parcel>,
    script: &[(&str, &str)],
    portion: &mut dyn FnMut() -> usize,
) -> Vec<String> {
    let mut client = Client::new(settings);
    let mut parcels = parcels.into_iter();
    let mut story = Vec::new();
    for (said, expected) in script {
        let mut wire = said.replace('|', "\r\n").into_bytes();
        let mut sent = String::new();
        loop {
            sent.push_str(&String::from_utf8(client.take_output()).unwrap());
            match client.want() {
                Want::Read(_) if wire.is_empty() => break,
                Want::Read(_) => {
                    let rest = wire.split_off(portion().clamp(1, wire.len()));
                    client.feed(&wire);
                    wire = rest;
                }
                Want::Parcel if !wire.is_empty() => client.feed(&std::mem::take(&mut wire)),
                Want::Parcel => match parcels.next() {
                    Some(parcel) => client.begin(parcel),
                    None => client.quit(),
                },
                Want::Text => {
                    sent.push_str("<text>");
                    client.text_sent();
                }
                Want::Handshake if !wire.is_empty() => client.feed(&std::mem::take(&mut wire)),
                Want::Handshake => {
                    sent.push_str("<tls>");
                    client.secured();
                }
                Want::Settle => {
                    for answer in client.settle() {
                        let by = if answer.speaker == Speaker::Box { " (box)" } else { "" };
                        story.push(format!("{}: {}{by}", answer.recipient, answer.reply));
                    }
                }
                Want::Close => break,
            }
        }
        assert_eq!(sent.replace("\r\n", "|"), *expected, "after {said:?}");
    }
    match client.want() {
        Want::Close => story.extend(client.failure().map(|error| format!("! {error}"))),
        want => {
            client.lost(format!("gone in {want:?}"));
            for answer in client.settle() {
                story.push(format!("{}: {}", answer.recipient, answer.reply));
            }
        }
    }
    story
}

type Script<'a> = (Dialect, StartTls, Vec<Parcel>, Vec<(&'a str, &'a str)>, Vec<&'a str>);

const HELLO: (&str, &str) = ("220 mx|", "EHLO me.test|");
const PIPELINED: &str = "250-mx|250 PIPELINING|";
const ALL: &str = "MAIL FROM:<s@x.test>|RCPT TO:<a@y.test>|RCPT TO:<b@y.test>|DATA|";

fn plain_scripts<'a>() -> Vec<Script<'a>> {
    use Dialect::Smtp;
    use StartTls::Offered;
    let two = || vec![parcel(&["a@y.test", "b@y.test"])];
    let one = || vec![parcel(&["a@y.test"])];
    let mail = ("250 mx|", "MAIL FROM:<s@x.test>|");
    let rcpt = ("250 ok|", "RCPT TO:<a@y.test>|");
    let all = (PIPELINED, ALL);
    vec![
        // One command at a time.
        (
            Smtp,
            Offered,
            one(),
            vec![
                HELLO,
                mail,
                rcpt,
                ("250 ok|", "DATA|"),
                ("354 go|", "<text>"),
                ("250 2.0.0 queued|", "QUIT|"),
                ("221 bye|", ""),
            ],
            vec!["0: 250 2.0.0 queued"],
        ),
        // Many at a time, and the connection used again.
        (
            Smtp,
            Offered,
            vec![parcel(&["a@y.test"]), parcel(&["a@y.test"])],
            vec![
                HELLO,
                (PIPELINED, "MAIL FROM:<s@x.test>|RCPT TO:<a@y.test>|DATA|"),
                ("250 1|250 2|354 3|", "<text>"),
                ("250 first|", "MAIL FROM:<s@x.test>|RCPT TO:<a@y.test>|DATA|"),
                ("250 1|250 2|354 3|", "<text>"),
                ("250 second|", "QUIT|"),
            ],
            vec!["0: 250 first", "0: 250 second"],
        ),
        // One recipient refused, the other goes on.
        (
            Smtp,
            Offered,
            two(),
            vec![
                HELLO,
                all,
                ("250 ok|550 5.1.1 who?|250 ok|354 go|", "<text>"),
                ("250 ok|", "QUIT|"),
            ],
            vec!["0: 550 5.1.1 who?", "1: 250 ok"],
        ),
        // All refused under pipelining, DATA refused; the next transaction begins with RSET.
        (
            Smtp,
            Offered,
            vec![parcel(&["a@y.test", "b@y.test"]), parcel(&["a@y.test"])],
            vec![
                HELLO,
                all,
                (
                    "250 ok|550 a|450 b|554 none|",
                    "RSET|MAIL FROM:<s@x.test>|RCPT TO:<a@y.test>|DATA|",
                ),
                ("250 reset|250 ok|250 ok|354 go|", "<text>"),
                ("250 ok|", "QUIT|"),
            ],
            vec!["0: 550 a", "1: 450 b", "0: 250 ok"],
        ),
        // All refused under pipelining and 354 all the same: an empty message for nobody.
        (
            Smtp,
            Offered,
            two(),
            vec![HELLO, all, ("250 ok|550 a|450 b|354 go|", ".|"), ("250 thanks|", "QUIT|")],
            vec!["0: 550 a", "1: 450 b"],
        ),
        // All refused one by one: no DATA.
        (
            Smtp,
            Offered,
            vec![parcel(&["a@y.test"]), parcel(&["a@y.test"])],
            vec![
                HELLO,
                mail,
                rcpt,
                ("550 no|", "RSET|"),
                ("250 ok|", "MAIL FROM:<s@x.test>|"),
                ("451 later|", "QUIT|"),
            ],
            vec!["0: 550 no", "0: 451 later"],
        ),
        // MAIL refused under pipelining speaks for all, whatever follows.
        (
            Smtp,
            Offered,
            two(),
            vec![HELLO, all, ("552 5.3.4 big|503 a|503 b|503 c|", "QUIT|")],
            vec!["0: 552 5.3.4 big", "1: 552 5.3.4 big"],
        ),
        (
            Smtp,
            Offered,
            two(),
            vec![HELLO, all, ("452 full|250 a|250 b|354 c|", ".|"), ("250 ok|", "QUIT|")],
            vec!["0: 452 full", "1: 452 full"],
        ),
        // DATA refused, and the text refused.
        (
            Smtp,
            Offered,
            one(),
            vec![HELLO, mail, rcpt, ("250 ok|", "DATA|"), ("451 not now|", "QUIT|")],
            vec!["0: 451 not now"],
        ),
        (
            Smtp,
            Offered,
            one(),
            vec![
                HELLO,
                mail,
                rcpt,
                ("250 ok|", "DATA|"),
                ("354 go|", "<text>"),
                ("554-5.7.1 spam|554 5.7.1 go away|", "QUIT|"),
            ],
            vec!["0: 554 5.7.1 spam go away"],
        ),
        // No extensions at all.
        (
            Smtp,
            Offered,
            one(),
            vec![
                HELLO,
                ("502 what?|", "HELO me.test|"),
                mail,
                rcpt,
                ("250 ok|", "DATA|"),
                ("354 go|", "<text>"),
                ("250 ok|", "QUIT|"),
            ],
            vec!["0: 250 ok"],
        ),
        // SIZE is said where it is offered.
        (
            Smtp,
            Offered,
            one(),
            vec![HELLO, ("250-mx|250 SIZE 10|", "MAIL FROM:<s@x.test> SIZE=10|")],
            vec!["0: 451 4.4.2 gone in Read(Reply)"],
        ),
        (
            Smtp,
            Offered,
            one(),
            vec![HELLO, ("250-mx|250 SIZE 9|", "QUIT|")],
            vec!["0: 552 5.3.4 the message is larger than the next hop takes (box)"],
        ),
    ]
}

fn lmtp_and_tls_scripts<'a>() -> Vec<Script<'a>> {
    use Dialect::{Lmtp, Smtp};
    use StartTls::{Never, Offered, Required};
    let two = || vec![parcel(&["a@y.test", "b@y.test"])];
    let one = || vec![parcel(&["a@y.test"])];
    let lhlo = ("220 store|", "LHLO me.test|");
    let offer = "250-mx|250 STARTTLS|";
    vec![
        // LMTP: a reply for each accepted recipient.
        (
            Lmtp,
            Offered,
            two(),
            vec![
                lhlo,
                (PIPELINED, ALL),
                ("250 ok|250 ok|250 ok|354 go|", "<text>"),
                ("250 2.1.5 a|", ""),
                ("452 4.2.2 b|", "QUIT|"),
            ],
            vec!["0: 250 2.1.5 a", "1: 452 4.2.2 b"],
        ),
        (
            Lmtp,
            Offered,
            two(),
            vec![
                lhlo,
                (PIPELINED, ALL),
                ("250 ok|550 a|250 ok|354 go|", "<text>"),
                ("250 b|", "QUIT|"),
            ],
            vec!["0: 550 a", "1: 250 b"],
        ),
        // LMTP: lost between two replies; what was said stands.
        (
            Lmtp,
            Offered,
            two(),
            vec![
                lhlo,
                (PIPELINED, ALL),
                ("250 ok|250 ok|250 ok|354 go|", "<text>"),
                ("250 a|", ""),
            ],
            vec!["0: 250 a", "1: 451 4.4.2 gone in Read(EndOfData)"],
        ),
        (Lmtp, Offered, one(), vec![lhlo, ("500 what?|", "")], vec!["! 500 what?"]),
        // STARTTLS.
        (
            Smtp,
            Offered,
            one(),
            vec![
                HELLO,
                (offer, "STARTTLS|"),
                ("220 go|", "<tls>EHLO me.test|"),
                ("250 mx|", "MAIL FROM:<s@x.test>|"),
            ],
            vec!["0: 451 4.4.2 gone in Read(Reply)"],
        ),
        (
            Smtp,
            Never,
            one(),
            vec![HELLO, (offer, "MAIL FROM:<s@x.test>|")],
            vec!["0: 451 4.4.2 gone in Read(Reply)"],
        ),
        (
            Smtp,
            Offered,
            one(),
            vec![HELLO, (offer, "STARTTLS|"), ("454 not now|", "MAIL FROM:<s@x.test>|")],
            vec!["0: 451 4.4.2 gone in Read(Reply)"],
        ),
        (
            Smtp,
            Required,
            one(),
            vec![HELLO, (offer, "STARTTLS|"), ("454 not now|", "")],
            vec!["! TLS is required and the server does not offer it"],
        ),
        (
            Smtp,
            Required,
            one(),
            vec![HELLO, ("250 mx|", "")],
            vec!["! TLS is required and the server does not offer it"],
        ),
        (
            Smtp,
            Required,
            one(),
            vec![HELLO, ("500 no|", "HELO me.test|"), ("250 mx|", "")],
            vec!["! TLS is required and the server does not offer it"],
        ),
    ]
}

fn hostile_scripts<'a>() -> Vec<Script<'a>> {
    use Dialect::Smtp;
    use StartTls::Offered;
    let one = || vec![parcel(&["a@y.test"])];
    let two = || vec![parcel(&["a@y.test", "b@y.test"])];
    let mail = ("250 mx|", "MAIL FROM:<s@x.test>|");
    let rcpt = ("250 ok|", "RCPT TO:<a@y.test>|");
    vec![
        (Smtp, Offered, one(), vec![("554 5.3.2 no|", "")], vec!["! 554 5.3.2 no"]),
        (Smtp, Offered, one(), vec![("421 busy|", "")], vec!["! 421 busy"]),
        (
            Smtp,
            Offered,
            one(),
            vec![("354 go|", "")],
            vec!["! unexpected reply to the connection: 354 go"],
        ),
        (
            Smtp,
            Offered,
            one(),
            vec![("HTTP/1.1 400|", "")],
            vec!["! the server sent a line that is no reply"],
        ),
        (Smtp, Offered, one(), vec![HELLO, ("451 wait|", "")], vec!["! 451 wait"]),
        // 421 at any time.
        (
            Smtp,
            Offered,
            two(),
            vec![HELLO, (PIPELINED, ALL), ("250 ok|550 a|421 4.3.2 off|", "")],
            vec!["0: 550 a", "1: 421 4.3.2 off", "! 421 4.3.2 off"],
        ),
        (
            Smtp,
            Offered,
            one(),
            vec![HELLO, mail, rcpt, ("250 ok|", "DATA|"), ("354 go|", "<text>"), ("421 off|", "")],
            vec!["0: 421 off", "! 421 off"],
        ),
        // Codes that the command cannot have.
        (
            Smtp,
            Offered,
            one(),
            vec![HELLO, mail, ("354 go|", "")],
            vec![
                "0: 451 4.4.2 unexpected reply to MAIL: 354 go (box)",
                "! unexpected reply to MAIL: 354 go",
            ],
        ),
        (
            Smtp,
            Offered,
            one(),
            vec![HELLO, mail, rcpt, ("250 ok|", "DATA|"), ("250 ok|", "")],
            vec![
                "0: 451 4.4.2 unexpected reply to DATA: 250 ok (box)",
                "! unexpected reply to DATA: 250 ok",
            ],
        ),
        // What comes in clear after STARTTLS was accepted could be an intruder's.
        (
            Smtp,
            Offered,
            one(),
            vec![HELLO, ("250-mx|250 STARTTLS|", "STARTTLS|"), ("220 go|250 injected|", "")],
            vec!["! the server spoke out of turn"],
        ),
        (
            Smtp,
            Offered,
            one(),
            vec![HELLO, ("250-mx|250 STARTTLS|", "STARTTLS|"), ("220 go|2", "")],
            vec!["! the server spoke out of turn"],
        ),
    ]
}

fn scripts<'a>() -> Vec<Script<'a>> {
    let mut all = plain_scripts();
    all.extend(lmtp_and_tls_scripts());
    all.extend(hostile_scripts());
    all
}

#[test]
fn conversations_go_as_written_in_any_portions() {
    for (number, (dialect, starttls, parcels, script, story)) in scripts().into_iter().enumerate() {
        // An injection is seen only when it comes together with the reply before it.
        let injected = script.iter().any(|(said, _)| said.starts_with("220 go|2"));
        for portion in [usize::MAX, 1, 2, 5] {
            if injected && portion != usize::MAX {
                continue;
            }
            let settings = settings(dialect, starttls);
            let told = play(settings, parcels.clone(), &script, &mut || portion);
            assert_eq!(told, story, "script {number} by {portion}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn conversations_go_as_written_in_random_portions(
        portions in proptest::collection::vec(1usize..12, 1..40),
    ) {
        for (dialect, starttls, parcels, script, story) in scripts() {
            if script.iter().any(|(said, _)| said.starts_with("220 go|2")) {
                continue;
            }
            let mut turn = portions.iter().cycle();
            let mut portion = || *turn.next().unwrap();
            prop_assert_eq!(play(settings(dialect, starttls), parcels, &script, &mut portion), story);
        }
    }

    #[test]
    fn no_server_makes_it_panic_or_answer_twice(
        wire in proptest::collection::vec(
            prop::sample::select(vec![
                "220 a\r\n", "250 a\r\n", "250-PIPELINING\r\n", "250-DSN\r\n", "354 a\r\n", "421 a\r\n",
                "450 a\r\n", "550 5.1.1 a\r\n", "221 a\r\n", "\r\n", "2", "\0", "999 a\r\n",
            ]),
            0..30,
        ),
        whole in any::<bool>(),
    ) {
        let mut client = Client::new(settings(Dialect::Smtp, StartTls::Offered));
        let mut begun = 0;
        let mut answered = 0;
        let mut feed = wire.iter();
        loop {
            client.take_output();
            match client.want() {
                Want::Read(_) => match feed.next() {
                    Some(portion) if whole => {
                        let rest: String = std::iter::once(portion).chain(&mut feed).copied().collect();
                        client.feed(rest.as_bytes());
                    }
                    Some(portion) => client.feed(portion.as_bytes()),
                    None => client.lost("end"),
                },
                Want::Parcel => {
                    begun += 2;
                    client.begin(parcel(&["a@y.test", "b@y.test"]));
                }
                Want::Handshake => client.secured(),
                Want::Text => client.text_sent(),
                Want::Settle => answered += client.settle().len(),
                Want::Close => break,
            }
        }
        prop_assert_eq!(begun, answered);
    }
}

#[test]
fn a_verdict_before_the_end_of_the_text_is_no_acceptance() {
    for (early, reply) in [
        ("250 early\r\n", "451 4.4.2 the server spoke out of turn"),
        ("552 5.3.4 stop\r\n", "552 5.3.4 stop"),
    ] {
        let mut client = Client::new(settings(Dialect::Smtp, StartTls::Never));
        client.feed(b"220 mx\r\n");
        client.feed(b"250-mx\r\n250 PIPELINING\r\n");
        client.begin(parcel(&["a@y.test"]));
        client.feed(format!("250 a\r\n250 b\r\n354 c\r\n{early}").as_bytes());
        assert_eq!(client.want(), Want::Settle);
        assert_eq!(client.settle()[0].reply.to_string(), reply);
        assert_eq!(client.want(), Want::Close);
    }
}

#[test]
fn an_idle_connection_ends_when_the_server_speaks() {
    for (said, why) in [
        ("421 4.4.2 idle\r\n", "421 4.4.2 idle"),
        ("250 hello?\r\n", "the server spoke out of turn"),
        ("2", "the server spoke out of turn"),
    ] {
        let mut client = Client::new(settings(Dialect::Smtp, StartTls::Never));
        client.feed(b"220 mx\r\n");
        client.feed(b"250 mx\r\n");
        assert_eq!(client.want(), Want::Parcel);
        client.feed(said.as_bytes());
        assert_eq!(client.want(), Want::Close);
        assert_eq!(client.failure().unwrap().to_string(), why);
    }
}

#[test]
fn many_recipients_go_in_bounded_batches() {
    let addresses: Vec<String> = (0..100).map(|n| format!("user{n}@y.test")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let mut client = Client::new(settings(Dialect::Smtp, StartTls::Never));
    client.feed(b"220 mx\r\n");
    client.feed(b"250-mx\r\n250 PIPELINING\r\n");
    client.take_output();
    client.begin(parcel(&addresses));
    let mut sizes = Vec::new();
    while client.want() != Want::Text {
        let sent = String::from_utf8(client.take_output()).unwrap();
        sizes.push(sent.lines().count());
        for line in sent.lines() {
            client.feed(if line == "DATA" { b"354 go\r\n" } else { b"250 ok\r\n" });
        }
    }
    assert_eq!(sizes, [50, 50, 2]);
}

#[test]
fn what_the_server_lacks_is_refused_here() {
    let eight = Nature { eight_bit: true, utf8_header: false };
    let utf8 = Nature { eight_bit: true, utf8_header: true };
    let table: [(&str, &[&str], Nature, &[&str]); 6] = [
        ("250 mx", &["a@y.test"], eight, &["554 5.6.3 the next hop does not offer 8BITMIME"]),
        ("250-mx\r\n250 8BITMIME", &["a@y.test"], eight, &[]),
        (
            "250-mx\r\n250 8BITMIME",
            &["a@y.test"],
            utf8,
            &["550 5.6.7 the next hop does not offer SMTPUTF8"],
        ),
        ("250-mx\r\n250-8BITMIME\r\n250 SMTPUTF8", &["a@y.test"], utf8, &[]),
        (
            "250 mx",
            &["ä@y.test"],
            Nature::default(),
            &["550 5.6.7 the next hop does not offer SMTPUTF8"],
        ),
        ("250 mx", &["a@y.test"], Nature::default(), &[]),
    ];
    for (hello, recipients, nature, refusals) in table {
        let mut client = Client::new(settings(Dialect::Smtp, StartTls::Never));
        client.feed(b"220 mx\r\n");
        client.feed(format!("{hello}\r\n").as_bytes());
        client.begin(Parcel { nature, ..parcel(recipients) });
        let told: Vec<String> = match client.want() {
            Want::Settle => client.settle().iter().map(|said| said.reply.to_string()).collect(),
            _ => Vec::new(),
        };
        assert_eq!(told, refusals);
    }
}

#[test]
fn recipients_are_asked_about_without_data() {
    // What the server says to MAIL and RCPT, what comes of it, and who said that.
    let table: [(&[&str], &str, &[(&str, Speaker)]); 5] = [
        (
            &["250 ok", "250 ok", "550 5.1.1 no"],
            "",
            &[("250", Speaker::Peer), ("550", Speaker::Peer)],
        ),
        (
            &["250 ok", "450 4.7.1 later", "250 ok"],
            "",
            &[("450", Speaker::Peer), ("250", Speaker::Peer)],
        ),
        (
            &["550 5.7.1 no <>", "503 no", "503 no"],
            "",
            &[("550", Speaker::Box), ("550", Speaker::Box)],
        ),
        (&["250 ok", "421 bye"], "closed", &[("421", Speaker::Peer), ("421", Speaker::Peer)]),
        (&["250 ok", "250 ok"], "lost", &[("250", Speaker::Peer), ("451", Speaker::Box)]),
    ];
    for pipelining in ["250 mx", "250-mx\r\n250 PIPELINING"] {
        for (replies, end, expected) in table {
            let mut client = Client::new(settings(Dialect::Smtp, StartTls::Never));
            client.feed(b"220 mx\r\n");
            client.feed(format!("{pipelining}\r\n").as_bytes());
            client.take_output();
            let envelope =
                Envelope { reverse_path: ReversePath::Null, ..envelope(&["a@y.test", "b@y.test"]) };
            client.ask(Arc::new(envelope), vec![0, 1]);
            let mut said = String::new();
            for reply in replies {
                said += &String::from_utf8(client.take_output()).unwrap();
                client.feed(format!("{reply}\r\n").as_bytes());
            }
            if end == "lost" {
                client.lost("gone");
            }
            assert!(said.starts_with("MAIL FROM:<>\r\n") && !said.contains("DATA"), "{said}");
            assert_eq!(client.want(), Want::Settle, "{replies:?}");
            let answers = client.settle();
            let told: Vec<(String, Speaker)> = answers
                .iter()
                .map(|answer| (answer.reply.code.to_string(), answer.speaker))
                .collect();
            let expected: Vec<(String, Speaker)> =
                expected.iter().map(|(code, speaker)| ((*code).to_owned(), *speaker)).collect();
            assert_eq!(told, expected, "{replies:?}");
            if end.is_empty() {
                // The next transaction begins afresh, if this one had begun.
                client.begin(parcel(&["a@y.test"]));
                let next = String::from_utf8(client.take_output()).unwrap();
                let is_reset = next.starts_with("RSET\r\n");
                assert_eq!(is_reset, replies[0].starts_with("250"), "{next}");
            }
        }
    }
}
