//! `postern archive` and `postern approval`.

use std::path::Path;

use super::arguments::{ApprovalAct, ApprovalOrder, ArchiveAct, ArchiveOrder, Chosen, Listing};
use super::control::{Control, encoded};
use super::exit::{Exit, Trouble};
use super::progress::Progress;
use super::{queue, render};
use crate::admin::api::{ApprovalRow, ArchiveRow};

pub(super) fn archive(order: &ArchiveOrder) -> Result<Exit, Trouble> {
    match &order.act {
        ArchiveAct::List { listing, class, sender, recipient, limit } => {
            let control = Control::of(&listing.config)?;
            let query = [("class", class), ("sender", sender), ("recipient", recipient)];
            let rows: Vec<ArchiveRow> = control.rows(&list_path(&query, *limit))?;
            render::rows(&rows, listing.json, archive_line)
        }
        ArchiveAct::Export { listing, class, into, mail_ids } => {
            export(listing, class.as_ref(), into, mail_ids)
        }
    }
}

fn list_path(query: &[(&str, &Option<String>)], limit: usize) -> String {
    let mut path = format!("/v1/archive?limit={limit}");
    for (name, value) in query {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
    path
}

/// Writes each under a name of its own before it gets its name, so that no half message is
/// taken for a whole one.
fn export(
    listing: &Listing,
    class: Option<&String>,
    into: &Path,
    mail_ids: &[String],
) -> Result<Exit, Trouble> {
    let control = Control::of(&listing.config)?;
    let class = class.cloned();
    let ids: Vec<String> = match mail_ids.is_empty() {
        true => {
            let path = list_path(&[("class", &class)], usize::MAX);
            let rows: Vec<ArchiveRow> = control.rows(&path)?;
            let mut ids: Vec<String> = rows.into_iter().map(|row| row.mail_id).collect();
            ids.dedup();
            ids
        }
        false => mail_ids.to_vec(),
    };
    let failed = |file: &Path, error| Trouble::Input { file: file.to_owned(), error };
    std::fs::create_dir_all(into).map_err(|error| failed(into, error))?;
    let query = class.as_ref().map(|class| format!("?class={}", encoded(class)));
    let mut progress = Progress::of(ids.len(), "messages exported");
    for mail_id in &ids {
        progress.step();
        let mail_id = queue::id(mail_id)?;
        let path = format!("/v1/archive/{mail_id}{}", query.as_deref().unwrap_or_default());
        let octets = control.octets(&path)?;
        let (part, whole) =
            (into.join(format!("{mail_id}.part")), into.join(format!("{mail_id}.eml")));
        std::fs::write(&part, octets).map_err(|error| failed(&part, error))?;
        std::fs::rename(&part, &whole).map_err(|error| failed(&whole, error))?;
        say!("{}", whole.display());
    }
    Ok(Exit::Ok)
}

fn archive_line(row: &ArchiveRow) -> String {
    format!(
        "{} {} {} -> {} {:?} archived {}, kept until {}, {} octets",
        row.mail_id,
        render::harmless(&row.class),
        render::path(&row.reverse_path),
        render::paths(&row.forward_paths),
        render::harmless(&row.subject),
        row.archived,
        row.keep_until,
        row.size_octets,
    )
}

pub(super) fn approval(order: &ApprovalOrder) -> Result<Exit, Trouble> {
    match &order.act {
        ApprovalAct::List { listing, limit } => {
            let control = Control::of(&listing.config)?;
            let rows: Vec<ApprovalRow> = control.rows(&approvals_path(*limit))?;
            render::rows(&rows, listing.json, approval_line)
        }
        ApprovalAct::Release(chosen) => decide(chosen, "release"),
        ApprovalAct::Refuse(chosen) => decide(chosen, "refuse"),
    }
}

fn approvals_path(limit: usize) -> String {
    format!("/v1/approval?limit={limit}")
}

fn approval_line(row: &ApprovalRow) -> String {
    format!(
        "{} {} -> {} {:?} asks {} (rule {}), {} at {}",
        row.mail_id,
        render::path(&row.reverse_path),
        render::paths(&row.forward_paths),
        render::harmless(&row.subject),
        render::harmless(&row.approver),
        render::harmless(&row.rule),
        row.on_expiry,
        row.expires,
    )
}

fn decide(chosen: &Chosen, act: &str) -> Result<Exit, Trouble> {
    let control = Control::of(&chosen.listing.config)?;
    let ids = match chosen.all {
        true => {
            let rows: Vec<ApprovalRow> = control.rows(&approvals_path(usize::MAX))?;
            rows.into_iter().map(|row| row.mail_id).collect()
        }
        false => chosen.mail_ids.clone(),
    };
    queue::act_on(&control, &ids, chosen, |mail_id| format!("/v1/approval/{mail_id}/{act}"))
}
