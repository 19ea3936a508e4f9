//! The spool on a real disk, through restarts.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::*;
use crate::config::SpoolSettings;
use crate::mail::{
    Content, Disposition, Envelope, Receipt, Recipient, ReversePath, Summary, Verdict,
};

fn settings() -> SpoolSettings {
    SpoolSettings { segment_octets: 256 << 10, reserve_octets: 1 << 20, cache_octets: 64 << 10 }
}

/// A spool that was dropped lets go of its folder when its threads have ended.
fn open(dir: &Path) -> (Arc<Spool>, Recovery) {
    let until = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        match Spool::open(&settings(), dir) {
            Err(SpoolError::Log(LogError::InUse(_))) if std::time::Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(5));
            }
            opened => return opened.unwrap(),
        }
    }
}

fn envelope(recipients: usize) -> Envelope {
    let path = |number: usize| format!("r{number}@example.test").parse().unwrap();
    Envelope {
        reverse_path: ReversePath::Mailbox("Sender@Example.ORG".parse().unwrap()),
        recipients: (0..recipients).map(|number| Recipient::plain(path(number))).collect(),
        body: Default::default(),
        smtputf8: false,
        dsn_return: None,
        envelope_id: Some("e1".into()),
    }
}

fn own(recipients: usize, octets: usize) -> OwnMail {
    let content: Vec<u8> = (0..octets).map(|at| (at * 7) as u8).collect();
    let summary = Summary { subject: "s".into(), message_id: "m@x".into(), author: "a".into() };
    OwnMail::new(envelope(recipients), Content::from_bytes(content), summary, None)
}

fn delivered() -> Outcome {
    Outcome::Delivered { hop: "hop.test".into(), reply: "250 ok".into() }
}

async fn soon<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(Duration::from_millis(300), future).await.ok()
}

fn in_a_while(seconds: u64) -> SystemTime {
    SystemTime::now() + Duration::from_secs(seconds)
}

#[tokio::test]
async fn a_mail_survives_until_its_last_outcome() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, recovery) = open(dir.path());
    assert_eq!(recovery.counts.total(), 0);
    let committed = spool.commit_own(own(3, 5000)).await.unwrap();
    let id = committed.id;
    assert_eq!(Receipt::of(&committed).mail_id(), id);

    let due = spool.due().await;
    assert_eq!((due.id, due.stage().attempts()), (id, 0));
    assert!(due.content.in_memory().is_some());
    assert!(soon(spool.due()).await.is_none(), "two tasks hold one mail");
    assert_eq!(spool.pending(id), [0, 1, 2]);
    spool.record(id, 1, delivered());
    spool.record(id, 1, delivered());
    spool.record(id, 7, delivered());
    spool.postpone(id, in_a_while(3600), Attempt::Counts, "451 later".into());
    spool.mark_warned(id);
    spool.postpone(id, in_a_while(3600), Attempt::Counts, "452 later still".into());
    spool.flush().await.unwrap();
    drop(due);
    spool.close();
    drop((spool, committed));

    let (spool, recovery) = open(dir.path());
    assert_eq!(recovery.counts.deferred, 1);
    assert!(recovery.replay.corrupt.is_empty() && recovery.replay.missing.is_empty());
    assert_eq!(spool.pending(id), [0, 2]);
    let listed = spool.list(&QueueFilter::default(), 10);
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].attempts, listed[0].last_reason.as_str()), (2, "452 later still"));
    assert_eq!(listed[0].pending, [0, 2]);
    assert_eq!(listed[0].envelope.envelope_id.as_deref(), Some("e1"));
    assert!(soon(spool.due()).await.is_none());
    assert_eq!(spool.retry_now(id).await.unwrap(), Act::Done);
    let due = spool.due().await;
    assert!(due.stage().is_warned());
    assert_eq!(due.stage().last_reason(), "452 later still");
    let expected: Vec<u8> = (0..5000).map(|at| (at * 7) as u8).collect();
    assert_eq!(due.content.read_all().unwrap(), expected);
    spool.record(id, 0, delivered());
    spool.record(id, 2, Outcome::Failed { reply: "550 no".into() });
    assert!(spool.load(id).unwrap().is_none());
    assert_eq!(spool.counts().total(), 0);
    spool.flush().await.unwrap();
    drop((spool, due));

    let (spool, recovery) = open(dir.path());
    assert_eq!(recovery.counts.total(), 0);
    assert!(soon(spool.due()).await.is_none());
}

