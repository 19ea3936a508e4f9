//! Passwords: normalised (RFC 8265 section 4), hashed with Argon2id (RFC 9106).
//!
//! In: a password as typed. Out: a hash in PHC form, or whether it matches one. All of this
//! takes tens of milliseconds and 19 MiB; callers keep it off the async threads.

use std::sync::OnceLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use unicode_normalization::UnicodeNormalization;

use super::StoreError;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Longer ones are refused before they are hashed.
const PASSWORD_OCTETS: usize = 1_024;

fn argon2() -> Result<Argon2<'static>, StoreError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map_err(|error| StoreError::Hash(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// RFC 8265 section 4.2: spaces are mapped to U+0020, then NFC; no controls, not empty.
fn prepared(password: &str) -> Result<String, StoreError> {
    if password.len() > PASSWORD_OCTETS {
        return Err(StoreError::BadPassword("longer than 1024 octets"));
    }
    if password.chars().any(char::is_control) {
        return Err(StoreError::BadPassword("it holds control characters"));
    }
    let spaced = password.chars().map(|letter| if letter.is_whitespace() { ' ' } else { letter });
    let prepared: String = spaced.nfc().collect();
    match prepared.is_empty() {
        true => Err(StoreError::BadPassword("it is empty")),
        false => Ok(prepared),
    }
}

/// The hash to keep, with a fresh salt.
pub fn hash(password: &str) -> Result<String, StoreError> {
    let hash = argon2()?.hash_password(prepared(password)?.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| StoreError::Hash(error.to_string()))
}

/// Whether the password belongs to the hash. Without a hash it does the same work in vain,
/// so the time does not tell whether an account exists.
pub fn matches(password: &str, hash: Option<&str>) -> Result<bool, StoreError> {
    let typed = prepared(password);
    // What can be nobody's password costs no less time than what can.
    let octets = typed.as_ref().map_or(b"-".as_slice(), |typed| typed.as_bytes());
    let kept = match hash {
        Some(hash) => hash,
        None => nobody()?,
    };
    let kept = PasswordHash::new(kept).map_err(|_| StoreError::Damaged("password hash"))?;
    let is_right = argon2()?.verify_password(octets, &kept).is_ok();
    Ok(is_right && hash.is_some() && typed.is_ok())
}

/// A hash that belongs to nobody's password.
fn nobody() -> Result<&'static str, StoreError> {
    static NOBODY: OnceLock<String> = OnceLock::new();
    if let Some(hash) = NOBODY.get() {
        return Ok(hash);
    }
    let made = hash("nobody")?;
    Ok(NOBODY.get_or_init(|| made))
}

/// Makes ready what the first log-in would otherwise wait for.
pub fn prepare() -> Result<(), StoreError> {
    nobody().map(|_| ())
}
