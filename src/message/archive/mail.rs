//! Messages as files: a mail that is attached under another type or lies in an archive, a web
//! archive (which is a mail, RFC 2557), and a mailbox of several (RFC 4155).
//!
//! In: the octets. Out: every leaf of the message, in all readings, as a member; its subject
//! and texts; what is odd about its form, as remarks. What would make a message itself be
//! refused (two authors and the like) counts less in one that is only carried.

use bytes::Bytes;

use super::intext::{line_at, lines_with};
use crate::message::contents::{Exhausted, Opening};
use crate::message::cut;
use crate::message::oddity::{Oddities, Oddity};
use crate::message::text::Zone;
use crate::message::{Anatomy, Kind, Limits};

/// Takes a message apart, or each message of a mailbox.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let starts: Vec<usize> = message_starts(octets).collect();
    if starts.len() > 1 {
        return open_mailbox(octets, &starts, opening);
    }
    let mut anatomy = Anatomy::of_carried(octets, Limits::default());
    anatomy.read(&mut |zone, text| {
        if matches!(zone, Zone::Subject | Zone::Body | Zone::Attachment) {
            opening.text(text);
        }
    });
    remark(&mut anatomy, opening);
    for part in anatomy.parts.iter().filter(|part| part.is_leaf()) {
        opening.pay_time()?;
        let octets = part.content();
        if octets.as_ptr() != part.body.as_ptr() {
            opening.pay_octets(octets.len() as u64)?;
        }
        // What belongs to a page has an address and no name.
        let is_resource = opening.is_page() && part.is_nameless();
        let is_plain = part.kind == Kind::Text && (is_resource || part.is_shown());
        // Its text was given already.
        if is_plain && !super::intext::holds_files(&octets) {
            continue;
        }
        match is_resource {
            true => opening.typed_member("", Some(part.declared()), octets)?,
            false => opening.part_member(part)?,
        }
    }
    Ok(())
}

fn remark(anatomy: &mut Anatomy, opening: &mut Opening<'_, '_>) {
    let mut odd = Oddities::default();
    odd.absorb_inner(std::mem::take(&mut anatomy.oddities));
    let lesser = [Oddity::NoHeader, Oddity::NoAuthor, Oddity::NoDate, Oddity::MimeVersionAbsent];
    let lesser = lesser.map(Oddity::name);
    for (name, place) in odd.sights().filter(|(name, _)| !lesser.contains(name)) {
        opening.remark(name, place);
    }
}

/// Where the messages of a mailbox begin: `From ` at the beginning, and behind an empty line.
fn message_starts(octets: &Bytes) -> impl Iterator<Item = usize> + '_ {
    lines_with(octets, b"From ").filter(|at| {
        let before = octets.get(..*at).unwrap_or_default();
        let (line, _) = line_at(octets, *at);
        let is_stamped = line.iter().any(u8::is_ascii_digit);
        let is_separate =
            before.is_empty() || before.ends_with(b"\n\n") || before.ends_with(b"\n\r\n");
        is_stamped && is_separate
    })
}

fn open_mailbox(
    octets: &Bytes,
    starts: &[usize],
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    // What stands before the first is a message too, or a text.
    let first = starts.first().copied().unwrap_or_default();
    if !octets.get(..first).unwrap_or_default().trim_ascii().is_empty() {
        opening.member("0.eml", cut(octets, 0..first))?;
    }
    for (at, start) in starts.iter().enumerate() {
        let end = starts.get(at + 1).copied().unwrap_or(octets.len());
        let (_, after_stamp) = line_at(octets, *start);
        let message = cut(octets, after_stamp..end.max(after_stamp));
        let declared = Some("message/rfc822".to_owned());
        opening.typed_member(&format!("{}.eml", at + 1), declared, message)?;
    }
    Ok(())
}
