//! Whether indexes and summaries answer as reading every event does: over random events,
//! through ends of segments and restarts, with files damaged, missing and expired, for
//! administrators of some domains, page by page.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::flow::DAY_MS;
use super::query::first_id_at;
use super::*;
use crate::mail::{Role, Verdict};

const DOMAINS: [&str; 5] = ["own.test", "other.test", "third.test", "out.example", "far.example"];
const HOME: [&str; 2] = ["own.test", "other.test"];
const WORDS: [&str; 5] = ["invoice", "Größe", "meeting", "offer", "見積"];
const RULES: [&str; 3] = ["keep", "say \"no\"", "Third Rule"];

fn address(number: u8) -> String {
    let names = ["ann", "Bob", "carl.jr", "d"];
    let domain = DOMAINS[usize::from(number) % DOMAINS.len()];
    match number % 23 {
        0 => String::new(),
        _ => format!("{}@{domain}", names[usize::from(number / 5) % names.len()]),
    }
}

fn client(number: u8) -> std::net::IpAddr {
    match number % 3 {
        0 => format!("2001:db8::{number:x}").parse().unwrap(),
        _ => format!("192.0.2.{number}").parse().unwrap(),
    }
}

/// The first event of a mail, by random octets.
fn beginning([kind, from, to, more]: [u8; 4]) -> Event {
    let reverse_path = address(from);
    let mut forward_paths = vec![address(to | 1)];
    if more > 150 {
        forward_paths.push(address(more));
    }
    let role = [Role::Inbound, Role::Outbound, Role::Submission][usize::from(kind) % 3];
    match kind % 16 {
        0 => Event::VisitRefused {
            client: client(from),
            reply: "554 no".into(),
            stage: "connection".into(),
        },
        1 | 2 => Event::TurnedAway {
            client: client(from),
            reverse_path,
            forward_paths,
            reply: "550 no".into(),
            stage: "RCPT".into(),
        },
        3 => Event::Originated {
            about: None,
            reverse_path: String::new(),
            forward_paths,
            subject: format!("{} notice", WORDS[usize::from(more) % WORDS.len()]),
            size_octets: u64::from(more),
        },
        4 => Event::Continued {
            about: MailId::mint(),
            role,
            reverse_path,
            forward_paths,
            subject: format!("{} kept", WORDS[usize::from(more) % WORDS.len()]),
            message_id: format!("{}@id.test", more % 16),
            size_octets: u64::from(more),
        },
        _ => Event::Received {
            role,
            client: client(more),
            helo: "client.test".into(),
            reverse_path,
            forward_paths,
            size_octets: u64::from(from) * 100,
            tls: None,
            account: None,
        },
    }
}

fn judged([kind, what, words, _]: [u8; 4]) -> Event {
    let verdicts = [Verdict::Clean, Verdict::Spam, Verdict::Malicious, Verdict::Policy];
    let note = |name: &str, detail: String| FindingNote { name: name.into(), score: 1.0, detail };
    let mut findings = Vec::new();
    if what % 2 == 0 {
        findings.push(note("SPF_FAIL", String::new()));
    }
    if what % 3 == 0 {
        let rule = RULES[usize::from(what) % RULES.len()];
        findings.push(note("POLICY_RULE", format!("the rule {rule:?}: quarantine")));
    }
    if what % 5 == 0 {
        findings.push(note("VIRUS_FOUND", format!("a.exe: signature Win.Test-{}", what % 4)));
    }
    let word = |number: u8| WORDS[usize::from(number) % WORDS.len()];
    Event::Judged {
        verdict: verdicts[usize::from(kind) % verdicts.len()],
        score: 1.0,
        findings,
        subject: format!("{} {}", word(words), word(words / 5)),
        message_id: if kind > 40 { format!("{}@id.test", words % 16) } else { String::new() },
        dispositions: "deliver 1".into(),
    }
}

