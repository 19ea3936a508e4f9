//! Counters that follow what happens, by server-sent events.
//!
//! In: the journal's counts since the start, and the queue. Out: a stream of small JSON objects,
//! at most one a second. One stream a session: a new one ends the one before. It ends with the
//! session, with the right, and after an hour; a browser asks again by itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use maud::{Markup, html};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;
use warp::Reply;
use warp::http::{HeaderValue, header};

use super::{CAME, behind, sees_box};
use crate::admin::people::{Right, Scope, Via};
use crate::admin::site::{Call, Refusal, aside};
use crate::journal::{Direction, Totals};
use crate::web::Answer;

/// Streams of all sessions together.
const STREAMS: usize = 200;
/// At most so often.
const PACE: Duration = Duration::from_secs(1);
/// Without news, too: the queue changes, and sessions end.
const TICK: Duration = Duration::from_secs(5);
/// A stream is asked for again after this.
const LONGEST: Duration = Duration::from_secs(3_600);

/// Who listens: the number of each session's newest stream.
#[derive(Debug, Default)]
pub(crate) struct Live(Mutex<Listeners>);

#[derive(Debug, Default)]
struct Listeners {
    next: u64,
    of: HashMap<String, u64>,
}

impl Live {
    /// A stream of its own, in the place of the one before.
    fn enter(self: &Arc<Live>, session: &str) -> Option<Seat> {
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if listeners.of.len() >= STREAMS && !listeners.of.contains_key(session) {
            return None;
        }
        listeners.next += 1;
        let number = listeners.next;
        listeners.of.insert(session.to_owned(), number);
        Some(Seat { live: Arc::clone(self), session: session.to_owned(), number })
    }
}

/// The right to one stream; given back when dropped.
#[derive(Debug)]
struct Seat {
    live: Arc<Live>,
    session: String,
    number: u64,
}

impl Seat {
    fn is_newest(&self) -> bool {
        let listeners = self.live.0.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.of.get(&self.session) == Some(&self.number)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut listeners = self.live.0.lock().unwrap_or_else(PoisonError::into_inner);
        if listeners.of.get(&self.session) == Some(&self.number) {
            listeners.of.remove(&self.session);
        }
    }
}

/// What is counted since the start of the box, as far as the caller may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::admin::site) struct Numbers {
    /// Mail from outside.
    inbound: u64,
    /// Mail to others.
    outbound: u64,
    /// Mail that stays in the house.
    internal: u64,
    /// Copies that were delivered.
    delivered: u64,
    /// Mail that was judged spam.
    spam: u64,
    /// Mail that was judged malicious.
    malicious: u64,
    /// Mail that waits now; absent for who is responsible for some domains.
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<u64>,
}

fn numbers(call: &Call, totals: &Totals) -> Numbers {
    let domains = call.caller.scope.domains();
    let ways = totals.within(domains.as_deref());
    let all = ways.all();
    Numbers {
        inbound: ways.of(Direction::In).received,
        outbound: ways.of(Direction::Out).received,
        internal: ways.of(Direction::Internal).received,
        delivered: all.delivered,
        spam: all.spam,
        malicious: all.malicious,
        queue: sees_box(call).then(|| call.site.desk.spool.counts().total()),
    }
}

/// As they are now.
pub(in crate::admin::site) fn now(call: &Call) -> Numbers {
    numbers(call, &call.site.desk.journal.watch().borrow())
}

/// The counters as they are now; the site's script keeps them up to date.
pub(super) fn counters(call: &Call) -> Markup {
    let now = now(call);
    let since_ms = call.site.desk.journal.watch().borrow().since_ms;
    let one = |name: &str, count: u64, words: &str, there: &str| {
        html! { li { a href=(there) { b data-live=(name) { (count) } " " (words) } } }
    };
    let found = |name: &str, count: u64, words: &str, asked: (&str, &str)| {
        let asked = [asked, if asked.0 == "direction" { CAME } else { ("", "") }];
        one(name, count, words, &behind(since_ms, None, &asked))
    };
    html! {
        section.card aria-label="Since the start of the box" data-events="/events" {
            h2 { "Live, since the box was started" }
            ul.counters {
                (found("inbound", now.inbound, "from outside", ("direction", "in")))
                (found("outbound", now.outbound, "to others", ("direction", "out")))
                (found("internal", now.internal, "within the house", ("direction", "internal")))
                (found("delivered", now.delivered, "delivered, each copy", ("state", "delivered")))
                (found("spam", now.spam, "spam", ("verdict", "spam")))
                (found("malicious", now.malicious, "malicious", ("verdict", "malicious")))
                @if let Some(queue) = now.queue { (one("queue", queue, "in the queue", "/queue")) }
            }
        }
    }
}

