//! Until when the box's certificate is good.
//!
//! In: the first certificate of a PEM file. Out: its `notAfter` (RFC 5280 section 4.1.2.5), found
//! by walking the DER as far as the validity and no further. What cannot be read is `None`: the
//! listener has its own, stricter opinion.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use jiff::tz::TimeZone;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// Of a file of certificates.
const FILE_OCTETS: u64 = 1 << 20;

/// Milliseconds since 1970. Blocks.
pub(super) fn good_until_ms(file: &Path) -> Option<u64> {
    if std::fs::metadata(file).ok()?.len() > FILE_OCTETS {
        return None;
    }
    not_after_ms(&first(&std::fs::read_to_string(file).ok()?)?)
}

/// The first certificate in a PEM text (RFC 7468).
fn first(text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    let letters: String = body.split_whitespace().collect();
    STANDARD.decode(letters).ok()
}

fn not_after_ms(der: &[u8]) -> Option<u64> {
    let (_, certificate, _) = element(der)?;
    let (_, mut signed, _) = element(certificate)?;
    if signed.first() == Some(&VERSION) {
        (_, _, signed) = element(signed)?;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        (_, _, signed) = element(signed)?;
    }
    let (tag, validity, _) = element(signed)?;
    if tag != SEQUENCE {
        return None;
    }
    let (_, _, rest) = element(validity)?;
    let (tag, at, _) = element(rest)?;
    moment(tag, std::str::from_utf8(at).ok()?)
}

/// Tag, content, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = octets.iter().fold(0usize, |sum, octet| sum << 8 | usize::from(*octet));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

fn moment(tag: u8, text: &str) -> Option<u64> {
    let digits = text.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year: i16 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = digits.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let two = |at: usize| rest.get(at..at + 2)?.parse::<i8>().ok();
    let (month, day, hour, minute, second) = (two(0)?, two(2)?, two(4)?, two(6)?, two(8)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let day = jiff::civil::Date::new(year, month, day).ok()?;
    let time = jiff::civil::Time::new(hour, minute, second, 0).ok()?;
    let at = day.to_datetime(time).to_zoned(TimeZone::UTC).ok()?.timestamp();
    // Before 1970 nothing is good any more.
    Some(u64::try_from(at.as_millisecond()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_says_until_when_it_is_good() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.pem");
        for year in [2031, 2049, 2050, 2199] {
            let mut wanted = rcgen::CertificateParams::new(["mx.test".to_owned()]).unwrap();
            wanted.not_after = rcgen::date_time_ymd(year, 3, 4);
            let key = rcgen::KeyPair::generate().unwrap();
            let text = wanted.self_signed(&key).unwrap().pem();
            std::fs::write(&file, format!("{}\n{text}", key.serialize_pem())).unwrap();
            let day = jiff::civil::date(year as i16, 3, 4).to_zoned(TimeZone::UTC).unwrap();
            let ms = day.timestamp().as_millisecond() as u64;
            assert_eq!(good_until_ms(&file), Some(ms), "{year}");
        }
    }

    #[test]
    fn what_is_broken_says_nothing() {
        let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        let der = made.cert.der().to_vec();
        assert!(not_after_ms(&der).is_some());
        for end in 0..der.len() {
            let _ = not_after_ms(&der[..end]);
        }
        for at in 0..der.len().min(300) {
            for octet in [0, 0x7f, 0x80, 0x84, 0xff] {
                let mut broken = der.clone();
                broken[at] = octet;
                let _ = not_after_ms(&broken);
            }
        }
        assert_eq!(first("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"), None);
        assert_eq!(good_until_ms(Path::new("/nowhere")), None);
    }
}
