//! Rules in judgements: against terms and lists, for each recipient, and never without a trace.

use std::sync::Arc;

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::rules::{Groups, RuleBook};
use super::*;
use crate::analysis::{Demand, Listed, Look};
use crate::config::{Config, Consequence};
use crate::mail::{
    Class, Disposition, EnhancedCode, Envelope, Facts, Finding, HeaderField, Judgement, MailId,
    Manners, Marking, MarkingLevel, MarkingPlace, Order, Recipient, ReversePath, Role, Verdict,
};

const CONFIG: &str = "
[system]
hostname = 'mx.own.test'
data_dir = '/data'
postmaster = 'postmaster@own.test'
[[domain]]
name = 'own.test'
next_hop = ['smtp://10.0.0.5:25']
[[group]]
name = 'finance'
members = ['ann@own.test', '@pay.own.test']
";

fn policy(rules: &str) -> PolicySet {
    let config = Config::parse(CONFIG, "c".as_ref(), "/".as_ref()).unwrap();
    let groups = Groups::configured(&config.group);
    let book = RuleBook::parse(rules, "policy.toml", &groups);
    let book = book.unwrap_or_else(|why| panic!("{why}\n{rules}"));
    PolicySet::of(&config).with_rules(Arc::new(book), TimeZone::UTC)
}

fn rule(name: &str, when: &str, orders: &str) -> String {
    format!("[[rule]]\nname = '{name}'\nwhen = {{ {when} }}\norders = [{orders}]\n")
}

fn judged(rules: &str, role: Role, recipients: &[&str], look: &Look) -> Judgement {
    let envelope = Envelope {
        reverse_path: ReversePath::Mailbox("ann@own.test".parse().unwrap()),
        recipients: recipients.iter().map(|text| Recipient::plain(text.parse().unwrap())).collect(),
        body: Default::default(),
        smtputf8: false,
        dsn_return: None,
        envelope_id: None,
    };
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
    let case = Case { envelope: &envelope, facts: &facts, id, octets: 1_000, groups: &groups };
    judgement_of(&case, look, &policy(rules))
}

fn look(findings: &[(Class, f32)]) -> Look {
    let seen = findings.iter().map(|(class, score)| Finding::new("SEEN", *class, *score, ""));
    Look { findings: seen.collect(), ..Look::default() }
}

fn word(disposition: &Disposition) -> String {
    match disposition {
        Disposition::Deliver => "deliver".into(),
        Disposition::Quarantine { area } => format!("quarantine {area}"),
        Disposition::Reject { reply } => format!("{} {}", reply.code, reply.text[0]),
        Disposition::Defer { reply } => format!("{}", reply.code),
        Disposition::HoldUnscanned => "hold".into(),
        Disposition::Discard => "discard".into(),
        Disposition::Approval { approver, rule, .. } => format!("{approver} for {rule}"),
    }
}

#[test]
fn the_stricter_of_terms_and_rules_wins() {
    use Class::*;
    let table: [(&str, &[(Class, f32)], &str, Verdict); 18] = [
        ("'quarantine'", &[], "quarantine policy", Verdict::Policy),
        ("{ quarantine = 'x' }", &[(Spam, 9.0)], "quarantine x", Verdict::Policy),
        ("'quarantine'", &[(Spam, 20.0)], "550 message refused: it looks", Verdict::Policy),
        (
            "{ reject = 'not by mail' }",
            &[(Spam, 9.0)],
            "550 not by mail; reference",
            Verdict::Policy,
        ),
        ("{ hold = 'boss@own.test' }", &[], "boss@own.test for r", Verdict::Policy),
        ("{ hold = 'boss@own.test' }", &[(Spam, 9.0)], "quarantine policy", Verdict::Policy),
        ("'discard'", &[], "discard", Verdict::Policy),
        ("'discard'", &[(Malware, 0.0)], "550 message refused: it carries", Verdict::Malicious),
        ("'defer'", &[], "451", Verdict::Policy),
        ("'secure'", &[], "550 this message may only leave by secure", Verdict::Policy),
        ("'deliver'", &[(Spam, 20.0)], "deliver", Verdict::Spam),
        ("'deliver'", &[(Phish, 9.0), (Class::Policy, 1.0)], "deliver", Verdict::Policy),
        ("'deliver'", &[(Malware, 0.0)], "550 message refused: it carries", Verdict::Malicious),
        ("'deliver'", &[(Ambiguous, 0.0)], "quarantine policy", Verdict::Ambiguous),
        (
            "{ deliver = { despite = ['ambiguous'] } }",
            &[(Ambiguous, 0.0)],
            "deliver",
            Verdict::Ambiguous,
        ),
        (
            "{ deliver = { despite = ['malware'] } }",
            &[(Malware, 9.0)],
            "deliver",
            Verdict::Malicious,
        ),
        ("{ redirect = 'x@own.test' }", &[(Spam, 9.0)], "quarantine policy", Verdict::Spam),
        ("'archive'", &[], "deliver", Verdict::Clean),
    ];
    for (orders, findings, expected, verdict) in table {
        let rules = rule("r", "", orders);
        let judgement = judged(&rules, Role::Inbound, &["bob@own.test"], &look(findings));
        let got = word(&judgement.dispositions[0]);
        assert!(got.starts_with(expected), "{orders} {findings:?}: {got}");
        assert_eq!(judgement.verdict, verdict, "{orders} {findings:?}");
        assert!(judgement.findings.iter().any(|one| one.name == "POLICY_RULE"), "{orders}");
    }
}

