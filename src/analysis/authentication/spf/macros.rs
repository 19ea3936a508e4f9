//! Macros in domains and explanations of SPF (RFC 7208, section 7).
//!
//! In: a macro-string. Out: [`Pattern`], which is expanded with the [`Values`] of one check.
//! What the grammar forbids is refused when it is read, never when it is expanded.

use std::fmt::Write;
use std::net::IpAddr;

/// RFC 7208, section 7.3: longer names lose labels on the left.
const DOMAIN_OCTETS: usize = 253;
/// An expansion stops growing here; explanations are cut much shorter anyway.
const EXPANSION_OCTETS: usize = 4096;

/// What the letters stand for in one check.
#[derive(Debug, Clone)]
pub(super) struct Values<'a> {
    pub(super) client: IpAddr,
    pub(super) sender_local: &'a str,
    pub(super) sender_domain: &'a str,
    pub(super) domain: &'a str,
    pub(super) helo: &'a str,
    pub(super) receiver: &'a str,
    /// The name of the client that was checked, for `p`.
    pub(super) validated: &'a str,
    pub(super) now_s: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Macro { letter: char, escaped: bool, labels: usize, reversed: bool, delimiters: String },
}

/// A macro-string that follows the grammar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Piece>);

impl Pattern {
    /// `explains` allows the letters c, r and t, which only explanations may use.
    pub(super) fn parse(text: &str, explains: bool) -> Option<Pattern> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let plain = rest.find('%').unwrap_or(rest.len());
            let (before, from) = rest.split_at(plain);
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let Some(macro_text) = from.strip_prefix('%') else { break };
            let (kind, after) = macro_text.split_at_checked(1)?;
            rest = after;
            match kind {
                "%" => pieces.push(Piece::Text("%".to_owned())),
                "_" => pieces.push(Piece::Text(" ".to_owned())),
                "-" => pieces.push(Piece::Text("%20".to_owned())),
                "{" => {
                    let (inside, after) = after.split_once('}')?;
                    pieces.push(macro_of(inside, explains)?);
                    rest = after;
                }
                _ => return None,
            }
        }
        Some(Pattern(pieces))
    }

    /// Whether the letter is used, and so must be looked up.
    pub(super) fn uses(&self, letter: char) -> bool {
        self.0
            .iter()
            .any(|piece| matches!(piece, Piece::Macro { letter: one, .. } if *one == letter))
    }

    pub(super) fn expand(&self, values: &Values<'_>) -> String {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Macro { letter, escaped, labels, reversed, delimiters } => {
                    let value = value_of(*letter, values);
                    let value = transform(&value, *labels, *reversed, delimiters);
                    match escaped {
                        true => escape_into(&mut out, &value),
                        false => out.push_str(&value),
                    }
                }
            }
            if out.len() > EXPANSION_OCTETS {
                out.truncate(out.floor_char_boundary(EXPANSION_OCTETS));
                break;
            }
        }
        out
    }
}

/// What stands between the braces: letter, digits, `r`, delimiters.
fn macro_of(inside: &str, explains: bool) -> Option<Piece> {
    let mut letters = inside.chars();
    let first = letters.next()?;
    let letter = first.to_ascii_lowercase();
    let known = match explains {
        true => "slodipvhcrt".contains(letter),
        false => "slodipvh".contains(letter),
    };
    let rest = letters.as_str();
    let digits = rest.len() - rest.trim_start_matches(|one: char| one.is_ascii_digit()).len();
    let (digits, rest) = rest.split_at(digits);
    // Section 7.3: at least one label.
    let labels = match digits {
        "" => usize::MAX,
        digits => digits.parse().unwrap_or(usize::MAX),
    };
    let (reversed, delimiters) = match rest.strip_prefix(['r', 'R']) {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let delimited = delimiters.chars().all(|one| ".-+,/_=".contains(one));
    (known && labels > 0 && delimited).then(|| Piece::Macro {
        letter,
        escaped: first.is_ascii_uppercase(),
        labels,
        reversed,
        delimiters: delimiters.to_owned(),
    })
}

fn value_of(letter: char, values: &Values<'_>) -> String {
    match letter {
        's' => format!("{}@{}", values.sender_local, values.sender_domain),
        'l' => values.sender_local.to_owned(),
        'o' => values.sender_domain.to_owned(),
        'd' => values.domain.to_owned(),
        'i' => dotted(values.client),
        'p' => values.validated.to_owned(),
        'v' => if values.client.is_ipv4() { "in-addr" } else { "ip6" }.to_owned(),
        'h' => values.helo.to_owned(),
        'c' => values.client.to_string(),
        'r' => values.receiver.to_owned(),
        't' => values.now_s.to_string(),
        _ => String::new(),
    }
}

/// IPv6 as nibbles with dots.
fn dotted(client: IpAddr) -> String {
    match client {
        IpAddr::V4(four) => four.to_string(),
        IpAddr::V6(six) => {
            let nibbles = format!("{:032X}", six.to_bits());
            let mut dotted = String::with_capacity(63);
            for (at, nibble) in nibbles.chars().enumerate() {
                if at > 0 {
                    dotted.push('.');
                }
                dotted.push(nibble);
            }
            dotted
        }
    }
}

fn transform(value: &str, labels: usize, reversed: bool, delimiters: &str) -> String {
    if labels == usize::MAX && !reversed && delimiters.is_empty() {
        return value.to_owned();
    }
    let delimiters = if delimiters.is_empty() { "." } else { delimiters };
    let mut parts: Vec<&str> = value.split(|one| delimiters.contains(one)).collect();
    if reversed {
        parts.reverse();
    }
    let skipped = parts.len().saturating_sub(labels);
    parts.get(skipped..).unwrap_or_default().join(".")
}

/// Everything but the unreserved characters of RFC 3986.
fn escape_into(out: &mut String, value: &str) {
    for octet in value.bytes() {
        match octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~') {
            true => out.push(char::from(octet)),
            false => {
                let _ = write!(out, "%{octet:02X}");
            }
        }
    }
}

/// A macro-string that expands to a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DomainSpec(Pattern);

impl DomainSpec {
    /// Section 7.1: ends in a dot and a top label, or in a macro.
    pub(super) fn parse(text: &str) -> Option<DomainSpec> {
        let pattern = Pattern::parse(text, false)?;
        let ends_well = match pattern.0.last()? {
            Piece::Macro { .. } => true,
            Piece::Text(_) => {
                // The escapes of a percent sign are macros by the grammar.
                let tail = text.strip_suffix('.').unwrap_or(text);
                let escaped = ["%%", "%_", "%-"].iter().any(|escape| text.ends_with(escape));
                escaped || tail.rsplit_once('.').is_some_and(|(_, label)| is_top_label(label))
            }
        };
        ends_well.then_some(DomainSpec(pattern))
    }

    pub(super) fn uses(&self, letter: char) -> bool {
        self.0.uses(letter)
    }

    /// The domain without its last dot, as long as a name may be.
    pub(super) fn expand(&self, values: &Values<'_>) -> String {
        let expanded = self.0.expand(values);
        let mut name = expanded.strip_suffix('.').unwrap_or(&expanded);
        while name.len() > DOMAIN_OCTETS {
            match name.split_once('.') {
                Some((_, shorter)) => name = shorter,
                None => break,
            }
        }
        name.to_owned()
    }
}

/// Letters, digits and inner hyphens, not digits only.
fn is_top_label(label: &str) -> bool {
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
    label.bytes().all(allowed)
        && label.bytes().any(|octet| !octet.is_ascii_digit())
        && !label.starts_with('-')
        && !label.ends_with('-')
}
