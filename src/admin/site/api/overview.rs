//! The box at a glance: how it is, how much mail flows, who and what stands out.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{About, Kind, LIMIT, Parameter, about, limit, operation, text};
use crate::admin::api::Status;
use crate::admin::people::Scope;
use crate::admin::site::dashboard::health::{self, Line};
use crate::admin::site::dashboard::live::{self, Numbers};
use crate::admin::site::{Call, Refusal, Route, queue};
use crate::journal::{Flow, Span, Top, Topping};

const SPAN: Parameter = Parameter::new(
    "span",
    Kind::OneOf(&["hour", "day", "week", "month"]),
    "how far back; a day unless given",
);
const TOPPING: Parameter = Parameter::new(
    "topping",
    Kind::OneOf(&["senders", "recipients", "rules", "viruses", "findings"]),
    "what is counted",
);

const STATUS: About = about(
    "status",
    "How the box is: version, memory, and the queue as far as the caller may see it",
    &[],
);

pub(in crate::admin::site) const ROUTES: &[Route] = &[
    operation!(GET "/api/status", Right(SeeMail), status => Status, STATUS),
    operation!(
        GET "/api/counters", Right(SeeMail), counters => Numbers,
        about("counters", "The live counters of the dashboard as they are now", &[])
    ),
    operation!(
        GET "/api/health", Right(SeeSettings), health => Health,
        about("health", "Queue, disk, memory, virus scanners, certificate and DNS, and whether each is well", &[])
    ),
    operation!(
        GET "/api/flow", Right(SeeMail), flow => Flow,
        about("flow", "How much mail went which way, by step of time", &[SPAN])
    ),
    operation!(
        GET "/api/top/{topping}", Right(SeeMail), top => Top,
        about("top", "The most frequent names", &[TOPPING, SPAN, LIMIT])
    ),
];

/// How the box is.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Health {
    /// Nothing is to be looked at.
    is_well: bool,
    /// One thing each.
    lines: Vec<Line>,
}

async fn counters(call: Call) -> Result<Numbers, Refusal> {
    Ok(live::now(&call))
}

async fn health(call: Call) -> Result<Health, Refusal> {
    let lines = health::lines(&call).await?;
    Ok(Health { is_well: !lines.iter().any(Line::is_ill), lines })
}

async fn status(call: Call) -> Result<Status, Refusal> {
    let (desk, scope) = (call.desk(), call.caller.scope.clone());
    call.blocking(move || {
        let row = desk.status();
        if scope == Scope::Site {
            return Ok(row);
        }
        let counts = queue::counts(&desk, &scope);
        Ok(Status {
            active: counts.active,
            deferred: counts.deferred,
            hold: counts.hold + counts.unscanned,
            reception_octets: 0,
            ..row
        })
    })
    .await
}

/// A word that parameters were checked to have.
pub(super) fn named<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(Value::String(word.to_owned())).ok()
}

fn span(call: &Call) -> Span {
    text(call, "span").and_then(|word| named(&word)).unwrap_or_default()
}

async fn flow(call: Call) -> Result<Flow, Refusal> {
    let (journal, span) = (call.site.desk.journal.clone(), span(&call));
    let domains = call.caller.scope.domains();
    call.blocking(move || journal.flow(span, domains.as_deref()).map_err(super::tracking::refused))
        .await
}

async fn top(call: Call) -> Result<Top, Refusal> {
    let (journal, span, most) = (call.site.desk.journal.clone(), span(&call), limit(&call));
    let topping: Topping = named(call.part(0)).ok_or(Refusal::NotFound)?;
    let domains = call.caller.scope.domains();
    let work = move || {
        journal.top(span, topping, most, domains.as_deref()).map_err(super::tracking::refused)
    };
    call.blocking(work).await
}
