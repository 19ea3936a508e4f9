//! For whom somebody has to vouch: the domains of all authors that a mail shows.
//!
//! In: a message taken apart. Out: [`Authors`]: the domains that DMARC is asked of, each once,
//! and whether From names them or, where From names nobody, Sender, which readers show in its
//! place. RFC 7489, section 6.6.1, asks to check every author and to apply the strictest policy
//! of those that fail; RFC 9989 leaves several authors to the receiver. Without that, a second
//! mailbox of anybody's would switch off the policy of the first. What is not clear has no
//! domains here and is refused elsewhere.

use super::dmarc::Evaluation;
use crate::analysis::{Dmarc, DmarcPolicy};
use crate::config::Consequence;
use crate::mail::Domain;
use crate::message::{Anatomy, Authorship, Mailbox};

/// Domains of one mail that are asked. Each costs up to eight questions; nobody writes with
/// people of so many organisations.
const DOMAINS: usize = 10;

/// Where readers see the authors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    /// In From.
    From,
    /// From names nobody, and many readers show Sender.
    Sender,
}

/// Whom a mail shows.
#[derive(Debug, Clone)]
pub(super) struct Authors {
    pub(super) shown: Authorship,
    pub(super) face: Face,
    /// That are asked, each once.
    pub(super) domains: Vec<Domain>,
    /// Beyond the limit.
    pub(super) unjudged: usize,
}

impl Authors {
    pub(super) fn of(anatomy: &Anatomy) -> Authors {
        let shown = anatomy.author();
        let stand_ins = anatomy.stand_ins(&shown);
        let face = if stand_ins.is_empty() { Face::From } else { Face::Sender };
        let mailboxes: &[Mailbox] = match &shown {
            Authorship::One(mailbox) => std::slice::from_ref(mailbox),
            Authorship::Several(mailboxes) => mailboxes,
            Authorship::Absent | Authorship::Unclear(_) => &stand_ins,
        };
        let mut domains: Vec<Domain> = Vec::new();
        let mut unjudged = 0;
        let long = anatomy.domains_of_long_authors(&shown);
        let named = mailboxes.iter().filter_map(|mailbox| mailbox.address.domain());
        for domain in named.chain(&long) {
            match domains.contains(domain) {
                true => {}
                false if domains.len() < DOMAINS => domains.push(domain.clone()),
                false => unjudged += 1,
            }
        }
        Authors { shown, face, domains, unjudged }
    }

    /// The domain of the one author that every reader sees.
    pub(super) fn only(&self) -> Option<&Domain> {
        match &self.shown {
            Authorship::One(mailbox) => mailbox.address.domain(),
            Authorship::Absent | Authorship::Several(_) | Authorship::Unclear(_) => None,
        }
    }
}

/// What became of one author.
#[derive(Debug, Clone)]
pub(super) struct AuthorCheck {
    pub(super) domain: Domain,
    pub(super) evaluation: Evaluation,
    /// The sealer whose word counts in place of a failure.
    pub(super) excused_by: Option<Domain>,
}

impl AuthorCheck {
    pub(super) fn is_vouched(&self) -> bool {
        self.evaluation.is_vouched()
    }

    /// Of several authors the gravest outcome counts.
    pub(super) fn gravity(&self) -> u8 {
        match self.evaluation.result {
            Dmarc::Pass => 0,
            _ if self.excused_by.is_some() => 1,
            Dmarc::None => 2,
            Dmarc::Fail(DmarcPolicy::None) => 3,
            Dmarc::Permanent => 4,
            Dmarc::Temporary => 5,
            Dmarc::Fail(DmarcPolicy::Quarantine) => 6,
            Dmarc::Fail(DmarcPolicy::Reject) => 7,
        }
    }
}

/// What DMARC leads to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judged<'c> {
    pub(super) consequence: Consequence,
    /// The administrator says so, not the author's domain.
    pub(super) overridden: bool,
    /// Who decided.
    pub(super) author: Option<&'c AuthorCheck>,
}

impl Default for Judged<'_> {
    fn default() -> Self {
        Judged { consequence: Consequence::Deliver, overridden: false, author: None }
    }
}
