//! Numbers for a monitor: counters, gauges and histograms, rendered in Prometheus' text
//! format 0.0.4.
//!
//! In: a name, a help text and labels, once; then additions. Out: [`Registry::render`].
//! Whoever counts keeps the handle: counting is one atomic addition and takes no lock. Only
//! making a handle and rendering do. Labels must come from the program, not from strangers,
//! or the number of series would not be bounded.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// Only ever grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn add_one(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Is now so much.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// So much more, or less.
    pub fn add(&self, difference: i64) {
        self.0.fetch_add(difference, Ordering::Relaxed);
    }

    /// How much now.
    pub fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper bounds of the buckets, in microseconds.
const BOUNDS_US: [u64; 14] = [
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    5_000_000,
    30_000_000,
    120_000_000,
];

/// How long something took, by half a millisecond to two minutes.
#[derive(Debug, Default)]
pub struct Durations {
    buckets: [AtomicU64; BOUNDS_US.len()],
    beyond: AtomicU64,
    sum_us: AtomicU64,
}

impl Durations {
    /// One more that took so long.
    pub fn observe(&self, duration: Duration) {
        let taken_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bounds = BOUNDS_US.iter().zip(&self.buckets);
        let bucket = bounds.into_iter().find(|(bound, _)| taken_us <= **bound);
        bucket.map_or(&self.beyond, |(_, bucket)| bucket).fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(taken_us, Ordering::Relaxed);
    }

    fn render(&self, name: &str, labels: &str, out: &mut String) {
        let mut count = 0;
        for (bound, bucket) in BOUNDS_US.iter().zip(&self.buckets) {
            count += bucket.load(Ordering::Relaxed);
            let bound_s = Duration::from_micros(*bound).as_secs_f64();
            let labels = joined(labels, &format!("le=\"{bound_s}\""));
            let _ = writeln!(out, "{name}_bucket{labels} {count}");
        }
        count += self.beyond.load(Ordering::Relaxed);
        let all = joined(labels, "le=\"+Inf\"");
        let _ = writeln!(out, "{name}_bucket{all} {count}");
        let sum_s = Duration::from_micros(self.sum_us.load(Ordering::Relaxed)).as_secs_f64();
        let labels = joined(labels, "");
        let _ = writeln!(out, "{name}_sum{labels} {sum_s}");
        let _ = writeln!(out, "{name}_count{labels} {count}");
    }
}

#[derive(Debug, Clone)]
enum Series {
    Counter(Arc<Counter>),
    Gauge(Arc<Gauge>),
    Durations(Arc<Durations>),
}

#[derive(Debug)]
struct Family {
    help: &'static str,
    /// By rendered labels, without braces.
    series: BTreeMap<String, Series>,
}

/// Label names and values.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

/// All metrics of one box.
#[derive(Debug, Default)]
pub struct Registry {
    families: Mutex<BTreeMap<&'static str, Family>>,
}

/// The process's registry.
pub fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(Registry::default)
}

impl Registry {
    /// The counter of this name and these labels; its name should end in `_total`. A name
    /// that was given to another kind of metric yields a handle that is not rendered.
    pub fn counter(&self, name: &'static str, help: &'static str, labels: Labels) -> Arc<Counter> {
        match self.series(name, help, labels, || Series::Counter(Arc::default())) {
            Series::Counter(counter) => counter,
            _ => Arc::default(),
        }
    }

    /// The gauge of this name and these labels.
    pub fn gauge(&self, name: &'static str, help: &'static str, labels: Labels) -> Arc<Gauge> {
        match self.series(name, help, labels, || Series::Gauge(Arc::default())) {
            Series::Gauge(gauge) => gauge,
            _ => Arc::default(),
        }
    }

    /// The histogram of this name and these labels; its name should end in `_seconds`.
    pub fn durations(
        &self,
        name: &'static str,
        help: &'static str,
        labels: Labels,
    ) -> Arc<Durations> {
        match self.series(name, help, labels, || Series::Durations(Arc::default())) {
            Series::Durations(durations) => durations,
            _ => Arc::default(),
        }
    }

