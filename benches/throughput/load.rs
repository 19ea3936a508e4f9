//! The load: so many connections, each sending its share one message after the other with
//! pipelining, and the time of each reply to end of data.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::corpus::Corpus;
use super::session::Session;
use super::sink::FastSink;

/// What was measured from outside.
pub struct Result {
    pub accepted_s: f64,
    pub delivered_s: f64,
    replies_ms: Vec<f64>,
}

impl Result {
    /// A percentile of the time from the last octet to the reply.
    pub fn percentile_ms(&self, percent: f64) -> f64 {
        let last = self.replies_ms.len() - 1;
        self.replies_ms[(last as f64 * percent / 100.0).round() as usize]
    }
}

/// Sends `count` messages and waits until the sink has them all.
pub fn run(
    address: SocketAddr,
    corpus: &Corpus,
    count: usize,
    connections: usize,
    sink: &FastSink,
) -> Result {
    let next = AtomicUsize::new(0);
    let times = Mutex::new(Vec::with_capacity(count));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mine = connection(address, corpus, count, &next).unwrap();
                times.lock().unwrap().extend(mine);
            });
        }
    });
    let accepted_s = begun.elapsed().as_secs_f64();
    let mut moved = Instant::now();
    let mut seen = 0;
    while sink.seen().distinct < count {
        std::thread::sleep(Duration::from_millis(5));
        let now = sink.seen().distinct;
        if now > seen {
            (seen, moved) = (now, Instant::now());
        }
        assert!(moved.elapsed() < Duration::from_secs(120), "stuck at {seen} of {count}");
    }
    let delivered_s = begun.elapsed().as_secs_f64();
    let mut replies_ms = times.into_inner().unwrap();
    replies_ms.sort_by(f64::total_cmp);
    assert_eq!(replies_ms.len(), count, "every message was accepted");
    Result { accepted_s, delivered_s, replies_ms }
}

fn connection(
    address: SocketAddr,
    corpus: &Corpus,
    count: usize,
    next: &AtomicUsize,
) -> std::io::Result<Vec<f64>> {
    let mut session = Session::open(address)?;
    let mut times = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return session.quit().map(|()| times);
        }
        let (head, rest) = corpus.message(number);
        times.push(session.send(&head, rest)?);
    }
}
