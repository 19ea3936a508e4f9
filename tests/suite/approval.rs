//! Held mail and the link in the question about it: opened, answered once, or run out. The real
//! program, real sockets, TLS.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::harness::browser::exchange;
use super::harness::postern::field;
use super::harness::{Arrived, Browser, Clock, Postern, Setup, Sink, client, text, wait_for};

const BOB: &[&str] = &["bob@example.test"];
const BOSS: &str = "boss@example.test";
const ANN: &str = "ann@example.test";

const RULE: &str = r#"
[[rule]]
name = "sensitive <plans>"
when = { subject = "plan" }
orders = [{ hold = { approver = "boss@example.test", expires_hours = 2 } }]
"#;

/// A box with a site whose links lead to it.
fn setup(sink: &Sink) -> Setup {
    let setup = Setup::new().next_hop(sink.hop()).smart_host(sink.hop()).with_site();
    std::fs::write(setup.dir().join("policy.toml"), RULE).unwrap();
    let setup = setup.set("policy", "file = \"policy.toml\"");
    let address = setup.text().lines().find_map(|line| {
        let address = line.strip_prefix("address = \"")?.strip_suffix('"')?;
        setup.text().contains(&format!("[admin]\naddress = \"{address}\"")).then(|| address.into())
    });
    let address: String = address.expect("the site's address");
    setup.set("orders", format!("approval_url = \"https://{address}/\""))
}

fn started(sink: &Sink) -> Postern {
    setup(sink).start()
}

fn send(postern: &Postern, subject: &str) {
    let message = text::message(subject, &format!("{}@sent.test", subject.replace(' ', ".")));
    let reply = client::send(postern.inbound(), "eve@sender.test", BOB, &message);
    assert_eq!(reply.code, 250, "{reply}");
}

fn send_out(postern: &Postern, subject: &str) {
    let message = text::message(subject, &format!("{}@sent.test", subject.replace(' ', ".")));
    let reply = client::send(postern.outbound(), ANN, &["x@elsewhere.test"], &message);
    assert_eq!(reply.code, 250, "{reply}");
}

fn whole(mail: &Arrived) -> String {
    String::from_utf8_lossy(&mail.content).into_owned()
}

/// The text of a mail that the box wrote.
fn letter(mail: &Arrived) -> String {
    let whole = whole(mail);
    let (_, body) = whole.split_once("\r\n\r\n").unwrap();
    String::from_utf8(STANDARD.decode(body.replace("\r\n", "")).unwrap()).unwrap()
}

/// The path of the link in the question about this subject.
fn link(sink: &Sink, subject: &str) -> String {
    wait_for("the question", || {
        let mails = sink.mails();
        let asked = mails.iter().filter(|mail| mail.recipients().contains(&BOSS));
        let letters: Vec<String> = asked.map(letter).collect();
        let letter = letters.iter().find(|letter| letter.contains(subject))?;
        let line = letter.lines().find(|line| line.starts_with("https://"))?;
        let at = line.find("/approval/").unwrap();
        Some(line[at..].trim().to_owned())
    })
}

fn got(sink: &Sink, who: &str, words: &str) -> usize {
    let mails = sink.mails();
    let of = mails.iter().filter(|mail| mail.recipients().contains(&who));
    of.filter(|mail| whole(mail).contains(words)).count()
}

fn waiting(postern: &Postern) -> usize {
    postern.ask(&["approval", "list"]).len()
}

