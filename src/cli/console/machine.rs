//! The box that the console runs on.
//!
//! In: acts. Out: files below `/data/etc`, orders to the service manager, lines for the person
//! at the console. Programs are started with fixed arguments, never through a shell.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::act::{ANSWER, Act, ORDER};
use super::{Interface, Machine, Override, first_line};
use crate::config::Config;
use crate::update::Places;

const NETWORKS: &str = "/data/etc/network";
const HOST_NAME: &str = "/data/etc/hostname";
const RESET: &str = "/data/factory-reset";
/// The menu sees no devices itself; the service manager tells of this one.
const MEDIUM: &str = r"dev-disk-by\x2dlabel-POSTERN\x2dUPD.device";
/// Mounts it at [`super::act::MEDIUM_AT`].
const MEDIUM_UNIT: &str = r"run-postern\x2dmedium.mount";
const LOG: &str = "/var/log/journal";
/// Read by the first program of the next start.
const DATA_MARK: &str = "/data/.postern-data";

#[derive(Debug)]
pub(super) struct ThisBox {
    config: PathBuf,
}

impl ThisBox {
    pub(super) fn new(config: &Path) -> ThisBox {
        ThisBox { config: config.to_owned() }
    }

    fn loaded(&self) -> Result<Config, String> {
        Config::load(&self.config).map_err(|error| error.to_string())
    }

    /// Where the web site answers.
    fn sites(&self) -> Vec<String> {
        let Some(admin) = self.loaded().ok().and_then(|config| config.admin) else {
            return vec!["the web site is switched off in the configuration".into()];
        };
        let port = admin.address.port();
        let ip = admin.address.ip();
        let places = match ip.is_unspecified() {
            false => vec![ip],
            // `0.0.0.0` is every address of IPv4, `::` every one of IPv6.
            true => {
                let all = addresses().into_iter().map(|(_, ip)| ip);
                all.filter(|one| one.is_ipv4() == ip.is_ipv4()).collect()
            }
        };
        let shown = |ip: std::net::IpAddr| match ip {
            std::net::IpAddr::V4(ip) => format!("web set-up: https://{ip}:{port}/"),
            std::net::IpAddr::V6(ip) => format!("web set-up: https://[{ip}]:{port}/"),
        };
        match places.is_empty() {
            true => vec!["no network address yet; choose 2, or wait for one".into()],
            false => places.into_iter().map(shown).collect(),
        }
    }
}

impl Machine for ThisBox {
    fn banner(&self) -> Vec<String> {
        let name = first_line(Path::new(HOST_NAME)).unwrap_or_default();
        let mut lines = vec![format!("Postern {} on {name}", env!("CARGO_PKG_VERSION"))];
        if !Path::new(DATA_MARK).exists() {
            lines.push("THE DATA PARTITION CANNOT BE USED: no mail is taken".into());
        }
        lines.extend(self.sites());
        lines
    }

    fn status(&self) -> Vec<String> {
        let read = |path: &str| first_line(Path::new(path)).unwrap_or_else(|| "unknown".into());
        let mut lines = vec![
            format!("system: {}", said("systemctl", &["is-system-running"])),
            format!("failed units: {}", failed_units()),
            format!(
                "kernel: {}, taint {}",
                read("/proc/sys/kernel/osrelease"),
                read("/proc/sys/kernel/tainted")
            ),
            format!("lockdown: {}", read("/sys/kernel/security/lockdown")),
            format!("settings: {}", super::settings::line()),
            format!("root: {}", mount_of("/")),
            format!("data: {}", mount_of("/data")),
            format!("room: {}", room("/data")),
            format!("machine: {}", read("/etc/machine-id")),
            format!("memory: {}", memory()),
            format!("mail firewall: {}", said("systemctl", &["is-active", "postern.service"])),
            format!("crashes: {}", crashes()),
            format!(
                "packet filter: {}",
                said("systemctl", &["is-active", "postern-firewall.service"])
            ),
            format!("virus scanner: {}", said("systemctl", &["is-active", "clamd.service"])),
        ];
        lines.extend(versions());
        for (port, ip) in addresses() {
            lines.push(format!("address: {port} {ip}"));
        }
        lines.extend(last_words());
        lines
    }

