//! The text of a kept mail in a frame that can do nothing.
//!
//! In: a message that is likely hostile. Out: a page of its own with what is left of the text:
//! no script, no form, no style of the sender's, nothing that is loaded, no link that leads
//! anywhere (their targets are listed as text). The frame is sandboxed by the page around it
//! and by its own policy: if one of three walls has a hole, two are left.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use ammonia::UrlRelative;
use bytes::Bytes;
use maud::{DOCTYPE, PreEscaped, html};
use schemars::JsonSchema;
use serde::Serialize;
use warp::http::{HeaderValue, StatusCode, header};

use crate::admin::site::{Call, Refusal, noted, pieces, seen};
use crate::journal::Act;
use crate::message::contents::{self, Contents, Item};
use crate::message::{Anatomy, Kind, Limits, Part};
use crate::web::answer::{self, Answer};

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'self'";
/// Own style of the frame: readable whatever the sender wanted.
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:1rem;color:#17211f;background:#fff;\
                     overflow-wrap:anywhere}pre{white-space:pre-wrap;font:inherit}img{max-width:100%}\
                     .soft{color:#51605d}";
/// Of the text; what is longer is cut.
const TEXT_OCTETS: usize = 512 << 10;
const LINKS: usize = 200;
/// Elements of a page that is sanitised: the sanitiser's work grows with the square of their
/// depth, and one with more is shown as it is written.
const ELEMENTS: usize = 6_000;
/// Of a link.
const LINK_LETTERS: usize = 500;

pub(super) async fn show(call: Call) -> Result<Answer, Refusal> {
    let page = looked_at(&call, page).await?;
    let mut answer = answer::html(StatusCode::OK, page);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    Ok(answer)
}

/// What somebody makes of the message of the entry in the path; journalled.
async fn looked_at<T: Send + 'static>(
    call: &Call,
    make: impl FnOnce(&Bytes) -> T + Send + 'static,
) -> Result<T, Refusal> {
    let id = seen::id(call.part(0))?;
    let (desk, scope) = (call.desk(), call.caller.scope.clone());
    let looking = call.blocking(move || {
        let broken = |error: &dyn std::fmt::Display| Refusal::Broken(error.to_string());
        let held = desk.quarantine.load(id).map_err(|error| broken(&error))?;
        let held = held.filter(|held| scope.sees(&held.envelope)).ok_or(Refusal::NotFound)?;
        let octets = held.content.read_all().map_err(|error| broken(&error))?;
        Ok((held.mail_id, make(&octets)))
    });
    let (mail_id, made) = looking.await?;
    let act = Act::of("mail.preview", id.to_string());
    noted::note_outcome(call, Some(mail_id), act, Ok(made))
}

/// The same text for programs, with the names of the files.
pub(in crate::admin::site) async fn previewed(call: &Call) -> Result<(Shown, Vec<Item>), Refusal> {
    looked_at(call, |octets| (unbroken(|| shown(octets)), files(octets))).await
}

/// Text that is harmless, and where its links lead.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(in crate::admin::site) struct Shown {
    /// What is left of a page: no script, form, style, link or anything that is loaded.
    html: Option<String>,
    /// Plain text, where there is no page.
    text: Option<String>,
    /// Where links led.
    links: Vec<String>,
    /// The rest is left out.
    is_cut: bool,
}

/// A reader that breaks on a hostile message must not hide the rest of its page.
fn unbroken<T: Default>(work: impl FnOnce() -> T) -> T {
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    done.unwrap_or_else(|_| {
        tracing::error!("a kept mail broke the preview");
        T::default()
    })
}

fn page(octets: &Bytes) -> String {
    let shown = unbroken(|| shown(octets));
    html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "Preview" } style { (PreEscaped(STYLE)) } }
            body {
                @if let Some(clean) = &shown.html { (PreEscaped(clean)) }
                @else if let Some(text) = &shown.text { pre { (text) } }
                @else { p.soft { "There is no text in it." } }
                @if shown.is_cut { p.soft { "The rest is left out." } }
                @if !shown.links.is_empty() {
                    hr;
                    p.soft { "Where its links lead:" }
                    ul { @for link in &shown.links { li { (pieces::harmless(link)) } } }
                }
            }
        }
    }
    .into_string()
}

