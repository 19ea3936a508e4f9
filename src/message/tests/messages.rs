//! Messages taken apart: parts, texts, oddities, limits.

use super::*;

const HEAD: &str =
    "From: a@x.test\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMIME-Version: 1.0\r\n";

fn zone(texts: &[(Zone, String)], wanted: Zone) -> String {
    let in_zone: Vec<&str> =
        texts.iter().filter(|(zone, _)| *zone == wanted).map(|(_, text)| text.as_str()).collect();
    in_zone.join("|")
}

#[test]
fn texts_are_found_in_their_zones() {
    let message = format!(
        "{HEAD}Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nReply-To: b@y.test\r\n\
         Content-Type: multipart/mixed; boundary=\"o\"\r\n\r\npreamble\r\n--o\r\n\
         Content-Type: multipart/alternative; boundary=i\r\n\r\n\
         --i\r\n\r\nplain  text\r\n--i\r\nContent-Type: text/html; charset=utf-8\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\n<p>h=74ml</p>\r\n--i--\r\n\
         --o\r\nContent-Type: text/plain; name=a.txt\r\nContent-Disposition: attachment;\r\n \
         filename*=utf-8''n%C3%BCtz.txt\r\nContent-Transfer-Encoding: base64\r\n\r\nYXR0YWNoZWQ=\r\n\
         --o\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner text\r\n--o--\r\nepilogue\r\n"
    );
    let (anatomy, texts) = taken_apart(&message);
    assert_eq!(names(&anatomy), [""; 0]);
    assert_eq!(zone(&texts, Zone::Subject), "Grüße");
    assert_eq!(zone(&texts, Zone::From), "a@x.test");
    assert_eq!(zone(&texts, Zone::ReplyTo), "b@y.test");
    assert!(zone(&texts, Zone::Header).contains("\nSubject: Grüße\n"));
    assert_eq!(zone(&texts, Zone::Html), "<p>html</p>");
    assert_eq!(zone(&texts, Zone::Filename), "nütz.txt\n");
    assert_eq!(zone(&texts, Zone::Attachment), "attached");
    assert_eq!(zone(&texts, Zone::Body), "plain text|html|inner text|preamble|epilogue");
    let kinds: Vec<Kind> = anatomy.parts.iter().map(|part| part.kind).collect();
    use Kind::{Html, Message, Multipart, Text};
    assert_eq!(kinds, [Multipart, Multipart, Text, Message, Text, Html, Text]);
    let files = message.replace("\r\n", "\n");
    assert_eq!(taken_apart(&files).1, texts, "line ends of files are read too");
}

