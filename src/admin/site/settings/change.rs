//! A change of the configuration: checked, written, put in force, kept as a version.
//!
//! In: the text that somebody saw, and another one. Out: the other one is in the file and in
//! force, and both are among the versions in `data_dir/config`; or nothing has changed and it
//! is said why. One change at a time; one that began is carried through even when nobody waits
//! for the answer any more.
//!
//! Invariant: a file that the box refuses does not stay: the old one is put back.

use std::path::Path;

use crate::admin::site::{Call, Refusal, difference, noted};
use crate::config::edit::{EditError, Secrets};
use crate::config::{Config, ConfigError, VersionError, Versions, file};
use crate::store::token;

/// Longer texts are not edited here.
pub const TEXT_OCTETS: usize = 4 << 20;

/// The configuration as the file has it now.
#[derive(Debug, Clone)]
pub struct Present {
    /// All of it, secrets included: never to be shown.
    pub text: String,
    /// As it may be shown.
    pub shown: String,
    /// What is hidden in it.
    pub secrets: Secrets,
}

impl Present {
    /// Reads the file.
    pub async fn read(call: &Call) -> Result<Present, Refusal> {
        let path = call.site.steering.file().to_owned();
        call.blocking(move || {
            let text = std::fs::read_to_string(&path)
                .map_err(|error| Refusal::Broken(format!("{}: {error}", path.display())))?;
            let hidden = Secrets::of(&text).and_then(|secrets| {
                let shown = secrets.hidden(&text)?;
                Ok((secrets, shown))
            });
            let (secrets, shown) = hidden.map_err(|error| unreadable(&path, &error))?;
            Ok(Present { text, shown, secrets })
        })
        .await
    }

    /// Tells this text from others.
    pub fn mark(&self) -> String {
        token::digest_of(&self.text)
    }
}

fn unreadable(path: &Path, error: &EditError) -> Refusal {
    let words = format!("{}: {error}. Mend the file by hand first.", path.display());
    Refusal::Conflict(words)
}

/// Why a text is not in force. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum Unapplied {
    /// It makes no configuration.
    #[error("{}", words(.0))]
    Wrong(#[from] ConfigError),
    /// Another text is in the file than the one that was seen.
    #[error("the file has been changed meanwhile: look at what differs now")]
    Meanwhile,
    /// The box does not take it.
    #[error("the box refuses it and goes on with what it has: {0}")]
    Refused(String),
    /// The file or a version cannot be written.
    #[error("it cannot be written: {0}")]
    Unwritten(String),
}

/// Without the name of the file, which the reader knows.
pub fn words(error: &ConfigError) -> String {
    match error {
        ConfigError::Wrong { place, what, .. } => {
            format!("line {}, column {}: {what}", place.line, place.column)
        }
        other => other.to_string(),
    }
}

impl From<VersionError> for Unapplied {
    fn from(error: VersionError) -> Unapplied {
        Unapplied::Unwritten(error.to_string())
    }
}

/// All versions of the configuration.
pub fn versions(call: &Call) -> Versions {
    Versions::new(call.site.desk.data_dir.join("config"))
}

/// Whether a text, secrets included, makes a configuration.
pub async fn checked(call: &Call, text: &str) -> Result<Result<Config, ConfigError>, Refusal> {
    let (text, path) = (text.to_owned(), call.site.steering.file().to_owned());
    call.blocking(move || Ok(parsed(&text, &path))).await
}

fn parsed(text: &str, path: &Path) -> Result<Config, ConfigError> {
    let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    Config::parse(text, path, full.parent().unwrap_or(Path::new("/")))
}

/// Puts a text in force in the place of the one that `mark` tells; returns what waits for a
/// restart.
pub async fn apply(
    call: &Call,
    mark: &str,
    text: String,
    reason: &str,
) -> Result<Vec<&'static str>, Unapplied> {
    let (call, mark, reason) = (call.clone(), mark.to_owned(), reason.to_owned());
    let carried = tokio::spawn(async move { carry_through(&call, &mark, text, &reason).await });
    carried.await.unwrap_or_else(|_| Err(Unapplied::Refused("the change broke off".into())))
}

async fn carry_through(
    call: &Call,
    mark: &str,
    text: String,
    reason: &str,
) -> Result<Vec<&'static str>, Unapplied> {
    let _turn = call.site.editing.lock().await;
    let unwritten = |refusal: Refusal| Unapplied::Unwritten(refusal.to_string());
    let old = Present::read(call).await.map_err(unwritten)?;
    if old.mark() != mark {
        return Err(Unapplied::Meanwhile);
    }
    let in_force = call.site.steering.config();
    let config = checked(call, &text).await.map_err(unwritten)??;
    publish(call, &old.text, "the file", "as it was found").await?;
    put(call, &text).await?;
    let shown = old.secrets.hidden(&text).unwrap_or_default();
    let (went, came) = difference::sides(&old.shown, &shown);
    let path = call.site.steering.file().display().to_string();
    let act = noted::act(call, "settings.change", path).before(went).after(came).because(reason);
    if let Err(why) = call.site.steering.reload().await {
        put(call, &old.text).await?;
        act.refused(&why).record();
        return Err(Unapplied::Refused(why));
    }
    act.record();
    publish(call, &text, &call.caller.signature(), reason).await?;
    Ok(in_force.needs_restart(&config))
}

async fn publish(call: &Call, text: &str, author: &str, reason: &str) -> Result<(), Unapplied> {
    let (versions, now_ms) = (versions(call), call.now_ms());
    let (text, author, reason) = (text.to_owned(), author.to_owned(), reason.to_owned());
    let kept = call
        .blocking(move || Ok(versions.publish(&text, &author, &reason, now_ms).map(drop)))
        .await;
    kept.map_err(|refusal| Unapplied::Unwritten(refusal.to_string()))?.map_err(Unapplied::from)
}

async fn put(call: &Call, text: &str) -> Result<(), Unapplied> {
    let (path, text) = (call.site.steering.file().to_owned(), text.to_owned());
    let written = call
        .blocking(move || {
            file::replace(&path, text.as_bytes(), file::PRIVATE)
                .map_err(|error| Refusal::Broken(format!("{}: {error}", path.display())))
        })
        .await;
    written.map_err(|refusal| Unapplied::Unwritten(refusal.to_string()))
}
