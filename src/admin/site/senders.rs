//! Trusted and blocked senders: the lists of the site, of domains and of people, those of the
//! configuration and those that were given while the box runs.
//!
//! In: an order for one list. Out: the list changed, journalled. Who is responsible for some
//! domains sees and changes the lists of these domains and of their people only.

use maud::{Markup, html};

use super::frame::{self, Section};
use super::noted::note_outcome;
use super::pieces;
use super::routes::route;
use super::{Call, Refusal, Route};
use crate::admin::api::{SenderOrder, SenderRow};
use crate::admin::people::{Right, Scope};
use crate::admin::senders::configured;
use crate::journal::Act;
use crate::web::Answer;

const HERE: &str = "/senders";
/// Entries of one page; a part of a list is found by its field.
const SHOWN: usize = 500;

pub(super) const ROUTES: &[Route] = &[
    route!(GET "/senders", Right(SeeMail), show),
    route!(POST "/senders", Right(Senders), change),
];

fn sees(scope: &Scope, list: &str) -> bool {
    *scope == Scope::Site || scope.sees_texts([list].into_iter())
}

/// Every entry of the lists that the caller may see.
pub(super) async fn all(call: &Call) -> Result<Vec<SenderRow>, Refusal> {
    let (desk, config) = (call.desk(), call.site.steering.config());
    let scope = call.caller.scope.clone();
    let work = move || {
        let mut senders = configured(&config.lists);
        senders.extend(desk.senders()?);
        senders.retain(|row| sees(&scope, &row.list));
        Ok(senders)
    };
    call.blocking(work).await
}

/// Trusts, blocks or forgets, journalled; a list that is not the caller's is not there.
pub(super) async fn put(call: &Call, order: SenderOrder) -> Result<SenderRow, Refusal> {
    let list = match (&order.domain, &order.user) {
        (Some(domain), _) => format!("@{domain}"),
        (_, Some(user)) => user.clone(),
        _ => "site".to_owned(),
    };
    if !sees(&call.caller.scope, &list) {
        return Err(Refusal::NotFound);
    }
    let act = Act {
        what: format!("senders.{}", order.act),
        object: order.entry.clone(),
        after: Some(list),
        ..Act::default()
    };
    let desk = call.desk();
    let done = call.blocking(move || Ok(desk.put_sender(&order)?)).await;
    note_outcome(call, None, act, done)
}

/// What a form asks for: the list is `site`, `@domain` or somebody's address.
fn order_of(call: &Call) -> Result<SenderOrder, Refusal> {
    let act = call.field("act")?.to_owned();
    if !["trust", "block", "forget"].contains(&act.as_str()) {
        return Err(Refusal::bad("act: trust, block or forget"));
    }
    let field = |name: &str| call.form.first(name).unwrap_or_default().trim().to_owned();
    let (domain, user) = match field("list").as_str() {
        "" | "site" => (None, None),
        list => match list.strip_prefix('@') {
            Some(domain) => (Some(domain.to_owned()), None),
            None if list.contains('@') => (None, Some(list.to_owned())),
            None => (Some(list.to_owned()), None),
        },
    };
    Ok(SenderOrder { act, entry: field("entry"), domain, user })
}

async fn change(call: Call) -> Result<Answer, Refusal> {
    let order = order_of(&call)?;
    let words = match order.act.as_str() {
        "trust" => "is trusted",
        "block" => "is blocked",
        _ => "is forgotten",
    };
    match put(&call, order).await {
        Ok(row) => {
            Ok(call.done(HERE, format!("{} {words} in the list of {}.", row.entry, row.list)))
        }
        Err(why @ (Refusal::Bad(_) | Refusal::Conflict(_))) => page(&call, Some(&why)).await,
        Err(why) => Err(why),
    }
}

async fn show(call: Call) -> Result<Answer, Refusal> {
    page(&call, None).await
}

