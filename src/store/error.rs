//! What can go wrong with the store. The operator reads it; a peer only ever sees `454`.

use std::io;
use std::path::PathBuf;

/// Named for who is to blame.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the store open.
    #[error("the store is open in another process: the box is running")]
    Busy,
    /// The folder or its lock cannot be used.
    #[error("{}: {error}", folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The store was written by a newer program.
    #[error("the store has schema version {found}, this program knows {known} at most")]
    TooNew {
        /// In the store.
        found: u32,
        /// In the program.
        known: u32,
    },
    /// No such schema version.
    #[error("there is no schema version {0}")]
    NoSuchVersion(u32),
    /// The database cannot be read or written.
    #[error("the store fails: {0}")]
    Database(#[from] sled::Error),
    /// A value in the store is not what its tree holds.
    #[error("the store holds a damaged {0}")]
    Damaged(&'static str),
    /// There is a store where one was to be made.
    #[error("there is a store already")]
    NotEmpty,
    /// A file is no export of a store.
    #[error("not the export of a store: {0}")]
    BadExport(&'static str),
    /// An export cannot be read or written.
    #[error("the export fails: {0}")]
    Transfer(#[from] io::Error),
    /// The name cannot be an account's.
    #[error("not an account name: {0}")]
    BadName(&'static str),
    /// The password cannot be one.
    #[error("not a password: {0}")]
    BadPassword(&'static str),
    /// An account of this name exists.
    #[error("there is an account {0} already")]
    Exists(String),
    /// No account of this name exists.
    #[error("there is no account {0}")]
    Unknown(String),
    /// A list of senders holds as many entries as it may.
    #[error("the list holds {0} entries already, which is as many as it may")]
    TooMany(usize),
    /// No such entry is in the list.
    #[error("{0} is not in this list")]
    NotListed(String),
    /// More log-ins wait than may.
    #[error("too many log-ins at once")]
    Overloaded,
    /// A password could not be hashed.
    #[error("a password could not be hashed: {0}")]
    Hash(String),
}

impl StoreError {
    /// Whether it is the full disk that is to blame.
    pub fn is_for_want_of_space(&self) -> bool {
        let full = |error: &io::Error| error.kind() == io::ErrorKind::StorageFull;
        match self {
            StoreError::Folder { error, .. }
            | StoreError::Database(sled::Error::Io(error))
            | StoreError::Transfer(error) => full(error),
            _ => false,
        }
    }
}