#[test]
fn odd_messages_have_findings() {
    let multipart = |rest: &str| format!("{HEAD}Content-Type: multipart/mixed{rest}");
    let table: Vec<(String, &[&str])> = vec![
        (format!("{HEAD}\r\nfine\r\n"), &[]),
        (HEAD.to_owned(), &[]),
        (String::new(), &["MESSAGE_NO_HEADER"]),
        ("\r\nbody".into(), &["MESSAGE_NO_HEADER"]),
        ("just text\r\nmore\r\n".into(), &["HEADER_LINE_WITHOUT_COLON", "MESSAGE_NO_HEADER"]),
        ("\0\0\0".into(), &["HEADER_LINE_WITHOUT_COLON", "HEADER_NUL", "MESSAGE_NO_HEADER"]),
        (format!("{HEAD}X: a\0b\r\n\r\n"), &["HEADER_NUL"]),
        (format!("{HEAD}X: a\x08b\r\n\r\n"), &["HEADER_CONTROL"]),
        (format!("{HEAD}X: a\rY: b\r\n\r\n"), &["HEADER_BARE_CR"]),
        (format!("{HEAD}no field\r\n\r\n"), &["HEADER_LINE_WITHOUT_COLON"]),
        (format!("{HEAD}bad name: x\r\n\r\n"), &["HEADER_LINE_WITHOUT_COLON"]),
        (format!(" x\r\n{HEAD}\r\n"), &["HEADER_LEADING_CONTINUATION"]),
        (format!("From x Mon Jan 1\r\n{HEAD}\r\n"), &["HEADER_MBOX_LINE"]),
        (format!("{HEAD}X: a\r\n \r\n b\r\n\r\n"), &["HEADER_BLANK_CONTINUATION"]),
        (format!("{HEAD}X : x\r\n\r\n"), &["HEADER_SPACE_BEFORE_COLON"]),
        (format!("{HEAD}Subject : x\r\n\r\n"), &["HEADER_SPACE_BEFORE_COLON_SHOWN"]),
        (format!("{HEAD}Content-Type : text/plain\r\n\r\n"), &["HEADER_SPACE_BEFORE_COLON_MIME"]),
        (format!("{HEAD}{HEAD}\r\n"), &["HEADER_DUPLICATE_SAME"]),
        (format!("{HEAD}From: b@x.test\r\n\r\n"), &["HEADER_DUPLICATE_SHOWN"]),
        (format!("{HEAD}To: a\r\nTo: b\r\n\r\n"), &["HEADER_DUPLICATE"]),
        (format!("{HEAD}Subject: a\r\nSubject: b\r\n\r\n"), &["HEADER_DUPLICATE_SHOWN"]),
        (
            format!(
                "{HEAD}Content-Type: message/rfc822\r\n\r\nFrom: a\0\r\nDate : x\rX\r\nFrom: b\r\n\r\n"
            ),
            &[
                "HEADER_SPACE_BEFORE_COLON",
                "PART_HEADER_NUL",
                "PART_HEADER_BARE_CR",
                "HEADER_DUPLICATE",
            ],
        ),
        ("Subject: x\r\n\r\n".into(), &["HEADER_FROM_ABSENT", "HEADER_DATE_ABSENT"]),
        (multipart("\r\n\r\nx\r\n"), &["MULTIPART_NO_BOUNDARY"]),
        (multipart("; boundary=\"\"\r\n\r\nx\r\n"), &["MULTIPART_NO_BOUNDARY"]),
        (multipart("; boundary=b\r\n\r\nx\r\n"), &["MULTIPART_BOUNDARY_UNUSED"]),
        (multipart("; boundary=b\r\n\r\n--b\r\n\r\nx\r\n"), &["MULTIPART_UNCLOSED"]),
        (
            multipart("; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n--b\r\n\r\ny\r\n--b--\r\n"),
            &["MULTIPART_AFTER_CLOSE"],
        ),
        (
            multipart("; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--bc\r\n\r\ny\r\n--b--\r\n"),
            &["MULTIPART_BOUNDARY_PREFIX"],
        ),
        (
            multipart("; boundary=b; boundary=c\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"),
            &["MIME_PARAMETER_DUPLICATE"],
        ),
        (
            format!(
                "{HEAD}Content-Type: text/plain; name=a.txt\r\nContent-Disposition: attachment; filename=a.exe\r\n\r\n"
            ),
            &["FILENAME_DIFFERS"],
        ),
        (format!("{HEAD}Content-Transfer-Encoding: base65\r\n\r\n"), &["ENCODING_UNKNOWN"]),
        (
            format!("{HEAD}Content-Transfer-Encoding: base64\r\n\r\naGk=aGk=\r\n"),
            &["BASE64_AFTER_PADDING"],
        ),
        (
            format!("{HEAD}Content-Transfer-Encoding: base64\r\n\r\naG!!k\r\n"),
            &["BASE64_FOREIGN", "BASE64_CUT"],
        ),
        (
            format!("{HEAD}Content-Transfer-Encoding: quoted-printable\r\n\r\na=zz\r\n"),
            &["QUOTED_PRINTABLE_BROKEN"],
        ),
        (format!("{HEAD}Content-Type: text\r\n\r\n"), &["CONTENT_TYPE_UNREADABLE"]),
        (
            format!("{HEAD}Content-Type: text/plain; charset=x-none\r\n\r\n\u{e4}"),
            &["CHARSET_UNKNOWN"],
        ),
        (format!("{HEAD}\r\na\0b"), &["TEXT_NUL"]),
        (
            format!("{HEAD}Content-Type: message/partial; id=1; number=1\r\n\r\n"),
            &["MESSAGE_PARTIAL"],
        ),
        (format!("{HEAD}\r\nP\u{200b}a\u{200b}y\u{200b}Pal"), &["HIDDEN_CHARACTERS"]),
    ];
    for (message, expected) in table {
        assert_eq!(names(&taken_apart(&message).0), expected, "{message:?}");
    }
}

