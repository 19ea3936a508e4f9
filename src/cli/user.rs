//! `postern user`: through the running box, or straight in the store when it is not running.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::Context;
use nix::sys::termios::{self, LocalFlags, SetArg, Termios};

use super::arguments::{Listing, UserAct, UserOrder};
use super::control::{Control, encoded};
use super::exit::{Exit, Trouble};
use super::render;
use crate::admin::accounts::{self, AccountError};
use crate::admin::api::{AccountOrder, AccountRow};
use crate::config::Config;
use crate::mail::Address;
use crate::store::{AllowedAddress, Store, StoreError};

pub(super) fn user(order: &UserOrder) -> Result<Exit, Trouble> {
    match &order.act {
        UserAct::Add { config, name, addresses, password_stdin } => {
            let config = Config::load(config)?;
            let addresses = allowed(name, addresses)?;
            let password = read_password(*password_stdin)?;
            add(&config, &AccountOrder { name: name.clone(), password, addresses })
        }
        UserAct::Remove { config, name } => remove(&Config::load(config)?, name),
        UserAct::List(listing) => list(listing),
    }
}

/// The reverse-paths that were given, or the name when it is an address.
fn allowed(name: &str, addresses: &[String]) -> Result<Vec<String>, Trouble> {
    if addresses.is_empty() {
        return match name.parse::<Address>() {
            Ok(_) => Ok(vec![name.to_owned()]),
            Err(_) => {
                Err(Trouble::Usage("give the --address that this account may send as".into()))
            }
        };
    }
    for address in addresses {
        address.parse::<AllowedAddress>().map_err(|error| Trouble::Usage(error.to_string()))?;
    }
    Ok(addresses.to_vec())
}

fn read_password(from_stdin: bool) -> Result<String, Trouble> {
    let stdin = std::io::stdin();
    let asks = stdin.is_terminal() && !from_stdin;
    let _unseen = asks.then(|| Unseen::on(&stdin)).flatten();
    if asks {
        // A terminal that takes no prompt can still give a password.
        let _ = write!(std::io::stderr(), "password: ");
    }
    let mut line = String::new();
    stdin.lock().read_line(&mut line).context("cannot read the password")?;
    let password = line.trim_end_matches(['\r', '\n']);
    match password.is_empty() {
        true => Err(Trouble::Usage("the password is empty".into())),
        false => Ok(password.to_owned()),
    }
}

/// A terminal that does not show what is typed, until dropped.
struct Unseen {
    terminal: std::io::Stdin,
    before: Termios,
}

impl Unseen {
    fn on(terminal: &std::io::Stdin) -> Option<Unseen> {
        let before = termios::tcgetattr(terminal).ok()?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        termios::tcsetattr(terminal, SetArg::TCSANOW, &silent).ok()?;
        Some(Unseen { terminal: std::io::stdin(), before })
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // Nothing can be done for a terminal that has gone away.
        let _ = termios::tcsetattr(&self.terminal, SetArg::TCSANOW, &self.before);
        let _ = writeln!(std::io::stderr());
    }
}

fn add(config: &Config, order: &AccountOrder) -> Result<Exit, Trouble> {
    let row = match Control::at(config)?.act::<AccountRow>("/v1/users", order) {
        Err(Trouble::NotRunning(_)) => {
            let store = open_store(config)?;
            accounts::put(store.accounts(), order).map_err(|error| match error {
                AccountError::Address(_) => Trouble::Usage(error.to_string()),
                AccountError::Store(error) => refused(error),
            })?
        }
        other => other?,
    };
    say!("account {} may send as {}", render::harmless(&row.name), row.addresses.join(", "));
    Ok(Exit::Ok)
}

fn remove(config: &Config, name: &str) -> Result<Exit, Trouble> {
    let path = format!("/v1/users/{}/remove", encoded(name));
    match Control::at(config)?.act::<AccountRow>(&path, &()) {
        Err(Trouble::NotRunning(_)) => {
            open_store(config)?.accounts().remove(name).map_err(refused)?;
        }
        other => drop(other?),
    }
    say!("account {} removed", render::harmless(name));
    Ok(Exit::Ok)
}

fn list(listing: &Listing) -> Result<Exit, Trouble> {
    let config = Config::load(&listing.config)?;
    let rows = match Control::at(&config)?.rows::<AccountRow>("/v1/users") {
        Err(Trouble::NotRunning(_)) => {
            accounts::list(open_store(&config)?.accounts()).map_err(refused)?
        }
        other => other?,
    };
    render::rows(&rows, listing.json, |row| {
        format!("{} {}", render::harmless(&row.name), row.addresses.join(","))
    })
}

/// The store of a box that does not run.
fn open_store(config: &Config) -> Result<Store, Trouble> {
    Store::open(&config.system.data_dir).map_err(refused)
}

fn refused(error: StoreError) -> Trouble {
    match error {
        StoreError::Unknown(_) => Trouble::NotFound(error.to_string()),
        StoreError::BadName(_) | StoreError::BadPassword(_) => Trouble::Usage(error.to_string()),
        _ => Trouble::Refused(error.to_string()),
    }
}
