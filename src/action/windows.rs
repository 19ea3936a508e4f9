//! How much of a kind came in the last while: exact sliding windows.
//!
//! In: keys, each with how many may come in how many seconds, and the time. Out: which of them
//! still may. A window is exact: the time of everything that counts is kept until it is out of
//! the window. Bounded: keys and times in all; when there are more, those that were used least
//! recently are forgotten, which lets mail through and never stops any.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Keys at most.
const KEYS: usize = 100_000;
/// Times at most, over all keys: 16 MB.
const TIMES: usize = 2_000_000;

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The limit.
    pub limit: String,
    /// Of whom.
    pub counted: String,
}

/// One more of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Of which.
    pub key: Key,
    /// So many may come …
    pub count: u32,
    /// … in so many seconds.
    pub per_s: u32,
}

/// What is done when some of what is wanted together may not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Together {
    /// Nothing of it is counted: none of it comes.
    AllOrNone,
    /// The others are counted.
    Each,
}

#[derive(Debug, Default)]
struct Window {
    times_ms: VecDeque<u64>,
    span_ms: u64,
    used_ms: u64,
}

#[derive(Debug, Default)]
struct State {
    windows: HashMap<Key, Window>,
    times: usize,
}

/// All windows of the box; outlives a reload of the configuration.
#[derive(Debug)]
pub struct Windows {
    state: Mutex<State>,
    keys_max: usize,
    times_max: usize,
}

impl Default for Windows {
    fn default() -> Windows {
        Windows::bounded(KEYS, TIMES)
    }
}

impl Windows {
    fn bounded(keys_max: usize, times_max: usize) -> Windows {
        Windows { state: Mutex::default(), keys_max, times_max }
    }

    /// Counts what may come at `now_ms`, and says of each in order whether it may.
    pub fn take(&self, wanted: &[Wanted], together: Together, now_ms: u64) -> Vec<bool> {
        let mut state = self.state();
        let may: Vec<bool> = wanted.iter().map(|one| state.has_room(one, now_ms)).collect();
        if together == Together::AllOrNone && may.contains(&false) {
            return may;
        }
        for (one, _) in wanted.iter().zip(&may).filter(|(_, may)| **may) {
            state.count(one, now_ms);
        }
        if state.windows.len() > self.keys_max || state.times > self.times_max {
            state.forget(self.keys_max, self.times_max, now_ms);
        }
        may
    }

