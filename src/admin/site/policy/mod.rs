//! The pages of the site's own rules: what is in force and what each rule did; edit as text or
//! by form, try, ask past mail, publish with a reason; history, differences, restore.
//!
//! A draft lives in the form that shows it, not on the box: nothing changes before somebody
//! publishes, and two people's drafts cannot mix. Whoever publishes over a text that is not in
//! force any more is told, and keeps what they typed.

pub(super) mod form;
mod history;
mod past;
mod trial;

use std::collections::HashMap;
use std::sync::Arc;

use maud::{Markup, html};
use warp::http::StatusCode;

use super::difference;
use super::frame::{self, Section};
use super::noted::note_outcome;
use super::pieces;
use super::routes::{UPLOAD_OCTETS, route};
use super::rulebook::{self, Checked, Text};
use super::{Call, Refusal, Route};
use crate::admin::people::Right;
use crate::journal::{Act, Span, Topping};
use crate::policy::rules::{Rule, RuleBook};
use crate::web::Pairs;
use crate::web::answer::{self, Answer};

pub(super) use trial::{Attempt, Tried, attempt};

pub(super) const ROUTES: &[Route] = &[
    route!(GET "/policy", Right(SeePolicy), list),
    route!(POST "/policy/begin", Right(Settings), begin),
    route!(GET "/policy/text", Right(SeePolicy), show_text),
    route!(POST "/policy/text", Right(SeePolicy), draft, UPLOAD_OCTETS),
    route!(POST "/policy/check", Right(SeePolicy), check, UPLOAD_OCTETS),
    route!(POST "/policy/publish", Right(Policy), publish, UPLOAD_OCTETS),
    route!(GET "/policy/rule", Right(SeePolicy), form::show),
    route!(POST "/policy/rule", Right(SeePolicy), form::apply, UPLOAD_OCTETS),
    route!(GET "/policy/try", Right(SeePolicy), trial::show),
    route!(POST "/policy/try", Right(SeePolicy), trial::run, UPLOAD_OCTETS),
    route!(GET "/policy/replay", Right(SeePolicy), past::show),
    route!(POST "/policy/replay", Right(SeePolicy), past::run, UPLOAD_OCTETS),
    route!(GET "/policy/history", Right(SeePolicy), history::list),
    route!(GET "/policy/history/{number}", Right(SeePolicy), history::version),
    route!(POST "/policy/history/{number}/restore", Right(Policy), history::restore),
];

/// Names whose counts are asked for.
const COUNTED: usize = 10_000;
/// Rules of one page.
const RULES_SHOWN: usize = 500;

/// Ways between the pages of policy.
fn tabs(present: &str) -> Markup {
    let all = [
        ("rules", "/policy", "Rules"),
        ("text", "/policy/text", "Edit as text"),
        ("form", "/policy/rule", "New rule"),
        ("try", "/policy/try", "Try a pattern"),
        ("replay", "/policy/replay", "Ask past mail"),
        ("history", "/policy/history", "History"),
    ];
    html! {
        nav aria-label="Policy" {
            ul.tabs {
                @for (name, path, words) in all {
                    li { a href=(path) aria-current=[(name == present).then_some("page")] { (words) } }
                }
            }
        }
    }
}

/// What to do when there is no text of rules.
fn without_file(call: &Call) -> Markup {
    html! {
        div.card {
            h2 { "There are no rules of your own yet" }
            p {
                "The box judges mail by terms, lists and content rules. Rules of your own say who \
                 and what, and what is ordered: they stand in a text file that the configuration \
                 names."
            }
            @if call.may(Right::Settings) && call.may(Right::Policy) {
                p { "The box can make an empty one in its data directory, and name it in its \
                     configuration. Nothing is judged otherwise before you publish a rule." }
                form method="post" action="/policy/begin" {
                    (frame::mark(call))
                    button type="submit" { "Begin with an empty text of rules" }
                }
                p.soft {
                    "To keep the text somewhere else, name that file under "
                    a href="/settings/section/policy" { "Settings, headers and own rules" } "."
                }
            } @else {
                p.soft { "Somebody who may change the configuration can do this." }
            }
        }
    }
}

/// Makes an empty text of rules and names it in the configuration.
async fn begin(call: Call) -> Result<Answer, Refusal> {
    match begun(&call).await {
        Ok(()) => {
            Ok(call.done("/policy/rule", "There is a text of rules now. Write the first rule."))
        }
        Err(why @ (Refusal::Conflict(_) | Refusal::Bad(_))) => {
            Ok(call.failed("/policy", why.to_string()))
        }
        Err(why) => Err(why),
    }
}

