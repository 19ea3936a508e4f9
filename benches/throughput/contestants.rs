//! The servers that are measured, each started fresh for each kind of load.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::harness::postfix::Postfix;
use super::harness::{Postern, Setup, folder, free_port, program};
use super::sink::FastSink;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contestant {
    Postern,
    Postfix,
    PostfixWithRspamd,
}

/// A server that takes mail for `example.test` and passes it on to the sink.
pub trait Running {
    /// Where it takes mail.
    fn address(&self) -> SocketAddr;
    /// The processes from which all of its processes descend.
    fn roots(&self) -> Vec<i32>;
    /// Whether it did what it was meant to do.
    fn check(&self, _sink: &FastSink) {}
}

impl Contestant {
    pub const ALL: [Contestant; 3] =
        [Contestant::Postern, Contestant::Postfix, Contestant::PostfixWithRspamd];

    /// For the table.
    pub fn name(self) -> &'static str {
        match self {
            Contestant::Postern => "Postern",
            Contestant::Postfix => "Postfix",
            Contestant::PostfixWithRspamd => "Postfix + rspamd",
        }
    }

    /// For the command line.
    pub fn short(self) -> &'static str {
        match self {
            Contestant::Postern => "postern",
            Contestant::Postfix => "postfix",
            Contestant::PostfixWithRspamd => "rspamd",
        }
    }

    /// Starts it; `None`, said aloud, where it is not installed.
    pub fn start(self, sink: SocketAddr) -> Option<Box<dyn Running>> {
        match self {
            Contestant::Postern => {
                let hop = format!("smtp://{sink}");
                // As shipped: one event a transition, written to a file like Postfix's log.
                Some(Box::new(Setup::new().next_hop(hop).start()))
            }
            Contestant::Postfix => {
                let postfix = Postfix::start(&lines(sink))?;
                Some(Box::new(postfix))
            }
            Contestant::PostfixWithRspamd => {
                let rspamd = Rspamd::start()?;
                let milter = format!("smtpd_milters = inet:127.0.0.1:{}", rspamd.port);
                let mut all = lines(sink);
                all.extend([milter.as_str(), "milter_default_action = tempfail"]);
                let postfix = Postfix::start(&all)?;
                Some(Box::new(Filtered { postfix, rspamd }))
            }
        }
    }
}

/// A relay and nothing else; the last setting of a name counts.
fn lines(sink: SocketAddr) -> Vec<&'static str> {
    let relay = format!("relayhost = [127.0.0.1]:{}", sink.port());
    vec![relay.leak(), "virtual_mailbox_domains =", "smtpd_tls_security_level = none"]
}

impl Running for Postern {
    fn address(&self) -> SocketAddr {
        self.inbound()
    }

    fn roots(&self) -> Vec<i32> {
        vec![Postern::pid(self)]
    }
}

fn master_pid(postfix: &Postfix) -> i32 {
    let text = std::fs::read_to_string(postfix.dir().join("queue/pid/master.pid")).unwrap();
    text.trim().parse().unwrap()
}

impl Running for Postfix {
    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    fn roots(&self) -> Vec<i32> {
        vec![master_pid(self)]
    }
}

struct Filtered {
    postfix: Postfix,
    rspamd: Rspamd,
}

impl Running for Filtered {
    fn address(&self) -> SocketAddr {
        self.postfix.address()
    }

    fn roots(&self) -> Vec<i32> {
        vec![master_pid(&self.postfix), self.rspamd.child.id() as i32]
    }

    fn check(&self, sink: &FastSink) {
        let (marked, total) = (sink.marked(), sink.seen().total);
        assert_eq!(marked, total, "rspamd looked at {marked} of {total} messages");
    }
}

/// rspamd as Debian ships it, its modules that ask the network or Redis switched off.
struct Rspamd {
    _dir: tempfile::TempDir,
    child: Child,
    port: u16,
}

/// Modules that need a name server, Redis or the Web.
const NETWORK_MODULES: &[&str] = &[
    "antivirus",
    "arc",
    "asn",
    "bayes_expiry",
    "clickhouse",
    "clustering",
    "dkim",
    "dkim_signing",
    "dmarc",
    "elastic",
    "external_services",
    "fuzzy_check",
    "greylist",
    "history_redis",
    "known_senders",
    "maillist",
    "metadata_exporter",
    "mx_check",
    "neural",
    "phishing",
    "ratelimit",
    "rbl",
    "replies",
    "reputation",
    "spamtrap",
    "spf",
    "surbl",
    "url_redirector",
    "whitelist",
];

impl Rspamd {
    fn start() -> Option<Rspamd> {
        let Some(rspamd) = program("rspamd") else {
            println!("rspamd is not installed");
            return None;
        };
        let (dir, port) = (folder(), free_port());
        write_settings(dir.path(), port);
        let at = dir.path().display();
        // Its compiled patterns take minutes to make and are kept from run to run.
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rspamd-patterns");
        std::fs::create_dir_all(&cache).unwrap();
        let child = Command::new(rspamd)
            .args(["--no-fork", "--insecure", "--config", "/etc/rspamd/rspamd.conf"])
            .args(["RUNDIR", "LOGDIR", "LOCAL_CONFDIR"].map(|name| format!("--var={name}={at}")))
            .arg(format!("--var=DBDIR={}", cache.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(std::fs::File::create(dir.path().join("errors")).unwrap()))
            .spawn()
            .unwrap();
        let rspamd = Rspamd { _dir: dir, child, port };
        rspamd.wait();
        Some(rspamd)
    }

    /// Until its milter answers and its patterns are compiled.
    fn wait(&self) {
        super::harness::wait_within(Duration::from_secs(400), "rspamd", || {
            std::net::TcpStream::connect(("127.0.0.1", self.port)).ok()
        });
        let log = self._dir.path().join("rspamd.log");
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(90) {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            if said.contains("hyperscan database of") && said.contains("loaded") {
                break;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        std::thread::sleep(Duration::from_secs(3));
    }
}

fn write_settings(dir: &Path, port: u16) {
    let local = dir.join("local.d");
    std::fs::create_dir(&local).unwrap();
    std::fs::create_dir(dir.join("override.d")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(local.join(name), text).unwrap();
    write(
        "worker-proxy.inc",
        &format!(
            "bind_socket = \"127.0.0.1:{port}\";\nmilter = yes;\ntimeout = 120s;\ncount = 2;\n\
             upstream \"local\" {{ default = yes; self_scan = yes; }}\n"
        ),
    );
    for worker in ["normal", "controller", "fuzzy"] {
        write(&format!("worker-{worker}.inc"), "enabled = false;\n");
    }
    write(
        "options.inc",
        "dns { nameserver = [\"127.0.0.1:9\"]; timeout = 1s; retransmits = 1; }\n\
         local_addrs = [];\nallow_raw_input = true;\n",
    );
    write("logging.inc", "type = \"file\";\nlevel = \"notice\";\n");
    write(
        "milter_headers.conf",
        "use = [\"x-spamd-bar\"];\nskip_local = false;\nskip_authenticated = false;\n",
    );
    for module in NETWORK_MODULES {
        write(&format!("{module}.conf"), "enabled = false;\n");
    }
}

impl Drop for Rspamd {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if self.child.try_wait().ok().flatten().is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
