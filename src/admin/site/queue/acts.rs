//! Acts on mail that waits: retry, hold, release, reroute, return, remove.
//!
//! In: mails and an act. Out: each is done or not, by itself; the next page says how many and
//! why not. A caller for some domains acts on mail that is theirs as a whole.

use crate::action::{BounceError, Returner, bounce};
use crate::admin::people::Scope;
use crate::admin::site::bulk::{self, Wanted};
use crate::admin::site::frame::{Section, own_path};
use crate::admin::site::noted::note_outcome;
use crate::admin::site::{Call, Refusal, seen};
use crate::config::NextHop;
use crate::journal::Act as Note;
use crate::mail::MailId;
use crate::spool::{Act, QueueFilter};
use crate::web::Answer;

/// An act with what belongs to it.
#[derive(Debug, Clone, Default)]
pub(in crate::admin::site) struct Order {
    /// `retry`, `hold`, `release`, `remove`, `reroute`, `normal` or `bounce`.
    pub(in crate::admin::site) what: String,
    /// Where it is rerouted to.
    pub(in crate::admin::site) hops: Option<String>,
    /// What the sender is told.
    pub(in crate::admin::site) reason: String,
}

pub(super) async fn act(call: Call) -> Result<Answer, Refusal> {
    let act = call.field("act")?.to_owned();
    let done = match act.as_str() {
        "retry" => "due at once",
        "hold" => "held",
        "release" => "released",
        "remove" => "removed",
        "reroute" => "rerouted",
        "normal" => "sent the normal way again",
        "bounce" => "returned to the sender",
        _ => {
            return Err(Refusal::bad(
                "act: retry, hold, release, remove, reroute, normal or bounce",
            ));
        }
    };
    let next = match call.form.filled("next") {
        Some(_) => own_path(&call.form).to_owned(),
        None => "/queue".to_owned(),
    };
    let hops = match act.as_str() {
        "reroute" => match call.field("hops").and_then(|text| hops_of(&call, text)) {
            Ok(hops) => Some(hops),
            Err(why) => return Ok(call.failed(&next, why.to_string())),
        },
        _ => None,
    };
    let reason = call.form.filled("reason").unwrap_or_default().to_owned();
    let order = Order { what: act, hops, reason };
    let wanted = Wanted { section: Section::Queue, path: "/queue/act", next: &next, done };
    let (call, order) = (&call, &order);
    let fitting = |filter| async move { super::fitting(call, &filter).await };
    bulk::act(call, wanted, fitting, |id| async move { on_one(call, &id, order).await }).await
}

/// Next hops as they were typed: `host`, `host:port`, or as in the configuration. Somebody for
/// some domains does not choose where mail goes, and nobody sends it into files of the box.
pub(in crate::admin::site) fn hops_of(call: &Call, text: &str) -> Result<String, Refusal> {
    if call.caller.scope != Scope::Site {
        return Err(Refusal::Forbidden);
    }
    let mut hops = Vec::new();
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        let word = match word.contains("//")
            || word.starts_with("lmtp:")
            || word.starts_with("maildir:")
        {
            true => word.to_owned(),
            false => format!("smtp://{word}"),
        };
        let hop: NextHop = word.parse().map_err(Refusal::bad)?;
        match hop {
            NextHop::Smtp { .. } | NextHop::Lmtp { .. } => hops.push(hop.to_string()),
            NextHop::LmtpSocket(_) | NextHop::Maildir(_) => {
                return Err(Refusal::bad("a mail is rerouted to a host and port"));
            }
        }
    }
    match hops.len() {
        1..=5 => Ok(hops.join(" ")),
        _ => Err(Refusal::bad("one to five next hops")),
    }
}

/// One act on one mail, journalled.
pub(in crate::admin::site) async fn on_one(
    call: &Call,
    text: &str,
    order: &Order,
) -> Result<(), Refusal> {
    let what = order.what.as_str();
    let id = seen::id(text)?;
    let desk = call.desk();
    let filter = QueueFilter { mail_id: Some(id), ..QueueFilter::default() };
    let entry = call.blocking(move || Ok(desk.spool.list(&filter, 1).pop())).await?;
    let entry = entry.ok_or(Refusal::NotFound)?;
    seen::check(call, &entry.envelope)?;
    let before = entry.route.clone().filter(|_| matches!(what, "reroute" | "normal"));
    let note = Note {
        before,
        after: order.hops.clone(),
        reason: if what == "bounce" { order.reason.clone() } else { String::new() },
        ..Note::of(format!("queue.{what}"), text)
    };
    let went = match seen::check_whole(call, &entry.envelope) {
        Ok(()) => carry_out(call, id, order).await,
        Err(why) => Err(why),
    };
    note_outcome(call, Some(id), note, went)
}

async fn carry_out(call: &Call, id: MailId, order: &Order) -> Result<(), Refusal> {
    let desk = call.desk();
    match order.what.as_str() {
        "reroute" | "normal" => {
            let rerouted = desk.spool.reroute(id, order.hops.as_deref()).await;
            match rerouted.map_err(|error| Refusal::Broken(error.to_string()))? {
                Act::Done => Ok(()),
                Act::Unknown => Err(Refusal::NotFound),
                Act::InDelivery => Err(Refusal::Conflict("it is being delivered just now".into())),
                Act::Unfit => Err(Refusal::Conflict("it is in no state to be rerouted".into())),
            }
        }
        "bounce" => {
            let config = call.site.steering.config();
            let returner = Returner {
                hostname: &config.system.hostname,
                postmaster: &config.system.postmaster,
                why: &order.reason,
            };
            let bounced = bounce(&desk.spool, &desk.journal, returner, id).await;
            bounced.map(drop).map_err(|error| match error {
                BounceError::Unknown(_) => Refusal::NotFound,
                BounceError::InDelivery(_) | BounceError::NoSender(_) => {
                    Refusal::Conflict(error.to_string())
                }
                error => Refusal::Broken(error.to_string()),
            })
        }
        what => Ok(desk.act_on_queue(&id.to_string(), what).await.map(drop)?),
    }
}
