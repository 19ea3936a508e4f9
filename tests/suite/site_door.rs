//! The door of the administrator's site, with the real program over TLS: requests that are for
//! nothing, answers before the end of a body, guessing of passwords, connections that say nothing.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use postern::admin::people::Role;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use serde_json::json;

use super::harness::browser::{PASSWORD, people, raw};
use super::harness::{Browser, Postern, Setup, free_port, tls};

/// A box with an owner `olive`, and `eve`, who may not do much.
fn start() -> (Postern, SocketAddr) {
    let site = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let setup = Setup::new().set("admin", format!("address = \"{site}\""));
    people(&setup.dir().join("data"), &[("eve", Role::Policy, &[])]);
    let mut postern = setup.start();
    postern.wait_for_listener(site);
    (postern, site)
}

#[test]
fn requests_for_nothing_of_this_site_are_refused() {
    let (postern, site) = start();
    for (line, expected) in [
        ("CONNECT a:1 HTTP/1.1", &[400][..]),
        ("CONNECT b.test:443 HTTP/1.1", &[400]),
        ("CONNECT /login HTTP/1.1", &[400]),
        ("GET a:1 HTTP/1.1", &[400]),
        ("OPTIONS * HTTP/1.1", &[401, 405, 303]),
        ("GET * HTTP/1.1", &[303, 400, 404]),
        ("GET http://elsewhere.test HTTP/1.1", &[303]),
        ("GET http://elsewhere.test/login?next=1 HTTP/1.1", &[200]),
        ("GET /health HTTP/1.1", &[200]),
    ] {
        let request = format!("{line}\r\nHost: {site}\r\nConnection: close\r\n\r\n");
        let page = raw(site, request.as_bytes());
        assert!(expected.contains(&page.status), "{line}: {} {}", page.status, page.body);
    }
    assert!(!postern.log().contains("panicked"), "{}", postern.log());
}

/// What comes back to a request that is sent whole before anything is read, and whether the
/// connection was ended as TLS has it.
fn sent_whole(site: SocketAddr, request: &[u8]) -> (String, bool) {
    let stream = TcpStream::connect(site).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let name = ServerName::try_from("mx.example.test").unwrap();
    let session = ClientConnection::new(tls::client_config(), name).unwrap();
    let mut stream = StreamOwned::new(session, stream);
    stream.write_all(request).unwrap();
    stream.flush().unwrap();
    let (mut answer, mut piece) = (Vec::new(), [0; 4_096]);
    let is_ended = loop {
        match stream.read(&mut piece) {
            Ok(0) => break true,
            Ok(octets) => answer.extend_from_slice(&piece[..octets]),
            Err(_) => break false,
        }
    };
    (String::from_utf8_lossy(&answer).into_owned(), is_ended)
}

#[test]
fn an_answer_before_the_end_of_a_body_can_be_read() {
    let (_postern, site) = start();
    let mut eve = Browser::known(site, "eve");
    let issued = json!({ "label": "k", "rights": ["see-mail"] }).to_string();
    eve.headers = vec![("X-CSRF-Token".into(), eve.mark.clone())];
    let issued = eve.ask("POST", "/api/account/keys", "application/json", issued.as_bytes());
    let issued: serde_json::Value = serde_json::from_str(&issued.body).unwrap();
    let key = format!("Authorization: Bearer {}\r\n", issued["secret"].as_str().unwrap());
    let cookie = format!(
        "Cookie: __Host-postern={}\r\nX-CSRF-Token: {}\r\nOrigin: https://{site}\r\n",
        eve.cookies["__Host-postern"], eve.mark
    );
    const OCTETS: usize = 2 << 20;
    for (path, headers, status) in [
        ("/api/senders", "", 401),
        ("/api/senders", key.as_str(), 403),
        ("/api/nothing", key.as_str(), 404),
        ("/theme", cookie.as_str(), 413),
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {site}\r\n{headers}Content-Type: application/json\r\n\
             Content-Length: {OCTETS}\r\n\r\n"
        );
        let begun = Instant::now();
        let (answer, is_ended) =
            sent_whole(site, &[head.into_bytes(), vec![b'a'; OCTETS]].concat());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
        assert!(is_ended, "{path}: cut off");
        assert!(begun.elapsed() < Duration::from_secs(4), "{path}: {:?}", begun.elapsed());
    }
}

