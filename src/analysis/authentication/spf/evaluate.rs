//! The function `check_host` (RFC 7208, section 4).

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::timeout;

use super::macros::{DomainSpec, Pattern, Values};
use super::record::{Cidr, Directive, Mechanism, Policy, Qualifier, after_version};
use super::{Question, Spf, SpfResult};
use crate::net::resolver::{DnsTrouble, Kind, Record, Resolve};

/// Terms that ask DNS, in the record and all that it includes (section 4.6.4).
const TERMS: u32 = 10;
/// Look-ups that find nothing.
const VOIDS: u32 = 2;
/// Names of one MX or PTR answer.
const NAMES: usize = 10;
/// For questions whose trouble counts as no answer (sections 5.5 and 6.2), so that others keep
/// their time.
const ASIDE: Duration = Duration::from_secs(2);
/// Of an explanation; it comes from a stranger.
const EXPLANATION_OCTETS: usize = 500;

/// Why an evaluation ends early.
enum Stop {
    Temporary(String),
    Permanent(String),
}

/// What one record came to: the matching directive, if any, and whose it was.
struct Match {
    result: SpfResult,
    why: String,
    explanation: Option<(DomainSpec, String)>,
}

struct Evaluation<'a> {
    resolver: &'a dyn Resolve,
    question: Question<'a>,
    client: IpAddr,
    sender_local: &'a str,
    sender_domain: &'a str,
    terms: u32,
    voids: u32,
    now_s: u64,
    /// Names of the client that lead back to it; asked for once.
    validated: Option<Vec<String>>,
}

type Boxed<'b, T> = Pin<Box<dyn Future<Output = T> + Send + 'b>>;

