//! Texts before and after: what is not changed stays octet by octet.

use proptest::prelude::*;

use super::*;
use crate::config::keys::{SECTIONS, section};

const TEXT: &str = "# Our box.\n[system]\nhostname = \"mx.example.org\"   # as in DNS\n\
                    data_dir = '/data'\npostmaster = \"p@example.org\"\n\n# From outside.\n\
                    [[listen]]\nrole = \"inbound\"\naddress = \"0.0.0.0:25\"\n\n[[domain]]\n\
                    name = \"example.org\" # ours\nnext_hop = [\n  \"smtp://10.0.0.5\", # first\n]\n\n\
                    [limits]\nhops = 40\n";

fn changed(path: &str, at: usize, name: &str, typed: &str) -> Result<String, EditError> {
    let mut document = Document::parse(TEXT).unwrap();
    let section = section(path).unwrap();
    document.put(section, at, section.key(name).unwrap(), typed)?;
    Ok(document.text())
}

#[test]
fn one_value_is_changed_and_all_else_stays() {
    for (path, name, typed, old, new) in [
        ("system", "hostname", "mx2.example.org", "\"mx.example.org\"", "\"mx2.example.org\""),
        ("limits", "hops", "60", "hops = 40", "hops = 60"),
        ("limits", "hops", "", "hops = 40\n", ""),
        ("limits", "errors", "1 000", "hops = 40\n", "hops = 40\nerrors = 1000\n"),
        ("domain", "rewrite", "true", "]\n\n[limits]", "]\nrewrite = true\n\n[limits]"),
        ("domain", "next_hop", "a\r\nb", "[\n  \"smtp://10.0.0.5\", # first\n]", "[\"a\", \"b\"]"),
        (
            "antivirus",
            "clamd",
            "unix:/c",
            "hops = 40\n",
            "hops = 40\n\n[antivirus]\nclamd = \"unix:/c\"\n",
        ),
        (
            "antivirus",
            "clamd",
            "x\ny",
            "hops = 40\n",
            "hops = 40\n\n[antivirus]\nclamd = [\"x\", \"y\"]\n",
        ),
        (
            "door.inbound",
            "messages_per_minute_per_network",
            "7",
            "hops = 40\n",
            "hops = 40\n\n[door.inbound]\nmessages_per_minute_per_network = 7\n",
        ),
        (
            "policy.inbound",
            "tag",
            "4.5",
            "hops = 40\n",
            "hops = 40\n\n[policy.inbound]\ntag = 4.5\n",
        ),
        (
            "policy.inbound",
            "classes",
            "phish = \"reject\"\nbulk = \"tag\"",
            "hops = 40\n",
            "hops = 40\n\n[policy.inbound]\nclasses = { phish = \"reject\", bulk = \"tag\" }\n",
        ),
        (
            "policy.inbound",
            "tag_subject",
            "\"\"",
            "hops = 40\n",
            "hops = 40\n\n[policy.inbound]\ntag_subject = \"\"\n",
        ),
    ] {
        assert!(TEXT.contains(old), "{old}");
        assert_eq!(changed(path, 0, name, typed).unwrap(), TEXT.replace(old, new), "{path}.{name}");
    }
}

#[test]
fn what_says_the_same_is_not_touched() {
    let document = Document::parse(TEXT).unwrap();
    for section in SECTIONS {
        for key in section.keys {
            let shown = document.shown(section, 0, key);
            let text = changed(section.path, 0, key.name, &format!("  {shown}\r\n")).unwrap();
            assert_eq!(text, TEXT, "{}.{}", section.path, key.name);
        }
    }
}

#[test]
fn wrong_values_are_told_with_their_key() {
    for (path, name, typed) in [
        ("limits", "hops", "many"),
        ("limits", "hops", "1.5"),
        ("policy.inbound", "tag", "nan"),
        ("domain", "rewrite", "yes"),
        ("policy.inbound", "classes", "phish"),
        ("policy.inbound", "classes", "a = 1\na = 2"),
        ("policy.inbound", "classes", "[a]"),
        ("antivirus.second", "clean", "0\nx"),
    ] {
        match changed(path, 0, name, typed) {
            Err(EditError::BadValue(said)) => assert!(said.starts_with(name), "{said}"),
            other => panic!("{path}.{name} = {typed}: {other:?}"),
        }
    }
    assert!(matches!(changed("domain", 1, "name", "x"), Err(EditError::NoTable(_))));
    assert!(matches!(Document::parse("a = \n"), Err(EditError::NotToml(_))));
}