fn shown(octets: &Bytes) -> Shown {
    let anatomy = Anatomy::of(octets, Limits { depth: 24, parts: 200, text_octets: 8 << 20 });
    let texts = || anatomy.parts.iter().filter(|part| part.is_main() && !part.media.attachment);
    let best = |kind: Kind| texts().find(|part| part.kind == kind && !part.body.is_empty());
    let cut = |part: &Part| {
        let text = part.text();
        let end = text.floor_char_boundary(TEXT_OCTETS.min(text.len()));
        (text.get(..end).unwrap_or_default().to_owned(), end < text.len())
    };
    match (best(Kind::Html), best(Kind::Text)) {
        (Some(part), _) if elements(&part.text()) > ELEMENTS => {
            let (text, is_cut) = cut(part);
            Shown { text: Some(text), is_cut, ..Shown::default() }
        }
        (Some(part), _) => {
            let (text, is_cut) = cut(part);
            let (html, links) = sanitised(&text);
            Shown { html: Some(html), links, is_cut, ..Shown::default() }
        }
        (None, Some(part)) => {
            let (text, is_cut) = cut(part);
            Shown { text: Some(text), is_cut, ..Shown::default() }
        }
        (None, None) => Shown::default(),
    }
}

/// How many elements begin in a page, at most.
fn elements(text: &str) -> usize {
    let pairs = text.as_bytes().windows(2);
    pairs.filter(|pair| matches!(pair, [b'<', letter] if letter.is_ascii_alphabetic())).count()
}

/// HTML without anything that acts, and the addresses that its links and pictures name.
fn sanitised(text: &str) -> (String, Vec<String>) {
    // The sanitiser wants a filter of its own.
    let links: Arc<Mutex<Vec<String>>> = Arc::default();
    let clean = {
        let links = Arc::clone(&links);
        let note = move |target: &str| {
            let mut links = links.lock().unwrap_or_else(PoisonError::into_inner);
            let target: String = target.chars().take(LINK_LETTERS).collect();
            if links.len() < LINKS && !links.contains(&target) {
                links.push(target);
            }
        };
        let mut builder = ammonia::Builder::default();
        let schemes: HashSet<&str> = ["http", "https", "mailto", "ftp", "data"].into();
        builder
            .url_schemes(schemes)
            .url_relative(UrlRelative::Deny)
            .link_rel(None)
            .rm_tags(["map", "area"])
            .attribute_filter(move |tag, name, value| match (tag, name) {
                ("img", "src") => {
                    let is_inline = ["data:image/png", "data:image/jpeg", "data:image/gif"]
                        .iter()
                        .any(|kind| value.starts_with(kind));
                    if !is_inline {
                        note(value);
                    }
                    is_inline.then(|| value.into())
                }
                (_, "href" | "src" | "cite" | "background" | "action" | "longdesc" | "poster") => {
                    note(value);
                    None
                }
                // Anchors could shadow nothing here, but nobody needs them.
                (_, "id" | "name" | "class") => None,
                _ => Some(value.into()),
            });
        builder.clean(text).to_string()
    };
    let links = std::mem::take(&mut *links.lock().unwrap_or_else(PoisonError::into_inner));
    (clean, links)
}

/// The files of a message, also those in archives, by what they are.
pub(super) fn files(octets: &Bytes) -> Vec<Item> {
    unbroken(|| listed(octets))
}

