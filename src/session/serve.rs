//! From the listener to the first reply: accepting, PROXY header, admission, implicit TLS.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::conversation::Conversation;
use super::greeting::{self, Beginning};
use super::house::{Authenticator, House, Proxied, Sight, Visitor};
use super::pipeline::Pipeline;
use super::settings::{Settings, holds};
use super::wire::Wire;
use crate::config::{EarlyTalker, ListenTls};
use crate::mail::{EnhancedCode, MailId, Reply, TlsFacts};
use crate::smtp::server::{Channel, Commands, StartTls, Terms, Turn};

/// After an error of `accept` that more descriptors or memory would cure.
const PAUSE: Duration = Duration::from_millis(200);
/// To say no to a client that is not let in.
const FAREWELL: Duration = Duration::from_secs(5);
/// A PROXY v2 header with addresses has 28 or 52 octets; its extensions are short.
const PROXY_OCTETS: usize = 4_096;

/// Takes connections until `drain` turns true, then waits for the sessions to end; each has
/// `drain_timeout_s` for the mail that it has begun. No error ends it.
pub async fn serve<P: Pipeline, A: Authenticator>(
    listener: TcpListener,
    settings: Arc<ArcSwap<Settings>>,
    house: Arc<House<P, A>>,
    drain: watch::Receiver<bool>,
) {
    // Every session holds a sender: when none is left there is nothing to wait for.
    let (alive, mut all_gone) = mpsc::channel::<()>(1);
    let mut stop = drain.clone();
    loop {
        let accepted = tokio::select! {
            biased;
            () = turned_true(&mut stop) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Replies are written whole: nothing is gained by waiting for more.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY");
                }
                let session = attend(
                    stream,
                    peer.ip(),
                    settings.load_full(),
                    Arc::clone(&house),
                    drain.clone(),
                );
                let alive = alive.clone();
                tokio::spawn(async move {
                    session.await;
                    drop(alive);
                });
            }
            Err(error) => rest_after(&error).await,
        }
    }
    drop(listener);
    drop(alive);
    // Only ever answers that all senders are gone.
    let _: Option<()> = all_gone.recv().await;
}

/// A connection that was reset before it was taken is nobody's trouble; without descriptors
/// or memory the next attempt would fail as well.
async fn rest_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        return;
    }
    tracing::error!(%error, "cannot take a connection; trying again shortly");
    tokio::time::sleep(PAUSE).await;
}

/// Returns when the watched value is true, never when nobody can set it any more.
pub(super) async fn turned_true(watched: &mut watch::Receiver<bool>) {
    let is_abandoned = watched.wait_for(|value| *value).await.is_err();
    if is_abandoned {
        std::future::pending::<()>().await;
    }
}

