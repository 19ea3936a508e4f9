//! Ways to hide a file from a program that reads mail otherwise than its reader does: a table
//! that grows. Each row holds the test file of EICAR; it must be found, or the message must not
//! be clean by its findings.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::encoders::{binhex, lines, tnef, tnef_embedded, uuencoded, xxencoded, yenc, yenc_piece};
use super::*;
use crate::message::contents::{Contents, Limits as ContentsLimits};

/// A way to hide a file.
pub(crate) struct Hidden {
    pub(crate) name: &'static str,
    pub(crate) message: Vec<u8>,
}

/// The test file, put together here so that no file of ours is taken for it.
pub(crate) fn eicar() -> Vec<u8> {
    let halves = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STAND", "ARD-ANTIVIRUS-TEST-FILE!$H+H*"];
    halves.concat().into_bytes()
}

const HEAD: &str = "From: a@x.test\r\nTo: b@y.test\r\nSubject: s\r\n\
    Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nMIME-Version: 1.0\r\n";

fn plain() -> String {
    String::from_utf8(eicar()).unwrap()
}

fn base64() -> String {
    STANDARD.encode(eicar())
}

fn quoted() -> String {
    eicar().iter().map(|octet| format!("={octet:02X}")).collect()
}

/// The file with its own header.
fn part() -> String {
    format!(
        "Content-Type: application/octet-stream; name=a.com\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        base64()
    )
}

fn mixed(rest: &str) -> String {
    format!("{HEAD}Content-Type: multipart/mixed{rest}")
}

/// A multipart whose parts are these.
fn parts(inner: &[&str]) -> String {
    let mut text = mixed("; boundary=bb\r\n\r\n");
    for part in inner {
        text.push_str(&format!("--bb\r\n{part}\r\n"));
    }
    text + "--bb--\r\n"
}

/// One part beside a text.
fn with(part: &str) -> String {
    parts(&["Content-Type: text/plain\r\n\r\nHello", part])
}

fn nested(header: &str, encoded: &str) -> String {
    with(&format!("Content-Type: application/octet-stream; name=a.com\r\n{header}\r\n{encoded}"))
}

/// All ways, whole messages with the line ends of the wire.
pub(crate) fn hidden() -> Vec<Hidden> {
    let mut rows = fields();
    rows.extend(parameters());
    rows.extend(boundaries());
    rows.extend(encodings());
    rows.extend(heads());
    rows.extend(texts());
    rows.extend(messages());
    rows
}

fn row(name: &'static str, message: impl Into<Vec<u8>>) -> Hidden {
    Hidden { name, message: message.into() }
}

