//! Notices: mails of the box's own about a mail.
//!
//! In: readers and templates. Out: one mail a reader, with a null reverse-path and
//! `Auto-Submitted: auto-generated` (RFC 3834), so that nothing answers it. Loop-safe in three
//! ways: the sender of a mail is told only where RFC 3834 allows an answer and where somebody
//! vouches for the reverse-path; a notice that comes back is not told about again; and of one
//! rule and sender a reader has one in any hour.
//!
//! What strangers wrote (subjects, addresses) goes into a template's places as it is, without
//! controls and without marks that turn the direction of writing; a place within it is no
//! place. The subject is a folded field, the text is encoded: neither can forge a field.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::super::executor::Settings;
use super::super::windows::{Key, Together, Wanted};
use super::heading::{Heading, TRAIL, mark_of};
use super::{Errands, derived_id, now_ms};
use crate::journal::Event;
use crate::mail::{
    About, Address, BodyType, Class, Content, Disposition, Envelope, MailId, Recipient,
    ReversePath, Role, Summary,
};
use crate::message::edit;
use crate::spool::OwnMail;

const NOTICE: &str = "notice";
const HOUR_S: u32 = 3_600;
/// Characters of one thing that a template names.
const VALUE_CHARS: usize = 500;
/// Octets of a whole text.
const TEXT_OCTETS: usize = 64 << 10;
/// RFC 2045 section 6.8: 76 characters a line.
const LINE_CHARS: usize = 76;
/// Findings that vouch for a sender.
const VOUCHING: [&str; 3] = ["SPF_PASS", "DKIM_VALID", "DMARC_PASS"];
/// The finding that tells which rule of the policy did what: `the rule "name": notify, …`.
const ACTED: &str = "POLICY_RULE";
/// RFC 3834 section 2: local parts behind which nobody reads.
const NOBODY: [&str; 4] = ["mailer-daemon", "postmaster", "noreply", "no-reply"];

/// A notice as it is ordered.
#[derive(Debug, Clone, Copy)]
pub(in crate::action) struct Notice<'a> {
    pub(in crate::action) to: &'a [Address],
    pub(in crate::action) subject: &'a str,
    pub(in crate::action) text: &'a str,
}

impl Errands {
    pub(super) async fn notify(
        &self,
        about: About<'_>,
        heading: &Heading,
        recipients: &[u16],
        notice: Notice<'_>,
    ) -> Result<(), String> {
        let terms = self.terms();
        let mut readers: Vec<&Address> = Vec::new();
        for reader in notice.to {
            if readers.iter().any(|there| there.key() == reader.key()) {
                continue;
            }
            match self.may_be_told(about, heading, reader) {
                Ok(()) => readers.push(reader),
                Err(why) => self.withheld(about.id, NOTICE, reader.to_string(), why),
            }
        }
        if readers.is_empty() {
            return Ok(());
        }
        let rule = rule_of(about, notice);
        let (readers, late): (Vec<&Address>, Vec<&Address>) = readers
            .into_iter()
            .partition(|reader| self.is_in_time(about, &rule, reader, terms.notices_per_hour));
        for reader in late {
            let why = "one of this rule and sender was sent within the hour, or too many of all";
            self.withheld(about.id, NOTICE, reader.to_string(), why);
        }
        let values = Values::of(about, recipients);
        let (subject, text) = (values.fill(notice.subject), values.fill(notice.text));
        for reader in readers {
            let id = derived_id(about.id, NOTICE, &[rule.as_bytes(), reader.key().as_bytes()]);
            let message_id = format!("{id}@{}", terms.settings.hostname);
            let mark = mark_of(&self.secret, NOTICE, reader, &message_id);
            let own = letter_to(&terms.settings, reader, id, about.id, (&subject, &text), &mark);
            let notice = self.commit(own, about.id).await?;
            let forward_path = reader.to_string();
            self.chronicle.note(about.id, Event::Notified { forward_path, notice });
        }
        Ok(())
    }

