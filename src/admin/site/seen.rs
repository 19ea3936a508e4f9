//! What somebody may see of one mail, and what they may do to it.
//!
//! In: the caller's [`Scope`] and paths. Who answers for the sender's domain sees the whole
//! mail; who answers for some of its recipients sees these and what became of their copies, not
//! who else was written to. What concerns them in no way is as if it did not exist.
//!
//! Invariant: an act that touches other people's copies as well is not theirs to do.

use super::{Call, Refusal, share};
use crate::admin::api::FindingRow;
use crate::admin::people::{Caller, Right, Scope};
use crate::journal::{Event, Story};
use crate::mail::{Envelope, MailId};

/// A name out of a path; what is none names nothing.
pub(super) fn id(text: &str) -> Result<MailId, Refusal> {
    text.parse().map_err(|_| Refusal::NotFound)
}

/// The numbers of the recipients that somebody may see.
pub(super) fn recipients(scope: &Scope, envelope: &Envelope) -> Vec<u16> {
    let is_theirs = scope.sees_any(envelope.reverse_path.address().into_iter());
    let seen = envelope
        .recipients
        .iter()
        .enumerate()
        .filter(|(_, one)| is_theirs || scope.sees_any(std::iter::once(&one.forward_path)));
    seen.filter_map(|(at, _)| u16::try_from(at).ok()).collect()
}

/// Their paths.
pub(super) fn forward_paths(scope: &Scope, envelope: &Envelope) -> Vec<String> {
    let named = recipients(scope, envelope).into_iter();
    let path = |at: u16| envelope.recipients.get(usize::from(at));
    named.filter_map(path).map(|one| one.forward_path.to_string()).collect()
}

/// Whether the mail is as if it did not exist for the caller.
pub(super) fn check(call: &Call, envelope: &Envelope) -> Result<(), Refusal> {
    call.caller.scope.sees(envelope).then_some(()).ok_or(Refusal::NotFound)
}

/// Whether all copies concern the caller, so that all of them are theirs to act on.
pub(super) fn check_whole(call: &Call, envelope: &Envelope) -> Result<(), Refusal> {
    check(call, envelope)?;
    match is_whole(&call.caller.scope, envelope) {
        true => Ok(()),
        false => Err(Refusal::Conflict(
            "this mail is for people of other domains, too: only somebody who answers for all of \
             them can do that"
                .into(),
        )),
    }
}

/// A story as far as the caller may see it: their own copies of a mail for several domains, and
/// what is in the message only with the right to read it.
pub(super) fn story(caller: &Caller, story: Story) -> Option<Story> {
    let is_theirs = caller.scope.sees_texts(std::iter::once(story.reverse_path.as_str()));
    let mut story = match is_theirs {
        true => story,
        false => share::of(&caller.scope, story)?,
    };
    if !caller.may(Right::SeeContent) {
        story.events.iter_mut().for_each(|(_, event)| {
            if let Event::Inspected(inspection) = event {
                inspection.leave_out_content();
            }
        });
    }
    Some(story)
}

/// Findings without the names of recipients whom somebody does not see.
pub(super) fn veil(scope: &Scope, envelope: &Envelope, findings: &mut [FindingRow]) {
    let hidden = share::hidden_in(scope, envelope);
    for finding in findings {
        finding.detail = share::veiled(&finding.detail, &hidden);
    }
}

/// Whether every copy of a mail concerns somebody.
pub(super) fn is_whole(scope: &Scope, envelope: &Envelope) -> bool {
    recipients(scope, envelope).len() == envelope.recipients.len()
}

/// Forward-paths without those that do not concern somebody, of a mail of this reverse-path.
pub(super) fn own_paths(scope: &Scope, reverse_path: &str, paths: &[String]) -> Vec<String> {
    match scope.sees_texts(std::iter::once(reverse_path)) {
        true => paths.to_vec(),
        false => own(scope, paths),
    }
}

fn own(scope: &Scope, paths: &[String]) -> Vec<String> {
    let is_own = |path: &&String| scope.sees_texts(std::iter::once(path.as_str()));
    paths.iter().filter(is_own).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::people::Role;
    use crate::journal::Inspection;
    use crate::mail::{Domain, HeaderField};

    fn delivered(recipient: &str) -> (u64, Event) {
        let event = Event::Delivered {
            recipient: recipient.into(),
            hop: "h".into(),
            reply: "250".into(),
            tls: None,
        };
        (1, event)
    }

    fn mail() -> Story {
        Story {
            mail_id: MailId::mint(),
            reverse_path: "ann@sender.test".into(),
            forward_paths: vec!["a@one.test".into(), "b@two.test".into()],
            subject: String::new(),
            message_id: String::new(),
            events: vec![delivered("a@one.test"), delivered("b@two.test"), (2, Event::Committed)],
        }
    }

    #[test]
    fn nobody_sees_who_else_was_written_to() {
        let domains = |name: &str| Scope::Domains(vec![Domain::parse(name).unwrap()]);
        let story = |scope: &Scope, mail| {
            let rights = Role::Administrator.rights();
            super::story(&Caller { scope: scope.clone(), rights, ..Caller::nobody() }, mail)
        };
        let seen = story(&domains("one.test"), mail()).unwrap();
        assert_eq!(seen.forward_paths, ["a@one.test"]);
        assert_eq!(seen.events, [delivered("a@one.test"), (2, Event::Committed)]);
        let whole = mail();
        assert_eq!(story(&domains("sender.test"), whole.clone()).unwrap(), whole);
        assert_eq!(story(&Scope::Site, whole.clone()).unwrap(), whole);
        assert!(story(&domains("three.test"), mail()).is_none());
        let paths = mail().forward_paths;
        assert_eq!(own_paths(&domains("one.test"), "ann@sender.test", &paths), ["a@one.test"]);
        assert_eq!(own_paths(&domains("sender.test"), "ann@sender.test", &paths), paths);
    }
    #[test]
    fn what_is_in_a_message_is_told_to_who_may_read_it() {
        let mut inspection = Inspection::at(1, 2.0);
        inspection.header = vec![HeaderField { name: "X-Case".into(), value: "4711".into() }];
        inspection.authors = vec!["ann@sender.test".into()];
        let told = |role: Role| {
            let mut mail = mail();
            mail.events.push((3, Event::Inspected(Box::new(inspection.clone()))));
            let caller = Caller { scope: Scope::Site, rights: role.rights(), ..Caller::nobody() };
            format!("{:?}", story(&caller, mail).unwrap())
        };
        assert!(told(Role::Administrator).contains("4711"));
        let reduced = told(Role::Helpdesk);
        assert!(!reduced.contains("4711") && !reduced.contains("X-Case"), "{reduced}");
        assert!(reduced.contains("Header"), "what is left out is said: {reduced}");
    }
}
