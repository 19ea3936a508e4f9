//! Real Postfix on both sides: it sends through the box and receives from it.

use super::harness::postfix::Postfix;
use super::harness::random::Random;
use super::harness::{Setup, Sink, client, program, skip, text};

#[test]
fn postfix_sends_through_the_box_to_postfix() {
    let Some(next) = Postfix::start(&[]) else { return };
    let elsewhere = Sink::start();
    let postern = Setup::new().next_hop(next.hop()).smart_host(elsewhere.hop()).start();
    let relay = format!("relayhost = [127.0.0.1]:{}", postern.outbound().port());
    let Some(own) = Postfix::start(&[&relay, "virtual_mailbox_domains ="]) else { return };
    let own_address = format!("127.0.0.1:{}", own.port).parse().unwrap();
    let mut random = Random::new(25);
    for number in 0..20 {
        let sent = text::proven(&format!("out{number}"), &mut random, 3_000 + number * 1_000);
        let reply = client::send(own_address, "ann@example.test", &["v@elsewhere.test"], &sent);
        assert_eq!(reply.code, 250, "{reply}");
    }
    for mail in elsewhere.wait(20) {
        text::check_proven(&mail.content).unwrap();
        assert!(mail.tls || !mail.bare_line_end);
    }
    let sent = text::message("in", "in@sender.test");
    let reply = client::send(own_address, "ann@sender.test", &["b@example.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
    next.wait(1);
    postern.wait_until_empty();
    elsewhere.stays_at(20);
}

#[test]
fn two_hundred_mails_reach_postfix_once_each() {
    let Some(source) = program("smtp-source") else {
        return skip("smtp-source is not installed");
    };
    let Some(postfix) = Postfix::start(&[]) else { return };
    let postern = Setup::new().next_hop(postfix.hop()).start();
    let output = std::process::Command::new(source)
        .args(["-s", "5", "-m", "200", "-l", "3000", "-N"])
        .args(["-f", "ann@sender.test", "-t", "bob@example.test"])
        .arg(postern.inbound().to_string())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    postfix.wait(200);
    postern.wait_until_empty();
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert_eq!(postfix.mails().len(), 200);
}

#[test]
fn postfix_refusing_a_recipient_makes_a_report() {
    let Some(postfix) = Postfix::start(&["smtpd_recipient_restrictions = reject"]) else { return };
    let senders = Sink::start();
    let postern = Setup::new().next_hop(postfix.hop()).smart_host(senders.hop()).start();
    let sent = text::message("refused", "refused@sender.test");
    let reply = client::send(postern.inbound(), "ann@sender.test", &["b@example.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
    let report = String::from_utf8_lossy(&senders.wait(1)[0].content).into_owned();
    assert!(report.contains("Action: failed") && report.contains("554 5.7.1"), "{report}");
}
