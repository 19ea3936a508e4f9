//! Tokens of RTF → text, objects and remarks.

use bytes::Bytes;

use super::tokens::{Token, Tokens};
use crate::message::contents::{Exhausted, Opening};
use crate::message::document::code_page;
use crate::message::document::fields::{Load, judge_field, judge_target, tell};
use crate::message::document::ole::native;

/// What the text of a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The reader sees it.
    Text,
    /// It is a property of the document: a line of its own.
    Property,
    /// Nothing of it is read.
    Nothing,
    /// The octets of an object, and of a picture.
    ObjectData,
    Picture,
    ObjectClass,
    Template,
    FieldCode,
    /// The name of a property of a drawing.
    DrawingName,
    FontTable,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    place: Place,
    /// Characters that stand for a `\u` in old readers.
    skipped: usize,
    code_page: u32,
    /// Whether this group began within an object's hex.
    within_hex: bool,
    /// `\*` was the first in the group: to be ignored if the word is not known.
    is_optional: bool,
    is_fresh: bool,
}

/// Groups deeper than these are counted, and share the place of the last.
const GROUPS: usize = 4_096;
/// Text and field codes that are kept at once.
const TEXT_OCTETS: usize = 16 << 20;
const CODE_OCTETS: usize = 64 << 10;
const STEPS: u32 = 2_048;

/// The octets of an object, read in both ways.
#[derive(Default)]
struct Hex {
    whole: Vec<u8>,
    outer: Vec<u8>,
    whole_half: Option<u8>,
    outer_half: Option<u8>,
    has_tricks: bool,
}

impl Hex {
    fn push(&mut self, digit: u8, is_inner: bool) {
        let Some(value) = char::from(digit).to_digit(16).and_then(|it| u8::try_from(it).ok())
        else {
            self.has_tricks |= !digit.is_ascii_whitespace();
            return;
        };
        join(value, &mut self.whole_half, &mut self.whole);
        if !is_inner {
            join(value, &mut self.outer_half, &mut self.outer);
        }
    }

    fn raw(&mut self, octets: &[u8]) {
        self.has_tricks = true;
        self.whole.extend_from_slice(octets);
        self.outer.extend_from_slice(octets);
    }
}

fn join(value: u8, half: &mut Option<u8>, octets: &mut Vec<u8>) {
    match half.take() {
        Some(high) => octets.push(high << 4 | value),
        None => *half = Some(value),
    }
}

pub(super) struct Reader<'o> {
    tokens: Tokens<'o>,
    groups: Vec<Group>,
    /// Groups beyond the limit.
    deeper: usize,
    text: String,
    /// Octets of text that wait for their code page: one character may take two.
    waiting: Vec<u8>,
    to_skip: usize,
    code: String,
    hex: Hex,
    hex_depth: Option<usize>,
    picture: Vec<u8>,
    picture_half: Option<u8>,
    /// Code pages of fonts, by their numbers.
    fonts: Vec<(i32, u32)>,
    font: i32,
    code_page: u32,
    deepest: usize,
    /// The first half of a character that is written as two.
    high_half: Option<u16>,
}

