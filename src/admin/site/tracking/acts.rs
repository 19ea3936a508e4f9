//! What can be done about a mail from its page: send it again, say what it is, list its sender.
//!
//! Every act is journalled with the mail. A caller for some domains acts on mail that is theirs
//! as a whole, and lists senders for their own domains only.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::admin::api::{LessonRow, SenderOrder, SenderRow};
use crate::admin::people::Scope;
use crate::admin::site::{Call, Refusal, noted, seen};
use crate::journal::{Act, Event};
use crate::mail::{Content, Disposition, MailId};
use crate::spool::{Origin, OwnMail};
use crate::web::Answer;

use super::kept::{Kept, Place};

fn back(mail_id: MailId) -> String {
    format!("/tracking/{mail_id}")
}

/// A copy of what is still kept goes to the same recipients again.
pub(super) async fn resend(call: Call) -> Result<Answer, Refusal> {
    let mail_id = seen::id(call.part(0))?;
    match resent(&call, mail_id).await {
        Ok(again) => {
            let words = format!("A copy is on its way to the same recipients, as mail {again}.");
            Ok(call.done(&back(mail_id), words))
        }
        Err(Refusal::Conflict(why)) => Ok(call.failed(&back(mail_id), why)),
        Err(error) => Err(error),
    }
}

/// The same without a page; the name of the copy.
pub(in crate::admin::site) async fn resent(
    call: &Call,
    mail_id: MailId,
) -> Result<MailId, Refusal> {
    let kept = Kept::whole(call, mail_id).await?;
    let act = Act::of("mail.resend", mail_id.to_string());
    let sent = send_again(call, mail_id, kept).await;
    noted::note_outcome(call, Some(mail_id), act, sent)
}

async fn send_again(call: &Call, mail_id: MailId, kept: Kept) -> Result<MailId, Refusal> {
    if kept.place != Place::Archive {
        return Err(Refusal::Conflict(
            "this mail is not gone yet: release it, or retry it, instead of sending it again"
                .into(),
        ));
    }
    let mut judgement = kept.judgement;
    judgement.dispositions = vec![Disposition::Deliver; kept.envelope.recipients.len()];
    // Archived, copied and told about was it the first time.
    judgement.orders.retain(|order| !order.is_errand());
    let octets = kept.content.len();
    let event = Event::received(&kept.envelope, &kept.facts, octets);
    let own = OwnMail {
        id: None,
        envelope: kept.envelope,
        content: kept.content,
        facts: kept.facts,
        judgement,
        origin: Origin::Copied { of: mail_id },
    };
    let desk = call.desk();
    let committed = desk.spool.commit_own(own).await;
    let again = committed.map_err(|error| Refusal::Conflict(error.to_string()))?;
    desk.journal.record(again.id, event);
    desk.journal.record(again.id, Event::judged(again.stage().judgement()));
    desk.journal.record(again.id, Event::Committed);
    Ok(again.id)
}

/// It is spam, or it is not.
pub(super) async fn report(call: Call) -> Result<Answer, Refusal> {
    let mail_id = seen::id(call.part(0))?;
    let label = match call.field("label")? {
        label @ ("spam" | "ham") => label.to_owned(),
        _ => return Err(Refusal::bad("label: spam or ham")),
    };
    match reported(&call, mail_id, &label).await {
        Ok(lesson) => Ok(call.done(&back(mail_id), lesson.done)),
        Err(why @ (Refusal::Conflict(_) | Refusal::Bad(_))) => {
            Ok(call.failed(&back(mail_id), why.to_string()))
        }
        Err(error) => Err(error),
    }
}