#[test]
fn what_some_reader_may_show_is_read() {
    let multipart = |rest: &str| format!("{HEAD}Content-Type: multipart/mixed{rest}");
    let table = [
        "just secret text\r\n".to_owned(),
        format!("{HEAD}this line ends the header\r\nsecret: x\r\n\r\n"),
        multipart("\r\n\r\nsecret\r\n"),
        multipart("; boundary=b\r\n\r\nsecret\r\n"),
        multipart("; boundary=b\r\n\r\nsecret\r\n--b\r\n\r\nx\r\n--b--\r\n"),
        multipart("; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\nsecret\r\n"),
        multipart("; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n--b\r\n\r\nsecret\r\n"),
        multipart(
            "; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\nLS1iDQoNCnNlY3JldA0KLS1iLS0NCg==\r\n",
        ),
        format!(
            "{HEAD}Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQTogYg0KDQpzZWNyZXQ=\r\n"
        ),
        format!(
            "{HEAD}Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nA: b\r\n\r\nsecret\r\n--b--\r\n"
        ),
        format!(
            "{HEAD}Content-Type: application/octet-stream; name=x.html\r\n\r\n<b>secret</b>\r\n"
        ),
        format!("{HEAD}Content-Transfer-Encoding: base64\r\n\r\nc2Vj*cmV0\r\n"),
        format!("{HEAD}Content-Type: text/html\r\n\r\n<meta charset=utf-7><p>se&#99;ret"),
    ];
    for message in table {
        let (_, texts) = taken_apart(&message);
        assert!(zone(&texts, Zone::Body).contains("secret"), "{message:?}");
    }
}

#[test]
fn limits_hold_and_are_told() {
    let deep =
        (0..100).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n"));
    let deep: String = deep.collect();
    let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(50_000);
    let wide = format!(
        "{HEAD}Content-Type: multipart/mixed; boundary=b\r\n\r\n{}",
        "--b\r\n\r\nx\r\n".repeat(5_000)
    );
    let unused = format!(
        "{HEAD}Content-Type: multipart/mixed; boundary=b\r\n\r\n{}",
        "--b\r\nContent-Type: multipart/mixed; boundary=zz\r\n\r\n".repeat(900)
    );
    let fields = format!("{}\r\n", "X: y\r\n".repeat(10_000));
    let table = [
        (deep, "MIME_TOO_DEEP"),
        (nested, "MIME_TOO_DEEP"),
        (wide, "MIME_TOO_MANY_PARTS"),
        (unused, "MULTIPART_UNCLOSED"),
        (fields, "HEADER_TOO_LARGE"),
    ];
    for (message, expected) in table {
        let started = std::time::Instant::now();
        let (anatomy, _) = taken_apart(&message);
        assert!(names(&anatomy).contains(&expected.to_owned()), "{:?}", names(&anatomy));
        assert!(started.elapsed().as_secs() < 5, "{expected} took {:?}", started.elapsed());
    }
}

