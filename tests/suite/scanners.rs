//! Several clamd, lists of digests, a second engine, mail that is held for newer signatures,
//! and what was delivered before it was known. The clamd are real; what they know, the test
//! writes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;

use super::harness::clamd::{Clamd, eicar};
use super::harness::client::{self, Reply};
use super::harness::postern::{Postern, field};
use super::harness::{Setup, Sink, folder, text, wait_within};

fn with_file(message_id: &str, name: &str, octets: &[u8]) -> Vec<u8> {
    let encoded = base64::engine::general_purpose::STANDARD.encode(octets);
    let lines: Vec<String> =
        encoded.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into()).collect();
    format!(
        "From: <a@sender.test>\r\nTo: <b@example.test>\r\nMessage-ID: <{message_id}>\r\n\
         Date: Mon, 16 Nov 2026 10:00:00 +0000\r\nSubject: the file\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\n\
         Content-Type: text/plain\r\n\r\nas promised\r\n--b\r\n\
         Content-Type: application/octet-stream; name=\"{name}\"\r\n\
         Content-Disposition: attachment; filename=\"{name}\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--\r\n",
        lines.join("\r\n")
    )
    .into_bytes()
}

fn send(postern: &Postern, message: &[u8]) -> Reply {
    client::send(postern.inbound(), "a@sender.test", &["b@example.test"], message)
}

/// A frame of two blocks that are not packed (RFC 8878 section 3.1.1): no pattern is whole
/// in it.
fn zstd(octets: &[u8]) -> Vec<u8> {
    let size = |octets: &[u8]| u32::try_from(octets.len()).unwrap();
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    frame.extend_from_slice(&size(octets).to_le_bytes());
    let (first, last) = octets.split_at(octets.len() / 2);
    for (block, is_last) in [(first, 0), (last, 1)] {
        frame.extend_from_slice(&(size(block) << 3 | is_last).to_le_bytes()[..3]);
        frame.extend_from_slice(block);
    }
    frame
}

fn zip(name: &str, octets: &[u8]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(octets).unwrap();
    writer.finish().unwrap().into_inner()
}

fn signature(name: &str, words: &str) -> String {
    let hex: String = words.bytes().map(|octet| format!("{octet:02x}")).collect();
    format!("{name}:0:*:{hex}\n")
}

/// Lets clamd know a word more.
fn teach(clamd: &mut Clamd, name: &str, words: &str) {
    clamd.kill();
    let file = clamd.dir().join("db").join(format!("{name}.ndb"));
    std::fs::write(file, signature(name, words)).unwrap();
    let _ = std::fs::remove_file(clamd.socket());
    clamd.start_again();
}

#[test]
fn a_virus_that_clamd_cannot_reach_is_found_by_its_path() {
    let Some(clamd) = Clamd::start() else { return };
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).set("antivirus", clamd.address()).start();
    let packed = zip("docs/eicar.txt.zst", &zstd(eicar().as_bytes()));
    let reply = send(&postern, &with_file("zst@sender.test", "invoice.zip", &packed));
    assert_eq!(reply.code / 100, 5, "{reply}");
    let story = postern.tell(&["track", "--message-id", "zst@sender.test"]);
    assert!(story.contains("invoice.zip/docs/eicar.txt.zst/"), "{story}");
    assert!(story.contains("signature Postern.Test.Eicar"), "{story}");
    sink.stays_at(0);
}

/// A message whose second part is a file of text, as one of several writers has it.
fn odd(message_id: &str, types: (&str, &str), fields: &str, body: &str) -> Vec<u8> {
    let (whole, close) = types;
    format!(
        "From: <a@sender.test>\r\nTo: <b@example.test>\r\nMessage-ID: <{message_id}>\r\n\
         Date: Mon, 16 Nov 2026 10:00:00 +0000\r\nSubject: the file\r\nMIME-Version: 1.0\r\n\
         Content-Type: {whole}; boundary=b\r\n\r\n--b{close}\r\nContent-Type: text/plain\r\n\r\n\
         as promised\r\n--b{close}\r\n{fields}\r\n\r\n{body}\r\n--b--\r\n"
    )
    .into_bytes()
}

