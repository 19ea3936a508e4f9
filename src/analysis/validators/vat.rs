//! Value added tax numbers of the United Kingdom.
//!
//! Standards: HMRC's check of nine digits (weights 8 to 2, modulus 97, and 97 less 55 for
//! numbers given out since 2009), branches of twelve digits, government departments (GD000 to
//! GD499) and health authorities (HA500 to HA999); prefixes GB and, for Northern Ireland, XI.

use super::Valid;
use super::digits::{number, weighted};
use super::tail::{Candidate, codes};

/// With its prefix or without.
pub(super) fn vat_uk(text: &str) -> Option<Valid> {
    codes(text, &[' ', '-', '.']).into_iter().find_map(|found| {
        let (prefix, body) = split(&found)?;
        is_vat(body).then(|| Valid { start: found.start, normal: format!("{prefix}{body}") })
    })
}

/// Prefix and number of a candidate that is grouped as such numbers are.
fn split(found: &Candidate) -> Option<(&'static str, &str)> {
    let code = &found.compact;
    let (prefix, body) = match () {
        () if code.starts_with("GB") => ("GB", code.get(2..)?),
        () if code.starts_with("XI") => ("XI", code.get(2..)?),
        () => ("GB", code.as_str()),
    };
    let before = code.len() - body.len();
    let cuts = [before, before + 3, before + 7, before + 9];
    found.is_cut_at(&cuts).then_some((prefix, body))
}

fn is_vat(body: &str) -> bool {
    match body.len() {
        5 => {
            let range = number(body, 2, 3);
            body.starts_with("GD") && range.is_some_and(|range| range < 500)
                || body.starts_with("HA") && range.is_some_and(|range| range >= 500)
        }
        9 => is_checked(body),
        12 => body.get(..9).is_some_and(is_checked) && number(body, 9, 3).is_some(),
        _ => false,
    }
}

fn is_checked(digits: &str) -> bool {
    const WEIGHTS: [u32; 7] = [8, 7, 6, 5, 4, 3, 2];
    let (Some(body), Some(check)) = (number(digits, 0, 7), number(digits, 7, 2)) else {
        return false;
    };
    let sum = weighted(digits, &WEIGHTS) + check;
    // 97 less 55, HMRC since November 2009.
    body != 0 && (sum.is_multiple_of(97) || (sum + 55).is_multiple_of(97))
}
