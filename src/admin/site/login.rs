//! Log-in and log-out.
//!
//! In: name, password and, for who has a second factor, a code, all in one form, so that a
//! failure tells nothing of which was wrong. Out: a session's cookie. Failures are slowed down
//! by client, and by name and client, and journalled.

use std::time::Instant;

use maud::html;
use warp::http::StatusCode;

use super::admission::COOKIE;
use super::frame::{self, Section};
use super::routes::route;
use super::{Call, Refusal, Route, noted};
use crate::admin::people::Via;
use crate::net::network::Client;
use crate::web::answer::{self, Answer};
use crate::web::attempts::{Key, Print};

pub(super) const ROUTES: &[Route] = &[
    route!(GET "/login", Nothing, show),
    route!(POST "/login", Nothing, log_in),
    route!(POST "/logout", LogIn, log_out),
];

async fn show(call: Call) -> Result<Answer, Refusal> {
    if call.caller.is_known() {
        return Ok(answer::see_other(frame::own_path(&call.ask.query)));
    }
    Ok(form(&call, StatusCode::OK, None))
}

fn form(call: &Call, status: StatusCode, failed: Option<&str>) -> Answer {
    let next = match call.ask.method == warp::http::Method::GET {
        true => frame::own_path(&call.ask.query),
        false => frame::own_path(&call.form),
    };
    let content = html! {
        @if let Some(words) = failed {
            div.notice.bad role="alert" { (words) }
        }
        form.card method="post" action="/login" {
            input type="hidden" name="next" value=(next);
            div.field {
                label for="name" { "Name" }
                input #name name="name" autocomplete="username" autocapitalize="none"
                    spellcheck="false" required autofocus;
            }
            div.field {
                label for="password" { "Password" }
                input #password name="password" type="password"
                    autocomplete="current-password" required;
            }
            div.field {
                label for="code" {
                    "Code " span.soft { "(from your app, or a recovery code, if you have set that up)" }
                }
                input #code name="code" autocomplete="one-time-code" spellcheck="false";
            }
            button type="submit" { "Log in" }
        }
    };
    frame::shown(call, status, Section::Elsewhere, "Log in", &content)
}

async fn log_in(call: Call) -> Result<Answer, Refusal> {
    let name = call.form.first("name").unwrap_or_default();
    let folded = crate::admin::people::folded(name);
    let print = secret_of(&call, name).await?;
    let client = Client::of(call.ask.client.ip()).to_string();
    let keys = Key::of_log_in(&folded, &client, print);
    let attempt = match call.site.attempts.begin(&keys, Instant::now()) {
        Ok(attempt) => attempt,
        Err(wait) => {
            let words = format!("Too many failures. Try again in {} s.", wait.as_secs() + 1);
            let object: String = folded.chars().take(64).collect();
            noted::act(&call, "login.failed", object).refused("too many failures").record();
            return Ok(form(&call, StatusCode::TOO_MANY_REQUESTS, Some(&words)));
        }
    };
    let password = call.form.first("password").unwrap_or_default();
    let code = call.form.first("code").unwrap_or_default();
    let person = match call.site.people.log_in(name, password, code, call.now_ms()).await {
        Ok(person) => person,
        Err(error) => {
            attempt.unheard();
            return Err(error.into());
        }
    };
    let client = call.ask.client.ip().to_string();
    let Some(person) = person else {
        attempt.failed();
        tracing::warn!(name = ?folded, client, "a log-in to the site failed");
        let object: String = folded.chars().take(64).collect();
        noted::act(&call, "login.failed", object)
            .refused("name, password or code is wrong")
            .record();
        let words = "Name, password or code is wrong.";
        return Ok(form(&call, StatusCode::UNAUTHORIZED, Some(words)));
    };
    attempt.succeeded();
    tracing::info!(name = person.name, client, "logged in to the site");
    noted::act(&call, "login.done", person.name.clone()).by(&person.name).record();
    begin(&call, &person.name, frame::own_path(&call.form)).await
}

/// Tells somebody's password from the one before it.
pub(super) async fn secret_of(call: &Call, name: &str) -> Result<Print, Refusal> {
    let (site, name) = (call.site.clone(), name.to_owned());
    call.blocking(move || Ok(site.people.password_print(&name)?)).await
}

/// Begins a session of somebody who has shown who they are, and leads on.
pub(super) async fn begin(call: &Call, name: &str, next: &str) -> Result<Answer, Refusal> {
    let agent = call.ask.header("user-agent").unwrap_or_default().to_owned();
    let (sessions, now_ms) = (call.site.sessions.clone(), call.now_ms());
    let (name, from) = (name.to_owned(), call.ask.client.ip().to_canonical().to_string());
    let secret = call.blocking(move || Ok(sessions.begin(&name, &from, &agent, now_ms)?)).await?;
    Ok(answer::with_cookie(answer::see_other(next), COOKIE, &secret, None))
}

async fn log_out(call: Call) -> Result<Answer, Refusal> {
    if let Via::Session { session, .. } = call.caller.via.clone() {
        noted::act(&call, "login.ended", call.caller.name.clone()).record();
        let (sessions, name) = (call.site.sessions.clone(), call.caller.name.clone());
        call.blocking(move || Ok(sessions.end(&name, &session)?)).await?;
    }
    Ok(answer::with_cookie(answer::see_other("/login"), COOKIE, "", Some(0)))
}
