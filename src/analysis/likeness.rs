//! The classifier as the box has it: a model from the data directory, or none; one for all
//! scans, kept over reloads of the configuration.
//!
//! In: the data directory, messages, lessons. Out: at most one finding a message. Without a
//! model there is no finding; a model that is refused is said once to the operator and in a
//! notice with every message, and mail is looked into without it. Scans take no lock. Lessons
//! change the model in memory; [`Likeness::save`] writes them. A model that somebody else put
//! into the directory meanwhile, as `postern train` does, is never overwritten: it replaces
//! the one in memory, and the lessons that were not on the disk yet are given to it again.
//!
//! Fails with [`ClassifierError`] when the file cannot be written, and then tries again with
//! the next call.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::Sighting;
use super::classifier::{
    Classifier, ClassifierError, Features, Label, LearningLimits, Lesson, MODEL_FILE, Refusal,
    Score, Source, Standing,
};
use super::file_mark::FileMark;
use crate::message::Anatomy;

/// What is known of good mail and spam.
#[derive(Debug)]
pub struct Likeness {
    /// Where the model is kept; none for a box without a data directory.
    file: Option<PathBuf>,
    state: ArcSwap<State>,
    /// The file as it was last read or written. Held by whoever reads or writes it.
    known: Mutex<Option<FileMark>>,
    has_unsaved: AtomicBool,
    /// What was taught since the last writing, for a model that takes the place of this one.
    unsaved: Mutex<Vec<Taught>>,
    limits: Mutex<LearningLimits>,
}

/// Lessons kept for another model; older ones are on the disk by then, or are given up.
const MOST_UNSAVED: usize = 200;

/// A lesson that was taken.
#[derive(Debug)]
struct Taught {
    features: Features,
    label: Label,
    source: String,
    standing: Standing,
    now_s: u64,
}

#[derive(Debug, Clone)]
enum State {
    /// Nobody has trained a model, nor taught anything.
    Untrained,
    /// There is a model and it cannot be used.
    Refused(String),
    /// A model is in force.
    Trained(Arc<Classifier>),
}

/// Why a lesson was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untaught {
    /// The bounds of learning, or nothing to learn.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is a model that cannot be used; a lesson would replace it.
    #[error("the classifier is out of use: {0}")]
    OutOfUse(String),
}

/// What saving did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// There was nothing to write.
    Unchanged,
    /// The lessons are on the disk.
    Written,
    /// Somebody has put another model there: it is in force now.
    Replaced,
}

impl Likeness {
    /// Without a data directory nothing is known and nothing learned.
    pub fn none() -> Likeness {
        Likeness::with(None)
    }

    /// Reads the model in a data directory.
    pub fn in_dir(data_dir: &Path) -> Likeness {
        Likeness::in_file(data_dir.join(MODEL_FILE))
    }

    /// Reads the model in a file.
    pub fn in_file(file: PathBuf) -> Likeness {
        let likeness = Likeness::with(Some(file));
        likeness.read(&mut likeness.known());
        likeness
    }