#[tokio::test]
async fn what_is_dropped_or_settled_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let id = spool.commit_own(own(1, 100)).await.unwrap().id;
    let due = spool.due().await;
    let clone = due.clone();
    drop(due);
    assert_eq!(spool.counts().in_delivery, 1);
    drop(clone);
    assert_eq!(spool.counts().in_delivery, 0);
    assert!(soon(spool.due()).await.is_none(), "not at once");
    assert_eq!(spool.retry_now(id).await.unwrap(), Act::Done);
    let second = spool.due().await;
    assert_eq!(spool.retry_now(id).await.unwrap(), Act::InDelivery);
    // An old clone that is dropped late does not end a later lease.
    spool.settle(id);
    assert_eq!(spool.retry_now(id).await.unwrap(), Act::Done);
    let third = spool.due().await;
    drop(second);
    assert_eq!(spool.counts().in_delivery, 1);
    // A task that is cancelled while it waits loses nothing.
    spool.postpone(id, SystemTime::now(), Attempt::DoesNotCount, "busy".into());
    drop(third);
    let fourth = spool.due().await;
    assert_eq!(fourth.stage().attempts(), 0);
}

#[tokio::test]
async fn the_administrators_acts_survive() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let held = spool.commit_own(own(1, 100)).await.unwrap().id;
    let gone = spool.commit_own(own(2, 100)).await.unwrap().id;
    let leased = spool.commit_own(own(2, 100)).await.unwrap().id;
    assert_eq!(spool.hold(held).await.unwrap(), Act::Done);
    assert_eq!(spool.remove(gone, "admin").await.unwrap(), Act::Done);
    let due = spool.due().await;
    assert_eq!(due.id, leased);
    assert_eq!(spool.hold(leased).await.unwrap(), Act::Done);
    assert_eq!(spool.counts().in_delivery, 1);
    assert_eq!(spool.release(leased).await.unwrap(), Act::Done);
    assert!(soon(spool.due()).await.is_none(), "released but still held by a task");
    assert_eq!(spool.hold(leased).await.unwrap(), Act::Done);
    spool.settle(leased);
    assert_eq!(spool.counts().hold, 2);
    for act in [spool.hold(gone).await, spool.release(gone).await, spool.remove(gone, "x").await] {
        assert_eq!(act.unwrap(), Act::Unknown);
    }
    assert_eq!(spool.retry_now(held).await.unwrap(), Act::Unfit);
    drop((due, spool));

    let (spool, recovery) = open(dir.path());
    assert_eq!((recovery.counts.hold, recovery.counts.total()), (2, 2));
    assert!(soon(spool.due()).await.is_none());
    assert_eq!(spool.release(held).await.unwrap(), Act::Done);
    assert_eq!(spool.release(held).await.unwrap(), Act::Unfit);
    assert_eq!(spool.due().await.id, held);
    let filter = QueueFilter { state: Some(QueueState::Hold), ..QueueFilter::default() };
    assert_eq!(spool.list(&filter, 10).len(), 1);
}

#[tokio::test]
async fn what_is_unscanned_is_never_due_before_it_is_judged() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let mut mail = own(2, 100);
    mail.judgement.dispositions = vec![Disposition::HoldUnscanned; 2];
    let mut judgement = mail.judgement.clone();
    let id = spool.commit_own(mail).await.unwrap().id;
    assert_eq!(spool.unscanned(10), [id]);
    assert_eq!(spool.release(id).await.unwrap(), Act::Unfit);
    assert_eq!(spool.retry_now(id).await.unwrap(), Act::Unfit);
    assert_eq!(spool.rejudge(id, judgement.clone()).await.unwrap(), Act::Done);
    drop(spool);

    let (spool, recovery) = open(dir.path());
    assert_eq!(recovery.counts.unscanned, 1);
    assert!(soon(spool.due()).await.is_none());
    judgement.verdict = Verdict::Spam;
    judgement.dispositions = vec![Disposition::Deliver, Disposition::Discard];
    assert_eq!(spool.rejudge(id, judgement.clone()).await.unwrap(), Act::Done);
    assert_eq!(**spool.due().await.stage().judgement(), judgement);
    drop(spool);

    let (spool, recovery) = open(dir.path());
    assert_eq!((recovery.counts.unscanned, recovery.counts.total()), (0, 1));
    assert_eq!(**spool.due().await.stage().judgement(), judgement);
    assert_eq!(spool.rejudge(id, judgement).await.unwrap(), Act::Unfit);
}

