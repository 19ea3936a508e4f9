//! The second factor: shown as a picture that apps read and as text, in force after its first
//! code; recovery codes are shown once. Who drops it shows password and code again.

use maud::{Markup, PreEscaped, html};
use qrcode::QrCode;
use qrcode::types::Color;
use warp::http::StatusCode;

use super::{is_shown_again, own, page, said};
use crate::admin::people::{Enrolment, PeopleError, Person};
use crate::admin::site::frame::{self, Section};
use crate::admin::site::{Call, Refusal, noted};
use crate::web::answer::Answer;

/// Light modules around the picture (ISO/IEC 18004: four).
const QUIET: usize = 4;

pub(super) fn part(call: &Call, person: &Person, failed: Option<&str>) -> Markup {
    html! {
        section.card {
            h2 { "Second factor" }
            (said(failed))
            @if person.has_second() {
                p { span.badge.good { "on" } " A code from your app is asked for at every log-in. "
                    (person.recovery_left()) " recovery codes are left." }
                details {
                    summary { "Switch it off" }
                    form method="post" action="/account/second/drop" {
                        (frame::mark(call))
                        div.field {
                            label for="own-password" { "Password" }
                            input #own-password name="password" type="password"
                                autocomplete="current-password" required;
                        }
                        div.field {
                            label for="own-code" { "Code " span.soft { "(from the app, or a recovery code)" } }
                            input #own-code name="code" autocomplete="one-time-code" required;
                        }
                        button.danger type="submit" { "Switch the second factor off" }
                    }
                }
            } @else {
                p { span.badge.warn { "off" } " With it a stolen password alone is good for nothing. "
                    "You need an app that shows time-based codes." }
                p { a.button href="/account/second" { "Set it up" } }
            }
        }
    }
}

pub(super) async fn show(call: Call) -> Result<Answer, Refusal> {
    match begun(&call).await {
        Ok((enrolment, _)) => form(&call, StatusCode::OK, &enrolment, None),
        Err(Refusal::Conflict(why)) => Ok(call.failed("/account", why)),
        Err(refusal) => Err(refusal),
    }
}

/// What apps read.
fn uri(call: &Call, enrolment: &Enrolment) -> Result<String, Refusal> {
    let config = call.site.steering.config();
    let uri = enrolment.uri(&call.caller.name, config.system.hostname.as_str());
    uri.ok_or_else(|| Refusal::Broken("no key URI can be made".into()))
}

/// A new secret and what apps read of it, for who is logged in and has no second factor.
pub(in crate::admin::site) async fn begun(call: &Call) -> Result<(Enrolment, String), Refusal> {
    let (person, _) = own(call).await?;
    if person.has_second() {
        let words = "The second factor is on already: switch it off first.";
        return Err(Refusal::Conflict(words.into()));
    }
    let enrolment = Enrolment::begin()?;
    let uri = uri(call, &enrolment)?;
    Ok((enrolment, uri))
}

fn form(
    call: &Call,
    status: StatusCode,
    enrolment: &Enrolment,
    failed: Option<&str>,
) -> Result<Answer, Refusal> {
    let uri = uri(call, enrolment)?;
    let picture = picture(&uri).map_err(|error| Refusal::Broken(error.to_string()))?;
    let content = html! {
        (said(failed))
        ol {
            li {
                "Let your app read this picture:"
                div { (picture) }
                "or type this secret into it (time-based, six digits):"
                p.secret { (spaced(enrolment.secret())) }
            }
            li {
                "Type the code that it shows now:"
                form method="post" action="/account/second" {
                    (frame::mark(call))
                    input type="hidden" name="secret" value=(enrolment.secret());
                    div.field {
                        label for="password" { "Your password" }
                        input #password name="password" type="password"
                            autocomplete="current-password" required;
                    }
                    div.field {
                        label for="code" { "Code of six digits" }
                        input #code name="code" inputmode="numeric" autocomplete="one-time-code"
                            maxlength="10" required;
                    }
                    button type="submit" { "Switch the second factor on" }
                }
            }
        }
    };
    Ok(frame::shown(call, status, Section::Account, "Set up a second factor", &content))
}

