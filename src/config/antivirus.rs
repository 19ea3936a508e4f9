//! `[antivirus]`: who looks for malware, in what, and what becomes of the mail meanwhile.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// `[antivirus]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Antivirus {
    /// `unix:/path` or `tcp:host:port`, one or a list; none means that digests, and a second
    /// engine where there is one, are all that is asked.
    #[serde(deserialize_with = "one_or_more")]
    pub clamd: Vec<ClamdAddress>,
    /// When no clamd answers, or all hang, die or talk nonsense.
    pub on_failure: OnFailure,
    /// For one scan.
    pub timeout_s: u64,
    /// Scans at once by one clamd.
    pub connections: usize,
    /// Unpacked files of one message that are scanned by themselves.
    pub items: usize,
    /// Verdicts that are remembered; 0 for none.
    pub cache_entries: usize,
    /// A verdict is not remembered for longer: signatures that a site adds itself change
    /// without a new version.
    pub cache_minutes: u64,
    /// How often each clamd is asked for its version, and files of digests are looked after.
    pub check_every_s: u64,
    /// Signatures that are older are an alarm; 0 for never.
    pub stale_hours: u64,
    /// Files with a SHA-256 a line.
    pub digests: Vec<PathBuf>,
    /// Strangers' risky files wait for newer signatures.
    pub outbreak: Outbreak,
    /// What was delivered is looked at again.
    pub rescan: Rescan,
    /// Another engine beside clamd.
    pub second: Option<SecondEngine>,
}

impl Default for Antivirus {
    fn default() -> Antivirus {
        Antivirus {
            clamd: Vec::new(),
            on_failure: OnFailure::Defer,
            timeout_s: 60,
            connections: 16,
            items: 200,
            cache_entries: 100_000,
            cache_minutes: 15,
            check_every_s: 60,
            stale_hours: 48,
            digests: Vec::new(),
            outbreak: Outbreak::default(),
            rescan: Rescan::default(),
            second: None,
        }
    }
}

impl Antivirus {
    /// For one scan.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }

    /// Whether anything but digests is asked.
    pub fn has_engine(&self) -> bool {
        !self.clamd.is_empty() || self.second.is_some()
    }

    /// Whether strangers' risky files are held: as said, and otherwise where a scanner will
    /// know more later.
    pub fn holds_outbreaks(&self) -> bool {
        self.outbreak.enabled.unwrap_or(!self.clamd.is_empty())
    }
}

/// A text, or a list of texts.
fn one_or_more<'de, D: Deserializer<'de>>(given: D) -> Result<Vec<ClamdAddress>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        One(String),
        More(Vec<String>),
    }
    let texts = match Given::deserialize(given)? {
        Given::One(text) => vec![text],
        Given::More(texts) => texts,
    };
    texts.iter().map(|text| address(text).map_err(serde::de::Error::custom)).collect()
}

/// Where clamd listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClamdAddress {
    /// Path of a Unix socket.
    Unix(PathBuf),
    /// `host:port`.
    Tcp(String),
}

impl std::fmt::Display for ClamdAddress {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ClamdAddress::Unix(path) => write!(out, "unix:{}", path.display()),
            ClamdAddress::Tcp(place) => write!(out, "tcp:{place}"),
        }
    }
}

fn address(text: &str) -> Result<ClamdAddress, String> {
    match text.split_once(':') {
        Some(("unix", path)) if path.starts_with('/') => Ok(ClamdAddress::Unix(path.into())),
        Some(("tcp", place)) if place.contains(':') => Ok(ClamdAddress::Tcp(place.into())),
        _ => Err(format!("{text:?}: expected unix:/path or tcp:host:port")),
    }
}

/// `on_failure = "defer" | "hold" | "deliver"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// `451`, the sender tries again.
    #[default]
    Defer,
    /// Accept, scan from the spool later, never deliver unscanned.
    Hold,
    /// Deliver with a finding that says so.
    Deliver,
}

/// `[antivirus.outbreak]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outbreak {
    /// Absent: where a clamd is configured.
    pub enabled: Option<bool>,
    /// Counted from reception.
    pub hold_minutes: u64,
    /// What waits.
    pub types: Vec<RiskyType>,
}

impl Default for Outbreak {
    fn default() -> Outbreak {
        Outbreak { enabled: None, hold_minutes: 60, types: RiskyType::ALL.to_vec() }
    }
}

impl Outbreak {
    /// Until when a mail that was received then is held.
    pub fn until_ms(&self, received_ms: u64) -> u64 {
        received_ms.saturating_add(self.hold_minutes.saturating_mul(60_000))
    }
}

/// Kinds of files that new malware comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RiskyType {
    /// Programs of any platform.
    Executable,
    /// What an interpreter runs.
    Script,
    /// What leads to another file or command.
    Shortcut,
    /// What systems mount when it is opened.
    DiskImage,
    /// Office documents that hold macros, or can.
    Macro,
    /// OneNote sections.
    OneNote,
    /// Archives that nobody can look into: encrypted, broken or unknown.
    ClosedArchive,
}

