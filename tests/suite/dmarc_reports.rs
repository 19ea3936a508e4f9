//! DMARC aggregate reports: they come in by mail and are listed; what was observed goes out as
//! a report that can be read, once, over a kill.

use std::io::Write;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use postern::analysis::dmarc_reports;
use postern::mail::Domain;
use postern::message::{Anatomy, Limits};
use postern::net::resolver::mock;
use postern::store::Store;
use postern::store::dmarc::{
    Applied, Asked, CheckResult, DAY_MS, Observation, PublishedPolicy, Row, Signature, SpfCheck,
    SpfScope,
};

use super::harness::postern::field;
use super::harness::{Arrived, Postern, Setup, Sink, client, wait_for};

const INBOX: &str = "dmarc@example.test";

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

fn xml(report_id: &str) -> String {
    let record = |ip: &str, count: u32, disposition: &str, dkim: &str| {
        format!(
            "<record><row><source_ip>{ip}</source_ip><count>{count}</count><policy_evaluated>\
             <disposition>{disposition}</disposition><dkim>{dkim}</dkim><spf>fail</spf>\
             </policy_evaluated></row><identifiers><header_from>example.test</header_from>\
             </identifiers><auth_results><spf><domain>b.test</domain><result>none</result></spf>\
             </auth_results></record>"
        )
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feedback><report_metadata>\
         <org_name>Big Example</org_name><email>d@big.example</email>\
         <report_id>{report_id}</report_id><date_range><begin>1763596800</begin>\
         <end>1763683199</end></date_range></report_metadata><policy_published>\
         <domain>example.test</domain><p>reject</p></policy_published>{}{}{}</feedback>",
        record("192.0.2.7", 40, "none", "pass"),
        record("192.0.2.7", 2, "reject", "fail"),
        record("2001:db8::9", 5, "quarantine", "fail"),
    )
}

fn report_mail(name: &str, octets: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(octets).unwrap();
    let encoded = STANDARD.encode(packer.finish().unwrap());
    let lines: Vec<&str> =
        encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!(
        "From: d@big.example\r\nTo: {INBOX}\r\nDate: Mon, 16 Nov 2026 10:00:00 +0000\r\n\
         Message-ID: <{name}@big.example>\r\nSubject: Report Domain: example.test\r\n\
         MIME-Version: 1.0\r\nContent-Type: application/gzip; name=\"r.xml.gz\"\r\n\
         Content-Disposition: attachment; filename=\"r.xml.gz\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        lines.join("\r\n")
    )
    .into_bytes()
}

fn setup(sink: &Sink) -> Setup {
    Setup::new()
        .next_hop(sink.hop())
        .smart_host(sink.hop())
        .set("authentication.reports", format!("address = \"{INBOX}\""))
}

fn give(postern: &Postern, to: &[&str], mail: &[u8]) {
    let reply = client::send(postern.inbound(), "bounce@big.example", to, mail);
    assert_eq!(reply.code, 250, "{reply}");
}

#[test]
fn a_report_that_comes_in_is_listed_and_shown() {
    let sink = Sink::start();
    let postern = setup(&sink).start();
    give(&postern, &[INBOX], &report_mail("one", xml("r-1").as_bytes()));
    // The same again, and one that came to somebody else.
    give(
        &postern,
        &["DMARC@example.test", "ann@example.test"],
        &report_mail("two", xml("r-1").as_bytes()),
    );
    give(&postern, &["ann@example.test"], &report_mail("three", xml("r-2").as_bytes()));
    sink.wait(3);
    let reports = postern.ask(&["dmarc", "list"]);
    assert_eq!(reports.len(), 1, "{reports:?}");
    let report = &reports[0];
    for (name, value) in [
        ("org_name", "Big Example"),
        ("report_id", "r-1"),
        ("domain", "example.test"),
        ("policy", "reject"),
        ("begin", "2025-11-20T00:00:00Z"),
        ("messages", "47"),
        ("passed", "40"),
        ("quarantined", "5"),
        ("rejected", "2"),
        ("vouched", "false"),
    ] {
        assert_eq!(field(report, name), value, "{name} in {report}");
    }
    let shown = postern.ask(&["dmarc", "show", &field(report, "id")]);
    let sources = shown[0]["sources"].as_array().unwrap();
    assert_eq!(sources.len(), 2, "{shown:?}");
    assert_eq!(field(&sources[0], "source"), "192.0.2.7");
    assert_eq!(
        (field(&sources[0], "passed"), field(&sources[0], "failed")),
        ("40".into(), "2".into())
    );
    let of_domain = postern.ask(&["dmarc", "show", "--domain", "Example.test"]);
    assert_eq!(of_domain, *sources);
    assert!(postern.ask(&["dmarc", "list", "--domain", "other.test"]).is_empty());
    let plain = postern.tell(&["dmarc", "list"]);
    assert!(plain.contains("Big Example") && plain.contains("47 mails"), "{plain}");
    for wrong in [&["dmarc", "show", "nonsense"][..], &["dmarc", "show"], &["dmarc", "send"]] {
        let output = postern.cli(wrong);
        assert!(!output.status.success() && !output.stderr.is_empty(), "{wrong:?}");
    }
}

