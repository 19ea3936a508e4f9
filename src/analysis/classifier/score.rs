//! What the classifier says of a message, how many points that is, and how much content rules
//! count beside it.
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
    /// How much the model has learned: messages of the kind that it knows fewer of.
    pub experience: u32,
}

impl Score {
    /// No score reaches this; `tag` (5) is reached at odds of 16 to 1, `quarantine` (8) at 600
    /// to 1, `reject` (15) never.
    pub const MOST: f64 = 10.0;
    /// No score falls to this: good mail is not proved by its words, so ham earns less than
    /// spam costs.
    pub const LEAST: f64 = -4.0;
    /// Log-odds in which the points come nearer to [`Score::MOST`] by a factor of e.
    const SPAM_REACH: f64 = 4.0;
    /// The same towards [`Score::LEAST`].
    const HAM_REACH: f64 = 4.0;
    /// Log-odds beyond this are not told apart: points are of 24 bits.
    pub const FARTHEST: f64 = 40.0;
    /// Log-odds around which rules begin to count in full, and how gradually.
    const SURE: f64 = 6.0;
    const SURE_WIDTH: f64 = 1.5;
    /// Of what rules say, this much at most counts for nothing. Chosen by cross-validation.
    const OUTWEIGHED: f64 = 0.85;
    /// Messages of each kind with which a model outweighs half as much as with many.
    const INEXPERIENCE: f64 = 50.0;

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

    /// The share of what content rules say that counts for nothing beside this score. Rules
    /// look at words that the classifier knows better, from the mail of this house; where it
    /// is sure of spam they confirm it, elsewhere most of what they see there is good mail
    /// that speaks of such things. A model that has learned little outweighs little.
    pub fn outweighs(&self) -> f64 {
        let doubt = 1.0 / (1.0 + ((self.log_odds - Score::SURE) / Score::SURE_WIDTH).exp());
        let experience = f64::from(self.experience);
        Score::OUTWEIGHED * doubt * experience / (experience + Score::INEXPERIENCE)
    }

    /// `CLASSIFIER_OUTWEIGHS`, for content rules that gave this many points together.
    pub fn outweighing(&self, points: f32) -> Option<Sighting> {
        let taken = self.outweighs() as f32 * points;
        let detail = format!("{taken:.1} of their {points:.1} points do not count");
        (taken > 0.0).then(|| Sighting::strong("CLASSIFIER_OUTWEIGHS", taken, detail))
    }

    /// The log-odds that points stand for; what is no score is taken for the farthest.
    pub fn log_odds_of(points: f64) -> f64 {
        let log_odds = match points > 0.0 {
            true => -Score::SPAM_REACH * (-points / Score::MOST).ln_1p(),
            false => Score::HAM_REACH * (points / -Score::LEAST).ln_1p(),
        };
        match log_odds.is_nan() {
            true => Score::FARTHEST.copysign(points),
            false => log_odds.clamp(-Score::FARTHEST, Score::FARTHEST),
        }
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

    fn score(log_odds: f64) -> Score {
        Score { log_odds, experience: 1_000 }
    }

    #[test]
    fn rules_count_in_full_beside_sure_spam_and_a_new_model() {
        let table = [
            (-5.0, 1_000, 0.80, 0.82),
            (0.0, 1_000, 0.79, 0.81),
            (6.0, 1_000, 0.40, 0.41),
            (12.0, 1_000, 0.0, 0.02),
            (0.0, 20, 0.2, 0.25),
            (0.0, 0, 0.0, 0.0),
        ];
        for (log_odds, experience, from, to) in table {
            let share = Score { log_odds, experience }.outweighs();
            assert!((from..=to).contains(&share), "{log_odds} {experience}: {share}");
        }
        assert_eq!(score(0.0).outweighing(0.0), None);
    }

    #[test]
    fn thresholds_are_reached_where_they_should_be() {
        let table = [
            (0.0, 0.0, 0.0),
            (1.0, 2.2, 2.3),
            (2.8, 5.0, 5.1),
            (6.0, 7.7, 7.9),
            (6.5, 8.0, 8.1),
            (39.0, 9.9, 10.0),
            (-1.0, -0.9, -0.8),
            (-6.0, -3.2, -3.0),
            (-39.0, -4.0, -3.9),
        ];
        for (log_odds, from, to) in table {
            let points = score(log_odds).points();
            assert!((from..=to).contains(&points), "{log_odds}: {points}");
        }
    }

    proptest! {
        #[test]
        fn points_rise_and_never_tie(log_odds in -30.0f64..30.0, step in 0.01f64..20.0) {
            let lower = score(log_odds);
            let higher = score((log_odds + step).min(Score::FARTHEST));
            prop_assert!((lower.points() as f32) < higher.points() as f32);
            prop_assert!(higher.points() < Score::MOST && lower.points() > Score::LEAST);
        }

        #[test]
        fn points_can_be_read_back(log_odds in -20.0f64..20.0) {
            let again = Score::log_odds_of(score(log_odds).points());
            prop_assert!((again - log_odds).abs() < 1e-6);
        }

        #[test]
        fn any_number_is_some_score(points: f64, log_odds: f64) {
            prop_assert!(Score::log_odds_of(points).abs() <= Score::FARTHEST);
            prop_assert!(score(log_odds).points().is_nan() == log_odds.is_nan());
        }
    }
}
