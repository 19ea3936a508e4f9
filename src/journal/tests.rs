//! The journal's files, its writer, and what is told of events.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use proptest::prelude::*;

use super::frame::{Entry, SEGMENT_HEAD};
use super::*;
use crate::mail::{Role, TlsFacts, Verdict};

fn received(from: &str, to: &[&str]) -> Event {
    Event::Received {
        role: Role::Inbound,
        client: "192.0.2.1".parse().unwrap(),
        helo: "client.test".into(),
        reverse_path: from.into(),
        forward_paths: to.iter().map(|path| (*path).to_owned()).collect(),
        size_octets: 1_234,
        tls: Some(TlsFacts { version: "TLSv1.3".into(), cipher: "TLS13_AES".into() }),
        account: None,
    }
}

fn judged(message_id: &str, subject: &str) -> Event {
    Event::Judged {
        verdict: Verdict::Spam,
        score: 7.5,
        findings: vec![FindingNote { name: "X".into(), score: 7.5, detail: "why".into() }],
        subject: subject.into(),
        message_id: message_id.into(),
        dispositions: "deliver 1".into(),
    }
}

fn delivered(to: &str) -> Event {
    let (recipient, hop, reply) = (to.into(), "smtp://10.0.0.5:25".into(), "250 ok".into());
    Event::Delivered { recipient, hop, reply, tls: None }
}

fn open(dir: &tempfile::TempDir) -> Arc<Journal> {
    Journal::open(&config::Journal::default(), dir.path()).unwrap()
}

fn small(dir: &tempfile::TempDir) -> Arc<Journal> {
    Journal::open_with(&config::Journal::default(), dir.path(), 4_096).unwrap()
}

/// Records whole stories; every fourth mail is refused.
fn fill(journal: &Journal, mails: usize) -> Vec<MailId> {
    let ids: Vec<MailId> = (0..mails).map(|_| MailId::mint()).collect();
    for (number, id) in ids.iter().enumerate() {
        let to = [format!("to{number}@B.example.test"), "all@example.test".into()];
        let from = format!("Sender{}@a.example", number % 10);
        journal.record(*id, received(&from, &[&to[0], &to[1]]));
        journal.record(*id, judged(&format!("id{number}@a.example"), "hello"));
        match number % 4 {
            0 => {
                let reply = "550 5.7.1 no".into();
                journal.record(*id, Event::Refused { reply, stage: "policy".into() });
            }
            _ => {
                journal.record(*id, Event::Committed);
                journal.record(*id, delivered(&to[0]));
            }
        }
    }
    ids
}

fn ids(stories: &[Story]) -> Vec<MailId> {
    stories.iter().map(|story| story.mail_id).collect()
}

fn ask(journal: &Journal, sender: &str, recipient: &str, message_id: &str) -> Vec<Story> {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let query = TrackQuery {
        sender: some(sender),
        recipient: some(recipient),
        message_id: some(message_id),
        mail_id: None,
        limit: 1_000,
        ..TrackQuery::default()
    };
    let found = journal.search(&query).unwrap();
    assert!(found.is_complete);
    found.stories
}

/// Everything that is asked of a journal of 200 mails filled by [`fill`].
fn interrogate(journal: &Journal, mails: &[MailId]) {
    let one = |number: usize| vec![mails[number]];
    let newest_first = |numbers: &mut dyn Iterator<Item = usize>| {
        let mut picked: Vec<MailId> = numbers.map(|number| mails[number]).collect();
        picked.reverse();
        picked
    };
    let table = [
        ("", "to7@b.example.test", "", one(7)),
        ("", "TO7@", "", one(7)),
        ("", "<to7@b.example.test>", "", one(7)),
        ("", "to19", "", newest_first(&mut (0..200).filter(|n| *n == 19 || n / 10 == 19))),
        ("sender3@A.EXAMPLE", "", "", newest_first(&mut (0..200).filter(|n| n % 10 == 3))),
        ("sender3", "to53@", "", one(53)),
        ("sender4", "to53@", "", vec![]),
        ("", "", "<id8@a.example>", one(8)),
        ("", "", "id8@a.example", one(8)),
        ("", "", "ID8@a.example", vec![]),
        ("", "nobody", "", vec![]),
        ("", "all@example.test", "", newest_first(&mut (0..200))),
        ("", "", "", newest_first(&mut (0..200))),
        ("<>", "", "", vec![]),
    ];
    for (sender, recipient, message_id, expected) in table {
        let found = ids(&ask(journal, sender, recipient, message_id));
        assert_eq!(found, expected, "{sender:?} {recipient:?} {message_id:?}");
    }
    let query = TrackQuery { mail_id: Some(mails[5]), ..TrackQuery::default() };
    let story = journal.track(&query).unwrap().pop().unwrap();
    let names: Vec<&str> = story.events.iter().map(|(_, event)| event.name()).collect();
    assert_eq!(names, ["received", "judged", "committed", "delivered"]);
    assert_eq!(story.reverse_path, "Sender5@a.example");
    assert_eq!(story.forward_paths, ["to5@B.example.test", "all@example.test"]);
    assert_eq!((story.subject.as_str(), story.message_id.as_str()), ("hello", "id5@a.example"));
    let refused = ask(journal, "", "to4@b", "").pop().unwrap();
    assert_eq!(refused.events.last().unwrap().1.name(), "refused");
    let few = TrackQuery { limit: 3, ..TrackQuery::default() };
    let found = journal.search(&few).unwrap();
    assert_eq!(found.stories.len(), 3);
}

