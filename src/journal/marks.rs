//! How texts of events are compared: addresses, domains, words of subjects, names of rules and
//! of viruses.
//!
//! In: texts as the events hold them. Out: the forms under which the index keeps them and
//! criteria ask for them. Both sides use the same functions, so they can not disagree; a
//! change of what they return needs a new version of the index.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Words of one subject that are kept.
const WORDS: usize = 100;
/// Characters of a word that count.
const WORD_CHARS: usize = 40;

/// The form in which addresses are kept and searched: lower case, one line.
pub(super) fn folded(address: &str) -> String {
    if address.is_ascii() {
        let mut plain = address.to_ascii_lowercase();
        if plain.bytes().any(|octet| octet.is_ascii_control()) {
            plain = plain.replace(|letter: char| letter.is_control(), "?");
        }
        return plain;
    }
    let plain = |letter: char| if letter.is_control() { '?' } else { letter };
    address.to_lowercase().chars().map(plain).collect()
}

/// The domain of a path, in lower case. Paths hold domains as A-labels.
pub(super) fn domain_of(path: &str) -> Option<String> {
    let (_, domain) = path.rsplit_once('@')?;
    let domain = folded(domain.trim_end_matches(['>', '.']));
    (!domain.is_empty()).then_some(domain)
}

/// The distinct words of a text: lower case, without accents. Signs that are written without
/// spaces between words are words of their own.
pub(super) fn words_of(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut put = |word: &mut String| {
        if !word.is_empty() && words.len() < WORDS {
            let word = std::mem::take(word);
            if !words.contains(&word) {
                words.push(word);
            }
        }
        word.clear();
    };
    let mut length = 0;
    for letter in text.nfkd().filter(|letter| !is_combining_mark(*letter)) {
        if !letter.is_alphanumeric() {
            put(&mut word);
            length = 0;
        } else if is_own_word(letter) {
            put(&mut word);
            word.push(letter);
            put(&mut word);
            length = 0;
        } else if length < WORD_CHARS {
            word.extend(letter.to_lowercase());
            length += 1;
        }
    }
    put(&mut word);
    words
}

/// Kana, Han and their like: UAX 24's scripts without spaces between words.
fn is_own_word(letter: char) -> bool {
    matches!(letter,
        '\u{0e00}'..='\u{0eff}'
            | '\u{1000}'..='\u{109f}'
            | '\u{1780}'..='\u{17ff}'
            | '\u{3040}'..='\u{30ff}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{20000}'..='\u{3ffff}')
}

/// The rule of policy that a finding tells of. The words are those of room policy.
pub(super) fn rule_of(finding: &str, detail: &str) -> Option<String> {
    let quoted = match finding {
        "POLICY_RULE" => detail.strip_prefix("the rule ")?,
        // A stranger's file name may stand before it.
        "ATTACHMENT_RULE" => {
            let words = "by the rule ";
            detail.get(detail.rfind(words)? + words.len()..)?
        }
        _ => return None,
    };
    unquoted(quoted)
}

/// What `{:?}` made of a text, at the beginning of `quoted`.
fn unquoted(quoted: &str) -> Option<String> {
    let mut letters = quoted.strip_prefix('"')?.chars();
    let mut text = String::new();
    loop {
        match letters.next()? {
            '"' => return Some(text),
            '\\' => text.push(match letters.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                '0' => '\0',
                'u' => {
                    let code: String =
                        letters.by_ref().skip(1).take_while(|one| *one != '}').collect();
                    char::from_u32(u32::from_str_radix(&code, 16).ok()?)?
                }
                other => other,
            }),
            letter => text.push(letter),
        }
    }
}

/// The virus that a finding tells of. The words are those of room analysis.
pub(super) fn virus_of<'t>(finding: &str, detail: &'t str) -> Option<&'t str> {
    // A stranger's file name may stand before it.
    let name = match finding {
        "VIRUS_FOUND" | "FOUND_LATER" if detail.contains("signature ") => {
            detail.rsplit("signature ").next()?
        }
        "FOUND_LATER" => detail.strip_prefix("digest list ")?,
        "DIGEST_BLOCKED" => {
            let (before, digest) = detail.rsplit_once("SHA-256 ")?;
            let name = before.strip_suffix(", ").and_then(|before| before.rsplit(": ").next());
            name.filter(|name| !name.is_empty()).unwrap_or(digest)
        }
        _ => return None,
    };
    let name = name.trim();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_read_as_words() {
        let table = [
            ("", vec![]),
            ("Re: Rechnung Nr. 4711!", vec!["re", "rechnung", "nr", "4711"]),
            ("Übergrößenträger RÉSUMÉ", vec!["ubergroßentrager", "resume"]),
            ("a a A", vec!["a"]),
            ("見積書 v2", vec!["見", "積", "書", "v2"]),
            ("ﬁne１", vec!["fine1"]),
            ("\u{202e}evil\u{0}x", vec!["evil", "x"]),
        ];
        for (text, words) in table {
            assert_eq!(words_of(text), words, "{text:?}");
        }
        assert_eq!(words_of(&"x".repeat(10_000)), ["x".repeat(WORD_CHARS)]);
        let many: String = (0..1_000).map(|number| format!("w{number} ")).collect();
        assert_eq!(words_of(&many).len(), WORDS);
    }

    #[test]
    fn rules_and_viruses_are_read_from_what_their_rooms_write() {
        let rule = |name: &str, detail: String| rule_of(name, &detail);
        for name in ["keep", "say \"no\"", "a\\b", "tab\tend", "\u{202e}x", "ä"] {
            let policy = format!("the rule {name:?}: quarantine (for 1 of 2 recipients)");
            assert_eq!(rule("POLICY_RULE", policy), Some(name.into()));
            let path = "by the rule \"forged\".exe";
            let attachment = format!("{path}: taken out by the rule {name:?}");
            assert_eq!(rule("ATTACHMENT_RULE", attachment), Some(name.into()));
        }
        assert_eq!(rule("POLICY_RULE", "the rule \"cut".into()), None);
        assert_eq!(rule("OTHER", "the rule \"x\": y".into()), None);
        let table = [
            ("VIRUS_FOUND", "signature Eicar-Test", Some("Eicar-Test")),
            ("VIRUS_FOUND", "signature x.zip/a: signature Win.Test-1", Some("Win.Test-1")),
            ("VIRUS_FOUND", "", None),
            ("DIGEST_BLOCKED", "a: b.exe: Bad.File, SHA-256 00ff", Some("Bad.File")),
            ("DIGEST_BLOCKED", "b.exe: SHA-256 00ff", Some("00ff")),
            ("FOUND_LATER", "signature Late.One", Some("Late.One")),
            ("FOUND_LATER", "digest list Mine", Some("Mine")),
            ("SPF_FAIL", "signature X", None),
        ];
        for (name, detail, virus) in table {
            assert_eq!(virus_of(name, detail), virus, "{name} {detail}");
        }
    }

    #[test]
    fn domains_are_what_stands_behind_the_last_at_sign() {
        let table = [
            ("a@B.Test", Some("b.test")),
            ("\"x@evil.test\"@b.test", Some("b.test")),
            ("a@b.test.", Some("b.test")),
            ("", None),
            ("postmaster", None),
            ("a@", None),
            ("a@[192.0.2.1]", Some("[192.0.2.1]")),
        ];
        for (path, domain) in table {
            assert_eq!(domain_of(path).as_deref(), domain, "{path}");
        }
    }
}
