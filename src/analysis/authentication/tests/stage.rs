//! Whole mails through the stage.

use bytes::Bytes;

use super::super::{Authentication, Outcome};
use super::dkim::Signer;
use super::{config, resolver, serve};
use crate::analysis::{Dmarc, Passage};
use crate::config::Consequence;
use crate::mail::{BodyType, Envelope, Facts, Order, Recipient, ReversePath, Role};
use crate::store::dmarc::{Asked, OverrideKind};

pub(super) const ZONE: &str = r#"
_dmarc.bank.test TXT "v=DMARC1; p=reject; rua=mailto:dmarc@bank.test"
bank.test TXT "v=spf1 ip4:192.0.2.1 -all exp=exp.bank.test"
exp.bank.test TXT "%{i} is not ours"
_dmarc.soft.test TXT "v=DMARC1; p=quarantine"
evil.test TXT "v=spf1 +all"
_dmarc.evil.test TXT "v=DMARC1; p=none"
down.test TEMPORARY
_dmarc.down.test TEMPORARY
_dmarc.xn--bcher-kva.test TXT "v=DMARC1; p=reject"
xn--bcher-kva.test TXT "v=spf1 +all"
192.0.2.1 PTR mail.bank.test
mail.bank.test A 192.0.2.1
192.0.2.66 PTR nowhere.evil.test
"#;

pub(super) struct Way<'a> {
    pub(super) client: &'a str,
    pub(super) helo: &'a str,
    pub(super) reverse_path: &'a str,
    pub(super) role: Role,
}

pub(super) const FROM_EVIL: Way<'static> = Way {
    client: "192.0.2.66",
    helo: "evil.test",
    reverse_path: "x@evil.test",
    role: Role::Inbound,
};
pub(super) const FROM_BANK: Way<'static> = Way {
    client: "192.0.2.1",
    helo: "mail.bank.test",
    reverse_path: "x@bank.test",
    role: Role::Inbound,
};

pub(super) async fn check(
    zone: &str,
    settings: &str,
    way: &Way<'_>,
    message: impl Into<Bytes>,
) -> Outcome {
    let server = serve(zone);
    let stage = Authentication::new(&config(settings), resolver(&server)).unwrap();
    let facts = Facts {
        role: way.role,
        client: way.client.parse().unwrap(),
        helo: way.helo.into(),
        extended: true,
        tls: None,
        account: None,
        received_ms: 0,
        manners: Default::default(),
    };
    let reverse_path = match way.reverse_path {
        "" => ReversePath::Null,
        path => ReversePath::Mailbox(path.parse().unwrap()),
    };
    let envelope = Envelope {
        reverse_path,
        recipients: vec![Recipient::plain("bob@example.org".parse().unwrap())],
        body: BodyType::SevenBit,
        smtputf8: false,
        dsn_return: None,
        envelope_id: None,
    };
    stage.check(&message.into(), &Passage { facts: &facts, envelope: &envelope }).await
}

pub(super) fn names(outcome: &Outcome) -> Vec<&str> {
    outcome.sightings.iter().map(|seen| seen.name).collect()
}

pub(super) fn field(outcome: &Outcome) -> &str {
    match outcome.orders.as_slice() {
        [Order::RemoveResults(id), Order::AddHeader { name, value }] => {
            assert_eq!((id.as_str(), name.as_str()), ("mx.example.org", "Authentication-Results"));
            value
        }
        other => panic!("{other:?}"),
    }
}

pub(super) fn consequence(outcome: &Outcome) -> Consequence {
    outcome.demand.as_ref().map_or(Consequence::Deliver, |demand| demand.consequence)
}

pub(super) fn message(author: &str) -> String {
    format!("From: {author}\r\nTo: bob@example.org\r\nSubject: one\r\nDate: today\r\n\r\nbody\r\n")
}

