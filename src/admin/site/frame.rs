//! What all pages have around them: title, ways to the other pages, what was just done.
//!
//! In: a [`Call`] and what stands in the middle. Out: a whole page, HTML that needs no script.
//! WCAG 2.2: one h1, landmarks, a way past the navigation, the current page marked.

use maud::{DOCTYPE, Markup, html};
use warp::http::StatusCode;

use super::assets::{ICON, SCRIPT, STYLE};
use super::routes::route;
use super::{Call, Refusal, Route, approval, pieces};
use crate::admin::people::{Right, Via};
use crate::web::answer::{self, Answer};
use crate::web::{Ask, Pairs};

/// The cookie that remembers light or dark. No secret: it is only looks.
const THEME: &str = "__Host-theme";
const THEME_LASTS_S: u64 = 31_536_000;

/// Own to no page.
pub(super) const ROUTES: &[Route] =
    &[route!(POST "/theme", Nothing, theme), route!(GET "/health", Nothing, health)];

/// The pages that the navigation leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// The box at a glance.
    Dashboard,
    /// Where is that message, and why?
    Tracking,
    /// What waits.
    Queue,
    /// What is kept back.
    Quarantine,
    /// Rules.
    Policy,
    /// The configuration.
    Settings,
    /// Who may use the site.
    People,
    /// What administrators did.
    Audit,
    /// One's own account.
    Account,
    /// None of them.
    Elsewhere,
}

/// Path, name, and the right that shows it.
const NAVIGATION: &[(Section, &str, &str, Right)] = &[
    (Section::Dashboard, "/", "Dashboard", Right::SeeMail),
    (Section::Tracking, "/tracking", "Tracking", Right::SeeMail),
    (Section::Queue, "/queue", "Queue", Right::SeeMail),
    (Section::Quarantine, "/quarantine", "Quarantine", Right::SeeMail),
    (Section::Policy, "/policy", "Policy", Right::SeePolicy),
    (Section::Settings, "/settings", "Settings", Right::SeeSettings),
    (Section::People, "/people", "People", Right::People),
    (Section::Audit, "/audit", "Audit", Right::Audit),
];

/// A whole page.
pub fn page(call: &Call, section: Section, title: &str, content: &Markup) -> Answer {
    shown(call, StatusCode::OK, section, title, content)
}

/// The same with another status.
pub fn shown(
    call: &Call,
    status: StatusCode,
    section: Section,
    title: &str,
    content: &Markup,
) -> Answer {
    let narrow = (section == Section::Elsewhere).then_some("narrow");
    let title = pieces::harmless(title);
    let page = html! {
        (DOCTYPE)
        html lang="en" data-theme=[theme_of(&call.ask)] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Postern" }
                link rel="icon" href=(ICON.path());
                link rel="stylesheet" href=(STYLE.path());
                script src=(SCRIPT.path()) defer {}
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                (top(call, section))
                main #main class=[narrow] {
                    h1 { (title) }
                    @for notice in call.heard() {
                        div.notice.bad[!notice.went_well] role="status" { (pieces::harmless(&notice.words)) }
                    }
                    (content)
                }
                footer { "Postern " (env!("CARGO_PKG_VERSION")) }
            }
        }
    };
    answer::html(status, page.into_string())
}

fn top(call: &Call, section: Section) -> Markup {
    let is_known = call.caller.is_known();
    html! {
        header.top {
            a.brand href="/" {
                img src=(ICON.path()) alt="" width="28" height="28";
                "Postern"
            }
            @if is_known {
                nav aria-label="Pages" {
                    ul {
                        @for (own, path, name, right) in NAVIGATION {
                            @if call.may(*right) {
                                li {
                                    a href=(path) aria-current=[(*own == section).then_some("page")] {
                                        (name)
                                    }
                                }
                            }
                        }
                    }
                }
            }
            @if is_known && call.may(Right::SeeMail) { (find_form()) }
            div.who {
                (theme_form(call))
                @if let Via::Session { .. } = call.caller.via {
                    a href="/account" aria-current=[(section == Section::Account).then_some("page")] {
                        (call.caller.name)
                    }
                    form method="post" action="/logout" {
                        (mark(call))
                        button.plain type="submit" { "Log out" }
                    }
                }
            }
        }
    }
}

