//! The text of a document in a file, as it is found in a file that mail carries.
//!
//! In: a file's name and octets, in any format that `message::contents` opens. Out: its text, and
//! what in it could not be read. Fails when the file itself cannot be read or holds no text.

use std::time::Duration;

use bytes::Bytes;

use super::PrintsError;
use crate::message::contents::{Contents, Limits};
use crate::message::{Zone, html_to_text};

/// An administrator waits longer than a mail does.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of one document: a book has two million.
const MOST_TEXT_OCTETS: usize = 64 << 20;

/// What was read of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sheet {
    /// Its text, and that of the files in it.
    pub text: String,
    /// What lies in it and could not be read, and why.
    pub unread: Vec<String>,
}

/// Reads a file.
pub fn read(name: &str, octets: &Bytes) -> Result<Sheet, PrintsError> {
    let mut sheet = Sheet::default();
    let mut take = |zone: Zone, text: &str| {
        let shown;
        let text = match zone {
            Zone::Html => {
                shown = html_to_text(text);
                shown.as_str()
            }
            Zone::Body | Zone::Attachment => text,
            // Names and fields are not what a document says.
            _ => return,
        };
        let room = MOST_TEXT_OCTETS.saturating_sub(sheet.text.len());
        let end = text.floor_char_boundary(room.min(text.len()));
        sheet.text.push_str(text.get(..end).unwrap_or_default());
        sheet.text.push('\n');
    };
    let limits = Limits { time: PATIENCE, ..Limits::default() };
    let contents = Contents::of_loose_file(name, octets, limits, &mut take);
    let unread = |what: String| PrintsError::Unread { name: name.to_owned(), what };
    for (number, item) in contents.items.iter().enumerate() {
        let Some(why) = item.closed else { continue };
        let why = format!("{why:?}").to_lowercase();
        if number == 0 && sheet.text.trim().is_empty() {
            return Err(unread(format!("it cannot be read ({why})")));
        }
        sheet.unread.push(format!("{}: {why}", item.path));
    }
    if let Some(exhausted) = contents.exhausted {
        sheet.unread.push(exhausted.to_string());
    }
    match sheet.text.trim().is_empty() {
        true => {
            Err(unread("there is no text in it; a scan or a picture cannot be read".to_owned()))
        }
        false => Ok(sheet),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn text_of(name: &str, octets: &[u8]) -> String {
        let sheet = read(name, &Bytes::copy_from_slice(octets)).unwrap();
        sheet.text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn zipped(members: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, text) in members {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(text.as_bytes()).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn documents_are_read() {
        assert_eq!(text_of("a.txt", b"The plan\r\nfor Tuesday\r\n"), "The plan for Tuesday");
        assert_eq!(text_of("a.txt", b"Z\xfcrich plan"), "Z\u{fc}rich plan");
        let page = b"<html><body><h1>The plan</h1><p>for <b>Tues</b>day</p></body></html>";
        assert!(text_of("a.html", page).contains("for Tuesday"));
        let word = "<?xml version=\"1.0\"?><w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body><w:p><w:r><w:t>The plan for </w:t></w:r><w:r><w:t>Tuesday</w:t></w:r></w:p></w:body></w:document>";
        let types = "<?xml version=\"1.0\"?><Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Override PartName=\"/word/document.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/></Types>";
        let docx = zipped(&[("[Content_Types].xml", types), ("word/document.xml", word)]);
        assert!(text_of("plan.docx", &docx).contains("The plan for Tuesday"));
        let both = zipped(&[("one.txt", "The plan is here"), ("two.txt", "and the budget")]);
        let text = text_of("both.zip", &both);
        assert!(text.contains("The plan is here") && text.contains("and the budget"), "{text}");
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (name, octets) in
            [("a.txt", &b""[..]), ("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\0"), ("a.zip", b"PK\x03\x04")]
        {
            let error = read(name, &Bytes::copy_from_slice(octets)).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }
}
