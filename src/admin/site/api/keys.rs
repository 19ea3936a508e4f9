//! One's own account, sessions and keys; with the right to manage people, others' sessions.
//!
//! Keys are issued, and sessions and keys ended, by log-in only: a key outlives neither its end
//! nor its revocation by making another one, and locks nobody out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::people::NAME;
use super::{Kind, Parameter, about, operation};
use crate::admin::api::time_of;
use crate::admin::people::{ApiKey, PeopleError, Right, Role, Via};
use crate::admin::site::noted::note_outcome;
use crate::admin::site::{Call, Refusal, Route, personnel};
use crate::journal::Act;
use crate::store::StoreError;
use crate::web::sessions::Session;

const SESSION: Parameter = Parameter::new("session", Kind::Text(100), "a session's name");
const KEY: Parameter = Parameter::new("key", Kind::Text(100), "a key's name");
/// Ten years.
const DAYS: u32 = 3_650;
const DAY_MS: u64 = 86_400_000;
const LABEL_LETTERS: usize = 100;

pub(in crate::admin::site) const ROUTES: &[Route] = &[
    operation!(
        GET "/api/account", LogIn, account => AccountRow,
        about("account", "Who asks, and what they may", &[])
    ),
    operation!(
        GET "/api/account/sessions", LogIn, own_sessions => SessionList,
        about("sessions", "One's own log-ins", &[])
    ),
    operation!(
        DELETE "/api/account/sessions", Session, end_others => Ended,
        about("endOtherSessions", "Ends all of one's own log-ins but the one that asks; by log-in only", &[])
    ),
    operation!(
        DELETE "/api/account/sessions/{session}", Session, end_own => Ended,
        about("endSession", "Ends one of one's own log-ins; by log-in only", &[SESSION])
    ),
    operation!(
        GET "/api/account/keys", LogIn, keys => KeyList,
        about("keys", "One's own keys", &[])
    ),
    operation!(
        POST "/api/account/keys", Session, issue(NewKey) => IssuedKey,
        about("issueKey", "A new key; its text is answered this once; by log-in only", &[])
    ),
    operation!(
        DELETE "/api/account/keys/{key}", Session, revoke => Ended,
        about("revokeKey", "Ends one of one's own keys; by log-in only", &[KEY])
    ),
    operation!(
        GET "/api/people/{name}/sessions", Right(People), sessions_of => SessionList,
        about("sessionsOf", "Somebody's log-ins", &[NAME])
    ),
    operation!(
        DELETE "/api/people/{name}/sessions", Right(People), end_all => Ended,
        about("endSessionsOf", "Ends all of somebody's log-ins", &[NAME])
    ),
];

/// Who asks.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct AccountRow {
    /// Their name.
    name: String,
    /// What they are.
    role: Role,
    /// What they may here and now.
    rights: Vec<Right>,
    /// Only these domains concern them; none means the whole site.
    domains: Option<Vec<String>>,
    /// The key that they ask with.
    key: Option<String>,
    /// A code is asked for beside the password.
    has_second_factor: bool,
    /// Recovery codes that were not used.
    recovery_codes_left: u64,
}

/// Log-ins.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SessionList {
    /// The last one seen first.
    sessions: Vec<SessionRow>,
}

/// One log-in.
#[derive(Debug, Serialize, JsonSchema)]
struct SessionRow {
    /// Its name, which is no secret.
    session: String,
    /// RFC 3339.
    begun: String,
    /// RFC 3339, to the minute.
    seen: String,
    /// From where it was begun.
    client: String,
    /// The browser, as it calls itself.
    agent: String,
    /// It is the one that asks.
    is_this: bool,
}

/// Keys.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct KeyList {
    /// The newest first.
    keys: Vec<KeyRow>,
}

/// One key.
#[derive(Debug, Serialize, JsonSchema)]
struct KeyRow {
    /// Its name, which is no secret.
    key: String,
    /// What people call it.
    label: String,
    /// What it may at most.
    rights: Vec<Right>,
    /// RFC 3339.
    created: String,
    /// RFC 3339; none for never.
    expires: Option<String>,
    /// RFC 3339, to the minute; none before the first time.
    used: Option<String>,
}

/// A key to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    /// What people call it.
    label: String,
    /// What it may at most.
    rights: Vec<Right>,
    /// Days until it ends; never unless given.
    #[schemars(range(min = 1, max = 3650))]
    days: Option<u32>,
}

/// A key that was made.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct IssuedKey {
    /// Its name, which is no secret.
    key: String,
    /// For `Authorization: Bearer`; not shown again.
    secret: String,
}

/// What was ended.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Ended {
    /// How many.
    ended: u64,
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

async fn account(call: Call) -> Result<AccountRow, Refusal> {
    let work = call.clone();
    let find = move || work.site.people.find(&work.caller.name)?.ok_or(Refusal::LogIn);
    let person = call.blocking(find).await?;
    Ok(AccountRow {
        name: person.name.clone(),
        role: person.role,
        rights: call.caller.rights.iter().collect(),
        domains: call.caller.scope.domains(),
        key: match &call.caller.via {
            Via::Key { key } => Some(key.clone()),
            _ => None,
        },
        has_second_factor: person.has_second(),
        recovery_codes_left: count(person.recovery_left()),
    })
}

