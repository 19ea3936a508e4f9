//! What is ordered beside what becomes of the copies themselves: archive, copy, notify,
//! redirect, and the question for approval.
//!
//! In: a judged mail. Out: mails committed to the [`Outbox`], copies on the [`Shelf`], events.
//! Everything is done before the end of a recipient is recorded, archive first. Whatever is
//! committed has a name that follows from the mail and the order, so that doing it once more
//! after a crash finds what is there: a crash makes at most a duplicate and never a loss.
//!
//! What is ordered and not done (a loop, a sender who must not be answered, too many notices)
//! is told in the journal with its reason. Fails, in words for people, when something cannot
//! be committed: then the mail waits, and nothing of it goes out.

mod collect;
mod copy;
mod heading;
mod notice;
mod question;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;

use super::executor::Settings;
use super::queue::{Chronicle, Outbox, Shelf};
use super::secret::{Secret, joined};
use super::windows::Windows;
use crate::archive::{Filed, Subject};
use crate::config::Config;
use crate::delivery::outcome::ms_since_1970;
use crate::journal::Event;
use crate::mail::{Content, Envelope, Facts, Judgement, Mail, MailId, Order};
use crate::spool::OwnMail;

pub(super) use heading::{Heading, mark_of};
pub(super) use notice::{Notice, harmless, letter_to};
pub use question::{Claim, Decision, Question};

/// Names in an event or a text.
const NAMED: usize = 100;

/// The mail that errands are about.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// Its name.
    pub id: MailId,
    /// Who it is from and for.
    pub envelope: &'a Envelope,
    /// What the box observed.
    pub facts: &'a Facts,
    /// As it came.
    pub content: &'a Content,
    /// What policy made of it.
    pub judgement: &'a Judgement,
}

impl<'a> About<'a> {
    /// A mail and its judgement.
    pub fn of<S>(mail: &'a Mail<S>, judgement: &'a Judgement) -> About<'a> {
        About {
            id: mail.id,
            envelope: &mail.envelope,
            facts: &mail.facts,
            content: &mail.content,
            judgement,
        }
    }

    fn recipient(&self, number: u16) -> String {
        let named = self.envelope.recipients.get(usize::from(number));
        named.map(|named| named.forward_path.to_string()).unwrap_or_default()
    }

    fn names(&self, numbers: &[u16]) -> Vec<String> {
        numbers.iter().take(NAMED).map(|number| self.recipient(*number)).collect()
    }
}

/// What a reload replaces.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) settings: Settings,
    pub(super) notices_per_hour: u32,
    pub(super) approval_base: Option<String>,
}

impl Terms {
    pub(super) fn new(config: &Config) -> Terms {
        let portal = || config.portal.as_ref().map(|portal| portal.url.clone());
        let admin = || config.admin.as_ref().map(|admin| format!("https://{}", admin.address));
        let base = config.orders.approval_url.clone().or_else(portal).or_else(admin);
        Terms {
            settings: Settings::new(config),
            notices_per_hour: config.orders.notices_per_hour,
            approval_base: base.map(|base| base.trim_end_matches('/').to_owned()),
        }
    }
}

/// Runs errands.
pub struct Errands {
    outbox: Arc<dyn Outbox>,
    shelf: Arc<dyn Shelf>,
    chronicle: Arc<dyn Chronicle>,
    secret: Arc<Secret>,
    windows: Arc<Windows>,
    terms: ArcSwap<Terms>,
}

impl std::fmt::Debug for Errands {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Errands").field("terms", &self.terms).finish_non_exhaustive()
    }
}

impl Errands {
    /// Puts the parts together.
    pub fn new(
        config: &Config,
        outbox: Arc<dyn Outbox>,
        shelf: Arc<dyn Shelf>,
        chronicle: Arc<dyn Chronicle>,
        secret: Arc<Secret>,
        windows: Arc<Windows>,
    ) -> Arc<Errands> {
        let terms = ArcSwap::from_pointee(Terms::new(config));
        Arc::new(Errands { outbox, shelf, chronicle, secret, windows, terms })
    }

    /// Takes over a new configuration; what was counted stays.
    pub fn reload(&self, config: &Config) {
        self.terms.store(Arc::new(Terms::new(config)));
    }

    /// Whether a mail has any.
    pub fn has_any(about: About<'_>) -> bool {
        collect::redirects(about) || !collect::errands(about).is_empty()
    }

    /// Runs all errands of a mail.
    pub async fn run(&self, about: About<'_>) -> Result<(), String> {
        let errands = collect::errands(about);
        let redirects = collect::redirects(about);
        if errands.is_empty() && !redirects {
            return Ok(());
        }
        for (order, _) in &errands {
            if let Order::Archive { class } = order {
                self.archive(about, class).await?;
            }
        }
        let archives = |(order, _): &(&Order, _)| matches!(order, Order::Archive { .. });
        if !redirects && errands.iter().all(archives) {
            return Ok(());
        }
        let heading = Heading::of(about.content).await?;
        self.redirect(about, &heading).await?;
        for (order, recipients) in &errands {
            match order {
                Order::Copy { to } => self.copy(about, &heading, recipients, to).await?,
                Order::Notify { to, subject, text } => {
                    let notice = Notice { to, subject, text };
                    self.notify(about, &heading, recipients, notice).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn archive(&self, about: About<'_>, class: &str) -> Result<(), String> {
        let About { id, envelope, facts, content, judgement } = about;
        let subject = Subject { id, envelope, facts, judgement, content };
        match self.shelf.shelve(subject, class).await? {
            Filed::New => self.chronicle.note(id, Event::Archived { class: class.to_owned() }),
            Filed::Known => {}
        }
        Ok(())
    }

    /// Commits a mail about another and tells where it began.
    pub(super) async fn commit(&self, own: OwnMail, about: MailId) -> Result<MailId, String> {
        let subject = own.judgement.summary.subject.clone();
        let octets = own.content.len();
        let event = Event::originated(&own.envelope, Some(about), &subject, octets);
        let id = self.outbox.commit(own).await?;
        self.chronicle.note(id, event);
        Ok(id)
    }

    fn withheld(&self, id: MailId, order: &str, forward_path: String, why: &str) {
        let (order, why) = (order.to_owned(), why.to_owned());
        self.chronicle.note(id, Event::Withheld { order, forward_path, why });
    }

    pub(super) fn terms(&self) -> Arc<Terms> {
        self.terms.load_full()
    }
}

/// A name that follows from another mail's and from what the mail is for; as old as the other.
pub(super) fn derived_id(of: MailId, purpose: &str, parts: &[&[u8]]) -> MailId {
    let digest = ring::digest::digest(&ring::digest::SHA256, &joined(purpose, parts));
    let mut octets = *of.octets();
    let (_, low) = octets.split_at_mut(6);
    let [.., a, b, c, d, e, f] = *of.octets();
    // What tells two mails of a millisecond apart stays part of it.
    for ((place, own), drawn) in low.iter_mut().zip([a, b, c, d, e, f]).zip(digest.as_ref()) {
        *place = own ^ drawn;
    }
    MailId::from_octets(octets)
}

pub(super) fn now_ms() -> u64 {
    ms_since_1970(SystemTime::now())
}
