//! What the durable log costs: commits by how many wait at once, processor time of one
//! commit without the disk, and the time of a start.
//!
//! Run with `cargo bench --bench log`; the directory is `$TMPDIR` and decides what is measured.
//! Prints plain lines, because the figures are those of a disk and not of a function.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use postern::config::SpoolSettings;
use postern::log::{Liveness, Log, LogOptions, Record};
use postern::mail::{Content, Envelope, MailId, Recipient, ReversePath, Summary};
use postern::spool::{Outcome, OwnMail, Spool};

fn processor_time() -> Duration {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap();
    let of = |time: nix::sys::time::TimeVal| {
        Duration::from_micros(time.tv_sec() as u64 * 1_000_000 + time.tv_usec() as u64)
    };
    of(usage.user_time()) + of(usage.system_time())
}

fn record(body: &Content) -> Record {
    let head = vec![7u8; 600];
    Record { kind: 1, mail_id: MailId::mint(), head, body: Some(body.clone()) }
}

/// Appends `total` records from `waiting` tasks at once.
async fn appends(octets: usize, waiting: usize, total: usize) {
    let dir = tempfile::tempdir().unwrap();
    let options =
        LogOptions { dir: dir.path().into(), segment_octets: 64 << 20, reserve_octets: 0 };
    let (log, _) = Log::open(options, &mut |_| Liveness::Live).unwrap();
    let body = Content::from_bytes(vec![b'x'; octets]);
    log.append(record(&body)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (started, processor) = (Instant::now(), processor_time());
    let mut tasks = Vec::new();
    for _ in 0..waiting {
        let (log, body) = (Arc::clone(&log), body.clone());
        tasks.push(tokio::spawn(async move {
            let mut times = Vec::new();
            for _ in 0..total / waiting {
                let begun = Instant::now();
                log.append(record(&body)).await.unwrap();
                times.push(begun.elapsed());
            }
            times
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let (took, used) = (started.elapsed(), processor_time() - processor);
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!(
        "append {octets:>7} octets, {waiting:>3} at once: {:>7.0}/s, p50 {:>9.1?}, p99 {:>9.1?}, {:>6.1} us processor each",
        times.len() as f64 / took.as_secs_f64(),
        at(50),
        at(99),
        used.as_secs_f64() * 1e6 / times.len() as f64,
    );
}

fn own(body: &Content) -> OwnMail {
    let path = "somebody@example.test".parse().unwrap();
    let envelope = Envelope {
        reverse_path: ReversePath::Mailbox("sender@example.org".parse().unwrap()),
        recipients: vec![Recipient::plain(path)],
        body: Default::default(),
        smtputf8: false,
        dsn_return: None,
        envelope_id: None,
    };
    OwnMail::new(envelope, body.clone(), Summary::default(), None)
}

/// Mail through the spool: commit, due, outcome.
async fn spool(waiting: usize, total: usize) {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(&SpoolSettings::default(), dir.path()).unwrap();
    let body = Content::from_bytes(vec![b'x'; 4_096]);
    spool.commit_own(own(&body)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (started, processor) = (Instant::now(), processor_time());
    let mut tasks = Vec::new();
    for _ in 0..waiting {
        let (spool, body) = (Arc::clone(&spool), body.clone());
        tasks.push(tokio::spawn(async move {
            for _ in 0..total / waiting {
                spool.commit_own(own(&body)).await.unwrap();
                let due = spool.due().await;
                let outcome = Outcome::Delivered { hop: "hop".into(), reply: "250 ok".into() };
                spool.record(due.id, 0, outcome);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let (took, used) = (started.elapsed(), processor_time() - processor);
    println!(
        "spool 4096 octets in and out, {waiting:>3} at once: {:>7.0}/s, {:>6.1} us processor each",
        total as f64 / took.as_secs_f64(),
        used.as_secs_f64() * 1e6 / total as f64,
    );
}

fn start(records: usize) {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (spool, _) = Spool::open(&SpoolSettings::default(), dir.path()).unwrap();
    let body = Content::from_bytes(vec![b'x'; 4_096]);
    runtime.block_on(async {
        let mut tasks = Vec::new();
        for _ in 0..200 {
            let (spool, body) = (Arc::clone(&spool), body.clone());
            tasks.push(tokio::spawn(async move {
                for _ in 0..records / 200 {
                    spool.commit_own(own(&body)).await.unwrap();
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
    drop((runtime, spool));
    let begun = Instant::now();
    let (spool, _) = Spool::open(&SpoolSettings::default(), dir.path()).unwrap();
    let took = begun.elapsed();
    println!(
        "start with {} mails of 4096 octets: {took:.2?}, {:.1} us each",
        spool.counts().total(),
        took.as_secs_f64() * 1e6 / spool.counts().total() as f64
    );
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for (octets, waiting, total) in [
        (4_096, 1, 2_000),
        (4_096, 16, 10_000),
        (4_096, 64, 30_000),
        (4_096, 256, 50_000),
        (51_200, 16, 4_000),
        (1 << 20, 4, 400),
    ] {
        runtime.block_on(appends(octets, waiting, total));
    }
    for (waiting, total) in [(1, 2_000), (64, 30_000)] {
        runtime.block_on(spool(waiting, total));
    }
    drop(runtime);
    start(200_000);
}