#[tokio::test]
async fn content_beyond_the_cache_and_in_files_is_read_from_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let large = spool.commit_own(own(1, 70_000)).await.unwrap().id;
    let mut spilled = own(1, 600_000);
    let octets = spilled.content.read_all().unwrap();
    let path = dir.path().join("spilled");
    std::fs::write(&path, &octets).unwrap();
    let file = Arc::new(std::fs::File::open(&path).unwrap());
    spilled.content = Content::in_file(file, 0, octets.len() as u64);
    let spilled = spool.commit_own(spilled).await.unwrap();
    std::fs::write(&path, b"").unwrap();
    for (id, len) in [(large, 70_000), (spilled.id, 600_000)] {
        let due = spool.due().await;
        assert_eq!((due.id, due.content.len()), (id, len));
        assert!(due.content.in_memory().is_none());
        assert_eq!(due.content.read_all().unwrap(), octets[..len as usize]);
        spool.record(id, 0, delivered());
    }
    assert_eq!(spilled.content.read_all().unwrap(), octets);
}

#[tokio::test]
async fn fresh_mail_and_retries_take_turns() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    for _ in 0..8 {
        let id = spool.commit_own(own(1, 10)).await.unwrap().id;
        drop(spool.due().await);
        spool.postpone(id, SystemTime::UNIX_EPOCH, Attempt::Counts, String::new());
    }
    for _ in 0..24 {
        spool.commit_own(own(1, 10)).await.unwrap();
    }
    let mut held = Vec::new();
    for _ in 0..16 {
        held.push(spool.due().await);
    }
    let retries = held.iter().filter(|mail| mail.stage().attempts() > 0).count();
    assert!((3..=5).contains(&retries), "{retries}");
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_under_load_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let mut kept = Vec::new();
    for round in 0..40 {
        let mut waiting = Vec::new();
        for _ in 0..20 {
            let spool = Arc::clone(&spool);
            waiting.push(tokio::spawn(async move { spool.commit_own(own(1, 4000)).await }));
        }
        for task in waiting {
            let id = task.await.unwrap().unwrap().id;
            let due = spool.due().await;
            match (round + kept.len()) % 20 {
                0 => {
                    spool.postpone(due.id, in_a_while(600), Attempt::Counts, "later".into());
                    kept.push(due.id);
                }
                _ => spool.record(due.id, 0, delivered()),
            }
            let _ = id;
        }
    }
    spool.flush().await.unwrap();
    assert_eq!(spool.counts().deferred as usize, kept.len());
    for id in &kept {
        assert_eq!(spool.load(*id).unwrap().unwrap().content.len(), 4000);
    }
    drop(spool);
    let (spool, recovery) = open(dir.path());
    assert_eq!(recovery.counts.total() as usize, kept.len());
    assert!(recovery.replay.corrupt.is_empty() && recovery.replay.missing.is_empty());
    tokio::time::sleep(Duration::from_millis(800)).await;
    for id in &kept {
        let mail = spool.load(*id).unwrap().unwrap();
        assert_eq!(mail.content.read_all().unwrap(), own(1, 4000).content.read_all().unwrap());
    }
    let octets: u64 = std::fs::read_dir(dir.path().join("spool"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    println!("{} octets on the disk for {} mails", octets, kept.len());
    assert!(octets < 6 << 20, "{octets}");
}

#[tokio::test]
async fn a_full_disk_refuses_new_mail_and_takes_outcomes() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let id = spool.commit_own(own(1, 100)).await.unwrap().id;
    drop(spool);
    let settings = SpoolSettings { reserve_octets: u64::MAX / 2, ..settings() };
    let (spool, _) = Spool::open(&settings, dir.path()).unwrap();
    assert!(spool.is_full());
    assert!(matches!(spool.commit_own(own(1, 100)).await, Err(CommitError::Full)));
    assert_eq!(spool.hold(id).await.unwrap(), Act::Done);
    assert_eq!(spool.remove(id, "admin").await.unwrap(), Act::Done);
    assert_eq!(spool.counts().total(), 0);
}

