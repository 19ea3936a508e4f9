//! One XML part of an office document, whatever program wrote it: its text, and what in it
//! loads, runs or holds something.
//!
//! In: a part of an OOXML or ODF package, or a document that is one XML file (flat OPC,
//! Word 2003, flat ODF). Out: text, remarks, embedded files as members; what concerns the
//! whole package is kept in [`Seen`]. Standards: ECMA-376 parts 1 and 2, ODF 1.3.
//!
//! Parts are told by their elements and not by their names, since hostile packages name them
//! as they like. All text is read, but for numbers that only place drawings: so nothing that a
//! reader sees is left out, hidden text included.

use base64::Engine;

use super::fields::{Load, judge_field, judge_formula, judge_target, tell};
use super::grid::{Grid, header_text};
use super::old::formula::MacroSheets;
use super::ole::native;
use super::vba::indicators;
use super::vba::signs::{Sign, Signs};
use super::xml::{Piece, Xml, attribute};
use crate::message::contents::{Exhausted, Opening};

/// What was seen in the parts of a package.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Parts say that the document can hold macros.
    pub(super) is_macro_type: bool,
    pub(super) macro_sheets: MacroSheets,
    pub(super) has_macro_sheet: bool,
    /// Procedures that start by themselves, in documents of which macros are parts.
    pub(super) signs: Signs,
    pub(super) modules: Vec<String>,
    pub(super) is_encrypted: bool,
    pub(super) has_parts: bool,
    grid: Grid,
}

/// Text of one part.
const TEXT_OCTETS: usize = 16 << 20;
const CODE_OCTETS: usize = 64 << 10;
const STEPS: u32 = 512;
/// Elements in one another of which names are kept.
const DEPTH: usize = 64;

/// Elements whose text places drawings, or is told elsewhere.
const SILENT: [&str; 16] = [
    "posOffset",
    "pctWidth",
    "pctHeight",
    "row",
    "rowOff",
    "col",
    "colOff",
    "Anchor",
    "TotalTime",
    "SizeWithCells",
    "MoveWithCells",
    "DocSecurity",
    "HeadingPairs",
    "binData",
    "binaryData",
    "binary-data",
];

/// Elements at whose end a line ends.
const LINES: [&str; 30] = [
    "p",
    "br",
    "cr",
    "tr",
    "tc",
    "si",
    "is",
    "c",
    "comment",
    "h",
    "table-cell",
    "table-row",
    "list-item",
    "definedName",
    "oddHeader",
    "oddFooter",
    "evenHeader",
    "evenFooter",
    "firstHeader",
    "firstFooter",
    "f",
    "v",
    "Text",
    "cp",
    "title",
    "property",
    "line-break",
    "instrText",
    "binData",
    "keyword",
];

struct Part<'p> {
    name: &'p str,
    seen: &'p mut Seen,
    path: Vec<String>,
    root: String,
    text: String,
    /// Codes of fields that are being read, the innermost last.
    codes: Vec<String>,
    /// Text of the element that is read as a whole.
    own: String,
    /// Attributes of that element.
    own_name: String,
    /// The text that is read is a number of a shared string.
    is_index: bool,
    /// The cell or shared string that is read: its column, and where its text begins.
    cell: Option<(usize, usize)>,
    /// Its number of a shared string.
    index: String,
    sheet: String,
}

/// Reads a part.
pub(super) fn read(
    name: &str,
    text: &str,
    seen: &mut Seen,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let sheet = name.rsplit('/').next().unwrap_or(name).to_owned();
    let mut part = Part {
        name,
        seen,
        path: Vec::new(),
        root: String::new(),
        text: String::new(),
        codes: Vec::new(),
        own: String::new(),
        own_name: String::new(),
        is_index: false,
        cell: None,
        index: String::new(),
        sheet,
    };
    let mut steps = 0u32;
    for piece in Xml::new(text) {
        steps = steps.wrapping_add(1);
        if steps.is_multiple_of(STEPS) {
            opening.pay_time()?;
        }
        match piece {
            Piece::Open { name, attributes } => part.open(name, attributes, opening),
            Piece::Close { name } => part.close(name, opening)?,
            Piece::Text(text) => part.characters(&text),
            Piece::Type(text) if text.starts_with("<!DOCTYPE") && text.contains("<!ENTITY") => {
                opening.remark("XML_ENTITIES", part.name);
            }
            Piece::Type(_) | Piece::Instruction(_) => {}
        }
    }
    for code in std::mem::take(&mut part.codes) {
        tell(judge_field(&code), opening);
    }
    opening.pay_octets(part.text.len() as u64)?;
    if !part.text.trim().is_empty() {
        opening.text(&part.text);
    }
    Ok(())
}

