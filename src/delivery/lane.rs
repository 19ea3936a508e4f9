//! The waiting line of one destination: jobs, workers, and what is known of the destination.
//!
//! In: jobs. Out: each job's answers, through its channel. No I/O here: the workers that carry
//! jobs out live in `lanes.rs`.
//!
//! Invariants: a job in the line is answered, handed to a worker, or dropped, which its owner
//! sees; while jobs wait at least one worker lives; a destination that nobody could connect to
//! is left alone for a while and its jobs are answered at once, so that a dead host costs one
//! time-out, not one for each mail.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::letter::Letter;
use crate::mail::{EnhancedCode, Reply, TlsFacts};
use crate::smtp::client::Speaker;

/// Connections made at once to a destination of which nothing is known yet.
const FIRST_WINDOW: usize = 5;
/// Bounds of one line, whatever room there is.
const LINE_AT_LEAST: usize = 2;
const LINE_AT_MOST: usize = 2_000;
/// What is known of a quiet destination is forgotten after this.
const MEMORY: Duration = Duration::from_secs(900);
/// Mails that find the line full come back within this.
const LONGEST_DETOUR: Duration = Duration::from_secs(300);
const SHORTEST_DETOUR: Duration = Duration::from_secs(1);

/// Who answers for delivery reports after a hop took a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Onward {
    /// Nobody has to: the mail is in its mailbox.
    Final,
    /// Nobody can: the hop does not know RFC 3461.
    Relayed,
    /// The hop does.
    Entrusted,
}

/// What became of one recipient at a hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// Index in the envelope.
    pub recipient: u16,
    /// 2xx, 4xx or 5xx.
    pub reply: Reply,
    /// Whose words these are.
    pub speaker: Speaker,
    /// Where, for people.
    pub hop: String,
    /// The TLS session.
    pub tls: Option<TlsFacts>,
    /// Who answers for reports.
    pub onward: Onward,
}

/// A letter for some of its recipients.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) letter: Arc<Letter>,
    pub(super) recipients: Vec<u16>,
    pub(super) told: oneshot::Sender<Vec<Handed>>,
}

impl Job {
    /// Tells all recipients the same; the words are the box's.
    pub(super) fn answer_all(self, reply: &Reply, hop: &str) {
        let handed = self.recipients.iter().map(|recipient| Handed {
            recipient: *recipient,
            reply: reply.clone(),
            speaker: Speaker::Box,
            hop: hop.to_owned(),
            tls: None,
            onward: Onward::Relayed,
        });
        let handed = handed.collect();
        // Nobody listens any more when the box is shutting down.
        let _ = self.told.send(handed);
    }
}

/// What became of a job that was put in line.
#[derive(Debug)]
pub(super) enum Entered {
    /// It waits, and a worker will see it.
    Waits,
    /// It waits, and the caller must start a worker, whose place is already taken.
    NeedsWorker,
    /// The destination is known to be dead for the moment; the job was answered.
    Answered,
    /// The line is as long as it may be; the mail should come back after this.
    Full(Duration),
}

/// What a worker finds in the line.
#[derive(Debug)]
pub(super) enum Taken {
    /// A job.
    Job(Job),
    /// Nobody waits.
    Nothing,
    /// There are more workers than the destination allows for now.
    TooMany,
}

/// One destination's line.
#[derive(Debug)]
pub(super) struct Lane {
    /// For people.
    pub(super) name: String,
    /// Jobs in the lines of all lanes.
    waiting_in_all: Arc<AtomicUsize>,
    /// An idle worker is to look at the line.
    pub(super) wake: Notify,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    line: VecDeque<Job>,
    workers: usize,
    idle: usize,
    /// Workers allowed for now.
    window: usize,
    /// Jobs carried out before the window grows by one; many once the destination has
    /// refused a connection while it had others.
    grow_after: u32,
    successes: u32,
    failures_in_row: u32,
    rest: Option<Rest>,
    /// When the last mail that was sent away is to come back.
    detour: Instant,
    finished: u32,
    measured_since: Instant,
    last_used: Instant,
}

#[derive(Debug)]
struct Rest {
    until: Instant,
    reply: Reply,
}