#[test]
fn mails_are_found_while_they_happen_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    let mails = fill(&journal, 200);
    interrogate(&journal, &mails);
    drop(journal);
    interrogate(&open(&dir), &mails);
}

fn files(dir: &tempfile::TempDir, extension: &str) -> Vec<PathBuf> {
    let folder = dir.path().join("journal");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|one| one == extension)).collect();
    files.sort();
    files
}

#[test]
fn mails_are_found_over_many_segments_whatever_became_of_the_indexes() {
    let dir = tempfile::tempdir().unwrap();
    let journal = small(&dir);
    let mails = fill_slowly(&journal, 200);
    assert!(files(&dir, "seg").len() > 5, "{:?}", files(&dir, "seg"));
    interrogate_known(&journal, &mails);
    drop(journal);

    let indexes = files(&dir, "idx");
    fs::remove_file(&indexes[0]).unwrap();
    fs::write(&indexes[1], "damaged").unwrap();
    let mut body = fs::read(&indexes[2]).unwrap();
    let last = body.len() - 1;
    body[last] ^= 1;
    fs::write(&indexes[2], body).unwrap();
    fs::write(dir.path().join("journal/00009999.idx"), "orphan").unwrap();
    let journal = small(&dir);
    interrogate_known(&journal, &mails);
    assert_eq!(files(&dir, "idx").len(), indexes.len());
    // Damaged while the box runs.
    fs::remove_file(&indexes[3]).unwrap();
    interrogate_known(&journal, &mails);
}

fn fill_slowly(journal: &Journal, mails: usize) -> Vec<MailId> {
    let ids: Vec<MailId> = (0..mails).map(|_| MailId::mint()).collect();
    for (number, id) in ids.iter().enumerate() {
        journal.record(*id, received("s@a.example", &[&format!("to{number}@b.test")]));
        journal.record(*id, judged(&format!("id{number}@a.example"), "hello"));
        if number % 10 == 9 {
            journal.flush();
        }
    }
    // Long afterwards, in another segment.
    for (number, id) in ids.iter().enumerate() {
        journal.record(*id, delivered(&format!("to{number}@b.test")));
    }
    journal.flush();
    ids
}

fn interrogate_known(journal: &Journal, mails: &[MailId]) {
    assert_eq!(ask(journal, "s@a.example", "", "").len(), mails.len());
    for number in [0, 1, 50, 120, 199] {
        let by_recipient = ask(journal, "", &format!("to{number}@b"), "");
        assert_eq!(ids(&by_recipient), [mails[number]]);
        let by_message_id = ask(journal, "", "", &format!("id{number}@a.example"));
        assert_eq!(by_message_id, by_recipient);
        assert_eq!(by_recipient[0].events.len(), 3, "{number}");
    }
}

