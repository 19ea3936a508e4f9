//! The pages about mail, with the real program: tracking, quarantine, queue, dashboard.

use ::postern::admin::people::Role;

use super::harness::browser::people;
use super::harness::postern::field;
use super::harness::{Browser, Page, Postern, Setup, Sink, client, free_port, wait_for};

/// What a page must never hold as it stands.
const HOSTILE: &str = "<script>alert(1)</script>\"'&<s>";
const RULES: &str = "[[rule]]\nname = \"keep <i>it</i>\"\nwhen = { subject = \"kept\" }\n\
                     orders = [{ quarantine = \"legal\" }]\n";

struct House {
    postern: Postern,
    site: std::net::SocketAddr,
}

impl House {
    /// With an owner, and somebody for `example.test` and for `elsewhere.test`.
    fn start(setup: Setup) -> House {
        let site = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
        std::fs::write(setup.dir().join("policy.toml"), RULES).unwrap();
        people(
            &setup.dir().join("data"),
            &[
                ("own", Role::Quarantine, &["example.test"]),
                ("stranger", Role::Administrator, &["elsewhere.test"]),
                ("auditor", Role::Auditor, &[]),
            ],
        );
        let setup = setup
            .set("policy", "file = \"policy.toml\"")
            // Hostile as these mails are, they are not to be refused.
            .set("policy.inbound", "tag = 700.0")
            .set("policy.inbound", "quarantine = 800.0")
            .set("policy.inbound", "reject = 900.0")
            .set("admin", format!("address = \"{site}\""));
        let mut postern = setup.start();
        postern.wait_for_listener(site);
        House { postern, site }
    }

    fn log_in(&self, name: &str) -> Browser {
        Browser::known(self.site, name)
    }

    fn send(&self, subject: &str, recipients: &[&str]) {
        let reply =
            client::send(self.postern.inbound(), "ann@sender.test", recipients, &mail(subject));
        assert_eq!(reply.code, 250, "{reply}");
    }

    fn kept(&self, count: usize) -> Vec<String> {
        wait_for("entries in quarantine", || {
            let rows = self.postern.ask(&["quarantine", "list"]);
            let ids: Vec<String> = rows.iter().map(|row| field(row, "mail_id")).collect();
            (ids.len() == count).then_some(ids)
        })
    }

    fn queued(&self, count: usize) -> Vec<String> {
        wait_for("mails in the queue", || {
            let ids: Vec<String> =
                self.postern.queue().iter().map(|row| field(row, "mail_id")).collect();
            (ids.len() == count).then_some(ids)
        })
    }
}

fn mail(subject: &str) -> Vec<u8> {
    format!(
        "From: \"{HOSTILE_NAME}\" <ann@sender.test>\r\nTo: <bob@example.test>\r\nSubject: {subject}\r\n\
         Date: Mon, 16 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{:x}@sender.test>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n\
         <p onclick=x()>Hello <img src=\"https://track.test/p.gif\"><a href=\"https://evil.test/\">here</a>\
         <script>steal()</script></p>\r\n--b\r\nContent-Type: text/plain; name=\"<u>.txt\"\r\n\
         Content-Disposition: attachment; filename=\"<u>.txt\"\r\n\r\njust a note\r\n--b--\r\n",
        crc32c::crc32c(subject.as_bytes())
    )
    .into_bytes()
}

const HOSTILE_NAME: &str = "Ann <em>x</em>";

fn assert_escaped(page: &Page, what: &str) {
    assert_eq!(page.status, 200, "{what}: {}", page.body);
    for raw in ["<script>alert", "<s>", "<em>", "<i>it", "<u>", "<p onclick", " style="] {
        assert!(!page.body.contains(raw), "{what}: {raw}\n{}", page.body);
    }
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'self'"), "{what}: {policy}");
}

