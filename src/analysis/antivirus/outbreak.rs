//! New malware is ahead of signatures for some hours: risky files from strangers wait.
//!
//! In: what a message carries, who sent it, and how well the box knows that sender. Out: the
//! moment until which the mail is held, counted from its reception, with what it is held for;
//! none when it may go. Pure: a restart comes to the same moment. Nobody waits whom the
//! recipient or the house trusts, and no own mail does.

use super::super::history::Acquaintance;
use super::super::{Authenticated, Passage, Sighting};
use crate::config::{Outbreak, RiskyType};
use crate::mail::{Family, Role};
use crate::message::Nature;
use crate::message::contents::{Closed, Contents, Item};

/// The finding of a mail that is held.
pub const OUTBREAK_HOLD: &str = "OUTBREAK_HOLD";

/// Who sent a mail, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// How it came.
    pub passage: Passage<'a>,
    /// Who vouches.
    pub authenticated: &'a Authenticated,
    /// None where nothing is remembered of senders: then all are strangers.
    pub acquaintance: Option<Acquaintance>,
}

impl Sender<'_> {
    /// From outside, and unknown or not vouched for.
    pub fn is_stranger(&self) -> bool {
        let facts = self.passage.facts;
        if facts.role != Role::Inbound || facts.account.is_some() {
            return false;
        }
        let Some(known) = self.acquaintance else { return true };
        let is_vouched = self.authenticated.speaks_for_author();
        let is_known = !known.is_new_sender && (is_vouched || known.has_good_history);
        known.is_stranger_possible && !is_known && !known.is_correspondent
    }
}

/// Until when a mail is held that was received at `received_ms`, and what for.
pub fn look(
    settings: &Outbreak,
    contents: &Contents,
    sender: &Sender<'_>,
    now_ms: u64,
) -> Option<(u64, Sighting)> {
    let until_ms = settings.until_ms(sender.passage.facts.received_ms);
    if now_ms >= until_ms {
        return None;
    }
    let (item, what) = risky(&settings.types, contents)?;
    if !sender.is_stranger() {
        return None;
    }
    let detail = format!("{}: {what}; for {} minutes", item.path, settings.hold_minutes);
    Some((until_ms, Sighting::new(OUTBREAK_HOLD, detail)))
}

/// The first file of these types, and what it is.
fn risky<'a>(types: &[RiskyType], contents: &'a Contents) -> Option<(&'a Item, &'static str)> {
    contents.items.iter().enumerate().find_map(|(number, item)| {
        let is = |kind: &&RiskyType| is_of(**kind, number, item, contents);
        let kind = types.iter().find(is)?;
        let what = match kind {
            RiskyType::Macro => "a document with macros",
            RiskyType::ClosedArchive => "an archive that cannot be looked into",
            _ => item.nature.words(),
        };
        Some((item, what))
    })
}

fn is_of(kind: RiskyType, number: usize, item: &Item, contents: &Contents) -> bool {
    let family = item.nature.family();
    match kind {
        RiskyType::Executable => family == Family::Executable,
        RiskyType::Script => family == Family::Script,
        RiskyType::Shortcut => family == Family::Shortcut,
        RiskyType::DiskImage => family == Family::DiskImage,
        RiskyType::Macro => {
            let remarked = |remark: &crate::message::contents::Remark| {
                remark.item == number && remark.name.starts_with("MACRO")
            };
            matches!(item.nature, Nature::WordMacro | Nature::ExcelMacro | Nature::PowerPointMacro)
                || contents.remarks.iter().any(remarked)
        }
        RiskyType::OneNote => item.nature == Nature::OneNote,
        RiskyType::ClosedArchive => {
            let holder = item.parent.and_then(|parent| contents.items.get(parent));
            let is_archive = [Some(item), holder]
                .into_iter()
                .flatten()
                .any(|one| matches!(one.nature.family(), Family::Archive | Family::DiskImage));
            let closed = item.closed.filter(|closed| *closed != Closed::Elsewhere);
            closed.is_some() && is_archive
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Envelope, Facts, Manners, Recipient, ReversePath};
    use crate::message::Anatomy;
    use crate::message::contents::Limits;

    fn contents(name: &str, body: &str) -> Contents {
        let text = format!(
            "From: a@x.test\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream; \
             name=\"{name}\"\r\n\r\n{body}\r\n"
        );
        let anatomy = Anatomy::of(&text.into_bytes().into(), crate::message::Limits::default());
        Contents::of(&anatomy, Limits::default(), &mut |_, _| {})
    }

    fn held(contents: &Contents, known: Option<Acquaintance>, now_ms: u64) -> Option<String> {
        let facts = Facts {
            role: Role::Inbound,
            client: "192.0.2.1".parse().unwrap(),
            helo: "x.test".into(),
            extended: true,
            tls: None,
            account: None,
            received_ms: 1_000,
            manners: Manners::default(),
        };
        let envelope = Envelope {
            reverse_path: ReversePath::Null,
            recipients: vec![Recipient::plain("bob@example.org".parse().unwrap())],
            body: Default::default(),
            smtputf8: false,
            dsn_return: None,
            envelope_id: None,
        };
        let sender = Sender {
            passage: Passage { facts: &facts, envelope: &envelope },
            authenticated: &Authenticated::default(),
            acquaintance: known,
        };
        let seen = look(&Outbreak::default(), contents, &sender, now_ms);
        seen.map(|(until_ms, sighting)| {
            assert_eq!(until_ms, 1_000 + 3_600_000);
            sighting.detail
        })
    }

    #[test]
    fn risky_files_of_strangers_wait_and_no_others() {
        let script = contents("invoice.js", "var x = new ActiveXObject('WScript.Shell');");
        let picture = contents("a.txt", "nothing");
        let stranger = Acquaintance {
            is_stranger_possible: true,
            is_new_sender: true,
            ..Acquaintance::default()
        };
        let why = held(&script, Some(stranger), 2_000).unwrap();
        assert!(why.starts_with("invoice.js: ") && why.ends_with("for 60 minutes"), "{why}");
        assert!(held(&script, None, 2_000).is_some(), "without history all are strangers");
        assert!(held(&picture, Some(stranger), 2_000).is_none());
        assert!(held(&script, Some(stranger), 1_000 + 3_600_000).is_none(), "its time is over");
        let correspondent = Acquaintance { is_correspondent: true, ..stranger };
        assert!(held(&script, Some(correspondent), 2_000).is_none());
        let known = Acquaintance { is_new_sender: false, has_good_history: true, ..stranger };
        assert!(held(&script, Some(known), 2_000).is_none());
        let own = Acquaintance::default();
        assert!(held(&script, Some(own), 2_000).is_none());
    }

    #[test]
    fn who_is_not_vouched_for_stays_a_stranger() {
        let script = contents("invoice.vbs", "CreateObject(\"WScript.Shell\").Run \"x\"");
        let unproven = Acquaintance { is_stranger_possible: true, ..Acquaintance::default() };
        assert!(held(&script, Some(unproven), 2_000).is_some());
    }
}