fn fields() -> Vec<Hidden> {
    let (b, part) = (base64(), part());
    let body = format!("\r\n--bb\r\n{part}--bb--\r\n");
    vec![
        row("as it is", with(&part)),
        row("single part", format!("{HEAD}{part}")),
        row(
            "type twice, last counts",
            mixed(&format!(
                "; boundary=xx\r\nContent-Type: multipart/mixed; boundary=bb\r\n{body}"
            )),
        ),
        row(
            "type twice, first counts",
            mixed(&format!(
                "; boundary=bb\r\nContent-Type: multipart/mixed; boundary=xx\r\n{body}"
            )),
        ),
        row(
            "type twice, text first",
            format!(
                "{HEAD}Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=bb\r\n{body}"
            ),
        ),
        row(
            "type five times",
            format!(
                "{HEAD}Content-Type: text/plain\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\nContent-Type: multipart/mixed; boundary=bb\r\nContent-Type: text/plain\r\n{body}"
            ),
        ),
        row(
            "encoding twice, first base64",
            nested("Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 7bit\r\n", &b),
        ),
        row(
            "encoding twice, last base64",
            nested("Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n", &b),
        ),
        row(
            "encoding twice, quoted-printable and base64",
            nested(
                "Content-Transfer-Encoding: quoted-printable\r\nContent-Transfer-Encoding: base64\r\n",
                &b,
            ),
        ),
        row(
            "disposition twice",
            with(&format!(
                "Content-Disposition: inline; filename=a.txt\r\nContent-Disposition: attachment; filename=a.com\r\n{part}"
            )),
        ),
        row(
            "type without subtype",
            format!("{HEAD}Content-Type: multipart; boundary=bb\r\n{body}"),
        ),
        row(
            "type without anything but a boundary",
            format!("{HEAD}Content-Type: ; boundary=bb\r\n{body}"),
        ),
        row(
            "text with a boundary",
            format!("{HEAD}Content-Type: text/plain; boundary=bb\r\n{body}"),
        ),
        row(
            "type with blanks",
            format!("{HEAD}Content-Type: multipart / mixed; boundary=bb\r\n{body}"),
        ),
        row(
            "type in capitals, folded",
            format!("{HEAD}CONTENT-TYPE:\r\n\tMULTIPART/MIXED\r\n\t;\r\n\tBOUNDARY=bb\r\n{body}"),
        ),
        row(
            "type as an encoded word",
            format!("{HEAD}Content-Type: =?us-ascii?q?multipart/mixed?=; boundary=bb\r\n{body}"),
        ),
        row(
            "space before colon of the type",
            format!("{HEAD}Content-Type : multipart/mixed; boundary=bb\r\n{body}"),
        ),
        row(
            "space before colon of the encoding",
            nested("Content-Transfer-Encoding : base64\r\n", &b),
        ),
        row(
            "space before colon of an encoding that misleads",
            nested(
                "Content-Transfer-Encoding : quoted-printable\r\nContent-Transfer-Encoding: base64\r\n",
                &b,
            ),
        ),
        row(
            "no MIME-Version",
            mixed(&format!("; boundary=bb\r\n{body}")).replace("MIME-Version: 1.0\r\n", ""),
        ),
    ]
}

fn parameters() -> Vec<Hidden> {
    let part = part();
    let of = |rest: &str, boundary: &str| {
        mixed(&format!("{rest}\r\n\r\n--{boundary}\r\n{part}--{boundary}--\r\n"))
    };
    vec![
        row("boundary twice, first", of("; boundary=bb; boundary=cc", "bb")),
        row("boundary twice, last", of("; boundary=cc; boundary=bb", "bb")),
        row("boundary with a comment", of("; boundary=bb (c)", "bb")),
        row("boundary with a comment that counts", of("; boundary=bb(c)", "bb(c)")),
        row("comment that hides a boundary", of(" (; boundary=cc); boundary=bb", "bb")),
        row("comment that is a boundary to some", of(" (; boundary=bb; x=); boundary=cc", "bb")),
        row("quotes that hide a boundary", of("; x=\"; boundary=bb; y=\"; boundary=cc", "bb")),
        row("quote that never closes", of("; boundary=\"bb", "bb")),
        row("quoted and more", of("; boundary=\"b\"b", "bb")),
        row("quoted and no more", of("; boundary=\"bb\"cc", "bb")),
        row("backslash in a quote", of("; boundary=\"b\\b\"", "bb")),
        row("backslash that counts", of("; boundary=\"b\\b\"", "b\\b")),
        row("blank in a value, cut", of("; boundary=bb cc", "bb")),
        row("blank in a value, kept", of("; boundary=bb cc", "bb cc")),
        row("blanks around equals", of("; boundary = bb", "bb")),
        row("no semicolon", of(" boundary=bb", "bb")),
        row("no semicolon between", of("; charset=x boundary=bb", "bb")),
        row("many semicolons", of(";;; boundary=bb", "bb")),
        row("extended boundary", of("; boundary*=us-ascii'en'b%62", "bb")),
        row("extended and plain, extended counts", of("; boundary=cc; boundary*=''bb", "bb")),
        row("extended and plain, plain counts", of("; boundary=bb; boundary*=''cc", "bb")),
        row("sections", of("; boundary*0=b; boundary*1=b", "bb")),
        row("sections in another order", of("; boundary*1=b; boundary*0=a", "ab")),
        row("sections as they stand", of("; boundary*1=b; boundary*0=a", "ba")),
        row("first section only", of("; boundary*0=bb; boundary*2=cc", "bb")),
        row("sections and plain", of("; boundary*0=c; boundary*1=c; boundary=bb", "bb")),
        row("encoded word as boundary, decoded", of("; boundary=\"=?us-ascii?q?bb?=\"", "bb")),
        row(
            "encoded word as boundary, as it is",
            of("; boundary=\"=?us-ascii?q?bb?=\"", "=?us-ascii?q?bb?="),
        ),
        row("boundary with blank in front", of("; boundary=\" bb\"", "bb")),
        row("boundary with blank in front that counts", of("; boundary=\" bb\"", " bb")),
        row("boundary with blank behind", of("; boundary=\"bb \"", "bb")),
        row("boundary in capitals of the name", of("; BoUnDaRy=bb", "bb")),
        row("boundary of odd characters", of("; boundary=\"b*{}b\"", "b*{}b")),
        row("boundary beyond ASCII", of("; boundary=\"b\u{fc}b\"", "b\u{fc}b")),
        row("boundary that is empty", of("; boundary=\"\"", "")),
        row(
            "boundary that is long",
            of(&format!("; boundary={}", "b".repeat(90)), &"b".repeat(90)),
        ),
        row(
            "boundary that is long and cut",
            of(&format!("; boundary={}", "b".repeat(90)), &"b".repeat(70)),
        ),
        row("no boundary", of("", "bb")),
        row("boundary that is never used", of("; boundary=zz", "bb")),
    ]
}

