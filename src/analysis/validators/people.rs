//! Numbers and codes of people in the United Kingdom: National Insurance number, driving
//! licence, tax reference, postcode.
//!
//! Standards: HMRC NIM39110 (National Insurance number), DVLA's driver number as printed on
//! the licence, HMRC's check digit of the unique taxpayer reference, BS 7666 (postcode).

use super::Valid;
use super::dates::is_day_of_month;
use super::digits::{number, values};
use super::tail::{codes, numbers};

/// Two letters, six digits, a letter from A to D.
pub(super) fn national_insurance(text: &str) -> Option<Valid> {
    let found = codes(text, &[' ', '-', '.'])
        .into_iter()
        .find(|found| found.compact.len() == 9 && found.is_cut_at(&[2, 4, 6, 8]))?;
    is_national_insurance(&found.compact)
        .then_some(Valid { start: found.start, normal: found.compact })
}

/// The same, written in pairs or behind a word that says what it is: part numbers look alike.
pub(super) fn national_insurance_named(text: &str) -> Option<Valid> {
    const WORDS: [&str; 22] = [
        "national insurance",
        "nat ins",
        "insurance n",
        "ni",
        "nino",
        "n.i",
        "employee",
        "employees",
        "payroll",
        "staff",
        "dob",
        "date of birth",
        "born",
        "tax",
        "paye",
        "hmrc",
        "benefit",
        "universal credit",
        "surname",
        "salary",
        "pension",
        "nhs",
    ];
    let found = national_insurance(text)?;
    let (before, written) = text.split_at_checked(found.start)?;
    let is_in_pairs = written.chars().filter(|own| matches!(own, ' ' | '-' | '.')).count() >= 3;
    let lower = before.to_lowercase();
    let is_word = |word: &&str| {
        lower.match_indices(*word).any(|(at, _)| {
            let earlier = lower.get(..at).and_then(|own| own.chars().next_back());
            let later = lower.get(at + word.len()..).and_then(|own| own.chars().next());
            let stands = |letter: Option<char>| letter.is_none_or(|own| !own.is_alphanumeric());
            stands(earlier) && (stands(later) || word.ends_with(" n"))
        })
    };
    (is_in_pairs || WORDS.iter().any(is_word)).then_some(found)
}

/// Two letters, six digits, a letter: what rules hold the share of true numbers against.
pub(super) fn insurance_like_code(text: &str) -> Option<Valid> {
    let found = codes(text, &[' ', '-', '.']).into_iter().find(|found| {
        let code = found.compact.as_bytes();
        code.len() == 9
            && found.is_cut_at(&[2, 4, 6, 8])
            && code.iter().enumerate().all(|(at, own)| own.is_ascii_digit() == (2..8).contains(&at))
    })?;
    Some(Valid { start: found.start, normal: found.compact })
}

/// NIM39110: letters that are not used, prefixes that are not given out.
fn is_national_insurance(code: &str) -> bool {
    const UNUSED: [&str; 7] = ["BG", "GB", "KN", "NK", "NT", "TN", "ZZ"];
    let (Some(prefix), Some(digits), Some(suffix)) = (code.get(..2), code.get(2..8), code.get(8..))
    else {
        return false;
    };
    let letters = |text: &str, without: &str| {
        text.chars().all(|letter| letter.is_ascii_uppercase() && !without.contains(letter))
    };
    letters(prefix, "DFIQUV")
        && !prefix.ends_with('O')
        && !UNUSED.contains(&prefix)
        && digits.bytes().all(|octet| octet.is_ascii_digit())
        && matches!(suffix, "A" | "B" | "C" | "D")
}

/// Great Britain's driver number of 16 characters; a number of issue may follow.
pub(super) fn uk_driving_licence(text: &str) -> Option<Valid> {
    codes(text, &[' ']).into_iter().find_map(|found| {
        let is_cut = found.is_cut_at(&[5, 11, 13, 14, 16]);
        let issue = found.compact.get(16..).unwrap_or_default();
        let is_issue = matches!(issue.len(), 0 | 2) && issue.bytes().all(|at| at.is_ascii_digit());
        let driver = found.compact.get(..16).filter(|driver| is_driver_number(driver))?;
        (is_cut && is_issue).then(|| Valid { start: found.start, normal: driver.to_owned() })
    })
}

