//! How the box is: queue, disk, memory, virus scanners, certificate, DNS.
//!
//! Every line says whether it is well in words, not by colour alone, and leads to where more is
//! said or something can be done.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use maud::{Markup, html};
use nix::sys::statvfs::statvfs;
use schemars::JsonSchema;
use serde::Serialize;

use super::certificate;
use crate::admin::api::AntivirusRow;
use crate::admin::site::{Call, Refusal, pieces};
use crate::config::{Config, Dns};
use crate::mail::Domain;
use crate::net::resolver::{DnsResolver, DnsTrouble, Resolve};

const DAY_MS: u64 = 86_400_000;
/// A certificate is renewed well before this.
const CERTIFICATE_DAYS: u64 = 14;
/// DNS is asked anew after this.
const DNS_KEPT: Duration = Duration::from_secs(60);
const DNS_PATIENCE: Duration = Duration::from_secs(2);

/// How DNS answered last.
static DNS_SEEN: Mutex<Option<(Instant, Result<Duration, String>)>> = Mutex::new(None);

/// One thing, and whether it is well.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::admin::site) struct Line {
    /// What.
    name: &'static str,
    /// Absent where there is no better or worse.
    is_well: Option<bool>,
    /// How it is.
    words: String,
    /// The page where more is said or something can be done; empty where there is none.
    there: &'static str,
}

impl Line {
    /// Whether somebody is to look at it.
    pub(in crate::admin::site) fn is_ill(&self) -> bool {
        self.is_well == Some(false)
    }
}

/// What to look at now, in a line; and how everything is, as a table.
pub(super) async fn shown(call: &Call) -> Result<(Markup, Markup), Refusal> {
    let lines = lines(call).await?;
    Ok((attention(&lines), table(&lines)))
}

/// How everything is.
pub(in crate::admin::site) async fn lines(call: &Call) -> Result<Vec<Line>, Refusal> {
    let config = call.site.steering.config();
    let dns = dns(&config).await;
    let desk = call.desk();
    let lines = call
        .blocking(move || {
            let status = desk.status();
            let mut lines = vec![
                Line {
                    name: "Queue",
                    is_well: Some(!status.full),
                    words: match status.full {
                        true => "full: new mail is put off".into(),
                        false => format!(
                            "{} active, {} waiting, {} held",
                            status.active, status.deferred, status.hold
                        ),
                    },
                    there: "/queue",
                },
                Line {
                    name: "Quarantine",
                    is_well: None,
                    words: format!(
                        "{} kept, {} of them waiting for an approval",
                        pieces::count(desk.quarantine.count() as u64),
                        desk.quarantine.waiting_count()
                    ),
                    there: "/quarantine",
                },
                disk(&desk.data_dir),
                memory(status.reception_octets),
                tls(&config, &desk.data_dir),
            ];
            lines.extend(antivirus(&desk.watchful.standing()));
            Ok(lines)
        })
        .await?;
    Ok(lines.into_iter().chain([dns]).collect())
}

fn attention(lines: &[Line]) -> Markup {
    let ill = || lines.iter().filter(|line| line.is_ill());
    html! {
        @if ill().next().is_none() {
            p.lead { span.badge.good { "well" } " The box is well. " a.small href="#box" { "How it is" } }
        } @else {
            div.notice.bad role="status" {
                b { "Look at this:" }
                ul { @for line in ill() {
                    li { a href=(if line.there.is_empty() { "#box" } else { line.there }) { (line.name) } " – " (line.words) }
                } }
            }
        }
    }
}

fn table(lines: &[Line]) -> Markup {
    html! {
        h2 #box { "The box" }
        div.scroll { table.stack {
            caption.visually-hidden { "How the box is" }
            thead.visually-hidden { tr { th scope="col" { "What" } th scope="col" { "Well" } th scope="col" { "How it is" } } }
            tbody { @for line in lines {
                tr {
                    th scope="row" { @if line.there.is_empty() { (line.name) } @else { a href=(line.there) { (line.name) } } }
                    td data-name="Well" {
                        @match line.is_well {
                            Some(true) => span.badge.good { "well" },
                            Some(false) => span.badge.bad { "look here" },
                            None => {},
                        }
                    }
                    td data-name="How it is" { (line.words) }
                }
            } }
        } }
    }
}