fn listed(octets: &Bytes) -> Vec<Item> {
    let anatomy = Anatomy::of(octets, Limits { depth: 24, parts: 500, text_octets: 1 << 20 });
    let limits = contents::Limits { members: 200, ..contents::Limits::default() };
    let walked = Contents::of(&anatomy, limits, &mut |_, _| {});
    let is_file = |item: &Item| {
        item.parent.is_some()
            || !item.name.is_empty()
            || anatomy.parts.get(item.part).is_some_and(|part| {
                part.media.attachment || !matches!(part.kind, Kind::Text | Kind::Html)
            })
    };
    walked.items.into_iter().filter(is_file).map(|item| Item { content: None, ..item }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(html: &str) -> Bytes {
        format!("Content-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n").into_bytes().into()
    }

    #[test]
    fn nothing_acts_loads_or_leads_anywhere() {
        let hostile = r#"<p style="position:fixed" onclick="x()" id=a class=b>hello
            <script>alert(1)</script><style>@import url(//evil.test)</style>
            <img src="https://track.evil.test/pixel.gif"><img src="//evil.test/x"><img src=cid:1>
            <img src="data:image/svg+xml,<svg onload=x()>"><img src="data:image/png;base64,AAAA">
            <a href="javascript:alert(2)">j</a><a href="https://evil.test/login">bank</a>
            <form action="https://evil.test"><input name=p></form><iframe src="//evil.test"></iframe>
            <meta http-equiv=refresh content="0;url=//evil.test"><base href="//evil.test">
            <svg><a xlink:href="javascript:x"></svg><object data=x></object><video src=//evil.test></video>
            <table background="https://evil.test/b.png"><tr><td>cell</td></tr></table>"#;
        let (clean, links) = sanitised(hostile);
        let lower = clean.to_lowercase();
        for bad in [
            "script",
            "onclick",
            "style",
            "javascript",
            "href",
            "form",
            "iframe",
            "meta",
            "base ",
            "svg",
            "object",
            "video",
            "evil",
            "cid:",
            "id=",
            "class=",
            "background",
            "input",
        ] {
            assert!(!lower.contains(bad), "{bad}: {clean}");
        }
        assert!(clean.contains("hello") && clean.contains("bank") && clean.contains("cell"));
        assert!(clean.contains("data:image/png;base64,AAAA"), "{clean}");
        assert!(links.contains(&"https://evil.test/login".to_owned()), "{links:?}");
        assert!(links.contains(&"https://track.evil.test/pixel.gif".to_owned()), "{links:?}");
    }

    #[test]
    fn plain_text_stays_text() {
        let octets = Bytes::from("Subject: x\r\n\r\n<b>not bold</b> <script>x</script>\r\n");
        let page = page(&octets);
        assert!(page.contains("&lt;b&gt;not bold") && !page.contains("<script>"), "{page}");
    }

    #[test]
    fn links_are_shown_as_text_and_long_texts_are_cut() {
        let page = page(&mail("<a href='https://evil.test/?a=<b>'>x</a>"));
        assert!(page.contains("Where its links lead"), "{page}");
        assert!(!page.contains("<a ") && !page.contains("a=<b>"), "{page}");
        let long = page_of(TEXT_OCTETS * 2);
        assert!(long.contains("The rest is left out.") && long.len() < TEXT_OCTETS * 2);
    }

    fn page_of(octets: usize) -> String {
        page(&mail(&"ä".repeat(octets / 2)))
    }

    #[test]
    fn deep_nesting_ends() {
        let started = std::time::Instant::now();
        let page = page(&mail(&"<div>".repeat(60_000)));
        assert!(page.contains("</html>"));
        println!("60 000 levels: {:?}", started.elapsed());
        assert!(started.elapsed() < std::time::Duration::from_secs(30));
    }

    #[test]
    fn files_are_named_by_what_they_are() {
        let octets = Bytes::from(
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
             Content-Type: text/plain\r\n\r\nhello\r\n--b\r\nContent-Type: image/png; name=\"a.png\"\r\n\
             Content-Disposition: attachment; filename=\"a.png\"\r\n\r\n%PDF-1.4 x\r\n--b--\r\n",
        );
        let files = files(&octets);
        assert_eq!(files.len(), 1, "{files:?}");
        assert_eq!(files[0].nature, crate::message::Nature::Pdf);
        assert_eq!(files[0].declared.as_deref(), Some("image/png"));
    }
}