    fn series(
        &self,
        name: &'static str,
        help: &'static str,
        labels: Labels,
        fresh: impl FnOnce() -> Series,
    ) -> Series {
        let mut families = self.families();
        let family =
            families.entry(name).or_insert_with(|| Family { help, series: BTreeMap::new() });
        family.series.entry(rendered(labels)).or_insert_with(fresh).clone()
    }

    fn families(&self) -> MutexGuard<'_, BTreeMap<&'static str, Family>> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        let mut out = String::new();
        for (name, family) in self.families().iter() {
            let kind = match family.series.values().next() {
                Some(Series::Counter(_)) | None => "counter",
                Some(Series::Gauge(_)) => "gauge",
                Some(Series::Durations(_)) => "histogram",
            };
            let _ = writeln!(out, "# HELP {name} {}", escaped(family.help));
            let _ = writeln!(out, "# TYPE {name} {kind}");
            for (labels, series) in &family.series {
                match series {
                    Series::Counter(counter) => {
                        let _ = writeln!(out, "{name}{} {}", joined(labels, ""), counter.value());
                    }
                    Series::Gauge(gauge) => {
                        let _ = writeln!(out, "{name}{} {}", joined(labels, ""), gauge.value());
                    }
                    Series::Durations(durations) => durations.render(name, labels, &mut out),
                }
            }
        }
        out
    }
}

fn rendered(labels: Labels) -> String {
    let pairs = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
    pairs.collect::<Vec<_>>().join(",")
}

fn joined(labels: &str, more: &str) -> String {
    match (labels, more) {
        ("", "") => String::new(),
        ("", one) | (one, "") => format!("{{{one}}}"),
        (labels, more) => format!("{{{labels},{more}}}"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_rendered_as_prometheus_reads_them() {
        let registry = Registry::default();
        let mails = |role: &str| {
            registry.counter("postern_mails_received_total", "Mails received.", &[("role", role)])
        };
        mails("inbound").add_one();
        mails("inbound").add(2);
        mails("a\"b\\c\nd").add_one();
        registry.gauge("postern_sessions", "Sessions open.", &[]).set(5);
        registry.gauge("postern_sessions", "Sessions open.", &[]).add(-1);
        let taken = registry.durations("postern_reply_seconds", "End of data to reply.", &[]);
        taken.observe(Duration::from_micros(500));
        taken.observe(Duration::from_millis(3));
        taken.observe(Duration::from_secs(1_000));
        // A name of another kind neither panics nor shows.
        registry.gauge("postern_mails_received_total", "x", &[("role", "inbound")]).set(99);
        let text = registry.render();
        let table = [
            "# TYPE postern_mails_received_total counter\n",
            "postern_mails_received_total{role=\"inbound\"} 3\n",
            "postern_mails_received_total{role=\"a\\\"b\\\\c\\nd\"} 1\n",
            "# HELP postern_sessions Sessions open.\n# TYPE postern_sessions gauge\npostern_sessions 4\n",
            "postern_reply_seconds_bucket{le=\"0.0005\"} 1\n",
            "postern_reply_seconds_bucket{le=\"0.005\"} 2\n",
            "postern_reply_seconds_bucket{le=\"120\"} 2\n",
            "postern_reply_seconds_bucket{le=\"+Inf\"} 3\n",
            "postern_reply_seconds_sum 1000.0035\n",
            "postern_reply_seconds_count 3\n",
        ];
        for expected in table {
            assert!(text.contains(expected), "{expected}\n in \n{text}");
        }
    }

    #[test]
    fn counting_from_many_threads_loses_nothing() {
        let registry = Registry::default();
        let counter = registry.counter("x_total", "x", &[]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| counter.add_one()));
            }
        });
        assert_eq!(counter.value(), 40_000);
    }
}
