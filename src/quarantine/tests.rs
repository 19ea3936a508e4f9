//! The quarantine and the spool together, through restarts.

use super::*;
use crate::config::SpoolSettings;
use crate::mail::{Content, Envelope, Mail, Recipient, ReversePath, Summary};
use crate::spool::{Origin, OwnMail, Spool, Spooled};
use std::time::{Duration, SystemTime};

fn spool(dir: &Path) -> Arc<Spool> {
    let settings =
        SpoolSettings { segment_octets: 1 << 20, reserve_octets: 1 << 20, cache_octets: 1 << 20 };
    Spool::open(&settings, dir).unwrap().0
}

fn quarantine(dir: &Path) -> Arc<Quarantine> {
    let dir = dir.join("quarantine");
    let options = LogOptions { dir, segment_octets: 1 << 20, reserve_octets: 1 << 20 };
    Quarantine::open_with(options, &config::Quarantine { keep_days: 2 }).unwrap().0
}

async fn mail(spool: &Spool) -> Mail<Spooled> {
    let path = |number: usize| format!("r{number}@example.test").parse().unwrap();
    let envelope = Envelope {
        reverse_path: ReversePath::Mailbox("sender@example.org".parse().unwrap()),
        recipients: (0..4).map(|number| Recipient::plain(path(number))).collect(),
        body: Default::default(),
        smtputf8: false,
        dsn_return: None,
        envelope_id: None,
    };
    let content = Content::from_bytes("Subject: x\r\n\r\ntext\r\n".repeat(100).into_bytes());
    spool.commit_own(OwnMail::new(envelope, content, Summary::default(), None)).await.unwrap()
}

#[tokio::test]
async fn copies_are_kept_once_and_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, held) = (spool(dir.path()), quarantine(dir.path()));
    let mail = mail(&spool).await;
    let spam = held.store(&mail, &[2, 0], "spam").await.unwrap();
    assert_eq!(spam, mail.id);
    assert_eq!(held.store(&mail, &[0, 2], "spam").await.unwrap(), spam);
    let policy = held.store(&mail, &[1], "policy").await.unwrap();
    assert_ne!(policy, spam);
    assert!(matches!(held.store(&mail, &[9], "x").await, Err(QuarantineError::NoRecipient)));
    assert!(matches!(held.store(&mail, &[], "x").await, Err(QuarantineError::NoRecipient)));
    held.close();
    drop(held);

    let held = quarantine(dir.path());
    assert_eq!(held.count(), 2);
    assert_eq!(held.store(&mail, &[1], "policy").await.unwrap(), policy);
    let filter = HeldFilter { mail_id: Some(mail.id), ..HeldFilter::default() };
    assert_eq!(held.list(&filter, 9).len(), 2);
    let filter = HeldFilter { recipient: Some("R1@".into()), ..HeldFilter::default() };
    let listed = held.list(&filter, 9);
    assert_eq!((listed.len(), listed[0].id, listed[0].area.as_str()), (1, policy, "policy"));
    let loaded = held.load(spam).unwrap().unwrap();
    assert_eq!(loaded.recipients, [0, 2]);
    assert_eq!(loaded.envelope.recipients.len(), 2);
    assert_eq!(loaded.content.read_all().unwrap(), mail.content.read_all().unwrap());
    assert!(held.delete(policy, "admin").await.unwrap());
    assert!(!held.delete(policy, "admin").await.unwrap());
    held.close();
    drop(held);
    assert_eq!(quarantine(dir.path()).count(), 1);
}

#[tokio::test]
async fn a_released_entry_becomes_a_mail_once() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, held) = (spool(dir.path()), quarantine(dir.path()));
    let mail = mail(&spool).await;
    let id = held.store(&mail, &[3], "spam").await.unwrap();
    spool.remove(mail.id, "test").await.unwrap();
    let becomes = held.release(&spool, id, "admin").await.unwrap().unwrap();
    assert_eq!(held.release(&spool, id, "admin").await.unwrap(), None);
    assert_eq!((held.count(), spool.counts().total()), (0, 1));
    let due = spool.due().await;
    assert_eq!(due.id, becomes);
    assert_eq!(due.stage().origin(), Origin::Released { held: id });
    assert_eq!(due.envelope.recipients[0].forward_path.to_string(), "r3@example.test");
    assert_eq!(due.content.read_all().unwrap(), mail.content.read_all().unwrap());
}

