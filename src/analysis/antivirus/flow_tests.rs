//! Engines that are told what they know: load, fallback, remembered verdicts, files by path.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::subjects::choose;
use super::*;
use crate::config::{ClamdAddress, CommandEngine, SecondEngine};

/// A clamd that finds the words it is told.
#[derive(Debug)]
struct Fake {
    address: ClamdAddress,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    version: Mutex<String>,
    words: Mutex<Vec<String>>,
    scans: AtomicUsize,
    most_at_once: AtomicUsize,
    now: AtomicUsize,
    is_dead: Mutex<bool>,
    most_octets: Mutex<Option<usize>>,
}

impl Fake {
    async fn start(version: &str, words: &[&str]) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = ClamdAddress::Tcp(listener.local_addr().unwrap().to_string());
        let state = Arc::new(State::default());
        *state.version.lock().unwrap() = version.into();
        *state.words.lock().unwrap() = words.iter().map(ToString::to_string).collect();
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Fake { address, state }
    }

    fn scans(&self) -> usize {
        self.state.scans.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) -> Option<()> {
    if *state.is_dead.lock().unwrap() {
        return None;
    }
    let mut command = Vec::new();
    while !command.ends_with(b"\0") {
        command.push(stream.read_u8().await.ok()?);
    }
    if command == b"zVERSION\0" {
        let version = state.version.lock().unwrap().clone();
        return stream.write_all(format!("{version}\0").as_bytes()).await.ok();
    }
    let mut octets = Vec::new();
    loop {
        let size = stream.read_u32().await.ok()?;
        if size == 0 {
            break;
        }
        let mut chunk = vec![0; size as usize];
        stream.read_exact(&mut chunk).await.ok()?;
        octets.extend(chunk);
    }
    let now = state.now.fetch_add(1, Ordering::SeqCst) + 1;
    state.most_at_once.fetch_max(now, Ordering::SeqCst);
    state.scans.fetch_add(1, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(20)).await;
    state.now.fetch_sub(1, Ordering::SeqCst);
    let text = String::from_utf8_lossy(&octets).into_owned();
    let found = {
        let words = state.words.lock().unwrap();
        words.iter().find(|word| text.contains(word.as_str())).cloned()
    };
    let most = *state.most_octets.lock().unwrap();
    let answer = match found {
        _ if most.is_some_and(|most| octets.len() > most) => {
            "INSTREAM size limit exceeded. ERROR\0".to_owned()
        }
        Some(word) if word.starts_with("Heuristics") => format!("stream: {word} FOUND\0"),
        Some(word) => format!("stream: Test.{word} FOUND\0"),
        None => "stream: OK\0".to_owned(),
    };
    stream.write_all(answer.as_bytes()).await.ok()
}

fn antivirus(fakes: &[&Fake]) -> Antivirus {
    let clamd = fakes.iter().map(|fake| fake.address.clone()).collect();
    Antivirus::new(&config::Antivirus { clamd, timeout_s: 5, ..config::Antivirus::default() })
}

