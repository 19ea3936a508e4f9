//! Ten thousand rules of mixed kinds: they load, and what the index says is what asking every
//! rule says.

use proptest::prelude::*;

use super::*;
use crate::policy::rules::Facts;
use crate::policy::rules::atom::{Atom, Atoms, Node};

/// A rule of one of many kinds.
fn rule(number: usize) -> String {
    let n = number;
    let when = match n % 20 {
        0 => format!("{{ direction = 'outbound', recipient_domain = 'd{n}.test' }}"),
        1 => format!("{{ reverse_path = ['u{n}@own.test', '@*.s{n}.test'] }}"),
        2 => format!("{{ finding = ['F_{n}', 'LINK_ODD'], score = {{ at_least = {} }} }}", n % 30),
        3 => format!("{{ content = {{ rule = 'C_{n}', count = 2 }} }}"),
        4 => format!("{{ subject = 'word{n}' }}"),
        5 => format!("{{ header = {{ name = 'X-{n}', contains = 'v' }} }}"),
        6 => format!("{{ attachment = {{ extension = 'e{n}', larger = '{} KB' }} }}", n % 90),
        7 => format!("{{ network = '10.{}.{}.0/24' }}", n / 256 % 256, n % 256),
        8 => format!("{{ marking = 'M{n}', not = {{ tls = 'verified' }} }}"),
        9 => format!("{{ size = {{ at_least = {n}000000 }}, role = 'submission' }}"),
        10 => format!("{{ any = [{{ account = 'a{n}' }}, {{ sender_group = 'it' }}] }}"),
        11 => "{ time = { days = 'weekend' }, class = 'spam' }".to_owned(),
        12 => format!("{{ author = 'boss{n}*@*' }}"),
        13 => "{ authentication = { dmarc = 'fail' }, content = { severity = 'critical' } }".into(),
        14 => format!("{{ recipient_group = 'board', forward_path = 'r{n}@own.test' }}"),
        15 => format!("{{ finding = 'G{n}_*' }}"),
        16 => format!(
            "{{ not = {{ any = [{{ role = 'inbound' }}, {{ size = {{ below = {n}00 }} }}] }} }}"
        ),
        17 => format!("{{ all = [{{ class = 'phish' }}, {{ subject = 'no{n}' }}] }}"),
        18 => format!("{{ tls = 'none', sender_domain = 'x{n}.test' }}"),
        _ => format!("{{ header = {{ name = 'X-Label', is = 'l{n}' }} }}"),
    };
    let scope = match n % 7 {
        0 => format!("scope = '@own{}.test'\n", n % 50),
        1 => "scope = 'group:finance'\n".to_owned(),
        2 => format!("scope = 'u{n}@own.test'\n"),
        _ => String::new(),
    };
    let orders = match n % 5 {
        0 => format!("['archive', {{ reject = 'r{n}' }}]"),
        1 => format!("[{{ tag_subject = '[{n}]' }}]"),
        2 => "['quarantine']".to_owned(),
        3 => format!("[{{ add_header = {{ name = 'X-R', value = '{n}' }} }}]"),
        _ => "[{ deliver = { despite = ['malware'] } }]".to_owned(),
    };
    format!("[[rule]]\nname = 'rule {n}'\n{scope}when = {when}\norders = {orders}\n\n")
}

fn naive(node: &Node, atoms: &Atoms, facts: &mut Facts<'_>) -> bool {
    match node {
        Node::Atom(number) => atoms.atom(*number).is_some_and(|atom: &Atom| facts.ask(atom)),
        Node::Not(inner) => !naive(inner, atoms, facts),
        Node::All(nodes) => nodes.iter().all(|node| naive(node, atoms, facts)),
        Node::Any(nodes) => nodes.iter().any(|node| naive(node, atoms, facts)),
    }
}

fn agree(book: &RuleBook, situation: &Situation) -> usize {
    situation.with(|circumstances| {
        let mut facts = Facts::of(circumstances);
        let applies = book.standing.iter().filter(|one| naive(&one.full, &book.atoms, &mut facts));
        let applying: Vec<&str> = applies.map(|one| &*one.rule.name).collect();
        let explained = book.explain(circumstances);
        let outcome = book.evaluate(circumstances);
        assert_eq!(outcome.final_order, explained.final_order);
        assert_eq!(outcome.orders, explained.orders);
        let first = book
            .rules()
            .filter(|rule| applying.contains(&&*rule.name))
            .find(|rule| rule.final_order.is_some());
        assert_eq!(outcome.final_order.map(|(rule, _)| rule), first);
        applying.len()
    })
}

#[test]
fn ten_thousand_rules_load_and_evaluate() {
    let text: String = (0..10_000).map(rule).collect();
    let began = std::time::Instant::now();
    let book = book(&text);
    println!("10,000 rules loaded in {:?}", began.elapsed());
    assert_eq!(book.len(), 10_000);
    let began = std::time::Instant::now();
    let applying = agree(&book, &rich());
    assert!(applying > 100, "{applying}");
    println!("asked four times in {:?}; {applying} apply", began.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn the_index_leaves_no_rule_out(
        from in 0usize..5_000,
        domain in 0usize..400,
        user in 0usize..400,
        direction in 0usize..3,
        names in proptest::collection::vec(0usize..400, 0..12),
    ) {
        let text: String = (from..from + 200).map(rule).collect();
        let book = book(&text);
        let of = |n: usize| from + n % 200;
        let mut situation = Situation {
            direction: Direction::ALL[direction],
            reverse_path: Some(format!("u{}@x.s{}.test", of(user), of(domain)).parse().unwrap()),
            forward_path: format!("u{}@d{}.test", of(user), of(domain)).parse().unwrap(),
            account: Some(format!("A{}", of(user))),
            ..rich()
        };
        if user % 2 == 0 {
            situation.reverse_path = Some(format!("u{}@own.test", of(user)).parse().unwrap());
        }
        for name in names {
            let n = of(name);
            situation.findings.push(Finding {
                name: format!("F_{n}").into(),
                class: Class::ALL[n % 10],
                score: 0.0,
                detail: String::new(),
            });
            situation.findings.push(Finding {
                name: format!("G{n}_X").into(),
                class: Class::Notice,
                score: 0.0,
                detail: String::new(),
            });
            situation.markings.push(format!("m{n}"));
            situation.header.push(HeaderField { name: format!("x-{n}"), value: "V".into() });
            situation.content.push(ContentHit {
                rule: format!("C_{n}"),
                class: Class::Policy,
                severity: Severity::Critical,
                count: (n % 4) as u32,
            });
            situation.subject.push_str(&format!(" word{n}"));
            situation.authors.push(format!("boss{n}@far.test"));
        }
        agree(&book, &situation);
    }
}
