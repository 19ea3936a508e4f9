use std::path::Path;

use super::*;

const LEAST: &str = "[system]\nhostname = \"mx.example.org\"\ndata_dir = \"data\"\npostmaster = \"postmaster@example.org\"\n";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("postern.toml"), Path::new("/etc/postern"))
}

#[test]
fn the_least_configuration_has_sane_defaults() {
    let config = parse(LEAST).unwrap();
    assert_eq!(config.system.data_dir, Path::new("/etc/postern/data"));
    assert!(config.limits.is_exempt("127.0.0.9".parse().unwrap()));
    assert!(!config.limits.is_exempt("192.0.2.1".parse().unwrap()));
}

#[test]
fn the_example_of_the_manual_is_accepted() {
    let text = r#"
[system]
hostname = "mx.example.org"
data_dir = "/data/postern"
postmaster = "postmaster@example.org"
[[listen]]
role = "inbound"
address = "0.0.0.0:25"
[[listen]]
role = "outbound"
address = "10.0.0.1:25"
networks = ["10.0.0.0/8"]
[[listen]]
role = "submission"
address = "0.0.0.0:587"
tls = "starttls"
[[domain]]
name = "example.org"
next_hop = ["smtp://10.0.0.5:25"]
recipients = "any"
[tls]
certificate = "mx.pem"
key = "mx.key"
[dns]
servers = ["127.0.0.1:53"]
[delivery]
smart_host = "smtp://10.0.0.9"
[limits]
exempt = ["127.0.0.0/8", "::1/128"]
[antivirus]
clamd = "unix:/run/clamav/clamd.ctl"
on_failure = "defer"
[policy.inbound]
quarantine = 7.5
classes = { malware = "reject", phish = "quarantine" }
[[policy.domain]]
name = "example.org"
terms = { tag_subject = "[SPAM]" }
[admin]
address = "10.0.0.1:8443"
[portal]
address = "0.0.0.0:443"
url = "https://secure.example.org"
"#;
    let config = parse(text).unwrap();
    assert_eq!(config.listen.len(), 3);
    assert_eq!(config.tls.key.as_deref(), Some(Path::new("/etc/postern/mx.key")));
}