#[test]
fn torn_and_damaged_segments_lose_only_what_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    let mails: Vec<MailId> = (0..100).map(|_| MailId::mint()).collect();
    for (number, id) in mails.iter().enumerate() {
        journal.record(*id, received("s@a.example", &[&format!("to{number}@b.test")]));
    }
    drop(journal);
    let segment = files(&dir, "seg").pop().unwrap();
    let mut octets = fs::read(&segment).unwrap();
    let whole = octets.len();
    let middle = memchr::memmem::find(&octets, b"to50@b.test").unwrap();
    octets[middle] ^= 0x20;
    octets.truncate(whole - 5);
    fs::write(&segment, &octets).unwrap();
    let journal = open(&dir);
    assert_eq!(ask(&journal, "s@a.example", "", "").len(), 98);
    assert_eq!(ids(&ask(&journal, "", "to51@", "")), [mails[51]]);
    assert_eq!(ask(&journal, "", "to50@", "").len() + ask(&journal, "", "to99@", "").len(), 0);
    let corrupt = fs::read_dir(dir.path().join("journal/corrupt")).unwrap().count();
    assert_eq!(corrupt, 2);
    // What is recorded next stands after the cut.
    let next = MailId::mint();
    journal.record(next, received("s@a.example", &["next@b.test"]));
    drop(journal);
    let journal = open(&dir);
    assert_eq!(ids(&ask(&journal, "", "next@", "")), [next]);
    drop(journal);
    for broken in [b"".as_slice(), b"POST", b"something else entirely"] {
        fs::write(&segment, broken).unwrap();
        let journal = open(&dir);
        assert!(ask(&journal, "", "", "").is_empty());
    }
}

#[test]
fn one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    let second = Journal::open(&config::Journal::default(), dir.path());
    assert!(matches!(second, Err(JournalError::Busy)));
    journal.close();
    journal.record(MailId::mint(), Event::Committed);
    assert_eq!(journal.lost(), 1);
    drop(journal);
    open(&dir);
}

#[test]
fn expired_segments_are_removed_whole() {
    let dir = tempfile::tempdir().unwrap();
    let journal = small(&dir);
    fill_slowly(&journal, 100);
    let before = files(&dir, "seg").len();
    journal.books.expire(now_ms() - 60_000);
    assert_eq!(files(&dir, "seg").len(), before);
    journal.books.expire(now_ms() + 60_000);
    assert_eq!((files(&dir, "seg").len(), files(&dir, "idx").len()), (1, 0));
    journal.record(MailId::mint(), received("late@a.example", &["x@b.test"]));
    assert_eq!(ask(&journal, "late@", "", "").len(), 1);
}

#[test]
fn hostile_texts_are_kept_found_and_shown_harmlessly() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    let id = MailId::mint();
    let address = "\"a\x1b[2J\n\"@x.test";
    journal.record(id, received("", &[address]));
    let long = "ä".repeat(100_000);
    journal.record(id, judged("m\r\nforged", &long));
    journal.record(id, Event::Refused { reply: long.clone(), stage: long.clone() });
    let many: Vec<String> = (0..20_000).map(|number| format!("{number}@x.test")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let other = MailId::mint();
    journal.record(other, received(&long, &many));
    // Who never named a sender is none without one.
    let visit = Event::VisitRefused {
        client: "192.0.2.1".parse().unwrap(),
        reply: "554 no".into(),
        stage: "connection".into(),
    };
    journal.record(MailId::mint(), visit);
    assert_eq!(ids(&ask(&journal, "<>", "", "")), [id]);
    let story = ask(&journal, "", address, "").pop().unwrap();
    assert_eq!(story.forward_paths, [address]);
    assert!(story.subject.len() <= 1_024);
    let words = story.in_plain_words();
    assert!(!words.replace('\n', "").contains(crate::telemetry::escape::is_active), "{words}");
    assert!(words.contains("from <> to <\"a\\u{1b}[2J\\n\"@x.test>"), "{words}");
    let story = ask(&journal, "", "9999@x.test", "").pop().unwrap();
    assert_eq!((story.mail_id, story.forward_paths.len()), (other, 10_000));
    assert!(story.in_plain_words().len() < 5_000);
}

fn every_event() -> Vec<Event> {
    let by = || "anna".to_owned();
    let text = || "text".to_owned();
    vec![
        received("a@b.test", &["c@d.test"]),
        judged("id", "subject"),
        Event::Refused { reply: text(), stage: text() },
        Event::Committed,
        delivered("c@d.test"),
        Event::Deferred { recipient: text(), reply: text(), next_attempt_ms: 7 },
        Event::Failed { recipient: text(), reply: text() },
        Event::Reported { report: MailId::mint() },
        Event::Quarantined { area: text(), recipients: vec![text()] },
        Event::Released { by: by() },
        Event::Held { by: by() },
        Event::Retried { by: by() },
        Event::Removed { by: by() },
        Event::Discarded,
        Event::Expired,
        Event::Recovered,
        Event::OriginalKept { area: text(), recipients: vec![text()] },
        Event::Administered(Box::new(ActNote {
            act_id: MailId::from_octets([7; 12]),
            act: Act { who: by(), what: text(), before: Some(text()), ..Act::default() },
        })),
        Event::Originated {
            about: Some(MailId::mint()),
            reverse_path: String::new(),
            forward_paths: vec![text()],
            subject: text(),
            size_octets: 9,
        },
    ]
}

