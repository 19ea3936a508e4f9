//! Every fixture cut off at every place, with every octet turned over, and with numbers as
//! large as they go: nothing panics, nothing takes long. Images are mostly zeros; of them the
//! octets that matter are tried.

use std::time::{Duration, Instant};

use super::tests::{closed, fixture, open_as};
use crate::message::contents::{Closed, Contents};

/// What one opening may take. The tests run with the checks of a debug build, many at once.
const TIME: Duration = Duration::from_millis(1_000);

const SMALL: [&str; 53] = [
    "LZMA.7z",
    "LZMA2.7z",
    "PPMd.7z",
    "BZip2.7z",
    "Deflate.7z",
    "Deflate64.7z",
    "Copy.7z",
    "nonsolid.7z",
    "bcj.7z",
    "bcj2.7z",
    "delta.7z",
    "encrypted.7z",
    "headers.7z",
    "volumes.7z.001",
    "m0.arj",
    "m1.arj",
    "m4.arj",
    "garbled.arj",
    "lh0.lzh",
    "lh1.lzh",
    "lh5.lzh",
    "lh6.lzh",
    "lh7.lzh",
    "stored.cab",
    "mszip.cab",
    "lzx.cab",
    "a.arc",
    "runs.arc",
    "newc.cpio",
    "crc.cpio",
    "odc.cpio",
    "bin.cpio",
    "a.a",
    "a.xar",
    "a.alz",
    "a.zoo",
    "a.ace",
    "a.sit",
    "a.rpm",
    "rar14.rar",
    "rar15.rar",
    "rar20.rar",
    "rar29.rar",
    "rar29-solid.rar",
    "rar29-encrypted.rar",
    "rar50.rar",
    "rar50-solid.rar",
    "rar50-stored.rar",
    "rar50-encrypted.rar",
    "rar50-headers.rar",
    "rar70.rar",
    "a.msg",
    "embedded.msg",
];

const IMAGES: [&str; 5] = ["plain.iso", "joliet.iso", "udf-bridge.iso", "fat12.img", "fat16.img"];

/// Opens octets; says how long it took when that was too long.
fn tried(name: &str, what: &str, octets: &[u8], slow: &mut Vec<String>) -> Contents {
    let begin = Instant::now();
    let (contents, _) = open_as(name, octets);
    if begin.elapsed() > TIME {
        slow.push(format!("{name} {what}: {:?}", begin.elapsed()));
    }
    contents
}

/// Places that are tried with several values: of larger files some.
fn places(length: usize) -> impl Iterator<Item = usize> {
    // An odd step, so that other places of each field are met.
    (0..length).step_by((length / 200) | 1)
}

