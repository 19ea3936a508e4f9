//! `postern queue` and `postern status`.

use super::arguments::{Chosen, Listing, QueueAct, QueueOrder};
use super::control::Control;
use super::exit::{Exit, Trouble};
use super::render;
use crate::admin::api::{Acted, Detail, QueueRow, Status};

pub(super) fn queue(order: &QueueOrder) -> Result<Exit, Trouble> {
    match &order.act {
        QueueAct::List { listing, state, limit } => list(listing, state.as_deref(), *limit),
        QueueAct::Show { listing, mail_id } => show(listing, mail_id),
        QueueAct::Retry(chosen) => act(chosen, "retry"),
        QueueAct::Hold(chosen) => act(chosen, "hold"),
        QueueAct::Release(chosen) => act(chosen, "release"),
        QueueAct::Remove(chosen) => act(chosen, "remove"),
    }
}

fn list(listing: &Listing, state: Option<&str>, limit: usize) -> Result<Exit, Trouble> {
    let control = Control::of(&listing.config)?;
    let rows: Vec<QueueRow> = control.rows(&list_path(state, limit))?;
    render::rows(&rows, listing.json, line)
}

fn list_path(state: Option<&str>, limit: usize) -> String {
    let state = state.map(|state| format!("&state={state}")).unwrap_or_default();
    format!("/v1/queue?limit={limit}{state}")
}

fn line(row: &QueueRow) -> String {
    let next = row.next_attempt.as_deref().unwrap_or("-");
    format!(
        "{} {:8} {} -> {} {:?} since {}, {} attempts, next {}: {}",
        row.mail_id,
        row.state,
        render::path(&row.reverse_path),
        render::paths(&row.forward_paths),
        render::harmless(&row.subject),
        row.queued_since,
        row.attempts,
        next,
        render::harmless(&row.reason),
    )
}

fn show(listing: &Listing, mail_id: &str) -> Result<Exit, Trouble> {
    let control = Control::of(&listing.config)?;
    let detail: Detail<QueueRow> = control.one(&format!("/v1/queue/{}", id(mail_id)?))?;
    render::rows(&[detail], listing.json, |detail| {
        format!("{}\n{}", line(&detail.row), render_detail(detail))
    })
}

/// What queue and quarantine show of a mail beneath its line.
pub(super) fn render_detail<Row>(detail: &Detail<Row>) -> String {
    let mut text = format!("from {} ({})\n", detail.client, render::harmless(&detail.helo));
    for finding in &detail.findings {
        let detail = render::harmless(&finding.detail);
        text.push_str(&format!("  {:+6.1} {} {detail}\n", finding.score, finding.name));
    }
    for field in detail.header.lines() {
        text.push_str(&format!("  | {}\n", render::harmless(field)));
    }
    text.trim_end().to_owned()
}

fn act(chosen: &Chosen, act: &str) -> Result<Exit, Trouble> {
    let control = Control::of(&chosen.listing.config)?;
    let ids = match chosen.all {
        true => {
            let rows: Vec<QueueRow> = control.rows(&list_path(None, usize::MAX))?;
            rows.into_iter().map(|row| row.mail_id).collect()
        }
        false => chosen.mail_ids.clone(),
    };
    act_on(&control, &ids, chosen, |mail_id| format!("/v1/queue/{mail_id}/{act}"))
}

/// Acts on each mail and says so; the first that fails ends it, unless all were meant: then
/// what went away in between is passed over.
pub(super) fn act_on(
    control: &Control,
    ids: &[String],
    chosen: &Chosen,
    path: impl Fn(&str) -> String,
) -> Result<Exit, Trouble> {
    let mut done = Vec::with_capacity(ids.len());
    for mail_id in ids {
        match control.act::<Acted>(&path(id(mail_id)?), &()) {
            Ok(acted) => done.push(acted),
            Err(Trouble::NotFound(_)) if chosen.all => {}
            Err(trouble) => {
                render::rows(&done, chosen.listing.json, acted_line)?;
                return Err(trouble);
            }
        }
    }
    render::rows(&done, chosen.listing.json, acted_line)
}

fn acted_line(acted: &Acted) -> String {
    let lesson = acted.lesson.as_ref().map(|lesson| format!(", {lesson}"));
    format!("{} {}{}", acted.mail_id, acted.done, lesson.unwrap_or_default())
}

/// Checks a MailId before it becomes part of a path.
pub(super) fn id(text: &str) -> Result<&str, Trouble> {
    match text.parse::<crate::mail::MailId>() {
        Ok(_) => Ok(text),
        Err(error) => Err(Trouble::Usage(format!("{}: {error}", render::harmless(text)))),
    }
}

pub(super) fn status(listing: &Listing) -> Result<Exit, Trouble> {
    let status: Status = Control::of(&listing.config)?.one("/v1/status")?;
    render::rows(&[status], listing.json, |status| {
        let space = if status.full { "; NEW MAIL IS REFUSED: the disk is full" } else { "" };
        format!(
            "postern {}, up {} s; queue: {} active, {} deferred, {} on hold{space}",
            status.version, status.uptime_s, status.active, status.deferred, status.hold
        )
    })
}
