use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::dns::merge;
use super::mock::MockResolver;
use super::*;
use crate::config::Dns;

fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

fn names(answer: MxAnswer) -> Vec<String> {
    match answer {
        MxAnswer::Hosts(hosts) => {
            hosts.into_iter().map(|host| format!("{} {}", host.preference, host.exchange)).collect()
        }
        other => vec![format!("{other:?}")],
    }
}

const TABLE: &str = "
# a comment
example.test MX 20 b.example.test
example.test MX 10 A.example.test
example.test MX 20 c.example.test
a.example.test A 192.0.2.1
a.example.test AAAA 2001:db8::1
a.example.test A 192.0.2.2
null.test MX 0 .
both.test MX 0 .
both.test MX 5 a.example.test
broken.test TEMPORARY
empty.test EXISTS
192.0.2.1 PTR a.example.test
";

#[tokio::test]
async fn the_mock_answers_from_its_table() {
    let mock = MockResolver::parse(TABLE).unwrap();
    let mut seconds = std::collections::HashSet::new();
    for _ in 0..64 {
        let hosts = names(mock.mx(&domain("example.test")).await.unwrap());
        assert_eq!(hosts[0], "10 a.example.test");
        seconds.insert(hosts[1].clone());
    }
    assert_eq!(seconds.len(), 2, "equal preferences are shuffled");
    assert_eq!(mock.mx(&domain("null.test")).await, Ok(MxAnswer::NullMx));
    assert_eq!(names(mock.mx(&domain("both.test")).await.unwrap()), ["5 a.example.test"]);
    assert_eq!(mock.mx(&domain("empty.test")).await, Ok(MxAnswer::NoMx));
    assert_eq!(mock.mx(&domain("absent.test")).await, Err(DnsTrouble::NoSuchDomain));
    assert!(matches!(mock.mx(&domain("broken.test")).await, Err(DnsTrouble::Temporary(_))));
    let addresses = mock.addresses(&domain("a.example.test")).await.unwrap();
    assert_eq!(addresses.len(), 3);
    assert_eq!(addresses[2], "2001:db8::1".parse::<IpAddr>().unwrap());
    let reverse = mock.reverse("192.0.2.1".parse().unwrap()).await.unwrap();
    assert_eq!(reverse, [domain("a.example.test")]);
    for bad in ["x.test MX mx.test", "x.test A 1", "x.test", "x.test PTR ."] {
        assert!(MockResolver::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn one_family_is_enough_and_trouble_is_not_absence() {
    let temporary = || Err(DnsTrouble::Temporary("x".into()));
    let absent = || Err(DnsTrouble::NoSuchDomain);
    let four: Vec<IpAddr> = vec!["192.0.2.1".parse().unwrap()];
    let some = || Ok(four.clone());
    let table = [
        (some(), temporary(), some()),
        (absent(), some(), some()),
        (temporary(), Ok(vec![]), temporary()),
        (absent(), temporary(), temporary()),
        (absent(), absent(), absent()),
        (Ok(vec![]), absent(), Ok(vec![])),
        (Ok(vec![]), Ok(vec![]), Ok(vec![])),
    ];
    for (a, b, merged) in table {
        assert_eq!(merge(a, b), merged);
    }
}

#[tokio::test]
async fn a_silent_server_is_temporary_trouble() {
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let dns = Dns { servers: vec![silent.local_addr().unwrap()], timeout_s: 1, cache_entries: 64 };
    let resolver = DnsResolver::new(&dns).unwrap();
    let answer = resolver.mx(&domain("example.test")).await;
    assert!(matches!(answer, Err(DnsTrouble::Temporary(_))), "{answer:?}");
}

struct Nsd {
    child: Child,
    _dir: tempfile::TempDir,
}

impl Drop for Nsd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const ZONE: &str = "$ORIGIN zone.test.
$TTL 60
@ SOA ns.zone.test. root.zone.test. 1 60 60 60 60
@ NS ns
ns A 127.0.0.1
@ MX 20 mx2
@ MX 10 mx1
mx1 A 192.0.2.1
mx1 AAAA 2001:db8::1
mx2 A 192.0.2.2
null MX 0 .
alias CNAME mx1
onlytext TXT \"x\"
odd MX 10 a\\032b
";

/// A name server of our own, when nsd is installed.
async fn nsd() -> Option<(Nsd, SocketAddr)> {
    let free = std::net::UdpSocket::bind("127.0.0.1:0").ok()?;
    let address = free.local_addr().ok()?;
    drop(free);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().display();
    std::fs::write(dir.path().join("zone"), ZONE).unwrap();
    let settings = format!(
        "server:\n  ip-address: 127.0.0.1\n  port: {}\n  username: \"\"\n  chroot: \"\"\n  \
         pidfile: \"\"\n  database: \"\"\n  zonelistfile: \"{path}/list\"\n  \
         xfrdfile: \"{path}/xfrd\"\n  xfrdir: \"{path}\"\n  zonesdir: \"{path}\"\n\
         remote-control:\n  control-enable: no\nzone:\n  name: zone.test\n  zonefile: zone\n",
        address.port()
    );
    let file = dir.path().join("nsd.conf");
    std::fs::write(&file, settings).unwrap();
    let mut command = Command::new("/usr/sbin/nsd");
    command.arg("-d").arg("-c").arg(&file).stdin(Stdio::null()).stderr(Stdio::null());
    let child = command.stdout(Stdio::null()).spawn().ok()?;
    for _ in 0..100 {
        if tokio::net::TcpStream::connect(address).await.is_ok() {
            return Some((Nsd { child, _dir: dir }, address));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    None
}

#[tokio::test]
async fn a_real_server_is_understood() {
    let Some((_nsd, server)) = nsd().await else {
        println!("skipped: nsd is not installed or does not start");
        return;
    };
    let dns = Dns { servers: vec![server], timeout_s: 2, cache_entries: 64 };
    let resolver = DnsResolver::new(&dns).unwrap();
    let mx = resolver.mx(&domain("zone.test")).await.unwrap();
    assert_eq!(names(mx), ["10 mx1.zone.test", "20 mx2.zone.test"]);
    assert_eq!(resolver.mx(&domain("null.zone.test")).await, Ok(MxAnswer::NullMx));
    assert_eq!(resolver.mx(&domain("onlytext.zone.test")).await, Ok(MxAnswer::NoMx));
    assert_eq!(resolver.mx(&domain("no.zone.test")).await, Err(DnsTrouble::NoSuchDomain));
    let odd = resolver.mx(&domain("odd.zone.test")).await;
    assert!(matches!(odd, Err(DnsTrouble::Temporary(_))), "{odd:?}");
    for name in ["mx1.zone.test", "alias.zone.test"] {
        let addresses = resolver.addresses(&domain(name)).await.unwrap();
        let expected: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        assert_eq!(addresses, expected, "{name}");
    }
    assert_eq!(resolver.addresses(&domain("onlytext.zone.test")).await, Ok(vec![]));
    let absent = resolver.addresses(&domain("no.zone.test")).await;
    assert_eq!(absent, Err(DnsTrouble::NoSuchDomain));
    // A server that is asked for a zone that is not its own refuses: that is not absence.
    let refused = resolver.mx(&domain("elsewhere.test")).await;
    assert!(matches!(refused, Err(DnsTrouble::Temporary(_))), "{refused:?}");
}

const FACE: &str = r#"
example.test TXT "v=spf1 " "-all"
example.test TXT "a \"quoted\" \255 octet"
alias.test CNAME example.test
loop-a.test CNAME loop-b.test
loop-b.test CNAME loop-a.test
half.test TEMPORARY TXT
half.test A 192.0.2.1
slow.test TIMEOUT
*.list.test A 127.0.0.2
six.test AAAA 2001:db8::7
2001:db8::7 PTR six.test
mx.test MX 10 a.mx.test
deep.in.zone.test A 192.0.2.9
"#;

fn texts(records: Vec<Record>) -> Vec<String> {
    let text = |record| match record {
        Record::Text(text) => text,
        other => panic!("{other:?}"),
    };
    records.into_iter().map(text).collect()
}

#[tokio::test]
async fn the_mock_answers_over_the_network_as_it_does_inside() {
    let many: String = (0..1_000).map(|at| format!("big.test TXT \"record {at}\"\n")).collect();
    let table = format!("{FACE}{many}");
    let server = mock::serve(&table).unwrap();
    let dns = Dns { servers: vec![server.address], timeout_s: 1, cache_entries: 64 };
    let outside: Box<dyn Resolve> = Box::new(DnsResolver::new(&dns).unwrap());
    let inside: Box<dyn Resolve> = Box::new(MockResolver::parse(&table).unwrap());
    for resolver in [&outside, &inside] {
        for name in ["example.test", "alias.test"] {
            let mut found = resolver.txt(&domain(name)).await.unwrap();
            found.sort();
            assert_eq!(found, ["a \"quoted\" \u{fffd} octet", "v=spf1 -all"], "{name}");
        }
        let broken = resolver.txt(&domain("half.test")).await;
        assert!(matches!(broken, Err(DnsTrouble::Temporary(_))), "{broken:?}");
        assert_eq!(resolver.addresses(&domain("half.test")).await.unwrap().len(), 1);
        let listed = resolver.records("1.2.0.192.list.test", Kind::A).await.unwrap();
        assert_eq!(listed, [Record::Address("127.0.0.2".parse().unwrap())]);
        let reverse = resolver.reverse("2001:db8::7".parse().unwrap()).await.unwrap();
        assert_eq!(reverse, [domain("six.test")]);
        let mx = resolver.records("mx.test", Kind::Mx).await.unwrap();
        assert_eq!(mx, [Record::Exchange(10, "a.mx.test".into())]);
        let absent = resolver.records("no such name.test", Kind::A).await;
        assert_eq!(absent, Err(DnsTrouble::NoSuchDomain));
        assert_eq!(resolver.records("in.zone.test", Kind::A).await, Ok(vec![]));
        let long = format!("{}.test", "x".repeat(64));
        assert_eq!(resolver.records(&long, Kind::A).await, Err(DnsTrouble::NoSuchDomain));
        assert!(resolver.records("loop-a.test", Kind::A).await.is_ok_and(|all| all.is_empty()));
    }
    // Too large for UDP: asked again over TCP, and cut.
    assert_eq!(texts(outside.records("big.test", Kind::Txt).await.unwrap()).len(), RECORDS);
    let before = server.questions();
    assert!(outside.records("big.test", Kind::Txt).await.is_ok(), "from the cache");
    assert_eq!(server.questions(), before);
    let slow = outside.txt(&domain("slow.test")).await;
    assert!(matches!(slow, Err(DnsTrouble::Temporary(_))), "{slow:?}");
}

#[tokio::test]
async fn dead_servers_cost_little_time() {
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let dns = Dns { servers: vec![silent.local_addr().unwrap()], timeout_s: 1, cache_entries: 64 };
    let resolver = std::sync::Arc::new(DnsResolver::new(&dns).unwrap());
    let mut asked = tokio::task::JoinSet::new();
    for at in 0..10 {
        let resolver = std::sync::Arc::clone(&resolver);
        asked.spawn(async move { resolver.txt(&domain(&format!("x{at}.test"))).await.is_err() });
    }
    assert!(asked.join_all().await.into_iter().all(|failed| failed));
    tokio::time::sleep(Duration::from_secs(4)).await;
    let before = std::time::Instant::now();
    assert!(matches!(resolver.txt(&domain("y.test")).await, Err(DnsTrouble::Temporary(_))));
    assert!(before.elapsed() < Duration::from_millis(200), "{:?}", before.elapsed());
    // Zones that are silent while the server is there are asked for again and again.
    let table: String = (0..10).map(|at| format!("x{at}.test TIMEOUT\n")).collect();
    let server = mock::serve(&format!("{table}alive.test A 192.0.2.1\n")).unwrap();
    let dns = Dns { servers: vec![server.address], timeout_s: 1, cache_entries: 64 };
    let resolver = std::sync::Arc::new(DnsResolver::new(&dns).unwrap());
    let mut asked = tokio::task::JoinSet::new();
    for at in 0..10 {
        let resolver = std::sync::Arc::clone(&resolver);
        asked.spawn(async move { resolver.txt(&domain(&format!("x{at}.test"))).await.is_err() });
    }
    assert!(asked.join_all().await.into_iter().all(|failed| failed));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(resolver.addresses(&domain("alive.test")).await.unwrap().len(), 1);
}