fn boundaries() -> Vec<Hidden> {
    let part = part();
    let of = |body: &str| mixed(&format!("; boundary=bb\r\n\r\n{body}"));
    let inner = |boundary: &str, body: &str| {
        format!("Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n{body}")
    };
    vec![
        row("preamble", of(&format!("{part}--bb\r\n\r\nx\r\n--bb--\r\n"))),
        row(
            "preamble with a boundary of its own",
            of(&format!("--cc\r\n{part}--cc--\r\n--bb\r\n\r\nx\r\n--bb--\r\n")),
        ),
        row("epilogue", of(&format!("--bb\r\n\r\nx\r\n--bb--\r\n{part}"))),
        row(
            "epilogue uuencoded",
            of(&format!("--bb\r\n\r\nx\r\n--bb--\r\n{}", uuencoded(&eicar(), '`'))),
        ),
        row("after the end", of(&format!("--bb\r\n\r\nx\r\n--bb--\r\n--bb\r\n{part}--bb--\r\n"))),
        row("never closed", of(&format!("--bb\r\n{part}"))),
        row("longer than the boundary", of(&format!("--bb\r\n\r\nx\r\n--bbc\r\n{part}--bb--\r\n"))),
        row("longer only", of(&format!("--bbc\r\n{part}--bbc--\r\n"))),
        row("closing with more", of(&format!("--bb\r\n\r\nx\r\n--bb--x\r\n{part}--bb--\r\n"))),
        row("blanks behind", of(&format!("--bb \t\r\n{part}--bb-- \r\n"))),
        row(
            "blanks behind that end nothing",
            of(&format!("--bb\r\n{}\r\n--bb \r\nx\r\n--bb--\r\n", part.trim_end())),
        ),
        row("indented", of(&format!(" --bb\r\n{part} --bb--\r\n"))),
        row("bare CR before", of(&format!("x\r--bb\r\n{part}\r--bb--\r\n"))),
        row("bare CR behind", of(&format!("--bb\r{}", part.replace("\r\n", "\r")))),
        row("NUL behind", of(&format!("--bb\0\r\n{part}--bb--\r\n"))),
        row("blank line before", of(&format!("\r\n\r\n--bb\r\n{part}--bb--\r\n"))),
        row(
            "inner with the same boundary",
            of(&format!(
                "--bb\r\n{}\r\n--bb--\r\n",
                inner("bb", &format!("--bb\r\n{part}--bb--\r\n"))
            )),
        ),
        row(
            "inner that begins like the outer",
            of(&format!(
                "--bb\r\n{}\r\n--bb--\r\n",
                inner("bbc", &format!("--bbc\r\n{part}--bbc--\r\n"))
            )),
        ),
        row(
            "outer that begins like the inner",
            of(&format!(
                "--bb\r\n{}\r\n--bb--\r\n",
                inner("b", &format!("--b\r\n{part}--b--\r\n"))
            )),
        ),
        row(
            "inner that goes on outside",
            of(&format!(
                "--bb\r\n{}\r\n--bb\r\n\r\n--cc\r\n{part}--cc--\r\n--bb--\r\n",
                inner("cc", "x\r\n")
            )),
        ),
        row(
            "header of a part without an end",
            of(&format!("--bb\r\nX: y\r\n{}\r\n--bb--\r\n", plain())),
        ),
        row("part that begins with blank lines", of(&format!("--bb\r\n\r\n\r\n{part}--bb--\r\n"))),
        row(
            "deep",
            (0..60)
                .map(|n| inner(&format!("d{n}"), &format!("\r\n--d{n}\r\n")))
                .collect::<String>()
                + &part,
        ),
        row(
            "many parts",
            of(&("--bb\r\n\r\nx\r\n".repeat(2_000) + &format!("--bb\r\n{part}--bb--\r\n"))),
        ),
        row(
            "digest",
            format!(
                "{HEAD}Content-Type: multipart/digest; boundary=bb\r\n\r\n--bb\r\n\r\n{part}--bb--\r\n"
            ),
        ),
    ]
}

