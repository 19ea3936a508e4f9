//! Marks before short texts, so that rules for these texts cost nothing in long ones.
//!
//! In: a pattern and the zones where it looks. Out: whether it may be tied to a mark, and the
//! mark of a zone. A pattern for the Subject often has no literal by which the engine could
//! pass over a text, and would then walk through every body. Tied to a mark that only such
//! texts begin with, it gives up at the first octet of any other. The mark is a line of its
//! own, so nothing changes at word boundaries and line ends; a pattern that looks for the
//! beginning of the text cannot be tied and need not be.

use crate::message::Zone;

/// The zones that are scanned a second time with their mark before them.
fn letter(zone: Zone) -> Option<char> {
    match zone {
        Zone::Subject => Some('S'),
        Zone::From => Some('F'),
        Zone::ReplyTo => Some('R'),
        Zone::Filename => Some('N'),
        Zone::Header | Zone::Body | Zone::Html | Zone::Attachment => None,
    }
}

/// What stands before a text of this zone in the scan for tied patterns.
pub(super) fn before(zone: Zone) -> Option<[char; 3]> {
    letter(zone).map(|letter| ['\x01', letter, '\n'])
}

/// The marks that a pattern for these zones is tied to; `None` when it must stay free.
pub(super) fn marks(pattern: &str, zones: u8) -> Option<String> {
    let mut marks = String::new();
    for zone in Zone::ALL.into_iter().filter(|zone| zones & zone.bit() != 0) {
        marks.push(letter(zone)?);
    }
    (!marks.is_empty() && may_stand_behind(pattern)).then_some(marks)
}

/// Whether a pattern means the same in a group behind other text: it is well-formed, and has
/// no anchor at the beginning, no verb and no switch that would reach beyond it. In doubt it
/// has not.
fn may_stand_behind(pattern: &str) -> bool {
    let mut letters = pattern.chars().peekable();
    let (mut depth, mut in_class) = (0_u32, false);
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('A' | 'G' | 'Q' | 'E' | 'K') | None => return false,
                Some(_) => {}
            },
            ']' if in_class => in_class = false,
            _ if in_class => {}
            '[' => {
                in_class = true;
                // A bracket that closes nothing: `[]x]` and `[^]x]`.
                letters.next_if_eq(&'^');
                letters.next_if_eq(&']');
            }
            '^' => return false,
            '(' => {
                depth += 1;
                if letters.peek() == Some(&'*') {
                    return false;
                }
                if letters.next_if_eq(&'?').is_some() && letters.next() != Some(':') {
                    return false;
                }
            }
            ')' => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return false,
            },
            _ => {}
        }
    }
    depth == 0 && !in_class
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_patterns_for_short_texts_are_tied() {
        let (subject, from) = (Zone::Subject.bit(), Zone::From.bit());
        let table = [
            (r"[a-z]\d{5}$", subject, Some("S")),
            (r"(?:a|b)[^<^]*@", subject | from, Some("SF")),
            ("x[]^]y", from, Some("F")),
            (r"\.exe$", Zone::Filename.bit(), Some("N")),
            ("a", Zone::ReplyTo.bit(), Some("R")),
            ("a", subject | Zone::Body.bit(), None),
            ("a", Zone::Header.bit(), None),
            ("^a", subject, None),
            ("(?:^|x)a", subject, None),
            (r"\Aa", subject, None),
            (r"a\", subject, None),
            ("(?i)a", subject, None),
            ("(*UTF8)a", subject, None),
            ("a)|(b", subject, None),
            ("(a", subject, None),
            ("[a", subject, None),
            (r"\^a", subject, Some("S")),
            ("a", 0, None),
        ];
        for (pattern, zones, wanted) in table {
            assert_eq!(marks(pattern, zones).as_deref(), wanted, "{pattern}");
        }
    }
}
