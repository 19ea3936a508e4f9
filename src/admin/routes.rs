//! The paths of the API, one filter each.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use warp::filters::BoxedFilter;
use warp::http::{Response, StatusCode, header};
use warp::reply::Response as Answer;
use warp::{Filter, Rejection, Reply};

use super::api::{AccountOrder, Acted, INCOMPLETE, Problem, SenderOrder};
use super::desk::{Desk, DeskError};
use super::past::{InspectRequest, ReplayRequest};
use super::serve::Answered;
use crate::archive::ArchiveFilter;
use crate::journal::Found;
use crate::mail::Content;
use crate::policy::rules::TEXT_OCTETS;

/// An order of the operator is small.
const BODY_OCTETS: u64 = 64 << 10;
/// A draft of rules, as JSON writes it.
const DRAFT_OCTETS: u64 = 2 * TEXT_OCTETS as u64;
/// A message that is reported may be as large as one that is received.
const MESSAGE_OCTETS: u64 = 64 << 20;

/// `?limit=…&state=…`.
#[derive(Debug, Deserialize)]
struct Window {
    #[serde(default = "whole_window")]
    limit: usize,
    state: Option<String>,
}

/// `?days=…`.
#[derive(Debug, Deserialize)]
struct Lasts {
    days: u32,
}

fn whole_window() -> usize {
    10_000
}

/// `?domain=…&limit=…`, as `postern dmarc` asks.
#[derive(Debug, Deserialize)]
struct OfDomain {
    domain: Option<String>,
    #[serde(default = "whole_window")]
    limit: usize,
}

/// `?sender=…`, as `postern track` asks.
#[derive(Debug, Deserialize)]
struct Question {
    sender: Option<String>,
    recipient: Option<String>,
    message_id: Option<String>,
    mail_id: Option<String>,
    #[serde(default = "story_window")]
    limit: usize,
}

fn story_window() -> usize {
    100
}

/// `?learn=…`, as `postern quarantine release` says.
#[derive(Debug, Deserialize)]
struct Manner {
    learn: Option<String>,
}

/// `?label=…&user=…`, as `postern report` says.
#[derive(Debug, Deserialize)]
struct ReportQuery {
    label: String,
    user: Option<String>,
}

/// `?class=…`, as `postern archive` asks.
#[derive(Debug, Deserialize)]
struct OfArchive {
    class: Option<String>,
    sender: Option<String>,
    recipient: Option<String>,
    #[serde(default = "whole_window")]
    limit: usize,
}

impl OfArchive {
    fn filter(&self) -> ArchiveFilter {
        ArchiveFilter {
            class: self.class.clone(),
            sender: self.sender.clone(),
            recipient: self.recipient.clone(),
            ..ArchiveFilter::default()
        }
    }
}

/// Every route of the control socket.
pub(super) fn all(
    desk: Arc<Desk>,
) -> impl Filter<Extract = (Answer,), Error = std::convert::Infallible> + Clone {
    let routes = [
        reading(Arc::clone(&desk)),
        dmarc(Arc::clone(&desk)),
        archive(Arc::clone(&desk)),
        searching(Arc::clone(&desk)),
        acting(desk),
    ];
    any_of(routes).recover(refused).unify()
}

/// One way through the API. Boxed, each by itself: the type of a chain of filters doubles with
/// every link, and the compiler's time with it.
type Route = BoxedFilter<(Answer,)>;

/// The first of the routes that takes the request.
fn any_of(routes: impl IntoIterator<Item = Route>) -> Route {
    let nowhere = warp::any().and_then(|| async { Err(warp::reject::not_found()) }).boxed();
    routes.into_iter().fold(nowhere, |before, route| before.or(route).unify().boxed())
}

