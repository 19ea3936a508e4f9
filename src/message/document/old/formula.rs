//! Compiled formulas of sheets → text, and what Excel 4 macros do.
//!
//! In: the tokens of a formula as BIFF5, BIFF8 and BIFF12 hold them (MS-XLS 2.5.198, MS-XLSB
//! 2.5.97). Out: text such as `EXEC("cmd.exe")`, in which constants are worked out:
//! `CHAR(101)&"xec"` is `"exec"`. References to cells are shown as `@`; a token that is not
//! known ends the text, with what was read so far. Invariant: a text has at most
//! [`TEXT_OCTETS`]; the stack grows by one a token.

use crate::message::document::code_page;
use crate::message::document::vba::indicators::note_listed;
use crate::message::document::vba::signs::{Sign, Signs};
use crate::message::fixed::{le16, le64, slice, utf16_le};

const TEXT_OCTETS: usize = 16 << 10;

/// Which version of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::message::document) enum Dialect {
    /// Excel 5 and 95.
    Biff5,
    /// Excel 97 to 2003.
    Biff8,
    /// Binary sheets since 2007.
    Biff12,
}

#[derive(Debug, Clone)]
enum Value {
    Text(String),
    Number(f64),
    Other(String),
}

impl Value {
    fn shown(&self) -> String {
        match self {
            Value::Text(text) => format!("\"{text}\""),
            Value::Number(number) => number.to_string(),
            Value::Other(text) => text.clone(),
        }
    }

    fn constant(&self) -> Option<String> {
        match self {
            Value::Text(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Other(_) => None,
        }
    }
}

/// Numbers of functions that matter here (MS-XLS 2.5.198.17 and .4), and how many arguments
/// those have that always have as many.
#[rustfmt::skip]
const FUNCTIONS: [(u16, &str, usize); 51] = [
    (0x001f, "MID", 3), (0x0020, "LEN", 1), (0x0035, "GOTO", 1), (0x0036, "HALT", 1),
    (0x0037, "RETURN", 1), (0x003f, "RAND", 0), (0x004a, "NOW", 0), (0x0058, "SET.NAME", 2),
    (0x006a, "GET.FORMULA", 1), (0x006b, "GET.NAME", 1), (0x006c, "SET.VALUE", 2),
    (0x006e, "EXEC", 1), (0x006f, "CHAR", 1), (0x0070, "LOWER", 1), (0x0071, "UPPER", 1),
    (0x0073, "LEFT", 2), (0x0074, "RIGHT", 2), (0x0076, "TRIM", 1), (0x0077, "REPLACE", 4),
    (0x0078, "SUBSTITUTE", 3), (0x0079, "CODE", 1), (0x0084, "FOPEN", 1), (0x0085, "FCLOSE", 1),
    (0x0086, "FSIZE", 1), (0x0087, "FREADLN", 1), (0x0088, "FREAD", 2), (0x0089, "FWRITELN", 2),
    (0x008a, "FWRITE", 2), (0x0094, "INDIRECT", 1), (0x0095, "REGISTER", 3), (0x0096, "CALL", 3),
    (0x00af, "INITIATE", 2), (0x00b1, "POKE", 3), (0x00b2, "EXECUTE", 2),
    (0x00b9, "GET.CELL", 2), (0x00ba, "GET.WORKSPACE", 1), (0x00bc, "GET.DOCUMENT", 1),
    (0x00a9, "COUNTA", 1), (0x0101, "EVALUATE", 1), (0x010b, "REGISTER.ID", 2),
    (0x0150, "CONCATENATE", 2), (0x0001, "IF", 2), (0x0004, "SUM", 1), (0x000f, "SIN", 1),
    (0x00dd, "TODAY", 0), (0x00ff, "", 1),
    (0x8060, "FORMULA", 2), (0x8061, "FORMULA.FILL", 2), (0x8062, "FORMULA.ARRAY", 2),
    (0x8011, "RUN", 1), (0x8035, "ALERT", 1),
];

/// The text of a formula's tokens.
pub(in crate::message::document) fn text(tokens: &[u8], dialect: Dialect) -> String {
    let mut stack: Vec<Value> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let rest = tokens.get(at + 1..).unwrap_or_default();
        let Some(size) = step(*token, rest, dialect, &mut stack) else { break };
        at += 1 + size;
    }
    let texts: Vec<String> = stack.iter().map(Value::shown).collect();
    bounded(texts.join(","))
}

