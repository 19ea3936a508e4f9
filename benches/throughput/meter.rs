//! What a server costs: processor time and memory over all its processes, read from `/proc`.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What was used between start and stop.
#[derive(Debug)]
pub struct Used {
    pub cpu_s: f64,
    pub peak_octets: u64,
}

#[derive(Debug, Clone, Copy)]
struct Process {
    parent: i32,
    own_ticks: u64,
    /// Of children that have ended and been waited for.
    ended_ticks: u64,
}

fn processes() -> HashMap<i32, Process> {
    let mut found = HashMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name in parentheses may hold anything; fields count from behind it.
        let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
        let fields: Vec<&str> = rest.split(' ').collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse().ok()).unwrap_or(0);
        found.insert(
            pid,
            Process {
                parent: number(1) as i32,
                own_ticks: number(11) + number(12),
                ended_ticks: number(13) + number(14),
            },
        );
    }
    found
}

/// The roots and all that descends from them.
fn family(roots: &[i32], all: &HashMap<i32, Process>) -> HashSet<i32> {
    let mut family: HashSet<i32> = roots.iter().copied().collect();
    loop {
        let more: Vec<i32> = all
            .iter()
            .filter(|(pid, process)| family.contains(&process.parent) && !family.contains(pid))
            .map(|(pid, _)| *pid)
            .collect();
        if more.is_empty() {
            return family;
        }
        family.extend(more);
    }
}

fn ticks(roots: &[i32]) -> u64 {
    let all = processes();
    let members = family(roots, &all);
    members
        .iter()
        .filter_map(|pid| all.get(pid))
        .map(|process| process.own_ticks + process.ended_ticks)
        .sum()
}

fn field_octets(pid: i32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilo = line.and_then(|line| line.split_whitespace().nth(1).map(str::to_owned));
    kilo.and_then(|digits| digits.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Resident memory now.
pub fn resident_octets(pid: i32) -> u64 {
    field_octets(pid, "VmRSS")
}

fn peak_octets(roots: &[i32]) -> u64 {
    let all = processes();
    family(roots, &all).into_iter().map(|pid| field_octets(pid, "VmHWM")).sum()
}

/// Watches a server from start to stop.
pub struct Watch {
    roots: Vec<i32>,
    before: u64,
    peak: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
    watcher: JoinHandle<()>,
}

impl Watch {
    /// Begins; memory is looked at four times a second, for processes come and go.
    pub fn start(roots: Vec<i32>) -> Watch {
        let (peak, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let before = ticks(&roots);
        let (seen, ended, watched) = (Arc::clone(&peak), Arc::clone(&done), roots.clone());
        let watcher = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                seen.fetch_max(peak_octets(&watched), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(250));
            }
        });
        Watch { roots, before, peak, done, watcher }
    }

    /// Ends.
    pub fn stop(self) -> Used {
        let spent = ticks(&self.roots) - self.before;
        self.peak.fetch_max(peak_octets(&self.roots), Ordering::Relaxed);
        self.done.store(true, Ordering::Relaxed);
        self.watcher.join().unwrap();
        // USER_HZ is 100 on every Linux.
        Used { cpu_s: spent as f64 / 100.0, peak_octets: self.peak.load(Ordering::Relaxed) }
    }
}

/// As many open files as the system allows, for this process and the servers it starts.
pub fn raise_file_limit() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
}

/// The kind of file system that a folder lies on.
pub fn file_system(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let kinds = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let over = kinds.filter(|(place, _)| path.starts_with(place));
    over.max_by_key(|(place, _)| place.len()).map_or("?", |(_, kind)| kind).to_owned()
}
