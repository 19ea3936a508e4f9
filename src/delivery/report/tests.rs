//! Reports, read back by a parser that knows nothing of this room.

use mail_parser::{MessageParser, MimeHeaders, PartType};

use super::*;
use crate::delivery::testing;
use crate::mail::OriginalRecipient;

const CONTENT: &str =
    "From: s@from.test\r\nSubject: hello\r\nMessage-ID: <m@from.test>\r\n\r\nbody\r\n";

fn entry(recipient: u16, action: Action, words: &str) -> Entry {
    let status = EnhancedCode(5, 1, 1);
    let remote = Some("mx.to.test (192.0.2.1:25)".to_owned());
    Entry { recipient, action, status, remote, words: words.to_owned() }
}

fn report_to(
    reader: &str,
    kind: Kind,
    envelope: &Envelope,
    content: &str,
    entries: &[Entry],
) -> Written {
    let hostname = Domain::parse("mx.own.test").unwrap();
    let postmaster: Address = "postmaster@own.test".parse().unwrap();
    let content = Content::from_bytes(content.as_bytes().to_vec());
    let subject = Subject {
        id: MailId::from_octets([1; 12]),
        envelope,
        facts: &testing::facts(),
        content: &content,
        message_id: "m@from.test",
    };
    let author = Author { hostname: &hostname, postmaster: &postmaster };
    let times = Times { now_ms: 1_700_000_100_000, expires_ms: 1_700_400_000_000 };
    write(author, &reader.parse().unwrap(), kind, subject, entries, times).unwrap()
}

fn report(kind: Kind, envelope: &Envelope, entries: &[Entry]) -> Written {
    report_to("sender@from.test", kind, envelope, CONTENT, entries)
}

/// Media types and octets of the parts.
fn parts(written: &Written) -> Vec<(String, String)> {
    let message = MessageParser::default().parse(&written.text).unwrap();
    let outer = message.parts[0].content_type().unwrap();
    assert_eq!((outer.ctype(), outer.subtype()), ("multipart", Some("report")));
    assert_eq!(outer.attribute("report-type"), Some("delivery-status"));
    let PartType::Multipart(children) = &message.parts[0].body else { panic!("no parts") };
    children
        .iter()
        .map(|child| {
            let part = &message.parts[*child as usize];
            let media = part.content_type().unwrap();
            let media = format!("{}/{}", media.ctype(), media.subtype().unwrap());
            let text = match &part.body {
                PartType::Message(inner) => String::from_utf8_lossy(inner.raw_message()).into(),
                _ => String::from_utf8_lossy(part.contents()).into_owned(),
            };
            (media, text)
        })
        .collect()
}

#[test]
fn a_failure_report_is_read_back() {
    let mut envelope = testing::envelope(&["a@to.test", "b@to.test"]);
    envelope.envelope_id = Some("id-1".into());
    envelope.recipients[1].original =
        Some(OriginalRecipient { address_type: "rfc822".into(), address: "list@x.test".into() });
    let entries = [entry(0, Action::Failed, "550 5.1.1 who?"), entry(1, Action::Failed, "550 no")];
    let written = report(Kind::Failure, &envelope, &entries);
    assert_eq!(written.envelope.reverse_path, ReversePath::Null);
    assert_eq!(written.envelope.recipients.len(), 1);
    let text = String::from_utf8(written.text.clone()).unwrap();
    for line in [
        "To: <sender@from.test>\r\n",
        "Auto-Submitted: auto-replied\r\n",
        "In-Reply-To: <m@from.test>\r\n",
        "Subject: Your message could not be delivered\r\n",
    ] {
        assert!(text.contains(line), "{line} not in {text}");
    }
    let parts = parts(&written);
    assert_eq!(parts[0].0, "text/plain");
    assert!(parts[0].1.contains("<a@to.test>"), "{}", parts[0].1);
    assert!(parts[0].1.contains("mx.to.test (192.0.2.1:25) said: 550 5.1.1 who?"));
    assert_eq!(parts[1].0, "message/delivery-status");
    let blocks: Vec<&str> = parts[1].1.trim_end().split("\r\n\r\n").collect();
    assert_eq!(
        blocks[0],
        "Original-Envelope-Id: id-1\r\nReporting-MTA: dns; mx.own.test\r\n\
         Arrival-Date: Tue, 14 Nov 2023 22:13:20 +0000"
    );
    assert_eq!(
        blocks[2],
        "Original-Recipient: rfc822;list@x.test\r\nFinal-Recipient: rfc822;b@to.test\r\n\
         Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.to.test\r\n\
         Diagnostic-Code: smtp; 550 no\r\nLast-Attempt-Date: Tue, 14 Nov 2023 22:15:00 +0000\r\n\
         Final-Log-ID: 0081040G2081040G2081"
    );
    assert_eq!((blocks.len(), parts[2].0.as_str()), (3, "text/rfc822-headers"));
    assert_eq!(parts[2].1.trim_end(), CONTENT.split("\r\n\r\n").next().unwrap());
}

