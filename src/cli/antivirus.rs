//! `postern antivirus`: how the scanners are, and what they would have caught.

use super::arguments::{AntivirusAct, AntivirusOrder};
use super::control::Control;
use super::exit::{Exit, Trouble};
use super::render;
use crate::admin::api::{AntivirusRow, FoundRow};

pub(super) fn antivirus(order: &AntivirusOrder) -> Result<Exit, Trouble> {
    match &order.act {
        AntivirusAct::Status(listing) => {
            let row: AntivirusRow = Control::of(&listing.config)?.one("/v1/antivirus")?;
            render::rows(&[row], listing.json, standing)
        }
        AntivirusAct::Report { listing, limit } => {
            let path = format!("/v1/antivirus/report?limit={limit}");
            let rows: Vec<FoundRow> = Control::of(&listing.config)?.rows(&path)?;
            render::rows(&rows, listing.json, found)
        }
    }
}

fn standing(row: &AntivirusRow) -> String {
    let mut text = String::new();
    for clamd in &row.clamds {
        let said = match clamd.answers {
            false => "DOES NOT ANSWER".to_owned(),
            true => {
                let number = clamd.signatures.map(|number| format!(", signatures {number}"));
                let built = clamd.built.as_ref().map(|built| format!(" of {built}"));
                let (number, built) = (number.unwrap_or_default(), built.unwrap_or_default());
                format!("{}{number}{built}", render::harmless(&clamd.engine))
            }
        };
        text.push_str(&format!("{}: {said}\n", clamd.address));
    }
    if row.stale {
        text.push_str("THE SIGNATURES ARE STALE\n");
    }
    let last = row.last_rescan.as_deref().unwrap_or("not since the start");
    let now = if row.rescanning { ", under way now" } else { "" };
    text.push_str(&format!(
        "{} digests listed; {} deliveries remembered, {} octets kept; looked at again: {last}{now}",
        row.digests, row.delivered, row.kept_octets
    ));
    text
}

fn found(row: &FoundRow) -> String {
    let path = if row.path.is_empty() { "the whole message" } else { row.path.as_str() };
    format!(
        "{} {} {} -> {} {:?} {}: {}",
        row.found,
        row.mail_id,
        render::path(&row.reverse_path),
        render::paths(&row.forward_paths),
        render::harmless(&row.subject),
        render::harmless(path),
        render::harmless(&row.what),
    )
}
