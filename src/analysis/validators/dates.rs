//! Days of the calendar, and dates that can be somebody's day of birth.
//!
//! Written as in the United Kingdom (day first), as in the United States (month first, where
//! only that makes a day), by ISO 8601, or with the name of the month. No clock is read: years
//! from 1900 to 2039 are taken, or two digits.

use super::Valid;
use super::tail::trimmed;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Whether there is such a day; of years with two digits the leap ones are those by four.
pub(super) fn is_day_of_month(day: u32, month: u32, year: u32) -> bool {
    let is_leap = year.is_multiple_of(4)
        && (year < 100 || !year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// A date at the end of the text.
pub(super) fn date_of_birth(text: &str) -> Option<Valid> {
    let text = trimmed(text);
    let (third_at, third) = word_before(text, text.len())?;
    let (second_at, second) = word_before(text, third_at)?;
    let (first_at, first) = word_before(text, second_at)?;
    let is_joined = joins(text, first_at + first.len(), second_at)
        && joins(text, second_at + second.len(), third_at);
    let before = text.get(..first_at)?.chars().next_back();
    if !is_joined || before.is_some_and(|letter| letter.is_alphanumeric()) {
        return None;
    }
    let (day, month, year) = read(first, second, third)?;
    let is_plausible =
        (year < 100 || (1900..2040).contains(&year)) && is_day_of_month(day, month, year);
    let normal = format!("{year:02}-{month:02}-{day:02}");
    is_plausible.then_some(Valid { start: first_at, normal })
}

/// The run of letters and digits that ends before `end`, leaving out what joins.
fn word_before(text: &str, end: usize) -> Option<(usize, &str)> {
    let before = text.get(..end)?.trim_end_matches([' ', ',', '/', '-', '.']);
    let at = before.trim_end_matches(|letter: char| letter.is_ascii_alphanumeric()).len();
    before.get(at..).filter(|word| !word.is_empty()).map(|word| (at, word))
}

fn joins(text: &str, from: usize, to: usize) -> bool {
    text.get(from..to).is_some_and(|between| (1..=2).contains(&between.len()))
}

fn read(first: &str, second: &str, third: &str) -> Option<(u32, u32, u32)> {
    if let Some(month) = month_named(second) {
        return Some((plain_or_ordinal(first)?, month, year(third)?));
    }
    if let Some(month) = month_named(first) {
        return Some((plain_or_ordinal(second)?, month, year(third)?));
    }
    let (one, two) = (short(first), short(second)?);
    if first.len() == 4 {
        return Some((short(third)?, two, year(first)?));
    }
    let (one, year) = (one?, year(third)?);
    match two <= 12 {
        true => Some((one, two, year)),
        false => Some((two, one, year)),
    }
}

fn month_named(word: &str) -> Option<u32> {
    let lower = word.to_ascii_lowercase();
    let is_word = lower.len() >= 3 && lower.bytes().all(|octet| octet.is_ascii_lowercase());
    let at = MONTHS.iter().position(|month| is_word && lower.starts_with(month))?;
    u32::try_from(at + 1).ok()
}

fn short(word: &str) -> Option<u32> {
    let is_number = word.len() <= 2 && word.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then(|| word.parse().ok())?
}

fn plain_or_ordinal(word: &str) -> Option<u32> {
    let lower = word.to_ascii_lowercase();
    let plain = ["st", "nd", "rd", "th"].iter().find_map(|end| lower.strip_suffix(end));
    short(plain.unwrap_or(&lower))
}

fn year(word: &str) -> Option<u32> {
    let is_number = matches!(word.len(), 2 | 4) && word.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then(|| word.parse().ok())?
}
