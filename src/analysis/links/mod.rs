//! The links of a message: read in one place for every stage that judges by them.
//!
//! In: [`Anatomy`], and the texts of the files that it carries. Out: [`Links`]: what a reader
//! could follow, from text, HTML, files and the texts beside images, each with its target taken apart as a browser would, what is shown
//! for it, and where it stands. [`look`] turns them into sightings. Reading is linear; numbers
//! and lengths are bounded, and what was left away is counted.

mod judge;
mod letters;
mod lists;
mod markup;
mod redirect;
mod target;
#[cfg(test)]
mod tests;
mod written;

pub use judge::{ease, look};
pub use letters::looks_random;
pub use lists::{
    FreeHost, free_host, has_plain_suffix, is_click_tracker, is_free_mail, is_picture_host,
    is_redirector, is_shortener,
};
pub use redirect::{final_target, is_rewriter};
pub use target::{Disguises, Host, Scheme, Target};

use crate::message::{Anatomy, Kind, Part};

/// Links kept of a message; more of them say nothing new.
const MOST_LINKS: usize = 1_000;
/// Text and HTML looked into, in octets: enough for any letter, and bounded for a book.
const TEXT_OCTETS: usize = 4 << 20;
/// Texts of files looked into, in octets.
pub const FILE_OCTETS: usize = 4 << 20;
/// What is kept of the text that is shown, in octets: claims and requests stand in a page.
const SHOWN_OCTETS: usize = 12_000;
/// What is shown for a link is kept so far.
const VISIBLE_CHARS: usize = 300;
/// A longer target is kept only so far; see [`Target::parse`].
const TARGET_OCTETS: usize = 4_096;

/// Where a link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Written out with its scheme or `www.`.
    Text,
    /// Written out as a bare name, such as `example.org`.
    BareText,
    /// Written so that programs do not see it: `example[.]org`, `hxxp://`.
    SpelledOut,
    /// `a`, or `area` of an image.
    Anchor,
    /// `form`'s action or a button's.
    Form,
    /// An image, a style sheet, a picture in the background: loaded, not followed.
    Resource,
    /// `iframe`, `frame`, `embed`, `object`: shown inside of the message.
    Frame,
    /// `base`: what relative links are meant from.
    Base,
    /// `meta` with a refresh: followed without a click.
    Refresh,
    /// The text of a file, or what it links to: a document, a sheet, a calendar.
    File,
}

impl Place {
    /// Whether the reader decides to go there, or is sent there.
    pub fn is_followed(self) -> bool {
        !matches!(self, Place::Resource | Place::Base)
    }
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// As it is written, character references decoded, cut when it is very long.
    pub target: String,
    /// Whom a browser would ask.
    pub host: Option<Host>,
    /// What the reader sees of it: text, and the texts for images.
    pub visible: String,
    /// Where it stands.
    pub place: Place,
    /// The target taken apart.
    pub parsed: Target,
    /// It stands in an attachment.
    pub attached: bool,
    /// It stands in a message inside of the message.
    pub nested: bool,
    /// It shows an image.
    pub pictured: bool,
    /// Its style makes it invisible.
    pub hidden: bool,
}

/// A form in HTML.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Form {
    /// Where it sends; empty when it names nothing.
    pub action: String,
    /// It asks for a password.
    pub password: bool,
    /// Its fields that can be typed into.
    pub fields: u32,
    /// It stands in an attachment.
    pub attached: bool,
}

/// All links of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Links {
    /// In the order of parts.
    pub all: Vec<Link>,
    /// Forms of HTML parts.
    pub forms: Vec<Form>,
    /// Links beyond the limit.
    pub left_out: usize,
    /// The beginning of the text that is shown, part by part, without attachments and without
    /// messages inside of the message.
    pub shown: String,
    /// A part in HTML was there, and no attachment.
    pub has_html: bool,
}

/// Where in the message a part lies.
#[derive(Debug, Clone, Copy)]
struct Spot {
    attached: bool,
    nested: bool,
}

