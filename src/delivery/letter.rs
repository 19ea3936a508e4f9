//! A mail as it leaves: trace field, edited header, the rest of the content as it was received.
//!
//! In: a durable mail and its edited header. Out: [`Letter`], shared by all connections that
//! carry it, read in portions. The content is read when it is sent, never held because it
//! waits. Fails with an I/O error when the log cannot be read.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use memchr::memmem;
use tokio::sync::OnceCell;

use super::trace;
use crate::config::NextHop;
use crate::mail::{Content, Domain, Durable, Envelope, Facts, Mail, MailId};
use crate::message::edit::Outgoing;
use crate::smtp::client::Nature;

/// Octets of one portion.
const PORTION_OCTETS: usize = 256 << 10;
/// A header beyond it is not looked through for octets above 127.
const HEADER_OCTETS: usize = 1 << 20;
/// Enough of the first line to see whether it is a header field.
const FIRST_LINE_OCTETS: usize = 1_000;

/// Who wrote a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It came in by a session.
    Session,
    /// The box wrote it: a report or a notice.
    Box,
    /// It came in by a session and goes to somebody whom the sender does not know of.
    Copy,
}

/// A mail as it leaves.
#[derive(Debug)]
pub struct Letter {
    /// Which mail.
    pub id: MailId,
    /// Paths and parameters.
    pub envelope: Arc<Envelope>,
    /// What was observed at reception.
    pub facts: Arc<Facts>,
    /// Whether this process accepted the mail and no attempt was made before.
    pub fresh: bool,
    /// Where it goes, whatever the routes say.
    pub via: Option<Arc<[NextHop]>>,
    lead: Bytes,
    rest: Content,
    rest_offset: u64,
    nature: OnceCell<Nature>,
}

impl Letter {
    /// Puts the trace field before what goes out. Only a durable mail has a letter.
    pub fn write<S: Durable>(
        mail: &Mail<S>,
        origin: Origin,
        outgoing: Outgoing,
        hostname: &Domain,
        attempts: u32,
    ) -> io::Result<Letter> {
        let trace = match origin {
            Origin::Session | Origin::Copy => {
                trace::received(hostname, mail.id, &mail.facts, &mail.envelope)
            }
            Origin::Box => trace::written_here(hostname, mail.id, mail.facts.received_ms),
        };
        let mut lead = Vec::with_capacity(trace.len() + outgoing.head.len() + 2);
        lead.extend_from_slice(trace.as_bytes());
        if !begins_with_header(&outgoing)? {
            // Otherwise the first line of a body without header would look like a broken field.
            lead.extend_from_slice(b"\r\n");
        }
        lead.extend_from_slice(&outgoing.head);
        Ok(Letter {
            id: mail.id,
            envelope: Arc::clone(&mail.envelope),
            facts: Arc::clone(&mail.facts),
            fresh: attempts == 0 && mail.content.in_memory().is_some(),
            via: None,
            lead: lead.into(),
            rest: outgoing.rest,
            rest_offset: outgoing.rest_offset,
            nature: OnceCell::new(),
        })
    }

    /// Size of the text.
    pub fn octets(&self) -> u64 {
        self.lead.len() as u64 + self.rest.len().saturating_sub(self.rest_offset)
    }

    /// The octets from `offset` on, as many as come easily; empty at the end.
    pub(super) async fn portion(&self, offset: u64) -> io::Result<Bytes> {
        if let Some(portion) = self.portion_in_memory(offset) {
            return Ok(portion);
        }
        let rest = self.rest.clone();
        let from = self.offset_in_rest(offset);
        let read = tokio::task::spawn_blocking(move || read_portion(&rest, from)).await;
        let portion = read.map_err(io::Error::other)??;
        match portion.is_empty() && offset < self.octets() {
            // Never send half a mail as if it were a whole one.
            true => Err(io::ErrorKind::UnexpectedEof.into()),
            false => Ok(portion),
        }
    }

    fn portion_in_memory(&self, offset: u64) -> Option<Bytes> {
        let within = usize::try_from(offset).ok().filter(|at| *at < self.lead.len());
        if let Some(at) = within {
            return Some(self.lead.slice(at..));
        }
        let from = self.offset_in_rest(offset);
        if from >= self.rest.len() {
            return Some(Bytes::new());
        }
        let octets = self.rest.in_memory()?;
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(octets.len());
        let end = from.saturating_add(PORTION_OCTETS).min(octets.len());
        Some(octets.slice(from..end))
    }

    fn offset_in_rest(&self, offset: u64) -> u64 {
        self.rest_offset + offset.saturating_sub(self.lead.len() as u64)
    }

