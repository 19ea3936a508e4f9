//! Header edits: what is asked for changes, every other octet stays.

use proptest::prelude::*;

use super::super::edit::{carry_out, rewrite};
use crate::mail::{Content, Order};

fn edited(message: &[u8], orders: &[Order]) -> Vec<u8> {
    let outgoing = rewrite(&Content::from_bytes(message.to_vec()), orders).unwrap();
    assert_eq!(outgoing.rest.read_all().unwrap(), message);
    let mut whole = outgoing.head.to_vec();
    whole.extend_from_slice(&message[outgoing.rest_offset as usize..]);
    assert_eq!(whole.len() as u64, outgoing.len());
    whole
}

fn tag(text: &str) -> Vec<Order> {
    vec![Order::TagSubject(text.into())]
}

fn add(name: &str, value: &str) -> Order {
    Order::AddHeader { name: name.into(), value: value.into() }
}

#[test]
fn headers_are_edited() {
    let remove = |name: &str| vec![Order::RemoveHeader(name.into())];
    let table: Vec<(&str, Vec<Order>, &str)> = vec![
        ("A: b\r\n\r\nbody", vec![], "A: b\r\n\r\nbody"),
        ("Subject: x\r\n\r\nbody", tag("[S]"), "Subject: [S] x\r\n\r\nbody"),
        ("Subject:x\r\n\r\n", tag("[S]"), "Subject: [S] x\r\n\r\n"),
        ("SUBJECT : x\r\n\r\n", tag("[S]"), "SUBJECT : [S] x\r\n\r\n"),
        ("Subject: a\r\n b\r\n\r\n", tag("[S]"), "Subject: [S] a\r\n b\r\n\r\n"),
        ("Subject:\r\n a\r\n\r\n", tag("[S]"), "Subject: [S]\r\n a\r\n\r\n"),
        ("Subject:\r\n\r\n", tag("[S]"), "Subject: [S]\r\n\r\n"),
        ("Subject: [S] x\r\n\r\n", tag("[S]"), "Subject: [S] x\r\n\r\n"),
        (
            "Subject: =?utf-8?q?=5BS=5D?= x\r\n\r\n",
            tag("[S]"),
            "Subject: =?utf-8?q?=5BS=5D?= x\r\n\r\n",
        ),
        (
            "Subject: a\r\nSubject: b\r\n\r\n",
            tag("[S]"),
            "Subject: [S] a\r\nSubject: [S] b\r\n\r\n",
        ),
        ("A: b\r\n\r\n", tag("[S]"), "Subject: [S]\r\nA: b\r\n\r\n"),
        ("Subject: x\r\n\r\n", tag("[S]\r\nX: y"), "Subject: [S]  X: y x\r\n\r\n"),
        ("Subject: x\r\n\r\n", tag("[ü]"), "Subject: =?utf-8?B?W8O8XQ==?= x\r\n\r\n"),
        (
            "Subject: =?utf-8?q?x?=\r\n\r\n",
            tag("[ü]"),
            "Subject: =?utf-8?B?W8O8XSA=?= =?utf-8?q?x?=\r\n\r\n",
        ),
        ("Subject: x", tag("[S]"), "Subject: [S] x"),
        ("A: b\r\n\r\nx", vec![add("X", "1")], "X: 1\r\nA: b\r\n\r\nx"),
        ("A: b\r\n\r\nx", vec![add("X", "1"), add("Y", "2")], "Y: 2\r\nX: 1\r\nA: b\r\n\r\nx"),
        ("A: b", vec![add("X", "1")], "X: 1\r\nA: b"),
        ("A: b\r\n\r\nx", vec![add("X\r\n:Y", "1\r\nZ: 2\r\n\r\n")], "XY: 1 Z: 2\r\nA: b\r\n\r\nx"),
        ("A: b\r\n\r\nx", vec![add("", "1")], "A: b\r\n\r\nx"),
        ("A: b\r\n\r\nx", vec![add("X", "grün")], "X: =?utf-8?B?Z3LDvG4=?=\r\nA: b\r\n\r\nx"),
        ("", vec![add("X", "1")], "X: 1\r\n"),
        ("\r\nbody", vec![add("X", "1")], "X: 1\r\n\r\nbody"),
        ("no header\r\nA: b\r\n\r\nx", vec![add("X", "1")], "X: 1\r\nno header\r\nA: b\r\n\r\nx"),
        ("only a body", vec![add("X", "1")], "X: 1\r\n\r\nonly a body"),
        (" evil\r\nA: b\r\n\r\n", vec![add("X", "1")], " evil\r\nX: 1\r\nA: b\r\n\r\n"),
        ("From x\r\nA: b\r\n\r\n", vec![add("X", "1")], "From x\r\nX: 1\r\nA: b\r\n\r\n"),
        (
            "A: 1\r\nB: 2\r\n 3\r\na : 4\r\nC: 5\r\n\r\nA: 6",
            remove("A"),
            "B: 2\r\n 3\r\nC: 5\r\n\r\nA: 6",
        ),
        ("A: 1\r\n 2\r\n\r\nx", remove("a"), "\r\nx"),
        ("A: 1\r\n\r\nx", remove("missing"), "A: 1\r\n\r\nx"),
        ("A: 1\r\n\r\n", vec![add("X", "1"), Order::RemoveHeader("x".into())], "A: 1\r\n\r\n"),
        (
            "Authentication-Results: mx.test; dmarc=pass\r\nA: 1\r\nAUTHENTICATION-RESULTS :\r\n \"MX.test\" 1;\r\n spf=pass\r\nAuthentication-Results: other.test; spf=fail\r\n\r\nAuthentication-Results: mx.test; none",
            vec![
                Order::RemoveResults("mx.test".into()),
                add("Authentication-Results", "mx.test; none"),
            ],
            "Authentication-Results: mx.test; none\r\nA: 1\r\nAuthentication-Results: other.test; spf=fail\r\n\r\nAuthentication-Results: mx.test; none",
        ),
        ("A: 1\nSubject: x\n\nb", tag("[S]"), "A: 1\nSubject: [S] x\n\nb"),
    ];
    for (message, orders, expected) in table {
        let result = edited(message.as_bytes(), &orders);
        assert_eq!(String::from_utf8(result).unwrap(), expected, "{message:?} {orders:?}");
    }
}

