//! The way of a message through the stages: what needs nothing but the message first, with the
//! virus scanner beside it; then, together, whatever asks DNS; then what the box remembers of
//! who sent it; at last what builds on all of that.
//!
//! In: octets, and how they came. Out: a [`Look`]. A stage whose part is missing sees nothing.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::antivirus::{self, Carried, Failed, Freshness, outbreak};
use super::authentication::Outcome;
use super::content::{self, Inside, Outline};
use super::dmarc_reports::{self, Incoming};
use super::impersonation;
use super::links::{self, Links};
use super::lists::Listed;
use super::origin::Arrival;
use super::{Analysis, Authenticated, Failure, INLINE_OCTETS, Look, Passage, Sighting, authorship};
use crate::config::OnFailure;
use crate::mail::{Domain, Finding, Role};
use crate::message::Authorship;

/// Hosts of links that lists in DNS may be asked for; they choose among them.
const HOSTS: usize = 200;

impl Analysis {
    /// Looks with every stage.
    pub(super) async fn look_all(
        &self,
        octets: &Bytes,
        passage: Option<Passage<'_>>,
        freshness: Freshness,
    ) -> Result<Look, Failure> {
        let (whole, (mut look, deferral, inner), (seen, report)) = tokio::join!(
            self.look_for_viruses(octets, freshness),
            self.look_at_mail(octets, passage, freshness),
            self.look_for_report(octets, passage),
        );
        let viruses = self.with_rest(whole, inner, &look, freshness).await;
        look.whole = viruses.whole;
        self.let_go(&mut look);
        let (virus, unscanned) = settled(viruses)?;
        if let Some(why) = deferral {
            return Err(Failure::Defer(why));
        }
        look.findings.extend(self.weighed(seen.into_iter().chain(virus)));
        look.report = report;
        look.unscanned |= unscanned;
        self.hold_outbreak(&mut look, passage);
        Ok(look)
    }

    /// Looks into octets with every stage that has an answer now; a failing virus scanner is a
    /// finding.
    pub async fn scan_octets(&self, octets: Bytes, passage: Option<Passage<'_>>) -> Look {
        let freshness = Freshness::Remembered;
        let (whole, (mut look, _, inner)) = tokio::join!(
            self.look_for_viruses(&octets, freshness),
            self.look_at_mail(&octets, passage, freshness)
        );
        let viruses = self.with_rest(whole, inner, &look, freshness).await;
        look.whole = viruses.whole;
        self.let_go(&mut look);
        let failed = viruses.failed.iter().map(|failed| antivirus::unavailable(&failed.error));
        let failed: Vec<Sighting> = failed.take(1).collect();
        look.findings.extend(self.weighed(viruses.sightings.into_iter().chain(failed)));
        look
    }

    fn weighed(&self, seen: impl IntoIterator<Item = Sighting>) -> Vec<Finding> {
        seen.into_iter().map(|sighting| self.desk.weights.weigh(sighting)).collect()
    }

    /// Everything but reports and viruses in the message as a whole; why the mail must come
    /// again, if it must; and what scanners say of the files in it.
    async fn look_at_mail(
        &self,
        octets: &Bytes,
        passage: Option<Passage<'_>>,
        freshness: Freshness,
    ) -> (Look, Option<String>, antivirus::Outcome) {
        let arrival = passage
            .map_or(Arrival::Direct, |passage| Arrival::of(&self.settings, octets, passage.facts));
        // From here on the client is the first one that is not the house's own.
        let passage =
            passage.map(|passage| Passage { facts: arrival.facts(passage.facts), ..passage });
        let asked = passage.filter(|_| arrival != Arrival::Unknown);
        let mut inside = self.look_inside(octets, passage).await;
        let author_domain = match &inside.look.author {
            Authorship::One(mailbox) => mailbox.address.domain(),
            _ => None,
        };
        let carried = Arc::new(std::mem::take(&mut inside.carried));
        let (sender, listed, viruses) = tokio::join!(
            self.look_for_sender(octets, passage),
            self.ask_lists(asked, &inside.links, author_domain),
            self.look_for_inner_viruses(&carried, freshness),
        );
        inside.look.carried = carried;
        let deferral = self.add_sender(&mut inside.look, sender);
        self.settle_author(&mut inside.look, passage);
        inside.look.findings.extend(listed);
        self.recognize(&mut inside.look, passage);
        // Where nobody was asked who vouches, that nobody does says nothing.
        let was_asked = self.authentication.as_ref().zip(passage);
        let authenticated = was_asked
            .is_some_and(|(authentication, passage)| authentication.is_asked_about(&passage))
            .then(|| inside.look.authenticated.clone());
        let is_new = inside.look.acquaintance.newness();
        let pretence = inside.pretence(&self.desk, authenticated.as_ref(), is_new);
        inside.look.findings.extend(pretence);
        if authenticated.as_ref().is_some_and(Authenticated::speaks_for_author) {
            links::ease(&mut inside.look.findings);
        }
        inside.look.orders.extend(impersonation::banner(&self.banner, is_new));
        if let Arrival::Relayed(facts) = arrival {
            inside.look.relayed = Some(facts);
        }
        (inside.look, deferral, viruses)
    }

