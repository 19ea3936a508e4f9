//! Which parts of a message carry its text to the reader, and so the annotation.
//!
//! In: an [`Outline`]. Out: [`Aim`]: the text parts that must be annotated together, and all
//! text that is shown; or [`Why`] the message must stay as it is. Files, calendars and messages
//! within are never aimed at. Of several texts one after the other the first that says
//! something is aimed at: many readers show the others as files. RFC 2046 section 5.1 (mixed,
//! alternative), RFC 2387 (related), RFC 1847 (signed, encrypted), RFC 8551 and RFC 3156
//! (S/MIME and OpenPGP), RFC 6522 (report), RFC 5545 (calendar).

use super::Why;
use super::outline::{Node, Outline};
use crate::message::parameters;

/// What is to be annotated.
#[derive(Debug, Default)]
pub(super) struct Aim {
    /// All of these; empty when the message shows no text.
    pub(super) leaves: Vec<usize>,
    /// All text parts that are shown.
    pub(super) shown: Vec<usize>,
}

/// A text part of more octets is a file to its reader, and is not read whole for an annotation.
pub(super) const TEXT_OCTETS: u64 = 8 << 20;

/// What a part is to the annotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// text/plain or text/html that is shown.
    Text,
    /// Its parts are shown one after the other.
    Mixed,
    /// One of its parts is shown.
    Alternative,
    /// Its root is shown.
    Related,
    /// Must not be touched, and is what the reader gets to see.
    Barrier(Why),
    /// Anything else.
    File,
}

/// Finds what is to be annotated.
pub(super) fn aim(outline: &Outline) -> Result<Aim, Why> {
    if outline.overfull {
        return Err(Why::Broken("too many parts"));
    }
    let mut search = Search { outline, barrier: None };
    let groups = search.groups(0);
    if let Some(why) = search.barrier {
        return Err(why);
    }
    let shown = groups.iter().flat_map(|group| group.all.iter().copied()).collect();
    Ok(Aim { leaves: first_that_says(outline, groups), shown })
}

/// Text parts of which the reader sees one, or that belong together.
#[derive(Default)]
struct Group {
    /// Those that are annotated when the group is.
    leaves: Vec<usize>,
    all: Vec<usize>,
}

/// The parts of the first group that is not blank, else of the first.
fn first_that_says(outline: &Outline, groups: Vec<Group>) -> Vec<usize> {
    /// Line ends alone have fewer.
    const SAYS_OCTETS: u64 = 5;
    let octets = |number: &usize| outline.node(*number).map_or(0, |node| node.octets());
    let says = |group: &Group| group.leaves.iter().any(|leaf| octets(leaf) >= SAYS_OCTETS);
    let chosen = groups.iter().position(says).unwrap_or(0);
    groups.into_iter().nth(chosen).map(|group| group.leaves).unwrap_or_default()
}

struct Search<'o> {
    outline: &'o Outline,
    barrier: Option<Why>,
}

