//! Accounts with which own people hand in mail.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Kind, Parameter, about, operation};
use crate::admin::api::{AccountOrder, AccountRow};
use crate::admin::site::{Call, Refusal, Route, mailboxes};

/// Addresses of one account.
const ADDRESSES: usize = 1_000;
const LETTERS: usize = 500;
const MAILBOX: Parameter = Parameter::new("mailbox", Kind::Text(200), "the name of an account");

pub(in crate::admin::site) const ROUTES: &[Route] = &[
    operation!(
        GET "/api/mailboxes", Right(SeeSettings), list => MailboxList,
        about("mailboxes", "Accounts with which people hand in mail", &[])
    ),
    operation!(
        POST "/api/mailboxes", Right(Settings), put(MailboxOrder) => AccountRow,
        about("putMailbox", "Makes an account, or gives it other addresses or another password", &[])
    ),
    operation!(
        DELETE "/api/mailboxes/{mailbox}", Right(Settings), remove => AccountRow,
        about("removeMailbox", "Takes an account away", &[MAILBOX])
    ),
];

/// Accounts.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct MailboxList {
    /// By name.
    mailboxes: Vec<AccountRow>,
}

/// An account to be made or changed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MailboxOrder {
    /// The name to log in with.
    name: String,
    /// Left out: that of a known account stays.
    #[serde(default)]
    password: String,
    /// Reverse-paths that it may use: addresses, or `@domain`.
    #[schemars(length(max = 1000))]
    addresses: Vec<String>,
}

async fn list(call: Call) -> Result<MailboxList, Refusal> {
    Ok(MailboxList { mailboxes: mailboxes::all(&call).await? })
}

async fn put(call: Call, order: MailboxOrder) -> Result<AccountRow, Refusal> {
    let MailboxOrder { name, password, addresses } = order;
    let is_long = |text: &String| text.chars().count() > LETTERS;
    if addresses.len() > ADDRESSES || addresses.iter().any(is_long) {
        return Err(Refusal::Bad(format!(
            "addresses: {ADDRESSES} at most, each of {LETTERS} characters at most"
        )));
    }
    if is_long(&name) || is_long(&password) {
        return Err(Refusal::Bad(format!("name, password: {LETTERS} characters at most")));
    }
    mailboxes::put(&call, AccountOrder { name, password, addresses }).await
}

async fn remove(call: Call) -> Result<AccountRow, Refusal> {
    mailboxes::taken(&call, call.part(0)).await
}
