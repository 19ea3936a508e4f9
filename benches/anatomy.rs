//! Octets a second through the anatomy: parse, decode, text, files, and the scan with the shipped
//! patterns, per kind of message; beside mail-parser alone, and beside a scan of the same texts
//! by the engine alone.

mod messages;

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use postern::analysis::Analysis;
use postern::analysis::rules::RuleSet;
use postern::message::contents::{self, Contents};
use postern::message::{Anatomy, Limits, Zone};

/// Every text of a message, as the scan gets it.
fn texts(message: &Bytes, sink: &mut dyn FnMut(Zone, &str)) {
    let mut anatomy = Anatomy::of(message, Limits::default());
    anatomy.read(sink);
    Contents::of(&anatomy, contents::Limits::default(), &mut |zone, text| {
        sink(zone, &zone.normal_form(text));
    });
}

fn scanned(rules: &RuleSet, message: &Bytes) -> usize {
    let Ok(mut scan) = rules.scan() else { return 0 };
    let mut octets = 0;
    texts(message, &mut |zone, text| {
        octets += text.len();
        scan.text(zone, text);
    });
    octets
}

fn anatomy(bench: &mut Criterion) {
    let stages = match Analysis::shipped() {
        Ok(stages) => stages,
        Err(error) => return eprintln!("the shipped rules: {error}"),
    };
    let rules = stages.rules();
    let mut group = bench.benchmark_group("anatomy");
    for (name, message) in messages::of_each_kind() {
        let mut all = Vec::new();
        texts(&message, &mut |_, text| all.push(text.to_owned()));
        group.throughput(Throughput::Bytes(message.len() as u64));
        group.bench_with_input(
            BenchmarkId::new("mail-parser alone", name),
            &message,
            |bench, message| {
                let parser = mail_parser::MessageParser::default();
                bench.iter(|| {
                    black_box(parser.parse(message.as_ref()).map(|parsed| parsed.parts.len()))
                });
            },
        );
        group.bench_with_input(BenchmarkId::new("parse", name), &message, |bench, message| {
            bench.iter(|| black_box(Anatomy::of(message, Limits::default()).parts.len()));
        });
        group.bench_with_input(
            BenchmarkId::new("texts and files", name),
            &message,
            |bench, message| {
                bench.iter(|| {
                    let mut octets = 0;
                    texts(message, &mut |_, text| octets += text.len());
                    black_box(octets)
                });
            },
        );
        group.bench_with_input(
            BenchmarkId::new("with the scan", name),
            &message,
            |bench, message| {
                bench.iter(|| black_box(scanned(rules, message)));
            },
        );
        group.bench_with_input(BenchmarkId::new("engine alone", name), &all, |bench, all| {
            bench.iter(|| all.iter().filter_map(|text| rules.matches(text).ok()).sum::<u64>());
        });
    }
    group.finish();
}

criterion_group!(benches, anatomy);
criterion_main!(benches);