/// Five of the surname (9 where there is none), decade, month (5 added to its first digit for
/// women), day, year, two initials (9 where there is none), a distinguishing character, two
/// check characters.
fn is_driver_number(code: &str) -> bool {
    let pieces = (code.get(..5), code.get(11..13), code.get(13..14), code.get(14..16));
    let (Some(surname), Some(initials), Some(which), Some(check)) = pieces else { return false };
    let padded = |text: &str| {
        let letters = text.trim_end_matches('9');
        letters.bytes().all(|octet| octet.is_ascii_uppercase())
    };
    let birth = || {
        let decade = number(code, 5, 1)?;
        let month = number(code, 6, 2)?;
        let day = number(code, 8, 2)?;
        let year = number(code, 10, 1)?;
        let month = if month > 50 { month - 50 } else { month };
        Some(is_day_of_month(day, month, decade * 10 + year))
    };
    padded(surname)
        && surname.starts_with(|letter: char| letter.is_ascii_uppercase())
        && padded(initials)
        && birth().unwrap_or_default()
        && !"IOQYZ01".contains(which)
        && check.bytes().all(|octet| octet.is_ascii_alphanumeric())
}

/// HMRC's unique taxpayer reference: ten digits, the first of them the check digit.
pub(super) fn uk_utr(text: &str) -> Option<Valid> {
    const WEIGHTS: [u32; 9] = [6, 7, 8, 9, 10, 5, 4, 3, 2];
    const CHECKS: &str = "21987654321";
    let found = numbers(text, &[' ']).into_iter().find(|found| {
        let is_grouped = found.is_grouped(&[&[5, 5], &[3, 3, 4], &[4, 3, 3]]);
        found.compact.len() == 10 && is_grouped && !found.is_monotonous()
    })?;
    let body = found.compact.get(1..)?;
    let sum: u32 = values(body).zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    let check = CHECKS.get((sum % 11) as usize..)?.chars().next()?;
    found.compact.starts_with(check).then_some(Valid { start: found.start, normal: found.compact })
}

/// Areas of postcodes, those of the Crown dependencies and of BFPO among them.
const AREAS: &str = " AB AL B BA BB BD BF BH BL BN BR BS BT BX CA CB CF CH CM CO CR CT CV CW DA \
     DD DE DG DH DL DN DT DY E EC EH EN EX FK FY G GL GU GY HA HD HG HP HR HS HU HX IG IM IP IV \
     JE KA KT KW KY L LA LD LE LL LN LS LU M ME MK ML N NE NG NN NP NR NW OL OX PA PE PH PL PO PR \
     RG RH RM S SA SE SG SK SL SM SN SO SP SR SS ST SW SY TA TD TF TN TQ TR TS TW UB W WA WC WD \
     WF WN WR WS WV YO ZE ";

/// Outward and inward code, BS 7666.
pub(super) fn uk_postcode(text: &str) -> Option<Valid> {
    codes(text, &[' ']).into_iter().rev().take(2).find_map(|found| {
        let inward_at = found.compact.len().checked_sub(3)?;
        let (outward, inward) = found.compact.split_at_checked(inward_at)?;
        let is_whole = found.is_cut_at(&[inward_at]) && is_outward(outward) && is_inward(inward);
        is_whole.then(|| Valid { start: found.start, normal: format!("{outward} {inward}") })
    })
}

fn is_outward(code: &str) -> bool {
    if code == "GIR" {
        return true;
    }
    let area_ends = code.find(|letter: char| letter.is_ascii_digit());
    let Some((area, district)) = area_ends.and_then(|at| code.split_at_checked(at)) else {
        return false;
    };
    let is_known = (1..=2).contains(&area.len()) && AREAS.contains(&format!(" {area} "));
    let mut letters = district.chars();
    let is_district = letters.next().is_some_and(|letter| letter.is_ascii_digit())
        && letters.next().is_none_or(|letter| letter.is_ascii_alphanumeric())
        && letters.next().is_none();
    is_known && is_district
}

/// The inward code never uses C, I, K, M, O and V.
fn is_inward(code: &str) -> bool {
    let mut letters = code.chars();
    letters.next().is_some_and(|letter| letter.is_ascii_digit())
        && letters.all(|letter| letter.is_ascii_uppercase() && !"CIKMOV".contains(letter))
}
