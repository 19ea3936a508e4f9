//! What HTML shows and what it hides: letters counted by how they are kept from the eye.
//!
//! In: HTML. Out: [`View`]. Styles that stand in elements are followed down the tree; style
//! sheets are not, so what they hide counts as shown. One pass; the tree is bounded.

use crate::message::{Attributes, HtmlReader, attribute_value, read_html};

/// Elements within each other beyond this inherit nothing.
const DEPTH: usize = 200;
/// How far a closing tag is looked for.
const SEARCH: usize = 40;
/// Colours nearer than this on each channel cannot be told apart.
const SAME: u8 = 14;

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

type Colour = (u8, u8, u8);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Visible,
    NotDisplayed,
    OffScreen,
    Transparent,
}

#[derive(Debug, Clone, Copy)]
struct Style {
    shown: Shown,
    colour: Option<Colour>,
    /// Unknown behind pictures.
    background: Option<Colour>,
    /// Tiny letters grow again where a child says so.
    tiny: bool,
}

struct Walk<'v> {
    view: &'v mut View,
    text: String,
    stack: Vec<(String, Style)>,
    style: Style,
    /// In a title, script or style.
    silent: usize,
}

impl View {
    /// Adds what a document shows.
    pub(super) fn add(&mut self, html: &str) {
        let style = Style {
            shown: Shown::Visible,
            colour: Some((0, 0, 0)),
            background: Some((255, 255, 255)),
            tiny: false,
        };
        self.comment_splits += splits(html);
        let mut walk =
            Walk { view: self, text: String::new(), stack: Vec::new(), style, silent: 0 };
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
        if self.silent > 0 || letters == 0 {
            return;
        }
        let counts = &mut self.view.counts;
        let style = self.style;
        let alike = match (style.colour, style.background) {
            (Some(one), Some(other)) => is_alike(one, other),
            _ => false,
        };
        let bin = match style.shown {
            Shown::NotDisplayed => &mut counts.not_displayed,
            Shown::OffScreen => &mut counts.off_screen,
            Shown::Transparent => &mut counts.transparent,
            Shown::Visible if style.tiny => &mut counts.tiny,
            Shown::Visible if alike => &mut counts.same_colour,
            Shown::Visible => &mut counts.visible,
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
        if is_void(element) || self.stack.len() >= DEPTH {
            return;
        }
        self.stack.push((element.to_owned(), self.style));
        self.silent += usize::from(matches!(element, "title" | "script" | "style"));
        apply(attributes, &mut self.style);
    }

    fn close(&mut self, element: &str) {
        self.count();
        let depth = self.stack.iter().rev().take(SEARCH).position(|(open, _)| open == element);
        let Some(depth) = depth else { return };
        for _ in 0..=depth {
            let Some((open, style)) = self.stack.pop() else { return };
            self.silent -=
                usize::from(matches!(open.as_str(), "title" | "script" | "style")).min(self.silent);
            self.style = style;
        }
    }
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
            "hidden" => style.shown = Shown::NotDisplayed,
            _ => {}
        }
    }
}

fn apply_style(text: &str, style: &mut Style) {
    let text = text.to_ascii_lowercase();
    let (mut no_height, mut clipped, mut positioned) = (false, false, false);
    let mut far = false;
    for declaration in text.split(';').take(60) {
        let Some((name, value)) = declaration.split_once(':') else { continue };
        let value = value.trim().trim_end_matches("!important").trim();
        match name.trim() {
            "display" if value == "none" => style.shown = Shown::NotDisplayed,
            "visibility" if value == "hidden" || value == "collapse" => {
                style.shown = Shown::NotDisplayed
            }
            "mso-hide" => {}
            "opacity" if number(value).is_some_and(|n| n < 0.05) => {
                style.shown = Shown::Transparent
            }
            "font-size" => {
                if let Some(tiny) = is_tiny(value) {
                    style.tiny = tiny;
                }
            }
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
    if (no_height && clipped)
        || (far && (positioned || text.contains("text-indent") || text.contains("margin-left")))
    {
        style.shown = Shown::OffScreen;
    }
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
