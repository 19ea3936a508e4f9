//! Results in words: for readers of the mail (Authentication-Results, RFC 8601), for the
//! administrator (sightings), and for the owners of domains (DMARC's aggregate reports).
//!
//! In: all results. Out: each of the three. What a stranger wrote goes into the field only when
//! its letters cannot be taken for syntax.

use std::net::IpAddr;

use super::{
    Alignment, ArcResult, AuthorCheck, Checks, DkimResult, Dmarc, DmarcPolicy, Face, IprevResult,
    Judged, PolicyRecord, Sighting,
};
use crate::analysis::authentication::spf::{Spf, SpfResult};
use crate::config::Consequence;
use crate::mail::ReversePath;
use crate::message::Authorship;
use crate::store::dmarc as kept;

/// The value of the field.
pub(super) fn field(authserv_id: &str, checks: &Checks) -> String {
    let mut results: Vec<String> = Vec::new();
    if let (Some(iprev), Some(client)) = (&checks.iprev, checks.client) {
        let name = iprev.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        results.push(format!("iprev={}{name} policy.iprev={}", iprev.result, address(client)));
    }
    if let Some(spf) = &checks.spf {
        let identity = match &checks.reverse_path {
            ReversePath::Null => format!("smtp.helo={}", safe(&spf.domain)),
            ReversePath::Mailbox(mailbox) => {
                let whole = mailbox.to_string();
                let shown = if whole.chars().all(is_safe) { whole } else { spf.domain.clone() };
                format!("smtp.mailfrom={}", safe(&shown))
            }
        };
        results.push(format!("spf={} {identity}", spf.result));
    }
    if let Some(helo) = checks.spf_helo.as_ref().filter(|helo| helo.result != SpfResult::None) {
        results.push(format!("spf={} smtp.helo={}", helo.result, safe(&helo.domain)));
    }
    for check in &checks.signatures.dkim {
        let mut result = format!("dkim={}", check.result);
        if !check.why.is_empty() {
            result += &format!(" ({})", safe_words(&check.why));
        }
        if let Some(domain) = &check.domain {
            result += &format!(" header.d={domain}");
        }
        if !check.selector.is_empty() {
            result += &format!(" header.s={}", safe(&check.selector));
        }
        if !check.begins.is_empty() && check.begins.bytes().all(is_base64) {
            result += &format!(" header.b=\"{}\"", check.begins);
        }
        results.push(result);
    }
    if checks.signatures.dkim.is_empty() && !checks.signatures.broken {
        results.push("dkim=none".into());
    }
    let arc = &checks.signatures.arc;
    if arc.result != ArcResult::None {
        // RFC 8617, section 10, has no property for the sealer: a comment names it.
        let sealer = arc.seals.last().map(|seal| format!(" (sealed by {})", seal.domain));
        results.push(format!("arc={}{}", arc.result, sealer.unwrap_or_default()));
    }
    results.extend(dmarc_results(checks));
    format!("{authserv_id}; {}", results.join("; "))
}

/// One result an author's domain.
fn dmarc_results(checks: &Checks) -> Vec<String> {
    let authors = &checks.authors;
    if authors.unjudged > 0 {
        return vec!["dmarc=permerror (more authors than are checked)".into()];
    }
    if checks.evaluated.is_empty() {
        let result = match &authors.shown {
            Authorship::Absent => "dmarc=none (no author)",
            Authorship::One(_) | Authorship::Several(_) => {
                "dmarc=none (an author without a domain)"
            }
            Authorship::Unclear(_) => "dmarc=permerror (it is not clear who the author is)",
        };
        return vec![result.into()];
    }
    checks.evaluated.iter().map(|author| dmarc_result(author, authors.face)).collect()
}

