//! One's own account: password, second factor, sessions, keys of the API.
//!
//! In: forms of whoever is logged in, about themselves alone. Out: changes that end other
//! sessions where that is due. Secrets are shown once, on the page that answers the form.

mod keys;
pub(super) mod second;

use std::time::Instant;

use maud::{Markup, html};
use warp::http::StatusCode;

use super::frame::{self, Section};
use super::login::secret_of;
use super::routes::route;
use super::{Call, Refusal, Route, noted, pieces};
use crate::admin::people::{ApiKey, PeopleError, Person, Via};
use crate::web::answer::Answer;
use crate::web::attempts::Key;
use crate::web::sessions::Session;

pub(super) const ROUTES: &[Route] = &[
    route!(GET "/account", Session, show),
    route!(POST "/account/password", Session, password),
    route!(GET "/account/second", Session, second::show),
    route!(POST "/account/second", Session, second::enrol),
    route!(POST "/account/second/drop", Session, second::drop_it),
    route!(POST "/account/sessions", Session, end_sessions),
    route!(POST "/account/keys", Session, keys::issue),
    route!(POST "/account/keys/end", Session, keys::end),
];

/// Who is logged in, and by which session. Keys of the API do not change accounts: who has
/// stolen one could stay for good.
async fn own(call: &Call) -> Result<(Person, String), Refusal> {
    let Via::Session { session, .. } = &call.caller.via else { return Err(Refusal::NotByKey) };
    let (site, name) = (call.site.clone(), call.caller.name.clone());
    let person = call.blocking(move || site.people.find(&name)?.ok_or(Refusal::LogIn)).await?;
    Ok((person, session.clone()))
}

/// All of the page's parts.
struct Own {
    person: Person,
    session: String,
    sessions: Vec<(String, Session)>,
    keys: Vec<(String, ApiKey)>,
}

async fn show(call: Call) -> Result<Answer, Refusal> {
    page(&call, StatusCode::OK, None).await
}

/// The page; `failed` says which part was refused and why.
async fn page(
    call: &Call,
    status: StatusCode,
    failed: Option<(&str, &str)>,
) -> Result<Answer, Refusal> {
    let (person, session) = own(call).await?;
    let (site, name, now_ms) = (call.site.clone(), person.name.clone(), call.now_ms());
    let (sessions, keys) =
        call.blocking(move || Ok((site.sessions.of(&name, now_ms)?, site.keys.of(&name)?))).await?;
    let own = Own { person, session, sessions, keys };
    let of = |part: &str| failed.filter(|(failed, _)| *failed == part).map(|(_, why)| why);
    let content = html! {
        p { "You are " strong { (own.person.name) } ", " (own.person.role.name())
            @if !own.person.domains.is_empty() { " for " (own.person.domains.join(", ")) } "." }
        (password_form(call, of("password")))
        (second::part(call, &own.person, of("second")))
        (sessions_part(call, &own))
        (keys::part(call, &own, of("keys")))
    };
    Ok(frame::shown(call, status, Section::Account, "Own account", &content))
}

fn said(failed: Option<&str>) -> Markup {
    html! { @if let Some(why) = failed { div.notice.bad role="alert" { (why) } } }
}

fn password_form(call: &Call, failed: Option<&str>) -> Markup {
    html! {
        section.card {
            h2 { "Password" }
            (said(failed))
            form method="post" action="/account/password" {
                (frame::mark(call))
                input type="hidden" autocomplete="username" name="name" value=(call.caller.name);
                div.field {
                    label for="old" { "Present password" }
                    input #old name="old" type="password" autocomplete="current-password" required;
                }
                div.field {
                    label for="fresh" {
                        "New password " span.soft { "(ten characters at least, not easy to guess)" }
                    }
                    input #fresh name="fresh" type="password" autocomplete="new-password"
                        minlength="10" required;
                }
                div.field {
                    label for="again" { "The new password again" }
                    input #again name="again" type="password" autocomplete="new-password" required;
                }
                button type="submit" { "Change the password" }
                p.soft.small { "All your other sessions end with that." }
            }
        }
    }
}

/// Whether password and code are right, slowed down like a log-in.
async fn is_shown_again(call: &Call, password: &str, code: &str) -> Result<bool, Refusal> {
    let (people, name) = (&call.site.people, &call.caller.name);
    tried(call, async {
        let shown = people.log_in(name, password, code, call.now_ms()).await?;
        Ok(shown.is_some())
    })
    .await
}

