//! The XML of a report → [`Report`].
//!
//! In: octets. Out: the report in plain types. Takes RFC 9990 and RFC 7489 appendix C alike,
//! with or without namespaces, elements in any order and optional ones left out, as senders
//! write it. Elements that are not known are passed over. Only the elements of one record are
//! in memory at a time. What no report can do without is [`Broken::Missing`].

use std::borrow::Cow;
use std::str::FromStr;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use quick_xml::Reader;
use quick_xml::events::Event;

use super::{Broken, Report};
use crate::mail::Domain;
use crate::store::dmarc::{
    Alignment, Applied, Asked, CheckResult, Discovery, Override, OverrideKind, PublishedPolicy,
    Row, Signature, SpfCheck, SpfScope, Tally,
};

/// Of one source in one period. Nobody gets more from anybody: a larger number is made up to
/// drown the others.
const MAILS_A_ROW: u64 = 1_000_000_000;
const RECORDS: usize = 100_000;
/// Elements within each other; a report needs six.
const DEPTH: usize = 16;
/// Elements in one record: a hundred signatures have six hundred.
const ELEMENTS: usize = 2_000;
/// Octets of text in one element.
const TEXT_OCTETS: usize = 2_000;
/// Octets of a name of an organisation, report or the like.
const NAME_OCTETS: usize = 255;
/// Remarks of the reporter that are kept.
const ERRORS: usize = 10;
const SIGNATURES: usize = 20;
const REASONS: usize = 4;

/// An element with what is in it.
#[derive(Debug, Default)]
struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of a child, on one line; empty when there is none.
    fn text_of(&self, name: &str) -> String {
        let text = self.child(name).map_or("", |child| child.text.as_str());
        let words: Vec<&str> = text.split_whitespace().collect();
        let line = words.join(" ");
        let printable = |letter: char| if letter.is_control() { '\u{fffd}' } else { letter };
        let mut line: String = line.chars().map(printable).collect();
        if line.len() > NAME_OCTETS {
            let end = (0..=NAME_OCTETS).rev().find(|at| line.is_char_boundary(*at));
            line.truncate(end.unwrap_or(0));
        }
        line
    }

    /// The same, when there is something.
    fn said(&self, name: &str) -> Option<String> {
        Some(self.text_of(name)).filter(|text| !text.is_empty())
    }

    /// A word that stands for something, whatever its case.
    fn word(&self, name: &str) -> String {
        self.text_of(name).to_ascii_lowercase()
    }

    fn number<T: FromStr>(&self, name: &str) -> Option<T> {
        let text = self.text_of(name);
        // Some write a moment with its fraction.
        text.split('.').next().and_then(|whole| whole.parse().ok())
    }
}

/// Reads a report.
pub(super) fn report(octets: &[u8]) -> Result<Report, Broken> {
    let text = decoded(octets)?;
    let mut reader = Reader::from_str(&text);
    let mut draft = Draft::default();
    loop {
        match reader.read_event().map_err(|error| Broken::Xml(error.to_string()))? {
            Event::Start(tag) => draft.open(tag.local_name().as_ref())?,
            Event::Empty(tag) => {
                draft.open(tag.local_name().as_ref())?;
                draft.close()?;
            }
            Event::End(_) => draft.close()?,
            Event::Text(text) => draft.text(&text),
            Event::CData(data) => draft.text(&data),
            Event::GeneralRef(name) => draft.text(&resolved(&name)?),
            Event::DocType(_) => return Err(Broken::Entities),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
            Event::Eof => break,
        }
    }
    draft.finish()
}

/// XML's own five entities, and characters by number.
fn resolved(name: &str) -> Result<String, Broken> {
    Ok(match name {
        "amp" => "&".into(),
        "lt" => "<".into(),
        "gt" => ">".into(),
        "quot" => "\"".into(),
        "apos" => "'".into(),
        _ => {
            let number = name.strip_prefix('#').ok_or(Broken::Entities)?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            let letter = code.ok().and_then(char::from_u32);
            letter.ok_or_else(|| Broken::Xml(format!("no character &{name};")))?.into()
        }
    })
}

