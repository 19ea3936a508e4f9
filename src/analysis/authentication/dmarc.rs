//! Whether somebody answers for the author that the reader sees: DMARC (RFC 9989).
//!
//! In: the author's domain and the identifiers that SPF and DKIM left. Out: [`Evaluation`]:
//! result, the record that was found, what it asks for. Policies and organisations are found
//! by walking the tree of names, at most eight questions a name; no list of suffixes is asked.
//! DNS trouble is `Temporary`: neither a pass nor a failure may come of it. Only trouble with
//! the record itself or with an identifier of the author's own organisation counts: what a
//! stranger adds to a mail cannot keep it from failing.

use std::collections::HashMap;

use tokio::time::{Instant, timeout};

use crate::analysis::{Dmarc, DmarcPolicy};
use crate::mail::Domain;
use crate::net::resolver::{DnsTrouble, Kind, Record as DnsRecord, Resolve};

/// Section 4.10: names of more labels are cut to seven after the first question.
const WALK_LABELS: usize = 7;
/// Report addresses of one record.
const REPORT_ADDRESSES: usize = 10;

/// How close an identifier must be (`adkim`, `aspf`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alignment {
    /// Of the same organisation.
    Relaxed,
    /// The same name.
    Strict,
}

/// A policy record, section 4.7. What was not said, or cannot be understood, is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRecord {
    /// Where it was found.
    pub domain: Domain,
    /// `p`, for the domain itself.
    pub policy: DmarcPolicy,
    /// `sp`, for names below it.
    pub below: Option<DmarcPolicy>,
    /// `np`, for names below it that do not exist.
    pub absent: Option<DmarcPolicy>,
    /// `adkim`.
    pub dkim: Option<Alignment>,
    /// `aspf`.
    pub spf: Option<Alignment>,
    /// `t`.
    pub testing: Option<bool>,
    /// `psd`: whether it is of a registry (`Some(true)`) or of an organisation.
    pub registry: Option<bool>,
    /// `rua`, URIs in their order.
    pub reports: Vec<String>,
    /// `fo`.
    pub failures: Option<String>,
    /// `pct` of RFC 7489, which RFC 9989 ignores.
    pub percent: Option<u8>,
}

/// Where an identifier comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// A DKIM signature.
    Dkim,
    /// The reverse-path, or HELO when that is null.
    Spf,
}

/// A domain that a check is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier {
    /// Which.
    pub domain: Domain,
    /// By what.
    pub mechanism: Mechanism,
    /// False when the check could not be made for now.
    pub passed: bool,
}

/// The outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// What it came to.
    pub result: Dmarc,
    /// The record that counts.
    pub record: Option<PolicyRecord>,
    /// What it asks for this author, `sp`, `np` and `t` heeded.
    pub asked: DmarcPolicy,
    /// A passing signature of the author's organisation.
    pub aligned_dkim: bool,
    /// SPF passed for the author's organisation.
    pub aligned_spf: bool,
    /// What went wrong with DNS.
    pub why: String,
}

