//! tracing to journald or the terminal, metrics.
