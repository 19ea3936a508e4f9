//! One directory: what it is asked, what of its answers is kept, and whether it is believed.
//!
//! In: addresses and names. Out: [`Sought`], groups, log-ins. A fresh answer costs nothing; a
//! stale one is used when the directory is down or not believed ([`super::trust`]). Fails with
//! [`Unavailable`], never with a no that is none.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ldap3::Scope;

use super::DirectoryError;
use super::cache::{Cache, Lives, Look};
use super::entry::{Entry, Person};
use super::keep::{self, Kept};
use super::link::{Link, ServerStanding, Unavailable};
use super::search::{self, Failure, Question};
use super::trust::{Doubt, Lists, OnNo, Trust, Vouched};
use super::{dn, groups, now_ms};
use crate::config::{self, DirectoryTls};
use crate::mail::Address;
use crate::net::tls;

/// Entries looked at when an address is looked for; it should be one.
const ENTRIES: u16 = 8;
const HIDES_GROUPS: &str = "it shows no group any more; the groups that it showed stay in force";
/// Known addresses in a trial.
const TRIAL: usize = 8;

/// What is known of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sought {
    /// Somebody has it.
    Person(Arc<Person>),
    /// The same by an old answer, for the directory gives none.
    Formerly(Arc<Person>),
    /// Nobody has it.
    Nobody,
    /// The directory gives no answer, or none that is believed, and there is no old one.
    Unknown(Unavailable),
}

/// Somebody who has logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// As it was given, in small letters.
    pub name: String,
    /// What may be sent from.
    pub addresses: Vec<Address>,
}

/// What a reload hands on.
#[derive(Debug)]
struct State {
    people: Cache<Arc<Person>>,
    groups: Cache<Arc<BTreeSet<String>>>,
    trust: Trust,
    last_list: Option<Result<usize, String>>,
    /// It showed groups, and shows none of them any more.
    hides_groups: bool,
    /// It denied somebody of its list.
    is_list_wanted: bool,
    is_changed: bool,
}

/// One directory.
#[derive(Debug)]
pub struct Directory {
    settings: config::Directory,
    fingerprint: String,
    file: PathBuf,
    link: Link,
    state: Arc<Mutex<State>>,
}

impl Directory {
    /// As configured; what was kept before is read. Connects to nothing.
    pub fn new(
        settings: &config::Directory,
        data_dir: &Path,
        before: Option<&Directory>,
    ) -> Result<Directory, DirectoryError> {
        let password = settings.bind_password_file.as_deref().map(read_password).transpose()?;
        let secured = |server| settings.security_of(server) != DirectoryTls::None;
        let connector = match settings.servers.iter().any(secured) {
            true => Some(tls::verifying_client(settings.ca.as_deref())?),
            false => None,
        };
        let fingerprint = fingerprint(settings);
        let file = keep::place(data_dir, &settings.name);
        let before = before.filter(|before| before.fingerprint == fingerprint);
        let state = match before {
            Some(before) => Arc::clone(&before.state),
            None => Arc::new(Mutex::new(State::read(settings, &file, &fingerprint))),
        };
        let directory = Directory {
            link: Link::new(settings.clone(), password, connector),
            settings: settings.clone(),
            fingerprint,
            file,
            state,
        };
        let (lives, most) = (lives(settings), settings.cache_entries);
        let mut state = directory.state();
        state.people.set_terms(lives, most);
        state.groups.set_terms(lives, most);
        drop(state);
        Ok(directory)
    }