impl PolicyRecord {
    /// Reads a record; nothing when it is none of DMARC, or asks for nothing that can be
    /// understood and names nobody to report to (section 4.10.1).
    pub(super) fn parse(domain: &Domain, text: &str) -> Option<PolicyRecord> {
        let mut segments = text.split(';');
        let (name, version) = segments.next()?.split_once('=')?;
        // Section 4.8: the version comes first, and its case counts.
        if !name.trim().eq_ignore_ascii_case("v") || version.trim() != "DMARC1" {
            return None;
        }
        let mut values: HashMap<String, &str> = HashMap::new();
        // Section 4.7: what is unknown or broken is ignored. Of two the first counts.
        for (name, value) in segments.filter_map(|segment| segment.split_once('=')).take(64) {
            values.entry(name.trim().to_ascii_lowercase()).or_insert(value.trim());
        }
        let value = |name: &str| values.get(name).map(|value| value.to_ascii_lowercase());
        let reports: Vec<String> = values.get("rua").map(|list| uris(list)).unwrap_or_default();
        let policy = |name: &str| match value(name).as_deref() {
            None => Ok(None),
            Some("none") => Ok(Some(DmarcPolicy::None)),
            Some("quarantine") => Ok(Some(DmarcPolicy::Quarantine)),
            Some("reject") => Ok(Some(DmarcPolicy::Reject)),
            Some(_) => Err(()),
        };
        // A domain that says it wrongly asks for nothing but, if it says where, for reports.
        let (own, below, absent) = match (policy("p"), policy("sp"), policy("np")) {
            (Ok(own), Ok(below), Ok(absent)) => (own.unwrap_or(DmarcPolicy::None), below, absent),
            _ if reports.is_empty() => return None,
            _ => (DmarcPolicy::None, None, None),
        };
        let alignment = |name: &str| match value(name).as_deref() {
            Some("s") => Some(Alignment::Strict),
            Some("r") => Some(Alignment::Relaxed),
            _ => None,
        };
        let yes_or_no = |name: &str| match value(name).as_deref() {
            Some("y") => Some(true),
            Some("n") => Some(false),
            _ => None,
        };
        Some(PolicyRecord {
            domain: domain.clone(),
            policy: own,
            below,
            absent,
            dkim: alignment("adkim"),
            spf: alignment("aspf"),
            testing: yes_or_no("t"),
            registry: yes_or_no("psd"),
            reports,
            failures: values.get("fo").map(|value| value.chars().take(20).collect()),
            percent: values.get("pct").and_then(|value| value.parse().ok()),
        })
    }
}

fn uris(list: &str) -> Vec<String> {
    let uris = list.split(',').map(str::trim).filter(|uri| uri.contains(':') && uri.len() <= 300);
    uris.take(REPORT_ADDRESSES).map(str::to_owned).collect()
}

/// What a domain publishes for mail in its name: known before anything is known of a mail, so
/// that nothing in the mail can keep the question waiting.
#[derive(Debug, Clone)]
pub(super) struct Published {
    author: Domain,
    organisation: Domain,
    record: Option<PolicyRecord>,
    /// What the record asks for this author, or why that cannot be told.
    asked: Result<DmarcPolicy, String>,
}

impl Published {
    /// Asks for it; section 4.10.
    pub(super) async fn of(resolver: &dyn Resolve, author: &Domain) -> Result<Published, String> {
        let mut walk = Walk::new(resolver);
        let walked = walk.walk(author).await?;
        let organisation = organisation(&walked, author);
        let record = policy_record(&walked, author, &organisation).cloned();
        let asked = match &record {
            Some(record) => walk.asked(record, author).await,
            None => Ok(DmarcPolicy::None),
        };
        Ok(Published { author: author.clone(), organisation, record, asked })
    }

    fn strictness(&self, mechanism: Mechanism) -> Alignment {
        let of = self.record.as_ref().and_then(|record| match mechanism {
            Mechanism::Dkim => record.dkim,
            Mechanism::Spf => record.spf,
        });
        of.unwrap_or(Alignment::Relaxed)
    }

    /// Section 5.3. Those that passed are looked at first, and when one of them speaks for the
    /// author the others do not matter. Each question about an identifier has its share of the
    /// time until the deadline.
    pub(super) async fn judge(
        &self,
        resolver: &dyn Resolve,
        identifiers: &[Identifier],
        deadline: Instant,
    ) -> Evaluation {
        let mut evaluation = Evaluation::default();
        let mut walk = Walk::new(resolver);
        for passed in [true, false] {
            let mut left = identifiers.iter().filter(|one| one.passed == passed).count();
            for identifier in identifiers.iter().filter(|one| one.passed == passed) {
                let time = deadline.saturating_duration_since(Instant::now());
                let share = time / u32::try_from(left).unwrap_or(u32::MAX).max(1);
                left = left.saturating_sub(1);
                match timeout(share, walk.is_aligned(identifier, self)).await {
                    Ok(Ok(false)) => {}
                    Ok(Ok(true)) => evaluation.align(identifier),
                    Ok(Err(why)) => evaluation.why = why,
                    Err(_) => evaluation.why = "no answer in time".into(),
                }
            }
            if evaluation.is_vouched() {
                break;
            }
        }
        self.conclude(evaluation)
    }

