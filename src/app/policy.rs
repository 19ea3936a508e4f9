//! The site's own rules: read, checked, and kept as a version before they are in force; and
//! what they need to know of people.
//!
//! In: `[policy] file`, and the directories. Out: a [`PolicySet`] with the rules, or why the
//! rules that are in force stay. A text that somebody changed by hand becomes a version of its
//! own, so that every text that was ever in force can be looked up and restored.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::config::{Config, OnUnverified, Versions};
use crate::delivery::outcome::ms_since_1970;
use crate::directory::{Certainty, Directories};
use crate::mail::{Address, Envelope};
use crate::policy::rules::{Groups, PolicyError, RuleBook};
use crate::policy::{PartyGroups, PolicySet};

/// Recipients whose groups are asked for at once.
const ASKED_AT_ONCE: usize = 16;

/// All that a configuration says of what becomes of mail, the site's own rules included.
/// Blocks on the disk.
pub(super) fn policy(config: &Config) -> anyhow::Result<PolicySet> {
    let policy = PolicySet::of(config);
    let Some(file) = &config.policy.file else { return Ok(policy) };
    let name = file.display().to_string();
    let octets = std::fs::read(file).with_context(|| name.clone())?;
    let text = PolicyError::text_of(octets, &name)?;
    let groups = Groups::configured(&config.group);
    let book = RuleBook::parse(&text, &name, &groups)?;
    keep_version(config, file, &text);
    tracing::info!(rules = book.len(), "the site's own rules");
    let zone = jiff::tz::TimeZone::system();
    Ok(policy.with_rules(Arc::new(book), zone))
}

/// A text that cannot be kept as a version is in force all the same: mail does not wait for a
/// full disk.
fn keep_version(config: &Config, file: &Path, text: &str) {
    let versions = Versions::new(config.system.data_dir.join("policy"));
    let reason = format!("as {} was read", file.display());
    let now_ms = ms_since_1970(SystemTime::now());
    if let Err(error) = versions.publish(text, "the file", &reason, now_ms) {
        tracing::error!(%error, "the rules in force are not kept as a version");
    }
}

/// The groups of a mail's people, as directories know them; why they are not known, when one
/// that does not answer is configured to be waited for: a rule for a group must not be passed by
/// because nobody could say who is in it.
pub(super) async fn groups_of(
    directories: &Arc<Directories>,
    envelope: &Envelope,
) -> Result<PartyGroups, String> {
    let sender = match envelope.reverse_path.address() {
        Some(address) => names(directories, address).await?,
        None => Vec::new(),
    };
    let mut recipients = vec![Vec::new(); envelope.recipients.len()];
    let room = Arc::new(Semaphore::new(ASKED_AT_ONCE));
    let mut asked = JoinSet::new();
    for (at, recipient) in envelope.recipients.iter().enumerate() {
        let (directories, address) = (Arc::clone(directories), recipient.forward_path.clone());
        let room = Arc::clone(&room);
        asked.spawn(async move {
            let _turn = room.acquire().await;
            (at, names(&directories, &address).await)
        });
    }
    while let Some(answer) = asked.join_next().await {
        let (at, names) = answer.map_err(|error| error.to_string())?;
        if let Some(place) = recipients.get_mut(at) {
            *place = names?;
        }
    }
    Ok(PartyGroups { sender, recipients })
}

async fn names(directories: &Directories, address: &Address) -> Result<Vec<String>, String> {
    let answer = directories.groups_of(address).await;
    match answer.certainty {
        Certainty::Known | Certainty::Incomplete(OnUnverified::Accept) => {
            Ok(answer.names.into_iter().collect())
        }
        Certainty::Incomplete(OnUnverified::Defer | OnUnverified::Refuse) => {
            Err(format!("the groups of {address} cannot be looked up"))
        }
    }
}
