//! Chains of custody: ARC (RFC 8617).
//!
//! In: header, body and the sealers' keys. Out: [`ArcCheck`]: whether the chain holds, who
//! sealed it, and what each sealer says that it found on arrival. Whose word counts is for the
//! configuration to say. The form is checked before any key is asked for.

use std::fmt;
use std::sync::Arc;

use mail_auth::common::crypto::Algorithm;
use mail_auth::dkim::Canonicalization;

use super::keys::{Key, KeyTrouble};
use super::signed::{self, Bodies, Fields, Terms};
use super::tags::Tags;
use crate::mail::Domain;
use crate::message::AuthenticationResults;

/// RFC 8617, section 4.2.1: longer chains fail.
const SETS: usize = 50;

/// RFC 8617, section 4.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ArcResult {
    /// There is no chain.
    #[default]
    None,
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// DNS gave no answer.
    TempError,
}

impl fmt::Display for ArcResult {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            ArcResult::None => "none",
            ArcResult::Pass => "pass",
            ArcResult::Fail => "fail",
            ArcResult::TempError => "temperror",
        })
    }
}

/// What one sealer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// Who sealed.
    pub domain: Domain,
    /// What it found when the mail came to it.
    pub found: Option<AuthenticationResults>,
}

/// The outcome for the chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArcCheck {
    /// What it came to.
    pub result: ArcResult,
    /// From the first sealer to the last; only of a chain that holds.
    pub seals: Vec<Seal>,
    /// What went wrong.
    pub why: String,
}

type Field<'m> = (&'m [u8], &'m [u8]);

/// One sealer's three fields.
#[derive(Debug)]
struct Set<'m> {
    results: Field<'m>,
    message: Field<'m>,
    seal: Field<'m>,
    seal_tags: Tags<'m>,
    algorithm: Algorithm,
    domain: Domain,
    selector: String,
    signature: Vec<u8>,
}

/// A chain whose form is right.
#[derive(Debug)]
pub(super) struct Chain<'m> {
    sets: Vec<Set<'m>>,
    last_tags: Tags<'m>,
    last_terms: Terms,
}

impl Chain<'_> {
    pub(super) fn key_names(&self) -> Vec<(String, Domain)> {
        let seals = self.sets.iter().map(|set| (set.selector.clone(), set.domain.clone()));
        let message = (self.last_terms.selector.clone(), self.last_terms.domain.clone());
        [message].into_iter().chain(seals).collect()
    }
}

/// Reads the chain and compares the body hash; the error is the outcome already.
pub(super) fn look<'m>(
    fields: &Fields<'m>,
    body: &[u8],
    bodies: &mut Bodies,
    now_s: u64,
) -> Result<Chain<'m>, ArcCheck> {
    let results = fields.named("arc-authentication-results");
    let messages = fields.named("arc-message-signature");
    let seals = fields.named("arc-seal");
    if results.is_empty() && messages.is_empty() && seals.is_empty() {
        return Err(ArcCheck::default());
    }
    let failed =
        |why: &str| ArcCheck { result: ArcResult::Fail, why: why.into(), ..ArcCheck::default() };
    chain(results, messages, seals)
        .and_then(|chain| {
            if chain.last_terms.expires_s.is_some_and(|expires| expires <= now_s) {
                return Err("the last message signature has expired");
            }
            let digest = bodies.digest(&chain.last_terms, body);
            match digest.hash == chain.last_terms.body_hash {
                true => Ok(chain),
                false => Err("the body was changed after the last seal"),
            }
        })
        .map_err(failed)
}