/// The same without a page, journalled; for who may change the rules, too.
pub(super) async fn begun(call: &Call) -> Result<(), Refusal> {
    if !call.may(Right::Policy) {
        return Err(Refusal::Forbidden);
    }
    let begun = rulebook::begin(call).await;
    note_outcome(call, None, Act::of("policy.begin", "rules"), begun)
}

async fn list(call: Call) -> Result<Answer, Refusal> {
    let config = call.site.steering.config();
    let journal = call.site.desk.journal.clone();
    let book = Arc::clone(call.site.desk.ruling.in_force().policy.rules());
    let work = move || {
        let text = rulebook::text(&config)?;
        let top = journal.top(Span::Week, Topping::Rules, COUNTED, None);
        let rows = top.map(|top| top.rows).unwrap_or_default();
        let counts: HashMap<String, u64> =
            rows.into_iter().map(|row| (row.name, row.count)).collect();
        Ok((text, counts))
    };
    let (text, counts) = call.blocking(work).await?;
    let content = html! {
        (tabs("rules"))
        @match &text {
            None => (without_file(&call)),
            Some(text) => (in_force(&call, &book, text, &counts)),
        }
    };
    Ok(frame::page(&call, Section::Policy, "Policy", &content))
}

fn in_force(call: &Call, book: &RuleBook, text: &Text, counts: &HashMap<String, u64>) -> Markup {
    let from = call.ask.query.first("from").and_then(|from| from.parse().ok()).unwrap_or(0usize);
    html! {
        p {
            "Rules are asked in this order; the first final order that applies counts, all others \
             add up. They stand in " code { (text.file.display()) } "."
        }
        @if book.is_empty() { p { "There is no rule in it yet." } }
        @else {
            div.scroll tabindex="0" role="region" aria-label="Rules in force" {
                table.stack {
                    caption { (book.len()) " rules in force" }
                    thead { tr {
                        th.num scope="col" { "No." } th scope="col" { "Rule" }
                        th scope="col" { "For" } th scope="col" { "Orders" }
                        th scope="col" { "State" }
                        th.num scope="col" { "Mails in a week" }
                    } }
                    tbody {
                        @for rule in book.rules().skip(from).take(RULES_SHOWN) {
                            (rule_row(rule, counts.get(&rule.name).copied().unwrap_or(0)))
                        }
                    }
                }
            }
            @if book.len() > from + RULES_SHOWN {
                (pieces::further(&call.ask.query, "/policy", "from",
                    &(from + RULES_SHOWN).to_string(), "Further rules"))
            }
        }
        p {
            a.button href="/policy/rule" { "Write a new rule" } " "
            a.button.plain href="/policy/text" { "Edit as text" }
        }
    }
}

fn rule_row(rule: &Rule, count: u64) -> Markup {
    let query = |name: &str| Pairs::default().with(name, &rule.name).to_query();
    let orders = rulebook::orders_of(rule).join(", ");
    html! {
        tr {
            td.num data-name="No." { (rule.number + 1) }
            td data-name="Rule" {
                a href={ "/policy/rule?" (query("name")) } { (rule.name) }
                @if !rule.description.is_empty() { div.soft.small { (rule.description) } }
            }
            td data-name="For" { (rule.scope) }
            td data-name="Orders" { (orders) }
            td data-name="State" {
                @if rule.is_enabled { span.badge.good { "in force" } }
                @else { span.badge { "switched off" } }
            }
            td.num data-name="Mails in a week" {
                @if count == 0 { "0" }
                @else { a href={ "/tracking?" (query("rule")) } { (pieces::count(count)) } }
            }
        }
    }
}

/// A draft with what belongs to it.
#[derive(Debug, Clone, Default)]
struct Sheet {
    text: String,
    reason: String,
    /// The mark of the text that it was begun with.
    base: String,
}

impl Sheet {
    fn of(call: &Call) -> Sheet {
        let field = |name: &str| call.form.first(name).unwrap_or_default().to_owned();
        // Browsers send line ends as CRLF.
        Sheet {
            text: field("text").replace("\r\n", "\n"),
            reason: field("reason"),
            base: field("base"),
        }
    }

    /// As fields that are not seen.
    fn hidden(&self) -> Markup {
        html! {
            input type="hidden" name="base" value=(self.base);
            textarea hidden name="text" aria-label="Draft" { "\n" (self.text) }
        }
    }
}

async fn text_in_force(call: &Call) -> Result<Option<Text>, Refusal> {
    let config = call.site.steering.config();
    call.blocking(move || rulebook::text(&config)).await
}

