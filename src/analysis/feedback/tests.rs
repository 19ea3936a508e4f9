use std::sync::Arc;

use super::*;
use crate::analysis::Acquaintance;
use crate::analysis::history::tests::{Mailing, store_and_config};
use crate::config::Config;
use crate::mail::{Class, Finding};
use crate::store::Store;

const DAY_S: u64 = 86_400;
const START_S: u64 = 5_000_000_000;

/// A mail of ann@sender.test to bob@own.test, with these results of this box.
fn kept(results: &str) -> Mailing {
    let mut mailing = Mailing::new("192.0.2.7", "ann@sender.test", &["bob@own.test"], 9.0);
    mailing.content = b"From: Ann <ann@sender.test>\r\nSubject: x\r\n\r\nbody\r\n".to_vec();
    mailing.judgement.orders = vec![
        Order::RemoveResults("mx.own.test".into()),
        Order::AddHeader {
            name: "Authentication-Results".into(),
            value: format!("mx.own.test; {results}"),
        },
    ];
    mailing
}

fn recorded_of(mailing: &Mailing) -> Authenticated {
    recorded(&mailing.judgement, &mailing.envelope.reverse_path, &mailing.look.author)
}

fn vouching(mailing: &Mailing) -> Vec<String> {
    recorded_of(mailing).vouching.iter().map(ToString::to_string).collect()
}

#[test]
fn who_vouched_is_read_from_what_this_box_wrote() {
    const FROM: &str = "header.from=sender.test";
    let table: [(&str, &[&str], Dmarc); 12] = [
        ("spf=pass smtp.mailfrom=ann@sender.test; dkim=none", &["sender.test"], Dmarc::None),
        ("spf=fail smtp.mailfrom=ann@sender.test", &[], Dmarc::None),
        ("spf=softfail smtp.mailfrom=ann@sender.test; spf=pass smtp.helo=x.test", &[], Dmarc::None),
        (
            "dkim=pass header.d=list.test header.s=s header.b=\"ab/+\"; \
             dkim=fail (wrong body) header.d=sender.test",
            &["list.test"],
            Dmarc::None,
        ),
        ("dkim=pass header.d=a.test; dkim=pass header.d=a.test", &["a.test"], Dmarc::None),
        // Words of the sender stay in comments.
        ("dkim=fail (dkim=pass header.d=bank.test) header.d=x.test", &[], Dmarc::None),
        ("arc=pass (sealed by list.test); dkim=none", &[], Dmarc::None),
        ("dmarc=pass FROM", &[], Dmarc::Pass),
        ("dmarc=pass header.from=other.test", &[], Dmarc::None),
        ("dmarc=fail FROM policy.dmarc=reject", &[], Dmarc::Fail(DmarcPolicy::Reject)),
        ("dmarc=temperror FROM", &[], Dmarc::Temporary),
        ("dmarc=permerror (several authors)", &[], Dmarc::None),
    ];
    for (results, expected, dmarc) in table {
        let mailing = kept(&results.replace("FROM", FROM));
        assert_eq!(vouching(&mailing), expected, "{results}");
        assert_eq!(recorded_of(&mailing).dmarc, dmarc, "{results}");
    }
    let mut bounce = kept("spf=pass smtp.helo=mail.sender.test");
    bounce.envelope.reverse_path = ReversePath::Null;
    assert_eq!(vouching(&bounce), ["mail.sender.test"]);
}

#[test]
fn a_trusted_seal_counts_as_it_did() {
    let mut excused = kept("dmarc=fail (excused by the seal of list.test) header.from=sender.test");
    assert_eq!(recorded_of(&excused).dmarc, Dmarc::Fail(DmarcPolicy::None));
    excused.judgement.findings.push(Finding::new("DMARC_EXCUSED", Class::Notice, 0.0, ""));
    assert_eq!(recorded_of(&excused).dmarc, Dmarc::Pass);
}

#[test]
fn what_others_wrote_vouches_for_nobody() {
    const GOOD: &str = "mx.own.test; dkim=pass header.d=sender.test";
    let mut in_message = kept("dkim=none");
    in_message.content =
        format!("Authentication-Results: {GOOD}\r\nFrom: ann@sender.test\r\n\r\n").into_bytes();
    let mut of_another = kept("dkim=none");
    of_another.judgement.orders = vec![
        Order::RemoveResults("mx.own.test".into()),
        Order::AddHeader {
            name: "Authentication-Results".into(),
            value: "mx.evil.test; dkim=pass header.d=sender.test".into(),
        },
    ];
    // As a rule of the house might add it.
    let mut without_check = kept("dkim=none");
    without_check.judgement.orders =
        vec![Order::AddHeader { name: "Authentication-Results".into(), value: GOOD.into() }];
    let mut unchecked = kept("dkim=none");
    unchecked.judgement.orders.clear();
    for mailing in [in_message, of_another, without_check, unchecked] {
        assert_eq!(vouching(&mailing), Vec::<String>::new());
    }
}

struct House {
    history: History,
    config: Config,
    _store: Arc<Store>,
    _dir: tempfile::TempDir,
}

impl House {
    fn new() -> House {
        let (dir, store, mut config) = store_and_config("");
        config.authentication.trusted_relays = vec!["10.0.0.0/24".parse().unwrap()];
        let history = History::new(&config, Some(&store)).unwrap();
        House { history, config, _store: store, _dir: dir }
    }

