//! Binary parts of `.xlsb` workbooks (MS-XLSB): strings, formulas, names, hidden sheets.
//!
//! In: a part, and its path. Out: text and what concerns the workbook in [`Seen`]. Records
//! that are not known are skipped by their sizes (2.1.4).

use crate::message::contents::{Exhausted, Opening};
use crate::message::document::code_page;
use crate::message::document::fields::{judge_formula, tell};
use crate::message::document::old::formula::{self, Dialect};
use crate::message::document::part::Seen;
use crate::message::document::vba::signs::Sign;
use crate::message::fixed::{le16, le32, place, slice};

const CELL_STRING: u32 = 6;
const FORMULAS: std::ops::RangeInclusive<u32> = 8..=11;
const SHARED_STRING: u32 = 19;
const NAME: u32 = 39;
const BEGIN_MACRO_SHEET_FORMULA: u32 = 62;
const SHEET: u32 = 156;
const LINKED_BOOK: u32 = 360;
const LINK: u32 = 494;
const TEXT_OCTETS: usize = 16 << 20;

/// Reads a part.
pub(super) fn read(
    path: &str,
    octets: &[u8],
    seen: &mut Seen,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let is_macro_sheet = path.contains("macrosheet");
    seen.has_macro_sheet |= is_macro_sheet;
    let sheet = path.rsplit('/').next().unwrap_or(path);
    let mut texts = String::new();
    let mut at = 0;
    let mut steps = 0u32;
    while let Some((kind, data, next)) = record(octets, at) {
        at = next;
        steps = steps.wrapping_add(1);
        if steps.is_multiple_of(512) {
            opening.pay_time()?;
        }
        let mut push = |text: &str| {
            if !text.trim().is_empty() && texts.len() < TEXT_OCTETS {
                texts.push_str(text);
                texts.push('\n');
            }
        };
        match kind {
            SHARED_STRING => push(&wide(data, 1).0),
            CELL_STRING | BEGIN_MACRO_SHEET_FORMULA => push(&wide(data, 8).0),
            kind if FORMULAS.contains(&kind) => {
                let text = cell_formula(kind, data);
                tell(judge_formula(&text), opening);
                if is_macro_sheet {
                    seen.macro_sheets.note(sheet, &text);
                    push(&text);
                }
            }
            NAME => {
                let (name, _) = wide(data, 9);
                let lower = name.to_lowercase();
                let lower = lower.strip_prefix("_xlnm.").unwrap_or(&lower);
                if lower.starts_with("auto_") {
                    seen.macro_sheets.signs.note(Sign::Auto, "name", lower);
                }
                push(&name);
            }
            SHEET => {
                let (_, behind) = wide(data, 8);
                let (name, _) = wide(data, behind);
                if le32(data, 0) == Some(2) {
                    opening.remark("SHEET_VERY_HIDDEN", name.clone());
                }
                push(&name);
            }
            // 2.4.153: 1 is a link by DDE.
            LINKED_BOOK if le16(data, 0) == Some(1) => {
                let (program, behind) = wide(data, 2);
                let (topic, _) = wide(data, behind);
                opening.remark("DDE_FIELD", format!("{program}|{topic}"));
            }
            LINK => push(&wide(data, 16).0),
            _ => {}
        }
    }
    opening.pay_octets(texts.len() as u64)?;
    opening.text(&texts);
    Ok(())
}

/// 2.1.4: kind in one or two octets, size in up to four, seven bits each.
fn record(octets: &[u8], at: usize) -> Option<(u32, &[u8], usize)> {
    let (kind, at) = number(octets, at, 2)?;
    let (size, at) = number(octets, at, 4)?;
    let data = slice(octets, at, place(size));
    Some((kind, data, at.saturating_add(place(size))))
}

fn number(octets: &[u8], at: usize, most: u32) -> Option<(u32, usize)> {
    let mut value = 0u32;
    let mut at = at;
    for step in 0..most {
        let octet = *octets.get(at)?;
        at += 1;
        // The kind keeps its upper bits where they stand, so that 0x9C 0x01 is 156.
        value |= u32::from(octet & 0x7f) << (7 * step);
        if octet & 0x80 == 0 {
            break;
        }
    }
    Some((value, at))
}

/// 2.5.168: a length in letters and UTF-16; and where it ends.
fn wide(data: &[u8], at: usize) -> (String, usize) {
    let length = le32(data, at).map_or(0, place);
    // Lengths of -1 stand for nothing.
    if length > data.len() {
        return (String::new(), at.saturating_add(4));
    }
    let octets = slice(data, at.saturating_add(4), length * 2);
    (code_page::decode(octets, 1200).into_owned(), at.saturating_add(4 + length * 2))
}

/// 2.4.671 ff.: the cell, its last result, flags, then the formula.
fn cell_formula(kind: u32, data: &[u8]) -> String {
    let at = match kind {
        8 => wide(data, 8).1,
        9 => 16,
        _ => 9,
    };
    let size = le32(data, at.saturating_add(2)).map_or(0, place);
    formula::text(slice(data, at.saturating_add(6), size), Dialect::Biff12)
}

/// Records, as tests need them.
#[cfg(test)]
pub(in crate::message) fn part_of(records: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut part = Vec::new();
    for (kind, data) in records {
        match kind {
            0..=127 => part.push(*kind as u8),
            _ => part.extend_from_slice(&[(kind & 0x7f) as u8 | 0x80, (kind >> 7) as u8]),
        }
        part.extend_from_slice(&[(data.len() & 0x7f) as u8 | 0x80, (data.len() >> 7) as u8]);
        part.extend_from_slice(data);
    }
    part
}
