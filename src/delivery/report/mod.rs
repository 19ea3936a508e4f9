//! Delivery reports: what a sender is told of failure, delay and success (RFC 3464, inside
//! multipart/report of RFC 6522; RFC 6533 where addresses need UTF-8).
//!
//! In: the mail, what became of its recipients. Out: [`Written`]: the text of a report and the
//! envelope under which it is sent. Invariants: the reverse-path is null, so no report is ever
//! answered by one (RFC 5321 section 4.5.5); whatever servers and senders wrote is reduced to
//! printable text before it stands in a field; without SMTPUTF8 the report is ASCII but for a
//! returned message. Fails with an I/O error when the returned message cannot be read.

use std::fmt::Write as _;
use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;

use super::trace;
use crate::mail::{
    Address, BodyType, Content, Domain, DsnReturn, EnhancedCode, Envelope, Facts, MailId,
    Recipient, ReversePath,
};

/// A larger message is not returned whole, even when that was asked for.
const RETURN_OCTETS: usize = 256 << 10;
/// Of a header that is returned.
const HEADER_OCTETS: usize = 64 << 10;
/// Of what a server said.
const WORDS: usize = 800;
/// RFC 5322 section 2.1.1.
const LINE: usize = 78;

/// What a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It is given up.
    Failure,
    /// It is still being tried.
    Delay,
    /// It arrived, or left for where nobody reports.
    Success,
}

/// RFC 3464 section 2.3.3. `expanded` is not for this box: it has no lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Given up.
    Failed,
    /// Not yet.
    Delayed,
    /// In its mailbox.
    Delivered,
    /// Taken by a server that does not report.
    Relayed,
}

/// One recipient in a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Index in the envelope.
    pub recipient: u16,
    /// What became of it.
    pub action: Action,
    /// RFC 3463.
    pub status: EnhancedCode,
    /// The server that was asked last, when one answered.
    pub remote: Option<String>,
    /// What it said, or the box's own words.
    pub words: String,
}

/// Who writes.
#[derive(Debug, Clone, Copy)]
pub struct Author<'a> {
    /// The reporting MTA.
    pub hostname: &'a Domain,
    /// Whom an answer reaches.
    pub postmaster: &'a Address,
}

/// The mail that a report speaks of.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its id.
    pub id: MailId,
    /// Its envelope.
    pub envelope: &'a Envelope,
    /// When and whence it came.
    pub facts: &'a Facts,
    /// As it was received.
    pub content: &'a Content,
    /// Without angle brackets; empty when it has none.
    pub message_id: &'a str,
}

/// A report.
#[derive(Debug, Clone)]
pub struct Written {
    /// From nobody to the one who is told.
    pub envelope: Envelope,
    /// The message.
    pub text: Vec<u8>,
    /// Its subject.
    pub subject: String,
    /// Its Message-ID, without angle brackets.
    pub message_id: String,
}

/// Times that stand in a report.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Now, milliseconds since 1970.
    pub now_ms: u64,
    /// When the mail is given up.
    pub expires_ms: u64,
}

