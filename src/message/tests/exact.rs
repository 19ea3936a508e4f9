//! Files that must come out octet for octet, since a list of digests knows no others: a table
//! of ways in which programs that read mail differ, or take a wrapping off.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::encoders::uuencoded;
use super::hidden::eicar;
use super::*;
use crate::message::contents::{Contents, Limits as ContentsLimits};

const HEAD: &str =
    "From: a@x.test\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMIME-Version: 1.0\r\n";

fn plain() -> String {
    String::from_utf8(eicar()).unwrap()
}

fn quoted(between: &str) -> String {
    let escaped: Vec<String> = eicar().iter().map(|octet| format!("={octet:02X}")).collect();
    escaped.join(between)
}

/// A mail that is one file in quoted-printable.
fn quoted_file(body: &str) -> String {
    format!(
        "{HEAD}Content-Type: application/octet-stream; name=a.bin\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\n{body}"
    )
}

fn base64_file(media: &str, octets: &[u8]) -> String {
    let encoded = STANDARD.encode(octets);
    format!("{HEAD}Content-Type: {media}\r\nContent-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n")
}

fn text(body: &str) -> String {
    format!("{HEAD}Content-Type: text/plain\r\n\r\nHello\r\n\r\n{body}\r\nbye\r\n")
}

fn page(body: &str) -> String {
    format!("{HEAD}Content-Type: text/html\r\n\r\n{body}\r\n")
}

/// uuencoded, with this behind each line of data.
fn checked(check: &str) -> String {
    let encoded = uuencoded(&eicar(), '`');
    let lines = encoded.lines().map(|line| match line.len() > 20 && !line.starts_with("begin") {
        true => format!("{line}{check}\r\n"),
        false => format!("{line}\r\n"),
    });
    lines.collect()
}

fn apple_single() -> Vec<u8> {
    let mut file = b"\0\x05\x16\0\0\x02\0\0".to_vec();
    file.extend([0; 16]);
    file.extend([0, 1, 0, 0, 0, 1, 0, 0, 0, 38, 0, 0, 0, 68]);
    file.extend(eicar());
    file
}

fn mac_binary() -> Vec<u8> {
    let mut file = vec![0; 128];
    file[1] = 5;
    file[2..7].copy_from_slice(b"e.com");
    file[86] = 68;
    file.extend(eicar());
    file.resize(256, 0);
    file
}

fn rows() -> Vec<(&'static str, String)> {
    let references: String =
        STANDARD.encode(eicar()).bytes().map(|octet| format!("&#{octet};")).collect();
    let link =
        |data: &str| format!("<a href=\"data:application/octet-stream;base64,{data}\">x</a>");
    let encoded = STANDARD.encode(eicar());
    let wide: Vec<u8> = text(&uuencoded(&eicar(), '`'))
        .split_once("\r\n\r\n")
        .unwrap()
        .1
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    vec![
        ("as it is", quoted_file(&plain())),
        ("CR alone ends a line", quoted_file(&quoted("=\r"))),
        ("CR alone ends some lines", quoted_file(&quoted("=\r").replacen("=\r", "=\r\n", 7))),
        ("blanks behind", quoted_file(&format!("{}   ", plain()))),
        ("blanks and tabs behind", quoted_file(&format!("{} \t", quoted("")))),
        ("blanks behind, CR alone", quoted_file(&format!("{}  ", quoted("=\r")))),
        ("check character of the alphabet", text(&checked("+"))),
        ("check character of another", text(&checked("a"))),
        ("check character and a blank", text(&checked("z "))),
        ("AppleSingle", base64_file("application/applefile; name=e.as", &apple_single())),
        ("AppleSingle, no name", base64_file("application/applefile", &apple_single())),
        ("AppleSingle, another type", base64_file("image/png; name=a.png", &apple_single())),
        ("MacBinary", base64_file("application/macbinary; name=e.bin", &mac_binary())),
        ("MacBinary, another type", base64_file("application/pdf; name=a.pdf", &mac_binary())),
        ("page that begins with words", page(&format!("Hello\r\n\r\n{}", link(&encoded)))),
        (
            "page that begins with many",
            page(&format!("{}{}", "Hello ".repeat(4_000), link(&encoded))),
        ),
        ("page of a name", base64_file("text/html; name=a.txt", link(&encoded).as_bytes())),
        ("link of references", page(&format!("Hello {}", link(&references)))),
        ("link of references behind a tag", page(&format!("<p>Hello</p>{}", link(&references)))),
        ("uuencoded in UTF-16", base64_file("text/plain; charset=utf-16le", &wide)),
    ]
}

