//! The one door of the site: finds the route, finds out who asks, and lets in who may.
//!
//! In order: requests a minute from one address; assets; the route; the caller by session
//! cookie or, for programs' routes alone, by key; the right; for what changes anything the origin and the CSRF mark; only then
//! the body. Whatever goes wrong is answered as a page, or as JSON below `/api/`.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use warp::http::{HeaderValue, Method, StatusCode, header};

use super::routes::{self, Found, Route};
use super::{AdminSite, Call, Need, Refusal, approval, aside, assets, frame, noted};
use crate::admin::api::Problem;
use crate::admin::people::{Caller, Via};
use crate::delivery::outcome::ms_since_1970;
use crate::store::token;
use crate::web::answer::{self, Answer};
use crate::web::serve::Body;
use crate::web::{Ask, Pairs};

/// Goes to this origin only, over TLS only (RFC 6265bis).
pub(super) const COOKIE: &str = "__Host-postern";
/// What the mark of a session's forms is made for.
const CSRF: &str = "csrf";

pub(super) async fn answer(site: Arc<AdminSite>, ask: Ask, body: Body) -> Answer {
    let is_api = ask.path.starts_with("/api/");
    let shown = Call {
        site: Arc::clone(&site),
        ask: ask.clone(),
        caller: Caller::nobody(),
        parts: Vec::new(),
        form: Pairs::default(),
        files: Vec::new(),
        body: Bytes::new(),
    };
    let mut known = shown.clone();
    let answered = admit(site, ask, body, &mut known).await;
    let is_tried = |refusal: &&Refusal| {
        matches!(refusal, Refusal::Forbidden | Refusal::NotByKey | Refusal::Stale)
    };
    if let Some(refusal) = answered.as_ref().err().filter(is_tried) {
        let asked = format!("{} {}", shown.ask.method, approval::without_secret(&shown.ask.path));
        noted::act(&known, "access.refused", asked).refused(refusal).record();
    }
    answered.unwrap_or_else(|refusal| match (&refusal, is_api) {
        (_, true) => refused_json(&refusal),
        (Refusal::LogIn, false) if shown.ask.method == Method::GET => to_log_in(&shown.ask),
        _ => frame::refused(&known, &refusal),
    })
}

async fn admit(
    site: Arc<AdminSite>,
    ask: Ask,
    body: Body,
    known: &mut Call,
) -> Result<Answer, Refusal> {
    let wait = |wait: std::time::Duration| Refusal::TooMany(wait.as_secs() + 1);
    site.notices.admit(ask.client.ip(), Instant::now()).map_err(wait)?;
    if let Some(asset) = assets::find(&ask) {
        return Ok(asset);
    }
    let found = routes::find(&ask.method, &ask.path);
    if site.people.is_empty() && !is_of_first_visit(&ask.path) {
        return match ask.path.starts_with("/api/") {
            true => Err(Refusal::LogIn),
            false => Ok(answer::see_other("/setup")),
        };
    }
    let caller = match &found {
        // Who is logged in as well acts as the holder of the secret, not as themselves: a page
        // that a link in a mail opens is asked for without the session's cookie, its form with it.
        Found::Route(route, _) if route.need == Need::Token => Caller::nobody(),
        _ => caller(&site, &ask).await?,
    };
    known.caller = caller.clone();
    let (route, parts) = match found {
        Found::Route(route, parts) => (route, parts),
        // Who is nobody learns nothing of what there is.
        _ if !caller.is_known() => return Err(Refusal::LogIn),
        Found::OtherMethod => return Err(Refusal::Method(ask.method.to_string())),
        Found::Nothing => return Err(Refusal::NotFound),
    };
    allow(route, &caller)?;
    let call = Call { site, ask, caller, parts, ..known.clone() };
    let call = with_body(route, call, body).await?;
    (route.act)(call).await
}

fn is_of_first_visit(path: &str) -> bool {
    let is_approval = path.starts_with(approval::PATH);
    path == "/setup" || path.starts_with("/setup/") || path == "/health" || is_approval
}