fn reading(desk: Arc<Desk>) -> Route {
    let with = with(desk);
    let queue = warp::path!("v1" / "queue").and(warp::query()).and(with.clone()).and_then(
        |window: Window, desk: Arc<Desk>| async move {
            desk.catch_up().await;
            lines(move || desk.queue(window.state.as_deref(), window.limit)).await
        },
    );
    let queued = warp::path!("v1" / "queue" / String).and(with.clone()).and_then(
        |id: String, desk: Arc<Desk>| async move {
            desk.catch_up().await;
            one(move || desk.queued(&id)).await
        },
    );
    let quarantine = warp::path!("v1" / "quarantine")
        .and(warp::query())
        .and(with.clone())
        .and_then(|window: Window, desk: Arc<Desk>| lines(move || desk.quarantine(window.limit)));
    let quarantined = warp::path!("v1" / "quarantine" / String)
        .and(with.clone())
        .and_then(|id: String, desk: Arc<Desk>| one(move || desk.quarantined(&id)));
    let track = warp::path!("v1" / "track").and(warp::query()).and(with.clone()).and_then(
        |question: Question, desk: Arc<Desk>| stories(move || desk.track(&question.into_query()?)),
    );
    let users = warp::path!("v1" / "users")
        .and(with.clone())
        .and_then(|desk: Arc<Desk>| lines(move || desk.accounts()));
    let antivirus = warp::path!("v1" / "antivirus")
        .and(with.clone())
        .and_then(|desk: Arc<Desk>| one(move || desk.antivirus()));
    let found = warp::path!("v1" / "antivirus" / "report")
        .and(warp::query())
        .and(with.clone())
        .and_then(|window: Window, desk: Arc<Desk>| lines(move || desk.found_later(window.limit)));
    let directories = warp::path!("v1" / "directory")
        .and(with.clone())
        .and_then(|desk: Arc<Desk>| lines(move || desk.directories()));
    let senders = warp::path!("v1" / "senders")
        .and(with.clone())
        .and_then(|desk: Arc<Desk>| lines(move || desk.senders()));
    let status = warp::path!("v1" / "status")
        .and(with.clone())
        .and_then(|desk: Arc<Desk>| one(move || Ok(desk.status())));
    let feed = warp::path!("v1" / "bulk" / "feed")
        .and(warp::query())
        .and(with.clone())
        .and_then(|lasts: Lasts, desk: Arc<Desk>| one(move || desk.signed_feed(lasts.days)));
    let model = warp::path!("v1" / "model")
        .and(with.clone())
        .and_then(|desk: Arc<Desk>| one(move || desk.model()));
    let shadow = warp::path!("v1" / "shadow")
        .and(with.clone())
        .and_then(|desk: Arc<Desk>| one(move || desk.shadow()));
    let metrics = warp::path!("metrics").and(with).map(|desk: Arc<Desk>| {
        warp::reply::with_header(desk.metrics(), "content-type", "text/plain; version=0.0.4")
            .into_response()
    });
    let routes = [
        queue.boxed(),
        queued.boxed(),
        quarantine.boxed(),
        quarantined.boxed(),
        model.boxed(),
        shadow.boxed(),
        track.boxed(),
        users.boxed(),
        status.boxed(),
        metrics.boxed(),
        senders.boxed(),
        feed.boxed(),
        antivirus.boxed(),
        found.boxed(),
        directories.boxed(),
    ];
    warp::get().and(any_of(routes)).boxed()
}

fn archive(desk: Arc<Desk>) -> Route {
    let with = with(desk);
    let list = warp::path!("v1" / "archive").and(warp::query()).and(with.clone()).and_then(
        |of: OfArchive, desk: Arc<Desk>| lines(move || desk.archived(&of.filter(), of.limit)),
    );
    let export = warp::path!("v1" / "archive" / String)
        .and(warp::query())
        .and(with.clone())
        .and_then(|id: String, of: OfArchive, desk: Arc<Desk>| {
            message(move || desk.exported(&id, of.class.as_deref()))
        });
    let waiting = warp::path!("v1" / "approval")
        .and(warp::query())
        .and(with)
        .and_then(|window: Window, desk: Arc<Desk>| lines(move || desk.approvals(window.limit)));
    warp::get().and(any_of([list.boxed(), export.boxed(), waiting.boxed()])).boxed()
}

