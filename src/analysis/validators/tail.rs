//! The end of a text as candidates for a number: groups of letters and digits that single
//! separators join, read backwards.
//!
//! In: a text, what a member is and what may separate groups. Out: [`Candidate`]s, the longest
//! first, each beginning where a number may begin. Bounded by [`MEMBERS`], whatever the text.

/// Letters and digits of the longest candidate: the longest IBAN has 34.
const MEMBERS: usize = 40;
/// Characters behind the candidate that close it: a bracket, a full stop and a space.
const CLOSING: usize = 3;

/// A run of groups at the end of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Where it begins.
    pub(super) start: usize,
    /// Its letters, in upper case, and digits.
    pub(super) compact: String,
    /// Lengths of its groups, the first one first.
    pub(super) groups: Vec<usize>,
}

impl Candidate {
    /// Whether groups end only where they may: after `cuts` members, or not at all.
    pub(super) fn is_cut_at(&self, cuts: &[usize]) -> bool {
        let mut sum = 0;
        self.ends().all(|group| {
            sum += group;
            sum == self.compact.len() || cuts.contains(&sum)
        })
    }

    /// Whether it is written in one piece, digit by digit, or in groups cut exactly so.
    pub(super) fn is_grouped(&self, ways: &[&[usize]]) -> bool {
        self.groups.len() == 1
            || self.groups.iter().all(|group| *group == 1)
            || ways.contains(&&*self.groups)
    }

    fn ends(&self) -> impl Iterator<Item = usize> + '_ {
        self.groups.iter().copied()
    }

    /// Whether all its members are the same.
    pub(super) fn is_monotonous(&self) -> bool {
        let mut octets = self.compact.bytes();
        let first = octets.next();
        octets.all(|octet| Some(octet) == first)
    }
}

/// The text without what closes the candidate.
pub(super) fn trimmed(text: &str) -> &str {
    let mut rest = text;
    for _ in 0..CLOSING {
        match rest.chars().next_back() {
            Some(last) if !last.is_alphanumeric() => {
                rest = rest.get(..rest.len() - last.len_utf8()).unwrap_or_default();
            }
            _ => break,
        }
    }
    rest
}

/// Candidates of digits.
pub(super) fn numbers(text: &str, separators: &[char]) -> Vec<Candidate> {
    candidates(text, |letter| letter.is_ascii_digit(), separators)
}

/// Candidates of letters and digits.
pub(super) fn codes(text: &str, separators: &[char]) -> Vec<Candidate> {
    candidates(text, |letter| letter.is_ascii_alphanumeric(), separators)
}

/// Candidates of letters and digits that may be separated now by this, now by that.
pub(super) fn loose_codes(text: &str, separators: &[char]) -> Vec<Candidate> {
    gather(text, |letter| letter.is_ascii_alphanumeric(), separators, Joints::Any)
}

/// Candidates at the end of a text, the longest first.
pub(super) fn candidates(
    text: &str,
    is_member: impl Fn(char) -> bool,
    separators: &[char],
) -> Vec<Candidate> {
    gather(text, is_member, separators, Joints::Alike)
}

/// Whether one number may have separators of several kinds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Joints {
    Alike,
    Any,
}

fn gather(
    text: &str,
    is_member: impl Fn(char) -> bool,
    separators: &[char],
    joints: Joints,
) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    let mut rest = trimmed(text);
    let mut groups: Vec<&str> = Vec::new();
    let mut members = 0;
    let mut joint = None;
    loop {
        let group_at = rest.trim_end_matches(&is_member).len();
        let group = rest.get(group_at..).unwrap_or_default();
        members += group.len();
        if group.is_empty() || members > MEMBERS {
            break;
        }
        groups.push(group);
        rest = rest.get(..group_at).unwrap_or_default();
        let before = rest.chars().next_back();
        if may_begin_after(rest) {
            let compact: String = groups.iter().rev().copied().collect();
            found.push(Candidate {
                start: group_at,
                compact: compact.to_ascii_uppercase(),
                groups: groups.iter().rev().map(|group| group.len()).collect(),
            });
        }
        let is_alike = |mark: char| joints == Joints::Any || joint.is_none_or(|own| own == mark);
        let wide =
            wide_joint(rest).filter(|(mark, _)| separators.contains(mark) && is_alike(*mark));
        match (wide, before) {
            (Some((mark, shorter)), _) => {
                joint = Some(mark);
                rest = shorter;
            }
            (None, Some(mark)) if separators.contains(&mark) && is_alike(mark) => {
                joint = Some(mark);
                rest = rest.get(..rest.len() - mark.len_utf8()).unwrap_or_default();
            }
            _ => break,
        }
    }
    found.reverse();
    found
}

/// Whether what begins here is part of the address of a page.
pub(super) fn is_in_address(text: &str, start: usize) -> bool {
    let before = text.get(..start).unwrap_or_default();
    let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    word.contains("://") || word.contains("www.")
}

/// A hyphen or slash between spaces at the end of a text, and the text before it.
fn wide_joint(text: &str) -> Option<(char, &str)> {
    [(" - ", '-'), (" / ", '/')]
        .into_iter()
        .find_map(|(joint, mark)| Some((mark, text.strip_suffix(joint)?)))
}

/// Whether a number may begin behind this: no letter or digit goes on into it, and it is no
/// later piece of something that hyphens, points or slashes join.
pub(super) fn may_begin_after(before: &str) -> bool {
    let mut letters = before.chars().rev();
    match (letters.next(), letters.next()) {
        (None, _) => true,
        // `_943 476 5919_` is set in italics; `id_943` is one word.
        (Some('_'), earlier) => earlier.is_none_or(|own| !own.is_alphanumeric() && own != '_'),
        (Some(last), _) if last.is_alphanumeric() => false,
        (Some('+'), _) => false,
        (Some('-' | '.' | ',' | '/'), Some(earlier)) => !earlier.is_ascii_digit(),
        _ => true,
    }
}