impl<'o> Reader<'o> {
    pub(super) fn new(octets: &'o [u8]) -> Reader<'o> {
        let root = Group {
            place: Place::Text,
            skipped: 1,
            code_page: 1252,
            within_hex: false,
            is_optional: false,
            is_fresh: false,
        };
        Reader {
            tokens: Tokens::new(octets),
            groups: vec![root],
            deeper: 0,
            text: String::new(),
            waiting: Vec::new(),
            to_skip: 0,
            code: String::new(),
            hex: Hex::default(),
            hex_depth: None,
            picture: Vec::new(),
            picture_half: None,
            fonts: Vec::new(),
            font: 0,
            code_page: 1252,
            deepest: 0,
            high_half: None,
        }
    }

    pub(super) fn run(mut self, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
        let mut steps = 0u32;
        while let Some(token) = self.tokens.next() {
            steps = steps.wrapping_add(1);
            if steps.is_multiple_of(STEPS) {
                opening.pay_time()?;
            }
            if !matches!(token, Token::Octet(_)) {
                self.flush();
            }
            self.take(token, opening)?;
            if self.text.len() > TEXT_OCTETS {
                break;
            }
        }
        self.flush();
        // Groups that never close end with the file.
        while self.groups.len() > 1 {
            self.close(opening)?;
        }
        self.end_object(opening)?;
        if self.deepest > 500 {
            opening.remark("RTF_OBFUSCATED", format!("{} groups in one another", self.deepest));
        }
        opening.text(&self.text);
        Ok(())
    }

    fn take(&mut self, token: Token<'o>, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
        match token {
            Token::Open => self.open(),
            Token::Close => self.close(opening)?,
            Token::Word(word, number) => {
                let is_fresh = self.group().is_fresh;
                self.word(word, number, opening)?;
                if let Some(group) = self.groups.last_mut().filter(|_| is_fresh) {
                    group.is_fresh = false;
                }
            }
            Token::Octet(octet) => self.octet(octet),
            Token::Symbol(symbol) => self.symbol(symbol),
            Token::Binary(data) => self.binary(data),
            Token::Text(text) => self.characters(text),
        }
        Ok(())
    }

    fn group(&self) -> Group {
        self.groups.last().copied().unwrap_or(Group {
            place: Place::Text,
            skipped: 1,
            code_page: self.code_page,
            within_hex: false,
            is_optional: false,
            is_fresh: false,
        })
    }

    fn open(&mut self) {
        if self.groups.len() >= GROUPS {
            self.deeper += 1;
        } else {
            let mut group = self.group();
            group.within_hex = group.place == Place::ObjectData;
            group.is_optional = false;
            group.is_fresh = true;
            self.groups.push(group);
        }
        self.deepest = self.deepest.max(self.groups.len() + self.deeper);
        self.to_skip = 0;
    }

    fn close(&mut self, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
        self.to_skip = 0;
        if self.deeper > 0 {
            self.deeper -= 1;
            return Ok(());
        }
        if self.groups.len() <= 1 {
            return Ok(());
        }
        let Some(group) = self.groups.pop() else { return Ok(()) };
        let outer = self.group().place;
        if group.place == outer && outer != Place::Property {
            return Ok(());
        }
        match group.place {
            Place::Property => self.text.push('\n'),
            Place::ObjectData if self.hex_depth.is_some_and(|depth| self.groups.len() < depth) => {
                self.end_object(opening)?;
            }
            Place::Picture => {
                let picture = std::mem::take(&mut self.picture);
                self.picture_half = None;
                if !picture.is_empty() {
                    opening.pay_octets(picture.len() as u64)?;
                    opening.member("picture", picture.into())?;
                }
            }
            Place::ObjectClass => native::look_at_name(&std::mem::take(&mut self.code), opening),
            Place::Template => {
                let target = std::mem::take(&mut self.code);
                tell(judge_target(Load::Template, &target), opening);
            }
            Place::FieldCode => {
                let code = std::mem::take(&mut self.code);
                tell(judge_field(&code), opening);
                self.text.push_str(&code);
                self.text.push('\n');
            }
            Place::DrawingName => {
                let name = std::mem::take(&mut self.code);
                if name.trim().eq_ignore_ascii_case("pFragments") {
                    opening.remark("OBJECT_RISKY", "pFragments");
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The object's octets are there: both readings of them are walked.
    fn end_object(&mut self, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
        self.hex_depth = None;
        let hex = std::mem::take(&mut self.hex);
        if hex.whole.is_empty() {
            return Ok(());
        }
        opening.pay_octets((hex.whole.len() + hex.outer.len()) as u64)?;
        let differs = hex.whole != hex.outer && !hex.outer.is_empty();
        if differs || hex.has_tricks {
            opening.remark("RTF_OBFUSCATED", "hex of an object");
        }
        native::open_object(&Bytes::from(hex.whole), opening)?;
        match differs {
            true => native::open_object(&Bytes::from(hex.outer), opening),
            false => Ok(()),
        }
    }

    fn set(&mut self, place: Place) {
        if let Some(group) = self.groups.last_mut() {
            group.place = place;
        }
    }

    fn word(
        &mut self,
        word: &str,
        number: Option<i32>,
        opening: &mut Opening<'_, '_>,
    ) -> Result<(), Exhausted> {
        let group = self.group();
        match word {
            "objdata" => {
                // A second object within the hex of a first, as tricks have it.
                if self.hex_depth.is_some() && group.place != Place::ObjectData {
                    self.end_object(opening)?;
                }
                self.hex_depth.get_or_insert(self.groups.len());
                self.set(Place::ObjectData);
                if let Some(group) = self.groups.last_mut() {
                    group.within_hex = false;
                }
                // Digits right behind the word are a number to some readers, hex to others.
                if let Some(number) = number {
                    self.hex.has_tricks |= number != 0;
                }
            }
            "objclass" => self.set(Place::ObjectClass),
            "template" => self.set(Place::Template),
            "fldinst" => self.set(Place::FieldCode),
            "objupdate" => opening.remark("OBJECT_UPDATES", ""),
            "objautlink" => opening.remark("OBJECT_EXTERNAL", "link that updates itself"),
            "objocx" => opening.remark("ACTIVEX_PRESENT", ""),
            "pict" => self.set(Place::Picture),
            "sn" => self.set(Place::DrawingName),
            "fonttbl" => self.set(Place::FontTable),
            "title" | "subject" | "author" | "keywords" | "doccomm" | "company" | "category"
            | "manager" | "operator" | "hlinkbase" | "propname" | "staticval" | "docvar" => {
                self.set(Place::Property);
            }
            "header" | "headerl" | "headerr" | "headerf" | "footer" | "footerl" | "footerr"
            | "footerf" | "footnote" | "annotation" | "shptxt" | "atnauthor" | "result" => {
                self.set(Place::Text);
            }
            // What holds others of the above.
            "userprops" | "info" | "sp" => self.set(Place::Nothing),
            // Known words: what they hold is read.
            "shpinst" | "shp" | "object" | "field" | "fldrslt" | "shppict" | "nonshppict"
            | "do" | "dptxbxtext" | "background" | "shpgrp" => {}
            "colortbl" | "stylesheet" | "listtable" | "listoverridetable" | "rsidtbl"
            | "xmlnstbl" | "themedata" | "colorschememapping" | "datastore" | "latentstyles"
            | "generator" | "revtbl" | "filetbl" | "sv" | "objname" | "objalias" | "objsect" => {
                self.set(Place::Nothing);
            }
            "ansicpg" => {
                self.code_page = number.and_then(|it| u32::try_from(it).ok()).unwrap_or(1252);
                for group in &mut self.groups {
                    group.code_page = self.code_page;
                }
            }
            "mac" => self.code_page = 10_000,
            "f" if group.place == Place::FontTable => self.font = number.unwrap_or(0),
            "fcharset" if self.fonts.len() < 4_096 => {
                let charset = charset_of(number.unwrap_or(0), self.code_page);
                self.fonts.push((self.font, charset));
            }
            "f" => {
                let font = self.fonts.iter().find(|(font, _)| Some(*font) == number);
                let code_page = font.map_or(self.code_page, |(_, code_page)| *code_page);
                if let Some(group) = self.groups.last_mut() {
                    group.code_page = code_page;
                }
            }
            "uc" => {
                if let Some(group) = self.groups.last_mut() {
                    group.skipped = number.and_then(|it| usize::try_from(it).ok()).unwrap_or(1);
                }
            }
            "u" => self.unicode(number.unwrap_or(0), group.skipped),
            "par" | "line" | "row" | "sect" | "page" | "column" | "softline" => self.push("\n"),
            "tab" | "cell" | "nestcell" => self.push("\t"),
            "emdash" | "endash" => self.push("-"),
            "lquote" | "rquote" => self.push("'"),
            "ldblquote" | "rdblquote" => self.push("\""),
            "bullet" => self.push("•"),
            "emspace" | "enspace" | "qmspace" => self.push(" "),
            // A group that may be ignored, of a word that is not known.
            _ if group.is_optional && group.is_fresh && group.place != Place::ObjectData => {
                self.set(Place::Nothing);
            }
            _ if group.place == Place::ObjectData => self.hex.has_tricks = true,
            _ => {}
        }
        Ok(())
    }

    fn unicode(&mut self, number: i32, skipped: usize) {
        // Numbers above 32767 are written as negative ones; pairs of surrogates come apart.
        let unit = u16::try_from(number & 0xffff).unwrap_or(0xfffd);
        let letter = char::from_u32(u32::from(unit));
        match letter {
            Some(letter) => self.push(letter.encode_utf8(&mut [0; 4])),
            None => self.surrogate(unit),
        }
        self.to_skip = skipped;
    }

    fn surrogate(&mut self, unit: u16) {
        if (0xd800..0xdc00).contains(&unit) {
            self.high_half = Some(unit);
        } else if let Some(high) = self.high_half.take()
            && let Some(Ok(letter)) = char::decode_utf16([high, unit]).next()
        {
            self.push(letter.encode_utf8(&mut [0; 4]));
        }
    }

    fn symbol(&mut self, symbol: u8) {
        match symbol {
            b'*' => {
                if let Some(group) = self.groups.last_mut().filter(|group| group.is_fresh) {
                    group.is_optional = true;
                }
            }
            b'~' => self.push(" "),
            b'_' => self.push("-"),
            b'\r' | b'\n' => self.push("\n"),
            b'{' | b'}' | b'\\' => self.characters(&[symbol]),
            _ => {}
        }
    }

    fn octet(&mut self, octet: u8) {
        if self.to_skip > 0 {
            self.to_skip -= 1;
            return;
        }
        match self.group().place {
            Place::Nothing | Place::FontTable | Place::Picture => {}
            // Word drops it, and the half of an octet before it.
            Place::ObjectData => {
                self.hex.has_tricks = true;
                self.hex.outer_half = None;
            }
            _ => self.waiting.push(octet),
        }
    }

    fn flush(&mut self) {
        if !self.waiting.is_empty() {
            let waiting = std::mem::take(&mut self.waiting);
            let text = code_page::decode(&waiting, self.group().code_page).into_owned();
            self.push(&text);
        }
    }

    fn binary(&mut self, data: &[u8]) {
        match self.group().place {
            Place::ObjectData => self.hex.raw(data),
            Place::Picture => self.picture.extend_from_slice(data),
            _ => {}
        }
    }

    fn characters(&mut self, text: &[u8]) {
        let skipped = self.to_skip.min(text.len());
        self.to_skip -= skipped;
        let text = text.get(skipped..).unwrap_or_default();
        let group = self.group();
        match group.place {
            Place::Nothing | Place::FontTable => {}
            Place::ObjectData => {
                let is_inner = group.within_hex || self.deeper > 0 || self.is_beneath_object();
                for digit in text {
                    self.hex.push(*digit, is_inner);
                }
            }
            Place::Picture => {
                for digit in text {
                    let value = char::from(*digit).to_digit(16);
                    if let Some(value) = value.and_then(|value| u8::try_from(value).ok()) {
                        join(value, &mut self.picture_half, &mut self.picture);
                    }
                }
            }
            _ => {
                let text = code_page::decode(text, group.code_page);
                self.push(&text);
            }
        }
    }

    fn is_beneath_object(&self) -> bool {
        self.hex_depth.is_some_and(|depth| self.groups.len() > depth)
    }

    fn push(&mut self, text: &str) {
        match self.group().place {
            Place::Text | Place::Property => self.text.push_str(text),
            Place::ObjectClass | Place::Template | Place::FieldCode | Place::DrawingName
                if self.code.len() < CODE_OCTETS =>
            {
                self.code.push_str(text);
            }
            _ => {}
        }
    }
}

/// Section "Font Table": code pages of charsets.
fn charset_of(charset: i32, default: u32) -> u32 {
    match charset {
        0 => 1252,
        77 => 10_000,
        128 => 932,
        129 | 130 => 949,
        134 => 936,
        136 => 950,
        161 => 1253,
        162 => 1254,
        163 => 1258,
        177 => 1255,
        178 => 1256,
        186 => 1257,
        204 => 1251,
        222 => 874,
        238 => 1250,
        _ => default,
    }
}
