//! Messages made to break or to slow down what reads them: every truncation, flipped octets,
//! sizes that lie, and readings without end.

use std::time::{Duration, Instant};

use super::encoders::{binhex, tnef, uuencoded};
use super::hidden::{eicar, hidden};
use super::*;

/// A debug build on a busy machine; a release build takes a small part of it.
const LONG: Duration = Duration::from_secs(20);

/// Every truncation, and every octet flipped in several ways.
fn break_every_octet(data: &[u8], body: fn(&[u8]) -> usize) {
    for end in 0..data.len() {
        body(&data[..end]);
    }
    for at in 0..data.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut broken = data.to_vec();
            broken[at] ^= mask;
            body(&broken);
        }
    }
}

#[test]
fn broken_files_in_texts_are_read_as_far_as_they_go() {
    let octets = eicar();
    break_every_octet(uuencoded(&octets, '`').as_bytes(), fuzz::text_files);
    break_every_octet(binhex(&octets).as_bytes(), fuzz::text_files);
    let yenc = b"=ybegin part=1 total=2 line=128 size=9 name=a b\r\n=ypart begin=1 end=9\r\n\
        abc=}def\r\n=yend size=7 part=1 pcrc32=00000000\r\n";
    break_every_octet(yenc, fuzz::text_files);
    break_every_octet(&tnef(&octets)[6..], fuzz::tnef);
    break_every_octet(b"From a 1\n\nA: b\n\nx\n\nFrom b 2\nSubject: c\n\ny\n", fuzz::text_files);
}

#[test]
fn broken_messages_are_read_as_far_as_they_go() {
    for row in hidden().iter().filter(|row| row.message.len() < 1_500) {
        for end in (0..row.message.len()).step_by(37) {
            fuzz::walk(&row.message[..end]);
        }
        for at in (0..row.message.len()).step_by(41) {
            let mut broken = row.message.clone();
            broken[at] ^= 0x20;
            fuzz::walk(&broken);
            broken[at] = b'\r';
            fuzz::walk(&broken);
        }
    }
    for value in ["a/b; c*0*=x'y'%4", "a/b; boundary=\"x\\", "a/b; (((((", ";;;==;\"\"\"=;"] {
        break_every_octet(value.as_bytes(), fuzz::fields);
    }
}

#[test]
fn sizes_that_lie_cost_nothing() {
    for length in [0u32, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX - 8, u32::MAX] {
        let mut stream = Vec::new();
        for number in [0x0006_9003u32, 0x0006_9005, 0x0006_800f] {
            stream.push(1);
            stream.extend(number.to_le_bytes());
            stream.extend(length.to_le_bytes());
            // A list of properties that claims as many.
            stream.extend(length.to_le_bytes());
            stream.extend([0x02, 0x01, 0x01, 0x37]);
            stream.extend(length.to_le_bytes());
            stream.extend(length.to_le_bytes());
        }
        fuzz::tnef(&stream);
        // Multi-valued, of fixed and of variable length.
        for kind in [0x1003u16, 0x1102, 0x101f, 0x0000, 0x0001] {
            let mut list = length.to_le_bytes().to_vec();
            list.extend(kind.to_le_bytes());
            list.extend([0x01, 0x80]);
            list.extend([0; 16]);
            list.extend(length.to_le_bytes().repeat(3));
            let mut stream = vec![1, 0x03, 0x90, 0x06, 0x00];
            stream.extend((list.len() as u32).to_le_bytes());
            stream.extend(list);
            fuzz::tnef(&stream);
        }
        fuzz::text_files(format!("=ybegin line=1 size={length} name=x\r\n=yend\r\n").as_bytes());
    }
}

