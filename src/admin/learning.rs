//! The operator's part of learning: reports, the model, the shadow, and the store for a backup.
//!
//! A report of a mail that the box still has teaches the classifier and moves the history of
//! its sender. A message that somebody brings in a file only teaches: what stands in it is
//! whoever's word, so nothing in it says who sent it.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::time::SystemTime;

use bytes::Bytes;

use super::Desk;
use super::api::{Exported, LessonRow, ModelRow, SightingRow};
use super::desk::{DeskError, parse_id};
use crate::analysis::classifier::{FEATURES_VERSION, Label, Lesson, Standing};
use crate::analysis::learning::NotTaught;
use crate::analysis::shadow::Report;
use crate::analysis::{Feedback, Saved, Sighting, Speaker, Statement};
use crate::mail::{Content, Envelope, Facts, Judgement, MailId};
use crate::quarantine::{Held, HeldFilter};

/// The file in the data directory that the store is exported into.
const EXPORT: &str = "store.export";

/// `spam` or `ham`.
pub(super) fn parse_label(text: &str) -> Result<Label, DeskError> {
    match text {
        "spam" => Ok(Label::Spam),
        "ham" => Ok(Label::Ham),
        _ => Err(DeskError::Misspoken("mail is reported as spam or as ham".into())),
    }
}

/// A mail that the box still has.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) mail_id: MailId,
    facts: Facts,
    envelope: Envelope,
    judgement: Judgement,
    pub(super) content: Content,
}

impl Known {
    pub(super) fn of(held: Held) -> Known {
        let Held { mail_id, facts, envelope, judgement, content, .. } = held;
        Known { mail_id, facts, envelope, judgement, content }
    }
}

impl Desk {
    /// What somebody says of a mail goes into the history of its sender. Blocks.
    pub(super) fn tell_history(&self, known: &Known, label: Label, speaker: Speaker) {
        self.hearing.hear(&Statement {
            mail_id: known.mail_id,
            facts: &known.facts,
            envelope: &known.envelope,
            judgement: &known.judgement,
            content: &known.content,
            speaker,
            feedback: match label {
                Label::Spam => Feedback::Unwanted,
                Label::Ham => Feedback::Wanted,
            },
        });
    }

    /// Teaches a message that somebody brings. `user` is whose word it is; without one it is
    /// the operator's.
    pub(super) async fn report(
        &self,
        label: &str,
        user: Option<&str>,
        content: Content,
        mail_id: Option<MailId>,
    ) -> Result<LessonRow, DeskError> {
        let label = parse_label(label)?;
        let source = match user {
            Some(user) => (Standing::User, user),
            None => (Standing::Operator, &*self.by),
        };
        let taught = self.teacher.teach(content, label, source, mail_id).await;
        lesson_row(label, taught)
    }

    /// Teaches a mail that the box still has, in quarantine or in the queue, and remembers what
    /// was said of its sender.
    pub(super) async fn report_known(
        &self,
        id: &str,
        label: &str,
        user: Option<&str>,
    ) -> Result<LessonRow, DeskError> {
        let mail_id = parse_id(id)?;
        let known = tokio::task::block_in_place(|| self.known(mail_id))?;
        let gone = || {
            DeskError::Unknown(format!(
                "mail {id} is neither in quarantine nor in the queue; report it from a file"
            ))
        };
        let known = known.ok_or_else(gone)?;
        let said = parse_label(label)?;
        let speaker = if user.is_some() { Speaker::User } else { Speaker::Operator };
        tokio::task::block_in_place(|| self.tell_history(&known, said, speaker));
        self.report(label, user, known.content, Some(mail_id)).await
    }

