//! The loop that takes due mails and sees each through one round.
//!
//! In: a [`Queue`], a quarantine, a rescanner, delivery, the journal. Bounds: mails in flight.
//! A mail in flight waits for its slowest destination; other mails do not wait for it.
//!
//! Order of acts, so that a crash between two of them loses nothing: what is ordered beside
//! delivery (archive, copies, notices) is done before anything else; a copy is kept before it
//! is recorded as quarantined; a report is durable before those that it speaks of are
//! recorded as failed; a delivery is recorded as soon as it is known. When a task dies
//! the queue takes its mail back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::errands::{Errands, Question};
use super::plan::Plan;
use super::queue::{Chronicle, Done, Keep, Postponement, Queue, Rescan, Rescanned};
use super::stage::Disposed;
use crate::config::{Config, NextHop};
use crate::delivery::outcome::{Conclusion, Due, Situation, conclude, ms_since_1970};
use crate::delivery::report::{self, Author, Kind, Times};
use crate::delivery::{Delivery, Handed, Letter};
use crate::journal::Event;
use crate::mail::{About, Address, Disposition, Domain, Envelope, Judgement, Mail, MailId, Order};
use crate::message::edit;
use crate::quarantine::APPROVAL_AREA;
use crate::smtp::client::Speaker;
use crate::spool::{Attempt, Outcome};

