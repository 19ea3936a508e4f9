//! Whole dialogues, fed whole, octet by octet and split at random.

use super::*;

#[test]
fn one_mail_from_greeting_to_goodbye() {
    let wire = format!(
        "{HELLO}{MAIL}{RCPT}RCPT TO:<Postmaster>\r\nDATA\r\nSubject: hello\r\n\r\n..dot\r\n.\r\nQUIT\r\n"
    );
    let outcome = outcome_of(&inbound, &[wire.as_bytes()]);
    let expected = "220 mx.test ESMTP Postern\r\n\
        250-mx.test\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n\
        250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n250-DSN\r\n250-STARTTLS\r\n\
        250 LIMITS MAILMAX=3 RCPTMAX=3\r\n\
        250 2.1.0 sender ok\r\n250 2.1.5 recipient ok\r\n250 2.1.5 recipient ok\r\n\
        354 end the text with <CRLF>.<CRLF>\r\n\
        250 2.0.0 00000000000000000000 accepted\r\n221 2.0.0 bye\r\n";
    assert_eq!(outcome.replies, expected);
    assert_eq!(outcome.why, Some(Why::Quit));
    let [taken] = &outcome.taken[..] else { panic!("one mail expected") };
    assert_eq!(taken.content, b"Subject: hello\r\n\r\n.dot\r\n");
    assert_eq!(taken.envelope.reverse_path.to_string(), "a@client.test");
    let recipients: Vec<String> =
        taken.envelope.recipients.iter().map(|r| r.forward_path.to_string()).collect();
    assert_eq!(recipients, ["b@mx.test", "postmaster@mx.test"]);
    // RFC 2920: the banner, then the replies to the whole batch in one write.
    assert_eq!(outcome.writes.len(), 2);
}

#[test]
fn what_mail_and_rcpt_say_reaches_the_envelope() {
    let wire = format!(
        "{HELLO}MAIL FROM:<grün@client.test> SIZE=10 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ314159\r\n\
         RCPT TO:<jos\u{e9}@mx.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob@example.test\r\n\
         DATA\r\nx\r\n.\r\n"
    );
    let outcome = outcome_of(&inbound, &[wire.as_bytes()]);
    let envelope = &outcome.taken[0].envelope;
    assert!(envelope.smtputf8);
    assert_eq!(envelope.body, crate::mail::BodyType::EightBitMime);
    assert_eq!(envelope.dsn_return, Some(crate::mail::DsnReturn::Headers));
    assert_eq!(envelope.envelope_id.as_deref(), Some("QQ314159"));
    let recipient = &envelope.recipients[0];
    assert!(recipient.notify.is_some_and(|notify| notify.success && notify.delay));
    assert_eq!(recipient.original.as_ref().unwrap().address, "Bob@example.test");
}

