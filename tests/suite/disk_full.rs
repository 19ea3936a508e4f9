//! A full disk: new mail is refused with 452 before anything is lost, and what is there is
//! still delivered.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::harness::{Client, Setup, Sink, is_root, random::Random, skip, text, wait_for};

/// A small file system of its own; unmounted on drop.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(megabytes: u32) -> Option<SmallDisk> {
        if !is_root() {
            skip("mounting a small file system needs root");
            return None;
        }
        let dir = super::harness::folder();
        let size = format!("size={megabytes}m");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path());
        match command.output() {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                skip(&format!("a small file system cannot be mounted: {said}"));
                return None;
            }
            Err(error) => {
                skip(&format!("mount: {error}"));
                return None;
            }
        }
        Some(SmallDisk(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

fn try_send(address: SocketAddr, message: &[u8]) -> u16 {
    Client::greeted(address)
        .try_send("a@sender.test", &["b@example.test"], message)
        .map_or(0, |reply| reply.code)
}

fn fill(reserve_octets: u32) {
    let Some(disk) = SmallDisk::mount(40) else { return };
    let port = super::harness::free_port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut postern = Setup::new()
        .next_hop(format!("smtp://{address}"))
        .data_dir(&disk.path().join("data"))
        .set("spool", "segment_octets = 2097152")
        .set("spool", format!("reserve_octets = {reserve_octets}"))
        .start();
    let mut random = Random::new(452);
    let mut accepted = Vec::new();
    let mut refused = 0;
    for number in 0..200 {
        let id = format!("full{number}");
        match try_send(postern.inbound(), &text::proven(&id, &mut random, 500_000)) {
            250 => {
                assert_eq!(refused, 0, "no way back before space is free");
                accepted.push(id);
            }
            452 => refused += 1,
            other => panic!("{id}: {other}"),
        }
        if refused == 5 {
            break;
        }
    }
    assert!(refused == 5 && accepted.len() > 10, "{} taken, {refused} refused", accepted.len());
    // Even a restart on the full disk finds everything.
    postern.kill();
    postern.start_again();
    assert_eq!(postern.queue().len(), accepted.len());
    let sink = Sink::options().address(address).start();
    sink.wait(accepted.len());
    postern.wait_until_empty();
    for mail in sink.mails() {
        let id = text::check_proven(&mail.content).unwrap();
        assert!(accepted.contains(&id), "{id} was refused and delivered all the same");
    }
    // Space comes back with the segments that hold nothing alive any more.
    let sent = text::proven("after", &mut random, 100_000);
    wait_for("mail to be taken again", || {
        (try_send(postern.inbound(), &sent) == 250).then_some(())
    });
}

#[test]
fn below_the_reserve_new_mail_is_refused() {
    fill(8 << 20);
}

#[test]
fn a_disk_that_is_full_to_the_last_octet_loses_nothing() {
    fill(0);
}
