use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::analysis::dmarc_reports;
use crate::config::SpoolSettings;
use crate::message::{Anatomy, Limits};
use crate::net::resolver::mock::MockResolver;
use crate::spool::QueueFilter;
use crate::store::dmarc::{
    Alignment, Applied, Asked, CheckResult, DAY_MS, Discovery, Observation, Override, OverrideKind,
    PublishedPolicy, Row, Signature, SpfCheck, SpfScope, Tally,
};

/// 2026-11-21, two hours after midnight.
const NOW_MS: u64 = 20_778 * DAY_MS + 2 * 3_600_000;
const YESTERDAY: Day = Day(20_777);

fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

fn to(address: &str) -> Destination {
    Destination { address: address.parse().unwrap(), limit_octets: None }
}

fn terms() -> Terms {
    let reports = DmarcReports {
        address: Some("dmarc-reports@own.example".parse().unwrap()),
        send: true,
        org_name: Some("Rathaus Köln <&>".into()),
        extra_contact: Some("https://own.example/?a&b".into()),
        ..DmarcReports::default()
    };
    Terms { hostname: domain("mx.own.example"), reports }
}

fn row(last: u8) -> Row {
    Row {
        source: [192, 0, 2, last].into(),
        disposition: Applied::Quarantine,
        aligned_dkim: false,
        aligned_spf: last.is_multiple_of(2),
        reasons: vec![Override { kind: OverrideKind::MailingList, comment: "a & b".into() }],
        header_from: "sub.asker.test".into(),
        envelope_from: Some(String::new()),
        envelope_to: None,
        dkim: vec![Signature {
            domain: "asker.test".into(),
            selector: "s<1>".into(),
            result: CheckResult::TempError,
        }],
        spf: vec![SpfCheck {
            domain: "bounce.test".into(),
            scope: SpfScope::Mfrom,
            result: CheckResult::SoftFail,
        }],
    }
}

fn policy(name: &str) -> PublishedPolicy {
    PublishedPolicy {
        domain: name.into(),
        p: Asked::Reject,
        sp: Some(Asked::None),
        np: Some(Asked::Quarantine),
        adkim: Some(Alignment::Strict),
        aspf: Some(Alignment::Relaxed),
        testing: Some(false),
        pct: None,
        fo: Some("1:d".into()),
        discovery: Some(Discovery::TreeWalk),
    }
}

fn period(name: &str, mails: u64) -> Period {
    Period {
        day: YESTERDAY,
        domain: domain(name),
        policy: policy(name),
        rua: vec![format!("mailto:d@{name}")],
        rows: 1,
        mails,
        left_out: 0,
    }
}

fn read(message: &[u8]) -> Result<dmarc_reports::Report, dmarc_reports::Broken> {
    let message = Bytes::copy_from_slice(message);
    dmarc_reports::receive(&Anatomy::of(&message, Limits::default()), NOW_MS)
}

fn compose(period: &Period, rows: &[Tally]) -> mail::Message {
    let (terms, author) = (terms(), "dmarc-reports@own.example".parse().unwrap());
    let attachment = mail::Attachment::write(&terms, &author, period, rows);
    let reader = "d@reader.test".parse().unwrap();
    let letter =
        mail::Letter { id: MailId::mint(), author: &author, reader: &reader, date_ms: NOW_MS };
    let message = mail::message(&terms, &letter, period, &attachment);
    assert!(message.text.len() as u64 <= mail::size_octets(attachment.gzip.len()));
    message
}

#[test]
fn what_is_sent_is_read_back_the_same() {
    let rows: Vec<Tally> = (1..=40).map(|last| Tally { row: row(last), count: 9 }).collect();
    let mut period = period("asker.test", 360);
    period.left_out = 7;
    let report = read(&compose(&period, &rows).text).unwrap();
    assert_eq!(report.rows, rows);
    assert_eq!(report.policy, period.policy);
    assert_eq!(report.org_name, "Rathaus Köln <&>");
    assert_eq!(report.contact, "dmarc-reports@own.example, https://own.example/?a&b");
    assert_eq!((report.begin_s, report.end_s), (YESTERDAY.begin_s(), YESTERDAY.end_s()));
    assert!(report.errors[0].starts_with("7 messages"), "{:?}", report.errors);
    assert!(report.report_id.starts_with("20261120."), "{}", report.report_id);
    assert!(report.report_id.ends_with("@mx.own.example"));
}

