//! `[authentication]`: sender authentication: SPF, DKIM, DMARC, ARC and reverse names.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use super::{Consequence, DmarcReports};
use crate::mail::Domain;

/// `[authentication]`. Mail that comes in by inbound listeners is checked; own mail is not.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Authentication {
    /// Whether senders are checked at all; yes by default.
    pub enabled: bool,
    /// The name under which results are written into Authentication-Results; `system.hostname`
    /// by default. Results that others claim to have found under this name are removed.
    pub authserv_id: Option<Domain>,
    /// For all checks of one mail together, in seconds; 10 by default. What is not known by
    /// then counts as DNS trouble. The DMARC records of authors are asked for from the start,
    /// beside SPF and DKIM, and a quarter is kept for questions of alignment.
    pub timeout_s: u64,
    /// What becomes of mail when DNS trouble keeps a check from ending: `accept` (the default;
    /// the trouble is a finding) or `defer` (451, the sender tries again).
    pub on_temperror: OnTemperror,
    /// DKIM signatures of one mail that are looked into; 10 by default.
    pub signatures: usize,
    /// Networks for whose clients SPF and reverse names mean nothing; none by default.
    pub exempt: Vec<IpNet>,
    /// Own servers in front of this box. For mail that they pass on, the client that is judged
    /// is the one that the Received field on top names; the door does not limit them and
    /// greylisting does not ask them to come back. None by default.
    pub trusted_relays: Vec<IpNet>,
    /// Domains whose ARC seals are believed: what DMARC said where they took the mail counts
    /// when it fails here. Names below them are meant too; none by default.
    pub trusted_sealers: Vec<Domain>,
    /// What a failure of DMARC leads to.
    pub dmarc: DmarcConsequences,
    /// For single domains, whatever they publish.
    #[serde(rename = "override")]
    pub overrides: Vec<DmarcOverride>,
    /// DMARC aggregate reports, received and sent.
    pub reports: DmarcReports,
}

/// `authentication.dmarc`: by what the author's domain publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DmarcConsequences {
    /// For `p=reject`; `reject` by default.
    pub reject: Consequence,
    /// For `p=quarantine`; `quarantine` by default.
    pub quarantine: Consequence,
}

/// `[[authentication.override]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DmarcOverride {
    /// The author's domain; names below it are meant too, the longest name that fits counts.
    pub domain: Domain,
    /// What becomes of mail in its name that nobody vouches for, whatever it publishes:
    /// `deliver`, `tag`, `quarantine`, `discard` or `reject`.
    pub dmarc: Consequence,
}

/// When DNS does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnTemperror {
    /// The mail is judged by what is known.
    #[default]
    Accept,
    /// The sender is asked to try again.
    Defer,
}

impl Default for DmarcConsequences {
    fn default() -> DmarcConsequences {
        DmarcConsequences { reject: Consequence::Reject, quarantine: Consequence::Quarantine }
    }
}

impl Default for Authentication {
    fn default() -> Authentication {
        Authentication {
            enabled: true,
            authserv_id: None,
            timeout_s: 10,
            on_temperror: OnTemperror::Accept,
            signatures: 10,
            exempt: Vec::new(),
            trusted_relays: Vec::new(),
            trusted_sealers: Vec::new(),
            dmarc: DmarcConsequences::default(),
            overrides: Vec::new(),
            reports: DmarcReports::default(),
        }
    }
}

impl Authentication {
    /// For all checks of one mail.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }

    /// Whether SPF and reverse names are left out for a client.
    pub fn is_exempt(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.exempt.iter().any(|network| network.contains(&client))
    }

    /// Whether a client is an own server that passes mail on.
    pub fn is_relay(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.trusted_relays.iter().any(|network| network.contains(&client))
    }

    /// Whether a domain's ARC seals are believed.
    pub fn is_trusted_sealer(&self, domain: &Domain) -> bool {
        self.trusted_sealers.iter().any(|trusted| domain.is_within(trusted))
    }

    /// What the administrator says of an author's domain.
    pub fn override_for(&self, author: &Domain) -> Option<Consequence> {
        let fitting = self.overrides.iter().filter(|one| author.is_within(&one.domain));
        fitting.max_by_key(|one| one.domain.as_str().len()).map(|one| one.dmarc)
    }
}
