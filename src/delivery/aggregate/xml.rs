//! The XML of a report (RFC 9990 section 3.1 and appendix A). Pure.
//!
//! In: a period with its rows. Out: text in UTF-8 that is well formed whatever the rows hold:
//! what XML 1.0 does not allow becomes U+FFFD. Elements stand in the order of the schema.

use std::fmt::Write as _;

use super::Terms;
use crate::mail::Address;
use crate::store::dmarc::{
    Alignment, Applied, Asked, CheckResult, Discovery, OverrideKind, Period, PublishedPolicy, Row,
    SpfScope, Tally,
};

/// Writes a report.
pub(super) fn write(
    terms: &Terms,
    author: &Address,
    report_id: &str,
    period: &Period,
    rows: &[Tally],
) -> String {
    let mut xml = Xml { text: String::with_capacity(2_048 + rows.len() * 900), depth: 0 };
    xml.text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    xml.open("feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\"");
    xml.leaf("version", "1.0");
    metadata(&mut xml, terms, author, report_id, period);
    policy(&mut xml, period);
    for tally in rows {
        record(&mut xml, tally);
    }
    xml.close("feedback");
    xml.text
}

fn metadata(xml: &mut Xml, terms: &Terms, author: &Address, report_id: &str, period: &Period) {
    let reports = &terms.reports;
    xml.open("report_metadata");
    xml.leaf("org_name", reports.org_name.as_deref().unwrap_or(terms.hostname.as_str()));
    xml.leaf("email", &reports.contact.as_ref().unwrap_or(author).to_string());
    if let Some(contact) = &reports.extra_contact {
        xml.leaf("extra_contact_info", contact);
    }
    xml.leaf("report_id", report_id);
    xml.open("date_range");
    xml.leaf("begin", &period.day.begin_s().to_string());
    xml.leaf("end", &period.day.end_s().to_string());
    xml.close("date_range");
    if period.left_out > 0 {
        let count = period.left_out;
        xml.leaf("error", &format!("{count} messages are left out: there were too many sources"));
    }
    xml.leaf("generator", concat!("Postern ", env!("CARGO_PKG_VERSION")));
    xml.close("report_metadata");
}

fn policy(xml: &mut Xml, period: &Period) {
    let PublishedPolicy { p, sp, np, adkim, aspf, testing, fo, discovery, .. } = &period.policy;
    xml.open("policy_published");
    xml.leaf("domain", period.domain.as_str());
    if let Some(discovery) = discovery {
        xml.leaf("discovery_method", discovery_word(*discovery));
    }
    xml.leaf("p", asked_word(*p));
    for (name, asked) in [("sp", sp), ("np", np)] {
        if let Some(asked) = asked {
            xml.leaf(name, asked_word(*asked));
        }
    }
    if let Some(fo) = fo {
        xml.leaf("fo", fo);
    }
    for (name, alignment) in [("adkim", adkim), ("aspf", aspf)] {
        match alignment {
            Some(Alignment::Relaxed) => xml.leaf(name, "r"),
            Some(Alignment::Strict) => xml.leaf(name, "s"),
            None => {}
        }
    }
    if let Some(testing) = testing {
        xml.leaf("testing", if *testing { "y" } else { "n" });
    }
    xml.close("policy_published");
}

fn record(xml: &mut Xml, tally: &Tally) {
    let row = &tally.row;
    xml.open("record");
    xml.open("row");
    xml.leaf("source_ip", &row.source.to_string());
    xml.leaf("count", &tally.count.to_string());
    xml.open("policy_evaluated");
    xml.leaf("disposition", applied_word(row.disposition));
    xml.leaf("dkim", if row.aligned_dkim { "pass" } else { "fail" });
    xml.leaf("spf", if row.aligned_spf { "pass" } else { "fail" });
    for reason in &row.reasons {
        xml.open("reason");
        xml.leaf("type", override_word(reason.kind));
        if !reason.comment.is_empty() {
            xml.leaf("comment", &reason.comment);
        }
        xml.close("reason");
    }
    xml.close("policy_evaluated");
    xml.close("row");
    xml.open("identifiers");
    xml.leaf("header_from", &row.header_from);
    if let Some(envelope_from) = &row.envelope_from {
        xml.leaf("envelope_from", envelope_from);
    }
    xml.close("identifiers");
    results(xml, row);
    xml.close("record");
}

fn results(xml: &mut Xml, row: &Row) {
    xml.open("auth_results");
    for signature in &row.dkim {
        xml.open("dkim");
        xml.leaf("domain", &signature.domain);
        xml.leaf("selector", &signature.selector);
        xml.leaf("result", result_word(signature.result));
        xml.close("dkim");
    }
    // RFC 9990 section 3.1.1.11: one check at most, that of MAIL FROM.
    if let Some(check) = row.spf.iter().find(|check| check.scope == SpfScope::Mfrom) {
        xml.open("spf");
        xml.leaf("domain", &check.domain);
        xml.leaf("scope", "mfrom");
        xml.leaf("result", result_word(check.result));
        xml.close("spf");
    }
    xml.close("auth_results");
}

fn discovery_word(discovery: Discovery) -> &'static str {
    match discovery {
        Discovery::Psl => "psl",
        Discovery::TreeWalk => "treewalk",
    }
}

fn asked_word(asked: Asked) -> &'static str {
    match asked {
        Asked::None => "none",
        Asked::Quarantine => "quarantine",
        Asked::Reject => "reject",
    }
}

fn applied_word(applied: Applied) -> &'static str {
    match applied {
        Applied::Pass => "pass",
        Applied::None => "none",
        Applied::Quarantine => "quarantine",
        Applied::Reject => "reject",
    }
}

/// RFC 9990 section 3.1.6 has dropped two kinds.
fn override_word(kind: OverrideKind) -> &'static str {
    match kind {
        OverrideKind::LocalPolicy => "local_policy",
        OverrideKind::MailingList => "mailing_list",
        OverrideKind::PolicyTestMode => "policy_test_mode",
        OverrideKind::TrustedForwarder => "trusted_forwarder",
        OverrideKind::Forwarded | OverrideKind::SampledOut | OverrideKind::Other => "other",
    }
}

fn result_word(result: CheckResult) -> &'static str {
    match result {
        CheckResult::Pass => "pass",
        CheckResult::Fail => "fail",
        CheckResult::SoftFail => "softfail",
        CheckResult::Neutral => "neutral",
        CheckResult::None => "none",
        CheckResult::Policy => "policy",
        CheckResult::TempError => "temperror",
        CheckResult::PermError => "permerror",
    }
}

struct Xml {
    text: String,
    depth: usize,
}

impl Xml {
    fn open(&mut self, tag: &str) {
        let _ = writeln!(self.text, "{:1$}<{tag}>", "", self.depth * 2);
        self.depth += 1;
    }

    fn close(&mut self, name: &str) {
        self.depth = self.depth.saturating_sub(1);
        let _ = writeln!(self.text, "{:1$}</{name}>", "", self.depth * 2);
    }

    fn leaf(&mut self, name: &str, value: &str) {
        let _ = write!(self.text, "{:1$}<{name}>", "", self.depth * 2);
        for letter in value.chars() {
            match letter {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                // XML 1.0 section 2.2.
                '\u{fffe}' | '\u{ffff}' => self.text.push('\u{fffd}'),
                _ if letter.is_control() => self.text.push('\u{fffd}'),
                _ => self.text.push(letter),
            }
        }
        let _ = writeln!(self.text, "</{name}>");
    }
}
