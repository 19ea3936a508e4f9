//! A story as far as it concerns somebody who answers for some of a mail's recipients only.
//!
//! In: the whole story and the caller's [`Scope`]. Out: what became of their own copies, without
//! a word of who else was written to, what became of the others' copies, and what the message
//! itself holds beyond its subject.
//!
//! Invariant: every event is named here; one that tells of copies without saying whose is shown
//! only where it can be about theirs.

use std::collections::HashSet;

use crate::admin::people::Scope;
use crate::journal::{Act, ActNote, Event, Story};
use crate::mail::{Envelope, MailId};
use crate::quarantine::APPROVAL_AREA;

/// Stands for what concerns other people.
const HIDDEN: &str = "…";
/// What becomes of copies, where it is not the same for all of them.
const NOT_ALIKE: &str = "not the same for all recipients";

/// Their part; nothing when no copy is theirs.
pub(super) fn of(scope: &Scope, mut story: Story) -> Option<Story> {
    let all = std::mem::take(&mut story.forward_paths);
    let (own, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|path| sees(scope, path));
    if own.is_empty() {
        return None;
    }
    let hidden = hidden(&story.reverse_path, others);
    let whole = std::mem::take(&mut story.events);
    let mut share = Share::new(scope, &own, &hidden, &whole);
    story.events = whole
        .iter()
        .enumerate()
        .filter_map(|(at, (at_ms, event))| Some((*at_ms, share.about_own(at, event)?)))
        .collect();
    story.forward_paths = own;
    Some(story)
}

/// What texts about a mail must not say to somebody: other recipients, and their domains.
pub(super) fn hidden_in(scope: &Scope, envelope: &Envelope) -> Vec<String> {
    let seen = super::seen::recipients(scope, envelope);
    let is_other = |at: usize| u16::try_from(at).is_ok_and(|at| !seen.contains(&at));
    let others = envelope.recipients.iter().enumerate().filter(|(at, _)| is_other(*at));
    let others = others.map(|(_, one)| one.forward_path.to_string()).collect();
    hidden(&envelope.reverse_path.to_string(), others)
}

fn hidden(reverse_path: &str, mut others: Vec<String>) -> Vec<String> {
    let own = domain_of(reverse_path);
    let mut domains: Vec<String> = others.iter().filter_map(|path| domain_of(path)).collect();
    domains.sort_unstable();
    domains.dedup();
    domains.retain(|domain| Some(domain) != own.as_ref());
    others.retain(|path| !path.is_empty());
    others.extend(domains);
    others
}

/// With the at sign.
fn domain_of(path: &str) -> Option<String> {
    path.rfind('@').and_then(|at| path.get(at..)).map(str::to_owned)
}

/// A text without what is hidden.
pub(super) fn veiled(text: &str, hidden: &[String]) -> String {
    if !text.contains('@') {
        return text.to_owned();
    }
    hidden.iter().fold(text.to_owned(), |text, word| without(&text, word))
}

/// A text without a word, in whatever case a next hop repeats it.
fn without(text: &str, word: &str) -> String {
    let (folded, word) = (text.to_ascii_lowercase(), word.to_ascii_lowercase());
    let (mut rest, mut left) = (0, String::with_capacity(text.len()));
    for (at, _) in folded.match_indices(&word) {
        left.push_str(text.get(rest..at).unwrap_or_default());
        left.push_str(HIDDEN);
        rest = at + word.len();
    }
    left.push_str(text.get(rest..).unwrap_or_default());
    left
}

fn sees(scope: &Scope, path: &str) -> bool {
    scope.sees_texts(std::iter::once(path))
}

/// A path in the form in which copies are told apart.
fn key(path: &str) -> String {
    path.trim_matches(['<', '>']).to_ascii_lowercase()
}

