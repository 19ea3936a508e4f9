//! executes orders, idempotently; mints Mail<Disposed>.
