//! An administrator returns a queued mail to its sender.
//!
//! In: a mail and why. Out: a failure report in the spool, and the mail gone from the queue.
//! The report comes first, under a name made of the mail's own and of those whom it is about:
//! a crash in between leaves the mail in the queue, and returning it again finds the report
//! instead of writing another. What is being delivered just now is left alone.
//!
//! The report returns no more than the header: nobody may have looked into the mail yet.

use super::errands::{derived_id, harmless, now_ms};
use crate::delivery::report::{self, Action, Author, Entry, Kind, Subject, Times};
use crate::journal::{Event, Journal};
use crate::mail::{
    Address, Content, Domain, DsnReturn, EnhancedCode, Envelope, Mail, MailId, Summary,
};
use crate::spool::{CommitError, Outcome, OwnMail, Spool, SpoolError, Spooled, Taken};

/// Why a mail is not returned; it is still in the queue.
#[derive(Debug, thiserror::Error)]
pub enum BounceError {
    /// There is no such mail in the queue.
    #[error("no mail {0} in the queue")]
    Unknown(MailId),
    /// A task has it.
    #[error("{0} is being delivered just now")]
    InDelivery(MailId),
    /// Its reverse-path is null: RFC 5321 section 4.5.5.
    #[error("{0} has no sender who could be told: remove it instead")]
    NoSender(MailId),
    /// The spool fails.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The report cannot be committed.
    #[error("the report to the sender could not be queued: {0}")]
    Commit(#[from] CommitError),
    /// The message cannot be read.
    #[error("the mail cannot be read: {0}")]
    Content(#[from] std::io::Error),
}

/// Who returns it.
#[derive(Debug, Clone, Copy)]
pub struct Returner<'a> {
    /// The reporting MTA.
    pub hostname: &'a Domain,
    /// Whom an answer reaches.
    pub postmaster: &'a Address,
    /// What the sender is told, on one line.
    pub why: &'a str,
}

/// Returns a mail; the report's name, when anybody wanted one (RFC 3461 NOTIFY). Everything is
/// durable when it returns.
pub async fn bounce(
    spool: &Spool,
    journal: &Journal,
    returner: Returner<'_>,
    id: MailId,
) -> Result<Option<MailId>, BounceError> {
    let mail = match spool.take(id).await? {
        Taken::Mail(mail) => *mail,
        Taken::Unknown => return Err(BounceError::Unknown(id)),
        Taken::InDelivery => return Err(BounceError::InDelivery(id)),
    };
    let Some(reader) = mail.envelope.reverse_path.address().cloned() else {
        return Err(BounceError::NoSender(id));
    };
    let pending = spool.pending(id);
    let reply = match harmless(returner.why) {
        why if why.trim().is_empty() => "returned by the administrator".to_owned(),
        why => format!("returned by the administrator: {why}"),
    };
    let own = written(&mail, returner, &reader, &pending, &reply).await?;
    let report = match own {
        Some((own, subject)) => {
            let octets = own.content.len();
            let event = Event::originated(&own.envelope, Some(id), &subject, octets);
            let report = spool.commit_own(own).await?.id;
            journal.record(report, event);
            journal.record(id, Event::Reported { report });
            Some(report)
        }
        None => None,
    };
    for recipient in pending {
        let named = mail.envelope.recipients.get(usize::from(recipient));
        let path = named.map(|named| named.forward_path.to_string()).unwrap_or_default();
        journal.record(id, Event::Failed { recipient: path, reply: reply.clone() });
        spool.record(id, recipient, Outcome::Failed { reply: reply.clone() });
    }
    spool.flush().await?;
    Ok(report)
}

/// The report, when one of the recipients wants one.
async fn written(
    mail: &Mail<Spooled>,
    returner: Returner<'_>,
    reader: &Address,
    pending: &[u16],
    reply: &str,
) -> Result<Option<(OwnMail, String)>, BounceError> {
    let asked = |recipient: &&u16| {
        let named = mail.envelope.recipients.get(usize::from(**recipient));
        let notify = named.and_then(|named| named.notify);
        notify.is_none_or(|notify| notify.failure)
    };
    let entry = |recipient: &u16| Entry {
        recipient: *recipient,
        action: Action::Failed,
        // RFC 3463: nothing more is known.
        status: EnhancedCode(5, 0, 0),
        remote: None,
        words: reply.to_owned(),
    };
    let entries: Vec<Entry> = pending.iter().filter(asked).map(entry).collect();
    if entries.is_empty() {
        return Ok(None);
    }
    let numbers: Vec<u8> = pending.iter().flat_map(|number| number.to_be_bytes()).collect();
    let name = derived_id(mail.id, "bounce", &[&numbers]);
    let envelope = Envelope { dsn_return: Some(DsnReturn::Headers), ..(*mail.envelope).clone() };
    let (mail, reader) = (mail.clone(), reader.clone());
    let (hostname, postmaster) = (returner.hostname.clone(), returner.postmaster.clone());
    let writing = tokio::task::spawn_blocking(move || {
        let author = Author { hostname: &hostname, postmaster: &postmaster };
        let subject = Subject {
            id: mail.id,
            envelope: &envelope,
            facts: &mail.facts,
            content: &mail.content,
            message_id: &mail.stage().judgement().summary.message_id,
        };
        let now_ms = now_ms();
        let times = Times { now_ms, expires_ms: now_ms };
        let written = report::write(author, &reader, Kind::Failure, subject, &entries, times)?;
        let summary = Summary {
            subject: written.subject.clone(),
            message_id: written.message_id,
            author: "Mail delivery system".into(),
        };
        let content = Content::from_bytes(written.text);
        let own = OwnMail::new(written.envelope, content, summary, Some(mail.id));
        Ok((OwnMail { id: Some(name), ..own }, written.subject))
    });
    let written: Result<_, std::io::Error> = writing.await.map_err(std::io::Error::other)?;
    Ok(Some(written?))
}

#[cfg(test)]
mod tests;