#[test]
fn kept_mail_is_seen_released_and_deleted() {
    let sink = Sink::start();
    let house = House::start(Setup::new().next_hop(sink.hop()));
    let both: &[&str] = &["bob@example.test", "cid@example.test"];
    house.send(&format!("kept one {HOSTILE}"), both);
    house.send("kept two", &["bob@example.test"]);
    house.send("kept three", &["bob@example.test"]);
    let ids = house.kept(3);
    let mut olive = house.log_in("olive");
    let list = olive.get("/quarantine");
    assert_escaped(&list, "list");
    assert!(list.body.contains("kept one &lt;script&gt;"), "{}", list.body);
    let one =
        ids.iter().find(|id| olive.get(&format!("/quarantine/{id}")).body.contains("kept one"));
    let one = one.unwrap().clone();
    for path in
        ["/quarantine/ID", "/tracking", "/tracking/ID", "/tracking/ID/source", "/", "/?span=hour"]
    {
        let path = path.replace("ID", &one);
        assert_escaped(&olive.get(&path), &path);
    }
    let entry = olive.get(&format!("/quarantine/{one}"));
    assert!(
        entry.body.contains("&lt;u&gt;.txt") && entry.body.contains("sandbox"),
        "{}",
        entry.body
    );
    let story = olive.get(&format!("/tracking/{one}"));
    assert!(story.body.contains("keep &lt;i&gt;it&lt;/i&gt;"), "the rule is named: {}", story.body);

    // The frame: its own walls, and nothing in it that acts.
    let frame = olive.get(&format!("/quarantine/{one}/preview"));
    let policy = frame.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'") && policy.contains("sandbox"), "{policy}");
    assert_eq!(frame.header("x-frame-options"), Some("SAMEORIGIN"));
    for bad in ["<script", "onclick", "src=", "href"] {
        assert!(!frame.body.contains(bad), "{bad}: {}", frame.body);
    }
    assert!(frame.body.contains("Hello") && frame.body.contains("https://evil.test/"));

    // Without the mark nothing is done, and who may only look can only look.
    let release = [("act", "release"), ("id", one.as_str())];
    assert_eq!(olive.without_mark().act("/quarantine/act", &release).status, 403);
    let mut auditor = house.log_in("auditor");
    assert_eq!(auditor.act("/quarantine/act", &release).status, 403);
    assert_eq!(auditor.get(&format!("/quarantine/{one}/preview")).status, 403);
    assert_eq!(auditor.get(&format!("/tracking/{one}/source")).status, 403);
    sink.stays_at(0);

    // Whom it does not concern: as if there were no such mail.
    let mut stranger = house.log_in("stranger");
    for path in [
        "/quarantine/ID",
        "/quarantine/ID/preview",
        "/tracking/ID",
        "/tracking/ID/source",
        "/tracking/ID/message.eml",
    ] {
        assert_eq!(stranger.get(&path.replace("ID", &one)).status, 404, "{path}");
    }
    for path in ["/quarantine", "/tracking", "/"] {
        let page = stranger.get(path);
        assert_eq!(page.status, 200);
        assert!(
            !page.body.contains("kept one") && !page.body.contains("ann@sender.test"),
            "{}",
            page.body
        );
    }
    assert_eq!(stranger.act("/quarantine/act", &release).status, 404);
    assert_eq!(house.kept(3).len(), 3);

    // To some, then to the others.
    let some = [("act", "release-some"), ("id", one.as_str()), ("to", "cid@example.test")];
    assert_eq!(olive.act("/quarantine/act", &some).status, 303);
    let mails = sink.wait(1);
    assert_eq!(mails[0].recipients(), ["cid@example.test"]);
    let mut own = house.log_in("own");
    let left = own.get(&format!("/quarantine/{one}"));
    assert!(left.body.contains("bob@example.test") && !left.body.contains("cid@example.test"));
    assert_eq!(own.act("/quarantine/act", &release).status, 303);
    let mails = sink.wait(2);
    assert_eq!(mails[1].recipients(), ["bob@example.test"]);

    // What was released is found by its own addresses; the kept mail leads to it and back.
    wait_for("the released mail in the tracking", || {
        let found = olive.get("/tracking?recipient=cid%40example.test&state=delivered");
        assert!(found.status == 200, "{}", found.body);
        found.body.contains("kept one").then_some(())
    });
    let story = olive.get(&format!("/tracking/{one}")).body;
    let (_, there) = story.split_once("goes on as mail ").expect("a way on");
    let becomes: String = there.chars().take_while(char::is_ascii_alphanumeric).collect();
    let on = olive.get(&format!("/tracking/{becomes}")).body;
    assert!(on.contains(&format!("/tracking/{one}")) && on.contains("ann@sender.test"), "{on}");

    // Several at once.
    let rest = house.kept(2);
    let ticked = [("act", "delete"), ("id", rest[0].as_str()), ("id", rest[1].as_str())];
    assert_eq!(olive.act("/quarantine/act", &ticked).status, 303);
    house.kept(0);
    assert!(olive.get("/quarantine").body.contains("2 mails deleted"));
    sink.stays_at(2);
    let told = olive.get(&format!("/tracking/{one}")).body;
    assert!(told.contains("quarantine.release-some by olive"), "{told}");
}