    /// Writes all of it. Blocks.
    pub(super) fn write_all(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.lead)?;
        let mut at = self.rest_offset;
        while at < self.rest.len() {
            let portion = read_portion(&self.rest, at)?;
            if portion.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            out.write_all(&portion)?;
            at += portion.len() as u64;
        }
        Ok(())
    }

    /// What the text needs of a server; read through once, when it is first asked for.
    pub(super) async fn nature(&self) -> io::Result<Nature> {
        self.nature.get_or_try_init(|| self.read_nature()).await.copied()
    }

    async fn read_nature(&self) -> io::Result<Nature> {
        let mut nature = Nature::default();
        let mut at = 0u64;
        let mut header: Option<Vec<u8>> = Some(Vec::new());
        loop {
            let portion = self.portion(at).await?;
            if portion.is_empty() {
                break;
            }
            at += portion.len() as u64;
            nature.eight_bit |= !portion.is_ascii();
            if let Some(mut seen) = header.take() {
                seen.extend_from_slice(&portion);
                let end = memmem::find(&seen, b"\r\n\r\n");
                let upto = seen.get(..end.unwrap_or(seen.len())).unwrap_or_default();
                nature.utf8_header |= !upto.is_ascii();
                header = (end.is_none() && seen.len() < HEADER_OCTETS).then_some(seen);
            }
            if nature.eight_bit && header.is_none() {
                break;
            }
        }
        Ok(nature)
    }
}

/// From memory without a copy, from a file by one read.
fn read_portion(content: &Content, from: u64) -> io::Result<Bytes> {
    let rest = content.len().saturating_sub(from);
    let wanted = usize::try_from(rest).unwrap_or(usize::MAX).min(PORTION_OCTETS);
    if let Some(octets) = content.in_memory() {
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(octets.len());
        return Ok(octets.slice(from..(from + wanted).min(octets.len())));
    }
    let mut portion = vec![0; wanted];
    let octets = content.read_at(from, &mut portion)?;
    portion.truncate(octets);
    Ok(portion.into())
}

/// Whether the text begins with a header field, or with the empty line after an empty header
/// (RFC 5322 section 2.2).
fn begins_with_header(outgoing: &Outgoing) -> io::Result<bool> {
    let mut first = [0; FIRST_LINE_OCTETS];
    let start = match outgoing.head.is_empty() {
        false => outgoing.head.get(..FIRST_LINE_OCTETS).unwrap_or(&outgoing.head),
        true => {
            let octets = outgoing.rest.read_at(outgoing.rest_offset, &mut first)?;
            first.get(..octets).unwrap_or_default()
        }
    };
    let name = start.iter().take_while(|octet| matches!(octet, 33..=57 | 59..=126)).count();
    let after = start.get(name..).unwrap_or_default();
    let after = after.trim_ascii_start();
    Ok(start.starts_with(b"\r\n") || (name > 0 && after.starts_with(b":")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::testing;

    fn outgoing(head: &'static str, rest: &'static str, rest_offset: u64) -> Outgoing {
        let rest = Content::from_bytes(rest.as_bytes());
        Outgoing { head: Bytes::from_static(head.as_bytes()), rest, rest_offset }
    }

    fn letter(outgoing: Outgoing) -> Letter {
        let mail = testing::mail(&["a@x.test"], "unused");
        let hostname = Domain::parse("mx.test").unwrap();
        Letter::write(&mail, Origin::Box, outgoing, &hostname, 0).unwrap()
    }

    fn text(letter: &Letter) -> String {
        let mut text = Vec::new();
        letter.write_all(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[tokio::test]
    async fn a_letter_is_trace_head_and_rest() {
        let table = [
            (outgoing("", "A: 1\r\n\r\nb", 0), "A: 1\r\n\r\nb"),
            (outgoing("X: 0\r\n", "A: 1\r\n\r\nb", 6), "X: 0\r\n\r\nb"),
            (outgoing("", "\r\nbody", 0), "\r\nbody"),
            (outgoing("", "no header", 0), "\r\nno header"),
            (outgoing("", "", 0), "\r\n"),
        ];
        for (outgoing, after_trace) in table {
            let letter = letter(outgoing);
            let whole = text(&letter);
            assert!(whole.starts_with("Received: by mx.test (Postern) id "), "{whole}");
            assert!(whole.ends_with(&format!("+0000\r\n{after_trace}")), "{whole}");
            assert_eq!(letter.octets(), whole.len() as u64);
            let mut portions = Vec::new();
            loop {
                let portion = letter.portion(portions.len() as u64).await.unwrap();
                if portion.is_empty() {
                    break;
                }
                portions.extend_from_slice(&portion);
            }
            assert_eq!(portions, whole.as_bytes());
        }
    }

    #[tokio::test]
    async fn what_the_text_needs_is_seen() {
        let table = [
            ("A: 1\r\n\r\nb", false, false),
            ("A: 1\r\n\r\nä", true, false),
            ("A: ä\r\n\r\nb", true, true),
        ];
        for (content, eight_bit, utf8_header) in table {
            let nature = letter(outgoing("", content, 0)).nature().await.unwrap();
            assert_eq!(nature, Nature { eight_bit, utf8_header }, "{content}");
        }
    }

    #[tokio::test]
    async fn content_that_ends_early_is_never_sent_as_whole() {
        let file = std::sync::Arc::new(tempfile::tempfile().unwrap());
        let content = Content::in_file(file, 0, 100);
        let short =
            Outgoing { head: Bytes::from_static(b"A: 1\r\n"), rest: content, rest_offset: 0 };
        let letter = letter(short);
        let lead = letter.portion(0).await.unwrap();
        assert!(letter.portion(lead.len() as u64).await.is_err());
        assert!(letter.write_all(&mut Vec::new()).is_err());
    }
}