    fn conclude(&self, mut evaluation: Evaluation) -> Evaluation {
        let vouched = evaluation.is_vouched();
        if vouched {
            evaluation.why.clear();
        }
        let Some(record) = &self.record else { return evaluation };
        evaluation.record = Some(record.clone());
        evaluation.asked = match &self.asked {
            Ok(asked) => *asked,
            Err(why) => {
                if !vouched && evaluation.why.is_empty() {
                    evaluation.why.clone_from(why);
                }
                record.policy
            }
        };
        evaluation.result = match vouched {
            true => Dmarc::Pass,
            false if evaluation.why.is_empty() => Dmarc::Fail(evaluation.asked),
            // Section 5.3.6: what might have passed has not failed.
            false => Dmarc::Temporary,
        };
        evaluation
    }
}

impl Default for Evaluation {
    /// Nothing published, nothing found.
    fn default() -> Evaluation {
        Evaluation {
            result: Dmarc::None,
            record: None,
            asked: DmarcPolicy::None,
            aligned_dkim: false,
            aligned_spf: false,
            why: String::new(),
        }
    }
}

impl Evaluation {
    /// What the domain publishes could not be learned.
    pub(super) fn in_the_dark(why: String) -> Evaluation {
        Evaluation { result: Dmarc::Temporary, why, ..Evaluation::default() }
    }

    /// Whether somebody answers for the author.
    pub fn is_vouched(&self) -> bool {
        self.aligned_dkim || self.aligned_spf
    }

    /// Of an identifier of the author's organisation.
    fn align(&mut self, identifier: &Identifier) {
        match (identifier.passed, identifier.mechanism) {
            (true, Mechanism::Dkim) => self.aligned_dkim = true,
            (true, Mechanism::Spf) => self.aligned_spf = true,
            (false, _) => self.why = format!("{} could not be checked", identifier.domain),
        }
    }
}

/// Questions of one evaluation; what was found on the way is kept for its duration.
struct Walk<'a> {
    resolver: &'a dyn Resolve,
    /// Records from the name itself upwards.
    walked: HashMap<Domain, Vec<PolicyRecord>>,
}

