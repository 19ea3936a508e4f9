//! A pattern tried on a pasted text or an uploaded message: what hits, and where.
//!
//! In: a pattern with flags as content rules write them, or none, and a text. Out: the places
//! where it matches, in the normal form in which rules see the text, and the content rules in
//! force that hit. Nothing is kept, counted or learned.

use bytes::Bytes;
use maud::{Markup, html};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tabs;
use crate::admin::site::frame::{self, Section};
use crate::admin::site::{Call, Refusal};
use crate::analysis::rules::{Probe, RuleError};
use crate::analysis::weights::Weights;
use crate::mail::ContentHit;
use crate::message::Zone;
use crate::web::Answer;

/// Places that are shown.
const SPOTS: usize = 100;
/// Characters that are shown on either side of a match.
const AROUND: usize = 60;

/// What is to be tried.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin::site) struct Attempt {
    /// In the syntax of content rules; none asks the rules in force only.
    #[serde(default)]
    pub(in crate::admin::site) pattern: String,
    /// Letters: `i` case does not matter, `s` a dot stands for a line end, `m` `^` and `$` at
    /// every line, `w` whole words, `u` all scripts.
    #[serde(default)]
    pub(in crate::admin::site) flags: String,
    /// What it is tried on.
    pub(in crate::admin::site) text: String,
    /// The text is a whole message with header, as it would be received.
    #[serde(default)]
    pub(in crate::admin::site) is_message: bool,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(in crate::admin::site) struct Tried {
    /// Where the pattern matches; so many at most.
    pub(in crate::admin::site) spots: Vec<Spot>,
    /// Content rules in force that hit.
    pub(in crate::admin::site) rules: Vec<RuleHit>,
    /// The message could be taken apart.
    pub(in crate::admin::site) is_readable: bool,
}

/// One match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::admin::site) struct Spot {
    /// In which text of the message.
    pub(in crate::admin::site) zone: String,
    /// What stands before it.
    pub(in crate::admin::site) before: String,
    /// What matches.
    pub(in crate::admin::site) found: String,
    /// What stands behind it.
    pub(in crate::admin::site) after: String,
}

/// A content rule that hit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::admin::site) struct RuleHit {
    /// Its name.
    pub(in crate::admin::site) rule: String,
    /// How grave it is.
    pub(in crate::admin::site) severity: String,
    /// Distinct matches.
    pub(in crate::admin::site) count: u32,
}

impl From<&ContentHit> for RuleHit {
    fn from(hit: &ContentHit) -> RuleHit {
        RuleHit { rule: hit.rule.clone(), severity: hit.severity.to_string(), count: hit.count }
    }
}

fn refused(error: RuleError) -> Refusal {
    match error {
        RuleError::Wrong { what, .. } => Refusal::Bad(format!("pattern: {what}")),
        error => Refusal::Broken(error.to_string()),
    }
}

/// Tries. Blocks, and takes as long as looking into a mail.
pub(in crate::admin::site) fn attempt(call: &Call, attempt: &Attempt) -> Result<Tried, Refusal> {
    let probe = match attempt.pattern.is_empty() {
        true => None,
        false => Some(Probe::new(&attempt.pattern, &attempt.flags).map_err(refused)?),
    };
    let analysis = call.site.desk.ruling.in_force().analysis;
    let mut spots = Vec::new();
    let mut failed = None;
    let mut see = |zone: Zone, text: &str| {
        if let Some(probe) = &probe {
            match probe.spans(text, SPOTS.saturating_sub(spots.len())) {
                Ok(spans) => {
                    spots.extend(spans.into_iter().map(|span| spot(zone, text, span)));
                }
                Err(error) => failed = Some(error),
            }
        }
    };
    let (is_readable, rules) = match attempt.is_message {
        true => {
            let octets = Bytes::copy_from_slice(attempt.text.as_bytes());
            let is_readable = analysis.read_texts(&octets, &mut see);
            (is_readable, analysis.look_at_content(&octets, None).content)
        }
        false => {
            let text = Zone::Body.normal_form(&attempt.text);
            see(Zone::Body, &text);
            let mut scan = analysis.rules().scan().map_err(refused)?;
            scan.text(Zone::Body, &text);
            (true, scan.finish(&Weights::default()).map_err(refused)?.content)
        }
    };
    if let Some(error) = failed {
        return Err(refused(error));
    }
    Ok(Tried { spots, rules: rules.iter().map(RuleHit::from).collect(), is_readable })
}

fn spot(zone: Zone, text: &str, (start, end): (usize, usize)) -> Spot {
    let (head, rest) = text.split_at_checked(start).unwrap_or((text, ""));
    let (found, tail) = rest.split_at_checked(end.saturating_sub(start)).unwrap_or((rest, ""));
    let before: Vec<char> = head.chars().rev().take(AROUND).collect();
    Spot {
        zone: zone.name().to_owned(),
        before: before.into_iter().rev().collect(),
        found: found.chars().take(4 * AROUND).collect(),
        after: tail.chars().take(AROUND).collect(),
    }
}

