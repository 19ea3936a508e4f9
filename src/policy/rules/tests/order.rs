//! In which order rules count, and what adds up.

use proptest::prelude::*;

use super::*;
use crate::mail::{AnnotationPlace, Expiry, RateKey};
use crate::policy::rules::{Despite, FinalOrder, Notified, Order, Said};

#[test]
fn the_first_final_order_counts_and_others_add_up() {
    let book = book(
        "[[rule]]\nname = 'a'\nwhen = { tls = 'none' }\norders = ['discard']\n\
         [[rule]]\nname = 'b'\norders = ['archive', { tag_subject = '[b]' }]\n\
         [[rule]]\nname = 'c'\norders = [{ quarantine = 'later' }, { tag_subject = '[c]' }]\n\
         [[rule]]\nname = 'd'\norders = ['deliver', { archive = 'legal' }]\n",
    );
    rich().with(|circumstances| {
        let outcome = book.explain(circumstances);
        let quarantine = FinalOrder::Quarantine { area: "later".into() };
        assert_eq!(
            outcome.final_order.map(|(rule, order)| (&*rule.name, order)),
            Some(("c", &quarantine))
        );
        let orders: Vec<(&str, &str)> =
            outcome.orders.iter().map(|(rule, order)| (&*rule.name, order.word())).collect();
        let expected =
            [("b", "archive"), ("b", "tag_subject"), ("c", "tag_subject"), ("d", "archive")];
        assert_eq!(orders, expected);
        let said: Vec<&Said> = outcome.trace.iter().map(|line| &line.said).collect();
        let fails = Said::Fails("tls is none".into());
        assert_eq!(said, [&fails, &Said::Applies, &Said::Applies, &Said::AppliesTooLate]);
    });
}

#[test]
fn every_order_is_read() {
    let last = |text: &str| {
        let book = book(&format!("[[rule]]\nname = 'n'\norders = [{text}]\n"));
        book.rules().next().unwrap().final_order.clone().unwrap()
    };
    let approver = || "boss@own.test".parse().unwrap();
    let table = [
        ("'deliver'", FinalOrder::Deliver { despite: vec![] }),
        (
            "{ deliver = { despite = ['malware', 'dmarc'] } }",
            FinalOrder::Deliver { despite: vec![Despite::Class(Class::Malware), Despite::Dmarc] },
        ),
        ("{ reject = 'no' }", FinalOrder::Reject { text: "no".into() }),
        ("'discard'", FinalOrder::Discard),
        ("'quarantine'", FinalOrder::Quarantine { area: "policy".into() }),
        ("{ quarantine = 'x' }", FinalOrder::Quarantine { area: "x".into() }),
        ("{ defer = 'later' }", FinalOrder::Defer { text: "later".into() }),
        (
            "{ hold = 'boss@own.test' }",
            FinalOrder::Hold { approver: approver(), expires_hours: 72, on_expiry: Expiry::Refuse },
        ),
        (
            "{ hold = { approver = 'boss@own.test', expires_hours = 1, on_expiry = 'release' } }",
            FinalOrder::Hold { approver: approver(), expires_hours: 1, on_expiry: Expiry::Release },
        ),
        ("{ redirect = 'boss@own.test' }", FinalOrder::Redirect { to: vec![approver()] }),
        (
            "{ redirect = { to = ['boss@own.test'] } }",
            FinalOrder::Redirect { to: vec![approver()] },
        ),
        ("'secure'", FinalOrder::Secure),
    ];
    for (text, expected) in table {
        assert_eq!(last(text), expected, "{text}");
    }
    let beside = |text: &str| {
        let book = book(&format!("[[rule]]\nname = 'n'\norders = [{text}]\n"));
        book.rules().next().unwrap().orders.clone()
    };
    let table = [
        ("{ tag_subject = '[X]' }", Order::TagSubject("[X]".into())),
        (
            "{ add_header = { name = 'X-A', value = 'b' } }",
            Order::AddHeader { name: "X-A".into(), value: "b".into() },
        ),
        ("{ remove_header = 'X-A' }", Order::RemoveHeader("X-A".into())),
        (
            "{ annotate = { text = 't', html = '<p>t</p>', place = 'above' } }",
            Order::Annotate {
                text: "t".into(),
                html: Some("<p>t</p>".into()),
                place: AnnotationPlace::Above,
                key: "n".into(),
            },
        ),
        ("{ copy = ['boss@own.test'] }", Order::Copy { to: vec![approver()] }),
        (
            "{ notify = { to = ['postmaster', 'sender', 'boss@own.test'], subject = 's', text = 't' } }",
            Order::Notify {
                to: vec![Notified::Administrator, Notified::Sender, Notified::Address(approver())],
                subject: "s".into(),
                text: "t".into(),
            },
        ),
        ("'archive'", Order::Archive { class: "default".into() }),
        ("{ archive = { class = 'legal' } }", Order::Archive { class: "legal".into() }),
        ("{ route_via = 'smtp://relay.test' }", Order::RouteVia("smtp://relay.test".into())),
        (
            "{ route_via = ['smtp://a.test', 'smtp://b.test:26'] }",
            Order::RouteVia("smtp://a.test smtp://b.test:26".into()),
        ),
        (
            "{ rate_limit = { count = 10, per_s = 60, by = 'client' } }",
            Order::RateLimit { name: "n".into(), count: 10, per_s: 60, by: RateKey::Client },
        ),
    ];
    for (text, expected) in table {
        assert_eq!(beside(text), [expected], "{text}");
    }
    let [Order::StripAttachments(test)] =
        &beside("{ strip_attachments = { extension = 'exe' } }")[..]
    else {
        panic!("no strip_attachments");
    };
    assert_eq!(test.extensions, ["exe".into()]);
}

const CONDITIONS: [&str; 8] = [
    "{}",
    "{ tls = 'any' }",
    "{ finding = 'NONE' }",
    "{ direction = 'inbound' }",
    "{ finding = 'MACRO_AUTO_OPEN', not = { class = 'spam' } }",
    "{ recipient_domain = '*.partner.test' }",
    "{ any = [{ content = 'RUDE' }, { role = 'inbound' }] }",
    "{ score = { at_least = 5 } }",
];

proptest! {
    #[test]
    fn rules_count_in_the_order_of_the_file(picks in proptest::collection::vec(0usize..8, 1..20)) {
        let rules: Vec<String> = picks
            .iter()
            .enumerate()
            .map(|(at, pick)| {
                format!(
                    "[[rule]]\nname = 'r{at}'\nwhen = {}\norders = [{{ reject = '{at}' }}, {{ tag_subject = '{at}' }}]\n",
                    CONDITIONS[*pick]
                )
            })
            .collect();
        let book = book(&rules.concat());
        let applies = [true, true, false, false, true, true, true, false];
        let expected: Vec<String> =
            (0..picks.len()).filter(|at| applies[picks[*at]]).map(|at| at.to_string()).collect();
        rich().with(|circumstances| {
            let outcome = book.evaluate(circumstances);
            let first = outcome.final_order.map(|(rule, _)| rule.name.clone());
            assert_eq!(first, expected.first().map(|at| format!("r{at}")));
            let tags: Vec<&String> = outcome
                .orders
                .iter()
                .map(|(_, order)| match order {
                    Order::TagSubject(tag) => tag,
                    _ => panic!(),
                })
                .collect();
            assert_eq!(tags, expected.iter().collect::<Vec<_>>());
        });
    }
}
