//! Messages to send, and what came out of them.

use super::random::Random;

/// A small, plain message with a subject and a Message-ID.
pub fn message(subject: &str, message_id: &str) -> Vec<u8> {
    format!(
        "From: Ann Sender <ann@sender.test>\r\nTo: Bob <bob@example.test>\r\n\
         Date: Mon, 16 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{message_id}>\r\n\
         Subject: {subject}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         \r\nThe minutes of our meeting are below.\r\n.A line with a leading dot.\r\n\
         ..And one with two.\r\n.\tand a lonely one\r\nKind regards\r\nAnn\r\n"
    )
    .into_bytes()
}

/// Header block (with its blank line's first CRLF) and body of a message.
pub fn split(message: &[u8]) -> (&[u8], &[u8]) {
    match find(message, b"\r\n\r\n") {
        Some(at) => (&message[..at + 2], &message[at + 4..]),
        None => (message, &[]),
    }
}

/// Where a needle stands first.
pub fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(hay, needle)
}

/// Whether what came out is what went in with header fields put above it: nothing else may
/// have changed, not one octet.
pub fn is_unchanged_below(out: &[u8], sent: &[u8]) -> bool {
    out.ends_with(sent) && {
        let added = &out[..out.len() - sent.len()];
        added.is_empty() || added.ends_with(b"\r\n")
    }
}

/// The unfolded body of the first header field of this name.
pub fn header(message: &[u8], name: &str) -> Option<String> {
    let (head, _) = split(message);
    let text = String::from_utf8_lossy(head).replace("\r\n ", " ").replace("\r\n\t", " ");
    text.split("\r\n").find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// CRLF and leading dots as the wire wants them, with the closing dot.
pub fn on_the_wire(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() + 64);
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    if !wire.is_empty() && !wire.ends_with(b"\r\n") {
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

const WORDS: &[&str] = &[
    "meeting", "report", "budget", "school", "council", "garden", "evening", "letter", "window",
    "table", "river", "teacher", "minutes", "agenda", "harbour", "library", "station", "winter",
    "bread", "summer", "notes", "plan", "train", "bridge", "village", "paper", "question",
    "answer", "morning", "kitchen", "street", "doctor", "nurse", "ward", "clinic", "lesson",
    "term", "walk",
];

/// Lines of harmless words, about so many octets, all different.
pub fn prose(random: &mut Random, octets: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(octets + 80);
    let mut line = 0usize;
    while text.len() < octets {
        let word = WORDS[random.below(WORDS.len() as u64) as usize];
        text.extend_from_slice(word.as_bytes());
        line += word.len() + 1;
        if line > 66 {
            text.extend_from_slice(b"\r\n");
            line = 0;
        } else {
            text.push(b' ');
        }
    }
    text.extend_from_slice(b"\r\n");
    text
}

/// A message whose body proves itself: its last line holds length and CRC-32C of the rest.
pub fn proven(id: &str, random: &mut Random, octets: usize) -> Vec<u8> {
    let body = prose(random, octets);
    let proof = format!("PROOF {} {:08x}\r\n", body.len(), crc32c::crc32c(&body));
    let mut message = format!(
        "From: Ann <ann@sender.test>\r\nTo: Bob <bob@example.test>\r\n\
         Date: Mon, 16 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{id}@load.test>\r\n\
         Subject: Minutes {id}\r\nX-Load: {id}\r\n\r\n"
    )
    .into_bytes();
    message.extend_from_slice(&body);
    message.extend_from_slice(proof.as_bytes());
    message
}

/// The id of a proven message, or what is wrong with it.
pub fn check_proven(message: &[u8]) -> Result<String, String> {
    let id = header(message, "X-Load").ok_or("no X-Load field")?;
    let (_, body) = split(message);
    let at = memchr::memmem::rfind(body, b"PROOF ").ok_or(format!("{id}: no proof"))?;
    let (text, proof) = body.split_at(at);
    let expected = format!("PROOF {} {:08x}\r\n", text.len(), crc32c::crc32c(text));
    match expected.as_bytes() == proof {
        true => Ok(id),
        false => Err(format!("{id}: the body is not what was sent")),
    }
}
