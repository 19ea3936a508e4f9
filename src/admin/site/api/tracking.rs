//! Where is that message, and why?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::overview::named;
use super::senders::Change;
use super::{ID, Kind, LIMIT, Parameter, about, id_of, limit, operation, text, whole};
use crate::admin::api::{Acted, LessonRow, SenderRow};
use crate::admin::site::noted::note;
use crate::admin::site::tracking::acts::{self, Whole, Wish};
use crate::admin::site::tracking::kept::Kept;
use crate::admin::site::{Call, Refusal, Route, tracking};
use crate::journal::{Act, Direction, JournalError, State, Story, TrackQuery};
use crate::web::Answer;
use crate::web::answer;

const WORDS: Kind = Kind::Text(1_000);
const NAME: Kind = Kind::Text(200);
const MOMENT: Kind = Kind::Whole { least: 0, most: 253_402_300_799_999 };

/// Without [`LIMIT`]: a table has its own.
const EXPORT: &[Parameter] = match QUESTION.split_last() {
    Some((_, criteria)) => criteria,
    None => &[],
};
const QUESTION: &[Parameter] = &[
    Parameter::new(
        "sender",
        WORDS,
        "any part of the reverse-path, or all of it in angle brackets; <> for the null one",
    ),
    Parameter::new(
        "recipient",
        WORDS,
        "any part of a forward-path, or all of it in angle brackets",
    ),
    Parameter::new("any", WORDS, "any part of the reverse-path or of a forward-path"),
    Parameter::new("subject", WORDS, "words of the subject, in any order"),
    Parameter::new("message_id", WORDS, "the Message-ID, with or without angle brackets"),
    Parameter::new("client", NAME, "an address or a network of the client"),
    Parameter::new(
        "verdict",
        Kind::OneOf(&["clean", "spam", "malicious", "ambiguous", "unscannable", "policy"]),
        "the last verdict",
    ),
    Parameter::new("rule", NAME, "a rule of policy that acted on it"),
    Parameter::new("finding", NAME, "a finding of its last judgement"),
    Parameter::new(
        "virus",
        NAME,
        "any part of the name of a virus that was found in it, or all of it in angle brackets",
    ),
    Parameter::new(
        "direction",
        Kind::OneOf(&["in", "out", "internal", "own"]),
        "which way it went",
    ),
    Parameter::new("state", Kind::OneOf(STATES), "what happened to it at some time"),
    Parameter::new("since_ms", MOMENT, "it came at this time or later, in milliseconds since 1970"),
    Parameter::new("until_ms", MOMENT, "it came before this time"),
    Parameter::new("before", Kind::Id, "only older ones: older_than of the page before"),
    LIMIT,
];

/// As [`State::name`] has them; a test compares.
const STATES: &[&str] = &[
    "accepted",
    "delivered",
    "deferred",
    "failed",
    "quarantined",
    "refused",
    "turned_away",
    "visit_refused",
    "discarded",
    "expired",
    "released",
    "removed",
    "held",
    "redirected",
    "archived",
    "rate_limited",
    "found_later",
    "approval_asked",
    "received",
];

const LABEL: Parameter =
    Parameter::new("label", Kind::OneOf(&["spam", "ham"]), "what the mail is in truth");

pub(in crate::admin::site) const ROUTES: &[Route] = &[
    operation!(
        GET "/api/mails", Right(SeeMail), search => StoryList,
        about("searchMails", "Mails that meet every criterion, the newest first", QUESTION)
    ),
    operation!(
        GET "/api/mails/export", Right(SeeMail), export => raw "text/csv",
        about("exportMails", "The same as a table, ten thousand mails at most", EXPORT)
    ),
    operation!(
        GET "/api/mails/{id}", Right(SeeMail), story => StoryRow,
        about("mail", "All that happened to a mail", &[ID])
    ),
    operation!(
        GET "/api/mails/{id}/source", Right(SeeContent), source => raw "message/rfc822",
        about("mailSource", "The message as it came, while the box still has it", &[ID])
    ),
    operation!(
        POST "/api/mails/{id}/resend", Right(Queue), resend => Acted,
        about("resendMail", "Sends a copy out of the archive to the same recipients again", &[ID])
    ),
    operation!(
        POST "/api/mails/{id}/report/{label}", Right(Quarantine), report => LessonRow,
        about("reportMail", "Teaches a mail that the box still has as spam or not", &[ID, LABEL])
    ),
    operation!(
        POST "/api/mails/{id}/sender", Right(Senders), sender(SenderWish) => SenderRow,
        about("listSenderOfMail", "Trusts, blocks or forgets the sender of a mail", &[ID])
    ),
];

