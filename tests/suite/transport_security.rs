//! TLS on both sides: STARTTLS and implicit TLS in, opportunistic and required TLS out.

use super::harness::postfix::Postfix;
use super::harness::swaks::swaks;
use super::harness::{Client, Setup, Sink, client, text};

#[test]
fn swaks_sends_over_starttls() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    let arguments = ["--from", "a@sender.test", "--to", "b@example.test", "-tls"];
    let Some((sent_well, said)) = swaks(postern.inbound(), &arguments) else { return };
    assert!(sent_well, "{said}");
    assert!(said.contains("TLS started"), "{said}");
    let received = text::header(&sink.wait(1)[0].content, "Received").unwrap();
    // RFC 3848: ESMTPS tells that it came by TLS.
    assert!(received.contains("ESMTPS") && received.contains("TLS"), "{received}");
}

#[test]
fn after_starttls_everything_begins_anew() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    let mut client = Client::connect(postern.inbound()).unwrap();
    client.reply().unwrap();
    assert!(client.say("EHLO client.test").offers("STARTTLS"));
    assert_eq!(client.say("MAIL FROM:<early@sender.test>").code, 250);
    let greeting = client.starttls();
    assert!(!greeting.offers("STARTTLS"), "RFC 3207 section 4.2: {greeting}");
    // RFC 3207 section 4.2: what was said before is forgotten.
    assert_eq!(client.say("RCPT TO:<b@example.test>").code, 503);
    let reply = client.send("a@sender.test", &["b@example.test"], &text::message("x", "1@s.test"));
    assert_eq!(reply.code, 250, "{reply}");
    assert_eq!(sink.wait(1)[0].reverse_path, "a@sender.test");
}

#[test]
fn octets_behind_starttls_end_the_session() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    for injected in
        ["NOOP\r\n", "MAIL FROM:<evil@sender.test>\r\nRCPT TO:<b@example.test>\r\n", "X"]
    {
        let mut client = Client::greeted(postern.inbound());
        client.write(format!("STARTTLS\r\n{injected}").as_bytes()).unwrap();
        if let Ok(reply) = client.reply() {
            assert_ne!(reply.code, 250, "nothing injected may be carried out: {reply}");
        }
        assert!(client.is_closed_by_peer(), "{injected:?}");
    }
    sink.stays_at(0);
}