#[tokio::test]
async fn one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let (_spool, _) = open(dir.path());
    let second = Spool::open(&settings(), dir.path());
    assert!(matches!(second, Err(SpoolError::Log(LogError::InUse(_)))));
}

/// Not a proof but a figure: how long a start takes with 200,000 small mails in the queue.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long and writes a gigabyte"]
async fn starting_with_200_000_mails() {
    let dir = tempfile::tempdir().unwrap();
    let settings = SpoolSettings::default();
    let (spool, _) = Spool::open(&settings, dir.path()).unwrap();
    let mut tasks = Vec::new();
    for _ in 0..200 {
        let spool = Arc::clone(&spool);
        tasks.push(tokio::spawn(async move {
            for _ in 0..1_000 {
                spool.commit_own(own(1, 4_000)).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    drop(spool);
    let started = std::time::Instant::now();
    let (spool, recovery) = Spool::open(&settings, dir.path()).unwrap();
    println!("{:?} for {:?}", started.elapsed(), recovery.replay);
    assert_eq!(spool.counts().total(), 200_000);
}

#[tokio::test]
async fn another_way_stays_another_way_over_a_restart_until_it_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let id = spool.commit_own(own(2, 100)).await.unwrap().id;
    let hops = "smtp://192.0.2.1:2525 smtp://backup.test:25";
    assert_eq!(spool.reroute(id, Some(hops)).await.unwrap(), Act::Done);
    let due = spool.due().await;
    assert_eq!((due.id, due.stage().route()), (id, Some(hops)));
    assert_eq!(spool.reroute(id, None).await.unwrap(), Act::InDelivery);
    spool.postpone(id, in_a_while(600), Attempt::Counts, "later".into());
    drop(due);
    spool.close();
    drop(spool);

    let (spool, _) = open(dir.path());
    let entry = spool.list(&QueueFilter::default(), 9).remove(0);
    assert_eq!((entry.route.as_deref(), entry.last_reason.as_str()), (Some(hops), "later"));
    assert_eq!(spool.hold(id).await.unwrap(), Act::Done);
    assert_eq!(spool.reroute(id, None).await.unwrap(), Act::Done);
    assert_eq!(spool.load(id).unwrap().unwrap().stage().route(), None);
    assert_eq!(spool.counts().hold, 1, "it is held still");
    assert_eq!(spool.reroute(MailId::mint(), None).await.unwrap(), Act::Unknown);
    spool.close();
    drop(spool);
    let (spool, _) = open(dir.path());
    assert_eq!(spool.load(id).unwrap().unwrap().stage().route(), None);
}

#[tokio::test]
async fn who_takes_a_mail_has_it_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let id = spool.commit_own(own(1, 100)).await.unwrap().id;
    let Taken::Mail(mail) = spool.take(id).await.unwrap() else { panic!("it is there") };
    assert!(matches!(spool.take(id).await.unwrap(), Taken::InDelivery));
    assert!(soon(spool.due()).await.is_none());
    drop(mail);
    assert!(matches!(spool.take(MailId::mint()).await.unwrap(), Taken::Unknown));
    assert!(matches!(spool.take(id).await.unwrap(), Taken::Mail(_)));
}

#[tokio::test]
async fn the_queue_is_seen_page_by_page() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(spool.commit_own(own(1, 10)).await.unwrap().id);
    }
    spool.hold(ids[3]).await.unwrap();
    let patience = Duration::from_secs(60);
    let first = spool.page(&[], None, 2, patience, &mut |_| true);
    let names = |page: &QueuePage| page.entries.iter().map(|one| one.mail_id).collect::<Vec<_>>();
    assert_eq!((names(&first), first.next), (vec![ids[0], ids[1]], Some(ids[1])));
    let rest = spool.page(&[], first.next, 9, patience, &mut |entry| entry.mail_id != ids[2]);
    assert_eq!((names(&rest), rest.next, rest.is_cut), (vec![ids[3], ids[4]], None, false));
    let held = spool.page(&[QueueState::Hold], None, 9, patience, &mut |_| true);
    assert_eq!(names(&held), [ids[3]]);
    let cut = spool.page(&[], None, 9, Duration::ZERO, &mut |_| true);
    assert!(cut.is_cut || cut.entries.len() == 5);
}