/// Writes a report to `reader`. Blocks when the content lies in a file.
pub fn write(
    author: Author<'_>,
    reader: &Address,
    kind: Kind,
    subject: Subject<'_>,
    entries: &[Entry],
    times: Times,
) -> io::Result<Written> {
    // RFC 6533 section 4: only a reader whose address needs it is known to take UTF-8.
    let script = match reader.needs_smtputf8() {
        true => Script::Utf8,
        false => Script::Ascii,
    };
    let returned = returned(kind, subject, script)?;
    let boundary = boundary(&returned.octets);
    let title = title(
        kind,
        reader == author.postmaster && subject.envelope.reverse_path.address().is_none(),
    );
    let message_id = format!("{}@{}", MailId::mint(), author.hostname);
    let mut text = String::new();
    header(&mut text, author, reader, title, &message_id, &boundary, subject, times, script);
    words(&mut text, author, kind, subject, entries, times, script, &boundary);
    status(&mut text, author, kind, subject, entries, times, script, &boundary);
    let _ = write!(text, "--{boundary}\r\nContent-Type: {}\r\n", returned.media);
    if let Some(encoding) = returned.encoding {
        let _ = write!(text, "Content-Transfer-Encoding: {encoding}\r\n");
    }
    text.push_str("\r\n");
    let mut text = text.into_bytes();
    text.extend_from_slice(&returned.octets);
    text.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    let body = match text.is_ascii() {
        true => BodyType::SevenBit,
        false => BodyType::EightBitMime,
    };
    let envelope = Envelope {
        reverse_path: ReversePath::Null,
        // RFC 3461 section 6.1 allows no report on a report; NEVER says so to the next hops,
        // but this box must see failures itself, so nothing is asked.
        recipients: vec![Recipient::plain(reader.clone())],
        body,
        smtputf8: script == Script::Utf8,
        dsn_return: None,
        envelope_id: None,
    };
    Ok(Written { envelope, text, subject: title.to_owned(), message_id })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    Ascii,
    Utf8,
}

impl Script {
    /// Free text on one line.
    fn text(self, text: &str) -> String {
        let printable = |letter: char| match letter {
            _ if letter.is_control() => '?',
            _ if !letter.is_ascii() && self == Script::Ascii => '?',
            _ => letter,
        };
        text.chars().take(WORDS).map(printable).collect()
    }

    /// An address; RFC 6533 section 3 writes what ASCII lacks as `\x{…}`.
    fn address(self, address: &Address) -> String {
        let plain = address.to_string();
        match self == Script::Utf8 || plain.is_ascii() {
            true => plain,
            false => escaped(&plain),
        }
    }

    fn address_type(address: &Address) -> &'static str {
        if address.needs_smtputf8() { "utf-8" } else { "rfc822" }
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '\\' | '+' | '=' => {
                let _ = write!(out, "\\x{{{:X}}}", u32::from(letter));
            }
            '!'..='~' => out.push(letter),
            _ => {
                let _ = write!(out, "\\x{{{:X}}}", u32::from(letter));
            }
        }
    }
    out
}

fn title(kind: Kind, double: bool) -> &'static str {
    match kind {
        Kind::Failure if double => "A delivery report could not be delivered",
        Kind::Failure => "Your message could not be delivered",
        Kind::Delay => "Your message is delayed",
        Kind::Success => "Your message was delivered",
    }
}

