//! Keys: private ones in PEM and the like, and those of Amazon Web Services.
//!
//! Standards: RFC 7468 (textual encodings), RFC 9580 section 6.2 (OpenPGP armour), PuTTY's key
//! file format, AWS's documented identifiers of access keys.

use super::Valid;
use super::credentials::entropy_bits;
use super::tail::trimmed;

/// A header that begins a private key; what follows it, if anything, must be one.
pub(super) fn private_key(text: &str) -> Option<Valid> {
    let putty = text.rfind("PuTTY-User-Key-File-");
    let pem = text.rfind("-----BEGIN ").or_else(|| text.rfind("---- BEGIN "));
    let start = pem.into_iter().chain(putty).max()?;
    let own = text.get(start..)?;
    let (label, body) = match own.strip_prefix("PuTTY-User-Key-File-") {
        Some(rest) => (own.get(..21)?, rest.get(1..)?.trim_start_matches(':')),
        None => {
            let rest = own.trim_start_matches('-').trim_start();
            let (label, body) = rest.split_at_checked(rest.find("----")?)?;
            if !is_private_label(label.trim()) {
                return None;
            }
            (label.trim(), body.trim_start_matches('-'))
        }
    };
    let body = body.trim();
    if !body.is_empty() && !begins_key(body) {
        return None;
    }
    let first: String = body.chars().take(32).collect();
    Some(Valid { start, normal: format!("{label} {first}") })
}

/// RFC 7468 sections 10 and 11, and what OpenSSL, OpenSSH and OpenPGP write.
fn is_private_label(label: &str) -> bool {
    const LABELS: [&str; 9] = [
        "BEGIN PRIVATE KEY",
        "BEGIN ENCRYPTED PRIVATE KEY",
        "BEGIN RSA PRIVATE KEY",
        "BEGIN EC PRIVATE KEY",
        "BEGIN DSA PRIVATE KEY",
        "BEGIN OPENSSH PRIVATE KEY",
        "BEGIN PGP PRIVATE KEY BLOCK",
        "BEGIN SSH2 ENCRYPTED PRIVATE KEY",
        "BEGIN ANY PRIVATE KEY",
    ];
    LABELS.contains(&label)
}

/// The first line of a key, or of the fields that stand before it.
fn begins_key(body: &str) -> bool {
    const FIELDS: [&str; 8] =
        ["Proc-Type", "DEK-Info", "Version:", "Comment:", "Charset:", "ssh-", "ecdsa-", "Hash:"];
    // Letters as `\n` within a string of a program.
    let body = body.trim_start_matches(['\\', 'n', 'r', '"', ' ']);
    let run = body.find(|letter: char| !letter.is_ascii_alphanumeric() && !"+/=".contains(letter));
    let first = body.get(..run.unwrap_or(body.len())).unwrap_or_default();
    FIELDS.iter().any(|field| body.starts_with(field))
        || first.len() >= 12 && entropy_bits(first) > 2.0
        // The end of the match may lie within the first line.
        || run.is_none() && !first.is_empty()
}

/// The identifier of an access key: a known prefix and sixteen characters of base 32.
pub(super) fn aws_access_key(text: &str) -> Option<Valid> {
    const PREFIXES: [&str; 3] = ["AKIA", "ASIA", "ABIA"];
    let text = trimmed(text);
    let at = text.trim_end_matches(|letter: char| letter.is_ascii_alphanumeric()).len();
    let key = text.get(at..)?;
    let body = PREFIXES.iter().find_map(|prefix| key.strip_prefix(prefix))?;
    let is_base_32 =
        body.bytes().all(|octet| octet.is_ascii_uppercase() || (b'2'..=b'7').contains(&octet));
    // AWS's own sample keys end in EXAMPLE and hold digits that base 32 has not.
    let is_sample = body.ends_with("EXAMPLE")
        && body.bytes().all(|octet| octet.is_ascii_uppercase() || octet.is_ascii_digit());
    let holds = body.len() == 16 && (is_base_32 || is_sample) && entropy_bits(body) > 2.0;
    holds.then(|| Valid { start: at, normal: key.to_owned() })
}

/// A secret access key: forty characters of base 64 that look drawn by lot.
pub(super) fn aws_secret_key(text: &str) -> Option<Valid> {
    let text = text.trim_end_matches([' ', '"', '\'', '`', ';', ',', '.', ')', '<', '>']);
    let is_own = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '/');
    let at = text.trim_end_matches(is_own).len();
    let key = text.get(at..)?;
    let has = |kind: fn(&u8) -> bool| key.bytes().filter(kind).count();
    let is_mixed = has(u8::is_ascii_uppercase) >= 4
        && has(u8::is_ascii_lowercase) >= 4
        && has(u8::is_ascii_digit) >= 1;
    let holds = key.len() == 40 && is_mixed && entropy_bits(key) >= 4.2;
    holds.then(|| Valid { start: at, normal: key.to_owned() })
}
