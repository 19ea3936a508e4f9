//! The first two questions of a new box: the code that it printed, and who its owner is.
//!
//! In: the one-time code; a name and a password. Out: an owner who is logged in. Once the code
//! was right a cookie of its own says so for an hour: it is made with the code as key, so it
//! ends with the code. Wrong codes are slowed down by client.

use std::time::Instant;

use maud::{Markup, html};
use warp::http::StatusCode;

use super::SetUp;
use crate::admin::people::PeopleError;
use crate::admin::site::frame::{self, Section};
use crate::admin::site::{Call, Refusal, login, noted};
use crate::net::network::Client;
use crate::store::token;
use crate::web::answer::{self, Answer};
use crate::web::attempts::Key;

const COOKIE: &str = "__Host-setup";
const LASTS_S: u64 = 3_600;
/// What the cookie is made for.
const PURPOSE: &str = "first visit";

/// The page of whoever is not logged in.
pub(super) async fn show(call: &Call) -> Result<Answer, Refusal> {
    match is_let_in(call).await? {
        true => Ok(owner_form(call, StatusCode::OK, "", None)),
        false => Ok(code_form(call, StatusCode::OK, None)),
    }
}

pub(super) async fn code(call: Call) -> Result<Answer, Refusal> {
    if !call.site.people.is_empty() {
        return Err(Refusal::Conflict("the box has an owner already: log in".into()));
    }
    let key = Key::Client(format!("setup {}", Client::of(call.ask.client.ip())));
    let attempt = match call.site.attempts.begin(&[key], Instant::now()) {
        Ok(attempt) => attempt,
        Err(wait) => {
            let words = format!("Too many wrong codes. Try again in {} s.", wait.as_secs() + 1);
            return Ok(code_form(&call, StatusCode::TOO_MANY_REQUESTS, Some(&words)));
        }
    };
    let typed = call.form.first("code").unwrap_or_default().to_owned();
    let (site, now_ms) = (call.site.clone(), call.now_ms());
    let ticket = call.blocking(move || Ok(site.setup.ticket(&typed, now_ms))).await?;
    let Some(ticket) = ticket else {
        attempt.failed();
        noted::act(&call, "setup.code", "").refused("the code is wrong").record();
        let words = "That is not the code that this box printed.";
        return Ok(code_form(&call, StatusCode::UNAUTHORIZED, Some(words)));
    };
    attempt.succeeded();
    noted::act(&call, "setup.code", "").record();
    let next = answer::see_other("/setup");
    Ok(answer::with_cookie(next, COOKIE, &ticket, Some(LASTS_S)))
}

pub(super) async fn owner(call: Call) -> Result<Answer, Refusal> {
    if !is_let_in(&call).await? {
        return Ok(answer::see_other("/setup"));
    }
    let name = call.form.first("name").unwrap_or_default().to_owned();
    let password = call.form.first("password").unwrap_or_default().to_owned();
    let again = call.form.first("again").unwrap_or_default();
    let wrong =
        |words: &str| Ok(owner_form(&call, StatusCode::UNPROCESSABLE_ENTITY, &name, Some(words)));
    if password != again {
        return wrong("The two passwords are not the same.");
    }
    let (site, own, now_ms) = (call.site.clone(), name.clone(), call.now_ms());
    let made = call
        .blocking(move || {
            let made = site.people.add_first(&own, &password, now_ms);
            if made.is_ok() {
                site.setup.done();
            }
            Ok(made)
        })
        .await?;
    let person = match made {
        Ok(person) => person,
        Err(error @ (PeopleError::BadName | PeopleError::WeakPassword(_))) => {
            return wrong(&error.to_string());
        }
        Err(error) => return Err(error.into()),
    };
    noted::act(&call, "people.add", person.name.clone())
        .by(&person.name)
        .after("owner")
        .because("first visit")
        .record();
    let next = login::begin(&call, &person.name, "/setup").await?;
    Ok(answer::with_cookie(next, COOKIE, "", Some(0)))
}

async fn is_let_in(call: &Call) -> Result<bool, Refusal> {
    let Some(ticket) = call.ask.cookie(COOKIE).map(str::to_owned) else { return Ok(false) };
    let (site, now_ms) = (call.site.clone(), call.now_ms());
    call.blocking(move || Ok(site.people.is_empty() && site.setup.lets_in(&ticket, now_ms))).await
}

