//! Whether the resolver works, and whether DNS leads mail of the protected domains to this box.
//!
//! In: the configuration, the addresses of this machine. Out: [`Topic`]s, each with what was
//! found, for the page and for the API. All questions are asked side by side under one deadline,
//! so that dead name servers cost seconds once and not once a question; which ones were not
//! answered is said.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;
use maud::{Markup, html};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};
use warp::http::StatusCode;

use super::steps::page;
use crate::admin::site::{Call, Refusal};
use crate::config::Config;
use crate::mail::Domain;
use crate::net::resolver::{Answering, DnsResolver, DnsTrouble, MxAnswer, MxHost, Resolve};
use crate::web::answer::Answer;

/// Domains that are looked at in one check.
const DOMAINS: usize = 20;
const EXCHANGES: usize = 8;
const ADDRESSES: usize = 4;
/// For all questions together.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was found about one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::admin::site) struct Topic {
    /// A domain, this box, or the resolver.
    pub(in crate::admin::site) about: String,
    /// In the order in which they matter.
    pub(in crate::admin::site) findings: Vec<Found>,
}

/// One line of the check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::admin::site) struct Found {
    /// How good that is.
    pub(in crate::admin::site) how: How,
    /// In plain words.
    pub(in crate::admin::site) words: String,
}

/// How good something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::admin::site) enum How {
    /// As it is to be.
    Good,
    /// It works, and could be better, or may be meant so.
    Doubtful,
    /// Mail does not come here that way yet.
    Bad,
    /// Nobody answered, or not in time.
    Silent,
}

fn found(how: How, words: String) -> Found {
    Found { how, words }
}

fn topic(about: impl Into<String>, findings: Vec<Found>) -> Topic {
    Topic { about: about.into(), findings }
}

/// Asks the resolver of the configuration now.
pub(in crate::admin::site) async fn checked(call: &Call) -> Vec<Topic> {
    let config = call.site.steering.config();
    match DnsResolver::new(&config.dns) {
        Ok(resolver) => check(&config, &resolver, &interfaces()).await,
        Err(error) => vec![topic("The resolver", vec![found(How::Bad, error.to_string())])],
    }
}

pub(super) async fn show(call: Call) -> Result<Answer, Refusal> {
    let topics = checked(&call).await;
    let content = html! {
        p.soft { "Asked just now, by the box's own resolver. " a href="/settings/section/dns" { "Which name servers it asks" } }
        @for topic in &topics { (card(topic)) }
        p { a.button.plain href="/setup/dns" { "Ask again" } }
    };
    Ok(page(&call, StatusCode::OK, "/setup/dns", &content))
}

fn card(topic: &Topic) -> Markup {
    html! {
        section.card {
            h2 { (topic.about) }
            ul {
                @for line in &topic.findings {
                    li {
                        @match line.how {
                            How::Good => { span.badge.good { "good" } }
                            How::Doubtful => { span.badge.warn { "look at this" } }
                            How::Bad => { span.badge.bad { "not yet" } }
                            How::Silent => { span.badge.bad { "no answer" } }
                        }
                        " " (line.words)
                    }
                }
            }
        }
    }
}

/// The addresses of this machine that others can have.
fn interfaces() -> BTreeSet<IpAddr> {
    let all = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let addresses = all.filter_map(|one| {
        let address = one.address?;
        let four = address.as_sockaddr_in().map(|four| IpAddr::V4(four.ip()));
        four.or_else(|| address.as_sockaddr_in6().map(|six| IpAddr::V6(six.ip())))
    });
    addresses.filter(|address| !address.is_loopback()).collect()
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Unanswered {
    /// There is nothing of that name.
    NoSuchDomain,
    /// Nobody answered in time.
    Silent,
    /// The servers are to blame.
    Trouble(String),
}

impl Unanswered {
    /// As a line about something; how bad it is that there is nothing of that name.
    fn about(&self, what: &str, how: How) -> Found {
        match self {
            Unanswered::NoSuchDomain => found(how, format!("{what}: no such domain")),
            Unanswered::Silent => {
                found(How::Silent, format!("{what}: not answered within {} s", PATIENCE.as_secs()))
            }
            Unanswered::Trouble(why) => found(How::Silent, format!("{what}: {why}")),
        }
    }
}

type Answered<T> = Result<T, Unanswered>;

/// Who is asked, and until when.
#[derive(Clone, Copy)]
struct Asking<'r> {
    resolver: &'r dyn Resolve,
    until: Instant,
}