#[test]
fn what_lists_and_authors_demand_stays_unless_a_rule_names_it() {
    let demand = Demand {
        consequence: Consequence::Reject,
        code: EnhancedCode(5, 7, 26),
        why: "nobody vouches".into(),
    };
    let demanding = Look { demand: Some(demand), ..Look::default() };
    let blocked = Look { listed: vec![Listed::Blocked], ..Look::default() };
    let table = [
        ("'deliver'", &demanding, "550"),
        ("{ deliver = { despite = ['dmarc'] } }", &demanding, "deliver"),
        ("{ deliver = { despite = ['dmarc', 'malware'] } }", &blocked, "550"),
    ];
    for (orders, look, expected) in table {
        let judgement = judged(&rule("r", "", orders), Role::Inbound, &["bob@own.test"], look);
        assert!(word(&judgement.dispositions[0]).starts_with(expected), "{orders}");
    }
}

#[test]
fn each_recipient_has_its_own_rules() {
    let rules = [
        rule("tag", "recipient_domain = 'x.test'", "{ tag_subject = '[X]' }, 'archive'"),
        rule("all", "", "{ add_header = { name = 'X-A', value = '1' } }, 'archive'"),
        rule("stop", "forward_path = 'carl@y.test', sender_group = 'finance'", "'discard'"),
        rule("inside", "direction = 'internal'", "{ redirect = 'boss@own.test' }"),
        rule(
            "told",
            "direction = 'outbound'",
            "{ notify = { to = ['sender', 'recipient', 'postmaster'] } }",
        ),
    ]
    .concat();
    let recipients = ["bob@x.test", "carl@y.test", "dora@own.test"];
    let judgement = judged(&rules, Role::Submission, &recipients, &Look::default());
    let words: Vec<String> = judgement.dispositions.iter().map(word).collect();
    assert_eq!(words, ["deliver", "discard", "deliver"]);
    let archive = Order::Archive { class: "default".into() };
    let header = Order::AddHeader { name: "X-A".into(), value: "1".into() };
    let tag = Order::TagSubject("[X]".into());
    let notified = |order: &Order| match order {
        Order::Notify { to, .. } => to.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    };
    let of = |at: u16| judgement.orders_of(at);
    assert_eq!(of(0)[..3], [tag, archive.clone(), header.clone()]);
    assert_eq!(notified(&of(0)[3]), ["ann@own.test", "bob@x.test", "postmaster@own.test"]);
    assert_eq!(of(1)[..2], [archive.clone(), header.clone()]);
    let redirect = Order::Redirect { to: vec!["boss@own.test".parse().unwrap()] };
    assert_eq!(of(2), [archive, header, redirect]);
    let told: Vec<&str> = judgement.findings.iter().map(|finding| &*finding.detail).collect();
    assert_eq!(told[0], "the rule \"tag\": archive, tag_subject (for 1 of 3 recipients)");
    assert_eq!(told[1], "the rule \"all\": add_header, archive");
}