fn dmarc(desk: Arc<Desk>) -> Route {
    let with = with(desk);
    let reports = warp::path!("v1" / "dmarc" / "reports")
        .and(warp::query())
        .and(with.clone())
        .and_then(|of: OfDomain, desk: Arc<Desk>| {
            lines(move || desk.dmarc_reports(of.domain.as_deref(), of.limit))
        });
    let report = warp::path!("v1" / "dmarc" / "reports" / String)
        .and(with.clone())
        .and_then(|id: String, desk: Arc<Desk>| one(move || desk.dmarc_report(&id)));
    let sources =
        warp::path!("v1" / "dmarc" / "sources").and(warp::query()).and(with.clone()).and_then(
            |of: OfDomain, desk: Arc<Desk>| lines(move || desk.dmarc_sources(of.domain.as_deref())),
        );
    let observed = warp::path!("v1" / "dmarc" / "observed").and(warp::query()).and(with).and_then(
        |of: OfDomain, desk: Arc<Desk>| {
            lines(move || desk.dmarc_observed(of.domain.as_deref(), of.limit))
        },
    );
    let routes = [reports.boxed(), report.boxed(), sources.boxed(), observed.boxed()];
    warp::get().and(any_of(routes)).boxed()
}

/// What goes through all mail of the past; the answers begin before all of them is known.
fn searching(desk: Arc<Desk>) -> Route {
    let with = with(desk);
    let replay = warp::path!("v1" / "policy" / "replay")
        .and(warp::body::content_length_limit(DRAFT_OCTETS))
        .and(body())
        .and(with.clone())
        .and_then(|order: ReplayRequest, desk: Arc<Desk>| begun(move || desk.replay(order)));
    let inspect = warp::path!("v1" / "inspect")
        .and(warp::body::content_length_limit(BODY_OCTETS))
        .and(body())
        .and(with)
        .and_then(|order: InspectRequest, desk: Arc<Desk>| begun(move || desk.inspect(order)));
    warp::post().and(any_of([replay.boxed(), inspect.boxed()])).boxed()
}

/// Checks what is asked away from the sessions' threads, and begins to answer.
async fn begun(
    work: impl FnOnce() -> Result<Answer, DeskError> + Send + 'static,
) -> Result<Answer, Rejection> {
    let answer = tokio::task::spawn_blocking(work).await.unwrap_or(Err(DeskError::Broken));
    answered(answer).map_err(|never| match never {})
}

fn acting(desk: Arc<Desk>) -> Route {
    let with = with(desk);
    let queue = warp::path!("v1" / "queue" / String / String).and(with.clone()).and_then(
        |id: String, act: String, desk: Arc<Desk>| async move {
            acted(desk.act_on_queue(&id, &act).await)
        },
    );
    let quarantine = warp::path!("v1" / "quarantine" / String / String)
        .and(warp::query())
        .and(with.clone())
        .and_then(|id: String, act: String, manner: Manner, desk: Arc<Desk>| async move {
            acted(desk.act_on_quarantine(&id, &act, manner.learn.as_deref()).await)
        });
    let add = warp::path!("v1" / "users")
        .and(warp::body::content_length_limit(BODY_OCTETS))
        .and(body())
        .and(with.clone())
        .and_then(|order: AccountOrder, desk: Arc<Desk>| one(move || desk.put_account(&order)));
    let report = warp::path!("v1" / "dmarc" / "send")
        .and(with.clone())
        .and_then(|desk: Arc<Desk>| async move { acted(desk.send_dmarc_reports().await) });
    let accept = warp::path!("v1" / "directory" / String / "accept").and(with.clone()).and_then(
        |name: String, desk: Arc<Desk>| async move { acted(desk.accept_directory(&name).await) },
    );
    let remove = warp::path!("v1" / "users" / String / "remove")
        .and(with.clone())
        .and_then(|name: String, desk: Arc<Desk>| one(move || desk.remove_account(&name)));
    let sender = warp::path!("v1" / "senders")
        .and(warp::body::content_length_limit(BODY_OCTETS))
        .and(body())
        .and(with.clone())
        .and_then(|order: SenderOrder, desk: Arc<Desk>| one(move || desk.put_sender(&order)));
    let approval =
        warp::path!("v1" / "approval" / String / String).and(with.clone()).and_then(
            |id: String, act: String, desk: Arc<Desk>| async move {
                acted(desk.decide(&id, &act).await)
            },
        );
    let reload = warp::path!("v1" / "reload").and_then(|| async move { acted(reload()) });
    let routes = [
        queue.boxed(),
        quarantine.boxed(),
        report.boxed(),
        approval.boxed(),
        add.boxed(),
        remove.boxed(),
        sender.boxed(),
        accept.boxed(),
        reload.boxed(),
        of_people(with.clone()),
        teaching(with),
    ];
    warp::post().and(any_of(routes)).boxed()
}

