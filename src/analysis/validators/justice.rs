//! Identifiers of the criminal justice system of England and Wales.
//!
//! Standards: CJS Data Standards Catalogue: PNC ID (year, seven digits, check letter), CRO
//! number (number, year, check letter; older files SF), prison number (letter, four digits,
//! two letters). Check letters stand for the remainder by 23 of the year's two digits and the
//! number together.

use super::Valid;
use super::tail::{candidates, codes, trimmed};

/// Remainder → check letter; I, O and S are not used, 0 is Z.
const LETTERS: &str = "ZABCDEFGHJKLMNPQRTUVWXY";

fn check_letter(year: &str, serial: &str) -> Option<char> {
    let digits = format!("{}{serial:0>7}", year.get(year.len().checked_sub(2)?..)?);
    let rest = digits.chars().filter_map(|digit| digit.to_digit(10));
    let rest = rest.fold(0u32, |rest, digit| (rest * 10 + digit) % 23);
    LETTERS.chars().nth(rest as usize)
}

/// `2003/0011985X`, `03/11985X`; in one piece only with all digits.
pub(super) fn pnc_id(text: &str) -> Option<Valid> {
    let text = trimmed(text);
    let found = candidates(text, |letter| letter.is_ascii_alphanumeric(), &['/', '-']);
    found.into_iter().find_map(|found| {
        let letter = found.compact.chars().next_back()?;
        let digits = found.compact.get(..found.compact.len() - letter.len_utf8())?;
        let is_number = digits.bytes().all(|octet| octet.is_ascii_digit());
        let (year, serial) = match *found.groups {
            [year @ (2 | 4), 2..=8] => digits.split_at_checked(year)?,
            [12] => digits.split_at_checked(4)?,
            _ => return None,
        };
        let is_year = year.len() == 2 || ("1900".."2100").contains(&year);
        let holds = is_number && is_year && check_letter(year, serial) == Some(letter);
        let short = year.get(year.len() - 2..)?;
        let is_written = serial.len() <= 7 && serial.bytes().any(|digit| digit != b'0');
        let normal = format!("{short}/{serial:0>7}{letter}");
        (holds && is_written).then_some(Valid { start: found.start, normal })
    })
}

/// `123456/99A`; the number comes before the year.
pub(super) fn cro_number(text: &str) -> Option<Valid> {
    let found = candidates(text, |letter| letter.is_ascii_alphanumeric(), &['/']);
    found.into_iter().find_map(|found| {
        let [serial @ 1..=6, 3] = *found.groups else { return None };
        let (serial, rest) = found.compact.split_at_checked(serial)?;
        let (year, letter) = rest.split_at_checked(2)?;
        let is_number = serial.bytes().chain(year.bytes()).all(|octet| octet.is_ascii_digit());
        let padded = format!("{serial:0>6}");
        let digits = format!("{year}{padded}");
        let rest = digits.chars().filter_map(|digit| digit.to_digit(10));
        let rest = rest.fold(0u32, |rest, digit| (rest * 10 + digit) % 23);
        let holds = LETTERS.chars().nth(rest as usize) == letter.chars().next();
        let normal = format!("{padded}/{year}{letter}");
        (is_number && holds).then_some(Valid { start: found.start, normal })
    })
}

/// `A1234BC`.
pub(super) fn prison_number(text: &str) -> Option<Valid> {
    let found = codes(text, &[]).into_iter().find(|found| found.compact.len() == 7)?;
    let code = &found.compact;
    let letters = |from: usize, to: usize| {
        code.get(from..to).is_some_and(|own| own.bytes().all(|octet| octet.is_ascii_uppercase()))
    };
    let digits = code.get(1..5)?;
    let is_number = digits.bytes().all(|octet| octet.is_ascii_digit());
    (letters(0, 1) && letters(5, 7) && is_number)
        .then_some(Valid { start: found.start, normal: found.compact })
}
