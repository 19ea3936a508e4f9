//! The second factor: time-based codes (RFC 6238: SHA-1, six digits, thirty seconds) and
//! recovery codes.
//!
//! Invariants: a code counts once, and none that is older than the last one used; codes of the
//! step before and after are taken, for clocks differ (RFC 6238 section 5.2). Of recovery codes
//! only digests are kept.

use serde::{Deserialize, Serialize};
use totp_rs::{Builder, Secret, Totp};

use super::PeopleError;
use super::person::Person;
use crate::store::token;

/// How many recovery codes there are.
pub const RECOVERY_CODES: usize = 10;
/// Four letters each.
const RECOVERY_GROUPS: usize = 3;
const STEP_S: u64 = 30;

/// As it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Second {
    /// Base32.
    secret: String,
    /// The step of the last code that was taken.
    last_step: u64,
    /// Digests of those not used yet.
    pub(super) recovery: Vec<String>,
}

/// A second factor that is being set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    secret: String,
}

impl Enrolment {
    /// A fresh secret.
    pub fn begin() -> Result<Enrolment, PeopleError> {
        let mut octets = [0; 20];
        getrandom::fill(&mut octets).map_err(|_| token::NoRandomness)?;
        Ok(Enrolment { secret: Secret::new(Box::new(octets)).to_base32() })
    }

    /// One that was begun before; `None` when the text is no secret.
    pub fn resumed(secret: &str) -> Option<Enrolment> {
        let enrolment = Enrolment { secret: secret.trim().to_owned() };
        totp(&enrolment.secret, "", "").map(|_| enrolment)
    }

    /// For people who type it into their app.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// For apps that read it off the screen (the key URI that authenticator apps share).
    pub fn uri(&self, person: &str, host: &str) -> Option<String> {
        // Neither part may hold a colon.
        let plain = |text: &str| text.replace(':', " ");
        totp(&self.secret, &plain(person), &plain(&format!("Postern {host}")))?.to_url().ok()
    }

    pub(super) fn completed(
        &self,
        code: &str,
        now_ms: u64,
    ) -> Result<(Second, Vec<String>), PeopleError> {
        let step = step_of(&self.secret, code, now_ms).ok_or(PeopleError::WrongCode)?;
        let codes = (0..RECOVERY_CODES)
            .map(|_| token::code(RECOVERY_GROUPS))
            .collect::<Result<Vec<_>, _>>()?;
        let recovery = codes.iter().map(|code| token::digest_of(&token::typed(code))).collect();
        Ok((Second { secret: self.secret.clone(), last_step: step, recovery }, codes))
    }
}

fn totp(secret: &str, person: &str, issuer: &str) -> Option<Totp> {
    Builder::new()
        .with_secret(Secret::try_from_base32(secret).ok()?)
        .with_account_name(person)
        .with_issuer(Some(issuer))
        .with_skew(1)
        .with_step_duration(STEP_S)
        .build()
        .ok()
}

/// The step whose code this is, among those that count now.
fn step_of(secret: &str, code: &str, now_ms: u64) -> Option<u64> {
    totp(secret, "", "")?.check(&token::typed(code), now_ms / 1000)
}

/// Uses a code up; whether it was good.
pub(super) fn spend(person: &mut Person, code: &str, now_ms: u64) -> bool {
    let Some(second) = &mut person.second else { return true };
    if let Some(step) = step_of(&second.secret, code, now_ms) {
        let is_fresh = step > second.last_step;
        second.last_step = second.last_step.max(step);
        return is_fresh;
    }
    let digest = token::digest_of(&token::typed(code));
    let before = second.recovery.len();
    second.recovery.retain(|kept| !token::same(kept, &digest));
    second.recovery.len() < before
}
