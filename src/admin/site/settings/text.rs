//! The whole configuration as one text.

use maud::html;
use warp::http::StatusCode;

use super::change::{Present, checked, words};
use super::review::{self as review_page, Carried};
use super::tabs;
use crate::admin::people::Right;
use crate::admin::site::frame::{self, Section};
use crate::admin::site::{Call, Refusal};
use crate::config::ConfigError;
use crate::web::Answer;

pub(super) async fn show(call: Call) -> Result<Answer, Refusal> {
    let present = Present::read(&call).await?;
    Ok(page(&call, StatusCode::OK, &present.shown, None))
}

pub(super) async fn review(call: Call) -> Result<Answer, Refusal> {
    let present = Present::read(&call).await?;
    let typed = call.form.first("text").unwrap_or_default().replace("\r\n", "\n");
    let text = present.secrets.restored(&typed);
    match checked(&call, &text).await? {
        Ok(_) => {
            let typed = (text.as_str(), Carried::Typed);
            review_page::page(&call, &present, typed, "/settings/text", None).await
        }
        Err(error) => Ok(page(&call, StatusCode::UNPROCESSABLE_ENTITY, &typed, Some(&error))),
    }
}

fn page(call: &Call, status: StatusCode, text: &str, wrong: Option<&ConfigError>) -> Answer {
    let may = call.may(Right::Settings);
    let line = match wrong {
        Some(ConfigError::Wrong { place, .. }) => text.lines().nth(place.line.saturating_sub(1)),
        _ => None,
    };
    let content = html! {
        (tabs("/settings/text"))
        @if let Some(wrong) = wrong {
            div.notice.bad role="alert" id="wrong" {
                p { "This is no configuration yet: " (words(wrong)) }
                @if let Some(line) = line { pre { (line) } }
            }
        }
        form.card method="post" action="/settings/text" {
            (frame::mark(call))
            div.field {
                label for="text" {
                    "The file " span.soft {
                        "(secrets read (secret 1) and so on: leave that there and they stay)"
                    }
                }
                textarea #text name="text" rows="32" spellcheck="false" wrap="off" readonly[!may]
                    aria-describedby=[wrong.map(|_| "wrong")] { "\n" (text) }
            }
            @if may { button type="submit" { "Show what would change" } }
        }
    };
    frame::shown(call, status, Section::Settings, "The configuration as text", &content)
}
