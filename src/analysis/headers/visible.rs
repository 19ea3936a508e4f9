//! What HTML shows and what it hides: letters counted by how they are kept from the eye.
//!
//! In: HTML. Out: [`View`]. A short hidden beginning is the preview line of a newsletter and
//! counts for itself. Linear; nothing fails.

use crate::message::{Concealment, html_to_marked_text};

/// A hidden beginning up to this is what newsletters show in the list of messages.
const PREVIEW_LETTERS: usize = 200;

/// Letters and digits, by how they are shown.
#[derive(Debug, Default, Clone)]
pub(super) struct Counts {
    pub(super) visible: usize,
    /// `display: none` and its like.
    pub(super) not_displayed: usize,
    /// Letters of the colour of what is behind them.
    pub(super) same_colour: usize,
    /// Letters of two pixels and less.
    pub(super) tiny: usize,
    /// Outside of the window, or in a box without room.
    pub(super) off_screen: usize,
    /// Fully transparent.
    pub(super) transparent: usize,
    /// A short hidden beginning, counted in none of the others.
    pub(super) preview: usize,
}

impl Counts {
    fn bin(&mut self, how: Option<Concealment>) -> &mut usize {
        match how {
            None => &mut self.visible,
            Some(Concealment::NotDisplayed) => &mut self.not_displayed,
            Some(Concealment::SameColour) => &mut self.same_colour,
            Some(Concealment::Tiny) => &mut self.tiny,
            Some(Concealment::OffScreen) => &mut self.off_screen,
            Some(Concealment::Transparent) => &mut self.transparent,
        }
    }

    fn hidden(&self) -> usize {
        self.not_displayed + self.same_colour + self.tiny + self.off_screen + self.transparent
    }

    fn add(&mut self, other: &Counts) {
        self.visible += other.visible;
        self.not_displayed += other.not_displayed;
        self.same_colour += other.same_colour;
        self.tiny += other.tiny;
        self.off_screen += other.off_screen;
        self.transparent += other.transparent;
    }
}

/// What HTML shows.
#[derive(Debug, Default, Clone)]
pub(super) struct View {
    pub(super) counts: Counts,
    pub(super) pictures: usize,
    /// Comments and empty elements within words.
    pub(super) comment_splits: usize,
}

/// Letters and digits of a text.
pub(super) fn letters(text: &str) -> usize {
    text.chars().filter(|letter| letter.is_alphanumeric()).count()
}

impl View {
    /// Adds what a document shows.
    pub(super) fn add(&mut self, html: &str) {
        let marked = html_to_marked_text(html);
        let mut counts = Counts::default();
        for (stretch, how) in marked.stretches {
            let letters = letters(marked.text.get(stretch).unwrap_or_default());
            if how.is_none() && letters > 0 {
                self.end_beginning(&mut counts);
            }
            *counts.bin(how) += letters;
        }
        self.end_beginning(&mut counts);
        self.counts.add(&counts);
        self.pictures += marked.pictures;
        self.comment_splits += splits(html);
    }

    /// Something is shown for the first time, or nothing is: a short hidden beginning is a
    /// preview line.
    fn end_beginning(&mut self, counts: &mut Counts) {
        if counts.visible == 0 && counts.hidden() <= PREVIEW_LETTERS {
            self.counts.preview += counts.hidden();
            *counts = Counts::default();
        }
    }
}

/// Comments between two letters: `V<!-- x -->iagra`.
fn splits(html: &str) -> usize {
    let octets = html.as_bytes();
    let letter = |at: Option<usize>| {
        at.and_then(|at| octets.get(at)).is_some_and(|octet| octet.is_ascii_alphabetic())
    };
    let mut count = 0;
    let mut from = 0;
    while let Some(at) = memchr::memmem::find(octets.get(from..).unwrap_or_default(), b"<!--") {
        let start = from + at;
        let Some(end) = memchr::memmem::find(octets.get(start..).unwrap_or_default(), b"-->")
        else {
            break;
        };
        let end = start + end + 3;
        count += usize::from(letter(start.checked_sub(1)) && letter(Some(end)));
        from = end;
    }
    count
}