fn session_rows(call: &Call, person: &str) -> Result<SessionList, Refusal> {
    let own = match &call.caller.via {
        Via::Session { session, .. } => session.as_str(),
        _ => "",
    };
    let mut all = call.site.sessions.of(person, call.now_ms())?;
    all.sort_by_key(|(_, session)| std::cmp::Reverse(session.seen_ms));
    let row = |(name, session): (String, Session)| SessionRow {
        is_this: name == own,
        session: name,
        begun: time_of(session.begun_ms),
        seen: time_of(session.seen_ms),
        client: session.client,
        agent: session.agent,
    };
    Ok(SessionList { sessions: all.into_iter().map(row).collect() })
}

async fn own_sessions(call: Call) -> Result<SessionList, Refusal> {
    let work = call.clone();
    call.blocking(move || session_rows(&work, &work.caller.name)).await
}

async fn sessions_of(call: Call) -> Result<SessionList, Refusal> {
    let work = call.clone();
    let rows = move || {
        let person = work.site.people.find(work.part(0))?.ok_or(Refusal::NotFound)?;
        session_rows(&work, &person.name)
    };
    call.blocking(rows).await
}

async fn end_own(call: Call) -> Result<Ended, Refusal> {
    let work = call.clone();
    let ended =
        call.blocking(move || match work.site.sessions.end(&work.caller.name, work.part(0))? {
            true => Ok(Ended { ended: 1 }),
            false => Err(Refusal::NotFound),
        });
    let ended = ended.await;
    let object = call.caller.name.clone();
    let act = Act::of("session.end", object);
    note_outcome(&call, None, act, ended)
}

async fn end_others(call: Call) -> Result<Ended, Refusal> {
    let work = call.clone();
    let ended = call.blocking(move || {
        let own = match &work.caller.via {
            Via::Session { session, .. } => Some(session.as_str()),
            _ => None,
        };
        Ok(Ended { ended: count(work.site.sessions.end_all(&work.caller.name, own)?) })
    });
    let ended = ended.await;
    let act = Act::of("session.end", call.caller.name.clone());
    note_outcome(&call, None, act, ended)
}

async fn end_all(call: Call) -> Result<Ended, Refusal> {
    let work = call.clone();
    let ended = call.blocking(move || Ok(Ended { ended: count(personnel::end_sessions(&work)?) }));
    let ended = ended.await;
    let object = call.part(0).to_owned();
    let act = Act::of("session.end", object);
    note_outcome(&call, None, act, ended)
}

async fn keys(call: Call) -> Result<KeyList, Refusal> {
    let work = call.clone();
    let mut all = call.blocking(move || Ok(work.site.keys.of(&work.caller.name)?)).await?;
    all.sort_by_key(|(_, key)| std::cmp::Reverse(key.created_ms));
    let row = |(name, key): (String, ApiKey)| KeyRow {
        key: name,
        label: key.label,
        rights: key.rights,
        created: time_of(key.created_ms),
        expires: key.expires_ms.map(time_of),
        used: key.used_ms.map(time_of),
    };
    Ok(KeyList { keys: all.into_iter().map(row).collect() })
}

fn checked(call: &Call, order: &NewKey) -> Result<ApiKey, Refusal> {
    let label = order.label.trim();
    if label.is_empty() || label.chars().count() > LABEL_LETTERS {
        return Err(Refusal::Bad(format!("label: 1 to {LABEL_LETTERS} characters")));
    }
    if label.chars().any(char::is_control) {
        return Err(Refusal::bad("label: no control characters"));
    }
    if order.days.is_some_and(|days| !(1..=DAYS).contains(&days)) {
        return Err(Refusal::Bad(format!("days: a whole number from 1 to {DAYS}")));
    }
    if order.rights.is_empty() {
        return Err(Refusal::bad("rights: at least one"));
    }
    let all_own = order.rights.iter().all(|right| call.may(*right));
    all_own.then_some(()).ok_or(Refusal::Forbidden)?;
    let mut rights = order.rights.clone();
    rights.sort_unstable();
    rights.dedup();
    let now_ms = call.now_ms();
    Ok(ApiKey {
        label: label.to_owned(),
        person: call.caller.name.clone(),
        rights,
        created_ms: now_ms,
        expires_ms: order.days.map(|days| now_ms.saturating_add(u64::from(days) * DAY_MS)),
        used_ms: None,
    })
}

async fn issue(call: Call, order: NewKey) -> Result<IssuedKey, Refusal> {
    let (work, label) = (call.clone(), order.label.clone());
    let issued = call.blocking(move || {
        let key = checked(&work, &order)?;
        match work.site.keys.issue(&key) {
            Ok((key, secret)) => Ok(IssuedKey { key, secret }),
            Err(PeopleError::Store(error @ StoreError::TooMany(_))) => {
                Err(Refusal::Conflict(error.to_string()))
            }
            Err(error) => Err(error.into()),
        }
    });
    let act = Act::of("key.issue", label);
    note_outcome(&call, None, act, issued.await)
}

async fn revoke(call: Call) -> Result<Ended, Refusal> {
    let work = call.clone();
    let revoked = call.blocking(move || {
        let revoked = work.site.keys.revoke(&work.caller.name, work.part(0))?;
        revoked.ok_or(Refusal::NotFound)
    });
    let revoked = revoked.await;
    let object = revoked.as_ref().map(|key| key.label.clone()).unwrap_or_default();
    let act = Act::of("key.revoke", object);
    note_outcome(&call, None, act, revoked).map(|_| Ended { ended: 1 })
}
