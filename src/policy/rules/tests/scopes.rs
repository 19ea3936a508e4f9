//! Inheritance: whose rules count for whom.

use super::*;
use crate::policy::rules::{OutOfForce, Parties};

const RULES: &str = "
[[rule]]
name = 'site'
orders = ['quarantine']

[[rule]]
name = 'domain'
scope = '@own.test'
overrides = 'site'
orders = ['deliver']

[[rule]]
name = 'group'
scope = 'group:finance'
when = { subject = 'budget' }
orders = ['secure']
overrides = ['domain']

[[rule]]
name = 'ann'
scope = 'ann@own.test'
orders = [{ tag_subject = '[ann]' }]

[[rule]]
name = 'domain'
scope = 'carl@own.test'
enabled = false

[[rule]]
name = 'off'
enabled = false
orders = ['discard']

[[rule]]
name = 'off'
scope = 'group:it'
enabled = true
";

fn situation(
    direction: Direction,
    sender: &str,
    recipient: &str,
    groups: [&[&str]; 2],
) -> Situation {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Situation {
        direction,
        reverse_path: Some(sender.parse().unwrap()),
        forward_path: recipient.parse().unwrap(),
        sender_groups: names(groups[0]),
        recipient_groups: names(groups[1]),
        ..rich()
    }
}

#[test]
fn rules_are_inherited_and_overridden() {
    use Direction::{Inbound, Internal, Outbound};
    let none: [&[&str]; 2] = [&[], &[]];
    let table = [
        (Inbound, "x@y.test", "bob@other.test", none, Some("site")),
        (Inbound, "x@y.test", "bob@own.test", none, Some("domain")),
        (Outbound, "bob@own.test", "x@y.test", none, Some("domain")),
        // Nobody outside comes under a scope by a forged reverse-path.
        (Inbound, "bob@own.test", "x@y.test", none, Some("site")),
        (Outbound, "x@y.test", "bob@own.test", none, Some("site")),
        (Internal, "x@y.test", "bob@own.test", none, Some("domain")),
        (Internal, "bob@own.test", "x@y.test", none, Some("domain")),
        (Outbound, "bob@own.test", "x@y.test", [&["finance"], &[]], Some("group")),
        (Outbound, "bob@own.test", "x@y.test", [&[], &["finance"]], Some("domain")),
        // What is switched off overrides nothing.
        (Outbound, "carl@own.test", "x@y.test", none, Some("site")),
        (Outbound, "x@y.test", "x@y.test", [&["it"], &[]], Some("site")),
    ];
    let book = book(RULES);
    for (direction, sender, recipient, groups, expected) in table {
        let situation = situation(direction, sender, recipient, groups);
        let case = format!("{direction} {sender} {recipient} {groups:?}");
        assert_eq!(finals(&book, &situation).as_deref(), expected, "{case}");
    }
}

#[test]
fn a_rule_that_overrides_stands_where_the_other_stood() {
    let book = book(
        "[[rule]]\nname = 'a'\norders = ['discard']\n\
         [[rule]]\nname = 'b'\norders = ['quarantine']\n\
         [[rule]]\nname = 'c'\nscope = '@own.test'\noverrides = 'a'\nwhen = { tls = 'any' }\n\
         orders = ['deliver']\n",
    );
    let names: Vec<&str> = book.rules().map(|rule| &*rule.name).collect();
    assert_eq!(names, ["a", "c", "b"]);
    assert_eq!(finals(&book, &rich()).as_deref(), Some("c"));
    let in_clear = Situation { tls: TlsState::default(), ..rich() };
    assert_eq!(finals(&book, &in_clear).as_deref(), Some("b"));
}

#[test]
fn the_effective_policy_is_shown() {
    let book = book(RULES);
    let (ann, carl) = ("ann@own.test".parse().unwrap(), "carl@own.test".parse().unwrap());
    let other = "x@y.test".parse().unwrap();
    let shown = |sender, groups: &[&str]| -> Vec<(String, String)> {
        let groups: Vec<String> = groups.iter().map(|name| (*name).to_owned()).collect();
        let parties = Parties {
            direction: Direction::Outbound,
            reverse_path: Some(sender),
            forward_path: &other,
            sender_groups: &groups,
            recipient_groups: &[],
        };
        let effective = book.effective(&parties);
        let why = |one: Option<OutOfForce<'_>>| match one {
            None => "in force".to_owned(),
            Some(OutOfForce::OverriddenBy(rule)) => format!("overridden by {}", rule.name),
            Some(OutOfForce::SwitchedOffBy(scope)) => format!("switched off by {scope}"),
            Some(OutOfForce::Disabled) => "disabled".to_owned(),
        };
        effective.iter().map(|one| (one.rule.name.clone(), why(one.out_of_force))).collect()
    };
    let said = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        list.iter().map(|(name, why)| ((*name).to_owned(), (*why).to_owned())).collect()
    };
    assert_eq!(
        shown(&ann, &["finance", "it"]),
        said(&[
            ("site", "overridden by domain"),
            ("domain", "overridden by group"),
            ("group", "in force"),
            ("off", "in force"),
            ("ann", "in force"),
        ])
    );
    assert_eq!(
        shown(&carl, &[]),
        said(&[
            ("site", "in force"),
            ("domain", "switched off by carl@own.test"),
            ("off", "disabled")
        ])
    );
}
