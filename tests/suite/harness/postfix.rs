//! A real Postfix of our own: its configuration, queue and mailboxes in a temporary folder,
//! on ports of its own, next to whatever Postfix the machine may have.
//!
//! It takes mail for `example.test` into one Maildir and sends all else to its relay host.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{free_port, is_root, program, tls, wait_for};

/// A running Postfix; stopped on drop.
pub struct Postfix {
    dir: tempfile::TempDir,
    /// Where its smtpd listens on 127.0.0.1.
    pub port: u16,
}

const SERVICES: &str = "pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

impl Postfix {
    /// Starts one with these further lines in main.cf; `None`, said aloud, where it cannot.
    pub fn start(lines: &[&str]) -> Option<Postfix> {
        if program("postfix").is_none() {
            super::skip("postfix is not installed");
            return None;
        }
        if !is_root() {
            super::skip("postfix needs root");
            return None;
        }
        // Its mailbox writer is nobody: the folder must be one that nobody can walk into.
        let dir = tempfile::Builder::new().prefix("postern-pf").tempdir().unwrap();
        let postfix = Postfix { dir, port: free_port() };
        postfix.write(lines);
        postfix.run("start");
        let port = postfix.port;
        wait_for("postfix", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        Some(postfix)
    }

    /// The folder of its files.
    #[allow(dead_code, reason = "the measurement asks")]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// As a next hop is written in the configuration.
    pub fn hop(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    fn write(&self, lines: &[&str]) {
        use std::os::unix::fs::PermissionsExt;
        let at = self.dir.path();
        std::fs::set_permissions(at, std::fs::Permissions::from_mode(0o755)).unwrap();
        for (name, owner) in [("queue", 0), ("data", 1), ("mail", 2)] {
            let folder = at.join(name);
            std::fs::create_dir(&folder).unwrap();
            let user = ["root", "postfix", "nobody"][owner];
            let user = nix::unistd::User::from_name(user).unwrap().unwrap();
            nix::unistd::chown(&folder, Some(user.uid), None).unwrap();
        }
        let (certificate, key) = tls::self_signed("next.example.test");
        std::fs::write(at.join("cert.pem"), certificate).unwrap();
        std::fs::write(at.join("key.pem"), key).unwrap();
        std::fs::write(at.join("master.cf"), {
            format!("127.0.0.1:{} inet n - n - - smtpd\n{SERVICES}", self.port)
        })
        .unwrap();
        std::fs::write(at.join("main.cf"), self.main_cf(lines)).unwrap();
    }

    fn main_cf(&self, lines: &[&str]) -> String {
        let at = self.dir.path().display();
        let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
        let mut text = format!(
            "compatibility_level = 3.6\nconfig_directory = {at}\nqueue_directory = {at}/queue\n\
             data_directory = {at}/data\nmail_owner = postfix\nsetgid_group = postdrop\n\
             myhostname = next.example.test\nmydestination =\nmynetworks = 127.0.0.0/8\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmulti_instance_enable = yes\n\
             multi_instance_name = postfix-test\nmaillog_file = {at}/log\n\
             maillog_file_prefixes = {at}\nsmtpd_tls_cert_file = {at}/cert.pem\n\
             smtpd_tls_key_file = {at}/key.pem\nsmtpd_tls_security_level = may\n\
             smtpd_tls_received_header = yes\nsmtp_tls_security_level = may\n\
             virtual_mailbox_domains = example.test\nvirtual_mailbox_base = {at}/mail\n\
             virtual_mailbox_maps = static:all/\nvirtual_uid_maps = static:{}\n\
             virtual_gid_maps = static:{}\nsmtpd_peername_lookup = no\n\
             smtp_dns_support_level = disabled\nmessage_size_limit = 104857600\n\
             virtual_mailbox_limit = 0\nalias_maps =\nalias_database =\n\
             in_flow_delay = 0\nminimal_backoff_time = 1s\nmaximal_backoff_time = 2s\n\
             queue_run_delay = 1s\n",
            nobody.uid, nobody.gid
        );
        lines.iter().for_each(|line| writeln!(text, "{line}").unwrap());
        text
    }

    fn run(&self, verb: &str) {
        let output = Command::new(program("postfix").unwrap())
            .arg("-c")
            .arg(self.dir.path())
            .arg(verb)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "postfix {verb}: {said}\n{}", self.log());
    }

    /// What it logged.
    pub fn log(&self) -> String {
        let octets = std::fs::read(self.dir.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&octets).into_owned()
    }

    /// The messages in its Maildir, in no particular order.
    pub fn mails(&self) -> Vec<Vec<u8>> {
        let new: PathBuf = self.dir.path().join("mail/all/new");
        let Ok(entries) = std::fs::read_dir(new) else { return Vec::new() };
        entries.flatten().filter_map(|entry| std::fs::read(entry.path()).ok()).collect()
    }

    /// Waits until so many are there, and returns them all.
    pub fn wait(&self, count: usize) -> Vec<Vec<u8>> {
        wait_for(&format!("{count} mails at postfix"), || {
            let mails = self.mails();
            (mails.len() >= count).then_some(mails)
        })
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- postfix said:\n{}", self.log());
        }
        let _ =
            Command::new("/usr/sbin/postfix").arg("-c").arg(self.dir.path()).arg("stop").output();
    }
}
