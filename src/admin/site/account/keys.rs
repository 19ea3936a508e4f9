//! Own keys of the API: each with some of one's rights, an end, and a text that is shown once.

use maud::{Markup, html};
use warp::http::StatusCode;

use super::{Own, own, page, said};
use crate::admin::people::{ApiKey, Right};
use crate::admin::site::frame::{self, Section};
use crate::admin::site::{Call, Refusal, noted, pieces};
use crate::web::answer::Answer;

const DAY_MS: u64 = 86_400_000;
const LABEL_CHARS: usize = 60;
/// Days and words; 0 stands for no end.
const ENDS: &[(&str, &str)] =
    &[("30", "after 30 days"), ("90", "after 90 days"), ("365", "after a year"), ("0", "never")];

pub(super) fn part(call: &Call, own: &Own, failed: Option<&str>) -> Markup {
    html! {
        section.card {
            h2 { "Keys of the API" }
            (said(failed))
            p.soft { "A program shows such a key instead of logging in. It never may more than you may." }
            @if !own.keys.is_empty() { (table(call, own)) }
            details open[failed.is_some()] {
                summary { "Make a key" }
                form method="post" action="/account/keys" {
                    (frame::mark(call))
                    div.field {
                        label for="label" { "What it is for" }
                        input #label name="label" maxlength=(LABEL_CHARS) required autocomplete="off"
                            value=(call.form.first("label").unwrap_or_default());
                    }
                    fieldset.field {
                        legend.label { "What it may do" }
                        @for right in call.caller.rights.iter() {
                            label.check {
                                input type="checkbox" name="right" value=(right.name())
                                    checked[call.form.all("right").any(|name| name == right.name())];
                                (right.words())
                            }
                        }
                    }
                    div.field {
                        label for="ends" { "It ends" }
                        (pieces::select("ends", "ends", call.form.first("ends").unwrap_or("90"), ENDS))
                    }
                    button type="submit" { "Make the key" }
                }
            }
        }
    }
}

fn table(call: &Call, own: &Own) -> Markup {
    html! {
        div.scroll {
            table.stack {
                caption { "Your keys" }
                thead { tr {
                    th scope="col" { "For" }
                    th scope="col" { "May" }
                    th scope="col" { "Made" }
                    th scope="col" { "Last used" }
                    th scope="col" { "Ends" }
                    th scope="col" { "End it now" }
                } }
                tbody {
                    @for (name, key) in &own.keys {
                        tr {
                            td data-name="For" { (key.label) }
                            td data-name="May" {
                                @for (at, right) in key.rights.iter().enumerate() {
                                    @if at > 0 { "; " } (right.words())
                                }
                            }
                            td.when data-name="Made" { (pieces::time(key.created_ms)) }
                            td.when data-name="Last used" {
                                @match key.used_ms {
                                    Some(at) => (pieces::time(at)),
                                    None => { span.soft { "never" } }
                                }
                            }
                            td.when data-name="Ends" {
                                @match key.expires_ms {
                                    Some(at) if at <= call.now_ms() => { span.badge.warn { "has ended" } }
                                    Some(at) => (pieces::time(at)),
                                    None => { span.soft { "never" } }
                                }
                            }
                            td data-name="End it now" {
                                form method="post" action="/account/keys/end" {
                                    (frame::mark(call))
                                    input type="hidden" name="key" value=(name);
                                    button.danger type="submit" { "End"
                                        span.visually-hidden { " the key for " (key.label) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(super) async fn issue(call: Call) -> Result<Answer, Refusal> {
    let (person, _) = own(&call).await?;
    let label: String =
        call.form.first("label").unwrap_or_default().trim().chars().take(LABEL_CHARS).collect();
    let chosen: Vec<Right> = call
        .caller
        .rights
        .iter()
        .filter(|right| call.form.all("right").any(|name| name == right.name()))
        .collect();
    let days = call.form.first("ends").and_then(|days| days.parse::<u64>().ok());
    let known = ENDS.iter().any(|(known, _)| Some(*known) == call.form.first("ends"));
    let bad = StatusCode::UNPROCESSABLE_ENTITY;
    if label.is_empty() || label.chars().any(char::is_control) {
        return page(&call, bad, Some(("keys", "Say what the key is for."))).await;
    }
    if chosen.is_empty() {
        return page(&call, bad, Some(("keys", "Tick at least one thing that it may do."))).await;
    }
    let Some(days) = days.filter(|_| known) else {
        return page(&call, bad, Some(("keys", "Choose when it ends."))).await;
    };
    let now_ms = call.now_ms();
    let key = ApiKey {
        label: label.clone(),
        person: person.name.clone(),
        rights: chosen.clone(),
        created_ms: now_ms,
        expires_ms: (days > 0).then(|| now_ms + days * DAY_MS),
        used_ms: None,
    };
    let site = call.site.clone();
    let (_, text) = call.blocking(move || Ok(site.keys.issue(&key)?)).await?;
    let rights = chosen.iter().map(|right| right.name()).collect::<Vec<_>>().join(", ");
    noted::act(&call, "account.key", label.clone()).after(rights).record();
    let content = html! {
        p { "The key for " strong { (label) } ". It is shown only now; keep it like a password." }
        p.card.secret { (text) }
        p { "A program sends it with every request: " code { "Authorization: Bearer …" } }
        p { a.button href="/account" { "I have it" } }
    };
    Ok(frame::page(&call, Section::Account, "A new key", &content))
}

pub(super) async fn end(call: Call) -> Result<Answer, Refusal> {
    let (person, _) = own(&call).await?;
    let name = call.form.first("key").unwrap_or_default().to_owned();
    let site = call.site.clone();
    let ended = call.blocking(move || Ok(site.keys.revoke(&person.name, &name)?)).await?;
    match ended {
        Some(key) => {
            noted::act(&call, "account.key", key.label.clone())
                .before("valid")
                .after("ended")
                .record();
            Ok(call.done("/account", format!("The key for {} has ended.", key.label)))
        }
        None => Err(Refusal::NotFound),
    }
}
