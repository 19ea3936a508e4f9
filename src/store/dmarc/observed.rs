//! Observations of received mail, counted by day, policy domain and row until they are
//! reported.
//!
//! In: an [`Observation`] a mail. Out: [`Period`]s and their [`Tally`]s. A day holds at most
//! [`DOMAINS_A_DAY`] domains and [`ROWS_A_DAY`] rows, a domain at most [`ROWS_A_DOMAIN`]; mails
//! beyond are counted in [`Period::left_out`] where the domain is known and forgotten where
//! not. What the last half second brought may be lost with the power: it is statistics.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::{Day, Observation, PublishedPolicy, Row, Tally, digest, read, shortened, write};
use crate::mail::Domain;
use crate::store::StoreError;

/// The form of the values is part of the name: another form is another tree.
const TREE: &str = "dmarc-observed-1";
/// Sources, dispositions and signatures of one domain; a report of this size is about 10 MB
/// of XML, a few hundred kB compressed.
const ROWS_A_DOMAIN: u32 = 10_000;
/// Domains that are reported to; more come only from somebody who makes them up.
const DOMAINS_A_DAY: u32 = 20_000;
/// Some 300 octets each, so a day takes 60 MB at most.
const ROWS_A_DAY: u32 = 200_000;
/// Finished days that can still be reported, and today.
pub const DAYS_KEPT: u32 = 7;
/// Signatures in a row; RFC 9990 section 3.1.3 allows 100, but each makes a row of its own.
const SIGNATURES: usize = 10;
const REASONS: usize = 4;
const NAME_OCTETS: usize = 255;
const COMMENT_OCTETS: usize = 200;
/// URIs of `rua` that are kept, and the octets of each.
const URIS: usize = 8;
const URI_OCTETS: usize = 512;

/// One domain on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// Which day.
    pub day: Day,
    /// Whose policy.
    pub domain: Domain,
    /// The policy seen last.
    pub policy: PublishedPolicy,
    /// Where reports shall go, as published last.
    pub rua: Vec<String>,
    /// Rows that are kept.
    pub rows: u32,
    /// Mails in them.
    pub mails: u64,
    /// Mails that found no room.
    pub left_out: u64,
}

/// What became of an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observing {
    /// It counts.
    Counted,
    /// Nobody asks for a report.
    Unasked,
    /// There are too many of them.
    Full,
}

/// How full the day is that is being written.
#[derive(Debug, Default)]
struct Fill {
    day: Option<Day>,
    domains: u32,
    rows: u32,
}

/// The tree of observations.
#[derive(Debug, Clone)]
pub struct Observed {
    tree: sled::Tree,
    /// Held while an observation is written, so that a count is read and written as one.
    fill: Arc<Mutex<Fill>>,
}

impl Observed {
    pub(super) fn open(db: &sled::Db) -> Result<Observed, StoreError> {
        Ok(Observed { tree: db.open_tree(TREE)?, fill: Arc::default() })
    }

    /// Counts a mail that was received at `now_ms`. Does not wait for the disk.
    pub fn record(&self, observation: Observation, now_ms: u64) -> Result<Observing, StoreError> {
        let Observation { policy_domain, policy, rua, row, .. } = observation;
        if rua.is_empty() {
            return Ok(Observing::Unasked);
        }
        let day = Day::of_ms(now_ms);
        let row = bounded(row);
        let mut fill = self.fill.lock().unwrap_or_else(PoisonError::into_inner);
        if fill.day != Some(day) {
            *fill = self.fill_of(day)?;
        }
        let head_key = head_key(day, &policy_domain);
        let mut period = match self.tree.get(&head_key)? {
            Some(value) => read::<Period>(&value, "DMARC period")?,
            None if fill.domains >= DOMAINS_A_DAY => return Ok(Observing::Full),
            None => {
                fill.domains += 1;
                Period {
                    day,
                    domain: policy_domain,
                    policy: PublishedPolicy::default(),
                    rua: Vec::new(),
                    rows: 0,
                    mails: 0,
                    left_out: 0,
                }
            }
        };
        period.policy = policy;
        shortened(&mut period.policy.domain, NAME_OCTETS);
        if let Some(fo) = &mut period.policy.fo {
            shortened(fo, NAME_OCTETS);
        }
        period.rua = rua.into_iter().filter(|uri| uri.len() <= URI_OCTETS).take(URIS).collect();
        let done = self.count(&head_key, row, &mut period, &mut fill)?;
        self.tree.insert(head_key, write(&period, "DMARC period")?)?;
        Ok(done)
    }

