//! The administrator's site against whoever should not be there: no log-in, too little a role,
//! other sites' forms, others' objects, hostile strings, too much of everything. Over every
//! route of the one table, with the real program over TLS.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use postern::admin::people::{ALL_RIGHTS, ROLES, Role};
use postern::admin::site::{Need, ROUTES, Route};
use serde_json::{Value, json};

use super::harness::browser::{exchange, raw};
use super::harness::{Act, Browser, Moment, Page, Postern, Setup, Sink, client, text, wait_for};

const PASSWORD: &str = "copper lantern 47 sings";
/// A name that no mail has.
const NO_MAIL: &str = "00000000000000000000";

fn routes() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().copied().flatten()
}

/// A path of a route, with something in its braces that is not there.
fn path_of(route: &Route) -> String {
    let part = |part: &str| match part {
        "{id}" | "{act_id}" => NO_MAIL.to_owned(),
        "{number}" => "4000000".to_owned(),
        "{topping}" => "senders".to_owned(),
        part if part.starts_with('{') => "nobody-such".to_owned(),
        part => part.to_owned(),
    };
    route.path.split('/').map(part).collect::<Vec<_>>().join("/")
}

fn is_safe(route: &Route) -> bool {
    route.method == "GET"
}

/// A box with an owner called root, and their browser.
fn owned(setup: Setup) -> (Postern, Browser) {
    let postern = setup.with_site().start();
    let mut root = Browser::new(postern.site());
    root.set_up(&postern.setup_code(), "root", PASSWORD);
    (postern, root)
}

/// The mark of a browser's session.
fn mark(browser: &mut Browser) -> String {
    browser.open("/account").value("csrf").expect("a form with a mark")
}

/// A request to the API by session.
fn call(browser: &mut Browser, method: &str, path: &str, body: &Value) -> Page {
    let mark = mark(browser);
    browser.headers = vec![("X-CSRF-Token".into(), mark)];
    let page = browser.ask(method, path, "application/json", body.to_string().as_bytes());
    browser.headers.clear();
    page
}

fn json_of(page: &Page) -> Value {
    serde_json::from_str(&page.body).unwrap_or_else(|error| panic!("{error}: {}", page.body))
}

/// Somebody of this role, logged in.
fn somebody(root: &mut Browser, site: SocketAddr, name: &str, role: Role, of: &[&str]) -> Browser {
    let person = json!({ "name": name, "password": PASSWORD, "role": role, "domains": of });
    let added = call(root, "POST", "/api/people", &person);
    assert_eq!(added.status, 200, "{}", added.body);
    let mut browser = Browser::new(site);
    browser.log_in(name, PASSWORD, "");
    assert!(browser.cookies.contains_key("__Host-postern"), "{name} is logged in");
    browser
}

/// A key of this browser's person with these rights.
fn key(browser: &mut Browser, rights: &[&str]) -> String {
    let issued =
        call(browser, "POST", "/api/account/keys", &json!({ "label": "k", "rights": rights }));
    assert_eq!(issued.status, 200, "{}", issued.body);
    json_of(&issued)["secret"].as_str().unwrap().to_owned()
}