/// People who use the site.
fn of_people(
    with: impl Filter<Extract = (Arc<Desk>,), Error = std::convert::Infallible>
    + Clone
    + Send
    + Sync
    + 'static,
) -> Route {
    warp::path!("v1" / "people" / String / "reset")
        .and(with)
        .and_then(|name: String, desk: Arc<Desk>| one(move || desk.reset_person(&name)))
        .boxed()
}

/// What the operator tells the classifier, and what is taken away for a backup.
fn teaching(
    with: impl Filter<Extract = (Arc<Desk>,), Error = std::convert::Infallible>
    + Clone
    + Send
    + Sync
    + 'static,
) -> Route {
    let brought = warp::path!("v1" / "report")
        .and(warp::query())
        .and(warp::body::content_length_limit(MESSAGE_OCTETS))
        .and(warp::body::bytes())
        .and(with.clone())
        .and_then(|report: ReportQuery, message: bytes::Bytes, desk: Arc<Desk>| async move {
            let content = Content::from_bytes(message);
            let user = report.user.as_deref();
            acted(desk.report(&report.label, user, content, None).await)
        });
    let known = warp::path!("v1" / "report" / String)
        .and(warp::query())
        .and(with.clone())
        .and_then(|id: String, report: ReportQuery, desk: Arc<Desk>| async move {
            acted(desk.report_known(&id, &report.label, report.user.as_deref()).await)
        });
    let save = warp::path!("v1" / "model" / "save")
        .and(with.clone())
        .and_then(|desk: Arc<Desk>| async move { acted(desk.save_model().await) });
    let refresh = warp::path!("v1" / "model" / "refresh")
        .and(with.clone())
        .and_then(|desk: Arc<Desk>| one(move || desk.refresh_model()));
    let seen = warp::path!("v1" / "bulk" / "look")
        .and(warp::body::content_length_limit(MESSAGE_OCTETS))
        .and(warp::body::bytes())
        .and(with.clone())
        .and_then(|message: bytes::Bytes, desk: Arc<Desk>| {
            one(move || Ok(desk.seen_before(&message)))
        });
    let export = warp::path!("v1" / "store" / "export")
        .and(with)
        .and_then(|desk: Arc<Desk>| one(move || desk.export_store()));
    any_of([
        brought.boxed(),
        known.boxed(),
        save.boxed(),
        refresh.boxed(),
        export.boxed(),
        seen.boxed(),
    ])
}

fn with(
    desk: Arc<Desk>,
) -> impl Filter<Extract = (Arc<Desk>,), Error = std::convert::Infallible> + Clone {
    warp::any().map(move || Arc::clone(&desk))
}

fn body<T: DeserializeOwned + Send>() -> impl Filter<Extract = (T,), Error = Rejection> + Copy {
    warp::body::json()
}

