//! Delivery into a Maildir on this box.
//!
//! In: a folder, a name that is the same for the same mail and recipient, the message. Out:
//! the message in `new/`, on the disk. Lines end with LF as readers of Maildirs expect.
//!
//! Invariants: a message appears in `new/` whole or not at all (written and synced in `tmp/`,
//! then renamed, then the folder is synced); delivering again after a crash leaves one copy,
//! whatever the crash left behind; no recipient, however it is spelt, reaches a folder outside
//! the configured one. Fails with an I/O error; nothing is then in `new/`, or the same message
//! is and the next attempt finds it. Blocks: not for async threads.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use memchr::memchr;

use crate::mail::Address;

/// The folder for a recipient: `{local}` and `{domain}` in the path stand for its parts.
pub(super) fn folder(template: &Path, recipient: &Address) -> PathBuf {
    let host = recipient.host().to_string();
    let mut path = PathBuf::new();
    for component in template.components() {
        match (component, component.as_os_str().to_str()) {
            (Component::Normal(_), Some(text)) if text.contains('{') => {
                let local = file_name(&recipient.local_part().to_lowercase());
                // One pass each; a substituted text holds no braces.
                path.push(text.replace("{local}", &local).replace("{domain}", &file_name(&host)));
            }
            _ => path.push(component),
        }
    }
    path
}

/// A text as (part of) the name of a file: what is not plainly harmless is `%` and two hex
/// digits, so that no two texts share a name and none is `.`, `..` or holds a slash.
fn file_name(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for (at, octet) in text.bytes().enumerate() {
        let harmless =
            octet.is_ascii_alphanumeric() || b"_+=-@".contains(&octet) || (octet == b'.' && at > 0);
        match harmless {
            true => name.push(char::from(octet)),
            false => name.push_str(&format!("%{octet:02X}")),
        }
    }
    name
}

/// Whether an earlier, interrupted delivery of the same mail is possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Earlier {
    /// This process accepted the mail and tries it for the first time.
    Impossible,
    /// It came back from the log: a reader may have moved the message to `cur/` already.
    Possible,
}

/// Delivers under `name`, which may hold no slash.
pub(super) fn deliver(
    folder: &Path,
    name: &str,
    earlier: Earlier,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let [tmp, new, cur] = ["tmp", "new", "cur"].map(|part| folder.join(part));
    let final_place = new.join(name);
    if earlier == Earlier::Possible && (final_place.exists() || was_read(&cur, name)?) {
        // The folder may not have been synced when the power went.
        return sync_folder(&new);
    }
    let draft_place = tmp.join(name);
    let draft = match create(&draft_place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_folders(folder, &[&tmp, &new, &cur])?;
            create(&draft_place)?
        }
        other => other?,
    };
    let written =
        write_and_sync(draft, write).and_then(|()| match fs::rename(&draft_place, &final_place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_folders(folder, &[&tmp, &new, &cur])?;
                fs::rename(&draft_place, &final_place)
            }
            other => other,
        });
    if let Err(error) = written {
        // A leftover would only take room: the next attempt truncates it.
        let _ = fs::remove_file(&draft_place);
        return Err(error);
    }
    sync_folder(&new)
}

fn create(place: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(place)
}

fn write_and_sync(
    draft: File,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffered = BufWriter::with_capacity(64 << 10, UnixLines::new(draft));
    write(&mut buffered)?;
    let lines = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
    lines.finish()?.sync_all()
}

