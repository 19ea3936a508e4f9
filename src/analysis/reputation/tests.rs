use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::mail::{BodyType, Envelope, Facts, Recipient, ReversePath};
use crate::net::resolver::mock::MockResolver;
use crate::net::resolver::{Answering, DnsTrouble, Kind, MxAnswer, Record};

/// Answers from a table, counts what it is asked, and can fall silent.
#[derive(Default)]
struct Counting {
    table: Mutex<MockResolver>,
    asked: Mutex<Vec<String>>,
    silent: AtomicBool,
}

impl Counting {
    fn with(table: &str) -> Arc<Counting> {
        let counting = Counting::default();
        counting.become_table(table);
        Arc::new(counting)
    }

    fn become_table(&self, table: &str) {
        *self.table.lock().unwrap() = MockResolver::parse(table).unwrap();
    }

    /// What was asked since the last call.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl Resolve for Counting {
    fn mx<'a>(&'a self, _: &'a Domain) -> Answering<'a, MxAnswer> {
        Box::pin(async { Err(DnsTrouble::NoSuchDomain) })
    }

    fn addresses<'a>(&'a self, host: &'a Domain) -> Answering<'a, Vec<IpAddr>> {
        let table = self.table.lock().unwrap().clone();
        Box::pin(async move { table.addresses(host).await })
    }

    fn ipv4<'a>(&'a self, name: &'a Domain) -> Answering<'a, Vec<Ipv4Addr>> {
        self.asked.lock().unwrap().push(name.to_string());
        let silent = self.silent.load(Ordering::Relaxed);
        let table = self.table.lock().unwrap().clone();
        Box::pin(async move {
            if silent {
                std::future::pending::<()>().await;
            }
            table.ipv4(name).await
        })
    }

    fn reverse<'a>(&'a self, _: IpAddr) -> Answering<'a, Vec<Domain>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn records<'a>(&'a self, _: &'a str, _: Kind) -> Answering<'a, Vec<Record>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

const LISTS: &str = r#"
[[reputation.list]]
zone = "block.test"
kind = "client"
weights = { "127.0.0.2" = 4.0, "127.0.0.3" = 2.0 }
[[reputation.list]]
zone = "allow.test"
kind = "client-allow"
weights = { "127.0.0.0/8" = 3.0 }
[[reputation.list]]
zone = "hosts.test"
kind = "host"
weights = { "127.0.0.0/24 & 2" = 2.5, "127.0.0.0/24 & 4" = 1.0 }
[[reputation.list]]
zone = "block.test"
kind = "host-address"
weights = { "127.0.0.2" = 1.5 }
[[reputation.list]]
zone = "senders.test"
kind = "sender"
weights = { "127.0.0.0/8" = 1.0 }
"#;

const TABLE: &str = "
2.0.0.127.block.test A 127.0.0.2
2.0.0.127.allow.test A 127.0.0.2
test.hosts.test A 127.0.0.2
test.senders.test A 127.0.0.2
7.2.0.192.block.test A 127.0.0.2
8.2.0.192.block.test A 127.0.0.99
7.2.0.192.allow.test A 127.0.5.1
bad.example.hosts.test A 127.0.0.6
worse.example.hosts.test A 127.0.0.2
odd.example.hosts.test A 127.255.255.254
on-bad-server.example A 192.0.2.7
path.example.senders.test A 127.0.0.2
author.example.senders.test A 127.0.0.2
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.block.test A 127.0.0.3
";

fn config(more: &str) -> Config {
    let system = "[system]\nhostname = \"mx.own.test\"\ndata_dir = \"data\"\n\
                  postmaster = \"p@own.test\"\n";
    let text = format!("{system}{more}");
    Config::parse(&text, "postern.toml".as_ref(), "/".as_ref()).unwrap()
}

fn reputation(more: &str, resolver: &Arc<Counting>) -> Arc<Reputation> {
    Reputation::new(&config(more), Arc::clone(resolver) as _)
}

fn facts(client: &str, role: Role) -> Facts {
    Facts {
        role,
        client: client.parse().unwrap(),
        helo: "mx.path.example".into(),
        extended: true,
        tls: None,
        account: None,
        received_ms: 0,
        manners: Default::default(),
    }
}

fn envelope() -> Envelope {
    Envelope {
        reverse_path: ReversePath::Mailbox("a@path.example".parse().unwrap()),
        recipients: vec![Recipient::plain("b@own.test".parse().unwrap())],
        body: BodyType::SevenBit,
        smtputf8: false,
        dsn_return: None,
        envelope_id: None,
    }
}

async fn seen(reputation: &Reputation, client: &str, hosts: &[&str]) -> Vec<String> {
    let (facts, envelope) = (facts(client, Role::Inbound), envelope());
    let passage = Passage { facts: &facts, envelope: &envelope };
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let sightings = reputation.look(Some(passage), &hosts, None).await;
    let shown = |sighting: &Sighting| format!("{} {}", sighting.name, sighting.strength);
    sightings.iter().map(shown).collect()
}

