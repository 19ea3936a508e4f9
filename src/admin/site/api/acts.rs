//! What administrators did.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Kind, LIMIT, Parameter, about, limit, operation, text, whole};
use crate::admin::api::time_of;
use crate::admin::site::{Call, Refusal, Route, audit};
use crate::journal::{ActFound, ActQuery};
use crate::web::Answer;

const MOMENT: Kind = Kind::Whole { least: 0, most: 253_402_300_799_999 };

/// Without [`LIMIT`]: a table has its own.
const EXPORT: &[Parameter] = match QUESTION.split_last() {
    Some((_, criteria)) => criteria,
    None => &[],
};
const QUESTION: &[Parameter] = &[
    Parameter::new("who", Kind::Text(200), "the account, whole"),
    Parameter::new("what", Kind::Text(200), "what was done, or its beginning up to a dot"),
    Parameter::new("object", Kind::Text(200), "any part of the object, or a mail's name"),
    Parameter::new("since_ms", MOMENT, "at this time or later, in milliseconds since 1970"),
    Parameter::new("until_ms", MOMENT, "before this time"),
    Parameter::new("before", Kind::Id, "only older ones: older_than of the page before"),
    LIMIT,
];

pub(in crate::admin::site) const ROUTES: &[Route] = &[
    operation!(
        GET "/api/acts", Right(Audit), list => ActList,
        about("acts", "What administrators did, the newest first", QUESTION)
    ),
    operation!(
        GET "/api/acts/export", Right(Audit), export => raw "text/csv",
        about("exportActs", "The same as a table, fifty thousand acts at most", EXPORT)
    ),
];

/// Acts that were found.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ActList {
    /// The newest first.
    acts: Vec<ActRow>,
    /// What to ask for as `before` to go on.
    older_than: Option<String>,
}

/// One act.
#[derive(Debug, Serialize, JsonSchema)]
struct ActRow {
    /// Its name.
    act_id: String,
    /// RFC 3339.
    at: String,
    /// The mail that it concerns.
    mail_id: Option<String>,
    /// The account.
    who: String,
    /// What was done.
    what: String,
    /// To what.
    object: String,
    /// How it was.
    before: Option<String>,
    /// How it is now.
    after: Option<String>,
    /// From where.
    client: Option<String>,
    /// `site`, `api` or `console`.
    via: String,
    /// What was given as reason.
    reason: String,
    /// Why it was not done; empty when it was.
    refusal: String,
}

fn row(found: ActFound) -> ActRow {
    let act = found.note.act;
    ActRow {
        act_id: found.note.act_id.to_string(),
        at: time_of(found.at_ms),
        mail_id: found.mail_id.map(|id| id.to_string()),
        who: act.who,
        what: act.what,
        object: act.object,
        before: act.before,
        after: act.after,
        client: act.client.map(|client| client.to_string()),
        via: act.via,
        reason: act.reason,
        refusal: act.refusal,
    }
}

fn query(call: &Call) -> ActQuery {
    ActQuery {
        who: text(call, "who"),
        what: text(call, "what"),
        object: text(call, "object"),
        since_ms: whole(call, "since_ms"),
        until_ms: whole(call, "until_ms"),
        before: text(call, "before").and_then(|id| id.parse().ok()),
        limit: limit(call),
    }
}

async fn export(call: Call) -> Result<Answer, Refusal> {
    audit::all(&call, query(&call)).await
}

async fn list(call: Call) -> Result<ActList, Refusal> {
    let query = query(&call);
    let journal = call.site.desk.journal.clone();
    let found =
        call.blocking(move || journal.acts(&query).map_err(super::tracking::refused)).await?;
    Ok(ActList {
        acts: found.acts.into_iter().map(row).collect(),
        older_than: found.older_than.map(|id| id.to_string()),
    })
}
