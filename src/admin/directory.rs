//! What the operator sees of directories, and says of them.

use std::fmt;
use std::sync::Arc;

use super::api::{DirectoryRow, DirectoryServerRow, ListTaken, time_of};
use super::desk::{Desk, DeskError};
use crate::directory::{Directories, ServerStanding, Standing};

/// Knows who there is.
pub trait Acquainted: fmt::Debug + Send + Sync {
    /// The directories in force.
    fn directories(&self) -> Arc<Directories>;
}

impl Desk {
    /// How the directories are, and the next hops that are asked.
    pub(super) fn directories(&self) -> Result<Vec<DirectoryRow>, DeskError> {
        let directories = self.acquainted.directories();
        let mut rows: Vec<DirectoryRow> =
            directories.all().iter().map(|one| DirectoryRow::from(one.standing())).collect();
        let callouts = directories.callouts();
        let (present, absent) = callouts.counts();
        let takers_of_any = callouts.takers_of_any();
        if present + absent + takers_of_any.len() > 0 {
            rows.push(DirectoryRow {
                name: "callout".into(),
                servers: Vec::new(),
                doubt: None,
                listed: 0,
                listed_at: None,
                last_list: None,
                present,
                absent,
                takers_of_any,
            });
        }
        Ok(rows)
    }

    /// Fetches a directory's list of addresses now, and believes it unless it is empty.
    pub(super) async fn accept_directory(&self, name: &str) -> Result<ListTaken, DeskError> {
        let directories = self.acquainted.directories();
        let Some(directory) = directories.named(name) else {
            return Err(DeskError::Unknown(format!("there is no directory {name:?}")));
        };
        match directory.accept_list().await {
            Ok(addresses) => Ok(ListTaken { directory: name.to_owned(), addresses }),
            Err(why) => Err(DeskError::Unfit(format!("{name}: {why}"))),
        }
    }
}

impl From<Standing> for DirectoryRow {
    fn from(standing: Standing) -> DirectoryRow {
        DirectoryRow {
            name: standing.name,
            servers: standing.servers.into_iter().map(DirectoryServerRow::from).collect(),
            doubt: standing.doubt,
            listed: standing.listed,
            listed_at: standing.listed_ms.map(time_of),
            last_list: standing.last_list.map(|outcome| match outcome {
                Ok(addresses) => format!("{addresses} addresses"),
                Err(why) => format!("failed: {why}"),
            }),
            present: standing.present,
            absent: standing.absent,
            takers_of_any: Vec::new(),
        }
    }
}

impl From<ServerStanding> for DirectoryServerRow {
    fn from(server: ServerStanding) -> DirectoryServerRow {
        let ServerStanding { server, in_use, last_failure } = server;
        DirectoryServerRow { server, in_use, last_failure }
    }
}
