//! What waits for somebody's approval, and the answer in the approver's place.
//!
//! Invariant: who is responsible for some domains answers about mail that is theirs as a whole.

use schemars::JsonSchema;
use serde::Serialize;

use super::quarantine::held_of;
use super::{ID, Kind, LIMIT, Parameter, about, id_of, limit, operation};
use crate::admin::api::{Acted, ApprovalRow};
use crate::admin::site::noted::note_outcome;
use crate::admin::site::{Call, Refusal, Route, seen};
use crate::journal::Act;

/// Mails that are looked at for the list.
const LOOKED_AT: usize = 100_000;

const DECISION: Parameter =
    Parameter::new("decision", Kind::OneOf(&["release", "refuse"]), "the approver's answer");

pub(in crate::admin::site) const ROUTES: &[Route] = &[
    operation!(
        GET "/api/approvals", Right(SeeMail), approvals => ApprovalList,
        about("approvals", "What waits for somebody's approval, the next to expire first", &[LIMIT])
    ),
    operation!(
        POST "/api/approvals/{id}/{decision}", Right(Quarantine), decide => Acted,
        about("decide", "Answers in the approver's place", &[ID, DECISION])
    ),
];

/// What waits for approval.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ApprovalList {
    /// The next to expire first.
    mails: Vec<ApprovalRow>,
}

async fn approvals(call: Call) -> Result<ApprovalList, Refusal> {
    let (desk, most) = (call.desk(), limit(&call));
    let scope = call.caller.scope.clone();
    let rows = call.blocking(move || Ok(desk.approvals(LOOKED_AT)?)).await?;
    let own = |row: ApprovalRow| {
        let forward_paths = seen::own_paths(&scope, &row.reverse_path, &row.forward_paths);
        (!forward_paths.is_empty()).then_some(ApprovalRow { forward_paths, ..row })
    };
    Ok(ApprovalList { mails: rows.into_iter().filter_map(own).take(most).collect() })
}

async fn decide(call: Call) -> Result<Acted, Refusal> {
    let (id, work) = (id_of(&call)?, call.clone());
    let held = call.blocking(move || held_of(&work, id)).await?;
    let decision = call.part(1).to_owned();
    let done = match seen::check_whole(&call, &held.envelope) {
        Ok(()) => call.desk().decide(call.part(0), &decision).await.map_err(Refusal::from),
        Err(why) => Err(why),
    };
    let act = Act::of(format!("approval.{decision}"), id.to_string());
    note_outcome(&call, Some(held.mail_id), act, done)
}
