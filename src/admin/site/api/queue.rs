//! What waits, and what can be done about it, mail by mail or with many at once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::many::{self, ManyActed, Which};
use super::{ID, Kind, LIMIT, Parameter, about, id_of, limit, operation};
use crate::admin::api::{Acted, Detail, QueueRow};
use crate::admin::people::Right;
use crate::admin::site::queue::acts::{self, Order};
use crate::admin::site::{Call, Refusal, Route, queue, seen};
use crate::spool::QueueFilter;

/// As long as on the page.
const REASON_LETTERS: usize = 300;
/// Of one rerouting.
const HOPS: usize = 5;

const STATE: Parameter = Parameter::new(
    "state",
    Kind::OneOf(&["active", "deferred", "hold"]),
    "only mail in this state",
);
const WORDS: Kind = Kind::Text(1_000);
const QUESTION: &[Parameter] = &[
    STATE,
    Parameter::new("any", WORDS, "any part of the reverse-path or of a forward-path"),
    Parameter::new("sender", WORDS, "any part of the reverse-path"),
    Parameter::new("recipient", WORDS, "any part of a forward-path that waits"),
    Parameter::new("destination", WORDS, "the whole name of where it goes"),
    Parameter::new("why", WORDS, "any part of why it waits"),
    Parameter::new("after", Kind::Id, "only later ones: next of the page before"),
    LIMIT,
];
const ACT: Parameter = Parameter::new(
    "act",
    Kind::OneOf(&["retry", "hold", "release", "remove", "normal"]),
    "what is to be done; normal takes a rerouting back",
);

pub(in crate::admin::site) const ROUTES: &[Route] = &[
    operation!(
        GET "/api/queue", Right(SeeMail), list => QueueList,
        about("queue", "Mail that waits, the oldest first", QUESTION)
    ),
    operation!(
        GET "/api/queue/destinations", Right(SeeMail), destinations => QueueCounted,
        about("queueDestinations", "How much waits in which state and for which destinations, and why", &[])
    ),
    operation!(
        POST "/api/queue/act", Right(Queue), act_on_many(QueueOrder) => ManyActed,
        about("actOnManyQueued", "One act on many mails that wait; each is answered by itself", &[])
    ),
    operation!(
        GET "/api/queue/{id}", Right(SeeMail), entry => Detail<QueueRow>,
        about("queued", "One mail that waits, whole", &[ID])
    ),
    operation!(
        POST "/api/queue/{id}/reroute", Right(Queue), reroute(Reroute) => Acted,
        about("reroute", "Sends a mail another way than routes and policy have it", &[ID])
    ),
    operation!(
        POST "/api/queue/{id}/bounce", Right(Queue), bounce(Bounce) => Acted,
        about("bounce", "Returns a mail to its sender", &[ID])
    ),
    operation!(
        POST "/api/queue/{id}/{act}", Right(Queue), act => Acted,
        about("actOnQueue", "Retries, holds, releases or removes a mail, or takes a rerouting back", &[ID, ACT])
    ),
];

/// Another way for a mail.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reroute {
    /// One to five next hops: `host`, `host:port` or as in the configuration.
    #[schemars(length(min = 1, max = 5))]
    hops: Vec<String>,
}

/// A mail goes back.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Bounce {
    /// What the sender is told; may be empty.
    #[serde(default)]
    reason: String,
}

/// What can be done to many mails.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum QueueAct {
    /// They are due at once.
    Retry,
    /// They stay until somebody releases them.
    Hold,
    /// They go on.
    Release,
    /// They are gone, and nobody is told.
    Remove,
    /// They go another way.
    Reroute,
    /// They go the way that routes and policy have.
    Normal,
    /// They go back to their senders.
    Bounce,
}

impl QueueAct {
    fn word(self) -> &'static str {
        match self {
            QueueAct::Retry => "retry",
            QueueAct::Hold => "hold",
            QueueAct::Release => "release",
            QueueAct::Remove => "remove",
            QueueAct::Reroute => "reroute",
            QueueAct::Normal => "normal",
            QueueAct::Bounce => "bounce",
        }
    }
}

/// States of mail that waits.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum QueueStateWord {
    /// On its way now.
    Active,
    /// Waits for its next attempt.
    Deferred,
    /// Held until somebody releases it.
    Hold,
}

impl QueueStateWord {
    fn word(self) -> &'static str {
        match self {
            QueueStateWord::Active => "active",
            QueueStateWord::Deferred => "deferred",
            QueueStateWord::Hold => "hold",
        }
    }
}

/// Which mails of the queue; without any criterion all of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct QueueCriteria {
    /// In this state.
    state: Option<QueueStateWord>,
    /// Any part of the reverse-path or of a forward-path.
    any: Option<String>,
    /// Any part of the reverse-path.
    sender: Option<String>,
    /// Any part of a forward-path that waits.
    recipient: Option<String>,
    /// The whole name of where it goes.
    destination: Option<String>,
    /// Any part of why it waits.
    why: Option<String>,
}

/// One act on many mails: those of `ids`, or all that fit `filter`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QueueOrder {
    /// What is to be done.
    act: QueueAct,
    /// These mails, 500 at most.
    #[schemars(length(min = 1, max = 500))]
    ids: Option<Vec<String>>,
    /// All that fit, 2,000 in one go.
    filter: Option<QueueCriteria>,
    /// Of a rerouting: one to five next hops.
    #[serde(default)]
    #[schemars(length(max = 5))]
    hops: Vec<String>,
    /// Of a return: what the sender is told.
    #[serde(default)]
    reason: String,
    /// Nothing is done: those that are meant are answered.
    #[serde(default)]
    is_trial: bool,
}

