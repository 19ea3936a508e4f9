//! The configuration as a text: what stands in the file, whether another text would be taken,
//! another one put in force, its versions. Secrets are not shown: in their place stands a mark
//! that stands for the present secret when a text comes back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules::{Difference, NEW, NUMBER, OLD, Reason, VersionList, VersionText};
use super::{about, operation, whole};
use crate::admin::site::rulebook::{Remark, difference, refused};
use crate::admin::site::settings::change::{self, Present, Unapplied};
use crate::admin::site::{Call, Refusal, Route};
use crate::config::ConfigError;

pub(in crate::admin::site) const ROUTES: &[Route] = &[
    operation!(
        GET "/api/configuration", Right(SeeSettings), show => ConfigurationText,
        about("configuration", "The configuration file as it stands, without its secrets", &[])
    ),
    operation!(
        POST "/api/configuration/check", Right(SeeSettings), check(ConfigurationDraft) => ConfigurationChecked,
        about("checkConfiguration", "Whether a text would be taken, and what is wrong with it", &[])
    ),
    operation!(
        POST "/api/configuration/apply", Right(Settings), apply(ConfigurationChange) => Applied,
        about("applyConfiguration", "Puts a text in force", &[])
    ),
    operation!(
        GET "/api/configuration/versions", Right(SeeSettings), versions => VersionList,
        about("configurationVersions", "Every text that was in force, the newest first", &[])
    ),
    operation!(
        GET "/api/configuration/versions/{number}", Right(SeeSettings), version => VersionText,
        about("configurationVersion", "One text that was in force, without its secrets", &[NUMBER])
    ),
    operation!(
        GET "/api/configuration/diff", Right(SeeSettings), diff => Difference,
        about("configurationDiff", "How two versions of the configuration differ, without secrets", &[OLD, NEW])
    ),
    operation!(
        POST "/api/configuration/versions/{number}/restore", Right(Settings), restore(Reason) => Applied,
        about("restoreConfiguration", "Puts an old text in force again", &[NUMBER])
    ),
];

/// The configuration.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ConfigurationText {
    /// The file.
    file: String,
    /// What stands in it, without secrets.
    text: String,
    /// Names exactly this text: to be given as `base` when another is put in its place.
    mark: String,
}

/// A text that may become the configuration.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigurationDraft {
    /// TOML.
    text: String,
}

/// A text that is to be the configuration.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigurationChange {
    /// TOML.
    text: String,
    /// Why.
    reason: String,
    /// The mark of the text that this one was made of.
    base: String,
}

/// What was found.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ConfigurationChecked {
    /// It would be taken.
    is_good: bool,
    /// What is wrong.
    errors: Vec<Remark>,
    /// Sections whose change takes effect when the box is restarted.
    needs_restart: Vec<String>,
    /// From the present text to this one, in the unified form and without secrets; empty when
    /// they do not differ, or when this one is no TOML.
    diff: String,
}

/// It is in force.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Applied {
    /// Sections whose change takes effect when the box is restarted.
    needs_restart: Vec<String>,
}

fn named(sections: Vec<&'static str>) -> Vec<String> {
    sections.into_iter().map(str::to_owned).collect()
}

async fn show(call: Call) -> Result<ConfigurationText, Refusal> {
    let present = Present::read(&call).await?;
    let covered = present.secrets.covered(&present.text);
    Ok(ConfigurationText {
        file: call.site.steering.file().display().to_string(),
        mark: present.mark(),
        text: covered.map_err(|error| Refusal::Conflict(error.to_string()))?,
    })
}

/// As long as on the pages.
fn short(text: &str) -> Result<(), Refusal> {
    match text.len() <= change::TEXT_OCTETS {
        true => Ok(()),
        false => Err(Refusal::Bad(format!("text: {} octets at most", change::TEXT_OCTETS))),
    }
}

async fn check(call: Call, draft: ConfigurationDraft) -> Result<ConfigurationChecked, Refusal> {
    short(&draft.text)?;
    let present = Present::read(&call).await?;
    checked(&call, &present, &present.secrets.restored(&draft.text)).await
}

