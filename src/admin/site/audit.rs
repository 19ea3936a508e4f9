//! What administrators did: who, what, to what, before and after, from where, when.
//!
//! In: filters. Out: a page of acts, the newest first, or all that fit as CSV (RFC 4180). What
//! stands in an act may have come from anybody (a name at a failed log-in): it is escaped, and
//! in CSV what a spreadsheet would take for a formula begins with an apostrophe.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use maud::{Markup, html};

use super::frame::{self, Section};
use super::routes::route;
use super::{Call, Refusal, Route, pieces};
use crate::journal::{ActFound, ActQuery, ActsFound, JournalError};
use crate::web::Pairs;
use crate::web::answer::{self, Answer};

pub(super) const ROUTES: &[Route] =
    &[route!(GET "/audit", Right(Audit), show), route!(GET "/audit.csv", Right(Audit), export)];

/// Acts on one page.
const PAGE: usize = 100;
/// Acts in one export; the filter has to be narrower for more.
const EXPORTED: usize = 50_000;

/// What can be chosen; any beginning up to a dot can be typed as well.
const KINDS: &[(&str, &str)] = &[
    ("", "everything"),
    ("login", "log-ins"),
    ("settings", "configuration"),
    ("setup", "set-up"),
    ("people", "people"),
    ("users", "accounts for handing in mail"),
    ("account", "own accounts"),
    ("policy", "rules"),
    ("queue", "queue"),
    ("quarantine", "quarantine"),
    ("approval", "approvals"),
    ("senders", "lists of senders"),
    ("sender", "senders of mails"),
    ("mail", "mail"),
    ("key", "keys of the API"),
    ("session", "sessions"),
    ("access", "refused access"),
];

fn query(pairs: &Pairs) -> Result<ActQuery, String> {
    let text = |name: &str| pairs.filled(name).map(str::to_owned);
    let before = pairs.filled("before").map(|id| id.parse().map_err(|_| "no such page".to_owned()));
    Ok(ActQuery {
        who: text("who"),
        what: text("what"),
        object: text("object"),
        since_ms: pairs.filled("since").map(|day| begin_of(day, 0)).transpose()?,
        until_ms: pairs.filled("until").map(|day| begin_of(day, 1)).transpose()?,
        before: before.transpose()?,
        limit: PAGE,
    })
}

/// The first moment of a day in the box's time zone, or of so many days later.
fn begin_of(day: &str, later: i64) -> Result<u64, String> {
    let wrong = || format!("{day:?} is no date such as 2026-01-31");
    let date: Date = day.parse().map_err(|_| wrong())?;
    let date = date.checked_add(later.days()).map_err(|_| wrong())?;
    let zoned = date.to_zoned(TimeZone::system()).map_err(|_| wrong())?;
    Ok(u64::try_from(zoned.timestamp().as_millisecond()).unwrap_or(0))
}

fn broken(error: JournalError) -> Refusal {
    match error {
        JournalError::Query { .. } => Refusal::Bad(error.to_string()),
        error => Refusal::Broken(error.to_string()),
    }
}

async fn acts(call: &Call, query: ActQuery) -> Result<ActsFound, Refusal> {
    let journal = call.site.desk.journal.clone();
    call.blocking(move || journal.acts(&query).map_err(broken)).await
}

async fn show(call: Call) -> Result<Answer, Refusal> {
    let pairs = call.ask.query.clone();
    let (found, wrong) = match query(&pairs) {
        Ok(query) => (acts(&call, query).await?, None),
        Err(wrong) => (ActsFound::default(), Some(wrong)),
    };
    let csv = format!("/audit.csv?{}", pairs.clone().with("before", "").to_query());
    let content = html! {
        @if let Some(wrong) = &wrong { div.notice.bad role="alert" { (wrong) } }
        (filters(&pairs))
        @if found.acts.is_empty() {
            p.soft { "No act fits." }
        } @else {
            (table(&found.acts))
            @if let Some(older) = found.older_than {
                (pieces::further(&pairs, "/audit", "before", &older.to_string(), "Older acts"))
            }
            p { a href=(csv) download { "Save these as CSV" }
                " " span.soft.small { "(the newest " (pieces::count(EXPORTED as u64)) " that fit)" } }
        }
    };
    Ok(frame::page(&call, Section::Audit, "Audit", &content))
}

