//! What the styles of one element say about whether its text is seen.
//!
//! In: attributes and declarations (CSS). Out: a [`Style`]. Lengths are in pixels as far as one
//! knows them without a window; what is not understood says nothing. Never fails.

use super::colour::{Colour, background, colour, is_alike, is_see_through};
use super::shown::Concealment;
use super::{Attributes, attribute_value};

/// Pixels of an `em`, as browsers begin with.
const EM_PIXELS: f32 = 16.0;
/// So far outside of the window, in pixels, nothing is seen.
const FAR_PIXELS: f32 = 500.0;

/// How the text of an element looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    /// What an element says that those within cannot take back.
    pub(super) shown: Option<Concealment>,
    colour: Option<Colour>,
    /// Unknown behind pictures.
    background: Option<Colour>,
    /// Tiny letters grow again where a child says so.
    pub(super) tiny: bool,
}

impl Default for Style {
    fn default() -> Style {
        let (colour, background) = (Some((0, 0, 0)), Some((255, 255, 255)));
        Style { shown: None, colour, background, tiny: false }
    }
}

impl Style {
    /// How text that stands here is hidden, if it is.
    pub(super) fn concealment(&self) -> Option<Concealment> {
        let is_same = match (self.colour, self.background) {
            (Some(one), Some(other)) => is_alike(one, other),
            _ => false,
        };
        self.shown
            .or(self.tiny.then_some(Concealment::Tiny))
            .or(is_same.then_some(Concealment::SameColour))
    }

    fn set_colour(&mut self, value: &str) {
        let value = value.trim();
        if matches!(value, "inherit" | "currentcolor" | "unset") {
            return;
        }
        match is_see_through(value) {
            true => self.shown = Some(Concealment::Transparent),
            false => self.colour = colour(value),
        }
    }
}

/// What the attributes of an element change.
pub(super) fn apply(attributes: Attributes<'_>, style: &mut Style) {
    for (name, value) in attributes {
        match name.to_ascii_lowercase().as_str() {
            "style" => apply_style(&attribute_value(value), style),
            "bgcolor" => style.background = colour(value).or(style.background),
            "background" => style.background = None,
            "color" | "text" => style.set_colour(value),
            "hidden" => style.shown = Some(Concealment::NotDisplayed),
            _ => {}
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

/// What the declarations for one element change.
pub(super) fn apply_style(text: &str, style: &mut Style) {
    let text = text.to_ascii_lowercase();
    let mut frame = Frame::default();
    for declaration in text.split(';').take(60) {
        let Some((name, value)) = declaration.split_once(':') else { continue };
        let value = value.split('!').next().unwrap_or_default().trim();
        match name.trim() {
            "display" if value == "none" => style.shown = Some(Concealment::NotDisplayed),
            "visibility" if value == "hidden" || value == "collapse" => {
                style.shown = Some(Concealment::NotDisplayed)
            }
            "mso-hide" if value == "all" => style.shown = Some(Concealment::NotDisplayed),
            "opacity" if fraction(value).is_some_and(|n| n < 0.05) => {
                style.shown = Some(Concealment::Transparent)
            }
            "font-size" => {
                if let Some(tiny) = is_tiny(value) {
                    style.tiny = tiny;
                }
            }
            "font" => {
                // Without a unit only nothing is a size; other such numbers are weights.
                let is_size = |word: &&str| {
                    word.starts_with(is_digit)
                        && (word.ends_with(is_unit) || number(word) == Some(0.0))
                };
                if let Some(tiny) = value.split([' ', '/']).filter(is_size).find_map(is_tiny) {
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
        style.shown = Some(Concealment::OffScreen);
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
            let is_none = |part: &str| {
                part.is_empty() || number(part).is_some_and(|n| (0.0..=1.0).contains(&n))
            };
            let inner = value.strip_prefix("rect(");
            frame.away |= inner.is_some_and(|inner| inner.split([',', ' ', ')']).all(is_none));
        }
        "clip-path" => frame.away |= value.starts_with("inset(100%") || value == "circle(0)",
        "transform" => {
            let inner = value.split_once("translate").map_or("", |(_, after)| after);
            let mut moves = inner.split(['(', ',', ')']);
            frame.away |= value.contains("scale(0)") || moves.any(|part| is_far(part.trim()));
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
pub(super) fn number(value: &str) -> Option<f32> {
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
pub(super) fn fraction(value: &str) -> Option<f32> {
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