#[test]
fn summaries_are_bounded_and_on_one_line() {
    let long = "ü".repeat(1_000);
    let message = format!(
        "From: =?utf-8?q?J=C3=BC?=\r\n <j@x.test>\r\nSubject: a\x01b\r\n  c {long}\r\nMessage-ID: <{long}@x>\r\n\r\n"
    );
    let summary = taken_apart(&message).0.summary();
    assert_eq!(summary.author, "Jü <j@x.test>");
    assert!(summary.subject.starts_with("a b c ü") && summary.subject.chars().count() == 200);
    assert!(summary.message_id.starts_with('ü') && summary.message_id.len() <= 250);
    let plain = "Message-ID: <1@x>\r\n\r\n";
    assert_eq!(taken_apart(plain).0.summary().message_id, "1@x");
}

#[test]
fn more_text_than_is_looked_at_is_a_finding() {
    let long = Bytes::from(format!("{HEAD}\r\n{}", "word ".repeat(1_000)));
    for (text_octets, is_found) in [(1_000, true), (100_000, false)] {
        let mut anatomy = Anatomy::of(&long, Limits { text_octets, ..Limits::default() });
        anatomy.read(&mut |_, _| {});
        assert_eq!(names(&anatomy).contains(&"TEXT_TRUNCATED".to_owned()), is_found);
    }
}

/// A report that quotes a message as a part of this type, and what is remarked about its form.
fn report(kind: &str, quoted: &str) -> (contents::Contents, Vec<String>) {
    let message = format!(
        "{HEAD}Content-Type: multipart/report; boundary=r\r\n\r\n\
         --r\r\n\r\nIt failed.\r\n--r\r\nContent-Type: {kind}\r\n\r\n{quoted}\r\n--r--\r\n"
    );
    let (contents, _) = super::walked::walk(message.clone(), contents::Limits::default());
    let mut told = names(&taken_apart(&message).0);
    told.extend(contents.remarks.iter().map(|remark| remark.name.to_owned()));
    (contents, told)
}

#[test]
fn a_header_that_is_quoted_alone_is_no_broken_message() {
    const QUOTED: &str = "Return-Path: <b@x.test>\r\nFrom: Bob <b@x.test>\r\nTo: q@y.test\r\n\
        Subject: s\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=q\r\n";
    const TYPE_FIRST: &str = "Content-Type: multipart/mixed; boundary=q\r\nFrom: b@x.test\r\n\
        To: q@y.test\r\nMIME-Version: 1.0\r\n";
    let kinds = [
        "text/rfc822-headers",
        "message/global-headers",
        "message/rfc822",
        "text/plain; name=headers.txt",
        "application/octet-stream; name=headers.eml",
    ];
    for kind in kinds {
        for quoted in [QUOTED.to_owned(), format!("{QUOTED}\r\n")] {
            assert_eq!(report(kind, &quoted).1, [""; 0], "{kind} {quoted:?}");
        }
        // What stands behind it is looked at, and its form as well.
        let (_, told) = report(kind, &format!("{QUOTED}\r\nsome words\r\n"));
        assert!(told.iter().any(|name| name == "MULTIPART_BOUNDARY_UNUSED"), "{kind}: {told:?}");
        let script = format!(
            "{QUOTED}\r\n--q\r\nContent-Type: application/hta\r\n\
             Content-Disposition: attachment\r\n\r\nrun()\r\n--q--\r\n"
        );
        let (contents, _) = report(kind, &script);
        let is_found = |item: &contents::Item| item.nature == Nature::HtmlApplication;
        assert!(contents.items.iter().any(is_found), "{kind}");
    }
    for kind in ["text/rfc822-headers", "message/global-headers"] {
        assert_eq!(report(kind, TYPE_FIRST).1, [""; 0], "{kind}");
    }
    // A text that looks like a part is one to some, but no mail that lost its body.
    let (_, told) = report("text/plain", TYPE_FIRST);
    assert!(!told.iter().any(|name| name == "MULTIPART_BOUNDARY_UNUSED"), "{told:?}");
}