/// Serves one connection from its first octet to its last.
pub async fn attend<S, P, A>(
    stream: S,
    peer: IpAddr,
    settings: Arc<Settings>,
    house: Arc<House<P, A>>,
    drain: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    P: Pipeline,
    A: Authenticator,
{
    // A dual-stack socket shows IPv4 clients as IPv6.
    let peer = peer.to_canonical();
    let mut wire = Wire::new(stream);
    let reference = MailId::mint();
    let mut visitor = Visitor { role: settings.role, client: peer, reference };
    match Box::pin(find_client(&mut wire, peer, &settings, &house)).await {
        Ok(client) => visitor.client = client,
        Err(refusal) => return refuse(&mut wire, &visitor, &settings, &house, refusal).await,
    }
    // A client whose network is not served is told so, and takes part in the limits too.
    let permit = match house.doorman.admit(visitor.client) {
        Ok(permit) => permit,
        Err(reply) => {
            return refuse(&mut wire, &visitor, &settings, &house, Refused::With(reply)).await;
        }
    };
    let beginning = greeting::hold(&mut wire, peer, &visitor, &settings, &house, drain.clone());
    let spoke_early = match Box::pin(beginning).await {
        Beginning::Quiet => false,
        Beginning::SpokeEarly => true,
        Beginning::Gone => return,
    };
    let mut tls = None;
    if settings.tls == ListenTls::Implicit {
        match Box::pin(encrypt_first(&mut wire, &settings, &house)).await {
            Ok(facts) => tls = Some(facts),
            Err(reason) => {
                return house.witness.saw(&visitor, Sight::HandshakeFailed { reason: &reason });
            }
        }
    }
    let turn = match spoke_early && settings.door.early_talker == EarlyTalker::Refuse {
        true => greeting::turn_away(&visitor, &settings, &house),
        false => first_turn(&visitor, &settings, &house, tls.is_some()),
    };
    let mut conversation = Conversation::new(wire, visitor, settings, house, tls, drain);
    conversation.manners.early_talker = spoke_early;
    conversation.run(turn).await;
    drop(permit);
}

enum Refused {
    With(Reply),
    /// Not a word to who does not keep to the agreed protocol.
    Silently(String),
}

async fn find_client<S, P, A>(
    wire: &mut Wire<S>,
    peer: IpAddr,
    settings: &Settings,
    house: &House<P, A>,
) -> Result<IpAddr, Refused>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if settings.proxy_networks.is_empty() {
        return Ok(peer);
    }
    if !holds(&settings.proxy_networks, peer) {
        let text = "connections come through the load balancer here";
        return Err(Refused::With(Reply::new(554, EnhancedCode(5, 7, 1), text)));
    }
    let silently = |reason: &str| Refused::Silently(reason.to_owned());
    let read = async {
        let mut inbox = Vec::new();
        loop {
            match (house.proxy)(&inbox) {
                Proxied::Incomplete if inbox.len() < PROXY_OCTETS => {}
                Proxied::Incomplete | Proxied::Malformed => {
                    return Err(silently("no PROXY protocol v2 header"));
                }
                Proxied::Header { octets, client } => {
                    wire.put_back(inbox.split_off(octets.min(inbox.len())));
                    return Ok(client.map_or(peer, |client| client.to_canonical()));
                }
            }
            match wire.read_some::<512>(&mut inbox).await {
                Ok(1..) => {}
                Ok(0) => return Err(silently("closed before a PROXY header")),
                Err(error) => return Err(Refused::Silently(error.to_string())),
            }
        }
    };
    match timeout(settings.limits.handshake_timeout(), read).await {
        Ok(found) => found,
        Err(_) => Err(silently("no PROXY header in time")),
    }
}

async fn refuse<S, P, A>(
    wire: &mut Wire<S>,
    visitor: &Visitor,
    settings: &Settings,
    house: &House<P, A>,
    refused: Refused,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let reply = match refused {
        Refused::Silently(reason) => {
            return house.witness.saw(visitor, Sight::HandshakeFailed { reason: &reason });
        }
        Refused::With(reply) => reply.with_reference(visitor.reference),
    };
    house.witness.saw(visitor, Sight::ConnectionRefused { reply: &reply });
    // In clear on a port where TLS comes first nobody could read it.
    if settings.tls == ListenTls::Implicit {
        return;
    }
    let mut octets = Vec::new();
    reply.write_to(&mut octets);
    let say = async {
        wire.write_all(&octets).await?;
        wire.shutdown().await
    };
    if let Ok(Err(error)) = timeout(FAREWELL, say).await {
        tracing::debug!(%error, client = %visitor.client, "refused client has gone");
    }
}

async fn encrypt_first<S, P, A>(
    wire: &mut Wire<S>,
    settings: &Settings,
    house: &House<P, A>,
) -> Result<TlsFacts, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let acceptor = house.tls.acceptor().ok_or("no certificate")?;
    match timeout(settings.limits.handshake_timeout(), wire.encrypt(&acceptor)).await {
        Ok(Ok(facts)) => Ok(facts),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no TLS handshake in time".to_owned()),
    }
}

fn first_turn<P, A>(
    visitor: &Visitor,
    settings: &Settings,
    house: &House<P, A>,
    is_encrypted: bool,
) -> Turn {
    if !settings.serves(visitor.client) {
        let reply = Reply::new(554, EnhancedCode(5, 7, 1), "no service for your network here");
        let reply = reply.with_reference(visitor.reference);
        house.witness.saw(visitor, Sight::ConnectionRefused { reply: &reply });
        return Turn::Commands(
            Commands::bar(Arc::clone(&settings.terms), &reply).named(visitor.reference),
        );
    }
    let channel = if is_encrypted { Channel::Encrypted } else { Channel::Clear };
    let is_offered = settings.terms.starttls == StartTls::Offered;
    let terms = match is_offered && house.tls.acceptor().is_none() {
        true => Arc::new(Terms { starttls: StartTls::NotOffered, ..Terms::clone(&settings.terms) }),
        false => Arc::clone(&settings.terms),
    };
    Turn::Commands(Commands::greet(terms, channel).named(visitor.reference))
}