/// clamd does not see these files in the message; whether it does later does not matter.
#[test]
fn what_clamd_reads_otherwise_is_scanned_as_it_is_read_here() {
    let Some(clamd) = Clamd::start() else { return };
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).set("antivirus", clamd.address()).start();
    let encoded = base64::engine::general_purpose::STANDARD.encode(eicar());
    let packed: String = eicar().bytes().map(|octet| format!("={octet:02X}= \r\n")).collect();
    let named = "Content-Type: text/plain; name=\"a.txt\"\r\nContent-Transfer-Encoding: ";
    let base64 = format!("{named}base64");
    let carried = format!(
        "From: <c@sender.test>\r\nSubject: x\r\nDate: Mon, 16 Nov 2026 10:00:00 +0000\r\n\
         MIME-Version: 1.0\r\n{base64}\r\n\r\n{encoded}\r\n"
    );
    let carried = base64::engine::general_purpose::STANDARD.encode(carried);
    let table = [
        ("signed", odd("signed@sender.test", ("multipart/signed", ""), &base64, &encoded)),
        ("blank", odd("blank@sender.test", ("multipart/mixed", " "), &base64, &encoded)),
        (
            "softly",
            odd(
                "softly@sender.test",
                ("multipart/mixed", ""),
                &format!("{named}quoted-printable"),
                &packed,
            ),
        ),
        (
            "carried",
            odd(
                "carried@sender.test",
                ("multipart/mixed", ""),
                "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64",
                &carried,
            ),
        ),
    ];
    for (name, message) in table {
        let reply = send(&postern, &message);
        assert_eq!(reply.code / 100, 5, "{name}: {reply}");
        let story = postern.tell(&["track", "--message-id", &format!("{name}@sender.test")]);
        assert!(story.contains("a.txt: signature Postern.Test.Eicar"), "{name}: {story}");
    }
    let honest = with_file("honest@sender.test", "a.txt", b"nothing to see here\r\n");
    assert_eq!(send(&postern, &honest).code, 250);
    sink.stays_at(1);
}

#[test]
fn of_two_clamd_one_may_die() {
    let (Some(mut one), Some(mut two)) = (Clamd::start(), Clamd::start()) else { return };
    let sink = Sink::start();
    let both = [one.socket(), two.socket()].map(|path| format!("\"unix:{}\"", path.display()));
    let postern = Setup::new()
        .next_hop(sink.hop())
        .set("antivirus", format!("clamd = [{}]", both.join(", ")))
        .set("antivirus", "check_every_s = 1")
        .start();
    for round in 0..3 {
        let clean = text::message("clean", &format!("clean{round}@sender.test"));
        assert_eq!(send(&postern, &clean).code, 250, "{round}");
        let virus = with_file("virus@sender.test", "a.bin", eicar().as_bytes());
        assert_eq!(send(&postern, &virus).code / 100, 5, "{round}");
        match round {
            0 => one.kill(),
            1 => {
                let _ = std::fs::remove_file(one.socket());
                one.start_again();
                two.kill();
            }
            _ => {}
        }
    }
    let down = |clamd: &Clamd| {
        let rows = postern.ask(&["antivirus", "status"]);
        let rows = rows[0]["clamds"].as_array().unwrap().clone();
        let address = format!("unix:{}", clamd.socket().display());
        rows.iter().any(|row| row["address"] == address.as_str() && row["answers"] == false)
    };
    wait_within(Duration::from_secs(20), "the status", || {
        (down(&two) && !down(&one)).then_some(())
    });
    one.kill();
    let clean = text::message("clean", "late@sender.test");
    assert_eq!(send(&postern, &clean).code, 451);
    sink.stays_at(3);
}

