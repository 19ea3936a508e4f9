//! The site's own rules over pages and API: edited, checked, tried, asked about past mail,
//! published, refused, restored. The real program.

use serde_json::{Value, json};

use super::harness::{Browser, Page, Postern, Setup, Sink, client, text, wait_for};

const PASSWORD: &str = "copper lantern 47 sings";
const RULES: &str = "# the house's rules\n\n[[rule]]\nname = \"tag lists\"   # by IG\n\
                     when = { subject = \"list\" }\norders = [{ tag_subject = \"[list]\" }]\n";

fn with_rules() -> (Postern, Browser, Sink) {
    let sink = Sink::options().start();
    let setup = Setup::new().with_site().next_hop(sink.hop());
    let rules = setup.dir().join("rules.toml");
    std::fs::write(&rules, RULES).unwrap();
    let setup = setup.set("policy", format!("file = \"{}\"", rules.display()));
    let postern = setup.start();
    let mut root = Browser::new(postern.site());
    root.set_up(&postern.setup_code(), "root", PASSWORD);
    (postern, root, sink)
}

fn call(browser: &mut Browser, method: &str, path: &str, body: &Value) -> Page {
    let mark = browser.open("/account").value("csrf").unwrap();
    browser.headers = vec![("X-CSRF-Token".into(), mark)];
    let page = browser.ask(method, path, "application/json", body.to_string().as_bytes());
    browser.headers.clear();
    page
}

fn json_of(page: &Page) -> Value {
    serde_json::from_str(&page.body).unwrap_or_else(|error| panic!("{error}: {}", page.body))
}

fn rules_file(postern: &Postern) -> String {
    std::fs::read_to_string(postern.setup().dir().join("rules.toml")).unwrap()
}

#[test]
fn rules_are_published_and_restored_with_a_reason() {
    let (postern, mut root, _sink) = with_rules();
    let page = root.open("/policy");
    assert!(page.says("tag lists") && page.says("tag_subject"), "{}", page.text());
    let page = root.open("/policy/text");
    assert_eq!(page.value("text").unwrap().trim_start(), RULES);
    let base = page.value("base").unwrap();
    let wrong = "[[rule]]\nname = \"x\"\nwhen = { subjekt = \"a\" }\norders = \"discard\"\n";
    let fields = [("base", base.as_str()), ("text", wrong), ("reason", "try")];
    let checked = root.send(&page, "/policy/check", &fields);
    assert!(checked.says("line 3, column 10") && checked.says("subject"), "{}", checked.text());
    let refused = root.send(&page, "/policy/publish", &fields);
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(refused.value("text").unwrap().trim_start(), wrong, "what was typed stays");
    assert_eq!(refused.value("reason").as_deref(), Some("try"));
    assert_eq!(rules_file(&postern), RULES);
    let better = format!(
        "{RULES}\n[[rule]]\nname = \"drop\"\nwhen = {{ subject = \"drop me\" }}\norders = \"discard\"\n"
    );
    let none = [("base", base.as_str()), ("text", &better), ("reason", " ")];
    assert!(root.send(&page, "/policy/publish", &none).says("say why"));
    let fields = [("base", base.as_str()), ("text", &better), ("reason", "IG <board>")];
    let done = root.send(&page, "/policy/publish", &fields);
    assert!(done.says("is in force: IG <board>") && done.says("drop"), "{}", done.text());
    assert_eq!(rules_file(&postern), better);
    // Another draft that was begun before.
    let late = root.send(&page, "/policy/publish", &fields);
    assert_eq!(late.status, 409, "{}", late.text());
    let history = root.open("/policy/history");
    assert!(history.says("IG <board>") && history.says("root"), "{}", history.text());
    let versions = json_of(&root.ask("GET", "/api/policy/versions", "", b""));
    let newest = versions["versions"][0]["number"].as_u64().unwrap();
    let shown = root.open(&format!("/policy/history/{newest}"));
    assert!(shown.says("+ name = \"drop\""), "{}", shown.text());
    let before = newest - 1;
    let old = root.open(&format!("/policy/history/{before}"));
    let restored =
        root.send(&old, &format!("/policy/history/{before}/restore"), &[("reason", "too much")]);
    assert!(restored.says("is in force again"), "{}", restored.text());
    assert_eq!(rules_file(&postern), RULES);
    let acts = root.ask("GET", "/api/acts?what=policy", "", b"");
    let acts = json_of(&acts)["acts"].as_array().unwrap().clone();
    assert_eq!(acts.len(), 5, "{acts:?}");
    let told = |what: &str, after: u64| {
        let after = format!("version {after}");
        let act = acts.iter().find(|act| act["what"] == what && act["after"] == *after);
        act.unwrap_or_else(|| panic!("{what} {after}: {acts:?}"))["before"].clone()
    };
    assert_eq!(told("policy.publish", newest), format!("version {before}"));
    assert_eq!(told("policy.restore", newest + 1), format!("version {newest}"));
}

