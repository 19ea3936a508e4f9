//! What senders are told (RFC 3461, RFC 3464), and whom nobody tells anything.

use super::harness::{Act, Arrived, Client, Moment, Setup, Sink, client, text, wait_for};

/// A box whose protected domain refuses some recipients, and the sender's own server.
fn box_with(next: &Sink, senders: &Sink) -> super::harness::Postern {
    Setup::new().next_hop(next.hop()).smart_host(senders.hop()).start()
}

fn refusing() -> Sink {
    Sink::options()
        .script(|_, moment| match moment {
            Moment::Rcpt(path) if path.contains("gone@") => Act::Say("550 5.1.1 no such user"),
            _ => Act::Proceed,
        })
        .start()
}

fn text_of(mail: &Arrived) -> String {
    String::from_utf8_lossy(&mail.content).into_owned()
}

#[test]
fn a_refused_recipient_is_reported_to_the_sender() {
    let (next, senders) = (refusing(), Sink::start());
    let postern = box_with(&next, &senders);
    let sent = text::message("to somebody gone", "report-1@sender.test");
    let paths = ["gone@example.test", "bob@example.test"];
    let reply = client::send(postern.inbound(), "ann@sender.test", &paths, &sent);
    assert_eq!(reply.code, 250, "{reply}");
    let report = wait_for("the report", || senders.mails().into_iter().next());
    assert_eq!(report.reverse_path, "", "RFC 3464 section 2: a null reverse-path");
    assert_eq!(report.recipients(), ["ann@sender.test"]);
    let shown = text_of(&report);
    for part in [
        "multipart/report",
        "delivery-status",
        "Reporting-MTA: dns; mx.example.test",
        "Action: failed",
        "Status: 5.1.1",
        "gone@example.test",
        "550 5.1.1 no such user",
        "report-1@sender.test",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert!(!shown.contains("Final-Recipient: rfc822; bob@example.test"), "{shown}");
    assert_eq!(next.wait(1)[0].recipients(), ["bob@example.test"]);
    senders.stays_at(1);
}

#[test]
fn notify_is_honoured() {
    // NOTIFY, recipient, whether a report is due, which action.
    let table = [
        ("NOTIFY=SUCCESS", "bob", Some("Action: relayed")),
        ("NOTIFY=SUCCESS,FAILURE", "gone", Some("Action: failed")),
        ("NOTIFY=NEVER", "gone", None),
        ("NOTIFY=SUCCESS", "gone", None),
        ("NOTIFY=FAILURE", "bob", None),
        ("NOTIFY=FAILURE", "gone", Some("Action: failed")),
    ];
    for (notify, who, expected) in table {
        // This next hop knows nothing of DSN, so a success is ours to report.
        let next = Sink::options()
            .extensions(&["PIPELINING", "8BITMIME"])
            .script(|_, moment| match moment {
                Moment::Rcpt(path) if path.contains("gone@") => Act::Say("550 5.1.1 no such user"),
                _ => Act::Proceed,
            })
            .start();
        let senders = Sink::start();
        let postern = box_with(&next, &senders);
        let mut client = Client::greeted(postern.inbound());
        let mail = client.say("MAIL FROM:<ann@sender.test> RET=HDRS ENVID=QQ+2B314");
        assert_eq!(mail.code, 250, "{mail}");
        let path = format!("RCPT TO:<{who}@example.test> {notify} ORCPT=rfc822;alias@example.test");
        let taken = client.say(&path);
        assert_eq!(taken.code, 250, "{taken}");
        assert_eq!(client.say("DATA").code, 354);
        client.write(&text::on_the_wire(&text::message("dsn", "dsn@sender.test"))).unwrap();
        assert_eq!(client.reply().unwrap().code, 250);
        let Some(action) = expected else {
            postern.wait_until_empty();
            senders.stays_at(0);
            continue;
        };
        let report = wait_for(notify, || senders.mails().into_iter().next());
        let shown = text_of(&report);
        assert!(shown.contains(action), "{notify} {who}: {shown}");
        assert!(shown.contains("Original-Envelope-Id: QQ+314"), "{shown}");
        assert!(shown.contains("Original-Recipient: rfc822;alias@example.test"), "{shown}");
        assert!(!shown.contains("The minutes of our meeting"), "RET=HDRS: {shown}");
    }
}

#[test]
fn a_next_hop_that_knows_dsn_is_left_to_report() {
    let (next, senders) = (Sink::start(), Sink::start());
    let postern = box_with(&next, &senders);
    let mut client = Client::greeted(postern.inbound());
    assert_eq!(client.say("MAIL FROM:<ann@sender.test> RET=FULL ENVID=abc").code, 250);
    let path = "RCPT TO:<bob@example.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;bob@example.test";
    assert_eq!(client.say(path).code, 250);
    assert_eq!(client.say("DATA").code, 354);
    client.write(&text::on_the_wire(&text::message("dsn", "dsn-2@sender.test"))).unwrap();
    assert_eq!(client.reply().unwrap().code, 250);
    let mail = &next.wait(1)[0];
    // RFC 3461 section 5.2.2: what was asked is passed on.
    assert!(mail.mail_parameters.contains("RET=FULL"), "{mail:?}");
    assert!(mail.mail_parameters.contains("ENVID=abc"), "{mail:?}");
    let parameters = &mail.forward_paths[0].1;
    assert!(parameters.contains("NOTIFY=") && parameters.contains("SUCCESS"), "{parameters}");
    assert!(parameters.contains("ORCPT=rfc822;bob@example.test"), "{parameters}");
    postern.wait_until_empty();
    senders.stays_at(0);
}

#[test]
fn nobody_answers_a_null_reverse_path() {
    let (next, senders) = (refusing(), Sink::start());
    let postern = box_with(&next, &senders);
    for number in 0..5 {
        let sent = text::message("a bounce", &format!("null-{number}@sender.test"));
        let reply = client::send(postern.inbound(), "", &["gone@example.test"], &sent);
        assert_eq!(reply.code, 250, "{reply}");
    }
    postern.wait_until_empty();
    senders.stays_at(0);
}

#[test]
fn a_report_that_cannot_be_delivered_goes_to_postmaster() {
    // The sender's server wants no reports at all.
    let senders = Sink::options()
        .script(|_, moment| match moment {
            Moment::Rcpt(_) => Act::Say("550 5.7.1 not here"),
            _ => Act::Proceed,
        })
        .start();
    let next = refusing();
    let postern = box_with(&next, &senders);
    let sent = text::message("to somebody gone", "double@sender.test");
    let reply = client::send(postern.inbound(), "ann@sender.test", &["gone@example.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
    let double = next.wait(1);
    assert_eq!(double[0].recipients(), ["postmaster@example.test"]);
    assert_eq!(double[0].reverse_path, "");
    postern.wait_until_empty();
    next.stays_at(1);
}

#[test]
fn a_late_mail_is_announced_once_and_returned_in_the_end() {
    let next = Sink::options()
        .script(|_, moment| match moment {
            Moment::Rcpt(_) => Act::Say("450 4.2.0 later"),
            _ => Act::Proceed,
        })
        .start();
    let senders = Sink::start();
    let postern = Setup::new()
        .next_hop(next.hop())
        .smart_host(senders.hop())
        .set("delivery", "warn_after_s = 2")
        .set("delivery", "expire_after_s = 8")
        .start();
    let sent = text::message("late", "late@sender.test");
    let reply = client::send(postern.inbound(), "ann@sender.test", &["bob@example.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
    let reports = senders.wait(2);
    assert!(text_of(&reports[0]).contains("Action: delayed"), "{}", text_of(&reports[0]));
    assert!(text_of(&reports[1]).contains("Action: failed"), "{}", text_of(&reports[1]));
    postern.wait_until_empty();
    senders.stays_at(2);
    next.stays_at(0);
}
