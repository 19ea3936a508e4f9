//! Questions, answers and what happens when nobody answers, over the real rooms.

use super::super::testing::{Arrived, Rooms, address, config};
use super::*;
use crate::delivery::testing::{Kept, Server};
use crate::mail::{Disposition, Notify, Order};
use crate::quarantine::APPROVAL_AREA;

const HOUR: Duration = Duration::from_secs(3_600);

fn held(on_expiry: Expiry) -> Disposition {
    Disposition::Approval {
        approver: address("boss@own.test"),
        expires_hours: 2,
        on_expiry,
        rule: "too large".into(),
    }
}

/// A mail of which one copy goes and one waits.
fn arrived(role: Role, on_expiry: Expiry) -> Arrived {
    let mut mail = Arrived::new(
        &["a@x.test", "b@x.test"],
        vec![
            Order::For { recipients: vec![1], order: Box::new(Order::TagSubject("[LATE]".into())) },
            Order::Archive { class: "mail".into() },
        ],
    );
    mail.role = role;
    mail.dispositions[1] = held(on_expiry);
    mail
}

async fn server() -> Server {
    Server::start(|_, _| None).await
}

fn got(server: &Server, who: &str) -> Vec<Kept> {
    let kept = server.kept.lock().unwrap().clone();
    kept.into_iter().filter(|kept| kept.forward_paths.iter().any(|it| it == who)).collect()
}

fn decoded(text: &str) -> String {
    use base64::Engine;
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    let octets = base64::engine::general_purpose::STANDARD.decode(body.replace("\r\n", ""));
    String::from_utf8(octets.unwrap()).unwrap()
}

/// The link of a question.
fn link(question: &Kept) -> String {
    let text = decoded(&question.text);
    let mut links = text.lines().filter_map(|line| line.strip_prefix("https://p.test/approval/"));
    let link = links.next().unwrap_or_else(|| panic!("{text}")).trim().to_owned();
    assert_eq!(links.next(), None, "{text}");
    link
}

const PORTAL: &str = "[orders]\napproval_url = \"https://p.test/\"\n[admin]\n";

#[tokio::test]
async fn a_link_releases_once_and_the_copy_goes_as_it_was_ordered() {
    let (server, dir) = (server().await, tempfile::tempdir().unwrap());
    let rooms = Rooms::open(dir.path(), config(&server, PORTAL), usize::MAX);
    let id = rooms.put(arrived(Role::Inbound, Expiry::Refuse)).await;
    rooms.run().await;
    assert_eq!((got(&server, "a@x.test").len(), got(&server, "b@x.test").len()), (1, 0));
    assert!(!got(&server, "a@x.test")[0].text.contains("[LATE]"));
    let question = &got(&server, "boss@own.test")[0];
    let text = decoded(&question.text);
    for words in ["sender@from.test", "b@x.test", "plan", "too large", "it is refused"] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert!(!text.contains("a@x.test"), "{text}");
    let link = link(question);
    let approvals = &rooms.approvals;
    // Looked at as often as anybody likes.
    for _ in 0..3 {
        assert_eq!(approvals.asked_by(&link).unwrap().held.mail_id, id);
    }
    let mut forged = link.clone().into_bytes();
    forged[3] = if forged[3] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    for wrong in [forged.as_str(), "", "x", &"A".repeat(10_000)] {
        assert!(matches!(approvals.asked_by(wrong), Err(ApprovalError::BadLink)));
        let answered = approvals.answer(wrong, Decision::Release).await;
        assert!(matches!(answered, Err(ApprovalError::BadLink)));
    }
    // Pressed twice at once, it is followed once.
    let (one, two) = tokio::join!(
        approvals.answer(&link, Decision::Release),
        approvals.answer(&link, Decision::Release)
    );
    assert_eq!([one.is_ok(), two.is_ok()].iter().filter(|is_ok| **is_ok).count(), 1);
    assert!(matches!(approvals.asked_by(&link), Err(ApprovalError::BadLink)));
    for decision in [Decision::Release, Decision::Refuse] {
        let again = approvals.answer(&link, decision).await;
        assert!(matches!(again, Err(ApprovalError::BadLink)));
    }
    rooms.run().await;
    let late = got(&server, "b@x.test");
    assert_eq!(late.len(), 1);
    assert!(late[0].text.contains("\r\nSubject: [LATE] plan\r\n"), "{}", late[0].text);
    // Once archived, once asked.
    assert_eq!((rooms.archive.count(), rooms.quarantine.count()), (1, 0));
    assert_eq!(
        rooms.story(id).await,
        [
            "archived",
            "approval_asked",
            "quarantined",
            "delivered",
            "approval_decided",
            "released",
            "goes_on"
        ]
    );
    rooms.close();
}

