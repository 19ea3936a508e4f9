//! What ten thousand connections cost that say nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::harness::Setup;
use super::meter;

/// Opens them, greets on each, and prints what the server's memory grew by.
pub fn measure(count: usize) {
    let postern = Setup::new().next_hop("smtp://127.0.0.1:9").start();
    let before = meter::resident_octets(postern.pid());
    let mut open = Vec::with_capacity(count);
    for number in 0..count {
        match greeted(postern.inbound()) {
            Ok(stream) => open.push(stream),
            Err(error) => panic!("connection {number} of {count}: {error}"),
        }
    }
    std::thread::sleep(Duration::from_secs(1));
    let grown = meter::resident_octets(postern.pid()).saturating_sub(before);
    println!(
        "{count} idle connections: {:.1} MB more, {:.1} KB each",
        grown as f64 / 1e6,
        grown as f64 / 1e3 / count as f64
    );
    drop(open);
}

fn greeted(address: std::net::SocketAddr) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut buffer = [0u8; 2_048];
    let banner = stream.read(&mut buffer)?;
    if !buffer[..banner].starts_with(b"220") {
        return Err(std::io::Error::other("no greeting"));
    }
    stream.write_all(b"EHLO idle.test\r\n")?;
    let mut reply = 0;
    while !buffer[..reply].ends_with(b"\r\n") {
        match stream.read(&mut buffer[reply..])? {
            0 => return Err(std::io::Error::other("closed")),
            octets => reply += octets,
        }
    }
    Ok(stream)
}
