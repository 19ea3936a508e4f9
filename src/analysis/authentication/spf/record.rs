//! The text of an SPF record: read whole before any of it is evaluated (RFC 7208, sections
//! 4.6.1 and 12).
//!
//! In: the text after `v=spf1`. Out: [`Policy`], or the term that breaks the grammar, which
//! makes the whole record useless (`permerror`).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::macros::{DomainSpec, Pattern};

/// What a directive says when its mechanism matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Qualifier {
    Pass,
    Fail,
    SoftFail,
    Neutral,
}

/// Prefix lengths, one for each family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cidr {
    pub(super) four: u8,
    pub(super) six: u8,
}

const WHOLE: Cidr = Cidr { four: 32, six: 128 };

/// RFC 7208, section 5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mechanism {
    All,
    Include(DomainSpec),
    A(Option<DomainSpec>, Cidr),
    Mx(Option<DomainSpec>, Cidr),
    Ptr(Option<DomainSpec>),
    Ip4(Ipv4Addr, u8),
    Ip6(Ipv6Addr, u8),
    Exists(DomainSpec),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directive {
    pub(super) qualifier: Qualifier,
    pub(super) mechanism: Mechanism,
    /// As it is written.
    pub(super) text: String,
}

/// A record that follows the grammar.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Policy {
    pub(super) directives: Vec<Directive>,
    pub(super) redirect: Option<DomainSpec>,
    pub(super) explanation: Option<DomainSpec>,
}

/// Whether a text is an SPF record at all (section 4.5); what follows the version.
pub(super) fn after_version(text: &str) -> Option<&str> {
    let version = text.get(..6).filter(|version| version.eq_ignore_ascii_case("v=spf1"))?;
    let rest = text.get(version.len()..)?;
    (rest.is_empty() || rest.starts_with(' ')).then_some(rest)
}

impl Policy {
    /// Reads what follows the version; the error is the term that is not understood.
    pub(super) fn parse(rest: &str) -> Result<Policy, String> {
        let mut policy = Policy::default();
        // Section 4.6.1: terms are separated by spaces, and by nothing else.
        for term in rest.split(' ').filter(|term| !term.is_empty()) {
            policy.take(term).ok_or_else(|| term.chars().take(80).collect::<String>())?;
        }
        Ok(policy)
    }

    fn take(&mut self, term: &str) -> Option<()> {
        if !term.bytes().all(|octet| octet.is_ascii_graphic()) {
            return None;
        }
        match modifier(term) {
            Some((name, value)) => self.take_modifier(name, value),
            None => {
                self.directives.push(directive(term)?);
                Some(())
            }
        }
    }

    /// Section 6: those that are not known are read too, and forgotten.
    fn take_modifier(&mut self, name: &str, value: &str) -> Option<()> {
        let slot = match name.to_ascii_lowercase().as_str() {
            "redirect" => &mut self.redirect,
            "exp" => &mut self.explanation,
            _ => return Pattern::parse(value, false).map(drop),
        };
        // Each at most once.
        slot.is_none().then_some(())?;
        *slot = Some(DomainSpec::parse(value)?);
        Some(())
    }
}

/// `name "=" macro-string`; the name begins with a letter.
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let mut octets = name.bytes();
    let first = octets.next()?;
    let named = first.is_ascii_alphabetic()
        && octets.all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.'));
    named.then_some((name, value))
}

fn directive(term: &str) -> Option<Directive> {
    let (qualifier, rest) = match term.split_at_checked(1)? {
        ("+", rest) => (Qualifier::Pass, rest),
        ("-", rest) => (Qualifier::Fail, rest),
        ("~", rest) => (Qualifier::SoftFail, rest),
        ("?", rest) => (Qualifier::Neutral, rest),
        _ => (Qualifier::Pass, term),
    };
    let name_octets = rest.find([':', '/']).unwrap_or(rest.len());
    let (name, argument) = rest.split_at(name_octets);
    let mechanism = mechanism(&name.to_ascii_lowercase(), argument)?;
    Some(Directive { qualifier, mechanism, text: term.to_owned() })
}

fn mechanism(name: &str, argument: &str) -> Option<Mechanism> {
    let after_colon = argument.strip_prefix(':');
    Some(match name {
        "all" => argument.is_empty().then_some(Mechanism::All)?,
        "include" => Mechanism::Include(DomainSpec::parse(after_colon?)?),
        "exists" => Mechanism::Exists(DomainSpec::parse(after_colon?)?),
        "ptr" => match after_colon {
            Some(spec) => Mechanism::Ptr(Some(DomainSpec::parse(spec)?)),
            None => argument.is_empty().then_some(Mechanism::Ptr(None))?,
        },
        "a" | "mx" => {
            let (spec, cidr) = split_dual_cidr(argument)?;
            let spec = match spec.strip_prefix(':') {
                Some(spec) => Some(DomainSpec::parse(spec)?),
                None => spec.is_empty().then_some(None)?,
            };
            if name == "a" { Mechanism::A(spec, cidr) } else { Mechanism::Mx(spec, cidr) }
        }
        "ip4" => {
            let (address, prefix) = split_prefix(after_colon?, 32)?;
            Mechanism::Ip4(address.parse().ok()?, prefix)
        }
        "ip6" => {
            let (address, prefix) = split_prefix(after_colon?, 128)?;
            Mechanism::Ip6(address.parse().ok()?, prefix)
        }
        _ => return None,
    })
}

fn split_prefix(text: &str, longest: u8) -> Option<(&str, u8)> {
    match text.split_once('/') {
        None => Some((text, longest)),
        Some((address, prefix)) => Some((address, prefix_length(prefix, longest)?)),
    }
}

/// No leading zeros (section 5.6, `ip4-cidr-length`).
fn prefix_length(text: &str, longest: u8) -> Option<u8> {
    let plain =
        text.bytes().all(|octet| octet.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|length| plain && *length <= longest)
}

/// `[ ip4-cidr-length ] [ "/" ip6-cidr-length ]` at the end. A slash may stand in a
/// domain-spec too, so only digits behind the last ones are a length.
fn split_dual_cidr(text: &str) -> Option<(&str, Cidr)> {
    let mut cidr = WHOLE;
    let mut rest = text;
    if let Some((before, digits)) = rest.rsplit_once("//").filter(|(_, digits)| is_length(digits)) {
        cidr.six = prefix_length(digits, 128)?;
        rest = before;
    }
    if let Some((before, digits)) = rest.rsplit_once('/').filter(|(_, digits)| is_length(digits)) {
        cidr.four = prefix_length(digits, 32)?;
        rest = before;
    }
    Some((rest, cidr))
}

fn is_length(digits: &str) -> bool {
    digits.bytes().all(|octet| octet.is_ascii_digit())
}
