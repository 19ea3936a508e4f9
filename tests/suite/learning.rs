//! Learning from the operator's side: what is released or reported is learned, what was
//! learned outlives a kill, a candidate is tried unseen, weights are refitted, and a backup
//! brings all of it back.

use std::path::Path;

use super::harness::postern::{field, program};
use super::harness::random::Random;
use super::harness::{Postern, Setup, Sink, client, text, wait_for};

fn ham(random: &mut Random, number: usize) -> Vec<u8> {
    let head = format!(
        "From: Ann Sender <ann@sender.test>\r\nTo: Bob <bob@example.test>\r\n\
         Date: Mon, 16 Nov 2026 10:00:00 +0000\r\nMessage-ID: <ham{number}@sender.test>\r\n\
         Subject: minutes of meeting {number}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    );
    [head.into_bytes(), text::prose(random, 600)].concat()
}

fn spam(random: &mut Random, number: usize) -> Vec<u8> {
    let words = ["quuxpills", "bargain", "frobnicate", "cheapest", "zorkmid", "hurry", "stock"];
    let body: String = (0..60)
        .map(|_| words[random.below(words.len() as u64) as usize].to_owned() + " ")
        .collect();
    format!(
        "From: \"Zork Shop\" <shop{number}@zork.test>\r\nTo: undisclosed@zork.test\r\n\
         Date: Mon, 16 Nov 2026 10:00:00 +0000\r\nMessage-ID: <spam{number}@zork.test>\r\n\
         Subject: cheapest zorkmid {number} !!!\r\nContent-Type: text/html\r\n\r\n\
         <p>{body}<a href=\"http://zork.test/{number}\">frobnicate</a></p>\r\n"
    )
    .into_bytes()
}

fn write_corpora(dir: &Path, count: usize) {
    let mut random = Random::new(7);
    for (kind, make) in [("ham", ham as fn(&mut Random, usize) -> Vec<u8>), ("spam", spam)] {
        std::fs::create_dir_all(dir.join(kind)).unwrap();
        for number in 0..count {
            let octets = make(&mut random, number);
            std::fs::write(dir.join(kind).join(number.to_string()), octets).unwrap();
        }
    }
}

fn with_corpora(setup: &Setup, verb: &str, more: &[&str]) -> String {
    let mut command = program();
    command.arg(verb).arg("--config").arg(setup.file());
    command.arg("--ham").arg(setup.dir().join("ham"));
    command.arg("--spam").arg(setup.dir().join("spam")).args(more);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{verb}: {} {said}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A box that was trained, keeps what it takes for spam, and refuses nothing.
fn trained(sink: &Sink, more: &[(&str, &str)]) -> Postern {
    trained_with(sink, "quarantine = 3.0", more)
}

/// The same with another threshold.
fn trained_with(sink: &Sink, threshold: &str, more: &[(&str, &str)]) -> Postern {
    let mut setup = Setup::new()
        .next_hop(sink.hop())
        .set("policy.inbound", "reject = 90.0")
        .set("policy.inbound", threshold)
        .set("learning", "automatic = false")
        .set("learning", "save_interval_s = 1");
    for (section, line) in more {
        setup = setup.set(section, *line);
    }
    setup.write();
    write_corpora(setup.dir(), 40);
    with_corpora(&setup, "train", &[]);
    setup.start()
}

fn send(postern: &Postern, octets: &[u8]) {
    let to = ["bob@example.test"];
    let sent = client::send(postern.inbound(), "shop@zork.test", &to, octets);
    assert_eq!(sent.code, 250, "{sent}");
}

fn kept(postern: &Postern) -> Vec<String> {
    wait_for("a mail in quarantine", || {
        let rows = postern.ask(&["quarantine", "list"]);
        (!rows.is_empty()).then(|| rows.iter().map(|row| field(row, "mail_id")).collect())
    })
}

fn lessons(postern: &Postern) -> String {
    let rows = postern.ask(&["model", "show"]);
    rows[0]["by_operators"].to_string()
}

#[test]
fn what_is_released_teaches_unless_told_otherwise() {
    let sink = Sink::start();
    let postern = trained(&sink, &[]);
    let mut random = Random::new(9);
    let table: [(&[&str], &str, &str); 4] = [
        (&["release"], "learned as ham", "[0,1]"),
        (&["release", "--no-learn"], "released", "[0,1]"),
        (&["delete"], "deleted", "[0,1]"),
        (&["delete", "--spam"], "", "[0,1]"),
    ];
    for (number, (act, said, count)) in table.into_iter().enumerate() {
        send(&postern, &spam(&mut random, 700 + number));
        let ids = kept(&postern);
        let told = postern.tell(&[&["quarantine"], act, &[ids[0].as_str()]].concat());
        assert!(told.contains(said), "{act:?}: {told}");
        assert_eq!(
            told.contains("learned"),
            act.len() == 1 && number == 0 || number == 3,
            "{told}"
        );
        // A lesson about what is known for sure already is none, and not counted.
        if number < 3 {
            assert_eq!(lessons(&postern), count, "{act:?}");
        }
        wait_for("an empty quarantine", || {
            postern.ask(&["quarantine", "list"]).is_empty().then_some(())
        });
    }
    sink.wait(2);
}

#[test]
fn what_is_released_makes_its_sender_known() {
    let sink = Sink::start();
    let settings = [
        ("history", "settle_days = 0"),
        ("history.greylist", "mode = \"off\""),
        ("limits", "exempt = []"),
        // The text must not become good by the release.
        ("bulk", "enabled = false"),
    ];
    // Low enough for a text that was called good once.
    let postern = trained_with(&sink, "quarantine = 0.5", &settings);
    let mut random = Random::new(13);
    let is_new = |id: &str| {
        let shown = postern.tell(&["quarantine", "show", id]);
        assert!(shown.contains("CLASSIFIER"), "{shown}");
        shown.contains("SENDER_NEW")
    };
    // The same shop each time; nobody vouches for it, so it is known in this network only.
    for (act, expected) in [("--no-learn", true), ("--ham", true), ("--no-learn", false)] {
        send(&postern, &spam(&mut random, 900));
        let ids = kept(&postern);
        assert_eq!(is_new(&ids[0]), expected, "before {act}");
        postern.tell(&["quarantine", "release", act, &ids[0]]);
        wait_for("an empty quarantine", || {
            postern.ask(&["quarantine", "list"]).is_empty().then_some(())
        });
    }
    sink.wait(3);
}

#[test]
fn scan_asks_the_running_box_what_it_remembers() {
    let sink = Sink::start();
    let mut postern = trained(&sink, &[]);
    let mut random = Random::new(14);
    let file = postern.setup().dir().join("reported");
    std::fs::write(&file, ham(&mut random, 830)).unwrap();
    let name = file.to_str().unwrap();
    let said = |output: std::process::Output| {
        assert!(output.status.success());
        let [out, err] = [output.stdout, output.stderr];
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    };
    let (before, remarks) = said(postern.cli(&["scan", name]));
    assert!(!before.contains("NEAR_SPAM") && remarks.is_empty(), "{before}{remarks}");
    postern.tell(&["report", "spam", name]);
    let (after, remarks) = said(postern.cli(&["scan", name]));
    assert!(after.contains("NEAR_SPAM +3.5") && remarks.is_empty(), "{after}{remarks}");
    postern.terminate();
    let (alone, remarks) = said(postern.cli(&["scan", name]));
    assert!(!alone.contains("NEAR_SPAM"), "{alone}");
    assert!(remarks.contains("the box is not running"), "{remarks}");
}

#[test]
fn reports_are_learned_saved_and_outlive_a_kill() {
    let sink = Sink::start();
    let mut postern = trained(&sink, &[]);
    let mut random = Random::new(10);
    let file = postern.setup().dir().join("reported");
    // Good mail that somebody calls spam: the classifier has something to learn.
    std::fs::write(&file, ham(&mut random, 800)).unwrap();
    let name = file.to_str().unwrap();
    let said = postern.tell(&["report", "spam", name]);
    assert!(said.contains("learned as spam (log-odds"), "{said}");
    let again = postern.tell(&["report", "spam", name]);
    assert!(again.contains("not learned: this message was taught already"), "{again}");
    let other = postern.tell(&["report", "ham", "--user", "ann@example.test", name]);
    assert!(other.contains("learned as ham"), "{other}");
    send(&postern, &spam(&mut random, 801));
    let ids = kept(&postern);
    let by_id = postern.tell(&["report", "ham", "--mail-id", &ids[0]]);
    assert!(by_id.contains("learned as ham"), "{by_id}");
    let missing = postern.cli(&["report", "ham", "--mail-id", "000000000000000000000000"]);
    assert!(!missing.status.success());
    assert_eq!(lessons(&postern), "[1,1]");
    // Longer than the interval of saving; then nothing may be lost.
    let model = postern.setup().dir().join("data/classifier.model");
    let model_time = || std::fs::metadata(&model).unwrap().modified().unwrap();
    let before = model_time();
    wait_for("the lessons on the disk", || {
        let rows = program()
            .args(["model", "show", "--json", "--config"])
            .arg(postern.setup().file())
            .arg(&model)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&rows.stdout).into_owned();
        said.contains("\"by_operators\":[1,1]").then_some(())
    });
    postern.kill();
    assert!(model_time() >= before);
    postern.start_again();
    assert_eq!(lessons(&postern), "[1,1]", "after the kill");
    let rows = postern.ask(&["model", "show"]);
    assert_eq!(rows[0]["by_users"].to_string(), "[0,1]");
    let export = postern.setup().dir().join("exported");
    postern.tell(&["model", "export", "--out", export.to_str().unwrap()]);
    assert!(postern.tell(&["model", "import", export.to_str().unwrap()]).contains("uses it"));
    std::fs::write(&export, b"PSTNMODL").unwrap();
    let refused = postern.cli(&["model", "import", export.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(65));
    assert_eq!(lessons(&postern), "[1,1]", "a damaged model is not taken");
}

#[test]
fn lessons_are_written_when_the_box_ends() {
    let sink = Sink::start();
    let mut postern = trained(&sink, &[("learning", "save_interval_s = 3600")]);
    let file = postern.setup().dir().join("reported");
    std::fs::write(&file, ham(&mut Random::new(11), 810)).unwrap();
    postern.tell(&["report", "spam", file.to_str().unwrap()]);
    assert!(postern.terminate().success());
    postern.start_again();
    assert_eq!(lessons(&postern), "[1,0]");
}

#[test]
fn a_candidate_is_tried_unseen() {
    let sink = Sink::start();
    let setup =
        Setup::new().next_hop(sink.hop()).set("learning.shadow", "weights = \"candidate.toml\"");
    std::fs::write(setup.dir().join("candidate.toml"), "[HEADER_FROM_ABSENT]\nscore = 20.0\n")
        .unwrap();
    let postern = setup.start();
    let plain = text::message("as ever", "plain@sender.test");
    let odd = b"Date: Mon, 16 Nov 2026 10:00:00 +0000\r\nSubject: nobody\r\n\r\nhello\r\n";
    send(&postern, &plain);
    send(&postern, odd);
    sink.wait(2);
    let report = wait_for("the trial of both", || {
        let report = postern.ask(&["shadow", "report"]).pop().unwrap();
        (report["tried"] == 2).then_some(report)
    });
    assert_eq!(report["differing"], 1);
    let example = &report["examples"][0];
    assert_eq!(example["candidate"]["fate"], "reject");
    assert!(example["reasons"].to_string().contains("HEADER_FROM_ABSENT"), "{example}");
    let said = postern.tell(&["shadow", "report"]);
    assert!(said.contains("1 would have been judged otherwise"), "{said}");
    let story = postern.tell(&["track", "--mail-id", &field(example, "mail_id")]);
    assert!(!story.contains("20.0"), "the candidate is unseen: {story}");
}

#[test]
fn weights_are_refitted_only_when_told_to() {
    let setup = Setup::new();
    setup.write();
    write_corpora(setup.dir(), 120);
    let tuned = setup.dir().join("data/weights.toml");
    std::fs::create_dir_all(setup.dir().join("data")).unwrap();
    let said = with_corpora(&setup, "tune", &[]);
    for line in ["kept from the fit", "false positives", "caught", "nothing was written"] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!tuned.exists());
    let said = with_corpora(&setup, "tune", &["--write"]);
    assert!(said.contains("written:"), "{said}");
    assert!(tuned.exists());
    assert!(setup.cli(&["check"]).status.success());
    let few = program()
        .args(["tune", "--config"])
        .arg(setup.file())
        .arg("--ham")
        .arg(setup.dir().join("ham"))
        .arg("--spam")
        .arg(setup.dir().join("data"))
        .output()
        .unwrap();
    assert_eq!(few.status.code(), Some(65), "{}", String::from_utf8_lossy(&few.stderr));
}

#[test]
fn a_backup_of_a_running_box_brings_its_accounts_and_lessons_back() {
    let sink = Sink::start();
    let mut postern = trained(&sink, &[]);
    let (file, config) = (postern.setup().dir().join("reported"), postern.setup().file());
    std::fs::write(&file, ham(&mut Random::new(12), 820)).unwrap();
    postern.setup().add_user("ann@example.test", "correct horse", &["ann@example.test"]);
    postern.tell(&["report", "spam", file.to_str().unwrap()]);
    let key = postern.tell(&["bulk", "key"]);
    let folder = postern.setup().dir().join("backup");
    let said = postern.tell(&["backup", "create", "--out", folder.to_str().unwrap()]);
    for name in ["bulk.key", "classifier.model", "postern.toml", "store.export"] {
        assert!(said.contains(name), "{said}");
    }
    let restore = ["backup", "restore", "--replace", folder.to_str().unwrap()];
    let refused = postern.cli(&restore);
    assert_eq!(refused.status.code(), Some(75), "a running box is left alone");
    postern.kill();
    std::fs::remove_dir_all(postern.setup().dir().join("data")).unwrap();
    std::fs::remove_file(&config).unwrap();
    postern.tell(&restore);
    postern.start_again();
    assert_eq!(lessons(&postern), "[1,0]");
    assert!(postern.tell(&["user", "list"]).contains("ann@example.test"));
    assert_eq!(postern.tell(&["bulk", "key"]), key, "partners know the box again");
}
