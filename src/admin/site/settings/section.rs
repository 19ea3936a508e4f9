//! One section of the configuration as a form, or as a list of such forms.
//!
//! In: fields. Out: what the change would be ([`review`]), or the same form again with what is
//! wrong beside its field.

use std::collections::BTreeMap;

use maud::{Markup, html};
use warp::http::StatusCode;

use super::change::{Present, checked, words};
use super::field::{Field, Use, typed};
use super::review::{self, Carried};
use super::tabs;
use crate::admin::people::Right;
use crate::admin::site::frame::{self, Section};
use crate::admin::site::{Call, Refusal};
use crate::config::ConfigError;
use crate::config::edit::Document;
use crate::config::keys::{self, Kind, Shape};
use crate::web::Answer;

/// In the place of a number: a table that is not there yet.
const NEW: &str = "new";

/// What a form shows in place of what the file says: name of a field and text; and what is wrong
/// with which field, or with all of it under the empty name.
#[derive(Debug, Default)]
struct Shown {
    typed: BTreeMap<String, String>,
    wrong: BTreeMap<String, String>,
}

pub(super) async fn show(call: Call) -> Result<Answer, Refusal> {
    let section = section_of(&call)?;
    let present = Present::read(&call).await?;
    let document = Document::parse(&present.shown).map_err(Refusal::bad)?;
    if section.shape == Shape::Tables && call.parts.len() == 1 {
        return Ok(frame::page(
            &call,
            Section::Settings,
            section.title,
            &list(&call, &document, section),
        ));
    }
    let at = place(&call, &document, section)?;
    let shown = Shown::default();
    Ok(form(&call, StatusCode::OK, (section, at), &document, &shown))
}

pub(super) async fn save(call: Call) -> Result<Answer, Refusal> {
    let section = section_of(&call)?;
    let present = Present::read(&call).await?;
    let before = Document::parse(&present.text).map_err(Refusal::bad)?;
    let at = place(&call, &before, section)?;
    let (mut after, mut shown) = (before.clone(), Shown::default());
    let row = match at {
        Some(at) => at,
        None => after.add(section).map_err(Refusal::bad)?,
    };
    for key in section.keys {
        let old = before.shown(section, row, key);
        let Some(text) = typed(&call.form, key, &old) else { continue };
        if let Err(error) = after.put(section, row, key, &text) {
            shown.wrong.insert(key.name.to_owned(), error.to_string());
        }
        if key.kind != Kind::Secret {
            shown.typed.insert(key.name.to_owned(), text);
        }
    }
    let text = after.text();
    if shown.wrong.is_empty()
        && let Err(error) = checked(&call, &text).await?
    {
        shown.wrong.insert(field_of(&text, section, &error), words(&error));
    }
    if !shown.wrong.is_empty() {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Ok(form(&call, status, (section, at), &before, &shown));
    }
    let back = format!("/settings/section/{}", section.path);
    review::page(&call, &present, (&text, Carried::Typed), &back, None).await
}

pub(super) async fn remove(call: Call) -> Result<Answer, Refusal> {
    let section = section_of(&call)?;
    let present = Present::read(&call).await?;
    let mut document = Document::parse(&present.text).map_err(Refusal::bad)?;
    let at = place(&call, &document, section)?.ok_or(Refusal::NotFound)?;
    document.remove(section, at).map_err(|_| Refusal::NotFound)?;
    let text = document.text();
    let back = format!("/settings/section/{}", section.path);
    if let Err(error) = checked(&call, &text).await? {
        let why = format!("Without it this is no configuration: {}", words(&error));
        return Ok(call.failed(&back, why));
    }
    review::page(&call, &present, (&text, Carried::Typed), &back, None).await
}

fn section_of(call: &Call) -> Result<&'static keys::Section, Refusal> {
    keys::section(call.part(0)).ok_or(Refusal::NotFound)
}

/// Which table is meant; none for one that is yet to be made.
fn place(
    call: &Call,
    document: &Document,
    section: &keys::Section,
) -> Result<Option<usize>, Refusal> {
    match (section.shape, call.parts.get(1).map(String::as_str)) {
        (Shape::Table, None | Some("0")) => Ok(Some(0)),
        (Shape::Tables, Some(NEW)) => Ok(None),
        (Shape::Tables, Some(at)) => {
            let at = at.parse().ok().filter(|at| *at < document.count(section));
            at.map(Some).ok_or(Refusal::NotFound)
        }
        _ => Err(Refusal::NotFound),
    }
}

