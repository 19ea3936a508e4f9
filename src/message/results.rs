//! The field Authentication-Results (RFC 8601, section 2.2).
//!
//! In: the value of a field. Out: [`AuthenticationResults`]: who claims to have checked, and
//! what the checks brought; nothing when the form is beyond doubt wrong. Comments, folding,
//! quotes and the version are understood wherever the grammar allows them, because a field
//! that claims to be ours and is not recognised would be believed by whoever reads it next.
//! Linear in the value, bounded in results.

/// Longer values are not read.
const VALUE_OCTETS: usize = 64 << 10;
/// More results, or properties of one result, than any field needs.
const RESULTS: usize = 100;
const PROPERTIES: usize = 30;

/// What one check brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodResult {
    /// `spf`, `dkim`, …, in lower case, without its version.
    pub method: String,
    /// `pass`, `fail`, …, in lower case.
    pub result: String,
    /// `smtp.mailfrom` and the like, in lower case, with their values.
    pub properties: Vec<(String, String)>,
}

/// A field that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticationResults {
    /// Who claims to have checked; in lower case.
    pub authserv_id: String,
    /// What it found.
    pub results: Vec<MethodResult>,
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Text(String),
    Equals,
    Semicolon,
    Slash,
}

impl AuthenticationResults {
    /// Reads the value of a field.
    pub fn parse(value: &[u8]) -> Option<AuthenticationResults> {
        let tokens = tokens(value)?;
        let mut segments = tokens.split(|token| *token == Token::Semicolon);
        let authserv_id = match segments.next()? {
            [Token::Text(id)] => id,
            // The version of the field's form.
            [Token::Text(id), Token::Text(version)] if is_number(version) => id,
            // Older writers put the version behind a slash.
            [Token::Text(id), Token::Slash, Token::Text(version)] if is_number(version) => id,
            _ => return None,
        };
        let results = segments.filter_map(result_of).take(RESULTS).collect();
        Some(AuthenticationResults { authserv_id: authserv_id.to_lowercase(), results })
    }

    /// Whether the value must be taken for a claim of the server of this name. What cannot be
    /// read might be read by somebody, so it is.
    pub fn claims(value: &[u8], authserv_id: &str) -> bool {
        let plain = |name: &str| name.trim_end_matches('.').to_lowercase();
        match AuthenticationResults::parse(value) {
            Some(field) => plain(&field.authserv_id) == plain(authserv_id),
            None => true,
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit())
}

/// `method ["/" version] "=" result *( property "=" value )`.
fn result_of(tokens: &[Token]) -> Option<MethodResult> {
    let (method, rest) = match tokens {
        [Token::Text(method), Token::Equals, rest @ ..] => (method, rest),
        [Token::Text(method), Token::Slash, Token::Text(_), Token::Equals, rest @ ..] => {
            (method, rest)
        }
        _ => return None,
    };
    let (Token::Text(result), mut rest) = rest.split_first()? else { return None };
    let mut properties = Vec::new();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let Token::Text(name) = first else { continue };
        let [Token::Equals, behind @ ..] = rest else { continue };
        let mut value = String::new();
        rest = behind;
        // A value may hold what looks like a separator.
        while let Some((next, after)) = rest.split_first() {
            match next {
                Token::Text(text) if value.is_empty() => value.push_str(text),
                Token::Slash => value.push('/'),
                Token::Equals => value.push('='),
                Token::Text(text) if value.ends_with(['/', '=']) => value.push_str(text),
                _ => break,
            }
            rest = after;
        }
        if properties.len() < PROPERTIES {
            properties.push((name.to_lowercase(), value));
        }
    }
    Some(MethodResult { method: method.to_lowercase(), result: result.to_lowercase(), properties })
}