#[test]
fn every_event_survives_disk_and_json_and_can_be_read_by_people() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    let id = MailId::mint();
    for event in every_event() {
        journal.record(id, event);
    }
    let query = TrackQuery { mail_id: Some(id), ..TrackQuery::default() };
    let story = journal.track(&query).unwrap().pop().unwrap();
    let events: Vec<Event> = story.events.iter().map(|(_, event)| event.clone()).collect();
    assert_eq!(events, every_event_like(&events));
    let json = serde_json::to_string(&story).unwrap();
    assert_eq!(serde_json::from_str::<Story>(&json).unwrap(), story);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["mail_id"], id.to_string());
    assert_eq!(value["events"][0]["event"], "received");
    assert_eq!(value["events"][0]["role"], "inbound");
    assert_eq!(value["events"][3]["event"], "committed");
    assert!(value["events"][0]["at"].as_str().unwrap().ends_with('Z'));
    let Event::Reported { report } = &story.events[7].1 else { panic!() };
    assert_eq!(value["events"][7]["report"], report.to_string());
    for word in ["received (inbound) from 192.0.2.1 [client.test]", "score 7.5", "held by anna"] {
        assert!(story.in_plain_words().contains(word), "{}", story.in_plain_words());
    }
}

/// The events of [`every_event`] with the MailIds of `events`.
fn every_event_like(events: &[Event]) -> Vec<Event> {
    let mut fresh = every_event();
    for (fresh, seen) in fresh.iter_mut().zip(events) {
        match (fresh, seen) {
            (Event::Reported { report }, Event::Reported { report: seen }) => *report = *seen,
            (Event::Originated { about, .. }, Event::Originated { about: seen, .. }) => {
                *about = *seen;
            }
            _ => {}
        }
    }
    fresh
}

#[test]
fn a_slow_writer_holds_back_those_who_record_but_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    let detail = "x".repeat(1_000);
    let note = FindingNote { name: "X".into(), score: 1.0, detail };
    let big = Event::Judged {
        verdict: Verdict::Spam,
        score: 1.0,
        findings: vec![note; 90],
        subject: String::new(),
        message_id: "big".into(),
        dispositions: String::new(),
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..300).for_each(|_| journal.record(MailId::mint(), big.clone())));
        }
    });
    journal.close();
    assert_eq!(journal.lost(), 0);
    drop(journal);
    let journal = open(&dir);
    let query = TrackQuery { message_id: Some("big".into()), limit: 5_000, ..Default::default() };
    let found = journal.search(&query).unwrap();
    // A machine that does other things besides may not let the search end.
    assert!(found.stories.len() == 1_200 || !found.is_complete, "{}", found.stories.len());
}

#[test]
#[ignore = "prints what recording costs; meaningful alone and optimised"]
fn what_recording_costs() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir);
    let mails = 200_000usize;
    let start = Instant::now();
    let mut callers = Duration::ZERO;
    for number in 0..mails {
        let id = MailId::mint();
        let to = format!("person{}@example.test", number % 5_000);
        let events = [
            received(&format!("sender{number}@client{}.example", number % 700), &[&to]),
            judged(&format!("{number}.{number}@client.example"), "An ordinary subject of a mail"),
            Event::Committed,
            delivered(&to),
        ];
        let before = Instant::now();
        events.into_iter().for_each(|event| journal.record(id, event));
        callers += before.elapsed();
    }
    journal.close();
    let each = |total: Duration| total.as_secs_f64() * 1e6 / (mails * 4) as f64;
    println!(
        "{:.2} µs an event for callers, {:.2} µs in all",
        each(callers),
        each(start.elapsed())
    );
    drop(journal);
    let before = Instant::now();
    let journal = open(&dir);
    println!("opened in {:?}", before.elapsed());
    for _ in 0..2 {
        for (sender, recipient, id) in
            [("sender77@", "", ""), ("", "person4999@", ""), ("", "", "7.7@client.example")]
        {
            let before = Instant::now();
            let count = ask(&journal, sender, recipient, id).len();
            println!("{sender}{recipient}{id}: {count} in {:?}", before.elapsed());
        }
    }
}

