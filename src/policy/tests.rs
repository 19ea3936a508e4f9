use super::*;
use crate::analysis::{Listed, Look};
use crate::config::Policy;
use crate::mail::{
    Class, Disposition, Envelope, Facts, Finding, Judgement, MailId, Manners, Order, Recipient,
    ReversePath, Role, Verdict,
};

/// What the policy makes of a mail of which nothing remarkable was observed.
pub(super) fn judgement(
    envelope: &Envelope,
    role: Role,
    look: &Look,
    policy: &PolicySet,
) -> Judgement {
    let facts = Facts {
        role,
        client: "192.0.2.7".parse().unwrap(),
        helo: "client.test".into(),
        extended: true,
        tls: None,
        account: None,
        received_ms: 1_700_000_000_000,
        manners: Manners::default(),
    };
    let groups = PartyGroups::default();
    let id = MailId::from_octets([7; 12]);
    judgement_of(
        &Case { envelope, facts: &facts, id, octets: 1_000, groups: &groups },
        look,
        policy,
    )
}

fn policy(text: &str) -> PolicySet {
    PolicySet::new(&toml::from_str::<Policy>(text).unwrap())
}

fn envelope(sender: &str, recipients: &[&str]) -> Envelope {
    Envelope {
        reverse_path: ReversePath::Mailbox(sender.parse().unwrap()),
        recipients: recipients.iter().map(|text| Recipient::plain(text.parse().unwrap())).collect(),
        body: Default::default(),
        smtputf8: false,
        dsn_return: None,
        envelope_id: None,
    }
}

fn judged(
    terms: &str,
    role: Role,
    recipients: &[&str],
    findings: &[(Class, f32)],
) -> crate::mail::Judgement {
    let findings: Vec<Finding> =
        findings.iter().map(|(class, score)| Finding::new("SEEN", *class, *score, "")).collect();
    let envelope = envelope("a@own.example", recipients);
    let look = Look { findings, ..Look::default() };
    judgement(&envelope, role, &look, &policy(terms))
}

fn short(disposition: &Disposition) -> &'static str {
    match disposition {
        Disposition::Deliver => "deliver",
        Disposition::Quarantine { area } if area == "malware" => "quarantine as malware",
        Disposition::Quarantine { .. } => "quarantine",
        Disposition::Reject { .. } => "reject",
        Disposition::Defer { .. } => "defer",
        Disposition::HoldUnscanned => "hold",
        Disposition::Discard => "discard",
        Disposition::Approval { .. } => "approval",
    }
}

