//! A candidate model, weights or rules tried on live mail, unseen: it changes nothing, it only
//! tells where it would have judged otherwise.
//!
//! In: judged mail, its findings, and how policy would judge others. Out: a [`Report`]: counts
//! by pairs of opinions and the latest mail on which they differ. Runs on a thread of its own
//! after the verdict; a short queue is left out when full, so mail never waits for it. The
//! content stages run twice for each mail, once as they are in force and once as the
//! candidate; what the other stages found is taken as it is and weighed by the candidate.
//!
//! Counts begin anew with the process and with another candidate. Nothing here fails: mail
//! that cannot be read is counted.

mod report;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

pub use report::{Difference, Opinion, PairCount, Report};

use super::likeness::Likeness;
use super::rules::{RuleError, RuleSet};
use super::weights::Weights;
use super::{Analysis, Desk, answers, content};
use crate::config::{Config, Shadow as Settings};
use crate::mail::{Content, Finding, MailId};
use crate::message::contents::Limits;

/// Mails that wait for the candidate. Each may hold a message in memory.
const WAITING: usize = 64;
/// Longer messages are left out: the queue holds them in memory.
const TRIED_OCTETS: u64 = 2 << 20;

/// What policy makes of findings, for one mail.
pub type Judge = Box<dyn Fn(&[Finding]) -> Opinion + Send>;

/// The stages as `[learning.shadow]` would have them; none without that section.
pub(super) fn candidate(
    config: &Config,
    data_dir: Option<&Path>,
    live: &Desk,
) -> Result<Option<Desk>, RuleError> {
    let Some(settings) = &config.learning.shadow else { return Ok(None) };
    let dirs = [config.content.dirs.as_slice(), settings.rules.as_slice()].concat();
    let rules = match settings.rules.is_empty() {
        true => Arc::clone(&live.rules),
        // Not in the data directory: the patterns in force are kept there.
        false => {
            let content = &config.content;
            let lookups = answers::lookups(data_dir);
            RuleSet::load_packs(&content.packs, &dirs, &content.disabled, None, lookups)?
        }
    };
    let is_rule = |name: &str| rules.rules().iter().any(|rule| rule.id == name);
    let weights = match &settings.weights {
        None => Weights::load(&dirs, data_dir, is_rule)?,
        Some(file) => Weights::load_tuned(&dirs, Some(file), is_rule)?,
    };
    let likeness = match &settings.model {
        Some(file) => Arc::new(Likeness::in_file(file.clone())),
        None => Arc::clone(&live.likeness),
    };
    // What the live desk does with files has no part in a comparison of scores.
    let unpacking = Limits { kept_octets: 0, ..live.unpacking };
    let live = live.clone();
    Ok(Some(Desk { rules, weights, likeness, unpacking, hashes_files: false, ..live }))
}

/// One judged mail.
struct Trial {
    mail_id: MailId,
    content: Content,
    findings: Vec<Finding>,
    analysis: Arc<Analysis>,
    judge: Judge,
}

enum Task {
    Try(Box<Trial>),
    Close,
}

/// Tries the candidate.
#[derive(Debug)]
pub struct Shadow {
    queue: SyncSender<Task>,
    thread: Mutex<Option<JoinHandle<()>>>,
    account: Arc<Mutex<Account>>,
}

/// What is counted, and for which candidate.
#[derive(Debug, Default)]
struct Account {
    settings: Option<Settings>,
    report: Report,
}

