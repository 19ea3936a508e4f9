//! Senders are authenticated against a real name server (nsd): what the checks bring stands in
//! Authentication-Results of what is delivered, what a domain asks for is done, and a name
//! server that is gone costs no mail.

use base64::Engine;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::DkimSigner;

use super::harness::{Client, Nsd, Postern, Setup, Sink, text};

/// `KEY` stands for the public key of a signer.
const ZONE: &str = "$ORIGIN test.
$TTL 60
@ IN SOA ns.test. root.test. 1 60 60 60 60
@ IN NS ns.test.
ns IN A 127.0.0.1
good IN TXT \"v=spf1 ip4:127.0.0.0/8 -all\"
_dmarc.good IN TXT \"v=DMARC1; p=reject\"
s._domainkey.good IN TXT \"v=DKIM1; k=ed25519; p=KEY\"
bank IN TXT \"v=spf1 -all\"
_dmarc.bank IN TXT \"v=DMARC1; \" \"p=reject\"
soft IN TXT \"v=spf1 ~all\"
_dmarc.soft IN TXT \"v=DMARC1; p=quarantine\"
plain IN MX 10 mx.plain
loop IN TXT \"v=spf1 include:loop.test -all\"
";

struct World {
    _nsd: Nsd,
    postern: Postern,
    sink: Sink,
    key: Vec<u8>,
}

fn world() -> Option<World> {
    let key = Ed25519Key::generate_pkcs8().unwrap();
    let public = signing(&key).public_key();
    let public = base64::engine::general_purpose::STANDARD.encode(public);
    let nsd = Nsd::start(&[("test", &ZONE.replace("KEY", &public))])?;
    let sink = Sink::start();
    let postern = Setup::new()
        .next_hop(sink.hop())
        .set("dns", format!("servers = [\"127.0.0.1:{}\"]", nsd.port))
        .set("authentication", "enabled = true")
        .start();
    Some(World { _nsd: nsd, postern, sink, key })
}

fn signing(pkcs8: &[u8]) -> Ed25519Key {
    Ed25519Key::from_pkcs8_maybe_unchecked_der(pkcs8).unwrap()
}

fn signed(key: &[u8], domain: &str, message: &str) -> String {
    let signer = DkimSigner::from_key(signing(key)).domain(domain).selector("s");
    let signer = signer.headers(["From", "To", "Subject", "Date"]);
    format!("{}{message}", signer.sign(message.as_bytes()).unwrap().to_header())
}

fn mail(author: &str, body: &str) -> String {
    format!(
        "From: Ann <{author}>\r\nTo: bob@example.test\r\nSubject: hello\r\n\
         Date: Mon, 2 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{}@{author}>\r\n\r\n{body}\r\n",
        body.len()
    )
}

fn results(mail: &[u8]) -> String {
    text::header(mail, "Authentication-Results").unwrap_or_default()
}

fn send(postern: &Postern, reverse_path: &str, message: &str) -> (u16, String) {
    let mut client = Client::greeted(postern.inbound());
    let reply = client.send(reverse_path, &["bob@example.test"], message.as_bytes());
    (reply.code, reply.to_string())
}

#[test]
fn results_stand_in_what_is_delivered() {
    let Some(world) = world() else { return };
    let forged = "Authentication-Results: mx.example.test; dmarc=pass header.from=bank.test\r\n\
                  AUTHENTICATION-RESULTS : (x) \"MX.example.test\" 1;\r\n\tdkim=pass\r\n\
                  Authentication-Results: other.test; spf=pass\r\n";
    let large = "a line of text\r\n".repeat(60_000);
    let table = [
        (
            "ann@good.test",
            signed(&world.key, "good.test", &mail("ann@good.test", "hello")),
            vec![
                "spf=pass smtp.mailfrom=ann@good.test",
                "dkim=pass header.d=good.test header.s=s",
                "dmarc=pass header.from=good.test policy.dmarc=reject",
            ],
        ),
        (
            "ann@plain.test",
            signed(&world.key, "good.test", &mail("ann@news.good.test", &large)),
            vec![
                "spf=none smtp.mailfrom=ann@plain.test",
                "dkim=pass",
                "dmarc=pass header.from=news.good.test",
            ],
        ),
        (
            "ann@loop.test",
            forged.to_owned() + &mail("ann@plain.test", "unsigned"),
            vec!["spf=permerror", "dkim=none", "dmarc=none header.from=plain.test"],
        ),
        (
            "ann@good.test",
            signed(&world.key, "good.test", &mail("ann@plain.test", "x")).replace("hello", "hallo"),
            vec!["dkim=fail (the header was changed", "dmarc=none"],
        ),
    ];
    for (at, (reverse_path, message, expected)) in table.iter().enumerate() {
        let (code, said) = send(&world.postern, reverse_path, message);
        assert_eq!(code, 250, "{said}");
        let arrived = world.sink.wait(at + 1)[at].content.clone();
        let found = results(&arrived);
        assert!(found.starts_with("mx.example.test; "), "{found}");
        for words in expected {
            assert!(found.contains(words), "{words}: {found}");
        }
        let shown = String::from_utf8_lossy(&arrived).to_lowercase();
        let fields = shown.matches("\r\nauthentication-results").count();
        let strangers = usize::from(message.contains("other.test"));
        assert_eq!(fields, 1 + strangers, "{}", &shown[..shown.len().min(2_000)]);
        assert!(!shown.contains("header.from=bank.test"), "what was forged is gone");
    }
}

#[test]
fn what_a_domain_asks_for_is_done() {
    let Some(world) = world() else { return };
    let (code, said) = send(&world.postern, "ann@plain.test", &mail("ann@bank.test", "pay"));
    assert_eq!(code, 550, "{said}");
    assert!(
        said.contains("5.7.26") && said.contains("bank.test") && said.contains("reference"),
        "{said}"
    );
    let (code, said) = send(&world.postern, "ann@plain.test", &mail("ann@soft.test", "pay"));
    assert_eq!(code, 250, "{said}");
    world.sink.stays_at(0);
    // Mail of one's own is nobody else's to authenticate.
    let mut client = Client::greeted(world.postern.outbound());
    let own = mail("ann@bank.test", "own");
    let reply = client.send("ann@bank.test", &["bob@example.test"], own.as_bytes());
    assert_eq!(reply.code, 250, "{reply}");
    let arrived = world.sink.wait(1);
    assert_eq!(results(&arrived[0].content), "");
}

#[test]
fn a_dead_name_server_costs_no_mail() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).set("authentication", "enabled = true").start();
    let (code, said) = send(&postern, "ann@bank.test", &mail("ann@bank.test", "hello"));
    assert_eq!(code, 250, "{said}");
    let found = results(&sink.wait(1)[0].content);
    assert!(found.contains("spf=temperror") && found.contains("dmarc=temperror"), "{found}");
    drop(postern);
    let postern = Setup::new()
        .next_hop(sink.hop())
        .set("authentication", "enabled = true")
        .set("authentication", "on_temperror = \"defer\"")
        .start();
    let (code, said) = send(&postern, "ann@bank.test", &mail("ann@bank.test", "hello"));
    assert_eq!(code, 451, "{said}");
    sink.stays_at(1);
}
