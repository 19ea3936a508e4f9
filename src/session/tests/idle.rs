//! What a connection costs that only waits.

use std::net::TcpStream as Client;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::*;

fn resident_octets() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

#[test]
fn the_state_of_a_session_is_small() {
    let stage = Stage::inbound();
    let (_ours, theirs) = tokio::io::duplex(1);
    let drain = stage.drain.subscribe();
    let session = attend(
        theirs,
        [192, 0, 2, 1].into(),
        Arc::clone(&stage.settings),
        Arc::clone(&stage.house),
        drain,
    );
    let octets = size_of_val(&session);
    println!("a session's future has {octets} octets");
    assert!(octets < 4_096, "{octets}");
}

/// Plain sessions that greeted, sent a mail and wait: the issue allows 30 KB each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_sessions_are_cheap() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let wanted = 6_000.min(hard);
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).unwrap();
    }
    let count = (wanted.saturating_sub(500) / 2).min(2_500);
    let stage = Stage::inbound();
    let (address, _serving) = stage.listen().await;
    let clients = tokio::task::spawn_blocking(move || {
        let open = || {
            use std::io::{Read, Write};
            let mut client = Client::connect(address).unwrap();
            client.write_all(format!("{HELLO}{MAIL}{RCPT}{TEXT}").as_bytes()).unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(b"accepted\r\n") {
                let mut buffer = [0u8; 1_024];
                let octets = client.read(&mut buffer).unwrap();
                assert!(octets > 0);
                seen.extend_from_slice(&buffer[..octets]);
            }
            client
        };
        // The first ones pay for what all share.
        let mut clients: Vec<Client> = (0..200).map(|_| open()).collect();
        let before = resident_octets();
        clients.extend((0..count).map(|_| open()));
        let after = resident_octets();
        let each = after.saturating_sub(before) / count;
        println!("{count} idle sessions, {each} octets each");
        assert!(each < 12_000, "{each} octets a session");
        clients
    });
    drop(clients.await.unwrap());
}
