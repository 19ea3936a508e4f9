//! The HTTPS listener.
//!
//! In: a bound socket, a certificate, a [`Site`]. Out: connections served by warp over hyper,
//! until told to stop; open ones then have a few seconds to end. Bounded: so many connections in
//! all and from one client, a time for the handshake, for each header section and for a body.
//! When there is no room for one more, one goes that has not asked for anything. A broken
//! connection concerns nobody else.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::stream::{Stream, StreamExt};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::{HeaderMap, Method, Request, StatusCode};

use super::answer::{self, Answer, guarded};
use super::ask::Ask;
use super::form::Pairs;
use super::guests::{Guest, Guests};

/// Browsers open six each.
const CONNECTIONS: usize = 512;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// What a body may take.
const BODY: Patience = Patience { whole: Duration::from_secs(120), pause: Duration::from_secs(20) };
const HEADER_OCTETS: usize = 32 << 10;
/// What a client still sends after an answer that did not wait for it is taken so far, and for
/// so long: a connection that is cut with octets in it takes the answer with it.
const LINGER: Duration = Duration::from_secs(5);
const LINGER_OCTETS: usize = 8 << 20;
/// What is open when the box ends may go on for this long.
const DRAIN: Duration = Duration::from_secs(3);

/// An answer on its way.
pub type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What answers requests.
pub trait Site: fmt::Debug + Send + Sync + 'static {
    /// Answers one. Whether and how much of the body is read is for the site to say.
    fn answer(self: Arc<Self>, ask: Ask, body: Body) -> Answering;
}

/// A body that has not been read yet.
pub struct Body(Pin<Box<dyn Stream<Item = Result<Bytes, warp::Error>> + Send + Sync>>);

impl fmt::Debug for Body {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Body")
    }
}

/// How long a body is waited for.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// For all of it.
    whole: Duration,
    /// Between two pieces.
    pause: Duration,
}

/// Why a body is not read. The client is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is larger than the site allows here.
    #[error("the request is larger than {0} octets")]
    TooLarge(usize),
    /// It does not come to its end.
    #[error("the request broke off")]
    BrokenOff,
    /// It takes too long.
    #[error("the request took too long")]
    TooSlow,
}

impl Body {
    /// A body that is there already.
    pub fn of(octets: impl Into<Bytes>) -> Body {
        let octets = octets.into();
        Body(Box::pin(futures_util::stream::once(async move { Ok(octets) })))
    }

    /// All of it, where it is not larger than this.
    pub async fn read(self, most_octets: usize) -> Result<Bytes, BodyError> {
        self.read_within(most_octets, BODY).await
    }

    async fn read_within(self, most_octets: usize, most: Patience) -> Result<Bytes, BodyError> {
        let reading = self.collect(most_octets, most.pause);
        tokio::time::timeout(most.whole, reading).await.unwrap_or(Err(BodyError::TooSlow))
    }