    fn ports(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir("/sys/class/net") else { return Vec::new() };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| name != "lo").collect();
        names.sort();
        names
    }

    fn configure(&self, interface: &Interface) -> Result<String, String> {
        let folder = Path::new(NETWORKS);
        fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        write(&folder.join(interface.file()), &interface.text())?;
        run("systemctl", &["restart", "systemd-networkd.service"])?;
        Ok(format!("port {} has its new address in a moment", interface.port))
    }

    fn rename(&self, name: &str) -> Result<String, String> {
        write(Path::new(ORDER), &format!("{name}\n"))?;
        let said = act(Act::Rename)?;
        write(Path::new(HOST_NAME), &format!("{name}\n"))?;
        run("systemctl", &["restart", "postern.service"])?;
        Ok(format!("{said}; the log says so after the next restart"))
    }

    fn code(&self) -> Result<String, String> {
        let file = self.loaded()?.system.data_dir.join("setup-code");
        match first_line(&file) {
            Some(code) if !code.is_empty() => Ok(format!("code for the web set-up: {code}")),
            _ => Err("there is no code: the box is set up, or the site is not there yet".into()),
        }
    }

    fn check_log(&self) -> Result<String, String> {
        run("journalctl", &["--sync"])?;
        let (mut whole, mut cut) = (Vec::new(), Vec::new());
        for file in log_files()? {
            // So the log's keeper marks a file that was open when the power went.
            match file.ends_with('~') {
                true => cut.push(file),
                false => whole.push(file),
            }
        }
        // The log is written to while it is looked at, so a bad answer is asked for again.
        let checked = whole.iter().try_for_each(|file| {
            let arguments = ["--verify", "--quiet", "--file", file.as_str()];
            run("journalctl", &arguments).or_else(|_| run("journalctl", &arguments))
        });
        checked?;
        for file in &cut {
            run("journalctl", &["--quiet", "--output=cat", "--no-pager", "--file", file])?;
        }
        let starts = said_all("journalctl", &["--list-boots", "--quiet", "--no-pager"]);
        Ok(format!(
            "the log is whole: {} starts in {} files, {} of which ended with the power",
            starts.lines().filter(|line| !line.trim().is_empty()).count(),
            whole.len() + cut.len(),
            cut.len()
        ))
    }

    fn update(&self, owner_override: Override) -> Result<String, String> {
        if said("systemctl", &["is-active", MEDIUM]) != "active" {
            return Err("no medium with the label POSTERN-UPD is plugged in".into());
        }
        run("systemctl", &["start", MEDIUM_UNIT])?;
        let done = act(match owner_override {
            Override::Ask => Act::Update,
            Override::Given => Act::Older,
        });
        let gone = run("systemctl", &["stop", MEDIUM_UNIT]);
        done.and_then(|text| gone.map(|()| text))
    }

    fn restart(&self) -> Result<String, String> {
        run("systemctl", &["reboot"]).map(|()| "the box restarts".into())
    }

    fn power_off(&self) -> Result<String, String> {
        run("systemctl", &["poweroff"]).map(|()| "the box goes off".into())
    }

    fn factory_reset(&self) -> Result<String, String> {
        write(Path::new(RESET), "destroy\n")?;
        run("systemctl", &["reboot"]).map(|()| "the box restarts and begins anew".into())
    }
}

/// Lets the box's own user do something, and tells what came of it.
fn act(act: Act) -> Result<String, String> {
    let _ = fs::remove_file(ANSWER);
    let unit = format!("postern-act@{}.service", act.name());
    let done = run("systemctl", &["start", &unit]);
    if done.is_err() {
        // What was refused is told here and now; the box is not the worse for it.
        let _ = run("systemctl", &["reset-failed", &unit]);
    }
    let answer = first_line(Path::new(ANSWER)).filter(|answer| !answer.is_empty());
    match done {
        Ok(()) => Ok(answer.unwrap_or_else(|| "it is done".into())),
        Err(why) => Err(answer.unwrap_or(why)),
    }
}

/// The files of the system's log.
fn log_files() -> Result<Vec<String>, String> {
    let told = |error: std::io::Error| format!("{LOG}: {error}");
    let mut files = Vec::new();
    for folder in fs::read_dir(LOG).map_err(told)?.flatten() {
        let Ok(inside) = fs::read_dir(folder.path()) else { continue };
        files.extend(inside.flatten().filter_map(|file| file.path().to_str().map(str::to_owned)));
    }
    files.retain(|file| file.ends_with(".journal") || file.ends_with(".journal~"));
    match files.is_empty() {
        true => Err("there is no log on the disk".into()),
        false => Ok(files),
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let unseen = path.with_extension("new");
    let written = fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o644)
        .open(&unseen)
        .and_then(|mut file| {
            // Others read it, whatever this program's mask says.
            file.set_permissions(fs::Permissions::from_mode(0o644))?;
            file.write_all(text.as_bytes()).and_then(|()| file.sync_all())
        })
        .and_then(|()| fs::rename(&unseen, path));
    written.map_err(|error| format!("{}: {error}", path.display()))
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr);
            let last = told.trim().lines().next_back().unwrap_or("no reason was given").to_owned();
            Err(format!("{program}: {last}"))
        }
        Err(error) => Err(format!("{program}: {error}")),
    }
}

