//! The classifier from the operator's side: trained by command, used by the box and by
//! `postern scan`, refused without harm when its file is damaged.

use std::path::Path;
use std::process::Output;

use nix::sys::signal::Signal;

use super::harness::postern::program;
use super::harness::random::Random;
use super::harness::{Setup, Sink, client, text, wait_for};

const MODEL: &str = "classifier.model";

fn ham(random: &mut Random, number: usize) -> Vec<u8> {
    let head = format!(
        "From: Ann Sender <ann@sender.test>\nTo: Bob <bob@example.test>\n\
         Date: Mon, 16 Nov 2026 10:00:00 +0000\nMessage-ID: <ham{number}@sender.test>\n\
         Subject: minutes of meeting {number}\nContent-Type: text/plain; charset=utf-8\n\n"
    );
    [head.into_bytes(), text::prose(random, 600)].concat()
}

fn spam(random: &mut Random, number: usize) -> Vec<u8> {
    let words = ["quuxpills", "bargain", "frobnicate", "cheapest", "zorkmid", "hurry", "stock"];
    let mut body = String::new();
    for _ in 0..60 {
        body += words[random.below(words.len() as u64) as usize];
        body.push(' ');
    }
    format!(
        "From: \"Zork Shop\" <shop{number}@zork.test>\nTo: undisclosed@zork.test\n\
         Date: Mon, 16 Nov 2026 10:00:00 +0000\nMessage-ID: <spam{number}@zork.test>\n\
         Subject: cheapest zorkmid {number} !!!\nContent-Type: text/html\n\n\
         <p>{body}<a href=\"http://zork.test/{number}\">frobnicate</a></p>\n"
    )
    .into_bytes()
}

/// `ham/` with a folder in it, and `spam/`.
fn write_corpora(dir: &Path, count: usize) {
    let mut random = Random::new(7);
    std::fs::create_dir_all(dir.join("ham/more")).unwrap();
    std::fs::create_dir_all(dir.join("spam")).unwrap();
    for number in 0..count {
        let below = if number % 2 == 0 { "ham" } else { "ham/more" };
        let octets = ham(&mut random, number);
        std::fs::write(dir.join(below).join(number.to_string()), octets).unwrap();
        let octets = spam(&mut random, number);
        std::fs::write(dir.join("spam").join(number.to_string()), octets).unwrap();
    }
}

fn train(setup: &Setup, ham: &[&str], spam: &[&str]) -> Output {
    let mut command = program();
    command.arg("train").arg("--config").arg(setup.file());
    for (option, dirs) in [("--ham", ham), ("--spam", spam)] {
        for dir in dirs {
            command.arg(option).arg(setup.dir().join(dir));
        }
    }
    command.output().unwrap()
}

