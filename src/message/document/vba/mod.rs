//! Visual Basic macros in Office files.
//!
//! In: a compound file ([`Compound`]): a `vbaProject.bin`, or an old document that holds the
//! project in one of its storages. Out: remarks MACRO_PRESENT and what its modules do
//! ([`signs`]), the source of each module as text. Standard: MS-OVBA.
//!
//! Source is looked for where the project's table says and wherever else a stream begins like
//! source, since Office finds modules by ways of its own. A module is kept twice, as source
//! and compiled, and Office runs the compiled one if the version fits: strings of the compiled
//! code that its source lacks are MACRO_STOMPED, and then speak for the module.

pub(super) mod code;
mod container;
pub(super) mod indicators;
mod project;
pub(super) mod signs;

use bytes::Bytes;

use self::project::{Module, Table};
use self::signs::Signs;
use super::code_page;
use super::ole::compound::{Compound, EntryKind};
use crate::message::contents::{Exhausted, Opening};
use crate::message::fixed::{find_from, le16, slice};

#[cfg(test)]
pub(in crate::message) use {container::pack, project::table_of};

/// Every module's source begins with `Attribute VB_`: packed, eight literals, then the flags.
const SOURCE_MARK: &[u8] = b"\x00Attribut";
/// The source of one module, and of all modules of a file.
const SOURCE_OCTETS: usize = 4 << 20;
const SOURCES_OCTETS: usize = 24 << 20;

/// The modules of a file as far as they were read.
#[derive(Default)]
struct Found {
    signs: Signs,
    modules: Vec<String>,
    stomped: Vec<String>,
    purged: Vec<String>,
    octets: usize,
    has_password: bool,
}

/// Looks for macros in a compound file; the numbers of the streams that were read as such.
pub(super) fn open(
    file: &Compound,
    opening: &mut Opening<'_, '_>,
) -> Result<Vec<usize>, Exhausted> {
    let mut found = Found::default();
    let mut read = Vec::new();
    for (number, entry) in file.entries().iter().enumerate() {
        if entry.kind != EntryKind::Stream {
            let table = file.child(number, "dir");
            if table.is_some() || file.child(number, "_VBA_PROJECT").is_some() {
                open_project(file, number, table, &mut found, &mut read, opening)?;
            }
        }
    }
    // Modules outside of any project: the directory was tampered with.
    for (number, entry) in file.entries().iter().enumerate() {
        if entry.kind == EntryKind::Stream && entry.octets > 0 && !read.contains(&number) {
            let octets = file.stream(number, opening)?.octets;
            if let Some(source) = source_anywhere(&octets, 1252, opening)? {
                read.push(number);
                found.module(&entry.name, &source, &[], opening);
            }
        }
    }
    found.tell(opening);
    Ok(read)
}

/// Looks for source in octets whose directory cannot be read.
pub(super) fn carve(octets: &Bytes, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
    let mut found = Found::default();
    let mut at = 0;
    while let Some(mark) = find_from(octets, SOURCE_MARK, at) {
        opening.pay_time()?;
        let start = mark.saturating_sub(3);
        if let Some(source) = source_at(octets, start, 1252, opening)? {
            found.module("", &source, &[], opening);
        }
        at = mark + SOURCE_MARK.len();
    }
    found.tell(opening);
    Ok(())
}

fn open_project(
    file: &Compound,
    storage: usize,
    table: Option<usize>,
    found: &mut Found,
    read: &mut Vec<usize>,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let mut modules = Table { code_page: 1252, modules: Vec::new() };
    if let Some(table) = table {
        let packed = file.stream(table, opening)?.octets;
        if let Some(dir) = container::unpack(&packed, SOURCE_OCTETS) {
            opening.pay_octets(dir.octets.len() as u64)?;
            modules = project::read_table(&dir.octets);
            read.push(table);
        }
    }
    let mut compiled_names = Vec::new();
    for number in file.children(storage).collect::<Vec<usize>>() {
        opening.pay_time()?;
        let Some(entry) = file.entry(number).filter(|_| !read.contains(&number)) else { continue };
        if entry.kind != EntryKind::Stream {
            continue;
        }
        let octets = file.stream(number, opening)?.octets;
        if entry.name.eq_ignore_ascii_case("_VBA_PROJECT") {
            compiled_names = names_in(&octets);
            read.push(number);
        }
    }
    let code_page = modules.code_page;
    let mut listed = Vec::new();
    for module in &modules.modules {
        opening.pay_time()?;
        let stream = module.streams.iter().find_map(|name| file.child(storage, name));
        let Some(number) = stream.filter(|number| !read.contains(number)) else { continue };
        listed.push((number, module.clone()));
        read.push(number);
    }
    for number in file.children(storage).collect::<Vec<usize>>() {
        let Some(entry) = file.entry(number).filter(|_| !read.contains(&number)) else { continue };
        let is_cache = entry.name.starts_with("__SRP_");
        if entry.kind == EntryKind::Stream && !is_cache {
            listed.push((number, Module { name: entry.name.clone(), ..Module::default() }));
        }
    }
    for (number, module) in listed {
        let octets = file.stream(number, opening)?.octets;
        if read_module(&octets, &module, code_page, &compiled_names, found, opening)? {
            read.push(number);
        }
    }
    let folder = file.entry(storage).and_then(|entry| entry.parent);
    if let Some(project) = folder.and_then(|folder| file.child(folder, "PROJECT")) {
        found.has_password |= project::has_password(&file.stream(project, opening)?.octets);
        read.push(project);
    }
    Ok(())
}

