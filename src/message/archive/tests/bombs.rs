//! Bombs: each is walked within the limits, in bounded time and memory, and is told.

use std::time::{Duration, Instant};

use super::build::{
    Entry, bzip2, deflate, end_record, gzip, tar_header, walk_file, walk_file_within, zip_of, zstd,
};
use crate::message::contents::{Contents, Limits};

/// Two seconds are what a bomb may cost; tests run unoptimised and beside others.
const MOST: Duration = Duration::from_secs(4);

fn zeros(octets: usize) -> Vec<u8> {
    vec![0; octets]
}

/// `levels` of archives, each of `width` copies of the next, the innermost of zeros. Each copy
/// has an octet of its own, so that none is a twin.
fn nested(levels: u8, width: u16) -> Vec<u8> {
    let mut inner = gzip(&zeros(3 << 20));
    for level in 0..levels {
        let entries: Vec<Entry> = (0..width)
            .map(|number| {
                let own = [&inner[..], &[level, number as u8]].concat();
                Entry::deflated(&format!("{level}-{number}.gz"), &own)
            })
            .collect();
        inner = zip_of(&entries);
    }
    inner
}

/// Each entry's data begin with the local header of the next one, in a stored deflate block,
/// and end with the same kernel.
fn overlapping(entries: u32, kernel_octets: usize) -> Vec<u8> {
    let kernel = deflate(&zeros(kernel_octets));
    let headers: Vec<Vec<u8>> = (0..entries)
        .map(|number| {
            let mut entry = Entry::packed(&format!("{number:05}"), 8, b"", Vec::new());
            // Sizes of the rest of the file do not matter to who inflates.
            entry.local_sizes = Some((1 << 30, 1 << 30));
            entry.local()
        })
        .collect();
    let mut file = Vec::new();
    let mut offsets = Vec::new();
    for (number, header) in headers.iter().enumerate() {
        offsets.push(file.len() as u32);
        file.extend(header);
        if let Some(next) = headers.get(number + 1) {
            let octets = next.len() as u16;
            file.push(0);
            file.extend(octets.to_le_bytes());
            file.extend((!octets).to_le_bytes());
        }
    }
    file.extend(kernel);
    let directory_offset = file.len() as u32;
    let mut directory = Vec::new();
    for (number, offset) in offsets.iter().enumerate() {
        let mut entry = Entry::packed(&format!("{number:05}"), 8, b"", Vec::new());
        let octets = directory_offset - offset - headers[number].len() as u32;
        entry.central_sizes = Some((octets, kernel_octets as u32));
        directory.extend(entry.central(*offset));
    }
    file.extend(&directory);
    file.extend(end_record(entries as u16, directory.len() as u32, directory_offset, b""));
    file
}

/// Many entries that all name the same local header.
fn repeated(entries: u16, kernel_octets: usize) -> Vec<u8> {
    let one = Entry::deflated("a", &zeros(kernel_octets));
    let mut file = [one.local(), one.data.clone()].concat();
    let offset = file.len() as u32;
    let directory: Vec<u8> = (0..entries).flat_map(|_| one.central(0)).collect();
    file.extend(&directory);
    file.extend(end_record(entries, directory.len() as u32, offset, b""));
    file
}

/// Empty files, as many as fit.
fn crowd(members: u32, in_directory: bool) -> Vec<u8> {
    let mut entry = Entry::stored("a", b"");
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for number in 0..members {
        entry.name = number.to_le_bytes().map(|octet| octet | 0x40).to_vec();
        if in_directory {
            directory.extend(entry.central(file.len() as u32));
        }
        file.extend(entry.local());
    }
    let offset = file.len() as u32;
    file.extend(&directory);
    file.extend(end_record(members as u16, directory.len() as u32, offset, b""));
    file
}

