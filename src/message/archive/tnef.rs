//! Outlook rich text, `winmail.dat` (MS-OXTNEF), and the compressed RTF in it (MS-OXRTFCP).
//!
//! In: a TNEF stream. Out: each attachment under its name (of several, the most dangerous),
//! messages and objects embedded in attachments, the RTF and HTML body as files, the plain
//! body and the subject as text. Checksums that do not match are remarked and the data is read
//! all the same, as Outlook does. What ends too early is remarked; what came before it is read.
//! Lengths are only ever used to cut slices of what is there.

use bytes::Bytes;

use super::compressed_rtf;
use crate::message::charset;
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::cut;
use crate::message::fixed::{le16, le32};
use crate::message::media::worst_of;

/// MS-OXTNEF section 2.1.3.1, little-endian.
const SIGNATURE: &[u8] = b"\x78\x9f\x3e\x22";

/// Attributes, MS-OXTNEF section 2.1.3.3: type and number.
mod attribute {
    pub(super) const SUBJECT: u32 = 0x0001_8004;
    pub(super) const BODY: u32 = 0x0002_800c;
    pub(super) const ATTACH_DATA: u32 = 0x0006_800f;
    pub(super) const ATTACH_TITLE: u32 = 0x0001_8010;
    pub(super) const ATTACH_TRANSPORT_NAME: u32 = 0x0006_9001;
    pub(super) const ATTACH_REND_DATA: u32 = 0x0006_9002;
    pub(super) const MESSAGE_PROPERTIES: u32 = 0x0006_9003;
    pub(super) const ATTACH_PROPERTIES: u32 = 0x0006_9005;
}

/// Properties, MS-OXPROPS.
mod property {
    pub(super) const SUBJECT: u16 = 0x0037;
    pub(super) const BODY: u16 = 0x1000;
    pub(super) const RTF_COMPRESSED: u16 = 0x1009;
    pub(super) const HTML: u16 = 0x1013;
    pub(super) const DISPLAY_NAME: u16 = 0x3001;
    pub(super) const ATTACH_DATA: u16 = 0x3701;
    pub(super) const ATTACH_NAME: u16 = 0x3704;
    pub(super) const ATTACH_LONG_NAME: u16 = 0x3707;
    pub(super) const ATTACH_PATH: u16 = 0x370d;
    pub(super) const ATTACH_MIME_TAG: u16 = 0x370e;
}

/// An attachment as far as it is known.
#[derive(Default)]
struct Attachment {
    names: Vec<String>,
    declared: Option<String>,
    data: Vec<Bytes>,
}

/// Takes a TNEF stream apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    if !octets.starts_with(SIGNATURE) {
        return Ok(());
    }
    let mut stream = Stream { octets, at: SIGNATURE.len() + 2, opening };
    let mut attachment = Attachment::default();
    while let Some((number, data)) = stream.attribute() {
        stream.opening.pay_time()?;
        stream.take(number, &data, &mut attachment)?;
    }
    stream.give(std::mem::take(&mut attachment))?;
    if stream.at < octets.len() {
        opening.closed(Closed::Damaged, "ends in an attribute");
    }
    Ok(())
}

struct Stream<'s, 'o, 'w, 'r> {
    octets: &'s Bytes,
    at: usize,
    opening: &'o mut Opening<'w, 'r>,
}

impl Stream<'_, '_, '_, '_> {
    /// Level, number, length, data and checksum, MS-OXTNEF section 2.1.3.2. An attribute that
    /// goes beyond the end is given as far as it goes.
    fn attribute(&mut self) -> Option<(u32, Bytes)> {
        let number = le32(self.octets, self.at.checked_add(1)?)?;
        let length = usize::try_from(le32(self.octets, self.at + 5)?).ok()?;
        let start = self.at + 9;
        let end = start.saturating_add(length);
        let data = cut(self.octets, start..end);
        match le16(self.octets, end) {
            Some(sum) => {
                let told = data.iter().fold(0u16, |sum, octet| sum.wrapping_add(u16::from(*octet)));
                if sum != told {
                    self.opening.remark("TNEF_MISMATCH", format!("{number:08x}"));
                }
                self.at = end + 2;
                Some((number, data))
            }
            // The last one is cut: it is taken, and nothing can follow.
            None => {
                let is_whole = end == self.octets.len();
                self.at = self.octets.len();
                if !is_whole {
                    self.opening.closed(Closed::Damaged, "cut");
                }
                (!data.is_empty()).then_some((number, data))
            }
        }
    }

    fn take(
        &mut self,
        number: u32,
        data: &Bytes,
        attachment: &mut Attachment,
    ) -> Result<(), Exhausted> {
        match number {
            attribute::ATTACH_REND_DATA => self.give(std::mem::take(attachment))?,
            attribute::ATTACH_TITLE | attribute::ATTACH_TRANSPORT_NAME => {
                attachment.names.push(plain_text(data));
            }
            attribute::ATTACH_DATA => attachment.data.push(data.clone()),
            attribute::ATTACH_PROPERTIES => self.take_attachment(data, attachment)?,
            attribute::MESSAGE_PROPERTIES => self.take_message(data)?,
            attribute::SUBJECT | attribute::BODY => self.opening.text(&plain_text(data)),
            _ => {}
        }
        Ok(())
    }

    fn give(&mut self, attachment: Attachment) -> Result<(), Exhausted> {
        let name = worst_of(&attachment.names).to_owned();
        for data in attachment.data {
            self.opening.typed_member(&name, attachment.declared.clone(), data)?;
        }
        Ok(())
    }