pub(super) async fn show(call: Call) -> Result<Answer, Refusal> {
    let attempt = Attempt {
        pattern: call.ask.query.first("pattern").unwrap_or_default().to_owned(),
        flags: "i".into(),
        ..Attempt::default()
    };
    Ok(shown(&call, &attempt, None, None))
}

pub(super) async fn run(call: Call) -> Result<Answer, Refusal> {
    let of_file = call.files.iter().find(|file| file.name == "message" && !file.octets.is_empty());
    let field = |name: &str| call.form.first(name).unwrap_or_default().to_owned();
    let flags = ["i", "s", "m", "w", "u"];
    let asked = Attempt {
        pattern: field("pattern").trim_end_matches(['\r', '\n']).to_owned(),
        flags: flags.into_iter().filter(|flag| call.form.ticked(flag)).collect(),
        text: match of_file {
            Some(file) => String::from_utf8_lossy(&file.octets).into_owned(),
            None => field("text"),
        },
        is_message: of_file.is_some() || call.form.ticked("is_message"),
    };
    let (work, there) = (call.clone(), asked.clone());
    let tried = call.blocking(move || attempt(&work, &there)).await;
    // What was uploaded does not go back into the page.
    let kept = if of_file.is_some() { Attempt { text: String::new(), ..asked } } else { asked };
    match tried {
        Ok(tried) => Ok(shown(&call, &kept, Some(&tried), None)),
        Err(Refusal::Bad(why)) => Ok(shown(&call, &kept, None, Some(&why))),
        Err(refusal) => Err(refusal),
    }
}

fn shown(call: &Call, asked: &Attempt, tried: Option<&Tried>, wrong: Option<&str>) -> Answer {
    let content = html! {
        (tabs("try"))
        p { "See what a pattern finds before it becomes a content rule, and what the rules in \
             force find. Nothing is kept, counted or learned." }
        (form(call, asked, wrong))
        @if let Some(tried) = tried { (results(asked, tried)) }
    };
    frame::page(call, Section::Policy, "Try a pattern", &content)
}

fn form(call: &Call, asked: &Attempt, wrong: Option<&str>) -> Markup {
    let flags = [
        ("i", "Case does not matter"),
        ("w", "Whole words only"),
        ("m", "^ and $ at every line"),
        ("s", "A dot stands for a line end, too"),
        ("u", "Letters and digits of all scripts"),
    ];
    html! {
        form.card method="post" action="/policy/try" enctype="multipart/form-data" {
            (frame::mark(call))
            div.field {
                label for="pattern" { "Pattern " span.soft { "(empty: only the rules in force)" } }
                input #pattern name="pattern" value=(asked.pattern) spellcheck="false"
                    maxlength="4000" aria-describedby=[wrong.map(|_| "pattern-wrong")]
                    aria-invalid=[wrong.map(|_| "true")];
                @if let Some(wrong) = wrong { p.wrong #pattern-wrong { (wrong) } }
            }
            fieldset {
                legend { "How it is meant" }
                @for (flag, words) in flags {
                    label.check {
                        input type="checkbox" name=(flag) value="1"
                            checked[asked.flags.contains(flag)];
                        " " (words)
                    }
                }
            }
            div.field {
                label for="text" { "Text" }
                textarea #text name="text" rows="8" spellcheck="false" { (asked.text) }
            }
            label.check {
                input type="checkbox" name="is_message" value="1" checked[asked.is_message];
                " The text is a whole message, with its header"
            }
            div.field {
                label for="message" { "Or a message in a file " span.soft { "(.eml)" } }
                input #message name="message" type="file" accept=".eml,message/rfc822,text/plain";
            }
            button type="submit" { "Try" }
        }
    }
}

fn results(asked: &Attempt, tried: &Tried) -> Markup {
    html! {
        @if !tried.is_readable {
            div.notice.bad role="alert" { "The message could not be taken apart as a whole." }
        }
        @if !asked.pattern.is_empty() {
            h2 { "The pattern" }
            @if tried.spots.is_empty() { p role="status" { "It matches nowhere." } }
            @else {
                p role="status" {
                    "It matches " (tried.spots.len()) " times"
                    @if tried.spots.len() >= SPOTS { " or more; these are the first" }
                    "."
                }
                div.scroll tabindex="0" role="region" aria-label="Matches" {
                    table.stack {
                        caption.visually-hidden { "Where the pattern matches" }
                        thead { tr {
                            th scope="col" { "In" }
                            th scope="col" { "Text, as rules see it" }
                        } }
                        tbody {
                            @for spot in &tried.spots {
                                tr {
                                    td data-name="In" { (spot.zone) }
                                    td data-name="Text" {
                                        code { (spot.before) mark { (spot.found) } (spot.after) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        h2 { "Content rules in force" }
        @if tried.rules.is_empty() { p { "None hits." } }
        @else {
            table.stack {
                caption.visually-hidden { "Content rules that hit" }
                thead { tr {
                    th scope="col" { "Rule" } th scope="col" { "Severity" }
                    th scope="col" { "Matches" }
                } }
                tbody {
                    @for hit in &tried.rules {
                        tr {
                            td data-name="Rule" { (hit.rule) }
                            td data-name="Severity" { (hit.severity) }
                            td data-name="Matches" { (hit.count) }
                        }
                    }
                }
            }
        }
    }
}
