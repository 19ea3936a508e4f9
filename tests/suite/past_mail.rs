//! Rules over mail of the past: a draft over the journal, the rules in force over the archive.

use serde_json::Value;

use super::harness::{Postern, Setup, Sink, client, text, wait_for};

const RULES: &str = "[[rule]]\nname = \"keep\"\nwhen = { direction = \"outbound\" }\n\
                     orders = [\"archive\"]\n";
const STOP: &str = "[[rule]]\nname = \"stop\"\nwhen = { direction = \"outbound\", marking = \
                    \"RESTRICTED\", forward_path = \"@else.test\" }\norders = [{ reject = \
                    \"restricted mail does not leave\" }]\n";

fn body(subject: &str, id: &str, first: &str) -> Vec<u8> {
    let plain = String::from_utf8(text::message(subject, id)).unwrap();
    plain.replace("\r\n\r\nThe minutes", &format!("\r\n\r\n{first}\r\n\r\nThe minutes")).into()
}

fn start(sink: &Sink) -> Postern {
    let setup = Setup::new().next_hop(sink.hop()).smart_host(sink.hop());
    let file = setup.dir().join("policy.toml");
    std::fs::write(&file, RULES).unwrap();
    let line = format!("file = \"{}\"", file.display());
    let postern = setup.set("policy", line).start();
    let mails = [
        ("plain", "Nothing special.", vec!["eve@else.test"]),
        ("marked", "RESTRICTED", vec!["eve@else.test", "carl@third.test"]),
        ("inside", "RESTRICTED", vec!["bob@example.test"]),
    ];
    for (number, (subject, first, paths)) in mails.into_iter().enumerate() {
        let message = body(subject, &format!("{number}@example.test"), first);
        let reply = client::send(postern.outbound(), "ann@example.test", &paths, &message);
        assert_eq!(reply.code, 250, "{reply}");
    }
    sink.wait(3);
    postern.wait_until_empty();
    postern
}

#[test]
fn a_draft_names_what_it_would_have_changed() {
    let sink = Sink::start();
    let postern = start(&sink);
    let draft = postern.setup().dir().join("draft.toml");
    std::fs::write(&draft, format!("{RULES}{STOP}")).unwrap();
    let name = draft.to_str().unwrap();
    let replay = ["policy", "replay", "--draft", name, "--days", "1"];
    let lines = postern.ask(&replay);
    let changes: Vec<&Value> = lines.iter().filter(|line| line["kind"] == "change").collect();
    let [change] = changes[..] else { panic!("{lines:?}") };
    assert_eq!(change["recipient"], "eve@else.test");
    assert_eq!(change["subject"], "marked");
    assert_eq!(change["before"]["order"], "none");
    assert_eq!(change["after"]["rule"], "stop");
    assert_eq!(change["uncertain"], false, "{change}");
    let summary = lines.iter().find(|line| line["kind"] == "summary").unwrap();
    assert_eq!(summary["mails"], 3, "{summary}");
    assert_eq!(summary["rules"]["stop"]["newly"], 1, "{summary}");
    assert_eq!(summary["users"]["ann@example.test"], 1, "{summary}");

    let told = postern.tell(&replay);
    assert!(told.contains("none with archive") && told.contains("(rule \"stop\")"), "{told}");

    std::fs::write(&draft, "[[rule]]\nnam = 1\n").unwrap();
    let refused = postern.cli(&replay);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("draft.toml:2:1"), "{said}");
}

#[test]
fn rules_are_asked_about_archived_mail() {
    let sink = Sink::start();
    let postern = start(&sink);
    let archived = || (postern.ask(&["archive", "list"]).len() == 2).then_some(());
    wait_for("the archive", archived);
    let found = postern.ask(&["inspect"]);
    let mails: Vec<&Value> = found.iter().filter(|line| line["kind"] == "mail").collect();
    // Both were archived by a rule that acts on them still.
    assert_eq!(mails.len(), 2, "{found:?}");
    let marked = mails.iter().find(|row| row["subject"] == "marked").unwrap();
    assert_eq!(marked["area"], "archive");
    assert_eq!(marked["markings"][0], "RESTRICTED", "{marked}");
    assert_eq!(marked["policy"][0]["rule"], "keep", "{marked}");
    let summary = found.iter().find(|line| line["kind"] == "summary").unwrap();
    assert_eq!((&summary["mails"], &summary["hit"]), (&2.into(), &2.into()), "{summary}");
    assert_eq!(summary["markings"]["RESTRICTED"], 1, "{summary}");
    let none = postern.ask(&["inspect", "--area", "quarantine"]);
    assert_eq!(none.len(), 1, "{none:?}");
    let refused = postern.cli(&["inspect", "--rule", "NO_SUCH_RULE"]);
    assert!(!refused.status.success());
}