impl<'a> Walk<'a> {
    fn new(resolver: &'a dyn Resolve) -> Walk<'a> {
        Walk { resolver, walked: HashMap::new() }
    }

    /// What a record asks of this author (section 4.7: `p`, `sp`, `np`, `t`).
    async fn asked(&self, record: &PolicyRecord, author: &Domain) -> Result<DmarcPolicy, String> {
        let below = record.below.unwrap_or(record.policy);
        let asked = match record.absent {
            _ if record.domain == *author => record.policy,
            Some(absent) if absent != below && !self.exists(author).await? => absent,
            // Without np, sp is meant.
            _ => below,
        };
        // In a test each policy counts as the milder one.
        Ok(match (record.testing, asked) {
            (Some(true), DmarcPolicy::Reject) => DmarcPolicy::Quarantine,
            (Some(true), _) => DmarcPolicy::None,
            (_, asked) => asked,
        })
    }

    /// RFC 8020: only NXDOMAIN says that a name does not exist.
    async fn exists(&self, name: &Domain) -> Result<bool, String> {
        match self.resolver.records(name.as_str(), Kind::A).await {
            Ok(_) => Ok(true),
            Err(DnsTrouble::NoSuchDomain) => Ok(false),
            Err(DnsTrouble::Temporary(why)) => Err(why),
        }
    }

    /// Section 4.4.
    async fn is_aligned(
        &mut self,
        identifier: &Identifier,
        published: &Published,
    ) -> Result<bool, String> {
        let domain = &identifier.domain;
        if *domain == published.author {
            return Ok(true);
        }
        let alignment = published.strictness(identifier.mechanism);
        // What is not even below the organisation needs no questions.
        if alignment == Alignment::Strict || !domain.is_within(&published.organisation) {
            return Ok(false);
        }
        let walked = self.walk(domain).await?;
        Ok(organisation(&walked, domain) == published.organisation)
    }

    /// Section 4.10: the records from a name up to the top, as long as none ends the walk.
    async fn walk(&mut self, start: &Domain) -> Result<Vec<PolicyRecord>, String> {
        if let Some(known) = self.walked.get(start) {
            return Ok(known.clone());
        }
        let mut found = Vec::new();
        let mut name = start.clone();
        loop {
            if let Some(record) = self.record_of(&name).await? {
                let ends = record.registry.is_some();
                found.push(record);
                if ends {
                    break;
                }
            }
            let labels = name.as_str().split('.').count();
            let dropped = if labels > WALK_LABELS { labels - WALK_LABELS } else { 1 };
            match ancestor(&name, dropped) {
                Some(next) => name = next,
                None => break,
            }
        }
        self.walked.insert(start.clone(), found.clone());
        Ok(found)
    }

    /// The one record of a name; several are as none.
    async fn record_of(&self, name: &Domain) -> Result<Option<PolicyRecord>, String> {
        let records = match self.resolver.records(&format!("_dmarc.{name}"), Kind::Txt).await {
            Ok(records) => records,
            Err(DnsTrouble::NoSuchDomain) => return Ok(None),
            Err(DnsTrouble::Temporary(why)) => return Err(why),
        };
        let texts = records.iter().filter_map(|record| match record {
            DnsRecord::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let mut of_dmarc = texts.filter(|text| is_dmarc(text));
        match (of_dmarc.next(), of_dmarc.next()) {
            (Some(text), None) => Ok(PolicyRecord::parse(name, text)),
            _ => Ok(None),
        }
    }
}

fn is_dmarc(text: &str) -> bool {
    let first = text.split(';').next().unwrap_or_default();
    first.split_once('=').is_some_and(|(name, value)| {
        name.trim().eq_ignore_ascii_case("v") && value.trim() == "DMARC1"
    })
}

/// Without so many labels on the left; nothing above the top.
fn ancestor(name: &Domain, dropped: usize) -> Option<Domain> {
    let mut rest = name.as_str();
    for _ in 0..dropped {
        rest = rest.split_once('.')?.1;
    }
    Domain::parse(rest).ok()
}

/// Section 4.10.2: the organisation that a name belongs to.
fn organisation(walked: &[PolicyRecord], start: &Domain) -> Domain {
    for record in walked {
        match record.registry {
            Some(false) => return record.domain.clone(),
            // One label below a registry, on the way to where the walk began.
            Some(true) if record.domain != *start => {
                let labels = |name: &Domain| name.as_str().split('.').count();
                let dropped = labels(start).saturating_sub(labels(&record.domain) + 1);
                return ancestor(start, dropped).unwrap_or_else(|| start.clone());
            }
            _ => {}
        }
    }
    walked.last().map_or_else(|| start.clone(), |record| record.domain.clone())
}

/// Section 4.10.1: of the author's domain, else of its organisation, else of its registry.
fn policy_record<'w>(
    walked: &'w [PolicyRecord],
    author: &Domain,
    organisation: &Domain,
) -> Option<&'w PolicyRecord> {
    let of = |domain: &Domain| walked.iter().find(|record| record.domain == *domain);
    let registry = || walked.iter().find(|record| record.registry == Some(true));
    of(author).or_else(|| of(organisation)).or_else(registry)
}
