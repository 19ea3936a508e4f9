//! Several next hops: the first that answers has it.

use super::harness::{Act, Moment, Setup, Sink, client, text};

#[test]
fn the_next_of_several_hops_takes_over() {
    let dead = format!("smtp://127.0.0.1:{}", super::harness::free_port());
    let busy = Sink::options()
        .script(|_, moment| match moment {
            Moment::Connect => Act::Say("421 4.3.2 too busy"),
            _ => Act::Proceed,
        })
        .start();
    let cutting = Sink::options()
        .script(|_, moment| match moment {
            Moment::Greeting => Act::Cut,
            _ => Act::Proceed,
        })
        .start();
    let alive = Sink::start();
    let postern = Setup::new()
        .next_hop(dead)
        .next_hop(busy.hop())
        .next_hop(cutting.hop())
        .next_hop(alive.hop())
        .start();
    let sent = text::message("fallback", "fallback@sender.test");
    let reply = client::send(postern.inbound(), "a@sender.test", &["b@example.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
    assert!(text::is_unchanged_below(&alive.wait(1)[0].content, &sent));
    postern.wait_until_empty();
    alive.stays_at(1);
}

#[test]
fn the_first_hop_is_preferred_and_its_5xx_is_final() {
    let first = Sink::options()
        .script(|_, moment| match moment {
            Moment::Rcpt(path) if path.contains("gone@") => Act::Say("550 5.1.1 no such user"),
            _ => Act::Proceed,
        })
        .start();
    let second = Sink::start();
    let senders = Sink::start();
    let postern =
        Setup::new().next_hop(first.hop()).next_hop(second.hop()).smart_host(senders.hop()).start();
    let sent = text::message("first", "first@sender.test");
    for path in ["bob@example.test", "gone@example.test"] {
        let reply = client::send(postern.inbound(), "a@sender.test", &[path], &sent);
        assert_eq!(reply.code, 250, "{reply}");
    }
    first.wait(1);
    senders.wait(1);
    postern.wait_until_empty();
    second.stays_at(0);
}
