//! Leaves a peer alone that does not answer (a list in DNS, a directory server): a circuit
//! breaker, sans-IO.
//!
//! In: outcomes and the time. Out: whether the peer may be asked. After some failures in a
//! row the breaker opens; nobody waits for the peer from then on. When its pause is over, one
//! trial is due: a trial that fails doubles the pause, one that succeeds closes the breaker.
//!
//! Invariant: at most one trial is under way; one that is never heard of again is lost after
//! [`TRIAL_LOST_AFTER`].

use std::time::{Duration, Instant};

/// A trial takes a few seconds at most; one that was cut off must not bar the next.
pub const TRIAL_LOST_AFTER: Duration = Duration::from_secs(60);

/// How patient a breaker is.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Failures in a row that open it.
    pub failures: u32,
    /// The first pause.
    pub pause_first: Duration,
    /// The longest pause.
    pub pause_max: Duration,
}

/// What may be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Ask.
    Ask,
    /// Do not ask, but one trial is to be made now, and its outcome told.
    Try,
    /// Do not ask.
    LeaveAlone,
}

/// What an outcome has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The peer is left alone for so long.
    Opened(Duration),
    /// The peer is asked again.
    Closed,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, pause: Duration },
    Trying { since: Instant, pause: Duration },
}

/// Of one peer.
#[derive(Debug, Clone)]
pub struct Breaker {
    patience: Patience,
    state: State,
}

impl Breaker {
    /// Closed: the peer is asked.
    pub fn new(patience: Patience) -> Breaker {
        Breaker { patience, state: State::Closed { failures: 0 } }
    }

    /// Whether the peer is asked.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// What may be done; [`Admission::Try`] is said to one caller only.
    pub fn admit(&mut self, now: Instant) -> Admission {
        let pause = match self.state {
            State::Closed { .. } => return Admission::Ask,
            State::Open { until, pause } if now >= until => pause,
            State::Trying { since, pause } if now >= since + TRIAL_LOST_AFTER => pause,
            State::Open { .. } | State::Trying { .. } => return Admission::LeaveAlone,
        };
        self.state = State::Trying { since: now, pause };
        Admission::Try
    }

    /// The peer answered, whatever it said.
    pub fn success(&mut self) -> Option<Change> {
        match self.state {
            State::Closed { .. } => {
                self.state = State::Closed { failures: 0 };
                None
            }
            // An answer to a question that was asked before it opened.
            State::Open { .. } => None,
            State::Trying { .. } => {
                self.state = State::Closed { failures: 0 };
                Some(Change::Closed)
            }
        }
    }

    /// No answer in time, or none that can be used.
    pub fn failure(&mut self, now: Instant) -> Option<Change> {
        let pause = match self.state {
            State::Closed { failures } if failures + 1 < self.patience.failures => {
                self.state = State::Closed { failures: failures + 1 };
                return None;
            }
            State::Closed { .. } => self.patience.pause_first,
            State::Open { .. } => return None,
            State::Trying { pause, .. } => pause.saturating_mul(2).min(self.patience.pause_max),
        };
        self.state = State::Open { until: now + pause, pause };
        Some(Change::Opened(pause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        failures: 3,
        pause_first: Duration::from_secs(30),
        pause_max: Duration::from_secs(100),
    };

    /// `at second, act, what comes of it`; acts: `?` admit, `+` success, `-` failure.
    fn play(script: &[(u64, char, &str)]) {
        let start = Instant::now();
        let mut breaker = Breaker::new(PATIENCE);
        for (line, (second, act, expected)) in script.iter().enumerate() {
            let now = start + Duration::from_secs(*second);
            let said = match act {
                '?' => format!("{:?}", breaker.admit(now)),
                '+' => format!("{:?}", breaker.success()),
                _ => format!("{:?}", breaker.failure(now)),
            };
            assert_eq!(&said, expected, "line {line}");
        }
    }

    #[test]
    fn failures_in_a_row_open_it() {
        play(&[(0, '?', "Ask"), (0, '-', "None"), (1, '-', "None"), (1, '?', "Ask")]);
        play(&[
            (0, '-', "None"),
            (0, '-', "None"),
            (0, '+', "None"),
            (0, '-', "None"),
            (0, '-', "None"),
            (0, '?', "Ask"),
            (0, '-', "Some(Opened(30s))"),
            (1, '?', "LeaveAlone"),
            // Late news of questions that were under way.
            (2, '-', "None"),
            (2, '+', "None"),
            (29, '?', "LeaveAlone"),
        ]);
    }

    #[test]
    fn pauses_grow_and_one_trial_is_made_at_a_time() {
        play(&[
            (0, '-', "None"),
            (0, '-', "None"),
            (0, '-', "Some(Opened(30s))"),
            (30, '?', "Try"),
            (30, '?', "LeaveAlone"),
            (31, '-', "Some(Opened(60s))"),
            (90, '?', "LeaveAlone"),
            (91, '?', "Try"),
            (92, '-', "Some(Opened(100s))"),
            (192, '?', "Try"),
            (193, '-', "Some(Opened(100s))"),
            (293, '?', "Try"),
            // Nothing more is heard of that trial.
            (352, '?', "LeaveAlone"),
            (353, '?', "Try"),
            (354, '+', "Some(Closed)"),
            (354, '?', "Ask"),
            (354, '-', "None"),
        ]);
    }
}
