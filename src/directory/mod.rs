//! Who there is: mailboxes, aliases, groups and passwords, from directories (LDAP, RFC 4510)
//! and from next hops that are asked.
//!
//! In: addresses and names; `[[directory]]`, `[[domain]]`, `[[group]]`, `[callout]`. Out:
//! [`Recipient`], [`GroupsAnswer`], [`Identity`]. Answers are kept ([`cache`]): a directory
//! that is down costs nobody's mail as long as they live, and then configuration says what is
//! done. A directory that suddenly knows nobody is not believed ([`trust`]).
//!
//! Policy asks nobody: who evaluates it fetches [`Directories::groups_of`] of sender and
//! recipient before, and passes the names on.

pub mod cache;
pub mod callout;
pub mod dn;
mod entry;
mod groups;
mod guard;
mod keep;
mod link;
mod one;
mod search;
pub mod trust;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::config::{Config, Group, OnUnverified, RecipientCheck, Subaddress};
use crate::mail::{Address, Domain};
use crate::net::tls::TlsError;
pub use callout::{Called, Calling, Callouts, NextHops};
pub use entry::Person;
pub use link::{ServerStanding, Unavailable};
pub use one::{Directory, Identity, Sought, Standing};

/// After a list could not be fetched.
const RETRY: Duration = Duration::from_secs(60);
/// Between two lists, also when the second is wanted because of a denied address.
const WANTED_AFTER: Duration = Duration::from_secs(15);
/// Between two looks at what is due.
const TICK: Duration = Duration::from_millis(500);
/// Between two writings of what is known.
const KEEP_EVERY: Duration = Duration::from_secs(60);

/// The administrator is to blame.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The file with the password cannot be read.
    #[error("{}: {error}", file.display())]
    Password {
        /// Which file.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is empty.
    #[error("{}: no password in it, and without one anybody could bind", file.display())]
    NoPassword {
        /// Which file.
        file: PathBuf,
    },
    /// The authorities cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What is known of a recipient of a protected domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// It exists: the mail goes to this address.
    Known(Address),
    /// It does not.
    Unknown,
    /// Nobody can say for the moment.
    Unverified {
        /// What is to be done.
        then: OnUnverified,
        /// Why, for the operator.
        why: String,
    },
}

/// How sure the groups of somebody are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// Every directory that may know has answered, or did lately.
    Known,
    /// At least one that may know gave no answer: there may be more. What the strictest of
    /// those says of such cases.
    Incomplete(OnUnverified),
}

/// The groups of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupsAnswer {
    /// Names of `[[group]]`, and of directories' groups their names in the form of [`dn::key`].
    pub names: BTreeSet<String>,
    /// Whether these are all.
    pub certainty: Certainty,
}

impl GroupsAnswer {
    /// Whether a group that a rule names, with or without `group:`, is among them.
    pub fn has(&self, group: &str) -> bool {
        let group = group.strip_prefix("group:").unwrap_or(group);
        self.names.contains(group) || (group.contains('=') && self.names.contains(&dn::key(group)))
    }
}

#[derive(Debug, Clone)]
struct Protected {
    recipients: RecipientCheck,
    directory: Option<Arc<Directory>>,
    subaddress: Option<Subaddress>,
    rewrites: bool,
}

/// All directories and callouts of a configuration.
#[derive(Debug)]
pub struct Directories {
    directories: Vec<Arc<Directory>>,
    domains: HashMap<Domain, Protected>,
    groups: Vec<Group>,
    log_in: Option<Arc<Directory>>,
    callouts: Callouts,
}