#[tokio::test]
async fn what_is_listed_is_seen() {
    let resolver = Counting::with(TABLE);
    let reputation = reputation(LISTS, &resolver);
    let sender = "SENDER_LISTED 1";
    let table: [(&str, &[&str], &[&str]); 8] = [
        ("192.0.2.7", &[], &["CLIENT_LISTED 4", "CLIENT_ALLOWED 3", sender]),
        ("192.0.2.9", &[], &[sender]),
        // A code that is worth nothing here.
        ("192.0.2.8", &[], &[sender]),
        ("2001:db8::1", &[], &["CLIENT_LISTED 2", sender]),
        ("::ffff:192.0.2.7", &[], &["CLIENT_LISTED 4", "CLIENT_ALLOWED 3", sender]),
        ("192.0.2.9", &["www.bad.example", "fine.example"], &["HOST_LISTED 3.5", sender]),
        ("192.0.2.9", &["worse.example", "bad.example"], &["HOST_LISTED 3.5", sender]),
        ("192.0.2.9", &["on-bad-server.example"], &["HOST_LISTED 1.5", sender]),
    ];
    for (client, hosts, expected) in table {
        assert_eq!(seen(&reputation, client, hosts).await, expected, "{client} {hosts:?}");
    }
    let author = Domain::parse("www.author.example").unwrap();
    let sightings = reputation.look(None, &[], Some(&author)).await;
    assert_eq!(sightings[0].detail, "senders.test lists author author.example (127.0.0.2)");
}

#[tokio::test]
async fn details_name_the_zone_the_code_and_what_is_listed() {
    let resolver = Counting::with(TABLE);
    let reputation = reputation(LISTS, &resolver);
    let hosts: Vec<String> = ["bad.example", "worse.example"].map(str::to_owned).to_vec();
    let sightings = reputation.look(None, &hosts, None).await;
    let detail = "hosts.test lists link bad.example (127.0.0.6), link worse.example (127.0.0.2)";
    assert_eq!(sightings, [Sighting::strong("HOST_LISTED", 3.5, detail)]);
}

#[tokio::test]
async fn nobody_is_asked_for_what_is_none_of_theirs() {
    let resolver = Counting::with(TABLE);
    let none = reputation("", &resolver);
    assert!(seen(&none, "192.0.2.7", &["bad.example"]).await.is_empty());
    let of_exempt =
        reputation(&format!("[reputation]\nexempt = [\"192.0.2.0/24\"]\n{LISTS}"), &resolver);
    assert!(seen(&of_exempt, "192.0.2.7", &["bad.example"]).await.is_empty());
    let usual = reputation(LISTS, &resolver);
    // Loopback is exempt because `limits.exempt` is.
    assert!(seen(&usual, "127.0.0.1", &["bad.example"]).await.is_empty());
    let (facts, envelope) = (facts("192.0.2.7", Role::Outbound), envelope());
    let passage = Passage { facts: &facts, envelope: &envelope };
    assert!(usual.look(Some(passage), &["bad.example".into()], None).await.is_empty());
    assert_eq!(resolver.asked(), Vec::<String>::new());
    // Private addresses are nobody's business; the other questions are asked.
    assert_eq!(seen(&usual, "10.0.0.1", &[]).await, ["SENDER_LISTED 1"]);
    assert!(resolver.asked().iter().all(|name| name.ends_with("senders.test")));
    let open = format!("[reputation]\nexempt = []\nask_private = true\n{LISTS}");
    let open = reputation(&open, &resolver);
    assert_eq!(seen(&open, "127.0.0.2", &[]).await[0], "CLIENT_LISTED 4");
}

const ONE: &str = "[reputation]\nfailures = 3\npause_first_s = 1\n[[reputation.list]]\n\
                   zone = \"block.test\"\nkind = \"client\"\ntimeout_ms = 50\n";

#[tokio::test]
async fn a_list_that_answers_everything_or_nothing_is_out_of_use_until_it_recovers() {
    // A wildcard catches every name that the table does not have; here it is spelt out.
    let everything = "2.0.0.127.block.test A 127.0.0.2\n1.0.0.127.block.test A 127.0.0.2\n\
                      7.2.0.192.block.test A 127.0.0.2";
    let parked = "2.0.0.127.block.test A 198.51.100.7\n1.0.0.127.block.test A 198.51.100.7\n\
                  7.2.0.192.block.test A 198.51.100.7";
    let nothing = "7.2.0.192.block.test A 127.0.0.2";
    let refusing = "2.0.0.127.block.test A 127.255.255.254\n7.2.0.192.block.test A 127.0.0.2";
    let fault = |table: &str| match table {
        _ if table == nothing => health::Fault::AnswersNothing,
        _ if table == refusing => health::Fault::Refuses("127.255.255.254".parse().unwrap()),
        _ => health::Fault::AnswersEverything,
    };
    for table in [everything, parked, nothing, refusing] {
        let resolver = Counting::with(table);
        let reputation = reputation(ONE, &resolver);
        assert!(seen(&reputation, "192.0.2.7", &[]).await.is_empty(), "{table}");
        assert_eq!(reputation.standings()[0].opinion, Opinion::Ill(fault(table)));
        assert_eq!(resolver.asked().len(), 3, "the points only");
        assert!(seen(&reputation, "192.0.2.7", &[]).await.is_empty());
        assert!(resolver.asked().is_empty(), "out of use, and no check is due");
        resolver.become_table(TABLE);
        reputation.lists[0].check().await;
        assert_eq!(reputation.standings()[0].opinion, Opinion::Well);
        assert_eq!(seen(&reputation, "192.0.2.7", &[]).await, ["CLIENT_LISTED 1"]);
    }
}