/// What is known of somebody's copies at one place of a story.
struct Share<'s> {
    scope: &'s Scope,
    hidden: &'s [String],
    whole: &'s [(u64, Event)],
    /// Copies that have not come to their end so far.
    open: HashSet<String>,
    /// Whether there is a copy of which the whole story says nothing.
    has_untold: bool,
    /// Whether a next hop ever did not take one.
    has_trouble: bool,
    /// Releases of others' copies, by their places.
    foreign: HashSet<usize>,
    /// Questions about their copies.
    asked: HashSet<MailId>,
}

impl<'s> Share<'s> {
    fn new(
        scope: &'s Scope,
        own: &[String],
        hidden: &'s [String],
        whole: &'s [(u64, Event)],
    ) -> Share<'s> {
        let open: HashSet<String> = own.iter().map(|path| key(path)).collect();
        let told: HashSet<String> =
            whole.iter().flat_map(|(_, event)| copies_of(event)).map(key).collect();
        let is_trouble = |event: &Event| match event {
            Event::Deferred { recipient, .. } | Event::Failed { recipient, .. } => {
                sees(scope, recipient)
            }
            _ => false,
        };
        Share {
            scope,
            hidden,
            whole,
            has_untold: open.iter().any(|path| !told.contains(path)),
            has_trouble: whole.iter().any(|(_, event)| is_trouble(event)),
            foreign: foreign_releases(scope, whole),
            asked: HashSet::new(),
            open,
        }
    }

    /// An event without those whom it concerns besides; nothing when it concerns others only.
    fn about_own(&mut self, at: usize, event: &Event) -> Option<Event> {
        let is_own = match event {
            Event::Committed
            | Event::Recovered
            | Event::Archived { .. }
            | Event::FoundLater { .. }
            | Event::Judged { .. }
            | Event::Refused { .. }
            | Event::Received { .. }
            | Event::Originated { .. }
            | Event::Continued { .. }
            | Event::TurnedAway { .. }
            | Event::Quarantined { .. }
            | Event::OriginalKept { .. }
            | Event::Redirected { .. }
            | Event::Copied { .. }
            | Event::GoesOn { .. }
            | Event::Notified { .. }
            | Event::Administered(_) => true,
            Event::Delivered { recipient, .. }
            | Event::Deferred { recipient, .. }
            | Event::Failed { recipient, .. } => sees(self.scope, recipient),
            Event::Withheld { forward_path, .. } => sees(self.scope, forward_path),
            Event::Held { .. } | Event::Retried { .. } | Event::Removed { .. } => self.is_open(),
            Event::Released { .. } => self.is_open() && !self.foreign.contains(&at),
            Event::Expired => self.is_open() || self.failed_just_before(at),
            Event::Discarded => self.has_untold,
            Event::Reported { .. } => self.has_trouble,
            Event::ApprovalAsked { entry, .. } => {
                let is_own = self.is_asked_about(at);
                self.asked.extend(is_own.then_some(*entry));
                is_own
            }
            Event::ApprovalDecided { entry, .. } => self.asked.contains(entry),
            Event::RateLimited { counted, .. } => self.may_be_counted(counted),
            // The message's own header and files, and everybody's groups.
            Event::Inspected(_) => false,
            // It belongs to no mail.
            Event::VisitRefused { .. } => false,
        };
        self.end(event);
        is_own.then(|| self.reduced(event.clone())).flatten()
    }

    fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Notes which copies have come to their end.
    fn end(&mut self, event: &Event) {
        if !matches!(event, Event::Deferred { .. } | Event::Quarantined { .. }) {
            for path in copies_of(event) {
                self.open.remove(&key(path));
            }
        }
    }

    /// Whether a copy of theirs was given up in the attempt that an event closes.
    fn failed_just_before(&self, at: usize) -> bool {
        let before = self.whole.get(..at).unwrap_or_default().iter().rev();
        let mut failed = before.map_while(|(_, event)| match event {
            Event::Failed { recipient, .. } => Some(recipient),
            _ => None,
        });
        failed.any(|recipient| sees(self.scope, recipient))
    }

    /// Whether a question is about their copies: these are kept right after it.
    fn is_asked_about(&self, at: usize) -> bool {
        let after = self.whole.get(at..).unwrap_or_default().iter();
        let mut kept = after.filter_map(|(_, event)| match event {
            Event::Quarantined { area, recipients } if area == APPROVAL_AREA => Some(recipients),
            _ => None,
        });
        kept.next().is_some_and(|paths| paths.iter().any(|path| sees(self.scope, path)))
    }

    /// Whether that is not another recipient.
    fn may_be_counted(&self, counted: &str) -> bool {
        let is_hidden = |word: &String| word.eq_ignore_ascii_case(counted);
        sees(self.scope, counted) || !self.hidden.iter().any(is_hidden)
    }

    /// The event with their own paths only, and texts without the others'.
    fn reduced(&self, mut event: Event) -> Option<Event> {
        match &mut event {
            Event::Quarantined { recipients: paths, .. }
            | Event::OriginalKept { recipients: paths, .. }
            | Event::Received { forward_paths: paths, .. }
            | Event::Originated { forward_paths: paths, .. }
            | Event::TurnedAway { forward_paths: paths, .. }
            | Event::Continued { forward_paths: paths, .. }
            | Event::GoesOn { forward_paths: paths, .. }
            | Event::Copied { forward_paths: paths, .. } => self.keep_own(paths)?,
            Event::Redirected { recipients, forward_paths, .. } => {
                self.keep_own(recipients)?;
                // Where nobody of theirs has it, it is enough to know that it went elsewhere.
                let _ = self.keep_own(forward_paths);
            }
            Event::Notified { forward_path, .. } => {
                let mut paths: Vec<String> = forward_path.split(", ").map(str::to_owned).collect();
                self.keep_own(&mut paths)?;
                *forward_path = paths.join(", ");
            }
            Event::Judged { findings, dispositions, .. } => {
                for note in findings {
                    note.detail = veiled(&note.detail, self.hidden);
                }
                *dispositions = uncounted(dispositions);
            }
            Event::Administered(note) => **note = who_and_what(note),
            _ => {}
        }
        if let Event::TurnedAway { reply, .. }
        | Event::Refused { reply, .. }
        | Event::Delivered { reply, .. }
        | Event::Deferred { reply, .. }
        | Event::Failed { reply, .. }
        | Event::Withheld { why: reply, .. }
        | Event::RateLimited { consequence: reply, .. } = &mut event
        {
            *reply = veiled(reply, self.hidden);
        }
        Some(event)
    }

    /// Nothing when none is left.
    fn keep_own(&self, paths: &mut Vec<String>) -> Option<()> {
        paths.retain(|path| sees(self.scope, path));
        (!paths.is_empty()).then_some(())
    }
}

