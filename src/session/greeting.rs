//! The moment before the greeting: who speaks first does not speak SMTP (RFC 5321 section
//! 3.1), or does not listen.
//!
//! In: a connection to an inbound listener. Out: whether the client waited. Only clients that
//! the doorman wants to see wait are held back, in clear, for the configured time; what they
//! said is kept and read as if it came later. Draining ends the wait.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;

use super::house::{House, Sight, Visitor};
use super::serve::turned_true;
use super::settings::{Settings, holds};
use super::wire::Wire;
use crate::config::ListenTls;
use crate::mail::{EnhancedCode, Reply, Role};
use crate::smtp::server::{Channel, Commands, Turn};

/// What a client did before it was greeted.
pub(super) enum Beginning {
    /// Nothing, as far as was looked.
    Quiet,
    SpokeEarly,
    /// It left, or was lost.
    Gone,
}

/// Waits with the greeting. `peer` is the other end of the connection, a balancer perhaps.
pub(super) async fn hold<S, P, A>(
    wire: &mut Wire<S>,
    peer: IpAddr,
    visitor: &Visitor,
    settings: &Settings,
    house: &House<P, A>,
    mut drain: watch::Receiver<bool>,
) -> Beginning
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let is_watched = settings.role == Role::Inbound && settings.tls != ListenTls::Implicit;
    // A balancer that speaks for itself looks whether the box is well.
    let is_balancer = holds(&settings.proxy_networks, peer) && visitor.client == peer;
    if !is_watched || is_balancer || !settings.serves(visitor.client) {
        return Beginning::Quiet;
    }
    let delay = house.doorman.greeting_delay(visitor.client);
    if delay.is_zero() {
        return Beginning::Quiet;
    }
    let mut inbox = Vec::new();
    let read = tokio::select! {
        biased;
        () = turned_true(&mut drain) => return Beginning::Quiet,
        read = timeout(delay, wire.read_some::<512>(&mut inbox)) => read,
    };
    match read {
        Err(_) => {
            house.doorman.waited(visitor.client);
            Beginning::Quiet
        }
        Ok(Ok(1..)) => {
            house.witness.saw(visitor, Sight::SpokeEarly);
            wire.put_back(inbox);
            Beginning::SpokeEarly
        }
        Ok(Ok(0) | Err(_)) => Beginning::Gone,
    }
}

/// The last word to a client that does not wait.
pub(super) fn turn_away<P, A>(visitor: &Visitor, settings: &Settings, house: &House<P, A>) -> Turn {
    let reply = Reply::new(554, EnhancedCode(5, 5, 1), "you spoke before you were greeted");
    let reply = reply.with_reference(visitor.reference);
    house.witness.saw(visitor, Sight::ConnectionRefused { reply: &reply });
    let commands = Commands::greet(Arc::clone(&settings.terms), Channel::Clear);
    let mut turn = Turn::Commands(commands);
    // Instead of the greeting.
    turn.take_replies();
    Turn::Closing(turn.shut(&reply))
}
