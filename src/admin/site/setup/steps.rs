//! The steps after the owner, in any order, and what is known of each.

use maud::{Markup, html};
use schemars::JsonSchema;
use serde::Serialize;
use warp::http::StatusCode;

use super::certificate;
use crate::admin::site::frame::{self, Section};
use crate::admin::site::settings::change::{self, Present, Unapplied};
use crate::admin::site::{Call, Refusal};
use crate::config::edit::{Document, EditError};
use crate::config::keys;
use crate::web::answer::Answer;

/// Path, name, what it is for.
const STEPS: &[(&str, &str, &str)] = &[
    ("/setup/name", "Host name", "who the box is, for other mail servers"),
    ("/setup/domains", "Domains", "whose mail it protects and where that goes, with a live test"),
    ("/setup/dns", "DNS", "whether mail of your domains comes here"),
    ("/setup/certificate", "Certificate", "for this site and for mail over TLS"),
    ("/setup/antivirus", "Virus scanner", "whether clamd answers and refuses a test file"),
    ("/setup/message", "Test message", "one mail through the whole box, with its story"),
];

/// The ways through the steps.
pub(super) fn tabs(present: &str) -> Markup {
    html! {
        nav aria-label="Steps of the set-up" {
            ul.tabs {
                li { a href="/setup" aria-current=[(present == "/setup").then_some("page")] { "All steps" } }
                @for (path, name, _) in STEPS {
                    li { a href=(path) aria-current=[(*path == present).then_some("page")] { (name) } }
                }
            }
        }
    }
}

/// A page of a step.
pub(super) fn page(call: &Call, status: StatusCode, path: &str, content: &Markup) -> Answer {
    let title =
        STEPS.iter().find(|(known, ..)| *known == path).map_or("Set-up", |(_, name, _)| name);
    let content = html! { (tabs(path)) (content) };
    frame::shown(call, status, Section::Settings, title, &content)
}

pub(super) fn said(failed: Option<&str>) -> Markup {
    html! { @if let Some(why) = failed { div.notice.bad role="alert" { (why) } } }
}

/// One step, and how it stands where that is known without trying.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(in crate::admin::site) struct Step {
    /// The page on which it is done.
    path: String,
    /// In a word or two.
    name: String,
    /// What it is for.
    what: String,
    /// Whether it is done; absent where only trying shows that.
    is_done: Option<bool>,
    /// How it stands.
    words: String,
}

/// All steps and how they stand.
pub(in crate::admin::site) async fn all(call: &Call) -> Result<Vec<Step>, Refusal> {
    let config = call.site.steering.config();
    let certificate = match certificate::present(call).await? {
        Ok(_) if config.tls.certificate.is_none() => (false, "self-signed".to_owned()),
        Ok(examined) if !examined.is_for_host => (false, "for another name".to_owned()),
        Ok(_) => (true, "uploaded".to_owned()),
        Err(why) => (false, why),
    };
    let standing = |path: &str| match path {
        "/setup/name" => Some((true, config.system.hostname.to_string())),
        "/setup/domains" if config.domain.is_empty() => Some((false, "none yet".into())),
        "/setup/domains" => Some((true, format!("{} protected", config.domain.len()))),
        "/setup/certificate" => Some(certificate.clone()),
        "/setup/antivirus" if config.antivirus.is_none() => Some((false, "none yet".into())),
        "/setup/antivirus" => Some((true, "configured".into())),
        _ => None,
    };
    let step = |(path, name, what): &(&str, &str, &str)| {
        let (is_done, words) = standing(path).unzip();
        let words = words.unwrap_or_default();
        Step {
            path: (*path).to_owned(),
            name: (*name).to_owned(),
            what: (*what).to_owned(),
            is_done,
            words,
        }
    };
    Ok(STEPS.iter().map(step).collect())
}

/// All steps at a glance.
pub(super) async fn overview(call: &Call) -> Result<Answer, Refusal> {
    let steps = all(call).await?;
    let content = html! {
        (tabs("/setup"))
        p { "The box has an owner and is running. Do these in any order; each change is checked, "
            "put in force at once, and can be taken back under "
            a href="/settings/history" { "Settings, History" } "." }
        ol {
            @for step in &steps {
                li.field {
                    a href=(step.path) { strong { (step.name) } } ": " (step.what)
                    @if let Some(is_done) = step.is_done {
                        " " span class=(if is_done { "badge good" } else { "badge warn" }) { (step.words) }
                    }
                }
            }
        }
        p { a.button href="/" { "To the dashboard" } }
    };
    Ok(frame::page(call, Section::Settings, "First steps", &content))
}

