//! The configuration on the site: by section in forms, as a whole text, and its history.
//!
//! In: what somebody typed. Out: first what differs, then, when they say so, another
//! configuration in force ([`change`]). What a key means is in the manual's words
//! ([`crate::config::keys`]). Secrets are never shown.

pub mod change;
mod field;
mod history;
mod review;
mod section;
mod text;

use maud::{Markup, html};

use super::frame::{self, Section};
use super::routes::route;
use super::{Call, Refusal, Route};
use crate::admin::people::Right;
use crate::config::edit::Document;
use crate::config::keys::{self, SECTIONS, Shape};
use crate::web::Answer;
use change::Present;

pub(super) const ROUTES: &[Route] = &[
    route!(GET "/settings", Right(SeeSettings), show),
    route!(GET "/settings/text", Right(SeeSettings), text::show),
    route!(POST "/settings/text", Right(Settings), text::review, change::TEXT_OCTETS),
    route!(POST "/settings/apply", Right(Settings), review::apply, change::TEXT_OCTETS),
    route!(GET "/settings/history", Right(SeeSettings), history::list),
    route!(GET "/settings/history/{number}", Right(SeeSettings), history::show),
    route!(POST "/settings/history/{number}", Right(Settings), history::restore),
    route!(GET "/settings/section/{path}", Right(SeeSettings), section::show),
    route!(POST "/settings/section/{path}", Right(Settings), section::save),
    route!(GET "/settings/section/{path}/{at}", Right(SeeSettings), section::show),
    route!(POST "/settings/section/{path}/{at}", Right(Settings), section::save),
    route!(POST "/settings/remove/{path}/{at}", Right(Settings), section::remove),
];

/// The ways through the configuration; `present` is the path of one of them.
fn tabs(present: &str) -> Markup {
    let ways = [
        ("/settings", "By section"),
        ("/settings/text", "As text"),
        ("/settings/history", "History"),
    ];
    html! {
        nav aria-label="Configuration" {
            ul.tabs {
                @for (path, name) in ways {
                    li { a href=(path) aria-current=[(path == present).then_some("page")] { (name) } }
                }
            }
        }
    }
}

async fn show(call: Call) -> Result<Answer, Refusal> {
    let present = Present::read(&call).await?;
    let document = Document::parse(&present.shown).map_err(Refusal::bad)?;
    let mut groups: Vec<&str> = SECTIONS.iter().map(|section| section.group).collect();
    groups.dedup();
    let content = html! {
        (tabs("/settings"))
        p.soft {
            "The file is " code { (call.site.steering.file().display()) } ". "
            "Whatever is left out has its default; what you change is shown before it counts."
        }
        @if call.may(Right::Settings) {
            p { a href="/setup" { "First steps: test next hops, DNS, certificate, virus scanner, a message" } }
        }
        p {
            a href="/mailboxes" { "Accounts for handing in mail" } " · "
            a href="/senders" { "Trusted and blocked senders" }
        }
        div.masonry {
            @for group in groups {
                section.card {
                    h2 { (group) }
                    ul.plain {
                        @for section in SECTIONS.iter().filter(|section| section.group == group) {
                            li {
                                a href=(format!("/settings/section/{}", section.path)) { (section.title) }
                                @let (is_own, words) = standing(&document, section);
                                @if is_own { " " span.badge { (words) } }
                                div.soft.small { code { (section.heading()) } @if !is_own { " – " (words) } }
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(frame::page(&call, Section::Settings, "Settings", &content))
}

/// Whether anything of a section was said, and how much.
fn standing(document: &Document, section: &keys::Section) -> (bool, String) {
    let count = document.count(section);
    match section.shape {
        Shape::Tables if count == 0 => (false, "none".into()),
        Shape::Tables => (true, count.to_string()),
        Shape::Table => {
            let given = section.keys.iter().filter(|key| document.has(section, 0, key)).count();
            match given {
                0 => (false, "as shipped".into()),
                given => (true, format!("{given} of {} set", section.keys.len())),
            }
        }
    }
}
