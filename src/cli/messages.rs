//! Messages in files: which files those are, and what SMTP would have brought of each.
//!
//! In: paths of files and folders as an operator gives them. Out: files in order of name, and
//! the octets of the message in one. Folders are read recursively, links are not followed.
//! One file is one message.

use std::collections::VecDeque;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::exit::Trouble;

/// The files that were named and, in order of name, those within the folders that were.
pub(super) fn files(named: &[PathBuf]) -> Result<Vec<PathBuf>, Trouble> {
    let mut waiting: VecDeque<PathBuf> = named.iter().cloned().collect();
    let mut files = Vec::new();
    while let Some(path) = waiting.pop_front() {
        if path.as_os_str() == "-" || !path.is_dir() {
            files.push(path);
            continue;
        }
        let failed = |error| Trouble::Input { file: path.clone(), error };
        let entries = std::fs::read_dir(&path).map_err(failed)?;
        let mut within: Vec<PathBuf> = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            // A link to a folder above would never end, nor a pipe that nobody writes to.
            if entry.file_type().is_ok_and(|kind| kind.is_file() || kind.is_dir()) {
                within.push(entry.path());
            }
        }
        within.sort();
        within.into_iter().rev().for_each(|path| waiting.push_front(path));
    }
    Ok(files)
}

/// The message in a file, as SMTP would have brought it: without the line that an mbox puts
/// before it, and with CRLF at the ends of lines.
pub(super) fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    match file.as_os_str() == "-" {
        true => std::io::stdin().lock().read_to_end(&mut octets)?,
        false => std::fs::File::open(file)?.read_to_end(&mut octets)?,
    };
    if octets.starts_with(b"From ") {
        let end = memchr::memchr(b'\n', &octets).map_or(octets.len(), |end| end + 1);
        octets.drain(..end);
    }
    Ok(as_sent(octets))
}

fn as_sent(octets: Vec<u8>) -> Vec<u8> {
    if memchr::memmem::find(&octets, b"\r\n").is_some() {
        return octets;
    }
    let lines = memchr::memchr_iter(b'\n', &octets).count();
    let mut sent = Vec::with_capacity(octets.len() + lines);
    for octet in octets {
        if octet == b'\n' {
            sent.push(b'\r');
        }
        sent.push(octet);
    }
    sent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_smtp_would_bring_them() {
        let dir = tempfile::tempdir().unwrap();
        let table: [(&[u8], &[u8]); 4] = [
            (b"Subject: a\n\nb\n", b"Subject: a\r\n\r\nb\r\n"),
            (b"Subject: a\r\n\r\nb\r\n", b"Subject: a\r\n\r\nb\r\n"),
            (b"From x Sat\nSubject: a\n", b"Subject: a\r\n"),
            (b"", b""),
        ];
        for (kept, expected) in table {
            let file = dir.path().join("message");
            std::fs::write(&file, kept).unwrap();
            assert_eq!(read(&file).unwrap(), expected);
        }
    }

    #[test]
    fn folders_are_read_in_order_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir(path("b")).unwrap();
        for name in ["c", "a", "b/2", "b/1"] {
            std::fs::write(path(name), b"").unwrap();
        }
        std::os::unix::fs::symlink(dir.path(), path("b/loop")).unwrap();
        nix::unistd::mkfifo(&path("b/pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let found = files(&[dir.path().to_owned()]).unwrap();
        assert_eq!(found, ["a", "b/1", "b/2", "c"].map(path));
    }
}
