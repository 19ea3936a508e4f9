//! `postern directory`: what directories say, tried without the box; how they are, of the
//! running box.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::arguments::Listing;
use super::control::Control;
use super::exit::{Exit, Trouble};
use super::render;
use crate::admin::api::{DirectoryRow, ListTaken};
use crate::config::Config;
use crate::directory::{Directory, Unavailable};
use crate::mail::Address;

/// `postern directory`.
#[derive(Debug, Args)]
pub struct DirectoryOrder {
    /// What to do
    #[command(subcommand)]
    pub act: DirectoryAct,
}

/// What can be done with directories.
#[derive(Debug, Subcommand)]
pub enum DirectoryAct {
    /// Bind, search and show what is seen of an address, or of everybody; the box is not needed
    Test {
        /// Where from
        #[command(flatten)]
        listing: Listing,
        /// Only this directory
        #[arg(long, value_name = "NAME")]
        directory: Option<String>,
        /// The address to look for; without it all addresses are counted
        address: Option<Address>,
    },
    /// How the directories of the running box are
    Status(Listing),
    /// Fetch all addresses now and believe them, though many are missing
    Accept {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Its name
        name: String,
    },
}

pub(super) fn directory(order: &DirectoryOrder) -> Result<Exit, Trouble> {
    match &order.act {
        DirectoryAct::Test { listing, directory, address } => {
            test(listing, directory.as_deref(), address.as_ref())
        }
        DirectoryAct::Status(listing) => {
            let rows: Vec<DirectoryRow> = Control::of(&listing.config)?.rows("/v1/directory")?;
            let is_doubted = rows.iter().any(|row| row.doubt.is_some());
            render::rows(&rows, listing.json, standing)?;
            Ok(if is_doubted { Exit::No } else { Exit::Ok })
        }
        DirectoryAct::Accept { config, name } => {
            let path = format!("/v1/directory/{}/accept", super::control::encoded(name));
            let taken: ListTaken = Control::of(config)?.act(&path, &())?;
            say!("{}: {} addresses are in force", taken.directory, taken.addresses);
            Ok(Exit::Ok)
        }
    }
}

/// What a trial came to.
#[derive(Debug, Serialize)]
struct Trial {
    directory: String,
    /// Connected, bound and searched in so many milliseconds.
    greeted_ms: Option<u128>,
    /// All addresses, when no address was asked for.
    addresses: Option<usize>,
    found: Option<Seen>,
    took_ms: Option<u128>,
    /// Servers that did not answer, though another one did; the box goes on with that one.
    down: Vec<String>,
    /// Why there is no answer.
    failures: Vec<String>,
}

/// What is seen of an address.
#[derive(Debug, Serialize)]
struct Seen {
    address: String,
    exists: bool,
    dn: Option<String>,
    canonical: Option<String>,
    addresses: Vec<String>,
    groups: Vec<String>,
}