#[tokio::test]
async fn a_silent_list_costs_nothing_once_its_breaker_is_open() {
    let resolver = Counting::with(TABLE);
    let reputation = reputation(ONE, &resolver);
    assert_eq!(seen(&reputation, "192.0.2.7", &[]).await, ["CLIENT_LISTED 1"]);
    resolver.asked();
    resolver.silent.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        assert!(seen(&reputation, "192.0.2.7", &[]).await.is_empty());
    }
    assert_eq!(resolver.asked().len(), 3);
    assert!(reputation.standings()[0].left_alone);
    for _ in 0..20 {
        assert!(seen(&reputation, "192.0.2.7", &[]).await.is_empty());
    }
    assert_eq!(resolver.asked().len(), 0, "nobody asks, so nobody waits");
    // Half open: one trial, made beside the mail, however many mails come.
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    for _ in 0..20 {
        assert!(seen(&reputation, "192.0.2.7", &[]).await.is_empty());
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(resolver.asked().len(), 3, "the points of one trial");
    assert!(reputation.standings()[0].left_alone, "the trial failed");
    resolver.silent.store(false, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(2_000)).await;
    assert!(seen(&reputation, "192.0.2.7", &[]).await.is_empty());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(seen(&reputation, "192.0.2.7", &[]).await, ["CLIENT_LISTED 1"]);
}

#[tokio::test]
async fn error_codes_and_foreign_answers_open_the_breaker_too() {
    for answer in ["127.255.255.255", "192.0.2.80"] {
        let resolver = Counting::with(TABLE);
        let reputation = reputation(ONE, &resolver);
        assert_eq!(seen(&reputation, "192.0.2.7", &[]).await, ["CLIENT_LISTED 1"]);
        resolver.become_table(&format!("7.2.0.192.block.test A {answer}"));
        for _ in 0..5 {
            assert!(seen(&reputation, "192.0.2.7", &[]).await.is_empty());
        }
        assert_eq!(resolver.asked().len(), 3 + 1 + 3);
        assert!(reputation.standings()[0].left_alone);
    }
}

#[tokio::test]
async fn the_first_mails_share_one_check() {
    let resolver = Counting::with(TABLE);
    let reputation = reputation(ONE, &resolver);
    let look = || seen(&reputation, "192.0.2.7", &[]);
    let _ = tokio::join!(look(), look(), look(), look());
    let asked = resolver.asked();
    let mails = asked.iter().filter(|name| *name == "7.2.0.192.block.test").count();
    assert_eq!((mails, asked.len()), (4, 7));
}

#[tokio::test]
async fn the_watch_checks_at_start_and_ends() {
    let resolver = Counting::with(TABLE);
    let reputation = reputation(LISTS, &resolver);
    let (stop, stopped) = watch::channel(false);
    let watching = tokio::spawn(Arc::clone(&reputation).watch(stopped));
    for _ in 0..100 {
        if reputation.standings().iter().all(|one| one.opinion == Opinion::Well) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(reputation.standings().iter().all(|one| one.opinion == Opinion::Well));
    stop.send_replace(true);
    watching.await.unwrap();
}

#[test]
fn contradictions_are_refused() {
    let list = |more: &str| {
        format!(
            "[system]\nhostname = \"mx.own.test\"\ndata_dir = \"data\"\n\
             postmaster = \"p@own.test\"\n[[reputation.list]]\nzone = \"l.test\"\n\
             kind = \"client\"\n{more}"
        )
    };
    let table = [
        ("weights = { \"127.0.0.2\" = -1.0 }", "from 0 to 100"),
        ("weights = { \"127.0.0.2\" = nan }", "from 0 to 100"),
        ("weights = { \"128.0.0.2\" = 1.0 }", "no return code"),
        ("weights = { \"127.0.0.0/16 & 2\" = 1.0 }", "/24 or longer"),
        ("timeout_ms = 1", "at least 50"),
        ("zone2 = 1", "did you mean `zone`"),
        ("[[reputation.list]]\nzone = \"l.test\"\nkind = \"client\"", "given twice"),
        ("[reputation]\nhosts_per_message = 1000", ""),
    ];
    for (more, what) in table {
        let parsed = Config::parse(&list(more), "postern.toml".as_ref(), "/".as_ref());
        let error = parsed.unwrap_err().to_string();
        assert!(error.contains(what), "{more}: {error}");
    }
}
