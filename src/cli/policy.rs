//! `postern policy`: the site's own rules: whether they are right, what they come to, and how
//! one text of them takes the place of another.
//!
//! In: the text that `[policy] file` names, or a draft. Out: what is wrong with file, line and
//! column, rules that never count, answers to claims, the rules for one sender and recipient;
//! what a draft would have changed; on `publish` and `restore` a new version, the file replaced
//! whole, and the running box told. Nothing is published that cannot be read. `check` exits with
//! 0 when nothing was found, 1 when something was or a claim does not hold, 78 when the text
//! cannot be read as rules, of which all errors are told, 64 when a claim that was typed is none.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::arguments::{Listing, WithConfig};
use super::control::Control;
use super::exit::{Exit, Trouble};
use super::render;
use super::replay::{ReplayOrder, replay};
use super::rules::weights;
use crate::config::{Config, Version, VersionError, Versions};
use crate::mail::{Address, ReversePath, Role};
use crate::policy::check::{Answer, Checker, Claim, House, parse_claims, slips};
use crate::policy::rules::{Direction, Groups, OutOfForce, Parties, PolicyError, RuleBook};

/// `postern policy`.
#[derive(Debug, Args)]
pub struct PolicyOrder {
    /// What to do
    #[command(subcommand)]
    pub act: PolicyAct,
}

/// What can be done with the site's own rules.
#[derive(Debug, Subcommand)]
pub enum PolicyAct {
    /// Find what is wrong with the rules, and answer claims about them
    Check {
        /// The configuration file
        #[command(flatten)]
        with: WithConfig,
        /// This text in place of the one in force
        #[arg(long, value_name = "FILE")]
        draft: Option<PathBuf>,
        /// A claim in words or TOML: "no mail marked RESTRICTED leaves except by secure"
        #[arg(long, value_name = "CLAIM")]
        claim: Vec<String>,
        /// A file of claims
        #[arg(long, value_name = "FILE")]
        claims: Vec<PathBuf>,
    },
    /// Ask a draft about past mail, and list what it would have changed
    Replay(ReplayOrder),
    /// The rules for mail of a sender to a recipient, and which of them are in force
    Show(ShowOrder),
    /// Put a draft in force
    Publish {
        /// The configuration file
        #[command(flatten)]
        with: WithConfig,
        /// The new text
        #[arg(long, value_name = "FILE")]
        draft: PathBuf,
        /// Who and why
        #[command(flatten)]
        signed: Signed,
    },
    /// Every text that was in force
    Versions(Listing),
    /// How two versions differ; the newest and the one before unless named
    Diff {
        /// The configuration file
        #[command(flatten)]
        with: WithConfig,
        /// The older one
        old: Option<u32>,
        /// The newer one
        new: Option<u32>,
    },
    /// Put an old version in force again
    Restore {
        /// The configuration file
        #[command(flatten)]
        with: WithConfig,
        /// Which
        number: u32,
        /// Who and why
        #[command(flatten)]
        signed: Signed,
    },
}

/// Who publishes, and why.
#[derive(Debug, Args)]
pub struct Signed {
    /// Why; kept with the version
    #[arg(long)]
    pub reason: String,
    /// Who; the name of the user unless given
    #[arg(long)]
    pub author: Option<String>,
}

/// `postern policy show`.
#[derive(Debug, Args)]
pub struct ShowOrder {
    /// Where and how
    #[command(flatten)]
    pub listing: Listing,
    /// This text in place of the one in force
    #[arg(long, value_name = "FILE")]
    pub draft: Option<PathBuf>,
    /// The reverse-path; `<>` for none
    #[arg(long, value_name = "ADDRESS")]
    pub sender: String,
    /// The forward-path
    #[arg(long, value_name = "ADDRESS")]
    pub recipient: Address,
    /// The listener that takes the mail: inbound, outbound or submission
    #[arg(long, default_value = "inbound")]
    pub role: RoleName,
    /// Groups that a directory knows the sender to be in
    #[arg(long, value_name = "NAME")]
    pub sender_group: Vec<String>,
    /// Groups that a directory knows the recipient to be in
    #[arg(long, value_name = "NAME")]
    pub recipient_group: Vec<String>,
}

/// A role as it is typed.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum RoleName {
    /// From the Internet.
    Inbound,
    /// From own servers.
    Outbound,
    /// From own people.
    Submission,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Role {
        match name {
            RoleName::Inbound => Role::Inbound,
            RoleName::Outbound => Role::Outbound,
            RoleName::Submission => Role::Submission,
        }
    }
}

impl From<PolicyError> for Trouble {
    fn from(error: PolicyError) -> Trouble {
        Trouble::Rules(error.to_string())
    }
}

impl From<VersionError> for Trouble {
    fn from(error: VersionError) -> Trouble {
        match error {
            VersionError::Unknown(_) => Trouble::NotFound(error.to_string()),
            VersionError::TooLong(_) | VersionError::Wrong { .. } => {
                Trouble::Data(error.to_string())
            }
            VersionError::Io { .. } => Trouble::Output(error.to_string()),
        }
    }
}

