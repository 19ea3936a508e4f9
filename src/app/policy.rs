//! The site's own rules: read, checked, and kept as a version before they are in force; and
//! what they need to know of people.
//!
//! In: `[policy] file`, and the directories. Out: a [`PolicySet`] with the rules, or why the
//! rules that are in force stay. A text that somebody changed by hand becomes a version of its
//! own, so that every text that was ever in force can be looked up and restored.

use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use tokio::task::JoinSet;

use crate::config::{Config, Versions};
use crate::delivery::outcome::ms_since_1970;
use crate::directory::Directories;
use crate::mail::{Address, Envelope};
use crate::policy::rules::{Groups, RuleBook};
use crate::policy::{PartyGroups, PolicySet};

/// Recipients whose groups are asked for at once.
const ASKED_AT_ONCE: usize = 16;

/// All that a configuration says of what becomes of mail, the site's own rules included.
/// Blocks on the disk.
pub(super) fn policy(config: &Config) -> anyhow::Result<PolicySet> {
    let policy = PolicySet::of(config);
    let Some(file) = &config.policy.file else { return Ok(policy) };
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let groups = Groups::configured(&config.group);
    let book = RuleBook::parse(&text, &file.display().to_string(), &groups)?;
    let versions = Versions::new(config.system.data_dir.join("policy"));
    let reason = format!("as {} was read", file.display());
    let version = versions.publish(&text, "the file", &reason, ms_since_1970(SystemTime::now()))?;
    tracing::info!(rules = book.len(), version = version.number, "the site's own rules");
    let zone = jiff::tz::TimeZone::system();
    Ok(policy.with_rules(Arc::new(book), zone))
}

/// The groups of a mail's people that directories know of.
pub(super) async fn groups_of(directories: &Arc<Directories>, envelope: &Envelope) -> PartyGroups {
    let sender = match envelope.reverse_path.address() {
        Some(address) => names(directories, address).await,
        None => Vec::new(),
    };
    let mut recipients = vec![Vec::new(); envelope.recipients.len()];
    let mut asked = JoinSet::new();
    let take = |recipients: &mut Vec<Vec<String>>, answer: (usize, Vec<String>)| {
        if let Some(place) = recipients.get_mut(answer.0) {
            *place = answer.1;
        }
    };
    for (at, recipient) in envelope.recipients.iter().enumerate() {
        if asked.len() >= ASKED_AT_ONCE
            && let Some(Ok(answer)) = asked.join_next().await
        {
            take(&mut recipients, answer);
        }
        let (directories, address) = (Arc::clone(directories), recipient.forward_path.clone());
        asked.spawn(async move { (at, names(&directories, &address).await) });
    }
    while let Some(answer) = asked.join_next().await {
        if let Ok(answer) = answer {
            take(&mut recipients, answer);
        }
    }
    PartyGroups { sender, recipients }
}

async fn names(directories: &Directories, address: &Address) -> Vec<String> {
    directories.groups_of(address).await.names.into_iter().collect()
}
