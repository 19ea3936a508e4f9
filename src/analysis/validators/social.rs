//! Social security numbers of the United States.
//!
//! Standards: the Social Security Administration's rules since June 2011: no area 000, 666 or
//! from 900, no group 00, no serial number 0000. Two numbers that once stood in advertisements
//! are void.

use super::Valid;
use super::digits::number;
use super::tail::numbers;

/// Void since they were printed: SSA, "SSN misused".
const VOID: [&str; 2] = ["078051120", "219099999"];

/// `ddd-dd-dddd` with hyphens or spaces, or nine digits.
pub(super) fn us_ssn(text: &str) -> Option<Valid> {
    let found = numbers(text, &['-', ' ']).into_iter().find(|found| {
        found.compact.len() == 9 && (found.groups == [9] || found.groups == [3, 2, 4])
    })?;
    let code = &found.compact;
    let (area, group, serial) = (number(code, 0, 3)?, number(code, 3, 2)?, number(code, 5, 4)?);
    let is_given = (1..900).contains(&area) && area != 666 && group != 0 && serial != 0;
    (is_given && !found.is_monotonous() && !VOID.contains(&code.as_str()))
        .then_some(Valid { start: found.start, normal: found.compact })
}
