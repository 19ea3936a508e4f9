//! What the shape of the file cannot say: contradictions between values.

use super::error::Contradiction;
use super::{Config, RecipientCheck};
use crate::mail::Role;

type Checked = Result<(), Contradiction>;

pub(super) fn check(config: &Config) -> Checked {
    listeners(config)?;
    domains(config)?;
    tls(config)?;
    timing(config)?;
    policy(config)?;
    impersonation(config)?;
    limits(config)
}

fn policy(config: &Config) -> Checked {
    let policy = &config.policy;
    let of_domains = policy.domain.iter().map(|domain| &domain.terms);
    let all = [&policy.inbound, &policy.outbound, &policy.submission].into_iter().chain(of_domains);
    for terms in all {
        let scores =
            [("tag", terms.tag), ("quarantine", terms.quarantine), ("reject", terms.reject)];
        for (name, score) in scores {
            if score.is_some_and(f32::is_nan) {
                return wrong(format!("{name} = "), format!("`{name}` is not a number"));
            }
        }
    }
    Ok(())
}

fn impersonation(config: &Config) -> Checked {
    let settings = &config.impersonation;
    for person in &settings.people {
        if person.name.chars().filter(|letter| letter.is_alphabetic()).count() < 2 {
            return wrong("[impersonation]", "a person in `people` needs a name");
        }
    }
    for brand in &settings.brands {
        if brand.domains.is_empty() || brand.name.trim().is_empty() {
            let what = format!("brand `{}` needs a name and `domains`", brand.name);
            return wrong("[impersonation]", what);
        }
    }
    let texts = [
        ("first_time_banner", &settings.first_time_banner),
        ("first_time_tag", &settings.first_time_tag),
    ];
    for (name, text) in texts {
        if text.as_ref().is_some_and(|text| text.contains(['\r', '\n']) || text.trim().is_empty()) {
            return wrong(name, format!("`{name}` must be one line of text"));
        }
    }
    Ok(())
}

fn wrong(near: impl Into<String>, what: impl Into<String>) -> Checked {
    Err(Contradiction { near: near.into(), what: what.into() })
}

fn listeners(config: &Config) -> Checked {
    for (at, listen) in config.listen.iter().enumerate() {
        let address = listen.address.to_string();
        if listen.role == Role::Outbound && listen.networks.is_empty() {
            return wrong(
                address,
                "an outbound listener must name its `networks`, or it would be an open relay",
            );
        }
        // Together, for two halves are a whole.
        let networks = ipnet::IpNet::aggregate(&listen.networks);
        if listen.role == Role::Outbound && networks.iter().any(|net| net.prefix_len() == 0) {
            return wrong(address, "an outbound listener for every network would be an open relay");
        }
        if config.listen.iter().skip(at + 1).any(|other| other.address == listen.address) {
            return wrong(address, format!("two listeners for {}", listen.address));
        }
    }
    Ok(())
}

fn domains(config: &Config) -> Checked {
    for (at, domain) in config.domain.iter().enumerate() {
        let name = domain.name.as_str();
        if domain.next_hop.is_empty() {
            return wrong(name, format!("domain {name} has no `next_hop`"));
        }
        if config.domain.iter().skip(at + 1).any(|other| other.name == domain.name) {
            return wrong(name, format!("domain {name} is given twice"));
        }
        match domain.recipients {
            RecipientCheck::List if domain.addresses.is_empty() => {
                return wrong(
                    name,
                    format!("domain {name}: `recipients = \"list\"` needs `addresses`"),
                );
            }
            RecipientCheck::Any if !domain.addresses.is_empty() => {
                return wrong(
                    name,
                    format!("domain {name}: `addresses` needs `recipients = \"list\"`"),
                );
            }
            RecipientCheck::Ldap | RecipientCheck::Callout => {
                return wrong(
                    name,
                    format!(
                        "domain {name}: only `recipients = \"any\"` and `\"list\"` are in this version"
                    ),
                );
            }
            RecipientCheck::Any | RecipientCheck::List => {}
        }
    }
    Ok(())
}

fn tls(config: &Config) -> Checked {
    match config.tls.certificate.is_some() == config.tls.key.is_some() {
        true => Ok(()),
        false => wrong("[tls]", "`certificate` and `key` go together"),
    }
}

fn timing(config: &Config) -> Checked {
    let delivery = &config.delivery;
    if delivery.retry_first_s == 0 || delivery.retry_max_s < delivery.retry_first_s {
        return wrong("retry_", "`retry_first_s` must be at least 1 and at most `retry_max_s`");
    }
    if delivery.connections_per_destination == 0 || delivery.connections == 0 {
        return wrong("connections", "at least one connection is needed to deliver");
    }
    if delivery.mails_per_connection == 0 {
        return wrong("mails_per_connection", "a connection must carry at least one mail");
    }
    match config.antivirus.as_ref().is_some_and(|av| av.connections == 0 || av.timeout_s == 0) {
        true => wrong("[antivirus]", "`connections` and `timeout_s` must be at least 1"),
        false => Ok(()),
    }
}

fn limits(config: &Config) -> Checked {
    let limits = &config.limits;
    // RFC 5321 section 4.5.3.1: the least that a receiver must take.
    let floors: [(&str, u64, u64); 15] = [
        ("recipients", limits.recipients as u64, 100),
        ("command_octets", limits.command_octets as u64, 512),
        ("text_line_octets", limits.text_line_octets, 1_000),
        ("message_octets", limits.message_octets, 65_536),
        ("errors", u64::from(limits.errors), 1),
        ("idle_commands", u64::from(limits.idle_commands), 1),
        ("connections", limits.connections as u64, 1),
        ("mails_per_connection", u64::from(limits.mails_per_connection), 1),
        ("hops", limits.hops as u64, 1),
        ("command_timeout_s", limits.command_timeout_s, 1),
        ("data_timeout_s", limits.data_timeout_s, 1),
        ("handshake_timeout_s", limits.handshake_timeout_s, 1),
        ("session_timeout_s", limits.session_timeout_s, 1),
        ("analysis_timeout_s", limits.analysis_timeout_s, 1),
        ("memory_octets_per_message", limits.memory_octets_per_message as u64, 1),
    ];
    for (name, given, floor) in floors {
        if given < floor {
            return wrong(name, format!("`{name}` must be at least {floor}"));
        }
    }
    match limits.budget_octets < limits.message_octets {
        true => wrong(
            "budget_octets",
            "`budget_octets` must hold at least one message of `message_octets`",
        ),
        false => Ok(()),
    }
}