/// Reads a module's stream. False: it is none.
fn read_module(
    octets: &Bytes,
    module: &Module,
    code_page: u32,
    compiled_names: &[String],
    found: &mut Found,
    opening: &mut Opening<'_, '_>,
) -> Result<bool, Exhausted> {
    let listed = match module.source_at > 0 || octets.first() == Some(&1) {
        true => source_at(octets, module.source_at, code_page, opening)?,
        false => None,
    };
    let source = match listed {
        Some(source) => Some(source),
        None => source_anywhere(octets, code_page, opening)?,
    };
    let compiled = strings_in(slice(octets, 0, module.source_at.min(octets.len())));
    let is_module = source.is_some() || module.source_at > 0;
    if !is_module {
        return Ok(false);
    }
    let source = source.unwrap_or_default();
    let lacks = lacking(&source, &compiled);
    // The table says that there is a source, and there is none, or one without a line of
    // code under compiled code of some size.
    let is_empty = code::read(&source).lines == 0;
    let is_bare = source.is_empty() && module.source_at > 600;
    let has_code = is_empty && !compiled.is_empty();
    if !lacks.is_empty() || is_bare || has_code {
        let what = lacks.first().map_or("no source", String::as_str);
        found.stomped.push(format!("{}: {what}", module.name));
        let mut strings = compiled;
        strings.extend(compiled_names.iter().cloned());
        found.module(&module.name, &source, &strings, opening);
        opening.text(&strings.join("\n"));
    } else {
        if module.source_at == 0 && !is_empty {
            found.purged.push(module.name.clone());
        }
        found.module(&module.name, &source, &[], opening);
    }
    Ok(true)
}

/// Strings of compiled code that the source does not have.
fn lacking(source: &str, compiled: &[String]) -> Vec<String> {
    let plain = source.replace("\"\"", "\"");
    compiled
        .iter()
        .filter(|text| text.len() >= 6 && !plain.contains(text.as_str()))
        .take(8)
        .cloned()
        .collect()
}

fn source_at(
    octets: &[u8],
    at: usize,
    code_page: u32,
    opening: &mut Opening<'_, '_>,
) -> Result<Option<String>, Exhausted> {
    let container = octets.get(at..).unwrap_or_default();
    let Some(source) = container::unpack(container, SOURCE_OCTETS) else { return Ok(None) };
    opening.pay_octets(source.octets.len() as u64)?;
    Ok(Some(code_page::decode(&source.octets, code_page).into_owned()))
}

fn source_anywhere(
    octets: &[u8],
    code_page: u32,
    opening: &mut Opening<'_, '_>,
) -> Result<Option<String>, Exhausted> {
    match find_from(octets, SOURCE_MARK, 3) {
        Some(mark) => source_at(octets, mark - 3, code_page, opening),
        None => Ok(None),
    }
}

/// String constants in compiled code: the instruction 0xB9, the length, the octets. (Found by
/// looking at what Office writes; the format is not published.)
fn strings_in(compiled: &[u8]) -> Vec<String> {
    let mut strings = Vec::new();
    for at in memchr::memmem::find_iter(compiled, b"\xb9\x00") {
        let length = le16(compiled, at + 2).map_or(0, usize::from);
        let text = slice(compiled, at + 4, length);
        let is_text = text.iter().all(|octet| matches!(octet, b' '..=b'~'));
        if (4..=4_096).contains(&length) && text.len() == length && is_text {
            strings.push(String::from_utf8_lossy(text).into_owned());
        }
        if strings.len() >= 4_096 {
            break;
        }
    }
    strings
}

/// Names in the project's cache: runs of letters of some length.
fn names_in(cache: &[u8]) -> Vec<String> {
    let is_name = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'_';
    cache
        .split(|octet| !is_name(octet))
        .filter(|name| (5..=64).contains(&name.len()))
        .take(4_096)
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect()
}

impl Found {
    fn module(
        &mut self,
        name: &str,
        source: &str,
        strings: &[String],
        opening: &mut Opening<'_, '_>,
    ) {
        self.octets = self.octets.saturating_add(source.len());
        if self.octets > SOURCES_OCTETS {
            return;
        }
        indicators::look_at_strings(name, strings, &mut self.signs);
        let has_code = source
            .lines()
            .any(|line| !line.trim().is_empty() && !line.trim_start().starts_with("Attribute "));
        if has_code || !strings.is_empty() {
            self.modules.push(name.to_owned());
            opening.text(source);
            indicators::look(name, source, &mut self.signs);
        }
    }

    fn tell(&self, opening: &mut Opening<'_, '_>) {
        let lists: [(&'static str, &[String]); 3] = [
            ("MACRO_PRESENT", &self.modules),
            ("MACRO_STOMPED", &self.stomped),
            ("MACRO_PURGED", &self.purged),
        ];
        for (remark, modules) in lists {
            if !modules.is_empty() {
                let shown: Vec<&str> = modules.iter().take(4).map(String::as_str).collect();
                opening.remark(remark, shown.join(", "));
            }
        }
        if self.has_password {
            opening.remark("MACRO_LOCKED", "");
        }
        self.signs.tell(opening);
    }
}
