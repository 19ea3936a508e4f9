//! Passports: the number alone, and the machine-readable zone with its check digits.
//!
//! Standards: ICAO Doc 9303 parts 3 (check digits, 4.9), 4 (TD3), 5 (TD1), 6 (TD2) and 7
//! (visas, which have no composite check digit). A number alone has no check digit: rules ask
//! for the word "passport" beside it.

use super::Valid;
use super::dates::is_day_of_month;
use super::digits::number;
use super::tail::{codes, may_begin_after, numbers};

/// Nine digits, or a letter and eight digits.
pub(super) fn uk_passport(text: &str) -> Option<Valid> {
    let is_plain = |code: &str| {
        let digits = code.trim_start_matches(|letter: char| letter.is_ascii_uppercase());
        code.len() == 9 && digits.len() >= 8 && digits.bytes().all(|octet| octet.is_ascii_digit())
    };
    let found = codes(text, &[]).into_iter().find(|found| is_plain(&found.compact));
    let spaced = || numbers(text, &[' ']).into_iter().find(|found| found.groups == [3, 3, 3]);
    let found = found.or_else(spaced).filter(|found| !found.is_monotonous())?;
    Some(Valid { start: found.start, normal: found.compact })
}

/// A passport's or licence's number of any country: six to nine letters and digits, at least
/// half of them digits (ICAO Doc 9303 part 4: nine characters at most).
pub(super) fn document_number(text: &str) -> Option<Valid> {
    let found = codes(text, &[]).into_iter().find(|found| {
        let digits = found.compact.bytes().filter(u8::is_ascii_digit).count();
        (6..=9).contains(&found.compact.len())
            && digits * 2 >= found.compact.len()
            && !found.is_monotonous()
    })?;
    Some(Valid { start: found.start, normal: found.compact })
}

/// What stands where in the line that holds the check digits.
struct Layout {
    line: usize,
    /// Where the number of the document lies in that line, if there.
    number: Option<usize>,
    birth: usize,
    expiry: usize,
    /// Where the nationality lies.
    nation: usize,
    /// Start and length of the optional element with a check digit of its own.
    optional: Option<(usize, usize)>,
    composite: Option<Composite>,
}

/// Which pieces of the line the last digit stands for.
#[derive(Clone, Copy)]
enum Composite {
    Td3,
    Td2,
}

/// TD3: passports.
const TD3: Layout = Layout {
    line: 44,
    number: Some(0),
    birth: 13,
    expiry: 21,
    nation: 10,
    optional: Some((28, 14)),
    composite: Some(Composite::Td3),
};
/// TD2: larger cards; visas of that size have no composite digit.
const TD2: Layout = Layout {
    line: 36,
    number: Some(0),
    birth: 13,
    expiry: 21,
    nation: 10,
    optional: None,
    composite: Some(Composite::Td2),
};

/// The lines of a machine-readable zone that end the text.
pub(super) fn passport_mrz(text: &str) -> Option<Valid> {
    let text =
        text.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric() && letter != '<');
    card_of_three_lines(text)
        .or_else(|| of_second_line(text, &TD3))
        .or_else(|| of_second_line(text, &TD2))
}

/// The piece at the end of `text` with as many characters as a line has, in upper case.
fn last_line(text: &str, length: usize) -> Option<(usize, String)> {
    let start = text.len().checked_sub(length)?;
    let line = text.get(start..)?.to_ascii_uppercase();
    let is_own =
        line.bytes().all(|at| at.is_ascii_digit() || at.is_ascii_uppercase() || at == b'<');
    is_own.then_some((start, line))
}

fn of_second_line(text: &str, layout: &Layout) -> Option<Valid> {
    let (start, line) = last_line(text, layout.line)?;
    let before = text.get(..start)?;
    let goes_on = before.ends_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '<');
    // Without the line end the first line stands right before.
    let first = last_line(before.trim_end(), layout.line).filter(|(_, line)| is_first_line(line));
    if goes_on && first.is_none() || !holds(&line, layout) {
        return None;
    }
    let normal = canonical(&line, layout.number?, layout.nation)?;
    Some(Valid { start: first.map_or(start, |(first, _)| first), normal })
}