impl Directories {
    /// As configured; `before` hands on what it knows. Reads files, connects to nothing.
    pub fn new(
        config: &Config,
        next_hops: Arc<dyn NextHops>,
        before: Option<&Directories>,
    ) -> Result<Directories, DirectoryError> {
        let mut directories = Vec::with_capacity(config.directory.len());
        for settings in &config.directory {
            let before = before.and_then(|before| before.named(&settings.name));
            let data_dir = &config.system.data_dir;
            directories.push(Arc::new(Directory::new(
                settings,
                data_dir,
                before.map(|one| &**one),
            )?));
        }
        let find = |name: &str| {
            directories.iter().find(|one: &&Arc<Directory>| one.settings().name == name).cloned()
        };
        let domains = config.domain.iter().map(|domain| {
            let directory = config.directory_of(domain).and_then(|one| find(&one.name));
            let protected = Protected {
                recipients: domain.recipients,
                directory,
                subaddress: domain.subaddress,
                rewrites: domain.rewrite,
            };
            (domain.name.clone(), protected)
        });
        Ok(Directories {
            domains: domains.collect(),
            groups: config.group.clone(),
            log_in: config.submission.directory.as_deref().and_then(find),
            callouts: Callouts::new(config, next_hops, before.map(|before| &before.callouts)),
            directories,
        })
    }

    /// One of them.
    pub fn named(&self, name: &str) -> Option<&Arc<Directory>> {
        self.directories.iter().find(|one| one.settings().name == name)
    }

    /// All of them.
    pub fn all(&self) -> &[Arc<Directory>] {
        &self.directories
    }

    /// The next hops that are asked.
    pub fn callouts(&self) -> &Callouts {
        &self.callouts
    }

    /// What is known of a recipient; every address is, where nobody is to be asked.
    pub async fn recipient(&self, forward_path: &Address) -> Recipient {
        let protected = forward_path.domain().and_then(|domain| self.domains.get(domain));
        let Some(protected) = protected else { return Recipient::Known(forward_path.clone()) };
        match (protected.recipients, &protected.directory) {
            (RecipientCheck::Ldap, Some(directory)) => {
                self.in_directory(forward_path, protected, directory).await
            }
            (RecipientCheck::Callout, _) => match self.callouts.ask(forward_path).await {
                Called::Known => Recipient::Known(forward_path.clone()),
                Called::Unknown => Recipient::Unknown,
                Called::Unclear(why) => {
                    Recipient::Unverified { then: self.callouts.settings().on_unclear, why }
                }
            },
            _ => Recipient::Known(forward_path.clone()),
        }
    }

    async fn in_directory(
        &self,
        forward_path: &Address,
        protected: &Protected,
        directory: &Directory,
    ) -> Recipient {
        let mut sought = directory.seek(forward_path).await;
        let mailbox = protected.subaddress.and_then(|sign| sign.without_tag(forward_path));
        if sought == Sought::Nobody
            && let Some(mailbox) = &mailbox
        {
            sought = directory.seek(mailbox).await;
            if let Sought::Person(_) | Sought::Formerly(_) = sought {
                // The tag is for the mailbox to see.
                return Recipient::Known(forward_path.clone());
            }
        }
        match sought {
            Sought::Person(person) | Sought::Formerly(person) => {
                let canonical = person.canonical().filter(|_| protected.rewrites);
                // Only to where the box delivers: a directory must not send mail astray.
                let inside = canonical.filter(|address| {
                    address.domain().is_some_and(|domain| self.domains.contains_key(domain))
                });
                Recipient::Known(inside.unwrap_or(forward_path).clone())
            }
            Sought::Nobody => Recipient::Unknown,
            Sought::Unknown(unavailable) => Recipient::Unverified {
                then: directory.settings().on_failure,
                why: unavailable.to_string(),
            },
        }
    }

