//! Behind a load balancer: PROXY protocol v2 names the client, and only where it must.

use std::net::SocketAddr;

use super::harness::{Client, Setup, Sink, free_port, text};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A v2 header for a TCP connection over IPv4.
fn header(client: [u8; 4]) -> Vec<u8> {
    let mut octets = SIGNATURE.to_vec();
    octets.extend_from_slice(&[0x21, 0x11, 0, 12]);
    octets.extend_from_slice(&client);
    octets.extend_from_slice(&[127, 0, 0, 1]);
    octets.extend_from_slice(&[0x30, 0x39, 0, 25]);
    octets
}

/// The same over IPv6, with a TLV that nobody knows behind the addresses.
fn header_v6() -> Vec<u8> {
    let mut octets = SIGNATURE.to_vec();
    octets.extend_from_slice(&[0x21, 0x21, 0, 36 + 5]);
    octets.extend_from_slice(&[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
    octets.extend_from_slice(&[0; 16]);
    octets.extend_from_slice(&[0x30, 0x39, 0, 25]);
    octets.extend_from_slice(&[0xEA, 0, 2, 1, 2]);
    octets
}

fn start(sink: &Sink, proxies: &str) -> (super::harness::Postern, SocketAddr) {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let listen = format!(
        "[[listen]]\nrole = \"inbound\"\naddress = \"{address}\"\nproxy_networks = [{proxies}]\n"
    );
    let mut postern = Setup::new().next_hop(sink.hop()).raw(&listen).start();
    postern.wait_for_listener(address);
    (postern, address)
}

#[test]
fn the_client_is_the_one_that_the_header_names() {
    let sink = Sink::start();
    let (_postern, address) = start(&sink, "\"127.0.0.0/8\"");
    let table = [(header([192, 0, 2, 7]), "192.0.2.7"), (header_v6(), "2001:db8::7")];
    for (at, (octets, expected)) in table.iter().enumerate() {
        let mut client = Client::connect(address).unwrap();
        // The header and the first command may share a packet or be torn apart.
        for piece in octets.chunks(5) {
            client.write(piece).unwrap();
        }
        assert_eq!(client.reply().unwrap().code, 220);
        assert_eq!(client.say("EHLO client.test").code, 250);
        let sent = text::message("proxied", "proxy@sender.test");
        assert_eq!(client.send("a@sender.test", &["b@example.test"], &sent).code, 250);
        let received = text::header(&sink.wait(at + 1)[at].content, "Received").unwrap();
        assert!(received.contains(expected), "{received}");
    }
}

#[test]
fn broken_and_missing_headers_are_refused() {
    let sink = Sink::start();
    let (_postern, address) = start(&sink, "\"127.0.0.0/8\"");
    let mut wrong_version = header([192, 0, 2, 7]);
    wrong_version[12] = 0x31;
    let mut too_short = header([192, 0, 2, 7]);
    too_short[15] = 3;
    let table: [(&str, Vec<u8>); 4] = [
        ("none", b"EHLO client.test\r\nMAIL FROM:<a@sender.test>\r\n".to_vec()),
        ("version", wrong_version),
        ("length", too_short),
        ("v1", b"PROXY TCP4 192.0.2.7 127.0.0.1 12345 25\r\n".to_vec()),
    ];
    for (name, octets) in table {
        let mut client = Client::connect(address).unwrap();
        client.write(&octets).unwrap();
        if let Ok(reply) = client.reply() {
            assert!([4, 5].contains(&(reply.code / 100)), "{name}: {reply}");
        }
        assert!(client.is_closed_by_peer(), "{name}");
    }
    sink.stays_at(0);
}

#[test]
fn who_is_no_proxy_is_refused() {
    let sink = Sink::start();
    let (_postern, address) = start(&sink, "\"10.0.0.0/8\"");
    let mut client = Client::connect(address).unwrap();
    let _ = client.write(&header([192, 0, 2, 7]));
    if let Ok(reply) = client.reply() {
        assert!([4, 5].contains(&(reply.code / 100)), "{reply}");
    }
    assert!(client.is_closed_by_peer());
}

#[test]
fn a_local_command_keeps_the_connection_alive() {
    let sink = Sink::start();
    let (_postern, address) = start(&sink, "\"127.0.0.0/8\"");
    let mut octets = SIGNATURE.to_vec();
    // LOCAL: the balancer's own health check; the address is the socket's.
    octets.extend_from_slice(&[0x20, 0x00, 0, 0]);
    let mut client = Client::connect(address).unwrap();
    client.write(&octets).unwrap();
    assert_eq!(client.reply().unwrap().code, 220);
    assert_eq!(client.say("QUIT").code, 221);
}
