//! End of data is CRLF.CRLF and nothing else: whatever ending an attacker tries, no second
//! message comes out at a real server behind the box.

use super::harness::postfix::Postfix;
use super::harness::{Client, Setup, Sink, client, text, wait_for};

/// Sequences that one server or another has taken for the end of data.
const ENDINGS: &[&[u8]] = &[
    b"\n.\n",
    b"\r.\r",
    b"\r\n.\n",
    b"\n.\r\n",
    b"\r\n.\r",
    b"\r.\r\n",
    b"\r.\n",
    b"\n.\r",
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
    b"\0\r\n.\n",
    b"\r\r\n.\r\r\n",
    b"\r\r\n.\r\n",
    b"\r\n.\r\r\n",
    b"\n\r\n.\n\r\n",
    b"\n\n.\r\n",
    b"\r\n.\r\0\n",
    b"\r\n. \r\n",
    b"\r\n.\t\r\n",
    b"\r\n..\r\n",
    b"\x0b.\x0b",
    b"\x85.\x85",
    b"\xe2\x80\xa8.\xe2\x80\xa8",
];

/// A message, an ending, and a second message dressed as commands.
fn attack(ending: &[u8], number: usize) -> Vec<u8> {
    let mut wire = format!(
        "From: <a@sender.test>\r\nMessage-ID: <first-{number}@sender.test>\r\n\
         Subject: first\r\n\r\nouter"
    )
    .into_bytes();
    wire.extend_from_slice(ending);
    wire.extend_from_slice(
        b"MAIL FROM:<admin@example.test>\r\nRCPT TO:<victim@example.test>\r\nDATA\r\n\
          From: <admin@example.test>\r\nSubject: SMUGGLED\r\nX-Smuggled: yes\r\n\r\ninner\r\n.\r\n",
    );
    wire
}

/// Sends an attack in one piece or octet by octet. True when the box accepted it as one mail.
fn try_attack(address: std::net::SocketAddr, ending: &[u8], number: usize, split: bool) -> bool {
    let mut client = Client::greeted(address);
    assert_eq!(client.say("MAIL FROM:<a@sender.test>").code, 250);
    assert_eq!(client.say("RCPT TO:<b@example.test>").code, 250);
    assert_eq!(client.say("DATA").code, 354);
    let wire = attack(ending, number);
    if split {
        for octet in &wire {
            if client.write(&[*octet]).is_err() {
                break;
            }
        }
    } else {
        let _ = client.write(&wire);
    }
    let mut accepted = 0;
    client.set_patience(std::time::Duration::from_secs(2));
    while let Ok(reply) = client.reply() {
        assert_ne!(reply.code, 354, "{ending:?}: a second DATA began");
        accepted += usize::from(reply.code == 250);
    }
    assert!(accepted <= 1, "{ending:?}: {accepted} positive replies to one mail");
    let has_bare = has_bare_line_end(ending);
    assert!(accepted == 0 || !has_bare, "{ending:?} holds a bare CR or LF and was accepted");
    accepted == 1
}

fn has_bare_line_end(octets: &[u8]) -> bool {
    octets.iter().enumerate().any(|(at, octet)| match octet {
        b'\n' => at == 0 || octets[at - 1] != b'\r',
        b'\r' => octets.get(at + 1) != Some(&b'\n'),
        _ => false,
    })
}

#[test]
fn no_ending_smuggles_a_second_mail_past_the_box() {
    let sink = Sink::start();
    let postern = Setup::new()
        .next_hop(sink.hop())
        .set("policy.inbound", "classes = { ambiguous = \"deliver\" }")
        .start();
    let mut accepted = 0;
    for (number, ending) in ENDINGS.iter().enumerate() {
        for split in [false, true] {
            accepted += usize::from(try_attack(postern.inbound(), ending, number, split));
        }
    }
    let mails = sink.wait(accepted);
    sink.stays_at(accepted);
    for mail in mails {
        assert!(!mail.bare_line_end, "{}", String::from_utf8_lossy(&mail.content));
        assert_eq!(mail.recipients(), ["b@example.test"]);
        assert_eq!(text::header(&mail.content, "Subject").as_deref(), Some("first"));
    }
}

