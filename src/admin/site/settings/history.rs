//! Earlier configurations: who put them in force, when and why, how they differ from the
//! present one, and back to them.

use maud::html;

use super::change::{Present, checked, versions, words};
use super::review::{self, Carried};
use super::tabs;
use crate::admin::people::Right;
use crate::admin::site::frame::{self, Section};
use crate::admin::site::{Call, Refusal, difference, pieces};
use crate::config::{Version, VersionError};
use crate::web::Answer;

/// The newest ones; older ones are found by their number.
const SHOWN: usize = 200;

pub(super) async fn list(call: Call) -> Result<Answer, Refusal> {
    let versions = versions(&call);
    let all = call.blocking(move || versions.list().map_err(broken)).await?;
    let content = html! {
        (tabs("/settings/history"))
        @if all.is_empty() {
            p.soft { "Nothing has been changed here yet. The first change keeps what was before it, too." }
        } @else {
            div.scroll {
                table.stack {
                    caption { "Versions of the configuration, the newest first" }
                    thead { tr {
                        th.num scope="col" { "Number" }
                        th scope="col" { "When" }
                        th scope="col" { "Who" }
                        th scope="col" { "Why" }
                    } }
                    tbody {
                        @for version in all.iter().rev().take(SHOWN) {
                            tr {
                                td.num data-name="Number" {
                                    a href=(format!("/settings/history/{}", version.number)) { (version.number) }
                                }
                                td.when data-name="When" { (pieces::time(version.published_ms)) }
                                td data-name="Who" { (version.author) }
                                td data-name="Why" { (version.reason) }
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(frame::page(&call, Section::Settings, "History of the configuration", &content))
}

fn broken(error: VersionError) -> Refusal {
    match error {
        VersionError::Unknown(_) => Refusal::NotFound,
        error => Refusal::Broken(error.to_string()),
    }
}

pub(super) async fn version(call: &Call, number: &str) -> Result<(Version, String), Refusal> {
    let number = number.parse::<u32>().map_err(|_| Refusal::NotFound)?;
    let versions = versions(call);
    call.blocking(move || versions.read(number).map_err(broken)).await
}

pub(super) async fn show(call: Call) -> Result<Answer, Refusal> {
    let (version, text) = version(&call, call.part(0)).await?;
    let present = Present::read(&call).await?;
    let hidden = present.secrets.hidden(&text).map_err(Refusal::bad)?;
    // What stood before this version, to show what it changed.
    let before = match version.number.checked_sub(1).filter(|number| *number > 0) {
        None => None,
        Some(number) => {
            let versions = versions(&call);
            let read = call.blocking(move || versions.read(number).map_err(broken)).await;
            read.ok().and_then(|(_, text)| present.secrets.hidden(&text).ok())
        }
    };
    let content = html! {
        (tabs(""))
        dl.facts {
            dt { "When" } dd { (pieces::time(version.published_ms)) }
            dt { "Who" } dd { (version.author) }
            dt { "Why" } dd { @if version.reason.is_empty() { span.soft { "not said" } } (version.reason) }
        }
        @if let Some(before) = before {
            h2 { "What it changed" }
            (difference::shown(&before, &hidden))
        }
        h2 { "From it to the present one" }
        (difference::shown(&hidden, &present.shown))
        @if call.may(Right::Settings) && text != present.text {
            form method="post" action=(format!("/settings/history/{}", version.number)) {
                (frame::mark(&call))
                button type="submit" { "Go back to this version…" }
            }
        }
        details { summary { "The whole text" } pre tabindex="0" { (hidden) } }
    };
    let title = format!("Version {} of the configuration", version.number);
    Ok(frame::page(&call, Section::Settings, &title, &content))
}

pub(super) async fn restore(call: Call) -> Result<Answer, Refusal> {
    let (version, text) = version(&call, call.part(0)).await?;
    let present = Present::read(&call).await?;
    let here = format!("/settings/history/{}", version.number);
    match checked(&call, &text).await? {
        Ok(_) => {
            let restored = (text.as_str(), Carried::Version(version.number));
            review::page(&call, &present, restored, &here, None).await
        }
        Err(error) => {
            let why = format!("That version is no configuration any more: {}", words(&error));
            Ok(call.failed(&here, why))
        }
    }
}
