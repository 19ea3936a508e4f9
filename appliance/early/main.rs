//! The first program of the box: it finds the data partition and hands over to systemd.
//!
//! In: a read-only root and the partition named `postern-data`. Out: the partition at `/data`
//! with everything systemd needs of it before it starts (machine-id, host name, `/var`), then
//! systemd in its place. Room behind the partition is added to it, so that it is as large as the
//! disk lets it be. A blank partition is formatted; a marker that the console leaves wipes it
//! (factory reset). When the partition cannot be used the box starts all the same,
//! with an empty `/data` in memory, on which the mail firewall refuses to run.
//!
//! It has no libraries but the standard one, reads nothing from the network and ends within
//! seconds.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const LABEL: &str = "postern-data";
const INIT: &str = "/usr/lib/systemd/systemd";
const RESET: &str = "/data/factory-reset";
/// Units that keep mail look for it.
const MARK: &str = "/data/.postern-data";
const PATIENCE: Duration = Duration::from_secs(30);
/// So much of a partition is looked at before it is called blank.
const BLANK_OCTETS: usize = 1 << 20;
/// Of an ext4 file system: its place and value.
const MAGIC_AT: usize = 0x438;
const MAGIC: [u8; 2] = [0x53, 0xef];
/// Its number of blocks (lower and upper half) and the size of one, as a power of two from 1024.
const BLOCKS_AT: usize = 0x404;
const BLOCK_SIZE_AT: usize = 0x418;
const BLOCKS_HIGH_AT: usize = 0x550;
/// Less room than this is not worth a change of the disk.
const ROOM_OCTETS: u64 = 64 << 20;
const SECTOR_OCTETS: u64 = 512;

type Outcome = Result<(), String>;

fn main() {
    // Mounted already when an initial RAM disk came before.
    for (kind, place) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
        if !is_mounted(place) {
            let _ = run("mount", &["-t", kind, "-o", "nosuid,noexec", kind, place]);
        }
    }
    if let Err(why) = prepare() {
        say(&format!("the data partition cannot be used: {why}"));
        let options = "nosuid,nodev,noexec,mode=755,size=64m";
        let _ = run("mount", &["-t", "tmpfs", "-o", options, "tmpfs", "/data"]);
        if let Err(why) = furnish() {
            say(&why);
        }
    }
    let error = Command::new(INIT).args(std::env::args_os().skip(1)).exec();
    // The kernel panics when its first program ends, and the box restarts.
    say(&format!("{INIT}: {error}"));
}

/// The data partition, ready at `/data`.
fn prepare() -> Outcome {
    let device = partition().ok_or(format!("there is no partition {LABEL}"))?;
    // A partition that cannot grow is still good for mail.
    if let Err(why) = grow_partition(&device) {
        say(&format!("the data partition does not grow: {why}"));
    }
    if is_blank(&device)? {
        say("the data partition is blank and gets formatted");
        format(&device)?;
    }
    mount(&device)?;
    if Path::new(RESET).exists() {
        say("factory reset: the data partition is wiped");
        run("umount", &["/data"])?;
        format(&device)?;
        mount(&device)?;
    }
    if let Err(why) = grow_files(&device) {
        say(&format!("the file system does not grow: {why}"));
    }
    furnish()?;
    File::create(MARK).map(drop).map_err(|error| format!("{MARK}: {error}"))
}

/// Adds what is free behind the partition to it.
fn grow_partition(device: &str) -> Outcome {
    let name = device.trim_start_matches("/dev/");
    let place = Path::new("/sys/class/block").join(name);
    let place = place.canonicalize().map_err(|error| format!("{device}: {error}"))?;
    let disk = place.parent().ok_or("it is on no disk")?;
    let end = number(&place.join("start"))? + number(&place.join("size"))?;
    let free = number(&disk.join("size"))?.saturating_sub(end) * SECTOR_OCTETS;
    if free < ROOM_OCTETS {
        return Ok(());
    }
    let disk = disk.file_name().unwrap_or_default().to_string_lossy();
    say(&format!("the data partition grows by {} MiB", free >> 20));
    let disk = format!("/dev/{disk}");
    let definitions = "--definitions=/usr/lib/postern/partitions";
    run("systemd-repart", &["--dry-run=no", "--discard=no", "--seed=random", definitions, &disk])
}

/// Makes the mounted file system as large as its partition.
fn grow_files(device: &str) -> Outcome {
    let wrong = |error: std::io::Error| format!("{device}: {error}");
    let mut head = Vec::new();
    let file = File::open(device).map_err(wrong)?;
    file.take(4096).read_to_end(&mut head).map_err(wrong)?;
    let word = |at: usize| -> u64 {
        let octets = head.get(at..at + 4).and_then(|four| four.try_into().ok());
        u64::from(octets.map_or(0, u32::from_le_bytes))
    };
    let blocks = word(BLOCKS_AT) | (word(BLOCKS_HIGH_AT) << 32);
    let used = blocks.saturating_mul(1024 << word(BLOCK_SIZE_AT).min(6));
    let place = Path::new("/sys/class/block").join(device.trim_start_matches("/dev/"));
    let whole = number(&place.join("size"))? * SECTOR_OCTETS;
    if whole.saturating_sub(used) < ROOM_OCTETS {
        return Ok(());
    }
    // The program looks for the device by its number, under a name that udev has not made yet.
    let numbers = fs::read_to_string(place.join("dev")).map_err(wrong)?;
    let link = Path::new("/dev/block").join(numbers.trim());
    fs::create_dir_all("/dev/block").map_err(wrong)?;
    if !link.is_symlink() {
        std::os::unix::fs::symlink(device, &link).map_err(wrong)?;
    }
    run("systemd-growfs", &["/data"])
}