/// Words, quoted strings without their quotes, and separators; nothing when a quote or comment
/// is never closed or a control character stands anywhere.
fn tokens(value: &[u8]) -> Option<Vec<Token>> {
    if value.len() > VALUE_OCTETS {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?;
    let mut tokens = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let ends = match letter {
            ' ' | '\t' | '\r' | '\n' => None,
            ';' => Some(Token::Semicolon),
            '=' => Some(Token::Equals),
            '/' => Some(Token::Slash),
            '(' => {
                skip_comment(&mut letters)?;
                None
            }
            '"' => {
                word.get_or_insert_default().push_str(&quoted(&mut letters)?);
                continue;
            }
            ')' => return None,
            _ if letter.is_control() => return None,
            _ => {
                word.get_or_insert_default().push(letter);
                continue;
            }
        };
        tokens.extend(word.take().map(Token::Text));
        tokens.extend(ends);
    }
    tokens.extend(word.map(Token::Text));
    Some(tokens)
}

/// RFC 5322, section 3.2.2: comments nest, and quote with a backslash.
fn skip_comment(letters: &mut std::str::Chars<'_>) -> Option<()> {
    let mut depth = 1;
    while depth > 0 {
        match letters.next()? {
            '(' => depth += 1,
            ')' => depth -= 1,
            '\\' => drop(letters.next()?),
            _ => {}
        }
    }
    Some(())
}

fn quoted(letters: &mut std::str::Chars<'_>) -> Option<String> {
    let mut inside = String::new();
    loop {
        match letters.next()? {
            '"' => return Some(inside),
            '\\' => inside.push(letters.next()?),
            '\r' | '\n' => {}
            letter if letter.is_control() && letter != '\t' => return None,
            letter => inside.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_claims_is_found_in_every_disguise() {
        let ours = [
            "mx.example.org; spf=pass",
            "MX.Example.ORG; none",
            " mx.example.org 1; spf=pass",
            "mx.example.org/1; spf=pass",
            "mx.example.org.; spf=pass",
            "\"mx.example.org\"; spf=pass",
            "\"mx.ex\\ample.org\"; spf=pass",
            "(hi) mx.example.org (there (deep) \\) ) ; dmarc=pass",
            "\r\n\tmx.example.org\r\n\t; dmarc=pass",
            "mx.example.org",
            // Not in the grammar, but somebody may read it.
            "mx.example.org dmarc=pass",
            "(mx.example.org; dmarc=pass",
            "mx.example.org\0; dmarc=pass",
            "; dmarc=pass",
            "",
        ];
        for value in ours {
            assert!(AuthenticationResults::claims(value.as_bytes(), "mx.example.org"), "{value:?}");
        }
        let others = [
            "mx.example.com; spf=pass",
            "mx.example.org.evil.test; spf=pass",
            "x.mx.example.org; spf=pass",
            "\"other (mx.example.org)\"; none",
            "other; x=mx.example.org",
            "(mx.example.org;) other; none",
        ];
        for value in others {
            assert!(
                !AuthenticationResults::claims(value.as_bytes(), "mx.example.org"),
                "{value:?}"
            );
        }
    }

    #[test]
    fn results_are_read() {
        let value =
            b" mx.test 1; SPF = Pass (sender is (really) ok) smtp.mailfrom=\"a b\"@x.test;\r\n\
            dkim/1=pass header.d=x.test header.b=abc=; dmarc=fail (p=reject; x) header.from=x.test\
            policy.y=2; junk; none";
        let field = AuthenticationResults::parse(value).unwrap();
        assert_eq!(field.authserv_id, "mx.test");
        let found: Vec<String> = field
            .results
            .iter()
            .map(|one| format!("{}={} {:?}", one.method, one.result, one.properties))
            .collect();
        assert_eq!(
            found,
            [
                r#"spf=pass [("smtp.mailfrom", "a b@x.test")]"#,
                r#"dkim=pass [("header.d", "x.test"), ("header.b", "abc=")]"#,
                r#"dmarc=fail [("header.from", "x.testpolicy.y=2")]"#,
            ]
        );
    }
}
