//! Parts taken out of messages: what stays keeps its octets, and reads as before.

use mail_parser::{MessageParser, MimeHeaders, PartType};

use super::super::removal::remove;
use super::corpora::corpus;
use super::*;
use crate::mail::Content;

fn without(message: &Bytes, parts: &[usize], notice: &str) -> (Bytes, Vec<usize>) {
    let anatomy = Anatomy::of(message, Limits::default());
    let removal = remove(message, &anatomy, parts, |_| notice.to_owned());
    let outgoing = edit::rewrite(&Content::from_bytes(message.clone()), &removal.orders).unwrap();
    let mut whole = outgoing.head.to_vec();
    let rest = outgoing.rest.read_all().unwrap();
    whole.extend_from_slice(&rest[outgoing.rest_offset as usize..]);
    (whole.into(), removal.left)
}

#[test]
fn parts_are_taken_out_of_every_structure() {
    let file = "Content-Type: a/b; name=x\r\n\r\nxx";
    let notice = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\
                  Content-Disposition: inline\r\n\r\ngone\r\n";
    let multi = |kind: &str| format!("Content-Type: multipart/{kind}; boundary=b\r\n\r\n");
    let inner = "Content-Type: multipart/mixed; boundary=c\r\n\r\n";
    let table: Vec<(String, Vec<usize>)> = vec![
        (format!("{}p\r\n--b\r\n\r\na\r\n--b\r\n[{file}]\r\n--b--\r\ne", multi("mixed")), vec![2]),
        (format!("{}--b\r\n[{file}]\r\n--b\r\n[{file}]\r\n--b--", multi("related")), vec![1, 2]),
        (format!("{}--b\r\n[{file}]\r\n--b\r\n[{file}]", multi("mixed")), vec![2, 1, 2]),
        (format!("{}--b\r\n{inner}--c\r\n[{file}]\r\n--b--", multi("alternative")), vec![2]),
        // With what holds it.
        (format!("{}--b\r\n[{inner}--c\r\n{file}\r\n--c--]\r\n--b--", multi("mixed")), vec![1, 2]),
        (
            format!(
                "{}--b\r\nContent-Type: message/rfc822\r\n\r\n[{file}]\r\n--b--",
                multi("mixed")
            ),
            vec![2],
        ),
        (format!("{}--b\r\n\r\n{file}\r\n--b\r\n[{file}]\r\n--b--", multi("digest")), vec![2]),
        // Nothing but a header.
        (format!("{}--b\r\n[Content-Type: a/b\r\n\r\n]\r\n--b--\r\n", multi("mixed")), vec![1]),
        (format!("{}--b\r\n[Content-Type: a/b]\r\n--b--\r\n", multi("mixed")), vec![1]),
    ];
    for (marked, parts) in table {
        let plain = Bytes::from(marked.replace(['[', ']'], ""));
        let (whole, left) = without(&plain, &parts, "gone\r\n");
        let mut expected = String::new();
        for (at, piece) in marked.split(['[', ']']).enumerate() {
            expected.push_str(if at % 2 == 1 { notice } else { piece });
        }
        assert_eq!(String::from_utf8(whole.to_vec()).unwrap(), expected, "{marked}");
        assert_eq!(left, [0; 0]);
    }
}

#[test]
fn a_message_that_is_the_part_keeps_its_header() {
    let message = Bytes::from_static(
        b"Subject: s\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n",
    );
    let (whole, _) = without(&message, &[0], "--gr\u{fc}n\r\n");
    let anatomy = Anatomy::of(&whole, Limits::default());
    assert_eq!(anatomy.parts[0].text(), "--gr\u{fc}n\r\n");
    assert_eq!(anatomy.head().unwrap().text("subject").as_deref(), Some("s"));
    assert!(anatomy.head().unwrap().first("mime-version").is_some());
    let nested =
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQTogYg0KDQp4\r\n";
    let (whole, left) = without(&Bytes::from(nested), &[1], "gone");
    assert_eq!((&whole[..], left), (nested.as_bytes(), vec![1]));
}

#[test]
fn files_are_taken_out_of_the_corpora() {
    for name in ["mime-mail-parser", "mime-tools", "rspamd", "spamassassin", "modern"] {
        let (mut taken, mut unlike, mut stay) = (0, 0, 0);
        for file in corpus(name) {
            let is_message =
                !["json", "ref"].iter().any(|one| file.extension() == Some(one.as_ref()));
            if !is_message || file.to_string_lossy().contains("/malformed/") {
                continue;
            }
            let message = Bytes::from(std::fs::read(&file).unwrap());
            let anatomy = Anatomy::of(&message, Limits::default());
            let mains = anatomy.main_parts().count();
            let files: Vec<usize> = (1..mains)
                .filter(|number| anatomy.parts[*number].is_leaf())
                .filter(|number| anatomy.parts[*number].kind == Kind::Other)
                .collect();
            if files.is_empty() {
                continue;
            }
            let (whole, left) = without(&message, &files, "gone\r\n");
            let after = Anatomy::of(&whole, Limits::default());
            stay += left.len();
            taken += files.len() - left.len();
            assert_eq!(after.main_parts().count(), mains, "{}", file.display());
            for number in 0..mains {
                let (old, new) = (&anatomy.parts[number], &after.parts[number]);
                match files.contains(&number) && !left.contains(&number) {
                    true => assert_eq!(new.text().trim_end(), "gone", "{}", file.display()),
                    false if old.is_leaf() => assert_eq!(old.body, new.body),
                    false => {}
                }
            }
            unlike += usize::from(!is_alike(&message, &whole, files.len() - left.len()));
        }
        println!("{name}: {taken} parts taken out, {stay} not, {unlike} messages otherwise");
        assert!(unlike * 50 <= taken.max(50), "{name}: {unlike}");
    }
}

/// Whether mail-parser reads as many texts more as were put in, and every other part as before.
fn is_alike(before: &[u8], after: &[u8], taken: usize) -> bool {
    let parsed = |octets: &[u8]| {
        let octets = octets.to_vec();
        std::panic::catch_unwind(move || {
            let parsed = MessageParser::default().parse(&octets)?;
            let parts = parsed.parts.iter().map(|part| {
                let is_file = matches!(part.body, PartType::Binary(_) | PartType::InlineBinary(_));
                (is_file, part.attachment_name().is_some(), part.contents().to_vec())
            });
            Some(parts.collect::<Vec<_>>())
        })
        .ok()
        .flatten()
    };
    let (Some(before), Some(after)) = (parsed(before), parsed(after)) else { return true };
    let differing =
        before.iter().zip(&after).filter(|(old, new)| old.2 != new.2 && old.2.len() < 2_000_000);
    let differing = differing.filter(|(_, new)| new.2.trim_ascii() != b"gone").count();
    // What holds others has their octets.
    before.len() == after.len() && (differing == 0 || differing <= taken)
}
