//! Wrong and hostile files: each error says where and what.

use super::*;

fn error(text: &str) -> String {
    match RuleBook::parse(text, "policy.toml", &groups()) {
        Ok(_) => panic!("taken: {text}"),
        Err(why) => why.to_string(),
    }
}

#[test]
fn errors_name_place_and_meaning() {
    let rule = |more: &str| format!("[[rule]]\nname = 'a'\n{more}\n");
    let when = |when: &str| rule(&format!("orders = ['discard']\nwhen = {when}"));
    let orders = |orders: &str| rule(&format!("orders = {orders}"));
    let table: Vec<(String, &str, &str)> = vec![
        ("[[rule]\n".into(), "1:8", ""),
        ("rule = 1".into(), "1:8", "[[rule]]"),
        ("[[rules]]\n".into(), "1:3", "did you mean `rule`"),
        ("[[rule]]\norders = ['discard']\n".into(), "1:1", "`name`"),
        (rule(""), "1:1", "no `orders`"),
        (rule("order = ['discard']"), "3:1", "did you mean `orders`"),
        (rule("orders = ['discard']\nscope = 'everywhere'"), "4:9", "no scope"),
        (rule("orders = ['discard']\nscope = 'group:finanse'"), "4:9", "did you mean `finance`"),
        (rule("orders = ['discard']\nenabled = 'yes'"), "4:11", "true or false"),
        (rule("orders = ['discard']\noverrides = 'b'"), "4:13", "there is no rule \"b\""),
        (rule("orders = ['discard']\noverrides = 'a'"), "4:13", "cannot override"),
        (rule("enabled = false"), "2:8", "there is no rule"),
        (format!("{}{}", orders("'discard'"), rule("enabled = false")), "5:8", "narrower"),
        ("[[rule]]\nname='b'\nenabled=false".into(), "2:6", "there is no rule"),
        (format!("{}{}", orders("['discard']"), orders("['deliver']")), "5:8", "given twice"),
        (orders("[]"), "3:10", "orders nothing"),
        (orders("['discart']"), "3:11", "did you mean `discard`"),
        (orders("['discard', 'deliver']"), "3:22", "contradicts"),
        (orders("[{ reject = 1 }]"), "3:22", "must be a text"),
        (orders("[{ quarantine = '../x' }]"), "3:13", "a name of letters"),
        (orders("[{ hold = { expires_hours = 3 } }]"), "3:13", "needs an `approver`"),
        (orders("[{ redirect = 'nobody' }]"), "3:24", "no mailbox"),
        (orders("[{ remove_header = 'content-type' }]"), "3:13", "every message"),
        (orders("[{ remove_header = 'FROM' }]"), "3:13", "every message"),
        (orders("[{ add_header = { name = 'subject', value = 'x' } }]"), "3:13", "only once"),
        (orders("[{ add_header = { name = 'From', value = 'x' } }]"), "3:13", "only once"),
        (orders("[{ reject = 'nicht erlaubt – für niemanden' }]"), "3:13", "ASCII"),
        (orders("[{ add_header = { name = 'a b', value = 'c' } }]"), "3:35", "header field"),
        (orders("[{ add_header = { name = 'a', value = \"b\\nc\" } }]"), "3:48", "one line"),
        (orders("[{ route_via = 'nowhere' }]"), "3:25", "route_via"),
        (orders("[{ notify = { to = 'sendr' } }]"), "3:29", "did you mean `sender`"),
        (when("{ directoin = 'inbound' }"), "4:10", "did you mean `direction`"),
        (when("{ direction = 'inbond' }"), "4:22", "did you mean `inbound`"),
        (when("{ direction = [] }"), "4:22", "empty list"),
        (when("{ sender_group = 'bord' }"), "4:25", "did you mean `board`"),
        (when("{ reverse_path = 'nobody' }"), "4:25", "no mailbox"),
        (when("{ network = '1.2.3' }"), "4:20", "no network"),
        (when("{ class = 'phishing' }"), "4:18", "did you mean `phish`"),
        (when("{ finding = 'spf fail' }"), "4:20", "capitals"),
        (when("{ score = { at_least = 5, below = 5 } }"), "4:18", "no score"),
        (when("{ score = { at_least = nan } }"), "4:31", "number"),
        (when("{ size = { at_least = '10 MX' } }"), "4:30", "octets"),
        (when("{ size = { below = 0 } }"), "4:17", "no size"),
        (when("{ time = { from = '25:00' } }"), "4:26", "time of day"),
        (when("{ time = { zone = 'Europe/Lundon' } }"), "4:26", "zone"),
        (when("{ time = { from = '08:00', until = '08:00' } }"), "4:17", "same"),
        (when("{ tls = '1.4' }"), "4:16", "TLS state"),
        (when("{ header = { contains = 'x' } }"), "4:19", "needs the `name`"),
        (when("{ header = { name = 'a', is = 'b', absent = true } }"), "4:19", "absent"),
        (when("{ attachment = { family = 'programs' } }"), "4:34", "unknown family"),
        (when("{ attachment = { macro = true, state = 'macro', encrypted = 1 } }"), "4:68", "true"),
        (when("{ any = [{ not = 1 }] }"), "4:25", "must be a table"),
    ];
    let mut wrong = Vec::new();
    for (text, place, what) in table {
        let error = error(&text);
        let is_right = error.starts_with(&format!("policy.toml:{place}: ")) && error.contains(what);
        if !is_right {
            wrong.push(format!("{place} {what}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn hostile_files_are_refused_in_good_time() {
    let deep = format!(
        "[[rule]]\nname='a'\norders=['discard']\nwhen = {}{}",
        "{ not = ".repeat(40),
        "}".repeat(40)
    );
    assert!(!error(&deep).is_empty());
    let deeper = format!("a = {}", "[".repeat(100_000));
    assert!(!error(&deeper).is_empty());
    let tables = format!("[{}a]", "a.".repeat(10_000));
    assert!(!error(&tables).is_empty());
    let shallow = format!(
        "[[rule]]\nname='a'\norders=['discard']\nwhen = {}{{}}{}",
        "{ not = ".repeat(10),
        "}".repeat(10)
    );
    assert!(RuleBook::parse(&shallow, "f", &groups()).is_ok());
    let list = vec!["'a@b.test'"; 10_001].join(",");
    let long = format!("[[rule]]\nname='a'\norders=['discard']\nwhen = {{ author = [{list}] }}");
    assert!(error(&long).contains("entries"));
    let name = format!("[[rule]]\nname='{}'\norders=['discard']\n", "n".repeat(100_000));
    assert!(error(&name).contains("too long"));
    let stranger = format!("{} = 1", "k".repeat(1_000_000));
    assert!(error(&stranger).len() < 500);
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let text = "[[rule]]\nname = 'a'\norders = ['dicard']\n\
                [[rule]]\nname = 'b'\nwhen = { score = { at_least = 9 }, all = [{ score = { below = 3 } }] }\norders = ['discard']\n\
                [[rule]]\nname = 'c'\nscope = '@x.test'\noverrides = ['a']\norders = ['discard']\n\
                [[rule]]\nname = 'd'\nwhen = { sender_group = 'finanze' }\norders = ['discard']\n\
                [[rule]]\nname = 'b'\norders = ['discard']\n";
    let error = RuleBook::parse(text, "policy.toml", &groups()).unwrap_err();
    let told: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
    let begun = |place: &str| told.iter().any(|line| line.starts_with(place));
    for place in ["policy.toml:3:11: ", "policy.toml:6:8: ", "policy.toml:15:25: "] {
        assert!(begun(place), "{place} {told:?}");
    }
    assert!(told.iter().any(|line| line.contains("given twice")), "{told:?}");
    // Nobody is blamed for naming a rule that is there and cannot be read.
    assert!(!told.iter().any(|line| line.contains("no rule \"a\"")), "{told:?}");
    assert_eq!(error.each().len(), 4);
    let switches = "[[rule]]\nname = 'a'\norders = ['discard']\n\
                    [[rule]]\nname = 'b'\nenabled = false\nscope = '@x.test'\n\
                    [[rule]]\nname = 'c'\nscope = '@x.test'\noverrides = ['q']\norders = ['discard']\n";
    assert_eq!(RuleBook::parse(switches, "f", &groups()).unwrap_err().each().len(), 2);
    let many = "[[rule]]\nname = 'a'\norders = ['dicard']\n".repeat(10_000);
    assert_eq!(RuleBook::parse(&many, "f", &groups()).unwrap_err().each().len(), 50);
}
