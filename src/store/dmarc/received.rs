//! Reports that others sent about own domains.
//!
//! In: a report as it was read. Out: lists of reports, and the rows of one. A report that is
//! known by its organisation and id is not stored again. At most [`REPORTS`] reports and
//! [`ROWS`] rows are kept: beyond, reports go whose sender nobody vouched for, then the oldest.
//! Totals count every mail of a report, also of rows that found no room.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::{Applied, DAY_MS, PublishedPolicy, Tally, digest, read, write};
use crate::store::StoreError;

const HEADS: &str = "dmarc-received-1";
const ROW_BLOCKS: &str = "dmarc-received-rows-1";
/// Some 500 octets each.
const REPORTS: usize = 20_000;
/// Some 250 octets each: 125 MB on the disk at most.
const ROWS: u64 = 500_000;
/// Rows of one report that are kept, those with the most mails.
const ROWS_A_REPORT: usize = 10_000;
/// Rows in one value of the tree.
const BLOCK: usize = 500;

/// Mails of a report or of several, by outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// In all.
    pub mails: u64,
    /// DMARC passed.
    pub passed: u64,
    /// DKIM passed in alignment.
    pub aligned_dkim: u64,
    /// SPF passed in alignment.
    pub aligned_spf: u64,
    /// Kept back because of DMARC.
    pub quarantined: u64,
    /// Refused because of DMARC.
    pub rejected: u64,
}

impl Totals {
    /// Of these rows.
    pub fn of<'t>(rows: impl IntoIterator<Item = &'t Tally>) -> Totals {
        let mut totals = Totals::default();
        rows.into_iter().for_each(|tally| totals.add(tally));
        totals
    }

    /// Counts one more row. What a stranger counted may be any number.
    pub fn add(&mut self, tally: &Tally) {
        let row = &tally.row;
        let counts = [
            (&mut self.mails, true),
            (&mut self.passed, row.passes()),
            (&mut self.aligned_dkim, row.aligned_dkim),
            (&mut self.aligned_spf, row.aligned_spf),
            (&mut self.quarantined, row.disposition == Applied::Quarantine),
            (&mut self.rejected, row.disposition == Applied::Reject),
        ];
        for (sum, _) in counts.into_iter().filter(|(_, counts)| *counts) {
            *sum = sum.saturating_add(tally.count);
        }
    }
}

/// A report without its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredReport {
    /// Who reports.
    pub org_name: String,
    /// What they call the report.
    pub report_id: String,
    /// Whom to ask about it.
    pub contact: String,
    /// First second of the period, since 1970.
    pub begin_s: u64,
    /// Last second of the period.
    pub end_s: u64,
    /// What the domain published, in the reporter's eyes.
    pub policy: PublishedPolicy,
    /// What the reporter could not make sense of.
    pub errors: Vec<String>,
    /// When it came, milliseconds since 1970.
    pub received_ms: u64,
    /// The author's domain of the mail that brought it.
    pub author_domain: Option<String>,
    /// Whether that domain was authenticated (DMARC, or a signature of the domain itself).
    pub vouched: bool,
    /// Of all rows.
    pub totals: Totals,
    /// Rows that are kept.
    pub rows: u32,
    /// Rows that found no room.
    pub rows_left_out: u32,
}

impl StoredReport {
    /// The name under which it is kept: the same for the same organisation and report id.
    pub fn key(&self) -> String {
        let key = key_of(&self.org_name, &self.report_id);
        key.iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// It is stored.
    Stored,
    /// It was there already.
    Known,
}

/// The trees of reports.
#[derive(Debug, Clone)]
pub struct ReceivedReports {
    heads: sled::Tree,
    rows: sled::Tree,
    /// Rows stored; counted once at the first change.
    kept_rows: Arc<Mutex<Option<u64>>>,
}

impl ReceivedReports {
    pub(super) fn open(db: &sled::Db) -> Result<ReceivedReports, StoreError> {
        Ok(ReceivedReports {
            heads: db.open_tree(HEADS)?,
            rows: db.open_tree(ROW_BLOCKS)?,
            kept_rows: Arc::default(),
        })
    }

