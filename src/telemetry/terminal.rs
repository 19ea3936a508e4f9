//! Events as lines for people: time, level, message, then `field=value`.
//!
//! In: `tracing` events. Out: one line each on standard error, written by one call. Values
//! are escaped, so an event is one line whatever a stranger put into it.

use std::fmt::{self, Write as _};
use std::io::{IsTerminal, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::escape::Escaping;

/// The longest line that is written; what is beyond it is cut.
const LINE_OCTETS: usize = 8_192;
const OWN_TARGET: &str = "postern";

/// Writes lines to standard error.
#[derive(Debug)]
pub(super) struct TerminalLayer {
    coloured: Coloured,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coloured {
    Yes,
    No,
}

impl TerminalLayer {
    /// Colours the level when standard error is a terminal and `NO_COLOR` is not set.
    pub(super) fn stderr() -> TerminalLayer {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let coloured = match wanted && std::io::stderr().is_terminal() {
            true => Coloured::Yes,
            false => Coloured::No,
        };
        TerminalLayer { coloured }
    }

    fn line(&self, event: &Event<'_>) -> String {
        let mut line = String::with_capacity(256);
        // Writing into a string cannot fail.
        let _ = write!(line, "{:.3} ", jiff::Timestamp::now());
        line.push_str(level(*event.metadata().level(), self.coloured));
        let target = event.metadata().target();
        if !target.starts_with(OWN_TARGET) {
            let _ = write!(line, " {target}:");
        }
        let mut message = Fields { line: &mut line, part: Part::Message };
        event.record(&mut message);
        let mut rest = Fields { line: &mut line, part: Part::Rest };
        event.record(&mut rest);
        if line.len() > LINE_OCTETS {
            line.truncate(line.floor_char_boundary(LINE_OCTETS));
            line.push('…');
        }
        line.push('\n');
        line
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for TerminalLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        // There is nowhere left to report that standard error is closed.
        let _ = std::io::stderr().write_all(self.line(event).as_bytes());
    }
}

fn level(level: Level, coloured: Coloured) -> &'static str {
    match (level, coloured) {
        (Level::ERROR, Coloured::Yes) => "\x1b[31mERROR\x1b[0m",
        (Level::WARN, Coloured::Yes) => "\x1b[33mWARN\x1b[0m ",
        (Level::INFO, Coloured::Yes) => "\x1b[32mINFO\x1b[0m ",
        (Level::DEBUG, Coloured::Yes) => "\x1b[34mDEBUG\x1b[0m",
        (Level::TRACE, Coloured::Yes) => "\x1b[35mTRACE\x1b[0m",
        (Level::ERROR, Coloured::No) => "ERROR",
        (Level::WARN, Coloured::No) => "WARN ",
        (Level::INFO, Coloured::No) => "INFO ",
        (Level::DEBUG, Coloured::No) => "DEBUG",
        (Level::TRACE, Coloured::No) => "TRACE",
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Message,
    Rest,
}

struct Fields<'a> {
    line: &'a mut String,
    part: Part,
}

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let is_message = field.name() == "message";
        if is_message != (self.part == Part::Message) || self.line.len() > LINE_OCTETS {
            return;
        }
        self.line.push(' ');
        if !is_message {
            self.line.push_str(field.name());
            self.line.push('=');
        }
        let _ = Escaping(self.line).write_fmt(value);
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        // Quoted where the reader could not tell where the value ends.
        let ends_unclear = value.is_empty() || value.contains([' ', '"', '=']);
        match ends_unclear && field.name() != "message" {
            true => self.put(field, format_args!("{value:?}")),
            false => self.put(field, format_args!("{value}")),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    struct Collect(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Collect {
        fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
            let layer = TerminalLayer { coloured: Coloured::No };
            self.0.lock().unwrap().push(layer.line(event));
        }
    }

    #[test]
    fn an_event_is_one_harmless_line() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let subscriber = tracing_subscriber::registry().with(Collect(Arc::clone(&lines)));
        tracing::subscriber::with_default(subscriber, || {
            let hostile = "x\x1b[2J\r\nERROR forged \u{202e}";
            tracing::info!(mail_id = 7, helo = hostile, plain = "mx.test", "mail {}", "received");
            tracing::warn!(name = %hostile, error = ?"a\nb", empty = "", "{hostile}");
            tracing::info!(long = "y".repeat(20_000), "cut");
        });
        let lines = lines.lock().unwrap();
        for line in lines.iter() {
            let text = line.strip_suffix('\n').unwrap();
            assert!(!text.contains(super::super::escape::is_active), "{text:?}");
            assert!(text.len() < LINE_OCTETS + 100);
        }
        let after = |line: &str| line.split_once(' ').unwrap().1.to_owned();
        let first = after(&lines[0]);
        assert!(first.starts_with("INFO  mail received mail_id=7 helo=\"x\\u"), "{first}");
        assert!(first.contains(" plain=mx.test"), "{first}");
        assert!(after(&lines[1]).contains(" empty=\"\""), "{}", lines[1]);
    }
}
