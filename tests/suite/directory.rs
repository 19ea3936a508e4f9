//! Recipients, aliases and log-ins from a real directory (slapd), and from next hops that are
//! asked; what happens when either is down, slow or lies.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::harness::postern::field;
use super::harness::slapd::{self, BASE, READER, Shows};
use super::harness::{Act, Client, Moment, Postern, Setup, Sink, Slapd, client, text, wait_for};

/// The domain asks a directory; `lines` are for the directory's section.
fn setup(sink: &Sink, slapd: &Slapd, servers: &[String], lines: &str) -> Setup {
    let mut section = format!(
        "[[directory]]\nname = \"staff\"\nbase = \"{BASE}\"\nbind_dn = \"{READER}\"\n\
         bind_password_file = \"{}\"\nca = \"{}\"\ntimeout_s = 4\nconnect_timeout_s = 1\n\
         servers = {servers:?}\n",
        slapd.password_file().display(),
        slapd.ca().display()
    );
    let _ = write!(section, "{lines}");
    Setup::new()
        .next_hop(sink.hop())
        .smart_host(sink.hop())
        .recipients("recipients = \"ldap\"\nsubaddress = \"+\"")
        .raw(&section)
}

/// What RCPT for an address is answered.
fn rcpt(postern: &Postern, recipient: &str) -> String {
    let mut client = Client::greeted(postern.inbound());
    client.say("MAIL FROM:<a@sender.test>");
    client.say(&format!("RCPT TO:<{recipient}>")).to_string()
}

fn expect(postern: &Postern, table: &[(&str, &str)]) {
    for (recipient, expected) in table {
        let said = rcpt(postern, recipient);
        assert!(said.starts_with(expected), "{recipient}: {said}");
    }
}

#[test]
fn recipients_come_from_the_directory() {
    let Some(slapd) = Slapd::start(&slapd::office()) else { return };
    let sink = Sink::start();
    let lines = "alias_filter = \"(&(objectClass=nisMailAlias)(cn={local}))\"\nsync_minutes = 0\n";
    let both = [slapd.ldaps(), slapd.url()];
    let postern = setup(&sink, &slapd, &both, lines)
        .recipients("recipients = \"ldap\"\nsubaddress = \"+\"\nrewrite = true")
        .start();
    expect(
        &postern,
        &[
            ("ann@example.test", "250"),
            ("eve@example.test", "550 5.1.1"),
            ("ann+tag@example.test", "250"),
            ("eve+tag@example.test", "550 5.1.1"),
            ("*@example.test", "550 5.1.1"),
            ("postmaster@example.test", "250"),
            ("x@elsewhere.test", "550 5.7.1"),
        ],
    );
    // Aliases of one mailbox are one mailbox.
    let sent = text::message("aliases", "1@directory.test");
    let recipients = ["ann.smith@example.test", "sales@example.test", "bob@example.test"];
    let reply = client::send(postern.inbound(), "a@sender.test", &recipients, &sent);
    assert_eq!(reply.code, 250, "{reply}");
    let arrived = sink.wait(1);
    assert_eq!(arrived[0].recipients(), ["ann@example.test", "bob@example.test"]);
    // The operator sees the same.
    let seen = postern.ask(&["directory", "test", "ann.smith@example.test"]);
    assert_eq!(seen[0]["found"]["canonical"], "ann@example.test", "{seen:?}");
    let groups = seen[0]["found"]["groups"].as_array().unwrap().len();
    assert_eq!(groups, 4, "{seen:?}");
    let unknown = postern.cli(&["directory", "test", "eve@example.test"]);
    assert_eq!(unknown.status.code(), Some(1));
    let rows = postern.ask(&["directory", "status"]);
    assert_eq!(field(&rows[0], "doubt"), "null");
    assert!(rows[0]["present"].as_u64().unwrap() >= 3, "{rows:?}");
}

#[test]
fn a_trial_with_one_of_two_servers_down_finds_its_answer_and_says_so() {
    let Some(slapd) = Slapd::start(&slapd::office()) else { return };
    let sink = Sink::start();
    let dead = format!("ldap://127.0.0.1:{}", super::harness::free_port());
    let setup = setup(&sink, &slapd, &[dead.clone(), slapd.url()], "sync_minutes = 0\n");
    setup.write();
    let trial = |address: &str| {
        let output = setup.cli(&["directory", "test", address]);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, told) = trial("ann@example.test");
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("DOWN") && told.contains(&dead) && !told.contains("FAILED"), "{told}");
    assert_eq!(trial("eve@example.test").0, Some(1));
    let both = format!("ldap://127.0.0.1:{}", super::harness::free_port());
    let setup = self::setup(&sink, &slapd, &[dead, both], "sync_minutes = 0\n");
    setup.write();
    let output = setup.cli(&["directory", "test", "ann@example.test"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("NO ANSWER") && told.contains("FAILED"), "{told}");
}

