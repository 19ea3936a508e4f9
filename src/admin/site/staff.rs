//! The people who may use the site: who they are, what they may do, and how that ends.
//!
//! In: forms of whoever has the right [`Right::People`](crate::admin::people::Right). Out:
//! other people, roles, domains. Whoever is disabled or removed is logged out at once, and
//! their keys end. A password that is given here is meant to be changed by who gets it.

use maud::{Markup, html};
use warp::http::StatusCode;

use super::frame::{self, Section};
use super::routes::route;
use super::{Call, Refusal, Route, noted, personnel, pieces};
use crate::admin::people::{Draft, Person, ROLES, Role};
use crate::mail::Domain;
use crate::store::token;
use crate::web::answer::Answer;

pub(super) const ROUTES: &[Route] = &[
    route!(GET "/people", Right(People), list),
    route!(POST "/people", Right(People), add),
    route!(GET "/people/{name}", Right(People), show),
    route!(POST "/people/{name}", Right(People), change),
    route!(POST "/people/{name}/password", Right(People), reset_password),
    route!(POST "/people/{name}/second", Right(People), drop_second),
    route!(POST "/people/{name}/sessions", Right(People), end_sessions),
    route!(POST "/people/{name}/remove", Right(People), remove),
];

/// Letters of a password that the box makes up: four each.
const PASSWORD_GROUPS: usize = 5;

/// What a form about somebody holds.
#[derive(Debug, Default)]
struct Typed {
    name: String,
    role: String,
    domains: String,
    is_disabled: bool,
}

impl Typed {
    fn of_form(call: &Call, name: &str) -> Typed {
        Typed {
            name: name.to_owned(),
            role: call.form.first("role").unwrap_or_default().to_owned(),
            domains: call.form.first("domains").unwrap_or_default().to_owned(),
            is_disabled: call.form.ticked("disabled"),
        }
    }

    fn of(person: &Person) -> Typed {
        Typed {
            name: person.name.clone(),
            role: person.role.name().to_owned(),
            domains: person.domains.join("\n"),
            is_disabled: person.is_disabled,
        }
    }

    fn draft(&self) -> Result<Draft, String> {
        let role = Role::named(&self.role).ok_or("choose a role")?;
        let names =
            self.domains.split([',', ' ', '\n', '\r', '\t']).filter(|name| !name.is_empty());
        let domains = names
            .map(|name| Domain::parse(name).map_err(|_| format!("{name:?} is no domain")))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Draft { name: self.name.clone(), role, domains, is_disabled: self.is_disabled })
    }
}

/// For the journal.
fn described(person: &Person) -> String {
    let domains = match person.domains.is_empty() {
        true => "the whole site".to_owned(),
        false => person.domains.join(", "),
    };
    let disabled = if person.is_disabled { ", disabled" } else { "" };
    format!("{} for {domains}{disabled}", person.role.name())
}

async fn list(call: Call) -> Result<Answer, Refusal> {
    everybody(&call, StatusCode::OK, &Typed::default(), None).await
}

async fn everybody(
    call: &Call,
    status: StatusCode,
    typed: &Typed,
    failed: Option<&str>,
) -> Result<Answer, Refusal> {
    let site = call.site.clone();
    let now_ms = call.now_ms();
    let rows = call
        .blocking(move || {
            let rows = site.people.list()?.into_iter().map(|person| {
                let sessions = site.sessions.of(&person.name, now_ms)?.len();
                let keys = site.keys.of(&person.name)?.len();
                Ok::<_, Refusal>((person, sessions, keys))
            });
            rows.collect::<Result<Vec<_>, _>>()
        })
        .await?;
    let content = html! {
        (table(&rows))
        section.card {
            h2 { "Add somebody" }
            @if let Some(failed) = failed { div.notice.bad role="alert" { (failed) } }
            form method="post" action="/people" {
                (frame::mark(call))
                div.field {
                    label for="name" { "Name " span.soft { "(letters, digits and . - _ @)" } }
                    input #name name="name" value=(typed.name) maxlength="64" required
                        autocomplete="off" autocapitalize="none" spellcheck="false";
                }
                (role_and_domains(typed))
                div.field {
                    label for="password" {
                        "First password " span.soft { "(leave it empty and the box makes one up)" }
                    }
                    input #password name="password" type="password" autocomplete="new-password";
                }
                button type="submit" { "Add" }
            }
        }
        (roles())
    };
    Ok(frame::shown(call, status, Section::People, "People", &content))
}

