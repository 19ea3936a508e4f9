//! All signatures of a message together: DKIM and ARC share keys, digests of the body and the
//! reading of the header.
//!
//! In: header and body. Out: [`Signatures`]. Forms and body hashes are looked at first, so that
//! no key is asked for in vain; keys are asked for side by side, each once. Large bodies are
//! digested away from the runtime's threads. A panic of a decoder costs the signatures, never
//! the mail.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::arc::{self, ArcCheck};
use super::dkim::{self, DkimCheck, Looked};
use super::keys::{Key, KeyTrouble};
use super::signed::{Bodies, Fields, Terms};
use super::tags::Tags;
use crate::mail::Domain;
use crate::message::Head;
use crate::net::registrable::is_same_organisation;
use crate::net::resolver::Resolve;

/// Larger bodies are digested on a thread of their own.
const INLINE_OCTETS: usize = 256 << 10;

/// What the signatures of a message came to.
#[derive(Debug, Clone, Default)]
pub(super) struct Signatures {
    /// One a signature that was looked at.
    pub(super) dkim: Vec<DkimCheck>,
    pub(super) arc: ArcCheck,
    /// Signatures beyond the limit.
    pub(super) ignored: usize,
    /// A decoder failed.
    pub(super) broken: bool,
}

type KeyName = (String, Domain);
type Keys = HashMap<KeyName, Result<Arc<Key>, KeyTrouble>>;

pub(super) async fn check(
    resolver: &Arc<dyn Resolve>,
    head: &Head,
    body: &Bytes,
    limit: usize,
    authors: &[Domain],
    deadline: Instant,
) -> Signatures {
    let broken = || Signatures { broken: true, ..Signatures::default() };
    let fields = Fields::of(head);
    let mut bodies = digests(&fields, body, limit).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let looked = caught(|| {
        let dkim = dkim::look(&fields, body, &mut bodies, limit, now);
        (dkim, arc::look(&fields, body, &mut bodies, now))
    });
    let Some((looked, chain)) = looked else { return broken() };
    let mut names: Vec<KeyName> = Vec::new();
    for one in &looked {
        if let Looked::Pending(pending) = one {
            names.push(pending.key_name());
        }
    }
    if let Ok(chain) = &chain {
        names.extend(chain.key_names());
    }
    names.sort();
    names.dedup();
    // Whoever may speak for an author comes first, whatever stands beside it.
    names.sort_by_key(|(_, signer)| !authors.iter().any(|author| is_near(signer, author)));
    let keys = fetch(resolver, names, deadline).await;
    let concluded = caught(|| {
        let conclude = |one: Looked<'_>| {
            let key = match &one {
                Looked::Pending(pending) => keys.get(&pending.key_name()),
                Looked::Done(_) => None,
            };
            dkim::conclude(one, &fields, key)
        };
        let dkim = looked.into_iter().map(conclude).collect();
        let key_of =
            |selector: &str, domain: &Domain| keys.get(&(selector.to_owned(), domain.clone()));
        let arc = chain.map_or_else(|done| done, |chain| arc::conclude(&chain, &fields, &key_of));
        (dkim, arc)
    });
    let Some((dkim, arc)) = concluded else { return broken() };
    let ignored = fields.named("dkim-signature").len().saturating_sub(limit);
    Signatures { dkim, arc, ignored, broken: false }
}

/// What the work brings; nothing when it panics.
fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// The digests that the signatures ask for.
async fn digests(fields: &Fields<'_>, body: &Bytes, limit: usize) -> Bodies {
    let dkim = fields.named("dkim-signature").into_iter().take(limit);
    let arc = fields.named("arc-message-signature").into_iter().take(limit.max(1));
    let terms = |(_, value): (&[u8], &[u8])| Terms::read(&Tags::parse(value).ok()?).ok();
    let wanted: Vec<Terms> = dkim.chain(arc).filter_map(terms).collect();
    let body = body.clone();
    let large = body.len() > INLINE_OCTETS;
    let work = move || {
        let mut bodies = Bodies::default();
        for terms in &wanted {
            bodies.digest(terms, &body);
        }
        bodies
    };
    match large {
        true => tokio::task::spawn_blocking(work).await.unwrap_or_default(),
        false => caught(work).unwrap_or_default(),
    }
}

/// One name is above the other, or both are of the same organisation.
fn is_near(signer: &Domain, author: &Domain) -> bool {
    signer.is_within(author)
        || author.is_within(signer)
        || is_same_organisation(signer.as_str(), author.as_str())
}

/// Asks for all keys at once, in this order; those that do not come in time are left away.
async fn fetch(resolver: &Arc<dyn Resolve>, names: Vec<KeyName>, deadline: Instant) -> Keys {
    let mut asked = JoinSet::new();
    for (selector, domain) in names {
        let resolver = Arc::clone(resolver);
        asked.spawn(async move {
            let key = Key::fetch(resolver, selector.clone(), domain.clone()).await;
            ((selector, domain), key)
        });
    }
    let mut keys = Keys::new();
    while let Ok(Some(answer)) = timeout_at(deadline, asked.join_next()).await {
        keys.extend(answer.ok());
    }
    keys
}
