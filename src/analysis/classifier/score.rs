//! What the classifier says of a message, and how many points that is.
//!
//! In: log-odds. Out: a sighting. Points rise with the log-odds everywhere and never tie, so
//! that mail which nothing else tells apart is still ranked; near even odds they are nearly
//! proportional, far from them they saturate, so that the classifier alone cannot refuse mail.

use super::super::Sighting;

/// The classifier's opinion of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Log-odds that it is spam, both kinds taken as equally frequent.
    pub log_odds: f64,
}

impl Score {
    /// No score reaches this; `tag` (5) is reached at odds of 60 to 1, `quarantine` (8) at
    /// 60,000 to 1.
    pub const MOST: f64 = 9.0;
    /// No score falls to this: good mail is not proved by its words, so ham earns less than
    /// spam costs.
    pub const LEAST: f64 = -4.0;
    /// Log-odds in which the points come nearer to [`Score::MOST`] by a factor of e.
    const SPAM_REACH: f64 = 5.0;
    /// The same towards [`Score::LEAST`].
    const HAM_REACH: f64 = 4.0;
    /// Log-odds beyond this are not told apart: points are of 24 bits.
    pub const FARTHEST: f64 = 40.0;

    /// Probability that it is spam.
    pub fn probability(&self) -> f64 {
        1.0 / (1.0 + (-self.log_odds).exp())
    }

    /// The score that goes into the sum.
    pub fn points(&self) -> f64 {
        let log_odds = self.log_odds.clamp(-Score::FARTHEST, Score::FARTHEST);
        match log_odds > 0.0 {
            true => -Score::MOST * (-log_odds / Score::SPAM_REACH).exp_m1(),
            false => -Score::LEAST * (log_odds / Score::HAM_REACH).exp_m1(),
        }
    }

    /// The log-odds that points stand for; what is no score is taken for the farthest.
    pub fn of_points(points: f64) -> Score {
        let log_odds = match points > 0.0 {
            true => -Score::SPAM_REACH * (-points / Score::MOST).ln_1p(),
            false => Score::HAM_REACH * (points / -Score::LEAST).ln_1p(),
        };
        let log_odds = match log_odds.is_nan() {
            true => Score::FARTHEST.copysign(points),
            false => log_odds.clamp(-Score::FARTHEST, Score::FARTHEST),
        };
        Score { log_odds }
    }

    /// `CLASSIFIER_SPAM` or `CLASSIFIER_HAM`, as strong as the points; nothing at even odds.
    pub fn sighting(&self) -> Option<Sighting> {
        let points = self.points() as f32;
        let detail = format!("probability of spam {:.1} %", self.probability() * 100.0);
        let name = match points {
            points if points > 0.0 => "CLASSIFIER_SPAM",
            points if points < 0.0 => "CLASSIFIER_HAM",
            _ => return None,
        };
        Some(Sighting::strong(name, points, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn thresholds_are_reached_where_they_should_be() {
        let table = [
            (0.0, 0.0, 0.0),
            (1.0, 1.6, 1.7),
            (4.1, 5.0, 5.1),
            (10.0, 7.0, 8.0),
            (11.1, 8.0, 8.1),
            (39.0, 8.9, 9.0),
            (-1.0, -0.9, -0.8),
            (-6.0, -3.2, -3.0),
            (-39.0, -4.0, -3.9),
        ];
        for (log_odds, from, to) in table {
            let points = Score { log_odds }.points();
            assert!((from..=to).contains(&points), "{log_odds}: {points}");
        }
    }

    proptest! {
        #[test]
        fn points_rise_and_never_tie(log_odds in -30.0f64..30.0, step in 0.01f64..20.0) {
            let lower = Score { log_odds };
            let higher = Score { log_odds: (log_odds + step).min(Score::FARTHEST) };
            prop_assert!((lower.points() as f32) < higher.points() as f32);
            prop_assert!(higher.points() < Score::MOST && lower.points() > Score::LEAST);
        }

        #[test]
        fn points_can_be_read_back(log_odds in -20.0f64..20.0) {
            let again = Score::of_points(Score { log_odds }.points());
            prop_assert!((again.log_odds - log_odds).abs() < 1e-6);
        }

        #[test]
        fn any_number_is_some_score(points: f64, log_odds: f64) {
            prop_assert!(Score::of_points(points).log_odds.abs() <= Score::FARTHEST);
            prop_assert!(Score { log_odds }.points().is_nan() == log_odds.is_nan());
        }
    }
}