fn table(rows: &[(Person, usize, usize)]) -> Markup {
    html! {
        div.scroll {
            table.stack {
                caption { "Who may use this site" }
                thead { tr {
                    th scope="col" { "Name" }
                    th scope="col" { "Role" }
                    th scope="col" { "Domains" }
                    th scope="col" { "Second factor" }
                    th.num scope="col" { "Sessions" }
                    th.num scope="col" { "API keys" }
                    th scope="col" { "Since" }
                } }
                tbody {
                    @for (person, sessions, keys) in rows {
                        tr {
                            td data-name="Name" {
                                a href=(path_of(&person.name)) { (person.name) }
                                @if person.is_disabled { " " span.badge.bad { "disabled" } }
                            }
                            td data-name="Role" { (person.role.name()) }
                            td data-name="Domains" {
                                @if person.domains.is_empty() { span.soft { "all" } }
                                (person.domains.join(", "))
                            }
                            td data-name="Second factor" {
                                @if person.has_second() { span.badge.good { "on" } }
                                @else { span.badge.warn { "off" } }
                            }
                            td.num data-name="Sessions" { (sessions) }
                            td.num data-name="API keys" { (keys) }
                            td.when data-name="Since" { (pieces::time(person.created_ms)) }
                        }
                    }
                }
            }
        }
    }
}

/// A name in a path.
fn path_of(name: &str) -> String {
    let mut path = String::from("/people/");
    for octet in name.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => path.push(octet.into()),
            octet => path.push_str(&format!("%{octet:02X}")),
        }
    }
    path
}

fn role_and_domains(typed: &Typed) -> Markup {
    let choices: Vec<(&str, &str)> = ROLES.iter().map(|role| (role.name(), role.name())).collect();
    let present = match typed.role.is_empty() {
        true => Role::Helpdesk.name(),
        false => &typed.role,
    };
    html! {
        div.field {
            label for="role" { "Role " span.soft { "(what each may do is said below)" } }
            (pieces::select("role", "role", present, &choices))
        }
        div.field {
            label for="domains" {
                "Only for these domains "
                span.soft { "(one a line; empty means the whole site)" }
            }
            textarea #domains name="domains" rows="2" spellcheck="false" { "\n" (typed.domains) }
        }
    }
}

fn roles() -> Markup {
    html! {
        section.card {
            h2 { "Roles" }
            dl.facts {
                @for role in ROLES {
                    dt { (role.name()) }
                    dd {
                        @for (at, right) in role.rights().iter().enumerate() {
                            @if at > 0 { "; " } (right.words())
                        }
                    }
                }
            }
            p.soft.small { "Who is there for some domains only sees and acts on mail from and to "
                "these, and has nothing to do with rules, configuration, people and audit." }
        }
    }
}

async fn add(call: Call) -> Result<Answer, Refusal> {
    let typed = Typed::of_form(&call, call.form.first("name").unwrap_or_default());
    let given = call.form.first("password").unwrap_or_default().to_owned();
    let bad = StatusCode::UNPROCESSABLE_ENTITY;
    let draft = match typed.draft() {
        Ok(draft) => draft,
        Err(why) => return everybody(&call, bad, &typed, Some(&why)).await,
    };
    let made_up = match given.is_empty() {
        true => {
            Some(token::code(PASSWORD_GROUPS).map_err(|error| Refusal::Broken(error.to_string()))?)
        }
        false => None,
    };
    let password = made_up.clone().unwrap_or(given);
    let work = call.clone();
    let added = call.blocking(move || personnel::add(&work, &draft, &password)).await;
    let person = match added {
        Ok(person) => person,
        Err(Refusal::Bad(why) | Refusal::Conflict(why)) => {
            return everybody(&call, bad, &typed, Some(&why)).await;
        }
        Err(refusal) => return Err(refusal),
    };
    noted::act(&call, "people.add", person.name.clone()).after(described(&person)).record();
    match made_up {
        Some(password) => Ok(password_page(&call, &person.name, &password)),
        None => Ok(call.done("/people", format!("{} may log in now.", person.name))),
    }
}

/// Shown this once.
fn password_page(call: &Call, name: &str, password: &str) -> Answer {
    let content = html! {
        p { "This password of " strong { (name) } " is shown this once. Hand it over in private; "
            "it is to be changed under " em { "own account" } " after the first log-in." }
        p.card.secret { (password) }
        p { a.button href="/people" { "To the people" } }
    };
    frame::page(call, Section::People, "A new password", &content)
}

/// Somebody who is there, by the name in the path.
async fn person(call: &Call) -> Result<Person, Refusal> {
    let (site, name) = (call.site.clone(), call.part(0).to_owned());
    call.blocking(move || site.people.find(&name)?.ok_or(Refusal::NotFound)).await
}

async fn show(call: Call) -> Result<Answer, Refusal> {
    let person = person(&call).await?;
    let typed = Typed::of(&person);
    one(&call, StatusCode::OK, &person, &typed, None).await
}