fn encodings() -> Vec<Hidden> {
    let (b, q) = (base64(), quoted());
    let of = |encoding: &str, body: &str| {
        nested(&format!("Content-Transfer-Encoding: {encoding}\r\n"), body)
    };
    let (start, rest) = b.split_at(32);
    let file = eicar();
    let (first, second) = file.split_at(31).map_both(|half| STANDARD.encode(half));
    vec![
        row("base64 in lines", of("base64", &lines(&b))),
        row(
            "base64 in any line",
            of("base64", &b.chars().map(|c| format!("{c}\r\n")).collect::<String>()),
        ),
        row(
            "base64 with foreign characters",
            of("base64", &b.chars().map(|c| format!("{c}!")).collect::<String>()),
        ),
        row("base64 with foreign lines", of("base64", &format!("{start}\r\n*QUJD*\r\n{rest}"))),
        row(
            "base64 with letters in foreign lines",
            of("base64", &format!("{start}\r\n# comment\r\n{rest}")),
        ),
        row(
            "base64 with NULs",
            of("base64", &b.chars().map(|c| format!("{c}\0")).collect::<String>()),
        ),
        row("base64 with octets beyond ASCII", of("base64", &format!("{start}\u{fc}{rest}"))),
        row("base64 after padding", of("base64", &format!("QQ==\r\n{b}"))),
        row("base64 in padded halves", of("base64", &format!("{first}\r\n{second}"))),
        row(
            "base64 with equals signs to be ignored",
            of("base64", &format!("{}={}", &b[..30], &b[30..])),
        ),
        row("base64 and then a clean file", of("base64", &format!("{b}\r\nQUJDREVG"))),
        row("base64 without its padding", of("base64", b.trim_end_matches('='))),
        row("base64 cut", of("base64", &format!("{}Q", b.trim_end_matches('=')))),
        row(
            "base64 of the other alphabet",
            of("base64", &URL_SAFE.encode([b"\xfb\xff\xbf".to_vec(), eicar()].concat())),
        ),
        row("base64 that is none", of("base64", &plain())),
        row("quoted-printable", of("quoted-printable", &q)),
        row("quoted-printable in small letters", of("quoted-printable", &q.to_lowercase())),
        row(
            "quoted-printable with soft breaks",
            of("quoted-printable", &q.replace('=', "=\r\n=").replacen("=\r\n", "", 1)),
        ),
        row(
            "quoted-printable with blanks behind breaks",
            of("quoted-printable", &lines(&plain()).replace("\r\n", "= \t\r\n")),
        ),
        row(
            "quoted-printable with stray equals signs",
            of("quoted-printable", &plain().replace('R', "=R")),
        ),
        row("encoding with a comment", of("base64 (c)", &b)),
        row("encoding in a comment", of("(c) base64", &b)),
        row("encoding in quotes", of("\"base64\"", &b)),
        row("encoding with a parameter", of("base64; x=y", &b)),
        row("encoding with a stray colon", of(": base64", &b)),
        row("encoding as an encoded word", of("=?us-ascii?q?base64?=", &b)),
        row("encoding with a blank", of("base 64", &b)),
        row("encoding with x-", of("x-base64", &b)),
        row("encoding that nobody knows", of("x-none", &b)),
        row("encoding that nobody knows, quoted", of("x-none", &q)),
        row("encoding in capitals, folded", of("\r\n\tBASE64", &b)),
        row("encoding and NUL", of("base64\0", &b)),
        row("encoding of a multipart", {
            let inner = STANDARD.encode(format!("--cc\r\n{}--cc--\r\n", part()));
            with(&format!(
                "Content-Type: multipart/mixed; boundary=cc\r\nContent-Transfer-Encoding: base64\r\n\r\n{inner}"
            ))
        }),
        row(
            "encoding of a multipart that is none",
            with(&format!(
                "Content-Type: multipart/mixed; boundary=cc\r\nContent-Transfer-Encoding: base64\r\n\r\n--cc\r\n{}--cc--\r\n",
                part()
            )),
        ),
        row("uuencode as encoding", of("x-uuencode", &uuencoded(&eicar(), '`'))),
        row("binary", of("binary", &plain())),
    ]
}

