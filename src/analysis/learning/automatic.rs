//! Which mail the box is sure of without its classifier.
//!
//! In: findings, and how the mail came. Out: a label, or none for nearly all mail. A classifier
//! that taught itself would grow surer of its own mistakes, so its part of the score does not
//! count here, and what contradicts it is left to people. Spam must be accused by several
//! findings; ham must have an author who answers for it: a domain that authentication found
//! aligned, or an account of the house. Malware is no lesson: its words say nothing.

use std::net::IpAddr;

use super::super::Authenticated;
use super::super::classifier::Label;
use crate::config;
use crate::mail::{Class, Facts, Finding, Role};

/// Accusing findings that spam must have.
const FEWEST_ACCUSERS: usize = 3;
/// What the classifier says against it, in points, that makes the mail no lesson.
const CONTRADICTION: f32 = 2.0;

/// What is known of a judged mail.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// All findings.
    pub findings: &'a [Finding],
    /// How it came.
    pub facts: &'a Facts,
    /// Who vouches for it.
    pub authenticated: &'a Authenticated,
}

/// What the mail surely is.
pub fn label(settings: &config::Learning, observation: &Observation<'_>) -> Option<Label> {
    let (own, others): (Vec<&Finding>, Vec<&Finding>) =
        observation.findings.iter().partition(|one| one.name.starts_with("CLASSIFIER_"));
    let sum = |findings: &[&Finding]| findings.iter().map(|one| one.score).sum::<f32>();
    let (said, rest) = (sum(&own), sum(&others));
    let doubtful = |class: Class| matches!(class, Class::Malware | Class::Unscannable);
    if others.iter().any(|one| doubtful(one.class) && one.score > 0.0) || !rest.is_finite() {
        return None;
    }
    let accusers = others.iter().filter(|one| one.score > 0.0).count();
    if rest >= settings.automatic_spam_score && accusers >= FEWEST_ACCUSERS {
        return (said > -CONTRADICTION).then_some(Label::Spam);
    }
    let answerable = match observation.facts.role {
        Role::Inbound => {
            rest <= settings.automatic_ham_score && observation.authenticated.speaks_for_author()
        }
        Role::Submission => rest <= 0.0 && observation.facts.account.is_some(),
        // A server of the house may send what a broken machine behind it makes.
        Role::Outbound => false,
    };
    (answerable && accusers == 0 && said < CONTRADICTION).then_some(Label::Ham)
}

/// Whose allowance a lesson is taken from: the account, or the client's network.
pub fn source(facts: &Facts) -> String {
    if let Some(account) = &facts.account {
        return format!("account {account}");
    }
    let prefix = match facts.client {
        IpAddr::V4(_) => 24,
        IpAddr::V6(_) => 48,
    };
    let network = ipnet::IpNet::new(facts.client, prefix).map(|net| net.trunc().to_string());
    format!("network {}", network.unwrap_or_else(|_| facts.client.to_string()))
}
