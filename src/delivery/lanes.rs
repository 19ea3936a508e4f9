//! All destinations: workers carry the jobs of each lane over connections of its own.
//!
//! In: letters and recipients, by [`Delivery::attempt`]. Out: what every recipient was told.
//! Bounds: connections in all and for each destination, jobs in line in all. A lane may take
//! half of the room that is left, so that however many destinations are slow, there is room
//! for another; what finds no room comes back later and costs nothing meanwhile.
//!
//! A connection that was used before and turns out to be dead is replaced once, at once. An
//! unreachable destination rests (see `lane.rs`). Nothing here is durable: whatever breaks
//! off, the mail is still in the spool.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::connection::{self, Connection, Terms};
use super::lane::{Entered, Handed, Job, Lane, Onward, Taken, broke_off};
use super::letter::Letter;
use super::maildir::{self, Earlier};
use super::route::{Destination, NoRoute, Routes, Target};
use super::schedule::Schedule;
use crate::config::Config;
use crate::mail::{Domain, EnhancedCode, Reply};
use crate::net::resolver::Resolve;
use crate::smtp::client::{Dialect, Speaker};

/// Jobs in line in all. A waiting job is a few hundred octets beside its mail.
const LINE_TOTAL: usize = 20_000;
/// Lanes kept before quiet ones are looked for.
const LANES_KEPT: usize = 1_024;

/// What one attempt came to. Every recipient is in one of the two lists.
#[derive(Debug, Default)]
pub struct Attempt {
    /// Those who were told something.
    pub handed: Vec<Handed>,
    /// Those whose turn did not come.
    pub untried: Vec<u16>,
    /// When their turn may come.
    pub again_in: Duration,
}

/// What a reload replaces.
#[derive(Debug)]
struct Setup {
    hostname: Domain,
    routes: Routes,
    terms: Arc<Terms>,
    schedule: Schedule,
    connections_per_destination: usize,
}

/// Takes letters to where they belong.
#[derive(Clone)]
pub struct Delivery {
    shared: Arc<Shared>,
}

struct Shared {
    setup: ArcSwap<Setup>,
    resolver: Arc<dyn Resolve>,
    lanes: Mutex<HashMap<Destination, Arc<Lane>>>,
    waiting_in_all: Arc<AtomicUsize>,
    connections: Arc<Semaphore>,
    /// Somebody needs a connection that an idle worker holds.
    pressure: Notify,
    closing: watch::Sender<bool>,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Delivery").field("lanes", &self.shared.lanes().len()).finish()
    }
}

fn setup(config: &Config) -> Setup {
    Setup {
        hostname: config.system.hostname.clone(),
        routes: Routes::new(config),
        terms: Arc::new(Terms::new(config.system.hostname.as_str(), &config.delivery)),
        schedule: Schedule::new(&config.delivery),
        connections_per_destination: config.delivery.connections_per_destination as usize,
    }
}

impl Delivery {
    /// As configured.
    pub fn new(config: &Config, resolver: Arc<dyn Resolve>) -> Delivery {
        let connections = Arc::new(Semaphore::new(config.delivery.connections as usize));
        Delivery {
            shared: Arc::new(Shared {
                setup: ArcSwap::from_pointee(setup(config)),
                resolver,
                lanes: Mutex::new(HashMap::new()),
                waiting_in_all: Arc::new(AtomicUsize::new(0)),
                connections,
                pressure: Notify::new(),
                closing: watch::channel(false).0,
            }),
        }
    }

    /// Takes over a new configuration; open connections go on as they are. The number of
    /// connections in all stays as it was at start.
    pub fn reload(&self, config: &Config) {
        self.shared.setup.store(Arc::new(setup(config)));
    }

    /// The schedule in force.
    pub fn schedule(&self) -> Schedule {
        self.shared.setup.load().schedule.clone()
    }