#[test]
fn a_report_mail_that_is_discarded_leaves_its_report_over_a_kill() {
    let sink = Sink::start();
    let mut postern = setup(&sink).set("authentication.reports", "keep = \"discard\"").start();
    give(&postern, &[INBOX], &report_mail("one", xml("r-1").as_bytes()));
    postern.kill();
    postern.start_again();
    assert_eq!(postern.ask(&["dmarc", "list"]).len(), 1);
    // Only the copy for the inbox goes; what brings no report is delivered.
    let both = [INBOX, "ann@example.test"];
    give(&postern, &both, &report_mail("two", xml("r-2").as_bytes()));
    assert_eq!(sink.wait(1)[0].recipients(), ["ann@example.test"]);
    give(&postern, &[INBOX], &report_mail("three", &xml("r-3").as_bytes()[..400]));
    assert_eq!(sink.wait(2)[1].recipients(), [INBOX]);
    sink.stays_at(2);
    let mut ids: Vec<String> =
        postern.ask(&["dmarc", "list"]).iter().map(|row| field(row, "report_id")).collect();
    ids.sort();
    assert_eq!(ids, ["r-1", "r-2"]);
    let story = postern.tell(&["track", "--message-id", "three@big.example", "--json"]);
    assert!(story.contains("DMARC_REPORT_BROKEN"), "{story}");
}

#[test]
fn a_bomb_is_no_report_and_is_quarantined_like_any_mail() {
    let sink = Sink::start();
    let postern = setup(&sink).start();
    give(&postern, &[INBOX], &report_mail("bomb", &vec![b' '; 64 << 20]));
    wait_for("a held bomb", || (postern.ask(&["quarantine", "list"]).len() == 1).then_some(()));
    sink.stays_at(0);
    assert!(postern.ask(&["dmarc", "list"]).is_empty());
    let story = postern.tell(&["track", "--message-id", "bomb@big.example", "--json"]);
    assert!(story.contains("DMARC_REPORT_BROKEN"), "{story}");
}

fn observation(domain: &str, rua: &str, last: u8) -> Observation {
    let source: IpAddr = [192, 0, 2, last].into();
    Observation {
        policy_domain: Domain::parse(domain).unwrap(),
        policy: PublishedPolicy {
            domain: domain.into(),
            p: Asked::Reject,
            ..PublishedPolicy::default()
        },
        rua: vec![rua.into()],
        asked: Asked::Reject,
        row: Row {
            source,
            disposition: Applied::None,
            aligned_dkim: false,
            aligned_spf: false,
            reasons: Vec::new(),
            header_from: domain.into(),
            envelope_from: Some("forger.test".into()),
            envelope_to: None,
            dkim: vec![Signature {
                domain: "forger.test".into(),
                selector: "s".into(),
                result: CheckResult::Pass,
            }],
            spf: vec![SpfCheck {
                domain: "forger.test".into(),
                scope: SpfScope::Mfrom,
                result: CheckResult::Pass,
            }],
        },
    }
}

fn report_in(mail: &Arrived) -> dmarc_reports::Report {
    let content = Bytes::from(mail.content.clone());
    dmarc_reports::receive(&Anatomy::of(&content, Limits::default()), now_ms()).unwrap()
}

