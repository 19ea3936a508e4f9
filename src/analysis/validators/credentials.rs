//! Secrets that only their surroundings tell: passwords in clear, values of keys and tokens,
//! passwords within addresses of servers.
//!
//! A value is taken when a person or a program could have chosen it: long enough, of several
//! kinds of characters, none of the words that stand for a value in forms and manuals.

use super::Valid;

/// Shortest and longest password that is told.
const PASSWORD_CHARACTERS: std::ops::RangeInclusive<usize> = 6..=64;

/// Words before a password, in lower case. Longer ones stand before those that they end with.
const LABELS: [&str; 27] = [
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "pass phrase",
    "passcode",
    "pass code",
    "pwd",
    "pw",
    "pass",
    "passwort",
    "kennwort",
    "mot de passe",
    "mdp",
    "contraseña",
    "senha",
    "wachtwoord",
    "login code",
    "access code",
    "pin",
    "passwd1",
    "db_pass",
    "user_pass",
    "psk",
    "wi-fi key",
    "wifi key",
    "wpa key",
];

/// What stands for a value in forms and manuals, in lower case.
const PLACEHOLDERS: [&str; 34] = [
    "your",
    "example",
    "sample",
    "changeme",
    "change_me",
    "change-me",
    "placeholder",
    "redacted",
    "removed",
    "hidden",
    "insert",
    "enter_",
    "enter-",
    "secret_here",
    "password",
    "passwd",
    "p@ssword_here",
    "xxx",
    "***",
    "...",
    "•••",
    "___",
    "---",
    "<",
    ">",
    "${",
    "{{",
    "}}",
    "%s",
    "$(",
    "null",
    "undefined",
    "dummy",
    "foobar",
];

/// Words that people do choose though they are words.
const CHOSEN: [&str; 18] = [
    "qwerty",
    "qwertyuiop",
    "letmein",
    "iloveyou",
    "swordfish",
    "dragon",
    "monkey",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "superman",
    "batman",
    "trustnoone",
    "opensesame",
    "correcthorse",
    "correcthorsebatterystaple",
    "hunter",
];

/// `password: value`, `pwd=value`, `the password is value`.
pub(super) fn password(text: &str) -> Option<Valid> {
    let text = text.trim_end();
    let word_at = text.rfind(char::is_whitespace).map_or(0, |at| {
        at + text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
    });
    let (before, word) = text.split_at_checked(word_at)?;
    // In one word with its label, or behind it.
    let joined = word.char_indices().filter(|(_, own)| matches!(own, ':' | '=' | '>')).find_map(
        |(at, _)| {
            let label_at = label_end(text.get(..word_at + at)?)?;
            Some((label_at, word.get(at + 1..)?))
        },
    );
    let (start, value, how) = match (joined, behind_label(before)) {
        (Some((start, value)), _) => (start, value, Manner::Plain),
        (None, Some((start, how))) => (start, word, how),
        (None, None) => return phrase(text),
    };
    let value = bare(value);
    let is_enough = how == Manner::Plain || is_strong(value);
    match is_plausible(value) && is_enough && !is_code(value) {
        true => Some(Valid { start, normal: value.to_owned() }),
        false => phrase(text),
    }
}

/// How a value is said to be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// A colon, an equals sign, a verb.
    Plain,
    /// A dash, which stands in titles too.
    Dash,
}

/// `passphrase: correct horse battery staple`.
fn phrase(text: &str) -> Option<Valid> {
    const LEAST: usize = 4;
    const MOST: usize = 10;
    // Words of sentences about passphrases.
    const STOP: [&str; 24] = [
        "the", "is", "are", "to", "used", "of", "your", "for", "and", "with", "not", "must",
        "should", "be", "that", "it", "in", "on", "you", "this", "was", "will", "can", "please",
    ];
    let (before, words) = text.rsplit_once([':', '='])?;
    let start = label_end(before).filter(|at| {
        let label = before.get(*at..).unwrap_or_default().to_lowercase();
        label.starts_with("passphrase") || label.starts_with("pass phrase")
    })?;
    let words = words.trim().trim_matches(['"', '\'', '.', ',']);
    let own = || words.split([' ', '-']);
    let is_word = |word: &str| {
        word.chars().count() >= 3
            && word.chars().all(char::is_alphabetic)
            && !STOP.contains(&word.to_lowercase().as_str())
    };
    let holds = (LEAST..=MOST).contains(&own().count()) && own().all(is_word);
    holds.then(|| Valid { start, normal: words.to_lowercase() })
}

/// Letters of both cases and a digit, eight characters or more.
fn is_strong(value: &str) -> bool {
    let kinds = Kinds::of(value);
    value.chars().count() >= 8 && kinds.lower > 0 && kinds.upper > 0 && kinds.digits > 0
}