impl Asking<'_> {
    async fn within<T>(&self, answering: Answering<'_, T>) -> Answered<T> {
        match timeout_at(self.until, answering).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(DnsTrouble::NoSuchDomain)) => Err(Unanswered::NoSuchDomain),
            Ok(Err(error)) => Err(Unanswered::Trouble(error.to_string())),
            Err(_) => Err(Unanswered::Silent),
        }
    }
}

/// What DNS says of the box's own name.
struct OfHost {
    addresses: Answered<Vec<IpAddr>>,
    names: Vec<(IpAddr, Answered<Vec<Domain>>)>,
}

/// What DNS says of a protected domain.
struct OfDomain {
    mx: Answered<MxAnswer>,
    exchanges: Vec<(MxHost, Answered<Vec<IpAddr>>)>,
    spf: Found,
    dmarc: Found,
}

async fn check(
    config: &Config,
    resolver: &dyn Resolve,
    interfaces: &BTreeSet<IpAddr>,
) -> Vec<Topic> {
    let asking = Asking { resolver, until: Instant::now() + PATIENCE };
    let hostname = &config.system.hostname;
    let names: Vec<&Domain> = config.domain.iter().take(DOMAINS).map(|one| &one.name).collect();
    let of_domains = join_all(names.iter().map(|name| of_domain(asking, name)));
    let (host, domains) = tokio::join!(of_host(asking, hostname), of_domains);
    let mut own = interfaces.clone();
    own.extend(host.addresses.iter().flatten());
    let mut topics = vec![topic("This box", of_this_box(&host, hostname))];
    for (name, answers) in names.into_iter().zip(domains) {
        let mut lines = exchangers(&answers, name, hostname, &own);
        lines.extend([answers.spf, answers.dmarc]);
        topics.push(topic(name.to_string(), lines));
    }
    if let Some(words) = silence(&topics) {
        topics.insert(0, topic("The resolver", vec![found(How::Silent, words)]));
    }
    let left_out = config.domain.len().saturating_sub(DOMAINS);
    if left_out > 0 {
        let words = format!("{left_out} more domains are not asked for here");
        topics.push(topic("Further domains", vec![found(How::Doubtful, words)]));
    }
    topics
}

/// What is to be said where nobody answered in time.
fn silence(topics: &[Topic]) -> Option<String> {
    let lines = || topics.iter().flat_map(|topic| &topic.findings);
    let silent = lines().filter(|line| line.how == How::Silent).count();
    match lines().count() {
        _ if silent == 0 => None,
        all if silent == all => Some(
            "no question was answered: the name servers are not reached, or are too slow".into(),
        ),
        all => Some(format!(
            "{silent} of {all} questions were not answered; ask again, and look at the name \
             servers when it stays so"
        )),
    }
}

async fn of_host(asking: Asking<'_>, hostname: &Domain) -> OfHost {
    let addresses = asking.within(asking.resolver.addresses(hostname)).await;
    let few: Vec<IpAddr> = addresses.iter().flatten().take(ADDRESSES).copied().collect();
    let named = few.into_iter().map(|address| async move {
        (address, asking.within(asking.resolver.reverse(address)).await)
    });
    OfHost { names: join_all(named).await, addresses }
}

async fn of_domain(asking: Asking<'_>, name: &Domain) -> OfDomain {
    let dmarc = format!("_dmarc.{name}");
    let ((mx, exchanges), spf, dmarc) = tokio::join!(
        of_exchangers(asking, name),
        text(asking, name.as_str(), "v=spf1", "SPF"),
        text(asking, &dmarc, "v=DMARC1", "DMARC"),
    );
    OfDomain { mx, exchanges, spf, dmarc }
}

