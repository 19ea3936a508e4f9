//! The checker against tables, and against trying every mail of a small world.

use proptest::prelude::*;

use super::*;
use crate::mail::{Class, Finding};
use crate::policy::rules::Groups;

fn groups() -> Groups {
    Groups::new(["finance", "it"])
}

fn book(text: &str) -> RuleBook {
    RuleBook::parse(text, "policy.toml", &groups()).unwrap_or_else(|why| panic!("{why}\n{text}"))
}

/// `name: when => orders`, one a line.
fn short(rules: &str) -> RuleBook {
    let line = |line: &str| {
        let (name, rest) = line.split_once(": ").unwrap();
        let (when, orders) = rest.split_once("=> ").unwrap();
        let (name, scope) = name.trim().split_once(' ').unwrap_or((name.trim(), "site"));
        format!(
            "[[rule]]\nname = '{name}'\nscope = '{scope}'\nwhen = {{ {when} }}\norders = [{orders}]\n"
        )
    };
    book(&rules.lines().filter(|line| !line.trim().is_empty()).map(line).collect::<String>())
}

fn problems(rules: &str) -> Vec<String> {
    let book = short(rules);
    let report = Checker::new(&book).check();
    assert!(report.undecided.is_empty(), "{:?}", report.undecided);
    let word = |problem: &Problem<'_>| match problem {
        Problem::NeverApplies { rule, .. } => format!("{} never applies", rule.name),
        Problem::NeverRoutes { rule, earlier } => {
            format!("{} routes behind {}", rule.name, earlier.name)
        }
        Problem::Contradicts { rule, earlier } => {
            format!("{} contradicts {}", rule.name, earlier.name)
        }
        Problem::NeverDecides { rule, earlier } => {
            let mut names: Vec<&str> = earlier.iter().map(|rule| &*rule.name).collect();
            names.sort_unstable();
            format!("{} behind {}", rule.name, names.join("+"))
        }
    };
    report.problems.iter().map(word).collect()
}

#[test]
fn unreachable_and_contradictory_rules_are_found() {
    let table: &[(&str, &[&str])] = &[
        ("a: direction = 'inbound' => 'discard'\nb: tls = 'any' => 'quarantine'", &[]),
        ("a: => 'discard'\nb: tls = 'any' => 'quarantine'", &["b behind a"]),
        ("a: tls = 'any' => 'discard'\nb: tls = '1.3' => 'quarantine'", &["b behind a"]),
        ("a: tls = '1.3' => 'discard'\nb: tls = 'any' => 'quarantine'", &[]),
        ("a: tls = 'any' => 'discard'\nb: tls = 'any' => 'quarantine'", &["b contradicts a"]),
        ("a: tls = 'any' => 'discard'\nb: tls = 'any' => 'discard'", &["b behind a"]),
        ("a: tls = 'any' => 'archive'\nb: tls = '1.2' => 'discard'", &[]),
        (
            "a: score = { at_least = 5 } => 'discard'\nb: score = { at_least = 7, below = 9 } => 'reject'",
            &["b behind a"],
        ),
        (
            "a: score = { at_least = 5 } => 'discard'\nb: score = { below = 5 } => 'reject'\n\
             c: direction = 'inbound' => 'secure'",
            &["c behind a+b"],
        ),
        (
            "a: recipient_domain = '*.x.test' => 'discard'\nb: forward_path = 'a@b.x.test' => 'reject'",
            &["b behind a"],
        ),
        (
            "a: recipient_domain = '*.x.test' => 'discard'\nb: forward_path = 'a@x.test' => 'reject'",
            &[],
        ),
        (
            "a: direction = 'inbound' => 'discard'\nb: direction = 'outbound' => 'reject'\n\
             c: role = 'submission', not = { direction = 'internal' } => 'quarantine'",
            &["c behind b"],
        ),
        (
            "a: finding = 'MACRO_*' => 'discard'\nb: finding = 'MACRO_AUTO' => 'reject'\n\
             c: finding = 'MACRO' => 'reject'",
            &["b behind a"],
        ),
        (
            "a: subject = 'secret' => 'discard'\nb: subject = 'top secret' => 'reject'\n\
             c: subject = 'secre' => 'secure'",
            &["b behind a"],
        ),
        (
            "a: content = { class = 'policy' } => 'discard'\n\
             b: content = { class = 'policy', severity = 'high', count = 3 } => 'reject'\n\
             c: content = { rule = 'X', severity = 'high' } => 'reject'",
            &["b behind a"],
        ),
        (
            "a: attachment = { family = ['archive', 'script'] } => 'discard'\n\
             b: attachment = { family = 'script', extension = 'js' } => 'reject'\n\
             c: attachment = { extension = 'zip' } => 'reject'",
            &["b behind a"],
        ),
        (
            "a: attachment = { count = 2 } => 'discard'\nb: attachment = { count = 3 } => 'reject'\n\
             c: attachment = {} => 'secure'",
            &["b behind a"],
        ),
        (
            "a: network = '10.0.0.0/8' => 'discard'\nb: network = '10.1.0.0/16' => 'reject'\n\
             c: network = '0.0.0.0/0' => 'secure'",
            &["b behind a"],
        ),
        (
            "a: network = ['0.0.0.0/1', '128.0.0.0/1'] => 'discard'\nb: network = '9.0.0.0/8' => 'secure'",
            &["b behind a"],
        ),
        (
            "a: time = { days = 'weekend' } => 'discard'\n\
             b: time = { days = 'sat', from = '08:00', until = '09:00' } => 'reject'\n\
             c: time = { from = '08:00', until = '09:00' } => 'secure'",
            &["b behind a"],
        ),
        (
            "a: authentication = { dmarc = ['pass', 'none'] } => 'deliver'\n\
             b: authentication = { dmarc = 'pass', spf = 'pass' } => 'reject'",
            &["b behind a"],
        ),
        ("a @x.test: => 'discard'\nb ann@x.test: => 'reject'", &["b behind a"]),
        (
            "a @x.test: direction = 'inbound', recipient_domain = 'y.test' => 'discard'",
            &["a never applies"],
        ),
        (
            "a: marking = 'SECRET' => 'secure'\nb: marking = 'secret' => 'reject'",
            &["b contradicts a"],
        ),
        (
            "a: header = { name = 'X', contains = 'ab' } => 'discard'\n\
             b: header = { name = 'X' } => 'reject'\nc: header = { name = 'X', is = 'cab' } => 'reject'",
            &["c behind a"],
        ),
        (
            "a: class = ['spam', 'malware'] => 'discard'\nb: class = 'spam' => 'reject'",
            &["b behind a"],
        ),
        (
            "a: account = 'a*' => 'discard'\nb: account = '*b' => 'reject'\nc: account = 'a*b' => 'secure'",
            &["c behind a"],
        ),
        ("a: author = '@x.test' => 'discard'\nb: author = 'a@x.test' => 'reject'", &["b behind a"]),
    ];
    for (rules, expected) in table {
        assert_eq!(problems(rules), *expected, "{rules}");
    }
}

