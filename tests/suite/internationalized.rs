//! SMTPUTF8 (RFC 6531): addresses in any script to a server that knows them, and an honest
//! refusal where the next hop does not.

use super::harness::postfix::Postfix;
use super::harness::{Client, Setup, Sink, text, wait_for};

const SENT: &str = "From: Иван <иван@sender.test>\r\nTo: 用户@example.test\r\n\
    Subject: Grüße, привет\r\nMessage-ID: <utf8@sender.test>\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\r\nТекст\r\n";

fn send(address: std::net::SocketAddr) -> u16 {
    let mut client = Client::greeted(address);
    let mail = client.say("MAIL FROM:<иван@sender.test> SMTPUTF8 BODY=8BITMIME");
    assert_eq!(mail.code, 250, "{mail}");
    let taken = client.say("RCPT TO:<用户@example.test>");
    assert_eq!(taken.code, 250, "{taken}");
    assert_eq!(client.say("DATA").code, 354);
    client.write(&text::on_the_wire(SENT.as_bytes())).unwrap();
    client.reply().unwrap().code
}

#[test]
fn addresses_in_any_script_reach_postfix() {
    let Some(postfix) = Postfix::start(&["smtputf8_enable = yes"]) else { return };
    let postern = Setup::new().next_hop(postfix.hop()).start();
    assert_eq!(send(postern.inbound()), 250);
    let stored = String::from_utf8_lossy(&postfix.wait(1)[0]).into_owned();
    assert!(stored.contains("Return-Path: <иван@sender.test>"), "{stored}");
    assert!(stored.contains("Delivered-To: 用户@example.test"), "{stored}");
    assert!(stored.contains("Текст"), "{stored}");
}

#[test]
fn a_sink_sees_the_parameter() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    assert_eq!(send(postern.inbound()), 250);
    let mail = &sink.wait(1)[0];
    assert!(mail.mail_parameters.to_ascii_uppercase().contains("SMTPUTF8"), "{mail:?}");
    assert_eq!(mail.reverse_path, "иван@sender.test");
}

#[test]
fn without_smtputf8_at_the_next_hop_the_mail_is_returned() {
    let sink = Sink::options().extensions(&["PIPELINING", "8BITMIME"]).start();
    let back = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).smart_host(back.hop()).start();
    assert_eq!(send(postern.inbound()), 250);
    // RFC 6531 section 3.2: neither downgraded silently nor tried for ever.
    let report = wait_for("the report", || back.mails().into_iter().next());
    assert_eq!(report.reverse_path, "");
    assert_eq!(report.recipients(), ["иван@sender.test"]);
    sink.stays_at(0);
}

#[test]
fn without_the_parameter_eight_bits_in_addresses_are_refused() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    let mut client = Client::greeted(postern.inbound());
    let mail = client.say("MAIL FROM:<иван@sender.test>");
    assert_eq!(mail.code / 100, 5, "{mail}");
    assert_eq!(client.say("MAIL FROM:<a@sender.test>").code, 250);
    let taken = client.say("RCPT TO:<用户@example.test>");
    assert_eq!(taken.code / 100, 5, "{taken}");
}