#[test]
fn how_much_is_returned_is_the_senders_choice_within_limits() {
    let entries = [entry(0, Action::Failed, "550 no")];
    let large = format!("{CONTENT}{}", "x\r\n".repeat(100_000));
    let table = [
        (Kind::Failure, None, CONTENT, "text/rfc822-headers"),
        (Kind::Failure, Some(DsnReturn::Headers), CONTENT, "text/rfc822-headers"),
        (Kind::Failure, Some(DsnReturn::Full), CONTENT, "message/rfc822"),
        (Kind::Delay, Some(DsnReturn::Full), CONTENT, "text/rfc822-headers"),
        (Kind::Success, Some(DsnReturn::Full), CONTENT, "text/rfc822-headers"),
        (Kind::Failure, Some(DsnReturn::Full), large.as_str(), "text/rfc822-headers"),
    ];
    for (kind, asked, content, media) in table {
        let mut envelope = testing::envelope(&["a@to.test"]);
        envelope.dsn_return = asked;
        let written = report_to("sender@from.test", kind, &envelope, content, &entries);
        let parts = parts(&written);
        assert_eq!(parts[2].0, media);
        if media == "message/rfc822" {
            assert_eq!(parts[2].1.trim_end(), CONTENT.trim_end());
        }
        assert_eq!(written.envelope.body, BodyType::SevenBit);
    }
}

#[test]
fn delays_and_successes_say_so() {
    let envelope = testing::envelope(&["a@to.test", "b@to.test"]);
    let mut delayed = entry(0, Action::Delayed, "451 4.4.1 no answer");
    delayed.remote = None;
    let written = report(Kind::Delay, &envelope, &[delayed]);
    let status = &parts(&written)[1].1;
    assert!(status.contains("Action: delayed\r\n"), "{status}");
    assert!(status.contains("Will-Retry-Until: Sun, 19 Nov 2023 13:20:00 +0000\r\n"), "{status}");
    assert!(status.contains("Diagnostic-Code: X-Postern; 451 4.4.1 no answer\r\n"), "{status}");
    assert!(!status.contains("Remote-MTA"), "{status}");
    let entries = [entry(0, Action::Delivered, "250 ok"), entry(1, Action::Relayed, "250 ok")];
    let status = parts(&report(Kind::Success, &envelope, &entries)).remove(1).1;
    assert!(status.contains("Action: delivered\r\n") && status.contains("Action: relayed\r\n"));
}

#[test]
fn nobody_writes_fields_into_a_report() {
    let mut envelope = testing::envelope(&["a@to.test"]);
    envelope.envelope_id = Some("x\r\nAction: delivered".into());
    envelope.recipients[0].original = Some(OriginalRecipient {
        address_type: "rfc822".into(),
        address: "a\r\n\r\nAction: delivered".into(),
    });
    let words = format!("550 {} \u{1b}[31mred gr\u{fc}n", "very long ".repeat(500));
    let entries = [entry(0, Action::Failed, &words)];
    let written = report(Kind::Failure, &envelope, &entries);
    assert!(written.text.is_ascii() && !written.text.contains(&0x1b));
    for line in written.text.split(|octet| *octet == b'\n') {
        assert!(line.len() < 998 && !line.starts_with(b"Action: delivered"));
    }
    // A returned message cannot hold the boundary, nor end the report early.
    let tricky = format!("{CONTENT}--=_\r\n.\r\n\r\n--x--\r\n");
    envelope.dsn_return = Some(DsnReturn::Full);
    let written = report_to("sender@from.test", Kind::Failure, &envelope, &tricky, &entries);
    assert_eq!(parts(&written).len(), 3);
}

#[test]
fn addresses_beyond_ascii_are_written_for_their_reader() {
    let envelope = testing::envelope(&["jürgen@to.test"]);
    let entries = [entry(0, Action::Failed, "550 kein Empfänger")];
    let content = "Subject: grüße\r\n\r\nbody\r\n";
    let ascii = report_to("sender@from.test", Kind::Failure, &envelope, content, &entries);
    assert!(ascii.text.is_ascii() && !ascii.envelope.smtputf8);
    let told = parts(&ascii);
    assert!(told[1].1.contains("Final-Recipient: utf-8;j\\x{FC}rgen@to.test\r\n"), "{}", told[1].1);
    assert_eq!(
        (told[1].0.as_str(), told[2].0.as_str()),
        ("message/delivery-status", "message/global-headers")
    );
    let utf8 = report_to("größe@from.test", Kind::Failure, &envelope, content, &entries);
    assert!(utf8.envelope.smtputf8 && utf8.envelope.body == BodyType::EightBitMime);
    let text = String::from_utf8(utf8.text.clone()).unwrap();
    assert!(text.contains("To: <größe@from.test>\r\n"), "{text}");
    assert!(text.contains("message/global-delivery-status\r\n"), "{text}");
    assert!(text.contains("Final-Recipient: utf-8;jürgen@to.test\r\n"), "{text}");
    assert!(text.contains("550 kein Empfänger"), "{text}");
}

#[test]
fn a_double_bounce_is_told_to_the_postmaster_in_other_words() {
    let mut envelope = testing::envelope(&["gone@to.test"]);
    envelope.reverse_path = ReversePath::Null;
    let entries = [entry(0, Action::Failed, "550 no")];
    let written = report_to("postmaster@own.test", Kind::Failure, &envelope, CONTENT, &entries);
    assert_eq!(written.subject, "A delivery report could not be delivered");
}
