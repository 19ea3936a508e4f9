//! What DKIM signatures and ARC message signatures have in common: the tags that say what was
//! signed, digests of the body, and the fields that a signature covers.
//!
//! In: the message's header as the whole box reads it, and its body. Out: whether a signature
//! holds. Canonical forms and the arithmetic are mail-auth's. Each digest of the body is made
//! once, whatever number of signatures asks for it.

use std::collections::HashMap;

use mail_auth::common::crypto::{Algorithm, HashAlgorithm};
use mail_auth::common::headers::{Writable, Writer};
use mail_auth::dkim::Canonicalization;
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

use super::keys::Key;
use super::tags::Tags;
use crate::mail::Domain;
use crate::message::Head;

/// Names in `h=`.
const SIGNED_FIELDS: usize = 500;

/// What a signature says of itself; RFC 6376, section 3.5.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) algorithm: Algorithm,
    pub(super) domain: Domain,
    pub(super) selector: String,
    pub(super) signature: Vec<u8>,
    pub(super) body_hash: Vec<u8>,
    pub(super) header_form: Canonicalization,
    pub(super) body_form: Canonicalization,
    /// Lower case.
    pub(super) fields: Vec<String>,
    pub(super) length: Option<u64>,
    pub(super) expires_s: Option<u64>,
}

impl Terms {
    pub(super) fn read(tags: &Tags<'_>) -> Result<Terms, &'static str> {
        let needed = |name: &'static str| tags.squeezed(name).filter(|value| !value.is_empty());
        let (header_form, body_form) = forms(tags.squeezed("c").as_deref())?;
        let fields: Vec<String> = needed("h")
            .ok_or("no list of signed fields")?
            .split(':')
            .take(SIGNED_FIELDS + 1)
            .map(str::to_ascii_lowercase)
            .collect();
        if fields.len() > SIGNED_FIELDS {
            return Err("more signed fields than any message has");
        }
        let (signed_s, expires_s) = (tags.number("t")?, tags.number("x")?);
        if signed_s.zip(expires_s).is_some_and(|(signed, expires)| expires <= signed) {
            return Err("it expires before it was made");
        }
        Ok(Terms {
            algorithm: algorithm(&needed("a").ok_or("no algorithm")?)?,
            domain: domain(tags)?,
            selector: selector(tags)?,
            signature: signature(tags)?,
            body_hash: tags.base64("bh").filter(|hash| !hash.is_empty()).ok_or("no body hash")?,
            header_form,
            body_form,
            fields,
            length: tags.number("l")?,
            expires_s,
        })
    }

    pub(super) fn covers(&self, field: &str) -> bool {
        self.fields.iter().any(|name| name == field)
    }
}

pub(super) fn algorithm(name: &str) -> Result<Algorithm, &'static str> {
    Algorithm::parse(name.as_bytes()).ok_or("an unknown algorithm")
}

