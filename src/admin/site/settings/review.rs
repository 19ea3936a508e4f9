//! What a change would be, before it counts; and then the change.

use maud::html;
use warp::http::StatusCode;

use super::change::{Present, Unapplied, apply as put_in_force, checked, words};
use super::{history, tabs};
use crate::admin::site::frame::{self, Section};
use crate::admin::site::{Call, Refusal, difference};
use crate::web::Answer;

/// How the text comes back with the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    /// As it was typed; what was secret before is not in it.
    Typed,
    /// By the number of the version that it is: its secrets were typed by nobody here.
    Version(u32),
}

/// Shows how a text, secrets included, differs from the present one.
pub(super) async fn page(
    call: &Call,
    present: &Present,
    (text, carried): (&str, Carried),
    back: &str,
    failed: Option<&str>,
) -> Result<Answer, Refusal> {
    if text == present.text && failed.is_none() {
        return Ok(call.done(back, "Nothing was changed."));
    }
    let shown = present.secrets.hidden(text).map_err(Refusal::bad)?;
    let restart = match checked(call, text).await? {
        Ok(config) => call.site.steering.config().needs_restart(&config),
        Err(error) => return Err(Refusal::Bad(words(&error))),
    };
    let covered = present.secrets.covered(text).map_err(Refusal::bad)?;
    let content = html! {
        (tabs(""))
        @if let Some(failed) = failed { div.notice.bad role="alert" { (failed) } }
        p { "This would change in " code { (call.site.steering.file().display()) } ":" }
        (difference::shown(&present.shown, &shown))
        @if !restart.is_empty() {
            div.notice.warn {
                "These take effect only when the box is restarted: "
                @for (at, name) in restart.iter().enumerate() {
                    @if at > 0 { ", " } code { (name) }
                }
                "."
            }
        }
        form.card method="post" action="/settings/apply" {
            (frame::mark(call))
            input type="hidden" name="base" value=(present.mark());
            input type="hidden" name="back" value=(back);
            @match carried {
                Carried::Typed => {
                    textarea hidden name="text" aria-label="The new text" { "\n" (covered) }
                }
                Carried::Version(number) => { input type="hidden" name="version" value=(number); }
            }
            div.field {
                label for="reason" { "Why " span.soft { "(for the history and the audit; may stay empty)" } }
                input #reason name="reason" maxlength="500" autocomplete="off";
            }
            div.row {
                button type="submit" { "Put this in force" }
                a.button.plain href=(back) { "Do not change anything" }
            }
        }
    };
    let status = match failed {
        Some(_) => StatusCode::CONFLICT,
        None => StatusCode::OK,
    };
    Ok(frame::shown(call, status, Section::Settings, "What would change", &content))
}

/// Puts the text in force that the page before showed.
pub(super) async fn apply(call: Call) -> Result<Answer, Refusal> {
    let present = Present::read(&call).await?;
    let (text, carried) = match call.form.filled("version") {
        Some(number) => {
            let (version, text) = history::version(&call, number).await?;
            (text, Carried::Version(version.number))
        }
        None => {
            let typed = call.form.first("text").unwrap_or_default().replace("\r\n", "\n");
            (present.secrets.restored(&typed), Carried::Typed)
        }
    };
    let reason = call.form.first("reason").unwrap_or_default().trim().to_owned();
    let back = call.form.first("back").filter(|back| back.starts_with("/settings"));
    let back = back.unwrap_or("/settings").to_owned();
    let mark = call.form.first("base").unwrap_or_default().to_owned();
    match put_in_force(&call, &mark, text.clone(), &reason).await {
        Ok(restart) if restart.is_empty() => Ok(call.done(&back, "It is in force.")),
        Ok(restart) => {
            let words = format!(
                "It is in force, but for what waits for a restart of the box: {}.",
                restart.join(", ")
            );
            Ok(call.done(&back, words))
        }
        Err(Unapplied::Wrong(error)) => Err(Refusal::Bad(words(&error))),
        Err(unapplied @ (Unapplied::Meanwhile | Unapplied::Refused(_))) => {
            let present = Present::read(&call).await?;
            let words = capital(&unapplied.to_string());
            page(&call, &present, (&text, carried), &back, Some(&words)).await
        }
        Err(unapplied @ Unapplied::Unwritten(_)) => Err(Refusal::Broken(unapplied.to_string())),
    }
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}
