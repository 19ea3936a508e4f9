//! One list: asks it, checks it, and keeps what is known of it.
//!
//! In: questions. Out: readings; `None` where the list is out of use or left alone. A check or
//! a trial is made beside the mail, except for the very first one, which the first mail waits
//! for: nothing is believed before the test points were seen.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::answer::{Reading, read};
use super::health::{Checked, Fault, Health, Opinion};
use super::question::Subject;
use crate::config::{DnsList, Reputation};
use crate::mail::Domain;
use crate::net::breaker::{Admission, Breaker, Change, Patience};
use crate::net::resolver::{DnsTrouble, Resolve};

/// Addresses of one host that a list of addresses is asked about.
const HOST_ADDRESSES: usize = 4;

/// A list and what is known of it.
pub(super) struct List {
    pub(super) config: DnsList,
    resolver: Arc<dyn Resolve>,
    timeout: Duration,
    state: Mutex<State>,
    /// Held while the first check runs.
    first: tokio::sync::Mutex<()>,
}

struct State {
    breaker: Breaker,
    health: Health,
}

impl std::fmt::Debug for List {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("List").field("zone", &self.config.zone).finish_non_exhaustive()
    }
}

fn now() -> Instant {
    // Tokio's clock, so that tests can turn it.
    tokio::time::Instant::now().into_std()
}