#[test]
fn what_would_read_backwards_is_marked_and_no_offset_breaks_a_page() {
    let sink = Sink::start();
    let house = House::start(Setup::new().next_hop(sink.hop()));
    let sent = "From: ann@sender.test\r\nTo: bob@example.test\r\n\
        Subject: kept =?utf-8?Q?bill=E2=80=AEfdp.exe?=\r\nMessage-ID: <turned@sender.test>\r\n\
        Date: Mon, 16 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n\
        Hello\r\n--b\r\nContent-Type: application/octet-stream\r\n\
        Content-Disposition: attachment; filename*=utf-8''note%E2%80%AEtxt.dat\r\n\r\nx\r\n--b--\r\n";
    let from = "ann@sender.test";
    let reply = client::send(house.postern.inbound(), from, &["bob@example.test"], sent.as_bytes());
    assert_eq!(reply.code, 250, "{reply}");
    let id = house.kept(1).remove(0);
    let mut olive = house.log_in("olive");
    for path in [
        "/quarantine".to_owned(),
        format!("/quarantine/{id}"),
        "/tracking".into(),
        format!("/tracking/{id}"),
        "/tracking/export".into(),
    ] {
        let page = olive.get(&path);
        assert_eq!(page.status, 200, "{path}");
        assert!(!page.body.contains('\u{202e}'), "{path}: {}", page.body);
        assert!(page.body.contains("bill\u{fffd}fdp.exe"), "{path}: {}", page.body);
    }
    assert!(olive.get(&format!("/quarantine/{id}")).body.contains("note\u{fffd}txt.dat"));
    for (at, status) in [
        ("0".to_owned(), 200),
        (sent.len().to_string(), 200),
        ("1000000000".into(), 400),
        (u64::MAX.to_string(), 400),
        ("-1".into(), 400),
    ] {
        let page = olive.get(&format!("/tracking/{id}/source?at={at}"));
        assert_eq!(page.status, status, "{at}: {}", page.text());
    }
}

#[test]
fn all_that_fit_a_filter_are_counted_before_they_are_acted_on() {
    let sink = Sink::start();
    let house = House::start(Setup::new().next_hop(sink.hop()));
    for subject in ["kept red", "kept blue", "kept also blue"] {
        house.send(subject, &["bob@example.test"]);
    }
    house.kept(3);
    let mut olive = house.log_in("olive");
    let all = [("act", "delete"), ("all", "1"), ("filter", "text=blue&after=1-x")];
    let asked = olive.act("/quarantine/act", &all);
    assert_eq!(asked.status, 200, "{}", asked.body);
    assert!(asked.says("2 mails fit the filter") && asked.says("Yes, all 2"), "{}", asked.text());
    assert_eq!(house.kept(3).len(), 3, "nothing is done before somebody is sure");
    let sure = [&all[..], &[("sure", "1")]].concat();
    let stranger = house.log_in("stranger").act("/quarantine/act", &sure);
    assert_eq!(stranger.status, 303, "{}", stranger.body);
    assert_eq!(house.kept(3).len(), 3, "what is not theirs does not fit");
    assert_eq!(olive.without_mark().act("/quarantine/act", &sure).status, 403);
    assert_eq!(olive.act("/quarantine/act", &sure).status, 303);
    assert!(olive.get("/quarantine").says("2 mails deleted"));
    let left = house.kept(1);
    assert!(olive.get(&format!("/quarantine/{}", left[0])).says("kept red"));
}