#[test]
fn findings_lead_where_the_terms_say() {
    use Class::*;
    use Role::*;
    let table: [(&str, Role, &[(Class, f32)], Verdict, &str); 28] = [
        ("", Inbound, &[], Verdict::Clean, "deliver"),
        ("", Inbound, &[(Spam, 4.9)], Verdict::Clean, "deliver"),
        ("", Inbound, &[(Spam, 2.5), (Phish, 2.5)], Verdict::Spam, "deliver"),
        ("", Inbound, &[(Spam, 8.0)], Verdict::Spam, "quarantine"),
        ("", Inbound, &[(Spam, 15.0)], Verdict::Spam, "reject"),
        ("", Inbound, &[(Spam, 15.0), (Notice, -8.0)], Verdict::Spam, "deliver"),
        ("", Outbound, &[(Spam, 8.0)], Verdict::Clean, "deliver"),
        ("", Outbound, &[(Spam, 12.0)], Verdict::Spam, "quarantine"),
        ("", Submission, &[(Spam, 20.0)], Verdict::Spam, "reject"),
        ("", Inbound, &[(Malware, 0.0)], Verdict::Malicious, "reject"),
        ("", Submission, &[(Malware, 0.0)], Verdict::Malicious, "reject"),
        ("", Inbound, &[(Ambiguous, 0.0)], Verdict::Ambiguous, "quarantine"),
        ("", Inbound, &[(Equivocal, 0.0)], Verdict::Ambiguous, "reject"),
        ("", Submission, &[(Equivocal, 0.0)], Verdict::Ambiguous, "reject"),
        ("", Inbound, &[(Unscannable, 0.0)], Verdict::Unscannable, "quarantine"),
        ("", Inbound, &[(Class::Policy, 0.0)], Verdict::Policy, "quarantine"),
        ("", Inbound, &[(Profanity, 1.0)], Verdict::Clean, "deliver"),
        // The word is that of the worst, whatever the score.
        ("", Inbound, &[(Spam, 20.0), (Malware, 0.0)], Verdict::Malicious, "reject"),
        ("", Inbound, &[(Spam, 9.0), (Ambiguous, 0.0)], Verdict::Ambiguous, "quarantine"),
        (
            "",
            Inbound,
            &[(Unscannable, 9.0), (Class::Policy, 1.0)],
            Verdict::Unscannable,
            "quarantine",
        ),
        ("", Inbound, &[(Spam, 20.0), (Class::Policy, 1.0)], Verdict::Policy, "reject"),
        ("", Inbound, &[(Ambiguous, 0.0), (Unscannable, 0.0)], Verdict::Ambiguous, "quarantine"),
        ("inbound = { reject = 5 }", Inbound, &[(Spam, 5.0)], Verdict::Spam, "reject"),
        (
            "inbound.classes = { malware = 'quarantine' }",
            Inbound,
            &[(Malware, 1.0)],
            Verdict::Malicious,
            "quarantine as malware",
        ),
        (
            "inbound.classes = { phish = 'discard' }",
            Inbound,
            &[(Phish, 1.0)],
            Verdict::Spam,
            "discard",
        ),
        (
            "outbound.classes = { profanity = 'reject' }",
            Outbound,
            &[(Profanity, 1.0)],
            Verdict::Policy,
            "reject",
        ),
        (
            "inbound.classes = { ambiguous = 'deliver' }",
            Inbound,
            &[(Ambiguous, 1.0)],
            Verdict::Ambiguous,
            "deliver",
        ),
        (
            "inbound.reject = 5\n[[domain]]\nname = 'x.example'\nterms = { reject = 50 }",
            Inbound,
            &[(Spam, 15.0)],
            Verdict::Spam,
            "quarantine",
        ),
    ];
    for (terms, role, findings, verdict, disposition) in table {
        let judgement = judged(terms, role, &["r@x.example"], findings);
        let got = (judgement.verdict, short(&judgement.dispositions[0]));
        assert_eq!(got, (verdict, disposition), "{terms:?} {role} {findings:?}");
    }
}

#[test]
fn a_domain_of_one_role_does_not_touch_the_others() {
    let terms = "[[domain]]\nname = 'own.example'\nrole = 'outbound'\nterms = { reject = 3 }";
    let outbound = judged(terms, Role::Outbound, &["r@x.example"], &[(Class::Spam, 3.0)]);
    let inbound = judged(terms, Role::Inbound, &["r@own.example"], &[(Class::Spam, 3.0)]);
    assert_eq!(short(&outbound.dispositions[0]), "reject");
    assert_eq!(short(&inbound.dispositions[0]), "deliver");
}

#[test]
fn a_mail_is_refused_only_when_every_recipient_is() {
    let terms = "[[domain]]\nname = 'soft.example'\nterms = { reject = 50 }";
    let findings = [(Class::Spam, 20.0)];
    let all = judged(terms, Role::Inbound, &["a@x.example", "b@y.example"], &findings);
    let some = judged(terms, Role::Inbound, &["a@x.example", "b@soft.example"], &findings);
    let refused = refusal(&all).unwrap();
    assert_eq!(refused.reply().code, 550);
    assert!(refused.reply().text[0].contains(&MailId::from_octets([7; 12]).to_string()));
    assert_eq!(refusal(&some), None);
    assert_eq!(short(&some.dispositions[0]), "reject");
}

