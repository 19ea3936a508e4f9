//! The same patterns and texts through rspamd's multi-pattern scan.

use std::path::Path;
use std::process::Command;

use super::{SIZES, megabytes_a_second, prose};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/content/rspamd.lua");

/// Prints what rspamd makes of the first so many patterns.
pub fn rates(kind: &str, patterns: impl Fn(usize) -> Vec<String>) {
    let dir = std::env::temp_dir().join(format!("postern-bench-rspamd-{}", std::process::id()));
    if let Err(error) = std::fs::create_dir_all(&dir) {
        return eprintln!("{}: {error}", dir.display());
    }
    for size in SIZES {
        let all: Vec<String> = (0..size).flat_map(&patterns).collect();
        for (name, octets) in [("one of 4 MB", 4_000_000), ("8 KB", 8_000)] {
            let text = prose(octets);
            match scan(&dir, &all, &text) {
                Ok((matches, seconds)) => {
                    let rate =
                        megabytes_a_second(text.len(), std::time::Duration::from_secs_f64(seconds));
                    println!("{kind:6} {:6} {name:20} {matches:9} {rate:10.0}", all.len());
                }
                Err(why) => return println!("rspamd is left out: {why}"),
            }
        }
    }
    std::fs::remove_dir_all(&dir).ok();
}

/// Matches, and the seconds of a scan.
fn scan(dir: &Path, patterns: &[String], text: &str) -> Result<(u64, f64), String> {
    let (list, file) = (dir.join("patterns"), dir.join("text"));
    let written =
        std::fs::write(&list, patterns.join("\n")).and_then(|()| std::fs::write(&file, text));
    written.map_err(|error| error.to_string())?;
    let mut command = Command::new("rspamadm");
    command.args(["lua", "-b", SCRIPT, "-a"]).arg(&list).arg("-a").arg(&file);
    let said = command.output().map_err(|error| format!("rspamadm: {error}"))?;
    let text = String::from_utf8_lossy(&said.stdout);
    let numbers: Vec<&str> = text.split_whitespace().collect();
    match numbers.as_slice() {
        [matches, seconds] => match (matches.parse(), seconds.parse()) {
            (Ok(matches), Ok(seconds)) => Ok((matches, seconds)),
            _ => Err(text.into_owned()),
        },
        _ => Err(format!("{text}{}", String::from_utf8_lossy(&said.stderr))),
    }
}
