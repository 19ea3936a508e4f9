//! A line on the terminal while something takes longer than two seconds.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(2);
const BETWEEN: Duration = Duration::from_millis(200);

/// Does what cannot count its steps; after a while says on the terminal what it is.
pub(super) fn patiently<T>(what: &str, work: impl FnOnce() -> T) -> T {
    if !std::io::stderr().is_terminal() {
        return work();
    }
    let (done, waiting) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let teller = scope.spawn(move || {
            let is_slow = matches!(waiting.recv_timeout(PATIENCE), Err(RecvTimeoutError::Timeout));
            if is_slow {
                let _ = write!(std::io::stderr(), "\r\x1b[K{what} …");
                let _ = waiting.recv();
                let _ = write!(std::io::stderr(), "\r\x1b[K");
            }
        });
        let made = work();
        drop(done);
        // A teller that broke off has nothing to say.
        let _ = teller.join();
        made
    })
}

/// Counts steps; shows them on standard error when that is a terminal.
#[derive(Debug)]
pub(super) struct Progress {
    what: &'static str,
    total: usize,
    done: usize,
    started: Instant,
    shown: Option<Instant>,
    terminal: bool,
}

impl Progress {
    pub(super) fn of(total: usize, what: &'static str) -> Progress {
        let terminal = std::io::stderr().is_terminal();
        Progress { what, total, done: 0, started: Instant::now(), shown: None, terminal }
    }

    /// How far it is, when somebody else counts.
    pub(super) fn tell(&mut self, text: &str) {
        if self.terminal && self.started.elapsed() >= PATIENCE {
            self.shown = Some(Instant::now());
            let _ = write!(std::io::stderr(), "\r\x1b[K{text} {}", self.what);
        }
    }

    /// Takes the line away while something else is written.
    pub(super) fn hide(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }

    /// One more is done.
    pub(super) fn step(&mut self) {
        self.done += 1;
        let due = self.shown.is_none_or(|shown| shown.elapsed() >= BETWEEN);
        if self.terminal && due && self.started.elapsed() >= PATIENCE {
            self.shown = Some(Instant::now());
            // A terminal that is gone needs no progress.
            let _ = write!(std::io::stderr(), "\r{} of {} {}", self.done, self.total, self.what);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
