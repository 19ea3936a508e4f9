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

/// `levels` of archives, each of `width` others, the innermost of zeros and a number of its
/// own, so that none is a twin of another.
fn nested(levels: u8, width: u8, number: &mut u32) -> Vec<u8> {
    if levels == 0 {
        *number += 1;
        return gzip(&[&number.to_le_bytes()[..], &zeros(3 << 20)].concat());
    }
    let entries: Vec<Entry> = (0..width)
        .map(|at| {
            let inner = nested(levels - 1, width, number);
            Entry::deflated(&format!("{levels}-{at}"), &inner)
        })
        .collect();
    zip_of(&entries)
}

/// Each entry's data begin with the local header of the next one, in a stored deflate block,
/// and end with the same kernel.
fn overlapping(entries: u32, kernel_octets: usize) -> Vec<u8> {
    let kernel = deflate(&zeros(kernel_octets));
    let local_octets = Entry::stored("00000", b"").local().len();
    // From the last entry to the first: the data of each are what stands behind its header.
    let mut data = kernel.clone();
    let mut unpacked = kernel_octets;
    let mut headers = Vec::new();
    for number in (0..entries).rev() {
        let mut entry = Entry::packed(&format!("{number:05}"), 8, b"", Vec::new());
        let sizes = Some((data.len() as u32, unpacked as u32));
        (entry.local_sizes, entry.central_sizes) = (sizes, sizes);
        let local = entry.local();
        headers.push(entry);
        let octets = local_octets as u16;
        let quote = [&[0][..], &octets.to_le_bytes(), &(!octets).to_le_bytes()].concat();
        data = [quote, local, data].concat();
        unpacked += local_octets;
    }
    // Nothing quotes the first.
    let mut file = data[5..].to_vec();
    let offset = file.len() as u32;
    let step = local_octets as u32 + 5;
    let directory: Vec<u8> = (0..entries)
        .flat_map(|number| headers[(entries - 1 - number) as usize].central(number * step))
        .collect();
    file.extend(&directory);
    file.extend(end_record(entries as u16, directory.len() as u32, offset, b""));
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
        ("nested", "a.zip", nested(3, 5, &mut 0), &["ARCHIVE_LIMIT"]),
        ("deep", "a.zip", nested(40, 1, &mut 0), &["ARCHIVE_TOO_DEEP"]),
        (
            "overlapping",
            "a.zip",
            overlapping(2_000, 20 << 20),
            &["ARCHIVE_OVERLAP", "ARCHIVE_TOO_LARGE"],
        ),
        ("repeated", "a.zip", repeated(9_000, 16 << 20), &["ARCHIVE_OVERLAP", "ARCHIVE_TOO_LARGE"]),
        ("a crowd", "a.zip", crowd(200_000, true), &["ARCHIVE_LIMIT"]),
        ("a million", "a.zip", crowd(1_000_000, false), &["ARCHIVE_LIMIT"]),
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
        let contents = walk_file_within(name, &file, Limits::default());
        let spent = begun.elapsed();
        let found = names(&contents);
        println!(
            "{words}: {} octets, {spent:?}, {} items, {found:?}",
            file.len(),
            contents.items.len()
        );
        assert!(spent < MOST, "{words}: {spent:?}");
        for remark in expected {
            // On a slow machine its time may end first.
            let is_told = found.contains(remark) || found.contains(&"ARCHIVE_LIMIT");
            assert!(is_told, "{words}: {:?}", contents.remarks);
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
    let mut state: u64 = 7;
    let mut random = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    // Just below what the ratio allows: large within large, five times.
    let mut large: Vec<u8> = zeros(31 << 20);
    let noise: Vec<u8> = (0..200_000).map(|_| random()).collect();
    large[..noise.len()].copy_from_slice(&noise);
    for _ in 0..3 {
        large = gzip(&large);
        large.resize(30 << 20, 0);
    }
    let rows = [
        ("large in large", "a.gz", gzip(&large)),
        ("nested", "a.zip", nested(3, 5, &mut 0)),
        ("overlapping", "a.zip", overlapping(2_000, 20 << 20)),
        ("zstd", "a.zst", zstd_blocks(40_000)),
        ("xz", "a.xz", xz_blocks(40)),
    ];
    drop(large);
    for (words, name, file) in rows {
        // Written there, 5 sets the peak to what is in use now.
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let before = peak();
        let begun = Instant::now();
        let contents = walk_file_within(name, &file, Limits::default());
        let (spent, items) = (begun.elapsed(), contents.items.len());
        println!(
            "{words}: {} KB, {before} MB before, {} MB at most, {spent:?}, {items} items",
            file.len() >> 10,
            peak()
        );
    }
    assert!(peak() < 200);
}