#[test]
fn listed_digests_need_no_engine() {
    let sink = Sink::start();
    let dir = folder();
    let list = dir.path().join("digests");
    let sum = |octets: &[u8]| {
        let sum = ring::digest::digest(&ring::digest::SHA256, octets);
        sum.as_ref().iter().map(|octet| format!("{octet:02x}")).collect::<String>()
    };
    std::fs::write(&list, format!("{} Known.Bad # from a partner\n", sum(b"first"))).unwrap();
    let setup = Setup::new()
        .next_hop(sink.hop())
        .set("antivirus", format!("digests = [\"{}\"]", list.display()))
        .set("antivirus", "check_every_s = 1");
    let postern = setup.start();
    let reply = send(&postern, &with_file("first@sender.test", "a.bin", b"first"));
    assert_eq!(reply.code / 100, 5, "{reply}");
    let story = postern.tell(&["track", "--message-id", "first@sender.test"]);
    assert!(story.contains("DIGEST_BLOCKED") && story.contains("a.bin: Known.Bad"), "{story}");
    // What is listed only after it was delivered is reported.
    let second = with_file("second@sender.test", "b.bin", b"second");
    assert_eq!(send(&postern, &second).code, 250);
    sink.wait(1);
    std::fs::write(&list, format!("{} Known.Bad\n{} Later.Bad\n", sum(b"first"), sum(b"second")))
        .unwrap();
    let found = wait_within(Duration::from_secs(30), "a report", || {
        postern.ask(&["antivirus", "report"]).into_iter().next()
    });
    assert_eq!(field(&found, "path"), "b.bin");
    assert_eq!(field(&found, "what"), "digest list Later.Bad");
    assert_eq!(found["forward_paths"][0], "b@example.test");
    assert_eq!(send(&postern, &second).code / 100, 5);
    let story = postern.tell(&["track", "--message-id", "second@sender.test"]);
    assert!(story.contains("delivered before it was known: b.bin"), "{story}");
    // The postmaster is told.
    let mails = sink.wait(2);
    let notice = String::from_utf8_lossy(&mails[1].content).into_owned();
    assert!(notice.contains("Subject: Malware was delivered before it was known"), "{notice}");
    std::fs::write(&list, "nonsense\n").unwrap();
    let checked = postern.cli(&["check"]);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(!checked.status.success(), "{said}");
    assert!(said.contains(&format!("{}:1: ", list.display())), "{said}");
}

#[test]
fn a_program_may_be_the_engine() {
    let sink = Sink::start();
    let postern = Setup::new()
        .next_hop(sink.hop())
        .raw(
            "[antivirus.second]\nkind = \"command\"\nprogram = \"/bin/sh\"\n\
             arguments = [\"-c\", \"grep -q EICAR && echo Found.By.Grep && exit 1; exit 0\"]\n",
        )
        .start();
    let reply = send(&postern, &with_file("grep@sender.test", "a.txt", eicar().as_bytes()));
    let story = postern.tell(&["track", "--message-id", "grep@sender.test"]);
    // The message as a whole is encoded; the program sees the file only when it is unpacked.
    println!("{reply}: {story}");
    let plain = format!("Subject: x\r\nMessage-ID: <plain@sender.test>\r\n\r\n{}\r\n", eicar());
    let reply = send(&postern, plain.as_bytes());
    assert_eq!(reply.code / 100, 5, "{reply}");
    let story = postern.tell(&["track", "--message-id", "plain@sender.test"]);
    assert!(story.contains("signature Found.By.Grep"), "{story}");
    assert_eq!(send(&postern, &text::message("clean", "clean@sender.test")).code, 250);
    sink.wait(1);
}

