//! Learning while the box runs: lessons from operators and users, and from mail that the box
//! is sure of, given by one thread beside the scans.
//!
//! In: content, a label, who says so. Out: a changed [`Likeness`], in memory at once and on the
//! disk every `save_interval_s`, and when the box ends. Nothing here makes a scan wait: what
//! the box itself observes is put in a short queue and left out when that is full; whoever
//! reports waits for the answer. A crash loses the lessons of one interval at most.
//!
//! Fails with [`NotTaught`], which only whoever reports ever sees.

pub mod automatic;
#[cfg(test)]
mod tests;

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use tokio::sync::oneshot;

use super::bulk::{self, Bulk};
use super::classifier::{
    Allowance, ClassifierError, Features, Label, LearningLimits, Lesson, Record, Refusal, Source,
    Standing,
};
use super::likeness::{Likeness, Saved, Untaught};
use crate::config;
use crate::mail::{Content, MailId};
use crate::message::{Anatomy, Limits};
use crate::telemetry::metrics::{self, Counter};
use automatic::Observation;

/// Lessons that wait. Each may hold a message in memory.
const WAITING: usize = 64;
/// Longer messages are not learned from by the box itself: what tells stands at the beginning,
/// and the queue holds them in memory.
const OBSERVED_OCTETS: u64 = 512 << 10;
/// Longest message that is taken from whoever reports.
const REPORTED_OCTETS: u64 = 64 << 20;

/// Why a message was not learned from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTaught {
    /// The classifier does not take it.
    #[error(transparent)]
    Untaught(#[from] Untaught),
    /// Too many wait already.
    #[error("too many lessons wait already; try again later")]
    Busy,
    /// The box is ending.
    #[error("the box is ending")]
    Closed,
    /// Nothing, or too much, to learn from.
    #[error("a message of {0} octets is not learned from")]
    Size(u64),
    /// The content cannot be read.
    #[error("the message cannot be read: {0}")]
    Unreadable(String),
}

/// A message, what it is, and who says so.
#[derive(Debug)]
struct Assignment {
    content: Content,
    label: Label,
    source: String,
    standing: Standing,
    mail_id: Option<MailId>,
}

#[derive(Debug)]
enum Task {
    Teach(Assignment, Option<oneshot::Sender<Result<Lesson, NotTaught>>>),
    Remember(Content, bulk::Label),
    Save(oneshot::Sender<Result<Saved, ClassifierError>>),
    Close,
}

/// What was learned of late, and where from.
#[derive(Debug, Clone, Copy)]
pub struct Knowledge {
    /// Spam and ham that the model knows.
    pub learned: (u32, u32),
    /// Where the model comes from.
    pub record: Record,
}

/// Gives lessons, one after the other.
#[derive(Debug)]
pub struct Teacher {
    likeness: Arc<Likeness>,
    settings: Arc<ArcSwap<config::Learning>>,
    queue: SyncSender<Task>,
    thread: Mutex<Option<JoinHandle<()>>>,
    left_out: Arc<Counter>,
}

impl Teacher {
    /// Begins to teach the classifier, and to remember digests of what is bad.
    pub fn start(
        likeness: Arc<Likeness>,
        settings: &config::Learning,
        bulk: Option<Arc<Bulk>>,
    ) -> std::io::Result<Arc<Teacher>> {
        likeness.set_limits(limits(settings));
        let (queue, tasks) = sync_channel(WAITING);
        let settings = Arc::new(ArcSwap::from_pointee(settings.clone()));
        let desk = Desk::new(Arc::clone(&likeness), Arc::clone(&settings), bulk);
        let thread =
            std::thread::Builder::new().name("teacher".into()).spawn(move || desk.work(&tasks))?;
        let left_out = metrics::registry().counter(
            "postern_lessons_left_out_total",
            "Automatic lessons that found the queue full",
            &[],
        );
        let thread = Mutex::new(Some(thread));
        Ok(Arc::new(Teacher { likeness, settings, queue, thread, left_out }))
    }

    /// Puts other settings in force.
    pub fn reload(&self, settings: &config::Learning) {
        self.likeness.set_limits(limits(settings));
        self.settings.store(Arc::new(settings.clone()));
    }

    /// What the classifier knows; none when there is no model.
    pub fn knowledge(&self) -> Option<Knowledge> {
        let classifier = self.likeness.classifier()?;
        Some(Knowledge { learned: classifier.learned(), record: classifier.record() })
    }