    /// Whether a name that is somebody else's address refuses the mail. Own mail is not asked
    /// who vouches for it: the house does.
    fn settle_author(&self, look: &mut Look, passage: Option<Passage<'_>>) {
        let may_claim = [authorship::IS_ADDRESS, authorship::HOLDS_ADDRESS];
        let found = look.findings.iter_mut().find(|one| may_claim.contains(&one.name.as_ref()));
        let (Some(found), Some(passage)) = (found, passage) else { return };
        let is_ours = |host: &str| self.desk.site.is_own(host);
        let author_domain = match &look.author {
            Authorship::One(mailbox) => mailbox.address.domain(),
            _ => None,
        };
        let own = Authenticated {
            vouching: author_domain.into_iter().cloned().collect(),
            ..Authenticated::default()
        };
        let settled = match passage.facts.role {
            Role::Inbound => authorship::settle(&look.author, &look.authenticated, is_ours),
            // Among themselves people of the house need no protection.
            Role::Outbound | Role::Submission => authorship::settle(&look.author, &own, |_| false),
        };
        // A name that holds more than the address is milder than any of its outcomes but one.
        let settled = settled.filter(|sighting| {
            found.name == authorship::IS_ADDRESS || sighting.name == authorship::IS_ADDRESS
        });
        if let Some(sighting) = settled {
            *found = self.desk.weights.weigh(sighting);
        }
    }

    async fn look_inside(&self, octets: &Bytes, passage: Option<Passage<'_>>) -> Inside {
        let is_small = octets.len() as u64 <= INLINE_OCTETS;
        let outline = is_small.then(|| Outline::of(octets));
        let outline = match outline {
            Some(outline) if !outline.carries_files() => {
                return content::look_into(&self.desk, outline, passage);
            }
            outline => outline,
        };
        // Large ones have their turn already.
        let _turn = if is_small { self.large.acquire().await.ok() } else { None };
        let desk = Arc::clone(&self.desk);
        let octets = octets.clone();
        let way = passage.map(|passage| (passage.facts.clone(), passage.envelope.clone()));
        let inside = tokio::task::spawn_blocking(move || {
            let passage = way.as_ref().map(|(facts, envelope)| Passage { facts, envelope });
            let outline = outline.unwrap_or_else(|| Outline::of(&octets));
            content::look_into(&desk, outline, passage)
        });
        let failed = |error: tokio::task::JoinError| error.to_string();
        let inside = inside.await;
        let mut inside =
            inside.unwrap_or_else(|error| content::failed(&self.desk.weights, failed(error)));
        // In the message's turn, so that no more files are unpacked than there is room for.
        inside.carried.take_room(&self.files_room).await;
        inside
    }

    /// What DNS lists say of the client, the sender and the hosts of links.
    async fn ask_lists(
        &self,
        passage: Option<Passage<'_>>,
        links: &Links,
        author_domain: Option<&Domain>,
    ) -> Vec<Finding> {
        let Some(reputation) = &self.reputation else { return Vec::new() };
        let hosts = links.followed().filter_map(|link| link.host.as_ref());
        let mut hosts: Vec<String> = hosts.take(HOSTS).map(ToString::to_string).collect();
        hosts.sort_unstable();
        hosts.dedup();
        self.weighed(reputation.look(passage, &hosts, author_domain).await)
    }

    /// Who sent it; nothing for a message in a file.
    async fn look_for_sender(&self, octets: &Bytes, passage: Option<Passage<'_>>) -> Outcome {
        match (&self.authentication, passage) {
            (Some(authentication), Some(passage)) => authentication.check(octets, &passage).await,
            _ => Outcome::default(),
        }
    }

    fn add_sender(&self, look: &mut Look, sender: Outcome) -> Option<String> {
        look.findings.extend(self.weighed(sender.sightings));
        look.orders.extend(sender.orders);
        look.authenticated = sender.authenticated;
        look.demand = sender.demand;
        look.observation = sender.observation;
        sender.deferral
    }

    /// How the client behaved, what the box remembers of the sender and what the lists say of
    /// it.
    fn recognize(&self, look: &mut Look, passage: Option<Passage<'_>>) {
        let Some(passage) = passage else { return };
        let seen = self.etiquette.as_ref().map(|etiquette| etiquette.look(passage));
        look.findings.extend(self.weighed(seen.unwrap_or_default()));
        let (seen, listed) = self.lists.look(passage, &look.author, &look.authenticated);
        look.findings.extend(self.weighed(seen));
        look.listed = listed;
        let Some(history) = &self.history else { return };
        let now_s = passage.facts.received_ms / 1_000;
        let (seen, acquaintance) = history.look(passage, &look.author, &look.authenticated, now_s);
        look.findings.extend(self.weighed(seen));
        look.acquaintance = acquaintance;
    }

