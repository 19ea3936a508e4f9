//! Signatures of domains: DKIM (RFC 6376, RFC 8301, RFC 8463, RFC 8616).
//!
//! In: header, body and the signers' keys. Out: one [`DkimCheck`] a signature, in the order of
//! the fields, the first few only. What a signature leaves open is not believed: `l=` shorter
//! than the body, weak keys and SHA-1 give `policy`, never `pass`.

use std::fmt;
use std::sync::Arc;

use mail_auth::common::crypto::Algorithm;

use super::keys::{Key, KeyTrouble};
use super::signed::{Bodies, Fields, Terms};
use super::tags::Tags;
use crate::mail::Domain;

/// RFC 8601, section 2.7.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DkimResult {
    /// The signature holds.
    Pass,
    /// It does not: header or body were changed, or it is forged.
    Fail,
    /// It may hold, but is of a kind that is not believed.
    Policy,
    /// It cannot be read.
    Neutral,
    /// DNS gave no answer.
    TempError,
    /// Its key cannot be used.
    PermError,
}

impl fmt::Display for DkimResult {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            DkimResult::Pass => "pass",
            DkimResult::Fail => "fail",
            DkimResult::Policy => "policy",
            DkimResult::Neutral => "neutral",
            DkimResult::TempError => "temperror",
            DkimResult::PermError => "permerror",
        })
    }
}

/// The outcome for one signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DkimCheck {
    /// What it came to.
    pub result: DkimResult,
    /// Who signed (`d=`), when that can be read.
    pub domain: Option<Domain>,
    /// Which key (`s=`).
    pub selector: String,
    /// The first letters of the signature, to tell it from others (RFC 6008).
    pub begins: String,
    /// What went wrong; empty when nothing did.
    pub why: String,
}

/// A signature whose form and body hash are right: only its key is missing.
#[derive(Debug)]
pub(super) struct Pending<'m> {
    field: (&'m [u8], &'m [u8]),
    tags: Tags<'m>,
    terms: Terms,
    identity_is_below: bool,
}

/// A signature before its key is known.
#[derive(Debug)]
pub(super) enum Looked<'m> {
    Done(DkimCheck),
    Pending(Pending<'m>),
}

impl<'m> Pending<'m> {
    pub(super) fn key_name(&self) -> (String, Domain) {
        (self.terms.selector.clone(), self.terms.domain.clone())
    }
}

/// Reads the first `limit` signatures and compares body hashes.
pub(super) fn look<'m>(
    fields: &Fields<'m>,
    body: &[u8],
    bodies: &mut Bodies,
    limit: usize,
    now_s: u64,
) -> Vec<Looked<'m>> {
    let signatures = fields.named("dkim-signature");
    signatures.into_iter().take(limit).map(|field| look_at(field, body, bodies, now_s)).collect()
}

fn look_at<'m>(
    field: (&'m [u8], &'m [u8]),
    body: &[u8],
    bodies: &mut Bodies,
    now_s: u64,
) -> Looked<'m> {
    let mut check = DkimCheck {
        result: DkimResult::Neutral,
        domain: None,
        selector: String::new(),
        begins: String::new(),
        why: String::new(),
    };
    let tags = match Tags::parse(field.1) {
        Ok(tags) => tags,
        Err(why) => return Looked::Done(DkimCheck { why: why.into(), ..check }),
    };
    check.domain = super::signed::domain(&tags).ok();
    check.selector = super::signed::selector(&tags).unwrap_or_default();
    check.begins = tags.squeezed("b").unwrap_or_default().chars().take(8).collect();
    let done =
        |result, why: &str| Looked::Done(DkimCheck { result, why: why.into(), ..check.clone() });
    let terms = match read(&tags) {
        Ok(terms) => terms,
        Err(why) => return done(DkimResult::Neutral, why),
    };
    let identity_is_below = match identity(&tags, &terms.domain) {
        Ok(below) => below,
        Err(why) => return done(DkimResult::Neutral, why),
    };
    if terms.expires_s.is_some_and(|expires| expires <= now_s) {
        return done(DkimResult::Fail, "it has expired");
    }
    let digest = bodies.digest(&terms, body);
    match terms.length {
        // What follows could be anybody's: RFC 6376, section 8.2.
        Some(length) if length < digest.octets => {
            done(DkimResult::Policy, "it leaves the end of the body unsigned (l=)")
        }
        Some(length) if length > digest.octets => {
            done(DkimResult::Fail, "the body is shorter than what was signed")
        }
        _ if digest.hash != terms.body_hash => {
            done(DkimResult::Fail, "the body was changed after it was signed")
        }
        _ => Looked::Pending(Pending { field, tags, terms, identity_is_below }),
    }
}

