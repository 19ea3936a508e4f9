//! Work of the site that reads the disk or counts for long, on threads that yield to mail.
//!
//! In: a closure that blocks. Out: what it returns. A search through millions of mails keeps a
//! processor busy for tens of milliseconds; at a lower priority no reply of SMTP waits for it.
//! Bounded: so many run at once, the others wait.

use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Behind mail: about a tenth of its share where both want all of a processor.
const NICENESS: i32 = 10;
/// Pieces of work at once.
const THREADS: usize = 8;

/// Runs it aside. Where no thread can be had for that, among the others.
pub fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    static THREADS_ASIDE: OnceLock<Option<Runtime>> = OnceLock::new();
    match THREADS_ASIDE.get_or_init(threads) {
        Some(threads) => threads.spawn_blocking(work),
        None => tokio::task::spawn_blocking(work),
    }
}

fn threads() -> Option<Runtime> {
    let built = Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(THREADS)
        .thread_name("postern-site")
        .on_thread_start(yield_to_mail)
        .build();
    built.inspect_err(|error| tracing::warn!(%error, "site: no threads of its own")).ok()
}

/// Of the calling thread only, on Linux.
fn yield_to_mail() {
    // Where a sandbox forbids it, the site is as it would be without.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "site: its threads keep the priority of mail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_aside_has_a_lower_priority_and_mail_keeps_its_own() {
        let own = || rustix::process::getpriority_process(None).unwrap();
        let before = own();
        let aside = run(own).await.unwrap();
        assert_eq!(aside, NICENESS.max(before));
        assert_eq!(own(), before);
    }
}