/// Both halves of a pair by one function.
trait MapBoth<T> {
    fn map_both<U>(self, each: impl Fn(T) -> U) -> (U, U);
}

impl<T> MapBoth<T> for (T, T) {
    fn map_both<U>(self, each: impl Fn(T) -> U) -> (U, U) {
        (each(self.0), each(self.1))
    }
}

fn heads() -> Vec<Hidden> {
    let (b, part) = (base64(), part());
    let body = format!("\r\n--bb\r\n{part}--bb--\r\n");
    let of = |line: &str| with(&part.replacen("\r\n", &format!("\r\n{line}"), 1));
    vec![
        row(
            "line of blanks ends the header",
            mixed(&format!("; boundary=bb\r\n \r\nX: y\r\n{body}")),
        ),
        row("line of blanks in a part", of(" \t\r\n")),
        row(
            "line of blanks, then another header",
            with(&format!("Content-Type: text/plain\r\n \r\n{part}")),
        ),
        row(
            "line of blanks ends a part's header",
            with(&format!(
                "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n \t\r\n{b}\r\n"
            )),
        ),
        row("line that is no field", of("no field at all\r\n")),
        row("line that is no field before the type", with(&format!("no field at all\r\n{part}"))),
        row(
            "line that is no field ends the header",
            with(&format!("Content-Transfer-Encoding: base64\r\n{}\r\n{}", &b[..40], &b[40..])),
        ),
        row("begins with a continuation", with(&format!(" x\r\n{part}"))),
        row(
            "bare CR ends a field",
            of("X: y\rContent-Transfer-Encoding: base64\r\n").replacen(
                "Content-Transfer-Encoding: base64\r\n\r\n",
                "\r\n",
                1,
            ),
        ),
        row("bare CRs end all fields", with(&part.replacen("\r\n", "\r", 2))),
        row("bare CRs end the header", with(&part.replace("\r\n", "\r"))),
        row("NUL in the field", with(&part.replace("base64\r\n", "base64\0x\r\n"))),
        row(
            "NUL in the name of the field",
            with(&part.replace("Content-Transfer", "Content-\0Transfer")),
        ),
        row("byte order mark before the message", format!("\u{feff}{}", with(&part))),
        row(
            "byte order mark before the only type",
            format!("\u{feff}Content-Type: multipart/mixed; boundary=bb\r\n{HEAD}{body}"),
        ),
        row(
            "byte order mark before the part",
            with(&format!(
                "\u{feff}{}",
                part.replacen(
                    "Content-Type",
                    "Content-Transfer-Encoding: base64\r\nContent-Type",
                    1
                )
                .replacen("Content-Transfer-Encoding: base64\r\n\r\n", "\r\n", 1)
            )),
        ),
        row(
            "line of an mbox before the message",
            format!("From x Mon Jan 1 00:00:00 2024\r\n{}", with(&part)),
        ),
        row("blank lines before the message", format!("\r\n\r\n{}", with(&part))),
        row(
            "very long field",
            with(&part.replace("; name", &format!("; x={}; name", "y".repeat(20_000)))),
        ),
        row("very many fields", with(&format!("{}{part}", "X: y\r\n".repeat(3_000)))),
        row("field folded in its name", with(&part.replace("base64\r\n", "\r\n base64\r\n"))),
    ]
}