fn filters(pairs: &Pairs) -> Markup {
    let value = |name: &str| pairs.first(name).unwrap_or_default().to_owned();
    html! {
        form.card.row method="get" action="/audit" {
            div { label for="who" { "Who" } input #who name="who" value=(value("who")) autocomplete="off"; }
            div { label for="what" { "What" } (pieces::select("what", "what", &value("what"), KINDS)) }
            div { label for="object" { "Object" } input #object name="object" value=(value("object")) autocomplete="off"; }
            div { label for="since" { "From day" } input #since type="date" name="since" value=(value("since")); }
            div { label for="until" { "To day" } input #until type="date" name="until" value=(value("until")); }
            button type="submit" { "Show" }
            a.button.plain href="/audit" { "All" }
        }
    }
}

fn table(acts: &[ActFound]) -> Markup {
    html! {
        div.scroll {
            table.stack {
                caption { "Acts, the newest first" }
                thead { tr {
                    th scope="col" { "When" }
                    th scope="col" { "Who" }
                    th scope="col" { "What" }
                    th scope="col" { "Object" }
                    th scope="col" { "Before and after" }
                    th scope="col" { "From" }
                } }
                tbody { @for found in acts { (row(found)) } }
            }
        }
    }
}

fn row(found: &ActFound) -> Markup {
    let act = &found.note.act;
    html! {
        tr {
            td.when data-name="When" { (pieces::time(found.at_ms)) }
            td data-name="Who" { (act.who) }
            td data-name="What" {
                code { (act.what) }
                @if !act.refusal.is_empty() {
                    " " span.badge.bad { "refused" } div.small { (act.refusal) }
                }
                @if !act.reason.is_empty() { div.small.soft { "“" (pieces::harmless(&act.reason)) "”" } }
            }
            td data-name="Object" {
                (pieces::harmless(&act.object))
                @if let Some(mail) = found.mail_id {
                    div { a href=(format!("/tracking/{mail}")) { "mail " (mail) } }
                }
            }
            td data-name="Before and after" {
                @for (words, text) in [("before", &act.before), ("after", &act.after)] {
                    @if let Some(text) = text.as_ref().filter(|text| !text.is_empty()) {
                        @if text.contains('\n') || text.len() > 120 {
                            details { summary { (words) } pre tabindex="0" { (pieces::harmless(text)) } }
                        } @else {
                            div { span.soft.small { (words) ": " } (pieces::harmless(text)) }
                        }
                    }
                }
            }
            td data-name="From" {
                @if let Some(client) = act.client { (client) " " }
                span.soft.small { (act.via) }
            }
        }
    }
}

async fn export(call: Call) -> Result<Answer, Refusal> {
    let query = query(&call.ask.query).map_err(Refusal::Bad)?;
    all(&call, query).await
}

/// All that fit, so many at most, as a file that spreadsheets read.
pub(super) async fn all(call: &Call, mut query: ActQuery) -> Result<Answer, Refusal> {
    query.limit = 5_000;
    let mut text =
        String::from("when,who,what,object,mail,before,after,reason,refusal,from,via\r\n");
    let mut left = EXPORTED;
    while left > 0 {
        let found = acts(call, query.clone()).await?;
        for act in found.acts.iter().take(left) {
            line(&mut text, act);
        }
        left = left.saturating_sub(found.acts.len());
        match found.older_than {
            Some(older) => query.before = Some(older),
            None => break,
        }
    }
    Ok(answer::attachment("text/csv; charset=utf-8", "audit.csv", text))
}

fn line(text: &mut String, found: &ActFound) {
    let act = &found.note.act;
    let at = Timestamp::from_millisecond(i64::try_from(found.at_ms).unwrap_or(i64::MAX));
    let cells = [
        at.unwrap_or_default().to_string(),
        act.who.clone(),
        act.what.clone(),
        act.object.clone(),
        found.mail_id.map(|id| id.to_string()).unwrap_or_default(),
        act.before.clone().unwrap_or_default(),
        act.after.clone().unwrap_or_default(),
        act.reason.clone(),
        act.refusal.clone(),
        act.client.map(|client| client.to_string()).unwrap_or_default(),
        act.via.clone(),
    ];
    let cells: Vec<String> = cells.iter().map(|cell| safe_cell(cell)).collect();
    text.push_str(&cells.join(","));
    text.push_str("\r\n");
}

/// A cell in quotes, that no spreadsheet calculates with.
pub(super) fn safe_cell(text: &str) -> String {
    let is_formula =
        text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let guard = if is_formula { "'" } else { "" };
    format!("\"{guard}{}\"", pieces::harmless(text).replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_or_ends_early() {
        for (text, cell) in [
            ("plain", "\"plain\""),
            ("=1+1", "\"'=1+1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("-2", "\"'-2\""),
            ("\t=1", "\"'\t=1\""),
            ("a\"b,c\nd", "\"a\"\"b,c\nd\""),
            ("", "\"\""),
        ] {
            assert_eq!(safe_cell(text), cell);
        }
    }

    #[test]
    fn filters_are_read_and_wrong_ones_told() {
        let pairs = Pairs::parse(b"who=+ann+&what=login&since=2026-01-01&until=2026-01-01");
        let query = query(&pairs).unwrap();
        assert_eq!(query.who.as_deref(), Some("ann"));
        let day = query.until_ms.unwrap() - query.since_ms.unwrap();
        assert_eq!(day, 86_400_000, "the last day counts whole");
        for wrong in ["since=yesterday", "until=2026-02-30", "before=x", "until=9999-12-31"] {
            assert!(super::query(&Pairs::parse(wrong.as_bytes())).is_err(), "{wrong}");
        }
    }
}
