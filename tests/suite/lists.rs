//! The queue as the administrator sees and steers it.

use super::harness::postern::field;
use super::harness::{Act, Moment, Postern, Setup, Sink, client, text, wait_for};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A box whose next hop says 450 until told otherwise, with slow retries.
fn stuck() -> (Postern, Sink, Arc<AtomicBool>) {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let sink = Sink::options()
        .script(move |_, moment| match moment {
            Moment::Rcpt(_) if !gate.load(Ordering::Relaxed) => Act::Say("450 4.2.0 not yet"),
            _ => Act::Proceed,
        })
        .start();
    let postern = Setup::new()
        .next_hop(sink.hop())
        .smart_host(sink.hop())
        .set("delivery", "retry_first_s = 600")
        .set("delivery", "retry_max_s = 600")
        .start();
    (postern, sink, open)
}

fn send(postern: &Postern, number: usize) {
    let sent = text::message(&format!("Subject {number}"), &format!("list-{number}@sender.test"));
    let reverse_path = format!("ann{number}@sender.test");
    let reply = client::send(postern.inbound(), &reverse_path, &["bob@example.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
}

fn deferred(postern: &Postern, count: usize) -> Vec<serde_json::Value> {
    wait_for("deferred mails", || {
        let queue = postern.queue();
        let all = queue.iter().filter(|entry| field(entry, "state") == "deferred").count() == count;
        all.then_some(queue)
    })
}

fn mail_id(entry: &serde_json::Value) -> String {
    field(entry, "mail_id")
}

#[test]
fn the_list_names_what_waits_and_why() {
    let (postern, _sink, _open) = stuck();
    send(&postern, 1);
    let queue = deferred(&postern, 1);
    let entry = &queue[0];
    assert_eq!(mail_id(entry).len(), 20, "{entry}");
    assert_eq!(field(entry, "reverse_path"), "ann1@sender.test");
    assert!(entry["forward_paths"].to_string().contains("bob@example.test"), "{entry}");
    assert_eq!(field(entry, "subject"), "Subject 1");
    assert_eq!(field(entry, "message_id"), "list-1@sender.test");
    assert!(entry.to_string().contains("450 4.2.0 not yet"), "the last reason: {entry}");
    let shown = postern.tell(&["queue", "show", &mail_id(entry)]);
    assert!(shown.contains("ann1@sender.test") && shown.contains("not yet"), "{shown}");
    let plain = postern.tell(&["queue", "list"]);
    assert!(plain.contains(&mail_id(entry)), "{plain}");
}

#[test]
fn retry_hold_release_and_remove_do_what_they_say() {
    let (postern, sink, open) = stuck();
    for number in 0..4 {
        send(&postern, number);
    }
    let queue = deferred(&postern, 4);
    let ids: Vec<String> = queue.iter().map(mail_id).collect();
    postern.tell(&["queue", "hold", &ids[0]]);
    postern.tell(&["queue", "hold", &ids[1]]);
    postern.tell(&["queue", "remove", &ids[2]]);
    open.store(true, Ordering::Relaxed);
    postern.tell(&["queue", "retry", &ids[3]]);
    sink.wait(1);
    wait_for("two held mails", || {
        let queue = postern.queue();
        let held = queue.iter().all(|entry| field(entry, "state") == "hold");
        (queue.len() == 2 && held).then_some(())
    });
    postern.tell(&["queue", "release", &ids[0]]);
    sink.wait(2);
    sink.stays_at(2);
    let left: Vec<String> = postern.queue().iter().map(mail_id).collect();
    assert_eq!(left, [ids[1].clone()]);
}

#[test]
fn what_the_operator_did_survives_a_kill() {
    let (mut postern, sink, open) = stuck();
    for number in 0..3 {
        send(&postern, number);
    }
    let ids: Vec<String> = deferred(&postern, 3).iter().map(mail_id).collect();
    postern.tell(&["queue", "hold", &ids[0]]);
    postern.tell(&["queue", "remove", &ids[1]]);
    postern.kill();
    open.store(true, Ordering::Relaxed);
    postern.start_again();
    postern.tell(&["queue", "retry", &ids[2]]);
    sink.wait(1);
    sink.stays_at(1);
    let left = postern.queue();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(mail_id(&left[0]), ids[0]);
    assert_eq!(field(&left[0], "state"), "hold");
}

#[test]
fn unknown_mails_and_stopped_boxes_are_said_plainly() {
    let (mut postern, _sink, _open) = stuck();
    for verb in ["show", "retry", "hold", "release", "remove"] {
        for id in ["01ARZ3NDEKTSV4RRFFQ6", "nonsense"] {
            let output = postern.cli(&["queue", verb, id]);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success(), "{verb} {id}");
            assert!(!said.trim().is_empty(), "{verb} {id}: a reason");
        }
    }
    postern.kill();
    let output = postern.cli(&["queue", "list"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // sysexits: EX_UNAVAILABLE, EX_TEMPFAIL or EX_NOINPUT may say that nobody is there.
    assert!([66, 69, 75].contains(&output.status.code().unwrap()), "{} {said}", output.status);
    assert!(said.trim().lines().count() <= 3, "one clear line: {said}");
}