#[test]
fn conditions_that_never_hold_are_refused_when_read() {
    let table = [
        "{ all = [{ direction = 'inbound' }, { role = 'submission' }] }",
        "{ direction = 'inbound', not = { role = 'inbound' } }",
        "{ tls = 'any', not = { tls = ['1.2', '1.3'], any = [{ tls = 'any' }] }, all = [{ tls = '1.2' }] }",
        "{ score = { at_least = 9 }, not = { score = { at_least = 5 } } }",
        "{ sender_domain = 'x.test', not = { reverse_path = '*@x.*' } }",
        "{ all = [{ forward_path = 'a@x.test' }, { forward_path = 'b@x.test' }] }",
        "{ header = { name = 'X', is = 'a' }, not = { header = { name = 'X' } } }",
        "{ forward_path = '*@a.test', not = { recipient_domain = 'a.test' } }",
        "{ forward_path = '*@[310.*', not = { forward_path = '*@*@*' } }",
    ];
    for when in table {
        let text = format!("[[rule]]\nname = 'a'\norders = ['discard']\nwhen = {when}\n");
        let error = RuleBook::parse(&text, "p", &groups()).unwrap_err().to_string();
        assert!(error.starts_with("p:4:8: the condition of the rule \"a\" never holds"), "{error}");
    }
}

#[test]
fn conditions_that_may_hold_are_taken() {
    let table = [
        "{ reverse_path = '*@[*' }",
        "{ forward_path = '*@*@*' }",
        "{ author = '*@[ipv6:*' }",
        "{ author = '*@[ipv6:1:0:2:*' }",
        "{ forward_path = '* *@a.test' }",
        "{ forward_path = '*@[310.*' }",
        "{ forward_path = '\"*' }",
        "{ subject = { contains = ' x', is = 'x' } }",
    ];
    for when in table {
        let text = format!("[[rule]]\nname = 'a'\norders = ['discard']\nwhen = {when}\n");
        assert!(RuleBook::parse(&text, "p", &groups()).is_ok(), "{when}");
    }
}

fn answer(rules: &str, claim: &str) -> String {
    let book = short(rules);
    let claims = parse_claims(claim, "claims", &groups()).unwrap_or_else(|why| panic!("{why}"));
    let mut checker = Checker::new(&book);
    match checker.answer(&claims[0]) {
        Answer::Holds => "yes".into(),
        Answer::NotDecided => "not decided".into(),
        Answer::CounterExample { rule, order, situation } => {
            assert!(!situation.to_string().is_empty());
            format!("{order} by {}", rule.map_or("none", |rule| &*rule.name))
        }
    }
}

