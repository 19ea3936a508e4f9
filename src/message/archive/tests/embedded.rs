//! Archives behind a beginning of another kind: opened and told; and what only looks like one.

use super::build::{Entry, tar_member, tar_of, walk_file, zip_of};
use crate::message::archive::embedded::{Kind, Met, search};
use crate::message::archive::packed::tests::{fixture, with_marker};
use crate::message::contents::Contents;

/// One of each format and version that is looked for.
const ARCHIVES: [(&str, Kind); 14] = [
    ("rar15.rar", Kind::Rar),
    ("rar20.rar", Kind::Rar),
    ("rar29.rar", Kind::Rar),
    ("rar50.rar", Kind::Rar),
    ("rar70.rar", Kind::Rar),
    ("LZMA.7z", Kind::SevenZip),
    ("Copy.7z", Kind::SevenZip),
    ("stored.cab", Kind::Cab),
    ("mszip.cab", Kind::Cab),
    ("m0.arj", Kind::Arj),
    ("m1.arj", Kind::Arj),
    ("lh0.lzh", Kind::Lha),
    ("lh1.lzh", Kind::Lha),
    ("lh5.lzh", Kind::Lha),
];

/// What stands before, under which name, and how the second reading is told.
fn beginnings() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let polyglot = "ARCHIVE_POLYGLOT";
    let mut program = b"MZ".to_vec();
    program.resize(300, 0x90);
    let tar = tar_of(&[tar_member("a.txt", b'0', b"nothing")]);
    vec![
        ("a.html", b"<html><body><p>hello</p></body></html>".repeat(20), polyglot),
        ("a.txt", b"hello ".repeat(50), polyglot),
        ("a.bin", vec![0; 100], polyglot),
        ("a.dat", b"MZxxxxxxxxxxxxxxxxxxx".repeat(20), polyglot),
        ("a.pdf", b"%PDF-1.4\n1 0 obj<<>>endobj\n%%EOF\n".to_vec(), polyglot),
        ("a.rtf", b"{\\rtf1 hello}".to_vec(), polyglot),
        ("a.mp3", b"ID3\x03\0\0\0\0\0\x0aaaaaaaaaaaaa".to_vec(), polyglot),
        ("a.zip", zip_of(&[Entry::stored("b.txt", b"nothing")]), polyglot),
        ("a.tar", tar, polyglot),
        ("a.exe", program, "PROGRAM_ARCHIVE"),
        ("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\0IEND\xae\x42\x60\x82".to_vec(), "PICTURE_APPENDED"),
        ("a.gif", b"GIF89a\x01\0\x01\0\0\0\0\x3b".to_vec(), "PICTURE_APPENDED"),
    ]
}

fn remarks(contents: &Contents) -> Vec<&str> {
    contents.remarks.iter().map(|remark| remark.name).collect()
}

