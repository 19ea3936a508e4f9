//! `postern content`: lists for exact matching and sets of protected documents.
//!
//! In: tables and documents in files. Out: digests and fingerprints below the data directory,
//! each file replaced whole; no clear value and no text is kept, nor shown afterwards. Needs no
//! running box; one that runs takes up what has changed within seconds, or when it is told to
//! reload. A list with less than half the rows of the one before is refused unless that is said
//! to be right: an export that broke off must not end the protection.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::arguments::{Listing, WithConfig};
use super::exit::{Exit, Trouble};
use super::progress::Progress;
use super::{messages, render};
use crate::analysis::exact::csv::Encoding;
use crate::analysis::exact::values::{Refusal, Weakness};
use crate::analysis::exact::words::Accents;
use crate::analysis::exact::{
    Column, ExactError, ExactList, ImportReport, Places, Shelf, ShelfError, Spec,
};
use crate::analysis::fingerprints::{Document, Draft, Prints, PrintsError, Role, reading};
use crate::config::Config;

/// A column of which so few values differ tells nobody apart.
const TELLING_SHARE: u32 = 10;
/// Documents of more octets are not read.
const MOST_DOCUMENT_OCTETS: u64 = 256 << 20;

/// `postern content`.
#[derive(Debug, Args)]
pub struct ContentOrder {
    /// Of what
    #[command(subcommand)]
    pub act: ContentAct,
}

/// What content rules ask for by name.
#[derive(Debug, Subcommand)]
pub enum ContentAct {
    /// Lists of values that are matched exactly: customer numbers, names of staff
    List {
        /// What to do
        #[command(subcommand)]
        act: ListAct,
    },
    /// Sets of protected documents that are recognised when parts of them are pasted
    Document {
        /// What to do
        #[command(subcommand)]
        act: DocumentAct,
    },
}

/// What can be done with lists.
#[derive(Debug, Subcommand)]
pub enum ListAct {
    /// Make a list from a table, in the place of the one of this name; clear values are not kept
    Import(ImportOrder),
    /// Say what is in a list, or in all
    Show {
        /// Where from
        #[command(flatten)]
        listing: Listing,
        /// Which; all without it
        name: Option<String>,
    },
    /// Remove a list and its key
    Remove {
        /// Where from
        #[command(flatten)]
        with: WithConfig,
        /// Which
        name: String,
    },
}

/// `postern content list import`.
#[derive(Debug, Args)]
pub struct ImportOrder {
    /// Where to
    #[command(flatten)]
    pub with: WithConfig,
    /// What rules call it: small letters, digits, - and _
    pub name: String,
    /// The table: CSV whose first line names the columns; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub csv: PathBuf,
    /// The columns to take, by name; all without it
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub columns: Vec<String>,
    /// Whether é is the same as e
    #[arg(long, value_enum, default_value_t = AccentsWord::Folded)]
    pub accents: AccentsWord,
    /// How the file is written; found out without it
    #[arg(long, value_enum)]
    pub encoding: Option<EncodingWord>,
    /// Take it although it has less than half the rows of the list before
    #[arg(long)]
    pub fewer: bool,
}

/// What becomes of accents, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AccentsWord {
    /// They do not count.
    Folded,
    /// They count.
    Kept,
}

/// An encoding, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EncodingWord {
    /// UTF-8.
    #[value(name = "utf-8")]
    Utf8,
    /// Windows-1252.
    #[value(name = "windows-1252")]
    Windows1252,
}