#[test]
fn no_ending_smuggles_a_second_mail_into_postfix() {
    // A next hop as lenient as Postfix was before it learnt of the attack.
    let lenient = ["smtpd_forbid_bare_newline = no", "smtpd_forbid_unauth_pipelining = no"];
    let Some(postfix) = Postfix::start(&lenient) else { return };
    let postern = Setup::new()
        .next_hop(postfix.hop())
        .set("policy.inbound", "classes = { ambiguous = \"deliver\" }")
        .start();
    let mut accepted = 0;
    for (number, ending) in ENDINGS.iter().enumerate() {
        accepted += usize::from(try_attack(postern.inbound(), ending, number, false));
    }
    // One honest mail last: when it is there, everything before it would be, too.
    let sent = text::message("honest", "honest@sender.test");
    let reply = client::send(postern.inbound(), "a@sender.test", &["b@example.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
    postfix.wait(accepted + 1);
    postern.wait_until_empty();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let stored = postfix.mails();
    assert_eq!(stored.len(), accepted + 1, "{}", postfix.log());
    for mail in &stored {
        let at = text::find(mail, b"\n\n").unwrap_or(mail.len());
        assert!(text::find(&mail[..at], b"X-Smuggled").is_none(), "a smuggled mail arrived");
    }
}

#[test]
fn bare_line_ends_in_commands_are_refused_and_the_connection_closed() {
    let sink = Sink::start();
    let postern = Setup::new()
        .next_hop(sink.hop())
        .set("policy.inbound", "classes = { ambiguous = \"deliver\" }")
        .start();
    let table: &[&[u8]] = &[
        b"NOOP\n",
        b"NOOP\rNOOP\r\n",
        b"MAIL FROM:<a@sender.test>\nRCPT TO:<b@example.test>\r\n",
        b"MAIL FROM:<a\r@sender.test>\r\n",
        b"EHLO x\ny\r\n",
        b"\n",
    ];
    for octets in table {
        let mut client = Client::greeted(postern.inbound());
        client.write(octets).unwrap();
        let reply = client.reply().unwrap();
        let shown = String::from_utf8_lossy(octets);
        assert_eq!(reply.code / 100, 5, "{shown:?}: {reply}");
        assert!(client.is_closed_by_peer(), "{shown:?}");
    }
}

#[test]
fn pipelined_commands_behind_data_are_commands_once() {
    let sink = Sink::start();
    let postern = Setup::new()
        .next_hop(sink.hop())
        .set("policy.inbound", "classes = { ambiguous = \"deliver\" }")
        .start();
    let mut client = Client::greeted(postern.inbound());
    let mut wire = Vec::new();
    // RFC 2920 section 3.1: DATA ends a group; the text follows 354, but a client that
    // does not wait for it is understood as long as the order is right.
    wire.extend_from_slice(b"MAIL FROM:<a@sender.test>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n");
    client.write(&wire).unwrap();
    for code in [250, 250, 354] {
        assert_eq!(client.reply().unwrap().code, code);
    }
    let message = text::message("grouped", "grouped@sender.test");
    let mut wire = text::on_the_wire(&message);
    wire.extend_from_slice(
        b"MAIL FROM:<c@sender.test>\r\nRCPT TO:<d@example.test>\r\nRSET\r\nQUIT\r\n",
    );
    client.write(&wire).unwrap();
    for code in [250, 250, 250, 250, 221] {
        let reply = client.reply().unwrap();
        assert_eq!(reply.code, code, "{reply}");
    }
    wait_for("the one mail", || (sink.count() == 1).then_some(()));
    sink.stays_at(1);
}