/// The text, by the byte order mark or the encoding declaration (XML 1.0 appendix F).
fn decoded(octets: &[u8]) -> Result<Cow<'_, str>, Broken> {
    let declared = declared_encoding(octets);
    let encoding = match octets {
        [0xef, 0xbb, 0xbf, ..] => UTF_8,
        [0xff, 0xfe, ..] => UTF_16LE,
        [0xfe, 0xff, ..] => UTF_16BE,
        _ => match &declared {
            None => UTF_8,
            Some(label) => {
                let known = Encoding::for_label_no_replacement(label.as_bytes());
                let unknown = || Broken::Charset(label.clone());
                // A declaration in single octets cannot speak of UTF-16 and be right.
                match known.ok_or_else(unknown)? {
                    wide if wide == UTF_16LE || wide == UTF_16BE => UTF_8,
                    known => known,
                }
            }
        },
    };
    let (text, _, has_errors) = encoding.decode(octets);
    match has_errors {
        true => Err(Broken::Charset(declared.unwrap_or_else(|| encoding.name().into()))),
        false => Ok(text),
    }
}

/// What stands behind `encoding=` in the first line's declaration.
fn declared_encoding(octets: &[u8]) -> Option<String> {
    let head = octets.get(..octets.len().min(256)).unwrap_or_default();
    let head = String::from_utf8_lossy(head);
    let declaration = head.trim_start_matches('\u{feff}').trim_start().strip_prefix("<?xml")?;
    let declaration = declaration.split("?>").next()?;
    let (_, value) = declaration.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|letter| matches!(letter, '"' | '\''))?;
    value.get(1..)?.split(quote).next().map(str::to_owned)
}

/// A report while it is read.
#[derive(Debug, Default)]
struct Draft {
    /// Open elements, the root first.
    open: Vec<Element>,
    /// Elements below the one that is open under the root.
    elements: usize,
    records: usize,
    unusable_records: usize,
    has_root: bool,
    metadata: Option<Element>,
    policy: Option<Element>,
    rows: Vec<Tally>,
}

impl Draft {
    fn open(&mut self, name: &str) -> Result<(), Broken> {
        if self.open.len() >= DEPTH {
            return Err(Broken::TooMany("elements within each other"));
        }
        if self.open.is_empty() {
            if self.has_root || name != "feedback" {
                return Err(Broken::Missing("feedback"));
            }
            self.has_root = true;
        }
        self.elements += 1;
        if self.open.len() <= 1 {
            self.elements = 0;
        }
        if self.elements > ELEMENTS {
            return Err(Broken::TooMany("elements"));
        }
        let name = name.get(..name.len().min(NAME_OCTETS)).unwrap_or_default().to_owned();
        self.open.push(Element { name, ..Element::default() });
        Ok(())
    }