pub(super) async fn check<'a>(
    resolver: &'a dyn Resolve,
    question: Question<'a>,
    local: &'a str,
    domain: &'a str,
) -> Spf {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let outcome =
        |result, why: String| Spf { result, domain: domain.to_owned(), why, explanation: None };
    // Section 4.3.
    if !is_checkable(domain) {
        return outcome(SpfResult::None, "no domain that could have a record".into());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut evaluation = Evaluation {
        resolver,
        question,
        client: question.client.to_canonical(),
        sender_local: local,
        sender_domain: domain,
        terms: 0,
        voids: 0,
        now_s: now,
        validated: None,
    };
    match evaluation.check_host(domain.to_owned()).await {
        Ok(found) => {
            let explanation = match found.explanation {
                // What the domain would say must not cost what it has said.
                Some((spec, of)) => {
                    timeout(ASIDE, evaluation.explain(&spec, &of)).await.ok().flatten()
                }
                None => None,
            };
            Spf { explanation, ..outcome(found.result, found.why) }
        }
        Err(Stop::Temporary(why)) => outcome(SpfResult::TempError, why),
        Err(Stop::Permanent(why)) => outcome(SpfResult::PermError, why),
    }
}

/// At least two labels, none empty or too long.
fn is_checkable(domain: &str) -> bool {
    domain.contains('.')
        && domain.len() <= 253
        && !domain.starts_with('[')
        && domain.split('.').all(|label| (1..=63).contains(&label.len()))
        && domain.bytes().all(|octet| octet.is_ascii_graphic())
}

impl<'a> Evaluation<'a> {
    fn check_host(&mut self, domain: String) -> Boxed<'_, Result<Match, Stop>> {
        Box::pin(async move {
            let none = |why: &str| Match {
                result: SpfResult::None,
                why: why.to_owned(),
                explanation: None,
            };
            // Sections 4.4 and 4.5.
            let texts = match self.resolver.records(&domain, Kind::Txt).await {
                Ok(records) => records,
                Err(DnsTrouble::NoSuchDomain) => return Ok(none("no such domain")),
                Err(DnsTrouble::Temporary(why)) => return Err(Stop::Temporary(why)),
            };
            let mut records = texts.iter().filter_map(|record| match record {
                Record::Text(text) => after_version(text),
                _ => None,
            });
            let Some(rest) = records.next() else { return Ok(none("no record")) };
            if records.next().is_some() {
                return Err(Stop::Permanent(format!("{domain} has several records")));
            }
            let policy = Policy::parse(rest)
                .map_err(|term| Stop::Permanent(format!("the record of {domain} says {term:?}")))?;
            self.evaluate(domain, policy).await
        })
    }

    async fn evaluate(&mut self, domain: String, policy: Policy) -> Result<Match, Stop> {
        for directive in &policy.directives {
            if !self.matches(directive, &domain).await? {
                continue;
            }
            let result = match directive.qualifier {
                Qualifier::Pass => SpfResult::Pass,
                Qualifier::Fail => SpfResult::Fail,
                Qualifier::SoftFail => SpfResult::SoftFail,
                Qualifier::Neutral => SpfResult::Neutral,
            };
            let explanation = policy
                .explanation
                .filter(|_| result == SpfResult::Fail)
                .map(|spec| (spec, domain.clone()));
            let why =
                format!("{} of {domain}", directive.text.chars().take(80).collect::<String>());
            return Ok(Match { result, why, explanation });
        }
        // Section 6.1.
        let Some(redirect) = &policy.redirect else {
            let why = format!("nothing in the record of {domain} matches");
            return Ok(Match { result: SpfResult::Neutral, why, explanation: None });
        };
        self.count_term()?;
        let target = self.target(Some(redirect), &domain).await;
        match self.check_host(target.clone()).await? {
            Match { result: SpfResult::None, .. } => {
                Err(Stop::Permanent(format!("{domain} redirects to {target}, which has no record")))
            }
            found => Ok(found),
        }
    }

    async fn matches(&mut self, directive: &Directive, domain: &str) -> Result<bool, Stop> {
        match &directive.mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4(network, prefix) => {
                Ok(in_network(self.client, IpAddr::V4(*network), *prefix))
            }
            Mechanism::Ip6(network, prefix) => {
                Ok(in_network(self.client, IpAddr::V6(*network), *prefix))
            }
            Mechanism::Include(spec) => self.includes(spec, domain).await,
            Mechanism::A(spec, cidr) => {
                self.count_term()?;
                let target = self.target(spec.as_ref(), domain).await;
                let kind = if self.client.is_ipv4() { Kind::A } else { Kind::Aaaa };
                let records = self.look_up(&target, kind).await?;
                Ok(records.iter().any(|record| self.is_client(record, *cidr)))
            }
            Mechanism::Mx(spec, cidr) => self.is_exchange(spec.as_ref(), *cidr, domain).await,
            Mechanism::Ptr(spec) => {
                self.count_term()?;
                let target = self.target(spec.as_ref(), domain).await;
                self.validate().await;
                let names = self.validated.as_deref().unwrap_or_default();
                Ok(names.iter().any(|name| is_within(name, &target)))
            }
            Mechanism::Exists(spec) => {
                self.count_term()?;
                let target = self.target(Some(spec), domain).await;
                // Section 5.7: always of IPv4.
                Ok(!self.look_up(&target, Kind::A).await?.is_empty())
            }
        }
    }

    /// Section 5.2.
    async fn includes(&mut self, spec: &DomainSpec, domain: &str) -> Result<bool, Stop> {
        self.count_term()?;
        let target = self.target(Some(spec), domain).await;
        let inner = self.check_host(target.clone()).await?;
        match inner.result {
            SpfResult::Pass => Ok(true),
            SpfResult::None => {
                Err(Stop::Permanent(format!("{domain} includes {target}, which has no record")))
            }
            _ => Ok(false),
        }
    }

    /// Section 5.4.
    async fn is_exchange(
        &mut self,
        spec: Option<&DomainSpec>,
        cidr: Cidr,
        domain: &str,
    ) -> Result<bool, Stop> {
        self.count_term()?;
        let target = self.target(spec, domain).await;
        let exchanges = self.look_up(&target, Kind::Mx).await?;
        if exchanges.len() > NAMES {
            return Err(Stop::Permanent(format!("{target} has more than {NAMES} MX records")));
        }
        let kind = if self.client.is_ipv4() { Kind::A } else { Kind::Aaaa };
        for exchange in &exchanges {
            let Record::Exchange(_, host) = exchange else { continue };
            let records = match self.resolver.records(host, kind).await {
                Ok(records) => records,
                Err(DnsTrouble::NoSuchDomain) => {
                    self.count_void(host)?;
                    continue;
                }
                Err(DnsTrouble::Temporary(why)) => return Err(Stop::Temporary(why)),
            };
            // A host of the other family only is no void: every IPv6 client would meet many.
            if records.iter().any(|record| self.is_client(record, cidr)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What a term is about: its domain-spec, or the domain whose record it stands in.
    async fn target(&mut self, spec: Option<&DomainSpec>, domain: &str) -> String {
        let Some(spec) = spec else { return domain.to_owned() };
        if spec.uses('p') {
            self.validate().await;
        }
        spec.expand(&self.values(domain))
    }

    fn values<'v>(&'v self, domain: &'v str) -> Values<'v> {
        Values {
            client: self.client,
            sender_local: self.sender_local,
            sender_domain: self.sender_domain,
            domain,
            helo: self.question.helo,
            receiver: self.question.receiver,
            validated: self.validated_name(domain),
            now_s: self.now_s,
        }
    }

    /// Section 7.3, letter p: the domain itself, one below it, any, `unknown`.
    fn validated_name(&self, domain: &str) -> &str {
        let names = self.validated.as_deref().unwrap_or_default();
        let same = names.iter().find(|name| name.eq_ignore_ascii_case(domain));
        let below = || names.iter().find(|name| is_within(name, domain));
        same.or_else(below).or(names.first()).map_or("unknown", String::as_str)
    }

    /// Section 5.5: names of the client whose addresses hold the client. Trouble means none.
    async fn validate(&mut self) {
        if self.validated.is_some() {
            return;
        }
        let mut validated = Vec::new();
        // The names are the client's to choose: silent ones must not use up the time of those
        // terms that the domain's owner wrote. Those found by then count.
        let _ = timeout(ASIDE, self.find_names(&mut validated)).await;
        self.validated = Some(validated);
    }

    async fn find_names(&self, validated: &mut Vec<String>) {
        let names = self.resolver.records(&reverse_name(self.client), Kind::Ptr).await;
        let kind = if self.client.is_ipv4() { Kind::A } else { Kind::Aaaa };
        for name in names.unwrap_or_default().into_iter().take(NAMES) {
            let Record::Name(name) = name else { continue };
            let addresses = self.resolver.records(&name, kind).await.unwrap_or_default();
            if addresses.contains(&Record::Address(self.client)) {
                validated.push(name);
            }
        }
    }

    /// Trouble ends the evaluation; an answer without records is counted.
    async fn look_up(&mut self, name: &str, kind: Kind) -> Result<Vec<Record>, Stop> {
        let records = match self.resolver.records(name, kind).await {
            Ok(records) => records,
            Err(DnsTrouble::NoSuchDomain) => Vec::new(),
            Err(DnsTrouble::Temporary(why)) => return Err(Stop::Temporary(why)),
        };
        if records.is_empty() {
            self.count_void(name)?;
        }
        Ok(records)
    }

    fn count_term(&mut self) -> Result<(), Stop> {
        self.terms += 1;
        match self.terms > TERMS {
            true => Err(Stop::Permanent(format!("more than {TERMS} terms ask DNS"))),
            false => Ok(()),
        }
    }

    fn count_void(&mut self, name: &str) -> Result<(), Stop> {
        self.voids += 1;
        match self.voids > VOIDS {
            true => Err(Stop::Permanent(format!(
                "more than {VOIDS} names without records, the last of them {name}"
            ))),
            false => Ok(()),
        }
    }

    fn is_client(&self, record: &Record, cidr: Cidr) -> bool {
        let Record::Address(address) = record else { return false };
        let prefix = if address.is_ipv4() { cidr.four } else { cidr.six };
        in_network(self.client, *address, prefix)
    }

    /// Section 6.2: any trouble means that there is no explanation.
    async fn explain(&mut self, spec: &DomainSpec, domain: &str) -> Option<String> {
        let target = self.target(Some(spec), domain).await;
        let records = self.resolver.records(&target, Kind::Txt).await.ok()?;
        let [Record::Text(text)] = records.as_slice() else { return None };
        let pattern = Pattern::parse(text, true).filter(|_| text.is_ascii())?;
        if pattern.uses('p') {
            self.validate().await;
        }
        let mut explanation = pattern.expand(&self.values(domain));
        explanation.retain(|letter| !letter.is_control());
        explanation.truncate(explanation.floor_char_boundary(EXPLANATION_OCTETS));
        (!explanation.is_empty() && explanation.is_ascii()).then_some(explanation)
    }
}

fn in_network(client: IpAddr, network: IpAddr, prefix: u8) -> bool {
    ipnet::IpNet::new(network, prefix).is_ok_and(|network| network.contains(&client))
}

fn is_within(name: &str, parent: &str) -> bool {
    let (name, parent) = (name.to_ascii_lowercase(), parent.to_ascii_lowercase());
    name.strip_suffix(&parent).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// RFC 1035 section 3.5 and RFC 3596 section 2.5.
pub(super) fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(four) => {
            let [a, b, c, d] = four.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(six) => {
            let nibbles: Vec<String> =
                format!("{:032x}", six.to_bits()).chars().rev().map(String::from).collect();
            format!("{}.ip6.arpa", nibbles.join("."))
        }
    }
}
