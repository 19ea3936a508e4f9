//! subcommands.