    /// Tries to deliver a letter to some of its recipients. Safe to drop: jobs in line are
    /// then carried out all the same, as after a crash.
    pub async fn attempt(&self, letter: &Arc<Letter>, recipients: &[u16]) -> Attempt {
        let mut attempt = Attempt::default();
        let mut waiting = Vec::new();
        for (destination, recipients) in self.by_destination(letter, recipients) {
            let (told, answers) = oneshot::channel();
            let job = Job { letter: Arc::clone(letter), recipients: recipients.clone(), told };
            match self.shared.enter(destination, job) {
                Ok(()) => waiting.push((recipients, answers)),
                Err(again_in) => {
                    attempt.untried.extend(recipients);
                    attempt.again_in = attempt.again_in.max(again_in);
                }
            }
        }
        for (recipients, answers) in waiting {
            match answers.await {
                Ok(handed) => attempt.handed.extend(handed),
                Err(_) => attempt.untried.extend(recipients),
            }
        }
        attempt
    }

    fn by_destination(&self, letter: &Letter, recipients: &[u16]) -> Vec<(Destination, Vec<u16>)> {
        let setup = self.shared.setup.load();
        let mut groups: Vec<(Destination, Vec<u16>)> = Vec::new();
        let mut places: HashMap<Destination, usize> = HashMap::new();
        for recipient in recipients {
            let Some(named) = letter.envelope.recipients.get(usize::from(*recipient)) else {
                continue;
            };
            let destination = match &letter.via {
                Some(hops) => Destination::Hops(Arc::clone(hops)),
                None => setup.routes.destination(&named.forward_path),
            };
            match places.get(&destination).and_then(|place| groups.get_mut(*place)) {
                Some((_, group)) => group.push(*recipient),
                None => {
                    places.insert(destination.clone(), groups.len());
                    groups.push((destination, vec![*recipient]));
                }
            }
        }
        groups
    }

    /// Lets running transactions end; what waits in line is untried. New attempts find no
    /// room.
    pub fn close(&self) {
        self.shared.closing.send_replace(true);
        let lanes: Vec<Arc<Lane>> = self.shared.lanes().values().cloned().collect();
        lanes.iter().for_each(|lane| lane.clear());
    }
}

impl Shared {
    fn lanes(&self) -> MutexGuard<'_, HashMap<Destination, Arc<Lane>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job in line, or says when to come back.
    fn enter(self: &Arc<Shared>, destination: Destination, job: Job) -> Result<(), Duration> {
        if *self.closing.borrow() {
            return Err(Duration::ZERO);
        }
        let workers_max = self.setup.load().connections_per_destination;
        let mut lanes = self.lanes();
        if lanes.len() >= LANES_KEPT && !lanes.contains_key(&destination) {
            lanes.retain(|_, lane| !lane.is_forgettable());
        }
        let new = || Arc::new(Lane::new(destination.to_string(), Arc::clone(&self.waiting_in_all)));
        let lane = Arc::clone(lanes.entry(destination.clone()).or_insert_with(new));
        match lane.enter(job, LINE_TOTAL, workers_max) {
            Entered::Waits | Entered::Answered => Ok(()),
            Entered::Full(again_in) => Err(again_in),
            Entered::NeedsWorker => {
                tokio::spawn(work(Arc::clone(self), lane, destination));
                Ok(())
            }
        }
    }

    /// The right to hold a connection. None when the box shuts down.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() {
            return Some(permit);
        }
        self.pressure.notify_one();
        let mut closing = self.closing.subscribe();
        tokio::select! {
            permit = Arc::clone(&self.connections).acquire_owned() => permit.ok(),
            _ = closing.wait_for(|closing| *closing) => None,
        }
    }
}

/// A worker's place in its lane; given up even when the worker dies.
struct Place {
    lane: Arc<Lane>,
    left: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.left {
            self.lane.abandoned();
        }
    }
}

/// Where a worker delivers.
enum Link {
    Server(Box<Connection>),
    Maildir(PathBuf),
}

