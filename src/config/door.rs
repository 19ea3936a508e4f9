//! `[door]`: what a client may do before it has brought a mail, and how much in how long.
//!
//! None of it concerns the networks of `limits.exempt`. Every `per_…` limit of 0 is none.
//! Who is above a limit reads a `4xx` and may try again.

use std::time::Duration;

use serde::Deserialize;

/// What becomes of a client that speaks before it is greeted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EarlyTalker {
    /// It reads `554` and is sent away.
    Refuse,
    /// Its mail is taken, with a finding.
    #[default]
    Note,
}

/// `[door]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Door {
    /// Milliseconds from the connection to the greeting on inbound listeners, in which who
    /// speaks first gives itself away. 0 greets at once and finds nobody. Default 1000.
    pub greeting_delay_ms: u64,
    /// Hours in which a client that waited once is greeted at once. Default 168.
    pub greeting_remembered_h: u64,
    /// `note` or `refuse`. Default `note`.
    pub early_talker: EarlyTalker,
    /// Milliseconds by which the reply to a client's first error (unknown recipient, refused
    /// sender, failed AUTH, malformed command) is delayed; each further error of a session
    /// doubles it. 0 delays nothing. Default 500.
    pub tarpit_ms: u64,
    /// Milliseconds by which one reply is delayed at most. Default 8000.
    pub tarpit_max_ms: u64,
    /// Sessions that are delayed at once; more are not delayed. Default 500.
    pub tarpit_sessions: usize,
    /// Recipients that do not exist which a client (IPv4 address, IPv6 /64) may name in an
    /// hour; its network (IPv4 /24, IPv6 /48) may name four times as many. A recipient of a
    /// mail that was taken makes up for one. Beyond it every recipient is answered alike.
    /// Default 30.
    pub unknown_recipients_per_hour: u32,
    /// Seconds for which that lasts. Default 1800.
    pub harvest_block_s: u64,
    /// Rates of inbound listeners.
    pub inbound: InboundRates,
    /// Rates of outbound listeners.
    pub outbound: OutboundRates,
    /// Rates of submission listeners.
    pub submission: SubmissionRates,
}

impl Default for Door {
    fn default() -> Door {
        Door {
            greeting_delay_ms: 1_000,
            greeting_remembered_h: 168,
            early_talker: EarlyTalker::Note,
            tarpit_ms: 500,
            tarpit_max_ms: 8_000,
            tarpit_sessions: 500,
            unknown_recipients_per_hour: 30,
            harvest_block_s: 1_800,
            inbound: InboundRates::default(),
            outbound: OutboundRates::default(),
            submission: SubmissionRates::default(),
        }
    }
}

impl Door {
    /// From the connection to the greeting.
    pub fn greeting_delay(&self) -> Duration {
        Duration::from_millis(self.greeting_delay_ms)
    }

    /// For a client that waited once.
    pub fn greeting_remembered(&self) -> Duration {
        Duration::from_secs(self.greeting_remembered_h.saturating_mul(3_600))
    }

    /// For a network that tried addresses out.
    pub fn harvest_block(&self) -> Duration {
        Duration::from_secs(self.harvest_block_s)
    }

    /// How long the reply to the so-manieth error of a session is delayed.
    pub fn tarpit(&self, errors: u32) -> Duration {
        let doublings = errors.saturating_sub(1).min(63);
        let delay_ms = match errors {
            0 => 0,
            _ => self.tarpit_ms.saturating_mul(1 << doublings).min(self.tarpit_max_ms),
        };
        Duration::from_millis(delay_ms)
    }
}

/// `[door.inbound]`. A network is an IPv4 /24 or an IPv6 /48.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InboundRates {
    /// Messages from one network. Default 1000.
    pub messages_per_minute_per_network: u32,
    /// Recipients named by one network. Default 4000.
    pub recipients_per_minute_per_network: u32,
    /// Messages from one domain by one network: a domain is easily forged, and what is
    /// forged elsewhere must not use up its allowance. Default 600.
    pub messages_per_minute_per_sender: u32,
}

impl Default for InboundRates {
    fn default() -> InboundRates {
        InboundRates {
            messages_per_minute_per_network: 1_000,
            recipients_per_minute_per_network: 4_000,
            messages_per_minute_per_sender: 600,
        }
    }
}

/// `[door.outbound]`. A sender is a reverse-path, or a client where that is null.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutboundRates {
    /// Messages from one sender. Default 600.
    pub messages_per_minute_per_sender: u32,
    /// Recipients named by one sender. Default 10000.
    pub recipients_per_hour_per_sender: u32,
}

impl Default for OutboundRates {
    fn default() -> OutboundRates {
        OutboundRates {
            messages_per_minute_per_sender: 600,
            recipients_per_hour_per_sender: 10_000,
        }
    }
}

/// `[door.submission]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SubmissionRates {
    /// Messages from one account. Default 60.
    pub messages_per_minute_per_account: u32,
    /// Recipients named by one account: what limits the harm when its password is stolen.
    /// Default 500.
    pub recipients_per_hour_per_account: u32,
    /// Failed log-ins of one client (IPv4 address, IPv6 /64); its network (IPv4 /24, IPv6
    /// /48) has four times as many. Who has logged in from there before has as many again of
    /// its own. Default 60.
    pub failed_logins_per_hour_per_client: u32,
    /// Failed log-ins to one account from clients that never logged in to it. Default 30.
    pub failed_logins_per_hour_per_account: u32,
}

impl Default for SubmissionRates {
    fn default() -> SubmissionRates {
        SubmissionRates {
            messages_per_minute_per_account: 60,
            recipients_per_hour_per_account: 500,
            failed_logins_per_hour_per_client: 60,
            failed_logins_per_hour_per_account: 30,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_and_are_bounded() {
        let door = Door { tarpit_ms: 500, tarpit_max_ms: 8_000, ..Door::default() };
        let table = [(0, 0), (1, 500), (2, 1_000), (5, 8_000), (6, 8_000), (u32::MAX, 8_000)];
        for (errors, delay_ms) in table {
            assert_eq!(door.tarpit(errors), Duration::from_millis(delay_ms), "{errors}");
        }
        let off = Door { tarpit_ms: 0, ..Door::default() };
        assert_eq!(off.tarpit(9), Duration::ZERO);
    }
}
