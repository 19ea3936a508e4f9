//! Accounts of the United Kingdom: sort code and account number.
//!
//! Standards: Pay.UK's sort code of six and account number of eight digits. Whether the two go
//! together is told by modulus weight tables that may not be passed on with a program: only
//! the form is held here, so rules ask for both near one another or for words beside them.

use super::Valid;
use super::tail::{candidates, numbers};

/// `12-34-56`, `12 34 56` or six digits; ranges that no bank has are refused.
pub(super) fn sort_code(text: &str) -> Option<Valid> {
    let found = numbers(text, &['-', ' ']).into_iter().find(|found| {
        found.compact.len() == 6 && (found.groups == [6] || found.groups == [2, 2, 2])
    })?;
    let is_plain = !found.is_monotonous() && !found.compact.starts_with("00");
    is_plain.then_some(Valid { start: found.start, normal: found.compact })
}

/// The same, but for what reads as a day: `12-11-24`.
pub(super) fn sort_code_undated(text: &str) -> Option<Valid> {
    use super::dates::is_day_of_month;
    use super::digits::number;
    let found = sort_code(text)?;
    let pair = |at: usize| number(&found.normal, at, 2);
    let (one, two, three) = (pair(0)?, pair(2)?, pair(4)?);
    let is_year = |year: u32| !(40..90).contains(&year);
    let is_day =
        |day: u32, month: u32, year: u32| is_year(year) && is_day_of_month(day, month, year);
    let is_date = is_day(one, two, three) || is_day(two, one, three) || is_day(three, two, one);
    (!is_date).then_some(found)
}

/// Eight digits, in one piece or as 4-4; old ones of six or seven digits are not told.
pub(super) fn uk_account_number(text: &str) -> Option<Valid> {
    let found = numbers(text, &[' ']).into_iter().find(|found| {
        found.compact.len() == 8 && (found.groups == [8] || found.groups == [4, 4])
    })?;
    let is_date = is_written_date(&found.compact);
    (!found.is_monotonous() && !is_date)
        .then_some(Valid { start: found.start, normal: found.compact })
}

/// Whether eight digits are a day of these years: `20240131`, `31012024`.
fn is_written_date(digits: &str) -> bool {
    use super::dates::is_day_of_month;
    use super::digits::number;
    let reads = |year_at: usize, month_at: usize, day_at: usize| {
        let (year, month) = (number(digits, year_at, 4)?, number(digits, month_at, 2)?);
        let day = number(digits, day_at, 2)?;
        Some((1990..2060).contains(&year) && is_day_of_month(day, month, year))
    };
    reads(0, 4, 6).unwrap_or_default() || reads(4, 2, 0).unwrap_or_default()
}

/// An account number with its sort code before it: within two dozen characters, with hyphens
/// or spaces in it or with nothing but a separator between the two.
pub(super) fn sort_code_account(text: &str) -> Option<Valid> {
    let account = uk_account_number(text)?;
    let before = text.get(..account.start)?;
    let mut start = before.len().saturating_sub(32);
    while !before.is_char_boundary(start) {
        start += 1;
    }
    let near = before.get(start..)?;
    for (at, letter) in near.char_indices().rev() {
        let end = start + at + letter.len_utf8();
        let next = text.get(end..).and_then(|rest| rest.chars().next());
        if !letter.is_ascii_digit() || next.is_some_and(|next| next.is_ascii_digit()) {
            continue;
        }
        let own = text.get(..end)?;
        let hyphened = candidates(own, |letter| letter.is_ascii_digit(), &['-', ' ']);
        let is_close = before.len() - end <= 2;
        let found = hyphened.into_iter().find(|found| {
            found.compact.len() == 6
                && !found.is_monotonous()
                && !found.compact.starts_with("00")
                && (found.groups == [2, 2, 2] || is_close && found.groups == [6])
        });
        if let Some(code) = found {
            let normal = format!("{} {}", code.compact, account.normal);
            return Some(Valid { start: code.start, normal });
        }
    }
    None
}
