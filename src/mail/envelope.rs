//! The envelope: what `MAIL` and `RCPT` said (RFC 5321, RFC 3461, RFC 6152, RFC 6531).

use serde::{Deserialize, Serialize};

use super::{Address, ReversePath};

/// Everything that travels beside the content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// `MAIL FROM`.
    pub reverse_path: ReversePath,
    /// One a `RCPT TO` that was accepted, in order; never empty in a received mail.
    pub recipients: Vec<Recipient>,
    /// `BODY=`.
    pub body: BodyType,
    /// `SMTPUTF8` was given.
    pub smtputf8: bool,
    /// `RET=`, RFC 3461 section 4.3.
    pub dsn_return: Option<DsnReturn>,
    /// `ENVID=` decoded, RFC 3461 section 4.4; at most 100 octets.
    pub envelope_id: Option<String>,
}

/// One forward-path and what was said with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// `RCPT TO`, with `<Postmaster>` already replaced by the box's postmaster.
    pub forward_path: Address,
    /// `NOTIFY=`; absent means failures and delays at the box's choice.
    pub notify: Option<Notify>,
    /// `ORCPT=`.
    pub original: Option<OriginalRecipient>,
}

impl Recipient {
    /// A recipient without DSN parameters.
    pub fn plain(forward_path: Address) -> Recipient {
        Recipient { forward_path, notify: None, original: None }
    }
}

/// `NOTIFY=`, RFC 3461 section 4.1: `NEVER` is none of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Notify {
    /// `SUCCESS`.
    pub success: bool,
    /// `FAILURE`.
    pub failure: bool,
    /// `DELAY`.
    pub delay: bool,
}

/// `ORCPT=type;address` with the xtext decoded, RFC 3461 section 4.2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginalRecipient {
    /// Usually `rfc822`.
    pub address_type: String,
    /// The address as the first sender wrote it.
    pub address: String,
}

/// How much of the message a failure report returns, RFC 3461 section 4.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DsnReturn {
    /// The whole message.
    Full,
    /// The headers only.
    Headers,
}

/// `BODY=` of RFC 6152; BINARYMIME is not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum BodyType {
    /// The sender promised seven bits.
    #[default]
    SevenBit,
    /// Octets above 127 may occur.
    EightBitMime,
}
