//! Orders over the real spool, quarantine, archive and journal, delivered to a real server,
//! with the power cut after every durable step.

use super::super::testing::{Arrived, Rooms, address, config};
use super::super::windows::Windows;
use super::*;
use crate::delivery::testing::{Kept, Server};
use crate::mail::{
    AnnotationPlace, Class, Content, Disposition, Expiry, Finding, Judgement, Order, ReversePath,
    Role, Verdict,
};

fn to(addresses: &[&str]) -> Vec<crate::mail::Address> {
    addresses.iter().map(|text| address(text)).collect()
}

fn copy(addresses: &[&str]) -> Order {
    Order::Copy { to: to(addresses) }
}

fn redirect(addresses: &[&str]) -> Order {
    Order::Redirect { to: to(addresses) }
}

fn notify(addresses: &[&str]) -> Order {
    Order::Notify {
        to: to(addresses),
        subject: "About {subject}".into(),
        text: "{sender} to {recipient}: {reason}, {mail_id} {unknown} {".into(),
    }
}

fn archive(class: &str) -> Order {
    Order::Archive { class: class.into() }
}

fn for_only(recipients: &[u16], order: Order) -> Order {
    Order::For { recipients: recipients.to_vec(), order: Box::new(order) }
}

async fn server() -> Server {
    Server::start(|_, _| None).await
}

/// Who got how many, sorted.
fn copies(server: &Server) -> Vec<String> {
    let kept = server.kept.lock().unwrap().clone();
    let mut all: Vec<String> = kept.iter().flat_map(|kept| kept.forward_paths.clone()).collect();
    all.sort();
    all
}

fn got(server: &Server, who: &str) -> Vec<Kept> {
    let kept = server.kept.lock().unwrap().clone();
    kept.into_iter().filter(|kept| kept.forward_paths.iter().any(|it| it == who)).collect()
}

#[tokio::test]
async fn everything_ordered_beside_delivery_is_done_once() {
    let (server, dir) = (server().await, tempfile::tempdir().unwrap());
    let rooms = Rooms::open(dir.path(), config(&server, ""), usize::MAX);
    let tag = Order::TagSubject("[X]".into());
    let orders = vec![
        tag,
        archive("mail"),
        for_only(&[0], copy(&["eve@own.test", "EVE@own.test", "eva@own.test"])),
        for_only(&[1], copy(&["eve@own.test", "EVE@own.test", "eva@own.test"])),
        notify(&["pm@own.test"]),
    ];
    let id = rooms.put(Arrived::new(&["a@x.test", "b@x.test"], orders)).await;
    rooms.run().await;
    assert_eq!(
        copies(&server),
        ["a@x.test", "b@x.test", "eva@own.test", "eve@own.test", "pm@own.test"]
    );
    let copied = &got(&server, "eve@own.test")[0];
    assert_eq!(copied.reverse_path, "");
    assert!(copied.text.contains("\r\nSubject: [X] plan\r\n"), "{}", copied.text);
    assert!(copied.text.contains("\r\nX-Postern-Trail: "), "{}", copied.text);
    // The recipients see nothing of it.
    let own = &got(&server, "a@x.test")[0];
    assert_eq!(own.reverse_path, "sender@from.test");
    assert!(!own.text.contains("eve") && !own.text.contains("Trail"), "{}", own.text);
    let listed = rooms.archive.list(&Default::default(), 9);
    assert_eq!((listed.len(), listed[0].mail_id, listed[0].class.as_str()), (1, id, "mail"));
    let names = rooms.story(id).await;
    assert_eq!(names, ["archived", "copied", "notified", "delivered", "delivered"]);
    let notice = &got(&server, "pm@own.test")[0];
    assert_eq!(notice.reverse_path, "");
    assert!(notice.text.contains("\r\nAuto-Submitted: auto-generated\r\n"), "{}", notice.text);
    assert!(notice.text.contains("\r\nSubject: About plan\r\n"), "{}", notice.text);
    let body = decoded(&notice.text);
    let expected =
        format!("sender@from.test to a@x.test, b@x.test: delivered, {id} {{unknown}} {{\r\n");
    assert_eq!(body, expected);
    rooms.close();
}

fn decoded(text: &str) -> String {
    use base64::Engine;
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    let octets = base64::engine::general_purpose::STANDARD.decode(body.replace("\r\n", ""));
    String::from_utf8(octets.unwrap()).unwrap()
}

