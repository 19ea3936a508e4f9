//! Answers that are kept: a pure machine.
//!
//! In: keys, answers, the time in milliseconds since 1970. Out: [`Look`], which says whether an
//! answer may be used at once, only while nobody can be asked, or not at all. A no is used for
//! as long as it is fresh and never beyond: refusing mail for good on old news would lose it.
//!
//! Invariants: a clock that was set back makes answers young, never usable for ever beyond the
//! next set; at most `most` answers of each kind are kept, the oldest go first, and strangers
//! who guess addresses cannot push out those that exist.

use std::collections::HashMap;

/// How long answers are used, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lives {
    /// A yes, without asking again.
    pub fresh_ms: u64,
    /// A no.
    pub negative_ms: u64,
    /// A yes, while nobody can be asked.
    pub stale_ms: u64,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look<T> {
    /// Use it.
    Fresh(T),
    /// Ask; use it when nobody answers.
    Stale(T),
    /// It does not exist: use that.
    Absent,
    /// Ask.
    Nothing,
}

#[derive(Debug, Clone)]
struct Kept<T> {
    value: T,
    at_ms: u64,
}

/// Answers by key.
#[derive(Debug, Clone)]
pub struct Cache<T> {
    lives: Lives,
    most: usize,
    present: HashMap<String, Kept<T>>,
    absent: HashMap<String, Kept<()>>,
}

impl<T: Clone> Cache<T> {
    /// An empty one.
    pub fn new(lives: Lives, most: usize) -> Cache<T> {
        Cache { lives, most: most.max(8), present: HashMap::new(), absent: HashMap::new() }
    }

    /// Other terms for what is kept.
    pub fn set_terms(&mut self, lives: Lives, most: usize) {
        self.lives = lives;
        self.most = most.max(8);
    }

    /// What is known of a key.
    pub fn look(&self, key: &str, now_ms: u64) -> Look<T> {
        let age = |at_ms: u64| now_ms.saturating_sub(at_ms);
        if let Some(kept) = self.absent.get(key)
            && age(kept.at_ms) < self.lives.negative_ms
        {
            return Look::Absent;
        }
        match self.present.get(key) {
            Some(kept) if age(kept.at_ms) < self.lives.fresh_ms => Look::Fresh(kept.value.clone()),
            Some(kept) if age(kept.at_ms) < self.lives.stale_ms => Look::Stale(kept.value.clone()),
            _ => Look::Nothing,
        }
    }

    /// It exists.
    pub fn present(&mut self, key: &str, value: T, now_ms: u64) {
        self.absent.remove(key);
        if !self.present.contains_key(key) {
            make_room(&mut self.present, self.most);
        }
        self.present.insert(key.to_owned(), Kept { value, at_ms: now_ms });
    }

    /// It does not exist; what was known before goes.
    pub fn absent(&mut self, key: &str, now_ms: u64) {
        self.present.remove(key);
        if !self.absent.contains_key(key) {
            make_room(&mut self.absent, self.most);
        }
        self.absent.insert(key.to_owned(), Kept { value: (), at_ms: now_ms });
    }

    /// Nobody's word counts against these any more.
    pub fn forget_absent(&mut self) {
        self.absent.clear();
    }

    /// How many exist and how many do not.
    pub fn counts(&self) -> (usize, usize) {
        (self.present.len(), self.absent.len())
    }

    /// Some of those that exist and may still be used, for a trial.
    pub fn some(&self, count: usize, now_ms: u64) -> Vec<String> {
        let stale_ms = self.lives.stale_ms;
        let usable = |kept: &Kept<T>| now_ms.saturating_sub(kept.at_ms) < stale_ms;
        let some = self.present.iter().filter(|(_, kept)| usable(kept));
        some.map(|(key, _)| key.clone()).take(count).collect()
    }

    /// Nothing is known of a key any more.
    pub fn forget(&mut self, key: &str) {
        self.present.remove(key);
        self.absent.remove(key);
    }

    /// Everything that exists, with its time, for keeping.
    pub fn all(&self) -> impl Iterator<Item = (&String, &T, u64)> {
        self.present.iter().map(|(key, kept)| (key, &kept.value, kept.at_ms))
    }
}

/// Lets the oldest eighth go when there is no room.
fn make_room<V>(kept: &mut HashMap<String, Kept<V>>, most: usize) {
    if kept.len() < most {
        return;
    }
    let mut times: Vec<u64> = kept.values().map(|one| one.at_ms).collect();
    let eighth = times.len() / 8;
    let (_, limit, _) = times.select_nth_unstable(eighth);
    let limit = *limit;
    let mut left = eighth + 1;
    kept.retain(|_, one| {
        let goes = one.at_ms <= limit && left > 0;
        left -= usize::from(goes);
        !goes
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVES: Lives = Lives { fresh_ms: 300, negative_ms: 60, stale_ms: 10_000 };

    /// `at, act`: `+` it exists, `-` it does not, `?` look; what looking gives.
    fn play(script: &[(u64, char, &str)]) {
        let mut cache: Cache<u8> = Cache::new(LIVES, 100);
        for (line, (at, act, expected)) in script.iter().enumerate() {
            match act {
                '+' => cache.present("a", 7, *at),
                '-' => cache.absent("a", *at),
                _ => assert_eq!(&format!("{:?}", cache.look("a", *at)), expected, "line {line}"),
            }
        }
    }

    #[test]
    fn answers_grow_old() {
        play(&[
            (0, '?', "Nothing"),
            (1_000, '+', ""),
            (1_000, '?', "Fresh(7)"),
            (1_299, '?', "Fresh(7)"),
            (1_300, '?', "Stale(7)"),
            (10_999, '?', "Stale(7)"),
            (11_000, '?', "Nothing"),
            (11_000, '+', ""),
            (11_001, '?', "Fresh(7)"),
        ]);
    }

    #[test]
    fn a_no_is_never_used_beyond_its_time() {
        play(&[
            (0, '-', ""),
            (59, '?', "Absent"),
            (60, '?', "Nothing"),
            (100, '+', ""),
            (101, '?', "Fresh(7)"),
            (102, '-', ""),
            (103, '?', "Absent"),
            (170, '?', "Nothing"),
            // The clock was set back.
            (5_000, '-', ""),
            (100, '?', "Absent"),
            (100, '+', ""),
            (50, '?', "Fresh(7)"),
        ]);
    }

    #[test]
    fn the_oldest_go_and_guesses_push_nobody_out() {
        let mut cache: Cache<u64> = Cache::new(LIVES, 80);
        for at in 0..80 {
            cache.present(&format!("p{at}"), at, at);
        }
        for at in 0..10_000 {
            cache.absent(&format!("n{at}"), at);
        }
        assert_eq!(cache.counts().0, 80);
        assert!(cache.counts().1 <= 80);
        cache.present("new", 1, 100);
        assert!(cache.counts().0 <= 80 && cache.counts().0 > 60);
        assert_eq!(cache.look("p0", 100), Look::Nothing);
        assert_eq!(cache.look("p79", 100), Look::Fresh(79));
        // All of one age.
        let mut cache: Cache<u64> = Cache::new(LIVES, 16);
        for at in 0..1_000 {
            cache.present(&format!("p{at}"), at, 5);
        }
        assert!(cache.counts().0 <= 16 && cache.counts().0 >= 8);
    }
}
