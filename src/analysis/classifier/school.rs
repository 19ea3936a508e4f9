//! Who may teach the classifier how much: bounds against poisoning.
//!
//! In: a lesson's source, its fingerprint and the time. Out: how far it may move the model.
//! In one window (a day) a source may move any message's margin in the linear members by
//! [`LearningLimits::source_movement`] at most, and all sources together by
//! [`LearningLimits::total_movement`]; right margins are about ±1. The counts, which the sharp
//! and the Bayesian member read, rise by [`LearningLimits::source_lessons`] at most. So one
//! source alone can pull mail like its lessons into doubt, and not far over. The same message
//! counts once a window. Time is an argument. Memory is bounded by the number of lessons a window.

use std::collections::{HashMap, HashSet};

/// Bounds of online learning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LearningLimits {
    /// Length of a window in seconds.
    pub window_s: u64,
    /// Lessons that one source may give in a window.
    pub source_lessons: u32,
    /// How far one source may move margins in a window, all its lessons together.
    pub source_movement: f64,
    /// Lessons of all sources in a window.
    pub total_lessons: u32,
    /// How far all sources together may move margins in a window.
    pub total_movement: f64,
    /// How far one lesson may move margins.
    pub lesson_movement: f64,
}

impl Default for LearningLimits {
    fn default() -> LearningLimits {
        LearningLimits {
            window_s: 86_400,
            source_lessons: 20,
            source_movement: 1.0,
            total_lessons: 400,
            total_movement: 20.0,
            lesson_movement: 0.25,
        }
    }
}

/// Why a lesson was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The classifier was already sure of it.
    Known,
    /// The same message was taught in this window.
    Repeated,
    /// Its source has taught all that it may in this window.
    SourceExhausted,
    /// All sources together have taught all that they may in this window.
    Exhausted,
}

#[derive(Debug, Default, Clone, Copy)]
struct Spent {
    lessons: u32,
    movement: f64,
}

/// The register of lessons.
#[derive(Debug)]
pub(super) struct School {
    limits: LearningLimits,
    window_start_s: u64,
    total: Spent,
    sources: HashMap<String, Spent>,
    seen: HashSet<u64>,
}

impl School {
    pub(super) fn new(limits: LearningLimits) -> School {
        School {
            limits,
            window_start_s: 0,
            total: Spent::default(),
            sources: HashMap::new(),
            seen: HashSet::new(),
        }
    }

    /// How far the next lesson may move margins.
    pub(super) fn admit(
        &mut self,
        source: &str,
        fingerprint: u64,
        now_s: u64,
    ) -> Result<f64, Refusal> {
        // A clock set back does not open a new window.
        if now_s >= self.window_start_s.saturating_add(self.limits.window_s) {
            self.window_start_s = now_s;
            self.total = Spent::default();
            self.sources.clear();
            self.seen.clear();
        }
        if self.seen.contains(&fingerprint) {
            return Err(Refusal::Repeated);
        }
        let left = |spent: Spent, lessons: u32, movement: f64| {
            let left = movement - spent.movement;
            (spent.lessons < lessons && left > 1e-9).then_some(left)
        };
        let limits = &self.limits;
        let total = left(self.total, limits.total_lessons, limits.total_movement)
            .ok_or(Refusal::Exhausted)?;
        let spent = self.sources.get(source_name(source)).copied().unwrap_or_default();
        let own = left(spent, limits.source_lessons, limits.source_movement)
            .ok_or(Refusal::SourceExhausted)?;
        Ok(total.min(own).min(limits.lesson_movement))
    }

    /// A lesson was taken and moved margins so far.
    pub(super) fn enter(&mut self, source: &str, fingerprint: u64, movement: f64) {
        self.seen.insert(fingerprint);
        let source = self.sources.entry(source_name(source).to_owned()).or_default();
        for spent in [source, &mut self.total] {
            spent.lessons += 1;
            spent.movement += movement;
        }
    }
}

fn source_name(source: &str) -> &str {
    super::tokens::head(source, 320)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_sources_and_repetitions() {
        let limits = LearningLimits { source_lessons: 3, total_lessons: 5, ..Default::default() };
        let mut school = School::new(limits);
        let steps = [
            ("ann", 1, 100, Ok(0.25)),
            ("ann", 1, 101, Err(Refusal::Repeated)),
            ("bob", 1, 102, Err(Refusal::Repeated)),
            ("ann", 2, 103, Ok(0.25)),
            ("ann", 3, 104, Ok(0.25)),
            ("ann", 4, 105, Err(Refusal::SourceExhausted)),
            ("bob", 5, 106, Ok(0.25)),
            ("bob", 6, 99, Ok(0.25)),
            ("cyd", 7, 108, Err(Refusal::Exhausted)),
            ("cyd", 7, 100 + 86_400, Ok(0.25)),
        ];
        for (number, (source, fingerprint, now_s, expected)) in steps.into_iter().enumerate() {
            // The first window opens at 100.
            if number == 0 {
                school.window_start_s = 100;
            }
            let admitted = school.admit(source, fingerprint, now_s);
            assert_eq!(admitted, expected, "step {number}");
            if let Ok(movement) = admitted {
                school.enter(source, fingerprint, movement);
            }
        }
    }

    #[test]
    fn movement_of_a_source_is_bounded() {
        let mut school = School::new(LearningLimits::default());
        let mut moved = 0.0;
        for fingerprint in 0..1000 {
            if let Ok(movement) = school.admit("mallory", fingerprint, 1) {
                school.enter("mallory", fingerprint, movement);
                moved += movement;
            }
        }
        assert!(moved <= LearningLimits::default().source_movement + 1e-9, "{moved}");
    }
}