fn dmarc_result(author: &AuthorCheck, face: Face) -> String {
    let evaluation = &author.evaluation;
    let result = match (evaluation.result, face) {
        (Dmarc::Pass, Face::From) => "pass",
        // DMARC passes for authors only.
        (Dmarc::Pass, Face::Sender) | (Dmarc::None, _) => "none",
        (Dmarc::Fail(_), _) => "fail",
        (Dmarc::Temporary, _) => "temperror",
        (Dmarc::Permanent, _) => "permerror",
    };
    let excuse = author.excused_by.as_ref().map(|by| format!(" (excused by the seal of {by})"));
    let shown = match face {
        Face::From => "header.from",
        Face::Sender => "(no author) header.sender",
    };
    let policy =
        evaluation.record.as_ref().map(|_| format!(" policy.dmarc={}", word_of(evaluation.asked)));
    let (excuse, policy) = (excuse.unwrap_or_default(), policy.unwrap_or_default());
    format!("dmarc={result}{excuse} {shown}={}{policy}", author.domain)
}

fn word_of(policy: DmarcPolicy) -> &'static str {
    match policy {
        DmarcPolicy::None => "none",
        DmarcPolicy::Quarantine => "quarantine",
        DmarcPolicy::Reject => "reject",
    }
}

/// A colon may stand in a value only when that is quoted.
fn address(client: IpAddr) -> String {
    match client.to_canonical() {
        IpAddr::V4(four) => four.to_string(),
        IpAddr::V6(six) => format!("\"{six}\""),
    }
}

fn is_safe(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "!#$%&'*+-^_`{|}~.@".contains(letter)
}

fn is_base64(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/' | b'=')
}

fn safe(text: &str) -> String {
    text.chars().take(255).map(|letter| if is_safe(letter) { letter } else { '?' }).collect()
}

/// What may stand in a comment.
fn safe_words(text: &str) -> String {
    let allowed = |letter: char| (is_safe(letter) || " ,:=".contains(letter)) && letter != '\\';
    text.chars().take(100).map(|letter| if allowed(letter) { letter } else { ' ' }).collect()
}

/// What the administrator reads and the score adds up.
pub(super) fn sightings(checks: &Checks, judged: Judged<'_>) -> Vec<Sighting> {
    let mut sightings = Vec::new();
    sightings.extend(checks.spf.as_ref().map(|spf| of_spf(spf, checks.is_vouched())));
    sightings.extend(checks.spf_helo.as_ref().and_then(of_helo));
    if let (Some(iprev), Some(client)) = (&checks.iprev, checks.client) {
        let name = iprev.name.as_ref().map(|name| format!(", {name}")).unwrap_or_default();
        let seen = match iprev.result {
            IprevResult::Pass => "IPREV_PASS",
            IprevResult::Fail => "IPREV_FAIL",
            IprevResult::TempError => "IPREV_TEMPERROR",
            IprevResult::PermError => "IPREV_ABSENT",
        };
        sightings.push(Sighting::new(seen, format!("{client}{name}")));
    }
    sightings.extend(of_dkim(checks));
    sightings.extend(of_arc(checks));
    sightings.extend(of_dmarc(checks, judged));
    sightings
}

/// How much a doubt weighs when somebody else vouches for the author.
const BESIDE_A_PASS: f32 = 0.2;

fn of_spf(spf: &Spf, vouched: bool) -> Sighting {
    let strength = if vouched { BESIDE_A_PASS } else { 1.0 };
    let name = match spf.result {
        SpfResult::None => "SPF_NONE",
        SpfResult::Neutral => "SPF_NEUTRAL",
        SpfResult::Pass => "SPF_PASS",
        SpfResult::Fail => "SPF_FAIL",
        SpfResult::SoftFail => "SPF_SOFTFAIL",
        SpfResult::TempError => "SPF_TEMPERROR",
        SpfResult::PermError => "SPF_PERMERROR",
    };
    let said = spf.explanation.as_ref().map(|said| format!("; it says: {said}"));
    let detail = format!("{}: {}{}", spf.domain, spf.why, said.unwrap_or_default());
    Sighting::strong(name, strength, detail)
}

fn of_helo(spf: &Spf) -> Option<Sighting> {
    let fails = matches!(spf.result, SpfResult::Fail);
    fails.then(|| Sighting::new("SPF_HELO_FAIL", format!("{}: {}", spf.domain, spf.why)))
}