    fn with(file: Option<PathBuf>) -> Likeness {
        Likeness {
            file,
            state: ArcSwap::from_pointee(State::Untrained),
            known: Mutex::new(None),
            has_unsaved: AtomicBool::new(false),
            unsaved: Mutex::default(),
            limits: Mutex::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Option<FileMark>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn limits(&self) -> LearningLimits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the bounds of learning.
    pub fn set_limits(&self, limits: LearningLimits) {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = limits;
        if let Some(classifier) = self.classifier() {
            classifier.set_limits(limits);
        }
    }

    /// Reads the file again if it is not as it was when it was last read or written.
    pub fn refresh(&self) {
        let Some(file) = &self.file else { return };
        let mut known = self.known();
        if FileMark::of(file) != *known {
            self.read(&mut known);
        }
    }

    /// Reads what is in the file, whatever is in memory.
    fn read(&self, known: &mut Option<FileMark>) {
        let Some(file) = &self.file else { return };
        let mark = FileMark::of(file);
        let state = match Classifier::in_file(file, self.limits()) {
            Ok(None) => State::Untrained,
            Ok(Some(classifier)) => {
                let (spam, ham) = classifier.learned();
                tracing::info!(spam, ham, "the classifier has learned");
                State::Trained(Arc::new(classifier))
            }
            Err(error) => {
                tracing::warn!("the classifier is out of use: {error}; train it again");
                State::Refused(error.to_string())
            }
        };
        let again = match &state {
            State::Trained(classifier) => self.teach_again(classifier),
            State::Untrained | State::Refused(_) => 0,
        };
        self.has_unsaved.store(again > 0, Ordering::Relaxed);
        self.state.store(Arc::new(state));
        *known = mark;
    }

    /// Gives a model the lessons that the one before took and did not write.
    fn teach_again(&self, classifier: &Classifier) -> usize {
        let unsaved = self.unsaved.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = unsaved.iter().filter(|taught| {
            let source = Source { name: &taught.source, standing: taught.standing };
            classifier.learn_one(&taught.features, taught.label, source, taught.now_s).is_ok()
        });
        let taken = taken.count();
        if taken > 0 {
            tracing::info!(lessons = taken, "lessons are given to the new model too");
        }
        taken
    }

    /// Why the model that is there cannot be used.
    pub fn why_refused(&self) -> Option<String> {
        match &**self.state.load() {
            State::Refused(why) => Some(why.clone()),
            State::Untrained | State::Trained(_) => None,
        }
    }

    /// Whether the file is not as it was when it was last read or written.
    pub fn has_waiting(&self) -> bool {
        self.file.as_ref().is_some_and(|file| {
            let mark = FileMark::of(file);
            mark.is_some() && mark != *self.known()
        })
    }

    /// What is to be said of a message, in which content rules saw so many points.
    pub(super) fn sightings(&self, anatomy: &Anatomy, rule_points: f32) -> Vec<Sighting> {
        match &**self.state.load() {
            State::Untrained => Vec::new(),
            State::Refused(why) => vec![Sighting::new("CLASSIFIER_REFUSED", why.as_str())],
            State::Trained(classifier) => {
                let score = classifier.score(&Features::of_anatomy(anatomy));
                let said = |score: Score| [score.sighting(), score.outweighing(rule_points)];
                score.into_iter().flat_map(said).flatten().collect()
            }
        }
    }

    /// The classifier in force, if there is one.
    pub fn classifier(&self) -> Option<Arc<Classifier>> {
        match &**self.state.load() {
            State::Trained(classifier) => Some(Arc::clone(classifier)),
            State::Untrained | State::Refused(_) => None,
        }
    }

    /// Teaches one message. The first lesson of a box without a model begins an empty one,
    /// which says nothing before it has learned enough.
    pub fn learn(
        &self,
        features: &Features,
        label: Label,
        source: Source<'_>,
        now_s: u64,
    ) -> Result<Lesson, Untaught> {
        // No file may be read in between, or the lesson would go to a model that is gone.
        let _known = self.known();
        let classifier = match &**self.state.load() {
            State::Trained(classifier) => Arc::clone(classifier),
            State::Refused(why) => return Err(Untaught::OutOfUse(why.clone())),
            State::Untrained => {
                let classifier = Arc::new(Classifier::blank(self.limits()));
                self.state.store(Arc::new(State::Trained(Arc::clone(&classifier))));
                classifier
            }
        };
        let lesson = classifier.learn_one(features, label, source, now_s)?;
        self.has_unsaved.store(true, Ordering::Relaxed);
        let mut unsaved = self.unsaved.lock().unwrap_or_else(PoisonError::into_inner);
        if unsaved.len() < MOST_UNSAVED {
            let (source, standing) = (source.name.to_owned(), source.standing);
            unsaved.push(Taught { features: features.clone(), label, source, standing, now_s });
        }
        Ok(lesson)
    }

    /// Writes what was learned since the last time. Blocks on the disk; scans go on.
    pub fn save(&self) -> Result<Saved, ClassifierError> {
        let Some(file) = &self.file else { return Ok(Saved::Unchanged) };
        let mut known = self.known();
        if !self.has_unsaved.load(Ordering::Relaxed) {
            return Ok(Saved::Unchanged);
        }
        if FileMark::of(file) != *known {
            tracing::warn!("a new model was put in place of the one in use: it is used now");
            self.read(&mut known);
            return Ok(Saved::Replaced);
        }
        if let Some(classifier) = self.classifier() {
            classifier.save(file)?;
            *known = FileMark::of(file);
            self.has_unsaved.store(false, Ordering::Relaxed);
            self.unsaved.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        Ok(Saved::Written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::classifier::Standing;

    fn lesson(likeness: &Likeness, number: u32) -> Result<Lesson, Untaught> {
        let text = format!("Subject: number {number}\r\n\r\nbuy {number} now\r\n");
        let source = Source { name: "operator", standing: Standing::Operator };
        likeness.learn(&Features::of_message(text.as_bytes()), Label::Spam, source, 1)
    }

    fn learned(likeness: &Likeness) -> Option<(u32, u32)> {
        likeness.classifier().map(|classifier| classifier.learned())
    }

    #[test]
    fn lessons_begin_a_model_and_are_saved() {
        let dir = tempfile::tempdir().unwrap();
        let likeness = Likeness::in_dir(dir.path());
        assert_eq!(likeness.save().unwrap(), Saved::Unchanged);
        lesson(&likeness, 1).unwrap();
        assert_eq!(likeness.save().unwrap(), Saved::Written);
        assert_eq!(likeness.save().unwrap(), Saved::Unchanged);
        assert_eq!(learned(&Likeness::in_dir(dir.path())), Some((1, 0)));
        // What was saved by itself is not read again.
        lesson(&likeness, 2).unwrap();
        likeness.refresh();
        assert_eq!(learned(&likeness), Some((2, 0)));
    }

    #[test]
    fn a_model_that_was_put_there_meanwhile_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let likeness = Likeness::in_dir(dir.path());
        lesson(&likeness, 1).unwrap();
        likeness.save().unwrap();
        let other = Likeness::in_dir(dir.path());
        for number in 2..5 {
            lesson(&other, number).unwrap();
        }
        other.save().unwrap();
        lesson(&likeness, 9).unwrap();
        assert!(likeness.has_waiting());
        assert_eq!(likeness.save().unwrap(), Saved::Replaced);
        // Four that the other was taught, and the one that was not on the disk.
        assert_eq!(learned(&likeness), Some((5, 0)));
        assert!(!likeness.has_waiting());
        assert_eq!(likeness.save().unwrap(), Saved::Written);
        assert_eq!(learned(&Likeness::in_dir(dir.path())), Some((5, 0)));
    }

    #[test]
    fn a_damaged_model_takes_no_lessons_and_stays_on_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(MODEL_FILE);
        std::fs::write(&file, b"PSTNMODL and no more").unwrap();
        let likeness = Likeness::in_dir(dir.path());
        assert!(matches!(lesson(&likeness, 1), Err(Untaught::OutOfUse(_))));
        assert_eq!(likeness.save().unwrap(), Saved::Unchanged);
        assert_eq!(std::fs::read(&file).unwrap(), b"PSTNMODL and no more");
        assert!(likeness.why_refused().unwrap().contains("truncated"));
        std::fs::remove_file(&file).unwrap();
        likeness.refresh();
        assert!(lesson(&likeness, 1).is_ok());
    }
}