fn later(octets: [u8; 4]) -> Event {
    let [kind, what, ..] = octets;
    let recipient = address(what | 1);
    match kind % 12 {
        0..=2 => judged(octets),
        3 => Event::Committed,
        4 | 5 => Event::Delivered {
            recipient,
            hop: "smtp://hop.test".into(),
            reply: "250".into(),
            tls: None,
        },
        6 => Event::Deferred { recipient, reply: "451".into(), next_attempt_ms: 1 },
        7 => Event::Quarantined { area: "spam".into(), recipients: vec![recipient; 2] },
        8 => Event::Refused { reply: "550".into(), stage: "policy".into() },
        9 => Event::Released { by: "anna".into() },
        10 => Event::FoundLater {
            path: String::new(),
            what: "signature Late.Test".into(),
            version: "1".into(),
        },
        _ => beginning([1, what, octets[2], octets[3]]),
    }
}

fn act(act_id: MailId, [_, who, what, object]: [u8; 4]) -> Event {
    let act = Act {
        who: ["anna", "Bert"][usize::from(who) % 2].into(),
        what: ["quarantine.release", "policy.publish", "policy"][usize::from(what) % 3].into(),
        object: format!("thing {}", object % 4),
        ..Act::default()
    };
    Event::Administered(Box::new(ActNote { act_id, act }))
}

fn name(at_ms: u64, number: u16) -> MailId {
    let mut octets = *first_id_at(at_ms).octets();
    octets[6..8].copy_from_slice(&number.to_be_bytes());
    octets[8..].copy_from_slice(b"test");
    MailId::from_octets(octets)
}

/// A step of the tale: which mail (a new one when there is none yet), when, what.
type Step = (u8, u32, [u8; 4]);

/// Writes a tale that ends now.
fn tell(journal: &Journal, steps: &[Step], now_ms: u64) {
    let mut at_ms = now_ms - steps.iter().map(|(_, pause, _)| u64::from(*pause)).sum::<u64>();
    let mut mails: Vec<MailId> = Vec::new();
    for (number, (which, pause, octets)) in steps.iter().enumerate() {
        at_ms += u64::from(*pause);
        let fresh = name(at_ms, number as u16);
        let known = mails.get(usize::from(*which) % (mails.len() + 3)).copied();
        let (mail_id, event) = match (octets[0] % 10, known) {
            (9, known) => (known.unwrap_or(fresh), act(fresh, *octets)),
            (_, Some(known)) => (known, later(*octets)),
            (_, None) => {
                mails.push(fresh);
                (fresh, beginning(*octets))
            }
        };
        journal.record_at(mail_id, at_ms, event);
        if octets[3] % 4 == 0 {
            journal.flush();
        }
    }
    journal.flush();
}

fn some(octets: [u8; 4]) -> TrackQuery {
    let [kind, one, two, _] = octets;
    let text = |text: &str| Some(text.to_owned());
    let mut query = TrackQuery::default();
    for number in [kind, one] {
        match number % 16 {
            0 => query.sender = text(["ann@", "OWN.test", "<>", "nobody"][usize::from(two) % 4]),
            1 => query.recipient = text(["bob", "own", "@far.example", "x"][usize::from(two) % 4]),
            2 => query.any = text(["carl.jr@own.test", "other", "d@"][usize::from(two) % 3]),
            3 => {
                query.subject =
                    text(["INVOICE", "grosse", "größe offer", "積"][usize::from(two) % 4])
            }
            4 => {
                query.client =
                    text(["192.0.2.0/25", "2001:db8::/64", "192.0.2.7"][usize::from(two) % 3])
            }
            5 => query.verdict = text(["spam", "clean", "malicious"][usize::from(two) % 3]),
            6 => query.rule = text(["KEEP", "say \"no\"", "third rule", "x"][usize::from(two) % 4]),
            7 if two % 5 == 0 => query.recipient = text("<BOB@own.test>"),
            7 => query.finding = text(["spf_fail", "VIRUS_FOUND"][usize::from(two) % 2]),
            8 => query.virus = text(["win.test", "late", "-1"][usize::from(two) % 3]),
            9 => query.direction = Some(Direction::ALL[usize::from(two) % 4]),
            10 => query.state = Some(State::ALL[usize::from(two) % State::ALL.len()]),
            11 => query.message_id = Some(format!("<{}@id.test>", two % 16)),
            12 => query.domains = Some(vec![DOMAINS[usize::from(two) % 5].to_uppercase()]),
            13 => query.domains = Some(HOME.map(str::to_owned).into()),
            14 => query.since_ms = Some(now_ms() - u64::from(two) * 3_000_000),
            _ => query.until_ms = Some(now_ms() - u64::from(two) * 3_000_000),
        }
    }
    query
}