/// Section 5.2, steps 1 to 4.
fn chain<'m>(
    results: Vec<Field<'m>>,
    messages: Vec<Field<'m>>,
    seals: Vec<Field<'m>>,
) -> Result<Chain<'m>, &'static str> {
    let length = seals.len();
    if length > SETS || results.len() > SETS || messages.len() > SETS {
        return Err("more than 50 sets");
    }
    if results.len() != length || messages.len() != length {
        return Err("a set is not complete");
    }
    let results = by_instance(results, results_instance)?;
    let messages = by_instance(messages, tags_instance)?;
    let seals = by_instance(seals, tags_instance)?;
    let mut sets = Vec::with_capacity(length);
    for (at, ((results, message), seal)) in results.into_iter().zip(messages).zip(seals).enumerate()
    {
        read_message_signature(message)?;
        sets.push(read_set(at, results, message, seal)?);
    }
    let last = sets.last().ok_or("a set is not complete")?;
    let (last_tags, last_terms) = read_message_signature(last.message)?;
    Ok(Chain { sets, last_tags, last_terms })
}

/// Sorted, and exactly one for each number from 1.
fn by_instance<'m>(
    fields: Vec<Field<'m>>,
    instance_of: fn(&[u8]) -> Result<usize, &'static str>,
) -> Result<Vec<Field<'m>>, &'static str> {
    let mut numbered = Vec::with_capacity(fields.len());
    for field in fields {
        numbered.push((instance_of(field.1)?, field));
    }
    numbered.sort_by_key(|(instance, _)| *instance);
    let in_order = numbered.iter().enumerate().all(|(at, (instance, _))| *instance == at + 1);
    match in_order {
        true => Ok(numbered.into_iter().map(|(_, field)| field).collect()),
        false => Err("a set is missing or twice there"),
    }
}

fn instance(text: &str) -> Result<usize, &'static str> {
    let plain = text.bytes().all(|octet| octet.is_ascii_digit()) && (1..=2).contains(&text.len());
    let number = text.parse().ok().filter(|number| plain && (1..=SETS).contains(number));
    number.ok_or("a set with an impossible number")
}

fn tags_instance(value: &[u8]) -> Result<usize, &'static str> {
    let tags = Tags::parse(value)?;
    instance(&tags.squeezed("i").ok_or("a set without a number")?)
}

/// Section 4.1.1: `i=` stands first, and is no part of what follows.
fn split_results(value: &[u8]) -> Option<(&str, &[u8])> {
    let semicolon = memchr::memchr(b';', value)?;
    let first = std::str::from_utf8(value.get(..semicolon)?).ok()?;
    let (name, number) = first.split_once('=')?;
    (name.trim() == "i").then_some((number.trim(), value.get(semicolon + 1..)?))
}

fn results_instance(value: &[u8]) -> Result<usize, &'static str> {
    let (number, _) = split_results(value).ok_or("results without a number")?;
    instance(number)
}

fn read_set<'m>(
    at: usize,
    results: Field<'m>,
    message: Field<'m>,
    seal: Field<'m>,
) -> Result<Set<'m>, &'static str> {
    let tags = Tags::parse(seal.1)?;
    // Section 4.1.3: a seal always covers the same fields.
    if tags.has("h") {
        return Err("a seal that chooses what it covers");
    }
    match (at, tags.squeezed("cv").as_deref()) {
        (0, Some("none")) => {}
        (1.., Some("pass")) => {}
        (_, Some("fail")) => return Err("a sealer says that the chain was broken already"),
        _ => return Err("a seal with an impossible state"),
    }
    tags.number("t")?;
    let algorithm = signed::algorithm(&tags.squeezed("a").ok_or("no algorithm")?)?;
    if algorithm == Algorithm::RsaSha1 {
        return Err("a seal made with SHA-1");
    }
    Ok(Set {
        results,
        message,
        seal,
        algorithm,
        domain: signed::domain(&tags)?,
        selector: signed::selector(&tags)?,
        signature: signed::signature(&tags)?,
        seal_tags: tags,
    })
}

