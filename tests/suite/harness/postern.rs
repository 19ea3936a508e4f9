//! The program under test as a process of its own, with a generated configuration.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::{folder, free_port, patterns, wait_for, wait_within};

/// The protected domain of every scenario.
pub const DOMAIN: &str = "example.test";

/// A configuration in the making.
pub struct Setup {
    dir: TempDir,
    data_dir: PathBuf,
    next_hops: Vec<String>,
    recipients: String,
    sections: BTreeMap<String, Vec<String>>,
    raw: String,
    without_listeners: bool,
    environment: Vec<(String, PathBuf)>,
    inbound: SocketAddr,
    outbound: SocketAddr,
    submission: SocketAddr,
    implicit: SocketAddr,
    site: Option<SocketAddr>,
}

fn here() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

impl Setup {
    /// Four listeners (inbound, outbound, submission by STARTTLS and by implicit TLS), quick
    /// retries, no name server.
    pub fn new() -> Setup {
        let dir = folder();
        let setup = Setup {
            data_dir: dir.path().join("data"),
            dir,
            next_hops: Vec::new(),
            recipients: String::new(),
            sections: BTreeMap::new(),
            raw: String::new(),
            without_listeners: false,
            environment: Vec::new(),
            inbound: here(),
            outbound: here(),
            submission: here(),
            implicit: here(),
            site: None,
        };
        setup
            .set("dns", "servers = [\"127.0.0.1:9\"]")
            .set("dns", "timeout_s = 1")
            // There is no name server: scenarios about senders bring their own.
            .set("authentication", "enabled = false")
            .set("telemetry", "target = \"terminal\"")
            .set("delivery", "retry_first_s = 1")
            .set("delivery", "retry_max_s = 2")
            .set("delivery", "connect_timeout_s = 5")
    }

    /// A next hop of the protected domain; several are tried in order.
    pub fn next_hop(mut self, hop: impl Display) -> Setup {
        self.next_hops.push(hop.to_string());
        self
    }

    /// The next hop of everything else.
    pub fn smart_host(self, hop: impl Display) -> Setup {
        self.set("delivery", format!("smart_host = \"{hop}\""))
    }

    /// A line of a section; a later line for the same key wins.
    pub fn set(mut self, section: &str, line: impl Into<String>) -> Setup {
        let line = line.into();
        let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
        let lines = self.sections.entry(section.to_owned()).or_default();
        lines.retain(|known| key(known) != key(&line));
        lines.push(line);
        self
    }

    /// With the administrator's site.
    pub fn with_site(mut self) -> Setup {
        let address = here();
        self.site = Some(address);
        self.set("admin", format!("address = \"{address}\""))
    }

    /// Lines for the protected domain, `recipients = "list"` for example.
    pub fn recipients(mut self, lines: &str) -> Setup {
        self.recipients = lines.to_owned();
        self
    }

    /// Further text at the end of the file.
    pub fn raw(mut self, text: &str) -> Setup {
        self.raw.push_str(text);
        self.raw.push('\n');
        self
    }

    /// Leaves the four usual listeners out.
    pub fn without_listeners(mut self) -> Setup {
        self.without_listeners = true;
        self
    }

    /// A variable of the running program's environment.
    pub fn environment(mut self, name: &str, value: &Path) -> Setup {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// State elsewhere than in the scenario's folder.
    pub fn data_dir(mut self, dir: &Path) -> Setup {
        self.data_dir = dir.to_owned();
        self
    }

    /// The scenario's folder.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The configuration file.
    pub fn file(&self) -> PathBuf {
        self.dir.path().join("postern.toml")
    }

    fn listeners(&self) -> String {
        let listen = |role: &str, address: SocketAddr, more: &str| {
            format!("[[listen]]\nrole = \"{role}\"\naddress = \"{address}\"\n{more}")
        };
        listen("inbound", self.inbound, "")
            + &listen("outbound", self.outbound, "networks = [\"127.0.0.0/8\"]\n")
            + &listen("submission", self.submission, "tls = \"starttls\"\n")
            + &listen("submission", self.implicit, "tls = \"implicit\"\n")
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let mut text = format!(
            "[system]\nhostname = \"mx.example.test\"\ndata_dir = \"{}\"\n\
             postmaster = \"postmaster@{DOMAIN}\"\n",
            self.data_dir.display()
        );
        if !self.without_listeners {
            text += &self.listeners();
        }
        if !self.next_hops.is_empty() {
            let hops = self.next_hops.iter().map(|hop| format!("\"{hop}\"")).collect::<Vec<_>>();
            text += &format!("[[domain]]\nname = \"{DOMAIN}\"\nnext_hop = [{}]\n", hops.join(", "));
            text += &self.recipients;
            text.push('\n');
        }
        for (name, lines) in &self.sections {
            text += &format!("[{name}]\n{}\n", lines.join("\n"));
        }
        text + &self.raw
    }

    /// Writes the file.
    pub fn write(&self) {
        std::fs::write(self.file(), self.text()).unwrap();
    }

    /// Runs a subcommand; `--config` goes behind it.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        program().args(arguments).arg("--config").arg(self.file()).output().unwrap()
    }

