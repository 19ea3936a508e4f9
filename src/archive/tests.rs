//! The archive through restarts and time.

use super::*;
use crate::mail::{
    About, Content, Envelope, Facts, Judgement, Recipient, ReversePath, Role, Summary, Verdict,
};

const CLASSES: &str = "keep_days = 10\nclasses = { legal = 100 }\n";

fn settings() -> config::Archive {
    toml::from_str(CLASSES).unwrap()
}

fn archive(dir: &Path) -> Arc<Archive> {
    let dir = dir.join("archive");
    let options = LogOptions { dir, segment_octets: 1 << 20, reserve_octets: 1 << 20 };
    Archive::open_with(options, &settings()).unwrap().0
}

fn parts(number: usize) -> (Envelope, Facts, Judgement, Content) {
    let envelope = Envelope {
        reverse_path: ReversePath::Mailbox("sender@example.org".parse().unwrap()),
        recipients: vec![Recipient::plain(format!("r{number}@example.test").parse().unwrap())],
        body: Default::default(),
        smtputf8: false,
        dsn_return: None,
        envelope_id: None,
    };
    let facts = Facts {
        role: Role::Outbound,
        client: [192, 0, 2, 1].into(),
        helo: "h".into(),
        extended: true,
        tls: None,
        account: None,
        received_ms: 1,
        manners: Default::default(),
    };
    let judgement = Judgement {
        verdict: Verdict::Clean,
        score: 0.0,
        findings: Vec::new(),
        summary: Summary { subject: format!("number {number}"), ..Summary::default() },
        dispositions: Vec::new(),
        orders: Vec::new(),
    };
    let content = Content::from_bytes(format!("Subject: {number}\r\n\r\ntext\r\n").into_bytes());
    (envelope, facts, judgement, content)
}

async fn file(archive: &Archive, id: MailId, number: usize, class: &str) -> Filed {
    let (envelope, facts, judgement, content) = parts(number);
    let subject =
        About { id, envelope: &envelope, facts: &facts, judgement: &judgement, content: &content };
    archive.store(subject, class).await.unwrap()
}

#[tokio::test]
async fn a_mail_is_kept_once_in_a_class_and_through_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (MailId::mint(), MailId::mint());
    let kept = archive(dir.path());
    assert_eq!(file(&kept, one, 1, "mail").await, Filed::New);
    assert_eq!(file(&kept, one, 1, "mail").await, Filed::Known);
    assert_eq!(file(&kept, one, 1, "legal").await, Filed::New);
    assert_eq!(file(&kept, other, 2, "mail").await, Filed::New);
    kept.close();
    drop(kept);
    let kept = archive(dir.path());
    assert_eq!(kept.count(), 3);
    assert_eq!(file(&kept, one, 1, "legal").await, Filed::Known);
    let list = |filter: ArchiveFilter| -> Vec<(MailId, String)> {
        let found = kept.list(&filter, 9).into_iter();
        found.map(|entry| (entry.mail_id, entry.class)).collect()
    };
    assert_eq!(list(ArchiveFilter::default()).len(), 3);
    let filter = ArchiveFilter { class: Some("legal".into()), ..ArchiveFilter::default() };
    assert_eq!(list(filter), [(one, "legal".to_owned())]);
    let filter = ArchiveFilter { recipient: Some("R2@".into()), ..ArchiveFilter::default() };
    assert_eq!(list(filter), [(other, "mail".to_owned())]);
    let filter = ArchiveFilter { since_ms: Some(u64::MAX), ..ArchiveFilter::default() };
    assert!(list(filter).is_empty());
    let loaded = kept.load(other, None).unwrap().unwrap();
    assert_eq!(loaded.content.read_all().unwrap(), &b"Subject: 2\r\n\r\ntext\r\n"[..]);
    assert_eq!(loaded.entry.judgement.summary.subject, "number 2");
    assert!(kept.load(other, Some("legal")).unwrap().is_none());
}

#[tokio::test]
async fn each_class_has_its_own_time() {
    let dir = tempfile::tempdir().unwrap();
    let id = MailId::mint();
    let kept = archive(dir.path());
    file(&kept, id, 1, "mail").await;
    file(&kept, id, 1, "legal").await;
    let days = |days: u64| SystemTime::now() + Duration::from_secs(days * DAY_S + 2);
    assert!(kept.expire(days(9)).await.unwrap().is_empty());
    assert_eq!(kept.expire(days(10)).await.unwrap(), [(id, "mail".to_owned())]);
    // What was kept for legal reasons stays over a restart, and the end of the other too.
    kept.close();
    drop(kept);
    let kept = archive(dir.path());
    assert_eq!(kept.count(), 1);
    kept.reload(&config::Archive { keep_days: 1, ..Default::default() });
    assert_eq!(kept.expire(days(1)).await.unwrap(), [(id, "legal".to_owned())]);
    assert_eq!(kept.count(), 0);
}

#[tokio::test]
async fn many_at_once_are_all_there() {
    let dir = tempfile::tempdir().unwrap();
    let kept = archive(dir.path());
    let id = MailId::mint();
    let tasks = (0..20).map(|number| {
        let kept = Arc::clone(&kept);
        tokio::spawn(async move { file(&kept, id, number % 2, "mail").await })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(kept.count(), 1);
}
