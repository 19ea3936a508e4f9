//! Files in old encodings, in Outlook's streams and in mail as a file: their names, where they
//! lie, and what is remarked about them.

use super::encoders::{binhex, tnef, uuencoded, xxencoded, yenc, yenc_piece};
use super::walked::walk_file;
use super::*;

/// Paths and octets of all files, names of all remarks, and the texts.
fn walk(file: &[u8], name: &str) -> (Vec<(String, Vec<u8>)>, Vec<&'static str>, String) {
    let (contents, texts) = walk_file(name, file);
    let octets = |item: &contents::Item| item.content.as_deref().unwrap_or_default().to_vec();
    let files = contents.items.iter().skip(1).map(|item| (item.path.clone(), octets(item)));
    let remarks = contents.remarks.iter().map(|remark| remark.name).collect();
    (files.collect(), remarks, texts)
}

#[test]
fn files_in_texts_are_found_and_remarked() {
    let uu = uuencoded(b"hello, world", '`');
    let all: [(Vec<u8>, &[(&str, &[u8])], &[&str]); 15] = [
        (uu.clone().into(), &[("t/a.com", b"hello, world")], &["TEXT_UUENCODED"]),
        (
            uu.replace("end\r\n", "").into(),
            &[("t/a.com", b"hello, world")],
            &["TEXT_UUENCODED", "TEXT_FILE_CUT"],
        ),
        (
            format!("{uu}x\r\n{}", uuencoded(b"b", ' ')).replace('\n', "").into(),
            &[("t/a.com", b"hello, world"), ("t/a.com", b"b")],
            &["TEXT_UUENCODED"],
        ),
        (b"Please begin 644 x\r\nbegin with the end\r\n".to_vec(), &[], &[]),
        (b"begin 644 x\r\nno line of the encoding, all of prose\r\n".to_vec(), &[], &[]),
        (
            b"begin-base64 644 b\r\naGVsbG8=\r\n====\r\n".to_vec(),
            &[("t/b", b"hello")],
            &["TEXT_UUENCODED"],
        ),
        (xxencoded(b"hello, world").into(), &[("t/a.com", b"hello, world")], &["TEXT_UUENCODED"]),
        (
            yenc(b"hello", "=yend size=5 crc32=3610a686\r\n"),
            &[("t/a.com", b"hello")],
            &["TEXT_YENCODED"],
        ),
        (
            yenc(b"hello", "=yend size=5 crc32=3610a687\r\n"),
            &[("t/a.com", b"hello")],
            &["TEXT_YENCODED", "TEXT_FILE_MISMATCH"],
        ),
        (
            yenc(b"hello", "=yend size=6\r\n"),
            &[("t/a.com", b"hello")],
            &["TEXT_YENCODED", "TEXT_FILE_MISMATCH"],
        ),
        (yenc(b"hello", ""), &[("t/a.com", b"hello")], &["TEXT_YENCODED", "TEXT_FILE_CUT"]),
        (
            [yenc_piece(b"world", 2, 6), yenc_piece(b"hello", 1, 1)].concat(),
            &[("t/a.com", b"helloworld")],
            &["TEXT_YENCODED"],
        ),
        (yenc_piece(b"world", 2, 6), &[("t/a.com", b"world")], &["TEXT_YENCODED", "TEXT_FILE_CUT"]),
        (
            binhex(b"hello").into(),
            &[("t/a.com", b"hello")],
            &["TEXT_BINHEXED", "TEXT_FILE_MISMATCH"],
        ),
        (
            binhex(b"hello").replace(":\r\n", "").into(),
            &[("t/a.com", b"hello")],
            &["TEXT_FILE_CUT", "TEXT_BINHEXED", "TEXT_FILE_MISMATCH"],
        ),
    ];
    for (text, files, remarks) in all {
        let shown = String::from_utf8_lossy(&text).into_owned();
        let (found, remarked, _) = walk(&text, "t");
        let found: Vec<(&str, &[u8])> =
            found.iter().map(|(path, octets)| (path.as_str(), octets.as_slice())).collect();
        assert_eq!((found.as_slice(), remarked.as_slice()), (files, remarks), "{shown}");
    }
}