/// The field in whose line of the new text the error is; the empty name when it is elsewhere.
fn field_of(text: &str, section: &keys::Section, error: &ConfigError) -> String {
    let ConfigError::Wrong { place, .. } = error else { return String::new() };
    let line = text.lines().nth(place.line.saturating_sub(1)).unwrap_or_default();
    let name = line.split('=').next().unwrap_or_default().trim().trim_matches('"');
    let key = section.keys.iter().find(|key| key.own_name() == name);
    key.map(|key| key.name.to_owned()).unwrap_or_default()
}

fn list(call: &Call, document: &Document, section: &keys::Section) -> Markup {
    let rows = 0..document.count(section);
    let columns: Vec<&keys::Key> = section.keys.iter().take(4).collect();
    let path = section.path;
    html! {
        (tabs("/settings"))
        p { code { (section.heading()) } }
        @if rows.is_empty() {
            p.soft { "There is none yet." }
        } @else {
            div.scroll {
                table.stack {
                    caption { "In the order of the file" }
                    thead { tr {
                        @for key in &columns { th scope="col" { (key.name) } }
                        th scope="col" { "Change" }
                    } }
                    tbody {
                        @for at in rows {
                            tr {
                                @for key in &columns {
                                    td data-name=(key.name) {
                                        @if key.kind == Kind::Secret && document.has(section, at, key) { "given" }
                                        (document.shown(section, at, key))
                                    }
                                }
                                td data-name="Change" {
                                    a.button.plain href=(format!("/settings/section/{path}/{at}")) {
                                        @if call.may(Right::Settings) { "Change" } @else { "See all" }
                                        span.visually-hidden { " number " (at + 1) }
                                    }
                                    @if call.may(Right::Settings) {
                                        " " form.inline method="post" action=(format!("/settings/remove/{path}/{at}")) {
                                            (frame::mark(call))
                                            button.danger type="submit" {
                                                "Remove…" span.visually-hidden { " number " (at + 1) }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        @if call.may(Right::Settings) {
            p { a.button href=(format!("/settings/section/{path}/{NEW}")) { "Add one" } }
        }
    }
}

fn form(
    call: &Call,
    status: StatusCode,
    (section, at): (&keys::Section, Option<usize>),
    document: &Document,
    shown: &Shown,
) -> Answer {
    let used = if call.may(Right::Settings) { Use::Change } else { Use::Look };
    let place = match (section.shape, at) {
        (Shape::Table, _) => String::new(),
        (Shape::Tables, Some(at)) => format!("/{at}"),
        (Shape::Tables, None) => format!("/{NEW}"),
    };
    // A new one is behind all others.
    let row = at.unwrap_or_else(|| document.count(section));
    let content = html! {
        (tabs("/settings"))
        p { code { (section.heading()) } }
        @if let Some(wrong) = shown.wrong.get("") {
            div.notice.bad role="alert" { (wrong) }
        } @else if !shown.wrong.is_empty() {
            div.notice.bad role="alert" { "This is not taken yet: see the fields that are marked below." }
        }
        form.card method="post" action=(format!("/settings/section/{}{place}", section.path)) {
            (frame::mark(call))
            @for key in section.keys {
                @let present = document.shown(section, row, key);
                (Field {
                    section,
                    key,
                    value: shown.typed.get(key.name).map_or(present.as_str(), String::as_str),
                    is_given: document.has(section, row, key),
                    wrong: shown.wrong.get(key.name).map(String::as_str),
                    used,
                }.markup())
            }
            @if used == Use::Change {
                button type="submit" { "Show what would change" }
            } @else {
                p.soft { "Your role may look at this, not change it." }
            }
        }
        @let is_there = section.shape == Shape::Table && document.count(section) > 0;
        @if used == Use::Change && is_there && section.path != "system" {
            form method="post" action=(format!("/settings/remove/{}/0", section.path)) {
                (frame::mark(call))
                button.danger type="submit" { "Remove this section…" }
                " " span.soft.small { "All of it and what is below it has its defaults then." }
            }
        }
    };
    frame::shown(call, status, Section::Settings, section.title, &content)
}
