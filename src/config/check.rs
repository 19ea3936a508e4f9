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
    authentication(config)?;
    dmarc_reports(config)?;
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

fn dmarc_reports(config: &Config) -> Checked {
    let reports = &config.authentication.reports;
    let Some(author) = reports.author() else {
        return match reports.send {
            true => wrong("send", "`send` needs `from` or `address` in [authentication.reports]"),
            false => Ok(()),
        };
    };
    // RFC 9990: a report is an attachment under a name in ASCII, to whoever asks for it; few
    // of them take addresses that are not.
    if reports.send && (author.needs_smtputf8() || author.domain().is_none()) {
        return wrong(author.to_string(), "the author of reports must be an ASCII address");
    }
    if reports.send && reports.max_domains_per_day == 0 {
        return wrong("max_domains_per_day", "`max_domains_per_day` must be at least 1");
    }
    let texts = [&reports.org_name, &reports.extra_contact];
    match texts.into_iter().flatten().find(|text| text.chars().any(char::is_control)) {
        Some(text) => wrong(text.clone(), "a name of [authentication.reports] holds controls"),
        None => Ok(()),
    }
}

fn authentication(config: &Config) -> Checked {
    let given = &config.authentication;
    if given.timeout_s == 0 {
        return wrong("timeout_s", "`authentication.timeout_s` must be at least 1");
    }
    if given.trusted_relays.iter().any(|network| network.prefix_len() == 0) {
        return wrong(
            "trusted_relays",
            "`trusted_relays` for every network would trust any client",
        );
    }
    for (at, one) in given.overrides.iter().enumerate() {
        let name = one.domain.as_str();
        if given.overrides.iter().skip(at + 1).any(|other| other.domain == one.domain) {
            return wrong(name, format!("two overrides for {name}"));
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
