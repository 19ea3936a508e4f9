//! How text in HTML is kept from the eye, by the styles of the elements that it stands in.
//!
//! In: elements as they open and close. Out: for the text at hand, whether and how it is
//! hidden ([`Concealment`]); for a whole document its text with the hidden stretches marked
//! ([`MarkedText`]). Styles that stand in elements are followed down the tree; style sheets are
//! not, so what they hide counts as shown. One pass; the tree is bounded.

use std::ops::Range;

use super::{Attributes, HtmlReader, Writer, attribute_value, read_html};

/// Elements within each other beyond this inherit nothing.
const DEPTH: usize = 200;
/// How far a closing tag is looked for.
const SEARCH: usize = 40;
/// Colours nearer than this on each channel cannot be told apart.
const SAME: u8 = 14;

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
    /// Where in it hidden text stands, in order.
    pub hidden: Vec<(Range<usize>, Concealment)>,
}

/// The text of an HTML document with its hidden stretches marked.
pub fn html_to_marked_text(html: &str) -> MarkedText {
    let writer = Writer { text: String::with_capacity(html.len() / 2), links: String::new() };
    let mut marker = Marker { writer, styles: Styles::default(), from: 0, hidden: Vec::new() };
    read_html(html, &mut marker);
    marker.mark();
    let Marker { writer, hidden, .. } = marker;
    let mut text = writer.text;
    text.push_str(&writer.links);
    MarkedText { text, hidden }
}

struct Marker {
    writer: Writer,
    styles: Styles,
    /// Where the text begins that was read since the last tag.
    from: usize,
    hidden: Vec<(Range<usize>, Concealment)>,
}

impl Marker {
    fn mark(&mut self) {
        let end = self.writer.text.len();
        let stretch = self.from..end;
        self.from = end;
        let text = self.writer.text.get(stretch.clone()).unwrap_or_default();
        let Some(how) = self.styles.concealment().filter(|_| !text.trim().is_empty()) else {
            return;
        };
        match self.hidden.last_mut() {
            Some((last, same)) if *same == how && last.end == stretch.start => last.end = end,
            _ => self.hidden.push((stretch, how)),
        }
    }
}

impl HtmlReader for Marker {
    fn text(&mut self) -> &mut String {
        self.writer.text()
    }

    fn open(&mut self, element: &str, attributes: Attributes<'_>) {
        self.mark();
        self.styles.open(element, attributes.clone());
        self.writer.open(element, attributes);
        self.mark();
    }

    fn close(&mut self, element: &str) {
        self.mark();
        self.styles.close(element);
        self.writer.close(element);
        self.from = self.writer.text.len();
    }
}

/// The styles in force where a walk through HTML stands.
#[derive(Debug, Clone)]
pub struct Styles {
    stack: Vec<(String, Style)>,
    style: Style,
    /// In a title, script or style.
    silent: usize,
}

impl Default for Styles {
    fn default() -> Styles {
        let style = Style {
            shown: None,
            colour: Some((0, 0, 0)),
            background: Some((255, 255, 255)),
            tiny: false,
        };
        Styles { stack: Vec::new(), style, silent: 0 }
    }
}

impl Styles {
    /// An element opens.
    pub fn open(&mut self, element: &str, attributes: Attributes<'_>) {
        if is_void(element) || self.stack.len() >= DEPTH {
            return;
        }
        self.stack.push((element.to_owned(), self.style));
        self.silent += usize::from(is_silent(element));
        if element == "template" {
            self.style.shown = Some(Concealment::NotDisplayed);
        }
        apply(attributes, &mut self.style);
    }

    /// An element closes, and with it those within that were not closed.
    pub fn close(&mut self, element: &str) {
        let depth = self.stack.iter().rev().take(SEARCH).position(|(open, _)| open == element);
        let Some(depth) = depth else { return };
        for _ in 0..=depth {
            let Some((open, style)) = self.stack.pop() else { return };
            self.silent -= usize::from(is_silent(&open)).min(self.silent);
            self.style = style;
        }
    }

