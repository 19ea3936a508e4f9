//! Messages in files, each in a folder that says what must be found in it.
//!
//! In: `tests/cases/<stage>/<FINDING>/{hit,near_miss,hostile}/*.eml`, with `config.toml` and
//! `dns.txt` of the stage as surroundings (see `tests/cases/README.md`). Out: the cases that
//! were judged otherwise, all of them together. Every finding that has a weight has cases, or
//! is named in an `elsewhere.txt` there with the test that stands for it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a case that cannot be read has to fail"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use postern::analysis::weights::Weights;
use postern::analysis::{Analysis, Passage, Surroundings};
use postern::config::Config;
use postern::mail::{Envelope, Facts, Manners, Recipient, ReversePath, Role};
use postern::net::resolver::{DnsResolver, mock};
use postern::store::Store;

/// No case may take longer, on a machine that does other things besides.
const PATIENCE: Duration = Duration::from_secs(20);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

/// What is in a folder, in order of name.
fn entries(dir: &Path) -> Vec<PathBuf> {
    let Ok(found) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut found: Vec<PathBuf> = found.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn folders(dir: &Path) -> Vec<PathBuf> {
    entries(dir).into_iter().filter(|path| path.is_dir()).collect()
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// A message and how it came.
struct Case {
    octets: Vec<u8>,
    facts: Facts,
    envelope: Envelope,
    expected: bool,
}

impl Case {
    fn read(file: &Path, kind: &str) -> Case {
        let text = std::fs::read(file).unwrap();
        let mut told = BTreeMap::new();
        let mut rest = text.as_slice();
        while let Some(line) = rest.strip_prefix(b"% ") {
            let end = memchr::memchr(b'\n', line).expect("a message behind the lines with %");
            let said = std::str::from_utf8(&line[..end]).unwrap().trim_end();
            let (key, value) = said.split_once(':').expect("key: value");
            let (key, value) = (key.trim().to_owned(), value.trim());
            told.entry(key)
                .and_modify(|said: &mut String| *said += &format!(", {value}"))
                .or_insert_with(|| value.to_owned());
            rest = &line[end + 1..];
        }
        let mut take =
            |key: &str, otherwise: &str| told.remove(key).unwrap_or_else(|| otherwise.to_owned());
        let octets = as_sent(rest);
        let reverse_path = match take("reverse-path", "sender@elsewhere.test").as_str() {
            "<>" => ReversePath::Null,
            mailbox => ReversePath::Mailbox(mailbox.parse().unwrap()),
        };
        let recipients = take("recipient", "bob@example.org");
        let envelope = Envelope {
            reverse_path,
            recipients: recipients
                .split(',')
                .map(|one| Recipient::plain(one.trim().parse().unwrap()))
                .collect(),
            body: Default::default(),
            smtputf8: false,
            dsn_return: None,
            envelope_id: None,
        };
        let role = match take("role", "inbound").as_str() {
            "inbound" => Role::Inbound,
            "outbound" => Role::Outbound,
            "submission" => Role::Submission,
            other => panic!("{}: no role {other}", file.display()),
        };
        let received = take("received", "");
        let mut number = |key: &str| take(key, "0").parse::<u16>().unwrap();
        let manners = Manners {
            unknown_recipients: number("unknown-recipients"),
            errors: number("errors"),
            early_talker: take("early-talker", "no") == "yes",
            pipelined_unasked: take("pipelined-unasked", "no") == "yes",
        };
        let facts = Facts {
            role,
            client: take("client", "192.0.2.1").parse().unwrap(),
            helo: take("helo", "mail.elsewhere.test"),
            extended: true,
            tls: None,
            account: None,
            received_ms: received_ms(&received, &octets),
            manners,
        };
        let expected = match (kind, take("expect", "yes").as_str()) {
            ("near_miss", _) | ("hostile", "no") => false,
            ("hit" | "hostile", "yes") => true,
            other => panic!("{}: {other:?}", file.display()),
        };
        assert!(told.is_empty(), "{}: unknown {told:?}", file.display());
        Case { octets, facts, envelope, expected }
    }
}

/// When it came in: as told, or a minute after it was written, or one fixed day.
fn received_ms(told: &str, octets: &[u8]) -> u64 {
    if !told.is_empty() {
        let time: jiff::Timestamp = told.parse().unwrap();
        return time.as_millisecond() as u64;
    }
    let text = String::from_utf8_lossy(octets);
    let dated = text.lines().take_while(|line| !line.is_empty()).find_map(|line| {
        let value = line.strip_prefix("Date: ")?;
        jiff::fmt::rfc2822::parse(value).ok()
    });
    match dated {
        Some(time) => time.timestamp().as_millisecond() as u64 + 60_000,
        None => 1_780_000_000_000,
    }
}

/// Lines end in CRLF; `%repeat 1000 text` stands for a thousand lines, `%join 1000 text` for
/// one line with the text a thousand times.
fn as_sent(text: &[u8]) -> Vec<u8> {
    let mut sent = Vec::with_capacity(text.len() + text.len() / 20);
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    for line in text.split(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (times, joint, line) = match line.split_once_word() {
            Some((b"%repeat", times, rest)) => (times, &b"\r\n"[..], rest),
            Some((b"%join", times, rest)) => (times, &b""[..], rest),
            _ => (1, &b"\r\n"[..], line),
        };
        for _ in 0..times {
            sent.extend_from_slice(line);
            sent.extend_from_slice(joint);
        }
        if joint.is_empty() {
            sent.extend_from_slice(b"\r\n");
        }
    }
    sent
}

trait Words {
    /// First word, number, and the rest of a line.
    fn split_once_word(&self) -> Option<(&[u8], usize, &[u8])>;
}

impl Words for [u8] {
    fn split_once_word(&self) -> Option<(&[u8], usize, &[u8])> {
        if !self.starts_with(b"%") {
            return None;
        }
        let mut words = self.splitn(3, |octet| *octet == b' ');
        let (order, times) = (words.next()?, words.next()?);
        let times = std::str::from_utf8(times).ok()?.parse().ok()?;
        Some((order, times, words.next().unwrap_or_default()))
    }
}

/// A stage's surroundings, kept alive while its cases are tried.
struct Bench {
    analysis: Arc<Analysis>,
    _dns: Option<mock::MockServer>,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn of(stage: &Path) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        lend_patterns(dir.path());
        let dns = std::fs::read_to_string(stage.join("dns.txt")).ok();
        let dns = dns.map(|table| mock::serve(&table).unwrap());
        let own = std::fs::read_to_string(stage.join("config.toml")).unwrap_or_default();
        let servers = dns.as_ref().map_or_else(String::new, |server| {
            format!("[dns]\nservers = [\"{}\"]\ntimeout_s = 1\n", server.address)
        });
        let text = format!(
            "[system]\nhostname = \"mx.example.org\"\ndata_dir = \"{}\"\n\
             postmaster = \"postmaster@example.org\"\n{servers}{own}",
            dir.path().display()
        );
        let config = Config::parse(&text, &stage.join("config.toml"), stage).unwrap();
        let resolver = dns.is_some().then(|| Arc::new(DnsResolver::new(&config.dns).unwrap()));
        let store = Some(Arc::new(Store::open(dir.path()).unwrap()));
        let surroundings = Surroundings { resolver, store, ..Surroundings::default() };
        let analysis = Analysis::new(&config, surroundings).unwrap();
        keep_patterns(dir.path());
        Bench { analysis, _dns: dns, _dir: dir }
    }
}

const PATTERNS: &str = "content-patterns.hsdb";

/// Compiled patterns serve all stages.
fn shared_patterns() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(PATTERNS)
}

