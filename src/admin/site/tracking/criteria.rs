//! What is looked for: between the URL, the form and the journal's query.
//!
//! In: the query of a URL. Out: a [`TrackQuery`] within the caller's domains, or what is wrong
//! with which field. Times are in the box's own time zone, as a browser's field gives them.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::admin::people::Scope;
use crate::admin::site::pieces;
use crate::journal::{Direction, JournalError, State, TrackQuery};
use crate::web::Pairs;

/// Mails of one page.
pub(super) const PAGE: usize = 50;
const DAY_MS: u64 = 86_400_000;

const VERDICTS: &[(&str, &str)] = &[
    ("", "any"),
    ("clean", "clean"),
    ("spam", "spam"),
    ("malicious", "malicious"),
    ("ambiguous", "ambiguous"),
    ("unscannable", "unscannable"),
    ("policy", "policy"),
];

const STATES: &[(&str, &str)] = &[
    ("", "any"),
    ("accepted", "accepted"),
    ("delivered", "delivered"),
    ("deferred", "had to wait"),
    ("failed", "could not be delivered"),
    ("quarantined", "quarantined"),
    ("refused", "refused after its text"),
    ("turned_away", "turned away before its text"),
    ("visit_refused", "session refused"),
    ("discarded", "discarded"),
    ("expired", "expired"),
    ("released", "released"),
    ("removed", "removed"),
    ("held", "held"),
    ("redirected", "redirected"),
    ("archived", "archived"),
    ("rate_limited", "over a rate limit"),
    ("found_later", "malware found later"),
    ("approval_asked", "approval asked"),
    ("received", "came in whole"),
];

const DIRECTIONS: &[(&str, &str)] = &[
    ("", "any"),
    ("in", "from outside"),
    ("out", "to others"),
    ("internal", "within the house"),
    ("own", "written by this box"),
];

/// One field's trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::admin::site) struct Wrong {
    /// The field's name.
    pub(in crate::admin::site) field: &'static str,
    /// What is wrong.
    pub(in crate::admin::site) why: String,
}

impl From<JournalError> for Wrong {
    fn from(error: JournalError) -> Wrong {
        match error {
            JournalError::Query { criterion, why } => Wrong { field: criterion, why },
            error => Wrong { field: "", why: error.to_string() },
        }
    }
}

/// What a URL asks for.
pub(super) fn query(pairs: &Pairs, scope: &Scope) -> Result<TrackQuery, Wrong> {
    let text = |name: &str| pairs.filled(name).map(str::to_owned);
    let mut query = TrackQuery {
        any: text("any"),
        sender: text("sender"),
        recipient: text("recipient"),
        subject: text("subject"),
        message_id: text("message_id"),
        client: text("client"),
        verdict: text("verdict"),
        rule: text("rule"),
        finding: text("finding"),
        virus: text("virus"),
        since_ms: moment(pairs, "since", 0)?,
        until_ms: moment(pairs, "until", DAY_MS)?,
        domains: scope.domains(),
        limit: PAGE,
        ..TrackQuery::default()
    };
    if let Some(id) = text("mail_id") {
        let why = "a MailId has twenty letters and digits".to_owned();
        query.mail_id = Some(id.parse().map_err(|_| Wrong { field: "mail_id", why })?);
    }
    // Who was told a reference puts it into the first field.
    if let Some(id) = query.any.as_ref().and_then(|any| any.parse().ok()) {
        (query.any, query.mail_id) = (None, Some(id));
    }
    if let Some(before) = text("before") {
        let why = "this page is not to be found".to_owned();
        query.before = Some(before.parse().map_err(|_| Wrong { field: "", why })?);
    }
    if let Some(name) = text("state") {
        let why = "there is no such state".to_owned();
        let state = State::ALL.into_iter().find(|state| state.name() == name);
        query.state = Some(state.ok_or(Wrong { field: "state", why })?);
    }
    if let Some(name) = text("direction") {
        let why = "there is no such direction".to_owned();
        query.direction = Some(direction(&name).ok_or(Wrong { field: "direction", why })?);
    }
    Ok(query)
}

