//! Arithmetic of check digits over ASCII digits and letters.
//!
//! Standards: ISO/IEC 7812-1 annex B (Luhn), ISO/IEC 7064 (mod 97-10, mod 11,10).

/// The values of the digits; other characters are left out.
pub(super) fn values(text: &str) -> impl DoubleEndedIterator<Item = u32> + '_ {
    text.chars().filter_map(|letter| letter.to_digit(10))
}

/// ISO/IEC 7812-1 annex B: every second digit from the right doubled.
pub(super) fn is_luhn(digits: &str) -> bool {
    let sum: u32 = values(digits)
        .rev()
        .enumerate()
        .map(|(at, digit)| match at % 2 {
            0 => digit,
            _ if digit > 4 => digit * 2 - 9,
            _ => digit * 2,
        })
        .sum();
    !digits.is_empty() && sum.is_multiple_of(10)
}

/// Products with `weights`, summed; weights beyond the digits are not used.
pub(super) fn weighted(digits: &str, weights: &[u32]) -> u32 {
    values(digits).zip(weights).map(|(digit, weight)| digit * weight).sum()
}

/// The remainder by 97 of digits and of letters as numbers from 10, ISO/IEC 7064.
pub(super) fn remainder_97(text: impl Iterator<Item = char>) -> u32 {
    text.filter_map(|letter| letter.to_digit(36)).fold(0, |rest, value| match value {
        0..=9 => (rest * 10 + value) % 97,
        _ => (rest * 100 + value) % 97,
    })
}

/// ISO/IEC 7064 mod 11,10 over digits with their check digit.
pub(super) fn is_mod_11_10(digits: &str) -> bool {
    let Some((body, check)) = split_check(digits) else { return false };
    let product = values(body).fold(10, |product, digit| {
        let sum = (product + digit) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == check
}

/// Digits and the value of the last of them.
pub(super) fn split_check(digits: &str) -> Option<(&str, u32)> {
    let at = digits.len().checked_sub(1)?;
    let check = digits.get(at..)?.chars().next()?.to_digit(10)?;
    Some((digits.get(..at)?, check))
}

/// A piece of a text as a number.
pub(super) fn number(text: &str, at: usize, length: usize) -> Option<u32> {
    let piece = text.get(at..at.checked_add(length)?)?;
    piece.bytes().all(|octet| octet.is_ascii_digit()).then(|| piece.parse().ok())?
}
