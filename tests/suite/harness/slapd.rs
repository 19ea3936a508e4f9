//! A real directory server (slapd of OpenLDAP) with a tree of the scenario's own, in clear,
//! with StartTLS and with ldaps, under a certificate of a test authority.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};

use super::{folder, free_port, program, skip, wait_for};

/// The top of the tree.
pub const BASE: &str = "dc=example,dc=test";
/// As whom Postern binds.
pub const READER: &str = "cn=postern,dc=example,dc=test";
/// Its password.
pub const PASSWORD: &str = "reader's secret";

const ROOT: &str = "cn=root,dc=example,dc=test";

/// What the reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// Everything.
    All,
    /// It may bind, and finds nobody: what a lost access rule does.
    Nobody,
    /// People, but no groups.
    NoGroups,
}

/// Stops on drop.
pub struct Slapd {
    dir: tempfile::TempDir,
    /// On 127.0.0.1, in clear and with StartTLS.
    pub port: u16,
    /// On 127.0.0.1, with TLS from the first octet.
    pub tls_port: u16,
    child: Option<Child>,
    changes: std::cell::RefCell<String>,
}

impl Slapd {
    /// Serves the entries of an LDIF text below the top; nothing when slapd is not installed.
    pub fn start(ldif: &str) -> Option<Slapd> {
        if program("slapd").is_none() || program("ldapmodify").is_none() {
            skip("slapd or ldap-utils is not installed");
            return None;
        }
        let dir = folder();
        certificates(dir.path());
        std::fs::create_dir(dir.path().join("db")).unwrap();
        let (port, tls_port) = (free_port(), free_port());
        let mut slapd = Slapd { dir, port, tls_port, child: None, changes: Default::default() };
        slapd.configure(Shows::All);
        let text = format!(
            "dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: x\n\n\
             dn: {READER}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\n\
             cn: postern\nuserPassword: {PASSWORD}\n\n{ldif}"
        );
        let file = slapd.path("tree.ldif");
        std::fs::write(&file, text).unwrap();
        let mut add = Command::new(program("slapadd").unwrap());
        add.arg("-q").arg("-f").arg(slapd.path("slapd.conf")).arg("-l").arg(file);
        let output = add.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "slapadd: {said}");
        slapd.start_again();
        Some(slapd)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The authority behind its certificate.
    pub fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A file with the reader's password.
    pub fn password_file(&self) -> PathBuf {
        let file = self.path("password");
        std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
        file
    }

    /// `ldap://…`.
    pub fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    /// `ldaps://…`.
    pub fn ldaps(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.tls_port)
    }

    /// Lets the reader see this much, from the next start on.
    pub fn configure(&self, shows: Shows) {
        let at = self.dir.path().display();
        let seen = match shows {
            Shows::All => format!("access to * by dn.exact=\"{READER}\" read by * auth"),
            Shows::NoGroups => format!(
                "access to dn.subtree=\"ou=groups,{BASE}\" by * auth\n\
                 access to * by dn.exact=\"{READER}\" read by * auth"
            ),
            Shows::Nobody => format!(
                "access to dn.base=\"{BASE}\" by dn.exact=\"{READER}\" read by * auth\n\
                 access to * by * auth"
            ),
        };
        let text = format!(
            "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
             include /etc/ldap/schema/nis.schema\ninclude /etc/ldap/schema/inetorgperson.schema\n\
             include /etc/ldap/schema/misc.schema\n\
             attributetype ( 1.3.6.1.4.1.4203.666.1.901 NAME 'proxyAddresses' \
             EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch \
             SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )\n\
             attributetype ( 1.3.6.1.4.1.4203.666.1.902 NAME 'mailAlternateAddress' \
             EQUALITY caseIgnoreIA5Match SUBSTR caseIgnoreIA5SubstringsMatch \
             SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )\n\
             objectclass ( 1.3.6.1.4.1.4203.666.3.901 NAME 'mailThing' SUP top AUXILIARY \
             MAY ( mail $ proxyAddresses $ mailAlternateAddress ) )\n\
             modulepath /usr/lib/ldap\nmoduleload back_mdb\nmoduleload memberof\n\
             pidfile {at}/pid\nTLSCACertificateFile {at}/ca.pem\n\
             TLSCertificateFile {at}/server.pem\nTLSCertificateKeyFile {at}/server.key\n\
             database mdb\nmaxsize 268435456\nsuffix \"{BASE}\"\nrootdn \"{ROOT}\"\n\
             rootpw root\ndirectory {at}/db\ndbnosync\nindex objectClass,mail,member eq\n\
             limits * size.soft=500 size.hard=500 size.pr=500 size.prtotal=unlimited\n\
             access to attrs=userPassword by * auth\n{seen}\noverlay memberof\n"
        );
        std::fs::write(self.path("slapd.conf"), text).unwrap();
    }

    /// After [`Slapd::stop`].
    pub fn start_again(&mut self) {
        let log = std::fs::File::create(self.path("log")).unwrap();
        let mut command = Command::new(program("slapd").unwrap());
        command.arg("-d").arg("0").arg("-f").arg(self.path("slapd.conf"));
        command.arg("-h").arg(format!("{}/ {}/", self.url(), self.ldaps()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(log));
        self.child = Some(command.spawn().unwrap());
        for port in [self.port, self.tls_port] {
            wait_for("slapd", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        }
    }

    /// As a power cut would.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let pid = nix::unistd::Pid::from_raw(child.id() as i32);
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
            let _ = child.wait();
        }
    }

    /// Answers nobody, without closing anything. Ends when each thread has stopped: one that
    /// runs on may still answer after the signal was sent.
    pub fn freeze(&self) {
        self.signal(nix::sys::signal::Signal::SIGSTOP);
        let Some(child) = &self.child else { return };
        wait_for("slapd to stop", || all_stopped(child.id()).then_some(()));
    }

    /// Goes on.
    pub fn thaw(&self) {
        self.signal(nix::sys::signal::Signal::SIGCONT);
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        if let Some(child) = &self.child {
            let pid = nix::unistd::Pid::from_raw(child.id() as i32);
            nix::sys::signal::kill(pid, signal).unwrap();
        }
    }

    /// Notes that an entry is to go.
    pub fn leave(&self, dn: &str) {
        let change = format!("dn: {dn}\nchangetype: delete\n\n");
        self.changes.borrow_mut().push_str(&change);
    }

    /// Makes the changes that were noted.
    pub fn flush_changes(&self) {
        self.change(&self.changes.take());
    }

    /// Changes entries, as the tree's owner (LDIF with `changetype`).
    pub fn change(&self, ldif: &str) {
        let mut command = Command::new(program("ldapmodify").unwrap());
        command.args(["-x", "-D", ROOT, "-w", "root", "-H", &self.url()]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(ldif.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ldapmodify: {said}");
    }
}

/// Whether every thread of a process is stopped (proc(5): the state follows the name in
/// parentheses).
fn all_stopped(pid: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.flatten().all(|thread| {
        let line = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        line.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with('T'))
    })
}