async fn page(call: &Call, failed: Option<&Refusal>) -> Result<Answer, Refusal> {
    let part = call.ask.query.filled("any").map(str::to_lowercase);
    let fits = |row: &SenderRow| {
        let has = |text: &str| part.as_ref().is_none_or(|part| text.to_lowercase().contains(part));
        has(&row.entry) || has(&row.list)
    };
    let mut rows = all(call).await?;
    rows.retain(fits);
    let may_change = call.may(Right::Senders);
    let content = html! {
        @if let Some(why) = failed { div.notice.bad role="alert" { (why) } }
        p.soft {
            "Mail of trusted senders is not taken for spam, mail of blocked ones is refused. A \
             person's list counts before their domain's, and that before the site's."
        }
        @if may_change { (order_form(call)) }
        form.card method="get" action=(HERE) role="search" aria-label="Entries" {
            div.row {
                div.field {
                    label for="any" { "Part of an entry or list" }
                    input #any name="any" value=(call.ask.query.first("any").unwrap_or_default());
                }
                button.plain type="submit" { "Show" }
            }
        }
        @if rows.is_empty() {
            div.card { p { b { "No sender is listed" } @if part.is_some() { " that fits" } "." } }
        } @else {
            (table(call, &rows))
        }
    };
    let status = failed.map_or(warp::http::StatusCode::OK, Refusal::status);
    Ok(frame::shown(call, status, Section::Tracking, "Trusted and blocked senders", &content))
}

fn order_form(call: &Call) -> Markup {
    let typed = |name: &str| call.form.first(name).unwrap_or_default().to_owned();
    let own = match &call.caller.scope {
        Scope::Site => "site".to_owned(),
        Scope::Domains(own) => own.first().map(|one| format!("@{one}")).unwrap_or_default(),
    };
    let list = call.form.filled("list").map_or(own, str::to_owned);
    html! {
        form.card method="post" action=(HERE) {
            (frame::mark(call))
            div.row {
                div.field {
                    label for="entry" { "Sender " span.soft { "(address, @domain or network)" } }
                    input #entry name="entry" value=(typed("entry")) required maxlength="400"
                        spellcheck="false" autocomplete="off";
                }
                div.field {
                    label for="list" { "List of " span.soft { "(site, @domain or an address)" } }
                    input #list name="list" value=(list) maxlength="400" spellcheck="false"
                        autocomplete="off";
                }
                button type="submit" name="act" value="block" { "Block" }
                button.plain type="submit" name="act" value="trust" { "Trust" }
            }
        }
    }
}

fn table(call: &Call, rows: &[SenderRow]) -> Markup {
    let may_change = call.may(Right::Senders);
    html! {
        div.scroll { table.stack {
            caption { (pieces::how_many(rows.len(), "entries", SHOWN)) }
            thead { tr {
                th scope="col" { "Sender" } th scope="col" { "Is" } th scope="col" { "In the list of" }
                th scope="col" { "Given by" } th scope="col" { "Since" }
                @if may_change { th scope="col" { "Change" } }
            } }
            tbody { @for row in rows.iter().take(SHOWN) { (line(call, row, may_change)) } }
        } }
    }
}

fn line(call: &Call, row: &SenderRow, may_change: bool) -> Markup {
    let is_given = row.origin == "command";
    let field = if row.entry.contains('@') { "sender" } else { "client" };
    let found = super::tracking::one_pair(field, row.entry.trim_start_matches('@'));
    html! {
        tr {
            td data-name="Sender" { a href=(format!("/tracking?{found}")) { (row.entry) } }
            td data-name="Is" {
                @if row.side == "trusted" { span.badge.good { (row.side) } }
                @else { span.badge.bad { (row.side) } }
            }
            td data-name="In the list of" { (row.list) }
            td data-name="Given by" { @if is_given { (row.by) } @else { span.soft { "the configuration" } } }
            td.when data-name="Since" { (row.since) }
            @if may_change {
                td data-name="Change" {
                    @if is_given {
                        form method="post" action=(HERE) {
                            (frame::mark(call))
                            input type="hidden" name="entry" value=(row.entry);
                            input type="hidden" name="list" value=(row.list);
                            button.plain type="submit" name="act" value="forget" {
                                "Forget" span.visually-hidden { " " (row.entry) " in the list of " (row.list) }
                            }
                        }
                    }
                }
            }
        }
    }
}
