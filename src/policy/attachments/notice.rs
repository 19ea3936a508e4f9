//! The text that stands in the place of a file: what was taken out, why, and how to get it.
//!
//! In: files and the rules that they fell under. Out: a text part, and the orders that put it
//! in place (RFC 2046 section 5.1.1: a part needs no header but what differs from the default;
//! RFC 2045 section 6.8 for what is not ASCII).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::config::AttachmentRule;
use crate::mail::{MailId, Order};
use crate::message::Place;
use crate::message::contents::Item;

/// Files that are named one by one.
const NAMED: usize = 20;
/// RFC 2045 section 6.8.
const LINE_OCTETS: usize = 76;

/// Who says it, and whom to ask.
pub(super) struct Notice<'n> {
    pub(super) hostname: &'n str,
    /// Absent when the mail as it came is not kept.
    pub(super) postmaster: Option<&'n str>,
    pub(super) id: MailId,
}

impl Notice<'_> {
    /// The words; with the text of the files when that goes out in their place.
    pub(super) fn write(&self, files: &[(&Item, &AttachmentRule)], text: Option<&str>) -> String {
        let host = self.hostname;
        let what = match text {
            Some(_) => "was replaced by its text",
            None => "was removed",
        };
        let mut out = format!("A file {what} on its way by the mail firewall of {host}.\r\n\r\n");
        for (item, rule) in files.iter().take(NAMED) {
            let (words, octets) = (item.nature.words(), item.octets);
            out.push_str(&format!("File: {} ({words}, {octets} octets)\r\n", item.path));
            out.push_str(&format!("Rule: {}\r\n", one_line(&rule.name)));
            if !rule.text.is_empty() {
                out.push_str(&format!("{}\r\n", one_line(&rule.text)));
            }
        }
        if files.len() > NAMED {
            out.push_str(&format!("and {} more\r\n", files.len() - NAMED));
        }
        match self.postmaster {
            Some(postmaster) => out.push_str(&format!(
                "\r\nThe message as it came is kept. Ask {postmaster} for it and give the reference {}.\r\n",
                self.id
            )),
            None => out.push_str("\r\nThe file was not kept. Ask the sender for another way.\r\n"),
        }
        if let Some(text) = text {
            out.push_str("\r\n----- text of the file -----\r\n\r\n");
            let lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches('\r')).collect();
            out.push_str(&lines.join("\r\n"));
            out.push_str("\r\n");
        }
        out
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The orders that put a text in the place of a part; `is_message` when the part is the
/// message itself, whose header stays.
pub(super) fn in_place(place: &Place, is_message: bool, text: &str) -> Vec<Order> {
    // RFC 5322 section 2.1.1 also bounds the lines of what is ASCII.
    let is_plain = text.is_ascii() && text.lines().all(|line| line.len() < 900);
    let (encoding, body) = match is_plain {
        true => ("7bit", text.as_bytes().to_vec()),
        false => ("base64", wrapped(&BASE64_STANDARD.encode(text))),
    };
    let fields = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Transfer-Encoding", encoding),
        ("Content-Disposition", "inline"),
    ];
    let replace = |range: &std::ops::Range<u64>, with: Vec<u8>| Order::Replace {
        start: range.start,
        end: range.end,
        with,
    };
    if !is_message {
        let mut part = String::new();
        for (name, value) in fields {
            part.push_str(&format!("{name}: {value}\r\n"));
        }
        part.push_str("\r\n");
        let mut part = part.into_bytes();
        part.extend_from_slice(&body);
        return vec![replace(&place.whole, part)];
    }
    let mut orders = Vec::new();
    for (name, value) in fields {
        orders.push(Order::RemoveHeader(name.into()));
        orders.push(Order::AddHeader { name: name.into(), value: value.into() });
    }
    orders.push(replace(&place.body, body));
    orders
}

fn wrapped(encoded: &str) -> Vec<u8> {
    let mut lines = Vec::with_capacity(encoded.len() + encoded.len() / 30);
    for line in encoded.as_bytes().chunks(LINE_OCTETS) {
        lines.extend_from_slice(line);
        lines.extend_from_slice(b"\r\n");
    }
    lines
}
