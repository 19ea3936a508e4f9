//! What the shape of the file cannot say: contradictions between values.

use super::error::Contradiction;
use super::{
    AttachmentRule, Config, NextHop, Party, ProtectedDomain, RecipientCheck, SecondEngine,
    directory,
};
use crate::mail::Role;

type Checked = Result<(), Contradiction>;

pub(super) fn check(config: &Config) -> Checked {
    listeners(config)?;
    domains(config)?;
    directories(config)?;
    tls(config)?;
    admin(config)?;
    timing(config)?;
    policy(config)?;
    reputation(config)?;
    history(config)?;
    lists(config)?;
    authentication(config)?;
    dmarc_reports(config)?;
    learning(config)?;
    door(config)?;
    bulk(config)?;
    attachments(config)?;
    impersonation(config)?;
    antivirus(config)?;
    orders(config)?;
    limits(config)
}

fn orders(config: &Config) -> Checked {
    let archive = &config.archive;
    if archive.keep_days == 0 || archive.classes.values().any(|days| *days == 0) {
        return wrong("[archive]", "mail in the archive is kept for at least a day");
    }
    if config.orders.notices_per_hour == 0 {
        return wrong("notices_per_hour", "`notices_per_hour` must be at least 1");
    }
    let is_address = |url: &String| url.starts_with("https://") || url.starts_with("http://");
    match config.orders.approval_url.as_ref().filter(|url| !is_address(url)) {
        Some(url) => wrong(url, "`approval_url` begins with https://"),
        None => Ok(()),
    }
}

/// More rules than anybody keeps in mind would be asked for every file of every mail.
const ATTACHMENT_RULES: usize = 1_000;
/// Deeper walks are limited by the stack.
const UNPACK_DEPTH: std::ops::RangeInclusive<u8> = 1..=32;

fn attachments(config: &Config) -> Checked {
    let attachments = &config.attachments;
    let limits = &attachments.limits;
    if !UNPACK_DEPTH.contains(&limits.depth) {
        return wrong("depth", "`depth` of [attachments.limits] goes from 1 to 32");
    }
    if [limits.members as u64, limits.octets, limits.member_octets, limits.ratio, limits.time_ms]
        .contains(&0)
    {
        return wrong("[attachments.limits]", "a limit of 0 would let nothing be looked into");
    }
    if attachments.rule.len() > ATTACHMENT_RULES {
        return wrong("[[attachments.rule]]", format!("more than {ATTACHMENT_RULES} rules"));
    }
    for (at, group) in config.group.iter().enumerate() {
        if group.name.is_empty() || config.group.iter().take(at).any(|one| one.name == group.name) {
            return wrong(&group.name, "the name of a group is given twice, or empty");
        }
        if group.members.iter().any(|member| matches!(member, Party::Group(_))) {
            return wrong(&group.name, "groups within groups are not followed");
        }
    }
    for rule in &attachments.rule {
        attachment_rule(config, rule)?;
    }
    Ok(())
}

fn attachment_rule(config: &Config, rule: &AttachmentRule) -> Checked {
    if rule.name.trim().is_empty() {
        return wrong("[[attachments.rule]]", "a rule about attachments needs a name");
    }
    for party in rule.only_for.iter().chain(&rule.except) {
        let Party::Group(name) = party else { continue };
        let group = config.group.iter().find(|group| group.name == *name);
        let Some(group) = group else {
            return wrong(format!("group:{name}"), format!("there is no [[group]] {name:?}"));
        };
        if group.dn.is_some() {
            let what = format!("rules about attachments know no groups of directories: {name:?}");
            return wrong(format!("group:{name}"), what);
        }
    }
    let in_small_letters = |text: &String| !text.is_empty() && *text == text.to_lowercase();
    for text in rule.types.iter().chain(&rule.extensions) {
        if !in_small_letters(text) || text.contains('.') {
            return wrong(text, "types and extensions are given in small letters, without a dot");
        }
    }
    Ok(())
}

/// A table of more takes gigabytes.
const BULK_ENTRIES: std::ops::RangeInclusive<usize> = 100..=2_000_000;

fn bulk(config: &Config) -> Checked {
    let bulk = &config.bulk;
    if !BULK_ENTRIES.contains(&bulk.entries) {
        return wrong("entries", "`entries` of [bulk] go from 100 to 2000000");
    }
    if bulk.recipients < 2 || bulk.networks < 2 {
        return wrong("[bulk]", "`recipients` and `networks` of [bulk] must be at least 2");
    }
    for (at, feed) in bulk.feed.iter().enumerate() {
        let key = feed.key.to_string();
        if bulk.feed.iter().take(at).any(|other| other.key == feed.key) {
            return wrong(key, "a feed's key is given twice");
        }
        if !(0.0..=1.0).contains(&feed.weight) {
            return wrong(key, "the weight of a feed goes from 0 to 1");
        }
    }
    Ok(())
}

