//! What the box says of itself while it runs: events to journald or the terminal, and
//! numbers for a monitor.
//!
//! In: `[telemetry]`, and `tracing` calls everywhere. Out: journald entries whose fields are
//! named `POSTERN_…`, or lines on standard error in which nothing a stranger sent can act on
//! the terminal. [`metrics`] are apart: counters that cost one atomic addition.
//!
//! Fails with a [`TelemetryError`] when the level is no filter. Without journald it falls
//! back to the terminal and says so.

pub mod escape;
pub mod metrics;
mod terminal;

use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

use crate::config::{Telemetry, TelemetryTarget};

const IDENTIFIER: &str = "postern";
const FIELD_PREFIX: &str = "POSTERN";

/// The administrator is to blame.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `telemetry.level` is not a filter.
    #[error("telemetry.level = {level:?} is not a filter: {why}")]
    Level {
        /// What was given.
        level: String,
        /// Why.
        why: String,
    },
    /// Events go somewhere already.
    #[error("telemetry has been started already")]
    AlreadyStarted,
}

type Filter = reload::Handle<EnvFilter, Registry>;
static FILTER: OnceLock<Filter> = OnceLock::new();

/// Sends events where the configuration says, from now on and for the whole process.
pub fn start(telemetry: &Telemetry) -> Result<(), TelemetryError> {
    let (filter, handle) = reload::Layer::new(filter(&telemetry.level)?);
    let (output, trouble) = output(telemetry.target);
    let subscriber = tracing_subscriber::registry().with(filter).with(output);
    subscriber.try_init().map_err(|_| TelemetryError::AlreadyStarted)?;
    let _ = FILTER.set(handle);
    if let Some(error) = trouble {
        tracing::warn!(%error, "journald does not take events: they go to the terminal");
    }
    Ok(())
}

/// Puts another level in force, for a reload. Where events go does not change.
pub fn set_level(level: &str) -> Result<(), TelemetryError> {
    let filter = filter(level)?;
    match FILTER.get() {
        Some(handle) => handle.reload(filter).map_err(|error| TelemetryError::Level {
            level: level.to_owned(),
            why: error.to_string(),
        }),
        None => Ok(()),
    }
}

/// Whether a level is a filter.
pub fn check_level(level: &str) -> Result<(), TelemetryError> {
    filter(level).map(|_| ())
}

fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::try_new(level)
        .map_err(|error| TelemetryError::Level { level: level.to_owned(), why: error.to_string() })
}

type Output<S> = Box<dyn Layer<S> + Send + Sync>;

fn output<S>(target: TelemetryTarget) -> (Output<S>, Option<std::io::Error>)
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let wants_journald = match target {
        TelemetryTarget::Journald => true,
        TelemetryTarget::Terminal => false,
        TelemetryTarget::Auto => {
            is_journald_stream(std::env::var("JOURNAL_STREAM").ok().as_deref(), "/proc/self/fd/2")
        }
    };
    if !wants_journald {
        return (Box::new(terminal::TerminalLayer::stderr()), None);
    }
    match tracing_journald::layer() {
        Ok(journald) => {
            // An event of every mail is information, not a condition to be noticed.
            let priorities = PriorityMappings {
                info: Priority::Informational,
                debug: Priority::Debug,
                ..PriorityMappings::new()
            };
            let journald = journald
                .with_priority_mappings(priorities)
                .with_syslog_identifier(IDENTIFIER.to_owned())
                .with_field_prefix(Some(FIELD_PREFIX.to_owned()));
            (Box::new(journald), None)
        }
        Err(error) => (Box::new(terminal::TerminalLayer::stderr()), Some(error)),
    }
}

/// systemd.exec(5): `JOURNAL_STREAM` is `device:inode` of the stream that leads to journald.
/// Only when standard error is still that stream was it meant for this process.
fn is_journald_stream(stream: Option<&str>, stderr: &str) -> bool {
    let Some((device, inode)) = stream.and_then(|stream| stream.split_once(':')) else {
        return false;
    };
    let (Ok(device), Ok(inode)) = (device.parse::<u64>(), inode.parse::<u64>()) else {
        return false;
    };
    std::fs::metadata(stderr).is_ok_and(|stderr| (stderr.dev(), stderr.ino()) == (device, inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_must_be_standard_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let metadata = file.as_file().metadata().unwrap();
        let path = file.path().to_str().unwrap();
        let right = format!("{}:{}", metadata.dev(), metadata.ino());
        let other = format!("{}:{}", metadata.dev(), metadata.ino() + 1);
        let table = [
            (Some(right.as_str()), true),
            (Some(other.as_str()), false),
            (Some(""), false),
            (Some("1"), false),
            (Some("x:y"), false),
            (None, false),
        ];
        for (stream, is) in table {
            assert_eq!(is_journald_stream(stream, path), is, "{stream:?}");
        }
        assert!(!is_journald_stream(Some(&right), "/nonexistent"));
    }

    #[test]
    fn levels_are_checked() {
        for level in ["info", "info,postern::smtp=debug", "off", "postern=trace,warn"] {
            assert!(check_level(level).is_ok(), "{level}");
        }
        let error = check_level("info,postern=loud").unwrap_err().to_string();
        assert!(error.starts_with("telemetry.level = \"info,postern=loud\" is not"), "{error}");
    }
}
