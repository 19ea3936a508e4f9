//! Who the author is: what every reader agrees on, and where readers part.

use proptest::prelude::*;

use super::*;
use crate::message::doubt::*;

fn author(head: &[u8]) -> Authorship {
    let mut message = head.to_vec();
    message.extend_from_slice(b"\r\n\r\nbody\r\n");
    Anatomy::of(&Bytes::from(message), Limits::default()).author()
}

fn author_of(value: &str) -> Authorship {
    author(format!("Date: x\r\nFrom: {value}\r\nSubject: x").as_bytes())
}

fn shown(authorship: &Authorship) -> String {
    let one = |mailbox: &Mailbox| format!("{}|{}", mailbox.display_name, mailbox.address);
    match authorship {
        Authorship::Absent => "absent".into(),
        Authorship::One(mailbox) => one(mailbox),
        Authorship::Several(several) => several.iter().map(one).collect::<Vec<_>>().join(" AND "),
        Authorship::Unclear(why) => format!("? {why}"),
    }
}

#[test]
fn authors_that_every_reader_sees() {
    let table = [
        ("a@x.test", "|a@x.test"),
        ("<a@x.test>", "|a@x.test"),
        ("< a@x.test >", "|a@x.test"),
        ("Ann Brook <a@X.Test>", "Ann Brook|a@x.test"),
        ("\"Brook, Ann\" <a@x.test>", "Brook, Ann|a@x.test"),
        ("Brook, Ann <a@x.test>", "Brook, Ann|a@x.test"),
        ("\"Ann \\\"B\\\" Brook\" <a@x.test>", "Ann \"B\" Brook|a@x.test"),
        ("a@x.test (Ann Brook)", "Ann Brook|a@x.test"),
        ("a@x.test (Ann (deep) Brook)", "Ann (deep) Brook|a@x.test"),
        ("Ann (Sales) Brook <a@x.test>", "Ann  Brook|a@x.test"),
        ("John Q. Public <a@x.test>", "John Q. Public|a@x.test"),
        ("[Team] News: today <a@x.test>", "[Team] News: today|a@x.test"),
        ("=?utf-8?q?Gr=C3=BCn=2C_A?= <a@x.test>", "Grün, A|a@x.test"),
        ("\"=?utf-8?q?Gr=C3=BCn?=\" <a@x.test>", "Grün|a@x.test"),
        ("Grün <a@x.test>", "Grün|a@x.test"),
        ("Ann\r\n Brook\r\n\t<a@x.test>", "Ann Brook\t|a@x.test"),
        ("\r\n Ann <a@x.test>", "Ann|a@x.test"),
        ("=?utf-8?q?Gr=C3=BC?=\r\n\t=?utf-8?q?n?= <a@x.test>", "Grün|a@x.test"),
        ("\"a@x.test\" <a@x.test>", "a@x.test|a@x.test"),
        ("a@x.test <a@x.test>", "a@x.test|a@x.test"),
        ("Info@Goodco <a@x.test>", "Info@Goodco|a@x.test"),
        ("Anna @ Goodco <a@x.test>", "Anna @ Goodco|a@x.test"),
        ("Twitter @goodco <a@x.test>", "Twitter @goodco|a@x.test"),
        ("\"'bob@y.test' via Group\" <group@x.test>", "'bob@y.test' via Group|group@x.test"),
        ("\"bob@y.test\" <group@x.test>", "bob@y.test|group@x.test"),
        ("\"a b\"@x.test", "|\"a b\"@x.test"),
        ("a..b.@x.test", "|\"a..b.\"@x.test"),
        ("a@[192.0.2.1]", "|a@[192.0.2.1]"),
        ("a@[IPv6:2001:db8::1]", "|a@[IPv6:2001:db8::1]"),
        ("grün@bücher.example", "|grün@xn--bcher-kva.example"),
        ("a@xn--bcher-kva.example", "|a@xn--bcher-kva.example"),
        ("100% <a@x.test>", "100%|a@x.test"),
        ("a%b@x.test", "|a%b@x.test"),
        ("<a@x.test>,", "|a@x.test"),
        ("a@x.test, Ann <b@y.test>", "|a@x.test AND Ann|b@y.test"),
        ("", "? From holds no address"),
        ("root", "? From holds no address"),
        ("\"Bank\" <>", "? From holds no address"),
    ];
    for (value, expected) in table {
        let read = shown(&author_of(value)).replace('\t', "");
        assert_eq!(read, expected.replace('\t', ""), "{value}");
    }
    assert_eq!(author(b"Subject: x"), Authorship::Absent);
}