/// More lists than anybody needs would make every mail a burden to the resolver.
const DNS_LISTS: usize = 32;
const HOSTS_PER_MESSAGE: usize = 64;

fn reputation(config: &Config) -> Checked {
    let reputation = &config.reputation;
    if reputation.list.len() > DNS_LISTS {
        return wrong("[[reputation.list]]", format!("more than {DNS_LISTS} lists"));
    }
    for (at, list) in reputation.list.iter().enumerate() {
        let zone = list.zone.as_str();
        let earlier = reputation.list.iter().take(at);
        if earlier.clone().any(|other| other.zone == list.zone && other.kind == list.kind) {
            return wrong(zone, format!("list {zone} is given twice for the same kind"));
        }
        if list.weights.values().any(|weight| !(0.0..=100.0).contains(weight)) {
            return wrong(zone, format!("list {zone}: weights go from 0 to 100"));
        }
        if list
            .weights
            .keys()
            .any(|pattern| pattern.mask.is_some() && pattern.network.prefix_len() < 24)
        {
            return wrong(
                zone,
                format!("list {zone}: a bit mask needs a network of /24 or longer"),
            );
        }
        if list.timeout_ms < 50 {
            return wrong(zone, format!("list {zone}: `timeout_ms` must be at least 50"));
        }
    }
    if reputation.hosts_per_message > HOSTS_PER_MESSAGE {
        let what = format!("`hosts_per_message` must be at most {HOSTS_PER_MESSAGE}");
        return wrong("hosts_per_message", what);
    }
    if reputation.pause_first_s == 0 || reputation.pause_max_s < reputation.pause_first_s {
        return wrong("pause_", "`pause_first_s` must be at least 1 and at most `pause_max_s`");
    }
    match reputation.failures == 0 || reputation.check_every_s < 10 || reputation.timeout_ms < 100 {
        true => wrong(
            "[reputation]",
            "`failures` must be at least 1, `check_every_s` 10 and `timeout_ms` 100",
        ),
        false => Ok(()),
    }
}

fn learning(config: &Config) -> Checked {
    let learning = &config.learning;
    let (spam, ham) = (learning.automatic_spam_score, learning.automatic_ham_score);
    // What is below a threshold of the policy is not sure, and what lies between is nothing.
    if !(5.0..=1_000.0).contains(&spam) {
        return wrong("automatic_spam_score", "`automatic_spam_score` must be from 5 to 1000");
    }
    if !(-1_000.0..=0.0).contains(&ham) {
        return wrong("automatic_ham_score", "`automatic_ham_score` must be from -1000 to 0");
    }
    if !(1..=86_400).contains(&learning.save_interval_s) {
        return wrong("save_interval_s", "`save_interval_s` must be from 1 to 86400");
    }
    match &learning.shadow {
        Some(shadow)
            if shadow.model.is_none() && shadow.weights.is_none() && shadow.rules.is_empty() =>
        {
            wrong("[learning.shadow]", "names neither `model` nor `weights` nor `rules`")
        }
        Some(shadow) if shadow.examples() > 10_000 => {
            wrong("examples", "`examples` must be 10000 at most")
        }
        _ => Ok(()),
    }
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
        recipients_of(config, domain)?;
    }
    Ok(())
}

fn recipients_of(config: &Config, domain: &ProtectedDomain) -> Checked {
    let name = domain.name.as_str();
    let wrong = |what: &str| wrong(name, format!("domain {name}: {what}"));
    let lists = !domain.addresses.is_empty() || domain.addresses_file.is_some();
    match domain.recipients {
        RecipientCheck::List if !lists => {
            wrong("`recipients = \"list\"` needs `addresses` or `addresses_file`")
        }
        RecipientCheck::Any | RecipientCheck::Ldap | RecipientCheck::Callout if lists => {
            wrong("`addresses` and `addresses_file` need `recipients = \"list\"`")
        }
        RecipientCheck::Ldap if config.directory_of(domain).is_none() => wrong(
            "`recipients = \"ldap\"` needs a [[directory]], and `directory` if there are several",
        ),
        RecipientCheck::Callout
            if domain.next_hop.iter().any(|hop| matches!(hop, NextHop::Maildir(_))) =>
        {
            wrong("a Maildir cannot be asked: `recipients = \"callout\"` needs servers")
        }
        _ if domain.rewrite && domain.recipients != RecipientCheck::Ldap => {
            wrong("`rewrite` needs `recipients = \"ldap\"`")
        }
        _ => Ok(()),
    }
}