#[test]
fn a_tag_for_spam_is_not_put_on_what_a_rule_delivers() {
    let rules = rule("r", "forward_path = 'bob@own.test'", "'deliver'");
    let spam = look(&[(Class::Spam, 6.0)]);
    let judgement = judged(&rules, Role::Inbound, &["bob@own.test", "carl@own.test"], &spam);
    assert!(judgement.orders_of(0).is_empty());
    assert_eq!(judgement.orders_of(1), [Order::TagSubject("[SPAM]".into())]);
}

#[test]
fn a_forged_reverse_path_is_told_nothing() {
    let rules = rule("r", "", "{ notify = { to = ['sender'] } }");
    let forged = judged(&rules, Role::Inbound, &["bob@own.test"], &Look::default());
    assert!(forged.orders.is_empty());
    let vouched = Look {
        findings: vec![Finding::new("SPF_PASS", Class::Notice, 0.0, "")],
        ..Look::default()
    };
    assert_eq!(judged(&rules, Role::Inbound, &["bob@own.test"], &vouched).orders.len(), 1);
}

#[test]
fn header_fields_and_markings_come_from_the_look() {
    let look = Look {
        header: vec![HeaderField { name: "X-Secret".into(), value: "yes".into() }],
        markings: vec![Marking {
            level: MarkingLevel::Restricted,
            words: "RESTRICTED: STAFF".into(),
            place: MarkingPlace::Subject,
        }],
        ..Look::default()
    };
    let rules = rule("a", "header = { name = 'x-secret' }, marking = 'RESTRICTED'", "'discard'");
    let judgement = judged(&rules, Role::Outbound, &["bob@x.test"], &look);
    assert_eq!(word(&judgement.dispositions[0]), "discard");
}

const ORDERS: [&str; 9] = [
    "'deliver'",
    "{ deliver = { despite = ['malware', 'unscannable', 'ambiguous', 'equivocal', 'dmarc'] } }",
    "'discard'",
    "'quarantine'",
    "{ reject = 'no' }",
    "'defer'",
    "{ hold = 'boss@own.test' }",
    "{ redirect = ['x@x.test'] }",
    "'archive', { copy = ['y@y.test'] }, 'strip_attachments'",
];

const CONDITIONS: [&str; 5] = [
    "",
    "class = 'malware'",
    "recipient_domain = 'x.test'",
    "score = { at_least = 8 }",
    "not = { forward_path = 'bob@own.test' }",
];

proptest! {
    #[test]
    fn no_rule_makes_a_mail_vanish(
        picks in proptest::collection::vec((0usize..5, 0usize..9), 0..8),
        classes in proptest::collection::vec((0usize..10, -5.0f32..20.0), 0..4),
        role in 0usize..3,
        unscanned in any::<bool>(),
    ) {
        let rules: String = picks
            .iter()
            .enumerate()
            .map(|(at, (when, orders))| rule(&format!("r{at}"), CONDITIONS[*when], ORDERS[*orders]))
            .collect();
        let findings: Vec<(Class, f32)> =
            classes.iter().map(|(class, score)| (Class::ALL[*class], *score)).collect();
        let role = [Role::Inbound, Role::Outbound, Role::Submission][role];
        let recipients = ["bob@own.test", "bob@x.test", "carl@x.test"];
        let mut judgement = judged(&rules, role, &recipients, &look(&findings));
        prop_assert_eq!(judgement.dispositions.len(), recipients.len());
        let told: Vec<&Finding> =
            judgement.findings.iter().filter(|one| one.name == "POLICY_RULE").collect();
        let is_dropped = judgement.dispositions.contains(&Disposition::Discard);
        prop_assert!(!is_dropped || told.iter().any(|one| one.detail.contains("discard")));
        for order in &judgement.orders {
            if let Order::For { recipients: whose, .. } = order {
                prop_assert!(!whose.is_empty() && whose.len() < recipients.len());
                prop_assert!(whose.is_sorted() && whose.iter().all(|it| *it < 3));
            }
        }
        if unscanned {
            evaluate::hold_unscanned(&mut judgement);
            prop_assert!(!judgement.dispositions.contains(&Disposition::Deliver));
            let waits = |it: &Disposition| matches!(it, Disposition::Approval { .. } | Disposition::Quarantine { .. });
            prop_assert!(!judgement.dispositions.iter().any(waits));
        }
    }
}