/// Whether a program reads the value from elsewhere: `$DB_PASS`, `os.environ["PW"]`,
/// `getpass.getpass()`, `req.body.password`.
fn is_code(value: &str) -> bool {
    const ROOTS: [&str; 26] = [
        "os",
        "self",
        "this",
        "req",
        "request",
        "config",
        "conf",
        "cfg",
        "settings",
        "env",
        "process",
        "ctx",
        "context",
        "args",
        "params",
        "options",
        "opts",
        "app",
        "secrets",
        "vault",
        "getpass",
        "input",
        "data",
        "form",
        "user",
        "credentials",
    ];
    let is_name = |name: &str| {
        name.starts_with(|own: char| own.is_ascii_alphabetic() || own == '_')
            && name.bytes().all(|own| own.is_ascii_alphanumeric() || own == b'_')
    };
    if let Some(name) = value.strip_prefix(['$', '@', '%']) {
        let name = name.trim_end_matches('%').trim_start_matches("env:");
        let is_constant = name.bytes().all(|own| !own.is_ascii_lowercase());
        let is_plain =
            name.bytes().all(|own| !own.is_ascii_digit()) && !name.contains(char::is_uppercase);
        return is_name(name) && name.len() >= 2 && (is_constant || is_plain);
    }
    let path_ends = value
        .find(|own: char| !(own.is_ascii_alphanumeric() || own == '_' || own == '.' || own == ':'))
        .unwrap_or(value.len());
    let (path, rest) = value.split_at_checked(path_ends).unwrap_or((value, ""));
    let mut pieces = path.split(['.', ':']).filter(|piece| !piece.is_empty());
    let is_path = pieces.clone().all(is_name);
    let first = pieces.next().unwrap_or_default().to_lowercase();
    let is_rooted = ROOTS.contains(&first.as_str()) && pieces.next().is_some();
    let is_call = rest.starts_with(['(', '['])
        && (rest.len() == 1 || rest.contains([')', ']']) || path.contains(['.', '_']));
    is_path && !path.is_empty() && (is_rooted || is_call)
}

/// Where the label begins that these words before a value end with.
fn behind_label(before: &str) -> Option<(usize, Manner)> {
    let before = before.trim_end();
    let marked = before.trim_end_matches(['"', '\'', '`', '*']).trim_end();
    if let Some(rest) = marked.strip_suffix(" -") {
        return label_end(rest).map(|at| (at, Manner::Dash));
    }
    let unmarked = marked
        .strip_suffix([':', '=', '>', '\u{2192}'])
        .map(|rest| rest.trim_end_matches(['-', '=', ':', '*', ' ']));
    let bare = unmarked.unwrap_or(marked);
    let said =
        [" is", " was", " to", " now", " be"].iter().find_map(|verb| bare.strip_suffix(verb));
    let said = said.map(|rest| {
        [" is", " will"].iter().find_map(|verb| rest.strip_suffix(verb)).unwrap_or(rest)
    });
    let label = said.or(unmarked)?;
    label_end(label).or_else(|| label_of_something(label)).map(|at| (at, Manner::Plain))
}

/// Where the label begins in "password for the VPN".
fn label_of_something(text: &str) -> Option<usize> {
    const REACH: usize = 64;
    const WORDS: usize = 7;
    let mut from = text.len().saturating_sub(REACH);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let near = text.get(from..)?.to_lowercase();
    if from + near.len() != text.len() {
        return None;
    }
    [" for ", " to ", " of ", " on ", " at "].iter().find_map(|joint| {
        let at = near.rfind(joint)?;
        let what = near.get(at + joint.len()..)?;
        let is_short =
            what.split_whitespace().count() < WORDS && !what.contains(['!', '?', ';', ':']);
        is_short.then(|| label_end(text.get(..from + at)?)).flatten()
    })
}

/// Where the label at the end of a text begins.
fn label_end(text: &str) -> Option<usize> {
    let text = text.trim_end_matches([' ', '"', '\'', '*', '_', ')', ']']);
    let lower = text.to_lowercase();
    if lower.len() != text.len() {
        return None;
    }
    let at = LABELS.iter().filter_map(|label| lower.strip_suffix(label)).map(str::len).min()?;
    let earlier = text.get(..at)?.chars().next_back();
    earlier.is_none_or(|letter| !letter.is_alphanumeric() || letter == '_').then_some(at)
}

/// A value without its quotation marks and what follows it.
fn bare(value: &str) -> &str {
    let value = value.trim_start_matches(['"', '\'', '`', '(', '[', '*', ':', '=']);
    let end = value.find(['"', '\'', '`', ';', '&', '|', '<', '\\']).unwrap_or(value.len());
    let value = value.get(..end).unwrap_or_default();
    value.trim_end_matches(['.', ',', ')', ']', '*', ':'])
}

/// Kinds of characters in a value.
#[derive(Default)]
struct Kinds {
    lower: usize,
    upper: usize,
    digits: usize,
    signs: usize,
}

impl Kinds {
    fn of(value: &str) -> Kinds {
        let mut kinds = Kinds::default();
        for letter in value.chars() {
            match letter {
                _ if letter.is_lowercase() => kinds.lower += 1,
                _ if letter.is_uppercase() => kinds.upper += 1,
                _ if letter.is_numeric() => kinds.digits += 1,
                _ => kinds.signs += 1,
            }
        }
        kinds
    }