#[test]
fn long_fields_are_folded() {
    let value = "word ".repeat(60) + &"x".repeat(3_000) + &" ü".repeat(50);
    for value in [value.as_str(), &value.replace('ü', "u")] {
        let whole = edited(b"A: b\r\n\r\n", &[add("X-Long", value)]);
        let text = String::from_utf8(whole).unwrap();
        assert!(text.is_ascii());
        assert!(
            text.lines().all(|line| line.len() < 998 && !line.trim().is_empty() || line.is_empty())
        );
        assert!(text.lines().filter(|line| line.len() > 78).count() <= 4);
        assert_eq!(text.lines().filter(|line| !line.starts_with(' ')).count(), 3);
    }
    let long = format!("Subject: {}\r\n\r\n", "y".repeat(980));
    let text = String::from_utf8(edited(long.as_bytes(), &tag("[SPAM]"))).unwrap();
    assert!(text.starts_with("Subject: [SPAM]\r\n yyy"));
}

#[test]
fn a_header_that_never_ends_and_one_in_a_file_are_edited() {
    let endless = format!("Subject: x\r\n{}", "A: b\r\n".repeat(300_000));
    let whole = edited(endless.as_bytes(), &tag("[S]"));
    assert_eq!(whole.len(), endless.len() + 4);
    let one_field = format!("A: {}", "x\r\n ".repeat(600_000));
    let whole = edited(one_field.as_bytes(), &[add("X", "1")]);
    assert!(whole.ends_with(one_field.as_bytes()));
    let dir = tempfile::tempdir().unwrap();
    for pad in [0, 30_000, 32_740, 32_750, 32_768, 70_000] {
        let message = format!("A: {}\r\nSubject: x\r\n\r\nbody", "p".repeat(pad));
        let path = dir.path().join("message");
        std::fs::write(&path, &message).unwrap();
        let file = std::sync::Arc::new(std::fs::File::open(&path).unwrap());
        let content = Content::in_file(file, 0, message.len() as u64);
        let outgoing = rewrite(&content, &tag("[S]")).unwrap();
        let mut whole = outgoing.head.to_vec();
        whole.extend_from_slice(&message.as_bytes()[outgoing.rest_offset as usize..]);
        assert_eq!(
            String::from_utf8(whole).unwrap(),
            message.replace("Subject: x", "Subject: [S] x")
        );
    }
}

