//! commit, recovery, queue views; mints Mail<Spooled>.
