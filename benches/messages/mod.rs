//! Messages of the kinds that pass a gateway, made here, for benches to be compared over.

use std::io::Write;

use base64::Engine;
use bytes::Bytes;

const PROSE: &str = "The minutes of the last meeting are attached; please read them before \
    Thursday and tell me what is missing. We meet at ten in the small room, and the budget \
    for the next year is the only thing to decide.\r\n";

fn head(more: &str) -> String {
    let trace = "Received: from mail.example.net (mail.example.net [192.0.2.7])\r\n\tby \
        mx.example.org with ESMTPS id 4XyZ; Mon, 1 Jan 2024 10:00:00 +0000\r\n";
    format!(
        "{}From: Ada Example <ada@example.net>\r\nTo: bob@example.org\r\nSubject: Minutes of \
         the meeting\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n\
         MIME-Version: 1.0\r\nX-Mailer: Example 1.0\r\n{more}\r\n",
        trace.repeat(3)
    )
}

fn attached(name: &str, media: &str, octets: &[u8]) -> Bytes {
    let encoded = base64::engine::general_purpose::STANDARD.encode(octets);
    let lines: Vec<&str> =
        encoded.as_bytes().chunks(76).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let head = head("Content-Type: multipart/mixed; boundary=b\r\n");
    let text = format!(
        "{head}--b\r\n\r\n{PROSE}\r\n--b\r\nContent-Type: {media}\r\nContent-Disposition: \
         attachment; filename={name}\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--\r\n",
        lines.join("\r\n")
    );
    text.into()
}

fn zipped(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, octets) in members {
        let options = zip::write::SimpleFileOptions::default();
        if writer.start_file(*name, options).is_ok() {
            writer.write_all(octets).ok();
        }
    }
    // An empty zip would show in the figures at once.
    writer.finish().map(std::io::Cursor::into_inner).unwrap_or_default()
}

fn word(octets: usize) -> Vec<u8> {
    let paragraph = format!("<w:p><w:r><w:t>{}</w:t></w:r></w:p>", PROSE.trim_end());
    let body = paragraph.repeat(octets / paragraph.len());
    let document = format!(
        "<?xml version=\"1.0\"?><w:document xmlns:w=\"http://schemas.openxmlformats.org/\
         wordprocessingml/2006/main\"><w:body>{body}</w:body></w:document>"
    );
    let types = "<?xml version=\"1.0\"?><Types xmlns=\"http://schemas.openxmlformats.org/package/\
        2006/content-types\"><Override PartName=\"/word/document.xml\" ContentType=\"application/\
        vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/></Types>";
    zipped(&[("[Content_Types].xml", types.as_bytes()), ("word/document.xml", document.as_bytes())])
}

/// One of each kind, with its name.
pub(crate) fn of_each_kind() -> Vec<(&'static str, Bytes)> {
    let plain = |octets: usize| {
        let type_field = "Content-Type: text/plain; charset=utf-8\r\n";
        format!("{}{}", head(type_field), PROSE.repeat(octets / PROSE.len()))
    };
    let german = plain(50_000).replace("the", "die größte").replace("and", "und – “auch”");
    let paragraph = format!(
        "<p style=\"margin:0\">{PROSE}<a href=\"https://example.org/x?a=1&amp;b=2\">read</a></p>\r\n"
    );
    let html = format!(
        "{}<html><body>{}</body></html>\r\n",
        head("Content-Type: text/html; charset=utf-8\r\n"),
        paragraph.repeat(150)
    );
    let noise: Vec<u8> =
        (0..750_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let prose = PROSE.repeat(750_000 / PROSE.len());
    vec![
        ("plain 4 KB", plain(4_000).into()),
        ("plain 50 KB", plain(50_000).into()),
        ("umlauts 50 KB", german.into()),
        ("html 50 KB", html.into()),
        ("text file 1 MB", attached("a.txt", "text/plain", prose.as_bytes())),
        ("unknown file 1 MB", attached("a.bin", "application/octet-stream", &noise)),
        (
            "zip of text 1 MB",
            attached("a.zip", "application/zip", &zipped(&[("a.txt", prose.as_bytes())])),
        ),
        ("Word 1 MB", attached("a.docx", "application/octet-stream", &word(1_000_000))),
    ]
}
