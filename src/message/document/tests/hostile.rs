//! Broken and hostile documents: no panic, bounded work.

use std::time::{Duration, Instant};

use super::build::{Walked, excel, hex, project, rtf, word};
use crate::message::document::fuzz;
use crate::message::document::old::word::document_of;
use crate::message::document::ole::compound_of;
use crate::message::document::ole::native::{object_of, package_of};

fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let macro_source = "Sub AutoOpen()\r\nShell \"a\" & Chr(65)\r\nEnd Sub";
    let vba = project(&[("M", macro_source)]);
    let (document, table) = document_of("Hello \u{13}DDE x\u{15}", "t.dot");
    let object = object_of("Package", &package_of("a", "b", b"content"));
    vec![
        ("a.doc", compound_of(&[("/WordDocument", &document), ("/1Table", &table)])),
        ("a.doc", vba.clone()),
        ("a.docm", word("<w:p><w:t>x</w:t></w:p>", &[("word/vbaProject.bin", &vba)])),
        ("a.xlsx", excel(&[("xl/worksheets/s.xml", b"<worksheet><c><f>A1</f></c></worksheet>")])),
        ("a.rtf", rtf(&format!("{{\\object{{\\*\\objdata {}}}}}", hex(&object)))),
    ]
}

#[test]
fn cut_and_flipped_documents_do_no_harm() {
    for (name, octets) in samples() {
        // Large files are mostly padding: every cut near the ends, and steps between.
        let step = (octets.len() / 200).max(1);
        for end in (0..octets.len()).step_by(step) {
            Walked::of(name, &octets[..end]);
        }
        let mut state = 7u32;
        for _ in 0..300 {
            let mut flipped = octets.clone();
            for _ in 0..4 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = state as usize % flipped.len();
                flipped[at] ^= (state >> 24) as u8 | 1;
            }
            Walked::of(name, &flipped);
        }
    }
}

#[test]
fn fuzz_bodies_take_anything() {
    for (_, octets) in samples() {
        fuzz::ole(&octets);
        fuzz::ooxml(&octets);
        fuzz::rtf(&octets);
    }
    assert_eq!(fuzz::ole(b"") + fuzz::ooxml(b"") + fuzz::rtf(b""), 0);
}

#[test]
fn chains_in_a_circle_end() {
    let base = compound_of(&[("/Large", &vec![7; 9_000]), ("/Small", b"small")]);
    // The FAT, the mini FAT and the directory all point to themselves or to 0.
    for value in [0u32, 1, 2, 3, 0x7fff_ffff, 0xffff_fffe] {
        for sector in 0..base.len() / 512 {
            let mut octets = base.clone();
            for four in octets[sector * 512..sector * 512 + 512].chunks_exact_mut(4).skip(19) {
                four.copy_from_slice(&value.to_le_bytes());
            }
            Walked::of("a.doc", &octets);
        }
    }
}

#[test]
fn bombs_cost_little() {
    let deep = "{\\object{\\*\\objdata ".repeat(200_000).into_bytes();
    let fields = "<w:fldChar w:fldCharType='begin'/><w:instrText>x</w:instrText>".repeat(100_000);
    let nested = "<a>".repeat(500_000);
    let container: Vec<u8> =
        [1].into_iter().chain(b"\x03\xb0\x02a\xff\x0f".repeat(300_000)).collect();
    let entries: Vec<(String, Vec<u8>)> =
        (0..3_000).map(|at| (format!("/s{at}"), vec![1])).collect();
    let entries: Vec<(&str, &[u8])> =
        entries.iter().map(|(name, octets)| (name.as_str(), octets.as_slice())).collect();
    let table: Vec<(&str, &str, Vec<u8>)> = vec![
        ("objects in objects", "a.rtf", [b"{\\rtf1 ".to_vec(), deep].concat()),
        ("a large picture", "a.rtf", rtf(&format!("{{\\pict {}}}", "00".repeat(4_000_000)))),
        ("huge binary", "a.rtf", rtf("{\\object{\\*\\objdata \\bin2147483647 x}}")),
        ("fields in fields", "a.docx", word(&fields, &[])),
        ("elements in elements", "a.docx", word(&nested, &[])),
        (
            "a packed table",
            "a.doc",
            compound_of(&[("/VBA/dir", &container), ("/VBA/_VBA_PROJECT", &container)]),
        ),
        ("many streams", "a.doc", compound_of(&entries)),
        (
            "quotes",
            "a.docm",
            word("", &[("word/vbaProject.bin", &project(&[("M", &"\"".repeat(300_000))]))]),
        ),
    ];
    for (what, name, octets) in table {
        let begin = Instant::now();
        Walked::of(name, &octets);
        let took = begin.elapsed();
        println!("{what}: {} octets in {} ms", octets.len(), took.as_millis());
        // Twice the limit of the walk: machines of developers do other things besides.
        assert!(took < Duration::from_secs(4), "{what}: {took:?}");
    }
}
