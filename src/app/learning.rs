//! Joins what learns and what is tried in the shadow with the line that mail takes.
//!
//! In: judged mail, and what people say of mail. Out: lessons and trials, each beside the mail
//! and after its verdict; histories of senders that moved.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;

use super::pipeline::{Judging, Line};
use super::start::blocking;
use crate::admin::Hearing;
use crate::analysis::bulk::{Bulk, Label};
use crate::analysis::learning::Teacher;
use crate::analysis::learning::automatic::Observation;
use crate::analysis::shadow::{Judge, Opinion, Shadow};
use crate::analysis::{Likeness, Look, Statement};
use crate::cli::Trouble;
use crate::config::Config;
use crate::mail::{Class, Disposition, Finding, Judgement, Mail, Order, Verdict};
use crate::policy::{self, Judged};

/// A score that leaves no doubt, whatever the thresholds of the house are.
const SURELY_SPAM: f32 = 8.0;

/// What is surely malware.
const MALWARE: [&str; 2] = ["VIRUS_FOUND", "DIGEST_BLOCKED"];

/// The model in force, its teacher, and the shadow; kept over reloads.
#[derive(Debug, Clone)]
pub(super) struct Learning {
    pub(super) likeness: Arc<Likeness>,
    pub(super) teacher: Arc<Teacher>,
    pub(super) shadow: Arc<Shadow>,
}

/// What people say is heard by the analysis that a reload last put in force.
impl Hearing for Line {
    fn hear(&self, statement: &Statement<'_>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.judging.load().analysis.hear(statement, now.as_secs());
    }
}

impl Learning {
    /// Reads the model and begins.
    pub(super) async fn start(config: &Config, bulk: &Arc<Bulk>) -> Result<Learning, Trouble> {
        let data_dir = config.system.data_dir.clone();
        let likeness = Arc::new(blocking(move || Ok(Likeness::in_dir(&data_dir))).await?);
        let teacher =
            Teacher::start(Arc::clone(&likeness), &config.learning, Some(Arc::clone(bulk)))
                .context("cannot start the teacher")?;
        let shadow =
            Shadow::start(config.learning.shadow.as_ref()).context("cannot start the shadow")?;
        Ok(Learning { likeness, teacher, shadow })
    }

    pub(super) fn reload(&self, config: &Config) {
        self.teacher.reload(&config.learning);
        self.shadow.reload(config.learning.shadow.as_ref());
    }

    /// What follows a verdict and never waits: a lesson when the box is sure, and a trial of
    /// the candidate.
    pub(super) fn after(&self, judging: &Arc<Judging>, mail: &Mail<Judged>) {
        let judged = mail.stage();
        let look = judged.scanned().look();
        if look.unscanned || look.held_until_ms.is_some() {
            return;
        }
        let (findings, authenticated) = (&look.findings, &look.authenticated);
        let facts = look.relayed.as_ref().unwrap_or(&mail.facts);
        let observation = Observation { findings, facts, authenticated };
        self.teacher.observe(mail.id, &mail.content, &observation);
        if let Some(label) = known_bad(judged.judgement()) {
            self.teacher.remember(&mail.content, label);
        }
        let trial = (mail.id, &mail.content);
        self.shadow.consider(&judging.analysis, trial, findings, judge(judging, mail));
    }

    /// Gives the lessons that wait and writes what was learned. Blocks.
    pub(super) fn close(&self) {
        self.teacher.close();
        self.shadow.close();
    }
}

/// What is remembered of a mail that is kept from everybody: its next copy is known. What the
/// memory itself and the classifier said does not count, or both would feed themselves.
fn known_bad(judgement: &Judgement) -> Option<Label> {
    if judgement.findings.iter().any(|finding| MALWARE.contains(&finding.name.as_ref())) {
        return Some(Label::Malware);
    }
    let counts = |finding: &&Finding| {
        let of_memory = ["BULK_", "NEAR_", "ATTACHMENT_KNOWN", "CLASSIFIER_", "HISTORY_"];
        finding.class != Class::Equivocal
            && !of_memory.iter().any(|own| finding.name.starts_with(own))
    };
    let score: f32 = judgement.findings.iter().filter(counts).map(|finding| finding.score).sum();
    let is_kept = |fate: &Disposition| severity(fate).0 > 0;
    let may_count = !matches!(judgement.verdict, Verdict::Clean | Verdict::Malicious);
    let kept = may_count && judgement.dispositions.iter().all(is_kept);
    (kept && score >= SURELY_SPAM).then_some(Label::Spam)
}

/// Policy as it is in force, for other findings of the same mail.
fn judge(judging: &Arc<Judging>, mail: &Mail<Judged>) -> Judge {
    // The content is not needed, and would fill the budget until the trial is over.
    let (judging, envelope) = (Arc::clone(judging), Arc::clone(&mail.envelope));
    let (facts, id, octets) = (Arc::clone(&mail.facts), mail.id, mail.content.len());
    Box::new(move |findings| {
        let look = Look { findings: findings.to_vec(), ..Look::default() };
        let groups = policy::PartyGroups::default();
        let (envelope, facts, groups) = (&*envelope, &*facts, &groups);
        let case = policy::Case { envelope, facts, id, octets, groups };
        let judgement = policy::judgement_of(&case, &look, &judging.policy);
        opinion(&judgement)
    })
}

fn opinion(judgement: &Judgement) -> Opinion {
    let fate = judgement.dispositions.iter().map(severity).max().unwrap_or((0, "deliver"));
    let is_tagged = judgement.orders.iter().any(|order| matches!(order, Order::TagSubject(_)));
    let fate = match fate {
        (0, _) if is_tagged => "tag",
        (_, word) => word,
    };
    Opinion {
        verdict: judgement.verdict.to_string(),
        fate: fate.to_owned(),
        score: judgement.score,
    }
}

fn severity(disposition: &Disposition) -> (u8, &'static str) {
    match disposition {
        Disposition::Deliver => (0, "deliver"),
        Disposition::Quarantine { .. } => (1, "quarantine"),
        Disposition::Approval { .. } => (1, "approval"),
        Disposition::HoldUnscanned => (2, "hold"),
        Disposition::Defer { .. } => (3, "defer"),
        Disposition::Discard => (4, "discard"),
        Disposition::Reject { .. } => (5, "reject"),
    }
}