#[test]
fn mail_that_waits_is_rerouted_returned_and_removed() {
    let sink = Sink::start();
    let nobody = format!("smtp://127.0.0.1:{}", free_port());
    let setup = Setup::new()
        .next_hop(nobody)
        .smart_host(sink.hop())
        .set("delivery", "retry_max_s = 600")
        .set("delivery", "retry_first_s = 600");
    let house = House::start(setup);
    house.send(&format!("waits one {HOSTILE}"), &["bob@example.test", "cid@example.test"]);
    let one = house.queued(1).remove(0);
    house.send("waits two", &["bob@example.test"]);
    let two = house.queued(2).into_iter().find(|id| *id != one).unwrap();
    house.send("waits three", &["bob@example.test"]);
    let three = house.queued(3).into_iter().find(|id| *id != one && *id != two).unwrap();
    let mut olive = house.log_in("olive");
    wait_for("the reason", || olive.get("/queue").body.contains("refused").then_some(()));
    for path in ["/queue", "/queue/ID", "/queue?state=deferred", "/tracking/ID", "/"] {
        let path = path.replace("ID", &one);
        assert_escaped(&olive.get(&path), &path);
    }
    let mut stranger = house.log_in("stranger");
    assert_eq!(stranger.get(&format!("/queue/{one}")).status, 404);
    assert!(!stranger.get("/queue").body.contains("waits one"));
    let remove = [("act", "remove"), ("id", one.as_str())];
    assert_eq!(stranger.act("/queue/act", &remove).status, 404);
    assert_eq!(olive.without_mark().act("/queue/act", &remove).status, 403);
    assert_eq!(house.log_in("auditor").act("/queue/act", &remove).status, 403);

    // Another way: where nobody goes is said, where somebody is it arrives.
    let to = |olive: &mut Browser, hops: &str| {
        let form = [("act", "reroute"), ("id", one.as_str()), ("hops", hops)];
        olive.act("/queue/act", &form)
    };
    to(&mut olive, "maildir:/tmp/x");
    assert!(olive.get("/queue").body.contains("rerouted to a host and port"));
    let hop = sink.hop();
    assert_eq!(to(&mut olive, hop.trim_start_matches("smtp://")).status, 303);
    let mails = sink.wait(1);
    assert_eq!(mails[0].recipients(), ["bob@example.test", "cid@example.test"]);

    // Back to the sender.
    let hold = [("act", "hold"), ("id", two.as_str()), ("id", three.as_str())];
    assert_eq!(olive.act("/queue/act", &hold).status, 303);
    assert!(olive.get("/queue?state=hold").body.contains("waits two"));
    let bounce = [("act", "bounce"), ("id", two.as_str()), ("reason", "he has <left>")];
    assert_eq!(olive.act("/queue/act", &bounce).status, 303);
    let mails = sink.wait(2);
    assert_eq!(
        (mails[1].reverse_path.as_str(), mails[1].recipients()),
        ("", vec!["ann@sender.test"])
    );
    let report = String::from_utf8_lossy(&mails[1].content).into_owned();
    assert!(report.contains("returned by the administrator: he has <left>"), "{report}");
    let gone = [("act", "remove"), ("id", three.as_str())];
    assert_eq!(olive.act("/queue/act", &gone).status, 303);
    house.postern.wait_until_empty();
    assert_eq!(olive.get(&format!("/queue/{three}")).status, 404);
    let told = olive.get(&format!("/tracking/{two}")).body;
    assert!(
        told.contains("queue.bounce by olive") && told.contains("he has &lt;left&gt;"),
        "{told}"
    );
}

#[test]
fn mail_is_found_exported_and_counted() {
    let sink = Sink::start();
    let house = House::start(Setup::new().next_hop(sink.hop()));
    for number in 0..60 {
        house.send(&format!("=cmd() number{number}"), &["bob@example.test"]);
    }
    sink.wait(60);
    house.postern.wait_until_empty();
    let mut olive = house.log_in("olive");
    let first = olive.get("/tracking?any=bob%40&state=delivered");
    assert_eq!(first.body.matches("=cmd() number").count(), 50, "a page has fifty");
    let (_, next) = first.body.split_once("class=\"button plain\" href=\"").unwrap();
    let next = next.split('"').next().unwrap().replace("&amp;", "&");
    let second = olive.get(&next);
    assert_eq!(second.body.matches("=cmd() number").count(), 10, "{next}");
    assert!(olive.get("/tracking?subject=number7").body.contains("number7"));
    assert!(olive.get("/tracking?verdict=malicious").body.contains("No mail was found"));
    let wrong = olive.get("/tracking?client=nowhere&any=%3Cscript%3E");
    assert_eq!(wrong.status, 400);
    assert!(wrong.body.contains("neither an address nor a network"), "{}", wrong.body);
    assert!(!wrong.body.contains("<script>"), "what was typed is there, escaped");
    let table = olive.get("/tracking/export?any=bob%40");
    assert_eq!(table.body.lines().count(), 61);
    assert!(table.body.contains("\"'=cmd() number7\"") && !table.body.contains("\"=cmd"));
    assert!(table.header("content-disposition").unwrap().starts_with("attachment"));

    let page = olive.get("/").body;
    assert!(page.contains("<svg") && page.contains("came from outside"), "{page}");
    assert!(page.contains(">60<") && page.contains("bob@example.test"), "{page}");
    // A number leads to the mails behind it.
    let (before, _) = page.split_once(">60<").unwrap();
    let (_, there) = before.rsplit_once("href=\"").unwrap();
    let there = there.split('"').next().unwrap().replace("&amp;", "&");
    assert!(olive.get(&there).body.contains("=cmd() number59"), "{there}");
    let events = olive.begin("/events", "data: ");
    assert!(events.contains("text/event-stream") && events.contains("\"inbound\""), "{events}");
    let own = house.log_in("own").get("/").body;
    assert!(own.contains(">60<") && !own.contains("Certificate"), "nothing of the box: {own}");
    let stranger = house.log_in("stranger").get("/").body;
    assert!(!stranger.contains(">60<") && !stranger.contains("bob@"), "{stranger}");
}

