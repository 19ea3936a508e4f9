//! The features of a message: nine views of it, each a set of slots of the model's table.
//!
//! In: a [`Sample`]. Out: [`Features`]. All features are binary. What is volatile or written
//! after delivery (Return-Path, Delivered-To, verdicts of other filters, states of mailboxes)
//! is left out, so that a model trained from mailboxes holds at the perimeter; of Received
//! only hosts and forms are used. Values that age (dates, identifiers) count by their form.
//! A change of what is extracted must raise [`FEATURES_VERSION`]: models are bound to it.

use bytes::Bytes;

use super::fields;
use super::links;
use super::markup::{self, Markup};
use super::sample::Sample;
use super::tokens::{Bag, head, shape, squash};
use crate::message::{Anatomy, Limits};

/// Version of the extraction, kept in the model file.
pub const FEATURES_VERSION: u16 = 3;

/// A way of looking at a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum View {
    /// Character 4-grams of subject and text, normalised.
    Letters,
    /// Character 4-grams of the author's header fields and of the body's source, as written.
    Source,
    /// Words and sparse bigrams of subject, author's name and text.
    Words,
    /// The author's header fields: which, in which order, in which form.
    Head,
    /// Form of the whole: parts, lengths, proportions, threads, addresses.
    Form,
    /// Tags and layout of HTML.
    Markup,
    /// Links: hosts, forms, what is shown.
    Links,
    /// Hosts and words of all Received fields.
    Hops,
    /// The oldest Received fields in detail.
    Origin,
}

impl View {
    /// Every view, in the order of their numbers.
    pub const ALL: [View; 9] = [
        View::Letters,
        View::Source,
        View::Words,
        View::Head,
        View::Form,
        View::Markup,
        View::Links,
        View::Hops,
        View::Origin,
    ];
}

/// Number of views.
pub const VIEWS: usize = View::ALL.len();

/// The features of one message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Features {
    slots: Vec<u32>,
    ends: [u32; VIEWS],
}

impl Features {
    /// Extracts from a message's octets.
    pub fn of_message(message: &[u8]) -> Features {
        let message = Bytes::copy_from_slice(message);
        Features::of_anatomy(&Anatomy::of(&message, Limits::default()))
    }

    /// Extracts from a message that was taken apart.
    pub fn of_anatomy(anatomy: &Anatomy) -> Features {
        Features::of(&Sample::of(anatomy))
    }

    /// Extracts.
    pub fn of(sample: &Sample<'_>) -> Features {
        let mut markup = markup::scan(&sample.html);
        markup::written_links(&sample.plain, &mut markup.links);
        let text = match sample.plain.trim().len() >= 80 || markup.text.trim().is_empty() {
            true => sample.plain.as_str(),
            false => markup.text.as_str(),
        };
        let bags: [fn(&Sample<'_>, &Markup, &str, &mut Bag); VIEWS] = [
            letters,
            source,
            words,
            |sample, _, _, bag| fields::head(sample, bag),
            form,
            |sample, markup, _, bag| links::layout(sample, markup, bag),
            |sample, markup, _, bag| links::links(sample, markup, bag),
            |sample, _, _, bag| fields::hops(sample, bag),
            |sample, _, _, bag| fields::origin(sample, bag),
        ];
        let mut features = Features { slots: Vec::with_capacity(8192), ends: [0; VIEWS] };
        for ((view, fill), end) in bags.iter().enumerate().zip(&mut features.ends) {
            let mut bag = Bag::new(view);
            fill(sample, &markup, text, &mut bag);
            features.slots.extend(bag.finish());
            *end = features.slots.len() as u32;
        }
        features
    }

    /// The slots of one view.
    pub fn view(&self, view: View) -> &[u32] {
        let number = view as usize;
        let end = self.ends.get(number).copied().unwrap_or(0) as usize;
        let start = match number.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or(0) as usize,
            None => 0,
        };
        self.slots.get(start..end).unwrap_or_default()
    }

    /// How many features there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// A number that tells one message's features from another's.
    pub fn fingerprint(&self) -> u64 {
        self.slots.iter().fold(0, |hash, slot| super::tokens::hash(hash, &slot.to_le_bytes()))
    }
}

/// Octets of text, of header and of body's source that 4-grams are taken from: the beginning
/// of a message is enough, and says more than the rest (Goodman and Yih 2006).
const LETTERS_OCTETS: usize = 3500;
const HEADER_OCTETS: usize = 2500;
const SOURCE_OCTETS: usize = 2500;
/// Words of text looked at.
const MOST_WORDS: usize = 1500;

