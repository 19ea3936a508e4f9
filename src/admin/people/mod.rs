//! The people who may use the administrator's site: who they are, what they may do, how they
//! show it.
//!
//! In: names, passwords (judged by zxcvbn, kept as Argon2id), time-based codes (RFC 6238),
//! recovery codes, keys of the API. Out: [`Caller`]s. All of it lies in the store and is on
//! disk when a call returns.
//!
//! Invariants: a log-in takes the same work whether or not the name is known, and its failure
//! says nothing of what was wrong; a code is good once; there is always an owner who can log
//! in; a changed password ends all other sessions. Fails with [`PeopleError`].

mod caller;
mod keys;
mod person;
mod rights;
mod second;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

pub use caller::{Caller, Scope, Via};
pub use keys::{ApiKey, Keys};
pub use person::{Draft, Person};
pub use rights::{ALL_RIGHTS, ROLES, Right, Rights, Role};
pub use second::{Enrolment, RECOVERY_CODES};

use crate::store::token::NoRandomness;
use crate::store::{Shelf, Store, StoreError, password};

/// Each takes 19 MiB and some tens of milliseconds.
const HASHES_AT_ONCE: usize = 2;
/// Log-ins that may wait for a hash.
const WAITING: usize = 32;
const NAME_LETTERS: usize = 64;
const PASSWORD_LETTERS: usize = 10;
/// zxcvbn looks at so many letters: its work grows with their number.
const JUDGED_LETTERS: usize = 100;

/// What goes wrong with people.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// The name cannot be one.
    #[error("a name has 1 to 64 letters, digits and . - _ @")]
    BadName,
    /// The password is too easy to guess.
    #[error("this password is too easy to guess: {0}")]
    WeakPassword(String),
    /// There is nobody of that name.
    #[error("there is nobody called {0}")]
    Unknown(String),
    /// There is somebody of that name.
    #[error("there is somebody called {0} already")]
    Exists(String),
    /// Nobody would be left who may do everything.
    #[error("somebody must be left who is an owner and can log in")]
    LastOwner,
    /// The code is not the one that is due.
    #[error("that is not the code that the app shows now")]
    WrongCode,
    /// Too many log-ins at once.
    #[error("too many log-ins at once: try again in a moment")]
    Overloaded,
    /// No secret can be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The store fails.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for PeopleError {
    fn from(error: StoreError) -> PeopleError {
        match error {
            StoreError::Unknown(name) => PeopleError::Unknown(name),
            StoreError::Exists(name) => PeopleError::Exists(name),
            StoreError::BadPassword(why) => PeopleError::WeakPassword(why.into()),
            error => PeopleError::Store(error),
        }
    }
}

/// Everybody who may use the site.
#[derive(Debug, Clone)]
pub struct People {
    shelf: Shelf<Person>,
    hashes: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// Whoever changes who is an owner has it: two at once could leave none.
    changing: Arc<std::sync::Mutex<()>>,
}

impl People {
    /// The people in the store.
    pub fn open(store: &Store) -> Result<People, StoreError> {
        Ok(People {
            shelf: store.shelf("people")?,
            hashes: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
            waiting: Arc::new(Semaphore::new(WAITING)),
            changing: Arc::default(),
        })
    }

    /// Whether there is nobody yet: the box is to be set up.
    pub fn is_empty(&self) -> bool {
        self.shelf.is_empty()
    }

    /// Everybody, by name.
    pub fn list(&self) -> Result<Vec<Person>, PeopleError> {
        Ok(self.shelf.list()?.into_iter().map(|(_, person)| person).collect())
    }

    /// Somebody.
    pub fn find(&self, name: &str) -> Result<Option<Person>, PeopleError> {
        Ok(self.shelf.find(&folded(name))?)
    }

