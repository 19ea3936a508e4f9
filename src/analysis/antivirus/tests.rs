use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::clamd::{FAILURES, read_answer};
use super::*;
use crate::config::ClamdAddress;

fn settings(clamd: Vec<ClamdAddress>, timeout_s: u64) -> config::Antivirus {
    config::Antivirus { clamd, timeout_s, connections: 2, ..config::Antivirus::default() }
}

fn clamds(clamd: Vec<ClamdAddress>, timeout_s: u64) -> Clamds {
    Clamds::new(&settings(clamd, timeout_s))
}

/// One clamd, asked without anything around it.
struct Scanner(Clamds);

impl Scanner {
    async fn scan(&self, octets: &[u8]) -> Result<Scan, AntivirusError> {
        self.0.scan(octets).await.map(|(scan, _)| scan)
    }
}

fn scanner(clamd: ClamdAddress, timeout_s: u64) -> Scanner {
    Scanner(clamds(vec![clamd], timeout_s))
}

/// The test file of EICAR, put together here so that this file is none.
fn eicar() -> String {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$", "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat()
}

#[test]
fn answers_are_read_strictly() {
    let infected = |name: &str| Some(Scan::Infected(name.into()));
    let unread = |name: &str| Some(Scan::Unread(name.into()));
    let table: [(&[u8], Option<Scan>); 18] = [
        (b"stream: OK\0", Some(Scan::Clean)),
        (b"stream: OK\n", Some(Scan::Clean)),
        (b"stream: Eicar-Test FOUND\0", infected("Eicar-Test")),
        (b"stream: A B FOUND\0", infected("A B")),
        (
            b"stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0",
            unread("Heuristics.Limits.Exceeded.MaxFileSize"),
        ),
        (b"stream: Heuristics.Encrypted.Zip FOUND\0", unread("Heuristics.Encrypted.Zip")),
        (
            b"stream: Heuristics.Phishing.Email.SpoofedDomain FOUND\0",
            infected("Heuristics.Phishing.Email.SpoofedDomain"),
        ),
        (b"stream: x.Heuristics.Encrypted.Zip FOUND\0", infected("x.Heuristics.Encrypted.Zip")),
        (b"INSTREAM size limit exceeded. ERROR\0", Some(Scan::TooLarge)),
        (b"", None),
        (b"stream: ", None),
        (b"stream: OKAY", None),
        (b"stream: ok", None),
        (b"OK", None),
        (b"stream:  FOUND", None),
        (b"stream: a\0b FOUND", None),
        (b"stream: OK\0stream: X FOUND", None),
        (b"stream: Can't open file. ERROR\0", None),
    ];
    for (answer, expected) in table {
        assert_eq!(read_answer(answer).ok(), expected, "{}", String::from_utf8_lossy(answer));
    }
}

/// A clamd that does what it is told with each connection.
pub(super) async fn fake<F, R>(serve: F) -> ClamdAddress
where
    F: Fn(TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    ClamdAddress::Tcp(address)
}

/// Reads to the end of the stream of chunks.
async fn take_all(stream: &mut TcpStream) {
    let mut command = [0; 10];
    stream.read_exact(&mut command).await.unwrap();
    assert_eq!(&command, b"zINSTREAM\0");
    loop {
        let octets = stream.read_u32().await.unwrap();
        if octets == 0 {
            return;
        }
        let mut chunk = vec![0; octets as usize];
        stream.read_exact(&mut chunk).await.unwrap();
    }
}

#[tokio::test]
async fn a_scanner_that_misbehaves_is_a_failure_and_never_a_pass() {
    let message = vec![b'x'; 3 << 20];
    let hangs = fake(|stream| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    });
    let dies = fake(|mut stream| async move {
        let mut some = [0; 1_000];
        let _ = stream.read_exact(&mut some).await;
    });
    let says_nothing = fake(|mut stream| async move { take_all(&mut stream).await });
    let talks_nonsense = fake(|mut stream| async move {
        take_all(&mut stream).await;
        let _ = stream.write_all(b"stream: maybe\0").await;
    });
    let talks_on = fake(|mut stream| async move {
        take_all(&mut stream).await;
        while stream.write_all(&[b'x'; 1_024]).await.is_ok() {}
    });
    let closes_early = fake(|stream| async move { drop(stream) });
    let table = [
        (hangs.await, "no answer within 1 s"),
        (dies.await, "virus scanner: "),
        (says_nothing.await, "unexpected answer \"\""),
        (talks_nonsense.await, "unexpected answer \"stream: maybe\""),
        (talks_on.await, "does not end"),
        (closes_early.await, "virus scanner: "),
        (ClamdAddress::Tcp("127.0.0.1:1".into()), "refused"),
        (ClamdAddress::Unix("/nonexistent/clamd".into()), "No such file"),
    ];
    for (address, what) in table {
        let error = scanner(address.clone(), 1).scan(&message).await.unwrap_err().to_string();
        assert!(error.contains(what), "{address:?}: {error}");
    }
}