fn texts() -> Vec<Hidden> {
    let eicar = eicar();
    let uu = uuencoded(&eicar, '`');
    let of = |text: &str| format!("{HEAD}\r\nHello\r\n\r\n{text}");
    let octets = |text: &[u8]| [format!("{HEAD}\r\nHello\r\n").as_bytes(), text].concat();
    let attached = |octets: &[u8], name: &str| {
        with(&format!(
            "Content-Type: application/octet-stream; name={name}\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}",
            lines(&STANDARD.encode(octets))
        ))
    };
    let (first, second) = eicar.split_at(30);
    vec![
        row("uuencoded", of(&uu)),
        row("uuencoded with blanks", of(&uuencoded(&eicar, ' '))),
        row("uuencoded without an end", of(uu.trim_end().trim_end_matches("end"))),
        row("uuencoded, second in the text", of(&format!("{}{uu}", uuencoded(b"nothing", '`')))),
        row(
            "uuencoded after one without an end",
            of(&format!("begin 644 x\r\n$86)C9```\r\n\r\n{uu}")),
        ),
        row("uuencoded, without a mode", of(&uu.replace("begin 644 ", "begin  "))),
        row(
            "uuencoded, with checksums",
            of(&uu.replace("\r\n", "!\r\n").replace("com!", "com").replace("end!", "end")),
        ),
        row(
            "uuencoded, with foreign lines",
            of(&uu.replacen("a.com\r\n", "a.com\r\n\r\n-- page 1 --\r\n", 1)),
        ),
        row(
            "uuencoded in base64 lines",
            of(&format!("begin-base64 644 a.com\r\n{}\r\n====\r\n", base64())),
        ),
        row("xxencoded", of(&xxencoded(&eicar))),
        row(
            "uuencoded in HTML",
            format!("{HEAD}Content-Type: text/html\r\n\r\n<pre>\r\n{uu}</pre>"),
        ),
        row(
            "uuencoded in quoted-printable",
            format!(
                "{HEAD}Content-Transfer-Encoding: quoted-printable\r\n\r\n{}",
                uu.replace('=', "=3D")
            ),
        ),
        row("uuencoded in an attached text", attached(uu.as_bytes(), "a.txt")),
        row("yEnc", octets(&yenc(&eicar, "=yend size=68\r\n"))),
        row(
            "yEnc with a wrong checksum",
            octets(&yenc(&eicar, "=yend size=68 crc32=00000000\r\n")),
        ),
        row("yEnc without an end", octets(&yenc(&eicar, ""))),
        row(
            "yEnc in pieces",
            octets(&[yenc_piece(first, 1, 1), yenc_piece(second, 2, 31)].concat()),
        ),
        row(
            "yEnc in pieces, the last first",
            octets(&[yenc_piece(second, 2, 31), yenc_piece(first, 1, 1)].concat()),
        ),
        row("BinHex", of(&binhex(&eicar))),
        row("BinHex attached", attached(binhex(&eicar).as_bytes(), "a.hqx")),
        row("Outlook's winmail.dat", attached(&tnef(&eicar), "winmail.dat")),
        row("Outlook's under another name", attached(&tnef(&eicar), "a.jpg")),
        row("Outlook's, embedded", attached(&tnef_embedded(&eicar), "winmail.dat")),
        row(
            "Outlook's with a wrong checksum",
            attached(
                &{
                    let mut tnef = tnef(&eicar);
                    let end = tnef.len() - 1;
                    tnef[end] ^= 1;
                    tnef
                },
                "winmail.dat",
            ),
        ),
        row("parts in a plain text", of(&format!("--bb\r\n{}--bb--\r\n", part()))),
        row("part in a plain text", format!("{HEAD}\r\n{}", part())),
        row(
            "UTF-16",
            attached(
                &[
                    b"\xff\xfe".to_vec(),
                    plain().encode_utf16().flat_map(u16::to_le_bytes).collect(),
                ]
                .concat(),
                "a.txt",
            ),
        ),
        row(
            "UTF-7",
            format!(
                "{HEAD}Content-Type: text/plain; charset=utf-7\r\n\r\n+AFg-{}",
                plain().get(1..).unwrap().replace('+', "+-")
            ),
        ),
    ]
}

