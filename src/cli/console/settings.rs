//! Whether the kernel's settings are those that the box was built with.
//!
//! In: the box's list (sysctl.d), the kernel's command line, `/proc/sys`. Out: a line for the
//! status. A setting that the kernel does not have is passed over when the list says that it may
//! be missing (`-`); one that nobody but an administrator may read is passed over too.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

const LIST: &str = "/usr/lib/sysctl.d/50-postern.conf";
const COMMAND_LINE: &str = "/proc/cmdline";
const PROC: &str = "/proc/sys";

struct Setting<'a> {
    name: &'a str,
    value: &'a str,
    may_be_missing: bool,
}

/// For the status.
pub(super) fn line() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    compared(&read(LIST), &read(COMMAND_LINE), Path::new(PROC))
}

pub(super) fn compared(list: &str, command_line: &str, proc: &Path) -> String {
    let (mut same, mut other) = (0_usize, Vec::new());
    for setting in listed(list).chain(told(command_line)) {
        match fs::read_to_string(proc.join(setting.name.replace('.', "/"))) {
            Ok(text) if text.trim() == setting.value => same += 1,
            Ok(text) => other.push(format!("{} is {}", setting.name, text.trim())),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
            Err(_) if setting.may_be_missing => {}
            Err(error) => other.push(format!("{}: {error}", setting.name)),
        }
    }
    match (same, other.is_empty()) {
        (0, true) => "none are known".into(),
        (_, true) => format!("all {same} in force"),
        (_, false) => format!("not in force: {}", other.join(", ")),
    }
}

fn listed(list: &str) -> impl Iterator<Item = Setting<'_>> {
    list.lines().filter_map(|line| {
        let line = line.trim();
        let (name, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
        let bare = name.trim().trim_start_matches('-');
        Some(Setting { name: bare, value: value.trim(), may_be_missing: bare != name.trim() })
    })
}

fn told(command_line: &str) -> impl Iterator<Item = Setting<'_>> {
    command_line.split_whitespace().filter_map(|word| {
        let (name, value) = word.strip_prefix("sysctl.")?.split_once('=')?;
        Some(Setting { name, value, may_be_missing: false })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_force_is_named() {
        let proc = tempfile::tempdir().unwrap();
        for (name, text) in [("kernel/a", "1\n"), ("net/ipv4/b", "0\n"), ("fs/c", "2\n")] {
            let path = proc.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let list = "# words = no setting\n\nkernel.a = 1\n-net.core.none = 2\nfs.c=2\n";
        assert_eq!(compared(list, "ro sysctl.net.ipv4.b=0", proc.path()), "all 3 in force");
        let said = compared(list, "sysctl.net.ipv4.b=1 sysctl.x.y=3", proc.path());
        assert!(said.starts_with("not in force: net.ipv4.b is 0, x.y: "), "{said}");
        assert_eq!(compared("", "", proc.path()), "none are known");
    }
}