#[test]
fn files_that_are_cut_off() {
    let (mut slow, mut silent) = (Vec::new(), Vec::new());
    for name in SMALL {
        let whole = fixture(name);
        let all = open_as(name, &whole).0.items.len();
        for end in 0..whole.len() {
            let contents = tried(name, "cut", &whole[..end], &mut slow);
            let told = contents.items.iter().any(|item| item.closed.is_some())
                || contents.items.len() >= all
                || !contents.remarks.is_empty();
            // What is left may begin like nothing, or end between two files of a format that
            // has no end mark.
            let lenient = matches!(name, "a.a" | "a.ace")
                || name.starts_with("rar1")
                || name.starts_with("rar2")
                || name.ends_with("lzh")
                || end < 16;
            if !told && !lenient {
                silent.push(format!("{name} {end}"));
            }
        }
    }
    assert!(slow.is_empty(), "{slow:?}");
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn octets_that_are_turned_over() {
    let mut slow = Vec::new();
    for name in SMALL {
        let whole = fixture(name);
        // Those of which most is text are tried at every third place or so.
        for at in (0..whole.len()).step_by(1 + whole.len() / 1_000) {
            let mut turned = whole.clone();
            turned[at] ^= 0xff;
            tried(name, &format!("{at}"), &turned, &mut slow);
        }
        for at in places(whole.len()) {
            for bits in [0x80, 0x01] {
                let mut turned = whole.clone();
                turned[at] ^= bits;
                tried(name, &format!("{at} ^ {bits}"), &turned, &mut slow);
            }
        }
    }
    assert!(slow.is_empty(), "{slow:?}");
}

#[test]
fn numbers_as_large_as_they_go() {
    let mut slow = Vec::new();
    for name in SMALL {
        let whole = fixture(name);
        for at in places(whole.len().saturating_sub(8)) {
            for value in [&[0xff_u8; 8][..], &[0xff; 4], &[0xff; 2], &[0; 4]] {
                let mut turned = whole.clone();
                turned[at..at + value.len()].copy_from_slice(value);
                tried(name, &format!("{at}"), &turned, &mut slow);
            }
        }
    }
    assert!(slow.is_empty(), "{slow:?}");
}

#[test]
fn images_whose_structures_are_damaged() {
    let mut slow = Vec::new();
    for name in IMAGES {
        let whole = fixture(name);
        let used: Vec<usize> = (0..whole.len().min(1 << 20)).filter(|at| whole[*at] != 0).collect();
        for at in used.iter().step_by((used.len() / 250).max(1)) {
            for bits in [0xff, 0x01] {
                let mut turned = whole.clone();
                turned[*at] ^= bits;
                tried(name, &format!("{at} ^ {bits}"), &turned, &mut slow);
            }
        }
        for end in (0..whole.len().min(1 << 20)).step_by(32 << 10) {
            tried(name, &format!("cut at {end}"), &whole[..end], &mut slow);
        }
    }
    assert!(slow.is_empty(), "{slow:?}");
}

/// Octets of zeros, packed so tightly that they are larger than what is unpacked.
#[test]
fn bombs_cost_little() {
    let cases = [("bomb.7z", Closed::TooLarge), ("solid-bomb.7z", Closed::TooLarge)];
    for (name, why) in cases {
        let octets = fixture(name);
        let begin = Instant::now();
        let (contents, _) = open_as(name, &octets);
        let took = begin.elapsed();
        assert!(took < Duration::from_secs(2), "{name}: {took:?}");
        let told = closed(&contents).iter().any(|(_, told)| *told == why);
        assert!(told || contents.exhausted.is_some(), "{name}: {:?}", contents.remarks);
    }
}

/// Many changes at once, for as long as POSTERN_FUZZ_SECONDS says; prints the slowest.
#[test]
#[ignore = "takes as long as it is told"]
fn changed_at_random() {
    let seconds = std::env::var("POSTERN_FUZZ_SECONDS").ok();
    let seconds = seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(5);
    let ends = Instant::now() + Duration::from_secs(seconds);
    let names: Vec<&str> = SMALL.iter().chain(&IMAGES[..3]).copied().collect();
    let wholes: Vec<Vec<u8>> = names.iter().map(|name| fixture(name)).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 11).unwrap() % below.max(1)
    };
    let (mut runs, mut slowest) = (0_u64, (Duration::ZERO, ""));
    while Instant::now() < ends {
        let number = random(names.len());
        let mut octets = wholes[number].clone();
        for _ in 0..=random(6) {
            let at = random(octets.len());
            match random(5) {
                0 => octets[at] = random(256) as u8,
                1 => octets[at] ^= 1 << random(8),
                2 => octets.truncate(at.max(1)),
                3 => {
                    let from = random(octets.len());
                    let piece = octets[from..(from + random(40)).min(octets.len())].to_vec();
                    octets.splice(at..at, piece);
                }
                _ => {
                    let end = (at + random(8)).min(octets.len());
                    octets[at..end].fill([0, 0xff, 0x7f, 0x80][random(4)]);
                }
            }
        }
        let begin = Instant::now();
        open_as(names[number], &octets);
        if begin.elapsed() > slowest.0 {
            slowest = (begin.elapsed(), names[number]);
        }
        octets.insert(0, random(256) as u8);
        super::packed(&octets);
        runs += 1;
    }
    println!("{runs} runs, the slowest {slowest:?}");
}

#[test]
#[ignore = "prints what openings take"]
fn times() {
    let mut octets = fixture("rar14.rar");
    octets[51] ^= 0xff;
    for name in ["rar14.rar", "rar50.rar", "LZMA2.7z", "PPMd.7z", "udf-bridge.iso", "fat32.img"] {
        let whole = if name == "rar14.rar" { octets.clone() } else { fixture(name) };
        let begin = Instant::now();
        drop(bytes::Bytes::copy_from_slice(&whole));
        println!("{:?} to copy it", begin.elapsed());
        let begin = Instant::now();
        let (contents, _) = open_as(name, &whole);
        println!("{name}: {:?}, {} files", begin.elapsed(), contents.items.len());
    }
}