fn is_exact(message: &str) -> bool {
    let anatomy = Anatomy::of(&Bytes::copy_from_slice(message.as_bytes()), Limits::default());
    let contents = Contents::of(&anatomy, ContentsLimits::default(), &mut |_, _| {});
    let eicar = eicar();
    anatomy.parts.iter().any(|part| part.is_leaf() && part.content() == eicar)
        || contents.items.iter().any(|item| item.content.as_deref() == Some(&eicar[..]))
}

#[test]
fn files_come_out_octet_for_octet() {
    let missed: Vec<&str> =
        rows().iter().filter(|(_, message)| !is_exact(message)).map(|(name, _)| *name).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

/// Text in charsets in which plain letters stand for others is read both ways.
#[test]
fn hidden_letters_are_read() {
    let ebcdic = b"\xd7\x81\xa8\x40\x95\x96\xa6";
    let table: [(&str, &[u8], &str, &[&str]); 7] = [
        ("IBM037", ebcdic, "Pay now", &[]),
        ("cp500", ebcdic, "Pay now", &[]),
        ("x-EBCDIC-Greek", ebcdic, "Pay now", &["CHARSET_UNREADABLE"]),
        // To who does not know the label.
        ("IBM1047", b"Pay now", "Pay now", &[]),
        ("hz-gb-2312", b"Pay now", "Pay now", &[]),
        ("iso-2022-cn", b"Pay now \x1b$)G\x0e<:\x0f", "Pay now", &["CHARSET_UNREADABLE"]),
        ("ibm437", b"Pay now", "Pay now", &["CHARSET_UNKNOWN"]),
    ];
    for (charset, octets, expected, findings) in table {
        let message = base64_file(&format!("text/plain; charset={charset}"), octets);
        let (anatomy, texts) = taken_apart(&message);
        let told = texts.iter().any(|(zone, text)| *zone == Zone::Body && text.contains(expected));
        assert!(told, "{charset}: {texts:?}");
        let names = names(&anatomy);
        let charsets: Vec<&String> =
            names.iter().filter(|name| name.starts_with("CHARSET_")).collect();
        assert_eq!(charsets, findings, "{charset}");
    }
}

#[test]
fn a_footer_behind_base64_is_no_ambiguity() {
    let table = [
        ("", None),
        ("\r\nDQo=", None),
        ("\r\n\r\n____\r\nlist mailing list\r\nhttp://x.test/", Some("BASE64_PLAIN_FOOTER")),
        ("\r\nQWdhaW4sIHRoaXMgaXMgYW5vdGhlciB0ZXh0", Some("BASE64_AFTER_PADDING")),
    ];
    for (behind, expected) in table {
        let message = base64_file("text/plain", b"Hello!!").trim_end().to_owned() + behind + "\r\n";
        let (anatomy, texts) = taken_apart(&message);
        let told = ["BASE64_PLAIN_FOOTER", "BASE64_AFTER_PADDING"];
        let names = names(&anatomy);
        let found = names.iter().map(String::as_str).find(|name| told.contains(name));
        assert_eq!(found, expected, "{behind:?}");
        assert!(texts.iter().any(|(_, text)| text.contains("Hello!!")));
        let footer = texts.iter().any(|(_, text)| text.contains("http://x.test/"));
        assert_eq!(footer, behind.contains("http"), "{texts:?}");
    }
}
