//! `postern user`: through the running box, or straight in the store when it is not running.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::Context;
use nix::sys::termios::{self, LocalFlags, SetArg, Termios};

use super::arguments::{Listing, UserAct, UserOrder};
use super::control::{Control, encoded};
use super::exit::{Exit, Trouble};
use super::render;
use crate::admin::api::{AccountOrder, AccountRow};
use crate::config::Config;
use crate::mail::Address;
use crate::store::Store;

pub(super) fn user(order: &UserOrder) -> Result<Exit, Trouble> {
    match &order.act {
        UserAct::Add { config, name, addresses, password_stdin } => {
            let config = Config::load(config)?;
            let addresses = allowed(name, addresses)?;
            let password = read_password(*password_stdin)?;
            add(&config, AccountOrder { name: name.clone(), password, addresses })
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
            Err(_) => Err(Trouble::Usage("give the --address that this account may send as".into())),
        };
    }
    for address in addresses {
        let read = match address.strip_prefix('@') {
            Some(domain) => crate::mail::Domain::parse(domain).map(|_| ()),
            None => address.parse::<Address>().map(|_| ()),
        };
        read.map_err(|error| Trouble::Usage(format!("{address}: {error}")))?;
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

fn add(config: &Config, order: AccountOrder) -> Result<Exit, Trouble> {
    let name = render::harmless(&order.name);
    match Control::at(config)?.act::<AccountRow>("/v1/users", &order) {
        Err(Trouble::NotRunning(_)) => {
            let store = Store::open(&config.system.data_dir).context("cannot open the store")?;
            let accounts = store.accounts().context("cannot open the accounts")?;
            accounts
                .put(&order.name, &order.password, &order.addresses)
                .map_err(|error| Trouble::Refused(error.to_string()))?;
        }
        other => drop(other?),
    }
    println!("account {name} may send as {}", order.addresses.join(", "));
    Ok(Exit::Ok)
}

fn remove(config: &Config, name: &str) -> Result<Exit, Trouble> {
    let path = format!("/v1/users/{}/remove", encoded(name));
    let removed = match Control::at(config)?.act::<AccountRow>(&path, &()) {
        Ok(_) => true,
        Err(Trouble::NotRunning(_)) => {
            let store = Store::open(&config.system.data_dir).context("cannot open the store")?;
            let accounts = store.accounts().context("cannot open the accounts")?;
            accounts.remove(name).context("cannot remove the account")?
        }
        Err(trouble) => return Err(trouble),
    };
    match removed {
        true => println!("account {} removed", render::harmless(name)),
        false => return Err(Trouble::NotFound(format!("no account {}", render::harmless(name)))),
    }
    Ok(Exit::Ok)
}

fn list(listing: &Listing) -> Result<Exit, Trouble> {
    let config = Config::load(&listing.config)?;
    let rows = match Control::at(&config)?.rows::<AccountRow>("/v1/users") {
        Err(Trouble::NotRunning(_)) => {
            let store = Store::open(&config.system.data_dir).context("cannot open the store")?;
            let accounts = store.accounts().context("cannot open the accounts")?;
            let rows = accounts.list().context("cannot read the accounts")?;
            rows.into_iter()
                .map(|account| AccountRow { name: account.name, addresses: account.addresses })
                .collect()
        }
        other => other?,
    };
    render::rows(&rows, listing.json, |row| {
        format!("{} {}", render::harmless(&row.name), row.addresses.join(","))
    })
}
