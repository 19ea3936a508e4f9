//! How a client behaved at the door, and what it called itself.
//!
//! In: the passage of an inbound mail. Out: sightings. Nothing here looks at the message, and
//! nothing is said of mail from own servers, own people, or networks of `limits.exempt`. Of
//! mail that an own relay passes on, the client is the one in front of it.
//! Standards: RFC 5321 sections 3.1, 4.1.1.1 and 4.1.3, RFC 2920 section 3.1.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Passage, Sighting};
use crate::config::Config;
use crate::mail::{Domain, Envelope, Facts, Manners, ReversePath, Role};

/// So many unknown recipients, or errors, are as bad as it gets.
const MANY_UNKNOWN: u16 = 10;
const MANY_ERRORS: u16 = 5;

/// Knows the names that belong to this box.
#[derive(Debug, Clone)]
pub struct Etiquette {
    hostname: Domain,
    protected: Vec<Domain>,
    exempt: Vec<IpNet>,
}

impl Etiquette {
    /// By the configuration.
    pub fn new(config: &Config) -> Etiquette {
        Etiquette {
            hostname: config.system.hostname.clone(),
            protected: config.domain.iter().map(|domain| domain.name.clone()).collect(),
            exempt: config.limits_of_clients().exempt,
        }
    }

    /// What an inbound client did wrong.
    pub fn look(&self, passage: Passage<'_>) -> Vec<Sighting> {
        let Passage { facts, envelope } = passage;
        let client = facts.client.to_canonical();
        if facts.role != Role::Inbound || self.exempt.iter().any(|net| net.contains(&client)) {
            return Vec::new();
        }
        let mut sightings = of_manners(&facts.manners);
        sightings.extend(self.of_helo(facts));
        sightings.extend(of_envelope(envelope));
        sightings
    }

    /// RFC 5321 section 4.1.1.1: a client's own domain name, or its address in brackets.
    fn of_helo(&self, facts: &Facts) -> Option<Sighting> {
        let helo = facts.helo.trim();
        if let Some(literal) = helo.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return of_literal(literal, facts.client);
        }
        let name = helo.strip_suffix('.').unwrap_or(helo).to_lowercase();
        if name.parse::<IpAddr>().is_ok() {
            return Some(Sighting::new("HELO_BARE_IP", name));
        }
        if name == self.hostname.as_str() {
            return Some(Sighting::new("HELO_OURS", name));
        }
        // An organisation's own web site, hosted elsewhere, may call itself by its domain.
        if self.protected.iter().any(|domain| domain.as_str() == name) {
            return Some(Sighting::strong("HELO_OURS", 0.5, name));
        }
        is_local(&name).then(|| Sighting::new("HELO_UNQUALIFIED", name))
    }
}

fn of_manners(manners: &Manners) -> Vec<Sighting> {
    let mut sightings = Vec::new();
    if manners.early_talker {
        sightings.push(Sighting::new("EARLY_TALKER", ""));
    }
    if manners.pipelined_unasked {
        sightings.push(Sighting::new("PIPELINED_UNASKED", ""));
    }
    let mut counted = |name, count: u16, many: u16| {
        if count > 0 {
            let strength = f32::from(count.min(many)) / f32::from(many);
            sightings.push(Sighting::strong(name, strength, format!("{count} in the session")));
        }
    };
    counted("UNKNOWN_RECIPIENTS", manners.unknown_recipients, MANY_UNKNOWN);
    counted("PROTOCOL_ERRORS", manners.errors, MANY_ERRORS);
    sightings
}

/// RFC 5321 section 4.1.3. Behind address translation a host knows only its inner address.
fn of_literal(literal: &str, client: IpAddr) -> Option<Sighting> {
    let is_v6 = literal.get(..5).is_some_and(|tag| tag.eq_ignore_ascii_case("IPv6:"));
    let address = if is_v6 { literal.get(5..).unwrap_or_default() } else { literal };
    match address.parse::<IpAddr>() {
        Ok(address) if address.to_canonical() == client.to_canonical() => None,
        Ok(_) => Some(Sighting::new("HELO_LITERAL_FOREIGN", format!("[{literal}]"))),
        Err(_) => Some(Sighting::new("HELO_UNQUALIFIED", format!("[{literal}]"))),
    }
}

/// Names that mean something in one house only (RFC 6761, RFC 6762, RFC 9476).
fn is_local(name: &str) -> bool {
    const LOCAL: [&str; 7] =
        ["localhost", "localdomain", "local", "lan", "internal", "invalid", "alt"];
    match name.rsplit_once('.') {
        None => true,
        Some((_, last)) => {
            LOCAL.contains(&last) || last.bytes().all(|octet| octet.is_ascii_digit())
        }
    }
}