#[tokio::test]
async fn an_interrupted_release_is_completed_without_a_second_copy() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, held) = (spool(dir.path()), quarantine(dir.path()));
    let mail = mail(&spool).await;
    spool.remove(mail.id, "test").await.unwrap();
    for committed in [false, true] {
        let held = match committed {
            false => Arc::clone(&held),
            true => {
                held.close();
                quarantine_again(dir.path(), &held)
            }
        };
        let id = held.store(&mail, &[0], "spam").await.unwrap();
        let becomes = held.begin_release(id, "admin").await.unwrap();
        if committed {
            // The process dies after the commit and before the end.
            let loaded = held.load(id).unwrap().unwrap();
            let own = OwnMail::new(loaded.envelope, loaded.content, Summary::default(), None);
            spool.commit_own(OwnMail { id: Some(becomes), ..own }).await.unwrap();
        }
        let before = spool.counts().total();
        assert_eq!(held.resume(&spool).await.unwrap(), [(id, becomes)]);
        assert_eq!(spool.counts().total(), before + u64::from(!committed));
        assert_eq!(held.count(), 0);
        assert!(held.resume(&spool).await.unwrap().is_empty());
    }
}

/// A second quarantine beside a closed one that is still referred to.
fn quarantine_again(dir: &Path, _closed: &Quarantine) -> Arc<Quarantine> {
    quarantine(&dir.join("again"))
}

#[tokio::test]
async fn a_begun_release_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, held) = (spool(dir.path()), quarantine(dir.path()));
    let mail = mail(&spool).await;
    let id = held.store(&mail, &[0], "spam").await.unwrap();
    let becomes = held.begin_release(id, "admin").await.unwrap();
    held.close();
    drop(held);
    let held = quarantine(dir.path());
    assert!(
        held.expire(SystemTime::now() + Duration::from_secs(1 << 30)).await.unwrap().is_empty()
    );
    assert_eq!(held.resume(&spool).await.unwrap(), [(id, becomes)]);
    assert!(spool.load(becomes).unwrap().is_some());
}

#[tokio::test]
async fn entries_expire() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, held) = (spool(dir.path()), quarantine(dir.path()));
    let mail = mail(&spool).await;
    let id = held.store(&mail, &[0], "spam").await.unwrap();
    let days = |days: u64| SystemTime::now() + Duration::from_secs(days * 86_400 + 2);
    assert!(held.expire(days(1)).await.unwrap().is_empty());
    assert_eq!(held.expire(days(2)).await.unwrap(), [(id, mail.id)]);
    assert_eq!(held.count(), 0);
}

fn path(number: usize) -> crate::mail::Address {
    format!("r{number}@example.test").parse().unwrap()
}

#[tokio::test]
async fn some_get_their_copies_and_the_others_stay() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, held) = (spool(dir.path()), quarantine(dir.path()));
    let mail = mail(&spool).await;
    let id = held.store(&mail, &[0, 1, 3], "spam").await.unwrap();
    spool.remove(mail.id, "test").await.unwrap();
    let nobody = held.release_some(&spool, id, &[path(2)], "admin").await;
    assert!(matches!(nobody, Err(QuarantineError::NoRecipient)), "{nobody:?}");
    let parted = held.release_some(&spool, id, &[path(1)], "admin").await.unwrap().unwrap();
    assert_eq!(parted.left, 2);
    let released = spool.load(parted.becomes).unwrap().unwrap();
    assert_eq!(released.envelope.recipients.len(), 1);
    assert_eq!(released.envelope.recipients[0].forward_path, path(1));
    assert_eq!(released.stage().judgement().dispositions, [crate::mail::Disposition::Deliver]);
    let again = held.release_some(&spool, id, &[path(1)], "admin").await;
    assert!(matches!(again, Err(QuarantineError::NoRecipient)), "he has it: {again:?}");
    let check = |held: &Quarantine| {
        let kept = held.load(id).unwrap().unwrap();
        let paths: Vec<_> =
            kept.envelope.recipients.iter().map(|one| one.forward_path.clone()).collect();
        assert_eq!((paths, kept.recipients), (vec![path(0), path(3)], vec![0, 3]));
        assert_eq!(kept.judgement.dispositions.len(), 2);
    };
    check(&held);
    held.close();
    drop(held);

    // After a restart he is not asked for again, and the last ones end the entry.
    let held = quarantine(dir.path());
    check(&held);
    let last = [path(0), path(3)];
    let parted = held.release_some(&spool, id, &last, "admin").await.unwrap().unwrap();
    assert_eq!((parted.left, held.count(), spool.counts().total()), (0, 0, 2));
    assert_eq!(held.release_some(&spool, id, &last, "admin").await.unwrap(), None);
    held.close();
    drop(held);
    assert_eq!(quarantine(dir.path()).count(), 0);
}

