//! Distinguished names as they are compared (RFC 4514, RFC 4518 in the parts that matter).
//!
//! In: a name as a directory or an administrator writes it. Out: [`key`], the same for names
//! that differ in case, in spaces around their parts, in the way they are escaped or in the
//! order of a part's several values. A text that is no name is compared as it is, in small
//! letters. Never fails; work grows with the length, which is limited.

/// Longer names are cut: nobody's group has one.
const OCTETS: usize = 4_096;

/// The form under which names are compared.
pub fn key(name: &str) -> String {
    let mut end = name.len().min(OCTETS);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let name = name.get(..end).unwrap_or_default();
    let parts = split(name, |letter| letter == ',' || letter == ';');
    let keys: Option<Vec<String>> = parts.iter().map(|part| part_key(part)).collect();
    match keys {
        Some(keys) => keys.join(","),
        None => name.trim().to_lowercase(),
    }
}

fn part_key(part: &str) -> Option<String> {
    let mut values: Vec<String> = split(part, |letter| letter == '+')
        .iter()
        .map(|one| {
            let (attribute, value) = one.split_once('=')?;
            let attribute = attribute.trim().to_lowercase();
            let attribute = attribute.strip_prefix("oid.").unwrap_or(&attribute);
            (!attribute.is_empty()).then(|| format!("{attribute}={}", value_key(value)))
        })
        .collect::<Option<_>>()?;
    values.sort();
    Some(values.join("+"))
}

/// Pieces between separators that are neither escaped nor quoted.
fn split(text: &str, is_separator: impl Fn(char) -> bool) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut begun, mut is_escaped, mut is_quoted) = (0, false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if is_separator(letter) && !is_quoted => {
                pieces.push(text.get(begun..at).unwrap_or_default());
                begun = at + letter.len_utf8();
            }
            _ => {}
        }
    }
    pieces.push(text.get(begun..).unwrap_or_default());
    pieces
}

/// Unescaped, spaces at the ends gone and inner ones single, in small letters; what would be
/// taken for a separator is escaped again.
fn value_key(value: &str) -> String {
    let plain = unescaped(value.trim());
    let words: Vec<&str> = plain.split_whitespace().collect();
    let mut key = String::with_capacity(plain.len());
    for letter in words.join(" ").to_lowercase().chars() {
        if matches!(letter, ',' | '+' | '\\' | '=' | '"' | ';') {
            key.push('\\');
        }
        key.push(letter);
    }
    key
}

fn unescaped(value: &str) -> String {
    let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let octets = quoted.unwrap_or(value).as_bytes();
    let mut plain = Vec::with_capacity(octets.len());
    let mut at = 0;
    while let Some(octet) = octets.get(at) {
        let pair = octets.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        let hex = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match (octet, hex, octets.get(at + 1)) {
            (b'\\', Some(hex), _) => {
                plain.push(hex);
                at += 3;
            }
            (b'\\', None, Some(next)) => {
                plain.push(*next);
                at += 2;
            }
            _ => {
                plain.push(*octet);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_the_same_have_one_key() {
        let table: [&[&str]; 6] = [
            &[
                "cn=Finance,ou=Groups,dc=x,dc=test",
                "CN=finance, OU=groups , DC=X;DC=test",
                "cn=\"Finance\",ou=Groups,dc=x,dc=test",
                r"cn=\46inance,ou=Groups,dc=x,dc=test",
            ],
            &[r"cn=Smith\, Ann,dc=x", "cn=\"Smith, Ann\",dc=x", r"cn=Smith\2c Ann,dc=x"],
            &["cn=a+uid=b,dc=x", "uid=b+cn=a,dc=x"],
            &["cn=two  words,dc=x", "cn= two words ,dc=x"],
            &["cn=gr\u{fc}n", r"cn=gr\c3\bcn", "CN=GR\u{dc}N"],
            &["no name", "No Name "],
        ];
        for same in table {
            let keys: Vec<String> = same.iter().map(|name| key(name)).collect();
            assert!(keys.iter().all(|one| Some(one) == keys.first()), "{keys:?}");
        }
        let different = [r"cn=a\,b,dc=x", "cn=a,b=x,dc=x", "cn=a,dc=x", "cn=b,dc=x", "cn=a"];
        for (at, one) in different.iter().enumerate() {
            for other in different.iter().skip(at + 1) {
                assert_ne!(key(one), key(other));
            }
        }
    }

    #[test]
    fn hostile_names_do_no_harm() {
        for name in ["", "\\", "cn=\\", "cn=\\f", "=", ",,,", "cn=\"", "\u{fc}\\\u{fc}", "+=+"] {
            let _ = key(name);
        }
        assert!(key(&"cn=\u{fc},".repeat(100_000)).len() <= 2 * OCTETS);
        // A name that is a key already stays what it is.
        for name in [r"cn=a\,b\+c\\d,dc=x", "cn=a", r"cn=\c3\28"] {
            assert_eq!(key(&key(name)), key(name));
        }
    }
}
