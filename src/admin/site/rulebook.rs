//! The site's own rules as people edit them: read, checked, published, restored.
//!
//! In: the text that `[policy] file` names, or a draft. Out: what is wrong with line and column,
//! what can never count, versions, differences; on [`publish`] the file replaced whole and put
//! in force. One publication at a time.
//!
//! Invariants: nothing is published that cannot be read; a draft that was begun before somebody
//! else published is refused; when the box does not take the text, the text before is in the
//! file again, and in force throughout. Each text that was in force is a version.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::noted::note_outcome;
use super::{Call, Refusal};
use crate::config::{Config, Version, VersionError, Versions, file};
use crate::journal::Act;
use crate::policy::check::{Checker, House, slips};
use crate::policy::rules::{Groups, PolicyError, Rule, RuleBook};
use crate::store::token;

/// Reasons have so many characters at most.
const REASON_LETTERS: usize = 1_000;
/// So many rules are looked through for what never counts; more take too long to wait for.
const CHECKED_RULES: usize = 2_000;

/// Afterwards large pieces of texts are taken for changed as a whole.
const PATIENCE: Duration = Duration::from_millis(500);

/// The text in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    /// The file.
    pub(super) file: PathBuf,
    /// What stands in it.
    pub(super) text: String,
    /// Names exactly this text, for whoever publishes over it.
    pub(super) mark: String,
}

/// What was found in a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Checked {
    /// It can be published.
    pub(super) is_good: bool,
    /// Rules in it.
    pub(super) rules: u64,
    /// Why it cannot be published.
    pub(super) errors: Vec<Remark>,
    /// What is taken, but probably not meant.
    pub(super) warnings: Vec<Remark>,
}

/// Something in a text, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Remark {
    /// From 1.
    pub(super) line: Option<u64>,
    /// In characters from 1.
    pub(super) column: Option<u64>,
    /// What.
    pub(super) what: String,
}

impl Remark {
    pub(super) fn at(place: crate::config::Place, what: String) -> Remark {
        let number = |number: usize| u64::try_from(number).ok();
        Remark { line: number(place.line), column: number(place.column), what }
    }

    /// Each error by itself.
    pub(super) fn of(error: PolicyError) -> Vec<Remark> {
        let remark = |error| match error {
            PolicyError::Wrong { place, what, .. } => Remark::at(place, what),
            PolicyError::TooMuch { what, .. } => Remark { line: None, column: None, what },
            error @ PolicyError::Several(_) => {
                Remark { line: None, column: None, what: error.to_string() }
            }
        };
        error.each().into_iter().map(remark).collect()
    }

    /// All in words.
    pub(super) fn all_words(error: PolicyError) -> String {
        let words = Remark::of(error).iter().map(Remark::words).collect::<Vec<_>>();
        words.join("; ")
    }

    /// In words, with the place.
    pub(super) fn words(&self) -> String {
        match (self.line, self.column) {
            (Some(line), Some(column)) => {
                format!("line {line}, column {column}: {}", self.what)
            }
            _ => self.what.clone(),
        }
    }
}

/// Names a text.
pub(super) fn mark(text: &str) -> String {
    token::digest_of(text)
}

/// The file of rules, when the configuration names one.
pub(super) fn file_of(config: &Config) -> Option<&Path> {
    config.policy.file.as_deref()
}

/// The text in the file; nothing when the configuration names none. Blocks.
pub(super) fn text(config: &Config) -> Result<Option<Text>, Refusal> {
    let Some(file) = file_of(config) else { return Ok(None) };
    let text = fs::read_to_string(file)
        .map_err(|error| Refusal::Broken(format!("{}: {error}", file.display())))?;
    Ok(Some(Text { file: file.to_owned(), mark: mark(&text), text }))
}

/// The same, where it must be there. Blocks.
pub(super) fn text_of(config: &Config) -> Result<Text, Refusal> {
    let none =
        || Refusal::Conflict("the configuration names no text of rules: [policy] file".into());
    text(config)?.ok_or_else(none)
}

/// What stands in a text that the box makes.
const EMPTY: &str = "# Rules of this site: who, what, and what is ordered. The first final order \
                     that applies counts.\n";

/// Makes an empty text of rules where the configuration names none, and names it there. A file
/// of that name that is there already is taken as it is.
pub(super) async fn begin(call: &Call) -> Result<(), Refusal> {
    let config = call.site.steering.config();
    if file_of(&config).is_some() {
        return Err(Refusal::Conflict("the configuration names a text of rules already".into()));
    }
    let path = config.system.data_dir.join("rules.toml");
    let made = path.clone();
    call.blocking(move || {
        if made.exists() {
            return Ok(());
        }
        file::replace(&made, EMPTY.as_bytes(), file::PRIVATE)
            .map_err(|error| Refusal::Broken(format!("{}: {error}", made.display())))
    })
    .await?;
    let named = path.display().to_string();
    let settings = [("policy", "file", named.as_str())];
    let set = super::setup::set(call, &settings, "a text of own rules").await?;
    set.map(drop).map_err(Refusal::Conflict)
}

pub(super) fn versions(config: &Config) -> Versions {
    Versions::new(config.system.data_dir.join("policy"))
}

impl From<VersionError> for Refusal {
    fn from(error: VersionError) -> Refusal {
        match error {
            VersionError::Unknown(_) => Refusal::NotFound,
            VersionError::TooLong(_) => Refusal::Bad(error.to_string()),
            error => Refusal::Broken(error.to_string()),
        }
    }
}

/// The rules of a text.
pub(super) fn book(call: &Call, text: &str) -> Result<RuleBook, PolicyError> {
    let in_force = call.site.desk.ruling.in_force();
    RuleBook::parse(text, "the text", &in_force.groups)
}

