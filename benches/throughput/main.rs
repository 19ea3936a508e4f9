//! Messages a second from socket to socket: Postern beside Postfix as a plain relay and beside
//! Postfix with rspamd as milter, in one run, with the same load, sink and disk.
//!
//! In: `cargo bench --bench throughput -- [--only NAMES] [--sizes NAMES] [--scale F]
//! [--connections N] [--idle N] [--mixed DIR]`; `POSTERN_BIN` names another program to
//! measure. Out: a table in Markdown. Counts must balance: what was accepted has arrived, or
//! the run fails. Everything is on loopback; the data folders must be on a real disk for the
//! cost of fsync to show.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a measurement that meets the unexpected has to fail"
)]

mod contestants;
mod corpus;
mod idle;
mod load;
mod meter;
mod options;
mod session;
mod sink;

#[allow(dead_code, unused_imports, reason = "the scenarios use all of it")]
#[path = "../../tests/suite/harness/mod.rs"]
mod harness;

use contestants::{Contestant, Running};
use corpus::Corpus;
use options::Options;

/// One row of the table.
struct Row {
    contestant: Contestant,
    corpus: String,
    accepted_per_s: f64,
    delivered_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu_ms: f64,
    peak_mb: f64,
    duplicates: usize,
}

fn main() {
    let options = Options::read();
    meter::raise_file_limit();
    describe(&options);
    let mut rows = Vec::new();
    for corpus in options.corpora() {
        for contestant in &options.only {
            match measure(*contestant, &corpus, &options) {
                Some(row) => {
                    print_row(&row);
                    rows.push(row);
                }
                None => println!("{contestant:?} is left out"),
            }
        }
    }
    print_table(&rows);
    if options.idle > 0 && options.only.contains(&Contestant::Postern) {
        idle::measure(options.idle);
    }
}

fn describe(options: &Options) {
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("?");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{cores} processors,{}", model.replace(['\t', ':'], ""));
    println!("{} connections, every peer on this machine", options.connections);
    for (name, path) in [
        ("postern", std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"))),
        ("postfix", std::env::temp_dir()),
    ] {
        let kind = meter::file_system(&path);
        println!("state of {name} on {kind}");
        if kind == "tmpfs" {
            println!("  memory and not a disk: fsync costs nothing there");
        }
    }
}

fn measure(contestant: Contestant, corpus: &Corpus, options: &Options) -> Option<Row> {
    let sink = sink::FastSink::start();
    let running = contestant.start(sink.address)?;
    load::run(running.address(), corpus, corpus.count / 20 + 20, options.connections, &sink);
    sink.reset();
    let watch = meter::Watch::start(running.roots());
    let result = load::run(running.address(), corpus, corpus.count, options.connections, &sink);
    let used = watch.stop();
    let seen = sink.seen();
    assert_eq!(seen.distinct, corpus.count, "{contestant:?}: accepted and not delivered");
    running.check(&sink);
    let row = Row {
        contestant,
        corpus: corpus.name.clone(),
        accepted_per_s: corpus.count as f64 / result.accepted_s,
        delivered_per_s: corpus.count as f64 / result.delivered_s,
        p50_ms: result.percentile_ms(50.0),
        p99_ms: result.percentile_ms(99.0),
        cpu_ms: used.cpu_s * 1000.0 / corpus.count as f64,
        peak_mb: used.peak_octets as f64 / 1e6,
        duplicates: seen.total - seen.distinct,
    };
    drop::<Box<dyn Running>>(running);
    Some(row)
}

fn print_row(row: &Row) {
    println!(
        "{:<18} {:<8} {:>8.0} accepted/s {:>8.0} delivered/s {:>8.2} ms p50 {:>8.2} ms p99 \
         {:>8.3} ms CPU each {:>8.1} MB{}",
        row.contestant.name(),
        row.corpus,
        row.accepted_per_s,
        row.delivered_per_s,
        row.p50_ms,
        row.p99_ms,
        row.cpu_ms,
        row.peak_mb,
        if row.duplicates > 0 { format!(", {} duplicates", row.duplicates) } else { String::new() },
    );
}

fn print_table(rows: &[Row]) {
    println!();
    println!(
        "| messages | server | accepted/s | delivered/s | p50 | p99 | CPU per message | peak memory |"
    );
    println!("|---|---|--:|--:|--:|--:|--:|--:|");
    for row in rows {
        println!(
            "| {} | {} | {:.0} | {:.0} | {:.1} ms | {:.1} ms | {:.2} ms | {:.0} MB |",
            row.corpus,
            row.contestant.name(),
            row.accepted_per_s,
            row.delivered_per_s,
            row.p50_ms,
            row.p99_ms,
            row.cpu_ms,
            row.peak_mb,
        );
    }
    println!();
}