/// Section 6.1.1.
fn read(tags: &Tags<'_>) -> Result<Terms, &'static str> {
    match tags.squeezed("v").as_deref() {
        Some("1") => {}
        Some(_) => return Err("an unknown version"),
        None => return Err("no version"),
    }
    let methods = tags.squeezed("q").unwrap_or_else(|| "dns/txt".into());
    if !methods.split(':').any(|method| method.eq_ignore_ascii_case("dns/txt")) {
        return Err("its key is not in DNS");
    }
    let terms = Terms::read(tags)?;
    match terms.covers("from") {
        true => Ok(terms),
        false => Err("it does not cover From"),
    }
}

/// `i=` must be of the domain or below it; whether it is below.
fn identity(tags: &Tags<'_>, domain: &Domain) -> Result<bool, &'static str> {
    let Some(identity) = tags.squeezed("i") else { return Ok(false) };
    // The at sign may be written as `=40`.
    let identity = unquoted(&identity);
    let host = identity.rsplit_once('@').map_or(identity.as_str(), |(_, host)| host);
    match Domain::parse(host) {
        Ok(host) if host.is_within(domain) => Ok(host != *domain),
        _ => Err("its identity (i=) is not of its domain"),
    }
}

/// Section 2.11: `=XX` stands for an octet; what does not, stands for itself.
fn unquoted(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('=') {
        octets.extend_from_slice(before.as_bytes());
        let hex = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        octets.push(hex.unwrap_or(b'='));
        rest = if hex.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    octets.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&octets).into_owned()
}

/// Verifies with the key.
pub(super) fn conclude(
    looked: Looked<'_>,
    fields: &Fields<'_>,
    key: Option<&Result<Arc<Key>, KeyTrouble>>,
) -> DkimCheck {
    let pending = match looked {
        Looked::Done(check) => return check,
        Looked::Pending(pending) => pending,
    };
    let (result, why) = verify(&pending, fields, key);
    DkimCheck {
        result,
        domain: Some(pending.terms.domain),
        selector: pending.terms.selector,
        begins: pending.tags.squeezed("b").unwrap_or_default().chars().take(8).collect(),
        why,
    }
}

fn verify(
    pending: &Pending<'_>,
    fields: &Fields<'_>,
    key: Option<&Result<Arc<Key>, KeyTrouble>>,
) -> (DkimResult, String) {
    let (terms, tags) = (&pending.terms, &pending.tags);
    let key = match key {
        Some(Ok(key)) => key,
        Some(Err(KeyTrouble::Temporary(why))) => return (DkimResult::TempError, why.clone()),
        Some(Err(KeyTrouble::Unusable(why))) => return (DkimResult::PermError, (*why).into()),
        None => return (DkimResult::TempError, "no time to ask for its key".into()),
    };
    if !key.allows(terms.algorithm) {
        return (DkimResult::PermError, "its key is not for its algorithm".into());
    }
    if key.strict_identity && pending.identity_is_below {
        return (DkimResult::PermError, "its key is not for names below its domain".into());
    }
    let holds = fields.verifies(pending.field, tags, terms, key);
    match () {
        // Such keys are not even tried.
        () if key.weak => (DkimResult::Policy, "its key has fewer than 1024 bits".into()),
        // Section 3.6.1: of a signer who tests, a broken signature is as none.
        () if !holds && key.testing => {
            (DkimResult::Neutral, "it does not hold, and its signer is testing".into())
        }
        () if !holds => {
            (DkimResult::Fail, "the header was changed after it was signed, or it is forged".into())
        }
        // RFC 8301, section 3.1.
        () if terms.algorithm == Algorithm::RsaSha1 => {
            (DkimResult::Policy, "it was made with SHA-1".into())
        }
        () => (DkimResult::Pass, String::new()),
    }
}
