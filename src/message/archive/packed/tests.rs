use std::io::Read;

use bytes::Bytes;

use super::packed;
use crate::message::Nature;
use crate::message::archive::msg::tests::message;
use crate::message::contents::{Closed, Contents, Limits};
use crate::message::tests::hidden::eicar;

/// What the fixtures hold, in two halves so that this file does not hold it.
pub(in crate::message) fn marker() -> Vec<u8> {
    ["postern", " marker"].concat().into_bytes()
}

/// A fixture; images are kept packed by bzip2, being mostly zeros.
pub(in crate::message) fn fixture(name: &str) -> Vec<u8> {
    match name {
        "a.msg" => return message(0),
        "embedded.msg" => return message(2),
        _ => {}
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/message/archive/fixtures");
    let source = std::path::Path::new(file!()).parent().unwrap().join("../fixtures");
    let folders = [std::path::PathBuf::from(folder), source];
    let read = |name: &str| folders.iter().find_map(|folder| std::fs::read(folder.join(name)).ok());
    if let Some(octets) = read(name) {
        return octets;
    }
    let packed = read(&format!("{name}.bz2")).unwrap_or_else(|| panic!("no fixture {name}"));
    let mut octets = Vec::new();
    bzip2::read::BzDecoder::new(&packed[..]).read_to_end(&mut octets).unwrap();
    octets
}

/// What a name promises.
fn nature(name: &str) -> Nature {
    let name = name.strip_suffix(".001").unwrap_or(name);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "img" => Nature::RawDisk,
        "vhd" => Nature::Vhd,
        "iso" => Nature::Iso,
        "exe" => Nature::WindowsProgram,
        "a" => Nature::UnixArchive,
        other => Nature::of_extension(other).next().unwrap_or(Nature::Unknown),
    }
}

/// Opens octets as what the name promises; the texts found stand behind one another.
pub(in crate::message) fn open_as(name: &str, octets: &[u8]) -> (Contents, String) {
    let mut texts = String::new();
    let octets = Bytes::copy_from_slice(octets);
    let mut reader = |_, text: &str| {
        texts.push_str(text);
        texts.push('\n');
    };
    let nature = nature(name);
    let contents = Contents::of_file(nature, name, &octets, Limits::default(), &mut reader);
    (contents, texts)
}

/// The names of the files within that hold the marker, in order.
pub(in crate::message) fn with_marker(contents: &Contents) -> Vec<&str> {
    let marker = marker();
    let items = contents.items.iter().filter(|item| item.parent.is_some());
    let mut names: Vec<&str> = items
        .filter(|item| {
            let content = item.content.as_deref().unwrap_or_default();
            memchr::memmem::find(content, &marker).is_some()
        })
        .map(|item| item.name.as_str())
        .collect();
    names.sort_unstable();
    names
}

/// What is closed, and why; the file itself has no name here.
pub(in crate::message) fn closed(contents: &Contents) -> Vec<(&str, Closed)> {
    let items = contents.items.iter();
    items
        .filter_map(|item| {
            let name = if item.parent.is_some() { item.name.as_str() } else { "" };
            item.closed.map(|why| (name, why))
        })
        .collect()
}

const DOCUMENT: &str = "long name of a document.txt";
const FOUR: &[&str] = &[DOCUMENT, "read.txt", "sub/inner.js", "tool.js"];
const THREE: &[&str] = &[DOCUMENT, "read.txt", "tool.js"];
const TWO: &[&str] = &["read.txt", "tool.js"];