fn letters(sample: &Sample<'_>, _: &Markup, text: &str, bag: &mut Bag) {
    let mut subject = vec![b' '];
    subject.extend(squash(&sample.subject, 300));
    subject.push(b' ');
    bag.four_grams(7, &subject);
    bag.four_grams(0, &squash(text, LETTERS_OCTETS));
}

fn source(sample: &Sample<'_>, _: &Markup, _: &str, bag: &mut Bag) {
    let mut lines = Vec::with_capacity(HEADER_OCTETS + SOURCE_OCTETS + 400);
    for (_, name, value) in fields::of_author(sample).filter(|(small, ..)| *small != "date") {
        for piece in [name, ": ", head(value, 300), "\n"] {
            lines.extend_from_slice(piece.as_bytes());
        }
    }
    lines.push(b'\n');
    lines.truncate(HEADER_OCTETS);
    let longer = [&sample.plain, &sample.html].into_iter().max_by_key(|text| text.len());
    lines.extend_from_slice(head(longer.map_or("", String::as_str), SOURCE_OCTETS).as_bytes());
    bag.four_grams(0, &lines);
}

fn words(sample: &Sample<'_>, _: &Markup, text: &str, bag: &mut Bag) {
    bag.sparse_bigrams(11, &sample.subject, 60);
    bag.sparse_bigrams(12, &sample.author.0, 20);
    bag.sparse_bigrams(13, text, MOST_WORDS);
}

fn form(sample: &Sample<'_>, markup: &Markup, text: &str, bag: &mut Bag) {
    addresses(sample, text, bag);
    subject(sample, bag);
    parts(sample, bag);
    lengths(sample, markup, bag);
    lines(text, bag);
    proportions(text, bag);
}

fn addresses(sample: &Sample<'_>, text: &str, bag: &mut Bag) {
    let (name, address) = &sample.author;
    let site = links::site(links::domain(address));
    let reply_site = links::site(links::domain(&sample.reply_address));
    let local = address.split('@').next().unwrap_or("");
    bag.size("from-digits", local.bytes().filter(u8::is_ascii_digit).count());
    bag.pair("from-local", &shape(local, 16));
    bag.pair("from-tld", site.rsplit('.').next().unwrap_or(""));
    bag.pair("from-name", &shape(name, 16));
    bag.pair(
        "from-named",
        if name.is_empty() {
            "no"
        } else if name.contains('@') {
            "address"
        } else {
            "yes"
        },
    );
    bag.pair(
        "reply",
        if reply_site.is_empty() {
            "none"
        } else if reply_site != site {
            "other"
        } else if sample.reply_address.eq_ignore_ascii_case(address) {
            "same"
        } else {
            "near"
        },
    );
    if sample.recipients.iter().any(|(_, to)| to.eq_ignore_ascii_case(address)) {
        bag.fact("to=from");
    }
    bag.size("to-count", sample.recipients.len());
    if sample.recipients.iter().any(|(name, _)| !name.is_empty()) {
        bag.fact("to-named");
    }
    let Some((_, to)) = sample.recipients.first() else { return };
    let local = to.split('@').next().unwrap_or("").to_ascii_lowercase();
    if local.len() > 2 && sample.subject.to_ascii_lowercase().contains(&local) {
        bag.fact("to-in-subject");
    }
    if local.len() > 2 && head(text, 400).to_ascii_lowercase().contains(&local) {
        bag.fact("to-in-text");
    }
    if links::site(links::domain(to)) == site {
        bag.fact("to-site=from-site");
    }
}

fn subject(sample: &Sample<'_>, bag: &mut Bag) {
    let subject = &sample.subject;
    let answer = head(subject, 3).eq_ignore_ascii_case("re:");
    let refers =
        fields::of_author(sample).any(|(small, ..)| matches!(small, "in-reply-to" | "references"));
    bag.pair(
        "thread",
        match (answer, refers) {
            (true, true) => "answer",
            (true, false) => "pretended",
            (false, true) => "renamed",
            (false, false) => "new",
        },
    );
    bag.size("subject", subject.len());
    let large = subject.chars().filter(|letter| letter.is_uppercase()).count();
    let small = subject.chars().filter(|letter| letter.is_lowercase()).count();
    bag.number("subject-capitals", (large * 8).checked_div(large + small).unwrap_or(9));
    for sign in ['!', '?', '$', '%', '*', '[', '(', '"', '_', '#', ':', '|', '=', '~', '>'] {
        if subject.contains(sign) {
            bag.pair("subject-sign", sign.encode_utf8(&mut [0; 4]));
        }
    }
    for (present, fact) in [
        (subject.contains("   "), "subject-gap"),
        (subject.trim_end().ends_with(|letter: char| letter.is_ascii_digit()), "subject-number"),
        (!subject.is_ascii(), "subject-8bit"),
    ] {
        if present {
            bag.fact(fact);
        }
    }
    bag.pair("subject-shape", &shape(subject, 12));
    for (small, _, value) in fields::of_author(sample) {
        // RFC 2047: encoded words.
        if matches!(small, "subject" | "from") && value.contains("=?") {
            bag.pair("encoded", small);
            for word in value.split("=?").skip(1).take(8) {
                let mut pieces = word.split('?');
                let charset = pieces.next().unwrap_or("").to_ascii_lowercase();
                bag.pair("encoded-charset", head(&charset, 40));
                bag.pair("encoded-as", head(pieces.next().unwrap_or(""), 4));
            }
        }
    }
}