#[test]
fn a_refusal_names_its_kind() {
    let table: [(&[(Class, f32)], &str); 5] = [
        (&[(Class::Equivocal, 4.0)], "different authors"),
        (&[(Class::Equivocal, 4.0), (Class::Spam, 20.0)], "different authors"),
        (&[(Class::Equivocal, 4.0), (Class::Malware, 20.0)], "malware"),
        (&[(Class::Spam, 20.0)], "spam"),
        (&[(Class::Ambiguous, 20.0)], "more than one way"),
    ];
    for (findings, words) in table {
        let judgement = judged("", Role::Inbound, &["a@x.example"], findings);
        let text = refusal(&judgement).unwrap().reply().text[0].clone();
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn tags_and_report_fields_are_orders() {
    let terms = "headers = true\ninbound.tag_subject = '{spam}'";
    let judgement = judged(terms, Role::Inbound, &["a@x.example"], &[(Class::Spam, 6.0)]);
    let field =
        |name: &str, value: &str| Order::AddHeader { name: name.into(), value: value.into() };
    assert_eq!(
        judgement.orders,
        [
            Order::TagSubject("{spam}".into()),
            Order::RemoveHeader("X-Postern-Verdict".into()),
            Order::RemoveHeader("X-Postern-Findings".into()),
            field("X-Postern-Verdict", "spam, score=6.0"),
            field("X-Postern-Findings", "SEEN=6.0"),
        ]
    );
}

#[test]
fn lists_decide_for_each_recipient() {
    use Class::*;
    let table: [(&[(Class, f32)], Listed, Verdict, &str); 11] = [
        (&[(Spam, 20.0)], Listed::No, Verdict::Spam, "reject"),
        (&[(Spam, 20.0)], Listed::Trusted, Verdict::Clean, "deliver"),
        (&[(Phish, 9.0), (Scam, 9.0), (Notice, 9.0)], Listed::Trusted, Verdict::Clean, "deliver"),
        (&[(Malware, 100.0)], Listed::Trusted, Verdict::Malicious, "reject"),
        (&[(Ambiguous, 3.0)], Listed::Trusted, Verdict::Ambiguous, "quarantine"),
        (&[(Ambiguous, 16.0)], Listed::Trusted, Verdict::Ambiguous, "reject"),
        (&[(Unscannable, 1.0)], Listed::Trusted, Verdict::Unscannable, "quarantine"),
        (&[(Class::Policy, 0.0)], Listed::Trusted, Verdict::Policy, "quarantine"),
        (&[], Listed::Blocked, Verdict::Policy, "reject"),
        (&[(Malware, 100.0)], Listed::Blocked, Verdict::Malicious, "reject"),
        (&[(Notice, -9.0)], Listed::Blocked, Verdict::Policy, "reject"),
    ];
    for (findings, listed, verdict, disposition) in table {
        let seen = findings.iter().map(|(class, score)| Finding::new("SEEN", *class, *score, ""));
        let look = Look { findings: seen.collect(), listed: vec![listed], ..Look::default() };
        let envelope = envelope("a@own.example", &["r@x.example"]);
        let judgement = judgement(&envelope, Role::Inbound, &look, &policy(""));
        let got = (judgement.verdict, short(&judgement.dispositions[0]));
        assert_eq!(got, (verdict, disposition), "{findings:?} {listed:?}");
    }
}

#[test]
fn one_recipients_block_refuses_no_other_recipients_mail() {
    let listed = vec![Listed::Blocked, Listed::No, Listed::Trusted];
    let findings = vec![Finding::new("SEEN", Class::Spam, 9.0, "")];
    let look = Look { findings, listed, ..Look::default() };
    let envelope = envelope("a@own.example", &["a@x.example", "b@x.example", "c@x.example"]);
    let judgement = judgement(&envelope, Role::Inbound, &look, &policy(""));
    let all: Vec<&str> = judgement.dispositions.iter().map(short).collect();
    assert_eq!(all, ["reject", "quarantine", "deliver"]);
    assert_eq!(refusal(&judgement), None);
}