#[tokio::test]
async fn a_mail_that_is_what_it_says() {
    let outcome = check(ZONE, "", &FROM_BANK, message("a@bank.test")).await;
    assert_eq!(names(&outcome), ["SPF_PASS", "IPREV_PASS", "DKIM_NONE", "DMARC_PASS"]);
    assert_eq!(
        field(&outcome),
        "mx.example.org; iprev=pass (mail.bank.test) policy.iprev=192.0.2.1; \
         spf=pass smtp.mailfrom=x@bank.test; dkim=none; \
         dmarc=pass header.from=bank.test policy.dmarc=reject"
    );
    assert_eq!(outcome.demand, None);
    assert!(outcome.authenticated.speaks_for_author());
    let observation = outcome.observation.unwrap();
    assert_eq!(observation.rua, ["mailto:dmarc@bank.test"]);
    assert_eq!((observation.asked, observation.row.aligned_spf), (Asked::Reject, true));
}

#[tokio::test]
async fn what_a_domain_asks_for_is_demanded() {
    let outcome = check(ZONE, "", &FROM_EVIL, message("a@bank.test")).await;
    assert_eq!(names(&outcome), ["SPF_PASS", "IPREV_FAIL", "DKIM_NONE", "DMARC_REJECT"]);
    let demand = outcome.demand.unwrap();
    assert_eq!((demand.consequence, demand.code.2), (Consequence::Reject, 26));
    assert!(demand.why.contains("bank.test asks"), "{}", demand.why);
    let forged = Way { reverse_path: "x@bank.test", ..FROM_EVIL };
    let outcome = check(ZONE, "", &forged, message("a@bank.test")).await;
    let spf = outcome.sightings.iter().find(|seen| seen.name == "SPF_FAIL").unwrap();
    assert!(spf.detail.ends_with("it says: 192.0.2.66 is not ours"), "{}", spf.detail);
    let table = [
        ("", "a@bank.test", Consequence::Reject, "DMARC_REJECT"),
        ("", "a@soft.test", Consequence::Quarantine, "DMARC_QUARANTINE"),
        ("", "a@evil.test", Consequence::Deliver, "DMARC_PASS"),
        ("", "a@nothing.test", Consequence::Deliver, "DMARC_NONE"),
        (
            "[authentication.dmarc]\nreject = \"tag\"\n",
            "a@bank.test",
            Consequence::Tag,
            "DMARC_REJECT",
        ),
        (
            "[[authentication.override]]\ndomain = \"bank.test\"\ndmarc = \"deliver\"\n",
            "a@bank.test",
            Consequence::Deliver,
            "DMARC_OVERRIDDEN",
        ),
        (
            "[[authentication.override]]\ndomain = \"nothing.test\"\ndmarc = \"reject\"\n",
            "a@sub.nothing.test",
            Consequence::Reject,
            "DMARC_REQUIRED",
        ),
        (
            "[[authentication.override]]\ndomain = \"evil.test\"\ndmarc = \"reject\"\n",
            "a@evil.test",
            Consequence::Deliver,
            "DMARC_PASS",
        ),
    ];
    for (settings, author, expected, name) in table {
        let outcome = check(ZONE, settings, &FROM_EVIL, message(author)).await;
        assert_eq!(consequence(&outcome), expected, "{settings} {author}");
        assert!(names(&outcome).contains(&name), "{settings} {author} {:?}", names(&outcome));
    }
}

