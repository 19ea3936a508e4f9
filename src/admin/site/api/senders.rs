//! Trusted and blocked senders.
//!
//! Who is responsible for some domains sees and changes the lists of these domains and of their
//! people only.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{about, operation};
use crate::admin::api::{SenderOrder, SenderRow};
use crate::admin::site::{Call, Refusal, Route, senders};

pub(in crate::admin::site) const ROUTES: &[Route] = &[
    operation!(
        GET "/api/senders", Right(SeeMail), list => SenderList,
        about("senders", "Senders that are trusted or blocked", &[])
    ),
    operation!(
        POST "/api/senders", Right(Senders), put(SenderChange) => SenderRow,
        about("changeSender", "Trusts, blocks or forgets a sender", &[])
    ),
];

/// Senders, by the list that they are on.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SenderList {
    /// Those of the configuration and those that were given at run time.
    senders: Vec<SenderRow>,
}

/// What is to become of a sender.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Change {
    /// Their mail is let through.
    Trust,
    /// Their mail is refused.
    Block,
    /// Neither any more.
    Forget,
}

impl Change {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Change::Trust => "trust",
            Change::Block => "block",
            Change::Forget => "forget",
        }
    }
}

/// An order for a list of senders; of the whole site unless a domain or user is named.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SenderChange {
    /// What is to be done.
    act: Change,
    /// An address, `@domain`, or an address of the network.
    entry: String,
    /// The list of this domain.
    domain: Option<String>,
    /// The list of this mailbox.
    user: Option<String>,
}

async fn list(call: Call) -> Result<SenderList, Refusal> {
    Ok(SenderList { senders: senders::all(&call).await? })
}

async fn put(call: Call, order: SenderChange) -> Result<SenderRow, Refusal> {
    let act = order.act.word().to_owned();
    let SenderChange { entry, domain, user, .. } = order;
    senders::put(&call, SenderOrder { act, entry, domain, user }).await
}