#[test]
fn a_link_is_opened_answered_once_and_then_unknown() {
    let sink = Sink::start();
    let mut postern = started(&sink);
    send(&postern, "plan one");
    let link = link(&sink, "plan one");
    assert!(link.len() >= "/approval/".len() + 22, "{link}: 128 bits at least");
    // A stranger to the site: no log-in, no cookie; the site has no owner yet.
    let mut boss = Browser::new(postern.site());
    for method in ["GET", "HEAD", "GET"] {
        let page = boss.ask(method, &link, "", b"");
        assert_eq!(page.status, 200, "{}", page.body);
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert!(boss.cookies.is_empty());
    }
    let page = boss.open(&link);
    for words in ["eve@sender.test", BOB[0], "plan one", "sensitive <plans>", "Deliver it"] {
        assert!(page.says(words), "{words}: {}", page.text());
    }
    assert!(!page.body.contains("<plans>"), "{}", page.body);
    assert_eq!((waiting(&postern), got(&sink, BOB[0], "plan one")), (1, 0), "nothing is decided");
    // What is no answer decides nothing either, nor does another site's form.
    assert_eq!(boss.post(&link, &[("answer", "perhaps")]).status, 400);
    assert_eq!(boss.post(&link, &[]).status, 400);
    assert_eq!(boss.ask("PUT", &link, "", b"").status, 401);
    boss.headers = vec![("Sec-Fetch-Site".into(), "cross-site".into())];
    assert_eq!(boss.post(&link, &[("answer", "release")]).status, 403);
    boss.headers.clear();
    assert_eq!(waiting(&postern), 1);
    // Good after a power cut.
    postern.kill();
    postern.start_again();
    let done = boss.send(&page, &link, &[("answer", "release")]);
    assert_eq!(done.status, 200);
    assert!(done.says("on its way"), "{}", done.text());
    wait_for("the mail", || (got(&sink, BOB[0], "plan one") == 1).then_some(()));
    assert_eq!(waiting(&postern), 0);
    // Used and never known are the same to whoever asks.
    let wrong = format!("/approval/{}", "A".repeat(43));
    let (used, unknown) = (boss.ask("GET", &link, "", b""), boss.ask("GET", &wrong, "", b""));
    assert_eq!((used.status, unknown.status), (404, 404));
    assert_eq!(used.text(), unknown.text());
    for path in [&link, &wrong] {
        assert_eq!(boss.post(path, &[("answer", "refuse")]).status, 404);
        assert_eq!(boss.post(path, &[]).status, 404);
    }
    let stories = postern.tell(&["track", "--message-id", "plan.one@sent.test"]);
    assert!(stories.contains("released by boss@example.test"), "{stories}");
    assert!(stories.contains("127.0.0.1"), "{stories}");
    let secret = link.rsplit('/').next().unwrap();
    assert!(!postern.log().contains(secret), "no secret in the log");
    assert!(!stories.contains(secret), "nor in the journal");
}

