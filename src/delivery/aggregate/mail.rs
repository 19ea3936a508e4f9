//! The mail that carries a report (RFC 9990 section 3.5.2). Pure.
//!
//! In: the report's XML, who writes to whom. Out: a message of RFC 5322 in seven bits with a
//! few words for people and the report as a gzip file.

use std::fmt::Write as _;
use std::io::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

use super::{Terms, plan, xml};
use crate::delivery::trace;
use crate::mail::{Address, MailId};
use crate::message::edit;
use crate::store::dmarc::{Period, Tally};

/// RFC 2045 section 6.8.
const BASE64_LINE: usize = 76;
/// Header and words around the attachment, generously.
const AROUND_OCTETS: u64 = 4 << 10;

/// A report, packed.
#[derive(Debug, Clone)]
pub(super) struct Attachment {
    /// In file, subject and XML the same.
    pub(super) report_id: String,
    /// The name that RFC 9990 section 3.5.2 prescribes.
    pub(super) file_name: String,
    /// The packed file.
    pub(super) gzip: Vec<u8>,
}

impl Attachment {
    /// Writes and packs a report; the same one whenever it is asked for.
    pub(super) fn write(
        terms: &Terms,
        author: &Address,
        period: &Period,
        rows: &[Tally],
    ) -> Attachment {
        let report_id = plan::report_id(&terms.hostname, &period.domain, period.day);
        let (begin_s, end_s) = (period.day.begin_s(), period.day.end_s());
        let file_name = format!("{}!{}!{begin_s}!{end_s}.xml.gz", terms.hostname, period.domain);
        let text = xml::write(terms, author, &report_id, period, rows);
        Attachment { report_id, file_name, gzip: packed(text.as_bytes()) }
    }
}

fn packed(octets: &[u8]) -> Vec<u8> {
    // Without a time in it: the same report is the same file.
    let mut packer: GzEncoder<Vec<u8>> =
        GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    // Memory takes everything.
    let _ = packer.write_all(octets);
    packer.finish().unwrap_or_default()
}

/// The size of a mail with an attachment of so many octets, as a reader's limit counts it:
/// after encoding (RFC 7489 section 6.3).
pub(super) fn size_octets(attachment: usize) -> u64 {
    let encoded = attachment.div_ceil(3) * 4;
    (encoded + encoded.div_ceil(BASE64_LINE) * 2) as u64 + AROUND_OCTETS
}

/// Who writes to whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Letter<'l> {
    /// The name of the mail.
    pub(super) id: MailId,
    /// Who writes.
    pub(super) author: &'l Address,
    /// Who is written to.
    pub(super) reader: &'l Address,
    /// When, milliseconds since 1970.
    pub(super) date_ms: u64,
}

/// A message ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// The whole of it.
    pub(super) text: Vec<u8>,
    /// On one line.
    pub(super) subject: String,
    /// Without angle brackets.
    pub(super) message_id: String,
}

/// Writes the message.
pub(super) fn message(
    terms: &Terms,
    letter: &Letter<'_>,
    period: &Period,
    attachment: &Attachment,
) -> Message {
    let (hostname, domain) = (&terms.hostname, &period.domain);
    let (author, reader) = (letter.author, letter.reader);
    let name = display_name(terms.reports.org_name.as_deref().unwrap_or(hostname.as_str()));
    let message_id = format!("{}.dmarc@{hostname}", letter.id);
    // No line of base64 begins with two hyphens, and the words below do not.
    let boundary = format!("=_{}", letter.id);
    let date = trace::date(letter.date_ms);
    let (report_id, file_name) = (&attachment.report_id, &attachment.file_name);
    let mut text = format!(
        "Date: {date}\r\nFrom: {name}\r\n <{author}>\r\nTo: <{reader}>\r\n\
         Subject: Report Domain: {domain}\r\n Submitter: {hostname}\r\n Report-ID: <{report_id}>\r\n\
         Message-ID: <{message_id}>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed;\r\n boundary=\"{boundary}\"\r\n\r\n\
         --{boundary}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
         This is a DMARC aggregate report.\r\n\r\n\
         Domain:    {domain}\r\nDay:       {day} (UTC)\r\nMessages:  {mails}\r\n\
         Submitter: {hostname}\r\nReport-ID: {report_id}\r\n\r\n\
         The domain's DMARC record asks for it to be sent to you.\r\n\
         --{boundary}\r\nContent-Type: application/gzip;\r\n name=\"{file_name}\"\r\n\
         Content-Disposition: attachment;\r\n filename=\"{file_name}\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n",
        day = period.day,
        mails = period.mails,
    )
    .into_bytes();
    for line in STANDARD.encode(&attachment.gzip).as_bytes().chunks(BASE64_LINE) {
        text.extend_from_slice(line);
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let subject = format!("Report Domain: {domain} Submitter: {hostname} Report-ID: <{report_id}>");
    Message { text, subject, message_id }
}

/// A phrase of RFC 5322 section 3.2.5: quoted, or in encoded words.
fn display_name(name: &str) -> String {
    if !name.is_ascii() || name.len() > 60 {
        return edit::encode_words(name).join("\r\n ");
    }
    let mut quoted = String::from("\"");
    for letter in name.chars().filter(|letter| !letter.is_control()) {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        let _ = write!(quoted, "{letter}");
    }
    quoted.push('"');
    quoted
}