#[test]
fn readings_end() {
    let many = |piece: &str, times: usize| piece.repeat(times);
    let mixed = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=";
    let table: Vec<(&str, String)> = vec![
        (
            "types",
            format!("{}\r\n--b\r\n", many("Content-Type: multipart/mixed; boundary=b\r\n", 900)),
        ),
        (
            "different types",
            (0..900).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n")).collect(),
        ),
        ("boundaries", format!("{mixed}b{}\r\n\r\n--b\r\n\r\nx\r\n", many("; boundary=c", 500))),
        ("empty parts", format!("{mixed}b\r\n\r\n{}", many("--b\n", 2_000_000))),
        ("prefixes", format!("{mixed}b\r\n\r\n{}", many("--bc\r\n\r\nx\r\n", 50_000))),
        ("bare CRs", format!("{mixed}b\r\n\r\n{}", many("\r--b\r\rx", 50_000))),
        (
            "padded runs",
            format!("Content-Transfer-Encoding: base64\r\n\r\n{}", many("QQ==", 100_000)),
        ),
        ("foreign", format!("Content-Transfer-Encoding: base64\r\n\r\n{}", many("QQ!*", 100_000))),
        ("begins", format!("\r\n{}", many("begin 644 a\r\n$86)C9\r\n", 20_000))),
        ("base64 begins", format!("\r\n{}", many("begin-base64 644 a\r\nQUJD\r\n", 20_000))),
        ("yEnc begins", format!("\r\n{}", many("=ybegin line=1 size=1 name=a\r\nk\r\n", 20_000))),
        (
            "sentences",
            format!("\r\n{}:", many("(This file must be converted with BinHex 4.0)\r\n", 20_000)),
        ),
        (
            "mailbox",
            format!("From a 1\n\n{}", many("x\n\nFrom a 1\nSubject: x\nTo: y\n\n", 12_000)),
        ),
        (
            "repetitions",
            format!(
                "\r\n(This file must be converted with BinHex 4.0)\r\n:{}:",
                many("j3r", 200_000)
            ),
        ),
        ("dashes in text", format!("\r\n{}", many("--b\r\nContent-Type: a/b\r\n", 30_000))),
        (
            "texts that look like parts",
            format!(
                "\r\n{}",
                (0..3_000)
                    .map(|n| format!("--b{n}\r\nContent-Type: text/plain\r\n\r\n"))
                    .collect::<String>()
            ),
        ),
        (
            "inner multiparts that go on",
            format!(
                "{mixed}b\r\n\r\n{}",
                (0..900)
                    .map(|n| format!(
                        "--b\r\nContent-Type: multipart/mixed; boundary=c{}\r\n\r\n--c{n}\r\n\r\n",
                        n + 1
                    ))
                    .collect::<String>()
            ),
        ),
        (
            "messages in messages",
            many("Content-Type: message/x-y\r\nSubject: s\r\nTo: t\r\n\r\n", 20_000),
        ),
        ("line of blanks", format!("{}\r\nx", many("A: b\r\n \r\n", 1_000))),
    ];
    for (name, message) in table {
        let started = Instant::now();
        fuzz::walk(message.as_bytes());
        let took = started.elapsed();
        println!("{name}: {took:?}");
        assert!(took < LONG, "{name} took {took:?}");
    }
}

#[test]
fn what_is_left_out_is_told() {
    let types: String =
        (0..90).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n")).collect();
    let (anatomy, _) = taken_apart(&format!("From: a@x.test\r\n{types}\r\nx\r\n"));
    assert!(names(&anatomy).contains(&"MIME_READINGS_UNSCANNED".to_owned()));
}

#[test]
fn a_part_is_decoded_once() {
    let (anatomy, _) = taken_apart("Content-Transfer-Encoding: base64\r\n\r\nQUJD\r\n");
    let part = &anatomy.parts[0];
    assert_eq!(part.content().as_ptr(), part.content().as_ptr());
    assert_eq!(part.content().as_ptr(), part.decoded().as_ptr());
    let mut other = part.clone();
    other.body = Bytes::from_static(b"REVG");
    assert_eq!(&other.content()[..], b"DEF");
}

/// Prints what a large message costs; run alone, its peak of memory is that of the process.
#[test]
fn a_large_message_is_cheap() {
    let file = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAx\r\n";
    let file = file.repeat(125_000 / file.len());
    let mut message =
        String::from("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n");
    for number in 0..200 {
        message.push_str(&format!(
            "--b\r\nContent-Type: application/octet-stream; name=a{number}.dat\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{file}"
        ));
    }
    message.push_str("--b--\r\n");
    let octets = message.len();
    let bytes = Bytes::from(message);
    let started = Instant::now();
    let anatomy = Anatomy::of(&bytes, Limits::default());
    let apart = started.elapsed();
    let contents = contents::Contents::of(&anatomy, contents::Limits::default(), &mut |_, _| {});
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!(
        "{octets} octets: taken apart in {apart:?}, walked in {:?}; {peak}",
        started.elapsed()
    );
    assert_eq!((anatomy.parts.len(), contents.items.len()), (201, 200));
    assert!(started.elapsed() < LONG);
}

/// Hidden files put together from pieces of each other: deterministic, by a counter that is
/// stirred.
#[test]
fn mixtures_are_read() {
    const ROUNDS: u64 = 400;
    let rows: Vec<Vec<u8>> = hidden()
        .into_iter()
        .map(|row| row.message)
        .filter(|message| message.len() < 3_000)
        .collect();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below.max(1) as u64).unwrap()
    };
    for _ in 0..ROUNDS {
        let mut message = rows[draw(rows.len())].clone();
        for _ in 0..1 + draw(4) {
            let other = &rows[draw(rows.len())];
            let from = draw(other.len());
            let piece = &other[from..(from + 1 + draw(200)).min(other.len())];
            let at = draw(message.len() + 1);
            let end = (at + draw(40)).min(message.len());
            message.splice(at..end, piece.iter().copied());
        }
        fuzz::walk(&message);
        fuzz::dissect(&message);
    }
}
