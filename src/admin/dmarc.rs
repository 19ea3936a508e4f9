//! The operator's part of DMARC aggregate reports.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Desk;
use super::api::{ObservedRow, ReportDetail, ReportRow, ReportTurn, SentRow, SourceRow};
use super::desk::{DeskError, rfc3339};
use crate::delivery::aggregate::{ReportError, Turn};
use crate::mail::Domain;
use crate::store::dmarc::{Asked, Period, PublishedPolicy, StoredReport, Tally, Totals};

/// Source addresses that one answer lists, those with the most mails.
const SOURCES: usize = 10_000;

impl Desk {
    /// Reports that others sent, the latest period first. Blocks.
    pub(super) fn dmarc_reports(
        &self,
        domain: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ReportRow>, DeskError> {
        let domain = parse_domain(domain)?;
        let reports = self.store.dmarc().received().list()?;
        let of_domain = reports.iter().filter(|report| is_on(&report.policy, domain.as_ref()));
        Ok(of_domain.take(limit).map(report_row).collect())
    }

    /// One of them, with its sources. Blocks.
    pub(super) fn dmarc_report(&self, id: &str) -> Result<ReportDetail, DeskError> {
        let loaded = self.store.dmarc().received().load(id)?;
        let unknown = || DeskError::Unknown(format!("no DMARC report {id}"));
        let (report, rows) = loaded.ok_or_else(unknown)?;
        Ok(ReportDetail { row: report_row(&report), sources: sources_of(&report, &rows) })
    }

    /// The sources in all reports on a domain together. Blocks.
    pub(super) fn dmarc_sources(&self, domain: Option<&str>) -> Result<Vec<SourceRow>, DeskError> {
        let domain = parse_domain(domain)?;
        let received = self.store.dmarc().received();
        let mut all = Sources::default();
        for report in received.list()? {
            if is_on(&report.policy, domain.as_ref())
                && let Some((_, rows)) = received.load(&report.key())?
            {
                all.add_report(&report, &rows);
            }
        }
        Ok(all.rows())
    }

    /// What was observed here and is kept for reports, the latest day first; with its sources
    /// when a domain is named. Blocks.
    pub(super) fn dmarc_observed(
        &self,
        domain: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ObservedRow>, DeskError> {
        let domain = parse_domain(domain)?;
        let observed = self.store.dmarc().observed();
        let mut rows = Vec::new();
        for day in observed.days()?.into_iter().rev() {
            let periods = match &domain {
                Some(domain) => observed.period(day, domain)?.into_iter().collect(),
                None => observed.periods(day)?,
            };
            for period in periods {
                if rows.len() >= limit {
                    return Ok(rows);
                }
                rows.push(self.observed_row(&period, domain.is_some())?);
            }
        }
        Ok(rows)
    }

    fn observed_row(&self, period: &Period, detailed: bool) -> Result<ObservedRow, DeskError> {
        let dmarc = self.store.dmarc();
        let sources = match detailed {
            true => sources(&dmarc.observed().rows(period.day, &period.domain)?),
            false => Vec::new(),
        };
        let sending = dmarc.sent().find(period.day, &period.domain)?;
        let sent_to = sending.iter().flat_map(|sending| &sending.mails);
        Ok(ObservedRow {
            day: period.day.to_string(),
            domain: period.domain.to_string(),
            policy: asked(period.policy.p).into(),
            rua: period.rua.clone(),
            messages: period.mails,
            left_out: period.left_out,
            sent_to: sent_to.map(|(address, ..)| address.to_string()).collect(),
            remark: sending.map(|sending| sending.remark).unwrap_or_default(),
            sources,
        })
    }

    /// Sends what is due at once.
    pub(super) async fn send_dmarc_reports(&self) -> Result<ReportTurn, DeskError> {
        let now = std::time::SystemTime::now();
        let turns = self.reporter.send_due(crate::delivery::outcome::ms_since_1970(now)).await;
        match turns {
            Ok(turns) => Ok(ReportTurn { reports: turns.into_iter().map(sent_row).collect() }),
            Err(error @ ReportError::Unwanted) => Err(DeskError::Unfit(error.to_string())),
            Err(ReportError::Store(error)) => Err(DeskError::Store(error)),
            Err(error) => Err(DeskError::Unfit(error.to_string())),
        }
    }
}

fn parse_domain(domain: Option<&str>) -> Result<Option<Domain>, DeskError> {
    let parsed = domain.map(Domain::parse).transpose();
    parsed.map_err(|error| DeskError::Misspoken(format!("domain: {error}")))
}

fn is_on(policy: &PublishedPolicy, domain: Option<&Domain>) -> bool {
    domain.is_none_or(|domain| domain.as_str() == policy.domain)
}

fn asked(asked: Asked) -> &'static str {
    match asked {
        Asked::None => "none",
        Asked::Quarantine => "quarantine",
        Asked::Reject => "reject",
    }
}

fn report_row(report: &StoredReport) -> ReportRow {
    let moment = |at_s: u64| rfc3339(at_s.saturating_mul(1000));
    ReportRow {
        id: report.key(),
        org_name: report.org_name.clone(),
        report_id: report.report_id.clone(),
        contact: report.contact.clone(),
        domain: report.policy.domain.clone(),
        policy: asked(report.policy.p).into(),
        begin: moment(report.begin_s),
        end: moment(report.end_s),
        received: rfc3339(report.received_ms),
        author_domain: report.author_domain.clone(),
        vouched: report.vouched,
        errors: report.errors.clone(),
        messages: report.totals.mails,
        passed: report.totals.passed,
        aligned_dkim: report.totals.aligned_dkim,
        aligned_spf: report.totals.aligned_spf,
        quarantined: report.totals.quarantined,
        rejected: report.totals.rejected,
        rows: report.rows,
        rows_left_out: report.rows_left_out,
    }
}

fn sent_row(turn: Turn) -> SentRow {
    SentRow {
        day: turn.day.to_string(),
        domain: turn.domain.to_string(),
        messages: turn.mails,
        sent_to: turn.sent.iter().map(ToString::to_string).collect(),
        remark: turn.remark,
    }
}

fn sources(rows: &[Tally]) -> Vec<SourceRow> {
    let mut sources = Sources::default();
    sources.add(rows);
    sources.rows()
}

fn sources_of(report: &StoredReport, rows: &[Tally]) -> Vec<SourceRow> {
    let mut sources = Sources::default();
    sources.add_report(report, rows);
    sources.rows()
}

/// Rows summed up by source address: all, and the mails that only those counted for whom
/// nobody vouches.
#[derive(Default)]
struct Sources(BTreeMap<IpAddr, (Totals, u64)>);

impl Sources {
    fn add(&mut self, rows: &[Tally]) {
        for tally in rows {
            self.0.entry(tally.row.source).or_default().0.add(tally);
        }
    }

    fn add_report(&mut self, report: &StoredReport, rows: &[Tally]) {
        self.add(rows);
        for tally in rows.iter().filter(|_| !report.vouched) {
            let (_, unproven) = self.0.entry(tally.row.source).or_default();
            *unproven = unproven.saturating_add(tally.count);
        }
    }

    fn rows(self) -> Vec<SourceRow> {
        let row = |(source, (totals, unauthenticated)): (IpAddr, (Totals, u64))| SourceRow {
            source: source.to_string(),
            messages: totals.mails,
            passed: totals.passed,
            failed: totals.mails.saturating_sub(totals.passed),
            aligned_dkim: totals.aligned_dkim,
            aligned_spf: totals.aligned_spf,
            quarantined: totals.quarantined,
            rejected: totals.rejected,
            unauthenticated,
        };
        let mut rows: Vec<SourceRow> = self.0.into_iter().map(row).collect();
        // What anybody could have written pushes nothing out of sight.
        rows.sort_by_key(|row| {
            let proven = row.messages.saturating_sub(row.unauthenticated);
            std::cmp::Reverse((proven, row.messages))
        });
        rows.truncate(SOURCES);
        rows
    }
}