    /// Tells somebody's password from the one before it; the same for all who are not known.
    /// Blocks.
    pub fn password_print(&self, name: &str) -> Result<u64, PeopleError> {
        let person = self.find(name)?;
        Ok(person.map_or(0, |person| {
            let mut hasher = DefaultHasher::new();
            // Salted: the same password given again is another one.
            person.password_hash.hash(&mut hasher);
            hasher.finish()
        }))
    }

    /// Somebody new. Blocks, also for the hash.
    pub fn add(&self, draft: &Draft, password: &str, now_ms: u64) -> Result<Person, PeopleError> {
        let name = checked_name(&draft.name)?;
        judge(password, &name)?;
        let person = Person::new(name, draft, password::hash(password)?, now_ms);
        self.shelf.add(&person.name, &person)?;
        Ok(person)
    }

    /// The first one, an owner; fails with [`PeopleError::Exists`] when there is anybody.
    /// Blocks.
    pub fn add_first(
        &self,
        name: &str,
        password: &str,
        now_ms: u64,
    ) -> Result<Person, PeopleError> {
        let _turn = self.changing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match self.is_empty() {
            true => self.add(&Draft::of(name, Role::Owner), password, now_ms),
            false => Err(PeopleError::Exists(name.to_owned())),
        }
    }

    /// Gives somebody another role, other domains, or takes away or gives back the right to
    /// log in. Returns how it was before and is now. Blocks.
    pub fn change(&self, draft: &Draft) -> Result<(Person, Person), PeopleError> {
        let _turn = self.changing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let name = folded(&draft.name);
        if !draft.is_able_owner() {
            self.spare_last_owner(&name)?;
        }
        Ok(self.shelf.change(&name, |person| {
            let before = person.clone();
            person.apply(draft);
            (before, person.clone())
        })?)
    }

    /// Takes somebody away. Blocks.
    pub fn remove(&self, name: &str) -> Result<Person, PeopleError> {
        let _turn = self.changing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let name = folded(name);
        self.spare_last_owner(&name)?;
        let person = self.shelf.find(&name)?;
        self.shelf.remove(&name)?;
        person.ok_or(PeopleError::Unknown(name))
    }

    fn spare_last_owner(&self, name: &str) -> Result<(), PeopleError> {
        let others = self.list()?;
        let is_left = others.iter().any(|other| other.is_able_owner() && other.name != name);
        let is_one = others.iter().any(|other| other.is_able_owner() && other.name == name);
        match is_left || !is_one {
            true => Ok(()),
            false => Err(PeopleError::LastOwner),
        }
    }

    /// Gives somebody another password. Blocks.
    pub fn set_password(&self, name: &str, password: &str) -> Result<(), PeopleError> {
        let name = folded(name);
        judge(password, &name)?;
        let hash = password::hash(password)?;
        Ok(self.shelf.change(&name, |person| person.password_hash.clone_from(&hash))?)
    }

    /// Whether name, password and code are right. `code` is of the app, or a recovery code;
    /// who has no second factor needs none.
    pub async fn log_in(
        &self,
        name: &str,
        password: &str,
        code: &str,
        now_ms: u64,
    ) -> Result<Option<Person>, PeopleError> {
        let Ok(_waiting) = Arc::clone(&self.waiting).try_acquire_owned() else {
            return Err(PeopleError::Overloaded);
        };
        let Ok(turn) = Arc::clone(&self.hashes).acquire_owned().await else {
            return Err(PeopleError::Overloaded);
        };
        let (people, name) = (self.clone(), folded(name));
        let (password, code) = (password.to_owned(), code.to_owned());
        let work = move || {
            let _turn = turn;
            people.check(&name, &password, &code, now_ms)
        };
        tokio::task::spawn_blocking(work).await.unwrap_or(Err(PeopleError::Overloaded))
    }

