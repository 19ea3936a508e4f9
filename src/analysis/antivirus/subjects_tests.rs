//! Which files of a message go to the virus scanner by themselves: at once, after the message,
//! or not at all; and that what is left out is told.

use std::io::Write;

use base64::Engine;
use bytes::Bytes;

use super::subjects::{Carried, choose};
use crate::message::contents::{Contents, Limits};
use crate::message::{self, Anatomy};

fn carried(message: &[u8]) -> Carried {
    carried_within(message, Limits::default())
}

fn carried_within(message: &[u8], limits: Limits) -> Carried {
    let message = Bytes::copy_from_slice(message);
    let anatomy = Anatomy::of(&message, message::Limits::default());
    let contents = Contents::of(&anatomy, limits, &mut |_, _| {});
    Carried::of(&message, &anatomy, &contents)
}

/// Paths that are scanned at once, those that are scanned after the message, and those that
/// are not scanned and should be.
fn paths(carried: &Carried, most: usize) -> [Vec<&str>; 3] {
    let chosen = choose(carried, most);
    let mut paths = [
        chosen.unreached.iter().map(|one| one.path.as_str()).collect(),
        chosen.reached.iter().map(|one| one.path.as_str()).collect(),
        Vec::new(),
    ];
    for missed in &chosen.missed {
        let own = carried.subjects.iter().find(|one| one.path == *missed);
        paths[2].push(own.map_or("?", |one| one.path.as_str()));
    }
    paths.iter_mut().for_each(|paths: &mut Vec<&str>| paths.sort_unstable());
    paths
}

const HEAD: &str = "From: <a@sender.test>\r\nTo: <b@example.test>\r\nSubject: x\r\n\
                    Date: Mon, 16 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n";

/// A message of two parts: a text, and a part with this header and body.
fn with_part(fields: &str, body: &str) -> Vec<u8> {
    format!(
        "{HEAD}Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\n\
         Content-Type: text/plain\r\n\r\nas promised\r\n--b\r\n{fields}\r\n\r\n{body}\r\n--b--\r\n"
    )
    .into_bytes()
}

fn base64(octets: &[u8]) -> String {
    let encoded = base64::engine::general_purpose::STANDARD.encode(octets);
    let lines = encoded.as_bytes().chunks(76).map(String::from_utf8_lossy);
    lines.collect::<Vec<_>>().join("\r\n")
}