    /// A mail that is kept somewhere. Blocks.
    fn known(&self, mail_id: MailId) -> Result<Option<Known>, DeskError> {
        if let Some(held) = self.quarantine.load(mail_id)? {
            return Ok(Some(Known::of(held)));
        }
        // An entry may be named for itself and belong to this mail.
        let filter = HeldFilter { mail_id: Some(mail_id), ..HeldFilter::default() };
        if let Some(entry) = self.quarantine.list(&filter, 1).pop() {
            return Ok(self.quarantine.load(entry.id)?.map(Known::of));
        }
        Ok(self.spool.load(mail_id)?.map(|mail| Known {
            mail_id,
            facts: mail.facts.as_ref().clone(),
            envelope: mail.envelope.as_ref().clone(),
            judgement: mail.stage().judgement().as_ref().clone(),
            content: mail.content.clone(),
        }))
    }

    /// What the box has seen before of a message that somebody brings; counts nothing. Blocks.
    pub(super) fn seen_before(&self, message: &Bytes) -> Vec<SightingRow> {
        let Some(bulk) = &self.bulk else { return Vec::new() };
        let row = |seen: Sighting| SightingRow {
            name: seen.name.to_owned(),
            strength: seen.strength,
            detail: seen.detail,
        };
        bulk.look_at(message, SystemTime::now()).into_iter().map(row).collect()
    }

    /// What the classifier in force knows.
    pub(super) fn model(&self) -> Result<ModelRow, DeskError> {
        let waiting = self.teacher.has_model_waiting();
        let none = || {
            let why = self.teacher.why_none();
            let why = why.unwrap_or_else(|| "none was trained, and nothing learned".into());
            let waits = if waiting { "; one waits, and is used after the next reload" } else { "" };
            DeskError::Unknown(format!("no model is in force: {why}{waits}"))
        };
        let knowledge = self.teacher.knowledge().ok_or_else(none)?;
        let row = ModelRow::of(FEATURES_VERSION, knowledge.learned, &knowledge.record);
        Ok(ModelRow { waiting, ..row })
    }

    /// Writes what was learned, so that the file is what is in force.
    pub(super) async fn save_model(&self) -> Result<LessonRow, DeskError> {
        let saved =
            self.teacher.save().await.map_err(|error| DeskError::Unfit(error.to_string()))?;
        let done = match saved.map_err(|error| DeskError::Unfit(error.to_string()))? {
            Saved::Unchanged => "unchanged",
            Saved::Written => "saved",
            Saved::Replaced => "replaced",
        };
        Ok(LessonRow { done: done.into(), before: None, after: None })
    }

    /// Takes the model that somebody has put into the data directory. Blocks.
    pub(super) fn refresh_model(&self) -> Result<LessonRow, DeskError> {
        self.teacher.refresh();
        Ok(LessonRow { done: "refreshed".into(), before: None, after: None })
    }

    /// What the shadow has seen.
    pub(super) fn shadow(&self) -> Result<Report, DeskError> {
        let none = || DeskError::Unknown("there is no [learning.shadow]".into());
        self.shadow.report().ok_or_else(none)
    }

    /// Writes the store into a file for whoever makes a backup. Blocks.
    pub(super) fn export_store(&self) -> Result<Exported, DeskError> {
        let file = self.data_dir.join(EXPORT);
        let mut options = OpenOptions::new();
        let mut out = options.write(true).create(true).truncate(true).mode(0o600).open(&file)?;
        self.store.export(&mut out)?;
        out.sync_all()?;
        Ok(Exported { file })
    }
}

/// What a lesson did, in words; bounds are an answer, not a failure.
fn lesson_row(label: Label, taught: Result<Lesson, NotTaught>) -> Result<LessonRow, DeskError> {
    let kind = if label == Label::Spam { "spam" } else { "ham" };
    match taught {
        Ok(Lesson { before, after }) => Ok(LessonRow {
            done: format!("learned as {kind}"),
            before: Some(before),
            after: Some(after),
        }),
        Err(NotTaught::Untaught(why)) => {
            Ok(LessonRow { done: format!("not learned: {why}"), before: None, after: None })
        }
        Err(error @ NotTaught::Size(_)) => Err(DeskError::Misspoken(error.to_string())),
        Err(error) => Err(DeskError::Unfit(error.to_string())),
    }
}
