//! Tests of rules: tables over conditions, orders, scopes and wrong files.

mod conditions;
mod files;
mod many;
mod order;
mod scopes;

use super::{Groups, RuleBook};
use crate::config::FileState;
use crate::mail::{Class, ContentHit, Finding, HeaderField, Role, Severity};
use crate::message::Nature;
use crate::policy::check::{MadeFile, Situation};
use crate::policy::rules::{
    AuthenticationResult, AuthenticationResults, Direction, TlsState, TlsVersion,
};

fn groups() -> Groups {
    Groups::new(["finance", "it", "board"])
}

fn book(text: &str) -> RuleBook {
    RuleBook::parse(text, "policy.toml", &groups()).unwrap_or_else(|why| panic!("{why}\n{text}"))
}

/// A mail that has something of everything.
fn rich() -> Situation {
    Situation {
        direction: Direction::Outbound,
        role: Role::Submission,
        reverse_path: Some("Ann@own.test".parse().unwrap()),
        forward_path: "bob@mail.partner.test".parse().unwrap(),
        sender_groups: vec!["finance".into()],
        recipient_groups: vec!["board".into()],
        header: vec![
            HeaderField { name: "X-Label".into(), value: "Top Secret".into() },
            HeaderField { name: "X-Label".into(), value: "second".into() },
        ],
        subject: "Re: The Budget [secure]".into(),
        authors: vec!["ann@own.test".into(), "chair@board.own.test".into()],
        client: Some("192.0.2.77".parse().unwrap()),
        account: Some("Ann".into()),
        authentication: AuthenticationResults {
            spf: AuthenticationResult::Softfail,
            dmarc: AuthenticationResult::Fail,
            ..AuthenticationResults::default()
        },
        findings: vec![
            Finding::new("MACRO_AUTO_OPEN", Class::Malware, 2.0, ""),
            Finding::new("LINK_ODD", Class::Phish, 1.5, ""),
        ],
        score: 3.5,
        content: vec![
            ContentHit {
                rule: "NHS_NUMBERS".into(),
                class: Class::Policy,
                severity: Severity::High,
                count: 4,
            },
            ContentHit {
                rule: "RUDE".into(),
                class: Class::Profanity,
                severity: Severity::Low,
                count: 9,
            },
        ],
        files: vec![
            MadeFile {
                nature: Nature::WordMacro,
                name: "plan.docm".into(),
                states: vec![FileState::Macro],
                octets: 5_000,
            },
            MadeFile {
                nature: Nature::Zip,
                name: "all.zip".into(),
                states: vec![FileState::Encrypted],
                octets: 2_000_000,
            },
        ],
        octets: 3_000_000,
        // A Friday.
        time: Some("2024-03-01T17:30[Europe/London]".parse().unwrap()),
        tls: TlsState { version: TlsVersion::V13, verified: false },
        markings: vec!["Official-Sensitive".into()],
    }
}

fn finals(book: &RuleBook, situation: &Situation) -> Option<String> {
    situation.with(|circumstances| {
        let outcome = book.evaluate(circumstances);
        let explained = book.explain(circumstances);
        assert_eq!(outcome.final_order, explained.final_order);
        assert_eq!(outcome.orders, explained.orders);
        outcome.final_order.map(|(rule, _)| rule.name.clone())
    })
}
