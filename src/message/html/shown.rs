//! How text in HTML is kept from the eye, by the styles of the elements that it stands in.
//!
//! In: HTML. Out: [`MarkedText`]: its text, and for each stretch of it whether and how it is
//! hidden ([`Concealment`]). Styles that stand in elements, and those that style sheets give to
//! single elements and classes, are followed down the tree. Two passes; the tree is bounded.

use std::ops::Range;

use super::sheet::Sheet;
use super::style::{Style, apply, apply_style};
use super::{Attributes, HtmlReader, Writer, attribute_value, read_html};

/// Elements within each other beyond this inherit nothing.
const DEPTH: usize = 200;
/// How far a closing tag is looked for.
const SEARCH: usize = 40;

/// How text is kept from the eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Concealment {
    /// `display: none` and its like.
    NotDisplayed,
    /// Letters of the colour of what is behind them.
    SameColour,
    /// Letters of two pixels and less.
    Tiny,
    /// Outside of the window, or in a box without room.
    OffScreen,
    /// Fully transparent.
    Transparent,
}

/// The text of an HTML document, and which stretches of it nobody sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MarkedText {
    /// As [`html_to_text`](super::html_to_text) gives it, hidden stretches included.
    pub text: String,
    /// Where the text of elements stands in it, in order, and how it is hidden if it is. What
    /// lies in no stretch is said beside the page: its title, texts in place of pictures,
    /// values of fields, targets of links.
    pub stretches: Vec<(Range<usize>, Option<Concealment>)>,
    /// How many pictures stand in it.
    pub pictures: usize,
}

/// The text of an HTML document with its hidden stretches marked.
pub fn html_to_marked_text(html: &str) -> MarkedText {
    let writer = Writer { text: String::with_capacity(html.len() / 2), links: String::new() };
    let styles = Styles::of(html);
    let mut marker = Marker { writer, styles, from: 0, stretches: Vec::new(), pictures: 0 };
    read_html(html, &mut marker);
    marker.mark();
    let Marker { writer: Writer { mut text, links }, stretches, pictures, .. } = marker;
    text.push_str(&links);
    MarkedText { text, stretches, pictures }
}

struct Marker {
    writer: Writer,
    styles: Styles,
    /// Where the text begins that was read since the last tag.
    from: usize,
    stretches: Vec<(Range<usize>, Option<Concealment>)>,
    pictures: usize,
}

impl Marker {
    fn mark(&mut self) {
        let end = self.writer.text.len();
        let stretch = self.from..end;
        self.from = end;
        let text = self.writer.text.get(stretch.clone()).unwrap_or_default();
        if self.styles.silent > 0 || text.trim().is_empty() {
            return;
        }
        let how = self.styles.concealment();
        match self.stretches.last_mut() {
            Some((last, same)) if *same == how && last.end == stretch.start => last.end = end,
            _ => self.stretches.push((stretch, how)),
        }
    }
}

impl HtmlReader for Marker {
    fn text(&mut self) -> &mut String {
        self.writer.text()
    }

    fn open(&mut self, element: &str, attributes: Attributes<'_>) {
        self.mark();
        self.pictures += usize::from(element == "img");
        self.styles.open(element, attributes.clone());
        self.writer.open(element, attributes);
        self.from = self.writer.text.len();
    }

    fn close(&mut self, element: &str) {
        self.mark();
        self.styles.close(element);
        self.writer.close(element);
        self.from = self.writer.text.len();
    }
}

/// The styles in force where a walk through HTML stands.
#[derive(Debug, Default)]
pub(in crate::message) struct Styles {
    sheet: Sheet,
    stack: Vec<(String, Style)>,
    style: Style,
    /// Within so many elements that no page shows: titles, scripts and styles.
    silent: usize,
}

impl Styles {
    /// At the beginning of a document, whose style sheets are read.
    pub(in crate::message) fn of(html: &str) -> Styles {
        Styles { sheet: Sheet::of(html), stack: Vec::new(), style: Style::default(), silent: 0 }
    }

    /// An element opens.
    pub(in crate::message) fn open(&mut self, element: &str, attributes: Attributes<'_>) {
        if is_void(element) || self.stack.len() >= DEPTH {
            return;
        }
        self.stack.push((element.to_owned(), self.style));
        self.silent += usize::from(is_silent(element));
        if element == "template" {
            self.style.shown = Some(Concealment::NotDisplayed);
        }
        if !self.sheet.is_empty() {
            self.apply_sheet(element, attributes.clone());
        }
        apply(attributes, &mut self.style);
    }

