//! A mail of the past as rules are asked about it.
//!
//! In: its [`Story`] in the journal and, where the mail itself is still kept, its header. Out:
//! [`Recalled`]: the circumstances of each of its recipients, and which facts are not known.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::journal::{Event, FindingNote, Inspection, Story, Topic};
use crate::mail::{Address, Class, ContentHit, Finding, HeaderField, MailId, Role};
use crate::message::Authorship;
use crate::policy::PolicySet;
use crate::policy::asked::{Asked, authors_of, subject_of, time_of, tls_state};
use crate::policy::rules::{AuthenticationResults, Circumstances, FileFact};

/// Findings that rules themselves make when they act: rules are not asked about them.
const OF_RULES: &str = "POLICY_RULE";
/// Characters of a subject that a judgement keeps.
const SUBJECT_CHARACTERS: usize = 200;
/// Findings that a judgement keeps in the journal.
const FINDINGS: usize = 100;

/// The facts of one mail, as far as they are known.
#[derive(Debug, Clone)]
pub struct Recalled {
    /// Its name.
    pub mail_id: MailId,
    /// When it came, milliseconds since 1970.
    pub received_ms: u64,
    /// Empty when null.
    pub reverse_path: String,
    /// Whom it is for.
    pub forward_paths: Vec<String>,
    /// As lists show it.
    pub subject: String,
    /// What became of how many copies.
    pub dispositions: String,
    role: Role,
    client: IpAddr,
    account: Option<String>,
    tls: Option<String>,
    octets: u64,
    score: f32,
    findings: Vec<Finding>,
    header: Vec<HeaderField>,
    /// The header is known whole.
    is_read: bool,
    authors: Option<Vec<String>>,
    inspection: Option<Inspection>,
}

impl Recalled {
    /// What a story tells; none when it does not tell how the mail came and what was made of it.
    pub fn of(story: &Story) -> Option<Recalled> {
        let received = story.events.iter().find_map(|(at_ms, event)| match event {
            Event::Received { role, client, size_octets, tls, account, .. } => {
                Some((*at_ms, *role, *client, *size_octets, tls.clone(), account.clone()))
            }
            _ => None,
        });
        let (received_ms, role, client, octets, tls, account) = received?;
        let judged = story.events.iter().rev().find_map(|(_, event)| match event {
            Event::Judged { score, findings, dispositions, .. } => {
                Some((*score, findings, dispositions))
            }
            _ => None,
        });
        let (score, notes, dispositions) = judged?;
        let inspection = story.events.iter().rev().find_map(|(_, event)| match event {
            Event::Inspected(inspection) => Some((**inspection).clone()),
            _ => None,
        });
        let findings = findings(notes, inspection.as_ref());
        let mut recalled = Recalled {
            mail_id: story.mail_id,
            received_ms,
            reverse_path: story.reverse_path.clone(),
            forward_paths: story.forward_paths.clone(),
            subject: story.subject.clone(),
            dispositions: dispositions.clone(),
            role,
            client,
            account,
            tls: tls.map(|tls| tls.version),
            octets,
            score,
            findings,
            header: Vec::new(),
            is_read: false,
            authors: None,
            inspection: None,
        };
        if let Some(mut inspection) = inspection {
            recalled.received_ms = inspection.received_ms;
            recalled.score = inspection.score;
            recalled.header = std::mem::take(&mut inspection.header);
            if let Some(relay) = inspection.relayed.take() {
                recalled.client = relay.client;
                (recalled.account, recalled.tls) = (relay.account, relay.tls);
            }
            recalled.inspection = Some(inspection);
        }
        Some(recalled)
    }

    /// Takes the header from the mail itself.
    pub fn read(&mut self, header: Vec<HeaderField>, author: &Authorship) {
        self.authors = Some(authors_of(author, &header));
        (self.header, self.is_read) = (header, true);
    }