    fn may_be_told(
        &self,
        about: About<'_>,
        heading: &Heading,
        reader: &Address,
    ) -> Result<(), &'static str> {
        if heading.went(&self.secret, NOTICE, reader) {
            return Err("the mail is a notice of this box that came back");
        }
        let sender = about.envelope.reverse_path.address();
        match sender.is_some_and(|sender| sender.key() == reader.key()) {
            true => may_be_answered(about, heading, reader),
            false => Ok(()),
        }
    }

    /// For a reader one of a rule and sender in an hour, and of a rule no more than configured.
    fn is_in_time(&self, about: About<'_>, rule: &str, reader: &Address, per_hour: u32) -> bool {
        let sender = about.envelope.reverse_path.address().map(Address::key).unwrap_or_default();
        let wanted = |counted: String, count| {
            let key = Key { limit: format!("notice {rule}"), counted };
            Wanted { key, count, per_s: HOUR_S }
        };
        let both =
            [wanted(format!("{sender} {}", reader.key()), 1), wanted("all".into(), per_hour)];
        self.windows.take(&both, Together::AllOrNone, now_ms()) == [true, true]
    }
}

/// Whether the sender may be told something by a machine (RFC 3834 section 2), and is the one
/// who wrote.
fn may_be_answered(
    about: About<'_>,
    heading: &Heading,
    sender: &Address,
) -> Result<(), &'static str> {
    let local_part = sender.local_part().to_lowercase();
    let is_nobody = NOBODY.contains(&local_part.as_str())
        || local_part.starts_with("owner-")
        || ["-owner", "-request", "-bounces", "-bounce"].iter().any(|it| local_part.ends_with(it));
    let vouched =
        about.judgement.findings.iter().any(|finding| VOUCHING.contains(&finding.name.as_ref()));
    match () {
        () if heading.is_automatic => Err("a program wrote the mail"),
        () if heading.is_bulk => Err("the mail comes from a list or in bulk"),
        () if is_nobody => Err("nobody reads mail to this sender"),
        () if about.facts.role == Role::Inbound && !vouched => {
            Err("nothing vouches for the sender from outside")
        }
        () => Ok(()),
    }
}

/// What tells one rule's notices from another's: their own words.
fn rule_of(about: About<'_>, notice: Notice<'_>) -> String {
    let readers: Vec<String> =
        notice.to.iter().filter(|it| !is_party(about, it)).map(Address::key).collect();
    let parts = [readers.join("\n"), notice.subject.to_owned(), notice.text.to_owned()];
    let octets: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
    let joined = super::joined(NOTICE, &octets);
    let digest = ring::digest::digest(&ring::digest::SHA256, &joined);
    digest.as_ref().iter().take(8).map(|octet| format!("{octet:02x}")).collect()
}

/// Whether a reader is one because of the mail, not because of the rule.
fn is_party(about: About<'_>, reader: &Address) -> bool {
    let key = reader.key();
    about.envelope.reverse_path.address().is_some_and(|sender| sender.key() == key)
        || about.envelope.recipients.iter().any(|it| it.forward_path.key() == key)
}

