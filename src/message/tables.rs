//! Tables in texts: what stands below a heading, with the heading before it.
//!
//! In: rows of cells, as a spreadsheet or lines with tabs, bars, commas or semicolons between
//! columns give them. Out: lines such as `NHS number: 943 476 5919; DOB: 1970-01-15`, one a row,
//! for the columns whose headings say what a bare number is. Rules ask for a word near a number;
//! in a table the word stands once, at the top of the column. Only headings that are known here
//! are carried, so that an ordinary table adds nothing. Bounded in cells and in octets.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Octets that the tables of one text or file add at most.
const ADDED_OCTETS: usize = 1 << 20;
/// Characters of the longest heading and of the longest cell that is carried.
const HEADING_CHARACTERS: usize = 40;
const CELL_CHARACTERS: usize = 160;
/// Cells of one text or file that are looked at, among them those that may be headings.
const CELLS: usize = 500_000;
/// Octets of the longest row that is read.
const LINE_OCTETS: usize = 16 << 10;
/// Columns that are looked at.
const COLUMNS: usize = 256;

/// Headings that say what stands below, in small letters without anything but letters and digits.
const HEADINGS: &str = " nhsnumber nhsno nhsnum nhsid nhs patientnumber patientno patientid \
     hospitalnumber hospitalno mrn chinumber chino chi hcn hcnumber healthandcarenumber diagnosis \
     diagnoses primarydiagnosis condition dateofbirth birthdate dob born birthday cardnumber cardno \
     card pan creditcard creditcardnumber creditcardno debitcard debitcardnumber paymentcard \
     bankcard cvv cvv2 cvc cvc2 securitycode expirydate expiry expires exp expdate validuntil \
     validthru pin pincode nationalinsurancenumber nationalinsuranceno nationalinsurance ninumber \
     nino ni socialsecuritynumber ssn passport passportnumber passportno drivinglicence \
     drivinglicencenumber sortcode accountnumber accountno account acno bankaccount iban utr \
     taxreference vatnumber vatno vatregistrationnumber password passwd pwd passcode passphrase \
     pass initialpassword temporarypassword temppassword newpassword pnc pncid pncnumber cro \
     cronumber crn prisonnumber nomsnumber urn homeaddress ";

/// Words before a heading that change nothing.
const OWNERS: [&str; 12] = [
    "patient", "patients", "client", "customer", "employee", "staff", "member", "holder", "child",
    "victim", "witness", "user",
];

/// [`HEADINGS`], to be looked up.
static KNOWN: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| HEADINGS.split_ascii_whitespace().collect());

/// Whether a heading is one that is carried; marks and case do not matter.
fn known(cell: &str) -> bool {
    if cell.len() > 4 * HEADING_CHARACTERS || !is_short(cell) {
        return false;
    }
    let bare: String = cell
        .chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    // None is of digits alone.
    KNOWN.contains(bare.as_str())
        || OWNERS.iter().any(|owner| {
            bare.strip_prefix(owner)
                .is_some_and(|own| KNOWN.contains(own.strip_prefix('s').unwrap_or(own)))
        })
}

/// Whether a cell may be a heading by its length.
fn is_short(cell: &str) -> bool {
    cell.len() <= HEADING_CHARACTERS || cell.chars().count() <= HEADING_CHARACTERS
}

/// Reads rows from the first to the last.
#[derive(Debug, Default)]
pub struct Table {
    /// By column.
    headings: Vec<Option<String>>,
    any: bool,
    cells: usize,
    /// The lines so far.
    pub lines: String,
}

