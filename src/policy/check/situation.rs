//! One mail for one recipient, made up: what the checker shows as a counter-example.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use jiff::Zoned;

use crate::config::FileState;
use crate::mail::{Address, ContentHit, Domain, Finding, HeaderField, Host, LocalPart, Role};
use crate::message::Nature;
use crate::policy::rules::{
    AuthenticationResults, Circumstances, Direction, FileFact, Mechanism, Parties, TlsState,
    TlsVersion,
};

/// The facts of one (mail, recipient), owned.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // Named like the fields of [`Circumstances`].
pub struct Situation {
    pub direction: Direction,
    pub role: Role,
    pub reverse_path: Option<Address>,
    pub forward_path: Address,
    pub sender_groups: Vec<String>,
    pub recipient_groups: Vec<String>,
    pub header: Vec<HeaderField>,
    pub subject: String,
    pub authors: Vec<String>,
    pub client: Option<IpAddr>,
    pub account: Option<String>,
    pub authentication: AuthenticationResults,
    pub findings: Vec<Finding>,
    pub score: f32,
    pub content: Vec<ContentHit>,
    pub files: Vec<MadeFile>,
    pub octets: u64,
    pub time: Option<Zoned>,
    pub tls: TlsState,
    pub markings: Vec<String>,
}

/// A file that was made up.
#[derive(Debug, Clone, PartialEq)]
pub struct MadeFile {
    /// What it is.
    pub nature: Nature,
    /// Its name in small letters.
    pub name: String,
    /// What is the matter with it.
    pub states: Vec<FileState>,
    /// Its size.
    pub octets: u64,
}

impl MadeFile {
    /// The last extension of its name.
    pub fn extension(&self) -> Option<String> {
        self.name.rsplit_once('.').map(|(_, extension)| extension.to_owned())
    }

    /// As rules see it.
    pub(super) fn fact(&self) -> FileFact<'static> {
        FileFact {
            types: self.nature.extensions(),
            family: self.nature.family(),
            extensions: self.extension().into_iter().collect(),
            names: vec![self.name.clone()],
            states: self.states.clone(),
            octets: self.octets,
        }
    }
}

impl Situation {
    /// An unremarkable mail between two mailboxes; none where a name is no domain.
    pub fn plain() -> Option<Situation> {
        let address = |name: &str, domain: &str| {
            let domain = Host::Domain(Domain::parse(domain).ok()?);
            Some(Address::new(LocalPart::parse(name).ok()?, domain))
        };
        Some(Situation {
            direction: Direction::Inbound,
            role: Role::Inbound,
            reverse_path: address("sender", "elsewhere.test"),
            forward_path: address("recipient", "somewhere.test")?,
            sender_groups: Vec::new(),
            recipient_groups: Vec::new(),
            header: Vec::new(),
            subject: String::new(),
            authors: Vec::new(),
            client: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
            account: None,
            authentication: AuthenticationResults::default(),
            findings: Vec::new(),
            score: 0.0,
            content: Vec::new(),
            files: Vec::new(),
            octets: 1_000,
            time: None,
            tls: TlsState::default(),
            markings: Vec::new(),
        })
    }

    /// Asks something with these facts as rules see them.
    pub fn with<T>(&self, ask: impl FnOnce(&Circumstances<'_>) -> T) -> T {
        let files: Vec<FileFact<'_>> = self.files.iter().map(MadeFile::fact).collect();
        ask(&Circumstances {
            parties: Parties {
                direction: self.direction,
                reverse_path: self.reverse_path.as_ref(),
                forward_path: &self.forward_path,
                sender_groups: &self.sender_groups,
                recipient_groups: &self.recipient_groups,
            },
            role: self.role,
            header: &self.header,
            subject: &self.subject,
            authors: &self.authors,
            client: self.client,
            account: self.account.as_deref(),
            authentication: self.authentication,
            findings: &self.findings,
            score: self.score,
            content: &self.content,
            files: &files,
            octets: self.octets,
            time: self.time.as_ref(),
            tls: self.tls,
            markings: &self.markings,
        })
    }
}

/// One line a fact that is out of the ordinary, those of the envelope first.
impl fmt::Display for Situation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "direction: {} (listener: {})", self.direction, self.role)?;
        match &self.reverse_path {
            Some(address) => writeln!(out, "reverse-path: {address}")?,
            None => writeln!(out, "reverse-path: <>")?,
        }
        writeln!(out, "forward-path: {}", self.forward_path)?;
        let mut list = |name: &str, texts: &[String]| match texts.is_empty() {
            true => Ok(()),
            false => writeln!(out, "{name}: {}", texts.join(", ")),
        };
        list("groups of the sender", &self.sender_groups)?;
        list("groups of the recipient", &self.recipient_groups)?;
        list("authors", &self.authors)?;
        list("markings", &self.markings)?;
        if let Some(client) = self.client {
            writeln!(out, "client: {client}")?;
        }
        if let Some(account) = &self.account {
            writeln!(out, "account: {account}")?;
        }
        if !self.subject.is_empty() {
            writeln!(out, "subject: {}", self.subject)?;
        }
        for field in &self.header {
            writeln!(out, "header: {}: {}", field.name, field.value)?;
        }
        for mechanism in Mechanism::ALL {
            let result = self.authentication.of(mechanism);
            if result != Default::default() {
                writeln!(out, "{}: {}", mechanism.word(), result.word())?;
            }
        }
        for finding in &self.findings {
            writeln!(out, "finding: {} (class {})", finding.name, finding.class)?;
        }
        writeln!(out, "score: {}", self.score)?;
        for hit in &self.content {
            let (rule, class, severity, count) = (&hit.rule, hit.class, hit.severity, hit.count);
            writeln!(out, "content: {rule} (class {class}, {severity}, {count} times)")?;
        }
        for file in &self.files {
            writeln!(
                out,
                "file: {:?} ({}, {:?}, {} octets)",
                file.name,
                file.nature.words(),
                file.states,
                file.octets
            )?;
        }
        writeln!(out, "size: {} octets", self.octets)?;
        if let Some(time) = &self.time {
            writeln!(out, "time: {time}")?;
        }
        let verified = if self.tls.verified { ", client verified" } else { "" };
        match self.tls.version {
            TlsVersion::None => writeln!(out, "tls: none"),
            TlsVersion::V12 => writeln!(out, "tls: 1.2{verified}"),
            TlsVersion::V13 => writeln!(out, "tls: 1.3{verified}"),
            TlsVersion::Other => writeln!(out, "tls: another version{verified}"),
        }
    }
}
