//! Keys of the JSON API: who they stand for and which of their rights they carry.
//!
//! In: `Authorization: Bearer` texts. Out: [`ApiKey`]s. Only a digest is kept; a key is shown
//! once. A key never may more than its person may at that moment, and ends with them.

use serde::{Deserialize, Serialize};

use super::rights::{Right, Rights};
use super::{PeopleError, Person};
use crate::store::token;
use crate::store::{Shelf, Store, StoreError};

/// Makes keys known to people and to secret scanners.
const PREFIX: &str = "postern_";
/// Of one person.
const MOST_OF_ONE: usize = 50;
/// The last use is written down this often at most.
const USED_EVERY_MS: u64 = 60_000;

/// A key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Names it to people.
    pub label: String,
    /// Who made it, and for whom it stands.
    pub person: String,
    /// What it may at most.
    pub rights: Vec<Right>,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    /// After that it is good for nothing; `None` for never.
    pub expires_ms: Option<u64>,
    /// To the minute; `None` before the first time.
    pub used_ms: Option<u64>,
}

impl ApiKey {
    /// What it may for this person now.
    pub fn rights_of(&self, person: &Person) -> Rights {
        Rights::of(&self.rights).both(person.rights())
    }
}

/// All keys.
#[derive(Debug, Clone)]
pub struct Keys(Shelf<ApiKey>);

impl Keys {
    /// Those in the store.
    pub fn open(store: &Store) -> Result<Keys, StoreError> {
        store.shelf("api-keys").map(Keys)
    }

    /// A new one: its name, and the text that is shown once. Blocks.
    pub fn issue(&self, key: &ApiKey) -> Result<(String, String), PeopleError> {
        if self.of(&key.person)?.len() >= MOST_OF_ONE {
            return Err(PeopleError::Store(StoreError::TooMany(MOST_OF_ONE)));
        }
        let text = format!("{PREFIX}{}", token::fresh()?);
        let name = token::digest_of(&text);
        self.0.put(&name, key)?;
        Ok((name, text))
    }

    /// The key that a text is, and its name. Now and then notes that it was used: may block.
    pub fn known(&self, text: &str, now_ms: u64) -> Result<Option<(String, ApiKey)>, StoreError> {
        if !text.starts_with(PREFIX) {
            return Ok(None);
        }
        let name = token::digest_of(text);
        let Some(mut key) = self.0.find(&name)? else { return Ok(None) };
        if key.expires_ms.is_some_and(|end| end <= now_ms) {
            return Ok(None);
        }
        if key.used_ms.is_none_or(|used| now_ms.saturating_sub(used) >= USED_EVERY_MS) {
            key.used_ms = Some(now_ms);
            match self.0.change(&name, |kept: &mut ApiKey| kept.used_ms = Some(now_ms)) {
                Ok(()) => {}
                Err(StoreError::Unknown(_)) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some((name, key)))
    }

    /// Those of a person, by name.
    pub fn of(&self, person: &str) -> Result<Vec<(String, ApiKey)>, StoreError> {
        Ok(self.0.list()?.into_iter().filter(|(_, key)| key.person == person).collect())
    }

    /// Ends one of a person; what it was. Blocks.
    pub fn revoke(&self, person: &str, name: &str) -> Result<Option<ApiKey>, StoreError> {
        match self.0.find(name)? {
            Some(key) if key.person == person => {
                self.0.remove(name)?;
                Ok(Some(key))
            }
            _ => Ok(None),
        }
    }

    /// Ends all of a person. Blocks.
    pub fn revoke_all(&self, person: &str) -> Result<(), StoreError> {
        for (name, _) in self.of(person)? {
            self.0.remove(&name)?;
        }
        Ok(())
    }
}
