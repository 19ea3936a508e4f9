//! Who may teach the classifier how much: bounds against poisoning.
//!
//! In: a lesson's source, its fingerprint and the time. Out: how far it may move the model.
//! In one window (a day) a source may move any message's margin in the linear members by its
//! allowance's movement at most, and all sources but the operator together by
//! [`LearningLimits::total`]; right margins are about ±1. The counts, which the sharp and the
//! Bayesian member read, rise by the allowance's lessons at most. So one source alone can pull
//! mail like its lessons into doubt, and not far over. The same message counts once a window,
//! unless it is taught as the other kind, which corrects the first lesson. Time is an argument.
//! Memory is bounded by the number of lessons a window. A restart opens a new window.

use std::collections::HashMap;

use super::model::Label;

/// How much in one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowance {
    /// Messages.
    pub lessons: u32,
    /// How far margins may be moved, all lessons together.
    pub movement: f64,
}

/// Who a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Standing {
    /// Who runs the box.
    Operator,
    /// One of the organisation's people.
    User,
    /// The box itself, by what it was sure of.
    Automatic,
}

impl Standing {
    /// Every standing, in the order of their numbers.
    pub const ALL: [Standing; 3] = [Standing::Operator, Standing::User, Standing::Automatic];
}

/// Who gives a lesson.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source<'a> {
    /// A user's name; for automatic lessons the network or the account that the mail is from.
    pub name: &'a str,
    /// Which allowance holds.
    pub standing: Standing,
}

/// Bounds of online learning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LearningLimits {
    /// Length of a window in seconds.
    pub window_s: u64,
    /// Of one operator.
    pub operator: Allowance,
    /// Of one user.
    pub user: Allowance,
    /// Of mail from one network, or of one account.
    pub automatic: Allowance,
    /// Of all automatic lessons together.
    pub automatic_total: Allowance,
    /// Of all sources together but the operators.
    pub total: Allowance,
    /// How far one lesson may move margins.
    pub lesson_movement: f64,
}

impl Default for LearningLimits {
    fn default() -> LearningLimits {
        LearningLimits {
            window_s: 86_400,
            operator: Allowance { lessons: 2_000, movement: 100.0 },
            user: Allowance { lessons: 20, movement: 1.0 },
            automatic: Allowance { lessons: 5, movement: 0.25 },
            automatic_total: Allowance { lessons: 200, movement: 5.0 },
            total: Allowance { lessons: 400, movement: 20.0 },
            lesson_movement: 0.25,
        }
    }
}

impl LearningLimits {
    fn of(&self, standing: Standing) -> Allowance {
        match standing {
            Standing::Operator => self.operator,
            Standing::User => self.user,
            Standing::Automatic => self.automatic,
        }
    }
}

/// Why a lesson was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The classifier was already sure of it.
    #[error("the classifier is sure of it already")]
    Known,
    /// The same message was taught in this window.
    #[error("this message was taught already today")]
    Repeated,
    /// Its source has taught all that it may in this window.
    #[error("this source has taught as much as it may in one day")]
    SourceExhausted,
    /// All sources together have taught all that they may in this window.
    #[error("as much has been taught today as may be in one day")]
    Exhausted,
}

/// A lesson that may be given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Admission {
    /// How far it may move margins.
    pub(super) movement: f64,
    /// The message was taught as the other kind before.
    pub(super) is_correction: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Spent {
    lessons: u32,
    movement: f64,
}

impl Spent {
    fn left(self, of: Allowance) -> Option<f64> {
        let left = of.movement - self.movement;
        (self.lessons < of.lessons && left > 1e-9).then_some(left)
    }

    fn add(&mut self, movement: f64) {
        self.lessons = self.lessons.saturating_add(1);
        self.movement += movement;
    }
}

/// The register of lessons.
#[derive(Debug)]
pub(super) struct School {
    limits: LearningLimits,
    window_start_s: u64,
    total: Spent,
    automatic: Spent,
    sources: HashMap<(Standing, String), Spent>,
    seen: HashMap<u64, Label>,
}

impl School {
    pub(super) fn new(limits: LearningLimits) -> School {
        School {
            limits,
            window_start_s: 0,
            total: Spent::default(),
            automatic: Spent::default(),
            sources: HashMap::new(),
            seen: HashMap::new(),
        }
    }

    pub(super) fn set_limits(&mut self, limits: LearningLimits) {
        self.limits = limits;
    }