impl RiskyType {
    /// Every one.
    pub const ALL: [RiskyType; 7] = [
        RiskyType::Executable,
        RiskyType::Script,
        RiskyType::Shortcut,
        RiskyType::DiskImage,
        RiskyType::Macro,
        RiskyType::OneNote,
        RiskyType::ClosedArchive,
    ];
}

/// `[antivirus.rescan]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rescan {
    /// Days for which digests of delivered mail are kept; 0 switches it off.
    pub keep_days: u32,
    /// Messages of which digests are kept at most.
    pub messages: usize,
    /// Octets of risky files that are kept on the disk; 0 for none.
    pub keep_octets: u64,
    /// Files that are scanned again in a second at most.
    pub files_per_second: u32,
    /// Whether the postmaster is written to.
    pub notify: bool,
}

impl Default for Rescan {
    fn default() -> Rescan {
        Rescan {
            keep_days: 7,
            messages: 200_000,
            keep_octets: 256 << 20,
            files_per_second: 10,
            notify: true,
        }
    }
}

/// `[antivirus.second]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "lowercase")]
pub enum SecondEngine {
    /// Over the network, RFC 3507.
    Icap(IcapEngine),
    /// A program of this machine.
    Command(CommandEngine),
}

/// `[antivirus.second]`, `kind = "icap"`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IcapEngine {
    /// `icap://host:port/service`.
    pub url: IcapUrl,
    /// For one scan.
    #[serde(default = "second_timeout_s")]
    pub timeout_s: u64,
    /// Scans at once.
    #[serde(default = "second_connections")]
    pub connections: usize,
    /// When it does not answer; absent: `deliver` beside a clamd, otherwise that of
    /// `[antivirus]`.
    pub on_failure: Option<OnFailure>,
}

/// `[antivirus.second]`, `kind = "command"`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandEngine {
    /// An absolute path; no shell reads it.
    pub program: PathBuf,
    /// As they are.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Exit codes that mean that nothing was found.
    #[serde(default = "clean_codes")]
    pub clean: Vec<i32>,
    /// Exit codes that mean malware.
    #[serde(default = "infected_codes")]
    pub infected: Vec<i32>,
    /// For one scan; then it is killed.
    #[serde(default = "second_timeout_s")]
    pub timeout_s: u64,
    /// Scans at once.
    #[serde(default = "second_connections")]
    pub connections: usize,
    /// When it fails; absent: `deliver` beside a clamd, otherwise that of `[antivirus]`.
    pub on_failure: Option<OnFailure>,
}

fn second_timeout_s() -> u64 {
    30
}

fn second_connections() -> usize {
    4
}

fn clean_codes() -> Vec<i32> {
    vec![0]
}

fn infected_codes() -> Vec<i32> {
    vec![1]
}

impl SecondEngine {
    /// For one scan, in seconds.
    pub fn timeout_s(&self) -> u64 {
        match self {
            SecondEngine::Icap(icap) => icap.timeout_s,
            SecondEngine::Command(command) => command.timeout_s,
        }
    }

    /// Scans at once.
    pub fn connections(&self) -> usize {
        match self {
            SecondEngine::Icap(icap) => icap.connections,
            SecondEngine::Command(command) => command.connections,
        }
    }

    /// When it fails, if that is said.
    pub fn on_failure(&self) -> Option<OnFailure> {
        match self {
            SecondEngine::Icap(icap) => icap.on_failure,
            SecondEngine::Command(command) => command.on_failure,
        }
    }
}

/// RFC 3507 section 4.2: `icap://host[:port]/service`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IcapUrl {
    /// `host:port`, to connect to and for the Host field.
    pub authority: String,
    /// The whole address, as it stands in the request.
    pub text: String,
}

/// RFC 3507 section 4.2.
const ICAP_PORT: u16 = 1344;

impl<'de> Deserialize<'de> for IcapUrl {
    fn deserialize<D: Deserializer<'de>>(given: D) -> Result<IcapUrl, D::Error> {
        let text = String::deserialize(given)?;
        let wrong = || serde::de::Error::custom("expected icap://host:port/service");
        let is_plain = |octet: u8| octet.is_ascii_graphic() && !matches!(octet, b'"' | b'<' | b'>');
        let rest = text.strip_prefix("icap://").ok_or_else(wrong)?;
        let host = rest.split('/').next().unwrap_or_default();
        if host.is_empty() || host.contains('@') || !text.bytes().all(is_plain) {
            return Err(wrong());
        }
        let after_address = host.rsplit(']').next().unwrap_or(host);
        let authority = match after_address.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok_and(|port| port > 0) => host.to_owned(),
            Some(_) => return Err(wrong()),
            None => format!("{host}:{ICAP_PORT}"),
        };
        Ok(IcapUrl { authority, text })
    }
}

#[cfg(test)]
#[path = "antivirus_tests.rs"]
mod tests;
