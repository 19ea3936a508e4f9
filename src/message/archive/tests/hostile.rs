//! Broken archives: cut at every octet, flipped, and what the fuzz body is given.

use super::super::fuzz::archive;
use super::build::{
    Entry, bzip2, compress, gzip, lz4, lzip, lzma_alone, pax, ppmd, tar_member, tar_of, xz,
    zip_lzma, zip_of, zstd,
};

fn samples() -> Vec<Vec<u8>> {
    let text = b"Some text of some length, which says nothing much, and that at some length.";
    let mut long = text.repeat(40);
    long.truncate(2_000);
    vec![
        zip_of(&[Entry::stored("a.txt", text), Entry::deflated("b/c.zip", text).streamed()]),
        zip_of(&[
            Entry::packed("a", 14, text, zip_lzma(text)),
            Entry::packed("b", 98, text, ppmd(text)),
        ]),
        zip_of(&[
            Entry::packed("a", 9, text, super::build::deflate(text)),
            Entry::packed("b", 95, text, xz(text)),
        ]),
        gzip(text),
        bzip2(text),
        xz(text),
        lzma_alone(text),
        lzip(text),
        zstd(text),
        lz4(text),
        compress(&long[..200]),
        tar_of(&[
            tar_member("pax", b'x', &pax("GNU.sparse.map", "0,5")),
            tar_member("a", b'0', text),
        ]),
        tar_of(&[tar_member("a", b'S', text)]),
    ]
}

#[test]
fn archives_cut_anywhere_are_walked() {
    for sample in samples() {
        // Each opener gets each of them: most of the work is in the headers.
        let step = (sample.len() / 50).max(1);
        for end in (0..sample.len()).step_by(step) {
            archive(&sample[..end]);
        }
    }
}

#[test]
fn archives_with_changed_octets_are_walked() {
    let mut seed: u64 = 11;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap()
    };
    for sample in samples() {
        for _ in 0..40 {
            let mut broken = sample.clone();
            for _ in 0..=random() % 4 {
                let at = random() % broken.len();
                broken[at] = match random() % 4 {
                    0 => 0xff,
                    1 => 0,
                    2 => broken[at] ^ 1 << (random() % 8),
                    _ => random() as u8,
                };
            }
            archive(&broken);
        }
    }
}

#[test]
fn any_octets_are_walked() {
    for data in [&b""[..], b"P", b"PK\x05\x06", &[0; 600], &[0xff; 600], b"\x1f\x9d\x90"] {
        archive(data);
    }
}
