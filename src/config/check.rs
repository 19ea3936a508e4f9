//! What the shape of the file cannot say: contradictions between values.

use super::error::Contradiction;
use super::{Config, RecipientCheck, SenderEntry};
use crate::mail::Role;

type Checked = Result<(), Contradiction>;

pub(super) fn check(config: &Config) -> Checked {
    listeners(config)?;
    domains(config)?;
    tls(config)?;
    timing(config)?;
    policy(config)?;
    history(config)?;
    lists(config)?;
    door(config)?;
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

fn door(config: &Config) -> Checked {
    let door = &config.door;
    // RFC 5321 section 4.5.3.2: clients wait five minutes for a greeting, a MAIL and a RCPT;
    // what comes near that loses mail.
    const LONGEST_MS: u64 = 60_000;
    // A year: beyond it a moment may not be expressible.
    const YEAR_S: u64 = 365 * 24 * 3_600;
    let ceilings = [
        ("greeting_delay_ms", door.greeting_delay_ms, LONGEST_MS),
        ("tarpit_ms", door.tarpit_ms, LONGEST_MS),
        ("tarpit_max_ms", door.tarpit_max_ms, LONGEST_MS),
        ("greeting_remembered_h", door.greeting_remembered_h, YEAR_S / 3_600),
        ("harvest_block_s", door.harvest_block_s, YEAR_S),
    ];
    for (name, given, ceiling) in ceilings {
        if given > ceiling {
            return wrong(name, format!("`{name}` must be at most {ceiling}"));
        }
    }
    match door.tarpit_max_ms < door.tarpit_ms {
        true => wrong("tarpit_max_ms", "`tarpit_max_ms` must not be less than `tarpit_ms`"),
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

fn history(config: &Config) -> Checked {
    let history = &config.history;
    let scores = [history.good_below, history.suspicious_from, history.bad_from];
    if scores.iter().any(|score| !score.is_finite()) || !scores.is_sorted() {
        let what = "`good_below`, `suspicious_from` and `bad_from` must be numbers that rise";
        return wrong("[history]", what);
    }
    if history.half_life_days == 0 || history.half_life_days > 3_650 {
        return wrong("half_life_days", "`half_life_days` must be from 1 to 3650");
    }
    let greylist = &history.greylist;
    if !greylist.from_score.is_finite() {
        return wrong("from_score", "`from_score` is not a number");
    }
    // A sender gives up after four or five days (RFC 5321 section 4.5.4.1).
    if greylist.delay_s == 0 || greylist.delay_s > 14_400 {
        return wrong("delay_s", "`delay_s` must be from 1 to 14400, four hours");
    }
    if greylist.window_s < greylist.delay_s.saturating_mul(2) || greylist.window_s > 604_800 {
        let what = "`window_s` must be at least twice `delay_s` and at most 604800, a week";
        return wrong("window_s", what);
    }
    match (1..=400).contains(&greylist.allow_days) {
        true => Ok(()),
        false => wrong("allow_days", "`allow_days` must be from 1 to 400"),
    }
}

fn lists(config: &Config) -> Checked {
    let lists = &config.lists;
    let of_domains =
        lists.domain.iter().map(|own| (own.name.to_string(), &own.trusted, &own.blocked));
    let of_users = lists.user.iter().map(|own| (own.address.key(), &own.trusted, &own.blocked));
    let site = ("the site".to_owned(), &lists.trusted, &lists.blocked);
    let mut named = std::collections::HashSet::new();
    for (whose, trusted, blocked) in std::iter::once(site).chain(of_domains).chain(of_users) {
        if let Some(both) = trusted.iter().find(|entry| blocked.contains(entry)) {
            let what = format!("{both} is both trusted and blocked for {whose}");
            return wrong(both.to_string(), what);
        }
        let is_wide = |entry: &&SenderEntry| match entry {
            SenderEntry::Domain(domain) | SenderEntry::DomainTree(domain) => {
                !domain.as_str().contains('.')
            }
            SenderEntry::Address(_) | SenderEntry::Network(_) => false,
        };
        if let Some(wide) = trusted.iter().find(is_wide) {
            let what = format!("{wide} would trust a whole top-level domain");
            return wrong(wide.to_string(), what);
        }
        if !named.insert(whose.clone()) {
            return wrong(whose.clone(), format!("lists of {whose} are given twice"));
        }
    }
    match lists.networks.iter().find(|network| network.prefix_len() == 0) {
        Some(_) => wrong("networks = ", "`lists.networks` for every client would prove nothing"),
        None => Ok(()),
    }
}