    /// Whether the text is of a kind that no page shows: the title, scripts and styles.
    pub fn is_silent(&self) -> bool {
        self.silent > 0
    }

    /// How the text that stands here is hidden, if it is.
    pub fn concealment(&self) -> Option<Concealment> {
        let style = self.style;
        let is_same = match (style.colour, style.background) {
            (Some(one), Some(other)) => is_alike(one, other),
            _ => false,
        };
        style
            .shown
            .or(style.tiny.then_some(Concealment::Tiny))
            .or(is_same.then_some(Concealment::SameColour))
    }
}

fn is_silent(element: &str) -> bool {
    matches!(element, "title" | "script" | "style")
}

type Colour = (u8, u8, u8);

#[derive(Debug, Clone, Copy)]
struct Style {
    /// What an element says that those within cannot take back.
    shown: Option<Concealment>,
    colour: Option<Colour>,
    /// Unknown behind pictures.
    background: Option<Colour>,
    /// Tiny letters grow again where a child says so.
    tiny: bool,
}

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

/// What the attributes of an element change.
fn apply(attributes: Attributes<'_>, style: &mut Style) {
    for (name, value) in attributes {
        match name.to_ascii_lowercase().as_str() {
            "style" => apply_style(&attribute_value(value), style),
            "bgcolor" => style.background = colour(value).or(style.background),
            "background" => style.background = None,
            "color" | "text" => style.colour = colour(value),
            "hidden" => style.shown = Some(Concealment::NotDisplayed),
            _ => {}
        }
    }
}

fn apply_style(text: &str, style: &mut Style) {
    let text = text.to_ascii_lowercase();
    let (mut no_height, mut clipped, mut positioned) = (false, false, false);
    let (mut far, mut clipped_away) = (false, false);
    for declaration in text.split(';').take(60) {
        let Some((name, value)) = declaration.split_once(':') else { continue };
        let value = value.trim().trim_end_matches("!important").trim();
        match name.trim() {
            "display" if value == "none" => style.shown = Some(Concealment::NotDisplayed),
            "visibility" if value == "hidden" || value == "collapse" => {
                style.shown = Some(Concealment::NotDisplayed)
            }
            "clip" if value.replace(' ', "").starts_with("rect(0,0,0,0") => clipped_away = true,
            "clip-path" if value.contains("inset(100%") => clipped_away = true,
            "transform" if value.replace(' ', "").contains("scale(0)") => clipped_away = true,
            "opacity" if number(value).is_some_and(|n| n < 0.05) => {
                style.shown = Some(Concealment::Transparent)
            }
            "font-size" => {
                if let Some(tiny) = is_tiny(value) {
                    style.tiny = tiny;
                }
            }
            // The size stands before a slash or the family.
            "font" if value.split_whitespace().any(is_zero_size) => style.tiny = true,
            "color" if is_clear(value) => style.shown = Some(Concealment::Transparent),
            "color" => style.colour = colour(value),
            "background-color" => style.background = colour(value).or(style.background),
            "background" => {
                style.background = match value.contains("url(") || value.contains("gradient") {
                    true => None,
                    false => value.split_whitespace().find_map(colour).or(style.background),
                }
            }
            "background-image" if value.contains("url(") => style.background = None,
            "height" | "max-height" | "width" | "max-width" => {
                no_height |= number(value) == Some(0.0)
            }
            "overflow" => clipped |= value == "hidden",
            "position" => positioned |= value == "absolute" || value == "fixed",
            "left" | "top" | "right" | "margin-left" | "text-indent" => {
                far |= number(value).is_some_and(|n| n <= -500.0);
            }
            _ => {}
        }
    }
    if clipped_away
        || (no_height && clipped)
        || (far && (positioned || text.contains("text-indent") || text.contains("margin-left")))
    {
        style.shown = Some(Concealment::OffScreen);
    }
}