/// A list of properties with one of variable length.
fn property(kind: u16, number: u16, value: &[u8]) -> Vec<u8> {
    let mut list = 1u32.to_le_bytes().to_vec();
    list.extend(kind.to_le_bytes());
    list.extend(number.to_le_bytes());
    list.extend(1u32.to_le_bytes());
    list.extend((value.len() as u32).to_le_bytes());
    list.extend(value);
    list.resize(list.len().next_multiple_of(4), 0);
    list
}

fn stream(attributes: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut out = b"\x78\x9f\x3e\x22\x01\x00".to_vec();
    for (number, data) in attributes {
        out.push(1);
        out.extend(number.to_le_bytes());
        out.extend((data.len() as u32).to_le_bytes());
        out.extend(data);
        let sum = data.iter().fold(0u16, |sum, octet| sum.wrapping_add(u16::from(*octet)));
        out.extend(sum.to_le_bytes());
    }
    out
}

#[test]
fn outlook_streams_are_taken_apart() {
    let paths = |found: &[(String, Vec<u8>)]| -> Vec<String> {
        found.iter().map(|(path, _)| path.clone()).collect()
    };
    let (found, remarks, _) = walk(&tnef(b"hello"), "winmail.dat");
    assert_eq!(found, [("winmail.dat/a.com".to_owned(), b"hello".to_vec())]);
    assert!(remarks.is_empty());
    let mut wrong = tnef(b"hello");
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(walk(&wrong, "winmail.dat").1, ["TNEF_MISMATCH"]);
    let cut = tnef(b"hello");
    let (found, remarks, _) = walk(&cut[..cut.len() - 4], "winmail.dat");
    assert_eq!(
        (found[0].1.as_slice(), remarks.as_slice()),
        (&b"hel"[..], &["ARCHIVE_DAMAGED"][..])
    );
    // The long name is the more dangerous one.
    let utf16: Vec<u8> = "a.exe\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let named = stream(&[
        (0x0006_9002, vec![0; 14]),
        (0x0001_8010, b"a.txt\0".to_vec()),
        (0x0006_800f, b"x".to_vec()),
        (0x0006_9005, property(0x001f, 0x3707, &utf16)),
    ]);
    assert_eq!(paths(&walk(&named, "w").0), ["w/a.exe"]);
    // Subject, plain body, HTML body and the example of MS-OXRTFCP section 3.1.
    let packed = b"\x2d\x00\x00\x00\x2b\x00\x00\x00LZFu\xf1\xc5\xc7\xa7\x03\x00\x0a\x00\
        rcpg125\x42\x32\x0a\xf3\x20hel\x09\x00\x20bw\x05\xb0ld}\x0a\x80\x0f\xa0";
    let message = stream(&[
        (0x0001_8004, b"subject\0".to_vec()),
        (0x0002_800c, b"plain\0".to_vec()),
        (0x0006_9003, property(0x0102, 0x1013, b"<b>x</b>")),
        (0x0006_9003, property(0x0102, 0x1009, packed)),
    ]);
    let (found, remarks, texts) = walk(&message, "w");
    assert_eq!(paths(&found)[..2], ["w/body.html", "w/body.rtf"]);
    assert!(found.iter().any(|(_, octets)| octets.starts_with(b"{\\rtf1\\ansi")));
    assert!(texts.starts_with("subject\nplain\n") && remarks.is_empty(), "{remarks:?}");
}

#[test]
fn mail_in_files_is_walked() {
    let mail = "From: b@y.test\r\nSubject: inner\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=b\r\nContent-Type: text/plain\r\n\r\n\
        --b\r\n\r\nsome text\r\n--b\r\nContent-Type: application/x; name=a.bin\r\n\
        Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--b--\r\n";
    let (found, remarks, texts) = walk(mail.as_bytes(), "x.eml");
    assert!(found.contains(&("x.eml/a.bin".to_owned(), b"hello".to_vec())), "{found:?}");
    assert!(remarks.contains(&"HEADER_DUPLICATE_MIME"));
    assert!(texts.contains("inner") && texts.contains("some text"));
    let mailbox = format!("From a Mon 1\n{mail}\n\nFrom b Mon 1\n{mail}");
    let (found, _, _) = walk(mailbox.as_bytes(), "x");
    for path in ["x/1.eml/a.bin", "x/2.eml/a.bin"] {
        assert!(found.contains(&(path.to_owned(), b"hello".to_vec())), "{path}: {found:?}");
    }
}
