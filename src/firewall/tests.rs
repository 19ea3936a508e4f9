//! What is open and what is not, for configurations of all kinds.

use std::path::Path;

use super::*;

const SYSTEM: &str = "[system]\nhostname = \"mx.example.org\"\ndata_dir = \"data\"\npostmaster = \"postmaster@example.org\"\n";

fn rules(text: &str) -> String {
    let config = Config::parse(&format!("{SYSTEM}{text}"), Path::new("c"), Path::new("/etc"));
    ruleset(&config.unwrap(), &[])
}

/// The lines of a chain, without what every box has.
fn chain(text: &str, name: &str) -> Vec<String> {
    let all = ruleset_lines(text, name);
    let always = ruleset_lines(&format!("{HEAD}{MIDDLE}{TAIL}"), name);
    all.into_iter().filter(|line| !always.contains(line)).collect()
}

fn ruleset_lines(text: &str, name: &str) -> Vec<String> {
    let from = text.split_once(&format!("chain {name} {{")).unwrap().1;
    from.split_once("\n\t}").unwrap().0.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn nothing_is_open_unless_it_is_configured() {
    let text = rules("");
    assert_eq!(text.matches("policy drop").count(), 3);
    assert_eq!(chain(&text, "input"), Vec::<String>::new());
    let out = chain(&text, "output");
    assert_eq!(
        out,
        [
            "udp dport 53 accept",
            "tcp dport 25 accept",
            "tcp dport 53 accept",
            "tcp dport 465 accept"
        ]
    );
}

#[test]
fn listeners_are_open_to_their_clients() {
    let text = rules(
        r#"
[[listen]]
role = "inbound"
address = "0.0.0.0:25"
[[listen]]
role = "outbound"
address = "10.0.0.1:25"
networks = ["10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"]
[[listen]]
role = "submission"
address = "[::]:587"
[[listen]]
role = "submission"
address = "[2001:db8::1]:465"
networks = ["2001:db8::/32"]
tls = "implicit"
[[listen]]
role = "inbound"
address = "127.0.0.1:2525"
[[listen]]
role = "inbound"
address = "0.0.0.0:26"
proxy_networks = ["192.0.2.7/32"]
"#,
    );
    assert_eq!(
        chain(&text, "input"),
        [
            r#"meta nfproto ipv4 tcp dport 25 accept comment "inbound""#,
            r#"ip saddr { 10.0.0.0/8 } ip daddr 10.0.0.1 tcp dport 25 accept comment "outbound""#,
            r#"meta nfproto ipv6 tcp dport 587 accept comment "submission""#,
            r#"ip6 saddr { 2001:db8::/32 } ip6 daddr 2001:db8::1 tcp dport 465 accept comment "submission""#,
            r#"ip saddr { 192.0.2.7/32 } tcp dport 26 accept comment "inbound""#,
        ]
    );
}

#[test]
fn management_is_for_management_networks() {
    let text = rules("[admin]\naddress = \"0.0.0.0:8443\"\nnetworks = [\"192.0.2.9/24\"]\n");
    assert_eq!(
        chain(&text, "input"),
        [r#"ip saddr { 192.0.2.0/24 } tcp dport 8443 accept comment "management""#]
    );
    let text = rules("[admin]\naddress = \"[::]:8443\"\n");
    assert_eq!(
        chain(&text, "input"),
        [r#"ip6 saddr { fc00::/7, fe80::/10 } tcp dport 8443 accept comment "management""#]
    );
    let text = rules("[admin]\naddress = \"0.0.0.0:8443\"\n");
    assert_eq!(
        chain(&text, "input"),
        [
            r#"ip saddr { 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 } tcp dport 8443 accept comment "management""#
        ]
    );
}

#[test]
fn mail_goes_out_where_it_goes() {
    let text = rules(
        r#"
[[domain]]
name = "example.org"
next_hop = ["smtp://10.0.0.5:2525", "smtp://store.example.org:2526", "maildir:/x"]
[delivery]
smart_host = "smtp://[2001:db8::9]:587"
[dns]
servers = ["127.0.0.1:53", "10.0.0.53:5353"]
[antivirus]
clamd = ["unix:/run/clamd.ctl", "tcp:10.0.0.6:3310", "tcp:scan.example.org:3311"]
[antivirus.second]
kind = "icap"
url = "icap://10.0.0.8/scan"
"#,
    );
    assert_eq!(
        chain(&text, "output"),
        [
            "ip daddr 10.0.0.53 udp dport 5353 accept",
            r#"meta skuid { 993, 992 } udp dport 53 accept comment "names""#,
            r#"meta skuid { 993, 992 } tcp dport 53 accept comment "names""#,
            "tcp dport 2526 accept",
            "tcp dport 3311 accept",
            "ip daddr 10.0.0.5 tcp dport 2525 accept",
            "ip daddr 10.0.0.6 tcp dport 3310 accept",
            "ip daddr 10.0.0.8 tcp dport 1344 accept",
            "ip daddr 10.0.0.53 tcp dport 5353 accept",
            "ip6 daddr 2001:db8::9 tcp dport 587 accept",
        ]
    );
}

#[test]
fn rules_of_policy_open_their_next_hops() {
    let config = Config::parse(SYSTEM, Path::new("c"), Path::new("/etc")).unwrap();
    let routes = ["smtp://10.9.9.9:2600".parse().unwrap(), "lmtp:/run/x".parse().unwrap()];
    let text = ruleset(&config, &routes);
    assert!(text.contains("ip daddr 10.9.9.9 tcp dport 2600 accept"), "{text}");
    assert!(!text.contains("/run/x"));
}

#[test]
fn users_that_ask_for_names_are_those_of_the_box() {
    let users = include_str!("../../appliance/files/etc/passwd");
    let number = |name: &str| -> u32 {
        let line = users.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap();
        line.split(':').nth(2).unwrap().parse().unwrap()
    };
    assert_eq!(ASKING_USERS, [number("clamav"), number("systemd-timesync")]);
}
