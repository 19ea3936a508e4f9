//! Colours as style sheets and attributes write them.
//!
//! In: a value. Out: red, green and blue, or nothing for what is no colour. CSS Color Module
//! Level 4, as far as mail uses it; names are those that mail uses. Never fails.

use super::style::{fraction, number};

/// Colours nearer than this on each channel cannot be told apart.
const SAME: u8 = 16;

/// Red, green and blue.
pub(super) type Colour = (u8, u8, u8);

/// The colour among the values of `background`.
pub(super) fn background(value: &str) -> Option<Colour> {
    // A function's arguments may be written with gaps.
    match value.find("rgb").or_else(|| value.find("hsl")) {
        Some(at) => value.get(at..).and_then(colour),
        None => value.split_whitespace().find_map(colour),
    }
}

/// Whether a colour lets everything through.
pub(super) fn is_see_through(text: &str) -> bool {
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

/// The colour that a value means.
pub(super) fn colour(text: &str) -> Option<Colour> {
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

/// Whether letters of one colour cannot be seen on the other.
pub(super) fn is_alike(one: Colour, other: Colour) -> bool {
    let near = |one: u8, other: u8| one.abs_diff(other) <= SAME;
    near(one.0, other.0) && near(one.1, other.1) && near(one.2, other.2)
}
