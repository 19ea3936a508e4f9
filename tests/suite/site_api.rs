//! The JSON API does what the pages do: many mails at once, the checks of the first steps, the
//! certificate, drafts, one's own account, tables. The real program over TLS.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ::postern::admin::people::Role;
use serde_json::{Value, json};

use super::harness::browser::people;
use super::harness::postern::field;
use super::harness::{
    Act, Browser, Moment, Page, Postern, Setup, Sink, client, free_port, text, tls, wait_for,
};

const PASSWORD: &str = "copper lantern 47 sings";
const OTHER: &str = "staple-magnet-orchid-77";
const NO_MAIL: &str = "00000000000000000000";
const RULES: &str = "# the house's rules\n[[rule]]\nname = \"keep\"\nwhen = { subject = \"kept\" }\n\
                     orders = [{ quarantine = \"legal\" }]\n";

/// A box with an owner called olive, somebody for `example.test` and for `elsewhere.test`.
struct House {
    postern: Postern,
    site: SocketAddr,
}

impl House {
    fn start(setup: Setup) -> House {
        let site = SocketAddr::from(([127, 0, 0, 1], free_port()));
        people(
            &setup.dir().join("data"),
            &[
                ("own", Role::Administrator, &["example.test"]),
                ("stranger", Role::Administrator, &["elsewhere.test"]),
                ("auditor", Role::Auditor, &[]),
            ],
        );
        let mut postern = setup.set("admin", format!("address = \"{site}\"")).start();
        postern.wait_for_listener(site);
        House { postern, site }
    }

    fn with_rules(setup: Setup) -> House {
        std::fs::write(setup.dir().join("policy.toml"), RULES).unwrap();
        House::start(setup.set("policy", "file = \"policy.toml\""))
    }

    fn log_in(&self, name: &str) -> Browser {
        Browser::known(self.site, name)
    }

