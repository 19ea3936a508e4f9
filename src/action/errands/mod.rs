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
use super::tickets::Tickets;
use super::windows::Windows;
use crate::archive::Filed;
use crate::config::Config;
use crate::delivery::outcome::ms_since_1970;
use crate::journal::Event;
use crate::mail::{About, MailId, Order};
use crate::spool::OwnMail;

pub(super) use heading::{Heading, mark_of};
pub(super) use notice::{Notice, harmless, letter_to};
pub use question::{Decision, Question};

/// What a reload replaces.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) settings: Settings,
    pub(super) notices_per_hour: u32,
    pub(super) answering: Answering,
}

/// How an approver can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answering {
    /// By a link to a page of the site below this address.
    Link(String),
    /// On the site, by whoever may log in: nobody knows under which name others reach it.
    Site,
    /// There is no site.
    Command,
}

impl Answering {
    fn of(config: &Config) -> Answering {
        let Some(admin) = &config.admin else { return Answering::Command };
        if let Some(url) = &config.orders.approval_url {
            return Answering::Link(url.trim_end_matches('/').to_owned());
        }
        let (ip, port) = (admin.address.ip(), admin.address.port());
        if ip.is_loopback() {
            return Answering::Site;
        }
        let host = match ip.is_unspecified() {
            true => format!("{}:{port}", config.system.hostname),
            false => admin.address.to_string(),
        };
        Answering::Link(format!("https://{}", host.trim_end_matches(":443")))
    }
}

impl Terms {
    pub(super) fn new(config: &Config) -> Terms {
        Terms {
            settings: Settings::new(config),
            notices_per_hour: config.orders.notices_per_hour,
            answering: Answering::of(config),
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
    tickets: Tickets,
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
        tickets: Tickets,
    ) -> Arc<Errands> {
        let terms = ArcSwap::from_pointee(Terms::new(config));
        Arc::new(Errands { outbox, shelf, chronicle, secret, windows, tickets, terms })
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
        match self.shelf.shelve(about, class).await? {
            Filed::New => {
                self.chronicle.note(about.id, Event::Archived { class: class.to_owned() })
            }
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
