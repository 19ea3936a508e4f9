//! A directory that is well: recipients, aliases, groups, log-ins, long lists.

use super::slapd::{self, BASE, Slapd};
use super::*;
use crate::directory::dn;

const ALIASES: &str = "alias_filter = \"(&(objectClass=nisMailAlias)(cn={local}))\"\n\
                       recipient_filter = \"(|(mail={address})(mailAlternateAddress={address})\
                       (proxyAddresses=smtp:{address}))\"\n\
                       address_attributes = [\"mail\", \"mailAlternateAddress\", \"proxyAddresses\"]\n\
                       sync_minutes = 0";

#[tokio::test]
async fn recipients_are_known_or_not() {
    let Some(slapd) = Slapd::start(&slapd::office()) else { return };
    let dir = folder();
    let own = config(&slapd, dir.path(), ALIASES, "");
    let directories = directories(&own);
    let table = [
        ("ann@example.test", "ann@example.test"),
        ("ANN@example.test", "ANN@example.test"),
        ("ann.smith@example.test", "ann.smith@example.test"),
        ("robert@example.test", "robert@example.test"),
        ("sales@example.test", "sales@example.test"),
        ("ann+news@example.test", "ann+news@example.test"),
        ("eve+news@example.test", "unknown"),
        ("eve@example.test", "unknown"),
        ("*@example.test", "unknown"),
        ("\"*)(uid=*\"@example.test", "unknown"),
        ("\"a)(|(mail=*\"@example.test", "unknown"),
        ("\"ann\\\\2a\"@example.test", "unknown"),
        ("anybody@elsewhere.test", "anybody@elsewhere.test"),
    ];
    // The second time from what is kept.
    for _ in 0..2 {
        for (recipient, expected) in table {
            assert_eq!(told(&directories, recipient).await, expected, "{recipient}");
        }
    }
}

#[tokio::test]
async fn aliases_are_rewritten_where_that_is_asked_for() {
    let Some(slapd) = Slapd::start(&slapd::office()) else { return };
    let dir = folder();
    let mut own = config(&slapd, dir.path(), ALIASES, "");
    own.domain[0].rewrite = true;
    let directories = directories(&own);
    let table = [
        ("ann.smith@example.test", "ann@example.test"),
        ("robert@example.test", "bob@example.test"),
        ("sales@example.test", "ann@example.test"),
        ("ann+news@example.test", "ann+news@example.test"),
        ("eve@example.test", "unknown"),
    ];
    for (recipient, expected) in table {
        assert_eq!(told(&directories, recipient).await, expected, "{recipient}");
    }
}

#[tokio::test]
async fn groups_are_found_and_those_around_them() {
    let Some(slapd) = Slapd::start(&slapd::office()) else { return };
    let rest = format!(
        "[[group]]\nname = \"money\"\ndn = \"CN=Finance, OU=groups,{BASE}\"\n\
         [[group]]\nname = \"static\"\nmembers = [\"cid@example.test\", \"x@elsewhere.test\"]\n"
    );
    let all = ["payroll", "finance", "house", "everybody"];
    let table: [(&str, &[&str], &[&str]); 5] = [
        ("ann@example.test", &all, &["money"]),
        ("bob@example.test", &["finance", "house", "everybody"], &["money"]),
        ("cid@example.test", &["unix"], &["static"]),
        ("eve@example.test", &[], &[]),
        ("x@elsewhere.test", &[], &["static"]),
    ];
    for source in ["search", "member_of"] {
        let dir = folder();
        let lines = format!("groups = \"{source}\"\nsync_minutes = 0");
        let directories = directories(&config(&slapd, dir.path(), &lines, &rest));
        for (who, groups, named) in table {
            let answer = directories.groups_of(&address(who)).await;
            let mut expected: Vec<String> = groups
                .iter()
                // memberOf is kept for groupOfNames alone, and slapadd keeps none.
                .map(|name| dn::key(&format!("cn={name},ou=groups,{BASE}")))
                .chain(named.iter().map(|name| (*name).to_owned()))
                .collect();
            expected.sort();
            if source == "search" {
                let names: Vec<String> = answer.names.iter().cloned().collect();
                assert_eq!(names, expected, "{who}");
                assert_eq!(answer.certainty, crate::directory::Certainty::Known);
                let finance = format!("group:cn=Finance,ou=Groups,{BASE}");
                assert_eq!(answer.has(&finance), groups.contains(&"finance"), "{who}");
                assert_eq!(answer.has("group:money"), named.contains(&"money"), "{who}");
            }
        }
    }
}

