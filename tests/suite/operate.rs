//! Start, check, reload, drain: what the process owes its supervisor.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::harness::{Client, Setup, Sink, client, text, wait_for};

#[test]
fn a_wrong_configuration_is_named_with_its_place_and_exit_78() {
    let setup = Setup::new().raw("[limts]\nerrors = 3\n");
    setup.write();
    let line = setup.text().lines().position(|line| line == "[limts]").unwrap() + 1;
    for verb in ["run", "check"] {
        let output = setup.cli(&[verb]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{verb}: {said}");
        assert!(said.contains(&format!(":{line}:2:")), "{verb}: {said}");
        assert!(said.contains("did you mean `limits`?"), "{verb}: {said}");
    }
    let good = Setup::new();
    good.write();
    let output = good.cli(&["check"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
}

#[test]
fn a_missing_file_and_a_wrong_command_line_have_their_exit_codes() {
    let table: [(&[&str], &[i32]); 3] = [
        (&["run", "--config", "/nonexistent/postern.toml"], &[66, 78]),
        (&["fly"], &[64]),
        (&["run", "--confg", "x"], &[64]),
    ];
    for (arguments, codes) in table {
        let output = super::harness::postern::program().args(arguments).output().unwrap();
        let code = output.status.code().unwrap();
        assert!(codes.contains(&code), "{arguments:?}: {code}");
    }
}

#[test]
fn an_occupied_port_is_one_clear_line() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    let other = Setup::new()
        .without_listeners()
        .raw(&format!("[[listen]]\nrole = \"inbound\"\naddress = \"{}\"\n", postern.inbound()));
    other.write();
    let output = other.cli(&["run"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains(&postern.inbound().to_string()), "{said}");
}

#[test]
fn two_processes_never_share_a_data_folder() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    let other = Setup::new().data_dir(&postern.setup().dir().join("data"));
    other.write();
    let begun = Instant::now();
    let output = other.cli(&["run"]);
    assert!(!output.status.success(), "the second one must not start");
    assert!(begun.elapsed() < Duration::from_secs(30));
    let sent = text::message("still here", "lock@sender.test");
    let reply = client::send(postern.inbound(), "a@sender.test", &["b@example.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
    sink.wait(1);
}

#[test]
fn a_reload_takes_what_is_new_and_keeps_the_old_when_it_is_wrong() {
    let first = Sink::start();
    let second = Sink::start();
    let mut postern = Setup::new().next_hop(first.hop()).start();
    let send = |number: usize| {
        let sent = text::message("reload", &format!("reload-{number}@sender.test"));
        client::send(postern.inbound(), "a@sender.test", &["b@example.test"], &sent).code
    };
    assert_eq!(send(1), 250);
    first.wait(1);
    let file = postern.setup().file();
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{good}\n[limts]\n")).unwrap();
    postern.signal(Signal::SIGHUP);
    wait_for("a word on the wrong file", || postern.log().contains("limts").then_some(()));
    assert_eq!(send(2), 250);
    first.wait(2);
    let moved = good.replace(&first.hop(), &second.hop());
    std::fs::write(&file, moved).unwrap();
    let mut open = Client::greeted(postern.inbound());
    postern.signal(Signal::SIGHUP);
    wait_for("the new next hop", || {
        assert_eq!(send(3), 250);
        (second.count() > 0).then_some(())
    });
    assert_eq!(open.say("NOOP").code, 250, "open sessions go on");
    assert!(postern.is_running());
}

#[test]
fn sigterm_lets_open_sessions_finish_and_loses_nothing() {
    let sink = Sink::start();
    let mut postern = Setup::new().next_hop(sink.hop()).start();
    let sent = text::message("draining", "drain@sender.test");
    let mut half = Client::greeted(postern.inbound());
    half.say("MAIL FROM:<a@sender.test>");
    half.say("RCPT TO:<b@example.test>");
    assert_eq!(half.say("DATA").code, 354);
    let wire = text::on_the_wire(&sent);
    half.write(&wire[..100]).unwrap();
    postern.signal(Signal::SIGTERM);
    std::thread::sleep(Duration::from_millis(500));
    let late = Client::connect(postern.inbound()).and_then(|mut late| late.reply());
    if let Ok(reply) = late {
        assert_eq!(reply.code, 421, "{reply}");
    }
    half.write(&wire[100..]).unwrap();
    let reply = half.reply().unwrap();
    assert_eq!(reply.code, 250, "{reply}");
    let _ = half.try_say("QUIT");
    assert!(postern.terminate().success());
    if sink.count() == 0 {
        postern.start_again();
    }
    sink.wait(1);
    sink.stays_at(1);
}

#[test]
fn sigterm_does_not_wait_for_ever() {
    let sink = Sink::start();
    let setup = Setup::new().next_hop(sink.hop());
    let mut postern = setup.set("limits", "drain_timeout_s = 2").start();
    let _idle = Client::greeted(postern.inbound());
    let begun = Instant::now();
    assert!(postern.terminate().success());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn every_transition_is_an_event_with_the_mail_id() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    let sent = text::message("events", "events@sender.test");
    let reply = client::send(postern.inbound(), "a@sender.test", &["b@example.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
    sink.wait(1);
    postern.wait_until_empty();
    let story = postern.ask(&["track", "--message-id", "events@sender.test"]);
    let id = super::harness::postern::field(&story[0], "mail_id");
    wait_for("the events", || {
        let log = postern.log();
        let lines = log.lines().filter(|line| line.contains(&id)).count();
        // Received, judged, committed, delivered at the least.
        (lines >= 4).then_some(())
    });
    assert!(reply.lines[0].contains(&id), "the client can name it: {reply}");
}

#[test]
fn the_shipped_rules_pass_their_own_examples() {
    let output = super::harness::postern::program().args(["rules", "test"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// `postern check … | head -1`: who has read enough closes the pipe.
#[test]
fn a_closed_pipe_ends_a_command_quietly() {
    let setup = Setup::new();
    setup.write();
    let config = setup.file();
    let config = config.to_str().unwrap();
    for arguments in [&["check", "--config", config][..], &["rules", "test"], &["rules", "list"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = super::harness::postern::program();
        let child = command.args(arguments).stdout(writer).stderr(std::process::Stdio::piped());
        let output = child.spawn().unwrap().wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.is_empty(), "{arguments:?}: {said}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
}