#[test]
fn errors_name_line_column_and_the_nearest_name() {
    let table = [
        (format!("{LEAST}hostnme = 1\n"), "5:1", "did you mean `hostname`?"),
        (format!("{LEAST}[limts]\n"), "5:2", "did you mean `limits`?"),
        (format!("{LEAST}[limits]\nrecipient = 5\n"), "6:1", "did you mean `recipients`?"),
        (format!("{LEAST}[limits]\nrecipients = 5\n"), "6:1", "at least 100"),
        (format!("{LEAST}[limits]\nrecipients = \"x\"\n"), "6:14", "invalid type"),
        (
            format!("{LEAST}[[listen]]\nrole = \"inbund\"\naddress = \"0.0.0.0:25\"\n"),
            "6:8",
            "did you mean `inbound`?",
        ),
        (
            format!("{LEAST}[[listen]]\nrole = \"outbound\"\naddress = \"0.0.0.0:25\"\n"),
            "7:12",
            "open relay",
        ),
        (
            format!("{LEAST}[[domain]]\nname = \"x.test\"\nnext_hop = [\"smtp:x\"]\n"),
            "7:12",
            "not a next hop",
        ),
        (format!("{LEAST}[history.greylist]\nmode = \"al\"\n"), "6:8", "did you mean `all`?"),
        (format!("{LEAST}[history.greylist]\ndelay_s = 0\n"), "6:1", "from 1 to 14400"),
        (format!("{LEAST}[history.greylist]\nwindow_s = 5\n"), "6:1", "at least twice"),
        (format!("{LEAST}[history]\nbad_from = 1\n"), "5:1", "numbers that rise"),
        (format!("{LEAST}[lists]\ntrusted = [\"*\"]\n"), "6:11", "no wildcards"),
        (format!("{LEAST}[lists]\ntrusted = [\"@test\"]\n"), "6:13", "top-level domain"),
        (
            format!("{LEAST}[lists]\ntrusted = [\"@x.test\"]\nblocked = [\"@x.test\"]\n"),
            "6:13",
            "both trusted and blocked for the site",
        ),
        (
            format!(
                "{LEAST}[[lists.domain]]\nname = \"x.test\"\n[[lists.domain]]\nname = \"X.test\"\n"
            ),
            "6:9",
            "lists of x.test are given twice",
        ),
        (format!("{LEAST}[tls]\nkey = \"a\"\n"), "5:1", "go together"),
        (format!("{LEAST}[limits]\nconnections = 0\n"), "6:1", "at least 1"),
        (format!("{LEAST}[door]\ngreeting_delay_ms = 90000\n"), "6:1", "at most 60000"),
        (format!("{LEAST}[door]\ntarpit_max_ms = 1\n"), "6:1", "must not be less"),
        (format!("{LEAST}[door]\nearly_talker = \"refuze\"\n"), "6:16", "`refuse`"),
        (format!("{LEAST}[door.inbond]\n"), "5:7", "did you mean `inbound`?"),
        (format!("{LEAST}[policy.inbound]\nreject = nan\n"), "6:1", "not a number"),
        (
            format!(
                "{LEAST}[[listen]]\nrole = \"outbound\"\naddress = \"0.0.0.0:25\"\n\
                 networks = [\"0.0.0.0/1\", \"128.0.0.0/1\"]\n"
            ),
            "7:12",
            "open relay",
        ),
        (format!("{LEAST}[impersonation]\npeople = [{{ name = \"-\" }}]\n"), "5:1", "needs a name"),
        (
            format!("{LEAST}[impersonation]\nbrands = [{{ name = \"Bank\", domains = [] }}]\n"),
            "5:1",
            "needs a name and `domains`",
        ),
        (format!("{LEAST}[impersonation]\nfirst_time_tag = \" \"\n"), "6:1", "one line of text"),
        ("[system\n".to_owned(), "1:8", ""),
        (String::new(), "1:1", "missing field `system`"),
    ];
    for (text, place, what) in table {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.starts_with(&format!("postern.toml:{place}: ")), "{error}");
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn every_path_is_meant_from_the_folder_of_the_file() {
    let text = format!(
        "{LEAST}[[domain]]\nname = \"x.test\"\nnext_hop = [\"maildir:in\", \"lmtp:sock\"]\n\
         [delivery]\nsmart_host = \"maildir:out\"\n[content]\ndirs = [\"rules\"]\n\
         [tls]\ncertificate = \"c.pem\"\nkey = \"k.pem\"\n"
    );
    let config = parse(&text).unwrap();
    let hops: Vec<String> = config.domain[0].next_hop.iter().map(ToString::to_string).collect();
    assert_eq!(hops, ["maildir:/etc/postern/in", "lmtp:/etc/postern/sock"]);
    let smart_host = config.delivery.smart_host.unwrap();
    assert_eq!(smart_host.to_string(), "maildir:/etc/postern/out");
    assert_eq!(config.content.dirs, [Path::new("/etc/postern/rules")]);
    assert_eq!(config.tls.certificate.as_deref(), Some(Path::new("/etc/postern/c.pem")));
}

#[test]
fn authentication_is_checked() {
    let text = format!(
        "{LEAST}[authentication]\ntrusted_sealers = [\"list.test\"]\n\
         [authentication.dmarc]\nreject = \"quarantine\"\n\
         [[authentication.override]]\ndomain = \"x.test\"\ndmarc = \"deliver\"\n\
         [[authentication.override]]\ndomain = \"a.x.test\"\ndmarc = \"reject\"\n"
    );
    let given = parse(&text).unwrap().authentication;
    let domain = |name: &str| crate::mail::Domain::parse(name).unwrap();
    assert_eq!(given.override_for(&domain("b.x.test")), Some(Consequence::Deliver));
    assert_eq!(given.override_for(&domain("b.a.x.test")), Some(Consequence::Reject));
    assert_eq!(given.override_for(&domain("ax.test")), None);
    assert!(given.is_trusted_sealer(&domain("eu.list.test")));
    assert!(!given.is_trusted_sealer(&domain("mylist.test")));
    let wrong = [
        ("timeout_s = 0", "at least 1"),
        ("trusted_relays = [\"0.0.0.0/0\"]", "trust any client"),
        ("overide = []", "override"),
        ("[[authentication.override]]\ndomain = \"x.test\"\n", "dmarc"),
        (
            "[[authentication.override]]\ndomain = \"x.test\"\ndmarc = \"tag\"\n\
             [[authentication.override]]\ndomain = \"X.test\"\ndmarc = \"tag\"\n",
            "two overrides for x.test",
        ),
    ];
    for (line, expected) in wrong {
        let error = parse(&format!("{LEAST}[authentication]\n{line}\n")).unwrap_err().to_string();
        assert!(error.contains(expected), "{line}: {error}");
    }
}