#[test]
fn readers_part_over_a_value() {
    let long = format!("{} <a@x.test>", "a".repeat(9_000));
    let deep = format!("a@x.test {}{}", "(".repeat(20), ")".repeat(20));
    let table = [
        ("a@y.test <b@x.test>", TWO_READINGS),
        ("Info a@y.test. <b@x.test>", TWO_READINGS),
        ("a@[192.0.2.1] <b@x.test>", TWO_READINGS),
        ("\"Bank <a@y.test>\" <b@x.test>", TWO_READINGS),
        ("\"a\\\" <a@y.test>, \\\"b\" <b@x.test>", TWO_READINGS),
        ("(<a@y.test>) b@x.test", TWO_READINGS),
        ("(a@y.test) b@x.test", TWO_READINGS),
        ("b@x.test (c, a@y.test)", TWO_READINGS),
        ("\"a@y.test, Bank\" <b@x.test>", TWO_READINGS),
        ("\"a@y.test\", <b@x.test>", TWO_READINGS),
        ("<a@y.test> <b@x.test>", TWO_READINGS),
        ("<<a@y.test>>", NESTED_BRACKETS),
        ("<a@y.test <b@x.test>", NESTED_BRACKETS),
        ("<a@y.test", UNCLOSED),
        ("\"Bank <a@y.test>", UNCLOSED),
        ("Bank ( <a@y.test>", UNCLOSED),
        ("a@y.test b@x.test", UNREADABLE),
        ("<a@y.test b@x.test>", UNREADABLE),
        ("a@y.test@x.test", UNREADABLE),
        ("<a@y.test@x.test>", UNREADABLE),
        ("a\\@y.test@x.test", UNREADABLE),
        ("a@y.test <>", UNREADABLE),
        ("\"a@y.test\"", UNREADABLE),
        ("=?utf-8?q?a=40y.test?=", UNREADABLE),
        ("<mailto:a@y.test>", UNREADABLE),
        ("a@", UNREADABLE),
        ("@y.test", ROUTE),
        ("<@x.test,@z.test:a@y.test>", ROUTE),
        ("\"a@y.test\"@x.test", QUOTED_LOCAL),
        ("\"a\\\"@y.test,\"@x.test", QUOTED_LOCAL),
        ("a%y.test@x.test", RELAYED),
        ("y.test!a@x.test", RELAYED),
        ("a@y.test.", TRAILING_DOT),
        ("<a@y.test.>", TRAILING_DOT),
        ("<a @y.test>", SCATTERED),
        ("<a@ y.test>", SCATTERED),
        ("<a@y.test\r\n .x.test>", SCATTERED),
        ("a@y.test\r\n .x.test", SCATTERED),
        ("pete(his account)@silly.test(his host)", SCATTERED),
        ("<a@y.test(.x.test)>", SCATTERED),
        ("a@(comment)y.test", SCATTERED),
        ("<=?utf-8?q?a=40y.test?=@x.test>", ENCODED_ADDRESS),
        ("=?utf-8?b?YUB5LnRlc3Q=?==?utf-8?Q?=00?=@x.test", ENCODED_ADDRESS),
        ("<a@=?utf-8?q?y.test?=>", ENCODED_ADDRESS),
        ("=?utf-8?q?=3Ca=40y.test=3E?= <b@x.test>", ENCODED_SYNTAX),
        ("=?utf-8?b?YUB5LnRlc3QsIEJhbms=?= <b@x.test>", ENCODED_SYNTAX),
        ("\"=?utf-8?q?Bank=22_=3Ca=40y.test=3E?=\" <b@x.test>", ENCODED_SYNTAX),
        ("=?utf-7?q?+ADw-a+AEA-y.test+AD4-?= <b@x.test>", ENCODED_SYNTAX),
        ("=?utf-8?q?a=40y.test=0A?= <b@x.test>", ENCODED_CONTROL),
        ("=?utf-8?b?YUB5LnRlc3QA?= <b@x.test>", ENCODED_CONTROL),
        ("a@y.test\0 <b@x.test>", CONTROL),
        ("a@y.test\r, b@x.test", CONTROL),
        ("a@y.test\x0b", CONTROL),
        ("a@y.test\r\n \r\n , b@x.test", BLANK_FOLD),
        ("a@ba\u{200b}nk.test", DECEPTIVE_LETTERS),
        ("a@\u{202e}tset.knab", DECEPTIVE_LETTERS),
        ("a@ｂａｎｋ.test", DECEPTIVE_LETTERS),
        ("a＠y.test@x.test", DECEPTIVE_LETTERS),
        ("a@y.test\u{a0}", DECEPTIVE_LETTERS),
        ("Friends: a@x.test, b@x.test;", GROUP),
        ("undisclosed-recipients:;", GROUP),
        ("a@y.test (a", UNCLOSED),
        (long.as_str(), TOO_LONG),
        (deep.as_str(), TOO_DEEP),
    ];
    for (value, why) in table {
        assert_eq!(author_of(value), Authorship::Unclear(why), "{value}");
    }
    let latin = b"From: <a@b\xfccher.test>";
    assert_eq!(author(latin), Authorship::Unclear(OCTETS));
    let long_local = format!("<{}@x.test>", "a".repeat(65));
    assert_eq!(author_of(&long_local), Authorship::Unclear(LONG_LOCAL));
}

