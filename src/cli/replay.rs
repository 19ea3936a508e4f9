//! `postern policy replay`: what a draft of the site's rules would have changed.
//!
//! In: a draft, and how many days. Out: a line for each (mail, recipient) that the draft decides
//! otherwise than the rules in force, then the counts by rule and user. The running box does the
//! work. Exits with 0 whether anything changes or not, and with 78 when the draft cannot be read as
//! rules.

use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;

use super::control::Control;
use super::exit::{Exit, Trouble};
use super::progress::Progress;
use super::render;
use crate::admin::past::{DecisionRow, ReplayLine, ReplayRequest, ReplayRow, ReplaySummary};
use crate::config::Config;

/// `postern policy replay`.
#[derive(Debug, Args)]
pub struct ReplayOrder {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The rules to be tried
    #[arg(long, value_name = "FILE")]
    pub draft: PathBuf,
    /// Mail of the last so many days
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub days: u32,
    /// One JSON object a line instead of text
    #[arg(long)]
    pub json: bool,
}

pub(super) fn replay(order: &ReplayOrder) -> Result<Exit, Trouble> {
    let config = Config::load(&order.config)?;
    let draft = super::policy::read(&order.draft)?;
    let file = order.draft.display().to_string();
    // Wrong rules are told of whole, as `check` does, and need no running box.
    super::policy::parse(&config, &draft, &file)?;
    let control = Control::at(&config)?;
    let request = ReplayRequest { draft, file, days: order.days };
    let mut progress = Progress::of(0, "mails");
    let mut ended = None;
    control.stream("/v1/policy/replay", &request, &mut |line: ReplayLine| {
        match &line {
            ReplayLine::Progress { mails, until } => {
                progress.tell(&format!("until {until}: {mails}"));
                return ControlFlow::Continue(());
            }
            ReplayLine::Failure { error } => {
                ended = Some(Err(Trouble::Refused(error.clone())));
                return ControlFlow::Break(());
            }
            ReplayLine::Change(_) => {}
            ReplayLine::Summary(_) => ended = Some(Ok(Exit::Ok)),
        }
        progress.hide();
        match (&line, order.json) {
            (ReplayLine::Change(row), false) => say!("{}", change(row)),
            (ReplayLine::Summary(sums), false) => say!("{}", summary(sums).trim_end()),
            _ => say!("{}", serde_json::to_string(&line).unwrap_or_default()),
        }
        ControlFlow::Continue(())
    })?;
    drop(progress);
    ended.unwrap_or_else(|| Err(Trouble::Refused("the answer of the box broke off".into())))
}

fn change(row: &ReplayRow) -> String {
    let doubt = match row.unknown.is_empty() {
        true => String::new(),
        false => format!(", uncertain: not known {}", render::harmless(&row.unknown.join(", "))),
    };
    format!(
        "{} {} {} -> {} {:?}: {} => {}{doubt}",
        row.mail_id,
        row.received,
        render::path(&row.reverse_path),
        render::path(&row.recipient),
        render::harmless(&row.subject),
        decision(&row.before),
        decision(&row.after),
    )
}

fn decision(one: &DecisionRow) -> String {
    let mut text = one.order.clone();
    if let Some(rule) = &one.rule {
        text.push_str(&format!(" (rule {rule:?})"));
    }
    if !one.orders.is_empty() {
        text.push_str(&format!(" with {}", one.orders.join("; ")));
    }
    render::harmless(&text)
}

fn summary(sums: &ReplaySummary) -> String {
    let mut text = String::new();
    // Writing into a string cannot fail.
    let _ = writeln!(
        text,
        "{} of {} recipients' copies are decided otherwise, in {} of {} mails since {}",
        sums.changed, sums.recipients, sums.changed_mails, sums.mails, sums.since
    );
    if sums.uncertain_mails > 0 {
        let _ = writeln!(
            text,
            "{} mails are uncertain: the journal does not hold all that rules ask of them",
            sums.uncertain_mails
        );
    }
    if sums.unreadable_mails > 0 {
        let _ = writeln!(text, "{} mails were never judged", sums.unreadable_mails);
    }
    for (name, count) in &sums.rules {
        let _ = writeln!(
            text,
            "rule {:?}: acts newly on {}, no more on {}, otherwise on {}",
            render::harmless(name),
            count.newly,
            count.no_more,
            count.otherwise
        );
    }
    for (user, count) in &sums.users {
        let _ = writeln!(text, "user {}: {count}", render::path(user));
    }
    if sums.other_users > 0 {
        let _ = writeln!(text, "other users: {}", sums.other_users);
    }
    text
}
