//! Whether a directory that answers is believed: a pure machine.
//!
//! In: lists of all addresses, single noes, trials with addresses that are known to exist; the
//! time. Out: whether the news is taken. A directory whose bind account lost its rights, whose
//! base was moved or whose replica is half loaded answers quickly and says that nobody exists;
//! to believe it would refuse everybody's mail for good.
//!
//! Rules: a list that is empty or lacks more than `shrink_percent` of the addresses of the
//! list in force is refused. A single no counts only when a trial has shown within
//! [`PROOF_MS`] that the directory still shows somebody, and where lists are fetched a no about
//! a listed address waits for the next list, which is fetched at once: a directory that shows
//! only a part of its people shows somebody, too. When single noes about listed
//! addresses come to more than `shrink_percent` of the list, none of them counts any more.
//! In doubt a no is no answer; a yes always is one. Doubt ends with a list that is taken, and
//! doubt that came from a trial also with a trial.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A trial is good for so long.
pub const PROOF_MS: u64 = 60_000;
/// So many single noes about listed addresses are a matter of course.
const LEAVERS: usize = 3;

/// Why a directory is not believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Doubt {
    /// It lists nobody.
    Empty,
    /// Its list lacks too many.
    Shrunk {
        /// How many addresses are missing.
        lost: usize,
        /// Of how many.
        known: usize,
    },
    /// It denied too many listed addresses one by one.
    Denied {
        /// How many.
        denied: usize,
        /// Of how many.
        known: usize,
    },
    /// It shows nobody of those that are known to exist.
    Blind,
}

impl fmt::Display for Doubt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::Empty => out.write_str("it lists nobody"),
            Doubt::Shrunk { lost, known } => {
                write!(out, "{lost} of {known} known addresses are missing from its list")
            }
            Doubt::Denied { denied, known } => {
                write!(out, "it denied {denied} of {known} listed addresses one by one")
            }
            Doubt::Blind => out.write_str("it shows nobody of those that are known to exist"),
        }
    }
}

/// What is done with a single no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnNo {
    /// It is believed.
    Believe,
    /// First a trial, then ask again.
    Prove,
    /// It is no answer; the next list will be one.
    AwaitList,
    /// It is no answer. With the doubt when it has just come up.
    Disbelieve(Option<Doubt>),
}

/// Whether lists of all addresses come by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lists {
    /// From time to time, and when they are wanted.
    Fetched,
    /// Only when the operator asks.
    Never,
}

/// What the operator says of the next list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Vouched {
    /// Nothing.
    #[default]
    No,
    /// It is right, unless it is empty.
    Once,
}

/// The memory of one directory.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Trust {
    listed: HashSet<String>,
    listed_ms: Option<u64>,
    #[serde(skip)]
    denied: HashSet<String>,
    #[serde(skip)]
    proved_ms: Option<u64>,
    doubt: Option<Doubt>,
    #[serde(skip)]
    vouched: Vouched,
}

impl Trust {
    /// Why it is not believed.
    pub fn doubt(&self) -> Option<&Doubt> {
        self.doubt.as_ref()
    }

    /// How many addresses the list in force has, and of when it is.
    pub fn listed(&self) -> (usize, Option<u64>) {
        (self.listed.len(), self.listed_ms)
    }

    /// Whether the operator says that the next list is right, whatever it lacks.
    pub fn vouch(&mut self, vouched: Vouched) {
        self.vouched = vouched;
    }

    /// A list of all addresses has come. Taken, unless it gives cause for doubt; gives those
    /// that were listed before and are no more.
    pub fn list(
        &mut self,
        list: HashSet<String>,
        shrink_percent: u8,
        now_ms: u64,
    ) -> Result<Vec<String>, Doubt> {
        let known = self.listed.len();
        let leavers: Vec<String> = self.listed.difference(&list).cloned().collect();
        let lost = leavers.len();
        let doubt = if list.is_empty() {
            Some(Doubt::Empty)
        } else if lost * 100 > usize::from(shrink_percent) * known && self.vouched == Vouched::No {
            Some(Doubt::Shrunk { lost, known })
        } else {
            None
        };
        if let Some(doubt) = doubt {
            self.denied.clear();
            self.doubt = Some(doubt.clone());
            return Err(doubt);
        }
        (self.listed, self.listed_ms) = (list, Some(now_ms));
        (self.doubt, self.vouched) = (None, Vouched::No);
        self.denied.clear();
        self.proved_ms = Some(now_ms);
        Ok(leavers)
    }

    /// The directory says that there is no such address.
    pub fn no(&mut self, key: &str, lists: Lists, shrink_percent: u8, now_ms: u64) -> OnNo {
        let is_proved = self.proved_ms.is_some_and(|at| now_ms.saturating_sub(at) < PROOF_MS);
        match &self.doubt {
            Some(Doubt::Blind) if !is_proved => return OnNo::Prove,
            Some(_) => return OnNo::Disbelieve(None),
            None if !is_proved => return OnNo::Prove,
            None => {}
        }
        let known = self.listed.len();
        if self.listed.contains(key) && self.denied.insert(key.to_owned()) {
            let denied = self.denied.len();
            if denied > LEAVERS && denied * 100 > usize::from(shrink_percent) * known {
                let doubt = Doubt::Denied { denied, known };
                self.denied.clear();
                self.doubt = Some(doubt.clone());
                return OnNo::Disbelieve(Some(doubt));
            }
        }
        match lists {
            Lists::Fetched if self.listed.contains(key) => OnNo::AwaitList,
            _ => OnNo::Believe,
        }
    }

    /// The directory says that there is such an address.
    pub fn yes(&mut self, key: &str) {
        self.denied.remove(key);
    }