/// The same without a page: `spam` or `ham`; what the classifier made of it.
pub(in crate::admin::site) async fn reported(
    call: &Call,
    mail_id: MailId,
    label: &str,
) -> Result<LessonRow, Refusal> {
    let kept = Kept::whole(call, mail_id).await?;
    let act = Act { after: Some(label.to_owned()), ..Act::of("mail.report", mail_id.to_string()) };
    let desk = call.desk();
    let taught = match kept.place {
        // An archived mail teaches by its text.
        Place::Archive => {
            let octets = call.blocking(move || {
                kept.content.read_all().map_err(|error| Refusal::Broken(error.to_string()))
            });
            let content = Content::from_bytes(octets.await?);
            desk.report(label, None, content, Some(mail_id)).await
        }
        Place::Queue | Place::Quarantine(_) => {
            desk.report_known(&mail_id.to_string(), label, None).await
        }
    };
    noted::note_outcome(call, Some(mail_id), act, taught.map_err(Refusal::from))
}

/// Its sender, or the sender's domain, is trusted or blocked.
pub(super) async fn sender(call: Call) -> Result<Answer, Refusal> {
    let mail_id = seen::id(call.part(0))?;
    let act = call.field("act")?.to_owned();
    let words = match act.as_str() {
        "trust" => "is trusted",
        "block" => "is blocked",
        "forget" => "is in no list any more",
        _ => return Err(Refusal::bad("act: trust, block or forget")),
    };
    let whole = match call.form.first("whole") {
        Some("domain") => Whole::Domain,
        _ => Whole::Address,
    };
    let wish = Wish { act, whole, list: call.form.filled("list").map(str::to_owned) };
    // What is not theirs is not there; an entry that is not on a list is said on the page.
    super::story(&call, mail_id).await?;
    match listed(&call, mail_id, wish).await {
        Ok(row) => Ok(call.done(&back(mail_id), format!("{} {words} ({}).", row.entry, row.list))),
        Err(why @ (Refusal::Conflict(_) | Refusal::Bad(_) | Refusal::NotFound)) => {
            Ok(call.failed(&back(mail_id), why.to_string()))
        }
        Err(error) => Err(error),
    }
}

/// How much of a sender is listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::admin::site) enum Whole {
    /// The address alone.
    #[default]
    Address,
    /// All of its domain.
    Domain,
}

/// What is to become of a mail's sender.
#[derive(Debug)]
pub(in crate::admin::site) struct Wish {
    /// `trust`, `block` or `forget`.
    pub(in crate::admin::site) act: String,
    /// The address, or its domain.
    pub(in crate::admin::site) whole: Whole,
    /// The list of this domain; the site's, or the first of the caller's own, unless given.
    pub(in crate::admin::site) list: Option<String>,
}

/// The sender of a mail that the caller may see is put on a list that is theirs.
pub(in crate::admin::site) async fn listed(
    call: &Call,
    mail_id: MailId,
    wish: Wish,
) -> Result<SenderRow, Refusal> {
    let story = super::story(call, mail_id).await?;
    let order = order_of(call, &story.reverse_path, wish)?;
    let list = order.domain.as_ref().map_or("site".to_owned(), |domain| format!("@{domain}"));
    let act = Act {
        after: Some(format!("{} in the list of {list}", order.act)),
        ..Act::of("sender.list", &order.entry)
    };
    let (desk, put) = (call.desk(), order);
    let listed = call.blocking(move || Ok(desk.put_sender(&put)?)).await;
    noted::note_outcome(call, Some(mail_id), act, listed)
}

fn order_of(call: &Call, reverse_path: &str, wish: Wish) -> Result<SenderOrder, Refusal> {
    let (_, domain) = reverse_path
        .rsplit_once('@')
        .ok_or_else(|| Refusal::bad("a mail without a sender says nothing of whom to list"))?;
    let entry = match wish.whole {
        Whole::Domain => format!("@{domain}"),
        Whole::Address => reverse_path.to_owned(),
    };
    let list = match (&call.caller.scope, wish.list) {
        (Scope::Site, list) => list,
        (Scope::Domains(own), list) => {
            let wanted = list.or_else(|| own.first().map(ToString::to_string));
            let is_own = |name: &String| own.iter().any(|domain| domain.to_string() == *name);
            Some(wanted.filter(is_own).ok_or(Refusal::Forbidden)?)
        }
    };
    Ok(SenderOrder { act: wish.act, entry, domain: list, user: None })
}
