//! From values in a text to the rows that the text gives away.
//!
//! In: [`Hits`] and a [`Query`]. Out: [`Rows`]. A row is given away when values from so many of
//! its columns stand close together, none of them within another. Values that tell nobody by
//! themselves count beside another one, and beside each other only when they stand side by side.
//! One mention gives away one row: of twelve people called John Smith, `John Smith` alone is one
//! row, not twelve, and the row of which most was written is taken.
//!
//! The work is bounded ([`MOST_STEPS`]) whatever the text and the list are: rows that two values
//! have in common are looked for once for each pair of values, along the rarer one. What goes
//! beyond is left out, and that is said.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::ExactList;
use super::hits::{Hit, Hits};

/// Steps of work for one text.
pub const MOST_STEPS: usize = 40_000_000;
/// Values of one text that are put together to rows.
const MOST_EVENTS: usize = 1_000_000;
/// What values of so many cells share is looked for anew for each place of the text, so that
/// memory does not grow with the places.
const REMEMBERED_CELLS: usize = 8;
/// Further apart, nothing belongs together.
const MOST_WITHIN_CHARS: u32 = 10_000;

/// What is asked of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// From so many columns of a row values must be there; at least 1.
    pub columns: usize,
    /// Between the end of the first and the beginning of the last stand so many characters at
    /// most.
    pub within_chars: usize,
    /// So many rows must be given away.
    pub rows: usize,
}

impl Default for Query {
    fn default() -> Query {
        Query { columns: 1, within_chars: 100, rows: 1 }
    }
}

/// A row that a text gives away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowMatch {
    /// Its number in the table, the first one under the header being 1.
    pub row: u32,
    /// The columns that were found, one bit each.
    pub columns: u32,
    /// Where the first of the values begins, in characters.
    pub from_char: u32,
    /// Where the last one ends.
    pub to_char: u32,
}

impl RowMatch {
    /// How many columns were found.
    pub fn column_count(&self) -> usize {
        self.columns.count_ones() as usize
    }
}

/// The rows that a text gives away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// In the order of their numbers.
    pub found: Vec<RowMatch>,
    /// There may be more: a limit was reached.
    pub is_cut: bool,
}

impl Rows {
    /// How many.
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// Whether they are as many as were asked for.
    pub fn is_enough(&self, query: &Query) -> bool {
        self.count() >= query.rows.max(1)
    }
}

/// The rows that several texts of one message give away together.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    rows: BTreeMap<u32, RowMatch>,
    /// There may be more.
    pub is_cut: bool,
}

impl Tally {
    /// Adds what one text gives away; of a row found twice the fuller match stays.
    pub fn add(&mut self, rows: Rows) {
        self.is_cut |= rows.is_cut;
        for row in rows.found {
            let known = self.rows.entry(row.row).or_insert(row);
            if known.column_count() < row.column_count() {
                *known = row;
            }
        }
    }

    /// All rows.
    pub fn rows(self) -> Rows {
        Rows { found: self.rows.into_values().collect(), is_cut: self.is_cut }
    }
}

/// A value of a row at a place of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    row: u32,
    /// Number of the hit; hits are in the order of their places.
    hit: usize,
    column: u32,
}

/// A row of which enough was found.
struct Candidate {
    row: RowMatch,
    /// Its events.
    events: std::ops::Range<usize>,
    /// The hits that made it one.
    hits: Vec<usize>,
}

struct Search<'l> {
    list: &'l ExactList,
    hits: &'l [Hit],
    columns: u32,
    within: u32,
    steps_left: usize,
    events: Vec<Event>,
    is_cut: bool,
}