fn test(listing: &Listing, only: Option<&str>, address: Option<&Address>) -> Result<Exit, Trouble> {
    let config = Config::load(&listing.config)?;
    let chosen: Vec<&crate::config::Directory> =
        config.directory.iter().filter(|one| only.is_none_or(|only| one.name == only)).collect();
    if chosen.is_empty() {
        return Err(Trouble::NotFound("there is no such [[directory]]".into()));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let mut rows = Vec::new();
    for settings in chosen {
        // What the running box keeps is left alone, and not asked.
        let nowhere = Path::new("/nonexistent");
        let directory = Directory::new(settings, nowhere, None)
            .map_err(|error| Trouble::Refused(error.to_string()))?;
        rows.push(runtime.block_on(tried(&Arc::new(directory), address)));
    }
    let all_well = rows.iter().all(|row: &Trial| row.failures.is_empty());
    let known = address.is_none()
        || rows.iter().any(|row| row.found.as_ref().is_some_and(|found| found.exists));
    render::rows(&rows, listing.json, shown)?;
    Ok(if all_well && known { Exit::Ok } else { Exit::No })
}

async fn tried(directory: &Arc<Directory>, address: Option<&Address>) -> Trial {
    let name = directory.settings().name.clone();
    let mut trial = Trial {
        directory: name,
        greeted_ms: None,
        addresses: None,
        found: None,
        took_ms: None,
        down: Vec::new(),
        failures: Vec::new(),
    };
    match directory.greet().await {
        Ok(took) => trial.greeted_ms = Some(took.as_millis()),
        Err(error) => trial.failures.push(error.why),
    }
    for server in directory.standing().servers {
        let failure = server.last_failure.map(|why| format!("{}: {why}", server.server));
        trial.down.extend(failure);
    }
    if trial.greeted_ms.is_none() {
        trial.failures.append(&mut trial.down);
        return trial;
    }
    let begun = Instant::now();
    match address {
        None => match directory.fetch_list().await {
            Ok(addresses) => trial.addresses = Some(addresses),
            Err(why) => trial.failures.push(why),
        },
        Some(address) => match seen(directory, address).await {
            Ok(found) => trial.found = Some(found),
            Err(error) => trial.failures.push(error.why),
        },
    }
    trial.took_ms = Some(begun.elapsed().as_millis());
    trial
}

async fn seen(directory: &Directory, address: &Address) -> Result<Seen, Unavailable> {
    let Some(person) = directory.ask_for(address).await? else {
        return Ok(Seen {
            address: address.to_string(),
            exists: false,
            dn: None,
            canonical: None,
            addresses: Vec::new(),
            groups: Vec::new(),
        });
    };
    let groups = directory.ask_for_groups(&person).await?;
    Ok(Seen {
        address: address.to_string(),
        exists: true,
        canonical: person.canonical().map(ToString::to_string),
        addresses: person.addresses.iter().map(ToString::to_string).collect(),
        dn: Some(person.dn),
        groups,
    })
}

fn shown(trial: &Trial) -> String {
    let mut text = render::harmless(&trial.directory);
    match trial.greeted_ms {
        Some(greeted_ms) => {
            text.push_str(&format!(": connected, bound, searched in {greeted_ms} ms"))
        }
        None => text.push_str(": NO ANSWER"),
    }
    let took_ms = trial.took_ms.unwrap_or_default();
    if let Some(addresses) = trial.addresses {
        text.push_str(&format!("\n  {addresses} addresses, fetched in {took_ms} ms"));
    }
    if let Some(found) = &trial.found {
        let (address, dn) = (&found.address, found.dn.as_deref().unwrap_or_default());
        match found.exists {
            false => text.push_str(&format!("\n  {address}: no such address ({took_ms} ms)")),
            true => {
                text.push_str(&format!("\n  {address}: {} ({took_ms} ms)", render::harmless(dn)));
                let canonical = found.canonical.as_deref().unwrap_or("none");
                text.push_str(&format!("\n  stands for: {canonical}"));
                text.push_str(&format!("\n  addresses: {}", found.addresses.join(", ")));
            }
        }
        for group in &found.groups {
            text.push_str(&format!("\n  group: {}", render::harmless(group)));
        }
    }
    for server in &trial.down {
        text.push_str(&format!("\n  DOWN, another server answers: {}", render::harmless(server)));
    }
    for failure in &trial.failures {
        text.push_str(&format!("\n  FAILED: {}", render::harmless(failure)));
    }
    text
}

fn standing(row: &DirectoryRow) -> String {
    let mut text =
        format!("{}: {} known, {} known not to exist", row.name, row.present, row.absent);
    if let Some(at) = &row.listed_at {
        text.push_str(&format!("; list of {} addresses of {at}", row.listed));
    }
    if let Some(last) = row.last_list.as_deref().filter(|last| last.starts_with("failed")) {
        text.push_str(&format!("\n  the last list {}", render::harmless(last)));
    }
    if let Some(doubt) = &row.doubt {
        text.push_str(&format!("\n  NOT BELIEVED: {}", render::harmless(doubt)));
    }
    for server in &row.servers {
        let state = if server.in_use { "in use" } else { "LEFT ALONE" };
        text.push_str(&format!("\n  {}: {state}", server.server));
        if let Some(why) = &server.last_failure {
            text.push_str(&format!(", {}", render::harmless(why)));
        }
    }
    for domain in &row.takers_of_any {
        text.push_str(&format!("\n  the next hop of {domain} takes any recipient"));
    }
    text
}
