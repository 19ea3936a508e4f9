//! The terms in force: what the box ships, overlaid by the role's terms, overlaid by the
//! domain's. Worked out once at load, looked up at evaluation.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::attachments::FileRules;
use super::groups::Memberships;
use super::rules::RuleBook;
use crate::config::{Config, Consequence, Policy, PolicyTerms};
use crate::mail::{Address, Class, Domain, Role};

/// Thresholds and consequences with nothing left open.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// From this score the subject is tagged.
    pub tag: f32,
    /// From this score the mail is quarantined.
    pub quarantine: f32,
    /// From this score it is refused.
    pub reject: f32,
    /// Put before the subject.
    pub tag_subject: String,
    /// One a class, in the order of [`Class::ALL`].
    classes: [Consequence; Class::ALL.len()],
}

/// All terms of a configuration.
#[derive(Debug, Clone)]
pub struct PolicySet {
    inbound: Terms,
    outbound: Terms,
    submission: Terms,
    domains: HashMap<(Domain, Role), Terms>,
    /// Put `X-Postern-*` fields on what is delivered.
    pub headers: bool,
    pub(super) files: FileRules,
    /// The site's own rules.
    pub(super) rules: Arc<RuleBook>,
    /// Where rules about time are meant that do not say so.
    pub(super) zone: TimeZone,
    pub(super) memberships: Memberships,
    pub(super) own_domains: HashSet<Domain>,
    /// Who is told as the administrator.
    pub(super) postmaster: Option<Address>,
}

impl Terms {
    /// What the box ships for a role.
    pub fn shipped(role: Role) -> Terms {
        let (tag, quarantine, reject) = match role {
            Role::Inbound => (5.0, 8.0, 15.0),
            // Own mail is not tagged towards others: it goes, waits or is refused.
            Role::Outbound | Role::Submission => (f32::INFINITY, 12.0, 20.0),
        };
        let classes = Class::ALL.map(|class| match class {
            Class::Malware | Class::Equivocal => Consequence::Reject,
            Class::Ambiguous | Class::Unscannable | Class::Policy => Consequence::Quarantine,
            Class::Phish | Class::Scam | Class::Spam => Consequence::Deliver,
            Class::Profanity | Class::Notice => Consequence::Deliver,
        });
        Terms { tag, quarantine, reject, tag_subject: "[SPAM]".into(), classes }
    }

    /// These terms with whatever `over` says instead.
    fn overlaid(&self, over: &PolicyTerms) -> Terms {
        let mut terms = self.clone();
        terms.tag = over.tag.unwrap_or(terms.tag);
        terms.quarantine = over.quarantine.unwrap_or(terms.quarantine);
        terms.reject = over.reject.unwrap_or(terms.reject);
        if let Some(text) = &over.tag_subject {
            terms.tag_subject.clone_from(text);
        }
        for (place, class) in terms.classes.iter_mut().zip(Class::ALL) {
            *place = over.classes.get(&class).copied().unwrap_or(*place);
        }
        terms
    }

    /// What a class leads to, whatever the score.
    pub fn of_class(&self, class: Class) -> Consequence {
        let known = Class::ALL.iter().zip(&self.classes).find(|(known, _)| **known == class);
        known.map_or(Consequence::Deliver, |(_, consequence)| *consequence)
    }

    /// What a score leads to, whatever the classes.
    pub fn of_score(&self, score: f32) -> Consequence {
        match score {
            _ if score >= self.reject => Consequence::Reject,
            _ if score >= self.quarantine => Consequence::Quarantine,
            _ if score >= self.tag => Consequence::Tag,
            _ => Consequence::Deliver,
        }
    }
}

impl PolicySet {
    /// All that a configuration says of what becomes of mail. Rules lie in a text of their own:
    /// whoever has read it gives them to [`PolicySet::with_rules`].
    pub fn of(config: &Config) -> PolicySet {
        PolicySet {
            files: FileRules::new(config),
            memberships: Memberships::new(&config.group),
            own_domains: config.domain.iter().map(|domain| domain.name.clone()).collect(),
            postmaster: Some(config.system.postmaster.clone()),
            ..PolicySet::new(&config.policy)
        }
    }

    /// The same with these rules; `zone` is the one of the box.
    pub fn with_rules(self, rules: Arc<RuleBook>, zone: TimeZone) -> PolicySet {
        PolicySet { rules, zone, ..self }
    }

    /// The site's own rules.
    pub fn rules(&self) -> &Arc<RuleBook> {
        &self.rules
    }

    /// Works out the terms of every role and domain; of files, the shipped rules.
    pub fn new(policy: &Policy) -> PolicySet {
        let inbound = Terms::shipped(Role::Inbound).overlaid(&policy.inbound);
        let outbound = Terms::shipped(Role::Outbound).overlaid(&policy.outbound);
        let submission = Terms::shipped(Role::Submission).overlaid(&policy.submission);
        let headers = policy.headers;
        let (domains, files) = (HashMap::new(), FileRules::shipped_alone());
        let mut set = PolicySet {
            inbound,
            outbound,
            submission,
            domains,
            headers,
            files,
            rules: Arc::new(RuleBook::empty()),
            zone: TimeZone::UTC,
            memberships: Memberships::default(),
            own_domains: HashSet::new(),
            postmaster: None,
        };
        for domain in &policy.domain {
            for role in [Role::Inbound, Role::Outbound, Role::Submission] {
                if domain.role.is_none_or(|only| only == role) {
                    let terms = set.terms(role, Some(&domain.name)).overlaid(&domain.terms);
                    set.domains.insert((domain.name.clone(), role), terms);
                }
            }
        }
        set
    }

    /// The terms for mail of this role that concerns this domain: the recipient's for inbound
    /// mail, the sender's otherwise.
    pub fn terms(&self, role: Role, domain: Option<&Domain>) -> &Terms {
        let own = domain.and_then(|name| self.domains.get(&(name.clone(), role)));
        own.unwrap_or(match role {
            Role::Inbound => &self.inbound,
            Role::Outbound => &self.outbound,
            Role::Submission => &self.submission,
        })
    }
}