    fn hear(&self, mailing: &Mailing, speaker: Speaker, feedback: Feedback) {
        let content = Content::from_bytes(mailing.content.clone());
        let statement = Statement {
            mail_id: MailId::mint(),
            facts: &mailing.facts,
            envelope: &mailing.envelope,
            judgement: &mailing.judgement,
            content: &content,
            speaker,
            feedback,
        };
        hear(&self.history, &self.config.authentication, &statement, START_S);
    }

    /// What is known the day after of a mail of ann@sender.test for which these vouch.
    fn knows(&self, client: &str, vouching: &[&str]) -> Acquaintance {
        let mut next = Mailing::new(client, "ann@sender.test", &["bob@own.test"], 0.0);
        let author_domain = next.envelope.reverse_path.address().unwrap().domain().cloned();
        next.look.authenticated.author_domain = author_domain;
        next.look.authenticated.vouching =
            vouching.iter().map(|name| Domain::parse(name).unwrap()).collect();
        let (author, authenticated) = (&next.look.author, &next.look.authenticated);
        self.history.look(next.passage(), author, authenticated, START_S + DAY_S).1
    }
}

const PROVEN: &str = "spf=pass smtp.mailfrom=ann@sender.test; dmarc=pass header.from=sender.test";
const UNPROVEN: &str = "spf=softfail smtp.mailfrom=ann@sender.test; dkim=none; dmarc=none";

#[test]
fn a_release_makes_sender_pair_and_domain_known() {
    let house = House::new();
    house.hear(&kept(PROVEN), Speaker::Operator, Feedback::Wanted);
    let known = house.knows("198.51.100.9", &["sender.test"]);
    assert!(known.pair_known && known.is_known_domain && !known.is_new_sender, "{known:?}");
    let forged = house.knows("198.51.100.9", &[]);
    assert!(!forged.pair_known && forged.is_new_sender, "{forged:?}");
}

#[test]
fn a_release_of_what_nobody_vouched_for_helps_no_domain() {
    let house = House::new();
    for _ in 0..20 {
        house.hear(&kept(UNPROVEN), Speaker::Operator, Feedback::Wanted);
    }
    let honest = house.knows("198.51.100.9", &["sender.test"]);
    assert!(!honest.is_known_domain && !honest.pair_known && honest.is_new_sender, "{honest:?}");
    assert!(!house.knows("192.0.2.7", &[]).is_new_sender, "that author from that network");
}

#[test]
fn a_users_word_counts_for_author_and_recipient_only() {
    let house = House::new();
    for _ in 0..10 {
        house.hear(&kept(PROVEN), Speaker::User, Feedback::Wanted);
    }
    let known = house.knows("198.51.100.9", &["sender.test"]);
    assert!(known.pair_known && !known.is_known_domain, "{known:?}");
    let house = House::new();
    for _ in 0..50 {
        house.hear(&kept(PROVEN), Speaker::User, Feedback::Unwanted);
    }
    let mut colleague = Mailing::new("192.0.2.7", "eve@sender.test", &["bob@own.test"], 0.0);
    colleague.look.authenticated.vouching = vec![Domain::parse("sender.test").unwrap()];
    let (author, authenticated) = (&colleague.look.author, &colleague.look.authenticated);
    let known = house.history.look(colleague.passage(), author, authenticated, START_S).1;
    assert!(!known.has_bad_history, "neither the domain nor the network: {known:?}");
    assert!(house.knows("192.0.2.7", &["sender.test"]).has_bad_history);
}

#[test]
fn behind_an_own_relay_the_client_in_front_of_it_is_meant() {
    let house = House::new();
    let relayed = |received: &str| {
        let mut mailing = kept(UNPROVEN);
        mailing.facts.client = "10.0.0.5".parse().unwrap();
        mailing.content =
            format!("{received}From: Ann <ann@sender.test>\r\n\r\nbody\r\n").into_bytes();
        mailing
    };
    // It is not said from where it came: nobody is known by it.
    house.hear(&relayed(""), Speaker::Operator, Feedback::Wanted);
    assert!(house.knows("192.0.2.7", &[]).is_new_sender);
    let field = "Received: from mail.x.test (x.test [192.0.2.7]) by relay.own.test\r\n\
                 Received: from bank.test (bank.test [198.51.100.1]) by mail.x.test\r\n";
    house.hear(&relayed(field), Speaker::Operator, Feedback::Wanted);
    assert!(!house.knows("192.0.2.7", &[]).is_new_sender);
    assert!(house.knows("198.51.100.1", &[]).is_new_sender, "a story of the stranger");
}

#[test]
fn a_header_without_end_makes_nobody_known() {
    let house = House::new();
    let mut endless = kept(PROVEN);
    endless.content = b"From: Ann <ann@sender.test>\r\nX: ".to_vec();
    endless.content.resize(HEADER_OCTETS + 10, b'x');
    house.hear(&endless, Speaker::Operator, Feedback::Wanted);
    assert!(house.knows("192.0.2.7", &["sender.test"]).is_new_sender);
    assert_eq!(header(&Content::from_bytes(b"From: a@x.test".to_vec())).unwrap().len(), 14);
}