#[test]
fn while_the_directory_is_down_old_answers_count_and_then_the_configuration() {
    let Some(mut slapd) = Slapd::start(&slapd::office()) else { return };
    let table = [("accept", "250"), ("defer", "451 4.4.3"), ("refuse", "550 5.4.3")];
    for (policy, expected) in table {
        let sink = Sink::start();
        let lines = format!("on_failure = \"{policy}\"\nsync_minutes = 0\nfresh_s = 0\n");
        let mut postern = setup(&sink, &slapd, &[slapd.url()], &lines).start();
        expect(&postern, &[("ann@example.test", "250"), ("eve@example.test", "550 5.1.1")]);
        slapd.stop();
        expect(
            &postern,
            &[
                ("ann@example.test", "250"),
                ("eve@example.test", "550 5.1.1"),
                ("bob@example.test", expected),
            ],
        );
        // What was known outlives the program.
        assert!(postern.terminate().success());
        postern.start_again();
        expect(&postern, &[("ann@example.test", "250"), ("bob@example.test", expected)]);
        slapd.start_again();
        wait_for("the directory to be asked again", || {
            let back = rcpt(&postern, "dan@example.test").starts_with("250");
            let refused = rcpt(&postern, "nobody-yet@example.test").starts_with("550 5.1.1");
            (back && refused).then_some(())
        });
    }
}

#[test]
fn rules_about_groups_know_those_of_the_directory_and_wait_for_it() {
    let Some(mut slapd) = Slapd::start(&slapd::office()) else { return };
    for (policy, expected) in [("accept", 250), ("defer", 451)] {
        let sink = Sink::start();
        let lines = format!(
            "on_failure = \"{policy}\"\nsync_minutes = 0\nfresh_s = 0\n\
             [[group]]\nname = \"money\"\ndn = \"cn=finance,ou=groups,{BASE}\"\n"
        );
        let setup = setup(&sink, &slapd, &[slapd.url()], &lines);
        let rule = "[[rule]]\nname = \"kept\"\nscope = \"group:money\"\n\
             orders = [{ quarantine = \"money\" }]\n";
        std::fs::write(setup.dir().join("policy.toml"), rule).unwrap();
        let postern = setup.set("policy", "file = \"policy.toml\"").start();
        let send = |who: &str, id: &str| {
            let sent = text::message("groups", &format!("{id}.{policy}@directory.test"));
            client::send(postern.inbound(), "a@sender.test", &[who], &sent).code
        };
        // By a group within the group; and somebody who is in neither.
        assert_eq!(send("ann@example.test", "1"), 250);
        assert_eq!(send("cid@example.test", "2"), 250);
        assert_eq!(sink.wait(1)[0].recipients(), ["cid@example.test"]);
        let held = wait_for("the copy that is kept", || {
            let held = postern.ask(&["quarantine", "list"]);
            (!held.is_empty()).then_some(held)
        });
        assert_eq!((held.len(), field(&held[0], "area")), (1, "money".into()));
        // Known to be there, but nobody knows in which groups.
        expect(&postern, &[("bob@example.test", "250")]);
        slapd.stop();
        assert_eq!(send("bob@example.test", "3"), expected, "{policy}");
        assert_eq!(send("ann@example.test", "4"), 250, "old answers count");
        slapd.configure(Shows::NoGroups);
        slapd.start_again();
        wait_for("a doubt about groups", || {
            assert_eq!(send("ann@example.test", "5"), 250);
            (postern.cli(&["directory", "status"]).status.code() == Some(1)).then_some(())
        });
        let rows = postern.ask_whatever(&["directory", "status"]);
        assert!(field(&rows[0], "doubt").contains("no group"), "{rows:?}");
        slapd.stop();
        slapd.configure(Shows::All);
        slapd.start_again();
    }
}

