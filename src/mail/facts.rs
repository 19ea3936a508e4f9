//! What the box knows of a mail from its own observation, as against what the mail claims.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The part a listener plays; decides who may send what to whom through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// From the Internet, for protected domains.
    Inbound,
    /// From the organisation's own mail servers.
    Outbound,
    /// From the organisation's own people, authenticated.
    Submission,
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Role::Inbound => "inbound",
            Role::Outbound => "outbound",
            Role::Submission => "submission",
        })
    }
}

/// The TLS session that a mail came by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFacts {
    /// For example `TLSv1.3`.
    pub version: String,
    /// For example `TLS13_AES_256_GCM_SHA384`.
    pub cipher: String,
}

/// How a client behaved, as far as an honest one does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Manners {
    /// It spoke before it was greeted (RFC 5321 section 3.1).
    pub early_talker: bool,
    /// It did not wait for a reply that it had to wait for (RFC 2920 section 3.1).
    pub pipelined_unasked: bool,
    /// Mailboxes that do not exist which it named in the session so far.
    pub unknown_recipients: u16,
    /// Commands of the session so far that were refused for their form or order.
    pub errors: u16,
}

/// Observed at reception; never changes afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Which kind of listener took the mail.
    pub role: Role,
    /// The client, as the socket or a trusted PROXY header gives it.
    pub client: IpAddr,
    /// What the client called itself in HELO or EHLO.
    pub helo: String,
    /// Whether it greeted with EHLO.
    pub extended: bool,
    /// Present when the content came encrypted.
    pub tls: Option<TlsFacts>,
    /// The account, when the client authenticated.
    pub account: Option<String>,
    /// End of data, milliseconds since 1970.
    pub received_ms: u64,
    /// How the client behaved. Records keep it at their end ([`Manners`] is younger than the
    /// first of them), so that boxes before and after read each other's.
    #[serde(skip)]
    pub manners: Manners,
}

/// What a list shows of a message, read once during analysis. All of it is the sender's word.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Decoded Subject, at most 200 characters.
    pub subject: String,
    /// Message-ID with its angle brackets removed, at most 250 octets.
    pub message_id: String,
    /// The From header, decoded, at most 200 characters.
    pub author: String,
}

/// A header field as its reader sees it: the sender's word, too.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HeaderField {
    /// Its name as it is written.
    pub name: String,
    /// Its body, unfolded and decoded.
    pub value: String,
}