#[test]
fn the_secret_of_a_link_leaves_its_page_in_no_way() {
    let sink = Sink::start();
    let postern = started(&sink);
    send(&postern, "plan six");
    let link = link(&sink, "plan six");
    let secret = link.rsplit('/').next().unwrap();
    let mut boss = Browser::new(postern.site());
    let page = boss.open(&link);
    assert_eq!(page.header("referrer-policy"), Some("same-origin"), "no other site is told");
    assert_eq!(page.header("x-robots-tag"), Some("noindex, nofollow"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'self'"), "nothing is loaded from elsewhere: {policy}");
    for away in ["href=\"http", "href=\"//", "src=\"http", "src=\"//"] {
        assert!(!page.body.contains(away), "{away}: {}", page.body);
    }
    // Two forms of its own hold the secret, the answer and light or dark, and lead here only.
    assert_eq!(page.body.matches(secret).count(), 2, "{}", page.body);
    boss.send(&page, "/theme", &[("theme", "dark"), ("next", link.as_str())]);
    boss.send(&page, &link, &[("answer", "refuse")]);
    assert_eq!(boss.ask("GET", &link, "", b"").status, 404, "used up");
    assert!(!postern.log().contains(secret), "{}", postern.log());
}

#[test]
fn who_refuses_has_the_sender_told() {
    let sink = Sink::start();
    let postern = started(&sink);
    send_out(&postern, "plan two");
    let link = link(&sink, "plan two");
    let mut boss = Browser::new(postern.site());
    let page = boss.open(&link);
    let done = boss.send(&page, &link, &[("answer", "refuse")]);
    assert!(done.says("not delivered"), "{}", done.text());
    wait_for("the report", || (got(&sink, ANN, "Status: 5.7.1") == 1).then_some(()));
    assert_eq!(got(&sink, "x@elsewhere.test", "plan two"), 0);
    assert_eq!(boss.post(&link, &[("answer", "release")]).status, 404);
    assert_eq!(got(&sink, "x@elsewhere.test", "plan two"), 0);
}

#[test]
fn a_link_ends_with_the_time_for_an_answer() {
    let Some(clock) = Clock::start() else { return };
    let sink = Sink::start();
    let postern = clock.of(setup(&sink)).start();
    send_out(&postern, "plan three");
    let link = link(&sink, "plan three");
    let mut boss = Browser::new(postern.site());
    clock.set_ahead(7_000);
    assert_eq!(boss.open(&link).status, 200);
    clock.set_ahead(7_260);
    let late = boss.post(&link, &[("answer", "release")]);
    assert_eq!((late.status, boss.open(&link).status), (404, 404));
    wait_for("the report", || (got(&sink, ANN, "Status: 5.7.1") == 1).then_some(()));
    assert_eq!(got(&sink, "x@elsewhere.test", "plan three"), 0);
}

#[test]
fn one_address_opens_so_many_links_a_minute() {
    let sink = Sink::start();
    let postern = started(&sink);
    let site = postern.site();
    // In one go, so that a slow machine does not spread them over minutes.
    let one = |at: usize| format!("GET /approval/{at:0>43} HTTP/1.1\r\nHost: {site}\r\n");
    let requests: String = (0..98).map(|at| one(at) + "\r\n").collect();
    let last = one(98) + "Connection: close\r\n\r\n";
    let answers = exchange(site, format!("{requests}{last}").as_bytes());
    let answers = String::from_utf8_lossy(&answers);
    let count = |status: u16| answers.matches(&format!("HTTP/1.1 {status} ")).count();
    assert!(count(404) >= 60, "{}", count(404));
    assert!(count(429) > 0, "{} were answered", count(404));
    assert_eq!(count(404) + count(429), answers.matches("HTTP/1.1 ").count());
}

#[test]
fn who_is_logged_in_sees_what_waits_and_answers_for_the_approver() {
    const PASSWORD: &str = "copper lantern 47 sings";
    let sink = Sink::start();
    let postern = started(&sink);
    for subject in ["plan four", "plan five"] {
        send(&postern, subject);
        link(&sink, subject);
    }
    let mut root = Browser::new(postern.site());
    root.set_up(&postern.setup_code(), "root", PASSWORD);
    let page = root.open("/quarantine");
    assert!(page.says("Waiting for approval : 2"), "{}", page.text());
    let page = root.open("/quarantine/waiting");
    for words in [BOSS, "plan four", "plan five", "sensitive <plans>"] {
        assert!(page.says(words), "{words}: {}", page.text());
    }
    // The link of a question works for who is logged in, too, though its page shows no session.
    let own = link(&sink, "plan four");
    let form = Browser::new(postern.site()).open(&own);
    assert!(root.send(&form, &own, &[("answer", "release")]).says("on its way"));
    let rows = postern.ask(&["approval", "list"]);
    assert_eq!(rows.len(), 1);
    let id = field(&rows[0], "mail_id");
    let fields = [("id", id.as_str()), ("act", "release"), ("next", "/quarantine/waiting")];
    let page = root.send(&page, "/quarantine/act", &fields);
    assert!(page.says("Nothing waits"), "{}", page.text());
    wait_for("both mails", || (got(&sink, BOB[0], "plan") == 2).then_some(()));
}
