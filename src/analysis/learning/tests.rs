//! What is learned from, and that it is kept.

use super::super::{Authenticated, Dmarc};
use super::automatic::{Observation, label, source};
use super::*;
use crate::config::Learning;
use crate::mail::{Class, Domain, Facts, Finding, Role};

fn facts(role: Role, client: &str, account: Option<&str>) -> Facts {
    Facts {
        role,
        client: client.parse().unwrap(),
        helo: "client.test".into(),
        extended: true,
        tls: None,
        account: account.map(str::to_owned),
        received_ms: 0,
        manners: Default::default(),
    }
}

fn vouched() -> Authenticated {
    let author_domain = Some(Domain::parse("sender.test").unwrap());
    Authenticated { author_domain, dmarc: Dmarc::Pass, vouching: Vec::new() }
}

fn found(name: &'static str, class: Class, score: f32) -> Finding {
    Finding::new(name, class, score, "")
}

#[test]
fn only_what_is_sure_without_the_classifier_is_a_lesson() {
    use Class::*;
    use Role::*;
    let settings = Learning::default();
    let accused = |score: f32| vec![("A", Spam, score), ("B", Phish, 1.0), ("C", Scam, 1.0)];
    let with = |mut findings: Vec<(&'static str, Class, f32)>, more| {
        findings.push(more);
        findings
    };
    let (nobody, author) = (Authenticated::default(), vouched());
    let table: [(
        Role,
        Option<&str>,
        &Authenticated,
        Vec<(&'static str, Class, f32)>,
        Option<Label>,
    ); 14] = [
        (Inbound, None, &nobody, accused(10.0), Some(Label::Spam)),
        (Inbound, None, &nobody, accused(9.9), None),
        (Inbound, None, &nobody, vec![("A", Spam, 30.0)], None),
        (Inbound, None, &nobody, with(accused(9.0), ("CLASSIFIER_SPAM", Spam, 8.0)), None),
        (Inbound, None, &nobody, with(accused(10.0), ("CLASSIFIER_HAM", Notice, -2.5)), None),
        (Inbound, None, &nobody, with(accused(10.0), ("VIRUS_FOUND", Malware, 100.0)), None),
        (Inbound, None, &nobody, vec![], None),
        (Inbound, None, &author, vec![], None),
        (Inbound, None, &author, vec![("KNOWN", Notice, -1.5)], Some(Label::Ham)),
        (Inbound, None, &nobody, vec![("KNOWN", Notice, -1.5)], None),
        (Inbound, None, &author, vec![("KNOWN", Notice, -2.5), ("A", Spam, 0.5)], None),
        (
            Inbound,
            None,
            &author,
            vec![("KNOWN", Notice, -1.5), ("CLASSIFIER_SPAM", Spam, 4.0)],
            None,
        ),
        (Submission, Some("ann"), &nobody, vec![], Some(Label::Ham)),
        (Outbound, None, &author, vec![("KNOWN", Notice, -1.5)], None),
    ];
    for (row, (role, account, authenticated, seen, expected)) in table.into_iter().enumerate() {
        let findings: Vec<Finding> =
            seen.into_iter().map(|(name, class, score)| found(name, class, score)).collect();
        let facts = facts(role, "192.0.2.7", account);
        let observation = Observation { findings: &findings, facts: &facts, authenticated };
        assert_eq!(label(&settings, &observation), expected, "row {row}");
    }
}

#[test]
fn lessons_are_charged_to_networks_and_accounts() {
    let table = [
        (facts(Role::Inbound, "192.0.2.7", None), "network 192.0.2.0/24"),
        (facts(Role::Inbound, "2001:db8:1:2::3", None), "network 2001:db8:1::/48"),
        (facts(Role::Submission, "192.0.2.7", Some("ann")), "account ann"),
    ];
    for (facts, expected) in table {
        assert_eq!(source(&facts), expected);
    }
}

fn message(number: usize) -> Content {
    let text = format!("Subject: {number}\r\n\r\nitem number {number} of the list\r\n");
    Content::from_bytes(text.into_bytes())
}

#[tokio::test]
async fn lessons_are_given_answered_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let likeness = Arc::new(Likeness::in_dir(dir.path()));
    let settings = Learning { lessons_per_user: 3, lessons_per_day: 100, ..Learning::default() };
    let teacher = Teacher::start(Arc::clone(&likeness), &settings, None).unwrap();
    assert!(teacher.knowledge().is_none());
    teacher.teach(message(0), Label::Spam, (Standing::User, "ann"), None).await.unwrap();
    teacher.teach(message(0), Label::Spam, (Standing::User, "bob"), None).await.unwrap_err();
    // Of what is new to the model a lesson moves as much as three may of what is known.
    let refused = teacher.teach(message(9), Label::Spam, (Standing::User, "ann"), None).await;
    let exhausted = Untaught::Refused(Refusal::SourceExhausted);
    assert_eq!(refused.unwrap_err(), NotTaught::Untaught(exhausted));
    let by_operator = (Standing::Operator, "operator");
    teacher.teach(message(9), Label::Ham, by_operator, None).await.unwrap();
    let empty = teacher.teach(Content::from_bytes(Vec::new()), Label::Ham, by_operator, None).await;
    assert_eq!(empty.unwrap_err(), NotTaught::Size(0));
    assert_eq!(teacher.save().await.unwrap().unwrap(), Saved::Written);
    assert_eq!(teacher.save().await.unwrap().unwrap(), Saved::Unchanged);
    // A correction takes back what the first lesson counted.
    teacher.teach(message(9), Label::Spam, by_operator, None).await.unwrap();
    teacher.close();
    assert_eq!(teacher.save().await.unwrap_err(), NotTaught::Closed);
    let again = Likeness::in_dir(dir.path()).classifier().unwrap();
    assert_eq!(again.learned(), (2, 0));
    assert_eq!(again.record().lessons_of(Standing::User), [1, 0]);
    assert_eq!(again.record().lessons_of(Standing::Operator), [1, 1]);
}

#[tokio::test]
async fn what_the_box_observes_waits_in_a_short_queue() {
    let dir = tempfile::tempdir().unwrap();
    let likeness = Arc::new(Likeness::in_dir(dir.path()));
    let teacher = Teacher::start(Arc::clone(&likeness), &Learning::default(), None).unwrap();
    let facts = facts(Role::Submission, "192.0.2.7", Some("ann"));
    let nobody = Authenticated::default();
    let observation = Observation { findings: &[], facts: &facts, authenticated: &nobody };
    for number in 0..500 {
        teacher.observe(MailId::from_octets([7; 12]), &message(number), &observation);
    }
    teacher.close();
    let (spam, ham) = likeness.classifier().unwrap().learned();
    let most = Learning::default().automatic_lessons_per_source;
    assert!(spam == 0 && (1..=most).contains(&ham), "{ham}");
}