    /// Takes back what was counted at `now_ms`: it did not come after all.
    pub fn give_back(&self, keys: &[Key], now_ms: u64) {
        let mut state = self.state();
        for key in keys {
            let Some(window) = state.windows.get_mut(key) else { continue };
            let Some(at) = window.times_ms.iter().rposition(|time| *time == now_ms) else {
                continue;
            };
            window.times_ms.remove(at);
            state.times = state.times.saturating_sub(1);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics half-way through a change of the state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_room(&mut self, wanted: &Wanted, now_ms: u64) -> bool {
        let span_ms = u64::from(wanted.per_s).saturating_mul(1_000);
        let Some(window) = self.windows.get_mut(&wanted.key) else { return wanted.count > 0 };
        // The longest span that the key was asked with, in case a reload changes it.
        window.span_ms = window.span_ms.max(span_ms);
        window.used_ms = window.used_ms.max(now_ms);
        let gone = window.drop_before(now_ms);
        let counted = window.times_ms.iter().rev();
        let counted = counted.take_while(|time| time.saturating_add(span_ms) > now_ms).count();
        self.times = self.times.saturating_sub(gone);
        (counted as u64) < u64::from(wanted.count)
    }

    fn count(&mut self, wanted: &Wanted, now_ms: u64) {
        let window = self.windows.entry(wanted.key.clone()).or_default();
        window.span_ms = window.span_ms.max(u64::from(wanted.per_s).saturating_mul(1_000));
        // The clock may be set back; the order of times stays.
        let at_ms = window.times_ms.back().map_or(now_ms, |last| now_ms.max(*last));
        window.used_ms = at_ms;
        window.times_ms.push_back(at_ms);
        self.times += 1;
    }

    /// Makes room for a while: what is out of its window, then what was used least recently.
    fn forget(&mut self, keys_max: usize, times_max: usize, now_ms: u64) {
        self.windows.retain(|_, window| {
            window.drop_before(now_ms);
            !window.times_ms.is_empty()
        });
        self.times = self.windows.values().map(|window| window.times_ms.len()).sum();
        let (keys_aim, times_aim) = (keys_max - keys_max / 8, times_max - times_max / 8);
        if self.windows.len() <= keys_aim && self.times <= times_aim {
            return;
        }
        let mut by_use: Vec<(u64, Key)> =
            self.windows.iter().map(|(key, window)| (window.used_ms, key.clone())).collect();
        by_use.sort_unstable();
        for (_, key) in by_use {
            if self.windows.len() <= keys_aim && self.times <= times_aim {
                return;
            }
            let gone = self.windows.remove(&key).map_or(0, |window| window.times_ms.len());
            self.times = self.times.saturating_sub(gone);
        }
    }
}

impl Window {
    /// Forgets what is out of the window; says how much.
    fn drop_before(&mut self, now_ms: u64) -> usize {
        let over = |time: &u64| time.saturating_add(self.span_ms) <= now_ms;
        let gone = self.times_ms.iter().take_while(|time| over(time)).count();
        self.times_ms.drain(..gone);
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(counted: &str, count: u32, per_s: u32) -> Wanted {
        let key = Key { limit: "l".into(), counted: counted.into() };
        Wanted { key, count, per_s }
    }

    #[test]
    fn a_window_slides_exactly() {
        let windows = Windows::default();
        let three = [wanted("a", 3, 10)];
        let mut passed = Vec::new();
        for now_ms in (0..40_000).step_by(500) {
            if windows.take(&three, Together::Each, now_ms) == [true] {
                passed.push(now_ms);
            }
        }
        // Never more than three in any ten seconds, and the next as soon as one is out.
        assert_eq!(
            passed,
            [0, 500, 1_000, 10_000, 10_500, 11_000, 20_000, 20_500, 21_000, 30_000, 30_500, 31_000]
        );
        assert_eq!(windows.take(&[wanted("b", 0, 10)], Together::Each, 0), [false]);
        assert_eq!(windows.take(&[wanted("b", 1, 10)], Together::Each, 0), [true]);
    }

    #[test]
    fn together_is_all_or_each_and_what_did_not_come_is_given_back() {
        let windows = Windows::default();
        let both = [wanted("a", 1, 10), wanted("b", 2, 10)];
        assert_eq!(windows.take(&both, Together::AllOrNone, 0), [true, true]);
        assert_eq!(windows.take(&both, Together::AllOrNone, 1), [false, true]);
        assert_eq!(windows.take(&both, Together::Each, 2), [false, true]);
        assert_eq!(windows.take(&both, Together::Each, 3), [false, false]);
        windows.give_back(&[both[1].key.clone()], 2);
        assert_eq!(windows.take(&both, Together::Each, 4), [false, true]);
    }

    #[test]
    fn a_flood_of_keys_is_bounded_and_the_recent_ones_stay() {
        let windows = Windows::bounded(80, 1_000);
        for now_ms in 0..10_000 {
            let key = wanted(&format!("k{now_ms}"), 1, 1_000_000);
            assert_eq!(windows.take(&[key], Together::Each, now_ms), [true]);
            let _ = windows.take(&[wanted("hot", 5, 1_000_000)], Together::Each, now_ms);
            assert!(windows.state().windows.len() <= 82);
        }
        let hot = wanted("hot", 5, 1_000_000);
        assert_eq!(windows.take(&[hot], Together::Each, 10_000), [false]);
        let windows = Windows::bounded(80, 100);
        for now_ms in 0..5_000 {
            let key = wanted(&format!("k{}", now_ms % 3), 1_000, 1_000_000);
            let _ = windows.take(&[key], Together::Each, now_ms);
            assert!(windows.state().times <= 101);
        }
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_open_a_window() {
        let windows = Windows::default();
        let one = [wanted("a", 1, 10)];
        assert_eq!(windows.take(&one, Together::Each, 50_000), [true]);
        assert_eq!(windows.take(&one, Together::Each, 20_000), [false]);
        assert_eq!(windows.take(&one, Together::Each, 60_000), [true]);
    }
}