#[test]
fn others_can_read_it_too() {
    let rows = [Tally { row: row(1), count: 3 }, Tally { row: row(2), count: 4 }];
    let message = compose(&period("asker.test", 7), &rows);
    let report = mail_auth::report::Report::parse_rfc5322(&message.text, 1 << 20).unwrap();
    assert_eq!(report.domain(), "asker.test");
    assert_eq!(report.records().len(), 2);
    assert_eq!(report.records().iter().map(|record| record.count()).sum::<u32>(), 7);
}

#[test]
fn the_mail_is_of_the_form_that_the_standard_wants() {
    let message = compose(&period("asker.test", 1), &[Tally { row: row(1), count: 1 }]);
    let text = String::from_utf8(message.text.clone()).unwrap();
    assert!(text.is_ascii());
    let (begin, end) = (YESTERDAY.begin_s(), YESTERDAY.end_s());
    let id = plan::report_id(&domain("mx.own.example"), &domain("asker.test"), YESTERDAY);
    for part in [
        "Subject: Report Domain: asker.test\r\n Submitter: mx.own.example\r\n Report-ID: <",
        &format!("filename=\"mx.own.example!asker.test!{begin}!{end}.xml.gz\""),
        "Content-Type: application/gzip;",
        "Auto-Submitted: auto-generated\r\n",
        "Date: Sat, 21 Nov 2026 02:00:00 +0000\r\n",
        "To: <d@reader.test>\r\n",
        &format!("Report-ID: <{id}>\r\n"),
        "From: =?utf-8?B?",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    for line in text.split("\r\n") {
        assert!(line.len() <= 998 && !line.contains(['\r', '\n']), "{line}");
    }
    let parsed = mail_parser::MessageParser::new().parse(&message.text).unwrap();
    let from = parsed.from().unwrap().first().unwrap();
    assert_eq!(from.name(), Some("Rathaus Köln <&>"));
    assert_eq!(from.address(), Some("dmarc-reports@own.example"));
    assert_eq!(parsed.message_id(), Some(message.message_id.as_str()));
    assert_eq!(parsed.subject(), Some(message.subject.as_str()));
}

#[test]
fn reporting_addresses_are_read() {
    let table: [(&str, Option<(&str, Option<u64>)>); 15] = [
        ("mailto:d@x.test", Some(("d@x.test", None))),
        (" MAILTO:D@X.test ", Some(("D@x.test", None))),
        ("mailto:d@x.test!10m", Some(("d@x.test", Some(10 << 20)))),
        ("mailto:d@x.test!500K", Some(("d@x.test", Some(500 << 10)))),
        ("mailto:d@x.test!7", Some(("d@x.test", Some(7)))),
        ("mailto:d@x.test!9999999999t", Some(("d@x.test", Some(u64::MAX)))),
        ("mailto:a%21b%40@x.test", None),
        ("mailto:a%21b@x.test", Some(("a!b@x.test", None))),
        ("mailto:d@x.test?subject=x", Some(("d@x.test", None))),
        ("mailto:d@x.test!10q", None),
        ("mailto:d@x.test!m", None),
        ("https://x.test/report", None),
        ("mailto:d", None),
        ("mailto:d%0d%0aRCPT@x.test", None),
        ("mailto:d%@x.test", None),
    ];
    for (uri, expected) in table {
        let found = plan::destinations(&[uri.to_owned()]);
        let found = found.first().map(|one| (one.address.to_string(), one.limit_octets));
        let expected = expected.map(|(address, limit)| (address.to_owned(), limit));
        assert_eq!(found, expected, "{uri}");
    }
    let many: Vec<String> = (0..20).map(|at| format!("mailto:d{}@x.test", at / 2)).collect();
    assert_eq!(plan::destinations(&many).len(), 4);
}

#[test]
fn who_stands_outside_has_to_agree() {
    let asks = |name: &str| Standing::External(domain(name));
    let long = format!("{}.test", ["a".repeat(60).as_str(); 4].join(".").get(..236).unwrap());
    let table = [
        ("asker.test", "d@asker.test", Standing::Own),
        ("asker.test", "d@reports.asker.test", Standing::Own),
        ("mail.asker.test", "d@asker.test", Standing::Own),
        ("asker.co.uk", "d@other.co.uk", asks("asker.co.uk._report._dmarc.other.co.uk")),
        ("asker.test", "d@reader.test", asks("asker.test._report._dmarc.reader.test")),
        ("asker.test", "d@notasker.test", asks("asker.test._report._dmarc.notasker.test")),
        ("asker.test", "d@[192.0.2.1]", Standing::Impossible),
        (&long, "d@reader.test", Standing::Impossible),
    ];
    for (policy_domain, reader, expected) in table {
        let standing = plan::standing(&domain(policy_domain), &to(reader));
        assert_eq!(standing, expected, "{policy_domain} {reader}");
    }
}

#[test]
fn consent_is_what_the_texts_say() {
    let here = || Consent::Granted;
    let there = |address| Consent::Elsewhere(vec![to(address)]);
    let table: [(&[&str], Consent); 14] = [
        (&["v=DMARC1"], here()),
        (&["v=DMARC1;"], here()),
        (&[" v = DMARC1 ; x=y"], here()),
        (&["other", "v=DMARC1"], here()),
        (&[], Consent::Refused),
        (&["v=DMARC2"], Consent::Refused),
        (&["v=dmarc1"], Consent::Refused),
        (&["x=y; v=DMARC1"], Consent::Refused),
        (&["v=DMARC10"], Consent::Refused),
        (&["v=spf1 -all", "hello"], Consent::Refused),
        (&["v=DMARC1; rua=mailto:other@reader.test"], there("other@reader.test")),
        // Another host would turn the consent against a third.
        (&["v=DMARC1; rua=mailto:victim@third.test"], here()),
        (&["v=DMARC1; rua=mailto:v@third.test,mailto:o@reader.test"], there("o@reader.test")),
        (&["v=DMARC1; rua=nonsense"], here()),
    ];
    for (texts, expected) in table {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(plan::consent(&texts, &to("d@reader.test")), expected, "{texts:?}");
    }
    let small = Destination { limit_octets: Some(5), ..to("d@reader.test") };
    let texts = ["v=DMARC1; rua=mailto:o@reader.test".to_owned()];
    let Consent::Elsewhere(others) = plan::consent(&texts, &small) else { panic!() };
    assert!(others[0].takes(5) && !others[0].takes(6));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_day_never_has_more_reports_than_allowed(
        mails in proptest::collection::vec((any::<bool>(), 0u64..9), 0..30),
        done in 0usize..20,
        at_most in 0u32..20,
    ) {
        let named = |(at, (begun, mails)): (usize, (bool, u64))| {
            (begun, period(&format!("d{at}.test"), mails))
        };
        let open: Vec<(bool, Period)> = mails.into_iter().enumerate().map(named).collect();
        let resumed = open.iter().filter(|(begun, period)| *begun && period.mails > 0).count();
        let begun = done + open.iter().filter(|(begun, _)| *begun).count();
        let due = plan::due(open.clone(), begun, at_most);
        let fresh = due.len() - resumed;
        prop_assert!(fresh == 0 || begun + fresh <= at_most as usize);
        prop_assert!(due.iter().all(|period| period.mails > 0));
        // What was begun comes first; of the rest none is left out that is larger.
        let least = due.iter().skip(resumed).map(|period| period.mails).min();
        let chosen = |period: &Period| due.iter().any(|other| other.domain == period.domain);
        let left_out = open.iter().filter(|(_, period)| period.mails > 0 && !chosen(period));
        for (begun, period) in left_out {
            prop_assert!(!begun);
            prop_assert!(least.is_none_or(|least| period.mails <= least));
        }
    }

    #[test]
    fn whatever_strangers_say_the_report_can_be_read(
        texts in proptest::collection::vec(any::<String>(), 6),
        // Rows of more are not believed.
        count in 1u64..=1_000_000_000,
        ip in any::<std::net::IpAddr>(),
    ) {
        let [one, two, three, four, five, six] = texts.try_into().unwrap();
        let mut row = row(1);
        row.source = ip;
        row.reasons[0].comment = one;
        row.header_from = two;
        row.envelope_from = Some(three);
        row.dkim[0].domain = four;
        row.dkim[0].selector = five;
        row.spf[0].domain = six;
        let period = period("asker.test", count);
        let report = read(&compose(&period, &[Tally { row, count }]).text);
        let report = report.unwrap();
        prop_assert_eq!(report.rows.len(), 1);
        prop_assert_eq!((report.rows[0].count, report.rows[0].row.source), (count, ip));
    }
}

/// The rooms around a reporter, on a real disk.
struct Rooms {
    store: Arc<Store>,
    spool: Arc<Spool>,
    journal: Arc<Journal>,
}

const TABLE: &str = "
asker.test._report._dmarc.reader.test TXT \"v=DMARC1\"
shy.test._report._dmarc.reader.test TXT \"nothing\"
slow.test._report._dmarc.broken.test TEMPORARY
";

impl Rooms {
    fn open(dir: &Path) -> Rooms {
        let settings =
            SpoolSettings { segment_octets: 1 << 20, reserve_octets: 1 << 20, cache_octets: 0 };
        let (spool, _) = Spool::open(&settings, dir).unwrap();
        let journal = Journal::open(&crate::config::Journal::default(), dir).unwrap();
        Rooms { store: Arc::new(Store::open(dir).unwrap()), spool, journal }
    }

    fn see(&self, name: &str, rua: &str, mails: u64) {
        for _ in 0..mails {
            let observation = Observation {
                policy_domain: domain(name),
                policy: policy(name),
                rua: vec![rua.to_owned()],
                asked: Asked::Reject,
                row: row(1),
            };
            let seen = observation.concluded(Asked::Quarantine);
            self.store.dmarc().observed().record(seen, NOW_MS - DAY_MS).unwrap();
        }
    }

    fn reporter(&self, text: &str) -> Arc<Reporter> {
        let text = format!(
            "[system]\nhostname = \"mx.own.example\"\ndata_dir = \"d\"\n\
             postmaster = \"p@own.example\"\n[authentication.reports]\n\
             address = \"dmarc-reports@own.example\"\nsend = true\n{text}"
        );
        let config = Config::parse(&text, Path::new("f"), Path::new("/")).unwrap();
        Reporter::new(
            &config,
            Arc::clone(&self.store),
            Arc::clone(&self.spool),
            Arc::clone(&self.journal),
            Arc::new(MockResolver::parse(TABLE).unwrap()),
        )
    }

    /// Forward-paths in the queue.
    fn queue(&self) -> Vec<String> {
        let entries = self.spool.list(&QueueFilter::default(), 100);
        let paths = entries.iter().flat_map(|entry| &entry.envelope.recipients);
        let mut paths: Vec<String> = paths.map(|one| one.forward_path.to_string()).collect();
        paths.sort();
        paths
    }

    fn close(self) {
        self.spool.close();
        self.journal.close();
    }
}

#[tokio::test]
async fn each_report_goes_out_once() {
    let dir = tempfile::tempdir().unwrap();
    let rooms = Rooms::open(dir.path());
    rooms.see("asker.test", "mailto:d@reader.test", 3);
    rooms.see("own.test", "mailto:d@own.test", 2);
    rooms.see("shy.test", "mailto:d@reader.test", 1);
    rooms.see("none.test", "https://none.test/", 1);
    rooms.see("narrow.test", "mailto:d@narrow.test!1k", 1);
    rooms.see("slow.test", "mailto:d@broken.test", 1);
    let reporter = rooms.reporter("");
    let turns = reporter.send_due(NOW_MS).await.unwrap();
    let told: Vec<(String, usize, String)> = turns
        .iter()
        .map(|turn| (turn.domain.to_string(), turn.sent.len(), turn.remark.clone()))
        .collect();
    let expect = |name: &str, sent: usize, words: &str| {
        let (_, count, remark) = told.iter().find(|(domain, ..)| domain == name).unwrap();
        assert_eq!(*count, sent, "{name}");
        assert!(remark.contains(words) && remark.is_empty() == words.is_empty(), "{remark}");
    };
    expect("asker.test", 1, "");
    expect("own.test", 1, "");
    expect("shy.test", 0, "no consent at shy.test._report._dmarc.reader.test");
    expect("none.test", 0, "no address");
    expect("narrow.test", 0, "larger");
    expect("slow.test", 0, "broken.test");
    assert_eq!(told[0].0, "asker.test", "the domain with the most mails first");
    assert_eq!(rooms.queue(), ["d@own.test", "d@reader.test"]);
    // Only the one that DNS did not answer for is tried again, until the day is too old.
    let again = reporter.send_due(NOW_MS + 1).await.unwrap();
    assert_eq!(again.len(), 1, "{again:?}");
    let last = reporter.send_due(NOW_MS + 2 * DAY_MS).await.unwrap();
    assert_eq!(last.len(), 1);
    assert!(reporter.send_due(NOW_MS + 2 * DAY_MS).await.unwrap().is_empty());
    assert_eq!(rooms.queue().len(), 2);
    // The mail as the spool has it.
    let listed = rooms.spool.list(&QueueFilter::default(), 100);
    let mail = rooms.spool.load(listed[0].mail_id).unwrap().unwrap();
    assert_eq!(mail.envelope.reverse_path.to_string(), "dmarc-reports@own.example");
    let report = read(&mail.content.read_all().unwrap()).unwrap();
    assert_eq!(report.rows[0].row.disposition, Applied::Quarantine);
    rooms.close();
}

#[tokio::test]
async fn a_day_that_is_not_over_is_not_reported() {
    let dir = tempfile::tempdir().unwrap();
    let rooms = Rooms::open(dir.path());
    rooms.see("own.test", "mailto:d@own.test", 1);
    let reporter = rooms.reporter("max_domains_per_day = 1");
    let midnight_ms = NOW_MS - 2 * 3_600_000;
    assert!(reporter.send_due(midnight_ms - 1).await.unwrap().is_empty());
    assert!(reporter.send_due(midnight_ms + SETTLED_MS - 1).await.unwrap().is_empty());
    assert_eq!(reporter.send_due(midnight_ms + SETTLED_MS).await.unwrap().len(), 1);
    // The day's limit holds over turns.
    rooms.see("other.test", "mailto:d@other.test", 1);
    assert!(reporter.send_due(NOW_MS).await.unwrap().is_empty());
    let unwanted = rooms.reporter("");
    unwanted.terms.store(Arc::new(Terms {
        reports: DmarcReports { send: false, ..terms().reports },
        ..terms()
    }));
    assert!(matches!(unwanted.send_due(NOW_MS).await, Err(ReportError::Unwanted)));
    rooms.close();
}

#[tokio::test]
async fn a_crash_anywhere_between_sends_one_mail() {
    let (own, reader) = (domain("own.test"), "d@own.test".parse::<Address>().unwrap());
    // Killed after the name was noted; and after the spool had the mail, too.
    for was_committed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let id = MailId::mint();
        let rooms = Rooms::open(dir.path());
        rooms.see("own.test", "mailto:d@own.test", 1);
        let sending = Sending {
            report_id: "x@mx.own.example".into(),
            begun_ms: NOW_MS,
            mails: vec![(reader.clone(), id, Stage::Named)],
            remark: String::new(),
        };
        rooms.store.dmarc().sent().begin(YESTERDAY, &own, sending).unwrap();
        if was_committed {
            let envelope = Envelope {
                reverse_path: crate::mail::ReversePath::Null,
                recipients: vec![Recipient::plain(reader.clone())],
                body: BodyType::SevenBit,
                smtputf8: false,
                dsn_return: None,
                envelope_id: None,
            };
            let content = Content::from_bytes(&b"Subject: x\r\n\r\n"[..]);
            let mail = OwnMail::new(envelope, content, Summary::default(), None);
            rooms.spool.commit_own(OwnMail { id: Some(id), ..mail }).await.unwrap();
        }
        rooms.close();
        let rooms = Rooms::open(dir.path());
        // The name stays even when the configuration would now choose others.
        let reporter = rooms.reporter("max_domains_per_day = 1");
        let turns = reporter.send_due(NOW_MS).await.unwrap();
        assert_eq!(turns[0].sent, std::slice::from_ref(&reader));
        let listed = rooms.spool.list(&QueueFilter::default(), 100);
        let ids: Vec<MailId> = listed.iter().map(|entry| entry.mail_id).collect();
        assert_eq!(ids, [id], "{was_committed}");
        assert!(rooms.store.dmarc().sent().find(YESTERDAY, &own).unwrap().unwrap().is_done());
        assert!(reporter.send_due(NOW_MS).await.unwrap().is_empty());
        rooms.close();
    }
}