impl Lane {
    pub(super) fn new(name: String, waiting_in_all: Arc<AtomicUsize>) -> Lane {
        let now = Instant::now();
        let state = State {
            line: VecDeque::new(),
            workers: 0,
            idle: 0,
            window: FIRST_WINDOW,
            grow_after: 1,
            successes: 0,
            failures_in_row: 0,
            rest: None,
            detour: now,
            finished: 0,
            measured_since: now,
            last_used: now,
        };
        Lane { name, waiting_in_all, wake: Notify::new(), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job in line, when `total` jobs may wait in all lanes together. A lane takes
    /// half of the room that is left: however many are long, the next one finds room.
    pub(super) fn enter(&self, job: Job, total: usize, workers_max: usize) -> Entered {
        let mut state = self.state();
        let now = Instant::now();
        state.last_used = now;
        if let Some(rest) = state.rest.as_ref().filter(|rest| rest.until > now) {
            let reply = rest.reply.clone();
            drop(state);
            job.answer_all(&reply, &self.name);
            return Entered::Answered;
        }
        let left = total.saturating_sub(self.waiting_in_all.load(Ordering::Relaxed));
        if state.line.len() >= (left / 2).clamp(LINE_AT_LEAST, LINE_AT_MOST) {
            return Entered::Full(state.detour(now));
        }
        state.line.push_back(job);
        self.waiting_in_all.fetch_add(1, Ordering::Relaxed);
        let idle_suffice = state.line.len() <= state.idle;
        let may_grow = state.workers < state.window.min(workers_max).max(1);
        match !idle_suffice && may_grow {
            true => {
                state.workers += 1;
                Entered::NeedsWorker
            }
            false => {
                drop(state);
                self.wake.notify_one();
                Entered::Waits
            }
        }
    }

    /// What a worker is to do next.
    pub(super) fn take(&self) -> Taken {
        let mut state = self.state();
        if state.workers > state.window && state.workers > 1 {
            return Taken::TooMany;
        }
        match state.line.pop_front() {
            Some(job) => {
                self.waiting_in_all.fetch_sub(1, Ordering::Relaxed);
                Taken::Job(job)
            }
            None => Taken::Nothing,
        }
    }

    /// A worker begins to wait for jobs. False when there is one after all.
    pub(super) fn idle(&self) -> bool {
        let mut state = self.state();
        let waits = state.line.is_empty();
        state.idle += usize::from(waits);
        waits
    }

    /// It no longer waits.
    pub(super) fn awake(&self) {
        let mut state = self.state();
        state.idle = state.idle.saturating_sub(1);
    }

    /// A worker gives up its place; true when it must go on because jobs wait for it alone.
    pub(super) fn leave(&self) -> bool {
        let mut state = self.state();
        if state.workers <= 1 && !state.line.is_empty() {
            return true;
        }
        state.workers = state.workers.saturating_sub(1);
        false
    }

    /// A worker died. Jobs that nobody is left for are dropped, which their owners see.
    pub(super) fn abandoned(&self) {
        let mut state = self.state();
        state.workers = state.workers.saturating_sub(1);
        if state.workers == 0 {
            self.empty(state);
        }
    }

    fn empty(&self, mut state: MutexGuard<'_, State>) -> VecDeque<Job> {
        let jobs = std::mem::take(&mut state.line);
        drop(state);
        self.waiting_in_all.fetch_sub(jobs.len(), Ordering::Relaxed);
        jobs
    }

    /// A connection was made.
    pub(super) fn connected(&self) {
        let mut state = self.state();
        state.rest = None;
        state.failures_in_row = 0;
    }

    /// A job was carried out over a connection: one more may be made.
    pub(super) fn succeeded(&self, workers_max: usize) {
        let mut state = self.state();
        state.successes = state.successes.saturating_add(1);
        if state.successes >= state.grow_after {
            state.successes = 0;
            state.window = (state.window + 1).min(workers_max.max(1));
        }
        state.finished = state.finished.saturating_add(1);
        let now = Instant::now();
        // The pace of the last seconds, not of the whole day.
        if now.duration_since(state.measured_since) > Duration::from_secs(20) {
            state.finished /= 2;
            state.measured_since = now - Duration::from_secs(10);
        }
    }

    /// Nobody could be connected to. While others have or seek connections the job goes back
    /// to them and their number is taken for the most that the destination allows; otherwise
    /// the destination rests and everybody in line is told.
    pub(super) fn unreachable(&self, job: Job, reply: &Reply, rest: impl FnOnce(u32) -> Duration) {
        let mut state = self.state();
        // The caller is one of the workers; the last one to fail speaks for the destination.
        if reply.is_transient() && state.workers > 1 {
            state.window = state.workers - 1;
            state.grow_after = state.grow_after.saturating_mul(2).clamp(20, 2_000);
            state.successes = 0;
            state.line.push_front(job);
            self.waiting_in_all.fetch_add(1, Ordering::Relaxed);
            drop(state);
            self.wake.notify_one();
            return;
        }
        let now = Instant::now();
        let resting = state.rest.as_ref().is_some_and(|rest| rest.until > now);
        if reply.is_transient() && !resting {
            state.failures_in_row = state.failures_in_row.saturating_add(1);
            let until = now + rest(state.failures_in_row);
            state.rest = Some(Rest { until, reply: reply.clone() });
            state.window = 1;
        }
        let told = self.empty(state);
        told.into_iter().chain([job]).for_each(|job| job.answer_all(reply, &self.name));
    }

    /// Sends everybody in line away untried: the box shuts down.
    pub(super) fn clear(&self) {
        self.empty(self.state());
    }

    /// Whether nothing is lost by forgetting the lane.
    pub(super) fn is_forgettable(&self) -> bool {
        let state = self.state();
        let memorable = state.rest.is_some() || state.failures_in_row > 0;
        let quiet = state.workers == 0 && state.line.is_empty();
        quiet && (!memorable || state.last_used.elapsed() > MEMORY)
    }
}

impl State {
    /// When a mail that finds no room should come back: each behind the one before, at the
    /// pace at which the destination takes mails, so that they do not come all at once.
    fn detour(&mut self, now: Instant) -> Duration {
        let measured = now.duration_since(self.measured_since).as_secs_f64().max(1.0);
        let pace = (f64::from(self.finished) / measured).max(0.5);
        let behind_line = now + Duration::from_secs_f64(self.line.len() as f64 / pace);
        let slot = self.detour.max(behind_line) + Duration::from_secs_f64(1.0 / pace);
        self.detour = slot.min(now + LONGEST_DETOUR);
        slot.duration_since(now).clamp(SHORTEST_DETOUR, LONGEST_DETOUR)
    }
}

/// What recipients are told whose delivery broke off inside the box.
pub(super) fn broke_off() -> Reply {
    Reply::new(451, EnhancedCode(4, 3, 0), "delivery broke off; it is tried again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::letter::Origin;
    use crate::delivery::testing;
    use crate::mail::Domain;
    use crate::message::edit;

    fn job() -> (Job, oneshot::Receiver<Vec<Handed>>) {
        let mail = testing::mail(&["a@x.test"], "A: b\r\n\r\n");
        let outgoing = edit::rewrite(&mail.content, &[]).unwrap();
        let hostname = Domain::parse("own.test").unwrap();
        let letter = Letter::write(&mail, Origin::Box, outgoing, &hostname, 0).unwrap();
        let (told, answers) = oneshot::channel();
        (Job { letter: Arc::new(letter), recipients: vec![0], told }, answers)
    }

    fn lane() -> Lane {
        Lane::new("x.test".into(), Arc::default())
    }

    fn transient() -> Reply {
        Reply::new(451, EnhancedCode(4, 4, 1), "no answer")
    }

    #[tokio::test]
    async fn a_line_takes_half_of_the_room_that_is_left() {
        let lane = lane();
        let mut entered = 0;
        let again_in = loop {
            match lane.enter(job().0, 30, 1) {
                Entered::Full(again_in) => break again_in,
                _ => entered += 1,
            }
        };
        // 10 of 30: as many as half of the other 20.
        assert_eq!(entered, 10);
        let Entered::Full(later) = lane.enter(job().0, 30, 1) else { panic!("it is full") };
        assert!(later > again_in && later <= LONGEST_DETOUR, "{again_in:?} {later:?}");
        let other = Lane::new("y.test".into(), Arc::clone(&lane.waiting_in_all));
        assert!(matches!(other.enter(job().0, 10, 1), Entered::NeedsWorker));
        lane.clear();
        assert_eq!(lane.waiting_in_all.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn the_last_worker_to_fail_speaks_for_the_destination() {
        let lane = lane();
        let mut answers = Vec::new();
        for _ in 0..3 {
            let (job, told) = job();
            assert!(matches!(lane.enter(job, 100, 2), Entered::NeedsWorker | Entered::Waits));
            answers.push(told);
        }
        let take = || match lane.take() {
            Taken::Job(job) => job,
            other => panic!("{other:?}"),
        };
        let (first, second) = (take(), take());
        let rest = |_| Duration::from_secs(60);
        // The first goes back into the line; its worker is one too many.
        lane.unreachable(first, &transient(), rest);
        assert!(answers[0].try_recv().is_err());
        assert!(matches!(lane.take(), Taken::TooMany));
        assert!(!lane.leave());
        // The last one: all are told, and so is whoever comes meanwhile.
        lane.unreachable(second, &transient(), rest);
        for told in answers {
            assert_eq!(told.await.unwrap()[0].reply, transient());
        }
        assert!(!lane.leave());
        let (job, told) = job();
        assert!(matches!(lane.enter(job, 100, 2), Entered::Answered));
        assert_eq!(told.await.unwrap()[0].reply, transient());
        assert!(!lane.is_forgettable());
        assert_eq!(lane.waiting_in_all.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn what_a_dead_worker_leaves_is_noticed() {
        let lane = lane();
        let (job, told) = job();
        assert!(matches!(lane.enter(job, 100, 5), Entered::NeedsWorker));
        lane.abandoned();
        assert!(told.await.is_err());
        assert!(lane.is_forgettable());
    }
}
