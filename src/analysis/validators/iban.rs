//! International bank account numbers.
//!
//! Standards: ISO 13616-1 (form, check digits by ISO/IEC 7064 mod 97-10), lengths as the
//! registry of its registration authority (SWIFT) gives them.

use super::Valid;
use super::digits::remainder_97;
use super::tail::codes;

/// Country and length, the registry's facts.
const LENGTHS: &str = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 \
     CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 \
     HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 \
     MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 \
     RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 \
     XK20 YE30";

/// In one piece or in groups of four with spaces or hyphens; in either case.
pub(super) fn iban(text: &str) -> Option<Valid> {
    let found = codes(text, &[' ', '-'])
        .into_iter()
        .find(|found| is_iban(&found.compact) && is_in_fours(&found.groups))?;
    Some(Valid { start: found.start, normal: found.compact })
}

fn is_in_fours(groups: &[usize]) -> bool {
    let Some((last, others)) = groups.split_last() else { return false };
    others.is_empty() || *last <= 4 && others.iter().all(|group| *group == 4)
}

fn is_iban(code: &str) -> bool {
    let (Some(country), Some(check), Some(account)) =
        (code.get(..2), code.get(2..4), code.get(4..))
    else {
        return false;
    };
    let length = LENGTHS
        .split_ascii_whitespace()
        .filter_map(|entry| entry.split_at_checked(2))
        .find(|(known, _)| *known == country)
        .and_then(|(_, length)| length.parse::<usize>().ok());
    // Remainders of 97 leave 02 to 98 as check digits.
    let is_check = check.parse::<u32>().is_ok_and(|check| (2..=98).contains(&check));
    let is_filler = account.bytes().all(|octet| octet == b'0');
    length == Some(code.len())
        && is_check
        && !is_filler
        && remainder_97(account.chars().chain(country.chars()).chain(check.chars())) == 1
}