#[test]
fn what_was_observed_is_reported_once() {
    let sink = Sink::start();
    let dns = mock::serve(
        "asker.test._report._dmarc.reader.test TXT \"v=DMARC1; rua=mailto:in@reader.test\"\n\
         reader.test A 192.0.2.1\n",
    )
    .unwrap();
    let setup = setup(&sink)
        .set("dns", format!("servers = [\"{}\"]", dns.address))
        .set("authentication.reports", "send = true")
        .set("authentication.reports", "org_name = \"Example School\"");
    {
        // A day that is over at any hour of this one, as a box that ran then has left it.
        let store = Store::open(&setup.dir().join("data")).unwrap();
        let then_ms = now_ms() - 2 * DAY_MS;
        for (domain, rua, last, done) in [
            ("asker.test", "mailto:d@reader.test", 1, Asked::Reject),
            ("asker.test", "mailto:d@reader.test", 1, Asked::Reject),
            ("asker.test", "mailto:d@reader.test", 2, Asked::None),
            ("third.test", "mailto:d@reader.test", 1, Asked::Reject),
        ] {
            let seen = observation(domain, rua, last).concluded(done);
            store.dmarc().observed().record(seen, then_ms).unwrap();
        }
        store.flush().unwrap();
    }
    let mut postern = setup.start();
    let sent = postern.ask(&["dmarc", "send"]);
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert_eq!(sent[0]["sent_to"].to_string(), "[\"in@reader.test\"]");
    assert!(field(&sent[1], "remark").contains("no consent at third.test._report"), "{sent:?}");
    let mails = sink.wait(1);
    assert_eq!(mails[0].recipients(), ["in@reader.test"]);
    assert_eq!(mails[0].reverse_path, INBOX);
    let report = report_in(&mails[0]);
    assert_eq!(
        (report.org_name.as_str(), report.policy.domain.as_str()),
        ("Example School", "asker.test")
    );
    let counts: Vec<(u64, Applied)> =
        report.rows.iter().map(|tally| (tally.count, tally.row.disposition)).collect();
    assert_eq!(counts, [(2, Applied::Reject), (1, Applied::None)]);
    // An outcome that a kill swallows is the conservation test's matter.
    postern.wait_until_empty();
    postern.kill();
    postern.start_again();
    assert!(postern.ask(&["dmarc", "send"]).is_empty());
    sink.stays_at(1);
    let observed = postern.ask(&["dmarc", "observed", "--domain", "asker.test"]);
    assert_eq!(observed.len(), 1);
    assert_eq!(observed[0]["sent_to"].to_string(), "[\"in@reader.test\"]");
    assert_eq!(field(&observed[0]["sources"][0], "messages"), "2");
    assert_eq!(postern.ask(&["dmarc", "observed"]).len(), 2);
}

fn letter(author: &str, id: &str) -> Vec<u8> {
    format!(
        "From: <{author}>\r\nTo: <ann@example.test>\r\nDate: Mon, 16 Nov 2026 10:00:00 +0000\r\n\
         Message-ID: <{id}@asker.test>\r\nSubject: The minutes\r\n\r\nPlease find them below.\r\n"
    )
    .into_bytes()
}

#[test]
fn mail_that_comes_in_is_observed_and_a_reporter_who_is_authenticated_is_vouched_for() {
    let sink = Sink::start();
    let dns = mock::serve(
        "asker.test TXT \"v=spf1 ip4:127.0.0.1 -all\"\n\
         _dmarc.asker.test TXT \"v=DMARC1; p=reject; rua=mailto:d@asker.test!10m\"\n\
         forger.test TXT \"v=spf1 ip4:127.0.0.1 -all\"\n\
         silent.test TXT \"v=spf1 ip4:127.0.0.1 -all\"\n\
         _dmarc.silent.test TXT \"v=DMARC1; p=none\"\n\
         big.example TXT \"v=spf1 ip4:127.0.0.1 -all\"\n\
         _dmarc.big.example TXT \"v=DMARC1; p=none; rua=mailto:d@big.example\"\n",
    )
    .unwrap();
    let dns_servers = format!("servers = [\"{}\"]", dns.address);
    let postern =
        setup(&sink).set("authentication", "enabled = true").set("dns", dns_servers).start();
    let to = ["ann@example.test"];
    let table = [
        ("a@asker.test", "a@asker.test", 250),
        ("b@asker.test", "b@asker.test", 250),
        // Forged: refused as the domain asks, and counted.
        ("f@forger.test", "a@asker.test", 550),
        // Nobody asks for a report on it.
        ("s@silent.test", "s@silent.test", 250),
    ];
    for (at, (reverse_path, author, code)) in table.into_iter().enumerate() {
        let sent = letter(author, &format!("observed-{at}"));
        let reply = client::send(postern.inbound(), reverse_path, &to, &sent);
        assert_eq!(reply.code, code, "{reverse_path} {author}: {reply}");
    }
    give(&postern, &[INBOX], &report_mail("vouched", xml("r-9").as_bytes()));
    let observed = postern.ask(&["dmarc", "observed", "--domain", "asker.test"]);
    let messages: u64 = observed.iter().map(|day| day["messages"].as_u64().unwrap()).sum();
    assert_eq!(messages, 3, "{observed:?}");
    let sources = observed[0]["sources"].as_array().unwrap();
    let sum = |name: &str| -> u64 {
        observed
            .iter()
            .flat_map(|day| day["sources"].as_array().unwrap())
            .map(|source| source[name].as_u64().unwrap())
            .sum()
    };
    assert_eq!(field(&sources[0], "source"), "127.0.0.1");
    assert_eq!((sum("passed"), sum("failed"), sum("rejected")), (2, 1, 1), "{observed:?}");
    // Reports are not reported on.
    let all = postern.ask(&["dmarc", "observed"]);
    assert!(all.iter().all(|row| field(row, "domain") == "asker.test"), "{all:?}");
    let reports = postern.ask(&["dmarc", "list"]);
    assert_eq!(
        (field(&reports[0], "vouched"), field(&reports[0], "author_domain")),
        ("true".into(), "big.example".into())
    );
}