#[tokio::test]
async fn a_release_for_some_that_a_crash_interrupted_is_completed_once() {
    use super::record::{Begun, PartHead};
    let dir = tempfile::tempdir().unwrap();
    let (spool, held) = (spool(dir.path()), quarantine(dir.path()));
    let mail = mail(&spool).await;
    let id = held.store(&mail, &[0, 1], "spam").await.unwrap();
    spool.remove(mail.id, "test").await.unwrap();
    // As a crash leaves it behind: what was meant is written, and nothing was done.
    let becomes = MailId::mint();
    let begun = Some(Begun { becomes, recipients: vec![1] });
    let head = PartHead { done: Vec::new(), begun, by: "admin".into() };
    held.write_part(id, head.clone()).await.unwrap();
    held.close();
    drop(held);

    let held = quarantine(dir.path());
    assert!(
        held.expire(SystemTime::now() + Duration::from_secs(9 * 86_400)).await.unwrap().is_empty()
    );
    assert_eq!(held.resume(&spool).await.unwrap(), [(id, becomes)]);
    assert_eq!(held.load(id).unwrap().unwrap().recipients, [0]);
    assert_eq!(spool.load(becomes).unwrap().unwrap().envelope.recipients.len(), 1);
    // And once more, as if the crash had come after the commit: the mail is found, not made.
    held.write_part(id, head).await.unwrap();
    held.close();
    drop(held);
    let held = quarantine(dir.path());
    assert_eq!(held.resume(&spool).await.unwrap(), [(id, becomes)]);
    assert_eq!((spool.counts().total(), held.load(id).unwrap().unwrap().recipients), (1, vec![0]));
    let rest = held.release(&spool, id, "admin").await.unwrap().unwrap();
    assert_eq!(spool.load(rest).unwrap().unwrap().envelope.recipients[0].forward_path, path(0));
    assert_eq!(held.count(), 0);
}

/// Orders that take a part out and keep the original.
fn stripping(text: &str) -> Vec<crate::mail::Order> {
    use crate::mail::Order;
    let place = crate::message::Place { whole: 20..24, body: 22..24 };
    let mut orders = vec![
        Order::KeepOriginal { area: "attachments".into() },
        Order::TagSubject("[SPAM]".into()),
    ];
    orders.extend(crate::message::removal::of_part(&place, text));
    let mine = crate::message::removal::of_message(&place, text).pop().unwrap();
    orders.push(Order::For { recipients: vec![0, 1, 2, 3], order: Box::new(mine) });
    orders
}

#[tokio::test]
async fn what_is_released_names_the_original_that_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, held) = (spool(dir.path()), quarantine(dir.path()));
    for text in ["the reference {}.", "die Referenz für Sie: {}."] {
        let mut own = OwnMail::new(
            mail(&spool).await.envelope.as_ref().clone(),
            Content::from_bytes("Subject: x\r\n\r\ntext\r\n".repeat(100).into_bytes()),
            Summary::default(),
            None,
        );
        let id = MailId::mint();
        own.id = Some(id);
        own.judgement.orders = stripping(&text.replace("{}", &id.to_string()));
        let mail = spool.commit_own(own).await.unwrap();
        let entry = held.store(&mail, &[0, 1], "policy").await.unwrap();
        let part = held.release_some(&spool, entry, &[path(1)], "admin").await.unwrap().unwrap();
        let becomes = held.release(&spool, entry, "admin").await.unwrap().unwrap();
        for becomes in [part.becomes, becomes] {
            let released = spool.load(becomes).unwrap().unwrap();
            let orders = released.stage().judgement().orders_of(0);
            assert_eq!(orders, renumbered(&text.replace("{}", &becomes.to_string())));
            // The original is kept under that name, and goes out as it came.
            let original = held.store(&released, &[0], "attachments").await.unwrap();
            assert_eq!(original, becomes);
            let out = held.release(&spool, original, "admin").await.unwrap().unwrap();
            let out = spool.load(out).unwrap().unwrap();
            assert!(out.stage().judgement().orders.is_empty());
        }
    }
}

/// The same as one recipient has them.
fn renumbered(text: &str) -> Vec<crate::mail::Order> {
    let single = |order: crate::mail::Order| match order {
        crate::mail::Order::For { order, .. } => *order,
        order => order,
    };
    stripping(text).into_iter().map(single).collect()
}