#[test]
fn readers_part_over_a_header() {
    let table: [(&[u8], &str); 17] = [
        (b"From: a@x.test\r\nFrom: b@y.test", SEVERAL_FIELDS),
        (b"From: a@x.test\r\nTo: c@z.test\r\nfRoM: b@y.test", SEVERAL_FIELDS),
        (b"From: a@x.test\r\nFrom: nobody", SEVERAL_FIELDS),
        (b"From: a@x.test\r\nFrom : b@y.test", SPACE_BEFORE_COLON),
        (b"From : a@x.test", SPACE_BEFORE_COLON),
        (b"From\t: a@x.test", SPACE_BEFORE_COLON),
        (b"From\r\n : b@y.test\r\nFrom: a@x.test", HIDDEN_FIELD),
        (b"From: a@x.test\r\nX: y\rFrom: b@y.test", HIDDEN_FIELD),
        (b"From: a@x.test\r\nX: y\0From: b@y.test", HIDDEN_FIELD),
        (b"X: y\rFrom: b@y.test", HIDDEN_FIELD),
        (b"From\0: b@y.test\r\nFrom: a@x.test", HIDDEN_FIELD),
        (b"\0From: b@y.test\r\nFrom: a@x.test", HIDDEN_FIELD),
        (b"\xef\xbb\xbfFrom: b@y.test\r\nFrom: a@x.test", HIDDEN_FIELD),
        (b" From: b@y.test\r\nFrom: a@x.test", HIDDEN_FIELD),
        (b"From\xc2\xa0: b@y.test\r\nFrom: a@x.test", HIDDEN_FIELD),
        (b"X: y\r\nno field\r\nFrom: a@x.test", BEHIND_STRAY),
        (b"From: a@x.test\r\nno field\r\nFrom: b@y.test", BEHIND_STRAY),
    ];
    for (head, why) in table {
        assert_eq!(author(head), Authorship::Unclear(why), "{}", String::from_utf8_lossy(head));
    }
    // What only looks alike.
    let table: [&[u8]; 5] = [
        b"From: a@x.test\r\nFrom: A <a@x.test>",
        b"From: a@x.test\r\nX-From: b@y.test\r\nFromage: b@y.test",
        b"From: a@x.test\r\nSubject: x\r\n From: b@y.test",
        b"From x@y.test Mon Jan  1 00:00:00 2024\r\nFrom: a@x.test",
        b"From: a@x.test\r\nResent-From: b@y.test\r\nno field",
    ];
    for head in table {
        let Authorship::One(mailbox) = author(head) else {
            panic!("{}", String::from_utf8_lossy(head))
        };
        assert_eq!(mailbox.address.to_string(), "a@x.test");
    }
}

