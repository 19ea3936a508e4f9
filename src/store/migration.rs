//! The schema's version and the steps between versions.
//!
//! In: a database and the version wanted. Out: the database in that version. A step may be
//! repeated after a kill, so each must be idempotent; the version is written and flushed
//! after each. Refuses a database newer than the steps known.

use super::StoreError;

const VERSION_KEY: &[u8] = b"schema-version";

/// What a step does to the database.
pub type Step = fn(&sled::Db) -> Result<(), StoreError>;

/// Leads from the version before to `version`, and back.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// The version that `forward` leads to.
    pub version: u32,
    /// From the version before.
    pub forward: Step,
    /// To the version before.
    pub back: Step,
}

/// Every step there has been, in order.
pub const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    forward: super::accounts::make_tree,
    back: super::accounts::drop_tree,
}];

/// The newest version that the steps lead to.
pub fn newest(steps: &[Migration]) -> u32 {
    steps.iter().map(|step| step.version).max().unwrap_or(0)
}

/// The version that a database has; 0 when it is new.
pub fn version(db: &sled::Db) -> Result<u32, StoreError> {
    let Some(value) = db.get(VERSION_KEY)? else { return Ok(0) };
    let octets = value.as_ref().try_into().map_err(|_| StoreError::Damaged("schema version"))?;
    Ok(u32::from_be_bytes(octets))
}

/// Leads a database to `target`, forward or back.
pub fn migrate(db: &sled::Db, steps: &[Migration], target: u32) -> Result<(), StoreError> {
    let found = version(db)?;
    let known = newest(steps);
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    if target > known {
        return Err(StoreError::NoSuchVersion(target));
    }
    for step in steps.iter().filter(|step| step.version > found && step.version <= target) {
        (step.forward)(db)?;
        set_version(db, step.version)?;
    }
    let undone = steps.iter().rev();
    for step in undone.filter(|step| step.version <= found && step.version > target) {
        (step.back)(db)?;
        set_version(db, step.version.saturating_sub(1))?;
    }
    Ok(())
}

fn set_version(db: &sled::Db, version: u32) -> Result<(), StoreError> {
    // The step's work first: a version must never be on disk before it.
    db.flush()?;
    db.insert(VERSION_KEY, &version.to_be_bytes())?;
    db.flush()?;
    Ok(())
}
