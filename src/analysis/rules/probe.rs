//! A pattern tried on a text before it becomes a rule.
//!
//! In: a pattern with its flags, as rules write them, and texts in normal form. Out: where it
//! matches. The engine and its flags are those of the rules, so that what hits here hits there.

use hyperscan::{BlockDatabase, Matching};

use super::RuleError;
use super::compile;
use super::form::{Expression, Flags};
use crate::config::Place;

/// A pattern has so many octets at most.
const PATTERN_OCTETS: usize = 4_000;
/// Reports of one text that are looked at: a pattern that matches everywhere is cut short.
const REPORTS: usize = 20_000;

/// A pattern ready to be tried.
pub struct Probe {
    database: BlockDatabase,
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Probe")
    }
}

impl Probe {
    /// Compiles a pattern; `flags` are letters: `i`, `s`, `m`, `w`, `u`.
    pub fn new(pattern: &str, flags: &str) -> Result<Probe, RuleError> {
        let refused = |what: String| RuleError::Wrong {
            file: "the pattern".into(),
            place: Place { line: 1, column: 1 },
            what,
        };
        if pattern.is_empty() || pattern.len() > PATTERN_OCTETS {
            return Err(refused(format!("a pattern has 1 to {PATTERN_OCTETS} octets")));
        }
        let mut known = Flags::default();
        for letter in flags.chars() {
            match letter {
                'i' => known.caseless = true,
                's' => known.dot_all = true,
                'm' => known.multi_line = true,
                'w' => known.words = true,
                'u' => known.unicode = true,
                _ => {
                    return Err(refused(format!(
                        "unknown flag {letter:?}, expected i, s, m, w, u"
                    )));
                }
            }
        }
        if let Some(why) = compile::too_large(pattern, known) {
            return Err(refused(why));
        }
        let expression = Expression {
            text: pattern.to_owned(),
            flags: known,
            place: Place { line: 1, column: 1 },
            term_score: 0.0,
            validator: None,
            marks: None,
            word: None,
        };
        let database = compile::alone(&expression).map_err(refused)?;
        Ok(Probe { database })
    }

    /// Where it matches, in octets of the text, in order and without overlaps.
    pub fn spans(&self, text: &str, most: usize) -> Result<Vec<(usize, usize)>, RuleError> {
        let engine = |error: hyperscan::Error| RuleError::Engine(error.to_string());
        let scratch = self.database.alloc_scratch().map_err(engine)?;
        let mut reports: Vec<(usize, usize)> = Vec::new();
        let note = |_: u32, start: u64, end: u64, _: u32| {
            let at = |offset: u64| text.floor_char_boundary(usize::try_from(offset).unwrap_or(0));
            reports.push((at(start), at(end)));
            if reports.len() < REPORTS { Matching::Continue } else { Matching::Terminate }
        };
        match self.database.scan(text, &scratch, note) {
            Ok(_) => {}
            // It was told to stop.
            Err(_) if reports.len() >= REPORTS => {}
            Err(error) => return Err(engine(error)),
        }
        // Of reports with one beginning the longest; none within another.
        reports.sort_unstable_by(|one, other| one.0.cmp(&other.0).then(other.1.cmp(&one.1)));
        let mut spans: Vec<(usize, usize)> = Vec::new();
        for (start, end) in reports {
            let is_apart = spans.last().is_none_or(|(_, before)| start >= *before);
            if is_apart && spans.len() < most {
                spans.push((start, end));
            }
        }
        Ok(spans)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_says_where_it_matches() {
        let probe = Probe::new(r"NHS\s?\d+", "i").unwrap();
        let text = "äh, nhs 943 and NHS12; nhs";
        let found: Vec<&str> =
            probe.spans(text, 9).unwrap().into_iter().map(|(from, to)| &text[from..to]).collect();
        assert_eq!(found, ["nhs 943", "NHS12"]);
        assert_eq!(probe.spans(text, 1).unwrap().len(), 1);
    }

    #[test]
    fn what_the_engine_refuses_is_said() {
        for (pattern, flags) in
            [("(", ""), ("", ""), ("a", "x"), (r"(a)\1", ""), ("(?:a.{900}){30}", "")]
        {
            assert!(Probe::new(pattern, flags).is_err(), "{pattern} {flags}");
        }
        let everywhere = Probe::new(".+", "s").unwrap();
        let text = "x".repeat(100_000);
        assert_eq!(everywhere.spans(&text, 10).unwrap().len(), 1);
    }
}