fn disk(data_dir: &Path) -> Line {
    let (is_well, words) = match statvfs(data_dir) {
        Ok(seen) => {
            let block = seen.fragment_size();
            let (free, all) = (seen.blocks_available() * block, (seen.blocks() * block).max(1));
            let words = format!("{} free of {}", pieces::size(free), pieces::size(all));
            (free * 10 > all, words)
        }
        Err(error) => (false, format!("cannot be told: {error}")),
    };
    Line { name: "Disk", is_well: Some(is_well), words, there: "" }
}

fn memory(reception_octets: u64) -> Line {
    let own = field("/proc/self/status", "VmRSS:").map(pieces::size);
    let free = field("/proc/meminfo", "MemAvailable:");
    let words = format!(
        "{} used by the box, {} of them mail in reception; {} available",
        own.unwrap_or_else(|| "unknown".into()),
        pieces::size(reception_octets),
        free.map_or_else(|| "unknown".into(), pieces::size)
    );
    Line { name: "Memory", is_well: free.map(|free| free > 128 << 20), words, there: "" }
}

/// A line of /proc in octets.
fn field(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}

fn tls(config: &Config, data_dir: &Path) -> Line {
    let own = data_dir.join("tls").join("self-signed.pem");
    let (file, kind) = match &config.tls.certificate {
        Some(file) => (file.as_path(), ""),
        None => (own.as_path(), ", self-signed"),
    };
    let now_ms = crate::delivery::outcome::ms_since_1970(std::time::SystemTime::now());
    let days = certificate::good_until_ms(file).map(|until| until.saturating_sub(now_ms) / DAY_MS);
    let words = match days {
        Some(days) => format!("good for {days} more days{kind}"),
        None => "cannot be read".into(),
    };
    let is_well = days.is_some_and(|days| days >= CERTIFICATE_DAYS);
    Line { name: "Certificate", is_well: Some(is_well), words, there: "/setup/certificate" }
}

fn antivirus(standing: &AntivirusRow) -> Vec<Line> {
    if standing.clamds.is_empty() {
        let words = "none is configured: files are judged by their form alone".to_owned();
        return vec![Line {
            name: "Virus scanner",
            is_well: None,
            words,
            there: "/setup/antivirus",
        }];
    }
    let line = |row: &crate::admin::api::ClamdRow| {
        let age = row.built.as_deref().and_then(age);
        let words = match (row.answers, age) {
            (false, _) => format!("{} does not answer", row.address),
            (true, Some(age)) => format!("{}: {}, signatures {age}", row.address, row.engine),
            (true, None) => format!("{}: {}, signatures of unknown age", row.address, row.engine),
        };
        let is_well = row.answers && !standing.stale;
        Line { name: "Virus scanner", is_well: Some(is_well), words, there: "/setup/antivirus" }
    };
    standing.clamds.iter().map(line).collect()
}

fn age(built: &str) -> Option<String> {
    let built: jiff::Timestamp = built.parse().ok()?;
    let hours = jiff::Timestamp::now().duration_since(built).as_hours();
    Some(match hours {
        ..=47 => format!("{hours} hours old"),
        hours => format!("{} days old", hours / 24),
    })
}

/// Whether DNS answers, as it did within the last minute.
async fn dns(config: &Config) -> Line {
    let kept = DNS_SEEN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let seen = match kept.filter(|(at, _)| at.elapsed() < DNS_KEPT) {
        Some((_, seen)) => seen,
        None => {
            let seen = ask(&config.dns, &config.system.hostname).await;
            let mut kept = DNS_SEEN.lock().unwrap_or_else(PoisonError::into_inner);
            *kept = Some((Instant::now(), seen.clone()));
            seen
        }
    };
    let (is_well, words) = match seen {
        Ok(took) => (true, format!("answers within {} ms", took.as_millis())),
        Err(why) => (false, format!("does not answer: {why}")),
    };
    Line { name: "DNS", is_well: Some(is_well), words, there: "/setup/dns" }
}

/// Asks for the addresses of the box's own name. That there are none is an answer, too.
async fn ask(dns: &Dns, hostname: &Domain) -> Result<Duration, String> {
    let resolver = DnsResolver::new(dns).map_err(|error| error.to_string())?;
    let began = Instant::now();
    let asked = tokio::time::timeout(DNS_PATIENCE, resolver.addresses(hostname)).await;
    match asked {
        Ok(Ok(_) | Err(DnsTrouble::NoSuchDomain)) => Ok(began.elapsed()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", DNS_PATIENCE.as_secs())),
    }
}