    /// The DMARC report in a mail to the address for reports.
    async fn look_for_report(
        &self,
        octets: &Bytes,
        passage: Option<Passage<'_>>,
    ) -> (Option<Sighting>, Option<Arc<Incoming>>) {
        if !passage.is_some_and(|passage| dmarc_reports::is_for_reports(&self.reports, &passage)) {
            return (None, None);
        }
        let _turn = self.reading.acquire().await.ok();
        let (settings, own) = (self.reports.clone(), self.own_domains.clone());
        let octets = octets.clone();
        let now_ms = now_ms();
        let work = move || dmarc_reports::look(&settings, &own, &octets, now_ms);
        tokio::task::spawn_blocking(work).await.unwrap_or((None, None))
    }

    /// What scanners and lists of digests say of the message as a whole.
    async fn look_for_viruses(&self, octets: &Bytes, freshness: Freshness) -> antivirus::Outcome {
        match &self.antivirus {
            Some(antivirus) => antivirus.look_at_whole(octets, freshness).await,
            None => antivirus::Outcome::of(antivirus::absent()),
        }
    }

    /// The same of the files in it.
    async fn look_for_inner_viruses(
        &self,
        carried: &Carried,
        freshness: Freshness,
    ) -> antivirus::Outcome {
        match &self.antivirus {
            Some(antivirus) => antivirus.look_at_files(carried, freshness).await,
            None => antivirus::Outcome::default(),
        }
    }

    /// Both together, and then the files that came to the engines with the message: by
    /// themselves too, for an engine may have read it otherwise.
    async fn with_rest(
        &self,
        whole: antivirus::Outcome,
        inner: antivirus::Outcome,
        look: &Look,
        freshness: Freshness,
    ) -> antivirus::Outcome {
        let both = whole.and(inner);
        match &self.antivirus {
            Some(antivirus) if both.failed.is_empty() => {
                let rest = antivirus.look_at_rest(&look.carried, &both, freshness).await;
                both.and(rest)
            }
            _ => both,
        }
    }

    /// After the scans only what is scanned again when signatures change is held.
    fn let_go(&self, look: &mut Look) {
        let Some(carried) = Arc::get_mut(&mut look.carried) else { return };
        let rescans = self.antivirus.as_ref().is_some_and(|antivirus| {
            let settings = antivirus.settings();
            settings.has_engine() && settings.rescan.keep_days > 0
        });
        carried.keep_only(|one| rescans && one.is_kept());
    }

    /// Whether a stranger's risky files wait for newer signatures.
    fn hold_outbreak(&self, look: &mut Look, passage: Option<Passage<'_>>) {
        let settings = self.antivirus.as_ref().map(|antivirus| antivirus.settings());
        let settings = settings.filter(|settings| settings.holds_outbreaks());
        let (Some(settings), Some(passage)) = (settings, passage) else { return };
        let is_trusted =
            !look.listed.is_empty() && look.listed.iter().all(|listed| *listed == Listed::Trusted);
        if is_trusted {
            return;
        }
        let facts = look.relayed.as_ref().unwrap_or(passage.facts);
        let sender = outbreak::Sender {
            passage: Passage { facts, ..passage },
            authenticated: &look.authenticated,
            acquaintance: self.history.as_ref().map(|_| look.acquaintance),
        };
        let held = outbreak::look(&settings.outbreak, &look.contents, &sender, now_ms());
        if let Some((until_ms, sighting)) = held {
            look.findings.push(self.desk.weights.weigh(sighting));
            look.held_until_ms = Some(until_ms);
        }
    }
}

/// What scanners saw, and whether the mail must be scanned again. What they failed to see does
/// not matter once they saw something.
fn settled(viruses: antivirus::Outcome) -> Result<(Vec<Sighting>, bool), Failure> {
    let is_infected = viruses.is_infected();
    let mut seen = viruses.sightings;
    let mut must_wait = false;
    let mut told = Vec::new();
    for Failed { error, on_failure } in viruses.failed.into_iter().filter(|_| !is_infected) {
        // Several files may have met the same failure.
        if told.contains(&on_failure) {
            continue;
        }
        told.push(on_failure);
        tracing::warn!(%error, ?on_failure, "virus scan failed");
        match on_failure {
            OnFailure::Defer => return Err(Failure::Defer(error.to_string())),
            OnFailure::Hold => {
                must_wait = true;
                seen.push(antivirus::unavailable(&error));
            }
            OnFailure::Deliver => seen.push(antivirus::failed(&error)),
        }
    }
    Ok((seen, must_wait))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
