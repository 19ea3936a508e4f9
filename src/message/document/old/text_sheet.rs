//! Sheets that are plain text, which Excel opens with formulas and all: CSV, SYLK, DIF, and
//! web queries (IQY).
//!
//! In: the octets. Out: the text, remarks about formulas that start programs, macros of Excel 4
//! in SYLK, addresses that a query loads. SYLK is not published; its records are a letter and
//! fields apart by semicolons, of which `E` is a formula and `N` a name.

use bytes::Bytes;

use super::formula::MacroSheets;
use crate::message::charset;
use crate::message::contents::{Exhausted, Opening};
use crate::message::document::fields::{Load, judge_formula, judge_target, tell};
use crate::message::document::vba::signs::Sign;

/// Extensions of such files; only the name makes Excel take a text for one.
const EXTENSIONS: [&str; 6] = [".csv", ".tsv", ".slk", ".sylk", ".dif", ".iqy"];

/// Whether a text of this name is opened as a sheet.
pub(in crate::message) fn is_named_so(name: &str) -> bool {
    let name = name.trim_end().to_lowercase();
    EXTENSIONS.iter().any(|extension| name.ends_with(extension))
}

/// Reads such a sheet.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let text = charset::decode(octets, None).text;
    let is_sylk = text.starts_with("ID;");
    let is_query = text.trim_start().get(..3).is_some_and(|it| it.eq_ignore_ascii_case("web"));
    let mut macros = MacroSheets::default();
    let mut has_macros = false;
    for (number, line) in text.lines().enumerate() {
        if number % 256 == 0 {
            opening.pay_time()?;
        }
        if is_query {
            tell(judge_target(Load::Object, line), opening);
        }
        if is_sylk {
            has_macros |= read_sylk(line, &mut macros, opening);
        } else if line.contains('|') {
            line.split([',', ';', '\t'])
                .map(|cell| cell.trim().trim_start_matches('"'))
                .filter(|cell| cell.starts_with(['=', '+', '-', '@']))
                .for_each(|cell| tell(judge_formula(cell), opening));
        }
    }
    if has_macros {
        macros.finish();
        opening.remark("MACRO_EXCEL4", "");
        macros.signs.tell(opening);
    }
    opening.text(&text);
    Ok(())
}

/// A record of SYLK. True: the file says that it holds macros.
fn read_sylk(line: &str, macros: &mut MacroSheets, opening: &mut Opening<'_, '_>) -> bool {
    let (kind, rest) = line.split_once(';').unwrap_or((line, ""));
    // A semicolon within a field is written twice.
    let rest = rest.replace(";;", "\u{1}");
    let mut fields = rest.split(';').map(|field| field.replace('\u{1}', ";"));
    match kind {
        "O" => fields.any(|field| field == "E"),
        "NN" => {
            for name in fields.filter_map(|field| field.strip_prefix('N').map(str::to_lowercase)) {
                if name.starts_with("auto_") {
                    macros.signs.note(Sign::Auto, "name", &name);
                }
            }
            false
        }
        "C" | "F" => {
            for formula in fields.filter_map(|field| field.strip_prefix('E').map(str::to_owned)) {
                tell(judge_formula(&formula), opening);
                macros.note("", &formula);
            }
            false
        }
        _ => false,
    }
}
