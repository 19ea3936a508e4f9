//! A table of structures: where the annotation goes, what stays, what is refused.

use AnnotationPlace::{Above, Below};

use super::python::{compare_in_python, keep};
use super::*;

const HEAD: &str = "From: a@x.test\r\nMIME-Version: 1.0\r\n";

fn fixed(text: &str, place: AnnotationPlace) -> Vec<u8> {
    let annotation = Annotation { text: "X Y", html: None, place, key: "k" };
    annotated(text.as_bytes(), &annotation).unwrap_or_else(|why| panic!("{why}: {text}"))
}

/// `|` marks where the annotation goes: what stands there is told beside.
#[test]
fn the_annotation_goes_where_it_is_read() {
    let plain = "Content-Type: text/plain\r\n\r\n";
    let multi = |kind: &str| format!("Content-Type: multipart/{kind}; boundary=b\r\n\r\n");
    let html = "\r\n<!-- postern:k --><div>X Y</div>\r\n";
    let below = "\r\n\r\nX Y";
    let table: Vec<(String, AnnotationPlace, Vec<&str>)> = vec![
        (format!("{plain}a\r\n|"), Below, vec!["\r\nX Y\r\n"]),
        (format!("{plain}|a\r\n"), Above, vec!["X Y\r\n\r\n"]),
        (format!("{plain}a|"), Below, vec![below]),
        (format!("{plain}|"), Below, vec!["X Y\r\n"]),
        ("\r\na\r\n|".into(), Below, vec!["\r\nX Y\r\n"]),
        ("Subject: x|".into(), Below, vec!["\r\n\r\nX Y\r\n"]),
        ("Subject: x\r\n|".into(), Below, vec!["\r\nX Y\r\n"]),
        ("no header at all\r\n|".into(), Below, vec!["\r\nX Y\r\n"]),
        ("A: b\r\nno field\r\nC: d\r\n\r\nx|".into(), Below, vec![below]),
        (
            format!(
                "{}pre\r\n--b\r\n\r\na|\r\n--b\r\nContent-Type: text/html\r\n\r\n<body>a|</body>\r\n--b--\r\nend",
                multi("alternative")
            ),
            Below,
            vec![below, html],
        ),
        (
            format!(
                "{}--b\r\n{plain}a|\r\n--b\r\nContent-Type: a/b\r\n\r\nx\r\n--b--\r\n",
                multi("mixed")
            ),
            Below,
            vec![below],
        ),
        // A named text is a file.
        (
            format!(
                "{}--b\r\n{plain}a|\r\n--b\r\nContent-Type: text/plain; name=x.txt\r\n\r\nx\r\n--b--\r\n",
                multi("mixed")
            ),
            Below,
            vec![below],
        ),
        (
            format!(
                "{}--b\r\n{plain}first|\r\n--b\r\nContent-Type: image/png\r\n\r\nx\r\n--b\r\n{plain}other\r\n--b--\r\n",
                multi("mixed")
            ),
            Below,
            vec![below],
        ),
        (
            format!(
                "{}--b\r\nContent-Type: image/png\r\n\r\nx\r\n--b\r\nContent-ID: <r@x>\r\nContent-Type: text/html\r\n\r\na|\r\n--b--\r\n",
                multi("related; start=\"<r@x>\"")
            ),
            Below,
            vec![html],
        ),
        (
            format!(
                "{}--b\r\nContent-Type: text/html\r\n\r\na|\r\n--b\r\n{plain}x\r\n--b--\r\n",
                multi("related")
            ),
            Below,
            vec![html],
        ),
        (
            format!(
                "{}--b\r\n{plain}a|\r\n--b\r\nContent-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\n--b--\r\n",
                multi("alternative")
            ),
            Below,
            vec![below],
        ),
        (
            format!(
                "{}--b\r\n{plain}a|\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n{plain}inner\r\n--b--\r\n",
                multi("mixed")
            ),
            Below,
            vec![below],
        ),
        (
            format!(
                "{}--b\r\n{plain}a|\r\n--b\r\nContent-Type: multipart/signed; boundary=c\r\n\r\n--c\r\n\r\ns\r\n--c--\r\n--b--\r\n",
                multi("mixed")
            ),
            Below,
            vec![below],
        ),
        // Files alone: a text in front.
        (
            format!("{}|--b\r\nContent-Type: a/b\r\n\r\nx\r\n--b--\r\n", multi("mixed")),
            Below,
            vec![
                "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\nContent-Disposition: inline\r\n\r\nX Y\r\n",
            ],
        ),
        // A part that is nothing but its header.
        (
            format!("{}--b\r\nContent-Type: text/plain|\r\n--b--\r\n", multi("mixed")),
            Below,
            vec!["\r\n\r\nX Y\r\n"],
        ),
        (
            format!("{}--b\r\nContent-Type: text/plain\r\n|\r\n--b--\r\n", multi("mixed")),
            Below,
            vec!["\r\nX Y\r\n"],
        ),
        // Line ends of files.
        ("Subject: x\n\na\n|".into(), Below, vec!["\nX Y\n"]),
        // An unclosed multipart, closed by the outer one.
        (
            format!(
                "{}--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\na|\r\n--b--\r\n",
                multi("mixed")
            ),
            Below,
            vec![below],
        ),
        (
            "Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na =\r\n|"
                .to_owned(),
            Below,
            vec!["\r\n\r\nX Y"],
        ),
        (
            "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nYWJj\r\n|"
                .to_owned(),
            Below,
            vec!["DQoNClggWQ==\r\n"],
        ),
    ];
    for (marked, place, said) in table {
        let marked = match marked.starts_with("Content") {
            true => format!("{HEAD}{marked}"),
            false => marked,
        };
        let whole = String::from_utf8(fixed(&marked.replace('|', ""), place)).unwrap();
        let mut pieces = marked.split('|');
        let mut expected = pieces.next().unwrap().to_owned();
        for (piece, said) in pieces.zip(&said) {
            expected.push_str(said);
            expected.push_str(piece);
        }
        assert_eq!(whole, expected, "{place:?}");
    }
}