fn of_dkim(checks: &Checks) -> Vec<Sighting> {
    let signatures = &checks.signatures;
    let mut sightings = Vec::new();
    if signatures.broken {
        sightings.push(Sighting::new("SIGNATURES_BROKEN", ""));
    }
    if signatures.ignored > 0 {
        let detail = format!("{} were not looked at", signatures.ignored);
        sightings.push(Sighting::new("DKIM_SIGNATURES_MANY", detail));
    }
    if signatures.dkim.is_empty() && !signatures.broken {
        sightings.push(Sighting::new("DKIM_NONE", ""));
    }
    let passes = signatures.dkim.iter().any(|one| one.result == DkimResult::Pass);
    let kinds: [(&str, &[DkimResult]); 5] = [
        ("DKIM_VALID", &[DkimResult::Pass]),
        ("DKIM_INVALID", &[DkimResult::Fail]),
        ("DKIM_DISTRUSTED", &[DkimResult::Policy]),
        ("DKIM_UNUSABLE", &[DkimResult::Neutral, DkimResult::PermError]),
        ("DKIM_TEMPERROR", &[DkimResult::TempError]),
    ];
    for (name, results) in kinds {
        let of_kind = signatures.dkim.iter().filter(|one| results.contains(&one.result));
        let words: Vec<String> = of_kind
            .map(|one| {
                let who = one.domain.as_ref().map_or("unknown signer".into(), ToString::to_string);
                if one.why.is_empty() { who } else { format!("{who}: {}", one.why) }
            })
            .collect();
        if !words.is_empty() {
            // A broken signature beside one that holds is what lists and forwarders leave.
            let strength = if passes && name != "DKIM_VALID" { BESIDE_A_PASS } else { 1.0 };
            sightings.push(Sighting::strong(name, strength, words.join("; ")));
        }
    }
    sightings
}

fn of_arc(checks: &Checks) -> Option<Sighting> {
    let arc = &checks.signatures.arc;
    let sealer = arc.seals.last().map(|seal| seal.domain.to_string()).unwrap_or_default();
    match arc.result {
        ArcResult::None => None,
        ArcResult::Pass => Some(Sighting::new("ARC_VALID", sealer)),
        ArcResult::Fail => Some(Sighting::new("ARC_INVALID", arc.why.clone())),
        ArcResult::TempError => Some(Sighting::new("ARC_TEMPERROR", arc.why.clone())),
    }
}

/// Of several authors the one that decided, the others beside it.
fn of_dmarc(checks: &Checks, judged: Judged<'_>) -> Option<Sighting> {
    if checks.authors.unjudged > 0 {
        let detail = format!("{} author domains more than are checked", checks.authors.unjudged);
        return Some(Sighting::new("DMARC_PERMERROR", detail));
    }
    let author = judged.author?;
    let domain = shown(checks, author);
    if let Some(sealer) = &author.excused_by {
        return Some(Sighting::new("DMARC_EXCUSED", format!("{domain}, sealed by {sealer}")));
    }
    if judged.overridden {
        return Some(match judged.consequence {
            Consequence::Deliver => Sighting::new("DMARC_OVERRIDDEN", domain),
            _ => Sighting::new("DMARC_REQUIRED", domain),
        });
    }
    let name = match author.evaluation.result {
        // Whoever sent it is no author.
        Dmarc::Pass if checks.authors.face == Face::Sender => return None,
        Dmarc::None => "DMARC_NONE",
        Dmarc::Pass => "DMARC_PASS",
        Dmarc::Fail(DmarcPolicy::None) => "DMARC_FAIL",
        Dmarc::Fail(DmarcPolicy::Quarantine) => "DMARC_QUARANTINE",
        Dmarc::Fail(DmarcPolicy::Reject) => "DMARC_REJECT",
        Dmarc::Temporary => "DMARC_TEMPERROR",
        Dmarc::Permanent => "DMARC_PERMERROR",
    };
    let detail = match author.evaluation.result {
        Dmarc::Temporary => format!("{domain}: {}", author.evaluation.why),
        _ => domain,
    };
    Some(Sighting::new(name, detail))
}

fn shown(checks: &Checks, author: &AuthorCheck) -> String {
    let others = checks.evaluated.len().saturating_sub(1);
    match (checks.authors.face, others) {
        (Face::Sender, _) => format!("{}, the Sender where From names nobody", author.domain),
        (Face::From, 0) => author.domain.to_string(),
        (Face::From, 1) => format!("{}, beside another author's domain", author.domain),
        (Face::From, _) => format!("{}, beside {others} other authors' domains", author.domain),
    }
}