impl List {
    pub(super) fn new(config: DnsList, all: &Reputation, resolver: Arc<dyn Resolve>) -> Arc<List> {
        let patience = Patience {
            failures: all.failures,
            pause_first: Duration::from_secs(all.pause_first_s),
            pause_max: Duration::from_secs(all.pause_max_s),
        };
        // No question outlasts the stage, so that each is heard of.
        let timeout = config.timeout().min(all.timeout() / 2);
        let every = Duration::from_secs(all.check_every_s);
        let state = State { breaker: Breaker::new(patience), health: Health::new(every) };
        let first = tokio::sync::Mutex::new(());
        Arc::new(List { config, resolver, timeout, state: Mutex::new(state), first })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of it, and whether it is left alone.
    pub(super) fn standing(&self) -> (Opinion, bool) {
        let state = self.state();
        (state.health.opinion(), !state.breaker.is_closed())
    }

    /// Whether it may be asked for a mail now. Begins what is due, and waits for nothing.
    pub(super) fn is_open_to_questions(self: &Arc<List>) -> bool {
        let (usable, due) = {
            let mut state = self.state();
            let now = now();
            match state.breaker.admit(now) {
                Admission::LeaveAlone => (false, false),
                Admission::Try => {
                    state.health.begin(now);
                    (false, true)
                }
                Admission::Ask if state.health.is_new() => (true, false),
                Admission::Ask => {
                    let due = state.health.is_due(now);
                    if due {
                        state.health.begin(now);
                    }
                    (state.health.opinion() == Opinion::Well, due)
                }
            }
        };
        if due {
            let list = Arc::clone(self);
            tokio::spawn(async move { list.check().await });
        }
        usable
    }

    /// Asks about a subject and its addresses where it has some; what is listed first counts.
    pub(super) async fn ask(&self, subject: &Subject) -> Option<Reading> {
        if !self.is_known_well().await {
            return None;
        }
        let of_host = match subject {
            Subject::Name(host) if self.config.kind.is_of_addresses() => Some(host),
            _ => None,
        };
        let Some(host) = of_host else {
            return self.question(subject.name_at(&self.config)?).await;
        };
        let mut last = None;
        for address in self.addresses_of(host).await {
            last = self.question(Subject::Address(address).name_at(&self.config)?).await;
            if matches!(last, Some(Reading::Listed { .. })) {
                break;
            }
        }
        last
    }

    /// The addresses of a stranger's host. That it does not answer is not the list's fault.
    async fn addresses_of(&self, host: &Domain) -> Vec<IpAddr> {
        let answer = tokio::time::timeout(self.timeout, self.resolver.addresses(host)).await;
        let mut addresses = answer.unwrap_or(Ok(Vec::new())).unwrap_or_default();
        // In one order, whatever the resolver shuffled, so that the same mail asks the same.
        addresses.sort_unstable();
        addresses.retain(|address| !super::question::is_private(*address));
        addresses.truncate(HOST_ADDRESSES);
        addresses
    }

    /// The first who asks makes the first check; the others wait for it.
    pub(super) async fn is_known_well(&self) -> bool {
        if self.state().health.is_new() {
            let _turn = self.first.lock().await;
            if self.state().health.is_new() {
                self.check().await;
            }
        }
        self.state().health.opinion() == Opinion::Well
    }

    async fn question(&self, name: Domain) -> Option<Reading> {
        let reading = read(&self.config, self.look_up(&name).await);
        let change = match &reading {
            Reading::Absent | Reading::Listed { .. } => self.state().breaker.success(),
            Reading::Refused(_) | Reading::Foreign(_) | Reading::Trouble(_) => {
                self.state().breaker.failure(now())
            }
        };
        self.announce(change, &reading);
        Some(reading)
    }

    async fn look_up(&self, name: &Domain) -> Result<Vec<Ipv4Addr>, DnsTrouble> {
        match tokio::time::timeout(self.timeout, self.resolver.ipv4(name)).await {
            Ok(answer) => answer,
            Err(_) => Err(DnsTrouble::Temporary(format!(
                "no answer within {} ms",
                self.timeout.as_millis()
            ))),
        }
    }

    /// Looks at the test points, and opens or closes the breaker by them.
    pub(super) async fn check(&self) {
        self.state().health.begin(now());
        let checked = self.look_at_points().await;
        let (change, opinion) = {
            let mut state = self.state();
            let now = now();
            let change = match &checked {
                Checked::Nothing(_) => state.breaker.failure(now),
                Checked::Well | Checked::Ill(_) => state.breaker.success(),
            };
            (change, state.health.record(&checked, now))
        };
        let reading = match &checked {
            Checked::Nothing(why) => Reading::Trouble(why.clone()),
            Checked::Well | Checked::Ill(_) => Reading::Absent,
        };
        self.announce(change, &reading);
        let zone = &self.config.zone;
        match opinion {
            Some(Opinion::Ill(fault)) => {
                tracing::warn!(%zone, "a DNS list is out of use: {fault}");
            }
            Some(Opinion::Well) => tracing::info!(%zone, "a DNS list is in use"),
            Some(Opinion::Unknown) | None => {}
        }
    }

    /// RFC 5782 section 5, and a name that nobody can have listed.
    async fn look_at_points(&self) -> Checked {
        let points = Points::of(&self.config);
        let point = async |name: Option<Domain>| match name {
            Some(name) => Some(read(&self.config, self.look_up(&name).await)),
            None => None,
        };
        let (listed, unlisted, random) =
            tokio::join!(point(points.listed), point(points.unlisted), point(points.random));
        for reading in [&random, &unlisted, &listed].into_iter().flatten() {
            match reading {
                Reading::Refused(code) => return Checked::Ill(Fault::Refuses(*code)),
                Reading::Foreign(_) => return Checked::Ill(Fault::AnswersEverything),
                Reading::Trouble(why) => return Checked::Nothing(why.clone()),
                Reading::Absent | Reading::Listed { .. } => {}
            }
        }
        let is_listed = |reading: &Option<Reading>| matches!(reading, Some(Reading::Listed { .. }));
        if is_listed(&random) || is_listed(&unlisted) {
            return Checked::Ill(Fault::AnswersEverything);
        }
        match listed {
            Some(Reading::Absent) => Checked::Ill(Fault::AnswersNothing),
            _ => Checked::Well,
        }
    }

    fn announce(&self, change: Option<Change>, reading: &Reading) {
        let zone = &self.config.zone;
        match change {
            Some(Change::Opened(pause)) => {
                let why = match reading {
                    Reading::Refused(code) => format!("it refuses to answer (code {code})"),
                    Reading::Foreign(code) => format!("the answer {code} is not a list's"),
                    Reading::Trouble(why) => why.clone(),
                    Reading::Absent | Reading::Listed { .. } => String::new(),
                };
                let pause_s = pause.as_secs();
                tracing::warn!(%zone, pause_s, "a DNS list is left alone: {why}");
            }
            Some(Change::Closed) => tracing::info!(%zone, "a DNS list answers again"),
            None => {}
        }
    }
}

/// The names that a check asks for.
struct Points {
    listed: Option<Domain>,
    unlisted: Option<Domain>,
    random: Option<Domain>,
}

impl Points {
    fn of(list: &DnsList) -> Points {
        let is_of_addresses = list.kind.is_of_addresses();
        // RFC 5782 section 5.
        let (listed, unlisted) = match is_of_addresses {
            true => ("2.0.0.127", "1.0.0.127"),
            false => ("test", "invalid"),
        };
        let named = |own: &Option<Domain>, usual| own.clone().or_else(|| Domain::parse(usual).ok());
        let at = |name: Option<Domain>| Subject::Name(name?).name_at(list);
        let random = match is_of_addresses {
            true => random_label(),
            false => random_label().map(|label| label + ".invalid"),
        };
        let points = |name| list.test_points.then_some(name).flatten();
        Points {
            listed: points(at(named(&list.test_listed, listed))),
            unlisted: points(at(named(&list.test_unlisted, unlisted))),
            random: at(random.and_then(|name| Domain::parse(&name).ok())),
        }
    }
}

fn random_label() -> Option<String> {
    getrandom::u64().ok().map(|drawn| format!("x{drawn:016x}"))
}