/// `d=`; RFC 8616 allows U-labels.
pub(super) fn domain(tags: &Tags<'_>) -> Result<Domain, &'static str> {
    let text = tags.squeezed("d").ok_or("no domain")?;
    Domain::parse(&text).map_err(|_| "a domain that cannot be one")
}

pub(super) fn selector(tags: &Tags<'_>) -> Result<String, &'static str> {
    let text = tags.squeezed("s").ok_or("no selector")?;
    Domain::parse(&text).map(|name| name.to_string()).map_err(|_| "a selector that cannot be one")
}

pub(super) fn signature(tags: &Tags<'_>) -> Result<Vec<u8>, &'static str> {
    tags.base64("b").filter(|octets| !octets.is_empty()).ok_or("no signature in it")
}

fn forms(text: Option<&str>) -> Result<(Canonicalization, Canonicalization), &'static str> {
    let form = |name: &str| match name.to_ascii_lowercase().as_str() {
        "simple" => Ok(Canonicalization::Simple),
        "relaxed" => Ok(Canonicalization::Relaxed),
        _ => Err("an unknown canonical form"),
    };
    match text {
        None => Ok((Canonicalization::Simple, Canonicalization::Simple)),
        Some(text) => match text.split_once('/') {
            Some((header, body)) => Ok((form(header)?, form(body)?)),
            None => Ok((form(text)?, Canonicalization::Simple)),
        },
    }
}

/// A digest of the body and the octets of its canonical form.
#[derive(Debug, Clone)]
pub(super) struct BodyDigest {
    pub(super) hash: Vec<u8>,
    pub(super) octets: u64,
}

struct Meter {
    context: Context,
    octets: u64,
}

impl Writer for Meter {
    fn write(&mut self, octets: &[u8]) {
        self.octets += octets.len() as u64;
        self.context.update(octets);
    }
}

/// Digests of one body, each made when it is first asked for.
#[derive(Debug, Default)]
pub(super) struct Bodies(HashMap<(bool, bool), BodyDigest>);

impl Bodies {
    pub(super) fn digest(&mut self, terms: &Terms, body: &[u8]) -> &BodyDigest {
        let sha1 = HashAlgorithm::from(terms.algorithm) == HashAlgorithm::Sha1;
        let relaxed = terms.body_form == Canonicalization::Relaxed;
        self.0.entry((sha1, relaxed)).or_insert_with(|| {
            let kind = if sha1 { &SHA1_FOR_LEGACY_USE_ONLY } else { &SHA256 };
            let mut meter = Meter { context: Context::new(kind), octets: 0 };
            terms.body_form.canonical_body(body, 0).write(&mut meter);
            BodyDigest { hash: meter.context.finish().as_ref().to_vec(), octets: meter.octets }
        })
    }
}

/// The fields of a header by their names.
#[derive(Debug)]
pub(super) struct Fields<'m> {
    all: Vec<(&'m [u8], &'m [u8])>,
    by_name: HashMap<String, Vec<usize>>,
}

impl<'m> Fields<'m> {
    pub(super) fn of(head: &'m Head) -> Fields<'m> {
        let mut fields = Fields { all: Vec::new(), by_name: HashMap::new() };
        for (at, field) in head.fields().iter().enumerate() {
            let name = head.name(field);
            fields.all.push((name, head.value(field)));
            let key = String::from_utf8_lossy(name).to_ascii_lowercase();
            fields.by_name.entry(key).or_default().push(at);
        }
        fields
    }

    /// The fields of a name, from the top: name as written, and value.
    pub(super) fn named(&self, name: &str) -> Vec<(&'m [u8], &'m [u8])> {
        let places = self.by_name.get(name).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter_map(|at| self.all.get(*at).copied()).collect()
    }

    /// What a signature covers: of each name the lowest field that was not taken yet; what is
    /// not there counts as nothing (section 5.4.2).
    fn covered(&self, names: &[String]) -> Vec<(&'m [u8], &'m [u8])> {
        let mut taken: HashMap<&str, usize> = HashMap::new();
        let mut covered = Vec::with_capacity(names.len() + 1);
        for name in names {
            let places = self.by_name.get(name).map(Vec::as_slice).unwrap_or_default();
            let count = taken.entry(name.as_str()).or_default();
            if let Some(at) = places.len().checked_sub(*count + 1) {
                *count += 1;
                covered.extend(places.get(at).and_then(|at| self.all.get(*at)).copied());
            }
        }
        covered
    }

    /// Whether the signature in a field holds for the header.
    pub(super) fn verifies(
        &self,
        (name, value): (&[u8], &[u8]),
        tags: &Tags<'_>,
        terms: &Terms,
        key: &Key,
    ) -> bool {
        let own = tags.without(value, "b");
        let mut signed = self.covered(&terms.fields).into_iter().chain([(name, own.as_slice())]);
        let verifier = &key.verifier.p;
        verifier.verify(&mut signed, &terms.signature, terms.header_form, terms.algorithm).is_ok()
    }
}