/// What the author's domain will read of this mail; of several authors' the one that decided.
pub(super) fn observation(checks: &Checks, judged: Judged<'_>) -> Option<kept::Observation> {
    let author = judged.author.filter(|_| checks.authors.face == Face::From)?;
    let evaluation = &author.evaluation;
    let record = evaluation.record.as_ref()?;
    if !matches!(evaluation.result, Dmarc::Pass | Dmarc::Fail(_)) {
        return None;
    }
    Some(kept::Observation {
        policy_domain: record.domain.clone(),
        policy: published(record),
        rua: record.reports.clone(),
        asked: asked(evaluation.asked),
        row: row(checks, author, judged.overridden.then_some(kept::OverrideKind::LocalPolicy))?,
    })
}

fn asked(policy: DmarcPolicy) -> kept::Asked {
    match policy {
        DmarcPolicy::None => kept::Asked::None,
        DmarcPolicy::Quarantine => kept::Asked::Quarantine,
        DmarcPolicy::Reject => kept::Asked::Reject,
    }
}

fn published(record: &PolicyRecord) -> kept::PublishedPolicy {
    let alignment = |alignment: Alignment| match alignment {
        Alignment::Relaxed => kept::Alignment::Relaxed,
        Alignment::Strict => kept::Alignment::Strict,
    };
    kept::PublishedPolicy {
        domain: record.domain.to_string(),
        p: asked(record.policy),
        sp: record.below.map(asked),
        np: record.absent.map(asked),
        adkim: record.dkim.map(alignment),
        aspf: record.spf.map(alignment),
        testing: record.testing,
        pct: record.percent,
        fo: record.failures.clone(),
        discovery: Some(kept::Discovery::TreeWalk),
    }
}

fn row(
    checks: &Checks,
    author: &AuthorCheck,
    own: Option<kept::OverrideKind>,
) -> Option<kept::Row> {
    let evaluation = &author.evaluation;
    let excuse = author.excused_by.as_ref().map(|sealer| kept::Override {
        kind: kept::OverrideKind::TrustedForwarder,
        comment: format!("arc=pass, sealed by {sealer}"),
    });
    let own = own.map(|kind| kept::Override { kind, comment: String::new() });
    let dkim = checks.signatures.dkim.iter().filter_map(|check| {
        Some(kept::Signature {
            domain: check.domain.as_ref()?.to_string(),
            selector: check.selector.clone(),
            result: match check.result {
                DkimResult::Pass => kept::CheckResult::Pass,
                DkimResult::Fail => kept::CheckResult::Fail,
                DkimResult::Policy => kept::CheckResult::Policy,
                DkimResult::Neutral => kept::CheckResult::Neutral,
                DkimResult::TempError => kept::CheckResult::TempError,
                DkimResult::PermError => kept::CheckResult::PermError,
            },
        })
    });
    let spf = checks.spf.iter().map(|spf| kept::SpfCheck {
        domain: spf.domain.clone(),
        scope: kept::SpfScope::Mfrom,
        result: match spf.result {
            SpfResult::None => kept::CheckResult::None,
            SpfResult::Neutral => kept::CheckResult::Neutral,
            SpfResult::Pass => kept::CheckResult::Pass,
            SpfResult::Fail => kept::CheckResult::Fail,
            SpfResult::SoftFail => kept::CheckResult::SoftFail,
            SpfResult::TempError => kept::CheckResult::TempError,
            SpfResult::PermError => kept::CheckResult::PermError,
        },
    });
    let sender = checks.reverse_path.address().and_then(|address| address.domain());
    Some(kept::Row {
        source: checks.client?,
        disposition: kept::Applied::default(),
        aligned_dkim: evaluation.aligned_dkim,
        aligned_spf: evaluation.aligned_spf,
        reasons: excuse.into_iter().chain(own).collect(),
        header_from: author.domain.to_string(),
        envelope_from: Some(sender.map(ToString::to_string).unwrap_or_default()),
        envelope_to: None,
        dkim: dkim.collect(),
        spf: spf.collect(),
    })
}