#[test]
fn claims_are_answered() {
    let rules = "a: direction = 'internal' => 'deliver'\n\
                 b: marking = 'RESTRICTED', direction = 'outbound' => 'archive', 'secure'\n\
                 c: => { tag_subject = 'x' }";
    let claim = "no mail marked RESTRICTED leaves except by secure delivery";
    let table = [
        (rules, claim, "yes"),
        (
            &rules.replace("a: direction = 'internal'", "a: forward_path = '@friend.test'"),
            claim,
            "deliver by a",
        ),
        (&rules.replace("'outbound'", "'outbound', tls = 'any'"), claim, "deliver by none"),
        (rules, "claim = { when = { marking = 'RESTRICTED' }, only = ['secure'] }", "deliver by a"),
        (
            rules,
            "claim = { when = { marking = 'RESTRICTED', direction = 'outbound' }, only = 'secure', with = 'archive' }",
            "yes",
        ),
        (
            rules,
            "claim = { when = { direction = 'outbound' }, with = 'archive' }",
            "deliver without archive by none",
        ),
        (rules, "claim = { with = 'tag_subject' }", "yes"),
        (rules, "claim = { never = ['discard', 'hold'] }", "yes"),
        (
            rules,
            "no mail marked \"restricted\" from own.test to x@y.test leaves except by secure or hold",
            "yes",
        ),
        (rules, "no mail of class malware enters", "deliver by none"),
        (
            rules,
            "no mail with finding X to group:finance is delivered except by redirect",
            "deliver by a",
        ),
    ];
    for (rules, claim, expected) in table {
        assert_eq!(answer(rules, claim), expected, "{claim}\n{rules}");
    }
}

#[test]
fn what_must_be_ordered_beside_hides_nothing_that_must_not_be() {
    let rules = "arch: direction = 'outbound', marking = 'RESTRICTED' => 'archive'\n\
                 sec: direction = 'outbound', marking = 'RESTRICTED', not = { subject = 'public' } => 'secure'";
    let claim = |way: &str| {
        format!(
            "claim = {{ when = {{ direction = 'outbound', marking = 'RESTRICTED' }}, {way}, with = 'archive' }}"
        )
    };
    for way in ["only = ['secure']", "never = ['deliver']"] {
        assert_eq!(answer(rules, &claim(way)), "deliver by none", "{way}");
    }
    let whole = rules.replace(", not = { subject = 'public' }", "");
    assert_eq!(answer(&whole, &claim("only = ['secure']")), "yes");
}