fn bounded(mut text: String) -> String {
    if text.len() > TEXT_OCTETS {
        let end = (0..=TEXT_OCTETS).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

/// Reads one token; octets behind its kind. None: it is not known, or cut off.
fn step(kind: u8, rest: &[u8], dialect: Dialect, stack: &mut Vec<Value>) -> Option<usize> {
    // Section 2.5.198.22: bits 5 and 6 tell how a value is used, not what it is.
    let base = if kind >= 0x20 { (kind & 0x1f) | 0x20 } else { kind };
    let widths = |biff5, biff8, biff12| match dialect {
        Dialect::Biff5 => biff5,
        Dialect::Biff8 => biff8,
        Dialect::Biff12 => biff12,
    };
    let other = |stack: &mut Vec<Value>, text: &str, size: usize| {
        stack.push(Value::Other(text.into()));
        Some(size)
    };
    match base {
        0x01 | 0x02 => other(stack, "@", 4),
        0x03..=0x11 => {
            binary(base, stack);
            Some(0)
        }
        0x12..=0x15 => Some(0),
        0x16 => other(stack, "", 0),
        0x17 => {
            let (text, size) = string(rest, dialect)?;
            stack.push(Value::Text(text));
            Some(size)
        }
        0x18 => Some(widths(0, 0, 5)),
        0x19 => {
            let count = usize::from(le16(rest, 1)?);
            // Section 2.5.198.36: a choice has its table behind it.
            Some(if rest.first()? & 4 != 0 { 3 + (count + 1) * 2 } else { 3 })
        }
        0x1c | 0x1d => other(stack, "@", 1),
        0x1e => {
            stack.push(Value::Number(f64::from(le16(rest, 0)?)));
            Some(2)
        }
        0x1f => {
            stack.push(Value::Number(f64::from_bits(le64(rest, 0)?)));
            Some(8)
        }
        0x20 => other(stack, "{}", widths(7, 7, 14)),
        0x21 => {
            let number = le16(rest, 0)?;
            let arguments = known(number).map_or(1, |(_, arguments)| arguments);
            call(number, arguments, stack);
            Some(2)
        }
        0x22 => {
            let arguments = usize::from(rest.first()? & 0x7f);
            call(le16(rest, 1)?, arguments, stack);
            Some(3)
        }
        0x23 => other(stack, "name", widths(14, 4, 4)),
        0x24 | 0x2a | 0x2c => other(stack, "@", widths(3, 4, 6)),
        0x25 | 0x2b | 0x2d => other(stack, "@", widths(6, 8, 12)),
        0x26..=0x28 => Some(6),
        0x29 => Some(2),
        0x39 => other(stack, "name", widths(24, 6, 6)),
        0x3a | 0x3c => other(stack, "@", widths(17, 6, 8)),
        0x3b | 0x3d => other(stack, "@", widths(20, 10, 14)),
        _ => None,
    }
}

fn string(rest: &[u8], dialect: Dialect) -> Option<(String, usize)> {
    match dialect {
        Dialect::Biff5 => {
            let length = usize::from(*rest.first()?);
            Some((code_page::decode(slice(rest, 1, length), 1252).into_owned(), 1 + length))
        }
        Dialect::Biff8 => {
            let length = usize::from(*rest.first()?);
            match rest.get(1)? & 1 {
                0 => Some((
                    code_page::decode(slice(rest, 2, length), 28591).into_owned(),
                    2 + length,
                )),
                _ => Some((utf16_le(slice(rest, 2, length * 2)), 2 + length * 2)),
            }
        }
        Dialect::Biff12 => {
            let length = usize::from(le16(rest, 0)?);
            Some((utf16_le(slice(rest, 2, length * 2)), 2 + length * 2))
        }
    }
}

/// Section 2.5.198.25: operations on the two last values.
fn binary(kind: u8, stack: &mut Vec<Value>) {
    const SIGNS: [&str; 15] =
        ["+", "-", "*", "/", "^", "&", "<", "<=", "=", ">=", ">", "<>", " ", ",", ":"];
    let (Some(right), Some(left)) = (stack.pop(), stack.pop()) else { return };
    let value = match (kind, &left, &right) {
        (0x03, Value::Number(left), Value::Number(right)) => Value::Number(left + right),
        (0x04, Value::Number(left), Value::Number(right)) => Value::Number(left - right),
        (0x05, Value::Number(left), Value::Number(right)) => Value::Number(left * right),
        (0x06, Value::Number(left), Value::Number(right)) => Value::Number(left / right),
        (0x08, left, right) => match (left.constant(), right.constant()) {
            (Some(left), Some(right)) => Value::Text(bounded(left + &right)),
            _ => Value::Other(bounded(format!("{}&{}", left.shown(), right.shown()))),
        },
        (kind, left, right) => {
            let sign = SIGNS.get(usize::from(kind) - 3).copied().unwrap_or("?");
            Value::Other(bounded(format!("{}{sign}{}", left.shown(), right.shown())))
        }
    };
    stack.push(value);
}

fn known(number: u16) -> Option<(&'static str, usize)> {
    FUNCTIONS
        .iter()
        .find(|(known, ..)| *known == number)
        .map(|(_, name, arguments)| (*name, *arguments))
}

fn call(number: u16, arguments: usize, stack: &mut Vec<Value>) {
    let arguments = stack.split_off(stack.len().saturating_sub(arguments));
    let name = known(number).map_or_else(|| format!("F{number}"), |(name, _)| name.to_owned());
    if let ("CHAR", [Value::Number(code @ 1.0..=65_535.0)]) = (name.as_str(), arguments.as_slice())
    {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
        let code = *code as u32;
        stack.push(Value::Text(char::from_u32(code).unwrap_or('?').into()));
        return;
    }
    if name == "CONCATENATE" {
        let texts: Option<Vec<String>> = arguments.iter().map(Value::constant).collect();
        if let Some(texts) = texts {
            stack.push(Value::Text(bounded(texts.concat())));
            return;
        }
    }
    let shown: Vec<String> = arguments.iter().map(Value::shown).collect();
    stack.push(Value::Other(bounded(format!("{name}({})", shown.join(",")))));
}

/// The Excel 4 macros of a workbook, as far as they were read.
#[derive(Debug, Default)]
pub(in crate::message::document) struct MacroSheets {
    pub(in crate::message::document) signs: Signs,
    /// Formulas that were seen.
    pub(in crate::message::document) formulas: usize,
    /// Results that are one character: such sheets spell what they do over many cells.
    letters: String,
    letter_formulas: usize,
}

impl MacroSheets {
    /// Notes what a formula in a sheet of macros does. `formula` may be text of a file.
    pub(in crate::message::document) fn note(&mut self, sheet: &str, formula: &str) {
        self.formulas += 1;
        let upper = formula.to_uppercase();
        let lists: [(Sign, &[&str]); 3] = [
            (Sign::Runs, &["EXEC(", "CALL(", "REGISTER(", "REGISTER.ID(", "EXECUTE(", "INITIATE("]),
            (Sign::Writes, &["FOPEN(", "FWRITE(", "FWRITELN("]),
            (Sign::Obfuscated, &["FORMULA(", "FORMULA.FILL(", "FORMULA.ARRAY(", "EVALUATE("]),
        ];
        for (sign, words) in lists {
            if let Some(word) = words.iter().find(|word| has_call(&upper, word)) {
                self.signs.note(sign, sheet, word.trim_end_matches('('));
            }
        }
        note_listed(sheet, &formula.to_lowercase(), &mut self.signs);
        let constant = formula.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        match constant {
            Some(text) if text.chars().count() == 1 && self.letters.len() < TEXT_OCTETS => {
                self.letters.push_str(text);
                self.letter_formulas += 1;
            }
            Some(text) => note_listed(sheet, &text.to_lowercase(), &mut self.signs),
            None => {
                let calls = upper.matches("CHAR(").count();
                self.letter_formulas += calls;
            }
        }
    }

    /// Puts together what was noted.
    pub(in crate::message::document) fn finish(&mut self) {
        note_listed("", &self.letters.to_lowercase(), &mut self.signs);
        if self.letter_formulas > 24 {
            let what = format!("{} formulas of single characters", self.letter_formulas);
            self.signs.note(Sign::Obfuscated, "", &what);
        }
    }
}

/// Whether a function is called, not one whose name only ends so.
fn has_call(formula: &str, call: &str) -> bool {
    formula.match_indices(call).any(|(at, _)| {
        let before = formula.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '.' || letter == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_become_text() {
        let table: [(&[u8], Dialect, &str); 7] = [
            (b"\x17\x04\x00calc\x42\x01\x6e\x00", Dialect::Biff8, "EXEC(\"calc\")"),
            (b"\x17\x02\x01c\0a\0\x42\x01\x6e\x00", Dialect::Biff8, "EXEC(\"ca\")"),
            (
                b"\x1e\x63\x00\x41\x6f\x00\x17\x03\x00alc\x08\x42\x01\x6e\0",
                Dialect::Biff8,
                "EXEC(\"calc\")",
            ),
            (b"\x17\x04calc\x42\x01\x6e\x00", Dialect::Biff5, "EXEC(\"calc\")"),
            (b"\x17\x02\x00h\0i\0\x24\0\0\0\0\0\0\x08", Dialect::Biff12, "\"hi\"&@"),
            (b"\x17\xff\x00ab", Dialect::Biff8, "\"ab\""),
            (b"\x1e\x01\x00\xff", Dialect::Biff8, "1"),
        ];
        for (tokens, dialect, expected) in table {
            assert_eq!(text(tokens, dialect), expected);
            for end in 0..tokens.len() {
                text(&tokens[..end], dialect);
            }
        }
    }

    #[test]
    fn long_formulas_stay_short() {
        let mut tokens = b"\x17\xff\x00".to_vec();
        tokens.extend([b'a'; 255]);
        let one = tokens.clone();
        for _ in 0..2_000 {
            tokens.extend_from_slice(&one);
            tokens.push(8);
        }
        assert!(text(&tokens, Dialect::Biff8).len() <= TEXT_OCTETS);
    }

    #[test]
    fn macros_of_excel_4_are_judged() {
        let mut sheets = MacroSheets::default();
        sheets.note("Macro1", "=REEXEC(\"a\")");
        assert!(!sheets.signs.has(Sign::Runs));
        sheets.note("Macro1", "=IF(A1,EXEC(\"a\"))");
        assert!(sheets.signs.has(Sign::Runs));
        for letter in "urldownloadtofile".chars() {
            sheets.note("Macro1", &format!("\"{letter}\""));
        }
        sheets.finish();
        assert!(sheets.signs.has(Sign::Download) && !sheets.signs.has(Sign::Obfuscated));
    }
}
