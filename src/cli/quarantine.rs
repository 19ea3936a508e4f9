//! `postern quarantine`.

use super::arguments::{Chosen, Listing, QuarantineAct, QuarantineOrder};
use super::control::Control;
use super::exit::{Exit, Trouble};
use super::{queue, render};
use crate::admin::api::{Detail, QuarantineRow};

pub(super) fn quarantine(order: &QuarantineOrder) -> Result<Exit, Trouble> {
    match &order.act {
        QuarantineAct::List { listing, limit } => {
            let control = Control::of(&listing.config)?;
            let rows: Vec<QuarantineRow> = control.rows(&list_path(*limit))?;
            render::rows(&rows, listing.json, line)
        }
        QuarantineAct::Show { listing, mail_id } => show(listing, mail_id),
        QuarantineAct::Release { chosen, ham: true, .. } => act(chosen, "release?learn=ham"),
        QuarantineAct::Release { chosen, no_learn: true, .. } => {
            act(chosen, "release?learn=nothing")
        }
        QuarantineAct::Release { chosen, .. } => act(chosen, "release"),
        QuarantineAct::Refuse { chosen } => act(chosen, "refuse"),
        QuarantineAct::Delete { chosen, spam: true } => act(chosen, "delete?learn=spam"),
        QuarantineAct::Delete { chosen, .. } => act(chosen, "delete"),
    }
}

fn list_path(limit: usize) -> String {
    format!("/v1/quarantine?limit={limit}")
}

fn line(row: &QuarantineRow) -> String {
    format!(
        "{} {} {} -> {} {:?} since {}, {}, score {:.1}",
        row.mail_id,
        row.area,
        render::path(&row.reverse_path),
        render::paths(&row.forward_paths),
        render::harmless(&row.subject),
        row.held_since,
        row.verdict,
        row.score,
    )
}

fn show(listing: &Listing, mail_id: &str) -> Result<Exit, Trouble> {
    let control = Control::of(&listing.config)?;
    let path = format!("/v1/quarantine/{}", queue::id(mail_id)?);
    let detail: Detail<QuarantineRow> = control.one(&path)?;
    render::rows(&[detail], listing.json, |detail| {
        format!("{}\n{}", line(&detail.row), queue::render_detail(detail))
    })
}

fn act(chosen: &Chosen, act: &str) -> Result<Exit, Trouble> {
    let control = Control::of(&chosen.listing.config)?;
    let ids = match chosen.all {
        true => {
            let rows: Vec<QuarantineRow> = control.rows(&list_path(usize::MAX))?;
            rows.into_iter().map(|row| row.mail_id).collect()
        }
        false => chosen.mail_ids.clone(),
    };
    queue::act_on(&control, &ids, chosen, |mail_id| format!("/v1/quarantine/{mail_id}/{act}"))
}