/// `0`, `0px`, `0/0` in the short form of a font.
fn is_zero_size(word: &str) -> bool {
    let size = word.split('/').next().unwrap_or_default();
    size.starts_with(['0', '1', '.']) && is_tiny(size) == Some(true)
}

/// A colour that lets everything through.
fn is_clear(value: &str) -> bool {
    let inner = value.strip_prefix("rgba(").or_else(|| value.strip_prefix("hsla("));
    let last = inner.and_then(|inner| inner.trim_end_matches(')').rsplit([',', '/']).next());
    value == "transparent" || last.and_then(|alpha| number(alpha.trim())) == Some(0.0)
}

/// The number at the beginning of a length.
fn number(value: &str) -> Option<f32> {
    let end = value
        .find(|letter: char| !(letter.is_ascii_digit() || matches!(letter, '.' | '-' | '+')))
        .unwrap_or(value.len());
    value.get(..end)?.parse().ok()
}

/// Whether a size of letters is too small to be read; relative ones say nothing.
fn is_tiny(value: &str) -> Option<bool> {
    let size = number(value)?;
    let unit = value.trim_start_matches(|letter: char| {
        letter.is_ascii_digit() || matches!(letter, '.' | '-' | '+')
    });
    match unit.trim() {
        "px" | "pt" | "" => Some(size <= 2.0),
        "em" | "rem" => Some(size <= 0.15),
        "%" => Some(size <= 15.0),
        _ => None,
    }
}

fn colour(text: &str) -> Option<Colour> {
    let text = text.trim().to_ascii_lowercase();
    if let Some(hex) = text.strip_prefix('#') {
        return hex_colour(hex);
    }
    if let Some(inner) = text.strip_prefix("rgb(").and_then(|rest| rest.split(')').next()) {
        let mut channels = inner.split(',').map(|number| number.trim().parse::<u8>().ok());
        return Some((channels.next()??, channels.next()??, channels.next()??));
    }
    Some(match text.as_str() {
        "white" => (255, 255, 255),
        "black" => (0, 0, 0),
        "red" => (255, 0, 0),
        "blue" => (0, 0, 255),
        "yellow" => (255, 255, 0),
        "gray" | "grey" => (128, 128, 128),
        "silver" => (192, 192, 192),
        "navy" => (0, 0, 128),
        "green" => (0, 128, 0),
        "whitesmoke" => (245, 245, 245),
        "snow" | "ivory" | "ghostwhite" | "floralwhite" => (250, 250, 250),
        _ => return hex_colour(&text),
    })
}

fn hex_colour(hex: &str) -> Option<Colour> {
    let value = u32::from_str_radix(hex, 16).ok()?;
    let [_, red, green, blue] = value.to_be_bytes();
    match hex.len() {
        6 => Some((red, green, blue)),
        3 => {
            let [_, _, high, low] = value.to_be_bytes();
            Some((high * 17, (low >> 4) * 17, (low & 15) * 17))
        }
        _ => None,
    }
}

fn is_alike(one: Colour, other: Colour) -> bool {
    let near = |one: u8, other: u8| one.abs_diff(other) <= SAME;
    near(one.0, other.0) && near(one.1, other.1) && near(one.2, other.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_text_is_marked() {
        use Concealment::{NotDisplayed, OffScreen, SameColour, Tiny, Transparent};
        let table: [(&str, Option<Concealment>); 22] = [
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
        ];
        for (html, how) in table {
            let marked = html_to_marked_text(html);
            assert_eq!(marked.text, super::super::html_to_text(html));
            let seen = marked.hidden.first().map(|(stretch, how)| {
                assert_eq!(marked.text[stretch.clone()].trim(), "x", "{html}");
                *how
            });
            assert_eq!(seen, how, "{html}");
        }
        let marked = html_to_marked_text("a<i style='display:none'>b<b>c</b></i>d");
        assert_eq!(marked.text, "abcd");
        assert_eq!(marked.hidden, [(1..3, NotDisplayed)]);
    }
}
