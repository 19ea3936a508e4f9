//! The rules in force over mail that is still kept: archive, quarantine, spool.
//!
//! In: an [`InspectRequest`]. Out: [`InspectLine`]s: each mail on which content rules, markings
//! or rules of policy hit, from time to time how far it is, at last the counts.
//!
//! Each mail is looked into again as to its content; who sent it is taken from the judgement
//! that is kept with it, so that nobody on the network is asked. One mail at a time, and as
//! long a rest after each as it took: mail in reception goes before. One search of this kind
//! runs at a time, and ends when its reader has gone. A mail that cannot be read is counted.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use warp::reply::Response as Answer;

use super::desk::{Desk, DeskError, rfc3339};
use super::lines::{self, Gone, Lines};
use super::past::{ActingRow, InspectLine, InspectRequest, InspectRow, InspectSummary};
use super::replay::since;
use super::ruling::InForce;
use crate::analysis::{Look, Passage};
use crate::mail::{Content, Envelope, Facts, Finding, MailId, Role};
use crate::policy::Case;
use crate::policy::replay::{Acting, acting};

const TELL_EVERY: Duration = Duration::from_secs(1);
/// The longest rest after a mail.
const REST: Duration = Duration::from_secs(2);
/// Names of one kind that are counted one by one, such as users.
const COUNTED: usize = 10_000;
/// Findings that rules of policy make when they act.
const OF_RULES: &str = "POLICY_RULE";

/// Where kept mail lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Area {
    Archive,
    Quarantine,
    Spool,
}

impl Area {
    fn named(word: &str) -> Result<Area, DeskError> {
        match word {
            "archive" => Ok(Area::Archive),
            "quarantine" => Ok(Area::Quarantine),
            "spool" => Ok(Area::Spool),
            _ => Err(DeskError::Misspoken("area is archive, quarantine or spool".into())),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Area::Archive => "archive",
            Area::Quarantine => "quarantine",
            Area::Spool => "spool",
        }
    }
}

/// A mail that is to be looked into.
#[derive(Debug)]
struct Place {
    area: Area,
    id: MailId,
    /// The class of the archive.
    class: Option<String>,
}

/// The same with all that is kept of it.
#[derive(Debug)]
struct Kept {
    within: String,
    envelope: Envelope,
    facts: Facts,
    findings: Vec<Finding>,
    content: Content,
}

impl Desk {
    /// Begins to answer what the rules in force say of kept mail.
    pub(super) fn inspect(self: Arc<Self>, order: InspectRequest) -> Result<Answer, DeskError> {
        let areas: Result<Vec<Area>, DeskError> =
            order.areas.iter().map(|word| Area::named(word)).collect();
        let mut areas = areas?;
        if areas.is_empty() {
            areas = vec![Area::Archive, Area::Quarantine];
        }
        let now = self.ruling.in_force();
        let names = known_rules(&now);
        if let Some(wrong) = order.rules.iter().find(|name| !names.contains(name.as_str())) {
            return Err(DeskError::Misspoken(format!("there is no rule {wrong:?}")));
        }
        drop(names);
        let alone = self.search_alone()?;
        let (lines, answer) = lines::answer();
        tokio::spawn(async move {
            let search = Search { desk: self, now: Arc::new(now), order, lines };
            // The reader has gone; nobody is left to be told.
            let _ = search.run(areas).await;
            drop(alone);
        });
        Ok(answer)
    }

    fn places(&self, area: Area, since_ms: u64) -> Vec<Place> {
        let plain = |id: MailId| Place { area, id, class: None };
        match area {
            Area::Archive => {
                let names = self.archive.names(since_ms).into_iter();
                names.map(|(id, class)| Place { area, id, class: Some(class) }).collect()
            }
            Area::Quarantine => self.quarantine.names(since_ms).into_iter().map(plain).collect(),
            Area::Spool => {
                let all = self.spool.latest(Duration::MAX).into_iter();
                all.filter(|id| id.minted_at_ms() >= since_ms).map(plain).collect()
            }
        }
    }

    /// Blocks on the disk; `None` when it has gone meanwhile.
    fn take_out(&self, place: &Place) -> Result<Option<Kept>, DeskError> {
        Ok(match place.area {
            Area::Archive => {
                let archived = self.archive.load(place.id, place.class.as_deref())?;
                archived.map(|archived| Kept {
                    within: archived.entry.class,
                    envelope: archived.entry.envelope,
                    facts: archived.facts,
                    findings: archived.entry.judgement.findings,
                    content: archived.content,
                })
            }
            Area::Quarantine => self.quarantine.load(place.id)?.map(|held| Kept {
                within: held.area,
                envelope: held.envelope,
                facts: held.facts,
                findings: held.judgement.findings,
                content: held.content,
            }),
            Area::Spool => self.spool.load(place.id)?.map(|mail| Kept {
                within: String::new(),
                envelope: (*mail.envelope).clone(),
                facts: (*mail.facts).clone(),
                findings: mail.stage().judgement().findings.clone(),
                content: mail.content.clone(),
            }),
        })
    }
}

/// Names of content rules and of rules of policy.
fn known_rules(now: &InForce) -> HashSet<&str> {
    let content = now.analysis.rules().rules().iter().map(|rule| rule.id.as_str());
    content.chain(now.policy.rules().rules().map(|rule| rule.name.as_str())).collect()
}

/// One search.
struct Search {
    desk: Arc<Desk>,
    now: Arc<InForce>,
    order: InspectRequest,
    lines: Lines,
}

/// What one mail shows.
struct Seen {
    kept: Kept,
    look: Look,
}