/// A reader moves a message from `new/NAME` to `cur/NAME:2,FLAGS`.
fn was_read(cur: &Path, name: &str) -> io::Result<bool> {
    let entries = match fs::read_dir(cur) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    };
    for entry in entries {
        let found = entry?.file_name();
        let base = found.as_encoded_bytes().split(|octet| *octet == b':').next();
        if base == Some(name.as_bytes()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn make_folders(folder: &Path, parts: &[&Path]) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    parts.iter().try_for_each(|part| builder.create(part))?;
    // The names of the new folders must survive a power cut as well.
    sync_folder(folder)?;
    folder.ancestors().skip(1).take(2).filter(|above| above.exists()).try_for_each(sync_folder)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Turns CRLF into LF; a CR that stands alone is kept.
struct UnixLines {
    file: File,
    pending_cr: bool,
}

impl UnixLines {
    fn new(file: File) -> UnixLines {
        UnixLines { file, pending_cr: false }
    }

    fn finish(mut self) -> io::Result<File> {
        if self.pending_cr {
            self.file.write_all(b"\r")?;
        }
        Ok(self.file)
    }
}

impl Write for UnixLines {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let mut lines = Vec::with_capacity(text.len() + 1);
        let mut rest = text;
        if self.pending_cr && !rest.is_empty() {
            if rest.first() != Some(&b'\n') {
                lines.push(b'\r');
            }
            self.pending_cr = false;
        }
        while let Some(at) = memchr(b'\r', rest) {
            let (before, after) = rest.split_at(at);
            lines.extend_from_slice(before);
            rest = after.get(1..).unwrap_or_default();
            match rest.first() {
                Some(b'\n') => {}
                Some(_) => lines.push(b'\r'),
                None => self.pending_cr = true,
            }
        }
        lines.extend_from_slice(rest);
        self.file.write_all(&lines)?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn put(folder: &Path, name: &str, earlier: Earlier, portions: &[&[u8]]) {
        let write = |out: &mut dyn Write| portions.iter().try_for_each(|text| out.write_all(text));
        deliver(folder, name, earlier, write).unwrap();
    }

    fn files(folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for part in ["tmp", "new", "cur"] {
            for entry in fs::read_dir(folder.join(part)).unwrap() {
                found.push(format!("{part}/{}", entry.unwrap().file_name().display()));
            }
        }
        found
    }

    #[test]
    fn a_message_is_written_with_unix_lines() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("deep/box");
        put(&folder, "1.a.mx", Earlier::Impossible, &[b"a\r\nb\r", b"\n\r", b"c\r\r\n", b"\r"]);
        assert_eq!(files(&folder), ["new/1.a.mx"]);
        assert_eq!(fs::read(folder.join("new/1.a.mx")).unwrap(), b"a\nb\n\rc\r\n\r");
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        let file = fs::metadata(folder.join("new/1.a.mx")).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn delivering_again_leaves_one_copy() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        // A crash while writing left half a draft.
        fs::create_dir_all(folder.join("tmp")).unwrap();
        fs::write(folder.join("tmp/n"), "a half-written draft that is longer than the mail")
            .unwrap();
        put(folder, "n", Earlier::Possible, &[b"mail\r\n"]);
        assert_eq!(files(folder), ["new/n"]);
        assert_eq!(fs::read(folder.join("new/n")).unwrap(), b"mail\n");
        // A crash after the rename: found, whatever is known of it.
        put(folder, "n", Earlier::Possible, &[b"not written\r\n"]);
        assert_eq!(fs::read(folder.join("new/n")).unwrap(), b"mail\n");
        put(folder, "n", Earlier::Impossible, &[b"mail\r\n"]);
        assert_eq!(files(folder), ["new/n"]);
        // A reader was quicker than the next attempt.
        fs::rename(folder.join("new/n"), folder.join("cur/n:2,S")).unwrap();
        put(folder, "n", Earlier::Possible, &[b"mail\r\n"]);
        assert_eq!(files(folder), ["cur/n:2,S"]);
        // A longer name is another mail.
        put(folder, "n2", Earlier::Possible, &[b"mail\r\n"]);
        assert_eq!(files(folder), ["new/n2", "cur/n:2,S"]);
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let failed = deliver(dir.path(), "n", Earlier::Impossible, |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("no more"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        assert_eq!(files(dir.path()), Vec::<String>::new());
        fs::write(dir.path().join("file"), "").unwrap();
        let not_a_folder = dir.path().join("file/box");
        assert!(deliver(&not_a_folder, "n", Earlier::Impossible, |_| Ok(())).is_err());
    }

    #[test]
    fn no_recipient_leaves_its_folder() {
        let table = [
            ("/m", "a@x.test", "/m"),
            ("/m/{domain}/{local}", "Anna.B@X.Test", "/m/x.test/anna.b"),
            ("/m/{local}@{domain}/Maildir", "a+b@x.test", "/m/a+b@x.test/Maildir"),
            ("/m/{local}", "\"../../etc\"@x.test", "/m/%2E.%2F..%2Fetc"),
            ("/m/{local}", "\"..\"@x.test", "/m/%2E."),
            ("/m/{local}", "\".\"@x.test", "/m/%2E"),
            ("/m/{local}", "\"/etc/passwd\"@x.test", "/m/%2Fetc%2Fpasswd"),
            ("/m/{local}", "\"{domain}\"@x.test", "/m/%7Bdomain%7D"),
            ("/m/{local}", "a%2Fb@x.test", "/m/a%252fb"),
            ("/m/{local}", "grün@x.test", "/m/gr%C3%BCn"),
            ("/m/x{local}", "\"../y\"@x.test", "/m/x%2E.%2Fy"),
            ("/m/{other}", "a@x.test", "/m/{other}"),
        ];
        for (template, recipient, path) in table {
            let recipient: Address = recipient.parse().unwrap();
            assert_eq!(folder(Path::new(template), &recipient), Path::new(path), "{recipient}");
        }
    }
}