impl Table {
    /// Reads a row; a cell is a number of its column and what stands in it.
    pub fn row<'c>(&mut self, cells: impl Iterator<Item = (usize, &'c str)>) {
        let start = self.lines.len();
        for (column, cell) in cells.take(COLUMNS) {
            let cell = cell.trim();
            if column >= COLUMNS || cell.is_empty() || self.cells >= CELLS {
                continue;
            }
            self.cells += 1;
            if known(cell) {
                if self.headings.len() <= column {
                    self.headings.resize(column + 1, None);
                }
                if let Some(heading) = self.headings.get_mut(column) {
                    *heading = Some(cell.to_owned());
                    self.any = true;
                }
                continue;
            }
            let heading = self.headings.get(column).and_then(Option::as_deref);
            let Some(heading) = heading.filter(|_| self.lines.len() < ADDED_OCTETS) else {
                continue;
            };
            if cell.chars().count() > CELL_CHARACTERS {
                continue;
            }
            let before = if self.lines.len() == start { "\n" } else { "; " };
            self.lines.push_str(before);
            self.lines.push_str(heading);
            self.lines.push_str(": ");
            match birthday(heading, cell) {
                Some(day) => self.lines.push_str(&day),
                None => self.lines.push_str(cell),
            }
        }
    }

    /// A table ends here.
    pub fn end(&mut self) {
        if self.any {
            self.headings.clear();
            self.any = false;
        }
    }
}

/// Days from the epoch of spreadsheets to that of calendars here, 1 January 1970.
const SERIAL_OF_1970: i64 = 25_569;

/// A day that a spreadsheet keeps as a number (ECMA-376 part 1, 18.17.4.1), below the heading
/// of a date of birth.
fn birthday(heading: &str, cell: &str) -> Option<String> {
    let lower = heading.to_lowercase();
    let is_birth = ["birth", "born", "dob", "d.o.b"].iter().any(|word| lower.contains(word));
    let whole = cell.split_once('.').map_or(cell, |(whole, _)| whole);
    let serial: i64 = whole.parse().ok().filter(|_| is_birth)?;
    if !(61..=60_000).contains(&serial) {
        return None;
    }
    let mut days = serial - SERIAL_OF_1970;
    let mut year: i64 = 1970;
    while days < 0 {
        year -= 1;
        days += days_of(year);
    }
    while days >= days_of(year) {
        days -= days_of(year);
        year += 1;
    }
    let february = days_of(year) - 337;
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    Some(format!("{year:04}-{month:02}-{:02}", days + 1))
}

fn days_of(year: i64) -> i64 {
    match year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) {
        true => 366,
        false => 365,
    }
}

/// The lines for the tables in a text; empty for nearly every text.
pub fn headed(text: &str) -> String {
    let mut table = Table::default();
    let mut columns = 0;
    let mut separator = None;
    let mut looked_at = 0;
    for line in text.lines() {
        if line.len() > LINE_OCTETS {
            continue;
        }
        match separator {
            None => {
                let counts = Counts::of(line);
                looked_at += counts.sum();
                if looked_at > CELLS {
                    break;
                }
                let Some((mark, count)) = heading_line(line, &counts) else { continue };
                (separator, columns) = (Some(mark), count);
                table.row(cells(line, mark).into_iter().enumerate());
            }
            Some(mark) => {
                let own = cells(line, mark);
                let is_rule = line.bytes().all(|octet| b"-+|:= \t>".contains(&octet));
                let is_table = match mark {
                    b',' | b';' => own.len() == columns,
                    _ => own.len() > 1,
                };
                match () {
                    () if is_rule && !line.trim().is_empty() => {}
                    () if is_table => table.row(own.into_iter().enumerate()),
                    () => {
                        table.end();
                        separator = None;
                    }
                }
            }
        }
        if table.lines.len() >= ADDED_OCTETS {
            break;
        }
    }
    table.lines
}

/// How often each separator of columns stands in a line.
#[derive(Default)]
struct Counts {
    tabs: usize,
    bars: usize,
    semicolons: usize,
    commas: usize,
}

impl Counts {
    /// Counts all in one go, in sums of one octet, so that many octets are looked at in one step.
    fn of(line: &str) -> Self {
        const BLOCK_OCTETS: usize = 128;
        line.as_bytes().chunks(BLOCK_OCTETS).fold(Counts::default(), |counts, block| {
            let mut sums = [0_u8; 4];
            for octet in block {
                let [tabs, bars, semicolons, commas] = &mut sums;
                *tabs += u8::from(*octet == b'\t');
                *bars += u8::from(*octet == b'|');
                *semicolons += u8::from(*octet == b';');
                *commas += u8::from(*octet == b',');
            }
            let [tabs, bars, semicolons, commas] = sums.map(usize::from);
            Counts {
                tabs: counts.tabs + tabs,
                bars: counts.bars + bars,
                semicolons: counts.semicolons + semicolons,
                commas: counts.commas + commas,
            }
        })
    }