/// A line between parts that no part holds.
fn boundary(returned: &[u8]) -> String {
    loop {
        let boundary = format!("=_{}", MailId::mint());
        if memmem::find(returned, boundary.as_bytes()).is_none() {
            return boundary;
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "the parts of one text, written in order")]
fn header(
    out: &mut String,
    author: Author<'_>,
    reader: &Address,
    title: &str,
    message_id: &str,
    boundary: &str,
    subject: Subject<'_>,
    times: Times,
    script: Script,
) {
    let _ = write!(
        out,
        "Date: {}\r\nFrom: Mail delivery system <{}>\r\nTo: <{}>\r\nSubject: {title}\r\n\
         Message-ID: <{message_id}>\r\n",
        trace::date(times.now_ms),
        script.address(author.postmaster),
        script.address(reader),
    );
    let quotable = |octet: u8| octet.is_ascii_graphic() && octet != b'<' && octet != b'>';
    if !subject.message_id.is_empty() && subject.message_id.bytes().all(quotable) {
        let _ = write!(out, "In-Reply-To: <{}>\r\n", subject.message_id);
    }
    // RFC 3834 section 5: nobody's machine is to answer it.
    let _ = write!(
        out,
        "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{boundary}\"\r\n\
         {}\r\n",
        if script == Script::Utf8 { "Content-Transfer-Encoding: 8bit\r\n" } else { "" },
    );
}

#[expect(clippy::too_many_arguments, reason = "the parts of one text, written in order")]
fn words(
    out: &mut String,
    author: Author<'_>,
    kind: Kind,
    subject: Subject<'_>,
    entries: &[Entry],
    times: Times,
    script: Script,
    boundary: &str,
) {
    let (charset, encoding) = match script {
        Script::Ascii => ("us-ascii", "7bit"),
        Script::Utf8 => ("utf-8", "8bit"),
    };
    let own = subject.envelope.reverse_path.address().is_none();
    let opening = match kind {
        Kind::Failure if own => {
            "A delivery report written by this system could not be delivered to:"
        }
        Kind::Failure => "Your message could not be delivered to:",
        Kind::Delay => "Your message could not be delivered yet to:",
        Kind::Success => "Your message was passed on as you asked to be told:",
    };
    let _ = write!(
        out,
        "--{boundary}\r\nContent-Type: text/plain; charset={charset}\r\n\
         Content-Transfer-Encoding: {encoding}\r\n\r\n\
         This is the mail system of {}.\r\n\r\n{opening}\r\n\r\n",
        author.hostname
    );
    for entry in entries {
        let Some(recipient) = subject.envelope.recipients.get(usize::from(entry.recipient)) else {
            continue;
        };
        let _ = write!(out, "  <{}>\r\n", script.address(&recipient.forward_path));
        let reason = match (&entry.remote, entry.action) {
            (_, Action::Delivered) => "It is in the mailbox.".to_owned(),
            (Some(remote), Action::Relayed) => {
                format!("{remote} took it; that server does not report what becomes of it.")
            }
            (Some(remote), _) => format!("{remote} said: {}", entry.words),
            (None, _) => entry.words.clone(),
        };
        fold(out, "    ", "    ", &script.text(&reason));
    }
    let closing = match kind {
        Kind::Failure => "It will not be tried again.".to_owned(),
        Kind::Delay => format!(
            "It is tried again until {}. You need not send it again.",
            trace::date(times.expires_ms)
        ),
        Kind::Success => "Nothing more is to be done.".to_owned(),
    };
    let _ = write!(out, "\r\n{closing}\r\n\r\n");
    let help = format!(
        "For help write to {} and name the mail id {}. The details below are for machines.",
        script.address(author.postmaster),
        subject.id
    );
    fold(out, "", "", &help);
    out.push_str("\r\n");
}

#[expect(clippy::too_many_arguments, reason = "the parts of one text, written in order")]
fn status(
    out: &mut String,
    author: Author<'_>,
    kind: Kind,
    subject: Subject<'_>,
    entries: &[Entry],
    times: Times,
    script: Script,
    boundary: &str,
) {
    let media = match script {
        Script::Ascii => "message/delivery-status",
        Script::Utf8 => "message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit",
    };
    let _ = write!(out, "--{boundary}\r\nContent-Type: {media}\r\n\r\n");
    // RFC 3464 section 2.2: fields for the message.
    if let Some(id) = &subject.envelope.envelope_id {
        fold(out, "Original-Envelope-Id: ", "\t", &script.text(id));
    }
    let _ = write!(
        out,
        "Reporting-MTA: dns; {}\r\nArrival-Date: {}\r\n",
        author.hostname,
        trace::date(subject.facts.received_ms)
    );
    // RFC 3464 section 2.3: fields for each recipient.
    for entry in entries {
        let Some(recipient) = subject.envelope.recipients.get(usize::from(entry.recipient)) else {
            continue;
        };
        out.push_str("\r\n");
        if let Some(original) = &recipient.original {
            let address = match script == Script::Ascii && !original.address.is_ascii() {
                true => escaped(&original.address),
                false => script.text(&original.address),
            };
            let value = format!("{};{address}", script.text(&original.address_type));
            fold(out, "Original-Recipient: ", "\t", &value);
        }
        let address = &recipient.forward_path;
        let value = format!("{};{}", Script::address_type(address), script.address(address));
        fold(out, "Final-Recipient: ", "\t", &value);
        let action = match entry.action {
            Action::Failed => "failed",
            Action::Delayed => "delayed",
            Action::Delivered => "delivered",
            Action::Relayed => "relayed",
        };
        let _ = write!(out, "Action: {action}\r\nStatus: {}\r\n", entry.status);
        if let Some(remote) = &entry.remote {
            let host = remote.split(' ').next().unwrap_or_default();
            fold(out, "Remote-MTA: dns; ", "\t", &script.text(host));
            fold(out, "Diagnostic-Code: smtp; ", "\t", &script.text(&entry.words));
        } else {
            fold(out, "Diagnostic-Code: X-Postern; ", "\t", &script.text(&entry.words));
        }
        let _ = write!(
            out,
            "Last-Attempt-Date: {}\r\nFinal-Log-ID: {}\r\n",
            trace::date(times.now_ms),
            subject.id
        );
        if kind == Kind::Delay {
            let _ = write!(out, "Will-Retry-Until: {}\r\n", trace::date(times.expires_ms));
        }
    }
    out.push_str("\r\n");
}

/// Words on lines of a readable length; a longer word keeps its line.
fn fold(out: &mut String, first: &str, further: &str, text: &str) {
    let mut line = first.to_owned();
    let mut empty = true;
    for word in text.split_ascii_whitespace() {
        if !empty && line.len() + 1 + word.len() > LINE {
            out.push_str(&line);
            out.push_str("\r\n");
            line = further.to_owned();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    out.push_str(&line);
    out.push_str("\r\n");
}

/// The third part.
struct Returned {
    media: &'static str,
    encoding: Option<&'static str>,
    octets: Vec<u8>,
}

/// RFC 3461 section 4.3: the whole message only when it was asked for and only with a
/// failure; otherwise its header, which costs a forged sender least.
fn returned(kind: Kind, subject: Subject<'_>, script: Script) -> io::Result<Returned> {
    let asked = kind == Kind::Failure && subject.envelope.dsn_return == Some(DsnReturn::Full);
    let header = read_header(subject.content)?;
    let header_is_ascii = header.is_ascii();
    let utf8_fits = header_is_ascii || script == Script::Utf8;
    let small = subject.content.len() <= RETURN_OCTETS as u64;
    if asked && small && utf8_fits {
        let octets = subject.content.read_all()?.to_vec();
        let media = if header_is_ascii { "message/rfc822" } else { "message/global" };
        let encoding = (!octets.is_ascii()).then_some("8bit");
        return Ok(Returned { media, encoding, octets });
    }
    match (header_is_ascii, script) {
        (true, _) => Ok(Returned { media: "text/rfc822-headers", encoding: None, octets: header }),
        (false, Script::Utf8) => {
            Ok(Returned { media: "message/global-headers", encoding: Some("8bit"), octets: header })
        }
        (false, Script::Ascii) => {
            let mut octets = Vec::new();
            for line in STANDARD.encode(&header).as_bytes().chunks(76) {
                octets.extend_from_slice(line);
                octets.extend_from_slice(b"\r\n");
            }
            Ok(Returned { media: "message/global-headers", encoding: Some("base64"), octets })
        }
    }
}

/// The header with its last line end, cut at a line end when it is too long.
fn read_header(content: &Content) -> io::Result<Vec<u8>> {
    let mut header = vec![0; HEADER_OCTETS];
    let mut filled = 0usize;
    while let Some(window) = header.get_mut(filled..).filter(|window| !window.is_empty()) {
        match content.read_at(filled as u64, window)? {
            0 => break,
            octets => filled += octets,
        }
    }
    header.truncate(filled);
    if header.starts_with(b"\r\n") {
        header.clear();
    }
    let end = memmem::find(&header, b"\r\n\r\n").map(|at| at + 2);
    let whole_lines = memchr::memrchr(b'\n', &header).map_or(0, |at| at + 1);
    header.truncate(end.unwrap_or(whole_lines));
    Ok(header)
}

#[cfg(test)]
mod tests;
