//! Secrets that are handed out: session cookies, keys of the API, one-time codes.
//!
//! In: the system's random numbers. Out: texts that are safe in cookies and headers. Only
//! their SHA-256 is kept: who reads the store learns no secret. Comparison is of digests, in a
//! time that does not depend on the answer.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{digest, hmac};

/// Octets of a secret.
const OCTETS: usize = 32;
/// Letters of a code that people type: without those that are mistaken for one another.
const LETTERS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// No random numbers can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct NoRandomness;

/// A fresh secret of 256 bits, URL-safe.
pub fn fresh() -> Result<String, NoRandomness> {
    let mut octets = [0; OCTETS];
    getrandom::fill(&mut octets).map_err(|_| NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(octets))
}

/// A code that a person types, of `groups` groups of four letters: 20 bits each.
pub fn code(groups: usize) -> Result<String, NoRandomness> {
    let mut octets = vec![0; groups.saturating_mul(4)];
    getrandom::fill(&mut octets).map_err(|_| NoRandomness)?;
    let letters: Vec<char> = octets
        .iter()
        .filter_map(|octet| LETTERS.get(usize::from(octet % 32)).copied().map(char::from))
        .collect();
    Ok(letters
        .chunks(4)
        .map(|group| group.iter().collect::<String>())
        .collect::<Vec<_>>()
        .join("-"))
}

/// A code as it was typed: case, blanks and dashes do not count.
pub fn typed(code: &str) -> String {
    let letters = code.chars().filter(char::is_ascii_alphanumeric).take(64);
    letters.map(|letter| letter.to_ascii_uppercase()).collect()
}

/// What is kept of a secret: its SHA-256 in hexadecimal.
pub fn digest_of(secret: &str) -> String {
    hex(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref())
}

/// A mark that only who knows the secret can make, for one purpose.
pub fn derived(secret: &str, purpose: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    URL_SAFE_NO_PAD.encode(hmac::sign(&key, purpose.as_bytes()))
}

/// Whether two texts are the same, in a time that tells nothing of where they differ.
pub fn same(left: &str, right: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"comparison");
    hmac::verify(&key, right.as_bytes(), hmac::sign(&key, left.as_bytes()).as_ref()).is_ok()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        use std::fmt::Write as _;
        // Writing to memory cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_codes_can_be_typed_in_any_way() {
        assert_ne!(fresh().unwrap(), fresh().unwrap());
        let code = code(4).unwrap();
        assert_eq!(code.len(), 19);
        assert_eq!(typed(&code.to_lowercase().replace('-', " ")), typed(&code));
        assert!(same("a", "a") && !same("a", "b") && !same("a", ""));
        assert_ne!(derived("a", "csrf"), derived("a", "other"));
        assert_eq!(digest_of("abc").len(), 64);
    }
}