#[test]
fn files_of_every_format_are_found() {
    let cases: &[(&str, &[&str])] = &[
        ("LZMA.7z", FOUR),
        ("LZMA2.7z", FOUR),
        ("PPMd.7z", FOUR),
        ("BZip2.7z", FOUR),
        ("Deflate.7z", FOUR),
        ("Deflate64.7z", FOUR),
        ("Copy.7z", FOUR),
        ("nonsolid.7z", FOUR),
        ("bcj.7z", &["prog.exe"]),
        ("bcj2.7z", &["prog.exe"]),
        ("delta.7z", &["prog.exe"]),
        ("m0.arj", FOUR),
        ("m1.arj", FOUR),
        ("m4.arj", FOUR),
        ("lh0.lzh", FOUR),
        ("lh1.lzh", FOUR),
        ("lh5.lzh", FOUR),
        ("lh6.lzh", FOUR),
        ("lh7.lzh", FOUR),
        ("stored.cab", TWO),
        ("mszip.cab", FOUR),
        ("lzx.cab", &["tool.js"]),
        ("a.arc", TWO),
        ("runs.arc", &["runs.txt"]),
        ("newc.cpio", FOUR),
        ("crc.cpio", FOUR),
        ("odc.cpio", FOUR),
        ("bin.cpio", FOUR),
        ("a.a", THREE),
        ("a.xar", &["long & name.txt", "read.txt", "sub/inner.js"]),
        ("a.alz", &["long name.txt", "read.txt", "tool.js"]),
        ("a.zoo", TWO),
        ("joliet.iso", FOUR),
        ("plain.iso", &["LONG_NAM.TXT", "READ.TXT", "SUB/INNER.JS", "TOOL.JS"]),
        ("udf-bridge.iso", FOUR),
        ("fat12.img", FOUR),
        ("fat16.img", FOUR),
        ("fat32.img", FOUR),
        ("rar14.rar", &[DOCUMENT, "sub/inner.js"]),
        ("rar15.rar", &[DOCUMENT, "sub/inner.js"]),
        ("rar20.rar", &[DOCUMENT, "sub/inner.js"]),
        ("rar29.rar", &[DOCUMENT, "sub/inner.js"]),
        ("rar29-solid.rar", &[DOCUMENT, "sub/inner.js"]),
        ("rar50.rar", &[DOCUMENT, "sub/inner.js"]),
        ("rar50-solid.rar", &[DOCUMENT, "sub/inner.js"]),
        ("rar50-stored.rar", &[DOCUMENT, "sub/inner.js"]),
        ("rar70.rar", &[DOCUMENT, "sub/inner.js"]),
    ];
    let mut wrong = Vec::new();
    for (name, expected) in cases {
        let (contents, _) = open_as(name, &fixture(name));
        let mut found = with_marker(&contents);
        found.dedup();
        let found: Vec<String> = found.iter().map(|name| name.replace('\\', "/")).collect();
        if found != *expected || !closed(&contents).is_empty() {
            wrong.push(format!("{name}: {found:?}, closed {:?}", closed(&contents)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_cannot_be_read_is_closed_with_its_names() {
    use Closed::{Elsewhere, Encrypted, Unsupported};
    let cases: &[(&str, &[(&str, Closed)])] = &[
        (
            "encrypted.7z",
            &[
                (DOCUMENT, Encrypted),
                ("read.txt", Encrypted),
                ("sub/inner.js", Encrypted),
                ("tool.js", Encrypted),
            ],
        ),
        ("headers.7z", &[("", Encrypted)]),
        ("volumes.7z.001", &[("", Elsewhere)]),
        (
            "garbled.arj",
            &[
                (DOCUMENT, Encrypted),
                ("read.txt", Encrypted),
                ("sub/inner.js", Encrypted),
                ("tool.js", Encrypted),
            ],
        ),
        ("a.ace", &[("tool.exe", Unsupported), ("secret.exe", Encrypted)]),
        ("a.sit", &[("", Unsupported), ("tool.exe", Unsupported)]),
        ("rar29-encrypted.rar", &[("secret.js", Encrypted)]),
        ("rar50-encrypted.rar", &[("secret.js", Encrypted)]),
        ("rar50-headers.rar", &[("", Encrypted)]),
    ];
    for (name, expected) in cases {
        let (contents, _) = open_as(name, &fixture(name));
        let mut found = closed(&contents);
        found
            .sort_unstable_by_key(|(name, _)| expected.iter().position(|(other, _)| name == other));
        assert_eq!(found, *expected, "{name}: {:?}", contents.remarks);
    }
}

#[test]
fn volumes_after_the_first_are_closed() {
    for name in ["a.r00", "a.z01", "a.7z.002", "a.c01"] {
        let (contents, _) = open_as(name, b"\x8a\x13\xfe\xee none of the signatures");
        assert_eq!(closed(&contents), [("", Closed::Elsewhere)], "{name}");
    }
}

#[test]
fn a_program_that_unpacks_itself_is_unpacked() {
    for (fixture_name, expected) in [("LZMA.7z", FOUR), ("mszip.cab", FOUR)] {
        let mut program = b"MZ".to_vec();
        program.resize(5_000, 0x90);
        program.extend_from_slice(b"reads 7z\xbc\xaf\x27\x1c and Rar!\x1a\x07\x00 and MSCF");
        program.extend_from_slice(&fixture(fixture_name));
        let (contents, _) = open_as("setup.exe", &program);
        let names = with_marker(&contents);
        let inner: Vec<String> = names
            .into_iter()
            .filter(|name| !name.starts_with("appended"))
            .map(|name| name.replace('\\', "/"))
            .collect();
        assert_eq!(inner, expected, "{fixture_name}");
    }
}

#[test]
fn the_fuzz_body_takes_anything() {
    for octets in [&b""[..], b"\x00", b"\x01Rar!", b"\x03\xff\xff\xff"] {
        packed(octets);
    }
}

/// Opens all files of a folder (POSTERN_ARCHIVES) and prints what was found.
#[test]
#[ignore = "needs a folder"]
fn a_folder_of_archives() {
    let Ok(folder) = std::env::var("POSTERN_ARCHIVES") else { return };
    let mut waiting = vec![std::path::PathBuf::from(folder)];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let octets = std::fs::read(&path).unwrap();
        let begin = std::time::Instant::now();
        let (contents, _) = open_as(&name, &octets);
        let nature = contents.items[0].nature;
        println!(
            "{name} {nature:?}: {} files, closed {:?}, {:?}, {:?}",
            contents.items.len() - 1,
            closed(&contents),
            contents.exhausted,
            begin.elapsed()
        );
    }
}

#[test]
fn the_payload_of_a_package_is_handed_on() {
    let (contents, _) = open_as("a.rpm", &fixture("a.rpm"));
    assert_eq!(contents.items[1].name, "payload");
    let payload = contents.items[1].content.as_deref().unwrap();
    assert!(payload.starts_with(&[0x1f, 0x8b, 8]));
}

/// In place of the text of each fixture that keeps it as it is.
#[test]
fn the_test_virus_is_found_wherever_files_are_stored() {
    let names = [
        "Copy.7z",
        "m0.arj",
        "lh0.lzh",
        "stored.cab",
        "a.arc",
        "newc.cpio",
        "odc.cpio",
        "bin.cpio",
        "a.a",
        "a.xar",
        "a.alz",
        "a.zoo",
        "a.ace",
        "plain.iso",
        "joliet.iso",
        "udf-bridge.iso",
        "fat12.img",
        "fat16.img",
        "fat32.img",
        "a.msg",
    ];
    for name in names {
        let mut octets = fixture(name);
        let mut virus = eicar();
        // Some hold short texts only: as much of the string as fits.
        let places = [(&b"The quick brown"[..], 68), (b"This is the", 39), (&marker(), 14)];
        let place = places.iter().find_map(|(text, most)| {
            memchr::memmem::find(&octets, text).map(|place| (place, *most))
        });
        let (place, most) = place.unwrap_or_else(|| panic!("{name} holds no text"));
        virus.truncate(most);
        octets[place..place + virus.len()].copy_from_slice(&virus);
        let (contents, _) = open_as(name, &octets);
        let items = contents.items.iter().skip(1);
        let found = items
            .filter_map(|item| item.content.as_deref())
            .any(|content| memchr::memmem::find(content, &virus).is_some());
        assert!(found, "{name}");
    }
}
