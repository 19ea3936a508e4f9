//! Acts of people who use the site, written into the journal.
//!
//! In: a [`Call`] and what was done. Out: an [`Act`] with who, from where and by which door.
//! Acts that failed are kept, too: who tried, and why it was not done.
//! Invariant: no secret is among what is written; whoever calls leaves it out.

use super::{Call, Refusal};
use crate::journal::Act;
use crate::mail::MailId;

/// Who nobody knows.
const UNKNOWN: &str = "unknown";

/// One act in the making.
#[derive(Debug)]
pub struct Noted<'c> {
    call: &'c Call,
    act: Act,
}

/// Something that was done, `people.add` for example, to something.
pub fn act<'c>(call: &'c Call, what: &str, object: impl Into<String>) -> Noted<'c> {
    Noted { call, act: signed(call, Act::of(what, object)) }
}

/// In the caller's name.
fn signed(call: &Call, act: Act) -> Act {
    let who = match call.caller.is_known() {
        true => call.caller.signature(),
        false => UNKNOWN.to_owned(),
    };
    let via = if call.ask.path.starts_with("/api/") { "api" } else { "site" };
    Act { who, client: Some(call.ask.client.ip()), via: via.to_owned(), ..act }
}

/// Writes an act down in the caller's name; one on a mail is told in the mail's story, too.
pub fn note(call: &Call, mail_id: Option<MailId>, act: Act) {
    call.site.desk.journal.record_act(mail_id, signed(call, act));
}

/// Writes down an act of somebody who is not logged in and is known by other means.
pub fn note_by(call: &Call, who: &str, mail_id: Option<MailId>, act: Act) {
    let act = Act { who: who.to_owned(), ..signed(call, act) };
    call.site.desk.journal.record_act(mail_id, act);
}

/// As [`note`], with how it went; gives back what it was given.
pub fn note_outcome<T>(
    call: &Call,
    mail_id: Option<MailId>,
    act: Act,
    went: Result<T, Refusal>,
) -> Result<T, Refusal> {
    let refusal = went.as_ref().err().map(ToString::to_string).unwrap_or_default();
    note(call, mail_id, Act { refusal, ..act });
    went
}

impl Noted<'_> {
    /// By somebody who is not logged in yet, or no more.
    pub fn by(mut self, who: &str) -> Self {
        who.clone_into(&mut self.act.who);
        self
    }

    /// How it was.
    pub fn before(mut self, text: impl Into<String>) -> Self {
        self.act.before = Some(text.into());
        self
    }

    /// How it is now.
    pub fn after(mut self, text: impl Into<String>) -> Self {
        self.act.after = Some(text.into());
        self
    }

    /// Why, in the words of who did it.
    pub fn because(mut self, reason: &str) -> Self {
        reason.clone_into(&mut self.act.reason);
        self
    }

    /// It was not done.
    pub fn refused(mut self, why: impl ToString) -> Self {
        self.act.refusal = why.to_string();
        self
    }

    /// Writes it down.
    pub fn record(self) {
        self.call.site.desk.journal.record_act(None, self.act);
    }
}
