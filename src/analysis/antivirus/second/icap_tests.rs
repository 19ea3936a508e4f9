//! A server that is told what to answer, and notes what it was sent.

use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;

use super::*;

/// What the server answers to OPTIONS, to a preview and to the whole.
#[derive(Clone, Copy)]
struct Script {
    options: &'static str,
    early: &'static str,
    late: &'static str,
}

const WITH_PREVIEW: &str = "ICAP/1.0 200 OK\r\nISTag: \"v7\"\r\nPreview: 16\r\nAllow: 204\r\n\r\n";
const NO_PREVIEW: &str = "ICAP/1.0 200 OK\r\nISTag: \"v7\"\r\n\r\n";
const GO_ON: &str = "ICAP/1.0 100 Continue\r\n\r\n";
const UNCHANGED: &str = "ICAP/1.0 204 No Content\r\n\r\n";
const PAGE: &str = "ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=26\r\n\r\n\
                    HTTP/1.1 403 Forbidden\r\n\r\n3\r\nbad\r\n0\r\n\r\n";
const OTHER_BODY: &str = "ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=19\r\n\r\n\
                          HTTP/1.1 200 OK\r\n\r\n3\r\nbad\r\n0\r\n\r\n";
const SAME_BODY: &str = "ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=19\r\n\r\n\
                         HTTP/1.1 200 OK\r\n\r\n5\r\nhello\r\n0\r\n\r\n";

async fn body(stream: &mut Stream, kept: &mut Vec<u8>) -> Option<bool> {
    loop {
        let line = read_line(stream, 100).await.ok()?;
        let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        stream.read_exact(&mut chunk).await.ok()?;
        if size == 0 {
            return Some(line.contains("ieof"));
        }
        kept.extend_from_slice(&chunk[..size]);
    }
}

async fn serve(stream: TcpStream, script: Script, kept: Arc<Mutex<Vec<u8>>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let asked = read_line(&mut stream, 1_000).await.ok()?;
    let mut has_preview = false;
    loop {
        let line = read_line(&mut stream, 1_000).await.ok()?;
        has_preview |= line.starts_with("Preview: ");
        if line.is_empty() {
            break;
        }
    }
    if asked.starts_with("OPTIONS") {
        stream.write_all(script.options.as_bytes()).await.ok()?;
        return Some(());
    }
    // The two heads in it.
    for _ in 0..2 {
        while !read_line(&mut stream, 1_000).await.ok()?.is_empty() {}
    }
    let mut octets = Vec::new();
    let is_all = body(&mut stream, &mut octets).await?;
    if has_preview {
        stream.write_all(script.early.as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
        if script.early == GO_ON && !is_all {
            body(&mut stream, &mut octets).await?;
        }
    }
    *kept.lock().unwrap() = octets;
    if !has_preview || script.early == GO_ON {
        stream.write_all(script.late.as_bytes()).await.ok()?;
    }
    stream.flush().await.ok()
}

async fn scanned(script: Script, octets: &[u8]) -> (Result<Scan, String>, Vec<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let sent = Arc::clone(&kept);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, script, Arc::clone(&kept)));
        }
    });
    let icap = Icap::new(&IcapUrl { text: format!("icap://{authority}/scan"), authority });
    let scan = icap.scan(&Bytes::copy_from_slice(octets)).await;
    assert_eq!(icap.version().await.as_deref(), script.options.contains("v7").then_some("v7"));
    let sent = sent.lock().unwrap().clone();
    (scan.map_err(|error| error.to_string()), sent)
}

#[tokio::test]
async fn answers_are_read_strictly() {
    let infected = |name: &str| Ok(Scan::Infected(name.into()));
    let replaced = "the server put another answer in its place";
    let table: [(&str, &str, Result<Scan, String>); 12] = [
        ("hello", UNCHANGED, Ok(Scan::Clean)),
        ("hello", SAME_BODY, Ok(Scan::Clean)),
        ("hello, world", SAME_BODY, infected(replaced)),
        ("hello", OTHER_BODY, infected(replaced)),
        ("hello", PAGE, infected(replaced)),
        (
            "hello",
            "ICAP/1.0 200 OK\r\nX-Infection-Found: Type=0; Resolution=2; Threat=Eicar;\r\n\r\n",
            infected("Eicar"),
        ),
        ("hello", "ICAP/1.0 204 OK\r\nX-Virus-ID: W32.Test\r\n\r\n", infected("W32.Test")),
        (
            "hello",
            "ICAP/1.0 200 OK\r\nX-Violations-Found: 1\r\n\tmail\r\n\tTest\r\n\r\n",
            infected("1 mail Test"),
        ),
        ("hello", "ICAP/1.0 413 too large\r\n\r\n", Ok(Scan::TooLarge)),
        ("hello", "ICAP/1.0 500 oops\r\n\r\n", Err("status 500".into())),
        ("hello", "HTTP/1.1 204 none\r\n\r\n", Err("HTTP/1.1 204 none".into())),
        ("hello", "", Err("unexpected answer".into())),
    ];
    for (octets, answer, expected) in table {
        let script = Script { options: NO_PREVIEW, early: "", late: answer };
        let (scan, sent) = scanned(script, octets.as_bytes()).await;
        assert_eq!(sent, octets.as_bytes());
        match (&scan, &expected) {
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            _ => assert_eq!(scan, expected, "{answer}"),
        }
    }
}

#[tokio::test]
async fn a_preview_may_be_enough() {
    let large = vec![b'x'; 200_000];
    let script = Script { options: WITH_PREVIEW, early: UNCHANGED, late: "" };
    let (scan, sent) = scanned(script, &large).await;
    assert_eq!((scan, sent.len()), (Ok(Scan::Clean), 16));
    let script = Script { options: WITH_PREVIEW, early: GO_ON, late: PAGE };
    let (scan, sent) = scanned(script, &large).await;
    assert!(matches!(scan, Ok(Scan::Infected(_))), "{scan:?}");
    assert_eq!(sent, large);
    // What fits into the preview is said to be all.
    let script = Script { options: WITH_PREVIEW, early: UNCHANGED, late: "" };
    assert_eq!(scanned(script, b"short").await, (Ok(Scan::Clean), b"short".to_vec()));
    assert_eq!(scanned(script, b"").await, (Ok(Scan::Clean), Vec::new()));
}

#[tokio::test]
async fn a_server_without_options_is_sent_no_preview() {
    let script = Script { options: "ICAP/1.0 405 no\r\n\r\n", early: "", late: UNCHANGED };
    let large = vec![b'x'; 200_000];
    let (scan, sent) = scanned(script, &large).await;
    assert_eq!((scan, sent), (Ok(Scan::Clean), large));
}

#[tokio::test]
async fn heads_are_bounded() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.write_all(b"ICAP/1.0 200 OK\r\n").await;
                while stream.write_all(b"X-More: and more\r\n").await.is_ok() {}
            });
        }
    });
    let icap = Icap::new(&IcapUrl { text: format!("icap://{authority}/"), authority });
    let octets = Bytes::from_static(b"x");
    let scanning = icap.scan(&octets);
    let scan = tokio::time::timeout(Duration::from_secs(20), scanning).await.unwrap();
    assert!(scan.is_err());
}