    /// Makes an account.
    pub fn add_user(&self, name: &str, password: &str, addresses: &[&str]) {
        self.write();
        let mut command = program();
        command.args(["user", "add"]).arg("--config").arg(self.file()).arg(name);
        for address in addresses {
            command.args(["--address", address]);
        }
        command.arg("--password-stdin").stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "user add: {} {said}", output.status);
    }

    /// Starts the program and waits until it listens.
    pub fn start(self) -> Postern {
        self.write();
        let mut postern = Postern { setup: self, child: None };
        postern.start_again();
        postern
    }

    /// Starts the program with an account.
    pub fn start_with_user(self, name: &str, password: &str, addresses: &[&str]) -> Postern {
        self.add_user(name, password, addresses);
        self.start()
    }
}

/// The program, not yet started: that of this build, or the one that `POSTERN_BIN` names.
pub fn program() -> Command {
    let built = env!("CARGO_BIN_EXE_postern").into();
    let mut command = Command::new(std::env::var_os("POSTERN_BIN").unwrap_or(built));
    command.env_remove("RUST_LOG").env_remove("JOURNAL_STREAM").env("NO_COLOR", "1");
    command
}

/// A running Postern; killed on drop.
pub struct Postern {
    setup: Setup,
    child: Option<Child>,
}

impl Postern {
    pub fn inbound(&self) -> SocketAddr {
        self.setup.inbound
    }

    pub fn outbound(&self) -> SocketAddr {
        self.setup.outbound
    }

    pub fn submission(&self) -> SocketAddr {
        self.setup.submission
    }

    pub fn implicit(&self) -> SocketAddr {
        self.setup.implicit
    }

    /// Where the administrator's site is.
    pub fn site(&self) -> SocketAddr {
        self.setup.site.expect("a set-up with_site")
    }

    /// The one-time code of the first visit, as soon as it is written.
    pub fn setup_code(&self) -> String {
        let file = self.setup.data_dir.join("setup-code");
        let read = || std::fs::read_to_string(&file).ok().map(|text| text.trim().to_owned());
        wait_for("the code of the first visit", || read().filter(|code| !code.is_empty()))
    }

    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Where its standard error goes.
    fn log_file(&self) -> PathBuf {
        self.setup.dir().join("postern.log")
    }

    /// All that it has said since the first start.
    pub fn log(&self) -> String {
        let octets = std::fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(&octets).into_owned()
    }

    /// Starts the process and does not wait.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "already running");
        patterns::lend(&self.setup.data_dir);
        let log = File::options().create(true).append(true).open(self.log_file()).unwrap();
        let child = program()
            .args(["run", "--config"])
            .arg(self.setup.file())
            .envs(self.setup.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// Starts the process and waits until every listener answers.
    pub fn start_again(&mut self) {
        self.spawn();
        self.wait_until_listening();
    }

    /// Waits until every listener answers.
    pub fn wait_until_listening(&mut self) {
        let addresses = match self.setup.without_listeners {
            true => Vec::new(),
            false => vec![
                self.setup.inbound,
                self.setup.outbound,
                self.setup.submission,
                self.setup.implicit,
            ],
        };
        for address in addresses.into_iter().chain(self.setup.site) {
            self.wait_for_listener(address);
        }
        patterns::keep(&self.setup.data_dir);
    }

    /// Waits until somebody listens there.
    pub fn wait_for_listener(&mut self, address: SocketAddr) {
        wait_for(&format!("a listener on {address}"), || {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
            assert!(ended.is_none(), "postern ended: {ended:?}\n{}", self.log());
            TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()
        });
    }

    /// Process id.
    pub fn pid(&self) -> i32 {
        self.child.as_ref().map_or(0, |child| child.id() as i32)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// SIGTERM, and the exit status.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        let mut child = self.child.take().unwrap();
        wait_within(Duration::from_secs(60), "the end after SIGTERM", || child.try_wait().unwrap())
    }

    /// Runs a subcommand against it.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        self.setup.cli(arguments)
    }

    /// Runs a subcommand that must succeed, and returns what it printed.
    pub fn tell(&self, arguments: &[&str]) -> String {
        let output = self.cli(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {} {said}", output.status);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a subcommand with `--json`: one object a line.
    pub fn ask(&self, arguments: &[&str]) -> Vec<Value> {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        let printed = self.tell(&arguments);
        let read = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        };
        printed.lines().filter(|line| !line.trim().is_empty()).map(read).collect()
    }

    /// The same of a subcommand that may say no.
    pub fn ask_whatever(&self, arguments: &[&str]) -> Vec<Value> {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        let output = self.cli(&arguments);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// What is in the queue.
    pub fn queue(&self) -> Vec<Value> {
        self.ask(&["queue", "list"])
    }

    /// Waits until nothing is queued.
    pub fn wait_until_empty(&self) {
        wait_for("an empty queue", || self.queue().is_empty().then_some(()));
    }

    /// Peak of resident memory in octets.
    pub fn peak_octets(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        let kilo: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kilo * 1024
    }
}

impl Drop for Postern {
    fn drop(&mut self) {
        self.kill();
        let log = self.log();
        if std::thread::panicking() {
            let lines = log.lines().collect::<Vec<_>>();
            let tail = lines.len().saturating_sub(60);
            println!("--- postern said last:\n{}", lines[tail..].join("\n"));
        } else {
            assert!(!log.contains("panicked at"), "postern panicked:\n{log}");
        }
    }
}

/// A field of a JSON object as text.
pub fn field(object: &Value, name: &str) -> String {
    match &object[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
