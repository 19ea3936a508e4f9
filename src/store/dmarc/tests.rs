use std::net::Ipv4Addr;

use super::*;
use crate::mail::MailId;
use crate::store::Store;

const NOON: u64 = 20_000 * DAY_MS + DAY_MS / 2;

fn row(last: u32) -> Row {
    Row {
        source: IpAddr::V4(Ipv4Addr::from(0xc000_0200 + last)),
        disposition: Applied::None,
        aligned_dkim: false,
        aligned_spf: false,
        reasons: Vec::new(),
        header_from: "example.test".into(),
        envelope_from: Some("bounce.example.test".into()),
        envelope_to: None,
        dkim: vec![Signature {
            domain: "example.test".into(),
            selector: "s".into(),
            result: CheckResult::Fail,
        }],
        spf: vec![SpfCheck {
            domain: "bounce.example.test".into(),
            scope: SpfScope::Mfrom,
            result: CheckResult::Pass,
        }],
    }
}

fn observation(domain: &str, last: u32) -> Observation {
    Observation {
        policy_domain: Domain::parse(domain).unwrap(),
        policy: PublishedPolicy { domain: domain.into(), p: Asked::Reject, ..Default::default() },
        rua: vec!["mailto:d@example.test".into()],
        asked: Asked::Reject,
        row: row(last),
    }
}

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

#[test]
fn days_are_those_of_universal_time() {
    let day = Day::of_ms(NOON);
    assert_eq!((day.begin_s() * 1000, day.end_s()), (20_000 * DAY_MS, 20_001 * 86_400 - 1));
    assert_eq!(Day::of_ms(1_795_219_200_000).to_string(), "2026-11-21");
    assert_eq!(Day(3).before(5), Day(0));
}

#[test]
fn what_was_done_and_why_is_concluded() {
    use Asked::{None as Nothing, Quarantine, Reject};
    let table = [
        // passes, asked, done by whatever rule → reported, with a reason
        (true, Reject, Nothing, Applied::Pass, false),
        (true, Nothing, Nothing, Applied::None, false),
        // Spam of a domain that passes is not refused for DMARC's sake.
        (true, Reject, Reject, Applied::Pass, false),
        (false, Reject, Reject, Applied::Reject, false),
        (false, Reject, Quarantine, Applied::Quarantine, true),
        (false, Reject, Nothing, Applied::None, true),
        (false, Quarantine, Reject, Applied::Quarantine, false),
        (false, Nothing, Reject, Applied::None, false),
    ];
    for (passes, asked, done, applied, has_reason) in table {
        let mut seen = observation("example.test", 1);
        seen.row.aligned_spf = passes;
        seen.asked = asked;
        let seen = seen.concluded(done);
        assert_eq!(seen.row.disposition, applied, "{passes} {asked:?} {done:?}");
        assert_eq!(!seen.row.reasons.is_empty(), has_reason, "{passes} {asked:?} {done:?}");
    }
    let mut forwarded = observation("example.test", 1);
    let known = Override { kind: OverrideKind::TrustedForwarder, comment: "arc".into() };
    forwarded.row.reasons.push(known.clone());
    assert_eq!(forwarded.concluded(Nothing).row.reasons, [known]);
}

#[test]
fn mails_that_agree_are_counted_together() {
    let (_dir, store) = store();
    let observed = store.dmarc().observed();
    for (domain, last, times) in [("b.test", 1, 3), ("b.test", 2, 5), ("a.test", 1, 1)] {
        for _ in 0..times {
            let done = observed.record(observation(domain, last), NOON).unwrap();
            assert_eq!(done, Observing::Counted);
        }
    }
    let mut unasked = observation("c.test", 1);
    unasked.rua.clear();
    assert_eq!(observed.record(unasked, NOON).unwrap(), Observing::Unasked);
    observed.record(observation("b.test", 1), NOON + DAY_MS).unwrap();
    let day = Day::of_ms(NOON);
    let periods = observed.periods(day).unwrap();
    let seen: Vec<_> =
        periods.iter().map(|one| (one.domain.as_str(), one.rows, one.mails)).collect();
    assert_eq!(seen, [("a.test", 1, 1), ("b.test", 2, 8)]);
    let counts: Vec<u64> =
        observed.rows(day, &periods[1].domain).unwrap().iter().map(|one| one.count).collect();
    assert_eq!(counts, [5, 3]);
    assert_eq!(observed.days().unwrap(), [day, Day(day.0 + 1)]);
    assert_eq!(observed.expire(Day(day.0 + DAYS_KEPT)).unwrap(), 0);
    assert_eq!(observed.expire(Day(day.0 + DAYS_KEPT + 1)).unwrap(), 5);
    assert_eq!(observed.days().unwrap(), [Day(day.0 + 1)]);
}

#[test]
fn a_domain_has_so_many_rows_and_no_more() {
    let (_dir, store) = store();
    let observed = store.dmarc().observed();
    for last in 0..10_010 {
        let done = observed.record(observation("a.test", last), NOON).unwrap();
        assert_eq!(done == Observing::Counted, last < 10_000, "{last}");
    }
    // Known rows still count.
    assert_eq!(observed.record(observation("a.test", 5), NOON).unwrap(), Observing::Counted);
    let period = observed.periods(Day::of_ms(NOON)).unwrap().remove(0);
    assert_eq!((period.rows, period.mails, period.left_out), (10_000, 10_001, 10));
}