    /// Why there is no model in force, when there is one that cannot be used.
    pub fn why_none(&self) -> Option<String> {
        self.likeness.why_refused()
    }

    /// Whether another model lies in the data directory, which is not read yet.
    pub fn has_model_waiting(&self) -> bool {
        self.likeness.has_waiting()
    }

    /// Learns from a mail that everything but the classifier is sure of. Never waits.
    pub fn observe(&self, mail_id: MailId, content: &Content, observation: &Observation<'_>) {
        let settings = self.settings.load();
        if !settings.automatic || !(1..=OBSERVED_OCTETS).contains(&content.len()) {
            return;
        }
        let Some(label) = automatic::label(&settings, observation) else { return };
        let assignment = Assignment {
            content: content.clone(),
            label,
            source: automatic::source(observation.facts),
            standing: Standing::Automatic,
            mail_id: Some(mail_id),
        };
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Task::Teach(assignment, None)) {
            self.left_out.add_one();
        }
    }

    /// Remembers what a bad mail looks like, to know the next copy of it. Never waits.
    pub fn remember(&self, content: &Content, label: bulk::Label) {
        if !(1..=REPORTED_OCTETS).contains(&content.len()) {
            return;
        }
        let task = Task::Remember(content.clone(), label);
        if let Err(TrySendError::Full(_)) = self.queue.try_send(task) {
            self.left_out.add_one();
        }
    }

    /// Teaches a message on somebody's word, and waits until it is learned.
    pub async fn teach(
        &self,
        content: Content,
        label: Label,
        (standing, source): (Standing, &str),
        mail_id: Option<MailId>,
    ) -> Result<Lesson, NotTaught> {
        if !(1..=REPORTED_OCTETS).contains(&content.len()) {
            return Err(NotTaught::Size(content.len()));
        }
        let source = source.to_owned();
        let assignment = Assignment { content, label, source, standing, mail_id };
        let (answer, answered) = oneshot::channel();
        self.send(Task::Teach(assignment, Some(answer)))?;
        answered.await.unwrap_or(Err(NotTaught::Closed))
    }

    /// Reads the model again when somebody has put another one in its place. Blocks.
    pub fn refresh(&self) {
        self.likeness.refresh();
    }

    /// Writes what was learned, now.
    pub async fn save(&self) -> Result<Result<Saved, ClassifierError>, NotTaught> {
        let (answer, answered) = oneshot::channel();
        self.send(Task::Save(answer))?;
        answered.await.map_err(|_| NotTaught::Closed)
    }

    fn send(&self, task: Task) -> Result<(), NotTaught> {
        self.queue.try_send(task).map_err(|error| match error {
            TrySendError::Full(_) => NotTaught::Busy,
            TrySendError::Disconnected(_) => NotTaught::Closed,
        })
    }

    /// Gives the lessons that wait, writes what was learned, and ends. Blocks.
    pub fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        // Waits for room; a thread that has died has dropped its end.
        let _ = self.queue.send(Task::Close);
        if thread.join().is_err() {
            tracing::error!("the teacher broke off: lessons may be lost");
        }
    }
}

/// The bounds that the settings set.
pub fn limits(settings: &config::Learning) -> LearningLimits {
    let shipped = LearningLimits::default();
    // Movement goes with the number, as it is shipped.
    let scaled = |allowance: Allowance, lessons: u32| Allowance {
        lessons,
        movement: allowance.movement * f64::from(lessons) / f64::from(allowance.lessons.max(1)),
    };
    LearningLimits {
        user: scaled(shipped.user, settings.lessons_per_user),
        automatic: scaled(shipped.automatic, settings.automatic_lessons_per_source),
        automatic_total: scaled(shipped.automatic_total, settings.automatic_lessons_per_day),
        total: scaled(shipped.total, settings.lessons_per_day),
        ..shipped
    }
}

/// The thread's side.
struct Desk {
    likeness: Arc<Likeness>,
    settings: Arc<ArcSwap<config::Learning>>,
    bulk: Option<Arc<Bulk>>,
    taken: [Arc<Counter>; 2],
    refused: Arc<Counter>,
}

