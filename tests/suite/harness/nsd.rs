//! A real name server (nsd) with a zone of the scenario's own.

use std::process::{Child, Command, Stdio};

use super::{folder, free_port, program, skip, wait_for};

/// Stops on drop.
pub struct Nsd {
    dir: tempfile::TempDir,
    /// On 127.0.0.1.
    pub port: u16,
    child: Child,
}

impl Nsd {
    /// Serves zones, each a name with its text; nothing when nsd is not installed.
    pub fn start(zones: &[(&str, &str)]) -> Option<Nsd> {
        let Some(nsd) = program("nsd") else {
            skip("nsd is not installed");
            return None;
        };
        let dir = folder();
        let (at, port) = (dir.path().display(), free_port());
        let mut config = format!(
            "server:\n  ip-address: 127.0.0.1\n  port: {port}\n  username: \"\"\n  chroot: \"\"\n  \
             zonesdir: \"{at}\"\n  pidfile: \"{at}/nsd.pid\"\n  database: \"\"\n  \
             xfrdfile: \"{at}/xfrd\"\n  zonelistfile: \"{at}/zones\"\n  server-count: 1\n\
             remote-control:\n  control-enable: no\n"
        );
        for (name, zone) in zones {
            std::fs::write(dir.path().join(format!("{name}.zone")), zone).unwrap();
            config += &format!("zone:\n  name: \"{name}\"\n  zonefile: \"{name}.zone\"\n");
        }
        let file = dir.path().join("nsd.conf");
        std::fs::write(&file, config).unwrap();
        let child = Command::new(nsd)
            .arg("-d")
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(std::fs::File::create(dir.path().join("log")).unwrap()))
            .spawn()
            .unwrap();
        let nsd = Nsd { dir, port, child };
        wait_for("nsd", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        Some(nsd)
    }
}

impl Drop for Nsd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            println!("--- nsd said:\n{said}");
        }
        // nsd's server children end with their parent's SIGTERM.
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}
