//! One's own password and second factor.
//!
//! Only for who has logged in: a key changes no account, for who has stolen one could stay for
//! good. Who asks shows the present password again, and is slowed down like at a log-in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{about, operation};
use crate::admin::site::account::{self, second};
use crate::admin::site::{Call, Refusal, Route};

pub(in crate::admin::site) const ROUTES: &[Route] = &[
    operation!(
        POST "/api/account/password", Session, password(PasswordChange) => PasswordChanged,
        about("changeOwnPassword", "Another password for oneself; by log-in only, not by key", &[])
    ),
    operation!(
        POST "/api/account/second-factor/begin", Session, begin => SecondBegun,
        about("beginSecondFactor", "A secret for an app; nothing counts yet; by log-in only", &[])
    ),
    operation!(
        POST "/api/account/second-factor", Session, enrol(SecondOrder) => SecondOn,
        about("enrolSecondFactor", "Switches one's second factor on with its first code; by log-in only", &[])
    ),
    operation!(
        POST "/api/account/second-factor/drop", Session, drop_it(SecondDrop) => SecondOff,
        about("dropOwnSecondFactor", "Switches one's second factor off; by log-in only", &[])
    ),
];

/// Another password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordChange {
    /// The one that counts now.
    present: String,
    /// Must be hard to guess.
    fresh: String,
}

/// The password is another one.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PasswordChanged {
    /// Other sessions that have ended with that.
    ended: u64,
}

/// A secret to be put into an app.
#[derive(Serialize, JsonSchema)]
pub(super) struct SecondBegun {
    /// Base32, for codes by time of six digits.
    secret: String,
    /// The same for a QR code.
    uri: String,
}

/// The secret is in the app.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SecondOrder {
    /// As it was answered.
    secret: String,
    /// One's own.
    password: String,
    /// What the app shows now.
    code: String,
}

/// The second factor is on.
#[derive(Serialize, JsonSchema)]
pub(super) struct SecondOn {
    /// Each stands in for the app once; not shown again.
    recovery_codes: Vec<String>,
}

/// The second factor is not wanted any more.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SecondDrop {
    /// One's own.
    password: String,
    /// From the app, or a recovery code.
    code: String,
}

/// The second factor is off.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SecondOff {
    /// As the account says now.
    has_second_factor: bool,
}

async fn password(call: Call, order: PasswordChange) -> Result<PasswordChanged, Refusal> {
    let ended = account::changed(&call, &order.present, order.fresh).await?;
    let ended = ended.map_err(Refusal::Bad)?;
    Ok(PasswordChanged { ended: u64::try_from(ended).unwrap_or(u64::MAX) })
}

async fn begin(call: Call) -> Result<SecondBegun, Refusal> {
    let (enrolment, uri) = second::begun(&call).await?;
    Ok(SecondBegun { secret: enrolment.secret().to_owned(), uri })
}

async fn enrol(call: Call, order: SecondOrder) -> Result<SecondOn, Refusal> {
    let enrolment = second::resumed(&order.secret)?;
    let codes = second::enrolled(&call, &enrolment, &order.password, order.code).await?;
    Ok(SecondOn { recovery_codes: codes.map_err(Refusal::Bad)? })
}

async fn drop_it(call: Call, order: SecondDrop) -> Result<SecondOff, Refusal> {
    second::dropped(&call, &order.password, &order.code).await?.map_err(Refusal::Bad)?;
    Ok(SecondOff { has_second_factor: false })
}
