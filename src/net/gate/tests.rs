//! What strangers may do, by table and at random.

use proptest::prelude::*;

use super::*;
use crate::config::{InboundRates, OutboundRates, SubmissionRates};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn gate(door: Door) -> Arc<Gate> {
    Gate::new(&Limits::default(), &door)
}

fn path(text: &str) -> ReversePath {
    match text {
        "" => ReversePath::Null,
        text => ReversePath::Mailbox(text.parse().unwrap()),
    }
}

fn mail(gate: &Gate, role: Role, client: &str, from: &str, now: Instant) -> Option<Limit> {
    let reverse_path = path(from);
    let account = (role == Role::Submission).then_some(from);
    let sender = Sender { role, client: ip(client), account, reverse_path: &reverse_path };
    gate.begin_mail(sender, now).err().map(|excess| excess.limit)
}

fn recipient(gate: &Gate, role: Role, client: &str, from: &str, now: Instant) -> Option<Limit> {
    let reverse_path = path(from);
    let account = (role == Role::Submission).then_some(from);
    let sender = Sender { role, client: ip(client), account, reverse_path: &reverse_path };
    gate.name_recipient(sender, now).err().map(|excess| excess.limit)
}

#[test]
fn messages_are_counted_for_whom_they_are_from() {
    let gate = gate(Door {
        inbound: InboundRates {
            messages_per_minute_per_network: 4,
            messages_per_minute_per_sender: 2,
            ..InboundRates::default()
        },
        outbound: OutboundRates { messages_per_minute_per_sender: 1, ..OutboundRates::default() },
        submission: SubmissionRates {
            messages_per_minute_per_account: 1,
            ..SubmissionRates::default()
        },
        ..Door::default()
    });
    let now = Instant::now();
    let (inbound, outbound, submission) = (Role::Inbound, Role::Outbound, Role::Submission);
    let of_sender = Some(Limit::SenderMessages);
    let table = [
        (inbound, "192.0.2.1", "a@x.test", None),
        (inbound, "192.0.2.2", "b@X.test", None),
        (inbound, "192.0.2.3", "c@x.test", of_sender),
        // Whoever forges a domain uses up his own allowance of it.
        (inbound, "198.51.100.1", "c@x.test", None),
        // The null reverse-path counts for the network only.
        (inbound, "192.0.2.1", "", None),
        (inbound, "192.0.2.1", "", None),
        (inbound, "192.0.2.99", "a@y.test", Some(Limit::NetworkMessages)),
        (inbound, "127.0.0.1", "a@x.test", None),
        (inbound, "127.0.0.1", "a@x.test", None),
        (inbound, "::ffff:127.0.0.1", "a@x.test", None),
        (outbound, "192.0.2.1", "a@x.test", None),
        (outbound, "192.0.2.200", "A@x.test", of_sender),
        (outbound, "192.0.2.1", "b@x.test", None),
        (outbound, "192.0.2.1", "", None),
        (outbound, "192.0.2.1", "", of_sender),
        (outbound, "192.0.2.2", "", None),
        (submission, "192.0.2.1", "ann@x.test", None),
        (submission, "203.0.113.1", "ann@x.test", Some(Limit::AccountMessages)),
        (submission, "192.0.2.1", "bob@x.test", None),
    ];
    for (role, client, from, expected) in table {
        assert_eq!(mail(&gate, role, client, from, now), expected, "{role} {client} {from}");
    }
    let later = now + Duration::from_secs(60);
    for (role, client, from, _) in table.into_iter().take(2) {
        assert_eq!(mail(&gate, role, client, from, later), None);
    }
}

#[test]
fn an_account_sends_so_much_and_no_more() {
    let gate = gate(Door {
        submission: SubmissionRates {
            recipients_per_hour_per_account: 60,
            ..SubmissionRates::default()
        },
        ..Door::default()
    });
    let now = Instant::now();
    let ask = |now| recipient(&gate, Role::Submission, "192.0.2.1", "ann@x.test", now);
    let taken = (0..500).filter(|_| ask(now).is_none()).count();
    assert_eq!(taken, 60);
    assert_eq!(ask(now + Duration::from_secs(59)), Some(Limit::AccountRecipients));
    assert_eq!(ask(now + Duration::from_secs(60)), None);
}