/// Whose copies an event moves.
fn copies_of(event: &Event) -> impl Iterator<Item = &str> {
    let (one, more) = match event {
        Event::Delivered { recipient, .. }
        | Event::Deferred { recipient, .. }
        | Event::Failed { recipient, .. } => (Some(recipient), &[][..]),
        Event::Quarantined { recipients: paths, .. }
        | Event::Redirected { recipients: paths, .. }
        | Event::GoesOn { forward_paths: paths, .. } => (None, paths.as_slice()),
        _ => (None, &[][..]),
    };
    one.into_iter().chain(more).map(String::as_str)
}

/// Kept copies that go on are told twice, first who let them and then whose they are.
fn foreign_releases(scope: &Scope, whole: &[(u64, Event)]) -> HashSet<usize> {
    let mut released = Vec::new();
    let mut foreign = HashSet::new();
    for (at, (_, event)) in whole.iter().enumerate() {
        match event {
            Event::Released { .. } => released.push(at),
            Event::GoesOn { forward_paths, .. } => {
                let is_own = forward_paths.iter().any(|path| sees(scope, path));
                foreign.extend(released.pop().filter(|_| !is_own));
            }
            _ => {}
        }
    }
    foreign
}

/// What becomes of copies, without how many there are.
fn uncounted(dispositions: &str) -> String {
    match dispositions.contains(", ") {
        true => NOT_ALIKE.to_owned(),
        false => {
            dispositions.trim_end_matches(|letter: char| letter.is_ascii_digit()).trim().into()
        }
    }
}