/// Whatever an attacker does with his own signature and SPF: nobody may come to see another
/// author than the one that passes.
#[tokio::test]
async fn no_trick_with_the_author_passes_for_somebody_else() {
    let signer = Signer::new("evil.test");
    let zone = format!("{ZONE}{}", signer.record());
    let tricks: &[&str] = &[
        "a@bank.test\r\nFrom: x@evil.test",
        "x@evil.test\r\nFrom: a@bank.test",
        "a@bank.test, x@evil.test",
        "x@evil.test, a@bank.test",
        "Bank: a@bank.test, x@evil.test;",
        "Bank: x@evil.test;",
        "<a@bank.test> <x@evil.test>",
        "<a@bank.test>, <x@evil.test>\r\nSender: x@evil.test",
        "a@bank.test <x@evil.test>",
        "a@bank.test (x@evil.test)",
        "a@=?utf-8?q?bank.test?=",
        "x@evil.test.",
        "a@bank.test.",
        "x@evil.test\0.bank.test",
        "a@bank.test\0<x@evil.test>",
        "<a@bank.test\0@evil.test>",
        "a@bank.test%evil.test",
        "<@bank.test:x@evil.test>",
        "<@evil.test:a@bank.test>",
        "a@bank.test@evil.test",
        "\"a@bank.test\"@evil.test",
        "x@evil.test(\r\n comment)\r\n .bank.test",
        "x @ evil . test",
        "<a@bank.test",
        "((x@evil.test) a@bank.test",
        "a@bank.test\r\n\r\n",
        " \r\n a@bank.test\r\n <x@evil.test>",
        "a@bank\u{2024}test",
        "a@\u{ff42}ank.test",
        "a@bank.test\u{200b}",
    ];
    for trick in tricks {
        let whole = message(trick);
        for mail in [Bytes::from(whole.clone()), signer.sign(&whole)] {
            let outcome = check(&zone, "", &FROM_EVIL, mail).await;
            let author = outcome.authenticated.author_domain.as_ref().map(ToString::to_string);
            let passes = outcome.authenticated.dmarc == Dmarc::Pass;
            println!("{trick:?}: {author:?} {:?}", outcome.authenticated.dmarc);
            assert!(!passes, "{trick:?} passes for {author:?}");
        }
    }
    // Names that lie are for other stages; the address is the author's for every reader.
    for name in ["\"a@bank.test\"", "=?utf-8?q?a=40bank.test?=", "Bank"] {
        let whole = message(&format!("{name} <x@evil.test>"));
        let outcome = check(&zone, "", &FROM_EVIL, signer.sign(&whole)).await;
        let author = outcome.authenticated.author_domain.map(|domain| domain.to_string());
        assert!(author.is_none_or(|author| author == "evil.test"), "{name}");
    }
    for header in ["From : a@bank.test", "FROM: a@bank.test\r\nfrom: x@evil.test", "X: y"] {
        let whole = message("x@evil.test").replacen("From: x@evil.test", header, 1);
        let outcome = check(&zone, "", &FROM_EVIL, signer.sign(&whole)).await;
        assert_ne!(outcome.authenticated.dmarc, Dmarc::Pass, "{header}");
    }
}

#[tokio::test]
async fn names_in_other_letters_are_one_name() {
    for author in ["a@b\u{fc}cher.test", "a@B\u{dc}CHER.test", "a@xn--bcher-kva.test"] {
        let way = Way { reverse_path: "x@xn--bcher-kva.test", ..FROM_EVIL };
        let outcome = check(ZONE, "", &way, message(author)).await;
        assert_eq!(outcome.authenticated.dmarc, Dmarc::Pass, "{author}");
        assert!(field(&outcome).contains("header.from=xn--bcher-kva.test"));
    }
}

#[tokio::test]
async fn dns_trouble_costs_no_mail() {
    let way = Way { reverse_path: "x@down.test", ..FROM_EVIL };
    let outcome = check(ZONE, "", &way, message("a@down.test")).await;
    assert_eq!(names(&outcome), ["SPF_TEMPERROR", "IPREV_FAIL", "DKIM_NONE", "DMARC_TEMPERROR"]);
    assert_eq!((outcome.deferral, outcome.demand), (None, None));
    let outcome =
        check(ZONE, "[authentication]\non_temperror = \"defer\"\n", &way, message("a@down.test"))
            .await;
    assert!(outcome.deferral.is_some());
    // A server that never answers.
    let silent = "bank.test TIMEOUT\n_dmarc.bank.test TIMEOUT\n192.0.2.66 TIMEOUT\ns._domainkey.bank.test TIMEOUT\n";
    let way = Way { reverse_path: "x@bank.test", helo: "[192.0.2.66]", ..FROM_EVIL };
    let started = std::time::Instant::now();
    let signed = Signer::new("bank.test").sign(&message("a@bank.test"));
    let outcome = check(silent, "[authentication]\ntimeout_s = 1\n", &way, signed).await;
    assert!(started.elapsed().as_secs() < 3, "{:?}", started.elapsed());
    assert_eq!(
        names(&outcome),
        ["SPF_TEMPERROR", "IPREV_TEMPERROR", "DKIM_TEMPERROR", "DMARC_TEMPERROR"]
    );
    assert_eq!(outcome.demand, None);
}

