use super::*;
use crate::mail::{Domain, Facts, Finding, Recipient, Summary};
use crate::message::Mailbox;

const DAY_S: u64 = 86_400;
/// After any day on which the store of a test was made.
const START_S: u64 = 5_000_000_000;

/// A mail and all that was made of it.
#[derive(Debug, Clone)]
pub(in crate::analysis) struct Mailing {
    pub(in crate::analysis) facts: Facts,
    pub(in crate::analysis) envelope: Envelope,
    pub(in crate::analysis) look: Look,
    pub(in crate::analysis) judgement: Judgement,
    pub(in crate::analysis) content: Vec<u8>,
}

impl Mailing {
    /// From a client and a sender whom nobody vouches for, with this score, delivered.
    pub(in crate::analysis) fn new(
        client: &str,
        sender: &str,
        recipients: &[&str],
        score: f32,
    ) -> Mailing {
        let facts = Facts {
            role: Role::Inbound,
            client: client.parse().unwrap(),
            helo: "mail.sender.test".into(),
            extended: true,
            tls: None,
            account: None,
            received_ms: 0,
            manners: Default::default(),
        };
        let address: Address = sender.parse().unwrap();
        let envelope = Envelope {
            reverse_path: ReversePath::Mailbox(address.clone()),
            recipients: recipients
                .iter()
                .map(|text| Recipient::plain(text.parse().unwrap()))
                .collect(),
            body: Default::default(),
            smtputf8: false,
            dsn_return: None,
            envelope_id: None,
        };
        let author = Authorship::One(Mailbox { display_name: String::new(), address });
        let look = Look { author, ..Look::default() };
        let judgement = Judgement {
            verdict: Verdict::Clean,
            score,
            findings: vec![Finding::new("SEEN", Class::Spam, score, "")],
            summary: Summary { message_id: "1@sender.test".into(), ..Summary::default() },
            dispositions: vec![Disposition::Deliver; recipients.len()],
            orders: Vec::new(),
        };
        Mailing { facts, envelope, look, judgement, content: b"Subject: x\r\n\r\nbody".to_vec() }
    }

    /// The same, vouched for by the sender's domain.
    fn proven(mut self) -> Mailing {
        let domain = self.envelope.reverse_path.address().unwrap().domain().cloned();
        self.look.authenticated.author_domain = domain.clone();
        self.look.authenticated.vouching = domain.into_iter().collect();
        self
    }

    pub(in crate::analysis) fn passage(&self) -> Passage<'_> {
        Passage { facts: &self.facts, envelope: &self.envelope }
    }
}

/// A store and a configuration with these settings of the greylist.
pub(in crate::analysis) fn store_and_config(
    greylist: &str,
) -> (tempfile::TempDir, Arc<Store>, Config) {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(dir.path()).unwrap());
    let text = format!(
        "[system]\nhostname = 'mx.own.test'\ndata_dir = '.'\npostmaster = 'p@own.test'\n\
         [history.greylist]\n{greylist}\n"
    );
    let config = Config::parse(&text, "test".as_ref(), "/".as_ref()).unwrap();
    (dir, store, config)
}

struct Box {
    history: History,
    _dir: tempfile::TempDir,
}

impl Box {
    fn new() -> Box {
        let (dir, store, config) = store_and_config("");
        Box { history: History::new(&config, Some(&store)).unwrap(), _dir: dir }
    }

    fn record(&self, mailing: &Mailing, now_s: u64) {
        self.history.record(mailing.passage(), &mailing.look, &mailing.judgement, now_s);
    }

    /// One mail a day.
    fn record_days(&self, mailing: &Mailing, days: std::ops::Range<u64>) {
        days.for_each(|day| self.record(mailing, START_S + day * DAY_S));
    }

