//! Mail to other domains: MX look-up against a real name server (nsd) with zones of our own.
//!
//! The exchangers are sinks on addresses of the loopback network, all on one port, which
//! `delivery.mx_port` names in place of 25.

use std::net::SocketAddr;
use std::time::Duration;

use super::harness::{Act, Client, Moment, Nsd, Postern, Setup, Sink, free_port, text};

const ZONE: &str = "$ORIGIN test.
$TTL 60
@ IN SOA ns.test. root.test. 1 60 60 60 60
@ IN NS ns.test.
ns IN A 127.0.0.1
two IN MX 10 dead.two
two IN MX 20 alive.two
dead.two IN A 127.0.77.1
alive.two IN A 127.0.77.2
busy IN MX 10 dead.two
busy IN MX 10 alive.two
implicit IN A 127.0.77.3
null IN MX 0 .
nomail IN TXT \"neither MX nor address\"
dangling IN MX 10 nowhere.dangling
alias IN MX 10 cname.alias
cname.alias IN CNAME alive.two
order IN MX 5 first.order
order IN MX 50 last.order
first.order IN A 127.0.77.4
last.order IN A 127.0.77.5
itself IN MX 10 mx.example.test.
itself IN MX 20 alive.two
";

struct World {
    _nsd: Nsd,
    postern: Postern,
    port: u16,
    senders: Sink,
}

fn at(last: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 77, last], port))
}

/// The sender's own domain is the protected one, so that reports come to `senders`.
fn world() -> Option<World> {
    let nsd = Nsd::start(&[("test", ZONE)])?;
    let port = free_port();
    let senders = Sink::start();
    let postern = Setup::new()
        .next_hop(senders.hop())
        .set("dns", format!("servers = [\"127.0.0.1:{}\"]", nsd.port))
        .set("delivery", format!("mx_port = {port}"))
        .set("delivery", "connect_timeout_s = 3")
        .start();
    Some(World { _nsd: nsd, postern, port, senders })
}

fn send(world: &World, path: &str) {
    let mut client = Client::greeted(world.postern.outbound());
    let sent = text::message("by MX", &format!("mx-{}@example.test", path.replace('@', "-")));
    let reply = client.send("ann@example.test", &[path], &sent);
    assert_eq!(reply.code, 250, "{path}: {reply}");
}

#[test]
fn exchangers_are_tried_in_their_order() {
    let Some(world) = world() else { return };
    let alive = Sink::options().address(at(2, world.port)).start();
    let implicit = Sink::options().address(at(3, world.port)).start();
    let first = Sink::options().address(at(4, world.port)).start();
    let last = Sink::options().address(at(5, world.port)).start();
    let table = [
        ("u@two.test", &alive),
        ("u@busy.test", &alive),
        // RFC 5321 section 5.1: without MX the address stands in.
        ("u@implicit.test", &implicit),
        ("u@order.test", &first),
        ("u@alias.test", &alive),
    ];
    for (path, sink) in table {
        let before = sink.count();
        send(&world, path);
        let mails = sink.wait(before + 1);
        assert_eq!(mails[before].recipients(), [path]);
    }
    assert_eq!(last.count(), 0);
    assert_eq!(world.senders.count(), 0, "{:?}", world.senders.envelopes());
}

#[test]
fn domains_without_mail_are_reported_at_once() {
    let Some(world) = world() else { return };
    // RFC 7505: null MX; RFC 5321: no such domain, neither MX nor address.
    let table = [("u@null.test", "5.1.10"), ("u@nosuch.test", "5.1.2"), ("u@nomail.test", "5.")];
    for (at, (path, status)) in table.iter().enumerate() {
        send(&world, path);
        let reports = world.senders.wait(at + 1);
        let shown = String::from_utf8_lossy(&reports[at].content).into_owned();
        assert_eq!(reports[at].recipients(), ["ann@example.test"]);
        assert!(shown.contains(&format!("Status: {status}")), "{path}: {shown}");
    }
}

#[test]
fn an_exchanger_that_says_4xx_has_a_second() {
    let Some(world) = world() else { return };
    let first = Sink::options()
        .address(at(4, world.port))
        .script(|_, moment| match moment {
            Moment::Rcpt(_) => Act::Say("450 4.2.0 greylisted"),
            _ => Act::Proceed,
        })
        .start();
    let last = Sink::options().address(at(5, world.port)).start();
    send(&world, "u@order.test");
    // Whether the second exchanger is tried at once or the first again later, the mail must
    // not be lost nor returned.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(world.senders.count(), 0);
    assert_eq!(last.count() + world.postern.queue().len(), 1);
    drop(first);
}

#[test]
fn a_dead_name_server_defers() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    let mut client = Client::greeted(postern.outbound());
    let sent = text::message("no dns", "nodns@example.test");
    let reply = client.send("ann@example.test", &["u@two.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(postern.queue().len(), 1, "it waits for the name server");
    assert_eq!(sink.count(), 0, "and is not returned");
}

#[test]
fn an_exchanger_that_is_this_box_is_no_way_out() {
    let Some(world) = world() else { return };
    send(&world, "u@itself.test");
    // RFC 5321 section 5.1: exchangers of our own preference and below are dropped.
    let reports = world.senders.wait(1);
    let shown = String::from_utf8_lossy(&reports[0].content).into_owned();
    assert!(shown.contains("Action: failed"), "{shown}");
}