#[test]
fn a_rule_is_changed_by_form_and_comments_stay() {
    let (postern, mut root, _sink) = with_rules();
    let page = root.open("/policy/rule?name=tag+lists");
    assert_eq!(page.value("name").as_deref(), Some("tag lists"));
    assert_eq!(page.value("when.subject").unwrap().trim(), "list");
    let (text, base) = (page.value("text").unwrap(), page.value("base").unwrap());
    let fields = [
        ("text", text.trim_start()),
        ("base", &base),
        ("original", "tag lists"),
        ("name", "tag lists"),
        ("scope", "site"),
        ("enabled", "1"),
        ("when.subject", "list\r\ndigest"),
        ("order.tag_subject", "1"),
        ("argument.tag_subject", "[list]"),
        ("last", "quarantine"),
        ("last_argument", "lists"),
        ("act", "save"),
    ];
    let draft = root.send(&page, "/policy/rule", &fields);
    assert_eq!(draft.status, 200, "{}", draft.text());
    let made = draft.value("text").unwrap().trim_start().to_owned();
    for kept in ["# the house's rules", "# by IG", "\"digest\"", "quarantine"] {
        assert!(made.contains(kept), "{kept}: {made}");
    }
    assert_eq!(rules_file(&postern), RULES, "nothing is in force yet");
    let wrong = root.send(&page, "/policy/rule", &[&fields[..9], &[("last", "nonsense")]].concat());
    assert_eq!(wrong.status, 400, "{}", wrong.text());
    assert_eq!(wrong.value("when.subject").unwrap().trim(), "list\ndigest", "it stays");
    let publish = [("text", made.as_str()), ("base", &base), ("reason", "lists are kept")];
    let done = root.send(&draft, "/policy/publish", &publish);
    assert!(done.says("is in force"), "{}", done.text());
    assert_eq!(rules_file(&postern), made);
}

#[test]
fn a_draft_is_asked_about_past_mail() {
    let (postern, mut root, sink) = with_rules();
    for subject in ["weekly list", "drop me"] {
        let sent = text::message(subject, &format!("{}@sender.test", subject.replace(' ', "-")));
        let reply =
            client::send(postern.inbound(), "ann@sender.test", &["bob@example.test"], &sent);
        assert_eq!(reply.code, 250, "{reply}");
    }
    wait_for("both mails", || (sink.mails().len() == 2).then_some(()));
    let draft =
        "[[rule]]\nname = \"drop\"\nwhen = { subject = \"drop me\" }\norders = \"discard\"\n";
    let page = root.open("/policy/replay");
    let base = page.value("base").unwrap();
    let fields = [("text", draft), ("base", &base), ("days", "7")];
    let asked = root.send(&page, "/policy/replay", &fields);
    assert_eq!(asked.status, 200, "{}", asked.text());
    assert!(asked.says("drop me") && asked.says("discard by drop"), "{}", asked.text());
    assert!(asked.says("Asked about 2 mails"), "{}", asked.text());
    assert!(asked.body.trim_end().ends_with("</html>"), "the page is whole");
    let lines = call(&mut root, "POST", "/api/policy/replay", &json!({ "text": draft, "days": 7 }));
    let kinds: Vec<String> = lines
        .body
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].as_str().unwrap().into())
        .collect();
    assert_eq!(kinds.last().map(String::as_str), Some("summary"), "{}", lines.body);
    assert!(kinds.iter().any(|kind| kind == "change"), "{}", lines.body);
}

#[test]
fn a_pattern_says_what_it_hits_and_where() {
    let (_postern, mut root, _sink) = with_rules();
    let order = json!({ "pattern": "nhs \\d+", "flags": "i", "text": "first\nNHS 943 here" });
    let tried = json_of(&call(&mut root, "POST", "/api/policy/try", &order));
    assert_eq!(tried["spots"][0]["zone"], "body", "{tried}");
    assert_eq!(
        tried["spots"][0]["found"].as_str().map(str::to_lowercase).as_deref(),
        Some("nhs 943")
    );
    let message = text::message("Plans for the NHS 12", "plans@sender.test");
    let page = root.open("/policy/try");
    let fields = [("pattern", "nhs \\d+"), ("i", "1")];
    let shown = root.upload(&page, "/policy/try", &fields, &[("message", "a.eml", &message)]);
    assert_eq!(shown.status, 200, "{}", shown.text());
    assert!(shown.says("subject") && shown.says("It matches"), "{}", shown.text());
    let wrong = root.send(&page, "/policy/try", &[("pattern", "("), ("text", "x")]);
    assert!(wrong.body.contains("aria-invalid"), "{}", wrong.text());
}

#[test]
fn without_a_file_of_rules_the_page_says_what_to_do() {
    let postern = Setup::new().with_site().start();
    let mut root = Browser::new(postern.site());
    root.set_up(&postern.setup_code(), "root", PASSWORD);
    for path in ["/policy", "/policy/text", "/policy/rule", "/policy/replay"] {
        let page = root.open(path);
        assert!(page.says("There are no rules of your own yet"), "{path}: {}", page.text());
    }
    let order = json!({ "text": "", "reason": "none" });
    assert_eq!(call(&mut root, "POST", "/api/policy/publish", &order).status, 409);
}
