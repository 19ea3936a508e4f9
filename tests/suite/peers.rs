//! The peers themselves: what the other scenarios rely on holds without Postern.

use std::io::{Read, Write};

use super::harness::clamd::{Clamd, eicar};
use super::harness::postfix::Postfix;
use super::harness::{Client, Sink, client, text};

#[test]
fn client_and_sink_pass_a_message_unchanged() {
    let sink = Sink::options().tls().start();
    let sent = text::message("Hello", "1@peers.test");
    let mut client = Client::greeted(sink.address);
    assert!(client.starttls().offers("PIPELINING"));
    let reply = client.send("ann@sender.test", &["bob@example.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
    let mails = sink.wait(1);
    assert_eq!(mails[0].content, sent);
    assert_eq!(mails[0].reverse_path, "ann@sender.test");
    assert_eq!(mails[0].recipients(), ["bob@example.test"]);
    assert!(mails[0].tls && !mails[0].bare_line_end);
}

#[test]
fn postfix_takes_relays_and_stores() {
    let sink = Sink::start();
    let relay = format!("relayhost = [127.0.0.1]:{}", sink.address.port());
    let Some(postfix) = Postfix::start(&[&relay]) else { return };
    let address = format!("127.0.0.1:{}", postfix.port).parse().unwrap();
    let sent = text::message("Hello", "2@peers.test");
    let reply = client::send(address, "ann@sender.test", &["bob@elsewhere.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
    assert!(text::is_unchanged_below(&sink.wait(1)[0].content, &sent));
    let reply = client::send(address, "ann@sender.test", &["bob@example.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
    let stored = postfix.wait(1);
    assert_eq!(text::header(&stored[0], "Subject"), None, "Maildir has plain line feeds");
    assert!(text::find(&stored[0], b"\n..And one with two.\n").is_some());
}

#[test]
fn clamd_knows_the_test_file_and_nothing_else() {
    let Some(clamd) = Clamd::start() else { return };
    for (content, expected) in [(eicar(), "Postern.Test.Eicar"), ("harmless".into(), "OK")] {
        let mut stream = std::os::unix::net::UnixStream::connect(clamd.socket()).unwrap();
        let mut wire = b"zINSTREAM\0".to_vec();
        wire.extend_from_slice(&(content.len() as u32).to_be_bytes());
        wire.extend_from_slice(content.as_bytes());
        wire.extend_from_slice(&[0; 4]);
        stream.write_all(&wire).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(expected), "{answer}");
    }
}

#[test]
fn a_proof_finds_the_slightest_damage() {
    let mut random = super::harness::random::Random::new(1);
    let sent = text::proven("77", &mut random, 2_000);
    assert_eq!(text::check_proven(&sent).as_deref(), Ok("77"));
    for at in [sent.len() / 2, sent.len() - 3] {
        let mut damaged = sent.clone();
        damaged[at] ^= 1;
        assert!(text::check_proven(&damaged).is_err());
        assert!(text::check_proven(&sent[..at]).is_err());
    }
}
