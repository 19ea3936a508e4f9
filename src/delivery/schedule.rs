//! When a mail is tried again, when its sender is warned and when it is given up. Pure: time
//! is an argument.
//!
//! In: the mail's id and age, attempts made, the time. Out: the time of the next attempt.
//! RFC 5321 section 4.5.4.1: first retries soon, then ever rarer, given up after 4 to 5 days.
//!
//! Invariants: the interval doubles from `retry_first_s` to `retry_max_s`; its jitter of an
//! eighth is drawn from id and attempt, so that it is the same whenever it is asked for and
//! mails that came together spread out; the last attempt is made when the mail expires, not
//! an interval before.

use std::time::{Duration, SystemTime};

use crate::config;
use crate::mail::{MailId, ReversePath};

/// The intervals in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    retry_first: Duration,
    retry_max: Duration,
    warn_after: Duration,
    expire_after: Duration,
    expire_null_after: Duration,
}

impl Schedule {
    /// As configured.
    pub fn new(settings: &config::Delivery) -> Schedule {
        Schedule {
            retry_first: Duration::from_secs(settings.retry_first_s),
            retry_max: Duration::from_secs(settings.retry_max_s),
            warn_after: Duration::from_secs(settings.warn_after_s),
            expire_after: Duration::from_secs(settings.expire_after_s),
            expire_null_after: Duration::from_secs(settings.expire_null_after_s),
        }
    }

    /// When the mail is tried after `attempts` failed ones; always after `now`.
    pub fn next_attempt(
        &self,
        id: MailId,
        attempts: u32,
        expires: SystemTime,
        now: SystemTime,
    ) -> SystemTime {
        let doublings = attempts.saturating_sub(1).min(30);
        let interval = self.retry_first.saturating_mul(1 << doublings).min(self.retry_max);
        let spread = interval / 4;
        let share = draw(id, attempts);
        let jittered = interval - spread / 2 + spread.mul_f64(share);
        let next = now.checked_add(jittered).unwrap_or(now);
        match expires > now && expires < next {
            true => expires.max(now + Duration::from_secs(1).min(self.retry_first)),
            false => next,
        }
    }

    /// When the mail is given up.
    pub fn expires(&self, received: SystemTime, reverse_path: &ReversePath) -> SystemTime {
        let lifetime = match reverse_path {
            ReversePath::Null => self.expire_null_after,
            ReversePath::Mailbox(_) => self.expire_after,
        };
        received.checked_add(lifetime).unwrap_or(received)
    }

    /// Whether the sender is to be told of the delay by now.
    pub fn is_late(&self, received: SystemTime, now: SystemTime) -> bool {
        now.duration_since(received).is_ok_and(|age| age >= self.warn_after)
    }

    /// How long a destination that no connection reached is left alone: less than any
    /// mail's own interval, so that a mail's retry is an attempt.
    pub fn rest(&self, failures_in_row: u32) -> Duration {
        let longest = (self.retry_first * 3 / 4).min(Duration::from_secs(300));
        let doublings = failures_in_row.saturating_sub(1).min(10);
        (longest / 8).max(Duration::from_millis(100)).saturating_mul(1 << doublings).min(longest)
    }
}

/// From 0 to 1, the same for the same mail and attempt.
fn draw(id: MailId, attempt: u32) -> f64 {
    // FNV-1a: nobody gains by foreseeing it.
    let octets = id.octets().iter().copied().chain(attempt.to_be_bytes());
    let hash = octets.fold(0xcbf2_9ce4_8422_2325u64, |hash, octet| {
        (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3)
    });
    // The low bits of FNV are poor; fold the high ones in.
    let mixed = hash ^ (hash >> 29);
    (mixed & 0xffff) as f64 / 65_536.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn schedule() -> Schedule {
        Schedule::new(&config::Delivery::default())
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn intervals_double_up_to_the_longest() {
        let id = MailId::from_octets([7; 12]);
        for (attempts, interval_s) in [
            (0, 300),
            (1, 300),
            (2, 600),
            (3, 1_200),
            (6, 9_600),
            (7, 14_400),
            (40, 14_400),
            (u32::MAX, 14_400),
        ] {
            let next = schedule().next_attempt(id, attempts, at(10_000_000), at(1_000));
            let waited = next.duration_since(at(1_000)).unwrap().as_secs_f64();
            let wanted = f64::from(interval_s);
            assert!(waited >= wanted * 0.874 && waited <= wanted * 1.126, "{attempts}: {waited}");
            assert_eq!(next, schedule().next_attempt(id, attempts, at(10_000_000), at(1_000)));
        }
    }

    #[test]
    fn mails_that_came_together_spread_out() {
        let mut waits: Vec<u64> = (0..1_000)
            .map(|_| {
                let next = schedule().next_attempt(MailId::mint(), 1, at(1_000_000), at(0));
                next.duration_since(at(0)).unwrap().as_secs()
            })
            .collect();
        waits.sort_unstable();
        waits.dedup();
        assert!(waits.len() > 50, "{}", waits.len());
    }

    #[test]
    fn the_last_attempt_is_at_the_end() {
        let id = MailId::from_octets([7; 12]);
        let mailbox = ReversePath::Mailbox("a@x.test".parse().unwrap());
        assert_eq!(schedule().expires(at(5), &mailbox), at(432_005));
        assert_eq!(schedule().expires(at(5), &ReversePath::Null), at(86_405));
        assert_eq!(schedule().next_attempt(id, 9, at(1_000), at(990)), at(1_000));
        assert_eq!(
            schedule().next_attempt(id, 9, at(1_000), at(1_000) - Duration::from_millis(1)),
            at(1_000) + Duration::from_millis(999)
        );
        assert!(schedule().next_attempt(id, 9, at(1_000), at(1_000)) > at(2_000));
    }

    #[test]
    fn lateness_is_a_matter_of_age() {
        for (now, late) in [(0, false), (14_399, false), (14_400, true), (900_000, true)] {
            assert_eq!(schedule().is_late(at(0), at(now)), late);
        }
        assert!(!schedule().is_late(at(100), at(0)));
    }

    #[test]
    fn a_dead_destination_rests_less_than_a_mail_waits() {
        let quick =
            Schedule::new(&config::Delivery { retry_first_s: 1, ..config::Delivery::default() });
        for failures in [0, 1, 2, 3, 10, u32::MAX] {
            assert!(schedule().rest(failures) <= Duration::from_secs(225));
            assert!(quick.rest(failures) <= Duration::from_millis(750));
            assert!(quick.rest(failures) >= Duration::from_millis(93));
        }
        assert!(schedule().rest(1) < schedule().rest(4));
    }
}
