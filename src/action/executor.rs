//! The loop that takes due mails and sees each through one round.
//!
//! In: a [`Queue`], a quarantine, a rescanner, delivery, the journal. Bounds: mails in flight.
//! A mail in flight waits for its slowest destination; other mails do not wait for it.
//!
//! Order of acts, so that a crash between two of them loses nothing: a copy is kept before it
//! is recorded as quarantined; a report is durable before those that it speaks of are
//! recorded as failed; a delivery is recorded as soon as it is known. When a task dies its
//! mail is postponed, never lost from sight.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::plan::Plan;
use super::queue::{Chronicle, End, Keep, Postponement, Queue, Rescan, Rescanned};
use super::stage::Disposed;
use crate::config::Config;
use crate::delivery::outcome::{Due, Outcome, Situation, Warned, conclude, ms_since_1970};
use crate::delivery::report::{self, Author, Kind, Times};
use crate::delivery::{Delivery, Handed, Letter};
use crate::journal::Event;
use crate::mail::{Address, Domain, Envelope, Judgement, Mail, MailId};
use crate::message::edit;
use crate::smtp::client::Speaker;

/// Mails under way at once. Each holds its envelope, and its content while that is cached.
const IN_FLIGHT: usize = 10_000;
/// When something of the box's own failed: a full disk, a broken quarantine.
const OWN_TROUBLE: Duration = Duration::from_secs(60);
/// A mail that is found unscanned twice in one round waits.
const ROUNDS: usize = 2;

/// What a reload replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// In Received fields and reports.
    pub hostname: Domain,
    /// Who writes reports and reads what cannot be reported.
    pub postmaster: Address,
}

impl Settings {
    /// As configured.
    pub fn new(config: &Config) -> Settings {
        Settings {
            hostname: config.system.hostname.clone(),
            postmaster: config.system.postmaster.clone(),
        }
    }
}

/// Executes orders.
pub struct Executor<Q, K, R, C> {
    queue: Arc<Q>,
    keep: Arc<K>,
    rescan: Arc<R>,
    chronicle: Arc<C>,
    delivery: Delivery,
    settings: ArcSwap<Settings>,
}

impl<Q, K, R, C> std::fmt::Debug for Executor<Q, K, R, C> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Executor").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Why a mail goes back into the queue, gathered over one round.
#[derive(Debug, Default)]
struct Later {
    next_attempt: Option<SystemTime>,
    counts: bool,
    warned: bool,
    why: String,
}

impl Later {
    /// The nearest time wins; the first reason is told.
    fn at(&mut self, when: SystemTime, why: impl FnOnce() -> String) {
        self.next_attempt = Some(self.next_attempt.map_or(when, |before| before.min(when)));
        if self.why.is_empty() {
            self.why = why();
        }
    }
}

/// Postpones a mail whose task dies.
struct Lease<'a, Q: Queue> {
    queue: &'a Q,
    id: MailId,
    settled: bool,
}

impl<Q: Queue> Drop for Lease<'_, Q> {
    fn drop(&mut self) {
        if !self.settled {
            tracing::error!(mail_id = %self.id, "execution broke off; the mail stays queued");
            self.queue.postpone(
                self.id,
                Postponement {
                    next_attempt: SystemTime::now() + OWN_TROUBLE,
                    counts: true,
                    warned: false,
                    why: "execution broke off".into(),
                },
            );
        }
    }
}

