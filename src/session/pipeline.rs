//! What a session needs from the rooms below it: somebody who takes a received mail and says
//! what to answer. The composition root implements it.

use std::future::Future;

use crate::mail::{Mail, Receipt, Reply};

/// A mail that came in whole and by the rules of the protocol.
#[derive(Debug, Clone)]
pub struct Received {
    _minted_here: (),
}

impl Received {
    pub(in crate::session) fn mint() -> Received {
        Received { _minted_here: () }
    }
}

/// What becomes of a mail at end of data.
#[derive(Debug)]
pub enum Decision {
    /// It is durable: the only way to a `250`.
    Accepted(Receipt),
    /// A 4xx or 5xx reply; nothing was kept.
    Refused(Reply),
}

/// Scan, judge, commit.
pub trait Pipeline: Send + Sync + 'static {
    /// Decides before the reply to end of data.
    fn process(&self, mail: Mail<Received>) -> impl Future<Output = Decision> + Send;
}