fn spaced(secret: &str) -> String {
    let letters: Vec<char> = secret.chars().collect();
    letters.chunks(4).map(|four| four.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

/// As SVG with presentation attributes alone: dark squares on white, whatever the theme.
fn picture(text: &str) -> Result<Markup, qrcode::types::QrError> {
    let code = QrCode::new(text)?;
    let (width, whole) = (code.width(), code.width() + 2 * QUIET);
    let mut path = String::new();
    for (at, colour) in code.to_colors().into_iter().enumerate() {
        if colour == Color::Dark {
            let (x, y) = (at % width + QUIET, at / width + QUIET);
            path.push_str(&format!("M{x} {y}h1v1h-1z"));
        }
    }
    Ok(PreEscaped(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" \
         aria-label=\"The secret as a QR code; it stands below as text\" width=\"240\" \
         height=\"240\" viewBox=\"0 0 {whole} {whole}\" shape-rendering=\"crispEdges\">\
         <rect width=\"{whole}\" height=\"{whole}\" fill=\"#fff\"/>\
         <path d=\"{path}\" fill=\"#000\"/></svg>"
    )))
}

pub(super) async fn enrol(call: Call) -> Result<Answer, Refusal> {
    let field = |name: &str| call.form.first(name).unwrap_or_default();
    let enrolment = resumed(field("secret"))?;
    match enrolled(&call, &enrolment, field("password"), field("code").to_owned()).await? {
        Ok(codes) => Ok(recovery_page(&call, &codes)),
        Err(why) => form(&call, StatusCode::UNPROCESSABLE_ENTITY, &enrolment, Some(&why)),
    }
}

/// A secret that was shown before.
pub(in crate::admin::site) fn resumed(secret: &str) -> Result<Enrolment, Refusal> {
    Enrolment::resumed(secret).ok_or_else(|| Refusal::bad("secret: that is none"))
}

/// Switches the second factor on for who is logged in, knows their password and shows the first
/// code; gives the recovery codes, or says why it was not done.
pub(in crate::admin::site) async fn enrolled(
    call: &Call,
    enrolment: &Enrolment,
    password: &str,
    code: String,
) -> Result<Result<Vec<String>, String>, Refusal> {
    let (person, session) = own(call).await?;
    if person.has_second() {
        return Err(Refusal::Conflict("the second factor is on already".into()));
    }
    if !is_shown_again(call, password, "").await? {
        noted::act(call, "account.second", "").refused("the password is wrong").record();
        return Ok(Err("The password is wrong.".into()));
    }
    let (site, name, now_ms) = (call.site.clone(), person.name.clone(), call.now_ms());
    let own = enrolment.clone();
    let done = call
        .blocking(move || {
            let done = site.people.enrol(&name, &own, &code, now_ms);
            if done.is_ok() {
                site.sessions.end_all(&name, Some(&session))?;
            }
            Ok(done)
        })
        .await?;
    match done {
        Ok(codes) => {
            noted::act(call, "account.second", "").before("off").after("on").record();
            Ok(Ok(codes))
        }
        Err(error @ PeopleError::WrongCode) => Ok(Err(format!("{error}."))),
        Err(error) => Err(error.into()),
    }
}

/// Shown this once.
fn recovery_page(call: &Call, codes: &[String]) -> Answer {
    let content = html! {
        p { "The second factor is on. These recovery codes stand in for the app when it is lost, "
            "each one once. They are shown only now: print them or write them down, and keep them "
            "where the phone is not." }
        ul.card { @for code in codes { li.secret { (code) } } }
        p { a.button href="/account" { "I have them" } }
    };
    frame::page(call, Section::Account, "Recovery codes", &content)
}

pub(super) async fn drop_it(call: Call) -> Result<Answer, Refusal> {
    let field = |name: &str| call.form.first(name).unwrap_or_default();
    match dropped(&call, field("password"), field("code")).await {
        Ok(Ok(())) => Ok(call.done("/account", "The second factor is off.")),
        Ok(Err(why)) => page(&call, StatusCode::UNPROCESSABLE_ENTITY, Some(("second", &why))).await,
        Err(Refusal::Conflict(why)) => Ok(call.failed("/account", why)),
        Err(refusal) => Err(refusal),
    }
}

/// Switches the second factor off for who is logged in and shows password and code again; or
/// says why it was not done.
pub(in crate::admin::site) async fn dropped(
    call: &Call,
    password: &str,
    code: &str,
) -> Result<Result<(), String>, Refusal> {
    let (person, _) = own(call).await?;
    if !person.has_second() {
        return Err(Refusal::Conflict("The second factor is off already.".into()));
    }
    if !is_shown_again(call, password, code).await? {
        noted::act(call, "account.second", "").refused("password or code is wrong").record();
        return Ok(Err("Password or code is wrong.".into()));
    }
    let (site, name) = (call.site.clone(), person.name.clone());
    call.blocking(move || Ok(site.people.drop_second(&name)?)).await?;
    noted::act(call, "account.second", "").before("on").after("off").record();
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_square_and_has_no_style_of_its_own() {
        let svg = picture("otpauth://totp/Postern:ann?secret=ABC").unwrap().into_string();
        assert!(svg.starts_with("<svg") && !svg.contains("style"), "{svg}");
        assert!(svg.contains("M4 4h1v1h-1z"), "the corner of the first finder pattern");
        assert_eq!(spaced("ABCDEFGHIJ"), "ABCD EFGH IJ");
    }
}