impl<Q, K, R, C> Executor<Q, K, R, C>
where
    Q: Queue,
    K: Keep<Q::Stage>,
    R: Rescan<Q::Stage>,
    C: Chronicle,
{
    /// Puts the parts together; nothing runs yet.
    pub fn new(
        queue: Arc<Q>,
        keep: Arc<K>,
        rescan: Arc<R>,
        chronicle: Arc<C>,
        delivery: Delivery,
        settings: Settings,
    ) -> Arc<Executor<Q, K, R, C>> {
        let settings = ArcSwap::from_pointee(settings);
        Arc::new(Executor { queue, keep, rescan, chronicle, delivery, settings })
    }

    /// Takes over a new configuration, delivery's included.
    pub fn reload(&self, config: &Config) {
        self.settings.store(Arc::new(Settings::new(config)));
        self.delivery.reload(config);
    }

    /// Runs until `stop` is true. Then no further mail is taken, running transactions may end
    /// within `drain`, and what waits stays queued.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>, drain: Duration) {
        let room = Arc::new(Semaphore::new(IN_FLIGHT));
        let mut under_way = JoinSet::new();
        loop {
            while under_way.try_join_next().is_some() {}
            let taken = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                taken = async {
                    let place = Arc::clone(&room).acquire_owned().await;
                    (self.queue.due().await, place)
                } => taken,
            };
            let (mail, place) = taken;
            let executor = Arc::clone(&self);
            under_way.spawn(async move {
                executor.execute(mail).await;
                drop(place);
            });
        }
        self.delivery.close();
        let ended =
            tokio::time::timeout(drain, async { while under_way.join_next().await.is_some() {} });
        if ended.await.is_err() {
            let left = under_way.len();
            tracing::warn!(left, "deliveries did not end in time; they are tried again");
        }
    }

    /// One round for one mail. Some when nothing is left to do for it.
    pub async fn execute(&self, mut mail: Mail<Q::Stage>) -> Option<Mail<Disposed<Q::Stage>>> {
        let mut lease = Lease { queue: &*self.queue, id: mail.id, settled: false };
        let mut later = Later::default();
        for round in 1..=ROUNDS {
            let judgement = self.queue.judgement(&mail);
            let plan = Plan::of(&judgement, &self.queue.pending(mail.id));
            let unscanned = !plan.unscanned.is_empty();
            self.carry_out(&mail, &judgement, plan, &mut later).await;
            if !unscanned {
                break;
            }
            match self.rescan.rescan(&mail).await {
                Rescanned::Judged(judged) if round < ROUNDS => mail = judged,
                Rescanned::Judged(_) => {
                    later.at(SystemTime::now() + OWN_TROUBLE, || "still not scanned".into());
                }
                Rescanned::NotYet { why, again_in } => {
                    later.at(SystemTime::now() + again_in, || why);
                    break;
                }
            }
        }
        lease.settled = true;
        if self.queue.pending(mail.id).is_empty() {
            return Some(mail.advance(Disposed::mint));
        }
        let next_attempt = later.next_attempt.unwrap_or_else(|| SystemTime::now() + OWN_TROUBLE);
        let Later { counts, warned, why, .. } = later;
        self.queue.postpone(mail.id, Postponement { next_attempt, counts, warned, why });
        None
    }

    async fn carry_out(
        &self,
        mail: &Mail<Q::Stage>,
        judgement: &Judgement,
        plan: Plan,
        later: &mut Later,
    ) {
        if !plan.discard.is_empty() {
            self.chronicle.note(mail.id, Event::Discarded);
        }
        for recipient in plan.discard {
            self.queue.record(mail.id, recipient, End::Discarded);
        }
        for (area, recipients) in plan.quarantine {
            match self.keep.keep(mail, &recipients, &area).await {
                Ok(()) => {
                    let names = recipients.iter().map(|at| name(&mail.envelope, *at)).collect();
                    let event = Event::Quarantined { area: area.clone(), recipients: names };
                    self.chronicle.note(mail.id, event);
                    for recipient in recipients {
                        let end = End::Quarantined { area: area.clone() };
                        self.queue.record(mail.id, recipient, end);
                    }
                }
                Err(why) => {
                    tracing::error!(mail_id = %mail.id, why, "a copy cannot be quarantined");
                    later.at(SystemTime::now() + OWN_TROUBLE, || why);
                }
            }
        }
        if !plan.deliver.is_empty() {
            self.deliver(mail, judgement, &plan.deliver, later).await;
        }
    }

    async fn deliver(
        &self,
        mail: &Mail<Q::Stage>,
        judgement: &Judgement,
        recipients: &[u16],
        later: &mut Later,
    ) {
        let settings = self.settings.load_full();
        let history = self.queue.history(mail.id);
        let letter = match self.letter(mail, judgement, &settings, history.attempts).await {
            Ok(letter) => Arc::new(letter),
            Err(error) => {
                tracing::error!(mail_id = %mail.id, %error, "a queued mail cannot be read");
                return later.at(SystemTime::now() + OWN_TROUBLE, || error.to_string());
            }
        };
        let attempt = self.delivery.attempt(&letter, recipients).await;
        let received = UNIX_EPOCH + Duration::from_millis(mail.facts.received_ms);
        let situation = Situation {
            id: mail.id,
            envelope: &mail.envelope,
            origin: self.queue.origin(mail),
            received,
            now: SystemTime::now(),
            attempts: history.attempts,
            warned: if history.warned { Warned::Yes } else { Warned::No },
            postmaster: &settings.postmaster,
            schedule: &self.delivery.schedule(),
        };
        let outcome = conclude(situation, attempt);
        self.conclude(mail, judgement, situation, outcome, later).await;
    }

    async fn letter(
        &self,
        mail: &Mail<Q::Stage>,
        judgement: &Judgement,
        settings: &Settings,
        attempts: u32,
    ) -> std::io::Result<Letter> {
        let (content, orders) = (mail.content.clone(), judgement.orders.clone());
        let outgoing = match content.in_memory().is_some() {
            true => edit::rewrite(&content, &orders)?,
            false => tokio::task::spawn_blocking(move || edit::rewrite(&content, &orders))
                .await
                .map_err(std::io::Error::other)??,
        };
        Letter::write(mail, self.queue.origin(mail), outgoing, &settings.hostname, attempts)
    }

    async fn conclude(
        &self,
        mail: &Mail<Q::Stage>,
        judgement: &Judgement,
        situation: Situation<'_>,
        outcome: Outcome,
        later: &mut Later,
    ) {
        let Outcome { delivered, mut failed, deferred, expired, reports, next_attempt, counts } =
            outcome;
        later.counts |= counts;
        // A delivery is recorded first: a crash now would repeat it. Only where success is to
        // be reported the report comes before.
        let awaited = |kind: Kind, recipient: u16| {
            let due = reports.iter().filter(move |due| due.kind == kind);
            due.flat_map(|due| &due.entries).any(|entry| entry.recipient == recipient)
        };
        let (reported, plain): (Vec<Handed>, Vec<Handed>) =
            delivered.into_iter().partition(|handed| awaited(Kind::Success, handed.recipient));
        plain.iter().for_each(|handed| self.delivered(mail, handed));
        for due in &reports {
            let Err(why) = self.report(mail, judgement, due, situation).await else {
                later.warned |= due.kind == Kind::Delay;
                continue;
            };
            tracing::error!(mail_id = %mail.id, why, "a report cannot be committed");
            if due.kind == Kind::Failure {
                // They stay pending: nobody is given up in silence.
                failed.retain(|handed| {
                    due.entries.iter().all(|entry| entry.recipient != handed.recipient)
                });
                later.at(SystemTime::now() + OWN_TROUBLE, || why);
            }
        }
        reported.iter().for_each(|handed| self.delivered(mail, handed));
        for handed in &failed {
            let recipient = name(&mail.envelope, handed.recipient);
            let reply = spoken(handed);
            self.chronicle.note(mail.id, Event::Failed { recipient, reply: reply.clone() });
            let end = match expired.contains(&handed.recipient) {
                true => End::Expired,
                false => End::Failed { reply },
            };
            self.queue.record(mail.id, handed.recipient, end);
        }
        let Some(next_attempt) = next_attempt else { return };
        for handed in &deferred {
            let event = Event::Deferred {
                recipient: name(&mail.envelope, handed.recipient),
                reply: spoken(handed),
                next_attempt_ms: ms_since_1970(next_attempt),
            };
            self.chronicle.note(mail.id, event);
        }
        later.at(next_attempt, || {
            deferred.first().map_or_else(|| "waits for its destination".into(), spoken)
        });
    }

    fn delivered(&self, mail: &Mail<Q::Stage>, handed: &Handed) {
        let reply = handed.reply.to_string();
        let event = Event::Delivered {
            recipient: name(&mail.envelope, handed.recipient),
            hop: handed.hop.clone(),
            reply: reply.clone(),
            tls: handed.tls.clone(),
        };
        self.chronicle.note(mail.id, event);
        let end = End::Delivered { hop: handed.hop.clone(), reply };
        self.queue.record(mail.id, handed.recipient, end);
    }

    async fn report(
        &self,
        mail: &Mail<Q::Stage>,
        judgement: &Judgement,
        due: &Due,
        situation: Situation<'_>,
    ) -> Result<(), String> {
        let settings = self.settings.load_full();
        let times = Times {
            now_ms: ms_since_1970(situation.now),
            expires_ms: ms_since_1970(
                situation.schedule.expires(situation.received, &mail.envelope.reverse_path),
            ),
        };
        let (id, due) = (mail.id, due.clone());
        let (envelope, facts) = (Arc::clone(&mail.envelope), Arc::clone(&mail.facts));
        let (content, message_id) = (mail.content.clone(), judgement.summary.message_id.clone());
        let in_memory = content.in_memory().is_some();
        let write = move || {
            let author = Author { hostname: &settings.hostname, postmaster: &settings.postmaster };
            let subject = report::Subject {
                id,
                envelope: &envelope,
                facts: &facts,
                content: &content,
                message_id: &message_id,
            };
            report::write(author, &due.reader, due.kind, subject, &due.entries, times)
        };
        let written = match in_memory {
            true => write(),
            false => tokio::task::spawn_blocking(write).await.map_err(|error| error.to_string())?,
        };
        let written = written.map_err(|error| error.to_string())?;
        let report = self.queue.commit_report(written, mail.id).await?;
        self.chronicle.note(mail.id, Event::Reported { report });
        Ok(())
    }
}

fn name(envelope: &Envelope, recipient: u16) -> String {
    let named = envelope.recipients.get(usize::from(recipient));
    named.map(|named| named.forward_path.to_string()).unwrap_or_default()
}

/// Who said what, for people.
fn spoken(handed: &Handed) -> String {
    match handed.speaker {
        Speaker::Peer => format!("{}: {}", handed.hop, handed.reply),
        Speaker::Box => handed.reply.to_string(),
    }
}