#[test]
fn implicit_tls_takes_mail_of_an_account_and_nothing_in_clear() {
    let sink = Sink::start();
    let setup = Setup::new().next_hop(sink.hop()).smart_host(sink.hop());
    let postern = setup.start_with_user("ann", "correct horse", &["ann@example.test"]);
    let mut client = Client::connect_tls(postern.implicit()).unwrap();
    assert_eq!(client.reply().unwrap().code, 220);
    let greeting = client.say("EHLO client.test");
    assert!(greeting.offers("AUTH") && !greeting.offers("STARTTLS"), "{greeting}");
    assert_eq!(client.say("AUTH PLAIN AGFubgBjb3JyZWN0IGhvcnNl").code, 235);
    let sent = text::message("implicit", "2@sender.test");
    let reply = client.send("ann@example.test", &["c@elsewhere.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
    sink.wait(1);
    let mut clear = Client::connect(postern.implicit()).unwrap();
    clear.write(b"EHLO client.test\r\n").unwrap();
    assert!(clear.is_closed_by_peer());
}

#[test]
fn mail_goes_out_over_tls_to_postfix() {
    let Some(postfix) = Postfix::start(&[]) else { return };
    let postern = Setup::new().next_hop(postfix.hop()).start();
    let sent = text::message("to postfix", "3@sender.test");
    let reply = client::send(postern.inbound(), "a@sender.test", &["b@example.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
    let stored = String::from_utf8_lossy(&postfix.wait(1)[0]).into_owned();
    assert!(stored.contains("using TLSv1.3"), "{stored}");
}

#[test]
fn tls_towards_the_next_hop_is_as_configured() {
    let with = || Sink::options().tls();
    let table = [
        ("opportunistic with an offer", "opportunistic", with().start(), Some(true)),
        ("opportunistic without", "opportunistic", Sink::start(), Some(false)),
        ("none with an offer", "none", with().start(), Some(false)),
        ("required with an offer", "required", with().start(), Some(true)),
        ("required without", "required", Sink::start(), None),
    ];
    for (name, setting, sink, expected) in table {
        let tls = format!("tls = \"{setting}\"");
        let postern = Setup::new().next_hop(sink.hop()).set("delivery", tls).start();
        let sent = text::message(name, "4@sender.test");
        let reply = client::send(postern.inbound(), "a@sender.test", &["b@example.test"], &sent);
        assert_eq!(reply.code, 250, "{name}: {reply}");
        match expected {
            Some(tls) => assert_eq!(sink.wait(1)[0].tls, tls, "{name}"),
            None => {
                sink.stays_at(0);
                assert_eq!(postern.queue().len(), 1, "{name}: it waits");
            }
        }
    }
}

#[test]
fn a_broken_tls_offer_does_not_strand_mail() {
    use std::io::{BufRead, BufReader, Write};
    // A server that offers STARTTLS and then talks nonsense.
    let port = super::harness::free_port();
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let sink = Sink::start();
    let behind = sink.address;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || -> std::io::Result<()> {
                let mut out = stream.try_clone()?;
                let mut lines = BufReader::new(stream);
                out.write_all(b"220 broken.test\r\n")?;
                let mut first = String::new();
                lines.read_line(&mut first)?;
                out.write_all(b"250-broken.test\r\n250 STARTTLS\r\n")?;
                let mut second = String::new();
                lines.read_line(&mut second)?;
                if second.to_ascii_uppercase().starts_with("STARTTLS") {
                    out.write_all(b"220 go\r\n")?;
                    return out.write_all(b"this is not a server hello, not at all\r\n");
                }
                // In clear: the rest goes to the real sink.
                let mut onward = std::net::TcpStream::connect(behind)?;
                let mut replies = BufReader::new(onward.try_clone()?);
                let mut banner = String::new();
                replies.read_line(&mut banner)?;
                onward.write_all(b"HELO x\r\n")?;
                let mut greeting = String::new();
                replies.read_line(&mut greeting)?;
                onward.write_all(second.as_bytes())?;
                let mut back = out.try_clone()?;
                std::thread::spawn(move || std::io::copy(&mut replies, &mut back));
                std::io::copy(&mut lines, &mut onward).map(|_| ())
            });
        }
    });
    let postern = Setup::new().next_hop(format!("smtp://127.0.0.1:{port}")).start();
    let sent = text::message("clear after all", "5@sender.test");
    let reply = client::send(postern.inbound(), "a@sender.test", &["b@example.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
    assert!(!sink.wait(1)[0].tls);
}

#[test]
fn a_given_certificate_is_served_and_read_again_on_reload() {
    let sink = Sink::start();
    let setup = Setup::new().next_hop(sink.hop());
    let write = |name: &str| {
        let (certificate, key) = super::harness::tls::self_signed(name);
        std::fs::write(setup.dir().join("mx.pem"), certificate).unwrap();
        std::fs::write(setup.dir().join("mx.key"), key).unwrap();
    };
    write("first.example.test");
    let dir = setup.dir().to_owned();
    let setup = setup.set("tls", "certificate = \"mx.pem\"").set("tls", "key = \"mx.key\"");
    let postern = setup.start();
    let subject = || subject_of(postern.inbound());
    let Some(first) = subject() else { return };
    assert!(first.contains("first.example.test"), "{first}");
    let (certificate, key) = super::harness::tls::self_signed("second.example.test");
    std::fs::write(dir.join("mx.pem"), certificate).unwrap();
    std::fs::write(dir.join("mx.key"), key).unwrap();
    postern.signal(nix::sys::signal::Signal::SIGHUP);
    super::harness::wait_for("the new certificate", || {
        subject()?.contains("second.example.test").then_some(())
    });
}

/// What openssl reads of the certificate behind STARTTLS.
fn subject_of(address: std::net::SocketAddr) -> Option<String> {
    let Some(openssl) = super::harness::program("openssl") else {
        super::harness::skip("openssl is not installed");
        return None;
    };
    let script = format!(
        "echo QUIT | '{0}' s_client -starttls smtp -connect {address} 2>/dev/null \
         | '{0}' x509 -noout -text",
        openssl.display()
    );
    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}
