//! Value added tax numbers of member states of the European Union.
//!
//! Standards: the structures in VIES and each state's published check digits. A state whose
//! check is not public is told by no number here.

use super::Valid;
use super::digits::{is_luhn, is_mod_11_10, number, remainder_97, split_check, values, weighted};
use super::tail::loose_codes;

/// With its prefix, in one piece or with spaces, points or hyphens.
pub(super) fn vat_eu(text: &str) -> Option<Valid> {
    loose_codes(text, &[' ', '.', '-']).into_iter().find_map(|found| {
        let (state, body) = found.compact.split_at_checked(2)?;
        let holds = (8..=14).contains(&found.compact.len()) && is_of_state(state, body);
        holds.then(|| Valid { start: found.start, normal: found.compact.clone() })
    })
}

/// Length, weights, and what is made of the weighted sum, compared with the last digit.
fn sums(body: &str, weights: &[u32], check: impl Fn(u32) -> u32) -> bool {
    let is_number = body.bytes().all(|octet| octet.is_ascii_digit());
    let Some((digits, last)) = split_check(body) else { return false };
    is_number && digits.len() == weights.len() && check(weighted(digits, weights)) == last
}

/// Eleven less the remainder by eleven; what `ten` and `eleven` stand for, 99 for none.
fn eleven_less(sum: u32, ten: u32, eleven: u32) -> u32 {
    match 11 - sum % 11 {
        10 => ten,
        11 => eleven,
        digit => digit,
    }
}

const NONE: u32 = 99;

fn is_of_state(state: &str, body: &str) -> bool {
    if body.bytes().all(|octet| octet == b'0') {
        return false;
    }
    let is_number = body.bytes().all(|octet| octet.is_ascii_digit());
    match (state, body.len()) {
        ("AT", 9) => body.strip_prefix('U').is_some_and(is_austrian),
        ("BE", 10) => {
            let (Some(first), Some(check)) = (number(body, 0, 8), number(body, 8, 2)) else {
                return false;
            };
            body.starts_with(['0', '1']) && 97 - first % 97 == check
        }
        ("BG", 9) => two_passes(body, Round::Ten),
        ("CY", 9) => is_cypriot(body),
        ("CZ", 8) => sums(body, &[8, 7, 6, 5, 4, 3, 2], |sum| eleven_less(sum, 0, 1)),
        ("DE", 9) => is_number && !body.starts_with('0') && is_mod_11_10(body),
        ("DK", 8) => is_number && weighted(body, &[2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11),
        ("EE", 9) => sums(body, &[3, 7, 1, 3, 7, 1, 3, 7], |sum| (10 - sum % 10) % 10),
        ("EL", 9) => sums(body, &[256, 128, 64, 32, 16, 8, 4, 2], |sum| sum % 11 % 10),
        ("ES", 9) => is_spanish(body),
        ("FI", 8) => sums(body, &[7, 9, 10, 5, 8, 4, 2], |sum| eleven_less(sum, NONE, 0)),
        ("FR", 11) => is_french(body),
        ("HR", 11) => is_number && is_mod_11_10(body),
        ("HU", 8) => sums(body, &[9, 7, 3, 1, 9, 7, 3], |sum| (10 - sum % 10) % 10),
        ("IE", 8 | 9) => is_irish(body),
        ("IT", 11) => is_number && is_luhn(body),
        ("LT", 9) => two_passes(body, Round::Nine),
        // Of people and others registered for a time: the digit before the last is 1.
        ("LT", 12) => body.get(10..11) == Some("1") && two_passes(body, Round::Nine),
        ("LU", 8) => {
            number(body, 0, 6).zip(number(body, 6, 2)).is_some_and(|(own, check)| own % 89 == check)
        }
        ("LV", 11) => is_latvian(body),
        ("MT", 8) => {
            let check = number(body, 6, 2);
            is_number && check == Some(37 - weighted(body, &[3, 4, 6, 7, 8, 9]) % 37)
        }
        ("NL", 12) => is_dutch(body),
        ("PL", 10) => sums(body, &[6, 5, 7, 2, 3, 4, 5, 6, 7], |sum| sum % 11),
        ("PT", 9) => sums(body, &[9, 8, 7, 6, 5, 4, 3, 2], |sum| eleven_less(sum, 0, 0)),
        ("RO", 6..=10) => {
            let padded = format!("{body:0>10}");
            sums(&padded, &[7, 5, 3, 2, 1, 7, 5, 3, 2], |sum| sum * 10 % 11 % 10)
        }
        ("SE", 12) => {
            let is_unit = number(body, 10, 2).is_some_and(|unit| (1..=94).contains(&unit));
            is_number && is_unit && body.get(..10).is_some_and(is_luhn)
        }
        ("SI", 8) => sums(body, &[8, 7, 6, 5, 4, 3, 2], |sum| eleven_less(sum, 0, NONE)),
        ("SK", 10) => is_number && body.parse::<u64>().is_ok_and(|own| own.is_multiple_of(11)),
        _ => false,
    }
}

fn is_austrian(digits: &str) -> bool {
    let Some((body, check)) = split_check(digits) else { return false };
    let sum: u32 = values(body)
        .zip([1, 2].into_iter().cycle())
        .map(|(digit, weight)| digit * weight / 10 + digit * weight % 10)
        .sum();
    digits.len() == 8 && values(digits).count() == 8 && (10 - (sum + 4) % 10) % 10 == check
}

/// Behind which weight they begin again.
#[derive(Clone, Copy)]
enum Round {
    /// Lithuania.
    Nine,
    /// Bulgaria, whose numbers have no more digits.
    Ten,
}

/// Weights from 1 on, and from 3 on when the remainder is ten.
fn two_passes(body: &str, round: Round) -> bool {
    let (first, second) = (1, 3);
    let most = match round {
        Round::Nine => 9,
        Round::Ten => 10,
    };
    let pass = |from: u32| {
        let Some((digits, _)) = split_check(body) else { return NONE };
        let weights = (0..).map(|step| (from + step - 1) % most + 1);
        values(digits).zip(weights).map(|(digit, weight)| digit * weight).sum::<u32>() % 11
    };
    let is_number = body.bytes().all(|octet| octet.is_ascii_digit());
    let check = match pass(first) {
        10 => pass(second) % 10,
        rest => rest,
    };
    is_number && split_check(body).is_some_and(|(_, last)| last == check)
}

fn is_cypriot(body: &str) -> bool {
    const ODD: [u32; 10] = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21];
    let (Some(digits), Some(letter)) = (body.get(..8), body.chars().nth(8)) else { return false };
    let sum: u32 = values(digits)
        .enumerate()
        .map(|(at, digit)| match at % 2 {
            0 => ODD.get(digit as usize).copied().unwrap_or_default(),
            _ => digit,
        })
        .sum();
    let check = char::from_u32(u32::from('A') + sum % 26);
    values(digits).count() == 8 && check == Some(letter) && !digits.starts_with("12")
}