fn attached(name: &str, octets: &[u8]) -> Vec<u8> {
    let fields = format!(
        "Content-Type: application/octet-stream; name=\"{name}\"\r\n\
         Content-Disposition: attachment; filename=\"{name}\"\r\nContent-Transfer-Encoding: base64"
    );
    with_part(&fields, &base64(octets))
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, octets) in members {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(octets).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn bzip2(octets: &[u8]) -> Vec<u8> {
    let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    writer.write_all(octets).unwrap();
    writer.finish().unwrap()
}

#[test]
fn each_part_is_scanned_as_it_is_decoded() {
    let text = "some words that are long enough to be seen as a text of their own";
    let alone = |fields: &str, body: &str| format!("{HEAD}{fields}\r\n\r\n{body}\r\n").into_bytes();
    let encoded = base64(text.as_bytes());
    let qp = "Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable";
    // At once, after the message.
    let table: Vec<(&str, Vec<u8>, &[&str], &[&str])> = vec![
        ("a text as it is", alone("Content-Type: text/plain", text), &[], &[]),
        ("nothing", alone("Content-Type: text/plain", ""), &[], &[]),
        (
            "a page as it is",
            alone("Content-Type: text/html", "<html><p>hello</p></html>"),
            &[],
            &["#0"],
        ),
        (
            "base64",
            alone("Content-Type: text/plain\r\nContent-Transfer-Encoding: base64", &encoded),
            &[],
            &["#0"],
        ),
        ("quoted-printable", alone(qp, "caf=C3=A9 and more"), &[], &["#0"]),
        // Nothing had to be decoded, and yet it is a copy.
        ("quoted-printable with nothing in it", alone(qp, text), &[], &["#0"]),
        (
            "a text with a name",
            with_part("Content-Type: text/plain; name=\"a.txt\"", text),
            &[],
            &["a.txt"],
        ),
        (
            "a picture",
            attached("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\0IEND\xae\x42\x60\x82"),
            &[],
            &["a.png"],
        ),
        ("a sound", attached("a.wav", b"RIFF\0\0\0\0WAVEfmt "), &[], &["a.wav"]),
        ("a table", attached("a.csv", b"a;b;c\n1;2;3\n"), &[], &["a.csv"]),
        (
            "an odd form",
            with_part("Content-Type: text/plain; name=\"a.txt\"; name=\"b.txt\"", text),
            &["a.txt"],
            &[],
        ),
        (
            "a message in base64",
            with_part(
                "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64",
                &base64(&alone("Content-Type: text/plain", text)),
            ),
            &["#3"],
            &[],
        ),
    ];
    for (words, message, at_once, after) in table {
        let carried = carried(&message);
        let [unreached, reached, missed] = paths(&carried, 10);
        assert_eq!(
            (unreached, reached, missed),
            (at_once.to_vec(), after.to_vec(), vec![]),
            "{words}"
        );
    }
}

#[test]
fn files_in_files_are_scanned_where_clamd_may_not_come_to_them() {
    let text = b"some words that are long enough to be seen as a text".as_slice();
    let program = b"#!/bin/sh\necho hello\n".as_slice();
    let picture = b"GIF89a\x01\0\x01\0\0\0\0\x3b".as_slice();
    let packed = zip(&[("a.txt", text), ("a.sh", program), ("a.gif", picture)]);
    let trailed = [&packed[..], &[0x55; 300]].concat();
    let twice = [bzip2(b"MZ"), bzip2(text)].concat();
    let table: Vec<(&str, Vec<u8>, &[&str], &[&str])> = vec![
        ("zip", attached("z.zip", &packed), &[], &["z.zip", "z.zip/a.sh", "z.zip/a.txt"]),
        (
            "odd zip",
            attached("z.zip", &trailed),
            &["z.zip/a.gif", "z.zip/a.sh", "z.zip/a.txt", "z.zip/behind the archive"],
            &["z.zip"],
        ),
        ("bzip2", attached("a.txt.bz2", &twice), &["a.txt.bz2/a.txt"], &["a.txt.bz2"]),
        (
            "zip in bzip2",
            attached("z.zip.bz2", &bzip2(&packed)),
            &["z.zip.bz2/z.zip"],
            &["z.zip.bz2", "z.zip.bz2/z.zip/a.sh", "z.zip.bz2/z.zip/a.txt"],
        ),
    ];
    for (words, message, at_once, after) in table {
        let carried = carried(&message);
        let [unreached, reached, missed] = paths(&carried, 10);
        assert_eq!(
            (unreached, reached, missed),
            (at_once.to_vec(), after.to_vec(), vec![]),
            "{words}"
        );
    }
}

#[test]
fn what_is_left_out_is_told() {
    let members: Vec<(String, Vec<u8>)> = (0..20_u8)
        .map(|number| (format!("{number}.txt"), format!("the words of file {number}").into()))
        .collect();
    let members: Vec<(&str, &[u8])> =
        members.iter().map(|(name, octets)| (name.as_str(), &octets[..])).collect();
    let odd = [&zip(&members)[..], &[0x55; 300]].concat();
    let message = attached("z.zip", &odd);
    let all = carried(&message);
    let [unreached, reached, missed] = paths(&all, 15);
    assert_eq!((unreached.len(), reached, missed.len()), (15, vec!["z.zip"], 6));
    // Without room for unpacked files, those that only the box reads are told.
    let none = Limits { kept_octets: 0, ..Limits::default() };
    let carried = carried_within(&message, none);
    let chosen = choose(&carried, 15);
    assert_eq!((chosen.unreached.len(), chosen.missed.len()), (0, 21));
    // Parts of the message need no room of their own.
    assert_eq!(chosen.reached.len(), 1);
}

#[test]
fn texts_of_the_message_are_not_kept_for_later() {
    let page = format!("{HEAD}Content-Type: text/html\r\n\r\n<html><p>hello</p></html>\r\n");
    let carried = carried(page.as_bytes());
    assert!(carried.subjects.iter().all(|one| !one.is_kept() && one.octets.is_some()));
    let program =
        attached("a.exe", b"MZ\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    let carried = self::carried(&program);
    assert_eq!(carried.subjects.iter().filter(|one| one.is_kept()).count(), 1);
}