impl Desk {
    fn new(
        likeness: Arc<Likeness>,
        settings: Arc<ArcSwap<config::Learning>>,
        bulk: Option<Arc<Bulk>>,
    ) -> Desk {
        let lessons = |kind| {
            let help = "Messages that the classifier has learned while the box runs";
            metrics::registry().counter("postern_lessons_total", help, &[("kind", kind)])
        };
        let refused = metrics::registry().counter(
            "postern_lessons_refused_total",
            "Messages that the classifier did not learn: bounds, repetitions, already known",
            &[],
        );
        Desk { likeness, settings, bulk, taken: ["spam", "ham"].map(lessons), refused }
    }

    fn work(&self, tasks: &Receiver<Task>) {
        let mut saved = Instant::now();
        loop {
            let interval = Duration::from_secs(self.settings.load().save_interval_s.max(1));
            let due = interval.saturating_sub(saved.elapsed());
            match tasks.recv_timeout(due) {
                Ok(Task::Teach(assignment, answer)) => {
                    let lesson = self.teach(&assignment);
                    if assignment.standing != Standing::Automatic {
                        self.remember(&assignment.content, digest_label(assignment.label));
                    }
                    // Who does not wait for the answer any more has had the lesson.
                    let _ = answer.map(|answer| answer.send(lesson));
                }
                Ok(Task::Remember(content, label)) => self.remember(&content, label),
                Ok(Task::Save(answer)) => {
                    let _ = answer.send(self.likeness.save());
                }
                Ok(Task::Close) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if saved.elapsed() >= interval {
                self.save();
                saved = Instant::now();
            }
        }
        self.save();
    }

    fn save(&self) {
        match self.likeness.save() {
            Ok(Saved::Unchanged | Saved::Replaced) => {}
            Ok(Saved::Written) => tracing::debug!("what the classifier has learned is saved"),
            Err(error) => tracing::error!(%error, "what the classifier has learned is not saved"),
        }
    }

    /// The digests of a message go to those of its kind.
    fn remember(&self, content: &Content, label: bulk::Label) {
        let Some(bulk) = &self.bulk else { return };
        let Ok(octets) = content.read_all() else { return };
        let digests = std::panic::catch_unwind(|| {
            bulk::Digests::of(&Anatomy::of(&octets, Limits::default()))
        });
        match digests {
            // A harmless file beside spam must not be held against others who send it.
            Ok(digests) if label == bulk::Label::Spam => {
                bulk.learn(&digests.without_files(), label, SystemTime::now());
            }
            Ok(digests) => bulk.learn(&digests, label, SystemTime::now()),
            Err(_) => tracing::error!("a message cannot be digested"),
        }
    }

    fn teach(&self, assignment: &Assignment) -> Result<Lesson, NotTaught> {
        let lesson = self.lesson(assignment);
        let kind = kind(assignment.label);
        let mail_id = assignment.mail_id.map(tracing::field::display);
        let source = assignment.source.as_str();
        match &lesson {
            Ok(Lesson { before, after }) => {
                let taken =
                    if assignment.label == Label::Spam { &self.taken[0] } else { &self.taken[1] };
                taken.add_one();
                tracing::info!(mail_id, kind, source, before, after, "learned");
            }
            Err(NotTaught::Untaught(Untaught::Refused(Refusal::Known))) => {
                tracing::debug!(mail_id, kind, source, "nothing to learn");
            }
            Err(error) => {
                self.refused.add_one();
                tracing::debug!(mail_id, kind, source, %error, "not learned");
            }
        }
        lesson
    }

    fn lesson(&self, assignment: &Assignment) -> Result<Lesson, NotTaught> {
        let octets = assignment.content.read_all();
        let octets = octets.map_err(|error| NotTaught::Unreadable(error.to_string()))?;
        let features = std::panic::catch_unwind(|| Features::of_message(&octets));
        let features =
            features.map_err(|_| NotTaught::Unreadable("its form is beyond us".into()))?;
        let source = Source { name: &assignment.source, standing: assignment.standing };
        Ok(self.likeness.learn(&features, assignment.label, source, now_s())?)
    }
}

fn kind(label: Label) -> &'static str {
    match label {
        Label::Spam => "spam",
        Label::Ham => "ham",
    }
}

fn digest_label(label: Label) -> bulk::Label {
    match label {
        Label::Spam => bulk::Label::Spam,
        Label::Ham => bulk::Label::Ham,
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