impl Question {
    fn into_query(self) -> Result<crate::journal::TrackQuery, DeskError> {
        let mail_id = self.mail_id.as_deref().map(super::desk::parse_id).transpose()?;
        Ok(crate::journal::TrackQuery {
            sender: self.sender,
            recipient: self.recipient,
            message_id: self.message_id,
            mail_id,
            limit: self.limit,
            ..Default::default()
        })
    }
}

/// Runs what reads the disk away from the sessions' threads; answers one object a line.
async fn lines<Row: Serialize + Send + 'static>(
    work: impl FnOnce() -> Result<Vec<Row>, DeskError> + Send + 'static,
) -> Result<Answer, Rejection> {
    let rows = tokio::task::spawn_blocking(work).await.unwrap_or(Err(DeskError::Broken));
    answered(rows.map(|rows| ndjson(&rows))).map_err(|never| match never {})
}

/// The same for what a search found; says in a header when it did not look everywhere.
async fn stories(
    work: impl FnOnce() -> Result<Found, DeskError> + Send + 'static,
) -> Result<Answer, Rejection> {
    let found = tokio::task::spawn_blocking(work).await.unwrap_or(Err(DeskError::Broken));
    let answer = found.map(|found| {
        let mut answer = ndjson(&found.stories);
        if !found.is_complete {
            let said = header::HeaderValue::from_static("true");
            answer.headers_mut().insert(INCOMPLETE, said);
        }
        answer
    });
    answered(answer).map_err(|never| match never {})
}

/// The octets of one message.
async fn message(
    work: impl FnOnce() -> Result<Vec<u8>, DeskError> + Send + 'static,
) -> Result<Answer, Rejection> {
    let octets = tokio::task::spawn_blocking(work).await.unwrap_or(Err(DeskError::Broken));
    let answer = octets.map(|octets| {
        let mut answer = Response::new(octets.into());
        let kind = header::HeaderValue::from_static("message/rfc822");
        answer.headers_mut().insert(header::CONTENT_TYPE, kind);
        answer
    });
    answered(answer).map_err(|never| match never {})
}

fn ndjson<Row: Serialize>(rows: &[Row]) -> Answer {
    let mut text = Vec::new();
    for row in rows {
        // Rows are plain data; writing them to memory cannot fail.
        let _ = serde_json::to_writer(&mut text, row);
        text.push(b'\n');
    }
    let mut answer = Response::new(text.into());
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/x-ndjson"));
    answer
}

async fn one<Row: Serialize + Send + 'static>(
    work: impl FnOnce() -> Result<Row, DeskError> + Send + 'static,
) -> Result<Answer, Rejection> {
    let row = tokio::task::spawn_blocking(work).await.unwrap_or(Err(DeskError::Broken));
    answered(row.map(|row| json(&row))).map_err(|never| match never {})
}

/// The same as a SIGHUP from outside; the log says what comes of it.
fn reload() -> Result<Acted, DeskError> {
    use nix::sys::signal::{Signal, kill};
    kill(nix::unistd::Pid::this(), Signal::SIGHUP)
        .map_err(|error| DeskError::Unfit(format!("the box cannot be told: {error}")))?;
    Ok(Acted { mail_id: String::new(), done: "told".into(), lesson: None })
}

fn acted<Row: Serialize>(done: Result<Row, DeskError>) -> Result<Answer, Rejection> {
    answered(done.map(|acted| json(&acted))).map_err(|never| match never {})
}

fn json(row: &impl Serialize) -> Answer {
    warp::reply::json(row).into_response()
}

fn answered(answer: Result<Answer, DeskError>) -> Answered {
    Ok(answer.unwrap_or_else(|error| problem(error.status(), error.to_string())))
}

fn problem(status: StatusCode, error: String) -> Answer {
    warp::reply::with_status(warp::reply::json(&Problem { error }), status).into_response()
}

/// What no route takes.
async fn refused(rejection: Rejection) -> Answered {
    Ok(match rejection.is_not_found() {
        true => problem(StatusCode::NOT_FOUND, "no such path".into()),
        false => problem(StatusCode::BAD_REQUEST, "the request cannot be understood".into()),
    })
}
