//! How long lists of kept and waiting mail are, and how long people wait for them.
//!
//! In: nothing. Out: limits that the pages of queue and quarantine share.

use std::time::Duration;

/// Rows of a page.
pub(super) const PAGE: usize = 50;
/// A page is given with what was found by then.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// Whoever acts on all that fit waits longer.
pub(super) const LONG_PATIENCE: Duration = Duration::from_secs(20);