#[tokio::test]
async fn a_scanner_that_keeps_failing_is_left_alone() {
    let scanner = scanner(ClamdAddress::Tcp("127.0.0.1:1".into()), 1);
    for _ in 0..FAILURES {
        assert!(matches!(scanner.scan(b"x").await, Err(AntivirusError::Io(_))));
    }
    assert!(matches!(scanner.scan(b"x").await, Err(AntivirusError::Resting(FAILURES))));
    let clamd = &scanner.0.all()[0];
    clamd.breaker.lock().unwrap().rest_until = Some(Instant::now());
    assert!(matches!(scanner.scan(b"x").await, Err(AntivirusError::Io(_))), "one tries");
    assert!(matches!(scanner.scan(b"x").await, Err(AntivirusError::Resting(_))), "and fails");
    clamd.note(&Ok(Scan::Clean));
    assert!(matches!(scanner.scan(b"x").await, Err(AntivirusError::Io(_))), "all try again");
}

#[tokio::test]
async fn scans_at_once_are_bounded() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NOW: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let address = fake(|mut stream| async move {
        MOST.fetch_max(NOW.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        take_all(&mut stream).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        NOW.fetch_sub(1, Ordering::SeqCst);
        let _ = stream.write_all(b"stream: OK\0").await;
    });
    let scanner = Arc::new(scanner(address.await, 10));
    let scans: Vec<_> = (0..12)
        .map(|_| {
            let scanner = Arc::clone(&scanner);
            tokio::spawn(async move { scanner.scan(b"x").await.unwrap() })
        })
        .collect();
    for scan in scans {
        assert_eq!(scan.await.unwrap(), Scan::Clean);
    }
    assert_eq!(MOST.load(Ordering::SeqCst), 2);
}

/// A real clamd with its own signatures; ends with the test.
struct Clamd {
    process: Child,
    _dir: tempfile::TempDir,
    socket: PathBuf,
    tcp: String,
}

impl Drop for Clamd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn clamd_program() -> Option<PathBuf> {
    let known = ["/usr/sbin/clamd", "/usr/bin/clamd", "/usr/local/sbin/clamd"];
    known.iter().map(PathBuf::from).find(|path| path.exists())
}

fn hex(text: &str) -> String {
    text.bytes().map(|octet| format!("{octet:02x}")).collect()
}

async fn start_clamd(program: &Path) -> Clamd {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let signatures = format!(
        "Postern-Eicar:0:*:{}\nPostern-Marker:0:*:{}\n",
        hex(&eicar()),
        hex("postern virus marker")
    );
    std::fs::create_dir(path("signatures")).unwrap();
    std::fs::write(path("signatures/test.ndb"), signatures).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let settings = format!(
        "Foreground yes\nDatabaseDirectory {}\nLocalSocket {}\nTCPSocket {port}\n\
         TCPAddr 127.0.0.1\nStreamMaxLength 1M\nLogFile {}\n",
        path("signatures").display(),
        path("socket").display(),
        path("log").display(),
    );
    std::fs::write(path("clamd.conf"), settings).unwrap();
    let process = Command::new(program)
        .arg(format!("--config-file={}", path("clamd.conf").display()))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let socket = path("socket");
    let clamd = Clamd { process, socket, tcp: format!("127.0.0.1:{port}"), _dir: dir };
    for _ in 0..300 {
        if TcpStream::connect(&clamd.tcp).await.is_ok() && clamd.socket.exists() {
            return clamd;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("clamd did not start");
}

#[tokio::test]
async fn a_real_clamd_finds_what_it_knows() {
    let Some(program) = clamd_program() else {
        println!("skipped: clamd is not installed");
        return;
    };
    let clamd = start_clamd(&program).await;
    let addresses =
        [ClamdAddress::Unix(clamd.socket.clone()), ClamdAddress::Tcp(clamd.tcp.clone())];
    let mail = |body: &str| format!("From: a@x.test\r\nSubject: x\r\n\r\n{body}\r\n").into_bytes();
    let attached = {
        use base64::Engine;
        let encoded = base64::engine::general_purpose::STANDARD.encode(eicar());
        format!(
            "From: a@x.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
             --b\r\n\r\nhello\r\n--b\r\nContent-Type: application/octet-stream\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n--b--\r\n"
        )
        .into_bytes()
    };
    let found = |name: &str| Scan::Infected(format!("{name}.UNOFFICIAL"));
    let table = [
        (mail("nothing here"), Scan::Clean),
        (Vec::new(), Scan::Clean),
        (mail(&eicar()), found("Postern-Eicar")),
        (mail("a postern virus marker here"), found("Postern-Marker")),
        (attached, found("Postern-Eicar")),
        (mail(&"x".repeat(900_000)), Scan::Clean),
    ];
    for address in addresses {
        let scanner = scanner(address.clone(), 20);
        for (message, expected) in &table {
            assert_eq!(scanner.scan(message).await.unwrap(), *expected, "{address:?}");
        }
        let large = scanner.scan(&mail(&"x".repeat(8 << 20))).await;
        println!("{address:?}: too large: {large:?}");
        if matches!(address, ClamdAddress::Unix(_)) {
            assert_eq!(large.unwrap(), Scan::TooLarge);
        } else {
            // A TCP reset may overtake the answer: then it is a failure, still no pass.
            assert!(!matches!(large, Ok(Scan::Clean | Scan::Infected(_))));
        }
    }
}
