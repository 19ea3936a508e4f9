//! Protected domains and their next hops, each of which can be tried at once.

use maud::{Markup, html};
use warp::http::StatusCode;

use super::steps::{alter, page, put, said};
use super::talk::{self, Talk, Who};
use crate::admin::site::{Call, Refusal, frame, noted};
use crate::config::{NextHop, keys};
use crate::mail::Address;
use crate::net::resolver::DnsResolver;
use crate::web::answer::Answer;

const HERE: &str = "/setup/domains";

#[derive(Debug, Default)]
struct Typed {
    name: String,
    next_hop: String,
    hop: String,
    recipient: String,
}

pub(super) async fn show(call: Call) -> Result<Answer, Refusal> {
    Ok(form(&call, StatusCode::OK, &Typed::default(), None, None))
}

pub(super) async fn add(call: Call) -> Result<Answer, Refusal> {
    let field = |name: &str| call.form.first(name).unwrap_or_default().trim().to_owned();
    let typed = Typed { name: field("name"), next_hop: field("next_hop"), ..Typed::default() };
    let known = call.site.steering.config();
    let (name, hops) = (typed.name.clone(), typed.next_hop.clone());
    let at = known.domain.iter().position(|domain| domain.name.as_str() == name.to_lowercase());
    let done = alter(&call, "set-up: protected domain", move |document| {
        let missing = || crate::config::edit::EditError::NoTable("[[domain]]".into());
        let section = keys::section("domain").ok_or_else(missing)?;
        let at = match at {
            Some(at) => at,
            None => document.add(section)?,
        };
        put(document, "domain", at, "name", &name)?;
        put(document, "domain", at, "next_hop", &hops)
    });
    match done.await? {
        Ok(_) => Ok(call.done(HERE, format!("{} is protected; its mail goes on.", typed.name))),
        Err(why) => Ok(form(&call, StatusCode::UNPROCESSABLE_ENTITY, &typed, Some(&why), None)),
    }
}

pub(super) async fn test(call: Call) -> Result<Answer, Refusal> {
    let field = |name: &str| call.form.first(name).unwrap_or_default().trim().to_owned();
    let typed = Typed { hop: field("hop"), recipient: field("recipient"), ..Typed::default() };
    match tried(&call, &typed.hop, &typed.recipient).await {
        Ok(talk) => Ok(form(&call, StatusCode::OK, &typed, None, Some(&talk))),
        Err(Refusal::Bad(why)) => {
            Ok(form(&call, StatusCode::UNPROCESSABLE_ENTITY, &typed, Some(&why), None))
        }
        Err(refusal) => Err(refusal),
    }
}

/// Asks a next hop whether it would take mail, for a recipient unless that is empty; journalled,
/// for the box connects to where the caller says. What is none is [`Refusal::Bad`].
pub(in crate::admin::site) async fn tried(
    call: &Call,
    hop: &str,
    recipient: &str,
) -> Result<Talk, Refusal> {
    let wrong = |why: String| Err(Refusal::Bad(why));
    let mut hop: NextHop = match hop.parse() {
        Ok(hop) => hop,
        Err(error) => return wrong(format!("hop: {error}")),
    };
    let named = hop.to_string();
    if let (NextHop::Maildir(path) | NextHop::LmtpSocket(path), Some(folder)) = (
        &mut hop,
        call.site.steering.file().canonicalize().ok().as_deref().and_then(std::path::Path::parent),
    ) {
        *path = folder.join(&*path);
    }
    let recipient = match recipient.is_empty() {
        true => None,
        false => match recipient.parse::<Address>() {
            Ok(recipient) => Some(recipient),
            Err(error) => {
                return wrong(format!("recipient: {recipient:?} is no address: {error}"));
            }
        },
    };
    let config = call.site.steering.config();
    let resolver =
        DnsResolver::new(&config.dns).map_err(|error| Refusal::Broken(error.to_string()))?;
    let own = config.system.hostname.as_str();
    let talk = talk::with_next_hop(&hop, own, recipient.as_ref(), &resolver).await;
    noted::act(call, "setup.hop", named).after(talk.sum.clone()).record();
    Ok(talk)
}