fn is_first_line(line: &str) -> bool {
    line.starts_with(['P', 'V', 'I', 'A', 'C']) && line.contains("<<")
}

fn canonical(line: &str, number_at: usize, nation_at: usize) -> Option<String> {
    let number = line.get(number_at..number_at + 9)?.trim_end_matches('<');
    let nation = line.get(nation_at..nation_at + 3)?.trim_end_matches('<');
    (!number.is_empty()).then(|| format!("{nation}{number}"))
}

fn holds(line: &str, layout: &Layout) -> bool {
    let number = layout.number.is_none_or(|at| checked(line, at, 9));
    let optional = layout.optional.is_none_or(|(at, length)| {
        let is_empty = line.get(at..=at + length).is_some_and(|own| own.bytes().all(|o| o == b'<'));
        // Visas may write anything here.
        is_empty || checked(line, at, length) || is_visa(line)
    });
    let composite = match layout.composite {
        Some(Composite::Td3) => composed(line, &[(0, 10), (13, 7), (21, 22)], 43),
        Some(Composite::Td2) => composed(line, &[(0, 10), (13, 7), (21, 14)], 35),
        None => true,
    };
    let dates = checked(line, layout.birth, 6) && checked(line, layout.expiry, 6);
    number && dates && optional && composite && are_dates(line, layout)
}

/// Lines whose last character is no digit have no composite check digit.
fn is_visa(line: &str) -> bool {
    line.ends_with('<')
}

fn are_dates(line: &str, layout: &Layout) -> bool {
    let expiry = || {
        let (year, month) = (number(line, layout.expiry, 2)?, number(line, layout.expiry + 2, 2)?);
        Some(is_day_of_month(number(line, layout.expiry + 4, 2)?, month, year))
    };
    let sex = line.get(layout.birth + 7..layout.birth + 8);
    expiry().unwrap_or_default() && sex.is_some_and(|sex| matches!(sex, "M" | "F" | "X" | "<"))
}

/// Part 5: three lines of 30, check digits in the first two, a composite one over both.
fn card_of_three_lines(text: &str) -> Option<Valid> {
    let (third_at, third) = last_line(text, 30)?;
    let (second_at, second) = last_line(text.get(..third_at)?.trim_end(), 30)?;
    let (first_at, first) = last_line(text.get(..second_at)?.trim_end(), 30)?;
    let is_name = third.bytes().all(|octet| !octet.is_ascii_digit()) && third.contains("<<");
    let both = format!("{first}{second}");
    let holds = checked(&first, 5, 9)
        && checked(&second, 0, 6)
        && checked(&second, 8, 6)
        && composed(&both, &[(5, 25), (30, 7), (38, 7), (48, 11)], 59);
    let layout = Layout { birth: 0, expiry: 8, ..TD2 };
    let is_whole = is_name && holds && are_dates(&second, &layout);
    let number = first.get(5..14)?.trim_end_matches('<');
    let nation = second.get(15..18)?.trim_end_matches('<');
    let begins = may_begin_after(text.get(..first_at)?);
    (is_whole && begins).then(|| Valid { start: first_at, normal: format!("{nation}{number}") })
}

/// Whether the character behind a piece is its check digit; an empty one may have a filler.
fn checked(line: &str, at: usize, length: usize) -> bool {
    composed(line, &[(at, length)], at + length)
}

/// Part 3, 4.9: weights 7, 3, 1; letters from 10, the filler 0.
fn composed(line: &str, pieces: &[(usize, usize)], check_at: usize) -> bool {
    let mut sum = 0;
    let mut weights = [7, 3, 1].into_iter().cycle();
    for (at, length) in pieces {
        let Some(piece) = line.get(*at..at + length) else { return false };
        for (letter, weight) in piece.chars().zip(&mut weights) {
            sum += letter.to_digit(36).unwrap_or_default() * weight;
        }
    }
    let check = line.get(check_at..=check_at).and_then(|check| check.chars().next());
    check.and_then(|check| check.to_digit(10)) == Some(sum % 10)
}