    /// Its section.
    pub fn settings(&self) -> &config::Directory {
        &self.settings
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who has an address.
    pub async fn seek(&self, address: &Address) -> Sought {
        let key = address.key();
        let looked = self.state().people.look(&key, now_ms());
        let old = match looked {
            Look::Fresh(person) => return Sought::Person(person),
            Look::Absent => return Sought::Nobody,
            Look::Stale(person) => Some(person),
            Look::Nothing => None,
        };
        let told = match self.ask_for(address).await {
            Ok(Some(person)) => {
                let person = Arc::new(person);
                let mut state = self.state();
                state.trust.yes(&key);
                state.people.present(&key, Arc::clone(&person), now_ms());
                state.is_changed = true;
                return Sought::Person(person);
            }
            Ok(None) => self.weigh_no(&key).await,
            Err(unavailable) => Err(unavailable),
        };
        match (told, old) {
            (Ok(()), _) => Sought::Nobody,
            (Err(_), Some(person)) => Sought::Formerly(person),
            (Err(unavailable), None) => Sought::Unknown(unavailable),
        }
    }

    /// Asks, and keeps nothing.
    pub async fn ask_for(&self, address: &Address) -> Result<Option<Person>, Unavailable> {
        let key = address.key();
        let question = self.recipient_question(std::slice::from_ref(&key));
        let attributes = self.settings.address_attributes();
        let alias = self.alias_attribute();
        let found = self.link.ask(move |mut ldap| {
            let (question, attributes) = (question.clone(), attributes.clone());
            let (alias, key) = (alias.clone(), key.clone());
            async move {
                let entries = search::few(&mut ldap, &question, ENTRIES).await?;
                let mut people: Vec<Person> = entries
                    .iter()
                    .map(|entry| Person::of(entry, &attributes, alias.as_deref()))
                    .collect();
                let own = people.iter().position(|person| person.has(&key)).unwrap_or(0);
                Ok((own < people.len()).then(|| people.swap_remove(own)))
            }
        });
        found.await
    }

    fn alias_attribute(&self) -> Option<String> {
        self.settings.alias_filter.as_ref().map(|_| self.settings.alias_attribute.clone())
    }

    fn recipient_question(&self, keys: &[String]) -> Question {
        let mut filter = String::new();
        for key in keys {
            let (local, domain) = key.rsplit_once('@').unwrap_or((key, ""));
            let values = [("address", key.as_str()), ("local", local), ("domain", domain)];
            filter.push_str(&self.settings.recipient_filter().with(&values));
            if let Some(alias) = &self.settings.alias_filter {
                filter.push_str(&alias.with(&values));
            }
        }
        Question {
            base: self.settings.base.clone(),
            scope: Scope::Subtree,
            filter: format!("(|{filter})"),
            attributes: self.wanted_attributes(),
        }
    }

    fn wanted_attributes(&self) -> Vec<String> {
        let mut wanted = self.settings.address_attributes();
        wanted.push("uid".into());
        wanted.extend(self.alias_attribute());
        if self.settings.groups() == config::GroupSource::MemberOf {
            wanted.push("memberOf".into());
        }
        wanted
    }

    /// What a no is worth; `Ok` when it is believed and kept.
    async fn weigh_no(&self, key: &str) -> Result<(), Unavailable> {
        // Once more after a trial.
        for _ in 0..2 {
            let lists = match self.settings.sync_minutes {
                0 => Lists::Never,
                _ => Lists::Fetched,
            };
            let shrink_percent = self.settings.shrink_percent;
            let onno = self.state().trust.no(key, lists, shrink_percent, now_ms());
            match onno {
                OnNo::Believe => {
                    let mut state = self.state();
                    state.people.absent(key, now_ms());
                    state.is_changed = true;
                    return Ok(());
                }
                OnNo::Disbelieve(news) => {
                    news.iter().for_each(|doubt| self.alarm(doubt));
                    break;
                }
                OnNo::AwaitList => {
                    self.state().is_list_wanted = true;
                    return Err(Unavailable {
                        directory: self.settings.name.clone(),
                        why: "it denies an address of its list: the next list decides".into(),
                    });
                }
                OnNo::Prove => match self.shows_somebody(key).await? {
                    true => {
                        let ended = self.state().trust.proved(now_ms());
                        if ended {
                            let directory = self.settings.name.as_str();
                            tracing::warn!(
                                directory,
                                "the directory shows people again: it is believed"
                            );
                        }
                    }
                    false => {
                        let news = self.state().trust.blind();
                        news.iter().for_each(|doubt| self.alarm(doubt));
                        break;
                    }
                },
            }
        }
        let doubt = self.state().trust.doubt().map(ToString::to_string);
        Err(Unavailable {
            directory: self.settings.name.clone(),
            why: format!("it is not believed: {}", doubt.unwrap_or_default()),
        })
    }

    fn alarm(&self, doubt: &Doubt) {
        let directory = self.settings.name.as_str();
        // What it denied while it was believed may be there.
        self.state().people.forget_absent();
        tracing::error!(directory, %doubt, "THE DIRECTORY IS NOT BELIEVED: old answers stay in force");
    }

    /// A trial: whether it shows anybody of those that are known, or, where few are known,
    /// anybody at all.
    async fn shows_somebody(&self, beside: &str) -> Result<bool, Unavailable> {
        let known = self.state().people.some(TRIAL + 1, now_ms());
        let others = known.into_iter().filter(|key| key != beside);
        let keys: Vec<String> = others.take(TRIAL).collect();
        let of_known = self.recipient_question(&keys);
        let anybody =
            Question { filter: self.settings.sync_filter().with(&[]), ..of_known.clone() };
        let count = keys.len();
        let shown = self.link.ask(move |mut ldap| {
            let (of_known, anybody) = (of_known.clone(), anybody.clone());
            async move {
                if count > 0 && !search::few(&mut ldap, &of_known, 1).await?.is_empty() {
                    return Ok(true);
                }
                match count < TRIAL {
                    true => Ok(!search::few(&mut ldap, &anybody, 1).await?.is_empty()),
                    false => Ok(false),
                }
            }
        });
        shown.await
    }

    /// The groups of somebody, nested ones with them, by [`dn::key`].
    pub async fn groups_of(&self, address: &Address) -> Result<Arc<BTreeSet<String>>, Unavailable> {
        let person = match self.seek(address).await {
            Sought::Nobody => return Ok(Arc::default()),
            Sought::Person(person) | Sought::Formerly(person) => person,
            Sought::Unknown(unavailable) => {
                return match self.state().groups.look(&address.key(), now_ms()) {
                    Look::Fresh(old) | Look::Stale(old) => Ok(old),
                    _ => Err(unavailable),
                };
            }
        };
        let key = dn::key(&person.dn);
        let old = match self.state().groups.look(&key, now_ms()) {
            Look::Fresh(groups) => return Ok(groups),
            Look::Stale(groups) => Some(groups),
            Look::Absent | Look::Nothing => None,
        };
        match self.ask_for_groups(&person).await {
            Ok(groups) => {
                let groups: BTreeSet<String> = groups.iter().map(|name| dn::key(name)).collect();
                if let Some(old) = old.filter(|old| groups.is_empty() && !old.is_empty())
                    // No answer, or that they are not for us to see, is no proof that they are
                    // gone.
                    && !self.shows_any_group(&old).await.unwrap_or(false)
                {
                    self.doubt_groups(true);
                    return Ok(old);
                }
                if !groups.is_empty() {
                    self.doubt_groups(false);
                }
                let groups = Arc::new(groups);
                let mut state = self.state();
                state.groups.present(&key, Arc::clone(&groups), now_ms());
                // By the address as well, for when not even the person is known any more.
                state.groups.present(&address.key(), Arc::clone(&groups), now_ms());
                Ok(groups)
            }
            Err(unavailable) => old.ok_or(unavailable),
        }
    }

    /// Whether what it says of groups is believed, for the operator.
    fn doubt_groups(&self, hides_groups: bool) {
        let before = std::mem::replace(&mut self.state().hides_groups, hides_groups);
        let directory = self.settings.name.as_str();
        match (before, hides_groups) {
            (false, true) => {
                tracing::error!(directory, "THE DIRECTORY IS NOT BELIEVED: {HIDES_GROUPS}");
            }
            (true, false) => {
                tracing::warn!(directory, "the directory shows groups again: it is believed");
            }
            _ => {}
        }
    }

    /// Whether it still shows any of these groups: who is in none any more may have left them,
    /// or the directory hides them.
    async fn shows_any_group(&self, groups: &BTreeSet<String>) -> Result<bool, Unavailable> {
        for name in groups.iter().take(TRIAL) {
            let question = Question {
                base: name.clone(),
                scope: Scope::Base,
                filter: "(objectClass=*)".into(),
                attributes: vec!["1.1".into()],
            };
            let asked = self.link.ask(move |mut ldap| {
                let question = question.clone();
                async move {
                    match search::few(&mut ldap, &question, 1).await {
                        Err(Failure::NoBase(_)) => Ok(false),
                        found => found.map(|found| !found.is_empty()),
                    }
                }
            });
            if asked.await? {
                self.doubt_groups(false);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Asks, and keeps nothing: names as the directory writes them.
    pub async fn ask_for_groups(&self, person: &Person) -> Result<Vec<String>, Unavailable> {
        let walk = groups::Walk::of(&self.settings, person);
        self.link.ask(move |ldap| walk.clone().run(ldap)).await
    }

    /// Whose name and password these are. Two entries of one name are nobody.
    pub async fn authenticate(
        &self,
        name: &str,
        password: &str,
    ) -> Result<Option<Identity>, Unavailable> {
        let name = name.trim();
        if name.is_empty() || password.is_empty() {
            return Ok(None);
        }
        let question = Question {
            base: self.settings.base.clone(),
            scope: Scope::Subtree,
            filter: self.settings.login_filter().with(&[("name", name)]),
            attributes: self.wanted_attributes(),
        };
        let found: Vec<Entry> = self
            .link
            .ask(move |mut ldap| {
                let question = question.clone();
                async move { search::few(&mut ldap, &question, 2).await }
            })
            .await?;
        let entry = match found.as_slice() {
            [entry] => entry,
            several => {
                if several.len() > 1 {
                    let directory = self.settings.name.as_str();
                    tracing::warn!(
                        directory,
                        name,
                        "several entries have this name: nobody logs in"
                    );
                }
                // As much work as for a name that exists.
                let nobody = format!("cn=nobody,{}", self.settings.base);
                let _ = self.link.is_password_of(&nobody, password).await;
                return Ok(None);
            }
        };
        let is_right = self.link.is_password_of(&entry.dn, password).await?;
        let person = Person::of(entry, &self.settings.address_attributes(), None);
        let identity = || Identity { name: name.to_lowercase(), addresses: person.addresses };
        Ok(is_right.then(identity))
    }

    /// Fetches all addresses. The list in force stays when the new one is not believed.
    pub async fn fetch_list(&self) -> Result<usize, String> {
        let fetched = self.fetch().await;
        let outcome = match fetched {
            Ok(people) => self.take_list(people),
            Err(unavailable) => Err(unavailable.why),
        };
        let directory = self.settings.name.as_str();
        match &outcome {
            Ok(addresses) => tracing::info!(directory, addresses, "all addresses were fetched"),
            Err(why) => tracing::warn!(directory, why, "addresses could not be fetched"),
        }
        let mut state = self.state();
        state.last_list = Some(outcome.clone());
        state.is_list_wanted = false;
        drop(state);
        outcome
    }

    /// Whether something waits for the next list.
    pub fn wants_list(&self) -> bool {
        self.state().is_list_wanted
    }

    async fn fetch(&self) -> Result<Vec<Person>, Unavailable> {
        let question = Question {
            base: self.settings.base.clone(),
            scope: Scope::Subtree,
            filter: self.settings.sync_filter().with(&[]),
            attributes: self.wanted_attributes(),
        };
        let (page, most) = (self.settings.page_entries, self.settings.cache_entries);
        let attributes = self.settings.address_attributes();
        let limit = Duration::from_secs(self.settings.sync_timeout_s);
        let fetch = self.link.ask_within(limit, move |mut ldap| {
            let (question, attributes) = (question.clone(), attributes.clone());
            async move {
                let mut people = Vec::new();
                let take = |entry: Entry| people.push(Person::of(&entry, &attributes, None));
                search::all(&mut ldap, &question, page, most, take).await?;
                let addresses: usize = people.iter().map(|person| person.addresses.len()).sum();
                match addresses > most {
                    true => Err(Failure::TooMany(most)),
                    false => Ok(people),
                }
            }
        });
        fetch.await
    }

    fn take_list(&self, people: Vec<Person>) -> Result<usize, String> {
        let people: Vec<Arc<Person>> = people.into_iter().map(Arc::new).collect();
        let of = |person: &Arc<Person>| -> Vec<String> {
            person.addresses.iter().map(Address::key).collect()
        };
        let list: HashSet<String> = people.iter().flat_map(of).collect();
        let (count, now) = (list.len(), now_ms());
        let mut state = self.state();
        let was_doubted = state.trust.doubt().cloned();
        let leavers = match state.trust.list(list, self.settings.shrink_percent, now) {
            Ok(leavers) => leavers,
            Err(doubt) => {
                drop(state);
                if was_doubted.as_ref() != Some(&doubt) {
                    self.alarm(&doubt);
                }
                return Err(format!("not believed: {doubt}"));
            }
        };
        leavers.iter().for_each(|key| state.people.forget(key));
        for person in &people {
            for key in of(person) {
                state.people.present(&key, Arc::clone(person), now);
            }
        }
        state.is_changed = true;
        Ok(count)
    }

    /// Fetches all addresses; the operator vouches for this list, whatever it lacks.
    pub async fn accept_list(&self) -> Result<usize, String> {
        self.state().trust.vouch(Vouched::Once);
        let outcome = self.fetch_list().await;
        // Not for one that comes later, of which the operator knows nothing.
        self.state().trust.vouch(Vouched::No);
        outcome
    }

    /// Writes down what is known, when it has changed. Blocks.
    pub fn keep(&self) {
        let kept = {
            let mut state = self.state();
            if !std::mem::take(&mut state.is_changed) {
                return;
            }
            let people = state.people.all();
            let people = people.map(|(key, who, at)| (key.clone(), Arc::clone(who), at)).collect();
            Kept::new(&self.fingerprint, state.trust.clone(), people)
        };
        if let Err(error) = kept.write(&self.file) {
            tracing::warn!(file = %self.file.display(), %error, "answers of a directory are not kept");
        }
    }

    /// How it is, for the operator.
    pub fn standing(&self) -> Standing {
        let servers = self.link.standing();
        let state = self.state();
        let ((listed, listed_ms), (present, absent)) =
            (state.trust.listed(), state.people.counts());
        let of_groups = || state.hides_groups.then(|| HIDES_GROUPS.to_owned());
        Standing {
            name: self.settings.name.clone(),
            servers,
            listed,
            listed_ms,
            present,
            absent,
            doubt: state.trust.doubt().map(ToString::to_string).or_else(of_groups),
            last_list: state.last_list.clone(),
        }
    }

    /// Tries everything that does not depend on an address: for `postern directory test`.
    pub async fn greet(&self) -> Result<Duration, Unavailable> {
        let begun = Instant::now();
        let question = Question {
            base: self.settings.base.clone(),
            scope: Scope::Subtree,
            filter: self.settings.sync_filter().with(&[]),
            attributes: vec!["1.1".into()],
        };
        let asked = self.link.ask(move |mut ldap| {
            let question = question.clone();
            async move { search::few(&mut ldap, &question, 1).await.map(|found| found.len()) }
        });
        asked.await.map(|_| begun.elapsed())
    }
}

/// How a directory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// Its servers.
    pub servers: Vec<ServerStanding>,
    /// Addresses of the list in force.
    pub listed: usize,
    /// When it was fetched, in milliseconds since 1970.
    pub listed_ms: Option<u64>,
    /// Addresses that are known to exist.
    pub present: usize,
    /// Addresses that are known not to.
    pub absent: usize,
    /// Why it is not believed.
    pub doubt: Option<String>,
    /// What came of the last attempt to fetch a list.
    pub last_list: Option<Result<usize, String>>,
}

impl State {
    fn read(settings: &config::Directory, file: &Path, fingerprint: &str) -> State {
        let (lives, most) = (lives(settings), settings.cache_entries);
        let mut people = Cache::new(lives, most);
        let mut trust = Trust::default();
        if let Some(kept) = Kept::read(file, fingerprint) {
            for (key, person, at_ms) in kept.people {
                people.present(&key, person, at_ms);
            }
            trust = kept.trust;
        }
        let groups = Cache::new(lives, most);
        State {
            people,
            groups,
            trust,
            last_list: None,
            hides_groups: false,
            is_list_wanted: false,
            is_changed: false,
        }
    }
}

fn lives(settings: &config::Directory) -> Lives {
    let stale_ms = settings.stale_h * 3_600_000;
    let fresh_ms = settings.fresh_s * 1_000;
    Lives { fresh_ms, negative_ms: settings.negative_s * 1_000, stale_ms: stale_ms.max(fresh_ms) }
}

/// What answers depend on beside the directory itself.
fn fingerprint(settings: &config::Directory) -> String {
    let parts = [
        format!("{:?}", settings.kind),
        dn::key(&settings.base),
        settings.recipient_filter().text().to_owned(),
        settings.sync_filter().text().to_owned(),
        format!("{:?}", settings.alias_filter),
        format!("{:?}", settings.address_attributes()),
    ];
    parts.join("\n")
}

fn read_password(file: &Path) -> Result<String, DirectoryError> {
    let unreadable = |error| DirectoryError::Password { file: file.to_owned(), error };
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    let password = text.lines().next().unwrap_or_default().to_owned();
    // RFC 4513 section 5.1.2: it would be taken for no password.
    match password.is_empty() {
        true => Err(DirectoryError::NoPassword { file: file.to_owned() }),
        false => Ok(password),
    }
}
