//! `postern report`: tells the running box that mail is spam, or ham, so that it learns.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::control::{Control, encoded};
use super::exit::{Exit, Trouble};
use super::progress::Progress;
use super::{messages, queue, render};
use crate::admin::api::LessonRow;

/// `postern report`.
#[derive(Debug, Args)]
pub struct ReportOrder {
    /// What the mail is
    pub kind: Kind,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// One JSON object a line instead of text
    #[arg(long)]
    pub json: bool,
    /// Whose word it is; a user may teach only so much in a day
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// A mail in quarantine or in the queue; may be repeated
    #[arg(long = "mail-id", value_name = "MAIL_ID")]
    pub mail_ids: Vec<String>,
    /// Messages, or folders that are read recursively; `-` is standard input
    #[arg(value_name = "FILE", required_unless_present = "mail_ids")]
    pub files: Vec<PathBuf>,
}

/// What mail is reported as.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Kind {
    /// Unwanted
    Spam,
    /// Wanted
    Ham,
}

/// What became of one report.
#[derive(Debug, Serialize)]
struct ReportRow {
    what: String,
    #[serde(flatten)]
    lesson: LessonRow,
}

pub(super) fn report(order: &ReportOrder) -> Result<Exit, Trouble> {
    let control = Control::of(&order.config)?;
    let label = match order.kind {
        Kind::Spam => "spam",
        Kind::Ham => "ham",
    };
    let user = order.user.iter().map(|user| format!("&user={}", encoded(user)));
    let question = format!("label={label}{}", user.collect::<String>());
    for mail_id in &order.mail_ids {
        let path = format!("/v1/report/{}?{question}", queue::id(mail_id)?);
        tell(order, mail_id.clone(), control.act(&path, &())?)?;
    }
    let files = messages::files(&order.files)?;
    let mut progress = Progress::of(files.len(), "messages");
    for file in files {
        let failed = |error| Trouble::Input { file: file.clone(), error };
        let octets = messages::read(&file).map_err(failed)?;
        let lesson = control.send(&format!("/v1/report?{question}"), octets)?;
        tell(order, file.to_string_lossy().into_owned(), lesson)?;
        progress.step();
    }
    Ok(Exit::Ok)
}

fn tell(order: &ReportOrder, what: String, lesson: LessonRow) -> Result<Exit, Trouble> {
    render::rows(&[ReportRow { what, lesson }], order.json, |row| {
        let moved = row.lesson.before.zip(row.lesson.after);
        let moved = moved.map(|(before, after)| format!(" (log-odds {before:+.1} to {after:+.1})"));
        format!("{}: {}{}", render::harmless(&row.what), row.lesson.done, moved.unwrap_or_default())
    })
}