/// Looks at a secret of who is logged in, slowed down like a log-in.
async fn tried(
    call: &Call,
    looking: impl Future<Output = Result<bool, PeopleError>>,
) -> Result<bool, Refusal> {
    let name = &call.caller.name;
    let key = Key::Secret(format!("own {name}"), secret_of(call, name).await?);
    let attempt = call.site.attempts.begin(&[key], Instant::now());
    let attempt = attempt.map_err(|wait| Refusal::TooMany(wait.as_secs() + 1))?;
    let is_right = looking.await;
    match is_right {
        Ok(true) => attempt.succeeded(),
        Ok(false) => attempt.failed(),
        Err(_) => attempt.unheard(),
    }
    Ok(is_right?)
}

async fn password(call: Call) -> Result<Answer, Refusal> {
    own(&call).await?;
    let field = |name: &str| call.form.first(name).unwrap_or_default().to_owned();
    let (old, fresh, again) = (field("old"), field("fresh"), field("again"));
    let bad = StatusCode::UNPROCESSABLE_ENTITY;
    if fresh != again {
        return page(&call, bad, Some(("password", "The two new passwords are not the same.")))
            .await;
    }
    match changed(&call, &old, fresh).await? {
        Ok(ended) => {
            let words = format!("The password is changed; {ended} other sessions have ended.");
            Ok(call.done("/account", words))
        }
        Err(why) => page(&call, bad, Some(("password", &why))).await,
    }
}

/// Sets another password for who is logged in and knows the present one; says how many other
/// sessions have ended with that, or why it was not done.
pub(super) async fn changed(
    call: &Call,
    old: &str,
    fresh: String,
) -> Result<Result<usize, String>, Refusal> {
    let (person, session) = own(call).await?;
    if !tried(call, call.site.people.is_password(&person.name, old)).await? {
        noted::act(call, "account.password", "").refused("the present password is wrong").record();
        return Ok(Err("The present password is wrong.".into()));
    }
    let (site, name) = (call.site.clone(), person.name.clone());
    let changed = call
        .blocking(move || {
            let changed = site.people.set_password(&name, &fresh);
            let ended = match changed {
                Ok(()) => site.sessions.end_all(&name, Some(&session))?,
                Err(_) => 0,
            };
            Ok(changed.map(|()| ended))
        })
        .await?;
    match changed {
        Ok(ended) => {
            noted::act(call, "account.password", "").record();
            Ok(Ok(ended))
        }
        Err(error @ PeopleError::WeakPassword(_)) => Ok(Err(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

fn sessions_part(call: &Call, own: &Own) -> Markup {
    html! {
        section.card {
            h2 { "Sessions" }
            div.scroll {
                table.stack {
                    caption { "Where you are logged in" }
                    thead { tr {
                        th scope="col" { "From" }
                        th scope="col" { "Browser" }
                        th scope="col" { "Since" }
                        th scope="col" { "Last seen" }
                        th scope="col" { "End" }
                    } }
                    tbody {
                        @for (name, session) in &own.sessions {
                            tr {
                                td.when data-name="From" { (session.client) }
                                td data-name="Browser" { (session.agent) }
                                td.when data-name="Since" { (pieces::time(session.begun_ms)) }
                                td.when data-name="Last seen" { (pieces::time(session.seen_ms)) }
                                td data-name="End" {
                                    @if *name == own.session { span.badge.good { "this one" } }
                                    @else {
                                        form method="post" action="/account/sessions" {
                                            (frame::mark(call))
                                            input type="hidden" name="session" value=(name);
                                            button.danger type="submit" { "End"
                                                span.visually-hidden { " the session from " (session.client) } }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            @if own.sessions.len() > 1 {
                form method="post" action="/account/sessions" {
                    (frame::mark(call))
                    button.danger type="submit" { "End all others" }
                }
            }
        }
    }
}

async fn end_sessions(call: Call) -> Result<Answer, Refusal> {
    let (person, own) = own(&call).await?;
    let one = call.form.filled("session").map(str::to_owned);
    let (site, name) = (call.site.clone(), person.name.clone());
    let ended = call
        .blocking(move || match one {
            Some(one) => Ok(usize::from(site.sessions.end(&name, &one)?)),
            None => Ok(site.sessions.end_all(&name, Some(&own))?),
        })
        .await?;
    noted::act(&call, "account.sessions", person.name).before(ended.to_string()).record();
    match ended {
        0 => Ok(call.failed("/account", "That session had ended already.")),
        1 => Ok(call.done("/account", "The session has ended.")),
        ended => Ok(call.done("/account", format!("{ended} sessions have ended."))),
    }
}
