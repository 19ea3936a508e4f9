//! `postern shadow`: where a candidate model or rule set would have judged otherwise.

use clap::{Args, Subcommand};

use super::arguments::Listing;
use super::control::Control;
use super::exit::{Exit, Trouble};
use super::render;
use crate::analysis::shadow::Report;

/// `postern shadow`.
#[derive(Debug, Args)]
pub struct ShadowOrder {
    /// What to do
    #[command(subcommand)]
    pub act: ShadowAct,
}

/// What can be done with the shadow.
#[derive(Debug, Subcommand)]
pub enum ShadowAct {
    /// Say where the candidate of `[learning.shadow]` would have judged otherwise
    Report(Listing),
}

pub(super) fn shadow(order: &ShadowOrder) -> Result<Exit, Trouble> {
    let ShadowAct::Report(listing) = &order.act;
    let report: Report = Control::of(&listing.config)?.one("/v1/shadow")?;
    render::rows(&[report], listing.json, text)
}

fn text(report: &Report) -> String {
    let mut text = format!(
        "since {}: tried on {} mails, {} would have been judged otherwise, {} left out\n",
        report.since, report.tried, report.differing, report.left_out
    );
    for pair in &report.pairs {
        let sign = if pair.live == pair.candidate { "=" } else { "->" };
        text.push_str(&format!("{:8}  {} {sign} {}\n", pair.count, pair.live, pair.candidate));
    }
    for one in &report.examples {
        text.push_str(&format!(
            "{} {}: {} {:.1} -> {} {:.1}  {}\n",
            one.at,
            one.mail_id,
            one.live.key(),
            one.live.score,
            one.candidate.key(),
            one.candidate.score,
            render::harmless(&one.reasons.join(", ")),
        ));
    }
    text.trim_end().to_owned()
}
