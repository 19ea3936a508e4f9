//! `postern check`: the configuration, and the content rules and rules of the house that it
//! names.

use super::arguments::WithConfig;
use super::exit::{Exit, Trouble};
use crate::analysis::antivirus::blocklist::Digests;
use crate::config::Config;

pub(super) fn check(with: &WithConfig) -> Result<Exit, Trouble> {
    let config = Config::load(&with.config)?;
    crate::telemetry::check_level(&config.telemetry.level)
        .map_err(|error| Trouble::Telemetry(error.to_string()))?;
    super::policy::readable(&config)?;
    let rules = super::rules::compile(Some(&config), &[])?;
    super::rules::weights(Some(&config), rules.rules())?;
    digests(&config)?;
    directories(&config)?;
    crate::net::tls::ServerTls::check(&config.tls)
        .map_err(|error| Trouble::Tls(error.to_string()))?;
    say!(
        "{}: {} listeners, {} domains, {} rules: all good",
        with.config.display(),
        config.listen.len(),
        config.domain.len(),
        rules.rules().len()
    );
    for line in remarks(&config) {
        say!("note: {line}");
    }
    Ok(Exit::Ok)
}

/// Lists of digests, line by line.
fn digests(config: &Config) -> Result<(), Trouble> {
    let Some(antivirus) = &config.antivirus else { return Ok(()) };
    let (_, wrong) = Digests::read(&antivirus.digests);
    if wrong.is_empty() {
        return Ok(());
    }
    let told: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    Err(Trouble::Rules(told.join("\n")))
}

/// Passwords and authorities of directories; nobody is connected to.
fn directories(config: &Config) -> Result<(), Trouble> {
    for directory in &config.directory {
        let nowhere = std::path::Path::new("/nonexistent");
        crate::directory::Directory::new(directory, nowhere, None)
            .map_err(|error| Trouble::Refused(error.to_string()))?;
    }
    Ok(())
}

/// What is allowed, but may not be what was meant.
pub fn remarks(config: &Config) -> Vec<String> {
    let mut remarks = Vec::new();
    let mut say = |condition: bool, text: &str| {
        if condition {
            remarks.push(text.to_owned());
        }
    };
    say(config.listen.is_empty(), "no [[listen]]: the box takes no mail");
    say(config.domain.is_empty(), "no [[domain]]: the box protects nobody");
    say(config.antivirus.is_none(), "no [antivirus]: mail is not scanned for viruses");
    let has_engine = config.antivirus.as_ref().is_none_or(|antivirus| antivirus.has_engine());
    say(!has_engine, "[antivirus] without an engine: only listed digests are found");
    say(config.tls.certificate.is_none(), "no [tls]: a self-signed certificate is used");
    say(
        config.admin.is_none() && config.orders.approval_url.is_some(),
        "orders.approval_url without [admin]: nothing serves the links of approvals, so there are none",
    );
    say(config.portal.is_some(), "[portal]: the site is not in this version");
    remarks
}
