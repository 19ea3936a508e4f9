//! Transient trouble: what is put off is tried again, recipient by recipient.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::harness::{Act, Moment, Setup, Sink, client, text, wait_for};

#[test]
fn a_4xx_is_tried_again_until_it_is_taken() {
    for place in ["connect", "greeting", "mail", "rcpt", "data", "end"] {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let sink = Sink::options()
            .script(move |_, moment| {
                let here = match moment {
                    Moment::Connect => "connect",
                    Moment::Greeting => "greeting",
                    Moment::Mail => "mail",
                    Moment::Rcpt(_) => "rcpt",
                    Moment::Data => "data",
                    Moment::End(..) => "end",
                };
                if here != place || counted.fetch_add(1, Ordering::Relaxed) >= 2 {
                    return Act::Proceed;
                }
                Act::Say("451 4.3.0 not now")
            })
            .start();
        let postern = Setup::new().next_hop(sink.hop()).start();
        let sent = text::message("later", "retry@sender.test");
        let reply = client::send(postern.inbound(), "a@sender.test", &["b@example.test"], &sent);
        assert_eq!(reply.code, 250, "{place}: {reply}");
        assert!(text::is_unchanged_below(&sink.wait(1)[0].content, &sent), "{place}");
        assert!(count.load(Ordering::Relaxed) >= 2, "{place}");
        postern.wait_until_empty();
        assert_eq!(sink.count(), 1, "{place}");
    }
}

#[test]
fn each_recipient_has_its_own_fate() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let sink = Sink::options()
        .script(move |_, moment| match moment {
            Moment::Rcpt(path) if path.contains("gone@") => Act::Say("550 5.1.1 no such user"),
            Moment::Rcpt(path) if path.contains("full@") => {
                match counted.fetch_add(1, Ordering::Relaxed) {
                    0 | 1 => Act::Say("452 4.2.2 mailbox full"),
                    _ => Act::Proceed,
                }
            }
            _ => Act::Proceed,
        })
        .start();
    let senders = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).smart_host(senders.hop()).start();
    let paths = ["bob@example.test", "full@example.test", "gone@example.test"];
    let sent = text::message("three fates", "fates@sender.test");
    let reply = client::send(postern.inbound(), "a@sender.test", &paths, &sent);
    assert_eq!(reply.code, 250, "{reply}");
    let mails = sink.wait(2);
    assert_eq!(mails[0].recipients(), ["bob@example.test"]);
    assert_eq!(mails[1].recipients(), ["full@example.test"]);
    senders.wait(1);
    postern.wait_until_empty();
    sink.stays_at(2);
    senders.stays_at(1);
}

#[test]
fn a_connection_that_breaks_is_tried_again() {
    let broken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&broken);
    let sink = Sink::options()
        .script(move |number, moment| {
            let cut_here = match moment {
                Moment::Connect => number == 1,
                Moment::Mail => number == 2,
                Moment::Data => number == 3,
                Moment::End(..) => number == 4,
                _ => false,
            };
            if cut_here {
                counted.fetch_add(1, Ordering::Relaxed);
                return Act::Cut;
            }
            Act::Proceed
        })
        .start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    let sent = text::message("broken", "broken@sender.test");
    let reply = client::send(postern.inbound(), "a@sender.test", &["b@example.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
    assert!(text::is_unchanged_below(&sink.wait(1)[0].content, &sent));
    assert!(broken.load(Ordering::Relaxed) >= 3);
}

#[test]
fn a_lost_reply_makes_a_duplicate_and_never_a_loss() {
    let sink = Sink::options()
        .script(|number, moment| match moment {
            Moment::End(..) if number == 1 => Act::TakeAndCut,
            _ => Act::Proceed,
        })
        .start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    let sent = text::message("twice", "twice@sender.test");
    let reply = client::send(postern.inbound(), "a@sender.test", &["b@example.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
    // RFC 5321 section 4.5.4.2 and RFC 1047: in doubt it is sent again.
    sink.wait(2);
    postern.wait_until_empty();
    sink.stays_at(2);
}

#[test]
fn mail_waits_for_a_next_hop_that_is_down_through_a_restart() {
    let port = super::harness::free_port();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let mut postern = Setup::new().next_hop(format!("smtp://{address}")).start();
    for number in 0..20 {
        let sent = text::message("waiting", &format!("wait-{number}@sender.test"));
        let reply = client::send(postern.inbound(), "a@sender.test", &["b@example.test"], &sent);
        assert_eq!(reply.code, 250, "{reply}");
    }
    wait_for("twenty deferred mails", || {
        let queue = postern.queue();
        (queue.len() == 20).then_some(())
    });
    postern.kill();
    postern.start_again();
    assert_eq!(postern.queue().len(), 20, "nothing was lost by the kill");
    let sink = Sink::options().address(address).start();
    sink.wait(20);
    postern.wait_until_empty();
    sink.stays_at(20);
}
