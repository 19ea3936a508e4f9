//! One lane a destination: connections are limited, kept and used again, and a slow
//! destination holds up nobody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::harness::{Act, Client, Moment, Setup, Sink, text};

fn send_many(address: std::net::SocketAddr, path: &str, count: usize) {
    let mut client = Client::greeted(address);
    for number in 0..count {
        let sent = text::message("lane", &format!("lane-{number}@example.test"));
        assert_eq!(client.send("ann@example.test", &[path], &sent).code, 250);
    }
}

#[test]
fn connections_are_limited_and_used_again() {
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, peak) = (Arc::clone(&open), Arc::clone(&most));
    let sink = Sink::options()
        .script(move |_, moment| match moment {
            Moment::Data => {
                let now = counted.fetch_add(1, Ordering::SeqCst) + 1;
                peak.fetch_max(now, Ordering::SeqCst);
                Act::Proceed
            }
            Moment::End(_) => {
                std::thread::sleep(Duration::from_millis(30));
                counted.fetch_sub(1, Ordering::SeqCst);
                Act::Proceed
            }
            _ => Act::Proceed,
        })
        .start();
    let setup = Setup::new().next_hop(sink.hop());
    let postern = setup.set("delivery", "connections_per_destination = 3").start();
    send_many(postern.inbound(), "b@example.test", 100);
    sink.wait(100);
    assert!(most.load(Ordering::SeqCst) <= 3, "{} at once", most.load(Ordering::SeqCst));
    assert!(sink.connections() <= 12, "{} connections for 100 mails", sink.connections());
}

#[test]
fn mails_per_connection_is_kept_to() {
    let sink = Sink::start();
    let postern = Setup::new()
        .next_hop(sink.hop())
        .set("delivery", "mails_per_connection = 5")
        .set("delivery", "connections_per_destination = 1")
        .start();
    send_many(postern.inbound(), "b@example.test", 20);
    for mail in sink.wait(20) {
        let same = sink.mails().iter().filter(|other| other.connection == mail.connection).count();
        assert!(same <= 5, "{same} mails over one connection");
    }
}

#[test]
fn a_slow_destination_holds_up_nobody_else() {
    let slow = Sink::options()
        .script(|_, moment| match moment {
            Moment::Connect => Act::Wait(Duration::from_secs(30)),
            _ => Act::Proceed,
        })
        .start();
    let quick = Sink::start();
    let postern = Setup::new().next_hop(slow.hop()).smart_host(quick.hop()).start();
    send_many(postern.inbound(), "b@example.test", 200);
    let begun = Instant::now();
    send_many(postern.outbound(), "v@elsewhere.test", 50);
    quick.wait(50);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(slow.count(), 0);
    assert!(postern.queue().len() >= 200);
}
