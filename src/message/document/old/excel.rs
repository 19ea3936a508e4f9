//! Excel 5 to 2003: text of cells, hidden sheets, Excel 4 macros, links by DDE, encryption.
//!
//! In: the stream `Workbook` or `Book`: records of kind, size, data (MS-XLS 2.1.4). Out: texts
//! and remarks. Strings that go on in the next record are put together (2.5.293). Whether a
//! sheet holds macros stands in the list of sheets and at the beginning of each sheet; both
//! are believed.

use super::formula::{self, Dialect, MacroSheets};
use crate::message::contents::{Exhausted, Opening};
use crate::message::document::code_page;
use crate::message::document::fields::{judge_formula, tell};
use crate::message::document::vba::signs::Sign;
use crate::message::fixed::{find_from, le16, le32, place, slice, utf16_le};

const FORMULA: u16 = 0x0006;
const NAME: u16 = 0x0018;
const FILE_PASSWORD: u16 = 0x002f;
const CONTINUE: u16 = 0x003c;
const SHEET: u16 = 0x0085;
const STRINGS: u16 = 0x00fc;
const TEXT_OBJECT: u16 = 0x01b6;
const LINKED_BOOK: u16 = 0x01ae;
const LINK: u16 = 0x01b8;
const LABEL: u16 = 0x0204;
const RESULT: u16 = 0x0207;
/// All texts of one workbook.
const TEXT_OCTETS: usize = 16 << 20;

/// What a workbook was seen to be.
#[derive(Default)]
struct Book {
    dialect: Option<Dialect>,
    sheets: Vec<(u32, String, bool)>,
    /// The macro sheet that is being read, if it is one.
    macro_sheet: Option<String>,
    has_macros: bool,
    macros: MacroSheets,
    texts: String,
}

/// Reads a workbook. True: it is encrypted.
pub(in crate::message::document) fn open(
    stream: &[u8],
    opening: &mut Opening<'_, '_>,
) -> Result<bool, Exhausted> {
    let mut book = Book::default();
    let mut records = Records { stream, at: 0 };
    let mut steps = 0u32;
    while let Some((at, kind, data)) = records.next() {
        steps = steps.wrapping_add(1);
        if steps.is_multiple_of(512) {
            opening.pay_time()?;
        }
        match kind {
            // Section 2.4.21: sizes of the records that begin a sheet differ by version.
            0x0009 | 0x0209 | 0x0409 | 0x0809 => book.begin(at, kind, data),
            FILE_PASSWORD => return Ok(true),
            SHEET => book.note_sheet(data, opening),
            NAME => book.note_name(data, opening),
            STRINGS => {
                let pieces = records.with_continuations(data);
                opening.pay_octets(pieces.iter().map(|piece| piece.len() as u64).sum())?;
                book.read_strings(&pieces, opening)?;
            }
            LABEL => {
                let text = book.string(data, 6);
                book.push(&text);
            }
            RESULT => {
                let text = book.string(data, 0);
                book.push(&text);
            }
            FORMULA => book.read_formula(data, opening),
            LINKED_BOOK => look_at_linked_book(data, opening),
            LINK => book.push(&address(data)),
            TEXT_OBJECT => {
                let text = records.peek_continuation();
                let text = match text.split_first() {
                    Some((1, units)) => utf16_le(units),
                    Some((_, letters)) => code_page::decode(letters, 1252).into_owned(),
                    None => String::new(),
                };
                book.push(&text);
            }
            _ => {}
        }
    }
    book.finish(opening);
    Ok(false)
}

struct Records<'s> {
    stream: &'s [u8],
    at: usize,
}

impl<'s> Records<'s> {
    fn next(&mut self) -> Option<(usize, u16, &'s [u8])> {
        let at = self.at;
        let (kind, size) = (le16(self.stream, at)?, le16(self.stream, at + 2)?);
        let data = slice(self.stream, at + 4, usize::from(size));
        self.at = at + 4 + usize::from(size);
        Some((at, kind, data))
    }

    fn peek_continuation(&self) -> &'s [u8] {
        match (le16(self.stream, self.at), le16(self.stream, self.at + 2)) {
            (Some(CONTINUE), Some(size)) => slice(self.stream, self.at + 4, usize::from(size)),
            _ => &[],
        }
    }

    fn with_continuations(&mut self, first: &'s [u8]) -> Vec<&'s [u8]> {
        let mut pieces = vec![first];
        while le16(self.stream, self.at) == Some(CONTINUE) {
            let Some((_, _, data)) = self.next() else { break };
            pieces.push(data);
        }
        pieces
    }
}

impl Book {
    fn dialect(&self) -> Dialect {
        self.dialect.unwrap_or(Dialect::Biff8)
    }