fn allow(route: &Route, caller: &Caller) -> Result<(), Refusal> {
    match route.need {
        Need::Nothing | Need::Token => Ok(()),
        _ if !caller.is_known() => Err(Refusal::LogIn),
        _ if matches!(caller.via, Via::Key { .. }) && !route.takes_keys() => Err(Refusal::NotByKey),
        Need::LogIn | Need::Session => Ok(()),
        Need::Right(right) if caller.may(right) => Ok(()),
        Need::Right(_) => Err(Refusal::Forbidden),
    }
}

/// Reads the body, and makes sure that what changes anything is meant by who asks.
async fn with_body(route: &Route, mut call: Call, body: Body) -> Result<Call, Refusal> {
    if matches!(call.ask.method, Method::GET | Method::HEAD) {
        return Ok(call);
    }
    let is_key = matches!(call.caller.via, Via::Key { .. });
    if !is_key && !call.ask.is_same_origin() {
        return Err(Refusal::Stale);
    }
    let octets = body.read(route.body_octets).await?;
    if call.ask.is_form() {
        let form = call.ask.form(octets).await;
        (call.form, call.files) = form.ok_or_else(|| Refusal::bad("the form cannot be read"))?;
    } else {
        call.body = octets;
    }
    if let Via::Session { csrf, .. } = &call.caller.via {
        let header = call.ask.header("x-csrf-token");
        let brought = header.or_else(|| call.form.first(CSRF)).unwrap_or_default();
        if !token::same(csrf, brought) {
            return Err(Refusal::Stale);
        }
    }
    Ok(call)
}

/// Who asks: by key, by session, or nobody.
async fn caller(site: &Arc<AdminSite>, ask: &Ask) -> Result<Caller, Refusal> {
    let bearer = ask.header("authorization").and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim().to_owned())
    });
    let cookie = ask.cookie(COOKIE).map(str::to_owned);
    if bearer.is_none() && cookie.is_none() {
        return Ok(Caller::nobody());
    }
    let site = Arc::clone(site);
    let work = move || match (bearer, cookie) {
        (Some(key), _) => by_key(&site, &key),
        (None, Some(secret)) => by_session(&site, &secret),
        (None, None) => Ok(Caller::nobody()),
    };
    let broken = |_| Err(Refusal::Broken("the request broke off".into()));
    aside::run(work).await.unwrap_or_else(broken)
}

fn by_key(site: &AdminSite, text: &str) -> Result<Caller, Refusal> {
    let now_ms = ms_since_1970(std::time::SystemTime::now());
    let Some((_, key)) = site.keys.known(text, now_ms)? else { return Ok(Caller::nobody()) };
    let Some(person) = site.people.find(&key.person)?.filter(|person| !person.is_disabled) else {
        return Ok(Caller::nobody());
    };
    Ok(Caller {
        rights: key.rights_of(&person),
        scope: person.scope(),
        name: person.name,
        via: Via::Key { key: key.label },
    })
}

fn by_session(site: &AdminSite, secret: &str) -> Result<Caller, Refusal> {
    let now_ms = ms_since_1970(std::time::SystemTime::now());
    let Some((session, kept)) = site.sessions.resume(secret, now_ms)? else {
        return Ok(Caller::nobody());
    };
    let Some(person) = site.people.find(&kept.person)?.filter(|person| !person.is_disabled) else {
        return Ok(Caller::nobody());
    };
    Ok(Caller {
        rights: person.rights(),
        scope: person.scope(),
        name: person.name,
        via: Via::Session { session, csrf: token::derived(secret, CSRF) },
    })
}

/// To the log-in, and from there back to where they wanted to go.
fn to_log_in(ask: &Ask) -> Answer {
    let query = ask.query.to_query();
    let wanted = match query.is_empty() {
        true => ask.path.clone(),
        false => format!("{}?{query}", ask.path),
    };
    let next = Pairs::default().with("next", &wanted).to_query();
    answer::see_other(&format!("/login?{next}"))
}

fn refused_json(refusal: &Refusal) -> Answer {
    let mut answer = answer::json(refusal.status(), &Problem { error: refusal.to_string() });
    if refusal.status() == StatusCode::UNAUTHORIZED {
        let scheme = HeaderValue::from_static("Bearer");
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    }
    answer
}
