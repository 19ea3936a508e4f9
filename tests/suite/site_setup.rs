//! The first visit to the administrator's site, and what an owner then does there: settings,
//! people, own account, audit. The real program over TLS.

use std::time::{SystemTime, UNIX_EPOCH};

use totp_rs::{Builder, Secret};

use super::harness::{Browser, Page, Postern, Setup, Sink, tls};

const PASSWORD: &str = "correct-horse-battery-9";
const OTHER: &str = "staple-magnet-orchid-77";

/// A box with an owner who is logged in.
fn owned(setup: Setup) -> (Postern, Browser) {
    let postern = setup.with_site().start();
    let mut browser = Browser::new(postern.site());
    browser.set_up(&postern.setup_code(), "ann", PASSWORD);
    (postern, browser)
}

/// Sends a form of this page and, from the page that shows what would change, puts it in force.
fn put_in_force(browser: &mut Browser, page: &Page, path: &str, fields: &[(&str, &str)]) -> Page {
    let review = browser.send(page, path, fields);
    assert!(review.says("What would change"), "{}", review.text());
    let carried = |name: &str| review.value(name).unwrap_or_default();
    let (base, back, text) = (carried("base"), carried("back"), carried("text"));
    let text = text.strip_prefix('\n').unwrap_or(&text);
    let fields = [("base", &*base), ("back", &*back), ("text", text), ("reason", "scenario")];
    browser.send(&review, "/settings/apply", &fields)
}

#[test]
fn the_first_visit_asks_for_the_code_and_makes_the_owner() {
    let postern = Setup::new().with_site().start();
    let mut browser = Browser::new(postern.site());
    let page = browser.open("/people");
    assert!(page.says("One-time code"), "{}", page.text());
    let wrong = browser.send(&page, "/setup/code", &[("code", "AAAA-BBBB-CCCC")]);
    assert_eq!(wrong.status, 401);
    let fields = [("name", "ann"), ("password", PASSWORD), ("again", PASSWORD)];
    let early = browser.send(&page, "/setup/owner", &fields);
    assert!(early.says("One-time code"), "no owner without the code: {}", early.text());
    let code = postern.setup_code();
    assert!(postern.log().contains(&code), "the code is printed at start");
    let page = browser.send(&page, "/setup/code", &[("code", &code.to_lowercase())]);
    assert!(page.says("Who owns this box?"), "{}", page.text());
    let weak = [("name", "ann"), ("password", "password123"), ("again", "password123")];
    let refused = browser.send(&page, "/setup/owner", &weak);
    assert_eq!(refused.status, 422);
    assert!(refused.says("too easy to guess"));
    assert_eq!(refused.value("name").as_deref(), Some("ann"), "what was typed stays");
    browser.send(&page, "/setup/owner", &fields);
    assert!(browser.cookies.contains_key("__Host-postern"), "logged in");
    assert!(!browser.cookies.contains_key("__Host-setup"), "the code's own cookie is gone");
    assert!(!postern.setup().dir().join("data/setup-code").exists());
    let mut stranger = Browser::new(postern.site());
    assert!(stranger.open("/setup").says("Log in"), "the code is good for nothing now");
    let again = stranger.post("/setup/code", &[("code", &code)]);
    assert_eq!(again.status, 409);
    assert!(stranger.log_in("ann", "wrong password", "").says("Name, password or code is wrong"));
    stranger.log_in("ANN", PASSWORD, "");
    assert!(stranger.cookies.contains_key("__Host-postern"));
}