/// A frame of blocks that each repeat one octet 128 KB times.
fn zstd_blocks(blocks: usize) -> Vec<u8> {
    let block = ((128_u32 << 10) << 3 | 1 << 1).to_le_bytes();
    let mut file = b"\x28\xb5\x2f\xfd\x00\x58".to_vec();
    for _ in 0..blocks {
        file.extend(&block[..3]);
        file.push(0);
    }
    file.extend([1, 0, 0]);
    file
}

/// Streams of 16 MB of zeros each: `head -c 16M /dev/zero | xz -9`.
fn xz_blocks(streams: usize) -> Vec<u8> {
    include_bytes!("fixtures/zeros16m.xz").repeat(streams)
}

fn names(contents: &Contents) -> Vec<&'static str> {
    contents.remarks.iter().map(|remark| remark.name).collect()
}

#[test]
fn bombs_cost_little_and_are_told() {
    let huge_tar: Vec<u8> = [tar_header("a", b'0', (1 << 33) - 1).to_vec(), zeros(2_048)].concat();
    let mut huge_base256 = tar_header("a", b'0', 0);
    huge_base256[124..136]
        .copy_from_slice(&[0x80, 0, 0, 0, 0xff, 255, 255, 255, 255, 255, 255, 255]);
    let rows: Vec<(&str, &str, Vec<u8>, &[&str])> = vec![
        ("nested", "a.zip", nested(4, 12), &["ARCHIVE_LIMIT"]),
        ("deep", "a.zip", nested(40, 1), &["ARCHIVE_TOO_DEEP"]),
        (
            "overlapping",
            "a.zip",
            overlapping(2_000, 20 << 20),
            &["ARCHIVE_OVERLAP", "ARCHIVE_TOO_LARGE"],
        ),
        ("repeated", "a.zip", repeated(9_000, 16 << 20), &["ARCHIVE_OVERLAP", "ARCHIVE_TOO_LARGE"]),
        ("a crowd", "a.zip", crowd(200_000, true), &["ARCHIVE_LIMIT"]),
        ("a crowd without directory", "a.zip", crowd(300_000, false), &["ARCHIVE_LIMIT"]),
        (
            "deflate",
            "a.zip",
            zip_of(&[Entry::deflated("a", &zeros(80 << 20))]),
            &["ARCHIVE_TOO_LARGE", "ARCHIVE_RATIO"],
        ),
        ("gzip", "a.gz", gzip(&zeros(80 << 20)), &["ARCHIVE_TOO_LARGE", "ARCHIVE_RATIO"]),
        ("gzip members", "a.gz", gzip(b"").repeat(400_000), &[]),
        ("bzip2", "a.bz2", bzip2(&zeros(80 << 20)), &["ARCHIVE_TOO_LARGE", "ARCHIVE_RATIO"]),
        ("zstd", "a.zst", zstd_blocks(400_000), &["ARCHIVE_TOO_LARGE"]),
        ("zstd ratio", "a.zst", zstd_blocks(4_000), &["ARCHIVE_RATIO"]),
        ("empty zstd frames", "a.zst", zstd(b"").repeat(500_000), &[]),
        ("xz", "a.xz", xz_blocks(40), &["ARCHIVE_TOO_LARGE"]),
        ("tar of a huge size", "a.tar", huge_tar, &["ARCHIVE_DAMAGED"]),
        ("tar of a size beyond", "a.tar", huge_base256.to_vec(), &["ARCHIVE_DAMAGED"]),
    ];
    for (words, name, file, expected) in rows {
        let begun = Instant::now();
        let contents = walk_file(name, &file);
        let spent = begun.elapsed();
        let found = names(&contents);
        println!(
            "{words}: {} octets, {spent:?}, {} items, {found:?}",
            file.len(),
            contents.items.len()
        );
        assert!(spent < MOST, "{words}: {spent:?}");
        for remark in expected {
            assert!(found.contains(remark), "{words}: {:?}", contents.remarks);
        }
        assert!(contents.items.len() <= Limits::default().members + 1);
    }
}

