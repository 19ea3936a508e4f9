//! Time to take messages apart, to bring their texts into normal form, and to scan them with
//! the shipped rules.

use std::hint::black_box;

use base64::Engine;
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use postern::analysis::Analysis;
use postern::mail::{Content, Order};
use postern::message::{Anatomy, Limits, edit};

const PROSE: &str = "The minutes of the last meeting are attached; please read them before \
    Thursday and tell me what is missing. We meet at ten in the small room, and the budget \
    for the next year is the only thing to decide.\r\n";

fn head(more: &str) -> String {
    let trace = "Received: from mail.example.net (mail.example.net [192.0.2.7])\r\n\tby \
        mx.example.org with ESMTPS id 4XyZ; Mon, 1 Jan 2024 10:00:00 +0000\r\n";
    format!(
        "{}From: Ada Example <ada@example.net>\r\nTo: bob@example.org\r\nSubject: Minutes of \
         the meeting\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n\
         MIME-Version: 1.0\r\nX-Mailer: Example 1.0\r\n{more}\r\n",
        trace.repeat(3)
    )
}

fn messages() -> Vec<(&'static str, Bytes)> {
    let plain = |octets: usize| {
        let type_field = "Content-Type: text/plain; charset=utf-8\r\n";
        format!("{}{}", head(type_field), PROSE.repeat(octets / PROSE.len()))
    };
    let german = plain(4_000).replace("the", "die größte").replace("and", "und – “auch”");
    let paragraph = format!(
        "<p style=\"margin:0\">{PROSE}<a href=\"https://example.org/x?a=1&amp;b=2\">read</a></p>\r\n"
    );
    let html = format!(
        "{}<html><body>{}</body></html>\r\n",
        head("Content-Type: text/html; charset=utf-8\r\n"),
        paragraph.repeat(150)
    );
    let octets: Vec<u8> =
        (0..750_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let encoded = base64::engine::general_purpose::STANDARD.encode(octets);
    let lines: Vec<&str> =
        encoded.as_bytes().chunks(76).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let attached = |media: &str| {
        format!(
            "{}--b\r\n\r\n{PROSE}\r\n--b\r\nContent-Type: {media}\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--\r\n",
            head("Content-Type: multipart/mixed; boundary=b\r\n"),
            lines.join("\r\n")
        )
    };
    vec![
        ("plain 4 KB", plain(4_000).into()),
        ("plain 50 KB", plain(50_000).into()),
        ("umlauts 4 KB", german.into()),
        ("html 50 KB", html.into()),
        ("attachment 1 MB", attached("application/octet-stream").into()),
        ("text attachment 1 MB", attached("text/plain; charset=iso-8859-1").into()),
    ]
}

fn analysis(bench: &mut Criterion) {
    let stages = match Analysis::shipped() {
        Ok(stages) => stages,
        Err(error) => return eprintln!("the shipped rules: {error}"),
    };
    let mut group = bench.benchmark_group("analysis");
    for (name, message) in messages() {
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