/// The whole answer, fetched in pages.
fn in_pages(journal: &Journal, query: &TrackQuery, limit: usize) -> Vec<Story> {
    let mut stories = Vec::new();
    let mut query = TrackQuery { limit, ..query.clone() };
    loop {
        let found = journal.search(&query).unwrap();
        assert!(found.stories.len() <= limit);
        stories.extend(found.stories);
        assert_eq!(found.older_than.is_none(), found.is_complete);
        match found.older_than {
            Some(older_than) => query.before = Some(older_than),
            None => return stories,
        }
    }
}

/// Compares all answers with those of reading every event.
fn compare(journal: &Journal, questions: &[[u8; 4]], now_ms: u64) {
    for octets in questions {
        let query = TrackQuery { limit: 1_000, ..some(*octets) };
        let expected = naive::search(&journal.books, &query);
        let found = journal.search(&query).unwrap();
        assert_eq!(found, expected, "{query:?}");
        let pages = in_pages(journal, &query, 1 + usize::from(octets[3] % 7));
        assert_eq!(pages, expected.stories, "{query:?}");
        if let Some(story) = expected.stories.first() {
            let query = TrackQuery { mail_id: Some(story.mail_id), ..TrackQuery::default() };
            assert_eq!(journal.track(&query).unwrap(), std::slice::from_ref(story));
        }
        if let Some(domains) = &query.domains {
            let scope: BTreeSet<String> = domains.iter().map(|one| one.to_lowercase()).collect();
            for story in &found.stories {
                let paths = std::iter::once(&story.reverse_path).chain(&story.forward_paths);
                let mut domains = paths.filter_map(|path| path.rsplit_once('@'));
                assert!(domains.any(|(_, domain)| scope.contains(domain)), "{story:?}");
            }
        }
    }
    for span in Span::ALL {
        for domains in
            [None, Some(vec!["own.test".to_owned()]), Some(HOME.map(str::to_owned).into())]
        {
            let domains = domains.as_deref();
            let expected = naive::flow(&journal.books, span, domains, now_ms);
            assert_eq!(counts::flow(&journal.books, span, domains, now_ms), expected);
            for topping in Topping::ALL {
                let expected = naive::top(&journal.books, (span, topping), 5, domains, now_ms);
                let found = counts::top(&journal.books, (span, topping), 5, domains, now_ms);
                assert_eq!(found, expected, "{span:?} {domains:?}");
            }
        }
    }
    for who in [None, Some("ANNA"), Some("nobody")] {
        for what in [None, Some("policy"), Some("quarantine.release"), Some("quarant")] {
            for object in [None, Some("THING 2"), Some("2")] {
                let text = |text: Option<&str>| text.map(str::to_owned);
                let (who, what, object) = (text(who), text(what), text(object));
                let mut query = ActQuery { who, what, object, limit: 3, ..ActQuery::default() };
                loop {
                    let expected = naive::acts(&journal.books, &query);
                    assert_eq!(journal.acts(&query).unwrap(), expected, "{query:?}");
                    match expected.older_than {
                        Some(older_than) => query.before = Some(older_than),
                        None => break,
                    }
                }
            }
        }
    }
}

