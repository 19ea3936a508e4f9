//! What rules may ask of one mail for one recipient.
//!
//! In: facts that others have gathered, borrowed. Nothing here reads a file, a clock or a
//! network: the time is a fact like any other.

use std::fmt;
use std::net::IpAddr;

use jiff::Zoned;

use crate::config::FileState;
use crate::mail::{Address, ContentHit, Family, Finding, HeaderField, Role};

/// Where a mail goes, as the house sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From the Internet.
    Inbound,
    /// From own people to somebody else.
    Outbound,
    /// From own people to own people.
    Internal,
}

impl Direction {
    /// Every one.
    pub const ALL: [Direction; 3] = [Direction::Inbound, Direction::Outbound, Direction::Internal];

    /// By the listener that took the mail, and whether the recipient is one of the house's.
    pub fn of(role: Role, recipient_is_own: impl FnOnce() -> bool) -> Direction {
        match role {
            Role::Inbound => Direction::Inbound,
            Role::Outbound | Role::Submission => match recipient_is_own() {
                true => Direction::Internal,
                false => Direction::Outbound,
            },
        }
    }

    /// As rules write it.
    pub fn word(self) -> &'static str {
        match self {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
            Direction::Internal => "internal",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.word())
    }
}

/// Who writes to whom: all that scopes ask for.
#[derive(Debug, Clone, Copy)]
pub struct Parties<'a> {
    /// Where the mail goes.
    pub direction: Direction,
    /// None for the null reverse-path.
    pub reverse_path: Option<&'a Address>,
    /// The recipient.
    pub forward_path: &'a Address,
    /// Names of the groups that the sender is in.
    pub sender_groups: &'a [String],
    /// Names of the groups that the recipient is in.
    pub recipient_groups: &'a [String],
}

/// A way of authenticating a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mechanism {
    /// RFC 7208.
    Spf,
    /// RFC 6376.
    Dkim,
    /// RFC 9989.
    Dmarc,
    /// RFC 8617.
    Arc,
}

impl Mechanism {
    /// Every one.
    pub const ALL: [Mechanism; 4] =
        [Mechanism::Spf, Mechanism::Dkim, Mechanism::Dmarc, Mechanism::Arc];

    /// As rules write it.
    pub fn word(self) -> &'static str {
        match self {
            Mechanism::Spf => "spf",
            Mechanism::Dkim => "dkim",
            Mechanism::Dmarc => "dmarc",
            Mechanism::Arc => "arc",
        }
    }
}

/// What a way of authenticating came to, in the words of RFC 8601, section 2.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[allow(missing_docs)] // The words are those of the standard.
pub enum AuthenticationResult {
    #[default]
    None,
    Pass,
    Fail,
    Softfail,
    Neutral,
    Temperror,
    Permerror,
}

impl AuthenticationResult {
    /// Every one.
    pub const ALL: [AuthenticationResult; 7] = [
        AuthenticationResult::None,
        AuthenticationResult::Pass,
        AuthenticationResult::Fail,
        AuthenticationResult::Softfail,
        AuthenticationResult::Neutral,
        AuthenticationResult::Temperror,
        AuthenticationResult::Permerror,
    ];

    /// As rules write it.
    pub fn word(self) -> &'static str {
        match self {
            AuthenticationResult::None => "none",
            AuthenticationResult::Pass => "pass",
            AuthenticationResult::Fail => "fail",
            AuthenticationResult::Softfail => "softfail",
            AuthenticationResult::Neutral => "neutral",
            AuthenticationResult::Temperror => "temperror",
            AuthenticationResult::Permerror => "permerror",
        }
    }
}

/// One result a mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)] // Named like the mechanisms.
pub struct AuthenticationResults {
    pub spf: AuthenticationResult,
    pub dkim: AuthenticationResult,
    pub dmarc: AuthenticationResult,
    pub arc: AuthenticationResult,
}

impl AuthenticationResults {
    /// That of a mechanism.
    pub fn of(&self, mechanism: Mechanism) -> AuthenticationResult {
        match mechanism {
            Mechanism::Spf => self.spf,
            Mechanism::Dkim => self.dkim,
            Mechanism::Dmarc => self.dmarc,
            Mechanism::Arc => self.arc,
        }
    }

    /// Puts in that of a mechanism.
    pub fn set(&mut self, mechanism: Mechanism, result: AuthenticationResult) {
        match mechanism {
            Mechanism::Spf => self.spf = result,
            Mechanism::Dkim => self.dkim = result,
            Mechanism::Dmarc => self.dmarc = result,
            Mechanism::Arc => self.arc = result,
        }
    }