/// What is sent, and the codes of the replies after the banner.
const TABLE: &[(&str, &[&str])] = &[
    // Greetings.
    ("HELO a.test\r\n", &["250"]),
    ("EHLO a.test\r\nEHLO b.test\r\n", &["250", "250"]),
    ("HELO\r\n", &["501 5.5.4"]),
    // Order, RFC 5321 section 4.1.4.
    ("MAIL FROM:<a@b.test>\r\n", &["503 5.5.1"]),
    ("RCPT TO:<a@b.test>\r\n", &["503 5.5.1"]),
    ("EHLO a\r\nRCPT TO:<a@b.test>\r\n", &["250", "503 5.5.1"]),
    ("EHLO a\r\nDATA\r\n", &["250", "503 5.5.1"]),
    ("EHLO a\r\nMAIL FROM:<>\r\nMAIL FROM:<>\r\n", &["250", "250 2.1.0", "503 5.5.1"]),
    ("EHLO a\r\nMAIL FROM:<>\r\nDATA\r\n", &["250", "250 2.1.0", "554 5.5.1"]),
    (
        "EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<bad@x.test>\r\nDATA\r\nRCPT TO:<b@x.test>\r\nDATA\r\nx\r\n.\r\n",
        &["250", "250 2.1.0", "550 5.1.1", "554 5.5.1", "250 2.1.5", "354", "250 2.0.0"],
    ),
    (
        "EHLO a\r\nMAIL FROM:<bad@x.test>\r\nRCPT TO:<b@x.test>\r\n",
        &["250", "550 5.1.1", "503 5.5.1"],
    ),
    ("EHLO a\r\nMAIL FROM:<later@x.test>\r\n", &["250", "451 4.2.1"]),
    // RSET, HELO and EHLO end a transaction.
    (
        "EHLO a\r\nMAIL FROM:<>\r\nRSET\r\nRCPT TO:<b@x.test>\r\n",
        &["250", "250 2.1.0", "250 2.0.0", "503 5.5.1"],
    ),
    (
        "EHLO a\r\nMAIL FROM:<>\r\nEHLO a\r\nRCPT TO:<b@x.test>\r\n",
        &["250", "250 2.1.0", "250", "503 5.5.1"],
    ),
    (
        "EHLO a\r\nMAIL FROM:<>\r\nHELO a\r\nRCPT TO:<b@x.test>\r\n",
        &["250", "250 2.1.0", "250", "503 5.5.1"],
    ),
    // Several mails in a session; a refused one ends its transaction too.
    (
        "HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<b@x.test>\r\nDATA\r\nSubject: refuse\r\n.\r\n\
         MAIL FROM:<>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n.\r\nDATA\r\n",
        &[
            "250",
            "250 2.1.0",
            "250 2.1.5",
            "354",
            "550 5.7.1",
            "250 2.1.0",
            "250 2.1.5",
            "354",
            "250 2.0.0",
            "503 5.5.1",
        ],
    ),
    // The rest.
    ("NOOP\r\nnoop x\r\nHELP\r\n", &["250 2.0.0", "250 2.0.0", "214 2.0.0"]),
    ("VRFY a\r\nEXPN a\r\n", &["252 2.0.0", "502 5.5.1"]),
    ("VRFY\r\n", &["501 5.5.4"]),
    ("NONSENSE\r\n\r\nNOOP\r\n", &["500 5.5.1", "500 5.5.1", "250 2.0.0"]),
    ("NO\0OP\r\nNOOP\r\n", &["500 5.5.2", "250 2.0.0"]),
    ("QUIT\r\nNOOP\r\n", &["221 2.0.0"]),
    ("GET / HTTP/1.1\r\nHost: a\r\n", &["500 5.5.1"]),
    ("ETRN a\r\n", &["502 5.5.1"]),
    // Extensions.
    (
        "EHLO a\r\nMAIL FROM:<> SIZE=1001\r\nMAIL FROM:<> SIZE=1000\r\n",
        &["250", "552 5.3.4", "250 2.1.0"],
    ),
    ("EHLO a\r\nMAIL FROM:<> BODY=BINARYMIME\r\n", &["250", "555 5.5.4"]),
    ("EHLO a\r\nMAIL FROM:<> X=1\r\n", &["250", "555 5.5.4"]),
    ("EHLO a\r\nMAIL FROM:<ä@b.test>\r\n", &["250", "553 5.6.7"]),
    (
        "EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<ä@b.test>\r\nRCPT TO:<a@ä.test>\r\n",
        &["250", "250 2.1.0", "553 5.6.7", "553 5.6.7"],
    ),
    ("STARTTLS now\r\n", &["501 5.5.4"]),
    ("EHLO a\r\nAUTH PLAIN AHUAcA==\r\n", &["250", "502 5.5.1"]),
];

#[test]
fn dialogues_have_the_replies_of_the_rfc() {
    for (wire, expected) in TABLE {
        assert_eq!(codes_of(&inbound, wire), *expected, "{wire:?}");
    }
}

#[test]
fn a_client_that_is_not_served_hears_it_and_may_only_quit() {
    let barred = || {
        let reply = Reply::new(554, EnhancedCode(5, 7, 1), "no service for you");
        Rig::start(Commands::bar(Arc::new(terms(Role::Outbound)), &reply))
    };
    let wire = format!("{HELLO}{MAIL}BDAT 6\r\nQUIT\r\nQUIT\r\n");
    let outcome = outcome_of(&barred, &[wire.as_bytes()]);
    let codes = ["554 5.7.1", "503 5.5.1", "503 5.5.1", "503 5.5.1", "221 2.0.0"];
    assert_eq!(outcome.codes(), codes);
}

#[test]
fn tls_forgets_what_was_said_in_clear() {
    let flights: &[&[u8]] = &[
        b"EHLO a\r\n",
        b"MAIL FROM:<a@b.test>\r\nRCPT TO:<b@x.test>\r\nSTARTTLS\r\n",
        b"RCPT TO:<c@x.test>\r\nMAIL FROM:<a@b.test>\r\nEHLO b\r\nSTARTTLS\r\nMAIL FROM:<>\r\n",
    ];
    let outcome = outcome_of(&inbound, flights);
    let codes = [
        "220",
        "250",
        "250 2.1.0",
        "250 2.1.5",
        "220 2.0.0",
        "503 5.5.1",
        "503 5.5.1",
        "250",
        "503 5.5.1",
        "250 2.1.0",
    ];
    assert_eq!(outcome.codes(), codes);
    let after = outcome.replies.rsplit("220 2.0.0").next().unwrap();
    assert!(!after.contains("STARTTLS\r\n"), "not offered again: {after}");
}

