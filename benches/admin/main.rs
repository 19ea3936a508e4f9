//! What the administrators' site costs with ten million journalled events: searches of the
//! journal, whole pages over HTTPS, and what that work does to the replies of SMTP.
//!
//! Run with `cargo bench --bench admin [-- searches|counts|pages|influence …]`;
//! `POSTERN_BENCH_EVENTS` says how many events. They are written to a directory below `$TMPDIR`
//! and used again by the next run; its size is printed. Prints plain lines with p50, p95 and the
//! worst. Aims: a p95 below 300 ms a search and below 100 ms a page; a p99 of SMTP replies that
//! rises by no more than a tenth.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that meets the unexpected has to fail"
)]

mod influence;
mod journal;
mod searches;
mod site;

#[allow(dead_code, reason = "the bench of throughput uses all of it")]
#[path = "../throughput/corpus.rs"]
mod corpus;
#[allow(dead_code, unused_imports, reason = "the scenarios use all of it")]
#[path = "../../tests/suite/harness/mod.rs"]
mod harness;
#[path = "../throughput/session.rs"]
mod session;
#[allow(dead_code, reason = "the bench of throughput uses all of it")]
#[path = "../throughput/sink.rs"]
mod sink;

use std::path::{Path, PathBuf};
use std::time::Instant;

use postern::journal::TrackQuery;

use journal::{generate, open, peak_mib, size};

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|one| !one.starts_with('-')).collect();
    let wants = |table: &str| asked.is_empty() || asked.iter().any(|one| one == table);
    let wanted = std::env::var("POSTERN_BENCH_EVENTS").ok().and_then(|text| text.parse().ok());
    let wanted: u64 = wanted.unwrap_or(10_000_000);
    let folder: PathBuf = std::env::temp_dir().join(format!("postern-bench-admin-{wanted}"));
    if !folder.join("complete").exists() {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        generate(&folder, wanted);
    }
    for extension in ["seg", "idx", "sum"] {
        let (files, mib) = size(&folder, extension);
        println!("{}: {files} files *.{extension}, {mib:.0} MiB", folder.display());
    }
    if wants("searches") || wants("counts") {
        of_the_journal(&folder, wanted, &wants);
    }
    if wants("pages") || wants("influence") {
        let sink = sink::FastSink::start();
        let house = site::House::start(&folder, sink.address);
        if wants("pages") {
            site::pages(&house, wanted / 4);
        }
        if wants("influence") {
            influence::measure(&house, wanted / 4);
        }
        println!("peak memory of the box {:.0} MB", house.postern.peak_octets() as f64 / 1e6);
    }
}

fn of_the_journal(folder: &Path, events: u64, wants: &dyn Fn(&str) -> bool) {
    println!("peak memory so far {:.0} MiB", peak_mib());
    let before = Instant::now();
    let journal = open(folder);
    println!("opened in {:.0?}", before.elapsed());
    let before = Instant::now();
    let everything = TrackQuery { message_id: Some("none".into()), ..TrackQuery::default() };
    journal.search(&everything).unwrap();
    println!("the first search, which verifies all indexes: {:.0?}", before.elapsed());
    if wants("searches") {
        searches::searches(&journal, events / 4);
    }
    if wants("counts") {
        searches::counts(&journal);
    }
    println!("peak memory {:.0} MiB", peak_mib());
}