impl Links {
    /// Reads the links of a message.
    pub fn of(anatomy: &Anatomy) -> Links {
        let mut links = Links::default();
        let mut left_octets = TEXT_OCTETS;
        let nested = nested_parts(anatomy);
        for (part, nested) in anatomy.parts.iter().zip(nested) {
            let spot = Spot { attached: part.media.attachment, nested };
            links.read_part(part, spot, &mut left_octets);
        }
        for stray in &anatomy.strays {
            let text = within(stray, &mut left_octets);
            let spot = Spot { attached: false, nested: true };
            written::read(&String::from_utf8_lossy(text), spot, &mut links);
        }
        links
    }

    /// Links that a reader may follow and a browser opens.
    pub fn followed(&self) -> impl Iterator<Item = &Link> {
        self.all.iter().filter(|link| link.place.is_followed())
    }

    /// Reads the links of a text that lay in a file. Bare names are left away: sheets and
    /// programs are full of words with dots.
    pub fn read_file(&mut self, text: &str, left_octets: &mut usize) {
        let first = self.all.len();
        let spot = Spot { attached: true, nested: false };
        written::read(text_within(text, left_octets), spot, self);
        let found = self.all.split_off(first.min(self.all.len()));
        let written_out = found.into_iter().filter(|link| link.place != Place::BareText);
        self.all.extend(written_out.map(|link| Link { place: Place::File, ..link }));
    }

    fn read_part(&mut self, part: &Part, spot: Spot, left_octets: &mut usize) {
        match part.kind {
            Kind::Multipart | Kind::Message | Kind::Other => {}
            Kind::Text | Kind::Html if *left_octets == 0 => {}
            Kind::Text => {
                let text = part.text();
                let text = text_within(&text, left_octets);
                self.note_shown(text, spot);
                written::read(text, spot, self);
            }
            Kind::Html => {
                let html = part.text();
                let html = text_within(&html, left_octets);
                self.has_html |= !spot.attached && !spot.nested;
                markup::read(html, spot, self);
            }
        }
    }

    fn note_shown(&mut self, text: &str, spot: Spot) {
        let room = SHOWN_OCTETS.saturating_sub(self.shown.len());
        if !spot.attached && !spot.nested && room > 0 {
            self.shown.push_str(text.get(..text.floor_char_boundary(room)).unwrap_or_default());
            self.shown.push('\n');
        }
    }

    fn push(&mut self, place: Place, target: &str, visible: &str, spot: Spot) -> Option<&mut Link> {
        if self.all.len() >= MOST_LINKS {
            self.left_out += 1;
            return None;
        }
        let target = target.get(..target.floor_char_boundary(TARGET_OCTETS)).unwrap_or_default();
        let parsed = Target::parse(target);
        self.all.push(Link {
            target: target.to_owned(),
            host: parsed.host.clone(),
            visible: one_line(visible),
            place,
            parsed,
            attached: spot.attached,
            nested: spot.nested,
            pictured: false,
            hidden: false,
        });
        self.all.last_mut()
    }
}

/// White space drawn together, cut to what matters.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for (at, word) in text.split_whitespace().enumerate() {
        if line.len() > VISIBLE_CHARS {
            break;
        }
        if at > 0 {
            line.push(' ');
        }
        line.extend(word.chars().take(VISIBLE_CHARS));
    }
    line
}

/// Which parts lie in a message inside of the message. A part stands behind the one that
/// holds it.
fn nested_parts(anatomy: &Anatomy) -> Vec<bool> {
    let mut nested = Vec::with_capacity(anatomy.parts.len());
    for part in &anatomy.parts {
        let inside = part.parent.is_some_and(|parent| {
            let is_message =
                anatomy.parts.get(parent).is_some_and(|above| above.kind == Kind::Message);
            is_message || nested.get(parent).copied().unwrap_or(false)
        });
        nested.push(inside);
    }
    nested
}

fn within<'o>(octets: &'o [u8], left_octets: &mut usize) -> &'o [u8] {
    let taken = octets.get(..octets.len().min(*left_octets)).unwrap_or_default();
    *left_octets -= taken.len();
    taken
}

fn text_within<'t>(text: &'t str, left_octets: &mut usize) -> &'t str {
    let end = text.floor_char_boundary((*left_octets).min(text.len()));
    *left_octets -= end;
    text.get(..end).unwrap_or_default()
}
