//! Ways to reach somebody: mail addresses and telephone numbers; rules count them.
//!
//! Standards: RFC 5321 section 4.1.2 (the dot-string form only), ITU-T E.164, Ofcom's national
//! numbering plan.

use super::Valid;
use super::tail::trimmed;

/// Octets of an address that is told; longer ones do not fit before the end of a match.
const ADDRESS_OCTETS: usize = 90;

/// A mail address.
pub(super) fn email_address(text: &str) -> Option<Valid> {
    let text = trimmed(text);
    let is_domain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-');
    let domain_at = text.trim_end_matches(is_domain).len();
    let domain = text.get(domain_at..)?;
    let before = text.get(..domain_at)?.strip_suffix('@')?;
    // RFC 5322 section 3.2.3, without those that rather surround an address.
    let is_local =
        |letter: char| letter.is_ascii_alphanumeric() || "!#$%&*+-./?^_~".contains(letter);
    let local_at = before.trim_end_matches(is_local).len();
    let local =
        before.get(local_at..)?.trim_start_matches(['.', '/', '-', '*', '_', '!', '#', '?']);
    let start = before.len() - local.len();
    let follows = before.get(..start)?.chars().next_back().is_some_and(char::is_alphanumeric);
    let is_dotted = |text: &str| text.split('.').all(|label| !label.is_empty());
    let is_name = is_dotted(domain)
        && domain.split('.').all(|label| !label.starts_with('-') && !label.ends_with('-'))
        && domain.rsplit('.').next().is_some_and(|top| {
            let is_word = top.bytes().all(|octet| octet.is_ascii_alphabetic());
            top.len() >= 2 && (is_word || top.starts_with("xn--"))
        })
        && domain.contains('.');
    let holds = !follows && is_name && is_dotted(local) && local.len() <= 64;
    let normal = format!("{local}@{domain}").to_ascii_lowercase();
    (holds && normal.len() <= ADDRESS_OCTETS).then_some(Valid { start, normal })
}

/// The address of a person: no number of a message, which has the same form.
pub(super) fn person_address(text: &str) -> Option<Valid> {
    const NAMES: [&str; 6] =
        ["message-id:", "references:", "in-reply-to:", "content-id:", "msgid:", "cid:"];
    let found = email_address(text)?;
    let before = text.get(..found.start)?.trim_end_matches(['<', ' ', '"']).to_ascii_lowercase();
    let is_named = NAMES.iter().any(|name| before.ends_with(name));
    let local = found.normal.split('@').next().unwrap_or_default();
    (!is_named && !is_drawn(local)).then_some(found)
}

/// Whether the part before the `@` was made by a program: many digits among other signs, or long
/// and with digits all over.
fn is_drawn(local: &str) -> bool {
    const MOST_DIGITS: usize = 8;
    const LONG: usize = 24;
    let digits = local.bytes().filter(u8::is_ascii_digit).count();
    let is_number = digits == local.len();
    let hexadecimal =
        local.split(|own: char| !own.is_ascii_hexdigit()).map(str::len).max().unwrap_or_default();
    match is_number {
        // Numbers of students, telephones.
        true => digits > 11,
        false => {
            digits > MOST_DIGITS
                || local.len() >= LONG && digits >= 4
                || hexadecimal >= 16
                || local.contains('$')
        }
    }
}

/// Characters of the longest way to write a number that is told.
const PHONE_CHARACTERS: usize = 26;

/// A number with its country code, or one of the United Kingdom.
pub(super) fn phone_number(text: &str) -> Option<Valid> {
    let text = trimmed(text);
    let is_own = |letter: char| letter.is_ascii_digit() || " ()-./+".contains(letter);
    let span_at = text.trim_end_matches(is_own).len();
    let earliest = span_at.max(text.len().saturating_sub(PHONE_CHARACTERS));
    let begins = (earliest..text.len()).filter(|at| begins_number(text, *at));
    for start in begins {
        let written = text.get(start..)?;
        if let Some(normal) = Some(written).filter(|own| is_spaced(own)).and_then(international) {
            return Some(Valid { start, normal });
        }
    }
    None
}

/// One of the United Kingdom only.
pub(super) fn uk_phone_number(text: &str) -> Option<Valid> {
    phone_number(text).filter(|valid| valid.normal.starts_with("+44"))
}

fn begins_number(text: &str, at: usize) -> bool {
    let (Some(before), Some(rest)) = (text.get(..at), text.get(at..)) else { return false };
    let earlier = before.chars().next_back();
    let goes_on = earlier.is_some_and(|letter| {
        letter.is_alphanumeric() || matches!(letter, '+' | '-' | '.' | '/' | '_')
    });
    // `(+44)` and `(020)` begin with their bracket.
    rest.starts_with(['+', '0', '(']) && !goes_on && (earlier != Some('(') || is_paired(rest))
}

/// At most a space beside another separator, brackets in pairs.
fn is_spaced(written: &str) -> bool {
    let mut separators = 0;
    for letter in written.chars() {
        separators = match letter {
            ' ' | '-' | '.' | '/' => separators + 1,
            '(' | ')' => separators,
            _ => 0,
        };
        if separators > 2 {
            return false;
        }
    }
    is_paired(written) && written.matches('(').count() <= 1 && written.matches('+').count() <= 1
}

fn is_paired(written: &str) -> bool {
    written.matches('(').count() == written.matches(')').count()
}

/// E.164 form.
fn international(written: &str) -> Option<String> {
    let bare = written.replace("(0)", "");
    let digits: String = bare.chars().filter(char::is_ascii_digit).collect();
    let plus = bare.trim_start_matches('(').starts_with('+');
    let own = match plus {
        true => Some(digits.as_str()),
        false => digits.strip_prefix("00"),
    };
    match own {
        Some(own) => match own.strip_prefix("44") {
            Some(national) => {
                let national = national.strip_prefix('0').unwrap_or(national);
                is_national(national).then(|| format!("+44{national}"))
            }
            // ITU-T E.164 section 6: fifteen digits; nobody has fewer than seven.
            None => {
                let least = if plus { 8 } else { 10 };
                let is_number = (least..=15).contains(&own.len()) && !own.starts_with('0');
                is_number.then(|| format!("+{own}"))
            }
        },
        None => {
            let national = digits.strip_prefix('0').filter(|_| !bare.contains('+'))?;
            is_national(national).then(|| format!("+44{national}"))
        }
    }
}

/// Ofcom's plan, without the leading 0.
fn is_national(digits: &str) -> bool {
    let third = digits.as_bytes().get(2).copied();
    let same = digits.bytes().skip(2).all(|octet| Some(octet) == third);
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| digits.starts_with(prefix));
    !same
        && match digits.len() {
            10 => {
                starts(&["1", "20", "23", "24", "28", "29", "3", "7", "8", "9"])
                    && !starts(&["10", "72", "73", "86", "81", "83"])
                    || starts(&["73", "72"])
            }
            9 => starts(&["1", "800", "500"]) && !starts(&["10", "11"]),
            _ => false,
        }
}