    async fn collect(mut self, most_octets: usize, pause: Duration) -> Result<Bytes, BodyError> {
        let mut whole = BytesMut::new();
        loop {
            let next = tokio::time::timeout(pause, self.0.next()).await;
            let Some(piece) = next.map_err(|_| BodyError::TooSlow)? else { break };
            let piece = piece.map_err(|_| BodyError::BrokenOff)?;
            if whole.len().saturating_add(piece.len()) > most_octets {
                return Err(BodyError::TooLarge(most_octets));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}

/// Gives the certificate for the next handshake.
pub type Certificate = Arc<dyn Fn() -> TlsAcceptor + Send + Sync>;

/// Serves until `stop` turns true.
pub async fn serve(
    listener: TcpListener,
    certificate: Certificate,
    site: Arc<dyn Site>,
    mut stop: watch::Receiver<bool>,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let guests = Arc::new(Guests::default());
    loop {
        let (stream, client) = tokio::select! {
            accepted = crate::net::listen::accept(&listener) => accepted,
            () = stopped(&mut stop) => break,
        };
        let Some(guest) = guests.admit(client.ip()) else {
            tracing::debug!(%client, "web: too many connections of one client");
            continue;
        };
        if slots.available_permits() == 0 {
            guests.send_away(&guest);
        }
        let slot = tokio::select! {
            slot = Arc::clone(&slots).acquire_owned() => slot,
            () = stopped(&mut stop) => break,
        };
        let Ok(slot) = slot else { return };
        let (site, acceptor, stop) = (Arc::clone(&site), certificate(), stop.clone());
        let guest = Arc::new(guest);
        tokio::spawn(async move {
            tokio::select! {
                () = converse(stream, client, acceptor, (site, Arc::clone(&guest)), stop) => {}
                () = guest.sent_away() => tracing::debug!(%client, "web: made room for another"),
            }
            drop((guest, slot));
        });
    }
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    // Whoever is still there after that is cut off with the process.
    let _ = tokio::time::timeout(DRAIN, slots.acquire_many(all)).await;
}

async fn converse(
    stream: TcpStream,
    client: SocketAddr,
    acceptor: TlsAcceptor,
    (site, guest): (Arc<dyn Site>, Arc<Guest>),
    mut stop: watch::Receiver<bool>,
) {
    let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await;
    let mut stream = match shaken {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%client, %error, "web: no TLS"),
        Err(_) => return tracing::debug!(%client, "web: the handshake takes too long"),
    };
    let service = TowerToHyperService::new(warp::service(everything(site, client)));
    let service = service_fn(move |request: Request<Incoming>| {
        guest.has_asked();
        let asked = has_path(&request).then(|| service.call(request));
        async move {
            match asked {
                Some(asked) => asked.await,
                None => Ok::<Answer, Infallible>(no_path()),
            }
        }
    });
    // Lent, so that it is not cut off when the last answer is written.
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_OCTETS)
        .serve_connection(TokioIo::new(&mut stream), service);
    let served = {
        tokio::pin!(connection);
        tokio::select! {
            served = &mut connection => served,
            () = stopped(&mut stop) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%client, %error, "web: conversation broken off");
    }
    // Whoever has not gone by then is cut off.
    let _ = tokio::time::timeout(LINGER, part(stream)).await;
}

/// Says that there is no more to come, and takes what the client still sends, so that it comes
/// to read its answer.
async fn part(mut stream: TlsStream<TcpStream>) {
    // It was said already where all went well.
    let _ = stream.shutdown().await;
    let (mut stream, _) = stream.into_inner();
    let (mut piece, mut taken) = (vec![0; 16 << 10], 0);
    while taken < LINGER_OCTETS {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(octets) => taken += octets,
        }
    }
}

/// Whether a request is for something of this site. `CONNECT` asks for another host
/// (RFC 9112 section 3.2.3).
fn has_path<B>(request: &Request<B>) -> bool {
    request.method() != Method::CONNECT && request.uri().path_and_query().is_some()
}

fn no_path() -> Answer {
    let words = "this site takes no requests without a path\n";
    guarded(answer::of(StatusCode::BAD_REQUEST, "text/plain; charset=utf-8", words))
}

/// When the box ends.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Without a sender the box ends, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Every request, whatever its path: which there are is the site's own table.
fn everything(site: Arc<dyn Site>, client: SocketAddr) -> BoxedFilter<(Answer,)> {
    let no_query = warp::any().map(String::new);
    warp::method()
        .and(warp::path::full())
        .and(warp::query::raw().or(no_query).unify())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(
            move |method: Method,
                  path: warp::path::FullPath,
                  query: String,
                  headers: HeaderMap,
                  body| {
                let site = Arc::clone(&site);
                let ask = Ask {
                    method,
                    path: path.as_str().to_owned(),
                    query: Pairs::parse(query.as_bytes()),
                    headers,
                    client,
                };
                async move { guarded(site.answer(ask, streamed(body)).await) }
            },
        )
        .boxed()
}

fn streamed(
    body: impl Stream<Item = Result<impl Buf + 'static, warp::Error>> + Send + Sync + 'static,
) -> Body {
    Body(Box::pin(body.map(|piece| {
        piece.map(|mut piece| {
            let octets = piece.remaining();
            piece.copy_to_bytes(octets)
        })
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bodies_are_read_up_to_what_is_allowed() {
        assert_eq!(Body::of("abc").read(3).await.unwrap(), "abc");
        assert_eq!(Body::of("abcd").read(3).await, Err(BodyError::TooLarge(3)));
    }

    /// A body whose pieces come this far apart.
    fn dripping(pause: Duration) -> Body {
        let pieces = futures_util::stream::unfold((), move |()| async move {
            tokio::time::sleep(pause).await;
            Some((Ok(Bytes::from_static(b"a")), ()))
        });
        Body(Box::pin(pieces))
    }

    #[tokio::test]
    async fn bodies_that_stop_or_drip_are_given_up() {
        let ms = Duration::from_millis;
        let most = Patience { whole: ms(400), pause: ms(100) };
        for (pause, ends) in [(Duration::from_secs(9), most.pause), (ms(20), most.whole)] {
            let begun = std::time::Instant::now();
            let read = dripping(pause).read_within(1 << 20, most).await;
            assert_eq!(read, Err(BodyError::TooSlow), "{pause:?}");
            assert!((ends..Duration::from_secs(8)).contains(&begun.elapsed()), "{pause:?}");
        }
    }
}
