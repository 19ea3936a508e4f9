//! `postern update`: a new version of the box from one signed file.
//!
//! In: a bundle. Out: it is installed beside what runs and tried at the next start; `bless`
//! keeps it when mail goes through, and otherwise fails, after which the box restarts and, when
//! the tries are used up, the boot loader goes back to the version before.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::control::Control;
use super::exit::{Exit, Trouble};
use super::render;
use crate::admin::api::Status;
use crate::config::{Config, Listen, ListenTls};
use crate::mail::Role;
use crate::update::{Downgrade, Places, UpdateError};

/// `postern update`.
#[derive(Debug, Args)]
pub struct UpdateOrder {
    /// What to do
    #[command(subcommand)]
    pub act: UpdateAct,
}

/// What can be done about versions of the box.
#[derive(Debug, Subcommand)]
pub enum UpdateAct {
    /// Verify an update and install it beside what runs; the next start tries it
    Apply {
        /// The file of the update
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Take a version that is not newer; the owner's decision
        #[arg(long)]
        owner_override: bool,
    },
    /// What runs, and what the boot loader may start
    Status {
        /// One JSON object a line instead of text
        #[arg(long)]
        json: bool,
    },
    /// Keep what runs, when mail goes through
    Bless {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// How long to wait for mail to go through
        #[arg(long, default_value_t = 300, value_name = "SECONDS")]
        patience_s: u64,
    },
}

impl From<UpdateError> for Trouble {
    fn from(error: UpdateError) -> Trouble {
        let told = error.to_string();
        match error {
            UpdateError::Io { .. } | UpdateError::ReadBack(_) => Trouble::Output(told),
            UpdateError::OnTrial | UpdateError::NoBox(_) => Trouble::Refused(told),
            _ => Trouble::Data(told),
        }
    }
}

pub(super) fn update(order: &UpdateOrder) -> Result<Exit, Trouble> {
    match &order.act {
        UpdateAct::Apply { file, owner_override } => {
            let downgrade = match owner_override {
                true => Downgrade::OwnerOverride,
                false => Downgrade::Refuse,
            };
            let applied = Places::of_this_box()?.apply(file, downgrade)?;
            say!(
                "version {} is in slot {}; restart the box to try it",
                applied.version,
                applied.slot.name()
            );
            Ok(Exit::Ok)
        }
        UpdateAct::Status { json } => status(*json),
        UpdateAct::Bless { config, patience_s } => {
            bless(&Config::load(config)?, Duration::from_secs(*patience_s))
        }
    }
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    slot: &'static str,
    running: bool,
    blessed: bool,
    tries_left: Option<u32>,
}

fn status(json: bool) -> Result<Exit, Trouble> {
    let places = Places::of_this_box()?;
    let running = places.running_entry()?;
    let rows: Vec<Row> = places
        .entries()?
        .into_iter()
        .map(|entry| Row {
            name: entry.name(),
            slot: entry.slot.name(),
            running: running.as_ref() == Some(&entry),
            blessed: entry.tries.is_none(),
            tries_left: entry.tries.map(|tries| tries.left),
        })
        .collect();
    if !json {
        say!("version {} runs from slot {}", places.version, places.running.name());
    }
    render::rows(&rows, json, |row| {
        let state = match row.tries_left {
            None => "blessed".to_owned(),
            Some(0) => "given up".to_owned(),
            Some(left) => format!("on trial, {left} starts left"),
        };
        let here = if row.running { ", running" } else { "" };
        format!("{} slot {}: {state}{here}", row.name, row.slot)
    })
}

fn bless(config: &Config, patience: Duration) -> Result<Exit, Trouble> {
    let places = Places::of_this_box()?;
    let missing = || Trouble::Refused("no entry of the running slot".into());
    if places.running_entry()?.ok_or_else(missing)?.tries.is_none() {
        say!("version {} was blessed before", places.version);
        return Ok(Exit::Ok);
    }
    let begun = Instant::now();
    loop {
        match self_test(config) {
            Ok(said) => {
                places.bless()?;
                say!("version {} is blessed: {said}", places.version);
                return Ok(Exit::Ok);
            }
            Err(why) if begun.elapsed() < patience => {
                tracing::debug!("{why}");
                std::thread::sleep(Duration::from_secs(1));
            }
            Err(why) => {
                return Err(Trouble::Refused(format!("mail does not go through: {why}")));
            }
        }
    }
}

/// The test file of virus scanners, in two halves so that no scanner takes this file for it.
const TEST_FILE: [&str; 2] =
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$", r"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"];

/// The box answers, and a message goes its whole way to a final reply. The message carries the
/// test file of virus scanners, so that it is not delivered to anybody where there is a scanner.
fn self_test(config: &Config) -> Result<String, String> {
    let status: Status = Control::at(config)
        .and_then(|control| control.one("/v1/status"))
        .map_err(|trouble| trouble.to_string())?;
    if status.full {
        return Err("the disk is full".into());
    }
    let is_plain = |listen: &&Listen| {
        listen.role == Role::Inbound
            && listen.tls != ListenTls::Implicit
            && listen.proxy_networks.is_empty()
    };
    match config.listen.iter().find(is_plain) {
        None => Ok("the box answers; it has no plain inbound listener to bring mail to".into()),
        Some(listen) => converse(own_address(listen.address), config),
    }
}

fn own_address(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}

fn converse(address: SocketAddr, config: &Config) -> Result<String, String> {
    let wait = Duration::from_secs(120);
    let told = |error: std::io::Error| format!("{address}: {error}");
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(10)).map_err(told)?;
    stream.set_read_timeout(Some(wait)).map_err(told)?;
    stream.set_write_timeout(Some(wait)).map_err(told)?;
    let mut out = stream.try_clone().map_err(told)?;
    let mut replies = BufReader::new(stream.take(REPLY_OCTETS));
    let host = config.system.hostname.as_str();
    let postmaster = &config.system.postmaster;
    let message = format!(
        "From: <{postmaster}>\r\nTo: <{postmaster}>\r\nSubject: Self-test of {host}\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n{}\r\n.\r\n",
        TEST_FILE.concat()
    );
    let steps = [
        (String::new(), "220"),
        (format!("EHLO {host}\r\n"), "250"),
        ("MAIL FROM:<>\r\n".to_owned(), "250"),
        ("RCPT TO:<Postmaster>\r\n".to_owned(), "250"),
        ("DATA\r\n".to_owned(), "354"),
    ];
    for (command, wanted) in steps {
        out.write_all(command.as_bytes()).map_err(told)?;
        let reply = reply(&mut replies)?;
        if !reply.starts_with(wanted) {
            return Err(format!("{:?} was answered with {reply:?}", command.trim_end()));
        }
    }
    out.write_all(message.as_bytes()).map_err(told)?;
    let reply = reply(&mut replies)?;
    // The session is over either way.
    let _ = out.write_all(b"QUIT\r\n");
    match reply.as_bytes().first() {
        Some(b'2' | b'5') => Ok(format!("a self-test message was answered with {reply:?}")),
        _ => Err(format!("the self-test message was answered with {reply:?}")),
    }
}

const REPLY_OCTETS: u64 = 64 << 10;

/// The last line of a reply.
fn reply(replies: &mut impl BufRead) -> Result<String, String> {
    loop {
        let mut line = Vec::new();
        replies.read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        match line.as_bytes().get(3) {
            Some(b'-') => {}
            Some(b' ') => return Ok(render::harmless(&line)),
            _ => return Err("the box closed the connection".into()),
        }
    }
}
