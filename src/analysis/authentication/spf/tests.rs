//! The public test suite of RFC 7208, over a name server on loopback, and what it leaves open.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_yaml_ng::Value;

use super::*;
use crate::config::Dns;
use crate::net::resolver::DnsResolver;
use crate::net::resolver::mock::{self, MockServer};

/// Cases whose outcome differs from the suite's, each with the reason.
const DIFFERENCES: [(&str, &str); 0] = [];

#[derive(Deserialize)]
struct Scenario {
    description: String,
    tests: BTreeMap<String, Case>,
    zonedata: BTreeMap<String, Vec<Value>>,
}

#[derive(Deserialize)]
struct Case {
    helo: Value,
    host: String,
    mailfrom: Value,
    result: Value,
    explanation: Option<String>,
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => panic!("{other:?}"),
    }
}

fn texts_of(value: &Value) -> Vec<String> {
    match value {
        Value::Sequence(values) => values.iter().map(text_of).collect(),
        Value::Null => Vec::new(),
        one => vec![text_of(one)],
    }
}

fn quoted(texts: &[String]) -> String {
    let mut line = String::new();
    let empty = [String::new()];
    for text in if texts.is_empty() { &empty } else { texts } {
        line.push('"');
        // The suite writes octets as characters of Latin-1.
        for octet in text.chars().map(|letter| u32::from(letter) as u8) {
            match octet {
                b'"' | b'\\' => write!(line, "\\{}", char::from(octet)).unwrap(),
                b' '..=b'~' => line.push(char::from(octet)),
                _ => write!(line, "\\{octet:03}").unwrap(),
            }
        }
        line.push_str("\" ");
    }
    line
}

/// The suite's zone as a table of ours. Records of type SPF stand for TXT unless there are
/// some; `TIMEOUT` is what all types without records do.
fn table(zone: &BTreeMap<String, Vec<Value>>) -> String {
    let mut table = String::new();
    for (name, entries) in zone {
        let name = format!("\"{name}\"");
        let mut kinds = Vec::new();
        let mut silent = false;
        let of = |kind: &str| {
            let pick =
                move |entry: &Value| entry.as_mapping().and_then(|map| map.get(kind)).cloned();
            entries.iter().filter_map(pick).collect::<Vec<Value>>()
        };
        let texts = match of("TXT") {
            texts if texts.is_empty() => of("SPF"),
            texts => texts,
        };
        for value in texts {
            match value.as_str() {
                Some("NONE") => {}
                Some("TIMEOUT") => writeln!(table, "{name} TIMEOUT TXT").unwrap(),
                _ => {
                    kinds.push("TXT");
                    writeln!(table, "{name} TXT {}", quoted(&texts_of(&value))).unwrap();
                }
            }
        }
        for kind in ["A", "AAAA", "MX", "PTR", "CNAME"] {
            for value in of(kind) {
                if value.as_str() == Some("TIMEOUT") {
                    writeln!(table, "{name} TIMEOUT {kind}").unwrap();
                    continue;
                }
                kinds.push(kind);
                let words: Vec<String> = texts_of(&value)
                    .into_iter()
                    .map(|word| if word.is_empty() { ".".to_owned() } else { word })
                    .collect();
                writeln!(table, "{name} {kind} {}", words.join(" ")).unwrap();
            }
        }
        silent |= entries.iter().any(|entry| entry.as_str() == Some("TIMEOUT"));
        let unanswered =
            ["A", "AAAA", "MX", "PTR", "TXT"].into_iter().filter(|kind| !kinds.contains(kind));
        for kind in unanswered.filter(|_| silent) {
            writeln!(table, "{name} TIMEOUT {kind}").unwrap();
        }
        if kinds.is_empty() && !silent {
            writeln!(table, "{name} EXISTS").unwrap();
        }
    }
    table
}

fn resolver(server: &MockServer) -> DnsResolver {
    let dns = Dns { servers: vec![server.address], timeout_s: 1, cache_entries: 1024 };
    DnsResolver::new(&dns).unwrap()
}

fn corpus(path: &str) -> Option<String> {
    let root =
        std::env::var_os("POSTERN_CORPORA").map_or("../shared/corpora".into(), PathBuf::from);
    let text = std::fs::read_to_string(root.join(path)).ok();
    if text.is_none() {
        println!("skipped: {path} is not among the corpora");
    }
    text
}

async fn run(case: &Case, resolver: &DnsResolver) -> Spf {
    let helo = text_of(&case.helo);
    let sender = text_of(&case.mailfrom);
    let client = case.host.parse().unwrap();
    let question = Question { client, helo: &helo, receiver: "receiver.test" };
    match sender.rsplit_once('@') {
        _ if sender.is_empty() => question.of_helo(resolver).await,
        Some((local, domain)) => question.of_reverse_path(resolver, local, domain).await,
        None => question.of_reverse_path(resolver, "", &sender).await,
    }
}