    /// A trial has shown somebody. True when that ends a doubt.
    pub fn proved(&mut self, now_ms: u64) -> bool {
        self.proved_ms = Some(now_ms);
        let ends = self.doubt == Some(Doubt::Blind);
        if ends {
            self.doubt = None;
        }
        ends
    }

    /// A trial has shown nobody. The doubt, when it has just come up.
    pub fn blind(&mut self) -> Option<Doubt> {
        self.proved_ms = None;
        if self.doubt.is_some() {
            return None;
        }
        self.denied.clear();
        self.doubt = Some(Doubt::Blind);
        self.doubt.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(range: std::ops::Range<u32>) -> HashSet<String> {
        range.map(|number| format!("u{number}@x.test")).collect()
    }

    #[test]
    fn lists_that_lack_too_many_are_refused() {
        let table = [
            (0..100, 0..100, Ok(0)),
            (0..100, 0..75, Ok(25)),
            (0..100, 0..74, Err(Doubt::Shrunk { lost: 26, known: 100 })),
            (0..100, 0..0, Err(Doubt::Empty)),
            // As many, but others.
            (0..100, 100..200, Err(Doubt::Shrunk { lost: 100, known: 100 })),
            (0..4, 1..4, Ok(1)),
            (0..3, 1..3, Err(Doubt::Shrunk { lost: 1, known: 3 })),
            (0..1, 0..1, Ok(0)),
        ];
        for (before, now, expected) in table {
            let mut trust = Trust::default();
            trust.list(list(before.clone()), 25, 0).unwrap();
            let kept = before.len();
            let told = trust.list(list(now.clone()), 25, 1).map(|leavers| leavers.len());
            assert_eq!(told, expected, "{before:?} {now:?}");
            let in_force = if told.is_ok() { (now.len(), Some(1)) } else { (kept, Some(0)) };
            assert_eq!(trust.listed(), in_force);
            assert_eq!(trust.doubt().is_some(), told.is_err());
        }
        let mut trust = Trust::default();
        assert_eq!(trust.list(HashSet::new(), 25, 0), Err(Doubt::Empty));
    }

    #[test]
    fn the_operator_can_vouch_for_a_list_but_not_for_an_empty_one() {
        let mut trust = Trust::default();
        trust.list(list(0..100), 25, 0).unwrap();
        assert!(trust.list(list(0..10), 25, 1).is_err());
        assert_eq!(trust.no("u5@x.test", Lists::Never, 25, 2), OnNo::Disbelieve(None));
        trust.vouch(Vouched::Once);
        assert_eq!(trust.list(HashSet::new(), 25, 3), Err(Doubt::Empty));
        trust.list(list(0..10), 25, 4).unwrap();
        assert_eq!(trust.listed(), (10, Some(4)));
        // Only once.
        assert!(trust.list(list(0..1), 25, 5).is_err());
    }

    #[test]
    fn a_no_about_a_listed_address_waits_for_the_next_list() {
        let mut trust = Trust::default();
        trust.list(list(0..100), 25, 0).unwrap();
        assert_eq!(trust.no("u1@x.test", Lists::Fetched, 25, 1), OnNo::AwaitList);
        assert_eq!(trust.no("stranger@x.test", Lists::Fetched, 25, 1), OnNo::Believe);
        assert_eq!(trust.no("u1@x.test", Lists::Never, 25, 1), OnNo::Believe);
        trust.list(list(2..100), 25, 2).unwrap();
        assert_eq!(trust.no("u1@x.test", Lists::Fetched, 25, 3), OnNo::Believe);
    }

    #[test]
    fn a_no_needs_a_trial() {
        let mut trust = Trust::default();
        assert_eq!(trust.no("a@x.test", Lists::Never, 25, 0), OnNo::Prove);
        assert!(!trust.proved(10));
        assert_eq!(trust.no("a@x.test", Lists::Never, 25, 10), OnNo::Believe);
        assert_eq!(trust.no("a@x.test", Lists::Never, 25, 10 + PROOF_MS), OnNo::Prove);
        assert_eq!(trust.blind(), Some(Doubt::Blind));
        assert_eq!(trust.blind(), None);
        assert_eq!(trust.no("a@x.test", Lists::Never, 25, 11 + PROOF_MS), OnNo::Prove);
        assert!(trust.proved(12 + PROOF_MS));
        assert_eq!(trust.no("a@x.test", Lists::Never, 25, 13 + PROOF_MS), OnNo::Believe);
    }

    #[test]
    fn many_single_noes_about_listed_addresses_are_not_believed() {
        let mut trust = Trust::default();
        trust.list(list(0..100), 10, 0).unwrap();
        for number in 0..10 {
            assert_eq!(trust.no(&format!("u{number}@x.test"), Lists::Never, 10, 1), OnNo::Believe);
            // Asked again, it counts once; strangers do not count.
            assert_eq!(trust.no(&format!("u{number}@x.test"), Lists::Never, 10, 1), OnNo::Believe);
            assert_eq!(
                trust.no(&format!("stranger{number}@x.test"), Lists::Never, 10, 1),
                OnNo::Believe
            );
        }
        let doubt = Doubt::Denied { denied: 11, known: 100 };
        assert_eq!(trust.no("u10@x.test", Lists::Never, 10, 1), OnNo::Disbelieve(Some(doubt)));
        assert_eq!(trust.no("stranger@x.test", Lists::Never, 10, 1), OnNo::Disbelieve(None));
        // A trial does not end this doubt, a list does.
        assert!(!trust.proved(2));
        assert_eq!(trust.no("stranger@x.test", Lists::Never, 10, 2), OnNo::Disbelieve(None));
        trust.list(list(0..95), 10, 3).unwrap();
        assert_eq!(trust.no("stranger@x.test", Lists::Never, 10, 4), OnNo::Believe);
    }
}