#[test]
fn what_must_stay_is_refused() {
    let part = |kind: &str| format!("{HEAD}Content-Type: {kind}\r\n\r\n--b\r\n\r\na\r\n--b--\r\n");
    let within = |kind: &str| {
        format!(
            "{HEAD}Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: {kind}\r\n\r\n--b\r\n\r\na\r\n--b--\r\n--o\r\n\r\nlist\r\n--o--\r\n"
        )
    };
    let signed = "multipart/signed; boundary=b; protocol=\"application/pgp-signature\"";
    let table = [
        (part(signed), Why::Signed),
        (within(signed), Why::Signed),
        (part("multipart/encrypted; boundary=b"), Why::Encrypted),
        (within("multipart/encrypted; boundary=b"), Why::Encrypted),
        (part("multipart/report; boundary=b; report-type=delivery-status"), Why::Report),
        (part("application/pkcs7-mime; smime-type=signed-data; name=smime.p7m"), Why::Signed),
        (part("application/x-pkcs7-mime; name=smime.p7m"), Why::Encrypted),
        (within("application/pkcs7-mime; smime-type=enveloped-data"), Why::Encrypted),
        (within("application/pgp-encrypted"), Why::Encrypted),
        (part("text/calendar; method=REQUEST"), Why::Calendar),
        (part("message/partial; id=1; number=1; total=2"), Why::Fragment),
        (part("multipart/mixed"), Why::Broken("a multipart without a boundary")),
        (part("multipart/mixed; boundary=other"), Why::Broken("a multipart without parts")),
        (format!("{HEAD}\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\n"), Why::Signed),
        (format!("{HEAD}\r\nHi\r\n-----BEGIN PGP MESSAGE-----\r\n"), Why::Encrypted),
        (format!("{HEAD}\r\n> X Y\r\n"), Why::Present),
    ];
    for (message, why) in table {
        let annotation = Annotation { text: "X Y", html: None, place: Below, key: "k" };
        assert_eq!(annotated(message.as_bytes(), &annotation), Err(why), "{message}");
    }
    let empty = Annotation { text: " \r\n", html: None, place: Below, key: "k" };
    assert_eq!(annotated(b"A: b\r\n\r\nx", &empty), Err(Why::Empty));
}