    fn text(&mut self, text: &str) {
        let Some(element) = self.open.last_mut() else { return };
        let room = TEXT_OCTETS.saturating_sub(element.text.len());
        let end = (0..=room.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
        element.text.push_str(text.get(..end.unwrap_or(0)).unwrap_or_default());
    }

    fn close(&mut self) -> Result<(), Broken> {
        let Some(element) = self.open.pop() else {
            return Err(Broken::Xml("an end without its beginning".into()));
        };
        match self.open.as_mut_slice() {
            [] => {}
            // Directly below the root: what is read is let go.
            [_] => self.take(element)?,
            [.., parent] => parent.children.push(element),
        }
        Ok(())
    }

    fn take(&mut self, element: Element) -> Result<(), Broken> {
        match element.name.as_str() {
            "report_metadata" => self.metadata = self.metadata.take().or(Some(element)),
            "policy_published" => self.policy = self.policy.take().or(Some(element)),
            "record" => {
                self.records += 1;
                if self.records > RECORDS {
                    return Err(Broken::TooMany("records"));
                }
                match tally(&element) {
                    Some(tally) => self.rows.push(tally),
                    None => self.unusable_records += 1,
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<Report, Broken> {
        if !self.has_root {
            return Err(Broken::Missing("feedback"));
        }
        if let Some(open) = self.open.last() {
            return Err(Broken::Xml(format!("it ends within {}", open.name)));
        }
        let metadata = self.metadata.ok_or(Broken::Missing("report_metadata"))?;
        let policy = policy(&self.policy.ok_or(Broken::Missing("policy_published"))?)?;
        let range = metadata.child("date_range").ok_or(Broken::Missing("date_range"))?;
        let moment = |name| range.number(name).ok_or(Broken::Missing("date_range"));
        let email = metadata.said("email");
        let org_name = metadata.said("org_name").or_else(|| email.clone());
        let contacts = [email, metadata.said("extra_contact_info")];
        let mut errors: Vec<String> = metadata
            .all("error")
            .filter(|error| !error.text.trim().is_empty())
            .take(ERRORS)
            .map(|error| error.text.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        if self.unusable_records > 0 {
            let count = self.unusable_records;
            errors.push(format!("{count} records without a source address or a credible count"));
        }
        Ok(Report {
            org_name: org_name.ok_or(Broken::Missing("org_name"))?,
            contact: contacts.into_iter().flatten().collect::<Vec<_>>().join(", "),
            report_id: metadata.said("report_id").ok_or(Broken::Missing("report_id"))?,
            begin_s: moment("begin")?,
            end_s: moment("end")?,
            policy,
            errors,
            rows: self.rows,
        })
    }
}

fn policy(element: &Element) -> Result<PublishedPolicy, Broken> {
    let domain = element.text_of("domain");
    let domain = Domain::parse(domain.trim_end_matches('.'));
    let asked = |name| match element.word(name).as_str() {
        "none" => Some(Asked::None),
        "quarantine" => Some(Asked::Quarantine),
        "reject" => Some(Asked::Reject),
        _ => None,
    };
    let alignment = |name| match element.word(name).as_str() {
        "r" | "relaxed" => Some(Alignment::Relaxed),
        "s" | "strict" => Some(Alignment::Strict),
        _ => None,
    };
    Ok(PublishedPolicy {
        domain: domain.map_err(|_| Broken::Missing("the policy's domain"))?.to_string(),
        p: asked("p").unwrap_or_default(),
        sp: asked("sp"),
        np: asked("np"),
        adkim: alignment("adkim"),
        aspf: alignment("aspf"),
        testing: match element.word("testing").as_str() {
            "y" => Some(true),
            "n" => Some(false),
            _ => None,
        },
        pct: element.number("pct").filter(|percent| *percent <= 100u8),
        fo: element.said("fo"),
        discovery: match element.word("discovery_method").as_str() {
            "psl" => Some(Discovery::Psl),
            "treewalk" => Some(Discovery::TreeWalk),
            _ => None,
        },
    })
}

/// A record; nothing when it does not say who sent how many.
fn tally(record: &Element) -> Option<Tally> {
    let row = record.child("row")?;
    let nothing = Element::default();
    let evaluated = row.child("policy_evaluated").unwrap_or(&nothing);
    let identifiers = record.child("identifiers").unwrap_or(&nothing);
    let results = record.child("auth_results").unwrap_or(&nothing);
    let source = row.text_of("source_ip");
    let name = |name| identifiers.child(name).map(|_| identifiers.word(name));
    let row = Row {
        source: source.trim_matches(['[', ']']).parse().ok()?,
        disposition: match evaluated.word("disposition").as_str() {
            "pass" => Applied::Pass,
            "quarantine" => Applied::Quarantine,
            "reject" => Applied::Reject,
            _ => Applied::None,
        },
        aligned_dkim: evaluated.word("dkim") == "pass",
        aligned_spf: evaluated.word("spf") == "pass",
        reasons: evaluated.all("reason").take(REASONS).map(reason).collect(),
        header_from: identifiers.word("header_from"),
        envelope_from: name("envelope_from"),
        envelope_to: name("envelope_to"),
        dkim: results.all("dkim").take(SIGNATURES).map(signature).collect(),
        spf: results.all("spf").take(2).map(spf_check).collect(),
    };
    let count = record.child("row")?.number("count");
    let count = count.filter(|count| (1..=MAILS_A_ROW).contains(count))?;
    Some(Tally { row, count })
}

fn reason(element: &Element) -> Override {
    let kind = match element.word("type").as_str() {
        "local_policy" => OverrideKind::LocalPolicy,
        "mailing_list" => OverrideKind::MailingList,
        "policy_test_mode" => OverrideKind::PolicyTestMode,
        "trusted_forwarder" => OverrideKind::TrustedForwarder,
        "forwarded" => OverrideKind::Forwarded,
        "sampled_out" => OverrideKind::SampledOut,
        _ => OverrideKind::Other,
    };
    Override { kind, comment: element.text_of("comment") }
}

fn signature(element: &Element) -> Signature {
    Signature {
        domain: element.word("domain"),
        selector: element.text_of("selector"),
        result: result(element),
    }
}

fn spf_check(element: &Element) -> SpfCheck {
    let scope = match element.word("scope").as_str() {
        "helo" => SpfScope::Helo,
        _ => SpfScope::Mfrom,
    };
    SpfCheck { domain: element.word("domain"), scope, result: result(element) }
}

/// RFC 8601 section 2.7, with names that older reporters use.
fn result(element: &Element) -> CheckResult {
    match element.word("result").as_str() {
        "pass" => CheckResult::Pass,
        "fail" | "hardfail" => CheckResult::Fail,
        "softfail" => CheckResult::SoftFail,
        "neutral" => CheckResult::Neutral,
        "policy" => CheckResult::Policy,
        "temperror" | "unknown" => CheckResult::TempError,
        "permerror" | "error" => CheckResult::PermError,
        _ => CheckResult::None,
    }
}
