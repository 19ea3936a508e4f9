//! Numbers of patients in the United Kingdom.
//!
//! Standards: NHS Data Dictionary, "NHS NUMBER" (ten digits, check digit modulo 11); the same
//! arithmetic serves the Community Health Index of Scotland and the Health and Care Number of
//! Northern Ireland, which have ranges of their own. Numbers of the range that is kept for
//! tests (999) are valid numbers.

use super::Valid;
use super::dates::is_day_of_month;
use super::digits::{number, split_check, values};
use super::tail::{Candidate, is_in_address, numbers};

/// What may stand between the groups of a number.
const SEPARATORS: [char; 4] = [' ', '-', '.', '/'];

/// Ten digits, alone or as 3-3-4 with spaces, hyphens, points or slashes.
pub(super) fn nhs_number(text: &str) -> Option<Valid> {
    ten_digits(text, &[&[3, 3, 4]]).map(valid)
}

/// Whatever is written like such a number and stands in no address of a page: what rules hold
/// the share of true numbers against.
pub(super) fn ten_digit_number(text: &str) -> Option<Valid> {
    let found = numbers(text, &SEPARATORS)
        .into_iter()
        .find(|found| found.compact.len() == 10 && found.is_grouped(&[&[3, 3, 4]]))?;
    (!is_in_address(text, found.start)).then(|| valid(found))
}

/// Scotland: the first six digits are a date of birth.
pub(super) fn chi_number(text: &str) -> Option<Valid> {
    let found = ten_digits(text, &[&[6, 4], &[3, 3, 4]])?;
    let day = number(&found.compact, 0, 2)?;
    let month = number(&found.compact, 2, 2)?;
    let year = number(&found.compact, 4, 2)?;
    is_day_of_month(day, month, year).then(|| valid(found))
}

/// Northern Ireland: from 320 to 399.
pub(super) fn hc_number(text: &str) -> Option<Valid> {
    let found = ten_digits(text, &[&[3, 3, 4]])?;
    let range = number(&found.compact, 0, 3)?;
    (320..=399).contains(&range).then(|| valid(found))
}

fn valid(found: Candidate) -> Valid {
    Valid { start: found.start, normal: found.compact }
}

fn ten_digits(text: &str, ways: &[&[usize]]) -> Option<Candidate> {
    numbers(text, &SEPARATORS).into_iter().find(|found| {
        found.compact.len() == 10
            && found.is_grouped(ways)
            && !found.is_monotonous()
            && is_checked(&found.compact)
    })
}

/// Weights 10 to 2; eleven less the remainder is the check digit, where 11 stands for 0 and
/// 10 for no number at all.
fn is_checked(digits: &str) -> bool {
    let Some((body, check)) = split_check(digits) else { return false };
    let sum: u32 = values(body).zip((2..=10).rev()).map(|(digit, weight)| digit * weight).sum();
    (11 - sum % 11) % 11 == check
}
