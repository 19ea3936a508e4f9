//! Scan, judge, commit: what happens between end of data and its reply, and again for mail
//! that was accepted unscanned.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::aftercare::Keeper;
use super::dmarc::Clerk;
use super::learning::Learning;
use super::policy::groups_of;
use crate::action::errands::Errands;
use crate::action::limits::{Charge, charge};
use crate::action::windows::{Together, Windows};
use crate::admin::{Asking, InForce};
use crate::analysis::{Analysis, Failure, Look, Passage};
use crate::config::RateLimited;
use crate::directory::Directories;
use crate::journal::{Event, Journal};
use crate::mail::{About, Disposition, EnhancedCode, Envelope, Mail, MailId, Receipt, Reply, Role};
use crate::policy::rules::Groups;
use crate::policy::{self, Judged, PartyGroups, PolicySet, Refusal};
use crate::session::{Decision, Pipeline, Received};
use crate::spool::{CommitError, Spool};

/// What a reload replaces as a whole.
#[derive(Debug)]
pub(super) struct Judging {
    pub(super) analysis: Arc<Analysis>,
    pub(super) policy: PolicySet,
    /// What becomes of mail from outside beyond a limit.
    pub(super) rate_limited: RateLimited,
    /// What rules can ask is kept in the journal.
    pub(super) inspections: Inspections,
    /// That the site's own rules may speak of.
    pub(super) groups: Groups,
}

/// Whether the journal keeps what rules can ask of a mail, so that they can be asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inspections {
    Kept,
    Forgotten,
}

impl Judging {
    /// What the journal is told of a judged mail beside the judgement.
    pub(super) fn inspected(&self, case: &policy::Case<'_>, look: &Look) -> Option<Event> {
        let inspection = || Box::new(policy::inspection(case, look, &self.policy));
        (self.inspections == Inspections::Kept).then(|| Event::Inspected(inspection()))
    }
}

/// Where mail from outside is kept that a limit does not let through.
const LIMITED_AREA: &str = "rate-limited";

/// The rooms between session and delivery.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) judging: ArcSwap<Judging>,
    /// Who there is: recipients, groups, passwords.
    pub(super) directories: ArcSwap<Directories>,
    pub(super) spool: Arc<Spool>,
    pub(super) journal: Arc<Journal>,
    pub(super) learning: Learning,
    pub(super) dmarc: Arc<Clerk>,
    pub(super) keeper: Arc<Keeper>,
    pub(super) errands: Arc<Errands>,
    /// What limits have counted; outlives a reload.
    pub(super) windows: Arc<Windows>,
}

impl crate::admin::Acquainted for Line {
    fn directories(&self) -> Arc<Directories> {
        self.directories.load_full()
    }
}

impl crate::admin::Ruling for Line {
    fn in_force(&self) -> InForce {
        let judging = self.judging.load();
        InForce {
            policy: judging.policy.clone(),
            analysis: Arc::clone(&judging.analysis),
            groups: judging.groups.clone(),
        }
    }

    fn groups_of<'a>(&'a self, envelope: &'a Envelope) -> Asking<'a, PartyGroups> {
        Box::pin(async move {
            let known = groups_of(&self.directories.load_full(), envelope).await;
            known.unwrap_or_else(|why| {
                tracing::warn!(why, "kept mail is asked about without groups");
                PartyGroups::default()
            })
        })
    }
}

impl Pipeline for Line {
    async fn process(&self, mail: Mail<Received>) -> Decision {
        let id = mail.id;
        let judging = self.judging.load_full();
        // An early no costs the sender a retry and the box nothing.
        if self.spool.is_full() {
            return Decision::Refused(no_space());
        }
        let scanned = match judging.analysis.scan(mail).await {
            Ok(scanned) => scanned,
            Err(Failure::Defer(why)) => return Decision::Refused(not_now(id, &why)),
        };
        let groups = match self.groups_of(&judging, &scanned.envelope).await {
            Ok(groups) => groups,
            Err(why) => return Decision::Refused(not_now(id, &why)),
        };
        let judged = policy::judge(scanned, &groups, &judging.policy);
        let judgement = Arc::clone(judged.stage().judgement());
        self.journal.record(id, Event::judged(&judgement));
        let look = judged.stage().scanned().look();
        if let Some(event) = judging.inspected(&policy::Case::of(&judged, &groups), look) {
            self.journal.record(id, event);
        }
        if let Some(refusal) = policy::refusal(&judgement) {
            if let Refusal::Rejected(_) = refusal {
                // Refused mail is not kept: what is ordered beside is done before the sender
                // is told, or the sender comes again.
                let about = About::of(&judged, &judgement);
                if let Err(why) = self.errands.run(about).await {
                    return Decision::Refused(not_now(id, &why));
                }
                remember(&judging, &judged, judged.stage());
                self.dmarc.observe(look, &judgement, &judged.envelope);
                self.learning.after(&judging, &judged);
            }
            return Decision::Refused(refusal.reply().clone());
        }
        if let Some(reply) = come_again(&judging, &judged) {
            return Decision::Refused(reply);
        }
        let (judged, charge) = match self.limit(&judging, judged) {
            Ok(within) => within,
            Err(reply) => return Decision::Refused(reply),
        };
        let look = judged.stage().scanned().look();
        // What was asked to come again is observed, and learned from, when it has.
        self.learning.after(&judging, &judged);
        self.dmarc.observe(look, &judgement, &judged.envelope);
        if let Err(error) = self.dmarc.file(look, &judgement, &judged.envelope).await {
            charge.give_back(&self.windows);
            return Decision::Refused(not_now(id, &error.to_string()));
        }
        let committed = self.spool.commit(judged).await;
        if committed.is_err() {
            charge.give_back(&self.windows);
        }
        match committed {
            Ok(spooled) => {
                if let Some(stage) = spooled.stage().judged() {
                    let look = stage.scanned().look();
                    // What waits is remembered when it is known what it is.
                    if look.held_until_ms.is_none() {
                        remember(&judging, &spooled, stage);
                    }
                    if stage.judgement().dispositions.contains(&Disposition::Deliver) {
                        self.keeper.keep(&judging, id, &spooled.envelope, look);
                    }
                }
                self.journal.record(id, Event::Committed);
                Decision::Accepted(Receipt::of(&spooled))
            }
            Err(CommitError::Full) => Decision::Refused(no_space()),
            Err(error) => {
                tracing::error!(mail_id = %id, %error, "cannot commit");
                let text = format!("local trouble, try again later; reference {id}");
                Decision::Refused(Reply::new(451, EnhancedCode(4, 3, 0), text))
            }
        }
    }
}