/// Mails under way at once. Each holds its envelope, and its content while that is cached.
const IN_FLIGHT: usize = 10_000;
/// When something of the box's own failed: a full disk, a broken quarantine.
const OWN_TROUBLE: Duration = Duration::from_secs(60);
/// Between looks at the unscanned mail.
const SCAN_PAUSE: Duration = Duration::from_secs(2);
/// Of the oldest unscanned mail, so much is looked at.
const UNSCANNED_SEEN: usize = 1_000;
/// Held mail is looked at again after this at the latest: what it waits for may be configured
/// anew.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// So many scans in a row that came to nothing, and the scanner is left alone for a moment.
const SCANS_IN_VAIN: usize = 8;

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
    errands: Arc<Errands>,
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
        errands: Arc<Errands>,
        delivery: Delivery,
        settings: Settings,
    ) -> Arc<Executor<Q, K, R, C>> {
        let settings = ArcSwap::from_pointee(settings);
        Arc::new(Executor { queue, keep, rescan, chronicle, errands, delivery, settings })
    }

    /// Takes over a new configuration, delivery's included.
    pub fn reload(&self, config: &Config) {
        self.settings.store(Arc::new(Settings::new(config)));
        self.errands.reload(config);
        self.delivery.reload(config);
    }

    /// Runs until `stop` is true. Then no further mail is taken, running transactions may end
    /// within `drain`, and what waits stays queued.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>, drain: Duration) {
        let room = Arc::new(Semaphore::new(IN_FLIGHT));
        let mut under_way = JoinSet::new();
        let scanning = tokio::spawn(Arc::clone(&self).scan_unscanned(stop.clone()));
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
        // A scan that is cut short is begun again at the next start.
        scanning.abort();
        let ended =
            tokio::time::timeout(drain, async { while under_way.join_next().await.is_some() {} });
        if ended.await.is_err() {
            let left = under_way.len();
            tracing::warn!(left, "deliveries did not end in time; they are tried again");
        }
    }

    /// One round for one mail. Some when nothing is left to do for it.
    pub async fn execute(&self, mail: Mail<Q::Stage>) -> Option<Mail<Disposed<Q::Stage>>> {
        let mut later = Later::default();
        let judgement = self.queue.judgement(&mail);
        let plan = Plan::of(&judgement, &self.queue.pending(mail.id));
        if !plan.unscanned.is_empty() {
            later.at(SystemTime::now() + OWN_TROUBLE, || "it is not scanned yet".into());
        }
        match self.run_errands(&mail, &judgement, &plan).await {
            Ok(()) => self.carry_out(&mail, &judgement, plan, &mut later).await,
            // Nothing goes out before it is archived and told as ordered.
            Err(why) => {
                tracing::error!(mail_id = %mail.id, why, "what was ordered cannot be done");
                later.at(SystemTime::now() + OWN_TROUBLE, || why);
            }
        }
        if self.queue.pending(mail.id).is_empty() {
            return Some(mail.advance(Disposed::mint));
        }
        let next_attempt = later.next_attempt.unwrap_or_else(|| SystemTime::now() + OWN_TROUBLE);
        let attempt = if later.counts { Attempt::Counts } else { Attempt::DoesNotCount };
        let why = later.why;
        self.queue.postpone(mail.id, Postponement { next_attempt, attempt, why });
        None
    }

    /// Does once what is ordered beside delivery; not before the whole mail is scanned.
    async fn run_errands(
        &self,
        mail: &Mail<Q::Stage>,
        judgement: &Judgement,
        plan: &Plan,
    ) -> Result<(), String> {
        let about = About::of(mail, judgement);
        if self.queue.history(mail).errands == Done::Yes || !Errands::has_any(about) {
            return Ok(());
        }
        if !plan.unscanned.is_empty() {
            return Err("it is not scanned yet".into());
        }
        self.errands.run(about).await?;
        self.queue.mark_errands_done(mail.id);
        Ok(())
    }

    /// Has unscanned mail scanned, again and again, until `stop` is true. A mail that cannot
    /// be scanned does not hold up the others; when many in a row cannot, all wait.
    async fn scan_unscanned(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut waiting: HashMap<MailId, Instant> = HashMap::new();
        loop {
            let now = Instant::now();
            waiting.retain(|_, until| *until > now);
            let mut in_vain = 0;
            // What only waits for its time does not stand in the way of others.
            for id in self.queue.unscanned(UNSCANNED_SEEN.saturating_add(waiting.len())) {
                if *stop.borrow() || in_vain >= SCANS_IN_VAIN {
                    break;
                }
                if waiting.contains_key(&id) {
                    continue;
                }
                let Some(mail) = self.queue.load(id).await else { continue };
                match self.rescan.rescan(mail).await {
                    Rescanned::Judged => in_vain = 0,
                    Rescanned::NotYet { why, again_in } => {
                        tracing::warn!(mail_id = %id, why, "an unscanned mail waits");
                        waiting.insert(id, Instant::now() + again_in.max(SCAN_PAUSE));
                        in_vain += 1;
                    }
                    Rescanned::Waits { left } => {
                        waiting.insert(id, Instant::now() + left.clamp(SCAN_PAUSE, LONGEST_WAIT));
                    }
                }
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(SCAN_PAUSE) => {}
            }
        }
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
            self.queue.record(mail.id, recipient, Outcome::Discarded);
        }
        for (area, recipients) in plan.quarantine {
            match self.keep.keep(mail, &recipients, &area).await {
                Ok(_) => self.kept(mail, &area, &recipients),
                Err(why) => {
                    tracing::error!(mail_id = %mail.id, why, "a copy cannot be quarantined");
                    later.at(SystemTime::now() + OWN_TROUBLE, || why);
                }
            }
        }
        for recipients in plan.approval {
            if let Err(why) = self.ask(mail, judgement, &recipients).await {
                tracing::error!(mail_id = %mail.id, why, "nobody can be asked for approval");
                later.at(SystemTime::now() + OWN_TROUBLE, || why);
            }
        }
        for copies in copies_of(judgement, plan.deliver) {
            let copies = match self.keep_original(mail, &copies).await {
                Ok(()) => self.end_redirected(mail, judgement, copies).await,
                Err(why) => Err(why),
            };
            match copies {
                Ok(copies) if copies.recipients.is_empty() => {}
                Ok(copies) => self.deliver(mail, judgement, &copies, later).await,
                Err(why) => {
                    tracing::error!(mail_id = %mail.id, why, "copies cannot go out yet");
                    later.at(SystemTime::now() + OWN_TROUBLE, || why);
                }
            }
        }
    }

    fn kept(&self, mail: &Mail<Q::Stage>, area: &str, recipients: &[u16]) {
        let names = recipients.iter().map(|at| name(&mail.envelope, *at)).collect();
        let event = Event::Quarantined { area: area.to_owned(), recipients: names };
        self.chronicle.note(mail.id, event);
        for recipient in recipients {
            let end = Outcome::Quarantined { area: area.to_owned() };
            self.queue.record(mail.id, *recipient, end);
        }
    }

    /// Keeps copies until somebody decides, and asks; recorded when the question is durable.
    async fn ask(
        &self,
        mail: &Mail<Q::Stage>,
        judgement: &Judgement,
        recipients: &[u16],
    ) -> Result<(), String> {
        let first = recipients.first().and_then(|at| judgement.dispositions.get(usize::from(*at)));
        let Some(Disposition::Approval { approver, on_expiry, rule, .. }) = first else {
            return Ok(());
        };
        let kept = self.keep.keep(mail, recipients, APPROVAL_AREA).await?;
        let question = Question {
            entry: kept.entry,
            approver,
            rule,
            until_s: kept.asks_until_s.unwrap_or(u32::MAX),
            on_expiry: *on_expiry,
            recipients,
        };
        self.errands.ask(About::of(mail, judgement), question).await?;
        self.kept(mail, APPROVAL_AREA, recipients);
        Ok(())
    }

    /// Ends those whose copies went elsewhere when the errands were run; the others are left.
    async fn end_redirected(
        &self,
        mail: &Mail<Q::Stage>,
        judgement: &Judgement,
        mut copies: Copies,
    ) -> Result<Copies, String> {
        if !copies.orders.iter().any(|order| matches!(order, Order::Redirect { .. })) {
            return Ok(copies);
        }
        for (becomes, gone) in self.errands.redirected(About::of(mail, judgement)).await? {
            let (ended, left): (Vec<u16>, Vec<u16>) =
                copies.recipients.iter().partition(|at| gone.contains(at));
            copies.recipients = left;
            for recipient in ended {
                self.queue.record(mail.id, recipient, Outcome::Redirected { becomes });
            }
        }
        Ok(copies)
    }

    /// Keeps the mail as it came where an order says so, before anything of it goes out.
    async fn keep_original(&self, mail: &Mail<Q::Stage>, copies: &Copies) -> Result<(), String> {
        for order in &copies.orders {
            let Order::KeepOriginal { area } = order else { continue };
            self.keep.keep(mail, &copies.recipients, area).await?;
            if self.queue.history(mail).attempts == 0 {
                let names = copies.recipients.iter().map(|at| name(&mail.envelope, *at)).collect();
                let event = Event::OriginalKept { area: area.clone(), recipients: names };
                self.chronicle.note(mail.id, event);
            }
        }
        Ok(())
    }

    async fn deliver(
        &self,
        mail: &Mail<Q::Stage>,
        judgement: &Judgement,
        copies: &Copies,
        later: &mut Later,
    ) {
        let recipients = copies.recipients.as_slice();
        let settings = self.settings.load_full();
        let history = self.queue.history(mail);
        let written = self.letter(mail, &copies.orders, &settings, history.attempts).await;
        let letter = match written.and_then(|letter| routed(letter, &copies.orders)) {
            Ok(letter) => Arc::new(letter),
            Err(error) => {
                tracing::error!(mail_id = %mail.id, %error, "a queued mail cannot go out");
                return later.at(SystemTime::now() + OWN_TROUBLE, || error.to_string());
            }
        };
        let attempt = self.delivery.attempt(&letter, recipients).await;
        let situation = Situation {
            id: mail.id,
            envelope: &mail.envelope,
            origin: self.queue.origin(mail),
            queued: history.queued,
            now: SystemTime::now(),
            attempts: history.attempts,
            warned: history.warned,
            postmaster: &settings.postmaster,
            schedule: &self.delivery.schedule(),
        };
        let conclusion = conclude(situation, attempt);
        self.conclude(mail, judgement, situation, conclusion, later).await;
    }

    async fn letter(
        &self,
        mail: &Mail<Q::Stage>,
        orders: &[Order],
        settings: &Settings,
        attempts: u32,
    ) -> std::io::Result<Letter> {
        let (content, orders) = (mail.content.clone(), orders.to_vec());
        let (outgoing, refusals) = match content.in_memory().is_some() {
            true => edit::carry_out(&content, &orders)?,
            false => tokio::task::spawn_blocking(move || edit::carry_out(&content, &orders))
                .await
                .map_err(std::io::Error::other)??,
        };
        for refusal in refusals {
            tracing::info!(mail_id = %mail.id, %refusal, "a mail goes out as it is");
        }
        Letter::write(mail, self.queue.origin(mail), outgoing, &settings.hostname, attempts)
    }

    async fn conclude(
        &self,
        mail: &Mail<Q::Stage>,
        judgement: &Judgement,
        situation: Situation<'_>,
        conclusion: Conclusion,
        later: &mut Later,
    ) {
        let Conclusion { delivered, mut failed, deferred, expired, reports, next_attempt, counts } =
            conclusion;
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
                if due.kind == Kind::Delay {
                    self.queue.mark_warned(mail.id);
                }
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
                true => Outcome::Expired,
                false => Outcome::Failed { reply },
            };
            self.queue.record(mail.id, handed.recipient, end);
        }
        if !expired.is_empty() {
            self.chronicle.note(mail.id, Event::Expired);
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
        let end = Outcome::Delivered { hop: handed.hop.clone(), reply };
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
                situation.schedule.expires(situation.queued, &mail.envelope.reverse_path),
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
        let octets = written.text.len() as u64;
        let origin = Event::originated(&written.envelope, Some(mail.id), &written.subject, octets);
        let report = self.queue.commit_report(written, mail.id).await?;
        self.chronicle.note(report, origin);
        self.chronicle.note(mail.id, Event::Reported { report });
        Ok(())
    }
}