#[tokio::test]
async fn a_refusal_is_told_to_those_who_may_be_told() {
    // Own sender; own sender who asked for no report; from outside; own with no reverse-path.
    type Row = (Role, fn(&mut Arrived), &'static [&'static str]);
    let table: [Row; 4] = [
        (Role::Submission, |_| {}, &["sender@from.test"]),
        (
            Role::Outbound,
            |mail| {
                let never = Notify { success: false, failure: false, delay: false };
                mail.envelope.recipients[1].notify = Some(never);
            },
            &[],
        ),
        (Role::Inbound, |_| {}, &["b@x.test"]),
        (
            Role::Outbound,
            |mail| mail.envelope.reverse_path = crate::mail::ReversePath::Null,
            &["pm@own.test"],
        ),
    ];
    for (role, change, readers) in table {
        let (server, dir) = (server().await, tempfile::tempdir().unwrap());
        let rooms = Rooms::open(dir.path(), config(&server, PORTAL), usize::MAX);
        let mut mail = arrived(role, Expiry::Release);
        change(&mut mail);
        let id = rooms.put(mail).await;
        rooms.run().await;
        let link = link(&got(&server, "boss@own.test")[0]);
        rooms.approvals.answer(&link, Decision::Refuse).await.unwrap();
        rooms.run().await;
        let known = ["a@x.test", "boss@own.test"];
        let kept = server.kept.lock().unwrap().clone();
        let told: Vec<&Kept> =
            kept.iter().filter(|it| !known.contains(&it.forward_paths[0].as_str())).collect();
        let names: Vec<&str> = told.iter().map(|it| it.forward_paths[0].as_str()).collect();
        assert_eq!(names, readers, "{role:?}");
        for one in &told {
            assert_eq!(one.reverse_path, "");
            let is_report = one.text.contains("report-type=delivery-status");
            assert_eq!(is_report, role == Role::Submission, "{}", one.text);
            if is_report {
                assert!(one.text.contains("\r\nStatus: 5.7.1\r\n"), "{}", one.text);
            }
            // The message itself goes to nobody who was not to have it.
            assert!(is_report || !one.text.contains("body"), "{}", one.text);
        }
        assert!(rooms.story(id).await.contains(&"approval_decided"));
        assert_eq!((rooms.quarantine.count(), rooms.spool.counts().total()), (0, 0));
        rooms.close();
    }
}

#[tokio::test]
async fn the_end_of_the_time_is_carried_out_exactly_and_over_a_restart() {
    for (on_expiry, delivered) in [(Expiry::Refuse, 0), (Expiry::Release, 1)] {
        let (server, dir) = (server().await, tempfile::tempdir().unwrap());
        let rooms = Rooms::open(dir.path(), config(&server, PORTAL), usize::MAX);
        let id = rooms.put(arrived(Role::Submission, on_expiry)).await;
        rooms.run().await;
        let waiting = rooms.approvals.list(9);
        assert_eq!((waiting.len(), waiting[0].held.area.as_str()), (1, APPROVAL_AREA));
        let until = std::time::UNIX_EPOCH + Duration::from_secs(u64::from(waiting[0].until_s));
        assert_eq!(
            u64::from(waiting[0].until_s) * 1_000,
            waiting[0].held.stored_ms + 2 * 3_600_000
        );
        let rooms = rooms.reopen(dir.path());
        // What expires of the quarantine at large leaves it alone.
        let years = std::time::SystemTime::now() + 24 * 365 * HOUR;
        assert!(rooms.quarantine.expire(years).await.unwrap().is_empty());
        assert_eq!(rooms.approvals.expire(until - Duration::from_secs(1)).await.unwrap(), 0);
        assert_eq!(rooms.approvals.expire(until).await.unwrap(), 1);
        assert_eq!(rooms.approvals.expire(until).await.unwrap(), 0);
        rooms.run().await;
        assert_eq!(got(&server, "b@x.test").len(), delivered, "{on_expiry:?}");
        assert_eq!(got(&server, "sender@from.test").len(), 1 - delivered, "{on_expiry:?}");
        assert!(rooms.story(id).await.contains(&"approval_decided"));
        rooms.close();
    }
}