impl ExactList {
    /// The rows that values in a text give away.
    pub fn rows(&self, hits: &Hits, query: &Query) -> Rows {
        if hits.found.is_empty() {
            return Rows { found: Vec::new(), is_cut: hits.is_cut };
        }
        let columns = u32::try_from(self.head().columns.len()).unwrap_or(u32::MAX).max(1);
        let within = u32::try_from(query.within_chars).unwrap_or(u32::MAX);
        let mut search = Search {
            list: self,
            hits: &hits.found,
            columns,
            within: within.min(MOST_WITHIN_CHARS),
            steps_left: MOST_STEPS,
            events: Vec::new(),
            is_cut: hits.is_cut,
        };
        if columns > 1 {
            search.pairs();
        }
        let mut claimed = vec![false; hits.found.len()];
        let mut found = search.many_columns(query.columns.max(2), &mut claimed);
        if query.columns < 2 {
            search.single_values(&mut found, &claimed);
        }
        let mut found: Vec<RowMatch> = found.into_values().collect();
        found.sort_by_key(|row| row.row);
        Rows { found, is_cut: search.is_cut }
    }
}

impl Search<'_> {
    fn pay(&mut self, steps: usize) -> bool {
        match self.steps_left.checked_sub(steps) {
            Some(left) => {
                self.steps_left = left;
                true
            }
            None => {
                self.is_cut = true;
                false
            }
        }
    }

    /// Notes the values of a row that stand close to another one of it.
    fn pairs(&mut self) {
        let hits = self.hits;
        let mut known: HashMap<(u32, u32), Vec<(u32, u32)>> = HashMap::new();
        for (at, one) in hits.iter().enumerate() {
            let is_weak = self.list.table.is_weak(one.value);
            for (other_at, other) in hits.iter().enumerate().skip(at + 1) {
                let Some(gap) = other.from_char.checked_sub(one.to_char) else { continue };
                if gap > self.within {
                    break;
                }
                if !self.pay(1) || self.events.len() > MOST_EVENTS {
                    self.is_cut = true;
                    return self.tidy();
                }
                let both_weak = is_weak && self.list.table.is_weak(other.value);
                if both_weak && other.from_word != one.to_word {
                    continue;
                }
                if !self.is_costly(one.value, other.value) {
                    let shared = self.shared(one.value, other.value);
                    self.note(&shared, at, other_at);
                    continue;
                }
                let shared = match known.entry((one.value, other.value)) {
                    Entry::Occupied(shared) => shared.into_mut(),
                    Entry::Vacant(place) => place.insert(self.shared(one.value, other.value)),
                };
                self.note(shared, at, other_at);
            }
        }
        self.tidy();
    }

    /// Whether what two values share is worth remembering.
    fn is_costly(&self, one: u32, other: u32) -> bool {
        let (cells, others) = (self.list.table.cells(one), self.list.table.cells(other));
        cells.len().min(others.len()) > REMEMBERED_CELLS
    }

    fn note(&mut self, shared: &[(u32, u32)], hit: usize, other_hit: usize) {
        for (cell, other_cell) in shared {
            self.events.push(self.event(*cell, hit));
            self.events.push(self.event(*other_cell, other_hit));
        }
    }

    fn tidy(&mut self) {
        self.events.sort_unstable();
        self.events.dedup();
    }

    fn event(&self, cell: u32, hit: usize) -> Event {
        Event { row: cell / self.columns, hit, column: cell % self.columns }
    }

    /// Cells of two values in the same row and different columns.
    fn shared(&mut self, one: u32, other: u32) -> Vec<(u32, u32)> {
        let (cells, others) = (self.list.table.cells(one), self.list.table.cells(other));
        let is_turned = cells.len() > others.len();
        let (few, many) = if is_turned { (others, cells) } else { (cells, others) };
        let depth = many.len().checked_ilog2().unwrap_or(0) as usize + 2;
        if !self.pay(few.len() * depth) {
            return Vec::new();
        }
        let columns = self.columns;
        let mut shared = Vec::new();
        let mut rest = many;
        for cell in few {
            let row = cell / columns;
            let first = row.saturating_mul(columns);
            let skipped = rest.partition_point(|other| *other < first);
            rest = rest.get(skipped..).unwrap_or_default();
            let same_row = rest.iter().take_while(|other| **other / columns == row);
            for other in same_row.filter(|other| *other != cell) {
                shared.push(if is_turned { (*other, *cell) } else { (*cell, *other) });
            }
            if shared.len() > MOST_EVENTS {
                self.is_cut = true;
                break;
            }
        }
        shared
    }

    /// Rows with so many columns close together; their hits are claimed.
    fn many_columns(&mut self, wanted: usize, claimed: &mut [bool]) -> HashMap<u32, RowMatch> {
        let events = std::mem::take(&mut self.events);
        let mut candidates = Vec::new();
        let mut start = 0;
        for group in events.chunk_by(|one, other| one.row == other.row) {
            let range = start..start + group.len();
            start = range.end;
            let Some((row, hits)) = self.fullest(group) else { continue };
            if row.column_count() >= wanted {
                candidates.push(Candidate { row, events: range, hits });
            }
        }
        candidates.sort_by_key(|one| (std::cmp::Reverse(one.row.column_count()), one.row.row));
        let mut found = HashMap::new();
        for candidate in candidates {
            let is_free = |hit: &usize| claimed.get(*hit) == Some(&false);
            if !candidate.hits.iter().any(is_free) {
                continue;
            }
            for event in events.get(candidate.events).into_iter().flatten() {
                if let Some(claim) = claimed.get_mut(event.hit) {
                    *claim = true;
                }
            }
            found.insert(candidate.row.row, candidate.row);
        }
        found
    }

    /// The place of the text where most columns of a row stand together.
    fn fullest(&mut self, group: &[Event]) -> Option<(RowMatch, Vec<usize>)> {
        let mut best: Option<(RowMatch, Vec<usize>)> = None;
        let all = group.iter().fold(0_u32, |all, event| all | bit(event.column)).count_ones();
        for (at, first) in group.iter().enumerate() {
            let Some(first_hit) = self.hits.get(first.hit) else { continue };
            let number = first.row.saturating_add(1);
            let (from_char, mut to_char) = (first_hit.from_char, first_hit.to_char);
            let (mut columns, mut hits) = (bit(first.column), vec![first.hit]);
            for event in group.iter().skip(at + 1) {
                let Some(hit) = self.hits.get(event.hit) else { continue };
                if !self.pay(1) || hit.from_char.saturating_sub(first_hit.to_char) > self.within {
                    break;
                }
                if hit.from_char >= to_char && columns & bit(event.column) == 0 {
                    columns |= bit(event.column);
                    to_char = hit.to_char;
                    hits.push(event.hit);
                }
            }
            let row = RowMatch { row: number, columns, from_char, to_char };
            if best.as_ref().is_none_or(|(best, _)| best.column_count() < row.column_count()) {
                best = Some((row, hits));
            }
            let reached = best.as_ref().map_or(0, |(row, _)| row.columns.count_ones());
            if reached == all || self.is_cut {
                break;
            }
        }
        best
    }

    /// Adds a row for each value that stands alone, unless a row that was found has it.
    fn single_values(&mut self, found: &mut HashMap<u32, RowMatch>, claimed: &[bool]) {
        let hits = self.hits;
        let mut seen = HashSet::new();
        let mut alone: Vec<&Hit> = hits
            .iter()
            .zip(claimed)
            .filter(|(hit, is_claimed)| {
                !**is_claimed && !self.list.table.is_weak(hit.value) && seen.insert(hit.value)
            })
            .map(|(hit, _)| hit)
            .collect();
        alone.sort_by_key(|hit| self.list.table.cells(hit.value).len());
        for hit in alone {
            let cells = self.list.table.cells(hit.value);
            if !self.pay(cells.len().min(found.len()) * 4 + 1) {
                return;
            }
            let columns = self.columns;
            let row_of = |cell: &u32| (cell / columns).saturating_add(1);
            let is_told = match cells.len() <= found.len() {
                true => cells.iter().any(|cell| found.contains_key(&row_of(cell))),
                false => found.keys().any(|row| {
                    let first = row.saturating_sub(1).saturating_mul(columns);
                    let at = cells.partition_point(|cell| *cell < first);
                    cells.get(at).is_some_and(|cell| row_of(cell) == *row)
                }),
            };
            if let (false, Some(cell)) = (is_told, cells.first()) {
                let (from_char, to_char) = (hit.from_char, hit.to_char);
                let (row, columns) = (row_of(cell), bit(cell % columns));
                found.insert(row, RowMatch { row, columns, from_char, to_char });
            }
        }
    }
}

fn bit(column: u32) -> u32 {
    1_u32.checked_shl(column).unwrap_or(0)
}