    /// Whether that is somebody's password, whatever their second factor.
    pub async fn is_password(&self, name: &str, password: &str) -> Result<bool, PeopleError> {
        let Ok(_waiting) = Arc::clone(&self.waiting).try_acquire_owned() else {
            return Err(PeopleError::Overloaded);
        };
        let Ok(turn) = Arc::clone(&self.hashes).acquire_owned().await else {
            return Err(PeopleError::Overloaded);
        };
        let (people, name, password) = (self.clone(), folded(name), password.to_owned());
        let work = move || {
            let _turn = turn;
            let found = people.shelf.find(&name)?;
            let hash = found.as_ref().map(|person| person.password_hash.as_str());
            Ok(password::matches(&password, hash)?)
        };
        tokio::task::spawn_blocking(work).await.unwrap_or(Err(PeopleError::Overloaded))
    }

    fn check(
        &self,
        name: &str,
        password: &str,
        code: &str,
        now_ms: u64,
    ) -> Result<Option<Person>, PeopleError> {
        let found = self.shelf.find(name)?;
        let hash = found.as_ref().map(|person| person.password_hash.as_str());
        let is_right = password::matches(password, hash)?;
        let Some(person) = found.filter(|person| is_right && !person.is_disabled) else {
            return Ok(None);
        };
        if person.second.is_none() {
            return Ok(Some(person));
        }
        let used = self.shelf.change(name, |person| second::spend(person, code, now_ms))?;
        Ok(used.then_some(person))
    }

    /// Puts a second factor in force after its first code; the recovery codes, which are shown
    /// this once. Blocks.
    pub fn enrol(
        &self,
        name: &str,
        enrolment: &Enrolment,
        code: &str,
        now_ms: u64,
    ) -> Result<Vec<String>, PeopleError> {
        let (second, codes) = enrolment.completed(code, now_ms)?;
        self.shelf.change(&folded(name), |person| person.second = Some(second.clone()))?;
        Ok(codes)
    }

    /// Takes the second factor away. Blocks.
    pub fn drop_second(&self, name: &str) -> Result<(), PeopleError> {
        Ok(self.shelf.change(&folded(name), |person| person.second = None)?)
    }
}

/// Names are compared in lower case after NFKC (RFC 8265 section 3.3).
pub(super) fn folded(name: &str) -> String {
    name.trim().chars().take(NAME_LETTERS + 1).nfkc().collect::<String>().to_lowercase()
}

fn checked_name(name: &str) -> Result<String, PeopleError> {
    let name = folded(name);
    let is_fit = |letter: char| letter.is_alphanumeric() || ".-_@".contains(letter);
    match (1..=NAME_LETTERS).contains(&name.chars().count()) && name.chars().all(is_fit) {
        true => Ok(name),
        false => Err(PeopleError::BadName),
    }
}

/// Refuses what can be guessed: short ones, and those of which zxcvbn thinks less than 3.
pub fn judge(password: &str, name: &str) -> Result<(), PeopleError> {
    let weak = |why: &str| Err(PeopleError::WeakPassword(why.to_owned()));
    if password.chars().count() < PASSWORD_LETTERS {
        return weak("ten characters at least");
    }
    if beyond_the_obvious(password, name) < PASSWORD_LETTERS / 2 {
        return weak("it is little more than a name");
    }
    let judged: String = password.chars().take(JUDGED_LETTERS).collect();
    let entropy = zxcvbn::zxcvbn(&judged, &[name, "postern", "admin"]);
    if u8::from(entropy.score()) >= 3 {
        return Ok(());
    }
    let said = entropy.feedback().and_then(|feedback| feedback.warning());
    weak(&said.map_or_else(|| "make it longer or less regular".to_owned(), |why| why.to_string()))
}

/// Letters that are left without what stands on the page anyway.
fn beyond_the_obvious(password: &str, name: &str) -> usize {
    let left = [name, "postern", "admin"].iter().fold(password.to_lowercase(), |left, obvious| {
        if obvious.is_empty() { left } else { left.replace(&obvious.to_lowercase(), "") }
    });
    left.chars().filter(|letter| letter.is_alphanumeric()).count()
}

#[cfg(test)]
mod tests;
