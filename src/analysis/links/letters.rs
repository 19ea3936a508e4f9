//! The letters of host names: from which scripts they are, and whether anybody chose them.
//!
//! In: a host in A-labels, or one label. Out: [`Scripts`], and whether a label looks like the
//! output of a generator. Both are guesses from the form; nothing fails.

use crate::message::latin_look;

/// What the letters of a host say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scripts {
    /// ASCII.
    Plain,
    /// Letters beyond ASCII that look like nothing else.
    Foreign,
    /// Every letter of a label is of another script and looks Latin.
    LooksLatin,
    /// Letters of several scripts in one label.
    Mixed,
}

/// The scripts of a host in A-labels.
pub(super) fn scripts_of(host: &str) -> Scripts {
    let mut worst = Scripts::Plain;
    if !host.contains("xn--") {
        return worst;
    }
    let foreign_suffix = host.rsplit('.').next().is_some_and(|last| last.starts_with("xn--"));
    for label in host.split('.').filter(|label| label.starts_with("xn--")) {
        let (label, result) = idna::domain_to_unicode(label);
        if result.is_err() {
            continue;
        }
        let has = |wanted: fn(char) -> bool| label.chars().any(wanted);
        let is_look = |letter: char| latin_look(letter).is_some();
        let latin = has(is_latin);
        let looks = label.chars().filter(|letter| letter.is_alphabetic()).all(is_look);
        let kind = match () {
            () if latin && has(is_lookalike_script) => Scripts::Mixed,
            () if looks && !foreign_suffix => Scripts::LooksLatin,
            () => Scripts::Foreign,
        };
        worst = match (worst, kind) {
            (Scripts::Mixed, _) | (_, Scripts::Mixed) => Scripts::Mixed,
            (Scripts::LooksLatin, _) | (_, Scripts::LooksLatin) => Scripts::LooksLatin,
            _ => Scripts::Foreign,
        };
    }
    worst
}

/// Latin with its accents.
fn is_latin(letter: char) -> bool {
    letter.is_ascii_alphabetic()
        || matches!(letter, '\u{c0}'..='\u{24f}' | '\u{250}'..='\u{2af}' | '\u{1e00}'..='\u{1eff}')
}

/// Greek, Cyrillic, Armenian, Cherokee: scripts with letters like Latin ones.
fn is_lookalike_script(letter: char) -> bool {
    matches!(letter,
        '\u{370}'..='\u{3ff}' | '\u{400}'..='\u{52f}' | '\u{530}'..='\u{58f}'
        | '\u{13a0}'..='\u{13ff}' | '\u{1c80}'..='\u{1c8f}' | '\u{2de0}'..='\u{2dff}'
        | '\u{a640}'..='\u{a69f}' | '\u{ab70}'..='\u{abbf}')
}

/// Whether a host is named after its address, as lines of providers are: `7.2.0.192.host.test`,
/// `192-0-2-7.test`, `ip192.0.2.7.test`.
pub(super) fn is_numbered(host: &str) -> bool {
    let labels: Vec<&str> = host.split('.').take(6).collect();
    let is_octet = |text: &str| text.len() <= 3 && text.parse::<u8>().is_ok();
    let dotted = labels.len() > 5
        && labels.windows(4).take(2).any(|four| four.iter().all(|label| is_octet(label)));
    let dashed = labels.first().is_some_and(|label| {
        let numbers: Vec<&str> = label.split('-').filter(|part| is_octet(part)).collect();
        numbers.len() >= 4
    });
    dotted || dashed
}

/// Shorter labels may be anything.
const RANDOM_LETTERS: usize = 9;

/// Whether a label looks as if nobody chose it: letters and digits take turns, or more
/// consonants stand together than anybody speaks.
pub fn looks_random(label: &str) -> bool {
    if label.len() < RANDOM_LETTERS || label.starts_with("xn--") || !label.is_ascii() {
        return false;
    }
    let longest = label.split('-').max_by_key(|word| word.len()).unwrap_or_default();
    if longest.len() < RANDOM_LETTERS {
        return false;
    }
    let octets = longest.as_bytes();
    let is_digit = |octet: &u8| octet.is_ascii_digit();
    // `a1b`: a digit inside of letters, or the other way round.
    let turns = octets.windows(2).filter(|pair| match pair {
        [one, other] => is_digit(one) != is_digit(other),
        _ => false,
    });
    let turns = turns.count();
    let letters = octets.iter().filter(|octet| octet.is_ascii_alphabetic()).count();
    let vowels = octets.iter().filter(|octet| b"aeiouy".contains(octet)).count();
    let mut run = 0;
    let mut longest_run = 0;
    for octet in octets {
        let consonant = octet.is_ascii_alphabetic() && !b"aeiouy".contains(octet);
        run = if consonant { run + 1 } else { 0 };
        longest_run = longest_run.max(run);
    }
    // Short names drop their vowels: "freshrpms".
    let long = longest.len() > RANDOM_LETTERS;
    turns >= 4
        || (turns >= 3 && vowels * 4 < letters)
        || (turns >= 2 && long && vowels * 5 < letters)
        || longest_run >= 9
        || (longest_run >= 6 && long && vowels * 5 < letters)
        || (letters >= 10 && vowels * 8 < letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts() {
        let table = [
            ("example.org", Scripts::Plain),
            ("xn--bcher-kva.example", Scripts::Foreign),
            ("xn--pple-43d.com", Scripts::Mixed),
            ("xn--80ak6aa92e.com", Scripts::LooksLatin),
            ("xn--e1afmkfd.xn--p1ai", Scripts::Foreign),
            ("xn--fiqs8s.example", Scripts::Foreign),
            ("xn--99999999.example", Scripts::Plain),
        ];
        for (host, expected) in table {
            assert_eq!(scripts_of(host), expected, "{host}");
        }
    }

    #[test]
    fn hosts_named_after_lines() {
        for (host, expected) in [
            ("7.2.0.192.host.example.net", true),
            ("192-0-2-7.example.net", true),
            ("host-192-0-2-7.example.net", true),
            ("1.2.example.net", false),
            ("2024-01-02.example.net", false),
            ("192.0.2.example.net", false),
        ] {
            assert_eq!(is_numbered(host), expected, "{host}");
        }
    }

    #[test]
    fn labels_that_nobody_chose() {
        for label in
            ["bf3hiqbac4a", "vy448tg9uxl", "ctjmfl1rf56me6slyskd", "xkcjqwzvbnm", "6d67dd855q"]
        {
            assert!(looks_random(label), "{label}");
        }
        for label in [
            "example",
            "googleusercontent",
            "harbour-council",
            "stackoverflow",
            "1und1",
            "deutsche-bank",
            "schwarzwaldbahn",
            "microsoftonline",
            "mcdonalds",
            "list-manage2",
            "rhythmnblues",
            "freshrpms",
            "angstschweiss",
            "",
        ] {
            assert!(!looks_random(label), "{label}");
        }
    }
}