    /// The beginning of the workbook or of a sheet: version, and what it is.
    fn begin(&mut self, at: usize, kind: u16, data: &[u8]) {
        if kind == 0x0809 {
            let dialect = match le16(data, 0) {
                Some(0x0500) => Dialect::Biff5,
                _ => Dialect::Biff8,
            };
            self.dialect.get_or_insert(dialect);
        } else {
            self.dialect.get_or_insert(Dialect::Biff5);
        }
        let listed = self.sheets.iter().find(|(begin, ..)| place(*begin) == at);
        let is_macro = le16(data, 2) == Some(0x0040);
        self.macro_sheet = match listed {
            Some((_, name, true)) => Some(name.clone()),
            Some((_, name, false)) if is_macro => Some(name.clone()),
            None if is_macro => Some(String::new()),
            _ => None,
        };
        self.has_macros |= self.macro_sheet.is_some();
    }

    /// Section 2.4.28: a sheet, whether it is hidden, and of what kind.
    fn note_sheet(&mut self, data: &[u8], opening: &mut Opening<'_, '_>) {
        let (Some(begin), Some(hidden), Some(kind)) = (le32(data, 0), data.get(4), data.get(5))
        else {
            return;
        };
        let name = short_string(data, 6, self.dialect());
        if hidden & 3 == 2 {
            opening.remark("SHEET_VERY_HIDDEN", name.clone());
        }
        self.push(&name);
        let is_macro = *kind == 1;
        self.has_macros |= is_macro;
        if self.sheets.len() < 4_096 {
            self.sheets.push((begin, name, is_macro));
        }
    }

    /// Section 2.4.150: a defined name; some start macros.
    fn note_name(&mut self, data: &[u8], opening: &mut Opening<'_, '_>) {
        let (Some(flags), Some(length)) = (le16(data, 0), data.get(3)) else { return };
        let length = usize::from(*length);
        let is_wide =
            self.dialect() == Dialect::Biff8 && data.get(14).is_some_and(|it| it & 1 == 1);
        let start = if self.dialect() == Dialect::Biff8 { 15 } else { 14 };
        let name = match is_wide {
            true => utf16_le(slice(data, start, length * 2)),
            false => code_page::decode(slice(data, start, length), 1252).into_owned(),
        };
        let is_builtin = flags & 0x0020 != 0;
        let builtin = match name.chars().next() {
            Some('\u{1}') => "auto_open",
            Some('\u{2}') => "auto_close",
            Some('\u{a}') => "auto_activate",
            Some('\u{b}') => "auto_deactivate",
            _ => "",
        };
        let lower = name.to_lowercase();
        let starts = ["auto_open", "auto_close", "auto_activate", "auto_deactivate"];
        if is_builtin && !builtin.is_empty() {
            self.macros.signs.note(Sign::Auto, "name", builtin);
        } else if let Some(start) = starts.iter().find(|start| lower.starts_with(*start)) {
            self.macros.signs.note(Sign::Auto, "name", start);
        }
        let octets = length * if is_wide { 2 } else { 1 };
        let size = le16(data, 4).map_or(0, usize::from);
        let text = formula::text(slice(data, start + octets, size), self.dialect());
        tell(judge_formula(&text), opening);
    }

    /// Section 2.4.127: tokens of a formula behind its cell and its last result.
    fn read_formula(&mut self, data: &[u8], opening: &mut Opening<'_, '_>) {
        let size = le16(data, 20).map_or(0, usize::from);
        let text = formula::text(slice(data, 22, size), self.dialect());
        match &self.macro_sheet {
            Some(sheet) => {
                let sheet = sheet.clone();
                self.macros.note(&sheet, &text);
                self.push(&text);
            }
            None if text.contains('"') => {
                tell(judge_formula(&text), opening);
                self.push(&text);
            }
            None => {}
        }
    }

    /// Section 2.5.294 with a length of two octets, or as BIFF5 has it.
    fn string(&self, data: &[u8], at: usize) -> String {
        let length = le16(data, at).map_or(0, usize::from);
        if self.dialect() == Dialect::Biff5 {
            return code_page::decode(slice(data, at + 2, length), 1252).into_owned();
        }
        match data.get(at + 2).is_some_and(|flags| flags & 1 == 1) {
            true => utf16_le(slice(data, at + 3, length * 2)),
            false => code_page::decode(slice(data, at + 3, length), 28591).into_owned(),
        }
    }

    /// Section 2.4.265: all strings of the workbook.
    fn read_strings(
        &mut self,
        pieces: &[&[u8]],
        opening: &Opening<'_, '_>,
    ) -> Result<(), Exhausted> {
        let mut source = Pieces { pieces, at: 8 };
        let mut steps = 0u32;
        while let Some(text) = source.string() {
            steps = steps.wrapping_add(1);
            if steps.is_multiple_of(512) {
                opening.pay_time()?;
            }
            self.push(&text);
            if self.texts.len() > TEXT_OCTETS {
                break;
            }
        }
        Ok(())
    }

