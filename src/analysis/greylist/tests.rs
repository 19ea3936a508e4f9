use proptest::prelude::*;

use super::*;
use crate::analysis::history::tests::{Mailing, store_and_config};
use crate::config::Config;
use crate::mail::Domain;

const DELAY_S: u64 = 300;
const WINDOW_S: u64 = 172_800;

/// What becomes of attempts at these times; the last step's answer.
fn steps(bond: Bond, times: &[u64]) -> Vec<Step> {
    let mut known = None;
    let mut taken = Vec::new();
    for now_s in times {
        let (step, wait) = step(known, bond, DELAY_S, WINDOW_S, *now_s);
        taken.push(step);
        known = Some(wait);
    }
    taken
}

#[test]
fn who_comes_back_in_time_is_let_in() {
    use Bond::{Mail, Sender};
    use Step::{Pass, Wait};
    let week = 7 * 86_400;
    let table: [(Bond, &[u64], &[Step]); 10] = [
        (Sender, &[1_000], &[Wait(300)]),
        (Sender, &[1_000, 1_300], &[Wait(300), Pass]),
        (Sender, &[1_000, 1_100, 1_299, 1_300], &[Wait(300), Wait(200), Wait(1), Pass]),
        // Hammering is not waiting.
        (
            Sender,
            &[1_000, 1_001, 1_002, 1_003, 1_004],
            &[Wait(300), Wait(299), Wait(298), Wait(297), Wait(296)],
        ),
        (Sender, &[1_000, 1_000 + WINDOW_S], &[Wait(300), Pass]),
        (Sender, &[1_000, 1_001 + WINDOW_S, 1_301 + WINDOW_S], &[Wait(300), Wait(300), Pass]),
        // Once a week is odd, but not for ever.
        (Sender, &[0, week, 2 * week, 3 * week], &[Wait(300), Wait(300), Wait(300), Pass]),
        (Mail, &[0, 300, 600, 900], &[Wait(300), Wait(1), Wait(1), Pass]),
        (
            Mail,
            &[0, 1, 2, 3, 4, 5],
            &[Wait(300), Wait(299), Wait(298), Wait(297), Wait(296), Wait(295)],
        ),
        // The clock went back an hour.
        (Sender, &[9_000, 5_400, 5_700], &[Wait(300), Wait(300), Pass]),
    ];
    for (bond, times, expected) in table {
        assert_eq!(steps(bond, times), expected, "{bond:?} {times:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the pattern of retries: once a delay lies between ATTEMPTS of them, one was
    /// let in.
    #[test]
    fn nobody_is_refused_for_ever(
        pauses in proptest::collection::vec(1u64..20 * 86_400, 1..60),
        from_anywhere in any::<bool>(),
    ) {
        let bond = if from_anywhere { Bond::Mail } else { Bond::Sender };
        let mut times = vec![1_000u64];
        let mut counted = vec![1_000u64];
        for pause in pauses {
            let now_s = times.last().unwrap() + pause;
            times.push(now_s);
            if now_s - counted.last().unwrap() >= DELAY_S {
                counted.push(now_s);
            }
        }
        let taken = steps(bond, &times);
        let passed = taken.iter().position(|step| *step == Step::Pass);
        if let Some(last) = counted.get(ATTEMPTS as usize - 1) {
            let due = times.iter().position(|now_s| now_s == last).unwrap();
            prop_assert!(passed.is_some_and(|at| at <= due), "{:?} {:?}", times, taken);
        }
        if let Some(at) = passed {
            prop_assert!(times[at] - times[0] >= DELAY_S, "let in too early");
        }
    }

    #[test]
    fn a_clock_that_jumps_breaks_nothing(times in proptest::collection::vec(any::<u64>(), 1..50)) {
        for bond in [Bond::Sender, Bond::Mail] {
            for step in steps(bond, &times) {
                prop_assert!(!matches!(step, Step::Wait(left_s) if left_s > DELAY_S));
            }
        }
    }
}

fn greylist(settings: &str) -> (tempfile::TempDir, Greylist, Config) {
    let (dir, store, config) = store_and_config(settings);
    let history = History::new(&config, Some(&store));
    let greylist = Greylist::new(&config, history, Some(&store)).unwrap();
    (dir, greylist, config)
}

/// Whether a mail is to come again.
fn waits(greylist: &Greylist, mailing: &Mailing, now_s: u64) -> bool {
    let (passage, look, judgement) = (mailing.passage(), &mailing.look, &mailing.judgement);
    let content = Content::from_bytes(mailing.content.clone());
    let reply = greylist.at_end_of_data(passage, look, judgement, &content, now_s);
    reply.is_some_and(|reply| {
        assert_eq!((reply.code, reply.enhanced), (451, Some(EnhancedCode(4, 7, 1))));
        true
    })
}

#[test]
fn only_doubtful_mail_of_strangers_waits() {
    let (_dir, greylist, _) = greylist("");
    let doubtful = || {
        let mut mailing = Mailing::new("192.0.2.7", "a@sender.test", &["bob@own.test"], 4.0);
        mailing.look.acquaintance.is_new_sender = true;
        mailing.look.acquaintance.is_stranger_possible = true;
        mailing
    };
    let changed = |change: fn(&mut Mailing)| {
        let mut mailing = doubtful();
        change(&mut mailing);
        mailing
    };
    let table: [(&str, bool, Mailing); 12] = [
        ("doubtful", true, doubtful()),
        ("clean", false, changed(|one| one.judgement.score = 2.9)),
        (
            "held",
            false,
            changed(|one| {
                one.judgement.dispositions =
                    vec![Disposition::Quarantine { area: "policy".into() }];
            }),
        ),
        (
            "unscanned",
            false,
            changed(|one| {
                one.judgement.dispositions = vec![Disposition::HoldUnscanned];
            }),
        ),
        ("known author", false, changed(|one| one.look.acquaintance.is_new_sender = false)),
        ("good record", false, changed(|one| one.look.acquaintance.has_good_history = true)),
        (
            "both records",
            true,
            changed(|one| {
                one.look.acquaintance.has_good_history = true;
                one.look.acquaintance.has_bad_history = true;
            }),
        ),
        ("trusted", false, changed(|one| one.look.listed = vec![Listed::Trusted])),
        ("exempt", false, changed(|one| one.facts.client = "127.0.0.1".parse().unwrap())),
        ("outbound", false, changed(|one| one.facts.role = Role::Outbound)),
        ("account", false, changed(|one| one.facts.account = Some("ann".into()))),
        (
            "DMARC of a known domain",
            false,
            changed(|one| {
                one.look.authenticated.dmarc = Dmarc::Pass;
                one.look.acquaintance.is_known_domain = true;
            }),
        ),
    ];
    for (what, expected, mailing) in table {
        assert_eq!(waits(&greylist, &mailing, 1_000), expected, "{what}");
    }
}

#[test]
fn a_mail_is_known_again_by_sender_message_and_voucher() {
    let first = || Mailing::new("192.0.2.7", "a@sender.test", &["b@own.test", "c@own.test"], 4.0);
    let retried = |change: fn(&mut Mailing)| {
        let mut mailing = first();
        change(&mut mailing);
        mailing
    };
    let vouched = |one: &mut Mailing| {
        one.look.authenticated.vouching = vec![Domain::parse("mail.big.test").unwrap()];
    };
    let table: [(&str, bool, Mailing); 6] = [
        ("the same", true, first()),
        (
            "a neighbour in the network",
            true,
            retried(|one| {
                one.facts.client = "192.0.2.99".parse().unwrap();
            }),
        ),
        (
            "recipients apart, same message",
            true,
            retried(|one| {
                one.envelope.recipients.truncate(1);
            }),
        ),
        (
            "another message of the same envelope",
            true,
            retried(|one| {
                one.judgement.summary.message_id = "other@sender.test".into();
            }),
        ),
        (
            "another network",
            false,
            retried(|one| {
                one.facts.client = "198.51.100.7".parse().unwrap();
            }),
        ),
        (
            "another sender with another message",
            false,
            retried(|one| {
                one.envelope.reverse_path = ReversePath::Null;
                one.judgement.summary.message_id = "other@sender.test".into();
            }),
        ),
    ];
    for (what, passes, mailing) in table {
        let (_dir, greylist, _) = greylist("");
        assert!(waits(&greylist, &first(), 1_000), "{what}");
        assert_eq!(waits(&greylist, &mailing, 1_000 + DELAY_S), !passes, "{what}");
    }
    let (_dir, greylist, _) = greylist("");
    let mut from_one = first();
    vouched(&mut from_one);
    let mut from_other = from_one.clone();
    from_other.facts.client = "198.51.100.7".parse().unwrap();
    assert!(waits(&greylist, &from_one, 1_000));
    assert!(!waits(&greylist, &from_other, 1_300), "one voucher is one sender");
}

#[test]
fn a_service_of_many_networks_gets_through() {
    let (_dir, greylist, _) = greylist("");
    let mut taken = Vec::new();
    for at in 0..6u64 {
        let client = format!("198.51.{at}.7");
        let mailing = Mailing::new(&client, "a@sender.test", &["bob@own.test"], 4.0);
        taken.push(waits(&greylist, &mailing, 1_000 + at * 600));
    }
    assert_eq!(taken[..4], [true, true, true, false]);
}

#[test]
fn who_came_back_is_let_in_for_weeks() {
    let (dir, store, config) = store_and_config("");
    let greylist = Greylist::new(&config, None, Some(&store)).unwrap();
    let mail = |at: u64| {
        let mut mailing = Mailing::new("192.0.2.7", "a@sender.test", &["bob@own.test"], 4.0);
        mailing.judgement.summary.message_id = format!("{at}@sender.test");
        mailing
    };
    let day = 86_400;
    assert!(waits(&greylist, &mail(1), 1_000));
    assert!(!waits(&greylist, &mail(1), 1_300));
    assert!(!waits(&greylist, &mail(2), 1_301));
    assert!(!waits(&greylist, &mail(3), 30 * day), "each mail prolongs it");
    drop((greylist, store));
    let store = Arc::new(Store::open(dir.path()).unwrap());
    let greylist = Greylist::new(&config, None, Some(&store)).unwrap();
    assert!(!waits(&greylist, &mail(4), 60 * day), "it survives a restart");
    assert!(waits(&greylist, &mail(5), 97 * day));
    let mut other = mail(6);
    other.envelope.reverse_path = ReversePath::Mailbox("a@other.test".parse().unwrap());
    assert!(waits(&greylist, &other, 60 * day), "another domain of that network");
}

#[test]
fn a_voucher_opens_the_door_of_one_network_until_it_is_known_for_good_mail() {
    let (_dir, store, config) = store_and_config("");
    let history = History::new(&config, Some(&store)).unwrap();
    let greylist = Greylist::new(&config, Some(history.clone()), Some(&store)).unwrap();
    let mail = |client: &str, at: u64| {
        // A customer of a provider who writes under another domain each time.
        let sender = format!("a@customer{at}.test");
        let mut mailing = Mailing::new(client, &sender, &["bob@own.test"], 4.0);
        mailing.judgement.summary.message_id = format!("{at}@big.test");
        mailing.look.authenticated.vouching = vec![Domain::parse("big.test").unwrap()];
        mailing
    };
    assert!(waits(&greylist, &mail("192.0.2.7", 1), 1_000));
    assert!(!waits(&greylist, &mail("192.0.2.7", 1), 1_300));
    assert!(!waits(&greylist, &mail("192.0.2.9", 2), 1_301), "the same network");
    assert!(waits(&greylist, &mail("198.51.100.7", 3), 1_302), "another customer elsewhere");
    // After weeks of good mail the provider is believed from anywhere.
    let start_s = 5_000_000_000;
    for at in 0..40u64 {
        let mut good = mail(&format!("203.0.{at}.7"), 100 + at);
        good.judgement.findings.clear();
        good.judgement.score = 0.0;
        history.record(good.passage(), &good.look, &good.judgement, start_s + at * 86_400);
    }
    let now_s = start_s + 40 * 86_400;
    assert!(history.is_good_domain("mail.big.test", now_s));
    assert!(waits(&greylist, &mail("192.0.2.7", 4), now_s));
    assert!(!waits(&greylist, &mail("192.0.2.7", 4), now_s + 300));
    assert!(!waits(&greylist, &mail("198.51.100.99", 5), now_s + 301), "from anywhere");
}

#[test]
fn an_own_relay_is_never_asked_to_come_again() {
    let (_dir, store, mut config) = store_and_config("mode = 'all'");
    config.authentication.trusted_relays = vec!["192.0.2.0/28".parse().unwrap()];
    let greylist = Greylist::new(&config, None, Some(&store)).unwrap();
    let mail = |client| Mailing::new(client, "a@sender.test", &["bob@own.test"], 4.0);
    for (client, expected) in [("192.0.2.7", false), ("192.0.2.77", true)] {
        assert_eq!(waits(&greylist, &mail(client), 1_000), expected, "{client}");
        let (sender, own) = (mail(client).envelope.reverse_path, "bob@own.test".parse().unwrap());
        let client = client.parse().unwrap();
        let reply = greylist.at_recipient(Role::Inbound, client, &sender, &own, 1_000);
        assert_eq!(reply.is_some(), expected, "{client}");
    }
}

#[test]
fn messages_without_an_id_are_known_by_their_body() {
    let (_dir, greylist, _) = greylist("");
    let mail = |body: &str, client: &str, to: &str| {
        let mut mailing = Mailing::new(client, "a@sender.test", &[to], 4.0);
        mailing.judgement.summary.message_id = String::new();
        mailing.content = format!("Received: by {to}\r\n\r\n{body}").into_bytes();
        mailing
    };
    assert!(waits(&greylist, &mail("one", "192.0.2.7", "b@own.test"), 1_000));
    assert!(waits(&greylist, &mail("two", "192.0.2.7", "c@own.test"), 1_300));
    assert!(!waits(&greylist, &mail("one", "192.0.2.7", "d@own.test"), 1_300));
}

#[test]
fn at_recipient_strangers_wait_when_all_do() {
    let client: IpAddr = "192.0.2.7".parse().unwrap();
    let sender = ReversePath::Mailbox("a@sender.test".parse().unwrap());
    let own: Address = "bob@own.test".parse().unwrap();
    let (_dir, suspicious, _) = greylist("");
    assert_eq!(suspicious.at_recipient(Role::Inbound, client, &sender, &own, 1_000), None);
    let (_dir, all, _) = greylist("mode = 'all'");
    let at = |role, client, sender: &ReversePath, now_s| {
        all.at_recipient(role, client, sender, &own, now_s).map(|reply| reply.code)
    };
    assert_eq!(at(Role::Inbound, client, &sender, 1_000), Some(451));
    assert_eq!(at(Role::Inbound, client, &sender, 1_299), Some(451));
    // Another server that verifies an address comes with the null reverse-path.
    assert_eq!(at(Role::Inbound, client, &ReversePath::Null, 1_000), None);
    assert_eq!(at(Role::Submission, client, &sender, 1_000), None);
    assert_eq!(at(Role::Inbound, "127.0.0.1".parse().unwrap(), &sender, 1_000), None);
    assert_eq!(at(Role::Inbound, client, &sender, 1_300), None);
    let next = ReversePath::Mailbox("other@sender.test".parse().unwrap());
    assert_eq!(at(Role::Inbound, client, &next, 1_301), None, "network and domain came back");
}