#[test]
fn every_archive_is_opened_behind_every_beginning() {
    let mut wrong = Vec::new();
    for (name, before, remark) in beginnings() {
        for (archive, _) in ARCHIVES {
            // The archive's own name, too: its reader is asked for it.
            let own = format!("a.{}", archive.rsplit('.').next().unwrap());
            for (name, behind) in [(name, 0), (name, 700), (own.as_str(), 0)] {
                let file = [before.clone(), fixture(archive), vec![0x55; behind]].concat();
                let contents = walk_file(name, &file);
                let remarks = remarks(&contents);
                let inner = with_marker(&contents);
                let inner = inner.iter().filter(|name| !name.starts_with("appended"));
                // Of archives without an end what stands behind them is a broken rest.
                let is_whole = inner.count() >= 2 || remarks.contains(&"ARCHIVE_DAMAGED");
                if !is_whole || !remarks.contains(&remark) {
                    wrong.push(format!("{archive} as {name} + {behind}: {:?}", contents.remarks));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of them\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_needs_a_password_is_told_behind_any_beginning() {
    for (name, before, remark) in beginnings() {
        for archive in ["headers.7z", "rar50-headers.rar", "garbled.arj", "rar29-encrypted.rar"] {
            let contents = walk_file(name, &[before.clone(), fixture(archive)].concat());
            let remarks = remarks(&contents);
            assert!(remarks.contains(&remark), "{archive} as {name}: {remarks:?}");
            assert!(remarks.contains(&"ARCHIVE_ENCRYPTED"), "{archive} as {name}: {remarks:?}");
        }
    }
}

#[test]
fn archives_in_archives_are_theirs() {
    let stored: Vec<_> =
        ARCHIVES.iter().map(|(name, _)| Entry::stored(name, &fixture(name))).collect();
    let tar: Vec<_> =
        ARCHIVES.iter().map(|(name, _)| tar_member(name, b'0', &fixture(name))).collect();
    let zip = zip_of(&stored);
    // Blocks that are stored within a packed stream stand in it as they are.
    let kept = flate2::Compression::none();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), kept);
    std::io::Write::write_all(&mut packed, &fixture("rar50.rar")).unwrap();
    let table = [
        ("a.zip", zip.clone()),
        ("a.tar", tar_of(&tar)),
        ("b.zip", zip_of(&[Entry::stored("a.zip", &zip)])),
        ("a.rar.gz", packed.finish().unwrap()),
    ];
    for (name, file) in table {
        let contents = walk_file(name, &file);
        let odd = ["ARCHIVE_POLYGLOT", "PROGRAM_ARCHIVE", "PICTURE_APPENDED"];
        let odd = contents.remarks.iter().filter(|remark| odd.contains(&remark.name));
        assert_eq!(odd.count(), 0, "{name}: {:?}", contents.remarks);
        assert!(!with_marker(&contents).is_empty(), "{name}");
    }
}

#[test]
fn what_only_looks_like_an_archive_is_none() {
    let text = "Signatures: 7z\u{bc}\u{af}'\x1c, Rar!\x1a\x07\0, Rar!\x1a\x07\x01\0, MSCF\0\0\0\0, \
                -lh5-, -lz4-, -pm0- and \u{60}\u{ea}; more of -lhd- follows.";
    let latin: Vec<u8> = text.chars().map(|letter| letter as u8).collect();
    let met: Vec<Met> = search(&latin.repeat(50)).collect();
    assert_eq!(met, []);
    for (archive, kind) in ARCHIVES {
        let file = fixture(archive);
        assert_eq!(search(&file).next(), None, "{archive}: its own beginning is no second one");
        let behind = [&b"??"[..], &file].concat();
        assert_eq!(search(&behind).next(), Some(Met::Archive(2, kind)), "{archive}");
    }
    // One octet of a header turned over: only where nobody could open it is it none.
    for (archive, at) in [("m1.arj", 20), ("lh1.lzh", 9), ("lh0.lzh", 30)] {
        let mut behind = [&b"??"[..], &fixture(archive)].concat();
        behind[2 + at] ^= 0x40;
        assert_ne!(
            search(&behind).next().map(|met| matches!(met, Met::Archive(2, _))),
            Some(true),
            "{archive}"
        );
    }
}

#[test]
fn marks_without_end_cost_little_and_are_told() {
    let file = [0x60, 0xea].repeat(4 << 20);
    assert_eq!(search(&file).collect::<Vec<_>>(), [Met::TooMany]);
    // As many as chance has in a large file are none too many.
    let mut random = 1_u32;
    let file: Vec<u8> = std::iter::repeat_with(|| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 24) as u8
    })
    .take(8 << 20)
    .collect();
    assert_eq!(search(&file).next(), None);
}

#[test]
fn promises_without_end_cost_little_and_are_told() {
    // Each is an ARJ header to all tests but that of its checksum.
    let mut promise = vec![0x60, 0xea, 0x00, 0x0a, 30, 0, 0, 0, 0, 0, 2, 0];
    promise.extend_from_slice(b"-lh5-\0\0\0\0");
    let file = promise.repeat((8 << 20) / promise.len());
    let begin = std::time::Instant::now();
    assert_eq!(search(&file).collect::<Vec<_>>(), [Met::TooMany]);
    let contents = walk_file("a.bin", &file);
    assert!(remarks(&contents).contains(&"ARCHIVE_POLYGLOT"), "{:?}", contents.remarks);
    // A build for tests is not optimized, and the machine may be busy.
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
}