fn explained(case: &Case, spf: &Spf) -> bool {
    match case.explanation.as_deref() {
        None => true,
        Some("DEFAULT") => spf.explanation.is_none(),
        Some(expected) => spf.explanation.as_deref() == Some(expected),
    }
}

#[tokio::test]
async fn the_public_suite_is_passed() {
    let Some(text) = corpus("spf/rfc7208-tests.yml") else { return };
    let mut differing = Vec::new();
    let mut cases = 0;
    for document in serde_yaml_ng::Deserializer::from_str(&text) {
        let scenario = Scenario::deserialize(document).unwrap();
        let table = table(&scenario.zonedata);
        let server = mock::serve(&table)
            .unwrap_or_else(|error| panic!("{}: {error}\n{table}", scenario.description));
        let resolver = resolver(&server);
        for (name, case) in &scenario.tests {
            cases += 1;
            let spf = run(case, &resolver).await;
            let expected = texts_of(&case.result);
            if !expected.contains(&spf.result.to_string()) || !explained(case, &spf) {
                println!(
                    "{}/{name}: {expected:?} {:?}, but {spf:?}",
                    scenario.description, case.explanation
                );
                differing.push(name.clone());
            }
        }
    }
    println!("{cases} cases, {} differ", differing.len());
    assert!(cases > 190, "{cases}");
    let known: Vec<&str> = DIFFERENCES.iter().map(|(name, _)| *name).collect();
    assert_eq!(differing, known);
}

async fn check(zone: &str, client: &str, domain: &str) -> (Spf, usize) {
    let server = mock::serve(zone).unwrap();
    let resolver = resolver(&server);
    let question =
        Question { client: client.parse().unwrap(), helo: "helo.test", receiver: "mx.test" };
    let spf = question.of_reverse_path(&resolver, "user", domain).await;
    (spf, server.questions())
}

#[tokio::test]
async fn a_hostile_zone_costs_little() {
    let mut zone = String::from("loop.test TXT \"v=spf1 include:loop.test -all\"\n");
    zone += "fan.test TXT \"v=spf1 include:a.fan.test include:b.fan.test -all\"\n";
    zone += "*.fan.test TXT \"v=spf1 include:%{i}.x.fan.test include:y.%{d} ?all\"\n";
    let long = "ip4:192.0.2.1 ".repeat(4_000);
    zone += &format!("long.test TXT \"v=spf1 {long} +all\"\n");
    for at in 0..200 {
        zone += &format!("mx.test MX {at} h{at}.mx.test\n");
        zone += &format!("192.0.2.77 PTR p{at}.ptr.test\n");
        zone += &format!("many.test TXT \"noise {at}\"\n");
    }
    zone += "many.test TXT \"v=spf1 +all\"\n";
    zone += "mx.test TXT \"v=spf1 mx +all\"\n";
    zone += "ptr.test TXT \"v=spf1 ptr:%{p} ptr -all\"\n";
    zone += "void.test TXT \"v=spf1 a:1.void.test a:2.void.test a:3.void.test +all\"\n";
    let macros = "%{s}".repeat(60) + ".test";
    zone += &format!("macro.test TXT \"v=spf1 exists:{macros} exists:{macros} +all\"\n");
    let table = [
        ("loop.test", SpfResult::PermError, 12),
        ("fan.test", SpfResult::PermError, 14),
        ("long.test", SpfResult::Pass, 3),
        ("mx.test", SpfResult::PermError, 4),
        ("ptr.test", SpfResult::Fail, 14),
        ("void.test", SpfResult::PermError, 4),
        ("many.test", SpfResult::Pass, 3),
        ("macro.test", SpfResult::Pass, 4),
    ];
    for (domain, expected, most) in table {
        let started = Instant::now();
        let (spf, questions) = check(&zone, "192.0.2.77", domain).await;
        assert_eq!(spf.result, expected, "{domain} {spf:?}");
        assert!(questions <= most, "{domain}: {questions} questions");
        assert!(started.elapsed() < Duration::from_secs(3), "{domain}");
        assert!(spf.why.len() < 1_000);
    }
}

#[tokio::test]
async fn mapped_addresses_are_of_ipv4() {
    let zone = "a.test TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n";
    for (client, expected) in
        [("::ffff:192.0.2.7", SpfResult::Pass), ("2001:db8::1", SpfResult::Fail)]
    {
        assert_eq!(check(zone, client, "a.test").await.0.result, expected);
    }
}
