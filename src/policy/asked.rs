//! What rules are asked about one mail, whoever its recipient is.
//!
//! In: a [`Case`] and what analysis found, or what the journal kept of both
//! ([`recall`](super::recall)). Out: [`Circumstances`] for each recipient. Here alone it is
//! said which fact of a mail stands for which fact of rules, so that a mail that is asked about
//! again is asked the same.

use std::net::IpAddr;

use jiff::Zoned;

use super::attachments::Files;
use super::rules::{
    AuthenticationResults, Circumstances, Direction, FileFact, Parties, TlsState, TlsVersion,
};
use super::{Case, PolicySet};
use crate::analysis::{Look, markings};
use crate::journal::{FileNote, Inspection, RelayNote, Topic};
use crate::mail::{Address, ContentHit, Finding, HeaderField, Role};
use crate::message::Authorship;

/// Words of a From field that are read as mailboxes where it is unclear whose it is.
const UNCLEAR_AUTHORS: usize = 50;

/// The facts of one mail.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) role: Role,
    pub(super) reverse_path: Option<&'a Address>,
    pub(super) sender_groups: Vec<String>,
    pub(super) header: &'a [HeaderField],
    pub(super) subject: &'a str,
    pub(super) authors: Vec<String>,
    pub(super) client: Option<IpAddr>,
    pub(super) account: Option<&'a str>,
    pub(super) authentication: AuthenticationResults,
    pub(super) findings: &'a [Finding],
    pub(super) score: f32,
    pub(super) content: &'a [ContentHit],
    pub(super) files: &'a [FileFact<'a>],
    pub(super) octets: u64,
    pub(super) time: Option<Zoned>,
    pub(super) tls: TlsState,
    pub(super) markings: Vec<String>,
}

impl<'a> Asked<'a> {
    /// Of a mail that was looked into.
    pub(super) fn of(
        case: &Case<'a>,
        look: &'a Look,
        files: &'a Files<'_>,
        policy: &PolicySet,
    ) -> Asked<'a> {
        let facts = look.relayed.as_ref().unwrap_or(case.facts);
        let reverse_path = case.envelope.reverse_path.address();
        let tls = facts.tls.as_ref().map(|tls| &*tls.version);
        Asked {
            role: case.facts.role,
            reverse_path,
            sender_groups: policy.memberships.of(reverse_path, Some(&case.groups.sender)),
            header: &look.header,
            subject: subject_of(&look.header, &look.summary.subject),
            authors: authors(look),
            client: Some(facts.client),
            account: facts.account.as_deref(),
            authentication: AuthenticationResults::from_findings(&look.findings),
            findings: &look.findings,
            score: score_of(look),
            content: &look.content,
            files: &files.facts,
            octets: case.octets,
            time: time_of(case.facts.received_ms, policy),
            tls: tls_state(tls),
            markings: markings::names(&look.markings),
        }
    }

    /// For one recipient.
    pub(super) fn circumstances<'c>(
        &'c self,
        forward_path: &'c Address,
        recipient_groups: &'c [String],
        policy: &PolicySet,
    ) -> Circumstances<'c> {
        let is_own = || forward_path.domain().is_some_and(|it| policy.own_domains.contains(it));
        Circumstances {
            parties: Parties {
                direction: Direction::of(self.role, is_own),
                reverse_path: self.reverse_path,
                forward_path,
                sender_groups: &self.sender_groups,
                recipient_groups,
            },
            role: self.role,
            header: self.header,
            subject: self.subject,
            authors: &self.authors,
            client: self.client,
            account: self.account,
            authentication: self.authentication,
            findings: self.findings,
            score: self.score,
            content: self.content,
            files: self.files,
            octets: self.octets,
            time: self.time.as_ref(),
            tls: self.tls,
            markings: &self.markings,
        }
    }
}

/// What the journal keeps of a judged mail, so that rules can be asked about it again.
pub fn inspection(case: &Case<'_>, look: &Look, policy: &PolicySet) -> Inspection {
    let mut inspection = Inspection::at(case.facts.received_ms, score_of(look));
    inspection.classes = look.findings.iter().map(|finding| finding.class).collect();
    inspection.content.clone_from(&look.content);
    inspection.markings = markings::names(&look.markings);
    let files = Files::of(&look.enclosures);
    inspection.files = files.facts.into_iter().map(note_of).collect();
    inspection.authors = authors(look);
    inspection.keep_header(&look.header);
    inspection.sender_groups.clone_from(&case.groups.sender);
    inspection.recipient_groups.clone_from(&case.groups.recipients);
    inspection.relayed = look.relayed.as_ref().map(|facts| RelayNote {
        client: facts.client,
        account: facts.account.clone(),
        tls: facts.tls.as_ref().map(|tls| tls.version.clone()),
    });
    if !policy.rules.asks_groups() {
        // Directories were not asked.
        inspection.leave_out(Topic::Groups);
    }
    inspection
}

fn note_of(file: FileFact<'_>) -> FileNote {
    FileNote {
        types: file.types.iter().map(|one| (*one).to_owned()).collect(),
        family: file.family,
        extension: file.extensions.into_iter().next(),
        name: file.names.into_iter().next().unwrap_or_default(),
        states: file.states,
        octets: file.octets,
    }
}

pub(super) fn score_of(look: &Look) -> f32 {
    look.findings.iter().map(|finding| finding.score).sum()
}

/// The Subject as it is written, or as lists show it where the header is not at hand.
pub(super) fn subject_of<'h>(header: &'h [HeaderField], shown: &'h str) -> &'h str {
    let field = header.iter().find(|field| field.name.eq_ignore_ascii_case("subject"));
    field.map_or(shown, |field| &field.value)
}

pub(super) fn time_of(received_ms: u64, policy: &PolicySet) -> Option<Zoned> {
    let received_ms = i64::try_from(received_ms).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_millisecond(received_ms).ok();
    time.map(|time| time.to_zoned(policy.zone.clone()))
}

pub(super) fn tls_state(version: Option<&str>) -> TlsState {
    TlsState { version: version.map_or(TlsVersion::None, TlsVersion::named), verified: false }
}

fn authors(look: &Look) -> Vec<String> {
    authors_of(&look.author, &look.header)
}

/// The mailboxes that any reader may see as authors.
pub(super) fn authors_of(author: &Authorship, header: &[HeaderField]) -> Vec<String> {
    match author {
        Authorship::Absent => Vec::new(),
        Authorship::One(mailbox) => vec![mailbox.address.key()],
        Authorship::Several(mailboxes) => {
            mailboxes.iter().map(|mailbox| mailbox.address.key()).collect()
        }
        Authorship::Unclear(_) => {
            let fields = header.iter().filter(|it| it.name.eq_ignore_ascii_case("from"));
            let ends = |letter: char| letter.is_whitespace() || "<>,;()\"".contains(letter);
            let words = fields.flat_map(|field| field.value.split(ends));
            let read = words.filter(|word| word.contains('@')).take(UNCLEAR_AUTHORS);
            read.filter_map(|word| word.parse::<Address>().ok()).map(|it| it.key()).collect()
        }
    }
}