#[test]
fn annotations_come_last() {
    let annotate = |key: &str| Order::Annotate {
        text: "The house says so".into(),
        html: None,
        place: crate::mail::AnnotationPlace::Below,
        key: key.into(),
    };
    let message = "Subject: x\r\n\r\nbody\r\n";
    let replace = Order::Replace { start: 14, end: 18, with: b"else".to_vec() };
    let mut orders = vec![annotate("a"), add("X", "1"), replace, tag("[S]").remove(0)];
    for after in ["The house says so\r\n", ""] {
        let content = Content::from_bytes(message);
        let (outgoing, refusals) = carry_out(&content, &orders).unwrap();
        let expected =
            format!("X: 1\r\nSubject: [S] x\r\n\r\nelse\r\n\r\n{}", "The house says so\r\n");
        assert_eq!((outgoing.head.len(), outgoing.rest_offset), (0, 0));
        assert_eq!(
            String::from_utf8(outgoing.rest.read_all().unwrap().to_vec()).unwrap(),
            expected
        );
        assert_eq!(refusals.len(), usize::from(after.is_empty()));
        // The same once more is there already.
        orders.push(annotate("a"));
    }
    let signed = "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n";
    let (outgoing, refusals) = carry_out(&Content::from_bytes(signed), &[annotate("a")]).unwrap();
    assert_eq!(outgoing.rest.read_all().unwrap(), signed);
    assert_eq!(refusals[0].to_string(), "not annotated: the message is signed");
}

proptest! {
    /// Added fields and nothing else appear; the rest is kept octet for octet.
    #[test]
    fn every_other_octet_is_kept(
        message in "([A-C]: [a-c ]{0,5}(\r\n [a-c]{0,3})?\r\n|x\r\n| y\r\n|From z\r\n){0,6}(\r\n(.|\r\n){0,20})?",
        value in "\\PC{0,20}(\r\n\\PC{0,20})?",
    ) {
        let whole = edited(message.as_bytes(), &[add("Added", &value)]);
        let text = String::from_utf8(whole).unwrap();
        let at = text.find("Added:").unwrap();
        let mut end = at;
        for line in text[at..].split_inclusive("\r\n") {
            if end > at && !line.starts_with(' ') { break; }
            if end > at && message.starts_with(line) && at == 0 { break; }
            end += line.len();
        }
        let mut rest = format!("{}{}", &text[..at], &text[end..]);
        if rest != message {
            prop_assert!(rest.starts_with("\r\n"), "{text:?}");
            rest.drain(..2);
        }
        prop_assert_eq!(rest, message);
    }

    /// Whatever it is, it is taken apart and edited without a panic.
    #[test]
    fn any_octets_are_taken(data in proptest::collection::vec(any::<u8>(), 0..400)) {
        super::super::fuzz::dissect(&data);
        super::super::fuzz::rewrite(&data);
        super::super::fuzz::annotate(&data);
        super::super::fuzz::results(&data);
    }
}