type Exchanges = Vec<(MxHost, Answered<Vec<IpAddr>>)>;

async fn of_exchangers(asking: Asking<'_>, name: &Domain) -> (Answered<MxAnswer>, Exchanges) {
    let mx = asking.within(asking.resolver.mx(name)).await;
    let hosts = match &mx {
        Ok(MxAnswer::Hosts(hosts)) => hosts.iter().take(EXCHANGES).cloned().collect(),
        _ => Vec::new(),
    };
    let asked = hosts.into_iter().map(|host| async move {
        let addresses = asking.within(asking.resolver.addresses(&host.exchange)).await;
        (host, addresses)
    });
    (mx, join_all(asked).await)
}

fn of_this_box(host: &OfHost, hostname: &Domain) -> Vec<Found> {
    match &host.addresses {
        Ok(addresses) if addresses.is_empty() => {
            vec![found(How::Bad, format!("{hostname} has no address in DNS"))]
        }
        Ok(addresses) => {
            let words = format!("{hostname} has the address {}", listed(addresses));
            let reverse = host.names.iter();
            let reverse = reverse.map(|(address, names)| reverse_line(*address, names, hostname));
            std::iter::once(found(How::Good, words)).chain(reverse).collect()
        }
        Err(why) => vec![why.about(hostname.as_str(), How::Bad)],
    }
}

fn listed<T: ToString>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn reverse_line(address: IpAddr, names: &Answered<Vec<Domain>>, hostname: &Domain) -> Found {
    match names {
        Ok(names) if names.contains(hostname) => {
            found(How::Good, format!("{address} leads back to {hostname}"))
        }
        Ok(names) if names.is_empty() => found(
            How::Doubtful,
            format!("{address} has no name (PTR): some servers refuse mail from it"),
        ),
        Ok(names) => {
            found(How::Doubtful, format!("{address} is called {}, not {hostname}", listed(names)))
        }
        Err(why) => why.about(&format!("the name of {address}"), How::Doubtful),
    }
}

fn exchangers(
    answers: &OfDomain,
    domain: &Domain,
    hostname: &Domain,
    own: &BTreeSet<IpAddr>,
) -> Vec<Found> {
    match &answers.mx {
        Ok(MxAnswer::Hosts(_)) => {}
        Ok(MxAnswer::NullMx) => {
            let words = format!("{domain} says that it takes no mail (null MX)");
            return vec![found(How::Bad, words)];
        }
        Ok(MxAnswer::NoMx) => {
            let words =
                format!("{domain} has no MX record: mail goes to its own address, if it has one");
            return vec![found(How::Bad, words)];
        }
        Err(why) => return vec![why.about(&format!("MX of {domain}"), How::Bad)],
    }
    let one = |(host, addresses): &(MxHost, Answered<Vec<IpAddr>>)| {
        let named = format!("MX {} {}", host.preference, host.exchange);
        let (how, words) = match addresses {
            _ if host.exchange == *hostname => (How::Good, "this box by its name".to_owned()),
            Ok(addresses) => match addresses.iter().find(|address| own.contains(address)) {
                Some(address) => (How::Good, format!("this box by its address {address}")),
                None if addresses.is_empty() => (How::Doubtful, "it has no address".to_owned()),
                None => {
                    let other = "another host, unless an address is translated on the way";
                    (How::Doubtful, format!("{}: {other}", listed(addresses)))
                }
            },
            Err(why) => return why.about(&named, How::Doubtful),
        };
        found(how, format!("{named}: {words}"))
    };
    let mut lines: Vec<Found> = answers.exchanges.iter().map(one).collect();
    if lines.iter().all(|line| line.how == How::Doubtful) {
        let words =
            format!("no MX record of {domain} names this box: its mail does not come here yet");
        lines.push(found(How::Bad, words));
    }
    lines
}

