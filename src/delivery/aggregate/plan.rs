//! Which reports are due, to whom, and who must agree first. Pure.
//!
//! In: what was observed, what DNS said. Out: decisions. RFC 9990 sections 3.5 and 4; the
//! size after `!` is RFC 7489 section 6.2, which RFC 9989 lets stand in old records.

use crate::mail::{Address, Domain, Host};
use crate::net::registrable::is_same_organisation;
use crate::store::dmarc::{Day, Period};

/// Addresses that get the report on one domain; RFC 9990 section 3.5 leaves the limit to us.
const READERS: usize = 4;
/// Of the words on why somebody got none.
const REMARK_OCTETS: usize = 500;

/// An address that `rua` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Where to.
    pub address: Address,
    /// The largest mail it takes, when it says so.
    pub limit_octets: Option<u64>,
}

impl Destination {
    /// Whether it takes a mail of this size.
    pub fn takes(&self, octets: u64) -> bool {
        self.limit_octets.is_none_or(|limit| octets <= limit)
    }

    fn domain(&self) -> Option<&Domain> {
        match self.address.host() {
            Host::Domain(domain) => Some(domain),
            Host::Literal(_) => None,
        }
    }
}

/// Whether somebody else has to agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The reader belongs to the organisation that asks.
    Own,
    /// The reader is asked by a question for texts (TXT) at this name.
    External(Domain),
    /// There is no way to ask.
    Impossible,
}

/// What the texts at the name say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consent {
    /// The reader did not agree.
    Refused,
    /// The reader takes the reports.
    Granted,
    /// The reader takes them at these addresses of the same host.
    Elsewhere(Vec<Destination>),
}

/// Domains to report on, in this order; `true` marks what was begun before. `begun` counts
/// those as well as what is done, against the day's limit.
pub fn due(open: Vec<(bool, Period)>, begun: usize, at_most: u32) -> Vec<Period> {
    let room = usize::try_from(at_most).unwrap_or(usize::MAX).saturating_sub(begun);
    let (resumed, mut fresh): (Vec<_>, Vec<_>) =
        open.into_iter().filter(|(_, period)| period.mails > 0).partition(|(begun, _)| *begun);
    fresh.sort_by(|(_, one), (_, other)| {
        other.mails.cmp(&one.mails).then_with(|| one.domain.cmp(&other.domain))
    });
    fresh.truncate(room);
    resumed.into_iter().chain(fresh).map(|(_, period)| period).collect()
}

/// The id of the report on a domain and day: the same whenever it is written.
pub fn report_id(hostname: &Domain, domain: &Domain, day: Day) -> String {
    let named = format!("{hostname}\0{domain}\0{}", day.0);
    let digest = ring::digest::digest(&ring::digest::SHA256, named.as_bytes());
    let short: String =
        digest.as_ref().iter().take(10).map(|octet| format!("{octet:02x}")).collect();
    format!("{day}.{short}@{hostname}").replace('-', "")
}

/// The addresses in `rua` that mail can be sent to, in their order, each once.
pub fn destinations(rua: &[String]) -> Vec<Destination> {
    let all = rua.iter().filter_map(|uri| destination(uri)).collect();
    each_once(all)
}

/// Each address once, and no more than are served.
pub fn each_once(all: Vec<Destination>) -> Vec<Destination> {
    let mut kept: Vec<Destination> = Vec::new();
    for destination in all {
        let is_known = kept.iter().any(|known| known.address.key() == destination.address.key());
        if !is_known && kept.len() < READERS {
            kept.push(destination);
        }
    }
    kept
}

/// `mailto:address!10m` (RFC 6068; RFC 7489 section 6.2). Other schemes reach nobody.
fn destination(uri: &str) -> Option<Destination> {
    let (scheme, rest) = uri.trim().split_once(':')?;
    scheme.eq_ignore_ascii_case("mailto").then_some(())?;
    let (rest, limit_octets) = match rest.rsplit_once('!') {
        None => (rest, None),
        Some((before, size)) => (before, Some(octets(size)?)),
    };
    // RFC 6068: fields of the mail follow; they are the sender's business.
    let address = rest.split('?').next()?;
    let address: Address = unescaped(address)?.parse().ok()?;
    (!address.needs_smtputf8()).then_some(Destination { address, limit_octets })
}

/// `10m`: powers of 1024.
fn octets(size: &str) -> Option<u64> {
    let digits = size.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = size.get(digits.len()..)?.to_ascii_lowercase();
    let shift = match unit.as_str() {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    // More than can be said is no limit.
    let count: u64 = digits.parse().ok()?;
    Some(count.saturating_mul(1 << shift))
}

fn unescaped(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => {
                let pair = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?
            }
            plain => plain,
        });
    }
    String::from_utf8(octets).ok()
}

/// RFC 9990 section 4: a reader outside of the organisation has to agree.
pub fn standing(policy_domain: &Domain, destination: &Destination) -> Standing {
    let Some(host) = destination.domain() else { return Standing::Impossible };
    if is_same_organisation(policy_domain.as_str(), host.as_str()) {
        return Standing::Own;
    }
    // Step 4: a name that is too long for DNS cannot be asked.
    match Domain::parse(&format!("{policy_domain}._report._dmarc.{host}")) {
        Ok(question) => Standing::External(question),
        Err(_) => Standing::Impossible,
    }
}

/// RFC 9990 section 4, steps 6 to 9.
pub fn consent(texts: &[String], destination: &Destination) -> Consent {
    let mut granting = texts.iter().filter_map(|text| grant(text)).peekable();
    if granting.peek().is_none() {
        return Consent::Refused;
    }
    let uris: Vec<String> =
        granting.flatten().flat_map(|rua| rua.split(',')).map(str::to_owned).collect();
    let mut elsewhere = destinations(&uris);
    // Step 9: the same host, or the consent could be turned against a third.
    elsewhere.retain(|other| other.address.host() == destination.address.host());
    for other in &mut elsewhere {
        other.limit_octets = other.limit_octets.or(destination.limit_octets);
    }
    match elsewhere.is_empty() {
        true => Consent::Granted,
        false => Consent::Elsewhere(elsewhere),
    }
}

/// A record that agrees: `v=DMARC1` first. Inside: its `rua`.
fn grant(text: &str) -> Option<Option<&str>> {
    let mut tags = text.split(';').map(|tag| {
        let (name, value) = tag.split_once('=').unwrap_or((tag, ""));
        (name.trim(), value.trim())
    });
    (tags.next() == Some(("v", "DMARC1"))).then_some(())?;
    Some(tags.find(|(name, _)| name.eq_ignore_ascii_case("rua")).map(|(_, value)| value))
}

/// Adds words to a remark, as long as it stays short.
pub fn add_remark(remark: &mut String, words: &str) {
    if remark.len() + words.len() > REMARK_OCTETS {
        return;
    }
    if !remark.is_empty() {
        remark.push_str("; ");
    }
    remark.push_str(words);
}