#[test]
fn a_newcomer_sets_the_box_up_and_sees_a_message_arrive() {
    let sink = Sink::start();
    let (postern, mut browser) = owned(Setup::new());
    let page = browser.open("/setup");
    assert!(page.says("First steps"), "{}", page.text());
    let name = browser.open("/setup/name");
    assert_eq!(name.value("hostname").as_deref(), Some("mx.example.test"));
    let wrong =
        browser.send(&name, "/setup/name", &[("hostname", "a b"), ("postmaster", "p@x.test")]);
    assert_eq!(wrong.status, 422);
    assert_eq!(wrong.value("hostname").as_deref(), Some("a b"), "what was typed stays");
    let fields = [("hostname", "mx2.example.test"), ("postmaster", "boss@example.test")];
    assert!(browser.send(&name, "/setup/name", &fields).says("The box is mx2.example.test now"));
    let file = std::fs::read_to_string(postern.setup().file()).unwrap();
    assert!(file.contains("hostname = \"mx2.example.test\""), "{file}");

    let hop = sink.hop().to_string();
    let page = browser.open("/setup/domains");
    let tried = browser.send(
        &page,
        "/setup/hop",
        &[("hop", hop.as_str()), ("recipient", "bob@example.test")],
    );
    assert!(tried.says("it takes mail for bob@example.test"), "{}", tried.text());
    assert!(tried.says("→ RCPT TO:<bob@example.test>"), "word for word: {}", tried.text());
    let dead = browser.send(&page, "/setup/hop", &[("hop", "smtp://127.0.0.1:9")]);
    assert!(dead.says("does not work"), "{}", dead.text());
    let fields = [("name", "example.test"), ("next_hop", hop.as_str())];
    let page = browser.send(&page, "/setup/domains", &fields);
    assert!(page.says("example.test is protected"), "{}", page.text());

    let page = browser.open("/setup/message");
    let stranger = browser.send(&page, "/setup/message", &[("recipient", "x@elsewhere.test")]);
    assert!(stranger.says("is at no protected domain"), "{}", stranger.text());
    let sent = browser.send(&page, "/setup/message", &[("recipient", "bob@example.test")]);
    assert!(sent.says("the box has taken the message"), "{}", sent.text());
    assert!(sent.says("subject: Test message from mx2.example.test"), "{}", sent.text());
    sink.wait(1);

    assert!(browser.open("/setup/dns").says("This box"));
    let page = browser.open("/setup/antivirus");
    assert!(page.says("No virus scanner is configured"), "{}", page.text());
    let odd = browser.send(&page, "/setup/antivirus", &[("clamd", "nowhere")]);
    assert_eq!(odd.status, 422);
    let page = browser.send(&page, "/setup/antivirus", &[("clamd", "unix:/nonexistent/clamd")]);
    let tested = browser.send(&page, "/setup/antivirus/test", &[]);
    assert!(tested.says("not scanned") && tested.says("silent"), "{}", tested.text());
}