#[test]
fn octets_behind_starttls_end_the_session() {
    for injected in ["RSET\r\n", "x", "\r\n", "EHLO evil\r\nMAIL FROM:<>\r\n"] {
        let wire = format!("{HELLO}STARTTLS\r\n{injected}");
        let outcome = run(&inbound, &[wire.as_bytes()], &mut |all| all);
        assert_eq!(outcome.codes(), ["220", "250", "503 5.5.1"], "{injected:?}");
        assert_eq!(outcome.why, Some(Why::Misconduct));
        assert!(outcome.taken.is_empty());
    }
    let plain = || {
        let offered = terms(Role::Inbound);
        Rig::new(Terms { starttls: StartTls::NotOffered, ..offered }, Channel::Clear)
    };
    let outcome = outcome_of(&plain, &[b"EHLO a\r\nSTARTTLS\r\nNOOP\r\n"]);
    assert_eq!(outcome.codes(), ["220", "250", "502 5.5.1", "250 2.0.0"]);
    assert!(!outcome.replies.contains("250-STARTTLS"));
}

#[test]
fn the_driver_can_end_a_session_at_any_time() {
    let turn = Turn::Commands(Commands::greet(Arc::new(terms(Role::Inbound)), Channel::Clear));
    let closing = turn.shut(&Reply::new(421, EnhancedCode(4, 3, 2), "going down"));
    let mut turn = Turn::Closing(closing);
    assert!(turn.take_replies().ends_with(b"\r\n421 4.3.2 going down\r\n"));
    // A refusal that would read as consent is not passed on.
    let commands = Commands::greet(Arc::new(terms(Role::Inbound)), Channel::Clear);
    let Turn::Sender(asked) = commands.advance(&mut &b"EHLO a\r\nMAIL FROM:<>\r\n"[..]) else {
        panic!("a question expected")
    };
    let mut turn = asked.refuse(&Reply::new(250, EnhancedCode(2, 0, 0), "yes"));
    assert!(turn.take_replies().ends_with(b"\r\n451 4.3.0 not now; try again later\r\n"));
}

#[test]
fn refusals_are_kept_for_the_record_without_passwords() {
    let commands = Commands::greet(Arc::new(terms(Role::Submission)), Channel::Encrypted);
    let wire = b"NONSENSE\r\nAUTH PLAIN AHVzZXIAc2VjcmV0\r\nMAIL FROM:<>\r\n";
    let mut turn = commands.advance(&mut &wire[..]);
    let commands: Vec<String> = turn.take_refusals().into_iter().map(|r| r.command).collect();
    assert_eq!(commands, ["NONSENSE", "AUTH", "MAIL FROM:<>"]);
}

#[test]
fn the_corpus_keeps_the_invariants() {
    let mut corpus: Vec<Vec<u8>> = TABLE.iter().map(|(wire, _)| wire.as_bytes().to_vec()).collect();
    corpus.extend(smuggling::wires());
    corpus.extend(chunks::TABLE.iter().map(|(wire, _)| wire.as_bytes().to_vec()));
    for wire in corpus {
        for seed in 0u8..24 {
            let mut data = vec![seed, seed.wrapping_mul(37), 5, 9];
            data.extend_from_slice(&wire);
            fuzz_body(&data);
        }
    }
    for short in [&b""[..], b"abc", b"abcd", b"abcd\r", b"abcd\n"] {
        fuzz_body(short);
    }
}

#[test]
fn arbitrary_sessions_keep_the_invariants() {
    let words: Vec<&[u8]> = vec![
        b"EHLO a\r\n",
        b"MAIL FROM:<a@b.test>\r\n",
        b"RCPT TO:<b@x.test>\r\n",
        b"DATA\r\n",
        b".\r\n",
        b"..\r\n",
        b"\r\n.\r\n",
        b"BDAT 5\r\n",
        b"BDAT 9 LAST\r\n",
        b"BDAT 0 LAST\r\n",
        b"text\r\n",
        b"\r",
        b"\n",
        b"\0",
        b"RSET\r\n",
        b"STARTTLS\r\n",
        b"AUTH PLAIN\r\n",
        b"AUTH LOGIN dXNlcg==\r\n",
        b"c2VjcmV0\r\n",
        b"*\r\n",
        b"QUIT\r\n",
        b"Received: x\r\n",
        b"\xff\xfe",
        b"x",
        b"NOOP\r\n",
    ];
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]);
    let config = Config { cases: 2_000, failure_persistence: None, ..Config::default() };
    let strategy = (
        proptest::array::uniform4(proptest::num::u8::ANY),
        proptest::collection::vec(0usize..words.len(), 0..60),
    );
    TestRunner::new_with_rng(config, seed)
        .run(&strategy, |(seed, picks)| {
            let mut data = seed.to_vec();
            picks.iter().for_each(|pick| data.extend_from_slice(words[*pick]));
            fuzz_body(&data);
            Ok(())
        })
        .unwrap();
}