#[tokio::test]
async fn whom_the_box_asks_about() {
    let null = Way { reverse_path: "", helo: "evil.test", ..FROM_EVIL };
    let outcome = check(ZONE, "", &null, message("a@evil.test")).await;
    assert!(field(&outcome).contains("spf=pass smtp.helo=evil.test"), "{}", field(&outcome));
    assert_eq!(outcome.authenticated.dmarc, Dmarc::Pass);
    let own = Way { role: Role::Submission, ..FROM_EVIL };
    let outcome = check(ZONE, "", &own, message("a@bank.test")).await;
    assert!(outcome.sightings.is_empty() && outcome.orders.is_empty());
    let exempt = "[authentication]\nexempt = [\"192.0.2.66/32\"]\n";
    let outcome = check(ZONE, exempt, &FROM_EVIL, message("a@evil.test")).await;
    assert_eq!(names(&outcome), ["DKIM_NONE", "DMARC_FAIL"]);
    let relay = "[authentication]\ntrusted_relays = [\"192.0.2.66/32\"]\n";
    let behind = format!(
        "Received: from mail.bank.test (mail.bank.test [192.0.2.1])\r\n\tby relay.example.org; today\r\n\
         Received: from lie (lie [192.0.2.77]) by lie; today\r\n{}",
        message("a@bank.test")
    );
    let way = Way { reverse_path: "x@bank.test", ..FROM_EVIL };
    let outcome = check(ZONE, relay, &way, behind.clone()).await;
    assert_eq!(outcome.authenticated.dmarc, Dmarc::Pass, "{:?}", names(&outcome));
    assert!(field(&outcome).contains("policy.iprev=192.0.2.1"));
    // Without trust the field is only what somebody wrote.
    let outcome = check(ZONE, "", &way, behind).await;
    assert_ne!(outcome.authenticated.dmarc, Dmarc::Pass);
    let outcome = check(ZONE, relay, &way, message("a@bank.test")).await;
    assert!(!names(&outcome).iter().any(|name| name.starts_with("SPF")), "{:?}", names(&outcome));
}

#[tokio::test]
async fn a_trusted_seal_excuses_a_failure() {
    let sealer = Signer::new("list.test");
    let zone = format!("{ZONE}{}", sealer.record());
    let trust = "[authentication]\ntrusted_sealers = [\"list.test\"]\n";
    let says = |words: &str| format!("i=1; list.test; {words}");
    let table = [
        (trust, says("dmarc=pass header.from=bank.test"), true),
        (trust, says("dkim=pass header.d=x; dmarc=pass (p=reject) header.from=BANK.test"), true),
        (trust, says("dmarc=fail header.from=bank.test"), false),
        (trust, says("dmarc=pass header.from=other.test"), false),
        (trust, says("none"), false),
        ("", says("dmarc=pass header.from=bank.test"), false),
        (
            "[authentication]\ntrusted_sealers = [\"ist.test\"]\n",
            says("dmarc=pass header.from=bank.test"),
            false,
        ),
    ];
    for (settings, results, excused) in table {
        let sealed = sealer.seal(&message("a@bank.test"), &results);
        let outcome = check(&zone, settings, &FROM_EVIL, sealed.clone()).await;
        assert!(names(&outcome).contains(&"ARC_VALID"), "{:?}", outcome.sightings);
        assert_eq!(names(&outcome).contains(&"DMARC_EXCUSED"), excused, "{settings} {results}");
        assert_eq!(consequence(&outcome) == Consequence::Deliver, excused);
        if excused {
            let reasons = outcome.observation.unwrap().row.reasons;
            assert_eq!(reasons[0].kind, OverrideKind::TrustedForwarder);
        }
        let changed = String::from_utf8(sealed.to_vec()).unwrap().replace("body", "bodY");
        let outcome = check(&zone, settings, &FROM_EVIL, changed).await;
        assert!(names(&outcome).contains(&"ARC_INVALID"));
        assert_eq!(consequence(&outcome), Consequence::Reject);
    }
}
