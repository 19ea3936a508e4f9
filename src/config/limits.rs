//! `[limits]`: how much is too much, and for how long.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use super::DeadlinePolicy;

/// Every limit of reception. RFC 5321 section 4.5.3 gives the least that must be allowed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Networks without per-client limits.
    pub exempt: Vec<IpNet>,
    /// Sessions at once in all; above it `421`.
    pub connections: usize,
    /// Sessions at once from one client address (an IPv6 client is its /64); above it `421`.
    pub connections_per_client: usize,
    /// Sessions at once from one network (IPv4 /24, IPv6 /48); above it `421`. 0 is no limit.
    pub connections_per_network: usize,
    /// New sessions a minute from one client address; above it `421`.
    pub connections_per_client_per_minute: u32,
    /// Largest message, announced by SIZE; above it `552`.
    pub message_octets: u64,
    /// Recipients of one message; above it `452`.
    pub recipients: usize,
    /// Messages in one session; above it `421`.
    pub mails_per_connection: u32,
    /// One command line with its CRLF; above it `500`.
    pub command_octets: usize,
    /// One line of message text with its CRLF; above it the message is refused with `554`.
    pub text_line_octets: u64,
    /// Syntax and sequence errors, unknown recipients and failed AUTHs before `421`.
    pub errors: u32,
    /// Commands in a row that lead to no mail (NOOP, RSET, VRFY, …) before `421`.
    pub idle_commands: u32,
    /// To the next command; then `421`.
    pub command_timeout_s: u64,
    /// To the next octets of message text; then `421`.
    pub data_timeout_s: u64,
    /// For a TLS handshake or a PROXY header.
    pub handshake_timeout_s: u64,
    /// For one whole session; then `421`.
    pub session_timeout_s: u64,
    /// A message is held in memory up to this, in an unlinked file beyond it.
    pub memory_octets_per_message: usize,
    /// All messages in reception together; above it `452`.
    pub budget_octets: u64,
    /// For the analysis of one message.
    pub analysis_timeout_s: u64,
    /// When analysis takes longer.
    pub on_analysis_timeout: DeadlinePolicy,
    /// Received fields in a message before it is taken for a loop; then `554`.
    pub hops: usize,
    /// For open sessions to end after SIGTERM.
    pub drain_timeout_s: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            exempt: ["127.0.0.0/8", "::1/128"].iter().filter_map(|net| net.parse().ok()).collect(),
            connections: 20_000,
            connections_per_client: 50,
            connections_per_network: 300,
            connections_per_client_per_minute: 600,
            message_octets: 50 << 20,
            recipients: 1_000,
            mails_per_connection: 10_000,
            command_octets: 4_096,
            text_line_octets: 1 << 20,
            errors: 20,
            idle_commands: 100,
            command_timeout_s: 300,
            data_timeout_s: 180,
            handshake_timeout_s: 30,
            session_timeout_s: 3_600,
            memory_octets_per_message: 1 << 20,
            budget_octets: 1 << 30,
            analysis_timeout_s: 120,
            on_analysis_timeout: DeadlinePolicy::Defer,
            hops: 50,
            drain_timeout_s: 30,
        }
    }
}

impl Limits {
    /// Whether per-client limits are off for a client.
    pub fn is_exempt(&self, client: IpAddr) -> bool {
        self.exempt.iter().any(|network| network.contains(&client))
    }

    /// To the next command.
    pub fn command_timeout(&self) -> Duration {
        Duration::from_secs(self.command_timeout_s)
    }

    /// To the next octets of message text.
    pub fn data_timeout(&self) -> Duration {
        Duration::from_secs(self.data_timeout_s)
    }

    /// For a handshake.
    pub fn handshake_timeout(&self) -> Duration {
        Duration::from_secs(self.handshake_timeout_s)
    }

    /// For a session.
    pub fn session_timeout(&self) -> Duration {
        Duration::from_secs(self.session_timeout_s)
    }

    /// For the analysis of one message.
    pub fn analysis_timeout(&self) -> Duration {
        Duration::from_secs(self.analysis_timeout_s)
    }
}