impl SetUp {
    /// What the cookie says when this is the code. Blocks.
    fn ticket(&self, typed: &str, now_ms: u64) -> Option<String> {
        if !self.is_right(typed) {
            return None;
        }
        let ends_s = now_ms / 1000 + LASTS_S;
        let mark = token::derived(&self.known().ok()??, &format!("{PURPOSE} {ends_s}"));
        Some(format!("{ends_s}.{mark}"))
    }

    /// Whether the cookie still says that the code was right. Blocks.
    fn lets_in(&self, ticket: &str, now_ms: u64) -> bool {
        let Some((ends, mark)) = ticket.split_once('.') else { return false };
        let Ok(ends_s) = ends.parse::<u64>() else { return false };
        let Ok(Some(code)) = self.known() else { return false };
        let own = token::derived(&code, &format!("{PURPOSE} {ends_s}"));
        ends_s > now_ms / 1000 && token::same(&own, mark)
    }
}

fn code_form(call: &Call, status: StatusCode, failed: Option<&str>) -> Answer {
    let content = html! {
        p { "Welcome. This box has no owner yet. To show that it is yours, type the code that it "
            "printed when it was started: on its console, and in its journal ("
            code { "journalctl -u postern" } "). It is also in the file " code { "setup-code" }
            " of its data directory." }
        (said(failed))
        form.card method="post" action="/setup/code" {
            (frame::mark(call))
            div.field {
                label for="code" { "One-time code " span.soft { "(such as ABCD-EFGH-JKLM)" } }
                input.secret #code name="code" autocomplete="off" autocapitalize="characters"
                    spellcheck="false" maxlength="64" required autofocus;
            }
            button type="submit" { "Go on" }
        }
    };
    frame::shown(call, status, Section::Elsewhere, "Set up this box", &content)
}

fn owner_form(call: &Call, status: StatusCode, name: &str, failed: Option<&str>) -> Answer {
    let content = html! {
        p { "The code is right. Now make the account of the owner, who may do everything here. "
            "All further steps can be done in any order, now or later." }
        (said(failed))
        form.card method="post" action="/setup/owner" {
            (frame::mark(call))
            div.field {
                label for="name" { "Name " span.soft { "(letters, digits and . - _ @)" } }
                input #name name="name" value=(name) autocomplete="username" maxlength="64"
                    autocapitalize="none" spellcheck="false" required autofocus;
            }
            div.field {
                label for="password" {
                    "Password " span.soft { "(ten characters at least, not easy to guess)" }
                }
                input #password name="password" type="password" autocomplete="new-password"
                    minlength="10" required;
            }
            div.field {
                label for="again" { "The same password again" }
                input #again name="again" type="password" autocomplete="new-password" required;
            }
            button type="submit" { "Make this account and log in" }
        }
    };
    frame::shown(call, status, Section::Elsewhere, "Who owns this box?", &content)
}

fn said(failed: Option<&str>) -> Markup {
    html! { @if let Some(words) = failed { div.notice.bad role="alert" { (words) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ticket_ends_with_its_time_and_with_the_code() {
        let folder = tempfile::tempdir().unwrap();
        let setup = SetUp::new(folder.path());
        let code = setup.code().unwrap();
        assert!(setup.ticket("XXXX-XXXX-XXXX", 0).is_none());
        let ticket = setup.ticket(&code, 5_000).unwrap();
        assert!(setup.lets_in(&ticket, 5_000));
        assert!(!setup.lets_in(&ticket, 5_000 + LASTS_S * 1000), "an hour is over");
        let longer = ticket.replacen("3605", "9999", 1);
        assert_ne!(longer, ticket);
        assert!(!setup.lets_in(&longer, 5_000), "its end is part of the mark");
        for wrong in ["", ".", "3605.", "x.y", &ticket[..ticket.len() - 1]] {
            assert!(!setup.lets_in(wrong, 5_000), "{wrong}");
        }
        setup.done();
        assert!(!setup.lets_in(&ticket, 5_000), "the code is gone");
    }
}
