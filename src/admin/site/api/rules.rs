//! The site's own rules: read, tried, published, restored.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Kind, Parameter, about, operation, whole};
use crate::admin::api::time_of;
use crate::admin::past::ReplayRequest;
use crate::admin::people::Right;
use crate::admin::site::rulebook::{self, Checked};
use crate::admin::site::{Call, Refusal, Route, policy};
use crate::config::Version;
use crate::journal::{Act, Span, Topping};
use crate::policy::rules::Rule;
use crate::web::Answer;

pub(super) const NUMBER: Parameter = Parameter::new(
    "number",
    Kind::Whole { least: 1, most: 4_294_967_295 },
    "the number of a version",
);
pub(super) const OLD: Parameter = Parameter::new(
    "old",
    Kind::Whole { least: 1, most: 4_294_967_295 },
    "the older version; the one before the newer unless given",
);
pub(super) const NEW: Parameter = Parameter::new(
    "new",
    Kind::Whole { least: 1, most: 4_294_967_295 },
    "the newer version; the newest unless given",
);

pub(in crate::admin::site) const ROUTES: &[Route] = &[
    operation!(
        GET "/api/policy", Right(SeePolicy), show => PolicyText,
        about("policy", "The text of rules in force", &[])
    ),
    operation!(
        GET "/api/policy/rules", Right(SeePolicy), rules => RuleList,
        about("rules", "The rules in force, in the order in which they are asked", &[])
    ),
    operation!(
        POST "/api/policy/begin", Right(Settings), begin => PolicyText,
        about("beginPolicy", "Makes an empty text of rules where the configuration names none; needs `policy`, too", &[])
    ),
    operation!(
        POST "/api/policy/check", Right(SeePolicy), check(DraftText) => PolicyChecked,
        about("checkPolicy", "What is wrong with a text of rules, what is probably not meant, and what changes", &[])
    ),
    operation!(
        POST "/api/policy/try", Right(SeePolicy), attempt(policy::Attempt) => policy::Tried,
        about("tryPattern", "What a pattern, and the content rules in force, find in a text or message", &[])
    ),
    operation!(
        POST "/api/policy/replay", Right(SeePolicy), replay(ReplayOrder) => raw "application/x-ndjson",
        about("replayPolicy", "What a text of rules would have changed about past mail; one JSON object a line", &[])
    ),
    operation!(
        POST "/api/policy/publish", Right(Policy), publish(Publication) => VersionRow,
        about("publishPolicy", "Puts a text of rules in force", &[])
    ),
    operation!(
        GET "/api/policy/versions", Right(SeePolicy), versions => VersionList,
        about("policyVersions", "Every text that was in force, the newest first", &[])
    ),
    operation!(
        GET "/api/policy/versions/{number}", Right(SeePolicy), version => VersionText,
        about("policyVersion", "One text that was in force", &[NUMBER])
    ),
    operation!(
        POST "/api/policy/versions/{number}/restore", Right(Policy), restore(Reason) => VersionRow,
        about("restorePolicy", "Puts an old text in force again", &[NUMBER])
    ),
    operation!(
        GET "/api/policy/diff", Right(SeePolicy), diff => Difference,
        about("policyDiff", "How two versions differ", &[OLD, NEW])
    ),
];

/// The text in force.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PolicyText {
    /// The file; none when the configuration names none.
    file: Option<String>,
    /// What stands in it.
    text: String,
    /// Names exactly this text: to be given as `base` when publishing over it.
    mark: Option<String>,
}

/// The rules in force.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RuleList {
    /// In the order in which they are asked.
    rules: Vec<RuleRow>,
}

/// One rule.
#[derive(Debug, Serialize, JsonSchema)]
struct RuleRow {
    /// Its only name.
    name: String,
    /// For whose mail it is.
    scope: String,
    /// What it orders.
    orders: Vec<String>,
    /// Whether it is in force unless somebody switches it.
    is_enabled: bool,
    /// Why there is such a rule.
    description: String,
    /// Where it stands in the file.
    line: u64,
    /// Mails on which it acted in the last week.
    acted_last_week: u64,
}

