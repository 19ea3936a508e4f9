//! Bodies of fuzz targets: any octets may be given to them, and they must neither panic nor
//! break what they assert. A corpus is replayed by the tests.

pub use super::archive::fuzz::archive;
pub use super::archive::packed::packed;
pub use super::document::fuzz::{document, ole, ooxml, pdf, rtf};

use bytes::Bytes;

use super::anatomy::{Anatomy, Limits};
use super::annotate::{self, Annotation};
use super::archive;
use super::author::Authorship;
use super::contents::{Contents, Limits as ContentsLimits};
use super::edit;
use super::parameters;
use super::results::AuthenticationResults;
use crate::mail::{AnnotationPlace, Content, Order};

/// Takes a message apart, reads its texts and its summary; returns octets of text seen.
pub fn dissect(data: &[u8]) -> usize {
    let mut anatomy = Anatomy::of(&Bytes::copy_from_slice(data), Limits::default());
    let mut octets = 0;
    anatomy.read(&mut |_, text| octets += text.len());
    let summary = anatomy.summary();
    assert!(summary.message_id.len() <= 250 && summary.subject.chars().count() <= 200);
    assert!(anatomy.oddities.sights().all(|(_, place)| place.len() < 400));
    octets
}

/// Reads the author and the recipients; an author that is told can be written and read again.
pub fn author(data: &[u8]) -> usize {
    let anatomy = Anatomy::of(&Bytes::copy_from_slice(data), Limits::default());
    let told = match anatomy.author() {
        Authorship::One(mailbox) => vec![mailbox],
        Authorship::Several(mailboxes) => mailboxes,
        Authorship::Absent | Authorship::Unclear(_) => Vec::new(),
    };
    for mailbox in &told {
        let again = mailbox.address.to_string().parse();
        assert!(again.as_ref() == Ok(&mailbox.address), "{mailbox:?}");
    }
    told.len() + anatomy.mailboxes("to").len() + anatomy.mailboxes("sender").len()
}

/// Edits a header; returns what goes out. The body is kept octet for octet.
pub fn rewrite(data: &[u8]) -> Vec<u8> {
    let orders = [
        Order::TagSubject("[Größe]".into()),
        Order::AddHeader { name: "X-Postern-Score".into(), value: "1.5\r\nX-Evil: 1".into() },
        Order::RemoveHeader("x-postern-score-old".into()),
    ];
    let content = Content::from_bytes(data.to_vec());
    let Ok(outgoing) = edit::rewrite(&content, &orders) else { return Vec::new() };
    let rest_offset = usize::try_from(outgoing.rest_offset).unwrap_or(usize::MAX);
    let mut whole = outgoing.head.to_vec();
    assert!(
        !whole.windows(8).any(|window| window == b"\nX-Evil:")
            || data.windows(7).any(|window| window == b"X-Evil:")
    );
    whole.extend_from_slice(data.get(rest_offset..).unwrap_or_default());
    whole
}

/// Annotates a message; what is annotated once is not annotated again in most readings, and
/// the edits lie in the message, in order and apart.
pub fn annotate(data: &[u8]) -> usize {
    let content = Content::from_bytes(data.to_vec());
    let mut octets = 0;
    for place in [AnnotationPlace::Above, AnnotationPlace::Below] {
        let text = "Vertraulich für Ł.\n-- of the house --";
        let annotation = Annotation { text, html: None, place, key: "fuzz" };
        let Ok(Ok(mut edits)) = annotate::annotate(&content, &annotation) else { continue };
        edits.sort_by_key(|edit| edit.place.start);
        let mut passed = 0;
        for edit in &edits {
            assert!(edit.place.start >= passed && edit.place.end >= edit.place.start);
            passed = edit.place.end;
            octets += edit.with.len();
        }
        assert!(passed <= content.len() && octets > 0);
    }
    octets
}

/// Reads an Authentication-Results field; returns how many results it has. Removing what
/// claims a name leaves nothing that claims it.
pub fn results(data: &[u8]) -> usize {
    let claims = AuthenticationResults::claims(data, "mx.test");
    let Some(field) = AuthenticationResults::parse(data) else {
        assert!(claims, "what cannot be read is a claim");
        return 0;
    };
    assert_eq!(claims, field.authserv_id.trim_end_matches('.') == "mx.test");
    let mut message = b"Authentication-Results:".to_vec();
    message.extend(
        data.iter().map(|octet| if matches!(octet, b'\r' | b'\n') { b' ' } else { *octet }),
    );
    message.extend_from_slice(b"\r\nA: b\r\n\r\n");
    let content = Content::from_bytes(message);
    let orders = [Order::RemoveResults("mx.test".into())];
    if let Ok(outgoing) = edit::rewrite(&content, &orders) {
        let gone = !outgoing.head.starts_with(b"Authentication-Results:");
        assert!(gone || !claims, "a claim is left");
    }
    field.results.len()
}

/// Takes a message apart in all its readings and walks through what it carries; returns the
/// number of files. Parents stand before what they hold, alternative readings behind the
/// usual one.
pub fn walk(data: &[u8]) -> usize {
    let anatomy = Anatomy::of(&Bytes::copy_from_slice(data), Limits::default());
    let mut main = true;
    for (number, part) in anatomy.parts.iter().enumerate() {
        assert!(part.parent.is_none_or(|parent| parent < number), "a parent stands behind");
        assert!(main || !part.is_main(), "the usual reading goes on behind another");
        main = part.is_main();
    }
    let mut octets = 0usize;
    let contents = Contents::of(&anatomy, ContentsLimits::default(), &mut |_, text| {
        octets = octets.saturating_add(text.len());
    });
    assert!(contents.items.iter().all(|item| item.part < anatomy.parts.len()));
    contents.items.len()
}

/// A message with one attached file, whose octets stand in it as they are.
pub(super) fn attached(name: &str, octets: &[u8]) -> Bytes {
    let head = format!(
        "From: a@x.test\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n\
         Content-Disposition: attachment; filename=\"{name}\"\r\n\
         Content-Transfer-Encoding: binary\r\n\r\n"
    );
    [head.as_bytes(), octets].concat().into()
}

/// Takes the files out of a text: uuencode, yEnc, BinHex, mail and mailboxes.
pub fn text_files(data: &[u8]) -> usize {
    let head = b"From: a@b\r\nSubject: s\r\nMIME-Version: 1.0\r\nContent-Type: \
        application/octet-stream\r\n\r\n";
    archive::holds_text_files(data);
    walk(&[head, data].concat())
}

/// Takes a stream of Outlook's apart; its signature need not be there.
pub fn tnef(data: &[u8]) -> usize {
    text_files(&[b"\x78\x9f\x3e\x22\x01\x00", data].concat())
}

/// Reads the value of a field with parameters in every way.
pub fn fields(data: &[u8]) -> usize {
    let readings = parameters::readings(data);
    let values = readings.iter().map(|(_, reading)| {
        let names = ["boundary", "name", "filename", "charset"];
        names
            .iter()
            .map(|name| reading.octets(name).len() + reading.texts(name).len())
            .sum::<usize>()
    });
    values.sum()
}