fn messages() -> Vec<Hidden> {
    let part = part();
    let inner = with(&part);
    let of = |kind: &str, body: &str| with(&format!("Content-Type: {kind}\r\n\r\n{body}"));
    let encoded = |kind: &str, body: &str| {
        with(&format!(
            "Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
            lines(&STANDARD.encode(body))
        ))
    };
    vec![
        row("message", of("message/rfc822", &inner)),
        row("message in base64", encoded("message/rfc822", &inner)),
        row(
            "message that is said to be in base64",
            with(&format!(
                "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{inner}"
            )),
        ),
        row("message of another kind", of("message/x-other", &inner)),
        row("message of no kind", of("message/news", &inner)),
        row("message without a header", of("message/rfc822", &format!("\r\n{inner}"))),
        row("message that is a text", of("message/rfc822", &uuencoded(&eicar(), '`'))),
        row(
            "piece of a message",
            format!("{HEAD}Content-Type: message/partial; id=x; number=1; total=2\r\n\r\n{inner}"),
        ),
        row(
            "body elsewhere",
            of(
                "message/external-body; access-type=URL; url=\"http://x.test/a\"",
                &format!("\r\n{part}"),
            ),
        ),
        row("message attached as data", encoded("application/octet-stream; name=x.bin", &inner)),
        row("message attached as a file", encoded("application/octet-stream; name=x.eml", &inner)),
        row("message attached as a text", encoded("text/plain; name=x.txt", &inner)),
        row(
            "mailbox attached",
            encoded(
                "application/octet-stream; name=x.mbox",
                &format!("From a Mon Jan 1\r\n{HEAD}\r\nx\r\n\r\nFrom b Mon Jan 1\r\n{inner}"),
            ),
        ),
        row(
            "mailbox with blank",
            encoded(
                "application/mbox",
                &format!("From a Mon Jan 1\n{HEAD}\nx\n\nFrom b Mon Jan 1\n{inner}"),
            ),
        ),
        row("web archive attached", encoded("application/x-mimearchive; name=x.mht", &inner)),
        row(
            "message in a message in a message",
            encoded("application/octet-stream; name=x.eml", &encoded("message/rfc822", &inner)),
        ),
    ]
}