/// The rules of a text, as a box with this configuration would read them.
pub(super) fn parse(config: &Config, text: &str, name: &str) -> Result<RuleBook, Trouble> {
    Ok(RuleBook::parse(text, name, &Groups::configured(&config.group))?)
}

pub(super) fn policy(order: &PolicyOrder) -> Result<Exit, Trouble> {
    match &order.act {
        PolicyAct::Check { with, draft, claim, claims } => {
            check(&Config::load(&with.config)?, draft.as_deref(), claim, claims)
        }
        PolicyAct::Replay(order) => replay(order),
        PolicyAct::Show(order) => show(order),
        PolicyAct::Publish { with, draft, signed } => {
            let config = Config::load(&with.config)?;
            publish(&config, &read(draft)?, &draft.display().to_string(), signed)
        }
        PolicyAct::Versions(listing) => {
            let rows = versions(&Config::load(&listing.config)?).list()?;
            render::rows(&rows, listing.json, told)
        }
        PolicyAct::Diff { with, old, new } => diff(&Config::load(&with.config)?, *old, *new),
        PolicyAct::Restore { with, number, signed } => {
            let config = Config::load(&with.config)?;
            let (_, text) = versions(&config).read(*number)?;
            publish(&config, &text, &format!("version {number}"), signed)
        }
    }
}

fn versions(config: &Config) -> Versions {
    Versions::new(config.system.data_dir.join("policy"))
}

/// A text of rules or claims.
pub(super) fn read(file: &Path) -> Result<String, Trouble> {
    let unreadable = |error| Trouble::Input { file: file.to_owned(), error };
    let octets = fs::read(file).map_err(unreadable)?;
    Ok(PolicyError::text_of(octets, &file.display().to_string())?)
}

fn file_of(config: &Config) -> Result<&Path, Trouble> {
    let none = || Trouble::Usage("the configuration names no text of rules: [policy] file".into());
    config.policy.file.as_deref().ok_or_else(none)
}

/// Whether a box would start with the rules that the configuration names, if it names any.
pub(super) fn readable(config: &Config) -> Result<(), Trouble> {
    match config.policy.file {
        Some(_) => book(config, None).map(drop),
        None => Ok(()),
    }
}

/// The rules of a draft, or those in the file that the configuration names.
fn book(config: &Config, draft: Option<&Path>) -> Result<RuleBook, Trouble> {
    let file = match draft {
        Some(draft) => draft,
        None => file_of(config)?,
    };
    parse(config, &read(file)?, &file.display().to_string())
}

fn check(
    config: &Config,
    draft: Option<&Path>,
    claims: &[String],
    files: &[PathBuf],
) -> Result<Exit, Trouble> {
    let book = book(config, draft)?;
    let asked = claims_of(config, claims, files)?;
    let rules = super::rules::read(Some(config))?;
    let weights = weights(Some(config), &rules)?;
    let content = rules.iter().map(|rule| rule.id.as_str());
    let house = House::new(config, weights.all().into_keys(), content);
    let file = draft.or(config.policy.file.as_deref()).unwrap_or(Path::new(""));
    let file = file.display().to_string();
    let slips = slips(&book, &house);
    for slip in &slips {
        say!("{}", render::harmless(&format!("{file}:{slip}")));
    }
    let mut checker = Checker::on(&book, &house);
    let report = checker.check();
    for problem in &report.problems {
        say!("{}", render::harmless(&format!("{file}:{problem}")));
    }
    for rule in &report.undecided {
        let (place, name) = (rule.place, render::harmless(&rule.name));
        say!("{file}:{place}: not decided: whether the rule {name:?} ever counts");
    }
    let (problems, undecided) = (report.problems.len() + slips.len(), report.undecided.len());
    say!("{} rules: {problems} problems, {undecided} not decided", book.len());
    let mut all_hold = true;
    for claim in &asked {
        for slip in claim.slips(&house) {
            all_hold = false;
            say!("{}: {}", render::harmless(&claim.text), render::harmless(&slip));
        }
        let answer = checker.answer(claim);
        all_hold &= matches!(answer, Answer::Holds);
        say!("{}: {}", render::harmless(&claim.text), answer.to_string().trim_end());
    }
    Ok(if problems == 0 && all_hold { Exit::Ok } else { Exit::No })
}

/// Claims of the command line, whose author is who typed them, and of files.
fn claims_of(config: &Config, claims: &[String], files: &[PathBuf]) -> Result<Vec<Claim>, Trouble> {
    let groups = Groups::configured(&config.group);
    let mut asked = Vec::new();
    for claim in claims {
        let parsed = parse_claims(claim, "the claim", &groups);
        asked.extend(parsed.map_err(|error| Trouble::Usage(error.to_string()))?);
    }
    for file in files {
        asked.extend(parse_claims(&read(file)?, &file.display().to_string(), &groups)?);
    }
    Ok(asked)
}

#[derive(Serialize)]
struct EffectiveRow {
    rule: String,
    scope: String,
    in_force: bool,
    /// Why not, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    why_not: Option<String>,
    orders: Vec<&'static str>,
    line: usize,
}