    /// How far the next lesson may move margins.
    pub(super) fn admit(
        &mut self,
        source: Source<'_>,
        fingerprint: u64,
        label: Label,
        now_s: u64,
    ) -> Result<Admission, Refusal> {
        // A clock set back does not open a new window.
        if now_s >= self.window_start_s.saturating_add(self.limits.window_s) {
            let limits = self.limits;
            *self = School { window_start_s: now_s, ..School::new(limits) };
        }
        let before = self.seen.get(&fingerprint).copied();
        if before == Some(label) {
            return Err(Refusal::Repeated);
        }
        let limits = &self.limits;
        let spent = self.sources.get(&key(source)).copied().unwrap_or_default();
        let own = spent.left(limits.of(source.standing)).ok_or(Refusal::SourceExhausted)?;
        let together = match source.standing {
            Standing::Operator => Some(f64::INFINITY),
            Standing::User => self.total.left(limits.total),
            Standing::Automatic => {
                let of_all = self.total.left(limits.total);
                let of_own = self.automatic.left(limits.automatic_total);
                of_all.zip(of_own).map(|(all, own)| all.min(own))
            }
        };
        let movement = together.ok_or(Refusal::Exhausted)?.min(own).min(limits.lesson_movement);
        Ok(Admission { movement, is_correction: before.is_some() })
    }

    /// A lesson was taken and moved margins so far.
    pub(super) fn enter(
        &mut self,
        source: Source<'_>,
        fingerprint: u64,
        label: Label,
        movement: f64,
    ) {
        self.seen.insert(fingerprint, label);
        self.sources.entry(key(source)).or_default().add(movement);
        if source.standing != Standing::Operator {
            self.total.add(movement);
        }
        if source.standing == Standing::Automatic {
            self.automatic.add(movement);
        }
    }
}

fn key(source: Source<'_>) -> (Standing, String) {
    (source.standing, super::tokens::head(source.name, 320).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Label::{Ham, Spam};
    use Standing::{Automatic, Operator, User};

    fn source(standing: Standing, name: &str) -> Source<'_> {
        Source { name, standing }
    }

    fn step(movement: f64) -> Result<Admission, Refusal> {
        Ok(Admission { movement, is_correction: false })
    }

    #[test]
    fn windows_sources_repetitions_and_corrections() {
        let limits = LearningLimits {
            user: Allowance { lessons: 3, movement: 1.0 },
            total: Allowance { lessons: 5, movement: 20.0 },
            ..Default::default()
        };
        let mut school = School::new(limits);
        // The first window opens at 100.
        school.window_start_s = 100;
        let corrected = Ok(Admission { movement: 0.25, is_correction: true });
        let steps = [
            (User, "ann", 1, Spam, 100, step(0.25)),
            (User, "ann", 1, Spam, 101, Err(Refusal::Repeated)),
            (User, "bob", 1, Spam, 102, Err(Refusal::Repeated)),
            (User, "ann", 2, Spam, 103, step(0.25)),
            (User, "ann", 2, Ham, 104, corrected),
            (User, "ann", 4, Spam, 105, Err(Refusal::SourceExhausted)),
            (Automatic, "ann", 4, Spam, 105, step(0.25)),
            (User, "bob", 6, Spam, 106, step(0.25)),
            (User, "cat", 7, Spam, 107, Err(Refusal::Exhausted)),
            (Operator, "op", 7, Spam, 107, step(0.25)),
            (User, "cat", 8, Spam, 50, Err(Refusal::Exhausted)),
            (User, "cat", 8, Spam, 100 + 86_400, step(0.25)),
        ];
        for (number, (standing, name, print, label, now_s, expected)) in
            steps.into_iter().enumerate()
        {
            let from = source(standing, name);
            let admitted = school.admit(from, print, label, now_s);
            assert_eq!(admitted, expected, "step {number}");
            if let Ok(admission) = admitted {
                school.enter(from, print, label, admission.movement);
            }
        }
    }

    #[test]
    fn movement_is_bounded_by_source_and_together() {
        let limits = LearningLimits::default();
        let table = [
            (User, 1, limits.user.movement),
            (Automatic, 1, limits.automatic.movement),
            (Automatic, 1_000, limits.automatic_total.movement),
            (User, 1_000, limits.total.movement),
        ];
        for (standing, names, most) in table {
            let mut school = School::new(limits);
            let mut moved = 0.0;
            for print in 0..4_000u64 {
                let name = format!("source {}", print % names);
                let from = source(standing, &name);
                if let Ok(admission) = school.admit(from, print, Spam, 1) {
                    school.enter(from, print, Spam, admission.movement);
                    moved += admission.movement;
                }
            }
            assert!(moved <= most + 1e-9, "{standing:?} {names}: {moved}");
        }
    }
}
