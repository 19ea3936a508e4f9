//! What a reload cannot change.
//!
//! In: the configuration in force and another one. Out: the names of what has changed and waits
//! for a restart.

use super::Config;

impl Config {
    /// Sections and keys that differ in the other one and are read at start only.
    pub fn needs_restart(&self, new: &Config) -> Vec<&'static str> {
        let changed = [
            ("system.data_dir", self.system.data_dir != new.system.data_dir),
            ("spool", self.spool != new.spool),
            ("quarantine", self.quarantine != new.quarantine),
            ("dns", self.dns != new.dns),
            ("bulk.entries", self.bulk.entries != new.bulk.entries),
            ("telemetry.target", self.telemetry.target != new.telemetry.target),
            ("limits.budget_octets", self.limits.budget_octets != new.limits.budget_octets),
            ("admin", self.admin != new.admin),
            ("delivery.connections", self.delivery.connections != new.delivery.connections),
        ];
        changed.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
    }
}