/// Everything that can be said about a text without mail. Blocks, for seconds where there are
/// thousands of rules.
pub(super) fn check(call: &Call, text: &str) -> Checked {
    let in_force = call.site.desk.ruling.in_force();
    let book = match RuleBook::parse(text, "the text", &in_force.groups) {
        Ok(book) => book,
        Err(error) => {
            let errors = Remark::of(error);
            return Checked { is_good: false, rules: 0, errors, warnings: Vec::new() };
        }
    };
    let findings = in_force.analysis.finding_names();
    let content = in_force.analysis.rules().rules();
    let content = content.iter().map(|rule| rule.id.as_str());
    let house = House::new(&call.site.steering.config(), findings, content);
    let mut warnings: Vec<Remark> = slips(&book, &house)
        .into_iter()
        .map(|slip| Remark::at(slip.place, format!("rule {:?}: {}", slip.rule, slip.what)))
        .collect();
    if book.len() <= CHECKED_RULES {
        let report = Checker::on(&book, &house).check();
        let unplaced = |what: String| Remark { line: None, column: None, what };
        warnings.extend(report.problems.iter().map(|problem| unplaced(problem.to_string())));
    }
    let rules = u64::try_from(book.len()).unwrap_or(u64::MAX);
    Checked { is_good: true, rules, errors: Vec::new(), warnings }
}

/// What is to be published, and over what.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    /// The new text.
    pub(super) text: String,
    /// Why, in the publisher's words.
    pub(super) reason: String,
    /// The mark of the text that it was begun with; none publishes over anything.
    pub(super) base: Option<String>,
}

/// Whether a reason is one.
pub(super) fn refused(reason: &str) -> Result<(), Refusal> {
    match (1..=REASON_LETTERS).contains(&reason.trim().chars().count()) {
        true => Ok(()),
        false => Err(Refusal::Bad(format!("reason: say why, in 1 to {REASON_LETTERS} characters"))),
    }
}

/// A text that was put in force.
#[derive(Debug, Clone)]
pub(super) struct Published {
    /// The version that was in force until then.
    before: Version,
    /// The version that it is.
    now: Version,
}

/// Journals a publication, whatever it was called for.
pub(super) fn noted(
    call: &Call,
    act: Act,
    published: Result<Published, Refusal>,
) -> Result<Version, Refusal> {
    let name = |version: &Version| format!("version {}", version.number);
    let names = published.as_ref().ok().map(|it| (name(&it.before), name(&it.now)));
    let (before, after) = names.unzip();
    note_outcome(call, None, Act { before, after, ..act }, published.map(|it| it.now))
}

/// Puts a text in force. Says which version it is. What began is carried through even when
/// nobody waits for the answer any more.
pub(super) async fn publish(call: &Call, draft: Draft) -> Result<Published, Refusal> {
    refused(&draft.reason)?;
    let call = call.clone();
    let carried = tokio::spawn(async move { carry_through(&call, draft).await });
    carried.await.unwrap_or_else(|_| Err(Refusal::Broken("the publication broke off".into())))
}

async fn carry_through(call: &Call, draft: Draft) -> Result<Published, Refusal> {
    let _turn = call.site.editing.lock().await;
    let config = call.site.steering.config();
    let work = call.clone();
    let (before, published) = call.blocking(move || prepared(&work, &config, &draft)).await?;
    let Err(why) = call.site.steering.reload().await else { return Ok(published) };
    let (work, config) = (call.clone(), call.site.steering.config());
    let words = format!("the box does not take it, and nothing has changed: {why}");
    call.blocking(move || {
        let reason = format!("version {} was not taken: {why}", published.now.number);
        versions(&config).publish(&before.text, "the box", &reason, work.now_ms())?;
        file::replace(&before.file, before.text.as_bytes(), file::PRIVATE)
            .map_err(|error| Refusal::Broken(format!("{}: {error}", before.file.display())))
    })
    .await?;
    Err(Refusal::Conflict(words))
}

/// Checks, keeps the version, replaces the file. Blocks.
fn prepared(call: &Call, config: &Config, draft: &Draft) -> Result<(Text, Published), Refusal> {
    let text = text_of(config)?;
    if draft.base.as_ref().is_some_and(|base| *base != text.mark) {
        let words = "somebody has published other rules meanwhile: look at what they changed, \
                     and begin again from there";
        return Err(Refusal::Conflict(words.into()));
    }
    // The groups of the configuration count: those in force follow it.
    let groups = Groups::configured(&config.group);
    RuleBook::parse(&draft.text, "the text", &groups)
        .map_err(|error| Refusal::Bad(Remark::all_words(error)))?;
    let versions = versions(config);
    let now_ms = call.now_ms();
    // What somebody wrote into the file by hand is not to be lost.
    let before = versions.publish(&text.text, "the file", "as it was found", now_ms)?;
    let by = call.caller.signature();
    let now = versions.publish(&draft.text, &by, draft.reason.trim(), now_ms)?;
    file::replace(&text.file, draft.text.as_bytes(), file::PRIVATE)
        .map_err(|error| Refusal::Broken(format!("{}: {error}", text.file.display())))?;
    Ok((text, Published { before, now }))
}

/// How two texts differ, line by line.
pub(super) fn difference(before: (&str, &str), after: (&str, &str)) -> String {
    let mut settings = similar::TextDiff::configure();
    let changes = settings.timeout(PATIENCE).diff_lines(before.1, after.1);
    changes.unified_diff().header(before.0, after.0).to_string()
}

/// What a rule orders, in the words of the vocabulary.
pub(super) fn orders_of(rule: &Rule) -> Vec<&'static str> {
    let last = rule.final_order.iter().map(|order| order.kind().word());
    last.chain(rule.orders.iter().map(|order| order.word())).collect()
}