    fn take_attachment(
        &mut self,
        data: &Bytes,
        attachment: &mut Attachment,
    ) -> Result<(), Exhausted> {
        let mut properties = Properties::of(data);
        while let Some(property) = properties.next() {
            self.opening.pay_time()?;
            for value in &property.values {
                match property.number {
                    property::ATTACH_NAME
                    | property::ATTACH_LONG_NAME
                    | property::ATTACH_PATH
                    | property::DISPLAY_NAME => attachment.names.push(property.text(value)),
                    property::ATTACH_MIME_TAG => {
                        attachment.declared = Some(property.text(value).to_ascii_lowercase());
                    }
                    property::ATTACH_DATA => {
                        // An object begins with the number of its interface.
                        let skipped = if property.kind == OBJECT { 16 } else { 0 };
                        attachment.data.push(cut(value, skipped..value.len()));
                    }
                    _ => {}
                }
            }
        }
        self.note_end(&properties);
        Ok(())
    }

    fn take_message(&mut self, data: &Bytes) -> Result<(), Exhausted> {
        let mut properties = Properties::of(data);
        while let Some(property) = properties.next() {
            self.opening.pay_time()?;
            for value in &property.values {
                match property.number {
                    property::SUBJECT | property::BODY => {
                        self.opening.text(&property.text(value));
                    }
                    property::HTML => self.opening.member("body.html", value.clone())?,
                    property::RTF_COMPRESSED => {
                        compressed_rtf::open("body.rtf", value, self.opening)?;
                    }
                    _ => {}
                }
            }
        }
        self.note_end(&properties);
        Ok(())
    }

    fn note_end(&mut self, properties: &Properties<'_>) {
        if properties.left > 0 {
            self.opening.closed(Closed::Damaged, "ends in a property");
        }
    }
}

/// Types of values, MS-OXCDATA section 2.11.1.
const STRING8: u16 = 0x001e;
const UNICODE: u16 = 0x001f;
const OBJECT: u16 = 0x000d;
const BINARY: u16 = 0x0102;
/// Several values of one type.
const MULTIPLE: u16 = 0x1000;

/// A property with values of variable length; of others no value is kept.
struct Property {
    number: u16,
    kind: u16,
    values: Vec<Bytes>,
}

impl Property {
    fn text(&self, value: &[u8]) -> String {
        match self.kind {
            UNICODE => {
                let text = encoding_rs::UTF_16LE.decode_without_bom_handling(value).0;
                text.trim_end_matches('\0').to_owned()
            }
            _ => plain_text(value),
        }
    }
}

fn plain_text(octets: &[u8]) -> String {
    let end = memchr::memchr(0, octets).unwrap_or(octets.len());
    charset::guess(octets.get(..end).unwrap_or_default()).into_owned()
}

/// A list of properties, MS-OXTNEF section 2.1.3.4.
struct Properties<'p> {
    octets: &'p Bytes,
    at: usize,
    /// How many are still to come, by the word of the list.
    left: u32,
}

impl<'p> Properties<'p> {
    fn of(octets: &'p Bytes) -> Properties<'p> {
        Properties { octets, at: 4, left: le32(octets, 0).unwrap_or(0) }
    }

    fn next(&mut self) -> Option<Property> {
        if self.left == 0 {
            return None;
        }
        let property = self.read()?;
        self.left -= 1;
        Some(property)
    }

    fn read(&mut self) -> Option<Property> {
        let kind = le16(self.octets, self.at)?;
        let number = le16(self.octets, self.at + 2)?;
        self.at += 4;
        if number >= 0x8000 {
            self.skip_name()?;
        }
        let base = kind & !MULTIPLE;
        let is_variable = matches!(base, STRING8 | UNICODE | OBJECT | BINARY);
        let count = match is_variable || kind & MULTIPLE != 0 {
            true => self.long()?,
            false => 1,
        };
        let mut values = Vec::new();
        if !is_variable {
            let each = fixed_octets(base)?;
            let octets = usize::try_from(count).ok()?.checked_mul(each)?;
            self.skip(octets)?;
            return Some(Property { number, kind: base, values });
        }
        for _ in 0..count {
            let length = usize::try_from(self.long()?).ok()?;
            let end = self.at.checked_add(length)?;
            if end > self.octets.len() {
                // Cut: what is there is taken, nothing can follow.
                values.push(cut(self.octets, self.at..end));
                self.at = self.octets.len();
                return Some(Property { number, kind: base, values });
            }
            values.push(cut(self.octets, self.at..end));
            self.skip(length.div_ceil(4).checked_mul(4)?);
        }
        Some(Property { number, kind: base, values })
    }

    /// A property with a name of its own: a set, and a number or a name in it.
    fn skip_name(&mut self) -> Option<()> {
        self.skip(16)?;
        match self.long()? {
            0 => self.skip(4),
            _ => {
                let length = usize::try_from(self.long()?).ok()?;
                self.skip(length.div_ceil(4).checked_mul(4)?)
            }
        }
    }

    fn long(&mut self) -> Option<u32> {
        let value = le32(self.octets, self.at)?;
        self.at += 4;
        Some(value)
    }

    /// The last value may lack its padding.
    fn skip(&mut self, octets: usize) -> Option<()> {
        let end = self.at.checked_add(octets)?;
        let fits = end <= self.octets.len() + 3;
        self.at = end.min(self.octets.len());
        fits.then_some(())
    }
}

/// Values of fixed length take whole groups of four octets.
fn fixed_octets(kind: u16) -> Option<usize> {
    Some(match kind {
        0x0000 | 0x0001 => 0,
        0x0002 | 0x0003 | 0x0004 | 0x000a | 0x000b => 4,
        0x0005 | 0x0006 | 0x0007 | 0x0014 | 0x0040 => 8,
        0x0048 => 16,
        _ => return None,
    })
}