/// What the places of a template stand for.
struct Values([(&'static str, String); 6]);

impl Values {
    fn of(about: About<'_>, recipients: &[u16]) -> Values {
        let sender = about.envelope.reverse_path.to_string();
        Values([
            ("subject", harmless(&about.judgement.summary.subject)),
            ("sender", if sender.is_empty() { "<>".into() } else { harmless(&sender) }),
            ("recipient", harmless(&about.names(recipients).join(", "))),
            ("rule", harmless(&rule_name(about, recipients))),
            ("mail_id", about.id.to_string()),
            ("reason", harmless(&reason(about, recipients))),
        ])
    }

    /// A template with its places filled, in one pass.
    fn fill(&self, template: &str) -> String {
        let mut out = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(open) = rest.find('{') {
            let (before, after) = rest.split_at(open);
            out.push_str(before);
            let named = after.split_once('}').and_then(|(name, behind)| {
                let name = name.strip_prefix('{')?;
                let (_, value) = self.0.iter().find(|(known, _)| *known == name)?;
                Some((value, behind))
            });
            match named {
                Some((value, behind)) => {
                    out.push_str(value);
                    rest = behind;
                }
                None => {
                    out.push('{');
                    rest = after.strip_prefix('{').unwrap_or_default();
                }
            }
        }
        out.push_str(rest);
        if out.len() > TEXT_OCTETS {
            out.truncate(out.floor_char_boundary(TEXT_OCTETS));
        }
        out
    }
}

/// On one line, without what a reader would not see or would see turned round.
pub(in crate::action) fn harmless(text: &str) -> String {
    let turns = |letter: char| matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}');
    let shown = text.chars().filter(|letter| !turns(*letter));
    shown.map(|letter| if letter.is_control() { ' ' } else { letter }).take(VALUE_CHARS).collect()
}

/// The rule that holds the mail, or the first finding of a rule of the house.
fn rule_name(about: About<'_>, recipients: &[u16]) -> String {
    let held =
        recipients.iter().find_map(|at| match about.judgement.dispositions.get(usize::from(*at)) {
            Some(Disposition::Approval { rule, .. }) => Some(rule.clone()),
            _ => None,
        });
    let findings = || about.judgement.findings.iter();
    let acted = || {
        findings().filter(|finding| finding.name == ACTED).find_map(|finding| {
            let (name, words) = finding.detail.split_once('"')?.1.rsplit_once("\": ")?;
            words.contains("notify").then(|| name.to_owned())
        })
    };
    let found = || {
        let finding = findings().find(|finding| finding.class == Class::Policy)?;
        Some(finding.name.to_string())
    };
    held.or_else(acted).or_else(found).unwrap_or_default()
}

/// What becomes of the mail, in words.
fn reason(about: About<'_>, recipients: &[u16]) -> String {
    let first =
        recipients.first().and_then(|at| about.judgement.dispositions.get(usize::from(*at)));
    let fate = match first {
        Some(Disposition::Deliver) => "delivered".to_owned(),
        Some(Disposition::Quarantine { area }) => format!("kept in quarantine ({area})"),
        Some(Disposition::Reject { reply }) => format!("refused: {}", reply.text.join(" ")),
        Some(Disposition::Defer { reply }) => format!("put off: {}", reply.text.join(" ")),
        Some(Disposition::Approval { approver, .. }) => format!("held for approval by {approver}"),
        Some(Disposition::Discard) => "discarded".to_owned(),
        Some(Disposition::HoldUnscanned) | None => "held".to_owned(),
    };
    let accuses = about
        .judgement
        .findings
        .iter()
        .filter(|finding| finding.class == Class::Policy || finding.score > 0.0);
    let names: Vec<&str> = accuses.map(|finding| finding.name.as_ref()).take(5).collect();
    match names.is_empty() {
        true => fate,
        false => format!("{fate} ({})", names.join(", ")),
    }
}

/// A mail of the box's own to one reader. `mark` knows it again when it comes back.
pub(in crate::action) fn letter_to(
    settings: &Settings,
    reader: &Address,
    id: MailId,
    about: MailId,
    (subject, text): (&str, &str),
    mark: &str,
) -> OwnMail {
    let Settings { hostname, postmaster } = settings;
    // RFC 5322 section 3.3, in universal time.
    let date = Timestamp::now().to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S %z");
    let subject = harmless(subject);
    let mut written = format!(
        "Date: {date}\r\nFrom: Postern <{postmaster}>\r\nTo: <{reader}>\r\n\
         Message-ID: <{id}@{hostname}>\r\nAuto-Submitted: auto-generated\r\n{TRAIL}: {mark}\r\n"
    );
    written.push_str(&String::from_utf8_lossy(&edit::fold("Subject", &subject)));
    written.push_str(
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n",
    );
    let lines: Vec<&str> = text.lines().collect();
    let body = STANDARD.encode(lines.join("\r\n") + "\r\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(LINE_CHARS).unwrap_or((rest, ""));
        let _ = write!(written, "{line}\r\n");
        rest = after;
    }
    let envelope = Envelope {
        reverse_path: ReversePath::Null,
        recipients: vec![Recipient::plain(reader.clone())],
        body: if written.is_ascii() { BodyType::SevenBit } else { BodyType::EightBitMime },
        smtputf8: reader.needs_smtputf8() || postmaster.needs_smtputf8(),
        dsn_return: None,
        envelope_id: None,
    };
    let message_id = format!("{id}@{hostname}");
    let summary = Summary { subject, message_id, author: "Postern".into() };
    let content = Content::from_bytes(written.into_bytes());
    OwnMail { id: Some(id), ..OwnMail::new(envelope, content, summary, Some(about)) }
}