fn parts(sample: &Sample<'_>, bag: &mut Bag) {
    let mut tree = String::new();
    for part in sample.parts.iter().take(12) {
        tree.extend(std::iter::repeat_n('(', part.depth.into()));
        tree.push_str(if part.media.is_empty() { "-" } else { &part.media });
        tree.push(';');
    }
    bag.pair("tree", &tree);
    bag.number("parts", sample.parts.len().min(12));
    for part in &sample.parts {
        bag.pair("media", &part.media);
        bag.pair("charset", &part.charset);
        bag.pair("encoding", &part.encoding);
        bag.triple("media+", &part.media, &format!("{} {}", part.encoding, part.charset));
        bag.pair("disposition", &part.disposition);
        bag.size(&part.media, part.octets);
        if let Some((_, extension)) = part.file_name.rsplit_once('.') {
            bag.pair("extension", &extension.to_lowercase());
        }
    }
}

fn lengths(sample: &Sample<'_>, markup: &Markup, bag: &mut Bag) {
    let shown = markup.text.trim().len();
    bag.size("plain", sample.plain.len());
    bag.size("html-text", shown);
    bag.size("html", sample.html.len());
    if let Some(ratio) = (shown * 16).checked_div(sample.html.len()) {
        bag.number("html-ratio", ratio);
        if sample.plain.trim().is_empty() {
            bag.fact("html-only");
        }
    }
}

fn lines(text: &str, bag: &mut Bag) {
    let (mut count, mut quoted, mut empty, mut indented, mut longest) = (0, 0, 0, 0, 0);
    for line in text.lines() {
        count += 1;
        quoted += usize::from(line.starts_with('>'));
        empty += usize::from(line.trim().is_empty());
        indented += usize::from(line.starts_with("  ") || line.starts_with('\t'));
        longest = longest.max(line.len());
        for (present, fact) in [
            (matches!(line, "-- " | "--"), "signature"),
            (line.ends_with("wrote:") || line.ends_with("writes:"), "attribution"),
            (line.starts_with("____"), "list-footer"),
            (line.starts_with("-----BEGIN PGP"), "pgp"),
            (line.starts_with("+++ ") || line.starts_with("@@ "), "diff"),
        ] {
            if present {
                bag.fact(fact);
            }
        }
    }
    let all: usize = count.max(1);
    bag.size("lines", all);
    bag.number("quoted", quoted * 10 / all);
    if quoted > 0 {
        bag.fact("quotes");
    }
    bag.number("empty", empty * 10 / all);
    bag.number("indented", indented * 10 / all);
    bag.size("longest", longest);
}

fn proportions(text: &str, bag: &mut Bag) {
    type Kind = (&'static str, fn(u8) -> bool);
    const KINDS: [Kind; 8] = [
        ("capitals", |octet| octet.is_ascii_uppercase()),
        ("digits", |octet| octet.is_ascii_digit()),
        ("punctuation", |octet| octet.is_ascii_punctuation()),
        ("8bit", |octet| octet >= 128),
        ("exclamations", |octet| octet == b'!'),
        ("dollars", |octet| octet == b'$'),
        ("controls", |octet| octet < 9),
        ("code", |octet| matches!(octet, b'{' | b'}' | b';' | b'=' | b'_' | b'(')),
    ];
    let mut frequency = [0usize; 256];
    for octet in text.bytes() {
        if let Some(count) = frequency.get_mut(usize::from(octet)) {
            *count += 1;
        }
    }
    let all = text.len().max(1);
    for (name, belongs) in KINDS {
        let count: usize =
            (0u8..=255).zip(frequency).filter(|(octet, _)| belongs(*octet)).map(|(_, n)| n).sum();
        bag.size(name, count * 256 / all);
        if matches!(name, "exclamations" | "dollars") {
            bag.triple(name, "count", &super::tokens::magnitude(count).to_string());
        }
    }
}