/// Section 4.1.2: as DKIM, without a version, and never over seals.
fn read_message_signature<'m>(field: Field<'m>) -> Result<(Tags<'m>, Terms), &'static str> {
    let tags = Tags::parse(field.1)?;
    let terms = Terms::read(&tags)?;
    match () {
        () if terms.covers("arc-seal") => Err("a message signature over seals"),
        () if !terms.covers("from") => Err("a message signature that does not cover From"),
        () if terms.length.is_some() => Err("a message signature that leaves the body open (l=)"),
        () if terms.algorithm == Algorithm::RsaSha1 => Err("a message signature made with SHA-1"),
        () => Ok((tags, terms)),
    }
}

/// Looks up a key among those that were fetched.
pub(super) type KeyOf<'k> = &'k dyn Fn(&str, &Domain) -> Option<&'k Result<Arc<Key>, KeyTrouble>>;

/// Section 5.2, steps 5 to 7.
pub(super) fn conclude(chain: &Chain<'_>, fields: &Fields<'_>, key_of: KeyOf<'_>) -> ArcCheck {
    match verify(chain, fields, key_of) {
        Ok(()) => {
            let seals = chain.sets.iter().map(|set| Seal {
                domain: set.domain.clone(),
                found: split_results(set.results.1)
                    .and_then(|(_, rest)| AuthenticationResults::parse(rest)),
            });
            ArcCheck { result: ArcResult::Pass, seals: seals.collect(), why: String::new() }
        }
        Err((result, why)) => ArcCheck { result, why, seals: Vec::new() },
    }
}

fn verify(
    chain: &Chain<'_>,
    fields: &Fields<'_>,
    key_of: KeyOf<'_>,
) -> Result<(), (ArcResult, String)> {
    let failed = |why: &str| (ArcResult::Fail, why.to_owned());
    let Some(last) = chain.sets.last() else { return Err(failed("no set")) };
    let terms = &chain.last_terms;
    let key = usable(key_of(&terms.selector, &terms.domain), terms.algorithm)?;
    if !fields.verifies(last.message, &chain.last_tags, terms, key) {
        return Err(failed("the message was changed after the last seal"));
    }
    for (at, set) in chain.sets.iter().enumerate().rev() {
        let key = usable(key_of(&set.selector, &set.domain), set.algorithm)?;
        let own = set.seal_tags.without(set.seal.1, "b");
        let before = chain.sets.iter().take(at);
        let earlier = before.flat_map(|set| [set.results, set.message, set.seal]);
        let mut signed = earlier.chain([set.results, set.message, (set.seal.0, own.as_slice())]);
        // Section 4.1.3: always relaxed.
        let form = Canonicalization::Relaxed;
        let verifier = &key.verifier.p;
        if verifier.verify(&mut signed, &set.signature, form, set.algorithm).is_err() {
            return Err(failed(&format!("the seal of {} does not hold", set.domain)));
        }
    }
    Ok(())
}

fn usable(
    key: Option<&Result<Arc<Key>, KeyTrouble>>,
    algorithm: Algorithm,
) -> Result<&Key, (ArcResult, String)> {
    match key {
        Some(Ok(key)) if key.weak || !key.allows(algorithm) => {
            Err((ArcResult::Fail, "a key that is not for this".into()))
        }
        Some(Ok(key)) => Ok(key),
        Some(Err(KeyTrouble::Unusable(why))) => Err((ArcResult::Fail, (*why).into())),
        Some(Err(KeyTrouble::Temporary(why))) => Err((ArcResult::TempError, why.clone())),
        None => Err((ArcResult::TempError, "no time to ask for a key".into())),
    }
}

impl ArcCheck {
    /// The sealer that is believed and found DMARC to pass for this author, seeking from the
    /// last one on as long as everybody is believed.
    pub(super) fn vouches(
        &self,
        author: &Domain,
        is_trusted: impl Fn(&Domain) -> bool,
    ) -> Option<&Domain> {
        if self.result != ArcResult::Pass {
            return None;
        }
        let believed = self.seals.iter().rev().take_while(|seal| is_trusted(&seal.domain));
        let passed = |seal: &&Seal| {
            let results = seal.found.iter().flat_map(|found| &found.results);
            results.filter(|one| one.method == "dmarc" && one.result == "pass").any(|one| {
                one.properties.iter().any(|(name, value)| {
                    name == "header.from" && Domain::parse(value).is_ok_and(|of| of == *author)
                })
            })
        };
        believed.into_iter().find(passed).map(|seal| &seal.domain)
    }
}
