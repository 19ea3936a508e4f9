//! A table of clear values → the octets of a list, in which none of them stands.
//!
//! In: CSV, which columns of it, and the list's key. Out: the file's octets and a report of what
//! is in it, what was left out and why, and what tells nobody by itself; lines are named, values
//! never. Values are not looked at again after this. A file of which more than a tenth cannot be
//! used is refused whole: something is wrong with it, and half a list protects nobody. Fails with
//! [`ExactError`].

use std::collections::BTreeMap;
use std::io::Read;

use super::csv::{self, CsvError, Encoding, RowFault, Rows};
use super::file::{self, Column, Head};
use super::keyed::{Key, Sip};
use super::table::Gatherer;
use super::values::{Form, Refusal, Value, Weakness};
use super::words::Accents;
use super::{Digesters, ExactError};

/// Larger files are refused; they are held in memory while they are read.
pub const MOST_OCTETS: u64 = 1 << 30;
/// A list has so many columns at most.
pub const MOST_COLUMNS: usize = 32;
/// Lines that a report names, of each kind.
const NAMED_LINES: usize = 20;
/// One faulty row in so many is too much.
const FAULTY_SHARE: usize = 10;
/// Before so many the share says nothing.
const FAULTS_LOOKED_AT: usize = 1_000;

/// How a table is to be read.
#[derive(Debug, Clone, Default)]
pub struct Spec {
    /// The columns to take, by their names in the header; empty means all.
    pub columns: Vec<String>,
    /// What becomes of accents.
    pub accents: Accents,
    /// The encoding; none means that it is found out.
    pub encoding: Option<Encoding>,
    /// When it is imported, in seconds since 1970.
    pub now_s: u64,
}

/// Something that happened to rows or values, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// How often.
    pub count: usize,
    /// The first lines.
    pub lines: Vec<usize>,
}

impl Places {
    fn add(&mut self, line: usize) {
        self.count += 1;
        if self.lines.len() < NAMED_LINES {
            self.lines.push(line);
        }
    }
}

/// What became of a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImportReport {
    /// How the file was read.
    pub encoding: Option<Encoding>,
    /// Rows under the header.
    pub rows: usize,
    /// Rows of which at least one value is in the list.
    pub used_rows: usize,
    /// What is in the list.
    pub columns: Vec<Column>,
    /// Rows that were left out, by the reason.
    pub faults: BTreeMap<String, Places>,
    /// Values that were left out.
    pub refused: BTreeMap<Refusal, Places>,
    /// Values that count only beside another one of their row.
    pub weak: BTreeMap<Weakness, Places>,
    /// Values of several words that are all everyday words; they count, and may be met by chance.
    pub ordinary_phrases: Places,
}

/// Imports a table. `step` is called for each row.
pub(super) fn import(
    table: impl Read,
    spec: &Spec,
    key: &Key,
    step: &mut dyn FnMut(),
) -> Result<(Vec<u8>, ImportReport), ExactError> {
    let mut octets = Vec::new();
    let read = table.take(MOST_OCTETS + 1).read_to_end(&mut octets);
    read.map_err(|error| ExactError::Table(error.to_string()))?;
    if octets.len() as u64 > MOST_OCTETS {
        return Err(ExactError::Table(format!("more than {} MiB", MOST_OCTETS >> 20)));
    }
    let wrong = |error: CsvError| ExactError::Table(error.to_string());
    let (text, encoding) = csv::decode(&octets, spec.encoding).map_err(wrong)?;
    let mut rows = Rows::of(&text).map_err(wrong)?;
    let chosen = chosen(rows.columns(), &spec.columns)?;
    let mut importer = Importer::new(rows.columns(), chosen, spec.accents, key);
    importer.report.encoding = Some(encoding);
    for (line, row) in &mut rows {
        step();
        match row {
            Ok(row) => importer.row(line, &row.fields)?,
            Err(fault) => importer.fault(line, &fault)?,
        }
    }
    importer.finish(spec, key)
}

/// The places of the wanted columns.
fn chosen(header: &[String], wanted: &[String]) -> Result<Vec<usize>, ExactError> {
    let same = |one: &str, other: &str| one.trim().to_lowercase() == other.trim().to_lowercase();
    let mut chosen = Vec::new();
    for name in wanted {
        let mut places = (0..).zip(header).filter(|(_, column)| same(column, name));
        match (places.next(), places.next()) {
            (Some((place, _)), None) if !chosen.contains(&place) => chosen.push(place),
            (Some(_), None) => {
                return Err(ExactError::Columns(format!("{name} is asked for twice")));
            }
            (Some(_), Some(_)) => {
                return Err(ExactError::Columns(format!("two columns are called {name}")));
            }
            (None, _) => {
                let names = header.join(", ");
                return Err(ExactError::Columns(format!(
                    "there is no column {name}; the header has {names}"
                )));
            }
        }
    }
    if wanted.is_empty() {
        chosen.extend(0..header.len());
    }
    if chosen.len() > MOST_COLUMNS {
        return Err(ExactError::Columns(format!(
            "{} columns are more than {MOST_COLUMNS}; name those that tell who somebody is",
            chosen.len()
        )));
    }
    Ok(chosen)
}

struct Importer {
    chosen: Vec<usize>,
    accents: Accents,
    digesters: Digesters,
    gatherer: Gatherer,
    /// Which digests were seen in a column, to count different ones.
    seen: Vec<Vec<u64>>,
    /// `row * columns` of the next row.
    next_cell: u32,
    code_octets: u64,
    word_counts: u32,
    report: ImportReport,
}

