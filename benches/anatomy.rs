//! Octets a second through the anatomy: parse, decode, text, files, and the scan with the shipped
//! patterns, per kind of message; beside mail-parser alone, and beside a scan of the same texts
//! by the engine alone.

mod messages;

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Bencher, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use postern::analysis::Analysis;
use postern::analysis::rules::RuleSet;
use postern::analysis::weights::Weights;
use postern::message::contents::{self, Contents};
use postern::message::{Anatomy, Limits, Zone};

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Time that this thread has had on a processor, so that busy neighbours do not count.
fn on_processor() -> Duration {
    let Ok(used) = getrusage(UsageWho::RUSAGE_THREAD) else { return Duration::ZERO };
    let microseconds = used.user_time().num_microseconds() + used.system_time().num_microseconds();
    Duration::from_micros(microseconds.unsigned_abs())
}

fn timed<T>(bench: &mut Bencher<'_>, mut run: impl FnMut() -> T) {
    bench.iter_custom(|times| {
        let began = on_processor();
        for _ in 0..times {
            black_box(run());
        }
        // Never nothing, for shares of it are taken.
        on_processor().saturating_sub(began).max(Duration::from_nanos(times))
    });
}

/// Every text of a message, as the scan gets it.
fn texts(message: &Bytes, sink: &mut dyn FnMut(Zone, &str)) {
    let mut anatomy = Anatomy::of(message, Limits::default());
    anatomy.read(sink);
    Contents::of(&anatomy, contents::Limits::default(), &mut |zone, text| {
        sink(zone, &zone.normal_form(text));
    });
}

fn scanned(rules: &RuleSet, weights: &Weights, message: &Bytes) -> u64 {
    let Ok(mut scan) = rules.scan() else { return 0 };
    texts(message, &mut |zone, text| scan.text(zone, text));
    scan.finish(weights).map_or(0, |hits| hits.findings.len() as u64)
}

fn anatomy(bench: &mut Criterion) {
    let stages = match Analysis::shipped() {
        Ok(stages) => stages,
        Err(error) => return eprintln!("the shipped rules: {error}"),
    };
    let weights = match Weights::shipped() {
        Ok(weights) => weights,
        Err(error) => return eprintln!("the shipped weights: {error}"),
    };
    let rules = stages.rules();
    let mut group = bench.benchmark_group("anatomy");
    for (name, message) in messages::of_each_kind() {
        let mut all = Vec::new();
        texts(&message, &mut |_, text| all.push(text.to_owned()));
        group.throughput(Throughput::Bytes(message.len() as u64));
        let mut row = |what: &str, run: &mut dyn FnMut() -> u64| {
            group.bench_function(BenchmarkId::new(what, name), |bench| timed(bench, &mut *run));
        };
        let parser = mail_parser::MessageParser::default();
        row("mail-parser alone", &mut || {
            parser.parse(message.as_ref()).map_or(0, |parsed| parsed.parts.len() as u64)
        });
        row("parse", &mut || Anatomy::of(&message, Limits::default()).parts.len() as u64);
        row("texts and files", &mut || {
            let mut octets = 0;
            texts(&message, &mut |_, text| octets += text.len() as u64);
            octets
        });
        row("with the scan", &mut || scanned(rules, &weights, &message));
        row("engine alone", &mut || all.iter().filter_map(|text| rules.matches(text).ok()).sum());
    }
    group.finish();
}

criterion_group!(benches, anatomy);
criterion_main!(benches);