    /// As the findings of the authentication stage tell it.
    pub fn from_findings(findings: &[Finding]) -> AuthenticationResults {
        use AuthenticationResult::{Fail, Neutral, Pass, Permerror, Softfail, Temperror};
        let mut results = AuthenticationResults::default();
        for finding in findings {
            let (mechanism, result) = match &*finding.name {
                "SPF_PASS" => (Mechanism::Spf, Pass),
                "SPF_NEUTRAL" => (Mechanism::Spf, Neutral),
                "SPF_SOFTFAIL" => (Mechanism::Spf, Softfail),
                "SPF_FAIL" => (Mechanism::Spf, Fail),
                "SPF_PERMERROR" => (Mechanism::Spf, Permerror),
                "SPF_TEMPERROR" => (Mechanism::Spf, Temperror),
                "DKIM_VALID" => (Mechanism::Dkim, Pass),
                // A signature that holds counts, whatever is beside it.
                "DKIM_INVALID" if results.dkim != Pass => (Mechanism::Dkim, Fail),
                "DKIM_UNUSABLE" if results.dkim != Pass => (Mechanism::Dkim, Permerror),
                "DKIM_TEMPERROR" if results.dkim != Pass => (Mechanism::Dkim, Temperror),
                "DMARC_PASS" => (Mechanism::Dmarc, Pass),
                "DMARC_FAIL" | "DMARC_QUARANTINE" | "DMARC_REJECT" => (Mechanism::Dmarc, Fail),
                "DMARC_TEMPERROR" => (Mechanism::Dmarc, Temperror),
                "DMARC_PERMERROR" => (Mechanism::Dmarc, Permerror),
                "ARC_VALID" => (Mechanism::Arc, Pass),
                "ARC_INVALID" => (Mechanism::Arc, Fail),
                "ARC_TEMPERROR" => (Mechanism::Arc, Temperror),
                _ => continue,
            };
            results.set(mechanism, result);
        }
        results
    }
}

/// How the mail came to the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum TlsVersion {
    /// In clear.
    #[default]
    None,
    /// Encrypted, by TLS 1.2.
    V12,
    /// Encrypted, by TLS 1.3.
    V13,
    /// Encrypted, by another version.
    Other,
}

impl TlsVersion {
    /// Of what [`TlsFacts`](crate::mail::TlsFacts) call it.
    pub fn named(version: &str) -> TlsVersion {
        match version.trim_start_matches(|letter: char| !letter.is_ascii_digit()) {
            "1.2" | "1_2" => TlsVersion::V12,
            "1.3" | "1_3" => TlsVersion::V13,
            _ => TlsVersion::Other,
        }
    }
}

/// The session that brought the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TlsState {
    /// By which version.
    pub version: TlsVersion,
    /// Whether the client showed a certificate that was found good.
    pub verified: bool,
}

/// A file that the mail carries.
#[derive(Debug, Clone, PartialEq)]
pub struct FileFact<'a> {
    /// Names of its type: the extensions that such files honestly have.
    pub types: &'a [&'a str],
    /// What it is, by its octets.
    pub family: Family,
    /// The last extension of each of its names, in small letters.
    pub extensions: Vec<String>,
    /// Its names in small letters, the most dangerous first: readers may differ about which it
    /// has.
    pub names: Vec<String>,
    /// What is the matter with it.
    pub states: Vec<FileState>,
    /// Its size.
    pub octets: u64,
}

/// Everything that a rule may ask about one (mail, recipient).
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// Who writes to whom.
    pub parties: Parties<'a>,
    /// The kind of listener that took the mail.
    pub role: Role,
    /// In the message's order.
    pub header: &'a [HeaderField],
    /// Decoded.
    pub subject: &'a str,
    /// Whom the reader may see as authors: keys of the mailboxes of From.
    pub authors: &'a [String],
    /// Who brought the mail; none when it lies in a file.
    pub client: Option<IpAddr>,
    /// The account of the client.
    pub account: Option<&'a str>,
    /// Who vouches.
    pub authentication: AuthenticationResults,
    /// What analysis saw; their classes count as those of the mail.
    pub findings: &'a [Finding],
    /// Their sum.
    pub score: f32,
    /// Content rules that hit.
    pub content: &'a [ContentHit],
    /// Files, those within files included.
    pub files: &'a [FileFact<'a>],
    /// Size of the message.
    pub octets: u64,
    /// When it came, in the box's zone; rules about time do not hold without.
    pub time: Option<&'a Zoned>,
    /// The session that brought it.
    pub tls: TlsState,
    /// Protective markings.
    pub markings: &'a [String],
}