#[test]
fn who_tries_addresses_out_is_stopped_and_let_in_again() {
    let door = Door { unknown_recipients_per_hour: 10, harvest_block_s: 600, ..Door::default() };
    let gate = gate(door);
    let now = Instant::now();
    let ask = |client, now| recipient(&gate, Role::Inbound, client, "a@x.test", now);
    for _ in 0..10 {
        assert_eq!(ask("192.0.2.1", now), None);
        gate.unknown_recipient(ip("192.0.2.1"), now);
    }
    assert_eq!(ask("192.0.2.1", now), Some(Limit::Harvest));
    assert_eq!(ask("192.0.2.2", now), None, "a neighbour is not to blame yet");
    // From many addresses of one network: the network is.
    for client in 2..200 {
        gate.unknown_recipient(IpAddr::from([192, 0, 2, client]), now);
    }
    assert_eq!(ask("192.0.2.250", now), Some(Limit::Harvest));
    assert_eq!(ask("192.0.3.1", now), None);
    assert_eq!(ask("127.0.0.1", now), None);
    let at = |s| now + Duration::from_secs(s);
    assert_eq!(ask("192.0.2.1", at(599)), Some(Limit::Harvest));
    assert_eq!(ask("192.0.2.1", at(600)), None);
    // Who goes on is stopped at his next guess.
    gate.unknown_recipient(ip("192.0.2.1"), at(600));
    assert_eq!(ask("192.0.2.1", at(601)), Some(Limit::Harvest));
}

#[test]
fn a_list_with_dead_addresses_is_no_attack() {
    let gate = gate(Door { unknown_recipients_per_hour: 10, ..Door::default() });
    let now = Instant::now();
    for _ in 0..500 {
        gate.unknown_recipient(ip("192.0.2.1"), now);
        gate.mail_taken(ip("192.0.2.1"), 30, now);
    }
    assert_eq!(recipient(&gate, Role::Inbound, "192.0.2.1", "a@x.test", now), None);
    // A single huge mail does not pay for a hundred guesses.
    gate.mail_taken(ip("192.0.2.1"), 1_000, now);
    for _ in 0..10 {
        gate.unknown_recipient(ip("192.0.2.1"), now);
    }
    gate.mail_taken(ip("192.0.2.1"), 1_000, now);
    let asked = recipient(&gate, Role::Inbound, "192.0.2.1", "a@x.test", now);
    assert_eq!(asked, Some(Limit::Harvest));
}

#[test]
fn who_tries_passwords_out_is_stopped_and_the_owner_is_not() {
    let gate = gate(Door {
        submission: SubmissionRates {
            failed_logins_per_hour_per_client: 5,
            failed_logins_per_hour_per_account: 8,
            ..SubmissionRates::default()
        },
        ..Door::default()
    });
    let now = Instant::now();
    let try_in = |client: &str, name: &str| {
        gate.log_in(ip(client), name, now).err().map(|excess| excess.limit)
    };
    assert_eq!(try_in("203.0.113.5", "ann"), None);
    gate.logged_in(ip("203.0.113.5"), "Ann", now);
    // One client, many accounts.
    for name in ["b", "c", "d", "e", "f"] {
        assert_eq!(try_in("192.0.2.1", name), None);
    }
    assert_eq!(try_in("192.0.2.1", "g"), Some(Limit::ClientLogins));
    // Many clients, one account.
    let tried = (0..20).filter(|n| try_in(&format!("198.51.{n}.1"), "ANN").is_none()).count();
    assert_eq!(tried, 8);
    assert_eq!(try_in("198.51.100.1", "ann"), Some(Limit::AccountLogins));
    assert_eq!(try_in("203.0.113.6", "ann"), Some(Limit::AccountLogins));
    // The owner where he always is, even with a few slips of his own.
    for _ in 0..5 {
        assert_eq!(try_in("203.0.113.5", "ann"), None);
    }
    assert_eq!(try_in("203.0.113.5", "ann"), Some(Limit::ClientLogins));
    assert_eq!(try_in("203.0.113.5", "bob"), None, "his slips are not held against others");
    // What nobody could decide is not held against anybody.
    for _ in 0..50 {
        assert_eq!(try_in("203.0.114.1", "carol"), None);
        gate.log_in_undecided(ip("203.0.114.1"), "carol", now);
    }
    for _ in 0..50 {
        assert_eq!(try_in("127.0.0.1", "ann"), None);
    }
}