/// A text of rules.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DraftText {
    /// TOML.
    text: String,
}

/// What there is to say about a text of rules.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PolicyChecked {
    /// What is wrong with it.
    #[serde(flatten)]
    checked: Checked,
    /// From the text in force to this one, in the unified form; empty when they do not differ.
    diff: String,
}

/// A text of rules for past mail.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayOrder {
    /// TOML.
    text: String,
    /// Mail of the last so many days.
    #[schemars(range(min = 1, max = 3650))]
    days: u32,
}

/// A text of rules to be put in force.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Publication {
    /// TOML.
    text: String,
    /// Why.
    reason: String,
    /// The mark of the text that this one was made of; refused when that is not in force any
    /// more.
    base: Option<String>,
}

/// Why.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// In one's own words.
    pub(super) reason: String,
}

/// One version.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct VersionRow {
    /// From 1.
    number: u32,
    /// Who published it.
    author: String,
    /// Why.
    reason: String,
    /// RFC 3339.
    published: String,
}

impl From<Version> for VersionRow {
    fn from(version: Version) -> VersionRow {
        VersionRow {
            number: version.number,
            author: version.author,
            reason: version.reason,
            published: time_of(version.published_ms),
        }
    }
}

/// Versions.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct VersionList {
    /// The newest first.
    versions: Vec<VersionRow>,
}

impl VersionList {
    /// Of versions, the oldest first.
    pub(super) fn of(mut versions: Vec<Version>) -> VersionList {
        versions.reverse();
        VersionList { versions: versions.into_iter().map(VersionRow::from).collect() }
    }
}

/// One version with its text.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct VersionText {
    /// Which.
    #[serde(flatten)]
    pub(super) version: VersionRow,
    /// TOML.
    pub(super) text: String,
}

/// How two versions differ.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Difference {
    /// The older one.
    pub(super) old: u32,
    /// The newer one.
    pub(super) new: u32,
    /// In the unified form; empty when they do not differ.
    pub(super) diff: String,
}

async fn show(call: Call) -> Result<PolicyText, Refusal> {
    let config = call.site.steering.config();
    let text = call.blocking(move || rulebook::text(&config)).await?;
    Ok(match text {
        None => PolicyText { file: None, text: String::new(), mark: None },
        Some(text) => PolicyText {
            file: Some(text.file.display().to_string()),
            text: text.text,
            mark: Some(text.mark),
        },
    })
}

async fn rules(call: Call) -> Result<RuleList, Refusal> {
    let journal = call.site.desk.journal.clone();
    let in_force = call.site.desk.ruling.in_force();
    let work = move || {
        let top = journal.top(Span::Week, Topping::Rules, 10_000, None);
        let top = top.map_err(super::tracking::refused)?;
        let counts: std::collections::HashMap<&str, u64> =
            top.rows.iter().map(|row| (row.name.as_str(), row.count)).collect();
        let row = |rule: &Rule| RuleRow {
            name: rule.name.clone(),
            scope: rule.scope.to_string(),
            orders: rulebook::orders_of(rule).into_iter().map(str::to_owned).collect(),
            is_enabled: rule.is_enabled,
            description: rule.description.clone(),
            line: u64::try_from(rule.place.line).unwrap_or_default(),
            acted_last_week: counts.get(rule.name.as_str()).copied().unwrap_or_default(),
        };
        Ok(RuleList { rules: in_force.policy.rules().rules().map(row).collect() })
    };
    call.blocking(work).await
}

async fn begin(call: Call) -> Result<PolicyText, Refusal> {
    policy::begun(&call).await?;
    show(call).await
}