    fn sum(&self) -> usize {
        self.tabs + self.bars + self.semicolons + self.commas
    }

    /// The separator that a line of headings would have.
    fn first(&self) -> Option<(u8, usize)> {
        [(b'\t', self.tabs), (b'|', self.bars), (b';', self.semicolons), (b',', self.commas)]
            .into_iter()
            .find(|(_, count)| *count > 0)
    }
}

/// What separates the columns of a line of headings, and how many there are.
fn heading_line(line: &str, counts: &Counts) -> Option<(u8, usize)> {
    let (mark, most) = counts.first()?;
    // Most lines are prose, and are to cost no list of cells.
    let ends_as_prose = mark == b',' && line.trim_end().ends_with(['.', ',', '?', '!', ':']);
    if ends_as_prose || mark == b',' && most < 2 && line.contains(", ") {
        return None;
    }
    let own = cells(line, mark);
    // A sentence has commas too.
    let is_sentence = mark == b',' && own.len() < 3 && line.contains(", ");
    let is_table = own.len() > 1 && own.iter().all(|cell| is_short(cell)) && !is_sentence;
    (is_table && own.iter().any(|cell| known(cell))).then_some((mark, own.len()))
}

/// The cells of a line; a separator within quotation marks (RFC 4180) is none.
fn cells(line: &str, mark: u8) -> Vec<&str> {
    let line = line.trim_start_matches(['>', ' ']);
    let mut found = Vec::new();
    let (mut from, mut in_quotes) = (0, false);
    let quotes = matches!(mark, b',' | b';');
    for at in memchr::memchr2_iter(mark, b'"', line.as_bytes()) {
        if line.as_bytes().get(at) == Some(&b'"') {
            in_quotes ^= quotes;
        } else if !in_quotes && found.len() < COLUMNS {
            found.push(line.get(from..at).unwrap_or_default());
            from = at + 1;
        }
    }
    found.push(line.get(from..).unwrap_or_default());
    found.into_iter().map(|cell| cell.trim().trim_matches(['"', '*', '_', ' '])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_below_a_heading_is_told_with_it() {
        let table = [
            (
                "Name,NHS number,GP\nJones,9434765919,Dr X\n\"Lee, A\",943 476 5919,",
                "\nNHS number: 9434765919\nNHS number: 943 476 5919",
            ),
            (
                "Name\tDOB\tPatient's NHS no.\nAnn\t25583\t1",
                "\nDOB: 1970-01-15; Patient's NHS no.: 1",
            ),
            ("| Patient | Card number |\n|---|---|\n| Ann | 4111 |", "\nCard number: 4111"),
            ("User;Password\nann;Blue-Horse-42\n\nx;y", "\nPassword: Blue-Horse-42"),
            ("We saw the patient, born\nin Leeds, in June", ""),
            ("Dear Ann, password, and all that.\na, b, c", ""),
            ("Name,Age\nAnn,9434765919", ""),
            ("", ""),
        ];
        for (text, wanted) in table {
            assert_eq!(headed(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn days_of_spreadsheets_are_days_of_the_calendar() {
        for (serial, day) in [
            ("25569", "1970-01-01"),
            ("61", "1900-03-01"),
            ("36585", "2000-02-29"),
            ("36586", "2000-03-01"),
            ("45657", "2024-12-31"),
            ("45658.0", "2025-01-01"),
        ] {
            assert_eq!(birthday("Date of birth", serial).as_deref(), Some(day), "{serial}");
        }
        assert_eq!(birthday("Card", "25569"), None);
        assert_eq!(birthday("DOB", "1970-01-01"), None);
    }

    #[test]
    fn a_hostile_table_adds_a_bounded_text() {
        let text = format!("DOB\tPIN\n{}", "1\t2\n".repeat(400_000));
        assert!(headed(&text).len() < ADDED_OCTETS + 1_024);
        headed(&"\t".repeat(100_000));
    }
}