fn small(dir: &tempfile::TempDir) -> Arc<Journal> {
    let journal = Journal::open_with(&config::Journal::default(), dir.path(), 2_048).unwrap();
    journal.set_home(&HOME.map(str::to_owned));
    journal
}

fn files(dir: &tempfile::TempDir, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.path().join("journal")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|one| one == extension)).collect();
    files.sort();
    files
}

/// What was verified once is believed while the box runs: here it is not.
fn doubt(journal: &Journal) {
    for closed in &journal.books.shelf().closed {
        closed.index.load().doubt();
    }
}

/// Spoils some of the files by random octets.
fn spoil(dir: &tempfile::TempDir, extension: &str, harm: [u8; 4]) {
    for (number, file) in files(dir, extension).iter().enumerate() {
        match harm[number % 4] % 6 {
            0 => fs::remove_file(file).unwrap(),
            1 => {
                let mut octets = fs::read(file).unwrap();
                let at = (number * 7_919 + usize::from(harm[0]) * 31) % octets.len();
                octets[at] ^= 0x11;
                fs::write(file, octets).unwrap();
            }
            2 => {
                let octets = fs::read(file).unwrap();
                let half = octets.len() / 2;
                fs::write(file, &octets[..half]).unwrap();
            }
            3 => {
                // As an older version wrote it.
                let mut octets = fs::read(file).unwrap();
                octets[15] = 0;
                fs::write(file, octets).unwrap();
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_those_of_reading_every_event(
        steps in prop::collection::vec((any::<u8>(), 0u32..3_000_000, any::<[u8; 4]>()), 1..250),
        questions in prop::collection::vec(any::<[u8; 4]>(), 12),
        harm in any::<[u8; 4]>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let now_ms = now_ms();
        let journal = small(&dir);
        tell(&journal, &steps, now_ms);
        compare(&journal, &questions, now_ms);
        // While it is open.
        spoil(&dir, "idx", harm);
        spoil(&dir, "sum", harm);
        doubt(&journal);
        compare(&journal, &questions, now_ms);
        drop(journal);
        let journal = small(&dir);
        compare(&journal, &questions, now_ms);
        drop(journal);
        spoil(&dir, "idx", harm);
        spoil(&dir, "sum", harm);
        let journal = small(&dir);
        compare(&journal, &questions, now_ms);
        // Other domains are protected: counted again.
        journal.set_home(&["third.test".to_owned()]);
        compare(&journal, &questions, now_ms);
    }
}

#[test]
fn summaries_expire_with_their_segments_and_what_is_left_still_answers() {
    let dir = tempfile::tempdir().unwrap();
    let now_ms = now_ms();
    let journal = small(&dir);
    let steps: Vec<Step> =
        (0..400u32).map(|n| ((n % 90) as u8, 2_000_000, (n * 7_919).to_le_bytes())).collect();
    tell(&journal, &steps, now_ms);
    let before = (files(&dir, "seg").len(), files(&dir, "idx").len(), files(&dir, "sum").len());
    assert!(before.0 > 10 && before.1 == before.0 - 1 && before.2 == before.1, "{before:?}");
    journal.books.expire(now_ms - 4 * DAY_MS);
    let after = (files(&dir, "seg").len(), files(&dir, "idx").len(), files(&dir, "sum").len());
    assert!(after.0 < before.0 && after.1 == after.0 - 1 && after.2 == after.1, "{after:?}");
    // Chains lead to segments that are gone.
    let everything = TrackQuery { limit: 1_000, ..TrackQuery::default() };
    let found = journal.search(&everything).unwrap();
    assert!(found.is_complete && !found.stories.is_empty());
    drop(journal);
    fs::write(dir.path().join("journal/00000001.sum"), "orphan").unwrap();
    fs::write(dir.path().join("journal/00000001.sum-draft"), "draft").unwrap();
    let journal = small(&dir);
    assert_eq!(files(&dir, "sum").len(), after.2);
    assert_eq!(files(&dir, "sum-draft").len(), 0);
    assert_eq!(journal.search(&everything).unwrap(), found);
}

#[test]
fn questions_that_can_not_be_understood_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let journal = small(&dir);
    let text = |text: &str| Some(text.to_owned());
    let table = [
        (TrackQuery { client: text("192.0.2"), ..Default::default() }, "client"),
        (TrackQuery { client: text("192.0.2.0/33"), ..Default::default() }, "client"),
        (TrackQuery { verdict: text("evil"), ..Default::default() }, "verdict"),
        (TrackQuery { subject: text("!?"), ..Default::default() }, "subject"),
    ];
    for (query, field) in table {
        match journal.search(&query) {
            Err(JournalError::Query { criterion, .. }) => assert_eq!(criterion, field),
            other => panic!("{query:?}: {other:?}"),
        }
    }
    let empty = TrackQuery { domains: Some(Vec::new()), ..TrackQuery::default() };
    tell(&journal, &[(0, 1, [4, 1, 1, 1])], now_ms());
    assert!(journal.search(&empty).unwrap().stories.is_empty());
    assert_eq!(journal.search(&TrackQuery::default()).unwrap().stories.len(), 1);
}

#[test]
fn an_act_stands_in_the_story_of_its_mail_and_is_told_harmlessly() {
    let dir = tempfile::tempdir().unwrap();
    let journal = small(&dir);
    let mail_id = MailId::mint();
    journal.record(mail_id, beginning([4, 1, 1, 1]));
    let act = Act {
        who: "anna".into(),
        what: "quarantine.release".into(),
        object: "\u{1b}[2Jbob@own.test".into(),
        before: Some("held\r\nforged".into()),
        after: Some("delivered".into()),
        client: Some(client(1)),
        via: "site".into(),
        reason: "asked by telephone".into(),
        refusal: "x".repeat(100_000),
    };
    let first = journal.record_act(Some(mail_id), act.clone());
    let second = journal.record_act(None, Act { refusal: String::new(), ..act.clone() });
    assert!(second > first);
    let of_mail = TrackQuery { mail_id: Some(mail_id), ..TrackQuery::default() };
    let story = journal.track(&of_mail).unwrap().pop().unwrap();
    assert_eq!(story.events.len(), 2);
    let words = story.in_plain_words();
    assert!(!words.replace('\n', "").contains(crate::telemetry::escape::is_active), "{words}");
    for part in [
        "quarantine.release by anna (site, 192.0.2.1): \\u{1b}[2Jbob@own.test",
        "before: held\\r\\nforged; after: delivered; reason: asked by telephone; not done: xxx",
    ] {
        assert!(words.contains(part), "{words}");
    }
    assert!(words.len() < 3_000);
    let json = serde_json::to_string(&story).unwrap();
    assert_eq!(serde_json::from_str::<Story>(&json).unwrap(), story);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["events"][1]["event"], "administered");
    assert_eq!(value["events"][1]["act_id"], first.to_string());
    // An act by itself is no mail, and has a story under its own name.
    assert_eq!(journal.track(&TrackQuery::default()).unwrap().len(), 1);
    let by_itself = TrackQuery { mail_id: Some(second), ..TrackQuery::default() };
    let words = journal.track(&by_itself).unwrap().pop().unwrap().in_plain_words();
    assert!(words.contains("an act of an administrator"), "{words}");
    let found = journal.acts(&ActQuery::default()).unwrap();
    let ids: Vec<_> = found.acts.iter().map(|one| (one.note.act_id, one.mail_id)).collect();
    assert_eq!(ids, [(second, None), (first, Some(mail_id))]);
    let by_mail = ActQuery { object: Some(mail_id.to_string()), ..ActQuery::default() };
    assert_eq!(journal.acts(&by_mail).unwrap().acts.len(), 1);
}

/// Mails that a search finds.
fn found(journal: &Journal, query: TrackQuery) -> u64 {
    journal.track(&TrackQuery { limit: 10_000, ..query }).unwrap().len() as u64
}

/// Each count of mails against the search that a page leads to from it.
fn assert_numbers_lead_to_their_mails(journal: &Journal, domains: Option<&[String]>) {
    let flow = journal.flow(Span::Month, domains).unwrap();
    let (all, ways) = (flow.total.all(), flow.total);
    let plain = TrackQuery {
        since_ms: Some(flow.buckets[0].start_ms),
        domains: domains.map(<[String]>::to_vec),
        ..TrackQuery::default()
    };
    let seen = |query: TrackQuery| found(journal, query);
    for (direction, state) in [
        (Direction::In, Some(State::Received)),
        (Direction::Out, Some(State::Received)),
        (Direction::Internal, Some(State::Received)),
        (Direction::Own, None),
    ] {
        let query = TrackQuery { direction: Some(direction), state, ..plain.clone() };
        assert_eq!(seen(query), ways.of(direction).received, "{direction:?} {domains:?}");
    }
    for verdict in Verdict::ALL {
        let query = TrackQuery { verdict: Some(verdict.to_string()), ..plain.clone() };
        assert_eq!(seen(query), all.of(verdict), "{verdict} {domains:?}");
    }
    for (state, count) in [(State::TurnedAway, all.turned_away), (State::Refused, all.refused)] {
        let query = TrackQuery { state: Some(state), ..plain.clone() };
        assert_eq!(seen(query), count, "{state:?} {domains:?}");
    }
    // A mail has several copies and attempts: there are mails exactly where there are any.
    for (state, count) in [
        (State::Delivered, all.delivered),
        (State::Deferred, all.deferred),
        (State::Failed, all.failed),
        (State::Quarantined, all.quarantined),
    ] {
        let mails = seen(TrackQuery { state: Some(state), ..plain.clone() });
        assert!(mails <= count && (mails == 0) == (count == 0), "{state:?} {domains:?}");
    }
    for topping in [Topping::Senders, Topping::Recipients, Topping::Rules, Topping::Viruses] {
        let top = journal.top(Span::Month, topping, 100, domains).unwrap();
        for row in top.rows {
            let whole = Some(format!("<{}>", row.name));
            let mut query = TrackQuery { since_ms: Some(top.since_ms), ..plain.clone() };
            match topping {
                Topping::Senders if row.name == "<>" => query.sender = Some(row.name.clone()),
                Topping::Senders => query.sender = whole,
                Topping::Recipients => query.recipient = whole,
                Topping::Viruses => query.virus = whole,
                _ => query.rule = Some(row.name.clone()),
            }
            if matches!(topping, Topping::Senders | Topping::Recipients) {
                query.state = Some(State::Received);
            }
            assert_eq!(seen(query), row.count, "{topping:?} {} {domains:?}", row.name);
        }
    }
}

fn away(forward_path: &str) -> Event {
    Event::TurnedAway {
        client: client(1),
        reverse_path: "ann@far.example".into(),
        forward_paths: vec![forward_path.into()],
        reply: "550 no".into(),
        stage: "RCPT".into(),
    }
}

fn judged_as(verdict: Verdict, notes: &[(&str, &str)]) -> Event {
    let note = |(name, detail): &(&str, &str)| FindingNote {
        name: (*name).into(),
        score: 1.0,
        detail: (*detail).into(),
    };
    Event::Judged {
        verdict,
        score: 1.0,
        findings: notes.iter().map(note).collect(),
        subject: "plans".into(),
        message_id: String::new(),
        dispositions: String::new(),
    }
}

#[test]
fn every_number_leads_to_exactly_its_mails() {
    let dir = tempfile::tempdir().unwrap();
    let journal = small(&dir);
    let to = |paths: &[&str]| match received_from("ann@far.example", "") {
        Event::Received { role, client, helo, reverse_path, size_octets, .. } => Event::Received {
            role,
            client,
            helo,
            reverse_path,
            forward_paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            size_octets,
            tls: None,
            account: None,
        },
        other => other,
    };
    let tell = |events: Vec<Event>| {
        let mail_id = MailId::mint();
        events.into_iter().for_each(|event| journal.record(mail_id, event));
        journal.flush();
        mail_id
    };
    // Addresses and viruses of which one is a part of another.
    tell(vec![to(&["bob@own.test"]), judged_as(Verdict::Clean, &[])]);
    tell(vec![to(&["kbob@own.test"]), judged_as(Verdict::Spam, &[])]);
    for virus in ["signature Eicar", "signature Eicar-2"] {
        tell(vec![to(&["x@own.test"]), judged_as(Verdict::Malicious, &[("VIRUS_FOUND", virus)])]);
    }
    // Five refusals of one transaction, one of a mail that came in for somebody else.
    tell((0..5).map(|number| away(&format!("{number}@own.test"))).collect());
    tell(vec![away("nobody@other.test"), to(&["bob@own.test"])]);
    tell(vec![away("nobody@other.test"), to(&["bob@own.test", "carl@other.test"])]);
    // Two copies in quarantine for two domains, asked about, and one let go on.
    let rule = [("POLICY_RULE", "the rule \"plans\": hold")];
    let approval = Event::ApprovalAsked {
        entry: MailId::mint(),
        approver: "a@own.test".into(),
        rule: "plans".into(),
        expires_ms: 1,
        question: MailId::mint(),
    };
    let both = ["bob@own.test".to_owned(), "secret@other.test".to_owned()];
    let kept = tell(vec![
        to(&["bob@own.test", "secret@other.test"]),
        judged_as(Verdict::Policy, &rule),
        Event::Quarantined { area: "approval".into(), recipients: both.to_vec() },
        approval,
        Event::Released { by: "anna".into() },
    ]);
    tell(vec![Event::Continued {
        about: kept,
        role: Role::Inbound,
        reverse_path: "ann@far.example".into(),
        forward_paths: vec!["bob@own.test".into()],
        subject: "plans".into(),
        message_id: String::new(),
        size_octets: 10,
    }]);
    // Judged again in a later segment: its last verdict counts.
    let waits = tell(vec![to(&["carl@other.test"]), judged_as(Verdict::Unscannable, &rule)]);
    let before = files(&dir, "seg").len();
    for _ in 0..40 {
        journal.record_act(None, Act { object: "x".repeat(200), ..Act::default() });
        journal.flush();
    }
    assert!(files(&dir, "seg").len() > before);
    journal.record(waits, judged_as(Verdict::Clean, &rule));
    for attempt in 1..3 {
        let recipient = "carl@other.test".to_owned();
        let reply = "451".into();
        journal.record(waits, Event::Deferred { recipient, reply, next_attempt_ms: attempt });
    }
    journal.flush();
    let own = |domain: &str| Some(vec![domain.to_owned()]);
    for domains in [None, own("own.test"), own("other.test"), own("third.test")] {
        assert_numbers_lead_to_their_mails(&journal, domains.as_deref());
        let now_ms = now_ms();
        let expected = naive::flow(&journal.books, Span::Day, domains.as_deref(), now_ms);
        assert_eq!(counts::flow(&journal.books, Span::Day, domains.as_deref(), now_ms), expected);
    }
    let of = |domain: &str| journal.flow(Span::Day, own(domain).as_deref()).unwrap().total.all();
    let all = journal.flow(Span::Day, None).unwrap().total.all();
    assert_eq!((all.received, all.turned_away, all.unscannable), (8, 3, 0));
    assert_eq!((all.quarantined, of("own.test").quarantined), (2, 1));
    assert_eq!((of("own.test").turned_away, of("other.test").turned_away), (1, 1));
    let top = |domain: &str| {
        let top = journal.top(Span::Day, Topping::Recipients, 9, own(domain).as_deref()).unwrap();
        top.rows.into_iter().map(|row| (row.name, row.count)).collect::<Vec<_>>()
    };
    let row = |name: &str, count| (name.to_owned(), count);
    assert_eq!(top("other.test"), [row("carl@other.test", 2), row("secret@other.test", 1)]);
    let rules = journal.top(Span::Day, Topping::Rules, 9, None).unwrap();
    assert_eq!(rules.rows, [TopRow { name: "plans".into(), count: 2 }]);
}

#[test]
fn live_totals_follow_the_events_by_domain() {
    let dir = tempfile::tempdir().unwrap();
    let journal = small(&dir);
    let watched = journal.watch();
    for _ in 0..10 {
        let id = MailId::mint();
        // From ann@other.test to ann@own.test, and refused.
        journal.record(id, received_from("ann@far.example", "bob@own.test"));
        journal.record(id, Event::Refused { reply: "550".into(), stage: "policy".into() });
    }
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while watched.borrow().events < 20 {
        assert!(std::time::Instant::now() < deadline, "{:?}", *watched.borrow());
        std::thread::sleep(Duration::from_millis(20));
    }
    let totals = watched.borrow().clone();
    assert_eq!((totals.ways.inbound.received, totals.ways.inbound.refused), (10, 10));
    assert_eq!(totals.within(None), totals.ways);
    let of = |domain: &str| totals.within(Some(&[domain.to_owned()]));
    assert_eq!(of("Own.test"), totals.ways);
    assert_eq!(of("other.test"), Ways::default());
}

fn received_from(reverse_path: &str, forward_path: &str) -> Event {
    Event::Received {
        role: Role::Inbound,
        client: client(1),
        helo: String::new(),
        reverse_path: reverse_path.into(),
        forward_paths: vec![forward_path.into()],
        size_octets: 10,
        tls: None,
        account: None,
    }
}

#[test]
fn rare_names_of_busy_hours_are_left_out_and_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&config::Journal::default(), dir.path()).unwrap();
    journal.set_home(&HOME.map(str::to_owned));
    let at_ms = now_ms() - DAY_MS / 12;
    let kept = summary::file::NAMES;
    for number in 0..kept + 500 {
        let from = format!("s{number}@far.example");
        let copies = if number < 10 { 3 } else { 1 };
        for copy in 0..copies {
            let id = name(at_ms, (number * 3 + copy) as u16);
            journal.record_at(id, at_ms, received_from(&from, "bob@own.test"));
        }
    }
    journal.flush();
    let question = (Span::Month, Topping::Senders);
    let exact = counts::top(&journal.books, question, 20, None, now_ms());
    assert_eq!((exact.short_by, exact.rows[9].count, exact.rows[10].count), (0, 3, 1));
    journal.books.turn_page().unwrap();
    let kept = counts::top(&journal.books, question, 20, None, now_ms());
    assert_eq!((kept.short_by, &kept.rows[..10]), (1, &exact.rows[..10]));
    let recipients =
        counts::top(&journal.books, (Span::Month, Topping::Recipients), 5, None, now_ms());
    assert_eq!((recipients.short_by, recipients.rows.len()), (0, 1));
}

#[test]
fn counts_go_on_while_files_can_not_be_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let now_ms = now_ms();
    let journal = small(&dir);
    let steps: Vec<Step> =
        (0..100u32).map(|n| ((n % 40) as u8, 1_000_000, (n * 7_919).to_le_bytes())).collect();
    tell(&journal, &steps, now_ms);
    // A folder in the place of a file: it can neither be read nor replaced.
    for extension in ["idx", "sum"] {
        let file = files(&dir, extension).remove(1);
        fs::remove_file(&file).unwrap();
        fs::create_dir_all(file.join("in the way")).unwrap();
    }
    doubt(&journal);
    compare(&journal, &[[1, 5, 0, 0], [0, 10, 1, 1]], now_ms);
}