#[test]
fn a_certificate_is_taken_only_with_its_own_key() {
    let (postern, mut browser) = owned(Setup::new());
    let page = browser.open("/setup/certificate");
    assert!(page.says("self-signed by the box"), "{}", page.text());
    let (chain, key) = tls::self_signed("mx.example.test");
    let (_, foreign) = tls::self_signed("mx.example.test");
    let mut upload = |chain: &str, key: &str| {
        let files = [("chain", "c.pem", chain.as_bytes()), ("key", "k.pem", key.as_bytes())];
        browser.upload(&page, "/setup/certificate", &[], &files)
    };
    for (chain, key) in [
        (chain.as_str(), foreign.as_str()),
        ("nonsense", key.as_str()),
        (chain.as_str(), ""),
        (key.as_str(), chain.as_str()),
    ] {
        let refused = upload(chain, key);
        assert_eq!(refused.status, 422, "{}", refused.text());
    }
    let folder = postern.setup().dir().join("data/tls");
    let left = || std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(left(), 1, "refused ones are gone");
    let taken = upload(&chain, &key);
    assert!(taken.says("The certificate is in force"), "{}", taken.text());
    assert_eq!(left(), 3);
    for file in std::fs::read_dir(&folder).unwrap() {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn settings_are_changed_reviewed_and_taken_back() {
    let raw = "# Keep this remark.\n[[reputation.list]]\nzone = \"zone.test\"\nkind = \"client\"\n\
               key = \"s3cretlabel\"\n";
    let (postern, mut browser) = owned(Setup::new().raw(raw));
    let file = || std::fs::read_to_string(postern.setup().file()).unwrap();
    let before = file();
    let page = browser.open("/settings/section/limits");
    assert!(page.says("Received fields before a message is taken for a loop"), "{}", page.text());
    let wrong =
        browser.send(&page, "/settings/section/limits", &[("hops", "many"), ("errors", "7")]);
    assert_eq!((wrong.status, wrong.value("errors").as_deref()), (422, Some("7")));
    assert!(wrong.says("is no whole number"), "{}", wrong.text());
    let refused = browser.send(&page, "/settings/section/limits", &[("recipients", "1")]);
    assert_eq!(refused.status, 422, "{}", refused.text());
    let sessions = browser.open("/settings/section/admin");
    let none = [("idle_minutes", "0")];
    let refused = browser.send(&sessions, "/settings/section/admin", &none);
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.says("must be at least 1"), "{}", refused.text());
    assert_eq!(file(), before, "nothing was changed yet");
    let done = put_in_force(&mut browser, &page, "/settings/section/limits", &[("hops", "44")]);
    assert!(done.says("It is in force"), "{}", done.text());
    assert!(file().contains("hops = 44") && file().contains("# Keep this remark."), "{}", file());
    assert!(file().contains("s3cretlabel"), "the secret stays");

    let text = browser.open("/settings/text");
    assert!(!text.body.contains("s3cretlabel"), "secrets are not shown");
    let shown = text.value("text").unwrap();
    let shown = shown.strip_prefix('\n').unwrap_or(&shown).to_owned();
    assert!(shown.contains("(secret 1)"), "{shown}");
    let broken = browser.send(&text, "/settings/text", &[("text", "[limts]\nhops = 1\n")]);
    assert_eq!(broken.status, 422);
    assert!(broken.says("did you mean") && broken.says("line 1"), "{}", broken.text());
    let other = shown.replace("hops = 44", "hops = 45");
    let done = put_in_force(&mut browser, &text, "/settings/text", &[("text", other.as_str())]);
    assert!(done.says("It is in force"), "{}", done.text());
    assert!(file().contains("hops = 45") && file().contains("s3cretlabel"), "{}", file());

    // Somebody else was quicker.
    let page = browser.open("/settings/section/limits");
    let review = browser.send(&page, "/settings/section/limits", &[("hops", "46")]);
    let (base, late) = (review.value("base").unwrap(), review.value("text").unwrap());
    std::fs::write(postern.setup().file(), file().replace("hops = 45", "hops = 47")).unwrap();
    let fields = [("base", &*base), ("text", late.trim_start_matches('\n'))];
    let refused = browser.send(&review, "/settings/apply", &fields);
    assert_eq!(refused.status, 409);
    assert!(refused.says("changed meanwhile"), "{}", refused.text());
    assert!(file().contains("hops = 47"));

    // What the box refuses does not stay: somebody else has this port.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let page = browser.open("/settings/section/listen/new");
    let before = file();
    let fields = [("role", "inbound"), ("address", &*address)];
    let refused = put_in_force(&mut browser, &page, "/settings/section/listen/new", &fields);
    assert!(refused.says("The box refuses it"), "{}", refused.text());
    assert_eq!(file(), before);

    let history = browser.open("/settings/history");
    assert!(history.says("as it was found") && history.says("scenario"), "{}", history.text());
    let old = browser.open("/settings/history/1");
    assert!(!old.body.contains("s3cretlabel"));
    let review = browser.send(&old, "/settings/history/1", &[]);
    let (base, version) = (review.value("base").unwrap(), review.value("version").unwrap());
    let fields = [("base", &*base), ("version", &*version), ("reason", "back")];
    let done = browser.send(&review, "/settings/apply", &fields);
    assert!(done.says("It is in force"), "{}", done.text());
    assert!(!file().contains("hops ="), "{}", file());
    let audit = browser.open("/audit?what=settings");
    assert!(audit.says("settings.change") && audit.says("hops = 44"), "{}", audit.text());
    assert!(!audit.body.contains("s3cretlabel"));
}

/// The code that an app shows, so many steps from now.
fn code(secret: &str, steps: i64) -> String {
    let secret: String = secret.split_whitespace().collect();
    let secret = Secret::try_from_base32(&secret).unwrap();
    let totp = Builder::new()
        .with_account_name("ann")
        .with_issuer(Some("Postern"))
        .with_secret(secret)
        .with_skew(1)
        .with_step_duration(30)
        .build()
        .unwrap();
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    totp.generate((now_s + 30 * steps) as u64).to_string()
}

#[test]
fn people_come_change_and_go_and_their_acts_are_seen() {
    let (postern, mut ann) = owned(Setup::new());
    let page = ann.open("/people");
    let fields =
        [("name", "bob"), ("role", "helpdesk"), ("domains", "no domain!"), ("password", OTHER)];
    let wrong = ann.send(&page, "/people", &fields);
    assert_eq!((wrong.status, wrong.value("name").as_deref()), (422, Some("bob")));
    let fields = [("name", "bob"), ("role", "helpdesk"), ("domains", ""), ("password", OTHER)];
    assert!(ann.send(&page, "/people", &fields).says("bob may log in now"));
    let mut bob = Browser::new(postern.site());
    bob.log_in("bob", OTHER, "");
    for path in ["/people", "/settings", "/audit", "/audit.csv", "/setup/name"] {
        assert_eq!(bob.open(path).status, 403, "{path}");
    }
    assert_eq!(bob.open("/account").status, 200);
    let last = ann.open("/people/ann");
    let refused = ann.send(&last, "/people/ann", &[("role", "auditor"), ("domains", "")]);
    assert_eq!(refused.status, 409, "the last owner stays: {}", refused.text());
    assert!(ann.send(&last, "/people/ann/remove", &[]).says("somebody must be left"));
    let page = ann.open("/people/bob");
    ann.send(&page, "/people/bob", &[("role", "helpdesk"), ("domains", ""), ("disabled", "yes")]);
    assert!(bob.open("/account").says("Log in"), "disabled: logged out at once");
    assert!(ann.send(&page, "/people/bob/remove", &[]).says("bob is removed"));
    assert_eq!(ann.open("/people/bob").status, 404);
    bob.log_in("=cmd()", "x", "");
    let csv = ann.open("/audit.csv?what=login.failed");
    assert!(csv.body.contains("\"'=cmd()\""), "{}", csv.body);
    let audit = ann.open("/audit?who=ann&what=people");
    for act in ["people.add", "people.change", "people.remove"] {
        assert!(audit.says(act), "{act}: {}", audit.text());
    }
    assert!(!audit.body.contains(OTHER));
}

#[test]
fn an_account_has_a_second_factor_sessions_and_keys() {
    let (mut postern, mut ann) = owned(Setup::new());
    let page = ann.open("/account/second");
    assert!(page.body.contains("<svg") && !page.body.contains(" style="), "{}", page.body);
    let secret = page.value("secret").unwrap();
    let wrong = [("secret", &*secret), ("password", PASSWORD), ("code", "000000")];
    let again = ann.send(&page, "/account/second", &wrong);
    assert_eq!((again.status, again.value("secret")), (422, Some(secret.clone())));
    let first = code(&secret, -1);
    let fields = [("secret", &*secret), ("password", PASSWORD), ("code", &*first)];
    let page = ann.send(&page, "/account/second", &fields);
    assert!(page.says("Recovery codes"), "{}", page.text());
    let recovery = page.body.split("<li class=\"secret\">").nth(1).unwrap();
    let recovery = recovery.split('<').next().unwrap().to_owned();
    let mut other = Browser::new(postern.site());
    assert!(other.log_in("ann", PASSWORD, "").says("is wrong"), "a code is asked for");
    other.log_in("ann", PASSWORD, &recovery);
    assert!(other.cookies.contains_key("__Host-postern"));
    let page = ann.open("/account");
    assert!(page.says("9 recovery codes are left"), "{}", page.text());
    let weak = [("old", PASSWORD), ("fresh", "aaaaaaaaaaaa"), ("again", "aaaaaaaaaaaa")];
    assert_eq!(ann.send(&page, "/account/password", &weak).status, 422);
    let wrong = [("old", OTHER), ("fresh", OTHER), ("again", OTHER)];
    assert!(ann.send(&page, "/account/password", &wrong).says("The present password is wrong"));
    let right = [("old", PASSWORD), ("fresh", OTHER), ("again", OTHER)];
    assert!(ann.send(&page, "/account/password", &right).says("1 other sessions have ended"));
    assert!(other.open("/account").says("Log in"), "other sessions end with the password");
    let fields = [("label", "script"), ("right", "see-settings"), ("ends", "30")];
    let made = ann.send(&page, "/account/keys", &fields);
    assert!(made.says("It is shown only now"), "{}", made.text());
    let key = made.body.split("postern_").nth(1).unwrap().split('<').next().unwrap();
    let mut script = Browser::new(postern.site());
    script.headers.push(("Authorization".into(), format!("Bearer postern_{key}")));
    assert_eq!(script.ask("GET", "/api/configuration", "", b"").status, 200);
    assert_eq!(script.ask("GET", "/api/people", "", b"").status, 403);
    for page in ["/settings", "/account"] {
        assert_eq!(script.ask("GET", page, "", b"").status, 403, "pages are for people: {page}");
    }
    let dropped = ann.send(&page, "/account/second/drop", &[("password", OTHER), ("code", "1")]);
    assert_eq!(dropped.status, 422);

    // On the box, the box running.
    let printed = postern.tell(&["admin", "reset", "ann"]);
    let password = printed.lines().nth(1).unwrap().trim().to_owned();
    assert!(ann.open("/account").says("Log in"), "all sessions ended");
    let mut again = Browser::new(postern.site());
    again.log_in("ann", &password, "");
    assert!(again.open("/audit?what=people").says("people.reset"));
    assert!(postern.tell(&["admin", "code"]).trim().is_empty());
    postern.terminate();
    let printed = postern.tell(&["admin", "reset", "ANN"]);
    let password = printed.lines().nth(1).unwrap().trim().to_owned();
    assert!(!postern.cli(&["admin", "reset", "zed"]).status.success());
    postern.start_again();
    let mut later = Browser::new(postern.site());
    later.log_in("ann", &password, "");
    assert!(later.cookies.contains_key("__Host-postern"), "reset while the box was stopped");
}