fn trained(setup: &Setup) -> String {
    let output = train(setup, &["ham"], &["spam"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {said}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn scan(setup: &Setup, octets: &[u8]) -> String {
    let file = setup.dir().join("message");
    std::fs::write(&file, octets).unwrap();
    let output = setup.cli(&["scan", file.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn what_was_trained_is_used_by_scan_and_after_a_reload_by_the_box() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).set("policy.inbound", "reject = 90.0").start();
    let setup = postern.setup();
    write_corpora(setup.dir(), 40);
    let mut random = Random::new(8);
    let (good, bad) = (ham(&mut random, 900), spam(&mut random, 900));
    assert!(!scan(setup, &bad).contains("CLASSIFIER"), "nothing is learned yet");
    let said = trained(setup);
    assert!(said.contains("learned from 40 ham and 40 spam"), "{said}");
    assert!(said.contains("SIGHUP"), "{said}");
    let (about_good, about_bad) = (scan(setup, &good), scan(setup, &bad));
    assert!(about_bad.contains("CLASSIFIER_SPAM"), "{about_bad}");
    assert!(!about_good.contains("CLASSIFIER_SPAM"), "{about_good}");
    let send = |number: usize| {
        let octets = spam(&mut Random::new(number as u64), number);
        let octets = String::from_utf8(octets).unwrap().replace('\n', "\r\n");
        let to = ["bob@example.test"];
        let sent = client::send(postern.inbound(), "shop@zork.test", &to, octets.as_bytes());
        assert_eq!(sent.code, 250);
        postern.tell(&["track", "--message-id", &format!("spam{number}@zork.test")])
    };
    let story = send(901);
    assert!(!story.contains("CLASSIFIER"), "the box has not reloaded: {story}");
    postern.signal(Signal::SIGHUP);
    wait_for("the reload", || postern.log().contains("reloaded").then_some(()));
    let story = send(902);
    assert!(story.contains("CLASSIFIER_SPAM"), "{story}");
}

#[test]
fn a_damaged_model_is_said_and_does_no_harm() {
    let sink = Sink::start();
    let setup = Setup::new().next_hop(sink.hop());
    setup.write();
    write_corpora(setup.dir(), 20);
    trained(&setup);
    let mut postern = setup.start();
    postern.kill();
    let model = postern.setup().dir().join("data").join(MODEL);
    let mut octets = std::fs::read(&model).unwrap();
    let middle = octets.len() / 2;
    octets[middle] ^= 1;
    std::fs::write(&model, octets).unwrap();
    postern.start_again();
    let log = postern.log();
    assert!(log.contains("the classifier is out of use"), "{log}");
    let sent = text::message("after the damage", "damage@sender.test");
    let code =
        client::send(postern.inbound(), "ann@sender.test", &["bob@example.test"], &sent).code;
    assert_eq!(code, 250);
    sink.wait(1);
    let story = postern.tell(&["track", "--message-id", "damage@sender.test"]);
    assert!(story.contains("CLASSIFIER_REFUSED"), "{story}");
    let about = scan(postern.setup(), &sent);
    assert!(about.contains("CLASSIFIER_REFUSED") && about.contains("corrupt"), "{about}");
    trained(postern.setup());
    assert!(!scan(postern.setup(), &sent).contains("CLASSIFIER_REFUSED"));
}

#[test]
fn too_little_to_learn_from_is_refused_and_the_model_stays() {
    let setup = Setup::new();
    setup.write();
    write_corpora(setup.dir(), 20);
    trained(&setup);
    let model = setup.dir().join("data").join(MODEL);
    let before = std::fs::read(&model).unwrap();
    std::fs::create_dir(setup.dir().join("empty")).unwrap();
    let table: [(&str, &str, i32, &str); 4] = [
        ("empty", "empty", 65, "the training corpus is empty"),
        ("ham", "empty", 65, "0 spam and 20 ham"),
        ("ham/more", "spam", 65, "20 spam and 10 ham"),
        ("missing", "spam", 66, "missing"),
    ];
    for (ham, spam, code, said) in table {
        let output = train(&setup, &[ham], &[spam]);
        let line = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{ham} {spam}: {line}");
        assert!(line.contains(said) && line.lines().count() == 1, "{line}");
        assert_eq!(std::fs::read(&model).unwrap(), before, "the model in force stays");
    }
}

#[test]
fn contradictory_mail_is_refused_and_the_model_before_comes_back() {
    let setup = Setup::new();
    setup.write();
    write_corpora(setup.dir(), 40);
    trained(&setup);
    let model = setup.dir().join("data").join(MODEL);
    let good = std::fs::read(&model).unwrap();
    let config = setup.file();
    let run = |words: &[&str]| {
        let mut command = program();
        command.args(words).arg("--config").arg(&config);
        command.output().unwrap()
    };
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let refused = train(&setup, &["ham"], &["ham"]);
    assert_eq!(refused.status.code(), Some(65), "{}", said(&refused));
    assert!(said(&refused).contains("contradicts itself"), "{}", said(&refused));
    assert!(said(&refused).contains("the same message is good mail and spam"));
    assert!(said(&refused).contains("40 of 40 good messages come from sender.test"));
    assert_eq!(std::fs::read(&model).unwrap(), good, "the model in force stays");
    let (ham, force) = (setup.dir().join("ham"), "--force");
    let ham = ham.to_str().unwrap();
    let forced = run(&["train", "--ham", ham, "--spam", ham, force]);
    assert!(forced.status.success(), "{}", said(&forced));
    let bad = std::fs::read(&model).unwrap();
    assert_ne!(bad, good);
    for expected in [&good, &bad, &good] {
        let restored = run(&["model", "restore"]);
        assert!(restored.status.success(), "{}", said(&restored));
        assert_eq!(&std::fs::read(&model).unwrap(), expected);
    }
}

#[test]
fn a_lesson_between_training_and_reload_is_not_lost() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    let setup = postern.setup();
    write_corpora(setup.dir(), 40);
    let row = || postern.tell(&["model", "show", "--json"]);
    trained(setup);
    assert!(!postern.log().contains("reloaded"));
    let file = setup.dir().join("lesson");
    std::fs::write(&file, spam(&mut Random::new(77), 77)).unwrap();
    let learned = postern.tell(&["report", "spam", file.to_str().unwrap()]);
    assert!(learned.contains("learned as spam"), "{learned}");
    assert!(row().contains("\"waiting\":true"), "{}", row());
    postern.signal(Signal::SIGHUP);
    wait_for("the reload", || postern.log().contains("reloaded").then_some(()));
    let shown = row();
    assert!(shown.contains("\"waiting\":false") && shown.contains("\"ham\":40"), "{shown}");
    // Which the new model knows already, or takes now.
    assert!(shown.contains("\"spam\":4"), "{shown}");
}
