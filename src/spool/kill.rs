//! The spool in a process of its own, killed at random moments: what was acknowledged and not
//! delivered is there, whole; what was durably ended is not.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::mail::{Content, Envelope, Recipient, ReversePath, Summary};

const DIR: &str = "POSTERN_KILL_TEST_DIR";
const CYCLES: u64 = 12;

fn settings() -> SpoolSettings {
    // Small segments: rotation, compaction and deletion happen all the time.
    SpoolSettings { segment_octets: 96 << 10, reserve_octets: 1 << 20, cache_octets: 16 << 10 }
}

fn content(number: usize) -> Vec<u8> {
    format!("mail {number}\r\n").repeat(20 + number % 300).into_bytes()
}

fn say(word: &str, id: MailId, number: usize) {
    // One write a line: the reader may see the last one cut, never two mixed.
    let line = format!("\n{word} {id} {number} .\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

/// Not a test by itself: the process that is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the test below"]
async fn load_until_killed() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let (spool, _) = Spool::open(&settings(), Path::new(&dir)).unwrap();
    for task in 0..6usize {
        let spool = Arc::clone(&spool);
        tokio::spawn(async move {
            for number in (task * 1_000_000).. {
                let envelope = Envelope {
                    reverse_path: ReversePath::Null,
                    recipients: vec![Recipient::plain(
                        format!("u{number}@x.test").parse().unwrap(),
                    )],
                    body: Default::default(),
                    smtputf8: false,
                    dsn_return: None,
                    envelope_id: Some(number.to_string()),
                };
                let content = Content::from_bytes(content(number));
                let own = OwnMail::new(envelope, content, Summary::default(), None);
                let id = spool.commit_own(own).await.unwrap().id;
                say("acknowledged", id, number);
            }
        });
    }
    for turn in 0usize.. {
        let due = spool.due().await;
        let number = due.envelope.envelope_id.as_ref().unwrap().parse().unwrap();
        if turn % 13 == 0 {
            let later = SystemTime::now() + Duration::from_secs((turn % 3) as u64);
            spool.postpone(due.id, later, Attempt::Counts, "451 later".into());
            continue;
        }
        say("delivered", due.id, number);
        let outcome = Outcome::Delivered { hop: "hop".into(), reply: "250".into() };
        spool.record(due.id, 0, outcome);
        if turn % 50 == 0 {
            spool.flush().await.unwrap();
            say("ended", due.id, number);
        }
    }
}

#[test]
fn killed_at_any_moment_nothing_acknowledged_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::new();
    let (mut delivered, mut ended) = (BTreeSet::new(), BTreeSet::new());
    let mut deliveries = 0usize;
    for cycle in 0..CYCLES {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "spool::kill::load_until_killed", "--ignored", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let reader = std::thread::spawn(move || {
            output.lines().map_while(Result::ok).collect::<Vec<String>>()
        });
        std::thread::sleep(Duration::from_millis(120 + cycle * 7919 % 250));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in reader.join().unwrap() {
            let words: Vec<&str> = line.split(' ').collect();
            let [word, id, number, "."] = words[..] else { continue };
            let Ok(id) = id.parse::<MailId>() else { continue };
            match word {
                "acknowledged" => drop(acknowledged.insert(id, number.parse::<usize>().unwrap())),
                "delivered" => {
                    deliveries += 1;
                    delivered.insert(id);
                }
                "ended" => drop(ended.insert(id)),
                _ => {}
            }
        }
        let (spool, recovery) = Spool::open(&settings(), dir.path()).unwrap();
        assert!(recovery.replay.corrupt.is_empty(), "{:?}", recovery.replay);
        for (id, number) in &acknowledged {
            let there = spool.load(*id).unwrap();
            assert!(there.is_some() || delivered.contains(id), "mail {id} is lost");
            assert!(there.is_none() || !ended.contains(id), "mail {id} rose from the dead");
            if let Some(mail) = there {
                assert!(mail.content.read_all().unwrap() == content(*number), "{id} is not whole");
            }
        }
        spool.close();
    }
    let twice = deliveries - delivered.len();
    println!("{} acknowledged, {deliveries} delivered, {twice} twice", acknowledged.len());
    assert!(acknowledged.len() > 100 && !ended.is_empty());
}
