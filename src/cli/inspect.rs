//! `postern inspect`: the rules in force over mail that is still kept.
//!
//! In: areas, days, rules, classes. Out: a line for each mail on which something hits, then the
//! counts. The running box does the work, at low priority. Exits with 0 whether anything hits
//! or not.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;
use serde::de::value::{Error, StrDeserializer};

use super::control::Control;
use super::exit::{Exit, Trouble};
use super::progress::Progress;
use super::render;
use crate::admin::past::{InspectLine, InspectRequest, InspectRow, InspectSummary};
use crate::mail::Class;

/// `postern inspect`.
#[derive(Debug, Args)]
pub struct InspectOrder {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Where to look; archive and quarantine unless given; may be repeated
    #[arg(long, value_name = "AREA", value_parser = ["archive", "quarantine", "spool"])]
    pub area: Vec<String>,
    /// Only what was put there in the last so many days
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub days: Option<u32>,
    /// Only mail on which this rule of content or policy hits; may be repeated
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub rule: Vec<String>,
    /// Only mail on which a content rule of this class hits; may be repeated
    #[arg(long, value_name = "CLASS", value_parser = class)]
    pub class: Vec<Class>,
    /// One JSON object a line instead of text
    #[arg(long)]
    pub json: bool,
}

fn class(word: &str) -> Result<Class, String> {
    let named = Class::deserialize(StrDeserializer::<Error>::new(word));
    named.map_err(|error| error.to_string())
}

pub(super) fn inspect(order: &InspectOrder) -> Result<Exit, Trouble> {
    let control = Control::of(&order.config)?;
    let request = InspectRequest {
        areas: order.area.clone(),
        days: order.days,
        rules: order.rule.clone(),
        classes: order.class.clone(),
    };
    let mut progress = Progress::of(0, "mails");
    let mut is_whole = false;
    control.stream("/v1/inspect", &request, &mut |line: InspectLine| {
        if let InspectLine::Progress { mails, of } = &line {
            progress.tell(&format!("{mails} of {of}"));
            return ControlFlow::Continue(());
        }
        progress.hide();
        match (&line, order.json) {
            (InspectLine::Mail(row), false) => say!("{}", found(row)),
            (InspectLine::Summary(sums), false) => say!("{}", summary(sums)),
            _ => say!("{}", serde_json::to_string(&line).unwrap_or_default()),
        }
        is_whole |= matches!(line, InspectLine::Summary(_));
        ControlFlow::Continue(())
    })?;
    drop(progress);
    match is_whole {
        true => Ok(Exit::Ok),
        false => Err(Trouble::Refused("the answer of the box broke off".into())),
    }
}

fn found(row: &InspectRow) -> String {
    let content = row.content.iter().map(|hit| {
        let (rule, class, severity, count) = (&hit.rule, hit.class, hit.severity, hit.count);
        format!("{rule} ({class}, {severity}, {count} times)")
    });
    let markings = row.markings.iter().map(|marking| format!("marking {marking}"));
    let policy = row.policy.iter().map(|acting| {
        format!("rule {:?}: {} for {}", acting.rule, acting.orders.join("; "), acting.recipients)
    });
    let hits: Vec<String> = content.chain(markings).chain(policy).collect();
    let within = match row.within.is_empty() {
        true => row.area.clone(),
        false => format!("{} {}", row.area, row.within),
    };
    format!(
        "{} {} {} {} -> {} {:?}: {}",
        row.mail_id,
        row.received,
        render::harmless(&within),
        render::path(&row.reverse_path),
        render::paths(&row.forward_paths),
        render::harmless(&row.subject),
        render::harmless(&hits.join(", ")),
    )
}

fn summary(sums: &InspectSummary) -> String {
    let mut lines = vec![format!("rules hit on {} of {} mails", sums.hit, sums.mails)];
    if sums.unreadable_mails > 0 {
        lines.push(format!("{} mails could not be read", sums.unreadable_mails));
    }
    let mut add = |what: &str, counts: &BTreeMap<String, u64>| {
        for (name, count) in counts {
            lines.push(format!("{what} {}: {count}", render::harmless(name)));
        }
    };
    add("content rule", &sums.content);
    add("class", &sums.classes);
    add("marking", &sums.markings);
    add("rule of policy", &sums.policy);
    add("user", &sums.users);
    lines.join("\n")
}