async fn show_text(call: Call) -> Result<Answer, Refusal> {
    let Some(text) = text_in_force(&call).await? else {
        let content = html! { (tabs("text")) (without_file(&call)) };
        return Ok(frame::page(&call, Section::Policy, "Rules as text", &content));
    };
    let sheet = Sheet { text: text.text.clone(), reason: String::new(), base: text.mark.clone() };
    editor(&call, StatusCode::OK, &sheet, None).await
}

/// A draft shown again: from the form of a rule, or to be looked at once more.
async fn draft(call: Call) -> Result<Answer, Refusal> {
    editor(&call, StatusCode::OK, &Sheet::of(&call), None).await
}

/// The page on which a text is edited, with what is to be said about it.
async fn editor(
    call: &Call,
    status: StatusCode,
    sheet: &Sheet,
    refused: Option<&str>,
) -> Result<Answer, Refusal> {
    let (work, text) = (call.clone(), sheet.text.clone());
    let checked = call.blocking(move || Ok(rulebook::check(&work, &text))).await?;
    let before = text_in_force(call).await?;
    let is_other = before.as_ref().is_some_and(|before| before.text != sheet.text);
    let is_stale = before.as_ref().is_some_and(|before| before.mark != sheet.base);
    let content = html! {
        (tabs("text"))
        @if let Some(words) = refused { div.notice.bad role="alert" { (words) } }
        @if is_stale {
            div.notice.warn role="status" {
                "Other rules are in force than those that this draft was begun with. Below you \
                 see how it differs from them."
            }
        }
        form method="post" action="/policy/text" {
            (frame::mark(call))
            input type="hidden" name="base" value=(sheet.base);
            div.field {
                label for="text" { "Text of rules " span.soft { "(TOML)" } }
                textarea #text name="text" rows="24" spellcheck="false"
                    data-checks="/policy/check" data-shows="checked" { "\n" (sheet.text) }
            }
            div #checked aria-live="polite" { (remarks(&checked)) }
            p.row {
                button.plain type="submit" { "Check and show what changes" }
                " "
                button.plain type="submit" formaction="/policy/replay" { "Ask past mail" }
                span.field {
                    label for="days" { "Days of past mail" }
                    input #days name="days" type="number" min="1" max="3650" value="7";
                }
            }
            @if call.may(Right::Policy) {
                div.card {
                    div.field {
                        label for="reason" { "Reason " span.soft { "(kept with the version)" } }
                        input #reason name="reason" maxlength="1000" value=(sheet.reason);
                    }
                    button type="submit" formaction="/policy/publish" { "Publish these rules" }
                }
            }
        }
        @if let (true, Some(before)) = (is_other, &before) {
            h2 { "What changes" }
            (difference::shown(&before.text, &sheet.text))
        }
    };
    Ok(frame::shown(call, status, Section::Policy, "Rules as text", &content))
}

/// What there is to say about a text.
fn remarks(checked: &Checked) -> Markup {
    html! {
        @if checked.is_good && checked.warnings.is_empty() {
            p.notice { (checked.rules) " rules; nothing is wrong with them." }
        } @else if checked.is_good {
            div.notice.warn {
                p { (checked.rules) " rules can be published, but look at this:" }
                ul { @for warning in &checked.warnings { li { (warning.words()) } } }
            }
        } @else {
            div.notice.bad {
                p { "This cannot be published:" }
                ul { @for error in &checked.errors { li { (error.words()) } } }
            }
        }
    }
}

/// While somebody types: a piece of page.
async fn check(call: Call) -> Result<Answer, Refusal> {
    let (work, sheet) = (call.clone(), Sheet::of(&call));
    let checked = call.blocking(move || Ok(rulebook::check(&work, &sheet.text))).await?;
    Ok(answer::html(StatusCode::OK, remarks(&checked).into_string()))
}

async fn publish(call: Call) -> Result<Answer, Refusal> {
    let sheet = Sheet::of(&call);
    let base = Some(sheet.base.clone()).filter(|base| !base.is_empty());
    let draft = rulebook::Draft { text: sheet.text.clone(), reason: sheet.reason.clone(), base };
    let published = rulebook::publish(&call, draft).await;
    let act = Act { reason: sheet.reason.clone(), ..Act::of("policy.publish", "rules") };
    match rulebook::noted(&call, act, published) {
        Ok(version) => Ok(call.done(
            "/policy",
            format!("Version {} is in force: {}", version.number, version.reason),
        )),
        // What was typed is not lost.
        Err(refusal @ (Refusal::Bad(_) | Refusal::Conflict(_))) => {
            editor(&call, refusal.status(), &sheet, Some(&refusal.to_string())).await
        }
        Err(refusal) => Err(refusal),
    }
}