impl Search<'_> {
    /// What a part shows, one after the other. Stops at a barrier that is shown first.
    fn groups(&mut self, number: usize) -> Vec<Group> {
        let Some(node) = self.outline.node(number) else { return Vec::new() };
        match shape(node) {
            Shape::Text => vec![Group { leaves: vec![number], all: vec![number] }],
            Shape::File => Vec::new(),
            Shape::Barrier(why) => {
                self.barrier.get_or_insert(why);
                Vec::new()
            }
            Shape::Related => match self.root(node) {
                Some(root) => self.groups(root),
                None => Vec::new(),
            },
            Shape::Alternative => self.alternatives(node),
            Shape::Mixed => self.one_by_one(node),
        }
    }

    /// RFC 2046 section 5.1.4: every alternative must say the same.
    fn alternatives(&mut self, node: &Node) -> Vec<Group> {
        let mut together = Group::default();
        let mut untouched = None;
        for child in &node.children {
            let groups = self.groups(*child);
            // A calendar beside a text stays as it is; anything sealed speaks for all.
            match self.barrier.take() {
                Some(why @ (Why::Calendar | Why::Broken(_))) => untouched = Some(why),
                Some(why) => {
                    self.barrier = Some(why);
                    return Vec::new();
                }
                None => {}
            }
            together.all.extend(groups.iter().flat_map(|group| group.all.iter().copied()));
            together.leaves.extend(first_that_says(self.outline, groups));
        }
        if together.leaves.is_empty() {
            self.barrier = untouched;
            return Vec::new();
        }
        vec![together]
    }

    fn one_by_one(&mut self, node: &Node) -> Vec<Group> {
        let mut shown = Vec::new();
        let mut barrier = None;
        for child in &node.children {
            let Some(part) = self.outline.node(*child) else { continue };
            // What some servers make of RFC 3156: multipart/mixed instead of
            // multipart/encrypted.
            if part.media.is("application", "pgp-encrypted") {
                self.barrier = Some(Why::Encrypted);
                return Vec::new();
            }
            shown.extend(self.groups(*child));
            // Behind a text it is something enclosed.
            barrier = barrier.or(self.barrier.take().filter(|_| shown.is_empty()));
        }
        match barrier {
            // A calendar, or a part that cannot be read, beside a text stays as it is.
            Some(Why::Calendar | Why::Broken(_)) if !shown.is_empty() => shown,
            Some(why) => {
                self.barrier = Some(why);
                Vec::new()
            }
            None => shown,
        }
    }

    /// RFC 2387 section 3.2: the part that `start` names, else the first.
    fn root(&self, node: &Node) -> Option<usize> {
        let value = node.head.first("content-type").unwrap_or_default();
        let start = parameters::readings(value.get(..8 << 10).unwrap_or(value))
            .first()
            .and_then(|(_, parameters)| parameters.texts("start").into_iter().next());
        let bare = |id: &str| id.trim().trim_matches(['<', '>']).to_owned();
        let named = start.and_then(|start| {
            let is_it = |number: &usize| {
                let part = self.outline.node(*number);
                let id = part.and_then(|part| part.head.text("content-id"));
                id.is_some_and(|id| bare(&id) == bare(&start))
            };
            node.children.iter().copied().find(is_it)
        });
        named.or_else(|| node.children.first().copied())
    }
}

fn shape(node: &Node) -> Shape {
    let media = &node.media;
    let is_message = node.parent.is_none();
    match (media.main.as_str(), media.subtype.as_str()) {
        ("multipart", _) => return composite(node),
        // RFC 8551 sections 3.2 and 3.4.2; a name changes nothing.
        ("application", "pkcs7-mime" | "x-pkcs7-mime") => return Shape::Barrier(enveloped(node)),
        ("application", "pgp" | "pgp-encrypted") => return Shape::Barrier(Why::Encrypted),
        // RFC 2046 sections 5.2.2 and 5.2.3: what is put beside would be lost when the
        // fragments are put together.
        ("message", "partial" | "external-body") if is_message => {
            return Shape::Barrier(Why::Fragment);
        }
        ("text", "calendar") if !media.attachment => return Shape::Barrier(Why::Calendar),
        _ => {}
    }
    // RFC 2183 section 2: what has a name or is an attachment is the sender's file.
    let is_file = media.attachment || !media.names.is_empty();
    // What seems to begin behind a last delimiter that should have been the closing one.
    let is_nothing = !is_message && node.head.octets().is_empty() && node.body.is_empty();
    let is_text = media.is("text", "plain") || media.is("text", "html");
    let is_short = node.octets() <= TEXT_OCTETS;
    match is_text && is_short && !is_file && !is_nothing {
        true => Shape::Text,
        false => Shape::File,
    }
}

fn composite(node: &Node) -> Shape {
    let by_type = match node.media.subtype.as_str() {
        "signed" => return Shape::Barrier(Why::Signed),
        "encrypted" => return Shape::Barrier(Why::Encrypted),
        "report" => return Shape::Barrier(Why::Report),
        "digest" | "appledouble" | "form-data" | "byteranges" => return Shape::File,
        "alternative" => Shape::Alternative,
        "related" => Shape::Related,
        // RFC 2046 section 5.1.7.
        _ => Shape::Mixed,
    };
    if node.delimiter().is_none() {
        return Shape::Barrier(Why::Broken("a multipart without a boundary"));
    }
    match node.children.is_empty() {
        true => Shape::Barrier(Why::Broken("a multipart without parts")),
        false => by_type,
    }
}

/// RFC 8551 section 3.2.2.
fn enveloped(node: &Node) -> Why {
    let value = node.head.first("content-type").unwrap_or_default();
    let named = parameters::readings(value.get(..8 << 10).unwrap_or(value))
        .first()
        .and_then(|(_, parameters)| parameters.texts("smime-type").into_iter().next());
    match named.as_deref().map(str::to_ascii_lowercase).as_deref() {
        Some("signed-data" | "certs-only") => Why::Signed,
        _ => Why::Encrypted,
    }
}