#[tokio::test]
async fn a_redirected_copy_goes_elsewhere_instead() {
    let (server, dir) = (server().await, tempfile::tempdir().unwrap());
    let rooms = Rooms::open(dir.path(), config(&server, ""), usize::MAX);
    let orders = vec![
        Order::AddHeader { name: "X-Seen".into(), value: "yes".into() },
        for_only(&[0, 2], redirect(&["r@own.test", "c@x.test"])),
    ];
    let id = rooms.put(Arrived::new(&["a@x.test", "b@x.test", "c@x.test"], orders)).await;
    rooms.run().await;
    // c is among those it goes to and has its own copy.
    assert_eq!(copies(&server), ["b@x.test", "c@x.test", "r@own.test"]);
    let redirected = &got(&server, "r@own.test")[0];
    assert_eq!(redirected.reverse_path, "sender@from.test");
    assert!(redirected.text.contains("\r\nX-Seen: yes\r\n"));
    let story = rooms.story(id).await;
    assert_eq!(story, ["redirected", "delivered", "delivered"]);
    rooms.close();
}

#[tokio::test]
async fn what_comes_back_is_not_sent_there_again() {
    let (server, dir) = (server().await, tempfile::tempdir().unwrap());
    let rooms = Rooms::open(dir.path(), config(&server, ""), usize::MAX);
    let orders = vec![redirect(&["r@own.test"]), copy(&["k@own.test"])];
    rooms.put(Arrived::new(&["a@x.test"], orders.clone())).await;
    rooms.run().await;
    assert_eq!(copies(&server), ["k@own.test", "r@own.test"]);
    // Both servers bring it back to the first recipient.
    for who in ["r@own.test", "k@own.test"] {
        let text = got(&server, who)[0].text.clone();
        let mut back = Arrived::new(&["a@x.test"], orders.clone());
        back.text = text;
        let id = rooms.put(back).await;
        rooms.run().await;
        let story = rooms.story(id).await;
        let withheld = story.iter().filter(|name| **name == "withheld").count();
        assert_eq!(withheld, 1, "{story:?}");
        assert!(story.contains(&if who == "r@own.test" { "delivered" } else { "redirected" }));
    }
    // A forged mark is none, and one of another message neither.
    let forged = "X-Postern-Trail: 00112233445566778899aabbccddeeff\r\n";
    let mut mail = Arrived::new(&["a@x.test"], orders);
    mail.text = format!("{forged}{}", mail.text);
    let id = rooms.put(mail).await;
    rooms.run().await;
    assert_eq!(rooms.story(id).await, ["redirected", "copied"]);
    rooms.close();
}

#[tokio::test]
async fn copies_are_kept_back_where_they_would_harm() {
    let (server, dir) = (server().await, tempfile::tempdir().unwrap());
    let rooms = Rooms::open(dir.path(), config(&server, ""), usize::MAX);
    let mut mail = Arrived::new(&["a@x.test"], vec![copy(&["k@own.test"]), archive("mail")]);
    mail.verdict = Verdict::Malicious;
    mail.dispositions = vec![Disposition::Quarantine { area: "malware".into() }];
    let id = rooms.put(mail).await;
    rooms.run().await;
    assert!(copies(&server).is_empty());
    assert_eq!(rooms.story(id).await, ["archived", "withheld", "quarantined"]);
    rooms.close();
}

