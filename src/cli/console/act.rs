//! What the menu leaves to the box's own user, since it may only read itself.
//!
//! In: the name of an act, an order beside it ([`ORDER`]) or the medium that is mounted. Out: the
//! act, and one line for the person at the console. It runs as a unit of its own, which is shut
//! in for just this; the service manager keeps what it says for the menu ([`ANSWER`]).

use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::{first_line, network};
use crate::config::{Config, file};
use crate::update::{Downgrade, Places};

/// Where the menu writes what it asks for.
pub(super) const ORDER: &str = "/run/postern-console/order";
/// Where what is said comes to.
pub(super) const ANSWER: &str = "/run/postern-console/answer";
/// Where the medium is mounted.
const MEDIUM_AT: &str = "/run/postern-medium";

/// One of the acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Act {
    /// The order is the box's new name
    Rename,
    /// Install the newest update on the medium
    Update,
    /// The same, whatever its version
    Older,
}

impl Act {
    /// As the unit is called.
    pub(super) fn name(self) -> &'static str {
        match self {
            Act::Rename => "rename",
            Act::Update => "update",
            Act::Older => "older",
        }
    }

    pub(super) fn run(self, config: &Path) -> Result<String, String> {
        match self {
            Act::Rename => rename(config),
            Act::Update => apply_newest(Downgrade::Refuse),
            Act::Older => apply_newest(Downgrade::OwnerOverride),
        }
    }
}

fn rename(config: &Path) -> Result<String, String> {
    let name = first_line(Path::new(ORDER)).ok_or("there is no order")?;
    if !network::is_host_name(&name) {
        return Err("that is no host name with a domain".into());
    }
    let text = fs::read_to_string(config).map_err(|error| error.to_string())?;
    let text = renamed(&text, &name).ok_or("the configuration names no host")?;
    let folder = config.parent().unwrap_or(Path::new("/"));
    Config::parse(&text, config, folder).map_err(|error| error.to_string())?;
    file::replace(config, text.as_bytes(), file::PRIVATE)
        .map_err(|error| format!("{}: {error}", config.display()))?;
    Ok(format!("the box is called {name}"))
}

/// The file named last in order of names.
fn apply_newest(downgrade: Downgrade) -> Result<String, String> {
    let files = fs::read_dir(MEDIUM_AT).map_err(|error| error.to_string())?;
    let is_update = |path: &PathBuf| path.extension().is_some_and(|ext| ext == "update");
    let newest = files.flatten().map(|file| file.path()).filter(is_update).max();
    let file = newest.ok_or("the medium holds no file that ends in .update")?;
    let places = Places::of_this_box().map_err(|error| error.to_string())?;
    let applied = places.apply(&file, downgrade).map_err(|error| error.to_string())?;
    let slot = applied.slot.name();
    Ok(format!("version {} is in slot {slot}; restart the box to try it", applied.version))
}

/// The text with another value for the first `hostname`.
pub(super) fn renamed(text: &str, name: &str) -> Option<String> {
    let is_host = |line: &str| {
        line.trim_start()
            .strip_prefix("hostname")
            .is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let at = text.lines().position(is_host)?;
    let written = |(number, line): (usize, &str)| match number == at {
        true => format!("hostname = \"{name}\"\n"),
        false => format!("{line}\n"),
    };
    Some(text.lines().enumerate().map(written).collect())
}
