//! Accounts with which own people hand in mail (RFC 6409): who there is, which reverse-paths each
//! may use, a new password, none any more.
//!
//! In: forms. Out: accounts in the store, journalled without their passwords. A password is never
//! shown; one that is left empty stays as it is.

use maud::{Markup, html};
use warp::http::StatusCode;

use super::frame::{self, Section};
use super::noted::note_outcome;
use super::pieces;
use super::routes::route;
use super::{Call, Refusal, Route};
use crate::admin::api::{AccountOrder, AccountRow};
use crate::admin::people::Right;
use crate::journal::Act;
use crate::web::Answer;

const HERE: &str = "/mailboxes";
/// Of one page.
const SHOWN: usize = 500;

pub(super) const ROUTES: &[Route] = &[
    route!(GET "/mailboxes", Right(SeeSettings), show),
    route!(POST "/mailboxes", Right(Settings), change),
    route!(POST "/mailboxes/remove", Right(Settings), remove),
];

/// Every account.
pub(super) async fn all(call: &Call) -> Result<Vec<AccountRow>, Refusal> {
    let desk = call.desk();
    call.blocking(move || Ok(desk.accounts()?)).await
}

/// Makes an account, or gives it other addresses and, unless that is empty, another password.
pub(super) async fn put(call: &Call, order: AccountOrder) -> Result<AccountRow, Refusal> {
    let after = Some(order.addresses.join(", "));
    let act = Act { after, ..Act::of("users.put", order.name.clone()) };
    let desk = call.desk();
    let put = call.blocking(move || Ok(desk.put_account(&order)?)).await;
    note_outcome(call, None, act, put)
}

/// Takes an account away.
pub(super) async fn taken(call: &Call, name: &str) -> Result<AccountRow, Refusal> {
    let (desk, own) = (call.desk(), name.to_owned());
    let removed = call.blocking(move || Ok(desk.remove_account(&own)?)).await;
    note_outcome(call, None, Act::of("users.remove", name), removed)
}

async fn change(call: Call) -> Result<Answer, Refusal> {
    let field = |name: &str| call.form.first(name).unwrap_or_default().to_owned();
    let addresses = field("addresses");
    let order = AccountOrder {
        name: field("name").trim().to_owned(),
        password: field("password"),
        addresses: addresses.split_whitespace().map(str::to_owned).collect(),
    };
    match put(&call, order).await {
        Ok(row) => Ok(call.done(HERE, format!("{} may hand in mail.", row.name))),
        Err(why @ (Refusal::Bad(_) | Refusal::Conflict(_))) => page(&call, Some(&why)).await,
        Err(why) => Err(why),
    }
}

async fn remove(call: Call) -> Result<Answer, Refusal> {
    let name = call.field("name")?.to_owned();
    let row = taken(&call, &name).await?;
    Ok(call.done(HERE, format!("{} may not hand in mail any more.", row.name)))
}

async fn show(call: Call) -> Result<Answer, Refusal> {
    page(&call, None).await
}

async fn page(call: &Call, failed: Option<&Refusal>) -> Result<Answer, Refusal> {
    let rows = all(call).await?;
    let may_change = call.may(Right::Settings);
    let content = html! {
        p { a href="/settings" { "All settings" } }
        @if let Some(why) = failed { div.notice.bad role="alert" { (why) } }
        p.soft {
            "With these, people hand in their mail at the listeners for submission. Those of a \
             directory are not listed here: they stand under "
            a href="/settings/section/submission" { "Who may submit, beside own accounts" } "."
        }
        @if rows.is_empty() { div.card { p { b { "There is no account yet." } } } }
        @else { (table(call, &rows, may_change)) }
        @if may_change { (form(call)) }
    };
    let status = failed.map_or(StatusCode::OK, Refusal::status);
    Ok(frame::shown(call, status, Section::Settings, "Accounts for handing in mail", &content))
}

fn table(call: &Call, rows: &[AccountRow], may_change: bool) -> Markup {
    html! {
        div.scroll { table.stack {
            caption { (pieces::how_many(rows.len(), "accounts", SHOWN)) }
            thead { tr {
                th scope="col" { "Name" } th scope="col" { "May write as" }
                @if may_change { th scope="col" { "Change" } }
            } }
            tbody { @for row in rows.iter().take(SHOWN) {
                tr {
                    td data-name="Name" { (row.name) }
                    td data-name="May write as" { (row.addresses.join(", ")) }
                    @if may_change {
                        td data-name="Change" {
                            form method="post" action="/mailboxes/remove" {
                                (frame::mark(call))
                                input type="hidden" name="name" value=(row.name);
                                button.danger type="submit" data-confirm="Take this account away?" {
                                    "Remove" span.visually-hidden { " " (row.name) }
                                }
                            }
                        }
                    }
                }
            } }
        } }
    }
}

fn form(call: &Call) -> Markup {
    let typed = |name: &str| call.form.first(name).unwrap_or_default().to_owned();
    html! {
        section.card {
            h2 { "Make or change an account" }
            form method="post" action=(HERE) {
                (frame::mark(call))
                div.field {
                    label for="name" { "Name " span.soft { "(a known one is changed)" } }
                    input #name name="name" value=(typed("name")) required maxlength="200"
                        autocapitalize="none" spellcheck="false" autocomplete="off";
                }
                div.field {
                    label for="password" { "Password " span.soft { "(empty: that of a known one stays)" } }
                    input #password name="password" type="password" maxlength="500"
                        autocomplete="new-password";
                }
                div.field {
                    label for="addresses" {
                        "May write as " span.soft { "(addresses or @domain, one a line)" }
                    }
                    textarea.short #addresses name="addresses" rows="2" required spellcheck="false" {
                        "\n" (typed("addresses"))
                    }
                }
                button type="submit" { "Save" }
            }
        }
    }
}