    /// Whether facts of a kind are not known, or not all of them.
    pub(super) fn lacks(&self, topic: Topic) -> bool {
        if self.is_read && matches!(topic, Topic::Authors | Topic::Header | Topic::Subject) {
            return false;
        }
        match (&self.inspection, topic) {
            (_, Topic::Subject) => {
                let is_shown = !self.header.iter().any(is_subject);
                is_shown && self.subject.chars().count() >= SUBJECT_CHARACTERS
            }
            (None, Topic::Findings) => self.findings.len() >= FINDINGS,
            (None, _) => true,
            (Some(inspection), topic) => inspection.left_out.contains(&topic),
        }
    }

    /// Whether there may be a field of this name, in small letters, whose text is not known.
    pub(super) fn lacks_field(&self, name: &str) -> bool {
        if self.is_read {
            return false;
        }
        self.inspection.as_ref().is_none_or(|inspection| {
            inspection.left_out.contains(&Topic::Header)
                || inspection.fields_left_out.iter().any(|one| one == name)
        })
    }

    /// Asks about each recipient that can be understood, by its number.
    pub(super) fn with(&self, policy: &PolicySet, mut ask: impl FnMut(usize, &Circumstances<'_>)) {
        let inspection = self.inspection.as_ref().map_or_else(
            || Cow::Owned(Inspection::at(self.received_ms, self.score)),
            Cow::Borrowed,
        );
        let types: Vec<Vec<&str>> = inspection
            .files
            .iter()
            .map(|file| file.types.iter().map(|it| &**it).collect())
            .collect();
        let files: Vec<FileFact<'_>> = inspection
            .files
            .iter()
            .zip(&types)
            .map(|(file, types)| FileFact {
                types,
                family: file.family,
                extensions: file.extension.clone().into_iter().collect(),
                names: vec![file.name.clone()],
                states: file.states.clone(),
                octets: file.octets,
            })
            .collect();
        let content: &[ContentHit] = &inspection.content;
        let sender: Option<Address> = self.reverse_path.parse().ok();
        let asked = Asked {
            role: self.role,
            reverse_path: sender.as_ref(),
            sender_groups: policy.memberships.of(sender.as_ref(), Some(&inspection.sender_groups)),
            header: &self.header,
            subject: subject_of(&self.header, &self.subject),
            authors: self.authors.clone().unwrap_or_else(|| inspection.authors.clone()),
            client: Some(self.client),
            account: self.account.as_deref(),
            authentication: AuthenticationResults::from_findings(&self.findings),
            findings: &self.findings,
            score: self.score,
            content,
            files: &files,
            octets: self.octets,
            time: time_of(self.received_ms, policy),
            tls: tls_state(self.tls.as_deref()),
            markings: inspection.markings.clone(),
        };
        for (number, path) in self.forward_paths.iter().enumerate() {
            let Ok(forward_path) = path.parse::<Address>() else { continue };
            let groups =
                policy.memberships.of(Some(&forward_path), inspection.recipient_groups.get(number));
            ask(number, &asked.circumstances(&forward_path, &groups, policy));
        }
    }
}

fn is_subject(field: &HeaderField) -> bool {
    field.name.eq_ignore_ascii_case("subject")
}

/// Those that rules were asked about: the first ones, as many as there are classes; without
/// them all but those that rules made.
fn findings(notes: &[FindingNote], inspection: Option<&Inspection>) -> Vec<Finding> {
    let finding = |note: &FindingNote, class: Class| Finding {
        name: Cow::Owned(note.name.clone()),
        class,
        score: note.score,
        detail: note.detail.clone(),
    };
    match inspection {
        Some(inspection) => {
            let both = notes.iter().zip(&inspection.classes);
            both.map(|(note, class)| finding(note, *class)).collect()
        }
        None => {
            let asked = notes.iter().filter(|note| note.name != OF_RULES);
            asked.map(|note| finding(note, Class::Notice)).collect()
        }
    }
}