    fn letters(&self) -> usize {
        self.lower + self.upper
    }
}

fn is_plausible(value: &str) -> bool {
    let lower = value.to_lowercase();
    if !PASSWORD_CHARACTERS.contains(&value.chars().count()) || is_placeholder(&lower) {
        return false;
    }
    if CHOSEN.contains(&lower.as_str()) {
        return true;
    }
    let kinds = Kinds::of(value);
    let is_elsewhere = value.contains("://") || value.starts_with("www.") || is_address(value);
    // Words that hyphens or slashes join, and times.
    let is_words = kinds.digits == 0
        && value
            .split(['-', '/', '.', ',', '\'', '_', ':'])
            .all(|word| word.chars().all(char::is_alphabetic) && is_capitalised_or_lower(word));
    let is_mixed = kinds.letters() > 0 && kinds.digits + kinds.signs > 0
        || kinds.lower > 0 && kinds.upper > 1 && !is_capitalised_or_lower(value);
    let is_number = kinds.digits == value.len();
    !is_elsewhere && !is_words && (is_mixed || is_number)
}

fn is_capitalised_or_lower(word: &str) -> bool {
    word.chars().skip(1).all(char::is_lowercase) || word.chars().all(char::is_uppercase)
}

fn is_address(value: &str) -> bool {
    super::contact::email_address(value).is_some_and(|valid| valid.start == 0)
        && value.rsplit('.').next().is_some_and(|top| {
            matches!(
                top,
                "com" | "org" | "net" | "uk" | "gov" | "edu" | "info" | "eu" | "de" | "test"
            )
        })
}

fn is_placeholder(lower: &str) -> bool {
    let mut letters = lower.chars();
    let first = letters.next();
    let is_same = letters.all(|letter| Some(letter) == first);
    // `password1` is a password, `password` alone is a label.
    let word = |word: &str| match word {
        "password" | "passwd" => lower == word || lower.contains("password_"),
        _ => lower.contains(word),
    };
    is_same || PLACEHOLDERS.into_iter().any(word)
}

/// Bits a character, by how often each stands in the text (Shannon).
pub(super) fn entropy_bits(text: &str) -> f64 {
    let mut counts = [0u32; 256];
    for octet in text.bytes() {
        if let Some(count) = counts.get_mut(usize::from(octet)) {
            *count += 1;
        }
    }
    let total = text.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / total;
            -share * share.log2()
        })
        .sum()
}

/// The value of a key or token: sixteen characters or more that look drawn by lot.
pub(super) fn random_secret(text: &str) -> Option<Valid> {
    let text = text.trim_end_matches([' ', '"', '\'', '`', ';', ',', ')', '.', '<', '>']);
    let is_own = |letter: char| letter.is_ascii_alphanumeric() || "+/_-=.~".contains(letter);
    let at = text.trim_end_matches(is_own).len();
    let run = text.get(at..)?;
    // The label may be one word with the value.
    let padded = run.trim_end_matches('=');
    let value_at = padded.rfind('=').map_or(0, |own| own + 1);
    let value = run.get(value_at..)?;
    let kinds = Kinds::of(value);
    let is_hexadecimal = value.bytes().all(|octet| octet.is_ascii_hexdigit());
    let enough = if is_hexadecimal { 3.0 } else { 3.4 };
    let is_random = kinds.digits >= 2
        && kinds.letters() >= 4
        && entropy_bits(value) >= enough
        && !is_placeholder(&value.to_lowercase());
    let is_long = (16..=90).contains(&value.len());
    (is_long && is_random).then(|| Valid { start: at + value_at, normal: value.to_owned() })
}

/// `scheme://user:password@` of an address.
pub(super) fn url_password(text: &str) -> Option<Valid> {
    let text = text.trim_end();
    let authority_at = text.rfind("://")?;
    let scheme_at = text
        .get(..authority_at)?
        .trim_end_matches(|letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
        .len();
    let authority = text.get(authority_at + 3..)?;
    let (user, rest) = authority.split_once(':')?;
    let (password, host) = rest.rsplit_once('@')?;
    let is_user = user.len() <= 64 && !user.contains(['/', '?', '#', ' ', '@', '[']);
    let is_plain = !password.contains(['/', '?', '#', ' ', '<', '{', '[', '$', '*']);
    let lower = password.to_lowercase();
    let is_secret = (4..=64).contains(&password.len())
        && !is_placeholder(&lower)
        && !matches!(lower.as_str(), "pass" | "pwd" | "secret" | "user" | "pass123");
    let is_host =
        host.is_empty() || host.starts_with(|letter: char| letter.is_ascii_alphanumeric());
    let holds = scheme_at < authority_at && is_user && is_plain && is_secret && is_host;
    holds.then(|| Valid { start: scheme_at, normal: format!("{user}:{password}") })
}