/// One value that a step sets: section, key, text.
pub(in crate::admin::site) type Setting<'s> = (&'s str, &'s str, &'s str);

/// Sets values of sections that stand once, and puts that in force. The words are for people.
pub(in crate::admin::site) async fn set(
    call: &Call,
    settings: &[Setting<'_>],
    reason: &str,
) -> Result<Result<Vec<&'static str>, String>, Refusal> {
    alter(call, reason, |document| {
        settings.iter().try_for_each(|(path, name, text)| put(document, path, 0, name, text))
    })
    .await
}

/// Sets one value.
pub(super) fn put(
    document: &mut Document,
    path: &str,
    at: usize,
    name: &str,
    text: &str,
) -> Result<(), EditError> {
    let missing = || EditError::NoTable(path.to_owned());
    let section = keys::section(path).ok_or_else(missing)?;
    let key = section.key(name).ok_or_else(missing)?;
    document.put(section, at, key, text)
}

/// Changes the configuration, and puts that in force.
pub(super) async fn alter(
    call: &Call,
    reason: &str,
    edit: impl FnOnce(&mut Document) -> Result<(), EditError> + Send,
) -> Result<Result<Vec<&'static str>, String>, Refusal> {
    let present = Present::read(call).await?;
    let mut document = Document::parse(&present.text).map_err(Refusal::bad)?;
    if let Err(error) = edit(&mut document) {
        return Ok(Err(error.to_string()));
    }
    let text = document.text();
    if text == present.text {
        return Ok(Ok(Vec::new()));
    }
    match change::apply(call, &present.mark(), text, reason).await {
        Ok(restart) => Ok(Ok(restart)),
        Err(Unapplied::Wrong(error)) => Ok(Err(match error {
            crate::config::ConfigError::Wrong { what, .. } => what,
            other => other.to_string(),
        })),
        Err(error) => Ok(Err(error.to_string())),
    }
}

pub(super) async fn show_name(call: Call) -> Result<Answer, Refusal> {
    let config = call.site.steering.config();
    let (hostname, postmaster) =
        (config.system.hostname.to_string(), config.system.postmaster.to_string());
    Ok(name_form(&call, StatusCode::OK, &hostname, &postmaster, None))
}

pub(super) async fn save_name(call: Call) -> Result<Answer, Refusal> {
    let field = |name: &str| call.form.first(name).unwrap_or_default().trim().to_owned();
    let (hostname, postmaster) = (field("hostname"), field("postmaster"));
    let settings = [("system", "hostname", &*hostname), ("system", "postmaster", &*postmaster)];
    match set(&call, &settings, "set-up: host name").await? {
        Ok(_) => Ok(call.done("/setup", format!("The box is {hostname} now."))),
        Err(why) => {
            let bad = StatusCode::UNPROCESSABLE_ENTITY;
            Ok(name_form(&call, bad, &hostname, &postmaster, Some(&why)))
        }
    }
}

fn name_form(
    call: &Call,
    status: StatusCode,
    hostname: &str,
    postmaster: &str,
    failed: Option<&str>,
) -> Answer {
    let content = html! {
        (said(failed))
        form.card method="post" action="/setup/name" {
            (frame::mark(call))
            div.field {
                label for="hostname" {
                    "Host name " span.soft { "(as it stands in DNS: other servers see it in the greeting)" }
                }
                input #hostname name="hostname" value=(hostname) required spellcheck="false"
                    autocomplete="off";
            }
            div.field {
                label for="postmaster" {
                    "Postmaster " span.soft { "(gets mail to postmaster, and what cannot be returned)" }
                }
                input #postmaster name="postmaster" value=(postmaster) required spellcheck="false"
                    autocomplete="off";
            }
            button type="submit" { "Save and put in force" }
        }
    };
    page(call, status, "/setup/name", &content)
}