#[test]
fn an_icap_server_may_be_the_engine() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut octets = Vec::new();
                let mut step = [0; 4_096];
                while !octets.ends_with(b"0\r\n\r\n") && !octets.starts_with(b"OPTIONS") {
                    match stream.read(&mut step) {
                        Ok(0) | Err(_) => return,
                        Ok(count) => octets.extend_from_slice(&step[..count]),
                    }
                }
                let found = memchr::memmem::find(&octets, b"EICAR").is_some();
                let answer: &[u8] = match (octets.starts_with(b"OPTIONS"), found) {
                    (true, _) => b"ICAP/1.0 200 OK\r\nISTag: \"1\"\r\n\r\n",
                    (_, true) => {
                        b"ICAP/1.0 200 OK\r\nX-Infection-Found: Type=0; Threat=By.Icap;\r\n\r\n"
                    }
                    (_, false) => b"ICAP/1.0 204 No Content\r\n\r\n",
                };
                let _ = stream.write_all(answer);
            });
        }
    });
    let sink = Sink::start();
    let postern = Setup::new()
        .next_hop(sink.hop())
        .raw(&format!(
            "[antivirus.second]\nkind = \"icap\"\nurl = \"icap://127.0.0.1:{port}/scan\"\n"
        ))
        .start();
    let plain = format!("Subject: x\r\nMessage-ID: <icap@sender.test>\r\n\r\n{}\r\n", eicar());
    assert_eq!(send(&postern, plain.as_bytes()).code / 100, 5);
    let story = postern.tell(&["track", "--message-id", "icap@sender.test"]);
    assert!(story.contains("signature By.Icap"), "{story}");
    assert_eq!(send(&postern, &text::message("clean", "clean@sender.test")).code, 250);
    sink.wait(1);
}

#[test]
fn a_strangers_program_waits_and_is_scanned_with_newer_signatures() {
    let Some(mut clamd) = Clamd::start() else { return };
    let sink = Sink::start();
    let mut postern = Setup::new()
        .next_hop(sink.hop())
        .set("attachments", "shipped_rules = false")
        .set("antivirus", clamd.address())
        .set("limits", "exempt = []")
        .raw("[antivirus.outbreak]\nhold_minutes = 1\n")
        .start();
    // e_type 2, e_machine 62, e_version 1.
    let head = format!("\x7fELF\x02\x01\x01{}\x02\0\x3e\0\x01{}", "\0".repeat(9), "\0".repeat(43));
    let program = |word: &str| format!("{head}{word}");
    for word in ["harmless", "harmful", "urgent"] {
        let file = program(word);
        let mail = with_file(&format!("{word}@sender.test"), "tool.elf", file.as_bytes());
        let reply = send(&postern, &mail);
        assert_eq!(reply.code, 250, "{word}: {reply}");
    }
    assert_eq!(send(&postern, &text::message("plain", "plain@sender.test")).code, 250);
    sink.wait(1);
    let queue = postern.queue();
    assert_eq!(queue.len(), 3, "{queue:?}");
    for row in &queue {
        assert_eq!(field(row, "state"), "hold");
        let reason = field(row, "reason");
        assert!(reason.contains("outbreak hold") && reason.contains("tool.elf"), "{reason}");
    }
    let urgent = queue.iter().find(|row| field(row, "message_id").starts_with("urgent")).unwrap();
    postern.tell(&["queue", "release", &field(urgent, "mail_id")]);
    sink.wait(2);
    postern.kill();
    teach(&mut clamd, "Later", "harmful");
    postern.start_again();
    assert_eq!(postern.queue().len(), 2, "they wait over a restart");
    wait_within(Duration::from_secs(120), "the end of the hold", || {
        postern.queue().is_empty().then_some(())
    });
    let mails = sink.wait(3);
    let last = String::from_utf8_lossy(&mails[2].content).into_owned();
    assert!(last.contains("harmless@sender.test"), "{last}");
    let held = postern.ask(&["quarantine", "list"]);
    assert_eq!(held.len(), 1, "{held:?}");
    assert_eq!(field(&held[0], "message_id"), "harmful@sender.test");
    sink.stays_at(3);
}