#[test]
fn another_server_takes_over_whatever_the_first_does() {
    let Some(mut first) = Slapd::start(&slapd::office()) else { return };
    let Some(second) = Slapd::start(&slapd::office()) else { return };
    let sink = Sink::start();
    // Each has an authority of its own.
    let both = std::fs::read_to_string(first.ca()).unwrap()
        + &std::fs::read_to_string(second.ca()).unwrap();
    std::fs::write(first.ca(), both).unwrap();
    let servers = [first.ldaps(), second.url()];
    let lines = "sync_minutes = 0\nfresh_s = 0\n";
    let postern = setup(&sink, &first, &servers, lines).start();
    expect(&postern, &[("ann@example.test", "250")]);
    first.freeze();
    let begun = Instant::now();
    expect(&postern, &[("bob@example.test", "250"), ("eve@example.test", "550 5.1.1")]);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    first.thaw();
    first.stop();
    expect(&postern, &[("cid@example.test", "250"), ("dan@example.test", "250")]);
    let rows = postern.ask(&["directory", "status"]);
    assert!(rows[0]["servers"][0]["last_failure"].is_string(), "{rows:?}");
    assert_eq!(rows[0]["servers"][1]["in_use"], true, "{rows:?}");
}

#[test]
fn a_directory_that_lies_refuses_nobody() {
    let Some(mut slapd) = Slapd::start(&(slapd::office() + &slapd::crowd(5_000))) else { return };
    let sink = Sink::start();
    let lines = "fresh_s = 0\nnegative_s = 0\nshrink_percent = 10\n";
    let postern = setup(&sink, &slapd, &[slapd.url()], lines).start();
    let listed = || {
        let rows = postern.ask_whatever(&["directory", "status"]);
        rows[0]["listed"].as_u64().unwrap_or_default()
    };
    wait_for("all addresses", || (listed() == 5_005).then_some(()));
    expect(&postern, &[("u4999@example.test", "250"), ("eve@example.test", "550 5.1.1")]);
    slapd.stop();
    slapd.configure(Shows::Nobody);
    slapd.start_again();
    let refused = postern.cli(&["directory", "accept", "staff"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("lists nobody"), "{said}");
    expect(
        &postern,
        &[
            ("u4999@example.test", "250"),
            ("u7@example.test", "250"),
            ("eve@example.test", "451 4.4.3"),
        ],
    );
    assert_eq!(listed(), 5_005);
    assert_eq!(postern.cli(&["directory", "status"]).status.code(), Some(1));
    assert!(postern.log().contains("NOT BELIEVED"), "no alarm");
    slapd.stop();
    slapd.configure(Shows::All);
    slapd.start_again();
    for number in 0..1_000 {
        slapd.leave(&format!("uid=u{number},ou=crowd,{BASE}"));
    }
    slapd.flush_changes();
    wait_for("the directory to be asked again", || {
        rcpt(&postern, "u1000@example.test").starts_with("250").then_some(())
    });
    // A fifth is gone: the operator has to say that this is right.
    expect(&postern, &[("u7@example.test", "250")]);
    assert_eq!(listed(), 5_005);
    wait_for("the list to be accepted", || {
        postern.cli(&["directory", "accept", "staff"]).status.success().then_some(())
    });
    assert_eq!(listed(), 4_005);
    expect(
        &postern,
        &[
            ("u7@example.test", "550 5.1.1"),
            ("u1000@example.test", "250"),
            ("eve@example.test", "550 5.1.1"),
        ],
    );
}

#[test]
fn people_submit_with_the_password_of_the_directory() {
    let Some(mut slapd) = Slapd::start(&slapd::office()) else { return };
    let sink = Sink::start();
    let postern = setup(&sink, &slapd, &[slapd.url()], "sync_minutes = 0\n")
        .set("submission", "directory = \"staff\"")
        .start_with_user("own", "local secret", &["own@example.test"]);
    // base64 of NUL name NUL password.
    let ann = "AGFubgBhbm4ncyBzZWNyZXQ=";
    let table = [
        (ann, "235"),
        // own, local secret
        ("AG93bgBsb2NhbCBzZWNyZXQ=", "235"),
        // ann, no password: a directory would take that for nobody and say yes.
        ("AGFubgA=", "535"),
        // ann, bob's secret
        ("AGFubgBib2IncyBzZWNyZXQ=", "535"),
        // eve, x
        ("AGV2ZQB4", "535"),
        // *, ann's secret
        ("ACoAYW5uJ3Mgc2VjcmV0", "535"),
    ];
    for (credentials, expected) in table {
        let mut client = Client::greeted(postern.submission());
        client.starttls();
        let said = client.say(&format!("AUTH PLAIN {credentials}")).to_string();
        let is_refused = expected == "535" && (said.starts_with("501") || said.starts_with("535"));
        assert!(said.starts_with(expected) || is_refused, "{credentials}: {said}");
    }
    let mut client = Client::greeted(postern.submission());
    client.starttls();
    client.say(&format!("AUTH PLAIN {ann}"));
    assert_eq!(client.say("MAIL FROM:<bob@example.test>").code, 553);
    let sent = text::message("own", "2@directory.test");
    let reply = client.send("ann.smith@example.test", &["x@elsewhere.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
    sink.wait(1);
    slapd.stop();
    let mut client = Client::greeted(postern.submission());
    client.starttls();
    let said = client.say(&format!("AUTH PLAIN {ann}"));
    assert_eq!(said.code, 454, "{said}");
}

#[test]
fn next_hops_are_asked_and_their_answers_kept() {
    let questions = Arc::new(AtomicUsize::new(0));
    let later = Arc::new(AtomicBool::new(false));
    let (counted, greylists) = (Arc::clone(&questions), Arc::clone(&later));
    let sink = Sink::options()
        .script(move |_, moment| {
            let Moment::Rcpt(argument) = moment else { return Act::Proceed };
            counted.fetch_add(1, Ordering::Relaxed);
            match *argument {
                _ if greylists.load(Ordering::Relaxed) => Act::Say("451 4.7.1 greylisted"),
                known if known.contains("ann@") || known.contains("bob@") => Act::Proceed,
                _ => Act::Say("550 5.1.1 unknown"),
            }
        })
        .start();
    let postern = Setup::new()
        .next_hop(sink.hop())
        .recipients("recipients = \"callout\"")
        .set("callout", "positive_s = 0")
        .set("callout", "unclear_s = 0")
        .start();
    expect(&postern, &[("ann@example.test", "250"), ("eve@example.test", "550 5.1.1")]);
    let asked = questions.load(Ordering::Relaxed);
    assert_eq!(asked, 3, "ann, somebody who cannot exist, eve");
    expect(&postern, &[("eve@example.test", "550 5.1.1"), ("postmaster@example.test", "250")]);
    assert_eq!(questions.load(Ordering::Relaxed), asked);
    later.store(true, Ordering::Relaxed);
    expect(&postern, &[("ann@example.test", "250"), ("bob@example.test", "451 4.4.3")]);
    later.store(false, Ordering::Relaxed);
    expect(&postern, &[("bob@example.test", "250")]);
    assert_eq!(sink.count(), 0, "a question is no mail");
    let sent = text::message("asked", "3@directory.test");
    let reply = client::send(postern.inbound(), "a@sender.test", &["ann@example.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
    assert_eq!(sink.wait(1)[0].recipients(), ["ann@example.test"]);
    // Nobody there any more.
    sink.close();
    expect(&postern, &[("ann@example.test", "250"), ("cid@example.test", "451 4.4.3")]);
}

#[test]
fn a_next_hop_that_takes_anybody_is_not_asked_for_each() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).recipients("recipients = \"callout\"").start();
    for number in 0..5 {
        expect(&postern, &[(format!("x{number}@example.test").as_str(), "250")]);
    }
    assert_eq!(sink.connections(), 2);
    let rows = postern.ask(&["directory", "status"]);
    assert_eq!(rows[0]["takers_of_any"][0], "example.test", "{rows:?}");
}

#[test]
fn lists_are_files_that_a_reload_reads_again() {
    let sink = Sink::start();
    let setup = Setup::new()
        .next_hop(sink.hop())
        .recipients("recipients = \"list\"\naddresses_file = \"people.csv\"\nsubaddress = \"+\"");
    let file = setup.dir().join("people.csv");
    std::fs::write(
        &file,
        "Name,EmailAddresses\nAnn,\"SMTP:ann@example.test;smtp:a.smith@example.test\"\n",
    )
    .unwrap();
    let postern = setup.start();
    let before = [
        ("ann@example.test", "250"),
        ("A.Smith@example.test", "250"),
        ("ann+x@example.test", "250"),
        ("bob@example.test", "550 5.1.1"),
    ];
    expect(&postern, &before);
    // A file with an error leaves the old list in force, and is named with its line.
    std::fs::write(&file, "Name,EmailAddresses\nBob,bob@@example.test\n").unwrap();
    postern.signal(Signal::SIGHUP);
    wait_for("the refusal", || postern.log().contains("people.csv:2:5").then_some(()));
    expect(&postern, &before);
    std::fs::write(&file, "bob@example.test\n").unwrap();
    postern.signal(Signal::SIGHUP);
    wait_for("the reload", || rcpt(&postern, "bob@example.test").starts_with("250").then_some(()));
    expect(&postern, &[("ann@example.test", "550 5.1.1")]);
}
