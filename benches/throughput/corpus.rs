//! Messages that look like mail: prose that varies, HTML beside it, attachments in base64.
//!
//! Everything is made (or read) before the clock starts: a pool of messages in wire form,
//! each with a place for its number.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::harness::random::Random;
use super::harness::text;

/// Distinct messages of one kind; they are sent in turn.
const POOL: usize = 64;
/// Width of a number on the wire.
pub const NUMBER_DIGITS: usize = 8;
/// The header field that numbers a message.
pub const NUMBER_FIELD: &str = "X-Bench: ";

/// A kind of load.
pub struct Corpus {
    pub name: String,
    pub count: usize,
    /// Header and text behind the number, dots stuffed, ended by CRLF.CRLF.
    pool: Vec<Vec<u8>>,
}

impl Corpus {
    fn new(name: &str, count: usize, messages: impl Iterator<Item = Vec<u8>>) -> Corpus {
        let pool = messages.map(|message| text::on_the_wire(&message)).collect();
        Corpus { name: name.to_owned(), count, pool }
    }

    /// Text in plain and HTML.
    pub fn plain(name: &str, octets: usize, count: usize) -> Corpus {
        let mut random = Random::new(4);
        Corpus::new(name, count, (0..POOL).map(move |_| alternative(&mut random, octets)))
    }

    /// Text and a file.
    pub fn with_attachment(name: &str, octets: usize, count: usize) -> Corpus {
        let mut random = Random::new(50);
        let pool = if octets > 500_000 { 8 } else { POOL };
        Corpus::new(name, count, (0..pool).map(move |_| mixed_parts(&mut random, octets)))
    }

    /// Sizes as in a postbox: a median of 3.4 KB and a long tail.
    pub fn mixed(count: usize) -> Corpus {
        let mut random = Random::new(34);
        let one = move |_| match random.below(100) {
            0..=49 => {
                let octets = 1_200 + random.below(2_200) as usize;
                alternative(&mut random, octets)
            }
            50..=84 => {
                let octets = 3_400 + random.below(12_000) as usize;
                alternative(&mut random, octets)
            }
            85..=96 => {
                let octets = 20_000 + random.below(60_000) as usize;
                mixed_parts(&mut random, octets)
            }
            _ => {
                let octets = 100_000 + random.below(300_000) as usize;
                mixed_parts(&mut random, octets)
            }
        };
        Corpus::new("mixed", count, (0..4 * POOL).map(one))
    }

    /// The files of a folder.
    pub fn of_folder(dir: &Path, count: usize) -> Corpus {
        let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().flatten().collect();
        files.sort_by_key(std::fs::DirEntry::file_name);
        let paths = files.into_iter().map(|entry| entry.path()).filter(|path| path.is_file());
        Corpus::new("folder", count, paths.map(|path| with_crlf(&std::fs::read(path).unwrap())))
    }

    /// A numbered message in wire form: head and rest.
    pub fn message(&self, number: usize) -> (String, &[u8]) {
        let head = format!("{NUMBER_FIELD}{number:0NUMBER_DIGITS$}\r\n");
        (head, &self.pool[number % self.pool.len()])
    }
}

fn with_crlf(message: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(message.len() + message.len() / 40);
    for line in message.split(|octet| *octet == b'\n') {
        whole.extend(line.iter().filter(|octet| **octet != b'\r' && **octet != 0));
        whole.extend_from_slice(b"\r\n");
    }
    whole
}

fn head(random: &mut Random, content_type: &str) -> String {
    let subject = String::from_utf8(text::prose(random, 30)).unwrap();
    format!(
        "Message-ID: <{:016x}@sender.test>\r\nDate: Mon, 16 Nov 2026 10:00:00 +0000\r\n\
         From: Ann Sender <ann@sender.test>\r\nTo: Bob <bob@example.test>\r\nSubject: {}\r\n\
         MIME-Version: 1.0\r\nContent-Type: {content_type}\r\n\r\n",
        random.next(),
        subject.trim(),
    )
}

fn alternative(random: &mut Random, octets: usize) -> Vec<u8> {
    let plain = text::prose(random, octets.saturating_sub(700) * 2 / 5);
    let lines = String::from_utf8_lossy(&plain).replace("\r\n", "<br>\r\n");
    let mut html = format!(
        "<html><head><style>p {{ font-family: sans-serif }}</style></head><body><p>{lines}</p>\
         <p><a href=\"https://www.example.org/minutes/{}\">The minutes</a></p></body></html>\r\n",
        random.below(1_000_000)
    );
    let mut message = head(random, "multipart/alternative; boundary=\"=_a\"").into_bytes();
    message.extend_from_slice(b"--=_a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
    message.extend_from_slice(&plain);
    message.extend_from_slice(b"\r\n--=_a\r\nContent-Type: text/html; charset=utf-8\r\n\r\n");
    while message.len() + html.len() + 20 < octets {
        html += &format!("<p>{}</p>\r\n", String::from_utf8_lossy(&text::prose(random, 200)));
    }
    message.extend_from_slice(html.as_bytes());
    message.extend_from_slice(b"\r\n--=_a--\r\n");
    message
}

fn mixed_parts(random: &mut Random, octets: usize) -> Vec<u8> {
    let mut message = head(random, "multipart/mixed; boundary=\"=_m\"").into_bytes();
    message.extend_from_slice(b"--=_m\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
    message.extend_from_slice(&text::prose(random, 3_000.min(octets / 4)));
    message.extend_from_slice(
        b"\r\n--=_m\r\nContent-Type: application/octet-stream; name=\"plan.bin\"\r\n\
          Content-Disposition: attachment; filename=\"plan.bin\"\r\n\
          Content-Transfer-Encoding: base64\r\n\r\n",
    );
    let left = octets.saturating_sub(message.len() + 20);
    let file: Vec<u8> = (0..left * 54 / 74).map(|_| random.next() as u8).collect();
    for line in file.chunks(54) {
        message.extend_from_slice(STANDARD.encode(line).as_bytes());
        message.extend_from_slice(b"\r\n");
    }
    message.extend_from_slice(b"--=_m--\r\n");
    message
}
