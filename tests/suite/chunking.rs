//! CHUNKING (RFC 3030): BDAT carries a message in pieces of any size, and is held to the same
//! rules as DATA.

use super::harness::{Client, Setup, Sink, random::Random, text};

fn begin(client: &mut Client) {
    assert_eq!(client.say("MAIL FROM:<a@sender.test>").code, 250);
    assert_eq!(client.say("RCPT TO:<b@example.test>").code, 250);
}

fn chunk(client: &mut Client, octets: &[u8], last: &str) -> u16 {
    let mut wire = format!("BDAT {}{last}\r\n", octets.len()).into_bytes();
    wire.extend_from_slice(octets);
    client.write(&wire).unwrap();
    client.reply().unwrap().code
}

#[test]
fn chunks_of_any_size_make_the_same_message() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    let mut random = Random::new(30);
    let sent = text::proven("bdat", &mut random, 5_000);
    for (at, size) in [1usize, 7, 100, 4_096, 1_000_000].into_iter().enumerate() {
        let mut client = Client::greeted(postern.inbound());
        begin(&mut client);
        let count = sent.chunks(size).count();
        for (number, octets) in sent.chunks(size).enumerate() {
            // Chunks of one octet each would take long for nothing: the first hundred do.
            let rest = &sent[100..];
            if size == 1 && number == 100 {
                assert_eq!(chunk(&mut client, rest, " LAST"), 250);
                break;
            }
            let last = if number + 1 == count { " LAST" } else { "" };
            assert_eq!(chunk(&mut client, octets, last), 250, "size {size}");
        }
        let mails = sink.wait(at + 1);
        assert!(text::is_unchanged_below(&mails[at].content, &sent), "size {size}");
    }
}

#[test]
fn an_empty_last_chunk_ends_a_message_and_pipelining_works() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    let sent = text::message("pipelined", "bdat-2@sender.test");
    let mut client = Client::greeted(postern.inbound());
    let mut wire = b"MAIL FROM:<a@sender.test>\r\nRCPT TO:<b@example.test>\r\n".to_vec();
    wire.extend_from_slice(format!("BDAT {}\r\n", sent.len()).as_bytes());
    wire.extend_from_slice(&sent);
    wire.extend_from_slice(b"BDAT 0 LAST\r\nQUIT\r\n");
    client.write(&wire).unwrap();
    for code in [250, 250, 250, 250, 221] {
        let reply = client.reply().unwrap();
        assert_eq!(reply.code, code, "{reply}");
    }
    assert!(text::is_unchanged_below(&sink.wait(1)[0].content, &sent));
}

#[test]
fn a_lonely_dot_in_a_chunk_is_a_dot() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    let sent = b"Subject: dot\r\n\r\none\r\n.\r\ntwo\r\n..three\r\n".to_vec();
    let mut client = Client::greeted(postern.inbound());
    begin(&mut client);
    assert_eq!(chunk(&mut client, &sent, " LAST"), 250);
    // Relayed by DATA it has to be stuffed on the way.
    assert!(text::is_unchanged_below(&sink.wait(1)[0].content, &sent));
}

#[test]
fn wrong_chunks_are_refused_and_their_octets_never_become_commands() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    // RFC 3030 section 2: DATA after BDAT is out of order.
    let mut client = Client::greeted(postern.inbound());
    begin(&mut client);
    assert_eq!(chunk(&mut client, b"Subject: x\r\n\r\n", ""), 250);
    assert_eq!(client.say("DATA").code, 503);
    // BDAT without recipients: the octets are read all the same.
    let mut client = Client::greeted(postern.inbound());
    let octets = b"QUIT\r\nQUIT\r\nQUIT\r\n";
    let code = chunk(&mut client, octets, " LAST");
    assert!([503, 554].contains(&code), "{code}");
    assert_eq!(client.say("NOOP").code, 250);
    // Wrong sizes.
    for wrong in ["BDAT", "BDAT x", "BDAT -1", "BDAT 99999999999999999999", "BDAT 5 FIRST"] {
        let mut client = Client::greeted(postern.inbound());
        begin(&mut client);
        let reply = client.say(wrong);
        assert_eq!(reply.code / 100, 5, "{wrong}: {reply}");
    }
    // Bare line ends are refused in chunks as in DATA: relayed they would smuggle.
    let mut client = Client::greeted(postern.inbound());
    begin(&mut client);
    let code = chunk(&mut client, b"Subject: x\r\n\r\na\n.\nb\r\n", " LAST");
    assert_eq!(code / 100, 5);
    sink.stays_at(0);
}
