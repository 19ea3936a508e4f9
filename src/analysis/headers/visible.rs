//! What HTML shows and what it hides: letters counted by how they are kept from the eye.
//!
//! In: HTML. Out: [`View`]. How text is hidden, [`Styles`] of the room `message` tells; what
//! style sheets hide counts as shown.

use crate::message::{Attributes, Concealment, HtmlReader, Styles, read_html};

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

struct Walk<'v> {
    view: &'v mut View,
    text: String,
    styles: Styles,
}

impl View {
    /// Adds what a document shows.
    pub(super) fn add(&mut self, html: &str) {
        self.comment_splits += splits(html);
        let mut walk = Walk { view: self, text: String::new(), styles: Styles::default() };
        read_html(html, &mut walk);
        walk.count();
    }
}

impl Walk<'_> {
    /// What was read since the last tag.
    fn count(&mut self) {
        if self.text.is_empty() {
            return;
        }
        let letters = letters(&self.text);
        self.text.clear();
        if self.styles.is_silent() || letters == 0 {
            return;
        }
        let counts = &mut self.view.counts;
        let bin = match self.styles.concealment() {
            Some(Concealment::NotDisplayed) => &mut counts.not_displayed,
            Some(Concealment::OffScreen) => &mut counts.off_screen,
            Some(Concealment::Transparent) => &mut counts.transparent,
            Some(Concealment::Tiny) => &mut counts.tiny,
            Some(Concealment::SameColour) => &mut counts.same_colour,
            None => &mut counts.visible,
        };
        *bin += letters;
    }
}

impl HtmlReader for Walk<'_> {
    fn text(&mut self) -> &mut String {
        &mut self.text
    }

    fn open(&mut self, element: &str, attributes: Attributes<'_>) {
        self.count();
        if element == "img" {
            self.view.pictures += 1;
        }
        self.styles.open(element, attributes);
    }

    fn close(&mut self, element: &str) {
        self.count();
        self.styles.close(element);
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
