//! Somebody who cannot log in to the site any more: another password, no second factor.
//!
//! In: a name, from whoever may use the box's console. Out: a password that is shown once. All
//! sessions of the person end; their role and whether they are disabled stay. It is journalled.

use super::api::ResetRow;
use super::desk::{Desk, DeskError};
use super::people::{People, PeopleError};
use crate::journal::{Act, Journal};
use crate::store::Store;
use crate::store::token;
use crate::web::sessions::{Lifetimes, Sessions};

/// Of four letters each: 100 bits.
const PASSWORD_GROUPS: usize = 5;

/// Gives somebody another password. Blocks.
pub fn reset(
    store: &Store,
    journal: &Journal,
    name: &str,
    by: &str,
) -> Result<ResetRow, PeopleError> {
    let people = People::open(store).map_err(PeopleError::Store)?;
    let known = people.find(name)?.ok_or_else(|| PeopleError::Unknown(name.to_owned()))?;
    let password = token::code(PASSWORD_GROUPS)?;
    people.set_password(&known.name, &password)?;
    people.drop_second(&known.name)?;
    // Only ended here: how long they would have lasted does not matter.
    let lasting = Lifetimes { idle: std::time::Duration::MAX, whole: std::time::Duration::MAX };
    let sessions = Sessions::open(store, "sessions", lasting).map_err(PeopleError::Store)?;
    sessions.end_all(&known.name, None).map_err(PeopleError::Store)?;
    let second = |is_on: bool| if is_on { "second factor on" } else { "second factor off" };
    journal.record_act(
        None,
        Act {
            who: by.to_owned(),
            what: "people.reset".into(),
            object: known.name.clone(),
            before: Some(second(known.has_second()).into()),
            after: Some(format!("{}, a new password", second(false))),
            via: "console".into(),
            ..Act::default()
        },
    );
    Ok(ResetRow { name: known.name, password, is_disabled: known.is_disabled })
}

impl Desk {
    /// Gives somebody another password. Blocks.
    pub(super) fn reset_person(&self, name: &str) -> Result<ResetRow, DeskError> {
        reset(&self.store, &self.journal, name, &self.by).map_err(|error| match error {
            PeopleError::Unknown(_) => DeskError::Unknown(error.to_string()),
            PeopleError::Store(error) => DeskError::Store(error),
            error => DeskError::Unfit(error.to_string()),
        })
    }
}