impl Part<'_> {
    fn is_in(&self, name: &str) -> bool {
        self.path.iter().any(|own| own == name)
    }

    fn line(&mut self, text: &str) {
        if self.text.len() < TEXT_OCTETS && !text.trim().is_empty() {
            if !self.text.ends_with('\n') && !self.text.is_empty() {
                self.text.push('\n');
            }
            self.text.push_str(text);
            self.text.push('\n');
        }
    }

    fn open(&mut self, name: &str, attributes: &str, opening: &mut Opening<'_, '_>) {
        if self.path.is_empty() && self.root.is_empty() {
            self.root = name.to_owned();
            self.open_root(name, attributes, opening);
        }
        if self.path.len() < DEPTH {
            self.path.push(name.to_owned());
        }
        let value = |key: &str| attribute(attributes, key).unwrap_or_default().into_owned();
        self.begin_cell(name, attributes);
        match name {
            "Relationship" => self.relationship(attributes, opening),
            "Override" | "Default" => self.content_type(&value("ContentType")),
            // ECMA-376 part 1, 17.16.18: a field over several runs.
            "fldChar" => match value("fldCharType").as_str() {
                "begin" if self.codes.len() < 32 => self.codes.push(String::new()),
                "separate" | "end" => self.end_field(opening),
                _ => {}
            },
            "fldSimple" => {
                let code = value("instr");
                tell(judge_field(&code), opening);
                self.line(&code);
            }
            "c" => self.is_index = value("t") == "s",
            // ODF 1.3 part 3, 4.3.3: properties that people and programs add.
            "f" | "definedName" | "property" | "user-defined" | "binData" | "binaryData"
            | "binary-data" => {
                self.own.clear();
                self.own_name =
                    if value("name").is_empty() { value("formulaId") } else { value("name") };
            }
            "part" | "module" => self.own_name = value("name"),
            "source-code" => self.own.clear(),
            // 18.2.19
            "sheet" if !value("name").is_empty() => {
                self.line(&value("name"));
                if value("state") == "veryHidden" {
                    opening.remark("SHEET_VERY_HIDDEN", value("name"));
                }
            }
            // 18.14.4
            "ddeLink" => {
                let link = format!("{}|{}", value("ddeService"), value("ddeTopic"));
                opening.remark("DDE_FIELD", link);
            }
            "OLEObject" | "oleObject" | "control" | "oleObj" | "embed" => {
                native::look_at_name(&value("ProgID"), opening);
                native::look_at_name(&value("progId"), opening);
                if value("Type") == "Link" || value("UpdateMode") == "Always" {
                    opening.remark("OBJECT_UPDATES", value("ProgID"));
                }
            }
            // MS-OFFCRYPTO (LabelInfo): a sensitivity label in a part of its own, without its name.
            "label" if self.root == "labelList" => {
                let id = value("id");
                let is_on = matches!(value("enabled").as_str(), "1" | "true");
                let (id, is_on) = (id.trim_matches(['{', '}']), is_on && value("removed") != "1");
                self.line(&format!("MSIP_Label_{id}_Enabled: {is_on}"));
            }
            "textpath" => self.line(&value("string")),
            "Glyphs" => self.line(&value("UnicodeString")),
            "customUI" if !value("onLoad").is_empty() => {
                opening.remark("MACRO_RIBBON", value("onLoad"));
            }
            _ => self.open_odf(name, attributes, opening),
        }
        // Alternative texts, tips and the like are shown to the reader too.
        for key in ["descr", "tooltip", "prompt", "error"] {
            if attributes.contains(key) {
                self.line(&value(key));
            }
        }
    }

    /// Rows, cells and shared strings of spreadsheets.
    fn begin_cell(&mut self, name: &str, attributes: &str) {
        const MOST_REPEATED: usize = 256;
        match name {
            "row" if self.root == "worksheet" => self.seen.grid.row(),
            "table-row" => self.seen.grid.row(),
            "c" if self.root == "worksheet" => {
                let reference = attribute(attributes, "r").unwrap_or_default();
                self.cell = Some((self.seen.grid.begin(&reference), self.text.len()));
                self.index.clear();
            }
            "si" if self.root == "sst" => self.cell = Some((0, self.text.len())),
            "table-cell" | "covered-table-cell" => {
                self.cell = Some((self.seen.grid.begin(""), self.text.len()));
                let times = attribute(attributes, "number-columns-repeated").unwrap_or_default();
                let times: usize = times.parse().unwrap_or(1);
                self.seen.grid.skip(times.clamp(1, MOST_REPEATED) - 1);
            }
            _ => {}
        }
    }

    fn end_cell(&mut self, name: &str) {
        if !matches!(name, "c" | "si" | "table-cell" | "covered-table-cell") {
            return;
        }
        let Some((column, from)) = self.cell.take() else { return };
        let text = self.text.get(from..).unwrap_or_default();
        match name {
            "si" => self.seen.grid.share(text),
            "c" if !self.index.is_empty() => self.seen.grid.index(column, &self.index),
            _ => self.seen.grid.text(column, text),
        }
    }

    fn open_root(&mut self, name: &str, attributes: &str, opening: &mut Opening<'_, '_>) {
        match name {
            "macrosheet" => self.seen.has_macro_sheet = true,
            "ocx" => {
                opening.remark("ACTIVEX_PRESENT", self.name);
                if let Some(class) = attribute(attributes, "classid") {
                    native::look_at_class(&octets_of_class(&class), opening);
                }
            }
            _ => {}
        }
    }

    /// Elements of ODF (OpenDocument 1.3 part 3) that load or run something.
    fn open_odf(&mut self, name: &str, attributes: &str, opening: &mut Opening<'_, '_>) {
        let value = |key: &str| attribute(attributes, key).unwrap_or_default().into_owned();
        let href = || attribute(attributes, "href").unwrap_or_default();
        match name {
            "encryption-data" => self.seen.is_encrypted = true,
            "dde-source" | "dde-connection-decl" => {
                let link = format!("{}|{}", value("dde-application"), value("dde-topic"));
                opening.remark("DDE_FIELD", link);
            }
            "event-listener" => {
                let event = value("event-name");
                let starts = ["load", "open", "start", "view", "focus", "close", "new", "create"];
                let is_script =
                    href().starts_with("vnd.sun.star.script:") || !value("macro-name").is_empty();
                if is_script {
                    let target = href().into_owned();
                    opening.remark("MACRO_PRESENT", target.clone());
                    if starts.iter().any(|start| event.to_lowercase().contains(start)) {
                        self.seen.signs.note(Sign::Auto, &event, &target);
                    }
                }
            }
            "table-cell" if attributes.contains("formula") => {
                let formula = value("formula");
                tell(judge_formula(&formula), opening);
                if formula.to_uppercase().contains("DDE(") {
                    opening.remark("DDE_FIELD", formula);
                }
            }
            "script" if self.root.starts_with("document") => {
                opening.remark("MACRO_PRESENT", value("language"));
            }
            _ if attributes.contains("href") => {
                let load = match name {
                    "template" => Load::Template,
                    "image" | "fill-image" | "background-image" | "video" => Load::Picture,
                    "a" => Load::Link,
                    "object" | "object-ole" | "section-source" | "table-source" | "plugin"
                    | "floating-frame" | "cell-range-source" | "applet" => Load::Object,
                    _ => Load::Link,
                };
                let target = href();
                self.line(&target);
                tell(judge_target(load, &target), opening);
            }
            _ => {}
        }
    }

    /// ECMA-376 part 2, 9.3: what lies outside of a part.
    fn relationship(&mut self, attributes: &str, opening: &mut Opening<'_, '_>) {
        let value = |key: &str| attribute(attributes, key).unwrap_or_default().into_owned();
        let (kind, target) = (value("Type"), value("Target"));
        let kind = kind.rsplit('/').next().unwrap_or_default();
        let is_outside = value("TargetMode").eq_ignore_ascii_case("external");
        let load = match kind {
            "attachedTemplate" => Load::Template,
            "oleObject" | "frame" | "subDocument" | "package" | "aFChunk" | "control"
            | "externalLink" | "slideMaster" | "settings" | "customXml" | "vbaProject"
            | "xlMacrosheet" | "officeDocument" => Load::Object,
            "image" | "video" | "audio" | "media" => Load::Picture,
            _ => Load::Link,
        };
        if matches!(kind, "xlMacrosheet" | "xlIntlMacrosheet") {
            self.seen.has_macro_sheet = true;
        }
        if is_outside {
            self.line(&target);
        }
        tell(judge_target(load, &target), opening);
    }

    fn content_type(&mut self, content_type: &str) {
        self.seen.has_parts = true;
        let lower = content_type.to_lowercase();
        self.seen.is_macro_type |= lower.contains("macroenabled") || lower.contains("vbaproject");
        self.seen.has_macro_sheet |= lower.contains("macrosheet");
    }

    fn end_field(&mut self, opening: &mut Opening<'_, '_>) {
        let Some(code) = self.codes.pop() else { return };
        tell(judge_field(&code), opening);
        self.line(&code);
        if let Some(outer) = self.codes.last_mut().filter(|outer| outer.len() < CODE_OCTETS) {
            outer.push_str(&code);
        }
    }

    fn characters(&mut self, text: &str) {
        let element = self.path.last().map_or("", String::as_str);
        match element {
            "instrText" | "delInstrText" => match self.codes.last_mut() {
                Some(code) if code.len() < CODE_OCTETS => code.push_str(text),
                Some(_) => {}
                // A code without the marks of a field: judged alone, over all its runs.
                None => self.codes.push(text.to_owned()),
            },
            "f" | "definedName" | "property" | "user-defined" | "binData" | "binaryData"
            | "binary-data" | "source-code" => {
                self.own.push_str(text);
            }
            "v" if self.is_index && self.index.len() < 16 => {
                self.index.push_str(text);
            }
            "oddHeader" | "oddFooter" | "evenHeader" | "evenFooter" | "firstHeader"
            | "firstFooter" => self.line(&header_text(text)),
            // Results within a field's code build that code.
            "t" if !self.codes.is_empty() && self.is_in("instr") => {}
            element if SILENT.contains(&element) => {}
            _ if self.text.len() < TEXT_OCTETS => {
                if self.is_in("property") {
                    self.own.push_str(text);
                } else if self.root == "coreProperties" || self.root == "Properties" {
                    if !text.trim().is_empty() {
                        let line = format!("{element}: {}", text.trim());
                        self.line(&line);
                    }
                } else if !text.trim().is_empty() || !self.text.ends_with([' ', '\n']) {
                    self.text.push_str(text);
                }
            }
            _ => {}
        }
    }

    fn close(&mut self, name: &str, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
        if let Some(at) = self.path.iter().rposition(|own| own == name) {
            self.path.truncate(at);
        }
        self.end_cell(name);
        let own = match name {
            "f" | "definedName" | "property" | "user-defined" | "binData" | "binaryData"
            | "binary-data" | "source-code" => std::mem::take(&mut self.own),
            _ => String::new(),
        };
        let own_name = self.own_name.clone();
        match name {
            "f" => self.formula(&own, opening),
            "definedName" => {
                self.defined_name(&own_name);
                tell(judge_formula(&own), opening);
                self.line(&own_name);
            }
            "property" | "user-defined" => self.line(&format!("{own_name}: {own}")),
            "binData" | "binaryData" | "binary-data" => embedded(&own_name, &own, opening)?,
            // ODF keeps the source of macros as the text of such parts.
            "module" if self.root == "module" => {
                let source = std::mem::take(&mut self.text);
                let module = self.sheet.clone();
                self.module(module, &source, opening);
            }
            // A document in one file has them beside everything else.
            "source-code" if self.root.starts_with("document") => {
                self.module(own_name, &own, opening);
            }
            _ => {}
        }
        if LINES.contains(&name) && !self.text.ends_with('\n') && !self.text.is_empty() {
            self.text.push('\n');
        }
        if name == "tab" {
            self.text.push('\t');
        }
        Ok(())
    }

    fn module(&mut self, module: String, source: &str, opening: &mut Opening<'_, '_>) {
        indicators::look(&module, source, &mut self.seen.signs);
        self.seen.modules.push(module);
        opening.text(source);
    }

    fn formula(&mut self, formula: &str, opening: &mut Opening<'_, '_>) {
        tell(judge_formula(formula), opening);
        if self.root == "macrosheet" {
            let sheet = self.sheet.clone();
            self.seen.macro_sheets.note(&sheet, formula);
            self.line(formula);
        } else if formula.contains('"') {
            self.line(formula);
        }
    }

    fn defined_name(&mut self, name: &str) {
        let lower = name.to_lowercase();
        let lower = lower.strip_prefix("_xlnm.").unwrap_or(&lower);
        let starts = ["auto_open", "auto_close", "auto_activate", "auto_deactivate"];
        if let Some(start) = starts.iter().find(|start| lower.starts_with(*start)) {
            self.seen.macro_sheets.signs.note(Sign::Auto, "name", start);
        }
    }
}