async fn check(call: Call, draft: DraftText) -> Result<PolicyChecked, Refusal> {
    policy_checked(&call, draft.text).await
}

/// All that can be said about a text that is not in force.
pub(super) async fn policy_checked(call: &Call, text: String) -> Result<PolicyChecked, Refusal> {
    let work = call.clone();
    let check = move || {
        let before = rulebook::text(&work.site.steering.config())?;
        let before = before.map(|before| before.text).unwrap_or_default();
        let diff = rulebook::difference(("in force", &before), ("draft", &text));
        Ok(PolicyChecked { checked: rulebook::check(&work, &text), diff })
    };
    call.blocking(check).await
}

async fn attempt(call: Call, attempt: policy::Attempt) -> Result<policy::Tried, Refusal> {
    let work = call.clone();
    call.blocking(move || policy::attempt(&work, &attempt)).await
}

async fn replay(call: Call, order: ReplayOrder) -> Result<Answer, Refusal> {
    // What is shown are others' mails.
    if !call.may(Right::SeeMail) {
        return Err(Refusal::Forbidden);
    }
    if !(1..=3_650).contains(&order.days) {
        return Err(Refusal::bad("days: a whole number from 1 to 3650"));
    }
    let desk = call.desk();
    let request = ReplayRequest { draft: order.text, file: "the text".into(), days: order.days };
    call.blocking(move || Ok(desk.replay(request)?)).await
}

async fn publish(call: Call, order: Publication) -> Result<VersionRow, Refusal> {
    let Publication { text, reason, base } = order;
    let draft = rulebook::Draft { text, reason: reason.clone(), base };
    let published = rulebook::publish(&call, draft).await;
    let act = Act { reason, ..Act::of("policy.publish", "rules") };
    rulebook::noted(&call, act, published).map(VersionRow::from)
}

async fn versions(call: Call) -> Result<VersionList, Refusal> {
    let config = call.site.steering.config();
    call.blocking(move || Ok(VersionList::of(rulebook::versions(&config).list()?))).await
}

pub(super) fn number(call: &Call) -> Result<u32, Refusal> {
    call.part(0).parse().map_err(|_| Refusal::NotFound)
}

async fn version(call: Call) -> Result<VersionText, Refusal> {
    let (number, config) = (number(&call)?, call.site.steering.config());
    let read = call.blocking(move || Ok(rulebook::versions(&config).read(number)?)).await?;
    Ok(VersionText { version: read.0.into(), text: read.1 })
}

async fn restore(call: Call, order: Reason) -> Result<VersionRow, Refusal> {
    let (number, config) = (number(&call)?, call.site.steering.config());
    let read = call.blocking(move || Ok(rulebook::versions(&config).read(number)?));
    let (_, text) = read.await?;
    let draft = rulebook::Draft { text, reason: order.reason.clone(), base: None };
    let published = rulebook::publish(&call, draft).await;
    let act =
        Act { reason: order.reason, ..Act::of("policy.restore", format!("version {number}")) };
    rulebook::noted(&call, act, published).map(VersionRow::from)
}

async fn diff(call: Call) -> Result<Difference, Refusal> {
    let config = call.site.steering.config();
    let version = |name: &str| whole(&call, name).and_then(|number| u32::try_from(number).ok());
    let (old, new) = (version("old"), version("new"));
    let work = move || {
        let versions = rulebook::versions(&config);
        let newest = || Ok::<u32, Refusal>(versions.newest()?.map_or(0, |(it, _)| it.number));
        let new = new.map_or_else(newest, Ok)?;
        let old = old.unwrap_or_else(|| new.saturating_sub(1));
        let (_, before) = versions.read(old)?;
        let (_, after) = versions.read(new)?;
        let names = (format!("version {old}"), format!("version {new}"));
        let diff = rulebook::difference((&names.0, &before), (&names.1, &after));
        Ok(Difference { old, new, diff })
    };
    call.blocking(work).await
}
