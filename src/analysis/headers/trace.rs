//! The trace (RFC 5321 section 4.4): what Received fields say of the way that a mail took.
//!
//! All but the box's own are the sender's word, so they speak against a mail and never for
//! it: addresses that do not exist, times that run backwards, our own name.

use std::net::Ipv4Addr;

use super::date;
use super::{Context, Sighting};
use crate::mail::Role;
use crate::message::Head;

/// Hops beyond this are not looked at; RFC 5321 section 6.3 asks for a hundred at least.
const HOPS: usize = 60;
/// Octets of one Received field that are looked at.
const FIELD_OCTETS: usize = 2_000;
/// Clocks of servers may be off by this much.
const BACKWARDS: i64 = 24 * 3_600;

/// One Received field.
#[derive(Debug, Clone, Default)]
pub(super) struct Hop {
    /// What the client called itself.
    pub(super) helo: Option<String>,
    /// What DNS called the client, when the field says so.
    pub(super) name: Option<String>,
    /// Who wrote the field.
    pub(super) by: Option<String>,
    /// When.
    pub(super) seconds: Option<i64>,
    /// Dotted numbers between brackets that are no address.
    pub(super) false_address: Option<String>,
}

/// The hops, the last one first.
pub(super) fn hops(head: &Head) -> Vec<Hop> {
    head.all("received").take(HOPS).map(|field| hop(head.value(field))).collect()
}

fn hop(value: &[u8]) -> Hop {
    let value = value.get(..FIELD_OCTETS.min(value.len())).unwrap_or_default();
    let text = String::from_utf8_lossy(value);
    let (path, when) = text.rsplit_once(';').unwrap_or((&text, ""));
    let mut hop = Hop { seconds: date::parse(when).map(|stamp| stamp.seconds), ..Hop::default() };
    let mut words = path.split_whitespace().peekable();
    let mut after_from = false;
    while let Some(word) = words.next() {
        let is_name_next = words.peek().is_some();
        match () {
            () if word.eq_ignore_ascii_case("from") && hop.helo.is_none() && is_name_next => {
                hop.helo = words.next().map(host);
                after_from = true;
            }
            () if word.eq_ignore_ascii_case("by") && hop.by.is_none() && is_name_next => {
                hop.by = words.next().map(host);
                after_from = false;
            }
            () if after_from && word.starts_with('(') && hop.name.is_none() => {
                hop.name = Some(host(word)).filter(|name| name.contains('.'));
            }
            () => {}
        }
    }
    hop.false_address = false_address(path);
    hop
}

/// A host name without brackets, parameters and account.
fn host(word: &str) -> String {
    let outer = |letter: char| matches!(letter, '(' | ')' | '<' | '>' | ',' | ';' | '"');
    let bare = word.trim_matches(outer);
    let bare = bare.strip_prefix("HELO=").or_else(|| bare.strip_prefix("helo=")).unwrap_or(bare);
    bare.rsplit('@').next().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase()
}

/// `[300.1.2.3]`: forgers draw their numbers.
fn false_address(path: &str) -> Option<String> {
    path.split('[').skip(1).find_map(|rest| {
        let inner = rest.split(']').next()?;
        let is_dotted = inner.split('.').count() == 4
            && inner.split('.').all(|number| {
                (1..=3).contains(&number.len())
                    && number.bytes().all(|octet| octet.is_ascii_digit())
            });
        // Leading zeros are read as octal by some and refused by the parser.
        let too_large =
            || inner.split('.').any(|number| number.parse::<u16>().is_ok_and(|n| n > 255));
        (is_dotted && inner.parse::<Ipv4Addr>().is_err() && too_large()).then(|| inner.to_owned())
    })
}

pub(super) fn look(context: &Context<'_>, seen: &mut Vec<Sighting>) {
    if context.is_own() {
        return;
    }
    if let Some(address) = context.hops.iter().find_map(|hop| hop.false_address.as_deref()) {
        seen.push(Sighting::new("RECEIVED_IMPOSSIBLE_ADDRESS", address));
    }
    // From the last hop back to the first, times fall.
    let times: Vec<i64> = context.hops.iter().filter_map(|hop| hop.seconds).collect();
    let later = times.windows(2).filter_map(|pair| match pair {
        [last, before] => Some(before - last),
        _ => None,
    });
    if let Some(worst) = later.max().filter(|worst| *worst > BACKWARDS) {
        let detail = format!("a hop {} h after the next one", worst / 3_600);
        seen.push(Sighting::new("RECEIVED_BACKWARDS", detail));
    }
    let Some(passage) = context.passage.filter(|passage| passage.facts.role == Role::Inbound)
    else {
        return;
    };
    match context.hops.first() {
        None => seen.push(Sighting::new("RECEIVED_ABSENT", passage.facts.client.to_string())),
        // Deeper down our name is honest: mail comes back from lists.
        Some(hop) => {
            let own = context.hostname.map(|name| name.as_str());
            if own.is_some() && hop.by.as_deref() == own {
                seen.push(Sighting::new("RECEIVED_FORGED_OWN", own.unwrap_or_default()));
            }
        }
    }
}