/// A file in base64.
fn embedded(name: &str, text: &str, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
    let packed: Vec<u8> = text.bytes().filter(|octet| !octet.is_ascii_whitespace()).collect();
    let packed = packed.split(|octet| *octet == b'=').next().unwrap_or_default();
    let whole = packed.get(..packed.len() - packed.len() % 4).unwrap_or_default();
    let engine = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
    );
    let octets = engine.decode(packed).or_else(|_| engine.decode(whole)).unwrap_or_default();
    if octets.is_empty() {
        return Ok(());
    }
    opening.pay_octets(octets.len() as u64)?;
    opening.member(name, octets.into())
}

/// `{D27CDB6E-AE6D-11CF-96B8-444553540000}` as it lies in compound files.
fn octets_of_class(class: &str) -> Vec<u8> {
    let digits: Vec<u8> = class
        .bytes()
        .filter_map(|digit| char::from(digit).to_digit(16))
        .filter_map(|digit| u8::try_from(digit).ok())
        .collect();
    let octets: Vec<u8> = digits
        .chunks_exact(2)
        .map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | digit))
        .collect();
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    ORDER.iter().filter_map(|at| octets.get(*at).copied()).collect()
}

impl Seen {
    /// Remarks what the parts amount to together. `name` is that of the document.
    pub(super) fn tell(mut self, opening: &mut Opening<'_, '_>) {
        if self.has_macro_sheet {
            self.macro_sheets.finish();
            opening.remark("MACRO_EXCEL4", "");
            self.macro_sheets.signs.tell(opening);
        }
        if !self.modules.is_empty() {
            opening.remark("MACRO_PRESENT", self.modules.join(", "));
        }
        self.signs.tell(opening);
        let name = opening.name().to_lowercase();
        let lines = self.grid.lines();
        if !lines.is_empty() {
            opening.text(&lines);
        }
        let plain = [".docx", ".xlsx", ".pptx", ".dotx", ".xltx", ".potx", ".ppsx"];
        if self.is_macro_type && plain.iter().any(|end| name.ends_with(end)) {
            opening.remark("MACRO_TYPE_MISMATCH", name);
        }
        if self.is_encrypted {
            opening.remark("DOCUMENT_ENCRYPTED", "");
            opening.close(crate::message::contents::Closed::Encrypted);
        }
    }
}