    /// Stores a report; `totals`, `rows` and `rows_left_out` are counted here. Blocks.
    pub fn store(
        &self,
        mut report: StoredReport,
        mut rows: Vec<Tally>,
    ) -> Result<Receipt, StoreError> {
        let mut kept_rows = self.kept_rows.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key_of(&report.org_name, &report.report_id);
        if self.heads.contains_key(key)? {
            return Ok(Receipt::Known);
        }
        report.totals = Totals::of(&rows);
        rows.sort_by_key(|tally| std::cmp::Reverse(tally.count));
        report.rows_left_out = small(rows.len().saturating_sub(ROWS_A_REPORT));
        rows.truncate(ROWS_A_REPORT);
        report.rows = small(rows.len());
        let before = match *kept_rows {
            Some(count) => count,
            None => self.count_rows()?,
        };
        for (number, block) in rows.chunks(BLOCK).enumerate() {
            self.rows.insert(block_key(key, small(number)), write(&block, "DMARC report")?)?;
        }
        // After its rows: a report that is listed is whole.
        self.heads.insert(key, write(&report, "DMARC report")?)?;
        let mut count = before + u64::from(report.rows);
        if count > ROWS || self.heads.len() > REPORTS {
            count = self.make_room()?;
        }
        *kept_rows = Some(count);
        Ok(Receipt::Stored)
    }

    /// Reports, the latest period first.
    pub fn list(&self) -> Result<Vec<StoredReport>, StoreError> {
        let mut reports = Vec::new();
        for value in self.heads.iter().values() {
            reports.push(read::<StoredReport>(&value?, "DMARC report")?);
        }
        reports.sort_by(|one, other| {
            let by_period = other.end_s.cmp(&one.end_s);
            by_period.then_with(|| other.received_ms.cmp(&one.received_ms))
        });
        Ok(reports)
    }

    /// A report and its rows, those with the most mails first, by [`StoredReport::key`].
    pub fn load(&self, key: &str) -> Result<Option<(StoredReport, Vec<Tally>)>, StoreError> {
        let Some(key) = parse_key(key) else { return Ok(None) };
        let Some(value) = self.heads.get(key)? else { return Ok(None) };
        let mut rows = Vec::new();
        for block in self.rows.scan_prefix(key).values() {
            rows.extend(read::<Vec<Tally>>(&block?, "DMARC report")?);
        }
        Ok(Some((read(&value, "DMARC report")?, rows)))
    }

    /// Forgets reports that came more than so many days ago; returns how many.
    pub fn expire(&self, now_ms: u64, keep_days: u32) -> Result<usize, StoreError> {
        let mut kept_rows = self.kept_rows.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest_ms = now_ms.saturating_sub(u64::from(keep_days).saturating_mul(DAY_MS));
        let old = self.list()?.into_iter().filter(|report| report.received_ms < oldest_ms);
        let mut gone = 0;
        for report in old {
            self.remove(&report)?;
            gone += 1;
        }
        if gone > 0 {
            *kept_rows = None;
        }
        Ok(gone)
    }

    fn remove(&self, report: &StoredReport) -> Result<(), StoreError> {
        let key = key_of(&report.org_name, &report.report_id);
        self.heads.remove(key)?;
        for block in self.rows.scan_prefix(key).keys() {
            self.rows.remove(block?)?;
        }
        Ok(())
    }

    fn count_rows(&self) -> Result<u64, StoreError> {
        Ok(self.list()?.iter().map(|report| u64::from(report.rows)).sum())
    }

    /// Removes reports until a tenth of both bounds is free, so that this is rare; returns
    /// the rows that are left.
    fn make_room(&self) -> Result<u64, StoreError> {
        let mut reports = self.list()?;
        let mut rows: u64 = reports.iter().map(|report| u64::from(report.rows)).sum();
        let mut count = reports.len();
        // The first to go stands last.
        reports.sort_by_key(|report| std::cmp::Reverse((report.vouched, report.received_ms)));
        while rows > ROWS / 10 * 9 || count > REPORTS / 10 * 9 {
            let Some(report) = reports.pop() else { break };
            self.remove(&report)?;
            rows = rows.saturating_sub(u64::from(report.rows));
            count -= 1;
        }
        Ok(rows)
    }
}

fn key_of(org_name: &str, report_id: &str) -> [u8; 16] {
    digest(format!("{}\0{report_id}", org_name.to_lowercase()).as_bytes())
}

fn parse_key(text: &str) -> Option<[u8; 16]> {
    if text.len() != 32 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

fn block_key(key: [u8; 16], number: u32) -> Vec<u8> {
    let mut block = key.to_vec();
    block.extend_from_slice(&number.to_be_bytes());
    block
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