/// What can be done with sets of documents.
#[derive(Debug, Subcommand)]
pub enum DocumentAct {
    /// Add documents to a set, in the place of those of the same name; text is not kept
    Add {
        /// Where to
        #[command(flatten)]
        with: WithConfig,
        /// What rules call the set: small letters, digits, - and _
        name: String,
        /// What stands in them is nobody's: forms, letterheads, disclaimers
        #[arg(long)]
        common: bool,
        /// Documents in any format that mail is looked through for, or folders with them
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Say which documents are in a set, or in all
    Show {
        /// Where from
        #[command(flatten)]
        listing: Listing,
        /// Which set; all without it
        name: Option<String>,
    },
    /// Remove documents from a set, or the set and its key
    Remove {
        /// Where from
        #[command(flatten)]
        with: WithConfig,
        /// Which set
        name: String,
        /// The documents, by name; without one the whole set goes
        documents: Vec<String>,
    },
}

impl From<ShelfError> for Trouble {
    fn from(error: ShelfError) -> Trouble {
        match error {
            ShelfError::Name(_) => Trouble::Usage(error.to_string()),
            ShelfError::File { .. } => Trouble::Output(error.to_string()),
        }
    }
}

impl From<ExactError> for Trouble {
    fn from(error: ExactError) -> Trouble {
        match error {
            ExactError::Unreadable { path, error } => Trouble::Input { file: path, error },
            ExactError::Columns(_) => Trouble::Usage(error.to_string()),
            ExactError::Table(_) | ExactError::Damaged { .. } => Trouble::Data(error.to_string()),
        }
    }
}

impl From<PrintsError> for Trouble {
    fn from(error: PrintsError) -> Trouble {
        match error {
            PrintsError::Unreadable { path, error } => Trouble::Input { file: path, error },
            _ => Trouble::Data(render::harmless(&error.to_string())),
        }
    }
}

pub(super) fn content(order: &ContentOrder) -> Result<Exit, Trouble> {
    let data_dir = |config: &Path| Config::load(config).map(|config| config.system.data_dir);
    match &order.act {
        ContentAct::List { act } => match act {
            ListAct::Import(order) => import(&data_dir(&order.with.config)?, order),
            ListAct::Show { listing, name } => {
                show_lists(&data_dir(&listing.config)?, name.as_deref(), listing.json)
            }
            ListAct::Remove { with, name } => {
                remove::<ExactList>(&data_dir(&with.config)?, name, "list")
            }
        },
        ContentAct::Document { act } => match act {
            DocumentAct::Add { with, name, common, files } => {
                let role = if *common { Role::Common } else { Role::Protected };
                add(&data_dir(&with.config)?, name, role, files)
            }
            DocumentAct::Show { listing, name } => {
                show_documents(&data_dir(&listing.config)?, name.as_deref(), listing.json)
            }
            DocumentAct::Remove { with, name, documents } => {
                let data_dir = data_dir(&with.config)?;
                match documents.is_empty() {
                    true => remove::<Prints>(&data_dir, name, "set of documents"),
                    false => remove_documents(&data_dir, name, documents),
                }
            }
        },
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn import(data_dir: &Path, order: &ImportOrder) -> Result<Exit, Trouble> {
    let path = Shelf::<ExactList>::path(data_dir, &order.name)?;
    let octets = read_whole(&order.csv)?;
    let spec = Spec {
        columns: order.columns.clone(),
        accents: match order.accents {
            AccentsWord::Folded => Accents::Folded,
            AccentsWord::Kept => Accents::Kept,
        },
        encoding: order.encoding.map(|encoding| match encoding {
            EncodingWord::Utf8 => Encoding::Utf8,
            EncodingWord::Windows1252 => Encoding::Windows1252,
        }),
        now_s: now_s(),
    };
    let before = path.exists().then(|| ExactList::load(&path)).and_then(Result::ok);
    let key = Shelf::<ExactList>::make_key(data_dir, &order.name)?;
    let lines = memchr::memchr_iter(b'\n', &octets).count();
    let mut progress = Progress::of(lines, "lines");
    let imported =
        ExactList::import_stepwise(octets.as_slice(), &spec, &key, &mut || progress.step());
    drop(progress);
    let (list, report) = imported.map_err(|error| match error {
        ExactError::Table(what) => Trouble::Data(format!("{}: {what}", order.csv.display())),
        other => other.into(),
    })?;
    let rows_before = before.map_or(0, |list| list.head().used_rows as usize);
    if report.used_rows * 2 < rows_before && !order.fewer {
        return Err(Trouble::Data(format!(
            "{}: {} rows, while the list {} has {rows_before}; nothing is changed. If that is \
             right, say --fewer",
            order.csv.display(),
            report.used_rows,
            order.name,
        )));
    }
    Shelf::<ExactList>::put_file(data_dir, &order.name, &list)?;
    tell(&order.name, &report);
    say!("written: {}", path.display());
    say!("a running box uses it within seconds; the table itself is needed no more");
    Ok(Exit::Ok)
}

fn read_whole(file: &Path) -> Result<Vec<u8>, Trouble> {
    use std::io::Read;
    let mut octets = Vec::new();
    let most = crate::analysis::exact::MOST_OCTETS + 1;
    let read = match file.as_os_str() == "-" {
        true => std::io::stdin().lock().take(most).read_to_end(&mut octets),
        false => File::open(file).and_then(|file| file.take(most).read_to_end(&mut octets)),
    };
    read.map_err(|error| Trouble::Input { file: file.to_owned(), error })?;
    Ok(octets)
}

fn tell(name: &str, report: &ImportReport) {
    let ImportReport { rows, used_rows, columns, .. } = report;
    let encoding = report.encoding.map_or("", Encoding::name);
    say!("{name}: {used_rows} of {rows} rows, read as {encoding}");
    columns.iter().for_each(|column| say!("  {}", about_column(column)));
    for (fault, places) in &report.faults {
        aside!("postern: {}: {fault}: {} rows left out", lines(places), places.count);
    }
    for (refusal, places) in &report.refused {
        let why = match refusal {
            Refusal::Signs => "neither letters nor digits",
            Refusal::ManyWords => "more than 16 words, which is no name",
            Refusal::LongWord => "a word of more than 64 characters",
            Refusal::Scattered => "words that stand too far apart",
        };
        aside!("postern: {}: {why}: {} values left out", lines(places), places.count);
    }
    for (weakness, places) in &report.weak {
        let why = match weakness {
            Weakness::Short => "too short to tell who it is",
            Weakness::Ordinary => "words of everyday mail",
        };
        aside!(
            "postern: {}: {why}: {} values count only beside another one of their row",
            lines(places),
            places.count
        );
    }
    if report.ordinary_phrases.count > 0 {
        let places = &report.ordinary_phrases;
        aside!(
            "postern: {}: {} values are made of everyday words and may be met by chance",
            lines(places),
            places.count
        );
    }
    for column in columns.iter().filter(|column| is_untelling(column)) {
        aside!(
            "postern: {}: {} rows share {} values, which tell nobody apart; let rules ask for \
             two columns",
            render::harmless(&column.name),
            column.values,
            column.distinct
        );
    }
}

fn is_untelling(column: &Column) -> bool {
    column.values >= 20 && column.distinct <= column.values / TELLING_SHARE
}

fn about_column(column: &Column) -> String {
    let Column { name, values, distinct, weak } = column;
    let weak = match weak {
        0 => String::new(),
        weak => format!(", {weak} count only beside another"),
    };
    format!("{}: {values} values, {distinct} different{weak}", render::harmless(name))
}

fn lines(places: &Places) -> String {
    let shown: Vec<String> = places.lines.iter().map(ToString::to_string).collect();
    let more = if places.count > shown.len() { " and more" } else { "" };
    let word = if places.count == 1 { "line" } else { "lines" };
    format!("{word} {}{more}", shown.join(", "))
}

#[derive(Serialize)]
struct ListRow {
    name: String,
    imported: String,
    rows: u32,
    octets: usize,
    columns: Vec<Column>,
}

/// The names to show: the one that was named, which has to be there, or all.
fn names<T: crate::analysis::exact::shelf::Shelved>(
    data_dir: &Path,
    name: Option<&str>,
    what: &str,
) -> Result<Vec<String>, Trouble> {
    let Some(name) = name else { return Ok(Shelf::<T>::names(data_dir)?) };
    match Shelf::<T>::path(data_dir, name)?.exists() {
        true => Ok(vec![name.to_owned()]),
        false => Err(Trouble::NotFound(format!("there is no {what} {name}"))),
    }
}

fn at(seconds: u64) -> String {
    let second = i64::try_from(seconds).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
    second.map_or_else(|| "?".to_owned(), |time| time.to_string())
}

fn show_lists(data_dir: &Path, name: Option<&str>, json: bool) -> Result<Exit, Trouble> {
    let mut rows = Vec::new();
    for name in names::<ExactList>(data_dir, name, "list")? {
        let list = ExactList::load(&Shelf::<ExactList>::path(data_dir, &name)?)?;
        let head = list.head();
        rows.push(ListRow {
            name,
            imported: at(head.imported_s),
            rows: head.used_rows,
            octets: list.octets(),
            columns: head.columns.clone(),
        });
    }
    render::rows(&rows, json, |row| {
        let columns: Vec<String> = row.columns.iter().map(about_column).collect();
        let mib = row.octets.div_ceil(1 << 20);
        format!(
            "{}: {} rows, imported {}, {mib} MiB in memory\n  {}",
            row.name,
            row.rows,
            row.imported,
            columns.join("\n  ")
        )
    })
}

fn remove<T: crate::analysis::exact::shelf::Shelved>(
    data_dir: &Path,
    name: &str,
    what: &str,
) -> Result<Exit, Trouble> {
    match Shelf::<T>::remove(data_dir, name)? {
        true => say!("removed; a rule that asks for it is refused at the next reload or start"),
        false => return Err(Trouble::NotFound(format!("there is no {what} {name}"))),
    }
    Ok(Exit::Ok)
}

/// The set of this name, to be changed; an empty one when there is none.
fn draft(data_dir: &Path, name: &str) -> Result<Draft, Trouble> {
    let path = Shelf::<Prints>::path(data_dir, name)?;
    match path.exists() {
        true => Ok(Draft::from(Prints::load(&path)?)),
        false => Ok(Draft::of(&Shelf::<Prints>::make_key(data_dir, name)?)),
    }
}

fn add(data_dir: &Path, name: &str, role: Role, named: &[PathBuf]) -> Result<Exit, Trouble> {
    let mut draft = draft(data_dir, name)?;
    let files = messages::files(named)?;
    let mut progress = Progress::of(files.len(), "documents");
    let mut added = Vec::new();
    let mut failed = None;
    for file in files {
        match add_one(&mut draft, &file, role) {
            Ok(document) => added.push(document),
            Err(trouble) => {
                // The last one ends the command, and is told by whoever ends it.
                if let Some(before) = failed.replace(trouble) {
                    aside!("postern: {before}");
                }
            }
        }
        progress.step();
    }
    drop(progress);
    if added.is_empty() {
        return Err(failed.unwrap_or_else(|| Trouble::Usage("there is no document".to_owned())));
    }
    let prints = draft.finish();
    let path = Shelf::<Prints>::put_file(data_dir, name, &prints.octets())?;
    for document in prints.documents().iter().filter(|one| added.contains(&one.name)) {
        say!("{}", about_document(document));
        if document.ignored * 2 > document.prints && !document.is_common {
            aside!(
                "postern: {}: most of it stands in other documents, too, and is not recognised",
                render::harmless(&document.name)
            );
        }
    }
    say!("written: {}", path.display());
    say!("a running box uses it within seconds");
    // What was left out has to be seen by whoever runs this unattended.
    failed.map_or(Ok(Exit::Ok), Err)
}

/// Adds a file under its own name.
fn add_one(draft: &mut Draft, file: &Path, role: Role) -> Result<String, Trouble> {
    let unreadable = |error| Trouble::Input { file: file.to_owned(), error };
    let octets = std::fs::metadata(file).map_err(unreadable)?.len();
    if octets > MOST_DOCUMENT_OCTETS {
        let most = MOST_DOCUMENT_OCTETS >> 20;
        return Err(Trouble::Data(format!("{}: more than {most} MiB", file.display())));
    }
    let octets = bytes::Bytes::from(std::fs::read(file).map_err(unreadable)?);
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let sheet = reading::read(&name, &octets)?;
    for unread in &sheet.unread {
        aside!("postern: {}: not all was read: {}", file.display(), render::harmless(unread));
    }
    Ok(draft.add(&name, &sheet.text, role, now_s())?)
}

fn about_document(document: &Document) -> String {
    let Document { name, words, prints, ignored, .. } = document;
    let name = render::harmless(name);
    match document.is_common {
        true => format!("{name}: common, {words} words"),
        false => format!("{name}: {words} words, {prints} fingerprints, {ignored} of them common"),
    }
}

#[derive(Serialize)]
struct DocumentRow {
    set: String,
    added: String,
    #[serde(flatten)]
    document: Document,
}

fn show_documents(data_dir: &Path, name: Option<&str>, json: bool) -> Result<Exit, Trouble> {
    let mut rows = Vec::new();
    for set in names::<Prints>(data_dir, name, "set of documents")? {
        let prints = Prints::load(&Shelf::<Prints>::path(data_dir, &set)?)?;
        rows.extend(prints.documents().iter().map(|document| DocumentRow {
            set: set.clone(),
            added: at(document.added_s),
            document: document.clone(),
        }));
    }
    render::rows(&rows, json, |row| {
        format!("{}/{}, added {}", row.set, about_document(&row.document), row.added)
    })
}

fn remove_documents(data_dir: &Path, name: &str, documents: &[String]) -> Result<Exit, Trouble> {
    names::<Prints>(data_dir, Some(name), "set of documents")?;
    let mut draft = draft(data_dir, name)?;
    for document in documents {
        if !draft.remove(document) {
            return Err(Trouble::NotFound(format!("{name} holds no document {document}")));
        }
    }
    if draft.is_empty() {
        return remove::<Prints>(data_dir, name, "set of documents");
    }
    Shelf::<Prints>::put_file(data_dir, name, &draft.finish().octets())?;
    say!("removed");
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests;
