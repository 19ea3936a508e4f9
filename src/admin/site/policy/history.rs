//! Every text of rules that was in force: who, when, why; differences; back to one of them.

use maud::{Markup, html};

use super::tabs;
use crate::admin::people::Right;
use crate::admin::site::frame::{self, Section};
use crate::admin::site::{Call, Refusal, difference, pieces, rulebook};
use crate::config::Version;
use crate::journal::Act;
use crate::web::Answer;

/// Versions of one page.
const SHOWN: usize = 100;
pub(super) async fn list(call: Call) -> Result<Answer, Refusal> {
    let config = call.site.steering.config();
    let mut all = call.blocking(move || Ok(rulebook::versions(&config).list()?)).await?;
    all.reverse();
    let from = call.ask.query.first("from").and_then(|from| from.parse().ok()).unwrap_or(0usize);
    let content = html! {
        (tabs("history"))
        @if all.is_empty() { p { "No text of rules was in force yet." } }
        @else {
            table.stack {
                caption { (all.len()) " versions, the newest first" }
                thead { tr {
                    th.num scope="col" { "Version" } th scope="col" { "When" }
                    th scope="col" { "Who" } th scope="col" { "Why" }
                } }
                tbody {
                    @for version in all.iter().skip(from).take(SHOWN) { (row(version)) }
                }
            }
            @if all.len() > from + SHOWN {
                (pieces::further(&call.ask.query, "/policy/history", "from",
                    &(from + SHOWN).to_string(), "Older versions"))
            }
        }
    };
    Ok(frame::page(&call, Section::Policy, "History of the rules", &content))
}

fn row(version: &Version) -> Markup {
    html! {
        tr {
            td.num data-name="Version" {
                a href={ "/policy/history/" (version.number) } { (version.number) }
            }
            td.when data-name="When" { (pieces::time(version.published_ms)) }
            td data-name="Who" { (version.author) }
            td data-name="Why" { (version.reason) }
        }
    }
}

fn number_of(call: &Call) -> Result<u32, Refusal> {
    call.part(0).parse().map_err(|_| Refusal::NotFound)
}

pub(super) async fn version(call: Call) -> Result<Answer, Refusal> {
    let (number, config) = (number_of(&call)?, call.site.steering.config());
    let against = call.ask.query.filled("against").map(str::to_owned);
    let read = call.blocking(move || {
        let versions = rulebook::versions(&config);
        let (version, text) = versions.read(number)?;
        let (newest, newest_text) = versions.newest()?.ok_or(Refusal::NotFound)?;
        let other = match against.as_deref().unwrap_or("before") {
            "newest" => Some((newest.number, newest_text)),
            "before" if number > 1 => {
                versions.read(number - 1).ok().map(|(it, text)| (it.number, text))
            }
            "before" => None,
            other => {
                let other = other.parse().map_err(|_| Refusal::NotFound)?;
                Some((other, versions.read(other)?.1))
            }
        };
        Ok((version, text, newest.number, other))
    });
    let (version, text, newest, other) = read.await?;
    let title = format!("Version {}", version.number);
    let content = html! {
        (tabs("history"))
        dl.facts {
            dt { "Published" } dd { (pieces::time(version.published_ms)) }
            dt { "By" } dd { (version.author) }
            dt { "Reason" } dd { (version.reason) }
        }
        p {
            a href={ "/policy/history/" (number) "?against=before" } { "Against the one before" }
            " · "
            a href={ "/policy/history/" (number) "?against=newest" } { "Against the one in force" }
        }
        @if let Some((other, before)) = &other {
            h2 { "From version " (other) " to " (number) }
            (difference::shown(before, &text))
        }
        h2 { "The text" }
        pre tabindex="0" role="region" aria-label="The text" { (text) }
        @if call.may(Right::Policy) && number != newest {
            form.card method="post" action={ "/policy/history/" (number) "/restore" } {
                (frame::mark(&call))
                div.field {
                    label for="reason" { "Reason" }
                    input #reason name="reason" required maxlength="1000";
                }
                button type="submit" { "Put version " (number) " in force again" }
            }
        }
    };
    Ok(frame::page(&call, Section::Policy, &title, &content))
}

pub(super) async fn restore(call: Call) -> Result<Answer, Refusal> {
    let (number, config) = (number_of(&call)?, call.site.steering.config());
    let reason = call.form.first("reason").unwrap_or_default().to_owned();
    let read = call.blocking(move || Ok(rulebook::versions(&config).read(number)?));
    let (_, text) = read.await?;
    let draft = rulebook::Draft { text, reason: reason.clone(), base: None };
    let published = rulebook::publish(&call, draft).await;
    let act = Act { reason, ..Act::of("policy.restore", format!("version {number}")) };
    let back = format!("/policy/history/{number}");
    match rulebook::noted(&call, act, published) {
        Ok(version) => Ok(call.done(
            "/policy",
            format!("Version {number} is in force again, as version {}", version.number),
        )),
        Err(refusal @ (Refusal::Bad(_) | Refusal::Conflict(_))) => {
            Ok(call.failed(&back, refusal.to_string()))
        }
        Err(refusal) => Err(refusal),
    }
}
