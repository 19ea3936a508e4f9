//! Policy rules: time to load them, to ask them about one mail for one recipient, to explain the
//! answer, and to check them all for rules that never count; with 100 to 10,000 rules of mixed
//! kinds, for a mail on which hardly any rule speaks and for one of which many do. Aim: 50 µs
//! a recipient with 1,000 rules.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use postern::config::FileState;
use postern::mail::{Class, ContentHit, Finding, HeaderField, Severity};
use postern::message::Nature;
use postern::policy::check::{Checker, MadeFile, Situation, parse_claims};
use postern::policy::rules::{Direction, Groups, RuleBook};

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A rule of one of many kinds.
fn rule(n: usize) -> String {
    let when = match n % 16 {
        0 => format!("direction = 'outbound', recipient_domain = 'd{n}.test'"),
        1 => format!("reverse_path = ['u{n}@own.test', '@*.s{n}.test']"),
        2 => format!("finding = ['F_{n}', 'LINK_ODD'], score = {{ at_least = {} }}", n % 30),
        3 => format!("content = {{ rule = 'C_{n}', count = 2 }}"),
        4 => format!("subject = 'word{n}x'"),
        5 => format!("header = {{ name = 'X-Label', contains = 'v{n}x' }}"),
        6 => format!("attachment = {{ extension = 'e{n}', larger = '{} KB' }}", n % 90),
        7 => format!("network = '10.{}.{}.0/24'", n / 256 % 256, n % 256),
        8 => format!("marking = 'M{n}', not = {{ tls = 'verified' }}"),
        9 => format!("size = {{ at_least = {n}000000 }}, role = 'submission'"),
        10 => format!("any = [{{ account = 'a{n}' }}, {{ sender_group = 'it' }}]"),
        11 => "time = { days = 'weekend' }, class = 'spam'".to_owned(),
        12 => format!("author = 'boss{n}*@*'"),
        13 => format!("recipient_group = 'board', forward_path = 'r{n}@own.test'"),
        14 => format!(
            "not = {{ any = [{{ role = 'inbound' }}, {{ size = {{ below = {n}00000 }} }}] }}"
        ),
        _ => format!("authentication = {{ dmarc = 'fail' }}, sender_domain = 'x{n}.test'"),
    };
    let scope = match n % 7 {
        0 => format!("@own{}.test", n % 50),
        1 => "group:finance".to_owned(),
        _ => "site".to_owned(),
    };
    let orders = match n % 4 {
        0 => format!("['archive', {{ reject = 'r{n}' }}]"),
        1 => format!("[{{ tag_subject = '[{n}]' }}]"),
        2 => "['quarantine']".to_owned(),
        _ => "[{ deliver = { despite = ['malware'] } }]".to_owned(),
    };
    format!("[[rule]]\nname = 'r{n}'\nscope = '{scope}'\nwhen = {{ {when} }}\norders = {orders}\n")
}

fn groups() -> Groups {
    Groups::new(["finance", "it", "board"])
}

/// A mail from own people with findings, files and fields that rules ask for.
fn rich(plain: &Situation) -> Situation {
    let mut mail = plain.clone();
    mail.direction = Direction::Outbound;
    mail.sender_groups = vec!["finance".into(), "it".into()];
    mail.subject = "The minutes of the last meeting, and word4x for those who were there".into();
    mail.authors = vec!["ann@own.test".into()];
    mail.account = Some("ann".into());
    mail.header = (0..30)
        .map(|n| HeaderField { name: format!("X-{n}"), value: "a value of some length".into() })
        .collect();
    mail.header.push(HeaderField { name: "X-Label".into(), value: "public".into() });
    mail.findings = (0..25)
        .map(|n| Finding {
            name: format!("F_{n}").into(),
            class: Class::Spam,
            score: 0.2,
            detail: String::new(),
        })
        .collect();
    mail.score = 5.0;
    mail.content = (0..8)
        .map(|n| ContentHit {
            rule: format!("C_{n}"),
            class: Class::Policy,
            severity: Severity::High,
            count: 3,
        })
        .collect();
    mail.files = (0..5)
        .map(|n| MadeFile {
            nature: Nature::Pdf,
            name: format!("minutes{n}.pdf"),
            states: vec![FileState::Inside],
            octets: 100_000,
        })
        .collect();
    mail.time = "2024-03-02T17:30[Europe/London]".parse().ok();
    mail.markings = vec!["OFFICIAL".into()];
    mail
}

fn policy(bench: &mut Criterion) {
    let Some(plain) = Situation::plain() else { return eprintln!("no mail to ask with") };
    let mails = [("plain", plain.clone()), ("rich", rich(&plain))];
    let mut group = bench.benchmark_group("policy");
    group.sample_size(20);
    for rules in [100, 1_000, 10_000] {
        let text: String = (0..rules).map(rule).collect();
        let book = match RuleBook::parse(&text, "bench", &groups()) {
            Ok(book) => book,
            Err(why) => return eprintln!("{why}"),
        };
        group.bench_with_input(BenchmarkId::new("load", rules), &text, |bench, text| {
            bench.iter(|| black_box(RuleBook::parse(text, "bench", &groups()).is_ok()));
        });
        for (name, mail) in &mails {
            mail.with(|circumstances| {
                let id = BenchmarkId::new(format!("evaluate, {name}"), rules);
                group.bench_function(id, |bench| {
                    bench.iter(|| black_box(book.evaluate(circumstances).orders.len()));
                });
                let id = BenchmarkId::new(format!("explain, {name}"), rules);
                group.bench_function(id, |bench| {
                    bench.iter(|| black_box(book.explain(circumstances).trace.len()));
                });
            });
        }
        if rules <= 1_000 {
            group.sample_size(10);
            group.bench_function(BenchmarkId::new("check", rules), |bench| {
                bench.iter(|| black_box(Checker::new(&book).check().problems.len()));
            });
            let claim = "no mail marked RESTRICTED leaves except by secure delivery";
            let claims = parse_claims(claim, "bench", &groups()).unwrap_or_default();
            group.bench_function(BenchmarkId::new("claim", rules), |bench| {
                let mut checker = Checker::new(&book);
                bench.iter(|| claims.iter().for_each(|it| drop(black_box(checker.answer(it)))));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, policy);
criterion_main!(benches);
