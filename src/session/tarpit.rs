//! Delays for clients that do wrong: the reply to each further error of a session comes later
//! than the one before.
//!
//! Only inbound and submission sessions are delayed, only for as long as the configuration
//! says at most, only while there is a place among those that the box delays at once (the
//! doorman knows), and never while the box drains. Nobody else waits for it.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Duration, Instant, sleep_until};

use super::conversation::{Conversation, End};
use super::house::Authenticator;
use super::pipeline::Pipeline;
use super::serve::turned_true;
use crate::mail::Role;
use crate::smtp::server::Turn;

/// What a client did wrong, and what it has not waited for yet.
#[derive(Debug, Default)]
pub(super) struct Offences {
    so_far: u32,
    unpaid: u32,
}

impl Offences {
    pub(super) fn add(&mut self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.so_far = self.so_far.saturating_add(count);
        self.unpaid = self.unpaid.saturating_add(count);
    }
}

impl<S, P, A> Conversation<S, P, A>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    P: Pipeline,
    A: Authenticator,
{
    /// Whether a reply waits to be delayed.
    pub(super) fn owes_delay(&self, turn: &Turn) -> bool {
        self.offences.unpaid > 0 && !matches!(turn, Turn::Closing(_))
    }

    /// Delays the replies to what was done wrong since the last time, then writes them.
    pub(super) async fn delay(&mut self, turn: &mut Turn) -> Result<(), End> {
        self.offences.unpaid = 0;
        // Errors that come in one batch are paid for as one: the last decides.
        let delay = self.settings.door.tarpit(self.offences.so_far);
        let is_spared = self.settings.role == Role::Outbound || self.is_draining;
        if delay.is_zero() || is_spared || *self.drain.borrow() {
            return Ok(());
        }
        let Some(place) = self.house.doorman.detain(self.visitor.client) else { return Ok(()) };
        let until = self.end_by.min(Instant::now() + delay.min(Duration::from_secs(60)));
        tokio::select! {
            biased;
            () = turned_true(&mut self.drain) => self.begin_draining(),
            () = sleep_until(until) => {}
        }
        drop(place);
        self.flush(turn).await
    }
}