#[tokio::test]
async fn a_refusal_that_a_crash_interrupted_is_completed_and_never_a_release() {
    for told in [false, true] {
        let (server, dir) = (server().await, tempfile::tempdir().unwrap());
        let rooms = Rooms::open(dir.path(), config(&server, PORTAL), usize::MAX);
        rooms.put(arrived(Role::Submission, Expiry::Release)).await;
        rooms.run().await;
        let link = link(&got(&server, "boss@own.test")[0]);
        let entry = rooms.approvals.list(1)[0].held.id;
        let refusing = rooms.quarantine.refuse(entry, "boss").await.unwrap().unwrap();
        if told {
            // The power is cut between the news and the end of the entry.
            for own in rooms.approvals.news(&refusing.waiting, refusing.report).await.unwrap() {
                rooms.spool.commit_own(own).await.unwrap();
            }
        }
        drop(refusing);
        let rooms = rooms.reopen(dir.path());
        let late = rooms.approvals.answer(&link, Decision::Release).await;
        assert!(matches!(late, Err(ApprovalError::BadLink)));
        assert!(rooms.quarantine.release(&rooms.spool, entry, "x").await.unwrap().is_none());
        assert!(rooms.quarantine.resume(&rooms.spool).await.unwrap().is_empty());
        assert_eq!(rooms.approvals.resume().await.unwrap(), 1);
        assert_eq!(rooms.approvals.resume().await.unwrap(), 0);
        rooms.run().await;
        assert_eq!(
            (got(&server, "b@x.test").len(), got(&server, "sender@from.test").len()),
            (0, 1)
        );
        rooms.close();
    }
}

#[tokio::test]
async fn a_link_is_good_until_its_end_and_questions_differ() {
    let (server, dir) = (server().await, tempfile::tempdir().unwrap());
    let rooms = Rooms::open(dir.path(), config(&server, PORTAL), usize::MAX);
    let mut mail = arrived(Role::Inbound, Expiry::Refuse);
    mail.dispositions[0] = Disposition::Approval {
        approver: address("other@own.test"),
        expires_hours: 0,
        on_expiry: Expiry::Refuse,
        rule: "r".into(),
    };
    rooms.put(mail).await;
    rooms.run().await;
    assert_eq!(rooms.approvals.list(9).len(), 2);
    let late = link(&got(&server, "other@own.test")[0]);
    assert!(matches!(rooms.approvals.asked_by(&late), Err(ApprovalError::BadLink)));
    let answered = rooms.approvals.answer(&late, Decision::Release).await;
    assert!(matches!(answered, Err(ApprovalError::BadLink)));
    let link = link(&got(&server, "boss@own.test")[0]);
    rooms.approvals.answer(&link, Decision::Release).await.unwrap();
    assert_eq!(rooms.approvals.list(9).len(), 1);
    rooms.close();
}

#[tokio::test]
async fn a_question_names_no_link_that_leads_nowhere() {
    // Settings; what the question says, and what it does not say.
    let table = [
        ("", "postern approval release", "https://"),
        ("[orders]\napproval_url = \"https://p.test\"\n", "postern approval release", "https://"),
        (
            "[portal]\naddress = \"127.0.0.1:1\"\nurl = \"https://q.test\"\n",
            "postern approval release",
            "https://",
        ),
        ("[admin]\naddress = \"127.0.0.1:8443\"\n", "Waiting for approval", "https://"),
        ("[admin]\naddress = \"0.0.0.0:8443\"\n", "https://own.test:8443/approval/", "postern "),
        ("[admin]\naddress = \"192.0.2.7:443\"\n", "https://192.0.2.7/approval/", "postern "),
        (PORTAL, "https://p.test/approval/", "postern "),
    ];
    for (settings, words, none) in table {
        let (server, dir) = (server().await, tempfile::tempdir().unwrap());
        let rooms = Rooms::open(dir.path(), config(&server, settings), usize::MAX);
        rooms.put(arrived(Role::Inbound, Expiry::Refuse)).await;
        rooms.run().await;
        let text = decoded(&got(&server, "boss@own.test")[0].text);
        assert!(text.contains(words) && !text.contains(none), "{settings}: {text}");
        rooms.close();
    }
}