#[test]
fn other_fields_are_read_tolerantly() {
    let head = "To: A <a@x.test>, \"b, c\" <b@x.test>,\r\n Friends: d@x.test, e@x.test;,\r\n f@x.test\r\n\
                Cc: <@r.test:g@x.test>, \"h@q.test\"@x.test, nobody, i@x.test.\r\ncc: j@x.test";
    let octets = Bytes::from(format!("{head}\r\n\r\n"));
    let anatomy = Anatomy::of(&octets, Limits::default());
    let addresses = |field: &str| -> Vec<String> {
        anatomy.mailboxes(field).iter().map(|mailbox| mailbox.address.to_string()).collect()
    };
    assert_eq!(addresses("to"), ["a@x.test", "b@x.test", "d@x.test", "e@x.test", "f@x.test"]);
    let copies = ["g@x.test", "\"h@q.test\"@x.test", "i@x.test", "j@x.test"];
    assert_eq!(addresses("Cc"), copies);
    assert!(addresses("Reply-To").is_empty());
}

#[test]
fn long_fields_cost_little() {
    for piece in ["(", "\"", "<", "=?", "a@b,", "\\\"", "<\"", "a:", "[", "@[", "(\\"] {
        let value = piece.repeat(200_000 / piece.len());
        let octets = Bytes::from(format!("From: x\r\nTo: {value}\r\n\r\n"));
        let anatomy = Anatomy::of(&octets, Limits::default());
        let start = std::time::Instant::now();
        let _ = anatomy.mailboxes("to");
        let _ = anatomy.author();
        assert!(start.elapsed().as_secs() < 5, "{piece}");
    }
}

/// Addresses of one attacker and one victim, in whatever dress.
fn dressed() -> impl Strategy<Value = (String, &'static str)> {
    let domain = prop_oneof![Just("bank.test"), Just("evil.test")];
    let dress = prop_oneof![
        Just("@"),
        Just("<@>"),
        Just("Ann <@>"),
        Just("\"A, B\" <@>"),
        Just("@ (Ann)"),
        Just("=?utf-8?q?Ann?= <@>"),
        Just("\r\n <@>"),
    ];
    (domain, dress).prop_map(|(domain, dress)| (dress.replace('@', &format!("a@{domain}")), domain))
}

proptest! {
    #[test]
    fn any_octets_have_some_author(head in proptest::collection::vec(any::<u8>(), 0..400)) {
        crate::message::fuzz::author(&head);
        let mut from = b"From: ".to_vec();
        from.extend_from_slice(&head);
        crate::message::fuzz::author(&from);
    }

    #[test]
    fn address_like_octets_have_some_author(value in "[a@<>\"(),;:\\\\. =?\r\n\t\\[\\]\0é-]{0,80}") {
        crate::message::fuzz::author(format!("From: {value}\r\n\r\n").as_bytes());
    }

    #[test]
    fn two_authors_are_never_one(
        one in dressed(),
        other in dressed(),
        name in prop_oneof![
            Just("\r\nFrom: "), Just("\r\nFROM: "), Just("\r\nFrom : "), Just("\rFrom: "),
            Just("\nFrom: "), Just("\0From:"), Just("\r\nX: y\rFrom: "), Just("\r\nFrom\r\n : "),
            Just("\r\n\0From: "), Just(", "), Just(" "), Just("\r\n "), Just("\r\n \r\n "),
            Just(";"), Just("\t"), Just(" \\\" "), Just("\r\nTo: x\r\nstray\r\nFrom: "),
        ],
    ) {
        let head = format!("From: {}{name}{}", one.0, other.0);
        let read = author(head.as_bytes());
        if one.1 != other.1 {
            prop_assert!(!matches!(read, Authorship::One(_)), "{head:?} is {read:?}");
        }
    }

    #[test]
    fn what_is_written_is_read(local in "[a-z][a-z0-9+_-]{0,20}", name in "[A-Za-z ,.'<>@\\\\\"äß]{0,30}") {
        let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
        let read = author_of(&format!("\"{quoted}\" <{local}@x.test>"));
        if let Authorship::One(mailbox) = &read {
            prop_assert_eq!(mailbox.address.to_string(), format!("{local}@x.test"));
            prop_assert_eq!(mailbox.display_name.as_str(), name.trim());
        } else {
            // Only what another reader could take as an address is doubted.
            prop_assert!(name.contains('@'), "{name}: {read:?}");
        }
    }
}