#[test]
fn what_strangers_say_is_cut() {
    let (_dir, store) = store();
    let mut long = observation("a.test", 1);
    long.row.dkim = vec![long.row.dkim[0].clone(); 500];
    long.row.header_from = "ö".repeat(5_000);
    long.rua = vec!["mailto:x@y.test".into(); 50];
    long.rua.insert(0, "x".repeat(10_000));
    store.dmarc().observed().record(long, NOON).unwrap();
    let day = Day::of_ms(NOON);
    let period = store.dmarc().observed().periods(day).unwrap().remove(0);
    assert_eq!(period.rua.len(), 8);
    let kept = store.dmarc().observed().rows(day, &period.domain).unwrap().remove(0).row;
    assert_eq!((kept.dkim.len(), kept.header_from.len()), (10, 254));
}

fn report(org_name: &str, id: usize, received_ms: u64, vouched: bool) -> StoredReport {
    StoredReport {
        org_name: org_name.into(),
        report_id: id.to_string(),
        contact: "d@big.example".into(),
        begin_s: 0,
        end_s: received_ms / 1000,
        policy: PublishedPolicy::default(),
        errors: Vec::new(),
        received_ms,
        author_domain: None,
        vouched,
        totals: Totals::default(),
        rows: 0,
        rows_left_out: 0,
    }
}

#[test]
fn a_report_is_stored_once_and_expires() {
    let (_dir, store) = store();
    let received = store.dmarc().received();
    let mut passing = row(7);
    passing.aligned_spf = true;
    let rows: Vec<Tally> = (0..1_200)
        .map(|last| Tally { row: row(last), count: u64::from(last) })
        .chain([Tally { row: passing, count: u64::MAX }])
        .collect();
    let one = report("Big", 1, NOON, true);
    assert_eq!(received.store(one.clone(), rows.clone()).unwrap(), Receipt::Stored);
    let again = report("BIG", 1, NOON + 5, true);
    assert_eq!(received.store(again, Vec::new()).unwrap(), Receipt::Known);
    received.store(report("Big", 2, NOON + DAY_MS, false), Vec::new()).unwrap();
    let ids: Vec<String> =
        received.list().unwrap().into_iter().map(|report| report.report_id).collect();
    assert_eq!(ids, ["2", "1"]);
    let (head, kept) = received.load(&one.key()).unwrap().unwrap();
    assert_eq!((kept.len(), head.rows, head.rows_left_out), (1_201, 1_201, 0));
    assert_eq!(kept[0].count, u64::MAX);
    assert_eq!((head.totals.mails, head.totals.passed), (u64::MAX, u64::MAX));
    for bad in ["", "zz", &"0".repeat(32), "../../../../../../../../../../.."] {
        assert!(received.load(bad).unwrap().is_none(), "{bad}");
    }
    assert_eq!(received.expire(NOON + 10 * DAY_MS, 10).unwrap(), 0);
    assert_eq!(received.expire(NOON + 10 * DAY_MS + 1, 10).unwrap(), 1);
    assert!(received.load(&one.key()).unwrap().is_none());
    assert_eq!(received.store(one, rows).unwrap(), Receipt::Stored);
}

#[test]
fn a_flood_of_reports_drives_out_those_that_nobody_vouches_for() {
    let (_dir, store) = store();
    let received = store.dmarc().received();
    let rows: Vec<Tally> = (0..10_000).map(|last| Tally { row: row(last), count: 1 }).collect();
    received.store(report("honest", 0, NOON, true), rows.clone()).unwrap();
    for id in 1..=55 {
        let forged = report("forger", id, NOON + id as u64, false);
        received.store(forged, rows.clone()).unwrap();
    }
    let left = received.list().unwrap();
    let kept: u32 = left.iter().map(|report| report.rows).sum();
    assert!(kept <= 500_000, "{kept}");
    assert!(left.iter().any(|report| report.org_name == "honest"));
    // More rows in one report than are kept.
    let many: Vec<Tally> = (0..10_500).map(|last| Tally { row: row(last), count: 2 }).collect();
    let large = report("large", 1, NOON + 99, true);
    received.store(large.clone(), many).unwrap();
    let (head, kept) = received.load(&large.key()).unwrap().unwrap();
    assert_eq!((kept.len(), head.rows_left_out, head.totals.mails), (10_000, 500, 21_000));
}

#[test]
fn a_report_that_is_begun_keeps_its_names_over_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let domain = Domain::parse("a.test").unwrap();
    let (day, to) = (Day(20_000), "d@a.test".parse::<crate::mail::Address>().unwrap());
    let sending = |id: MailId| Sending {
        report_id: "20000.1@mx.test".into(),
        begun_ms: NOON,
        mails: vec![(to.clone(), id, Stage::Named)],
        remark: String::new(),
    };
    let first = MailId::mint();
    {
        let store = Store::open(dir.path()).unwrap();
        let noted = store.dmarc().sent().begin(day, &domain, sending(first)).unwrap();
        assert!(!noted.is_done());
    }
    let store = Store::open(dir.path()).unwrap();
    let sent = store.dmarc().sent();
    let again = sent.begin(day, &domain, sending(MailId::mint())).unwrap();
    assert_eq!(again.mails[0].1, first, "the same mail, not another");
    sent.committed(day, &domain, first).unwrap();
    assert!(sent.find(day, &domain).unwrap().unwrap().is_done());
    assert_eq!((sent.count(day).unwrap(), sent.count(Day(1)).unwrap()), (1, 0));
    assert_eq!(sent.expire(Day(20_091)).unwrap(), 1);
    assert_eq!(sent.find(day, &domain).unwrap(), None);
}