/// Mails that were found.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct StoryList {
    /// The newest first.
    mails: Vec<StoryRow>,
    /// Whether the whole journal was looked through.
    is_complete: bool,
    /// What to ask for as `before` to go on.
    older_than: Option<String>,
}

/// The story of one mail.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct StoryRow {
    /// Its name.
    mail_id: String,
    /// Empty when null or not known.
    reverse_path: String,
    /// Whom it is for.
    forward_paths: Vec<String>,
    /// Decoded.
    subject: String,
    /// Without angle brackets.
    message_id: String,
    /// What happened, in order.
    events: Vec<StepRow>,
}

/// One event.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct StepRow {
    /// Milliseconds since 1970.
    at_ms: u64,
    /// RFC 3339.
    at: String,
    /// What happened.
    event: String,
    /// What there is to say of it.
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// A question that cannot be understood is the caller's.
pub(super) fn refused(error: JournalError) -> Refusal {
    match error {
        JournalError::Query { .. } => Refusal::Bad(error.to_string()),
        error => Refusal::Broken(error.to_string()),
    }
}

pub(super) fn row(story: &Story) -> Result<StoryRow, Refusal> {
    let broken = |error: serde_json::Error| Refusal::Broken(error.to_string());
    serde_json::from_value(serde_json::to_value(story).map_err(broken)?).map_err(broken)
}

/// What the sender of a mail is to be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SenderWish {
    /// What is to be done.
    act: Change,
    /// The address alone unless given.
    #[serde(default)]
    whole: Whole,
    /// The list of this domain; the site's, or that of the first of one's own domains, unless
    /// given.
    domain: Option<String>,
}

/// What the parameters ask for, within the caller's domains.
fn query(call: &Call) -> TrackQuery {
    let word = |name: &str| text(call, name);
    TrackQuery {
        sender: word("sender"),
        recipient: word("recipient"),
        message_id: word("message_id"),
        mail_id: None,
        limit: limit(call),
        any: word("any"),
        subject: word("subject"),
        client: word("client"),
        verdict: word("verdict"),
        rule: word("rule"),
        finding: word("finding"),
        virus: word("virus"),
        direction: word("direction").and_then(|word| named::<Direction>(&word)),
        state: word("state").and_then(|word| named::<State>(&word)),
        since_ms: whole(call, "since_ms"),
        until_ms: whole(call, "until_ms"),
        before: word("before").and_then(|id| id.parse().ok()),
        domains: call.caller.scope.domains(),
    }
}

async fn export(call: Call) -> Result<Answer, Refusal> {
    tracking::table(&call, query(&call)).await
}

async fn search(call: Call) -> Result<StoryList, Refusal> {
    let found = tracking::search(&call, query(&call)).await?;
    let found = found.map_err(|wrong| Refusal::Bad(format!("{}: {}", wrong.field, wrong.why)))?;
    Ok(StoryList {
        mails: found.stories.iter().map(row).collect::<Result<_, _>>()?,
        is_complete: found.is_complete,
        older_than: found.older_than.map(|id| id.to_string()),
    })
}

async fn story(call: Call) -> Result<StoryRow, Refusal> {
    row(&tracking::story(&call, id_of(&call)?).await?)
}

async fn source(call: Call) -> Result<Answer, Refusal> {
    let mail_id = id_of(&call)?;
    let kept = Kept::one(&call, mail_id).await?;
    let read = call.blocking(move || {
        kept.content.read_all().map_err(|error| Refusal::Broken(error.to_string()))
    });
    let octets = read.await?;
    note(&call, Some(mail_id), Act::of("mail.source", mail_id.to_string()));
    Ok(answer::attachment("message/rfc822", &format!("{mail_id}.eml"), octets))
}

async fn resend(call: Call) -> Result<Acted, Refusal> {
    let mail_id = id_of(&call)?;
    let again = acts::resent(&call, mail_id).await?;
    Ok(Acted { mail_id: again.to_string(), done: format!("a copy of {mail_id}"), lesson: None })
}

async fn report(call: Call) -> Result<LessonRow, Refusal> {
    acts::reported(&call, id_of(&call)?, call.part(1)).await
}

async fn sender(call: Call, wish: SenderWish) -> Result<SenderRow, Refusal> {
    let act = wish.act.word().to_owned();
    acts::listed(&call, id_of(&call)?, Wish { act, whole: wish.whole, list: wish.domain }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_can_be_asked_for() {
        assert_eq!(State::ALL.map(State::name).as_slice(), STATES);
        for word in STATES {
            assert!(named::<State>(word).is_some(), "{word}");
        }
    }
}