#[test]
fn patience_is_remembered() {
    let gate = gate(Door { greeting_remembered_h: 1, ..Door::default() });
    let now = Instant::now();
    let client = ip("192.0.2.1");
    assert_eq!(gate.greeting_delay(client, now), Duration::from_secs(1));
    gate.waited(client, now);
    assert_eq!(gate.greeting_delay(client, now), Duration::ZERO);
    assert_eq!(gate.greeting_delay(ip("192.0.2.2"), now), Duration::from_secs(1));
    let later = now + Duration::from_secs(3_600);
    assert_eq!(gate.greeting_delay(client, later), Duration::from_secs(1));
    assert_eq!(gate.greeting_delay(ip("127.0.0.1"), now), Duration::ZERO);
    gate.reload(&Limits::default(), &Door { greeting_delay_ms: 0, ..Door::default() });
    assert_eq!(gate.greeting_delay(client, later), Duration::ZERO);
}

#[test]
fn places_in_the_tarpit_are_few_and_given_back() {
    let gate = gate(Door { tarpit_sessions: 2, ..Door::default() });
    let client = ip("192.0.2.1");
    let held = (gate.detain(client).unwrap(), gate.detain(client).unwrap());
    assert!(gate.detain(client).is_none());
    assert!(gate.detain(ip("127.0.0.1")).is_none(), "an exempt client is never delayed");
    drop(held.0);
    assert!(gate.detain(client).is_some());
    let other = Door { tarpit_sessions: 0, ..Door::default() };
    gate.reload(&Limits::default(), &other);
    assert!(gate.detain(client).is_none());
}

#[test]
fn a_reload_counts_for_what_comes() {
    let limited = |count| Door {
        inbound: InboundRates {
            messages_per_minute_per_network: count,
            messages_per_minute_per_sender: 0,
            ..InboundRates::default()
        },
        ..Door::default()
    };
    let gate = gate(limited(1));
    let now = Instant::now();
    let send = || mail(&gate, Role::Inbound, "192.0.2.1", "a@x.test", now);
    assert_eq!((send(), send()), (None, Some(Limit::NetworkMessages)));
    gate.reload(&Limits::default(), &limited(0));
    assert_eq!(send(), None);
    let everybody = Limits { exempt: vec!["192.0.2.0/24".parse().unwrap()], ..Limits::default() };
    gate.reload(&everybody, &limited(1));
    assert_eq!(send(), None);
}

proptest! {
    /// However clients, names and times are mixed: an account is tried no more often than
    /// its rate, and whoever is exempt is never refused.
    #[test]
    fn no_mix_of_clients_has_more_attempts(
        steps in prop::collection::vec((any::<u8>(), 0u8..3, 0u64..20), 1..300)
    ) {
        let rates = SubmissionRates {
            failed_logins_per_hour_per_account: 7,
            failed_logins_per_hour_per_client: 0,
            ..SubmissionRates::default()
        };
        let gate = gate(Door { submission: rates, ..Door::default() });
        let start = Instant::now();
        let mut now = start;
        let mut tried = [0u64; 3];
        for (client, name, pause_s) in steps {
            now += Duration::from_secs(pause_s);
            let account = format!("account{name}");
            let client = IpAddr::from([10, 0, client, 1]);
            if gate.log_in(client, &account, now).is_ok() {
                tried[usize::from(name)] += 1;
            }
            prop_assert!(gate.log_in(ip("::1"), &account, now).is_ok());
        }
        let earned = (now - start).as_secs() * 7 / 3_600;
        prop_assert!(tried.iter().all(|count| *count <= 7 + earned));
    }
}