#[test]
fn what_leaves_by_other_ways_than_as_itself_leaves() {
    let secure = "s: direction = 'outbound', marking = 'R' => 'secure'\n";
    let claim = "no mail marked R leaves except by secure";
    let order = |orders: &str| format!("{secure}o: marking = 'R' => {orders}");
    let table: &[(String, &str, &str)] = &[
        (order("{ copy = 'spy@evil.test' }"), claim, "copy to spy@evil.test by o"),
        (
            order("{ copy = ['ann@own.test', 'spy@[192.0.2.9]'] }"),
            claim,
            "copy to spy@[192.0.2.9] by o",
        ),
        (order("{ copy = 'ann@own.test' }"), claim, "yes"),
        (order("{ copy = 'spy@evil.test' }"), &format!("{claim} or copy"), "yes"),
        (order("{ redirect = 'spy@evil.test' }"), claim, "redirect to spy@evil.test by o"),
        (order("{ redirect = 'ann@own.test' }"), claim, "yes"),
        (
            order("{ redirect = 'spy@evil.test' }").replace("o: ", "o: direction = 'inbound', "),
            claim,
            "redirect to spy@evil.test by o",
        ),
        (order("{ redirect = 'spy@evil.test' }"), &format!("{claim} or redirect"), "yes"),
        (order("{ copy = 'spy@evil.test' }, 'discard'"), claim, "copy to spy@evil.test by o"),
        (order("{ copy = 'spy@evil.test' }, 'defer'"), claim, "copy to spy@evil.test by o"),
        (
            format!("d: marking = 'R' => 'defer'\n{}", order("{ copy = 'spy@evil.test' }")),
            claim,
            "yes",
        ),
        (
            format!(
                "k: marking = 'R', subject = 'x' => 'discard'\nd: marking = 'R' => 'defer'\n{}",
                order("{ copy = 'spy@evil.test' }")
            ),
            claim,
            "copy to spy@evil.test by o",
        ),
        (
            order("{ notify = { to = ['dpo@evil.test'], subject = 's', text = '{subject}' } }"),
            claim,
            "notify to dpo@evil.test by o",
        ),
        (
            order("{ notify = { to = ['dpo@evil.test'], subject = 's', text = '{rule}' } }"),
            claim,
            "yes",
        ),
        (order("{ notify = { to = ['sender', 'administrator'] } }"), claim, "yes"),
        (order("{ notify = { to = ['recipient'] } }"), &format!("{claim} or notify"), "yes"),
    ];
    for (rules, claim, expected) in table {
        let book = short(rules);
        let claims = parse_claims(claim, "claims", &groups()).unwrap();
        let said = match Checker::on(&book, &house()).answer(&claims[0]) {
            Answer::Holds => "yes".into(),
            Answer::NotDecided => "not decided".into(),
            Answer::CounterExample { rule, order, .. } => {
                format!("{order} by {}", rule.map_or("none", |rule| &*rule.name))
            }
        };
        assert_eq!(said, *expected, "{claim}\n{rules}");
    }
    let told = short(&order("{ notify = { to = ['recipient'] } }"));
    let claims = parse_claims(claim, "claims", &groups()).unwrap();
    let answer = Checker::on(&told, &house()).answer(&claims[0]);
    let Answer::CounterExample { situation, order, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(order, format!("notify to {}", situation.forward_path));
    assert_eq!(situation.direction, Direction::Outbound);
}

#[test]
fn every_mailbox_that_there_is_is_thought_of() {
    let all = "b: direction = 'outbound' => 'reject'";
    let table = [
        ("a: direction = 'outbound', forward_path = '*@*@evil.test' => 'deliver'", "deliver by a"),
        ("a: direction = 'outbound', forward_path = '*@[192.0.2.*' => 'deliver'", "deliver by a"),
        ("a: direction = 'outbound', forward_path = '*@[ipv6:2001:*' => 'deliver'", "deliver by a"),
        ("a: direction = 'outbound', forward_path = '* *' => 'deliver'", "deliver by a"),
        ("a: direction = 'outbound', reverse_path = '*@[*' => 'deliver'", "deliver by a"),
        ("a: direction = 'outbound', author = '*@*@*' => 'deliver'", "deliver by a"),
        (
            "a: direction = 'outbound', forward_path = '*@*', not = { forward_path = ['*.*', '*@a*'] } => 'deliver'",
            "deliver by a",
        ),
    ];
    for (rule, expected) in table {
        assert_eq!(answer(&format!("{rule}\n{all}"), "no mail leaves"), expected, "{rule}");
    }
    // Everybody of a domain is not everybody whose mailbox begins with its name.
    let rules = "a: direction = 'outbound', forward_path = '*@trusted.test*' => 'deliver'\n\
                 b: direction = 'outbound' => 'reject'";
    let claim = "claim = { when = { direction = 'outbound', not = { recipient_domain = 'trusted.test' } }, never = ['deliver'] }";
    assert_eq!(answer(rules, claim), "deliver by a");
    let strict = rules.replace("'*@trusted.test*'", "'@trusted.test'");
    assert_eq!(answer(&strict, claim), "yes");
}

#[test]
fn counter_examples_can_be() {
    let never = [
        "header = { name = 'Subject', absent = true }, subject = 'x'",
        "header = { name = 'subject', is = 'a' }, not = { header = { name = 'Subject' } }",
    ];
    for when in never {
        let text = format!("[[rule]]\nname = 'a'\norders = ['discard']\nwhen = {{ {when} }}\n");
        assert!(RuleBook::parse(&text, "p", &groups()).is_err(), "{when}");
    }
    let made = |when: &str| {
        let book = book("");
        let claim = format!("claim = {{ when = {{ {when} }}, never = ['deliver'] }}");
        let claims = parse_claims(&claim, "c", &groups()).unwrap();
        match Checker::new(&book).answer(&claims[0]) {
            Answer::CounterExample { situation, .. } => Some(situation),
            _ => None,
        }
    };
    let mail =
        made("header = { name = 'Subject', contains = 'public' }, subject = 'secret'").unwrap();
    let fields: Vec<&str> = mail.header.iter().map(|field| &*field.value).collect();
    assert_eq!(fields, [&*mail.subject]);
    let mail = made("author = 'ann@x.test', header = { name = 'From', contains = 'Ann' }").unwrap();
    let from = mail.header.iter().find(|field| field.name == "from").unwrap();
    assert!(from.value.contains("ann@x.test") && mail.authors.contains(&"ann@x.test".to_owned()));
    let mail = made("header = { name = 'From', contains = 'eve@evil.test' }").unwrap();
    assert!(mail.authors.iter().any(|author| author.contains("eve@evil.test")), "{mail}");
    assert!(made("author = 'ann@x.test', header = { name = 'From', absent = true }").is_none());
    let mail = made("attachment = { type = 'pdf' }").unwrap();
    assert_eq!(mail.files[0].nature.family(), crate::mail::Family::Document);
    assert!(made("attachment = { type = 'pdf', family = 'executable' }").is_none());
    let both = "attachment = { type = 'jpg' }, not = { attachment = { type = 'jpeg' } }";
    assert!(made(both).is_none());
}

#[test]
fn claims_that_cannot_be_read_say_why() {
    let table = [
        ("all mail leaves", "no mail"),
        ("no mail markd X leaves", "did you mean `marked`"),
        ("no mail marked X", "what mail does"),
        ("no mail leaves except by secur", "did you mean `secure`"),
        ("no mail to group:finanse leaves", "did you mean `finance`"),
        ("claim = { when = {} }", "needs `only`"),
        ("claim = { only = ['secur'] }", "did you mean `secure`"),
        ("claims = 1", "did you mean `claim`"),
    ];
    for (text, what) in table {
        let error = parse_claims(text, "claims", &groups()).unwrap_err().to_string();
        assert!(error.contains(what), "{what}: {error}");
    }
}

/// Conditions over a world small enough to try every mail of it.
const SMALL: [&str; 12] = [
    "direction = 'inbound'",
    "direction = ['outbound', 'internal']",
    "recipient_domain = 'a.test'",
    "forward_path = 'x@a.test'",
    "not = { recipient_domain = '*.test' }",
    "finding = 'F'",
    "not = { finding = 'F' }",
    "score = { at_least = 5 }",
    "score = { below = 3 }",
    "class = 'spam'",
    "marking = 'M'",
    "any = [{ marking = 'M' }, { score = { at_least = 3, below = 5 } }]",
];

fn every_mail() -> Vec<Situation> {
    let plain = Situation::plain().unwrap();
    let mut all = Vec::new();
    for direction in Direction::ALL {
        for recipient in ["x@a.test", "y@a.test", "x@b.test", "x@c.a.test", "x@a.other"] {
            for findings in 0..6u8 {
                for score in [0.0, 3.0, 5.0] {
                    for marked in [false, true] {
                        let mut mail = plain.clone();
                        mail.direction = direction;
                        mail.role = match direction {
                            Direction::Inbound => crate::mail::Role::Inbound,
                            _ => crate::mail::Role::Submission,
                        };
                        mail.forward_path = recipient.parse().unwrap();
                        mail.score = score;
                        let class = if findings >= 3 { Class::Spam } else { Class::Notice };
                        if findings % 3 > 0 {
                            mail.findings.push(Finding::new("F", class, 0.0, ""));
                        }
                        if findings >= 3 {
                            mail.findings.push(Finding::new("G", class, 0.0, ""));
                        }
                        mail.markings = if marked { vec!["M".into()] } else { Vec::new() };
                        all.push(mail);
                    }
                }
            }
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn the_checker_says_what_trying_every_mail_says(
        picks in proptest::collection::vec((0usize..12, 0usize..12, 0usize..6), 1..7),
        claimed in (0usize..12, 0usize..3, 0usize..2),
        with in proptest::option::of(0usize..2),
    ) {
        const ORDERS: [&str; 6] = [
            "'deliver'", "'discard'", "'quarantine'", "'archive'",
            "'archive', 'discard'", "{ tag_subject = 'x' }, 'quarantine'",
        ];
        let mut rules = String::new();
        for (number, (one, other, order)) in picks.iter().enumerate() {
            let when = format!("all = [{{ {} }}, {{ {} }}]", SMALL[*one], SMALL[*other]);
            let line = format!("r{number}: {when} => {}\n", ORDERS[*order]);
            let alone = RuleBook::parse(
                &format!("[[rule]]\nname = 'a'\nwhen = {{ {when} }}\norders = ['discard']"),
                "p",
                &groups(),
            );
            let mails = every_mail();
            let text = format!("[[rule]]\nname = 'a'\nwhen = {{ any = [{{ {when} }}, {{ subject = 'x' }}] }}\norders = ['discard']");
            let loose = book(&text);
            let holds = mails.iter().any(|mail| mail.with(|it| loose.evaluate(it).final_order.is_some()));
            prop_assert_eq!(alone.is_ok(), holds, "{}", when);
            if holds {
                rules.push_str(&line);
            }
        }
        let book = short(&rules);
        let mails = every_mail();
        let report = Checker::new(&book).check();
        prop_assert!(report.undecided.is_empty());
        let accused: Vec<&str> = report
            .problems
            .iter()
            .map(|problem| match problem {
                Problem::NeverApplies { rule, .. }
                | Problem::NeverDecides { rule, .. }
                | Problem::NeverRoutes { rule, .. }
                | Problem::Contradicts { rule, .. } => &*rule.name,
            })
            .collect();
        let decided: Vec<Option<&Rule>> = mails
            .iter()
            .map(|mail| mail.with(|it| book.evaluate(it).final_order.map(|(rule, _)| rule)))
            .collect();
        for rule in book.rules().filter(|rule| rule.final_order.is_some()) {
            let decides = decided.contains(&Some(rule));
            prop_assert_eq!(!decides, accused.contains(&&*rule.name), "{} of\n{}", rule.name, rules);
        }
        let (when, kind) = (SMALL[claimed.0], ORDERS[claimed.1]);
        let key = ["only", "never"][claimed.2];
        let with = with.map(|at| ["archive", "tag_subject"][at]);
        let beside = with.map_or(String::new(), |word| format!(", with = '{word}'"));
        let claim = format!("claim = {{ when = {{ {when} }}, {key} = [{kind}]{beside} }}");
        let claims = parse_claims(&claim, "claims", &groups()).unwrap();
        let text = format!("[[rule]]\nname = 'a'\nwhen = {{ {when} }}\norders = ['discard']");
        let loose = super::tests::book(&text);
        let is_kept = mails.iter().zip(&decided).all(|(mail, rule)| {
            let concerns = mail.with(|it| loose.evaluate(it).final_order.is_some());
            let order = rule.and_then(|rule| rule.final_order.as_ref());
            let word = order.map_or("deliver", |order| order.kind().word());
            let given = |with: &str| {
                mail.with(|it| book.evaluate(it).orders.iter().any(|(_, it)| it.word() == with))
            };
            !concerns || (kind.contains(word) == (key == "only") && with.is_none_or(given))
        });
        match Checker::new(&book).answer(&claims[0]) {
            Answer::Holds => prop_assert!(is_kept, "{}\n{}", claim, rules),
            Answer::CounterExample { .. } => prop_assert!(!is_kept, "{}\n{}", claim, rules),
            Answer::NotDecided => prop_assert!(false, "not decided: {}\n{}", claim, rules),
        }
    }
}

#[test]
fn a_thousand_rules_are_checked() {
    let mut text = String::new();
    for n in 0..1_000 {
        let when = match n % 5 {
            0 => format!("recipient_domain = 'd{n}.test'"),
            1 => format!("subject = 'word{n}x'"),
            2 => format!("finding = 'F_{n}', score = {{ at_least = {} }}", n % 20),
            3 => format!("recipient_domain = 'd{}.test', tls = 'any'", n - 3),
            _ => format!("sender_domain = '*.s{n}.test', size = {{ at_least = {n} }}"),
        };
        text.push_str(&format!("r{n}: {when} => 'quarantine'\n"));
    }
    let book = short(&text);
    let began = std::time::Instant::now();
    let report = Checker::new(&book).check();
    println!("1,000 rules checked in {:?}", began.elapsed());
    assert_eq!((report.problems.len(), report.undecided.len()), (200, 0));
}

/// A box of one domain, without submission.
fn house() -> House {
    house_with("")
}

/// The same with more in its configuration.
fn house_with(more: &str) -> House {
    let text = "[system]\nhostname = \"mx.own.test\"\ndata_dir = \"d\"\npostmaster = \"p@own.test\"\n\
                [[listen]]\nrole = \"inbound\"\naddress = \"127.0.0.1:25\"\n\
                [[listen]]\nrole = \"outbound\"\naddress = \"127.0.0.1:26\"\nnetworks = [\"127.0.0.0/8\"]\n\
                [[domain]]\nname = \"own.test\"\nnext_hop = [\"smtp://127.0.0.1:2\"]\n\
                [archive.classes]\npersonnel = 30\n";
    let file = std::path::Path::new("t");
    let text = format!("{text}{more}");
    let config = crate::config::Config::parse(&text, file, std::path::Path::new("/t"));
    House::new(&config.unwrap(), ["SPF_FAIL", "MACRO_AUTO_OPEN"], ["NHS_NUMBERS"])
}

#[test]
fn rules_that_never_act_on_this_box_are_found_with_the_reason() {
    // A rule, and what of the box keeps it from applying; nothing where it may apply.
    let table: &[(&str, &str)] = &[
        ("tls = 'verified'", "certificates"),
        ("tls = ['verified', '1.3']", ""),
        ("not = { tls = 'verified' }", ""),
        ("role = 'inbound', account = 'ann'", "logs in"),
        ("role = 'outbound', account = 'ann'", ""),
        ("role = 'submission'", "no [[listen]] of role `submission`"),
        ("direction = 'inbound', recipient_domain = 'remote.test'", "for a [[domain]]"),
        ("direction = 'inbound', recipient_domain = ['remote.test', 'own.test']", ""),
        ("direction = 'internal', forward_path = 'ann@remote.test'", "for a [[domain]]"),
        ("direction = 'outbound', recipient_domain = 'own.test'", "for a [[domain]]"),
        ("direction = 'outbound', forward_path = '@*.own.test'", ""),
        ("recipient_domain = 'remote.test'", ""),
        ("direction = 'outbound', authentication = { spf = 'fail' }", "is `none`"),
        ("role = 'outbound', authentication = { dmarc = ['pass', 'fail'] }", "is `none`"),
        ("role = 'outbound', authentication = { dkim = ['pass', 'none'] }", ""),
        ("authentication = { arc = 'fail' }", ""),
        ("direction = 'inbound', authentication = { spf = 'fail' }", ""),
    ];
    never_acts(table, &house());
    let off: &[(&str, &str)] = &[
        ("direction = 'inbound', authentication = { spf = 'fail' }", "switched off"),
        ("authentication = { spf = 'none' }", ""),
    ];
    never_acts(off, &house_with("[authentication]\nenabled = false\n"));
}

#[test]
fn thousands_of_own_domains_are_as_few_as_rules_tell_apart() {
    let more: String = (0..5_000)
        .map(|n| {
            let name = if n % 2 == 0 { format!("d{n}.test") } else { format!("d{n}.ward.test") };
            format!("[[domain]]\nname = \"{name}\"\nnext_hop = [\"smtp://127.0.0.1:2\"]\n")
        })
        .collect();
    let table: &[(&str, &str)] = &[
        ("direction = 'inbound', recipient_domain = 'remote.test'", "for a [[domain]]"),
        ("direction = 'inbound', recipient_domain = ['remote.test', 'd7.ward.test']", ""),
        ("direction = 'inbound', recipient_domain = 'd7.test'", "for a [[domain]]"),
        ("direction = 'outbound', recipient_domain = 'd8.test'", "for a [[domain]]"),
        ("direction = 'outbound', recipient_domain = 'd9.ward.test'", "for a [[domain]]"),
        ("direction = 'inbound', forward_path = '@*.ward.test'", ""),
        ("direction = 'inbound', forward_path = '@*.d8.test'", "for a [[domain]]"),
        ("direction = 'inbound', forward_path = 'ann@d4998.test'", ""),
        ("direction = 'inbound', forward_path = 'ann@d5002.test'", "for a [[domain]]"),
        ("direction = 'inbound', forward_path = '*-list@*'", ""),
        ("direction = 'inbound', forward_path = 'a*n@d1*.ward.*'", ""),
        ("direction = 'inbound'", ""),
    ];
    never_acts(table, &house_with(&more));
    // A claim may tell apart what no rule does.
    let book = short("a: recipient_domain = 'd1.ward.test' => 'reject'");
    for (claim, holds) in [
        ("no mail to d4998.test stays", false),
        ("no mail to d4998.test leaves", true),
        ("no mail to d5002.test stays", true),
        ("no mail to d1.ward.test stays", true),
    ] {
        let claims = parse_claims(claim, "c", &groups()).unwrap();
        let answer = Checker::on(&book, &house_with(&more)).answer(&claims[0]);
        assert_eq!(matches!(answer, Answer::Holds), holds, "{claim}: {answer}");
        assert!(!matches!(answer, Answer::NotDecided), "{claim}");
    }
}

/// Rules that never act, with what the reason says; an empty reason where they may.
fn never_acts(table: &[(&str, &str)], house: &House) {
    for (when, reason) in table {
        let book = short(&format!("a: {when} => 'discard'"));
        let report = Checker::on(&book, house).check();
        assert!(report.undecided.is_empty(), "{when}");
        match (report.problems.first(), reason.is_empty()) {
            (None, true) => {}
            (Some(problem @ Problem::NeverApplies { why, .. }), false) => {
                assert_eq!(why.len(), 1, "{when}: {why:?}");
                assert!(problem.to_string().contains(reason), "{when}: {problem}");
            }
            (found, _) => panic!("{when}: {found:?}"),
        }
        assert!(Checker::new(&book).check().problems.is_empty(), "{when}: on any box");
    }
}

#[test]
fn next_hops_that_never_count_are_found() {
    let hop = |port: u16| format!("{{ route_via = 'smtp://127.0.0.1:{port}' }}");
    let (one, two) = (hop(1), hop(2));
    let table: &[(String, &[&str])] = &[
        (format!("a: subject = 'r' => {one}\nb: subject = 'r' => {two}"), &["b routes behind a"]),
        (format!("a: subject = 'r' => {one}\nb: subject = 'r' => {one}"), &[]),
        (format!("a: subject = 'r' => {one}\nb: subject = 's' => {two}"), &[]),
        (format!("a: tls = 'any' => {one}\nb: tls = '1.3' => {two}"), &["b routes behind a"]),
        (format!("a: tls = '1.3' => {one}\nb: tls = 'any' => {two}"), &[]),
        (
            format!("a: tls = '1.3' => {one}\nb: not = {{ tls = '1.3' }} => {one}\nc: => {two}"),
            &["c routes behind a"],
        ),
    ];
    for (rules, expected) in table {
        let found = problems(rules);
        // Of several that come before, any is told of.
        let found: Vec<String> =
            found.iter().map(|one| one.replace("behind b", "behind a")).collect();
        assert_eq!(found, *expected, "{rules}");
    }
}

#[test]
fn counter_examples_are_mails_of_this_box() {
    let book = short("a: subject = 'x' => 'reject'");
    let claims = parse_claims("no mail marked SECRET enters", "c", &groups()).unwrap();
    let mut checker = Checker::on(&book, &house());
    let Answer::CounterExample { situation, .. } = checker.answer(&claims[0]) else { panic!() };
    assert_eq!(situation.forward_path.domain().unwrap().as_str(), "own.test");
}

#[test]
fn slips_are_told_with_what_was_probably_meant() {
    let table: &[(&str, &str, &str, &[&str])] = &[
        ("site", "finding = 'SPF_FALE'", "'discard'", &["`SPF_FALE`", "`SPF_FAIL`"]),
        ("site", "finding = 'NHS_NUMBERS'", "'discard'", &[]),
        ("site", "finding = 'MACRO_*'", "'discard'", &[]),
        ("site", "finding = 'MAKRO_*'", "'discard'", &["like `MAKRO_*`"]),
        ("site", "content = 'NHS'", "'discard'", &["no content rule", "`NHS`"]),
        ("site", "marking = 'SECRT'", "'discard'", &["`SECRT`", "did you mean `SECRET`"]),
        ("site", "marking = ['secret', 'OFFICIAL-SENSITIVE', '*confidential*']", "'discard'", &[]),
        ("site", "marking = 'NATO SECRET'", "'discard'", &[]),
        ("site", "marking = 'Staff in confidence'", "'discard'", &[]),
        ("@own.test", "", "'discard'", &[]),
        ("@owm.test", "", "'discard'", &["`owm.test`", "did you mean `own.test`"]),
        ("ann@nowhere.example", "", "'discard'", &["`nowhere.example`", "nobody here"]),
        ("group:it", "", "'discard'", &[]),
        ("site", "", "{ quarantine = 'malwrae' }", &["area `malwrae`", "`malware`"]),
        ("site", "", "{ quarantine = 'cards' }", &[]),
        ("site", "", "{ archive = 'personel' }", &["class `personel`", "`personnel`"]),
        ("site", "", "'discard', { tag_subject = 'x' }", &["`tag_subject` comes to nothing"]),
        ("site", "", "'discard', 'archive'", &[]),
        (
            "site",
            "",
            "{ route_via = 'smtp://127.0.0.1:1' }, { route_via = 'smtp://127.0.0.1:2' }",
            &["given twice"],
        ),
    ];
    for (scope, when, orders, words) in table {
        let text = format!(
            "[[rule]]\nname = 'a'\nscope = '{scope}'\nwhen = {{ {when} }}\norders = [{orders}]\n"
        );
        let book = book(&text);
        let found: Vec<String> = slips(&book, &house()).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), usize::from(!words.is_empty()), "{text}{found:?}");
        for word in *words {
            assert!(found[0].contains(word), "{word}: {found:?}");
        }
        assert!(found.iter().all(|one| one.contains("rule \"a\"")), "{found:?}");
    }
    // Two areas that differ by a letter are a slip, and more than one use makes them meant.
    let rules = |areas: &[&str]| {
        let line = |(at, area): (usize, &&str)| {
            format!("[[rule]]\nname = 'r{at}'\norders = [{{ quarantine = '{area}' }}]\n")
        };
        book(&areas.iter().enumerate().map(line).collect::<String>())
    };
    assert_eq!(slips(&rules(&["legal", "legal", "leagl"]), &house()).len(), 1);
    assert_eq!(slips(&rules(&["area1", "area1", "area2"]), &house()).len(), 0);
}

#[test]
fn slips_in_claims_are_told() {
    for (claim, count) in [
        ("no mail marked SECRT leaves", 1),
        ("no mail marked SECRET leaves", 0),
        ("no mail with content NHS_NUMBERS leaves", 0),
        ("no mail with content NHS_NUMBER leaves", 1),
        ("no mail with finding SPF_FALE enters", 1),
        ("[[claim]]\nwhen = { content = 'X', finding = 'Y' }\nnever = ['deliver']\n", 2),
    ] {
        let claims = parse_claims(claim, "c", &groups()).unwrap();
        assert_eq!(claims[0].slips(&house()).len(), count, "{claim}");
    }
}
