//! `[history]`: what the box remembers of senders, and greylisting.

use serde::Deserialize;

const DAY_S: u64 = 86_400;

/// `[history]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct History {
    /// Whether senders are remembered at all; true. Greylisting works without it, too, and then
    /// knows only who came back.
    pub enabled: bool,
    /// What was seen counts half after so many days; 30.
    pub half_life_days: u32,
    /// Mail below this score, not counting what history itself adds, counts as good; 2.
    pub good_below: f32,
    /// Mail from this score counts as suspicious; 5.
    pub suspicious_from: f32,
    /// Mail from this score counts as bad; 8.
    pub bad_from: f32,
    /// For so many days after the first start everybody is new, so it is not said of anybody,
    /// and nothing else is made of it; 7.
    pub settle_days: u32,
    /// `[history.greylist]`.
    pub greylist: Greylist,
}

impl Default for History {
    fn default() -> History {
        History {
            enabled: true,
            half_life_days: 30,
            good_below: 2.0,
            suspicious_from: 5.0,
            bad_from: 8.0,
            settle_days: 7,
            greylist: Greylist::default(),
        }
    }
}

impl History {
    /// What was seen counts half after so many seconds.
    pub fn half_life_s(&self) -> u64 {
        u64::from(self.half_life_days) * DAY_S
    }

    /// Until so long after the first start nobody is called new.
    pub fn settle_s(&self) -> u64 {
        u64::from(self.settle_days) * DAY_S
    }
}

/// `[history.greylist]`: strangers are asked to come back later, as mail servers do.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Greylist {
    /// `off`, `suspicious` (the default: strangers whose mail scores in between) or `all`
    /// (strangers at RCPT, too).
    pub mode: GreylistMode,
    /// From this score up to the one that quarantines; 3.
    pub from_score: f32,
    /// A stranger who comes back is let in so many seconds after the first attempt; 300.
    pub delay_s: u64,
    /// … and before so many; 172800, two days.
    pub window_s: u64,
    /// Who came back is let in at once for so many days after the last mail; 36.
    pub allow_days: u32,
}

impl Default for Greylist {
    fn default() -> Greylist {
        Greylist {
            mode: GreylistMode::Suspicious,
            from_score: 3.0,
            delay_s: 300,
            window_s: 2 * DAY_S,
            allow_days: 36,
        }
    }
}

impl Greylist {
    /// Who came back is let in at once for so many seconds.
    pub fn allow_s(&self) -> u64 {
        u64::from(self.allow_days) * DAY_S
    }
}

/// `mode = "off" | "suspicious" | "all"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GreylistMode {
    /// Nobody waits.
    Off,
    /// Strangers wait whose mail is neither clean nor bad.
    #[default]
    Suspicious,
    /// Strangers wait before they say what they bring.
    All,
}
