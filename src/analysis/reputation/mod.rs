//! What lists in DNS say of a mail: of its client, its senders and the hosts in its links.
//!
//! In: how the mail came, hosts, the author's domain; `[reputation]`. Out: `CLIENT_LISTED`,
//! `CLIENT_ALLOWED`, `HOST_LISTED`, `SENDER_LISTED`, one a list, whose strength is the weight
//! of the return codes. All lists are asked at once and the whole is bounded in time and
//! questions; answers are kept as long as the shared resolver keeps them. A list that does not
//! answer is left alone ([`crate::net::breaker`]), one that cannot be believed is out of use ([`health`]);
//! both are told as events. Only inbound mail of clients that are not exempt is asked about.
//!
//! Standard: RFC 5782. Never fails: what is not known is not a finding.

mod answer;
pub mod health;
mod list;
mod question;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Passage, Sighting};
use crate::config::{Config, ListKind};
use crate::mail::{Domain, Role};
use crate::net::resolver::Resolve;
use answer::Reading;
use health::Opinion;
use list::List;
use question::{Discretion, Topics};

/// How often [`Reputation::watch`] looks whether a check is due.
const WATCH_EVERY: Duration = Duration::from_secs(5);
/// Listed subjects that a detail names.
const NAMED: usize = 3;

/// The lists of a configuration.
#[derive(Debug)]
pub struct Reputation {
    lists: Vec<Arc<List>>,
    exempt: Vec<IpNet>,
    discretion: Discretion,
    timeout: Duration,
}

/// How a list fares, for the administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The list's zone.
    pub zone: Domain,
    /// What its test points said.
    pub opinion: Opinion,
    /// It does not answer and is left alone for the moment.
    pub left_alone: bool,
}

/// A subject that a list lists.
struct Hit {
    list: usize,
    role: &'static str,
    subject: String,
    weight: f32,
    codes: Vec<Ipv4Addr>,
}

impl Reputation {
    /// The lists of `[reputation]`; asks nothing yet.
    pub fn new(config: &Config, resolver: Arc<dyn Resolve>) -> Arc<Reputation> {
        let own = &config.reputation;
        let lists = own.list.iter();
        let lists = lists.map(|list| List::new(list.clone(), own, Arc::clone(&resolver))).collect();
        let protected = config.domain.iter().map(|domain| domain.name.clone());
        Arc::new(Reputation {
            lists,
            exempt: own.exempt.clone().unwrap_or_else(|| config.limits.exempt.clone()),
            discretion: Discretion {
                domains: protected.chain(own.ignore.iter().cloned()).collect(),
                ask_private: own.ask_private,
                hosts: own.hosts_per_message,
            },
            timeout: own.timeout(),
        })
    }

    /// Whether any list is named.
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// How each list fares.
    pub fn standings(&self) -> Vec<Standing> {
        let standing = |list: &Arc<List>| {
            let (opinion, left_alone) = list.standing();
            Standing { zone: list.config.zone.clone(), opinion, left_alone }
        };
        self.lists.iter().map(standing).collect()
    }

    /// Asks every list at once. Without a passage, as for a message in a file, only what the
    /// message itself holds is asked about.
    pub async fn look(
        &self,
        passage: Option<Passage<'_>>,
        hosts: &[String],
        author_domain: Option<&Domain>,
    ) -> Vec<Sighting> {
        if self.is_empty() || passage.is_some_and(|passage| self.is_none_of_ours(passage)) {
            return Vec::new();
        }
        let topics = Topics::of(passage, hosts, author_domain, &self.discretion);
        let mut asking = JoinSet::new();
        for (at, list) in self.lists.iter().enumerate() {
            let questions = topics.questions(&list.config);
            if questions.is_empty() || !list.is_open_to_questions() {
                continue;
            }
            for question in questions {
                let list = Arc::clone(list);
                asking.spawn(async move {
                    let reading = list.ask(&question.subject).await;
                    (at, question, reading)
                });
            }
        }
        let mut hits = Vec::new();
        let all = async {
            while let Some(joined) = asking.join_next().await {
                let Ok((list, question, Some(Reading::Listed { weight, codes }))) = joined else {
                    continue;
                };
                let subject = question.subject.to_string();
                hits.push(Hit { list, role: question.role, subject, weight, codes });
            }
        };
        // What has not answered by then is left out; the rest counts.
        let _ = tokio::time::timeout(self.timeout, all).await;
        self.sightings(hits)
    }

    fn is_none_of_ours(&self, passage: Passage<'_>) -> bool {
        let client: IpAddr = passage.facts.client.to_canonical();
        let exempt = self.exempt.iter().any(|network| network.contains(&client));
        passage.facts.role != Role::Inbound || exempt
    }

    /// One sighting a list: as strong as its heaviest hit.
    fn sightings(&self, mut hits: Vec<Hit>) -> Vec<Sighting> {
        hits.retain(|hit| hit.weight > 0.0);
        hits.sort_by(|one, other| {
            let heavier = other.weight.total_cmp(&one.weight);
            one.list.cmp(&other.list).then(heavier).then_with(|| one.subject.cmp(&other.subject))
        });
        let of_a_list = hits.chunk_by(|one, other| one.list == other.list);
        of_a_list.filter_map(|hits| self.sighting(hits)).collect()
    }

    fn sighting(&self, hits: &[Hit]) -> Option<Sighting> {
        let heaviest = hits.first()?;
        let config = &self.lists.get(heaviest.list)?.config;
        let name = match config.kind {
            ListKind::Client => "CLIENT_LISTED",
            ListKind::ClientAllow => "CLIENT_ALLOWED",
            ListKind::Host | ListKind::HostAddress => "HOST_LISTED",
            ListKind::Sender => "SENDER_LISTED",
        };
        let named: Vec<String> = hits.iter().take(NAMED).map(Hit::in_words).collect();
        let more = match hits.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let detail = format!("{} lists {}{more}", config.zone, named.join(", "));
        Some(Sighting::strong(name, heaviest.weight, detail))
    }

    /// Checks the lists at start and whenever that is due, until told to stop or until nobody
    /// else holds the lists any more, as after a reload.
    pub async fn watch(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let lists: Weak<Reputation> = Arc::downgrade(&self);
        drop(self);
        loop {
            let Some(reputation) = lists.upgrade() else { return };
            reputation.check_due().await;
            drop(reputation);
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(WATCH_EVERY) => {}
            }
        }
    }

    /// Makes the first check where there was none, and lets what is due begin.
    async fn check_due(&self) {
        let mut checks = JoinSet::new();
        for list in &self.lists {
            if list.is_open_to_questions() {
                let list = Arc::clone(list);
                checks.spawn(async move { list.is_known_well().await });
            }
        }
        while checks.join_next().await.is_some() {}
    }
}

impl Hit {
    fn in_words(&self) -> String {
        let codes: Vec<String> = self.codes.iter().take(8).map(Ipv4Addr::to_string).collect();
        format!("{} {} ({})", self.role, self.subject, codes.join(" "))
    }
}