    /// The groups of a sender or recipient: those of `[[group]]`, for own people also those of
    /// the directories. Strangers are looked up nowhere.
    pub async fn groups_of(&self, address: &Address) -> GroupsAnswer {
        let mut names: BTreeSet<String> = self
            .groups
            .iter()
            .filter(|group| group.lists(address))
            .map(|group| group.name.clone())
            .collect();
        let mut certainty = Certainty::Known;
        let protected = address.domain().and_then(|domain| self.domains.get(domain));
        let asked: &[Arc<Directory>] = match protected {
            None => &[],
            Some(Protected { directory: Some(directory), .. }) => std::slice::from_ref(directory),
            Some(_) => &self.directories,
        };
        for directory in asked {
            let bare = protected
                .and_then(|protected| protected.subaddress)
                .and_then(|sign| sign.without_tag(address));
            let mut found = directory.groups_of(address).await;
            if let (Ok(groups), Some(bare)) = (&found, &bare)
                && groups.is_empty()
            {
                found = directory.groups_of(bare).await;
            }
            match found {
                Ok(found) => self.name_groups(directory, &found, &mut names),
                Err(error) => {
                    tracing::warn!(%address, %error, "groups cannot be looked up");
                    let then = directory.settings().on_failure;
                    certainty = match certainty {
                        Certainty::Known => Certainty::Incomplete(then),
                        Certainty::Incomplete(before) => Certainty::Incomplete(before.max(then)),
                    };
                }
            }
        }
        GroupsAnswer { names, certainty }
    }

    /// Names as the site gave them to groups of a directory.
    fn name_groups(
        &self,
        directory: &Directory,
        found: &BTreeSet<String>,
        names: &mut BTreeSet<String>,
    ) {
        let of_directory = self.groups.iter().filter(|group| match &group.directory {
            Some(name) => *name == directory.settings().name,
            None => true,
        });
        for group in of_directory {
            if group.dn.as_ref().is_some_and(|name| found.contains(&dn::key(name))) {
                names.insert(group.name.clone());
            }
        }
        names.extend(found.iter().cloned());
    }

    /// Whose name and password these are, where a directory is asked for that.
    pub async fn authenticate(
        &self,
        name: &str,
        password: &str,
    ) -> Result<Option<Identity>, Unavailable> {
        match &self.log_in {
            Some(directory) => directory.authenticate(name, password).await,
            None => Ok(None),
        }
    }

    /// Whether a directory is asked for passwords.
    pub fn takes_log_ins(&self) -> bool {
        self.log_in.is_some()
    }

    /// Fetches lists and writes down what is known, as long as these directories are in force
    /// and the box runs.
    pub fn watch(self: &Arc<Self>, stopped: &watch::Receiver<bool>) {
        for directory in &self.directories {
            tokio::spawn(watch(Arc::downgrade(directory), stopped.clone()));
        }
    }
}

/// Does what is due for one directory, until it is dropped or the box stops.
async fn watch(directory: Weak<Directory>, mut stopped: watch::Receiver<bool>) {
    let mut list_due = Instant::now();
    let mut list_begun: Option<Instant> = None;
    let mut keep_due = Instant::now() + KEEP_EVERY;
    loop {
        let Some(alive) = directory.upgrade() else { return };
        let every = Duration::from_secs(alive.settings().sync_minutes * 60);
        let stops = *stopped.borrow();
        let may_be_wanted = list_begun.is_none_or(|begun| begun.elapsed() >= WANTED_AFTER);
        let is_due = Instant::now() >= list_due || (may_be_wanted && alive.wants_list());
        if !every.is_zero() && is_due && !stops {
            list_begun = Some(Instant::now());
            let fetched = tokio::select! {
                fetched = alive.fetch_list() => fetched,
                _ = stopped.wait_for(|stops| *stops) => Err("the box is going down".into()),
            };
            list_due = Instant::now() + if fetched.is_ok() { every } else { RETRY.min(every) };
            keep_due = Instant::now();
        }
        if Instant::now() >= keep_due || stops {
            let keeper = Arc::clone(&alive);
            let _ = tokio::task::spawn_blocking(move || keeper.keep()).await;
            keep_due = Instant::now() + KEEP_EVERY;
        }
        drop(alive);
        if stops {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            changed = stopped.changed() => if changed.is_err() { return },
        }
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