#[test]
fn numbers_of_the_dashboard_lead_to_their_mails_and_others_addresses_stay_theirs() {
    let sink = Sink::start();
    let house = House::start(Setup::new().next_hop(sink.hop()));
    house.send("one", &["bob@example.test"]);
    house.send("two", &["kbob@example.test"]);
    house.send("kept three", &["kbob@example.test"]);
    house.kept(1);
    let id = house.kept(1).remove(0);
    house.postern.tell(&["quarantine", "release", &id]);
    sink.wait(3);
    house.postern.wait_until_empty();
    let mut olive = house.log_in("olive");
    let page = olive.get("/");
    assert!(page.says("1 mail of bob@example.test"), "{}", page.text());
    assert!(page.says("2 mails of kbob@example.test"), "{}", page.text());
    let links = page.body.split("href=\"/tracking?").skip(1);
    let (mut followed, mut wrong) = (0, Vec::new());
    for link in links {
        let (there, rest) = link.split_once('"').unwrap();
        let (shown, _) = rest.split_once("</a>").unwrap();
        let number = shown.split(['<', '>']).find_map(|part| part.trim().parse::<usize>().ok());
        let Some(number) = number.filter(|_| !shown.contains("attempt")) else { continue };
        let there = format!("/tracking?{}", there.replace("&amp;", "&"));
        let found = olive.get(&there).body.matches("data-name=\"Verdict\"").count();
        followed += 1;
        if found != number {
            wrong.push(format!("{number} leads to {found}: {there}"));
        }
    }
    assert!(followed > 15 && wrong.is_empty(), "{followed}: {wrong:#?}");
    let mut stranger = house.log_in("stranger");
    let top = stranger.get("/api/top/recipients").body;
    assert!(!top.contains("example.test"), "{top}");
}

#[test]
fn senders_are_listed_and_mail_is_taught_from_its_page() {
    let sink = Sink::start();
    let house = House::start(Setup::new().next_hop(sink.hop()));
    house.send("kept four", &["bob@example.test"]);
    let id = house.kept(1).remove(0);
    let mut olive = house.log_in("olive");
    let here = format!("/tracking/{id}");
    let block = [("act", "block"), ("whole", "domain")];
    assert_eq!(olive.act(&format!("{here}/sender"), &block).status, 303);
    let listed = house.postern.tell(&["sender", "list"]);
    assert!(listed.contains("@sender.test") && listed.contains("olive"), "{listed}");
    let mut own = house.log_in("own");
    let elsewhere = [("act", "trust"), ("whole", "address"), ("list", "elsewhere.test")];
    assert_eq!(own.act(&format!("{here}/sender"), &elsewhere).status, 403);
    let trust = [("act", "trust"), ("whole", "address")];
    assert_eq!(own.act(&format!("{here}/sender"), &trust).status, 303);
    let listed = house.postern.tell(&["sender", "list"]);
    assert!(listed.contains("@example.test"), "in the list of the own domain: {listed}");
    assert_eq!(olive.act(&format!("{here}/report"), &[("label", "spam")]).status, 303);
    assert!(olive.get(&here).body.contains("learned"));
    assert_eq!(olive.act(&format!("{here}/report"), &[("label", "eggs")]).status, 400);
    assert_eq!(olive.act(&format!("{here}/resend"), &[]).status, 303);
    assert!(olive.get(&here).body.contains("is not gone yet"));
    assert_eq!(house.log_in("stranger").act(&format!("{here}/sender"), &block).status, 404);
    let eml = olive.get(&format!("{here}/message.eml"));
    assert!(eml.header("content-disposition").unwrap().contains(&format!("{id}.eml")));
    assert!(eml.body.contains("Subject: kept four"), "as it came");
}
