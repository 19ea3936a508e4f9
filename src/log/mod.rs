//! durable segment log: group commit, replay, compaction.
