//! Acts on kept mail: release to all or to some, delete, train, decide in the approver's place.
//!
//! In: entries and an act. Out: each is done or not, by itself; the next page says how many and
//! why not. A caller for some domains releases to their own recipients; what touches other
//! people's copies as well is not theirs.

use crate::admin::desk::DeskError;
use crate::admin::site::bulk::{self, Wanted};
use crate::admin::site::frame::{Section, own_path};
use crate::admin::site::noted::note_outcome;
use crate::admin::site::{Call, Refusal, seen};
use crate::journal::{Act, Continuation};
use crate::mail::{Address, MailId};
use crate::quarantine::{APPROVAL_AREA, Held, QuarantineError};
use crate::web::Answer;

/// An act with what belongs to it.
#[derive(Debug, Clone, Default)]
pub(in crate::admin::site) struct Order {
    /// `release`, `release-some`, `delete`, `refuse`, `spam` or `ham`.
    pub(in crate::admin::site) what: String,
    /// Who gets it, of a release to some.
    pub(in crate::admin::site) to: Vec<String>,
    /// What the classifier learns of a release or deletion.
    pub(in crate::admin::site) learn: Option<String>,
}

pub(super) async fn act(call: Call) -> Result<Answer, Refusal> {
    let act = call.field("act")?.to_owned();
    let done = match act.as_str() {
        "release" | "release-some" => "released",
        "delete" => "deleted",
        "refuse" => "refused",
        "spam" => "learned as spam",
        "ham" => "learned as not spam",
        _ => return Err(Refusal::bad("act: release, release-some, delete, refuse, spam or ham")),
    };
    let next = match call.form.filled("next") {
        Some(_) => own_path(&call.form),
        None => "/quarantine",
    };
    let to = call.form.all("to").map(str::to_owned).collect();
    let order = Order { what: act, to, learn: None };
    let wanted = Wanted { section: Section::Quarantine, path: "/quarantine/act", next, done };
    let (call, order) = (&call, &order);
    let fitting = |filter| async move { super::fitting(call, &filter).await };
    bulk::act(call, wanted, fitting, |id| async move { on_one(call, &id, order).await }).await
}

/// One act on one entry, journalled; what was learned with it, in words.
pub(in crate::admin::site) async fn on_one(
    call: &Call,
    text: &str,
    order: &Order,
) -> Result<Option<String>, Refusal> {
    let what = order.what.as_str();
    let id = seen::id(text)?;
    let desk = call.desk();
    let loading = call.blocking(move || match desk.quarantine.load(id) {
        Ok(held) => held.ok_or(Refusal::NotFound),
        Err(error) => Err(Refusal::Broken(error.to_string())),
    });
    let held = loading.await?;
    seen::check(call, &held.envelope)?;
    let mail_id = held.mail_id;
    let mut note = Act::of(format!("quarantine.{what}"), text);
    note.before = Some(format!("in {} for {}", held.area, paths(&held)));
    if let Some(learn) = &order.learn {
        note.after = Some(format!("learned: {learn}"));
    }
    let went = carry_out(call, id, held, order, &mut note).await;
    note_outcome(call, Some(mail_id), note, went)
}

fn paths(held: &Held) -> String {
    let paths = held.envelope.recipients.iter().take(50).map(|one| one.forward_path.to_string());
    paths.collect::<Vec<_>>().join(", ")
}

async fn carry_out(
    call: &Call,
    id: MailId,
    held: Held,
    order: &Order,
    note: &mut Act,
) -> Result<Option<String>, Refusal> {
    let learn = order.learn.as_deref();
    let (desk, text) = (call.desk(), id.to_string());
    let own = seen::recipients(&call.caller.scope, &held.envelope).len();
    let is_whole = own == held.envelope.recipients.len();
    Ok(match order.what.as_str() {
        "release" if is_whole => desk.act_on_quarantine(&text, "release", learn).await?.lesson,
        "release" => {
            release_some(call, &held, &[], note).await?;
            None
        }
        "release-some" => {
            if order.to.is_empty() {
                return Err(Refusal::bad("to: name those who are to get it"));
            }
            release_some(call, &held, &order.to, note).await?;
            None
        }
        what @ ("delete" | "refuse") => {
            seen::check_whole(call, &held.envelope)?;
            if what == "refuse" && held.area != APPROVAL_AREA {
                return Err(Refusal::Conflict("it waits for nobody's approval".into()));
            }
            desk.act_on_quarantine(&text, what, learn).await?.lesson
        }
        label => Some(desk.report_known(&text, label, None).await?.done),
    })
}

/// Releases to those who are named and whom the caller may see; to all of these when nobody is
/// named.
async fn release_some(
    call: &Call,
    held: &Held,
    named: &[String],
    note: &mut Act,
) -> Result<(), Refusal> {
    if held.area == APPROVAL_AREA {
        return Err(Refusal::Conflict("it waits for an approval: decide about all of it".into()));
    }
    let own = seen::recipients(&call.caller.scope, &held.envelope);
    let path =
        |at: &u16| Some(held.envelope.recipients.get(usize::from(*at))?.forward_path.clone());
    let wanted: Vec<Address> = own
        .iter()
        .filter_map(path)
        .filter(|path| named.is_empty() || named.contains(&path.to_string()))
        .collect();
    if wanted.is_empty() {
        return Err(Refusal::bad("none of these is a recipient of it"));
    }
    let words: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    let desk = call.desk();
    let released = desk.quarantine.release_some(&desk.spool, held.id, &wanted, &desk.by).await;
    let released = released.map_err(|error| match error {
        QuarantineError::Busy => Refusal::Conflict("it is being released just now".into()),
        QuarantineError::NoRecipient => Refusal::Conflict("they have it already".into()),
        error => Refusal::from(DeskError::Quarantine(error)),
    })?;
    let parted = released.ok_or(Refusal::NotFound)?;
    let mut part = held.envelope.clone();
    part.recipients.retain(|one| wanted.contains(&one.forward_path));
    let on = Continuation { envelope: &part, ..held.continued_as(parted.becomes) };
    desk.journal.record_release(on, &desk.by);
    note.after = Some(format!(
        "released to {} as {}; {} still kept",
        words.join(", "),
        parted.becomes,
        parted.left
    ));
    Ok(())
}