/// The field that a text is meant for, when nobody says which.
pub(super) fn meant(text: &str) -> Option<&'static str> {
    let is_client = |text: &str| {
        let address = text.split('/').next().unwrap_or_default();
        address.parse::<std::net::IpAddr>().is_ok()
    };
    match text {
        "" => None,
        text if text.starts_with('<') && text.ends_with('>') && text.len() > 2 => {
            Some("message_id")
        }
        text if is_client(text) => Some("client"),
        // A domain or a part of an address has no blank; a subject mostly has.
        text if !text.contains(char::is_whitespace) && text.contains(['@', '.']) => Some("any"),
        "<>" => Some("sender"),
        _ => Some("subject"),
    }
}

fn direction(name: &str) -> Option<Direction> {
    match name {
        "in" => Some(Direction::In),
        "out" => Some(Direction::Out),
        "internal" => Some(Direction::Internal),
        "own" => Some(Direction::Own),
        _ => None,
    }
}

/// A moment as a browser's field, a person or a program writes it; a day alone is its beginning,
/// or its end when `day_ms` is a day.
fn moment(pairs: &Pairs, field: &'static str, day_ms: u64) -> Result<Option<u64>, Wrong> {
    let Some(text) = pairs.filled(field) else { return Ok(None) };
    let why = || "a time is written as 2026-11-22T14:05, a day as 2026-11-22".to_owned();
    let wrong = || Wrong { field, why: why() };
    let ms = |at: Timestamp| u64::try_from(at.as_millisecond()).unwrap_or_default();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(Some(ms(at)));
    }
    if text.contains(['T', 't', ' ', ':']) {
        let at: DateTime = text.parse().map_err(|_| wrong())?;
        let at = at.to_zoned(TimeZone::system()).map_err(|_| wrong())?;
        return Ok(Some(ms(at.timestamp())));
    }
    let day: Date = text.parse().map_err(|_| wrong())?;
    let at = day.to_zoned(TimeZone::system()).map_err(|_| wrong())?;
    Ok(Some(ms(at.timestamp()) + day_ms))
}

/// A moment as a link of this site writes it.
pub(crate) fn written(at_ms: u64) -> String {
    let at = Timestamp::from_millisecond(i64::try_from(at_ms).unwrap_or(i64::MAX));
    at.unwrap_or_default().to_string()
}

/// The same as a browser's field for a time takes it.
fn for_field(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(at) => at.to_zoned(TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        Err(_) => text.to_owned(),
    }
}

/// The form, filled in as the URL says.
pub(super) fn form(pairs: &Pairs, wrong: Option<&Wrong>) -> Markup {
    let value = |name: &str| pairs.first(name).unwrap_or_default().to_owned();
    let rare = ["message_id", "mail_id", "client", "rule", "finding", "virus", "direction"];
    let is_open = rare.iter().any(|name| pairs.filled(name).is_some());
    let text = |name: &'static str, words: &str, hint: &str| {
        let error = wrong.filter(|wrong| wrong.field == name);
        html! {
            div.field {
                label for=(name) { (words) }
                input type="text" id=(name) name=(name) value=(value(name)) placeholder=[(!hint.is_empty()).then_some(hint)]
                    autocapitalize="none" spellcheck="false" aria-invalid=[error.map(|_| "true")]
                    aria-describedby=[error.map(|_| format!("{name}-error"))];
                @if let Some(error) = error { (said(name, &error.why)) }
            }
        }
    };
    let time = |name: &'static str, words: &str| {
        let error = wrong.filter(|wrong| wrong.field == name);
        html! {
            div.field {
                label for=(name) { (words) }
                input type="datetime-local" step="1" id=(name) name=(name) value=(for_field(&value(name)))
                    aria-describedby=[error.map(|_| format!("{name}-error"))];
                @if let Some(error) = error { (said(name, &error.why)) }
            }
        }
    };
    html! {
        form.card method="get" action="/tracking" role="search" aria-label="Search" {
            div.row {
                (text("any", "Address or reference", "any part of it"))
                (text("subject", "Words in the subject", ""))
                div.field { label for="verdict" { "Verdict" } (pieces::select("verdict", "verdict", &value("verdict"), VERDICTS)) }
                div.field { label for="state" { "What became of it" } (pieces::select("state", "state", &value("state"), STATES)) }
                (time("since", "Came after"))
                (time("until", "Came before"))
            }
            details open[is_open || wrong.is_some()] {
                summary { "More to search by" }
                div.row {
                    (text("sender", "Sender", "any part; <all of it>; <> for none"))
                    (text("recipient", "Recipient", "any part; <all of it>"))
                    (text("message_id", "Message-ID", ""))
                    (text("mail_id", "MailId", ""))
                    (text("client", "Client", "address or network"))
                    (text("rule", "Rule of policy", ""))
                    (text("finding", "Finding", "SPF_FAIL"))
                    (text("virus", "Virus", "any part; <all of it>"))
                    div.field { label for="direction" { "Direction" } (pieces::select("direction", "direction", &value("direction"), DIRECTIONS)) }
                }
            }
            div.row {
                button type="submit" { "Search" }
                a href="/tracking" { "Start again" }
            }
        }
    }
}