/// Findings that keep a message from being clean: by the class that they have.
fn keeps(name: &str) -> bool {
    const WEIGHTS: &str = include_str!("../../../rules/weights/form.toml");
    let weights: toml::Table = WEIGHTS.parse().unwrap();
    let class = weights.get(name).and_then(|weight| weight.get("class"));
    let class = class.and_then(toml::Value::as_str).unwrap_or_default();
    name.starts_with("ARCHIVE_") || ["ambiguous", "unscannable", "malware"].contains(&class)
}

/// Whether the file is found, in a part, in an item or in a text; else the findings.
fn look(message: &[u8]) -> Result<(), Vec<String>> {
    let bytes = Bytes::copy_from_slice(message);
    let mut anatomy = Anatomy::of(&bytes, Limits::default());
    let eicar = eicar();
    let has = |octets: &[u8]| memchr::memmem::find(octets, &eicar).is_some();
    let mut found = anatomy.parts.iter().any(|part| part.is_leaf() && has(&part.content()));
    let contents = Contents::of(&anatomy, ContentsLimits::default(), &mut |_, text| {
        found |= has(text.as_bytes());
    });
    found |= contents.items.iter().any(|item| item.content.as_deref().is_some_and(has));
    anatomy.read(&mut |_, text| found |= has(text.as_bytes()));
    let mut names: Vec<String> =
        anatomy.oddities.sights().map(|(name, _)| name.to_owned()).collect();
    names.extend(contents.remarks.iter().map(|remark| remark.name.to_owned()));
    match found || names.iter().any(|name| keeps(name)) || contents.exhausted.is_some() {
        true => Ok(()),
        false => Err(names),
    }
}

/// Rows whose file must be found, whatever the findings say: all but those that cannot be.
const NOT_FOUND: [&str; 4] = [
    // Limits end the walk.
    "many parts",
    "very many fields",
    // The octets of the file are other ones; its text is found.
    "UTF-16",
    "UTF-7",
];

#[test]
fn no_hidden_file_is_clean() {
    let rows = hidden();
    assert!(rows.len() >= 60);
    let mut clean = Vec::new();
    for Hidden { name, message } in &rows {
        let text = String::from_utf8_lossy(message).replace("\r\n", "\n").into_bytes();
        let files = match std::str::from_utf8(message) {
            Ok(_) => text,
            Err(_) => message.clone(),
        };
        for (form, message) in [("whole", message), ("with LF", &files)] {
            if let Err(names) = look(message) {
                clean.push(format!("{name} ({form}): {names:?}"));
            }
        }
    }
    println!("{} ways to hide a file", rows.len());
    assert!(clean.is_empty(), "{}", clean.join("\n"));
}

#[test]
fn hidden_files_are_found() {
    let mut unfound = Vec::new();
    for Hidden { name, message } in hidden() {
        let anatomy = Anatomy::of(&message.into(), Limits::default());
        let eicar = eicar();
        let has = |octets: &[u8]| memchr::memmem::find(octets, &eicar).is_some();
        let contents = Contents::of(&anatomy, ContentsLimits::default(), &mut |_, _| {});
        let found = anatomy.parts.iter().any(|part| part.is_leaf() && has(&part.content()))
            || contents.items.iter().any(|item| item.content.as_deref().is_some_and(has));
        if !found && !NOT_FOUND.contains(&name) {
            unfound.push(name);
        }
    }
    assert!(unfound.is_empty(), "{}", unfound.join("\n"));
}
