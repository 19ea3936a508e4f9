//! Lists of trusted and blocked senders as the operator sees them. Every act is written to
//! telemetry with who did it, and kept beside the entry.

use std::time::{SystemTime, UNIX_EPOCH};

use super::api::{SenderOrder, SenderRow};
use super::desk::rfc3339;
use crate::config::{Lists, SenderEntry};
use crate::mail::{Address, Domain};
use crate::store::StoreError;
use crate::store::lists::{Level, ListedSender, SenderBook, SenderLists, Side};

/// What is wrong with an order for a list of senders.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// The words make no sense.
    #[error("{0}")]
    Misspoken(String),
    /// The store says no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Trusts, blocks or forgets; on disk when it returns. Blocks.
pub fn apply(lists: &SenderLists, order: &SenderOrder, by: &str) -> Result<SenderRow, SenderError> {
    let level = level_of(order)?;
    let entry: SenderEntry =
        order.entry.parse().map_err(|error| SenderError::Misspoken(format!("{error}")))?;
    let side = match order.act.as_str() {
        "trust" => Some(Side::Trusted),
        "block" => Some(Side::Blocked),
        "forget" => None,
        _ => return Err(SenderError::Misspoken("an act is trust, block or forget".into())),
    };
    if let Some(why) = entry.too_wide_to_trust().filter(|_| side == Some(Side::Trusted)) {
        return Err(SenderError::Misspoken(why));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let since_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let listed = match side {
        Some(side) => {
            let listed = ListedSender { level, entry, side, by: by.to_owned(), since_ms };
            lists.put(&listed)?;
            listed
        }
        None => {
            let side = lists.forget(&level, &entry)?;
            ListedSender { level, entry, side, by: by.to_owned(), since_ms }
        }
    };
    tracing::info!(
        by,
        act = order.act,
        entry = %listed.entry,
        list = %listed.level,
        "the list of senders was changed"
    );
    Ok(row(&listed))
}

/// Every entry that was given at run time. Blocks.
pub fn list(lists: &SenderLists) -> Result<Vec<SenderRow>, StoreError> {
    Ok(lists.list()?.iter().map(row).collect())
}

/// Every entry of a configuration.
pub fn configured(lists: &Lists) -> Vec<SenderRow> {
    let row = |(level, entry, side): (Level, SenderEntry, Side)| SenderRow {
        list: level.to_string(),
        entry: entry.to_string(),
        side: side.to_string(),
        origin: "file".into(),
        by: String::new(),
        since: String::new(),
    };
    SenderBook::of(lists).all().into_iter().map(row).collect()
}

fn level_of(order: &SenderOrder) -> Result<Level, SenderError> {
    let misspoken = |error: crate::mail::AddressError| SenderError::Misspoken(error.to_string());
    match (&order.domain, &order.user) {
        (None, None) => Ok(Level::Site),
        (Some(domain), None) => Domain::parse(domain).map(Level::Domain).map_err(misspoken),
        (None, Some(user)) => {
            user.parse::<Address>().map(|user| Level::user(&user)).map_err(misspoken)
        }
        (Some(_), Some(_)) => {
            Err(SenderError::Misspoken("a list is a domain's or a user's, not both".into()))
        }
    }
}

fn row(listed: &ListedSender) -> SenderRow {
    SenderRow {
        list: listed.level.to_string(),
        entry: listed.entry.to_string(),
        side: listed.side.to_string(),
        origin: "command".into(),
        by: listed.by.clone(),
        since: rfc3339(listed.since_ms),
    }
}