impl Line {
    /// Directories are asked only when there are rules that want to know.
    pub(super) async fn groups_of(
        &self,
        judging: &Judging,
        envelope: &Envelope,
    ) -> Result<PartyGroups, String> {
        match judging.policy.rules().asks_groups() {
            true => groups_of(&self.directories.load_full(), envelope).await,
            false => Ok(PartyGroups::default()),
        }
    }

    /// Counts the mail. Beyond a limit own people, and others where it is configured so, read
    /// 451; otherwise what comes from outside is kept from its recipients.
    fn limit(
        &self,
        judging: &Judging,
        mail: Mail<Judged>,
    ) -> Result<(Mail<Judged>, Charge), Reply> {
        let is_put_off =
            mail.facts.role != Role::Inbound || judging.rate_limited == RateLimited::Defer;
        let together = if is_put_off { Together::AllOrNone } else { Together::Each };
        let judgement = Arc::clone(mail.stage().judgement());
        let about = About::of(&mail, &judgement);
        let charge = charge(&self.windows, about, together, mail.facts.received_ms);
        let (id, mut mail) = (mail.id, mail);
        for over in &charge.over {
            let note = |consequence: String| {
                let (limit, counted) = (over.limit.clone(), over.counted.clone());
                self.journal.record(id, Event::RateLimited { limit, counted, consequence });
            };
            if is_put_off {
                // RFC 3463 section 3.8: not authorized, for now.
                let text =
                    format!("too many messages: {}; try again later; reference {id}", over.words);
                let reply = Reply::new(451, EnhancedCode(4, 7, 1), text);
                note(reply.to_string());
                return Err(reply);
            }
            mail = mail.advance(|judged| judged.keep_back(&over.recipients, LIMITED_AREA));
            note(format!("kept in {LIMITED_AREA}"));
        }
        Ok((mail, charge))
    }
}

/// History learns what became of a mail.
fn remember<S>(judging: &Judging, mail: &Mail<S>, stage: &Judged) {
    if let Some(history) = judging.analysis.history() {
        let look = stage.scanned().look();
        let facts = look.relayed.as_ref().unwrap_or(&mail.facts);
        let passage = Passage { facts, envelope: &mail.envelope };
        let now_s = mail.facts.received_ms / 1_000;
        history.record(passage, look, stage.judgement(), now_s);
    }
}

/// The answer to a doubtful mail from a stranger. An own relay is none, whoever is in front
/// of it: it would only queue the mail and bring it again.
fn come_again(judging: &Judging, mail: &Mail<Judged>) -> Option<Reply> {
    let passage = Passage { facts: &mail.facts, envelope: &mail.envelope };
    let (look, judgement) = (mail.stage().scanned().look(), mail.stage().judgement());
    let now_s = mail.facts.received_ms / 1_000;
    let greylist = judging.analysis.greylist()?;
    greylist.at_end_of_data(passage, look, judgement, &mail.content, now_s)
}

/// RFC 3463: 4.3.1, mail system full.
fn no_space() -> Reply {
    Reply::new(452, EnhancedCode(4, 3, 1), "insufficient system storage, try again later")
}

fn not_now(id: MailId, why: &str) -> Reply {
    tracing::warn!(mail_id = %id, why, "analysis not possible now, the sender shall try again");
    let text = format!("the message cannot be inspected now, try again later; reference {id}");
    Reply::new(451, EnhancedCode(4, 7, 1), text)
}