fn show(order: &ShowOrder) -> Result<Exit, Trouble> {
    let config = Config::load(&order.listing.config)?;
    let book = book(&config, order.draft.as_deref())?;
    let sender: ReversePath = match order.sender.as_str() {
        "" | "<>" => ReversePath::Null,
        text => ReversePath::Mailbox(
            text.parse().map_err(|_| Trouble::Usage(format!("{text:?} is no address")))?,
        ),
    };
    let is_own = || {
        let domain = order.recipient.domain();
        domain.is_some_and(|domain| config.domain.iter().any(|own| own.name == *domain))
    };
    let groups = |address: Option<&Address>, known: &[String]| -> Vec<String> {
        let own = config.group.iter().filter(|group| address.is_some_and(|one| group.lists(one)));
        let mut names: Vec<String> = own.map(|group| group.name.clone()).collect();
        names.extend(known.iter().cloned());
        names
    };
    let sender_groups = groups(sender.address(), &order.sender_group);
    let recipient_groups = groups(Some(&order.recipient), &order.recipient_group);
    let effective = book.effective(&Parties {
        direction: Direction::of(order.role.into(), is_own),
        reverse_path: sender.address(),
        forward_path: &order.recipient,
        sender_groups: &sender_groups,
        recipient_groups: &recipient_groups,
    });
    let rows: Vec<EffectiveRow> = effective
        .iter()
        .map(|one| EffectiveRow {
            rule: one.rule.name.clone(),
            scope: one.rule.scope.to_string(),
            in_force: one.out_of_force.is_none(),
            why_not: one.out_of_force.map(|why| match why {
                OutOfForce::OverriddenBy(rule) => format!("{:?} stands in its place", rule.name),
                OutOfForce::SwitchedOffBy(scope) => format!("switched off for {scope}"),
                OutOfForce::Disabled => "switched off where it is written".into(),
            }),
            orders: one
                .rule
                .final_order
                .iter()
                .map(|order| order.kind().word())
                .chain(one.rule.orders.iter().map(|order| order.word()))
                .collect(),
            line: one.rule.place.line,
        })
        .collect();
    render::rows(&rows, order.listing.json, |row| {
        let state = row.why_not.as_ref().map(|why| format!(" — not in force: {why}"));
        format!(
            "{:>5}  {}  {:?}: {}{}",
            row.line,
            row.scope,
            render::harmless(&row.rule),
            row.orders.join(", "),
            state.unwrap_or_default()
        )
    })
}

fn publish(config: &Config, text: &str, name: &str, signed: &Signed) -> Result<Exit, Trouble> {
    let file = file_of(config)?;
    let book = parse(config, text, name)?;
    let author = signed.author.clone().unwrap_or_else(user);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let version = versions(config).publish(text, &author, &signed.reason, now_ms)?;
    replace(file, text).map_err(|error| Trouble::Output(format!("{}: {error}", file.display())))?;
    say!("version {}: {} rules", version.number, book.len());
    match Control::at(config)?.act::<serde_json::Value>("/v1/reload", &()) {
        Ok(_) => say!("the box reads it now; its log says when it is in force"),
        Err(Trouble::NotRunning(_)) => say!("the box is not running: in force at its next start"),
        Err(trouble) => return Err(trouble),
    }
    Ok(Exit::Ok)
}

/// Writes beside and renames, so that nobody ever reads half a text.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let beside = file.with_extension(format!("new.{}", std::process::id()));
    let mut written = fs::File::create(&beside)?;
    if let Ok(old) = fs::metadata(file) {
        written.set_permissions(old.permissions())?;
    }
    written.write_all(text.as_bytes())?;
    written.sync_all()?;
    fs::rename(&beside, file)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn user() -> String {
    let uid = nix::unistd::getuid();
    match nix::unistd::User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        _ => format!("uid {uid}"),
    }
}

fn told(version: &Version) -> String {
    let seconds = i64::try_from(version.published_ms).unwrap_or(i64::MAX);
    let when = jiff::Timestamp::from_millisecond(seconds).unwrap_or_default();
    format!(
        "{:>5}  {when:.0}  {}: {}",
        version.number,
        render::harmless(&version.author),
        render::harmless(&version.reason)
    )
}

fn diff(config: &Config, old: Option<u32>, new: Option<u32>) -> Result<Exit, Trouble> {
    let versions = versions(config);
    let newest = versions.newest()?.map_or(0, |(version, _)| version.number);
    let new = new.unwrap_or(newest);
    let old = old.unwrap_or(new.saturating_sub(1));
    let (_, before) = versions.read(old)?;
    let (_, after) = versions.read(new)?;
    let changes = similar::TextDiff::from_lines(&before, &after);
    let names = (format!("version {old}"), format!("version {new}"));
    let shown = changes.unified_diff().header(&names.0, &names.1).to_string();
    for line in shown.lines() {
        say!("{}", render::harmless(line));
    }
    Ok(Exit::Ok)
}