async fn one(
    call: &Call,
    status: StatusCode,
    person: &Person,
    typed: &Typed,
    failed: Option<&str>,
) -> Result<Answer, Refusal> {
    let (site, name, now_ms) = (call.site.clone(), person.name.clone(), call.now_ms());
    let sessions = call.blocking(move || Ok(site.sessions.of(&name, now_ms)?)).await?;
    let path = path_of(&person.name);
    let content = html! {
        p { a href="/people" { "All people" } }
        @if let Some(failed) = failed { div.notice.bad role="alert" { (failed) } }
        form.card method="post" action=(path) {
            (frame::mark(call))
            (role_and_domains(typed))
            label.check {
                input type="checkbox" name="disabled" value="yes" checked[typed.is_disabled];
                "may not log in"
            }
            button type="submit" { "Save" }
        }
        section.card {
            h2 { "How they log in" }
            dl.facts {
                dt { "Second factor" }
                dd {
                    @if person.has_second() { "on, " (person.recovery_left()) " recovery codes left" }
                    @else { "off" }
                }
                dt { "Sessions" }
                dd {
                    @if sessions.is_empty() { "none" }
                    @for (_, session) in &sessions {
                        div { "from " (session.client) " since " (pieces::time(session.begun_ms))
                            ", last seen " (pieces::time(session.seen_ms)) }
                    }
                }
            }
            div.row {
                (act_button(call, &format!("{path}/sessions"), "End their sessions", "End all sessions of this person?"))
                @if person.has_second() {
                    (act_button(call, &format!("{path}/second"), "Drop their second factor", "They will log in with the password alone. Go on?"))
                }
                (act_button(call, &format!("{path}/password"), "Give a new password", "The old password ends, and all their sessions. Go on?"))
                (act_button(call, &format!("{path}/remove"), "Remove", "Remove this person with all sessions and keys?"))
            }
        }
        (roles())
    };
    Ok(frame::shown(call, status, Section::People, &person.name, &content))
}

fn act_button(call: &Call, path: &str, words: &str, question: &str) -> Markup {
    html! {
        form method="post" action=(path) data-confirm=(question) {
            (frame::mark(call))
            button.danger type="submit" { (words) }
        }
    }
}

async fn change(call: Call) -> Result<Answer, Refusal> {
    let known = person(&call).await?;
    let typed = Typed::of_form(&call, &known.name);
    let bad = StatusCode::UNPROCESSABLE_ENTITY;
    let draft = match typed.draft() {
        Ok(draft) => draft,
        Err(why) => return one(&call, bad, &known, &typed, Some(&why)).await,
    };
    let work = call.clone();
    let changed = call.blocking(move || personnel::change(&work, draft)).await;
    match changed {
        Ok((before, now)) => {
            noted::act(&call, "people.change", now.name.clone())
                .before(described(&before))
                .after(described(&now))
                .record();
            Ok(call.done("/people", format!("{} is changed: {}.", now.name, described(&now))))
        }
        Err(refusal @ (Refusal::Bad(_) | Refusal::Conflict(_))) => {
            noted::act(&call, "people.change", known.name.clone()).refused(&refusal).record();
            let why = refusal.to_string();
            one(&call, refusal.status(), &known, &typed, Some(&why)).await
        }
        Err(refusal) => Err(refusal),
    }
}

async fn reset_password(call: Call) -> Result<Answer, Refusal> {
    let password =
        token::code(PASSWORD_GROUPS).map_err(|error| Refusal::Broken(error.to_string()))?;
    let (work, fresh) = (call.clone(), password.clone());
    let person = call.blocking(move || personnel::give_password(&work, &fresh)).await?;
    noted::act(&call, "people.password", person.name.clone()).record();
    Ok(password_page(&call, &person.name, &password))
}

async fn drop_second(call: Call) -> Result<Answer, Refusal> {
    let work = call.clone();
    let person = call.blocking(move || personnel::drop_second(&work)).await?;
    noted::act(&call, "people.second", person.name.clone()).before("on").after("off").record();
    Ok(call.done(&path_of(&person.name), "The second factor is off."))
}

async fn end_sessions(call: Call) -> Result<Answer, Refusal> {
    let known = person(&call).await?;
    let work = call.clone();
    let ended = call.blocking(move || personnel::end_sessions(&work)).await?;
    noted::act(&call, "people.sessions", known.name.clone()).before(ended.to_string()).record();
    Ok(call.done(&path_of(&known.name), format!("{ended} sessions have ended.")))
}

async fn remove(call: Call) -> Result<Answer, Refusal> {
    let known = person(&call).await?;
    let work = call.clone();
    let removed = call.blocking(move || personnel::remove(&work)).await;
    let act = noted::act(&call, "people.remove", known.name.clone()).before(described(&known));
    match removed {
        Ok(_) => {
            act.record();
            Ok(call.done("/people", format!("{} is removed.", known.name)))
        }
        Err(refusal @ Refusal::Conflict(_)) => {
            act.refused(&refusal).record();
            Ok(call.failed(&path_of(&known.name), refusal.to_string()))
        }
        Err(refusal) => Err(refusal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_paths_and_domains_are_read() {
        assert_eq!(path_of("a.b-c_d@e ü/%"), "/people/a.b-c_d%40e%20%C3%BC%2F%25");
        let mut typed = Typed { role: "helpdesk".into(), ..Typed::default() };
        typed.domains = " a.example,\r\nb.example ".into();
        assert_eq!(typed.draft().unwrap().domains.len(), 2);
        typed.domains = "a b..c".into();
        assert!(typed.draft().unwrap_err().contains("b..c"));
        typed.role = "king".into();
        assert!(typed.draft().is_err());
    }
}