/// Mail that waits.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct QueueList {
    /// The oldest first.
    mails: Vec<QueueRow>,
    /// The search took too long and was cut short: go on with `next`.
    is_cut: bool,
    /// What to ask for as `after` to go on.
    next: Option<String>,
}

/// What waits, counted.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct QueueCounted {
    /// On their way now.
    active: u64,
    /// Wait for their next attempt.
    deferred: u64,
    /// Held until somebody releases them.
    hold: u64,
    /// Those with the most mail first, 25 at most.
    destinations: Vec<DestinationRow>,
    /// More mail waits than was looked at for the destinations.
    is_part: bool,
}

/// Mail for one destination.
#[derive(Debug, Serialize, JsonSchema)]
struct DestinationRow {
    /// A domain, or next hops that an administrator has named.
    destination: String,
    /// How many wait.
    mails: u64,
    /// Why one of them does.
    why: String,
}

async fn list(call: Call) -> Result<QueueList, Refusal> {
    let page = queue::page_of(&call, &call.ask.query, limit(&call)).await?;
    let told = page.entries.iter().map(|entry| queue::told(&call.caller.scope, entry));
    Ok(QueueList {
        mails: told.collect(),
        is_cut: page.is_cut,
        next: page.next.map(|id| id.to_string()),
    })
}

async fn destinations(call: Call) -> Result<QueueCounted, Refusal> {
    let counted = queue::counted(&call).await?;
    let row = |(destination, mails, why)| DestinationRow { destination, mails, why };
    Ok(QueueCounted {
        active: counted.counts.active,
        deferred: counted.counts.deferred,
        hold: counted.counts.hold + counted.counts.unscanned,
        destinations: counted.destinations.into_iter().map(row).collect(),
        is_part: counted.is_part,
    })
}

async fn entry(call: Call) -> Result<Detail<QueueRow>, Refusal> {
    let mail_id = id_of(&call)?;
    let (desk, may_read) = (call.desk(), call.may(Right::SeeContent));
    desk.catch_up().await;
    let work = call.clone();
    let detail = call.blocking(move || {
        let filter = QueueFilter { mail_id: Some(mail_id), ..QueueFilter::default() };
        let entry = desk.spool.list(&filter, 1).pop().ok_or(Refusal::NotFound)?;
        seen::check(&work, &entry.envelope)?;
        let row = queue::told(&work.caller.scope, &entry);
        let mut detail = desk.queued(work.part(0))?;
        seen::veil(&work.caller.scope, &entry.envelope, &mut detail.findings);
        Ok(Detail { row, ..detail })
    });
    let detail = detail.await?;
    Ok(match may_read {
        true => detail,
        false => Detail { header: String::new(), ..detail },
    })
}

async fn act_on_many(call: Call, order: QueueOrder) -> Result<ManyActed, Refusal> {
    let filter = order.filter.map(|one| {
        many::filter(&[
            ("state", one.state.map(QueueStateWord::word)),
            ("any", one.any.as_deref()),
            ("sender", one.sender.as_deref()),
            ("recipient", one.recipient.as_deref()),
            ("destination", one.destination.as_deref()),
            ("why", one.why.as_deref()),
        ])
    });
    let which = Which { ids: order.ids, filter: filter.transpose()?, is_trial: order.is_trial };
    let hops = match order.act {
        _ if order.hops.len() > HOPS => return Err(Refusal::Bad(format!("hops: {HOPS} at most"))),
        QueueAct::Reroute => Some(hops_of(&call, &order.hops)?),
        _ => None,
    };
    let order = Order { what: order.act.word().into(), hops, reason: short(order.reason)? };
    call.desk().catch_up().await;
    let (call, order) = (&call, &order);
    let fitting = |filter| async move { queue::fitting(call, &filter).await };
    let on_one = |id: String| async move { acts::on_one(call, &id, order).await.map(|()| None) };
    many::act(which, fitting, on_one).await
}

async fn act(call: Call) -> Result<Acted, Refusal> {
    let what = call.part(1).to_owned();
    done(&call, Order { what, ..Order::default() }).await
}

fn hops_of(call: &Call, hops: &[String]) -> Result<String, Refusal> {
    acts::hops_of(call, &hops.join(" ")).map_err(|refusal| match refusal {
        Refusal::Bad(why) => Refusal::Bad(format!("hops: {why}")),
        refusal => refusal,
    })
}

/// A reason that is as short as the page has it.
fn short(reason: String) -> Result<String, Refusal> {
    match reason.chars().count() {
        0..=REASON_LETTERS => Ok(reason),
        _ => Err(Refusal::Bad(format!("reason: {REASON_LETTERS} characters at most"))),
    }
}

async fn reroute(call: Call, wish: Reroute) -> Result<Acted, Refusal> {
    let hops = hops_of(&call, &wish.hops)?;
    done(&call, Order { what: "reroute".into(), hops: Some(hops), reason: String::new() }).await
}

async fn bounce(call: Call, wish: Bounce) -> Result<Acted, Refusal> {
    let reason = short(wish.reason)?;
    done(&call, Order { what: "bounce".into(), hops: None, reason }).await
}

/// Does as the page does.
async fn done(call: &Call, order: Order) -> Result<Acted, Refusal> {
    let mail_id = id_of(call)?;
    call.desk().catch_up().await;
    acts::on_one(call, call.part(0), &order).await?;
    let done = match order.what.as_str() {
        "retry" => "retried",
        "hold" => "held",
        "release" => "released",
        "remove" => "removed",
        "bounce" => "returned to its sender",
        _ => "rerouted",
    };
    Ok(Acted { mail_id: mail_id.to_string(), done: done.into(), lesson: None })
}