#[tokio::test]
async fn groups_that_entries_name_themselves_are_followed() {
    let Some(slapd) = Slapd::start(&slapd::office()) else { return };
    // The overlay writes memberOf when a group changes.
    for group in ["payroll", "finance", "house"] {
        let dn = format!("cn={group},ou=groups,{BASE}");
        slapd.change(&format!(
            "dn: {dn}\nchangetype: modify\nadd: member\nmember: uid=dan,ou=people,{BASE}\n"
        ));
    }
    slapd.change(&format!(
        "dn: cn=everybody,ou=groups,{BASE}\nchangetype: modify\nreplace: member\n\
         member: cn=house,ou=groups,{BASE}\nmember: uid=cid,ou=people,{BASE}\n"
    ));
    let dir = folder();
    let lines = "groups = \"member_of\"\nsync_minutes = 0";
    let directories = directories(&config(&slapd, dir.path(), lines, ""));
    let answer = directories.groups_of(&address("dan@example.test")).await;
    for group in ["payroll", "finance", "house", "everybody"] {
        assert!(answer.has(&format!("cn={group},ou=groups,{BASE}")), "{group}: {answer:?}");
    }
}

#[tokio::test]
async fn people_log_in() {
    let Some(slapd) = Slapd::start(&slapd::office()) else { return };
    let dir = folder();
    let rest = "[submission]\ndirectory = \"staff\"\n";
    let directories = directories(&config(&slapd, dir.path(), "sync_minutes = 0", rest));
    let table = [
        ("ann", "ann's secret", Some(2)),
        ("ANN", "ann's secret", Some(2)),
        ("ann@example.test", "ann's secret", Some(2)),
        ("ann", "bob's secret", None),
        ("ann", "", None),
        ("", "ann's secret", None),
        ("eve", "x", None),
        ("*", "ann's secret", None),
        ("ann)(uid=*", "ann's secret", None),
        ("a\0nn", "ann's secret", None),
    ];
    for (name, password, addresses) in table {
        let identity = directories.authenticate(name, password).await.unwrap();
        assert_eq!(identity.map(|one| one.addresses.len()), addresses, "{name} {password}");
    }
}

#[tokio::test]
async fn five_thousand_come_page_by_page() {
    let Some(slapd) = Slapd::start(&slapd::crowd(5_000)) else { return };
    let dir = folder();
    for page in [100, 500] {
        let lines = format!("page_entries = {page}\nsync_minutes = 0");
        let directories = directories(&config(&slapd, dir.path(), &lines, ""));
        let begun = Instant::now();
        assert_eq!(directories.all()[0].fetch_list().await, Ok(5_000));
        println!("5,000 addresses in pages of {page}: {:?}", begun.elapsed());
        assert_eq!(told(&directories, "u4999@example.test").await, "u4999@example.test");
        assert_eq!(told(&directories, "u5000@example.test").await, "unknown");
    }
}

#[tokio::test]
async fn servers_must_prove_who_they_are() {
    let Some(slapd) = Slapd::start(&slapd::office()) else { return };
    let Some(other) = Slapd::start("") else { return };
    let (dir, ours, foreign) = (folder(), slapd.ca(), other.ca());
    let by_name = format!("ldap://localhost:{}", slapd.port);
    let table = [
        (slapd.ldaps(), "", &ours, true),
        (slapd.url(), "tls = \"starttls\"", &ours, true),
        (by_name, "tls = \"starttls\"", &ours, true),
        (slapd.ldaps(), "", &foreign, false),
        (slapd.url(), "tls = \"starttls\"", &foreign, false),
        // The wrong port for each.
        (format!("ldaps://127.0.0.1:{}", slapd.port), "", &ours, false),
        (format!("ldap://127.0.0.1:{}", slapd.tls_port), "tls = \"starttls\"", &ours, false),
        (format!("ldap://127.0.0.1:{}", slapd.tls_port), "tls = \"none\"", &ours, false),
    ];
    for (server, tls, ca, works) in table {
        let lines = format!(
            "servers = [\"{server}\"]\n{tls}\nca = \"{}\"\nsync_minutes = 0\nconnect_timeout_s = 2",
            ca.display()
        );
        let lines = if tls.is_empty() { format!("{lines} # ldaps") } else { lines };
        let directories = directories(&config(&slapd, dir.path(), &lines, ""));
        let answer = told(&directories, "ann@example.test").await;
        assert_eq!(answer == "ann@example.test", works, "{server} {tls}: {answer}");
        if !works {
            assert!(answer.starts_with("Defer: "), "{answer}");
        }
    }
}