struct Worker {
    shared: Arc<Shared>,
    place: Place,
    destination: Destination,
    link: Option<Link>,
}

async fn work(shared: Arc<Shared>, lane: Arc<Lane>, destination: Destination) {
    let place = Place { lane, left: false };
    let mut worker = Worker { shared, place, destination, link: None };
    // While it waits for the permit it keeps its place: others need not wait in its stead.
    let Some(permit) = worker.shared.permit().await else { return };
    while let Some(job) = worker.next_job().await {
        worker.serve(job).await;
    }
    let link = worker.link.take();
    drop(worker);
    if let Some(Link::Server(connection)) = link {
        connection.close().await;
    }
    drop(permit);
}

impl Worker {
    /// The next job; `None` when the worker has given up its place.
    async fn next_job(&mut self) -> Option<Job> {
        loop {
            let stays = match (self.place.lane.take(), &self.link) {
                (Taken::Job(job), _) => return Some(job),
                (Taken::Nothing, Some(Link::Server(_))) => self.wait().await,
                (Taken::Nothing, Some(Link::Maildir(_)) | None) => false,
                (Taken::TooMany, _) => false,
            };
            if !stays && !self.place.lane.leave() {
                self.place.left = true;
                return None;
            }
        }
    }

    /// Waits with an open connection; false when it is no longer worth it.
    async fn wait(&mut self) -> bool {
        let Some(Link::Server(connection)) = &mut self.link else { return false };
        let lane = Arc::clone(&self.place.lane);
        if !lane.idle() {
            return true;
        }
        let keep_alive = self.shared.setup.load().terms.keep_alive;
        let mut closing = self.shared.closing.subscribe();
        let mut ended = false;
        let stays = tokio::select! {
            () = lane.wake.notified() => true,
            () = connection.ended() => { ended = true; false }
            () = tokio::time::sleep(keep_alive) => false,
            () = self.shared.pressure.notified() => false,
            _ = closing.wait_for(|closing| *closing) => false,
        };
        lane.awake();
        if ended {
            self.link = None;
        }
        stays
    }

    async fn serve(&mut self, job: Job) {
        let setup = self.shared.setup.load_full();
        let mut fresh = false;
        loop {
            if self.link.is_none() {
                match self.open(&setup).await {
                    Ok(link) => self.link = Some(link),
                    Err(reply) => {
                        let rest = |failures| setup.schedule.rest(failures);
                        return self.place.lane.unreachable(job, &reply, rest);
                    }
                }
                self.place.lane.connected();
                fresh = true;
            }
            let (handed, again) = match &mut self.link {
                Some(Link::Server(connection)) => {
                    let sent = connection.deliver(&job.letter, &job.recipients).await;
                    let again = sent.was_stale && !fresh;
                    (hand_over(connection, sent), again)
                }
                Some(Link::Maildir(path)) => {
                    (store(path, &job.letter, &job.recipients, &setup.hostname).await, false)
                }
                None => return job.answer_all(&broke_off(), &self.place.lane.name),
            };
            if again {
                self.link = None;
                continue;
            }
            self.place.lane.succeeded(setup.connections_per_destination);
            // Nobody listens any more when the attempt was dropped.
            let _ = job.told.send(handed);
            break;
        }
        if matches!(&self.link, Some(Link::Server(connection)) if !connection.is_reusable())
            && let Some(Link::Server(connection)) = self.link.take()
        {
            connection.close().await;
        }
    }

