//! `postern dmarc`.

use super::arguments::{DmarcAct, DmarcOrder, Listing};
use super::control::{Control, encoded};
use super::exit::{Exit, Trouble};
use super::render;
use crate::admin::api::{ObservedRow, ReportDetail, ReportRow, ReportTurn, SentRow, SourceRow};

pub(super) fn dmarc(order: &DmarcOrder) -> Result<Exit, Trouble> {
    match &order.act {
        DmarcAct::List { listing, domain, limit } => {
            let path = path("reports", domain.as_deref(), *limit);
            let rows: Vec<ReportRow> = Control::of(&listing.config)?.rows(&path)?;
            render::rows(&rows, listing.json, report_line)
        }
        DmarcAct::Show { listing, domain, id } => show(listing, domain.as_deref(), id.as_deref()),
        DmarcAct::Observed { listing, domain, limit } => {
            let path = path("observed", domain.as_deref(), *limit);
            let rows: Vec<ObservedRow> = Control::of(&listing.config)?.rows(&path)?;
            render::rows(&rows, listing.json, observed_line)
        }
        DmarcAct::Send(listing) => {
            let turn: ReportTurn = Control::of(&listing.config)?.act("/v1/dmarc/send", &())?;
            render::rows(&turn.reports, listing.json, sent_line)
        }
    }
}

fn path(what: &str, domain: Option<&str>, limit: usize) -> String {
    let domain = domain.map(|domain| format!("&domain={}", encoded(domain))).unwrap_or_default();
    format!("/v1/dmarc/{what}?limit={limit}{domain}")
}

fn show(listing: &Listing, domain: Option<&str>, id: Option<&str>) -> Result<Exit, Trouble> {
    let control = Control::of(&listing.config)?;
    let Some(id) = id else {
        let rows: Vec<SourceRow> = control.rows(&path("sources", domain, 0))?;
        return render::rows(&rows, listing.json, source_line);
    };
    let detail: ReportDetail = control.one(&format!("/v1/dmarc/reports/{}", encoded(id)))?;
    render::rows(&[detail], listing.json, |detail| {
        let mut text = report_line(&detail.row);
        for error in &detail.row.errors {
            text.push_str(&format!("\n  ! {}", render::harmless(error)));
        }
        text + &source_lines(&detail.sources)
    })
}

fn report_line(row: &ReportRow) -> String {
    let who = match (&row.author_domain, row.vouched) {
        (Some(domain), true) => format!("from {}", render::harmless(domain)),
        (Some(domain), false) => format!("from {}, not authenticated", render::harmless(domain)),
        (None, _) => "from nobody who is known".to_owned(),
    };
    format!(
        "{} {} to {} {} p={}: {} mails, {} passed, {} quarantined, {} rejected; {} {:?} ({who})",
        row.id,
        row.begin,
        row.end,
        render::harmless(&row.domain),
        row.policy,
        row.messages,
        row.passed,
        row.quarantined,
        row.rejected,
        render::harmless(&row.org_name),
        render::harmless(&row.report_id),
    )
}

fn source_lines(sources: &[SourceRow]) -> String {
    sources.iter().map(|row| format!("\n  {}", source_line(row))).collect()
}

fn source_line(row: &SourceRow) -> String {
    let unproven = match row.unauthenticated {
        0 => String::new(),
        all if all == row.messages => "; only in reports that are not authenticated".into(),
        some => format!("; {some} of them only in reports that are not authenticated"),
    };
    format!(
        "{:39} {:8} mails: {} passed, {} failed (aligned: DKIM {}, SPF {}); {} quarantined, {} rejected{unproven}",
        row.source,
        row.messages,
        row.passed,
        row.failed,
        row.aligned_dkim,
        row.aligned_spf,
        row.quarantined,
        row.rejected,
    )
}

fn observed_line(row: &ObservedRow) -> String {
    let report = match row.sent_to.as_slice() {
        [] => String::new(),
        sent => format!(", reported to {}", render::paths(sent)),
    };
    let left_out = match row.left_out {
        0 => String::new(),
        count => format!(" and {count} without room"),
    };
    let mut line = format!(
        "{} {} p={}: {} mails{left_out}; wanted at {}{report}{}",
        row.day,
        row.domain,
        row.policy,
        row.messages,
        render::harmless(&row.rua.join(" ")),
        remark(&row.remark),
    );
    line.push_str(&source_lines(&row.sources));
    line
}

fn sent_line(row: &SentRow) -> String {
    let to = match row.sent_to.as_slice() {
        [] => "sent to nobody".to_owned(),
        sent => format!("sent to {}", render::paths(sent)),
    };
    let (day, domain, mails) = (&row.day, &row.domain, row.messages);
    format!("{day} {domain}: {mails} mails, {to}{}", remark(&row.remark))
}

fn remark(remark: &str) -> String {
    match remark {
        "" => String::new(),
        remark => format!(" ({})", render::harmless(remark)),
    }
}