/// Texts in charsets and encodings, with what Python and mail-parser must read.
fn written() -> Vec<(String, Vec<u8>)> {
    let mut written = Vec::new();
    let charsets = [
        ("us-ascii", &b"plain text"[..]),
        ("utf-8", "grün 東京".as_bytes()),
        ("iso-8859-1", b"gr\xfcn"),
        ("iso-8859-2", b"\xa3\xf3d\xbc"),
        ("windows-1252", b"gr\xfcn \x96 \x80"),
        ("koi8-r", b"\xc4\xc1"),
        ("shift_jis", b"\x93\x8c\x8b\x9e"),
        ("iso-2022-jp", b"\x1b$BEl5~\x1b(B"),
        ("gb2312", b"\xb6\xab\xbe\xa9"),
        ("big5", b"\xaaF\xa8\xca"),
        ("euc-kr", b"\xb5\xbf"),
        ("utf-16le", b"h\0i\0"),
        ("utf-16", b"\xfe\xff\0h\0i"),
        ("utf-7", b"gr+APw-n"),
        ("x-unknown", b"h\xfci"),
    ];
    for (charset, text) in charsets {
        for tail in ["", "\r\n", " \r\n", "\r\n\r\n", "=\r\n"] {
            if charset.starts_with("utf-16") && !tail.is_empty() {
                continue;
            }
            let body = [text, tail.as_bytes()].concat();
            let head = format!("{HEAD}Content-Type: text/plain; charset={charset}\r\n");
            let mut identity =
                format!("{head}Content-Transfer-Encoding: 8bit\r\n\r\n").into_bytes();
            identity.extend_from_slice(&body);
            let mut quoted =
                format!("{head}Content-Transfer-Encoding: quoted-printable\r\n\r\n").into_bytes();
            quoted.extend(encode::quoted_printable(&body, "\r\n"));
            let mut base64 =
                format!("{head}Content-Transfer-Encoding: base64\r\n\r\n").into_bytes();
            base64.extend(encode::base64(&body, "\r\n"));
            let page = [b"<html><body><p>", &body[..], b"</p></body></html>"].concat();
            let hides = charset.starts_with("utf-");
            for (name, message) in [("8bit", identity), ("qp", quoted), ("base64", base64)] {
                let stem = format!("{charset}-{name}-{}", tail.len());
                written.push((stem.clone(), message.clone()));
                if hides && charset != "utf-8" {
                    continue;
                }
                let mut html = format!("{HEAD}Content-Type: text/html; charset={charset}\r\n");
                let (encoding, octets) = match name {
                    "8bit" => ("8bit", page.clone()),
                    "qp" => ("quoted-printable", encode::quoted_printable(&page, "\r\n")),
                    _ => ("base64", encode::base64(&page, "\r\n")),
                };
                html.push_str(&format!("Content-Transfer-Encoding: {encoding}\r\n\r\n"));
                written.push((format!("{stem}-html"), [html.as_bytes(), &octets].concat()));
            }
        }
    }
    written
}

#[test]
fn every_charset_and_encoding_carries_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut pairs = 0;
    for (stem, message) in written() {
        for place in [Above, Below] {
            for (name, text) in [("ascii", ASCII), ("wide", WIDE)] {
                let whole = annotated(&message, &said(text, place))
                    .unwrap_or_else(|why| panic!("{stem}: {why}"));
                assert_eq!(annotated(&whole, &said(text, place)), Err(Why::Present), "{stem}");
                // Its decoder takes the octets of other texts for this one's.
                if !stem.starts_with("x-unknown") {
                    let seen = compare(&message, &whole, text);
                    assert_eq!(seen.wrong, [""; 0], "{stem} {name} {place:?}");
                    assert_eq!(seen.changed.len() + seen.fresh, 1, "{stem} {seen:?}");
                }
                let head = String::from_utf8_lossy(&whole);
                if !head.contains("8bit") {
                    assert!(whole.is_ascii() || !message.is_ascii(), "{stem}");
                }
                keep(folder.path(), &format!("{stem}-{name}-{place:?}"), &message, &whole, text);
                pairs += 1;
            }
        }
    }
    let Some(lines) = compare_in_python(folder.path()) else { return };
    let differing: Vec<&String> = lines.iter().filter(|line| !line.starts_with("pairs")).collect();
    println!("{pairs} messages of every charset and encoding: {:?}", lines.last());
    assert!(differing.is_empty(), "{differing:#?}");
}

