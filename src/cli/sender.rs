//! `postern sender`: through the running box, or straight in the store when it is not running.

use super::arguments::{ChosenSender, Listing, SenderAct, SenderOrder, Whose};
use super::control::Control;
use super::exit::{Exit, Trouble};
use super::render;
use crate::admin::api::{SenderOrder as Order, SenderRow};
use crate::admin::senders::{self, SenderError};
use crate::config::Config;
use crate::mail::{Address, Domain};
use crate::store::{Store, StoreError};

/// Who the log says has acted when the box is not running.
const BY: &str = "operator";

pub(super) fn sender(order: &SenderOrder) -> Result<Exit, Trouble> {
    match &order.act {
        SenderAct::Trust(chosen) => act(chosen, "trust"),
        SenderAct::Block(chosen) => act(chosen, "block"),
        SenderAct::Forget(chosen) => act(chosen, "forget"),
        SenderAct::List { listing, whose } => list(listing, whose),
    }
}

fn act(chosen: &ChosenSender, act: &str) -> Result<Exit, Trouble> {
    let config = Config::load(&chosen.listing.config)?;
    check_whose(&config, &chosen.whose)?;
    let Whose { domain, user } = chosen.whose.clone();
    let order = Order { act: act.into(), entry: chosen.entry.clone(), domain, user };
    let row = match Control::at(&config)?.act::<SenderRow>("/v1/senders", &order) {
        Err(Trouble::NotRunning(_)) => senders::apply(open_store(&config)?.lists(), &order, BY)
            .map_err(|error| match error {
                SenderError::Misspoken(text) => Trouble::Usage(text),
                SenderError::Store(error) => refused(error),
            })?,
        other => other?,
    };
    render::rows(&[row], chosen.listing.json, |row| {
        let done = if act == "forget" { "forgotten" } else { &row.side };
        format!("{}: {done} in the list of {}", render::harmless(&row.entry), row.list)
    })
}

/// A list that no mail is looked up in is a slip of the pen.
fn check_whose(config: &Config, whose: &Whose) -> Result<(), Trouble> {
    let unfit = |error: crate::mail::AddressError| Trouble::Usage(error.to_string());
    let domain = match (&whose.domain, &whose.user) {
        (Some(domain), _) => Domain::parse(domain).map_err(unfit)?,
        (None, Some(user)) => {
            let address: Address = user.parse().map_err(unfit)?;
            let no_domain = || Trouble::Usage(format!("{user} has no domain"));
            address.domain().cloned().ok_or_else(no_domain)?
        }
        (None, None) => return Ok(()),
    };
    match config.protected(&domain) {
        Some(_) => Ok(()),
        None => Err(Trouble::Usage(format!("{domain} is not a domain that this box protects"))),
    }
}

fn list(listing: &Listing, whose: &Whose) -> Result<Exit, Trouble> {
    let config = Config::load(&listing.config)?;
    let given = match Control::at(&config)?.rows::<SenderRow>("/v1/senders") {
        Err(Trouble::NotRunning(_)) => {
            senders::list(open_store(&config)?.lists()).map_err(refused)?
        }
        other => other?,
    };
    let wanted = wanted_list(whose)?;
    let mut rows = senders::configured(&config.lists);
    rows.extend(given);
    rows.retain(|row| wanted.as_ref().is_none_or(|wanted| row.list == *wanted));
    render::rows(&rows, listing.json, |row| {
        let origin = match row.origin.as_str() {
            "file" => "in the configuration".to_owned(),
            _ => format!("by {} since {}", render::harmless(&row.by), row.since),
        };
        format!("{} {} {} {origin}", row.list, row.side, render::harmless(&row.entry))
    })
}

/// The name of a list as rows give it; none for all of them.
fn wanted_list(whose: &Whose) -> Result<Option<String>, Trouble> {
    let unfit = |error: crate::mail::AddressError| Trouble::Usage(error.to_string());
    match (&whose.domain, &whose.user) {
        (Some(domain), _) => Ok(Some(format!("@{}", Domain::parse(domain).map_err(unfit)?))),
        (None, Some(user)) => Ok(Some(user.parse::<Address>().map_err(unfit)?.key())),
        (None, None) => Ok(None),
    }
}

/// The store of a box that does not run.
fn open_store(config: &Config) -> Result<Store, Trouble> {
    Store::open(&config.system.data_dir).map_err(refused)
}

fn refused(error: StoreError) -> Trouble {
    match error {
        StoreError::NotListed(_) => Trouble::NotFound(error.to_string()),
        _ => Trouble::Refused(error.to_string()),
    }
}
