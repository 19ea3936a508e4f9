//! Lists in DNS against a real name server (nsd): what is listed is refused, what is not comes
//! through, and lists that lie or refuse harm nobody.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use super::harness::{Client, Postern, Setup, Sink, free_port, program, skip, text, wait_for};

/// `good` is a list as RFC 5782 wants it, `sold` answers every question, `closed` refuses.
const ZONE: &str = "$ORIGIN test.
$TTL 60
@ IN SOA ns.test. root.test. 1 60 60 60 60
@ IN NS ns.test.
ns IN A 127.0.0.1
2.0.0.127.good IN A 127.0.0.2
7.2.0.192.good IN A 127.0.0.2
8.2.0.192.good IN A 127.0.0.99
7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.good IN A 127.0.0.2
*.sold IN A 127.0.0.2
*.closed IN A 127.255.255.254
test.senders IN A 127.0.0.2
listed.example.senders IN A 127.0.0.4
2.0.0.127.allow IN A 127.0.0.2
7.2.0.192.allow IN A 127.0.10.3
";

struct Nsd {
    dir: tempfile::TempDir,
    port: u16,
    child: Child,
}

impl Nsd {
    fn start() -> Option<Nsd> {
        let Some(nsd) = program("nsd") else {
            skip("nsd is not installed");
            return None;
        };
        let dir = super::harness::folder();
        let (at, port) = (dir.path().display(), free_port());
        std::fs::write(dir.path().join("test.zone"), ZONE).unwrap();
        let config = format!(
            "server:\n  ip-address: 127.0.0.1\n  port: {port}\n  username: \"\"\n  chroot: \"\"\n  \
             zonesdir: \"{at}\"\n  pidfile: \"{at}/nsd.pid\"\n  database: \"\"\n  \
             xfrdfile: \"{at}/xfrd\"\n  zonelistfile: \"{at}/zones\"\n  server-count: 1\n\
             remote-control:\n  control-enable: no\n\
             zone:\n  name: \"test\"\n  zonefile: \"test.zone\"\n"
        );
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
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

struct World {
    _nsd: Nsd,
    postern: Postern,
    address: SocketAddr,
    sink: Sink,
}

fn list(zone: &str, kind: &str, weights: &str) -> String {
    format!(
        "[[reputation.list]]\nzone = \"{zone}\"\nkind = \"{kind}\"\nweights = {{ {weights} }}\n"
    )
}

fn world(lists: &str) -> Option<World> {
    let nsd = Nsd::start()?;
    let sink = Sink::start();
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let listen = format!(
        "[[listen]]\nrole = \"inbound\"\naddress = \"{address}\"\n\
         proxy_networks = [\"127.0.0.0/8\"]\n{lists}"
    );
    let mut postern = Setup::new()
        .next_hop(sink.hop())
        .set("dns", format!("servers = [\"127.0.0.1:{}\"]", nsd.port))
        // One text comes again and again here: what is remembered of it must not decide.
        .set("bulk", "enabled = false")
        .set("history.greylist", "mode = \"off\"")
        .raw(&listen)
        .start();
    postern.wait_for_listener(address);
    Some(World { _nsd: nsd, postern, address, sink })
}

/// A PROXY protocol v2 header that names the client.
fn proxied(client: &str) -> Vec<u8> {
    let mut octets = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    match client.parse().unwrap() {
        std::net::IpAddr::V4(address) => {
            octets.extend_from_slice(&[0x21, 0x11, 0, 12]);
            octets.extend_from_slice(&address.octets());
            octets.extend_from_slice(&[127, 0, 0, 1]);
        }
        std::net::IpAddr::V6(address) => {
            octets.extend_from_slice(&[0x21, 0x21, 0, 36]);
            octets.extend_from_slice(&address.octets());
            octets.extend_from_slice(&[0; 16]);
        }
    }
    octets.extend_from_slice(&[0x30, 0x39, 0, 25]);
    octets
}

/// The reply to a mail of this client.
fn send(world: &World, client: &str, reverse_path: &str) -> (u16, String) {
    let mut connection = Client::connect(world.address).unwrap();
    connection.write(&proxied(client)).unwrap();
    assert_eq!(connection.reply().unwrap().code, 220);
    assert_eq!(connection.say("EHLO client.example").code, 250);
    let id = format!("{}@list.test", client.replace(':', "-"));
    let reply = connection.send(reverse_path, &["bob@example.test"], &text::message("lists", &id));
    (reply.code, reply.to_string())
}

#[test]
fn what_is_listed_is_refused() {
    let lists = list("good.test", "client", "\"127.0.0.2\" = 30.0")
        + &list("senders.test", "sender", "\"127.0.0.0/8\" = 30.0");
    let Some(world) = world(&lists) else { return };
    let table = [
        ("192.0.2.9", "a@fine.example", 250),
        ("192.0.2.7", "a@fine.example", 554),
        // Listed with a code that is worth nothing here.
        ("192.0.2.8", "a@fine.example", 250),
        ("2001:db8::7", "a@fine.example", 554),
        ("2001:db8::8", "a@fine.example", 250),
        ("192.0.2.9", "a@listed.example", 554),
        ("192.0.2.9", "a@mail.listed.example", 554),
    ];
    for (client, reverse_path, code) in table {
        let (found, reply) = send(&world, client, reverse_path);
        assert_eq!(found / 100, code / 100, "{client} {reverse_path}: {reply}");
    }
    world.sink.wait(3);
}

#[test]
fn an_allowlist_speaks_for_its_clients() {
    let lists = list("good.test", "client", "\"127.0.0.2\" = 30.0")
        + &list("allow.test", "client-allow", "\"127.0.10.0/24\" = 29.0");
    let Some(world) = world(&lists) else { return };
    assert_eq!(send(&world, "192.0.2.7", "a@fine.example").0, 250);
    assert_eq!(send(&world, "2001:db8::7", "a@fine.example").0 / 100, 5);
}

#[test]
fn lists_that_lie_or_refuse_harm_nobody() {
    let lists = list("sold.test", "client", "\"127.0.0.0/8\" = 30.0")
        + &list("closed.test", "client", "\"127.0.0.0/8\" = 30.0")
        + &list("nowhere.invalid", "client", "\"127.0.0.0/8\" = 30.0");
    let Some(world) = world(&lists) else { return };
    for client in ["192.0.2.7", "192.0.2.9", "2001:db8::7"] {
        let (code, reply) = send(&world, client, "a@fine.example");
        assert_eq!(code, 250, "{reply}");
    }
    for zone in ["sold.test", "closed.test"] {
        wait_for("the event", || {
            let log = world.postern.log();
            let told = |line: &str| line.contains("out of use") && line.contains(zone);
            log.lines().any(told).then_some(())
        });
    }
}

#[test]
fn without_a_list_nobody_is_asked() {
    let Some(world) = world("") else { return };
    assert_eq!(send(&world, "192.0.2.7", "a@listed.example").0, 250);
}

#[test]
fn scan_asks_lists_about_what_is_in_the_file() {
    let lists = list("good.test", "client", "\"127.0.0.2\" = 30.0")
        + &list("senders.test", "sender", "\"127.0.0.0/8\" = 30.0");
    let Some(world) = world(&lists) else { return };
    let file = world.postern.setup().dir().join("one.eml");
    let scan = |author: &str| {
        // How it came is a story here, whoever tells it.
        let message = format!(
            "Received: from x ([192.0.2.7]) by mx.example.test\r\nFrom: {author}\r\n\
             To: bob@example.test\r\nSubject: lists\r\n\r\nHello.\r\n"
        );
        std::fs::write(&file, message).unwrap();
        world.postern.tell(&["scan", file.to_str().unwrap()])
    };
    let listed = scan("a@listed.example");
    assert!(listed.contains("SENDER_LISTED"), "{listed}");
    let fine = scan("a@fine.example");
    assert!(!fine.contains("_LISTED"), "{fine}");
}
