//! What a clamd says of itself: its version and that of its signatures.
//!
//! In: the answer to `VERSION` (clamd(8)): `ClamAV 1.4.1/27500/Tue Dec  3 09:39:23 2024`, or
//! `ClamAV 1.4.1` where there is no daily database. Out: [`Signatures`]. The date is that of
//! clamd's own clock without its zone: good to half a day.

use std::fmt;

use jiff::civil;
use jiff::tz::TimeZone;

/// Version of an engine and of what it knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signatures {
    /// `ClamAV 1.4.1`.
    pub engine: String,
    /// Number of the daily database.
    pub number: Option<u32>,
    /// When that was built, in seconds since 1970.
    pub built_s: Option<u64>,
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Characters of an engine's name.
const NAME_CHARS: usize = 60;

impl Signatures {
    /// Reads the answer to `VERSION`; none when it is no such answer.
    pub fn read(answer: &str) -> Option<Signatures> {
        let line = answer.trim_end_matches(['\0', '\n', '\r']).trim();
        let mut fields = line.split('/');
        let engine = fields.next().unwrap_or_default().trim();
        if !engine.starts_with("ClamAV ") || engine.chars().any(char::is_control) {
            return None;
        }
        Some(Signatures {
            engine: engine.chars().take(NAME_CHARS).collect(),
            number: fields.next().and_then(|number| number.trim().parse().ok()),
            built_s: fields.next().and_then(date_s),
        })
    }

    /// By which the newest of several is known.
    pub fn rank(&self) -> (u32, u64) {
        (self.number.unwrap_or(0), self.built_s.unwrap_or(0))
    }
}

impl fmt::Display for Signatures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(out, "{}, signatures {number}", self.engine),
            None => write!(out, "{}, signatures without a number", self.engine),
        }
    }
}

/// ctime(3): `Tue Dec  3 09:39:23 2024`.
fn date_s(text: &str) -> Option<u64> {
    let mut words = text.split_whitespace();
    let (_weekday, month, day) = (words.next()?, words.next()?, words.next()?);
    let (time, year) = (words.next()?, words.next()?);
    let month = MONTHS.iter().position(|known| *known == month)? + 1;
    let mut times = time.split(':').map(|part| part.parse::<i8>().ok());
    let (hour, minute, second) = (times.next()??, times.next()??, times.next()??);
    let month = i8::try_from(month).ok()?;
    let date = civil::Date::new(year.parse().ok()?, month, day.parse().ok()?).ok()?;
    let time = civil::Time::new(hour, minute, second.min(59), 0).ok()?;
    let moment = date.to_datetime(time).to_zoned(TimeZone::UTC).ok()?;
    u64::try_from(moment.timestamp().as_second()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let table = [
            (
                "ClamAV 1.4.1/27500/Tue Dec  3 09:39:23 2024\0",
                Some(("ClamAV 1.4.1", Some(27_500), Some(1_733_218_763))),
            ),
            ("ClamAV 1.0.7\n", Some(("ClamAV 1.0.7", None, None))),
            ("ClamAV 1.0.7//", Some(("ClamAV 1.0.7", None, None))),
            ("ClamAV 1/5/Tue Foo 3 09:39:23 2024", Some(("ClamAV 1", Some(5), None))),
            ("ClamAV 1/5/Tue Feb 30 09:39:23 2024", Some(("ClamAV 1", Some(5), None))),
            ("ClamAV 1/99999999999/x", Some(("ClamAV 1", None, None))),
            ("UNKNOWN COMMAND", None),
            ("", None),
        ];
        for (answer, expected) in table {
            let read = Signatures::read(answer);
            let read = read.as_ref().map(|one| (one.engine.as_str(), one.number, one.built_s));
            assert_eq!(read, expected, "{answer}");
        }
    }

    #[test]
    fn the_newest_is_known_by_number_and_then_by_date() {
        let of = |number, built_s| Signatures { engine: "ClamAV".into(), number, built_s };
        assert!(of(Some(2), None).rank() > of(Some(1), Some(9)).rank());
        assert!(of(Some(2), Some(3)).rank() > of(Some(2), Some(2)).rank());
        assert!(of(None, None).rank() < of(Some(1), None).rank());
    }
}
