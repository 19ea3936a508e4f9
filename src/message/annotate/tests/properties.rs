//! Annotations of generated structures, in memory and in files.

use proptest::prelude::*;

use super::python::{compare_in_python, keep};
use super::*;

/// A part: its header and body, with unique boundaries below `path`.
#[derive(Debug, Clone)]
enum Shape {
    Text { kind: &'static str, encoding: &'static str, charset: &'static str, text: String },
    File,
    Multi { kind: &'static str, parts: Vec<Shape>, around: bool },
}

fn shapes() -> impl Strategy<Value = Shape> {
    let encodings = prop::sample::select(vec!["7bit", "quoted-printable", "base64"]);
    let charsets = prop::sample::select(vec!["us-ascii", "utf-8", "iso-8859-1", "koi8-r"]);
    let kinds = prop::sample::select(vec!["plain", "html", "plain; format=flowed"]);
    let text = "([a-z<>=. -]{0,90}(\r\n)?){0,4}";
    let leaf = prop_oneof![
        4 => (kinds, encodings, charsets, text).prop_map(|(kind, encoding, charset, text)| {
            Shape::Text { kind, encoding, charset, text }
        }),
        1 => Just(Shape::File),
    ];
    let kinds = prop::sample::select(vec!["mixed", "alternative", "related", "x-other"]);
    leaf.prop_recursive(4, 24, 4, move |inner| {
        (kinds.clone(), prop::collection::vec(inner, 1..4), any::<bool>())
            .prop_map(|(kind, parts, around)| Shape::Multi { kind, parts, around })
    })
}

fn write(shape: &Shape, path: &str) -> String {
    match shape {
        Shape::File => "Content-Type: application/pdf; name=x.pdf\r\n\
            Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK\r\n"
            .to_owned(),
        Shape::Text { kind, encoding, charset, text } => {
            let body = match *encoding {
                "base64" => encode::base64(text.as_bytes(), "\r\n"),
                "quoted-printable" => encode::quoted_printable(text.as_bytes(), "\r\n"),
                _ => text.replace("--", "-").into_bytes(),
            };
            format!(
                "Content-Type: text/{kind}; charset={charset}\r\n\
                 Content-Transfer-Encoding: {encoding}\r\n\r\n{}",
                String::from_utf8(body).unwrap()
            )
        }
        Shape::Multi { kind, parts, around } => {
            let (before, after) = if *around { ("before\r\n", "after\r\n") } else { ("", "") };
            let mut out =
                format!("Content-Type: multipart/{kind}; boundary=\"=_{path}\"\r\n\r\n{before}");
            for (number, part) in parts.iter().enumerate() {
                out.push_str(&format!("--=_{path}\r\n"));
                out.push_str(&write(part, &format!("{path}.{number}")));
                out.push_str("\r\n");
            }
            out.push_str(&format!("--=_{path}--\r\n{after}"));
            out
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// It is in, once; all that was there is there and reads the same.
    #[test]
    fn every_structure_takes_it_in(shape in shapes(), above in any::<bool>(), wide in any::<bool>()) {
        let message = format!("From: a@x.test\r\nMIME-Version: 1.0\r\n{}", write(&shape, "b"));
        let place = if above { AnnotationPlace::Above } else { AnnotationPlace::Below };
        let text = if wide { WIDE } else { ASCII };
        let whole = annotated(message.as_bytes(), &said(text, place)).unwrap();
        prop_assert_eq!(annotated(&whole, &said(text, place)), Err(Why::Present));
        let shown = String::from_utf8_lossy(&whole).into_owned();
        // mail-parser leaves out white space of quoted-printable that this room keeps.
        let seen = compare(message.as_bytes(), &whole, text);
        prop_assert_eq!(&seen.wrong, &Vec::<String>::new(), "{}\n=>\n{}", message, shown);
        prop_assert!(seen.changed.len() + seen.fresh >= 1, "{}\n=>\n{}", message, shown);
        // All alternatives say it, and nothing else does.
        if let Shape::Multi { kind: "alternative", parts, .. } = &shape
            && parts.iter().all(|part| matches!(part, Shape::Text { .. }))
        {
            prop_assert_eq!(seen.changed.len() + seen.fresh, parts.len(), "{}\n=>\n{}", message, shown);
        }
        prop_assert!(whole.is_ascii());
        prop_assert!(shown.lines().all(|line| line.len() <= 998));
    }
}

/// The same structures in Python's `email`.
#[test]
fn python_reads_every_structure() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let folder = tempfile::tempdir().unwrap();
    for number in 0..400 {
        let shape = shapes().new_tree(&mut runner).unwrap().current();
        let message = format!("From: a@x.test\r\nMIME-Version: 1.0\r\n{}", write(&shape, "b"));
        let place = [AnnotationPlace::Above, AnnotationPlace::Below][number % 2];
        let text = [ASCII, WIDE][number / 2 % 2];
        let whole = annotated(message.as_bytes(), &said(text, place)).unwrap();
        keep(folder.path(), &format!("{number}"), message.as_bytes(), &whole, text);
    }
    let Some(lines) = compare_in_python(folder.path()) else { return };
    println!("{:?}", lines.last());
    let differing: Vec<&String> = lines.iter().filter(|line| !line.starts_with("pairs")).collect();
    assert!(differing.is_empty(), "{differing:#?}");
}

fn in_file(octets: &[u8]) -> (Content, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("message");
    std::fs::write(&path, octets).unwrap();
    let file = std::sync::Arc::new(std::fs::File::open(&path).unwrap());
    (Content::in_file(file, 0, octets.len() as u64), dir)
}

/// A text, a file of so many octets, and a last text.
fn large(octets: usize, eol: &str) -> String {
    let line = format!("{}{eol}", "QUJD".repeat(19));
    let file = line.repeat(octets / line.len()) + &"x".repeat(octets % line.len());
    [
        "MIME-Version: 1.0",
        "Content-Type: multipart/mixed; boundary=\"=_b\"",
        "",
        "--=_b",
        "",
        "first",
        "--=_b",
        "Content-Type: a/b; name=x",
        "Content-Transfer-Encoding: base64",
        "",
        &file,
        "--=_b",
        "Content-Type: text/html",
        "",
        "<p>last",
        "--=_b--",
        "",
    ]
    .join(eol)
}

#[test]
fn a_file_is_read_in_windows() {
    for eol in ["\r\n", "\n"] {
        let head = large(0, eol).find("--=_b\n").unwrap_or(200);
        for octets in
            (262_144 - 17_000..262_144 + 600).step_by(997).chain(262_144 - head - 40..262_144)
        {
            if octets % 7 > 0 && octets > 261_000 {
                continue;
            }
            // The text behind the file alone, so that all of it is passed.
            let message = large(octets, eol).replacen(&format!("--=_b{eol}{eol}first{eol}"), "", 1);
            let (content, _dir) = in_file(message.as_bytes());
            for place in [AnnotationPlace::Above, AnnotationPlace::Below] {
                let annotation = said(ASCII, place);
                let in_memory = Content::from_bytes(message.clone());
                let expected = annotate(&in_memory, &annotation).unwrap().unwrap();
                assert_eq!(annotate(&content, &annotation).unwrap().unwrap(), expected, "{octets}");
                assert_eq!(expected.len(), 1);
                let at = expected[0].place.start as usize;
                let before = if place == AnnotationPlace::Above {
                    format!("{eol}{eol}")
                } else {
                    "<p>last".into()
                };
                assert!(message[..at].ends_with(&before), "{octets} {place:?}");
            }
        }
    }
}

#[test]
fn a_large_message_is_not_decoded() {
    let message = large(25 << 20, "\r\n");
    let (in_file, _dir) = in_file(message.as_bytes());
    let in_memory = Content::from_bytes(message.clone());
    for (name, content) in [("memory", in_memory), ("a file", in_file)] {
        let started = std::time::Instant::now();
        let edits = annotate(&content, &said(WIDE, AnnotationPlace::Below)).unwrap().unwrap();
        println!(
            "{} octets in {name}: {:?}, {} edits",
            message.len(),
            started.elapsed(),
            edits.len()
        );
        assert!(started.elapsed().as_millis() < 2_000);
    }
    let alone = message.replacen("multipart/mixed", "multipart/x-mixed", 1);
    let wrapped = alone.replacen("\r\n\r\nfirst", "\r\nContent-Type: a/c\r\n\r\nfirst", 1);
    let started = std::time::Instant::now();
    annotated(wrapped.as_bytes(), &said(WIDE, AnnotationPlace::Below)).unwrap();
    println!("with a text in HTML alone: {:?}", started.elapsed());
}
