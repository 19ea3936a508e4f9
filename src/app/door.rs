//! The doorman of the box: asks the limits of `net`, puts what they say into words for the
//! client, and counts what is refused.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::mail::{EnhancedCode, Reply};
use crate::net::gate::{Excess, Gate, Limit, Sender};
use crate::net::limits::{ClientLimiter, Refusal};
use crate::session::{Caller, Doorman, LogIn, Permit};
use crate::telemetry::metrics::{Counter, registry};

/// RFC 3463: other security status.
const SECURITY: EnhancedCode = EnhancedCode(4, 7, 0);
/// RFC 3463: delivery not authorised.
const UNAUTHORISED: EnhancedCode = EnhancedCode(4, 7, 1);

/// Counts connections with [`ClientLimiter`] and everything else with [`Gate`].
#[derive(Debug)]
pub(super) struct Door {
    limiter: Arc<ClientLimiter>,
    gate: Arc<Gate>,
    limited: HashMap<&'static str, Arc<Counter>>,
    delayed: Arc<Counter>,
}

impl Door {
    pub(super) fn new(config: &Config) -> Arc<Door> {
        let counter = |limit| {
            let help = "Refusals because of a limit, by which.";
            let counter = registry().counter("postern_limited_total", help, &[("limit", limit)]);
            (limit, counter)
        };
        let of_connections =
            ["connections", "client_connections", "network_connections", "client_rate"];
        let of_gate = [
            Limit::NetworkMessages,
            Limit::NetworkRecipients,
            Limit::SenderMessages,
            Limit::SenderRecipients,
            Limit::AccountMessages,
            Limit::AccountRecipients,
            Limit::Harvest,
            Limit::ClientLogins,
            Limit::AccountLogins,
        ];
        let names = of_connections.into_iter().chain(of_gate.map(Limit::name));
        let limits = config.limits_of_clients();
        Arc::new(Door {
            limiter: ClientLimiter::new(&limits),
            gate: Gate::new(&limits, &config.door),
            limited: names.map(counter).collect(),
            delayed: registry().counter(
                "postern_delayed_replies_total",
                "Replies that were delayed because of what the client did.",
                &[],
            ),
        })
    }

    /// Puts other limits in force.
    pub(super) fn reload(&self, config: &Config) {
        let limits = config.limits_of_clients();
        self.limiter.reload(&limits);
        self.gate.reload(&limits, &config.door);
    }

    fn count(&self, limit: &str) {
        if let Some(counter) = self.limited.get(limit) {
            counter.add_one();
        }
    }

    fn refusal(&self, excess: Excess, client: IpAddr) -> Reply {
        self.count(excess.limit.name());
        let wait_s = excess.wait.as_secs().saturating_add(1);
        tracing::debug!(%client, limit = excess.limit.name(), wait_s, "above a limit");
        let text = format!("{}; try again later", excess.limit);
        match excess.limit {
            // RFC 5321 section 3.8: closes the connection, so that no more is tried out.
            Limit::Harvest => Reply::new(421, SECURITY, text),
            // RFC 4954 section 6: temporary authentication failure.
            Limit::ClientLogins | Limit::AccountLogins => Reply::new(454, SECURITY, text),
            _ => {
                let text = format!("{}; try again in {wait_s} s", excess.limit);
                Reply::new(451, UNAUTHORISED, text)
            }
        }
    }
}

fn sender<'a>(caller: &Caller<'a>) -> Sender<'a> {
    Sender {
        role: caller.visitor.role,
        client: caller.visitor.client,
        account: caller.account,
        reverse_path: caller.reverse_path,
    }
}

impl Doorman for Door {
    fn admit(&self, client: IpAddr) -> Result<Permit, Reply> {
        let refusal = match self.limiter.admit(client, Instant::now()) {
            Ok(admission) => return Ok(Box::new(admission)),
            Err(refusal) => refusal,
        };
        let (limit, text) = match refusal {
            Refusal::Total => ("connections", "too many connections; try again later"),
            Refusal::Concurrency => {
                ("client_connections", "too many connections from your address")
            }
            Refusal::Network => ("network_connections", "too many connections from your network"),
            Refusal::Rate => ("client_rate", "too many new connections from your address"),
        };
        self.count(limit);
        Err(Reply::new(421, SECURITY, text))
    }

    fn greeting_delay(&self, client: IpAddr) -> Duration {
        self.gate.greeting_delay(client, Instant::now())
    }

    fn waited(&self, client: IpAddr) {
        self.gate.waited(client, Instant::now());
    }

    fn detain(&self, client: IpAddr) -> Option<Permit> {
        let place = self.gate.detain(client)?;
        self.delayed.add_one();
        Some(Box::new(place))
    }

    fn sender(&self, caller: &Caller<'_>) -> Result<(), Reply> {
        let begun = self.gate.begin_mail(sender(caller), Instant::now());
        begun.map_err(|excess| self.refusal(excess, caller.visitor.client))
    }

    fn recipient(&self, caller: &Caller<'_>) -> Result<(), Reply> {
        let named = self.gate.name_recipient(sender(caller), Instant::now());
        named.map_err(|excess| self.refusal(excess, caller.visitor.client))
    }

    fn unknown_recipient(&self, client: IpAddr) {
        self.gate.unknown_recipient(client, Instant::now());
    }

    fn mail_taken(&self, client: IpAddr, recipients: usize) {
        self.gate.mail_taken(client, recipients, Instant::now());
    }

    fn log_in(&self, client: IpAddr, name: &str) -> Result<(), Reply> {
        let tried = self.gate.log_in(client, name, Instant::now());
        tried.map_err(|excess| self.refusal(excess, client))
    }

    fn log_in_ended(&self, client: IpAddr, name: &str, outcome: LogIn) {
        match outcome {
            LogIn::Succeeded => self.gate.logged_in(client, name, Instant::now()),
            LogIn::Undecided => self.gate.log_in_undecided(client, name, Instant::now()),
        }
    }
}
