//! Reception: drives `smtp::server` over a connection and mints `Mail<Received>`.
//!
//! In: a listener ([`serve`]) or one stream ([`attend`]), the listener's [`Settings`] and the
//! [`House`] (pipeline, accounts, doorman, certificate, witness, budget). Out: mails, given to
//! the [`Pipeline`], which decides before the reply to end of data.
//!
//! Invariants: a session holds no buffer while it waits for a command; what it holds of a
//! mail is within the box's budget; every wait has a time-out; a mail whose connection is lost
//! before its end leaves nothing behind; a mail that is complete is decided on even when its
//! client has gone. Every refusal carries a reference: the mail's name, or the session's. Roles decide who may send what to whom (see `admission`): there is no
//! setting that makes an open relay.
//!
//! Fails towards the client with a reply of the RFC and towards the operator through
//! [`Witness`]; the accept loop itself never ends but by an orderly stop.

mod admission;
mod conversation;
mod greeting;
mod house;
mod judging;
mod pipeline;
mod serve;
mod settings;
mod tarpit;
mod wire;

#[cfg(test)]
mod tests;

pub use house::{
    Account, AccountsUnavailable, Asked, Authenticator, Caller, Doorman, Gatekeeper, House, LogIn,
    OpenGate, Permit, Placed, Proxied, ProxyParser, Sight, TlsSource, Trail, Visitor, Witness,
};
pub use pipeline::{Decision, Pipeline, Received};
pub use serve::{attend, serve};
pub use settings::Settings;