fn form(
    call: &Call,
    status: StatusCode,
    typed: &Typed,
    failed: Option<&str>,
    talk: Option<&Talk>,
) -> Answer {
    let config = call.site.steering.config();
    let content = html! {
        (said(failed))
        @if let Some(talk) = talk { (conversation(&format!("Test of {}", typed.hop), talk)) }
        @if config.domain.is_empty() {
            p.soft { "No domain is protected yet: mail from outside is refused for everybody." }
        } @else {
            div.scroll {
                table.stack {
                    caption { "Protected domains" }
                    thead { tr {
                        th scope="col" { "Domain" }
                        th scope="col" { "Its mail goes to" }
                    } }
                    tbody {
                        @for domain in &config.domain {
                            tr {
                                td data-name="Domain" { (domain.name) }
                                td data-name="Its mail goes to" {
                                    @for hop in &domain.next_hop { (tester(call, &hop.to_string(), domain.name.as_str())) }
                                }
                            }
                        }
                    }
                }
            }
        }
        section.card {
            h2 { "Protect a domain" }
            form method="post" action=(HERE) {
                (frame::mark(call))
                div.field {
                    label for="name" { "Domain " span.soft { "(a known one gets the next hops below)" } }
                    input #name name="name" value=(typed.name) required spellcheck="false"
                        autocomplete="off" placeholder="example.org";
                }
                div.field {
                    label for="next_hop" {
                        "Next hops " span.soft { "(your own mail servers, one a line; the first that answers is used)" }
                    }
                    textarea #next_hop name="next_hop" rows="2" required spellcheck="false"
                        placeholder="smtp://10.0.0.5:25" { "\n" (typed.next_hop) }
                }
                button type="submit" { "Protect it" }
            }
        }
        section.card {
            h2 { "Try a next hop before you use it" }
            form method="post" action="/setup/hop" {
                (frame::mark(call))
                div.field {
                    label for="hop" { "Next hop" }
                    input #hop name="hop" value=(typed.hop) required spellcheck="false"
                        autocomplete="off" placeholder="smtp://10.0.0.5:25";
                }
                div.field {
                    label for="recipient" { "Recipient " span.soft { "(may stay empty; nothing is sent)" } }
                    input #recipient name="recipient" value=(typed.recipient) spellcheck="false"
                        autocomplete="off" placeholder="somebody@example.org";
                }
                button type="submit" { "Try it now" }
            }
        }
    };
    page(call, status, HERE, &content)
}

fn tester(call: &Call, hop: &str, domain: &str) -> Markup {
    html! {
        form.row method="post" action="/setup/hop" {
            (frame::mark(call))
            code { (hop) }
            input type="hidden" name="hop" value=(hop);
            input type="hidden" name="recipient" value=(format!("postmaster@{domain}"));
            button.plain type="submit" { "Test" span.visually-hidden { " " (hop) } }
        }
    }
}

/// Word for word.
pub(super) fn conversation(title: &str, talk: &Talk) -> Markup {
    html! {
        section.card {
            h2 { (title) }
            p { @if talk.is_good { span.badge.good { "works" } } @else { span.badge.bad { "does not work" } }
                " " (talk.sum) }
            @if !talk.lines.is_empty() {
                pre tabindex="0" role="group" aria-label="What was said" {
                    @for (who, line) in &talk.lines {
                        @match who {
                            Who::Box => { "→ " (line) "\n" }
                            Who::Server => { "← " (line) "\n" }
                            Who::Note => { "· " (line) "\n" }
                        }
                    }
                }
                p.soft.small { "→ this box, ← the server" }
            }
        }
    }
}