/// A number in a file of the kernel.
fn number(path: &Path) -> Result<u64, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    text.trim().parse().map_err(|_| format!("{}: no number", path.display()))
}

fn mount(device: &str) -> Outcome {
    // Replays the journal after a power cut; 1 means that something was put right.
    match Command::new("/usr/sbin/e2fsck").args(["-p", device]).status().map(|one| one.code()) {
        Ok(Some(0 | 1)) => {}
        Ok(code) => {
            say(&format!("e2fsck ended with {code:?}, the second look puts everything right"));
            let _ = Command::new("/usr/sbin/e2fsck").args(["-y", device]).status();
        }
        Err(error) => say(&format!("e2fsck: {error}")),
    }
    let options = "nosuid,nodev,noexec,noatime,errors=panic";
    run("mount", &["-t", "ext4", "-o", options, device, "/data"])
}

fn format(device: &str) -> Outcome {
    run("mke2fs", &["-q", "-F", "-t", "ext4", "-L", "data", "-E", "discard", "-m", "1", device])
}

/// What systemd and its services look for.
fn furnish() -> Outcome {
    let wrong = |error: std::io::Error| format!("/data: {error}");
    for folder in ["etc/network", "var/lib", "var/log/journal", "var/cache", "var/spool", "var/tmp"]
    {
        fs::create_dir_all(Path::new("/data").join(folder)).map_err(wrong)?;
    }
    if !Path::new("/data/var/run").is_symlink() {
        std::os::unix::fs::symlink("/run", "/data/var/run").map_err(wrong)?;
    }
    let identity = Path::new("/data/etc/machine-id");
    let is_whole = fs::read_to_string(identity).is_ok_and(|text| text.trim().len() == 32);
    if !is_whole {
        let mut random = [0_u8; 16];
        let mut source = File::open("/dev/urandom").map_err(wrong)?;
        source.read_exact(&mut random).map_err(wrong)?;
        // As a random UUID (RFC 9562 section 5.4), which systemd expects.
        let text: String = random
            .iter()
            .enumerate()
            .map(|(at, octet)| match at {
                6 => (octet & 0x0f) | 0x40,
                8 => (octet & 0x3f) | 0x80,
                _ => *octet,
            })
            .map(|octet| format!("{octet:02x}"))
            .collect();
        replace(identity, &format!("{text}\n")).map_err(wrong)?;
    }
    let name = Path::new("/data/etc/hostname");
    if !name.exists() {
        replace(name, "postern\n").map_err(wrong)?;
    }
    run("mount", &["--bind", "/data/var", "/var"])
}

/// Whole or not at all, and on the disk.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let unseen = path.with_extension("new");
    let mut file = File::create(&unseen)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unseen, path)
}

/// The device of the partition with our label; disks may take a while to appear.
fn partition() -> Option<String> {
    let begun = Instant::now();
    loop {
        let found = fs::read_dir("/sys/class/block").ok()?.flatten().find_map(|entry| {
            let text = fs::read_to_string(entry.path().join("uevent")).ok()?;
            let is_ours = text.lines().any(|line| line.strip_prefix("PARTNAME=") == Some(LABEL));
            is_ours.then(|| format!("/dev/{}", entry.file_name().to_string_lossy()))
        });
        if found.is_some() || begun.elapsed() > PATIENCE {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// No file system of ours, and nothing else that somebody could miss.
fn is_blank(device: &str) -> Result<bool, String> {
    let wrong = |error: std::io::Error| format!("{device}: {error}");
    let mut head = Vec::new();
    let file = File::open(device).map_err(wrong)?;
    file.take(BLANK_OCTETS as u64).read_to_end(&mut head).map_err(wrong)?;
    if head.get(MAGIC_AT..MAGIC_AT + MAGIC.len()) == Some(MAGIC.as_slice()) {
        return Ok(false);
    }
    match head.iter().all(|octet| *octet == 0) {
        true => Ok(true),
        false => Err("it holds something unknown; it is left alone".into()),
    }
}

fn is_mounted(place: &str) -> bool {
    let inside = match place {
        "/proc" => "/proc/self",
        "/sys" => "/sys/class",
        _ => "/dev/null",
    };
    PathBuf::from(inside).exists()
}

fn run(program: &str, arguments: &[&str]) -> Outcome {
    let path = match program {
        "mke2fs" => "/usr/sbin/mke2fs",
        "umount" => "/usr/bin/umount",
        "systemd-repart" => "/usr/bin/systemd-repart",
        "systemd-growfs" => "/usr/lib/systemd/systemd-growfs",
        _ => "/usr/bin/mount",
    };
    let wrong = |why: String| format!("{program} {}: {why}", arguments.join(" "));
    match Command::new(path).args(arguments).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(wrong(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
        Err(error) => Err(wrong(error.to_string())),
    }
}

/// To the kernel's log, which the system's log takes over.
fn say(text: &str) {
    if let Ok(mut log) = fs::OpenOptions::new().write(true).open("/dev/kmsg") {
        let _ = writeln!(log, "<4>postern-early: {}", text.replace('\n', "; "));
    }
}