fn directories(config: &Config) -> Checked {
    if let Some((near, what)) = directory::complaint(config) {
        return wrong(near, what);
    }
    if let Some((near, what)) = config.callout.complaint() {
        return wrong(near, what);
    }
    for group in &config.group {
        if group.members.is_empty() && group.file.is_none() && group.dn.is_none() {
            let what = format!("group {} has neither `members` nor `file` nor `dn`", group.name);
            return wrong(&group.name, what);
        }
        if group.dn.is_none() && group.directory.is_some() {
            return wrong(&group.name, format!("group {}: `directory` needs `dn`", group.name));
        }
        let is_unclear = group.directory.is_none() && config.directory.len() != 1;
        if group.dn.is_some() && is_unclear {
            let what = format!(
                "group {}: `dn` needs a [[directory]], and `directory` if there \
                                are several",
                group.name
            );
            return wrong(&group.name, what);
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
    Ok(())
}

fn admin(config: &Config) -> Checked {
    let Some(admin) = &config.admin else { return Ok(()) };
    let floors = [("idle_minutes", admin.idle_minutes), ("session_hours", admin.session_hours)];
    match floors.iter().find(|(_, given)| *given == 0) {
        // Nobody could stay logged in to give another one.
        Some((name, _)) => wrong(*name, format!("`{name}` of [admin] must be at least 1")),
        None => Ok(()),
    }
}

fn antivirus(config: &Config) -> Checked {
    let Some(antivirus) = &config.antivirus else { return Ok(()) };
    let floors = [
        ("connections", antivirus.connections as u64),
        ("timeout_s", antivirus.timeout_s),
        ("check_every_s", antivirus.check_every_s),
        ("hold_minutes", antivirus.outbreak.hold_minutes),
        ("files_per_second", u64::from(antivirus.rescan.files_per_second)),
    ];
    if let Some((name, _)) = floors.iter().find(|(_, given)| *given == 0) {
        return wrong(*name, format!("`{name}` of [antivirus] must be at least 1"));
    }
    // A sender that waits for its copy asks after a day, and mail is given up after five.
    let ceilings = [
        ("hold_minutes", antivirus.outbreak.hold_minutes, 1_440),
        ("keep_days", u64::from(antivirus.rescan.keep_days), 90),
        ("items", antivirus.items as u64, 10_000),
        ("check_every_s", antivirus.check_every_s, 3_600),
        ("cache_entries", antivirus.cache_entries as u64, 10_000_000),
        ("messages", antivirus.rescan.messages as u64, 10_000_000),
    ];
    if let Some((name, _, most)) = ceilings.iter().find(|(_, given, most)| given > most) {
        return wrong(*name, format!("`{name}` of [antivirus] must be at most {most}"));
    }
    for (at, clamd) in antivirus.clamd.iter().enumerate() {
        if antivirus.clamd.iter().take(at).any(|other| other == clamd) {
            return wrong(clamd.to_string(), format!("clamd {clamd} is given twice"));
        }
    }
    if !antivirus.has_engine() && antivirus.digests.is_empty() {
        return wrong(
            "[antivirus]",
            "[antivirus] names neither `clamd` nor `digests` nor a second engine",
        );
    }
    if !antivirus.has_engine() && antivirus.outbreak.enabled == Some(true) {
        let what = "`enabled` of [antivirus.outbreak] needs an engine that looks again";
        return wrong("[antivirus.outbreak]", what);
    }
    antivirus.second.as_ref().map_or(Ok(()), second_engine)
}

fn second_engine(second: &SecondEngine) -> Checked {
    if second.connections() == 0 || second.timeout_s() == 0 {
        let what = "`connections` and `timeout_s` must be at least 1";
        return wrong("[antivirus.second]", what);
    }
    let SecondEngine::Command(command) = second else { return Ok(()) };
    if !command.program.is_absolute() {
        return wrong("program", "`program` must be an absolute path");
    }
    if command.clean.is_empty() || command.infected.is_empty() {
        return wrong("[antivirus.second]", "`clean` and `infected` need an exit code each");
    }
    match command.clean.iter().find(|code| command.infected.contains(code)) {
        Some(code) => wrong("clean", format!("exit code {code} is both clean and infected")),
        None => Ok(()),
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
        let wide = trusted.iter().find_map(|entry| Some((entry, entry.too_wide_to_trust()?)));
        if let Some((wide, what)) = wide {
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