    fn count(
        &self,
        head_key: &[u8],
        row: Row,
        period: &mut Period,
        fill: &mut Fill,
    ) -> Result<Observing, StoreError> {
        let mut key = head_key.to_vec();
        key.extend_from_slice(&digest(&write(&row, "DMARC row")?));
        let mut tally = match self.tree.get(&key)? {
            Some(value) => read::<Tally>(&value, "DMARC row")?,
            None if period.rows >= ROWS_A_DOMAIN || fill.rows >= ROWS_A_DAY => {
                period.left_out += 1;
                return Ok(Observing::Full);
            }
            None => {
                period.rows += 1;
                fill.rows += 1;
                Tally { row, count: 0 }
            }
        };
        tally.count += 1;
        period.mails += 1;
        self.tree.insert(key, write(&tally, "DMARC row")?)?;
        Ok(Observing::Counted)
    }

    fn fill_of(&self, day: Day) -> Result<Fill, StoreError> {
        let mut fill = Fill { day: Some(day), ..Fill::default() };
        for key in self.tree.scan_prefix(day.0.to_be_bytes()).keys() {
            match is_head(&key?) {
                true => fill.domains += 1,
                false => fill.rows += 1,
            }
        }
        Ok(fill)
    }

    /// The domains of a day, by name.
    pub fn periods(&self, day: Day) -> Result<Vec<Period>, StoreError> {
        let mut periods = Vec::new();
        for entry in self.tree.scan_prefix(day.0.to_be_bytes()) {
            let (key, value) = entry?;
            if is_head(&key) {
                periods.push(read(&value, "DMARC period")?);
            }
        }
        Ok(periods)
    }

    /// One domain on one day.
    pub fn period(&self, day: Day, domain: &Domain) -> Result<Option<Period>, StoreError> {
        let value = self.tree.get(head_key(day, domain))?;
        value.map(|value| read(&value, "DMARC period")).transpose()
    }

    /// Every day of which something is kept, oldest first.
    pub fn days(&self) -> Result<Vec<Day>, StoreError> {
        let mut days = Vec::new();
        let mut next = Some(0u32);
        while let Some(from) = next {
            let Some(entry) = self.tree.range(from.to_be_bytes()..).next() else { break };
            let Some(day) = day_of(&entry?.0) else { break };
            days.push(day);
            next = day.0.checked_add(1);
        }
        Ok(days)
    }

    /// The rows of a domain on a day, those with the most mails first.
    pub fn rows(&self, day: Day, domain: &Domain) -> Result<Vec<Tally>, StoreError> {
        let mut rows = Vec::new();
        for entry in self.tree.scan_prefix(head_key(day, domain)) {
            let (key, value) = entry?;
            if !is_head(&key) {
                rows.push(read::<Tally>(&value, "DMARC row")?);
            }
        }
        rows.sort_by(|one, other| {
            let by_count = other.count.cmp(&one.count);
            by_count.then_with(|| one.row.source.cmp(&other.row.source))
        });
        Ok(rows)
    }

    /// Forgets days that are too old; returns how many entries went.
    pub fn expire(&self, today: Day) -> Result<usize, StoreError> {
        let oldest = today.before(DAYS_KEPT);
        let mut gone = 0;
        for key in self.tree.range(..oldest.0.to_be_bytes()).keys() {
            self.tree.remove(key?)?;
            gone += 1;
        }
        Ok(gone)
    }
}

/// Day and domain; a name holds no NUL, so no domain's keys lie among another's.
fn head_key(day: Day, domain: &Domain) -> Vec<u8> {
    let mut key = day.0.to_be_bytes().to_vec();
    key.extend_from_slice(domain.as_str().as_bytes());
    key.push(0);
    key
}

/// A row's digest follows the NUL; the name before it holds none.
fn is_head(key: &[u8]) -> bool {
    let name = key.get(4..).unwrap_or_default();
    memchr::memchr(0, name).is_some_and(|end| end + 1 == name.len())
}

fn day_of(key: &[u8]) -> Option<Day> {
    let octets: [u8; 4] = key.get(..4)?.try_into().ok()?;
    Some(Day(u32::from_be_bytes(octets)))
}

/// What strangers said, cut to what names can be.
fn bounded(mut row: Row) -> Row {
    row.dkim.truncate(SIGNATURES);
    row.reasons.truncate(REASONS);
    row.spf.truncate(2);
    shortened(&mut row.header_from, NAME_OCTETS);
    let optional = [&mut row.envelope_from, &mut row.envelope_to];
    optional.into_iter().flatten().for_each(|name| shortened(name, NAME_OCTETS));
    for signature in &mut row.dkim {
        shortened(&mut signature.domain, NAME_OCTETS);
        shortened(&mut signature.selector, NAME_OCTETS);
    }
    row.spf.iter_mut().for_each(|check| shortened(&mut check.domain, NAME_OCTETS));
    row.reasons.iter_mut().for_each(|reason| shortened(&mut reason.comment, COMMENT_OCTETS));
    row
}