/// All that can be said about a text, secrets included, that is not in force.
pub(super) async fn checked(
    call: &Call,
    present: &Present,
    text: &str,
) -> Result<ConfigurationChecked, Refusal> {
    let shown = present.secrets.hidden(text).unwrap_or_else(|_| present.shown.clone());
    let before = present.shown.clone();
    let compare = move || Ok(difference(("present", &before), ("draft", &shown)));
    let diff = call.blocking(compare).await?;
    Ok(match change::checked(call, text).await? {
        Ok(config) => ConfigurationChecked {
            is_good: true,
            errors: Vec::new(),
            needs_restart: named(call.site.steering.config().needs_restart(&config)),
            diff,
        },
        Err(error) => ConfigurationChecked {
            is_good: false,
            errors: vec![wrong(error)],
            needs_restart: Vec::new(),
            diff,
        },
    })
}

async fn diff(call: Call) -> Result<Difference, Refusal> {
    let present = Present::read(&call).await?;
    let versions = change::versions(&call);
    let asked = |name: &str| whole(&call, name).and_then(|number| u32::try_from(number).ok());
    let (old, new) = (asked("old"), asked("new"));
    let work = move || {
        let newest = || Ok::<u32, Refusal>(versions.newest()?.map_or(0, |(it, _)| it.number));
        let new = new.map_or_else(newest, Ok)?;
        let old = old.unwrap_or_else(|| new.saturating_sub(1));
        let hidden = |number: u32| {
            let (_, text) = versions.read(number)?;
            let hidden = present.secrets.hidden(&text);
            hidden.map_err(|error| Refusal::Conflict(error.to_string()))
        };
        let (before, after) = (hidden(old)?, hidden(new)?);
        let names = (format!("version {old}"), format!("version {new}"));
        let diff = difference((&names.0, &before), (&names.1, &after));
        Ok(Difference { old, new, diff })
    };
    call.blocking(work).await
}

fn wrong(error: ConfigError) -> Remark {
    match error {
        ConfigError::Wrong { place, what, .. } => Remark::at(place, what),
        error => Remark { line: None, column: None, what: error.to_string() },
    }
}

fn unapplied(why: Unapplied) -> Refusal {
    match why {
        Unapplied::Wrong(error) => Refusal::Bad(format!("text: {}", change::words(&error))),
        Unapplied::Meanwhile | Unapplied::Refused(_) => Refusal::Conflict(why.to_string()),
        Unapplied::Unwritten(_) => Refusal::Broken(why.to_string()),
    }
}

async fn apply(call: Call, order: ConfigurationChange) -> Result<Applied, Refusal> {
    refused(&order.reason)?;
    short(&order.text)?;
    let present = Present::read(&call).await?;
    let text = present.secrets.restored(&order.text);
    let applied = change::apply(&call, &order.base, text, order.reason.trim()).await;
    Ok(Applied { needs_restart: named(applied.map_err(unapplied)?) })
}

async fn versions(call: Call) -> Result<VersionList, Refusal> {
    let versions = change::versions(&call);
    call.blocking(move || Ok(VersionList::of(versions.list()?))).await
}

async fn version(call: Call) -> Result<VersionText, Refusal> {
    let (number, versions) = (super::rules::number(&call)?, change::versions(&call));
    let present = Present::read(&call).await?;
    let (version, text) = call.blocking(move || Ok(versions.read(number)?)).await?;
    let text =
        present.secrets.hidden(&text).map_err(|error| Refusal::Conflict(error.to_string()))?;
    Ok(VersionText { version: version.into(), text })
}

async fn restore(call: Call, order: Reason) -> Result<Applied, Refusal> {
    refused(&order.reason)?;
    let (number, versions) = (super::rules::number(&call)?, change::versions(&call));
    let (_, text) = call.blocking(move || Ok(versions.read(number)?)).await?;
    let mark = Present::read(&call).await?.mark();
    let applied = change::apply(&call, &mark, text, order.reason.trim()).await;
    Ok(Applied { needs_restart: named(applied.map_err(unapplied)?) })
}