fn octets(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn subject(path: &str, text: &str, depth: u8) -> Subject {
    Subject {
        path: path.into(),
        digest: sha256(text.as_bytes()),
        octets: Some(octets(text)),
        depth,
        is_reached: true,
        is_plain: false,
        is_own_text: false,
        is_bare: false,
        is_risky: true,
    }
}

fn names(outcome: &Outcome) -> Vec<(&str, &str)> {
    outcome.sightings.iter().map(|one| (one.name, one.detail.as_str())).collect()
}

#[tokio::test]
async fn load_is_spread_and_a_dead_clamd_is_passed_over_at_once() {
    let (one, two) =
        (Fake::start("ClamAV 1", &["virus"]).await, Fake::start("ClamAV 1", &[]).await);
    let both = Arc::new(antivirus(&[&one, &two]));
    let scans: Vec<_> = (0..20)
        .map(|number| {
            let both = Arc::clone(&both);
            tokio::spawn(
                async move { both.ask_engines(&octets(&number.to_string()), [0; 32]).await },
            )
        })
        .collect();
    for scan in scans {
        assert_eq!(scan.await.unwrap().scan, Scan::Clean);
    }
    assert!(one.scans().abs_diff(two.scans()) <= 4, "{} and {}", one.scans(), two.scans());
    *two.state.is_dead.lock().unwrap() = true;
    let before = one.scans();
    for _ in 0..10 {
        let said = both.ask_engines(&octets("a virus"), [0; 32]).await;
        assert_eq!(said.scan, Scan::Infected("Test.virus".into()));
        assert!(said.failed.is_empty());
    }
    assert_eq!(one.scans() - before, 10);
    *one.state.is_dead.lock().unwrap() = true;
    let outcome = both.look_at_whole(&octets("x"), Freshness::Remembered).await;
    assert_eq!(outcome.failed.len(), 1);
    let error = outcome.failed[0].error.to_string();
    assert!(error.starts_with("no virus scanner answers: tcp:"), "{error}");
    // Who answers its version again is asked like the other.
    *two.state.is_dead.lock().unwrap() = false;
    let (version, silent) = both.ask_versions().await;
    assert_eq!((version.as_str(), silent.len()), ("ClamAV 1, signatures without a number", 1));
    assert!(both.look_at_whole(&octets("x"), Freshness::Remembered).await.failed.is_empty());
}

#[tokio::test]
async fn a_verdict_is_remembered_until_the_signatures_change() {
    let fake = Fake::start("ClamAV 1/5/Tue Dec  3 09:39:23 2024", &[]).await;
    let antivirus = antivirus(&[&fake]);
    antivirus.ask_versions().await;
    let text = octets("a new virus");
    for _ in 0..3 {
        let seen = antivirus.look_at_whole(&text, Freshness::Remembered).await;
        assert!(seen.sightings.is_empty());
    }
    assert_eq!(fake.scans(), 1);
    assert!(antivirus.look_at_whole(&text, Freshness::Anew).await.sightings.is_empty());
    assert_eq!(fake.scans(), 2, "asked again although it is remembered");
    *fake.state.words.lock().unwrap() = vec!["virus".into()];
    *fake.state.version.lock().unwrap() = "ClamAV 1/6/Tue Dec  3 11:39:23 2024".into();
    antivirus.ask_versions().await;
    for _ in 0..3 {
        let seen = antivirus.look_at_whole(&text, Freshness::Remembered).await;
        assert_eq!(names(&seen), [("VIRUS_FOUND", "signature Test.virus")]);
    }
    assert_eq!(fake.scans(), 3, "infected is remembered, too");
}

#[tokio::test]
async fn what_is_remembered_as_clean_counts_only_while_somebody_answers() {
    let fake = Fake::start("ClamAV 1/5/Tue Dec  3 09:39:23 2024", &["virus"]).await;
    let antivirus = antivirus(&[&fake]);
    antivirus.ask_versions().await;
    for text in ["clean", "a virus"] {
        antivirus.look_at_whole(&octets(text), Freshness::Remembered).await;
    }
    *fake.state.is_dead.lock().unwrap() = true;
    let seen = antivirus.look_at_whole(&octets("clean"), Freshness::Remembered).await;
    assert_eq!(seen.failed.len(), 1);
    *fake.state.is_dead.lock().unwrap() = false;
    // New signatures are noticed before the next question for the version is due.
    antivirus.look_at_whole(&octets("clean"), Freshness::Remembered).await;
    *fake.state.words.lock().unwrap() = vec!["clean".into()];
    *fake.state.version.lock().unwrap() = "ClamAV 1/6/Tue Dec  3 11:39:23 2024".into();
    let seen = antivirus.look_at_whole(&octets("clean"), Freshness::Remembered).await;
    assert_eq!(names(&seen), [("VIRUS_FOUND", "signature Test.clean")]);
}

#[tokio::test]
async fn what_an_older_clamd_says_is_not_remembered() {
    let old = Fake::start("ClamAV 1/5/Tue Dec  3 09:39:23 2024", &[]).await;
    let new = Fake::start("ClamAV 1/6/Tue Dec  3 09:39:23 2024", &[]).await;
    let both = antivirus(&[&old, &new]);
    both.ask_versions().await;
    for _ in 0..6 {
        both.look_at_whole(&octets("x"), Freshness::Remembered).await;
    }
    assert_eq!(new.scans(), 1);
    assert!(old.scans() <= 1);
}

#[tokio::test]
async fn files_are_found_by_their_path_each_once_and_a_few_at_once() {
    let fake = Fake::start("ClamAV 1", &["virus"]).await;
    let antivirus = antivirus(&[&fake]);
    let mut subjects = vec![subject("invoice.zip", "outer", 0)];
    for number in 0..30 {
        subjects.push(subject(&format!("invoice.zip/{number}.js"), &format!("{number}"), 1));
        subjects.push(subject(
            &format!("invoice.zip/copy of {number}.js"),
            &format!("{number}"),
            1,
        ));
    }
    subjects.push(subject("invoice.zip/docs/a.exe", "a virus", 2));
    let carried = Carried { subjects, ..Carried::default() };
    let at_once = antivirus.look_at_files(&carried, Freshness::Remembered).await;
    assert_eq!((names(&at_once), fake.scans()), (Vec::new(), 0), "all are reached");
    let seen = antivirus.look_at_rest(&carried, &at_once, Freshness::Remembered).await;
    assert_eq!(names(&seen), [("VIRUS_FOUND", "invoice.zip/docs/a.exe: signature Test.virus")]);
    assert!(seen.is_infected());
    assert_eq!(fake.scans(), 32, "the outer file is scanned by itself, too");
    assert!(fake.state.most_at_once.load(Ordering::SeqCst) <= ITEMS_AT_ONCE);
}

#[test]
fn what_clamd_cannot_reach_goes_first_and_what_is_left_out_is_told() {
    let unreached = |path: &str, is_plain| Subject {
        is_reached: false,
        is_plain,
        is_risky: false,
        ..subject(path, path, 1)
    };
    let plain = Subject { is_plain: true, ..subject("z.zip/a.txt", "a", 1) };
    let subjects = vec![
        subject("z.zip/one", "one", 1),
        plain,
        unreached("z.zst/two.txt", true),
        unreached("z.zst/three", false),
        subject("z.zip", "outer", 0),
    ];
    let carried = Carried { subjects, missed: vec!["z.zst/large".into()], ..Carried::default() };
    let paths = |most| {
        let chosen = choose(&carried, most);
        let path = |one: &&Subject| one.path.clone();
        let unreached: Vec<_> = chosen.unreached.iter().map(path).collect();
        (unreached, chosen.reached.iter().map(path).collect::<Vec<_>>(), chosen.missed)
    };
    let (unreached, reached, missed) = paths(10);
    assert_eq!(unreached, ["z.zst/two.txt", "z.zst/three"]);
    assert_eq!(reached, ["z.zip", "z.zip/one"]);
    assert_eq!(missed, ["z.zst/large"]);
    let (unreached, reached, missed) = paths(1);
    assert_eq!(unreached, ["z.zst/two.txt"]);
    assert_eq!(reached, ["z.zip"], "parts of the message are not counted");
    assert_eq!(missed, ["z.zst/large", "z.zst/three"], "clamd reaches the other by itself");
}

#[tokio::test]
async fn files_of_all_messages_share_one_room() {
    let room = room();
    let all = room.available_permits();
    let large = "x".repeat(100 << 10);
    // A twin shares the octets of the first.
    let subjects =
        vec![subject("a.zip", &large, 0), subject("b.zip", &large, 0), subject("c", "y", 0)];
    let mut carried = Carried { subjects, ..Carried::default() };
    carried.take_room(&room).await;
    assert_eq!(room.available_permits(), all - 101 - 1);
    carried.keep_only(|one| one.path == "c");
    assert_eq!(room.available_permits(), all - 1);
    assert!(carried.subjects[0].octets.is_none() && carried.subjects[2].octets.is_some());
    let mut waiting = Carried { subjects: vec![subject("d", "z", 0)], ..Carried::default() };
    let whole = room.clone().acquire_many_owned(u32::try_from(all - 1).unwrap()).await;
    let soon = std::time::Duration::from_millis(20);
    assert!(tokio::time::timeout(soon, waiting.take_room(&room)).await.is_err());
    drop(whole);
    waiting.take_room(&room).await;
    drop((carried, waiting));
    assert_eq!(room.available_permits(), all);
}

#[tokio::test]
async fn what_was_not_kept_is_incomplete() {
    let fake = Fake::start("ClamAV 1", &[]).await;
    let missed = vec!["a.zst/b".into(), "a.zst/c".into(), "a.zst/d".into()];
    let carried = Carried { missed, ..Carried::default() };
    let seen = antivirus(&[&fake]).look_at_files(&carried, Freshness::Remembered).await;
    assert_eq!(names(&seen), [("AV_INCOMPLETE", "a.zst/b (and 2 more)")]);
}

#[tokio::test]
async fn a_message_that_is_too_large_is_scanned_part_by_part() {
    let fake = Fake::start("ClamAV 1", &["virus"]).await;
    *fake.state.most_octets.lock().unwrap() = Some(100);
    let antivirus = antivirus(&[&fake]);
    let whole = antivirus.look_at_whole(&octets(&"x".repeat(200)), Freshness::Remembered).await;
    assert!(whole.is_too_large);
    assert_eq!(names(&whole), [("AV_TOO_LARGE", "")]);
    let bare = Subject { is_bare: true, ..subject("#1", "a virus in a text", 0) };
    let subjects = vec![subject("a.exe", "virus", 0), subject("b.bin", &"y".repeat(101), 0), bare];
    let carried = Carried { subjects, ..Carried::default() };
    let parts = antivirus.look_at_rest(&carried, &whole, Freshness::Remembered).await;
    let mut seen = names(&parts);
    seen.sort_unstable();
    let found = ["#1: signature Test.virus", "a.exe: signature Test.virus"];
    let found = found.map(|detail| ("VIRUS_FOUND", detail));
    assert_eq!(seen, [("AV_TOO_LARGE", "b.bin"), found[0], found[1]]);
    let scans = fake.scans();
    let parts = antivirus.look_at_rest(&carried, &Outcome::default(), Freshness::Anew).await;
    assert_eq!(fake.scans() - scans, 2, "a bare text is scanned with a message: {parts:?}");
}

#[tokio::test]
async fn listed_digests_are_found_without_an_engine() {
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("digests");
    let hex = |text: &str| blocklist::hex_of(&sha256(text.as_bytes()));
    let text = format!("{} Evil.File\n{}\n", hex("inner"), hex("whole"));
    std::fs::write(&list, text).unwrap();
    let settings = config::Antivirus { digests: vec![list], ..config::Antivirus::default() };
    let antivirus = Antivirus::new(&settings);
    let carried = Carried { subjects: vec![subject("a.zip/b", "inner", 1)], ..Carried::default() };
    let seen = antivirus.look_at_files(&carried, Freshness::Remembered).await;
    let detail = format!("a.zip/b: Evil.File, SHA-256 {}", hex("inner"));
    assert_eq!(names(&seen), [("DIGEST_BLOCKED", detail.as_str())]);
    let seen = antivirus.look_at_whole(&octets("whole"), Freshness::Remembered).await;
    assert_eq!(names(&seen)[0].0, "DIGEST_BLOCKED");
    assert_eq!(names(&seen)[1].0, "AV_ABSENT");
    assert!(seen.is_infected() && seen.failed.is_empty());
}

fn command(script: &str) -> SecondEngine {
    SecondEngine::Command(CommandEngine {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        clean: vec![0],
        infected: vec![1],
        timeout_s: 5,
        connections: 2,
        on_failure: None,
    })
}

#[tokio::test]
async fn a_second_engine_adds_to_what_the_first_sees() {
    let fake = Fake::start("ClamAV 1", &["virus"]).await;
    let with = |clamd: Vec<ClamdAddress>, script: &str| {
        let second = Some(command(script));
        Antivirus::new(&config::Antivirus { clamd, second, ..config::Antivirus::default() })
    };
    let whole = |antivirus: Antivirus, text: &'static str| async move {
        antivirus.look_at_whole(&octets(text), Freshness::Remembered).await
    };
    let own = vec![fake.address.clone()];
    let seen = whole(with(own.clone(), "echo Second; exit 1"), "x").await;
    assert_eq!(names(&seen), [("VIRUS_FOUND", "signature Second")]);
    let seen = whole(with(own.clone(), "exit 0"), "a virus").await;
    assert_eq!(names(&seen), [("VIRUS_FOUND", "signature Test.virus")]);
    let seen = whole(with(own, "exit 9"), "x").await;
    assert_eq!(seen.failed[0].on_failure, OnFailure::Deliver, "beside a clamd");
    assert_eq!(failed(&seen.failed[0].error).name, "AV_SECOND_FAILED");
    let seen = whole(with(Vec::new(), "exit 9"), "x").await;
    assert_eq!(seen.failed[0].on_failure, OnFailure::Defer, "all there is");
    let seen = whole(with(Vec::new(), "exit 0"), "x").await;
    assert!(seen.sightings.is_empty() && seen.failed.is_empty());
}

#[tokio::test]
async fn what_an_engine_could_not_read_is_no_malware() {
    let words = ["Heuristics.Encrypted.Zip", "Heuristics.Limits.Exceeded.MaxFiles"];
    let fake = Fake::start("ClamAV 1/5/Mon Dec  2 11:39:23 2024", &words).await;
    let antivirus = antivirus(&[&fake]);
    let table = [(words[0], "AV_ENCRYPTED"), (words[1], "AV_INCOMPLETE")];
    for (word, finding) in table {
        // Asked for twice: it is remembered for what it is.
        for _ in 0..2 {
            let seen = antivirus.look_at_whole(&octets(word), Freshness::Remembered).await;
            assert_eq!(names(&seen), [(finding, word)]);
            assert!(!seen.is_infected());
        }
    }
    assert!(antivirus.scan_again(&octets(words[0])).await.unwrap().is_none());
}
