//! A machine that only remembers what it was asked to do.

use std::cell::RefCell;

use super::*;

#[derive(Default)]
struct Rehearsal {
    acts: RefCell<Vec<String>>,
}

impl Rehearsal {
    fn did(&self, act: impl Into<String>) -> Result<String, String> {
        self.acts.borrow_mut().push(act.into());
        Ok("so".into())
    }
}

impl Machine for Rehearsal {
    fn banner(&self) -> Vec<String> {
        vec!["Postern\u{1b}[2J".into()]
    }
    fn status(&self) -> Vec<String> {
        vec!["failed units: 0".into()]
    }
    fn ports(&self) -> Vec<String> {
        vec!["ens3".into(), "ens4".into()]
    }
    fn configure(&self, interface: &Interface) -> Result<String, String> {
        self.did(interface.text())
    }
    fn rename(&self, name: &str) -> Result<String, String> {
        self.did(format!("rename {name}"))
    }
    fn code(&self) -> Result<String, String> {
        Ok("1234-5678".into())
    }
    fn check_log(&self) -> Result<String, String> {
        self.did("log")
    }
    fn update(&self, owner_override: Override) -> Result<String, String> {
        self.did(format!("update {owner_override:?}"))
    }
    fn restart(&self) -> Result<String, String> {
        self.did("restart")
    }
    fn power_off(&self) -> Result<String, String> {
        self.did("off")
    }
    fn factory_reset(&self) -> Result<String, String> {
        self.did("reset")
    }
}

fn talk(typed: &[u8]) -> (String, Vec<String>) {
    let machine = Rehearsal::default();
    let mut screen = Vec::new();
    converse(&machine, &mut &*typed, &mut screen).unwrap();
    (String::from_utf8(screen).unwrap(), machine.acts.into_inner())
}

#[test]
fn each_item_of_the_menu_does_its_act() {
    let (screen, acts) =
        talk(b"1\n3\nMX.Example.org\n4\n5\n6\n7\nrestart\n8\noff\n9\ndestroy\n0\nolder\n");
    assert!(screen.contains("failed units: 0") && screen.contains("1234-5678"), "{screen}");
    assert_eq!(
        acts,
        ["rename mx.example.org", "log", "update Ask", "restart", "off", "reset", "update Given"]
    );
}

#[test]
fn nothing_is_destroyed_without_the_word() {
    for typed in
        ["9\n\n", "9\ny\n", "9\nDESTROY\n", "9", "8\n8\n", "7\nyes\n", "0\n\n", "9\ndestro"]
    {
        let (_, acts) = talk(typed.as_bytes());
        assert_eq!(acts, Vec::<String>::new(), "{typed:?}");
    }
}

#[test]
fn a_port_gets_its_address() {
    let (_, acts) = talk(b"2\nens4\n192.0.2.5/24\n192.0.2.1\n192.0.2.2 2001:db8::2\n");
    assert_eq!(
        acts,
        ["[Match]\nName=ens4\n[Network]\nLLMNR=no\nMulticastDNS=no\nDHCP=no\n\
          Address=192.0.2.5/24\nGateway=192.0.2.1\nDNS=192.0.2.2\nDNS=2001:db8::2\n"]
    );
    let (_, acts) = talk(b"2\nens3\nauto\n");
    assert!(acts[0].ends_with("DHCP=yes\n"), "{acts:?}");
}

#[test]
fn wrong_addresses_change_nothing() {
    let table = [
        "eth9\n192.0.2.5/24\n\n\n",
        "ens3\n192.0.2.5\n\n\n",
        "ens3\n192.0.2.5/33\n\n\n",
        "ens3\n0.0.0.0/0\n\n\n",
        "ens3\n192.0.2.5/24\n198.51.100.1\n\n",
        "ens3\n192.0.2.5/24\n192.0.2.5\n\n",
        "ens3\n192.0.2.5/24\n\nname.example\n",
        "ens3\n192.0.2.5/24\n\n1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5\n",
        "../x\nauto\n",
        "ens3\n192.0.2.5/24 [Link]\n\n\n",
    ];
    for typed in table {
        let (screen, acts) = talk(format!("2\n{typed}").as_bytes());
        assert_eq!(acts, Vec::<String>::new(), "{typed:?}");
        assert!(screen.contains("not done: "), "{typed:?}");
    }
}

#[test]
fn names_are_checked() {
    for name in ["mx", "", "-a.example", "a-.example", "a..example", "a b.example", "x.\"y"] {
        assert!(!network::is_host_name(name), "{name:?}");
    }
    assert!(!network::is_host_name(&format!("{}.example", "a".repeat(64))));
    assert!(network::is_host_name("mx-1.example.org"));
}

#[test]
fn garbage_does_nothing_and_ends_with_the_terminal() {
    let mut garbage = Vec::new();
    let mut state = 0x1234_5678_u32;
    for _ in 0..200_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        garbage.push((state >> 24) as u8);
    }
    let (screen, acts) = talk(&garbage);
    assert!(!screen.contains('\u{1b}'));
    let harmless = ["log", "update Ask"];
    assert!(acts.iter().all(|act| harmless.contains(&act.as_str())), "{acts:?}");
    // One line of a hundred megabytes is read in bounded memory.
    let endless = io::Read::chain(io::Read::take(io::repeat(b'9'), 100 << 20), &b"\n"[..]);
    let text = line(&mut io::BufReader::new(endless)).unwrap().unwrap();
    assert_eq!(text.len(), LINE_OCTETS);
}

#[test]
fn a_new_name_replaces_the_old_one_only() {
    let text = "# hostname = \"x\"\n[system]\n  hostname=\"old\"   # who\nx = \"hostname = 1\"\n";
    let text = act::renamed(text, "mx.example.org").unwrap();
    assert_eq!(
        text,
        "# hostname = \"x\"\n[system]\nhostname = \"mx.example.org\"\nx = \"hostname = 1\"\n"
    );
    assert_eq!(act::renamed("[system]\n", "a.b"), None);
}
