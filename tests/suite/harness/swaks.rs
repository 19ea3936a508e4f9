//! swaks, the administrators' SMTP client.

use std::net::SocketAddr;
use std::process::Command;

/// Runs swaks against a server; returns whether it succeeded, and its transcript. `None`
/// where swaks is not installed.
pub fn swaks(server: SocketAddr, arguments: &[&str]) -> Option<(bool, String)> {
    let Some(program) = super::program("swaks") else {
        super::skip("swaks is not installed");
        return None;
    };
    let output = Command::new(program)
        .arg("--server")
        .arg(server.ip().to_string())
        .arg("--port")
        .arg(server.port().to_string())
        .args(["--helo", "client.test", "--timeout", "30"])
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    Some((output.status.success(), said))
}
