//! What is odd about the fields and the encoding of a part, as the walk notes it.
//!
//! In: a head, its media, the flaws of a body. Out: oddities. Nothing here decides how a part
//! is read.

use super::Part;
use crate::message::alternatives;
use crate::message::head::{Head, decides_reading, is_shown};
use crate::message::media::Media;
use crate::message::oddity::{Oddities, Oddity};
use crate::message::transfer::{self, Behind};

/// What is odd about the fields of a part.
pub(super) fn note_media(media: &Media, head: &Head, is_message: bool, oddities: &mut Oddities) {
    if media.is("message", "partial") {
        oddities.note(Oddity::Partial, "");
    }
    if media.is("message", "external-body") {
        oddities.note(Oddity::External, alternatives::external_place(head));
    }
    if is_message && head.first("mime-version").is_none() {
        let mime = ["content-type", "content-transfer-encoding", "content-disposition"];
        let is_there = mime.into_iter().find(|name| head.first(name).is_some());
        // RFC 2049 section 2: without the field the message is plain.
        if let Some(name) = is_there {
            oddities.note(Oddity::MimeVersionAbsent, name);
        }
    }
}

pub(super) fn note_flaws(flaws: transfer::Flaws, part: &Part, oddities: &mut Oddities) {
    let place = part.media.filename.as_deref().unwrap_or_default();
    if flaws.foreign > 0 {
        oddities.note_times(Oddity::Base64Foreign, flaws.foreign, place);
        // Some stray characters are an accident of transport.
        if flaws.foreign > 16 && flaws.foreign as usize > part.body.len() / 20 {
            oddities.note(Oddity::EncodingUntrue, place);
        }
    }
    if flaws.after_padding {
        match transfer::behind_padding(&part.body) {
            Behind::Blank => {}
            // Those who go on and those who show the lines as they are are both listened to.
            Behind::Prose => oddities.note(Oddity::Base64Footer, place),
            Behind::More => oddities.note(Oddity::Base64AfterPadding, place),
        }
    }
    if flaws.cut {
        oddities.note(Oddity::Base64Cut, place);
    }
    if flaws.bad_escapes > 0 {
        oddities.note_times(Oddity::QuotedPrintable, flaws.bad_escapes, place);
    }
}

/// RFC 5322 section 3.6: fields that occur at most once.
const ONCE: [&str; 14] = [
    "date",
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "message-id",
    "in-reply-to",
    "references",
    "subject",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "content-disposition",
];

pub(super) fn note_message_head(head: &Head, oddities: &mut Oddities) {
    if head.fields().is_empty() {
        oddities.note(Oddity::NoHeader, "");
        return;
    }
    note_repeated(head, oddities);
    if head.first("from").is_none() {
        oddities.note(Oddity::NoAuthor, "");
    }
    if head.first("date").is_none() {
        oddities.note(Oddity::NoDate, "");
    }
}

pub(super) fn note_repeated(head: &Head, oddities: &mut Oddities) {
    for name in ONCE {
        let mut same_name = head.all(name).map(|field| head.value(field).trim_ascii());
        let Some(first) = same_name.next() else { continue };
        let (mut echoed, mut differs) = (false, false);
        for other in same_name {
            echoed |= other == first;
            differs |= other != first;
        }
        let oddity = match (differs, echoed) {
            (true, _) if decides_reading(name.as_bytes()) => Oddity::HeaderRepeatedMime,
            // Two dates mislead nobody about who writes what.
            (true, _) if is_shown(name.as_bytes()) && name != "date" => Oddity::HeaderRepeatedShown,
            (true, _) => Oddity::HeaderRepeated,
            (false, true) => Oddity::HeaderEchoed,
            (false, false) => continue,
        };
        oddities.note(oddity, name);
    }
}
