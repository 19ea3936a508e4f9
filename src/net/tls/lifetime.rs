//! From when until when a certificate holds.
//!
//! In: one certificate in DER (RFC 5280 section 4.1). Out: its [`Lifetime`]. Only what stands
//! before the validity is walked over; nothing else is looked at. Broken octets have none.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// Not before.
    pub begins_s: i64,
    /// Not after.
    pub ends_s: i64,
}

impl Lifetime {
    /// Of a certificate in DER.
    pub fn of(der: &[u8]) -> Option<Lifetime> {
        let (certificate, _) = element(der, SEQUENCE)?;
        let (mut rest, _) = element(certificate, SEQUENCE)?;
        if rest.first() == Some(&VERSION) {
            rest = element(rest, VERSION)?.1;
        }
        for tag in [INTEGER, SEQUENCE, SEQUENCE] {
            // Serial number, signature, issuer.
            rest = element(rest, tag)?.1;
        }
        let (validity, _) = element(rest, SEQUENCE)?;
        let (begins_s, rest) = time(validity)?;
        let (ends_s, _) = time(rest)?;
        Some(Lifetime { begins_s, ends_s })
    }
}

/// The content of the first element, when it has this tag, and what is behind it.
fn element(octets: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = octets.split_first()?;
    if *first != tag {
        return None;
    }
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (digits.iter().fold(0, |sum, digit| (sum << 8) | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// RFC 5280 section 4.1.2.5: always in UTC, with seconds.
fn time(octets: &[u8]) -> Option<(i64, &[u8])> {
    let (text, rest) = match octets.first()? {
        &UTC_TIME => {
            let (text, rest) = element(octets, UTC_TIME)?;
            let text = std::str::from_utf8(text).ok()?;
            // Two digits of a year: 1950 to 2049.
            let century = if text.get(..2)?.parse::<u8>().ok()? < 50 { "20" } else { "19" };
            (format!("{century}{text}"), rest)
        }
        _ => {
            let (text, rest) = element(octets, GENERALIZED_TIME)?;
            (std::str::from_utf8(text).ok()?.to_owned(), rest)
        }
    };
    let at = DateTime::strptime("%Y%m%d%H%M%SZ", &text).ok()?;
    let at = at.to_zoned(TimeZone::UTC).ok()?;
    Some((at.timestamp().as_second(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_read_in_both_forms() {
        for (begin, end, begins_s, ends_s) in [
            ((1970, 1, 1), (2049, 12, 31), 0, 2_524_521_600),
            ((2026, 1, 1), (2051, 1, 1), 1_767_225_600, 2_556_144_000),
        ] {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut wanted = rcgen::CertificateParams::new(["a.test".to_owned()]).unwrap();
            wanted.not_before = rcgen::date_time_ymd(begin.0, begin.1, begin.2);
            wanted.not_after = rcgen::date_time_ymd(end.0, end.1, end.2);
            let made = wanted.self_signed(&key).unwrap();
            assert_eq!(Lifetime::of(made.der()), Some(Lifetime { begins_s, ends_s }));
            for cut in 0..made.der().len().min(120) {
                // Never a panic, whatever is missing.
                let _ = Lifetime::of(&made.der()[..cut]);
            }
        }
        assert_eq!(Lifetime::of(b""), None);
        assert_eq!(Lifetime::of(b"\x30\x84\xff\xff\xff\xff\x30"), None);
    }
}