/// The letter on the way that policy ordered. One that cannot be understood is no reason to
/// take another: it may have been chosen for what it keeps secret.
fn routed(mut letter: Letter, orders: &[Order]) -> std::io::Result<Letter> {
    let via = orders.iter().find_map(|order| match order {
        Order::RouteVia(hops) => Some(hops),
        _ => None,
    });
    if let Some(hops) = via {
        let hops: Result<Vec<NextHop>, _> = hops.split_whitespace().map(str::parse).collect();
        let hops = hops.map_err(std::io::Error::other)?;
        if hops.is_empty() {
            return Err(std::io::Error::other("an order names no next hop"));
        }
        letter.via = Some(hops.into());
    }
    Ok(letter)
}

/// Recipients whose copies are alike.
struct Copies {
    orders: Vec<Order>,
    recipients: Vec<u16>,
}

/// Sorts recipients by what is to be done with their copies.
fn copies_of(judgement: &Judgement, recipients: Vec<u16>) -> Vec<Copies> {
    let single = |order: &Order| matches!(order, Order::For { .. });
    if recipients.is_empty() {
        return Vec::new();
    }
    if !judgement.orders.iter().any(single) {
        return vec![Copies { orders: judgement.orders.clone(), recipients }];
    }
    let mut sorted: Vec<Copies> = Vec::new();
    for recipient in recipients {
        let orders = judgement.orders_of(recipient);
        match sorted.iter_mut().find(|copies| copies.orders == orders) {
            Some(copies) => copies.recipients.push(recipient),
            None => sorted.push(Copies { orders, recipients: vec![recipient] }),
        }
    }
    sorted
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