    /// Tries all targets in order. The reply in the error is permanent only when there is no
    /// route or it leads back here.
    async fn open(&self, setup: &Setup) -> Result<Link, Reply> {
        let resolver = &*self.shared.resolver;
        let targets = setup.routes.targets(&self.destination, resolver).await;
        let targets = targets.map_err(|NoRoute(reply)| reply)?;
        let mut failure = None;
        for target in &targets {
            if *self.shared.closing.borrow() {
                break;
            }
            if let Target::Maildir(path) = target {
                return Ok(Link::Maildir(path.clone()));
            }
            match connection::open(target, &setup.terms).await {
                Ok(connection) => return Ok(Link::Server(Box::new(connection))),
                Err(reply) => {
                    tracing::debug!(%target, %reply, "next hop not usable");
                    // A host that is this box speaks for itself only while others fail.
                    let worse = failure.as_ref().is_none_or(Reply::is_permanent);
                    if worse || reply.is_transient() {
                        failure = Some(reply);
                    }
                }
            }
        }
        Err(failure.unwrap_or_else(broke_off))
    }
}

fn hand_over(connection: &Connection, sent: connection::Sent) -> Vec<Handed> {
    let onward = match (connection.takes_dsn(), connection.dialect()) {
        (true, _) => Onward::Entrusted,
        // RFC 2033 section 1: an LMTP server is the mail store.
        (false, Dialect::Lmtp) => Onward::Final,
        (false, Dialect::Smtp) => Onward::Relayed,
    };
    let handed = sent.answers.into_iter().map(|answer| Handed {
        recipient: answer.recipient,
        reply: answer.reply,
        speaker: answer.speaker,
        hop: connection.name().to_owned(),
        tls: connection.tls().cloned(),
        onward,
    });
    handed.collect()
}

/// Into Maildirs, off the async threads.
async fn store(
    template: &Path,
    letter: &Arc<Letter>,
    recipients: &[u16],
    hostname: &Domain,
) -> Vec<Handed> {
    let (template, letter) = (template.to_owned(), Arc::clone(letter));
    let (wanted, hostname) = (recipients.to_vec(), hostname.clone());
    let stored = tokio::task::spawn_blocking(move || {
        let store = |recipient: &u16| store_one(&template, &letter, *recipient, &hostname);
        wanted.iter().map(store).collect::<Vec<Handed>>()
    });
    stored.await.unwrap_or_else(|error| {
        tracing::error!(%error, "delivery into a Maildir broke off");
        let handed = recipients.iter().map(|recipient| Handed {
            recipient: *recipient,
            reply: broke_off(),
            speaker: Speaker::Box,
            hop: "maildir".into(),
            tls: None,
            onward: Onward::Final,
        });
        handed.collect()
    })
}

fn store_one(template: &Path, letter: &Letter, recipient: u16, hostname: &Domain) -> Handed {
    let mut hop = format!("maildir:{}", template.display());
    let reply = match letter.envelope.recipients.get(usize::from(recipient)) {
        None => Reply::new(550, EnhancedCode(5, 1, 1), "no such recipient in the envelope"),
        Some(named) => {
            let folder = maildir::folder(template, &named.forward_path);
            hop = format!("maildir:{}", folder.display());
            let seconds = letter.facts.received_ms / 1_000;
            let name = format!("{seconds}.{}R{recipient}.{hostname}", letter.id);
            let earlier = if letter.fresh { Earlier::Impossible } else { Earlier::Possible };
            let top = super::trace::delivery(&letter.envelope.reverse_path, &named.forward_path);
            let stored = maildir::deliver(&folder, &name, earlier, |out| {
                out.write_all(top.as_bytes())?;
                letter.write_all(out)
            });
            match stored {
                Ok(()) => Reply::new(250, EnhancedCode(2, 0, 0), format!("stored as {name}")),
                Err(error) => {
                    tracing::error!(mail_id = %letter.id, %hop, %error, "Maildir");
                    match error.kind() {
                        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                            Reply::new(452, EnhancedCode(4, 2, 2), "the mailbox is full")
                        }
                        _ => Reply::new(451, EnhancedCode(4, 3, 0), format!("mailbox: {error}")),
                    }
                }
            }
        }
    };
    Handed { recipient, reply, speaker: Speaker::Box, hop, tls: None, onward: Onward::Final }
}
