//! The client's side of SMTP (RFC 5321) and LMTP (RFC 2033), sans-IO: what to send and what
//! to make of the replies.
//!
//! In: octets from the server by [`Client::feed`], mails by [`Client::begin`]. Out:
//! octets to send by [`Client::take_output`], what to do next by [`Client::want`], and for
//! every recipient exactly one [`Answer`] by [`Client::settle`]. [`Client::ask`] hears what is
//! said of recipients without sending them anything. The driver owns socket, TLS,
//! time limits and the message text, which it encodes with [`Stuffing`].
//!
//! Extensions: PIPELINING (RFC 2920), SIZE (RFC 1870), 8BITMIME (RFC 6152), SMTPUTF8
//! (RFC 6531), DSN (RFC 3461), STARTTLS (RFC 3207), ENHANCEDSTATUSCODES (RFC 2034), LIMITS
//! (RFC 9422). No sockets, no clocks.
//!
//! Invariants: a recipient of a mail is answered positively only by the server's reply to end
//! of data; when anything else ends the transaction, the recipients that have no refusal of their own
//! get a transient one. Replies that nobody asked for end the connection.

mod capabilities;
mod commands;
mod machine;
mod reader;
mod stuffing;

pub use capabilities::Capabilities;
pub use machine::{
    Answer, Awaiting, Client, ClientError, ClientSettings, Dialect, Nature, Parcel, Speaker,
    StartTls, Want,
};
pub use reader::BadReply;
pub use stuffing::Stuffing;

#[cfg(test)]
mod tests;
