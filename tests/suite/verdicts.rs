//! What the rules find decides: delivered, tagged, quarantined or refused, and the
//! administrator can read why.

use super::harness::postern::field;
use super::harness::{Postern, Setup, Sink, client, text, wait_for};

fn rule(id: &str, word: &str, score: f32, class: &str) -> String {
    format!(
        "[[rule]]\nid = \"{id}\"\npattern = '\\b{word}\\b'\nflags = \"i\"\n\
         where = [\"subject\", \"body\"]\nscore = {score:.1}\nclass = \"{class}\"\n\
         description = \"A word of the test.\"\nhit = [\"say {word} now\", \"{word}\"]\n\
         near_miss = [\"{word}s\", \"un{word}\"]\n"
    )
}

fn start(sink: &Sink) -> Postern {
    let setup = Setup::new().next_hop(sink.hop()).smart_host(sink.hop());
    let rules = setup.dir().join("rules");
    std::fs::create_dir(&rules).unwrap();
    let text = rule("TEST_TAG", "quuxtag", 6.0, "spam")
        + &rule("TEST_KEEP", "quuxkeep", 30.0, "spam")
        + &rule("TEST_REFUSE", "quuxrefuse", 90.0, "spam")
        + &rule("TEST_POLICY", "quuxpolicy", 0.0, "policy");
    std::fs::write(rules.join("test.toml"), text).unwrap();
    setup
        .set("content", "dirs = [\"rules\"]")
        .set("policy.inbound", "tag = 5.0")
        .set("policy.inbound", "quarantine = 20.0")
        .set("policy.inbound", "reject = 80.0")
        .set("policy.inbound", "tag_subject = \"[SPAM]\"")
        .set("policy.inbound", "classes = { policy = \"quarantine\" }")
        .start()
}

fn send(postern: &Postern, word: &str) -> u16 {
    let sent = text::message(&format!("about {word}"), &format!("{word}@sender.test"));
    client::send(postern.inbound(), "ann@sender.test", &["bob@example.test"], &sent).code
}

#[test]
fn score_and_class_decide() {
    let sink = Sink::start();
    let postern = start(&sink);
    assert_eq!(send(&postern, "nothing"), 250);
    assert_eq!(send(&postern, "quuxtag"), 250);
    assert_eq!(send(&postern, "quuxkeep"), 250);
    assert_eq!(send(&postern, "quuxpolicy"), 250);
    assert_eq!(send(&postern, "quuxrefuse") / 100, 5);
    sink.wait(2);
    postern.wait_until_empty();
    sink.stays_at(2);
    let mut subjects: Vec<String> =
        sink.mails().iter().map(|mail| text::header(&mail.content, "Subject").unwrap()).collect();
    subjects.sort();
    assert_eq!(subjects, ["[SPAM] about quuxtag", "about nothing"]);
    let story = postern.tell(&["track", "--message-id", "quuxrefuse@sender.test"]);
    assert!(story.contains("TEST_REFUSE"), "{story}");
}

#[test]
fn quarantined_mail_is_listed_shown_released_and_deleted() {
    let sink = Sink::start();
    let mut postern = start(&sink);
    for word in ["quuxkeep", "quuxpolicy"] {
        assert_eq!(send(&postern, word), 250);
    }
    let held = wait_for("two held mails", || {
        let held = postern.ask(&["quarantine", "list"]);
        (held.len() == 2).then_some(held)
    });
    let by_subject = |word: &str| {
        let entry = held.iter().find(|entry| field(entry, "subject").contains(word)).unwrap();
        field(entry, "mail_id")
    };
    let (keep, policy) = (by_subject("quuxkeep"), by_subject("quuxpolicy"));
    let shown = postern.tell(&["quarantine", "show", &keep]);
    assert!(shown.contains("TEST_KEEP"), "{shown}");
    postern.kill();
    postern.start_again();
    assert_eq!(postern.ask(&["quarantine", "list"]).len(), 2, "it survives a kill");
    postern.tell(&["quarantine", "release", &keep]);
    let mails = sink.wait(1);
    assert_eq!(mails[0].recipients(), ["bob@example.test"]);
    assert_eq!(mails[0].reverse_path, "ann@sender.test");
    let sent = text::message("about quuxkeep", "quuxkeep@sender.test");
    let (_, body) = text::split(&sent);
    assert!(mails[0].content.ends_with(body));
    postern.tell(&["quarantine", "delete", &policy]);
    wait_for("an empty quarantine", || {
        postern.ask(&["quarantine", "list"]).is_empty().then_some(())
    });
    let again = postern.cli(&["quarantine", "release", &keep]);
    assert!(!again.status.success(), "what was released is gone from the quarantine");
    sink.stays_at(1);
}

#[test]
fn a_domain_may_have_terms_of_its_own() {
    let sink = Sink::start();
    let setup = Setup::new().next_hop(sink.hop());
    let rules = setup.dir().join("rules");
    std::fs::create_dir(&rules).unwrap();
    std::fs::write(rules.join("test.toml"), rule("TEST_KEEP", "quuxkeep", 30.0, "spam")).unwrap();
    let hop = sink.hop();
    let postern = setup
        .set("content", "dirs = [\"rules\"]")
        .set("policy.inbound", "quarantine = 20.0")
        .raw(&format!(
            "[[domain]]\nname = \"lenient.test\"\nnext_hop = [\"{hop}\"]\n\
             [[policy.domain]]\nname = \"lenient.test\"\n\
             terms = {{ tag = 900.0, quarantine = 1000.0, reject = 2000.0 }}\n"
        ))
        .start();
    let sent = text::message("about quuxkeep", "two-domains@sender.test");
    let paths = ["bob@example.test", "carol@lenient.test"];
    let reply = client::send(postern.inbound(), "ann@sender.test", &paths, &sent);
    assert_eq!(reply.code, 250, "{reply}");
    // Verdict is per message, disposition per recipient.
    let mails = sink.wait(1);
    assert_eq!(mails[0].recipients(), ["carol@lenient.test"]);
    let held =
        wait_for("the other's copy", || postern.ask(&["quarantine", "list"]).into_iter().next());
    assert!(held.to_string().contains("bob@example.test"), "{held}");
    assert!(!held.to_string().contains("carol@lenient.test"), "{held}");
    sink.stays_at(1);
}