impl Search {
    async fn run(&self, areas: Vec<Area>) -> Result<(), Gone> {
        let since_ms = self.order.days.map_or(0, since);
        let places: Vec<Place> =
            areas.into_iter().flat_map(|area| self.desk.places(area, since_ms)).collect();
        let of = places.len() as u64;
        let mut summary = InspectSummary::default();
        let mut told = Instant::now();
        for place in places {
            let (began, area, id) = (Instant::now(), place.area, place.id);
            match self.look(place).await {
                Ok(Some(seen)) => {
                    summary.mails += 1;
                    let row = self.row(area, id, &seen).await;
                    if self.is_asked_for(&row) {
                        count(&mut summary, &row, &seen.kept);
                        self.lines.put(&InspectLine::Mail(Box::new(row))).await?;
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(mail_id = %id, %error, "a kept mail cannot be looked into");
                    summary.unreadable_mails += 1;
                }
            }
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                self.lines.put(&InspectLine::Progress { mails: summary.mails, of }).await?;
            }
            tokio::time::sleep(began.elapsed().min(REST)).await;
        }
        self.lines.put(&InspectLine::Summary(summary)).await
    }

    /// Reads one mail and looks into it, away from the sessions' threads.
    async fn look(&self, place: Place) -> Result<Option<Seen>, DeskError> {
        let (desk, now) = (Arc::clone(&self.desk), Arc::clone(&self.now));
        let looking = tokio::task::spawn_blocking(move || {
            let Some(kept) = desk.take_out(&place)? else { return Ok(None) };
            let octets = kept.content.read_all()?;
            let passage = Passage { facts: &kept.facts, envelope: &kept.envelope };
            let mut look = now.analysis.look_at_content(&octets, Some(passage));
            let rules: HashSet<&str> =
                now.analysis.rules().rules().iter().map(|rule| rule.id.as_str()).collect();
            add_known(&mut look, &kept.findings, &rules);
            Ok(Some(Seen { kept, look }))
        });
        looking.await.unwrap_or(Err(DeskError::Broken))
    }

    async fn row(&self, area: Area, id: MailId, seen: &Seen) -> InspectRow {
        let Seen { kept, look } = seen;
        let policy = &self.now.policy;
        let groups = match policy.rules().asks_groups() {
            true => self.desk.ruling.groups_of(&kept.envelope).await,
            false => Default::default(),
        };
        let case = Case {
            envelope: &kept.envelope,
            facts: &kept.facts,
            id,
            octets: kept.content.len(),
            groups: &groups,
        };
        let recipients = kept.envelope.recipients.iter();
        InspectRow {
            area: area.word().to_owned(),
            within: kept.within.clone(),
            mail_id: id.to_string(),
            received: rfc3339(kept.facts.received_ms),
            reverse_path: kept.envelope.reverse_path.to_string(),
            forward_paths: recipients.map(|one| one.forward_path.to_string()).collect(),
            subject: look.summary.subject.clone(),
            content: look.content.clone(),
            markings: crate::analysis::markings::names(&look.markings),
            policy: acting(&case, look, policy).into_iter().map(ActingRow::from).collect(),
        }
    }

    fn is_asked_for(&self, row: &InspectRow) -> bool {
        let InspectRequest { rules, classes, .. } = &self.order;
        let is_named = |name: &String| rules.contains(name);
        let has_rule = rules.is_empty()
            || row.content.iter().any(|hit| is_named(&hit.rule))
            || row.policy.iter().any(|acting| is_named(&acting.rule));
        let has_class =
            classes.is_empty() || row.content.iter().any(|hit| classes.contains(&hit.class));
        let is_hit = !row.content.is_empty() || !row.markings.is_empty() || !row.policy.is_empty();
        has_rule && has_class && is_hit
    }
}

/// What was known of the mail and is not asked for again: who vouches, how the client behaved,
/// what scanners said. Of content rules what they say now counts.
fn add_known(look: &mut Look, known: &[Finding], rules: &HashSet<&str>) {
    let fresh: HashSet<String> =
        look.findings.iter().map(|finding| finding.name.to_string()).collect();
    let is_old = |finding: &&Finding| {
        let name = &*finding.name;
        name != OF_RULES && !rules.contains(name) && !fresh.contains(name)
    };
    look.findings.extend(known.iter().filter(is_old).cloned());
}

fn count(summary: &mut InspectSummary, row: &InspectRow, kept: &Kept) {
    summary.hit += 1;
    let classes: HashSet<String> = row.content.iter().map(|hit| hit.class.to_string()).collect();
    classes.into_iter().for_each(|class| one_more(&mut summary.classes, class));
    row.content.iter().for_each(|hit| one_more(&mut summary.content, hit.rule.clone()));
    row.markings.iter().for_each(|marking| one_more(&mut summary.markings, marking.clone()));
    row.policy.iter().for_each(|acting| one_more(&mut summary.policy, acting.rule.clone()));
    let sender = kept.envelope.reverse_path.address().map(|address| address.key());
    let users: HashSet<String> = match (kept.facts.role, sender) {
        (Role::Outbound | Role::Submission, Some(sender)) => HashSet::from([sender]),
        _ => kept.envelope.recipients.iter().map(|one| one.forward_path.key()).collect(),
    };
    users.into_iter().for_each(|user| one_more(&mut summary.users, user));
}

fn one_more(counts: &mut BTreeMap<String, u64>, name: String) {
    if counts.len() < COUNTED || counts.contains_key(&name) {
        *counts.entry(name).or_default() += 1;
    }
}

impl From<Acting> for ActingRow {
    fn from(acting: Acting) -> ActingRow {
        let Acting { rule, orders, recipients } = acting;
        ActingRow { rule, orders, recipients }
    }
}
