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
        (format!("{LEAST}[admin]\nidle_minutes = 0\n"), "6:1", "must be at least 1"),
        (
            format!("{LEAST}[admin]\nidle_minutes = 1\nsession_hours = 0\n"),
            "7:1",
            "must be at least 1",
        ),
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

#[test]
fn directories_are_checked() {
    let directory =
        |lines: &str| format!("{LEAST}[[directory]]\nname = \"d\"\nbase = \"dc=x\"\n{lines}\n");
    let ldaps = "servers = [\"ldaps://dc1.x.test\"]";
    let domain = "[[domain]]\nname = \"x.test\"\nnext_hop = [\"smtp://10.0.0.1\"]\n";
    let good = [
        directory(ldaps),
        directory("servers = [\"ldap://127.0.0.1\"]\ntls = \"none\""),
        directory("servers = [\"ldap://[::1]:390\", \"ldaps://dc.x.test\"]\ntls = \"none\""),
        directory("servers = [\"ldap://dc1.x.test\"]\ntls = \"none\"\nallow_clear = true"),
        format!(
            "{}{domain}recipients = \"ldap\"\nrewrite = true\nsubaddress = \"+\"",
            directory(ldaps)
        ),
        format!("{}[[group]]\nname = \"g\"\ndn = \"cn=g\"", directory(ldaps)),
        format!("{LEAST}{domain}recipients = \"callout\""),
    ];
    for text in good {
        assert!(parse(&text).is_ok(), "{:?}\n{text}", parse(&text));
    }
    let bad = [
        (directory("servers = []"), "no `servers`"),
        (directory("servers = [\"http://x\"]"), "no LDAP server"),
        (directory("servers = [\"ldap://dc1.x.test\"]\ntls = \"none\""), "in clear"),
        (directory("servers = [\"ldap://dc1.x.test\"]\ntls = \"ldaps\""), "is not ldaps"),
        (directory(&format!("{ldaps}\nbind_dn = \"cn=a\"")), "go together"),
        (
            directory(&format!("{ldaps}\nrecipient_filter = \"(mail={{name}})\"")),
            "does not know {name}",
        ),
        (directory(&format!("{ldaps}\nrecipient_filter = \"(mail=*)\"")), "whoever is looked for"),
        (directory(&format!("{ldaps}\nlogin_filter = \"(uid={{name}}\"")), "no LDAP filter"),
        (directory(&format!("{ldaps}\nshrink_percent = 101")), "goes from 0 to 100"),
        (directory(&format!("{ldaps}\ntimeout_s = 0")), "goes from 1 to 120"),
        (format!("{0}{1}", directory(ldaps), directory(ldaps).replace(LEAST, "")), "given twice"),
        (format!("{LEAST}{domain}recipients = \"ldap\""), "needs a [[directory]]"),
        (format!("{LEAST}{domain}recipients = \"list\""), "needs `addresses`"),
        (format!("{LEAST}{domain}addresses = [\"a\"]"), "need `recipients = \"list\"`"),
        (format!("{LEAST}{domain}rewrite = true"), "`rewrite` needs"),
        (format!("{LEAST}{domain}directory = \"d\""), "no [[directory]] \"d\""),
        (format!("{LEAST}{domain}subaddress = \"ab\""), "separates no tag"),
        (format!("{LEAST}[submission]\ndirectory = \"d\""), "no [[directory]] \"d\""),
        (format!("{LEAST}[[group]]\nname = \"g\"\ndn = \"cn=g\""), "needs a [[directory]]"),
        (format!("{LEAST}[[group]]\nname = \"g\""), "neither `members`"),
        (format!("{LEAST}[callout]\nconnections = 0"), "goes from 1 to 100"),
        (
            format!(
                "{LEAST}[[domain]]\nname = \"x.test\"\nnext_hop = [\"maildir:m\"]\nrecipients = \"callout\""
            ),
            "a Maildir cannot be asked",
        ),
    ];
    for (text, what) in bad {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains(what), "{error}\nwanted: {what}");
    }
}

#[test]
fn tags_are_told_from_mailboxes() {
    let plus = Subaddress::try_from("+".to_owned()).unwrap();
    let table = [
        ("ann+news@x.test", Some("ann@x.test")),
        ("ann+a+b@x.test", Some("ann@x.test")),
        ("ann@x.test", None),
        ("+news@x.test", None),
        ("ann-news@x.test", None),
    ];
    for (address, mailbox) in table {
        let without = plus.without_tag(&address.parse().unwrap());
        assert_eq!(without.map(|one| one.to_string()).as_deref(), mailbox);
    }
}
