//! The source of a kept mail, as text that no browser takes for anything else.
//!
//! In: a mail and where to begin. Out: a page with 64 KB of it, escaped, and ways on; or the
//! whole message as a file to be saved. Looking is journalled: it is somebody's mail.

use maud::html;

use super::kept::Kept;
use crate::admin::site::frame::{self, Section};
use crate::admin::site::{Call, Refusal, noted, pieces, seen};
use crate::journal::Act;
use crate::web::answer::{self, Answer};

/// Octets on one page.
const PORTION: u64 = 64 << 10;

pub(super) async fn show(call: Call) -> Result<Answer, Refusal> {
    let mail_id = seen::id(call.part(0))?;
    let kept = Kept::one(&call, mail_id).await?;
    let at = call.ask.query.filled("at").map_or(Ok(0), str::parse::<u64>);
    let at = at.map_err(|_| Refusal::bad("at: how many octets are passed over"))?;
    let whole = kept.content.len();
    if at > whole {
        return Err(Refusal::Bad(format!("at: the mail has {whole} octets")));
    }
    let end = at.saturating_add(PORTION).min(whole);
    if at == 0 {
        let act = Act::of("mail.read-source", mail_id.to_string());
        noted::note_outcome(&call, Some(mail_id), act, Ok(()))?;
    }
    let text = call.blocking(move || portion(&kept, at)).await?;
    let here = format!("/tracking/{mail_id}/source");
    let content = html! {
        p {
            a href=(format!("/tracking/{mail_id}")) { "Back to the mail" } " · "
            a href=(format!("/tracking/{mail_id}/message.eml")) { "Save as a file" }
        }
        p.soft {
            "Octets " (pieces::count(at)) " to " (pieces::count(end))
            " of " (pieces::count(whole)) "."
        }
        pre tabindex="0" { (text) }
        div.row {
            @if at > 0 {
                a.button.plain href=(format!("{here}?at={}", at.saturating_sub(PORTION))) rel="prev" { "Before" }
            }
            @if end < whole {
                a.button.plain href=(format!("{here}?at={end}")) rel="next" { "Further" }
            }
        }
    };
    Ok(frame::page(&call, Section::Tracking, "Source of a mail", &content))
}

fn portion(kept: &Kept, at: u64) -> Result<String, Refusal> {
    let rest = kept.content.len().saturating_sub(at).min(PORTION);
    let mut octets = vec![0; usize::try_from(rest).unwrap_or_default()];
    let read = kept.content.read_at(at, &mut octets);
    octets.truncate(read.map_err(|error| Refusal::Broken(error.to_string()))?);
    Ok(pieces::harmless(&String::from_utf8_lossy(&octets)))
}

pub(super) async fn download(call: Call) -> Result<Answer, Refusal> {
    let mail_id = seen::id(call.part(0))?;
    let kept = Kept::one(&call, mail_id).await?;
    let act = Act::of("mail.download", mail_id.to_string());
    let octets = call
        .blocking(move || {
            kept.content.read_all().map_err(|error| Refusal::Broken(error.to_string()))
        })
        .await;
    let octets = noted::note_outcome(&call, Some(mail_id), act, octets)?;
    // No browser opens it by itself: it is saved.
    Ok(answer::attachment("application/octet-stream", &format!("{mail_id}.eml"), octets))
}
