//! Names for mails: unique on a box and practically unique between boxes, sorted by time of
//! acceptance, short enough to read over the telephone.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Twelve octets: 48 bits of milliseconds since 1970, 16 bits of sequence, 32 bits that are
/// drawn once a process. Written as twenty digits of Crockford's base 32.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MailId([u8; 12]);

const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const WRITTEN_DIGITS: usize = 20;

/// High 48 bits milliseconds, low 16 bits sequence: one counter gives order and uniqueness.
static LAST: AtomicU64 = AtomicU64::new(0);
static PROCESS: OnceLock<[u8; 4]> = OnceLock::new();

impl MailId {
    /// Mints the next id. Never repeats within a process, even when the clock steps back.
    pub fn mint() -> MailId {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let floor = (now.as_millis() as u64) << 16;
        let next = |last: u64| Some(floor.max(last.wrapping_add(1)));
        let previous = match LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(previous) | Err(previous) => previous,
        };
        let minted = floor.max(previous.wrapping_add(1));
        let process = PROCESS.get_or_init(|| {
            let mut drawn = [0u8; 4];
            // Without randomness the process id still tells two processes of a box apart.
            if getrandom::fill(&mut drawn).is_err() {
                drawn = std::process::id().to_be_bytes();
            }
            drawn
        });
        let mut octets = [0u8; 12];
        let (when, who) = octets.split_at_mut(8);
        when.copy_from_slice(&minted.to_be_bytes());
        who.copy_from_slice(process);
        MailId(octets)
    }

    /// The twelve octets as they stand in a log record.
    pub const fn octets(&self) -> &[u8; 12] {
        &self.0
    }

    /// The id with these twelve octets, as read from a log record.
    pub const fn from_octets(octets: [u8; 12]) -> MailId {
        MailId(octets)
    }

    /// When the id was minted, in milliseconds since 1970.
    pub fn minted_at_ms(&self) -> u64 {
        let [a, b, c, d, e, f, ..] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }
}

impl fmt::Display for MailId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut value = self.0.iter().fold(0u128, |sum, octet| sum << 8 | u128::from(*octet));
        let mut written = [b'0'; WRITTEN_DIGITS];
        for place in written.iter_mut().rev() {
            *place = DIGITS.get((value & 31) as usize).copied().unwrap_or(b'0');
            value >>= 5;
        }
        out.pad(std::str::from_utf8(&written).unwrap_or_default())
    }
}

impl fmt::Debug for MailId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// The text is not twenty base-32 digits of a 96-bit number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a mail id: twenty letters and digits are expected")]
pub struct NotAMailId;

impl FromStr for MailId {
    type Err = NotAMailId;

    fn from_str(text: &str) -> Result<MailId, NotAMailId> {
        if text.len() != WRITTEN_DIGITS {
            return Err(NotAMailId);
        }
        let mut value = 0u128;
        for letter in text.bytes() {
            // Crockford: the letters that are taken for digits are read as these digits.
            let digit = match letter.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            let worth = DIGITS.iter().position(|known| *known == digit).ok_or(NotAMailId)?;
            value = value << 5 | worth as u128;
        }
        if value >> 96 != 0 {
            return Err(NotAMailId);
        }
        let mut octets = [0u8; 12];
        for (place, octet) in octets.iter_mut().rev().zip(value.to_le_bytes()) {
            *place = octet;
        }
        Ok(MailId(octets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_ordered_and_read_back() {
        let mut last = MailId::from_octets([0; 12]);
        for _ in 0..100_000 {
            let id = MailId::mint();
            assert!(id > last);
            last = id;
        }
        assert_eq!(last.to_string().parse::<MailId>(), Ok(last));
        assert_eq!(last.to_string().to_lowercase().parse::<MailId>(), Ok(last));
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        for text in
            ["", "0", "ZZZZZZZZZZZZZZZZZZZZ", "0000000000000000000U", "000000000000000000000"]
        {
            assert_eq!(text.parse::<MailId>(), Err(NotAMailId), "{text}");
        }
        assert_eq!("0".repeat(20).parse::<MailId>(), Ok(MailId::from_octets([0; 12])));
    }
}