/// An act may have been about others' copies, and names them before and after.
fn who_and_what(note: &ActNote) -> ActNote {
    let refusal = if note.act.refusal.is_empty() { String::new() } else { "refused".to_owned() };
    let (who, what) = (note.act.who.clone(), note.act.what.clone());
    ActNote { act_id: note.act_id, act: Act { who, what, refusal, ..Act::default() } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{FindingNote, Inspection};
    use crate::mail::{Domain, Verdict};

    const A: &str = "a@one.test";
    const B: &str = "b@two.test";

    #[test]
    fn others_are_hidden_in_any_case() {
        let hidden = hidden("x@out.test", vec!["Bob@two.test".into()]);
        let said = "450 <BOB@Two.Test> later, bob@TWO.test; é a@one.test";
        assert_eq!(veiled(said, &hidden), "450 <…> later, …; é a@one.test");
    }

    fn delivered(recipient: &str) -> Event {
        let (hop, reply) = ("h".into(), "250".into());
        Event::Delivered { recipient: recipient.into(), hop, reply, tls: None }
    }

    fn deferred(recipient: &str) -> Event {
        let reply = format!("450 4.2.0 <{recipient}> later");
        Event::Deferred { recipient: recipient.into(), reply, next_attempt_ms: 0 }
    }

    fn kept(area: &str, recipient: &str) -> Event {
        Event::Quarantined { area: area.into(), recipients: vec![recipient.into()] }
    }

    fn goes_on(recipient: &str) -> Event {
        Event::GoesOn { forward_paths: vec![recipient.into()], becomes: MailId::mint() }
    }

    fn released() -> Event {
        Event::Released { by: "olive".into() }
    }

    fn asked(entry: MailId, approver: &str) -> Event {
        Event::ApprovalAsked {
            entry,
            approver: approver.into(),
            rule: "r".into(),
            expires_ms: 1,
            question: MailId::mint(),
        }
    }

    fn decided(entry: MailId) -> Event {
        Event::ApprovalDecided { entry, by: "boss@two.test".into(), decision: "released".into() }
    }

    fn limited(counted: &str) -> Event {
        let (limit, consequence) = ("l".into(), "kept".into());
        Event::RateLimited { limit, counted: counted.into(), consequence }
    }

    fn mail(events: &[Event]) -> Story {
        Story {
            mail_id: MailId::mint(),
            reverse_path: "ann@sender.test".into(),
            forward_paths: vec![A.into(), B.into()],
            subject: String::new(),
            message_id: String::new(),
            events: (1..).zip(events.iter().cloned()).collect(),
        }
    }

    /// What somebody of `one.test` sees.
    fn seen(events: &[Event]) -> Vec<Event> {
        let scope = Scope::Domains(vec![Domain::parse("one.test").unwrap()]);
        let story = of(&scope, mail(events)).unwrap();
        assert_eq!(story.forward_paths, [A]);
        let text = format!("{story:?}");
        assert!(!text.contains("two.test"), "{text}");
        story.events.into_iter().map(|(_, event)| event).collect()
    }

    #[test]
    fn an_act_is_told_without_whom_it_was_about() {
        let act = Act {
            who: "olive".into(),
            what: "quarantine.release-some".into(),
            object: B.into(),
            before: Some(format!("in spam for {A}, {B}")),
            after: Some(format!("released to {B}")),
            reason: B.into(),
            refusal: format!("{B} has it"),
            via: "site".into(),
            client: None,
        };
        let note = ActNote { act_id: MailId::mint(), act };
        let [Event::Administered(told)] = &seen(&[Event::Administered(note.into())])[..] else {
            panic!("no act")
        };
        let (who, what) = ("olive".into(), "quarantine.release-some".into());
        let refusal = "refused".into();
        assert_eq!(told.act, Act { who, what, refusal, ..Act::default() });
    }

    #[test]
    fn what_becomes_of_others_copies_is_not_told() {
        let removed = || Event::Removed { by: "olive".into() };
        let held = || Event::Held { by: "olive".into() };
        let report = || Event::Reported { report: MailId::mint() };
        // One after the other: all that happened, and which of it is theirs.
        let cases: Vec<(Vec<Event>, Vec<usize>)> = vec![
            (vec![kept("s", A), kept("s", B), released(), goes_on(B)], vec![0]),
            (vec![kept("s", A), kept("s", B), released(), goes_on(A)], vec![0, 2, 3]),
            (vec![released(), kept("s", B), released(), goes_on(B)], vec![0]),
            (vec![delivered(A), kept("s", B), removed()], vec![0]),
            (vec![kept("s", A), removed()], vec![0, 1]),
            (vec![delivered(A), deferred(B), held(), Event::Expired], vec![0]),
            (vec![deferred(A), report(), held()], vec![0, 1, 2]),
            (vec![delivered(A), deferred(B), report()], vec![0]),
            (vec![Event::Discarded, delivered(A)], vec![1]),
            (vec![Event::Discarded, delivered(B)], vec![0]),
            (vec![limited(B), limited("B@TWO.test"), limited(A), limited("192.0.2.1")], vec![2, 3]),
        ];
        for (events, theirs) in cases {
            let theirs: Vec<Event> = theirs.into_iter().map(|at| events[at].clone()).collect();
            assert_eq!(seen(&events), theirs, "{events:?}");
        }
        let failed =
            |recipient: &str| Event::Failed { recipient: recipient.into(), reply: "".into() };
        assert_eq!(seen(&[failed(A), failed(B), Event::Expired]), [failed(A), Event::Expired]);
        assert_eq!(seen(&[failed(A), failed(B), delivered(B), Event::Expired]), [failed(A)]);
    }

    #[test]
    fn a_question_about_others_copies_is_not_told() {
        let (theirs, others) = (MailId::mint(), MailId::mint());
        let events = [
            asked(others, "boss@two.test"),
            kept(APPROVAL_AREA, B),
            asked(theirs, "boss@three.test"),
            kept(APPROVAL_AREA, A),
            decided(others),
        ];
        assert_eq!(seen(&events), [events[2].clone(), events[3].clone()]);
        let story = mail(&[events[2].clone(), events[3].clone(), decided(theirs)]);
        let scope = Scope::Domains(vec![Domain::parse("one.test").unwrap()]);
        assert_eq!(of(&scope, story).unwrap().events.len(), 3);
    }

    #[test]
    fn no_text_names_the_others() {
        let detail = format!("{A} (x in the list of @one.test), {B} (x in the list of @two.test)");
        let judged = Event::Judged {
            verdict: Verdict::Clean,
            score: 0.0,
            findings: vec![FindingNote { name: "SENDER_TRUSTED".into(), score: 0.0, detail }],
            subject: String::new(),
            message_id: String::new(),
            dispositions: "deliver 1, quarantine legal 1".into(),
        };
        let inspected = Event::Inspected(Box::new(Inspection::at(1, 0.0)));
        let refused = Event::Refused { reply: format!("550 not {B}"), stage: "policy".into() };
        let told = seen(&[judged, inspected, refused]);
        let [Event::Judged { findings, dispositions, .. }, Event::Refused { reply, .. }] =
            &told[..]
        else {
            panic!("{told:?}")
        };
        assert!(findings[0].detail.contains(A), "{findings:?}");
        assert_eq!((dispositions.as_str(), reply.as_str()), (NOT_ALIKE, "550 not …"));
        assert_eq!(uncounted("quarantine spam 12"), "quarantine spam");
        let redirected = Event::Redirected {
            recipients: vec![A.into(), B.into()],
            forward_paths: vec!["desk@two.test".into()],
            becomes: MailId::mint(),
        };
        let notified =
            Event::Notified { forward_path: format!("{B}, {A}"), notice: MailId::mint() };
        assert_eq!(seen(&[redirected, notified]).len(), 2);
    }
}