fn said(name: &str, why: &str) -> Markup {
    html! { p.badge.bad id=(format!("{name}-error")) { (why) } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Domain;

    fn asked(text: &str) -> Result<TrackQuery, Wrong> {
        query(&Pairs::parse(text.as_bytes()), &Scope::Site)
    }

    #[test]
    fn urls_become_queries_and_the_scope_is_not_theirs_to_choose() {
        let found =
            asked("sender=ann&state=turned_away&direction=own&verdict=spam&domains=x").unwrap();
        assert_eq!(found.sender.as_deref(), Some("ann"));
        assert_eq!((found.state, found.direction), (Some(State::TurnedAway), Some(Direction::Own)));
        assert_eq!(found.domains, None);
        let scope = Scope::Domains(vec![Domain::parse("one.test").unwrap()]);
        let scoped = query(&Pairs::parse(b"domains=two.test"), &scope).unwrap();
        assert_eq!(scoped.domains.unwrap(), ["one.test"]);
        let id = crate::mail::MailId::mint();
        let found = asked(&format!("any=+{id}+")).unwrap();
        assert_eq!((found.any, found.mail_id), (None, Some(id)));
    }

    #[test]
    fn one_field_finds_what_is_meant() {
        for (text, field) in [
            ("ann@example.org", Some("any")),
            ("example.org", Some("any")),
            ("<1.2@example.org>", Some("message_id")),
            ("192.0.2.7", Some("client")),
            ("2001:db8::/32", Some("client")),
            ("<>", Some("sender")),
            ("The plans", Some("subject")),
            ("plans", Some("subject")),
            ("", None),
        ] {
            assert_eq!(meant(text), field, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_of_its_field() {
        for (text, field) in [
            ("mail_id=x", "mail_id"),
            ("state=x", "state"),
            ("direction=x", "direction"),
            ("since=yesterday", "since"),
            ("until=2026-13-01", "until"),
            ("before=x", ""),
        ] {
            assert_eq!(asked(text).unwrap_err().field, field, "{text}");
        }
        for state in STATES.iter().skip(1) {
            assert!(asked(&format!("state={}", state.0)).is_ok(), "{state:?}");
        }
        assert_eq!(STATES.len(), State::ALL.len() + 1);
        for direction in DIRECTIONS.iter().skip(1) {
            assert!(asked(&format!("direction={}", direction.0)).is_ok(), "{direction:?}");
        }
    }

    #[test]
    fn times_are_read_as_they_are_written() {
        let at = |text: &str| asked(&format!("since={text}&until={text}")).unwrap();
        let day = at("2026-11-22");
        assert_eq!(day.until_ms.unwrap() - day.since_ms.unwrap(), DAY_MS);
        assert_eq!(at("2026-11-22T00:00").since_ms, day.since_ms);
        let exact = at(&written(1_700_000_000_123));
        assert_eq!(exact.since_ms, Some(1_700_000_000_123));
    }

    #[test]
    fn what_was_typed_is_shown_again_and_escaped() {
        let pairs = Pairs::parse(b"any=%22%3E%3Cscript%3E&since=%22%3E%3Cb%3E");
        let wrong = query(&pairs, &Scope::Site).unwrap_err();
        let shown = form(&pairs, Some(&wrong)).into_string();
        assert!(!shown.contains("<script>") && !shown.contains("<b>"), "{shown}");
        assert!(shown.contains("&lt;script&gt;") && shown.contains("since-error"), "{shown}");
    }
}
