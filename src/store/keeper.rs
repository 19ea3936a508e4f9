//! The thread that carries what waits in memory to the database each second, and sweeps each
//! hour. It ends with the store, after a last write.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::behind::Chores;

const WRITE_EVERY: Duration = Duration::from_secs(1);
/// Not at once: a box that starts has other work, and the command line opens the store too.
const FIRST_SWEEP_AFTER: Duration = Duration::from_secs(60);
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// Between sweeps of a tree that grows beyond its bounds.
const SWEEP_SOONER: Duration = Duration::from_secs(60);

/// Stops and joins its thread on drop.
#[derive(Debug)]
pub(super) struct Keeper {
    trees: Vec<Arc<dyn Chores>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(super) fn start(trees: Vec<Arc<dyn Chores>>) -> Keeper {
        let (stop, stopped) = channel();
        let kept = trees.clone();
        let work = move || {
            let mut swept = Instant::now();
            let mut sweep_after = FIRST_SWEEP_AFTER;
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(WRITE_EVERY) {
                write(&kept);
                let crowded = kept.iter().any(|tree| tree.is_overfull());
                let patience = if crowded { SWEEP_SOONER } else { sweep_after };
                if swept.elapsed() >= patience {
                    sweep(&kept);
                    (swept, sweep_after) = (Instant::now(), SWEEP_EVERY);
                }
            }
        };
        let spawned = std::thread::Builder::new().name("store-keeper".into()).spawn(work);
        let thread = spawned
            .inspect_err(|error| tracing::error!(%error, "what is remembered is written late"))
            .ok();
        Keeper { trees, stop: Some(stop), thread }
    }

    /// Hands over to the database what waits.
    pub(super) fn write(&self) {
        write(&self.trees);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the keeper of the store broke off");
        }
        write(&self.trees);
    }
}

fn write(trees: &[Arc<dyn Chores>]) {
    for tree in trees {
        if let Err(error) = tree.write() {
            tracing::warn!(%error, "what was learned of senders in the last second is lost");
        }
    }
}

fn sweep(trees: &[Arc<dyn Chores>]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for tree in trees {
        if let Err(error) = tree.sweep(now.as_secs()) {
            tracing::warn!(%error, "what is remembered of senders cannot be swept");
        }
    }
}
