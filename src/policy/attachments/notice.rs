//! The text that stands in the place of a file: what was taken out, why, and how to get it.
//!
//! In: files and the rules that they fell under. Out: its words; `message::removal` puts them in
//! place.

use crate::config::AttachmentRule;
use crate::mail::MailId;
use crate::message::contents::Item;

/// Files that are named one by one.
const NAMED: usize = 20;

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
            out.push_str("\r\n===== text of the file =====\r\n\r\n");
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