/// A clamd whose signatures have the number that the test gives them: it stands before a real
/// one, whose own only change their number with a signed database.
fn numbered(real: PathBuf, path: &Path) -> Arc<Mutex<String>> {
    let version = Arc::new(Mutex::new(String::new()));
    let listener = UnixListener::bind(path).unwrap();
    let shared = Arc::clone(&version);
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let (real, version) = (real.clone(), Arc::clone(&shared));
            std::thread::spawn(move || {
                let mut first = [0; 10];
                if client.read_exact(&mut first[..9]).is_err() {
                    return;
                }
                if &first[..9] == b"zVERSION\0" {
                    let answer = format!("{}\0", version.lock().unwrap());
                    let _ = client.write_all(answer.as_bytes());
                    return;
                }
                let Ok(mut server) = UnixStream::connect(real) else { return };
                let _ = server.write_all(&first[..9]);
                let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
                let _ = std::io::copy(&mut server, &mut client);
                let _ = client.shutdown(Shutdown::Both);
            });
        }
    });
    version
}

#[test]
fn what_was_delivered_is_scanned_again_when_signatures_change() {
    let Some(mut clamd) = Clamd::start() else { return };
    let dir = folder();
    let socket = dir.path().join("numbered.sock");
    let version = numbered(clamd.socket(), &socket);
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let dated = |number: u32, hours: i64| {
        let at = now.checked_sub(jiff::SignedDuration::from_hours(hours)).unwrap();
        format!("ClamAV 1.4.1/{number}/{}", at.strftime("%a %b %e %H:%M:%S %Y"))
    };
    *version.lock().unwrap() = dated(1, 1);
    let sink = Sink::start();
    let postern = Setup::new()
        .next_hop(sink.hop())
        .set("attachments", "shipped_rules = false")
        .set("antivirus", format!("clamd = \"unix:{}\"", socket.display()))
        .set("antivirus", "check_every_s = 1")
        .start();
    let first = with_file("known-later@sender.test", "tool.bin", b"#!/bin/sh\necho a new one\n");
    assert_eq!(send(&postern, &first).code, 250);
    sink.wait(1);
    wait_within(Duration::from_secs(20), "the first look", || {
        let status = postern.ask(&["antivirus", "status"]);
        (status[0]["kept_octets"].as_u64()? > 0 && !field(&status[0], "version").is_empty())
            .then_some(())
    });
    // The verdict is remembered as long as the version is the same.
    teach(&mut clamd, "New.One", "a new one");
    let again = with_file("same-version@sender.test", "tool.bin", b"#!/bin/sh\necho a new one\n");
    println!("another message with the same file: {}", send(&postern, &again));
    *version.lock().unwrap() = dated(2, 1);
    let found = wait_within(Duration::from_secs(60), "a report", || {
        let found = postern.ask(&["antivirus", "report"]);
        found.into_iter().find(|row| field(row, "path") == "tool.bin")
    });
    assert!(field(&found, "what").starts_with("signature New.One"), "{found}");
    assert_eq!(field(&found, "subject"), "the file");
    assert_eq!(send(&postern, &first).code / 100, 5, "the cache knows the new version");
    let is_notice = |content: &[u8], subject: &str| {
        text::header(content, "Subject").is_some_and(|said| said == subject)
    };
    let told = |subject: &str| {
        wait_within(Duration::from_secs(30), subject, || {
            sink.mails().iter().any(|mail| is_notice(&mail.content, subject)).then_some(())
        });
    };
    told("Malware was delivered before it was known");
    // Signatures that nobody renews are an alarm, once, and its end is told.
    *version.lock().unwrap() = dated(2, 72);
    told("Virus signatures are stale");
    assert_eq!(postern.ask(&["antivirus", "status"])[0]["stale"], true);
    *version.lock().unwrap() = dated(3, 1);
    told("Virus signatures are fresh again");
}