    fn send(&self, subject: &str, recipients: &[&str]) {
        let id = format!("{}@sender.test", subject.replace(' ', "."));
        let mail = text::message(subject, &id);
        let reply = client::send(self.postern.inbound(), "ann@sender.test", recipients, &mail);
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

/// A request to the API by session.
fn call(browser: &mut Browser, method: &str, path: &str, body: &Value) -> Page {
    let mark = browser.open("/account").value("csrf").expect("a form with a mark");
    browser.headers.push(("X-CSRF-Token".into(), mark));
    let page = browser.ask(method, path, "application/json", body.to_string().as_bytes());
    browser.headers.pop();
    page
}

/// The same, where it has to be done.
fn done(browser: &mut Browser, method: &str, path: &str, body: &Value) -> Value {
    let page = call(browser, method, path, body);
    assert_eq!(page.status, 200, "{method} {path}: {}", page.body);
    json_of(&page)
}

fn asked(browser: &mut Browser, path: &str) -> Value {
    let page = browser.ask("GET", path, "", b"");
    assert_eq!(page.status, 200, "{path}: {}", page.body);
    json_of(&page)
}

fn json_of(page: &Page) -> Value {
    serde_json::from_str(&page.body).unwrap_or_else(|error| panic!("{error}: {}", page.body))
}

/// Refused, with a field named.
fn assert_refused(page: &Page, status: u16, words: &str) {
    assert_eq!(page.status, status, "{}", page.body);
    let error = json_of(page)["error"].as_str().unwrap().to_owned();
    assert!(error.contains(words), "{words}: {error}");
}

fn statuses(answer: &Value) -> Vec<u64> {
    let mails = answer["mails"].as_array().unwrap();
    mails.iter().map(|one| one["status"].as_u64().unwrap()).collect()
}

fn ids(answer: &Value) -> Vec<String> {
    let mails = answer["mails"].as_array().unwrap();
    mails.iter().map(|one| one["mail_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn many_mails_that_wait_are_acted_on_at_once_and_each_is_answered() {
    let nobody = format!("smtp://127.0.0.1:{}", free_port());
    let setup = Setup::new()
        .next_hop(nobody)
        .set("delivery", "retry_max_s = 600")
        .set("delivery", "retry_first_s = 600");
    let house = House::start(setup);
    for subject in ["waits one", "waits two", "waits three"] {
        house.send(subject, &["bob@example.test"]);
    }
    let all = house.queued(3);
    let mut olive = house.log_in("olive");
    let act = |browser: &mut Browser, order: &Value| call(browser, "POST", "/api/queue/act", order);

    // By name: each by itself.
    let order = json!({ "act": "hold", "ids": [all[0], NO_MAIL, "no name"] });
    let held = json_of(&act(&mut olive, &order));
    assert_eq!(statuses(&held), [200, 404, 404], "{held}");
    assert_eq!((held["done"].as_u64(), held["failed"].as_u64()), (Some(1), Some(2)));

    // What a filter means is told before anything is done.
    let trial = json!({ "act": "remove", "filter": { "state": "hold" }, "is_trial": true });
    assert_eq!(ids(&json_of(&act(&mut olive, &trial))), [all[0].clone()]);
    assert_eq!(house.queued(3).len(), 3);

    // Others' mail is as if it were not there, by name and by filter.
    let mut stranger = house.log_in("stranger");
    let order = json!({ "act": "remove", "ids": all });
    assert_eq!(statuses(&json_of(&act(&mut stranger, &order))), [404, 404, 404]);
    let everything = json!({ "act": "remove", "filter": {} });
    assert!(ids(&json_of(&act(&mut stranger, &everything))).is_empty());
    let reroute = json!({ "act": "reroute", "filter": {}, "hops": ["127.0.0.1:25"] });
    assert_eq!(act(&mut house.log_in("own"), &reroute).status, 403, "who is of some domains");
    assert_eq!(act(&mut house.log_in("auditor"), &everything).status, 403);
    assert_eq!(house.queued(3).len(), 3);

    // What makes no sense is named.
    for (order, words) in [
        (json!({ "act": "fly", "ids": [all[0]] }), "act"),
        (json!({ "act": "hold" }), "ids, filter"),
        (json!({ "act": "hold", "ids": [] }), "ids"),
        (json!({ "act": "hold", "ids": [all[0]], "filter": {} }), "ids, filter"),
        (json!({ "act": "hold", "ids": vec![NO_MAIL; 501] }), "500"),
        (json!({ "act": "hold", "filter": { "stat": "hold" } }), "filter.stat"),
        (json!({ "act": "hold", "filter": { "why": "x".repeat(1_001) } }), "filter.why"),
        (json!({ "act": "reroute", "ids": [all[0]] }), "hops"),
        (json!({ "act": "hold", "ids": [all[0]], "hops": ["a", "b", "c", "d", "e", "f"] }), "hops"),
        (json!({ "act": "reroute", "ids": [all[0]], "hops": ["maildir:/tmp/x"] }), "hops"),
        (json!({ "act": "bounce", "ids": [all[0]], "reason": "x".repeat(301) }), "reason"),
    ] {
        assert_refused(&act(&mut olive, &order), 400, words);
    }

    // The list has the page's filters and its pages.
    let first = asked(&mut olive, "/api/queue?limit=2&sender=ANN%40&recipient=bob");
    assert_eq!(first["mails"].as_array().unwrap().len(), 2, "{first}");
    let next = first["next"].as_str().expect("a next page");
    let second = asked(&mut olive, &format!("/api/queue?limit=2&after={next}"));
    assert_eq!((ids(&second).len(), &second["next"]), (1, &Value::Null), "{second}");
    assert!(ids(&asked(&mut olive, "/api/queue?destination=elsewhere.test")).is_empty());
    let counted = wait_for("the reason", || {
        let counted = asked(&mut olive, "/api/queue/destinations");
        let why = counted["destinations"][0]["why"].as_str().unwrap().to_owned();
        why.contains("refused").then_some(counted)
    });
    assert_eq!(counted["destinations"][0]["destination"], "example.test", "{counted}");
    assert_eq!(
        (counted["hold"].as_u64(), counted["destinations"][0]["mails"].as_u64()),
        (Some(1), Some(3))
    );

    // Their own, all that fit.
    let gone = json_of(&act(&mut house.log_in("own"), &everything));
    assert_eq!(statuses(&gone), [200, 200, 200], "{gone}");
    house.postern.wait_until_empty();
    let acts = asked(&mut olive, "/api/acts?what=queue&who=own");
    let removed = acts["acts"].as_array().unwrap().iter();
    assert_eq!(
        removed.filter(|act| act["what"] == "queue.remove" && act["via"] == "api").count(),
        3
    );
    let table = olive.ask("GET", "/api/acts/export?what=queue", "", b"");
    assert!(table.header("content-type").unwrap().starts_with("text/csv"), "{}", table.body);
    assert!(
        table.body.lines().count() > 4 && table.body.contains("\"queue.remove\""),
        "{}",
        table.body
    );
    assert_eq!(house.log_in("own").ask("GET", "/api/acts/export", "", b"").status, 403);
}

#[test]
fn many_kept_mails_are_acted_on_and_others_recipients_are_not_told() {
    let sink = Sink::start();
    let setup = Setup::new()
        .next_hop(sink.hop())
        .raw("[[domain]]\nname = \"elsewhere.test\"\nnext_hop = [\"smtp://127.0.0.1:9\"]\n");
    let house = House::with_rules(setup);
    house.send("kept one", &["bob@example.test", "zoe@elsewhere.test"]);
    house.send("kept two", &["bob@example.test"]);
    house.send("kept three", &["bob@example.test"]);
    house.kept(3);
    let mut olive = house.log_in("olive");
    let shared = ids(&asked(&mut olive, "/api/quarantine?text=one"));
    let [shared] = shared.as_slice() else { panic!("{shared:?}") };

    // Who answers for some domains sees their own recipients, everywhere.
    let mut own = house.log_in("own");
    for path in [
        format!("/api/quarantine/{shared}"),
        format!("/api/mails/{shared}"),
        "/api/quarantine".into(),
        "/api/mails".into(),
        "/api/queue".into(),
        "/api/mails/export".into(),
    ] {
        let page = own.ask("GET", &path, "", b"");
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        assert!(!page.body.contains("zoe@"), "{path}: {}", page.body);
    }
    assert!(olive.ask("GET", &format!("/api/mails/{shared}"), "", b"").body.contains("zoe@"));
    let row = asked(&mut own, &format!("/api/quarantine/{shared}"));
    assert_eq!(row["forward_paths"], json!(["bob@example.test"]), "{row}");
    assert!(row["expires"].as_str().unwrap().ends_with('Z') && row["of_mail"].is_string());

    // The text without what acts, and what the files are; only for who may read content.
    let preview = asked(&mut olive, &format!("/api/quarantine/{shared}/preview"));
    assert!(preview["html"].is_string() || preview["text"].is_string(), "{preview}");
    assert!(preview["files"].is_array() && preview["links"].is_array());
    let path = format!("/api/quarantine/{shared}/preview");
    assert_eq!(house.log_in("auditor").ask("GET", &path, "", b"").status, 403);
    let path = format!("/api/quarantine/{NO_MAIL}/preview");
    assert_eq!(olive.ask("GET", &path, "", b"").status, 404);

    // What is others' as well is not theirs to delete; what is theirs is released.
    let act =
        |browser: &mut Browser, order: &Value| call(browser, "POST", "/api/quarantine/act", order);
    let mine = json_of(&act(&mut own, &json!({ "act": "delete", "filter": { "text": "one" } })));
    assert_eq!(statuses(&mine), [409], "{mine}");
    let trial = json!({ "act": "release", "filter": { "area": "legal" }, "is_trial": true });
    assert_eq!(ids(&json_of(&act(&mut own, &trial))).len(), 3);
    let mut stranger = house.log_in("stranger");
    let two = ids(&asked(&mut olive, "/api/quarantine?text=two"));
    let order = json!({ "act": "release", "ids": [two[0], shared] });
    let released = json_of(&act(&mut stranger, &order));
    assert_eq!(statuses(&released), [404, 200], "only zoe's copy is theirs: {released}");
    assert_eq!(
        asked(&mut olive, &format!("/api/quarantine/{shared}"))["forward_paths"],
        json!(["bob@example.test"])
    );
    // That others have theirs is not told.
    let story = own.ask("GET", &format!("/api/mails/{shared}"), "", b"").body;
    assert!(!story.contains("zoe@") && !story.contains("\"released\""), "{story}");
    let table = own.ask("GET", "/api/mails/export?subject=one", "", b"").body;
    assert!(table.contains("\"quarantined\"") && !table.contains("\"released\""), "{table}");
    // What stands in the message is for who may read it.
    let mut auditor = house.log_in("auditor");
    for (path, field) in [("quarantine", "/header"), ("mails", "/events/2/header/0/value")] {
        let path = format!("/api/{path}/{shared}");
        let header = |browser: &mut Browser| asked(browser, &path).pointer(field).cloned();
        let whole = header(&mut olive).unwrap_or_default().to_string();
        assert!(whole.contains("ann@sender.test"), "{path}: {}", asked(&mut olive, &path));
        let reduced = header(&mut auditor).unwrap_or(json!(""));
        assert_eq!(reduced, json!(""), "{path}");
        assert!(!auditor.get(&path).body.contains("Ann Sender"), "{path}");
    }
    for (order, words) in [
        (json!({ "act": "release", "filter": { "verdict": "odd" } }), "filter.verdict"),
        (json!({ "act": "release", "filter": { "older": 40_000 } }), "filter.older"),
        (json!({ "act": "release", "ids": [shared], "learn": "eggs" }), "learn"),
        (json!({ "act": "release" }), "ids, filter"),
    ] {
        assert_refused(&act(&mut olive, &order), 400, words);
    }
    let answered = act(&mut olive, &json!({ "act": "refuse", "ids": [shared] }));
    assert_eq!(statuses(&json_of(&answered)), [409], "it waits for nobody's approval");
    let all = json!({ "act": "release", "filter": { "area": "legal" }, "learn": "nothing" });
    assert_eq!(statuses(&json_of(&act(&mut own, &all))), [200, 200, 200]);
    house.kept(0);
    sink.wait(3);

    // Paging and filters of the list.
    for wrong in ["score=high", "younger=-1", "verdict=odd", "after=x&limit=0"] {
        assert_eq!(
            olive.ask("GET", &format!("/api/quarantine?{wrong}"), "", b"").status,
            400,
            "{wrong}"
        );
    }
    let table = olive.ask("GET", "/api/mails/export?subject=kept", "", b"");
    assert!(table.body.lines().count() >= 4, "{}", table.body);

    // The sender of a mail, on one's own list.
    let wish = json!({ "act": "block", "whole": "domain" });
    let there = format!("/api/mails/{}/sender", two[0]);
    let listed = done(&mut own, "POST", &there, &wish);
    assert_eq!(
        (&listed["entry"], &listed["list"]),
        (&json!("@sender.test"), &json!("@example.test"))
    );
    let wish = json!({ "act": "block", "domain": "elsewhere.test" });
    assert_eq!(call(&mut own, "POST", &there, &wish).status, 403);
    assert_eq!(call(&mut stranger, "POST", &there, &json!({ "act": "block" })).status, 404);
    assert_refused(&call(&mut olive, "POST", &there, &json!({ "act": "love" })), 400, "act");
}

#[test]
fn who_is_of_one_domain_learns_nothing_of_others_copies() {
    let busy = |said: &'static str| {
        let script = move |_, moment: &Moment<'_>| match moment {
            Moment::Rcpt(_) => Act::Say(said),
            _ => Act::Proceed,
        };
        Sink::options().script(script).start()
    };
    let bobs = busy("450 4.2.0 <bob@example.test> not yet");
    let zoes = busy("450 4.2.0 <zoe@elsewhere.test> not yet");
    let elsewhere =
        format!("[[domain]]\nname = \"elsewhere.test\"\nnext_hop = [\"{}\"]\n", zoes.hop());
    let setup = Setup::new()
        .next_hop(bobs.hop())
        .raw(&elsewhere)
        .set("delivery", "retry_max_s = 600")
        .set("delivery", "retry_first_s = 600");
    let house = House::start(setup);
    house.send("for both", &["bob@example.test", "zoe@elsewhere.test"]);
    house.send("for bob", &["bob@example.test"]);
    let (mut olive, mut own) = (house.log_in("olive"), house.log_in("own"));
    wait_for("both to be tried", || {
        let all = asked(&mut olive, "/api/mails?state=deferred");
        let tried = all["mails"].to_string().matches("\"deferred\"").count();
        (tried == 3 && house.queued(2).len() == 2).then_some(())
    });
    let id = ids(&asked(&mut olive, "/api/mails?recipient=zoe"))[0].clone();
    let hold = format!("/api/queue/{id}/hold");
    assert_eq!(call(&mut own, "POST", &hold, &json!({})).status, 409, "zoe's copy is not theirs");
    for path in [
        "/api/queue".to_owned(),
        format!("/api/queue/{id}"),
        "/api/queue/destinations".into(),
        "/queue".into(),
        format!("/queue/{id}"),
        "/api/mails".into(),
        format!("/api/mails/{id}"),
        "/tracking".into(),
        format!("/tracking/{id}"),
        "/api/mails/export".into(),
    ] {
        let page = own.get(&path);
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        assert!(!page.body.contains("zoe") && !page.body.contains("elsewhere"), "{}", page.body);
    }
    let reason = asked(&mut own, &format!("/api/queue/{id}"))["reason"].clone();
    assert_eq!(reason, "was tried and has to wait; its story says why");
    let story = own.get(&format!("/tracking/{id}"));
    assert!(story.says("450 4.2.0 <bob@example.test> not yet"), "{}", story.text());
    // What is not shown cannot be searched for.
    for (question, theirs, all) in [
        ("mails?recipient=bob@example.test", 2, 2),
        ("mails?recipient=zoe@elsewhere.test", 0, 1),
        ("mails?recipient=zo", 0, 1),
        ("mails?any=elsewhere", 0, 1),
        ("mails?any=ann@", 2, 2),
        ("mails?state=deferred", 2, 2),
        ("queue?recipient=zoe", 0, 1),
        ("queue?any=zoe", 0, 1),
        ("queue?why=zoe", 0, 0),
        ("queue?why=bob", 1, 1),
    ] {
        let found = ids(&asked(&mut own, &format!("/api/{question}"))).len();
        assert_eq!(found, theirs, "{question}");
        if !question.contains("why") {
            assert_eq!(ids(&asked(&mut olive, &format!("/api/{question}"))).len(), all);
        }
    }
}

#[test]
fn what_the_first_steps_try_is_tried_by_programs() {
    let sink = Sink::start();
    let house = House::start(Setup::new().next_hop(sink.hop()));
    let mut olive = house.log_in("olive");
    let steps = asked(&mut olive, "/api/setup");
    assert_eq!(steps["steps"].as_array().unwrap().len(), 6, "{steps}");

    let hop =
        |browser: &mut Browser, order: &Value| call(browser, "POST", "/api/checks/next-hop", order);
    let order = json!({ "hop": sink.hop().to_string(), "recipient": "bob@example.test" });
    let good = json_of(&hop(&mut olive, &order));
    assert_eq!(good["is_good"], true, "{good}");
    let said = json!({ "who": "box", "line": "RCPT TO:<bob@example.test>" });
    assert!(good["lines"].as_array().unwrap().contains(&said), "{good}");
    sink.stays_at(0);
    let dead = json_of(&hop(&mut olive, &json!({ "hop": "smtp://127.0.0.1:9" })));
    assert_eq!(dead["is_good"], false, "{dead}");
    assert_refused(&hop(&mut olive, &json!({ "hop": "gopher://x" })), 400, "hop");
    assert_refused(&hop(&mut olive, &json!({ "hop": "x".repeat(1_001) })), 400, "hop");
    let order = json!({ "hop": "smtp://127.0.0.1:9", "recipient": "nobody" });
    assert_refused(&hop(&mut olive, &order), 400, "recipient");

    // The name servers are dead: the answer comes all the same, and says so.
    let begun = Instant::now();
    let dns = asked(&mut olive, "/api/checks/dns");
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    assert_eq!(dns["is_complete"], false, "{dns}");
    assert_eq!(dns["topics"][0]["about"], "The resolver", "{dns}");
    let begun = Instant::now();
    assert!(olive.open("/setup/dns").says("no answer"));
    println!("the page of DNS with dead name servers: {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());

    let none = call(&mut olive, "POST", "/api/checks/antivirus", &json!({}));
    assert_refused(&none, 409, "No virus scanner");
    let send =
        |browser: &mut Browser, order: &Value| call(browser, "POST", "/api/checks/message", order);
    let sent = json_of(&send(&mut olive, &json!({ "recipient": "bob@example.test" })));
    assert_eq!(sent["talk"]["is_good"], true, "{sent}");
    let events = sent["story"]["events"].as_array().unwrap();
    assert!(events.iter().any(|event| event["event"] == "delivered"), "{sent}");
    sink.wait(1);
    for (order, words) in [
        (json!({ "recipient": "bob@elsewhere.test" }), "no protected domain"),
        (json!({ "recipient": "bob" }), "recipient"),
        (json!({}), "recipient"),
    ] {
        assert_refused(&send(&mut olive, &order), 400, words);
    }

    // Only who may change the configuration; and it is journalled.
    for path in ["/api/checks/next-hop", "/api/checks/message", "/api/checks/antivirus"] {
        for name in ["auditor", "own"] {
            assert_eq!(call(&mut house.log_in(name), "POST", path, &json!({})).status, 403);
        }
    }
    for path in ["/api/checks/dns", "/api/setup"] {
        assert_eq!(house.log_in("own").ask("GET", path, "", b"").status, 403, "{path}");
    }
    let acts = asked(&mut olive, "/api/acts?what=setup");
    let whats: Vec<&str> =
        acts["acts"].as_array().unwrap().iter().map(|act| act["what"].as_str().unwrap()).collect();
    assert!(whats.contains(&"setup.hop") && whats.contains(&"setup.message"), "{whats:?}");

    let health = asked(&mut olive, "/api/health");
    let lines = health["lines"].as_array().unwrap();
    for name in ["Queue", "Quarantine", "Disk", "Memory", "Certificate", "Virus scanner", "DNS"] {
        assert!(lines.iter().any(|line| line["name"] == name), "{name}: {health}");
    }
    assert_eq!(health["is_well"], false, "DNS is dead: {health}");
    assert_eq!(asked(&mut olive, "/api/counters")["inbound"], 1);
    assert!(asked(&mut house.log_in("own"), "/api/counters").get("queue").is_none());
}

#[test]
fn a_certificate_is_put_and_dropped_by_programs() {
    let (postern, mut root) = owned(Setup::new());
    let before = asked(&mut root, "/api/certificate");
    assert_eq!((&before["file"], &before["is_for_host"]), (&Value::Null, &json!(true)), "{before}");
    let (chain, key) = tls::self_signed("mx.example.test");
    let (_, foreign) = tls::self_signed("mx.example.test");
    for (order, words) in [
        (json!({ "chain": chain, "key": foreign }), ""),
        (json!({ "chain": "nonsense", "key": key }), ""),
        (json!({ "chain": chain, "key": "" }), "Both"),
        (json!({ "chain": chain }), "key"),
        (json!({ "chain": "x".repeat(2 << 20), "key": key }), "together"),
    ] {
        let refused = call(&mut root, "PUT", "/api/certificate", &order);
        assert_refused(&refused, 400, words);
        assert!(!refused.body.contains("PRIVATE KEY"), "{}", refused.body);
    }
    assert_eq!(asked(&mut root, "/api/certificate"), before, "nothing has changed");
    let put = done(&mut root, "PUT", "/api/certificate", &json!({ "chain": chain, "key": key }));
    assert!(put["file"].as_str().unwrap().contains("/tls/site-"), "{put}");
    assert!(put["days_left"].as_i64().unwrap() > 1, "{put}");
    let secret = key.lines().nth(1).unwrap();
    for path in ["/api/certificate", "/api/configuration", "/api/acts"] {
        assert!(!root.ask("GET", path, "", b"").body.contains(secret), "{path}");
    }
    assert!(!postern.log().contains(secret), "no key in the log");
    let own = done(&mut root, "DELETE", "/api/certificate", &json!({}));
    assert_eq!(own["file"], Value::Null, "{own}");
}

/// A box with an owner called root, who has a password, and their browser.
fn owned(setup: Setup) -> (Postern, Browser) {
    let postern = setup.with_site().start();
    let mut root = Browser::new(postern.site());
    root.set_up(&postern.setup_code(), "root", PASSWORD);
    (postern, root)
}

#[test]
fn drafts_are_made_value_by_value_and_put_in_force() {
    let raw =
        "[[reputation.list]]\nzone = \"zone.test\"\nkind = \"client\"\nkey = \"s3cretlabel\"\n";
    let (postern, mut root) = owned(Setup::new().raw(raw));
    let all = asked(&mut root, "/api/configuration/sections");
    assert!(!all.to_string().contains("s3cretlabel"), "secrets are not shown");
    let sections = all["sections"].as_array().unwrap();
    let section = |path: &str| sections.iter().find(|one| one["path"] == path).unwrap();
    assert_eq!(section("reputation.list")["tables"][0]["secrets"], json!(["key"]));
    assert_eq!(section("system")["tables"][0]["values"]["hostname"], "mx.example.test");
    let hops = section("limits")["keys"].as_array().unwrap();
    let hops = hops.iter().find(|key| key["name"] == "hops").unwrap();
    assert!(hops["meaning"].as_str().unwrap().contains("Received"), "{hops}");

    let draft = |root: &mut Browser, changes: &Value| {
        call(root, "POST", "/api/configuration/draft", &json!({ "changes": changes }))
    };
    let changes = json!([
        { "section": "limits", "set": { "hops": "44" } },
        { "section": "domain", "set": { "name": "two.test", "next_hop": "smtp://127.0.0.1:9" } },
    ]);
    let made = json_of(&draft(&mut root, &changes));
    assert_eq!(made["checked"]["is_good"], true, "{made}");
    let diff = made["checked"]["diff"].as_str().unwrap();
    assert!(diff.contains("+hops = 44") && diff.contains("+name = \"two.test\""), "{diff}");
    assert!(!made.to_string().contains("s3cretlabel"), "{made}");
    let file = || std::fs::read_to_string(postern.setup().file()).unwrap();
    assert!(!file().contains("two.test"), "nothing is in force yet");
    let order = json!({ "text": made["text"], "base": made["base"], "reason": "by program" });
    done(&mut root, "POST", "/api/configuration/apply", &order);
    assert!(file().contains("hops = 44") && file().contains("s3cretlabel"), "{}", file());
    let stale = call(&mut root, "POST", "/api/configuration/apply", &order);
    assert_eq!(stale.status, 409, "{}", stale.body);
    let diff = asked(&mut root, "/api/configuration/diff");
    assert!(diff["diff"].as_str().unwrap().contains("+hops = 44"), "{diff}");
    assert!(!diff.to_string().contains("s3cretlabel"), "{diff}");
    let wrong =
        json_of(&draft(&mut root, &json!([{ "section": "limits", "set": { "recipients": "1" } }])));
    assert_eq!(wrong["checked"]["is_good"], false, "what is no configuration is said: {wrong}");
    for (changes, words) in [
        (json!([]), "changes"),
        (json!([{ "section": "limts" }]), "changes[0].section"),
        (json!([{ "section": "limits", "set": { "hops": "x" } }]), "changes[0].set.hops"),
        (json!([{ "section": "limits", "put": {} }]), "changes[0].put"),
        (json!([{ "section": "domain", "at": 7 }]), "changes[0].at"),
    ] {
        assert_refused(&draft(&mut root, &changes), 400, words);
    }

    // Rules: begun, drafted one by one, checked, published.
    let rule = json!({ "rule": { "name": "a", "last": { "word": "discard" }, "when": { "subject": "x" } } });
    let none = call(&mut root, "POST", "/api/policy/draft", &rule);
    assert_refused(&none, 409, "no text of rules");
    let begun = done(&mut root, "POST", "/api/policy/begin", &json!({}));
    assert!(begun["file"].as_str().unwrap().ends_with("rules.toml"), "{begun}");
    assert_eq!(call(&mut root, "POST", "/api/policy/begin", &json!({})).status, 409);
    let made = done(&mut root, "POST", "/api/policy/draft", &rule);
    assert_eq!(
        (&made["checked"]["is_good"], &made["checked"]["rules"]),
        (&json!(true), &json!(1)),
        "{made}"
    );
    assert!(made["checked"]["diff"].as_str().unwrap().contains("+name = \"a\""), "{made}");
    let order = json!({ "text": made["text"], "base": made["base"], "reason": "first" });
    done(&mut root, "POST", "/api/policy/publish", &order);
    let read = asked(&mut root, "/api/policy/rules/a");
    assert_eq!(read["last"]["word"], "discard", "{read}");
    assert_eq!(root.ask("GET", "/api/policy/rules/b", "", b"").status, 404);
    let gone = done(&mut root, "POST", "/api/policy/draft", &json!({ "original": "a" }));
    assert_eq!(gone["checked"]["rules"], 0, "{gone}");
    let odd = json!({ "rule": { "name": "b", "when": { "moon": "full" } } });
    assert_refused(&call(&mut root, "POST", "/api/policy/draft", &odd), 400, "moon");
}

#[test]
fn own_password_and_second_factor_are_changed_by_log_in_only() {
    let (postern, mut root) = owned(Setup::new());
    let order = json!({ "label": "k", "rights": ["see-mail"] });
    let issued = done(&mut root, "POST", "/api/account/keys", &order);
    let mut script = Browser::new(postern.site());
    let bearer = format!("Bearer {}", issued["secret"].as_str().unwrap());
    script.headers.push(("Authorization".into(), bearer));
    for (path, body) in [
        ("/api/account/password", json!({ "present": PASSWORD, "fresh": OTHER })),
        ("/api/account/second-factor/begin", json!({})),
        (
            "/api/account/second-factor",
            json!({ "secret": "A".repeat(32), "password": PASSWORD, "code": "1" }),
        ),
        ("/api/account/second-factor/drop", json!({ "password": PASSWORD, "code": "1" })),
    ] {
        let page = script.ask("POST", path, "application/json", body.to_string().as_bytes());
        assert!(
            [400, 403].contains(&page.status),
            "{path}: a stolen key takes nothing over: {}",
            page.body
        );
    }
    assert_eq!(script.ask("GET", "/api/account", "", b"").status, 200);

    let change = |root: &mut Browser, present: &str, fresh: &str| {
        call(root, "POST", "/api/account/password", &json!({ "present": present, "fresh": fresh }))
    };
    assert_refused(&change(&mut root, OTHER, OTHER), 400, "present password is wrong");
    assert_refused(&change(&mut root, PASSWORD, "aaaaaaaaaaaa"), 400, "easy to guess");
    let mut other = Browser::new(postern.site());
    other.log_in("root", PASSWORD, "");
    let page = change(&mut root, PASSWORD, OTHER);
    assert_eq!(json_of(&page)["ended"], 1, "{}", page.body);
    assert!(other.open("/account").says("Log in"), "other sessions end with the password");
    other.log_in("root", OTHER, "");
    assert!(other.cookies.contains_key("__Host-postern"));

    let begun = done(&mut root, "POST", "/api/account/second-factor/begin", &json!({}));
    assert!(begun["uri"].as_str().unwrap().starts_with("otpauth://totp/"), "{begun}");
    let wrong = json!({ "secret": begun["secret"], "password": OTHER, "code": "000000" });
    assert_eq!(call(&mut root, "POST", "/api/account/second-factor", &wrong).status, 400);
    let drop = json!({ "password": OTHER, "code": "1" });
    let off = call(&mut root, "POST", "/api/account/second-factor/drop", &drop);
    assert_refused(&off, 409, "off already");
    let ended = done(&mut root, "DELETE", "/api/account/sessions", &json!({}));
    assert_eq!(ended["ended"], 1, "the other one: {ended}");
    assert_eq!(asked(&mut root, "/api/account/sessions")["sessions"].as_array().unwrap().len(), 1);
    let acts = root.ask("GET", "/api/acts", "", b"").body;
    assert!(acts.contains("account.password") && !acts.contains(OTHER), "{acts}");
    assert!(!postern.log().contains(OTHER) && !acts.contains(begun["secret"].as_str().unwrap()));
}

#[test]
fn senders_and_accounts_are_listed_changed_and_taken_away() {
    let house = House::start(Setup::new().set("lists", "blocked = [\"@loud.test\"]"));
    let mut olive = house.log_in("olive");

    // Senders: by page, by program, each within their domains.
    let page = olive.open("/senders");
    assert!(page.says("@loud.test") && page.says("the configuration"), "{}", page.text());
    let fields = [("act", "block"), ("entry", "eve@sender.test"), ("list", "site")];
    assert!(olive.send(&page, "/senders", &fields).says("eve@sender.test is blocked"));
    let wide = [("act", "trust"), ("entry", "@test"), ("list", "site")];
    let refused = olive.send(&page, "/senders", &wide);
    assert_eq!((refused.status, refused.value("entry").as_deref()), (400, Some("@test")));
    let mut own = house.log_in("own");
    let page = own.open("/senders");
    assert!(!page.says("eve@sender.test"), "the site's list is not theirs: {}", page.text());
    let fields = [("act", "trust"), ("entry", "bo@sender.test"), ("list", "@example.test")];
    assert!(own.send(&page, "/senders", &fields).says("bo@sender.test is trusted"));
    let fields = [("act", "trust"), ("entry", "bo@sender.test"), ("list", "site")];
    assert_eq!(own.send(&page, "/senders", &fields).status, 404);
    let listed = asked(&mut olive, "/api/senders");
    assert_eq!(listed["senders"].as_array().unwrap().len(), 3, "{listed}");
    let page = olive.open("/senders?any=eve");
    assert!(!page.says("bo@sender.test"), "{}", page.text());
    let fields = [("act", "forget"), ("entry", "eve@sender.test"), ("list", "site")];
    assert!(olive.send(&page, "/senders", &fields).says("is forgotten"));
    let fields = [("act", "block"), ("entry", "x@y.test"), ("list", "")];
    assert_eq!(house.log_in("auditor").act("/senders", &fields).status, 403);

    // Accounts: who has one hands in mail with its password.
    let code = |name: &str, password: &str| {
        use base64::Engine;
        let text = format!("\0{name}\0{password}");
        let plain = base64::engine::general_purpose::STANDARD.encode(text);
        let mut client = client::Client::greeted(house.postern.submission());
        client.starttls();
        client.say(&format!("AUTH PLAIN {plain}")).code
    };
    let page = olive.open("/mailboxes");
    assert!(page.says("There is no account yet"), "{}", page.text());
    let fields = [("name", "ann"), ("password", PASSWORD), ("addresses", "ann@example.test")];
    assert!(olive.send(&page, "/mailboxes", &fields).says("ann may hand in mail"));
    assert_eq!((code("ann", PASSWORD), code("ann", OTHER)), (235, 535));
    let order = json!({ "name": "ann", "addresses": ["ann@example.test", "@office.test"] });
    let row = done(&mut olive, "POST", "/api/mailboxes", &order);
    assert_eq!(row["addresses"].as_array().unwrap().len(), 2, "{row}");
    assert_eq!(code("ann", PASSWORD), 235, "the password stays");
    let order = json!({ "name": "ann", "password": OTHER, "addresses": ["ann@example.test"] });
    done(&mut olive, "POST", "/api/mailboxes", &order);
    assert_eq!((code("ann", PASSWORD), code("ann", OTHER)), (535, 235));
    for order in [
        json!({ "name": "bob", "password": PASSWORD, "addresses": ["nobody"] }),
        json!({ "name": "bob", "addresses": ["bob@example.test"] }),
        json!({ "name": "b".repeat(600), "password": PASSWORD, "addresses": [] }),
    ] {
        assert_eq!(call(&mut olive, "POST", "/api/mailboxes", &order).status, 400, "{order}");
    }
    assert_eq!(ids_of(&asked(&mut olive, "/api/mailboxes")), ["ann"]);
    for name in ["own", "auditor"] {
        let page = call(&mut house.log_in(name), "POST", "/api/mailboxes", &order);
        assert_eq!(page.status, 403, "{name}");
    }
    assert_eq!(own.ask("GET", "/mailboxes", "", b"").status, 403);
    let page = olive.open("/mailboxes");
    assert!(olive.send(&page, "/mailboxes/remove", &[("name", "ann")]).says("not hand in mail"));
    assert_eq!(code("ann", OTHER), 535);
    let gone = call(&mut olive, "DELETE", "/api/mailboxes/ann", &json!({}));
    assert_eq!(gone.status, 404, "{}", gone.body);
    let acts = olive.ask("GET", "/api/acts?what=users", "", b"").body;
    assert!(acts.contains("users.put") && acts.contains("users.remove"), "{acts}");
    assert!(!acts.contains(OTHER) && !house.postern.log().contains(OTHER));
}

fn ids_of(answer: &Value) -> Vec<String> {
    let all = answer["mailboxes"].as_array().unwrap();
    all.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}