impl Drop for Slapd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = std::fs::read_to_string(self.path("log")).unwrap_or_default();
            println!("--- slapd said:\n{said}");
        }
        self.thaw();
        self.stop();
    }
}

/// An authority and, from it, a certificate for this machine.
fn certificates(dir: &Path) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "Test authority");
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
    let leaf = params.signed_by(&key, &ca).unwrap();
    std::fs::write(dir.join("ca.pem"), ca.pem()).unwrap();
    std::fs::write(dir.join("server.pem"), leaf.pem()).unwrap();
    std::fs::write(dir.join("server.key"), key.serialize_pem()).unwrap();
}

/// Entries that most scenarios start from: people, an alias, groups within groups.
pub fn office() -> String {
    let ou = |name: &str| {
        format!("dn: ou={name},{BASE}\nobjectClass: organizationalUnit\nou: {name}\n\n")
    };
    let person = |uid: &str, more: &str| {
        format!(
            "dn: uid={uid},ou=people,{BASE}\nobjectClass: inetOrgPerson\nobjectClass: mailThing\n\
             uid: {uid}\ncn: {uid}\nsn: {uid}\nuserPassword: {uid}'s secret\n\
             mail: {uid}@example.test\n{more}\n"
        )
    };
    let group = |name: &str, members: &[&str]| {
        let members: String =
            members.iter().map(|member| format!("member: {member},{BASE}\n")).collect();
        format!(
            "dn: cn={name},ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: {name}\n{members}\n"
        )
    };
    [
        ou("people"),
        ou("groups"),
        ou("aliases"),
        person("ann", "mailAlternateAddress: ann.smith@example.test\n"),
        person("bob", "proxyAddresses: smtp:robert@example.test\nproxyAddresses: x500:/o=x\n"),
        person("cid", ""),
        person("dan", ""),
        format!(
            "dn: cn=sales,ou=aliases,{BASE}\nobjectClass: nisMailAlias\ncn: sales\n\
             rfc822MailMember: ann@example.test\n\n"
        ),
        group("payroll", &["uid=ann,ou=people"]),
        group("finance", &["cn=payroll,ou=groups", "uid=bob,ou=people"]),
        // Groups that contain each other.
        group("house", &["cn=finance,ou=groups", "cn=everybody,ou=groups"]),
        group("everybody", &["cn=house,ou=groups"]),
        format!(
            "dn: cn=unix,ou=groups,{BASE}\nobjectClass: posixGroup\ncn: unix\ngidNumber: 1\n\
             memberUid: cid\n\n"
        ),
    ]
    .concat()
}

/// So many people, `u0@example.test` and on.
pub fn crowd(count: usize) -> String {
    let mut text = format!("dn: ou=crowd,{BASE}\nobjectClass: organizationalUnit\nou: crowd\n\n");
    for number in 0..count {
        text += &format!(
            "dn: uid=u{number},ou=crowd,{BASE}\nobjectClass: inetOrgPerson\nuid: u{number}\n\
             cn: u{number}\nsn: u\nmail: u{number}@example.test\n\n"
        );
    }
    text
}