/// People by the remainder of 23, companies by a digit or letter of their own.
fn is_spanish(body: &str) -> bool {
    const PEOPLE: &str = "TRWAGMYFPDXBNJZSQVHLCKE";
    const COMPANIES: &str = "JABCDEFGHI";
    let (Some(first), Some(last)) = (body.chars().next(), body.chars().next_back()) else {
        return false;
    };
    let foreign = "XYZ".find(first).map(|digit| digit.to_string());
    let person = match (first.is_ascii_digit(), foreign) {
        (true, _) => number(body, 0, 8),
        (false, Some(digit)) => {
            body.get(1..8).and_then(|rest| number(&format!("{digit}{rest}"), 0, 8))
        }
        (false, None) => None,
    };
    if let Some(person) = person {
        return PEOPLE.chars().nth((person % 23) as usize) == Some(last);
    }
    let Some(digits) = body.get(1..8).filter(|own| values(own).count() == 7) else { return false };
    let sum: u32 = values(digits)
        .enumerate()
        .map(|(at, digit)| match at % 2 {
            0 => digit * 2 / 10 + digit * 2 % 10,
            _ => digit,
        })
        .sum();
    let check = (10 - sum % 10) % 10;
    "ABCDEFGHJNPQRSUVW".contains(first)
        && (last.to_digit(10) == Some(check) || COMPANIES.chars().nth(check as usize) == Some(last))
}

fn is_french(body: &str) -> bool {
    let (Some(key), Some(siren)) = (number(body, 0, 2), body.get(2..)) else { return false };
    let is_number = siren.bytes().all(|octet| octet.is_ascii_digit());
    let rest = remainder_97(siren.chars());
    is_number && is_luhn(siren) && (12 + 3 * rest) % 97 == key
}

fn is_irish(body: &str) -> bool {
    const LETTERS: &str = "WABCDEFGHIJKLMNOPQRSTUV";
    let (Some(digits), Some(check)) = (body.get(..7), body.chars().nth(7)) else { return false };
    let second = match body.chars().nth(8) {
        Some(letter) => match LETTERS.find(letter) {
            Some(value) if value <= 9 => value as u32,
            _ => return false,
        },
        None => 0,
    };
    let sum = weighted(digits, &[8, 7, 6, 5, 4, 3, 2]) + second * 9;
    values(digits).count() == 7 && LETTERS.chars().nth((sum % 23) as usize) == Some(check)
}

fn is_latvian(body: &str) -> bool {
    // Those of people begin with a date; they have no check that is public.
    let is_company = body.starts_with(|first: char| ('4'..='9').contains(&first));
    is_company
        && sums(body, &[9, 1, 4, 8, 3, 10, 2, 5, 7, 6], |sum| match (14 - sum % 11) % 11 {
            10 => NONE,
            digit => digit,
        })
}

/// Nine digits, `B`, two digits: by eleven, or since 2020 by ISO/IEC 7064 mod 97-10.
fn is_dutch(body: &str) -> bool {
    let (Some(first), Some("B"), Some(unit)) =
        (body.get(..9), body.get(9..10), number(body, 10, 2))
    else {
        return false;
    };
    let by_eleven = sums(first, &[9, 8, 7, 6, 5, 4, 3, 2], |sum| sum % 11);
    let by_97 = remainder_97("NL".chars().chain(body.chars())) == 1;
    values(first).count() == 9 && unit > 0 && (by_eleven || by_97)
}