impl Importer {
    fn new(header: &[String], chosen: Vec<usize>, accents: Accents, key: &Key) -> Importer {
        let named = |place: &usize| Column {
            name: match header.get(*place).map(String::as_str) {
                Some("") | None => format!("#{}", place + 1),
                Some(name) => name.chars().filter(|letter| !letter.is_control()).take(80).collect(),
            },
            ..Column::default()
        };
        let columns: Vec<Column> = chosen.iter().map(named).collect();
        Importer {
            seen: vec![Vec::new(); columns.len()],
            chosen,
            accents,
            digesters: Digesters::of(key),
            gatherer: Gatherer::default(),
            next_cell: 0,
            code_octets: 0,
            word_counts: 0,
            report: ImportReport { columns, ..ImportReport::default() },
        }
    }

    fn advance(&mut self) -> Result<u32, ExactError> {
        let cell = self.next_cell;
        let columns = u32::try_from(self.chosen.len()).unwrap_or(u32::MAX);
        let next = cell.checked_add(columns);
        self.next_cell = next.ok_or_else(|| ExactError::Table("too many rows".to_owned()))?;
        self.report.rows += 1;
        Ok(cell)
    }

    fn row(&mut self, line: usize, fields: &[String]) -> Result<(), ExactError> {
        let first = self.advance()?;
        let chosen = std::mem::take(&mut self.chosen);
        let mut is_used = false;
        for (column, place) in chosen.iter().enumerate() {
            let field = fields.get(*place).map_or("", String::as_str);
            if field.is_empty() {
                continue;
            }
            match Value::of(field, self.accents) {
                Ok(values) => {
                    is_used = true;
                    let cell = first + u32::try_from(column).unwrap_or(u32::MAX);
                    self.values(line, column, cell, &values);
                }
                Err(refusal) => self.report.refused.entry(refusal).or_default().add(line),
            }
        }
        self.chosen = chosen;
        self.report.used_rows += usize::from(is_used);
        Ok(())
    }

    fn values(&mut self, line: usize, column: usize, cell: u32, values: &[Value]) {
        for value in values {
            let octets = value.text.len();
            let digest = self.digesters.digest(value.form, value.text.as_bytes());
            match value.form {
                Form::Code => {
                    self.code_octets |= 1 << (octets.clamp(1, 64) - 1);
                    self.gatherer.push_code(digest);
                }
                Form::Words => {
                    self.word_counts |= 1 << (value.words.clamp(1, 32) - 1);
                    let first = self.digesters.first.hash(value.first().as_bytes());
                    self.gatherer.push_beginning(first, value.words);
                }
            }
            self.gatherer.push(digest, cell);
            if value.weakness.is_some() {
                self.gatherer.push_weak(digest);
            }
        }
        let Some(value) = values.first() else { return };
        if let Some(weakness) = value.weakness {
            self.report.weak.entry(weakness).or_default().add(line);
        }
        if value.is_ordinary_phrase {
            self.report.ordinary_phrases.add(line);
        }
        if let Some(about) = self.report.columns.get_mut(column) {
            about.values += 1;
            about.weak += u32::from(value.weakness.is_some());
        }
        if let Some(seen) = self.seen.get_mut(column) {
            seen.push(self.digesters.digest(value.form, value.text.as_bytes()));
        }
    }

    fn fault(&mut self, line: usize, fault: &RowFault) -> Result<(), ExactError> {
        self.advance()?;
        self.report.faults.entry(fault.to_string()).or_default().add(line);
        let faults = self.faults();
        match faults > FAULTS_LOOKED_AT && faults * 2 > self.report.rows {
            true => Err(self.too_faulty()),
            false => Ok(()),
        }
    }

    fn faults(&self) -> usize {
        self.report.faults.values().map(|places| places.count).sum()
    }

    fn too_faulty(&self) -> ExactError {
        let said = self.report.faults.iter().map(|(fault, places)| {
            let first = places.lines.first().copied().unwrap_or_default();
            format!("line {first}: {fault} ({} rows)", places.count)
        });
        let said: Vec<String> = said.take(5).collect();
        let (faults, rows) = (self.faults(), self.report.rows);
        ExactError::Table(format!("{faults} of {rows} rows are not in order: {}", said.join("; ")))
    }

    fn finish(mut self, spec: &Spec, key: &Key) -> Result<(Vec<u8>, ImportReport), ExactError> {
        if self.faults() * FAULTY_SHARE > self.report.rows {
            return Err(self.too_faulty());
        }
        if self.report.used_rows == 0 {
            return Err(ExactError::Table(
                "no row holds a value that can be looked for".to_owned(),
            ));
        }
        for (seen, column) in self.seen.iter_mut().zip(&mut self.report.columns) {
            seen.sort_unstable();
            seen.dedup();
            column.distinct = u32::try_from(seen.len()).unwrap_or(u32::MAX);
        }
        drop(self.seen);
        let parts = self.gatherer.parts();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let head = Head {
            imported_s: spec.now_s,
            rows: number(self.report.rows),
            used_rows: number(self.report.used_rows),
            columns: self.report.columns.clone(),
            keeps_accents: spec.accents == Accents::Kept,
            code_octets: self.code_octets,
            word_counts: self.word_counts,
            key_check: file::key_check(key),
        };
        let octets = file::write(&head, &parts);
        let octets = octets.map_err(|error| ExactError::Table(error.to_string()))?;
        Ok((octets, self.report))
    }
}

impl Digesters {
    /// The hashes of a list.
    pub(super) fn of(key: &Key) -> Digesters {
        let sip = |name| -> Sip { key.purpose(name) };
        Digesters {
            words: sip("exact words"),
            codes: sip("exact codes"),
            first: sip("exact beginnings"),
        }
    }

    #[inline]
    pub(super) fn digest(&self, form: Form, octets: &[u8]) -> u64 {
        match form {
            Form::Words => self.words.hash(octets),
            Form::Code => self.codes.hash(octets),
        }
    }
}