/// RFC 5321 section 4.5.5: a report goes to the one who sent what it is about.
fn of_envelope(envelope: &Envelope) -> Option<Sighting> {
    let count = envelope.recipients.len();
    let is_odd = envelope.reverse_path == ReversePath::Null && count > 1;
    is_odd.then(|| Sighting::new("NULL_SENDER_MANY", format!("{count} recipients")))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::analysis::weights::Weights;
    use crate::mail::Recipient;

    fn etiquette() -> Etiquette {
        let text = "[system]\nhostname = \"mx.example.org\"\ndata_dir = \".\"\n\
                    postmaster = \"p@example.org\"\n[[domain]]\nname = \"example.org\"\n\
                    next_hop = [\"smtp://127.0.0.1:1\"]\n";
        Etiquette::new(&Config::parse(text, Path::new("t.toml"), Path::new("/")).unwrap())
    }

    fn facts(client: &str, helo: &str, manners: Manners) -> Facts {
        Facts {
            role: Role::Inbound,
            client: client.parse().unwrap(),
            helo: helo.to_owned(),
            extended: true,
            tls: None,
            account: None,
            received_ms: 0,
            manners,
        }
    }

    fn envelope(reverse_path: ReversePath, recipients: usize) -> Envelope {
        let recipient = || Recipient::plain("bob@example.org".parse().unwrap());
        Envelope {
            reverse_path,
            recipients: (0..recipients).map(|_| recipient()).collect(),
            body: Default::default(),
            smtputf8: false,
            dsn_return: None,
            envelope_id: None,
        }
    }

    fn names(facts: &Facts, envelope: &Envelope) -> Vec<&'static str> {
        let weights = Weights::shipped().unwrap();
        let sightings = etiquette().look(Passage { facts, envelope });
        let names = sightings.iter().map(|sighting| sighting.name).collect();
        for sighting in sightings {
            assert!(weights.weigh(sighting).score > 0.0);
        }
        names
    }

    #[test]
    fn what_a_client_calls_itself() {
        let table: [(&str, &str, &[&str]); 26] = [
            ("192.0.2.1", "mail.sender.test", &[]),
            ("192.0.2.1", "mail.sender.test.", &[]),
            ("192.0.2.1", "mail.example.org", &[]),
            ("192.0.2.1", "example.org.evil.test", &[]),
            ("192.0.2.1", "[192.0.2.1]", &[]),
            ("2001:db8::1", "[IPv6:2001:db8::1]", &[]),
            ("2001:db8::1", "[ipv6:2001:DB8:0::1]", &[]),
            ("::ffff:192.0.2.1", "[192.0.2.1]", &[]),
            ("192.0.2.1", "192.0.2.1", &["HELO_BARE_IP"]),
            ("192.0.2.1", "10.0.0.1", &["HELO_BARE_IP"]),
            ("2001:db8::1", "2001:db8::1", &["HELO_BARE_IP"]),
            ("192.0.2.1", "[10.0.0.1]", &["HELO_LITERAL_FOREIGN"]),
            ("192.0.2.1", "[IPv6:::1]", &["HELO_LITERAL_FOREIGN"]),
            ("192.0.2.1", "[mail.sender.test]", &["HELO_UNQUALIFIED"]),
            ("192.0.2.1", "[]", &["HELO_UNQUALIFIED"]),
            ("192.0.2.1", "mx.example.org", &["HELO_OURS"]),
            ("192.0.2.1", "MX.Example.ORG.", &["HELO_OURS"]),
            ("192.0.2.1", "example.org", &["HELO_OURS"]),
            ("192.0.2.1", "localhost", &["HELO_UNQUALIFIED"]),
            ("192.0.2.1", "localhost.localdomain", &["HELO_UNQUALIFIED"]),
            ("192.0.2.1", "PC-0815", &["HELO_UNQUALIFIED"]),
            ("192.0.2.1", "printer.lan", &["HELO_UNQUALIFIED"]),
            ("192.0.2.1", "1.2.3.4.5", &["HELO_UNQUALIFIED"]),
            ("192.0.2.1", "", &["HELO_UNQUALIFIED"]),
            ("127.0.0.1", "localhost", &[]),
            ("::1", "localhost", &[]),
        ];
        let envelope = envelope("a@sender.test".parse().map(ReversePath::Mailbox).unwrap(), 2);
        for (client, helo, expected) in table {
            let facts = facts(client, helo, Manners::default());
            assert_eq!(names(&facts, &envelope), expected, "{client} {helo}");
        }
    }

    #[test]
    fn how_a_client_behaves() {
        let manners = Manners {
            early_talker: true,
            pipelined_unasked: true,
            unknown_recipients: 5,
            errors: 9,
        };
        let rude = facts("192.0.2.1", "mail.sender.test", manners);
        let report = envelope(ReversePath::Null, 2);
        let all = [
            "EARLY_TALKER",
            "PIPELINED_UNASKED",
            "UNKNOWN_RECIPIENTS",
            "PROTOCOL_ERRORS",
            "NULL_SENDER_MANY",
        ];
        assert_eq!(names(&rude, &report), all);
        assert_eq!(names(&rude, &envelope(ReversePath::Null, 1)), all[..4]);
        let strengths = etiquette().look(Passage { facts: &rude, envelope: &report });
        assert_eq!((strengths[2].strength, strengths[3].strength), (0.5, 1.0));
        for role in [Role::Outbound, Role::Submission] {
            assert!(names(&Facts { role, ..rude.clone() }, &report).is_empty());
        }
        let exempt = Facts { client: "::ffff:127.0.0.1".parse().unwrap(), ..rude };
        assert!(names(&exempt, &report).is_empty());
    }
}