    fn look(&self, mailing: &Mailing, day: u64) -> (Vec<(&'static str, f32)>, Acquaintance) {
        let look = &mailing.look;
        let now_s = START_S + day * DAY_S;
        let (seen, acquaintance) =
            self.history.look(mailing.passage(), &look.author, &look.authenticated, now_s);
        (seen.iter().map(|one| (one.name, one.strength)).collect(), acquaintance)
    }
}

fn strength(seen: &[(&str, f32)], name: &str) -> f32 {
    seen.iter().find(|(seen, _)| *seen == name).map_or(0.0, |(_, strength)| *strength)
}

fn mail(score: f32) -> Mailing {
    Mailing::new("192.0.2.7", "ann@sender.test", &["bob@own.test"], score)
}

#[test]
fn a_stranger_becomes_known_slowly() {
    let house = Box::new();
    let proven = mail(0.0).proven();
    let (seen, acquaintance) = house.look(&proven, 0);
    assert_eq!(seen, [("SENDER_NEW", 1.0)]);
    assert!(acquaintance.is_new_sender && !acquaintance.pair_known && acquaintance.is_settled);
    house.record_days(&proven, 0..1);
    let (seen, acquaintance) = house.look(&proven, 1);
    assert_eq!(seen, []);
    assert!(!acquaintance.is_new_sender && !acquaintance.pair_known);
    house.record_days(&proven, 1..4);
    let (seen, acquaintance) = house.look(&proven, 4);
    assert!(acquaintance.pair_known && strength(&seen, "PAIR_KNOWN") > 0.4, "{seen:?}");
    house.record_days(&proven, 4..60);
    let (seen, acquaintance) = house.look(&proven, 60);
    let (pair, good) = (strength(&seen, "PAIR_KNOWN"), strength(&seen, "HISTORY_GOOD"));
    assert!(good > 1.0 && pair + good <= 3.001, "{seen:?}");
    assert!(acquaintance.has_good_history);
    let (seen, _) = house.look(&proven, 60 + 3_650);
    assert_eq!(seen, [("SENDER_NEW", 1.0)], "and is forgotten");
}

/// One mail that a person let through makes nobody a friend whose others were refused.
#[test]
fn who_has_a_bad_record_is_known_to_nobody() {
    let house = Box::new();
    let proven = mail(0.0).proven();
    let say = |mailing: &Mailing, day: u64| {
        let (author, proof) = (&mailing.look.author, &mailing.look.authenticated);
        let now_s = START_S + day * DAY_S;
        let (mail, said) =
            ((MailId::mint(), mailing.passage()), (Speaker::Operator, Feedback::Wanted));
        house.history.record_feedback(mail, author, proof, said, now_s);
    };
    say(&proven, 0);
    let (seen, _) = house.look(&proven, 1);
    assert!(strength(&seen, "PAIR_KNOWN") > 0.4, "{seen:?}");
    let mut elsewhere = mail(20.0).proven();
    elsewhere.envelope.recipients = vec![Recipient::plain("carol@own.test".parse().unwrap())];
    house.record_days(&elsewhere, 1..20);
    let (seen, acquaintance) = house.look(&proven, 20);
    assert!(strength(&seen, "HISTORY_BAD") > 0.0, "{seen:?}");
    assert!(strength(&seen, "PAIR_KNOWN") == 0.0 && !acquaintance.pair_known, "{seen:?}");
}

#[test]
fn who_forges_an_author_inherits_nothing() {
    let house = Box::new();
    house.record_days(&mail(0.0).proven(), 0..60);
    let mut forged = mail(0.0);
    forged.facts.client = "203.0.113.5".parse().unwrap();
    let (seen, acquaintance) = house.look(&forged, 60);
    assert_eq!(seen, [("SENDER_NEW", 1.0)]);
    assert!(acquaintance.is_new_sender && !acquaintance.has_good_history);
    // A proof for another domain is none.
    forged.look.authenticated.vouching = vec![Domain::parse("evil.test").unwrap()];
    forged.look.authenticated.author_domain = Some(Domain::parse("sender.test").unwrap());
    assert_eq!(house.look(&forged, 60).0, [("SENDER_NEW", 1.0)]);
    // A proof for a domain that is not the author's, either.
    forged.look.authenticated.dmarc = crate::analysis::Dmarc::Pass;
    forged.look.authenticated.author_domain = Some(Domain::parse("evil.test").unwrap());
    assert_eq!(house.look(&forged, 60).0, [("SENDER_NEW", 1.0)]);
}

#[test]
fn bad_mail_counts_against_network_domain_and_author() {
    let house = Box::new();
    let bad = mail(9.0).proven();
    for _ in 0..5 {
        house.record(&bad, START_S);
    }
    let (seen, acquaintance) = house.look(&bad, 0);
    let strong = strength(&seen, "HISTORY_BAD");
    assert!(strong > 1.0 && strong <= 3.0 && acquaintance.has_bad_history, "{seen:?}");
    let neighbour = Mailing::new("192.0.2.9", "x@other.test", &["bob@own.test"], 0.0);
    assert!(strength(&house.look(&neighbour, 0).0, "HISTORY_BAD") > 1.0);
    let elsewhere = Mailing::new("198.51.100.1", "x@sender.test", &["bob@own.test"], 0.0);
    let vouched = elsewhere.clone().proven();
    assert!(strength(&house.look(&vouched, 0).0, "HISTORY_BAD") > 1.0);
    assert_eq!(strength(&house.look(&elsewhere, 0).0, "HISTORY_BAD"), 0.0, "forged");
    assert_eq!(strength(&house.look(&bad, 300).0, "HISTORY_BAD"), 0.0, "faded");
}

#[test]
fn history_does_not_feed_on_itself() {
    let house = Box::new();
    let mut mailing = mail(1.0).proven();
    mailing.judgement.findings.push(Finding::new("HISTORY_BAD", Class::Spam, 30.0, ""));
    mailing.judgement.score = 31.0;
    house.record_days(&mailing, 0..5);
    assert_eq!(strength(&house.look(&mailing, 5).0, "HISTORY_BAD"), 0.0);
    mailing.judgement.findings = vec![
        Finding::new("SEEN", Class::Spam, 9.0, ""),
        Finding::new("HISTORY_GOOD", Class::Notice, -9.0, ""),
    ];
    house.record_days(&mailing, 5..10);
    assert!(strength(&house.look(&mailing, 10).0, "HISTORY_BAD") > 0.3);
}

#[test]
fn a_flood_of_good_mail_buys_no_reputation_in_a_day() {
    let house = Box::new();
    let proven = mail(0.0).proven();
    for _ in 0..10_000 {
        house.record(&proven, START_S);
    }
    for day in [0, 1] {
        let (seen, acquaintance) = house.look(&proven, day);
        assert!(strength(&seen, "HISTORY_GOOD") < 0.3, "{seen:?}");
        assert!(!acquaintance.has_good_history);
    }
}

#[test]
fn own_mail_makes_its_recipients_known() {
    let house = Box::new();
    let mut own = Mailing::new("10.0.0.1", "bob@own.test", &["Ann@sender.test"], 0.0);
    own.facts.role = Role::Outbound;
    house.record_days(&own, 0..1);
    let answer = mail(0.0).proven();
    let (seen, acquaintance) = house.look(&answer, 1);
    assert_eq!(seen, [("PAIR_KNOWN", 2.0)]);
    assert!(acquaintance.is_correspondent && !acquaintance.is_new_sender);
    let forged = mail(0.0);
    assert_eq!(house.look(&forged, 1).0, [("SENDER_NEW", 1.0)]);
    let mut to_two = mail(0.0).proven();
    to_two.envelope.recipients.push(Recipient::plain("carol@own.test".parse().unwrap()));
    assert_eq!(house.look(&to_two, 1).0, [], "one of two knows it");
    let mut many = own.clone();
    let all = (0..60).map(|at| Recipient::plain(format!("a{at}@z.test").parse().unwrap()));
    many.envelope.recipients = all.collect();
    house.record_days(&many, 0..1);
    let answer = Mailing::new("192.0.2.7", "a1@z.test", &["bob@own.test"], 0.0).proven();
    assert!(!house.look(&answer, 1).1.is_correspondent, "who writes to many knows none");
}

#[test]
fn what_people_say_counts_more() {
    let house = Box::new();
    let proven = mail(0.0).proven();
    let look = &proven.look;
    let say = |house: &Box, mail_id, feedback| {
        let (author, authenticated) = (&look.author, &look.authenticated);
        let said = (Speaker::Operator, feedback);
        let mail = (mail_id, proven.passage());
        house.history.record_feedback(mail, author, authenticated, said, START_S);
    };
    let mail_id = MailId::mint();
    say(&house, mail_id, Feedback::Unwanted);
    let once = strength(&house.look(&proven, 0).0, "HISTORY_BAD");
    assert!(once > 1.0);
    say(&house, mail_id, Feedback::Unwanted);
    assert_eq!(strength(&house.look(&proven, 0).0, "HISTORY_BAD"), once, "said already");
    say(&house, MailId::mint(), Feedback::Unwanted);
    assert!(strength(&house.look(&proven, 0).0, "HISTORY_BAD") > once);
    let other = Box::new();
    say(&other, mail_id, Feedback::Wanted);
    assert!(other.look(&proven, 1).1.pair_known);
}

#[test]
fn own_and_exempt_mail_is_not_looked_at() {
    let house = Box::new();
    let mut exempt = mail(9.0);
    exempt.facts.client = "127.0.0.1".parse().unwrap();
    let mut outbound = mail(9.0);
    outbound.facts.role = Role::Outbound;
    for mailing in [exempt, outbound] {
        house.record_days(&mailing, 0..5);
        assert_eq!(house.look(&mailing, 5), (vec![], Acquaintance::default()));
    }
    assert_eq!(strength(&house.look(&mail(0.0), 5).0, "HISTORY_BAD"), 0.0);
}

#[test]
fn a_new_box_calls_nobody_new() {
    let house = Box::new();
    let since_s = house.history.store.history().since_s();
    let mailing = mail(0.0);
    for (day, said) in [(0, false), (6, false), (8, true)] {
        let look = &mailing.look;
        let now_s = since_s + day * DAY_S;
        let (seen, acquaintance) =
            house.history.look(mailing.passage(), &look.author, &look.authenticated, now_s);
        assert_eq!(seen.iter().any(|one| one.name == "SENDER_NEW"), said);
        assert!(acquaintance.is_new_sender);
        assert_eq!(acquaintance.newness(), said.then_some(true));
    }
}

#[test]
fn networks_are_what_one_site_is_given() {
    let table = [
        ("192.0.2.7", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
    ];
    for (client, network) in table {
        assert_eq!(network_of(client.parse().unwrap()).to_string(), network);
    }
}