/// From every page to a mail: one field for all that somebody may have been told of it.
fn find_form() -> Markup {
    html! {
        form.find method="get" action="/tracking/find" role="search" aria-label="Find a mail" {
            label.visually-hidden for="find" { "Find a mail by address, subject, Message-ID or reference" }
            input #find type="search" name="text" placeholder="Find a mail" autocapitalize="none"
                spellcheck="false";
            button.plain type="submit" { "Find" }
        }
    }
}

/// The field that shows that a form comes from this session. Every form that posts has it.
pub fn mark(call: &Call) -> Markup {
    html! { input type="hidden" name="csrf" value=(call.csrf()); }
}

fn theme_of(ask: &Ask) -> Option<&'static str> {
    match ask.cookie(THEME) {
        Some("dark") => Some("dark"),
        Some("light") => Some("light"),
        _ => None,
    }
}

fn theme_form(call: &Call) -> Markup {
    let (next, words) = match theme_of(&call.ask) {
        None => ("dark", "Dark"),
        Some("dark") => ("light", "Light"),
        Some(_) => ("auto", "Automatic"),
    };
    html! {
        form method="post" action="/theme" {
            (mark(call))
            input type="hidden" name="next" value=(own_address(call));
            button.link type="submit" name="theme" value=(next) {
                (words) span.visually-hidden { " colours" }
            }
        }
    }
}

/// This page, to come back to.
fn own_address(call: &Call) -> String {
    if call.ask.method != warp::http::Method::GET {
        return "/".into();
    }
    match call.ask.query.to_query() {
        query if query.is_empty() => call.ask.path.clone(),
        query => format!("{}?{query}", call.ask.path),
    }
}

async fn theme(call: Call) -> Result<Answer, Refusal> {
    let next = answer::see_other(own_path(&call.form));
    Ok(match call.form.first("theme") {
        Some(theme @ ("dark" | "light")) => {
            answer::with_cookie(next, THEME, theme, Some(THEME_LASTS_S))
        }
        _ => answer::with_cookie(next, THEME, "", Some(0)),
    })
}

/// Where a form wants to go next: a path of this site, never another site.
pub fn own_path(form: &Pairs) -> &str {
    let next = form.first("next").unwrap_or("/");
    let is_own = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains(['\\', '\r', '\n', '\t'])
        && !next.starts_with("/logout");
    if is_own { next } else { "/" }
}

/// For load balancers and the image's own watch.
async fn health(_: Call) -> Result<Answer, Refusal> {
    Ok(answer::of(StatusCode::OK, "text/plain; charset=utf-8", "ok\n"))
}

/// The page that says why there is no other.
pub(super) fn refused(call: &Call, refusal: &Refusal) -> Answer {
    if let Refusal::Broken(why) = refusal {
        let path = approval::without_secret(&call.ask.path);
        tracing::error!(path, why, "a page of the site broke");
    }
    let words = refusal.to_string();
    let content = html! {
        div.notice.bad role="alert" { p { (words) } }
        p { a href="/" { "To the first page" } }
    };
    let title = match refusal.status() {
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::FORBIDDEN => "Not allowed",
        StatusCode::TOO_MANY_REQUESTS => "Too fast",
        StatusCode::CONFLICT => "Not now",
        status if status.is_server_error() => "Something broke",
        _ => "This cannot be done",
    };
    shown(call, refusal.status(), Section::Elsewhere, title, &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_lead_to_own_pages_only() {
        for (next, path) in [
            ("/queue?state=hold", "/queue?state=hold"),
            ("//evil.test", "/"),
            ("https://evil.test", "/"),
            ("/\\evil.test", "/"),
            ("/a\r\nX: y", "/"),
            ("/logout", "/"),
            ("", "/"),
        ] {
            assert_eq!(own_path(&Pairs::default().with("next", next)), path, "{next}");
        }
    }
}