    fn push(&mut self, text: &str) {
        if !text.trim().is_empty() && self.texts.len() <= TEXT_OCTETS {
            self.texts.push_str(text);
            self.texts.push('\n');
        }
    }

    fn finish(mut self, opening: &mut Opening<'_, '_>) {
        opening.text(&self.texts);
        if self.has_macros {
            self.macros.finish();
            let names: Vec<&str> =
                self.sheets.iter().filter(|sheet| sheet.2).map(|sheet| sheet.1.as_str()).collect();
            opening.remark("MACRO_EXCEL4", names.join(", "));
            self.macros.signs.tell(opening);
        }
    }
}

/// Strings over several records: where a record ends within letters, the next begins with a
/// flag of their width.
struct Pieces<'p, 's> {
    pieces: &'p [&'s [u8]],
    at: usize,
}

impl Pieces<'_, '_> {
    fn skip_ended(&mut self) -> Option<()> {
        while self.at >= self.pieces.first()?.len() {
            self.at -= self.pieces.first()?.len();
            self.pieces = self.pieces.get(1..)?;
        }
        Some(())
    }

    fn string(&mut self) -> Option<String> {
        self.skip_ended()?;
        let head = self.pieces.first()?.get(self.at..)?;
        let length = usize::from(le16(head, 0)?);
        let flags = *head.get(2)?;
        let mut behind = 0;
        self.at += 3;
        if flags & 8 != 0 {
            behind += usize::from(le16(head, 3)?) * 4;
            self.at += 2;
        }
        if flags & 4 != 0 {
            let at = if flags & 8 != 0 { 5 } else { 3 };
            behind = behind.saturating_add(place(le32(head, at)?));
            self.at += 4;
        }
        let text = self.letters(length, flags & 1 == 1);
        self.at = self.at.saturating_add(behind);
        Some(text)
    }

    fn letters(&mut self, mut length: usize, mut is_wide: bool) -> String {
        let mut text = String::new();
        while let Some(piece) = self.pieces.first() {
            let rest = piece.get(self.at..).unwrap_or_default();
            let width = if is_wide { 2 } else { 1 };
            let here = length.min(rest.len() / width);
            let octets = rest.get(..here * width).unwrap_or_default();
            match is_wide {
                true => text.push_str(&utf16_le(octets)),
                false => text.push_str(&code_page::decode(octets, 28591)),
            }
            length -= here;
            self.at += here * width;
            if length == 0 {
                break;
            }
            self.pieces = self.pieces.get(1..).unwrap_or_default();
            self.at = 1;
            is_wide =
                self.pieces.first().and_then(|next| next.first()).is_some_and(|it| it & 1 == 1);
        }
        text
    }
}

fn short_string(data: &[u8], at: usize, dialect: Dialect) -> String {
    let length = data.get(at).map_or(0, |length| usize::from(*length));
    if dialect == Dialect::Biff5 {
        return code_page::decode(slice(data, at + 1, length), 1252).into_owned();
    }
    match data.get(at + 1).is_some_and(|flags| flags & 1 == 1) {
        true => utf16_le(slice(data, at + 2, length * 2)),
        false => code_page::decode(slice(data, at + 2, length), 28591).into_owned(),
    }
}

/// Section 2.4.271: another workbook, or the program and topic of a link by DDE, between
/// which the character 3 stands.
fn look_at_linked_book(data: &[u8], opening: &mut Opening<'_, '_>) {
    let length = le16(data, 2).map_or(0, usize::from);
    // Sections 2.5.351: 0x0401 and 0x3A01 are the workbook itself and add-ins.
    if matches!(length, 0x0401 | 0x3a01) {
        return;
    }
    let text = match data.get(4).is_some_and(|flags| flags & 1 == 1) {
        true => code_page::decode(slice(data, 5, length * 2), 1200).into_owned(),
        false => code_page::decode(slice(data, 5, length), 1252).into_owned(),
    };
    if let Some((program, topic)) = text.split_once('\u{3}')
        && !program.trim_start_matches('\u{1}').is_empty()
    {
        opening.remark("DDE_FIELD", format!("{program}|{topic}"));
    }
}

/// Section 2.4.140: an address within a link's data.
fn address(data: &[u8]) -> String {
    let start = ["h\0t\0t\0p\0", "\\\0\\\0", "f\0i\0l\0e\0", "m\0a\0i\0l\0t\0o\0"];
    let found = start.iter().filter_map(|start| find_from(data, start.as_bytes(), 0));
    found.min().map(|at| utf16_le(data.get(at..).unwrap_or_default())).unwrap_or_default()
}

/// Records of a workbook, as tests need them.
#[cfg(test)]
pub(in crate::message) fn book_of(records: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut book = Vec::new();
    for (kind, data) in records {
        book.extend_from_slice(&kind.to_le_bytes());
        book.extend_from_slice(&(data.len() as u16).to_le_bytes());
        book.extend_from_slice(data);
    }
    book
}
