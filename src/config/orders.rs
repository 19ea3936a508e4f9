//! `[orders]` and `[archive]`: how orders of the policy are carried out, and how long the
//! archive keeps what.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `[orders]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Orders {
    /// What becomes of mail from outside that a limit does not let through. Own people are
    /// asked to try again later.
    pub rate_limited: RateLimited,
    /// Notices of one rule in an hour, whoever the senders are.
    pub notices_per_hour: u32,
    /// Where links in questions for approval point to; without it `portal.url`, and without
    /// that the administrator's address.
    pub approval_url: Option<String>,
}

impl Default for Orders {
    fn default() -> Orders {
        Orders { rate_limited: RateLimited::default(), notices_per_hour: 1_000, approval_url: None }
    }
}

/// `orders.rate_limited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateLimited {
    /// Kept in area `rate-limited`.
    #[default]
    Quarantine,
    /// 451: the client comes again.
    Defer,
}

/// `[archive]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Archive {
    /// Days for which mail is kept whose class says nothing else.
    pub keep_days: u32,
    /// Days by class.
    pub classes: BTreeMap<String, u32>,
}

impl Default for Archive {
    fn default() -> Archive {
        Archive { keep_days: 3_650, classes: BTreeMap::new() }
    }
}

impl Archive {
    /// For how long a class is kept.
    pub fn days_of(&self, class: &str) -> u32 {
        self.classes.get(class).copied().unwrap_or(self.keep_days)
    }
}
