//! The text that pages show (ISO 32000-1 section 9.4).
//!
//! In: content streams with the fonts of their page. Out: text in the order in which it is
//! drawn; words and lines are told by where the pen goes, because many makers draw no spaces.
//! Bounded in letters; pictures in the stream are read over.

use std::collections::HashMap;

use super::font::Font;
use super::lexer::{Lexer, Value};
use crate::message::fixed::{find, rest};

/// Letters of one document.
pub(super) const TEXT_OCTETS: usize = 8 << 20;
/// Operands of one operator; strings of text are far fewer.
const OPERANDS: usize = 4_096;
/// Values of one content stream.
const VALUES: usize = 4_000_000;

/// Draws text.
pub(super) struct Pen<'f> {
    fonts: &'f HashMap<Vec<u8>, usize>,
    all: &'f [Font],
    font: Option<usize>,
    size: f64,
    /// Where the line begins, and where the pen is, along it and across.
    line: (f64, f64),
    pen: f64,
    height: f64,
    /// How the last matrix stretches.
    stretch: (f64, f64),
    leading: f64,
    pub(super) text: String,
}

impl<'f> Pen<'f> {
    pub(super) fn new(fonts: &'f HashMap<Vec<u8>, usize>, all: &'f [Font]) -> Pen<'f> {
        Pen {
            fonts,
            all,
            font: None,
            size: 1.0,
            line: (0.0, 0.0),
            pen: 0.0,
            height: 0.0,
            stretch: (1.0, 1.0),
            leading: 0.0,
            text: String::new(),
        }
    }

    /// Draws a content stream. The caller asks for time; the stream's octets bound the work.
    pub(super) fn draw(&mut self, octets: &[u8]) {
        let mut lexer = Lexer::new(octets, 0, VALUES);
        let mut operands: Vec<Value> = Vec::new();
        while let Some(value) = lexer.value() {
            match value {
                Value::Word(word) => {
                    if *word == *b"ID" {
                        let from = rest(octets, lexer.at);
                        lexer.at += find(from, b"EI").map_or(from.len(), |at| at + 2);
                    } else {
                        self.operate(&word, &operands);
                    }
                    operands.clear();
                    if self.text.len() > TEXT_OCTETS {
                        return;
                    }
                }
                value if operands.len() < OPERANDS => operands.push(value),
                _ => {}
            }
        }
    }

    fn operate(&mut self, operator: &[u8], operands: &[Value]) {
        let number = |at: usize| operands.get(at).and_then(Value::as_number).unwrap_or(0.0);
        match operator {
            // The pen stays where the last text ended: some makers draw each letter as a text
            // of its own.
            b"BT" => {
                self.stretch = (1.0, 1.0);
                self.line = (0.0, 0.0);
            }
            b"Tf" => {
                let name = operands.first().and_then(Value::as_name).unwrap_or_default();
                self.font = self.fonts.get(name).copied();
                self.size = number(1);
            }
            b"Tm" => {
                self.stretch = (number(0).hypot(number(1)), number(3).hypot(number(2)));
                self.go(number(4), number(5));
            }
            b"Td" | b"TD" => {
                if operator == b"TD" {
                    self.leading = -number(1);
                }
                let (x, y) = (number(0) * self.stretch.0, number(1) * self.stretch.1);
                self.go(self.line.0 + x, self.line.1 + y);
            }
            // Another coordinate system: how far apart texts stand is not known.
            b"cm" => (self.pen, self.height) = (0.0, 0.0),
            b"TL" => self.leading = number(0),
            b"T*" => self.next_line(),
            b"Tj" => self.show(operands.first()),
            b"'" => {
                self.next_line();
                self.show(operands.first());
            }
            b"\"" => {
                self.next_line();
                self.show(operands.get(2));
            }
            b"TJ" => {
                for value in operands {
                    if let Value::Array(pieces) = value {
                        pieces.iter().for_each(|piece| self.show_piece(piece));
                    }
                }
            }
            _ => {}
        }
    }

    fn unit(&self) -> f64 {
        (self.size * self.stretch.0).abs().max(0.01)
    }

    fn next_line(&mut self) {
        let down = self.leading * self.stretch.1;
        let (x, y) = self.line;
        self.go(x, y - down);
        self.end_line();
    }

    fn end_line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    fn go(&mut self, x: f64, y: f64) {
        let height = (self.size * self.stretch.1).abs().max(0.01);
        let gap = x - self.pen;
        match () {
            () if (y - self.height).abs() > 0.4 * height => self.end_line(),
            () if gap > 0.17 * self.unit() || gap < -self.unit() => self.space(),
            () => {}
        }
        self.line = (x, y);
        (self.pen, self.height) = (x, y);
    }

    fn space(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with([' ', '\n']) {
            self.text.push(' ');
        }
    }

    fn show(&mut self, value: Option<&Value>) {
        if let Some(value) = value {
            self.show_piece(value);
        }
    }

    fn show_piece(&mut self, value: &Value) {
        match value {
            Value::Text(codes) => {
                let shown = match self.font.and_then(|font| self.all.get(font)) {
                    Some(font) => font.show(codes),
                    None => Font::default().show(codes),
                };
                self.pen += shown.width / 1_000.0 * self.unit();
                if self.text.len() + shown.text.len() <= TEXT_OCTETS + 65_536 {
                    self.text.push_str(&shown.text);
                }
            }
            Value::Number(back) => {
                self.pen -= back / 1_000.0 * self.unit();
                // Less than the width of a narrow space moves letters of one word.
                if *back < -180.0 {
                    self.space();
                }
            }
            _ => {}
        }
    }
}

/// Section 7.9.2.2: text strings, which stand outside of pages.
pub(super) fn text_string(octets: &[u8]) -> String {
    use crate::message::charset::decode;
    match octets {
        [0xfe, 0xff, text @ ..] => decode(text, Some("utf-16be")).text.into_owned(),
        [0xff, 0xfe, text @ ..] => decode(text, Some("utf-16le")).text.into_owned(),
        [0xef, 0xbb, 0xbf, text @ ..] => String::from_utf8_lossy(text).into_owned(),
        text => decode(text, None).text.into_owned(),
    }
}
