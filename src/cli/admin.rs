//! `postern admin`: for whoever cannot log in to the site any more. Through the running box, or
//! straight in the store when it is not running.

use super::arguments::{AdminAct, AdminOrder};
use super::control::{Control, encoded};
use super::exit::{Exit, Trouble};
use super::render;
use crate::admin::api::ResetRow;
use crate::admin::people::{People, PeopleError};
use crate::admin::site::setup::SetUp;
use crate::admin::{OPERATOR, reset as resetting};
use crate::config::Config;
use crate::journal::Journal;
use crate::store::{Store, StoreError};

pub(super) fn admin(order: &AdminOrder) -> Result<Exit, Trouble> {
    match &order.act {
        AdminAct::Code(with) => code(&Config::load(&with.config)?),
        AdminAct::Reset { config, name } => reset(&Config::load(config)?, name),
    }
}

/// The code is the same before and after the box is started.
fn code(config: &Config) -> Result<Exit, Trouble> {
    let data_dir = &config.system.data_dir;
    let setup = SetUp::new(data_dir);
    let refused = |error: std::io::Error| Trouble::Refused(error.to_string());
    let code = match Store::open(data_dir) {
        Ok(store) => {
            let people =
                People::open(&store).map_err(|error| Trouble::Refused(error.to_string()))?;
            people.is_empty().then(|| setup.code()).transpose().map_err(refused)?
        }
        // The box runs: it made the code, and takes it away when there is an owner.
        Err(StoreError::Busy) => setup.pending().map_err(refused)?,
        Err(error) => return Err(Trouble::Refused(error.to_string())),
    };
    if let Some(code) = code {
        say!("{code}");
    }
    Ok(Exit::Ok)
}

fn reset(config: &Config, name: &str) -> Result<Exit, Trouble> {
    let path = format!("/v1/people/{}/reset", encoded(name));
    let row = match Control::at(config)?.act::<ResetRow>(&path, &()) {
        Err(Trouble::NotRunning(_)) => reset_here(config, name)?,
        other => other?,
    };
    say!(
        "{} logs in with this password, and without a second factor:",
        render::harmless(&row.name)
    );
    say!("{}", row.password);
    say!("All sessions have ended. Change the password after the log-in.");
    if row.is_disabled {
        say!("This account is disabled: an owner has to enable it under People.");
    }
    Ok(Exit::Ok)
}

fn reset_here(config: &Config, name: &str) -> Result<ResetRow, Trouble> {
    let refused = |error: String| Trouble::Refused(error);
    let data_dir = &config.system.data_dir;
    let store = Store::open(data_dir).map_err(|error| refused(error.to_string()))?;
    let journal =
        Journal::open(&config.journal, data_dir).map_err(|error| refused(error.to_string()))?;
    let row = resetting::reset(&store, &journal, name, OPERATOR).map_err(|error| match error {
        PeopleError::Unknown(_) => Trouble::NotFound(error.to_string()),
        error => refused(error.to_string()),
    })?;
    journal.close();
    store.flush().map_err(|error| refused(error.to_string()))?;
    Ok(row)
}
