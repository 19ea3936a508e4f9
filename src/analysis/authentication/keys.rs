//! Public keys of signers, from DNS (RFC 6376, section 3.6; RFC 8463; RFC 8301).
//!
//! In: selector and domain. Out: [`Key`], or [`KeyTrouble`], which says whether asking again
//! may help. RSA keys of fewer than 1024 bits are found but not believed, those of more than
//! 4096 are refused, because each verification costs the time of many.

use std::sync::Arc;

use mail_auth::common::crypto::Algorithm;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;

use super::tags::Tags;
use crate::mail::Domain;
use crate::net::resolver::{DnsTrouble, Kind, Record, Resolve};

/// RFC 8301, section 3.2: shorter keys must not be believed.
const WEAKEST_BITS: usize = 1024;
/// The same section asks for support up to here.
const STRONGEST_BITS: usize = 4096;
/// Records at the name of a key that are tried.
const RECORDS: usize = 8;

/// Why there is no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyTrouble {
    /// DNS gave no answer.
    Temporary(String),
    /// There is none that can be used.
    Unusable(&'static str),
}

/// A key that may verify.
pub(super) struct Key {
    pub(super) verifier: DomainKey,
    /// Shorter than what may be believed.
    pub(super) weak: bool,
    /// `t=y`: the signer is testing.
    pub(super) testing: bool,
    /// `t=s`: the identity must be of the domain itself.
    pub(super) strict_identity: bool,
    ed25519: bool,
    sha1: bool,
    sha256: bool,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Key").field("weak", &self.weak).finish_non_exhaustive()
    }
}

impl Key {
    /// Asks for a key.
    pub(super) async fn fetch(
        resolver: Arc<dyn Resolve>,
        selector: String,
        domain: Domain,
    ) -> Result<Arc<Key>, KeyTrouble> {
        let name = format!("{selector}._domainkey.{domain}");
        let records = match resolver.records(&name, Kind::Txt).await {
            Ok(records) => records,
            Err(DnsTrouble::NoSuchDomain) => return Err(KeyTrouble::Unusable("no key in DNS")),
            Err(DnsTrouble::Temporary(why)) => return Err(KeyTrouble::Temporary(why)),
        };
        let mut trouble = "no key in DNS";
        for record in records.iter().take(RECORDS) {
            let Record::Text(text) = record else { continue };
            match Key::parse(text) {
                Ok(key) => return Ok(Arc::new(key)),
                Err(why) => trouble = why,
            }
        }
        Err(KeyTrouble::Unusable(trouble))
    }

    /// Section 3.6.1.
    fn parse(text: &str) -> Result<Key, &'static str> {
        let tags =
            Tags::parse_record(text.as_bytes()).map_err(|_| "a key record with broken tags")?;
        if let Some(version) = tags.text("v")
            && (version != "DKIM1" || tags.first_name() != Some("v"))
        {
            return Err("a key record of an unknown version");
        }
        let listed = |name: &str, wanted: &[&str]| match tags.squeezed(name) {
            None => true,
            Some(list) => list.split(':').any(|one| wanted.contains(&one)),
        };
        if !listed("s", &["*", "email"]) {
            return Err("a key that is not for mail");
        }
        let kind = tags.squeezed("k").unwrap_or_else(|| "rsa".to_owned());
        if kind != "rsa" && kind != "ed25519" {
            return Err("a key of an unknown kind");
        }
        let material = tags.squeezed("p").ok_or("a key record without a key")?;
        if material.is_empty() {
            return Err("a key that was withdrawn");
        }
        // What remains is put in the one form that cannot be misread.
        let record = format!("v=DKIM1; k={kind}; p={material}");
        let verifier = DomainKey::parse(record.as_bytes()).map_err(|_| "a key that is broken")?;
        let bits = verifier.p.public_key_bits();
        let ed25519 = kind == "ed25519";
        match (ed25519, bits) {
            (false, 0) => return Err("a key that is broken"),
            (false, _) if bits > STRONGEST_BITS => return Err("a key of more than 4096 bits"),
            _ => {}
        }
        let flags = tags.squeezed("t").unwrap_or_default();
        let flag = |name: &str| flags.split(':').any(|one| one == name);
        Ok(Key {
            verifier,
            weak: !ed25519 && bits < WEAKEST_BITS,
            testing: flag("y"),
            strict_identity: flag("s"),
            ed25519,
            sha1: listed("h", &["sha1"]),
            sha256: listed("h", &["sha256"]),
        })
    }

    /// Whether the key says that it may be used so.
    pub(super) fn allows(&self, algorithm: Algorithm) -> bool {
        match algorithm {
            Algorithm::RsaSha1 => !self.ed25519 && self.sha1,
            Algorithm::RsaSha256 => !self.ed25519 && self.sha256,
            Algorithm::Ed25519Sha256 => self.ed25519 && self.sha256,
        }
    }
}
