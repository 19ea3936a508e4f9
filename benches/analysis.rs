//! Time to take messages apart, to bring their texts into normal form, and to scan them with
//! the shipped rules.

mod messages;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use postern::analysis::Analysis;
use postern::mail::{Content, Order};
use postern::message::{Anatomy, Limits, edit};

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn analysis(bench: &mut Criterion) {
    let stages = match Analysis::shipped() {
        Ok(stages) => stages,
        Err(error) => return eprintln!("the shipped rules: {error}"),
    };
    let mut group = bench.benchmark_group("analysis");
    for (name, message) in messages::of_each_kind() {
        group.throughput(Throughput::Bytes(message.len() as u64));
        group.bench_with_input(BenchmarkId::new("take apart", name), &message, |bench, message| {
            bench.iter(|| black_box(Anatomy::of(message, Limits::default()).parts.len()));
        });
        group.bench_with_input(
            BenchmarkId::new("normal form", name),
            &message,
            |bench, message| {
                bench.iter(|| {
                    let mut octets = 0;
                    let mut anatomy = Anatomy::of(message, Limits::default());
                    anatomy.read(&mut |_, text| octets += text.len());
                    black_box(octets)
                });
            },
        );
        group.bench_with_input(BenchmarkId::new("all", name), &message, |bench, message| {
            bench.iter(|| black_box(stages.scan_message(message)));
        });
        let content = Content::from_bytes(message.clone());
        let orders = [Order::TagSubject("[SPAM]".into())];
        group.bench_with_input(BenchmarkId::new("tag", name), &content, |bench, content| {
            bench.iter(|| black_box(edit::rewrite(content, &orders)));
        });
    }
    group.finish();
}

criterion_group!(benches, analysis);
criterion_main!(benches);