fn scanned(octets: &[u8]) -> (Vec<(usize, Entry)>, frame::Scan) {
    let mut entries = Vec::new();
    let scan = frame::scan(octets, &mut |offset, entry| entries.push((offset, entry)));
    (entries, scan)
}

proptest! {
    #[test]
    fn damage_anywhere_never_forges_and_spares_the_rest(
        at in 0usize..2_000, mask in 1u8..=255, cut in 0usize..2_000
    ) {
        let mut octets = SEGMENT_HEAD.to_vec();
        for (number, event) in every_event().into_iter().enumerate() {
            let entry = Entry { mail_id: MailId::mint(), at_ms: number as u64, event };
            frame::write(&entry, &mut octets).unwrap();
        }
        let (whole, scan) = scanned(&octets);
        prop_assert_eq!(whole.len(), every_event().len());
        prop_assert_eq!((scan.end, scan.damaged.len()), (octets.len(), 0));
        let at = SEGMENT_HEAD.len() + at % (octets.len() - SEGMENT_HEAD.len());
        octets[at] ^= mask;
        let (spared, _) = scanned(&octets);
        prop_assert_eq!(spared.len(), whole.len() - 1);
        prop_assert!(spared.iter().all(|entry| whole.contains(entry)));
        octets[at] ^= mask;
        octets.truncate(cut % octets.len());
        let (kept, scan) = scanned(&octets);
        prop_assert!(whole.starts_with(&kept));
        prop_assert!(scan.damaged.is_empty() && scan.end <= octets.len());
    }

    #[test]
    fn no_octets_lead_astray(noise in prop::collection::vec(any::<u8>(), 0..400)) {
        let (entries, _) = scanned(&noise);
        prop_assert!(entries.is_empty());
    }
}

#[test]
fn events_wait_for_a_disk_that_refuses_them() {
    let dir = tempfile::tempdir().unwrap();
    let journal = small(&dir);
    let mut mails = fill_slowly(&journal, 40);
    let (folder, away) = (dir.path().join("journal"), dir.path().join("away"));
    fs::rename(&folder, &away).unwrap();
    // More than what is left of the segment, so that the next one must be begun.
    for number in 0..100 {
        let id = MailId::mint();
        let before = Instant::now();
        journal.record(id, received("s@a.example", &[&format!("later{number}@b.test")]));
        assert!(before.elapsed() < Duration::from_secs(1));
        mails.push(id);
        if number % 20 == 0 {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    std::thread::sleep(Duration::from_millis(300));
    fs::rename(&away, &folder).unwrap();
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(ask(&journal, "s@a.example", "", "").len(), mails.len());
    assert_eq!(journal.lost(), 0);
    drop(journal);
    assert_eq!(ask(&small(&dir), "s@a.example", "", "").len(), mails.len());
}

mod telemetry {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use tracing::field::{Field, Visit};
    use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

    use super::*;

    type Fields = BTreeMap<String, String>;

    #[derive(Clone, Default)]
    struct Collect(Arc<Mutex<Vec<Fields>>>);

    struct Visitor<'a>(&'a mut Fields);

    impl Visit for Visitor<'_> {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            self.0.insert(field.name().to_owned(), format!("{value:?}"));
        }
    }

    impl<S: tracing::Subscriber> Layer<S> for Collect {
        fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
            let mut fields = Fields::from([("target".into(), event.metadata().target().into())]);
            event.record(&mut Visitor(&mut fields));
            self.0.lock().unwrap().push(fields);
        }
    }

    #[test]
    fn every_event_is_announced_once_with_its_mail_id_and_name() {
        let collect = Collect::default();
        let id = MailId::mint();
        let subscriber = tracing_subscriber::registry().with(collect.clone());
        tracing::subscriber::with_default(subscriber, || {
            every_event().iter().for_each(|event| announce::announce(id, event));
        });
        let seen = collect.0.lock().unwrap();
        assert_eq!(seen.len(), every_event().len());
        for (fields, event) in seen.iter().zip(every_event()) {
            assert_eq!(fields["target"], "postern::journal");
            assert_eq!(fields["mail_id"], id.to_string());
            assert_eq!(fields["event"], format!("{:?}", event.name()));
            assert_eq!(fields["message"], event.name());
        }
        assert_eq!(seen[0]["client"], "\"192.0.2.1\"");
        assert_eq!(seen[0]["forward_paths"], "\"c@d.test\"");
        assert_eq!(seen[1]["findings"], "\"X 7.5\"");
        assert_eq!(seen[5]["next_attempt_ms"], "7");
    }
}
