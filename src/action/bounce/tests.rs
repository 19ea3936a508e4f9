//! Mail that an administrator returns, in a real spool and journal.

use std::sync::Arc;

use super::*;
use crate::config::{Journal as JournalSettings, SpoolSettings};
use crate::journal::TrackQuery;
use crate::mail::{Notify, Recipient, ReversePath};
use crate::spool::Act;

struct House {
    dir: tempfile::TempDir,
    spool: Arc<Spool>,
    journal: Arc<Journal>,
}

fn house() -> House {
    let dir = tempfile::tempdir().unwrap();
    let settings =
        SpoolSettings { segment_octets: 1 << 20, reserve_octets: 1 << 20, cache_octets: 1 << 20 };
    let spool = Spool::open(&settings, dir.path()).unwrap().0;
    let journal = Journal::open(&JournalSettings::default(), dir.path()).unwrap();
    House { dir, spool, journal }
}

async fn mail(spool: &Spool, reverse_path: ReversePath) -> MailId {
    let recipient = |path: &str| Recipient::plain(path.parse().unwrap());
    let mut silent = recipient("silent@example.test");
    silent.notify = Some(Notify::default());
    let envelope = Envelope {
        reverse_path,
        recipients: vec![recipient("a@example.test"), silent],
        body: Default::default(),
        smtputf8: false,
        dsn_return: Some(DsnReturn::Full),
        envelope_id: None,
    };
    let content = Content::from_bytes("Subject: x\r\n\r\nsecret body\r\n");
    let own = OwnMail::new(envelope, content, Summary::default(), None);
    spool.commit_own(own).await.unwrap().id
}

async fn returned(house: &House, id: MailId) -> Result<Option<MailId>, BounceError> {
    let (hostname, postmaster) =
        (Domain::parse("mx.test").unwrap(), "postmaster@example.test".parse().unwrap());
    let why = "wrong\r\naddress";
    let returner = Returner { hostname: &hostname, postmaster: &postmaster, why };
    bounce(&house.spool, &house.journal, returner, id).await
}

fn sender() -> ReversePath {
    ReversePath::Mailbox("ann@sender.test".parse().unwrap())
}

#[tokio::test]
async fn the_sender_is_told_and_the_mail_is_gone() {
    let house = house();
    let id = mail(&house.spool, sender()).await;
    assert_eq!(house.spool.hold(id).await.unwrap(), Act::Done);
    let report = returned(&house, id).await.unwrap().unwrap();
    assert!(house.spool.load(id).unwrap().is_none());
    let told = house.spool.load(report).unwrap().unwrap();
    assert_eq!(told.envelope.reverse_path, ReversePath::Null);
    assert_eq!(told.envelope.recipients[0].forward_path.to_string(), "ann@sender.test");
    let text = String::from_utf8(told.content.read_all().unwrap().to_vec()).unwrap();
    assert!(text.contains("returned by the administrator: wrong"), "{text}");
    assert!(text.contains("a@example.test") && !text.contains("silent@"), "{text}");
    assert!(!text.contains("secret body"), "only the header goes back: {text}");
    let query = TrackQuery { mail_id: Some(id), ..TrackQuery::default() };
    let story = house.journal.track(&query).unwrap().remove(0).in_plain_words();
    assert!(story.contains("cannot be delivered to <silent@example.test>"), "{story}");
    assert!(story.contains(&format!("was sent a report, {report}")), "{story}");
    assert!(matches!(returned(&house, id).await, Err(BounceError::Unknown(_))));
}

#[tokio::test]
async fn nobody_is_told_of_a_mail_without_a_sender() {
    let house = house();
    let id = mail(&house.spool, ReversePath::Null).await;
    assert!(matches!(returned(&house, id).await, Err(BounceError::NoSender(_))));
    assert!(house.spool.load(id).unwrap().is_some());
    assert_eq!(house.spool.counts().total(), 1);
}

#[tokio::test]
async fn what_is_being_delivered_is_left_alone() {
    let house = house();
    let id = mail(&house.spool, sender()).await;
    let due = house.spool.due().await;
    assert_eq!(due.id, id);
    assert!(matches!(returned(&house, id).await, Err(BounceError::InDelivery(_))));
    assert_eq!(house.spool.counts().total(), 1);
}

/// The report is there, and the crash came before the mail ended: it is told once.
#[tokio::test]
async fn a_crash_between_report_and_end_tells_nobody_twice() {
    let house = house();
    let id = mail(&house.spool, sender()).await;
    let Taken::Mail(taken) = house.spool.take(id).await.unwrap() else { panic!() };
    let (hostname, postmaster) =
        (Domain::parse("mx.test").unwrap(), "postmaster@example.test".parse().unwrap());
    let returner = Returner { hostname: &hostname, postmaster: &postmaster, why: "x" };
    let reader = taken.envelope.reverse_path.address().unwrap().clone();
    let (own, _) = written(&taken, returner, &reader, &[0, 1], "x").await.unwrap().unwrap();
    let report = house.spool.commit_own(own).await.unwrap().id;
    drop(taken);
    assert_eq!(returned(&house, id).await.unwrap(), Some(report));
    assert_eq!(house.spool.counts().total(), 1);
    assert!(house.dir.path().exists());
}