struct Watching {
    call: Call,
    seat: Seat,
    totals: watch::Receiver<Totals>,
    told: Option<Numbers>,
    ends: Instant,
}

pub(super) async fn events(call: Call) -> Result<Answer, Refusal> {
    // A key has no end that could be watched, and the numbers by other ways.
    let Via::Session { session, .. } = &call.caller.via else {
        return Err(Refusal::bad("events are for pages of this site"));
    };
    let seat = call.site.live.enter(session).ok_or(Refusal::TooMany(60))?;
    let totals = call.site.desk.journal.watch();
    let ends = Instant::now() + LONGEST;
    let watching = Watching { call, seat, totals, told: None, ends };
    let events = stream::unfold(watching, |mut watching| async move {
        let event = watching.next().await?;
        Some((Ok::<_, std::convert::Infallible>(event), watching))
    });
    let mut answer = warp::reply::stream(events).into_response();
    let kind = HeaderValue::from_static("text/event-stream");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(answer)
}

impl Watching {
    /// The next event; `None` when the stream ends.
    async fn next(&mut self) -> Option<Bytes> {
        if self.told.is_some() {
            let (pause, news) = (tokio::time::sleep(PACE), self.totals.changed());
            let _ = tokio::time::timeout(TICK, async {
                pause.await;
                // A journal that is closed says nothing any more: the tick goes on.
                if news.await.is_err() {
                    std::future::pending::<()>().await;
                }
            })
            .await;
        }
        if Instant::now() >= self.ends || !self.seat.is_newest() || !self.still_may().await {
            return None;
        }
        let now = numbers(&self.call, &self.totals.borrow_and_update());
        let is_news = self.told.as_ref() != Some(&now);
        let text = match is_news {
            true => format!("data: {}\n\n", serde_json::to_string(&now).ok()?),
            // For who has gone without a word: writing finds that out.
            false => ": still here\n\n".to_owned(),
        };
        self.told = Some(now);
        Some(text.into())
    }

    /// Whether the session and the right are still there. Looking is no use of the session.
    async fn still_may(&self) -> bool {
        let Via::Session { session, .. } = self.call.caller.via.clone() else { return false };
        let (site, name) = (Arc::clone(&self.call.site), self.call.caller.name.clone());
        let now_ms = self.call.now_ms();
        let scope: Scope = self.call.caller.scope.clone();
        let looking = aside::run(move || {
            let lasts = site
                .sessions
                .of(&name, now_ms)
                .is_ok_and(|own| own.iter().any(|(known, _)| *known == session));
            let person = site.people.find(&name).ok().flatten();
            let may = person.is_some_and(|person| {
                !person.is_disabled
                    && person.rights().has(Right::SeeMail)
                    && person.scope() == scope
            });
            lasts && may
        });
        looking.await.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stream_a_session_and_so_many_in_all() {
        let live = Arc::new(Live::default());
        let first = live.enter("a").unwrap();
        let second = live.enter("a").unwrap();
        assert!(!first.is_newest() && second.is_newest());
        drop(first);
        assert!(second.is_newest(), "the old one took nothing with it");
        let seats: Vec<_> = (1..STREAMS).map(|at| live.enter(&at.to_string()).unwrap()).collect();
        assert!(live.enter("one more").is_none());
        assert!(live.enter("a").is_some(), "who is there may come again");
        drop(seats);
        assert!(live.enter("one more").is_some());
    }
}
