//! Joins what learns and what is tried in the shadow with the line that mail takes.
//!
//! In: judged mail. Out: lessons and trials, each beside the mail and after its verdict.

use std::sync::Arc;

use anyhow::Context;

use super::pipeline::Judging;
use super::start::blocking;
use crate::analysis::learning::Teacher;
use crate::analysis::learning::automatic::Observation;
use crate::analysis::shadow::{Judge, Opinion, Shadow};
use crate::analysis::{Likeness, Look};
use crate::cli::Trouble;
use crate::config::Config;
use crate::mail::{Disposition, Judgement, Mail, Order};
use crate::policy::{self, Judged};

/// The model in force, its teacher, and the shadow; kept over reloads.
#[derive(Debug, Clone)]
pub(super) struct Learning {
    pub(super) likeness: Arc<Likeness>,
    pub(super) teacher: Arc<Teacher>,
    pub(super) shadow: Arc<Shadow>,
}

impl Learning {
    /// Reads the model and begins.
    pub(super) async fn start(config: &Config) -> Result<Learning, Trouble> {
        let data_dir = config.system.data_dir.clone();
        let likeness = Arc::new(blocking(move || Ok(Likeness::in_dir(&data_dir))).await?);
        let teacher = Teacher::start(Arc::clone(&likeness), &config.learning)
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
        if look.unscanned {
            return;
        }
        let (findings, authenticated) = (&look.findings, &look.authenticated);
        let observation = Observation { findings, facts: &mail.facts, authenticated };
        self.teacher.observe(mail.id, &mail.content, &observation);
        let trial = (mail.id, &mail.content);
        self.shadow.consider(&judging.analysis, trial, findings, judge(judging, mail));
    }

    /// Gives the lessons that wait and writes what was learned. Blocks.
    pub(super) fn close(&self) {
        self.teacher.close();
        self.shadow.close();
    }
}

/// Policy as it is in force, for other findings of the same mail.
fn judge(judging: &Arc<Judging>, mail: &Mail<Judged>) -> Judge {
    let (judging, envelope) = (Arc::clone(judging), mail.envelope.clone());
    let (role, id) = (mail.facts.role, mail.id);
    Box::new(move |findings| {
        let look = Look { findings: findings.to_vec(), ..Look::default() };
        let judgement = policy::judgement_of(&envelope, role, id, &look, &judging.policy);
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
        Disposition::HoldUnscanned => (2, "hold"),
        Disposition::Defer { .. } => (3, "defer"),
        Disposition::Discard => (4, "discard"),
        Disposition::Reject { .. } => (5, "reject"),
    }
}