fn lock(account: &Mutex<Account>) -> MutexGuard<'_, Account> {
    // Counts are whole between any two statements.
    account.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shadow {
    /// Begins to try what mails are given.
    pub fn start(settings: Option<&Settings>) -> std::io::Result<Arc<Shadow>> {
        let (queue, tasks) = sync_channel(WAITING);
        let account = Arc::new(Mutex::new(Account::default()));
        let counted = Arc::clone(&account);
        let thread = std::thread::Builder::new()
            .name("shadow".into())
            .spawn(move || work(&tasks, &counted))?;
        let shadow = Shadow { queue, thread: Mutex::new(Some(thread)), account };
        shadow.reload(settings);
        Ok(Arc::new(shadow))
    }

    /// Another candidate begins with empty counts; the same one goes on.
    pub fn reload(&self, settings: Option<&Settings>) {
        let mut account = lock(&self.account);
        if account.settings.as_ref() != settings {
            account.report = Report::begun(jiff::Timestamp::now().to_string());
            account.settings = settings.cloned();
        }
    }

    /// What was counted so far; none without a candidate.
    pub fn report(&self) -> Option<Report> {
        let account = lock(&self.account);
        account.settings.is_some().then(|| account.report.clone())
    }

    /// Tries the candidate on a judged mail, later. Never waits.
    pub fn consider(
        &self,
        analysis: &Arc<Analysis>,
        (mail_id, content): (MailId, &Content),
        findings: &[Finding],
        judge: Judge,
    ) {
        if analysis.candidate.is_none() {
            return;
        }
        let trial = Trial {
            mail_id,
            content: content.clone(),
            findings: findings.to_vec(),
            analysis: Arc::clone(analysis),
            judge,
        };
        let fits = content.len() <= TRIED_OCTETS;
        let sent = if fits { self.queue.try_send(Task::Try(Box::new(trial))) } else { Ok(()) };
        if !fits || matches!(sent, Err(TrySendError::Full(_))) {
            lock(&self.account).report.left_out += 1;
        }
    }

    /// Ends after what waits. Blocks.
    pub fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        let _ = self.queue.send(Task::Close);
        if thread.join().is_err() {
            tracing::error!("the shadow broke off");
        }
    }
}

fn work(tasks: &Receiver<Task>, account: &Mutex<Account>) {
    while let Ok(Task::Try(trial)) = tasks.recv() {
        let Some((live, candidate, reasons)) = attempt(&trial) else {
            lock(account).report.left_out += 1;
            continue;
        };
        let differs = live.key() != candidate.key();
        let mut account = lock(account);
        let most = account.settings.as_ref().map_or(0, Settings::examples);
        account.report.count(&live, &candidate);
        if differs {
            let mail_id = trial.mail_id;
            tracing::info!(
                %mail_id, live = live.key(), candidate = candidate.key(),
                live_score = live.score, candidate_score = candidate.score,
                "the candidate would have judged otherwise"
            );
            let at = jiff::Timestamp::now().to_string();
            let mail_id = mail_id.to_string();
            account.report.keep(Difference { mail_id, at, live, candidate, reasons }, most);
        }
    }
}

/// What is in force and what the candidate would have said, and which findings differ.
fn attempt(trial: &Trial) -> Option<(Opinion, Opinion, Vec<String>)> {
    let candidate = trial.analysis.candidate.as_ref()?;
    let octets = trial.content.read_all().ok()?;
    let ours = content::look(&trial.analysis.desk, &octets, None).look.findings;
    let mut theirs = content::look(candidate, &octets, None).look.findings;
    // What is found only now, such as a near copy of this very mail, is no opinion of the
    // candidate's.
    let is_late = |finding: &Finding| {
        let has = |findings: &[Finding]| findings.iter().any(|one| one.name == finding.name);
        has(&ours) && !has(&trial.findings)
    };
    theirs.retain(|finding| !is_late(finding));
    // What the content stages did not find is as it was, but for its weight.
    let of_content = |finding: &&Finding| ours.iter().any(|our| our.name == finding.name);
    let others = trial.findings.iter().filter(|finding| !of_content(finding));
    theirs.extend(
        others.map(|finding| candidate.weights.again(finding, &trial.analysis.desk.weights)),
    );
    let reasons = report::reasons(&trial.findings, &theirs);
    Some(((trial.judge)(&trial.findings), (trial.judge)(&theirs), reasons))
}
