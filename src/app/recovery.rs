//! After a crash the spool may know of mail that the journal does not: the journal is written
//! shortly behind. What is missing is told again from the spool's own record.

use crate::journal::{Continuation, Event, Journal, TrackQuery};
use crate::mail::{Mail, MailId};
use crate::spool::{Origin, Spool, Spooled};

/// Completes the stories of these mails. Blocks.
pub(super) fn complete(journal: &Journal, spool: &Spool, ids: &[MailId]) {
    for id in ids.iter().copied().filter(|id| !is_told(journal, *id)) {
        match spool.load(id) {
            Ok(Some(mail)) => tell(journal, &mail),
            Ok(None) => {}
            Err(error) => tracing::error!(mail_id = %id, %error, "a queued mail cannot be read"),
        }
    }
}

fn is_told(journal: &Journal, id: MailId) -> bool {
    let query = TrackQuery { mail_id: Some(id), limit: 1, ..TrackQuery::default() };
    let known = journal.track(&query).unwrap_or_default();
    let is_beginning = |event: &Event| {
        matches!(
            event,
            Event::Committed
                | Event::Originated { .. }
                | Event::Continued { .. }
                | Event::Recovered
        )
    };
    known.iter().flat_map(|story| &story.events).any(|(_, event)| is_beginning(event))
}

fn tell(journal: &Journal, mail: &Mail<Spooled>) {
    let octets = mail.content.len();
    let judgement = mail.stage().judgement();
    match mail.stage().origin() {
        Origin::Copied { of } | Origin::Redirected { of } => {
            let subject = &judgement.summary.subject;
            journal.record(mail.id, Event::originated(&mail.envelope, Some(of), subject, octets));
        }
        Origin::Own { about } => {
            let subject = &judgement.summary.subject;
            journal.record(mail.id, Event::originated(&mail.envelope, about, subject, octets));
        }
        Origin::Released { held } => {
            let on = Continuation {
                about: held,
                becomes: mail.id,
                envelope: &mail.envelope,
                facts: &mail.facts,
                judgement,
                size_octets: octets,
            };
            journal.record(mail.id, Event::continued(on));
        }
        Origin::Received => {
            journal.record(mail.id, Event::received(&mail.envelope, &mail.facts, octets));
            journal.record(mail.id, Event::judged(judgement));
        }
    }
    journal.record(mail.id, Event::Recovered);
}
