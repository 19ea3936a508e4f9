//! A real clamd with a signature database that the test makes: nothing is downloaded.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{folder, program, wait_within};

/// The harmless test file of the anti-virus trade, put together so that this file is not one.
pub fn eicar() -> String {
    ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$", "EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"].concat()
}

/// A clamd of our own.
pub struct Clamd {
    dir: tempfile::TempDir,
    child: Option<Child>,
}

impl Clamd {
    /// Prepares database and configuration; `None` where clamd is not installed.
    pub fn prepare() -> Option<Clamd> {
        if program("clamd").is_none() {
            super::skip("clamd is not installed");
            return None;
        }
        let dir = folder();
        let database = dir.path().join("db");
        std::fs::create_dir(&database).unwrap();
        let hex = eicar().bytes().map(|octet| format!("{octet:02x}")).collect::<String>();
        // Name, any type of file, any offset, signature.
        std::fs::write(database.join("postern.ndb"), format!("Postern.Test.Eicar:0:*:{hex}\n"))
            .unwrap();
        let at = dir.path().display();
        let config = format!(
            "Foreground yes\nLocalSocket {at}/clamd.sock\nDatabaseDirectory {at}/db\n\
             TemporaryDirectory {at}\nPidFile {at}/clamd.pid\nLogFile {at}/clamd.log\n\
             SelfCheck 0\nMaxThreads 4\nStreamMaxLength 100M\n"
        );
        std::fs::write(dir.path().join("clamd.conf"), config).unwrap();
        Some(Clamd { dir, child: None })
    }

    /// Prepares and starts.
    pub fn start() -> Option<Clamd> {
        let mut clamd = Clamd::prepare()?;
        clamd.start_again();
        Some(clamd)
    }

    /// The socket's path.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("clamd.sock")
    }

    /// The folder of its files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// As the configuration writes it.
    pub fn address(&self) -> String {
        format!("clamd = \"unix:{}\"", self.socket().display())
    }

    /// Starts the process and waits until it answers.
    pub fn start_again(&mut self) {
        let child = Command::new(program("clamd").unwrap())
            .arg("--config-file")
            .arg(self.dir.path().join("clamd.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        wait_within(Duration::from_secs(60), "clamd", || {
            std::os::unix::net::UnixStream::connect(self.socket()).ok()
        });
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Clamd {
    fn drop(&mut self) {
        self.kill();
    }
}
