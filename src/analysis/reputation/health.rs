//! Whether a list can be believed: what its test points say, sans-IO.
//!
//! In: what a check brought, and the time. Out: whether the list is used, when it is to be
//! checked again, and what has changed. A list that answers everything (its domain was sold,
//! or it was closed that way), that answers nothing, or that refuses this box is out of use
//! until a check finds it well.
//!
//! Standard: RFC 5782 section 5 (test points).

use std::fmt;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// After a check that brought nothing.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// What is wrong with a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It lists what it must not.
    AnswersEverything,
    /// It does not list what it must.
    AnswersNothing,
    /// It says that this box may not ask.
    Refuses(Ipv4Addr),
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::AnswersEverything => out.write_str("it lists what it must not list"),
            Fault::AnswersNothing => out.write_str("it does not list its own test point"),
            Fault::Refuses(code) => write!(out, "it refuses to answer this box (code {code})"),
        }
    }
}

/// What a check brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// All points are as they must be.
    Well,
    /// The list cannot be believed.
    Ill(Fault),
    /// No answer, so nothing is known.
    Nothing(String),
}

/// What is known of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opinion {
    /// Nothing yet.
    Unknown,
    /// It is used.
    Well,
    /// It is out of use.
    Ill(Fault),
}

/// Of one list.
#[derive(Debug, Clone)]
pub struct Health {
    opinion: Opinion,
    next_check: Option<Instant>,
    every: Duration,
}

impl Health {
    /// Not checked yet, and due.
    pub fn new(every: Duration) -> Health {
        Health { opinion: Opinion::Unknown, next_check: None, every }
    }

    /// What is known.
    pub fn opinion(&self) -> Opinion {
        self.opinion
    }

    /// Whether no check was ever begun.
    pub fn is_new(&self) -> bool {
        self.opinion == Opinion::Unknown && self.next_check.is_none()
    }

    /// Whether a check is due.
    pub fn is_due(&self, now: Instant) -> bool {
        self.next_check.is_none_or(|next| now >= next)
    }

    /// A check begins now: it is due to nobody else.
    pub fn begin(&mut self, now: Instant) {
        self.next_check = Some(now + AGAIN_AFTER);
    }

    /// What a check brought; the new opinion when it has changed.
    pub fn record(&mut self, checked: &Checked, now: Instant) -> Option<Opinion> {
        let (opinion, next) = match checked {
            Checked::Well => (Opinion::Well, self.every),
            Checked::Ill(fault) => (Opinion::Ill(*fault), self.every),
            // Silence is the breaker's business: the last opinion stands.
            Checked::Nothing(_) => (self.opinion, AGAIN_AFTER.min(self.every)),
        };
        self.next_check = Some(now + next);
        let changed = opinion != self.opinion;
        self.opinion = opinion;
        changed.then_some(opinion)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opinions_follow_checks() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let mut health = Health::new(Duration::from_secs(300));
        assert!(health.is_new() && health.is_due(start));
        health.begin(start);
        assert!(!health.is_new() && !health.is_due(at(29)) && health.is_due(at(30)));
        let ill = |fault| Opinion::Ill(fault);
        let table = [
            (1, Checked::Nothing("time-out".into()), None, Opinion::Unknown, 31),
            (40, Checked::Well, Some(Opinion::Well), Opinion::Well, 340),
            (340, Checked::Well, None, Opinion::Well, 640),
            (640, Checked::Nothing("time-out".into()), None, Opinion::Well, 670),
            (
                670,
                Checked::Ill(Fault::AnswersEverything),
                Some(ill(Fault::AnswersEverything)),
                ill(Fault::AnswersEverything),
                970,
            ),
            (970, Checked::Nothing("time-out".into()), None, ill(Fault::AnswersEverything), 1_000),
            (
                1_000,
                Checked::Ill(Fault::AnswersNothing),
                Some(ill(Fault::AnswersNothing)),
                ill(Fault::AnswersNothing),
                1_300,
            ),
            (1_300, Checked::Well, Some(Opinion::Well), Opinion::Well, 1_600),
        ];
        for (second, checked, change, opinion, next) in table {
            assert_eq!(health.record(&checked, at(second)), change, "{second}");
            assert_eq!(health.opinion(), opinion, "{second}");
            assert!(!health.is_due(at(next - 1)) && health.is_due(at(next)), "{second}");
        }
    }
}