fn lend_patterns(dir: &Path) {
    // Without the loan the compilation only takes longer.
    let _ = std::fs::copy(shared_patterns(), dir.join(PATTERNS));
}

fn keep_patterns(dir: &Path) {
    let _ = std::fs::copy(dir.join(PATTERNS), shared_patterns());
}

async fn try_stage(stage: &Path, failures: &mut Vec<String>) -> usize {
    let bench = Bench::of(stage);
    let mut tried = 0;
    for finding in folders(stage) {
        for kind in folders(&finding) {
            for file in entries(&kind) {
                let case = Case::read(&file, name(&kind));
                let passage = Passage { facts: &case.facts, envelope: &case.envelope };
                let begun = Instant::now();
                let look = bench.analysis.scan_octets(case.octets.into(), Some(passage)).await;
                let names: Vec<&str> = look.findings.iter().map(|one| &*one.name).collect();
                let shown = file.strip_prefix(root()).unwrap().display();
                if names.contains(&name(&finding)) != case.expected {
                    failures.push(format!("{shown}: found {names:?}"));
                }
                if names.contains(&"ANALYSIS_FAILED") || begun.elapsed() > PATIENCE {
                    failures.push(format!("{shown}: {:?}, {names:?}", begun.elapsed()));
                }
                tried += 1;
            }
        }
    }
    tried
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_is_judged_as_its_folder_says() {
    let mut failures = Vec::new();
    let mut tried = 0;
    for stage in folders(&root()) {
        tried += try_stage(&stage, &mut failures).await;
    }
    println!("{tried} cases");
    assert!(tried > 0);
    assert!(failures.is_empty(), "{} of {tried}:\n{}", failures.len(), failures.join("\n"));
}

/// Findings in `elsewhere.txt`: `NAME  where and why`.
fn tested_elsewhere() -> BTreeSet<String> {
    let of_stages = folders(&root()).into_iter().map(|stage| stage.join("elsewhere.txt"));
    let files = of_stages.chain([root().join("elsewhere.txt")]);
    let texts = files.filter_map(|file| std::fs::read_to_string(file).ok());
    let text: String = texts.collect::<Vec<_>>().join("\n");
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn every_finding_has_cases() {
    let weights = Weights::shipped().unwrap();
    let known: BTreeSet<String> = weights.all().keys().map(ToString::to_string).collect();
    let elsewhere = tested_elsewhere();
    let mut wrong = Vec::new();
    let mut with_cases = BTreeSet::new();
    for finding in folders(&root()).iter().flat_map(|stage| folders(stage)) {
        let finding_name = name(&finding).to_owned();
        if !known.contains(&finding_name) && finding_name != finding_name.to_lowercase() {
            // A content rule's name would be known to `postern rules test`.
            wrong.push(format!("{finding_name} has cases and no weight"));
        }
        for kind in ["hit", "near_miss"] {
            if entries(&finding.join(kind)).is_empty() {
                wrong.push(format!("{finding_name} has no {kind}"));
            }
        }
        with_cases.insert(finding_name);
    }
    for finding in known.difference(&with_cases) {
        if !elsewhere.contains(finding) {
            wrong.push(format!("{finding} has a weight and no cases"));
        }
    }
    wrong.extend(elsewhere.difference(&known).map(|name| format!("{name} is only elsewhere")));
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