#[test]
fn tables_come_and_go_and_need_not_be_written_out() {
    let domain = section("domain").unwrap();
    let mut document = Document::parse(TEXT).unwrap();
    let at = document.add(domain).unwrap();
    document.put(domain, at, domain.key("name").unwrap(), "two.example").unwrap();
    assert_eq!((at, document.count(domain)), (1, 2));
    let text = document.text();
    let (first, second) = (text.find("example.org\" # ours"), text.find("two.example"));
    assert!(first < second && second < text.find("[limits]"), "{text}");
    document.remove(domain, 1).unwrap();
    assert_eq!(document.text(), TEXT);
    assert!(document.remove(domain, 1).is_err());
    document.remove(section("limits").unwrap(), 0).unwrap();
    assert!(!document.text().contains("[limits]"));
    let inline = "domain = [{ name = \"a.example\", next_hop = [\"smtp://h\"] }]\n";
    let mut document = Document::parse(inline).unwrap();
    assert_eq!(document.shown(domain, 0, domain.key("name").unwrap()), "a.example");
    document.put(domain, 0, domain.key("rewrite").unwrap(), "true").unwrap();
    let again = Document::parse(&document.text()).unwrap();
    assert_eq!(again.shown(domain, 0, domain.key("name").unwrap()), "a.example");
    assert_eq!(again.shown(domain, 0, domain.key("rewrite").unwrap()), "true");
    let mut nested = Document::parse("").unwrap();
    let own = section("policy.domain").unwrap();
    let at = nested.add(own).unwrap();
    nested.put(own, at, own.key("name").unwrap(), "a.org").unwrap();
    nested.put(own, at, own.key("terms.tag").unwrap(), "3").unwrap();
    nested.put(own, at, own.key("terms.quarantine").unwrap(), "6.5").unwrap();
    let read: toml::Value = toml::from_str(&nested.text()).unwrap();
    assert_eq!(read["policy"]["domain"][0]["terms"]["quarantine"].as_float(), Some(6.5));
    assert_eq!(nested.shown(own, at, own.key("terms.tag").unwrap()), "3");
    nested.leave_out(own, at, own.key("terms.tag").unwrap());
    assert!(!nested.has(own, at, own.key("terms.tag").unwrap()));
}

#[test]
fn secrets_are_hidden_and_come_back() {
    let text = "# lists\n[[reputation.list]]\nzone = \"a\"\nkey = \"s3cret\" # ours\n\n\
                [[reputation.list]]\nzone = \"b\"\nkey = 'other'\n";
    let secrets = Secrets::of(text).unwrap();
    let shown = secrets.hidden(text).unwrap();
    assert!(!shown.contains("s3cret") && !shown.contains("other"), "{shown}");
    assert!(shown.contains("key = \"(secret 1)\" # ours"), "{shown}");
    let back = secrets.restored(&shown);
    assert_eq!(back, text.replace("'other'", "\"other\""));
    let changed = shown.replace("(secret 2)", "third");
    let restored = secrets.restored(&changed);
    assert!(restored.contains("\"third\"") && restored.contains("\"s3cret\""), "{restored}");
    assert!(secrets.hidden(&restored).unwrap().contains(NEW_SECRET));
    let covered = secrets.covered(&restored).unwrap();
    assert!(covered.contains("\"third\"") && !covered.contains("s3cret"), "{covered}");
    assert!(Secrets::of("= x").is_err());
    let list = section("reputation.list").unwrap();
    let document = Document::parse(text).unwrap();
    let key = list.key("key").unwrap();
    assert_eq!(document.shown(list, 0, key), "");
    let mut without = document.clone();
    without.put(list, 0, key, "").unwrap();
    assert!(!without.has(list, 0, key) && without.has(list, 1, key), "taken away");
    assert!(document.has(list, 0, list.key("key").unwrap()));
    assert!(!format!("{secrets:?}").contains("s3cret"));
}

proptest! {
    /// Whatever is typed, the text stays TOML and what was typed comes back.
    #[test]
    fn what_is_typed_comes_back(typed in "[^\\p{C}]{1,60}", which in 0usize..SECTIONS.len()) {
        let section = &SECTIONS[which];
        for key in section.keys {
            let mut document = Document::parse(TEXT).unwrap();
            let at = match section.shape {
                Shape::Table => 0,
                Shape::Tables => document.add(section).unwrap(),
            };
            if document.put(section, at, key, &typed).is_ok() {
                let again = Document::parse(&document.text()).unwrap();
                if matches!(key.kind, Kind::Text | Kind::Texts | Kind::OneOrMore) {
                    prop_assert_eq!(again.shown(section, at, key), typed.trim());
                }
            }
        }
    }
}
