//! Payment cards: the number, and what a magnetic stripe holds.
//!
//! Standards: ISO/IEC 7812-1 (numbers and Luhn's check digit), ranges as the schemes publish
//! them, ISO/IEC 7813 (stripe). A number is taken only when the issuer's range, its length and
//! its grouping go together; the schemes' published test numbers are valid numbers.

use super::Valid;
use super::digits::is_luhn;
use super::tail::{Candidate, is_in_address, numbers};

/// What may stand between the groups of a number.
const SEPARATORS: [char; 5] = [' ', '-', '.', '/', '_'];

/// First and last prefix of a range, and the lengths of its numbers.
struct Range {
    first: u32,
    last: u32,
    lengths: &'static [usize],
}

const LONG: &[usize] = &[16, 17, 18, 19];
const MAESTRO: &[usize] = &[12, 13, 14, 15, 16, 17, 18, 19];

#[rustfmt::skip]
const RANGES: [Range; 31] = [
    // Visa
    Range { first: 4, last: 4, lengths: &[13, 16, 19] },
    // Mastercard
    Range { first: 51, last: 55, lengths: &[16] },
    Range { first: 2221, last: 2720, lengths: &[16] },
    // American Express
    Range { first: 34, last: 34, lengths: &[15] },
    Range { first: 37, last: 37, lengths: &[15] },
    // Discover
    Range { first: 6011, last: 6011, lengths: LONG },
    Range { first: 644, last: 649, lengths: LONG },
    Range { first: 65, last: 65, lengths: LONG },
    // Diners Club
    Range { first: 300, last: 305, lengths: &[14, 16, 19] },
    Range { first: 3095, last: 3095, lengths: &[14, 16, 19] },
    Range { first: 36, last: 36, lengths: &[14, 16, 19] },
    Range { first: 38, last: 39, lengths: &[14, 16, 19] },
    // JCB
    Range { first: 3528, last: 3589, lengths: LONG },
    // Maestro
    Range { first: 5018, last: 5018, lengths: MAESTRO },
    Range { first: 5020, last: 5020, lengths: MAESTRO },
    Range { first: 5038, last: 5038, lengths: MAESTRO },
    Range { first: 5612, last: 5612, lengths: MAESTRO },
    Range { first: 5893, last: 5893, lengths: MAESTRO },
    Range { first: 6304, last: 6304, lengths: MAESTRO },
    Range { first: 6390, last: 6390, lengths: MAESTRO },
    Range { first: 6703, last: 6703, lengths: MAESTRO },
    Range { first: 6706, last: 6706, lengths: MAESTRO },
    Range { first: 6709, last: 6709, lengths: MAESTRO },
    Range { first: 6759, last: 6759, lengths: MAESTRO },
    Range { first: 6761, last: 6763, lengths: MAESTRO },
    Range { first: 6771, last: 6771, lengths: MAESTRO },
    // UnionPay
    Range { first: 62, last: 62, lengths: LONG },
    Range { first: 81, last: 81, lengths: LONG },
    // Mir, RuPay, Troy
    Range { first: 2200, last: 2204, lengths: LONG },
    Range { first: 6521, last: 6522, lengths: &[16] },
    Range { first: 9792, last: 9792, lengths: &[16] },
];

/// How cards show their numbers.
const WAYS: [&[usize]; 12] = [
    &[4, 4, 4, 4],
    &[4, 6, 5],
    &[4, 6, 4],
    &[4, 4, 4, 4, 3],
    &[4, 4, 4, 4, 2],
    &[4, 4, 4, 4, 1],
    &[4, 4, 4, 1],
    &[4, 4, 4, 2],
    &[4, 4, 4],
    &[6, 13],
    &[6, 10],
    &[8, 8],
];

/// A card's number, alone or in groups with spaces, hyphens, points, slashes or underscores.
pub(super) fn payment_card(text: &str) -> Option<Valid> {
    let found = numbers(text, &SEPARATORS).into_iter().find(is_card)?;
    Some(Valid { start: found.start, normal: found.compact })
}

/// The same, where it stands by itself: not within the address of a page, and not of 13 digits,
/// which are article numbers (EAN) today.
pub(super) fn payment_card_listed(text: &str) -> Option<Valid> {
    let is_listed = |found: &Candidate| is_card(found) && found.compact.len() != 13;
    let found = numbers(text, &SEPARATORS).into_iter().find(is_listed)?;
    (!is_in_address(text, found.start))
        .then_some(Valid { start: found.start, normal: found.compact })
}

/// Whatever is written like the number of a card and stands in no address of a page: what
/// rules hold the share of true numbers against.
pub(super) fn card_like_number(text: &str) -> Option<Valid> {
    let found = numbers(text, &SEPARATORS)
        .into_iter()
        .find(|found| (14..=19).contains(&found.compact.len()) && found.is_grouped(&WAYS))?;
    (!is_in_address(text, found.start))
        .then_some(Valid { start: found.start, normal: found.compact })
}

fn is_card(found: &Candidate) -> bool {
    (12..=19).contains(&found.compact.len())
        && found.is_grouped(&WAYS)
        && !found.is_monotonous()
        && !is_filler(&found.compact)
        && is_issued(&found.compact)
        && is_luhn(&found.compact)
}

/// Numbers that fill a form: one digit and zeros.
fn is_filler(digits: &str) -> bool {
    digits.bytes().filter(|digit| *digit != b'0').count() <= 1
}

fn is_issued(digits: &str) -> bool {
    RANGES.iter().any(|range| {
        let width = range.first.checked_ilog10().unwrap_or_default() as usize + 1;
        let prefix = digits.get(..width).and_then(|prefix| prefix.parse::<u32>().ok());
        prefix.is_some_and(|prefix| (range.first..=range.last).contains(&prefix))
            && range.lengths.contains(&digits.len())
    })
}

/// ISO/IEC 7813: the first or the second track, read to the separator behind the date.
pub(super) fn card_track(text: &str) -> Option<Valid> {
    let rest = text.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '?');
    let rest = match rest.strip_suffix('=') {
        // Track 2: start sentinel, number, `=`.
        Some(rest) => rest,
        // Track 1: `%B`, number, `^`, name, `^`.
        None => rest.strip_suffix('^')?.rsplit_once('^')?.0,
    };
    let number_at = rest.trim_end_matches(|letter: char| letter.is_ascii_digit()).len();
    let (before, digits) = rest.split_at_checked(number_at)?;
    let start = ["%B", "%b", ";"]
        .into_iter()
        .find_map(|sentinel| before.strip_suffix(sentinel).map(str::len))?;
    let is_number = (12..=19).contains(&digits.len()) && is_issued(digits) && is_luhn(digits);
    is_number.then(|| Valid { start, normal: digits.to_owned() })
}