#[test]
fn what_was_walked_is_not_walked_again() {
    let inner = zip_of(&[Entry::stored("a.txt", b"once")]);
    let copies: Vec<Entry> =
        (0..5_000).map(|number| Entry::stored(&format!("{number}.zip"), &inner)).collect();
    let contents = walk_file("a.zip", &zip_of(&copies));
    let leaves = contents.items.iter().filter(|item| item.name == "a.txt").count();
    assert_eq!((contents.items.len(), leaves), (5_002, 1));
    assert_eq!(contents.remarks, []);
    // A twin further up is opened again where the depth allows to look further.
    let deep = gzip(&gzip(&gzip(&inner)));
    let both = zip_of(&[Entry::stored("deep.gz", &deep), Entry::stored("b.zip", &inner)]);
    let limits = Limits { depth: 4, ..Limits::default() };
    let contents = walk_file_within("a.zip", &both, limits);
    let paths: Vec<&str> = contents.items.iter().map(|item| item.path.as_str()).collect();
    assert!(paths.contains(&"a.zip/b.zip/a.txt"), "{paths:?}");
}

/// Each limit is told when it is reached, on a file that is harmless without it.
#[test]
fn limits_are_told() {
    let file = zip_of(&[
        Entry::deflated("a", &zeros(300_000)),
        Entry::deflated("b.gz", &gzip(&zeros(300_000))),
    ]);
    assert_eq!(walk_file("a.zip", &file).remarks, []);
    let whole = Limits::default();
    let rows = [
        (Limits { depth: 1, ..whole }, "ARCHIVE_TOO_DEEP"),
        (Limits { members: 2, ..whole }, "ARCHIVE_LIMIT"),
        (Limits { octets: 400_000, ..whole }, "ARCHIVE_LIMIT"),
        (Limits { member_octets: 200_000, ..whole }, "ARCHIVE_TOO_LARGE"),
        (Limits { held_octets: 200_000, ..whole }, "ARCHIVE_TOO_LARGE"),
        (Limits { time: Duration::ZERO, ..whole }, "ARCHIVE_LIMIT"),
    ];
    for (limits, expected) in rows {
        let contents = walk_file_within("a.zip", &file, limits);
        assert!(names(&contents).contains(&expected), "{expected}: {:?}", contents.remarks);
        let is_exhausted = contents.exhausted.is_some();
        assert_eq!(is_exhausted, expected == "ARCHIVE_LIMIT", "{expected}");
    }
    let ratio = gzip(&zeros(40 << 20));
    let limits = Limits { ratio: 10, ..whole };
    assert!(names(&walk_file_within("a.gz", &ratio, limits)).contains(&"ARCHIVE_RATIO"));
}

/// The most memory that any bomb takes; run alone: the figure is that of the whole process.
#[test]
#[ignore = "measures the process; run alone"]
fn memory_of_bombs() {
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
    };
    let random: Vec<u8> =
        (0..6_000_000_u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    let large = [random, zeros(26 << 20)].concat();
    let files = [
        ("nested", "a.zip", nested(4, 12)),
        ("overlapping", "a.zip", overlapping(2_000, 20 << 20)),
        ("large in large", "a.gz", gzip(&gzip(&gzip(&large)))),
        ("zstd", "a.zst", zstd_blocks(40_000)),
        ("xz", "a.xz", xz_blocks(40)),
    ];
    drop(large);
    for (words, name, file) in files {
        // Writing 5 there sets the peak to what is in use now.
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let before = peak();
        let begun = Instant::now();
        let contents = walk_file(name, &file);
        let spent = begun.elapsed();
        println!(
            "{words}: {} KB take {} MB above {before} and {spent:?}; {} items",
            file.len() >> 10,
            peak() - before,
            contents.items.len()
        );
        assert!(peak() - before < 100, "{words}");
    }
}