/// A request with a key, and nothing else.
fn with_key(site: SocketAddr, key: &str, method: &str, path: &str, body: &str) -> Page {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {site}\r\nConnection: close\r\nAuthorization: Bearer \
         {key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    raw(site, request.as_bytes())
}

/// What every answer has.
fn assert_guarded(page: &Page, what: &str) {
    let header = |name: &str| page.header(name).unwrap_or_else(|| panic!("{what}: no {name}"));
    let policy = header("content-security-policy");
    assert!(policy.contains("default-src"), "{what}: {policy}");
    assert!(!policy.contains("unsafe"), "{what}: {policy}");
    assert!(header("strict-transport-security").contains("max-age="), "{what}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{what}");
    assert!(["DENY", "SAMEORIGIN"].contains(&header("x-frame-options")), "{what}");
    assert!(page.header("referrer-policy").is_some(), "{what}");
    assert_eq!(header("cache-control"), "no-store", "{what}");
    let kind = header("content-type");
    assert!(!kind.starts_with("text/") || kind.contains("charset=utf-8"), "{what}: {kind}");
    for telling in ["access-control-allow-origin", "server", "x-powered-by"] {
        assert!(page.header(telling).is_none(), "{what}: {telling}");
    }
}

#[test]
fn who_is_not_logged_in_gets_nothing() {
    let (postern, _root) = owned(Setup::new());
    let mut open = BTreeSet::new();
    for route in routes() {
        let mut stranger = Browser::new(postern.site());
        let page = stranger.ask(route.method, &path_of(route), "application/json", b"{}");
        let what = format!("{} {}: {}", route.method, route.path, page.status);
        assert_guarded(&page, &what);
        if route.need == Need::Nothing {
            open.insert(route.path);
            continue;
        }
        match page.status {
            404 if route.need == Need::Token => {}
            _ if route.need == Need::Token => panic!("{what}\n{}", page.body),
            401 | 403 | 404 => {}
            303 => assert!(page.location().starts_with("/login"), "{what} {}", page.location()),
            _ => panic!("{what}\n{}", page.body),
        }
    }
    let known = ["/health", "/login", "/setup", "/setup/code", "/setup/owner", "/theme"];
    for path in &open {
        assert!(known.contains(path), "{path} is open to everybody");
    }
    // Paths that are not there look the same.
    let mut stranger = Browser::new(postern.site());
    assert_eq!(stranger.ask("GET", "/api/nothing", "", b"").status, 401);
    assert_eq!(stranger.ask("GET", "/nothing", "", b"").status, 303);
}

/// Goes on as long as somebody reads it.
const STREAM: &str = "/events";

#[test]
fn each_role_may_what_it_may_on_every_route() {
    let (postern, mut root) = owned(Setup::new());
    let mut asked = 0;
    for role in ROLES {
        let name = format!("one-{}", role.name());
        let mut browser = somebody(&mut root, postern.site(), &name, *role, &[]);
        let mark = mark(&mut browser);
        browser.headers = vec![("X-CSRF-Token".into(), mark)];
        for route in routes().filter(|route| route.path != STREAM) {
            let Need::Right(right) = route.need else { continue };
            let page = browser.ask(route.method, &path_of(route), "application/json", b"{}");
            let what = format!("{} {} {}: {}", role.name(), route.method, route.path, page.status);
            assert_guarded(&page, &what);
            match role.rights().has(right) {
                true => assert!(
                    ![401, 403].contains(&page.status) && page.status < 500,
                    "{what}\n{}",
                    page.body
                ),
                false => assert_eq!(page.status, 403, "{what}"),
            }
            asked += 1;
        }
    }
    assert!(asked > 6 * 40, "{asked}");
}

#[test]
fn who_is_of_some_domains_has_no_rights_over_the_site() {
    let (postern, mut root) = owned(Setup::new());
    let mut ann =
        somebody(&mut root, postern.site(), "ann", Role::Administrator, &["example.test"]);
    for path in
        ["/api/acts", "/api/configuration", "/api/policy", "/api/people", "/metrics", "/audit"]
    {
        assert_eq!(ann.ask("GET", path, "", b"").status, 403, "{path}");
    }
    assert_eq!(ann.ask("GET", "/api/queue", "", b"").status, 200);
}

#[test]
fn forms_of_other_sites_change_nothing() {
    let (postern, mut root) = owned(Setup::new());
    let (site, mark) = (postern.site(), mark(&mut root));
    let cookie = format!("__Host-postern={}", root.cookies["__Host-postern"]);
    // Who holds the secret of a link is no session; other sites' forms with one are refused in
    // the scenarios of approvals.
    let by_session = |route: &&Route| !matches!(route.need, Need::Nothing | Need::Token);
    for route in routes().filter(|route| !is_safe(route)).filter(by_session) {
        let path = path_of(route);
        let own = format!("Origin: https://{site}\r\n");
        let token = format!("X-CSRF-Token: {mark}\r\n");
        let tries = [
            ("no mark", own.clone()),
            ("a wrong mark", format!("{own}X-CSRF-Token: {}\r\n", "A".repeat(mark.len()))),
            ("another origin", format!("Origin: https://evil.test\r\n{token}")),
            ("no origin that can be told", format!("Origin: null\r\n{token}")),
            ("cross-site by its own words", format!("{own}Sec-Fetch-Site: cross-site\r\n{token}")),
        ];
        for (why, headers) in tries {
            let request = format!(
                "{} {path} HTTP/1.1\r\nHost: {site}\r\nConnection: close\r\nCookie: {cookie}\r\n\
                 {headers}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}",
                route.method
            );
            let page = raw(site, request.as_bytes());
            assert_eq!(page.status, 403, "{why}: {} {path}\n{}", route.method, page.body);
        }
    }
    assert_eq!(root.ask("GET", "/api/account", "", b"").status, 200, "still logged in");
}

#[test]
fn the_session_cookie_goes_nowhere_else() {
    let (postern, _root) = owned(Setup::new());
    let mut browser = Browser::new(postern.site());
    let page = browser.post("/login", &[("name", "root"), ("password", PASSWORD), ("code", "")]);
    let cookie = page
        .headers
        .iter()
        .find(|(name, value)| name == "set-cookie" && value.starts_with("__Host-postern="));
    let (_, cookie) = cookie.expect("a cookie");
    for attribute in ["; Secure", "; HttpOnly", "; SameSite=Strict", "; Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    let first = browser.cookies["__Host-postern"].clone();
    assert!(first.len() >= 32, "{first}");
    let account = browser.open("/account");
    browser.send(&account, "/logout", &[]);
    browser.cookies.insert("__Host-postern".into(), first);
    let after = browser.ask("GET", "/api/account", "", b"");
    assert_eq!(after.status, 401, "the session ended with the log-out");
}

#[test]
fn a_log_in_begins_a_new_session_and_a_made_up_one_is_nobody() {
    let (postern, _root) = owned(Setup::new());
    let mut browser = Browser::new(postern.site());
    let chosen = "A".repeat(43);
    browser.cookies.insert("__Host-postern".into(), chosen.clone());
    assert_eq!(browser.ask("GET", "/api/account", "", b"").status, 401);
    browser.log_in("root", PASSWORD, "");
    assert_ne!(browser.cookies["__Host-postern"], chosen, "the session is not fixed beforehand");
    assert_eq!(browser.ask("GET", "/api/account", "", b"").status, 200);
}

/// A box with mail for example.test in its queue, and the mail's name.
fn with_mail() -> (Postern, Browser, Sink, String) {
    let sink = Sink::options()
        .script(|_, moment| match moment {
            Moment::Rcpt(_) => Act::Say("450 4.2.0 not yet"),
            _ => Act::Proceed,
        })
        .start();
    let setup = Setup::new()
        .next_hop(sink.hop())
        .set("delivery", "retry_first_s = 600")
        .set("delivery", "retry_max_s = 600");
    let (postern, root) = owned(setup);
    let sent = text::message("Secret plans", "plans@sender.test");
    let reply = client::send(postern.inbound(), "eve@sender.test", &["bob@example.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
    let queue = wait_for("a queued mail", || Some(postern.queue()).filter(|all| !all.is_empty()));
    let id = queue[0]["mail_id"].as_str().unwrap().to_owned();
    (postern, root, sink, id)
}

#[test]
fn others_objects_are_as_if_they_were_not_there() {
    let (postern, mut root, _sink, id) = with_mail();
    let site = postern.site();
    let mut own = somebody(&mut root, site, "own", Role::Administrator, &["example.test"]);
    let mut other = somebody(&mut root, site, "other", Role::Administrator, &["elsewhere.test"]);
    for path in [format!("/api/mails/{id}"), format!("/api/queue/{id}")] {
        assert_eq!(own.ask("GET", &path, "", b"").status, 200, "{path}");
        assert_eq!(other.ask("GET", &path, "", b"").status, 404, "{path}");
    }
    for path in ["/api/mails", "/api/queue"] {
        let seen = |browser: &mut Browser| {
            let page = browser.ask("GET", path, "", b"");
            json_of(&page)["mails"].as_array().unwrap().len()
        };
        assert_eq!((seen(&mut own), seen(&mut other)), (1, 0), "{path}");
    }
    let waiting = |browser: &mut Browser| {
        let status = json_of(&browser.ask("GET", "/api/status", "", b""));
        ["active", "deferred", "hold"].map(|state| status[state].as_u64().unwrap()).iter().sum()
    };
    let seen: (u64, u64) = (waiting(&mut own), waiting(&mut other));
    assert_eq!(seen, (1, 0), "the queue is counted as far as it is theirs");
    let reroute = |browser: &mut Browser, hops: &[&str]| {
        let path = format!("/api/queue/{id}/reroute");
        call(browser, "POST", &path, &json!({ "hops": hops })).status
    };
    assert_eq!(reroute(&mut other, &["127.0.0.1:1"]), 403);
    assert_eq!(reroute(&mut own, &["127.0.0.1:1"]), 403);
    assert_eq!(reroute(&mut root, &["maildir:/tmp/x"]), 400);
    assert_eq!(reroute(&mut root, &[]), 400);
    assert_eq!(reroute(&mut root, &["127.0.0.1:1"]), 200);
    assert_eq!(call(&mut root, "POST", &format!("/api/queue/{id}/normal"), &json!({})).status, 200);
    let bounce = format!("/api/queue/{id}/bounce");
    assert_eq!(call(&mut other, "POST", &bounce, &json!({ "reason": "no" })).status, 404);
    for act in ["hold", "retry", "release", "remove"] {
        let path = format!("/api/queue/{id}/{act}");
        assert_eq!(call(&mut other, "POST", &path, &json!({})).status, 404, "{path}");
    }
    let path = format!("/api/queue/{id}/hold");
    assert_eq!(call(&mut own, "POST", &path, &json!({})).status, 200);
    let order = json!({ "act": "block", "entry": "eve@sender.test" });
    assert_eq!(call(&mut own, "POST", "/api/senders", &order).status, 404, "the site's list");
    let order = json!({ "act": "block", "entry": "eve@sender.test", "domain": "example.test" });
    assert_eq!(call(&mut other, "POST", "/api/senders", &order).status, 404);
    assert_eq!(call(&mut own, "POST", "/api/senders", &order).status, 200);
    // What belongs to one person alone.
    let sessions = json_of(&own.ask("GET", "/api/account/sessions", "", b""));
    let session = sessions["sessions"][0]["session"].as_str().unwrap().to_owned();
    key(&mut own, &["see-mail"]);
    let keys = json_of(&own.ask("GET", "/api/account/keys", "", b""));
    let name = keys["keys"][0]["key"].as_str().unwrap().to_owned();
    for path in [format!("/api/account/sessions/{session}"), format!("/api/account/keys/{name}")] {
        assert_eq!(call(&mut other, "DELETE", &path, &json!({})).status, 404, "{path}");
    }
    assert_eq!(own.ask("GET", "/api/account", "", b"").status, 200);
}

#[test]
fn keys_may_what_they_carry_and_no_more() {
    let (postern, mut root) = owned(Setup::new());
    let site = postern.site();
    let narrow = key(&mut root, &["see-mail"]);
    assert_eq!(with_key(site, &narrow, "GET", "/api/queue", "").status, 200);
    for (method, path) in [("GET", "/api/acts"), ("GET", "/metrics"), ("GET", "/api/people")] {
        assert_eq!(with_key(site, &narrow, method, path, "").status, 403, "{path}");
    }
    let more = json!({ "label": "more", "rights": ["people"] }).to_string();
    assert_eq!(with_key(site, &narrow, "POST", "/api/account/keys", &more).status, 403);
    let people = key(&mut root, &["people"]);
    let owner = json!({ "name": "eve", "password": PASSWORD, "role": "owner" }).to_string();
    assert_eq!(with_key(site, &people, "POST", "/api/people", &owner).status, 403);
    let taken = json!({ "password": PASSWORD }).to_string();
    assert_eq!(with_key(site, &people, "POST", "/api/people/root/password", &taken).status, 403);
    let metrics = key(&mut root, &["see-settings"]);
    let counters = with_key(site, &metrics, "GET", "/metrics", "");
    assert_eq!(counters.status, 200);
    assert!(counters.body.contains("# TYPE"), "{}", counters.body);
    assert_eq!(with_key(site, "postern_made-up", "GET", "/api/queue", "").status, 401);
    assert!(!postern.log().contains(&narrow), "no key in the log");
    assert!(!postern.log().contains(PASSWORD), "no password either");
}

#[test]
fn a_key_opens_no_page() {
    let (postern, mut root) = owned(Setup::new());
    let site = postern.site();
    let rights: Vec<&str> = ALL_RIGHTS.iter().map(|right| right.name()).collect();
    let whole = key(&mut root, &rights);
    let is_page = |route: &&Route| !route.path.starts_with("/api/") && route.path != "/metrics";
    let is_guarded = |route: &&Route| !matches!(route.need, Need::Nothing | Need::Token);
    let pages: Vec<&Route> = routes().filter(is_page).filter(is_guarded).collect();
    assert!(pages.len() > 50, "{}", pages.len());
    for route in pages {
        let page = with_key(site, &whole, route.method, &path_of(route), "");
        assert_eq!(page.status, 403, "{} {}: {}", route.method, route.path, page.body);
    }
    // Forms that the API would refuse are refused as well.
    let people = key(&mut root, &["people"]);
    for (path, form) in [
        (
            "/people",
            format!("name=eve&role=owner&domains=&password={}", PASSWORD.replace(' ', "+")),
        ),
        ("/people/root/password", String::new()),
        ("/people/root/remove", String::new()),
    ] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {site}\r\nConnection: close\r\nAuthorization: Bearer \
             {people}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\
             \r\n{form}",
            form.len()
        );
        assert_eq!(raw(site, request.as_bytes()).status, 403, "{path}");
    }
    assert_eq!(root.ask("GET", "/api/people/eve", "", b"").status, 404);
    let refused = root.ask("GET", "/api/acts?what=access.refused", "", b"");
    assert!(refused.body.contains("root (key k)"), "{}", refused.body);
}

#[test]
fn a_key_makes_no_key_and_ends_no_session() {
    let (postern, mut root) = owned(Setup::new());
    let site = postern.site();
    let rights: Vec<&str> = ALL_RIGHTS.iter().map(|right| right.name()).collect();
    let whole = key(&mut root, &rights);
    let first = |browser: &mut Browser, list: &str, name: &str| {
        let page = browser.ask("GET", &format!("/api/account/{list}"), "", b"");
        json_of(&page)[list][0][name].as_str().unwrap().to_owned()
    };
    let session = first(&mut root, "sessions", "session");
    let name = first(&mut root, "keys", "key");
    let more = json!({ "label": "long", "rights": ["see-mail"], "days": 365 });
    let password = json!({ "password": PASSWORD });
    for (method, path, body) in [
        ("POST", "/api/account/keys".to_owned(), &more),
        ("DELETE", format!("/api/account/keys/{name}"), &Value::Null),
        ("DELETE", "/api/account/sessions".into(), &Value::Null),
        ("DELETE", format!("/api/account/sessions/{session}"), &Value::Null),
        // Nor by the way of who manages people.
        ("DELETE", "/api/people/root/sessions".into(), &Value::Null),
        ("DELETE", "/api/people/root/second-factor".into(), &Value::Null),
        ("DELETE", "/api/people/root".into(), &Value::Null),
        ("PUT", "/api/people/root".into(), &json!({ "role": "owner", "is_disabled": true })),
        ("POST", "/api/people/root/password".into(), &password),
    ] {
        let page = with_key(site, &whole, method, &path, &body.to_string());
        assert_eq!(page.status, 403, "{method} {path}: {}", page.body);
        assert!(page.body.contains("log-in only"), "{}", page.body);
    }
    assert_eq!(root.ask("GET", "/api/account", "", b"").status, 200, "still logged in");
    // Others whom it outranks are its business, owners are not that of a key with fewer rights.
    let helen = json!({ "name": "helen", "password": PASSWORD, "role": "helpdesk" }).to_string();
    assert_eq!(with_key(site, &whole, "POST", "/api/people", &helen).status, 200);
    let sessions = "/api/people/helen/sessions";
    assert_eq!(with_key(site, &whole, "DELETE", sessions, "").status, 200);
    let people = key(&mut root, &["people"]);
    assert_eq!(with_key(site, &people, "DELETE", sessions, "").status, 403);
    // It ends with its revocation.
    let there = format!("/api/account/keys/{name}");
    assert_eq!(call(&mut root, "DELETE", &there, &json!({})).status, 200);
    assert_eq!(with_key(site, &whole, "GET", "/api/queue", "").status, 401);
}

#[test]
fn wrong_passwords_are_slowed_down_and_tell_nothing() {
    let (postern, _root) = owned(Setup::new());
    let mut browser = Browser::new(postern.site());
    let try_in = |browser: &mut Browser, name: &str, password: &str| {
        browser.post("/login", &[("name", name), ("password", password), ("code", "")])
    };
    let known = try_in(&mut browser, "root", "wrong");
    let unknown = try_in(&mut browser, "nobody", "wrong");
    assert_eq!((known.status, unknown.status), (401, 401));
    assert_eq!(known.body, unknown.body, "names cannot be found out");
    let refused = (0..10).map(|_| try_in(&mut browser, "root", "wrong").status);
    let refused = refused.filter(|status| *status == 429).count();
    assert!(refused >= 5, "{refused}");
    assert_eq!(try_in(&mut browser, "root", PASSWORD).status, 429, "not even the right one now");
}

#[test]
fn one_address_asks_so_much_a_minute_and_no_more() {
    let (postern, _root) = owned(Setup::new());
    let site = postern.site();
    let one = format!("GET /health HTTP/1.1\r\nHost: {site}\r\n\r\n");
    let last = format!("GET /health HTTP/1.1\r\nHost: {site}\r\nConnection: close\r\n\r\n");
    let mut refused = 0;
    for _ in 0..30 {
        let answers = exchange(site, format!("{}{last}", one.repeat(99)).as_bytes());
        refused += String::from_utf8_lossy(&answers).matches("HTTP/1.1 429").count();
    }
    assert!(refused > 0, "three thousand requests at once were all answered");
}

#[test]
fn bodies_that_are_too_large_are_refused() {
    let (postern, mut root) = owned(Setup::new());
    let (site, mark) = (postern.site(), mark(&mut root));
    let cookie = format!("__Host-postern={}", root.cookies["__Host-postern"]);
    let most = postern::admin::site::FORM_OCTETS;
    for (octets, is_refused) in [(most, false), (most + 1, true)] {
        let head = format!(
            "POST /theme HTTP/1.1\r\nHost: {site}\r\nConnection: close\r\nCookie: {cookie}\r\n\
             X-CSRF-Token: {mark}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {octets}\r\n\r\n"
        );
        let page = raw(site, &[head.into_bytes(), vec![b'a'; octets]].concat());
        assert_eq!(page.status == 413, is_refused, "{octets}: {}", page.status);
        assert_guarded(&page, "a large body");
    }
}

/// What somebody might write into any field.
fn hostile_strings() -> Vec<String> {
    let known = [
        "'\"><script>alert(1)</script>",
        "%00",
        "\u{202e}txt.exe",
        "../../../../etc/passwd",
        "' OR 1=1 --",
        "${7*7}{{7*7}}",
        "=HYPERLINK(1)",
        "a\r\nSet-Cookie: x=y",
        "%",
        "%zz",
        "\u{0}\u{1}",
        "<>",
        "[",
        "(?:",
        "-1",
        "99999999999999999999999",
        "\u{1f600}",
        "null",
        "*",
    ];
    known.map(str::to_owned).into_iter().chain(["x".repeat(9_000)]).collect()
}

/// Names that pages and the API know.
const FIELDS: &[&str] = &[
    "sender",
    "recipient",
    "any",
    "q",
    "subject",
    "message_id",
    "client",
    "verdict",
    "rule",
    "finding",
    "virus",
    "direction",
    "state",
    "since_ms",
    "until_ms",
    "since",
    "until",
    "from",
    "before",
    "limit",
    "area",
    "name",
    "who",
    "what",
    "object",
    "span",
    "pattern",
    "against",
    "old",
    "new",
    "next",
    "domain",
    "destination",
    "mail_id",
    "page",
];

/// Every page and every answer of the API with every hostile string: in all fields at once, in
/// one field by itself where a wrong one is refused at once, and in the path.
fn hostile_paths() -> Vec<String> {
    let encoded = |text: &str| {
        form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
    };
    let short = |text: &str| encoded(&text[..text.floor_char_boundary(500)]);
    let mut paths = Vec::new();
    for text in hostile_strings() {
        for route in routes().filter(|route| is_safe(route) && route.path != STREAM) {
            let part = |part: &str| match part.starts_with('{') {
                true => encoded(&text),
                false => part.to_owned(),
            };
            let path = route.path.split('/').map(part).collect::<Vec<_>>().join("/");
            let all: String =
                FIELDS.iter().map(|name| format!("{name}={}&", short(&text))).collect();
            paths.push(format!("{path}?{all}"));
            let one = FIELDS[text.len() % FIELDS.len()];
            paths.push(format!("{path}?{one}={}", encoded(&text)));
        }
        for name in
            ["sender", "recipient", "any", "subject", "message_id", "rule", "finding", "virus"]
        {
            paths.push(format!("/api/mails?{name}={}", short(&text)));
        }
    }
    paths
}

#[test]
fn hostile_strings_break_nothing() {
    // Well below what one address may ask for at once; some pages wait for a DNS that is silent.
    const OF_ONE: usize = 250;
    let (_postern, root, _sink, _) = with_mail();
    let paths = hostile_paths();
    assert!(paths.len() > 2_000, "{}", paths.len());
    let slowest = std::thread::scope(|scope| {
        let asking = paths.chunks(OF_ONE).enumerate().map(|(at, paths)| {
            let mut browser = root.clone();
            browser.own = Some(std::net::Ipv4Addr::new(127, 0, 0, 10 + at as u8));
            scope.spawn(move || {
                let ask = |path: &String| (ask_hostile(&mut browser, path), path.clone());
                paths.iter().map(ask).max().unwrap()
            })
        });
        let asking: Vec<_> = asking.collect();
        asking.into_iter().map(|one| one.join().unwrap()).max().unwrap()
    });
    let (took, path) = slowest;
    println!("{} requests, the slowest {took:?}: {path:.80}", paths.len());
}

/// Asks, and looks at the answer; how long it took.
fn ask_hostile(browser: &mut Browser, path: &str) -> Duration {
    let begun = Instant::now();
    let page = browser.get(path);
    let took = begun.elapsed();
    let what = format!("{path:.200}: {}", page.status);
    assert!(page.status < 500 && page.status != 429, "{what}\n{}", page.body);
    if path.starts_with("/api/mails?") {
        assert!([200, 400].contains(&page.status), "{what}\n{}", page.body);
    }
    assert!(!page.body.contains("<script>alert"), "{what}\n{}", page.body);
    let is_added =
        |(name, value): &(String, String)| name == "set-cookie" && value.starts_with("x=y");
    assert!(!page.headers.iter().any(is_added), "{what}");
    took
}

#[test]
fn wrong_input_is_named() {
    let (_postern, mut root) = owned(Setup::new());
    for (path, field) in [
        ("/api/queue?limit=0", "limit"),
        ("/api/queue?limit=1001", "limit"),
        ("/api/queue?limit=x", "limit"),
        ("/api/queue?state=odd", "state"),
        ("/api/queue?stat=hold", "stat"),
        ("/api/queue?limit=1&limit=2", "limit"),
        ("/api/mails?client=nowhere", "client"),
        ("/api/mails?before=x", "before"),
    ] {
        let page = root.ask("GET", path, "", b"");
        assert_eq!(page.status, 400, "{path}: {}", page.body);
        let error = json_of(&page)["error"].as_str().unwrap().to_owned();
        assert!(error.contains(field), "{path}: {error}");
    }
    for (path, body, field) in [
        ("/api/people", json!({ "name": "x" }), "password"),
        ("/api/people", json!({ "name": 7, "password": "p", "role": "owner" }), "name"),
        ("/api/people", json!({ "name": "x", "password": "p", "role": "king" }), "role"),
        ("/api/account/keys", json!({ "label": "x", "rights": ["see-mail", "fly"] }), "rights[1]"),
        ("/api/account/keys", json!({ "label": "x", "rights": ["see-mail"], "days": 0 }), "days"),
        ("/api/senders", json!({ "act": "trust", "entry": "a@b.test", "more": 1 }), "more"),
        ("/api/policy/try", json!({ "pattern": "(", "text": "" }), "pattern"),
    ] {
        let page = call(&mut root, "POST", path, &body);
        assert_eq!(page.status, 400, "{path} {body}: {}", page.body);
        let error = json_of(&page)["error"].as_str().unwrap().to_owned();
        assert!(error.contains(field), "{path} {body}: {error}");
    }
}

#[test]
fn bodies_of_another_kind_and_methods_that_are_not_in_use_are_refused() {
    let (_postern, mut root) = owned(Setup::new());
    let mark = mark(&mut root);
    root.headers = vec![("X-CSRF-Token".into(), mark)];
    for kind in ["text/plain", "application/xml", ""] {
        let page =
            root.ask("POST", "/api/senders", kind, b"{\"act\":\"block\",\"entry\":\"a@b.test\"}");
        assert_eq!(page.status, 400, "{kind}: {}", page.body);
    }
    for method in ["TRACE", "OPTIONS", "PATCH", "ODD"] {
        let page = root.ask(method, "/api/senders", "application/json", b"{}");
        assert!([400, 405].contains(&page.status), "{method}: {}", page.status);
    }
}

#[test]
fn who_speaks_no_tls_gets_no_answer() {
    use std::io::{Read, Write};
    let (postern, _root) = owned(Setup::new());
    let mut stream = std::net::TcpStream::connect(postern.site()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(b"GET /login HTTP/1.1\r\nHost: box\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1"), "{answer:?}");
}

#[test]
fn the_document_is_served_and_its_plain_paths_answer_json() {
    let (postern, mut root) = owned(Setup::new());
    let rights: Vec<&str> = ALL_RIGHTS.iter().map(|right| right.name()).collect();
    let key = key(&mut root, &rights);
    let document = json_of(&with_key(postern.site(), &key, "GET", "/api/openapi.json", ""));
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    for route in routes().filter(|route| route.path.starts_with("/api/")) {
        let method = route.method.to_ascii_lowercase();
        assert!(paths[route.path][&method].is_object(), "{} {}", route.method, route.path);
    }
    for (path, methods) in paths {
        let kind = methods["get"]["responses"]["200"]["content"].as_object();
        if path.contains('{') || !kind.is_some_and(|kind| kind.contains_key("application/json")) {
            continue;
        }
        let page = with_key(postern.site(), &key, "GET", path, "");
        assert!([200, 404].contains(&page.status), "{path}: {} {}", page.status, page.body);
        json_of(&page);
    }
}

#[test]
fn slow_requests_end_and_keep_nobody_waiting() {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    let (postern, mut root) = owned(Setup::new());
    let site = postern.site();
    let slow: Vec<TcpStream> = (0..30).map(|_| TcpStream::connect(site).unwrap()).collect();
    let begun = Instant::now();
    let page = root.ask("GET", "/api/account", "", b"");
    assert_eq!(page.status, 200);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    // The handshake that never comes is not waited for for ever.
    for mut stream in slow {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let _ = stream.write(b"");
        let ended = stream.read(&mut [0; 64]);
        assert!(ended.is_ok(), "still open after {:?}", begun.elapsed());
    }
    // Nor the end of a body.
    let begun = Instant::now();
    let request = format!(
        "POST /login HTTP/1.1\r\nHost: {site}\r\nContent-Type: \
         application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nname=root"
    );
    let answer = std::panic::catch_unwind(|| raw_patient(site, request.as_bytes()));
    let answer = answer.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

/// What comes back to a request that never ends.
fn raw_patient(site: SocketAddr, request: &[u8]) -> String {
    use std::io::{Read, Write};
    let stream = std::net::TcpStream::connect(site).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(200))).unwrap();
    let name = rustls::pki_types::ServerName::try_from("mx.example.test").unwrap();
    let config = super::harness::tls::client_config();
    let session = rustls::ClientConnection::new(config, name).unwrap();
    let mut stream = rustls::StreamOwned::new(session, stream);
    stream.write_all(request).unwrap();
    stream.flush().unwrap();
    let mut answer = [0; 4_096];
    let octets = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..octets]).into_owned()
}

#[test]
fn every_test_that_the_asvs_table_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(root.join("tests/asvs.md")).unwrap();
    let mut named = 0;
    for line in table.lines().filter(|line| line.starts_with("| V") || line.starts_with("| 1")) {
        let tests: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test: {line}");
        for test in tests {
            let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("{test}"));
            let source = std::fs::read_to_string(root.join(file));
            let source = source.unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(source.contains(&format!("fn {name}(")), "{file} has no {name}");
            let at = source.find(&format!("fn {name}(")).unwrap();
            let before = &source[at.saturating_sub(160)..at];
            assert!(before.contains("test"), "{name} in {file} is no test");
            named += 1;
        }
    }
    assert!(named > 30, "{named}");
}
