//! Which reports were sent, so that none is sent anew after a restart.
//!
//! In: the mails that a report goes out as, named before the first of them is committed. Out:
//! the same names again after a crash: the spool takes a mail under a name that it has as the
//! one it has. What a call acknowledges is on the disk. Between the commit of a mail and the
//! note that it was committed lies a moment in which a power cut makes one repetition, with
//! the same report id, by which its reader knows it.

use serde::{Deserialize, Serialize};

use super::{Day, read, write};
use crate::mail::{Address, Domain, MailId};
use crate::store::StoreError;

const TREE: &str = "dmarc-sent-1";
/// Notes on what was sent are kept beyond the observations, to be looked at.
const DAYS_KEPT: u32 = 90;

/// How far a mail is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// It has a name; whether the spool has it is not known.
    Named,
    /// The spool has it.
    Committed,
}

/// A report on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// Its id in file, subject and XML.
    pub report_id: String,
    /// When it was begun, milliseconds since 1970.
    pub begun_ms: u64,
    /// To whom, as which mail, how far. Empty when nobody could be sent it.
    pub mails: Vec<(Address, MailId, Stage)>,
    /// Why some got none.
    pub remark: String,
}

impl Sending {
    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.mails.iter().all(|(_, _, stage)| *stage == Stage::Committed)
    }
}

/// The tree of reports sent.
#[derive(Debug, Clone)]
pub struct SentReports {
    tree: sled::Tree,
}

impl SentReports {
    pub(super) fn open(db: &sled::Db) -> Result<SentReports, StoreError> {
        Ok(SentReports { tree: db.open_tree(TREE)? })
    }

    /// What is known of the report on a domain and day.
    pub fn find(&self, day: Day, domain: &Domain) -> Result<Option<Sending>, StoreError> {
        let value = self.tree.get(key(day, domain))?;
        value.map(|value| read(&value, "note on a DMARC report")).transpose()
    }

    /// Notes a report before its first mail is committed; what is noted already stays and is
    /// returned. Blocks until it is on the disk.
    pub fn begin(
        &self,
        day: Day,
        domain: &Domain,
        sending: Sending,
    ) -> Result<Sending, StoreError> {
        let value = write(&sending, "note on a DMARC report")?;
        let absent: Option<&[u8]> = None;
        let noted = match self.tree.compare_and_swap(key(day, domain), absent, Some(value))? {
            Ok(()) => sending,
            Err(there) => match there.current {
                Some(value) => read(&value, "note on a DMARC report")?,
                None => sending,
            },
        };
        self.tree.flush()?;
        Ok(noted)
    }

    /// Notes that the spool has one of its mails. Blocks until it is on the disk.
    pub fn committed(&self, day: Day, domain: &Domain, mail: MailId) -> Result<(), StoreError> {
        let Some(mut sending) = self.find(day, domain)? else { return Ok(()) };
        for (_, id, stage) in &mut sending.mails {
            if *id == mail {
                *stage = Stage::Committed;
            }
        }
        self.tree.insert(key(day, domain), write(&sending, "note on a DMARC report")?)?;
        self.tree.flush()?;
        Ok(())
    }

    /// Reports of a day that are noted.
    pub fn count(&self, day: Day) -> Result<usize, StoreError> {
        let mut count = 0;
        for key in self.tree.scan_prefix(day.0.to_be_bytes()).keys() {
            key?;
            count += 1;
        }
        Ok(count)
    }

    /// Forgets notes that nobody needs any more.
    pub fn expire(&self, today: Day) -> Result<usize, StoreError> {
        let oldest = today.before(DAYS_KEPT);
        let mut gone = 0;
        for key in self.tree.range(..oldest.0.to_be_bytes()).keys() {
            self.tree.remove(key?)?;
            gone += 1;
        }
        Ok(gone)
    }
}

fn key(day: Day, domain: &Domain) -> Vec<u8> {
    let mut key = day.0.to_be_bytes().to_vec();
    key.extend_from_slice(domain.as_str().as_bytes());
    key
}
