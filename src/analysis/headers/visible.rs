//! What HTML shows and what it hides: letters counted by how they are kept from the eye.
//!
//! In: HTML. Out: [`View`]. Styles that stand in elements, and those that style sheets give to
//! single elements and classes, are followed down the tree. A short hidden beginning is the
//! preview line of a newsletter and counts for itself. Two passes; the tree is bounded.

use super::sheet::Sheet;
use crate::message::{Attributes, HtmlReader, attribute_value, read_html};

/// Elements within each other beyond this inherit nothing.
const DEPTH: usize = 200;
/// How far a closing tag is looked for.
const SEARCH: usize = 40;
/// Colours nearer than this on each channel cannot be told apart.
const SAME: u8 = 16;
/// A hidden beginning up to this is what newsletters show in the list of messages.
const PREVIEW_LETTERS: usize = 200;
/// Pixels of an `em`, as browsers begin with.
const EM_PIXELS: f32 = 16.0;
/// So far outside of the window, in pixels, nothing is seen.
const FAR_PIXELS: f32 = 500.0;

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
    sheet: &'v Sheet,
    text: String,
    stack: Vec<(String, Style)>,
    style: Style,
    counts: Counts,
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
        let sheet = Sheet::of(html);
        let mut walk = Walk {
            view: self,
            sheet: &sheet,
            text: String::new(),
            stack: Vec::new(),
            style,
            counts: Counts::default(),
            silent: 0,
        };
        read_html(html, &mut walk);
        walk.count();
        walk.end_beginning();
        let counts = walk.counts;
        self.counts.add(&counts);
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
        let style = self.style;
        let alike = match (style.colour, style.background) {
            (Some(one), Some(other)) => is_alike(one, other),
            _ => false,
        };
        let is_visible = style.shown == Shown::Visible && !style.tiny && !alike;
        if is_visible && self.counts.visible == 0 {
            self.end_beginning();
        }
        let counts = &mut self.counts;
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

    /// Something is shown for the first time, or nothing is: a short hidden beginning is a
    /// preview line.
    fn end_beginning(&mut self) {
        if self.counts.visible == 0 && self.counts.hidden() <= PREVIEW_LETTERS {
            self.view.counts.preview += self.counts.hidden();
            self.counts = Counts::default();
        }
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
        if !self.sheet.is_empty() {
            apply_sheet(self.sheet, element, attributes.clone(), &mut self.style);
        }
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

/// What style sheets give to an element.
fn apply_sheet(sheet: &Sheet, element: &str, attributes: Attributes<'_>, style: &mut Style) {
    let (mut class, mut id) = (String::new(), String::new());
    for (name, value) in attributes {
        if name.eq_ignore_ascii_case("class") {
            class = attribute_value(value);
        } else if name.eq_ignore_ascii_case("id") {
            id = attribute_value(value);
        }
    }
    for (declarations, shown_elsewhere) in sheet.declarations(element, &class, &id) {
        let before = *style;
        apply_style(declarations, style);
        if shown_elsewhere {
            (style.shown, style.tiny) = (before.shown, before.tiny);
        }
    }
}

/// What the attributes of an element change.
fn apply(attributes: Attributes<'_>, style: &mut Style) {
    for (name, value) in attributes {
        match name.to_ascii_lowercase().as_str() {
            "style" => apply_style(&attribute_value(value), style),
            "bgcolor" => style.background = colour(value).or(style.background),
            "background" => style.background = None,
            "color" | "text" => style.set_colour(value),
            "hidden" => style.shown = Shown::NotDisplayed,
            _ => {}
        }
    }
}

impl Style {
    fn set_colour(&mut self, value: &str) {
        let value = value.trim();
        if matches!(value, "inherit" | "currentcolor" | "unset") {
            return;
        }
        match is_see_through(value) {
            true => self.shown = Shown::Transparent,
            false => self.colour = colour(value),
        }
    }
}

/// What the declarations of one element say together.
#[derive(Default)]
struct Frame {
    no_room: bool,
    clipped: bool,
    positioned: bool,
    /// Far outside by a place that only counts when the element is taken out of the flow.
    far: bool,
    /// Far outside in any case.
    away: bool,
}

fn apply_style(text: &str, style: &mut Style) {
    let text = text.to_ascii_lowercase();
    let mut frame = Frame::default();
    for declaration in text.split(';').take(60) {
        let Some((name, value)) = declaration.split_once(':') else { continue };
        let value = value.split('!').next().unwrap_or_default().trim();
        match name.trim() {
            "display" if value == "none" => style.shown = Shown::NotDisplayed,
            "visibility" if value == "hidden" || value == "collapse" => {
                style.shown = Shown::NotDisplayed
            }
            "mso-hide" if value == "all" => style.shown = Shown::NotDisplayed,
            "opacity" if fraction(value).is_some_and(|n| n < 0.05) => {
                style.shown = Shown::Transparent
            }
            "font-size" => {
                if let Some(tiny) = is_tiny(value) {
                    style.tiny = tiny;
                }
            }
            "font" => {
                let sizes = value.split([' ', '/']).filter(|word| word.starts_with(is_digit));
                if let Some(tiny) = sizes.filter(|word| word.ends_with(is_unit)).find_map(is_tiny) {
                    style.tiny = tiny;
                }
            }
            "color" | "-webkit-text-fill-color" => style.set_colour(value),
            "background-color" => style.background = colour(value).or(style.background),
            "background" => {
                style.background = match value.contains("url(") || value.contains("gradient") {
                    true => None,
                    false => background(value).or(style.background),
                }
            }
            "background-image" if value.contains("url(") || value.contains("gradient") => {
                style.background = None
            }
            name => place(name, value, &mut frame),
        }
    }
    if (frame.no_room && frame.clipped) || frame.away || (frame.far && frame.positioned) {
        style.shown = Shown::OffScreen;
    }
}

/// Where an element stands and what room it has.
fn place(name: &str, value: &str, frame: &mut Frame) {
    let is_far = |value: &str| pixels(value).is_some_and(|pixels| pixels <= -FAR_PIXELS);
    match name {
        "height" | "max-height" | "width" | "max-width" => {
            frame.no_room |= number(value) == Some(0.0);
        }
        "overflow" | "overflow-x" | "overflow-y" => frame.clipped |= value == "hidden",
        "position" => frame.positioned |= matches!(value, "absolute" | "fixed" | "relative"),
        "left" | "top" | "inset" => frame.far |= is_far(value),
        // Beyond the other side.
        "right" | "bottom" => frame.far |= is_far(value),
        "text-indent" | "margin-left" | "margin-top" => frame.away |= is_far(value),
        "margin" => frame.away |= value.split_whitespace().any(is_far),
        "clip" => {
            let inner = value.strip_prefix("rect(").unwrap_or("1");
            frame.away |= inner.split([',', ' ', ')']).all(|part| {
                part.is_empty() || number(part).is_some_and(|n| (0.0..=1.0).contains(&n))
            });
        }
        "clip-path" => frame.away |= value.starts_with("inset(100%") || value == "circle(0)",
        "transform" => {
            let inner = value.split_once("translate").map_or("", |(_, after)| after);
            let mut moves = inner.split(['(', ',', ')']);
            frame.away |= value.starts_with("scale(0)") || moves.any(|part| is_far(part.trim()));
        }
        _ => {}
    }
}

fn is_digit(letter: char) -> bool {
    letter.is_ascii_digit()
}

fn is_unit(letter: char) -> bool {
    letter.is_ascii_alphabetic() || letter == '%'
}

/// The number at the beginning of a length.
fn number(value: &str) -> Option<f32> {
    value.get(..unit_at(value))?.parse().ok()
}

/// Where the unit of a length begins.
fn unit_at(value: &str) -> usize {
    value
        .find(|letter: char| !(letter.is_ascii_digit() || matches!(letter, '.' | '-' | '+')))
        .unwrap_or(value.len())
}

/// A length in pixels, as far as one knows it without a window.
fn pixels(value: &str) -> Option<f32> {
    let size = number(value)?;
    Some(match value.get(unit_at(value)..).unwrap_or_default() {
        "em" | "rem" | "ch" => size * EM_PIXELS,
        "%" | "vw" | "vh" => size * FAR_PIXELS / 100.0,
        "in" => size * 96.0,
        "cm" => size * 38.0,
        _ => size,
    })
}

/// A share, as a number or in percent.
fn fraction(value: &str) -> Option<f32> {
    let number = number(value)?;
    Some(if value.ends_with('%') { number / 100.0 } else { number })
}

/// Whether a size of letters is too small to be read; relative ones say nothing.
fn is_tiny(value: &str) -> Option<bool> {
    let size = number(value)?;
    match value.get(unit_at(value)..).unwrap_or_default().trim() {
        "px" | "pt" | "" => Some(size <= 2.0),
        "em" | "rem" => Some(size <= 0.15),
        "%" => Some(size <= 15.0),
        _ => None,
    }
}

/// The colour among the values of `background`.
fn background(value: &str) -> Option<Colour> {
    // A function's arguments may be written with gaps.
    match value.find("rgb").or_else(|| value.find("hsl")) {
        Some(at) => value.get(at..).and_then(colour),
        None => value.split_whitespace().find_map(colour),
    }
}

/// Whether a colour lets everything through.
fn is_see_through(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    if text == "transparent" {
        return true;
    }
    let alpha = match (text.strip_prefix('#'), arguments(&text)) {
        (Some(hex), _) if hex.len() == 8 => return hex.ends_with("00"),
        (Some(hex), _) if hex.len() == 4 => return hex.ends_with('0'),
        (None, Some(arguments)) => arguments.get(3).copied().and_then(fraction),
        _ => None,
    };
    alpha.is_some_and(|alpha| alpha < 0.05)
}

/// What stands in the brackets of `rgb(…)` or `hsl(…)`.
fn arguments(text: &str) -> Option<Vec<&str>> {
    let (name, inner) = text.split_once('(')?;
    if !matches!(name.trim(), "rgb" | "rgba" | "hsl" | "hsla") {
        return None;
    }
    let inner = inner.split(')').next().unwrap_or_default();
    let parts = inner.split([',', ' ', '/', '\t']).filter(|part| !part.is_empty());
    Some(parts.take(5).collect())
}

fn colour(text: &str) -> Option<Colour> {
    let text = text.trim().to_ascii_lowercase();
    if let Some(hex) = text.strip_prefix('#') {
        return hex_colour(hex);
    }
    if let Some(arguments) = arguments(&text) {
        let [one, two, three] = *arguments.get(..3)? else { return None };
        if text.starts_with("hsl") {
            return Some(of_hue(number(one)?, fraction(two)?, fraction(three)?));
        }
        let channel = |part: &str| {
            let size = if part.ends_with('%') { fraction(part)? * 255.0 } else { number(part)? };
            Some(size.clamp(0.0, 255.0) as u8)
        };
        return Some((channel(one)?, channel(two)?, channel(three)?));
    }
    let named = NAMED.iter().find(|(name, _)| *name == text);
    match named {
        Some((_, value)) => hex_colour(value),
        None => hex_colour(&text),
    }
}

/// Colours that letters and backgrounds are given by name.
const NAMED: [(&str, &str); 52] = [
    ("white", "ffffff"),
    ("black", "000000"),
    ("red", "ff0000"),
    ("blue", "0000ff"),
    ("yellow", "ffff00"),
    ("gray", "808080"),
    ("grey", "808080"),
    ("silver", "c0c0c0"),
    ("navy", "000080"),
    ("green", "008000"),
    ("lime", "00ff00"),
    ("aqua", "00ffff"),
    ("cyan", "00ffff"),
    ("fuchsia", "ff00ff"),
    ("magenta", "ff00ff"),
    ("maroon", "800000"),
    ("olive", "808000"),
    ("purple", "800080"),
    ("teal", "008080"),
    ("orange", "ffa500"),
    ("gold", "ffd700"),
    ("pink", "ffc0cb"),
    ("brown", "a52a2a"),
    ("crimson", "dc143c"),
    ("darkblue", "00008b"),
    ("darkgray", "a9a9a9"),
    ("darkgrey", "a9a9a9"),
    ("darkred", "8b0000"),
    ("dimgray", "696969"),
    ("dimgrey", "696969"),
    ("lightgray", "d3d3d3"),
    ("lightgrey", "d3d3d3"),
    ("gainsboro", "dcdcdc"),
    ("whitesmoke", "f5f5f5"),
    ("snow", "fffafa"),
    ("ivory", "fffff0"),
    ("ghostwhite", "f8f8ff"),
    ("floralwhite", "fffaf0"),
    ("azure", "f0ffff"),
    ("aliceblue", "f0f8ff"),
    ("mintcream", "f5fffa"),
    ("honeydew", "f0fff0"),
    ("seashell", "fff5ee"),
    ("linen", "faf0e6"),
    ("oldlace", "fdf5e6"),
    ("beige", "f5f5dc"),
    ("cornsilk", "fff8dc"),
    ("lavender", "e6e6fa"),
    ("lightyellow", "ffffe0"),
    ("lightblue", "add8e6"),
    ("lavenderblush", "fff0f5"),
    ("antiquewhite", "faebd7"),
];

/// CSS Color Module Level 4, section 7: hue in degrees, saturation and lightness as shares.
fn of_hue(hue: f32, saturation: f32, lightness: f32) -> Colour {
    let amount = saturation.clamp(0.0, 1.0) * lightness.min(1.0 - lightness).max(0.0);
    let channel = |offset: f32| {
        let at = (offset + hue / 30.0).rem_euclid(12.0);
        let share = lightness - amount * (at - 3.0).min(9.0 - at).clamp(-1.0, 1.0);
        (share.clamp(0.0, 1.0) * 255.0) as u8
    };
    (channel(0.0), channel(8.0), channel(4.0))
}

/// With or without a channel for transparency.
fn hex_colour(hex: &str) -> Option<Colour> {
    let value = u32::from_str_radix(hex, 16).ok()?;
    let value = match hex.len() {
        8 => value >> 8,
        4 => value >> 4,
        _ => value,
    };
    let [_, red, green, blue] = value.to_be_bytes();
    match hex.len() {
        6 | 8 => Some((red, green, blue)),
        3 | 4 => {
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
