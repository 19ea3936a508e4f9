//! The data directory: made when missing, owned by one process at a time.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::cli::Trouble;

/// Held as long as the box runs; the kernel lets go of it with the process.
#[derive(Debug)]
pub(super) struct DataDir {
    _lock: Flock<File>,
}

impl DataDir {
    /// Makes the directory and takes it for this process alone.
    pub(super) fn take(dir: &Path) -> Result<DataDir, Trouble> {
        let failed = |error| Trouble::Input { file: dir.to_owned(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let file = dir.join("lock");
        let opened =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&file);
        let opened = opened.map_err(|error| Trouble::Input { file: file.clone(), error })?;
        match Flock::lock(opened, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(DataDir { _lock: lock }),
            Err((_, nix::Error::EWOULDBLOCK)) => Err(Trouble::Refused(format!(
                "another box runs on {}; stop it first",
                dir.display()
            ))),
            Err((_, error)) => Err(Trouble::Input { file, error: std::io::Error::other(error) }),
        }
    }
}

/// Descriptors are connections: takes as many as the system gives.
pub(super) fn raise_descriptor_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::warn!(%error, "the limit of open files stays at {soft}");
    }
}