    /// An element closes, and with it those within that were not closed.
    pub(in crate::message) fn close(&mut self, element: &str) {
        let depth = self.stack.iter().rev().take(SEARCH).position(|(open, _)| open == element);
        let Some(depth) = depth else { return };
        for _ in 0..=depth {
            let Some((open, style)) = self.stack.pop() else { return };
            self.silent -= usize::from(is_silent(&open)).min(self.silent);
            self.style = style;
        }
    }

    /// How the text that stands here is hidden, if it is.
    pub(in crate::message) fn concealment(&self) -> Option<Concealment> {
        self.style.concealment()
    }

    /// What style sheets give to an element.
    fn apply_sheet(&mut self, element: &str, attributes: Attributes<'_>) {
        let (mut class, mut id) = (String::new(), String::new());
        for (name, value) in attributes {
            if name.eq_ignore_ascii_case("class") {
                class = attribute_value(value);
            } else if name.eq_ignore_ascii_case("id") {
                id = attribute_value(value);
            }
        }
        for (declarations, shown_elsewhere) in self.sheet.declarations(element, &class, &id) {
            let before = self.style;
            apply_style(declarations, &mut self.style);
            if shown_elsewhere {
                (self.style.shown, self.style.tiny) = (before.shown, before.tiny);
            }
        }
    }
}

fn is_silent(element: &str) -> bool {
    matches!(element, "title" | "script" | "style")
}

/// Elements that have no end.
fn is_void(element: &str) -> bool {
    matches!(
        element,
        "area"
            | "base"
            | "br"
            | "col"
            | "embed"
            | "hr"
            | "img"
            | "input"
            | "link"
            | "meta"
            | "param"
            | "source"
            | "track"
            | "wbr"
            | "doctype"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_text_is_marked() {
        use Concealment::{NotDisplayed, OffScreen, SameColour, Tiny, Transparent};
        let table: [(&str, Option<Concealment>); 26] = [
            ("<p>x</p>", None),
            ("<p style='display:none'>x", Some(NotDisplayed)),
            ("<p style='DISPLAY : NONE !important'>x", Some(NotDisplayed)),
            ("<p hidden>x", Some(NotDisplayed)),
            ("<template>x</template>", Some(NotDisplayed)),
            ("<p style='visibility:hidden'>x", Some(NotDisplayed)),
            ("<p style='font-size:0'>x", Some(Tiny)),
            ("<p style='font-size:0'><b style='font-size:12px'>x", None),
            ("<p style='font:0/0 a'>x", Some(Tiny)),
            ("<p style='font:12px/0 a'>x", None),
            ("<p style='color:#fff'>x", Some(SameColour)),
            ("<p style='color:#fff;background:#000'>x", None),
            ("<table bgcolor=red><td><font color='#ff0000'>x", Some(SameColour)),
            ("<p style='position:absolute;left:-9999px'>x", Some(OffScreen)),
            ("<p style='text-indent:-9999px'>x", Some(OffScreen)),
            ("<p style='height:0;overflow:hidden'>x", Some(OffScreen)),
            ("<p style='clip: rect(0, 0, 0, 0)'>x", Some(OffScreen)),
            ("<p style='opacity:0'>x", Some(Transparent)),
            ("<p style='opacity:0.9'>x", None),
            ("<p style='color:transparent'>x", Some(Transparent)),
            ("<p style='color:rgba(0,0,0,0)'>x", Some(Transparent)),
            ("<p style='display&#58;none'>x", Some(NotDisplayed)),
            ("<p style='clip:auto'>x", None),
            ("<style>.a{display:none}</style><p class='b A'>x", Some(NotDisplayed)),
            ("<p style='color:hsl(0 0% 99%)'>x", Some(SameColour)),
            ("<p style='position:absolute;left:-40em'>x", Some(OffScreen)),
        ];
        for (html, how) in table {
            let marked = html_to_marked_text(html);
            assert_eq!(marked.text, super::super::html_to_text(html));
            let (stretch, seen) = marked.stretches.first().cloned().unwrap();
            assert_eq!(marked.text[stretch].trim(), "x", "{html}");
            assert_eq!(seen, how, "{html}");
        }
        let marked = html_to_marked_text("a<i style='display:none'>b<b>c</b></i>d");
        assert_eq!(marked.text, "abcd");
        assert_eq!(marked.stretches, [(0..1, None), (1..3, Some(NotDisplayed)), (3..4, None)]);
    }

    #[test]
    fn what_stands_beside_the_text_is_in_no_stretch() {
        let html = "<title>t</title><img alt='a'><a href='http://l.test'>x</a><input value=v>";
        let marked = html_to_marked_text(html);
        assert_eq!(marked.text, super::super::html_to_text(html));
        assert_eq!(marked.pictures, 1);
        let stretches: Vec<&str> = marked
            .stretches
            .iter()
            .map(|(stretch, _)| marked.text[stretch.clone()].trim())
            .collect();
        assert_eq!(stretches, ["x"]);
    }
}
