//! Whether the name servers are there at all.
//!
//! In: how questions ended. Out: [`Pulse::is_lost`]: while it is, questions fail at once, so
//! that a dead server costs mail its answers but not its time. One silent zone must not look
//! like that, or a stranger could switch off all checks by naming it: after a run of questions
//! without any answer a name that nobody can have made silent is asked for, and only when that
//! has no answer either the pulse is lost. It is felt for until it is back.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// Questions in a row without an answer, any answer, before the pulse is felt.
const SILENCE: u32 = 6;
/// Between two looks at servers that are gone.
const PAUSE: Duration = Duration::from_secs(2);

/// Shared by all who ask the same servers.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    silent: AtomicU32,
    lost: AtomicBool,
    feeling: AtomicBool,
}

impl Pulse {
    /// Whether asking is in vain for the moment.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// A server answered, whatever it said.
    pub(super) fn answered(&self) {
        self.silent.store(0, Ordering::Relaxed);
    }

    /// No server answered. `probe` asks for something that is surely answered; it says whether
    /// it was.
    pub(super) fn silent<P, F>(self: &Arc<Self>, probe: P)
    where
        P: Fn() -> F + Send + 'static,
        F: Future<Output = bool> + Send,
    {
        let silent = self.silent.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if silent < SILENCE || self.feeling.swap(true, Ordering::Relaxed) {
            return;
        }
        let watched = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                let answered = probe().await;
                // Nobody asks any more.
                let Some(pulse) = watched.upgrade() else { return };
                if answered {
                    if pulse.lost.swap(false, Ordering::Relaxed) {
                        tracing::warn!("the name servers answer again");
                    }
                    pulse.answered();
                    pulse.feeling.store(false, Ordering::Relaxed);
                    return;
                }
                if !pulse.lost.swap(true, Ordering::Relaxed) {
                    tracing::error!("the name servers do not answer");
                }
                drop(pulse);
                tokio::time::sleep(PAUSE).await;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_lost_only_when_the_probe_is() {
        for alive in [true, false] {
            let pulse = Arc::new(Pulse::default());
            let server = Arc::new(AtomicBool::new(alive));
            let ask = |server: &Arc<AtomicBool>| {
                let server = Arc::clone(server);
                move || std::future::ready(server.load(Ordering::Relaxed))
            };
            for _ in 0..SILENCE - 1 {
                pulse.silent(ask(&server));
            }
            pulse.answered();
            for _ in 0..SILENCE {
                assert!(!pulse.is_lost());
                pulse.silent(ask(&server));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert_eq!(pulse.is_lost(), !alive);
            server.store(true, Ordering::Relaxed);
            tokio::time::sleep(PAUSE * 2).await;
            assert!(!pulse.is_lost());
        }
    }
}
