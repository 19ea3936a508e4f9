//! The Date field (RFC 5322 section 3.3, obsolete forms of section 4.3): whether it can be
//! read, whether there is such a time, and how far it lies from the time of reception.

use super::{Context, Sighting};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// Clocks that are set wrongly by a time zone are common.
const AHEAD: i64 = 13 * HOUR;
/// A queue gives up after five days.
const BEHIND: i64 = 6 * DAY;

/// A time as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Since 1970.
    pub(super) seconds: i64,
    /// There is no such day, hour or zone, or the day of the week is another.
    pub(super) impossible: bool,
}

pub(super) fn look(context: &Context<'_>, seen: &mut Vec<Sighting>) {
    // That there is none is an oddity of form.
    let Some(text) = context.text("date") else { return };
    let Some(stamp) = parse(&text) else {
        seen.push(Sighting::new("DATE_UNREADABLE", text.chars().take(60).collect::<String>()));
        return;
    };
    if stamp.impossible {
        seen.push(Sighting::new("DATE_IMPOSSIBLE", text.clone()));
    }
    let Some(received) = context.received() else { return };
    let ahead = stamp.seconds - received;
    if ahead > AHEAD {
        seen.push(Sighting::new("DATE_FUTURE", format!("{} h ahead of reception", ahead / HOUR)));
    } else if -ahead > BEHIND {
        seen.push(Sighting::new("DATE_PAST", format!("{} days before reception", -ahead / DAY)));
    }
}

/// Reads a date; day of the week, seconds and zone may be missing.
pub(super) fn parse(text: &str) -> Option<Stamp> {
    // A comment may follow, most often the name of the zone.
    let text = text.split('(').next().unwrap_or_default();
    let mut words = text
        .split(|letter: char| letter.is_whitespace() || letter == ',')
        .filter(|word| !word.is_empty())
        .take(12)
        .peekable();
    let weekday = words.peek().and_then(|word| number_of(word, &WEEKDAYS));
    if weekday.is_some() {
        words.next();
    }
    let day: i64 = words.next()?.parse().ok()?;
    let month = number_of(words.next()?, &MONTHS)?;
    let year = full_year(words.next()?)?;
    let mut clock = words.next()?.split(':');
    let hour: i64 = clock.next()?.parse().ok()?;
    let minute: i64 = clock.next()?.parse().ok()?;
    let second: i64 = clock.next().map_or(Some(0), |second| second.parse().ok())?;
    let zone = words.next();
    let (offset, zone_exists) = zone.map_or((0, true), zone_offset);
    let days = days_since_1970(year, month, day);
    let seconds = days * DAY + hour * HOUR + minute * 60 + second - offset;
    let exists = (1..=days_in(year, month)).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    // 1 January 1970 was a Thursday.
    let is_weekday = weekday.is_none_or(|weekday| (days + 3).rem_euclid(7) == weekday - 1);
    Some(Stamp { seconds, impossible: !exists || !zone_exists || !is_weekday })
}

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// From 1, by the first three letters.
fn number_of(word: &str, names: &[&str]) -> Option<i64> {
    let start = word.get(..3)?;
    let at = names.iter().position(|name| start.eq_ignore_ascii_case(name))?;
    i64::try_from(at + 1).ok()
}

/// RFC 5322 section 4.3.
fn full_year(word: &str) -> Option<i64> {
    let year: i64 = word.parse().ok()?;
    match (word.len(), year) {
        (2, 0..=49) => Some(2_000 + year),
        (2, _) | (3, 0..) => Some(1_900 + year),
        (4, 0..) => Some(year),
        _ => None,
    }
}

/// Seconds east of Greenwich, and whether there is such a zone.
fn zone_offset(zone: &str) -> (i64, bool) {
    let sign = match zone.as_bytes().first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return (named_zone(zone), true),
    };
    let digits = zone.get(1..).unwrap_or_default();
    let number: i64 = match digits.len() {
        4 if digits.bytes().all(|octet| octet.is_ascii_digit()) => digits.parse().unwrap_or(0),
        _ => return (0, false),
    };
    let (hours, minutes) = (number / 100, number % 100);
    // From Baker Island to the Line Islands; no zone is off by less than a quarter.
    let exists = hours <= 14 && minutes < 60 && minutes % 15 == 0;
    (sign * (hours * HOUR + minutes * 60), exists)
}

/// RFC 5322 section 4.3: others mean nothing.
fn named_zone(zone: &str) -> i64 {
    let hours = match zone.to_ascii_uppercase().as_str() {
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        _ => 0,
    };
    hours * HOUR
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Of the proleptic Gregorian calendar, counted from March so that leap days come last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.clamp(-1_000, 1_000) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}