fn try_in(site: SocketAddr, from: Ipv4Addr, name: &str, password: &str) -> u16 {
    let mut browser = Browser::new(site);
    browser.own = Some(from);
    browser.post("/login", &[("name", name), ("password", password), ("code", "")]).status
}

const HOME: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

#[test]
fn many_guesses_at_once_are_heard_as_few_one_after_the_other() {
    let (_postern, site) = start();
    let guesses: Vec<u16> = std::thread::scope(|scope| {
        let guess = || scope.spawn(|| try_in(site, Ipv4Addr::new(127, 0, 1, 1), "olive", "wrong"));
        let guesses: Vec<_> = (0..36).map(|_| guess()).collect();
        guesses.into_iter().map(|guess| guess.join().unwrap()).collect()
    });
    let heard = guesses.iter().filter(|status| **status == 401).count();
    assert_eq!((heard, guesses.iter().filter(|status| **status == 429).count()), (5, 31));
    assert_eq!(try_in(site, HOME, "olive", PASSWORD), 303, "who is elsewhere is not kept out");
}

#[test]
fn logging_in_as_oneself_is_no_way_to_guess_on() {
    let (_postern, site) = start();
    let from = Ipv4Addr::new(127, 0, 1, 2);
    let mut heard = 0;
    for victim in 0..20 {
        heard += usize::from(try_in(site, from, &format!("victim{victim}"), "wrong") == 401);
        if victim % 4 == 3 {
            try_in(site, from, "eve", PASSWORD);
        }
    }
    assert_eq!(heard, 5);
}

#[test]
fn strangers_keep_nobody_out_and_another_password_opens_at_once() {
    let (postern, site) = start();
    for stranger in 1..=10 {
        for _ in 0..3 {
            try_in(site, Ipv4Addr::new(127, 0, 2, stranger), "olive", "wrong");
        }
    }
    assert_eq!(try_in(site, HOME, "olive", PASSWORD), 303);
    let mut olive = Browser::known(site, "olive");
    let keep_out = |name: &str| {
        let tries = (0..9).map(|_| try_in(site, HOME, name, "wrong"));
        assert!(tries.filter(|status| *status == 429).count() > 2);
        assert_eq!(try_in(site, HOME, name, PASSWORD), 429);
    };
    keep_out("eve");
    let fresh = "quartz-balloon-meadow-31";
    let mark = olive.mark.clone();
    olive.headers = vec![("X-CSRF-Token".into(), mark)];
    let order = json!({ "password": fresh }).to_string();
    let given = olive.ask("POST", "/api/people/eve/password", "application/json", order.as_bytes());
    assert_eq!(given.status, 200, "{}", given.body);
    assert_eq!(try_in(site, HOME, "eve", fresh), 303, "the owner has given another password");
    keep_out("eve");
    let printed = postern.tell(&["admin", "reset", "eve"]);
    let words: Vec<&str> = printed.split_whitespace().collect();
    let opened = words.iter().any(|word| {
        word.len() > 20 && word.contains('-') && try_in(site, HOME, "eve", word) == 303
    });
    assert!(opened, "{printed}");
}

#[test]
fn connections_that_say_nothing_make_room() {
    let (_postern, site) = start();
    let mut silent = Vec::new();
    for address in 1..=14 {
        let mut browser = Browser::new(site);
        browser.own = Some(Ipv4Addr::new(127, 0, 3, address));
        silent.extend((0..44).map(|_| browser.connected()));
    }
    assert!(silent.len() > 600);
    let begun = Instant::now();
    let mut browser = Browser::new(site);
    browser.own = Some(HOME);
    for _ in 0..3 {
        assert_eq!(browser.get("/login").status, 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}
