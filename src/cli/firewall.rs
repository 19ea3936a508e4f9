//! `postern firewall`: the packet filter of the box, as a file for `nft -f`.
//!
//! In: the configuration, and the next hops that the rules of policy name. Out: the ruleset on
//! standard output or, whole or not at all, in a file.

use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::{Exit, Trouble};
use crate::config::{Config, NextHop};

/// `postern firewall`.
#[derive(Debug, Args)]
pub struct FirewallOrder {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Write here in place of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

pub(super) fn firewall(order: &FirewallOrder) -> Result<Exit, Trouble> {
    let config = Config::load(&order.config)?;
    let routes = match &config.policy.file {
        Some(file) => routes(file)?,
        None => Vec::new(),
    };
    let text = crate::firewall::ruleset(&config, &routes);
    match &order.out {
        None => say!("{}", text.trim_end()),
        Some(out) => {
            let unseen = out.with_extension("new");
            let failed = |error| Trouble::Output(format!("{}: {error}", out.display()));
            std::fs::write(&unseen, text).map_err(failed)?;
            std::fs::rename(&unseen, out).map_err(failed)?;
        }
    }
    Ok(Exit::Ok)
}

/// The next hops of every `route_via` in the text of rules, in force or not.
fn routes(file: &Path) -> Result<Vec<NextHop>, Trouble> {
    let failed = |error| Trouble::Input { file: file.to_owned(), error };
    let text = std::fs::read_to_string(file).map_err(failed)?;
    let rules: toml::Value = toml::from_str(&text)
        .map_err(|error| Trouble::Rules(format!("{}: {error}", file.display())))?;
    let mut hops = Vec::new();
    collect(&rules, 0, &mut hops);
    Ok(hops)
}

/// Deeper than any rule.
const DEPTH: usize = 16;

fn collect(value: &toml::Value, depth: usize, hops: &mut Vec<NextHop>) {
    if depth > DEPTH {
        return;
    }
    match value {
        toml::Value::Array(items) => items.iter().for_each(|one| collect(one, depth + 1, hops)),
        toml::Value::Table(table) => {
            for (key, one) in table {
                match key.as_str() {
                    "route_via" => hops.extend(named(one)),
                    _ => collect(one, depth + 1, hops),
                }
            }
        }
        _ => {}
    }
}

fn named(value: &toml::Value) -> Vec<NextHop> {
    let texts = match value {
        toml::Value::Array(items) => items.iter().filter_map(toml::Value::as_str).collect(),
        one => Vec::from_iter(one.as_str()),
    };
    texts.into_iter().filter_map(|text: &str| text.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_hops_of_rules_are_found_wherever_they_stand() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("rules.toml");
        let text = "[[rule]]\nname = \"a\"\nthen = [{ route_via = \"smtp://10.0.0.1\" }]\n\
                    [[rule]]\nthen = { route_via = [\"smtp://10.0.0.2:26\", \"nonsense\"] }\n";
        std::fs::write(&file, text).unwrap();
        let found: Vec<String> = routes(&file).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(found, ["smtp://10.0.0.1:25", "smtp://10.0.0.2:26"]);
    }
}