#[test]
fn html_given_is_used() {
    let html = "<html><body><p style=\"color:grey\">Zürich</p></body></html>";
    let annotation = Annotation { text: "Z", html: Some(html), place: Below, key: "a--b>c" };
    let message = format!("{HEAD}Content-Type: text/html\r\n\r\n<p>x</p>\r\n");
    let whole = String::from_utf8(annotated(message.as_bytes(), &annotation).unwrap()).unwrap();
    assert!(whole.ends_with(
        "<p>x</p>\r\n\r\n<!-- postern:a..b.c --><div><p style=\"color:grey\">Z&#252;rich</p></div>\r\n"
    ));
    let unclosed = Annotation { html: Some("<p>y</p><!-- open"), ..annotation };
    let whole = String::from_utf8(annotated(message.as_bytes(), &unclosed).unwrap()).unwrap();
    assert!(whole.ends_with("<div><p>y</p></div>\r\n"), "{whole}");
}

#[test]
fn what_cannot_take_it_in_becomes_a_part() {
    let message = "From: a@x.test\r\nContent-Type: application/pdf; name=x.pdf\r\nSubject: s\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment\r\n\r\nAAAA\r\n"
        .to_owned();
    for place in [Above, Below] {
        let whole = String::from_utf8(fixed(&message, place)).unwrap();
        let boundary = whole.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
        let expected = format!(
            "From: a@x.test\r\nSubject: s\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"{boundary}\"\r\n\r\n\
             --{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\nContent-Disposition: inline\r\n\r\nX Y\r\n\
             --{boundary}\r\nContent-Type: application/pdf; name=x.pdf\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment\r\n\r\nAAAA\r\n\r\n--{boundary}--\r\n"
        );
        assert_eq!(whole, expected);
    }
    // A boundary that was guessed is not taken.
    let wrapped = String::from_utf8(fixed(&message, Below)).unwrap();
    let taken = wrapped.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
    let same_length = message.replace("AAAA", taken);
    let again = String::from_utf8(fixed(&same_length, Below)).unwrap();
    assert!(!again.contains(&format!("--{taken}\r\n")));
    // A line of it that would be a delimiter.
    let multi = format!(
        "{HEAD}Content-Type: multipart/mixed; boundary=-b\r\n\r\n---b\r\n\r\na\r\n---b--\r\n"
    );
    let dashed = Annotation { text: "---b\nX", html: None, place: Below, key: "k" };
    let whole = annotated(multi.as_bytes(), &dashed).unwrap();
    let [(_, text)] = &leaves(&whole)[..] else { panic!("one part") };
    assert_eq!(text, b"a\r\n\r\n---b\r\nX");
}

#[test]
fn flowed_text_is_not_joined() {
    let message =
        format!("{HEAD}Content-Type: text/plain; format=flowed; delsp=yes\r\n\r\na soft \r\n");
    let long = "word ".repeat(40);
    let annotation = Annotation { text: &long, html: None, place: Below, key: "k" };
    let whole = String::from_utf8(annotated(message.as_bytes(), &annotation).unwrap()).unwrap();
    let body = whole.split("\r\n\r\n").nth(2).unwrap();
    assert!(body.lines().all(|line| line.len() <= 78), "{body}");
    assert_eq!(body.trim_end().replace(" \r\n", ""), long.trim_end());
}

#[test]
fn hostile_messages_take_linear_time() {
    let started = std::time::Instant::now();
    let dashes = format!(
        "{HEAD}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\na{}",
        "\n--".repeat(400_000)
    );
    let comments = format!("{HEAD}Content-Type: text/html\r\n\r\n{}", "<!----!>".repeat(100_000));
    let opens = format!("{HEAD}Content-Type: text/html\r\n\r\n{}", "<a b=\"<div>".repeat(100_000));
    let divs = format!("{HEAD}Content-Type: text/html\r\n\r\n{}", "<div>".repeat(100_000));
    let parts = format!(
        "{HEAD}Content-Type: multipart/mixed; boundary=b\r\n\r\n{}",
        "--b\r\n\r\nx\r\n".repeat(100_000)
    );
    let deep: String = (0..200)
        .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n"))
        .collect();
    for message in [dashes, comments, opens, divs, parts, deep] {
        let _ = annotated(message.as_bytes(), &said(WIDE, Below));
        println!("{} octets by {:?}", message.len(), started.elapsed());
    }
    assert!(started.elapsed().as_secs() < 60);
}