/// What a program says, whatever its exit code.
fn said_all(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

/// The first line of it.
fn said(program: &str, arguments: &[&str]) -> String {
    said_all(program, arguments).lines().next().unwrap_or_default().to_owned()
}

fn failed() -> Option<Vec<String>> {
    let arguments = ["list-units", "--failed", "--plain", "--no-legend", "--no-pager"];
    let output = Command::new("systemctl").args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = text.lines().filter_map(|line| line.split_whitespace().next());
    Some(names.map(str::to_owned).collect())
}

fn failed_units() -> String {
    match failed() {
        Some(names) => format!("{} {}", names.len(), names.join(" ")).trim_end().to_owned(),
        None => "unknown".into(),
    }
}

/// How often the mail firewall ended by itself, and how long it was away the last time.
fn crashes() -> String {
    let properties =
        "--property=NRestarts,ActiveExitTimestampMonotonic,ExecMainStartTimestampMonotonic";
    let text = said_all("systemctl", &["show", properties, "postern.service"]);
    let value = |name: &str| -> Option<u64> {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
    };
    let ended = value("ActiveExitTimestampMonotonic");
    let away = value("ExecMainStartTimestampMonotonic").zip(ended);
    match (value("NRestarts"), away.map(|(begun, ended)| begun.checked_sub(ended))) {
        (Some(0), _) => "none since the box started".into(),
        (Some(times), Some(Some(away_us))) => {
            format!("{times}, started again after {} ms", away_us / 1000)
        }
        (Some(times), _) => format!("{times}"),
        (None, _) => "unknown".into(),
    }
}

/// What failed units said last.
fn last_words() -> Vec<String> {
    let mut lines = Vec::new();
    let names = failed().unwrap_or_default();
    for name in names.iter().take(4) {
        let unit = format!("--unit={name}");
        let arguments = ["--no-pager", "--output=cat", "--lines=4", unit.as_str()];
        let Ok(output) = Command::new("journalctl").args(arguments).output() else { continue };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        lines.extend(text.lines().map(|line| format!("log: {name} {line}")));
    }
    lines
}

/// Device, type and whether it can be written.
fn mount_of(place: &str) -> String {
    let text = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let fields = |line: &str| -> Option<String> {
        let fields: Vec<&str> = line.split(' ').collect();
        let [device, at, kind, options, ..] = fields.as_slice() else { return None };
        let access =
            if options.split(',').any(|one| one == "ro") { "read-only" } else { "writable" };
        (*at == place).then(|| format!("{device} {kind} {access}"))
    };
    text.lines().filter_map(fields).next_back().unwrap_or_else(|| "not mounted".into())
}

/// What is free and what there is.
fn room(place: &str) -> String {
    match nix::sys::statvfs::statvfs(place) {
        Ok(seen) => {
            let mebibytes = |blocks: u64| blocks.saturating_mul(seen.fragment_size()) >> 20;
            let (free, all) = (mebibytes(seen.blocks_available()), mebibytes(seen.blocks()));
            format!("{free} of {all} MiB free")
        }
        Err(error) => format!("unknown ({error})"),
    }
}

fn memory() -> String {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    match (kib("MemTotal:"), kib("MemAvailable:")) {
        (Some(total), Some(free)) => {
            format!("{} of {} MiB used", total.saturating_sub(free) / 1024, total / 1024)
        }
        _ => "unknown".into(),
    }
}

fn versions() -> Vec<String> {
    let places = match Places::of_this_box() {
        Ok(places) => places,
        Err(error) => return vec![format!("versions: {error}")],
    };
    let mut lines = vec![format!("version: {} in slot {}", places.version, places.running.name())];
    match places.entries() {
        Ok(entries) => lines.extend(entries.iter().map(|entry| format!("entry: {}", entry.name()))),
        Err(error) => lines.push(format!("entries: {error}")),
    }
    lines
}

/// Ports with their addresses, without the loopback and what only a neighbour can reach.
fn addresses() -> Vec<(String, std::net::IpAddr)> {
    let Ok(found) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let mut addresses = Vec::new();
    for one in found {
        let Some(address) = one.address else { continue };
        let v4 = address.as_sockaddr_in().map(|v4| std::net::IpAddr::V4(v4.ip()));
        let v6 = address.as_sockaddr_in6().map(|v6| v6.ip());
        let v6 = v6.filter(|v6| (v6.segments()[0] & 0xffc0) != 0xfe80).map(std::net::IpAddr::V6);
        match v4.or(v6) {
            Some(ip) if !ip.is_loopback() => addresses.push((one.interface_name, ip)),
            _ => {}
        }
    }
    addresses
}