/// One row: a change to the mail, and whether its sender is told.
type Row = (&'static str, fn(&mut Arrived), bool);

#[tokio::test]
async fn a_sender_is_told_only_where_a_machine_may_answer() {
    let table: [Row; 12] = [
        ("an own sender", |_| {}, true),
        ("outside, nobody vouches", |mail| mail.role = Role::Inbound, false),
        (
            "outside, vouched for",
            |mail| {
                mail.role = Role::Inbound;
                mail.findings = vec![Finding::new("SPF_PASS", Class::Notice, 0.0, "")];
            },
            true,
        ),
        ("no sender", |mail| mail.envelope.reverse_path = ReversePath::Null, false),
        ("a list", |mail| mail.text.insert_str(0, "List-Id: <l.x.test>\r\n"), false),
        ("another list", |mail| mail.text.insert_str(0, "List-Unsubscribe: <x:y>\r\n"), false),
        ("bulk", |mail| mail.text.insert_str(0, "Precedence: BULK\r\n"), false),
        ("automatic", |mail| mail.text.insert_str(0, "auto-submitted: auto-replied\r\n"), false),
        ("by hand", |mail| mail.text.insert_str(0, "Auto-Submitted: no\r\n"), true),
        ("told off", |mail| mail.text.insert_str(0, "X-Auto-Response-Suppress: All\r\n"), false),
        (
            "a daemon",
            |mail| mail.envelope.reverse_path = ReversePath::Mailbox(address("owner-l@from.test")),
            false,
        ),
        (
            "refused",
            |mail| mail.dispositions = vec![Disposition::Quarantine { area: "spam".into() }],
            true,
        ),
    ];
    for (name, change, is_told) in table {
        let (server, dir) = (server().await, tempfile::tempdir().unwrap());
        let rooms = Rooms::open(dir.path(), config(&server, ""), usize::MAX);
        let mut mail = Arrived::new(&["a@x.test"], Vec::new());
        change(&mut mail);
        let sender = mail.envelope.reverse_path.address().cloned();
        let reader = sender.unwrap_or_else(|| address("nobody@from.test")).to_string();
        let readers = [reader.as_str(), "pm@own.test"];
        let only_others = mail.envelope.reverse_path == ReversePath::Null;
        mail.orders = vec![notify(if only_others { &readers[1..] } else { &readers })];
        let id = rooms.put(mail).await;
        rooms.run().await;
        assert_eq!(!got(&server, &reader).is_empty(), is_told, "{name}");
        // The administrator is told of all.
        assert_eq!(got(&server, "pm@own.test").len(), 1, "{name}");
        let story = rooms.story(id).await;
        assert_eq!(story.contains(&"withheld"), !is_told && !only_others, "{name}: {story:?}");
        rooms.close();
    }
}

#[tokio::test]
async fn there_is_one_notice_of_a_rule_and_sender_in_an_hour() {
    let (server, dir) = (server().await, tempfile::tempdir().unwrap());
    let rooms = Rooms::open(dir.path(), config(&server, ""), usize::MAX);
    for number in 0..4 {
        let mut mail = Arrived::new(&["a@x.test"], vec![notify(&["pm@own.test"])]);
        if number == 3 {
            mail.envelope.reverse_path = ReversePath::Mailbox(address("other@from.test"));
        }
        rooms.put(mail).await;
    }
    rooms.run().await;
    assert_eq!(got(&server, "pm@own.test").len(), 2);
    // What is told about comes back: a notice is not told about.
    let mut back = Arrived::new(&["a@x.test"], vec![notify(&["pm@own.test"])]);
    back.text = got(&server, "pm@own.test")[0].text.clone();
    back.envelope.reverse_path = ReversePath::Mailbox(address("third@from.test"));
    let id = rooms.put(back).await;
    rooms.run().await;
    assert_eq!(rooms.story(id).await, ["withheld", "delivered"]);
    rooms.close();
}

#[tokio::test]
async fn no_text_of_a_stranger_forges_a_field_or_a_place() {
    let (server, dir) = (server().await, tempfile::tempdir().unwrap());
    let rooms = Rooms::open(dir.path(), config(&server, ""), usize::MAX);
    let mut mail = Arrived::new(&["a@x.test"], vec![notify(&["pm@own.test"])]);
    mail.subject =
        format!("x\r\nBcc: v@own.test\r\n\r\n{{mail_id}} \u{202e}txt {}", "y".repeat(3_000));
    rooms.put(mail).await;
    rooms.run().await;
    let notice = got(&server, "pm@own.test")[0].clone();
    let (head, _) = notice.text.split_once("\r\n\r\n").unwrap();
    assert!(!head.to_lowercase().contains("\nbcc"), "{head}");
    assert!(head.lines().all(|line| line.len() <= 998), "{head}");
    assert!(notice.text.is_ascii());
    assert!(head.contains("{mail_id}"), "{head}");
    rooms.close();
}

#[tokio::test]
async fn a_route_that_is_ordered_is_taken_and_no_other() {
    let (server, other) = (server().await, server().await);
    let dir = tempfile::tempdir().unwrap();
    let rooms = Rooms::open(dir.path(), config(&server, ""), usize::MAX);
    let via = Order::RouteVia(format!("smtp://{}", other.address));
    rooms.put(Arrived::new(&["a@x.test", "b@x.test"], vec![for_only(&[0], via)])).await;
    rooms.run().await;
    assert_eq!(
        (copies(&server), copies(&other)),
        (vec!["b@x.test".into()], vec!["a@x.test".into()])
    );
    let wrong = Order::RouteVia("nonsense".into());
    let id = rooms.put(Arrived::new(&["a@x.test"], vec![wrong])).await;
    rooms.run_once().await;
    assert_eq!(rooms.spool.pending(id), [0]);
    assert_eq!(copies(&server).len(), 1);
    rooms.close();
}

/// The power is cut after each durable step in turn; what is on the disk is carried on with.
#[tokio::test]
async fn a_cut_after_any_step_loses_nothing_and_repeats_at_most_once() {
    let approval = Disposition::Approval {
        approver: address("boss@own.test"),
        expires_hours: 1,
        on_expiry: Expiry::Refuse,
        rule: "r".into(),
    };
    let orders = vec![
        archive("mail"),
        archive("legal"),
        copy(&["k@own.test"]),
        notify(&["pm@own.test"]),
        for_only(&[1], redirect(&["r@own.test"])),
        Order::Annotate {
            text: "t".into(),
            html: None,
            place: AnnotationPlace::Below,
            key: "k".into(),
        },
    ];
    let mut arrived =
        Arrived::new(&["a@x.test", "b@x.test", "c@x.test", "d@x.test", "e@x.test"], orders);
    arrived.dispositions[2] = approval;
    arrived.dispositions[3] = Disposition::Quarantine { area: "spam".into() };
    arrived.dispositions[4] = Disposition::Discard;
    for steps in 0..12 {
        let (server, dir) = (server().await, tempfile::tempdir().unwrap());
        let rooms = Rooms::open(dir.path(), config(&server, ""), steps);
        let id = rooms.put(arrived.clone()).await;
        rooms.run_once().await;
        let was_cut = rooms.steps.load(std::sync::atomic::Ordering::SeqCst) == 0;
        if was_cut && steps < 5 {
            // Errands come first: nothing has gone to a recipient.
            assert!(got(&server, "a@x.test").is_empty(), "{steps}");
        }
        let rooms = rooms.reopen(dir.path());
        rooms.run().await;
        for who in ["a@x.test", "k@own.test", "pm@own.test", "r@own.test", "boss@own.test"] {
            let count = got(&server, who).len();
            assert!((1..=2).contains(&count), "{steps}: {who} has {count}");
        }
        assert!(got(&server, "b@x.test").is_empty() && got(&server, "c@x.test").is_empty());
        assert_eq!((rooms.archive.count(), rooms.quarantine.count()), (2, 2), "{steps}");
        assert_eq!(rooms.quarantine.waiting_count(), 1, "{steps}");
        let story = rooms.story(id).await;
        for name in
            ["copied", "notified", "redirected", "quarantined", "approval_asked", "discarded"]
        {
            assert!(story.contains(&name), "{steps}: no {name} in {story:?}");
        }
        rooms.close();
    }
}

#[test]
fn limits_count_what_is_let_through() {
    use super::super::limits::charge;
    use super::super::windows::Together;
    use crate::mail::RateKey;
    let limit = |by| Order::RateLimit { name: "l".into(), count: 2, per_s: 60, by };
    let mail = |by| {
        let arrived = Arrived::new(&["a@x.test", "b@x.test"], vec![limit(by)]);
        (arrived.envelope.clone(), arrived)
    };
    let ask = |windows: &Windows, by, together, at_ms| {
        let (envelope, arrived) = mail(by);
        let facts = crate::delivery::testing::facts();
        let content = Content::from_bytes(arrived.text.into_bytes());
        let judgement = Judgement {
            verdict: Verdict::Clean,
            score: 0.0,
            findings: Vec::new(),
            summary: Default::default(),
            dispositions: arrived.dispositions,
            orders: arrived.orders,
        };
        let about = About {
            id: MailId::mint(),
            envelope: &envelope,
            facts: &facts,
            content: &content,
            judgement: &judgement,
        };
        charge(windows, about, together, at_ms)
    };
    for by in [RateKey::Sender, RateKey::SenderDomain, RateKey::Client] {
        let windows = Windows::default();
        let over = |at_ms| ask(&windows, by, Together::Each, at_ms).over;
        assert!(over(0).is_empty() && over(1).is_empty());
        let refused = over(2);
        assert_eq!((refused.len(), refused[0].recipients.as_slice()), (1, &[0, 1][..]));
        assert!(over(60_000).is_empty());
        assert!(!over(60_000).is_empty());
        let charged = ask(&windows, by, Together::Each, 120_000);
        charged.give_back(&windows);
        assert!(ask(&windows, by, Together::Each, 120_001).over.is_empty());
        assert!(ask(&windows, by, Together::Each, 120_002).over.is_empty());
    }
    let windows = Windows::default();
    // Two recipients, each counted for itself; nobody has logged in.
    assert!(ask(&windows, RateKey::Recipient, Together::Each, 0).over.is_empty());
    assert!(ask(&windows, RateKey::Recipient, Together::Each, 0).over.is_empty());
    assert_eq!(ask(&windows, RateKey::Recipient, Together::Each, 0).over.len(), 2);
    for at_ms in 0..9 {
        assert!(ask(&windows, RateKey::Account, Together::Each, at_ms).over.is_empty());
    }
}