async fn text(asking: Asking<'_>, name: &str, begin: &str, what: &str) -> Found {
    let Ok(domain) = Domain::parse(name) else {
        return found(How::Doubtful, format!("{name} is no name in DNS"));
    };
    let none = || found(How::Doubtful, format!("no {what} record: others can write in its name"));
    match asking.within(asking.resolver.txt(&domain)).await {
        Ok(texts) => match texts.iter().find(|text| text.starts_with(begin)) {
            Some(text) => found(How::Good, format!("{what}: {text}")),
            None => none(),
        },
        Err(Unanswered::NoSuchDomain) => none(),
        Err(why) => why.about(what, How::Doubtful),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::resolver::mock::MockResolver;
    use crate::net::resolver::{Kind, Record};

    /// Name servers that nobody reaches.
    struct Dead;

    impl Resolve for Dead {
        fn mx<'a>(&'a self, _: &'a Domain) -> Answering<'a, MxAnswer> {
            Box::pin(std::future::pending())
        }

        fn addresses<'a>(&'a self, _: &'a Domain) -> Answering<'a, Vec<IpAddr>> {
            Box::pin(std::future::pending())
        }

        fn reverse<'a>(&'a self, _: IpAddr) -> Answering<'a, Vec<Domain>> {
            Box::pin(std::future::pending())
        }

        fn records<'a>(&'a self, _: &'a str, _: Kind) -> Answering<'a, Vec<Record>> {
            Box::pin(std::future::pending())
        }
    }

    fn config(domains: &[&str]) -> Config {
        let mut text = "[system]\nhostname = \"mx.box.test\"\ndata_dir = \"/x\"\n\
                        postmaster = \"p@box.test\"\n"
            .to_owned();
        for name in domains {
            text +=
                &format!("[[domain]]\nname = \"{name}\"\nnext_hop = [\"smtp://127.0.0.1:1\"]\n");
        }
        Config::parse(&text, std::path::Path::new("x"), std::path::Path::new("/")).unwrap()
    }

    #[tokio::test]
    async fn dead_name_servers_cost_three_seconds_whatever_is_asked() {
        let names: Vec<String> = (0..30).map(|at| format!("d{at}.test")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let begun = Instant::now();
        let topics = check(&config(&names), &Dead, &BTreeSet::new()).await;
        assert!(begun.elapsed() < PATIENCE + Duration::from_millis(100), "{:?}", begun.elapsed());
        let (first, rest) = topics.split_first().unwrap();
        assert_eq!(first.about, "The resolver");
        assert!(first.findings[0].words.starts_with("no question was answered"), "{first:?}");
        assert_eq!(rest.len(), 1 + DOMAINS + 1, "the box, domains, and those left out");
        assert_eq!(rest[1].about, "d0.test");
        let lines = rest.iter().take(1 + DOMAINS).flat_map(|topic| &topic.findings);
        assert!(lines.clone().all(|line| line.how == How::Silent), "{rest:?}");
        assert_eq!(lines.count(), 1 + 3 * DOMAINS, "each question that was not answered");
    }

    #[tokio::test]
    async fn answers_are_told_and_weighed() {
        let table = "mx.box.test A 192.0.2.1\nmx.other.test A 192.0.2.9\n\
                     here.test MX 10 mx.box.test\nhere.test TXT \"v=spf1 mx -all\"\n\
                     there.test MX 10 mx.other.test\n";
        let resolver = MockResolver::parse(table).unwrap();
        let topics =
            check(&config(&["here.test", "there.test"]), &resolver, &BTreeSet::new()).await;
        let of = |about: &str| &topics.iter().find(|topic| topic.about == about).unwrap().findings;
        assert_eq!(of("This box")[0].how, How::Good, "{topics:?}");
        let here: Vec<How> = of("here.test").iter().map(|line| line.how).collect();
        assert_eq!(here, [How::Good, How::Good, How::Doubtful], "{topics:?}");
        let there: Vec<How> = of("there.test").iter().map(|line| line.how).collect();
        assert_eq!(there, [How::Doubtful, How::Bad, How::Doubtful, How::Doubtful], "{topics:?}");
        assert!(!topics.iter().any(|topic| topic.about == "The resolver"), "{topics:?}");
    }
}
